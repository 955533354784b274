"""Emerging hashtags: the keeper's search over what count wrote down by minute, less what moderation flagged.

Count does not wait for moderation, so it cannot know which hashtags stand in flagged messages. Here they are taken away again: what
was counted of a partition is taken over only when moderation has read as far, and each flag, whose text has the same hashtags, takes its
share back. So a flagged message never counts, however late its flag comes (within the seventy minutes that are looked at).

Beside it ``{u:tag:KEY}:ten:U`` (HyperLogLog, an hour) says how many different people used a hashtag in ten minutes.
"""

from __future__ import annotations

import asyncio
import time
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from monitor.derive_tags import tag_window
from monitor.derive_where import FUTURE_SECONDS, PAST_SECONDS
from monitor.emerging import (
    BEFORE_MINUTES,
    FEWEST_AUTHORS,
    MOST_COUNTRIES,
    MOST_TRENDING,
    WINDOW_MINUTES,
    Filter,
    gather,
    rising,
    without,
)
from monitor.enrich.hashtags import hashtags, tag_key
from monitor.journal import author_key, key
from monitor.journal_keys import is_before
from monitor.moderation.rules import Flag, decode_record
from monitor.moments import iso, moment
from monitor.windows import split_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.config import Config
    from monitor.emerging import Minute, Rising
    from monitor.feed import Feed
    from monitor.wall_store import WallStore

MINUTES: Final = WINDOW_MINUTES + BEFORE_MINUTES
READ_AGAIN: Final = WINDOW_MINUTES + 2
"""The newest minutes still change; older ones are read once."""
MOST_OF_A_MINUTE: Final = 300
FLAGS_AT_ONCE: Final = 2000
TEN: Final = 600
LIFTED_SECONDS: Final = 60
"""Count takes a retracted message's share back itself; until surely it has, a flagged one is rather taken away twice."""


class Flagged(NamedTuple):
    """What a flagged message must not have counted for."""

    minute: int
    uses: tuple[tuple[str, str], ...]
    author: str


class Read(NamedTuple):
    """Hashtags of a partition as they stood when counting had come to ``position``."""

    position: str
    minutes: dict[int, Minute]


class Trending:
    """A job of the keeper."""

    name = "trending"
    seconds = 2.5

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._minutes: dict[int, dict[int, Minute]] = {}
        """Partition → minute → what moderation has read."""
        self._waiting: dict[int, Read] = {}
        """What moderation has not read yet."""
        self._flagged: dict[int, dict[str, Flagged]] = {}
        self._lifted: dict[int, dict[str, int]] = {}
        """Flagged messages that were retracted, and when we heard of it."""
        self._cursors: dict[int, str] = {}
        self._since: dict[str, str] = {}
        self._part: dict[str, Any] | None = None
        self._config: Config | None = None

    # what Keeper asks for

    async def begin(self, feed: Feed, store: WallStore) -> None:
        self._start()
        for tag, one in (await store.parts()).get("trending", {}).items():
            self._since[tag_key(tag)] = str(one.get("since", ""))
        start = f"{max(0, time.time_ns() // 1_000_000 - (MINUTES + 5) * 60_000)}-0"
        self._cursors = dict.fromkeys(range(store.journal.partitions), start)

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        if self._config is not feed.config:
            self._config, self._filter = feed.config, Filter(feed.config)
        now = now_ms // 1000 // 60 * 60
        await self._read_counted(store, now)
        await self._read_flags(store, now)
        part = await self._look(feed, store, now_ms)
        if part != self._part:
            await store.write({"trending": part}, token)
            self._part = part

    # reading

    async def _read_counted(self, store: WallStore, now: int) -> None:
        for partition in range(store.journal.partitions):
            if partition in self._waiting:
                continue
            known = self._minutes.get(partition, {})
            wanted = [
                at for age in range(-1, MINUTES) if (at := now - age * 60) not in known or age < READ_AGAIN
            ]  # -1: clocks of platforms may be ahead
            # Cursor and numbers of one moment.
            async with store.journal.redis.pipeline(transaction=True) as pipeline:
                pipeline.hget(key(partition, "ckpt:count"), "pos")
                for minute in wanted:
                    pipeline.hgetall(key(partition, f"tags:{minute}"))
                position, *rows = await pipeline.execute()
            minutes = {minute: _minute(row) for minute, row in zip(wanted, rows, strict=True)}
            self._waiting[partition] = Read(position.decode() if position else "", minutes)

    async def _read_flags(self, store: WallStore, now: int) -> None:
        pipeline = store.journal.redis.pipeline(transaction=False)
        for partition, cursor in self._cursors.items():
            pipeline.hget(key(partition, "ckpt:moderate"), "pos")
            pipeline.xrange(key(partition, "flags"), min=f"({cursor}", max="+", count=FLAGS_AT_ONCE)
        answers = await pipeline.execute()
        oldest = now - MINUTES * 60
        for number, partition in enumerate(self._cursors):
            position, flags = answers[2 * number], answers[2 * number + 1]
            self._take_flags(partition, flags, now)
            flagged, lifted = self._flagged.get(partition, {}), self._lifted.get(partition, {})
            for event in [event for event, at in lifted.items() if at < now - LIFTED_SECONDS]:
                del lifted[event]
                flagged.pop(event, None)
            for event in [event for event, one in flagged.items() if one.minute < oldest]:
                del flagged[event]
            waiting = self._waiting[partition]
            if len(flags) < FLAGS_AT_ONCE and not is_before(position.decode() if position else "", waiting.position):
                known = self._minutes.setdefault(partition, {})
                known.update(waiting.minutes)
                for minute in [minute for minute in known if minute < oldest]:
                    del known[minute]
                del self._waiting[partition]

    def _take_flags(self, partition: int, entries: Iterable[tuple[bytes, dict[bytes, bytes]]], now: int) -> None:
        flagged = self._flagged.setdefault(partition, {})
        for entry, fields in entries:
            self._cursors[partition] = entry.decode()
            record = decode_record(fields[b"d"])
            if not isinstance(record, Flag):
                if record.retracted in flagged:
                    self._lifted.setdefault(partition, {})[record.retracted] = now
            elif found := hashtags(record.text):
                uses = tuple((tag, record.country or "ZZ") for tag in found)
                flagged[record.event] = Flagged(minute_of(record), uses, record.author or "")

    # looking

    async def _look(self, feed: Feed, store: WallStore, now_ms: int) -> dict[str, Any]:
        now = now_ms // 1000
        minute = now // 60 * 60
        window = WINDOW_MINUTES - 1 + (now % 60 + 1) / 60
        begin = minute - (WINDOW_MINUTES - 1) * 60
        first = feed.book.first_counted
        before = 0.0 if first is None else min(float(BEFORE_MINUTES), max(0.0, (begin - first) / 60))
        # An hour of a large event is tens of milliseconds of adding up: no tick of the feed waits for it. Nobody else changes it meanwhile.
        found = await asyncio.to_thread(gather, self._less_flagged(), minute)
        candidates = [
            one
            for one in rising(found, before_minutes=before, window_minutes=window, shown=self._since)
            if self._filter.lets(one.key, one.uses.spellings)
        ]
        authors = await self._authors(store, [one.key for one in candidates], now)
        shown = [one for one in candidates if authors[one.key] >= FEWEST_AUTHORS][:MOST_TRENDING]
        self._since = {one.key: self._since.get(one.key) or iso(now_ms) for one in shown}
        return {one.uses.shown_as: self._shown(one, authors[one.key], window) for one in shown}

    def _less_flagged(self) -> Iterator[tuple[int, Minute]]:
        for partition, minutes in self._minutes.items():
            flagged: dict[int, list[tuple[str, str]]] = {}
            for one in self._flagged.get(partition, {}).values():
                flagged.setdefault(one.minute, []).extend(one.uses)
            for start, uses in minutes.items():
                yield start, without(uses, flagged.get(start, ()))

    async def _authors(self, store: WallStore, keys: list[str], now: int) -> dict[str, int]:
        """How many people used it in this and the last ten minutes, without those who were flagged for it."""
        windows = (tag_window(now), tag_window(now - TEN))
        pipeline = store.journal.redis.pipeline(transaction=False)
        for tag in keys:
            pipeline.execute_command("PFCOUNT", *(author_key(f"tag:{tag}", window) for window in windows))
        flagged: dict[str, set[str]] = {}
        for ones in self._flagged.values():
            for one in ones.values():
                for spelling, _ in one.uses:
                    flagged.setdefault(tag_key(spelling), set()).add(one.author)
        counts = await pipeline.execute() if keys else []
        return {tag: int(count) - len(flagged.get(tag, ())) for tag, count in zip(keys, counts, strict=True)}

    def _shown(self, one: Rising, authors: int, window: float) -> dict[str, Any]:
        countries = [name for name, _ in one.uses.countries.most_common() if name != "ZZ"]
        shown: dict[str, Any] = {
            "count": one.uses.now,
            "per_minute": round(one.uses.now / window, 1),
            "authors": min(authors, one.uses.now),
            "countries": countries[:MOST_COUNTRIES],
            "since": self._since[one.key],
        }
        if one.factor is not None:
            shown["factor"] = one.factor
        return shown


def minute_of(flag: Flag) -> int:
    """The minute in which count put the message; the same clamping as derive's."""
    at, received = moment(flag.at) or 0.0, moment(flag.received_at) or 0.0
    held = min(max(int(at) // 10 * 10, int(received) // 10 * 10 - PAST_SECONDS), int(received) // 10 * 10 + FUTURE_SECONDS)
    return held // 60 * 60


def _minute(row: dict[bytes, bytes]) -> Minute:
    """The most used ones: in a minute that is full of invented hashtags the others are noise, and looking at them takes time."""
    found: Minute = {}
    for name, value in nlargest(MOST_OF_A_MINUTE, row.items(), key=lambda item: (int(item[1]), item[0])):
        _, tag, country = split_field(name.decode())
        found[tag, country] = int(value)
    return found
