"""Which column of a foreign list means what: guessed from headers (roster_words.py) and from the cells, or told by a map file. Pure.

``guess(table)`` never fails: what it does not understand is a column that is left out, and a person sees the result before anything is
written. ``from_map(map, table)`` is the way to say it yourself; see docs/roster.md.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from monitor.config import ConfigError
from monitor.countries import find_country, fold
from monitor.links import EMAIL, LINK, NAMES, NOTHING, find_channels, platform_named
from monitor.roster_words import COUNTING, FIELDS, understood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.roster_table import Table

LOOK_FOR_HEADER: Final = 20
SAMPLE: Final = 200
"""Rows whose cells are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What each column is; positions count from 0."""

    header: int | None
    """Line of the header as the editor numbers it; None: there is none."""
    names: tuple[str, ...] = ()
    """The header's words."""
    fields: dict[str, int] = field(default_factory=dict)
    """Roster field → position; at most one each."""
    platforms: dict[int, str | None] = field(default_factory=dict)
    """Position → platform, for columns that hold channels; None: the cell or the row says which."""
    named_by: dict[int, int] = field(default_factory=dict)
    """Position of a channel → position of its platform, where a row has several of both."""
    left: dict[int, str] = field(default_factory=dict)
    """Position → why it is not used although it looked like something."""
    constants: dict[str, str] = field(default_factory=dict)
    """Field → text for every row that does not say it itself."""

    @property
    def wide(self) -> bool:
        """One row is one person with several channel columns."""
        return len(self.platforms) > 1


def guess(table: Table) -> Columns:
    """By header words first, then by what the cells look like. What nobody sees who opens the list is not used."""
    header = _find_header(table)
    words = table.rows[header].cells if header is not None else ()
    width = max((len(row.cells) for row in table.rows), default=0)
    samples = _samples(table, 0 if header is None else header + 1, width)
    fields: dict[str, int] = {}
    platforms: dict[int, str | None] = {}
    left = dict.fromkeys((at for at in table.hidden if at < width), "hidden")
    handles: list[int] = []
    kinds: list[int] = []
    for position, word in enumerate(words):
        name, platform = understood(word)
        if position in left:
            continue
        if platform:
            platforms[position] = platform
        elif name == "handle":
            handles.append(position)
        elif name == "platform":
            kinds.append(position)
        elif name == "attendee" and fold(word) in COUNTING and _is_counted(samples[position]):
            left[position] = "a running number"
        elif name and name not in fields:
            fields[name] = position
    if kinds:
        fields["platform"] = kinds[0]
    if len(handles) == 1 or not platforms:
        platforms.update(dict.fromkeys(handles, None))
    else:  # "Account" beside "YouTube", "TikTok" …: only when it holds addresses
        platforms.update({position: None for position in handles if _share(samples[position], _is_channel_link) > 0.3})
    _guess_by_cells(fields, platforms, samples, left)
    if header is None:
        _guess_identity(fields, platforms, samples)
    return Columns(
        header=table.rows[header].line if header is not None else None, names=tuple(words), fields=fields, platforms=platforms,
        named_by=_pairs(kinds, platforms) if len(kinds) > 1 else {}, left=left,
    )  # fmt: skip


def _guess_by_cells(
    fields: dict[str, int], platforms: dict[int, str | None], samples: list[list[str]], left: Mapping[int, str]
) -> None:
    """What no header said."""
    taken = {*fields.values(), *platforms, *left}
    free = [position for position in range(len(samples)) if position not in taken]
    for position in free:
        if _share(samples[position], _is_channel_link) > 0.6:
            platforms[position] = None
        elif "email" not in fields and _share(samples[position], _is_email) > 0.6:
            fields["email"] = position
        elif "country" not in fields and _share(samples[position], _is_country) > 0.6:
            fields["country"] = position
        elif "platform" not in fields and _share(samples[position], _is_platform) > 0.6:
            fields["platform"] = position
    if not platforms:  # a few addresses among handles
        best = max(free, key=lambda at: _share(samples[at], _is_channel_link), default=None)
        if best is not None and best not in fields.values() and _share(samples[best], _is_channel_link) > 0.2:
            platforms[best] = None
    if not platforms and fields.get("platform", -2) + 1 in free:  # handles stand beside their platform
        platforms[fields["platform"] + 1] = None


def _pairs(kinds: list[int], platforms: Mapping[int, str | None]) -> dict[int, int]:
    """Each channel belongs to the platform that stands before it, or else behind it."""
    return {
        at: max((kind for kind in kinds if kind < at), default=min(kinds))
        for at, platform in platforms.items()
        if platform is None
    }


def from_map(given: Mapping[str, Any], table: Table) -> Columns:
    """Columns as a map file says; raises ConfigError for a name that the list does not have.

    ``header`` (line), ``[columns]`` field = header, ``[platforms]`` platform = header or several, ``[constants]`` field = text.
    """
    known = {"sheet", "header", "columns", "platforms", "constants"}
    for key in given.keys() - known:
        raise ConfigError(f'the map has an unknown key "{key}"; {_near(key, known)}')
    line = given.get("header")
    guessed = _find_header(table)
    if line is not None:
        row = next((row for row in table.rows if row.line == line), None)
        if row is None:
            raise ConfigError(f"the map says that the header is on line {line}, and that line is empty or missing")
    elif guessed is not None:
        row = table.rows[guessed]
    else:
        row = table.rows[0] if table.rows else None
    names = row.cells if row else ()
    fields: dict[str, int] = {}
    for name, header in given.get("columns", {}).items():
        if name not in FIELDS:
            raise ConfigError(f'the map has an unknown column "{name}" in [columns]; {_near(name, FIELDS)}')
        fields[name] = _position(header, names)
    platforms: dict[int, str | None] = {}
    if "handle" in fields:
        platforms[fields.pop("handle")] = None
    for name, headers in given.get("platforms", {}).items():
        platform = platform_named(name)
        if platform is None:
            raise ConfigError(f'the map names an unknown platform "{name}"; {_near(name, NAMES)}')
        for header in headers if isinstance(headers, list) else [headers]:
            platforms[_position(header, names)] = platform
    constants = {name: str(text) for name, text in given.get("constants", {}).items()}
    for name in constants:
        if name not in FIELDS:
            raise ConfigError(f'the map has an unknown name "{name}" in [constants]; {_near(name, FIELDS)}')
    return Columns(header=row.line if row else None, names=tuple(names), fields=fields, platforms=platforms, constants=constants)


def letter(position: int) -> str:
    """As a spreadsheet names the column."""
    text, number = "", position + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text


# --- guessing ---------------------------------------------------------------------------------------------------------


def _find_header(table: Table) -> int | None:
    """Index of the row with the most words that we understand; a title above it is passed over."""
    meanings = [_meanings(row.cells) for row in table.rows[:LOOK_FOR_HEADER]]
    best = max((len(some) for some in meanings), default=0)
    if best:
        found = next(index for index, some in enumerate(meanings) if len(some) == best)
        # A data row such as "Ana | Brazil | twitch | ana" has one such word (the platform); a header has two, or is all that there is.
        if best > 1 or any(name != "handle" for name, _ in meanings[found]):
            return found
    return 0 if _is_above(table) else None


def _meanings(cells: tuple[str, ...]) -> set[tuple[str | None, str | None]]:
    """What the words of a row mean; nothing when it holds an address, so that somebody's own row is no header."""
    if any(LINK.search(cell) or EMAIL.search(cell) for cell in cells):
        return set()
    # "No" stands above numbers, and is an answer.
    return {meaning for cell in cells if cell and cell.casefold() not in NOTHING and any(meaning := understood(cell))}


def _is_above(table: Table) -> bool:
    """Whether the first row names columns in words that we do not know: it has no number and no address, and the others have."""
    first, rest = table.rows[0].cells if table.rows else (), table.rows[1:SAMPLE]
    if not rest or sum(1 for cell in first if cell) < 2 or any(_is_value(cell) for cell in first):
        return False
    return any(
        all(_is_value(row.cells[at]) for row in rest if at < len(row.cells) and row.cells[at])
        and any(at < len(row.cells) and row.cells[at] for row in rest)
        for at in range(len(first))
        if first[at]
    )


def _is_value(cell: str) -> bool:
    return bool(LINK.search(cell) or re.search(r"[\d@]", cell))


def _is_counted(cells: list[str]) -> bool:
    """1, 2, 3 …: the lines of this list, and other people in another list; a word below it may be the sum."""
    numbers = [cell for cell in cells if cell.isdecimal()]
    return len(numbers) > len(cells) / 2 and numbers == [str(number) for number in range(1, len(numbers) + 1)]


def _guess_identity(fields: dict[str, int], platforms: dict[int, str | None], samples: list[list[str]]) -> None:
    """Without a header: short unique codes are the registration number, other text is the name."""
    taken = {*fields.values(), *platforms}
    for position, cells in enumerate(samples):
        if position in taken or not cells:
            continue
        if (
            "attendee" not in fields
            and _share(cells, lambda cell: bool(re.fullmatch(r"[A-Za-z]{0,5}[-_ ]?\d{1,12}", cell))) > 0.8
        ):
            fields["attendee"] = position
        elif "name" not in fields and _share(cells, lambda cell: bool(re.fullmatch(r"[^\d@/]{2,60}", cell))) > 0.6:
            fields["name"] = position


def _samples(table: Table, start: int, width: int) -> list[list[str]]:
    rows = table.rows[start : start + SAMPLE]
    return [[row.cells[i] for row in rows if i < len(row.cells) and row.cells[i].casefold() not in NOTHING] for i in range(width)]


def _share(cells: list[str], test: Any) -> float:
    return sum(1 for cell in cells if test(cell)) / len(cells) if cells else 0.0


def _is_channel_link(cell: str) -> bool:
    return bool(LINK.search(cell)) and bool(find_channels(cell)[0])


def _is_email(cell: str) -> bool:
    return EMAIL.fullmatch(cell) is not None


def _is_country(cell: str) -> bool:
    return find_country(cell) is not None


def _is_platform(cell: str) -> bool:
    return platform_named(cell) is not None


def _position(header: object, names: tuple[str, ...]) -> int:
    folded = [fold(name) for name in names]
    if isinstance(header, str) and fold(header) in folded:
        return folded.index(fold(header))
    if isinstance(header, str) and re.fullmatch(r"[A-Z]{1,2}", header):
        position = 0
        for character in header:
            position = position * 26 + ord(character) - 64
        return position - 1
    raise ConfigError(f'the list has no column "{header}"; it has {", ".join(name for name in names if name) or "no header"}')


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(sorted(known))}"
