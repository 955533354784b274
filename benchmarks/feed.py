"""feed: what one tick costs, in time and in bytes, with 110 countries × 15 topics × 1,200 livestreams at 2,000 events/s.

A tick applies what was committed since the last one, makes the state, its merge patch, and encodes it, once for all walls. The raw limit
of a tick is encoding the same state as JSON; of its bytes, the whole state.
"""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import orjson

from benchmarks.chat import chat, shipped
from benchmarks.measure import PARTITIONS, Row, percentile, row
from connectors.event import as_json
from monitor.book import Book
from monitor.config import Topic
from monitor.derivation import derivation
from monitor.derive import Deriver
from monitor.derive_memory import Memory
from monitor.entry import Entry, decode_entry
from monitor.frames import Ticker
from monitor.journal import partition_of
from monitor.livestreams import Livestream
from monitor.snapshot import Around, Picture
from monitor.windows import Change, Loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIZE, QUICK = 240, 12
"""Ticks that are measured."""
TICK_MS = 250
RATE = 2000
WARM_SECONDS = 70
"""Counted before, so that all pairs that happen have happened and the windows are full."""
MORE_TOPICS = [
    Topic(id="stage", name={"en": "Stage"}, phrases={"en": ("hello",)}),
    Topic(id="price", name={"en": "Price"}, phrases={"en": ("price",)}),
]


def commits(
    deriver: Deriver, entries: Iterable[Entry], memories: list[Memory], versions: list[int]
) -> Iterator[tuple[int, Change]]:
    """(partition, change) of these entries, as count would commit them at this tick."""
    shared = defaultdict(list)
    for entry in entries:
        shared[partition_of(entry.livestream, PARTITIONS)].append(entry)
    for partition, some in sorted(shared.items()):
        versions[partition] += 1
        yield partition, deriver.batch(versions[partition], some, memories[partition]).change


def run(size: int = SIZE) -> list[Row]:
    config, roster = shipped()
    config = dataclasses.replace(config, topics=(*config.topics, *MORE_TOPICS))
    deriver = Deriver(derivation(config, roster))
    ticks = WARM_SECONDS * 1000 // TICK_MS + size
    count = ticks * RATE * TICK_MS // 1000
    by_tick = defaultdict(list)
    begin_ms = 0
    for event in chat([channel.id for channel in roster.channels], count, seconds=ticks * TICK_MS / 1000):
        at_ms = int(event.at.timestamp() * 1000)
        begin_ms = begin_ms or at_ms
        by_tick[max(0, at_ms - begin_ms) // TICK_MS].append(decode_entry(as_json(event)))
    around = Around(
        livestreams={c.id: Livestream(state="live", platform=c.platform, country=c.country or "ZZ") for c in roster.channels}
    )
    book, ticker = Book(PARTITIONS), Ticker(Picture(config), "benchmark")
    for partition in range(PARTITIONS):
        book.load(partition, Loaded(version=0, caught_up_ms=0, containers={}, viewers=[], position=("", "")), begin_ms)
    memories, versions = [Memory() for _ in range(PARTITIONS)], [0] * PARTITIONS
    spent, raw, patches, wholes = [], [], [], []
    for tick in range(ticks):
        now_ms = begin_ms + (tick + 1) * TICK_MS
        changes = list(commits(deriver, by_tick.pop(tick, ()), memories, versions))
        begun = time.perf_counter()
        for partition, change in changes:
            book.apply(partition, change)
        for partition in range(PARTITIONS):
            book.caught_up(partition, now_ms)
        frame = ticker.tick(book, now_ms, around)
        seconds = time.perf_counter() - begun
        if tick >= ticks - size:
            spent.append(seconds * 1000)
            patches.append(len(frame or b""))
            begun = time.perf_counter()
            whole = orjson.dumps(ticker.state)
            raw.append((time.perf_counter() - begun) * 1000)
            wholes.append(len(whole))
    assert len(ticker.state["countries"]) >= 100, len(ticker.state["countries"])
    assert ticker.state["totals"]["engagement"]["total"] > 0
    return [
        row("feed.tick.p50", median(spent), "ms", "less", limit=median(raw)),
        row("feed.tick.p99", percentile(spent, 99), "ms", "less", limit=percentile(raw, 99)),
        row("feed.patch", median(patches), "bytes", "less", limit=median(wholes)),
        row("feed.patch.p99", percentile(patches, 99), "bytes", "less", limit=median(wholes)),
    ]
