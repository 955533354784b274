"""A small Owncast server for tests: chat users must register, several documents in a frame, HTML, hidden messages."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiohttp import web
from fakes import Faults, Said

from connectors.connector import Target
from connectors.owncast import Options

if TYPE_CHECKING:
    from types import TracebackType

    from connectors.connector import Resume

NO_FAULTS = Faults()
GARBAGE = ('{"type":"CHAT","id":', "[]\n{}\n\n", '{"type":"CHAT","body":[5]}', "null")


class FakeOwncast:
    """One server is one channel; its address is the handle."""

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self.faults = faults
        self.origins: list[str] = []
        self.tokens: list[str] = []
        self._numbers = itertools.count(1)
        self._last = datetime.now(UTC)
        self._sockets: set[web.WebSocketResponse] = set()
        self._transports: dict[web.WebSocketResponse, asyncio.Transport] = {}
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/api/chat/register", self._register)
        app.router.add_get("/ws", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.handles = (self.url,)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for transport in list(self._transports.values()):
            transport.abort()
        await self._runner.cleanup()

    def options(self) -> Options:
        return Options(
            allow_private=True, open_seconds=0.4 if self.faults.silent else 5.0, ping_seconds=0.3, mark_every_seconds=0.05
        )  # fmt: skip

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"owncast:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self._sockets)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self._sockets))

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(true)

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        user = {"id": f"u{number % 7}", "displayName": "Zoë", "isBot": False}
        chat = {
            "id": f"c{number}",
            "timestamp": self._last.isoformat(),
            "body": f"<p>{text}</p>",
            "user": user,
            "type": "CHAT",
            "visible": True,
        }
        ping = {"id": f"p{number}", "timestamp": self._last.isoformat(), "type": "PING"}
        await self.emit(orjson.dumps(ping).decode() + "\n" + orjson.dumps(chat).decode())
        return Said(id=f"owncast:c{number}", at=self._last, text=text)

    async def remove(self, said: Said) -> None:
        hidden = {"id": "k", "type": "VISIBILITY-UPDATE", "ids": [said.id.removeprefix("owncast:")], "visible": False}
        await self.emit(orjson.dumps(hidden).decode())

    async def emit(self, frame: str) -> None:
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError):
                for one in GARBAGE if self.faults.garbage else ():
                    await socket.send_str(one)
                if self.faults.half_frame:
                    transport = self._transports[socket]
                    transport.write(b"\x81\x7e\x02\x00" + frame.encode()[:40])
                    transport.close()
                else:
                    await socket.send_str(frame)

    async def cut(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()
        await self.until(lambda: not self._sockets)

    async def _register(self, request: web.Request) -> web.Response:
        if self.faults.silent:
            await asyncio.sleep(30)
        if self.faults.refuse:
            return web.Response(status=403)
        if self.faults.throttle_seconds is not None:
            return web.Response(status=429, headers={"Retry-After": str(self.faults.throttle_seconds)})
        self.tokens.append(f"tok/en={len(self.tokens)}")
        return web.json_response({"id": "x", "accessToken": self.tokens[-1], "displayName": "somebody"})

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        self.origins.append(request.headers.get("Origin", ""))
        if request.query.get("accessToken") not in self.tokens:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        self._sockets.add(socket)
        self._transports[socket] = request.transport
        await self._note()
        try:
            async for _ in socket:
                pass
        finally:
            self._sockets.discard(socket)
            del self._transports[socket]
            await self._note()
        return socket

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()
