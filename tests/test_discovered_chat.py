"""From the simulated Twitch through discovery, collector and gate into the journal: what is of the event, all of it, and nothing else."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors import rest
from connectors.connector import Mark, Resume, Secret, Tools
from connectors.event import Gap, Message, Viewers, from_json
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.run import Simulator
from connectors.simulator.texts import Text
from monitor.collect import Collector
from monitor.config import Config, Event, Platform, Scope
from monitor.discover import Discovery, fetcher
from monitor.journal import Journal
from monitor.produce import Producer
from monitor.reload import Setup
from monitor.roster import Channel, Roster

NAMES = ("live", "offline", "other", "renamed")


class Town:
    """A simulator, a collector and a discovery, stepped by the test."""

    def __init__(self, journal, producer, session):
        channels = [
            SimChannel(livestream=f"twitch:{name}", platform="twitch", handle=name, native_id=str(500 + n))
            for n, name in enumerate(NAMES)
        ]
        self.journal, self.producer, self.session = journal, producer, session
        self.said = 0
        self.simulator = Simulator(channels, rate=0.0, seed=1, hashtags=("#OurSummit",))
        self.roster = Roster(
            channels=tuple(
                Channel(
                    id=f"twitch:{name}", attendee=name, name=name, country="BR", language="pt", platform="twitch", handle=name,
                    consent="yes",
                )
                for name in NAMES
            )
        )  # fmt: skip

    async def open(self):
        urls = await self.simulator.start()
        options = {
            "url": urls["twitch"],
            "client_id": Secret(CLIENT_ID),
            "client_secret": Secret(CLIENT_SECRET),
            "helix_url": f"{urls['helix']}/helix",
            "login_url": f"{urls['helix']}/oauth2",
            "live_every_seconds": 0.01,
        }
        config = Config(
            event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=("#OurSummit",)),
            platforms={"twitch": Platform(name="twitch", options=options)},
            scope=Scope(hours="always"),
        )
        setup = Setup(config=config, roster=self.roster)
        tools = Tools(pseudonym=lambda _, author: author)
        self.collector = Collector(self.journal, self.producer, setup, tools, token="t", connect_every=0.0)
        self.collector._shares = set(range(256))
        self.discovery = Discovery(self.journal, self.producer.put, lambda: setup, fetcher(self.session), tools, token="t")
        assert await self.discovery.claim()

    async def look(self):
        await self.discovery.turn()
        if await self.collector.look_at_channels():
            await self.collector.replan()

    async def until(self, what, seconds=20):
        async with asyncio.timeout(seconds):
            while not what():
                self.simulator.step()
                await self.collector.flush()
                await asyncio.sleep(0.01)

    async def until_read(self, name, text):
        async with asyncio.timeout(30):
            while text not in await self.texts(name):
                self.simulator.step()
                await self.collector.flush()
                await asyncio.sleep(0.01)

    def say(self, name, text, ago=0.0):
        """A message that was written so many seconds ago."""
        self.said += 1
        member = make_member(random.Random(self.said), self.said, "en", 1)
        at = int((self.simulator.clock() - ago) * 1000)
        self.simulator.platforms["twitch"].chat.deliver(
            [Sent("message", at, f"m{self.said}", NAMES.index(name), member, text=Text(text))]
        )

    def joined(self, name):
        return bool(self.simulator.platforms["twitch"].chat.rooms[NAMES.index(name)].clients)

    def held(self, name):
        held = self.collector.gate._held.get(f"twitch:{name}")
        events = [event for _, event in held.events] if held is not None else []
        return [event.text for event in events if isinstance(event, Message)]

    async def texts(self, name):
        return [event.text for event in await self.events(name)]

    async def events(self, name, kind=Message):
        await self.producer.flushed()
        entries = [entry for p in range(self.journal.partitions) for _, entry in await self.journal.scan(p, "", "", 100_000)]
        found = [event for event in map(from_json, entries) if event.livestream == f"twitch:{name}"]
        return [event for event in found if isinstance(event, kind)]


@pytest.fixture
async def town(valkey, redis_client, tmp_path):
    async with (
        Journal(valkey, partitions=2).opened() as journal,
        Producer(valkey, tmp_path / "spool", 2) as producer,
        rest.client() as session,
    ):
        await journal.prepare()
        made = Town(journal, producer, session)
        await made.open()
        yield made
        await made.collector._stop()
        await made.simulator.stop()


async def test_the_event_is_read_from_the_beginning_of_each_broadcast_and_nothing_else(town):
    air = town.simulator.air
    air.go_offline(NAMES.index("offline"))
    air.channels[NAMES.index("other")].title = "cooking noodles"
    await town.look()
    await town.collector.replan()
    await town.until(lambda: town.joined("live") and town.joined("offline"))
    for name in NAMES:
        town.say(name, f"hello {name}")
    await town.until_read("live", "hello live")
    assert not town.joined("other")
    [event] = await town.events("live")
    assert event.broadcast == air.channels[0].id
    assert await town.events("live", Viewers)

    # Somebody talks in the open chat of a channel that is offline; then it goes live, and is discovered a while later.
    town.say("offline", "long before", ago=40)
    town.say("offline", "just after it began", ago=9)
    town.say("offline", "now")
    await town.until(lambda: "now" in town.held("offline"))
    assert await town.texts("offline") == []
    began = air.go_live(NAMES.index("offline"), town.simulator.clock() - 10)
    await town.look()
    town.say("offline", "and on")
    await town.until_read("offline", "and on")
    found = await town.events("offline")
    assert [event.text for event in found] == ["hello offline", "just after it began", "now", "and on"]
    assert {event.broadcast for event in found} == {began.id}
    assert await town.texts("other") == []


async def test_what_the_producer_ignores_is_left_at_once(town):
    await town.look()
    await town.collector.replan()
    await town.until(lambda: town.joined("live"))
    await town.discovery.store.decide("producer", "twitch:live", town.simulator.air.channels[0].id, count=False)
    await town.look()
    await town.until(lambda: not town.joined("live"))


async def test_a_renamed_channel_is_read_on_under_its_new_login(town):
    await town.look()
    await town.collector.replan()
    await town.until(lambda: town.joined("renamed"))
    town.say("renamed", "under the old name")
    await town.until_read("renamed", "under the old name")
    town.simulator.platforms["twitch"].chat.rename(NAMES.index("renamed"), "new_name")
    town.simulator.platforms["twitch"].chat.rooms[NAMES.index("renamed")].clients.clear()
    await town.look()
    row = town.discovery.rows["twitch:renamed"]
    assert (row.handle, row.native_id) == ("new_name", "503")
    await town.until(lambda: town.joined("renamed"))
    town.say("renamed", "under the new name")
    await town.until_read("renamed", "under the new name")


async def test_what_is_held_when_the_collector_dies_lies_in_the_next_ones_gap(town):
    town.simulator.air.go_offline(NAMES.index("offline"))
    await town.look()
    await town.collector.replan()
    await town.until(lambda: town.joined("offline"))
    town.say("offline", "held")
    await town.until(lambda: "held" in town.held("offline"))
    oldest = min(event.at for _, event in town.collector.gate._held["twitch:offline"].events)
    later = Mark(livestreams=("twitch:offline", "twitch:live"), covered_until=oldest + timedelta(seconds=30))
    town.collector._items.append(later)
    await town.collector.flush()
    resumes = town.collector._resumes
    assert resumes["twitch:offline"].covered_until <= oldest
    assert resumes["twitch:live"].covered_until == later.covered_until


async def test_what_was_none_of_our_business_is_no_gap(town):
    """Closed for hours and opened again: only what is missing from then on is."""
    town.simulator.air.channels[NAMES.index("other")].title = "cooking noodles"
    await town.look()
    await town.collector.replan()
    await town.until(lambda: town.joined("live"))
    old = town.collector.tools.now() - timedelta(hours=9)
    town.collector._resumes["twitch:other"] = Resume(covered_until=old)
    broadcast = town.simulator.air.channels[NAMES.index("other")].id
    await town.discovery.store.decide("producer", "twitch:other", broadcast, count=True)
    opened = town.collector.tools.now()
    await town.look()
    await town.until(lambda: town.joined("other"))
    town.say("other", "accepted")
    await town.until_read("other", "accepted")
    for gap in await town.events("other", Gap):
        assert gap.from_ >= opened - timedelta(seconds=2)
