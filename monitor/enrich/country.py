"""The country that a message counts for, and how we know it. Pure; never raises.

Declared in the roster beats the platform's own field; both are counted. A guess from the language of the text is only ever shown
beside the numbers: what is guessed counts in ZZ. Nothing is guessed from languages that many countries share (Spanish, Arabic,
English, Chinese, Russian, Portuguese, French, German …), and nothing from two letters in an emoticon.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

UNKNOWN: Final = "ZZ"
MOST_READ: Final = 300
"""More of a text tells nothing new, and would let a hostile one cost time."""


class Country(NamedTuple):
    """A country and where it comes from."""

    code: str
    """ISO 3166-1 alpha-2, or ZZ."""
    known_by: Literal["declared", "platform", "guess", "nothing"]

    @property
    def counted(self) -> str:
        """Where its numbers go: a guess counts in ZZ."""
        return UNKNOWN if self.known_by == "guess" else self.code


def country_of(declared: str | None, platform: str | None = None, text: str = "", language: str | None = None) -> Country:
    """Roster, else platform's field, else guess, else ZZ."""
    if code := _alpha2(declared):
        return Country(code, "declared")
    if code := _alpha2(platform):
        return Country(code, "platform")
    if code := guess_country(text, language):
        return Country(code, "guess")
    return Country(UNKNOWN, "nothing")


def guess_country(text: str, language: str | None = None) -> str | None:
    """The one country that the script, the letters or the language hint make likely; None when several are."""
    if text and not text.isascii() and _TELLING(text):
        said = text[:MOST_READ]
        for looks_like, country in _LETTERS:
            if looks_like(said):
                return country
    return _of_language(language) if language else None


_NO_COUNTRY: Final = frozenset({"ZZ", "XX", "AA", "EU", "UN"})


def _alpha2(code: str | None) -> str | None:
    if code is None or len(code) != 2 or not (code.isascii() and code.isalpha()):
        return None
    code = code.upper()
    return None if code in _NO_COUNTRY else code


# --- by letters -------------------------------------------------------------------------------------------------------
# Runs, because single letters of these scripts are parts of emoticons: ツ in a shrug, ω as a mouth, ค as an ear.
# Each line reads: a text in which this is found is most likely from there. The first that fits decides.

_PATTERNS: Final = (
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
    (
        "[\u0a80-\u0aff]{3}|[\u0a00-\u0a7f]{3}|[\u0b00-\u0b7f]{3}|[\u0c00-\u0c7f]{3}|[\u0c80-\u0cff]{3}|[\u0d00-\u0d7f]{3}",
        "IN",
    ),
    ("[ٹڈڑںے].*[ٹڈڑںے]", "PK"),
    ("[ўЎ].*[іІўЎ]|[іІ].*[ўЎ]", "BY"),
    ("[їЇєЄґҐ].*[іІїЇєЄґҐ]|[іІ].*[їЇєЄґҐ]", "UA"),
    ("[ұҰ].*[әғқңөүһіӘҒҚҢӨҮҺІұҰ]|[әғқңөүһіӘҒҚҢӨҮҺІ].*[ұҰ]", "KZ"),
    ("[ѓќЃЌ]", "MK"),
    # Latin letters that one language has to itself, twice
    ("(?:[ơưƠƯấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữựẤẦẨẪẬẮẰẲẴẶẾỀỂỄỆỐỒỔỖỘỚỜỞỠỢỨỪỬỮỰ].*){2}", "VN"),
    ("[əƏ].*[əƏğışçĞİŞÇ]|[ğışçĞİŞÇ].*[əƏ]", "AZ"),
    ("[ğıĞİ].*[ğışĞİŞ]|[şŞ].*[ğıĞİ]", "TR"),
    ("[łŁ].*[łąęśżźćńŁĄĘŚŻŹĆŃ]|[ąęśżźćńĄĘŚŻŹĆŃ].*[łŁ]", "PL"),
    ("[őűŐŰ].*[őűŐŰ]", "HU"),
    ("[řůŘŮ].*[řůěŘŮĚ]|[ěĚ].*[řůŘŮ]", "CZ"),
    ("[þÞ].*[ðþæÐÞÆ]|[ðÐ].*[þÞ]", "IS"),
)
_LETTERS: Final = [(re.compile(pattern, re.DOTALL).search, country) for pattern, country in _PATTERNS]
_CLASS: Final = re.compile(r"\[([^]]+)]")
_TELLING: Final = re.compile(
    "[" + "".join(letters for pattern, _ in _PATTERNS for letters in _CLASS.findall(pattern)) + "]"
).search
"""Most texts have none of these letters, and are done."""


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
