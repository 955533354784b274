"""What an attendee writes leads to public servers only: a server on this machine counts the connections it gets, and gets none."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from connectors import safehost
from connectors.connector import ConnectorFailure, Refused, Target, Tools, Watch, make_pseudonym
from connectors.owncast import Options as OwncastOptions
from connectors.owncast import Owncast
from connectors.rest import Ask, send
from connectors.sse import Options as SseOptions
from connectors.sse import Sse

TOOLS = Tools(pseudonym=make_pseudonym(b"ssrf"))
HOSTS = [
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7F.1",
    "0177.0.0.1", "017700000001", "0177.0.0.0x1", "127.0.0.1.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "①②⑦.⓪.⓪.①", "127。0。0。1", "1.1.1.1@127.0.0.1", "user:word@127.0.0.1", "1.1.1.1%40127.0.0.1",
    "1.1.1.1#@127.0.0.1", "1.1.1.1\\@127.0.0.1", "127.0.0.1\t", "127.0.0.1%2f", "169.254.169.254", "10.0.0.1", "[fd00::1]", "[fe80::1%25lo]",
]  # fmt: skip


@asynccontextmanager
async def listening(host: str = "127.0.0.1", answer: bytes = b"", port: int = 0):
    """(port, connections): everything that knocks is noted."""
    knocked: list[object] = []

    async def note(reader, writer):
        knocked.append(writer.get_extra_info("peername"))
        if answer:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(note, host, port)
    try:
        yield server.sockets[0].getsockname()[1], knocked
    finally:
        server.close()


async def outcome(connector) -> str:
    try:
        async with asyncio.timeout(30), aclosing(connector.events()) as items:
            async for item in items:
                if getattr(item, "state", "") == "live":
                    return "live"
    except ConnectorFailure as failure:
        return type(failure).__name__
    return "ended"


def readers(place: str, **options):
    """Both kinds of connectors that go where a roster says."""
    owncast = Watch([Target(livestream="x", handle=place if "://" in place else f"http://{place}")])
    host, _, port = place.rpartition("://")[2].rpartition(":")
    sse = Watch([Target(livestream="x", handle=host)])
    template = f"http://{{handle}}:{port}/events"
    return Owncast(OwncastOptions(**options), owncast, TOOLS), Sse(SseOptions(url=template, **options), sse, TOOLS)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
async def test_no_server_inside_is_reached_by_what_a_roster_says(host, scheme, monkeypatch):
    async with listening() as (port, knocked):
        # Its port is allowed here, so that only the address itself can be why nobody comes.
        monkeypatch.setattr(safehost, "PORTS", frozenset({80, 443, port}))
        for connector in readers(f"{scheme}{host}:{port}"):
            assert await outcome(connector) in {"Refused", "Dropped"}
        assert knocked == []


async def test_where_private_servers_are_allowed_the_same_one_is_reached():
    """So that the silence above means something."""
    async with listening() as (port, knocked):
        for connector in readers(f"127.0.0.1:{port}", allow_private=True):
            before = len(knocked)
            assert await outcome(connector) == "Dropped"
            assert len(knocked) > before


async def test_a_name_that_answers_differently_the_second_time_is_not_asked_again(monkeypatch):
    """What was looked at is what is connected to: here a server on 127.0.0.2, while the name has become 127.0.0.1."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with listening("127.0.0.2", reply) as (port, first), listening("127.0.0.1", reply, port) as (_, second):
        monkeypatch.setattr(safehost, "PORTS", frozenset({port}))
        asked = []

        async def lookup(host, port):
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.2" if len(asked) == 1 else "127.0.0.1", port))]

        address = await safehost.resolve("localhost", port, allow_private=True, lookup=lookup)
        async with safehost.client(address) as session:
            for _ in range(3):
                assert (await send(session, Ask(url=f"http://localhost:{port}/"), within_seconds=10)).body == b"ok"
    assert (len(asked), len(first), second) == (1, 3, [])


async def test_a_name_with_one_address_inside_is_refused_before_anybody_is_asked():
    for inside in ("127.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254", "64:ff9b::a00:1"):

        async def lookup(_host, port, inside=inside):
            return [(2, 1, 6, "", ("1.1.1.1", port)), (2, 1, 6, "", (inside, port))]

        with pytest.raises(Refused):
            await safehost.resolve("rebind.example", 443, lookup=lookup)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_server_that_sends_us_elsewhere_is_not_followed(status):
    async with listening() as (inside, knocked):
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{inside}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening("127.0.0.2", head) as (port, asked):
            for connector in readers(f"127.0.0.2:{port}", allow_private=True):
                assert await outcome(connector) in {"Refused", "Dropped"}
        assert len(asked) >= 2
    assert knocked == []
