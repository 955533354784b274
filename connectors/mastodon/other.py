"""Statuses and notifications as others write them than Mastodon's API: JavaScript libraries' names, grouped notifications, Misskey's notes. Pure.

Each is turned into what Mastodon itself would have said; what is none of these comes back as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_capital = re.compile(r"(?<=[a-z0-9])([A-Z])")
_MARKERS: Final = frozenset(("createdAt", "displayName", "inReplyToId", "spoilerText"))
_WITHIN: Final = ("account", "status", "reblog")
_DEEPEST: Final = 4
_VISIBLE: Final = {"home": "unlisted", "followers": "private", "specified": "direct"}


def in_mastodons_words(told: Any) -> Any:
    """A status or notification of masto.js (``createdAt``), a note of Misskey or what is around one; anything else as it is."""
    if not isinstance(told, dict) or "created_at" in told:  # Mastodon's own, of which there is very much
        return told
    if told.get("type") == "channel" and isinstance(told.get("body"), dict):  # Misskey's stream
        told = told["body"]
    if told.get("type") in ("note", "mention", "reply", "renote") and isinstance(told.get("body"), dict):
        told = told["body"]
    if isinstance(told.get("user"), dict) and "createdAt" in told and "account" not in told:
        return _of_note(told, _DEEPEST)
    return _snake(told, _DEEPEST)


def _snake(told: dict[str, Any], levels: int) -> dict[str, Any]:
    inner = {key: _snake(told[key], levels - 1) for key in _WITHIN if levels and isinstance(told.get(key), dict)}
    if _MARKERS.isdisjoint(told):
        return {**told, **inner} if inner else told
    return {**{_capital.sub(lambda letter: "_" + letter[1].lower(), key): value for key, value in told.items()}, **inner}


def _of_note(note: Mapping[str, Any], levels: int) -> dict[str, Any]:
    user = note["user"] if isinstance(note.get("user"), dict) else {}
    name, host = user.get("username"), user.get("host")
    is_local = not isinstance(host, str) or not host
    renote = note.get("renote") if isinstance(note.get("renote"), dict) and levels else None
    has_words = isinstance(note.get("text"), str) and note["text"] != ""
    return {
        "id": note.get("id"),
        "uri": note.get("uri") or note.get("url") or f"misskey:{note.get('id')}",
        "url": note.get("url") or note.get("uri"),
        "created_at": note.get("createdAt"),
        "plain": note.get("text") if has_words else "",
        "spoiler_text": note.get("cw"),
        "visibility": _VISIBLE.get(str(note.get("visibility")), note.get("visibility")),
        "in_reply_to_id": note.get("replyId"),
        "language": note.get("lang"),
        "account": {
            "acct": name if is_local else f"{name}@{host}",
            "display_name": user.get("name"),
            "url": user.get("uri") or user.get("url"),
        }
        if isinstance(name, str)
        else None,
        "reblog": _of_note(renote, levels - 1) if renote is not None and not has_words else None,
    }


def groups_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of grouped notifications each as if it had come alone, with whom the answer names of the group."""
    accounts, statuses = _by_id(document.get("accounts")), _by_id(document.get("statuses"))
    for group in _rows(document.get("notification_groups")):
        named = group.get("sample_account_ids")
        for number in named if isinstance(named, list) else ():
            account, status = accounts.get(_id(number)), statuses.get(_id(group.get("status_id")))
            yield {
                "id": group.get("most_recent_notification_id"), "type": group.get("type"), "account": account, "status": status,
                "created_at": group.get("latest_page_notification_at") or (status or {}).get("created_at"), "emoji": group.get("emoji"),
            }  # fmt: skip


def _rows(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _by_id(rows: Any) -> dict[str, dict[str, Any]]:
    return {_id(one.get("id")): one for one in _rows(rows)}


def _id(value: Any) -> str:
    """Numbers and texts are the same id; anything else is none."""
    return str(value) if isinstance(value, str | int) else ""
