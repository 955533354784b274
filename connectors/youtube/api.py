"""Calls to YouTube's Data API: charged before they are made, and every failure of theirs a Refusal or a Dropped.

The key travels in the URL, as the API wants it, so no URL and no error that may quote one leaves this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Self

import aiohttp

from connectors.connector import Dropped, Refused
from connectors.proxy import address_of
from connectors.rest import end_with_connection, network_failure
from connectors.trouble import PROXY_REFUSES, network_trouble
from connectors.youtube.problems import Problem, Refusal, judge
from connectors.youtube.quota import Ledger, cost_of, midnight_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from connectors.connector import ConnectorFailure, Secret, Tools
    from connectors.proxy import Proxy

CLOSED = "youtube:closed"
"""Key in the shared memory: until when YouTube told one of us to stay away."""
KEEPALIVE_SECONDS = 60
"""A quiet chat says nothing for hours; the network must tell when the other end is gone."""


class Api:
    """One key, one pool of connections; ``async with`` opens and closes it."""

    def __init__(self, url: str, key: Secret, ledger: Ledger, tools: Tools, *, open_seconds: float, proxy: Proxy | None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._tools = tools
        self._open_seconds = open_seconds
        self._proxy = address_of(proxy)
        self.ledger = ledger

    async def __aenter__(self) -> Self:
        # limit=0: each chat holds one connection, and the default of 100 would make the next one wait for ever.
        connector = aiohttp.TCPConnector(limit=0, socket_factory=_socket)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._open_seconds)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def left(self) -> int:
        """Units of today that nobody has spent yet."""
        spent = await self._tools.memory.get(self.ledger.key(self._tools.now()))
        return self.ledger.left(int(spent or 0))

    async def charge(self, method: str, *, essential: bool) -> None:
        """Pay for a call that will be made; raises Refusal when it must not be."""
        memory, now = self._tools.memory, self._tools.now()
        closed = await memory.get(CLOSED)
        if closed:
            told = json.loads(closed)
            until = datetime.fromisoformat(told["until"])
            if until > now:
                raise Refusal(Problem(told["meaning"], told["words"], until))
        key, cost = self.ledger.key(now), cost_of(method)
        total = await memory.add(key, cost)
        if not self.ledger.fits(total, essential=essential):
            await memory.add(key, -cost)
            if self.ledger.fits(total, essential=True):
                raise Refusal(Problem("reserve", "the units that are left today are for opening chats"))
            words = f"the {self.ledger.units_per_day} units of [youtube] units_per_day are used up until midnight Pacific time"
            raise Refusal(Problem("day", words, midnight_after(now)))

    async def get(self, method: str, query: Mapping[str, str], *, essential: bool = True) -> bytes:
        """A whole answer."""
        await self.charge(method, essential=essential)
        try:
            async with asyncio.timeout(self._open_seconds), self._request(method, query) as response:
                body = await response.read()
                await self._check(response, body, query)
                return body
        except (aiohttp.ClientError, OSError) as error:
            raise _dropped(error) from None  # the cause may quote the URL, and the key with it

    @contextlib.asynccontextmanager
    async def held(self, method: str, query: Mapping[str, str]) -> AsyncGenerator[aiohttp.StreamReader, None]:
        """The body of a response that stays open."""
        await self.charge(method, essential=True)
        try:
            request = self._request(
                method, query, {"Accept-Encoding": "identity"}
            )  # compressed, a small batch may wait for the next
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._open_seconds):
                    response = await stack.enter_async_context(request)
                    if response.status != 200:
                        await self._check(response, await response.content.read(1 << 20), query)
                yield end_with_connection(response).content
        except (aiohttp.ClientError, OSError) as error:
            raise _dropped(error) from None  # as above

    def _request(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        # Not redirected: the key must not travel anywhere else.
        return self._session.get(
            f"{self._url}/{method}", params={**query, "key": self._key.reveal()}, headers=headers, allow_redirects=False,
            proxy=self._proxy,
        )  # fmt: skip

    async def _check(self, response: aiohttp.ClientResponse, body: bytes, query: Mapping[str, str]) -> None:
        if response.status == 200:
            return
        if response.status == 407:
            raise Refused(PROXY_REFUSES)
        now = self._tools.now()
        problem = judge(response.status, body, response.headers.get("Retry-After"), now, token="pageToken" in query)
        if problem.until is not None:  # the limits are the project's: every other connection must know
            told = {"until": problem.until.isoformat(), "meaning": problem.meaning, "words": problem.words}
            await self._tools.memory.put(CLOSED, json.dumps(told))
        raise Refusal(problem)


def _dropped(error: Exception) -> ConnectorFailure:
    match error:
        case TimeoutError():
            return Dropped("YouTube did not answer in time")
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return network_failure(error)
        case aiohttp.ClientConnectorError():
            return Dropped("YouTube cannot be reached; check the network and the proxy")
        case aiohttp.ClientPayloadError():
            return Dropped("the connection was cut in the middle of an answer")
        case _:
            return Dropped(network_trouble(error))


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE_SECONDS), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):  # not everywhere
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
