"""The simulated partner, relay, Owncast and sender of webhooks: each connector reads exactly what the ledger says, or owns up to what it cannot resume."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web
from simulating import Reader, World, same, targets, unharmed

from connectors import owncast as owncast_connector
from connectors import rest
from connectors import restream as restream_connector
from connectors import sse as sse_connector
from connectors import ssn as ssn_connector
from connectors import webhook as webhook_connector
from connectors import websocket as websocket_connector
from connectors.connector import Dropped, Refused, Request, Secret, Throttled, Tools, Watch
from connectors.event import Gap, Join, Message, Status, Unknown, Viewers
from connectors.simulator.faults import Faults
from connectors.simulator.mastodon import TOKEN as MASTODON_TOKEN
from connectors.simulator.model import SimChannel
from connectors.simulator.owncast import SECRET as OWNCAST_SECRET
from connectors.simulator.owncast import OwncastPlatform
from connectors.simulator.platform import PLATFORMS
from connectors.simulator.restream import TOKEN as RESTREAM_TOKEN
from connectors.simulator.restream import RestreamPlatform
from connectors.simulator.sse import KEPT_SECONDS, KEY, SsePlatform, WebsocketPlatform
from connectors.simulator.ssn import SsnPlatform
from connectors.simulator.telegram import TOKEN as TELEGRAM_TOKEN
from connectors.simulator.webhooks import PAUSES, SECRET, WebhookPlatform, signature


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


@pytest.mark.parametrize(
    ("platform", "option", "credential"),
    [
        ("telegram", "token", TELEGRAM_TOKEN), ("mastodon", "token", MASTODON_TOKEN), ("sse.simulated", "token", KEY),
        ("websocket.simulated", "token", KEY), ("owncast", "secret", OWNCAST_SECRET), ("webhook.simulated", "secret", SECRET),
    ],
)  # fmt: skip
def test_what_the_connector_is_told_is_what_the_server_wants(platform, option, credential):
    assert PLATFORMS[platform].options[option] == credential
    assert PLATFORMS["sse.simulated"].options["lookback_seconds"] == KEPT_SECONDS


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
    unharmed(reader, feed, fate)
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


async def test_a_feed_that_says_the_end_again_counts_once(feed):
    reader = reader_of(feed)
    feed.mishaps.set(Faults(overlap=0.5))
    async with reader.reading():
        await held(feed)
        for _ in range(10):
            feed.say()
        await feed.until(is_complete(feed, reader))
        for turn in range(1, 3):
            before = set(feed.platform.readers)
            feed.platform.drop_all()
            await feed.until(lambda before=before: feed.platform.readers - before, seconds=1)
            feed.say()
            await feed.until(is_complete(feed, reader))
            assert reader.repeats >= 5 * turn - 2
    same(reader, feed)
    assert not reader.gaps()


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


# --- what cannot resume: Social Stream Ninja's relay, Owncast and Restream -----------------------------------------------------------

ROOMS = {
    "ssn": (SsnPlatform, ssn_connector.Ssn, lambda url: ssn_connector.Options(url=url, mark_every_seconds=0.01)),
    "owncast": (
        OwncastPlatform, owncast_connector.Owncast,
        lambda url: owncast_connector.Options(url=url, secret=Secret(OWNCAST_SECRET), mark_every_seconds=0.01),
    ),
    "restream": (
        RestreamPlatform, restream_connector.Restream,
        lambda url: restream_connector.Options(url=url, token=Secret(RESTREAM_TOKEN), mark_every_seconds=0.01),
    ),
}  # fmt: skip
SAYS = {
    "ssn": {"comment", "gift", "share", "reaction", "removed"},
    "owncast": {"comment", "share", "reaction", "removed"},
    "restream": {"comment", "gift"},
}
"""What each platform can tell of."""


@pytest.fixture(params=list(ROOMS))
async def room(request, tmp_path):
    """One channel: each has a connection of its own."""
    kind, connector, options = ROOMS[request.param]
    async with World(kind, channels_of(request.param, 1), tmp_path).running() as made:
        made.connector, made.options = connector, options(made.told[request.param])
        yield made


async def test_a_room_is_read_exactly_as_the_ledger_says(room):
    reader = reader_of(room)
    async with reader.reading():
        await held(room)
        bustle(room)
        await room.until(is_complete(room, reader))
        await room.rest()
    assert not reader.failures
    assert not reader.of(Gap, Unknown)
    same(reader, room, tells_time=room.platform.name != "ssn")
    assert SAYS[room.platform.name] <= {line.kind for line in room.lines()}


@pytest.mark.parametrize("fate", ["stall", "repeat", "garbage", "reorder"])
async def test_what_cuts_no_connection_costs_a_room_nothing(room, fate):
    reader = reader_of(room)
    async with reader.reading():
        await held(room)
        room.mishaps.set(Faults(stall_seconds=1.0, **{fate: 0.2}))
        for _ in range(4):
            for _ in range(5):
                room.say()
            await room.rest(30)
        room.mishaps.calm()
        await room.until(is_complete(room, reader))
        await room.rest()
    same(reader, room, tells_time=False)
    assert not reader.gaps()


@pytest.mark.parametrize("fate", ["drop", "half"])
async def test_what_was_said_while_a_room_was_cut_lies_in_a_gap(room, fate):
    reader = reader_of(room)
    async with reader.reading():
        await held(room)
        for _ in range(5):
            room.say()
        await room.until(is_complete(room, reader))
        await room.rest(150)  # what was said is covered by now
        room.mishaps.set(Faults(**{fate: 1.0}))
        room.say()
        await room.until(lambda: reader.failures)
        room.mishaps.calm()
        room.say()
        await room.until(lambda: room.platform.readers)
        await room.rest()
        last = room.say()
        await room.until(lambda: any(f":{last.native}" in key for key in reader.events))
    lost = [line for line in room.lines() if line.id not in reader.events]
    assert 1 <= len(lost) <= 3
    for line in lost:
        assert any(gap.from_.timestamp() <= line.at / 1000 <= gap.to.timestamp() for gap in reader.gaps())
    assert {type(failure) for failure in reader.failures} == {Dropped}


@pytest.mark.parametrize(("status", "failure"), [(403, Refused), (429, Throttled), (500, Dropped), (503, Throttled)])
async def test_a_room_that_is_refused_is_entered_again(room, status, failure):
    reader = reader_of(room)
    room.mishaps.set(Faults(refuse=1.0, status=status, retry_after=2))
    async with reader.reading():
        await room.until(lambda: reader.failures)
        room.mishaps.calm()
        await held(room)
        room.say()
        await room.until(is_complete(room, reader))
    assert {type(one) for one in reader.failures} == {failure}


async def test_who_connects_anew_is_told_the_end_again_and_counts_it_once(room):
    reader = reader_of(room)
    room.mishaps.set(Faults(overlap=0.5))
    again = []
    async with reader.reading():
        await held(room)
        for _ in range(10):
            room.say()
        await room.until(is_complete(room, reader))
        for _ in range(3):
            before = set(room.platform.readers)
            room.platform.drop_all()
            await room.until(lambda before=before: room.platform.readers - before)
            await room.rest()
            room.say()
            await room.until(is_complete(room, reader))
            again.append(reader.repeats)
    assert again == [5, 8, 10], "half of ten; then half of those five and one more, and so on"
    same(reader, room, tells_time=False)


async def test_an_expired_token_of_restream_is_refused(tmp_path):
    async with World(RestreamPlatform, channels_of("restream", 1), tmp_path).running() as world:
        options = ROOMS["restream"][2](world.told["restream"])
        reader = Reader(world, restream_connector.Restream, options, targets(world.channels))
        async with reader.reading():
            await world.until(lambda: world.platform.readers)
            world.platform.revoke()
            await world.until(lambda: any(isinstance(failure, Refused) for failure in reader.failures))


async def test_two_accounts_of_restream_do_not_hear_each_other(tmp_path):
    async with World(RestreamPlatform, channels_of("restream", 2), tmp_path).running() as world:
        options = ROOMS["restream"][2](world.told["restream"])
        reader = Reader(world, restream_connector.Restream, options, targets(world.channels[:1]))
        async with reader.reading():
            await world.until(lambda: world.platform.readers)
            world.say(0)
            world.say(1)
            world.say(0)
            await world.until(lambda: len(reader.of(Message)) == 2)
    assert {event.livestream for event in reader.of(Message)} == {"restream:c0"}


async def test_a_session_is_joined_by_word_too_and_hears_nothing_of_the_others(tmp_path):
    async with World(SsnPlatform, channels_of("ssn", 2), tmp_path).running() as world:
        world.connector = ssn_connector.Ssn
        url = world.told["ssn"].replace("/join/{native_id}/4", "/")
        reader = Reader(
            world, ssn_connector.Ssn, ssn_connector.Options(url=url, mark_every_seconds=0.01), targets(world.channels[:1])
        )
        async with reader.reading():
            await world.until(lambda: world.platform.joined)
            for _ in range(5):
                world.say(0)
                world.say(1)
            await world.until(is_complete(world, reader))
            await world.rest()
    assert {event.livestream for event in reader.of(Message)} == {"ssn:c0"}
    assert Counter(line.delivered for line in world.lines()) == {True: 5, False: 5}


async def test_an_owncast_that_is_not_there_is_refused(tmp_path):
    async with (
        World(OwncastPlatform, channels_of("owncast", 1), tmp_path).running() as world,
        rest.client(environment=False) as session,
    ):
        for server, path, status in (("c0", "ws?accessToken=x", 403), ("other", "ws", 404)):
            url = world.told["owncast"].replace("{handle}", server)
            assert (await rest.send(session, rest.Ask(url=f"{url}/{path}"))).status == status


# --- who calls us ---------------------------------------------------------------------------------------------------------


class Hooks:
    """Our side of /hooks, as far as a sender sees it: the receiver, and an answer that may be a refusal."""

    def __init__(self):
        self.receivers = {}
        self.events = {}
        self.requests = []
        self.statuses = []
        self.trouble = []
        """Statuses that are answered instead, first come first served."""
        self.now = None

    @asynccontextmanager
    async def listening(self):
        app = web.Application()
        app.router.add_post("/hooks/{name}", self._take)
        app.router.add_post("/hooks/{name}/{rest:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        made = Request(body=await request.read(), headers=headers, path=request.match_info.get("rest", ""))
        self.requests.append(made)
        answer = self.receivers[request.match_info["name"]].receive(made, self.now())
        status = self.trouble.pop(0) if self.trouble else answer.status
        self.statuses.append(status)
        if status == 200:
            self.events |= {event.id: event for event in answer.events}
        return web.Response(status=status)


@pytest.fixture
async def called(tmp_path):
    channels = channels_of("webhook.simulated")
    async with Hooks().listening() as hooks, World(WebhookPlatform, channels, tmp_path, hooks=hooks.url).running() as world:
        options = webhook_connector.Options(secret=Secret(SECRET), section="webhook.simulated")
        directory = {channel.handle: channel.livestream for channel in channels}
        hooks.receivers["webhook.simulated"] = webhook_connector.Webhook(options, directory, world.tools())
        hooks.now = world.tools().now
        world.hooks = hooks
        yield world


def heard(world):
    """What came by webhook, as a reader would have it."""
    reader = Reader(world, None, None, targets(world.channels))
    for event in world.hooks.events.values():
        reader.take(event)
    return reader


async def test_webhooks_tell_exactly_what_the_ledger_says(called):
    bustle(called, 4)
    await called.until(lambda: not called.platform.poster.waiting)
    same(heard(called), called)
    assert not heard(called).of(Unknown)
    assert set(called.hooks.statuses) == {200}
    assert {request.body[:1] for request in called.hooks.requests} == {b"{", b"["}
    assert any(b"\n{" in request.body for request in called.hooks.requests)  # one a line


@pytest.mark.parametrize("fate", ["drop", "stall", "half", "garbage", "repeat"])
async def test_whatever_befalls_deliveries_nothing_is_lost_and_nothing_counts_twice(called, fate):
    called.mishaps.set(Faults(stall_seconds=1.0, **{fate: 0.3}))
    bustle(called, 4)
    await called.until(lambda: not called.platform.poster.waiting, seconds=0.5)
    same(heard(called), called)
    if fate == "garbage":
        assert 400 in called.hooks.statuses
    if fate == "repeat":
        seen = Counter((request.headers["webhook-signature"], request.body) for request in called.hooks.requests)
        assert max(seen.values()) == 2  # a replay is the same to the last byte


async def test_a_sender_that_begins_anew_tells_the_end_again_under_the_same_ids_and_it_counts_once(called):
    called.mishaps.set(Faults(overlap=0.5, drop_every=5.0))
    for _ in range(4):
        bustle(called, 1)
        await called.rest(12)
    called.mishaps.calm()
    await called.until(lambda: not called.platform.poster.waiting)
    same(heard(called), called)
    ids = [request.headers["webhook-id"] for request in called.hooks.requests]
    again = len(ids) - len(set(ids))
    assert again == called.mishaps.told_again > 4
    assert set(called.hooks.statuses) == {200}


async def test_a_forged_signature_is_refused_and_the_true_one_comes_later(called):
    called.mishaps.set(Faults(forged=0.5))
    bustle(called, 1)
    await called.until(lambda: not called.platform.poster.waiting, seconds=5.0)
    assert set(called.hooks.statuses) == {200, 403}
    same(heard(called), called)


async def test_what_is_tried_again_keeps_its_id_and_has_a_time_and_signature_of_its_own(called):
    called.hooks.trouble = [500, 429, 503]
    called.say(0)
    await called.until(lambda: not called.platform.poster.waiting, seconds=2.0)
    headers = [request.headers for request in called.hooks.requests]
    assert len(headers) == 4
    assert len({one["webhook-id"] for one in headers}) == 1
    assert len({one["webhook-signature"] for one in headers}) == 4
    stamps = [int(one["webhook-timestamp"]) for one in headers]
    assert all(later - earlier >= pause for earlier, later, pause in zip(stamps, stamps[1:], PAUSES, strict=False))
    same(heard(called), called)


async def test_that_a_broadcast_is_over_is_told_by_webhook(called):
    called.mishaps.set(Faults(ended=True))
    await called.until(lambda: len(called.hooks.events) == len(called.channels))
    called.mishaps.calm()
    await called.until(lambda: len(called.hooks.events) == 2 * len(called.channels))
    states = [(event.livestream, event.state) for event in called.hooks.events.values() if isinstance(event, Status)]
    assert Counter(states) == {(channel.livestream, state): 1 for channel in called.channels for state in ("ended", "live")}


async def test_without_a_ledger_a_sender_gives_up(tmp_path):
    async with (
        Hooks().listening() as hooks,
        World(WebhookPlatform, channels_of("webhook.simulated", 1), tmp_path, hooks=hooks.url, ledger=None).running() as world,
    ):
        options = webhook_connector.Options(secret=Secret("whsec_b3RoZXI="))
        hooks.receivers["webhook.simulated"] = webhook_connector.Webhook(options, {}, world.tools())
        hooks.now = world.tools().now
        world.say()
        await world.until(lambda: not world.platform.poster.waiting, seconds=10.0)
    assert hooks.statuses == [403] * (1 + len(PAUSES))
    assert world.platform.status()["webhook_lost"] == 1


def test_the_signature_is_that_of_the_standard():
    standardwebhooks = pytest.importorskip("standardwebhooks")
    signed = signature("msg_1", "1795151369", b'{"type":"comment"}')
    theirs = standardwebhooks.Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(1795151369, UTC), '{"type":"comment"}')
    assert theirs == f"v1,{signed}"


async def test_what_owncast_tells_twice_counts_once(tmp_path):
    channels = channels_of("owncast", 1)
    async with Hooks().listening() as hooks, World(OwncastPlatform, channels, tmp_path, hooks=hooks.url).running() as world:
        options = owncast_connector.Options(url=world.told["owncast"], secret=Secret(OWNCAST_SECRET), mark_every_seconds=0.01)
        hooks.now, world.hooks = world.tools().now, hooks
        hooks.receivers["owncast"] = owncast_connector.OwncastHook(options, {"c0": "owncast:c0"}, world.tools())
        reader = Reader(world, owncast_connector.Owncast, options, targets(channels))
        async with reader.reading():
            await held(world)
            bustle(world)
            await world.until(lambda: is_complete(world, reader)() and not world.platform.poster.waiting)
        same(reader, world)
        assert set(hooks.statuses) == {200}
        told = {key: event for key, event in hooks.events.items() if isinstance(event, Message)}
        assert told.keys() == {event.id for event in reader.of(Message)}
        assert json.loads(hooks.requests[0].body)["eventData"]["visible"] is True
        world.mishaps.set(Faults(ended=True))
        await world.until(lambda: any(isinstance(event, Status) and event.state == "ended" for event in hooks.events.values()))


@pytest.mark.parametrize(
    ("url", "address", "from_roster"),
    [
        ("{handle}", "https://a.example", True), ("https://{handle}/live", "https://a.example/live", True),
        ("https://gateway.example/{handle}", "https://gateway.example/a.example", False),
    ],
)  # fmt: skip
def test_who_names_owncasts_address_decides_whether_it_is_looked_at_first(url, address, from_roster):
    target = targets([SimChannel(livestream="owncast:a", platform="owncast", handle="a.example")])[0]
    connector = owncast_connector.Owncast(
        owncast_connector.Options(url=url), Watch([target]), Tools(pseudonym=lambda _, who: who)
    )
    assert (connector.address_of(target), connector.is_from_roster()) == (address, from_roster)


def test_a_handle_cannot_leave_its_place_behind_the_gateway():
    target = targets([SimChannel(livestream="owncast:a", platform="owncast", handle="../x?y#z")])[0]
    options = owncast_connector.Options(url="https://gateway.example/{handle}")
    connector = owncast_connector.Owncast(options, Watch([target]), Tools(pseudonym=lambda _, who: who))
    assert connector.address_of(target) == "https://gateway.example/..%2Fx%3Fy%23z"
