"""Sends webhooks: one after the other for each channel, again until it is taken or given up, and what mishaps make of it.

What comes again has the same id and, as another attempt, another time and signature; a replay is the same request to the last byte.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from connectors.simulator.attempts import Attempts, break_off

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.simulator.faults import Mishaps
    from connectors.simulator.serving import Bell

MOST_WAITING: Final = 20_000
"""Deliveries on their way; beyond, new ones are lost."""


@dataclass(slots=True)
class Delivery:
    """One webhook on its way."""

    url: str
    body: bytes
    headers: Callable[[bytes], Mapping[str, str]]
    """Of an attempt made now with this body."""
    done: Callable[[bool], None]
    """Is told once whether it was taken."""
    again: bool = False
    """It was taken before, and is sent once more."""


class Poster:
    """Delivers; ``pauses`` are the seconds before the second, third … attempt, and who is patient goes on with the last one."""

    def __init__(
        self, *, mishaps: Mishaps, clock: Callable[[], float], bell: Bell, pauses: Sequence[float] = (), patient: bool = False
    ) -> None:
        self.taken = self.lost = self.waiting = 0
        self._mishaps, self._clock, self._bell = mishaps, clock, bell
        self._pauses, self._patient = tuple(pauses), patient
        self._lanes: dict[int, deque[Delivery]] = {}
        self._sent: set[int] = set()
        """Lanes in which anything was taken."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts = Attempts()

    def put(self, lane: int, delivery: Delivery) -> None:
        """It goes out when those before it in its lane were taken or given up."""
        if self.waiting >= MOST_WAITING:
            self._end(delivery, taken=False)
            return
        self.waiting += 1
        if lane in self._lanes:
            self._lanes[lane].append(delivery)
            return
        self._lanes[lane] = deque((delivery,))
        task = asyncio.create_task(self._work(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin_anew(self) -> None:
        """As after a restart of the sender: the end of what was taken is sent again (``overlap``), under the same ids."""
        for lane in sorted(self._sent):
            for delivery in self._mishaps.again((self, lane)):
                self.put(lane, replace(delivery, done=_nothing, again=True))

    async def stop(self) -> None:
        """What is on its way is lost."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._attempts.close()

    async def _work(self, lane: int) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting:
                taken = await self._deliver(waiting[0])
                self.waiting -= 1
                delivery = waiting.popleft()
                if taken and not delivery.again:
                    self._mishaps.went_out((self, lane), delivery)
                    self._sent.add(lane)
                self._end(delivery, taken=taken)
        finally:
            del self._lanes[lane]

    def _end(self, delivery: Delivery, *, taken: bool) -> None:
        self.taken += taken
        self.lost += not taken
        delivery.done(taken)

    # --- one delivery -------------------------------------------------------------------------------------------------

    async def _deliver(self, delivery: Delivery) -> bool:
        fate = self._mishaps.fate("drop", "stall", "half", "garbage", "repeat")
        if fate == "stall":
            await self._until(self._clock() + self._mishaps.faults.stall_seconds)
        if fate == "garbage":
            garbage = self._mishaps.garbage()
            await self._attempts.post(delivery.url, garbage, delivery.headers(garbage))
        if fate == "half":
            headers = delivery.headers(delivery.body)
            await break_off(delivery.url, delivery.body, headers, part=self._mishaps.cut(delivery.body))
        return await self._try(delivery, fate)

    async def _try(self, delivery: Delivery, fate: str) -> bool:
        failures = 0
        while True:
            headers = delivery.headers(delivery.body)
            lost = fate == "drop" and failures == 0
            if not lost and await self._attempts.post(delivery.url, delivery.body, headers):
                if fate == "repeat":
                    await self._attempts.post(delivery.url, delivery.body, headers)
                return True
            failures += 1
            if failures > len(self._pauses) and not self._patient:
                return False
            await self._until(self._clock() + self._pauses[min(failures, len(self._pauses)) - 1])

    async def _until(self, at: float) -> None:
        while self._clock() < at:
            await self._bell.wait()


def _nothing(_taken: bool) -> None:
    """Whoever sends again has been told already."""
