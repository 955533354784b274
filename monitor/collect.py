"""The collector: owns a share of the livestreams, has their connections kept up, and brings what they yield to disk and into the journal.

Promises: an event that a connector yielded is on disk within milliseconds and in the journal once. What a livestream is covered up to is
stored only after the events before it are in the journal, so that the next owner resumes without loss, or knows where its gap begins.
Retries and back-off live in collect_connections.py, once, for all platforms alike.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import connectors
from connectors import rest
from connectors.connector import (
    Mark,
    Resume,
    Target,
    Tools,
    make_pseudonym,
)
from connectors.event import Status, Unknown
from monitor.channel_store import ChannelStore
from monitor.channels import Passes
from monitor.collect_connections import CONNECT_EVERY_SECONDS, Connections
from monitor.collect_cover import claimed, covered, later, store
from monitor.collect_plan import SHARES, Wanted, plan, view
from monitor.collect_states import States
from monitor.controls import switched_off
from monitor.discover import Discovery, fetcher
from monitor.gate import Gate
from monitor.journal import Journal, LostTail, ready
from monitor.memory import KEY as MEMORY
from monitor.memory import RedisMemory
from monitor.posted import Posted
from monitor.produce import Producer, member_of
from monitor.push_store import PushStore
from monitor.redis_client import RETRIABLE
from monitor.setup import Source, author_key
from monitor.simulated_file import Simulated
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from connectors.event import Event
    from monitor.channels import Row
    from monitor.reload import Setup
    from monitor.settings import Settings

log = logging.getLogger("monitor.collect")

SHARE_TTL_MS = 5000
PLAN_SECONDS = 0.25
"""So soon after a change the connections follow it."""
FLUSH_SECONDS = 0.02
"""Group commit of the spool."""
MOST_UNFLUSHED = 5000
"""Items held in memory; beyond, connectors are not read."""
CURSOR_SECONDS = 0.5
STATES_SECONDS = 10.0
"""All states are written again so often, so that a state whose collector died can be seen to be old."""


class Collector:
    """Runs until cancelled; see the module docstring."""

    def __init__(
        self,
        journal: Journal,
        producer: Producer,
        setup: Setup,
        tools: Tools,
        *,
        token: str,
        addresses: Callable[[], Mapping[str, Any]] = dict,
        connect_every: float = CONNECT_EVERY_SECONDS,
        share_ttl_ms: int = SHARE_TTL_MS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.journal = journal
        self.producer = producer
        self.setup = setup
        self.tools = tools
        self.token = token
        self.addresses = addresses
        """Platform → options that replace the configured ones (where the simulator listens)."""
        self.share_ttl_ms = share_ttl_ms
        self._shares: set[int] = set()
        self._resumes: dict[str, Resume] = {}
        self._items: list[Event | Mark] = []
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: deque[tuple[int, dict[str, Resume]]] = deque()
        """(last row of a flush, resumes that are true once it is acknowledged)."""
        self._states = States(tools.now)
        self.connections = Connections(
            tools, self._states, options=self._options, resumed=self._with_resumes, put=self._put, room=self._room,
            connect_every=connect_every, sleep=sleep,
        )  # fmt: skip
        self._named: set[str] = set()
        self._plan_lock = asyncio.Lock()
        self._unplanned = False
        """Something changed that connections do not follow yet, for instance because Redis was away."""
        self.store = ChannelStore(journal.redis)
        self._pushes = PushStore(journal.redis)
        self._posted = Posted()
        self.gate = Gate()
        self._passes = Passes()
        self._rows: dict[str, Row] = {}
        self._rows_version = -1
        self._closed: set[str] = set()
        """Livestreams that are not read at this time."""

    async def run(self, poll: Callable[[], Setup | None]) -> None:
        with suppress(*RETRIABLE):
            await self.look_at_channels()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._flush_all())
                tasks.create_task(self._store_cursors())
                tasks.create_task(self._own_shares())
                tasks.create_task(self._keep_planned())
                tasks.create_task(self._write_states())
                tasks.create_task(self._follow(poll))
                tasks.create_task(self._follow_channels())
        finally:
            await self._stop()

    # which livestreams are ours

    async def _own_shares(self) -> None:
        expires = time.monotonic()
        while not stopping():
            try:
                await self.hear_shares()
                expires = time.monotonic() + self.share_ttl_ms / 1000
            except RETRIABLE:
                # Others may take our livestreams when they can reach Redis and we cannot. Reading on is harmless (ids dedupe),
                # and it is what keeps the spool complete while Redis is away.
                if time.monotonic() > expires + 600:
                    log.warning("no contact with Redis for ten minutes; still collecting into the spool")
                    expires = time.monotonic()
            await asyncio.sleep(min(1.0, self.share_ttl_ms / 5000))

    async def _keep_planned(self) -> None:
        """Beside the heartbeat: a connection that is slow to end must not cost us the shares, which others would take and read too."""
        while not stopping():
            if self._unplanned:
                with suppress(*RETRIABLE):
                    await self.replan()
            await asyncio.sleep(PLAN_SECONDS)

    async def own(self) -> None:
        """Say that we live, hear which shares are ours, and watch what is in them."""
        await self.hear_shares()
        if self._unplanned:
            await self.replan()

    async def hear_shares(self) -> None:
        """Say that we live, and hear which shares are ours."""
        mine = set(await self.journal.shares("collect", self.token, self.share_ttl_ms, SHARES))
        if mine != self._shares:
            log.info("this collector owns %d of %d shares", len(mine), SHARES)
            self._shares = mine
            self._unplanned = True

    async def _follow(self, poll: Callable[[], Setup | None]) -> None:
        while not stopping():
            await asyncio.sleep(1.0)
            new = poll()
            if new is not None:
                self.setup = new
                self._unplanned = True
                with suppress(*RETRIABLE):  # else with the next heartbeat that gets through
                    await self.replan()

    async def _follow_channels(self) -> None:
        while not stopping():
            await asyncio.sleep(1.0)
            with suppress(*RETRIABLE):
                if await self.look_at_channels():
                    self._unplanned = True
                    await self.replan()

    async def look_at_channels(self) -> bool:
        """Take over what discovery knows by now; True when it changes what is read."""
        version = await self.store.version()
        if version == self._rows_version:
            return False
        before, rows = self._rows, await self.store.rows()
        self._rows, self._rows_version = rows, version
        # What was held is older than what came since.
        self._items[:0] = self.gate.update(self._passes.of(rows))
        return before.keys() != rows.keys() or any(
            row is not before[name] and view(row) != view(before[name]) for name, row in rows.items()
        )

    async def replan(self) -> None:
        """Start, change and stop connections so that exactly our targets are watched."""
        async with self._plan_lock:
            self._unplanned = True  # until all of it is done
            shares, setup, rows = self._shares, self.setup, self._rows
            wanted = plan(setup.config, setup.roster, shares, rows, given=self.addresses())
            await self._load_resumes([name for some in wanted.targets.values() for name in some if name not in self._resumes])
            self._reopen(wanted)
            for platform in self.connections.platforms | wanted.targets.keys():
                await self.connections.follow(platform, wanted.targets.get(platform, {}), wanted.directory.get(platform, {}))
            known = wanted.refused.keys() | wanted.paused.keys() | wanted.closed.keys()
            gone = self._states.keys() - known - {name for some in wanted.targets.values() for name in some}
            for name in gone:
                self._states.drop(name)
                self._resumes.pop(name, None)  # whoever owns it now stores newer ones
            for name, reason in wanted.refused.items():
                self._states.note(name, "refused", reason)
            for name, reason in wanted.paused.items():
                self._states.note(name, "paused", reason)
            for name, reason in wanted.closed.items():
                self._states.note(name, "waiting", reason)
            # What changed meanwhile is not in it.
            self._unplanned = shares is not self._shares or setup is not self.setup or rows is not self._rows

    def _reopen(self, wanted: Wanted) -> None:
        """What was said while a livestream was none of our business is not missing: it is covered up to now."""
        now = self.tools.now()
        for name in self._closed.intersection(chain.from_iterable(wanted.targets.values())):
            self._resumes[name] = later(self._resumes[name], None, now)
        self._closed = set(wanted.closed)

    def _options(self, platform: str) -> Any:
        kind = connectors.class_of(platform)
        configured = dict(self.setup.config.platform(platform).options)
        return kind.options(**{**configured, **self.addresses().get(platform, {})})

    async def _load_resumes(self, names: Sequence[str]) -> None:
        self._resumes.update(await claimed(self.journal.redis, names, self.tools.now()))

    def _with_resumes(self, targets: Iterable[Target]) -> list[Target]:
        return [replace(target, resume=self._resumes.get(target.livestream, Resume())) for target in targets]

    # from connectors to the spool

    def _put(self, item: Event | Mark) -> None:
        self._items.append(item)
        if len(self._items) >= MOST_UNFLUSHED:
            self._room.clear()

    async def _flush_all(self) -> None:
        while not stopping():
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Everything yielded so far goes to disk; what it covers is noted to be stored once the journal has it."""
        if not self._items and not self.gate.holding:
            return
        items, self._items = self._items, []
        items = self.gate.take(items, time.monotonic())
        events = [item for item in items if not isinstance(item, Mark)]
        resumes = covered(items, self._resumes)
        for event in events:
            self._observe(event)
        number = await self.producer.put(events)
        await self._tell_discovery(events)
        # What was handed on while this was being written is its new owner's to resume.
        self._resumes.update({name: resume for name, resume in resumes.items() if name in self._resumes})
        self._waiting.append((number, resumes))
        self._room.set()

    async def _tell_discovery(self, events: Iterable[Event]) -> None:
        """What people announce in their posts is looked at before its turn."""
        setup = self.setup
        hints = self._posted.hints(
            events, setup.roster, self._rows, self.tools.now(), require_consent=setup.config.require_consent
        )
        with suppress(*RETRIABLE):  # a hint that is lost costs a round of discovery, no more
            for platform, hint in hints:
                await self._pushes.tell(platform, [hint])

    def _observe(self, event: Event) -> None:
        if isinstance(event, Unknown):
            self.connections.tally.add(f"unknown_events|{event.platform}")
            if event.name not in self._named and len(self._named) < 1000:
                self._named.add(event.name)
                log.info("%s sent a kind that is not known: %s (said once)", event.platform, event.name)
        elif isinstance(event, Status) and event.livestream is not None:
            self._states.note(event.livestream, "live" if event.state == "live" else "ended", event.reason or "")

    async def _store_cursors(self) -> None:
        while not stopping():
            await asyncio.sleep(CURSOR_SECONDS)
            with suppress(*RETRIABLE):
                await self.store_cursors()
            await self.connections.tally.write(self.journal.redis)

    async def store_cursors(self) -> None:
        """Store what the journal has by now; a later owner starts from there."""
        safe: dict[str, Resume] = {}
        while self._waiting and self._waiting[0][0] <= self.producer.acknowledged:
            safe.update(self._waiting.popleft()[1])
        if safe:
            try:
                await store(self.journal.redis, safe)
            except RETRIABLE:
                self._waiting.appendleft((0, safe))
                raise

    # states

    async def _write_states(self) -> None:
        everything = time.monotonic()
        while not stopping():
            await asyncio.sleep(1.0)
            if time.monotonic() >= everything:
                self._states.write_again()
                everything = time.monotonic() + STATES_SECONDS
            if self._states.has_changed:
                with suppress(*RETRIABLE):
                    await self._write_dirty()

    async def _write_dirty(self) -> None:
        rows = self._states.take_changed(self.setup.roster, self.tools.now())
        if not rows:
            return
        try:
            await self.journal.redis.hset("{livestreams}", mapping=rows)
        except RETRIABLE:
            self._states.not_written(rows)
            raise

    # the end

    async def _stop(self) -> None:
        await self.connections.end()
        with suppress(*RETRIABLE, TimeoutError, LostTail):
            async with asyncio.timeout(5):
                await self.flush()
                await self.producer.flushed()
                await self.store_cursors()
                await self.journal.shares("collect", self.token, self.share_ttl_ms, SHARES, leave=True)


async def run(settings: Settings) -> int:
    """The role ``collect``: runs until it is stopped."""
    source = Source(settings)
    config = source.setup.config
    simulator = settings.config.simulator.enabled
    async with Journal(settings.redis_url, partitions=config.partitions).opened() as journal:
        await ready(journal)
        tools = Tools(
            pseudonym=make_pseudonym(author_key(settings.data_dir)),
            dice=random.Random(os.urandom(16)),
            # What the simulator grants must not be added to what a real platform does.
            memory=RedisMemory(journal.redis, f"{MEMORY}:simulated" if simulator else MEMORY),
        )
        off = switched_off()
        async with Producer(
            settings.redis_url,
            settings.data_dir / "spool",
            config.partitions,
            rewind="no-rewind" not in off,
            dedupe="no-dedupe" not in off,
        ) as producer:
            # Who this collector is: the same after a crash on the same machine, and the spool's lock sees to it that there is only one.
            token = member_of(producer.name)
            addresses: Callable[[], Mapping[str, Any]] = Simulated(settings.data_dir / "simulator.json") if simulator else dict
            collector = Collector(journal, producer, source.setup, tools, token=token, addresses=addresses)
            # The simulator listens on this machine, where no proxy of the house leads.
            async with rest.client(environment=not simulator) as session, asyncio.TaskGroup() as tasks:
                tasks.create_task(collector.run(source.poll))
                here = f"http://127.0.0.1:{settings.port}" if simulator else ""
                discovery = Discovery(
                    journal, producer.put, lambda: source.setup, fetcher(session), tools, token=token, addresses=addresses,
                    public=lambda: source.setup.config.public.url or here,
                )  # fmt: skip
                tasks.create_task(discovery.run())
    return 0
