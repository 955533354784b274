"""A source for the feed that a test fills by hand: what Redis would answer, without Redis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monitor.journal import LostTail
from monitor.windows import Change, Group, Loaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.journal import Position


@dataclass
class Shelf:
    """Commits of each partition in order; loading gives their sum."""

    partitions: int = 2
    commits: dict[int, list[Change]] = field(default_factory=dict)
    caught_up_ms: dict[int, int] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    tallied: dict[str, int] = field(default_factory=dict)
    held_back_ms: int | None = None
    most: int = 200
    down: bool = False
    trimmed: set[int] = field(default_factory=set)
    """Partitions whose changes are gone: reading on from an old position is refused."""
    loads: int = 0

    def commit(self, partition: int, *groups: Group, **more: Any) -> Change:
        found = self.commits.setdefault(partition, [])
        found.append(Change(version=len(found) + 1, groups=list(groups), **more))
        return found[-1]

    async def load(self, partition: int, *, now_ms: int, sessions: Iterable[str], days: Iterable[str]) -> Loaded:
        self._answer()
        self.loads += 1
        self.trimmed.discard(partition)
        changes = self.commits.get(partition, [])
        containers: dict[str, dict[str, int]] = {}
        viewers = {sample.livestream: sample for change in changes for sample in change.viewers}
        for change in changes:
            for group in change.groups:
                for name in group.containers:
                    found = containers.setdefault(name, {})
                    for key, count in group.increments.items():
                        found[key] = found.get(key, 0) + count
        return Loaded(
            version=len(changes),
            caught_up_ms=self.caught_up_ms.get(partition, 0),
            containers=containers,
            viewers=list(viewers.values()),
            position=(str(len(changes)), "n") if changes else ("", ""),
        )

    async def changes(self, positions: Mapping[int, Position], block_ms: int) -> dict[int, list[tuple[Position, Change]]]:
        self._answer()
        found = {}
        for partition, after in positions.items():
            if partition in self.trimmed:
                raise LostTail(partition)
            fresh = self.commits.get(partition, [])[int(after[0] or 0) :][: self.most]
            if fresh:
                found[partition] = [((str(change.version), "n"), change) for change in fresh]
        return found

    async def minutes(self, partition: int, starts: Sequence[int]) -> dict[int, dict[str, int]]:
        containers = (await self.load(partition, now_ms=0, sessions=[], days=[])).containers
        self.loads -= 1
        return {start: containers.get(f"minute:{start}", {}) for start in starts}

    async def held_back(self, now_ms: int) -> int | None:
        self._answer()
        return self.held_back_ms

    async def caught_up(self) -> dict[int, int]:
        self._answer()
        return {partition: self.caught_up_ms.get(partition, 0) for partition in range(self.partitions)}

    async def livestream_states(self) -> dict[str, bytes]:
        self._answer()
        return dict(self.states)

    async def ingest_counters(self) -> dict[str, int]:
        self._answer()
        return dict(self.counters)

    async def tallies(self) -> dict[str, int]:
        self._answer()
        return dict(self.tallied)

    async def authors(self, heads: Sequence[str], windows: Sequence[str]) -> dict[tuple[str, str], int]:
        self._answer()
        return {(head, window): len(head) for head in heads for window in windows}

    def _answer(self) -> None:
        if self.down:
            raise ConnectionError("Redis is away")
