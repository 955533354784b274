"""Asking one platform: within its quota, with its token, and after a failure not before it makes sense.

Promises: a question is paid before it is sent, because a refused one costs as well; no window of the platform's quota and no day of it
ever holds more than is allowed. The units of a day are added up in a memory that all processes share and that outlives them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec.structs import replace

from connectors.connector import Dropped, Refused, Throttled, Unreadable
from connectors.pacing import Bucket, backoff
from monitor.channel_store import Desk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from connectors.connector import Tools
    from connectors.discovery import Discoverer, Question, Token
    from connectors.rest import Ask, Reply

log = logging.getLogger("monitor.discover")

REFUSED_SECONDS: Final = 300.0
"""A refusal needs a person; it is tried again so often in case one has acted on the platform's side."""


@dataclass(slots=True)
class Asking:
    """One platform; ``fetch`` raises what must end the whole turn."""

    discoverer: Discoverer
    options: Any
    fetch: Callable[[Ask], Awaitable[Reply]]
    tools: Tools
    bucket: Bucket = field(init=False)
    desk: Desk = field(default_factory=Desk)
    failures: int = 0
    not_before: datetime | None = None
    counters: dict[str, int] = field(default_factory=dict)
    _token: Token | None = None

    def __post_init__(self) -> None:
        self.bucket = Bucket(*self.discoverer.quota)

    @property
    def closed(self) -> bool:
        """Whether a failure says that it is too early."""
        return self.not_before is not None and self.tools.now() < self.not_before

    # --- questions ----------------------------------------------------------------------------------------------------

    async def ask(self, question: Question) -> bytes | None:
        """The answer; None when the quota does not allow the question now. Raises one of the three failures."""
        reply = await self.reply(question)
        if reply is None:
            return None
        if not 200 <= reply.status < 300:
            if self.discoverer.says_nothing_there(question, reply):
                return b""
            failure = self.discoverer.failure(reply, self.tools.now())
            if isinstance(failure, Throttled) and self.discoverer.units_per_day is not None:
                await self.tools.memory.put(self._closed, self.discoverer.write_closed(failure))
            raise failure
        return reply.body

    async def reply(self, question: Question) -> Reply | None:
        """The answer whatever its status; None when the quota does not allow the question now. Raises one of the three failures."""
        if not await self._pay(question.cost):
            return None
        reply = await self._send(question)
        if reply.status == 401 and self._token is not None:
            self._token = None  # it ended before its time; a second 401 is a refusal
            if not await self._pay(question.cost):
                return None
            reply = await self._send(question)
        return reply

    async def free(self, question: Question) -> bytes:
        """The answer to a question that costs nothing and carries no token; empty when it is none. Raises when nobody answers."""
        reply = await self.fetch(self._through(question.ask))
        return reply.body if 200 <= reply.status < 300 else b""

    @property
    def spare(self) -> int:
        """What resolving may spend now: half of the window, so that who is live is known while a long list is resolved."""
        return self.bucket.free(self.tools.now().timestamp()) - self.bucket.quota // 2

    async def budget(self) -> int:
        """Units that may be spent now. Raises Throttled when those of the day are gone."""
        free, left = self.bucket.free(self.tools.now().timestamp()), await self.left()
        return free if left is None else min(free, left)

    async def left(self) -> int | None:
        """Units of the day; None where none are counted. Raises Throttled when they are gone."""
        limit = self.discoverer.units_per_day
        if limit is None:
            return None
        await self._heed()
        spent = int(await self.tools.memory.get(self._ledger()) or 0)
        if spent >= limit:
            self.desk = replace(self.desk, spent=spent, per_day=limit)
            raise self._day_is_spent(limit)
        return limit - spent

    async def _send(self, question: Question) -> Reply:
        now = self.tools.now()
        if self._token is None or self._token.expires_at <= now:
            self._token = None
            if (login := self.discoverer.enter()) is not None:
                reply = await self.fetch(self._through(login.ask))
                if not 200 <= reply.status < 300:
                    raise self.discoverer.failure(reply, now)
                self._token = self.discoverer.read_token(reply.body, now)
        return await self.fetch(self._through(self.discoverer.signed(question, self._token)))

    def _through(self, ask: Ask) -> Ask:
        """By the proxy of the platform's section, where it names one."""
        proxy = getattr(self.options, "proxy", None)
        return changed(ask, proxy=proxy) if proxy else ask

    async def _pay(self, cost: int) -> bool:
        limit = self.discoverer.units_per_day
        if limit is not None:
            await self._heed()
        if self.bucket.take(self.tools.now().timestamp(), max(1, cost)):
            return False
        if limit is None:
            self.desk = replace(self.desk, spent=self.desk.spent + cost)
            return True
        spent = await self.tools.memory.add(self._ledger(), cost)
        if spent > limit:
            await self.tools.memory.add(self._ledger(), -cost)
            raise self._day_is_spent(limit)
        self.desk = replace(self.desk, spent=spent, per_day=limit)
        return True

    async def _heed(self) -> None:
        """Raise what the platform told any of us, also one that is gone by now: the day's units are the project's."""
        kept = await self.tools.memory.get(self._closed)
        closed = self.discoverer.read_closed(kept) if kept else None
        if closed is not None and closed.until > self.tools.now():
            raise closed

    @property
    def _closed(self) -> str:
        """The key under which a connector of the platform looks as well."""
        return f"{self.discoverer.name}:closed"

    def _ledger(self) -> str:
        """The same key as a connector of the platform adds to: they spend from one purse."""
        return f"{self.discoverer.name}:units:{self.discoverer.day(self.tools.now())}"

    def _day_is_spent(self, limit: int) -> Throttled:
        return Throttled(f"the {limit} units of the day are spent", self.discoverer.next_day(self.tools.now()))

    # --- how it went --------------------------------------------------------------------------------------------------

    def went_well(self) -> None:
        self.failures = 0
        if self.desk.trouble:
            log.info("discovery on %s works again", self.discoverer.name)
            self.desk = replace(self.desk, trouble="", kind="")

    def went_wrong(self, failure: Exception) -> None:
        """Decide when to ask again, and say once why not now."""
        now = self.tools.now()
        match failure:
            case Throttled():
                self._note("throttled", failure.reason, failure.until)
            case Refused():
                self._note("refused", failure.reason, now + timedelta(seconds=REFUSED_SECONDS))
            case Dropped():
                self._again(failure.reason)
            case Unreadable():
                self._again(f"its answer cannot be read ({failure.reason})")
            case _:  # a fault of one platform's code must not stop the others
                log.error("discovery on %s failed in a way that it should not", self.discoverer.name, exc_info=failure)
                self._again("a fault in our own code; the log has the details")

    def _again(self, reason: str) -> None:
        self.failures += 1
        wait = max(1.0, backoff(self.failures, self.tools.dice, cap=60.0))
        self._note("dropped", reason, self.tools.now() + timedelta(seconds=wait))

    def _note(self, kind: Literal["dropped", "throttled", "refused"], reason: str, until: datetime) -> None:
        self.counters[kind] = self.counters.get(kind, 0) + 1
        if reason != self.desk.trouble:
            log.warning("discovery on %s: %s", self.discoverer.name, reason)
        self.not_before = until
        self.desk = replace(self.desk, kind=kind, trouble=reason)
