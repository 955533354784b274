"""What the journal says of a spike: who acted in it, and which of their messages may be read out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.journal import key, partition_of
from monitor.journal_keys import entry_order
from monitor.moderation.rules import Flag, decode_record
from monitor.moments import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from monitor.enrich.topics import Matcher
    from monitor.journal import Journal

CLOSED_SECONDS: Final = 20
"""After its end a slot is closed: by then what belongs to it has come."""
MOST_ENTRIES: Final = 2000
"""Journal entries that are read of a spike when it opens, and as many of the time before."""
MOST_FLAGS: Final = 500


class Entry(msgspec.Struct, gc=False):
    """A journal entry, as far as it is looked at here."""

    kind: str
    id: str
    at: str
    livestream: str | None = None
    author: str | None = None
    text: str = ""


_decode = msgspec.json.Decoder(Entry).decode
_ACTS = frozenset({"message", "reaction", "share", "follow", "gift"})


class Acts:
    """Reads them, a bounded number at a time."""

    def __init__(self, journal: Journal, matcher: Matcher) -> None:
        self._journal = journal
        self._matcher = matcher

    async def of(self, head: str, own: Collection[str], begin: int, end: int) -> tuple[list[tuple[str, Entry]], bool]:
        """Acts of a series by event time, with their places in the journal, and whether that is all of them; ``own`` are its livestreams."""
        journal = self._journal
        everywhere = not own or head == "total"
        wanted = range(journal.partitions) if everywhere else sorted({partition_of(name, journal.partitions) for name in own})
        each = max(1, MOST_ENTRIES // max(1, len(wanted)))
        found: list[tuple[str, Entry]] = []
        complete = True
        for partition in wanted:
            rows = await journal.scan(partition, str(begin * 1000), str((end + CLOSED_SECONDS) * 1000), each)
            complete = complete and len(rows) < each
            for position, payload in rows:
                entry = _decode(payload)
                if entry.kind in _ACTS and begin <= (moment(entry.at) or 0.0) < end and self._belongs(head, entry, own):
                    found.append((f"{partition}|{position}", entry))
        return found, complete

    def _belongs(self, head: str, entry: Entry, own: Collection[str]) -> bool:
        dimension, _, value = head.partition(":")
        if dimension == "topic":
            return bool(entry.text) and value in self._matcher.match(entry.text).topics
        return dimension == "total" or (entry.livestream is not None and entry.livestream in own)

    async def clean(self, entries: Iterable[tuple[str, Entry]]) -> set[str]:
        """Ids of messages that moderation has read and nobody flagged or took back."""
        by_partition: dict[int, list[tuple[str, str]]] = {}
        for place, entry in entries:
            number, _, position = place.partition("|")
            by_partition.setdefault(int(number), []).append((position, entry.id))
        clean: set[str] = set()
        for partition, rows in by_partition.items():
            # The cursor first: flags are published together with it.
            read = (await self._journal.checkpoint(partition, "moderate")).position[0]
            if not read:
                continue
            flags = await self._journal.redis.xrevrange(key(partition, "flags"), count=MOST_FLAGS)
            flagged = {record.event for _, fields in flags if isinstance(record := decode_record(fields[b"d"]), Flag)}
            oldest = entry_order(flags[-1][0].decode()) if len(flags) >= MOST_FLAGS else (0, 0)
            ids = [name for position, name in rows if oldest < entry_order(position) <= entry_order(read) and name not in flagged]
            scores = await self._journal.redis.zmscore(key(partition, "removed"), ids) if ids else []
            clean.update(name for name, score in zip(ids, scores, strict=True) if score is None)
        return clean
