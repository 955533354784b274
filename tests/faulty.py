"""A faulty network in this process: a proxy in front of a real server on a unix socket, and a server whose log may be cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.engine import Engine


class FaultProxy:
    """Passes bytes on until it is told what to spoil. Replies are told apart by what the request contains (a function's name)."""

    def __init__(self, upstream: str, path: Path) -> None:
        """``upstream`` is the URL of the real server, ``path`` where this one listens."""
        self._upstream = upstream.removeprefix("unix://")
        self._path = path
        self.url = f"unix://{path}"
        self.dropped = 0
        """Replies that never arrived; the command had been done."""
        self._drop: tuple[bytes, int] | None = None
        self._matched = 0
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def drop_replies(self, request: bytes, every: int) -> None:
        """Of every n-th request that contains this: it is carried out, then the connection is cut instead of an answer."""
        self._drop = (request, every)

    def hold(self) -> None:
        """A black hole: connections are accepted, nothing comes through, nobody is told."""
        self._open.clear()

    def release(self) -> None:
        """What was held arrives now, even when its sender gave up."""
        self._drop = None
        self._open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accept, self._path, limit=2**20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._upstream, limit=2**20)
        spoiled = asyncio.Event()
        try:
            with suppress(ConnectionError):
                async with asyncio.TaskGroup() as tasks:
                    up = tasks.create_task(self._carry(reader, server_writer, spoiled))
                    down = tasks.create_task(self._return(server_reader, writer, spoiled))
                    await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
                    up.cancel()
                    down.cancel()
        finally:
            writer.close()
            server_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoiled: asyncio.Event) -> None:
        while data := await reader.read(2**18):
            await self._open.wait()
            if self._drop is not None and self._drop[0] in data:
                self._matched += 1
                if self._matched % self._drop[1] == 0:
                    spoiled.set()
            writer.write(data)
            await writer.drain()

    async def _return(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoiled: asyncio.Event) -> None:
        while data := await reader.read(2**18):
            await self._open.wait()
            if spoiled.is_set():
                self.dropped += 1
                return
            writer.write(data)
            await writer.drain()


async def kill_and_cut(engine: Engine, folder: Path, cut: int) -> int:
    """kill -9 the server, take the newest bytes off its log, start it again; returns the bytes taken."""
    engine._process.kill()
    engine._process.wait()
    path = newest_aof(folder)
    size = path.stat().st_size
    done = min(cut, size)
    with path.open("r+b") as file:
        file.truncate(size - done)
    await engine.start()
    return done


class History:
    """A partition's keys at a moment; going back to it is a failover to a replica that was behind: silent, and consistent in itself."""

    def __init__(self, client, pattern: str) -> None:
        self._client = client
        self._pattern = pattern
        self._dumps: dict[bytes, bytes] = {}

    async def remember(self) -> None:
        self._dumps = {name: await self._client.dump(name) for name in await self._client.keys(self._pattern)}

    async def go_back(self) -> None:
        names = await self._client.keys(self._pattern)
        if names:
            await self._client.delete(*names)
        for name, dump in self._dumps.items():
            await self._client.restore(name, 0, dump)


def newest_aof(data_dir: Path) -> Path:
    """The incremental AOF file that is being written to now."""
    files = (data_dir.resolve() / "valkey" / "appendonlydir").glob("*.incr.aof")
    return max(files, key=lambda path: int(path.name.split(".")[-3]))
