"""Amounts as partners state them, to whole numbers of the currency's smallest unit. Pure; money is never a float.

``minor`` takes a number or a decimal text and its currency. ``shown`` reads what is written for people in any language, such as ``$5.00``,
``5,00 €``, ``٥٫٠٠ US$``, ``500 bits`` or ``3 roses``: what it cannot read clearly has no value, and who calls it keeps the text.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

CODES: Final = frozenset(
    re.findall(
        r"\w+",
        """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP
    CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG""",
    )
)
"""ISO 4217; other words of three capitals are names of things."""
EXPONENTS = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
     "BITS", "DIAMONDS", "KICKS", "JEWELS", "STARS", "COINS", "TOKENS", "SPARKS", "PIXELS", "VOLTS", "CHEESE", "SATS"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)  # fmt: skip
"""Decimals of a currency where they are not two."""

SYMBOLS = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "￥": "JPY", "CN¥": "CNY", "RMB": "CNY", "元": "CNY", "₩": "KRW", "₹": "INR",
    "R$": "BRL", "CA$": "CAD", "C$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN", "S$": "SGD",
    "₱": "PHP", "₫": "VND", "₪": "ILS", "฿": "THB", "₺": "TRY", "₽": "RUB", "₴": "UAH", "zł": "PLN", "Rp": "IDR", "RM": "MYR", "S/": "PEN",
    "$US": "USD", "$CA": "CAD", "$AU": "AUD", "$NZ": "NZD", "$HK": "HKD", "$MX": "MXN", "$TW": "TWD", "$SG": "SGD", "COL$": "COP", "RD$": "DOP",
    "J$": "JMD", "TT$": "TTD", "$U": "UYU", "EC$": "XCD", "FJ$": "FJD", "JP¥": "JPY", "円": "JPY", "圓": "TWD", "원": "KRW", "人民币": "CNY",
    "đ": "VND", "₸": "KZT", "₼": "AZN", "₾": "GEL", "֏": "AMD", "₮": "MNT", "₭": "LAK", "៛": "KHR", "৳": "BDT", "₦": "NGN", "₵": "GHS",
    "GH₵": "GHS", "₡": "CRC", "₲": "PYG", "؋": "AFN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "лв": "BGN", "ден": "MKD", "TL": "TRY", "тг": "KZT",
    "руб": "RUB", "р": "RUB", "грн": "UAH", "сум": "UZS", "kr.": "DKK", "Fr": "CHF", "SFr": "CHF", "KM": "BAM", "KSh": "KES", "TSh": "TZS",
    "USh": "UGX", "R": "ZAR", "Q": "GTQ", "B/": "PAB", "E£": "EGP", "£E": "EGP", "L£": "LBP", "د.إ": "AED", "ر.س": "SAR", "د.ك": "KWD",
    "د.ب": "BHD", "ر.ق": "QAR", "ر.ع": "OMR", "ج.م": "EGP", "د.أ": "JOD", "د.م": "MAD", "د.ت": "TND", "د.ج": "DZD", "د.ع": "IQD", "ل.ل": "LBP",
}  # fmt: skip
"""As they stand beside a number; without a point at their end."""
WORDS = {
    "usd": "USD", "eur": "EUR", "euro": "EUR", "euros": "EUR", "gbp": "GBP", "yen": "JPY", "yuan": "CNY", "rmb": "CNY", "won": "KRW",
    "reais": "BRL", "rubles": "RUB", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB", "гривень": "UAH", "тенге": "KZT", "forint": "HUF",
    "美元": "USD", "欧元": "EUR", "日元": "JPY", "块": "CNY", "人民幣": "CNY",
}  # fmt: skip
"""What is also written in small letters."""
SHARED: Final = frozenset(("kr", "rs", "bs", "br", "din", "дин", "l"))
"""Signs of several countries' money: an amount, and nobody can say of what."""
UNITS = {
    "bit": "BITS", "bits": "BITS", "diamond": "DIAMONDS", "diamonds": "DIAMONDS", "💎": "DIAMONDS", "kick": "KICKS", "kicks": "KICKS", "jewel": "JEWELS",
    "jewels": "JEWELS", "star": "STARS", "stars": "STARS", "⭐": "STARS", "coin": "COINS", "coins": "COINS", "🪙": "COINS", "token": "TOKENS",
    "tokens": "TOKENS", "spark": "SPARKS", "sparks": "SPARKS", "pixel": "PIXELS", "pixels": "PIXELS", "volt": "VOLTS", "volts": "VOLTS",
    "cheese": "CHEESE", "치즈": "CHEESE", "sat": "SATS", "sats": "SATS",
}  # fmt: skip
"""What platforms sell; anything else that is counted is a thing."""
RANKS: Final = frozenset(
    ("tier", "level", "lvl", "lv", "rank", "stage", "day", "no", "number", "stufe", "nivel", "niveau", "nível", "уровень")
)
"""A number behind one of these says which one, and not how many."""
MOST = 10**15
"""A larger amount is nonsense, and the journal's numbers have 64 bits."""
LONGEST: Final = 200

_amount = re.compile(
    r"(?:[0-9]+(?:(?:[.,'’](?=[0-9])|[ \u00a0\u202f](?=[0-9]{3}(?![0-9])))[0-9]+)*|(?<![\w/.,])[.,][0-9]+)(?:([kKmM])(?![^\W_]))?"
)
_marks = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\ufeff]")
"""What is not seen: the direction of scripts, and how an emoji is drawn."""
_times = re.compile(r"(?:^|[^\w])[xX×✕*]$")
_of_its_country = re.compile(r"([A-Z]{3})\$")


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


def currency_of(told: str) -> str:
    """Of a field that names the currency: its code; what is none stays as it is, in capitals."""
    word = told.strip().rstrip(".")
    return SYMBOLS.get(told) or SYMBOLS.get(word) or UNITS.get(word.casefold()) or WORDS.get(word.casefold()) or word.upper()


def minor(value: Any, currency: str) -> Money | None:
    """A number or text in whole units (``5``, ``5.5``, ``"5,000.00"``, ``"5,00"``); None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = repr(value)
    if isinstance(value, str):
        text = re.sub(r"[\s\u00a0\u202f'’]", "", value[:60])
        if "," in text:
            text = _plain(text, 2)
    try:
        amount = Decimal(text).scaleb(exponent_of(currency))
        if not amount.is_finite() or not 0 <= amount <= MOST:
            return None
        return Money(int(amount.to_integral_value(ROUND_HALF_EVEN)), exponent_of(currency), currency)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def shown(text: str) -> Shown:
    """What a display text says: money, a number of things, or once something without a value."""
    text = _in_ascii_digits(_marks.sub("", text[:LONGEST]))
    found = _amount.search(text)
    if found is None:
        return Shown(1, None)
    before, after = text[: found.start()].rstrip(" \u00a0\u202f+-:"), text[found.end() :].lstrip(" \u00a0\u202f")
    digits, factor = found[0].rstrip("kKmM"), {"k": 1_000, "m": 1_000_000}.get((found[1] or "").lower(), 1)
    words = (_word(before, -1), _word(after, 0))
    currency = _currency(*words)
    if currency is not None:
        return Shown(1, minor(str(Decimal(_plain(digits, exponent_of(currency))) * factor), currency))
    if _is_money(*words, is_joined=before == text[: found.start()]):
        return Shown(1, None)
    plain = Decimal(_plain(digits, 0)) * factor
    unit = next((UNITS[word] for word in (words[1].casefold(), words[0].casefold()) if word in UNITS), None)
    if unit is not None:
        return Shown(1, minor(str(plain), unit))
    is_count = plain == int(plain) and plain < 10**9 and (_times.search(before) or _counts(*words, is_first=not before))
    return Shown(max(int(plain), 1) if is_count else 1, None)


def _counts(left: str, right: str, *, is_first: bool) -> bool:
    """``3 roses`` and ``Sent 3 roses`` are three of them; a bare number, ``Tier 3`` and ``Level 3 badge`` are not."""
    return bool(right) and (is_first or (left.isalpha() and left.casefold() not in RANKS))


def _word(text: str, at: int) -> str:
    """The first or last word, as far as nothing cuts it off."""
    words = re.split(r"[\s()\[\],;!]+|(?<=[^A-Z])/" if at == 0 else r"[\s()\[\],;!:]+", text.strip())
    words = [word for word in words if word]
    return words[at] if words else ""


def _currency(left: str, right: str) -> str | None:
    """The code or sign that touches the number; a code says more than a sign, which several countries have."""
    for word in (right, left):
        bare = word.rstrip(".")
        if bare in CODES:
            return bare
        if (country := _of_its_country.fullmatch(word)) and country[1] in CODES:
            return country[1]
    for word in (left, right):
        bare = word.rstrip(".")
        if found := SYMBOLS.get(word) or SYMBOLS.get(bare) or WORDS.get(bare.casefold()):
            return found
    return None


def _is_money(left: str, right: str, *, is_joined: bool) -> bool:
    """Whether it is an amount of a currency that cannot be told: a sign of several countries, or one that we do not know."""
    if any(word.rstrip(".").casefold() in SHARED for word in (left, right)):
        return True
    if any(unicodedata.category(character) == "Sc" for character in left + right):
        return True
    return is_joined and bool(re.fullmatch(r"[A-WYZ][A-Za-z]?/?\.?", left))


def _in_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    digits = "".join(str(unicodedata.digit(one)) if one.isdecimal() else one for one in unicodedata.normalize("NFC", text))
    return digits.replace("٫", ".").replace("٬", ",").replace("＄", "$").replace("．", ".").replace("，", ",")


def _plain(digits: str, exponent: int) -> str:
    """Digits with a point before the decimals: one or two digits after a single sign are decimals, three are thousands.

    Three are decimals where the currency has three and the sign is a point, and of what begins with nought.
    """
    digits = re.sub(r"['’\s\u00a0\u202f]", "", digits)
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return digits
    whole, decimals = re.sub(r"[.,]", "", digits[:last]), digits[last + 1 :]
    signs = [one for one in digits if one in ".,"]
    if len(set(signs)) == 2:
        is_decimal = signs.count(signs[-1]) == 1
    else:
        is_thousands = len(decimals) == 3 and whole.strip("0") != "" and not (exponent == 3 and signs[-1] == ".")
        is_decimal = len(signs) == 1 and not is_thousands
    return f"{whole or 0}.{decimals or 0}" if is_decimal else whole + decimals
