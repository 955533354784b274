"""The journal: every write of Redis that exactness depends on, and the reading that it builds on, as typed calls of the server functions.

Promises: a call either happened once or raises. Whoever gets ``Doubt`` drops its memory and reloads from what is committed.
How functions are called is in journal_calls.py, where things stand in journal_keys.py, and what is read to be shown in journal_committed.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.journal_calls import Doubt, LostTail, is_doubt, make_nonce, pack, ready, text
from monitor.journal_committed import SPOOLS, Committed, pack_minute
from monitor.journal_keys import START, Position, author_key, digest, key, partition_of, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.journal_calls import Call

__all__ = [
    "START",
    "Checkpoint",
    "Commit",
    "Doubt",
    "Ingested",
    "Journal",
    "LostTail",
    "Position",
    "Pulled",
    "author_key",
    "digest",
    "is_doubt",
    "key",
    "pack",
    "partition_of",
    "ready",
]
"""What the roles need of the journal, also where it is made next door."""

SEEN_WINDOW_MS = 30 * 60_000
"""A repeated delivery is recognised for this long at least, and for twice as long at most."""

KEEP_JOURNAL_MS = 60 * 60_000
MOST_JOURNAL_BYTES = 2 * 1024**3
BYTES_PER_ENTRY = 600


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


SMALL_BYTES = 200_000
"""Commits of a round that are smaller together go in one round trip."""


def most_entries(partitions: int) -> int:
    return MOST_JOURNAL_BYTES // BYTES_PER_ENTRY // partitions


class Journal(Committed):
    """Typed calls; one object per process, safe for many tasks."""

    def __init__(self, url: str, *, partitions: int = 16, overlap_proof: bool = True) -> None:
        super().__init__(url, partitions=partitions)
        self.overlap_proof = overlap_proof
        self._pull = "lm1_pull" if overlap_proof else "lm1_pull_unproven"

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
        tail = (text(answer[2]), text(answer[4])) if answer[2] else None
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
        return [(text(answer[i]), answer[i + 1]) for i in range(0, len(answer), 2)]

    async def scan(self, partition: int, first: str, last: str, count: int = 500) -> list[tuple[str, bytes]]:
        """Entries by journal id, inclusive; ``(id`` excludes."""
        entries = await self.redis.xrange(key(partition, "s"), min=first or "-", max=last or "+", count=count)
        return [(text(entry), fields[b"d"]) for entry, fields in entries]

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
        return Checkpoint(int(version or 0), (text(position), text(nonce)), text(config), int(caught_up or 0))

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

    async def pack_minute(self, partition: int, token: str, start: int) -> None:
        """Owner only. Raises Doubt when it is not ours any more."""
        names = ("lease:count", f"minute:{start}", f"packed:{start}", "minutes")
        packed = pack_minute(await self.minute(partition, start))
        if not await self.call("lm1_pack", [key(partition, name) for name in names], token, packed, start):
            raise Doubt("FENCED", partition)

    # who owns what, and who waits

    async def tell_spool(self, producer: str, since_ms: int, now_ms: int) -> None:
        """Say that all that a producer received before ``since_ms`` is here; it says so again each second."""
        await self.redis.hset(SPOOLS, producer, f"{since_ms} {now_ms}")

    async def forget_spool(self, producer: str) -> None:
        """It ended, and left nothing."""
        await self.redis.hdel(SPOOLS, producer)

    async def shares(self, group: str, token: str, ttl_ms: int, count: int, *, leave: bool = False) -> list[int]:
        """Heartbeat of a member of ``group`` (collectors, counters …); returns which of ``count`` shares it owns now."""
        keys = [f"{{{group}}}:owners", f"{{{group}}}:members"]
        return list(await self.call("lm1_shares", keys, token, ttl_ms, count, "1" if leave else "0"))


def _pulled(partition: int, answer: list[bytes]) -> Pulled:
    if answer[0] == b"LOSTTAIL":
        raise LostTail(partition)
    return Pulled(server_ms=int(answer[0]), position=(text(answer[1]), text(answer[2])), payloads=answer[3:])


def _refusal(answer: bytes, partition: int) -> Doubt | None:
    """Why a commit was refused; None when it was done, now or before."""
    if answer == b"LOSTTAIL":
        return LostTail(partition)
    return None if answer in (b"OK", b"DUP") else Doubt(answer.decode(), partition)
