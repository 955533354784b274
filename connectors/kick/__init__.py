"""Kick: chat, follows, subscriptions, gifts, bans and broadcasts by official webhooks; the public chat socket as a second source, off by default.

Collected: chat messages and replies, follows, subscriptions (new, renewed, gifted), Kicks (gifts, in KICKS), live and ended,
bans (as removals of what the author wrote in the ten minutes before). Deleted messages and cleared chats only with
``pusher = true``: the official webhooks do not say them. Not collected: channel
points, polls, pins, titles, hosts (except by Pusher, as shares). Viewers are discovery's.

API: https://docs.kick.com (webhooks, channels, subscriptions; sources in KickEngineering/KickDevDocs), checked 2026-11-20. The public
socket is Pusher protocol 7 as kick.com's own page uses it: undocumented, unauthenticated.

Login: an app of one's own (kick.com, Settings, Developer): ``client_id`` and ``client_secret``, and in the app the webhook address
``https://<our public address>/hooks/kick``. No broadcaster has to consent technically; the roster's consent holds. ``pusher`` needs no login.

Limits: 1,000 chat subscriptions for an app that Kick has not verified, 10,000 for a verified one; status fifty channels a call, viewers
refresh about once a minute. Kick ends all subscriptions of an address that failed for a day, so they are listed and mended every few minutes.

Message loss and resume: Kick sends a webhook up to three times, has a record of delays and of silent loss in busy chats, and cannot resume.
The webhooks are received by ``monitor serve``, so a restart of a collector loses none. The socket sends nothing again: while it is the only
source each drop is a Gap; beside the webhooks it is not, because what it missed they bring.

Quirks: one signing key for all apps of the world, so only broadcasters of the roster are taken. A message has the same id in both
sources (the platform's documents do not promise it). The chatroom id that the socket needs is in no official answer: the roster's
``native_id`` may be ``<broadcaster id>/<chatroom id>``. An unknown slug fails a whole batch, so slugs are asked one by one.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from websockets.exceptions import ConnectionClosed

from connectors import socket
from connectors.connector import Connector, ConnectorFailure, Dropped, Health, Refused, Secret
from connectors.crew import Call, Crew
from connectors.kick import api
from connectors.kick.answers import parse_any
from connectors.kick.both import Both
from connectors.kick.channel import ids_of
from connectors.kick.desk import Desk
from connectors.kick.parse import Context
from connectors.kick.pusher import Session, closing
from connectors.proxy import Proxy, address_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from connectors.connector import Mark, Target, Tools, Watch
    from connectors.discovery import QuotaPlan
    from connectors.event import Event

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq/+l1WnlRrGSolDMA+A8
6rAhMbQGmQ2SapVcGM3zq8ANXjnhDWocMqfWcTd95btDydITa10kDvHzw9WQOqp2
MZI7ZyrfzJuz5nhTPCiJwTwnEtWft7nV14BYRDHvlfqPUaZ+1KR4OCaO/wWIk/rQ
L/TjY0M70gse8rlBkbo2a8rKhu69RQTRsoaf4DVhDPEeSeI5jVrRDGAMGL3cGuyY
6CLKGdjVEM78g3JfYOvDU/RvfqD7L89TZ3iN94jrmWdGz34JNlEI5hqK8dd7C5EF
BEbZ5jgB8s8ReQV8H+MkuffjdAj3ajDDX3DOJMIut1lBrUVD1AaSrGCKHooWoL2e
twIDAQAB
-----END PUBLIC KEY-----
"""
"""Kick's, from its documentation of webhook security; the same for all apps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read Kick. With ``client_id`` and ``client_secret`` everything official works."""

    client_id: str = ""
    """Of the app: kick.com, Settings, Developer."""
    client_secret: Secret | None = None
    """Of the app; as ``{ env = "KICK_CLIENT_SECRET" }``."""
    public_key: str = PUBLIC_KEY
    """The key that Kick signs webhooks with; only to be set when Kick changes it (``GET /public/v1/public-key`` tells it)."""
    window_seconds: float = 300.0
    """A webhook whose time is further from ours is refused, so that an old one cannot be played again."""
    live_every_seconds: float = 60.0
    """How often discovery asks which channels are live, with how many viewers; Kick refreshes viewers about once a minute."""
    subscriptions_seconds: float = 300.0
    """How often the subscriptions are listed and mended."""
    pusher: bool = False
    """Read the public chat socket too: an undocumented route, see docs/connectors.md for what it breaks."""
    pusher_url: str = "wss://ws-us2.pusher.com/app/32cbd69e4b950bf97679?protocol=7&client=js&version=8.4.0&flash=false"
    """The socket of kick.com's own page; the key in it may change."""
    capacity: int = 100
    """Channels per connection."""
    answer_seconds: float = 20.0
    """How long to wait for an answer of the socket or of the API."""
    mark_every_seconds: float = 2.0
    """How often the covered time of the channels is reported, so that a restart knows where its gap begins."""
    api: str = "https://api.kick.com"
    """Address of the API."""
    login: str = "https://id.kick.com"
    """Address of the login."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""


_Received = socket.ClientConnection | bytes | list[Any]
"""From the socket, that it is open, or a frame; what the API gave, as items."""


class Kick(Connector):
    """Keeps the webhooks of its channels subscribed; with ``pusher`` it also reads their chats."""

    name = "kick"
    options = Options
    capacity: ClassVar[int | None] = 100
    needs: ClassVar[tuple[str, ...]] = ("client_id", "client_secret")
    resumes: ClassVar[bool] = False
    reads_headers: ClassVar[bool] = True

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        self._official = bool(options.client_id and options.client_secret)
        self._crew: Crew[_Received] = Crew(256)
        self._session: Session | None = None
        self._connection: socket.ClientConnection | None = None
        self._desk = Desk(options, tools)

    async def try_login(self) -> list[Health]:
        """The app and the list of what it is subscribed to; nothing is subscribed. With ``pusher`` the socket too."""
        official = self._official
        if official:
            await self._desk.look()
            if not self.opts.pusher:
                return []
            self._official = False  # from here on only the socket, which changes nothing at Kick
        found = await super().try_login()
        return [health for health in found if health.state == "live"] if official else found

    @classmethod
    def limit(cls, options: Options, channels: int) -> QuotaPlan | None:
        """Chats that Kick sends to an app that it has not verified; the socket alone has no such limit."""
        return api.plan(channels) if options.client_id and options.client_secret else None

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """A webhook's body, a webhook with its headers, a frame of the socket, or an answer; the keys of ``livestreams`` are broadcaster ids."""
        return parse_any(raw, Context(tools.now(), tools.pseudonym, livestreams))

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        """Webhooks and the socket tell gifts without an id in common; what came before decides which of them counts."""
        both = Both()
        return lambda raw: both.new_of(cls.parse(raw, tools))

    async def events(self) -> AsyncGenerator[Event | Health | Mark, None]:
        """States and, with ``pusher``, messages, until a connection ends; see the contract."""
        if not self._official and not self.opts.pusher:
            raise Refused("Kick needs client_id and client_secret of an app (kick.com, Settings, Developer)")
        try:
            for health in self._unreadable_targets():
                yield health
            works = [self._read_socket()] if self.opts.pusher else []
            works += [self._read_api()] if self._official else []
            async with aclosing(self._crew.at_work(self.watch, *works, until=self._wake)) as heard:
                async for received in heard:
                    for item in self._take(received):
                        yield item
                    for item in self._due():
                        yield item
                    await self._settle()
        except ConnectorFailure:
            for mark in self._session.marks() if self._session else ():
                yield mark
            raise

    def _wake(self) -> float:
        return self._session.wake if self._session else math.inf

    # --- the tasks ----------------------------------------------------------------------------------------------------

    async def _read_socket(self) -> None:
        now = self.tools.now
        try:
            url, seconds = self.opts.pusher_url, self.opts.answer_seconds
            proxy = address_of(self.opts.proxy)
            async with socket.connect(url, now=now, open_seconds=seconds, origin="https://kick.com", proxy=proxy) as connection:
                await self._crew.say(connection)
                async for frame in socket.frames(connection, now=now):
                    await self._crew.say(frame)
        except Dropped as error:
            raise _said_by_pusher(error, self.tools) from error.__cause__

    async def _read_api(self) -> None:
        """One round after the other. Beside the socket a failed round is skipped, but not three in a row."""
        failures = 0
        async with aclosing(self._desk.rounds(lambda: tuple(self.watch.targets.values()))) as rounds:
            async for result in rounds:
                failures = failures + 1 if isinstance(result, ConnectorFailure) else 0
                if not isinstance(result, ConnectorFailure):
                    await self._crew.say(result)
                elif isinstance(result, Refused) or not self.opts.pusher or failures >= 3:
                    raise result

    # --- the steps ----------------------------------------------------------------------------------------------------

    def _take(self, received: _Received | Call) -> list[Event | Health | Mark]:
        mono = asyncio.get_running_loop().time()
        match received:
            case bytes():
                return self._session.receive(received, mono, self.tools.now()) if self._session else []
            case list():
                return received
            case Call.DUE:
                return []
            case Call.CHANGED:
                self._desk.hurry.set()
                return [*self._session.update(self._rooms()), *self._unreadable_targets()] if self._session else []
        self._connection = received
        self._session = Session(
            self.tools.pseudonym, mono, answer_seconds=self.opts.answer_seconds, mark_seconds=self.opts.mark_every_seconds,
            alone=not self._official,
        )  # fmt: skip
        return list(self._session.update(self._rooms()))

    def _due(self) -> list[Event | Health | Mark]:
        mono = asyncio.get_running_loop().time()
        if self._session is None or self._session.wake > mono or not self._crew.is_silent:
            return []  # a mark must not pass frames that wait
        return self._session.tick(mono, self.tools.now())

    async def _settle(self) -> None:
        session = self._session
        if session and self._connection and session.out:
            texts, session.out = session.out, []
            await socket.send(self._connection, texts)
        if session and session.failure:
            raise session.failure

    def _rooms(self) -> dict[str, Target]:
        found = ((ids_of(target).chatroom_id, target) for target in self.watch.targets.values())
        return {room: target for room, target in found if room}

    def _unreadable_targets(self) -> list[Health]:
        """Without an app a channel can be read only by its chatroom id."""
        if self._official:
            return []
        reason = "the chatroom id is missing; put <broadcaster id>/<chatroom id> into native_id of the roster, or set client_id"
        targets = self.watch.targets.values()
        return [Health(livestream=t.livestream, state="refused", reason=reason) for t in targets if not ids_of(t).chatroom_id]


def _said_by_pusher(error: Dropped, tools: Tools) -> ConnectorFailure:
    """The meaning of a close code is the protocol's, where there is one."""
    cause = error.__cause__
    if isinstance(cause, ConnectionClosed) and cause.rcvd and 4000 <= cause.rcvd.code < 4300:
        return closing(cause.rcvd.code, tools.now())
    return error
