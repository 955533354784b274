"""What a producer remembers of one partition: what waits for it, what the journal is proven to have, and what must go again."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from connectors.event import from_json
from monitor.journal_keys import entry_order
from monitor.spool import MOST_KEEP_SECONDS, Row

if TYPE_CHECKING:
    from monitor.journal_keys import Position

CHUNK_EVENTS = 2000
"""Events of one ingest call."""


@dataclass(slots=True)
class Lane:
    """What waits for one partition and what is remembered of it. Each has its own sender: a shard that is away stops no other."""

    queue: deque[Row] = field(default_factory=deque)
    """Rows on disk that are not acknowledged, those under way included."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    resent_up_to: int = 0
    """Rows up to this number may have been sent before: repeats of them are ours, not the platform's."""
    tail: Position | None = None
    """The newest entry that is ours, to be proven with every call."""
    tail_at: float = 0.0
    sent: int = 0
    """The last row that the journal has, as far as we know."""
    proven_at: float = 0.0
    """When we last heard that it has all of them (Unix time)."""
    rewound: int | None = None
    """The last row sent again in a rewind that is not finished; an interrupted one goes on, or what is behind it is lost."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def waits_since(self) -> float | None:
        """Since when (Unix time) its oldest row waits that the journal does not have, as far as we know."""
        row = next((row for row in self.queue if row.acknowledged is None), None)
        if row is None or row.queued:
            return None if row is None else row.queued
        # What a former process left has been waiting since it was received; what another version wrote is sent, and not understood.
        with suppress(msgspec.DecodeError):
            return from_json(row.pairs[0][1]).received_at.timestamp()
        return None

    def heard(self, tail: Position | None, now: float) -> None:
        """An answer proved the old tail and named the newest of the entries it was about."""
        self.proven_at = now
        # Never back: an older tail may stand when ours is lost. What was proven for so long is safe, and may be trimmed.
        if tail is not None and (self.tail is None or entry_order(tail[0]) > entry_order(self.tail[0])):
            self.tail, self.tail_at = tail, now
        elif self.tail is not None and now - self.tail_at > MOST_KEEP_SECONDS:
            self.tail = None

    def next_rows(self) -> list[Row]:
        """The first rows, up to the size of one call."""
        rows: list[Row] = []
        count = 0
        for row in self.queue:
            if count >= CHUNK_EVENTS:
                break
            rows.append(row)
            count += len(row.pairs)
        return rows
