"""EventSub as Helix speaks of it: what a subscription is, what an answer says. Pure; which ones there should be is eventsub_keeper.py's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.pushing import short
from connectors.rest import Reply, until
from connectors.twitch.eventsub_tokens import WHERE_TOKENS, tokens_in
from connectors.twitch.fields import dict_in, text_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

LIVE: Final = ("stream.online", "stream.offline")
CHAT: Final = (
    "channel.chat.message", "channel.chat.notification", "channel.chat.message_delete", "channel.chat.clear_user_messages",
    "channel.chat.clear",
)  # fmt: skip
FOLLOW: Final = "channel.follow"
VERSIONS: Final = {FOLLOW: "2"}
STANDING: Final = frozenset({"enabled", "webhook_callback_verification_pending"})
UNWELCOME: Final = frozenset(
    {"authorization_revoked", "user_removed", "moderator_removed", "chat_user_banned", "version_removed", "beta_maintenance"}
)
"""Ends of a subscription that asking again at once would not mend."""


class Wanted(NamedTuple):
    """One subscription: its type, and the broadcaster's id."""

    kind: str
    channel: str


class Place(NamedTuple):
    """A connection: which account's (of a conduit there is one), and which of its connections."""

    account: int
    number: int


class Have(NamedTuple):
    """One that Twitch lists."""

    id: str
    status: str


def lacking(options: Any, public_url: str) -> str | None:
    """What is missing so that Twitch can tell us, see Pusher."""
    if options.eventsub == "off" or options.client_id is None:
        return None
    if options.eventsub == "websocket":
        return "" if tokens_in(options.user_tokens) else f'eventsub = "websocket" in [twitch] needs user_tokens, {WHERE_TOKENS}'
    if options.client_secret is None:
        return None
    if options.eventsub == "webhook" and not public_url.startswith(("https://", "http://127.0.0.1:")):
        return 'Twitch calls only an https address: [public] url has none; eventsub = "conduit" in [twitch] needs no address'
    return ""


def secret_of(pseudonym: Callable[[str, str], str]) -> str:
    """What Twitch signs webhooks with: made from the event's key, so every process knows it and nothing need be configured."""
    return pseudonym("twitch eventsub secret", "webhook")


def subscription(wanted: Wanted, transport: Mapping[str, str], account: str) -> dict[str, Any]:
    """The body that asks for it; ``account`` is who reads the chat."""
    condition = {"broadcaster_user_id": wanted.channel}
    if wanted.kind in CHAT:
        condition["user_id"] = account
    elif wanted.kind == FOLLOW:
        condition["moderator_user_id"] = account
    return {"type": wanted.kind, "version": VERSIONS.get(wanted.kind, "1"), "condition": condition, "transport": transport}


def wanted_of(row: dict[str, Any], transport: Mapping[str, str]) -> Wanted | None:
    """What a listed subscription is about, if it comes to us in this way and to nobody else."""
    listed = dict_in(row, "transport")
    mine = text_in(listed, "method") == transport["method"] and all(
        text_in(listed, key, longest=2048) == transport[key] for key in ("conduit_id", "callback") if key in transport
    )
    channel = text_in(dict_in(row, "condition"), "broadcaster_user_id")
    return Wanted(text_in(row, "type"), channel) if mine and channel else None


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = found.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def said(reply: Reply, found: dict[str, Any]) -> str:
    return f"HTTP {reply.status}: {short(text_in(found, 'message'))}"


def has_points(reply: Reply) -> bool:
    """Whether the 429 is about subscriptions and not about questions."""
    left = reply.headers.get("ratelimit-remaining", "")
    return left.isascii() and left.isdigit() and int(left[:9]) > 0


def reset(reply: Reply, now: datetime) -> datetime:
    text = reply.headers.get("ratelimit-reset", "").strip()
    if not (text.isascii() and text.isdigit()):
        return until(reply.headers, now)
    return now + timedelta(seconds=min(max(int(text[:12]) - now.timestamp(), 1.0), 120.0))
