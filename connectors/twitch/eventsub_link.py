"""The connections over which Twitch tells us: dialled while they are wanted, handed over when the server orders it. See eventsub_session.py.

A conduit's are its shards, and when one of them ends without another to take over, the shell opens all anew. Users' are opened one by one, as their
accounts need them and may have them.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ConnectionClosed

from connectors import socket
from connectors.connector import ConnectorFailure, Dropped, Hint, Unreadable
from connectors.crew import Call, Crew
from connectors.proxy import address_of
from connectors.twitch.eventsub import events_of, hint_of, unreadable
from connectors.twitch.eventsub_check import trials
from connectors.twitch.eventsub_helix import Place
from connectors.twitch.eventsub_keeper import EventSubKeeper
from connectors.twitch.eventsub_session import CLOSING, KEEPALIVE, Seen, Session, with_keepalive
from connectors.twitch.eventsub_users import UsersKeeper
from connectors.twitch.parse import Context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping
    from datetime import datetime

    from connectors.connector import Tools
    from connectors.event import Event
    from connectors.pushing import Pusher, Trial
    from connectors.twitch.eventsub import Notice

LOOK_SECONDS = 0.2
"""How often to look which connections are wanted."""


class Keeper(Protocol):
    """Who knows which connections are wanted, and what for."""

    opts: Any
    tools: Tools

    def connections(self) -> Collection[Place]:
        """Those that should be open now."""
        ...

    def welcomed(self, place: Place, session: str) -> None:
        """It is open, and is to be used within ten seconds."""
        ...

    def gone(self, place: Place, heard: datetime) -> None:
        """It is closed; it last told anything then."""
        ...

    def ended(self, place: Place, error: ConnectorFailure) -> None:
        """It ended, and not by our will; raises when the others must end with it."""
        ...

    def beside(self, directory: Mapping[str, str]) -> Collection[Event]:
        """What must be told beside what the connections tell."""
        ...


class _Link:
    """One connection; ``before`` is the one it takes over from."""

    def __init__(self, place: Place, url: str, seen: Seen, heard: datetime, before: _Link | None = None) -> None:
        self.place = place
        self.url = url
        self.seen = seen
        self.heard = heard
        self.before = before
        self.session: Session | None = None
        self.task: asyncio.Task[None] | None = None
        self.succeeded = False
        """Another connection is on its way."""


class _Sockets:
    """The connections of one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.crew: Crew[tuple[_Link, socket.ClientConnection | bytes | Exception]] = Crew(256)
        self.links: list[_Link] = []

    async def told(self, directory: Callable[[], Mapping[str, str]]) -> AsyncGenerator[Event | Hint, None]:
        """Until the keeper says that one end is everybody's."""
        look_at = -math.inf
        try:
            while True:
                now = asyncio.get_running_loop().time()
                if now >= look_at:
                    self._look()
                    look_at = now + LOOK_SECONDS
                due = min((link.session.deadline for link in self.links if link.session is not None), default=math.inf)
                received = await self.crew.heard(until=min(due, look_at))
                if not isinstance(received, Call) and received[0] in self.links:
                    for item in self._take(*received, directory()):
                        yield item
                for one in self.keeper.beside(directory()):
                    yield one
                self._due()
        finally:
            for link in self.links:
                self.keeper.gone(link.place, link.heard)
            await self.crew.stop()

    def _look(self) -> None:
        """Dial what is wanted, and close what is not any more."""
        wanted = self.keeper.connections()
        for place in wanted:
            if not any(link.place == place for link in self.links):
                opts = self.keeper.opts
                self._dial(_Link(place, with_keepalive(opts.eventsub_url, KEEPALIVE[0]), Seen(), self.keeper.tools.now()))
        for place in {link.place for link in self.links} - {*wanted}:
            self._close(place)

    def _close(self, place: Place) -> None:
        links = [link for link in self.links if link.place == place]
        for link in links:
            self._drop(link)
        self.keeper.gone(place, max(link.heard for link in links))

    def _dial(self, link: _Link) -> None:
        self.links.append(link)
        link.task = self.crew.start(self._read(link))

    async def _read(self, link: _Link) -> None:
        opts, now = self.keeper.opts, self.keeper.tools.now
        try:
            async with socket.connect(
                link.url, now=now, open_seconds=opts.login_timeout_seconds, proxy=address_of(opts.proxy)
            ) as connection:
                await self.crew.say((link, connection))
                async for frame in socket.frames(connection, now=now):
                    await self.crew.say((link, frame))
        except Exception as error:  # noqa: BLE001 - a defect of ours must reach the consumer too, or it would wait for ever
            await self.crew.say((link, _said(error)))

    def _take(
        self, link: _Link, received: socket.ClientConnection | bytes | Exception, directory: Mapping[str, str]
    ) -> list[Event | Hint]:
        tools = self.keeper.tools
        mono, now = asyncio.get_running_loop().time(), tools.now()
        if isinstance(received, Exception):
            self._end(link, received)
            return []
        if not isinstance(received, bytes):
            link.session = Session(link.seen, mono)
            return []
        assert link.session is not None
        welcomed, link.heard = bool(link.session.id), now
        try:
            notice = link.session.receive(received, mono, now)
            items = _items(notice, directory, tools) if notice is not None else []
        except Unreadable as error:
            items = [unreadable(error.reason, received, now)]
        if link.session.id and not welcomed:
            self.keeper.welcomed(link.place, link.session.id)
            if link.before is not None and link.before in self.links:
                self._drop(link.before)
        return items

    def _due(self) -> None:
        """Silence, and orders to move."""
        mono = asyncio.get_running_loop().time()
        for link in [*self.links]:
            if link.session is None:
                continue
            if self.crew.is_silent:
                link.session.tick(mono)
            if link.session.failure is not None:
                self._end(link, link.session.failure)
            elif link.session.reconnect_url and not link.succeeded:
                link.succeeded = True
                self._dial(_Link(link.place, link.session.reconnect_url, link.seen, link.heard, link))

    def _end(self, link: _Link, error: Exception) -> None:
        """One that another takes over from may end; one that could not take over leaves it to the other, until Twitch closes that."""
        if link not in self.links:
            return
        if not isinstance(error, ConnectorFailure):
            raise error
        if link.succeeded:
            self._drop(link)
        elif link.before is not None and link.before in self.links and link.before.session is not None:
            link.before.succeeded, link.before.session.reconnect_url = False, ""
            self._drop(link)
        else:
            self.keeper.ended(link.place, error)
            self._close(link.place)

    def _drop(self, link: _Link) -> None:
        self.links.remove(link)
        if link.task is not None:
            link.task.cancel()


def _items(notice: Notice, directory: Mapping[str, str], tools: Tools) -> list[Event | Hint]:
    hint = hint_of(notice)
    if hint is not None:
        return [hint]
    return list(events_of(notice, Context(tools.now(), tools.pseudonym, directory)))


def _said(error: Exception) -> Exception:
    """A close code in words, where Twitch gives it a meaning."""
    cause = error.__cause__
    if isinstance(error, Dropped) and isinstance(cause, ConnectionClosed) and cause.rcvd and cause.rcvd.code in CLOSING:
        return Dropped(f"{CLOSING[cause.rcvd.code]} (code {cause.rcvd.code})")
    return error


class EventSub(EventSubKeeper):
    """A conduit's keeper with its connections; or webhooks', which has none."""

    @classmethod
    def made(cls, options: Any, tools: Tools, callback: str) -> Pusher:
        return (UserSockets if options.eventsub == "websocket" else cls)(options, tools, callback)

    @classmethod
    def trials(cls, options: Any) -> list[Trial]:
        return trials(options)

    @property
    def holds(self) -> bool:  # type: ignore[override]
        return self._by_conduit

    def told(self, directory: Callable[[], Mapping[str, str]]) -> AsyncGenerator[Event | Hint, None]:
        """Until a connection ends that nobody took over from; raises Dropped or another failure then."""
        return _Sockets(self).told(directory)

    def connections(self) -> Collection[Place]:
        wanted = self.conduit or self._sessions
        return [Place(0, shard) for shard in range(self.opts.eventsub_shards)] if wanted else ()

    def welcomed(self, place: Place, session: str) -> None:
        self.opened(place.number, session)

    def gone(self, place: Place, heard: datetime) -> None:
        self.closed(place.number)

    def ended(self, place: Place, error: ConnectorFailure) -> None:
        raise error

    def beside(self, directory: Mapping[str, str]) -> Collection[Event]:
        return ()


class UserSockets(UsersKeeper):
    """The accounts with their connections."""

    def told(self, directory: Callable[[], Mapping[str, str]]) -> AsyncGenerator[Event | Hint, None]:
        """For as long as we are asked; what ends is opened anew, each by itself."""
        return _Sockets(self).told(directory)

    def connections(self) -> Collection[Place]:
        return self.wants(self.tools.now())

    def welcomed(self, place: Place, session: str) -> None:
        self.opened(place, session)

    def gone(self, place: Place, heard: datetime) -> None:
        self.accounts.closed(place, heard)

    def ended(self, place: Place, error: ConnectorFailure) -> None:
        self.lost(place, error, self.tools.now())

    def beside(self, directory: Mapping[str, str]) -> Collection[Event]:
        return self.accounts.gaps(directory, self.tools.now())
