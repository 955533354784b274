"""A websocket whose troubles are already one of the three ways to fail; for every platform that has a websocket.

``connect`` opens it and closes it; ``frames`` yields raw bytes until it ends and then always raises. What is retried, and
when, is not decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Literal

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.typing import Origin, Subprotocol

from connectors.connector import ConnectorFailure, Dropped, Refused, Throttled
from connectors.pacing import retry_after
from connectors.trouble import SOCKS, network_trouble, proxy_trouble

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

__all__ = ["ClientConnection", "connect", "failure", "frames", "send"]


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    now: Callable[[], datetime],
    open_seconds: float = 20.0,
    close_seconds: float = 1.0,
    ping_seconds: float | None = None,
    origin: str = "",
    headers: Mapping[str, str] | None = None,
    compression: Literal["deflate"] | None = None,
    max_bytes: int = 1 << 20,
    max_frames: int = 64,
    subprotocols: Sequence[str] = (),
    proxy: str | None = None,
    address: str | None = None,
) -> AsyncGenerator[ClientConnection, None]:
    """An open websocket, closed at the end. ``ping_seconds`` asks for protocol pings, for platforms that have none of their own.

    Without ``proxy`` that of the environment holds. ``address`` is connected to instead of what the name says now, past every proxy.
    """
    pinned: dict[str, Any] = {"host": address} if address else {}
    try:
        socket = await websocket_connect(
            url,
            origin=Origin(origin) if origin else None,
            additional_headers=headers,
            compression=compression,
            open_timeout=open_seconds,
            close_timeout=close_seconds,
            ping_interval=ping_seconds,
            ping_timeout=ping_seconds,
            max_size=max_bytes,
            max_queue=max_frames,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            proxy=None if address else proxy or True,
            **pinned,
        )
    except (OSError, WebSocketException, TimeoutError, EOFError, ValueError, ImportError) as error:
        raise failure(error, now()) from (None if isinstance(error, InvalidProxy) else error)  # that one quotes the address
    try:
        yield socket
    finally:
        await socket.close()


async def frames(socket: ClientConnection, *, now: Callable[[], datetime]) -> AsyncIterator[bytes]:
    """Frames as raw bytes, unchecked, for the parser to judge; ends only by raising a failure."""
    try:
        while True:
            yield await socket.recv(decode=False)
    except (OSError, WebSocketException) as error:
        raise failure(error, now()) from error


async def send(socket: ClientConnection, texts: Iterable[str], *, within_seconds: float = 10.0) -> None:
    """One text frame each. A connection that cannot take them is cut and not complained about: its reader tells the end, in order."""
    try:
        async with asyncio.timeout(within_seconds):
            for text in texts:
                await socket.send(text)
    except (OSError, WebSocketException, TimeoutError):
        socket.transport.abort()


def failure(error: Exception, now: datetime) -> ConnectorFailure:
    """Which of the three ways to fail a network error is: again, later, or never without a person."""
    match error:
        case InvalidStatus(response=response) if response.status_code == 429:
            return Throttled("the platform asks us to slow down (429)", retry_after(response.headers.get("Retry-After"), now))
        case InvalidStatus(response=response) if response.status_code == 503 and "Retry-After" in response.headers:
            return Throttled("the platform is overloaded (503)", retry_after(response.headers["Retry-After"], now))
        case InvalidStatus(response=response) if response.status_code in {400, 401, 403, 404, 410}:
            why = f"the platform refuses the connection (HTTP {response.status_code})"
            return Refused(f"{why}; check the address and the key in its section of the configuration")
        case InvalidStatus(response=response):
            return Dropped(f"the platform answered HTTP {response.status_code}")
        case InvalidProxyStatus(response=response):
            act, why = proxy_trouble(response.status_code)
            return Refused(why) if act else Dropped(why)
        case ProxyError():
            return Dropped("what stands at the proxy's address is no HTTP proxy; look at proxy in the section, or HTTPS_PROXY")
        case ImportError():  # the one thing that websockets imports only then
            return Refused(SOCKS)
        case InvalidProxy():
            return Refused("HTTPS_PROXY of the environment is not the address of an HTTP proxy; correct it")
        case InvalidURI():
            return Refused("the address is not a websocket address; it must begin with ws:// or wss://")
        case ValueError() if not isinstance(
            error, OSError
        ):  # also a redirect that must not be followed; a bad certificate is both
            return Refused("the address cannot be used, or sends us to another one; check it")
        case InvalidHandshake():
            return Dropped("the platform does not speak websocket here")
        case ConnectionClosed(rcvd=None):
            return Dropped("the connection was lost")
        case ConnectionClosed(rcvd=close):
            return Dropped(f"the platform closed the connection (code {close.code if close else 1006})")
        case TimeoutError():
            return Dropped("the platform did not answer in time")
        case _:
            return Dropped(network_trouble(error))
