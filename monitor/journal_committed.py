"""What was committed, to be read by whoever shows it: totals and minutes, changes since, what waits, unique authors.

Nothing here writes, so anybody may ask at any time.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from monitor.journal_calls import Calls, LostTail, text
from monitor.journal_keys import author_key, key, tag
from monitor.tally import KEY as TALLIES
from monitor.windows import Change, Group, Loaded, ViewerSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.journal_keys import Position

SPOOLS = "{spools}"
"""Hash: producer → up to when all that it received is here, and when it said so last (Unix ms)."""
WAITING_MS = 3_000
"""So long it may take, also on a busy machine."""
SAID_MS = 35_000
"""A producer that says nothing for so long is dead, and its livestreams are silent, which is told elsewhere."""

_change_decoder = msgspec.msgpack.Decoder(Change)
_groups_decoder = msgspec.msgpack.Decoder(list[Group])
_sample_decoder = msgspec.msgpack.Decoder(ViewerSample)


class Committed(Calls):
    """Reads what commit wrote."""

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
                numbers[text(name)] = numbers.get(text(name), 0) + int(value)
            found[start] = numbers
        return found

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
            text(answer[4][i]): {text(field): int(value) for field, value in _pairs(answer[4][i + 1])}
            for i in range(0, len(answer[4]), 2)
        }
        return Loaded(
            version=int(answer[0]),
            caught_up_ms=int(answer[1]),
            position=(text(answer[2]), text(answer[3])),
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
                if not entries or text(entries[0][0]) != after[0] or text(entries[0][1][b"n"]) != after[1]:
                    raise LostTail(partition)
                fresh = entries[1:]
            if fresh:
                found[partition] = [((text(entry), text(fields[b"n"])), decode_change(fields)) for entry, fields in fresh]
        return found

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

    async def tallies(self) -> dict[str, int]:
        """What processes without a page of their own counted, see ``tally``."""
        return {text(name): int(value) for name, value in (await self.redis.hgetall(TALLIES)).items()}

    async def livestream_states(self) -> dict[str, bytes]:
        return {text(name): value for name, value in (await self.redis.hgetall("{livestreams}")).items()}

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


def decode_change(fields: Mapping[bytes, bytes]) -> Change:
    """One entry of ``changes``; increments that the server derived are appended to the groups."""
    change = _change_decoder.decode(fields[b"d"])
    if derived := fields.get(b"x"):
        return msgspec.structs.replace(change, groups=[*change.groups, *_groups_decoder.decode(derived)])
    return change


def pack_minute(numbers: Mapping[str, int]) -> bytes:
    """A minute in about a sixth of the room: zlib over JSON."""
    return zlib.compress(msgspec.json.encode(numbers), 6)


def unpack_minute(packed: bytes) -> dict[str, int]:
    return msgspec.json.decode(zlib.decompress(packed), type=dict[str, int])


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
