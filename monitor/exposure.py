"""Which livestreams a number is of: what one brings when it begins, what is missing when it ends or is not heard, is to be expected. Pure.

The number of livestreams alone says little, because one of them may be a thousand times as busy as the next (CROWD: log-normal, σ = 2).
So each has its own usual count. For two minutes after it began everything it brings is *fresh*: expected as it comes. Then its usual count
joins those of its country, and leaves them when it has ended.

A livestream is *unheard* when it is live and silent for longer than its chat is by itself, or when a whole platform is: then it is a connector that is
away, no crowd. Its usual count leaves until it is heard again, and is then what it was: neither the gap nor its end is an event. The first two slots
after it are expected as they come, because platforms hand in what was missed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import log1p
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

FRESH_SLOTS = 12
AWAY_SLOTS = 6
"""Gone for a minute is gone; a reconnect is not."""
MEMORY = 60
FIRST_SLOTS = 2
BURST = 0.35
"""Variance of a chat is m + BURST · m²; so it is silent in a slot with probability (1 + BURST · m) ** (-1 / BURST)."""
ONE_SILENT, ALL_SILENT = 10.0, 12.0
"""Silence whose probability has a logarithm below minus this is none of the crowd's: of one livestream; of a whole platform in one slot."""
RETURN_SLOTS = 2

N = TypeVar("N", int, float)


@dataclass(slots=True)
class _Known:
    heads: tuple[str, ...]
    platform: str
    age: int = 0
    usual: float = 0.0
    seen: int = 0
    """Start of the newest slot in which it was live."""
    quiet: float = 0.0
    """How improbable its silence is by now."""
    silent: int = 0
    before: float = 0.0
    """Usual count when the silence began."""
    unheard: bool = False
    back: int = 0
    """Slots since it is heard again."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """What one slot says about the livestreams behind each series."""

    fresh: Mapping[str, int] = field(default_factory=dict)
    """Head → counts of livestreams that began less than two minutes ago, or are heard again."""
    joined: Mapping[str, float] = field(default_factory=dict)
    """Head → usual counts of a slot that come on top from this slot on; below zero where livestreams ended or are not heard any more."""
    usual: Mapping[str, float] = field(default_factory=dict)
    """Head → usual counts of all its livestreams that are heard and not fresh, of the heads in ``joined``."""
    unheard: Mapping[str, int] = field(default_factory=dict)
    """Livestream → for how many slots it has not been heard; what it brings says nothing."""


class Exposure:
    """Follows the livestreams slot by slot."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._platforms: Counter[str] = Counter()
        self._begun = False

    def take(self, start: int, live: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]) -> Exposed:
        """``live``: livestream → the heads it belongs to; those of the first slot were there before anybody looked."""
        fresh: dict[str, int] = {}
        joined: dict[str, float] = {}
        unheard: dict[str, int] = {}
        old = frozenset[str]() if self._begun else frozenset(live)
        self._begun = True
        away = self._away(live, counts)
        for name, heads in live.items():
            known = self._known.get(name)
            if known is None:
                known = self._begin(name, heads, counts.get(name, 0) if name in old else None)
            known.seen = start
            count = counts.get(name, 0)
            if count and not known.unheard:
                known.quiet, known.silent = 0.0, 0
            elif known.age > FRESH_SLOTS and self._is_unheard(known, count, joined, away=known.platform in away):
                unheard[name] = known.silent
                if count:
                    _add(fresh, known.heads, count)
                known.age += 1
                continue
            if known.age < FRESH_SLOTS:
                _add(fresh, known.heads, count)
            elif known.age == FRESH_SLOTS:
                _add(joined, known.heads, known.usual)
            known.age += 1
            known.usual += (count - known.usual) / min(known.age if known.age <= FRESH_SLOTS else FIRST_SLOTS + known.age, MEMORY)
        for name in [name for name, known in self._known.items() if start - known.seen >= AWAY_SLOTS * 10]:
            gone = self._known.pop(name)
            self._platforms -= Counter((gone.platform,))
            if gone.age > FRESH_SLOTS and not gone.unheard:
                _add(joined, gone.heads, -gone.usual)
        usual = dict.fromkeys(joined, 0.0)
        for known in self._known.values() if joined else ():
            if known.age > FRESH_SLOTS and not known.unheard:
                for head in known.heads:
                    if head in usual:
                        usual[head] += known.usual
        return Exposed(fresh, joined, usual, unheard)

    def _begin(self, name: str, heads: tuple[str, ...], usual: int | None) -> _Known:
        """A livestream that is new; or one that was there before anybody looked, with what it did then."""
        platform = name.partition(":")[0]
        self._platforms[platform] += 1
        known = _Known(heads, platform) if usual is None else _Known(heads, platform, FRESH_SLOTS + 1, float(usual))
        self._known[name] = known
        return known

    def _away(self, live: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]) -> set[str]:
        """Platforms of which nothing is heard at all, though much should be."""
        heard: set[str] = set()
        many = len(self._platforms)
        for name, count in counts.items():
            if count and name in live and (known := self._known.get(name)) is not None:
                heard.add(known.platform)
                if len(heard) == many:
                    return set()
        silence: dict[str, float] = {}
        for name in live:
            known = self._known.get(name)
            if known is not None and known.platform not in heard and known.age > FRESH_SLOTS:
                usual = known.before if known.silent else known.usual
                silence[known.platform] = silence.get(known.platform, 0.0) + log1p(BURST * usual) / BURST
        return {platform for platform, quiet in silence.items() if quiet >= ALL_SILENT}

    @staticmethod
    def _is_unheard(known: _Known, count: int, joined: dict[str, float], *, away: bool) -> bool:
        if known.unheard and (count or (known.quiet < ONE_SILENT and not away)):
            # Heard; or its platform is, and its own silence says nothing.
            known.back += 1
            if known.back <= RETURN_SLOTS:
                return True
            known.unheard, known.quiet, known.silent, known.back = False, 0.0, 0, 0
            _add(joined, known.heads, known.usual)
            return False
        if not known.silent:
            known.before = known.usual
        known.silent += 1
        if known.before > 0.05 and not known.unheard:
            known.quiet += log1p(BURST * known.before) / BURST
        if not known.unheard and (away or known.quiet >= ONE_SILENT):
            known.unheard, known.usual, known.back = True, known.before, 0
            _add(joined, known.heads, -known.usual)
        return known.unheard


def _add(sums: dict[str, N], heads: tuple[str, ...], count: N) -> None:
    for head in heads:
        sums[head] = sums.get(head, 0) + count
