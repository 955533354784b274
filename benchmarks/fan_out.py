"""fan_out: 2,000 walls on one server at four frames of 40 kB a second, and what a hundred that never read cost the others.

Server and walls are two processes on the same cores. The raw limit is a bare asyncio server that writes the same bytes to as many
sockets at the same times: no HTTP, no feed, no looking after slow ones. A wall's delay runs from the beginning of the tick to the
frame's last byte. Memory is the server's resident memory, before the walls came and when all had their first picture.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import multiprocessing
import os
import resource
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks.chat import shipped
from benchmarks.measure import Row, percentile, row
from monitor.feed import Feed
from monitor.frames import text_frame
from monitor.web import make_app
from monitor.windows import Loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

SIZE, QUICK = 2000, 40
"""Walls."""
TICKS = 60
TICK_SECONDS = 0.25
FRAME_BYTES = 40_000
DEAF = 100
DEAF_TICKS = 40
"""Ten seconds: those who never read are dropped within five."""
DEAF_ROUNDS = 3
PONG = b"\x8a\x80\x00\x00\x00\x00"
"""Without content; what a client sends is masked."""


# --- the two servers ---------------------------------------------------------------------------------------------------


class Empty:
    """A source with nothing in it; what changes are the parts."""

    partitions = 1

    async def load(self, partition: int, **_: Any) -> Loaded:
        return Loaded(version=0, caught_up_ms=0, containers={}, viewers=[], position=("", ""))


@dataclass
class Ours:
    """The shipped feed behind the shipped application."""

    feed: Feed = field(init=False)
    made: int = 0

    async def start(self) -> int:
        config, roster = shipped()
        self.feed = Feed(config, roster, Empty())  # type: ignore[arg-type]  # only load is asked for
        self.tick()
        runner = web.AppRunner(make_app(self.feed), access_log=None, keepalive_timeout=10)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        return int(runner.addresses[0][1])

    def tick(self) -> int:
        """A delta of about 40 kB; gives its number."""
        self.made += 1
        words = {f"{number:04d}": f"{self.made:08d}{number:08d}" for number in range(FRAME_BYTES // 26)}
        self.feed.around = type(self.feed.around)(parts={"load": words})
        self.feed.tick()
        return self.feed.ticker.seq

    @property
    def connected(self) -> int:
        return len(self.feed.clients)


@dataclass
class Bare:
    """Nothing but the bytes."""

    sinks: set[asyncio.StreamWriter] = field(default_factory=set)
    made: int = 0

    async def start(self) -> int:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        return int(server.sockets[0].getsockname()[1])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        self.sinks.add(writer)

    def tick(self) -> int:
        self.made += 1
        frame = text_frame(b'{"type":"delta","seq":%d,"pad":"%s"}' % (self.made, b"x" * (FRAME_BYTES - 40)))
        for sink in self.sinks:
            sink.write(frame)
        return self.made

    @property
    def connected(self) -> int:
        return len(self.sinks)


def serve(pipe: Connection, ours: bool) -> None:
    """In a process of its own: ("size",) → resident bytes; ("ticks", n) → [(number, begun, walls connected after it)]."""
    import uvloop

    _allow_sockets()

    async def main() -> None:
        server = Ours() if ours else Bare()
        pipe.send(await server.start())
        loop = asyncio.get_running_loop()
        while True:
            order = await loop.run_in_executor(None, pipe.recv)
            if order[0] == "size":
                while server.connected < order[1]:
                    await asyncio.sleep(0.02)
                gc.collect()
                pipe.send(_resident())
            elif order[0] == "ticks":
                begun = []
                due = loop.time()
                for _ in range(order[1]):
                    due = max(due + TICK_SECONDS, loop.time())
                    await asyncio.sleep(due - loop.time())
                    at = time.monotonic()
                    begun.append((server.tick(), at, server.connected))
                pipe.send(begun)
            else:
                return

    uvloop.run(main())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _allow_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- the walls ---------------------------------------------------------------------------------------------------------


def knock(port: int) -> tuple[socket.socket, bytes]:
    """A wall's socket after the handshake, and what has come behind the answer."""
    wall = socket.create_connection(("127.0.0.1", port), timeout=30)
    key = base64.b64encode(os.urandom(16)).decode()
    wall.sendall(
        f"GET /feed HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += wall.recv(65536)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b" 101 " in head.split(b"\r\n", 1)[0], head
    wall.setblocking(False)
    return wall, rest


class Reading:
    """Finds the ends of frames in one wall's bytes without keeping them."""

    __slots__ = ("head", "left", "number", "pinged")

    def __init__(self) -> None:
        self.pinged = False
        self.head = b""
        self.left = 0
        """Bytes of the current frame still to come."""
        self.number = -1

    def take(self, data: memoryview, ended: Callable[[int], None]) -> None:
        while data:
            if self.left:
                some = min(self.left, len(data))
                self.left -= some
                data = data[some:]
                if not self.left:
                    ended(self.number)
                continue
            some = min(len(data), 96 - len(self.head))
            self.head += bytes(data[:some])
            data = data[some:]
            size, start = self._size()
            if start < 0 or (len(self.head) < 96 and len(self.head) < start + size):
                continue
            at = self.head.find(b'"seq":', start, start + size)
            self.number = int(self.head[at + 6 :].split(b",", 1)[0]) if at >= 0 else -1
            beyond = len(self.head) - start - size
            self.pinged = self.pinged or self.head[0] & 15 == 9
            if beyond >= 0:
                rest, self.head = self.head[len(self.head) - beyond :], b""
                ended(self.number)
                if rest:
                    self.take(memoryview(rest), ended)
            else:
                self.left, self.head = -beyond, b""

    def _size(self) -> tuple[int, int]:
        """(bytes of the payload, where it begins); −1 while the head is not complete."""
        head = self.head
        if len(head) < 2:
            return 0, -1
        size = head[1] & 127
        if size == 126:
            return (struct.unpack_from("!H", head, 2)[0], 4) if len(head) >= 4 else (0, -1)
        if size == 127:
            return (struct.unpack_from("!Q", head, 2)[0], 10) if len(head) >= 10 else (0, -1)
        return size, 2


def watch(
    walls: list[tuple[socket.socket, bytes]], readings: dict[int, Reading], until: Callable[[], bool]
) -> list[tuple[int, float]]:
    """(frame's number, when its last byte had come), for all walls, until told to end."""
    came: list[tuple[int, float]] = []
    poll = select.epoll()
    by_number = {}
    for wall, rest in walls:
        by_number[wall.fileno()] = wall
        poll.register(wall.fileno(), select.EPOLLIN)
        if rest:
            readings[wall.fileno()].take(memoryview(rest), lambda _: None)
    space = memoryview(bytearray(256 * 1024))
    while not until():
        for number, _ in poll.poll(0.05):
            try:
                some = by_number[number].recv_into(space)
            except BlockingIOError:
                continue
            if not some:
                poll.unregister(number)
                continue
            now = time.monotonic()
            readings[number].take(space[:some], lambda seq, now=now: came.append((seq, now)))  # type: ignore[misc]
            if readings[number].pinged:
                readings[number].pinged = False
                by_number[number].send(PONG)
    poll.close()
    return came


@dataclass
class Result:
    """What one server did."""

    delays: list[float]
    """Milliseconds."""
    memory: float
    """Bytes a wall."""
    deaf: list[tuple[float, float, float]] = field(default_factory=list)
    """Rounds: p99 without and with those who never read, and seconds until the last of these was gone (infinite when one stayed)."""


def measure(walls: int, ticks: int, *, ours: bool, deaf: int) -> Result:
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=serve, args=(other, ours), daemon=True)
    process.start()
    try:
        port = pipe.recv()
        # The first of each kind of thing is bought once and not by every wall.
        first = [knock(port) for _ in range(5)]
        pipe.send(("size", 5))
        before = pipe.recv()
        all_walls = first + [knock(port) for _ in range(walls - 5)]
        pipe.send(("size", walls))
        memory = (pipe.recv() - before) / (walls - 5)
        readings = {wall.fileno(): Reading() for wall, _ in all_walls}
        delays, _ = _follow(pipe, all_walls, readings, ticks)
        assert len(delays) >= walls * ticks * 0.9, f"{len(delays)} of {walls * ticks} frames came"
        result = Result(delays, memory)
        for _ in range(DEAF_ROUNDS if deaf else 0):
            still = [(wall, b"") for wall, _ in all_walls]
            quiet, _ = _follow(pipe, still, readings, DEAF_TICKS)
            silent = [knock(port) for _ in range(deaf)]
            begun = time.monotonic()
            disturbed, after = _follow(pipe, still, readings, DEAF_TICKS)
            gone = [at - begun for _, at, connected in after if connected <= walls]
            result.deaf.append((percentile(quiet, 99), percentile(disturbed, 99), gone[0] if gone else float("inf")))
            for wall, _ in silent:
                wall.close()
        pipe.send(("end",))
        for wall, _ in all_walls:
            wall.close()
        return result
    finally:
        process.join(5)
        process.kill()


def _follow(
    pipe: Connection, walls: list[tuple[socket.socket, bytes]], readings: dict[int, Reading], ticks: int
) -> tuple[list[float], list[tuple[int, float, int]]]:
    pipe.send(("ticks", ticks))
    begun: list[tuple[int, float, int]] = []
    silent_since = [0.0]

    def over() -> bool:
        if not begun and pipe.poll():
            begun.extend(pipe.recv())
            silent_since[0] = time.monotonic()
        return bool(begun) and time.monotonic() - silent_since[0] > 2.0  # what is on its way still counts, late as it is

    came = watch(walls, readings, over)
    at = {number: when for number, when, _ in begun}
    return [(when - at[number]) * 1000 for number, when in came if number in at], begun


def run(size: int = SIZE) -> list[Row]:
    _allow_sockets()
    ticks, deaf = (TICKS, DEAF) if size == SIZE else (6, 0)
    bare = measure(size, ticks, ours=False, deaf=0)
    ours = measure(size, ticks, ours=True, deaf=deaf)
    rows = [
        row("feed.p50", percentile(ours.delays, 50), "ms", "less", limit=percentile(bare.delays, 50)),
        row("feed.p99", percentile(ours.delays, 99), "ms", "less", limit=percentile(bare.delays, 99)),
        row("feed.client_memory", ours.memory / 1024, "KiB", "less", limit=max(bare.memory / 1024, 0.1)),
    ]
    if deaf:
        # The limit here is the same feed a moment before, without them.
        quiet, disturbed, dropped = zip(*ours.deaf, strict=True)
        rows.append(row("feed.deaf.p99", min(disturbed), "ms", "less", limit=min(quiet)))
        rows.append(row("feed.deaf.dropped_after", max(dropped), "s", "less", limit=5.0))
    return rows
