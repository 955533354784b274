"""A small Jetstream for tests: the v1 wire on 127.0.0.1, with cursor, filters and ``options_update`` as the real one has them."""

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

from connectors.bluesky import Options
from connectors.connector import Target

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.http11 import Request, Response

    from connectors.connector import Resume

NO_FAULTS = Faults()
POSTS = "app.bsky.feed.post"


def did_of(handle: str) -> str:
    return f"did:plc:{handle.partition('.')[0]}"


class FakeBluesky:
    """Keeps every frame, so that a cursor finds it again; ``lookback_us`` forgets what is older, silently, as the real one does."""

    handles = ("ana.example", "bo.example", "cy.example")

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self.faults = faults
        self.log: list[dict[str, Any]] = []
        self.asked: list[dict[str, list[str]]] = []
        """The query of each connection."""
        self.updates: list[dict[str, Any]] = []
        self.lookback_us = 36 * 3_600_000_000
        self.clock_us = int(datetime.now(UTC).timestamp() * 1e6)
        self._numbers = itertools.count()
        self._sockets: dict[ServerConnection, set[str] | None] = {}
        """Connection → DIDs it wants (empty: all), None before hello."""
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server: Server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._refuse, compression=None, ping_interval=None, close_timeout=0.1
        )
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/subscribe"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        await self._server.wait_closed()

    def options(self) -> Options:
        return Options(url=self.url, silence_seconds=0.5, ping_seconds=0.3, renew_seconds=5.0, mark_seconds=0.05)

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"bluesky:{handle}", handle=handle, native_id=did_of(handle), resume=resume)

    def tick(self) -> int:
        """The server's next time; it begins with the real one."""
        self.clock_us = max(self.clock_us + 1000, int(datetime.now(UTC).timestamp() * 1e6))
        return self.clock_us

    async def say(self, handle: str, text: str, **record: Any) -> Said:
        time_us, rkey = self.tick(), f"post-{next(self._numbers)}"
        await self.post(did_of(handle), rkey, time_us, {"$type": POSTS, "text": text, "langs": ["en"], **record})
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
        return Said(id=f"bluesky:at://{did_of(handle)}/{POSTS}/{rkey}", at=at, text=text)

    async def post(self, did: str, rkey: str, time_us: int, record: dict[str, Any]) -> None:
        commit = {"rev": f"r{rkey}", "operation": "create", "collection": POSTS, "rkey": rkey, "record": record, "cid": "bafy"}
        await self.emit({"did": did, "time_us": time_us, "kind": "commit", "commit": commit})

    async def remove(self, said: Said) -> None:
        did, _, rkey = said.id.removeprefix("bluesky:at://").split("/")
        commit = {"rev": f"d{rkey}", "operation": "delete", "collection": POSTS, "rkey": rkey}
        await self.emit({"did": did, "time_us": self.tick(), "kind": "commit", "commit": commit})

    async def emit(self, frame: dict[str, Any]) -> None:
        """Any frame, to all who want it, and into the log."""
        self.log.append(frame)
        for socket, dids in list(self._sockets.items()):
            if dids is not None and (not dids or frame["did"] in dids):
                with contextlib.suppress(ConnectionClosed):
                    await self._send(socket, frame)

    async def cut(self) -> None:
        for socket in list(self._sockets):
            socket.transport.abort()
        await self._until(lambda: not self._sockets)

    async def heard(self, handle: str) -> None:
        await self._until(lambda: any(d is not None and (not d or did_of(handle) in d) for d in self._sockets.values()))

    @property
    def connections(self) -> int:
        return len(self._sockets)

    async def _until(self, true: Any) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(true)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.faults.refuse:
            return socket.respond(HTTPStatus.FORBIDDEN, "no\n")
        if self.faults.throttle_seconds is not None:
            response = socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
            response.headers["Retry-After"] = str(self.faults.throttle_seconds)
            return response
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.asked.append(query)
        if self.faults.silent:
            socket.transport.pause_reading()
        self._sockets[socket] = None if "requireHello" in query else set(query.get("wantedDids", ()))
        try:
            if "requireHello" in query:
                self._update(socket, await socket.recv())
            if "cursor" in query:
                await self._catch_up(socket, int(query["cursor"][0]))
            await self._note()
            async for text in socket:
                self._update(socket, text)
                await self._note()
        except ConnectionClosed:
            pass
        finally:
            del self._sockets[socket]
            await self._note()

    def _update(self, socket: ServerConnection, text: str | bytes) -> None:
        update = orjson.loads(text)
        assert update["type"] == "options_update"
        self.updates.append(update["payload"])
        self._sockets[socket] = set(update["payload"]["wantedDids"])

    async def _catch_up(self, socket: ServerConnection, cursor: int) -> None:
        oldest = self.clock_us - self.lookback_us
        for frame in list(self.log):
            dids = self._sockets[socket]
            if frame["time_us"] >= max(cursor, oldest) and dids is not None and (not dids or frame["did"] in dids):
                await self._send(socket, frame)

    async def _send(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        if self.faults.silent:
            return
        if self.faults.garbage:
            await socket.send('{"did":"did:plc:x","time_us":')
            await socket.send(b"\xff\x00\xfe")
        if self.faults.half_frame:
            socket.transport.write(b"\x81\x7e\x02\x00" + orjson.dumps(frame)[:40])
            socket.transport.close()
            return
        await socket.send(orjson.dumps(frame).decode())
