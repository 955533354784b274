"""What the best possible test finds of a planted spike: the yardstick for recall.

The test is told everything that a detector has to guess: when the spike begins and how long and how high it is, the usual counts of every livestream, the
programme, the time of day, what everybody does meanwhile, and the variances and relaxation times of all that swells. Then the logarithms of the counts
are (nearly) normal with a known covariance, the best test is the likelihood ratio (Neyman and Pearson 1933), and its power is
Φ(√(s′ Σ⁻¹ s) − z): the matched filter. ``s`` is the lift of each slot as a logarithm, zero before it; Σ has the country's own swell, and for each
livestream its fast and its slow one and the noise of counting, (1 + k·m)/m; livestreams are added by their precision. ``z`` belongs to the level of one
series in one slot at the bearable number of false ones. A detector may also look several times while a spike lasts; that helps it by less than what it must guess costs.
"""

from __future__ import annotations

from math import exp, log1p, log2, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from benchmarks.spike_world import COUNTRY, SLOT, TOPIC, Planted, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HISTORY = 30
"""Slots before the spike that say at what level it begins."""
DECIDED = 20.0
"""Seconds after its end at which it may still open."""
MOST_SLOTS = 30

Matrix = list[list[float]]


def power(world: World, one: Planted, usual: float, series: int, false_per_hour: float) -> float:
    """The probability that the best possible test finds it; ``usual`` counts of a slot without it."""
    z = NormalDist().inv_cdf(1 - false_per_hour * SLOT / 3600 / series)
    first = int(one.begin // SLOT) * SLOT
    starts = range(first - HISTORY * SLOT, int(min(one.begin + one.seconds, one.begin + MOST_SLOTS * SLOT)) + 1, SLOT)
    signal = [log1p(one.lift(start)) for start in starts]
    return NormalDist().cdf(sqrt(_matched(_covariance(world, one, usual, len(signal)), signal)) - z)


def _covariance(world: World, one: Planted, usual: float, size: int) -> Matrix:
    if one.head.startswith("topic:"):
        return _sum(size, [_swell(*TOPIC)], 1 / usual)  # the counts of its regions are known
    streams = world.of(one.head, one.begin)
    scale = usual / max(1e-9, sum(stream.mean for stream in streams))
    if one.head.startswith("session:"):
        # Each country swells for itself: what that leaves in so many is little, and the livestreams' own is what remains.
        noise = 1 / usual + sum((stream.mean * scale / usual) ** 2 * (stream.noise[0] + stream.noise[2]) for stream in streams)
        return _sum(size, [], noise)
    precision: Matrix = [[0.0] * size for _ in range(size)]
    like: dict[tuple[float, ...], int] = {}
    for stream in streams:
        kind = (*stream.noise, stream.shape, 2 ** (round(2 * log2(max(stream.mean * scale, 1e-3))) / 2))
        like[kind] = like.get(kind, 0) + 1
    for (fast, fast_s, slow, slow_s, shape, mean), count in like.items():
        noise = 1 / mean + (1 / shape if shape else 0.0)
        inverse = _inverse(_sum(size, [_swell(fast, fast_s), _swell(slow, slow_s)], noise))
        for row, other in zip(precision, inverse, strict=True):
            for column, value in enumerate(other):
                row[column] += count * value
    own = _sum(size, [_swell(*COUNTRY)], 1e-9)
    together = _inverse(precision)
    return [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(own, together, strict=True)]


def _swell(variance: float, seconds: float) -> Callable[[int], float]:
    return lambda apart: variance * exp(-apart * SLOT / seconds)


def _sum(size: int, swells: Sequence[Callable[[int], float]], noise: float) -> Matrix:
    by_distance = [sum(swell(apart) for swell in swells) for apart in range(size)]
    return [[by_distance[abs(i - j)] + (noise if i == j else 0.0) for j in range(size)] for i in range(size)]


def _inverse(matrix: Matrix) -> Matrix:
    """Of a symmetric positive matrix, by Gauss and Jordan."""
    size = len(matrix)
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(size))] for i, row in enumerate(matrix)]
    for i, pivot in enumerate(rows):
        lead = 1 / pivot[i]
        pivot[:] = [value * lead for value in pivot]
        for j, row in enumerate(rows):
            if j != i and (factor := row[i]):
                row[:] = [value - factor * other for value, other in zip(row, pivot, strict=True)]
    return [row[size:] for row in rows]


def _matched(covariance: Matrix, signal: Sequence[float]) -> float:
    inverse = _inverse(covariance)
    return max(0.0, sum(a * b * v for a, row in zip(signal, inverse, strict=True) for b, v in zip(signal, row, strict=True)))
