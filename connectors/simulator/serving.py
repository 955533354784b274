"""What the HTTP and websocket servers of the simulator share: listening, connections that can be cut, and what becomes of what is sent.

Time is handed in as a clock: who waits for it waits for the ``Bell``, which rings when there is news and at each tick, and looks at the clock
then. Nothing here sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from random import Random

    from connectors.simulator.faults import Mishaps

MOST_WAITING: Final = 20_000
"""Frames that wait for a client; one that reads more slowly is cut."""


class Bell:
    """Wakes everybody who waits, each time it rings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()


class Server:
    """Base of the servers; a subclass adds its routes."""

    def __init__(self, *, clock: Callable[[], float], mishaps: Mishaps, dice: Random) -> None:
        self.clock = clock
        self.mishaps = mishaps
        self.dice = dice
        self.bell = Bell()
        self.readers: set[Reader] = set()
        """Connections that stay open and are written to."""
        self.asked = 0
        """Requests so far."""
        self._held: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None

    def routes(self, app: web.Application) -> None:
        raise NotImplementedError

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Answer from now on; gives the port."""
        app = web.Application(client_max_size=1 << 20)
        self.routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Cut what is held and stop listening."""
        self.drop_all()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def tick(self) -> None:
        """Time has passed."""
        self.bell.ring()
        drop_every = self.mishaps.faults.drop_every
        now = self.clock()
        for reader in list(self.readers):
            reader.tick(now, drop_every)

    def drop_all(self) -> int:
        """Cut every connection that is held, without a goodbye; gives how many."""
        held = list(self._held)
        for transport in held:
            transport.abort()
        return len(held)

    @property
    def held(self) -> int:
        """Connections that wait or read now."""
        return len(self._held)

    @contextlib.asynccontextmanager
    async def holding(self, request: web.Request) -> AsyncIterator[asyncio.Transport]:
        """While this runs, ``drop_all`` cuts the connection."""
        transport = transport_of(request)
        self._held.add(transport)
        try:
            yield transport
        finally:
            self._held.discard(transport)

    @contextlib.asynccontextmanager
    async def writing(
        self, transport: asyncio.Transport, write: Callable[[bytes], Awaitable[None]], *, framed: bool
    ) -> AsyncIterator[Reader]:
        """A reader, whose frames go out while this runs."""
        reader = Reader(self, transport, write, framed=framed)
        self.readers.add(reader)
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            self.readers.discard(reader)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, at: float) -> None:
        """Wait until the clock says so."""
        while self.clock() < at:
            await self.bell.wait()

    async def give(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """An answer, or what mishaps leave of it."""
        body = response.body if isinstance(response.body, bytes) else b""
        match self.mishaps.fate("drop", "stall", "half", "garbage"):
            case "drop":
                transport_of(request).abort()
            case "stall":
                async with self.holding(request):
                    await self.until(self.clock() + self.mishaps.faults.stall_seconds)
            case "half":
                await _send_half(request, response, self.mishaps.cut(body))
            case "garbage":
                response.body = self.mishaps.garbage()
        return response


class Reader:
    """Somebody who is connected: what waits for them, and how it goes out."""

    def __init__(
        self, server: Server, transport: asyncio.Transport, write: Callable[[bytes], Awaitable[None]], *, framed: bool
    ) -> None:
        self.tags: set[str] = set()
        """What they asked for, in the words of the server."""
        self.about: Any = None
        """What the server wants to remember of them."""
        self._server = server
        self._transport = transport
        self._write = write
        self._framed = framed
        self._waiting: deque[bytes] = deque()
        self._later: bytes | None = None
        self._ready = asyncio.Event()
        self._stalled_until = 0.0
        self._drop_at: float | None = None

    def put(self, frame: bytes) -> None:
        """It goes out as soon as it can."""
        self._waiting.append(frame)
        self._ready.set()
        if len(self._waiting) > MOST_WAITING:
            self._transport.abort()

    def cut(self) -> None:
        """Without a goodbye."""
        self._transport.abort()

    def tick(self, now: float, drop_every: float | None) -> None:
        """Time has passed."""
        if self._later is not None or now >= self._stalled_until:
            self._ready.set()
        if drop_every is None:
            self._drop_at = None
        elif self._drop_at is None:
            self._drop_at = now + self._server.dice.expovariate(1 / drop_every)
        elif now >= self._drop_at:
            self.cut()

    async def run(self) -> None:
        """Write what waits, until the connection ends."""
        with contextlib.suppress(
            ConnectionError, RuntimeError
        ):  # aiohttp says of a closing websocket that it cannot be written to
            while True:
                self._ready.clear()
                while self._waiting and self._server.clock() >= self._stalled_until:
                    await self._send(self._waiting[0])
                await self._ready.wait()
                if not self._waiting and self._later is not None:  # nothing came that it could come after
                    await self._write(self._later)
                    self._later = None

    async def _send(self, frame: bytes) -> None:
        mishaps = self._server.mishaps
        fate = mishaps.fate()
        if fate == "stall":
            self._stalled_until = self._server.clock() + mishaps.faults.stall_seconds
            return
        self._waiting.popleft()
        if fate in ("drop", "half"):
            if fate == "half":
                self._transport.write(half_frame(frame) if self._framed else mishaps.cut(frame))
                self._transport.close()
            else:
                self.cut()
            raise ConnectionResetError
        if fate == "reorder" and self._later is None:
            self._later = frame
            return
        if fate == "garbage":
            await self._write(mishaps.garbage() if self._framed else mishaps.garbage() + b"\n\n")
        await self._write(frame)
        if fate == "repeat":
            await self._write(frame)
        if self._later is not None:
            await self._write(self._later)
            self._later = None


def transport_of(request: web.Request) -> asyncio.Transport:
    """Of a request that is being answered; raises ConnectionResetError when the client went."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    assert isinstance(transport, asyncio.Transport)
    return transport


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


async def _send_half(request: web.Request, response: web.Response, half: bytes) -> None:
    """Promise all of it, send half and hang up."""
    whole = response.body if isinstance(response.body, bytes) else b""
    cut = web.StreamResponse(status=response.status, headers={"Content-Length": str(max(2, len(whole)))})
    cut.content_type = response.content_type
    await cut.prepare(request)
    await cut.write(half)
    transport_of(request).close()


def half_frame(text: bytes) -> bytes:
    """The first half of a websocket's text frame; of a short one all but its last byte."""
    length = bytes([len(text)]) if len(text) < 126 else b"\x7e" + min(len(text), 65_535).to_bytes(2, "big")
    return b"\x81" + length + text[: len(text) // 2]
