"""What the HTTP and websocket servers of the simulator share: listening, connections that can be cut, and what becomes of what is sent.

Time is handed in as a clock: who waits for it waits for the ``Bell``, which rings when there is news and at each tick, and looks at the clock
then. Nothing here sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from connectors.simulator.reader import Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from random import Random

    from connectors.simulator.faults import Mishaps


__all__ = ["Bell", "Reader", "Server", "as_json", "transport_of"]


class Bell:
    """Wakes everybody who waits, each time it rings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()


class Server(ABC):
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

    @abstractmethod
    def routes(self, app: web.Application) -> None:
        """Add what is answered."""

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

    async def socket(
        self, request: web.Request, entered: Callable[[Reader], None], heard: Callable[[Reader, str], None]
    ) -> web.WebSocketResponse:
        """A websocket that is written to as a reader; ``heard`` gets what the client says."""
        websocket = web.WebSocketResponse(compress=False, heartbeat=None)
        await websocket.prepare(request)

        async def write(frame: bytes) -> None:
            await websocket.send_str(frame.decode())

        async with self.writing(transport_of(request), write, framed=True) as reader:
            closing = asyncio.create_task(_close_after(reader, websocket))
            try:
                entered(reader)
                async for message in websocket:
                    if message.type is WSMsgType.TEXT:
                        heard(reader, message.data)
            finally:
                closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
        return websocket

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
        reader = Reader(transport, write, framed=framed, clock=self.clock, mishaps=self.mishaps, dice=self.dice)
        self.readers.add(reader)
        self._held.add(transport)
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            self.readers.discard(reader)
            self._held.discard(transport)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            reader.give_up()

    async def until(self, at: float) -> None:
        """Wait until the clock says so."""
        while self.clock() < at:
            await self.bell.wait()

    def refuse(self, status: int) -> web.Response:
        """An answer without words, for servers that have none of their own."""
        headers = {"Retry-After": str(round(self.mishaps.faults.retry_after))} if status in (429, 503) else {}
        return web.Response(status=status, headers=headers)

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


async def _close_after(reader: Reader, websocket: web.WebSocketResponse) -> None:
    await reader.over.wait()
    await websocket.close()


def transport_of(request: web.Request) -> asyncio.Transport:
    """Of a request that is being answered; raises ConnectionResetError when the client went."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
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
