"""A small Owncast server for tests: chat users must register, several documents in a frame, HTML, hidden messages."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

import orjson
from aiohttp import web
from fakes import NO_FAULTS, Faults, OverHttp, Said, half_a_frame

from connectors.connector import Target
from connectors.owncast import Options

if TYPE_CHECKING:
    from connectors.connector import Resume

GARBAGE = ('{"type":"CHAT","id":', "[]\n{}\n\n", '{"type":"CHAT","body":[5]}', "null")


class FakeOwncast(OverHttp):
    """One server is one channel; its address is the handle."""

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self.origins: list[str] = []
        self.tokens: list[str] = []
        self._sockets: dict[web.WebSocketResponse, asyncio.Transport] = {}

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.handles = (self.url,)
        return self

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/chat/register", self._register)
        router.add_get("/ws", self._chat)

    def options(self) -> Options:
        return Options(
            allow_private=True, open_seconds=0.4 if self.faults.silent else 30.0, ping_seconds=0.3 if self.faults.silent else 30.0, mark_every_seconds=0.05
        )  # fmt: skip

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"owncast:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self._sockets)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self._sockets))

    async def say(self, handle: str, text: str) -> Said:
        number, at = next(self._numbers), self.stamp(digits=6)
        user = {"id": f"u{number % 7}", "displayName": "Zoë", "isBot": False}
        chat = {
            "id": f"c{number}",
            "timestamp": at.isoformat(),
            "body": f"<p>{text}</p>",
            "user": user,
            "type": "CHAT",
            "visible": True,
        }
        ping = {"id": f"p{number}", "timestamp": at.isoformat(), "type": "PING"}
        await self.emit(orjson.dumps(ping).decode() + "\n" + orjson.dumps(chat).decode())
        return Said(id=f"owncast:c{number}", at=at, text=text)

    async def remove(self, said: Said) -> None:
        hidden = {"id": "k", "type": "VISIBILITY-UPDATE", "ids": [said.id.removeprefix("owncast:")], "visible": False}
        await self.emit(orjson.dumps(hidden).decode())

    async def emit(self, frame: str) -> None:
        for socket, transport in list(self._sockets.items()):
            with contextlib.suppress(ConnectionError):
                for one in GARBAGE if self.faults.garbage else ():
                    await socket.send_str(one)
                if self.faults.half_frame:
                    half_a_frame(transport, frame.encode())
                else:
                    await socket.send_str(frame)

    async def cut(self) -> None:
        for transport in list(self._sockets.values()):
            transport.abort()
        await self.until(lambda: not self._sockets)

    async def _register(self, request: web.Request) -> web.Response:
        if self.faults.silent:
            await asyncio.sleep(30)
        if (answer := self.turned_away()) is not None:
            return answer
        self.tokens.append(f"tok/en={len(self.tokens)}")
        return web.json_response({"id": "x", "accessToken": self.tokens[-1], "displayName": "somebody"})

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        self.origins.append(request.headers.get("Origin", ""))
        if request.query.get("accessToken") not in self.tokens:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        self._sockets[socket] = request.transport
        await self.note()
        try:
            async for _ in socket:
                pass
        finally:
            del self._sockets[socket]
            await self.note()
        return socket
