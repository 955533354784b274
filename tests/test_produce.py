"""The producer against a real Valkey behind a faulty network: whatever is lost on the way, everything is in the journal once."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from faulty import FaultProxy, kill_and_cut

from connectors.event import Message, Removed, as_json, from_json
from monitor.engine import Engine
from monitor.journal import Journal, digest, key
from monitor.journal_committed import SAID_MS, SPOOLS, WAITING_MS
from monitor.produce import Producer, member_of, place
from monitor.redis_client import RETRIABLE, make_client
from monitor.spool import Spool, encode_pairs

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PARTITIONS = 4


def message(number: int, livestream: str | None = None) -> Message:
    return Message(
        id=f"t:{number}", platform="t", livestream=livestream or f"t:{number % 7}", at=AT, received_at=AT, text=f"text {number}"
    )


def now_ms() -> int:
    return int(time.time() * 1000)


def messages(count: int, start: int = 0) -> list[Message]:
    return [message(number) for number in range(start, start + count)]


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=PARTITIONS).opened() as opened:
        await opened.prepare()
        yield opened


@pytest.fixture
async def proxy(valkey, journal, folder):
    async with FaultProxy(valkey, folder / "proxy.sock") as opened:
        yield opened


@pytest.fixture
async def own_server(folder):
    """A server of this test alone, to be killed."""
    engine = Engine(folder, runtime_dir=folder)
    await engine.start()
    yield engine
    await engine.stop()


@asynccontextmanager
async def producing(url: str, folder: Path, *, timeout: float = 10.0, **options):
    """A producer with a timeout short enough for a black hole."""
    producer = Producer(url, folder / "spool", PARTITIONS, **options)
    await producer._journal.redis.aclose()
    producer._journal.redis = make_client(url, timeout_seconds=timeout)
    async with producer:
        yield producer


async def stored(journal: Journal) -> dict[int, list[str]]:
    """Event ids of each partition in the order of the journal."""
    found = {}
    for partition in range(journal.partitions):
        found[partition] = [from_json(data).id for _, data in await journal.scan(partition, "", "", 100_000)]
    return found


def expected(events) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}
    for event in events:
        found[place(event, PARTITIONS)].append(event.id)
    return found


async def forget_everything(journal: Journal) -> None:
    """The server loses its whole history, and nobody sees an error."""
    await journal.redis.flushall()


# --- order and place ----------------------------------------------------------------------------------------------------


async def test_events_are_in_the_journal_once_and_in_order(valkey, journal, folder):
    events = messages(3000)
    async with producing(valkey, folder) as producer:
        for start in range(0, 3000, 70):
            await producer.put(events[start : start + 70])
        await producer.flushed()
        assert await stored(journal) == expected(events)
        assert (producer.added, producer.duplicates, producer.waiting) == (3000, 0, 0)


def test_a_retraction_goes_to_the_partition_of_what_it_retracts():
    post = Message(id="b:1", platform="b", at=AT, received_at=AT, text="x", form="post")
    for number in range(50):
        removed = Removed(id=f"b:r{number}", platform="b", at=AT, received_at=AT, target="b:1")
        assert place(removed, 16) == place(post, 16)
    inside = Removed(id="t:r", platform="t", livestream="t:3", at=AT, received_at=AT, target="t:10")
    assert place(inside, 16) == place(message(3), 16)


async def test_a_repeat_of_the_platform_is_counted_as_one_and_stored_once(valkey, journal, folder):
    async with producing(valkey, folder) as producer:
        await producer.put(messages(10))
        await producer.put([message(3), message(10)])
        await producer.flushed()
        assert (producer.added, producer.duplicates) == (11, 1)


# --- the network --------------------------------------------------------------------------------------------------------


async def test_with_every_third_reply_lost_everything_is_there_once(proxy, journal, folder):
    events = messages(2000)
    proxy.drop_replies(b"lm1_ingest", 3)
    async with producing(proxy.url, folder) as producer:
        for start in range(0, 2000, 100):
            await producer.put(events[start : start + 100])
            await producer.flushed()
    assert await stored(journal) == expected(events)
    counters = await journal.ingest_counters()
    assert proxy.dropped > 5
    assert counters["resent"] > 0
    assert counters["duplicates"] == 0


async def test_a_black_hole_blocks_put_at_the_bound_and_drops_nothing(proxy, journal, folder):
    async with producing(proxy.url, folder, timeout=0.1, most_waiting=300) as producer:
        await producer.put(messages(10))
        await producer.flushed()
        before = producer.acknowledged
        proxy.hold()
        numbers = [await producer.put(messages(100, start)) for start in (10, 110, 210)]
        blocked = asyncio.create_task(producer.put(messages(100, 310)))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(blocked), 0.4)
        assert producer.waiting == 300
        assert producer.acknowledged < numbers[0]
        assert producer.acknowledged == before
        proxy.release()
        assert await blocked > numbers[-1]
        await producer.flushed()
        assert await stored(journal) == expected(messages(410))


async def test_acknowledged_never_runs_ahead_of_the_journal(proxy, journal, folder):
    """Looked at after each step of the loop while replies get lost."""
    proxy.drop_replies(b"lm1_ingest", 4)
    sizes: dict[int, int] = {}
    async with producing(proxy.url, folder) as producer:

        async def produce() -> None:
            for start in range(0, 1000, 10):
                sizes[await producer.put(messages(10, start))] = start + 10
                if start % 50 == 0:  # however busy the machine is, this makes at least twenty calls
                    await producer.flushed()
            await producer.flushed()

        task = asyncio.create_task(produce())
        checks = 0
        while not task.done():
            acknowledged = producer.acknowledged
            least = max((size for number, size in sizes.items() if number <= acknowledged), default=0)
            there = {name for names in (await stored(journal)).values() for name in names}
            assert {event.id for event in messages(least)} <= there
            checks += least > 0
        await task
        assert checks > 3
        assert proxy.dropped > 3


@pytest.mark.parametrize(("setting", "bad", "good"), [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")])
async def test_a_server_that_refuses_writes_is_waited_for(own_server, folder, setting, bad, good):
    async with Journal(own_server.url, partitions=PARTITIONS).opened() as journal:
        await journal.prepare()
        async with producing(own_server.url, folder) as producer:
            await journal.redis.config_set(setting, bad)
            await producer.put(messages(50))
            while producer._reachable:
                await asyncio.sleep(0)
            assert producer.acknowledged == 0
            await journal.redis.config_set(setting, good)
            await producer.flushed()
        assert await stored(journal) == expected(messages(50))


async def test_a_read_only_server_is_waited_for(own_server, folder):
    async with Journal(own_server.url, partitions=PARTITIONS).opened() as journal:
        await journal.prepare()
        async with producing(own_server.url, folder) as producer:
            await producer.put(messages(20))
            await producer.flushed()
            await journal.redis.replicaof("127.0.0.1", "1")
            await producer.put(messages(20, 20))
            while producer._reachable:
                await asyncio.sleep(0)
            await journal.redis.replicaof("NO", "ONE")
            await producer.flushed()
        assert await stored(journal) == expected(messages(40))


# --- what Redis forgets -------------------------------------------------------------------------------------------------


async def test_a_killed_server_that_lost_its_newest_log_is_made_whole(own_server, folder):
    lost, rewound = await cut_log(own_server, folder)
    assert rewound > 0
    assert lost == 0


async def test_control_without_the_rewind_a_cut_log_loses_events(own_server, folder):
    lost, _ = await cut_log(own_server, folder, rewind=False)
    assert lost > 0


async def cut_log(own_server, folder, **options) -> tuple[int, int]:
    """Kill the server under a producer and cut its log; returns (events missing at the end, events sent again)."""
    async with Journal(own_server.url, partitions=PARTITIONS).opened() as journal:
        await journal.prepare()
        async with producing(own_server.url, folder, **options) as producer:
            for start in range(0, 1000, 50):
                await producer.put(messages(50, start))
            await producer.flushed()
            assert await kill_and_cut(own_server, folder, 40_000) == 40_000
            before = sum(map(len, (await stored(journal)).values()))
            assert before < 1000, "the fault did not happen: nothing was lost"
            await producer.put(messages(50, 1000))
            await producer.flushed()
            await producer.keep_house()  # partitions without new events
            found = await stored(journal)
            names = [name for some in found.values() for name in some]
            assert len(names) == len(set(names))
            return 1050 - len(names), producer.rewound


async def test_control_without_dedupe_a_lost_reply_is_stored_twice(proxy, journal, folder):
    proxy.drop_replies(b"lm1_ingest", 3)
    async with producing(proxy.url, folder, dedupe=False) as producer:
        for start in range(0, 300, 30):
            await producer.put(messages(30, start))
            await producer.flushed()
    names = [name for some in (await stored(journal)).values() for name in some]
    assert len(names) > len(set(names)) == 300


async def test_an_interrupted_rewind_goes_on(proxy, journal, folder):
    """The answer to the first part of the rewind is lost: the rest must go again too."""
    async with producing(proxy.url, folder) as producer:
        for number in range(200):  # more rows than one part
            await producer.put([message(number, "one")])
        await producer.flushed()
        await forget_everything(journal)
        proxy.drop_replies(b"lm1_ingest", 2)
        await producer.put([message(200, "one")])
        await producer.flushed()
        assert proxy.dropped > 0
    names = [name for some in (await stored(journal)).values() for name in some]
    assert sorted(names) == sorted(f"t:{number}" for number in range(201))


async def test_what_is_lost_during_a_rewind_is_sent_once_more(proxy, journal, folder):
    async with producing(proxy.url, folder) as producer:
        for number in range(200):
            await producer.put([message(number, "one")])
        await producer.flushed()
        await forget_everything(journal)
        parts = 0
        kept = producer._spool.kept

        def kept_then_lost(*args, **more):
            nonlocal parts
            parts += 1
            if parts == 2:  # between two parts the server forgets again
                asyncio.run_coroutine_threadsafe(forget_everything(journal), loop).result()
            return kept(*args, **more)

        loop = asyncio.get_running_loop()
        producer._spool.kept = kept_then_lost
        await producer.put([message(200, "one")])
        await producer.flushed()
        assert producer.lost_tails == 2
    assert sum(map(len, (await stored(journal)).values())) == 201


async def test_a_loss_after_a_restart_in_which_all_was_known_is_found(valkey, journal, folder):
    async with producing(valkey, folder) as producer:
        await producer.put(messages(100))
        await producer.flushed()
    async with producing(valkey, folder) as producer:  # sends everything again, all of it is known
        await producer.flushed()
        assert producer.added == 0
        await forget_everything(journal)
        await producer.keep_house()
        assert producer.lost_tails > 0
    assert await stored(journal) == expected(messages(100))


async def test_a_known_batch_answers_its_newest_entry(journal):
    from test_journal import pairs

    first = await journal.ingest(0, pairs("a", "b"), tail=None)
    await journal.ingest(0, pairs("c"), tail=None)
    again = await journal.ingest(0, pairs("b", "a"), tail=None)
    assert again.tail == first.tail
    assert (await journal.ingest(0, (), tail=None)).tail is None


async def test_the_tail_never_moves_back_to_a_known_batch(valkey, journal, folder):
    async with producing(valkey, folder) as producer:
        await producer.put([message(0, "one")])
        await producer.put([message(1, "one")])
        await producer.flushed()
        await producer.put([message(0, "one")])
        await producer.flushed()
        lane = next(iter(producer._lanes.values()))
        newest = (await journal.redis.xrevrange(key(place(message(0, "one"), PARTITIONS), "s"), count=1))[0][0].decode()
        assert lane.tail[0] == newest


async def hours_ago(producer: Producer) -> None:
    """As if everything up to now, acknowledgements and proofs, had been three hours ago."""
    await producer.keep_house()
    await producer._in_writer(producer._spool._database.execute, "UPDATE rows SET acknowledged = acknowledged - 10000")
    for lane in producer._lanes.values():
        lane.proven_at -= 10_000


async def test_rows_outlive_an_outage_that_is_longer_than_r(proxy, journal, folder):
    """What was acknowledged just before an outage may be lost in it: time passes by proofs only."""
    async with producing(proxy.url, folder, timeout=2.0) as producer:
        for number in range(200):
            await producer.put([message(number, "one")])
        await producer.flushed()
        await hours_ago(producer)
        proxy.hold()
        await producer.keep_house()  # nobody answers
        await forget_everything(journal)
        proxy.release()
        await producer.keep_house()
        assert producer.lost_tails == 1
    assert sum(map(len, (await stored(journal)).values())) == 200


async def test_rows_of_an_unfinished_rewind_are_not_forgotten(valkey, journal, folder):
    async with producing(valkey, folder) as producer:
        for number in range(100):
            await producer.put([message(number, "one")])
        await producer.flushed()
        await hours_ago(producer)
        (lane,) = producer._lanes.values()
        async with lane.lock:  # the sender is at it: the first part has just been answered
            lane.rewound, lane.proven_at = 64, lane.proven_at + 10_000
            await producer.keep_house()
            assert len(await producer._in_writer(producer._spool.rows)) == 100


async def test_old_rows_are_not_sent_again_after_the_seen_ids_forgot_them(valkey, journal, folder):
    """A quiet producer's rows are few and never pushed out; a restart hours later must not count them twice."""
    async with producing(valkey, folder) as producer:
        await producer.put([message(1, "one")])
        await producer.flushed()
    rotated = int(await journal.redis.hget(key(place(message(1, "one"), PARTITIONS), "meta"), "rotated"))
    await journal.redis.hset(key(place(message(1, "one"), PARTITIONS), "meta"), "rotated", rotated + 2 * 3600_000)
    await journal.redis.delete(key(place(message(1, "one"), PARTITIONS), "seen:cur"))  # others wrote; two rotations passed
    async with producing(valkey, folder) as producer:
        await producer.put([message(2, "one")])
        await producer.flushed()
    assert sorted(name for some in (await stored(journal)).values() for name in some) == ["t:1", "t:2"]


async def test_a_quiet_producer_lets_go_of_its_tail_before_it_is_trimmed(valkey, journal, folder):
    async with producing(valkey, folder) as producer:
        await producer.put([message(1, "one")])
        await producer.flushed()
        lane = next(iter(producer._lanes.values()))
        lane.tail_at -= 400  # nothing new for minutes, proven all the while
        await producer.keep_house()
        await journal.redis.delete(key(place(message(1, "one"), PARTITIONS), "s"))  # trimmed
        await producer.keep_house()
        assert producer.lost_tails == 0


# --- whoever dies -------------------------------------------------------------------------------------------------------


async def test_what_a_dead_producer_left_goes_through_our_own_spool(valkey, journal, folder, proxy):
    proxy.hold()
    async with producing(proxy.url, folder, timeout=0.1, name="dead") as dead:
        await dead.put(messages(100))
        await journal.tell_spool(member_of(dead.name), now_ms() - 20_000, now_ms())
    async with producing(valkey, folder) as producer:
        await producer.keep_house()
        await producer.flushed()
        await producer.tell_waiting()
        assert await journal.held_back(now_ms()) is None  # what the dead one said stands no more
        assert await stored(journal) == expected(messages(100))
        assert not list((folder / "spool").glob("dead-*.spool"))
        await forget_everything(journal)  # right after: the adopter answers for it
        await producer.keep_house()
        assert await stored(journal) == expected(messages(100))


async def test_cancelled_puts_are_stored_whole_or_not_at_all(proxy, journal, folder):
    """Five hundred cancellations at random moments, with lost replies: no reply is mixed up, nothing is lost or doubled."""
    dice = random.Random(3)
    proxy.drop_replies(b"lm1_ingest", 7)
    finished, cancelled = [], 0
    async with producing(proxy.url, folder) as producer:
        for start in range(0, 2000, 4):
            events = messages(4, start)
            task = asyncio.create_task(producer.put(events))
            for _ in range(dice.randint(0, 6)):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
                finished += events
            except asyncio.CancelledError:
                cancelled += 1
        await producer.put(messages(4, 2000))
        await producer.flushed()
        assert producer.waiting == 0
        found = await stored(journal)
        names = [name for some in found.values() for name in some]
        assert len(names) == len(set(names))
        assert {event.id for event in finished} <= set(names)
        quartets = {int(name[2:]) // 4 for name in names}
        assert len(names) == 4 * len(quartets)
        assert cancelled > 100


async def test_cancelled_calls_never_get_the_reply_of_another(valkey, journal):
    """The client's connections survive cancellation: each answer belongs to its own question."""
    dice = random.Random(5)
    answers = 0
    for number in range(500):
        task = asyncio.create_task(journal.redis.echo(f"word {number}"))
        for _ in range(dice.randint(0, 12)):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task == f"word {number}".encode()
            answers += 1
        except asyncio.CancelledError:
            pass
        assert await journal.redis.echo("after") == b"after"
    assert answers < 500
    assert journal.redis.connection_pool.max_connections == 32


async def test_a_fault_of_our_own_is_loud(valkey, journal, folder):
    async with producing(valkey, folder) as producer:

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        producer._journal.ingest = broken
        await producer.put(messages(1))
        with pytest.raises(RuntimeError, match="stopped"):
            await producer.flushed()
        with pytest.raises(RuntimeError, match="stopped"):
            await producer.put(messages(1, 1))


async def test_events_that_wait_on_the_disk_are_told_of_until_the_journal_has_them(valkey, journal, redis_client, folder):
    """The journal has nothing new, so the counter has nothing left: nobody else could know that a number lacks something."""
    one, other = message(1), message(2)
    blocked = place(one, PARTITIONS)
    assert place(other, PARTITIONS) != blocked
    await journal.redis.set(key(blocked, "seen:cur"), "no hash")  # so that this partition alone refuses
    async with producing(valkey, folder) as producer:
        await producer.put([one, other])
        while producer.waiting > 1:
            await asyncio.sleep(0.01)
        await producer.tell_waiting()
        queued = int(producer._lanes[blocked].queue[0].queued * 1000)
        assert await journal.held_back(queued + WAITING_MS) is None  # it may come yet
        assert await journal.held_back(queued + WAITING_MS + 1) == queued
        await journal.redis.delete(key(blocked, "seen:cur"))
        await producer.flushed()
        await producer.tell_waiting()
        assert await journal.held_back(now_ms()) is None
    assert await journal.redis.hgetall(SPOOLS) == {}
    assert sorted(name for found in (await stored(journal)).values() for name in found) == [one.id, other.id]


async def test_a_producer_that_cannot_say_anything_is_believed_only_up_to_its_last_word(proxy, journal, folder):
    async with producing(proxy.url, folder, timeout=0.2) as producer:
        await producer.tell_waiting()
        [said] = [int(value.split()[1]) for value in await journal.redis.hvals(SPOOLS)]
        proxy.hold()
        await producer.put([message(1)])
        with pytest.raises(RETRIABLE):
            await producer.tell_waiting()
        assert said <= await journal.held_back(said + WAITING_MS + 10_000) < said + 5_000
        assert await journal.held_back(said + 5_000 + SAID_MS) is None  # a dead one; its livestreams are silent
        proxy.release()
        await producer.flushed()


async def test_what_a_killed_producer_left_waits_since_it_was_received(valkey, journal, redis_client, folder):
    one = message(1)
    blocked = place(one, PARTITIONS)
    spool = Spool(folder / "spool" / "collect-0.spool")
    spool.append([(blocked, encode_pairs([(digest(one.id), as_json(one))]))])
    spool.close()
    await journal.redis.set(key(blocked, "seen:cur"), "no hash")
    async with producing(valkey, folder) as producer:
        await producer.tell_waiting()
        assert await journal.held_back(now_ms()) == AT.timestamp() * 1000
        await journal.redis.delete(key(blocked, "seen:cur"))
        await producer.flushed()


async def test_what_a_producer_of_another_version_left_stops_nothing(valkey, journal, redis_client, folder):
    spool = Spool(folder / "spool" / "collect-0.spool")
    spool.append([(1, encode_pairs([(digest("t:1"), b'{"kind":"of tomorrow"}')]))])
    spool.close()
    await journal.redis.set(key(1, "seen:cur"), "no hash")
    async with producing(valkey, folder) as producer:
        await producer.tell_waiting()
        assert await journal.held_back(now_ms()) is None
        await journal.redis.delete(key(1, "seen:cur"))
        await producer.flushed()
