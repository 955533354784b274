"""Livestreams weighed: what a country or a session does, of which no single chat can say much. Pure.

A sum of counts says of a country what its busiest chat does, and a chat reacts several times a minute. So livestreams are *weighed*: each
counts 1 / (1 + d·m), with ``m`` its usual count of a slot and ``d`` its burstiness (its variance is m + d·m²). That is the score of the common
factor of negative binomials (McCullagh and Nelder 1989, ch. 9: quasi-likelihood), the best that is linear in the counts; no livestream then
counts for more than 1/d, however busy it is. And what one does in a slot counts as CAP times its usual at most (winsorised: Tukey 1962).

What is usual of each is learnt LAG slots later, from what belongs to no spike and was heard (``exposure``); so is its burstiness. A livestream is
expected to do what those of other countries do that are of the same sessions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LAG = 9
"""Slots after which a slot is learnt from."""
KNOWN_SLOTS = 12
"""A livestream is known after so many slots; before, what it brings is expected as it comes (``exposure``)."""
AWAY_SECONDS = 60
CAP = 8.0
MEMORY = 45
"""Slots that the usual count of a livestream remembers."""
FIRST_SLOTS = 6
BURST_KEEP = 1 - 1 / 200
"""What is left a slot later of the errors that say how bursty a livestream is."""
BURST_SLOTS = 20
"""What the usual burstiness counts for."""
LARGE_CHAT = 30.0
BURSTY, CALM = 0.35, 0.15
"""Burstiness of chats with fewer than three messages a second, and of larger ones, before it was measured."""
LEAST_BURST = 0.02
SILENT = 0.02
COMMON = 20.0
CLIP = 3.0
UNHEARD = -1
"""In place of a count that says nothing."""


class Weighed(NamedTuple):
    """One slot of a series, weighed."""

    actual: float
    mean: float
    poisson: float
    """Variance by chance."""
    bursts: float
    """Variance by bursts."""
    squares: float
    """Sum of the squares of the livestreams' means."""


NOTHING = Weighed(0.0, 0.0, 0.0, 0.0, 0.0)


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


class Livestreams:
    """Takes slots in order, and weighs each."""

    def __init__(self) -> None:
        self._known: dict[str, _Livestream] = {}
        self._begun = False
        self._commons: deque[float] = deque(maxlen=LAG + 1)

    def __bool__(self) -> bool:
        return bool(self._known)

    def weigh(
        self,
        start: int,
        heads: Iterable[str],
        live: Mapping[str, tuple[str, ...]],
        counts: Mapping[str, int],
        unheard: Mapping[str, int],
    ) -> dict[str, Weighed]:
        """Series → its weighed slot."""
        cells: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        known, begun = self._known, self._begun
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
            if name in unheard:
                if unheard[name] and one.newest and one.newest[-1] != UNHEARD:
                    _forget(one.newest, unheard[name])
                one.newest.append(UNHEARD)
                continue
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
        return self._series({head for head in heads if head.startswith("session:")}, cells)

    def others(self, head: str, expected: float, slots: int) -> Weighed:
        """The newest slots of a series together without the livestream that did most beyond what is expected of it; ``expected`` of them all."""
        each = [_together(one, slots) for one in self._known.values() if one.age > KNOWN_SLOTS and head in one.heads]
        whole = sum(found.mean for found in each)
        if whole <= 0:
            return NOTHING
        factor = expected / whole
        each.remove(max(each, key=lambda found: found.actual - factor * found.mean))
        actual, mean, poisson, bursts, squares = (sum(part) for part in zip(NOTHING, *each, strict=True))
        return Weighed(actual, mean * factor, poisson * factor, bursts * factor * factor, squares * factor * factor)

    def learn(self, start: int, held: set[str]) -> None:
        """Take in what is LAG slots old; ``held``: series of which that slot belongs to a spike."""
        common = self._commons[0] if self._commons else 1.0
        # When everybody does more, half of it (by its logarithm) is taken for each livestream's own.
        share = sqrt(max(0.3, common))
        gone = []
        for name, one in self._known.items():
            if one.seen == start:
                if one.age <= KNOWN_SLOTS:
                    _get_to_know(one)
                elif len(one.newest) > LAG and not (held and not held.isdisjoint(one.heads)):
                    _learn(one, common, share)
            elif one.seen < start - AWAY_SECONDS:
                gone.append(name)
        for name in gone:
            del self._known[name]

    def _series(self, sessions: set[str], cells: Mapping[tuple[str, tuple[str, ...]], list[float]]) -> dict[str, Weighed]:
        groups: dict[tuple[str, ...], list[float]] = {}
        for (_, group), cell in cells.items():
            both = groups.setdefault(group, [0.0, 0.0])
            both[0] += cell[0]
            both[1] += cell[1]
        everything = sum(both[0] for both in groups.values()), sum(both[1] for both in groups.values())
        common = _ratio(*everything, 1.0)
        self._commons.append(common)
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
        return {head: Weighed(*found) for head, found in sums.items()}


def _together(one: _Livestream, slots: int) -> Weighed:
    """Its newest slots, weighed; those in which it was not heard say nothing."""
    counts = [count for count in list(one.newest)[-slots:] if count != UNHEARD]
    weight = 1 / (1 + one.burst * one.usual)
    mean, most = weight * one.usual, CAP * one.usual + CAP
    actual = weight * sum(min(count, most) for count in counts)
    square = mean * mean * len(counts)
    return Weighed(actual, mean * len(counts), weight * mean * len(counts), square * one.burst, square)


def _get_to_know(one: _Livestream) -> None:
    if one.newest[-1] != UNHEARD:
        one.usual += (one.newest[-1] - one.usual) / one.age
        one.burst = _bursty(one.usual)


def _learn(one: _Livestream, common: float, share: float) -> None:
    """From its slot that is LAG slots old. Eight hundred times a slot: no calls that can be spared."""
    count, usual = one.newest[0], one.usual
    if count == UNHEARD or (not count and usual <= SILENT):
        return
    usual = usual if usual > SILENT else SILENT  # noqa: FURB136
    mean = usual * common
    deviation = sqrt(mean + one.burst * mean * mean)
    off, most = abs(count - mean), CLIP * deviation + 1
    off = off if off < most else most  # noqa: FURB136
    one.errors = errors = one.errors * BURST_KEEP + off * off - mean
    one.squares = squares = one.squares * BURST_KEEP + mean * mean
    prior = BURST_SLOTS * usual * usual
    burst = (errors + prior * (BURSTY if usual < LARGE_CHAT else CALM)) / (squares + prior)
    one.burst = burst if burst > LEAST_BURST else LEAST_BURST  # noqa: FURB136
    if one.slots < MEMORY:
        one.slots += 1
    most = mean + 4 * deviation + 1
    one.usual = usual + (min(count, most) / share - usual) / (one.slots + FIRST_SLOTS)


def _forget(newest: deque[int], slots: int) -> None:
    """The silence before it was known for one."""
    for number in range(1, min(slots, len(newest) + 1)):
        if newest[-number]:
            break
        newest[-number] = UNHEARD


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
