"""An answer that stops being HTTP in its middle ends at once, for whoever reads it: aiohttp alone would let them wait for ever."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from connectors.connector import Dropped, Secret, Target, Tools, Watch, make_pseudonym
from connectors.event import Message
from connectors.rest import Ask, client, end_with_connection, send
from connectors.sse import Options, Sse
from connectors.youtube.api import Api
from connectors.youtube.quota import Ledger

TOOLS = Tools(pseudonym=make_pseudonym(b"rest"))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b'data: {"text":"a"}\n\n'
ENDS = [b"no chunk\r\n", b"\x00\xff" * 50, b"zz\r\nxx\r\n", b"5\r\nab", b""]
NAMES = ["words", "bytes", "no number", "half a chunk", "nothing"]


@asynccontextmanager
async def server(rest: bytes, *, close: bool):
    """(address, go): says HEAD and one chunk, and after ``go`` what is no HTTP; it closes or leaves that to us."""
    over, go = asyncio.Event(), asyncio.Event()

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + f"{len(FIRST):x}\r\n".encode() + FIRST + b"\r\n")
        await go.wait()
        writer.write(rest)
        await writer.drain()
        if close:
            writer.close()
        await over.wait()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", go
    finally:
        go.set()
        over.set()
        listening.close()


@pytest.mark.parametrize("rest", ENDS, ids=NAMES)
async def test_an_event_source_that_breaks_off_is_dropped_at_once(rest):
    async with server(rest, close=True) as (url, go):
        options = Options(url=url, idle_seconds=0)
        connector = Sse(options, Watch([Target(livestream="sse:feed", handle="")]), TOOLS)
        found = []

        async def read():
            async with asyncio.timeout(30), aclosing(connector.events()) as items:
                async for item in items:
                    found.append(item)
                    if isinstance(item, Message):
                        go.set()

        with pytest.raises(Dropped):
            await read()
    assert [item.text for item in found if isinstance(item, Message)] == ["a"]


@pytest.mark.parametrize("rest", ENDS[:3], ids=NAMES[:3])
async def test_it_need_not_even_close(rest):
    async with server(rest, close=False) as (url, go), client() as session, session.get(url) as response:
        content = end_with_connection(response).content
        assert await content.readany() == FIRST
        go.set()
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(content.readany(), 30)


@pytest.mark.parametrize("rest", ENDS, ids=NAMES)
async def test_the_held_response_of_youtube_ends_too(rest):
    async with server(rest, close=True) as (url, go):
        ledger = Ledger(units_per_day=100, reserve=0)

        async def read():
            async with (
                asyncio.timeout(30),
                Api(url, Secret("k"), ledger, TOOLS, open_seconds=10, proxy=None) as api,
                api.held("x", {}) as body,
            ):
                while await body.readany():
                    go.set()

        with pytest.raises(Dropped):
            await read()


async def test_an_answer_that_ends_as_it_should_is_whole():
    async with server(b"0\r\n\r\n", close=True) as (url, go), client() as session:
        go.set()
        reply = await send(session, Ask(url=url), within_seconds=10)
        assert reply.body == FIRST
        async with session.get(url) as response:
            assert await end_with_connection(response).read() == FIRST
