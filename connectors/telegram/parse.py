"""One update of Telegram's Bot API to events: pure.

    {"update_id":7,"message":{"message_id":5,"from":{"id":77,"first_name":"Ana","is_bot":false},"chat":{"id":-1001,"type":"supergroup"},
     "date":1795151369,"text":"hello 你好"}}

A post of the channel itself is a post; what people write in a group is a comment. Left out: what bots write, the copy of a channel's post
that Telegram puts into its discussion group, edits (the first text stays), private chats, and service messages but for those that say that
somebody came, that something was given, or that a video chat began or ended.

Telegram tells bots of no deletion. It tells of a ban, and a ban in a supergroup deletes all that the author wrote: the messages in
``Written`` are taken back one by one, and beside them, by author, what else the journal finds of the last ten minutes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Unknown
from connectors.foreign import object_of
from connectors.telegram.deeds import count_events, member_events, reaction_events
from connectors.telegram.fields import integer, told_in
from connectors.telegram.messages import message_events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.event import Event
    from connectors.telegram.fields import Context

REASONS = frozenset(
    {
        "not_json",
        "not_an_object",
        "missing_update",
        "missing_chat",
        "missing_id",
        "bad_time",
        "missing_author",
        "missing_reactions",
    }
)
"""Every reason that Unreadable may give."""

WANTED = ("message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "message_reaction_count",
          "my_chat_member", "chat_member")  # fmt: skip
"""Kinds of updates that are asked for; reactions and members are told only to those who name them."""

OUR_OWN = frozenset({"my_chat_member"})
"""What an update says about the bot itself; the connector listens to it."""


def chat_of(update: Mapping[str, Any]) -> tuple[str, str] | None:
    """(id, username in lower case) of the chat that an update is about."""
    for kind in update:
        body = update[kind]
        if isinstance(body, dict) and isinstance(body.get("chat"), dict):
            number, name = integer(body["chat"].get("id")), body["chat"].get("username")
            if number is not None:
                return str(number), name.casefold() if isinstance(name, str) else ""
    return None


def is_private(update: Mapping[str, Any]) -> bool:
    """Whether it is between one person and the bot, or one person and a channel: never read."""
    chats = (body["chat"] for body in update.values() if isinstance(body, dict) and isinstance(body.get("chat"), dict))
    return any(chat.get("type") == "private" or chat.get("is_direct_messages") is True for chat in chats)


def livestream_of(chat: tuple[str, str], livestreams: Mapping[str, str] | None) -> str | None:
    number, name = chat
    if livestreams is None:
        return f"telegram:{number}"
    return livestreams.get(number) or (livestreams.get(name) if name else None)


def update_events(update: Mapping[str, Any], context: Context) -> list[Event]:
    """What one update means; nothing when its chat is not one of ours. Raises Unreadable and nothing else."""
    if "message_id" in update and isinstance(update.get("chat"), dict):  # a message without its update around it
        update = {"message": update}
    kind = _kind(update)
    if kind is None or ("update_id" not in update and not isinstance(update[kind], dict)):
        raise Unreadable("missing_update")
    body = update[kind]
    chat = chat_of({kind: body})  # its own: another field of the update may hold one too
    if chat is None or not isinstance(body, dict):
        if kind in WANTED or kind in OUR_OWN:
            raise Unreadable("missing_chat")
        return [_unknown(kind, update, None, context)]  # a poll and what is asked inline belong to no chat
    livestream = livestream_of(chat, context.livestreams)
    if livestream is None or is_private(update) or kind in OUR_OWN:
        return []
    match kind:
        case "message" | "channel_post":
            post = kind == "channel_post" or body["chat"].get("type") == "channel"
            return message_events(told_in(body), chat[0], livestream, context, post=post)
        case "edited_message" | "edited_channel_post":
            return []
        case "message_reaction":
            return reaction_events(body, chat[0], livestream, context)
        case "message_reaction_count":
            return count_events(body, chat[0], livestream, context)
        case "chat_member":
            return member_events(body, chat[0], livestream, context)
    return [_unknown(kind, update, livestream, context)]


def _kind(update: Mapping[str, Any]) -> str | None:
    """Which field of it is the update: one that is known, else an object, else whatever there is; others were written beside it."""
    told = [kind for kind in update if kind != "update_id" and update[kind] is not None]
    known = (kind for kind in told if kind in WANTED or kind in OUR_OWN)
    return next(known, None) or next((kind for kind in told if isinstance(update[kind], dict)), None) or next(iter(told), None)


def _unknown(kind: str, update: Mapping[str, Any], livestream: str | None, context: Context) -> Unknown:
    return Unknown(
        id=f"telegram:unknown:{_digest(content_of(update))}", platform="telegram", livestream=livestream, at=context.received_at,
        received_at=context.received_at, name=kind[:60],
    )  # fmt: skip


def unreadable_event(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"telegram:unreadable:{_digest(raw)}", platform="telegram", at=now, received_at=now, name=f"unreadable {reason}"
    )


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:24]


# --- what was captured, or came ---------------------------------------------------------------------------------------


def parse_any(raw: bytes, context: Context) -> list[Event]:
    document = _unwrapped(object_of(raw))
    if "result" not in document:
        return update_events(document, context)
    events: dict[str, Event] = {}
    for update in result_of(document):
        for event in read_update(update, context):
            events.setdefault(event.id, event)
    return list(events.values())


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """Who keeps what a webhook brought often keeps what was around it."""
    for key in ("update", "body", "payload", "data") if "update_id" not in document else ():
        inner = document.get(key)
        if isinstance(inner, str) and '"update_id"' in inner:
            inner = object_of(inner)
        if isinstance(inner, dict) and "update_id" in inner:
            return inner
    return document


def read_update(update: Any, context: Context) -> list[Event]:
    try:
        if not isinstance(update, dict):
            raise Unreadable("not_an_object")  # noqa: TRY301
        return update_events(update, context)
    except Unreadable as error:
        return [unreadable_event(error.reason, content_of(update), context.received_at)]


def result_of(document: Mapping[str, Any]) -> list[Any]:
    result = document.get("result")
    if isinstance(result, dict) and "message_id" in result:  # what sending a message answers
        return [result]
    if not isinstance(result, list):
        raise Unreadable("missing_update")
    return result
