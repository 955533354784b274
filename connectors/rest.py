"""HTTP requests as values, and their troubles as one of the three ways to fail; for every platform that is asked by HTTP.

``Ask`` and ``Reply`` are plain values, so that what is asked and what an answer means are pure functions of a connector. ``send`` is
the only thing here that touches the network. Addresses may carry a key (Telegram's do): no failure says an address, and none has an
aiohttp error as its cause, because their texts contain it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from connectors.connector import ConnectorFailure, Dropped, Refused, Throttled
from connectors.pacing import retry_after
from connectors.proxy import Proxy, address_of
from connectors.trouble import PROXY_AWAY, PROXY_REFUSES, network_trouble, proxy_trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request; its repr says neither address nor headers nor body, because any of them may hold a key."""

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    proxy: Proxy | None = None
    """Another one than the session's."""
    stranger: bool = False
    """Its host was named by somebody whom we do not know: only at a public address, and never for somebody who is waiting on a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""


def client(*, proxy: Proxy | None = None, environment: bool = True) -> aiohttp.ClientSession:
    """A session to be closed by its owner. Without ``proxy`` HTTPS_PROXY of the environment holds, unless that is switched off too."""
    return aiohttp.ClientSession(
        trust_env=environment,
        proxy=address_of(proxy),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=20.0),
    )


async def send(
    session: aiohttp.ClientSession,
    ask: Ask,
    *,
    within_seconds: float = 30.0,
    most_bytes: int = MOST_BYTES,
) -> Reply:
    """The whole answer, whatever its status; raises Dropped or Refused when there is none. Redirects are not followed."""
    failure: ConnectorFailure
    try:
        async with asyncio.timeout(within_seconds):
            request = session.request(
                ask.method,
                URL(ask.url, encoded=True),
                headers=ask.headers,
                data=ask.body,
                allow_redirects=False,
                proxy=address_of(ask.proxy),
            )
            async with request as response:
                end_with_connection(response)
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > most_bytes:
                        response.close()
                        break
                else:
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return Reply(status=response.status, headers=headers, body=bytes(body))
                failure = Dropped("the platform's answer is larger than anything it should send")
    except (aiohttp.ClientError, OSError, TimeoutError, EOFError, ValueError) as error:
        failure = network_failure(error)
    raise failure


def end_with_connection(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """Whoever reads the answer is woken when its connection is gone.

    aiohttp closes the connection when what comes is no HTTP any more, such as bytes that are no chunk, but lets whoever reads the answer
    wait for ever (3.14.5).
    """
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None
    if closed is not None:
        closed.add_done_callback(lambda future: _wake(response.content, future))
    return response


def _wake(content: aiohttp.StreamReader, closed: asyncio.Future[None]) -> None:
    cause = None if closed.cancelled() else closed.exception()
    if not content.is_eof() and content.exception() is None:
        content.set_exception(aiohttp.ClientPayloadError("what came is no HTTP"), cause or EOFError())


def network_failure(error: Exception) -> ConnectorFailure:
    """Which way to fail an error is that came instead of an answer."""
    match error:
        case aiohttp.ClientHttpProxyError(status=status):
            act, why = proxy_trouble(status)
            return Refused(why) if act else Dropped(why)
        case aiohttp.ClientProxyConnectionError():
            return Dropped(PROXY_AWAY)
        case aiohttp.InvalidURL():
            return Refused("the address is not an HTTP address; correct it in the configuration")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Refused("the platform's certificate is not valid here; check the clock, the proxy and the address")
        case TimeoutError():
            return Dropped("the platform did not answer in time")
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
            return Dropped("the connection was lost in the middle of an answer")
        case _:
            return Dropped(network_trouble(error))


def failure_of(reply: Reply, now: datetime, *, who: str, key: str = "the key") -> ConnectorFailure:
    """Which way to fail a status is that is not 2xx; ``who`` is the platform, ``key`` what a person must correct on 401 and 403."""
    status = reply.status
    if status == 429:
        return Throttled(f"{who} asks us to slow down (429)", until(reply.headers, now))
    if status == 503 and "retry-after" in reply.headers:
        return Throttled(f"{who} is overloaded (503)", until(reply.headers, now))
    if status == 407:
        return Refused(PROXY_REFUSES)
    if status in {401, 403}:
        return Refused(f"{who} does not accept {key} (HTTP {status}); correct it in the configuration")
    if status in {400, 404, 405, 410, 422}:
        return Refused(f"{who} refuses the request (HTTP {status}); check address and settings")
    if 300 <= status < 400:
        return Refused(f"{who} sends us to another address (HTTP {status}); correct it in the configuration")
    return Dropped(f"{who} answered HTTP {status}")


def until(headers: Mapping[str, str], now: datetime) -> datetime:
    """When a 429 ends: Retry-After, else a reset header in Unix seconds, ISO 8601 or seconds from now, else a minute."""
    given = headers.get("retry-after")
    reset = (headers.get("x-ratelimit-reset") or "").strip()
    if given is not None or not reset:
        return retry_after(given, now)
    if reset.isascii() and reset.isdigit():
        seconds = int(reset[:12])
        return retry_after(str(max(0, seconds - int(now.timestamp())) if seconds > 1_000_000_000 else seconds), now)
    try:
        at = datetime.fromisoformat(reset[:40])
    except ValueError:
        return retry_after(None, now)
    return retry_after(str(max(0, round(((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()))), now)
