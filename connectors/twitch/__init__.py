"""Twitch chat, read anonymously over IRC.

Collected: chat messages and ``/me``, replies, bits, paid pins, subscriptions and gifted subscriptions, raids (as shares),
announcements, deleted messages, timeouts and bans (as removals). Viewers, live or offline, and renames are not said by IRC: discovery
asks Helix for them when there is a key (helix.py), and with the same key Twitch tells us who begins (EventSub, eventsub*.py): the chat
as well, and follows, where a broadcaster let an account of ours in. Not collected: whispers, and copies that Shared Chat makes of messages
written in other rooms.

API: IRC over WebSocket with the capabilities twitch.tv/tags and twitch.tv/commands, https://dev.twitch.tv/docs/chat/irc/,
checked 2026-11-20.

Login: none. ``NICK justinfan<digits>`` reads without an account or a key; this is undocumented but has held since 2016. With
``client_id`` and ``client_secret`` of an application (dev.twitch.tv/console/apps, ten minutes, no review) discovery adds the rest. Accounts
that let the application in (``user_tokens``) may be told instead of it.

Limits: 100 channels per user, so 90 per connection; 20 JOINs in 10 seconds, one too many closes the connection, so 18. 1,000
channels are 12 connections, complete after about 50 seconds. Whether anonymous connections share the JOIN limit per address is
not documented: if connections are closed while joining, lower ``joins_per_10_seconds``.

Message loss: the platform cannot resume. What was said while we were away is lost and recorded as a Gap of each channel. When the
server announces a restart (RECONNECT) a second connection is opened and joined while the first one is still read, so nothing is lost
of the channels that the JOIN limit allows to move before the server closes the first; the others get a Gap.

Quirks: a JOIN to a channel that does not exist is ignored in silence, so a missing confirmation means refused, and is tried again
later. Display names may be empty. One frame may hold several lines. An ordinary IRC server works too (it answers NAK to Twitch's
capabilities): its ``time`` and ``msgid`` tags are used instead.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from connectors import socket
from connectors.connector import Connector, ConnectorFailure, Dropped, Secret
from connectors.crew import Call, Crew
from connectors.foreign import object_of
from connectors.proxy import Proxy, address_of
from connectors.twitch.alone import without_told
from connectors.twitch.answers import answer_events, is_answer
from connectors.twitch.eventsub import parse_document
from connectors.twitch.eventsub_check import plan_of
from connectors.twitch.logged import line_in
from connectors.twitch.loose import line_of, wrapped
from connectors.twitch.parse import Context, parse_line
from connectors.twitch.session import Rooms, Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from connectors.connector import Health, Mark, Tools, Watch
    from connectors.discovery import QuotaPlan
    from connectors.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read Twitch chat; every default works without an account."""

    url: str = "wss://irc-ws.chat.twitch.tv:443"
    """Address of the chat server; ws:// is accepted for servers of one's own."""
    origin: str = ""
    """Origin header to send; empty sends none. Twitch needs none, some IRC servers do."""
    capacity: int = 90
    """Channels per connection; Twitch allows 100 per user."""
    joins_per_10_seconds: int = 18
    """Channels that one connection joins in any ten seconds; Twitch closes it at 21."""
    join_timeout_seconds: float = 10.0
    """A channel whose join is not confirmed in this time does not exist."""
    retry_refused_seconds: float = 300.0
    """When to ask again for a channel that was refused."""
    login_timeout_seconds: float = 20.0
    """How long to wait for the connection, and then for the answer to the login."""
    ping_every_seconds: float = 30.0
    """After so much silence we ask the server whether it is still there."""
    pong_within_seconds: float = 10.0
    """If it says nothing in this time the connection counts as dropped."""
    overlap_seconds: float = 5.0
    """After RECONNECT, how long the old connection is still read once the new one has joined everything."""
    mark_every_seconds: float = 2.0
    """How often the covered time of the channels is reported, so that a restart knows where its gap begins."""
    client_id: Secret | None = None
    """Of an application made at dev.twitch.tv/console/apps; with it live or offline, viewers and renames are known."""
    client_secret: Secret | None = None
    """Of the same application."""
    live_every_seconds: float = 30.0
    """How often each channel is asked for live or offline and its viewers; 1,000 channels are 10 calls, 800 a minute are allowed."""
    helix_url: str = "https://api.twitch.tv/helix"
    """Address of the Helix API."""
    login_url: str = "https://id.twitch.tv/oauth2"
    """Address that gives the token for it."""
    eventsub: Literal["conduit", "webhook", "websocket", "off"] = "conduit"
    """How Twitch tells us who begins, once there is a key: over a connection that we hold (needs no public address), at ``/hooks/twitch``, over
    connections of the accounts of ``user_tokens``, or not."""
    eventsub_url: str = "wss://eventsub.wss.twitch.tv/ws"
    """Address of those connections."""
    eventsub_shards: int = 1
    """How many connections share what is told; one carries thousands of channels."""
    bot_user_id: str = ""
    """User id of an account that gave the application ``user:bot``; then the chat of broadcasters who gave it ``channel:bot`` is told too, and the
    follows where it moderates."""
    user_tokens: Secret | None = field(default=None, metadata={"with": {"eventsub": "websocket"}})
    """For ``"websocket"``: the tokens of accounts that let the application in, one a line; a refresh token lasts, an access token ends after hours.
    With ``user:read:chat`` the chat of who authorised the application is told too, with ``moderator:read:followers`` the follows."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""


TRY_SECONDS = 3.0
"""When trying the login: a channel that is not confirmed in this time does not exist."""

_Received = tuple["_Link", socket.ClientConnection | bytes | Exception]
"""From which connection, and what: that it is open, a frame, or why it ended."""


class _Link:
    """One connection: the task that reads it and, once it is open, its session."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.connection: socket.ClientConnection | None = None
        self.session: Session | None = None
        self.close_at = math.inf


class Twitch(Connector):
    """Up to ``capacity`` channels on one connection; while one connection hands over to the next, on two."""

    name = "twitch"
    options = Options
    capacity = 90
    resumes = False
    reads_headers = True
    tries_at_most = 1  # whether a handle exists is asked of Helix, not of the chat

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        self._rooms = Rooms()
        self._links: list[_Link] = []  # the last one is current, those before it are handing over
        self._crew: Crew[_Received] = Crew(256)

    async def events(self) -> AsyncGenerator[Event | Health | Mark, None]:
        """Messages, marks and states until the connection ends; see the contract."""
        try:
            self._crew.start(self._crew.follow(self.watch))
            self._dial()
            for health in self._retarget():
                yield health
            while self.watch.targets:
                received = await self._crew.heard(until=self._next_due())
                for item in self._take(received):
                    yield item
                for item in self._due():
                    yield item
                await self._settle()
        except ConnectorFailure:
            for item in self._last_marks():
                yield item
            raise
        finally:
            await self._crew.stop()

    async def try_login(self) -> list[Health]:
        self.opts = replace(self.opts, join_timeout_seconds=min(TRY_SECONDS, self.opts.join_timeout_seconds))
        return await super().try_login()

    @classmethod
    def limit(cls, options: Options, channels: int) -> QuotaPlan | None:
        """Of EventSub by users' tokens; the chat itself has room for everybody."""
        return plan_of(options, channels)

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """A frame of one or several lines, as sent or as logged, or JSON of EventSub or Helix.

        The keys of ``livestreams`` are logins, or for JSON also user ids.
        """
        return _parse(raw, Context(tools.now(), tools.pseudonym, livestreams))

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        """EventSub tells gifts and raids in several ways; what came before decides which of them counts."""
        told: set[tuple[str, ...]] = set()
        return lambda raw: _parse(raw, Context(tools.now(), tools.pseudonym, None, told))

    # --- the connections; all that they learn is said to the crew, so that their frames come before their end -----------

    def _dial(self) -> None:
        link = _Link()
        link.task = self._crew.start(self._read(link))
        self._links.append(link)

    async def _read(self, link: _Link) -> None:
        opts, now = self.opts, self.tools.now
        try:
            async with socket.connect(
                opts.url, now=now, open_seconds=opts.login_timeout_seconds, origin=opts.origin, proxy=address_of(opts.proxy)
            ) as connection:
                await self._crew.say((link, connection))
                async for frame in socket.frames(connection, now=now):
                    await self._crew.say((link, frame))
        except Exception as error:  # noqa: BLE001 - a defect of ours must reach the consumer too, or it would wait for ever
            await self._crew.say((link, error))

    def _next_due(self) -> float:
        return min([math.inf, *(min(link.close_at, link.session.wake) for link in self._links if link.session)])

    # --- the steps; what to say and what it means is decided by the sessions ------------------------------------------

    def _retarget(self) -> list[Health]:
        for link in self._links:
            if link.session:
                link.session.wake = 0.0
        return self._rooms.update(self.watch.targets.values())

    def _take(self, said: _Received | Call) -> Sequence[Event | Health | Mark]:
        if isinstance(said, Call):
            return self._retarget() if said is Call.CHANGED else []
        link, received = said
        mono = asyncio.get_running_loop().time()
        if isinstance(received, bytes):
            return link.session.receive(received, mono, self.tools.now()) if link.session else []
        if isinstance(received, Exception):
            self._end(link, received)
        else:
            nick = f"justinfan{self.tools.dice.randrange(10_000, 100_000_000)}"
            link.connection = received
            link.session = Session(self.opts, nick, self._rooms, self.tools.pseudonym, mono)
        return []

    def _due(self) -> list[Event | Health | Mark]:
        mono = asyncio.get_running_loop().time()
        items: list[Event | Health | Mark] = []
        for link in self._links:
            if link.session and link.session.wake <= mono:
                items += link.session.tick(mono, self.tools.now(), drained=self._crew.is_silent)
        return items

    async def _settle(self) -> None:
        """Send what the sessions want to say, end those that failed, and hand over when the server asks for it."""
        for link in tuple(self._links):
            if link.session and link.connection and link.session.out:
                lines, link.session.out = link.session.out, []
                await socket.send(link.connection, lines)
            if link.session and link.session.failure:
                self._end(link, link.session.failure)
        mono = asyncio.get_running_loop().time()
        *old, current = self._links
        if current.session is None:
            return
        if not old and current.session.reconnect:
            self._dial()
        for link in old if current.session.settled else ():
            link.close_at = min(link.close_at, mono + self.opts.overlap_seconds)
            if link.close_at <= mono:
                self._end(link, Dropped("handed over"))

    def _end(self, link: _Link, error: Exception) -> None:
        """The end of the current connection is ours too; one that was handing over ends quietly."""
        if link is self._links[-1]:
            raise error
        if link in self._links:
            self._links.remove(link)
        if link.session:
            link.session.close()
        if link.task:
            link.task.cancel()

    def _last_marks(self) -> list[Event | Health | Mark]:
        return [mark for link in self._links if link.session for mark in link.session.marks()]


def _parse(raw: bytes, context: Context) -> list[Event]:
    if raw.lstrip()[:1] == b"{":
        document = object_of(raw)
        if is_answer(document):
            return answer_events(document, context)
        taken_apart = line_of(document)
        if not taken_apart:
            return parse_document(wrapped(document), context)
        lines = [taken_apart]
    else:
        lines = [line_in(line) for line in raw.decode("utf-8", "replace").split("\n")]
    if context.told is None:
        return [event for line in lines if line for event in parse_line(line, context)]
    events: list[Event] = []
    for line in filter(None, lines):
        found = parse_line(line, context)
        context.told.update(("irc", event.livestream) for event in found if event.livestream)
        events += without_told(found, context.told)
    return events
