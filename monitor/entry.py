"""A journal entry as counting reads it, and what can be said of it alone. Pure.

Times stay the text that they are: RFC 3339 in UTC, of which two can be compared without being read.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_SAMPLES = 64
LIVE_MS = 600_000


class Entry(msgspec.Struct, gc=False):
    """A journal entry as counting reads it: one flat type for all kinds, times left as text."""

    kind: str
    id: str
    platform: str
    at: str
    received_at: str
    livestream: str | None = None
    broadcast: str | None = None
    author: str | None = None
    text: str = ""
    form: str = "comment"
    language: str | None = None
    count: int = 1
    amount_minor: int = 0
    exponent: int = 0
    currency: str | None = None
    what: str = ""
    value: int = 0
    viewers: int = 0
    interval_seconds: float | None = None
    target: str | None = None
    target_author: str | None = None
    author_name: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None


decode_entry = msgspec.json.Decoder(Entry).decode


def is_covered(removal: Entry, original: Entry) -> bool:
    """Whether a retraction by author or of a whole chat takes this message away."""
    return (
        original.kind == "message"
        and original.livestream == removal.livestream
        and (removal.target_author is None or original.author == removal.target_author)
        and is_within(original.at, removal.from_ or original.at, removal.to or original.at)
    )


def is_within(time: str, start: str, end: str) -> bool:
    """Start ≤ time ≤ end for RFC 3339 UTC times, with or without a fraction of a second."""
    return comparable(start) <= comparable(time) <= comparable(end)


def comparable(time: str) -> str:
    """``…:05Z`` sorts after ``…:05.5Z`` as text; ``…:05`` and ``…:05.5`` sort rightly."""
    return time.rstrip("Z")


def speaker(livestream: str | None, author: str | None) -> int:
    """Small stand-in for (livestream, author); author None stands for the whole livestream. Only meaningful in this process."""
    return hash((livestream, author))


def speakers(entries: Sequence[Entry]) -> frozenset[int]:
    pairs = {(entry.livestream, entry.author) for entry in entries if entry.kind == "message"}
    return frozenset([hash(pair) for pair in pairs] + [speaker(livestream, None) for livestream, _ in pairs])


def level_key(entry: Entry) -> str:
    return f"{entry.livestream or ''}|{entry.broadcast or ''}|{entry.platform}|{entry.what}"


def gap_seconds(entry: Entry) -> int:
    return max(0, (milliseconds(entry.to or entry.at) - milliseconds(entry.from_ or entry.at)) // 1000)


def milliseconds(time: str) -> int:
    """Unix milliseconds of an RFC 3339 time."""
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def at_samples(entries: Sequence[Entry], journal_ms: int | None) -> list[int]:
    """Event times of a few live entries, spread over the batch; recordings, told by their old times, are left out."""
    step = max(1, len(entries) // AT_SAMPLES)
    some = [(milliseconds(entry.at), milliseconds(entry.received_at)) for entry in entries[::step][:AT_SAMPLES]]
    return [
        at
        for at, received in some
        if abs(received - at) < LIVE_MS and (journal_ms is None or abs(journal_ms - received) < LIVE_MS)
    ]
