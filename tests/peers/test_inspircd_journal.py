"""The whole way from a foreign IRC server to the journal: a thousand channels, every message once, and a restart that leaves a gap."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from zoneinfo import ZoneInfo

from test_inspircd import CHANNELS, ROUNDS, Server, feed, pytestmark  # noqa: F401 - the marks count here too

from connectors.connector import Tools, make_pseudonym
from connectors.event import Gap, Message, from_json
from monitor.collect import Collector
from monitor.config import Config, Event, Platform
from monitor.journal import Journal
from monitor.produce import Producer
from monitor.reload import Setup
from monitor.roster import Channel, Roster


def setup_for(server: Server) -> Setup:
    options = {"url": f"ws://127.0.0.1:{server.websocket}", "origin": "http://peer.test", "joins_per_10_seconds": 100}
    config = Config(
        event=Event(name="peer", timezone=ZoneInfo("UTC")),
        platforms={"twitch": Platform(name="twitch", options=options), "bluesky": Platform(name="bluesky", enabled=False)},
        require_consent=False,
    )
    roster = Roster(
        channels=tuple(
            Channel(id=f"twitch:{room}", attendee=room, name=room, country="BR", language="pt", platform="twitch", handle=room)
            for room in CHANNELS
        )
    )
    return Setup(config=config, roster=roster)


async def read(journal: Journal) -> list[Message | Gap]:
    found = []
    for partition in range(journal.partitions):
        first = ""
        while chunk := await journal.scan(partition, first, "", 5000):
            found += [event for _, payload in chunk if isinstance(event := from_json(payload), Message | Gap)]
            first = f"({chunk[-1][0]}"
    return found


async def until(true, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.05)


async def test_every_message_of_a_thousand_channels_is_in_the_journal_once_and_a_restart_is_a_gap(tmp_path, valkey, redis_client):
    server = Server(tmp_path)
    await server.start()
    kept: list = []
    at_risk: list = []
    tools = Tools(pseudonym=make_pseudonym(b"peer"), dice=random.Random(3))
    try:
        async with (
            Journal(valkey).opened() as journal,
            Producer(valkey, tmp_path / "spool", journal.partitions) as producer,
        ):
            await journal.prepare()
            collector = Collector(journal, producer, setup_for(server), tools, token="peer", connect_every=0.0)

            async def live() -> bool:
                return sum(state["state"] == "live" for state in collector._states.values()) == len(CHANNELS)

            async def arrived(phase: str) -> bool:
                return sum(phase in event.text for event in await read(journal) if isinstance(event, Message)) >= ROUNDS * len(
                    CHANNELS
                )

            async def noticed() -> bool:
                return not any(state["state"] == "live" for state in collector._states.values())

            running = asyncio.create_task(collector.run(lambda: None))
            await until(live)
            await feed(server, "before", kept)
            await until(lambda: arrived("before"))
            feeding = asyncio.create_task(feed(server, "during", at_risk))
            await until(lambda: heard_some(journal, "during"))
            await server.kill()
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await until(noticed)
            collector.connections._connect_every = 1.0  # as with a real platform, connections come back one after the other
            await server.start()
            await feed(server, "away", at_risk)
            await until(live)
            await feed(server, "after", kept)
            await until(lambda: arrived("after"))
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            events = await read(journal)
    finally:
        await server.kill()
    heard = Counter(event.text for event in events if isinstance(event, Message))
    gaps = [event for event in events if isinstance(event, Gap)]
    assert max(heard.values()) == 1
    assert {text for text, _ in kept} <= set(heard)
    missed = [(text, at) for text, at in at_risk if text not in heard]
    assert missed, "the fault did not happen: nothing was missed"
    for text, at in missed:
        livestream = f"twitch:{text.partition(' ')[0]}"
        assert any(gap.livestream == livestream and gap.from_ <= at <= gap.to for gap in gaps), text


async def heard_some(journal: Journal, phase: str) -> bool:
    return sum(phase in event.text for event in await read(journal) if isinstance(event, Message)) >= 300
