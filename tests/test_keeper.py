"""The wall's keeper: one owner, its words refused once it is none, and what is written shown by every server."""

from __future__ import annotations

from typing import Any

import pytest
from feed_source import Shelf
from test_feed import CONFIG, NOW, ROSTER, comments

from monitor.feed import Feed
from monitor.journal import Doubt, Journal
from monitor.keeper import Keeper
from monitor.wall_store import WallStore


@pytest.fixture
async def store(valkey, redis_client):
    async with Journal(valkey, partitions=2).opened() as journal:
        await journal.prepare()
        yield WallStore(journal)


class Counting:
    """A job that writes how often it had a turn."""

    name = "counting"
    seconds = 0.0

    def __init__(self) -> None:
        self.begun = 0
        self.turns = 0

    async def begin(self, feed: Feed, store: WallStore) -> None:
        self.begun += 1
        self.turns = int((await store.parts()).get("counting", {}).get("turns", 0))

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        self.turns += 1
        await store.write({"counting": {"turns": self.turns}}, token)


def make_feed(store: WallStore | None = None) -> Feed:
    shelf = Shelf()
    shelf.commit(0, comments(NOW, 3))
    shelf.caught_up_ms = {0: NOW * 1000, 1: NOW * 1000}
    return Feed(CONFIG, ROSTER, shelf, wall=store, now_ms=lambda: NOW * 1000)


async def shown(feed: Feed) -> dict[str, Any]:
    await feed.look_at_wall()
    feed.tick()
    return feed.ticker.state


async def test_only_the_owner_of_the_lease_writes_what_is_found(store):
    assert await store.lease("one", 60_000)
    assert not await store.lease("two", 60_000)
    await store.write({"spikes": {"a": {"factor": 2}}}, "one")
    with pytest.raises(Doubt):
        await store.write({"spikes": {}}, "two")
    assert await store.parts() == {"spikes": {"a": {"factor": 2}}}
    await store.release("one")
    assert await store.lease("two", 60_000)
    with pytest.raises(Doubt):
        await store.write({"spikes": {}}, "one")


async def test_what_is_written_is_shown_with_the_next_tick_and_not_read_again_before_it_changes(store):
    feed = make_feed(store)
    await feed.follow()
    assert "spikes" not in await shown(feed)
    await store.write({"spikes": {"a": {"factor": 2}}})
    assert (await shown(feed))["spikes"] == {"a": {"factor": 2}}
    parts = feed.around.parts
    await shown(feed)
    assert feed.around.parts is parts


async def test_a_part_that_cannot_be_read_is_unknown(store):
    await store.write({"spikes": {"a": {}}})
    await store.journal.redis.hset("{wall}:parts", "broken", b"{")
    await store.journal.redis.hset("{wall}:parts", "list", b"[]")
    assert await store.parts() == {"spikes": {"a": {}}}


async def test_a_second_keeper_waits_and_then_goes_on_where_the_first_one_was(store):
    feed = make_feed(store)
    await feed.follow()
    one, other = Keeper(feed, store, [Counting()], now_ms=lambda: 0), Keeper(feed, store, [Counting()], now_ms=lambda: 0)
    feed.tick()
    await one.renew()
    await other.renew()
    assert (one.owner, other.owner) == (True, False)
    await one.turns(at=0.0)
    await other.turns(at=0.0)
    assert await store.parts() == {"counting": {"turns": 1}}
    await one.release()
    await other.renew()
    await other.turns(at=1.0)
    assert await store.parts() == {"counting": {"turns": 2}}
    await one.turns(at=2.0)
    assert await store.parts() == {"counting": {"turns": 2}}


class Failing(Counting):
    name = "failing"

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        raise OSError("no route")


async def test_a_job_that_fails_keeps_nobody_from_their_turn(store):
    feed = make_feed(store)
    await feed.follow()
    feed.tick()
    keeper = Keeper(feed, store, [Failing(), Counting()], now_ms=lambda: 0)
    await keeper.renew()
    await keeper.turns(at=0.0)
    assert await store.parts() == {"counting": {"turns": 1}}


async def test_it_is_written_when_each_search_was_made_last_and_a_failing_one_grows_old(store):
    feed = make_feed(store)
    await feed.follow()
    feed.tick()
    keeper = Keeper(feed, store, [Failing(), Counting()], now_ms=lambda: 90_000)
    await keeper.renew()
    await keeper.turns(at=100.0)
    assert (await store.parts())["kept"] == {"counting": "1970-01-01T00:01:30.000Z"}
    assert "kept" not in await shown(feed)


async def test_flags_are_counted_by_severity_from_what_moderation_left(store):
    await store.journal.redis.hset(
        "{metrics}", mapping={"flags|insult|4": 2, "flags|spam|4": 1, "flags|spam|1": 9, "flags_retracted": 5}
    )
    assert await store.flags() == {4: 3, 1: 9}


async def test_while_the_numbers_are_unknown_nothing_is_searched(store):
    feed = make_feed(store)
    keeper = Keeper(feed, store, [Counting()], now_ms=lambda: 0)
    await keeper.renew()
    await keeper.turns(at=0.0)
    assert await store.parts() == {}
