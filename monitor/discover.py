"""Discovery: which account each channel is, which are live and with how many viewers, asked within every platform's quota.

One loop, whatever the number of collectors: who holds the lease ``{discover}`` asks, the others wait. What it knows stands in Redis, one
row per livestream (channel_store.py), for collect and serve. Viewers and the beginning and end of broadcasts go into the journal like any
other event. Here is the shell: lease, Redis, spool and clock. What is known is discover_book.py's, what is asked next discover_plan.py's,
one look at a platform discover_round.py's; none of them knows of Redis, so benchmarks/discovery.py drives them through days in seconds.

Promises: a failure of one platform stops no other; a platform that does not answer makes nobody offline: what was known stays, and is
seen to grow old.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

import connectors
from connectors import rest
from monitor import channels
from monitor.asking import Asking
from monitor.channel_store import ChannelStore
from monitor.discover_book import BARRED, Book
from monitor.discover_plan import Round
from monitor.discover_round import Deposed, look
from monitor.pushes import Pushes, Wanted
from monitor.redis_client import RETRIABLE
from monitor.signup_store import SignupStore
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from connectors.connector import Tools
    from connectors.event import Event
    from connectors.rest import Ask, Reply
    from monitor.channel_store import Desk
    from monitor.channels import Row
    from monitor.journal import Journal
    from monitor.reload import Setup

log = logging.getLogger("monitor.discover")

LEASE: Final = "{discover}"
LEASE_MS: Final = 10_000
RENEW_SECONDS: Final = 3.0
TURN_SECONDS: Final = 1.0
JUDGE_SECONDS: Final = 10.0
"""Verdicts depend on the hour; they are looked at again so often."""
OLD_SECONDS: Final = 60.0
"""A row of which only the time of the question is new is written so often."""


class Discovery:
    """``run()`` until cancelled. ``turn()`` is one look at everything that is due."""

    def __init__(
        self,
        journal: Journal,
        put: Callable[[Sequence[Event]], Awaitable[Any]],
        setup: Callable[[], Setup],
        fetch: Callable[[Ask], Awaitable[Reply]],
        tools: Tools,
        *,
        token: str,
        addresses: Callable[[], Mapping[str, Any]] = dict,
        public: Callable[[], str] = str,
    ) -> None:
        self.journal = journal
        self.store = ChannelStore(journal.redis)
        self.reported = SignupStore(journal.redis)
        self.put = put
        self.setup = setup
        self.fetch = fetch
        self.tools = tools
        self.token = token
        self.addresses = addresses
        """Platform → options that replace the configured ones (where the simulator listens)."""
        self.public = public
        """How platforms reach us; empty: they cannot."""
        self.pushes = Pushes(journal.redis, tools, self._fetch, put)
        self.book = Book()
        self.asking: dict[str, Asking] = {}
        self._rounds: dict[str, Round] = {}
        self._saved: dict[str, Row] = {}
        """Rows as Redis has them."""
        self._desks: dict[str, Desk] = {}
        self._said_version = -1
        self._reports_version = -1
        self._seen: Setup | None = None
        self._judged_at: datetime | None = None
        self._lease_until = 0.0
        self._loaded = False

    @property
    def rows(self) -> Mapping[str, Row]:
        """What is known of each livestream."""
        return self.book.rows

    # --- the lease ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                tasks.create_task(self._keep_asking())
                tasks.create_task(self._keep_pushing())
        finally:
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(2):
                    await self.resign()

    @property
    def leading(self) -> bool:
        """Whether the lease is ours, with a margin for a request that is under way."""
        return time.monotonic() < self._lease_until - 1.0

    async def claim(self) -> bool:
        """Take or keep the lease."""
        asked = time.monotonic()
        if await self.journal.call("lm1_lease", [LEASE], self.token, LEASE_MS, ""):
            if not self.leading:
                self._loaded = False
                log.info("this process discovers from now on")
            self._lease_until = asked + LEASE_MS / 1000
        else:
            self._lease_until = 0.0
        return self.leading

    async def resign(self) -> None:
        """Give the lease back, so that another need not wait for its end."""
        self._lease_until = 0.0
        await self.journal.call("lm1_release", [LEASE], self.token)

    async def _keep_lease(self) -> None:
        while not stopping():
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(LEASE_MS / 1000):
                    await self.claim()
            await asyncio.sleep(RENEW_SECONDS)

    async def _keep_asking(self) -> None:
        while not stopping():
            if self.leading:
                try:
                    await self.turn()
                except (*RETRIABLE, TimeoutError) as error:
                    log.warning("what was discovered cannot be written (%s); it is tried again", type(error).__name__)
                except Exception:  # a fault of discovery must not stop the collector beside it
                    log.exception("discovery failed in a way that it should not; it begins anew")
                    self._loaded = False
            await asyncio.sleep(TURN_SECONDS)

    async def _keep_pushing(self) -> None:
        try:
            while not stopping():
                try:
                    await (self.push() if self.leading and self._loaded else self.pushes.pause())
                except Deposed:
                    pass
                except (*RETRIABLE, TimeoutError) as error:
                    log.warning("the state of subscriptions cannot be written (%s); it is tried again", type(error).__name__)
                except Exception:  # being told is a help and never a need
                    log.exception("push failed in a way that it should not; broadcasts are found by asking")
                    await self.pushes.pause()
                await asyncio.sleep(TURN_SECONDS)
        finally:
            await self.pushes.pause()

    async def push(self) -> None:
        """Let the platforms that can do it tell us: one look at what is due."""
        public, wanted = self.public(), {}
        for name, asking in self.asking.items():
            if name in connectors.PUSHERS:
                wanted[name] = Wanted(
                    options=asking.options,
                    callback=f"{public.rstrip('/')}/hooks/{name}" if public else "",
                    channels={
                        row.native_id: livestream
                        for livestream, row in self.rows.items()
                        if row.platform == name and row.native_id and row.state not in BARRED
                    },
                    asking=asking,
                )
        self.pushes.follow(wanted)
        await self.pushes.turn(self.rows)

    # --- one turn -----------------------------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Everything that is due, once; the platforms at the same time."""
        if not self._loaded:
            await self._load()
        new = self.setup() is not self._seen
        if new:
            self._seen = self.setup()
            self.book.take_setup(self._seen.config, self._seen.roster)
            self._judged_at = None
        await self._listen()
        if self._furnish() or new:
            self.book.follow(self.tools.now())
            for plan in self._rounds.values():
                plan.resolved_day = ""
        self.book.believe(self.tools.now())
        hints = await self.pushes.store.heard()
        await self.pushes.store.done(self.book.hear(hints, self.tools.now(), self.pushes.hear))
        await asyncio.gather(*(look(asking, self._rounds[name], self.book) for name, asking in self.asking.items()))
        now = self.tools.now()
        if self._judged_at is None or (now - self._judged_at).total_seconds() >= JUDGE_SECONDS:
            self.book.judge_all(self.rows, now)
            self._judged_at = now
        if self.leading:
            await self._save()

    async def _load(self) -> None:
        """Another may have led before us: its rows are the newest."""
        self.book = Book(await self.store.rows())
        self._saved = dict(self.rows)
        self._desks = await self.store.desks()
        self.asking.clear()
        self._seen, self._said_version, self._reports_version, self._loaded = None, -1, -1, True

    async def _listen(self) -> None:
        """What people decided since."""
        version = await self.store.said_version()
        if version != self._said_version:
            self.book.listened(await self.store.said())
            self._said_version, self._judged_at = version, None
        version = await self.reported.reports_version()
        if version != self._reports_version:
            self.book.reported(await self.reported.reports(), self.tools.now(), first=self._reports_version < 0)
            self._reports_version, self._judged_at = version, None

    def _furnish(self) -> bool:
        """Platforms that can be asked with this configuration; True when these are others than before."""
        assert self._seen is not None
        config, addresses = self._seen.config, self.addresses()
        before = set(self.asking)
        for name in self.book.platforms | before:
            kind = connectors.discoverer_of(name)
            options = connectors.class_of(name).options(**{**config.platform(name).options, **addresses.get(name, {})})
            if kind.missing(options) or name not in self.book.platforms:
                self.asking.pop(name, None)
            elif name not in self.asking or self.asking[name].options != options:
                self.asking[name] = Asking(kind(options), options, self._fetch, self.tools)
                self._rounds[name] = Round(name)
        self.book.asked = self.asking.keys()
        return set(self.asking) != before

    async def _fetch(self, ask: Ask) -> Reply:
        if not self.leading:
            raise Deposed
        return await self.fetch(ask)

    async def _save(self) -> None:
        """Events to the spool, rows to Redis; a row of which only the time of the question is new waits a minute."""
        learned = self.book.taken()
        if learned.events:
            await self.put(learned.events)
        for platform, seconds in learned.delays:
            await self.store.add_delay(platform, seconds)
        rows = self.rows
        changed = {name: rows[name] for name in self.book.touched if name in rows and _is_news(self._saved.get(name), rows[name])}
        gone = [name for name in self._saved if name not in rows]
        desks = {name: asking.desk for name, asking in self.asking.items()}
        new_desks = {name: desk for name, desk in desks.items() if self._desks.get(name) != desk}
        old_desks = [name for name in self._desks if name not in desks]
        await self.store.save(
            {name: channels.as_json(row) for name, row in changed.items()}, gone, desks=new_desks, closed=old_desks
        )
        self._desks = desks
        self._saved.update(changed)
        for name in gone:
            del self._saved[name]
        self.book.touched.clear()


def _is_news(saved: Row | None, row: Row) -> bool:
    """Whether a row must be written now."""
    if saved is None or saved.discovered_at is None or row.discovered_at is None:
        return saved != row
    if (row.discovered_at - saved.discovered_at).total_seconds() >= OLD_SECONDS:
        return True
    return saved != replace(row, discovered_at=saved.discovered_at, viewers=saved.viewers, viewers_at=saved.viewers_at)


def fetcher(session: Any) -> Callable[[Ask], Awaitable[Reply]]:
    """How questions are really sent."""

    async def fetch(ask: Ask) -> Reply:
        return await rest.send(session, ask, within_seconds=15.0)

    return fetch
