"""What is on air: for each channel its broadcast of now, its title and its viewers. Pure: time and dice are handed in.

Steady (while a ledger is kept): everybody is live all the time, so that what is counted can be compared with what was sent. Lively:
each broadcast lasts twenty minutes to two hours, the pause after it a few minutes, and now and then one is not of the event. Each
broadcast has a new id, as on every platform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

LASTS: Final = (1200.0, 7200.0)
PAUSES: Final = (90.0, 420.0)
OFF_TOPIC: Final = 0.015
"""So many broadcasts of a lively crowd are of something else."""
WARM_UP: Final = 240.0
"""Seconds in which most of the audience arrives."""
_TITLES: Final = (
    "{tag} – we are live!", "{tag} day {day}: come along", "Live from the summit {tag}", "{tag} behind the scenes",
    "Ao vivo do {tag}", "En directo desde {tag}", "{tag} 现场直播", "Siaran langsung {tag}", "{tag} Прямой эфир",
)  # fmt: skip
_OTHER_TITLES: Final = ("just chatting, day off", "ranked until diamond", "cooking noodles with my sister")


@dataclass(slots=True)
class Air:
    """One channel."""

    base: float
    """Viewers when it is settled."""
    phase: float
    id: str = ""
    """Of the broadcast; empty while offline."""
    title: str = ""
    started: float = 0.0
    until: float = math.inf
    """When it changes by itself."""
    announced: float | None = None
    """When the next broadcast will begin by itself, as its channel has said; platforms that show announcements show it."""
    beside: list[Air] = field(default_factory=list)
    """Further broadcasts at the same time, on platforms that allow it."""


class Airtime:
    """All channels of one platform, by index."""

    def __init__(
        self,
        weights: Sequence[float],
        dice: Random,
        start: float,
        *,
        lively: bool = False,
        tags: Sequence[str] = (),
        run: str = "0",
    ) -> None:
        self.dice = dice
        self.lively = lively
        self.tags = tuple(tags) or ("the event",)
        self._announced: set[int] = set()
        self._serial = int(run[:8] or "0", 16) * 10_000
        self.channels = [Air(2 + weight * 90 * dice.lognormvariate(0, 0.5), dice.random() * math.tau) for weight in weights]
        for index, air in enumerate(self.channels):
            began = start - dice.uniform(60, 5400)
            self.go_live(index, began)
            if lively:
                air.until = start + dice.uniform(0, LASTS[1])

    def advance(self, now: float) -> None:
        """Begin and end what is due."""
        for index in [index for index in self._announced if now >= (self.channels[index].announced or 0.0)]:
            self._announced.discard(index)
            self.channels[index].announced = None
            if not self.channels[index].id:
                self.go_live(index, now)
        if self.lively:
            for index, air in enumerate(self.channels):
                if now >= air.until:
                    if air.id:
                        self.go_offline(index)
                        air.until = now + self.dice.uniform(*PAUSES)
                    else:
                        self.go_live(index, now)

    def go_live(self, index: int, at: float, title: str = "") -> Air:
        """Begin a broadcast under an id that never was before."""
        air = self.channels[index]
        air.id, air.started = self._new_id(), at
        if not title:
            other = self.lively and self.dice.random() < OFF_TOPIC
            words = self.dice.choice(_OTHER_TITLES if other else _TITLES)
            title = words.format(tag=self.dice.choice(self.tags), day=1 + int(at // 86400) % 5)
        air.title = title
        air.until = at + self.dice.uniform(*LASTS) if self.lively else math.inf
        return air

    def begin_beside(self, index: int, at: float, title: str) -> Air:
        """A second broadcast of a channel that is live."""
        beside = Air(0.0, 0.0, id=self._new_id(), title=title, started=at)
        self.channels[index].beside.append(beside)
        return beside

    def announce(self, index: int, at: float) -> None:
        """The channel's next broadcast will begin then; the one of now ends."""
        self.go_offline(index, stays=True)
        self.channels[index].announced = at
        self._announced.add(index)

    def other_title(self) -> str:
        """A title of something that is not the event."""
        return self.dice.choice(_OTHER_TITLES)

    def _new_id(self) -> str:
        self._serial += 1
        return str(40_000_000_000 + self._serial)

    def go_offline(self, index: int, *, stays: bool = False) -> None:
        """End the broadcast, and those beside it; the channel stays what it is. With ``stays`` the next one does not begin by itself."""
        self.channels[index].id = ""
        self.channels[index].beside.clear()
        if stays:
            self.channels[index].until = math.inf

    def new_day(self, now: float) -> None:
        """Everybody ends, and begins under a new id."""
        for index in range(len(self.channels)):
            self.go_offline(index)
            self.go_live(index, now)

    def viewers(self, index: int, now: float) -> int:
        """Of a live channel: they arrive in the first minutes, then swell and ebb slowly. The platform's cache renews it once a minute."""
        air = self.channels[index]
        minute = now // 60 * 60
        arrived = 1 - math.exp(-max(0.0, now - air.started) / WARM_UP)
        swell = 1 + 0.25 * math.sin(minute / 900 + air.phase) + 0.08 * math.sin(minute / 130 + 3 * air.phase)
        return round(air.base * arrived * swell)
