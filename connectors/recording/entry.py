"""What all recording formats share: an event with its place in the recording, ids for messages that have none, and times as files write them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.event import Event, Message, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(NamedTuple):
    offset: float
    """Seconds from the start of the recording."""
    event: Event
    """With the file's own time, also as ``received_at``."""


class Maker:
    """Makes the events of one file: whose they are, who wrote them, and an id for what has none."""

    def __init__(self, platform: str, livestream: str | None, pseudonym: Callable[[str, str], str]) -> None:
        self.platform = platform
        self.livestream = livestream
        self._pseudonym = pseudonym
        self._seen: Counter[str] = Counter()

    def author(self, native: str | None) -> str | None:
        return self._pseudonym(self.platform, native) if native else None

    def id_of(self, native: object, offset: float, author: str | None, text: str) -> str:
        """``platform:native-id``; where the file has no id, a digest that is the same whenever the file is read, and never twice in it."""
        if isinstance(native, str) and native:
            return f"{self.platform}:{native}"
        if isinstance(native, int) and not isinstance(native, bool):
            return f"{self.platform}:{native}"
        words = f"{self.livestream}\x1f{offset:.3f}\x1f{author}\x1f{text}".encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(words, digest_size=16).hexdigest()
        self._seen[mark] += 1
        return f"{self.platform}:file:{mark}:{self._seen[mark]}"

    def about(self, at: datetime, author: str | None = None, name: object = None) -> dict[str, Any]:
        """The fields that all events of this file carry."""
        shown = name if isinstance(name, str) and name else None
        common = {"platform": self.platform, "livestream": self.livestream, "at": at, "received_at": at}
        return common | {"author": author, "author_name": shown}

    def message(self, native: object, offset: float, at: datetime, *, author: str | None, name: object, text: str) -> Message:
        made = self.author(author)
        return Message(id=self.id_of(native, offset, made, text), text=text, **self.about(at, made, name))

    def unknown(self, native: object, offset: float, at: datetime, name: str) -> Unknown:
        return Unknown(id=f"{self.id_of(native, offset, None, name)}:unknown", name=name[:60], **self.about(at))


_fraction = re.compile(r"\.(\d+)")


def moment(text: object) -> datetime:
    """RFC 3339 with any number of decimals (Twitch writes nine); raises Unreadable."""
    if not isinstance(text, str):
        raise Unreadable("missing_time")
    try:
        at = datetime.fromisoformat(_fraction.sub(lambda digits: "." + (digits[1] + "000000")[:6], text))
    except ValueError as error:
        raise Unreadable("wrong_time") from error
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)


def from_microseconds(value: object) -> datetime:
    """Unix microseconds as number or text; raises Unreadable."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unreadable("missing_time")
    try:
        return EPOCH + timedelta(microseconds=int(value))
    except (ValueError, OverflowError) as error:
        raise Unreadable("wrong_time") from error


def table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """A finite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if -1e12 < found < 1e12 else None


# --- money ------------------------------------------------------------------------------------------------------------

SYMBOLS = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "￥": "JPY", "CN¥": "CNY", "₩": "KRW", "₹": "INR", "R$": "BRL", "CA$": "CAD",
    "A$": "AUD", "NZ$": "NZD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN", "₱": "PHP", "₫": "VND", "₪": "ILS", "฿": "THB", "₺": "TRY", "₽": "RUB",
    "zł": "PLN", "Rp": "IDR", "RM": "MYR", "S/": "PEN",
}  # fmt: skip
"""As YouTube writes them in English, the language in which the tools ask."""
WITHOUT_MINOR = frozenset(("JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF"))
_amount = re.compile(r"\d[\d.,\s\u00a0\u202f']*")


def money(text: object) -> dict[str, Any]:
    """``amount_minor``, ``exponent`` and ``currency`` of an amount as shown, such as ``CA$1,000.50``; empty when it is not clear."""
    if not isinstance(text, str) or not (found := _amount.search(text)):
        return {}
    symbol = (text[: found.start()] + text[found.end() :]).strip(" \u00a0\u202f")
    currency = SYMBOLS.get(symbol) or (symbol if re.fullmatch(r"[A-Z]{3}", symbol) else None)
    digits = found[0].strip(" \u00a0\u202f'.,")
    if currency is None:
        return {}
    decimals = re.search(r"[.,](\d{1,2})$", digits)
    whole = re.sub(r"\D", "", digits[: decimals.start()] if decimals else digits)
    cents = (decimals[1] if decimals else "").ljust(2, "0")
    if currency in WITHOUT_MINOR:
        return {"amount_minor": int(whole), "exponent": 0, "currency": currency}
    return {"amount_minor": int(whole + cents), "exponent": 2, "currency": currency}
