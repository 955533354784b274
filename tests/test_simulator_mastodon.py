"""The simulated Mastodon instance: pages, limits, streams, and that the connector reads from it exactly what the ledger says, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from simulating import Reader, World, let_in_again, same, unharmed

from connectors import rest
from connectors.connector import Dropped, Refused, Secret, Target, Throttled, Tools, Watch
from connectors.event import Message, Removed, Unknown
from connectors.mastodon import Mastodon, Options
from connectors.rest import Ask
from connectors.simulator.faults import Faults
from connectors.simulator.mastodon import TOKEN, MastodonPlatform
from connectors.simulator.model import SimChannel
from connectors.simulator.statuses import DOMAIN, Post, address, status
from connectors.simulator.timelines import Shown, Timelines

TAGS = ("#OurSummit", "#用户大会")
CHANNELS = [
    SimChannel(livestream=f"mastodon:p{n}", platform="mastodon", handle=f"p{n}@{'elsewhere.example' if n % 2 else DOMAIN}")
    for n in range(4)
]
TARGETS = [Target(livestream=f"mastodon:{tag.casefold()}", handle=tag) for tag in TAGS]
DIRECTORY = {channel.handle: channel.livestream for channel in CHANNELS}


@pytest.fixture
async def world(tmp_path):
    async with World(MastodonPlatform, CHANNELS, tmp_path, hashtags=TAGS).running() as made:
        made.platform.limit = 100_000  # a test's minutes pass in milliseconds
        yield made


@pytest.fixture
async def session():
    async with rest.client(environment=False) as made:
        yield made


def reader_of(world, **more):
    options = {"token": Secret(TOKEN), "poll_seconds": 1.0, "answer_seconds": 3.0, "requests_per_5_minutes": 1_000_000, **more}
    return Reader(world, Mastodon, Options(url=world.told["mastodon"], **options), TARGETS, DIRECTORY)


def post(world, rounds=5):
    for _ in range(rounds):
        sents = [world.say(room, "post") for room in range(len(CHANNELS))]
        world.say(-1, "strange")
        world.step()
    return sents


def is_listened_to(world):
    return lambda: any(len(reader.tags) == len(TAGS) for reader in world.platform.readers)


def is_complete(world, reader):
    return lambda: world.standing().keys() <= reader.events.keys() and not world.platform._late


async def ask(world, session, path, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await rest.send(session, Ask(url=world.told["mastodon"] + path, headers=headers))


# --- timelines ------------------------------------------------------------------------------------------------------------


async def test_pages_follow_the_link_header_in_both_directions_without_a_hole(world, session):
    world.platform.streams_posts = False
    post(world, 60)
    await world.rest(60)
    path = "/api/v1/timelines/tag/oursummit"
    newest = json.loads((await ask(world, session, f"{path}?limit=40")).body)
    down, query = [], ""
    while True:
        reply = await ask(world, session, f"{path}?limit=40{query}")
        rows = json.loads(reply.body)
        if not rows:
            break
        down += rows
        query = "&" + reply.headers["link"].split('>; rel="next"')[0].rpartition("?")[2]
    up, query = [], "&min_id=0"
    while True:
        reply = await ask(world, session, f"{path}?limit=40{query}")
        rows = json.loads(reply.body)
        if not rows:
            break
        up = rows + up
        query = "&" + reply.headers["link"].split('>; rel="prev"')[0].rpartition("?")[2]
    assert down[:40] == newest
    assert down == up
    assert len(down) > 80
    ids = [int(row["id"]) for row in down]
    assert ids == sorted(ids, reverse=True)
    assert all(tag["name"] == "oursummit" for row in down for tag in row["tags"])


@given(
    written=st.lists(st.integers(0, 500), min_size=1, max_size=60, unique=True),
    kept=st.integers(5, 50),
    gone=st.lists(st.integers(0, 59), max_size=10),
    size=st.integers(1, 40),
)
def test_reading_forward_gives_each_post_once_in_the_order_of_writing(written, kept, gone, size):
    timelines = Timelines(kept)
    shown = [Shown(Post(at, "a@b", "x #tag", "", "", 1), None) for at in written]
    for one in shown:
        timelines.add(one)
    for place in gone:
        if place < len(shown):
            timelines.remove(shown[place])
    rows, above = [], 0
    while page := timelines.page("Tag", {"min_id": str(above), "limit": str(size)}):
        rows += page
        above = page[-1].id
    assert rows == sorted(set(rows), key=lambda one: one.id)
    assert rows == timelines.page("tag", {"limit": "40"}) or len(rows) > 40
    removed = {place for place in gone if place < len(shown)}
    assert not {id(shown[place]) for place in removed} & {id(one) for one in rows}
    assert len(rows) >= min(kept, len(written)) - len(removed)


@given(text=st.text(max_size=80), warning=st.sampled_from(["", "cars"]))
def test_words_of_a_status_are_those_that_were_written(text, warning):
    made = Post(1_792_238_400_123, "zoe@social.example", text + " #tag", warning, "en", 5)
    tools = Tools(pseudonym=lambda _, author: author)
    (message,) = Mastodon.parse(json.dumps(status(made)).encode(), tools, livestreams={})
    assert message.text == made.words
    assert (message.id, message.author) == (f"mastodon:{made.uri}", "zoe@social.example")
    assert round(message.at.timestamp() * 1000) == made.at


async def test_three_hundred_requests_in_five_minutes_and_then_a_429_that_says_when(world, session):
    world.platform.limit = 300
    for number in range(300):
        reply = await ask(world, session, "/api/v1/timelines/tag/x")
        assert (reply.status, reply.headers["x-ratelimit-remaining"]) == (200, str(299 - number))
    reply = await ask(world, session, "/api/v1/timelines/tag/x")
    assert reply.status == 429
    assert (await ask(world, session, "/api/v1/timelines/tag/x", token=None)).status == 200  # another account, another budget
    wait = rest.until(reply.headers, world.tools().now()).timestamp() - world.now
    assert 0 < wait <= 300
    world.step(wait + 1)
    assert (await ask(world, session, "/api/v1/timelines/tag/x")).status == 200


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/api/v1/timelines/tag/x", "wrong", 401), ("/api/v1/timelines/tag/x", None, 200), ("/api/v1/streaming", None, 401),
        ("/api/v1/streaming/hashtag?tag=x", "wrong", 401), ("/api/v1/streaming/hashtag", TOKEN, 400),
        ("/api/v1/accounts/verify_credentials", TOKEN, 200), ("/api/v1/accounts/verify_credentials", "wrong", 401),
    ],
)  # fmt: skip
async def test_who_may_ask(world, session, path, token, status):
    assert (await ask(world, session, path, token)).status == status


async def test_an_instance_may_hide_its_timelines(world, session):
    world.platform.hides_timelines = True
    assert (await ask(world, session, "/api/v1/timelines/tag/x", token=None)).status == 401
    assert (await ask(world, session, "/api/v1/timelines/tag/x")).status == 200


# --- streams --------------------------------------------------------------------------------------------------------------


async def test_the_stream_tells_posts_edits_and_deletions_of_what_was_subscribed(world, session):
    socket = await session.ws_connect(world.told["mastodon"] + "/api/v1/streaming", headers={"Authorization": f"Bearer {TOKEN}"})
    await socket.send_str("nonsense")
    for tag in ("OurSummit", "gone"):
        await socket.send_json({"type": "subscribe", "stream": "hashtag", "tag": tag})
    await socket.send_json({"type": "unsubscribe", "stream": "hashtag", "tag": "gone"})
    await world.until(lambda: any(reader.tags == {"oursummit"} for reader in world.platform.readers))
    sents = [world.say(0, "post", text="x #gone"), *(world.say(0, "post") for _ in range(300))]
    for sent in sents:
        world.say(0, "delete", target=sent)
    world.say(0, "post", text="the last #OurSummit")
    frames = []
    while not frames or "the last" not in frames[-1]["payload"]:
        frames.append(json.loads((await socket.receive()).data))
    frames.pop()
    await socket.close()
    posts = {json.loads(frame["payload"])["id"] for frame in frames if frame["event"] == "update"}
    deleted = {frame["payload"] for frame in frames if frame["event"] == "delete"}
    assert posts == deleted
    assert 50 < len(posts) < 200
    assert {frame["event"] for frame in frames} == {"update", "delete", "status.update"}
    assert all(frame["stream"] == ["hashtag", "oursummit"] for frame in frames)


async def test_a_stream_that_is_opened_anew_begins_with_the_end_of_the_one_before(world, session):
    world.mishaps.set(Faults(overlap=0.5))
    frames = []
    for number in (10, 6):
        socket = await session.ws_connect(
            world.told["mastodon"] + "/api/v1/streaming", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        await socket.send_json({"type": "subscribe", "stream": "hashtag", "tag": "OurSummit"})
        await world.until(lambda: any(reader.tags for reader in world.platform.readers))
        got = []

        async def listen(socket=socket, got=got, number=number):
            while len(got) < number:
                frame = json.loads((await socket.receive()).data)
                got += [frame] if frame["event"] == "update" else []

        task = asyncio.create_task(listen())
        while not task.done():
            if len(got) < number:
                world.say(0, "post", text="x #OurSummit")
            await world.rest(60)
        await socket.close()
        await world.until(lambda: not world.platform.readers)
        frames.append(got)
    again = [frame for frame in frames[1] if frame in frames[0]]
    assert len(again) >= 4
    assert again == frames[1][: len(again)]


async def test_server_sent_events_carry_the_same_and_a_silent_stream_thumps(world, session):
    url = f"{world.told['mastodon']}/api/v1/streaming/hashtag?tag=OurSummit&access_token={TOKEN}"
    async with session.get(url) as response:
        await world.until(lambda: world.platform.readers)
        world.step(20)
        for _ in range(20):
            world.say(0, "post")
        text = b""
        while text.count(b"event: update") < 5:
            text += await response.content.readany()
    assert text.startswith(b":)\n")
    assert b":thump\n" in text
    events = Mastodon.parse(text[: text.rindex(b"\n\n") + 2], world.tools(), livestreams=DIRECTORY)
    assert {event.id for event in events if isinstance(event, Message)} <= world.standing().keys() | {
        line.id for line in world.lines()
    }
    assert len(events) >= 5


async def test_a_revoked_token_ends_the_stream(world, session):
    headers = {"Sec-WebSocket-Protocol": TOKEN}
    socket = await session.ws_connect(world.told["mastodon"] + "/api/v1/streaming?stream=hashtag&tag=x", headers=headers)
    await world.until(lambda: world.platform.readers)
    world.platform.revoke()
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(world.told["mastodon"] + "/api/v1/streaming", headers=headers)


def test_a_handle_without_an_instance_is_somebody_of_this_one():
    assert (address("@Ana@Fedi.example"), address("bo")) == ("ana@fedi.example", f"bo@{DOMAIN}")


# --- the connector --------------------------------------------------------------------------------------------------------


async def test_the_connector_reads_exactly_what_the_ledger_says(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        for _ in range(4):
            for sent in post(world)[:2]:
                world.say(sent.room, "delete", target=sent)
        await world.until(is_complete(world, reader))
        await world.rest(40)
    assert not reader.failures
    same(reader, world)
    assert {line.kind for line in world.lines()} == {"post", "removed"}
    assert {event.livestream for event in reader.of(Message)} == {None, *DIRECTORY.values()}
    assert reader.of(Removed)
    assert not reader.of(Unknown)
    assert {health.state for health in reader.health.values()} == {"live"}
    assert any(not line.delivered for line in world.lines())  # without a hashtag nobody sees it


async def test_where_the_stream_stays_silent_the_timelines_tell_all(world):
    world.platform.streams_posts = False
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        post(world, 20)
        await world.until(is_complete(world, reader))
    same(reader, world)


async def test_without_a_token_the_timelines_tell_all_but_deletions(world):
    reader = reader_of(world, token=None)
    async with reader.reading():
        await world.until(lambda: len(world.platform._asked_tags) == len(TAGS))
        post(world, 10)
        await world.until(is_complete(world, reader))
    same(reader, world)
    assert not world.platform.readers


@pytest.mark.parametrize("fate", ["drop", "stall", "half", "garbage", "repeat", "reorder"])
async def test_whatever_befalls_stream_and_answers_nothing_is_lost_and_nothing_counts_twice(world, fate):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        world.mishaps.set(Faults(stall_seconds=1.0, **{fate: 0.3}))
        for _ in range(6):
            post(world, 1)
            await world.rest(8)
        world.mishaps.calm()
        await world.until(is_complete(world, reader))
        await world.rest()
    unharmed(reader, world, fate)


@pytest.mark.parametrize(
    ("status", "failure"), [(401, Refused), (403, Refused), (429, Throttled), (500, Dropped), (503, Throttled)]
)
async def test_after_a_refusal_reading_goes_on_where_it_stopped(world, status, failure):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        await let_in_again(reader, world, lambda: post(world, 3), is_complete(world, reader), status=status, failure=failure)


async def test_a_cut_costs_no_post_and_who_was_killed_goes_on(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        post(world, 3)
        await world.until(is_complete(world, reader))
        world.platform.drop_all()
        post(world, 3)
        await world.until(is_complete(world, reader))
    post(world, 30)  # nobody is there
    async with reader.reading():
        await world.until(is_listened_to(world))
        post(world, 3)
        await world.until(is_complete(world, reader))
    same(reader, world)


async def test_a_used_up_window_is_waited_out(world):
    world.platform.limit = 20
    reader = reader_of(world)
    async with reader.reading():
        await world.until(is_listened_to(world))
        post(world, 40)
        await world.until(is_complete(world, reader), seconds=1.0)
    same(reader, world)
    assert not any(isinstance(one, Refused) for one in reader.failures)


async def test_of_half_an_answer_the_instances_people_are_not_taken_for_anothers(world):
    """Its domain makes its people's names, so reading begins again instead of going on without it."""

    async def instance(request):
        return web.Response(body=b'{"domain":"soc', content_type="application/json")

    async def timeline(request):
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/api/v2/instance", instance)
    app.router.add_get("/api/v1/timelines/tag/{tag}", timeline)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connector = Mastodon(Options(url=f"http://127.0.0.1:{runner.addresses[0][1]}"), Watch(TARGETS), world.tools())

    async def read():
        async with asyncio.timeout(30), aclosing(connector.events()) as items:
            async for _ in items:
                pass

    try:
        with pytest.raises(Dropped, match="could not be read"):
            await read()
    finally:
        await runner.cleanup()
