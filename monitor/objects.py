"""JSON of which nothing is certain, as an object: what somebody posted, or what another version of us left in Redis. Pure."""

from __future__ import annotations

from typing import Any

import orjson


def object_in(text: bytes | str | None) -> dict[str, Any]:
    """The object that it is; empty when it is none, so that whoever looks for its parts finds none."""
    try:
        found = orjson.loads(text or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
