"""Being told who goes live: keeps the platforms' subscriptions, and holds the connections over which some of them tell.

Runs beside discovery and under its lease. What to ask next is a ``Pusher``'s decision (connectors/pushing.py); here it is sent, paid, and
what must outlive us is remembered. What platforms tell becomes hints for discovery, and events that pass the gate like any other.

Promises: push is a help and never a need: whatever fails here is said once in the log, and broadcasts are found by asking.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping  # noqa: TC003 — of a dataclass
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import connectors
from connectors.connector import ConnectorFailure, Dropped, Hint, Mark, Throttled
from connectors.discovery import Question
from connectors.pacing import backoff
from monitor.channels import Passes
from monitor.gate import Gate
from monitor.push_store import PushStore
from monitor.redis_client import RETRIABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from connectors.connector import Tools
    from connectors.event import Event
    from connectors.pushing import Pusher
    from connectors.rest import Ask, Reply
    from monitor.asking import Asking
    from monitor.channels import Row

log = logging.getLogger("monitor.pushes")

AT_ONCE: Final = 10
"""Requests to one platform in a turn."""
AGAIN_SECONDS: Final = 60.0
"""Longest wait before a connection is opened again."""
MOST_ITEMS: Final = 5000
RETRY_SECONDS: Final = 1.0
"""After Redis did not take what was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One platform, as configuration and discovery want it."""

    options: Any
    callback: str
    """Our public address of it; empty: we have none."""
    channels: Mapping[str, str]
    """Native id → livestream, of those that may be watched."""
    asking: Asking | None
    """How its API is asked; None: it cannot be now."""


@dataclass(slots=True)
class _Active:
    pusher: Pusher
    wanted: Wanted
    reading: asyncio.Task[None] | None = None
    loaded: bool = False
    trouble: str = ""
    ended: str = ""
    """Why its connection ended last, so that the same is not said every minute."""
    standing: int = -1
    unkept: dict[str, str | None] = field(default_factory=dict)
    """What must be remembered and is not yet, because Redis did not take it."""
    items: asyncio.Queue[Event | Hint] = field(default_factory=lambda: asyncio.Queue(MOST_ITEMS))
    """Told and not handed on; bounded, so that the platform feels it when we stand still, and not our memory."""


class Pushes:
    """``follow`` says what is wanted, ``turn`` does what is due, ``pause`` closes everything."""

    def __init__(
        self,
        redis: Any,
        tools: Tools,
        fetch: Callable[[Ask], Awaitable[Reply]],
        put: Callable[[Sequence[Event]], Awaitable[Any]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = PushStore(redis)
        self.gate = Gate()
        self._passes = Passes()
        self._tools, self._fetch, self._put, self._monotonic = tools, fetch, put, monotonic
        self._active: dict[str, _Active] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._said: dict[str, str] = {}
        """Platform → why it cannot tell us, so that it is said once."""

    @property
    def pushers(self) -> Mapping[str, Pusher]:
        """Of the platforms that may tell us."""
        return {name: active.pusher for name, active in self._active.items()}

    def follow(self, wanted: Mapping[str, Wanted]) -> None:
        """What is wanted from now on."""
        for name in self._active.keys() - wanted.keys():
            self._close(name)
        for name, want in wanted.items():
            kind = connectors.pusher_of(name)
            lacking = kind.lacking(want.options, want.callback)
            if lacking:
                if self._said.get(name) != lacking:
                    log.info("%s", lacking)
                self._said[name] = lacking
            active = self._active.get(name)
            if lacking != "" or (active is not None and _other(active.wanted, want)):
                self._close(name)
                active = None
            if lacking == "" and active is None:
                active = self._active[name] = _Active(kind.made(want.options, self._tools, want.callback), want)
            if active is not None:
                active.wanted = want
                active.pusher.watch(want.channels.keys())

    def hear(self, platform: str, hint: Hint) -> bool:
        """What a platform said of one of our subscriptions; False while nobody is there yet who could take it."""
        active = self._active.get(platform)
        if active is None or not active.loaded:
            return False
        active.pusher.hear(hint, self._tools.now())
        return True

    async def turn(self, rows: Mapping[str, Row]) -> None:
        """What is due, once; the platforms at the same time. Raises what Redis raises, and what ends the lease."""
        released = self.gate.update(self._passes.of(rows))
        events = [item for item in (*released, *self.gate.take((), self._monotonic())) if not isinstance(item, Mark)]
        if events:
            await self._put(events)
        await asyncio.gather(*(self._push(name, active) for name, active in list(self._active.items())))

    async def pause(self) -> None:
        """Another does it from now on; returns when everything is closed."""
        for name in list(self._active):
            self._close(name)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close(self, name: str) -> None:
        active = self._active.pop(name, None)
        if active is not None and active.reading is not None:
            self._closing.add(active.reading)
            active.reading.add_done_callback(self._closing.discard)
            active.reading.cancel()

    # --- one platform -------------------------------------------------------------------------------------------------

    async def _push(self, name: str, active: _Active) -> None:
        pusher = active.pusher
        if not active.loaded:
            pusher.load(await self.store.kept(name))
            active.loaded = True
        for _ in range(AT_ONCE):
            if not await self._ask(active):
                break
        active.unkept |= pusher.changes()
        if active.unkept:
            await self.store.keep(name, active.unkept)
            active.unkept = {}
        if active.reading is None and pusher.holds:
            active.reading = asyncio.create_task(self._read(name, active), name=f"{name} tells")
        self._say(name, active)

    async def _ask(self, active: _Active) -> bool:
        """One request; False when there is none now."""
        pusher, asking = active.pusher, active.wanted.asking
        if pusher.with_token and (asking is None or asking.closed or asking.spare < 1) and not (asking and pusher.urgent):
            return False
        ask = pusher.next(self._tools.now())
        if ask is None:
            return False
        failure: ConnectorFailure
        try:
            if pusher.with_token and asking is not None:
                reply = await asking.reply(Question(what="status", ask=ask))
            else:
                reply = await self._fetch(ask)
        except ConnectorFailure as error:
            failure = error
        else:
            if reply is not None:
                pusher.take(reply, self._tools.now())
                return True
            failure = Dropped("the quota of now is used up")
        pusher.failed(failure, self._tools.now())
        return False

    def _say(self, name: str, active: _Active) -> None:
        pusher = active.pusher
        if pusher.trouble != active.trouble:
            if pusher.trouble:
                log.warning("%s", pusher.trouble)
            else:
                log.info("%s tells us again who goes live", name)
            active.trouble = pusher.trouble
        if pusher.standing != active.standing:
            level = logging.INFO if pusher.standing == len(active.wanted.channels) else logging.DEBUG
            log.log(level, "%s tells us who goes live, of %d of %d channels", name, pusher.standing, len(active.wanted.channels))
            active.standing = pusher.standing

    # --- what a connection tells --------------------------------------------------------------------------------------

    async def _read(self, name: str, active: _Active) -> None:
        """Hold the platform's connection for as long as we may, and open it again when it ends."""
        failures = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hand_on(name, active))
                while True:
                    began = self._monotonic()
                    wait = 0.0
                    told = active.pusher.told(lambda: active.wanted.channels)
                    try:
                        async with aclosing(told):
                            async for item in told:
                                await active.items.put(item)
                    except ConnectorFailure as failure:
                        if isinstance(failure, Throttled):
                            wait = (failure.until - self._tools.now()).total_seconds()
                        if failure.reason != active.ended:
                            log.info("the connection over which %s tells us ended: %s", name, failure.reason)
                        active.ended = failure.reason
                    failures = 0 if self._monotonic() - began >= AGAIN_SECONDS else failures + 1
                    wait = max(wait, 1.0, backoff(failures, self._tools.dice, cap=AGAIN_SECONDS))
                    await self._tools.sleep(wait)
        except Exception:  # a fault here must not stop discovery
            log.exception("being told by %s failed in a way that it should not; broadcasts are found by asking", name)

    async def _hand_on(self, name: str, active: _Active) -> None:
        items: list[Event | Hint] = []
        while True:
            items.append(await active.items.get())
            while len(items) < MOST_ITEMS and not active.items.empty():
                items.append(active.items.get_nowait())
            while items:
                try:
                    await self.hand_on(name, items)
                    items.clear()
                except (*RETRIABLE, TimeoutError):
                    await self._tools.sleep(RETRY_SECONDS)

    async def hand_on(self, name: str, items: Iterable[Event | Hint]) -> None:
        """Hints to discovery, events through the gate to the disk."""
        items = list(items)
        await self.store.tell(name, [item for item in items if isinstance(item, Hint)])
        events = [item for item in items if not isinstance(item, Hint)]
        passed = [item for item in self.gate.take(events, self._monotonic()) if not isinstance(item, Mark)]
        if passed:
            await self._put(passed)


def _other(before: Wanted, now: Wanted) -> bool:
    """Whether another pusher is needed."""
    return before.options != now.options or before.callback != now.callback
