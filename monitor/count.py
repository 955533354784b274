"""The counter: journal entries to committed numbers.

A combiner without windows of its own: it pulls a batch, enriches, sums increments per container and field, and commits cursor and
numbers in one atomic call. What it remembers (retracted ids, who has been seen, where a livestream's recent messages are) can be lost
at any time and is read again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from monitor.derivation import decode_derivation, derivation
from monitor.derive import Deriver
from monitor.derive_memory import NO_ORIGINALS, Memory, Originals
from monitor.derive_sums import Batch
from monitor.entry import Entry, decode_entry, is_covered, speaker
from monitor.journal import Checkpoint, Commit, Journal, author_key, key, pack, ready
from monitor.journal_keys import entry_ms, entry_order
from monitor.reader import Reader
from monitor.remake import Committed, Rebuilt, remade
from monitor.setup import Source
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.derivation import Derivation
    from monitor.reader import Held, Work
    from monitor.settings import Settings

log = logging.getLogger("monitor.count")

BASELINE_SECONDS = 600.0
BAN_REACH_MS = 15 * 60_000
"""How far back in the journal a retraction by author is followed."""
SCAN = 500
PACK_AFTER_SECONDS = 2 * 3600
PACK_SECONDS = 60.0
PACK_AT_ONCE = 30
TAGGERS_SECONDS = 3600
"""How long the authors of a hashtag are kept."""


class Stretch(NamedTuple):
    """A committed batch, as far as a later ban needs it."""

    after: str
    """Journal id before its first entry."""
    last: str
    speakers: frozenset[int]
    """hash of (livestream, author) and of livestream, for each message."""


class Using(NamedTuple):
    """The configuration of one round; another one that comes while it runs is for the next."""

    name: str
    encoded: bytes
    deriver: Deriver


@dataclass(slots=True)
class Partition:
    """What is remembered of one owned partition."""

    memory: Memory
    configs: list[tuple[str, str]]
    """(position after which it applies, hash), oldest first."""
    recent: deque[Stretch] = field(default_factory=deque)
    baseline_at: float = 0.0
    pack_at: float = 0.0
    """When to look for minutes to pack (monotonic)."""


class Counter:
    """The worker of the role ``count``; ``derivation`` may be replaced while it runs."""

    def __init__(self, journal: Journal, config: Derivation) -> None:
        self.journal = journal
        self._derivers: dict[str, Deriver] = {}
        self._partitions: dict[int, Partition] = {}
        self._stored: set[str] = set()
        self._days: set[str] = set()
        self.use(config)

    def use(self, config: Derivation) -> None:
        """Derive with this configuration from the next round on."""
        name, encoded = config.encoded()
        self._using = Using(name, encoded, self._derivers.setdefault(name, Deriver(config)))

    # what Reader asks for

    async def begin(self, held: Held) -> None:
        members = await self.journal.redis.zrange(key(held.partition, "removed"), 0, -1)
        configs = await self.journal.redis.lrange(key(held.partition, "configs"), 0, -1)
        pairs = [(position, name) for position, _, name in (row.decode().partition("|") for row in configs)]
        memory = Memory.of(member.decode() for member in members)
        self._partitions[held.partition] = Partition(
            memory, pairs, baseline_at=time.monotonic(), pack_at=time.monotonic() + PACK_SECONDS
        )

    def end(self, partition: int) -> None:
        self._days.clear()
        self._partitions.pop(partition, None)

    def is_due(self, held: Held) -> bool:
        return held.checkpoint.config not in ("", self._using.name)

    async def round(self, works: Sequence[Work]) -> list[Checkpoint | BaseException]:
        using = self._using
        await self._store_config(using)
        batches: list[Batch | BaseException | None] = []
        authors: dict[tuple[str, str], set[str]] = {}
        remaking = False
        for work in works:
            try:
                rebuilt: Rebuilt = []
                if work.held.checkpoint.config not in ("", using.name):
                    if remaking:  # one at a time: the leases must be looked at in between
                        batches.append(None)
                        continue
                    rebuilt = await self._rebuild(work, using)
                    remaking = bool(rebuilt)
                batch = await self._derive(work, using, rebuilt)
            except Exception as error:  # noqa: BLE001 - sorted out by Reader: a doubt drops the partition, our own fault stops us
                batches.append(error)
                continue
            batches.append(batch)
            for place, names in batch.authors.items():
                authors.setdefault(place, set()).update(names)
        await self._remember_authors(authors)
        await self._pack_some(works)
        return await self._commit_all(works, batches, using)

    # steps of a round

    async def _store_config(self, using: Using) -> None:
        if using.name not in self._stored:
            await self.journal.redis.set(f"{{cfg}}:{using.name}", using.encoded)
            self._stored.add(using.name)

    async def _derive(self, work: Work, using: Using, rebuilt: Rebuilt) -> Batch:
        state = self._partitions[work.held.partition]
        entries = [decode_entry(payload) for payload in work.pulled.payloads]
        originals = NO_ORIGINALS
        removals = [entry for entry in entries if entry.kind == "removed"]
        if removals:
            originals = await self._find(work, state, entries, removals)
        batch = using.deriver.batch(
            work.held.checkpoint.version + 1,
            entries,
            state.memory,
            originals,
            journal_ms=entry_ms(work.pulled.position[0]),
            position=work.pulled.position[0],
        )
        if not rebuilt:
            return batch
        return batch._replace(change=msgspec.structs.replace(batch.change, rebased=True), extras=[*batch.extras, rebuilt])

    async def _rebuild(self, work: Work, using: Using) -> Rebuilt:
        """What the schedule or the roster changed, as of what is committed; before the batch is derived, which comes on top of it."""
        state, checkpoint = self._partitions[work.held.partition], work.held.checkpoint

        async def derived_at(entry_id: str) -> Deriver:
            return await self._deriver_at(state, entry_id)

        here = Committed(self.journal, work.held.partition, checkpoint.position[0], state.memory.removed, derived_at)
        return await remade(here, (await self._deriver_named(checkpoint.config)).config, using.deriver)

    async def _remember_authors(self, authors: dict[tuple[str, str], set[str]]) -> None:
        """Before the commit: repeating it changes nothing, so a lost commit costs nothing."""
        if not authors:
            return
        pipeline = self.journal.redis.pipeline(transaction=False)
        days = {window for _, window in authors if window.startswith("day:")} - self._days
        if days:
            pipeline.sadd("{days}", *(day.partition(":")[2] for day in days))
        for (head, window), names in authors.items():
            pipeline.pfadd(author_key(head, window), *names)
            if window.startswith("ten:"):
                pipeline.expire(author_key(head, window), TAGGERS_SECONDS)
        await pipeline.execute()
        self._days |= days

    async def _commit_all(
        self, works: Sequence[Work], batches: Sequence[Batch | BaseException | None], using: Using
    ) -> list[Checkpoint | BaseException]:
        """What is None waits for the next round."""
        results: list[Checkpoint | BaseException] = [
            batch if isinstance(batch, BaseException) else work.held.checkpoint
            for work, batch in zip(works, batches, strict=True)
        ]
        ready = [
            (number, work, batch)
            for number, (work, batch) in enumerate(zip(works, batches, strict=True))
            if isinstance(batch, Batch)
        ]
        commits = [self._commit(work, batch, using) for _, work, batch in ready]
        for (number, work, batch), one, refused in zip(ready, commits, await self.journal.commit_all(commits), strict=True):
            results[number] = refused if refused is not None else self._committed(work, batch, one)
        return results

    def _commit(self, work: Work, batch: Batch, using: Using) -> Commit:
        state = self._partitions[work.held.partition]
        return Commit(
            partition=work.held.partition,
            token=work.held.token,
            before=work.held.checkpoint,
            position=work.pulled.position,
            change=pack(batch.change),
            extras=pack(batch.extras),
            config=using.name,
            caught_up_ms=work.caught_up_ms,
            baseline=time.monotonic() - state.baseline_at > BASELINE_SECONDS,
        )

    def _committed(self, work: Work, batch: Batch, done: Commit) -> Checkpoint:
        """Remember what only a commit makes true."""
        state, before = self._partitions[work.held.partition], done.before
        if done.baseline:
            state.baseline_at = time.monotonic()
        if before.config != done.config:
            state.configs.append((before.position[0], done.config))
        self._note_speakers(state, before.position[0], done.position[0], batch.speakers)
        return Checkpoint(before.version + 1, done.position, done.config, done.caught_up_ms or before.caught_up_ms)

    @staticmethod
    def _note_speakers(state: Partition, after: str, last: str, speakers: frozenset[int]) -> None:
        state.recent.append(Stretch(after, last, speakers))
        oldest = entry_ms(last) - BAN_REACH_MS
        while state.recent and entry_ms(state.recent[0].last) < oldest:
            state.recent.popleft()

    async def _pack_some(self, works: Sequence[Work]) -> None:
        """Now and then, and a few at a time: minutes that the feed does not need any more."""
        for work in works:
            state = self._partitions[work.held.partition]
            if time.monotonic() < state.pack_at:
                continue
            state.pack_at = time.monotonic() + PACK_SECONDS
            newest = entry_ms(work.pulled.position[0]) // 1000
            old = [start for start in await self.journal.open_minutes(work.held.partition) if start < newest - PACK_AFTER_SECONDS]
            for start in old[:PACK_AT_ONCE]:
                await self.journal.pack_minute(work.held.partition, work.held.token, start)

    # retractions: what was retracted is looked up among what is committed already

    async def _find(self, work: Work, state: Partition, entries: Sequence[Entry], removals: Sequence[Entry]) -> Originals:
        partition, position = work.held.partition, work.held.checkpoint.position[0]
        mine = {entry.id for entry in entries}
        targets = sorted({entry.target for entry in removals if entry.target and entry.target not in mine})
        by_id: dict[str, tuple[Entry, Deriver]] = {}
        if targets:
            for target, (found, payload) in zip(targets, await self.journal.lookup(partition, targets), strict=True):
                # Entries after the cursor are not counted yet; the mark alone keeps them from being counted.
                if payload and position and entry_order(found) <= entry_order(position):
                    by_id[target] = (decode_entry(payload), await self._deriver_at(state, found))
        by_ban = {
            entry.id: await self._spoken(partition, state, entry, position)
            for entry in removals
            if entry.target is None and entry.livestream is not None and entry.from_ is not None and position
        }
        return Originals(by_id, by_ban)

    async def _spoken(self, partition: int, state: Partition, removal: Entry, position: str) -> list[tuple[Entry, Deriver]]:
        """Committed messages that a retraction by author (or of a whole chat) covers, oldest first."""
        wanted = speaker(removal.livestream, removal.target_author)
        reach = entry_ms(position) - BAN_REACH_MS  # in the journal's clock: event times may be of another day
        ranges = [(stretch.after, stretch.last) for stretch in state.recent if wanted in stretch.speakers]
        known_from = state.recent[0].after if state.recent else position
        if known_from and entry_ms(known_from) > reach:  # taken over lately: what we have not read ourselves is scanned
            ranges.insert(0, (f"{max(reach, 0)}-0", known_from))
        found: list[tuple[Entry, Deriver]] = []
        for after, last in ranges:
            start = f"({after}" if after else "-"
            while chunk := await self.journal.scan(partition, start, last, SCAN):
                for entry_id, payload in chunk:
                    entry = decode_entry(payload)
                    if is_covered(removal, entry):
                        found.append((entry, await self._deriver_at(state, entry_id)))
                start = f"({chunk[-1][0]}"
        return found

    async def _deriver_at(self, state: Partition, entry_id: str) -> Deriver:
        """The deriver with which the entry of this journal id was counted."""
        name = self._using.name
        for position, config in reversed(state.configs):
            if not position or entry_order(position) < entry_order(entry_id):
                name = config
                break
        return await self._deriver_named(name)

    async def _deriver_named(self, name: str) -> Deriver:
        deriver = self._derivers.get(name)
        if deriver is None:
            data = await self.journal.redis.get(f"{{cfg}}:{name}")
            deriver = self._derivers[name] = Deriver(decode_derivation(data)) if data else self._using.deriver
        return deriver


async def run(settings: Settings) -> int:
    """The role ``count``: owns its share of the partitions until it is stopped."""
    source = Source(settings)
    spare_collector()
    async with Journal(settings.redis_url, partitions=source.setup.config.partitions).opened() as journal:
        await ready(journal)
        counter = Counter(journal, derivation(source.setup.config, source.setup.roster))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Reader(journal, "count", counter).run())
            tasks.create_task(_follow(source, counter))
    return 0


def spare_collector() -> None:
    """What lives for the whole run is never looked at again; batches make no cycles, so looking seldom is enough (a fifth of the time)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _follow(source: Source, counter: Counter) -> None:
    while not stopping():
        await asyncio.sleep(1.0)
        new = source.poll()
        if new is not None:
            counter.use(derivation(new.config, new.roster))
