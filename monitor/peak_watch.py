"""The keeper's look at viewers: folds the samples that count committed into peaks, and writes the part ``peaks``.

Commit appends each viewer sample that it took to ``{pNN}:samples``, which keeps ten minutes, and what was not read yet for as long as it has
room (about a day of 1,200 livestreams, hours of 10,000). So a peak that happened while no server ran is found by the next one: it goes on from the state that
was kept last. What is read twice changes nothing, so a state that is a little old, a killed keeper and a server that lost its
newest entries all end with the same peaks. Arithmetic is in ``peaks``.

| key | type | what |
|---|---|---|
| ``{pNN}:samples`` | stream | fields ``n`` (nonce of the commit), ``d`` (msgpack: samples that were newer than their livestream's one before) |
| ``{wall}:watched`` | hash | ``state``: the fold and how far it has read; ``hour:U``: greatest total in each minute of an hour that is final |
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from monitor.journal import START, key
from monitor.journal_keys import entry_ms
from monitor.moments import iso
from monitor.peaks import Peaks, Sample
from monitor.schedule import Schedule
from monitor.snapshot import PEAKS

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.feed import Feed
    from monitor.journal import Journal, Position
    from monitor.wall_store import WallStore

log = logging.getLogger("monitor.peaks")

WATCHED: Final = "{wall}:watched"
AT_ONCE: Final = 200
"""Commits of one partition that are read at once; after each partition the walls have their turn."""
CATCH_UP_SECONDS: Final = 3.0
"""So long one turn may read after a long absence; the other searches wait for it."""
SAID_MS: Final = 10_000
"""What did not change is said again so often, so that a server that starts can tell that it is of now."""
KEEP_MS: Final = 30_000
"""So often the fold is kept; what came after it is read again by the next keeper."""
STAY_MS: Final = 600_000
"""Samples stay for so long after they were taken."""
UNCOUNTED_MS: Final = 6 * 3_600_000
"""When nobody counts for longer than this, what is counted afterwards may change no peak of before."""

_samples = msgspec.msgpack.Decoder(list[Sample])


class Watched:
    """A job of the keeper."""

    name = "peaks"
    seconds = 2.0

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._peaks = Peaks()
        self._positions: dict[int, Position] = {}
        self._lost: dict[int, int] = {}
        """Partition → time (Unix ms) of the entry that was read last and is gone."""
        self._said: dict[str, Any] = {}
        self._said_ms = 0
        self._kept_ms = 0
        self._kept_hours = 0
        """Unix seconds up to which final minutes were kept."""
        self._schedule: tuple[Config, Schedule] | None = None

    # what Keeper asks for

    async def begin(self, feed: Feed, store: WallStore) -> None:
        self._forget()
        kept = await store.journal.redis.hgetall(WATCHED)
        if b"state" in kept:
            state = msgspec.json.decode(kept.pop(b"state"))
            hours = {int(name[5:]): msgspec.json.decode(row) for name, row in kept.items()}
            self._peaks = Peaks.of(state["fold"], hours)
            self._positions = {int(partition): (at, nonce) for partition, (at, nonce) in state["positions"].items()}
            self._kept_hours = self._peaks.settled

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        # What is not counted yet, or waits on a disk, will come as late as it comes: up to here everything did.
        known_ms = max(min(now_ms, feed.as_of_ms or 0), now_ms - UNCOUNTED_MS)
        behind_ms = await self._catch_up(store.journal)
        # When what is still to be read was counted is known, but not how late.
        self._peaks.settle(known_ms if behind_ms is None else min(known_ms, behind_ms - UNCOUNTED_MS))
        parts: dict[str, dict[str, Any]] = {}
        # While old samples wait to be read the peak would be too small, so nothing is said.
        if behind_ms is None and ((told := self._told(feed.config, now_ms)) != self._said or now_ms - self._said_ms >= SAID_MS):
            parts[PEAKS] = told | {"until": iso(now_ms)}
            self._said, self._said_ms = told, now_ms
        if keep := now_ms - self._kept_ms >= KEEP_MS or behind_ms is not None:
            self._kept_ms = now_ms
        if parts or keep:
            await store.write(parts, token, beside={WATCHED: self._state()} if keep else {})
        if keep:
            self._kept_hours = self._peaks.settled
            await self._trim(store.journal, now_ms)

    # inside

    def _told(self, config: Config, now_ms: int) -> dict[str, Any]:
        if self._schedule is None or self._schedule[0] is not config:
            self._schedule = (config, Schedule.of(config))
        schedule = self._schedule[1]
        day = schedule.day(now_ms // 1000)
        spans = {f"day:{day}": schedule.day_bounds(day)}
        spans |= {
            f"session:{session.id}": (int(session.start.timestamp()), int(session.end.timestamp()))
            for session in config.sessions
            if not session.tags
        }
        peaks = {name: self._peaks.between(*span, now_ms) for name, span in spans.items()}
        return {"heads": self._peaks.heads(now_ms) | {name: peak for name, peak in peaks.items() if peak is not None}}

    async def _catch_up(self, journal: Journal) -> int | None:
        """Read on; the time (Unix ms) up to which everything was read, None when nothing is left."""
        clock = asyncio.get_running_loop().time
        until = clock() + CATCH_UP_SECONDS
        behind: dict[int, int] = {}
        wanted = set(range(journal.partitions))
        while wanted:
            behind = await self._read(journal, sorted(wanted))
            if clock() >= until:
                break
            wanted = set(behind)
        return min(behind.values(), default=None)

    async def _read(self, journal: Journal, partitions: list[int]) -> dict[int, int]:
        """One look at these partitions; those that have more, with the time of what was read last."""
        pipeline = journal.redis.pipeline(transaction=False)
        for partition in partitions:
            after = self._positions.get(partition, START)
            pipeline.xrange(key(partition, "samples"), min=after[0] or "-", max="+", count=AT_ONCE + 1)
        behind: dict[int, int] = {}
        for partition, entries in zip(partitions, await pipeline.execute(), strict=True):
            after, fresh = self._positions.get(partition, START), entries
            if after[0]:
                if not entries or (entries[0][0].decode(), entries[0][1][b"n"].decode()) != after:
                    # The server forgot its newest entries, or dropped old ones that nobody had read: begin with what it has.
                    self._lost[partition] = entry_ms(self._positions.pop(partition)[0])
                    behind[partition] = self._lost[partition]
                    continue
                fresh = entries[1:]
            elif entries and (lost_ms := self._lost.pop(partition, None)) is not None:
                _tell_lost(partition, lost_ms, entry_ms(entries[0][0].decode()))
            for _, fields in fresh:
                for sample in _samples.decode(fields[b"d"]):
                    self._peaks.add(sample)
            await asyncio.sleep(0)
            if fresh:
                last = fresh[-1]
                self._positions[partition] = (last[0].decode(), last[1][b"n"].decode())
            if len(entries) > AT_ONCE:
                behind[partition] = entry_ms(self._positions[partition][0])
        return behind

    def _state(self) -> dict[str, bytes]:
        state = {"fold": self._peaks.state(), "positions": self._positions}
        hours = self._peaks.hours(self._kept_hours)
        return {"state": msgspec.json.encode(state)} | {f"hour:{start}": msgspec.json.encode(row) for start, row in hours.items()}

    async def _trim(self, journal: Journal, now_ms: int) -> None:
        """What is in the kept state is not needed any more; some of it stays all the same, for a server that lost that state."""
        pipeline = journal.redis.pipeline(transaction=False)
        for partition, (position, _) in self._positions.items():
            before = min(entry_ms(position), now_ms - STAY_MS)
            pipeline.xtrim(key(partition, "samples"), minid=f"{before}-0", approximate=True)
        await pipeline.execute()


def _tell_lost(partition: int, after_ms: int, oldest_ms: int) -> None:
    """Nobody looked for so long that samples were dropped unread."""
    if oldest_ms - after_ms > STAY_MS:  # else the server forgot its newest entries, which come again
        log.warning(
            "Nobody looked at viewers for too long: of some livestreams (partition %d) they are not known from %s to %s, "
            "and a peak of that time may be missing",
            partition,
            iso(after_ms),
            iso(oldest_ms),
        )
