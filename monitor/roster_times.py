"""When somebody answered, as forms and spreadsheets write it: to one moment, or None. Pure.

ISO, Google Forms in any locale, Excel's count of days since 1900. Whether 03/10 is the tenth of March is decided for a whole column by
``day_first``: one date with a number above 12 tells it. A time without a zone is taken for UTC; a day without a time begins then.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

EXCEL_BEGINS: Final = datetime(1899, 12, 30, tzinfo=UTC)
EXCEL_DAYS: Final = (36_526, 73_050)
"""From 2000 to 2099; other numbers are no dates."""
TRIPLE: Final = re.compile(r"(\d{1,4})\s?[./-]\s?(\d{1,2})\s?[./-]\s?(\d{1,4})")
CHINESE: Final = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日")
CLOCK: Final = re.compile(r"(上午|下午)?\s*(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*(AM|PM|a\.\s?m\.|p\.\s?m\.)?", re.IGNORECASE)
ZONE: Final = re.compile(r"(?:GMT|UTC|Z)\s?(?:([+-])(\d{1,2})(?::?(\d{2}))?)?$|([+-])(\d{2}):?(\d{2})$", re.IGNORECASE)


def moment(text: str, *, day_first: bool = True) -> datetime | None:
    """In UTC; None when it is no time that we can read."""
    text = text.strip()
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    if re.fullmatch(r"\d{5}(?:\.\d+)?", text) and EXCEL_DAYS[0] <= float(text) < EXCEL_DAYS[1]:
        return EXCEL_BEGINS + timedelta(seconds=round(float(text) * 86_400))
    return _written(text, day_first=day_first)


def day_first(cells: Iterable[str]) -> bool | None:
    """Whether the dates of a column begin with the day; None: they do not tell."""
    for cell in cells:
        found = TRIPLE.match(cell.strip())
        if found and len(found[1]) <= 2:
            if int(found[1]) > 12:
                return True
            if int(found[2]) > 12:
                return False
    return None


def _written(text: str, *, day_first: bool) -> datetime | None:
    found = CHINESE.match(text) or TRIPLE.match(text)
    if found is None:
        return None
    first, second, third = (int(number) for number in found.groups())
    if len(found[1]) == 4:
        year, month, day = first, second, third
    else:
        year, (day, month) = third, (first, second) if day_first else (second, first)
    year += 2000 if year < 100 else 0
    rest = text[found.end() :]
    clock = CLOCK.search(rest)
    hour, minute, second = (int(clock[at] or 0) for at in (2, 3, 4)) if clock else (0, 0, 0)
    half = (clock[1] or clock[5] or "").casefold() if clock else ""
    if half:
        hour = hour % 12 + (12 if half.startswith("p") or half == "下午" else 0)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=_zone(rest)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    found = ZONE.search(text.strip())
    if not found or not (sign := found[1] or found[4]):
        return UTC
    hours, minutes = int(found[2] or found[5]), int(found[3] or found[6] or 0)
    away = timedelta(hours=min(hours, 23), minutes=min(minutes, 59))
    return timezone(-away if sign == "-" else away)
