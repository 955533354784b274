"""The simulated Jetstream, met by a raw WebSocket client: filters, cursor, options in flight, and a ledger that names what left."""

from __future__ import annotations

import asyncio
import json
import random
import string
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulating import Clock
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from connectors.bluesky.wire import Reading, fold, parse_frame
from connectors.connector import Tools
from connectors.event import Message, Removed
from connectors.simulator import atproto
from connectors.simulator.crowd import Crowd
from connectors.simulator.faults import Faults
from connectors.simulator.jetstream import JetstreamServer
from connectors.simulator.ledger import Ledger, standing
from connectors.simulator.model import Sent, SimChannel
from connectors.simulator.run import Simulator
from connectors.simulator.texts import Text, load

CHANNELS = [
    SimChannel(
        livestream=f"bluesky:b{n}",
        platform="bluesky",
        handle=f"b{n}.example",
        native_id="did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" if n == 0 else None,
        country="TH",
        language="th",
    )
    for n in range(12)
]
DIDS = [atproto.channel_did(channel) for channel in CHANNELS]
TAGS = ("#CheryUserSummit", "#奇瑞国际用户共创大会")
START = 1_800_000_000.0
POST = "app.bsky.feed.post"


@asynccontextmanager
async def serving(**options):
    clock = Clock(START)
    server = JetstreamServer(CHANNELS, dice=random.Random(1), clock=clock, **options)
    server.url = f"ws://127.0.0.1:{await server.start()}/subscribe"
    server.now = clock
    try:
        yield server
    finally:
        await server.stop()


def says(number, text="hello", room=0, **more):
    """A post; numbers of 1000 and more are seconds times 1000 after the start."""
    return Sent("post" if room >= 0 else "strange", int(START * 1000) + number, f"{number + 1:x}", room, text=Text(text), **more)


async def opened(server, count=1):
    """Wait until so many clients are served."""
    while len(server.clients) < count:
        await asyncio.sleep(0)


def query(server, **options):
    return f"{server.url}?{urlencode(options, doseq=True)}"


async def frames(ws, count):
    return [json.loads(await asyncio.wait_for(ws.recv(), 30)) for _ in range(count)]


def texts(found):
    return [frame["commit"]["record"]["text"] for frame in found if frame["kind"] == "commit"]


async def nothing_more(server, ws):
    """A marker is the next post that arrives."""
    server.deliver([says(999_999, "marker")])
    return texts(await frames(ws, 1)) == ["marker"]


async def test_a_subscriber_gets_what_is_posted_from_now_on():
    async with serving() as server:
        server.deliver([says(1, "before")])
        async with connect(query(server, wantedCollections=POST)) as ws:
            await opened(server)
            server.deliver([says(2, "hello #EV ok", room=3)])
            [frame] = await frames(ws, 1)
            assert frame["did"] == DIDS[3]
            assert abs(frame["time_us"] / 1000 - START * 1000 - 2) <= 3
            commit = frame["commit"]
            assert (frame["kind"], commit["operation"], commit["collection"]) == ("commit", "create", POST)
            facet = commit["record"]["facets"][0]
            assert facet["features"] == [{"$type": "app.bsky.richtext.facet#tag", "tag": "EV"}]
            assert facet["index"] == {"byteStart": 6, "byteEnd": 9}


async def test_wanted_dids_and_collections_filter_and_identities_pass_the_collection_filter():
    async with serving() as server:
        async with connect(query(server, wantedCollections="app.bsky.graph.*", wantedDids=[DIDS[1]])) as ws:
            await opened(server)
            server.deliver([says(96, "one", room=1), says(97 * 2 - 1, "two", room=2)])  # 97th: an identity comes with it
            [frame] = await frames(ws, 1)
            assert (frame["did"], frame["kind"]) == (DIDS[1], "identity")
            assert frame["identity"]["handle"] == "b1.example"
        async with connect(query(server, wantedCollections="app.bsky.*", wantedDids=[DIDS[1], DIDS[2]])) as ws:
            await opened(server)
            server.deliver([says(3, "one", room=1), says(4, "other", room=5), says(5, "two", room=2)])
            assert texts(await frames(ws, 2)) == ["one", "two"]


async def test_a_cursor_replays_from_there_and_goes_on_live():
    async with serving(faults=Faults(jitter_us=0)) as server:
        server.deliver([says(n * 1000, f"post {n}") for n in range(1, 9)])
        server.now.now = START + 20
        async with connect(query(server, cursor=int((START + 5) * 1e6))) as ws:
            assert texts(await frames(ws, 4)) == ["post 5", "post 6", "post 7", "post 8"]
            assert await nothing_more(server, ws)
        async with connect(query(server, cursor=int((START + 3600) * 1e6))) as ws:  # the future means live
            await opened(server)
            assert await nothing_more(server, ws)


async def test_a_cursor_before_the_ring_is_clamped_without_a_word():
    async with serving(ring=10, faults=Faults(jitter_us=0)) as server:
        for n in range(1, 41):
            server.deliver([says(n, f"post {n}")])
        server.now.now = START + 60
        async with connect(query(server, cursor=1_000_000_000_000_000)) as ws:
            [first] = await frames(ws, 1)
            oldest = int(texts([first])[0].removeprefix("post "))
            assert 28 <= oldest <= 31
            assert texts(await frames(ws, 40 - oldest)) == [f"post {n}" for n in range(oldest + 1, 41)]


async def test_time_us_goes_back_a_little_at_times():
    async with serving() as server, connect(query(server, wantedCollections=POST)) as ws:
        await opened(server)
        server.deliver([says(n) for n in range(1, 60)])
        times = [frame["time_us"] for frame in await frames(ws, 59)]
        assert any(later < earlier for earlier, later in pairwise(times))
        assert max(earlier - later for earlier, later in pairwise(times)) <= 6000


async def test_options_may_change_in_flight():
    async with serving() as server, connect(query(server, wantedDids=[DIDS[1]])) as ws:
        await opened(server)
        update = {"type": "options_update", "payload": {"wantedCollections": [POST], "wantedDids": [DIDS[2]]}}
        await ws.send(json.dumps(update))
        client = next(iter(server.clients))
        while DIDS[2] not in client.dids:
            await asyncio.sleep(0)
        server.deliver([says(1, "one", room=1), says(2, "two", room=2)])
        assert texts(await frames(ws, 1)) == ["two"]


async def test_with_require_hello_nothing_comes_before_the_first_options():
    async with serving() as server, connect(query(server, requireHello="true")) as ws:
        server.deliver([says(1, "early")])
        assert not server.clients
        await ws.send(json.dumps({"type": "options_update", "payload": {"wantedDids": [DIDS[0]]}}))
        await opened(server)
        server.deliver([says(2, "late")])
        assert texts(await frames(ws, 1))[-1] == "late"


async def test_a_bad_update_closes_the_socket():
    async with serving() as server, connect(server.url) as ws:
        await ws.send('{"type":"options_update","payload":{"wantedDids":"none"}}')
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(ws.recv(), 30)


@pytest.mark.parametrize(
    "bad",
    [
        {"compress": "true"},
        {"cursor": "yesterday"},
        {"wantedDids": ["alice"]},
        {"wantedCollections": [f"app.x{n}" for n in range(101)]},
        {"maxMessageSizeBytes": "big"},
    ],
)
async def test_a_query_that_the_real_one_would_refuse_is_refused(bad):
    async with serving() as server:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(query(server, **bad)):
                pass
        assert caught.value.response.status_code == 400


async def test_too_large_messages_are_left_out():
    async with serving() as server, connect(query(server, maxMessageSizeBytes=600)) as ws:
        await opened(server)
        server.deliver([says(1, "x" * 270), says(2, "short")])
        assert texts(await frames(ws, 1)) == ["short"]


async def test_a_deletion_carries_the_key_of_its_post_and_no_record():
    async with serving(faults=Faults(jitter_us=0)) as server, connect(query(server, wantedCollections=POST)) as ws:
        await opened(server)
        post = says(1)
        server.deliver([post, Sent("delete", post.at + 5000, "", 0, target=post)])
        created, deleted = await frames(ws, 2)
        assert deleted["commit"]["operation"] == "delete"
        assert deleted["commit"]["rkey"] == created["commit"]["rkey"]
        assert "record" not in deleted["commit"]
        assert deleted["time_us"] - created["time_us"] == 5_000_000


async def test_likes_are_only_made_when_somebody_wants_them():
    async with serving() as server:
        async with connect(query(server, wantedCollections=POST)) as ws:
            await opened(server)
            server.deliver([says(n) for n in range(20)])
            await frames(ws, 20)
            assert {entry.collection for entry in server.ring} <= {POST, ""}
        while server.clients:
            await asyncio.sleep(0)
        async with connect(query(server, wantedCollections="app.bsky.feed.*")) as ws:
            await opened(server)
            server.deliver([says(n) for n in range(100, 120)])
            found = [frame for frame in await frames(ws, server.head - 20) if frame["kind"] == "commit"]
        likes = [frame for frame in found if frame["commit"]["collection"] == atproto.LIKE]
        posts = {f"at://{frame['did']}/{POST}/{frame['commit']['rkey']}" for frame in found if frame not in likes}
        assert likes
        assert {frame["commit"]["record"]["subject"]["uri"] for frame in likes} <= posts


async def test_handles_are_resolved_and_other_paths_are_not_there():
    async with serving() as server:
        host, port = server.url.removeprefix("ws://").removesuffix("/subscribe").split(":")
        for path, status, body in (
            ("/xrpc/com.atproto.identity.resolveHandle?handle=B3.example", b"200", DIDS[3].encode()),
            ("/xrpc/com.atproto.identity.resolveHandle?handle=nobody", b"400", b"Unable to resolve"),
            ("/other", b"404", b"subscribe"),
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = await reader.read()
            assert answer.split()[1] == status
            assert body in answer
            writer.close()


async def test_drops_come_without_a_close_frame_and_by_plan():
    async with serving(faults=Faults(jetstream_drop_every=10)) as server:
        async with connect(server.url) as ws:
            await opened(server)
            server.now.now += 3600
            server.tick()
            with pytest.raises(ConnectionClosedError) as caught:
                await asyncio.wait_for(ws.recv(), 30)
            assert caught.value.rcvd is None
        async with connect(server.url) as ws:
            await opened(server)
            assert server.drop_all() == 1
            with pytest.raises(ConnectionClosedError):
                await asyncio.wait_for(ws.recv(), 30)


async def test_one_who_falls_out_of_the_ring_is_closed_as_too_slow():
    async with serving(ring=100) as server, connect(server.url) as ws:
        await opened(server)
        for n in range(400):  # no turn for the writer in between
            server.deliver([says(n)])
        with pytest.raises(ConnectionClosed) as caught:
            await frames(ws, 400)
        assert caught.value.rcvd.reason == "ConsumerTooSlow"


@given(
    st.lists(
        st.tuples(
            st.text(max_size=5).filter(lambda part: "#" not in part),
            st.text(string.ascii_letters + "é奇ไ", min_size=1, max_size=5),
        )
    )
)
@settings(deadline=None)
def test_facets_point_at_the_bytes_of_their_hashtags(parts):
    text = " ".join(f"{before} #{tag}" for before, tag in parts)
    found = atproto.hashtags(text)
    raw = text.encode("utf-8", "surrogatepass")
    assert all(raw[first:last].decode() == f"#{tag}" for tag, first, last in found)
    assert [tag for tag, _, _ in found] == [tag for _, tag in parts]


def test_record_keys_sort_by_time_and_dids_are_stable():
    keys = [atproto.tid(int(START * 1e6) + n, 7) for n in (0, 1, 500, 10**9)]
    assert keys == sorted(set(keys))
    assert {len(key) for key in keys} == {13}
    assert DIDS[0] == "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
    assert len(set(DIDS)) == len(DIDS)
    assert atproto.did_of("B1.example") == DIDS[1]


def test_every_frame_is_read_by_the_connector_as_the_ledger_says(tmp_path):
    """Roster authors and the event's hashtags, deletions obeyed: the same posts, times and texts as in the ledger."""
    clock = Clock(START)
    simulator = Simulator(CHANNELS, rate=20, seed=3, ledger_dir=tmp_path, hashtags=TAGS, clock=clock)
    simulator.crowd.strangers = 5.0
    simulator.platforms["bluesky"].server._asked_all = True
    for _ in range(3000):
        clock.now += 0.1
        simulator.step()
    simulator.ledger.close()
    logins = {did: channel.livestream for did, channel in zip(DIDS, CHANNELS, strict=True)}
    reading = Reading(livestreams=logins, watched=frozenset(DIDS), tags=frozenset(fold(tag) for tag in TAGS))
    tools = Tools(pseudonym=lambda _, author: author, now=lambda: datetime.fromtimestamp(START, UTC))
    events, removed = {}, 0
    for entry in simulator.platforms["bluesky"].server.ring:
        for event in parse_frame(entry.frame, tools, reading):
            if isinstance(event, Removed):
                removed += event.target in events
                events.pop(event.target, None)
            else:
                assert isinstance(event, Message)
                events[event.id] = event
    expected = standing(Ledger.read(tmp_path))
    assert set(events) == set(expected)
    assert removed > 3
    assert sum(line.livestream is None for line in expected.values()) > 100
    for event_id, event in events.items():
        line = expected[event_id]
        assert (event.livestream, event.text, event.author) == (line.livestream, line.text, line.author)
        assert int(event.at.timestamp() * 1000) == line.at
        assert (line.kind, line.country) == ("post", "TH" if line.livestream else None)


def test_posts_of_restarted_simulators_never_share_an_address():
    def addresses(start):
        server = JetstreamServer(CHANNELS, dice=random.Random(1), clock=lambda: start)
        crowd = Crowd(CHANNELS, random.Random(1), load(), rate=20, start=start)
        for second in range(1, 61):
            server.deliver(crowd.advance(start + second))
        found = [(e.did, json.loads(e.frame)["commit"]["rkey"]) for e in server.ring if e.collection and b'"create"' in e.frame]
        assert len(found) == len(set(found)) > 500
        return set(found)

    assert not addresses(START) & addresses(START + 61)
