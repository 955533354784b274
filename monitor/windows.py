"""Containers and changes: how committed numbers are addressed, and what one commit tells the feed. Pure.

A *container* is one hash of a partition: ``slot:U``, ``minute:U`` (U = Unix seconds of its start), ``session:ID``, ``day:DATE``, ``total``.
A *field* in it is ``dimension:value|kind``, for instance ``country:BR|comments``, ``total|posts``, ``country+topic:BR+hybrid|comments``.
"""

from __future__ import annotations

import msgspec

SLOT_SECONDS = 10
MINUTE_SECONDS = 60

ENGAGEMENT = ("posts", "comments", "reactions", "shares", "follows", "gifts")
"""Kinds whose sum is engagement: an action beyond exposure. Views and joins are not."""

KINDS = (*ENGAGEMENT, "joins")

EARLIER = "earlier."
"""Before a kind in a minute: what a platform's total had already, or rose by while nobody looked. It is in totals, days and sessions (under
the kind itself), but nobody knows in which minute it happened, so it is in no rate."""


SINCE = "since|topics"
"""A field of a session's container: its topics are known from here on (Unix seconds); absent where they are complete."""


def as_counted(field: str) -> str:
    """The field of a day or session that a minute's field adds to: ``total|earlier.reactions`` → ``total|reactions``."""
    return field.replace(f"|{EARLIER}", "|", 1)


class Group(msgspec.Struct, frozen=True, array_like=True):
    """The same increments, applied to each of these containers."""

    containers: list[str]
    increments: dict[str, int]


class ViewerSample(msgspec.Struct, frozen=True, array_like=True):
    """The newest viewer count of one livestream."""

    livestream: str
    viewers: int
    at_ms: int
    expires_ms: int
    """Unix milliseconds after which the sample is no longer believed."""
    country: str
    platform: str


class Highlight(msgspec.Struct, frozen=True, array_like=True):
    """A message that might be quoted: what count thinks fit, before anybody has judged it."""

    id: str
    text: str
    livestream: str
    platform: str
    country: str
    at: str
    position: str
    """Journal id up to which moderation must have read before it may be shown."""
    language: str = ""
    """``""``: unknown."""
    name: str = ""
    author: str = ""
    """Pseudonym."""
    topics: list[str] = []
    score: int = 0
    script: str = ""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What one commit changed in one partition."""

    version: int
    groups: list[Group]
    viewers: list[ViewerSample] = []
    at_samples: list[int] = []
    """Event times (Unix ms) of up to 64 of the events in it, for the event-to-wall latency; recordings are left out."""
    removed: list[str] = []
    """Ids of messages that were retracted by this commit, and its bans as ``ban|livestream|author|from|to``."""
    rebased: bool = False
    """True when containers were rewritten otherwise (schedule change): reload instead of applying."""
    highlights: list[Highlight] = []
    """A few of its messages that might be quoted."""


class Loaded(msgspec.Struct, frozen=True):
    """A partition's committed numbers, read in one atomic call."""

    version: int
    caught_up_ms: int
    """Server time (Unix ms) at which the partition's counter last had nothing left to count; 0 = never."""
    containers: dict[str, dict[str, int]]
    """``total``, all ``session:*`` and today's ``day:*`` asked for, ``minute:*`` of the last hour, ``slot:*`` of the last two minutes."""
    viewers: list[ViewerSample]
    position: tuple[str, str]
    """(id, nonce) of the newest entry of ``changes``: where to go on reading, with the overlap proof."""


def container_start(container: str) -> int | None:
    """Unix seconds at which a slot or minute begins; None for the other containers."""
    name, _, value = container.partition(":")
    return int(value) if name in ("slot", "minute") else None


def split_field(field: str) -> tuple[str, str, str]:
    """``country:BR|comments`` → ("country", "BR", "comments"); ``total|posts`` → ("total", "", "posts")."""
    head, _, kind = field.rpartition("|")
    dimension, _, value = head.partition(":")
    return dimension, value, kind
