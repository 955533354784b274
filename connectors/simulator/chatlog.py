"""The log of one live chat: what was said lately, pages of it, and tokens that resume behind a page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections import deque
from typing import Final

from connectors.simulator.livechat import moment

SHOWN: Final = 75
"""So many recent messages a chat begins with."""
KEPT_SECONDS: Final = 240.0
"""Tokens reach back so far."""
_TOKEN: Final = re.compile(r"([\w-]{11})\.(\d{1,12})", re.ASCII)


class ChatLog:
    """Items by position; positions never change, old items are forgotten."""

    __slots__ = ("_changed", "_items", "_seen", "_woken", "first", "id", "offline_at", "opened", "video")

    def __init__(self, chat: str, video: str) -> None:
        self.id = chat
        self.video = video
        self.first = 0
        """Position of the oldest item that is kept."""
        self.opened = False
        """Whether anybody ever read this chat: who did can resume, so nothing is lost from then on."""
        self.offline_at: float | None = None
        self._items: deque[tuple[float, bytes]] = deque()
        self._seen = 0
        self._woken = 0.0
        self._changed = asyncio.Event()

    @property
    def end(self) -> int:
        """Position behind the newest item."""
        return self.first + len(self._items)

    def append(self, item: bytes, at: float) -> None:
        self._items.append((at, item))

    def wake(self, now: float) -> None:
        """Forget what is old; tell whoever waits that time has passed."""
        while len(self._items) > SHOWN and self._items[0][0] < now - KEPT_SECONDS:
            self._items.popleft()
            self.first += 1
        if self.end != self._seen or now >= self._woken + 1.0:
            self._seen, self._woken = self.end, now
            self._changed.set()
            self._changed = asyncio.Event()

    async def news(self) -> None:
        """Return when something may be new."""
        await self._changed.wait()

    def recent(self) -> int:
        """Where somebody begins who has no token."""
        return max(self.first, self.end - SHOWN)

    def token(self, place: int) -> str:
        return base64.urlsafe_b64encode(f"{self.video}.{place}".encode()).decode().rstrip("=")

    def place_of(self, token: str) -> int | None:
        """Where a token resumes; None for one that was never given, or that is too old."""
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            return None
        found = _TOKEN.fullmatch(text)
        place = int(found[2]) if found and found[1] == self.video else -1
        return place if self.first <= place <= self.end else None

    def page(self, start: int, end: int, *, poll_ms: int | None = None) -> bytes:
        """One ``liveChatMessageListResponse``."""
        items = [item for _, item in (self._items[at - self.first] for at in range(max(start, self.first), end))]
        more = f',"offlineAt":"{moment(self.offline_at)}"' if self.offline_at is not None else ""
        more += f',"pollingIntervalMillis":{poll_ms}' if poll_ms is not None else ""
        head = (
            f'{{"kind":"youtube#liveChatMessageListResponse","etag":"{end}","nextPageToken":"{self.token(end)}"{more},'
            f'"pageInfo":{{"totalResults":{len(items)},"resultsPerPage":{len(items)}}},"items":['
        )
        return head.encode() + b",".join(items) + b"]}"
