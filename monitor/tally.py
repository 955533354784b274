"""Counters that a role leaves in the hash ``{metrics}`` for ``serve`` to expose: best effort, at most once a second."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from monitor.redis_client import RETRIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "{metrics}"


class Tally:
    """Sums in memory until ``write``; what cannot be written waits for the next time."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()

    def add(self, field: str, number: int = 1) -> None:
        self._sums[field] += number

    def show(self, fields: Iterable[str]) -> None:
        """Have these exist, at zero if nothing happened yet."""
        for field in fields:
            self.add(field, 0)

    async def write(self, redis: Any) -> None:
        """HINCRBY of what is new. A lost reply may count it twice: these are for a graph, not for a report."""
        if not self._sums:
            return
        sums, self._sums = self._sums, Counter()
        try:
            pipeline = redis.pipeline(transaction=False)
            for field, number in sums.items():
                pipeline.hincrby(KEY, field, number)
            await pipeline.execute()
        except RETRIABLE:
            for field, number in sums.items():
                self.add(field, number)
