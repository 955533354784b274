"""What a partition's counter remembers between batches, and what is looked up for it: retracted ids, bans, who was told already. Pure.

All of it can be dropped at any time: the marks are read again from what commit stored, and authors are then told once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from monitor.entry import is_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.derive_where import Where
    from monitor.entry import Entry

AuthorKey = tuple[str | None, str, tuple[str, ...], tuple[str, tuple[str, ...]]]
"""(livestream, platform, topics, (day, sessions))."""


@dataclass(slots=True)
class Memory:
    """What a partition's counter remembers between batches; all of it can be dropped and read again."""

    removed: set[str] = field(default_factory=set)
    """Ids that must not be counted (any more)."""
    bans: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """(livestream, author or "" for everybody) → ranges (from, to) as RFC 3339 text."""
    authors: dict[AuthorKey, set[str]] = field(default_factory=dict)
    """Who was told for these dimensions and windows."""
    remembered: int = 0
    offered_ms: int = 0
    """When messages were last offered for a wall, by the journal's clock."""

    @classmethod
    def of(cls, members: Iterable[str]) -> Memory:
        memory = cls()
        for member in members:
            memory.remember(member)
        return memory

    def remember(self, member: str) -> None:
        """A mark as commit stores it: an id, or ``ban|livestream|author|from|to`` (fields hold no bar: ids are ours)."""
        if member.startswith("ban|"):
            _, livestream, author, start, end = member.split("|")
            self.bans.setdefault((livestream, author), []).append((start, end))
        else:
            self.removed.add(member)

    def blocks(self, entry: Entry) -> bool:
        """Whether the entry was retracted before it came."""
        if entry.id in self.removed:
            return True
        if not self.bans or entry.kind != "message" or entry.livestream is None:
            return False
        return any(
            is_within(entry.at, start, end)
            for author in {entry.author or "", ""}
            for start, end in self.bans.get((entry.livestream, author), ())
        )


class Originals(NamedTuple):
    """What the shell looked up for the retractions of a batch."""

    by_id: Mapping[str, tuple[Entry, Where]]
    """Committed entries that a Removed names, with the config of their time."""
    by_ban: Mapping[str, Sequence[tuple[Entry, Where]]]
    """Removed event's id → committed messages of that livestream (and author) in its range."""


NO_ORIGINALS = Originals({}, {})
