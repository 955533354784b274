"""What belongs to the wall as a whole and to no partition, in Redis: one owner's lease, and the parts that every server shows.

| key | type | what |
|---|---|---|
| ``{wall}:lease`` | hash | which process keeps the wall: the only one that writes what is *found* (spikes, voices) |
| ``{wall}:parts`` | hash | name → JSON object; a key of the feed's state, shown by every server with its next tick |
| ``{wall}:version`` | string | changes with any part; read before the parts, so that a change in between is seen the next time |
| ``{wall}:seen_spikes`` | hash | spike id → who saw it when (``monitor.spike_seen``) |
| ``{wall}:watched`` | hash | what peaks of viewers are made of (``monitor.peak_watch``) |

What people *say* (scene, pins, decisions) may be written by any server; what is found is written by the owner of the lease only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from monitor.journal import Doubt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.journal import Journal

LEASE: Final = "{wall}:lease"
PARTS: Final = "{wall}:parts"
VERSION: Final = "{wall}:version"
SEEN_SPIKES: Final = "{wall}:seen_spikes"


class WallStore:
    """Typed calls on the journal's Redis; errors are the caller's."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def lease(self, token: str, ttl_ms: int) -> bool:
        """Become or stay the owner; False while somebody else is."""
        return bool(await self.journal.call("lm1_lease", [LEASE], token, ttl_ms, ""))

    async def release(self, token: str) -> None:
        """Let somebody else own it now."""
        await self.journal.call("lm1_release", [LEASE], token)

    async def version(self) -> int:
        return int(await self.journal.redis.get(VERSION) or 0)

    async def parts(self) -> dict[str, dict[str, Any]]:
        """All parts; one that cannot be read is left out, so that it is shown as unknown."""
        parts, seen = await self.journal.redis.pipeline(transaction=True).hgetall(PARTS).hgetall(SEEN_SPIKES).execute()
        found = _objects(parts)
        # The keeper writes spikes anew every ten seconds; what people said of them stands apart, and is put beside them here.
        spikes = found.get("spikes", {})
        for name, look in _objects(seen).items():
            if isinstance(spikes.get(name), dict):
                spikes[name] = {**spikes[name], "seen": look}
        return found

    async def flags(self) -> dict[int, int]:
        """Severity → flags of the event, as moderation counted them; best effort, like all its counters."""
        found: dict[int, int] = {}
        for name, count in (await self.journal.redis.hgetall("{metrics}")).items():
            kind, _, rest = name.decode().partition("|")
            severity = rest.rpartition("|")[2]
            if kind == "flags" and severity.isdigit():
                found[int(severity)] = found.get(int(severity), 0) + int(count)
        return found

    async def write(
        self, parts: Mapping[str, Mapping[str, Any]], token: str = "", *, beside: Mapping[str, Mapping[str, bytes]] | None = None
    ) -> None:
        """Replace these parts, and fields of the hashes ``beside``, all at once; with a token only while the lease is its own, else
        raises Doubt.
        """
        async with self.journal.redis.pipeline(transaction=True) as pipe:
            if token:
                await pipe.watch(LEASE)
                if await pipe.hget(LEASE, "token") != token.encode():
                    raise Doubt("FENCED", 0)
                pipe.multi()
            for name, fields in (beside or {}).items():
                pipe.hset(name, mapping=fields)
            if parts:
                pipe.hset(PARTS, mapping={name: orjson.dumps(part) for name, part in parts.items()})
                pipe.incr(VERSION)
            await pipe.execute()


def _objects(fields: Mapping[bytes, bytes]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, data in fields.items():
        try:
            part = orjson.loads(data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(part, dict):
            found[name.decode()] = part
    return found
