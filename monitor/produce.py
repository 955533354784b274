"""The producer: events to the spool, from the spool to the journal, and back again when Redis forgot.

Promises: when ``put`` returns, the events are on this machine's disk. They reach the journal once, in the order in which they were put
(per partition), whatever is killed: an unanswered batch is sent again, a lost tail is found by proof and the last R seconds are sent
again, and ingest knows what it has seen. A ``put`` that is cancelled has either done nothing or goes on by itself.

Not promised: a machine that was cut off for longer than ingest remembers ids (30 minutes), while others wrote to the same partition,
counts twice the one batch whose answer it had not heard. tests/test_protocol_model.py is the model of all this.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from connectors.ending import end
from connectors.event import Event, Removed, as_json
from monitor.journal import SEEN_WINDOW_MS, Journal, LostTail, digest, key, partition_of
from monitor.journal_calls import make_nonce
from monitor.produce_lane import Lane
from monitor.redis_client import RETRIABLE
from monitor.seldom import Seldom
from monitor.spool import KEEP_SECONDS, Row, Spool, claim, encode_pairs, orphans
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from monitor.spool import Pair

log = logging.getLogger("monitor.produce")
T = TypeVar("T")

VERIFY_SECONDS = 1.0
"""How often the tails of idle partitions are proven."""
TELL_SECONDS = 1.0
"""How often it is told since when something waits."""
ADOPT_ROWS = 256
"""Rows of a dead producer that are taken over with one write to the disk."""
GOODBYE_SECONDS = 1.0
DISK_SECONDS = 1.0
"""How often a disk that refuses is tried again."""
CLOCKS_SECONDS = 300.0
"""How far this machine's clock and the server's may differ."""


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
        self._lanes: dict[int, Lane] = {}
        self._storing: set[asyncio.Task[int]] = set()
        self._acknowledged: list[tuple[float, int]] = []
        self._disk = Seldom()
        self._last_put = 0
        self._progress = asyncio.Condition()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._tasks: list[asyncio.Task[None]] = []
        self._reachable = True
        self._fault: Exception | None = None

    async def __aenter__(self) -> Self:
        self._spool = await self._in_writer(claim, self._folder, self._name)
        left = await self._in_writer(self._spool.rows)
        if left:
            log.info("sending %d batches again that were left in the spool", len(left))
            self.waiting += sum(len(row.pairs) for row in left)
            self._queue(left, ours=True)
        self._tasks += [asyncio.create_task(self._guard(loop)) for loop in (self._keep_house, self._keep_telling)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await end([*self._tasks, *self._storing])
        with suppress(Exception):  # closing must not hide the reason for closing; what is not noted is only sent again
            await self._write(())
        await self._in_writer(self._spool.close)
        self._writer.shutdown()
        with suppress(*RETRIABLE, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                if not self.waiting:
                    await self._journal.forget_spool(member_of(self.name))
        await self._journal.close()

    @property
    def path(self) -> Path:
        """Of the spool: another process finds it, and what stands beside it, under the same name after us."""
        return self._spool.path

    async def put(self, events: Sequence[Event]) -> int:
        """Write events to the spool; waits while the spool is full. Returns the number of the last row, for ``acknowledged``."""
        if not events:
            return self._last_put
        async with self._progress:
            await self._progress.wait_for(lambda: self.waiting < self._most_waiting or self._fault)
        self._check()
        self.waiting += len(events)
        pairs: dict[int, list[Pair]] = {}
        for event in events:
            pairs.setdefault(place(event, self.partitions), []).append((digest(event.id), as_json(event)))
        # Shielded: a write that is under way ends in the file, so it must end in the queue as well.
        storing = asyncio.create_task(self._store(pairs))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        return await asyncio.shield(storing)

    async def _store(self, pairs: dict[int, list[Pair]]) -> int:
        numbers = await self._append([(partition, encode_pairs(some)) for partition, some in pairs.items()])
        now = time.time()
        self._queue([Row(number, *item, queued=now) for number, item in zip(numbers, pairs.items(), strict=True)], ours=False)
        return numbers[-1]

    def _queue(self, rows: Sequence[Row], *, ours: bool) -> None:
        for row in rows:
            lane = self._lane(row.partition)
            lane.queue.append(row)
            if ours:
                lane.resent_up_to = row.number
            lane.wake.set()
        self._last_put = rows[-1].number

    async def _append(self, batches: list[tuple[int, bytes]]) -> list[int]:
        """Write rows; while the disk refuses, wait: the sources are paused, nothing is dropped."""
        while True:
            self._check()
            try:
                return await self._write(batches)
            except sqlite3.OperationalError as error:
                self._refused(error)
                await asyncio.sleep(DISK_SECONDS)

    async def _write(self, batches: Sequence[tuple[int, bytes]]) -> list[int]:
        acknowledged, self._acknowledged = self._acknowledged, []
        try:
            numbers = await self._in_writer(self._spool.append, batches, acknowledged)
        except sqlite3.Error:
            self._acknowledged[:0] = acknowledged  # a row that is never noted is sent again at some later start
            raise
        if batches and (said := self._disk.over("the spool can be written again", time.monotonic())):
            log.info("%s", said)
        return numbers

    def _refused(self, error: sqlite3.Error) -> None:
        if said := self._disk.came(
            f"the spool cannot be written ({error}); collecting waits: make room on the disk", time.monotonic()
        ):
            log.warning("%s", said)

    @property
    def name(self) -> str:
        """Of the spool; no two living producers of a machine have the same."""
        return self._spool.path.stem

    @property
    def acknowledged(self) -> int:
        """Every row up to this number is in the journal."""
        return min((lane.queue[0].number - 1 for lane in self._lanes.values() if lane.queue), default=self._last_put)

    async def flushed(self) -> None:
        """Wait until everything put so far is in the journal."""
        wanted = self._last_put
        async with self._progress:
            await self._progress.wait_for(lambda: self.acknowledged >= wanted or self._fault)
        self._check()

    def _check(self) -> None:
        """Our own fault, never the platform's: say so instead of filling the disk."""
        if self._fault is not None:
            raise RuntimeError("the producer has stopped") from self._fault

    async def _guard(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await loop()  # made here: a task that is cancelled before its first step must not leave one that nobody awaits
        except Exception as error:
            log.exception("the producer has stopped")
            self._fault = error
            async with self._progress:
                self._progress.notify_all()

    # the spool's thread

    async def _in_writer(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *args)

    # the senders

    def _lane(self, partition: int) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane()
            self._tasks.append(asyncio.create_task(self._guard(partial(self._send_all, partition, lane))))
        return lane

    async def _send_all(self, partition: int, lane: Lane) -> None:
        delay = 0.0
        while not stopping():
            await lane.wake.wait()
            rows = lane.next_rows()
            if not rows:
                lane.wake.clear()
                continue
            try:
                async with lane.lock:
                    await self._send(partition, lane, rows)
            except (*RETRIABLE, sqlite3.OperationalError) as error:
                self._note_unreachable(error)
                # An unanswered batch may have been stored: what comes again is our repeat.
                lane.resent_up_to = max(lane.resent_up_to, rows[-1].number)
                delay = min(0.5, delay * 2 or 0.02)
                await asyncio.sleep(delay)
                continue
            delay = 0.0
            self._reachable = True
            now = time.time()
            for row in rows:
                lane.queue.popleft()
                self.waiting -= len(row.pairs)
                self._acknowledged.append((now, row.number))
            async with self._progress:
                self._progress.notify_all()

    async def _send(self, partition: int, lane: Lane, rows: Sequence[Row]) -> None:
        ours = rows[0].number <= lane.resent_up_to
        if any(row.acknowledged is not None for row in rows):
            known = await self._still_known(partition, rows)
            await self._in_writer(self._spool.drop, {row.number for row in rows} - {row.number for row in known})
            rows = known
        pairs = self._pairs(rows)
        while pairs:
            await self._finish_rewind(partition, lane)
            try:
                answer = await self._journal.ingest(partition, pairs, tail=lane.tail, resent=ours)
            except LostTail:
                ours = True
                self._lose(partition, lane)
                continue
            lane.heard(answer.tail, time.time())
            lane.sent = rows[-1].number
            self.added += answer.added
            self.duplicates += 0 if ours else answer.duplicates
            return

    def _pairs(self, rows: Sequence[Row]) -> list[Pair]:
        return [pair if self._dedupe else (make_nonce(), pair[1]) for row in rows for pair in row.pairs]

    async def _still_known(self, partition: int, rows: Sequence[Row]) -> Sequence[Row]:
        """Without the rows that a former process had delivered so long ago that ingest may have forgotten them since."""
        rotated = float(await self._journal.redis.hget(key(partition, "meta"), "rotated") or 0)
        since = (rotated - SEEN_WINDOW_MS) / 1000 + CLOCKS_SECONDS
        return [row for row in rows if row.acknowledged is None or row.acknowledged >= since]

    def _lose(self, partition: int, lane: Lane) -> None:
        """Redis lost the newest part of this partition: everything that is kept must go again."""
        self.lost_tails += 1
        lane.tail = None
        if self._rewind:
            lane.rewound = 0
            log.warning("partition %d lost its tail: sending the last %d seconds again", partition, KEEP_SECONDS)

    async def _finish_rewind(self, partition: int, lane: Lane) -> None:
        """Send again what is kept, in order; known ids cost nothing. Its parts prove each other, for Redis may lose those too."""
        while lane.rewound is not None:
            kept = await self._in_writer(partial(self._spool.kept, partition, after=lane.rewound, up_to=lane.sent, limit=64))
            if not kept:
                lane.rewound = None
                return
            try:
                answer = await self._journal.ingest(partition, self._pairs(kept), tail=lane.tail, resent=True)
            except LostTail:
                self._lose(partition, lane)
                continue
            lane.heard(answer.tail, time.time())
            lane.rewound = kept[-1].number
            self.added += answer.added
            self.rewound += answer.added

    def _note_unreachable(self, error: Exception) -> None:
        if self._reachable:  # once per outage
            log.warning("Redis cannot be reached (%s); events wait in the spool", type(error).__name__)
        self._reachable = False

    # house-keeping

    async def _keep_house(self) -> None:
        while not stopping():
            await asyncio.sleep(VERIFY_SECONDS)
            await self.keep_house()

    async def keep_house(self) -> None:
        """Prove idle tails, note what is acknowledged, forget what is safe, deliver what dead producers left."""
        try:
            await self._verify()
            with suppress(*RETRIABLE):
                await self._adopt()
            await self._write(())
            proven = {p: (lane.sent, lane.proven_at) for p, lane in self._lanes.items() if lane.rewound is None}
            await self._in_writer(self._spool.forget, proven)
        except sqlite3.Error as error:  # a full disk: what is not noted is only sent again
            self._refused(error)

    async def _verify(self) -> None:
        """A partition that gets no events must not hide that its tail is gone."""
        for partition, lane in list(self._lanes.items()):
            if lane.lock.locked():
                continue  # the sender is proving this tail by itself
            async with lane.lock:
                with suppress(*RETRIABLE):  # a shard that is away hides no other's loss
                    await self._prove(partition, lane)

    async def _prove(self, partition: int, lane: Lane) -> None:
        try:
            lane.heard((await self._journal.ingest(partition, (), tail=lane.tail)).tail, time.time())
        except LostTail:
            self._lose(partition, lane)
        await self._finish_rewind(partition, lane)

    async def _keep_telling(self) -> None:
        while not stopping():
            await asyncio.sleep(TELL_SECONDS)
            with suppress(*RETRIABLE):
                await self.tell_waiting()

    async def tell_waiting(self) -> None:
        """Whoever shows numbers must know what is not in them: the counter is done with the journal, and knows of no spool.

        It is said again and again: who says nothing may be cut off from Redis, and have everything on its disk since.
        """
        now = time.time()
        since = min((at for lane in self._lanes.values() if (at := lane.waits_since()) is not None), default=now)
        await self._journal.tell_spool(member_of(self.name), int(min(since, now) * 1000), int(now * 1000))

    async def _adopt(self) -> None:
        """Take over what dead producers of this machine left behind, through our own spool, and remove their files."""
        claimed: list[Spool] = []
        try:
            await self._in_writer(lambda: claimed.extend(orphans(self._folder, self._spool.path)))
            for orphan in claimed:
                await self._take_over(orphan)
        finally:  # whatever ends this, the next who looks may claim what is left
            self._writer.submit(_let_go, claimed)

    async def _take_over(self, orphan: Spool) -> None:
        rows = await self._in_writer(orphan.rows)
        log.info("delivering %d batches that a dead producer left in %s", len(rows), orphan.path.name)
        for partition in sorted({row.partition for row in rows}):
            mine = await self._still_known(partition, [row for row in rows if row.partition == partition])
            for start in range(0, len(mine), ADOPT_ROWS):
                some = mine[start : start + ADOPT_ROWS]
                self.waiting += sum(len(row.pairs) for row in some)
                numbers = await self._append([(partition, encode_pairs(row.pairs)) for row in some])
                now = time.time()
                self._queue(
                    [
                        # What the journal has had before makes nobody wait.
                        Row(number, partition, row.pairs, queued=0.0 if row.acknowledged is None else now)
                        for number, row in zip(numbers, some, strict=True)
                    ],
                    ours=True,
                )
        await self._in_writer(orphan.remove)
        await self._journal.forget_spool(member_of(orphan.path.stem))  # what it left waits with us now


def _let_go(claimed: Sequence[Spool]) -> None:
    for spool in claimed:
        spool.close()


def member_of(name: str) -> str:
    """As others, also on other machines, know the process that has the spool of this name."""
    return f"{socket.gethostname()}:{name}"
