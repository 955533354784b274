"""Which livestreams a number is of: what a livestream brings when it begins, and what is missing when it ends, is to be expected. Pure.

The number of livestreams alone says little, because one of them may be a thousand times as busy as the next (CROWD: log-normal, σ = 2).
So each has its own usual count. For two minutes after it began everything it brings is *fresh*: expected as it comes. Then its usual count
joins those of its country, and leaves them when it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FRESH_SLOTS = 12
AWAY_SLOTS = 6
"""Gone for a minute is gone; a reconnect is not."""
MEMORY = 60
FIRST_SLOTS = 2


@dataclass(slots=True)
class _Known:
    heads: tuple[str, ...]
    age: int = 0
    usual: float = 0.0
    seen: int = 0
    """Start of the newest slot in which it was live."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What one slot says about the livestreams behind each series."""

    fresh: Mapping[str, int] = field(default_factory=dict)
    """Head → counts of livestreams that began less than two minutes ago."""
    joined: Mapping[str, float] = field(default_factory=dict)
    """Head → usual counts of a slot that come on top from this slot on; below zero where livestreams ended."""
    usual: Mapping[str, float] = field(default_factory=dict)
    """Head → usual counts of all its livestreams that are not fresh, of the heads in ``joined``."""


class Exposure:
    """Follows the livestreams slot by slot."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._begun = False

    def take(self, start: int, live: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]) -> Exposed:
        """``live``: livestream → the heads it belongs to; those of the first slot were there before anybody looked."""
        fresh: dict[str, int] = {}
        joined: dict[str, float] = {}
        old = frozenset[str]() if self._begun else frozenset(live)
        self._begun = True
        for name, heads in live.items():
            known = self._known.get(name)
            if known is None:
                known = self._known[name] = _Known(heads, FRESH_SLOTS + 1 if name in old else 0)
            count = counts.get(name, 0)
            known.seen = start
            if known.age < FRESH_SLOTS:
                for head in known.heads:
                    fresh[head] = fresh.get(head, 0) + count
            elif known.age == FRESH_SLOTS:
                for head in known.heads:
                    joined[head] = joined.get(head, 0.0) + known.usual
            known.age += 1
            known.usual += (count - known.usual) / min(known.age if known.age <= FRESH_SLOTS else FIRST_SLOTS + known.age, MEMORY)
        for name in [name for name, known in self._known.items() if start - known.seen >= AWAY_SLOTS * 10]:
            gone = self._known.pop(name)
            if gone.age > FRESH_SLOTS:
                for head in gone.heads:
                    joined[head] = joined.get(head, 0.0) - gone.usual
        usual = dict.fromkeys(joined, 0.0)
        for known in self._known.values() if joined else ():
            if known.age > FRESH_SLOTS:
                for head in known.heads:
                    if head in usual:
                        usual[head] += known.usual
        return Exposed(fresh, joined, usual)
