"""Any JSON back to bytes, for an id that is made from content: the same content gives the same bytes, and nothing is too deep. Pure."""

from __future__ import annotations

from typing import Any, Final

import orjson

DEEPEST: Final = 100
"""What lies deeper tells no two payloads apart; orjson reads a thousand levels and writes a quarter of them."""


def content_of(value: Any) -> bytes:
    """What orjson made of some bytes, as bytes again."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return orjson.dumps(_shallow(value, DEEPEST), option=orjson.OPT_SORT_KEYS)


def _shallow(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list):
        return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value
    if levels == 0:
        return len(value)
    if isinstance(value, list):
        return [_shallow(one, levels - 1) for one in value]
    return {key: _shallow(one, levels - 1) for key, one in value.items()}
