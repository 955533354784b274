"""What connectors remember: shared, atomic, and never a reason to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from monitor.memory import RedisMemory
from monitor.redis_client import make_client


class Wire:
    """A client whose server can be away; an addition may be done although its answer is lost."""

    def __init__(self, client):
        self.client = client
        self.away = False
        self.mute = False

    def __getattr__(self, name):
        async def call(*args):
            if self.away:
                raise RedisConnectionError("away")
            answer = await getattr(self.client, name)(*args)
            if self.mute:
                raise RedisConnectionError("lost on the way back")
            return answer

        return call


@pytest.fixture
async def wire(valkey, redis_client):
    client = make_client(valkey)
    yield Wire(client)
    await client.aclose()


async def test_two_processes_share_what_they_remember(wire):
    one, two = RedisMemory(wire), RedisMemory(wire)
    assert await one.get("page") is None
    await one.put("page", "abc")
    assert await two.get("page") == "abc"
    await two.put("page", "def")
    assert await one.get("page") == "def"


async def test_however_many_add_at_once_every_sum_is_given_once(wire):
    memories = [RedisMemory(wire) for _ in range(4)]
    sums = await asyncio.gather(*(memory.add("units", 5) for memory in memories for _ in range(10)))
    assert sorted(sums) == list(range(5, 205, 5))
    assert await memories[0].get("units") == "200"


async def test_while_redis_is_away_it_goes_on_from_what_it_knew_and_adds_it_later(wire):
    one, two = RedisMemory(wire), RedisMemory(wire)
    await one.add("units", 10)
    await one.put("page", "abc")
    wire.away = True
    assert await one.add("units", 5) == 15
    assert await one.add("units", 5) == 20
    assert await one.get("units") == "20"
    await one.put("page", "def")
    assert await one.get("page") == "def"
    wire.away = False
    assert await two.get("units") == "10"
    assert await one.add("units", 1) == 21
    assert await two.get("units") == "21"
    assert await one.get("page") == "def"
    assert await two.get("page") == "def"


async def test_a_sum_whose_answer_was_lost_is_never_too_small(wire):
    one = RedisMemory(wire)
    wire.mute = True
    await one.add("units", 7)
    wire.mute = False
    assert await one.add("units", 1) >= 8


async def test_a_connector_that_was_told_to_end_while_it_remembered_ends():
    """redis-py loses the word when it comes in the moment in which the command was sent (monitor/stopping.py)."""
    sending = asyncio.Event()

    class Deaf:
        async def hmget(self, *_):
            with suppress(asyncio.CancelledError):
                sending.set()
                await asyncio.Event().wait()
            return [b"7"]

    connector = asyncio.create_task(RedisMemory(Deaf()).get("spent"))
    await sending.wait()
    connector.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connector
