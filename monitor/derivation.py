"""The part of the configuration and the roster that counting depends on, by its hash: what is counted once is derived alike ever after. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from monitor.config import Session
from monitor.schedule import Schedule

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.roster import Roster


class Place(msgspec.Struct, frozen=True, array_like=True):
    """What the roster says about a livestream."""

    country: str | None
    language: str | None
    tags: list[str]


class Derivation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that increments depend on; stored by hash so that an old entry can be derived as it was."""

    format: int = 1
    timezone: str
    day_start: str
    sessions: list[tuple[str, datetime, datetime, list[str]]]
    topics: list[tuple[str, dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]]
    cross: list[tuple[str, str]]
    outside_totals: list[str]
    livestreams: dict[str, Place]

    def encoded(self) -> tuple[str, bytes]:
        """(hash, canonical JSON)."""
        data = msgspec.json.encode(self, order="deterministic")
        return sha256(data).hexdigest()[:16], data


def derivation(config: Config, roster: Roster) -> Derivation:
    return Derivation(
        timezone=config.event.timezone.key,
        day_start=config.event.day_start.strftime("%H:%M"),
        sessions=[(s.id, s.start, s.end, sorted(s.tags)) for s in config.sessions],
        topics=[(t.id, dict(t.phrases), dict(t.exclude), dict(t.context)) for t in config.topics],
        cross=list(config.cross),
        outside_totals=sorted(name for name, platform in config.platforms.items() if not platform.in_totals),
        livestreams={c.id: Place(c.country, c.language, sorted(c.tags)) for c in roster.channels},
    )


def decode_derivation(data: bytes) -> Derivation:
    return msgspec.json.decode(data, type=Derivation)


def make_schedule(config: Derivation) -> Schedule:
    hours, _, minutes = config.day_start.partition(":")
    day_start = datetime(2000, 1, 1, int(hours), int(minutes), tzinfo=UTC).time()
    sessions = [Session(id=i, name={}, start=start, end=end, tags=frozenset(tags)) for i, start, end, tags in config.sessions]
    return Schedule(ZoneInfo(config.timezone), day_start, sessions)
