"""``monitor audit``: recounts the journal the slow obvious way and compares it with what is committed.

Totals are held against the last baseline plus the recount of everything after it. While no baseline was made yet (the first ten
minutes), the recount covers everything and every container is compared.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from tqdm import tqdm

from monitor.derivation import decode_derivation
from monitor.journal import Journal, key
from monitor.journal_committed import unpack_minute
from monitor.journal_keys import entry_order
from monitor.recount import Recount, Rules, differences, read_event
from monitor.redis_client import RETRIABLE
from monitor.windows import ViewerSample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.recount import Numbers
    from monitor.settings import Settings

CHUNK = 2000
TRIES = 5


@dataclass(slots=True)
class Report:
    """What the audit of one or more partitions found."""

    entries: int = 0
    differences: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    """Reasons why something could not be compared."""


class Moved(Exception):
    """A new baseline was made while we read; begin again."""


async def audit_partition(journal: Journal, partition: int) -> Report:
    """Recount one partition; it may be counted meanwhile, and never waits for us."""
    for _ in range(TRIES):
        try:
            return await _audit(journal, partition)
        except Moved:
            await asyncio.sleep(0.2)
    return Report(incomplete=[f"partition {partition} could not be compared in {TRIES} attempts; run the audit again"])


async def _audit(journal: Journal, partition: int) -> Report:
    redis = journal.redis
    base = await redis.hgetall(key(partition, "base:meta"))
    walk = _Walk(journal, partition, await _start(journal, partition, base), base.get(b"pos", b"").decode())
    report = Report()
    cursor, name = await _cursor(journal, partition)
    if not cursor:
        return report
    if base:  # what may be retracted after the baseline was counted before it
        await walk.remember()
    elif await _is_trimmed(journal, partition):
        report.incomplete.append(f"partition {partition}: the journal was trimmed before the first baseline")
        return report
    # The long way first. Then the committed numbers in one transaction, with their cursor, and the few entries up to there: so the
    # two stand at the same entry although counting went on, and only a container that began in between asks for another look.
    for _ in range(TRIES):
        await walk.to(cursor, name)
        names = [] if base else sorted(walk.recount.numbers.keys() - {"total"} - _uncompared(walk.recount.numbers))
        cursor, name, base_after, counted = await _committed(journal, partition, names)
        if base_after != base:
            raise Moved
        await walk.to(cursor, name)
        if base or not walk.recount.numbers.keys() - counted.keys() - _absent(names) - _uncompared(walk.recount.numbers):
            break
    else:
        raise Moved
    recounted: Numbers = {name: dict(walk.recount.numbers[name]) for name in counted}
    report.entries = walk.entries
    report.differences = [f"partition {partition} {line}" for line in differences(counted, recounted)]
    return report


class _Walk:
    """The recount, as far as it has come."""

    def __init__(self, journal: Journal, partition: int, recount: Recount, position: str) -> None:
        self.recount = recount
        self.entries = 0
        self._journal = journal
        self._partition = partition
        self._position = position
        self._rules: Rules | None = None
        self._made: dict[str, Rules] = {}

    async def remember(self) -> None:
        """What stands in the journal up to here is known to the recount, and not counted."""
        configs = await _configs(self._journal, self._partition, self._made)
        for entry_id, payload in await _entries(self._journal, self._partition, "-", self._position):
            self.recount.seen.append((read_event(payload), _rules_at(configs, entry_id)))

    async def to(self, cursor: str, name: str) -> None:
        """Count everything up to ``cursor``, which never goes back; there the configuration of this name holds."""
        configs = await _configs(self._journal, self._partition, self._made)
        first = f"({self._position}" if self._position else "-"
        for entry_id, payload in await _entries(self._journal, self._partition, first, cursor):
            rules = _rules_at(configs, entry_id)
            self._switch(rules)
            self.recount.add(read_event(payload), rules)
            self.entries += 1
        self._position = cursor
        self._switch(self._made[name])  # it may have come when nothing more was said

    def _switch(self, rules: Rules) -> None:
        if self._rules is not None and rules is not self._rules:
            self.recount.switch(self._rules, rules)
        self._rules = rules


async def _cursor(journal: Journal, partition: int) -> tuple[str, str]:
    """Up to where it is counted, and by which configuration."""
    position, name = await journal.redis.hmget(key(partition, "ckpt:count"), ["pos", "cfg"])
    return (position or b"").decode(), (name or b"").decode()


async def _is_trimmed(journal: Journal, partition: int) -> bool:
    name = key(partition, "s")
    if not await journal.redis.exists(name):
        return False
    journal_now = await journal.redis.xinfo_stream(name)
    return int(journal_now["entries-added"]) != int(journal_now["length"])


async def _committed(journal: Journal, partition: int, names: list[str]) -> tuple[str, str, dict[bytes, bytes], Numbers]:
    """Of one moment: the cursor, the baseline, and the totals with these containers."""
    async with journal.redis.pipeline(transaction=True) as pipeline:
        pipeline.hmget(key(partition, "ckpt:count"), ["pos", "cfg"])
        pipeline.hgetall(key(partition, "base:meta"))
        pipeline.hgetall(key(partition, "total"))
        for name in names:
            pipeline.hgetall(key(partition, name))
            if name.startswith("minute:"):
                pipeline.get(key(partition, name.replace("minute:", "packed:")))
        (position, config), base, total, *rows = await pipeline.execute()
    counted: Numbers = {"total": _numbers(total)}
    answers = iter(rows)
    for name in names:
        numbers = _numbers(next(answers))
        packed = next(answers) if name.startswith("minute:") else None
        for field_name, value in (unpack_minute(packed) if packed else {}).items():
            numbers[field_name] = numbers.get(field_name, 0) + value
        if numbers or not name.startswith("slot:"):  # slots are kept for two hours only; an absent one cannot be compared
            counted[name] = numbers
    return position.decode(), config.decode(), base, counted


def _absent(names: list[str]) -> set[str]:
    return {name for name in names if name.startswith("slot:")}


def _uncompared(names: Iterable[str]) -> set[str]:
    """Hashtags are a ranking, not numbers of record: which of them a commit keeps depends on how the entries were batched."""
    return {name for name in names if name.startswith("tags:")}


async def _start(journal: Journal, partition: int, base: dict[bytes, bytes]) -> Recount:
    recount = Recount()
    if not base:
        return recount
    redis = journal.redis
    for name, value in (await redis.hgetall(key(partition, "base:total"))).items():
        recount.numbers["total"][name.decode()] = int(value)
    for name, value in (await redis.hgetall(key(partition, "base:levels"))).items():
        level, _, slot = value.decode().partition("|")
        recount.levels[name.decode()] = (int(level), int(slot or 0))
    samples = await redis.hgetall(key(partition, "base:viewers"))
    recount.viewers = {name.decode(): msgspec.msgpack.decode(value, type=ViewerSample) for name, value in samples.items()}
    for member in await redis.zrange(key(partition, "base:removed"), 0, -1):
        text = member.decode()
        if text.startswith("ban|"):
            _, livestream, author, start, end = text.split("|")
            recount.bans.append((livestream, author or None, _time(start), _time(end)))
        else:
            recount.removed.add(text)
    return recount


def _time(text: str) -> Any:
    return msgspec.convert(text, type=__import__("datetime").datetime)


async def _configs(journal: Journal, partition: int, made: dict[str, Rules]) -> list[tuple[str, Rules]]:
    """(position after which it applies, rules), oldest first; ``made`` keeps those that were read already."""
    found = []
    for row in await journal.redis.lrange(key(partition, "configs"), 0, -1):
        position, _, name = row.decode().partition("|")
        if name not in made:
            data = await journal.redis.get(f"{{cfg}}:{name}")
            made[name] = Rules(decode_derivation(data))
        found.append((position, made[name]))
    return found


def _rules_at(configs: list[tuple[str, Rules]], entry_id: str) -> Rules:
    found = configs[0][1]
    for position, rules in configs:
        if not position or entry_order(position) < entry_order(entry_id):
            found = rules
    return found


async def _entries(journal: Journal, partition: int, first: str, last: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while chunk := await journal.scan(partition, first, last, CHUNK):
        found += chunk
        first = f"({chunk[-1][0]}"
    return found


def _numbers(row: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in row.items()}


async def run(settings: Settings) -> int:
    """Exit code 0: every number agrees; 1: some do not, or could not be compared."""
    try:
        return await _run(settings)
    except RETRIABLE as error:
        sys.stdout.write(
            f"Redis went away ({type(error).__name__}) before everything was compared; run the audit again when it is back.\n"
        )
        return 1


async def _run(settings: Settings) -> int:
    report = Report()
    partitions = settings.config.partitions
    async with Journal(settings.redis_url, partitions=partitions).opened() as journal:
        for partition in tqdm(range(partitions), desc="audit", unit="partition", disable=not sys.stderr.isatty()):
            found = await audit_partition(journal, partition)
            report.entries += found.entries
            report.differences += found.differences
            report.incomplete += found.incomplete
    for line in [*report.differences[:50], *report.incomplete]:
        sys.stdout.write(line + "\n")
    if len(report.differences) > 50:
        sys.stdout.write(f"… and {len(report.differences) - 50} more differences\n")
    verdict = "every number agrees" if not report.differences else f"{len(report.differences)} numbers differ"
    where = f" in {partitions - len(report.incomplete)} of {partitions} partitions" if report.incomplete else ""
    sys.stdout.write(f"{report.entries:,} entries recounted{where}: {verdict}.\n")
    return 1 if report.differences or report.incomplete else 0
