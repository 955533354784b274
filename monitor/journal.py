"""The journal: every read and write of Redis that exactness depends on, as typed calls of the server functions.

Promises: a call either happened once or raises; nothing is retried inside the client (redis-py's own retries are off, because they
repeat commands whose reply was lost). Whoever gets ``Doubt`` drops its memory and reloads from what is committed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import RedisError, ResponseError

from monitor.redis_client import make_client
from monitor.windows import Change, Group, Loaded, ViewerSample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

log = logging.getLogger("monitor.journal")

Position = tuple[str, str]
"""(entry id, nonce of the attempt that wrote it); ("", "") is the very beginning."""

START: Position = ("", "")

SEEN_WINDOW_MS = 30 * 60_000
"""A repeated delivery is recognised for this long at least, and for twice as long at most."""

SPOOLS = "{spools}"
"""Hash: producer → up to when all that it received is here, and when it said so last (Unix ms)."""
WAITING_MS = 3_000
"""So long it may take, also on a busy machine."""
SAID_MS = 35_000
"""A producer that says nothing for so long is dead, and its livestreams are silent, which is told elsewhere."""

KEEP_JOURNAL_MS = 60 * 60_000
MOST_JOURNAL_BYTES = 2 * 1024**3
BYTES_PER_ENTRY = 600


class Doubt(Exception):
    """What we remember may not be what is stored: drop it, reload, go on. ``reason`` is FENCED, STALE, LOSTTAIL or READONLY."""

    def __init__(self, reason: str, partition: int) -> None:
        super().__init__(f"{reason} in partition {partition}")
        self.reason = reason
        self.partition = partition


class LostTail(Doubt):
    """The entry that we read last is gone: the server forgot the newest part of its history."""

    def __init__(self, partition: int) -> None:
        super().__init__("LOSTTAIL", partition)


# --- addresses --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def partition_of(livestream: str, partitions: int) -> int:
    """The partition of everything that happens on a livestream."""
    return zlib.crc32(livestream.encode()) % partitions


def tag(partition: int) -> str:
    """The hash tag that keeps all keys of a partition in one Cluster slot."""
    return f"{{p{partition:02d}}}"


def key(partition: int, name: str) -> str:
    return f"{{p{partition:02d}}}:{name}"


def digest(event_id: str) -> bytes:
    """What the server remembers of an id: 16 bytes."""
    return blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def make_nonce() -> bytes:
    """Never shared between two attempts; that is what makes (id, nonce) a proof."""
    return secrets.token_hex(6).encode()


def most_entries(partitions: int) -> int:
    return MOST_JOURNAL_BYTES // BYTES_PER_ENTRY // partitions


# --- the journal ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ingested:
    """Answer of one ingest: what was new, what was known already, and the proof for the next one."""

    added: int
    duplicates: int
    tail: Position | None
    """The newest entry of these events, also of those that were known; None when there were none, or none is kept any more."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """Entries after a position, in order."""

    server_ms: int
    position: Position
    payloads: list[bytes]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a role has committed in a partition."""

    version: int
    position: Position
    config: str
    caught_up_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Cursor and numbers move together or not at all; a repeat of the same commit is harmless."""

    partition: int
    token: str
    before: Checkpoint
    position: Position
    change: bytes
    """A packed Change."""
    extras: bytes
    """Packed [levels, places of viewer samples, marks, rebuilt containers]; see the server function."""
    config: str
    caught_up_ms: int | None = None
    baseline: bool = False


Call = tuple[str, list[str], tuple[Any, ...]]
"""(server function, keys, arguments)."""

SMALL_BYTES = 200_000
"""Commits of a round that are smaller together go in one round trip."""

_pack = msgspec.msgpack.Encoder().encode
_change_decoder = msgspec.msgpack.Decoder(Change)
_groups_decoder = msgspec.msgpack.Decoder(list[Group])
_sample_decoder = msgspec.msgpack.Decoder(ViewerSample)


def _text(value: bytes | None) -> str:
    return value.decode() if value else ""


def decode_change(fields: Mapping[bytes, bytes]) -> Change:
    """One entry of ``changes``; increments that the server derived are appended to the groups."""
    change = _change_decoder.decode(fields[b"d"])
    if derived := fields.get(b"x"):
        return msgspec.structs.replace(change, groups=[*change.groups, *_groups_decoder.decode(derived)])
    return change


class Journal:
    """Typed calls; one object per process, safe for many tasks."""

    def __init__(self, url: str, *, partitions: int = 16, overlap_proof: bool = True) -> None:
        self.partitions = partitions
        self.redis: Any = make_client(url)
        self.overlap_proof = overlap_proof
        self._pull = "lm1_pull" if overlap_proof else "lm1_pull_unproven"

    async def close(self) -> None:
        await self.redis.aclose()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Journal]:
        try:
            yield self
        finally:
            await self.close()

    async def prepare(self) -> None:
        """Load the server functions and fix the number of partitions; a mismatch is a person's mistake."""
        await self.load_functions()
        stored = await self.redis.set("{meta}:partitions", self.partitions, nx=True, get=True)
        if stored is not None and int(stored) != self.partitions:
            raise ValueError(
                f"This data folder was made with {int(stored)} partitions and the configuration says {self.partitions}. "
                f"Set partitions = {int(stored)}, or start with an empty data folder."
            )

    async def load_functions(self) -> None:
        await self.redis.function_load(files("monitor").joinpath("journal.lua").read_text(), replace=True)

    async def call(self, function: str, keys: Sequence[str], *args: Any) -> Any:
        """FCALL; loads the functions when the server lost them (a new primary, an emptied server)."""
        try:
            return await self.redis.fcall(function, len(keys), *keys, *args)
        except ResponseError as error:
            if "unction not found" not in str(error):
                raise
        await self.load_functions()
        return await self.redis.fcall(function, len(keys), *keys, *args)

    async def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """Several calls in one round trip, not atomic together; an exception stands in the place of an answer that failed."""
        if not hasattr(self.redis, "connection_pool"):  # a Cluster: its pipelines do not carry functions to the right shard
            return await asyncio.gather(*(self.call(name, keys, *args) for name, keys, args in calls), return_exceptions=True)
        pipeline = self.redis.pipeline(transaction=False)
        for name, keys, args in calls:
            pipeline.fcall(name, len(keys), *keys, *args)
        answers = list(await pipeline.execute(raise_on_error=False))
        for number, answer in enumerate(answers):
            if isinstance(answer, ResponseError) and "unction not found" in str(answer):
                name, keys, args = calls[number]
                answers[number] = await self.call(name, keys, *args)
        return answers

    # writing

    async def ingest(
        self,
        partition: int,
        events: Sequence[tuple[bytes, bytes]],
        *,
        tail: Position | None,
        resent: bool = False,
        nonce: bytes | None = None,
    ) -> Ingested:
        """Append (digest, payload) pairs that are not known yet. Raises LostTail when ``tail`` is gone; then nothing was appended."""
        nonce = nonce or make_nonce()
        before = tail or START
        flat = [item for pair in events for item in pair]
        names = ("s", "seen:cur", "seen:prev", "meta")
        answer = await self.call(
            "lm1_ingest", [key(partition, name) for name in names], nonce, *before, SEEN_WINDOW_MS, "1" if resent else "0", *flat
        )
        if answer[0] == b"LOSTTAIL":
            raise LostTail(partition)
        tail = (_text(answer[2]), _text(answer[4])) if answer[2] else None
        return Ingested(added=answer[1], duplicates=answer[3], tail=tail)

    # reading

    async def pull(self, partition: int, position: Position, count: int) -> Pulled:
        return _pulled(partition, await self.call(self._pull, [key(partition, "s")], *position, count))

    async def pull_all(self, positions: Mapping[int, Position], count: int) -> list[Pulled | BaseException]:
        """pull() of several partitions in one round trip."""
        calls = [(self._pull, [key(partition, "s")], (*position, count)) for partition, position in positions.items()]
        found: list[Pulled | BaseException] = []
        for partition, answer in zip(positions, await self.call_all(calls), strict=True):
            try:
                found.append(answer if isinstance(answer, BaseException) else _pulled(partition, answer))
            except Doubt as doubt:
                found.append(doubt)
        return found

    async def lookup(self, partition: int, ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Journal id and payload of each event id, as far as they are remembered; ("", b"") otherwise."""
        names = ("s", "seen:cur", "seen:prev")
        answer = await self.call("lm1_lookup", [key(partition, name) for name in names], *[digest(event_id) for event_id in ids])
        return [(_text(answer[i]), answer[i + 1]) for i in range(0, len(answer), 2)]

    async def scan(self, partition: int, first: str, last: str, count: int = 500) -> list[tuple[str, bytes]]:
        """Entries by journal id, inclusive; ``(id`` excludes."""
        entries = await self.redis.xrange(key(partition, "s"), min=first or "-", max=last or "+", count=count)
        return [(_text(entry), fields[b"d"]) for entry, fields in entries]

    # roles: lease, checkpoint, commit

    async def lease(self, partition: int, role: str, token: str, ttl_ms: int, *, former: str = "") -> bool:
        """Take the lease when it is free, expired, or held under our own former token."""
        return bool(await self.call("lm1_lease", [key(partition, f"lease:{role}")], token, ttl_ms, former))

    async def renew(self, partition: int, role: str, token: str, ttl_ms: int, caught_up_ms: int | None) -> None:
        keys = [key(partition, f"lease:{role}"), key(partition, f"ckpt:{role}")]
        if not await self.call("lm1_renew", keys, token, ttl_ms, caught_up_ms or ""):
            raise Doubt("FENCED", partition)

    async def release(self, partition: int, role: str, token: str) -> None:
        await self.call("lm1_release", [key(partition, f"lease:{role}")], token)

    async def checkpoint(self, partition: int, role: str) -> Checkpoint:
        version, position, nonce, config, caught_up = await self.redis.hmget(
            key(partition, f"ckpt:{role}"), ["ver", "pos", "nonce", "cfg", "caught_up"]
        )
        return Checkpoint(int(version or 0), (_text(position), _text(nonce)), _text(config), int(caught_up or 0))

    async def commit(self, partition: int, token: str, **what: Any) -> None:
        """One commit; see Commit. Raises Doubt when it was refused."""
        (result,) = await self.commit_all([Commit(partition=partition, token=token, **what)])
        if result is not None:
            raise result

    async def commit_all(self, commits: Sequence[Commit]) -> list[BaseException | None]:
        """Commits of different partitions; None where it was done (or had been done before), else why not."""
        calls = [self._commit_call(one) for one in commits]
        if sum(len(one.change) for one in commits) < SMALL_BYTES:
            answers = await self.call_all(calls)
        else:  # large ones overlap better on connections of their own
            answers = await asyncio.gather(*(self.call(name, keys, *args) for name, keys, args in calls), return_exceptions=True)
        results: list[BaseException | None] = []
        for one, answer in zip(commits, answers, strict=True):
            results.append(answer if isinstance(answer, BaseException) else _refusal(answer, one.partition))
        return results

    def _commit_call(self, one: Commit) -> Call:
        names = ("lease:count", "ckpt:count", "s", "changes")
        arguments = (
            tag(one.partition) + ":",
            one.token,
            one.before.version,
            one.before.version + 1,
            *one.position,
            one.change,
            one.extras,
            make_nonce(),
            one.caught_up_ms or "",
            one.config,
            one.before.position[0],
            KEEP_JOURNAL_MS,
            most_entries(self.partitions),
            "1" if one.baseline else "0",
            "1" if self.overlap_proof else "0",
        )
        return "lm1_commit", [key(one.partition, name) for name in names], arguments

    async def publish(
        self,
        partition: int,
        role: str,
        output: str,
        token: str,
        *,
        before: Checkpoint,
        position: Position,
        payloads: Sequence[bytes],
        caught_up_ms: int | None,
    ) -> None:
        """The same cursor move for a role whose result is entries of another stream."""
        names = (f"lease:{role}", f"ckpt:{role}", "s", output)
        answer = await self.call(
            "lm1_publish",
            [key(partition, name) for name in names],
            token,
            before.version,
            before.version + 1,
            *position,
            caught_up_ms or "",
            make_nonce(),
            *payloads,
        )
        if (refusal := _refusal(answer, partition)) is not None:
            raise refusal

    # minutes: history, packed when they are old

    async def open_minutes(self, partition: int) -> list[int]:
        """Starts (Unix seconds) of the minutes that are not packed, or were opened again by late events."""
        return sorted(int(start) for start in await self.redis.smembers(key(partition, "minutes")))

    async def known_minutes(self, partition: int) -> list[int]:
        """Starts of all minutes that anything was ever counted in, packed or not."""
        return sorted(int(start) for start in await self.redis.smembers(key(partition, "known_minutes")))

    async def minute(self, partition: int, start: int) -> dict[str, int]:
        """One minute's numbers: its packed part and what came late."""
        return (await self.minutes(partition, [start]))[start]

    async def minutes(self, partition: int, starts: Sequence[int]) -> dict[int, dict[str, int]]:
        """The numbers of these minutes; an empty dict where nothing was counted."""
        pipeline = self.redis.pipeline(transaction=True)
        for start in starts:
            pipeline.get(key(partition, f"packed:{start}"))
            pipeline.hgetall(key(partition, f"minute:{start}"))
        rows = await pipeline.execute() if starts else []
        found: dict[int, dict[str, int]] = {}
        for number, start in enumerate(starts):
            packed, late = rows[2 * number], rows[2 * number + 1]
            numbers = unpack_minute(packed) if packed else {}
            for name, value in late.items():
                numbers[_text(name)] = numbers.get(_text(name), 0) + int(value)
            found[start] = numbers
        return found

    async def pack_minute(self, partition: int, token: str, start: int) -> None:
        """Owner only. Raises Doubt when it is not ours any more."""
        names = ("lease:count", f"minute:{start}", f"packed:{start}", "minutes")
        packed = pack_minute(await self.minute(partition, start))
        if not await self.call("lm1_pack", [key(partition, name) for name in names], token, packed, start):
            raise Doubt("FENCED", partition)

    # what the feed needs

    async def load(self, partition: int, *, now_ms: int, sessions: Iterable[str], days: Iterable[str]) -> Loaded:
        """A partition's committed numbers in one atomic read: totals, sessions, days, the last hour's minutes, two minutes of slots."""
        now = now_ms // 1000
        minutes = range(now // 60 * 60 - 61 * 60, now // 60 * 60 + 120, 60)
        slots = range(now // 10 * 10 - 180, now // 10 * 10 + 80, 10)
        wanted = [
            "total",
            *(f"session:{session}" for session in sessions),
            *(f"day:{day}" for day in days),
            *(f"minute:{minute}" for minute in minutes),
            *(f"slot:{slot}" for slot in slots),
        ]
        names = ("ckpt:count", "changes", "viewers")
        answer = await self.call("lm1_load", [key(partition, name) for name in names], tag(partition) + ":", *wanted)
        containers = {
            _text(answer[4][i]): {_text(field): int(value) for field, value in _pairs(answer[4][i + 1])}
            for i in range(0, len(answer[4]), 2)
        }
        return Loaded(
            version=int(answer[0]),
            caught_up_ms=int(answer[1]),
            position=(_text(answer[2]), _text(answer[3])),
            containers=containers,
            viewers=[_sample_decoder.decode(packed) for packed in answer[5]],
        )

    async def changes(self, positions: Mapping[int, Position], block_ms: int) -> dict[int, list[tuple[Position, Change]]]:
        """New commits of each partition after these positions, with the overlap proof. Raises LostTail(partition)."""
        if block_ms:
            await self.redis.xread(
                {key(p, "changes"): after[0] or "0-0" for p, after in positions.items()}, count=1, block=block_ms
            )
        pipeline = self.redis.pipeline(transaction=False)
        for partition, after in positions.items():
            pipeline.xrange(key(partition, "changes"), min=after[0] or "-", max="+", count=201)
        found: dict[int, list[tuple[Position, Change]]] = {}
        for (partition, after), entries in zip(positions.items(), await pipeline.execute(), strict=True):
            fresh = entries
            if after[0]:
                if not entries or _text(entries[0][0]) != after[0] or _text(entries[0][1][b"n"]) != after[1]:
                    raise LostTail(partition)
                fresh = entries[1:]
            if fresh:
                found[partition] = [((_text(entry), _text(fields[b"n"])), decode_change(fields)) for entry, fields in fresh]
        return found

    async def tell_spool(self, producer: str, since_ms: int, now_ms: int) -> None:
        """Say that all that a producer received before ``since_ms`` is here; it says so again each second."""
        await self.redis.hset(SPOOLS, producer, f"{since_ms} {now_ms}")

    async def forget_spool(self, producer: str) -> None:
        """It ended, and left nothing."""
        await self.redis.hdel(SPOOLS, producer)

    async def held_back(self, now_ms: int) -> int | None:
        """Since when (Unix ms) something that was received may wait on a disk; None: nothing does, but for the last moment."""
        said = [tuple(map(int, value.split())) for value in await self.redis.hvals(SPOOLS)]
        return min((since for since, at in said if now_ms - at < SAID_MS and now_ms - since > WAITING_MS), default=None)

    async def caught_up(self) -> dict[int, int]:
        """Server time (Unix ms) at which each partition's counter last had nothing left; 0 = never."""
        pipeline = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipeline.hget(key(partition, "ckpt:count"), "caught_up")
        return {partition: int(value or 0) for partition, value in enumerate(await pipeline.execute())}

    async def ingest_counters(self) -> dict[str, int]:
        """Sums over partitions of what ingest did: added, duplicates, resent."""
        pipeline = self.redis.pipeline(transaction=False)
        for partition in range(self.partitions):
            pipeline.hmget(key(partition, "meta"), ["added", "duplicates", "resent"])
        rows = await pipeline.execute()
        return {name: sum(int(row[i] or 0) for row in rows) for i, name in enumerate(("added", "duplicates", "resent"))}

    async def livestream_states(self) -> dict[str, bytes]:
        return {_text(name): value for name, value in (await self.redis.hgetall("{livestreams}")).items()}

    async def authors(self, heads: Sequence[str], windows: Sequence[str]) -> dict[tuple[str, str], int]:
        """Estimated unique authors by (dimension head such as ``country:BR``, window such as ``event`` or ``day:2026-11-20``).

        ``event`` is the union of all days (they share a tag), so that it needs no sketch of its own.
        """
        wanted = [(head, window) for head in heads for window in windows]
        days = [f"day:{day.decode()}" for day in await self.redis.smembers("{days}")] or ["day:none"]
        pipeline = self.redis.pipeline(transaction=False)
        for head, window in wanted:
            # Written out because a Cluster's pipeline refuses the method; the keys of one dimension share a tag, so they may go together.
            pipeline.execute_command("PFCOUNT", *(author_key(head, name) for name in (days if window == "event" else [window])))
        return dict(zip(wanted, await pipeline.execute(), strict=True))

    async def peak(self, values: Mapping[str, int]) -> dict[str, int]:
        """Raise the stored maxima to these values where they are greater; returns the maxima. Idempotent, so nobody need own it."""
        if not values:
            return {}
        flat = [item for pair in values.items() for item in pair]
        answer = await self.call("lm1_peak", ["{wall}:peak"], *flat)
        return dict(zip(values, answer, strict=True))

    async def shares(self, group: str, token: str, ttl_ms: int, count: int, *, leave: bool = False) -> list[int]:
        """Heartbeat of a member of ``group`` (collectors, counters …); returns which of ``count`` shares it owns now."""
        keys = [f"{{{group}}}:owners", f"{{{group}}}:members"]
        return list(await self.call("lm1_shares", keys, token, ttl_ms, count, "1" if leave else "0"))


def author_key(head: str, window: str) -> str:
    """A HyperLogLog of its own tag, so that no merging is ever needed."""
    return f"{{u:{head}}}:{window}"


def pack_minute(numbers: Mapping[str, int]) -> bytes:
    """A minute in about a sixth of the room: zlib over JSON."""
    return zlib.compress(msgspec.json.encode(numbers), 6)


def unpack_minute(packed: bytes) -> dict[str, int]:
    return msgspec.json.decode(zlib.decompress(packed), type=dict[str, int])


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _pulled(partition: int, answer: list[bytes]) -> Pulled:
    if answer[0] == b"LOSTTAIL":
        raise LostTail(partition)
    return Pulled(server_ms=int(answer[0]), position=(_text(answer[1]), _text(answer[2])), payloads=answer[3:])


def _refusal(answer: bytes, partition: int) -> Doubt | None:
    """Why a commit was refused; None when it was done, now or before."""
    if answer == b"LOSTTAIL":
        return LostTail(partition)
    return None if answer in (b"OK", b"DUP") else Doubt(answer.decode(), partition)


def is_doubt(error: BaseException) -> bool:
    """Whether the right answer is to drop memory and reload: a refused write, a lost connection, a demoted or loading server."""
    return isinstance(error, (Doubt, RedisError, OSError))


def pack(value: Any) -> bytes:
    """MessagePack as the server functions read it: text as str, whole numbers only."""
    return _pack(value)


async def ready(journal: Journal) -> None:
    """Wait until Redis answers, then load the functions."""
    said = False
    while True:
        try:
            return await journal.prepare()
        except (RedisError, OSError) as error:
            if not said:
                log.warning("waiting for Redis (%s)", type(error).__name__)
                said = True
            await asyncio.sleep(0.3)
