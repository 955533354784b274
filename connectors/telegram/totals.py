"""Reactions as Telegram states them for anonymous voters, absolute totals per message and emoji, to increments. Pure.

They cannot be ``Level`` events: a level is one total of a livestream, and here every message has totals of its own. So the highest total
seen is kept per message and emoji, and what lies above it is new. A total that falls and rises again adds nothing.

Message ids of a chat grow. A message at or after ``since``, the first that we saw being written, began without reactions; of an older one
the first totals are where counting begins, because who reacted before we watched is not ours to count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST = 200
"""Messages of a chat whose totals are kept; older ones are begun anew, which never counts twice."""


class Totals:
    """The totals of one chat."""

    def __init__(self, stored: str | None = None, since: int | None = None) -> None:
        self.since = since
        self._totals: dict[int, dict[str, int]] = {}
        self.changed = False
        if stored:
            self._load(stored)

    def written(self, message: int) -> None:
        """A new message came by."""
        if self.since is None:
            self.since, self.changed = message, True

    def raised(self, message: int, totals: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
        """(emoji, how many more, the new total) for what is above the highest seen."""
        if self.since is None:
            self.since, self.changed = message + 1, True
        known = self._totals.pop(message, None)
        begins = known is None and message < self.since
        kept = dict(known or {})
        for emoji, total in totals.items():
            more = total - kept.get(emoji, 0)
            if more > 0:
                kept[emoji] = total
                self.changed = True
                if not begins:
                    yield emoji, more, total
        self._totals[message] = kept
        while len(self._totals) > MOST:
            oldest = next(iter(self._totals))
            del self._totals[oldest]
            self.since = max(self.since, oldest + 1)

    def stored(self) -> str:
        """To be given to the next process."""
        self.changed = False
        totals = [[message, kept] for message, kept in self._totals.items()]
        return orjson.dumps({"since": self.since, "totals": totals}).decode()

    def _load(self, stored: str) -> None:
        """What cannot be read is as if nothing had been stored."""
        try:
            found: Any = orjson.loads(stored)
            since = found["since"]
            totals = {
                int(message): {str(emoji): int(total) for emoji, total in kept.items()} for message, kept in found["totals"]
            }
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return
        self.since, self._totals = since if isinstance(since, int) else None, totals
