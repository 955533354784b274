"""The contract of discovery: how one platform is asked which account a handle is, and what of it is live. Pure.

A ``Discoverer`` makes questions and reads answers; it sends nothing, waits for nothing and remembers nothing. The loop that sends, keeps
to the quota, retries and remembers is ``monitor/discover.py``, once, for all platforms. What an answer does not mention is told as well:
a channel that was asked about and is not in the answer is offline, an account that is not in it does not exist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil, floor
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from connectors import rest
from connectors.rest import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.connector import Broadcast, ConnectorFailure, Secret, Throttled

__all__ = [
    "Account",
    "AppDiscoverer",
    "Ask",
    "Discoverer",
    "Known",
    "Purse",
    "Question",
    "QuotaPlan",
    "Reply",
    "Sighting",
    "Token",
    "batches",
    "given_back",
]

EARLY = timedelta(minutes=5)
"""A token is given back so long before it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, and what it is about."""

    what: Literal["token", "accounts", "status"]
    ask: Ask
    about: tuple[str, ...] = ()
    """The handles or native ids that are asked about."""
    cost: int = 1
    """In the platform's own units."""
    known: tuple[Known, ...] = ()
    """What was known of those that are asked about, where the answer must be put together with it."""
    free: bool = False
    """It costs nothing, goes to another address, carries no token, and is a help and never a need: no answer is an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a platform lets us in with for a while."""

    value: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a handle, or a native id, is."""

    asked: str
    """The handle or the native id of the question."""
    native_id: str | None
    """None: the platform knows no such account."""
    handle: str = ""
    """Its handle of now; another than the one asked for after a rename."""
    title: str = ""
    """As the platform shows it, so that a person can say whether it is the right one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a channel does at the time of an answer; without broadcasts it is offline."""

    native_id: str
    handle: str = ""
    """Its handle of now, where the answer says it."""
    broadcasts: tuple[Broadcast, ...] = ()
    """Live ones have ``started_at``; announced ones only ``scheduled_at``."""
    viewers: int | None = None
    """Concurrent viewers of all its live broadcasts; None: unknown."""
    likes: tuple[tuple[str, int], ...] = ()
    """Id of a live broadcast, and how many likes it has so far."""
    candidates: tuple[str, ...] = ()
    """Ids of broadcasts that may be live and must be confirmed by another question."""
    over: tuple[str, ...] = ()
    """Ids that need not be asked about any more: over, never a broadcast, or another channel's."""
    swept: bool = False
    """Whether it was looked for broadcasts that nobody told of."""
    fed: bool = False
    """It says nothing of what is live, only which broadcasts may be; the answer to a free question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a discoverer is told about a channel that it may ask for."""

    native_id: str
    handle: str
    broadcasts: tuple[Broadcast, ...] = ()
    """Live or announced when it was last asked."""
    candidates: tuple[str, ...] = ()
    """Broadcast ids that were heard of (a pasted link, a push) and not confirmed."""
    hints: tuple[str, ...] = ()
    """Broadcast ids that people named, and that are not known to be over."""
    over: tuple[str, ...] = ()
    """Broadcast ids that need not be asked about any more."""
    asked_at: datetime | None = None
    """When it was last asked about."""
    swept_at: datetime | None = None
    """When it was last looked for broadcasts that nobody told of."""
    fed_at: datetime | None = None
    """When that was last done by a question that costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What is left of a day's units, and for how long it must last."""

    left: int
    seconds: float
    """Of the event, until the next units come."""
    day_seconds: float
    """Of the event, in the whole of this day of the platform's calendar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPlan:
    """Needed against available, on a platform whose units are few."""

    items: tuple[tuple[str, int], ...]
    """(what, units), of what will be done."""
    wanted: int
    """Units for everything."""
    available: int
    fits: int
    """For so many channels the units suffice for everything."""
    dropped: tuple[str, ...] = ()
    """What will not be done, in words."""
    first: str = ""
    """What is dropped first when it does not suffice, in words."""
    left_out: int = 0
    """So many channels are not read: those of the lowest priority, and among them those with the fewest viewers."""
    unit: str = "units"
    """What is counted."""
    per: str = "a day"
    """In which time."""
    of: str = "channels"
    """What ``fits`` and ``left_out`` count."""


SAMPLE = 1000
"""Channels of which the cost of one is worked out."""


class Discoverer(ABC):
    """One platform; see the module docstring for what it must not do."""

    name: ClassVar[str]
    """Name in the table of platforms."""
    title: ClassVar[str]
    """As people write it."""
    quota: ClassVar[tuple[int, float]]
    """So many units in so many seconds, in any window."""
    open_while_offline: ClassVar[bool] = False
    """Whether its chats can be read while nothing is live."""
    units_per_day: int | None = None
    """Most units a day of the platform's calendar; None: no such limit."""
    interval_seconds: float = 30.0
    """Between two looks at the same channel, as long as the quota lasts."""
    channels: int = 0
    """How many channels are asked for altogether; the loop says it."""
    beside: Sequence[Known] = ()
    """Channels with broadcasts that are not due; they may be asked about where a question has room for more at no cost. The loop says it."""
    purse: Purse | None = None
    """Where units are counted by the day; the loop says it."""
    free: bool = True
    """Whether questions that cost nothing may be asked now; the loop says it."""
    awake: bool = True
    """Whether it is an hour of the event; the loop says it. At other times nobody is looked for who was not announced."""

    def __init__(self, options: Any) -> None:
        self.opts = options

    @classmethod
    @abstractmethod
    def missing(cls, options: Any) -> tuple[str, ...]:
        """The options that are not given and without which the platform cannot be asked."""

    @classmethod
    def quota_plan(cls, options: Any, channels: int) -> QuotaPlan | None:  # noqa: ARG003 — for platforms that count
        """What a day with so many channels costs; None where the platform does not count by the day."""
        return None

    def pace_plan(self, channels: int, now: datetime) -> QuotaPlan:
        """What looking at so many channels costs where calls are counted in a window; whoever does not fit is asked later, not left out."""
        units, seconds = self.quota
        available = floor(units * 60.0 / seconds)
        looks = 60.0 / self.interval_seconds
        known = [Known(native_id=str(number), handle=f"c{number}") for number in range(1, SAMPLE + 1)]
        each = sum(question.cost for question in self.discover(known, now, 10**9)) / SAMPLE
        wanted, fits = ceil(channels * each * looks), floor(available / (each * looks))
        slower = (
            (f"each channel is looked at every {ceil(self.interval_seconds * wanted / available)} s",)
            if wanted > available
            else ()
        )
        return QuotaPlan(
            items=((f"who is live, every {self.interval_seconds:g} s", min(wanted, available)),), wanted=wanted, available=available,
            fits=fits, dropped=slower, unit="calls", per="a minute",
            first="nobody; those live or in a session are asked first, then by priority, the others later",
        )  # fmt: skip

    @property
    def looks_every(self) -> float:
        """Seconds between two looks at a channel that is live, as long as the quota lasts."""
        return self.interval_seconds

    @property
    def together_seconds(self) -> tuple[float, float]:
        """So long what people say, and what the platform told, waits for more of it, so that one question is about all."""
        return 0.0, 0.0

    def probe(self) -> Question | None:
        """The cheapest question that shows whether the platform lets us in; None where ``enter`` shows it."""
        return None

    # --- coming in ----------------------------------------------------------------------------------------------------

    def enter(self) -> Question | None:
        """The question for a token; None when the platform wants none."""
        return None

    def read_token(self, body: bytes, now: datetime) -> Token:
        """What ``enter`` asked for; raises Unreadable."""
        raise AssertionError(f"{type(self).__name__} asks for a token and does not read it")

    def signed(self, question: Question, token: Token | None) -> Ask:
        """The request with what lets us in."""
        if token is None:
            return question.ask
        return replace(question.ask, headers={**question.ask.headers, "Authorization": f"Bearer {token.value.reveal()}"})

    # --- asking -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def resolve(self, handles: Sequence[str]) -> list[Question]:
        """Which accounts these handles are."""

    @abstractmethod
    def recheck(self, native_ids: Sequence[str]) -> list[Question]:
        """What these accounts are called by now."""

    def due(self, channel: Known, now: datetime) -> bool:
        """Whether there is anything to ask about this channel now."""
        return True

    @abstractmethod
    def discover(self, channels: Sequence[Known], now: datetime, budget: int) -> list[Question]:
        """What these channels do, for at most ``budget`` units; those named first are asked first."""

    # --- reading ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        """One for each that was asked about, or for those found where another question tells of the others; raises Unreadable and nothing else."""

    @abstractmethod
    def read_status(self, question: Question, body: bytes) -> list[Sighting]:
        """One for each that was asked about; raises Unreadable and nothing else."""

    def says_nothing_there(self, question: Question, reply: Reply) -> bool:
        """Whether an answer that is not 2xx says that what was asked about does not exist; then ``read_resolved`` gets no body."""
        return False

    def failure(self, reply: Reply, now: datetime) -> ConnectorFailure:
        """Which of the three ways to fail an answer is that is not 2xx."""
        return rest.failure_of(reply, now, who=self.title)

    # --- what all processes of a project must know, on a platform that counts by the day ---

    def write_closed(self, failure: Throttled) -> str:
        """Until when nobody may ask, as the connector of the platform reads it."""
        raise AssertionError(f"{type(self).__name__} counts by the day and cannot say until when it is closed")

    def read_closed(self, kept: str) -> Throttled | None:
        """The same read again."""
        raise AssertionError(f"{type(self).__name__} counts by the day and cannot read until when it is closed")

    # --- the calendar of the quota ------------------------------------------------------------------------------------

    def day(self, now: datetime) -> str:
        """The day of the platform's quota that this moment belongs to."""
        return now.date().isoformat()

    def next_day(self, now: datetime) -> datetime:
        """When the next quota day begins."""
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


class AppDiscoverer(Discoverer):
    """A platform that lets an app of ours in, and says of many channels at once who is live."""

    open_while_offline = True

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.interval_seconds = options.live_every_seconds

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:
        return tuple(name for name in ("client_id", "client_secret") if not getattr(options, name))


def given_back(ends: datetime, now: datetime) -> datetime:
    """When to ask for another token than one that ends then: shortly before, or half-way for one that lasts shorter still."""
    return max(ends - EARLY, now + (ends - now) / 2)


def batches(values: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """In their order, at most ``size`` at once."""
    return [tuple(values[start : start + size]) for start in range(0, len(values), size)]
