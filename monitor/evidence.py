"""How improbable what every series does now is, over twenty seconds to four minutes, beside what it did just before. Pure.

Of countries and sessions livestreams are weighed (``weighed``); of topics what is expected is their share of what each country does (``shares``),
of the total its own level.

Of a window the logarithm of counts over expectation is taken, less what the slots before the window predict of it: chat stays where it is for
a while (residual charts, Alwan and Roberts 1988), so two means that forget, one of half a minute and one of four, are the predictors, and how
much of each is still there is learnt by regression over all series of like noise. What is left is divided by its standard deviation: the model's
(chance, bursts, what livestreams do together), corrected by the errors of the series itself. The widths are a window-limited generalised
likelihood ratio (Lai 1995): two slots find what is large at once, the longer ones what is moderate and lasts. The normal tail is calibrated by what
really happens (``Tail``), apart for calm and for bursty series: a country with one busy chat needs more than one with ten. What is usual of countries,
topics and sessions is learnt apart: a topic hardly varies beside what its countries do.
"""

from __future__ import annotations

from collections import deque
from math import erfc, exp, inf, log, log2, sqrt
from typing import TYPE_CHECKING, NamedTuple

from monitor.expected import Tail
from monitor.weighed import AWAY_SECONDS, LAG, NOTHING, Livestreams, Weighed
from monitor.windows import SLOT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

TESTED = (2, 4, 6, 12, 24)
"""Slots that are looked at together."""
WAIT = 24
"""A window is learnt from when it is so many slots old: by then it is known whether it belonged to a spike."""
SHORT, LONG = 3.0, 24.0
"""Slots that the two means before a window remember."""
ENOUGH = 10
"""Slots that must have been seen before a window is judged, itself included."""
CALM = 0.15
FALL = {2: 0.8, 4: 0.55, 6: 0.42, 12: 0.26, 24: 0.16}
"""What is left of the variance of the bursts of one slot in the mean of so many."""
SHARED = 0.02
"""Variance of the logarithm that all livestreams of a series have together."""
OWN_SLOTS = 10.0
"""What the correction of the spread of all like series counts for, beside the series' own."""
LIKE_SLOTS, CARRY = 10.0, 2.0
"""What the model, and what is supposed to stay of what was before, count for until it was measured."""
OWN_MEMORY, ALL_MEMORY = 65, 3500
CLIP = 3.0
LEAST_MEAN = 0.05
OTHERS_SLOTS = 4
OTHERS_VARIANCE = 0.5
"""Livestreams beside the busiest say something when the variance of the logarithm of what they do together is less."""
STEPS = 6
"""Longest run of raised slots that is counted."""


class Point(NamedTuple):
    """One slot of a series, with the sums of all slots up to it, so that a window is a difference."""

    start: int
    actual: float
    mean: float
    actuals: float
    means: float
    poissons: float
    """Variance by chance."""
    bursts: float
    """Variance by bursts."""
    squares: float
    """Of this slot alone: sum of the squares of the livestreams' means; 0 where livestreams are not known."""
    short: tuple[float, float]
    long: tuple[float, float]
    """Forgetting sums of actual and mean."""


class Found(NamedTuple):
    """What a window of a series shows."""

    width: int
    chance: float
    """Probability of so much or more, if nothing special happens."""
    factor: float


Like = tuple[str, int, int]
"""What a window is compared with: those of the same dimension, width and (by octaves) variance."""


class _Window(NamedTuple):
    """A window of a series as it was tested, to be learnt from when it is known whether it was a spike."""

    head: str
    width: int
    start: int
    """Of its newest slot."""
    log_factor: float
    short: float
    long: float
    model: float
    like: Like
    sigma: float
    z: float


class _Regression:
    """How much of what was before is there still: two predictors, by least squares that forget."""

    __slots__ = ("sums",)

    def __init__(self) -> None:
        # short², short·long, long², short·now, long·now; before anything was seen, three tenths of each are
        self.sums = [CARRY, 0.0, CARRY, 0.3 * CARRY, 0.3 * CARRY]

    def add(self, keep: float, weight: float, now: float, short: float, long: float) -> None:
        new = (short * short, short * long, long * long, short * now, long * now)
        self.sums = [old * keep + weight * more for old, more in zip(self.sums, new, strict=True)]

    def predict(self, short: float, long: float) -> float:
        a, b, c, d, e = self.sums
        a, c = a + 0.1, c + 0.1
        whole = a * c - b * b
        first, second = (c * d - b * e) / whole, (a * e - b * d) / whole
        return max(0.0, min(1.0, first)) * short + max(0.0, min(1.0, second)) * long


_NONE: deque[Point] = deque(maxlen=0)


class Evidence:
    """Takes slots in order, and knows of each series what its newest windows show."""

    def __init__(self) -> None:
        self.tail = Tail()
        self._livestreams = Livestreams()
        self._points: dict[str, deque[Point]] = {}
        self._pending: deque[list[_Window]] = deque()
        self._learning: list[_Window] = []
        self._own: dict[tuple[str, int], tuple[float, float]] = {}
        self._like: dict[Like, tuple[float, float]] = {}
        self._before: dict[Like, _Regression] = {}

    # --- one slot ---

    def take(
        self,
        start: int,
        expected: Mapping[str, tuple[int, float]],
        live: Mapping[str, tuple[str, ...]],
        counts: Mapping[str, int],
        unheard: Mapping[str, int] | None = None,
    ) -> None:
        """``expected``: series → what was counted, and its mean as its own level and the others say; ``live`` and ``counts`` of livestreams."""
        weighed = self._livestreams.weigh(start, expected, live, counts, unheard or {})
        self._learning = []
        width = TESTED[start // SLOT_SECONDS % len(TESTED)]  # windows overlap: it is enough to learn from some
        for head, (actual, mean) in expected.items():
            points = self._points.setdefault(head, deque(maxlen=TESTED[-1] + 2))
            if points and start - points[-1].start > AWAY_SECONDS:
                points.clear()
            if not self._livestreams or not head.startswith(("country:", "session:")):
                _append(points, start, Weighed(float(actual), mean, mean, CALM * mean * mean, 0.0))
            elif head in weighed:
                _append(points, start, weighed[head])
            else:
                _append(points, start, NOTHING)
            if (window := self._test(head, points, width)) is not None:
                self._learning.append(window)

    def found(self, head: str) -> list[Found]:
        """What the newest windows of a series show."""
        points = self._points.get(head, _NONE)
        tested = [window for width in TESTED if (window := self._test(head, points, width)) is not None]
        return [
            Found(one.width, self.tail.calibrated(one.width, one.sigma**2, _normal(one.z)), exp(one.log_factor)) for one in tested
        ]

    def rises(self, head: str, factor: float) -> int:
        """How many of the newest slots in a row are so many times the expected; not counted beyond six."""
        found = 0
        for point in reversed(self._points.get(head, _NONE)):
            if found >= STEPS or point.mean <= LEAST_MEAN or point.actual < factor * point.mean:
                break
            found += 1
        return found

    def livestreams(self, head: str) -> float:
        """Of how many livestreams a series is, effectively (inverse Simpson index of their weighed shares); many where that is not known."""
        points = self._points.get(head)
        if not points or not points[-1].squares:
            return inf
        return points[-1].mean ** 2 / points[-1].squares

    def others(self, head: str) -> float | None:
        """By how many standard deviations the livestreams of a series beside its busiest are above the expected; None where they say too little."""
        points = self._points.get(head)
        if not points or not points[-1].squares or len(points) <= OTHERS_SLOTS:
            return None
        found = self._livestreams.others(head, points[-1].means - points[-1 - OTHERS_SLOTS].means, OTHERS_SLOTS)
        if found.mean <= LEAST_MEAN:
            return None
        few = found.mean + 0.5
        variance = (
            found.poisson / few**2 + FALL[OTHERS_SLOTS] * OTHERS_SLOTS * found.bursts / found.mean**2 + SHARED + 0.3 / few**2
        )
        return log((found.actual + 0.5) / few) / sqrt(variance) if variance < OTHERS_VARIANCE else None

    def learn(self, start: int, held: Mapping[str, Collection[int]]) -> None:
        """Take in what is old enough, unless it belongs to a spike: ``held``, series → starts of its slots."""
        old = start - LAG * SLOT_SECONDS
        self._livestreams.learn(start, {head for head, starts in held.items() if old in starts})
        self._pending.append(self._learning)
        if len(self._pending) > WAIT:
            for window in self._pending.popleft():
                starts = held.get(window.head)
                reach = range(window.start, window.start - (window.width + int(SHORT)) * SLOT_SECONDS, -SLOT_SECONDS)
                if not starts or not any(at in starts for at in reach):
                    self._learn_window(window)

    # --- windows ---

    def _test(self, head: str, points: Sequence[Point], width: int) -> _Window | None:
        if len(points) <= max(width, ENOUGH - 1):
            return None
        now, then = points[-1], points[-1 - width]
        actual, mean = now.actuals - then.actuals, now.means - then.means
        if mean <= LEAST_MEAN:
            return None
        few = mean + 0.5
        log_factor = log((actual + 0.5) / few)
        short = log((then.short[0] + 0.5) / (then.short[1] + 0.5))
        long = log((then.long[0] + 0.5) / (then.long[1] + 0.5))
        poisson, bursts = now.poissons - then.poissons, now.bursts - then.bursts
        model = poisson / few**2 + FALL[width] * width * bursts / mean**2 + SHARED + 0.3 / few**2
        like = (_kind(head), width, round(log2(model)))
        sigma = sqrt(model * self._correction(head, like))
        z = (log_factor - self._predicted(like, short, long)) / sigma
        return _Window(head, width, now.start, log_factor, short, long, model, like, sigma, z)

    def _correction(self, head: str, key: Like) -> float:
        errors, slots = self._like.get(key, (0.0, 0.0))
        like = (errors + LIKE_SLOTS) / (slots + LIKE_SLOTS)
        errors, slots = self._own.get((head, key[1]), (0.0, 0.0))
        return (errors + OWN_SLOTS * like) / (slots + OWN_SLOTS)

    def _predicted(self, key: Like, short: float, long: float) -> float:
        found = self._before.get(key)
        return found.predict(short, long) if found is not None else 0.3 * (short + long)

    def _learn_window(self, window: _Window) -> None:
        width, key, most = window.width, window.like, CLIP * window.sigma + 0.2
        now, short, long = (max(-most, min(most, each)) for each in (window.log_factor, window.short, window.long))
        keep, weight = 1 - 1 / ALL_MEMORY, 0.1 / max(window.model, 0.01)
        error = window.z * window.sigma  # of the prediction as it was made
        self._before.setdefault(key, _Regression()).add(keep, weight, now, short, long)
        error = min(error * error, (CLIP * window.sigma) ** 2) / window.model
        errors, slots = self._like.get(key, (0.0, 0.0))
        self._like[key] = errors * keep + error, slots * keep + 1
        keep = 1 - 1 / OWN_MEMORY
        errors, slots = self._own.get((window.head, width), (0.0, 0.0))
        self._own[window.head, width] = errors * keep + error, slots * keep + 1
        self.tail.add(width, window.sigma**2, _normal(window.z))


def _append(points: deque[Point], start: int, slot: Weighed) -> None:
    actual, mean, poisson, bursts, squares = slot
    if points:
        last = points[-1]
        sums = last.actuals + actual, last.means + mean, last.poissons + poisson, last.bursts + bursts
        short, long = last.short, last.long
    else:
        sums, short, long = (actual, mean, poisson, bursts), (0.0, 0.0), (0.0, 0.0)
    keep, stay = 1 - 1 / SHORT, 1 - 1 / LONG
    short = short[0] * keep + actual, short[1] * keep + mean
    long = long[0] * stay + actual, long[1] * stay + mean
    points.append(Point(start, actual, mean, *sums, squares, short, long))


def _kind(head: str) -> str:
    return head.partition(":")[0]


def _normal(z: float) -> float:
    """P(Z ≥ z)"""
    return 0.5 * erfc(z / sqrt(2))
