"""The collector against a server that speaks Twitch: shares handed over by the living and the dead, and failures that stop nobody else."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
import pytest
from fake_twitch import FakeTwitch
from fakes import Faults
from faulty import FaultProxy
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

import connectors
from connectors.connector import (
    Connector,
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Secret,
    Target,
    Throttled,
    Tools,
    make_pseudonym,
)
from connectors.ending import end
from connectors.event import Gap, Message, from_json
from monitor.collect import Collector
from monitor.collect_cover import decode_resume, later
from monitor.collect_plan import Group, plan, regroup, share_of
from monitor.config import Config, Event, Platform, Scope
from monitor.journal import Journal
from monitor.produce import Producer
from monitor.push_store import PushStore
from monitor.reload import Setup
from monitor.roster import Channel, Roster
from monitor.simulated import addresses_of
from monitor.simulated_file import Simulated
from monitor.tally import KEY as TALLIES

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NAMES = ("ana", "bo", "cy")
ALL = set(range(256))


# --- who is watched, and on which connection: pure ------------------------------------------------------------------------


def channel(name: str, platform: str = "twitch", consent: str = "yes", **more) -> Channel:
    return Channel(
        id=f"{platform}:{name}", attendee=name, name=name, country="BR", language="pt", platform=platform, handle=name,
        consent=consent, **more,
    )  # fmt: skip


def config(hashtags: tuple[str, ...] = (), **options) -> Config:
    return Config(
        event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=hashtags),
        platforms={name: Platform(name=name, options=table) for name, table in options.items()},
        scope=Scope(hours="always"),
    )


@given(st.sets(st.integers(0, 255)))
def test_each_share_is_watched_by_its_owner_and_by_nobody_else(mine):
    roster = Roster(channels=tuple(channel(f"login{number}") for number in range(60)))
    made = config(("#One", "#Two"), twitch={}, bluesky={})
    ours, theirs = plan(made, roster, mine), plan(made, roster, ALL - mine)
    for platform in ("twitch", "bluesky"):
        own, others = ours.targets.get(platform, {}).keys(), theirs.targets.get(platform, {}).keys()
        assert not own & others
        assert own | others == plan(made, roster, ALL).targets[platform].keys()
        assert all(share_of(name) in mine for name in own)
    assert ours.directory == theirs.directory  # a post found by hashtag is attributed alike by everybody


def test_a_platform_without_its_key_waits_and_says_which_key_and_reads_as_soon_as_it_is_given():
    roster = Roster(channels=(channel("ana", platform="youtube"),))
    without, with_key = config(youtube={}), config(youtube={"api_key": Secret("k")})
    wanted = plan(without, roster, ALL)
    assert wanted.targets == {}
    assert wanted.closed == {"youtube:ana": "needs [youtube] api_key; docs/connectors.md says where to get it"}
    assert list(plan(with_key, roster, ALL).targets["youtube"]) == ["youtube:ana"]
    simulator = {"youtube": {"api_key": Secret("simulated")}}
    assert list(plan(without, roster, ALL, given=simulator).targets["youtube"]) == ["youtube:ana"]


def test_where_the_simulator_listens_is_kept_while_its_file_cannot_be_read_and_never_is_a_real_platform(tmp_path):
    path = tmp_path / "simulator.json"
    addresses = Simulated(path)
    assert addresses() == addresses_of({})  # nobody listens there
    path.write_text('{"twitch": "ws://127.0.0.1:7001", "youtube": "http://127.0.0.1:7002/youtube/v3"}')
    there = addresses()
    assert (there["twitch"]["url"], there["youtube"]["url"]) == ("ws://127.0.0.1:7001", "http://127.0.0.1:7002/youtube/v3")
    path.unlink()
    assert addresses() == there
    for nothing in ("", '{"twitch"', "[]", "null"):
        path.write_text(nothing)
        assert addresses() == there
    path.write_text('{"twitch": "ws://127.0.0.1:7003"}')
    assert addresses()["twitch"]["url"] == "ws://127.0.0.1:7003"


def test_without_consent_or_switched_off_nobody_is_watched_and_it_is_said():
    roster = Roster(channels=(channel("ana"), channel("bo", consent=""), channel("did", platform="bluesky")))
    made = Config(
        event=Event(name="Test", timezone=ZoneInfo("UTC")),
        platforms={"twitch": Platform(name="twitch"), "bluesky": Platform(name="bluesky", enabled=False)},
    )
    wanted = plan(made, roster, ALL)
    assert list(wanted.targets) == ["twitch"]
    assert list(wanted.targets["twitch"]) == ["twitch:ana"]
    assert wanted.refused == {"twitch:bo": "no consent in the roster"}
    assert wanted.paused == {"bluesky:did": "bluesky is switched off in the configuration"}


def test_who_pauses_is_not_read_and_is_shown_as_paused_and_not_as_refused():
    roster = Roster(channels=(channel("ana", state="paused"), channel("bo", state="withdrawn")))
    wanted = plan(config(), roster, ALL)
    assert not wanted.targets
    assert wanted.paused == {"twitch:ana": "paused by the attendee"}
    assert wanted.refused.keys() == {"twitch:bo"}


changes = st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=6)


@given(changes, st.none() | st.integers(1, 5))
def test_targets_are_each_on_one_connection_within_its_capacity_and_never_move(rosters, capacity):
    groups: list[Group] = []
    for numbers in rosters:
        wanted = {f"t:{number}": Target(livestream=f"t:{number}", handle=str(number)) for number in sorted(numbers)}
        before = {name: group.number for group in groups for name in group.targets}
        groups = regroup(groups, "t", wanted, capacity)
        placed = [name for group in groups for name in group.targets]
        assert sorted(placed) == sorted(wanted)
        assert all(group.targets for group in groups)
        assert all(capacity is None or len(group.targets) <= capacity for group in groups)
        assert len({group.number for group in groups}) == len(groups)
        after = {name: group.number for group in groups for name in group.targets}
        assert all(after[name] == before[name] for name in before.keys() & after.keys())


moments = st.none() | st.integers(0, 1000).map(lambda seconds: AT + timedelta(seconds=seconds))


@given(moments, st.lists(st.tuples(st.none() | st.text(min_size=1), moments)))
def test_what_is_covered_never_goes_back(start, moves):
    resume = Resume(covered_until=start)
    for cursor, until in moves:
        new = later(resume, cursor, until)
        assert resume.covered_until is None or new.covered_until >= resume.covered_until
        assert new.cursor == (cursor or resume.cursor)
        resume = new


# --- a server that speaks Twitch ------------------------------------------------------------------------------------------


def options_of(fake: FakeTwitch, **more) -> dict:
    made = fake.options()
    return {item.name: getattr(made, item.name) for item in fields(made)} | {"capacity": 90, **more}


def setup_of(fake: FakeTwitch, *names: str, **tables) -> Setup:
    return Setup(
        config=config(twitch=options_of(fake), **tables),
        roster=Roster(channels=(*map(channel, names), *(channel("x", platform=platform) for platform in tables))),
    )


@pytest.fixture
async def fake():
    async with FakeTwitch(Faults()) as opened:
        yield opened


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=2).opened() as opened:
        await opened.prepare()
        yield opened


@asynccontextmanager
async def collecting(journal: Journal, url: str, folder: Path, setup: Setup, token: str = "one", **more):
    tools = Tools(pseudonym=make_pseudonym(b"test"), dice=random.Random(1))
    async with Producer(url, folder, journal.partitions) as producer:
        collector = Collector(journal, producer, setup, tools, token=token, connect_every=0.0, **more)
        yield collector
        await die(collector)


async def die(collector: Collector) -> None:
    """Without goodbye: what it has read and not written is gone."""
    for running in collector.connections.running.values():
        running.task.cancel()
    await asyncio.gather(*(running.task for running in collector.connections.running.values()), return_exceptions=True)
    await collector.journal.redis.hset("{collect}:members", collector.token, 1)  # its time is up at the server


async def settle(collector: Collector) -> None:
    """Everything that was read is in the journal, and how far it is covered is stored."""
    await collector.flush()
    await collector.producer.flushed()
    await collector.store_cursors()


async def test_an_address_that_somebody_of_the_roster_posts_is_told_to_discovery(journal, valkey, tmp_path):
    there = replace(channel("ana", platform="bluesky"), attendee="1")
    setup = Setup(
        config=config(bluesky={}), roster=Roster(channels=(there, replace(channel("ana_tv", native_id="77"), attendee="1")))
    )
    about = {"platform": "bluesky", "at": AT, "received_at": AT, "form": "post"}
    async with collecting(journal, valkey, tmp_path, setup) as collector:
        collector._items += [
            Message(id="bluesky:1", livestream=there.id, text="live on https://www.twitch.tv/ana_tv", **about),
            Message(id="bluesky:2", livestream=None, text="live on https://www.twitch.tv/ana_tv", **about),
        ]
        await collector.flush()
    [(platform, hint)] = (await PushStore(journal.redis).heard()).values()
    assert (platform, hint.what, hint.native_id) == ("twitch", "began", "77")


async def tallied(collector: Collector, name: str) -> int:
    """What the collector has told of its connections."""
    await collector.connections.tally.write(collector.journal.redis)
    return int(await collector.journal.redis.hget(TALLIES, name))


async def read(journal: Journal) -> list:
    entries = [data for p in range(journal.partitions) for _, data in await journal.scan(p, "", "", 100_000)]
    return [from_json(data) for data in entries]


async def ids(journal: Journal) -> list[str]:
    return [event.id for event in await read(journal) if isinstance(event, Message)]


async def until(what, collector: Collector | None = None) -> None:
    """Bytes travel through real sockets: looked at after each step of the loop."""
    async with asyncio.timeout(30):
        while not await what():
            if collector is not None:
                await settle(collector)
            await asyncio.sleep(0)


async def arrived(collector: Collector, *said) -> None:
    async def all_there() -> bool:
        return {one.id for one in said} <= set(await ids(collector.journal))

    await until(all_there, collector)


async def resume_of(journal: Journal, name: str) -> Resume:
    return decode_resume(await journal.redis.hget("{cur}", f"twitch:{name}"))


async def test_two_collectors_share_and_the_living_takes_over_from_the_dead(fake, journal, valkey, tmp_path):
    """Nothing twice, and what nobody has heard lies in a gap of its livestream."""
    setup = setup_of(fake, *NAMES)
    async with (
        collecting(journal, valkey, tmp_path, setup, "one") as one,
        collecting(journal, valkey, tmp_path, setup, "two") as two,
    ):
        await one.own()
        for name in NAMES:
            await fake.heard(name)
        said = [await fake.say(name, "alone") for name in NAMES]
        await arrived(one, *said)
        await two.own()
        await one.own()  # gives half of the shares away …
        await fake.until(lambda: [fake.listeners(name) for name in NAMES] == [1, 0, 0])
        away = await fake.say("bo", "between")
        await two.own()  # … and the other takes them
        await fake.until(lambda: [fake.listeners(name) for name in NAMES] == [1, 1, 1])
        assert one._shares | two._shares == ALL
        assert not one._shares & two._shares
        said += [await fake.say("ana", "both"), await fake.say("bo", "both")]
        await arrived(one, said[-2])
        await arrived(two, said[-1])
        unwritten = await fake.say("cy", "read, not written")
        await until_read(two, unwritten.id)
        await die(two)
        unheard = await fake.say("bo", "nobody listens")
        await one.own()
        await fake.until(lambda: [fake.listeners(name) for name in NAMES] == [1, 1, 1])
        said += [await fake.say(name, "taken over") for name in NAMES]
        await arrived(one, *said)
        events = await read(journal)
        found = [event.id for event in events if isinstance(event, Message)]
        assert len(found) == len(set(found))
        assert {one.id for one in said} <= set(found)
        for missing, name in ((away, "bo"), (unwritten, "cy"), (unheard, "bo")):
            assert missing.id not in found
            gaps = [event for event in events if isinstance(event, Gap) and event.livestream == f"twitch:{name}"]
            assert any(gap.from_ <= missing.at <= gap.to for gap in gaps), (missing, gaps)
        assert (
            len([gap for gap in events if isinstance(gap, Gap) and gap.livestream == "twitch:ana"]) == 1
        )  # before the first join


async def until_read(collector: Collector, name: str) -> None:
    async def there() -> bool:
        return any(getattr(item, "id", "") == name for item in collector._items)

    await until(there)


async def test_the_roster_changes_while_the_connection_stays(fake, journal, valkey, tmp_path):
    async with collecting(journal, valkey, tmp_path, setup_of(fake, "ana", "bo")) as collector:
        await collector.own()
        await fake.heard("ana")
        await fake.heard("bo")
        (running,) = collector.connections.running.values()
        collector.setup = setup_of(fake, "bo", "cy")
        await collector.replan()
        await fake.until(lambda: [fake.listeners(name) for name in NAMES] == [0, 1, 1])
        assert list(collector.connections.running.values()) == [running]
        assert fake.connections == 1
        assert "twitch:ana" not in collector._states
        said = [await fake.say(name, "hello") for name in NAMES]
        await arrived(collector, *said[1:])
        assert said[0].id not in await ids(journal)


async def test_a_handed_on_livestream_does_not_come_back_by_a_late_write(fake, journal, valkey, tmp_path):
    """The spool was slow; meanwhile the livestream went to another collector, whose cursor is newer than what we remember."""
    async with collecting(journal, valkey, tmp_path, setup_of(fake, "ana")) as collector:
        await collector.own()
        await fake.heard("ana")
        said = await fake.say("ana", "one")
        await until_read(collector, said.id)
        put = collector.producer.put

        async def slow(events):
            collector.setup = setup_of(fake, "bo")
            await collector.replan()
            return await put(events)

        collector.producer.put = slow
        await collector.flush()
        assert "twitch:ana" not in collector._resumes
        await fake.heard("bo")


async def test_a_plan_that_redis_interrupted_is_made_again(fake, journal, valkey, tmp_path):
    """The shares were heard, the cursors not: without a second try nobody would watch these livestreams."""
    async with (
        FaultProxy(valkey, tmp_path / "proxy.sock") as proxy,
        Journal(proxy.url, partitions=2).opened() as far,
        collecting(far, valkey, tmp_path / "spool", setup_of(fake, "ana")) as collector,
    ):
        proxy.drop_replies(b"HMGET", 1)
        with pytest.raises(RedisConnectionError):
            await collector.own()
        assert proxy.dropped == 1
        assert not collector.connections.running
        proxy.release()
        await collector.own()
        await fake.heard("ana")


async def test_a_roster_that_changes_while_redis_is_away_does_not_end_the_collector(fake, journal, valkey, tmp_path):
    polls = iter([setup_of(fake, "bo")])
    async with (
        FaultProxy(valkey, tmp_path / "proxy.sock") as proxy,
        Journal(proxy.url, partitions=2).opened() as far,
        collecting(far, valkey, tmp_path / "spool", setup_of(fake, "ana"), share_ttl_ms=500) as collector,
    ):
        running = asyncio.create_task(collector.run(lambda: next(polls, None)))
        await fake.heard("ana")
        proxy.drop_replies(b"HMGET", 1)

        async def refused() -> bool:
            return proxy.dropped > 0

        await until(refused)
        proxy.release()
        await fake.heard("bo")
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await journal.redis.hlen("{collect}:members") == 0  # a goodbye, so that others need not wait


async def test_a_connection_that_is_slow_to_end_costs_no_shares(fake, journal, valkey, tmp_path, monkeypatch):
    """Others would take what this one still reads."""
    released, ending = asyncio.Event(), asyncio.Event()

    async def slow(tasks):
        ending.set()
        await released.wait()
        await end(tasks)

    monkeypatch.setattr("monitor.collect_connections.end", slow)
    polls = iter([Setup(config=config(twitch=options_of(fake)), roster=Roster())])
    async with collecting(journal, valkey, tmp_path, setup_of(fake, "ana"), share_ttl_ms=500) as collector:
        running = asyncio.create_task(collector.run(lambda: next(polls, None)))

        async def said_at() -> int:
            return int(await journal.redis.hget("{collect}:members", collector.token) or 0)

        await ending.wait()
        before = await said_at()

        async def said_again() -> bool:
            return await said_at() > before

        await until(said_again)
        assert fake.listeners("ana") == 1
        released.set()
        await fake.until(lambda: fake.listeners("ana") == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# --- what is covered --------------------------------------------------------------------------------------------------------


@pytest.fixture
def odd(monkeypatch):
    monkeypatch.setitem(connectors.PLATFORMS, "odd", "test_collect:Odd")
    monkeypatch.setattr(Odd, "started", 0)
    monkeypatch.setattr(Odd, "failures", [], raising=False)
    monkeypatch.setattr(Odd, "given", asyncio.Queue(), raising=False)
    return Odd


async def test_what_is_covered_is_stored_only_after_it_is_in_the_journal(fake, journal, valkey, tmp_path, odd):
    soon = datetime.now(UTC) + timedelta(hours=1)

    async def covered() -> datetime | None:
        return decode_resume(await journal.redis.hget("{cur}", "odd:x")).covered_until

    def message(number: int, at: datetime) -> Message:
        return Message(
            id=f"odd:{number}", platform="odd", livestream="odd:x", at=at, received_at=at + timedelta(seconds=1), text="x"
        )

    async with (
        FaultProxy(valkey, tmp_path / "proxy.sock") as proxy,
        collecting(journal, proxy.url, tmp_path / "spool", setup_of(fake, odd={})) as collector,
    ):
        await collector.own()
        claimed = await covered()
        assert claimed is not None  # from the first claim on we answer for it
        odd.given.put_nowait(message(1, soon))
        await until_read(collector, "odd:1")
        await settle(collector)
        assert await covered() == soon
        proxy.hold()
        odd.given.put_nowait(message(2, soon + timedelta(seconds=5)))
        odd.given.put_nowait(Mark(livestreams=("odd:x",), cursor="c", covered_until=soon + timedelta(seconds=9)))
        await until_read(collector, "odd:2")
        await until(lambda: asyncio.sleep(0, len(collector._items) == 2))
        await collector.flush()  # on disk, not in the journal
        await collector.store_cursors()
        assert await covered() == soon
        proxy.release()
        await settle(collector)
        assert await covered() == soon + timedelta(seconds=9)
        odd.given.put_nowait(message(3, soon - timedelta(seconds=50)))  # late: it does not take the cover back
        await until_read(collector, "odd:3")
        await settle(collector)
        stored = decode_resume(await journal.redis.hget("{cur}", "odd:x"))
        assert stored == Resume(cursor="c", covered_until=soon + timedelta(seconds=9))


async def test_an_event_without_a_time_of_its_own_says_nothing_of_what_is_covered(fake, journal, valkey, tmp_path, odd):
    """It may be older than its receipt, and what was said after it may be on its way still: there only marks count."""
    now = datetime.now(UTC) + timedelta(hours=1)

    async def covered() -> datetime | None:
        return decode_resume(await journal.redis.hget("{cur}", "odd:x")).covered_until

    async with collecting(journal, valkey, tmp_path / "spool", setup_of(fake, odd={})) as collector:
        await collector.own()
        claimed = await covered()
        for number, ahead in enumerate((timedelta(0), timedelta(seconds=3))):
            told = Message(id=f"odd:{number}", platform="odd", livestream="odd:x", at=now + ahead, received_at=now, text="x")
            odd.given.put_nowait(told)
            await until_read(collector, f"odd:{number}")
            await settle(collector)
            assert await covered() == claimed
        odd.given.put_nowait(Mark(livestreams=("odd:x",), covered_until=now - timedelta(seconds=5)))
        odd.given.put_nowait(Message(id="odd:9", platform="odd", livestream="odd:x", at=now, received_at=now, text="x"))
        await until_read(collector, "odd:9")
        await settle(collector)
        assert await covered() == now - timedelta(seconds=5)


# --- connectors that fail -------------------------------------------------------------------------------------------------


class Odd(Connector):
    """Fails in the next of the ways that a test has laid out; when there is none left it is live and yields what it is given."""

    name = "odd"

    class options:  # noqa: N801 - the contract's name for it
        def __init__(self, **_: object) -> None:
            pass

    failures: list[BaseException]
    started = 0
    given: asyncio.Queue

    async def events(self):
        type(self).started += 1
        if self.failures:
            raise self.failures.pop(0)
        for livestream in self.watch.targets:
            yield Health(livestream=livestream, state="live")
        while True:
            yield await self.given.get()

    @classmethod
    def parse(cls, raw, tools, *, livestreams=None):  # noqa: ARG003 - the contract asks for it
        return []


class Waits:
    """The pauses between attempts; each ends when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self._go_on = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.asked.put_nowait(seconds)
        await self._go_on.acquire()

    def over(self) -> None:
        self._go_on.release()


async def test_a_connector_that_fails_unexpectedly_is_shown_as_broken_and_stops_nobody(fake, journal, valkey, tmp_path, odd):
    odd.failures.append(ZeroDivisionError("a fault in the connector"))
    waits = Waits()
    async with collecting(journal, valkey, tmp_path, setup_of(fake, "ana", odd={}), sleep=waits) as collector:
        await collector.own()
        assert await waits.asked.get() <= 60
        state = collector._states["odd:x"]
        assert (state["state"], state["reason"]) == (
            "broken",
            "a fault in our own code; the log has the details; tried again by itself",
        )
        assert await tallied(collector, "connector_failures|odd|crashed") == 1
        await fake.heard("ana")
        said = await fake.say("ana", "hello")
        await arrived(collector, said)
        waits.over()
        await until_state(collector, "odd:x", "live")
        await collector._write_dirty()
        row = orjson.loads(await journal.redis.hget("{livestreams}", "odd:x"))
        assert (row["state"], row["platform"], row["country"]) == ("live", "odd", "BR")


async def until_state(collector: Collector, name: str, state: str) -> None:
    async def there() -> bool:
        return collector._states[name]["state"] == state

    await until(there)


async def test_throttled_waits_until_the_time_that_the_platform_named(fake, journal, valkey, tmp_path, odd):
    now = datetime.now(UTC)
    odd.failures.append(Throttled("slow down", now + timedelta(seconds=600)))
    waits = Waits()
    async with collecting(journal, valkey, tmp_path, setup_of(fake, odd={}), sleep=waits) as collector:
        await collector.own()
        waited = await waits.asked.get()
        assert now + timedelta(seconds=waited) >= now + timedelta(seconds=590)
        assert collector._states["odd:x"]["state"] == "throttled"
        assert collector._states["odd:x"]["reason"] == f"slow down; again by itself at {now + timedelta(seconds=600):%H:%M} UTC"
        assert odd.started == 1
        waits.over()
        await until_state(collector, "odd:x", "live")
        assert odd.started == 2


async def test_a_server_that_answers_429_is_obeyed(journal, valkey, tmp_path):
    waits = Waits()
    async with (
        FakeTwitch(Faults(throttle_seconds=700)) as fake,
        collecting(journal, valkey, tmp_path, setup_of(fake, "ana"), sleep=waits) as collector,
    ):
        await collector.own()
        assert 600 < await waits.asked.get() <= 700
        assert collector._states["twitch:ana"]["state"] == "throttled"


async def test_refused_is_tried_again_after_minutes_and_dropped_with_growing_pauses(fake, journal, valkey, tmp_path, odd):
    odd.failures += [Refused("the key is wrong"), *(Dropped("gone") for _ in range(6))]
    waits = Waits()
    async with collecting(journal, valkey, tmp_path, setup_of(fake, odd={}), sleep=waits) as collector:
        await collector.own()
        assert await waits.asked.get() == 300
        assert collector._states["odd:x"]["state"] == "refused"
        assert collector._states["odd:x"]["reason"] == "the key is wrong; tried again every 5 minutes"
        pauses = []
        for _ in range(6):
            waits.over()
            pauses.append(await waits.asked.get())
            assert collector._states["odd:x"]["state"] == "broken"
        assert max(pauses[3:]) > max(pauses[:2])
        assert max(pauses) <= 60
        assert await tallied(collector, "connector_failures|odd|dropped") == 6
        assert await tallied(collector, "connector_attempts|odd") == 7
