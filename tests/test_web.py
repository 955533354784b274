"""HTTP as a browser, a stranger and a Prometheus see it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import websockets.sync.client
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from feed_source import Shelf
from test_feed import CONFIG, NOW, comments, commit, make_feed, row

from monitor.config import ConfigError, Wall
from monitor.journal import Journal
from monitor.settings import Settings
from monitor.web import HEADERS, MOST_MESSAGE, NOT_BUILT, host_allowed, is_loopback, make_app, origin_allowed, own_names, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from monitor.feed import Feed

FEED_PAGE = (Path(__file__).parent.parent / "docs" / "feed.md").read_text()


@contextlib.asynccontextmanager
async def serving(source: Shelf | None = None, **options: Any) -> AsyncIterator[tuple[TestClient[Any, Any], Feed, Any]]:
    """The application on a free port; nothing ticks but what the test ticks."""
    feed, clock = make_feed(source or Shelf())
    await feed.follow()
    await feed.look_around()
    feed.tick()
    async with TestClient(TestServer(make_app(feed, now_ms=clock, **options))) as client:
        yield client, feed, clock


def origin(client: TestClient[Any, Any]) -> dict[str, str]:
    return {"Origin": f"http://{client.host}:{client.port}"}


# --- who may come in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://wall.example", True),
        ("HTTPS://WALL.example", True),
        ("https://wall.example.evil", False),
        ("https://evil.example", False),
        ("http://127.0.0.1:8081", False),
        ("http://127.0.0.1", False),
        ("ftp://127.0.0.1:8080", False),
        ("null", False),
        ("", False),
        ("none", False),
        (None, False),
    ],
)
def test_a_foreign_or_missing_origin_is_refused(sent, allowed):
    assert origin_allowed(sent, "127.0.0.1:8080", {"https://wall.example"}) is allowed


def test_a_missing_origin_is_let_in_only_where_it_is_listed():
    assert origin_allowed(None, "127.0.0.1:8080", {"none"})
    assert not origin_allowed("none", "127.0.0.1:8080", {"none"})
    assert not origin_allowed("null", "127.0.0.1:8080", {"none"})


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("[::1]:8080", True),
        ("wall.example", True),
        ("rebound.example:8080", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_rebound_name_is_refused(host, allowed):
    assert host_allowed(host, own_names("127.0.0.1", ["https://wall.example", "none"])) is allowed


def test_on_the_network_any_name_will_do():
    assert host_allowed("anything.example", own_names("0.0.0.0", []))


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("wall", False),
    ],
)
def test_what_is_beyond_this_machine(host, inside):
    assert is_loopback(host) is inside


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
async def test_a_stranger_gets_403_from_the_feed(headers):
    async with serving() as (client, feed, _):
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/feed", headers=headers)
        assert refused.value.status == 403
        assert not feed.clients


async def test_a_name_that_is_not_ours_gets_403_from_every_page():
    async with serving() as (client, _, _):
        for path in ("/", "/api/state", "/feed"):
            assert (await client.get(path, headers={"Host": "rebound.example"})).status == 403


async def status_of(client: TestClient[Any, Any], path: str) -> int:
    """Of a GET whose path is sent as it is; a client library would tidy it."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {client.host}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]
    return int(answer.split()[1])


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/feed", "/api/state", "/api/livestreams", "/healthz", "/readyz", "/metrics", "/no/such/page"]
)
async def test_every_answer_carries_the_security_headers(path, tmp_path):
    async with serving(wall=tmp_path) as (client, _, _):
        answer = await client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


async def test_without_the_built_wall_a_sentence_says_what_to_do(tmp_path):
    async with serving(wall=tmp_path / "missing") as (client, _, _):
        answer = await client.get("/")
        assert (answer.status, await answer.text()) == (503, NOT_BUILT)


async def test_the_wall_is_served_and_nothing_beside_it(tmp_path):
    wall = tmp_path / "wall"
    (wall / "assets").mkdir(parents=True)
    (wall / "index.html").write_text("<p>wall")
    (wall / "assets" / "index-abc.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    async with serving(wall=wall) as (client, _, _):
        page = await client.get("/")
        assert (page.status, await page.text(), page.headers["Cache-Control"]) == (200, "<p>wall", "no-cache")
        script = await client.get("/assets/index-abc.js")
        assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert script.content_type.endswith("/javascript")
        for path in (
            "/../secret",
            "/%2e%2e/secret",
            "/assets/..%2f..%2fsecret",
            "//etc/passwd",
            "/assets",
            "/%00",
            "/" + "a" * 5000,
        ):
            assert await status_of(client, path) in (400, 404), path


async def test_the_api_gives_the_newest_snapshot_and_all_livestreams():
    source = Shelf(states={"twitch:a": row("live")})
    source.commit(0, comments(NOW, 3))
    async with serving(source) as (client, feed, _):
        state = await (await client.get("/api/state")).json()
        assert (state["type"], state["version"], state["seq"]) == ("snapshot", 1, feed.ticker.seq)
        assert state["state"]["totals"]["comments"] == {"total": 3}
        found = await (await client.get("/api/livestreams")).json()
        assert set(found["livestreams"]) == {"twitch:a", "twitch:b", "bilibili:c"}
        assert found["livestreams"]["twitch:a"]["state"] == "live"


async def test_long_answers_are_packed_for_whoever_can_read_that_and_say_the_same():
    async with serving(Shelf(states={"twitch:a": row("live")})) as (client, _, _):
        for path in ("/api/state", "/api/livestreams"):
            packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
            plain = await client.get(path, headers={"Accept-Encoding": "identity"})
            assert (packed.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
            assert (await packed.json()).keys() == (await plain.json()).keys()


async def test_a_map_is_served_as_outlines_with_its_number_or_a_sentence_says_why_not(tmp_path):
    async with serving() as (client, feed, _):
        assert (await client.get("/map.json")).status == 404
        file = tmp_path / "map.json"
        feed.ticker.picture.config = replace(feed.config, wall=Wall(map=file, map_review="GS(2026)1"))
        assert "cannot be shown" in await (await client.get("/map.json")).text()
        square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
        file.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": [{"geometry": square}]}))
        told = await (await client.get("/map.json")).json()
        assert told == {"review": "GS(2026)1", "places": [{"code": "", "rings": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}]}


async def test_ready_means_loaded_and_young_and_says_why_not():
    source = Shelf()
    async with serving(source) as (client, feed, clock):
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["reasons"]) == (
            503,
            ["A partition was never counted: is monitor count running?"],
        )
        source.caught_up_ms = {0: clock.ms, 1: clock.ms}
        await feed.follow()
        clock.ms += 9_999
        assert (await client.get("/readyz")).status == 200
        clock.ms += 1
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["reasons"]) == (503, ["The numbers are 10 s old."])
        assert (await client.get("/healthz")).status == 200


async def test_prometheus_gets_the_format_it_asks_for():
    async with serving() as (client, _, _):
        plain = await client.get("/metrics")
        assert plain.content_type == "text/plain"
        assert "livestream_walls 0.0" in await plain.text()
        modern = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert modern.content_type == "application/openmetrics-text"
        assert (await modern.text()).endswith("# EOF\n")


# --- the feed ---------------------------------------------------------------------------------------------------------


async def test_a_browser_has_its_first_picture_before_the_next_tick():
    async with serving() as (client, feed, _), client.ws_connect("/feed", headers=origin(client)) as wall:
        frame = await wall.receive_json(timeout=30)
        assert (frame["type"], frame["seq"], frame["epoch"]) == ("snapshot", feed.ticker.seq, feed.ticker.epoch)
        assert frame["state"] == feed.ticker.state


async def test_deltas_follow_without_holes_and_resync_gives_a_snapshot():
    async with serving() as (client, feed, clock), client.ws_connect("/feed", headers=origin(client)) as wall:
        begin = (await wall.receive_json(timeout=30))["seq"]
        for _ in range(3):
            clock.ms += 1000
            feed.tick()
        assert [(await wall.receive_json(timeout=30))["seq"] for _ in range(3)] == [begin + 1, begin + 2, begin + 3]
        await wall.send_json({"type": "resync"})
        while not next(iter(feed.clients)).behind:
            await asyncio.sleep(0)
        clock.ms += 1000
        feed.tick()
        frame = await wall.receive_json(timeout=30)
        assert (frame["type"], frame["seq"]) == ("snapshot", begin + 4)


@pytest.mark.parametrize("words", ["{", "[]", '{"type":"hello"}', "x" * (MOST_MESSAGE + 1)])
async def test_any_other_message_ends_the_connection(words):
    async with serving() as (client, feed, _), client.ws_connect("/feed", headers=origin(client)) as wall:
        await wall.receive(timeout=30)
        await wall.send_str(words)
        assert (await wall.receive(timeout=30)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        while feed.clients:
            await asyncio.sleep(0)


async def test_a_wall_that_leaves_is_forgotten():
    async with serving() as (client, feed, _):
        async with client.ws_connect("/feed", headers=origin(client)) as wall:
            await wall.receive(timeout=30)
            assert len(feed.clients) == 1
        while feed.clients:
            await asyncio.sleep(0)


async def test_there_is_a_limit_to_walls():
    async with serving(most_walls=1) as (client, _, _), client.ws_connect("/feed", headers=origin(client)) as wall:
        await wall.receive(timeout=30)
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/feed", headers=origin(client))
        assert refused.value.status == 503


async def test_a_wall_that_never_reads_is_skipped_and_then_dropped_while_others_go_on():
    """A real socket whose kernel buffers are full; the five seconds are the only thing that is not waited for."""
    async with serving() as (client, feed, clock), client.ws_connect("/feed", headers=origin(client)) as reading:
        await reading.receive(timeout=30)
        deaf = socket.create_connection((client.host, client.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            f"GET /feed HTTP/1.1\r\nHost: {client.host}:{client.port}\r\nOrigin: http://{client.host}:{client.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        while len(feed.clients) < 2:
            await asyncio.sleep(0.001)
        wall = next(found for found in feed.clients if found.transport.get_extra_info("peername")[1] == deaf.getsockname()[1])
        while wall.transport.get_write_buffer_size() == 0:
            wall.behind = True
            clock.ms += 1000
            feed.tick()
            await reading.receive(timeout=30)
            await asyncio.sleep(0)
        full = wall.transport.get_write_buffer_size()
        for _ in range(3):
            clock.ms += 1000
            feed.tick()
            await reading.receive(timeout=30)
        assert wall.transport.get_write_buffer_size() <= full
        wall.read_at -= 6
        clock.ms += 1000
        feed.tick()
        assert wall not in feed.clients
        assert (await reading.receive_json(timeout=30))["type"] == "delta"
        deaf.close()


async def test_the_ten_lines_of_the_documentation_follow_the_feed():
    code = re.search(r"```python\n(.*?)```", FEED_PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(compile(code[1], "docs/feed.md", "exec"), names)
    source = Shelf(partitions=2)
    async with serving(source) as (client, feed, clock):
        states = names["states"](f"ws://{client.host}:{client.port}/feed", f"http://{client.host}:{client.port}")
        seen = [await asyncio.to_thread(next, states)]
        for count in (4, -4):
            source.commit(0, comments(NOW, count))
            clock.ms += 1000
            await feed.follow()
            feed.tick()
            seen.append(await asyncio.to_thread(next, states))
            assert seen[-1] == (feed.ticker.seq, json.loads(json.dumps(feed.ticker.state)))
        assert [state["totals"].get("comments", {}).get("total") for _, state in seen] == [None, 4, 0]
        await asyncio.to_thread(states.close)


def test_every_key_of_the_state_is_described():
    """Of a state in which everything is known."""
    described = set(re.findall(r"`([a-z_0-9]+)`", FEED_PAGE))
    feed, _ = make_feed(Shelf())
    feed.tick()
    assert set(feed.ticker.state) <= described
    for part in ("event", "session", "livestreams", "health"):
        assert set(feed.ticker.state[part]) <= described, part


# --- the role ---------------------------------------------------------------------------------------------------------


def settings_for(valkey: str, tmp_path: Path, port: int = 0, **options: Any) -> Settings:
    return Settings(config=CONFIG, data_dir=tmp_path, redis_url=valkey, port=port, log="text", args=argparse.Namespace(**options))


@contextlib.asynccontextmanager
async def running(settings: Settings, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[str]:
    """``monitor serve`` until the block ends; gives the address that it prints."""
    role = asyncio.create_task(run(settings))
    said = ""
    try:
        async with asyncio.timeout(30):
            while not said:
                assert not role.done()
                await asyncio.sleep(0.01)
                said = capsys.readouterr().out
        yield re.fullmatch(r"Wall: (http://\S+/)\n", said)[1]  # type: ignore[index]
    finally:
        role.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await role


async def test_serve_shows_what_is_committed_and_tells_walls_when_it_stops(redis_client, valkey, tmp_path, capsys):
    async with Journal(valkey, partitions=2).opened() as journal:
        await journal.prepare()
        async with running(settings_for(valkey, tmp_path), capsys) as url:
            address = url.removeprefix("http").removesuffix("/")

            shown, loop = asyncio.Event(), asyncio.get_running_loop()

            def follow() -> int | None:
                with websockets.sync.client.connect(f"ws{address}/feed", origin=f"http{address}", max_size=None) as wall:
                    total = None
                    while total != 7:
                        frame = json.loads(wall.recv(timeout=30))
                        total = frame.get("patch", {}).get("totals", {}).get("comments", {}).get("total")
                    loop.call_soon_threadsafe(shown.set)
                    with contextlib.suppress(websockets.ConnectionClosed):
                        while True:
                            wall.recv(timeout=30)
                    return wall.close_code

            following = asyncio.create_task(asyncio.to_thread(follow))
            for partition in (0, 1):
                await commit(journal, partition, 1, comments(NOW, 3 + partition), at_ms=NOW * 1000)
            await asyncio.wait_for(shown.wait(), 30)
        assert await following == 1001


async def test_a_taken_port_is_a_sentence(valkey, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^Port {port} is in use; start with --port N\.$"):
            await run(settings_for(valkey, tmp_path, port))


async def test_beyond_this_machine_it_starts_only_when_insecure_is_typed(redis_client, valkey, tmp_path, capsys):
    open_to_all = replace(settings_for(valkey, tmp_path), config=replace(CONFIG, host="0.0.0.0"))
    with pytest.raises(ConfigError, match="--insecure"):
        await run(open_to_all)
    async with running(replace(open_to_all, args=argparse.Namespace(insecure=True)), capsys) as url:
        assert url.startswith("http://0.0.0.0:")


async def test_another_number_of_partitions_than_the_data_has_is_a_sentence(redis_client, valkey, tmp_path):
    async with Journal(valkey, partitions=16).opened() as journal:
        await journal.prepare()
    with pytest.raises(ConfigError, match="partitions = 16"):
        await asyncio.wait_for(run(settings_for(valkey, tmp_path)), 30)
