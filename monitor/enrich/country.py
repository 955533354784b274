"""The country that a message of nobody in the roster may come from, guessed from its words. Pure; never raises.

A guess is only ever shown beside the numbers: what is guessed counts in ZZ. Nothing is guessed from languages that many countries share
(Spanish, Arabic, English, Chinese, Russian, Portuguese, French, German …), and nothing from two letters in an emoticon.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final


def guess_country(text: str, language: str | None = None) -> str | None:
    """The one country that the script, the letters or the language hint make likely; None when several are."""
    if text and not text.isascii() and (country := _of_letters(text)):
        return country
    return _of_language(language) if language else None


_NO_COUNTRY: Final = frozenset({"ZZ", "XX", "AA", "EU", "UN"})


def _alpha2(code: str | None) -> str | None:
    if code is None or len(code) != 2 or not (code.isascii() and code.isalpha()):
        return None
    code = code.upper()
    return None if code in _NO_COUNTRY else code


# --- by letters -------------------------------------------------------------------------------------------------------
# Everything here takes time in proportion to the text, whatever somebody sends.

_RUNS: Final = (
    ("[\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e]{3}", "TH"),
    ("[\u3041-\u3096][\u3041-\u3096\u30a1-\u30fa\u30fc]{2}|[\u30a1-\u30fa\u30fc]{3}", "JP"),
    ("[\uac00-\ud7a3]{2}", "KR"),
    ("[\u05d0-\u05ea]{3}", "IL"),
    ("[\u10d0-\u10ff\u1c90-\u1cbf]{3}", "GE"),
    ("[\u0531-\u0587]{3}", "AM"),
    ("[\u1780-\u17d3]{3}", "KH"),
    ("[\u0e81-\u0edf]{3}", "LA"),
    ("[\u1000-\u109f]{3}", "MM"),
    ("[\u0d80-\u0df4]{3}", "LK"),
    ("[\u0780-\u07b1]{3}", "MV"),
    ("[\u1200-\u135a]{3}", "ET"),
    ("[\u0370-\u03ff\u1f00-\u1fff]{3}", "GR"),
    ("[\u0a00-\u0aff]{3}|[\u0b00-\u0b7f]{3}|[\u0c00-\u0cff]{3}|[\u0d00-\u0d7f]{3}", "IN"),
)
"""Runs of letters, because single ones are parts of emoticons: ツ in a shrug, ω as a mouth, ค as an ear."""

_RUN: Final = re.compile("|".join(f"({pattern})" for pattern, _ in _RUNS))

_LETTERS: Final = [
    (re.compile(f"[{own}]"), re.compile(f"[{own}{shared}]"), country)
    for own, shared, country in (
        ("ٹڈڑںے", "", "PK"),
        ("ўЎ", "іІ", "BY"),
        ("їЇєЄґҐ", "іІ", "UA"),
        ("ұҰ", "әғқңөүһіӘҒҚҢӨҮҺІ", "KZ"),
        ("ѓќЃЌ", "јљњЈЉЊ", "MK"),
        ("ơưƠƯấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữựẤẦẨẪẬẮẰẲẴẶẾỀỂỄỆỐỒỔỖỘỚỜỞỠỢỨỪỬỮỰ", "", "VN"),
        ("əƏ", "ğışçĞİŞÇ", "AZ"),
        ("ğıĞİ", "şŞ", "TR"),
        ("łŁ", "ąęśżźćńĄĘŚŻŹĆŃ", "PL"),
        ("őűŐŰ", "", "HU"),
        ("řůŘŮ", "ěĚ", "CZ"),
        ("þÞ", "ðæÐÆ", "IS"),
    )
]
"""Letters that one language has to itself, and more that speak for it: two in all, because one may be somebody's name."""

_IN_BRACKETS: Final = re.compile(r"\[([^]]+)]")
_RUN_LETTER: Final = re.compile(f"[{''.join(_IN_BRACKETS.findall(_RUN.pattern))}]")
_OWN_LETTER: Final = re.compile(f"[{''.join(own.pattern.strip('[]') for own, _, _ in _LETTERS)}]")
"""Most texts have neither, and are done."""


def _of_letters(text: str) -> str | None:
    if (first := _RUN_LETTER.search(text)) and (run := _RUN.search(text, first.start())):
        assert run.lastindex is not None
        return _RUNS[run.lastindex - 1][1]
    if _OWN_LETTER.search(text):
        for own, all_of_it, country in _LETTERS:
            if own.search(text) and len(all_of_it.findall(text)) > 1:
                return country
    return None


# --- by language hint -------------------------------------------------------------------------------------------------

_BY_LANGUAGE: Final = {
    "am": "ET", "az": "AZ", "be": "BY", "bg": "BG", "cs": "CZ", "da": "DK", "dv": "MV", "dz": "BT", "el": "GR", "et": "EE",
    "fa": "IR", "fi": "FI", "fil": "PH", "gu": "IN", "he": "IL", "hi": "IN", "hr": "HR", "hu": "HU", "hy": "AM", "id": "ID",
    "in": "ID", "is": "IS", "it": "IT", "iw": "IL", "ja": "JP", "jv": "ID", "ka": "GE", "kk": "KZ", "km": "KH", "kn": "IN",
    "ko": "KR", "ky": "KG", "lo": "LA", "lt": "LT", "lv": "LV", "mk": "MK", "ml": "IN", "mn": "MN", "mr": "IN", "ms": "MY",
    "mt": "MT", "my": "MM", "nb": "NO", "ne": "NP", "nn": "NO", "no": "NO", "pl": "PL", "ro": "RO", "rw": "RW", "si": "LK",
    "sk": "SK", "sl": "SI", "so": "SO", "te": "IN", "tg": "TJ", "th": "TH", "tk": "TM", "tl": "PH", "tr": "TR", "uk": "UA",
    "ur": "PK", "uz": "UZ", "vi": "VN",
}  # fmt: skip


@lru_cache(maxsize=1000)
def _of_language(tag: str) -> str | None:
    """The region of a tag counts (``pt-BR``), but not of an English one: en-US is what clients send when nobody chose."""
    parts = tag.replace("_", "-").split("-")
    language = parts[0].lower()
    if language != "en" and len(language) > 1:
        for part in parts[1:]:
            if len(part) == 1:  # what follows is an extension
                break
            if code := _alpha2(part):
                return code
    return _BY_LANGUAGE.get(language)
