"""A small Twitch chat server for tests: login, capabilities, JOIN with its limit, PING, RECONNECT; CRLF lines, several in a frame."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fakes import NO_FAULTS, Faults, OverSockets, Said
from websockets.exceptions import ConnectionClosed

from connectors.connector import Target
from connectors.pacing import Bucket
from connectors.twitch import Options

if TYPE_CHECKING:
    from datetime import datetime

    from websockets.asyncio.server import ServerConnection

    from connectors.connector import Resume

HOST = ":tmi.twitch.tv"
GARBAGE = (
    b"\xff\xfe\x00@=;;=\r\n@tmi-sent-ts=never;id=1 :a!a@a PRIVMSG #ana :x\r\n",
    b"@;;;\\ :",
    b"",
    b":\r\nPRIVMSG\r\n 5\r\n",
)


class FakeTwitch(OverSockets):
    """Knows its channels; anybody else's JOIN is ignored in silence, as on the real one."""

    refuses_opening = False
    garbage = GARBAGE

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)  # of a connection: the channels that it joined
        self.heard_lines: list[str] = []
        """All that clients said."""
        self.joins_allowed = 20

    def options(self) -> Options:
        return Options(
            url=self.url,
            join_timeout_seconds=0.3 if self.faults.silent else 30.0,
            login_timeout_seconds=0.3 if self.faults.silent else 30.0,
            ping_every_seconds=0.2,
            pong_within_seconds=0.3 if self.faults.silent else 30.0,
            overlap_seconds=0.05,
            mark_every_seconds=0.05,
        )

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"twitch:{handle}", handle=handle, resume=resume)

    def listeners(self, handle: str) -> int:
        """Connections that have joined the channel."""
        return sum(f"#{handle}" in rooms for rooms in self._wants.values())

    async def heard(self, handle: str) -> None:
        await self.until(lambda: self.listeners(handle) > 0)

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        said = Said(f"twitch:{number:08d}-0000-4000-8000-000000000000", self.stamp(), text)
        tags = f"display-name=Zoë;id={said.id[7:]};room-id=7;tmi-sent-ts={_milliseconds(said.at)};user-id={number % 7}"
        await self.send(handle, f"@{tags} :zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #{handle} :{text}")
        return said

    async def remove(self, said: Said) -> None:
        for handle in self.handles:
            tags = f"login=zoe;room-id=;target-msg-id={said.id[7:]};tmi-sent-ts={_milliseconds(self.stamp())}"
            await self.send(handle, f"@{tags} {HOST} CLEARMSG #{handle} :{said.text}")

    async def send(self, handle: str, line: str, *, only: ServerConnection | None = None) -> None:
        """A line as it is, to all who joined the channel, or to one of them."""
        listeners = [connection for connection, rooms in self._wants.items() if f"#{handle}" in rooms]
        for connection in [only] if only else listeners:
            await self._send(connection, f"{line}\r\n".encode())

    async def reconnect(self) -> None:
        """The server is about to restart and says so."""
        for connection in self.sockets:
            await connection.send(f"{HOST} RECONNECT\r\n")

    async def _serve(self, connection: ServerConnection) -> None:
        self._wants[connection] = set()
        await self.note()
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
                    await self.note()
        except ConnectionClosed:
            pass
        finally:
            del self._wants[connection]
            await self.note()

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
                    self._wants[connection].add(channel)
                    echo = f":{nick}!{nick}@{nick}.tmi.twitch.tv JOIN {channel}\r\n"
                    await connection.send(f"{echo}@emote-only=0;room-id=7;slow=0 {HOST} ROOMSTATE {channel}\r\n")
            case "PART":
                self._wants[connection].discard(rest)
            case _:
                pass


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
