"""Readers on a real Valkey: one owner of a partition at a time, whoever stops, sleeps or comes back late; after a doubt all is read again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from faulty import FaultProxy, History

from connectors.event import Message, as_json
from monitor.audit import audit_partition
from monitor.count import Counter
from monitor.derivation import Derivation, Place
from monitor.journal import Journal, digest, key
from monitor.journal_calls import DOUBTS
from monitor.reader import Reader

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PARTITIONS = 8
CONFIG = Derivation(
    timezone="UTC",
    day_start="00:00",
    sessions=[],
    topics=[],
    cross=[],
    outside_totals=[],
    livestreams={"a": Place("BR", None, [])},
)


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=PARTITIONS).opened() as opened:
        await opened.prepare()
        yield opened


def reader_of(journal: Journal, kind: type[Counter] = Counter) -> Reader:
    return Reader(journal, "count", kind(journal, CONFIG))


async def ingest(journal: Journal, *numbers: int, partition: int = 0) -> None:
    for number in numbers:
        event = Message(
            id=f"t:{partition}:{number}", platform="t", livestream="a", at=AT, received_at=AT, author=f"{number}", text="x"
        )
        await journal.ingest(partition, [(digest(event.id), as_json(event))], tail=None)


async def step(reader: Reader, now: float) -> None:
    """One turn of ``Reader.run`` at this time."""
    try:
        await reader._own(now)
        while await reader.round(now):
            pass
    except DOUBTS as error:
        reader._note(error)
        reader.drop_all()


async def is_exact(journal: Journal, expected: int, partition: int = 0) -> bool:
    counted = int(await journal.redis.hget(key(partition, "total"), "total|comments") or 0)
    report = await audit_partition(journal, partition)
    assert report.differences == []
    assert counted == expected
    return True


async def vanish(journal: Journal, reader: Reader) -> None:
    """Its time is up at the server without a goodbye, as after kill -9 or a long SIGSTOP."""
    await journal.redis.hset("{count}:members", reader._member, 1)
    for partition in reader.held:
        await journal.redis.hset(key(partition, "lease:count"), "exp", 0)


# --- sharing --------------------------------------------------------------------------------------------------------------


async def test_two_readers_share_the_partitions_evenly(journal):
    one, two = reader_of(journal), reader_of(journal)
    await step(one, 0.0)
    assert len(one.held) == PARTITIONS
    await step(two, 0.0)
    assert not two.held
    await step(one, 1.0)
    await step(two, 2.0)
    assert len(one.held) == len(two.held) == PARTITIONS // 2
    assert one.held.keys() | two.held.keys() == set(range(PARTITIONS))


async def test_who_says_goodbye_is_followed_at_once(journal):
    one, two = reader_of(journal), reader_of(journal)
    await step(one, 0.0)
    await one._leave()
    await step(two, 0.0)
    assert len(two.held) == PARTITIONS


async def test_who_vanishes_is_followed_when_the_lease_ends_and_not_before(journal):
    one, two = reader_of(journal), reader_of(journal)
    await step(one, 0.0)
    await step(two, 0.0)
    await journal.redis.hset("{count}:members", one._member, 1)  # not alive any more, but the leases run
    await step(two, 1.0)
    assert not two.held
    await vanish(journal, one)
    await step(two, 2.0)
    assert len(two.held) == PARTITIONS


async def test_a_cancelled_reader_leaves_nothing_behind(journal):
    reader = reader_of(journal)
    task = asyncio.create_task(reader.run())
    while not reader.held:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await journal.redis.keys("*lease*") == []
    assert not await journal.redis.exists("{count}:members")


# --- zombies --------------------------------------------------------------------------------------------------------------


class Stopped(Counter):
    """Stands still between reading and committing, as a process does that got SIGSTOP."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def round(self, works):
        self.read.set()
        await self.go_on.wait()
        return await super().round(works)


async def test_a_commit_after_the_lease_is_refused(journal):
    for turn in range(10):
        zombie, living = reader_of(journal, Stopped), reader_of(journal)
        await ingest(journal, 2 * turn)
        asleep = asyncio.create_task(step(zombie, 0.0))
        await zombie.worker.read.wait()
        await vanish(journal, zombie)
        await ingest(journal, 2 * turn + 1)
        await step(living, 0.0)
        assert living.entries == 2
        zombie.worker.go_on.set()
        await asleep
        assert zombie.doubts.keys() == {"FENCED"}
        assert zombie.entries == 0
        assert 0 not in zombie.held
        assert 0 not in zombie.worker._partitions
        await living._leave()
        await zombie._leave()
    assert await is_exact(journal, 20)


async def test_a_zombie_that_wakes_after_its_follower_left_is_refused_too(journal):
    zombie, living = reader_of(journal, Stopped), reader_of(journal)
    await ingest(journal, 1, 2)
    asleep = asyncio.create_task(step(zombie, 0.0))
    await zombie.worker.read.wait()
    await vanish(journal, zombie)
    await step(living, 0.0)
    await living._leave()
    zombie.worker.go_on.set()
    await asleep
    assert zombie.doubts.keys() == {"FENCED"}
    assert await is_exact(journal, 2)


# --- doubts ---------------------------------------------------------------------------------------------------------------


async def test_a_reader_whose_entries_were_lost_reads_again_under_a_fresh_token(journal):
    """Entries that it had counted are gone, others stand in their place."""
    reader, past = reader_of(journal), History(journal.redis, "{p00}:*")
    await ingest(journal, 1)
    await step(reader, 0.0)
    await past.remember()
    await ingest(journal, 2, 3)
    await step(reader, 0.0)
    token = reader.held[0].token
    await past.go_back()
    await ingest(journal, 4, 3, 2)
    await step(reader, 0.0)
    assert reader.doubts == {"LOSTTAIL": 1}
    assert 0 not in reader.held
    assert 0 not in reader.worker._partitions
    await step(reader, 0.0)  # at once: from its own former token, without waiting for the lease to end
    assert reader.held[0].token != token
    assert await is_exact(journal, 4)


async def test_a_reader_whose_commit_was_lost_commits_it_again(journal):
    reader, past = reader_of(journal), History(journal.redis, "{p00}:*")
    await ingest(journal, 1)
    await step(reader, 0.0)
    await ingest(journal, 2)
    await past.remember()
    await step(reader, 0.0)
    await past.go_back()
    await ingest(journal, 3)
    await step(reader, 0.0)
    assert reader.doubts == {"STALE": 1}
    await step(reader, 0.0)
    assert await is_exact(journal, 3)


async def test_one_partition_in_doubt_does_not_stop_the_others(journal):
    reader, past = reader_of(journal), History(journal.redis, "{p00}:*")
    await ingest(journal, 1)
    await past.remember()
    await ingest(journal, 2)
    await step(reader, 0.0)
    await past.go_back()
    await ingest(journal, 1, 2, partition=1)
    await step(reader, 0.0)
    assert await is_exact(journal, 2, partition=1)
    assert 0 not in reader.held
    assert len(reader.held) == PARTITIONS - 1


@pytest.mark.parametrize("function", ["lm1_commit", "lm1_lease", "lm1_pull", "lm1_shares", "lm1_renew"])
async def test_lost_replies_change_no_number(valkey, journal, function):
    """Every second reply of a function is lost; whether it was carried out is found out by reading again."""
    folder = Path(tempfile.mkdtemp(prefix="lm-", dir="/tmp"))
    async with FaultProxy(valkey, folder / "proxy.sock") as proxy, Journal(proxy.url, partitions=PARTITIONS).opened() as far:
        reader = reader_of(far)
        proxy.drop_replies(function.encode(), 3 if function == "lm1_pull" else 2)
        for turn in range(12):
            await ingest(journal, 2 * turn, 2 * turn + 1)
            await step(reader, 2.0 * turn)
        assert proxy.dropped > 1
        assert reader.doubts.get("ConnectionError", 0) > 0
        proxy.release()
        await journal.redis.delete(key(0, "lease:count"))  # a lease whose reply was lost runs out
        for turn in range(3):
            await step(reader, 100.0 + 2 * turn)
    shutil.rmtree(folder)
    assert await is_exact(journal, 24)


class HalfBroken(Counter):
    """Fails for the first partition while others are still being worked on."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.go_on = asyncio.Event()
        self.done = 0

    async def round(self, works):
        if any(work.held.partition == 0 for work in works):
            raise ConnectionError("lost")
        await self.go_on.wait()
        results = await super().round(works)
        self.done += len(works)
        return results


async def test_a_round_ends_when_all_of_it_has_ended(journal, monkeypatch):
    monkeypatch.setattr("monitor.reader.MOST_AT_ONCE", 0)  # a lane takes one partition at a time
    reader = reader_of(journal, HalfBroken)
    for partition in range(PARTITIONS):
        await ingest(journal, 1, partition=partition)
    await reader._own(0.0)
    turn = asyncio.create_task(reader.round(0.0))
    await asyncio.wait([turn], timeout=0.1)
    assert not turn.done()
    reader.worker.go_on.set()
    with pytest.raises(ConnectionError):
        await turn
    assert reader.worker.done > 0


class Broken(Counter):
    async def round(self, works):
        return [ZeroDivisionError("ours") for _ in works]


async def test_a_fault_of_our_own_stops_the_role(journal):
    await ingest(journal, 1)
    with pytest.raises(ZeroDivisionError):
        await reader_of(journal, Broken).run()
    assert await journal.redis.keys("*lease*") == []


class Slow(Counter):
    """Takes so long for a round that all leases and the share are renewed before it goes on."""

    async def round(self, works):
        begun = await self.ends()
        async with asyncio.timeout(60):
            while any(now <= before for now, before in zip(await self.ends(), begun, strict=True)):
                await asyncio.sleep(0.01)
        return await super().round(works)

    async def ends(self):
        redis = self.journal.redis
        leases = [await redis.hget(key(partition, "lease:count"), "exp") for partition in range(PARTITIONS)]
        return [int(end) for end in leases + await redis.hvals("{count}:members")]


async def test_a_round_that_takes_long_keeps_what_it_holds(journal, monkeypatch):
    monkeypatch.setattr("monitor.reader.ALIVE_SECONDS", 0.02)
    reader = reader_of(journal, Slow)
    await ingest(journal, 1, 2)
    await step(reader, 0.0)
    assert len(reader.held) == PARTITIONS
    assert reader.doubts == {}
    assert await is_exact(journal, 2)
