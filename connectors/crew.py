"""The tasks of one connection, and the one queue into which all of them say what they learnt.

Promises: what a task learnt before it failed is heard before its failure; a defect of ours reaches whoever listens too, who would else wait
for ever; after ``stop`` no task is left. What is retried, and when, is not decided here.
"""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from connectors.ending import end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from connectors.connector import Watch

Said = TypeVar("Said")


class Call(Enum):
    """What is heard beside what the tasks say."""

    CHANGED = "the targets changed"
    DUE = "the time has come until which was waited"


class Crew(Generic[Said]):
    """Bounded, so that a consumer that stands still is felt by the sender and not by our memory."""

    def __init__(self, most: int) -> None:
        self._said: asyncio.Queue[Said | Exception | Call] = asyncio.Queue(most)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said that has not been heard."""
        return self._said.empty()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let it run; the failure that ends it is raised by ``heard``."""
        task = asyncio.create_task(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # also when it was stopped before it began
        return task

    async def follow(self, watch: Watch) -> None:
        """The task that says when the targets changed."""
        while True:
            await watch.changed()
            await self._said.put(Call.CHANGED)

    async def say(self, said: Said) -> None:
        await self._said.put(said)

    async def heard(self, until: float = math.inf) -> Said | Call:
        """What was said next, waited for until this time of the loop's clock. Raises what ended a task."""
        try:
            async with asyncio.timeout_at(until if until < math.inf and self._said.empty() else None):
                said = await self._said.get()
        except TimeoutError:
            return Call.DUE
        if isinstance(said, Exception):
            raise said
        return said

    async def at_work(
        self, watch: Watch, *works: Coroutine[Any, Any, None], until: Callable[[], float] = lambda: math.inf
    ) -> AsyncGenerator[Said | Call, None]:
        """One connection: what is said while there are targets, by these tasks and those that they start, and that the targets changed.

        ``until`` is asked before each wait. Raises what ended a task; after it no task is left.
        """
        try:
            for work in (self.follow(watch), *works):
                self.start(work)
            while watch.targets:
                yield await self.heard(until())
        finally:
            await self.stop()

    async def stop(self) -> None:
        await end(self._tasks)

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 — judged by whoever listens
            await self._said.put(error)
