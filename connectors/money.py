"""Amounts as partners state them, to whole numbers of the currency's smallest unit. Pure; money is never a float.

``minor`` takes a number or a decimal text and its currency. ``shown`` reads what is written for people, such as ``$5.00``, ``500 bits``
or ``3 roses``: what it cannot read clearly has no value, and who calls it keeps the text.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, NamedTuple

EXPONENTS = dict.fromkeys(
    ("JPY", "KRW", "VND", "CLP", "ISK", "PYG", "UGX", "XAF", "XOF", "BITS", "DIAMONDS", "KICKS", "JEWELS", "STARS", "COINS"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
"""Decimals of a currency where they are not two."""

SYMBOLS = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "￥": "JPY", "CN¥": "CNY", "RMB": "CNY", "元": "CNY", "₩": "KRW", "₹": "INR",
    "R$": "BRL", "CA$": "CAD", "C$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN", "S$": "SGD",
    "₱": "PHP", "₫": "VND", "₪": "ILS", "฿": "THB", "₺": "TRY", "₽": "RUB", "₴": "UAH", "zł": "PLN", "Rp": "IDR", "RM": "MYR", "S/": "PEN",
}  # fmt: skip
UNITS = {
    "bit": "BITS", "bits": "BITS", "diamond": "DIAMONDS", "diamonds": "DIAMONDS", "kick": "KICKS", "kicks": "KICKS", "jewel": "JEWELS",
    "jewels": "JEWELS", "star": "STARS", "stars": "STARS", "coin": "COINS", "coins": "COINS",
}  # fmt: skip
DOLLARS = frozenset(("AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "TWD", "USD"))
"""What a bare ``$`` may be when the code stands behind the number."""
MOST = 10**15
"""A larger amount is nonsense, and the journal's numbers have 64 bits."""

_amount = re.compile(r"\d[\d.,'\u00a0\u202f ]*")
_code = re.compile(r"[A-Z]{3}")


class Money(NamedTuple):
    amount_minor: int
    exponent: int
    currency: str | None


class Shown(NamedTuple):
    units: int
    """How many of the thing; 1 for an amount of money."""
    money: Money | None


def exponent_of(currency: str) -> int:
    return EXPONENTS.get(currency, 2)


def minor(value: Any, currency: str) -> Money | None:
    """A number or text in whole units (``5``, ``5.5``, ``"5,000.00"``); None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value[:60].strip().replace(",", "") if isinstance(value, str) else repr(value)
    try:
        amount = Decimal(text).scaleb(exponent_of(currency))
        if not amount.is_finite() or not 0 <= amount <= MOST:
            return None
        return Money(int(amount.to_integral_value(ROUND_HALF_EVEN)), exponent_of(currency), currency)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def shown(text: str) -> Shown:
    """What a display text says: money, a number of things, or once something without a value."""
    found = _amount.search(text[:200])
    if found is None:
        return Shown(1, None)
    before, after = text[: found.start()].strip(" \u00a0+-:"), text[found.end() : 200].strip(" \u00a0!.:")
    digits = found[0].strip(" \u00a0\u202f'.,")
    currency = _currency(before, after)
    if currency is not None:
        return Shown(1, minor(_plain(digits), currency))
    whole = re.sub(r"\D", "", digits)
    count = int(whole) if whole and len(whole) <= 9 and not re.search(r"[.,]\d{1,2}$", digits) else 1
    unit = UNITS.get(after.split()[0].casefold()) if after.split() else None
    if unit is not None:
        return Shown(1, minor(whole, unit))
    return Shown(max(count, 1), None)


def _currency(before: str, after: str) -> str | None:
    """The word or sign that touches the number."""
    left, right = (before.split() or [""])[-1], (after.split() or [""])[0]
    if left == "$" and right in DOLLARS:
        return right
    for word in (left, right):
        if word in SYMBOLS:
            return SYMBOLS[word]
        if _code.fullmatch(word):
            return word
    return None


def _plain(digits: str) -> str:
    """Digits with a point before the decimals: one or two digits after the last sign are decimals, three are thousands."""
    digits = re.sub(r"['\s\u00a0\u202f]", "", digits)
    decimals = re.search(r"[.,](\d{1,2})$", digits)
    whole = re.sub(r"\D", "", digits[: decimals.start()] if decimals else digits)
    return f"{whole or 0}.{decimals[1]}" if decimals else whole
