"""Any server that sends server-sent events whose data is JSON: a partner's site, nchan, Mercure, Mastodon, Social Stream Ninja.

Collected: whatever the map of the section says; without a map our own shape (docs/webhooks.md). Not collected: events without data,
comments, and what names a channel that is not in the roster.

API: server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html, checked 2026-11-20.

Login: none, or a token as bearer, in a header of another name, or in the address.

Limits: the server's. One connection per channel when the address has ``{handle}`` in it, else one for the whole section; a server
that names a ``retry`` of more than five seconds is not asked again before it.

Resume: a server that gives its events ids is asked for what came after the last one (``Last-Event-ID``), and nothing is lost as long
as it still has it; ``lookback_seconds`` says how long that is, and what is older becomes a Gap. A server without ids cannot resume:
a Gap is recorded. ``resumes = false`` is for servers that give ids and do not honour them.

Quirks: an answer of 204 means that there is nothing more, so nothing is asked for five minutes. Redirects are not followed. Lines may
end in CR, LF or both, and a character may be cut in two by the network; both are put together here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from yarl import URL

from connectors import safehost
from connectors.connector import Dropped, Refused, Secret, Throttled, Tools, Unreadable
from connectors.documents import events_of_all, plan_of, read_or_tell
from connectors.generic import Following, Piece, Source, is_room
from connectors.mapping import compile_map
from connectors.proxy import Proxy  # noqa: TC001 — as above
from connectors.rest import Reply, end_with_connection, failure_of, network_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from connectors.connector import ConnectorFailure
    from connectors.event import Event
    from connectors.mapped import Reading

NETWORK = (aiohttp.ClientError, OSError, TimeoutError, EOFError, ValueError)
PATIENT_SECONDS = 5.0
"""A shorter retry than this is what our own back-off does anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A section such as ``[sse.mysite]``; only ``url`` must be filled in."""

    url: str = ""
    """Address of the events. ``{handle}`` or ``{native_id}``: one connection per channel of the roster; ``{token}``: the token."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Which part of the JSON is what, see docs/webhooks.md; empty: our own shape."""
    token: Secret | None = None
    """Key that the server asks for; sent as a bearer unless ``token_header`` or the address says otherwise."""
    token_header: str = "Authorization"  # noqa: S105 — a name
    """Header that carries the token; another one than Authorization carries it bare."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers; no secrets, they stand here in the open."""
    resumes: bool = True
    """Whether the server sends again what came after the id that it is told."""
    lookback_seconds: float = 0.0
    """How long the server keeps what it sent; an older cursor becomes a Gap. 0: longer than we are ever away."""
    lateness_seconds: float = 5.0
    """Without ids: how much later than it happened something may still be told."""
    idle_seconds: float = 60.0
    """After so long without a byte, comments included, the connection counts as dropped; 0: never."""
    open_seconds: float = 20.0
    """How long to wait for the connection and the first answer."""
    mark_every_seconds: float = 1.0
    """How often the place is handed on from which a restart goes on."""
    connect_every_seconds: float = 0.05
    """Pause between two new connections to the server."""
    max_bytes: int = 1 << 20
    """Longest event; a longer one drops the connection."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold.

    Servers that the roster names are reached without."""
    allow_private: bool = False
    """Whether the roster may name servers inside private networks; what the configuration names itself may be anywhere."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        compile_map(self.map)

    @property
    def capacity(self) -> int | None:
        """Channels per connection."""
        return 1 if is_room(self.url) else None


# --- the wire: pure -----------------------------------------------------------------------------------------------------


class ServerSent(NamedTuple):
    event: str
    """``message`` where the server names none."""
    data: str
    id: str
    """The last id that the server gave, empty before the first."""


class EventStream:
    """Bytes, cut anywhere, to events, as the standard interprets them."""

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.last_id = ""
        self.retry_seconds: float | None = None
        self._max_bytes = max_bytes
        self._rest: list[bytes] = []
        self._waiting = 0
        self._began = False
        self._after_cr = False
        self._data: list[str] = []
        self._size = 0
        self._event = ""

    def feed(self, chunk: bytes) -> list[ServerSent]:
        """What these bytes complete; raises Unreadable("too_large") for an event that is longer than allowed."""
        if not chunk:
            return []
        if self._after_cr:  # CR LF is one end of line, also when the network came between them.
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = _LINE_END.split(chunk)
        if lines:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest, self._waiting = [], 0
        self._rest.append(rest)
        self._waiting += len(rest)
        found: list[ServerSent] = []
        for line in lines:
            if not self._began:
                self._began = True
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
            if not line:
                found += self._dispatch()
            else:
                self._take(line.decode("utf-8", "replace"))
        if self._size + self._waiting > self._max_bytes:
            raise Unreadable("too_large")
        return found

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._size += len(value) + 1
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = int(value[:12]) / 1000

    def _dispatch(self) -> list[ServerSent]:
        event = ServerSent(self._event or "message", "\n".join(self._data), self.last_id)
        is_told = bool(self._data)
        self._data, self._size, self._event = [], 0, ""
        return [event] if is_told else []


_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELD = re.compile(rb"(\xef\xbb\xbf)?((event|data|id|retry):|:)")


# --- the connector ------------------------------------------------------------------------------------------------------


class _Stream(Source):
    """One answer that does not end."""

    def __init__(self, response: aiohttp.ClientResponse, options: Options, cursor: str | None) -> None:
        self.cursor = cursor
        self._response = response
        self._idle = options.idle_seconds or None
        self._parser = EventStream(options.max_bytes)
        self._parser.last_id = cursor or ""

    async def next(self) -> list[Piece]:
        try:
            async with asyncio.timeout(self._idle):
                chunk = await self._response.content.readany()
            failure: ConnectorFailure = Dropped("the server ended the connection")
        except NETWORK as error:
            chunk, failure = b"", network_failure(error)
        if not chunk:
            raise failure
        try:
            return [self._piece(event) for event in self._parser.feed(chunk)]
        except Unreadable as error:
            raise Dropped("the server sent an event that is longer than max_bytes") from error

    def _piece(self, event: ServerSent) -> Piece:
        given = event.id or None
        return Piece(event.data.encode("utf-8", "replace"), {"event": event.event, "id": given}, given, given)

    def patience(self, failure: ConnectorFailure, tools: Tools) -> ConnectorFailure:
        """A dropped connection is tried again when the server said that it may be."""
        wait = self._parser.retry_seconds
        if not isinstance(failure, Dropped) or wait is None or wait <= PATIENT_SECONDS:
            return failure
        return Throttled(f"{failure.reason}; the server asks to come back later", tools.now() + timedelta(seconds=wait))


class Sse(Following):
    """One response that stays open: of one channel, or of all channels of the section."""

    name = "sse"
    options = Options
    resumes = True
    opts: Options

    @contextlib.asynccontextmanager
    async def open(self, url: str, address: str | None, cursor: str | None) -> AsyncGenerator[Source, None]:
        async with safehost.client(address, proxy=self.opts.proxy) as client, await self._asked(client, url, cursor) as response:
            if response.status == 204:
                raise Refused("the server says that there is nothing more to read here (204); it is asked again later")
            if response.status != 200:
                headers = {name.lower(): value for name, value in response.headers.items()}
                raise failure_of(
                    Reply(status=response.status, headers=headers), self.tools.now(), who="the server", key="the token"
                )
            if response.content_type != "text/event-stream":
                raise Refused(f"the address answers with {response.content_type} and not with events; check url")
            stream = _Stream(end_with_connection(response), self.opts, cursor)
            try:
                yield stream
            except Dropped as failure:
                raise stream.patience(failure, self.tools) from None

    async def _asked(self, client: aiohttp.ClientSession, url: str, cursor: str | None) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self.opts.open_seconds):
                return await client.get(URL(url, encoded=True), headers=self._headers(cursor), allow_redirects=False)
        except NETWORK as error:
            failure = network_failure(error)
        raise failure  # outside, because the error's text has the address in it, and that may have a key in it

    def _headers(self, cursor: str | None) -> dict[str, str]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Accept-Encoding": "identity", **self.opts.headers}
        if self.opts.token is not None and "{token}" not in self.opts.url:
            bare = self.opts.token_header.lower() != "authorization"
            headers[self.opts.token_header] = self.opts.token.reveal() if bare else f"Bearer {self.opts.token.reveal()}"
        if cursor:
            headers["Last-Event-ID"] = cursor
        return headers

    @classmethod
    def _parse(cls, options: Any, raw: bytes, reading: Reading) -> list[Event]:
        """What a server sent word for word has names and ids beside its data; a document without them is read as it is."""
        if not _FIELD.match(raw):
            return super()._parse(options, raw, reading)
        plan = plan_of(options.map or cls.usual_map)
        found: dict[str, Event] = {}
        sents = EventStream(len(raw) + 2).feed(raw + b"\n\n")
        for sent in sents:
            about = replace(reading, around={"event": sent.event, "id": sent.id or None}, native=sent.id or None)
            data = sent.data.encode("utf-8", "replace")
            events = events_of_all(plan, [data], about) if len(sents) == 1 else read_or_tell(plan, data, about)
            found |= {event.id: event for event in events if event.id not in found}
        return list(found.values())
