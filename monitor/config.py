"""Configuration: TOML and environment to frozen dataclasses; every mistake becomes one sentence that names the key and the fix.

Here are the types, and the words under each field are the manual (docs/config.md shows them in use). Every key of the file is
optional except ``event.name`` and ``event.timezone``. How the file is read and checked is in config_file.py, config_platforms.py and tables.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from connectors.connector import Secret


HASHTAGS = frozenset(("bluesky", "mastodon"))
"""Platforms where ``#tag`` is a hashtag; elsewhere (Twitch chat writes #login) it is a channel."""
KEYLESS = frozenset({"bluesky"})
"""Those of them that are read without a table in the configuration, because nothing is needed."""


class ConfigError(Exception):
    """A mistake in the configuration that a person must mend; the text is one sentence and says what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    """In words of one language, for what knows no other."""
    timezone: ZoneInfo
    """All times in the file, the wall's clock, and where a day begins."""
    day_start: time = time(0, 0)
    """A day of the event begins at this local time; whole minutes."""
    languages: tuple[str, ...] = ("en",)
    hashtags: tuple[str, ...] = ()
    """Hashtags of the event, with #; watched on every platform that knows hashtags."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Language → name, where it is given per language; shown on the wall and on the pages."""

    def name_in(self, language: str) -> str:
        """The name in a language, as far as it was given; else in English, which more people read than the wall's own language."""
        return self.names.get(language) or self.names.get("*") or self.names.get("en") or self.name


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
    spikes: bool = False
    """Spikes are told here, too (``[spikes] alert_severity``)."""


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
class Scope:
    """Which broadcasts of a roster channel count; used by discovery."""

    hours: Literal["event", "always"] = "event"
    """``event``: only while the event runs, each day from its first session to its last."""
    grace_minutes: int = 60
    """So long before the first session and after the last one it is still the event."""
    phrases: tuple[str, ...] = ()
    """One of these in the title puts a broadcast in scope."""
    unsure: Literal["ask", "count", "ignore"] = "ask"
    """What happens with a broadcast that no rule decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    url: str | None = None
    """How platforms and attendees reach us; None: no webhooks, no sign-up page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    show: Literal["approved", "clean"] = "approved"
    """What may appear on any screen: what a moderator approved, or what stayed without a flag."""
    clean_after_seconds: int = 30
    """With ``clean``: how long a message must have stayed without a flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a wall that follows the producer shows in one part of the day, scene after scene."""

    when: Literal["before", "session", "between"]
    scenes: tuple[str, ...]
    session: str | None = None
    """Only before or in this one; None: any."""
    seconds: int | None = None
    """Of each scene; None: as ``[wall] seconds`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    seconds: int = 30
    """So long each scene stays in the rotation."""
    before_minutes: int = 10
    """So long before a session the rotation of ``before`` begins."""
    dead_man_seconds: int = 0
    """When no lead's phone was seen for so long during a session, the safe scene shows; 0: never."""
    rotation: tuple[Turn, ...] = (
        Turn(when="before", scenes=("sessions",)),
        Turn(when="session", scenes=("overview", "voices", "countries", "topics", "moves")),
        Turn(when="between", scenes=("overview", "sessions", "countries", "topics")),
    )
    """The first that fits holds; what the file says stands before these."""
    scale: float = 1.0
    """1.0, 1.15 or 1.3 times the size of all type; rows that have no room any more are left out."""
    map: Path | None = None
    """A map of the world as approved for the place of the event, GeoJSON; None: the tiles alone."""
    map_review: str = ""
    """Under which number it was approved; always shown beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """What is worth telling as unexpected."""

    minimum_count: int = 30
    """Engagement in twenty seconds; less is no spike, however unexpected."""
    minimum_authors: int = 5
    """Different people behind it, where that is known."""
    false_per_hour: float = 1.0
    """How many spikes that are none are bearable; fewer means that more is missed, and later."""
    alert_severity: int = 6
    """From this severity on an open spike is told to every [[alert]] with ``spikes = true``."""
    owner: str = "command center"
    """Who is called when nobody in particular is."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Topic id, group, country code or dimension → who is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    names_days: int = 7
    """Display names are forgotten after this many days."""
    texts_days: int = 14
    numbers_days: int = 400
    contact: str | None = None
    """Whom the public notice names."""


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
    """Rows without consent are never read, only listed as refused."""
    sign_up: bool = False
    """The /join page; needs ``public.url``."""
    scope: Scope = Scope()
    public: Public = Public()
    moderation: Moderation = Moderation()
    privacy: Privacy = Privacy()
    spikes: Spikes = Spikes()
    wall: Wall = Wall()
    owners: Mapping[str, str] = field(default_factory=dict)
    """Kind of attention → the team that must act, where it is another one than usual (``monitor.attention.OWNERS``)."""
    redis_url: Secret | None = None
    """None: the embedded Valkey."""
    partitions: int = 16
    """Fixed at the first start; another number later is refused."""
    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path | None = None
    rehearsal: bool = False
    """The data folder is a rehearsal's: none of it is real. Not of the file."""
    path: Path | None = None
    """The file that it came from."""
    notes: tuple[str, ...] = ()
    """Sentences about what runs but lacks something, such as an optional key that is not set; say them once at the start."""

    @property
    def by_hashtag(self) -> tuple[str, ...]:
        """Platforms on which the event's hashtags are read."""
        wanted = (name for name in sorted(HASHTAGS) if name in self.platforms or name in KEYLESS)
        return tuple(name for name in wanted if self.event.hashtags and self.platform(name).enabled)

    def platform(self, name: str) -> Platform:
        """A platform's table, or its defaults when the file has none: a platform of the roster runs unless it is switched off."""
        return self.platforms.get(name) or Platform(name=name)


def load(path: Path | None = None, *, tells: bool = True) -> Config:
    """Read a configuration file, or the default one; raises ConfigError with one sentence. ``tells``: see config_file.read."""
    from monitor.config_file import read  # noqa: PLC0415  (the reader needs these types; who needs only the types loads no reader)

    return read(path, tells=tells)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
