"""Readers of the journal: which partitions a process owns, and the rounds in which it reads and commits them.

Promise: a partition is committed by one owner at a time, whatever stops or comes back late: the share decides who tries, the lease who
may, and the fence in commit who did. After any doubt everything remembered of that partition is dropped and read again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from connectors.ending import end
from monitor.journal import Checkpoint, Doubt, Journal, Pulled, is_doubt
from monitor.journal_calls import DOUBTS
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("monitor.reader")

LEASE_MS = 4000
ROUND_SECONDS = 0.125
"""At most eight commits a second of a partition while nothing is left behind."""
IDLE_RENEW_SECONDS = 0.5
ALIVE_SECONDS = 1.0
"""A round that takes longer than this, because a schedule has changed, says that we are at it."""
MOST_ENTRIES = 5000
"""Entries of one partition taken at once in catch-up."""
MOST_AT_ONCE = 20_000
"""Entries of all partitions between two looks at the leases."""
LANES = 2


@dataclass(slots=True)
class Held:
    """A partition that we hold the lease of."""

    partition: int
    token: str
    checkpoint: Checkpoint
    renewed: float = 0.0


@dataclass(slots=True)
class Work:
    """One partition's new entries of a round."""

    held: Held
    pulled: Pulled
    caught_up_ms: int | None
    """Server time of the pull when it emptied the journal."""


class Worker(Protocol):
    """What a role does with entries."""

    async def begin(self, held: Held) -> None:
        """A partition was acquired: load what must be remembered."""

    def end(self, partition: int) -> None:
        """Drop everything remembered of a partition."""

    def is_due(self, held: Held) -> bool:
        """Whether something must be committed although there are no new entries."""

    async def round(self, works: Sequence[Work]) -> list[Checkpoint | BaseException]:
        """Commit the new entries of these partitions; one result each, an exception where it failed, the same checkpoint where it waits."""


class Reader:
    """The loop of a role; ``run`` until cancelled."""

    def __init__(self, journal: Journal, role: str, worker: Worker) -> None:
        self.journal = journal
        self.role = role
        self.worker = worker
        self.held: dict[int, Held] = {}
        self.entries = 0
        self.commits = 0
        self.doubts: dict[str, int] = {}
        self._member = secrets.token_hex(8)
        self._wanted: set[int] = set()
        self._behind = True
        self._asked = 0.0
        self._former: dict[int, str] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not stopping():
                started = loop.time()
                try:
                    await self._own(started)
                    behind = await self.round(started)
                except DOUBTS as error:
                    self._note(error)
                    self.drop_all()
                    await asyncio.sleep(0.2)
                    continue
                if not behind:
                    await asyncio.sleep(max(0.0, started + ROUND_SECONDS - loop.time()))
        finally:
            await self._leave()

    # owning

    async def _own(self, now: float) -> None:
        if now - self._asked >= 1.0 or not self._wanted:
            self._wanted = set(await self.journal.shares(self.role, self._member, LEASE_MS, self.journal.partitions))
            self._asked = now
        for partition in [p for p in self.held if p not in self._wanted]:
            held = self.drop(partition)
            await self.journal.release(partition, self.role, held.token)
        for partition in sorted(self._wanted - self.held.keys()):
            await self._acquire(partition, now)

    async def _acquire(self, partition: int, now: float) -> None:
        # A fresh identity for each acquisition: a counter could be handed out twice after a failover.
        token = secrets.token_hex(8)
        if not await self.journal.lease(partition, self.role, token, LEASE_MS, former=self._former.get(partition, "")):
            return
        self._former[partition] = token
        held = Held(partition, token, await self.journal.checkpoint(partition, self.role), now)
        await self.worker.begin(held)
        self.held[partition] = held

    def drop(self, partition: int) -> Held:
        self.worker.end(partition)
        return self.held.pop(partition)

    def drop_all(self) -> None:
        for partition in list(self.held):
            self.drop(partition)

    async def _leave(self) -> None:
        with suppress(*DOUBTS):
            for partition, held in list(self.held.items()):
                await self.journal.release(partition, self.role, held.token)
            await self.journal.shares(self.role, self._member, LEASE_MS, self.journal.partitions, leave=True)

    # a round

    async def round(self, now: float) -> bool:
        """Pull, work and commit once for every partition; returns whether some have more waiting.

        In catch-up a few partitions at a time, so that no round takes longer than a lease lasts.
        """
        holding = list(self.held.values())
        if not self._behind:
            self._behind = await self._turn(holding, now)
            return self._behind
        size = max(1, MOST_AT_ONCE // MOST_ENTRIES // LANES)
        chunks = [holding[start : start + size] for start in range(0, len(holding), size)]
        # Two lanes: while the server commits for one, this process derives for the other. All are waited for, also when one fails:
        # what goes on in the background would work on partitions that were dropped and taken again since.
        lanes = await asyncio.gather(*(self._lane(chunks[lane::LANES]) for lane in range(LANES)), return_exceptions=True)
        for result in lanes:
            if isinstance(result, BaseException):
                raise result
        self._behind = any(lanes)
        return self._behind

    async def _lane(self, chunks: Sequence[list[Held]]) -> bool:
        behind = False
        for chunk in chunks:
            some = [held for held in chunk if self.held.get(held.partition) is held]
            behind = await self._turn(some, asyncio.get_running_loop().time()) or behind
        return behind

    async def _turn(self, holding: list[Held], now: float) -> bool:
        pulls = await self.journal.pull_all({held.partition: held.checkpoint.position for held in holding}, MOST_ENTRIES)
        works: list[Work] = []
        behind = False
        for held, pulled in zip(holding, pulls, strict=True):
            if isinstance(pulled, BaseException):
                self._doubt(held.partition, pulled)
            elif pulled.payloads or self.worker.is_due(held):
                full = len(pulled.payloads) >= MOST_ENTRIES
                behind = behind or full
                works.append(Work(held, pulled, None if full else pulled.server_ms))
            elif now - held.renewed >= IDLE_RENEW_SECONDS:
                await self._renew(held, now, pulled.server_ms)
        if works:
            alive = asyncio.create_task(self._alive())
            try:
                results = await self.worker.round(works)
            finally:
                await end([alive])
            for work, result in zip(works, results, strict=True):
                await self._committed(work, result, now)
        return behind

    async def _alive(self) -> None:
        """While a round takes long: else another would take what we hold, and be as long about it, and we again from it."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            with suppress(*DOUBTS):
                await self.journal.shares(self.role, self._member, LEASE_MS, self.journal.partitions)
            for held in list(self.held.values()):
                with suppress(*DOUBTS):  # the commit will say so
                    await self.journal.renew(held.partition, self.role, held.token, LEASE_MS, None)

    async def _committed(self, work: Work, result: Checkpoint | BaseException, now: float) -> None:
        held = work.held
        if isinstance(result, BaseException):
            self._doubt(held.partition, result)
            return
        if result is not held.checkpoint:
            held.checkpoint = result
            self.entries += len(work.pulled.payloads)
            self.commits += 1
        if now - held.renewed >= 1.0:
            await self._renew(held, now, None)

    async def _renew(self, held: Held, now: float, caught_up_ms: int | None) -> None:
        try:
            await self.journal.renew(held.partition, self.role, held.token, LEASE_MS, caught_up_ms)
            held.renewed = now
        except DOUBTS as error:
            self._doubt(held.partition, error)

    def _doubt(self, partition: int, error: BaseException) -> None:
        """Forget the partition; anything that is not a doubt is our own fault and must be loud."""
        if not is_doubt(error):
            raise error
        self._note(error)
        if partition in self.held:
            self.drop(partition)

    def _note(self, error: BaseException) -> None:
        reason = error.reason if isinstance(error, Doubt) else type(error).__name__
        self.doubts[reason] = self.doubts.get(reason, 0) + 1
        if self.doubts[reason] in (1, 10, 100, 1000):
            log.warning("%s; reading again from what is committed (%d times so far)", error, self.doubts[reason])
