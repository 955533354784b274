"""What platforms told us without being asked, and how our subscriptions stand, in Redis: the keys, and every call on them.

| key | type | what |
|---|---|---|
| ``{channels}:heard`` | hash | ``PLATFORM WHAT CHANNEL BROADCAST KEY`` → ``Hint`` as JSON, until discovery has acted on it; ``serve`` writes, who discovers reads |
| ``{channels}:pushes`` | hash | ``PLATFORM KEY`` → what a ``Pusher`` wants remembered |

A hint told again is the same field, so a platform that repeats itself fills nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from connectors.connector import Hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("monitor.pushes")

HEARD: Final = "{channels}:heard"
PUSHES: Final = "{channels}:pushes"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Hint).decode


class PushStore:
    """Typed calls on one Redis client; errors are the caller's."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    async def tell(self, platform: str, hints: Iterable[Hint]) -> None:
        fields = {f"{platform} {one.what} {one.native_id} {one.broadcast or ''} {one.key}": _encode(one) for one in hints}
        if fields:
            await self.redis.hset(HEARD, mapping=fields)

    async def heard(self) -> dict[str, tuple[str, Hint]]:
        """Field → platform and hint; the oldest first."""
        found: dict[str, tuple[str, Hint]] = {}
        for name, data in (await self.redis.hgetall(HEARD)).items():
            field = name.decode()
            try:
                found[field] = (field.partition(" ")[0], _decode(data))
            except msgspec.DecodeError:
                log.warning("a hint in %s cannot be read and is forgotten", HEARD)
                await self.redis.hdel(HEARD, name)
        return dict(sorted(found.items(), key=lambda item: item[1][1].at))

    async def done(self, fields: Iterable[str]) -> None:
        names = list(fields)
        if names:
            await self.redis.hdel(HEARD, *names)

    async def kept(self, platform: str) -> dict[str, str]:
        """What a pusher of this platform remembered."""
        found = {}
        for name, value in (await self.redis.hgetall(PUSHES)).items():
            whose, _, key = name.decode().partition(" ")
            if whose == platform:
                found[key] = value.decode()
        return found

    async def keep(self, platform: str, changes: Mapping[str, str | None]) -> None:
        kept = {f"{platform} {key}": value for key, value in changes.items() if value is not None}
        gone = [f"{platform} {key}" for key, value in changes.items() if value is None]
        if kept:
            await self.redis.hset(PUSHES, mapping=kept)
        if gone:
            await self.redis.hdel(PUSHES, *gone)
