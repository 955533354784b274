"""A simulated Twitch with its EventSub, a clock that the test moves, and those who ask it: a keeper driven by hand, or the whole of discovery."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from contextlib import aclosing, asynccontextmanager
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors import rest
from connectors.connector import Dropped, ProcessMemory, Secret, Tools, make_pseudonym
from connectors.event import Status
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from connectors.simulator.irc import Place
from connectors.simulator.model import SimChannel
from connectors.twitch import Options
from connectors.twitch.eventsub_keeper import EventSubKeeper
from monitor.config import Config, Event, Platform, Public, Scope
from monitor.discover import Discovery
from monitor.hooks import Hooks
from monitor.journal import Journal
from monitor.produce import Producer
from monitor.reload import Setup
from monitor.roster import Channel, Roster
from monitor.setup import author_key

PSEUDONYM = make_pseudonym(b"a key")
PATIENCE_SECONDS = 120.0
"""A passing test never waits it out."""


def be_patient(monkeypatch):
    """The product's limits of some seconds, for tests of something else on a slow machine; and no waiting between two looks."""
    monkeypatch.setattr("connectors.twitch.eventsub_link.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("connectors.twitch.eventsub_session.SLACK_SECONDS", 600.0)
    monkeypatch.setattr("connectors.twitch.eventsub_session.WELCOME_SECONDS", 600.0)


COUNT = 6


class World:
    """Helix and EventSub with a clock of the test's; ``keeper`` is driven by hand, or a Discovery drives one."""

    def __init__(self, clock, *, count=COUNT):
        self.clock = clock
        self.places = [
            Place(SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"c{n}", native_id=str(500 + n)), n)
            for n in range(count)
        ]
        self.ids = [place.room_id for place in self.places]
        self.air = Airtime([1.0] * count, random.Random(1), self.unix(), tags=("#OurSummit",))
        for number in range(count):
            self.air.go_offline(number)
        self.server = HelixServer(self.places, self.air, clock=self.unix, points=100_000)
        self.push = self.server.eventsub
        self.tools = Tools(pseudonym=PSEUDONYM, now=clock.now, dice=random.Random(1), memory=ProcessMemory(), sleep=self.sleep)

    async def sleep(self, seconds):
        await asyncio.sleep(0)

    def unix(self):
        return self.clock.now().timestamp()

    async def open(self):
        port = await self.server.start()
        self.base = f"http://127.0.0.1:{port}"
        self.options = {
            "client_id": Secret(CLIENT_ID), "client_secret": Secret(CLIENT_SECRET), "helix_url": f"{self.base}/helix",
            "login_url": f"{self.base}/oauth2", "eventsub_url": f"ws://127.0.0.1:{port}/eventsub/ws",
            "login_timeout_seconds": 600.0,
        }  # fmt: skip
        self.session = rest.client()
        login = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        async with self.session.post(f"{self.base}/oauth2/token", data=login) as reply:
            self.token = (await reply.json())["access_token"]

    async def close(self):
        await self.session.close()
        await self.server.stop()

    def keeper(self, wanted=None, kind=EventSubKeeper, callback="", **options):
        made = kind(Options(**self.options | options), self.tools, callback)
        made.watch(self.ids if wanted is None else wanted)
        return made

    async def drive(self, keeper, most=500, seconds=0):
        """Ask for as long as there is something to ask; gives what was asked, as method and path."""
        asked = []
        while len(asked) < most:
            ask = keeper.next(self.clock.now())
            if ask is None:
                if seconds <= 0:
                    return asked
                self.clock.advance(1)
                seconds -= 1
                continue
            asked.append((ask.method, (ask.url.partition("/eventsub/")[2] or ask.url.rpartition("/")[2]).partition("?")[0]))
            if keeper.with_token:
                ask = dataclasses.replace(ask, headers={**ask.headers, "Authorization": f"Bearer {self.token}"})
            keeper.take(await rest.send(self.session, ask), self.clock.now())
        return asked

    def subscribed(self, *kinds):
        return {
            one["condition"]["broadcaster_user_id"]
            for one in self.push.subscriptions.values()
            if not kinds or one["type"] in kinds
        }


class Told:
    """What a keeper is told over its connections, while the world goes on."""

    def __init__(self, world, keeper):
        self.world, self.keeper, self.items, self.failure = world, keeper, [], None

    async def __aenter__(self):
        self.task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _read(self):
        directory = {place.room_id: f"twitch:{place.login}" for place in self.world.places}
        try:
            async with aclosing(self.keeper.told(lambda: directory)) as told:
                async for item in told:
                    self.items.append(item)
        except Dropped as failure:
            self.failure = failure

    async def until(self, true):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.world.drive(self.keeper)
                await asyncio.sleep(0.005)

    async def tells_over_a_reconnect(self):
        """The server orders it while one channel goes live, and another does on the connection that took over."""
        push, air, unix = self.world.push, self.world.air, self.world.unix
        push.order_reconnect(self.world.options["eventsub_url"])
        air.go_live(0, unix())
        push.tick()
        await self.until(lambda: len(self.items) == 1)
        await self.until(lambda: len(push.sockets) == 1)
        air.go_live(1, unix())
        push.tick()
        await self.until(lambda: len(self.items) == 2)
        assert [hint.native_id for hint in self.items] == ["500", "501"]

    async def ready(self):
        await self.until(lambda: all(all(shards) for shards in self.world.push.conduits.values()) and self.world.push.conduits)


class Whole(World):
    """A serve that receives and a collector that discovers besides."""

    def __init__(self, clock, journal, url, folder):
        super().__init__(clock)
        self.journal, self.folder, self.events = journal, folder, []
        self.tools = dataclasses.replace(self.tools, pseudonym=make_pseudonym(author_key(folder)))
        self.hooks = Hooks(lambda: Producer(url, folder / "spool", 2, name="serve"), self.tools, now=clock.now, put_seconds=60)

    async def open(self, **options):
        await super().open()
        app = web.Application()
        self.hooks.add_routes(app.router)
        self.serve = TestServer(app)
        await self.serve.start_server()
        self.public = str(self.serve.make_url("")).rstrip("/")
        config = Config(
            event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=("#OurSummit",)),
            platforms={"twitch": Platform(name="twitch", options=self.options | options)},
            scope=Scope(hours="always"), public=Public(url=self.public),
        )  # fmt: skip
        roster = Roster(
            channels=tuple(
                Channel(id=f"twitch:c{n}", attendee=str(n), name=f"c{n}", country="BR", language="pt", platform="twitch", handle=f"c{n}", consent="yes")
                for n in range(COUNT)
            )
        )  # fmt: skip
        self.setup = Setup(config=config, roster=roster)
        await self.hooks.reconfigure(config, roster)
        self.discovery = Discovery(
            self.journal, self.put, lambda: self.setup, self.fetch, self.tools, token="one", public=lambda: self.public
        )
        assert await self.discovery.claim()

    async def close(self):
        await self.discovery.pushes.pause()
        await super().close()
        await self.serve.close()
        await self.hooks.close()

    async def fetch(self, ask):
        return await rest.send(self.session, ask)

    async def put(self, events):
        self.events += events

    async def second(self, seconds=1.0):
        self.clock.advance(seconds)
        self.push.tick()
        await self.push.settled()
        await self.hooks.look_at_channels(self.journal.redis)
        await self.discovery.turn()
        await self.discovery.push()
        await self.push.settled()
        await asyncio.sleep(0.005)

    async def until(self, true, seconds=0.0):
        """Turns in which the clock advances by so little."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.second(seconds)

    def live(self):
        return {event.livestream for event in self.events if isinstance(event, Status) and event.state == "live"}


@asynccontextmanager
async def everything(valkey, clock, folder, monkeypatch):
    """A Whole on a journal of its own, closed afterwards."""
    be_patient(monkeypatch)
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = Whole(clock, journal, valkey, folder)
    yield made
    await made.close()
    await journal.close()
