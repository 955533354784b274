"""Bluesky posts over Jetstream: what watched authors post, and what anybody posts with a watched hashtag.

Collected: new posts (replies are posts too), their deletion, and accounts that vanish. Not collected: likes, reposts, follows
(``wantedCollections`` asks for ``app.bsky.feed.post`` only; in a capture they are read), and edits: a changed record is not a second appearance, so it is
counted as ``Unknown("update")`` and the first text stays.

API: Jetstream, the v1 wire ``/subscribe`` (https://github.com/bluesky-social/jetstream, checked 2026-11-20). No login, no key.

Limits: 10,000 authors on one socket. The server cannot filter by hashtag, so with a hashtag all posts of the network come in (some
hundreds a second, thousands while catching up) and are matched here; a core reads 300,000 a second.

Resume: the cursor is the server's time of an event in microseconds. It does not grow monotonically and differs a little between hosts, so
the highest one is stored, and reading resumes ``overlap_seconds`` before it; what comes twice has the same id. The server moves a
cursor that is too old (36 h) forward without a word: with hashtags the first frame shows it, with authors alone the cursor's
age; both become a Gap.

Deletions carry no text. Those of roster authors are passed on always; those of others when the post was passed on, or may have been by an
earlier process: its record key, which holds the time of writing, is older than our memory. When an account vanishes, its posts in memory
are retracted one by one; of a roster author also whatever else the journal still finds by author.

Quirks: a host sometimes goes silent without closing. With hashtags ``silence_seconds`` without a frame drop the connection; authors alone
may really be silent, so there the socket is renewed from the cursor, at the next host, every ``renew_seconds`` of silence. ``createdAt`` is
the client's word and not used. Handles change: an author is known by DID (``native_id`` in the roster).
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

import orjson
from websockets.exceptions import WebSocketException

from connectors.bluesky.passed import Passed
from connectors.bluesky.views import captured_events
from connectors.bluesky.wire import POSTS, Frame, Reading, decode, events_of, fold, removed_post
from connectors.connector import Connector, ConnectorFailure, Dropped, Health, Mark, Target, Tools, Unreadable, Watch
from connectors.event import Event, Gap, Message, Removed, Unknown
from connectors.proxy import Proxy, address_of
from connectors.socket import ClientConnection, connect, failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

PUBLIC_HOSTS = tuple(f"wss://jetstream{n}.us-{coast}.bsky.network/subscribe" for coast in ("east", "west") for n in (1, 2))
LARGEST_MESSAGE = 1_000_000
"""The server is asked to leave out what is larger: a frame above our own limit would close the socket again and again at the same cursor."""
LONGEST_URL = 4_000
"""With more authors than fit, the filter goes in the first frame (``requireHello``)."""
LATE_FIRST_FRAME_US = 60_000_000
"""All posts of the network are never silent for so long: the first one later than this after the cursor means that the cursor was moved."""
FAR_AHEAD_US = 600_000_000
"""A cursor in the future means "live" to the server: such a time is not stored."""
TRY_SECONDS = 2.0
"""When trying whether a host can be reached."""
UNRESOLVED = "the handle is not resolved to a DID yet; put native_id in the roster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    url: str | tuple[str, ...] = PUBLIC_HOSTS
    """Address of the Jetstream host, or several that are tried in turn."""
    directory_url: str = "https://public.api.bsky.app"
    """Where ``monitor roster check`` asks which account a handle is; public, without a key."""
    capacity: int = 10_000
    """Most authors and hashtags on one socket."""
    overlap_seconds: float = 5.0
    """Reading resumes this much before the stored cursor, because the server's times are not in order."""
    silence_seconds: float = 20.0
    """With hashtags: no frame for so long means that the host is stuck."""
    renew_seconds: float = 900.0
    """With authors only: after so much silence the socket is opened anew from the cursor, at the next host."""
    lookback_hours: float = 36.0
    """How far back the server can go; an older cursor becomes a Gap."""
    ping_seconds: float = 20.0
    """A ping that is not answered for so long means that the connection is dead."""
    mark_seconds: float = 1.0
    """How often the cursor is handed on for storing."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""


class Bluesky(Connector):
    """All watched authors and hashtags over one Jetstream socket."""

    name = "bluesky"
    options = Options
    capacity: ClassVar[int | None] = 10_000
    resumes: ClassVar[bool] = True

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        self._hosts = (options.url,) if isinstance(options.url, str) else tuple(options.url)
        self._host = tools.dice.randrange(len(self._hosts))
        self._covered: dict[str, int] = {}
        """Livestream → cursor up to which it was handed on; only targets of now."""
        self._targets: Mapping[str, Target] = {}
        """What is read now. ``watch.targets`` may be newer: a cursor must not be marked for those before they are read."""
        self._shown: dict[str, Health] = {}
        self._resolved: dict[str, str] = {}
        """Handle → DID, learnt from identity frames."""
        self._learnt = False
        self._handles: dict[str, str] = {}
        self._passed = Passed()
        self._reading = Reading(livestreams={})

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        return captured_events(raw, tools, Reading(livestreams=livestreams, watched=frozenset(livestreams or ())))

    async def events(self) -> AsyncIterator[Event | Mark | Health]:
        self._shown.clear()
        while True:
            self._aim()
            for health in self._healths("connecting"):
                yield health
            if not self._reading.watched and not self._reading.tags:
                await self.watch.changed()  # nothing to ask for: an empty filter would ask for everything
                continue
            async with aclosing(self._session()) as session:
                async for item in session:
                    yield item

    async def try_login(self) -> list[Health]:
        """One host that takes the connection is enough; none of them is asked for anything."""
        trouble: ConnectorFailure | None = None
        for host in self._hosts:
            opened = connect(
                f"{host}?requireHello=true", now=self.tools.now, open_seconds=TRY_SECONDS, proxy=address_of(self.opts.proxy)
            )
            try:
                async with opened:
                    return []
            except ConnectorFailure as failure:
                trouble = failure
        assert trouble is not None
        raise trouble

    # --- what is asked for --------------------------------------------------------------------------------------------

    def _did(self, target: Target) -> str | None:
        return target.native_id or self._resolved.get(target.handle.lstrip("@").casefold())

    def _aim(self) -> None:
        """Work out from the targets what to read."""
        self._targets = targets = self.watch.targets
        authors = {did: target for target in targets.values() if not is_hashtag(target) and (did := self._did(target))}
        self._handles.update((did, target.handle.lstrip("@")) for did, target in authors.items() if target.handle != did)
        self._reading = Reading(
            livestreams={did: target.livestream for did, target in authors.items()} | dict(self.watch.directory),
            watched=frozenset(authors),
            tags=frozenset(fold(target.handle) for target in targets.values() if is_hashtag(target)),
            handles=self._handles,
        )
        self._covered = {livestream: at for livestream, at in self._covered.items() if livestream in targets}
        self._shown = {livestream: health for livestream, health in self._shown.items() if livestream in targets}
        self._learnt = False

    def _healths(self, state: str) -> Iterator[Health]:
        """The targets whose state is not the one that was shown last."""
        for livestream, target in self._targets.items():
            known = is_hashtag(target) or self._did(target)
            health = Health(
                livestream=livestream, state=state if known else "refused", reason="" if known else UNRESOLVED
            )  # fmt: skip
            shown = self._shown.get(livestream)
            if shown != health and not (shown and shown.state == "live" and state == "connecting"):
                self._shown[livestream] = health
                yield health

    def _readable(self) -> Iterator[tuple[str, int | None]]:
        """(livestream, where it stands) of the targets that are asked for."""
        for livestream, target in self._targets.items():
            if is_hashtag(target) or self._did(target):
                yield livestream, self._covered.get(livestream, position_of(target))

    def _filter(self) -> dict[str, list[str]]:
        return {"wantedCollections": [POSTS], "wantedDids": [] if self._reading.tags else sorted(self._reading.watched)}

    def _address(self, cursor: int | None) -> tuple[str, bool]:
        """(URL, whether the filter must follow as the first frame)."""
        base = self._hosts[self._host % len(self._hosts)]
        query: dict[str, str | list[str]] = {**self._filter(), "maxMessageSizeBytes": str(LARGEST_MESSAGE)}
        if cursor is not None:
            query["cursor"] = str(cursor)
        address = f"{base}?{urlencode(query, doseq=True)}"
        if len(address) <= LONGEST_URL:
            return address, False
        query |= {"wantedDids": [], "requireHello": "true"}
        return f"{base}?{urlencode(query, doseq=True)}", True

    # --- one socket ---------------------------------------------------------------------------------------------------

    async def _session(self) -> AsyncGenerator[Event | Mark | Health, None]:
        """Read until the connection fails (raises), or must be opened anew from an earlier cursor or at another host (returns)."""
        positions = [position for _, position in self._readable() if position is not None]
        cursor = min(positions) - round(self.opts.overlap_seconds * 1e6) if positions else None
        address, hello = self._address(cursor)
        began = self.tools.now()
        opened = connect(
            address,
            now=self.tools.now,
            open_seconds=10.0,
            ping_seconds=self.opts.ping_seconds,
            max_bytes=2 * LARGEST_MESSAGE,
            proxy=address_of(self.opts.proxy),
        )
        try:
            async with opened as socket:
                if hello:
                    await self._send_filter(socket)
                for first in self._begun(began):
                    yield first
                async with aclosing(self._frames(socket, cursor)) as frames:
                    async for item in frames:
                        yield item
        except ConnectorFailure:
            self._host += 1
            raise

    def _begun(self, began: datetime) -> Iterator[Gap | Mark | Health]:
        yield from self._healths("live")
        if not self._reading.tags:  # whether the cursor was moved cannot be seen in frames that may come hours later
            reach = microseconds(self.tools.now()) - round(self.opts.lookback_hours * 3.6e9)
            yield from self._gaps(reach + round(3e8))
        yield from self._first_mark(began)

    def _first_mark(self, began: datetime) -> Iterator[Mark]:
        """Where watching begins: an author who is silent until we are killed must not lose what he posts before we are back.

        The overlap is added because it is taken off again when reading resumes.
        """
        fresh = [livestream for livestream, position in self._readable() if position is None]
        if fresh:
            cursor = microseconds(began) + round(self.opts.overlap_seconds * 1e6)
            self._covered.update(dict.fromkeys(fresh, cursor))
            yield Mark(livestreams=tuple(fresh), cursor=str(cursor), covered_until=began)

    async def _frames(self, socket: ClientConnection, cursor: int | None) -> AsyncGenerator[Event | Mark | Health, None]:
        changed = asyncio.ensure_future(self.watch.changed())
        highest = 0
        marked = heard = self.tools.now()
        patience = self.opts.silence_seconds if self._reading.tags else self.opts.renew_seconds
        try:
            while True:
                raw = await self._receive(socket, min(1.0, self.opts.mark_seconds, patience))
                now = self.tools.now()
                if raw is not None:
                    heard = now
                    time_us, events = self._read(raw)
                    if not highest and time_us:
                        self._passed.forget_before(time_us)
                        if cursor is not None and self._reading.tags and time_us > cursor + LATE_FIRST_FRAME_US:
                            for gap in self._gaps(time_us):
                                yield gap
                    for event in events:
                        yield event
                    if highest < time_us <= microseconds(now) + FAR_AHEAD_US:
                        highest = time_us
                elif (now - heard).total_seconds() >= patience:
                    if self._reading.tags:
                        raise Dropped(f"Bluesky sent nothing for {patience:g} seconds")
                    self._host += 1
                    return
                if highest and (now - marked).total_seconds() >= self.opts.mark_seconds:
                    marked = now
                    for mark in self._mark(highest):
                        yield mark
                if changed.done() or self._learnt:
                    for mark in self._mark(highest):
                        yield mark
                    changed.cancel()
                    began = self.tools.now()
                    if not await self._retarget(socket):
                        return
                    changed = asyncio.ensure_future(self.watch.changed())
                    patience = self.opts.silence_seconds if self._reading.tags else self.opts.renew_seconds
                    for health in self._healths("live"):
                        yield health
                    for mark in self._first_mark(began):
                        yield mark
        except (OSError, WebSocketException) as error:
            for mark in self._mark(highest):
                yield mark
            raise failure(error, self.tools.now()) from error
        finally:
            changed.cancel()

    async def _receive(self, socket: ClientConnection, seconds: float) -> bytes | None:
        """The next frame, or None when there is none so soon."""
        try:
            async with asyncio.timeout(seconds):
                return await socket.recv(decode=False)
        except TimeoutError:
            return None

    def _read(self, raw: bytes) -> tuple[int, list[Event]]:
        """The frame's time and those events that concern us; what cannot be read is counted, and never stops the rest."""
        try:
            frame = decode(raw)
            if frame.kind == "identity":
                self._learn(frame)
            events = events_of(frame, self.tools, self._reading)
        except Unreadable as error:
            now = self.tools.now()
            digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
            name = f"unreadable {error.reason}"
            return 0, [Unknown(id=f"bluesky:unreadable:{digest}", platform="bluesky", at=now, received_at=now, name=name)]
        if frame.is_gone:  # one by one as well: that reaches further back than a retraction by author does
            livestream = self._reading.livestream(frame.did)
            events += [removed_post(one, frame, self.tools, livestream) for one in self._passed.of_author(frame.did)]
        for event in events:
            if isinstance(event, Message):
                self._passed.add(event.id, frame.time_us)
        return frame.time_us, [event for event in events if self._concerns(event)]

    def _concerns(self, event: Event) -> bool:
        if isinstance(event, Removed):
            return event.livestream is not None or event.target is None or self._passed.may_have(event.target)
        return True

    def _learn(self, frame: Frame) -> None:
        handle = frame.identity.handle if frame.identity else ""
        if not handle:
            return
        if self._reading.livestream(frame.did):
            self._handles[frame.did] = handle
        wanted = {target.handle.lstrip("@").casefold() for target in self._targets.values() if not target.native_id}
        if handle.casefold() in wanted:
            self._learnt |= self._resolved.get(handle.casefold()) != frame.did
            self._resolved[handle.casefold()] = frame.did

    async def _retarget(self, socket: ClientConnection) -> bool:
        """Read for the new targets from now on; False when an earlier cursor is needed, or nothing is left to ask for."""
        before, old_filter = {livestream for livestream, _ in self._readable()}, self._filter()
        self._aim()
        if any(position is not None for livestream, position in self._readable() if livestream not in before):
            return False
        if not self._reading.watched and not self._reading.tags:
            return False
        if self._filter() != old_filter:
            await self._send_filter(socket)
        return True

    async def _send_filter(self, socket: ClientConnection) -> None:
        payload = {**self._filter(), "maxMessageSizeBytes": LARGEST_MESSAGE}
        await socket.send(orjson.dumps({"type": "options_update", "payload": payload}).decode())

    def _mark(self, highest: int) -> Iterator[Mark]:
        """Everything up to here was handed on, for the targets that were not further already (after going back for others)."""
        behind = [
            livestream for livestream, position in self._readable()
            if highest and self._covered.get(livestream, position or 0) < highest
        ]  # fmt: skip
        if behind:
            self._covered.update(dict.fromkeys(behind, highest))
            until = from_microseconds(highest) - timedelta(seconds=self.opts.overlap_seconds)
            yield Mark(livestreams=tuple(behind), cursor=str(highest), covered_until=until)

    def _gaps(self, until_us: int) -> Iterator[Gap]:
        """What lies between each target's cursor and the first thing that the server still had."""
        now = self.tools.now()
        for livestream, position in self._readable():
            if position is not None and position < until_us:
                yield Gap(
                    id=f"bluesky:gap:{livestream}:{position}", platform="bluesky", livestream=livestream, at=now, received_at=now,
                    from_=from_microseconds(position), to=from_microseconds(until_us),
                    reason="The server no longer had what was posted since the cursor.",
                )  # fmt: skip


def is_hashtag(target: Target) -> bool:
    return target.handle.startswith(("#", "＃"))


def position_of(target: Target) -> int | None:
    """Where the previous owner of a target stopped (µs), or None when nobody watched it before."""
    cursor = target.resume.cursor or ""
    if (
        cursor.isascii() and cursor.isdigit() and 1e15 <= int(cursor) < 1e17
    ):  # below 1e15 the server takes it for a sequence number
        return int(cursor)
    return microseconds(target.resume.covered_until) if target.resume.covered_until else None


def microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
