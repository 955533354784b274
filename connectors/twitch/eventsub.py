"""Twitch's EventSub to events, with the ids that the chat's own lines have, so that both sources together count once. Pure.

A frame of the websocket, or the body of a webhook (which has the ``payload`` alone; the rest is in its headers)::

    {"metadata":{"message_id":"7d9d…","message_type":"notification","message_timestamp":"2026-10-16T12:00:00.995298776Z",
      "subscription_type":"channel.chat.message","subscription_version":"1"},
     "payload":{"subscription":{…},"event":{"broadcaster_user_id":"1971641","broadcaster_user_login":"streamer","chatter_user_id":"4145994",
      "message_id":"cc10…","message":{"text":"Hi chat"},"cheer":null,"reply":null}}}

* What the chat says is read from ``channel.chat.*`` alone. ``channel.cheer``, ``channel.subscribe`` and their like tell the same again without
  the chat's id, so they count nothing. A follow is told nowhere else, and its id is made from who, whom and when.
* ``stream.online`` and ``stream.offline`` are hints: Helix confirms them. Online names the broadcast, offline does not.
* Copies of Shared Chat count where they were written.
* An ``event.message_id`` is the ``id`` of the chat's line; of ``channel.chat.notification`` this is likely and unconfirmed. A timeout has the
  time of its delivery here and that of the server in the chat, so the same one may come as two removals; what is removed twice is gone once.

Fields that the documents do not promise may be missing; what is not known is Unknown.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from connectors.connector import Hint, Unreadable
from connectors.event import Follow, Gift, Message, Removed, Share, Status, Unknown
from connectors.foreign import object_of
from connectors.recorded import record_of
from connectors.times import moment
from connectors.twitch.alone import TOLD_TWICE, told_alone, value_of, without_told
from connectors.twitch.fields import dict_in, digest_of, is_true, number_in, text_in
from connectors.twitch.parse import ANONYMOUS, TAKEN_BACK

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.event import Event
    from connectors.twitch.parse import Context

REASONS: Final = frozenset(
    {
        "not_json", "not_an_object", "missing_kind", "missing_event", "missing_channel", "missing_text", "missing_author",
        "missing_target", "missing_id", "bad_time", "bad_number",
    }
)  # fmt: skip
"""Every reason that Unreadable may give."""

READ: Final = TOLD_TWICE | {
    "channel.chat.message", "channel.chat.notification", "channel.chat.message_delete", "channel.chat.clear_user_messages", "channel.chat.clear",
    "channel.follow", "stream.online", "stream.offline",
}  # fmt: skip
"""Kinds that are about a channel and nothing without it."""
GIFTS: Final = {
    "sub": "sub", "resub": "resub", "sub_gift": "subgift", "gift_paid_upgrade": "giftpaidupgrade",
    "prime_paid_upgrade": "primepaidupgrade", "charity_donation": "charitydonation",
}  # fmt: skip
"""Notices that are gifts → what the chat calls them."""
OURS: Final = frozenset({"session_welcome", "session_keepalive", "session_reconnect", "revocation", "challenge"})
"""What is said to us and says nothing of the audience."""
UNCOUNTED: Final = frozenset(
    {"community_sub_gift", "pay_it_forward", "announcement", "unraid", "bits_badge_tier", "watch_streak", "modiversary"}
)
"""Notices of which only the user's own words count."""


_CHANNELS: Final = (
    "broadcaster_user_id", "broadcaster_user_login", "to_broadcaster_user_id", "to_broadcaster_user_login", "broadcaster_id", "broadcaster_login",
)  # fmt: skip
"""Where an event says whose channel it is."""


class Notice(NamedTuple):
    """One message of EventSub, not yet looked into."""

    what: str
    """``session_welcome``, ``session_keepalive``, ``session_reconnect``, ``notification``, ``revocation``, or one that is new."""
    delivery: str
    """The same when it is sent again."""
    at: datetime
    payload: dict[str, Any]
    kind: str = ""
    """Of a notification or revocation: the subscription's type."""


def notice_of(raw: bytes, now: datetime) -> Notice:
    """What a frame is; a webhook's body counts as a notification at ``now``. Raises Unreadable."""
    return _notice_in(object_of(raw), now)


def _notice_in(document: dict[str, Any], now: datetime) -> Notice:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        if "event" not in document and "subscription" not in document:
            raise Unreadable("missing_kind")
        if "challenge" in document:
            return notice("challenge", "", now, document)
        status = text_in(dict_in(document, "subscription"), "status")
        if document.keys().isdisjoint(("event", "events")) and status not in ("", "enabled"):
            return notice("revocation", "", now, document)
        return notice("notification", "", now, document)
    payload = document.get("payload")
    stamp = metadata.get("message_timestamp")
    at = moment(stamp)
    if stamp and at is None:
        raise Unreadable("bad_time")
    what = text_in(metadata, "message_type")
    if not what:
        raise Unreadable("missing_kind")
    found = notice(what, text_in(metadata, "message_id"), at or now, payload if isinstance(payload, dict) else {})
    return found if found.kind else found._replace(kind=text_in(metadata, "subscription_type"))


def notice(what: str, delivery: str, at: datetime, payload: dict[str, Any]) -> Notice:
    """The same from parts that came separately."""
    return Notice(what, delivery, at, payload, text_in(dict_in(payload, "subscription"), "type"))


def parse_document(document: dict[str, Any], context: Context) -> list[Event]:
    """What ``monitor parse`` shows of a frame, or of a body with or without its headers: as while running, but what would be a hint is a status,
    and what the chat would tell as well counts when the chat is not there.
    """
    found = _captured(document, context.received_at)
    if found.what in OURS:
        return []
    if found.what != "notification":
        return [
            Unknown(
                id=f"twitch:eventsub:{digest_of(found.payload)}", platform="twitch", at=found.at, received_at=context.received_at,
                name=f"eventsub {found.what}"[:60],
            )
        ]  # fmt: skip
    hint = hint_of(found)
    if hint is None:
        events = _told(found, context) if found.kind in TOLD_TWICE else events_of(found, context)
        if context.told is not None and found.kind.startswith("channel.chat."):
            context.told.update((found.kind, event.livestream) for event in events if event.livestream)
            events = without_told(events, context.told)
        return events
    livestream = livestream_of(event_in(found), context)
    if livestream is None:
        return []
    state = "live" if hint.what == "began" else "offline"
    at = min(moment(event_in(found).get("started_at")) or found.at, found.at)
    native = hint.broadcast or f"{hint.native_id}@{at.isoformat()}"
    return [
        Status(
            id=f"twitch:status:{native}:{state}", platform="twitch", livestream=livestream, broadcast=hint.broadcast, at=at,
            received_at=context.received_at, state="live" if state == "live" else "offline",
        )
    ]  # fmt: skip


def _captured(document: dict[str, Any], now: datetime) -> Notice:
    """A webhook that was kept with its headers, as ``{"headers": {…}, "body": {…} or "…"}``, has there what a frame says in its metadata."""
    record = record_of(document)
    if record is None:
        return _notice_in(document, now)
    headers, inner = record.headers, object_of(record.body)
    found = _notice_in(inner, now)
    what = headers.get("twitch-eventsub-message-type", "")
    if isinstance(inner.get("metadata"), dict) or not what:
        return found
    at = moment(headers.get("twitch-eventsub-message-timestamp")) or now
    what = "challenge" if what == "webhook_callback_verification" else what[:60]
    return found._replace(what=what, delivery=headers.get("twitch-eventsub-message-id", "")[:128], at=at)


def _told(found: Notice, context: Context) -> list[Event]:
    event = event_in(found)
    livestream = livestream_of(event, context)
    if livestream is None:
        return []
    about = {"platform": "twitch", "livestream": livestream, "at": found.at, "received_at": context.received_at}
    return told_alone(found.kind, found.delivery or digest_of(found.payload), event, about, context)


def hint_of(found: Notice) -> Hint | None:
    """What discovery should look at; None for anything else. Raises Unreadable."""
    if found.what == "revocation":
        subscription = dict_in(found.payload, "subscription")
        channel = text_in(dict_in(subscription, "condition"), "broadcaster_user_id")
        return Hint(what="revoked", native_id=channel, at=found.at, key=f"{found.kind} {text_in(subscription, 'status')[:40]}")
    if found.what != "notification" or found.kind not in ("stream.online", "stream.offline"):
        return None
    event = event_in(found)
    channel = text_in(event, "broadcaster_user_id")
    if not channel:
        raise Unreadable("missing_channel")
    what: Literal["began", "ended"] = "began" if found.kind == "stream.online" else "ended"
    return Hint(what=what, native_id=channel, at=found.at, broadcast=text_in(event, "id") or None)


def events_of(found: Notice, context: Context) -> list[Event]:
    """The events of a notification, often one and sometimes none; raises Unreadable and nothing else."""
    if not found.kind:
        raise Unreadable("missing_kind")
    event = found.payload.get("event")
    if found.kind not in READ and not (isinstance(event, dict) and _has_channel(event)):
        return [_unknown(found, None, context)]  # of an application, an account or a conduit, not of a channel
    event = event_in(found)
    livestream = livestream_of(event, context)
    if livestream is None or found.kind in TOLD_TWICE:
        return []
    about: dict[str, Any] = {
        "platform": "twitch",
        "livestream": livestream,
        "at": found.at,
        "received_at": context.received_at,
    }
    match found.kind:
        case "channel.chat.message":
            return _message(event, about, context)
        case "channel.chat.notification":
            return _notification(event, about, context)
        case "channel.chat.message_delete":
            target = text_in(event, "message_id")
            if not target:
                raise Unreadable("missing_target")
            return [Removed(id=f"twitch:clearmsg:{target}", target=f"twitch:{target}", **about)]
        case "channel.chat.clear_user_messages":
            user = text_in(event, "target_user_id")
            if not user:
                raise Unreadable("missing_target")
            return [_cleared(event, found, about, context.pseudonym("twitch", user))]
        case "channel.chat.clear":
            return [_cleared(event, found, about, None)]
        case "channel.follow":
            return [_follow(event, about, context)]
        case _:
            return [_unknown(found, livestream, context)]


def _unknown(found: Notice, livestream: str | None, context: Context) -> Unknown:
    native = found.delivery or digest_of(found.payload)
    return Unknown(
        id=f"twitch:eventsub:{native}", platform="twitch", livestream=livestream, at=found.at, received_at=context.received_at,
        name=f"eventsub {found.kind[:48]}",
    )  # fmt: skip


def unreadable(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What a running connection yields instead of raising."""
    native = hashlib.blake2b(raw + now.isoformat().encode(), digest_size=16).hexdigest()
    return Unknown(id=f"twitch:made:{native}", platform="twitch", at=now, received_at=now, name=f"unreadable {reason}")


# --- the kinds --------------------------------------------------------------------------------------------------------


def _message(event: dict[str, Any], about: dict[str, Any], context: Context) -> list[Event]:
    if _is_copy(event):
        return []
    message = _words(event, about, context)
    if message is None:
        raise Unreadable("missing_text")
    bits = number_in(dict_in(event, "cheer"), "bits")
    if not bits:
        return [message]
    about = about | {"author": message.author, "author_name": message.author_name}
    return [message, Gift(id=f"{message.id}:bits", name="bits", amount_minor=bits, currency="BITS", **about)]


def _notification(event: dict[str, Any], about: dict[str, Any], context: Context) -> list[Event]:
    kind = text_in(event, "notice_type")
    if not kind:
        raise Unreadable("missing_kind")
    if _is_copy(event) or kind.startswith("shared_chat_"):
        return []
    native = _id(event)
    events: list[Event] = []
    message = _words(event, about, context)
    if message is not None:
        events.append(message)
    author, name = _author(event, context)
    about = about | {"author": author, "author_name": name}
    if kind in GIFTS:
        called = GIFTS[kind]
        if kind == "gift_paid_upgrade" and is_true(dict_in(event, kind), "gifter_is_anonymous"):
            called = "anongiftpaidupgrade"
        value = value_of(dict_in(dict_in(event, kind), "amount")) if kind == "charity_donation" else {}
        events.append(Gift(id=f"{native}:{called}", name=called, **about, **value))
    elif kind == "raid":
        events.append(Share(id=f"{native}:raid", **about))
    elif kind not in UNCOUNTED:
        events.append(Unknown(id=f"{native}:unknown", name=f"usernotice {kind[:32]}", **about))
    return events


def _words(event: dict[str, Any], about: dict[str, Any], context: Context) -> Message | None:
    """What somebody wrote; None when nothing was."""
    body = dict_in(event, "message")
    text = text_in(body, "text", longest=100_000)
    if not text and isinstance(fragments := body.get("fragments"), list):
        text = "".join(text_in(one, "text", longest=10_000) for one in fragments if isinstance(one, dict))
    if text[:1] == "\x01":
        text = text.removeprefix("\x01ACTION ").removesuffix("\x01")
    if not text:
        return None
    author, name = _author(event, context)
    if author is None and not _is_anonymous(event):
        raise Unreadable("missing_author")
    parent = text_in(dict_in(event, "reply"), "parent_message_id")
    login = text_in(event, "broadcaster_user_login").lower()
    return Message(
        id=_id(event), author=author, author_name=name, text=text, reply_to=f"twitch:{parent}" if parent else None,
        url=f"https://www.twitch.tv/{login}" if login else None, **about,
    )  # fmt: skip


def _cleared(event: dict[str, Any], found: Notice, about: dict[str, Any], author: str | None) -> Removed:
    where = text_in(event, "broadcaster_user_login").lower() or text_in(event, "broadcaster_user_id")
    stamp = round(found.at.timestamp() * 1000)
    return Removed(
        id=f"twitch:clearchat:{where}:{stamp}:{author[:16] if author else 'all'}",
        target_author=author, from_=found.at - TAKEN_BACK, to=found.at, **about,
    )  # fmt: skip


def _follow(event: dict[str, Any], about: dict[str, Any], context: Context) -> Follow:
    user, channel = text_in(event, "user_id"), text_in(event, "broadcaster_user_id")
    if not user:
        raise Unreadable("missing_author")
    stamp = event.get("followed_at")
    at = moment(stamp)
    if at is None or at > about["at"] + timedelta(minutes=10):
        if stamp:
            raise Unreadable("bad_time")
        at = about["at"]
    author = context.pseudonym("twitch", user)
    name = text_in(event, "user_name") or text_in(event, "user_login")
    about = about | {"at": at, "author": author, "author_name": name or None}
    return Follow(id=f"twitch:follow:{channel}:{author[:16]}:{round(at.timestamp() * 1000)}", **about)


# --- fields -----------------------------------------------------------------------------------------------------------


def _has_channel(event: dict[str, Any]) -> bool:
    return any(text_in(event, key) for key in _CHANNELS)


def livestream_of(event: dict[str, Any], context: Context) -> str | None:
    """By the broadcaster's id or login; raises Unreadable when there is neither."""
    channel, login = text_in(event, "broadcaster_user_id"), text_in(event, "broadcaster_user_login").lower()
    if not channel and not login:
        channel, login = text_in(event, "to_broadcaster_user_id"), text_in(event, "to_broadcaster_user_login").lower()
    if not channel and not login:
        channel, login = text_in(event, "broadcaster_id"), text_in(event, "broadcaster_login").lower()
    if not channel and not login:
        raise Unreadable("missing_channel")
    if context.livestreams is None:
        return f"twitch:{login or channel}"
    return context.livestreams.get(channel) or context.livestreams.get(login)


def event_in(found: Notice) -> dict[str, Any]:
    event = found.payload.get("event")
    if not isinstance(event, dict):
        raise Unreadable("missing_event")
    return event


def _id(event: dict[str, Any]) -> str:
    native = text_in(event, "message_id")
    if not native:
        raise Unreadable("missing_id")
    return f"twitch:{native}"


def _author(event: dict[str, Any], context: Context) -> tuple[str | None, str | None]:
    login = text_in(event, "chatter_user_login")
    native = text_in(event, "chatter_user_id") or login
    if not native or _is_anonymous(event):
        return None, None
    return context.pseudonym("twitch", native), text_in(event, "chatter_user_name").strip() or login or None


def _is_anonymous(event: dict[str, Any]) -> bool:
    return is_true(event, "chatter_is_anonymous") or text_in(event, "chatter_user_login").lower() in ANONYMOUS


def _is_copy(event: dict[str, Any]) -> bool:
    source = text_in(event, "source_broadcaster_user_id")
    return bool(source) and source != text_in(event, "broadcaster_user_id")
