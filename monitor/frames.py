"""Frames of the feed: a snapshot whenever one is asked for, a delta each tick, and how old events are when they first stand in one. Pure."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson

from monitor.patch import merge_patch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.book import Book
    from monitor.snapshot import Around, Picture

VERSION = 1
LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class Latency:
    """How old events were when they first stood in a frame: percentiles of the last minute, buckets since the start. Pure."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque(maxlen=4096)
        self._shown: tuple[int, dict[str, int]] = (0, {})
        self.buckets = [0] * (len(LATENCY_BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, samples: Iterable[int], now_ms: int) -> None:
        for at_ms in samples:
            age = max(0, now_ms - at_ms)
            self._recent.append((now_ms, age))
            self.buckets[bisect_left(LATENCY_BUCKETS, age / 1000)] += 1
            self.seconds += age / 1000

    def percentiles(self, now_ms: int) -> dict[str, int]:
        """p50, p95, p99 in milliseconds, made anew once a second; empty when nothing was shown for a minute."""
        made, shown = self._shown
        if 0 <= now_ms - made < 1000:
            return shown
        while self._recent and self._recent[0][0] < now_ms - 60_000:
            self._recent.popleft()
        ages = sorted(age for _, age in self._recent)
        shown = {f"p{p}": ages[(len(ages) * p - 1) // 100] for p in (50, 95, 99)} if ages else {}
        self._shown = (now_ms, shown)
        return shown


class Ticker:
    """Turns (book, now) into frames: a snapshot whenever one is asked for, a delta each tick. Pure."""

    def __init__(self, picture: Picture, epoch: str, *, heartbeat_ms: int = 1000) -> None:
        self.picture = picture
        self.epoch = epoch
        self.seq = 0
        self.state: dict[str, Any] = {}
        self.last: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})
        """Before, after, and the patch between them, of the newest call."""
        self._heartbeat_ms = heartbeat_ms
        self._sent_ms = 0
        self._snapshot: bytes | None = None

    def tick(self, book: Book, now_ms: int, around: Around) -> bytes | None:
        """The delta to the state of now; None when nothing changed and the last frame is young."""
        book.advance(now_ms)
        return self.show(self.picture.state(book, now_ms, around), now_ms)

    def show(self, state: dict[str, Any], now_ms: int, beside: Ticker | None = None) -> bytes | None:
        """The delta to this state, made elsewhere. ``beside``: another ticker that was shown its own state a moment ago."""
        patch = merge_patch(self.state, state) if beside is None else self._patch_beside(state, beside)
        self.last = (self.state, state, patch or {})
        if patch is None and now_ms - self._sent_ms < self._heartbeat_ms:
            return None
        self.seq += 1
        self.state, self._sent_ms, self._snapshot = state, now_ms, None
        return self._frame({"type": "delta", "seq": self.seq}, {"patch": patch or {}})

    def _patch_beside(self, state: dict[str, Any], other: Ticker) -> dict[str, Any] | None:
        """Parts that both have whole have changed as the other's did: most of the work is done once for both."""
        before, after, patch = other.last
        whole = {
            name
            for name, part in state.items()
            if after.get(name) is part and name in before and self.state.get(name) is before[name]
        }
        old = {name: part for name, part in self.state.items() if name not in whole}
        rest = merge_patch(old, {name: part for name, part in state.items() if name not in whole})
        return {**(rest or {}), **{name: patch[name] for name in whole if name in patch}} or None

    def snapshot(self) -> bytes:
        """The state of the last tick, encoded at most once."""
        if self._snapshot is None:
            head = {"type": "snapshot", "version": VERSION, "epoch": self.epoch, "seq": self.seq}
            self._snapshot = self._frame(head, {"state": self.state})
        return self._snapshot

    def _frame(self, head: dict[str, Any], body: dict[str, Any]) -> bytes:
        as_of = self.state.get("health", {}).get("as_of")
        return orjson.dumps(head | ({} if as_of is None else {"as_of": as_of}) | body)


def text_frame(payload: bytes) -> bytes:
    """A whole WebSocket text frame (RFC 6455): a server's frames are not masked, so all clients can be given the same bytes."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload
