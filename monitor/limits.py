"""How often somebody may try: wrong links, wrong tokens, forms. Pure."""

from __future__ import annotations

from collections import deque


class Limits:
    """At most ``most`` attempts in any ``seconds`` from one place; remembers no more than ``places`` of them."""

    def __init__(self, most: int, seconds: float, *, places: int = 10_000) -> None:
        self._most, self._seconds, self._places = most, seconds, places
        self._seen: dict[str, deque[float]] = {}

    def is_open(self, place: str, now: float) -> bool:
        """Whether another attempt may be made."""
        seen = self._seen.get(place)
        while seen and seen[0] + self._seconds <= now:
            seen.popleft()
        return seen is None or len(seen) < self._most

    def note(self, place: str, now: float) -> None:
        """An attempt was made."""
        if place not in self._seen and len(self._seen) >= self._places:
            self._seen.pop(next(iter(self._seen)))
        self._seen.setdefault(place, deque(maxlen=self._most)).append(now)
