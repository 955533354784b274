"""Whether a connection may call YouTube now, and when its troubles are its own and not one chat's.

Fifty chats share a connection. One that breaks is opened again by itself; what is said to the project (slow down, the day is used up)
stops all calls but none of the chats that are open; and only when nothing is open, or everything breaks, the whole connection fails.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connectors.connector import Dropped, Throttled
from connectors.pacing import Bucket, backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from connectors.connector import Tools
    from connectors.youtube.problems import Refusal


class Gate:
    """Counts the open chats and the failures of all of them."""

    def __init__(self, tools: Tools, *, opens_per_second: int, broken_reads: int, retry_seconds: float) -> None:
        self._tools = tools
        self._bucket = Bucket(opens_per_second, 1.0)
        self._broken_reads = broken_reads
        self._retry_seconds = retry_seconds
        self._closed: Throttled | None = None
        self._broken = 0
        self.open = 0
        """Chats that are being read."""

    async def enter(self, wait_for: Callable[[str], Awaitable[None]]) -> None:
        """Return when a chat may be opened; tells ``wait_for`` the reason when that takes long. Raises Throttled when nothing is open."""
        while True:
            closed, now = self._closed, self._tools.now()
            if closed and closed.until > now:
                if not self.open:
                    raise Throttled(closed.reason, closed.until)
                await wait_for(closed.reason)
                await self._tools.sleep(min(60.0, (closed.until - now).total_seconds()))
            elif wait := self._bucket.take(asyncio.get_running_loop().time()):
                await asyncio.sleep(wait)
            else:
                return

    def shut(self, refusal: Refusal, now: datetime) -> float:
        """Ask nothing more for so many seconds. Raises when nothing is open, or when a person must act."""
        failure = refusal.failure(now)
        if not isinstance(failure, Throttled) or not self.open:
            raise failure
        self._closed = failure
        return max(1.0, (failure.until - now).total_seconds())

    def heard(self) -> None:
        """Something was received: the network works."""
        self._broken = 0

    def broke(self, dropped: Dropped, failures: int) -> float:
        """How long to wait after that many failures in a row of one chat; raises when everything is broken."""
        self._broken += 1
        if self._broken >= self._broken_reads:
            raise dropped
        return self.pause(failures)

    def pause(self, failures: int) -> float:
        return self._retry_seconds * backoff(failures, self._tools.dice, cap=120.0)
