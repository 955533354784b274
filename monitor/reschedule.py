"""A changed schedule is recomputed from the minutes: which containers change their extent, and what they hold then. Pure.

Days and sessions of everybody are sums of whole minutes, so they can be made anew for any times. Minutes know no tags, but they know each
livestream, so a session with tags is made anew from those of its livestreams; only its topics need the journal (``tagged``). After a change
everything counts as the present schedule and roster say, also what is retracted later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.derivation import make_schedule
from monitor.windows import as_counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitor.derivation import Derivation


class Extent(NamedTuple):
    """A container and the minutes that it must be the sum of: [start, end) in Unix seconds."""

    container: str
    start: int
    end: int
    tags: frozenset[str] = frozenset()
    """Of a session: only of livestreams with one of them, if there are any."""
    former: tuple[int, int] | None = None
    """The times that it had, when nothing but these has changed."""
    movers: frozenset[str] = frozenset()
    """The livestreams that came into it or left it, when nothing else has changed."""

    def covers(self, at: int) -> bool:
        return self.start <= at < self.end

    def covered(self, at: int) -> bool:
        """Whether it did before."""
        return self.former is not None and self.former[0] <= at < self.former[1]


def changed(old: Derivation, new: Derivation, days: Iterable[str]) -> list[Extent]:
    """Containers whose extent is another one now. ``days`` are those that anything was counted for so far."""
    before = {name: (start, end, tags) for name, start, end, tags in old.sessions}
    extents = []
    for name, start, end, tags in new.sessions:
        extent = Extent(f"session:{name}", int(start.timestamp()), int(end.timestamp()), frozenset(tags))
        was_start, was_end, was_tags = before.get(name, (start, end, ()))
        if name in before and bool(was_tags) == bool(tags):
            # What its tags are called does not matter, but whose livestreams they make it.
            movers = members(old, was_tags) ^ members(new, tags)
            is_moved = (was_start, was_end) != (start, end)
            if not movers and not is_moved:
                continue
            if not movers:
                extent = extent._replace(former=(int(was_start.timestamp()), int(was_end.timestamp())))
            elif not is_moved:
                extent = extent._replace(movers=movers)
        extents.append(extent)
    if (old.timezone, old.day_start) != (new.timezone, new.day_start):
        schedule, former = make_schedule(new), make_schedule(old)
        known = {schedule.day(at) for day in days for at in _inside(*former.day_bounds(day))}
        extents += [Extent(f"day:{day}", *schedule.day_bounds(day)) for day in sorted(known | set(days))]
    return extents


def members(config: Derivation, tags: Collection[str]) -> frozenset[str]:
    """The livestreams of a session with these tags."""
    wanted = set(tags)
    return frozenset(name for name, place in config.livestreams.items() if not wanted.isdisjoint(place.tags))


def add_minute(sums: dict[str, int], numbers: Mapping[str, int]) -> None:
    """What one minute adds to its day, or to a session of everybody."""
    for field, value in numbers.items():
        name = as_counted(field)
        sums[name] = sums.get(name, 0) + value


def _inside(start: int, end: int) -> tuple[int, int]:
    return start, end - 1
