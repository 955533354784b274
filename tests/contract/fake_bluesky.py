"""A small Jetstream for tests: the v1 wire on 127.0.0.1, with cursor, filters and ``options_update`` as the real one has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
from fakes import NO_FAULTS, Faults, OverSockets, Said
from websockets.exceptions import ConnectionClosed

from connectors.bluesky import Options
from connectors.connector import Target

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from connectors.connector import Resume

POSTS = "app.bsky.feed.post"


def did_of(handle: str) -> str:
    return f"did:plc:{handle.partition('.')[0]}"


class FakeBluesky(OverSockets):
    """Keeps every frame, so that a cursor finds it again; ``lookback_us`` forgets what is older, silently, as the real one does."""

    handles = ("ana.example", "bo.example", "cy.example")
    path = "/subscribe"
    garbage = ('{"did":"did:plc:x","time_us":', b"\xff\x00\xfe")

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)  # of a connection: the DIDs that it wants (empty: all), None before hello
        self.log: list[dict[str, Any]] = []
        self.asked: list[dict[str, list[str]]] = []
        """The query of each connection."""
        self.updates: list[dict[str, Any]] = []
        self.lookback_us = 36 * 3_600_000_000
        self.clock_us = int(datetime.now(UTC).timestamp() * 1e6)

    def options(self) -> Options:
        silent = self.faults.silent
        return Options(
            url=self.url,
            silence_seconds=0.5 if silent else 30.0,
            ping_seconds=0.3 if silent else 30.0,
            renew_seconds=5.0 if silent else 30.0,
            mark_seconds=0.05,
        )

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
        for socket in self.sockets:
            if self._is_wanted(socket, frame["did"]):
                await self._send(socket, orjson.dumps(frame))

    async def heard(self, handle: str) -> None:
        await self.until(lambda: any(self._is_wanted(socket, did_of(handle)) for socket in self.sockets))

    def _is_wanted(self, socket: ServerConnection, did: str) -> bool:
        dids = self._wants.get(socket)
        return dids is not None and (not dids or did in dids)

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.asked.append(query)
        if self.faults.silent:
            socket.transport.pause_reading()
        self._wants[socket] = None if "requireHello" in query else set(query.get("wantedDids", ()))
        try:
            if "requireHello" in query:
                self._update(socket, await socket.recv())
            if "cursor" in query:
                await self._catch_up(socket, int(query["cursor"][0]))
            await self.note()
            async for text in socket:
                self._update(socket, text)
                await self.note()
        except ConnectionClosed:
            pass
        finally:
            del self._wants[socket]
            await self.note()

    def _update(self, socket: ServerConnection, text: str | bytes) -> None:
        update = orjson.loads(text)
        assert update["type"] == "options_update"
        self.updates.append(update["payload"])
        self._wants[socket] = set(update["payload"]["wantedDids"])

    async def _catch_up(self, socket: ServerConnection, cursor: int) -> None:
        oldest = self.clock_us - self.lookback_us
        for frame in list(self.log):
            if frame["time_us"] >= max(cursor, oldest) and self._is_wanted(socket, frame["did"]):
                await self._send(socket, orjson.dumps(frame))
