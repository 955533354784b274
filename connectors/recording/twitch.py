"""Twitch chat of a video: TwitchDownloader's JSON and the older rechat list, which are the same comments in two wrappers. Pure.

Every comment is one Message. Bits, and what ``user_notice_params`` says was paid for, are a Gift beside it with the ids that the live
connector gives them, so that what was collected live and is replayed later is known already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.event import Gift, Share
from connectors.recording.entry import Entry, Maker, moment, number, rows, table, text_of

if TYPE_CHECKING:
    from connectors.event import Event

PAID = frozenset(
    ("sub", "resub", "subgift", "anonsubgift", "giftpaidupgrade", "anongiftpaidupgrade", "primepaidupgrade", "extendsub")
)


def parse_comment(comment: Any, maker: Maker) -> list[Entry]:
    """One element of ``comments`` (or of the rechat list); raises Unreadable."""
    message = table(comment).get("message")
    if not isinstance(message, dict):
        raise Unreadable("missing_message")
    text = message.get("body")
    if not isinstance(text, str):
        text = "".join(text_of(table(part).get("text")) or "" for part in rows(message.get("fragments")))
    at = moment(comment.get("created_at"))
    offset = number(comment.get("content_offset_seconds")) or 0.0
    who = table(comment.get("commenter"))
    native = text_of(who.get("_id")) or text_of(who.get("name"))
    name = text_of(who.get("display_name")) or who.get("name")
    said = maker.message(comment.get("_id"), offset, at, author=native, name=name, text=text)
    events: list[Event] = [said]
    about = maker.about(at, said.author, name)
    bits = number(message.get("bits_spent")) or 0
    if bits > 0:
        events.append(Gift(id=f"{said.id}:bits", name="bits", amount_minor=int(bits), currency="BITS", **about))
    notice = table(message.get("user_notice_params"))
    kind = text_of(notice.get("msg-id")) or text_of(notice.get("msg_id"))
    if kind in PAID:
        events.append(Gift(id=f"{said.id}:{kind}", name=kind, **about))
    elif kind == "raid":
        events.append(Share(id=f"{said.id}:raid", **about))
    return [Entry(offset, event) for event in events]
