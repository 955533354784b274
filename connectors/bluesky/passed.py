"""Which deletions by strangers concern us: pure. A deletion names only a record key, and most posts of the network were never ours.

Promise: a post that was passed on, by us or by an earlier process, is never taken for one that was not (but for a client whose
clock is more than ten minutes fast); of the others, those written since our memory is complete are left out.
"""

from __future__ import annotations

import re

FAST_CLOCK_US = 600_000_000
"""Record keys hold the client's time, and clocks differ."""

_tid = re.compile(r"[2-7a-j][2-7a-z]{12}")
_value = {letter: value for value, letter in enumerate("234567abcdefghijklmnopqrstuvwxyz")}


def written_us(rkey: str) -> int | None:
    """The time in a record key of the usual kind (a TID: 53 bits of microseconds, 10 bits of clock id); None for other keys."""
    if not _tid.fullmatch(rkey):
        return None
    bits = 0
    for letter in rkey:
        bits = bits << 5 | _value[letter]
    return bits >> 10


class Passed:
    """The last posts that were passed on; bounded."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._at: dict[str, int] = {}
        self._complete_from: int | None = None

    def forget_before(self, time_us: int) -> None:
        """Posts up to this time may have been passed on without our knowing."""
        self._complete_from = max(self._complete_from or 0, time_us)

    def add(self, event_id: str, time_us: int) -> None:
        self._at.pop(event_id, None)
        self._at[event_id] = time_us
        if len(self._at) > self._limit:
            self.forget_before(self._at.pop(next(iter(self._at))))

    def may_have(self, event_id: str) -> bool:
        """Whether the post was passed on, or may have been before our memory began."""
        if event_id in self._at or self._complete_from is None:
            return True
        written = written_us(event_id.rpartition("/")[2])
        return written is None or written < self._complete_from + FAST_CLOCK_US

    def of_author(self, did: str) -> list[str]:
        """Ids of the posts in memory."""
        prefix = f"bluesky:at://{did}/"
        return [event_id for event_id in self._at if event_id.startswith(prefix)]
