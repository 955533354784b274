"""What a changed schedule makes anew in one partition: reads minutes and journal as they are committed, and writes nothing itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from monitor.entry import decode_entry
from monitor.journal import key
from monitor.journal_keys import entry_ms, partition_of
from monitor.moments import iso
from monitor.reschedule import add_minute, changed
from monitor.tagged import Remaking
from monitor.windows import KINDS, SINCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from monitor.derivation import Derivation
    from monitor.derive_where import Where
    from monitor.journal import Journal
    from monitor.reschedule import Extent

log = logging.getLogger("monitor.count")

Rebuilt = list[tuple[str, dict[str, int]]]
"""(container, fields) of everything that is made anew."""

SCAN: Final = 1000
MINUTES_AT_ONCE: Final = 60
"""A day of minutes at once would fill the memory."""
EARLIER_SECONDS: Final = 600
"""The journal is read from so long before a session: an event may be stamped later than it was received, and clocks differ."""
_COUNTED: Final = (*KINDS, "viewer_seconds", "gaps", "unknown", "removed")


class Committed(NamedTuple):
    """One partition as it stands committed."""

    journal: Journal
    partition: int
    position: str
    """Everything up to here is counted."""
    retracted: Collection[str]
    """Ids that do not count."""
    derived_at: Callable[[str], Awaitable[Where]]
    """The derivation with which a journal entry was counted."""


async def remade(here: Committed, old: Derivation, now: Where) -> Rebuilt:
    """Sessions and days that are others now."""
    journal, partition = here.journal, here.partition
    days = [day.decode() for day in await journal.redis.smembers("{days}")]
    extents = [extent for extent in changed(old, now.config, days) if await _is_concerned(here, extent)]
    if not extents:
        return []
    known = await journal.known_minutes(partition)
    known = [at for at in known if any(extent.covers(at) or extent.covered(at) for extent in extents)]
    log.info("partition %d: %d sessions or days are made anew from %d minutes", partition, len(extents), len(known))
    sums: dict[str, dict[str, int]] = {extent.container: {} for extent in extents if not extent.tags}
    making = [Remaking(extent, now) for extent in extents if extent.tags]
    for begin in range(0, len(known), MINUTES_AT_ONCE):
        for at, numbers in (await journal.minutes(partition, known[begin : begin + MINUTES_AT_ONCE])).items():
            for extent in extents:
                if not extent.tags and extent.covers(at):
                    add_minute(sums[extent.container], numbers)
            for one in making:
                one.minute(at, numbers)
    rows = list(sums.items())
    since = await _read(here, making) if making else 0
    for one in making:
        before = await journal.redis.hgetall(key(partition, one.extent.container))
        fields = one.fields({name.decode(): int(value) for name, value in before.items()}, since)
        rows.append((one.extent.container, fields))
        if SINCE in fields:
            log.warning(
                "partition %d: the %s has other times or livestreams now. Which topics it had before %s is not in the journal any more: "
                "its topics are counted from there on, everything else is complete",
                partition,
                one.extent.container.replace(":", " ", 1),
                iso(fields[SINCE] * 1000),
            )
    return rows


async def _is_concerned(here: Committed, extent: Extent) -> bool:
    """Whether anything was counted here of livestreams that came or went; somebody who signs up has no past."""
    if not extent.movers:
        return True
    movers = [name for name in extent.movers if partition_of(name, here.journal.partitions) == here.partition]
    fields = [f"livestream:{name}|{kind}" for name in movers for kind in _COUNTED]
    return bool(fields) and any(await here.journal.redis.hmget(key(here.partition, "total"), fields))


async def _read(here: Committed, making: Sequence[Remaking]) -> int:
    """Gives them every entry that counts; where the journal begins (Unix seconds)."""
    begin = min(min((one.extent.start, *(one.extent.former or ()))) for one in making) - EARLIER_SECONDS
    start = str(max(0, begin) * 1000)
    mine = frozenset[str]().union(*(one.members for one in making))
    while chunk := await here.journal.scan(here.partition, start, here.position, SCAN):
        for entry_id, payload in chunk:
            entry = decode_entry(payload)
            if entry.livestream in mine and entry.id not in here.retracted:
                then = await here.derived_at(entry_id)
                for one in making:
                    one.entry(entry, then)
        start = f"({chunk[-1][0]}"
    oldest = await here.journal.scan(here.partition, "-", here.position, 1)
    return entry_ms(oldest[0][0]) // 1000 + 1 if oldest else 0
