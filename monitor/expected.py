"""What a count was to be expected to be: a negative binomial around a level that adapts, and around what everybody else does. Pure.

``Series`` is one country, topic, session, or the total, in slots of ten seconds. What is expected of a slot is its own level (a mean that
forgets within ten minutes) times what the *others* did in the same slot beside their own levels: when an opening lifts everybody, everybody
is expected to be lifted. For the upper limit the larger of both explanations holds (own level, own share of what happens), for the lower
the smaller. More livestreams bring more (exposure.py).

Chat comes in bursts: ten-second counts have variances of 1.5 to 16 times their mean (docs/decisions say where that was measured). So the
spread is measured, on the errors of the predictions as they were made, apart for one slot, two and six (bursts correlate, so sixty seconds
vary more than six independent slots would). Of a series that is not known yet it is that of series of its size. Poisson is the limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, exp, floor, lgamma, log, log1p, log2, sqrt
from typing import NamedTuple

WIDTHS = (1, 6)
"""Slots whose spread is known: of the chart, and of a minute."""
WIDE_EVERY = 3
MEMORY = 30
"""Slots that a level remembers."""
SPREAD_MEMORY = 300
LAG = 7
"""A slot is learnt from when it is so many slots old: a spike is found before it has become what is usual."""
KEPT = 90
"""Slots of the chart."""
LEVEL_SLOTS = 3
"""What the prior of a level counts for, in slots."""
SPREAD_SLOTS = 30
"""What the pooled spread counts for, in slots."""
COMMON = 20.0
"""So many counts must the others have, for what they do to be believed half."""
LEAST_SPREAD = 1e-4
"""Nothing is purer than 1 %: a variance of mean + mean² / 10,000 is Poisson for all that can be seen."""
CLIP = 3.0
"""Errors beyond so many standard deviations count as that many: one unseen spike must not hide the next."""
BAND = 2.576
"""Normal deviate of the shown range: 99 of 100 are inside."""
RAISED = 1.645

ONSET = 0.02
"""Where the tail begins."""
FARTHEST = 5.0
"""Logarithms beyond this count as this: a spike that nobody saw must not become the tail."""
TAIL_MEMORY = 60_000
TAIL_PRIOR = 20.0
USUAL_OFTEN, USUAL_INDEX = 0.02, 0.7
"""Of the tail, before anything was seen; it counts for so many slots beyond the onset."""

_USUAL = {1: 5.0, 6: 16.0}
"""Variance over mean, less one, of sums of so many slots, before anything was measured; and a common swell of 20 %."""
_SWELL = 0.04


class Range(NamedTuple):
    """What is expected of some slots together."""

    low: float
    mid: float
    high: float


class Sum(NamedTuple):
    """Some slots together: what was counted, and the means of what was expected."""

    actual: int
    mid: float
    floor: float
    ceiling: float


class Point(NamedTuple):
    """One slot of a chart."""

    start: int
    actual: int
    fresh: int
    """Brought by livestreams that are new; not part of the level."""
    mid: float
    floor: float
    """Mean of the lower explanation."""
    ceiling: float
    """Mean of the upper one."""
    low: int
    high: int
    raised: bool
    """Above what nineteen of twenty slots stay below."""

    @property
    def line(self) -> float:
        """Below this a spike is calm: the middle between the expected mean and the upper limit."""
        return (self.ceiling + self.high) / 2


class Pool:
    """The spread of series by size: the first guess of each, made of what all together showed."""

    def __init__(self) -> None:
        self._errors: dict[tuple[int, int], float] = {}
        self._squares: dict[tuple[int, int], float] = {}

    def add(self, width: int, mean: float, error: float) -> None:
        key = (width, _size(mean))
        keep = 1 - 1 / (20 * SPREAD_MEMORY)
        self._errors[key] = self._errors.get(key, 0.0) * keep + error
        self._squares[key] = self._squares.get(key, 0.0) * keep + mean * mean

    def spread(self, width: int, mean: float) -> float:
        """1/k of the negative binomial for series of this size."""
        mean = max(mean, 0.05)
        usual = _SWELL + _USUAL[width] / mean
        key = (width, _size(mean))
        prior = 100 * mean * mean
        return max(LEAST_SPREAD, (self._errors.get(key, 0.0) + usual * prior) / (self._squares.get(key, 0.0) + prior))


class Tail:
    """How probable the improbable really is: chat has heavier tails than any model, so the model's small probabilities are calibrated.

    Below ONSET the share of slots that have a probability of ``p`` or less is taken to be ``often · (p / ONSET) ** index``: a Pareto tail of
    the evidence, its index by Hill's estimator (1975), over all series of the same burstiness together.
    """

    def __init__(self) -> None:
        self._slots: dict[tuple[int, int], float] = {}
        self._beyond: dict[tuple[int, int], float] = {}
        self._logs: dict[tuple[int, int], float] = {}

    def add(self, width: int, spread: float, chance: float) -> None:
        """One slot of one series that belongs to no spike."""
        key = (width, _burstiness(spread))
        keep = 1 - 1 / TAIL_MEMORY
        self._slots[key] = self._slots.get(key, 0.0) * keep + 1
        beyond = chance < ONSET
        self._beyond[key] = self._beyond.get(key, 0.0) * keep + beyond
        self._logs[key] = self._logs.get(key, 0.0) * keep + (min(FARTHEST, log(ONSET / max(chance, 1e-30))) if beyond else 0.0)

    def calibrated(self, width: int, spread: float, chance: float) -> float:
        if chance >= ONSET:
            return chance
        key = (width, _burstiness(spread))
        slots, beyond, logs = (each.get(key, 0.0) for each in (self._slots, self._beyond, self._logs))
        often = (beyond + TAIL_PRIOR) / (slots + TAIL_PRIOR / USUAL_OFTEN)
        index = min(1.0, (beyond + TAIL_PRIOR) / (logs + TAIL_PRIOR / USUAL_INDEX))
        return min(1.0, max(chance, often * float((max(chance, 1e-30) / ONSET) ** index)))


def _burstiness(spread: float) -> int:
    return min(3, max(0, round(log2(max(spread, 0.01) / 0.05))))


@dataclass(slots=True)
class _Spread:
    errors: float = 0.0
    squares: float = 0.0


@dataclass(slots=True)
class Series:
    """One series; slots are given to it in order of time."""

    level: float = 0.0
    """Counts of a slot."""
    slots: float = 0.0
    """How many slots the level is made of, MEMORY at most."""
    age: int = 0
    """Slots since the series can have counts."""
    held: set[int] = field(default_factory=set)
    """Starts of slots that belong to a spike and are not learnt from."""
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=KEPT))
    _spreads: dict[int, _Spread] = field(default_factory=lambda: {width: _Spread() for width in WIDTHS})

    def predict(self, start: int, actual: int, common: float, pool: Pool, *, fresh: int = 0) -> None:
        """The next slot: ``common`` is what the others did beside their levels, ``fresh`` what new livestreams brought."""
        mid = self.level * common + fresh
        low, high = self.level * min(common, sqrt(common)) + fresh, self.level * max(common, sqrt(common)) + fresh
        spread = self.spread(1, pool)
        shown = floor(quantile(low, spread, -BAND)), ceil(quantile(high, spread, BAND))
        self.points.append(Point(start, actual, fresh, mid, low, high, *shown, actual > quantile(high, spread, RAISED)))

    def learn(self, pool: Pool, *, changing: bool = False) -> None:
        """Take the slot in that is LAG slots old, unless it is held out: by then it is known whether a spike began with it.

        ``changing``: a change is expected now, so the level follows freely and errors say nothing.
        """
        self.age += 1
        if len(self.points) <= LAG:
            return
        point = self.points[-1 - LAG]
        if self.held:
            self.held = {start for start in self.held if start >= self.points[0].start}
            if point.start in self.held:
                return
        for width in () if changing else WIDTHS:
            # Sums of six overlap, so that every third says nearly as much.
            if self.is_clean(width, LAG) and (width == 1 or self.age % WIDE_EVERY == 0):
                self._learn_error(self.sum(width, LAG), width, pool)
        self.slots = min(self.slots + 1, MEMORY)
        # A burst is part of what is usual, but no single slot may carry the level away.
        variance = point.ceiling + self.spread(1, pool) * point.ceiling**2
        bounded = float(point.actual)
        if self.age > MEMORY and not changing:
            bounded = min(bounded, point.ceiling + 4 * sqrt(variance) + 1)
        self.level += (max(0.0, bounded - point.fresh) - self.level) / (self.slots + LEVEL_SLOTS)

    def is_clean(self, width: int, ago: int) -> bool:
        """Whether these slots are all there and none belongs to a spike."""
        if len(self.points) < ago + width:
            return False
        return not self.held or all(self.points[-1 - ago - number].start not in self.held for number in range(width))

    def _learn_error(self, found: Sum, width: int, pool: Pool) -> None:
        if found.mid <= 0:
            return
        sigma = sqrt(found.mid + self.spread(width, pool) * found.mid**2)
        off = min(CLIP * sigma, abs(found.actual - found.mid))
        error = off * off - found.mid
        spread = self._spreads[width]
        keep = 1 - (1 if width == 1 else WIDE_EVERY) / SPREAD_MEMORY
        spread.errors = spread.errors * keep + error
        spread.squares = spread.squares * keep + found.mid**2
        pool.add(width, found.mid, error)

    def restart(self, slots: float) -> None:
        """Something is about to change: what was before counts for so many slots only."""
        self.slots = min(self.slots, slots)

    def sum(self, width: int, ago: int = 0) -> Sum:
        """The newest ``width`` slots together, or those before ``ago`` slots."""
        points = self.points
        if width == 1 and len(points) > ago:
            point = points[-1 - ago]
            return Sum(point.actual, point.mid, point.floor, point.ceiling)
        actual, mid, low, high = 0, 0.0, 0.0, 0.0
        for number in range(max(0, len(points) - ago - width), len(points) - ago):
            point = points[number]
            actual += point.actual
            mid += point.mid
            low += point.floor
            high += point.ceiling
        return Sum(actual, mid, low, high)

    def spread(self, width: int, pool: Pool) -> float:
        """1/k of sums of so many slots: its own errors and those of its size, and how well the level itself is known."""
        width = WIDTHS[1] if width >= WIDTHS[1] else WIDTHS[0]
        mean = max(0.05, self.level * width)
        own, pooled = self._spreads[width], pool.spread(width, mean)
        prior = SPREAD_SLOTS * mean * mean
        found = max(LEAST_SPREAD, (own.errors + pooled * prior) / (own.squares + prior))
        return found + found * width / (self.slots + LEVEL_SLOTS)

    def range(self, width: int, pool: Pool, z: float = BAND) -> Range:
        """What is expected of the newest slots together."""
        found = self.sum(width)
        spread = self.spread(width, pool)
        return Range(quantile(found.floor, spread, -z), found.mid, quantile(found.ceiling, spread, z))

    def surprise(self, width: int, pool: Pool) -> float:
        """Probability of so many counts or more in the newest ``width`` slots, if nothing special happens."""
        found = self.sum(width)
        return tail(found.actual, max(found.ceiling, 0.05), self.spread(width, pool))


def _size(mean: float) -> int:
    return round(log2(max(mean, 0.05)) / 2)


# --- the negative binomial --------------------------------------------------------------------------------------------


def quantile(mean: float, spread: float, z: float) -> float:
    """About the quantile at the normal deviate ``z``, by Wilson and Hilferty's cube root for the gamma of the same two moments."""
    if mean <= 0:
        return 0.0
    shape = mean / (1 + spread * mean)
    return float(mean * max(0.0, 1 - 1 / (9 * shape) + z / (3 * sqrt(shape))) ** 3)


def tail(count: int, mean: float, spread: float) -> float:
    """P(N ≥ count) of the negative binomial with this mean and variance mean + spread · mean²: exact, by the incomplete beta."""
    if count <= 0:
        return 1.0
    k = 1 / max(spread, LEAST_SPREAD)
    return _beta(mean / (mean + k), float(count), k)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22, evaluated by Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - exp(front) / b * _fraction(1 - x, b, a)
    return exp(max(front, -745.0)) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d or tiny)
    result = d
    for m in range(1, 2000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            result *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return result
