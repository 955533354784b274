"""The tasks of one connection, and the one queue into which all of them say what they learnt.

Promises: what a task learnt before it failed is heard before its failure; a defect of ours reaches whoever listens too, who would else wait
for ever; after ``stop`` no task is left. What is retried, and when, is not decided here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from connectors.connector import Watch

Said = TypeVar("Said")


class Crew(Generic[Said]):
    """Bounded, so that a consumer that stands still is felt by the sender and not by our memory."""

    def __init__(self, watch: Watch, most: int) -> None:
        self._watch = watch
        self._said: asyncio.Queue[Said | Exception | None] = asyncio.Queue(most)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run; the failure that ends it is raised by ``heard``."""
        task = asyncio.create_task(self._told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def follow_watch(self) -> None:
        """The task that says when the targets changed."""
        while True:
            await self._watch.changed()
            await self._said.put(None)

    async def say(self, said: Said) -> None:
        await self._said.put(said)

    async def heard(self) -> Said | None:
        """What was said next; None: the targets changed. Raises what ended a task."""
        said = await self._said.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 — judged by whoever listens
            await self._said.put(error)
