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
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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


class Gate:
    """Decides for each item; remembers what is held."""

    def __init__(self) -> None:
        self.passes: Mapping[str, Pass] = {}
        """A livestream that is not in it is open: nothing is known against it."""
        self.forgotten = 0
        """Events that were not of the event."""
        self._held: dict[str, deque[tuple[float, Event]]] = {}

    @property
    def holding(self) -> int:
        """Events in memory."""
        return sum(map(len, self._held.values()))

    def held_since(self) -> dict[str, datetime]:
        """Livestream → receipt of the oldest event of it in memory, or the event's own time where that is earlier."""
        return {name: min(min(event.at, event.received_at) for _, event in held) for name, held in self._held.items()}

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
            held = self._held.setdefault(name, deque())
            held.append((now, event))
            if len(held) > MOST_HELD:
                out += self._forget(held.popleft()[1])

    def _due(self, now: float) -> list[Event]:
        due: list[Event] = []
        for name in list(self._held):
            decision, held = self.passes.get(name, OPEN), self._held[name]
            while held and held[0][0] <= now - HELD_SECONDS:
                event = held.popleft()[1]
                due += self._forget(event) if decision.known else [stamped(event, decision)]
            if not held:
                del self._held[name]
        return due

    def _settle(self, name: str, decision: Pass) -> list[Event]:
        """What was held of a livestream that is open or closed now."""
        released: list[Event] = []
        for _, event in self._held.pop(name):
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
        since = self.held_since()
        for name in held:
            oldest = since[name]
            if mark.covered_until is not None:
                marks.append(Mark(livestreams=(name,), covered_until=min(oldest, mark.covered_until)))
        rest = tuple(name for name in mark.livestreams if name not in self._held)
        return [replace(mark, livestreams=rest), *marks] if rest else marks


def stamped(event: Event, decision: Pass) -> Event:
    """The event with the broadcast that it belongs to, where the platform did not say it."""
    if decision.broadcast is None or event.broadcast is not None or isinstance(event, Viewers):
        return event
    return msgspec.structs.replace(event, broadcast=decision.broadcast)
