"""A small websocket server for tests that sends our own JSON shape, all channels on one connection, and cannot resume unless asked to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

import orjson
from fakes import Faults, Said
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.connector import Target
from connectors.websocket import Options

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.http11 import Request, Response

    from connectors.connector import Resume

NO_FAULTS = Faults()
GARBAGE = (b'{"type":"comment","id":', b"\xff\x00\xfe", b"", b"[]", b"null", b"[[[[", b'{"type":{"a":1},"channel":5}')


class FakeWebsocket:
    """Whoever is connected hears everything; with ``since=N`` in the address also what came after number N."""

    platform = "websocket"
    handles = ("ana", "bo", "cy")

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self.faults = faults
        self.heard_frames: list[str] = []
        """All that clients said."""
        self.asked: list[Request] = []
        self.log: list[bytes] = []
        self._numbers = itertools.count(1)
        self._last = datetime.now(UTC)
        self.sockets: set[ServerConnection] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server: Server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._refuse, compression=None, ping_interval=None, close_timeout=0.1
        )
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/socket"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        await self._server.wait_closed()

    def options(self) -> Any:
        return Options(url=self.url, ping_seconds=0.3, mark_every_seconds=0.05)

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"{self.platform}:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self.sockets)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self.sockets))

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(true)

    def stamp(self) -> datetime:
        """The time of what is sent now, in milliseconds, never twice the same."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return self._last.replace(microsecond=self._last.microsecond // 1000 * 1000)

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
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionClosed):
                await self._send(socket, frame)

    async def cut(self) -> None:
        for socket in list(self.sockets):
            socket.transport.abort()
        await self.until(lambda: not self.sockets)

    def _refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request)
        if self.faults.refuse:
            return socket.respond(HTTPStatus.FORBIDDEN, "no\n")
        if self.faults.throttle_seconds is not None:
            response = socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
            response.headers["Retry-After"] = str(self.faults.throttle_seconds)
            return response
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        if self.faults.silent:
            socket.transport.pause_reading()
        self.sockets.add(socket)
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
            self.sockets.discard(socket)
            await self.note()

    async def answer(self, socket: ServerConnection, text: str) -> None:
        """What a server of another kind says to this."""

    async def note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _send(self, socket: ServerConnection, frame: bytes) -> None:
        if self.faults.silent:
            return
        if self.faults.garbage:
            for one in GARBAGE:
                await socket.send(one, text=True)
        if self.faults.half_frame:
            socket.transport.write(b"\x81\x7e\x02\x00" + frame[:40])
            socket.transport.close()
            return
        await socket.send(frame, text=True)
