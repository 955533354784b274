"""Pages for phones, made on the server: plain HTML files with places for values, in eight languages. Pure.

``{{name}}`` is a value, ``{{:key}}`` a word of monitor/words. Everything is escaped on its way in except ``Html``, which only this module
and its templates make; so a name that is a script is shown as the text that it is. Whatever people wrote stands in ``<bdi>``, without
invisible and direction-changing characters.
"""

from __future__ import annotations

import csv
import html
import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from monitor.countries import COUNTRIES, UNKNOWN
from monitor.handles import INVISIBLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGUAGES: Final = ("en", "zh", "es", "pt", "ru", "ar", "fr", "id")
PLACE: Final = re.compile(r"\{\{(:?)([a-z_]+)\}\}")
VALUE: Final = re.compile(r"\{([a-z_]+)\}")
VALUES: Final = re.compile(r"(\{[a-z_]+\})")
LONGEST: Final = 1000
STACKED: Final = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u20d0-\u20ff]{3})[\u0300-\u036f\u0483-\u0489\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u20d0-\u20ff]+"
)
"""More than three marks on one letter: they would be drawn over the lines above."""


class Html(str):
    """Made of a template: every value in it is escaped already."""

    __slots__ = ()


NONE: Final = Html("")


@lru_cache
def words(language: str) -> Mapping[str, str]:
    """All words of one language."""
    found: dict[str, str] = tomllib.loads(files("monitor").joinpath("words", f"{language}.toml").read_text(encoding="utf-8"))
    return found


@lru_cache
def template(name: str) -> str:
    return files("monitor").joinpath("templates", f"{name}.html").read_text(encoding="utf-8").rstrip("\n")


def render(name: str, language: str, /, **values: object) -> Html:
    """A template with its values; a place without a value is a mistake of ours and raises KeyError."""
    spoken = words(language)

    def fill(place: re.Match[str]) -> str:
        if place[1]:
            return worded(spoken[place[2]], values)
        value = values[place[2]]
        return value if isinstance(value, Html) else escaped(str(value))

    return Html(PLACE.sub(fill, template(name)))


def word(language: str, key: str, **values: object) -> Html:
    """One sentence; a key that does not exist says nothing rather than what a stranger put there."""
    return worded(words(language).get(key, ""), values)


def worded(text: str, values: Mapping[str, object]) -> Html:
    """A sentence with its values. Each is set apart, or "2026 Summit" would fall to pieces in an Arabic sentence."""

    def fill(place: re.Match[str]) -> str:
        value = values.get(place[1], "")
        shown = value if isinstance(value, Html) else escaped(str(value))
        return shown if isinstance(value, int) else f"\u2068{shown}\u2069"

    return Html("".join(VALUE.sub(fill, part) if VALUE.fullmatch(part) else escaped(part) for part in VALUES.split(text)))


def escaped(text: str) -> str:
    return html.escape(clean(text), quote=True)


def clean(text: str) -> str:
    """What is shown of a text that somebody wrote."""
    visible = "".join(letter for letter in INVISIBLE.sub("", text) if letter.isprintable() or letter == " ")
    return STACKED.sub(r"\1", visible)[:LONGEST]


def joined(parts: Iterable[Html]) -> Html:
    return Html("\n".join(parts))


# --- languages --------------------------------------------------------------------------------------------------------


def chosen(asked: str | None, accept: str, usual: str = "en") -> str:
    """The language that was asked for, else the browser's best that we speak."""
    if asked in LANGUAGES:
        return str(asked)
    wanted = []
    for position, part in enumerate(accept[:400].split(",")[:30]):
        tag, _, rest = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)\s*", rest)
        wanted.append((-(float(quality[1]) if quality else 1.0), position, tag.casefold().partition("-")[0]))
    aliases = {"in": "id", "cmn": "zh", "yue": "zh", "ms": "id"}
    spoken = (aliases.get(tag, tag) for weight, _, tag in sorted(wanted) if weight < 0)
    return next((tag for tag in spoken if tag in LANGUAGES), usual if usual in LANGUAGES else "en")


def region(accept: str) -> str | None:
    """The country that the browser's languages name, as a first guess for the form."""
    found = re.search(r"\b[a-z]{2,3}(?:-[a-z]{4})?-([a-z]{2})\b", accept[:400], re.IGNORECASE)
    return found[1].upper() if found and found[1].upper() in COUNTRIES else None


@lru_cache
def countries(language: str) -> tuple[tuple[str, str], ...]:
    """(code, name) in a language, in the order of names."""
    if language == "en":
        names = {code: country.en for code, country in COUNTRIES.items()}
    elif language == "zh":
        names = {code: country.zh for code, country in COUNTRIES.items()}
    else:
        rows = csv.DictReader(files("monitor").joinpath("words", "countries.csv").read_text(encoding="utf-8").splitlines())
        names = {row["code"]: row[language] for row in rows}
    return tuple(sorted(names.items(), key=lambda pair: pair[1]))


def country(language: str, code: str | None) -> str:
    """Its name; empty when it is not known."""
    return "" if code in (None, UNKNOWN) else dict(countries(language)).get(str(code), str(code))
