"""A changed schedule is recomputed from the minutes: which containers change their extent, and what they hold then. Pure.

Sessions and days are sums of whole minutes, so they can be made anew for any times. A session with tags cannot (minutes do not know
tags): it keeps what was counted with the times that were valid then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.derivation import make_schedule
from monitor.windows import as_counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from monitor.derivation import Derivation


class Extent(NamedTuple):
    """A container and the minutes that it must be the sum of: [start, end) in Unix seconds."""

    container: str
    start: int
    end: int


def changed(old: Derivation, new: Derivation, days: Iterable[str]) -> list[Extent]:
    """Containers whose extent is another one now. ``days`` are those that anything was counted for so far."""
    before = {name: (start, end, tags) for name, start, end, tags in old.sessions}
    extents = [
        Extent(f"session:{name}", int(start.timestamp()), int(end.timestamp()))
        for name, start, end, tags in new.sessions
        if not tags and before.get(name) != (start, end, tags)
    ]
    if (old.timezone, old.day_start) != (new.timezone, new.day_start):
        schedule, former = make_schedule(new), make_schedule(old)
        known = {schedule.day(at) for day in days for at in _inside(*former.day_bounds(day))}
        extents += [Extent(f"day:{day}", *schedule.day_bounds(day)) for day in sorted(known | set(days))]
    return extents


def rebuild(
    extents: Iterable[Extent], minutes: Callable[[int, int], Iterable[Mapping[str, int]]]
) -> list[tuple[str, dict[str, int]]]:
    """(container, fields) for each extent; ``minutes`` gives the minutes of [start, end) that hold anything."""
    rebuilt = []
    for extent in extents:
        sums: dict[str, int] = {}
        for numbers in minutes(extent.start, extent.end):
            for field, value in numbers.items():
                name = as_counted(field)
                sums[name] = sums.get(name, 0) + value
        rebuilt.append((extent.container, sums))
    return rebuilt


def _inside(start: int, end: int) -> tuple[int, int]:
    return start, end - 1
