"""What connectors remember beyond their connection (``connectors.connector.Memory``), in the Redis hash ``{memory}`` that all collectors share.

Promise: sums are added atomically and never forgotten while Redis keeps its data; while Redis is away everything goes on from what was
last known, and what was added meanwhile is added there later. An addition whose answer was lost is added again: a quota is then thought
to be nearer to its end than it is, which costs little, and never the other way round.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from monitor.redis_client import RETRIABLE

log = logging.getLogger("monitor.memory")

KEY: Final = "{memory}"
PATIENCE_SECONDS: Final = 2.0
"""A connector waits for Redis no longer than this; reading a chat goes before."""


class RedisMemory:
    """One per process; never raises for trouble with Redis."""

    def __init__(self, redis: Any, key: str = KEY) -> None:
        self._redis = redis
        self._key = key
        self._known: dict[str, str] = {}
        self._unsaid: dict[str, int] = {}
        """Additions that Redis has not heard of."""
        self._unput: dict[str, str] = {}
        self._away = False

    async def get(self, key: str) -> str | None:
        if key in self._unput and await self._try(self._redis.hset(self._key, key, self._unput[key])) is not None:
            del self._unput[key]
        if key not in self._unput and key not in self._unsaid:
            found = await self._try(self._redis.hmget(self._key, [key]))
            if found is not None:
                if found[0] is None:
                    self._known.pop(key, None)
                else:
                    self._known[key] = found[0].decode()
        return self._known.get(key)

    async def put(self, key: str, value: str) -> None:
        self._known[key] = value
        if await self._try(self._redis.hset(self._key, key, value)) is None:
            self._unput[key] = value
        else:
            self._unput.pop(key, None)

    async def add(self, key: str, amount: int) -> int:
        unsaid = self._unsaid.pop(key, 0) + amount
        total = await self._try(self._redis.hincrby(self._key, key, unsaid))
        if total is None:
            self._unsaid[key] = unsaid
            total = int(self._known.get(key, "0")) + amount
        self._known[key] = str(total)
        return int(total)

    async def _try(self, call: Any) -> Any:
        """The answer; None when there is none. No call here answers None by itself."""
        task = asyncio.current_task()
        told = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await call
        except (*RETRIABLE, TimeoutError) as error:
            if not self._away:
                log.warning("quotas are counted in this process until Redis answers again (%s)", type(error).__name__)
            self._away, answer = True, None
        else:
            self._away = False
        if task and task.cancelling() > told:  # redis-py lost it (monitor/stopping.py), and the connector has no other word of it
            raise asyncio.CancelledError
        return answer
