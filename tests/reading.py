"""For tests of connectors: what one yields, read until something is there, and what of it is asked about."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from connectors.connector import Dropped, Refused, Throttled
from connectors.event import Message


def of(kind, items):
    return [item for item in items if isinstance(item, kind)]


def texts(items):
    return [item.text for item in of(Message, items)]


async def read(connector, until=lambda _: False, items=None):
    """What is yielded until the condition holds; raises what the connector raises. ``items`` can be looked at meanwhile."""
    items = [] if items is None else items
    async with asyncio.timeout(30), aclosing(connector.events()) as found:
        async for item in found:
            items.append(item)
            if until(items):
                break
    return items


class Heard(list):
    """What a connector yields that runs in the background, and waiting for it."""

    def __init__(self, connector):
        super().__init__()
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._read(connector))

    async def _read(self, connector):
        try:
            async with aclosing(connector.events()) as items:
                async for one in items:
                    self.append(one)
                    await self._note()
        finally:
            await self._note()

    async def _note(self):
        async with self._changed:
            self._changed.notify_all()

    def of(self, kind):
        return of(kind, self)

    async def until(self, true):
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: true(self) or self.task.done())
        if self.task.done() and not true(self):
            await self.task
            raise AssertionError("ended before its time")

    async def failure(self):
        async with asyncio.timeout(30):
            with pytest.raises((Dropped, Throttled, Refused)) as raised:
                await self.task
        return raised.value

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
