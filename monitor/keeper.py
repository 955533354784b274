"""Keeps the wall: one server at a time finds what is unexpected and whom to quote, and all servers show the same.

``Job`` is one such search. It has no memory that it could not make again: when the lease moves, the new owner begins it anew from
what Redis holds. A job that fails is tried again with its next turn, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from monitor.feed import unix_ms
from monitor.journal import is_doubt
from monitor.moments import iso
from monitor.snapshot import KEPT
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from monitor.feed import Feed
    from monitor.wall_store import WallStore

log = logging.getLogger("monitor.keeper")

LEASE_MS: Final = 5_000
RENEW_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 5.0
"""So often it is written when each search was made last."""


class Job(Protocol):
    """One search of the keeper."""

    name: str
    seconds: float
    """Between two turns."""

    async def begin(self, feed: Feed, store: WallStore) -> None:
        """The lease is ours: read what an earlier owner left."""

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        """Look once and write what is found, with the owner's token. Only called while the feed's numbers are known."""


class Keeper:
    """``run`` until cancelled; jobs have turns only while this process owns the lease."""

    def __init__(self, feed: Feed, store: WallStore, jobs: Sequence[Job], *, now_ms: Callable[[], int] = unix_ms) -> None:
        self.feed = feed
        self.store = store
        self.jobs = jobs
        self.token = secrets.token_hex(8)
        self.owner = False
        self._now_ms = now_ms
        self._due: dict[str, float] = {}
        self._kept: dict[str, str] = {}
        self._kept_at = 0.0
        self._failing: set[str] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        renew_at = 0.0
        try:
            while not stopping():
                now = loop.time()
                if now >= renew_at:
                    renew_at = now + RENEW_SECONDS
                    await self.renew()
                await self.turns(at=now)
                await asyncio.sleep(max(0.05, min([renew_at, *self._due.values()]) - loop.time()))
        finally:
            await self.release()

    async def renew(self) -> None:
        """Become or stay the owner; a new one reads what the one before left."""
        await self._try("lease", self._renew)

    async def turns(self, *, at: float) -> None:
        """Every job that is due at this time (seconds of any clock that does not jump), if we own the wall."""
        if not (self.owner and self.feed.ready_to_show and self.feed.book.as_of_ms is not None):
            return
        for job in self.jobs:
            if self.owner and self._due.get(job.name, at) <= at:
                self._due[job.name] = at + job.seconds
                now_ms = self._now_ms()
                if await self._try(job.name, partial(job.turn, self.feed, self.store, now_ms, self.token)):
                    self._kept[job.name] = iso(now_ms)
        if self._kept and self.owner and at - self._kept_at >= KEPT_SECONDS:
            self._kept_at = at
            await self._try("kept", partial(self.store.write, {KEPT: self._kept}, self.token))

    async def release(self) -> None:
        """Let the next one keep the wall at once."""
        if self.owner:
            self.owner = False
            await self._try("lease", partial(self.store.release, self.token))

    async def _renew(self) -> None:
        was, self.owner = self.owner, await self.store.lease(self.token, LEASE_MS)
        if self.owner and not was:
            self._due.clear()
            self._kept.clear()
            self._kept_at = 0.0
            for job in self.jobs:
                await job.begin(self.feed, self.store)

    async def _try(self, what: str, do: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with asyncio.timeout(10):
                await do()
        except Exception as error:
            if not (is_doubt(error) or isinstance(error, TimeoutError)):
                raise
            if what == "lease":
                self.owner = False
            if what not in self._failing:
                log.warning("Keeping the wall (%s) fails (%s); tried again", what, str(error) or type(error).__name__)
            self._failing.add(what)
            return False
        if what in self._failing:
            log.info("Keeping the wall (%s) works again", what)
            self._failing.discard(what)
        return True
