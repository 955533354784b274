"""One instance: how it is asked, within its limits, and how far each hashtag's timeline there was read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from connectors.event import Message
from connectors.mastodon import timeline
from connectors.mastodon.parse import Local, read_status, statuses
from connectors.mastodon.timeline import LIMIT
from connectors.rest import Ask, Reply, failure_of, send, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from datetime import datetime

    import aiohttp

    from connectors.connector import Secret, Tools
    from connectors.event import Event
    from connectors.mastodon.parse import Context
    from connectors.mastodon.timeline import Instance
    from connectors.pacing import Bucket

MOST_BACK: Final = 25
"""Pages that are read back at the first start."""


@dataclass(slots=True)
class Reading:
    """One hashtag on one instance."""

    position: str | None = None
    """The highest local id read; None before the first reading."""
    complete_at: datetime | None = None
    """When the last reading that came to the end was begun."""


@dataclass(slots=True, kw_only=True)
class Place:
    """One instance."""

    base: str
    token: Secret | None
    """Only the first instance has one: it is that instance's."""
    main: bool
    tools: Tools
    bucket: Bucket
    answer_seconds: float
    overlap_seconds: float
    """How far each reading reaches back."""
    new: Callable[[Iterable[Event]], list[Event]]
    """Of some events those that were not handed on already, by another way or from another instance."""
    host: str = field(init=False)
    about: Instance = field(init=False)
    asked: bool = False
    local: Local = field(default_factory=Local)
    tags: dict[str, Reading] = field(default_factory=dict)
    closed_until: datetime | None = None
    trouble: str = ""

    def __post_init__(self) -> None:
        self.host = timeline.host_of(self.base)
        self.about = timeline.read_instance(b"", self.base)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def introduce(self, session: aiohttp.ClientSession) -> Reply:
        """What it says about itself; not every server says it."""
        return await self.send(session, timeline.instance_ask(self.base, self.token), may_be_missing=True)

    async def page(self, session: aiohttp.ClientSession, name: str, **page: str) -> tuple[list[Any], Reply]:
        reply = await self.send(session, timeline.timeline_ask(self.base, name, self.token, **page))
        return statuses(reply.body), reply

    async def send(self, session: aiohttp.ClientSession, ask: Ask, *, may_be_missing: bool = False) -> Reply:
        loop = asyncio.get_running_loop()
        while wait := self.bucket.take(loop.time()):
            await self.tools.sleep(wait)
        if self.closed_until is not None and (wait := (self.closed_until - self.tools.now()).total_seconds()) > 0:
            await self.tools.sleep(wait)
        self.closed_until = None
        reply = await send(session, ask, within_seconds=self.answer_seconds)
        if reply.headers.get("x-ratelimit-remaining") == "0" and reply.status < 300:
            without = {name: value for name, value in reply.headers.items() if name != "retry-after"}
            self.closed_until = until(without, self.tools.now())
        if 200 <= reply.status < 300 or (may_be_missing and reply.status in {404, 405, 410}):
            return reply
        key = "the token" if self.token else "requests without a token"
        raise failure_of(reply, self.tools.now(), who=self.host, key=key)

    # --- the timelines ------------------------------------------------------------------------------------------------

    def catch_up(
        self, session: aiohttp.ClientSession, name: str, context: Callable[[], Context], covered: datetime
    ) -> AsyncGenerator[list[Event], None]:
        """What is new above where we stand, page by page; at the first start what was written since ``covered``."""
        reading = self.tags[name]
        if reading.position is None:
            return self._begin(session, name, reading, context, covered)
        return self._go_on(session, name, reading, context, reading.position)

    async def _go_on(
        self, session: aiohttp.ClientSession, name: str, reading: Reading, context: Callable[[], Context], position: str
    ) -> AsyncGenerator[list[Event], None]:
        page = timeline.look_back(position, self.overlap_seconds)
        while True:
            rows, reply = await self.page(session, name, min_id=page)
            told = context()
            fresh = self.new(event for row in reversed(rows) for event in read_status(row, told))
            yield fresh
            following = timeline.above(rows, reply.headers)
            if following is None or timeline.order(following) <= timeline.order(page):
                return
            page = following
            reading.position = position = max(position, page, key=timeline.order)
            if len(rows) < LIMIT and not fresh:
                return  # a short page that brought something may have been cut by a filter: the next one tells

    async def _begin(
        self, session: aiohttp.ClientSession, name: str, reading: Reading, context: Callable[[], Context], covered: datetime
    ) -> AsyncGenerator[list[Event], None]:
        """From where the livestream is covered, and of what is older only the ids, so that deletions are understood."""
        page: dict[str, str] = {}
        position, told = "0", context()
        for _ in range(MOST_BACK):
            rows, reply = await self.page(session, name, **page)
            position = max([position, *timeline.ids(rows)], key=timeline.order)
            events = [event for row in rows for event in read_status(row, told)]
            newer = [event for event in events if event.at >= covered and isinstance(event, Message)]
            yield self.new(newer)
            older = timeline.below(rows, reply.headers)
            if not newer or len(newer) < len(events) or older is None or older == page.get("max_id"):
                break
            page = {"max_id": older}
        reading.position = position
