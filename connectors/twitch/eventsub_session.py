"""One EventSub websocket: welcome, keep-alive, the order to reconnect, and what comes twice. Pure: frames and times come from outside.

The server speaks first (``session_welcome`` with the session's id) and we say nothing, ever: a client that sends is closed with 4001. Whatever it
says, it must say something within its keep-alive time. ``session_reconnect`` names an address; the old connection is read until the new one is
welcomed, subscriptions go over by themselves, and after 30 seconds the old one is closed (4004). A connection that drops brings nothing back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from connectors.connector import Dropped, Unreadable
from connectors.twitch.eventsub import notice_of
from connectors.twitch.fields import dict_in, text_in

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import ConnectorFailure
    from connectors.twitch.eventsub import Notice

WELCOME_SECONDS: Final = 10.0
SLACK_SECONDS: Final = 5.0
"""Beyond the keep-alive time that the server named."""
KEEPALIVE: Final = (10, 600)
USUAL_KEEPALIVE: Final = 10
MOST_SEEN: Final = 10_000
CLOSING: Final = {
    4000: "Twitch has a fault",
    4001: "Twitch says that we sent something, and nobody may",
    4002: "our answers to pings did not arrive",
    4003: "nothing was subscribed in time",
    4004: "we were too slow to move to the new connection",
    4005: "the network was too slow",
    4006: "the network failed",
    4007: "the address for the new connection was not valid any more",
}
"""Close codes in words."""


class Seen:
    """Ids of deliveries, the last so many: EventSub delivers at least once."""

    def __init__(self, most: int = MOST_SEEN) -> None:
        self._most = most
        self._ids: dict[str, None] = {}

    def again(self, delivery: str) -> bool:
        """Whether it came before; it is remembered from now on. What has no id is always new."""
        if not delivery:
            return False
        if delivery in self._ids:
            return True
        self._ids[delivery] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]
        return False


class Session:
    """One connection. ``seen`` is shared with the one that takes over from it."""

    def __init__(self, seen: Seen, mono: float) -> None:
        self.id = ""
        """Of the session, once welcomed."""
        self.reconnect_url = ""
        """Where to go on, once the server ordered it."""
        self.failure: ConnectorFailure | None = None
        self.deadline = mono + WELCOME_SECONDS
        """When the server must have said something."""
        self._patience = WELCOME_SECONDS
        self._seen = seen

    def receive(self, raw: bytes, mono: float, now: datetime) -> Notice | None:
        """A notification or revocation that did not come before, else None; raises Unreadable for what cannot be read."""
        self.deadline = mono + self._patience
        found = notice_of(raw, now)
        session = dict_in(found.payload, "session")
        match found.what:
            case "session_welcome":
                self.id = text_in(session, "id", longest=512)
                if not self.id:
                    raise Unreadable("missing_id")
                self._patience = _keepalive(session) + SLACK_SECONDS
                self.deadline = mono + self._patience
            case "session_reconnect":
                self.reconnect_url = text_in(session, "reconnect_url", longest=2048)
                if not self.reconnect_url:
                    raise Unreadable("missing_id")
            case "notification" | "revocation" if not self._seen.again(found.delivery):
                return found
            case _:  # a keep-alive, a repeat, or a kind that does not exist yet
                pass
        return None

    def tick(self, mono: float) -> None:
        """Time passed."""
        if mono >= self.deadline and self.failure is None:
            self.failure = Dropped("Twitch said nothing for longer than it promised" if self.id else "Twitch did not welcome us")
            self.deadline = math.inf


def _keepalive(session: dict[str, Any]) -> float:
    given = session.get("keepalive_timeout_seconds")
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return USUAL_KEEPALIVE
    return min(max(float(given), 1.0), KEEPALIVE[1])


def with_keepalive(url: str, seconds: int) -> str:
    """The address with the keep-alive time that we want; an order's address is taken as it is."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"keepalive_timeout_seconds": str(min(max(seconds, KEEPALIVE[0]), KEEPALIVE[1]))}
    return urlunsplit(parts._replace(query=urlencode(query)))
