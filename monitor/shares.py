"""What is to be expected of a topic: its share of what each country does. Pure.

Who speaks of robots in Brazil may be one in ten, in France one in a hundred. So when Brazil alone is busy, when a connector is away or a country wakes up,
what the others do together says little of a topic; its countries do. A share is what was counted of the topic over what was counted of the country, both
forgetting within a quarter of an hour, beside the topic's share of everything for so many counts (``PRIOR``) as a country that is hardly known needs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LAG = 9
"""Slots after which a slot is learnt from."""
MEMORY = 90
PRIOR = 100.0
KNOWN = 100.0
"""Counts of everything that must have been seen."""
LARGEST = 1e12


class Shares:
    """Takes slots in order; ``expected`` is of the newest."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[str, float]] = {}
        """Topic → country → counts, of which newer ones count for more."""
        self._countries: dict[str, float] = {}
        self._weight = 1.0
        self._newest: deque[tuple[int, dict[str, int], Mapping[str, Mapping[str, int]], dict[str, float]]] = deque(maxlen=LAG + 1)

    def take(self, start: int, counts: Mapping[str, int], pairs: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
        """``counts`` of series; ``pairs``: topic → country → counts. Returns what is expected of each topic that is known."""
        countries = {head: count for head, count in counts.items() if count and head.startswith("country:")}
        whole, prior = sum(self._countries.values()), PRIOR * self._weight
        expected: dict[str, float] = {}
        if whole >= KNOWN * self._weight:
            rates = {head: count / (self._countries.get(head, 0.0) + prior) for head, count in countries.items()}
            everywhere = prior * sum(rates.values())
            for topic in pairs:
                shares = self._topics.get(topic, {})
                known = sum(rates[head] * seen for head, seen in shares.items() if head in rates)
                expected[topic] = known + everywhere * sum(shares.values()) / whole
        self._newest.append((start, countries, pairs, expected))
        return expected

    def learn(self, held: Mapping[str, Collection[int]]) -> None:
        """Take in what is LAG slots old; of a topic that is a spike, what was expected (``held``: series → starts of its slots)."""
        if len(self._newest) <= LAG:
            return
        start, countries, pairs, expected = self._newest[0]
        self._weight *= 1 + 1 / MEMORY
        for head, count in countries.items():
            self._countries[head] = self._countries.get(head, 0.0) + self._weight * count
        for topic, parts in pairs.items():
            known = self._topics.setdefault(topic, {})
            found = sum(parts.values())
            usual = expected.get(topic, 0.0) / found if found and start in held.get(topic, ()) else 1.0
            for head, count in parts.items():
                if count:
                    known[head] = known.get(head, 0.0) + self._weight * count * min(1.0, usual)
        if self._weight > LARGEST:
            for sums in (self._countries, *self._topics.values()):
                for head in sums:
                    sums[head] /= LARGEST
            self._weight /= LARGEST
