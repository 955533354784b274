"""What discovery knows, in Redis: the keys, and every call on them. Discover writes rows, collect and serve read them.

| key | type | what |
|---|---|---|
| ``{channels}`` | hash | livestream id → ``channels.Row`` as JSON |
| ``{channels}:version`` | string | changes with any row; read before the rows, so that a change in between is seen the next time |
| ``{channels}:platforms`` | hash | platform → ``Desk`` as JSON: when it was last asked, what is wrong |
| ``{channels}:said`` | hash | ``producer LIVESTREAM BROADCAST`` or ``attendee LIVESTREAM BROADCAST`` → 1 counts, 0 does not |
| ``{channels}:delays`` | hash | ``PLATFORM BUCKET`` → broadcasts found within so many seconds of their beginning; ``PLATFORM sum`` |
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from datetime import datetime  # noqa: TC003 — msgspec reads the annotations
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from monitor.channels import Row, from_json
from monitor.scope import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("monitor.channels")

ROWS: Final = "{channels}"
VERSION: Final = "{channels}:version"
PLATFORMS: Final = "{channels}:platforms"
SAID: Final = "{channels}:said"
SAID_VERSION: Final = "{channels}:said:version"
DELAYS: Final = "{channels}:delays"

DELAY_BUCKETS: Final = (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
"""Seconds; the last bucket is beyond."""
CHUNK: Final = 1000

By = Literal["producer", "attendee"]


class Desk(msgspec.Struct, frozen=True, omit_defaults=True):
    """How asking one platform goes."""

    asked_at: datetime | None = None
    """When every channel of it had been asked last."""
    trouble: str = ""
    """Why it is not asked now, in words; empty when all is well."""
    kind: Literal["", "missing", "dropped", "throttled", "refused"] = ""
    spent: int = 0
    """Units since this process leads, or of the quota's day where there is one."""
    per_day: int = 0
    interval_seconds: float = 0.0


_desk = msgspec.json.Decoder(Desk)
_encode = msgspec.json.Encoder().encode


class ChannelStore:
    """Typed calls on one Redis client; errors are the caller's."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis
        self._read: dict[bytes, tuple[bytes, Row]] = {}
        """As it was last read: what did not change is not read anew, and is the same object."""

    # rows

    async def version(self) -> int:
        return int(await self.redis.get(VERSION) or 0)

    async def rows(self) -> dict[str, Row]:
        """All rows; one that a newer version of ours wrote is left out."""
        before, self._read = self._read, {}
        for name, data in (await self.redis.hgetall(ROWS)).items():
            known = before.get(name)
            try:
                self._read[name] = known if known is not None and known[0] == data else (data, from_json(data))
            except msgspec.DecodeError:
                log.warning("the row of %s in %s cannot be read; discovery writes it again", name.decode(), ROWS)
        return {name.decode(): row for name, (_, row) in self._read.items()}

    async def save(
        self, rows: Mapping[str, bytes], gone: Iterable[str], *, desks: Mapping[str, Desk], closed: Iterable[str]
    ) -> None:
        """Write and remove; who reads sees all of it or asks again. ``closed`` are platforms that are not asked any more."""
        items, names, platforms = list(rows.items()), list(gone), list(closed)
        for start in range(0, len(items), CHUNK):
            await self.redis.hset(ROWS, mapping=dict(items[start : start + CHUNK]))
        if names:
            await self.redis.hdel(ROWS, *names)
        if desks:
            await self.redis.hset(PLATFORMS, mapping={name: _encode(desk) for name, desk in desks.items()})
        if platforms:
            await self.redis.hdel(PLATFORMS, *platforms)
        if items or names or desks or platforms:
            await self.redis.incr(VERSION)

    async def desks(self) -> dict[str, Desk]:
        found = {}
        for name, data in (await self.redis.hgetall(PLATFORMS)).items():
            try:
                found[name.decode()] = _desk.decode(data)
            except msgspec.DecodeError:
                continue
        return found

    # what people decided

    async def said_version(self) -> int:
        return int(await self.redis.get(SAID_VERSION) or 0)

    async def said(self) -> dict[tuple[str, str], Said]:
        """By livestream and broadcast."""
        found: dict[tuple[str, str], Said] = {}
        for name, value in (await self.redis.hgetall(SAID)).items():
            by, livestream, broadcast = name.decode().split(" ", 2)
            said = found.get((livestream, broadcast), Said())
            count = value == b"1"
            found[livestream, broadcast] = (
                Said(producer=count, attendee=said.attendee) if by == "producer" else Said(producer=said.producer, attendee=count)
            )
        return found

    async def decide(self, by: By, livestream: str, broadcast: str, count: bool | None) -> None:
        """A person's word on one broadcast; None takes it back."""
        if count is None:
            await self.redis.hdel(SAID, f"{by} {livestream} {broadcast}")
        else:
            await self.redis.hset(SAID, f"{by} {livestream} {broadcast}", int(count))
        await self.redis.incr(SAID_VERSION)

    # discovery delay

    async def add_delay(self, platform: str, seconds: float) -> None:
        bucket = bisect_left(DELAY_BUCKETS, seconds)
        await self.redis.hincrby(DELAYS, f"{platform} {bucket}", 1)
        await self.redis.hincrby(DELAYS, f"{platform} sum", max(0, round(seconds)))

    async def delays(self) -> dict[str, tuple[list[int], int]]:
        """Platform → (broadcasts by bucket, sum of seconds)."""
        found: dict[str, tuple[list[int], int]] = {}
        for name, value in (await self.redis.hgetall(DELAYS)).items():
            platform, _, bucket = name.decode().rpartition(" ")
            counts, total = found.get(platform, ([0] * (len(DELAY_BUCKETS) + 1), 0))
            if bucket == "sum":
                total = int(value)
            elif bucket.isdigit() and int(bucket) < len(counts):
                counts[int(bucket)] = int(value)
            found[platform] = (counts, total)
        return found
