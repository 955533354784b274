"""Any server that sends JSON over a websocket: a partner's feed, nchan, Centrifugo, Social Stream Ninja's relay.

Collected: whatever the map of the section says; without a map our own shape (docs/webhooks.md). Not collected: what the map skips, and what
names a channel that is not in the roster.

API: websockets, https://www.rfc-editor.org/rfc/rfc6455, checked 2026-11-20.

Login: none, or a token in a header, in the address or in a frame of ``on_open``.

Limits: the server's. One connection per channel when the address has ``{handle}`` in it, else one for the whole section, which may
subscribe to each channel with a frame of ``on_open``.

Resume: only where the server takes a cursor in the address and says it in its messages (``resume``); else what was said while we
were away is recorded as a Gap.

Quirks: several documents in one frame are cut apart by ``split``; a list of documents is always read one by one. JSON inside
a string is opened by ``inner_json`` of the map. A server that asks for an answer to its own pings gets it by ``ping_reply``.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.connector import Secret  # noqa: TC001 — as above
from connectors.generic import is_room
from connectors.talk import Talker, check_templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
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
    proxy: str = ""
    """HTTP proxy for these connections; empty: HTTPS_PROXY of the environment. Servers that the roster names are reached without."""
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


class Websocket(Talker):
    """One connection: of one channel, or of all channels of the section."""

    name = "websocket"
    options = Options
    resumes = False
    opts: Options
