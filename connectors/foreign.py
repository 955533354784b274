"""JSON that others wrote: read, or Unreadable and nothing else. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from connectors.connector import Unreadable


def decode(raw: bytes | str) -> Any:
    """Whatever it holds."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # recursion that is too deep is one, too
        raise Unreadable("not_json") from None


def object_of(raw: bytes | str) -> dict[str, Any]:
    found = decode(raw)
    if not isinstance(found, dict):
        raise Unreadable("not_an_object")
    return found


def whole(value: Any) -> Any:
    """A number without its ``.0``, which some languages write behind every number; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
