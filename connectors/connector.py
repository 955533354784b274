"""The contract of a connector: options, ``events()``, and the three ways to fail.

A connector turns one platform's bytes into events. It does not retry, sleep between attempts, count, or know Redis: the loop
that does is ``monitor/collect_connections.py``, once, for all platforms. Time, randomness and the author's pseudonym are handed in as ``Tools``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
from abc import ABC, abstractmethod
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from connectors.discovery import QuotaPlan
    from connectors.event import Event


# --- the three ways to fail -------------------------------------------------------------------------------------------


class ConnectorFailure(Exception):
    """Base of the three; never raised itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Dropped(ConnectorFailure):
    """Try again, with back-off."""


class Throttled(ConnectorFailure):
    """Try again at ``until`` and not before."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(reason)
        self.until = until


class Refused(ConnectorFailure):
    """A person must act: bad key, banned, gone. ``livestream`` names the one refused, or None for the whole connection."""

    def __init__(self, reason: str, livestream: str | None = None) -> None:
        super().__init__(reason)
        self.livestream = livestream


class Unreadable(ValueError):
    """The platform sent bytes that we cannot read; ``reason`` is from a small fixed set per connector (``missing_author`` …)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --- what is watched --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Where a previous owner of a livestream stopped."""

    cursor: str | None = None
    """The platform's own cursor, where it has one."""
    covered_until: datetime | None = None
    """Everything of this livestream up to here is safe; a Gap starts here when the platform cannot resume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """One live video of a channel, where the platform gives each a new id; found by discovery or told by the attendee."""

    native_id: str
    chat_id: str | None = None
    """The platform's id of its chat, where that is another one; None: not known yet."""
    title: str = ""
    started_at: datetime | None = None
    scheduled_at: datetime | None = None
    in_scope: bool = True
    """Whether it belongs to the event; what does not is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One channel to watch (what the feed calls a livestream), or one hashtag."""

    livestream: str
    """Roster channel id; for a hashtag its target id such as ``bluesky:#tag`` (its events then carry livestream=None)."""
    handle: str
    """Login, @handle without the @, or ``#tag``."""
    native_id: str | None = None
    resume: Resume = Resume()
    broadcasts: tuple[Broadcast, ...] = ()
    """Its live videos of now and those announced, where the platform has them; a channel without one waits."""


class Watch:
    """The targets a connector must watch now; collect changes it while the connector runs.

    ``directory`` maps native ids of *all* roster channels of the platform (also those other collectors own) to livestream ids,
    so that a post found by hashtag is attributed to the same livestream by everybody.
    """

    def __init__(self, targets: Iterable[Target] = (), directory: Mapping[str, str] | None = None) -> None:
        self._targets = {target.livestream: target for target in targets}
        self.directory: Mapping[str, str] = directory or {}
        self._changed = asyncio.Event()

    @property
    def targets(self) -> Mapping[str, Target]:
        """By livestream id."""
        return self._targets

    def update(self, targets: Iterable[Target]) -> None:
        """Replace the targets; a running connector is woken."""
        self._targets = {target.livestream: target for target in targets}
        self._changed.set()

    async def changed(self) -> None:
        """Wait for the next update; several updates before it is called count as one."""
        await self._changed.wait()
        self._changed.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Yielded among the events: everything yielded before it is covered, so once that is safe this may be stored.

    Either a platform cursor, or the platform time up to which the connection had delivered everything, or both,
    for these livestreams.
    """

    livestreams: tuple[str, ...]
    cursor: str | None = None
    covered_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Yielded among the events when a livestream's state changes; shown on the wall with its reason."""

    livestream: str
    state: str
    """``connecting``, ``live`` (joined and delivering), ``waiting`` (no broadcast now), ``throttled``, ``refused``, ``broken``, ``ended``."""
    reason: str = ""


# --- what is handed in ------------------------------------------------------------------------------------------------


class Secret:
    """A string that must never be seen: its repr and str are dots."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; call it only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


def make_pseudonym(key: bytes) -> Callable[[str, str], str]:
    """The function (platform, native author id) → 32 hex digits: HMAC-SHA256 with the event's key, cut to 128 bits."""

    @lru_cache(maxsize=100_000)
    def pseudonym(platform: str, author: str) -> str:
        return hmac.digest(key, f"{platform}\x1f{author}".encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]

    return pseudonym


def utc_now() -> datetime:
    """The real clock; only shells hand it in."""
    return datetime.now(UTC)


class Memory(Protocol):
    """Small texts and sums by key that outlive a connection: what was spent of a quota, until when a platform is closed to us.

    All collectors share it where collect backs it with Redis; ``add`` must be atomic there. When the store is away it answers from
    what it knew, and never raises: a connector that cannot ask must not stop reading.
    """

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str) -> None: ...

    async def add(self, key: str, amount: int) -> int:
        """Add to a sum that begins at 0, and return the new one."""
        ...


class ProcessMemory:
    """The default: lives as long as the process."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self._values.get(key)

    async def put(self, key: str, value: str) -> None:
        self._values[key] = value

    async def add(self, key: str, amount: int) -> int:
        total = int(self._values.get(key, "0")) + amount
        self._values[key] = str(total)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a connector gets from outside, so that a test can hand in its own."""

    pseudonym: Callable[[str, str], str]
    """(platform, native author id) → pseudonym."""
    now: Callable[[], datetime] = utc_now
    dice: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Any] = asyncio.sleep
    """Awaitable sleep; only for pacing that the protocol itself demands (JOIN buckets, pings)."""
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("connectors"))
    memory: Memory = field(default_factory=ProcessMemory)
    """Outlives the connection; see Memory."""
    shared: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """What the connections of a process share, such as a token; a connector's keys begin with its name."""


class Connector(ABC):
    """One connection's worth of a platform; see the module docstring for what it must not do."""

    name: ClassVar[str]
    """Name in the table of platforms."""
    options: ClassVar[type]
    """Frozen dataclass; a string under each field is the user's manual."""
    capacity: ClassVar[int | None] = None
    """Most targets one connection may carry; None = no limit. An option of the same name overrides it."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Options that have a default but without which nothing works, such as a key; ``monitor check`` says where to get them."""
    resumes: ClassVar[bool] = False
    """Whether the platform can replay from a cursor; where not, the connector yields Gap."""

    removes: ClassVar[bool] = True
    """Whether the platform tells what was taken back."""
    reads_headers: ClassVar[bool] = False
    """Whether ``parse`` knows a request recorded as ``{"headers": {…}, "body": "…"}``, because the headers say what the body does not."""
    untried: ClassVar[str] = ""
    """Why ``try_login`` has nothing to try; empty: it has."""
    tries_at_most: ClassVar[int] = 50
    """Targets that one ``try_login`` is given; to try more would take too long."""

    def __init__(self, options: Any, watch: Watch, tools: Tools) -> None:
        self.opts = options
        self.watch = watch
        self.tools = tools

    @abstractmethod
    def events(self) -> AsyncIterator[Event | Mark | Health]:
        """Connect and yield until the connection ends, then raise one of the three failures. Never returns while targets remain.

        Cancelling it closes the connection.
        """

    async def try_login(self) -> list[Health]:
        """What ``monitor check`` does once, hours before the event: whether we are let in and what can be read. Raises one of the failures.

        By default it connects as on the day and waits until each target has a state; a platform on which that would change or take
        something says another way. Who does not come to a state is not in the list.
        """
        found: dict[str, Health] = {}
        async with aclosing(self.events()) as items:  # type: ignore[type-var]
            async for item in items:
                if isinstance(item, Health) and item.state != "connecting":
                    found[item.livestream] = item
                if self.watch.targets.keys() <= found.keys():
                    break
        return list(found.values())

    @classmethod
    def limit(cls, options: Any, channels: int) -> QuotaPlan | None:  # noqa: ARG003 — for those that have one
        """What so many channels, or hashtags, need of what the platform grants; None where it grants enough for everybody."""
        return None

    @classmethod
    def feeds(cls, options: Mapping[str, Any]) -> bool:  # noqa: ARG003 — for those that have such sections
        """Whether a section with these options is read as a whole, also without a channel of the roster in it."""
        return False

    @classmethod
    @abstractmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """One raw frame to events, pure but for ``tools.now``; what ``monitor parse`` calls.

        ``livestreams`` maps the platform's channel key (Twitch login, Bluesky DID) to livestream ids; when None every channel is
        taken and ``livestream`` is ``platform:key``. Raises Unreadable and nothing else.
        """

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        """As ``parse``, for payloads that came one after the other: where one refers to an earlier one, that is known."""
        return lambda raw: cls.parse(raw, tools)


# --- what platforms send to us ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request that a platform made to ``/hooks/<name>``, as it came."""

    body: bytes
    """Raw, because that is what a signature covers."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    method: str = "POST"
    path: str = ""
    """What follows ``/hooks/<name>``, without the slash at its beginning."""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a platform told that is no event: something that discovery should look at, or how a subscription stands."""

    what: Literal["look", "began", "ended", "subscribed", "denied", "revoked"]
    """``look``: something is new; ``began`` and ``ended``: a broadcast. The rest is about the subscription ``key``."""
    native_id: str
    """The platform's id of the channel."""
    at: datetime
    broadcast: str | None = None
    """Native id of the broadcast, where the platform says it."""
    key: str = ""
    """Which subscription, in the platform's words."""
    until: datetime | None = None
    """Of ``subscribed``: when the platform will have forgotten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to reply, and what the request was worth. A 2xx is sent only once the events are on disk."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    events: tuple[Event, ...] = ()
    hints: tuple[Hint, ...] = ()
    """For discovery; a 2xx is sent only once they are where it looks."""
    reason: str = ""
    """Why it was refused, from a small fixed set: for the log and the counters, never for the sender."""


class Receiver(ABC):
    """The other direction of a platform: it calls us. Pure: no waiting, no retries, nothing sent.

    In this order: the signature over the raw bytes in constant time, the time window, then the content. Repeats are not its business:
    a repeated delivery has the same event ids, and the journal knows those.
    """

    name: ClassVar[str]
    """Name in the table of receivers; the request comes to ``/hooks/<name>``."""
    options: ClassVar[type]
    """Frozen dataclass; a string under each field is the user's manual."""

    def __init__(self, options: Any, directory: Mapping[str, str], tools: Tools) -> None:
        self.opts = options
        self.directory = directory
        """The platform's key of a channel → livestream id, of those who may be read; replaced when the roster changes."""
        self.tools = tools

    @classmethod
    def receives(cls, options: Any) -> bool:  # noqa: ARG003 — for those that are switched on by an option
        """Whether a section with these options is called by its platform at all."""
        return True

    @property
    def platform(self) -> str:
        """Whose channels these are: the platform of the events, and of the roster's rows in ``directory``."""
        return self.name

    @abstractmethod
    def receive(self, request: Request, now: datetime) -> Answer:
        """Never raises: whatever is wrong with a request is an answer of 4xx with a reason."""
