"""A list of people as a file that somebody was sent, to rows with the numbers that the editor shows: xlsx or CSV. Pure.

CSV may be UTF-8 with or without BOM, UTF-16 with or without, GB18030 or Windows-1252, with commas, semicolons, tabs or bars; an Excel
``sep=`` line is understood. Of a workbook the fullest sheet is taken; a link behind a text counts as the text, and merged cells are filled.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

from monitor.config import ConfigError
from monitor.roster import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openpyxl.worksheet.worksheet import Worksheet

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
    broken: tuple[int, ...] = ()
    """Lines whose quotes make no sense."""


def read_table(data: bytes, name: str, *, sheet: str | None = None) -> Table:
    """Raises ConfigError with what to do when it is no list."""
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{name} has {len(data) // 1024**2} MiB; a list of people has fewer than {MOST_BYTES // 1024**2}")
    if data[:4] == b"PK\x03\x04":
        return _workbook(data, name, sheet)
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise ConfigError(
            f"{name} is an old .xls workbook or one with a password; save it as .xlsx without a password, or as CSV"
        )
    if data[:5] == b"%PDF-":
        raise ConfigError(f"{name} is a PDF; ask for the list as .xlsx or CSV")
    return _csv(data, name)


# --- CSV --------------------------------------------------------------------------------------------------------------


def decoded(data: bytes) -> tuple[str, str]:
    """(text, name of its encoding)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), "UTF-16"
    if data[:3] == b"\xef\xbb\xbf":
        return data.decode("utf-8-sig", "replace"), "UTF-8"
    head = data[:4000]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # Latin letters have a zero in every other byte.
        half = head[offset::2]
        if len(half) > 4 and half.count(0) > len(half) * 0.4 and head[1 - offset :: 2].count(0) < len(half) * 0.1:
            return data.decode(encoding, "replace"), "UTF-16"
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        pass
    try:
        chinese = data.decode("gb18030")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "Windows-1252"
    return (data.decode("cp1252", "replace"), "Windows-1252") if _is_western(data) else (chinese, "GB18030")


def _is_western(data: bytes) -> bool:
    """Accents stand alone between Latin letters; Chinese bytes come in pairs (both above 0xA0 in all but rare characters)."""
    alone = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", data))
    pairs = len(re.findall(rb"[\xa1-\xff][\xa1-\xff]", data))
    return alone > pairs


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
            broken.append(line)
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


# --- workbooks --------------------------------------------------------------------------------------------------------


def _workbook(data: bytes, name: str, sheet: str | None) -> Table:
    from openpyxl import load_workbook  # noqa: PLC0415 — only for workbooks, and slow to load
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED:
                raise ConfigError(f"{name} unpacks to more than {MOST_UNPACKED // 1024**2} MiB; that is no list of people")
            if "xl/workbook.xml" not in packed.namelist():
                raise ConfigError(f"{name} is no Excel workbook; save it as .xlsx or CSV")
        workbook = load_workbook(io.BytesIO(data), data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, SyntaxError, EOFError) as error:
        raise ConfigError(
            f"{name} cannot be read as a workbook ({type(error).__name__}); open it and save it again as .xlsx or CSV"
        ) from error
    sheets = {page.title: page for page in workbook.worksheets}
    if sheet is not None and sheet not in sheets:
        raise ConfigError(f'{name} has no sheet "{sheet}"; it has {", ".join(sheets)}')
    chosen = sheets[sheet] if sheet else max(sheets.values(), key=_filled)
    return Table(_rows_of(chosen), f'workbook, sheet "{chosen.title}"' + (f" of {len(sheets)}" if len(sheets) > 1 else ""))


def _filled(page: Worksheet) -> int:
    return (
        0
        if page.sheet_state != "visible"
        else sum(1 for row in page.iter_rows(values_only=True) for cell in row if cell is not None)
    )


def _rows_of(page: Worksheet) -> tuple[Row, ...]:
    merged: dict[tuple[int, int], object] = {}
    for area in page.merged_cells.ranges:
        value = page.cell(area.min_row, area.min_col).value
        if (area.max_row - area.min_row + 1) * (area.max_col - area.min_col + 1) <= 10_000 and area.min_col == area.max_col:
            merged.update({(row, area.min_col): value for row in range(area.min_row, area.max_row + 1)})
    rows = []
    for cells in page.iter_rows(max_row=min(page.max_row, MOST_ROWS), max_col=min(page.max_column, MOST_COLUMNS)):
        texts = []
        for cell in cells:
            text = _text(merged.get((cell.row or 0, cell.column or 0), cell.value))
            link = getattr(getattr(cell, "hyperlink", None), "target", None)
            texts.append(str(link) if link and text and re.match(r"https?://", str(link)) and "/" not in text else text)
        if any(texts):
            rows.append(Row(cells[0].row or 0, tuple(texts)))
    return tuple(rows)


def _text(value: object) -> str:
    """As a person reads the cell: a number without ``.0``, a time in ISO form."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value).strip()
