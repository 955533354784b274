"""An Excel workbook to rows as a person sees them: links behind texts, merged cells, formulas, hidden columns. Pure.

The fullest sheet that can be seen is taken. A link behind a text counts as the text, whether it was set by hand or by ``HYPERLINK()``. A
formula counts as its value; where the program that wrote the file kept none, it stays a formula, and whoever reads the row says so.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from monitor.config import ConfigError
from monitor.links import LINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openpyxl.workbook.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

MOST_MERGED: Final = 10_000
FORMULA: Final = b"<f"
HYPERLINK: Final = re.compile(r"""=\s*(?:_xlfn\.)?HYPERLINK\(\s*"([^"]+)"\s*(?:[,;]\s*"([^"]*)"\s*)?\)""", re.IGNORECASE)


class Sheet(NamedTuple):
    """One sheet, as texts."""

    rows: list[tuple[int, tuple[str, ...]]]
    """(line, cells), without empty ones."""
    how: str
    hidden: frozenset[int]
    """Columns that nobody sees, from 0."""
    notes: tuple[str, ...]
    """What a person should know who looked at the sheet: sentences."""


def read_workbook(data: bytes, name: str, sheet: str | None, *, most_unpacked: int, most_rows: int, most_columns: int) -> Sheet:
    """Raises ConfigError with what to do when it is no workbook."""
    shown, formulas = _loaded(data, name, most_unpacked)
    titles = [page.title for page in shown.worksheets]
    if sheet is not None and sheet not in titles:
        raise ConfigError(f'{name} has no sheet "{sheet}"; it has {", ".join(titles)}')
    if not titles:
        raise ConfigError(f"{name} has no sheet with cells; save the list as .xlsx or CSV")
    chosen = shown[sheet] if sheet else max(shown.worksheets, key=_filled)
    area = (min(chosen.max_row, most_rows), min(chosen.max_column, most_columns))
    rows = _rows_of(chosen, formulas[chosen.title] if formulas else None, area)
    how = f'workbook, sheet "{chosen.title}"' + (f" of {len(titles)}" if len(titles) > 1 else "")
    return Sheet(rows, how, _hidden_columns(chosen), tuple(_notes(shown, chosen, [line for line, _ in rows])))


def _loaded(data: bytes, name: str, most_unpacked: int) -> tuple[Workbook, Workbook | None]:
    """(with values, with formulas where there are any)."""
    from openpyxl import load_workbook  # noqa: PLC0415 — only for workbooks, and slow to load
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > most_unpacked:
                raise ConfigError(f"{name} unpacks to more than {most_unpacked // 1024**2} MiB; that is no list of people")
            parts = set(packed.namelist())
            if "xl/workbook.xml" not in parts:
                raise ConfigError(f"{name} is {_what_else(parts)}; save it as .xlsx or CSV")
            sheets = [part for part in parts if part.startswith("xl/worksheets/") and part.endswith(".xml")]
            calculated = any(FORMULA in packed.read(part) for part in sheets)
        shown = load_workbook(io.BytesIO(data), data_only=True)
        return shown, load_workbook(io.BytesIO(data)) if calculated else None
    # What zipfile and openpyxl raise for broken, locked and unknown insides; RuntimeError is also a password or a compression that zipfile lacks.
    except (
        zipfile.BadZipFile, InvalidFileException, LookupError, ValueError, TypeError, SyntaxError, EOFError, AttributeError,
        RuntimeError, OSError,
    ) as error:  # fmt: skip
        raise ConfigError(
            f"{name} cannot be read as a workbook ({type(error).__name__}); open it and save it again as .xlsx or CSV"
        ) from error


def _what_else(parts: set[str]) -> str:
    """What a zip file is that is no workbook."""
    if "content.xml" in parts:
        return "a LibreOffice or OpenOffice file (.ods)"
    if any(part.startswith("word/") for part in parts):
        return "a Word document"
    if any(part.startswith("Index/") or part.endswith(".iwa") for part in parts):
        return "a Numbers file"
    if "xl/workbook.bin" in parts:
        return "a binary workbook (.xlsb)"
    return "no Excel workbook"


def _filled(page: Worksheet) -> int:
    return (
        0
        if page.sheet_state != "visible"
        else sum(1 for row in page.iter_rows(values_only=True) for cell in row if cell is not None)
    )


def _notes(workbook: Workbook, chosen: Worksheet, lines: list[int]) -> Iterator[str]:
    unseen = sum(1 for line in lines if line in chosen.row_dimensions and chosen.row_dimensions[line].hidden)
    if unseen:
        yield f"{unseen} of its lines are hidden or filtered away; they are read all the same."
    others = [f'"{page.title}"' for page in workbook.worksheets if page is not chosen and _filled(page) > 1]
    if others:
        yield f"Not read: the sheet{'s' if len(others) > 1 else ''} {', '.join(others)}; --sheet NAME reads another one."


def _hidden_columns(page: Worksheet) -> frozenset[int]:
    """One description may stand for several columns."""
    found: set[int] = set()
    for dimension in page.column_dimensions.values():
        if dimension.hidden and dimension.min and dimension.max:
            found.update(range(dimension.min - 1, min(dimension.max, 500)))
    return frozenset(found)


def _rows_of(page: Worksheet, formulas: Worksheet | None, area: tuple[int, int]) -> list[tuple[int, tuple[str, ...]]]:
    merged = _merged(page)
    rows = []
    for cells in page.iter_rows(max_row=area[0], max_col=area[1]):
        line = cells[0].row or 0
        texts = []
        for at, cell in enumerate(cells, 1):
            said = formulas.cell(line, at).value if formulas is not None else None
            text = _text(merged.get((line, at), cell.value))
            texts.append(_linked(text, getattr(getattr(cell, "hyperlink", None), "target", None), said))
        if any(texts):
            rows.append((line, tuple(texts)))
    return rows


def _merged(page: Worksheet) -> dict[tuple[int, int], object]:
    """A cell that spans several lines is meant for each of them; one that spans columns is a title."""
    found: dict[tuple[int, int], object] = {}
    for area in page.merged_cells.ranges:
        if area.min_col == area.max_col and area.max_row - area.min_row < MOST_MERGED:
            value = page.cell(area.min_row, area.min_col).value
            found.update({(row, area.min_col): value for row in range(area.min_row, area.max_row + 1)})
    return found


def _linked(text: str, target: object, said: Any) -> str:
    """The text, or the address behind it where the text is none; a formula without a value as it stands."""
    if isinstance(said, str) and said.startswith("="):
        if link := HYPERLINK.match(said):
            text, target = text or link[2] or link[1], link[1]
        elif not text:
            return said
    address = str(target or "")
    return address if text and re.match(r"https?://", address) and not LINK.search(text) else text


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
