"""A connection that stays open and is written to: what waits for it, and what mishaps make of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable  # noqa: TC003 — for the named tuple
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from random import Random

    from connectors.simulator.faults import Mishaps

MOST_WAITING: Final = 20_000
"""Frames that wait for a client; one that reads more slowly is cut."""


class Reader:
    """Somebody who is connected: what waits for them, and how it goes out."""

    def __init__(
        self,
        transport: asyncio.Transport,
        write: Callable[[bytes], Awaitable[None]],
        *,
        framed: bool,
        clock: Callable[[], float],
        mishaps: Mishaps,
        dice: Random,
    ) -> None:
        self.tags: set[str] = set()
        """What they asked for, in the words of the server."""
        self.over = asyncio.Event()
        """Nothing more will be written."""
        self._clock = clock
        self._mishaps = mishaps
        self._dice = dice
        self._transport = transport
        self._write = write
        self.framed = framed
        """A websocket; else bytes one after the other."""
        self._waiting: deque[Frame] = deque()
        self._later: Frame | None = None
        self._ready = asyncio.Event()
        self._stalled_until = 0.0
        self._drop_at: float | None = None
        self._ending = False

    def put(self, data: bytes, told: Callable[[bool], None] | None = None) -> None:
        """It goes out as soon as it can; ``told`` hears whether it did."""
        self._waiting.append(Frame(data, told))
        self._ready.set()
        if len(self._waiting) > MOST_WAITING:
            self.cut()

    def cut(self) -> None:
        """Without a goodbye."""
        self._transport.abort()

    def end(self) -> None:
        """In good order, when all that waits is written."""
        self._ending = True
        self._ready.set()

    def tick(self, now: float, drop_every: float | None) -> None:
        """Time has passed."""
        if self._later is not None or now >= self._stalled_until > 0:
            self._ready.set()
        if drop_every is None:
            self._drop_at = None
        elif self._drop_at is None:
            self._drop_at = now + self._dice.expovariate(1 / drop_every)
        elif now >= self._drop_at:
            self.cut()

    async def run(self) -> None:
        """Write what waits, until the connection ends."""
        try:
            while not (self._ending and not self._waiting):
                self._ready.clear()
                while self._waiting and self._clock() >= self._stalled_until:
                    await self._send()
                if not self._ending or self._waiting:
                    await self._ready.wait()
                if not self._waiting:  # nothing came that it could come after
                    await self._send_later()
        except (ConnectionError, RuntimeError):  # aiohttp says of a closing websocket that it cannot be written to
            self.cut()
        finally:
            self.over.set()

    def give_up(self) -> None:
        """What was not written never will be."""
        for frame in (*self._waiting, *filter(None, [self._later])):
            if frame.told is not None:
                frame.told(False)
        self._waiting.clear()
        self._later = None

    async def _send(self) -> None:
        mishaps = self._mishaps
        fate = mishaps.fate()
        frame = self._waiting[0]
        if fate == "stall":
            self._stalled_until = self._clock() + mishaps.faults.stall_seconds
            return
        if fate == "drop":
            raise ConnectionResetError
        if fate == "half":
            if self.framed:
                self._transport.write(half_frame(frame.data))
            else:
                await self._write(mishaps.cut(frame.data))
            self._transport.close()
            await asyncio.Event().wait()  # until the client sees it
        self._waiting.popleft()
        if fate == "reorder" and self._later is None:
            self._later = frame
            return
        if fate == "garbage":
            await self._write(mishaps.garbage() if self.framed else mishaps.garbage() + b"\n\n")
        await self._out(frame)
        if fate == "repeat":
            await self._write(frame.data)
        await self._send_later()

    async def _send_later(self) -> None:
        frame, self._later = self._later, None
        if frame is not None:
            await self._out(frame)

    async def _out(self, frame: Frame) -> None:
        await self._write(frame.data)
        if frame.told is not None:
            frame.told(True)


class Frame(NamedTuple):
    """What waits for a reader."""

    data: bytes
    told: Callable[[bool], None] | None


def half_frame(text: bytes) -> bytes:
    """The first half of a websocket's text frame; of a short one all but its last byte."""
    length = bytes([len(text)]) if len(text) < 126 else b"\x7e" + min(len(text), 65_535).to_bytes(2, "big")
    return b"\x81" + length + text[: len(text) // 2]
