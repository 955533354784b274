"""The connections over which Twitch's conduit tells us: one websocket a shard, handed over when the server orders it. See eventsub_session.py."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from connectors import socket
from connectors.connector import Dropped, Hint, Unreadable
from connectors.crew import Call, Crew
from connectors.proxy import address_of
from connectors.twitch.eventsub import events_of, hint_of, unreadable
from connectors.twitch.eventsub_keeper import EventSubKeeper
from connectors.twitch.eventsub_session import CLOSING, KEEPALIVE, Seen, Session, with_keepalive
from connectors.twitch.parse import Context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from connectors.event import Event
    from connectors.twitch.eventsub import Notice

WAIT_SECONDS = 0.5
"""How often to look whether there is a conduit to connect to."""


class _Link:
    """One connection of a shard; ``before`` is the one it takes over from."""

    def __init__(self, shard: int, url: str, seen: Seen, before: _Link | None = None) -> None:
        self.shard = shard
        self.url = url
        self.seen = seen
        self.before = before
        self.session: Session | None = None
        self.task: asyncio.Task[None] | None = None
        self.succeeded = False
        """Another connection is on its way."""


_Received = tuple[_Link, socket.ClientConnection | bytes | Exception]


class EventSub(EventSubKeeper):
    """The keeper with its connections."""

    @property
    def holds(self) -> bool:  # type: ignore[override]
        return self._by_conduit

    async def told(self, directory: Callable[[], Mapping[str, str]]) -> AsyncGenerator[Event | Hint, None]:
        """Until a connection ends that nobody took over from; raises Dropped or another failure then."""
        while not self.conduit:
            await self.tools.sleep(WAIT_SECONDS)
        crew: Crew[_Received] = Crew(256)
        links: list[_Link] = []

        def dial(link: _Link) -> None:
            links.append(link)
            link.task = crew.start(self._read(link, crew))

        try:
            for shard in range(self.opts.eventsub_shards):
                dial(_Link(shard, with_keepalive(self.opts.eventsub_url, KEEPALIVE[0]), Seen()))
            while True:
                due = min((link.session.deadline for link in links if link.session is not None), default=math.inf)
                received = await crew.heard(until=due)
                if not isinstance(received, Call) and received[0] in links:
                    for item in self._take(*received, links, directory()):
                        yield item
                mono = asyncio.get_running_loop().time()
                for link in [*links]:
                    if link.session is None:
                        continue
                    if crew.is_silent:
                        link.session.tick(mono)
                    if link.session.failure is not None:
                        self._end(link, link.session.failure, links)
                    elif link.session.reconnect_url and not link.succeeded:
                        link.succeeded = True
                        dial(_Link(link.shard, link.session.reconnect_url, link.seen, link))
        finally:
            for link in links:
                self.closed(link.shard)
            await crew.stop()

    async def _read(self, link: _Link, crew: Crew[_Received]) -> None:
        now = self.tools.now
        try:
            async with socket.connect(
                link.url, now=now, open_seconds=self.opts.login_timeout_seconds, proxy=address_of(self.opts.proxy)
            ) as connection:
                await crew.say((link, connection))
                async for frame in socket.frames(connection, now=now):
                    await crew.say((link, frame))
        except Exception as error:  # noqa: BLE001 - a defect of ours must reach the consumer too, or it would wait for ever
            await crew.say((link, _said(error)))

    def _take(
        self, link: _Link, received: socket.ClientConnection | bytes | Exception, links: list[_Link], directory: Mapping[str, str]
    ) -> list[Event | Hint]:
        mono, now = asyncio.get_running_loop().time(), self.tools.now()
        if isinstance(received, Exception):
            self._end(link, received, links)
            return []
        if not isinstance(received, bytes):
            link.session = Session(link.seen, mono)
            return []
        assert link.session is not None
        welcomed = bool(link.session.id)
        try:
            notice = link.session.receive(received, mono, now)
            items = self._items(notice, directory) if notice is not None else []
        except Unreadable as error:
            items = [unreadable(error.reason, received, now)]
        if link.session.id and not welcomed:
            self.opened(link.shard, link.session.id)
            if link.before is not None and link.before in links:
                links.remove(link.before)
                if link.before.task is not None:
                    link.before.task.cancel()
        return items

    def _items(self, notice: Notice, directory: Mapping[str, str]) -> list[Event | Hint]:
        hint = hint_of(notice)
        if hint is not None:
            return [hint]
        return list(events_of(notice, Context(self.tools.now(), self.tools.pseudonym, directory)))

    def _end(self, link: _Link, error: Exception, links: list[_Link]) -> None:
        """A connection that another takes over from may end; any other end is everybody's."""
        if not link.succeeded:
            raise error
        links.remove(link)
        if link.task is not None:
            link.task.cancel()


def _said(error: Exception) -> Exception:
    """A close code in words, where Twitch gives it a meaning."""
    cause = error.__cause__
    if isinstance(error, Dropped) and isinstance(cause, ConnectionClosed) and cause.rcvd and cause.rcvd.code in CLOSING:
        return Dropped(f"{CLOSING[cause.rcvd.code]} (code {cause.rcvd.code})")
    return error
