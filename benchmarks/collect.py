"""collect: parsed events through the spool on disk into the journal, one process.

The raw limit is ingest of the same events, prepared beforehand: the same calls in the same sizes, without digest, JSON and spool.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.chat import chat, shipped
from benchmarks.measure import PARTITIONS, Row, row, thrown_away
from connectors.event import as_json
from monitor.journal import digest
from monitor.produce import Producer, place
from monitor.produce_lane import CHUNK_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connectors.event import Event
    from monitor.journal import Journal

SIZE, QUICK = 100_000, 4_000
AT_ONCE = 1000
"""Events of one put: what 50,000 events/s bring in the 20 ms in which collect gathers them."""
MOST_WAITING = 20_000


async def produced(url: str, folder: Path, events: Sequence[Event]) -> float:
    """Events per second from the first put until everything is in the journal."""
    async with Producer(url, folder, PARTITIONS, most_waiting=MOST_WAITING) as producer:
        begun = time.perf_counter()
        for start in range(0, len(events), AT_ONCE):
            await producer.put(events[start : start + AT_ONCE])
        await producer.flushed()
        seconds = time.perf_counter() - begun
        assert (producer.added, producer.duplicates) == (len(events), 0)
    return len(events) / seconds


async def ingested(journal: Journal, events: Sequence[Event]) -> float:
    """The same events, from memory, straight into the journal."""
    chunks: list[dict[int, list[tuple[bytes, bytes]]]] = []
    for number, event in enumerate(events):
        if number % CHUNK_EVENTS == 0:
            chunks.append({})
        chunks[-1].setdefault(place(event, PARTITIONS), []).append((digest(event.id), as_json(event)))
    begun = time.perf_counter()
    for chunk in chunks:
        answers = await asyncio.gather(*(journal.ingest(partition, pairs, tail=None) for partition, pairs in chunk.items()))
        assert sum(answer.duplicates for answer in answers) == 0
    return len(events) / (time.perf_counter() - begun)


async def measure(size: int) -> list[Row]:
    _, roster = shipped()
    events = list(chat([channel.id for channel in roster.channels], size, seconds=60))
    values, limits = [], []
    async with thrown_away() as (url, folder, journal):
        for number in range(2):  # by turns, so that both meet the same machine
            await journal.redis.flushall()
            await journal.prepare()
            limits.append(await ingested(journal, events))
            await journal.redis.flushall()
            await journal.prepare()
            values.append(await produced(url, folder / f"spool-{number}", events))
    return [row("collect", max(values), "events/s", "more", limit=max(limits))]


def run(size: int = SIZE) -> list[Row]:
    import uvloop

    return uvloop.run(measure(size))
