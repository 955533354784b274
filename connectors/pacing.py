"""How long to wait: quotas, back-off and Retry-After, as pure arithmetic on a clock that is handed in.

``Bucket`` promises that no window of ``per_seconds``, wherever it is laid, holds more than ``quota`` takes. A refilling token
bucket does not promise that (a full bucket and its refill fit into one window, almost twice the quota), and platforms that
close the connection on the first excess, as Twitch does with JOIN, do not forgive it.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


class Bucket:
    """At most ``quota`` in any ``per_seconds``; knows only the clock it is given, which must not run backwards."""

    def __init__(self, quota: int, per_seconds: float) -> None:
        if quota < 1 or per_seconds <= 0:
            raise ValueError(f"a bucket needs a positive quota and time, not {quota} per {per_seconds} s")
        self.quota = quota
        self.per_seconds = per_seconds
        self._taken: deque[tuple[float, int]] = deque()
        self._sum = 0

    def free(self, now: float) -> int:
        """How many may be taken now."""
        # Compared as the wait is computed, taken + per <= now: the other way round, rounding could promise a time at which
        # nothing is free yet.
        while self._taken and self._taken[0][0] + self.per_seconds <= now:
            self._sum -= self._taken.popleft()[1]
        return self.quota - self._sum

    def wait(self, now: float, n: int = 1) -> float:
        """Seconds until ``n`` are free; 0 when they are."""
        if n > self.quota:
            raise ValueError(f"{n} can never be taken from a quota of {self.quota}")
        missing = n - self.free(now)
        if missing <= 0:
            return 0.0
        for taken_at, count in self._taken:
            missing -= count
            if missing <= 0:
                return max(taken_at + self.per_seconds - now, 1e-6)
        raise AssertionError("more is missing than was taken")

    def take(self, now: float, n: int = 1) -> float:
        """Take ``n`` and return 0, or take nothing and return the seconds after which to ask again."""
        wait = self.wait(now, n)
        if not wait:
            self._taken.append((now, n))
            self._sum += n
        return wait


def backoff(attempt: int, dice: random.Random, *, cap: float = 128.0) -> float:
    """Seconds before attempt 0, 1, 2, …: 0, 1, 2, 4 … cap, each cut by up to half so that a thousand clients do not return together."""
    if attempt <= 0:
        return 0.0
    full = min(cap, 2.0 ** min(attempt - 1, 63))
    return full * dice.uniform(0.5, 1.0)


def retry_after(value: str | None, now: datetime, *, default_seconds: float = 60.0, cap_seconds: float = 86_400.0) -> datetime:
    """When to come back according to an HTTP Retry-After header: seconds, or a date; nonsense counts as the default."""
    seconds = default_seconds
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:12])
    elif text:
        try:
            then = parsedate_to_datetime(text)
        except ValueError:
            pass
        else:
            # A date without a zone is GMT, says RFC 9110.
            seconds = (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds()
    return now + timedelta(seconds=min(max(seconds, 0.0), cap_seconds))
