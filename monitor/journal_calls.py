"""Calling the journal's server functions, and when what we remember must be doubted.

Promises: a call either happened once or raises; nothing is retried inside the client (redis-py's own retries are off, because they
repeat commands whose reply was lost). Functions that a server lost are loaded again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

import msgspec
from redis.exceptions import ResponseError

from monitor.redis_client import RETRIABLE, make_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

log = logging.getLogger("monitor.journal")

Call = tuple[str, list[str], tuple[Any, ...]]
"""(server function, keys, arguments)."""

_pack = msgspec.msgpack.Encoder().encode


class Doubt(Exception):
    """What we remember may not be what is stored: drop it, reload, go on. ``reason`` is FENCED, STALE, LOSTTAIL or READONLY."""

    def __init__(self, reason: str, partition: int) -> None:
        super().__init__(f"{reason} in partition {partition}")
        self.reason = reason
        self.partition = partition


class LostTail(Doubt):
    """The entry that we read last is gone: the server forgot the newest part of its history."""

    def __init__(self, partition: int) -> None:
        super().__init__("LOSTTAIL", partition)


DOUBTS = (Doubt, *RETRIABLE)
"""A refused write, a lost connection, a demoted or loading server: the right answer is to drop memory and reload."""


def is_doubt(error: BaseException) -> bool:
    """Whether the right answer is to drop memory and reload."""
    return isinstance(error, DOUBTS)


def make_nonce() -> bytes:
    """Never shared between two attempts; that is what makes (id, nonce) a proof."""
    return secrets.token_hex(6).encode()


def pack(value: Any) -> bytes:
    """MessagePack as the server functions read it: text as str, whole numbers only."""
    return _pack(value)


def text(value: bytes | None) -> str:
    return value.decode() if value else ""


class Calls:
    """A connection to Redis and the functions that it holds for us."""

    def __init__(self, url: str, *, partitions: int) -> None:
        self.partitions = partitions
        self.redis: Any = make_client(url)

    async def close(self) -> None:
        await self.redis.aclose()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        try:
            yield self
        finally:
            await self.close()

    async def prepare(self) -> None:
        """Load the server functions and fix the number of partitions; a mismatch is a person's mistake."""
        await self.load_functions()
        stored = await self.redis.set("{meta}:partitions", self.partitions, nx=True, get=True)
        if stored is not None and int(stored) != self.partitions:
            raise ValueError(
                f"This data folder was made with {int(stored)} partitions and the configuration says {self.partitions}. "
                f"Set partitions = {int(stored)}, or start with an empty data folder."
            )

    async def load_functions(self) -> None:
        await self.redis.function_load(files("monitor").joinpath("journal.lua").read_text(), replace=True)

    async def call(self, function: str, keys: Sequence[str], *args: Any) -> Any:
        """FCALL; loads the functions when the server lost them (a new primary, an emptied server)."""
        try:
            return await self.redis.fcall(function, len(keys), *keys, *args)
        except ResponseError as error:
            if "unction not found" not in str(error):
                raise
        await self.load_functions()
        return await self.redis.fcall(function, len(keys), *keys, *args)

    async def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """Several calls in one round trip, not atomic together; an exception stands in the place of an answer that failed."""
        if not hasattr(self.redis, "connection_pool"):  # a Cluster: its pipelines do not carry functions to the right shard
            return await asyncio.gather(*(self.call(name, keys, *args) for name, keys, args in calls), return_exceptions=True)
        pipeline = self.redis.pipeline(transaction=False)
        for name, keys, args in calls:
            pipeline.fcall(name, len(keys), *keys, *args)
        answers = list(await pipeline.execute(raise_on_error=False))
        for number, answer in enumerate(answers):
            if isinstance(answer, ResponseError) and "unction not found" in str(answer):
                name, keys, args = calls[number]
                answers[number] = await self.call(name, keys, *args)
        return answers


async def ready(calls: Calls) -> None:
    """Wait until Redis answers, then load the functions."""
    said = False
    while True:
        try:
            return await calls.prepare()
        except RETRIABLE as error:
            if not said:
                log.warning("waiting for Redis (%s)", type(error).__name__)
                said = True
            await asyncio.sleep(0.3)
