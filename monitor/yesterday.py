"""Today so far beside yesterday until the same time, from the minutes that count keeps for ever. Pure.

Yesterday is the event day before this one, and "the same time" is counted from the day's beginning. Its minutes are read once each, a few at
a time, in order; as the clock goes on, one more a minute. The ratio of a series is there as soon as all of yesterday until now is read, and
absent where yesterday had nothing until then.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from monitor.book import parts
from monitor.windows import ENGAGEMENT, MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.config import Session
    from monitor.schedule import Schedule

_ENGAGEMENT = frozenset(ENGAGEMENT)
_COMPARED = frozenset({"total", "country", "topic", "platform"})
NEAR_SECONDS = 2 * 3600


def engagement(fields: Mapping[str, int]) -> dict[str, int]:
    """Head → engagement, of the total, countries, topics and platforms."""
    found: dict[str, int] = {}
    for field, count in fields.items():
        head, kind, dimension, _ = parts(field)
        if kind in _ENGAGEMENT and dimension in _COMPARED:
            found[head] = found.get(head, 0) + count
    return found


class Yesterday:
    """What yesterday had until the same time of its day."""

    def __init__(self) -> None:
        self.day = ""
        """Today; another one begins anew."""
        self._begin = 0
        self._next = 0
        self._sums: dict[str, int] = {}

    def wanted(self, day: str, yesterday: tuple[int, int], elapsed: int, most: int) -> list[int]:
        """Starts of the minutes of yesterday (its bounds in Unix seconds) to read now; ``elapsed`` seconds of today are over."""
        if day != self.day:
            self.day, self._begin, self._next, self._sums = day, yesterday[0], yesterday[0], {}
        end = min(yesterday[0] + elapsed // MINUTE_SECONDS * MINUTE_SECONDS, yesterday[1])
        return list(range(self._next, end, MINUTE_SECONDS))[:most]

    def take(self, start: int, fields: Iterable[Mapping[str, int]]) -> None:
        """One minute as all partitions have it, in order."""
        assert start == self._next, "minutes of yesterday are taken in order"
        for one in fields:
            for head, count in engagement(one).items():
                self._sums[head] = self._sums.get(head, 0) + count
        self._next = start + MINUTE_SECONDS

    def changes(self, today: Mapping[str, int]) -> dict[str, float]:
        """Head → today so far, as a multiple of yesterday until the same time."""
        return {head: round(today.get(head, 0) / count, 3) for head, count in self._sums.items() if count > 0}


def counterpart(session: Session, sessions: Iterable[Session], begins: Mapping[str, tuple[str, int]]) -> Session | None:
    """The session of the event day before that is this one's like: the same tags, and the nearest start in its day, two hours off at most.

    ``begins``: id → (its event day as an ISO date, seconds from that day's beginning to the session's start).
    """
    _, since = begins[session.id]
    likely = [
        (abs(begins[other.id][1] - since), other.id, other)
        for other in sessions
        if other.id != session.id and other.tags == session.tags and begins[other.id][0] == _day_before(begins[session.id][0])
    ]
    nearest = min(likely, default=None, key=lambda found: found[:2])
    return nearest[2] if nearest is not None and nearest[0] <= NEAR_SECONDS else None


def counterparts(sessions: Iterable[Session], schedule: Schedule) -> dict[str, str]:
    """Session → the one of the event day before that it is compared with, where there is one."""
    known = tuple(sessions)
    begins: dict[str, tuple[str, int]] = {}
    for session in known:
        start = int(session.start.timestamp())
        day = schedule.day(start)
        begins[session.id] = (day, start - schedule.day_bounds(day)[0])
    found = {session.id: counterpart(session, known, begins) for session in known}
    return {name: other.id for name, other in found.items() if other is not None}


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def against(mine: Mapping[str, object], other: Mapping[str, object]) -> float | None:
    """A session's engagement so far, as a multiple of its counterpart's at the same age, from their curves; None while either has holes."""
    now, then = mine.get("engagement"), other.get("engagement")
    if not isinstance(now, list) or not isinstance(then, list) or mine.get("slot_seconds") != other.get("slot_seconds"):
        return None
    then = then[: len(now)]
    now = now[: len(then)]
    if not now or min(now) < 0 or min(then) < 0 or sum(then) <= 0:
        return None
    return round(float(sum(now) / sum(then)), 3)
