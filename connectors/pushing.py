"""The contract of push: how one platform is asked to tell us who goes live, and kept doing so. Pure.

A ``Pusher`` is a machine without a clock, a network or a memory: it is told which channels are wanted, what was answered and what time it
is, and says what to ask next. The shell that sends, waits and remembers is ``monitor/pushes.py``, once, for all platforms. What a platform
then tells comes in by a ``Receiver`` or by ``told``; it is a ``Hint`` and never a fact: discovery asks the platform itself.

Nothing depends on push. When it is refused or silent, broadcasts are found by asking, only later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping
    from datetime import datetime

    from connectors.connector import ConnectorFailure, Hint, Tools
    from connectors.event import Event
    from connectors.rest import Ask, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a trial that was no failure."""

    well: bool
    """Whether it does all that it could do."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A question by which ``monitor check`` finds out whether a platform will tell us; ``read`` may raise one of the three failures."""

    what: str
    ask: Ask
    read: Callable[[Reply, datetime], Tried | Trial]
    """What the answer means, or what to ask after it."""


class Pusher(ABC):
    """One platform's subscriptions; see the module docstring for what it must not do."""

    name: ClassVar[str]
    """Name in the table of platforms."""
    holds: bool = False
    """Whether it tells over a connection that we hold (``told``), and does not call us."""
    with_token: ClassVar[bool] = False
    """Whether its questions carry the discoverer's token and are paid from the discoverer's quota."""

    def __init__(self, options: Any, tools: Tools, callback: str) -> None:
        self.opts = options
        self.tools = tools
        self.callback = callback
        """Our public address of this platform, ``https://…/hooks/<name>``; empty: we have none."""
        self.trouble = ""
        """Why it does not work now, in words; empty when all is well."""

    @classmethod
    def made(cls, options: Any, tools: Tools, callback: str) -> Pusher:
        """The one that these options ask for, where a platform has several ways."""
        return cls(options, tools, callback)

    @classmethod
    @abstractmethod
    def lacking(cls, options: Any, public_url: str) -> str | None:
        """What is missing so that the platform can tell us, in a sentence; empty: nothing; None: it is switched off, or has no key."""

    @classmethod
    def trials(cls, options: Any) -> list[Trial]:  # noqa: ARG003 — for those that have logins of their own
        """What to try before the event, beside discovery's login."""
        return []

    @abstractmethod
    def watch(self, native_ids: Collection[str]) -> None:
        """The channels that are wanted from now on."""

    @abstractmethod
    def load(self, kept: Mapping[str, str]) -> None:
        """What an earlier process remembered."""

    @abstractmethod
    def changes(self) -> dict[str, str | None]:
        """What must be remembered since this was last asked; None: to be forgotten."""

    @abstractmethod
    def next(self, now: datetime) -> Ask | None:
        """The next request; it is answered by ``take`` or ``failed`` before this is asked again."""

    @abstractmethod
    def take(self, reply: Reply, now: datetime) -> None:
        """The answer to the last request, whatever its status. Never raises."""

    @abstractmethod
    def failed(self, failure: ConnectorFailure, now: datetime) -> None:
        """There was no answer."""

    @abstractmethod
    def hear(self, hint: Hint, now: datetime) -> None:
        """What the platform said of a subscription."""

    @property
    def urgent(self) -> bool:
        """Whether the next request cannot wait for a quota that is nearly used up."""
        return False

    @property
    @abstractmethod
    def standing(self) -> int:
        """So many channels are told about now."""

    def told(self, directory: Callable[[], Mapping[str, str]]) -> AsyncGenerator[Event | Hint, None]:
        """What the platform tells over the connection that we hold; ``directory`` is native id → livestream. Ends by one of the three failures."""
        raise AssertionError(f"{self.name} calls us")


def short(text: str, length: int = 120) -> str:
    """A platform's own words for a log: printable, and not longer than a line."""
    return "".join(one for one in text if one.isprintable())[:length]
