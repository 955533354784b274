"""Curves of sessions: engagement since each one's own start, made from the minutes that count keeps for ever. Pure.

Promise: each whole minute of a session that has begun is asked for once, newest first and a few at a time, and again while late events may
still reach it; what was read is added up per session: a session with tags is the sum of its livestreams, because minutes do not
know tags. A curve has at most 1,440 values: a minute each in a session of up to a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.book import parts
from monitor.windows import ENGAGEMENT, MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.config import Config, Session
    from monitor.roster import Roster

MOST_VALUES = 1440
LATE_SECONDS = 180
"""A minute younger than this is read again, a minute at the soonest after it was read."""
AGAIN_SECONDS = 20

_ENGAGEMENT = frozenset(ENGAGEMENT)


class Curves:
    """What is known of the sessions of one configuration."""

    def __init__(self, config: Config, roster: Roster) -> None:
        self._sessions = config.sessions
        outside = {name for name, platform in config.platforms.items() if not platform.in_totals}
        # Whoever withdrew later was counted all the same: the curve is of what the session's total is of.
        channels = [channel for channel in roster.channels if channel.platform not in outside]
        self._members = {
            session.id: frozenset(channel.id for channel in channels if not session.tags.isdisjoint(channel.tags))
            for session in config.sessions
            if session.tags
        }
        self._minutes: dict[int, dict[str, int] | None] = {}
        """Start of a minute → session → engagement; None when nothing at all was counted in it."""
        self._read_at: dict[int, int] = {}
        self._made: dict[str, dict[str, object]] = {}

    def wanted(self, as_of: int, most: int) -> list[int]:
        """Starts (Unix seconds) of whole minutes before ``as_of`` to read now, newest first."""
        end = as_of // MINUTE_SECONDS * MINUTE_SECONDS
        starts: set[int] = set()
        for session in self._sessions:
            begin, over = _bounds(session)
            starts.update(start for start in range(begin, min(over, end), MINUTE_SECONDS) if self._is_due(start, as_of))
        return sorted(starts, reverse=True)[:most]

    def take(self, start: int, as_of: int, partitions: Iterable[Mapping[str, int]]) -> None:
        """One minute as all partitions have it."""
        sums: dict[str, int] = {}
        for fields in partitions:
            for field, count in fields.items():
                head, kind, dimension, _ = parts(field)
                if kind in _ENGAGEMENT and dimension in ("total", "livestream"):
                    sums[head] = sums.get(head, 0) + count
        self._read_at[start] = as_of
        self._minutes[start] = (
            {session.id: self._of(session, sums) for session in self._sessions if _covers(session, start)} if sums else None
        )
        self._made.clear()

    def curve(self, session: Session) -> dict[str, object] | None:
        """``slot_seconds`` and ``engagement`` of each slot since the session's start, as far as minutes were read; None before that."""
        if session.id not in self._made:
            self._made[session.id] = self._make(session)
        return self._made[session.id] or None

    # --- inside ---

    def _is_due(self, start: int, as_of: int) -> bool:
        read_at = self._read_at.get(start)
        return read_at is None or (read_at < start + LATE_SECONDS and as_of - read_at >= AGAIN_SECONDS)

    def _of(self, session: Session, sums: Mapping[str, int]) -> int:
        members = self._members.get(session.id)
        if members is None:
            return sums.get("total", 0)
        return sum(count for head, count in sums.items() if head.partition(":")[2] in members)

    def _make(self, session: Session) -> dict[str, object]:
        begin, over = _bounds(session)
        read = [start for start in range(begin, over, MINUTE_SECONDS) if start in self._minutes]
        # Before the first count there was nothing to count with; an empty minute after it is a nought.
        first = min((start for start in read if self._minutes[start] is not None), default=None)
        if first is None:
            return {}
        size = MINUTE_SECONDS * -(-(over - begin) // (MINUTE_SECONDS * MOST_VALUES))
        values = []
        for slot in range(begin, read[-1] + 1, size):
            minutes = range(slot, min(slot + size, over), MINUTE_SECONDS)
            whole = all(start in self._minutes and start >= first for start in minutes)
            if not whole and minutes[-1] > read[-1]:
                break  # the running slot of a long session
            values.append(sum((self._minutes[start] or {}).get(session.id, 0) for start in minutes) if whole else -1)
        return {"slot_seconds": size, "engagement": values}


def _bounds(session: Session) -> tuple[int, int]:
    return int(session.start.timestamp()), int(session.end.timestamp())


def _covers(session: Session, start: int) -> bool:
    begin, over = _bounds(session)
    return begin <= start < over
