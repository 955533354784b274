"""Configuration: TOML and environment to frozen dataclasses; every mistake becomes one sentence that names the key and the fix."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors.connector import Secret


class ConfigError(Exception):
    """A mistake in the configuration that a person must mend; the text is one sentence and says what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    """Shown on the wall."""
    timezone: ZoneInfo
    """All times in the file, the wall's clock, and where a day begins."""
    day_start: time = time(0, 0)
    """A day of the event begins at this local time; whole minutes."""
    languages: tuple[str, ...] = ("en",)
    hashtags: tuple[str, ...] = ()
    """Hashtags of the event, with #; watched on every platform that knows hashtags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: str
    name: Mapping[str, str]
    """Language → name; ``*`` for any language."""
    start: datetime
    """Aware, UTC; whole minutes."""
    end: datetime
    tags: frozenset[str] = frozenset()
    """When given, only livestreams with one of these roster tags belong to the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    id: str
    name: Mapping[str, str]
    group: str = "topic"
    """``brand``, ``technology`` …; brands get share of voice."""
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language or ``*`` → phrases."""
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``not`` in the file: an occurrence inside one of these does not count."""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """In these languages one of these words must stand in the same message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordRule:
    """One rule of the keyword bank; a hit becomes a flag."""

    id: str
    severity: int
    """1 (note) to 4 (act now)."""
    phrases: Mapping[str, tuple[str, ...]]
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    to: Secret
    """An Apprise URL."""
    severity: int = 3
    """Lowest severity that is sent."""
    text: Literal["full", "snippet", "none"] = "snippet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform's table, e.g. ``[twitch]``; ``options`` is checked against the connector's own dataclass."""

    name: str
    enabled: bool = True
    in_totals: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    enabled: bool = False
    livestreams: int = 1200
    rate: float = 490.0
    """Events per second of all livestreams together."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    event: Event
    sessions: tuple[Session, ...] = ()
    topics: tuple[Topic, ...] = ()
    rules: tuple[KeywordRule, ...] = ()
    cross: tuple[tuple[str, str], ...] = (("country", "topic"), ("country", "platform"))
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    simulator: Simulator = Simulator()
    roster_file: Path | None = None
    require_consent: bool = True
    redis_url: Secret | None = None
    """None: the embedded Valkey."""
    partitions: int = 16
    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path | None = None
    path: Path | None = None
    """The file that it came from."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
