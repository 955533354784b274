"""A list of people as a file that somebody was sent, to rows with the numbers that the editor shows: xlsx or CSV. Pure.

CSV may be in any encoding that an office program writes (roster_text.py), with commas, semicolons, tabs or bars; an Excel ``sep=`` line is
understood. What a workbook holds is in roster_workbook.py. What is no list at all is named for what it is, with what to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.config import ConfigError
from monitor.roster import records
from monitor.roster_text import decoded
from monitor.roster_workbook import read_workbook

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_BYTES: Final = 50 * 1024 * 1024
MOST_UNPACKED: Final = 400 * 1024 * 1024
"""A workbook is a zip file; a small one can be made to unpack to anything."""
MOST_ROWS: Final = 200_000
MOST_COLUMNS: Final = 500
LOOK: Final = 30
"""Lines from which the separator is guessed."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    """As the editor numbers it."""
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[Row, ...]
    """Without empty ones; the header is still among them."""
    how: str
    """How it was read, in words: ``CSV, GB18030, separated by semicolons``."""
    broken: tuple[Row, ...] = ()
    """Lines whose quotes make no sense, as they stand."""
    hidden: frozenset[int] = frozenset()
    """Columns that a person who opens the list does not see, from 0."""
    notes: tuple[str, ...] = ()
    """What such a person should know: sentences."""


def read_table(data: bytes, name: str, *, sheet: str | None = None) -> Table:
    """Raises ConfigError with what to do when it is no list."""
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{name} has {len(data) // 1024**2} MiB; a list of people has fewer than {MOST_BYTES // 1024**2}")
    if data[:4] == b"PK\x03\x04":
        found = read_workbook(data, name, sheet, most_unpacked=MOST_UNPACKED, most_rows=MOST_ROWS, most_columns=MOST_COLUMNS)
        rows = tuple(Row(line, cells) for line, cells in found.rows)
        return Table(rows, found.how, hidden=found.hidden, notes=found.notes)
    if (what := _no_list(data)) is not None:
        raise ConfigError(f"{name} is {what}")
    return _csv(data, name)


def _no_list(data: bytes) -> str | None:
    """What completes "this file is …" when it is known to be something else."""
    if data[:4] == b"\xd0\xcf\x11\xe0":
        if "EncryptedPackage".encode("utf-16-le") in data:
            return "locked with a password; open it, take the password away and save it again"
        return "an old .xls workbook; open it and save it as .xlsx or CSV"
    if data[:5] == b"%PDF-":
        return "a PDF; ask for the list as .xlsx or CSV"
    if data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n":
        return "a picture; ask for the list as .xlsx or CSV"
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<?xml")):
        return "a web page with another name, as some systems export lists; open it in Excel or LibreOffice and save it as .xlsx"
    if start.startswith((b'{"', b"[{", b"{\n", b"{\r")):
        return "JSON; ask for the list as .xlsx or CSV"
    return None


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(data: bytes, name: str) -> Table:
    text, encoding = decoded(data)
    if "\0" in text[:4000]:
        raise ConfigError(f"{name} is neither a workbook (.xlsx) nor a text with separated columns (CSV)")
    lines = re.split(r"\r\n|\n|\r", text)
    told = re.fullmatch(r"\"?sep=(.)\"?", lines[0])
    separator = told[1] if told else guess_separator(lines[:LOOK])
    if told:
        lines[0] = ""
    rows, broken = [], []
    for line, fields in records(lines, separator):
        if fields is None:
            broken.append(Row(line, (lines[line - 1],)))
        elif any(field.strip() for field in fields):
            rows.append(Row(line, tuple(field.strip() for field in fields[:MOST_COLUMNS])))
        if len(rows) > MOST_ROWS:
            raise ConfigError(f"{name} has more than {MOST_ROWS} rows; that is no list of people")
    how = f"CSV, {encoding}, separated by {SEPARATORS.get(separator, repr(separator))}"
    return Table(tuple(rows), how, tuple(broken))


def guess_separator(lines: Sequence[str]) -> str:
    """The one that cuts the most lines into the same number of columns."""

    def quality(separator: str) -> tuple[int, int]:
        widths = [len(fields) for _, fields in records(list(lines), separator) if fields]
        wide = [width for width in widths if width > 1]
        usual = max(set(wide), key=wide.count) if wide else 1
        return (wide.count(usual) if wide else 0, usual)

    return max(SEPARATORS, key=quality)
