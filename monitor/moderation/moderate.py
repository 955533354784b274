"""The role ``moderate``: reads the journal with its own cursor and lease, and publishes flags.

Cursor and flags move in one atomic call, so a flag is neither lost nor published twice, whoever is killed. What is remembered of a
partition is what its stream of flags holds; after any doubt it is read again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from monitor.journal import Checkpoint, Journal, key, ready
from monitor.moderation.rules import Flag, Memory, Record, Rulebook, decode_record, decode_said, encode_record, examine
from monitor.reader import Reader
from monitor.setup import Source
from monitor.stopping import stopping
from monitor.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.reader import Held, Work
    from monitor.reload import Setup
    from monitor.settings import Settings

ROLE = "moderate"
FLAGS = "flags"
"""The stream ``{pNN}:flags``."""
READ = 1000


class Moderator:
    """The worker of the role; ``use`` replaces the rules while it runs."""

    def __init__(self, journal: Journal, book: Rulebook) -> None:
        self.journal = journal
        self.tally = Tally()
        self._memories: dict[int, Memory] = {}
        self.use(book)

    def use(self, book: Rulebook) -> None:
        """Judge by these rules from the next batch on."""
        self._book = book
        self.tally.show(_field(rule.id, rule.severity) for rule in book.rules)

    # what Reader asks for

    async def begin(self, held: Held) -> None:
        """Remember what was flagged; the lease is ours, so nobody adds to it meanwhile."""
        memory = Memory()
        start = "-"
        while chunk := await self.journal.redis.xrange(key(held.partition, FLAGS), min=start, max="+", count=READ):
            for _, fields in chunk:
                memory.take(decode_record(fields[b"d"]))
            start = f"({chunk[-1][0].decode()}"
        self._memories[held.partition] = memory

    def end(self, partition: int) -> None:
        self._memories.pop(partition, None)

    def is_due(self, held: Held) -> bool:
        return False

    async def round(self, works: Sequence[Work]) -> list[Checkpoint | BaseException]:
        return await asyncio.gather(*(self._moderate(work) for work in works), return_exceptions=True)

    async def _moderate(self, work: Work) -> Checkpoint:
        held, before = work.held, work.held.checkpoint
        entries = (decode_said(payload) for payload in work.pulled.payloads)
        records = examine(entries, self._book, self._memories[held.partition])
        await self.journal.publish(
            held.partition,
            ROLE,
            FLAGS,
            held.token,
            before=before,
            position=work.pulled.position,
            payloads=[encode_record(record) for record in records],
            caught_up_ms=work.caught_up_ms,
        )
        self._count(records)
        return Checkpoint(before.version + 1, work.pulled.position, before.config, work.caught_up_ms or before.caught_up_ms)

    def _count(self, records: Sequence[Record]) -> None:
        for record in records:
            self.tally.add(_field(record.rule, record.severity) if isinstance(record, Flag) else "flags_retracted")


def _field(rule: str, severity: int) -> str:
    return f"flags|{rule}|{severity}"


def rulebook(setup: Setup) -> Rulebook:
    return Rulebook(setup.config.rules, setup.roster)


async def run(settings: Settings) -> int:
    """Own a share of the partitions until stopped; a changed file takes effect with the next batch."""
    source = Source(settings)
    async with Journal(settings.redis_url, partitions=source.setup.config.partitions).opened() as journal:
        await ready(journal)
        moderator = Moderator(journal, rulebook(source.setup))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Reader(journal, ROLE, moderator).run())
            tasks.create_task(_follow(source, moderator))
    return 0


async def _follow(source: Source, moderator: Moderator) -> None:
    while not stopping():
        await asyncio.sleep(1.0)
        new = source.poll()
        if new is not None:
            moderator.use(rulebook(new))
        await moderator.tally.write(moderator.journal.redis)
