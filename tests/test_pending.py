"""What discovery knows on its way through serve: coverage, states, metrics, and the decisions that only this machine may make."""

from __future__ import annotations

import contextlib

import pytest
from aiohttp.test_utils import TestClient, TestServer
from feed_source import Shelf
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from test_feed import CONFIG, ROSTER, START_AT, Time, row

from monitor.access import is_at_the_desk, new_token
from monitor.channel_store import ChannelStore, Desk
from monitor.channels import Live, Row, as_json
from monitor.feed import Feed
from monitor.metrics import make_registry
from monitor.moments import iso
from monitor.redis_client import make_client
from monitor.scope import Said
from monitor.stage_store import StageStore
from monitor.web import make_app, read_decision

LIVE = Live(id="b1", title="the summit", started_at=START_AT, found_at=START_AT, scope="in")
PENDING = Live(id="b2", title="noodles", started_at=START_AT, found_at=START_AT, why="its title does not name the event")


def known(state, *broadcasts, **more):
    return Row(platform="twitch", handle="a", native_id="7", state=state, broadcasts=broadcasts, discovered_at=START_AT, **more)


@pytest.fixture
async def store(valkey, redis_client):
    client = make_client(valkey)
    yield ChannelStore(client)
    await client.aclose()


async def save(store, **rows):
    named = {f"twitch:{name}": as_json(row) for name, row in rows.items()}
    await store.save(named, (), desks={"twitch": Desk(asked_at=START_AT, spent=12)}, closed=())


@contextlib.asynccontextmanager
async def serving(store, tokens=()):
    clock = Time()
    source = Shelf(states={"twitch:a": row("live"), "twitch:b": row("live")})
    feed = Feed(CONFIG, ROSTER, source, discovered=store, now_ms=clock)
    await feed.follow()
    await feed.look_around()
    feed.tick()
    async with TestClient(TestServer(make_app(feed, now_ms=clock, tokens=lambda: tokens))) as client:
        yield client, feed, clock


async def test_the_wall_is_told_how_many_are_pending_and_nothing_of_their_titles(store):
    await save(store, a=known("live", LIVE, viewers=40), b=known("live", PENDING, viewers=7))
    async with serving(store) as (client, feed, clock):
        clock.ms += 38_000
        feed.tick()
        coverage = feed.ticker.state["health"]["coverage"]
        assert (coverage["known_live"], coverage["pending"], coverage["discovery_age_seconds"]) == (1, 1, 38)
        assert feed.ticker.state["livestreams"]["waiting"] == 1
        assert b"noodles" not in feed.ticker.snapshot()
        cells = (await (await client.get("/api/livestreams")).json())["livestreams"]
        assert (cells["twitch:a"]["broadcast"], cells["twitch:a"]["viewers"]) == ("b1", 40)
        assert cells["twitch:b"]["reason"] == "live, but not counted: its title does not name the event"


async def test_rows_are_read_again_when_one_changed(store):
    await save(store, a=known("live", LIVE))
    async with serving(store) as (_, feed, _):
        await save(store, a=known("waiting"))
        await feed.look_around()
        assert feed.around.livestreams["twitch:a"].state == "waiting"


@pytest.mark.parametrize(("decision", "count"), [("accept", True), ("ignore", False)])
async def test_the_producer_decides_with_one_request(store, decision, count):
    await save(store, b=known("live", PENDING, viewers=7))
    async with serving(store) as (client, _, _):
        [found] = (await (await client.get("/api/pending")).json())["pending"]
        assert (found["livestream"], found["broadcast"], found["title"]) == ("twitch:b", "b2", "noodles")
        assert (found["url"], found["viewers"]) == ("https://www.twitch.tv/a", 7)
        body = {"livestream": "twitch:b", "broadcast": "b2", "decision": decision}
        answer = await client.post("/api/pending", json=body)
        assert (answer.status, await answer.json()) == (200, {"decided": True})
        assert await store.said() == {("twitch:b", "b2"): Said(producer=count)}
        await client.post("/api/pending", json={**body, "decision": "ask"})
        assert await store.said() == {}


async def test_the_log_says_who_decided_what_about_which_broadcast_and_not_what_its_title_says(store):
    await save(store, b=known("live", PENDING))
    (lead, one), (moderator, other) = (
        new_token(role, name, raw=name[0].encode() * 32, id_=name[0].lower() * 8, made="")
        for role, name in (("lead", "Ana"), ("moderator", "Mo"))
    )
    async with serving(store, (one, other)) as (client, _, clock):
        body = {"livestream": "twitch:b", "broadcast": "b2", "decision": "accept"}
        statuses = []
        for text, decision in ((moderator, "ignore"), (lead, "accept"), (lead, "ask")):
            headers = {"Authorization": f"Bearer {text}"}
            statuses.append((await client.post("/api/pending", json={**body, "decision": decision}, headers=headers)).status)
        assert statuses == [403, 200, 200]
        assert await StageStore(store.redis).newest(9) == [
            {"at": iso(clock.ms), "by": "Ana", "severity": "change", "command": what, "livestream": "twitch:b", "broadcast": "b2"}
            for what in ("ask", "accept")
        ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"Forwarded": "for=203.0.113.7"},
    ],
)
async def test_a_foreign_page_and_whoever_comes_through_a_proxy_decide_nothing(store, headers):
    await save(store, b=known("live", PENDING))
    async with serving(store) as (client, _, _):
        body = {"livestream": "twitch:b", "broadcast": "b2", "decision": "accept"}
        assert (await client.post("/api/pending", json=body, headers=headers)).status == 403
        assert await store.said() == {}
        if "Origin" not in headers:
            assert (await client.get("/api/pending", headers=headers)).status == 403


@pytest.mark.parametrize(
    ("peer", "host", "allowed"),
    [
        ("127.0.0.1", "localhost:8080", True),
        ("::1", "[::1]:8080", True),
        ("192.168.1.5", "localhost:8080", False),
        ("127.0.0.1", "wall.example.org", False),
        (None, "localhost", False),
    ],
)
def test_only_this_machine_under_its_own_name_is_at_the_desk(peer, host, allowed):
    assert is_at_the_desk(peer, host, {}) is allowed


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'"accept"', b"{}",
        b'{"livestream":"twitch:b","broadcast":"b2"}',
        b'{"livestream":"twitch:b","broadcast":"b2","decision":"maybe"}',
        b'{"livestream":"twitch:b","broadcast":"b2","decision":["accept"]}',
        b'{"livestream":"twitch:b","broadcast":"","decision":"accept"}',
        b'{"livestream":"twitch:b","broadcast":"b 2","decision":"accept"}',
        b'{"livestream":"twitch:b c","broadcast":"b2","decision":"accept"}',
        b'{"livestream":7,"broadcast":"b2","decision":"accept"}',
        b'{"livestream":"twitch:b","broadcast":"' + b"x" * 201 + b'","decision":"accept"}',
    ],
)  # fmt: skip
async def test_what_is_no_decision_is_refused(store, body):
    assert read_decision(body) is None
    async with serving(store) as (client, _, _):
        assert (await client.post("/api/pending", data=body)).status == 400
        assert await store.said() == {}


async def test_nobody_decides_about_a_livestream_that_is_not_on_the_list(store):
    async with serving(store) as (client, _, _):
        body = {"livestream": "twitch:stranger", "broadcast": "b2", "decision": "accept"}
        assert (await client.post("/api/pending", json=body)).status == 400


async def test_prometheus_sees_coverage_and_how_late_broadcasts_are_found(store):
    await save(store, a=known("live", LIVE), b=known("live", PENDING))
    for seconds in (12, 31, 31, 5000):
        await store.add_delay("twitch", seconds)
    async with serving(store) as (_, feed, _):
        families = text_string_to_metric_families(generate_latest(make_registry(feed, "1")).decode())
        found = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert found["livestream_coverage_livestreams", "known_live"] == 1
    assert found[("livestream_pending_broadcasts",)] == 1
    assert found["livestream_discovery_units", "twitch"] == 12
    assert found["livestream_discovery_timestamp_seconds", "twitch"] == START_AT.timestamp()
    buckets = {key[1]: value for key, value in found.items() if key[0] == "livestream_discovery_delay_seconds_bucket"}
    assert (buckets["20"], buckets["45"], buckets["3600"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert found["livestream_discovery_delay_seconds_sum", "twitch"] == 5074


async def test_a_row_that_did_not_change_is_not_read_anew(store):
    await save(store, a=known("live", LIVE), b=known("waiting"))
    first = await store.rows()
    await save(store, a=known("waiting"))
    second = await store.rows()
    assert second["twitch:b"] is first["twitch:b"]
    assert second["twitch:a"].state == "waiting"
    await store.save({}, ["twitch:b"], desks={}, closed=())
    assert list(await store.rows()) == ["twitch:a"]
