"""The producer: events to the spool, from the spool to the journal, and back again when Redis forgot.

Promises: when ``put`` returns, the events are on this machine's disk. They reach the journal once, in the order in which they were put
(per partition), whatever is killed: an unanswered batch is sent again, a lost tail is found by proof and the last R seconds are sent
again, and ingest knows what it has seen.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from redis.exceptions import RedisError

from connectors.event import Event, Removed, as_json
from monitor.journal import Journal, LostTail, digest, make_nonce, partition_of
from monitor.spool import KEEP_SECONDS, Row, Spool, claim, encode_pairs, orphans
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.journal import Position
    from monitor.spool import Pair

log = logging.getLogger("monitor.produce")
T = TypeVar("T")

CHUNK_EVENTS = 2000
"""Events taken from the queue at once; one ingest call per partition among them."""
RETRIABLE = (RedisError, OSError)
"""Whatever Redis answers (out of memory, read-only, loading) or does not answer, the events stay in the spool and go again."""
VERIFY_SECONDS = 1.0
"""How often the tails of idle partitions are proven."""


def place(event: Event, partitions: int) -> int:
    """The partition of an event: its livestream's; else its target's, so that a retraction meets what it retracts; else its own."""
    if event.livestream is not None:
        return partition_of(event.livestream, partitions)
    if isinstance(event, Removed) and event.target is not None:
        return partition_of(event.target, partitions)
    return partition_of(event.id, partitions)


class Producer:
    """One per process. ``rewind`` and ``dedupe`` exist for the controls of the chaos tests only."""

    def __init__(
        self,
        redis_url: str,
        spool_dir: Path,
        partitions: int,
        name: str = "collect",
        *,
        most_waiting: int = 500_000,
        rewind: bool = True,
        dedupe: bool = True,
    ) -> None:
        self.partitions = partitions
        self.added = 0
        """Events that were new to the journal."""
        self.duplicates = 0
        """Events that the journal knew already (the platform's repeats, not our own re-sends)."""
        self.rewound = 0
        """Events sent again because Redis had lost its tail."""
        self.lost_tails = 0
        self.waiting = 0
        """Events on disk that are not acknowledged yet."""
        self._journal = Journal(redis_url, partitions=partitions)
        self._folder, self._name, self._most_waiting = spool_dir, name, most_waiting
        self._rewind, self._dedupe = rewind, dedupe
        self._spool: Spool
        self._queue: deque[Row] = deque()
        self._resent_up_to = 0
        """Rows up to this number may have been sent before: repeats of them are ours, not the platform's."""
        self._tails: dict[int, Position] = {}
        self._acknowledged: list[tuple[float, int]] = []
        self._last_put = 0
        self._last_acknowledged = 0
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._tasks: list[asyncio.Task[None]] = []
        self._reachable = True

    async def __aenter__(self) -> Self:
        self._spool = await self._in_writer(claim, self._folder, self._name)
        left = await self._in_writer(self._reopen, self._spool)
        self._take(left)
        self._tasks = [asyncio.create_task(self._send_all()), asyncio.create_task(self._keep_house())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Exception):  # closing must not hide the reason for closing; what is not noted is only sent again
            await self._in_writer(self._spool.append, (), self._take_acknowledged())
        await self._in_writer(self._spool.close)
        self._writer.shutdown()
        await self._journal.close()

    async def put(self, events: Sequence[Event]) -> int:
        """Write events to the spool; waits while the spool is full. Returns the number of the last row, for ``acknowledged``."""
        if not events:
            return self._last_put
        async with self._progress:
            await self._progress.wait_for(lambda: self.waiting < self._most_waiting)
        pairs: dict[int, list[Pair]] = {}
        for event in events:
            mark = digest(event.id) if self._dedupe else make_nonce()
            pairs.setdefault(place(event, self.partitions), []).append((mark, as_json(event)))
        self.waiting += len(events)
        batches = [(partition, encode_pairs(some)) for partition, some in pairs.items()]
        numbers = await self._append(batches)
        for number, (partition, some) in zip(numbers, pairs.items(), strict=True):
            self._queue.append(Row(number, partition, some))
        self._last_put = numbers[-1]
        self._wake.set()
        return self._last_put

    async def _append(self, batches: list[tuple[int, bytes]]) -> list[int]:
        """Write rows; while the disk refuses, wait: the sources are paused, nothing is dropped."""
        while True:
            for task in self._tasks:
                if task.done():  # our own fault, never the platform's: say so instead of filling the disk
                    raise RuntimeError("the producer's sender has stopped") from task.exception()
            try:
                return await self._in_writer(self._spool.append, batches, self._take_acknowledged())
            except sqlite3.OperationalError as error:
                log.warning("the spool cannot be written (%s); collecting waits", error)
                await asyncio.sleep(1)

    @property
    def name(self) -> str:
        """Of the spool; no two living producers of a machine have the same."""
        return self._spool.path.stem

    @property
    def acknowledged(self) -> int:
        """Every row up to this number is in the journal."""
        return self._last_acknowledged

    async def flushed(self) -> None:
        """Wait until everything put so far is in the journal."""
        wanted = self._last_put
        async with self._progress:
            await self._progress.wait_for(lambda: self._last_acknowledged >= wanted)

    # the spool's thread

    async def _in_writer(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *args)

    @staticmethod
    def _reopen(spool: Spool) -> list[Row]:
        """Everything in a claimed file is sent again: what its last owner knew of acknowledgements may not be true any more."""
        return spool.reset()

    def _take(self, rows: Sequence[Row]) -> None:
        if rows:
            log.info("sending %d batches again that were left in the spool", len(rows))
            self._queue.extend(rows)
            self.waiting += sum(len(row.pairs) for row in rows)
            self._last_put = self._resent_up_to = rows[-1].number
            self._wake.set()

    def _take_acknowledged(self) -> list[tuple[float, int]]:
        taken, self._acknowledged = self._acknowledged, []
        return taken

    # the sender

    async def _send_all(self) -> None:
        delay = 0.0
        while not stopping():
            await self._wake.wait()
            rows = self._next_rows()
            if not rows:
                self._wake.clear()
                continue
            try:
                await self._send(rows)
            except RETRIABLE as error:
                self._note_unreachable(error)
                # An unanswered batch may have been stored: what comes again is our repeat.
                self._resent_up_to = max(self._resent_up_to, rows[-1].number)
                self._queue.extendleft(reversed(rows))
                delay = min(0.5, delay * 2 or 0.02)
                await asyncio.sleep(delay)
                continue
            delay = 0.0
            self._reachable = True
            now = time.time()
            self._acknowledged.extend((now, row.number) for row in rows)
            self.waiting -= sum(len(row.pairs) for row in rows)
            self._last_acknowledged = rows[-1].number
            async with self._progress:
                self._progress.notify_all()

    def _next_rows(self) -> list[Row]:
        rows: list[Row] = []
        count = 0
        while self._queue and count < CHUNK_EVENTS:
            rows.append(self._queue.popleft())
            count += len(rows[-1].pairs)
        return rows

    async def _send(self, rows: Sequence[Row]) -> None:
        by_partition: dict[int, list[Row]] = {}
        for row in rows:
            by_partition.setdefault(row.partition, []).append(row)
        results = await asyncio.gather(*(self._send_partition(*item) for item in by_partition.items()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _send_partition(self, partition: int, rows: Sequence[Row]) -> None:
        ours = rows[0].number <= self._resent_up_to
        pairs = [pair for row in rows for pair in row.pairs]
        while True:
            try:
                answer = await self._journal.ingest(partition, pairs, tail=self._tails.get(partition), resent=ours)
            except LostTail:
                ours = True
                await self._send_again(partition, before=rows[0].number)
                continue
            if answer.tail is not None:
                self._tails[partition] = answer.tail
            self.added += answer.added
            self.duplicates += 0 if ours else answer.duplicates
            return

    async def _send_again(self, partition: int, *, before: int) -> None:
        """Redis lost the newest part of this partition: everything that is kept goes again, in order; known ids cost nothing."""
        self.lost_tails += 1
        self._tails.pop(partition, None)
        if not self._rewind:
            return
        log.warning("partition %d lost its tail: sending the last %d seconds again", partition, KEEP_SECONDS)
        after = 0
        while True:
            rows = await self._in_writer(partial(self._spool.kept, partition, after=after, limit=64))
            kept = [row for row in rows if row.number < before]
            if not kept:
                return
            pairs = [pair for row in kept for pair in row.pairs]
            answer = await self._journal.ingest(partition, pairs, tail=None, resent=True)
            if answer.tail is not None:
                self._tails[partition] = answer.tail
            self.added += answer.added
            self.rewound += answer.added
            after = kept[-1].number

    def _note_unreachable(self, error: Exception) -> None:
        if self._reachable:  # once per outage
            log.warning("Redis cannot be reached (%s); events wait in the spool", type(error).__name__)
        self._reachable = False

    # house-keeping

    async def _keep_house(self) -> None:
        while not stopping():
            await asyncio.sleep(VERIFY_SECONDS)
            try:
                await self._in_writer(self._spool.append, (), self._take_acknowledged())
                await self._in_writer(self._spool.forget, time.time() - KEEP_SECONDS, self.partitions)
            except sqlite3.Error as error:  # a full disk: acknowledgements not noted are only sent again
                log.warning("the spool cannot be written: %s", error)
            with suppress(*RETRIABLE):
                await self._verify()
                await self._adopt()

    async def _verify(self) -> None:
        """A partition that gets no events must not hide that its tail is gone."""
        for partition, tail in list(self._tails.items()):
            if self._queue:
                return  # the sender is proving tails by itself
            try:
                await self._journal.ingest(partition, (), tail=tail)
            except LostTail:
                if self._tails.get(partition) == tail:
                    await self._send_again(partition, before=self._last_acknowledged + 1)

    async def _adopt(self) -> None:
        """Deliver what dead producers of this machine left behind, then remove their files."""
        for orphan in await self._in_writer(orphans, self._folder, self._spool.path):
            rows = await self._in_writer(orphan.reset)
            log.info("delivering %d batches that a dead producer left in %s", len(rows), orphan.path.name)
            for row in rows:
                answer = await self._journal.ingest(row.partition, row.pairs, tail=None, resent=True)
                self.added += answer.added
            await self._in_writer(orphan.remove)
