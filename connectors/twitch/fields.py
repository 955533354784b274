"""Fields of Twitch's JSON, whatever type they have today. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.foreign import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 128


def text_in(found: Mapping[str, Any], key: str, *, longest: int = _LONGEST) -> str:
    """A text or a number as a text; empty when it is missing or of another type."""
    value = whole(found.get(key))
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:longest].encode("utf-8", "replace").decode()


def is_true(found: Mapping[str, Any], key: str) -> bool:
    """Also where a text says it."""
    return found.get(key) in (True, "true", "True")


def dict_in(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def number_in(found: Mapping[str, Any], key: str) -> int:
    """A count or an amount, also one that came as a text; missing is 0; raises Unreadable("bad_number")."""
    value = whole(found.get(key))
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**15:
        raise Unreadable("bad_number")
    return value


def digest_of(payload: Mapping[str, Any]) -> str:
    return hashlib.blake2b(content_of(dict(payload)), digest_size=16).hexdigest()
