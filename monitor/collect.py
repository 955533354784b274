"""The collector: owns a share of the livestreams, runs their connectors, and is the only place where retries, back-off and counting live.

Promises: an event that a connector yielded is on disk within milliseconds and in the journal once. What a livestream is covered up to is
stored only after the events before it are in the journal, so that the next owner resumes without loss, or knows where its gap begins.
A connector that fails, whatever it does, stops nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import deque
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING, Any

import connectors
from connectors import rest
from connectors.connector import (
    Connector,
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Target,
    Throttled,
    Tools,
    Watch,
    make_pseudonym,
)
from connectors.ending import end
from connectors.event import Status, Unknown
from connectors.pacing import backoff
from monitor.channel_store import ChannelStore
from monitor.channels import Passes
from monitor.collect_cover import claimed, covered, later, store
from monitor.collect_plan import SHARES, Group, Wanted, plan, regroup, view
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
CONNECT_EVERY_SECONDS = 2.0
"""A new connection to a platform at most so often: platforms limit connecting more than receiving."""
CURSOR_SECONDS = 0.5
STATES_SECONDS = 10.0
"""All states are written again so often, so that a state whose collector died can be seen to be old."""
HEALTHY_SECONDS = 30.0
"""A connection that lasted so long starts its back-off anew."""
AGAIN = "tried again by itself"
REFUSED_SECONDS = 300.0
"""A refusal needs a person; it is tried again so often in case one has acted on the platform's side."""


@dataclass(slots=True)
class Running:
    """One connection that is kept up."""

    watch: Watch
    task: asyncio.Task[None]
    told: Mapping[str, Target] = field(default_factory=dict)
    """Its targets as planned, without where they resume: that changes all the time, and wakes nobody."""


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
        self.connect_every = connect_every
        self.share_ttl_ms = share_ttl_ms
        self.sleep = sleep
        """Between two attempts of a connection."""
        self.counters: dict[tuple[str, ...], int] = {}
        self._shares: set[int] = set()
        self._groups: dict[str, list[Group]] = {}
        self._running: dict[tuple[str, int], Running] = {}
        self._directories: dict[str, dict[str, str]] = {}
        """As the connections were told them last; the same object for all of a platform, so that what is the same is seen at a glance."""
        self._resumes: dict[str, Resume] = {}
        self._items: list[Event | Mark] = []
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: deque[tuple[int, dict[str, Resume]]] = deque()
        """(last row of a flush, resumes that are true once it is acknowledged)."""
        self._states = States(tools.now)
        self._next_connect: dict[str, float] = {}
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

    def count(self, *name: str, units: int = 1) -> None:
        self.counters[name] = self.counters.get(name, 0) + units

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
            for platform in self._groups.keys() | wanted.targets.keys():
                await self._replan_platform(platform, wanted)
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

    async def _replan_platform(self, platform: str, wanted: Wanted) -> None:
        before = {group.number: group for group in self._groups.get(platform, [])}
        capacity = self._capacity(platform)
        directory = wanted.directory.get(platform, {})
        if self._directories.get(platform) != directory:
            self._directories[platform] = directory
        directory = self._directories[platform]
        groups = regroup(list(before.values()), platform, wanted.targets.get(platform, {}), capacity)
        self._groups[platform] = groups
        numbers = {group.number for group in groups}
        for number in before.keys() - numbers:
            await self._cancel(platform, number)
        for group in groups:
            running = self._running.get((platform, group.number))
            if running is None:
                watch = Watch()
                watch.directory = directory
                task = asyncio.create_task(self._keep_up(platform, group.number, watch), name=f"{platform} {group.number}")
                running = self._running[platform, group.number] = Running(watch, task)
            if running.watch.directory is not directory or running.told != group.targets:
                running.told = group.targets
                running.watch.directory = directory
                running.watch.update(self._with_resumes(group.targets.values()))

    def _capacity(self, platform: str) -> int | None:
        configured: int | None = getattr(self._options(platform), "capacity", None)
        return configured or connectors.class_of(platform).capacity

    def _options(self, platform: str) -> Any:
        kind = connectors.class_of(platform)
        configured = dict(self.setup.config.platform(platform).options)
        return kind.options(**{**configured, **self.addresses().get(platform, {})})

    async def _load_resumes(self, names: Sequence[str]) -> None:
        self._resumes.update(await claimed(self.journal.redis, names, self.tools.now()))

    def _with_resumes(self, targets: Iterable[Target]) -> list[Target]:
        return [replace(target, resume=self._resumes.get(target.livestream, Resume())) for target in targets]

    # keeping one connection up

    async def _keep_up(self, platform: str, number: int, watch: Watch) -> None:
        failures = 0
        kind = connectors.class_of(platform)
        while not stopping():
            await self._take_turn(platform)
            watch.update(self._with_resumes(watch.targets.values()))
            started = time.monotonic()
            self._note_all(watch, "connecting")
            try:
                await self._read(kind(self._options(platform), watch, self.tools))
                wait = 0.0
                reason = "the connector stopped"
            except Throttled as failure:
                self.count(platform, "throttled")
                wait, reason = max(1.0, (failure.until - self.tools.now()).total_seconds()), failure.reason
                self._note_all(watch, "throttled", f"{reason}; again by itself at {failure.until.astimezone(UTC):%H:%M} UTC")
            except Refused as failure:
                self.count(platform, "refused")
                wait, reason = REFUSED_SECONDS, failure.reason
                self._note_all(watch, "refused", f"{reason}; tried again every {REFUSED_SECONDS / 60:.0f} minutes")
            except Dropped as failure:
                self.count(platform, "dropped")
                wait, reason = -1.0, failure.reason
                self._note_all(watch, "broken", f"{reason}; {AGAIN}")
            except Exception:  # a fault of the connector must not stop the others
                self.count(platform, "crashed")
                wait, reason = -1.0, "a fault in our own code; the log has the details"
                log.exception("%s connection %d failed in a way that it should not", platform, number)
                self._note_all(watch, "broken", f"{reason}; {AGAIN}")
            if wait < 0:
                failures = 1 if time.monotonic() - started > HEALTHY_SECONDS else failures + 1
                wait = backoff(failures - 1, self.tools.dice, cap=60.0)
            log.info("%s connection %d: %s; again %s", platform, number, reason, soon(wait))
            await self.sleep(wait)

    def _connect_pause(self, platform: str) -> float:
        """Between two connections to a platform; a server of one's own bears more than a public one."""
        return min(self.connect_every, getattr(self._options(platform), "connect_every_seconds", self.connect_every))

    async def _take_turn(self, platform: str) -> None:
        now = time.monotonic()
        turn = max(now, self._next_connect.get(platform, 0.0))
        self._next_connect[platform] = turn + self._connect_pause(platform)
        await asyncio.sleep(turn - now)

    async def _read(self, connector: Connector) -> None:
        async with aclosing(connector.events()) as events:  # type: ignore[type-var]
            async for item in events:
                if isinstance(item, Health):
                    self._states.note(item.livestream, item.state, item.reason)
                    continue
                self._items.append(item)
                if len(self._items) >= MOST_UNFLUSHED:
                    self._room.clear()
                    await self._room.wait()

    async def _cancel(self, platform: str, number: int) -> None:
        running = self._running.pop((platform, number))
        await end([running.task])

    # from connectors to the spool

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
            self.count(event.platform, "unknown")
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

    def _note_all(self, watch: Watch, state: str, reason: str = "") -> None:
        for name in watch.targets:
            self._states.note(name, state, reason)

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
        await end(running.task for running in self._running.values())
        with suppress(*RETRIABLE, TimeoutError, LostTail):
            async with asyncio.timeout(5):
                await self.flush()
                await self.producer.flushed()
                await self.store_cursors()
                await self.journal.shares("collect", self.token, self.share_ttl_ms, SHARES, leave=True)


def soon(seconds: float) -> str:
    """When it is tried again, in words; never "in 0 s"."""
    if seconds < 1.0:
        return "at once"
    return f"in {seconds:.0f} s" if seconds < 120.0 else f"in {seconds / 60:.0f} minutes"


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
