"""One attempt to deliver a webhook to an address of ours: a POST, at most so many at once, or one that breaks in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE: Final = 32
ANSWER_SECONDS: Final = 5.0


class Attempts:
    """The connections that attempts are made over, from the first one until ``close``."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the address answered with success."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=AT_ONCE))
        async with self._places:
            try:
                async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                    return 200 <= answer.status < 300
            except (aiohttp.ClientError, OSError, TimeoutError):
                return False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def break_off(url: str, body: bytes, headers: Mapping[str, str], *, part: bytes) -> None:
    """The connection breaks when this part of the body was sent."""
    parts = urlsplit(url)
    head = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write("\r\n".join([*head, "", ""]).encode() + part)
        await writer.drain()
        writer.transport.abort()
