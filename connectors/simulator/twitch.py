"""The server side of Twitch chat: IRC with tags over WebSocket, as far as a reader meets it.

Login with capabilities, JOIN with its bucket (20 in 10 s, more closes the socket at once), 100 channels per connection, silence for a
channel that is not there, PING, RECONNECT, cut sockets, several lines per frame, clumped delivery of busy channels. Every client that
joined a channel gets everything of it; a message is encoded once for all. A client that does not read is cut, its backlog is bounded.

The run loop calls ``deliver`` and ``tick``; the clock is handed in, so that tests need not wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.simulator import irc
from connectors.simulator.faults import Faults, Mishaps
from connectors.simulator.reader import half_frame
from connectors.simulator.serving import Bell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from random import Random

    from connectors.simulator.model import Sent, SimChannel

JOINS, JOIN_SECONDS = 20, 10.0
CHANNELS = 100
CLUMP_RATE, CLUMP_SECONDS = 8.0, 3.1
"""A chat above this rate arrives in clumps, as measured on the real one."""
_FRAME = 16_384


class Client:
    """One connection; what must be sent waits in ``pending`` until its writer has time."""

    def __init__(self, socket: ServerConnection, now: float, mishaps: Mishaps, until: Callable[[float], Awaitable[None]]) -> None:
        self.socket = socket
        self.nick = ""
        self.welcomed = False
        self.tags = self.commands = False
        self.channels: set[int] = set()
        self.joins: deque[float] = deque()
        self.pending: list[bytes] = []
        self.size = 0
        self.ready = asyncio.Event()
        self.next_ping = now
        self.awaits_pong = False
        self.reconnect_at: float | None = None
        self.drop_at: float | None = None
        self.close_at: float | None = None
        """When a socket that was told to RECONNECT is closed."""
        self._mishaps = mishaps
        self._until = until
        self._later: bytes | None = None
        self.plan(now)

    def plan(self, now: float) -> None:
        """When it is cut or told to reconnect, by the plan of now."""
        faults = self._mishaps.faults
        for name, every in (("drop_at", faults.drop_every), ("reconnect_at", faults.reconnect_every)):
            if every is None:
                setattr(self, name, None)
            elif getattr(self, name) is None:
                setattr(self, name, now + self._mishaps.wait(every))

    def send(self, lines: bytes) -> None:
        self.pending.append(lines)
        self.size += len(lines)
        self.ready.set()

    def cut(self) -> None:
        """Gone, without a close frame."""
        self.socket.transport.abort()

    async def write(self) -> None:
        """Send what is pending, several lines per frame, until the connection is gone."""
        try:
            while True:
                await self.ready.wait()
                self.ready.clear()
                chunks, self.pending, self.size = self.pending, [], 0
                for frame in _frames(chunks):
                    await self._send(frame)
        except ConnectionClosed:
            return

    async def _send(self, frame: bytes) -> None:
        """One frame, or what the plan makes of it."""
        fate = self._mishaps.fate()
        match fate:
            case "":
                pass
            case "stall":
                await self._until(self._mishaps.faults.stall_seconds)
            case "drop":
                self.cut()
                return
            case "half":
                self.socket.transport.write(half_frame(frame))
                self.socket.transport.close()
                return
            case "garbage":
                await self.socket.send(self._mishaps.garbage(), text=True)
            case "reorder" if self._later is None:
                self._later = frame
                return
        await self.socket.send(frame, text=True)
        if fate == "repeat":
            await self.socket.send(frame, text=True)
        if self._later is not None:
            frame, self._later = self._later, None
            await self.socket.send(frame, text=True)


class Room:
    """Who listens to a channel, and what waits for the next delivery."""

    __slots__ = ("clients", "clumped", "due", "place", "waiting")

    def __init__(self, place: irc.Place, *, clumped: bool, due: float) -> None:
        self.place = place
        self.clients: set[Client] = set()
        self.waiting: list[Sent] = []
        self.clumped = clumped
        self.due = due


class TwitchServer:
    """All channels of the simulated Twitch and everybody connected to it."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        *,
        dice: Random,
        clock: Callable[[], float],
        record: Callable[[Sent, bool], None] | None = None,
        faults: Faults | None = None,
        mishaps: Mishaps | None = None,
        ping_seconds: float = 280.0,
        backlog: int = 8_000_000,
        clumped: Iterable[int] = (),
    ) -> None:
        self.dice = dice
        self.clock = clock
        self.record = record
        self.mishaps = mishaps or Mishaps(faults or Faults(), dice, clock)
        self.ping_seconds = ping_seconds
        self.backlog = backlog
        busy = set(clumped)
        self.places = [irc.Place(c, index) if c.platform == "twitch" else None for index, c in enumerate(channels)]
        self.rooms = [
            Room(place, clumped=index in busy, due=dice.random() * CLUMP_SECONDS) if place else None
            for index, place in enumerate(self.places)
        ]
        self.index = {place.login: index for index, place in enumerate(self.places) if place}
        self.clients: set[Client] = set()
        self.sent = 0
        self.cuts = 0
        """Clients that were too slow."""
        self._bell = Bell()
        self._waiting: set[int] = set()
        self._logins: dict[str, deque[float]] = {}
        self._server: Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, **options: Any) -> int:
        """Listen; gives the port."""
        self._server = await serve(self._handle, host, port, compression=None, ping_interval=None, max_size=65_536, **options)
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def rename(self, index: int, login: str | None) -> None:
        """A channel's login changes: the old one is nobody's from now on, and its listeners are not moved. None: the channel is gone."""
        place = self.places[index]
        assert place is not None
        self.index.pop(place.login, None)
        if login is None:
            place.login = place.room_id = ""
            return
        place.login = login
        self.index[login] = index

    # --- from the crowd to the sockets ----------------------------------------------------------------------------------

    def deliver(self, sents: Iterable[Sent]) -> None:
        """Take what the crowd sent; it leaves at the next ``tick`` (a busy channel's within 3.1 s)."""
        for sent in sents:
            room = self.rooms[sent.room]
            if room is not None:
                room.waiting.append(sent)
                self._waiting.add(sent.room)

    def tick(self, *, everything: bool = False) -> None:
        """Deliver what is due, ping, and do what the fault plan wants; ``everything`` delivers held clumps as well."""
        now = self.clock()
        self._bell.ring()
        for index in list(self._waiting):
            room = self.rooms[index]
            assert room is not None
            old = room.waiting[0].at < (now - CLUMP_SECONDS) * 1000  # nothing waits longer, however busy this machine is
            if everything or old or not room.clumped or now >= room.due:
                room.due = now + CLUMP_SECONDS
                self._waiting.discard(index)
                self._flush(room)
        for client in list(self.clients):
            self._look_after(client, now)

    def _flush(self, room: Room) -> None:
        waiting, room.waiting = room.waiting, []
        delivered = bool(room.clients)
        self.sent += len(waiting)
        if delivered:
            said = [irc.line(sent, room.place, self.places) for sent in waiting]
            self.mishaps.went_out(room.place.login, *said)
            lines = "".join(said).encode()
            for client in room.clients:
                if client.tags and client.commands:
                    client.send(lines)
                else:
                    client.send(_reduced(lines, client))
        if self.record is not None:
            for sent in waiting:
                self.record(sent, delivered)

    async def _until(self, seconds: float) -> None:
        """Wait for so long, by the clock that was handed in."""
        at = self.clock() + seconds
        while self.clock() < at:
            await self._bell.wait()

    def _look_after(self, client: Client, now: float) -> None:
        client.plan(now)
        if client.size > self.backlog:
            self.cuts += 1
            client.cut()
            self._forget(client)
        elif client.drop_at is not None and now >= client.drop_at:
            client.drop_at = None
            client.cut()
            self._forget(client)
        elif client.close_at is not None and now >= client.close_at:
            client.close_at = None
            self._forget(client)
            client.socket.close_timeout = 1
            client.socket.transport.close()
        elif client.reconnect_at is not None and now >= client.reconnect_at and client.close_at is None:
            self.order_reconnect(client)
        elif client.welcomed and now >= client.next_ping:
            if client.awaits_pong:
                client.cut()
                self._forget(client)
                return
            client.awaits_pong = True
            client.next_ping = now + self.ping_seconds
            client.send(b"PING :tmi.twitch.tv\r\n")

    def order_reconnect(self, client: Client) -> None:
        """Tell a client to come again; its socket is closed a while later."""
        client.reconnect_at = None
        client.close_at = self.clock() + self.mishaps.faults.reconnect_grace
        client.send(b":tmi.twitch.tv RECONNECT\r\n")

    def reconnect_all(self) -> int:
        """Order everybody to reconnect; gives how many were told."""
        told = [client for client in self.clients if client.welcomed and client.close_at is None]
        for client in told:
            self.order_reconnect(client)
        return len(told)

    def drop_all(self) -> int:
        """Cut every socket without a close frame; gives how many."""
        cut = list(self.clients)
        for client in cut:
            client.cut()
            self._forget(client)
        return len(cut)

    def _forget(self, client: Client) -> None:
        self.clients.discard(client)
        for index in client.channels:
            room = self.rooms[index]
            if room is not None:
                room.clients.discard(client)
        client.channels.clear()

    # --- from the sockets -------------------------------------------------------------------------------------------------

    async def _handle(self, socket: ServerConnection) -> None:
        client = Client(socket, self.clock(), self.mishaps, self._until)
        client.next_ping += self.ping_seconds * (0.9 + 0.1 * self.dice.random())
        self.clients.add(client)
        writer = asyncio.create_task(client.write())
        try:
            async for frame in socket:
                text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                for line in text.split("\r\n"):
                    if line and not self._hear(client, line.rstrip("\n")):
                        await asyncio.sleep(0)  # let the last words go out
                        return
        except ConnectionClosed:
            return
        finally:
            self._forget(client)
            if not writer.done() and client.pending and not client.socket.transport.is_closing():
                await asyncio.wait([writer], timeout=0.2)
            writer.cancel()

    def _hear(self, client: Client, line: str) -> bool:
        """One line of a client; False ends the connection."""
        command, _, rest = line.partition(" ")
        match command.upper():
            case "CAP":
                self._capabilities(client, rest)
            case "PASS":
                if not rest.removeprefix(":").startswith("oauth:"):
                    client.send(b":tmi.twitch.tv NOTICE * :Improperly formatted auth\r\n")
                    return False
            case "NICK":
                return self._login(client, rest.removeprefix(":").strip().lower())
            case "JOIN":
                return self._join(client, rest)
            case "PART":
                self._part(client, rest)
            case "PING":
                client.send(f":tmi.twitch.tv PONG tmi.twitch.tv :{rest.removeprefix(':')}\r\n".encode())
            case "PONG":
                client.awaits_pong = False
            case "QUIT":
                return False
            case "USER":
                pass
            case other:
                client.send(f":tmi.twitch.tv 421 {client.nick or '*'} {other[:32]} :Unknown command\r\n".encode())
        return True

    def _capabilities(self, client: Client, rest: str) -> None:
        verb, _, wanted = rest.partition(" ")
        if verb.upper() == "END":
            return
        names = wanted.removeprefix(":").split()
        if verb.upper() == "LS":
            client.send(f":tmi.twitch.tv CAP * LS :{' '.join(irc.CAPABILITIES)}\r\n".encode())
        elif verb.upper() == "REQ":
            known = all(name in irc.CAPABILITIES for name in names)
            client.send(f":tmi.twitch.tv CAP * {'ACK' if known else 'NAK'} :{' '.join(names)}\r\n".encode())
            if known:
                client.tags = client.tags or "twitch.tv/tags" in names
                client.commands = client.commands or "twitch.tv/commands" in names

    def _login(self, client: Client, nick: str) -> bool:
        now = self.clock()
        recent = self._logins.setdefault(nick, deque())
        if not _allowed(recent, now):
            return False
        if not nick:
            client.send(b":tmi.twitch.tv NOTICE * :Improperly formatted auth\r\n")
            return False
        client.nick = nick
        client.welcomed = True
        client.send(irc.welcome(nick).encode())
        if len(self._logins) > 5000:
            self._logins = {name: times for name, times in self._logins.items() if times and now - times[-1] < JOIN_SECONDS}
        return True

    def _join(self, client: Client, rest: str) -> bool:
        if not client.welcomed:
            return True
        now = self.clock()
        for name in rest.split(" ", maxsplit=1)[0].split(","):
            if not _allowed(client.joins, now):
                return False
            login = name.removeprefix("#").lower()
            index = self.index.get(login)
            if len(client.channels) >= CHANNELS and index not in client.channels:
                client.send(irc.too_many(login).encode())
                continue
            room = self.rooms[index] if index is not None else None
            if index is None or room is None or client not in self.clients:
                continue  # Twitch says nothing about a channel that is not there
            lines = irc.joined(client.nick, room.place).encode()
            if client not in room.clients:
                lines += "".join(self.mishaps.again(room.place.login)).encode()
            client.send(lines if client.tags and client.commands else _reduced(lines, client))
            client.channels.add(index)
            room.clients.add(client)
        return True

    def _part(self, client: Client, rest: str) -> None:
        for name in rest.split(" ", maxsplit=1)[0].split(","):
            login = name.removeprefix("#").lower()
            index = self.index.get(login)
            room = self.rooms[index] if index is not None else None
            if index is not None and room is not None and index in client.channels:
                client.channels.discard(index)
                room.clients.discard(client)
                client.send(f":{client.nick}!{client.nick}@{client.nick}.tmi.twitch.tv PART #{login}\r\n".encode())


def _allowed(times: deque[float], now: float) -> bool:
    """The bucket of 20 in 10 s; counts this attempt."""
    while times and now - times[0] >= JOIN_SECONDS:
        times.popleft()
    times.append(now)
    return len(times) <= JOINS


def _frames(chunks: list[bytes]) -> Iterable[bytes]:
    """Chunks put together to frames of about 16 KiB, never cut within a line."""
    batch: list[bytes] = []
    size = 0
    for chunk in chunks:
        batch.append(chunk)
        size += len(chunk)
        if size >= _FRAME:
            yield b"".join(batch)
            batch, size = [], 0
    if batch:
        yield b"".join(batch)


def _reduced(lines: bytes, client: Client) -> bytes:
    """What a client sees that did not ask for all capabilities."""
    if not client.commands:
        kinds = (b" PRIVMSG ", b" JOIN ", b" 353 ", b" 366 ")
        lines = b"".join(part + b"\r\n" for part in lines.split(b"\r\n") if any(kind in part for kind in kinds))
    return lines if client.tags else irc.without_tags(lines)
