"""The fields of Telegram's updates, as people, libraries and older versions write them, and what an update does not say itself: pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.telegram.totals import Totals
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = FIRST = 10**9
"""Of stars and reactions; and as a time 2001, before which there was no Telegram."""


class Written:
    """Who wrote the last messages, so that a ban can take them back one by one; bounded."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._authors: OrderedDict[str, str] = OrderedDict()

    def add(self, event_id: str, author: str) -> None:
        self._authors[event_id] = author
        if len(self._authors) > self._limit:
            self._authors.popitem(last=False)

    def of(self, author: str, chat: str) -> list[str]:
        """Event ids of what this author wrote in this chat."""
        prefix = f"telegram:{chat}:"
        return [event_id for event_id, who in self._authors.items() if who == author and event_id.startswith(prefix)]


class Albums:
    """Which picture of an album came first: each is a message of its own, and only together they are what somebody sent; bounded."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._first: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_first(self, chat: str, album: str, message: int) -> bool:
        first = self._first.setdefault((chat, album), message)
        if len(self._first) > self._limit:
            self._first.popitem(last=False)
        return first == message


class Context(NamedTuple):
    """What an update does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None
    """Chat id, or username in lower case, to livestream id; None takes every chat as ``telegram:<chat id>``."""
    totals: dict[str, Totals]
    """Chat id → reactions so far."""
    written: Written
    albums: Albums
    is_capture: bool = False
    """Nothing is known of the time before it: totals count from nought, and not from the first one that was seen."""

    def totals_of(self, chat: str) -> Totals:
        return self.totals.setdefault(chat, Totals(since=0 if self.is_capture else None))


def message_id(chat: str, number: int) -> str:
    return f"telegram:{chat}:{number}"


def author_of(sender: Any, sender_chat: Any, context: Context, *, post: bool) -> tuple[str | None, str | None]:
    """Who writes as a channel or as the anonymous group is that channel or group."""
    if isinstance(sender_chat, dict):
        number, title = integer(sender_chat.get("id")), sender_chat.get("title")
    elif isinstance(sender, dict):
        number = integer(sender.get("id"))
        title = " ".join(part for part in (sender.get("first_name"), sender.get("last_name")) if isinstance(part, str) and part)
    elif post:
        return None, None
    else:
        raise Unreadable("missing_author")
    if number is None:
        raise Unreadable("missing_author")
    return context.pseudonym("telegram", str(number)), (title[:200] if isinstance(title, str) else None) or None


def told_in(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Libraries write down the fields that are not there as well: as null, as false, as an empty list."""
    told = {key: value for key, value in body.items() if value is not None and value is not False and value != []}
    if "from" not in told and isinstance(told.get("from_user"), dict):
        told["from"] = told["from_user"]
    return told


def id_of(body: Mapping[str, Any]) -> int:
    number = integer(body.get("message_id"))
    if number is None:
        raise Unreadable("missing_id")
    return number


def time_of(body: Mapping[str, Any]) -> datetime:
    told = body.get("date")
    seconds = integer(told)
    if seconds is not None and not FIRST <= seconds < 10**11:
        raise Unreadable("bad_time")
    at = datetime.fromtimestamp(seconds, UTC) if seconds is not None else moment(told)
    if at is None or at.timestamp() < FIRST:
        raise Unreadable("bad_time")
    return at


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def integer(value: Any) -> int | None:
    """A whole number, also one that a library wrote as text."""
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and -(2**62) < value < 2**62 else None
