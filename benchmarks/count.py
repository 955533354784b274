"""count: one process from the journal to committed numbers, beside the raw limit of pulling and decoding the same entries.

The wall time depends on what else runs on the machine; the processor time of both sides (this process, Valkey) hardly does.
"""

from __future__ import annotations

import resource
import time
from typing import NamedTuple

from benchmarks.chat import chat, shipped
from benchmarks.measure import PARTITIONS, Row, row, thrown_away
from connectors.event import as_json
from monitor import reader as readers
from monitor.count import Counter, spare_collector
from monitor.derivation import derivation
from monitor.entry import decode_entry
from monitor.journal import START, Journal, digest
from monitor.produce import place

SIZE, QUICK = 240_000, 8_000
CATCH_UP, LIVE = 5000, 100
"""Entries of a commit when there is a backlog, and when there is none."""


async def fill(journal: Journal, livestreams: list[str], entries: int) -> None:
    """Chat of the last ten minutes, in ingest batches."""
    batches: dict[int, list[tuple[bytes, bytes]]] = {}
    for event in chat(livestreams, entries, seconds=600):
        batches.setdefault(place(event, PARTITIONS), []).append((digest(event.id), as_json(event)))
    for partition, pairs in batches.items():
        for start in range(0, len(pairs), 500):
            await journal.ingest(partition, pairs[start : start + 500], tail=None)


class Pace(NamedTuple):
    """How fast something went through the entries."""

    per_second: float
    cpu: float
    """Processor time of this process, µs an entry."""
    server_cpu: float
    """The same of Valkey's main thread."""


class Stopwatch:
    """Wall and processor time of this process and of the server since it was started."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.wall = self.own = self.server = 0.0

    async def start(self) -> Stopwatch:
        self.server = await _server_seconds(self.journal)
        self.own = _own_seconds()
        self.wall = time.perf_counter()
        return self

    async def pace(self, entries: int) -> Pace:
        wall = time.perf_counter() - self.wall
        own, server = _own_seconds() - self.own, await _server_seconds(self.journal) - self.server
        return Pace(entries / wall, own / entries * 1e6, server / entries * 1e6)


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _server_seconds(journal: Journal) -> float:
    info = await journal.redis.info("cpu")
    return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])


async def raw(journal: Journal) -> Pace:
    """Pulling and decoding alone."""
    watch, entries = await Stopwatch(journal).start(), 0
    for partition in range(PARTITIONS):
        position = START
        while (pulled := await journal.pull(partition, position, CATCH_UP)).payloads:
            entries += len([decode_entry(payload) for payload in pulled.payloads])
            position = pulled.position
    return await watch.pace(entries)


async def counted(journal: Journal, entries: int, most: int) -> Pace:
    """From an empty checkpoint to the last commit, at most so many entries a commit."""
    for key in await journal.redis.keys("{*}:*"):
        if not key.endswith((b":s", b":seen:cur", b":meta")) and key != b"{meta}:partitions":
            await journal.redis.delete(key)
    spare_collector()  # as the role does
    reader = readers.Reader(journal, "count", Counter(journal, derivation(*shipped())))
    readers.MOST_ENTRIES, before = most, readers.MOST_ENTRIES
    try:
        await reader._own(0.0)
        watch = await Stopwatch(journal).start()
        while reader.entries < entries:
            await reader.round(0.0)
        pace = await watch.pace(reader.entries)
    finally:
        readers.MOST_ENTRIES = before
        await reader._leave()
    assert not reader.doubts, reader.doubts
    return pace


async def measure(size: int) -> list[Row]:
    async with thrown_away() as (_, _, journal):
        await fill(journal, [channel.id for channel in shipped()[1].channels], size)
        raws, catch_ups = [], []
        for _ in range(2):  # by turns, so that both meet the same machine
            raws.append(await raw(journal))
            catch_ups.append(await counted(journal, size, CATCH_UP))
        live = await counted(journal, size, LIVE)
    limit = max(pace.per_second for pace in raws)
    cpu, server = min(pace.cpu for pace in raws), min(pace.server_cpu for pace in raws)
    best = max(catch_ups)
    return [
        row("count", best.per_second, "events/s", "more", limit=limit),
        row("count.cpu", min(pace.cpu for pace in catch_ups), "µs/event", "less", limit=cpu),
        row("count.server_cpu", min(pace.server_cpu for pace in catch_ups), "µs/event", "less", limit=server),
        row("count.live_size", live.per_second, "events/s", "more", limit=limit),
        row("count.live_size.cpu", live.cpu, "µs/event", "less", limit=cpu),
        row("count.live_size.server_cpu", live.server_cpu, "µs/event", "less", limit=server),
    ]


def run(size: int = SIZE) -> list[Row]:
    import uvloop

    return uvloop.run(measure(size))
