"""The server functions on a real Valkey: what exactness rests on."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from monitor.derive_memory import Memory
from monitor.journal import START, Checkpoint, Doubt, Journal, LostTail, digest, key, pack
from monitor.windows import Change, Group, ViewerSample


@pytest.fixture(scope="module")
def redis7(tmp_path_factory):
    """Debian's own Redis, another implementation of the same promise."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed; apt-get install redis-server")
    folder = tmp_path_factory.mktemp("redis7")
    path = folder / "s.sock"
    command = [server, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
    yield f"unix://{path}"
    process.terminate()
    process.wait()


@pytest.fixture(params=["valkey", pytest.param("redis7", marks=pytest.mark.peer)])
def url(request):
    """Valkey as shipped, and Redis 7."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def journal(url):
    """An empty journal with its functions loaded."""
    async with Journal(url).opened() as opened:
        await opened.redis.flushall()
        await opened.prepare()
        yield opened


def pairs(*names: str) -> list[tuple[bytes, bytes]]:
    return [(digest(name), name.encode()) for name in names]


async def read_all(journal: Journal, partition: int = 0) -> list[bytes]:
    return (await journal.pull(partition, START, 1000)).payloads


async def commit(journal, token, before, pulled, increments, **more):
    change = Change(before.version + 1, [Group(["total"], increments)] if increments else [], more.pop("viewers", []))
    extras = more.pop("extras", [[], [], []])
    await journal.commit(
        0, token, before=before, position=pulled.position, change=pack(change), extras=pack(extras), config="c", **more
    )
    return Checkpoint(before.version + 1, pulled.position, "c", 0)


async def total(journal) -> dict[str, int]:
    return {k.decode(): int(v) for k, v in (await journal.redis.hgetall(key(0, "total"))).items()}


async def test_a_repeat_is_appended_once(journal):
    first = await journal.ingest(0, pairs("a", "b"), tail=None)
    again = await journal.ingest(0, pairs("b", "c", "c"), tail=first.tail)
    assert (first.added, again.added, again.duplicates) == (2, 1, 2)
    assert await read_all(journal) == [b"a", b"b", b"c"]


async def test_our_own_resend_is_not_counted_as_a_platform_duplicate(journal):
    first = await journal.ingest(0, pairs("a"), tail=None)
    await journal.ingest(0, pairs("a"), tail=first.tail, resent=True)
    assert await journal.ingest_counters() == {"added": 1, "duplicates": 0, "resent": 1}


async def test_a_repeat_is_known_over_one_rotation_of_the_seen_ids(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.redis.hset(key(0, "meta"), "rotated", 1)  # long ago: the next ingest rotates
    await journal.ingest(0, pairs("b"), tail=None)
    assert (await journal.ingest(0, pairs("a"), tail=None)).duplicates == 1


async def test_an_outage_longer_than_two_windows_does_not_forget_the_last_ids(journal):
    """The control for a clock-driven expiry: nothing but ingest itself rotates, and never away from an empty bucket."""
    await journal.ingest(0, pairs("a"), tail=None)
    for _ in range(3):  # three silent windows pass, only repeats come
        await journal.redis.hset(key(0, "meta"), "rotated", 1)
        assert (await journal.ingest(0, pairs("a"), tail=None)).duplicates == 1


async def test_a_producer_learns_that_its_last_entry_is_gone(journal):
    answer = await journal.ingest(0, pairs("a", "b"), tail=None)
    await journal.redis.xdel(key(0, "s"), answer.tail[0])
    with pytest.raises(LostTail):
        await journal.ingest(0, pairs("c"), tail=answer.tail)
    assert await read_all(journal) == [b"a"]


async def test_the_same_id_with_another_nonce_is_not_our_entry(journal):
    answer = await journal.ingest(0, pairs("a"), tail=None)
    await journal.redis.delete(key(0, "s"))
    await journal.redis.xadd(key(0, "s"), {"n": "other", "d": "x"}, id=answer.tail[0])
    with pytest.raises(LostTail):
        await journal.ingest(0, (), tail=answer.tail)
    with pytest.raises(LostTail):
        await journal.pull(0, answer.tail, 10)


async def test_pull_goes_on_after_the_position_and_proves_it(journal):
    first = await journal.ingest(0, pairs("a", "b"), tail=None)
    await journal.ingest(0, pairs("c"), tail=first.tail)
    pulled = await journal.pull(0, START, 2)
    assert pulled.payloads == [b"a", b"b"]
    rest = await journal.pull(0, pulled.position, 100)
    assert rest.payloads == [b"c"]
    assert (await journal.pull(0, rest.position, 100)).position == rest.position


async def test_lease_has_one_holder_and_is_taken_from_oneself(journal):
    assert await journal.lease(0, "count", "one", 10_000)
    assert not await journal.lease(0, "count", "two", 10_000)
    assert await journal.lease(0, "count", "one-b", 10_000, former="one")
    with pytest.raises(Doubt, match="FENCED"):
        await journal.renew(0, "count", "one", 10_000, None)


async def test_an_expired_lease_is_free(journal):
    assert await journal.lease(0, "count", "one", 0)
    assert await journal.lease(0, "count", "two", 1000)


async def test_commit_moves_cursor_and_numbers_together(journal):
    await journal.ingest(0, pairs("a", "b"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    after = await commit(journal, "t", before, pulled, {"total|comments": 2})
    assert await total(journal) == {"total|comments": 2}
    stored = await journal.checkpoint(0, "count")
    assert (stored.version, stored.position) == (after.version, pulled.position)


async def test_a_repeated_commit_changes_nothing(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    await commit(journal, "t", before, pulled, {"total|comments": 1})
    await commit(journal, "t", before, pulled, {"total|comments": 1})
    assert await total(journal) == {"total|comments": 1}


async def test_an_old_owner_is_fenced_and_an_old_version_is_stale(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "old", 0)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    await journal.lease(0, "count", "new", 10_000)
    with pytest.raises(Doubt, match="FENCED"):
        await commit(journal, "old", before, pulled, {"total|comments": 1})
    after = await commit(journal, "new", before, pulled, {"total|comments": 1})
    await journal.lease(0, "count", "newer", 10_000, former="new")
    with pytest.raises(Doubt, match="STALE"):
        await commit(journal, "newer", before, pulled, {"total|comments": 1})
    await commit(journal, "newer", after, pulled, {})
    assert await total(journal) == {"total|comments": 1}


async def test_a_commit_on_a_lost_tail_is_refused_and_without_the_proof_it_counts_twice(journal):
    """Entries read, then forgotten by the server, then sent again: the proof refuses, the control counts six for three."""
    events = pairs("a", "b", "c")
    for proof, expected in ((True, 3), (False, 6)):
        await journal.redis.flushall()
        await journal.load_functions()
        weak = Journal.__new__(Journal)
        weak.__dict__.update(journal.__dict__)
        weak.overlap_proof = proof
        weak._pull = "lm1_pull" if proof else "lm1_pull_unproven"
        first = await weak.ingest(0, events, tail=None)
        await weak.lease(0, "count", "t", 10_000)
        read = await weak.pull(0, START, 10)
        before = await weak.checkpoint(0, "count")
        # The server loses its newest history (a cut log), the producer proves it and sends again.
        await weak.redis.delete(key(0, "s"), key(0, "seen:cur"), key(0, "meta"))
        with pytest.raises(LostTail):
            await weak.ingest(0, (), tail=first.tail)
        while int((await weak.redis.time())[0]) * 1000 + (await weak.redis.time())[1] // 1000 <= int(first.tail[0].split("-")[0]):
            pass  # the same millisecond would hand out the same ids again
        await weak.ingest(0, events, tail=None, resent=True)
        try:
            before = await commit(weak, "t", before, read, {"total|comments": 3})
        except LostTail:
            read = await weak.pull(0, START, 10)
            before = await commit(weak, "t", before, read, {"total|comments": len(read.payloads)})
        rest = (await weak.pull(0, before.position, 10)) if proof else await weak.pull(0, read.position, 10)
        if rest.payloads:
            await commit(weak, "t", before, rest, {"total|comments": len(rest.payloads)})
        assert (await total(weak))["total|comments"] == expected


async def test_a_level_adds_only_what_it_rose_and_to_a_rate_only_what_rose_while_somebody_looked(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    where = ["slot:0", "minute:0", "day:d", "total"]
    for value, slot in ((500, 0), (480, 60), (510, 120), (515, 130), (600, 320)):
        levels = [["l|b|youtube|reactions", value, where, ["total", "country:BR"], "reactions", slot]]
        before = await commit(journal, "t", before, pulled, {}, extras=[levels, [], []])
    assert await total(journal) == {"total|reactions": 600, "country:BR|reactions": 600}
    assert await journal.redis.hgetall(key(0, "day:d")) == {b"total|reactions": b"600", b"country:BR|reactions": b"600"}
    assert await journal.redis.hgetall(key(0, "slot:0")) == {b"total|reactions": b"15", b"country:BR|reactions": b"15"}
    assert await journal.minute(0, 0) == {
        "total|reactions": 15, "country:BR|reactions": 15, "total|earlier.reactions": 585, "country:BR|earlier.reactions": 585,
    }  # fmt: skip


async def test_viewer_seconds_end_where_the_sample_is_no_longer_believed(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    for at in (0, 10_000, 500_000):
        sample = ViewerSample("l", 7, at, at + 180_000, "BR", "youtube")
        before = await commit(journal, "t", before, pulled, {}, viewers=[sample], extras=[[], [[["total"], ["total"]]], []])
    assert await total(journal) == {"total|viewer_seconds": 7 * 10 + 7 * 180}


async def test_marks_of_retracted_ids_survive_and_are_read_as_memory(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    await commit(journal, "t", before, pulled, {}, extras=[[], [], ["x", "ban|l|ana|2026-01-01T00:00:00Z|2026-01-01T00:10:00Z"]])
    members = [member.decode() for member in await journal.redis.zrange(key(0, "removed"), 0, -1)]
    memory = Memory.of(members)
    assert memory.removed == {"x"}
    assert list(memory.bans) == [("l", "ana")]


async def test_load_and_changes_agree(journal):
    await journal.ingest(0, pairs("a", "b"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    before = await commit(journal, "t", before, pulled, {"total|comments": 2})
    loaded = await journal.load(0, now_ms=0, sessions=[], days=[])
    assert loaded.containers == {"total": {"total|comments": 2}}
    assert loaded.version == 1
    await commit(journal, "t", before, pulled, {"total|comments": -1})
    found = await journal.changes({0: loaded.position}, 0)
    assert [change.version for _, change in found[0]] == [2]
    assert found[0][0][1].groups == [Group(["total"], {"total|comments": -1})]


async def test_changes_prove_their_overlap(journal):
    with pytest.raises(LostTail):
        await journal.changes({0: ("1-1", "gone")}, 0)


async def test_trimming_never_passes_a_cursor_or_the_baseline(journal):
    """Entries that are hours old go, but not those that moderate has yet to read."""
    for number in range(300):
        await journal.redis.xadd(key(0, "s"), {"n": "n", "d": str(number)}, id=f"{1000 + number}-0")
    await journal.redis.hset(key(0, "ckpt:moderate"), "pos", "1100-0")
    await journal.lease(0, "count", "t", 10_000)
    before = Checkpoint(15, START, "c", 0)
    await journal.redis.hset(key(0, "ckpt:count"), mapping={"ver": 15, "by": "t"})
    pulled = await journal.pull(0, START, 300)
    await commit(journal, "t", before, pulled, {"total|comments": 300})
    left = [int(entry[0].split(b"-")[0]) for entry in await journal.redis.xrange(key(0, "s"))]
    assert left[0] <= 1100  # whole nodes are trimmed ("~"), so a few more may stay
    assert left[-1] == 1299
    assert 1100 in left


async def test_baseline_is_a_copy_tagged_with_the_cursor(journal):
    await journal.ingest(0, pairs("a"), tail=None)
    await journal.lease(0, "count", "t", 10_000)
    pulled = await journal.pull(0, START, 10)
    before = await journal.checkpoint(0, "count")
    before = await commit(journal, "t", before, pulled, {"total|comments": 1}, baseline=True)
    await commit(journal, "t", before, pulled, {"total|comments": 5})
    assert await journal.redis.hgetall(key(0, "base:total")) == {b"total|comments": b"1"}
    assert (await journal.redis.hget(key(0, "base:meta"), "pos")).decode() == pulled.position[0]


async def test_shares_are_split_evenly_and_follow_the_living(journal):
    one = await journal.shares("collect", "a", 10_000, 256)
    assert len(one) == 256
    await journal.shares("collect", "b", 10_000, 256)
    kept = await journal.shares("collect", "a", 10_000, 256)
    taken = await journal.shares("collect", "b", 10_000, 256)
    assert (len(kept), len(taken), set(kept) & set(taken)) == (128, 128, set())
    await journal.shares("collect", "a", 10_000, 256, leave=True)
    assert len(await journal.shares("collect", "b", 10_000, 256)) == 256


async def test_a_different_number_of_partitions_is_refused(journal, url):
    async with Journal(url, partitions=8).opened() as other:
        with pytest.raises(ValueError, match="16 partitions"):
            await other.prepare()


async def test_functions_are_loaded_again_by_a_server_that_lost_them(journal):
    await journal.redis.function_flush()
    assert (await journal.ingest(0, pairs("a"), tail=None)).added == 1
