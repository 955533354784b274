"""What stands in a foreign document where a pointer points, and what it says as a text, a word or a number. Pure.

Nothing here raises: what is not there, or is of another kind, is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.mapping import Conditions, Pointer

MOST: Final = 2**53
NOTHING: Final = frozenset(("", "0", "false", "null", "none", "undefined", "nan"))
"""How scripts write down what is not there."""
_leading: Final = re.compile(r"(?:[xX×] ?)?(\d{1,6})[xX×]?(?=\s|$)", re.ASCII)


class Documents:
    """What pointers point into."""

    def __init__(self, item: Any, document: Any, around: Mapping[str, Any]) -> None:
        self.item, self._document, self._around = item, document, around

    def opened(self, inner: tuple[Pointer, ...]) -> Documents:
        """JSON inside strings decoded, where it is an object or a list: a bare id stays the text that it is."""
        item = self.item
        for _, tokens in inner:
            text = self.at(("", tokens))
            if isinstance(text, str) and text[:1] in ("{", "["):
                try:
                    item = _replaced(item, tokens, orjson.loads(text))
                except orjson.JSONDecodeError:
                    continue
        return Documents(item, self._document, self._around)

    def at(self, where: Pointer) -> Any:
        start, _ = where
        return value_at(self.item if not start else self._document if start == "^" else self._around, where)

    def first(self, pointers: tuple[Pointer, ...]) -> Any:
        for one in pointers:
            found = self.at(one)
            if found is not None and found != "":
                return found
        return None

    def has(self, pointers: tuple[Pointer, ...]) -> bool:
        """Whether one of these finds more than nothing, nought or no."""
        found = (self.at(one) for one in pointers)
        return any(
            one not in (None, 0, [], {}) and not (isinstance(one, str) and one.strip().casefold() in NOTHING) for one in found
        )

    def fits(self, conditions: Conditions) -> bool:
        return any(_equal(self.at(where), wanted) for where, wanteds in conditions for wanted in wanteds)


def value_at(found: Any, where: Pointer) -> Any:
    """What a pointer points at in this document; None for nothing."""
    for token in where[1]:
        if isinstance(found, dict):
            found = found.get(token)
        elif isinstance(found, list) and token.isascii() and token.isdigit() and int(token[:9]) < len(found):
            found = found[int(token[:9])]
        else:
            return None
    return found


def _equal(found: Any, wanted: Any) -> bool:
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)  # 1 is not true


def _replaced(item: Any, tokens: tuple[str, ...], value: Any) -> Any:
    if not tokens:
        return value
    head, *rest = tokens
    if isinstance(item, list):
        return [_replaced(one, tuple(rest), value) if number == int(head) else one for number, one in enumerate(item)]
    return {**item, head: _replaced(item[head], tuple(rest), value)}


def counted(value: Any) -> int | None:
    """A number, also one before the word for what it counts: ``5 memberships``, ``x5``."""
    found = number_of(value)
    if found is None and isinstance(value, str) and (digits := _leading.match(value.strip())) is not None:
        return int(digits[1])
    return found


def word_of(value: Any) -> str:
    """What a kind is called; nothing and false are the empty word."""
    if isinstance(value, bool):
        return "true" if value else ""
    return text_of(value) or ""


def text_of(value: Any) -> str | None:
    """A text that is not empty; numbers are texts too, because ids are re-typed as platforms like."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    if isinstance(value, str):
        return value if value.strip() else None
    return None


def number_of(value: Any) -> int | None:
    """A whole number from 0 on: a number, or a text such as ``1,234`` or ``1.2K``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value[:30].strip().replace(",", "").replace("_", "")
        factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
        try:
            value = float(text[:-1] if factor > 1 else text) * factor
        except ValueError:
            return None
    if not isinstance(value, int | float) or not 0 <= value <= MOST:
        return None
    return round(value)
