"""What platforms send to us: ``/hooks/<name>`` of the role ``serve``.

Promises: a sender gets its 2xx only when what counts of it is on this machine's disk, and any answer within a second of its last byte; when the
disk cannot take more it is told to come again (503 with Retry-After), and what it sends then counts once, because ids are known. A body that
is too long, too slow or packed is not read to its end, and no more than ``MOST_AT_ONCE`` are read at the same time.

What a request is worth is decided by the platform's ``Receiver``, which is pure. Each ``serve`` has a spool of its own; the journal knows
what another one has delivered before. What discovery says of a channel holds here as well (gate.py): what is none of the event's is answered
and forgotten, and what may be of the event waits in memory for two minutes, not on disk; docs/decisions/0003-told-to-us.md. A kill in these
minutes loses it, and the next serve records a Gap (held.py).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

import connectors
from connectors.connector import Answer, Mark, Receiver, Tools, make_pseudonym
from connectors.ending import end
from connectors.event import Unknown
from monitor.channel_store import ChannelStore
from monitor.channels import Passes
from monitor.gate import Gate
from monitor.held import HeldFile
from monitor.hooks_http import READ_SECONDS, as_request, cut, read_body
from monitor.hooks_plan import directories_of, gaps_of, resolved_of, section_of, settings_of
from monitor.produce import Producer
from monitor.push_store import PushStore
from monitor.redis_client import RETRIABLE
from monitor.setup import author_key
from monitor.told import rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from connectors.event import Event
    from monitor.config import Config
    from monitor.roster import Channel, Roster

log = logging.getLogger("monitor.hooks")

PUT_SECONDS: Final = 0.7
"""So long may the disk take before the sender is told to come again; senders wait a second or two."""
MOST_AT_ONCE: Final = 64
MOST_WAITING: Final = 500_000
"""Events on disk that the journal does not have yet; beyond, senders are told to come again."""
STATES_SECONDS: Final = 5.0
FOLLOW_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 3.0
RETRY_AFTER: Final = {"Retry-After": "5"}
LOUD_EVERY: Final = 100
"""Of refusals for the same reason the first one is logged, and then each hundredth."""


class Hooks:
    """The receivers of a configuration, behind HTTP. ``reconfigure`` follows the files."""

    def __init__(
        self,
        producer: Callable[[], Producer],
        tools: Tools,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        read_seconds: float = READ_SECONDS,
        put_seconds: float = PUT_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.producer: Producer | None = None
        """From the first section on that receives: a serve without one needs no spool."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """(section, ``taken`` or the reason of a refusal) → requests."""
        self.gate = Gate()
        self._passes = Passes()
        self._held: HeldFile | None = None
        self._tools, self._now, self._monotonic = tools, now, monotonic
        self._read_seconds, self._put_seconds, self._most_waiting = read_seconds, put_seconds, most_waiting
        self._make_producer = producer
        self._stack = AsyncExitStack()
        self._receivers: dict[str, Receiver] = {}
        self._settings: dict[str, Any] = {}
        self._told: dict[str, Channel] = {}
        """Channels of platforms that only tell us."""
        self._heard: dict[str, datetime] = {}
        self._rows_version = -1
        self._directories: dict[str, dict[str, str]] = {}
        """As the roster has them."""
        self._resolved: dict[str, dict[str, str]] = {}
        """Platform → native id → livestream, as discovery resolved them."""
        self._pushes: PushStore | None = None
        self._channels: ChannelStore | None = None
        self._at_once = 0
        self._putting: set[asyncio.Task[int]] = set()

    async def reconfigure(self, config: Config, roster: Roster) -> None:
        """These sections receive from now on, for these channels."""
        self._directories = directories_of(config, roster)
        wanted = settings_of(config)
        if wanted and self.producer is None:
            self.producer = await self._stack.enter_async_context(self._make_producer())
            self._held = HeldFile(self.producer.path.with_suffix(".held"))
            await self.producer.put(gaps_of(self._held.left(), roster, self._now()))
            self._held.note({})
        for name in self._receivers.keys() - wanted.keys():
            del self._receivers[name]
        for name, options in wanted.items():
            receiver = self._receivers.get(name)
            if receiver is None or self._settings.get(name) != options:
                kind = connectors.receiver_of(name)
                try:
                    receiver = kind(kind.options(**options), {}, self._tools)
                except ValueError as error:  # an option that only the receiver can judge, such as a key
                    log.error("[%s]: %s", name, error)  # noqa: TRY400 — a person's mistake has no traceback
                    self._receivers.pop(name, None)
                    continue
                self._receivers[name] = receiver
        self._settings = wanted
        self._direct()
        self._told = {
            channel.id: channel
            for channel in roster.watchable(config.require_consent)
            if channel.platform in wanted and connectors.kind_of(channel.platform) not in connectors.PLATFORMS
        }

    def _direct(self) -> None:
        """Say again who may be read; what discovery resolved is that of the roster's own channels only."""
        for receiver in self._receivers.values():
            known = self._directories.get(receiver.platform, {})
            mine = set(known.values())
            more = {key: name for key, name in self._resolved.get(receiver.platform, {}).items() if name in mine}
            receiver.directory = known | more

    @property
    def names(self) -> tuple[str, ...]:
        """Sections that receive."""
        return tuple(self._receivers)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Before any route that takes every path."""
        router.add_route("*", "/hooks/{name}", self.take)
        router.add_route("*", "/hooks/{name}/{rest:.*}", self.take)

    async def note_states(self, redis: Any) -> None:
        """Say again and again which channels are live and which wait; collect does it for those that it connects to."""
        while True:
            with suppress(*RETRIABLE):
                await self.note_states_once(redis)
            await asyncio.sleep(STATES_SECONDS)

    async def note_states_once(self, redis: Any) -> None:
        """One round of it."""
        if self._told:
            names = list(self._told)
            known = dict(zip(names, await redis.hmget("{livestreams}", names), strict=True))
            written = rows(self._told.values(), self._heard, known, self._now())
            if written:
                await redis.hset("{livestreams}", mapping=written)

    async def look_first(self, redis: Any) -> None:
        """Before the first request: else what nobody may read would be counted in the first second."""
        with suppress(*RETRIABLE, TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self.look_at_channels(redis)

    async def follow_channels(self, redis: Any) -> None:
        """Obey again and again what discovery says of who may be read."""
        while True:
            with suppress(*RETRIABLE):
                await self.look_at_channels(redis)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def look_at_channels(self, redis: Any) -> None:
        """One round of it. While Redis is away, what was known stays in force."""
        released: list[Event | Mark] = []
        self._pushes = PushStore(redis)
        try:
            if self._channels is None or self._channels.redis is not redis:
                self._channels = ChannelStore(redis)
            store = self._channels
            if self._receivers and (version := await store.version()) != self._rows_version:
                rows = await store.rows()
                released += self.gate.update(self._passes.of(rows))
                self._rows_version = version
                self._resolved = resolved_of(rows)
                self._direct()
        finally:
            await self._let_go([*released, *self.gate.take((), self._monotonic())])

    def _noted(self, *, and_before: bool = False) -> bool:
        """Whether it stands on disk of whom something waits in memory."""
        try:
            if self._held is not None and and_before:
                self._held.add(self.gate.newly_held())
            elif self._held is not None:
                self._held.note(self.gate.held_since())
        except OSError:
            return False
        return True

    async def _let_go(self, items: Iterable[Event | Mark]) -> None:
        """What was held and is of the event goes to the disk; nobody waits for an answer."""
        events = [item for item in items if not isinstance(item, Mark)]
        if events and self.producer is not None:
            self._heard_of(events)
            await self.producer.put(events)
        self._noted()

    async def close(self) -> None:
        """Wait for what is being written, for as long as a sender would have. What is held and of no known broadcast is forgotten."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._put_seconds):
                await self._let_go(self.gate.take((), math.inf))
        if self._putting:
            await asyncio.wait(set(self._putting), timeout=self._put_seconds)
        await end(self._putting)
        await self._stack.aclose()

    # --- one request ----------------------------------------------------------------------------------------------------

    async def take(self, request: web.Request) -> web.Response:
        """Read, judge, write to disk, answer."""
        name = section_of(request.match_info["name"], self._receivers)
        if name is None or self.producer is None:
            return self._refuse(
                "", 404, "unknown", "Nothing receives here; the name must be that of a section such as [webhook.NAME].\n"
            )
        if self.producer.waiting >= self._most_waiting or max(self._at_once, len(self._putting)) >= MOST_AT_ONCE:
            return self._later(name, "full")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return self._refuse(
                name, 415, "packed", "Send it without Content-Encoding; the signature covers the bytes as they come.\n"
            )
        self._at_once += 1
        try:
            body = await read_body(request, self._read_seconds)
            if isinstance(body, web.Response):
                self.counts[name, "too_slow" if body.status == 408 else "too_large"] += 1
                return body
            receiver = self._receivers[name]
            answer = receiver.receive(as_request(request, body), self._now())
            if answer.hints and not await self._told_discovery(receiver.platform, answer):
                return self._later(name, "away")
            return await self._answer(name, answer, self.producer)
        finally:
            self._at_once -= 1

    async def _answer(self, name: str, answer: Answer, producer: Producer) -> web.Response:
        if answer.events:
            unknown = sum(isinstance(event, Unknown) for event in answer.events)
            self.counts[name, "unknown_events"] += unknown
            passed = self.gate.take(answer.events, self._monotonic())
            if not self._noted(and_before=True):
                return self._later(name, "full")
            events = [item for item in passed if not isinstance(item, Mark)]
            if events and not await self._on_disk(producer, events):
                return self._later(name, "full")
            self._heard_of(events)
        reason = answer.reason or ("taken" if answer.status < 300 else str(answer.status))
        if answer.status >= 300:
            self._say(name, reason)
        self.counts[name, reason] += 1
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    async def _told_discovery(self, platform: str, answer: Answer) -> bool:
        """Whether the hints are where discovery looks; a sender that is told to come again brings them again."""
        if self._pushes is None:
            return False
        try:
            async with asyncio.timeout(self._put_seconds):
                await self._pushes.tell(platform, answer.hints)
        except (*RETRIABLE, TimeoutError):
            return False
        return True

    def _heard_of(self, events: Iterable[Event]) -> None:
        now = self._now()
        self._heard.update((event.livestream, now) for event in events if event.livestream in self._told)

    async def _on_disk(self, producer: Producer, events: Sequence[Event]) -> bool:
        """Whether they are on disk in time. What comes too late is written all the same: sent again, it is known."""
        put = asyncio.create_task(producer.put(events))
        self._putting.add(put)
        put.add_done_callback(self._putting.discard)
        done, _ = await asyncio.wait({put}, timeout=self._put_seconds)
        if not done:
            return False
        put.result()
        return True

    def _later(self, name: str, reason: str) -> web.Response:
        self.counts[name, reason] += 1
        self._say(name, reason)
        return cut(
            web.Response(status=503, headers=RETRY_AFTER, text="We cannot take more now; send it again in a few seconds.\n")
        )

    def _refuse(self, name: str, status: int, reason: str, text: str) -> web.Response:
        self.counts[name, reason] += 1
        self._say(name, reason)
        return cut(web.Response(status=status, text=text))

    def _say(self, name: str, reason: str) -> None:
        """Once, and then seldom: who sends nonsense a thousand times a second must not fill the log."""
        seen = self.counts[name, f"said_{reason}"]
        self.counts[name, f"said_{reason}"] += 1
        if seen % LOUD_EVERY == 0:
            log.warning("/hooks/%s: a request was not taken: %s", name or "…", reason)


class HookCollector(Collector):
    """``/metrics`` of what was sent to us; the labels are names of sections and reasons from fixed sets."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        text = "Requests to /hooks by section and what became of them; taken: the events are on disk."
        requests = CounterMetricFamily("livestream_hook_requests", text, labels=["section", "result"])
        counts = {(name, "taken"): 0 for name in self._hooks.names}
        counts |= {key: count for key, count in self._hooks.counts.items() if not key[1].startswith(("said_", "unknown_"))}
        for (section, result), count in sorted(counts.items()):
            requests.add_metric([section or "none", result], count)
        yield requests


# --- in serve -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(config: Config, roster: Roster, *, redis_url: str, data_dir: Path) -> AsyncGenerator[Hooks, None]:
    """Hooks for as long as the role runs."""

    def producer() -> Producer:
        return Producer(redis_url, data_dir / "spool", config.partitions, name="serve", most_waiting=MOST_WAITING)

    hooks = Hooks(producer, Tools(pseudonym=make_pseudonym(author_key(data_dir)), dice=random.Random()))
    try:
        await hooks.reconfigure(config, roster)
        yield hooks
    finally:
        await hooks.close()
