r"""What Kick writes for each thing that is sent: pure functions from the crowd's words to bodies of webhooks and frames of its chat socket.

A message comes by both under one id; times of messages are whole seconds. Kicks for bits, a subscription, its renewal, gifted ones all in one
webhook. A raid is a new follower (webhooks) and a host (socket). That a message was deleted says only the socket.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from connectors.simulator.lines import Entry

if TYPE_CHECKING:
    from connectors.simulator.air import Air
    from connectors.simulator.model import Member, Sent, SimChannel

EMOTE: Final = ("37226", "KEKW")
EMOTE_EVERY: Final = 12
"""Every so manieth message ends with an emote."""
GIFTS: Final = ("Hell Yeah", "Full Send", "Rage Quit", "Stomp")
_encode = msgspec.json.Encoder().encode


class Account(NamedTuple):
    """A channel as Kick knows it."""

    user: int
    chatroom: int
    slug: str


class Webhook(NamedTuple):
    """One delivery, before it is signed."""

    kind: str
    id: str
    body: bytes


class Frame(NamedTuple):
    """One event of the chat socket, without its channel."""

    event: str
    data: dict[str, Any]


def account(channel: SimChannel) -> Account:
    """The numbers of the roster's ``user/chatroom``, or such as belong to the slug."""
    user, _, chatroom = (channel.native_id or "").partition("/")
    slug = channel.handle.lower().lstrip("@")
    return Account(
        int(user) if user.isdigit() else _number(slug, "user"),
        int(chatroom) if chatroom.isdigit() else _number(slug, "chatroom"),
        slug,
    )


def _number(slug: str, of: str) -> int:
    return 1_000_000 + int.from_bytes(hashlib.blake2b(f"{of} {slug}".encode(), digest_size=4).digest()) % 900_000_000


def ulid(at: int, seed: str) -> str:
    """The id of a delivery: its time, and something that never was before."""
    number = (at << 80) | int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=10).digest())
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(125, -1, -5))


def text_of(sent: Sent) -> str:
    """As it is sent, with the emote's markup."""
    text = sent.text.text if sent.text else ""
    return f"{text} [emote:{EMOTE[0]}:{EMOTE[1]}]" if _has_emote(sent) else text


def said(sent: Sent) -> str:
    """As a reader sees it."""
    text = sent.text.text if sent.text else ""
    return f"{text} {EMOTE[1]}" if _has_emote(sent) else text


def _has_emote(sent: Sent) -> bool:
    return sent.kind == "message" and sent.at % EMOTE_EVERY == 0


def second(at: int) -> str:
    """RFC 3339 of Unix milliseconds, in whole seconds, as most of Kick's times are."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def exact(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


# --- webhooks -----------------------------------------------------------------------------------------------------------


def webhook(sent: Sent, about: Account) -> Webhook | None:
    """The delivery of one sent thing; None where the official webhooks do not say it."""
    member = sent.member
    common: dict[str, Any] = {"broadcaster": _broadcaster(about)}
    at = second(sent.at)
    match sent.kind:
        case "message":
            kind = "chat.message.sent"
            emotes = [{"emote_id": EMOTE[0], "positions": [{"s": 0, "e": 1}]}] if _has_emote(sent) else []
            common |= {
                "message_id": sent.native, "replies_to": None, "sender": _person(member), "content": text_of(sent), "emotes": emotes,
                "created_at": at,
            }  # fmt: skip
        case "bits":
            kind = "kicks.gifted"
            gift = {
                "amount": sent.units, "name": GIFTS[sent.units % len(GIFTS)], "type": "BASIC", "tier": "BASIC", "message": said(sent),
                "pinned_time_seconds": 0,
            }  # fmt: skip
            common |= {"sender": _person(member), "gift": gift, "created_at": exact(sent.at)}
        case "sub" | "resub":
            kind = "channel.subscription.new" if sent.kind == "sub" else "channel.subscription.renewal"
            months = 1 if sent.kind == "sub" else max(2, sent.units)
            common |= {
                "subscriber": _person(member),
                "duration": months,
                "created_at": at,
                "expires_at": second(sent.at + 2_592_000_000),
            }
        case "mystery" | "subgift" if sent.target is None:
            kind = "channel.subscription.gifts"
            giftees = [_person(None, number) for number in range(gifted(sent))]
            common |= {
                "gifter": _person(member),
                "giftees": giftees,
                "created_at": at,
                "expires_at": second(sent.at + 2_592_000_000),
            }
        case "raid":
            kind = "channel.followed"
            common |= {"follower": _person(member), "created_at": at}
        case "ban":
            kind = "moderation.banned"
            expires = None if sent.seconds is None else second(sent.at + sent.seconds * 1000)
            metadata = {"reason": "", "created_at": at, "expires_at": expires}
            common |= {"moderator": _person(None, 1), "banned_user": _person(member), "metadata": metadata}
        case _:
            return None
    return Webhook(kind, ulid(sent.at, f"{kind} {key(sent)} {about.user}"), _encode(common))


def status_webhook(about: Account, air: Air, *, live: bool, at: float) -> Webhook:
    """A broadcast began or ended."""
    started = second(int(air.started * 1000))
    body = {
        "broadcaster": _broadcaster(about), "is_live": live, "title": air.title, "started_at": started,
        "ended_at": None if live else second(int(at * 1000)),
    }  # fmt: skip
    kind = "livestream.status.updated"
    return Webhook(kind, ulid(int(at * 1000), f"{kind} {about.user} {at} {live}"), _encode(body))


def key(sent: Sent) -> str:
    """What makes one sent thing unlike any other; deletions and bans have no id of their own."""
    if sent.native:
        return sent.native
    about = sent.target.native if sent.target else sent.member.user_id if sent.member else ""
    return f"{sent.kind} {sent.room} {sent.at} {about}"


def gifted(sent: Sent) -> int:
    """How many subscriptions are given at once."""
    return sent.units if sent.kind == "mystery" else 1


def _broadcaster(about: Account) -> dict[str, Any]:
    return {
        "is_anonymous": False, "user_id": about.user, "username": about.slug.capitalize(), "is_verified": None, "profile_picture": "",
        "channel_slug": about.slug, "identity": None,
    }  # fmt: skip


def _person(member: Member | None, number: int = 0) -> dict[str, Any]:
    """Somebody of the crowd; without one, a person of whom nothing is counted."""
    login = member.login if member else f"somebody{number}"
    badges = [{"text": "Subscriber", "type": "subscriber", "count": 3}] if member and member.subscriber else []
    return {
        "is_anonymous": False, "user_id": int(member.user_id) if member else 900 + number, "username": (member.display if member else "") or login,
        "is_verified": False, "profile_picture": "", "channel_slug": login, "identity": {"username_color": "#FF5733", "badges": badges},
    }  # fmt: skip


# --- the chat socket ------------------------------------------------------------------------------------------------------


def frame(sent: Sent, about: Account) -> Frame | None:
    """The event of one sent thing on the chat's channel."""
    member = sent.member
    who = {"id": int(member.user_id), "username": member.display or member.login, "slug": member.login} if member else {}
    match sent.kind:
        case "message":
            return Frame("App\\Events\\ChatMessageEvent", {
                "id": sent.native, "chatroom_id": about.chatroom, "content": text_of(sent), "type": "message", "created_at": second(sent.at),
                "sender": {**who, "identity": {"color": "#FF5733", "badges": []}},
            })  # fmt: skip
        case "delete" if sent.target is not None:
            gone = {"id": sent.target.native}
            return Frame("App\\Events\\MessageDeletedEvent", {"id": key(sent), "message": gone, "aiModerated": False})
        case "ban":
            return Frame(
                "App\\Events\\UserBannedEvent", {"id": key(sent), "user": who, "banned_by": {}, "permanent": sent.seconds is None}
            )
        case "sub" | "resub":
            months = 1 if sent.kind == "sub" else max(2, sent.units)
            return Frame(
                "App\\Events\\SubscriptionEvent", {"chatroom_id": about.chatroom, "username": who["username"], "months": months}
            )
        case "mystery" | "subgift" if sent.target is None:
            names = [f"somebody{number}" for number in range(gifted(sent))]
            return Frame("App\\Events\\GiftedSubscriptionsEvent", {
                "chatroom_id": about.chatroom, "gifted_usernames": names, "gifter_username": who["username"], "gifter_total": len(names),
            })  # fmt: skip
        case "bits":
            gift = {"name": GIFTS[sent.units % len(GIFTS)], "amount": sent.units, "message": said(sent)}
            return Frame("KicksGifted", {"sender": who, "gift": gift, "created_at": exact(sent.at)})
        case "raid":
            host = {
                "chatroom_id": about.chatroom,
                "number_viewers": sent.units,
                "host_username": who["username"],
                "optional_message": "",
            }
            return Frame("App\\Events\\StreamHostEvent", host)
    return None


def pusher(event: str, data: Any, channel: str | None = None) -> bytes:
    """A frame of the protocol: its data is JSON within JSON."""
    whole: dict[str, Any] = {"event": event, "data": _encode(data).decode()}
    return _encode(whole if channel is None else {**whole, "channel": channel})


# --- the ledger -----------------------------------------------------------------------------------------------------------


def at_of(sent: Sent) -> int:
    """The time that the platform says, in milliseconds."""
    return sent.at if sent.kind == "bits" else sent.at // 1000 * 1000


def entries(sent: Sent, delivery: Webhook | None) -> list[Entry]:
    """What our connector makes of it; a gift with words is both, as with Twitch's bits."""
    if sent.kind == "delete" and sent.target is not None:
        target = f"kick:{sent.target.native}"
        return [Entry("removed", f"{target}:deleted", {"target": target})]
    if delivery is None:
        return []
    member = sent.member
    author = {"author": member.user_id} if member else {}
    own = f"kick:{delivery.kind}:{delivery.id}"
    topics = sent.text.topics if sent.text else ()
    match sent.kind:
        case "message":
            return [Entry("comment", f"kick:{sent.native}", {**author, "text": said(sent), "topics": topics})]
        case "bits":
            words = (
                [Entry("comment", f"{own}:words", {**author, "text": said(sent), "topics": topics})] if said(sent).strip() else []
            )
            return [Entry("gift", own, {**author, "amount": sent.units, "currency": "KICKS"}), *words]
        case "sub" | "resub":
            return [Entry("gift", own, author)]
        case "mystery" | "subgift":
            return [Entry("gift", own, {**author, "units": gifted(sent)})]
        case "ban":
            return [Entry("removed", own, {"target_author": member.user_id if member else None})]
        case _:
            return [Entry("notice", own, author)]
