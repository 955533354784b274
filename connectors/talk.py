"""Talking to a websocket by templates: what is said at the beginning, what keeps it alive, how its frames are cut. For the generic websocket
and the presets on it.

``Talk`` is the protocol without a socket: frames in, pieces and answers out, on a clock that is handed in. ``Talker`` is the
connector around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from connectors import socket
from connectors.connector import Dropped, Secret, Unreadable
from connectors.foreign import decode
from connectors.generic import Following, Piece, Source, is_room
from connectors.mapping import Pointer, compile_map, pointer
from connectors.pointed import text_of, value_at
from connectors.proxy import Proxy, address_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from connectors.connector import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkOptions:
    """A section such as ``[websocket.mysite]``; only ``url`` must be filled in."""

    url: str = ""
    """Address, ws:// or wss://. ``{handle}`` or ``{native_id}``: one connection per channel of the roster; ``{token}``: the token."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Which part of the JSON is what, see docs/webhooks.md; empty: our own shape."""
    token: Secret | None = None
    """Key that the server asks for; sent as a bearer unless ``token_header``, the address or ``on_open`` says otherwise."""
    token_header: str = "Authorization"  # noqa: S105 — a name
    """Header that carries the token; another one than Authorization carries it bare."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers; no secrets, they stand here in the open."""
    origin: str = ""
    """Origin to send; empty sends none."""
    subprotocols: tuple[str, ...] = ()
    """Websocket subprotocols to offer."""
    compression: Literal["none", "deflate"] = "none"
    """Compression to offer; ``deflate`` costs memory for each connection."""
    on_open: tuple[str, ...] = ()
    """Frames to send first. One with ``{handle}`` or ``{native_id}`` is sent for each channel, also when it is added later."""
    on_leave: tuple[str, ...] = ()
    """Frames to send for a channel that is no longer watched."""
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    """``{ every = 30, send = "ping", expect = "pong" }``: said every so many seconds; without the expected answer the connection is dropped."""
    ping_reply: Mapping[str, Any] = field(default_factory=dict)
    """``{ match = "{}", send = "{}" }``: what the server's own ping looks like, and what it wants to hear."""
    split: Literal["none", "newline", "json_array"] = "none"
    """How a frame holds several documents."""
    resume: Mapping[str, Any] = field(default_factory=dict)
    """``{ query = "cursor", from = "/time_us", minus = 5000000 }``: parameter of the address, where its value stands, how far to go back."""
    lookback_seconds: float = 0.0
    """How long the server keeps what it sent; an older cursor becomes a Gap. 0: longer than we are ever away."""
    lateness_seconds: float = 5.0
    """Without ``resume``: how much later than it happened something may still be told."""
    ping_seconds: float = 20.0
    """A websocket ping that is not answered for so long means that the connection is dead; 0: none is sent."""
    idle_seconds: float = 0.0
    """After so long without a frame the connection counts as dropped; 0: chats may be silent."""
    open_seconds: float = 20.0
    """How long to wait for the connection."""
    mark_every_seconds: float = 1.0
    """How often the place is handed on from which a restart goes on."""
    connect_every_seconds: float = 0.05
    """Pause between two new connections to the server."""
    max_bytes: int = 1 << 20
    """Longest frame; a longer one drops the connection."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold.

    Servers that the roster names are reached without."""
    allow_private: bool = False
    """Whether the roster may name servers inside private networks; what the configuration names itself may be anywhere."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        check_templates(self)

    @property
    def capacity(self) -> int | None:
        """Channels per connection."""
        return 1 if is_room(self.url) else None

    @property
    def resumes(self) -> bool:
        """Whether the server can go on where it stopped."""
        return bool(self.resume)


def check_templates(options: Any) -> None:
    """Raises ValueError with a sentence for the first mistake in the tables of options."""
    for name, known, needed in (
        ("heartbeat", {"every", "send", "expect"}, {"every", "send"}),
        ("ping_reply", {"match", "send"}, {"match", "send"}),
        ("resume", {"query", "from", "minus"}, {"query", "from"}),
    ):
        table = getattr(options, name)
        wrong = next((key for key in table if key not in known), None)
        if wrong is not None:
            raise ValueError(f'{name}: unknown "{wrong}"; known are: {", ".join(sorted(known))}')
        if table and not needed <= table.keys():
            raise ValueError(f"{name}: expected {' and '.join(sorted(needed))}")
    every = options.heartbeat.get("every", 1)
    if isinstance(every, bool) or not isinstance(every, int | float) or every <= 0:
        raise ValueError("heartbeat every: expected a number of seconds above 0")
    if not isinstance(options.resume.get("minus", 0), int):
        raise ValueError("resume minus: expected a whole number")  # noqa: TRY004 — one kind of error for what a person wrote
    if options.resume:
        pointer(options.resume["from"], "resume from")
    compile_map(options.map)


class Talk:
    """One conversation; pure."""

    def __init__(self, options: TalkOptions, now: float, cursor: str | None = None) -> None:
        self.opts = options
        self.cursor = cursor
        self._from: Pointer | None = pointer(options.resume["from"]) if options.resume else None
        self._every: float = float(options.heartbeat.get("every", 0))
        self._beat_at = now + self._every if self._every else math.inf
        self._expecting = False
        self._heard = now

    def frames(self, templates: Iterable[str], targets: Iterable[Target]) -> list[str]:
        """The frames to send: those about a channel for each of these, the others once."""
        said: list[str] = []
        for template in templates:
            if "{handle}" in template or "{native_id}" in template:
                said += [self._filled(template, target) for target in targets if target.handle]
            else:
                said.append(self._filled(template, None))
        return said

    def about_channels(self, templates: Iterable[str], targets: Iterable[Target]) -> list[str]:
        """Only the frames about a channel."""
        return self.frames([one for one in templates if "{handle}" in one or "{native_id}" in one], targets)

    def _filled(self, template: str, target: Target | None) -> str:
        token = self.opts.token.reveal() if self.opts.token else ""
        values = {"token": token} if target is None else {
            "token": token, "handle": target.handle, "native_id": target.native_id or target.handle,
        }  # fmt: skip
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", json.dumps(value, ensure_ascii=False)[1:-1])
        return template

    def receive(self, frame: bytes, now: float) -> tuple[list[Piece], list[str]]:
        """(documents, what to answer)."""
        self._heard = now
        pieces: list[Piece] = []
        answers: list[str] = []
        for document in cut(frame, self.opts.split):
            text = document.strip()
            if self.opts.ping_reply and text == str(self.opts.ping_reply["match"]).encode():
                answers.append(str(self.opts.ping_reply["send"]))
            elif self.opts.heartbeat.get("expect") is not None and text == str(self.opts.heartbeat["expect"]).encode():
                self._expecting = False
            elif text:
                pieces.append(Piece(document, cursor=self._cursor_of(document)))
        return pieces, answers

    def _cursor_of(self, document: bytes) -> str | None:
        """Numbers only grow: the newest is where reading goes on, whatever order they come in."""
        if self._from is None:
            return None
        with contextlib.suppress(Unreadable):
            found = decode(document)
            new = text_of(value_at(found[-1] if isinstance(found, list) and found else found, self._from))
            if new is not None and len(new) <= 200:
                old = self.cursor
                both_numbers = old is not None and old.isdigit() and new.isdigit()
                self.cursor = max(old or "", new, key=int) if both_numbers else new
        return self.cursor

    def due(self) -> float:
        """When ``tick`` is to be called."""
        return min(self._beat_at, self._heard + self.opts.idle_seconds if self.opts.idle_seconds else math.inf)

    def tick(self, now: float) -> list[str]:
        """What to say now; raises Dropped when the other side has been silent for too long."""
        if self.opts.idle_seconds and now >= self._heard + self.opts.idle_seconds:
            raise Dropped("the server said nothing for too long")
        if now < self._beat_at:
            return []
        if self._expecting:
            raise Dropped("the server did not answer the heartbeat")
        self._beat_at = now + self._every
        self._expecting = self.opts.heartbeat.get("expect") is not None
        return [str(self.opts.heartbeat["send"])]


def cut(frame: bytes, split: str) -> list[bytes]:
    """The documents of a frame. A JSON array needs no cutting: the map reads its items one by one."""
    return [line for line in frame.split(b"\n") if line.strip()] if split == "newline" else [frame]


def documents_of(raw: bytes, split: str) -> list[bytes]:
    """As ``cut``, of something captured: a document may have been printed over several lines since."""
    first = raw.lstrip().partition(b"\n")[0].rstrip()
    is_printed = first[:1] in (b"{", b"[") and first[-1:] not in (b"}", b"]")
    return [raw] if is_printed else cut(raw, split) or [raw]


def resumed(url: str, resume: Mapping[str, Any], cursor: str | None) -> str:
    """The address that goes on at the cursor."""
    if cursor is None or not resume:
        return url
    if cursor.isascii() and cursor.isdigit():
        cursor = str(max(0, int(cursor) - resume.get("minus", 0)))
    return f"{url}{'&' if '?' in url else '?'}{quote(str(resume['query']), safe='')}={quote(cursor, safe='')}"


class _Conversation(Source):
    """A Talk on a socket."""

    def __init__(self, talk: Talk, connection: socket.ClientConnection, frames: Any, clock: Any) -> None:
        self.talk, self._connection, self._frames, self._clock = talk, connection, frames, clock
        self.cursor = talk.cursor
        self._known: Mapping[str, Target] = {}

    async def next(self) -> list[Piece]:
        frame = await anext(self._frames)
        pieces, answers = self.talk.receive(frame, self._clock())
        if answers:
            await socket.send(self._connection, answers)
        return pieces

    def due(self, mono: float) -> float:
        return self.talk.due()

    async def tick(self, mono: float) -> None:
        said = self.talk.tick(mono)
        if said:
            await socket.send(self._connection, said)

    async def greet(self, targets: Mapping[str, Target]) -> None:
        self._known = targets
        await socket.send(self._connection, self.talk.frames(self.talk.opts.on_open, targets.values()))

    async def retarget(self, targets: Mapping[str, Target]) -> None:
        gone = [target for name, target in self._known.items() if name not in targets]
        new = [target for name, target in targets.items() if name not in self._known]
        self._known = targets
        said = self.talk.about_channels(self.talk.opts.on_leave, gone) + self.talk.about_channels(self.talk.opts.on_open, new)
        if said:
            await socket.send(self._connection, said)


class Talker(Following):
    """Base of the websocket connectors; their options have the fields of websocket.py."""

    @contextlib.asynccontextmanager
    async def open(self, url: str, address: str | None, cursor: str | None) -> AsyncGenerator[Source, None]:
        clock = asyncio.get_running_loop().time
        opened = socket.connect(
            resumed(url, self.opts.resume, cursor), now=self.tools.now, open_seconds=self.opts.open_seconds,
            ping_seconds=self.opts.ping_seconds or None, origin=self._origin(url), headers=self._headers(),
            compression="deflate" if self.opts.compression == "deflate" else None, max_bytes=self.opts.max_bytes,
            subprotocols=self.opts.subprotocols, proxy=address_of(self.opts.proxy), address=address,
        )  # fmt: skip
        async with opened as connection:
            frames = socket.frames(connection, now=self.tools.now)
            conversation = _Conversation(Talk(self.opts, clock(), cursor), connection, frames, clock)
            await conversation.greet(self._targets)
            yield conversation

    def _origin(self, url: str) -> str:
        return str(self.opts.origin)

    def _headers(self) -> dict[str, str]:
        headers = dict(self.opts.headers)
        elsewhere = (self.opts.url, *self.opts.on_open)
        if self.opts.token is not None and not any("{token}" in text for text in elsewhere):
            bare = self.opts.token_header.lower() != "authorization"
            headers[self.opts.token_header] = self.opts.token.reveal() if bare else f"Bearer {self.opts.token.reveal()}"
        return headers

    @classmethod
    def pieces(cls, raw: bytes, options: Any) -> list[bytes]:
        return documents_of(raw, options.split)


class Preset(Talker):
    """Base of the websocket connectors that are one channel each and whose options say with ``talk()`` what they mean to a websocket."""

    resumes = False
    needs: ClassVar[tuple[str, ...]] = ()
    one_channel = True
    capacity = 1

    @classmethod
    def generic(cls, options: Any) -> TalkOptions:
        found: TalkOptions = options.talk()
        return found

    @classmethod
    def feeds(cls, options: Mapping[str, Any]) -> bool:  # noqa: ARG003 — whatever they are
        return False
