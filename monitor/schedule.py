"""Which day of the event and which sessions an instant belongs to. Pure.

Promise: every instant belongs to exactly one day; a day begins at ``day_start`` on the clocks of the event's time zone, whatever daylight
saving does; a session is half open, ``[start, end)``. All boundaries are whole minutes, so a slot or a minute never straddles one.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import time
    from zoneinfo import ZoneInfo

    from monitor.config import Config, Session


class Schedule:
    """The schedule of one configuration; ``windows`` is the fast path, called for every slot."""

    def __init__(self, timezone: ZoneInfo, day_start: time, sessions: Iterable[Session]) -> None:
        self._sessions = tuple(sessions)
        self._timezone = timezone
        self._day_start = day_start
        self._bounds = sorted({int(at.timestamp()) for session in self._sessions for at in (session.start, session.end)})
        assert all(bound % 60 == 0 for bound in self._bounds), "sessions begin and end on whole minutes"
        # Between two neighbouring bounds the set of running sessions is constant.
        self._running = [()] + [self._running_at(bound) for bound in self._bounds]
        self._day_of_slot = lru_cache(maxsize=32_768)(self.day)
        """Remembers about three days of slots."""

    @classmethod
    def of(cls, config: Config) -> Schedule:
        """The schedule of a configuration."""
        return cls(config.event.timezone, config.event.day_start, config.sessions)

    def windows(self, unix_seconds: int, tags: Collection[str]) -> tuple[str, tuple[str, ...]]:
        """The day, and the sessions in which a livestream with these tags takes part, in the order of the file."""
        running = self._running[bisect_right(self._bounds, unix_seconds)]
        own = tuple(session.id for session in running if not session.tags or not session.tags.isdisjoint(tags))
        return self._day_of_slot(unix_seconds), own

    def day(self, unix_seconds: int) -> str:
        """The event day of an instant, as ``2026-11-20``."""
        guess = datetime.fromtimestamp(unix_seconds, self._timezone).date()
        day = guess + timedelta(days=1)
        while self._begins(day) > unix_seconds:
            day -= timedelta(days=1)
        return day.isoformat()

    def day_bounds(self, day: str) -> tuple[int, int]:
        """Unix seconds at which a day begins, and at which the next one does."""
        found = date.fromisoformat(day)
        return self._begins(found), self._begins(found + timedelta(days=1))

    def _running_at(self, unix_seconds: int) -> tuple[Session, ...]:
        return tuple(session for session in self._sessions if session.start.timestamp() <= unix_seconds < session.end.timestamp())

    def _begins(self, day: date) -> int:
        """When the clocks jump over ``day_start``, the moment they would have shown it; when they show it twice, the first time."""
        local = datetime.combine(day, self._day_start, self._timezone)
        return int((local.astimezone(UTC) - _EPOCH).total_seconds()) // 60 * 60


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
