"""The simulated partner, relay, Owncast and sender of webhooks: each connector reads exactly what the ledger says, or owns up to what it cannot resume."""

from __future__ import annotations

import pytest
from simulating import Reader, World, same, targets

from connectors import rest
from connectors import sse as sse_connector
from connectors import websocket as websocket_connector
from connectors.connector import Dropped, Refused, Secret, Throttled
from connectors.event import Gap, Join, Message, Unknown, Viewers
from connectors.simulator.faults import Faults
from connectors.simulator.model import SimChannel
from connectors.simulator.sse import KEPT_SECONDS, KEY, SsePlatform, WebsocketPlatform


def channels_of(platform, count=3):
    return [SimChannel(livestream=f"{platform}:c{n}", platform=platform, handle=f"c{n}", country="BR") for n in range(count)]


def bustle(world, rounds=3):
    """Everything that can happen, in all channels."""
    for number in range(rounds):
        for room in range(len(world.channels)):
            sent = world.say(room)
            world.say(room, who=number)
            world.say(room, "bits", units=550)
            world.say(room, "resub", text="" if number % 2 else None)
            world.say(room, "subgift")
            world.say(room, "sub")
            world.say(room, "raid", units=70)
            world.say(room, "mystery", units=5)
            world.say(room, "delete", target=sent)
        world.step()
    troll = world.newcomer()
    for _ in range(2):
        world.say(0, who=troll)
    world.say(0, "ban", who=troll)


def is_complete(world, reader):
    def true():
        expected = world.standing().keys()
        return expected <= reader.standing().keys() and reader.standing().keys() <= expected

    return true


async def held(world, count=1):
    await world.until(lambda: len(world.platform.readers) == count)


# --- a partner's feed: what it is asked and what it answers ----------------------------------------------------------------

FEEDS = {
    "sse.simulated": (
        SsePlatform, sse_connector.Sse,
        lambda url: sse_connector.Options(
            url=url, token=Secret(KEY), lookback_seconds=KEPT_SECONDS, mark_every_seconds=0.01, section="sse.simulated"
        ),
    ),
    "websocket.simulated": (
        WebsocketPlatform, websocket_connector.Websocket,
        lambda url: websocket_connector.Options(
            url=url, token=Secret(KEY), resume={"query": "since", "from": "/number"}, mark_every_seconds=0.01, section="websocket.simulated"
        ),
    ),
}  # fmt: skip


@pytest.fixture(params=list(FEEDS))
async def feed(request, tmp_path):
    kind, connector, options = FEEDS[request.param]
    async with World(kind, channels_of(request.param), tmp_path).running() as made:
        made.connector, made.options = connector, options(made.told[request.param.replace(".", "_")])
        yield made


def reader_of(world, **more):
    return Reader(world, world.connector, world.options, targets(world.channels, **more))


async def test_a_feed_is_read_exactly_as_the_ledger_says(feed):
    reader = reader_of(feed)
    async with reader.reading():
        await held(feed)
        bustle(feed)
        await feed.until(is_complete(feed, reader))
        await feed.rest()
    assert not reader.failures
    assert reader.repeats == 0
    assert not reader.of(Gap, Unknown)
    same(reader, feed)
    assert {line.kind for line in feed.lines()} == {"comment", "gift", "reaction", "share", "notice", "removed"}
    assert reader.of(Join)
    assert reader.of(Viewers)


@pytest.mark.parametrize("fate", ["drop", "stall", "half", "garbage", "repeat", "reorder"])
async def test_whatever_befalls_a_feed_nothing_is_lost_and_nothing_counts_twice(feed, fate):
    reader = reader_of(feed)
    async with reader.reading():
        await held(feed)
        bustle(feed, 1)
        await feed.until(is_complete(feed, reader))
        feed.mishaps.set(Faults(stall_seconds=1.0, **{fate: 0.1}))
        for _ in range(4):
            bustle(feed, 1)
            await feed.rest(30)
        feed.mishaps.calm()
        await feed.until(is_complete(feed, reader))
        await feed.rest()
    same(reader, feed)
    assert not reader.gaps()
    if fate in ("drop", "half"):
        assert {type(failure) for failure in reader.failures} == {Dropped}
    if fate == "repeat":
        assert reader.repeats > 0


@pytest.mark.parametrize(
    ("status", "failure"), [(401, Refused), (403, Refused), (429, Throttled), (500, Dropped), (503, Throttled)]
)
async def test_a_refused_feed_is_read_on_where_it_stopped(feed, status, failure):
    reader = reader_of(feed)
    async with reader.reading():
        await held(feed)
        bustle(feed, 1)
        await feed.until(is_complete(feed, reader))
        feed.mishaps.set(Faults(refuse=1.0, status=status, retry_after=2))
        feed.platform.drop_all()
        await feed.until(lambda: len(reader.failures) > 1)
        bustle(feed, 1)
        feed.mishaps.calm()
        await feed.until(is_complete(feed, reader))
    assert {type(one) for one in reader.failures[1:]} == {failure}
    same(reader, feed)


async def test_who_was_killed_goes_on_behind_what_was_handed_on(feed):
    reader = reader_of(feed)
    async with reader.reading():
        await held(feed)
        bustle(feed, 1)
        await feed.until(is_complete(feed, reader))
        await feed.rest()
    await feed.until(lambda: not feed.platform.readers)
    bustle(feed, 2)
    async with reader.reading():
        await held(feed)
        bustle(feed, 1)
        await feed.until(is_complete(feed, reader))
    same(reader, feed)
    assert not reader.gaps()


async def test_a_wrong_key_and_a_feed_that_is_over_are_refused(feed):
    reader = reader_of(feed)
    async with reader.reading():
        await held(feed)
        feed.mishaps.set(Faults(ended=True))
        await feed.until(lambda: len(reader.failures) > 1)
    async with rest.client(environment=False) as session:
        url = reader.options.url.replace("ws:", "http:")
        assert (await rest.send(session, rest.Ask(url=url, headers={"Authorization": "Bearer wrong"}))).status == 401


async def test_what_the_partner_does_not_keep_any_more_is_a_gap(tmp_path):
    kind, connector, options = FEEDS["sse.simulated"]
    async with World(kind, channels_of("sse.simulated", 1), tmp_path).running() as world:
        reader = Reader(world, connector, options(world.told["sse_simulated"]), targets(world.channels))
        async with reader.reading():
            await held(world)
            world.say()
            await world.until(lambda: reader.of(Message) and reader.targets["sse.simulated:c0"].resume.cursor)
        resume = reader.targets["sse.simulated:c0"].resume
        covered = world.tools().now()
        reader.targets["sse.simulated:c0"] = targets(
            world.channels, resume=type(resume)(cursor=resume.cursor, covered_until=covered)
        )[0]
        await world.until(lambda: not world.platform.readers)
        world.step()
        lost = world.say()
        world.step(KEPT_SECONDS + 30)
        async with reader.reading():
            await held(world)
            world.say()
            await world.until(lambda: len(reader.of(Message)) == 2)
        (gap,) = reader.gaps()
        assert gap.from_.timestamp() <= lost.at / 1000 <= gap.to.timestamp()
        assert f"sse.simulated:{lost.native}" not in reader.events
