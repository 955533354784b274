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

from monitor.derive import decode_derivation
from monitor.journal import Journal, key
from monitor.recount import Recount, Rules, differences, read_event
from monitor.windows import ViewerSample

if TYPE_CHECKING:
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
    """The numbers were committed to while they were read; read again."""


async def audit_partition(journal: Journal, partition: int) -> Report:
    """Recount one partition; it may be counted meanwhile."""
    for _ in range(TRIES):
        try:
            return await _audit(journal, partition)
        except Moved:
            await asyncio.sleep(0.2)
    return Report(incomplete=[f"partition {partition} was busy in {TRIES} attempts; run the audit again when less happens"])


async def _audit(journal: Journal, partition: int) -> Report:
    redis = journal.redis
    base = await redis.hgetall(key(partition, "base:meta"))
    recount = await _start(journal, partition, base)
    configs = await _configs(journal, partition)
    position = base.get(b"pos", b"").decode()
    # The committed numbers first, then the journal up to exactly their cursor.
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hgetall(key(partition, "ckpt:count"))
        pipeline.hgetall(key(partition, "total"))
        pipeline.hgetall(key(partition, "base:meta"))
        checkpoint, total, base_after = await pipeline.execute()
    if base_after != base:
        raise Moved
    cursor = checkpoint.get(b"pos", b"").decode()
    report = Report()
    if not cursor:
        return report
    oldest = await redis.xrange(key(partition, "s"), count=1)
    if base and oldest:  # what may be retracted after the baseline was counted before it
        for entry_id, payload in await _entries(journal, partition, "-", position):
            recount.seen.append((read_event(payload), _rules_at(configs, entry_id)))
    elif (
        not base
        and oldest
        and await redis.xinfo_stream(key(partition, "s"))
        and int((await redis.xinfo_stream(key(partition, "s")))["entries-added"]) != await redis.xlen(key(partition, "s"))
    ):
        report.incomplete.append(f"partition {partition}: the journal was trimmed before the first baseline")
        return report
    before: Rules | None = None
    for entry_id, payload in await _entries(journal, partition, f"({position}" if position else "-", cursor):
        rules = _rules_at(configs, entry_id)
        if before is not None and rules is not before:
            recount.switch(before, rules)
        before = rules
        recount.add(read_event(payload), rules)
        report.entries += 1
    counted: Numbers = {"total": _numbers(total)}
    if not base:
        counted |= await _containers(journal, partition, recount)
    if (await redis.hget(key(partition, "ckpt:count"), "ver")) != checkpoint.get(b"ver") and not base:
        raise Moved  # the other containers were read after the totals
    recounted: Numbers = {
        name: dict(recount.numbers[name]) for name in (counted if base else recount.numbers.keys() | counted.keys())
    }
    report.differences = [f"partition {partition} {line}" for line in differences(counted, recounted)]
    return report


async def _start(journal: Journal, partition: int, base: dict[bytes, bytes]) -> Recount:
    recount = Recount()
    if not base:
        return recount
    redis = journal.redis
    for name, value in (await redis.hgetall(key(partition, "base:total"))).items():
        recount.numbers["total"][name.decode()] = int(value)
    recount.levels = {name.decode(): int(value) for name, value in (await redis.hgetall(key(partition, "base:levels"))).items()}
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


async def _configs(journal: Journal, partition: int) -> list[tuple[str, Rules]]:
    """(position after which it applies, rules), oldest first."""
    made: dict[str, Rules] = {}
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
        if not position or _order(position) < _order(entry_id):
            found = rules
    return found


def _order(entry_id: str) -> tuple[int, int]:
    head, _, tail = entry_id.partition("-")
    return int(head), int(tail or 0)


async def _entries(journal: Journal, partition: int, first: str, last: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while chunk := await journal.scan(partition, first, last, CHUNK):
        found += chunk
        first = f"({chunk[-1][0]}"
    return found


async def _containers(journal: Journal, partition: int, recount: Recount) -> Numbers:
    pipeline = journal.redis.pipeline(transaction=True)
    names = [name for name in recount.numbers if name != "total" and not name.startswith("minute:")]
    for name in names:
        pipeline.hgetall(key(partition, name))
    rows = await pipeline.execute() if names else []
    # Slots are kept for two hours only; an absent one cannot be compared.
    found = {name: _numbers(row) for name, row in zip(names, rows, strict=True) if row or not name.startswith("slot:")}
    starts = [int(name.partition(":")[2]) for name in recount.numbers if name.startswith("minute:")]
    return found | {f"minute:{start}": numbers for start, numbers in (await journal.minutes(partition, starts)).items()}


def _numbers(row: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in row.items()}


async def run(settings: Settings) -> int:
    """Exit code 0: every number agrees; 1: some do not, or could not be compared."""
    report = Report()
    async with Journal(settings.redis_url, partitions=settings.config.partitions).opened() as journal:
        for partition in tqdm(range(journal.partitions), desc="audit", unit="partition", disable=not sys.stderr.isatty()):
            found = await audit_partition(journal, partition)
            report.entries += found.entries
            report.differences += found.differences
            report.incomplete += found.incomplete
    for line in [*report.differences[:50], *report.incomplete]:
        sys.stdout.write(line + "\n")
    if len(report.differences) > 50:
        sys.stdout.write(f"… and {len(report.differences) - 50} more differences\n")
    verdict = "every number agrees" if not report.differences else f"{len(report.differences)} numbers differ"
    sys.stdout.write(f"{report.entries:,} entries recounted: {verdict}.\n")
    return 1 if report.differences or report.incomplete else 0
