"""Headers of a request that somebody recorded: by name in lower case, from an object, from pairs, or from objects with name and value. Pure."""

from __future__ import annotations

from typing import Any


def headers_of(found: Any) -> dict[str, str]:
    """Of several values of one name the first; whatever has another shape is left out."""
    pairs = found.items() if isinstance(found, dict) else found if isinstance(found, list) else ()
    headers: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, dict):
            pair = (pair.get("name"), pair.get("value"))  # noqa: PLW2901 — as HAR files have it
        if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str):
            value = pair[1][0] if isinstance(pair[1], list) and pair[1] else pair[1]
            headers.setdefault(_name(pair[0]), value if isinstance(value, str) else "")
    return headers


def _name(name: str) -> str:
    """Some servers hand headers on as variables: ``HTTP_KICK_EVENT_TYPE``."""
    return name.lower().replace("_", "-").removeprefix("http-")
