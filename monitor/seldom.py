"""A trouble that lasts is told once, then once a minute with how often it came, and once more when it is over. Pure."""

from __future__ import annotations

from typing import Final

EVERY_SECONDS: Final = 60.0
SETTLED_SECONDS: Final = 10.0


class Seldom:
    """One kind of trouble; its texts may differ from time to time, the first and the newest are told."""

    def __init__(self, every_seconds: float = EVERY_SECONDS) -> None:
        self._every = every_seconds
        self._since: float | None = None
        self._told = 0.0
        self._last = 0.0
        self._times = 0

    def came(self, sentence: str, now: float) -> str:
        """What to log now; empty: nothing. ``now`` in seconds of any clock that only goes forward."""
        self._last = now
        if self._since is None:
            self._since, self._told, self._times = now, now, 0
            return sentence
        self._times += 1
        if now - self._told < self._every:
            return ""
        times, self._told, self._times = self._times, now, 0
        return f"{sentence}; for {_for(now - self._since)} now, {times} more times since it was last said"

    def over(self, sentence: str, now: float) -> str:
        """What to log when all is well: empty unless there was trouble, and while it comes and goes."""
        if now - self._last < SETTLED_SECONDS:
            return ""
        since, self._since = self._since, None
        return "" if since is None else f"{sentence} after {_for(now - since)}"


def _for(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
