"""A small server of server-sent events for tests: ids, Last-Event-ID, comments, our own JSON shape, all channels on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import orjson
from aiohttp import web
from fakes import NO_FAULTS, Faults, OverHttp, Said

from connectors.connector import Target
from connectors.sse import Options

if TYPE_CHECKING:
    from connectors.connector import Resume

GARBAGE = b'data: {"type":"comment","id":\n\ndata: \xff\xfe\n\nevent: ping\n\n:\xe5\n: thump\n\nnonsense\nid\n\ndata\n\n'


class FakeSse(OverHttp):
    """Keeps all it sent, so that an id finds it again; ``gives_ids`` off makes it a server that cannot."""

    path = "/events"

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self.gives_ids = True
        self.status = 200
        self.content_type = "text/event-stream"
        self.first = b": hi\n\n"
        """What a new connection hears at once."""
        self.asked: list[dict[str, str]] = []
        """The headers of each request."""
        self.paths: list[str] = []
        self.log: list[tuple[int, bytes]] = []
        self._open: set[web.StreamResponse] = set()
        self._transports: set[asyncio.Transport] = set()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/{path:.*}", self._serve)

    def options(self) -> Options:
        return Options(url=self.url, open_seconds=0.4 if self.faults.silent else 30.0, idle_seconds=30.0, mark_every_seconds=0.05)

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"sse:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self._transports)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self._open))

    async def say(self, handle: str, text: str) -> Said:
        number, at = next(self._numbers), self.stamp()
        document = {"type": "comment", "id": f"c{number}", "at": at.isoformat(), "channel": handle, "text": text}
        await self.emit(orjson.dumps({**document, "author": {"id": f"u{number % 7}", "name": "Zoë"}}))
        return Said(id=f"sse:c{number}", at=at, text=text)

    async def remove(self, said: Said) -> None:
        for handle in self.handles[:1]:
            await self.emit(orjson.dumps({"type": "removed", "target": said.id.removeprefix("sse:"), "channel": handle}))

    async def emit(self, data: bytes) -> None:
        """One event, to all who listen, and kept."""
        number = len(self.log) + 1
        self.log.append((number, data))
        for response in list(self._open):
            with contextlib.suppress(ConnectionError):
                await self._send(response, number, data)

    async def raw(self, data: bytes) -> None:
        """Bytes as they are, to all who listen."""
        for response in list(self._open):
            await response.write(data)

    async def cut(self) -> None:
        for transport in list(self._transports):
            transport.abort()
        await self.until(lambda: not self._transports)

    async def end(self) -> None:
        """The server ends its answers in good order."""
        for response in list(self._open):
            await response.write_eof()
            self._open.discard(response)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self.asked.append(dict(request.headers))
        self.paths.append(request.path_qs)
        self._transports.add(transport)
        response = web.StreamResponse(status=self.status, headers={"Content-Type": self.content_type})
        try:
            await self.note()
            if (answer := self.turned_away()) is not None:
                return answer
            if self.status != 200:
                return web.Response(status=self.status)
            if not self.faults.silent:
                await response.prepare(request)
                await response.write(self.first)
                last = request.headers.get("Last-Event-ID", "")
                for number, data in self.log[int(last) :] if last.isdigit() else ():
                    await self._send(response, number, data)
                self._open.add(response)
                await self.note()
            while not transport.is_closing():
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            self._open.discard(response)
            self._transports.discard(transport)
            await self.note()
        return response

    async def _send(self, response: web.StreamResponse, number: int, data: bytes) -> None:
        if self.faults.garbage:
            await response.write(GARBAGE)
        event = (b"id: %d\n" % number if self.gives_ids else b"") + b"data: " + data + b"\n\n"
        if self.faults.half_frame:
            await response.write(event[: len(event) // 2])
            assert response._req is not None
            assert response._req.transport is not None
            response._req.transport.close()
        else:
            await response.write(event)
