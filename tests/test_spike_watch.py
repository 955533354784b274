"""The keeper's search for spikes, on a real server: what it reads, what it shows, and that another keeper goes on with it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from feed_source import Shelf
from test_feed import CONFIG, NOW, ROSTER, comments
from test_metrics import values

from connectors.event import Message, as_json
from monitor.access import new_token
from monitor.feed import Feed
from monitor.journal import Doubt, Journal, partition_of
from monitor.metrics import make_registry
from monitor.moderation.rules import Flag, encode_record
from monitor.moments import iso, moment
from monitor.spike_seen import Look, note, read_look
from monitor.spike_watch import CLOSED_SECONDS, Spikes
from monitor.stage_store import StageStore
from monitor.wall_store import SEEN_SPIKES, WallStore
from monitor.web import make_app

BEGIN = NOW - 110 * 10
BURST = NOW - 10 * 10
PLACE = partition_of("twitch:a", 2)


@pytest.fixture
async def store(valkey, redis_client):
    async with Journal(valkey, partitions=2).opened() as journal:
        await journal.prepare()
        yield WallStore(journal)


def make_feed(store: WallStore, now: int = NOW + CLOSED_SECONDS, config=CONFIG) -> Feed:
    shelf = Shelf()
    shelf.commit(0, comments(BEGIN, 1), comments(BEGIN, 1, "MX"))
    shelf.caught_up_ms = {0: now * 1000, 1: now * 1000}
    return Feed(config, ROSTER, shelf, wall=store, now_ms=lambda: now * 1000)


async def fill(store: WallStore, begin: int = BEGIN, end: int = NOW, *, lift: int = 10) -> None:
    """Slots as count leaves them: two countries, and from BURST on one of them lifted."""
    pipeline = store.journal.redis.pipeline()
    for start in range(begin, end, 10):
        counts = {"BR": 20 * (lift if start >= BURST else 1) + start // 10 % 3, "MX": 60 + start // 10 % 5}
        fields = {f"country:{country}|comments": count for country, count in counts.items()}
        fields |= {"livestream:twitch:a|comments": counts["BR"], "livestream:twitch:b|comments": counts["MX"]}
        fields |= {"country+platform:BR+twitch|comments": counts["BR"], "total|comments": sum(counts.values())}
        pipeline.hset(f"{{p{PLACE:02d}}}:slot:{start}", mapping=fields)
    await pipeline.execute()


async def write(store: WallStore, number: int, text: str, *, at: int = BURST + 5, author: str | None = None) -> str:
    """One message in the journal, as received at its time."""
    when = datetime.fromtimestamp(at, UTC) + timedelta(milliseconds=number)
    event = Message(
        id=f"twitch:{number}", platform="twitch", livestream="twitch:a", at=when, received_at=when, author=author or f"{number:032x}", text=text
    )  # fmt: skip
    entry = f"{int(when.timestamp() * 1000)}-0"
    await store.journal.redis.xadd(f"{{p{PLACE:02d}}}:s", {"n": b"n", "d": as_json(event)}, id=entry)
    return entry


async def moderated(store: WallStore, entry: str) -> None:
    """Moderation has read everything up to this entry."""
    await store.journal.redis.hset(f"{{p{PLACE:02d}}}:ckpt:moderate", mapping={"pos": entry, "nonce": "n"})


async def kept(job: Spikes, feed: Feed, store: WallStore, token: str = "keeper") -> dict[str, Any]:
    """The state after as many turns as it takes to have read every slot."""
    assert await store.lease(token, 60_000)
    await feed.follow()
    await job.begin(feed, store)
    for _ in range(40):
        await job.turn(feed, store, feed._now_ms(), token)
    await feed.look_at_wall()
    feed.tick()
    return feed.ticker.state


async def test_a_spike_is_shown_with_everything_a_card_needs(store):
    await fill(store)
    state = await kept(Spikes(), make_feed(store), store)
    (name, card), *others = sorted(state["spikes"].items())
    assert name == f"country-BR-{BURST}"
    assert {others_name.split("-")[0] for others_name, _ in others} <= {"total"}
    assert (card["dimension"], card["value"], card["state"], card["owner"]) == ("country", "BR", "open", "command center")
    assert moment(card["since"]) == BURST
    assert card["actual"] > card["expected"]["high"] > card["expected"]["mid"] > card["expected"]["low"]
    assert 1 <= card["severity"] <= 10
    assert 8 < card["factor"] < 11
    assert len(card["curve"]["actual"]) == len(card["curve"]["low"]) == len(card["curve"]["high"]) == 90
    assert card["curve"]["actual"][-1] >= 200
    assert card["where"] == {"platform": "twitch", "livestreams": ["twitch:a"]}
    assert "authors" not in card, "nobody wrote in the journal, so it is not known who is behind it"
    assert "why" not in card


async def test_what_is_expected_stands_in_the_metrics_and_nowhere_else(store):
    await fill(store, lift=1)
    state = await kept(Spikes(), make_feed(store), store)
    assert state["spikes"] == {}
    expected = state["countries"]["MX"]["expected"]
    assert expected["low"] <= 6 * 62 <= expected["high"]
    assert "expected" not in state
    assert state["health"]["series_watched"] >= 3
    total = state["totals"]["engagement"]["total"]
    assert total == sum(country.get("engagement", {}).get("total", 0) for country in state["countries"].values())


async def test_while_learning_there_is_no_range_but_the_time_at_which_there_will_be_one(store):
    await fill(store, begin=NOW - 50, lift=1)
    feed = make_feed(store)
    feed.source.commits.clear()  # counting began fifty seconds ago
    feed.source.commit(0, comments(NOW - 50, 1))
    state = await kept(Spikes(), feed, store)
    assert "expected" not in state["totals"]
    assert moment(state["totals"]["learning_until"]) == NOW - 50 + 300


async def test_a_slot_that_is_not_closed_is_not_judged(store):
    await fill(store)
    # Of a country with one livestream four slots must agree.
    state = await kept(Spikes(), make_feed(store, BURST + 40 + CLOSED_SECONDS - 1), store)
    assert {card["state"] for card in state["spikes"].values() if card["value"] == "BR"} <= {"confirming"}
    state = await kept(Spikes(), make_feed(store, BURST + 40 + CLOSED_SECONDS), store)
    assert state["spikes"][f"country-BR-{BURST}"]["state"] == "open"


async def test_another_keeper_goes_on_with_what_the_first_one_found(store):
    await fill(store)
    for number in range(30):
        await write(store, number, "robot")
    first = await kept(Spikes(), make_feed(store), store)
    await store.release("keeper")
    await fill(store, NOW, NOW + 30)
    second = await kept(Spikes(), make_feed(store, NOW + 30 + CLOSED_SECONDS), store, "other")
    name = f"country-BR-{BURST}"
    assert second["spikes"][name]["since"] == first["spikes"][name]["since"]
    assert second["spikes"][name]["state"] == "open"
    assert second["spikes"][name]["severity"] >= first["spikes"][name]["severity"]
    assert [one for one in second["spikes"] if one.startswith("country-BR")] == [name]


async def test_a_former_keeper_writes_nothing(store):
    await fill(store)
    job, feed = Spikes(), make_feed(store)
    await kept(job, feed, store)
    await store.release("keeper")
    assert await store.lease("other", 60_000)
    feed.source.caught_up_ms = dict.fromkeys((0, 1), (NOW + 40) * 1000)
    await fill(store, NOW, NOW + 20)
    await feed.follow()
    with pytest.raises(Doubt):
        await job.turn(feed, store, NOW * 1000, "keeper")


async def test_a_few_people_however_loud_are_no_spike(store):
    await fill(store)
    for number in range(900):
        await write(store, number, "buy", at=BURST + number // 50, author=f"{number % 2:032x}")
    few = dataclasses.replace(CONFIG, spikes=dataclasses.replace(CONFIG.spikes, minimum_authors=3))
    state = await kept(Spikes(), make_feed(store, config=few), store)
    assert [one for one in state["spikes"] if one.startswith("country-BR")] == []
    enough = dataclasses.replace(CONFIG, spikes=dataclasses.replace(CONFIG.spikes, minimum_authors=2))
    await store.release("keeper")
    await store.journal.redis.delete("{wall}:parts")
    state = await kept(Spikes(), make_feed(store, config=enough), store)
    assert f"country-BR-{BURST}" in state["spikes"]


async def test_words_that_are_new_are_told_but_never_those_of_what_was_flagged_retracted_or_not_yet_read(store):
    await fill(store)
    for number in range(40):
        await write(store, 1000 + number, "hello", at=BURST - 100 + number)
    for number in range(10):
        await write(store, 2000 + number, "dancing robot", at=BURST + 1)
    for number in range(10):
        await write(store, 2100 + number, "slander", at=BURST + 2)
        flag = Flag(id=f"r|twitch:{2100 + number}", event=f"twitch:{2100 + number}", rule="r", severity=3, span=(0, 1),
                    platform="twitch", at="", received_at="", text="slander")  # fmt: skip
        await store.journal.redis.xadd(f"{{p{PLACE:02d}}}:flags", {"n": b"n", "d": encode_record(flag)})
    for number in range(10):
        await write(store, 2200 + number, "withdrawn", at=BURST + 3)
        await store.journal.redis.zadd(f"{{p{PLACE:02d}}}:removed", {f"twitch:{2200 + number}": 1})
    for number in range(10):
        last = await write(store, 2300 + number, "hello", at=BURST + 4)
    await moderated(store, last)
    for number in range(10):
        await write(store, 2400 + number, "unread", at=BURST + 5)
    state = await kept(Spikes(), make_feed(store), store)
    words = {one["word"] for one in state["spikes"][f"country-BR-{BURST}"]["why"]}
    assert words == {"dancing", "robot"}


async def test_an_owner_is_named_by_country_topic_group_or_dimension(store):
    await fill(store)
    owners = dataclasses.replace(CONFIG, spikes=dataclasses.replace(CONFIG.spikes, owners={"BR": "Latin America desk"}))
    state = await kept(Spikes(), make_feed(store, config=owners), store)
    assert state["spikes"][f"country-BR-{BURST}"]["owner"] == "Latin America desk"


async def test_a_spike_that_is_over_stays_for_two_hours(store):
    await fill(store, end=NOW)
    await fill(store, NOW, NOW + 100, lift=1)
    job = Spikes()
    state = await kept(job, make_feed(store, NOW + 100 + CLOSED_SECONDS), store)
    card = state["spikes"][f"country-BR-{BURST}"]
    assert card["state"] == "closed"
    assert moment(card["closed_at"]) == NOW
    assert job._shown(NOW + 2 * 3600 - 1)
    assert not job._shown(NOW + 2 * 3600)


async def test_today_is_compared_with_yesterday_until_the_same_time(store):
    await fill(store, lift=1)
    feed = make_feed(store)
    place = f"{{p{PLACE:02d}}}"
    today = datetime.fromtimestamp(NOW, CONFIG.event.timezone)
    day_begin = int(datetime.combine(today.date(), CONFIG.event.day_start, CONFIG.event.timezone).timestamp())
    await store.journal.redis.hset(
        f"{place}:day:{today.date()}", mapping={"total|comments": 300, "country:BR|comments": 100, "total|joins": 9}
    )
    await store.journal.redis.hset(
        f"{place}:minute:{day_begin - 86_400 + 60}", mapping={"total|comments": 200, "country:BR|comments": 200}
    )
    await store.journal.redis.hset(f"{place}:minute:{day_begin - 60}", mapping={"total|comments": 9999})
    job = Spikes()
    await kept(job, feed, store)
    for _ in range(60):
        await job.turn(feed, store, NOW * 1000, "keeper")
    await feed.look_at_wall()
    feed.tick()
    assert feed.ticker.state["totals"]["change_vs_yesterday"] == 1.5
    assert feed.ticker.state["countries"]["BR"]["change_vs_yesterday"] == 0.5
    assert "change_vs_yesterday" not in feed.ticker.state["countries"]["MX"]


# --- who has seen it --------------------------------------------------------------------------------------------------


async def test_who_has_seen_a_spike_stays_whatever_the_keeper_writes_and_goes_with_the_spike(store):
    await fill(store)
    feed, job, name = make_feed(store), Spikes(), f"country-BR-{BURST}"
    await kept(job, feed, store)
    assert await note(store, Look(name, seen=True), by="Ana", now_ms=NOW * 1000)
    assert await note(store, Look(name, seen=True), by="Ben", now_ms=NOW * 1000 + 1)
    await store.write({"spikes": job._shown(NOW)}, "keeper")
    await feed.look_at_wall()
    feed.tick()
    assert feed.ticker.state["spikes"][name]["seen"] == {"by": "Ana", "at": iso(NOW * 1000)}
    log = await StageStore(store.journal.redis).newest(9)
    assert [(line["command"], line["by"], line["spike"], line["value"]) for line in log] == [("see_spike", "Ana", name, "BR")]
    other = f"{name}0"
    await store.write({"spikes": {other: {"state": "open"}}}, "keeper")
    assert await note(store, Look(other, seen=True), by="Ana", now_ms=NOW * 1000)
    assert await store.journal.redis.hkeys(SEEN_SPIKES) == [other.encode()]
    assert await note(store, Look(other, seen=False), by="Ana", now_ms=NOW * 1000)
    assert (await store.parts())["spikes"] == {other: {"state": "open"}}
    commands = [line["command"] for line in await StageStore(store.journal.redis).newest(9)]
    assert commands == ["unsee_spike", "see_spike", "see_spike"]
    assert not await note(store, Look(name, seen=True), by="Ana", now_ms=NOW * 1000)


@pytest.mark.parametrize(("role", "status"), [("moderator", 200), ("lead", 200), ("viewer", 403), (None, 401)])
async def test_a_moderator_says_that_a_spike_was_seen_and_whoever_only_looks_does_not(store, role, status):
    await fill(store)
    feed, name = make_feed(store), f"country-BR-{BURST}"
    await kept(Spikes(), feed, store)
    text, token = new_token(role or "lead", "Mo", raw=b"m" * 32, id_="1" * 8, made="")
    async with TestClient(TestServer(make_app(feed, tokens=lambda: (token,)))) as client:
        headers = {"Authorization": f"Bearer {text}"} if role else {}
        assert (await client.post("/api/spikes", json={"id": name, "seen": True}, headers=headers)).status == status
        if status == 200:
            assert (await client.post("/api/spikes", json={"id": "nothing", "seen": True}, headers=headers)).status == 404
            assert (await client.post("/api/spikes", json={"id": name}, headers=headers)).status == 400
    assert ("seen" in (await store.parts())["spikes"][name]) == (status == 200)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id":"x"}', b'{"id":1,"seen":true}', b'{"id":"x","seen":1}', b'{"id":"","seen":true}']
)
def test_only_a_whole_look_is_one(body):
    assert read_look(body) is None
    assert read_look(b'{"id":"x","seen":false}') == Look("x", seen=False)


async def test_metrics_count_open_spikes_by_how_grave_they_are_and_by_nothing_of_which_there_may_be_many(store):
    await fill(store)
    feed = make_feed(store)
    state = await kept(Spikes(), feed, store)
    grave = [card["severity"] for card in state["spikes"].values() if card["state"] == "open"]
    found = values(make_registry(feed, "1"))
    assert grave
    assert found["livestream_spikes", "high"] == sum(severity >= 7 for severity in grave)
    assert found["livestream_spikes", "middle"] == sum(4 <= severity < 7 for severity in grave)
    assert found["livestream_spikes", "low"] == sum(severity < 4 for severity in grave)
