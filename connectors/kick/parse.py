r"""What Kick sends, to events: the official webhooks' bodies and the frames of the public Pusher socket. Pure.

A webhook says its type in a header and its id in another; ``webhook_events`` takes both. A body that comes alone (a file, ``monitor
parse``) is told by its fields. A Pusher frame carries JSON inside a JSON string::

    {"event":"App\\Events\\ChatMessageEvent","channel":"chatrooms.668.v2","data":"{\"id\":\"…\",\"content\":\"hi\",…}"}

Names of Pusher events come with and without ``App\\Events\\``: the last part counts. A chat message has one id in both sources, so what
comes by both is counted once. Gifts and subscriptions have no id in common: with ``counts_gifts=False`` those of Pusher are left out.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Follow, Gift, Message, Removed, Share, Status, Unknown
from connectors.foreign import decode, object_of
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from connectors.event import Event

REASONS = frozenset(
    {
        "not_json", "not_an_object", "missing_type", "missing_broadcaster", "missing_id", "missing_text", "missing_author",
        "missing_gift", "missing_state", "missing_user", "missing_channel", "missing_data", "missing_target",
    }
)  # fmt: skip
"""Every reason that Unreadable may give."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "chat.message.sent": ("message_id", "content"),
    "channel.followed": ("follower",),
    "channel.subscription.new": ("subscriber",),
    "channel.subscription.renewal": ("subscriber",),
    "channel.subscription.gifts": ("giftees",),
    "kicks.gifted": ("gift",),
    "livestream.status.updated": ("is_live",),
    "moderation.banned": ("banned_user",),
}
"""What a body must have to be of a type."""

QUIET = frozenset({"livestream.metadata.updated", "channel.reward.redemption.updated"})
"""Webhooks that say nothing that is counted: a changed title, and channel points, which cost nothing."""

QUIET_FRAMES = frozenset(
    {
        "UserUnbannedEvent", "PinnedMessageCreatedEvent", "PinnedMessageDeletedEvent", "PollUpdateEvent", "PollDeleteEvent",
        "ChatroomUpdatedEvent", "FollowersUpdated", "GiftsLeaderboardUpdated", "RewardRedeemedEvent", "ChatMoveToSupportedChannelEvent",
        "LuckyUsersWhoGotGiftSubscriptionsEvent", "StreamHostedEvent", "LivestreamUpdated",
    }
)  # fmt: skip
"""Pusher events that repeat something, or are nothing that a viewer did. ``FollowersUpdated`` names a total that Kick rounds."""

TAKEN_BACK = timedelta(minutes=10)
"""How far back a ban or a cleared chat reaches."""
MOST = 10**12
LONGEST_ID = 100


class Context(NamedTuple):
    """What a payload does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None
    """Broadcaster id or slug, and ``chatroom:<id>``, to livestream id; None takes every channel as ``kick:<broadcaster id>``."""
    counts_gifts: bool = True
    """False: gifts and subscriptions of Pusher are left out, because the webhooks bring them."""


def parse_any(raw: bytes, context: Context) -> list[Event]:
    """One raw payload of either source; or a webhook with its headers, as ``{"headers": {…}, "body": {…} or "…"}``."""
    document = object_of(raw)
    wrapped = next((document[key] for key in ("body", "payload", "data") if key in document), None)
    name = next((name for key in ("event", "type", "eventType", "event_type") if (name := _text(document.get(key)))), "")
    if "broadcaster" in document or (wrapped is None and not name):
        return webhook_events(guess_type(document), _digest(raw), document, context)
    if "event" in document and name not in NEEDED:
        return frame_events(document, context)
    if wrapped is None:
        raise Unreadable("missing_type")
    inner = _object(decode(wrapped.encode("utf-8", "surrogatepass")) if isinstance(wrapped, str) else wrapped)
    headers = _headers(document.get("headers"))
    kind = headers.get("kick-event-type") or (name if name in NEEDED else guess_type(inner))
    return webhook_events(kind, headers.get("kick-event-message-id") or _digest(raw), inner, context)


def _headers(found: Any) -> dict[str, str]:
    """By name in lower case, from an object or from pairs; of several values the first."""
    pairs = found.items() if isinstance(found, dict) else found if isinstance(found, list) else ()
    headers: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str):
            value = pair[1][0] if isinstance(pair[1], list) and pair[1] else pair[1]
            headers.setdefault(pair[0].lower(), _text(value))
    return headers


def open_body(body: bytes) -> dict[str, Any]:
    """A webhook's body as an object; raises Unreadable."""
    return object_of(body)


def guess_type(body: Mapping[str, Any]) -> str:
    """The type of a webhook whose header is lost; a first and a renewed subscription look alike but for their length."""
    for field, kind in (
        ("reward", "channel.reward.redemption.updated"), ("gift", "kicks.gifted"), ("giftees", "channel.subscription.gifts"),
        ("follower", "channel.followed"), ("banned_user", "moderation.banned"), ("is_live", "livestream.status.updated"),
        ("content", "chat.message.sent"), ("message_id", "chat.message.sent"), ("metadata", "livestream.metadata.updated"),
    ):  # fmt: skip
        if field in body:
            return kind
    if "subscriber" in body:
        return "channel.subscription.renewal" if _number(body.get("duration")) > 1 else "channel.subscription.new"
    raise Unreadable("missing_type")


def fits(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether a body can be of this type: the header that says it is not signed. A type that we do not know fits anything."""
    return all(field in body for field in NEEDED.get(kind, ()))


# --- webhooks -----------------------------------------------------------------------------------------------------------


def webhook_events(kind: str, delivery: str, body: Mapping[str, Any], context: Context) -> list[Event]:
    """The events of one webhook; none when its broadcaster is not one of ours, because one key signs for all apps."""
    broadcaster = _object(body.get("broadcaster"), "missing_broadcaster")
    livestream = livestream_of(broadcaster, context)
    if livestream is None:
        return []
    about = _About(f"kick:{kind}:{delivery[:LONGEST_ID]}", livestream, _time(body.get("created_at"), context), context)
    match kind:
        case "chat.message.sent":
            return [_chat(body, _name(body.get("message_id")), body.get("replies_to"), about)]
        case "channel.followed":
            who = _object(body.get("follower"), "missing_user")
            return [Follow(**about.common(who))]
        case "channel.subscription.new" | "channel.subscription.renewal":
            who = _object(body.get("subscriber"), "missing_user")
            return [Gift(**about.common(who), name=kind.removeprefix("channel."))]
        case "channel.subscription.gifts":
            giftees = body.get("giftees")
            many = len(giftees) if isinstance(giftees, list) else 0
            return [Gift(**about.common(body.get("gifter")), name="subscription.gifts", count=max(1, many))]
        case "kicks.gifted":
            return _kicks(body, about)
        case "livestream.status.updated":
            return [_status(body, about)]
        case "moderation.banned":
            return [_ban(body, about)]
    return [] if kind in QUIET else [about.unknown(kind)]


class _About(NamedTuple):
    """What all events of one payload share."""

    id: str
    livestream: str | None
    at: datetime
    context: Context

    def common(self, who: Any = None, *, id_: str = "") -> dict[str, Any]:
        fields: dict[str, Any] = {
            "id": id_ or self.id, "platform": "kick", "livestream": self.livestream, "at": self.at, "received_at": self.context.received_at,
        }  # fmt: skip
        if isinstance(who, dict) and who.get("is_anonymous") is not True:
            native = user_id(who)
            fields["author"] = self.context.pseudonym("kick", native) if native else None
            fields["author_name"] = _text(who.get("username"))[:200] or None
        return fields

    def unknown(self, name: str) -> Unknown:
        return Unknown(**self.common(), name=name[:60])


def _chat(body: Mapping[str, Any], native: str, parent: Any, about: _About) -> Message:
    if not native:
        raise Unreadable("missing_id")
    text = body.get("content")
    if not isinstance(text, str):
        raise Unreadable("missing_text")
    who = _object(body.get("sender"), "missing_author")
    answered = _name(parent.get("message_id") or parent.get("id")) if isinstance(parent, dict) else ""
    return Message(
        **about.common(who, id_=message_id(native)), text=plain(text), reply_to=message_id(answered) if answered else None
    )


def _kicks(body: Mapping[str, Any], about: _About) -> list[Event]:
    gift = _object(body.get("gift"), "missing_gift")
    common = about.common(body.get("sender"))
    name = _text(gift.get("name"))[:100] or "kicks"
    events: list[Event] = [Gift(**common, name=name, amount_minor=_number(gift.get("amount")), currency="KICKS")]
    words = _text(gift.get("message"))
    if words.strip():
        events.append(Message(**{**common, "id": f"{about.id}:words"}, text=plain(words)))
    return events


def _status(body: Mapping[str, Any], about: _About) -> Status:
    live = {"true": True, "1": True, "false": False, "0": False}.get(str(body.get("is_live")).casefold())
    if live is None:
        raise Unreadable("missing_state")
    started = moment(body.get("started_at"))
    ended = moment(body.get("ended_at"))
    broadcaster = body["broadcaster"]
    at = (started if live else ended) or about.at
    return status(user_id(broadcaster) or "", about.livestream, live=live, started_at=started, at=at, context=about.context)


def status(
    user: str, livestream: str | None, *, live: bool, started_at: datetime | None, at: datetime, context: Context
) -> Status:
    """The same event from a webhook and from the batched status call, so that both are one. A broadcast is (channel, start)."""
    broadcast = broadcast_id(user, started_at)
    return Status(
        id=f"kick:{'live' if live else 'ended'}:{broadcast or f'{user}:{int(at.timestamp())}'}", platform="kick",
        livestream=livestream, broadcast=broadcast, at=at, received_at=context.received_at, state="live" if live else "ended",
    )  # fmt: skip


def broadcast_id(user: str, started_at: datetime | None) -> str | None:
    """Kick gives its broadcasts no id."""
    return f"{user}:{int(started_at.timestamp())}" if started_at is not None else None


def _ban(body: Mapping[str, Any], about: _About) -> Removed:
    banned = user_id(_object(body.get("banned_user"), "missing_user"))
    if not banned:
        raise Unreadable("missing_user")
    metadata = body.get("metadata")
    at = _time(metadata.get("created_at") if isinstance(metadata, dict) else None, about.context)
    return Removed(
        **{**about.common(), "at": at}, target_author=about.context.pseudonym("kick", banned), from_=at - TAKEN_BACK, to=at
    )


# --- Pusher -------------------------------------------------------------------------------------------------------------


def parse_frame(raw: bytes, context: Context) -> list[Event]:
    """One frame of the socket; raises Unreadable and nothing else."""
    return frame_events(object_of(raw), context)


def frame_events(frame: Mapping[str, Any], context: Context) -> list[Event]:
    """Nothing for the protocol's own frames (``pusher:…``); the connection listens to those."""
    event = _text(frame.get("event"))
    if not event:
        raise Unreadable("missing_type")
    if event.startswith(("pusher:", "pusher_internal:")):
        return []
    name = event.rpartition("\\")[2][:60]
    if name in QUIET_FRAMES:
        return []
    data = _inner(frame.get("data"))
    livestream = _livestream_of_frame(_text(frame.get("channel")), data, context)
    if livestream is None:
        return []
    at = _time(data.get("created_at"), context)
    window = (
        int(context.received_at.timestamp()) // 600
    )  # these have neither id nor time: within ten minutes the same is the same
    about = _About(f"kick:{name}:{_digest(content_of([frame.get('channel'), data]))}:{window}", livestream, at, context)
    return _frame(name, data, about)


def _frame(name: str, data: Mapping[str, Any], about: _About) -> list[Event]:
    context = about.context
    match name:
        case "ChatMessageEvent" | "ChatMessageSentEvent":
            if isinstance(data.get("message"), dict):  # as it was once: the message and its author side by side
                data = {**data["message"], "content": data["message"].get("message"), "sender": data.get("user")}
            metadata = data.get("metadata")
            parent = metadata.get("original_message") if isinstance(metadata, dict) else None
            return [_chat(data, _name(data.get("id")), parent, about)]
        case "MessageDeletedEvent" | "ChatMessageDeletedEvent":
            message = data.get("message") or data.get("deletedMessage")
            target = _name(message.get("id") if isinstance(message, dict) else message)
            if not target:
                raise Unreadable("missing_target")
            return [Removed(**about.common(id_=f"{message_id(target)}:deleted"), target=message_id(target))]
        case "UserBannedEvent":
            banned = user_id(_object(data.get("user"), "missing_user"))
            if not banned:
                raise Unreadable("missing_user")
            who = context.pseudonym("kick", banned)
            return [Removed(**about.common(), target_author=who, from_=about.at - TAKEN_BACK, to=about.at)]
        case "ChatroomClearEvent":
            return [Removed(**about.common(), from_=about.at - TAKEN_BACK, to=about.at)]
        case "StreamHostEvent":
            return [Share(**about.common())]
        case "SubscriptionEvent" if context.counts_gifts:
            kind = "subscription.renewal" if _number(data.get("months")) > 1 else "subscription.new"
            return [Gift(**about.common({"username": data.get("username")}), name=kind)]
        case "GiftedSubscriptionsEvent" if context.counts_gifts:
            names = data.get("gifted_usernames")
            many = len(names) if isinstance(names, list) else 1
            gifter = {"username": data.get("gifter_username")}
            return [Gift(**about.common(gifter), name="subscription.gifts", count=max(1, many))]
        case "KicksGifted" if context.counts_gifts:
            return _kicks(data, about)
        case "SubscriptionEvent" | "GiftedSubscriptionsEvent" | "KicksGifted":
            return []
        case "StreamerIsLive" | "StopStreamBroadcast":
            return [Status(**about.common(), state="live" if name == "StreamerIsLive" else "ended")]
    return [about.unknown(name)]


def _inner(data: Any) -> dict[str, Any]:
    """The second JSON; some servers of the same protocol send the object itself, and nothing is ``[]``, ``null`` or an empty text."""
    if isinstance(data, str) and data:
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise Unreadable("missing_data") from None
    return _object(data or {}, "missing_data")


def _livestream_of_frame(channel: str, data: Mapping[str, Any], context: Context) -> str | None:
    """``chatrooms.668.v2`` and ``chatroom_668`` are the chat 668, ``channel.12`` and ``channel_12`` the channel 12: other numbers."""
    parts = channel.replace("_", ".").split(".")
    number = next((part[:30] for part in parts if part.isascii() and part.isdigit()), "")
    place = "channel" if parts[0] == "channel" else "chatroom"
    key = f"{place}:{number or _number(data.get('chatroom_id'))}"
    if key.endswith(":0"):
        raise Unreadable("missing_channel")
    return f"kick:{key}" if context.livestreams is None else context.livestreams.get(key)


# --- fields -------------------------------------------------------------------------------------------------------------


def message_id(native: str) -> str:
    return f"kick:{native[:LONGEST_ID]}"


def user_id(who: Mapping[str, Any]) -> str:
    """As text: a number, or a text from libraries that write it as one; empty when there is none."""
    value = who.get("user_id", who.get("id"))
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    return value[:30] if isinstance(value, str) and value.isascii() and value.isdigit() else ""


def plain(text: str) -> str:
    """``[emote:4148074:HYPERCLAP]`` as ``HYPERCLAP``, which is what a reader sees."""
    if "[emote:" not in text:
        return text
    head, *rest = text.split("[emote:")
    words = [head]
    for part in rest:
        number, colon, tail = part.partition(":")
        name, bracket, after = tail.partition("]")
        whole = bool(colon and bracket and number.isdigit() and len(name) <= 60)
        words += [name, after] if whole else ["[emote:", part]
    return "".join(words)


def livestream_of(broadcaster: Mapping[str, Any], context: Context) -> str | None:
    """Whose webhook it is; None when the channel is not one of ours."""
    user, slug = user_id(broadcaster), _text(broadcaster.get("channel_slug")).casefold()
    if not user and not slug:
        raise Unreadable("missing_broadcaster")
    if context.livestreams is None:
        return f"kick:{user or slug[:60]}"
    return context.livestreams.get(user) or context.livestreams.get(slug)


def _time(value: Any, context: Context) -> datetime:
    return moment(value) or context.received_at.astimezone(UTC)


def _object(value: Any, reason: str = "not_an_object") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(reason)
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> str:
    """An id, also one that came as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _number(value: Any) -> int:
    if isinstance(value, str) and len(value) <= 15 and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else 0


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:24]


def unreadable_event(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"kick:unreadable:{_digest(raw)}:{int(now.timestamp())}",
        platform="kick",
        at=now,
        received_at=now,
        name=f"unreadable {reason}",
    )
