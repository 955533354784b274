"""Moments as they are written and read: Unix milliseconds, aware UTC, and the text of the feed. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso(at_ms: int) -> str:
    """``2026-11-20T06:56:19.123Z``."""
    at = from_ms(at_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def from_ms(at_ms: int) -> datetime:
    """Unix milliseconds as aware UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@lru_cache(maxsize=16_384)
def moment(value: str | float | None) -> float | None:
    """Unix seconds of a time that a collector wrote; None when it is not one."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return None
    return value
