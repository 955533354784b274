"""What people do with the messages of a chat of Telegram, and what is done about people, to events: pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.event import Follow, Reaction, Removed
from connectors.telegram.fields import MOST, author_of, id_of, integer, message_id, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.event import Event
    from connectors.telegram.fields import Context

TAKEN_BACK = timedelta(minutes=10)
"""How far back a ban reaches in the journal."""


def reaction_events(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    """One person's reactions to a message, before and after: the new ones count, and each once however often it is taken back."""
    number, at = id_of(body), time_of(body)
    actor = body.get("user") if isinstance(body.get("user"), dict) else body.get("actor_chat")
    who = integer(actor.get("id")) if isinstance(actor, dict) else None
    if who is None:
        raise Unreadable("missing_author")
    author, name = author_of(body.get("user"), body.get("actor_chat"), context, post=False)
    before = set(_emojis(body.get("old_reaction")))
    fresh = dict.fromkeys(emoji for emoji in _emojis(body.get("new_reaction")) if emoji not in before)
    return [
        Reaction(
            id=f"{message_id(chat, number)}:{emoji}:{(author or '')[:16]}", platform="telegram", livestream=livestream, at=at,
            received_at=context.received_at, author=author, author_name=name, reaction=emoji,
        )
        for emoji in fresh
    ]  # fmt: skip


def count_events(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    """The totals of a message whose voters are anonymous."""
    number, at = id_of(body), time_of(body)
    rows = body.get("reactions")
    if not isinstance(rows, list):
        raise Unreadable("missing_reactions")
    totals: dict[str, int] = {}
    for row in rows:
        emoji = _emoji(row.get("type")) if isinstance(row, dict) else ""
        total = integer(row.get("total_count")) if isinstance(row, dict) else None
        if emoji and total is not None and 0 <= total <= MOST:
            totals[emoji] = max(total, totals.get(emoji, 0))
    raised = context.totals_of(chat).raised(number, totals)
    return [
        Reaction(
            id=f"{message_id(chat, number)}:{emoji}:{total}", platform="telegram", livestream=livestream, at=at,
            received_at=context.received_at, reaction=emoji, count=more,
        )
        for emoji, more, total in raised
    ]  # fmt: skip


def _emojis(rows: Any) -> list[str]:
    if rows is None:  # nothing before, or nothing after
        return []
    if not isinstance(rows, list):
        raise Unreadable("missing_reactions")
    return [emoji for row in rows if (emoji := _emoji(row))]


def _emoji(kind: Any) -> str:
    if not isinstance(kind, dict):
        return ""
    if kind.get("type") == "paid":
        return "⭐"
    for key, prefix in (("emoji", ""), ("custom_emoji_id", "custom:")):
        value = kind.get(key)
        if isinstance(value, str) and value:
            return prefix + value[:40]
    return ""


def member_events(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    """A ban takes back; who comes to a channel follows it, because a channel has no message that says so, as groups have."""
    before, after = body.get("old_chat_member"), body.get("new_chat_member")
    if not isinstance(after, dict):
        return []
    was_there = isinstance(before, dict) and before.get("status") not in ("left", "kicked")
    if after.get("status") == "member" and not was_there and body["chat"].get("type") == "channel":
        return _followed(body, after, chat, livestream, context)
    if after.get("status") != "kicked":
        return []
    who = integer(after["user"].get("id")) if isinstance(after.get("user"), dict) else None
    if who is None:
        raise Unreadable("missing_author")
    at, author = time_of(body), context.pseudonym("telegram", str(who))
    common: dict[str, Any] = {
        "platform": "telegram", "livestream": livestream, "at": at, "received_at": context.received_at,
    }  # fmt: skip
    one_by_one = [Removed(id=f"{event_id}:removed", target=event_id, **common) for event_id in context.written.of(author, chat)]
    ban = f"telegram:{chat}:ban:{author[:16]}:{int(at.timestamp())}"
    return [*one_by_one, Removed(id=ban, target_author=author, from_=at - TAKEN_BACK, to=at, **common)]


def _followed(body: Mapping[str, Any], after: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    user, at = after.get("user"), time_of(body)
    if isinstance(user, dict) and user.get("is_bot") is True:
        return []
    author, name = author_of(user, None, context, post=False)
    return [
        Follow(
            id=f"telegram:{chat}:follow:{(author or '')[:16]}:{int(at.timestamp())}", platform="telegram", livestream=livestream, at=at,
            received_at=context.received_at, author=author, author_name=name,
        )
    ]  # fmt: skip
