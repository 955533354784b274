"""The fake servers of the contract suite: one per platform, speaking that platform's real bytes on 127.0.0.1.

A platform joins the suite by one line in ``FAKES`` and a class with the members of ``Fake``, most of which ``OverSockets`` or ``OverHttp``
has already. Faults are none by default, so a
test reads as: this fault, hence that failure. The fakes are small scripted servers for tests; the crowd for demonstrations and
benchmarks is ``connectors/simulator``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self

from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.http11 import Request, Response

    from connectors.connector import Resume, Target

FAKES = {
    "twitch": "fake_twitch:FakeTwitch",
    "bluesky": "fake_bluesky:FakeBluesky",
    "youtube": "fake_youtube:FakeYouTube",
    "kick": "fake_kick:FakeKick",
    "telegram": "fake_telegram:FakeTelegram",
    "mastodon": "fake_mastodon:FakeMastodon",
    "sse": "fake_sse:FakeSse",
    "websocket": "fake_websocket:FakeWebsocket",
    "ssn": "fake_ssn:FakeSsn",
    "owncast": "fake_owncast:FakeOwncast",
    "restream": "fake_restream:FakeRestream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the server does wrong; the default is nothing."""

    refuse: bool = False
    """Says in the platform's own words that we may not come in: the connector raises Refused."""
    throttle_seconds: int | None = None
    """Answers 429 with this Retry-After: the connector raises Throttled."""
    garbage: bool = False
    """Sends unreadable frames before each message: the connector goes on."""
    half_frame: bool = False
    """Cuts the connection in the middle of the frame of each message: the connector raises Dropped."""
    silent: bool = False
    """Accepts the connection and never says a word, not even to a ping: the connector raises Dropped."""


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Said:
    """What the fake sent, as the events must show it."""

    id: str
    """Event id."""
    at: datetime
    """The platform's time."""
    text: str


class Fake(Protocol):
    """A server with a few channels; ``async with`` starts and stops it."""

    handles: tuple[str, ...]
    """At least two channels that exist; one where a connection carries one. A fake that has ``tells_time = False`` sends no times."""

    def __init__(self, faults: Faults) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def options(self) -> Any:
        """Options that point at this server, with waits of tenths of a second."""

    def target(self, handle: str, resume: Resume) -> Target:
        """How the roster would name this channel."""

    async def say(self, handle: str, text: str) -> Said:
        """Somebody writes now; sent to whoever listens, kept for those who resume."""

    async def remove(self, said: Said) -> None:
        """A moderator takes it back."""

    async def cut(self) -> None:
        """All connections die at once, without goodbye; new ones are accepted."""

    async def heard(self, handle: str) -> None:
        """Returns when a connection listens to this channel."""

    @property
    def connections(self) -> int:
        """How many are open now."""


class Scripted:
    """What every fake is made of: faults, numbers, times that are told apart, and who waits for something learns that it happened."""

    handles: tuple[str, ...] = ("ana", "bo", "cy")

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self.faults = faults
        self._numbers = itertools.count(1)
        self._last = datetime.now(UTC)
        self._changed = asyncio.Condition()

    def stamp(self, *, digits: int = 3) -> datetime:
        """The time of what is sent now, to so many places behind the second; a millisecond later at least each time."""
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        step: int = 10 ** (6 - digits)
        return self._last.replace(microsecond=self._last.microsecond // step * step)

    async def until(self, true: Any) -> None:
        """Returns when the condition holds; it is looked at whenever something happened."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(true)

    async def note(self) -> None:
        """Something happened."""
        async with self._changed:
            self._changed.notify_all()


class OverSockets(Scripted, ABC):
    """A fake that is a websocket server."""

    path = ""
    """Of its address, behind the port."""
    refuses_opening = True
    """Whether who is refused is told so before the connection opens, with 403."""
    garbage: tuple[str | bytes, ...] = ()
    """Sent before each frame, as text."""

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self._wants: dict[ServerConnection, Any] = {}
        """Open connection → what it wants to hear."""

    async def __aenter__(self) -> Self:
        self._server: Server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._open, compression=None, ping_interval=None, close_timeout=0.1
        )
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}{self.path}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def sockets(self) -> list[ServerConnection]:
        """The open connections, oldest first."""
        return list(self._wants)

    @property
    def connections(self) -> int:
        return len(self._wants)

    async def cut(self) -> None:
        for socket in self.sockets:
            socket.transport.abort()
        await self.until(lambda: not self._wants)

    def _open(self, socket: ServerConnection, request: Request) -> Response | None:
        """The answer to who is not let in."""
        if self.faults.refuse and self.refuses_opening:
            return socket.respond(HTTPStatus.FORBIDDEN, "no\n")
        if self.faults.throttle_seconds is not None:
            response = socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
            response.headers["Retry-After"] = str(self.faults.throttle_seconds)
            return response
        return None

    @abstractmethod
    async def _serve(self, socket: ServerConnection) -> None:
        """One connection, until it ends."""

    async def _send(self, socket: ServerConnection, frame: bytes) -> None:
        """One frame, as well as the faults let it through."""
        with contextlib.suppress(ConnectionClosed):
            if self.faults.silent:
                return
            for garbage in self.garbage if self.faults.garbage else ():
                await socket.send(garbage, text=True)
            if self.faults.half_frame:
                half_a_frame(socket.transport, frame)
            else:
                await socket.send(frame, text=True)


class OverHttp(Scripted, ABC):
    """A fake that is a web server; its handlers end when their client goes."""

    path = ""
    """Of its address, behind the port."""

    async def __aenter__(self) -> Self:
        application = web.Application()
        self.add_routes(application.router)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.cut()
        await self._runner.cleanup()

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """What is answered."""

    @abstractmethod
    async def cut(self) -> None:
        """End all connections, without a word."""

    def turned_away(self) -> web.Response | None:
        """The plain answer to who is not let in."""
        if self.faults.refuse:
            return web.Response(status=403)
        if self.faults.throttle_seconds is not None:
            return web.Response(status=429, headers={"Retry-After": str(self.faults.throttle_seconds)})
        return None


def half_a_frame(transport: asyncio.Transport, data: bytes) -> None:
    """The beginning of a text frame of 512 bytes, then nothing more."""
    transport.write(b"\x81\x7e\x02\x00" + data[:40])
    transport.close()


async def half_an_answer(request: web.Request, body: bytes) -> web.StreamResponse:
    """Half of what the length promises, then nothing more."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def fake(platform: str, faults: Faults = NO_FAULTS) -> Fake:
    """The fake server of a platform, not yet started."""
    module, _, name = FAKES[platform].partition(":")
    made: Fake = getattr(import_module(module), name)(faults)
    return made
