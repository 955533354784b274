"""A small websocket server for tests that sends our own JSON shape, all channels on one connection, and cannot resume unless asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
from fakes import NO_FAULTS, Faults, OverSockets, Said
from websockets.exceptions import ConnectionClosed

from connectors.connector import Target
from connectors.websocket import Options

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from connectors.connector import Resume

GARBAGE = (b'{"type":"comment","id":', b"\xff\x00\xfe", b"", b"[]", b"null", b"[[[[", b'{"type":{"a":1},"channel":5}')


class FakeWebsocket(OverSockets):
    """Whoever is connected hears everything; with ``since=N`` in the address also what came after number N."""

    platform = "websocket"
    path = "/socket"
    garbage = GARBAGE

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self.heard_frames: list[str] = []
        """All that clients said."""
        self.asked: list[Request] = []
        self.log: list[bytes] = []

    def options(self) -> Any:
        return Options(url=self.url, ping_seconds=0.3, mark_every_seconds=0.05)

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"{self.platform}:{handle}", handle=handle, resume=resume)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self.sockets))

    async def say(self, handle: str, text: str) -> Said:
        number, at = next(self._numbers), self.stamp()
        document = {"type": "comment", "id": f"c{number}", "at": at.isoformat(), "channel": handle, "text": text, "seq": number}
        await self.emit(orjson.dumps({**document, "author": {"id": f"u{number % 7}", "name": "Zoë"}}))
        return Said(id=f"{self.platform}:c{number}", at=at, text=text)

    async def remove(self, said: Said) -> None:
        target = said.id.removeprefix(f"{self.platform}:")
        await self.emit(orjson.dumps({"type": "removed", "target": target, "channel": self.handles[0]}))

    async def emit(self, frame: bytes) -> None:
        """One frame, to all who listen, and kept."""
        self.log.append(frame)
        for socket in self.sockets:
            await self._send(socket, frame)

    def _open(self, socket: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request)
        return super()._open(socket, request)

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        if self.faults.silent:
            socket.transport.pause_reading()
        self._wants[socket] = None
        try:
            since = parse_qs(urlsplit(socket.request.path).query).get("since")
            for frame in self.log[int(since[0]) :] if since else ():
                await self._send(socket, frame)
            await self.note()
            async for text in socket:
                self.heard_frames.append(str(text))
                await self.answer(socket, str(text))
                await self.note()
        except ConnectionClosed:
            pass
        finally:
            del self._wants[socket]
            await self.note()

    async def answer(self, socket: ServerConnection, text: str) -> None:
        """What a server of another kind says to this."""
