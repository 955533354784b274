"""One alert's address: what it is told of flags and spikes, when, and what it has been told before.

Delivery is at least once: the cursor moves after notices were accepted, and what was told is remembered by its id for a day. What is not
accepted is tried again, ever more slowly, and waits in its Redis streams until then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from monitor import spike_alerts
from monitor.journal import START, Journal, key
from monitor.moderation.alerts import Outbox, Place, body, title
from monitor.moderation.delivery import in_thread
from monitor.moderation.rules import Flag, decode_record
from monitor.objects import object_in
from monitor.redis_client import RETRIABLE
from monitor.stopping import stopping
from monitor.wall_store import PARTS, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.config import Alert
    from monitor.journal import Position
    from monitor.tally import Tally

log = logging.getLogger("monitor.notify")

CURSOR, SENT = "{notify}:cursor", "{notify}:sent"
TICK_SECONDS = 0.25
DELIVERY_SECONDS = 45.0
"""Some services may be asked only every few seconds, and Apprise waits for that itself."""
LAST_SECONDS = 2.0
"""For a delivery that is under way when we are told to stop."""
MOST_STUCK = 3
"""Threads of one alert that may hang in a service before nothing more is tried."""
MOST_WAITING = 5000
READ = 200
NEW_ALERT_MS = 10 * 60_000
"""An alert that was never there before is told what happened in the last ten minutes."""
SENT_MS = 24 * 3600_000
MOST_SENT = 200_000


@dataclass(slots=True)
class Target:
    """Reads the flags and delivers them to one address; ``run`` until cancelled."""

    journal: Journal
    tally: Tally
    id: str
    """Stands for the address in Redis."""
    name: str
    """Stands for it in the log."""
    alert: Alert
    place: Place
    send: Callable[[str, str], bool]
    """(title, body) → whether the service accepted it. Blocks."""
    clock: Callable[[], float] = time.monotonic
    outbox: Outbox = field(init=False)
    _positions: dict[int, Position] = field(default_factory=dict)
    _unrecorded: list[str] = field(default_factory=list)
    """Ids that were told but are not stored as such yet."""
    severity: int = 10
    """Lowest severity of a spike that is told, where the alert wants them."""
    _spikes: dict[str, Any] = field(default_factory=dict)
    """As the keeper wrote them last."""
    _spikes_version: int = -1
    _told: set[str] = field(default_factory=set)
    """Spikes of those that are told."""
    _stuck: list[asyncio.Future[bool]] = field(default_factory=list)
    _server_ms: int = 0
    _said: str = ""

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.alert.severity)

    async def run(self) -> None:
        loaded = False
        try:
            while not stopping():
                try:
                    if not loaded:
                        await self.load()
                        loaded = True
                    await self.read()
                    await self.tell()
                    await self.tell_spikes()
                    await self.record()
                except RETRIABLE as error:
                    loaded = False
                    self._say_once(f"Redis does not answer ({type(error).__name__}); alerts go on when it does")
                await asyncio.sleep(0 if stopping() else TICK_SECONDS)
        finally:
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await self.record()

    async def load(self) -> None:
        """Go on from what is stored."""
        self.outbox.forget()
        seconds, micros = await self.journal.redis.time()
        self._server_ms = seconds * 1000 + micros // 1000
        await self.record()
        await self.journal.redis.hsetnx(CURSOR, f"{self.id}|since", self._server_ms - NEW_ALERT_MS)
        fields = [f"{self.id}|{partition}" for partition in range(self.journal.partitions)]
        since, *stored = await self.journal.redis.hmget(CURSOR, [f"{self.id}|since", *fields])
        self.outbox.since_ms = int(since)
        self._positions = {partition: _position(value) for partition, value in enumerate(stored)}
        self._spikes_version = -1
        self._said = ""

    async def read(self) -> None:
        """Take new flags of every partition, unless enough wait to be told."""
        if self.outbox.waiting >= MOST_WAITING:
            return
        answers = await asyncio.gather(
            *(
                self.journal.call("lm1_pull", [key(partition, "flags")], *after, READ)
                for partition, after in self._positions.items()
            )
        )
        for partition, answer in enumerate(answers):
            if answer[0] == b"LOSTTAIL":  # trimmed, or forgotten by the server: what was told is known by its id
                self._positions[partition] = START
                self.outbox.restart(partition)
            elif len(answer) > 3:
                await self._take(partition, answer)

    async def _take(self, partition: int, answer: Sequence[bytes]) -> None:
        position = (answer[1].decode(), answer[2].decode())
        records = [decode_record(payload) for payload in answer[3:]]
        ids = [record.id for record in records if isinstance(record, Flag)]
        scores = await self.journal.redis.zmscore(SENT, [self._member(flag_id) for flag_id in ids]) if ids else []
        done = {flag_id for flag_id, score in zip(ids, scores, strict=True) if score is not None} | set(self._unrecorded)
        withdrawn = self.outbox.take(partition, position, records, done)
        self._positions[partition] = position
        self._server_ms = int(answer[0])
        if withdrawn:
            self._unrecorded += withdrawn
            self.tally.add("notifications|suppressed", len(withdrawn))

    async def tell(self) -> None:
        """Send what is due, one notice at most."""
        self._stuck = [future for future in self._stuck if not future.done()]
        if len(self._stuck) >= MOST_STUCK:
            self._say_once(
                "its service does not answer, and nothing more is tried until it does; restart notify if it never will"
            )
            return
        notice = self.outbox.due(self.clock())
        if notice is None:
            return
        texts = title(notice, self.place), body(notice, self.alert.text, self.place)
        await self._deliver(texts, partial(self.outbox.delivered, notice))

    async def tell_spikes(self) -> None:
        """Send one open spike that is grave enough and was not told; one that closed before is left out."""
        if not self.alert.spikes or len(self._stuck) >= MOST_STUCK:
            return
        redis = self.journal.redis
        version = int(await redis.get(VERSION) or 0)
        if version != self._spikes_version:
            self._spikes = object_in(await redis.hget(PARTS, "spikes"))
            self._spikes_version = version
            open_now = spike_alerts.wanted(self._spikes, self.severity)
            marks = [spike_alerts.mark(name) for name in open_now]
            scores = await redis.zmscore(SENT, [self._member(one) for one in marks]) if marks else []
            told = {one for one, score in zip(marks, scores, strict=True) if score is not None}
            self._told = told | (self._told & set(marks))
        due = spike_alerts.wanted(self._spikes, self.severity, self._told)
        if not due or not self.outbox.free(self.clock()):
            return
        spike, told_as = self._spikes[due[0]], spike_alerts.mark(due[0])
        texts = spike_alerts.title(spike, self.place), spike_alerts.body(due[0], spike, self.place)

        def delivered() -> list[str]:
            self.outbox.failures = 0
            self._told.add(told_as)
            return [told_as]

        await self._deliver(texts, delivered)

    async def _deliver(self, texts: tuple[str, str], delivered: Callable[[], list[str]]) -> None:
        self.tally.add("notifications|attempts")
        future = in_thread(partial(self.send, *texts))
        try:
            await asyncio.wait({future}, timeout=DELIVERY_SECONDS)
        except asyncio.CancelledError:
            await asyncio.wait({future}, timeout=LAST_SECONDS)
            self._answered(delivered, future)
            raise
        self._answered(delivered, future)

    def _answered(self, delivered: Callable[[], list[str]], future: asyncio.Future[bool]) -> None:
        """``delivered`` settles what was sent and returns the ids that are told now."""
        if future.done() and future.result():
            self._unrecorded += delivered()
            self.tally.add("notifications|sent")
            self._said = ""
            return
        if not future.done():
            self._stuck.append(future)
        self.tally.add("notifications|failed")
        wait = self.outbox.failed(self.clock())
        what = "was not accepted" if future.done() else "is not answered"
        self._say_once(
            f"{what} by its service; tried again after {wait:g} s, then ever more slowly, until it is. Nothing is lost. "
            "Check the address in [[alert]] and the network"
        )

    async def record(self) -> None:
        """Store what was told, then where to go on reading."""
        positions = self.outbox.settled()
        if not self._unrecorded and not positions:
            return
        pipeline = self.journal.redis.pipeline(transaction=True)
        if self._unrecorded:
            pipeline.zadd(SENT, {self._member(flag_id): self._server_ms for flag_id in self._unrecorded})
            pipeline.zremrangebyscore(SENT, "-inf", self._server_ms - SENT_MS)
            pipeline.zremrangebyrank(SENT, 0, -MOST_SENT - 1)
        if positions:
            pipeline.hset(CURSOR, mapping={f"{self.id}|{partition}": " ".join(at) for partition, at in positions.items()})
        await pipeline.execute()
        self._unrecorded.clear()

    def _member(self, flag_id: str) -> str:
        return f"{self.id}|{flag_id}"

    def _say_once(self, sentence: str) -> None:
        """The same kind of trouble is said once, until something was delivered."""
        kind = sentence.partition(";")[0]
        if kind != self._said:
            log.warning("%s: %s", self.name, sentence)
            self._said = kind


def _position(stored: bytes | None) -> Position:
    entry, _, nonce = (stored or b"").decode().partition(" ")
    return (entry, nonce)
