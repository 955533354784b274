"""Times as partners write them, to aware UTC: Unix numbers of any unit, ISO 8601, e-mail dates. Pure; what is no time is None."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = 1e8
"""1973: a smaller number is a counter or a duration, not a time."""
LATEST: Final = datetime(9998, 1, 1, tzinfo=UTC)
_number = re.compile(r"\d{9,20}(\.\d{1,9})?", re.ASCII)
_fraction = re.compile(r"(?<=:\d\d)[.,](\d+)")


def moment(value: Any) -> datetime | None:
    """Seconds, milliseconds, microseconds or nanoseconds are told by size; a text without a zone is UTC."""
    if isinstance(value, str):
        text = value.strip()[:64]
        return _unix(text) if _number.fullmatch(text) else _written(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _unix(repr(value)) if math.isfinite(value) else None


def _unix(text: str) -> datetime | None:
    """Whole numbers stay whole: a float holds no microsecond of these days beside its nanoseconds."""
    try:
        number: float | int = float(text) if re.search(r"[.e]", text) else int(text)
    except ValueError:
        return None
    if not EARLIEST <= number < 1e20:
        return None
    for size, microseconds in ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1)):
        if number < size:
            number = number * microseconds
            break
    else:
        number = number // 1000
    return _in_range(EPOCH + timedelta(microseconds=round(number)))


def _written(text: str) -> datetime | None:
    exact = _fraction.sub(lambda digits: "." + (digits[1] + "000000")[:6], text)
    try:
        at = datetime.fromisoformat(exact)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    try:
        return _in_range(at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC))
    except OverflowError:
        return None


def _in_range(at: datetime) -> datetime | None:
    return at if EPOCH + timedelta(seconds=EARLIEST) <= at < LATEST else None
