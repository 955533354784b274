"""The fake servers of the contract suite: one per platform, speaking that platform's real bytes on 127.0.0.1.

A platform joins the suite by one line in ``FAKES`` and a class with the members of ``Fake``. Faults are none by default, so a
test reads as: this fault, hence that failure. The fakes are small scripted servers for tests; the crowd for demonstrations and
benchmarks is ``connectors/simulator``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from connectors.connector import Resume, Target

FAKES = {
    "twitch": "fake_twitch:FakeTwitch",
    "bluesky": "fake_bluesky:FakeBluesky",
    "youtube": "fake_youtube:FakeYouTube",
    "kick": "fake_kick:FakeKick",
    "telegram": "fake_telegram:FakeTelegram",
    "mastodon": "fake_mastodon:FakeMastodon",
    "sse": "fake_sse:FakeSse",
    "websocket": "fake_websocket:FakeWebsocket",
    "ssn": "fake_ssn:FakeSsn",
    "owncast": "fake_owncast:FakeOwncast",
    "restream": "fake_restream:FakeRestream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What the server does wrong; the default is nothing."""

    refuse: bool = False
    """Says in the platform's own words that we may not come in: the connector raises Refused."""
    throttle_seconds: int | None = None
    """Answers 429 with this Retry-After: the connector raises Throttled."""
    garbage: bool = False
    """Sends unreadable frames before each message: the connector goes on."""
    half_frame: bool = False
    """Cuts the connection in the middle of the frame of each message: the connector raises Dropped."""
    silent: bool = False
    """Accepts the connection and never says a word, not even to a ping: the connector raises Dropped."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the fake sent, as the events must show it."""

    id: str
    """Event id."""
    at: datetime
    """The platform's time."""
    text: str


class Fake(Protocol):
    """A server with a few channels; ``async with`` starts and stops it."""

    handles: tuple[str, ...]
    """At least two channels that exist; one where a connection carries one. A fake that has ``tells_time = False`` sends no times."""

    def __init__(self, faults: Faults) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def options(self) -> Any:
        """Options that point at this server, with waits of tenths of a second."""

    def target(self, handle: str, resume: Resume) -> Target:
        """How the roster would name this channel."""

    async def say(self, handle: str, text: str) -> Said:
        """Somebody writes now; sent to whoever listens, kept for those who resume."""

    async def remove(self, said: Said) -> None:
        """A moderator takes it back."""

    async def cut(self) -> None:
        """All connections die at once, without goodbye; new ones are accepted."""

    async def heard(self, handle: str) -> None:
        """Returns when a connection listens to this channel."""

    @property
    def connections(self) -> int:
        """How many are open now."""


def fake(platform: str, faults: Faults = Faults()) -> Fake:
    """The fake server of a platform, not yet started."""
    module, _, name = FAKES[platform].partition(":")
    made: Fake = getattr(import_module(module), name)(faults)
    return made
