"""What a connector may yield: the one vocabulary that every platform is translated into.

Promise: events are frozen, typed, and encode to JSON that a person can read with ``redis-cli XRANGE``.
``id`` is ``platform:native-id`` and is the dedupe key everywhere downstream; two deliveries of the same thing have the same id.

Personal data: ``author`` is a keyed pseudonym made at the connector (never the platform's id), ``author_name`` and ``text``
are the public words as shown on the platform; they live only as long as the journal does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec


class Base(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", gc=False):
    """Fields that all events carry."""

    id: str
    """``platform:native-id``; the dedupe key."""
    platform: str
    """Name from the table of platforms, lower case."""
    livestream: str | None = None
    """The roster's channel id, or None for a post that was found by hashtag."""
    broadcast: str | None = None
    """Native id of the live video, or None where the platform does not say."""
    at: datetime
    """The platform's own time, UTC."""
    received_at: datetime
    """When the bytes reached us, UTC."""
    author: str | None = None
    """Keyed pseudonym, 32 hex digits, or None when nobody in particular did it."""
    author_name: str | None = None
    """Display name as the platform shows it."""


class Message(Base, frozen=True, kw_only=True, omit_defaults=True, tag="message", gc=False):
    """A post, or a comment in a livestream's chat."""

    text: str
    form: Literal["post", "comment"] = "comment"
    language: str | None = None
    """The platform's language hint (BCP 47), never our guess."""
    reply_to: str | None = None
    """Event id of the message that this one answers."""
    url: str | None = None
    links: tuple[str, ...] = ()
    """Of a post by somebody of the roster: where it links to, which its text may not show."""


class Reaction(Base, frozen=True, kw_only=True, omit_defaults=True, tag="reaction", gc=False):
    """A like, heart or emoji; ``count`` is an increment."""

    reaction: str = "like"
    count: int = 1


class Level(Base, frozen=True, kw_only=True, omit_defaults=True, tag="level", gc=False):
    """An absolute total as the platform states it; the increment is derived inside commit."""

    what: Literal["reactions", "comments", "shares", "follows", "gifts", "joins"]
    """Which count it is the level of."""
    value: int


class Share(Base, frozen=True, kw_only=True, omit_defaults=True, tag="share", gc=False):
    """A repost, share or raid."""

    count: int = 1


class Follow(Base, frozen=True, kw_only=True, omit_defaults=True, tag="follow", gc=False):
    """A new follower."""

    count: int = 1


class Join(Base, frozen=True, kw_only=True, omit_defaults=True, tag="join", gc=False):
    """Somebody entered; not engagement."""

    count: int = 1


class Gift(Base, frozen=True, kw_only=True, omit_defaults=True, tag="gift", gc=False):
    """Something of value given: bits, subscriptions, Super Chats, diamonds. Money is integer, never float."""

    name: str
    count: int = 1
    amount_minor: int = 0
    """Value of the whole gift in 10**-exponent units of the currency; 0 when the platform states none."""
    exponent: int = 0
    currency: str | None = None
    """ISO 4217, or BITS, DIAMONDS, KICKS, JEWELS; None when the platform states no value."""


class Viewers(Base, frozen=True, kw_only=True, omit_defaults=True, tag="viewers", gc=False):
    """Concurrent viewers: a gauge."""

    viewers: int
    interval_seconds: float | None = None
    """The platform's current poll interval; decides how long the sample is believed."""


class Removed(Base, frozen=True, kw_only=True, omit_defaults=True, tag="removed", gc=False):
    """A retraction: one message (``target``), all of an author (``target_author``), or a whole chat (neither) in a time range."""

    target: str | None = None
    """Event id of the message."""
    target_author: str | None = None
    """Pseudonym of the author."""
    from_: datetime | None = msgspec.field(name="from", default=None)
    to: datetime | None = None


class Status(Base, frozen=True, kw_only=True, omit_defaults=True, tag="status", gc=False):
    """A broadcast began or ended. It ends a broadcast, never a channel."""

    state: Literal["live", "ended", "offline"]
    reason: str | None = None


class Gap(Base, frozen=True, kw_only=True, omit_defaults=True, tag="gap", gc=False):
    """What could not be resumed: everything of ``livestream`` with ``from <= at <= to`` may be missing."""

    from_: datetime = msgspec.field(name="from")
    to: datetime
    reason: str


class Unknown(Base, frozen=True, kw_only=True, omit_defaults=True, tag="unknown", gc=False):
    """A kind that the connector does not know: counted, named once in the log, never raised."""

    name: str


Event = Message | Reaction | Level | Share | Follow | Join | Gift | Viewers | Removed | Status | Gap | Unknown

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def as_json(event: Event) -> bytes:
    """One event as one line of JSON (no newline)."""
    return _encoder.encode(event)


def from_json(data: bytes | str) -> Event:
    """The inverse of as_json; raises msgspec.ValidationError or msgspec.DecodeError on anything else."""
    return _decoder.decode(data)


def from_milliseconds(value: int) -> datetime:
    """Unix milliseconds as aware UTC."""
    return datetime.fromtimestamp(value / 1000, UTC)
