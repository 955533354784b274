"""A tiny HTTP proxy on 127.0.0.1, as an office has one: CONNECT for what is encrypted or a websocket, whole addresses for the rest."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Tunnel:
    """Lets through whoever says the right name and password, to wherever they ask for."""

    def __init__(self, login: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        """(method, host:port or address) of each request."""
        self.port = 0
        self.open = 0
        """Connections to the other side that are open now."""
        self._login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(
                OSError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):  # a callback of asyncio minds being cancelled
                await self._through(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.split("\r\n")
        method, target, _ = line.split(" ")
        self.asked.append((method, target))
        said = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        if self._login and said.get("proxy-authorization") != self._login:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        self.open += 1
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.partition(parts.netloc)[2]
            kept = [header for header in headers if not header.lower().startswith(("proxy-authorization", "connection"))]
            far_writer.write("\r\n".join([f"{method} {path} HTTP/1.1", "Connection: close", *kept]).encode())
        try:
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        finally:
            self.open -= 1
            far_writer.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@asynccontextmanager
async def tunnel(login: str = ""):
    found = Tunnel(login)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await found.stop()
    await server.wait_closed()
