"""How improbable what every series does now is, judged livestream by livestream and over twenty, forty and sixty seconds. Pure.

A sum of counts says of a country what its busiest chat does, and a chat reacts several times a minute. So livestreams are *weighed*: each
counts 1 / (1 + d·m), with ``m`` its usual count of a slot and ``d`` its burstiness (its variance is m + d·m²). That is the score of the common
factor of negative binomials (McCullagh and Nelder 1989, ch. 9: quasi-likelihood), the best that is linear in the counts; no livestream then
counts for more than 1/d, however busy it is. And what one does in a slot counts as CAP times its usual at most (winsorised: Tukey 1962).
Of a series without livestreams of its own (topics, the total) what is expected is what ``Series`` says.

Of a window the logarithm of weighed counts over weighed expectation is taken, less what the slots before the window predict of it (chat stays
where it is for a while: residual charts, Alwan and Roberts 1988, the coefficient by regression over all series of like noise), over its standard
deviation. That is the model's, corrected by the errors of the series itself. The widths are a window-limited generalised likelihood ratio
(Lai 1995): two slots find what is large at once, four and six what is moderate and lasts. The normal tail is calibrated by what really
happens (``Tail``), apart for calm and for bursty series: a country with one busy chat needs more than one with ten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import erfc, exp, inf, log, log2, sqrt
from typing import TYPE_CHECKING, NamedTuple

from monitor.expected import LAG, Tail
from monitor.windows import SLOT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

TESTED = (2, 4, 6)
"""Slots that are looked at together."""
BEFORE = 4
"""Slots before a window that predict it."""
KNOWN_SLOTS = 12
"""A livestream is known after so many slots; before, what it brings is expected as it comes (``exposure``)."""
AWAY_SECONDS = 60
CAP = 8.0
MEMORY = 45
"""Slots that the usual count of a livestream remembers."""
FIRST_SLOTS = 6
BURST_MEMORY = 200
BURST_SLOTS = 20
"""What the usual burstiness counts for."""
LARGE_CHAT = 30.0
BURSTY, CALM = 0.35, 0.15
"""Burstiness of chats with fewer than three messages a second, and of larger ones, before it was measured."""
LEAST_BURST = 0.02
SILENT = 0.02
COMMON = 20.0
FALL = {2: 0.8, 4: 0.55, 6: 0.42}
"""What is left of the variance of the bursts of one slot in the mean of so many."""
SHARED = 0.02
"""Variance of the logarithm that all livestreams of a series have together."""
OWN_SLOTS = 10.0
"""What the correction of the spread of all like series counts for, beside the series' own."""
LIKE_SLOTS, CARRY = 10.0, 2.0
"""What the model, and half of what was before, count for until it was measured."""
OWN_MEMORY, ALL_MEMORY = 65, 3500
CLIP = 3.0
LEAST_MEAN = 0.05
HIGHEST_BEFORE = 0.8
"""Twice the expected: more before the window is a spike that nobody judged, and no reason to expect one."""


ENOUGH = TESTED[-1] + BEFORE
"""Slots that must have been seen for all of that."""


class Point(NamedTuple):
    """One slot of a series, weighed."""

    start: int
    actual: float
    mean: float
    poisson: float
    """Variance by chance."""
    bursts: float
    """Variance by bursts."""
    squares: float = 0.0
    """Sum of the squares of the livestreams' means; 0 where livestreams are not known."""


class Found(NamedTuple):
    """What a window of a series shows."""

    width: int
    chance: float
    """Probability of so much or more, if nothing special happens."""
    factor: float


@dataclass(slots=True)
class _Livestream:
    heads: tuple[str, ...]
    country: str
    sessions: tuple[str, ...]
    age: int = 0
    usual: float = 0.0
    burst: float = BURSTY
    slots: int = 0
    errors: float = 0.0
    squares: float = 0.0
    seen: int = 0
    newest: deque[int] = field(default_factory=lambda: deque(maxlen=LAG + 1))


class _Window(NamedTuple):
    """A window of a series as it was tested, to be learnt from when it is known whether it was a spike."""

    head: str
    width: int
    log_factor: float
    before: float
    model: float
    sigma: float
    z: float


_NONE: deque[Point] = deque(maxlen=0)


class Evidence:
    """Takes slots in order, and knows of each series what its newest windows show."""

    def __init__(self) -> None:
        self.tail = Tail()
        self._livestreams: dict[str, _Livestream] = {}
        self._begun = False
        self._points: dict[str, deque[Point]] = {}
        self._commons: deque[float] = deque(maxlen=LAG + 1)
        self._learning: list[_Window] = []
        self._pending: deque[list[_Window]] = deque()
        self._own: dict[tuple[str, int], tuple[float, float]] = {}
        self._like: dict[tuple[int, int], tuple[float, float]] = {}
        self._carried: dict[tuple[int, int], tuple[float, float]] = {}

    # --- one slot ---

    def take(
        self,
        start: int,
        expected: Mapping[str, tuple[int, float]],
        live: Mapping[str, tuple[str, ...]],
        counts: Mapping[str, int],
    ) -> None:
        """``expected``: series → what was counted, and its mean as its own level and the others say; ``live`` and ``counts`` of livestreams."""
        weighed, common = self._weigh(start, expected, live, counts)
        self._commons.append(common)
        self._learning = []
        for head, (actual, mean) in expected.items():
            points = self._points.setdefault(head, deque(maxlen=ENOUGH))
            if points and start - points[-1].start > AWAY_SECONDS:
                points.clear()
            if head.startswith(("country:", "session:")) and self._livestreams:
                points.append(weighed.get(head) or Point(start, 0.0, 0.0, 0.0, 0.0))
            else:
                points.append(Point(start, float(actual), mean, mean, CALM * mean * mean))
            # Windows overlap, so that it is enough to learn from every sixth of a width.
            number = start // SLOT_SECONDS
            if number % 2 or len(points) < ENOUGH:
                continue
            if (window := self._test(head, points, TESTED[number // 2 % len(TESTED)])) is not None:
                self._learning.append(window)

    def found(self, head: str) -> list[Found]:
        """What the newest windows of a series show."""
        points = self._points.get(head, _NONE)
        if len(points) < ENOUGH:
            return []
        tested = [window for width in TESTED if (window := self._test(head, points, width)) is not None]
        return [
            Found(one.width, self.tail.calibrated(one.width, one.sigma**2, _normal(one.z)), exp(one.log_factor)) for one in tested
        ]

    def rises(self, head: str, factor: float) -> int:
        """How many of the newest slots in a row are so many times the expected; not counted beyond six."""
        found = 0
        for point in reversed(self._points.get(head, _NONE)):
            if found >= TESTED[-1] or point.mean <= LEAST_MEAN or point.actual < factor * point.mean:
                break
            found += 1
        return found

    def livestreams(self, head: str) -> float:
        """Of how many livestreams a series is, effectively (inverse Simpson index of their weighed shares); many where that is not known."""
        points = self._points.get(head)
        if not points or not points[-1].squares:
            return inf
        return points[-1].mean ** 2 / points[-1].squares

    def learn(self, start: int, held: Mapping[str, Collection[int]]) -> None:
        """Take in what is LAG slots old, unless it belongs to a spike: ``held``, series → starts of its slots."""
        old = start - LAG * SLOT_SECONDS
        held_now = {head for head, starts in held.items() if old in starts}
        for name, one in list(self._livestreams.items()):
            if one.seen < start - AWAY_SECONDS:
                del self._livestreams[name]
            elif one.seen == start:
                self._learn_livestream(one, held_now)
        self._pending.append(self._learning)
        if len(self._pending) > LAG:
            for window in self._pending.popleft():
                starts = held.get(window.head)
                reach = range(old, old - (window.width + BEFORE) * SLOT_SECONDS, -SLOT_SECONDS)
                if not starts or not any(at in starts for at in reach):
                    self._learn_window(window)

    # --- livestreams ---

    def _weigh(
        self, start: int, heads: Iterable[str], live: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]
    ) -> tuple[dict[str, Point], float]:
        """Series → its weighed slot; and what everybody does beside what is usual."""
        cells: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        known, begun = self._livestreams, self._begun
        self._begun = self._begun or bool(live)
        for name, belongs in live.items():
            one = known.get(name)
            count = counts.get(name, 0)
            if one is None:
                one = known[name] = _new(belongs, 0 if begun else KNOWN_SLOTS, count)
            elif one.heads is not belongs and one.heads != belongs:
                one.heads, one.country, one.sessions = _parted(belongs)
            one.age += 1
            one.seen = start
            one.newest.append(count)
            usual = one.usual
            if one.age <= KNOWN_SLOTS or (usual <= SILENT and not count):
                continue
            bursts = one.burst * usual
            weight = 1 / (1 + bursts)
            key = (one.country, one.sessions)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = [0.0, 0.0, 0.0, 0.0, 0.0]
            mean = weight * usual
            cell[0] += weight * min(count, CAP * usual + CAP)
            cell[1] += mean
            cell[2] += weight * mean
            square = mean * mean
            cell[3] += square * one.burst
            cell[4] += square
        return self._series(start, {head for head in heads if head.startswith("session:")}, cells)

    def _series(
        self, start: int, sessions: set[str], cells: Mapping[tuple[str, tuple[str, ...]], list[float]]
    ) -> tuple[dict[str, Point], float]:
        """A livestream is expected to do what those of other countries do that are of the same sessions."""
        groups: dict[tuple[str, ...], list[float]] = {}
        for (_, group), cell in cells.items():
            both = groups.setdefault(group, [0.0, 0.0])
            both[0] += cell[0]
            both[1] += cell[1]
        everything = sum(both[0] for both in groups.values()), sum(both[1] for both in groups.values())
        common = _ratio(*everything, 1.0)
        sums: dict[str, list[float]] = {}
        for (country, group), cell in cells.items():
            actual, mean = groups[group]
            _add(sums, country, cell, _ratio(actual - cell[0], mean - cell[1], common))
            for head in group:
                if head in sessions:
                    _add(sums, head, cell, 1.0)
        for head in sessions & set(sums):
            mine = [both for group, both in groups.items() if head in group]
            others = _ratio(everything[0] - sum(both[0] for both in mine), everything[1] - sum(both[1] for both in mine), 1.0)
            factor = max(others, sqrt(others))
            actual, mean, chance, bursts, squares = sums[head]
            sums[head] = [actual, mean * factor, chance * factor, bursts * factor * factor, squares * factor * factor]
        return {head: Point(start, *found) for head, found in sums.items()}, common

    def _learn_livestream(self, one: _Livestream, held: set[str]) -> None:
        if one.age <= KNOWN_SLOTS:
            one.usual += (one.newest[-1] - one.usual) / one.age
            one.burst = _bursty(one.usual)
            return
        if len(one.newest) <= LAG or (held and not held.isdisjoint(one.heads)):
            return
        count, common, usual = one.newest[0], self._commons[0], max(one.usual, SILENT)
        if not count and one.usual <= SILENT:
            return
        mean = usual * common
        deviation = sqrt(mean + one.burst * mean * mean)
        off = min(abs(count - mean), CLIP * deviation + 1)
        keep = 1 - 1 / BURST_MEMORY
        one.errors = one.errors * keep + off * off - mean
        one.squares = one.squares * keep + mean * mean
        prior = BURST_SLOTS * usual * usual
        one.burst = max(LEAST_BURST, (one.errors + prior * _bursty(usual)) / (one.squares + prior))
        one.slots = min(one.slots + 1, MEMORY)
        # When everybody does more, half of it (by its logarithm) is taken for this livestream's own.
        taken = min(count, mean + 4 * deviation + 1) / sqrt(max(0.3, common))
        one.usual = max(0.0, usual + (taken - usual) / (one.slots + FIRST_SLOTS))

    # --- windows ---

    def _test(self, head: str, points: Sequence[Point], width: int) -> _Window | None:
        actual = mean = poisson = bursts = 0.0
        total = len(points)
        for number in range(total - width, total):
            _, one, two, three, four, _ = points[number]
            actual += one
            mean += two
            poisson += three
            bursts += four
        if mean <= LEAST_MEAN:
            return None
        earlier, expected = 1.0, 1.0
        for number in range(total - width - BEFORE, total - width):
            _, one, two, _, _, _ = points[number]
            earlier += one
            expected += two
        log_factor, before = log((actual + 0.5) / (mean + 0.5)), min(HIGHEST_BEFORE, log(earlier / expected))
        few = mean + 0.5
        model = poisson / few**2 + FALL[width] * width * bursts / mean**2 + SHARED + 0.3 / few**2
        noise = round(log2(model))
        sigma = sqrt(model * self._correction(head, width, noise))
        return _Window(head, width, log_factor, before, model, sigma, (log_factor - self._carry(width, noise) * before) / sigma)

    def _correction(self, head: str, width: int, noise: int) -> float:
        errors, slots = self._like.get((width, noise), (0.0, 0.0))
        like = (errors + LIKE_SLOTS) / (slots + LIKE_SLOTS)
        errors, slots = self._own.get((head, width), (0.0, 0.0))
        return (errors + OWN_SLOTS * like) / (slots + OWN_SLOTS)

    def _carry(self, width: int, noise: int) -> float:
        """How much of what was before is there still."""
        products, squares = self._carried.get((width, noise), (0.0, 0.0))
        return max(0.0, min(0.95, (products + CARRY / 2) / (squares + CARRY)))

    def _learn_window(self, window: _Window) -> None:
        noise, most = round(log2(window.model)), CLIP * window.sigma + 0.2
        now, before = (max(-most, min(most, each)) for each in (window.log_factor, window.before))
        keep, weight = 1 - 1 / ALL_MEMORY, 0.1 / max(window.model, 0.01)
        error = window.log_factor - self._carry(window.width, noise) * window.before
        products, squares = self._carried.get((window.width, noise), (0.0, 0.0))
        self._carried[window.width, noise] = products * keep + now * before * weight, squares * keep + before * before * weight
        error = min(error * error, (CLIP * window.sigma) ** 2) / window.model
        errors, slots = self._like.get((window.width, noise), (0.0, 0.0))
        self._like[window.width, noise] = errors * keep + error, slots * keep + 1
        keep = 1 - 1 / OWN_MEMORY
        errors, slots = self._own.get((window.head, window.width), (0.0, 0.0))
        self._own[window.head, window.width] = errors * keep + error, slots * keep + 1
        self.tail.add(window.width, window.sigma**2, _normal(window.z))


def _new(heads: tuple[str, ...], age: int, count: int) -> _Livestream:
    usual = float(count) if age else 0.0
    return _Livestream(*_parted(heads), age, usual, _bursty(usual))


def _parted(heads: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    country = next((head for head in heads if head.startswith("country:")), "")
    return heads, country, tuple(head for head in heads if head.startswith("session:"))


def _bursty(usual: float) -> float:
    return BURSTY if usual < LARGE_CHAT else CALM


def _ratio(actual: float, usual: float, otherwise: float) -> float:
    return (max(0.0, actual) + COMMON * otherwise) / (max(0.0, usual) + COMMON)


def _add(sums: dict[str, list[float]], head: str, cell: list[float], common: float) -> None:
    """Of what everybody does the larger explanation holds, as in ``expected``."""
    factor = max(common, sqrt(common))
    found = sums.setdefault(head, [0.0, 0.0, 0.0, 0.0, 0.0])
    found[0] += cell[0]
    found[1] += cell[1] * factor
    found[2] += cell[2] * factor
    found[3] += cell[3] * factor * factor
    found[4] += cell[4] * factor * factor


def _normal(z: float) -> float:
    """P(Z ≥ z)"""
    return 0.5 * erfc(z / sqrt(2))
