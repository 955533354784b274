"""What of a chat goes on to the journal: a chat that is open while nothing is live is nobody's event. Pure; the caller hands in the time.

Three ways for each livestream, as discovery decides (``Reading``): *open* passes, *closed* drops. *Held* is for a channel that is
offline as far as anybody knows: what is said there stays in memory for two minutes. If in that time a broadcast turns out to have begun,
what was said since its beginning goes on, so that the minute between going live and being discovered is not lost; else it is forgotten,
unread and uncounted. While it is not known at all whether a channel is live (no answer yet), what was held goes on instead.

Promises: order within a livestream is kept; what is held is never reported as covered, so that after a kill it lies inside a Gap;
retractions always go on, for what they take back may have been counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from connectors.connector import Mark
from connectors.event import Removed, Viewers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.event import Event

Reading = Literal["open", "held", "closed"]
"""``open``: read and counted. ``held``: read, kept in memory for two minutes in case a broadcast turns out to have begun, and forgotten.
``closed``: not read at all."""

HELD_SECONDS: Final = 120.0
MOST_HELD: Final = 5000
"""Events of one livestream; beyond, the oldest are forgotten."""
SLACK: Final = timedelta(seconds=5)
"""The chat's clock and the clock that says when a broadcast began are two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What discovery says about one livestream."""

    reading: Reading
    broadcast: str | None = None
    """The broadcast that is counted now."""
    since: datetime | None = None
    """When it began."""
    known: bool = True
    """Whether it is known at all if it is live."""


OPEN: Final = Pass(reading="open")


@dataclass(slots=True)
class Hold:
    """What is held of one livestream, oldest first; the same work for each event, however many there are."""

    events: deque[tuple[float, Event]] = field(default_factory=deque)
    lows: deque[datetime] = field(default_factory=deque)
    """The times that may become the oldest when those before them are gone, in order."""

    @property
    def oldest(self) -> datetime:
        """Receipt of the oldest event, or the event's own time where that is earlier."""
        return self.lows[0]

    def add(self, now: float, event: Event) -> None:
        since = _since(event)
        while self.lows and self.lows[-1] > since:
            self.lows.pop()
        self.lows.append(since)
        self.events.append((now, event))

    def drop(self) -> Event:
        """The first one."""
        event = self.events.popleft()[1]
        if self.lows[0] == _since(event):
            self.lows.popleft()
        return event


def _since(event: Event) -> datetime:
    return min(event.at, event.received_at)


class Gate:
    """Decides for each item; remembers what is held."""

    def __init__(self) -> None:
        self.passes: Mapping[str, Pass] = {}
        """A livestream that is not in it is open: nothing is known against it."""
        self.forgotten = 0
        """Events that were not of the event."""
        self.holding = 0
        """Events in memory."""
        self._held: dict[str, Hold] = {}
        self._next: list[tuple[float, int, str, Hold]] = []
        """A heap: when the first event of each livestream was held; the number makes them comparable."""
        self._number = count()
        self._older: dict[str, datetime] = {}

    def held_since(self) -> dict[str, datetime]:
        """Livestream → receipt of the oldest event of it in memory, or the event's own time where that is earlier."""
        return {name: held.oldest for name, held in self._held.items()}

    def newly_held(self) -> dict[str, datetime]:
        """The same of those of which something older is held than when this was asked last."""
        older, self._older = self._older, {}
        return older

    def update(self, passes: Mapping[str, Pass]) -> list[Event]:
        """New decisions; gives what was held and goes on now."""
        self.passes = passes
        released: list[Event] = []
        for name in list(self._held):
            decision = passes.get(name, OPEN)
            if decision.reading != "held":
                released += self._settle(name, decision)
        return released

    def take(self, items: Iterable[Event | Mark], now: float) -> list[Event | Mark]:
        """What goes on of these items, and what was held long enough; ``now`` is a monotonic clock's."""
        out: list[Event | Mark] = list(self._due(now))
        for item in items:
            if isinstance(item, Mark):
                out += self._capped(item)
            elif item.livestream is None:
                out.append(item)
            else:
                self._one(item, item.livestream, now, out)
        return out

    def _one(self, event: Event, name: str, now: float, out: list[Event | Mark]) -> None:
        decision = self.passes.get(name)
        if decision is None or decision.reading == "open":
            out.append(event if decision is None else stamped(event, decision))
        elif decision.reading == "closed":
            if isinstance(event, Removed):
                out.append(event)
            else:
                self.forgotten += 1
        else:
            self._hold(event, name, now, out)

    def _hold(self, event: Event, name: str, now: float, out: list[Event | Mark]) -> None:
        held = self._held.get(name)
        before = held.oldest if held is not None else None
        if held is None:
            held = self._held[name] = Hold()
            heappush(self._next, (now, next(self._number), name, held))
        held.add(now, event)
        self.holding += 1
        if before is None or held.oldest < before:
            self._older[name] = held.oldest
        if len(held.events) > MOST_HELD:
            self.holding -= 1
            out += self._forget(held.drop())

    def _due(self, now: float) -> list[Event]:
        """Looks only at those livestreams whose turn it is."""
        due: list[Event] = []
        while self._next and self._next[0][0] <= now - HELD_SECONDS:
            _, _, name, held = heappop(self._next)
            if self._held.get(name) is not held:  # it was settled meanwhile
                continue
            decision = self.passes.get(name, OPEN)
            while held.events and held.events[0][0] <= now - HELD_SECONDS:
                event = held.drop()
                self.holding -= 1
                due += self._forget(event) if decision.known else [stamped(event, decision)]
            if held.events:
                heappush(self._next, (held.events[0][0], next(self._number), name, held))
            else:
                del self._held[name]
        return due

    def _settle(self, name: str, decision: Pass) -> list[Event]:
        """What was held of a livestream that is open or closed now."""
        released: list[Event] = []
        held = self._held.pop(name)
        self._older.pop(name, None)
        self.holding -= len(held.events)
        for _, event in held.events:
            if decision.reading == "open" and (decision.since is None or event.at >= decision.since - SLACK):
                released.append(stamped(event, decision))
            else:
                released += self._forget(event)
        return released

    def _forget(self, event: Event) -> list[Event]:
        if isinstance(event, Removed):
            return [event]
        self.forgotten += 1
        return []

    def _capped(self, mark: Mark) -> list[Mark]:
        """Covered at most up to the oldest event that is held."""
        held = [name for name in mark.livestreams if name in self._held]
        if not held:
            return [mark]
        marks = []
        for name in held:
            oldest = self._held[name].oldest
            if mark.covered_until is not None:
                marks.append(Mark(livestreams=(name,), covered_until=min(oldest, mark.covered_until)))
        rest = tuple(name for name in mark.livestreams if name not in self._held)
        return [replace(mark, livestreams=rest), *marks] if rest else marks


def stamped(event: Event, decision: Pass) -> Event:
    """The event with the broadcast that it belongs to, where the platform did not say it."""
    if decision.broadcast is None or event.broadcast is not None or isinstance(event, Viewers):
        return event
    return msgspec.structs.replace(event, broadcast=decision.broadcast)
