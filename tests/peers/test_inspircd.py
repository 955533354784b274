"""The Twitch connector against an IRC server that this project did not write: a thousand channels, feeders of its own, one kill.

What InspIRCd gives that a fake of ours cannot: somebody else's reading of the protocol, websocket framing and CAP negotiation.
It has no Twitch tags, so ids are its ``msgid`` and times its ``server-time``.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ports import Foreign, free_ports

from connectors.connector import Dropped, Health, Mark, Resume, Target, Tools, Watch, make_pseudonym
from connectors.event import Gap, Message
from connectors.twitch import Options, Twitch

SERVER = shutil.which("inspircd") or "/usr/sbin/inspircd"
pytestmark = [pytest.mark.peer, pytest.mark.skipif(not Path(SERVER).exists(), reason="inspircd is not installed")]

CHANNELS = [f"room{n:04}" for n in range(1_000)]
FEEDERS = 20
ROUNDS = 5


class Server(Foreign):
    def __init__(self, folder: Path) -> None:
        self.tcp, self.websocket = free_ports(2)
        super().__init__(folder, Path(__file__).with_name("inspircd.conf"), TCP_PORT=self.tcp, WS_PORT=self.websocket)

    async def start(self) -> None:
        await self.launch(SERVER, "--runasroot", "--nofork", "--config", str(self.configuration), port=self.tcp, log="ircd.log")


class Feeder:
    """A chatter over plain TCP; it reads what the server answers, so that nothing backs up."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen: asyncio.Queue[str] = asyncio.Queue()

    async def open(self, port: int, rooms: list[str]) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        self.rooms = rooms
        self.send("CAP REQ :message-tags server-time", f"NICK feeder{self.number}", f"USER f 0 * :f{self.number}", "CAP END")
        self.reading = asyncio.create_task(self._read())
        await self.wait_for(" 376 ", " 422 ")
        for start in range(0, len(rooms), 20):
            self.send("JOIN " + ",".join(f"#{room}" for room in rooms[start : start + 20]))
        for _ in rooms:
            await self.wait_for(" 366 ")

    def send(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def _read(self) -> None:
        while line := await self.reader.readline():
            text = line.decode()
            if text.startswith("PING"):
                self.send(text.strip().replace("PING", "PONG", 1))
            elif " PONG " in text or " 366 " in text or " 376 " in text or " 422 " in text:
                self.seen.put_nowait(text)

    async def wait_for(self, *signs: str) -> None:
        async with asyncio.timeout(30):
            text = ""
            while not any(sign in text for sign in signs):
                text = await self.seen.get()

    async def say(self, text: str, said: list[tuple[str, datetime]]) -> None:
        """A message into each room, noted in ``said``; returns when the server has taken all, which its answer to a PING proves."""
        for room in self.rooms:
            said.append((f"{room} {text}", datetime.now(UTC)))
            self.send(f"@+id=forged PRIVMSG #{room} :{room} {text}")
            await self.writer.drain()
        self.send("PING :all")
        await self.wait_for(" PONG ")

    async def close(self) -> None:
        self.reading.cancel()
        self.writer.close()
        await asyncio.gather(self.reading, self.writer.wait_closed(), return_exceptions=True)


class Collector:
    """As many connectors as the channels need, each made again after a drop with what the last marks say: what collect does."""

    def __init__(self, server: Server) -> None:
        self.options = Options(
            url=f"ws://127.0.0.1:{server.websocket}", origin="http://peer.test", joins_per_10_seconds=100, mark_every_seconds=0.2
        )
        self.messages: list[Message] = []
        self.phases: Counter[str] = Counter()
        self.gaps: list[Gap] = []
        self.live: set[str] = set()
        self.drops = 0
        self.connectors = 0
        self.may_connect = asyncio.Event()
        self._resume: dict[str, datetime] = {}
        self._changed = asyncio.Condition()
        self._dice = random.Random(11)

    async def run(self) -> None:
        size = self.options.capacity
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(CHANNELS), size):
                self.connectors += 1
                group.create_task(self._keep(CHANNELS[start : start + size]))

    async def _keep(self, rooms: list[str]) -> None:
        while True:
            resumes = {room: Resume(covered_until=self._resume.get(f"L-{room}")) for room in rooms}
            watch = Watch([Target(livestream=f"L-{room}", handle=room, resume=resumes[room]) for room in rooms])
            tools = Tools(pseudonym=make_pseudonym(b"peer"), dice=self._dice)
            try:
                async with aclosing(Twitch(self.options, watch, tools).events()) as items:
                    async for item in items:
                        await self._take(item)
            except Dropped:
                self.drops += 1
                self.live -= {f"L-{room}" for room in rooms}
                await self._notify()
                await self.may_connect.wait()

    async def _take(self, item: object) -> None:
        match item:
            case Message():
                self.messages.append(item)
                self.phases[item.text.split()[1]] += 1
            case Gap():
                self.gaps.append(item)
            case Mark(livestreams=livestreams, covered_until=covered) if covered:
                self._resume.update(dict.fromkeys(livestreams, covered))
            case Health(livestream=livestream, state="live"):
                self.live.add(livestream)
            case _:
                return
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, true) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(true)


async def feed(server: Server, text: str, said: list[tuple[str, datetime]]) -> None:
    """Every room hears a few messages, from twenty feeders at once."""
    feeders = [Feeder(number) for number in range(FEEDERS)]
    await asyncio.gather(*(feeder.open(server.tcp, CHANNELS[feeder.number :: FEEDERS]) for feeder in feeders))
    try:
        for turn in range(ROUNDS):
            await asyncio.gather(*(feeder.say(f"{text} {turn} Olá 奇瑞 👋", said) for feeder in feeders))
    finally:
        await asyncio.gather(*(feeder.close() for feeder in feeders))


async def test_thousand_channels_and_a_kill_lose_nothing_outside_a_gap(tmp_path):
    server = Server(tmp_path)
    await server.start()
    collector = Collector(server)
    running = asyncio.create_task(collector.run())
    try:
        await collector.until(lambda: len(collector.live) == len(CHANNELS))
        kept: list[tuple[str, datetime]] = []
        at_risk: list[tuple[str, datetime]] = []
        await feed(server, "before", kept)
        await collector.until(lambda: collector.phases["before"] >= ROUNDS * len(CHANNELS))
        assert not collector.gaps, "a first join misses nothing"

        feeding = asyncio.create_task(feed(server, "during", at_risk))
        await collector.until(lambda: collector.phases["during"] >= 500)
        await server.kill()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await collector.until(lambda: collector.drops == collector.connectors)
        await server.start()
        await feed(server, "away", at_risk)

        collector.may_connect.set()
        await collector.until(lambda: len(collector.live) == len(CHANNELS))
        await feed(server, "after", kept)
        await collector.until(lambda: collector.phases["after"] >= ROUNDS * len(CHANNELS))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.kill()

    assert collector.connectors == 12
    wanted = {text for text, _ in kept}
    heard = Counter(message.text for message in collector.messages)
    assert max(heard.values()) == 1, "twice"
    assert len({message.id for message in collector.messages}) == len(collector.messages)
    assert set(heard) >= wanted, "lost while connected"
    assert set(heard) <= wanted | {text for text, _ in at_risk}, "invented"
    missed = [(text, at) for text, at in at_risk if text not in heard]
    assert len(missed) >= ROUNDS * len(CHANNELS), "the fault did not happen"
    gaps = {gap.livestream: gap for gap in collector.gaps}
    assert len(gaps) == len(collector.gaps) == len(CHANNELS)
    for text, at in missed:
        gap = gaps[f"L-{text.partition(' ')[0]}"]
        assert gap.from_ <= at <= gap.to, text
    assert all(gap.to - gap.from_ < timedelta(seconds=60) for gap in collector.gaps)
