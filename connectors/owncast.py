"""Owncast: the chat of a self-hosted server, over its websocket or by its webhooks.

Collected: messages, joins, follows, likes and reposts from the Fediverse, hidden messages (as removals); by webhook also the
beginning and the end of a livestream, with its viewers where the server says them. Not collected: bots, system messages and
actions, name changes.

API: https://owncast.online/thirdparty/ and the server's source (core/chat/events, services/webhooks), checked 2026-11-20.

Login: none; a chat user is registered at each connection. The webhooks of most versions carry no signature: the secret stands at the end
of their address, ``/hooks/owncast/<secret>/<the server's name as in the roster>``.

Limits: the server's own, often a few hundred connections. One connection per server.

Resume: none, so a Gap is recorded. A webhook is sent once and its answer ignored: it is a second source beside the websocket, not a
replacement, and what both tell is counted once because the ids are the same.

Quirks: which server is asked stands in the roster, so the address must be public unless ``allow_private`` is set; it is looked up once and
that very address is connected to. A frame may hold several documents, one a line. Words are HTML. The keys of ``VISIBILITY-UPDATE`` are
spelt differently in webhooks. A message that is hidden and shown again stays taken back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from connectors import rest, safehost
from connectors.connector import Answer, Dropped, Secret, Unreadable
from connectors.foreign import decode
from connectors.mapping import compile_map, pointer
from connectors.pointed import text_of, value_at
from connectors.receiving import Hook, HookOptions
from connectors.talk import Preset, TalkOptions, documents_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from connectors.connector import Request, Target, Tools
    from connectors.generic import Source


def _in_both(*names: str) -> list[str]:
    """In a frame of the websocket a field stands at the top, in a webhook inside ``eventData``."""
    return [f"{where}/{name}" for name in names for where in ("", "/eventData")]


ENGAGEMENT = {"author": _in_both("title", "username"), "author_name": _in_both("title", "name", "username")}
"""From the Fediverse: the account is the title of what the chat shows, and in webhooks has a field of its own."""
VIEWERS = {"as": "viewers", "value": "/eventData/status/viewerCount"}
"""Newer servers say with each beginning and end how many watch."""
ABOUT_US = ("CHAT_DISABLED", "SCHEDULED_EVENT", "SCHEDULED_EVENTS")
"""What is said to our own chat user, and of what is planned."""
MAP: Mapping[str, Any] = MappingProxyType(
    {
        "kind": "/type",
        "id": _in_both("id"),
        "at": _in_both("timestamp"),
        "channel": "@/path/0",
        "author": _in_both("user/id", "user/displayName", "author"),
        "author_name": _in_both("user/displayName", "author"),
        "text": _in_both("body", "rawBody"),
        "html": True,
        "skip_if": {"/user/isBot": True, "/eventData/user/isBot": True},
        "type_map": {
            "": {"as": "viewers", "value": "/viewerCount"},  # what /api/status answers
            "CHAT": [
                {"as": "message", "skip_if": {"/visible": False, "/eventData/visible": False}, "unless": _in_both("hiddenAt")},
                {"as": "skip", "needs": _in_both("hiddenAt")},
            ],
            "VISIBILITY-UPDATE": {
                "as": "removed",
                "target": ["/ids", "/eventData/MessageIDs", "/eventData/ids", "/MessageIDs"],
                "skip_if": {"/visible": True, "/eventData/Visible": True, "/eventData/visible": True, "/Visible": True},
            },
            "USER_JOINED": "join",
            "FEDIVERSE_ENGAGEMENT_FOLLOW": {"as": "follow", **ENGAGEMENT},
            "FEDIVERSE_ENGAGEMENT_LIKE": {"as": "reaction", **ENGAGEMENT},
            "FEDIVERSE_ENGAGEMENT_REPOST": {"as": "share", **ENGAGEMENT},
            "STREAM_STARTED": ["live", VIEWERS],
            "STREAM_STOPPED": ["ended", VIEWERS],
            "STREAM_TITLE_UPDATED": "skip",
            "SYSTEM": "skip",
            "CHAT_ACTION": "skip",
            "NAME_CHANGE": "skip",
            "NAME_CHANGED": "skip",
            "COLOR_CHANGE": "skip",
            "USER_PARTED": "skip",
            "CONNECTED_USER_INFO": "skip",
            "PING": "skip",
            "PONG": "skip",
            **dict.fromkeys(ABOUT_US, "skip"),
        },
    }
)
BARE = "{handle}"
PLAIN_PORTS = (80, 8080)
"""Ports on which a server answers without encryption unless told otherwise; 8080 is Owncast's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The section ``[owncast]``; nothing must be filled in, the servers stand in the roster."""

    url: str = BARE
    """Where the servers are: ``{handle}`` as the roster names them, or all behind one gateway, ``https://gateway.example/{handle}``."""
    allow_private: bool = False
    """Whether the roster may name servers inside private networks."""
    secret: Secret | None = None
    """Secret at the end of the address of webhooks; without one no webhook comes in."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Keys here replace those of the built-in map, see docs/webhooks.md."""
    open_seconds: float = 20.0
    """How long to wait for the registration and the connection."""
    ping_seconds: float = 20.0
    """A websocket ping that is not answered for so long means that the connection is dead."""
    mark_every_seconds: float = 1.0
    """How often the place is handed on from which a restart's gap begins."""
    connect_every_seconds: float = 0.1
    """Pause between two new connections; each goes to another server."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        compile_map({**MAP, **self.map})

    def talk(self) -> TalkOptions:
        """What this means to a websocket."""
        return TalkOptions(
            url=self.url, map={**MAP, **self.map}, split="newline", allow_private=self.allow_private, section=self.section,
            open_seconds=self.open_seconds, ping_seconds=self.ping_seconds, mark_every_seconds=self.mark_every_seconds,
        )  # fmt: skip

    def hook(self) -> HookOptions:
        """What this means to a receiver."""
        return HookOptions(auth="path_token", secret=self.secret, map={**MAP, **self.map}, section=self.section)


def base_of(handle: str) -> str:
    """``https://host[:port]`` of a server as the roster names it; http:// on the ports that are usually plain."""
    if handle.startswith(("http://", "https://")):
        return handle
    try:
        port = urlsplit(f"//{handle}").port
    except ValueError:
        port = None
    return f"{'http' if port in PLAIN_PORTS else 'https'}://{handle}"


class Owncast(Preset):
    """One server."""

    name = "owncast"
    options = Options
    usual_map = MAP

    @classmethod
    def pieces(cls, raw: bytes, options: Any) -> list[bytes]:  # noqa: ARG003 — of this platform always so
        return documents_of(raw, "newline")

    def address_of(self, target: Target | None) -> str:
        return base_of(target.handle if target else "") if self.opts.url == BARE else super().address_of(target)

    def is_from_roster(self) -> bool:
        return self.opts.url == BARE or super().is_from_roster()

    @contextlib.asynccontextmanager
    async def open(self, url: str, address: str | None, cursor: str | None) -> AsyncGenerator[Source, None]:
        token = await self._register(url, address)
        async with super().open(f"ws{url.removeprefix('http')}/ws?accessToken={token}", address, cursor) as source:
            yield source

    def _origin(self, url: str) -> str:
        return f"http{url.removeprefix('ws').split('/ws?')[0]}"

    async def _register(self, url: str, address: str | None) -> str:
        """A chat user of our own; the server lets nobody listen without one."""
        ask = rest.Ask(url=f"{url}/api/chat/register", method="POST", headers={"Content-Type": "application/json"}, body=b"{}")
        async with safehost.client(address) as session:
            reply = await rest.send(session, ask, within_seconds=self.opts.open_seconds, most_bytes=65_536)
        if reply.status != 200:
            raise rest.failure_of(reply, self.tools.now(), who="the Owncast server")
        with contextlib.suppress(Unreadable):
            token = text_of(value_at(decode(reply.body), pointer("/accessToken")))
            if token is not None and len(token) < 500 and token.isprintable():
                return quote(token, safe="")
        raise Dropped("the server did not register us as a chat user; perhaps it is no Owncast server")


class OwncastHook(Hook):
    """``/hooks/owncast/<secret>/<server>``: the server is the roster's handle."""

    name = "owncast"
    options = Options
    usual_map = MAP

    def __init__(self, options: Options, directory: Mapping[str, str], tools: Tools) -> None:
        super().__init__(options.hook(), directory, tools)

    def receive(self, request: Request, now: datetime) -> Answer:
        answer = super().receive(request, now)
        if answer.events and "/" not in request.path.rstrip("/"):  # else its words would count, and for nobody
            body = b"The address must end in the server's name, as it stands in the roster.\n"
            return Answer(status=404, body=body, reason="no_server")
        return answer
