"""The generic connectors against nginx with nchan, which this project did not write: a thousand subscribers, resume, kill.

What it gives that a fake of ours cannot: somebody else's reading of server-sent events (ids of two parts, named events, pings without
data), of Last-Event-ID and of websockets, and HTTP that is really chunked by another's buffers.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from ports import Foreign, free_port

from connectors.connector import Dropped, Health, Mark, Resume, Target, Tools, Watch, make_pseudonym
from connectors.event import Gap, Message
from connectors.sse import Options, Sse
from connectors.websocket import Options as SocketOptions
from connectors.websocket import Websocket

SERVER = shutil.which("nginx") or "/usr/sbin/nginx"
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not (Path(SERVER).exists() and MODULE.exists()), reason="nginx with nchan is not installed"),
]

SUBSCRIBERS = 1_000
TOOLS = Tools(pseudonym=make_pseudonym(b"key of the peer test"), dice=random.Random(1))


class Nginx(Foreign):
    """One process only: what is killed is all of it, and nobody is left who holds the port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__(folder, Path(__file__).with_name("nchan.conf"), PORT=self.port, MODULE=MODULE)
        self.session: aiohttp.ClientSession

    async def start(self) -> None:
        command = (SERVER, "-p", str(self.folder), "-c", str(self.configuration), "-g", "master_process off;")
        await self.launch(*command, port=self.port, log="error.log")

    def url(self, kind: str = "http") -> str:
        return f"{kind}://127.0.0.1:{self.port}/sub/{{handle}}"

    async def say(self, room: str, number: int, text: str = "hi 奇瑞 👋") -> None:
        body = orjson.dumps({"type": "comment", "id": f"{room}-{number}", "author": {"id": "7", "name": "Zoë"}, "text": text})
        headers = {"X-EventSource-Event": "comment", "Content-Type": "application/json"}
        async with self.session.post(f"http://127.0.0.1:{self.port}/pub/{room}", data=body, headers=headers) as answer:
            assert answer.status in (201, 202)

    async def subscribers(self, room: str) -> int:
        headers = {"Accept": "application/json"}
        assert self.process.returncode is None, self.folder.joinpath("error.log").read_text()
        async with self.session.get(f"http://127.0.0.1:{self.port}/pub/{room}", headers=headers) as answer:
            return (await answer.json(content_type=None))["subscribers"] if answer.status == 200 else 0


@pytest.fixture
async def nginx(tmp_path):
    for name in ("body", "proxy", "fcgi", "uwsgi", "scgi"):
        tmp_path.joinpath(name).mkdir()
    server = Nginx(tmp_path)
    await server.start()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as server.session:
        yield server
    await server.kill()


class Listener:
    """One room, kept up over drops with what the last marks said: what collect does."""

    def __init__(self, nginx: Nginx, room: str, kind: str = "sse") -> None:
        self.room, self.kind = room, kind
        if kind == "sse":
            self.make = lambda watch: Sse(Options(url=nginx.url(), mark_every_seconds=0.05), watch, TOOLS)
        else:
            self.make = lambda watch: Websocket(SocketOptions(url=nginx.url("ws"), mark_every_seconds=0.05), watch, TOOLS)
        self.resume = Resume()
        self.ids: list[str] = []
        self.gaps: list[Gap] = []
        self.live = asyncio.Event()
        self.heard = asyncio.Condition()
        self.drops = 0

    async def run(self) -> None:
        while True:
            target = Target(livestream=f"{self.kind}:{self.room}", handle=self.room, resume=self.resume)
            try:
                async with aclosing(self.make(Watch([target])).events()) as items:
                    async for item in items:
                        await self.take(item)
            except Dropped:
                self.live.clear()
                self.drops += 1
                await asyncio.sleep(0.05)

    async def take(self, item) -> None:
        async with self.heard:
            match item:
                case Message():
                    self.ids.append(item.id)
                case Gap():
                    self.gaps.append(item)
                case Mark():
                    self.resume = Resume(
                        cursor=item.cursor or self.resume.cursor, covered_until=item.covered_until or self.resume.covered_until
                    )
                case Health(state="live"):
                    self.live.set()
            self.heard.notify_all()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(30), self.heard:
            await self.heard.wait_for(lambda: len(self.ids) >= count)


class Running:
    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    async def __aenter__(self) -> None:
        for listener in self.listeners:
            listener.live.clear()
        self.tasks = [asyncio.create_task(listener.run()) for listener in self.listeners]
        async with asyncio.timeout(60):
            await asyncio.gather(*(listener.live.wait() for listener in self.listeners))

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.parametrize("kind", ["sse", "websocket"])
async def test_a_thousand_subscribers_hear_every_message_once(nginx, kind):
    listeners = [Listener(nginx, f"room{n:04}", kind) for n in range(SUBSCRIBERS)]
    began = datetime.now(UTC)
    async with Running(*listeners):
        connected = datetime.now(UTC)
        for number in range(3):
            await asyncio.gather(*(nginx.say(listener.room, number) for listener in listeners))
        for listener in listeners:
            await listener.has(3)
    done = datetime.now(UTC)
    expected = {f"{kind}:{listener.room}-{number}" for listener in listeners for number in range(3)}
    heard = [one for listener in listeners for one in listener.ids]
    assert set(heard) == expected
    assert len(heard) == len(expected)
    assert sum(listener.drops for listener in listeners) == 0
    print(f"{kind}: {SUBSCRIBERS} connected in {(connected - began).total_seconds():.1f} s, {len(heard)} messages in {(done - connected).total_seconds():.1f} s")  # fmt: skip


async def test_what_is_published_while_away_comes_after_the_last_id(nginx):
    listener = Listener(nginx, "away")
    async with Running(listener):
        for number in range(3):
            await nginx.say("away", number)
        await listener.has(3)
        async with asyncio.timeout(30), listener.heard:
            await listener.heard.wait_for(lambda: listener.resume.cursor is not None)
    first = list(listener.ids)
    for number in range(3, 50):
        await nginx.say("away", number)
    async with Running(listener):
        await nginx.say("away", 50)
        async with asyncio.timeout(30), listener.heard:
            await listener.heard.wait_for(lambda: "sse:away-50" in listener.ids)
    assert set(listener.ids) == {f"sse:away-{number}" for number in range(51)}
    assert len(set(listener.ids[len(first) :]) & set(first)) <= 3, "what comes again is what was not marked yet"
    assert listener.gaps == []


async def test_a_websocket_without_a_cursor_owns_up_to_what_it_missed(nginx):
    listener = Listener(nginx, "gappy", "websocket")
    async with Running(listener):
        await nginx.say("gappy", 0)
        await listener.has(1)
        async with asyncio.timeout(30), listener.heard:
            await listener.heard.wait_for(lambda: listener.resume.covered_until is not None)
    away = datetime.now(UTC)
    await nginx.say("gappy", 1)
    back = datetime.now(UTC)
    async with Running(listener):
        await nginx.say("gappy", 2)
        await listener.has(2)
    assert listener.ids == ["websocket:gappy-0", "websocket:gappy-2"]
    [gap] = listener.gaps
    assert gap.from_ <= away
    assert gap.to >= back


@pytest.mark.parametrize("lookback", [0.0, 0.001], ids=["trusting", "knowing"])
async def test_a_killed_server_is_found_again_and_what_it_forgot_is_a_gap_where_that_is_known(nginx, lookback):
    """nchan's memory dies with it and nothing in its protocol says so, which is what ``lookback_seconds`` is for.

    One subscriber: with two that resume from an id of its former life nchan 1.3.6 falls over its own assertion (spool.c).
    """
    listener = Listener(nginx, "killed")
    listener.make = lambda watch: Sse(Options(url=nginx.url(), mark_every_seconds=0.05, lookback_seconds=lookback), watch, TOOLS)
    async with Running(listener):
        await nginx.say("killed", 0)
        await listener.has(1)
        async with asyncio.timeout(30), listener.heard:
            await listener.heard.wait_for(lambda: listener.resume.cursor is not None)
        listener.resume = Resume(cursor=listener.resume.cursor, covered_until=datetime.now(UTC) - timedelta(seconds=1))
        await nginx.kill()
        async with asyncio.timeout(30):
            while not listener.drops:
                await asyncio.sleep(0.01)
            await nginx.start()
            while await nginx.subscribers("killed") < 1:
                await asyncio.sleep(0.02)
        await nginx.say("killed", 1)
        await listener.has(2)
    assert listener.ids == ["sse:killed-0", "sse:killed-1"]
    assert bool(listener.gaps) is bool(lookback)
