"""Restream: the chats of all platforms to which one Restream account sends, over one websocket. For the organiser's own main livestream.

Collected: messages of each connected platform, Super Chats and Super Stickers (as gifts). Not collected: replies sent through Restream,
what connections do, deletions (the API does not tell them).

API: https://developers.restream.io/chat/getting-started and /chat/events, checked 2026-11-20.

Login: an OAuth access token of the account with the scope to read chat, in the address. It expires; then a new one is needed.

Limits: one token is one account, one connection.

Resume: none, so a Gap is recorded.

Quirks: Restream itself sends each message once, also while it replaces a connection to a platform. Its ``eventIdentifier`` is not to be taken for
unique, so time and content are part of an event's id. **Unconfirmed**: how a Super Chat writes its currency (``donation.currencyString``).
The map looks in several places; ``map`` of the section replaces any key of it. Kinds that are not known but have words are messages; a
sticker is one without words.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from connectors.connector import Refused, Secret
from connectors.mapping import compile_map
from connectors.proxy import Proxy  # noqa: TC001 — the configuration reads the options' types
from connectors.talk import Preset, TalkOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from connectors.connector import Health, Mark
    from connectors.event import Event

BODY = "/payload/eventPayload"
PAID = {
    "as": "gift",
    "amount": [f"{BODY}/donation/amount", f"{BODY}/amount", f"{BODY}/superChat/amount"],
    "currency": [
        f"{BODY}/donation/currency",
        f"{BODY}/donation/currencyString",
        f"{BODY}/currency",
        f"{BODY}/superChat/currency",
    ],
    "display": [
        f"{BODY}/donation/amountDisplayString",
        f"{BODY}/donation/currencyString",
        f"{BODY}/donation/amount",
        f"{BODY}/amount",
        f"{BODY}/superChat/amount",
    ],
}
PICTURE = {"as": "message", "const": {"text": ""}, "needs": f"{BODY}/link"}
"""A sticker, of which only the picture's address is told."""
MAP: Mapping[str, Any] = MappingProxyType(
    {
        "inner_json": ["/payload"],
        "kind": ["/payload/eventTypeId", "/action"],
        "scope": "/payload/eventSourceId",
        "id": "/payload/eventIdentifier",
        "id_and": ["/timestamp", BODY],
        "at": [f"{BODY}/createdAt", "/timestamp"],
        "author": [f"{BODY}/author/id", f"{BODY}/author/username", f"{BODY}/author/name", f"{BODY}/author/displayName"],
        "author_name": [f"{BODY}/author/{name}" for name in ("displayName", "nickname", "name", "username")],
        "text": [f"{BODY}/text", f"{BODY}/message"],
        "skip_if": {f"{BODY}/bot": True, f"{BODY}/contentModifiers/whisper": True},
        "type_map": {
            "7": ["message", {**PAID, "const": {"name": "super chat"}}],
            "8": {**PAID, "const": {"name": "super sticker"}},
            **dict.fromkeys(
                (
                    "connection_info", "connection_closed", "heartbeat", "reply_created", "reply_accepted", "reply_confirmed",
                    "reply_failed", "relay_accepted", "relay_confirmed", "relay_failed",
                ),
                "skip",
            ),
            "*": ["message", PICTURE, {**PAID, "const": {"name": "donation"}}],
        },
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The section ``[restream]``, or ``[restream.name]`` for each of several accounts; the roster has one row for each."""

    token: Secret | None = None
    """OAuth access token of the account."""
    url: str = "wss://chat.api.restream.io/ws?accessToken={token}"
    """Address of the chat API."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Keys here replace those of the built-in map, see docs/webhooks.md."""
    ping_seconds: float = 20.0
    """A websocket ping that is not answered for so long means that the connection is dead."""
    mark_every_seconds: float = 1.0
    """How often the place is handed on from which a restart's gap begins."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        compile_map({**MAP, **self.map})

    def talk(self) -> TalkOptions:
        """What this means to a websocket."""
        return TalkOptions(
            url=self.url, map={**MAP, **self.map}, token=self.token, ping_seconds=self.ping_seconds,
            mark_every_seconds=self.mark_every_seconds, proxy=self.proxy, section=self.section,
        )  # fmt: skip


class Restream(Preset):
    """One account."""

    name = "restream"
    options = Options
    removes = False
    needs = ("token",)
    usual_map = MAP

    async def events(self) -> AsyncGenerator[Event | Mark | Health, None]:
        if self.opts.token is None:
            raise Refused(f"Restream needs an access token; fill in token in the section [{self.platform}]")
        async for item in super().events():
            yield item
