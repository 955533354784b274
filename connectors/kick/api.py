"""Kick's public API as values: what to ask, and what an answer means. Pure; sending is rest.py's.

``slug_ask`` and ``status_ask`` say the same of channels, by slug and by id; ``read_channels`` reads both answers. ``signed`` adds what lets us in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson

from connectors.connector import Secret, Unreadable
from connectors.discovery import QuotaPlan
from connectors.foreign import object_of, whole
from connectors.rest import Ask
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

API = "https://api.kick.com"
BATCH = 50
"""Broadcaster ids in one call."""
EVENTS = (
    "chat.message.sent", "channel.followed", "channel.subscription.new", "channel.subscription.renewal", "channel.subscription.gifts",
    "kicks.gifted", "livestream.status.updated", "moderation.banned",
)  # fmt: skip
"""What is subscribed for each channel."""


UNVERIFIED = 1_000
"""Channels whose chat an app gets that Kick has not verified; a verified one gets ten times as many."""


def plan(channels: int) -> QuotaPlan:
    """What is subscribed last does not come."""
    left_out = max(0, channels - UNVERIFIED)
    lost = (f"chats of {left_out:,} channels do not come until Kick has verified the app (then 10,000)",) if left_out else ()
    return QuotaPlan(
        items=(("chats subscribed", min(channels, UNVERIFIED)),), wanted=channels, available=UNVERIFIED, fits=UNVERIFIED, dropped=lost,
        left_out=left_out, unit="chat subscriptions", per="an app that is not verified", first="what is subscribed last",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An app access token."""

    value: Secret
    until: datetime

    def good(self, now: datetime) -> bool:
        return now + timedelta(minutes=5) < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What Kick says about a channel now."""

    user_id: str
    slug: str
    title: str = ""
    live: bool = False
    started_at: datetime | None = None
    viewers: int | None = None
    language: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One event of one broadcaster that Kick sends us."""

    id: str
    user_id: str
    event: str


def token_ask(login: str, client_id: str, secret: Secret) -> Ask:
    """The app access token (client credentials)."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret.reveal()}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Ask(method="POST", url=f"{login}/oauth/token", headers=headers, body=urlencode(form).encode())


def read_token(body: bytes, now: datetime) -> Token:
    """Raises Unreadable."""
    document = object_of(body)
    value, seconds = document.get("access_token"), document.get("expires_in")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise Unreadable("missing_token")
    lasts = seconds if isinstance(seconds, int | float) and 0 < seconds < 1e9 else 3600
    return Token(value=Secret(value), until=now + timedelta(seconds=lasts))


def slug_ask(slug: str, api: str = API) -> Ask:
    """One slug: an unknown one fails every other that is asked with it."""
    return Ask(url=f"{api}/public/v1/channels?slug={quote(slug.lstrip('@').casefold(), safe='')}")


def status_ask(user_ids: Sequence[str], api: str = API) -> Ask:
    """At most fifty broadcasters."""
    return Ask(url=f"{api}/public/v1/channels?" + urlencode([("broadcaster_user_id", one) for one in user_ids]))


def signed(ask: Ask, token: Token) -> Ask:
    """The request with what lets us in."""
    return replace(ask, headers={**ask.headers, "authorization": f"Bearer {token.value.reveal()}"})


def read_channels(body: bytes) -> list[Channel]:
    """The channels of an answer; one that cannot be read is left out. Raises Unreadable when it is no answer at all."""
    return [channel for row in _rows(body) if (channel := channel_of(row)) is not None]


def subscriptions_ask(api: str = API) -> Ask:
    """All subscriptions of the app: Kick ends them by itself when our address failed for a day."""
    return Ask(url=f"{api}/public/v1/events/subscriptions")


def read_subscriptions(body: bytes) -> list[Subscription]:
    return [
        Subscription(id=row["id"], user_id=user, event=row["event"])
        for row in _rows(body)
        if isinstance(row.get("id"), str)
        and isinstance(row.get("event"), str)
        and (user := _user(row.get("broadcaster_user_id")))
    ]


def missing(user_ids: Iterable[str], have: Iterable[Subscription]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(broadcaster, events) that are not subscribed."""
    known = {(one.user_id, one.event) for one in have}
    for user in user_ids:
        lacking = tuple(event for event in EVENTS if (user, event) not in known)
        if lacking:
            yield user, lacking


def subscribe_ask(user: str, events: Iterable[str], api: str = API) -> Ask:
    body = {"broadcaster_user_id": int(user), "events": [{"name": name, "version": 1} for name in events], "method": "webhook"}
    headers = {"content-type": "application/json"}
    return Ask(method="POST", url=f"{api}/public/v1/events/subscriptions", headers=headers, body=orjson.dumps(body))


def read_refusals(body: bytes) -> list[str]:
    """Events that were not subscribed, with Kick's word for why; empty when all were."""
    return [
        f"{row.get('name')}: {row['error']}"[:200] for row in _rows(body) if isinstance(row.get("error"), str) and row["error"]
    ]


def channel_of(row: dict[str, Any]) -> Channel | None:
    """One row of an answer; None without its id."""
    user, slug = _user(row.get("broadcaster_user_id")), row.get("slug")
    if not user:
        return None
    stream = row.get("stream")
    stream = stream if isinstance(stream, dict) else {}
    live = stream.get("is_live") in (True, 1, "true")
    viewers = whole(stream.get("viewer_count"))
    if isinstance(viewers, str) and viewers.isascii() and viewers.isdigit() and len(viewers) < 13:
        viewers = int(viewers)
    tags = stream.get("custom_tags")
    return Channel(
        user_id=user,
        slug=slug.casefold() if isinstance(slug, str) else "",
        title=_text(row.get("stream_title")),
        live=live,
        started_at=moment(stream.get("start_time")) if live else None,  # of an offline channel it is the year 1
        viewers=viewers if live and isinstance(viewers, int) and not isinstance(viewers, bool) and 0 <= viewers < 2**53 else None,
        language=_text(stream.get("language")),
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def _user(value: Any) -> str:
    value = whole(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    return value[:30] if isinstance(value, str) and value.isascii() and value.isdigit() else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _rows(body: bytes) -> list[dict[str, Any]]:
    data = object_of(body).get("data")
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list):
        raise Unreadable("missing_data")
    return [row for row in data if isinstance(row, dict)]
