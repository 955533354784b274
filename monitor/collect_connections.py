"""The connections of a collector: kept up, and opened again as each failure asks for.

The only place where retries and back-off live, for all platforms alike. A connector that fails, whatever it does, stops nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

import connectors
from connectors.connector import Dropped, Health, Refused, Throttled, Watch
from connectors.ending import end
from connectors.pacing import backoff
from monitor.collect_plan import regroup
from monitor.stopping import stopping
from monitor.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from connectors.connector import Connector, Mark, Target, Tools
    from connectors.event import Event
    from monitor.collect_plan import Group
    from monitor.collect_states import States

log = logging.getLogger("monitor.collect")

CONNECT_EVERY_SECONDS = 2.0
"""A new connection to a platform at most so often: platforms limit connecting more than receiving."""
HEALTHY_SECONDS = 30.0
"""A connection that lasted so long starts its back-off anew."""
AGAIN = "tried again by itself"
FAILURES = ("throttled", "refused", "dropped", "crashed")
"""The ways in which a connection ends against our will; the last is a fault of ours."""
REFUSED_SECONDS = 300.0
"""A refusal needs a person; it is tried again so often in case one has acted on the platform's side."""


@dataclass(slots=True)
class Running:
    """One connection that is kept up."""

    watch: Watch
    task: asyncio.Task[None]
    told: Mapping[str, Target] = field(default_factory=dict)
    """Its targets as planned, without where they resume: that changes all the time, and wakes nobody."""


class Connections:
    """By platform and number; ``follow`` says what is wanted, and the rest goes on by itself until ``end``."""

    def __init__(
        self,
        tools: Tools,
        states: States,
        *,
        options: Callable[[str], Any],
        resumed: Callable[[Iterable[Target]], list[Target]],
        put: Callable[[Event | Mark], None],
        room: asyncio.Event,
        connect_every: float,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.running: dict[tuple[str, int], Running] = {}
        self.tally = Tally()
        self._tools, self._states = tools, states
        self._options, self._resumed = options, resumed
        """Platform → its connector's options now; targets → the same with where they resume now."""
        self._put, self._room = put, room
        """What was read goes there; nothing more is read while there is no room."""
        self._connect_every = connect_every
        self._sleep = sleep
        """Between two attempts of a connection."""
        self._groups: dict[str, list[Group]] = {}
        self._directories: dict[str, Mapping[str, str]] = {}
        """As the connections were told them last; the same object for all of a platform, so that what is the same is seen at a glance."""
        self._next_connect: dict[str, float] = {}

    @property
    def platforms(self) -> set[str]:
        """That were wanted at some time."""
        return set(self._groups)

    async def follow(self, platform: str, targets: dict[str, Target], directory: Mapping[str, str]) -> None:
        """Start, change and stop connections of this platform so that exactly these targets are watched."""
        before = {group.number: group for group in self._groups.get(platform, [])}
        capacity = self._capacity(platform)
        if self._directories.get(platform) != directory:
            self._directories[platform] = directory
        directory = self._directories[platform]
        groups = regroup(list(before.values()), platform, targets, capacity)
        self._groups[platform] = groups
        numbers = {group.number for group in groups}
        for number in before.keys() - numbers:
            await self._cancel(platform, number)
        for group in groups:
            running = self.running.get((platform, group.number))
            if running is None:
                self.tally.show(f"{what}|{platform}" for what in ("connector_attempts", "unknown_events"))
                self.tally.show(f"connector_failures|{platform}|{kind}" for kind in FAILURES)
                watch = Watch()
                watch.directory = directory
                task = asyncio.create_task(self._keep_up(platform, group.number, watch), name=f"{platform} {group.number}")
                running = self.running[platform, group.number] = Running(watch, task)
            if running.watch.directory is not directory or running.told != group.targets:
                running.told = group.targets
                running.watch.directory = directory
                running.watch.update(self._resumed(group.targets.values()))

    async def end(self) -> None:
        await end(running.task for running in self.running.values())

    def _capacity(self, platform: str) -> int | None:
        configured: int | None = getattr(self._options(platform), "capacity", None)
        return configured or connectors.class_of(platform).capacity

    # one connection

    async def _keep_up(self, platform: str, number: int, watch: Watch) -> None:
        failures = 0
        kind = connectors.class_of(platform)
        while not stopping():
            await self._take_turn(platform)
            watch.update(self._resumed(watch.targets.values()))
            started = time.monotonic()
            self.tally.add(f"connector_attempts|{platform}")
            self._states.note_all(watch.targets, "connecting")
            try:
                await self._read(kind(self._options(platform), watch, self._tools))
                wait = 0.0
                reason = "the connector stopped"
            except Throttled as failure:
                self._failed(platform, "throttled")
                wait, reason = max(1.0, (failure.until - self._tools.now()).total_seconds()), failure.reason
                self._states.note_all(
                    watch.targets, "throttled", f"{reason}; again by itself at {failure.until.astimezone(UTC):%H:%M} UTC"
                )
            except Refused as failure:
                self._failed(platform, "refused")
                wait, reason = REFUSED_SECONDS, failure.reason
                self._states.note_all(watch.targets, "refused", f"{reason}; tried again every {REFUSED_SECONDS / 60:.0f} minutes")
            except Dropped as failure:
                self._failed(platform, "dropped")
                wait, reason = -1.0, failure.reason
                self._states.note_all(watch.targets, "broken", f"{reason}; {AGAIN}")
            except Exception:  # a fault of the connector must not stop the others
                self._failed(platform, "crashed")
                wait, reason = -1.0, "a fault in our own code; the log has the details"
                log.exception("%s connection %d failed in a way that it should not", platform, number)
                self._states.note_all(watch.targets, "broken", f"{reason}; {AGAIN}")
            if wait < 0:
                failures = 1 if time.monotonic() - started > HEALTHY_SECONDS else failures + 1
                wait = backoff(failures - 1, self._tools.dice, cap=60.0)
            log.info("%s connection %d: %s; again %s", platform, number, reason, soon(wait))
            await self._sleep(wait)

    def _failed(self, platform: str, kind: str) -> None:
        self.tally.add(f"connector_failures|{platform}|{kind}")

    def _connect_pause(self, platform: str) -> float:
        """Between two connections to a platform; a server of one's own bears more than a public one."""
        return min(self._connect_every, getattr(self._options(platform), "connect_every_seconds", self._connect_every))

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
                self._put(item)
                if not self._room.is_set():
                    await self._room.wait()

    async def _cancel(self, platform: str, number: int) -> None:
        running = self.running.pop((platform, number))
        await end([running.task])


def soon(seconds: float) -> str:
    """When it is tried again, in words; never "in 0 s"."""
    if seconds < 1.0:
        return "at once"
    return f"in {seconds:.0f} s" if seconds < 120.0 else f"in {seconds / 60:.0f} minutes"
