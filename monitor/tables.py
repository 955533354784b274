"""One TOML table, read key by key: whatever does not fit becomes one sentence that names file, key, and the way out.

Promise: a key is either taken with its type checked, or ``done()`` names it and the nearest known one; nothing is ignored silently.
Secrets are read only from the environment or from a file that not everybody can read, and never appear in an error.
"""

from __future__ import annotations

import difflib
import re
import stat
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from connectors.connector import Secret
from connectors.proxy import Proxy
from monitor.config import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Ids become part of counted fields, where ``:``, ``+`` and ``|`` separate."""

LANGUAGE = re.compile(r"\*|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the tables come from."""

    file: str
    """Name shown in errors."""
    folder: Path
    """Relative paths in the file start here."""
    environment: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    """Sentences about what works but lacks something, collected while reading."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean …?`` when something is close, else the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6) or difflib.get_close_matches(
        word.casefold(), names, n=1, cutoff=0.6
    )
    return f'did you mean "{close[0]}"?' if close else f"known are: {', '.join(names)}"


def describe(value: object) -> str:
    """A found value as a person would name it; never the content of a table, which may hold a secret."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            shown = value if len(value) <= 40 else value[:39] + "…"
            return f'the text "{shown}"'
        case int() | float():
            return f"the number {value}"
        case datetime() | date() | time():
            return f"the time {value.isoformat()}"
        case list():
            return "a list"
        case Mapping():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


class Table:
    """A table being read. For every reader a default of None means that the key must be there."""

    def __init__(self, values: Mapping[str, Any], where: str, source: Source) -> None:
        self._values = values
        self.where = where
        self.source = source
        self._known: list[str] = []

    def error(self, key: str, says: str) -> ConfigError:
        """The sentence for a mistake at a key of this table."""
        place = " ".join(part for part in (self.where, key) if part)
        return ConfigError(": ".join(part for part in (str(self.source.file), place, says) if part))

    def has(self, key: str) -> bool:
        """Whether the file gives this key."""
        return key in self._values

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that the file gives."""
        return tuple(self._values)

    def raw(self, key: str) -> object:
        """The value as it stands in the file, unchecked; None when it is not there."""
        return self._values.get(key)

    def asked(self, *keys: str) -> tuple[str, ...]:
        """The keys asked for so far, after adding ``keys`` as known ones."""
        self._known.extend(keys)
        return tuple(self._known)

    def done(self) -> None:
        """Every key must have been asked for; call it last."""
        for key in self._values:
            if key not in self._known:
                raise self.error("", f'unknown key "{key}"; {nearest(key, self._known)}')

    # --- one reader per type ------------------------------------------------------------------------------------------

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty (unless empty is the default)."""
        value = self._take(key, str, 'a text in quotes, such as "…"', default)
        if not value.strip() and default != "":
            raise self.error(key, "expected a text, found an empty one; fill it in or remove the line")
        return str(value)

    def identifier(self, key: str = "id") -> str:
        """A short id: letters, digits, ``_ . -``."""
        value = self.text(key)
        if not IDENTIFIER.fullmatch(value):
            raise self.error(key, f'expected letters, digits, "-", "_" or "." only (at most 64), found {describe(value)}')
        return value

    def integer(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._take(key, int, f"a whole number from {low} to {high}", default)
        if not low <= value <= high:
            raise self.error(key, f"expected a whole number from {low} to {high}, found {value}")
        return int(value)

    def number(self, key: str, default: float | None = None, *, low: float = 0.0) -> float:
        """A number of at least ``low``."""
        value = float(self._take(key, (int, float), "a number", default))
        if not low <= value < float("inf"):
            raise self.error(key, f"expected a number of at least {low:g}, found {value:g}")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        """``true`` or ``false``."""
        return bool(self._take(key, bool, "true or false", default))

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words."""
        expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)
        value = self._take(key, str, expected, default)
        if value not in choices:
            raise self.error(key, f"expected {expected}, found {describe(value)}")
        return str(value)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        value = self._take(key, list, 'a list of texts, such as ["…", "…"]', default)
        return default if value is default and default is not None else self._texts(key, value)

    def names(self, key: str) -> Mapping[str, str]:
        """``{ en = "…", zh = "…" }``, or one text for all languages."""
        value = self._take(key, (str, dict), 'a text, or one per language: { en = "…", zh = "…" }', None)
        if isinstance(value, str) and not value.strip():
            raise self.error(key, "expected a text, found an empty one")
        by_language = {"*": value} if isinstance(value, str) else value
        for language, text in by_language.items():
            self._check_language(key, language)
            if not isinstance(text, str) or not text.strip():
                raise self.error(key, f'expected a text for "{language}", found {describe(text)}')
        if not by_language:
            raise self.error(key, "expected at least one language, found none")
        return dict(by_language)

    def phrases(self, key: str, default: Mapping[str, tuple[str, ...]] | None = None) -> Mapping[str, tuple[str, ...]]:
        """``{ "*" = ["…"], id = ["…"] }``, or one list for all languages."""
        value = self._take(key, (list, dict), 'lists per language: { "*" = ["…"], zh = ["…"] }', default)
        if default is not None and value is default:
            return default
        by_language = {"*": value} if isinstance(value, list) else value
        found: dict[str, tuple[str, ...]] = {}
        for language, phrases in by_language.items():
            self._check_language(key, language)
            if not isinstance(phrases, list):
                raise self.error(key, f'expected a list of texts for "{language}", found {describe(phrases)}')
            found[language] = self._texts(key, phrases)
        return found

    def clock(self, key: str, default: time) -> time:
        """A time of day on a whole minute, ``"04:00"`` or a TOML local time."""
        expected = 'a time of day on a whole minute, such as "04:00"'
        value = self._take(key, (str, time), expected, default)
        if isinstance(value, str):
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
                raise self.error(key, f"expected {expected}, found {describe(value)}")
            value = time.fromisoformat(value)
        if value.second or value.microsecond:
            raise self.error(key, f"expected {expected}, found {describe(value)}")
        found: time = value
        return found

    def instant(self, key: str, zone: ZoneInfo) -> datetime:
        """A date and time on a whole minute, as aware UTC; without an offset it is local to ``zone``."""
        value = self._take(key, datetime, "a date and time without quotes, such as 2026-10-17T19:30:00", None)
        if value.second or value.microsecond:
            raise self.error(key, f"expected a whole minute, found {describe(value)}")
        local = value if value.tzinfo else value.replace(tzinfo=zone)
        moment: datetime = local.astimezone(UTC)
        if value.tzinfo is None and moment.astimezone(zone).replace(tzinfo=None) != value:
            raise self.error(
                key, f"{value.isoformat()} does not exist in {zone.key}: the clocks jump over it; choose another time"
            )
        return moment

    def secret(self, key: str, *, needed: bool = True) -> Secret | None:
        """``{ env = "NAME" }`` or ``{ file = "path" }``; a missing one is an error only where it is needed, else None."""
        expected = '{ env = "NAME" } or { file = "path" }; never write a secret into this file'
        if isinstance(self._values.get(key), str):  # Said without the value: it is the secret.
            raise self.error(key, f"expected {expected}")
        reference = Table(self._take(key, dict, expected, None), f"{self.where} {key}", self.source)
        if len(reference.keys) != 1 or reference.keys[0] not in ("env", "file"):
            raise self.error(key, f"expected {expected}")
        value, missing = reference._from_environment() if reference.has("env") else reference._from_file()
        if value:
            return Secret(value)
        if needed:
            raise self.error(key, f"{missing}; set it and start again")
        self.source.notes.append(f"{self.source.file}: {self.where} {key}: {missing}, so it goes on without")
        return None

    def proxy(self, key: str) -> Proxy | None:
        """An address in the open, or a reference as of a secret where it holds a password."""
        given = self.secret(key, needed=False) if isinstance(self.raw(key), dict) else self.text(key, "")
        if not given:
            return None
        try:
            proxy = Proxy(given.reveal() if isinstance(given, Secret) else given)
        except ValueError as error:
            raise self.error(key, str(error).removeprefix("proxy: ")) from None
        if isinstance(given, str) and proxy.has_password:
            raise self.error(
                key, 'a password does not belong in this file; write proxy = { env = "PROXY" } and set that variable'
            )
        return proxy

    def typed(self, key: str, hint: Any, *, needed: bool = True) -> Any:
        """The value for a dataclass field of this type; how a platform's options are read."""
        if get_origin(hint) in (Union, types.UnionType):
            listed = isinstance(self.raw(key), list)
            kinds = [kind for kind in get_args(hint) if kind is not type(None)]
            hint = next((kind for kind in kinds if (get_origin(kind) is tuple) == listed), kinds[0])
        match hint, get_origin(hint), get_args(hint):
            case _, origin, choices if origin is Literal:
                return self.choice(key, choices)
            case _, origin, _ if origin is tuple:
                return self.texts(key)
            case _, origin, _ if origin is not None and issubclass(origin, Mapping):
                return dict(self._take(key, dict, 'a table, such as { a = "…" }', None))
            case kind, _, _ if kind is Secret:
                return self.secret(key, needed=needed)
            case kind, _, _ if kind is Proxy:
                return self.proxy(key)
            case kind, _, _ if kind is bool:
                return self.flag(key)
            case kind, _, _ if kind is int:
                return self.integer(key, low=0, high=2**53)
            case kind, _, _ if kind is float:
                return self.number(key)
            case kind, _, _ if kind is Path:
                return self.source.folder / self.text(key)
            case kind, _, _ if kind is str and isinstance(self.raw(key), dict):  # beside a secret, its client_id
                found = self.secret(key, needed=needed)
                return found.reveal() if found else None
            case kind, _, _ if kind is str:
                return self._take(key, str, 'a text in quotes, such as "…"', None)
        raise AssertionError(f"option {key}: options of type {hint} cannot be written in TOML")

    def table(self, key: str) -> Table:
        """A table; one that is not there reads as empty."""
        return Table(self._take(key, dict, f"a table, [{key}]", {}), f"[{key}]", self.source)

    def tables(self, key: str) -> list[Table]:
        """A list of tables, ``[[key]]``; one that is not there reads as empty."""
        values = self._take(key, list, f"tables, each headed [[{key}]] with two brackets", [])
        for value in values:
            if not isinstance(value, dict):
                raise self.error(key, f"expected tables, each headed [[{key}]] with two brackets, found {describe(value)}")
        return [Table(value, f"[[{key}]] {number}", self.source) for number, value in enumerate(values, 1)]

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _take(self, key: str, kind: type | tuple[type, ...], expected: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                raise self.error("", f'"{key}" is missing; expected {expected}')
            return default
        value = self._values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"expected {expected}, found {describe(value)}")
        return value

    def _texts(self, key: str, values: list[Any]) -> tuple[str, ...]:
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.error(key, f"expected a list of texts, found {describe(value)} in it")
        return tuple(values)

    def _check_language(self, key: str, language: str) -> None:
        if not LANGUAGE.fullmatch(language):
            raise self.error(key, f'expected a language code such as "en", or "*" for all, found "{language}"')

    def _from_environment(self) -> tuple[str, str]:
        name = self.text("env")
        return self.source.environment.get(name, "").strip(), f"the environment variable {name} is not set"

    def _from_file(self) -> tuple[str, str]:
        path = self.source.folder / self.text("file")
        missing = f"the secret file {path} cannot be read or is empty"
        try:
            mode = path.stat().st_mode
            if mode & (stat.S_IROTH | stat.S_IWOTH):
                raise self.error("", f"everybody on this machine can read or write {path}; run: chmod 600 {path}")
            return path.read_text(encoding="utf-8").strip(), missing
        except (OSError, UnicodeDecodeError):
            return "", missing
