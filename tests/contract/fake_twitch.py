"""A small Twitch chat server for tests: login, capabilities, JOIN with its limit, PING, RECONNECT; CRLF lines, several in a frame."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from fakes import Faults, Said
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.connector import Target
from connectors.pacing import Bucket
from connectors.twitch import Options

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.http11 import Request, Response

    from connectors.connector import Resume

NO_FAULTS = Faults()
HOST = ":tmi.twitch.tv"
GARBAGE = (
    b"\xff\xfe\x00@=;;=\r\n@tmi-sent-ts=never;id=1 :a!a@a PRIVMSG #ana :x\r\n",
    b"@;;;\\ :",
    b"",
    b":\r\nPRIVMSG\r\n 5\r\n",
)


class FakeTwitch:
    """Knows its channels; anybody else's JOIN is ignored in silence, as on the real one."""

    handles = ("ana", "bo", "cy")

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        self.faults = faults
        self.heard_lines: list[str] = []
        """All that clients said."""
        self.joins_allowed = 20
        self.last_stamp = datetime.now(UTC)
        self._numbers = itertools.count(1)
        self._rooms: dict[ServerConnection, set[str]] = {}
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server: Server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._throttle, compression=None, ping_interval=None, close_timeout=0.1
        )
        self.url = f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        await self._server.wait_closed()

    def options(self) -> Options:
        return Options(
            url=self.url,
            join_timeout_seconds=0.3,
            login_timeout_seconds=0.3 if self.faults.silent else 5.0,
            ping_every_seconds=0.2,
            pong_within_seconds=0.3 if self.faults.silent else 5.0,
            overlap_seconds=0.05,
            mark_every_seconds=0.05,
        )

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"twitch:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self._rooms)

    def listeners(self, handle: str) -> int:
        """Connections that have joined the channel."""
        return sum(f"#{handle}" in rooms for rooms in self._rooms.values())

    async def heard(self, handle: str) -> None:
        await self.until(lambda: self.listeners(handle) > 0)

    async def until(self, true) -> None:
        """Returns when the condition holds; it is looked at whenever a client did something."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(true)

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        said = Said(f"twitch:{number:08d}-0000-4000-8000-000000000000", self._stamp(), text)
        tags = f"display-name=Zoë;id={said.id[7:]};room-id=7;tmi-sent-ts={_milliseconds(said.at)};user-id={number % 7}"
        await self.send(handle, f"@{tags} :zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #{handle} :{text}")
        return said

    async def remove(self, said: Said) -> None:
        for handle in self.handles:
            tags = f"login=zoe;room-id=;target-msg-id={said.id[7:]};tmi-sent-ts={_milliseconds(self._stamp())}"
            await self.send(handle, f"@{tags} {HOST} CLEARMSG #{handle} :{said.text}")

    @property
    def sockets(self) -> list[ServerConnection]:
        """The open connections, oldest first."""
        return list(self._rooms)

    async def send(self, handle: str, line: str, *, only: ServerConnection | None = None) -> None:
        """A line as it is, to all who joined the channel, or to one of them."""
        listeners = [connection for connection, rooms in self._rooms.items() if f"#{handle}" in rooms]
        for connection in [only] if only else listeners:
            with contextlib.suppress(ConnectionClosed):
                if self.faults.garbage:
                    for frame in GARBAGE:
                        await connection.send(frame, text=True)
                if self.faults.half_frame:
                    data = line.encode()
                    connection.transport.write(bytes([0x81, 126]) + len(data).to_bytes(2, "big") + data[: len(data) // 2])
                    connection.transport.close()
                else:
                    await connection.send(line + "\r\n")

    async def cut(self) -> None:
        for connection in list(self._rooms):
            connection.transport.abort()
        await self.until(lambda: not self._rooms)

    async def reconnect(self) -> None:
        """The server is about to restart and says so."""
        for connection in list(self._rooms):
            await connection.send(f"{HOST} RECONNECT\r\n")

    def _stamp(self) -> datetime:
        """The time of what is sent now: in milliseconds, never twice the same, so that a test can tell in from out."""
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.last_stamp = max(now, self.last_stamp + timedelta(milliseconds=1))
        self.last_stamp = self.last_stamp.replace(microsecond=self.last_stamp.microsecond // 1000 * 1000)
        return self.last_stamp

    def _throttle(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.faults.throttle_seconds is None:
            return None
        response = connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "slow down\n")
        response.headers["Retry-After"] = str(self.faults.throttle_seconds)
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        self._rooms[connection] = set()
        await self._notify()
        bucket = Bucket(self.joins_allowed, 10.0)
        nick = ""
        try:
            async for frame in connection:
                for line in str(frame).splitlines():
                    self.heard_lines.append(line)
                    command, _, rest = line.partition(" ")
                    if command == "NICK":
                        nick = rest
                    if not self.faults.silent:
                        await self._answer(connection, bucket, nick, command, rest)
                    await self._notify()
        except ConnectionClosed:
            pass
        finally:
            del self._rooms[connection]
            await self._notify()

    async def _answer(self, connection: ServerConnection, bucket: Bucket, nick: str, command: str, rest: str) -> None:
        match command:
            case "CAP":
                await connection.send(f"{HOST} CAP * ACK {rest.removeprefix('REQ ')}\r\n")
            case "NICK" if self.faults.refuse:
                await connection.send(f"{HOST} NOTICE * :Login authentication failed\r\n")
            case "NICK":
                texts = (f"{HOST} {number} {nick} :-\r\n" for number in ("001", "002", "003", "004", "375", "372", "376"))
                await connection.send("".join(texts))
            case "PING":
                await connection.send(f"{HOST} PONG tmi.twitch.tv {rest}\r\n")
            case "JOIN":
                channels = rest.split(",")
                if bucket.take(asyncio.get_running_loop().time(), len(channels)):
                    connection.transport.abort()
                for channel in (channel for channel in channels if channel[1:] in self.handles):
                    self._rooms[connection].add(channel)
                    echo = f":{nick}!{nick}@{nick}.tmi.twitch.tv JOIN {channel}\r\n"
                    await connection.send(f"{echo}@emote-only=0;room-id=7;slow=0 {HOST} ROOMSTATE {channel}\r\n")
            case "PART":
                self._rooms[connection].discard(rest)
            case _:
                pass

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
