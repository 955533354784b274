"""What Kick's official webhooks say, to events, and what the other sources share with them. Pure.

A webhook says its type in a header and its id in another; ``webhook_events`` takes both. A chat message has one id here and in the frames of the
public socket (frames.py), so what comes by both is counted once. What somebody saved, with or without headers, answers.py tells apart.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.event import Follow, Gift, Message, Removed, Status, Unknown
from connectors.foreign import object_of, whole
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from connectors.event import Event

REASONS = frozenset(
    {
        "not_json", "not_an_object", "missing_type", "missing_broadcaster", "missing_id", "missing_text", "missing_author",
        "missing_gift", "missing_state", "missing_user", "missing_channel", "missing_data", "missing_target", "api_error",
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
        return "channel.subscription.renewal" if number_of(body.get("duration")) > 1 else "channel.subscription.new"
    raise Unreadable("missing_type")


def fits(kind: str, body: Mapping[str, Any]) -> bool:
    """Whether a body can be of this type: the header that says it is not signed. A type that we do not know fits anything."""
    return all(field in body for field in NEEDED.get(kind, ()))


# --- webhooks -----------------------------------------------------------------------------------------------------------


def webhook_events(
    kind: str, delivery: str, body: Mapping[str, Any], context: Context, sent: datetime | None = None
) -> list[Event]:
    """The events of one webhook; none when its broadcaster is not one of ours, because one key signs for all apps.

    ``sent`` is the time in its header, for what states none in its body.
    """
    broadcaster = object_in(body.get("broadcaster"), "missing_broadcaster")
    livestream = livestream_of(broadcaster, context)
    if livestream is None:
        return []
    at = moment(body.get("created_at")) or sent or context.received_at.astimezone(UTC)
    about = About(f"kick:{kind}:{delivery[:LONGEST_ID]}", livestream, at, context)
    match kind:
        case "chat.message.sent":
            return [chat(body, name_of(body.get("message_id")), body.get("replies_to"), about)]
        case "channel.followed":
            who = object_in(body.get("follower"), "missing_user")
            return [Follow(**about.common(who))]
        case "channel.subscription.new" | "channel.subscription.renewal":
            who = object_in(body.get("subscriber"), "missing_user")
            return [Gift(**about.common(who), name=kind.removeprefix("channel."))]
        case "channel.subscription.gifts":
            giftees = body.get("giftees")
            many = len(giftees) if isinstance(giftees, list) else 0
            return [Gift(**about.common(body.get("gifter")), name="subscription.gifts", count=max(1, many))]
        case "kicks.gifted":
            return kicks(body, about)
        case "livestream.status.updated":
            return [_status(body, about)]
        case "moderation.banned":
            return [_ban(body, about)]
    return [] if kind in QUIET else [about.unknown(kind)]


class About(NamedTuple):
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
            fields["author_name"] = text_of(who.get("username"))[:200] or None
        return fields

    def unknown(self, name: str) -> Unknown:
        return Unknown(**self.common(), name=name[:60])


def chat(body: Mapping[str, Any], native: str, parent: Any, about: About) -> Message:
    if not native:
        raise Unreadable("missing_id")
    text = body.get("content")
    if not isinstance(text, str):
        raise Unreadable("missing_text")
    who = object_in(body.get("sender"), "missing_author")
    answered = name_of(parent.get("message_id") or parent.get("id")) if isinstance(parent, dict) else ""
    return Message(
        **about.common(who, id_=message_id(native)), text=plain(text), reply_to=message_id(answered) if answered else None
    )


def kicks(body: Mapping[str, Any], about: About) -> list[Event]:
    gift = object_in(body.get("gift"), "missing_gift")
    common = about.common(body.get("sender") or body.get("user"))
    name = text_of(gift.get("name"))[:100] or "kicks"
    events: list[Event] = [
        Gift(**common, name=name, amount_minor=number_of(gift.get("amount", body.get("amount"))), currency="KICKS")
    ]
    words = text_of(gift.get("message")) or text_of(body.get("message"))  # a webhook has them in the gift, the socket beside it
    if words.strip():
        events.append(Message(**{**common, "id": f"{about.id}:words"}, text=plain(words)))
    return events


def _status(body: Mapping[str, Any], about: About) -> Status:
    live = {"true": True, "1": True, "false": False, "0": False}.get(str(body.get("is_live")).casefold())
    started = moment(body.get("started_at"))
    ended = moment(body.get("ended_at"))
    if live is None and (started or ended):  # what has an end is over
        live = ended is None
    if live is None:
        raise Unreadable("missing_state")
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


def _ban(body: Mapping[str, Any], about: About) -> Removed:
    banned = user_id(object_in(body.get("banned_user"), "missing_user"))
    if not banned:
        raise Unreadable("missing_user")
    metadata = body.get("metadata")
    at = moment(metadata.get("created_at") if isinstance(metadata, dict) else None) or about.at
    return Removed(
        **{**about.common(), "at": at}, target_author=about.context.pseudonym("kick", banned), from_=at - TAKEN_BACK, to=at
    )


# --- fields -------------------------------------------------------------------------------------------------------------


def message_id(native: str) -> str:
    return f"kick:{native[:LONGEST_ID]}"


def user_id(who: Mapping[str, Any]) -> str:
    """As text: a number, or a text from libraries that write it as one; empty when there is none."""
    value = whole(who.get("user_id", who.get("id")))
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
    user, slug = user_id(broadcaster), text_of(broadcaster.get("channel_slug")).casefold()
    if not user and not slug:
        raise Unreadable("missing_broadcaster")
    if context.livestreams is None:
        return f"kick:{user or slug[:60]}"
    return context.livestreams.get(user) or context.livestreams.get(slug)


def time_of(value: Any, context: Context) -> datetime:
    """When it says so, else when it came."""
    return moment(value) or context.received_at.astimezone(UTC)


def object_in(value: Any, reason: str = "not_an_object") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(reason)
    return value


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def name_of(value: Any) -> str:
    """An id, also one that came as a number."""
    value = whole(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def number_of(value: Any) -> int:
    value = whole(value)
    if isinstance(value, str) and len(value) <= 15 and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else 0


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:24]


def unreadable_event(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"kick:unreadable:{digest_of(raw)}:{int(now.timestamp())}",
        platform="kick",
        at=now,
        received_at=now,
        name=f"unreadable {reason}",
    )
