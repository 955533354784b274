"""Countries and regions: ISO 3166-1 alpha-2 codes with English and Chinese names, and the way back from what people write.

The table is ``countries.csv`` (code, en, zh, also); ``also`` holds usual variants and names in the country's own language. What people write
in other languages is found by ``words/countries.csv`` (the languages of the pages) and ``words/countries_also.csv`` (fifteen more; as
Unicode CLDR 48 has them).
``ZZ`` is no country of the table: it stands for "unknown" wherever numbers are shown.
"""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = "ZZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    code: str
    """ISO 3166-1 alpha-2."""
    en: str
    zh: str
    also: tuple[str, ...] = ()
    """Other ways to write it."""


def _read() -> dict[str, Country]:
    rows = csv.DictReader(files("monitor").joinpath("countries.csv").read_text(encoding="utf-8").splitlines())
    return {
        row["code"]: Country(
            code=row["code"], en=row["en"], zh=row["zh"], also=tuple(name for name in row["also"].split(";") if name)
        )
        for row in rows
    }


def fold(name: str) -> str:
    """A name without case, width, accents, punctuation, and a leading "the": how two spellings are compared."""
    text = unicodedata.normalize("NFKD", name).casefold().replace("ı", "i").replace("&", " and ")
    letters = "".join(character for character in text if not unicodedata.combining(character))
    words = re.sub(r"[^\w]+", " ", re.sub(r"[.'’ʻ`\u200c\u200d]", "", letters)).split()
    return " ".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


COUNTRIES = _read()
"""By code, in the order of codes."""

_CODES = {code.casefold(): code for code in COUNTRIES}


def _elsewhere(file: str) -> Iterator[tuple[str, str]]:
    """(name in another language, code); what the table itself says holds over it."""
    text = files("monitor").joinpath("words", file).read_text(encoding="utf-8")
    for code, *names in csv.reader(text.splitlines()[1:]):
        for name in names:
            yield from ((fold(one), code) for one in name.split(";") if one)


_USUAL = {fold(name): country.code for country in COUNTRIES.values() for name in (country.en, country.zh, *country.also)}
_NAMES = {**dict(_elsewhere("countries_also.csv")), **dict(_elsewhere("countries.csv")), **_USUAL}


def find_country(written: str) -> str | None:
    """The code for a code, a usual variant, or a name in any language that we have names in; None when there is none."""
    folded = fold(written)
    return _CODES.get(folded) or _NAMES.get(folded)


@lru_cache(maxsize=1024)
def nearest_country(written: str) -> str | None:
    """The English name of the country that somebody may have meant."""
    close = difflib.get_close_matches(fold(written), _USUAL, n=1, cutoff=0.75)  # of all languages it would take long
    return COUNTRIES[_USUAL[close[0]]].en if close else None
