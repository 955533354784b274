"""One HTTP request of a sender that we do not trust: its body up to a length and a time, and what a ``Receiver`` is given of it."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from connectors.connector import Request

READ_SECONDS: Final = 5.0
"""A body that has not come in this time is not waited for: a sender of one byte a second would hold us for days."""
GOODBYE_SECONDS: Final = 0.2
"""Between the answer to a sender that drips and the end of its connection."""
MOST_BYTES: Final = 1 << 20
"""Longest body of any sender; receivers have lower limits of their own."""


async def read_body(request: web.Request, seconds: float) -> bytes | web.Response:
    """The whole body, or the answer to a sender whose body is too long or too slow."""
    if request.content_length is not None and request.content_length > MOST_BYTES:
        return _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    return _too_large()
    except TimeoutError:
        if request.transport is not None:  # aiohttp would go on reading for ten seconds, so that the answer is not lost
            asyncio.get_running_loop().call_later(GOODBYE_SECONDS, request.transport.close)
        return cut(web.Response(status=408, text="The body did not come in time.\n"))
    return bytes(body)


def _too_large() -> web.Response:
    return cut(web.Response(status=413, text="The body is too large.\n"))


def as_request(request: web.Request, body: bytes) -> Request:
    return Request(
        body=body,
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        method=request.method,
        path=_text(request.match_info.get("rest", "")),
        query={name: _text(value) for name, value in request.query.items()},
    )


def _text(value: str) -> str:
    """Headers may hold bytes that are no text; an event with such a half character could not be written down."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def cut(response: web.Response) -> web.Response:
    """The rest of the body is not read, so the connection cannot be used again."""
    response.force_close()
    return response
