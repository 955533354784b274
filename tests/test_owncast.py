"""Owncast: its frames and webhooks are the same events, and an attendee's address leads nowhere that is not public."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import orjson
import pytest
from fake_owncast import FakeOwncast
from hypothesis import given
from hypothesis import strategies as st

from connectors import owncast
from connectors.connector import Dropped, Refused, Request, Resume, Secret, Target, Tools, Watch, make_pseudonym
from connectors.event import Follow, Join, Message, Reaction, Removed, Share, Status, Unknown, Viewers
from connectors.owncast import Options, Owncast, OwncastHook, base_of
from connectors.safehost import NOT_PUBLIC, is_public, resolve
from monitor.handles import BadHandle, normalise

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"key of these tests"), now=lambda: NOW)
USER = {"id": "u1", "displayName": "Ana", "isBot": False}
CHAT = {
    "id": "c1",
    "timestamp": "2026-10-16T11:59:58.123456789Z",
    "body": "<p>hi <b>you</b></p>",
    "user": USER,
    "type": "CHAT",
    "visible": True,
}


def parse(document):
    return Owncast.parse(orjson.dumps(document), TOOLS)


def hooked(document, path="s3cret/live.example.org", directory=None):
    receiver = OwncastHook(
        Options(secret=Secret("s3cret")),
        {"live.example.org": "owncast:live.example.org"} if directory is None else directory,
        TOOLS,
    )
    return receiver.receive(Request(body=orjson.dumps(document), path=path), NOW)


def test_a_message_by_websocket_and_by_webhook_is_one():
    [by_socket] = parse(CHAT)
    data = {name: value for name, value in CHAT.items() if name != "type"}
    [by_hook] = hooked({"type": "CHAT", "eventData": {**data, "rawBody": "hi **you**", "clientId": 51}}).events
    assert isinstance(by_socket, Message)
    assert (by_socket.id, by_socket.text, by_socket.author, by_socket.at) == (
        by_hook.id,
        by_hook.text,
        by_hook.author,
        by_hook.at,
    )
    assert by_socket.text == "hi you"
    assert by_hook.livestream == "owncast:live.example.org"


@pytest.mark.parametrize(
    ("document", "kinds"),
    [
        ({"type": "VISIBILITY-UPDATE", "ids": ["c1", "c2"], "visible": False}, [Removed, Removed]),
        ({"type": "VISIBILITY-UPDATE", "ids": ["c1"], "visible": True}, []),
        ({"type": "VISIBILITY-UPDATE", "eventData": {"MessageIDs": ["c1"], "Visible": False, "user": None}}, [Removed]),
        ({"type": "VISIBILITY-UPDATE", "eventData": {"MessageIDs": ["c1"], "Visible": True}}, []),
        ({**CHAT, "visible": False}, []),
        ({**CHAT, "user": {**USER, "isBot": True}}, []),
        ({"type": "USER_JOINED", "id": "j", "user": USER}, [Join]),
        ({"type": "FEDIVERSE_ENGAGEMENT_FOLLOW", "id": "f", "title": "cy@example.org"}, [Follow]),
        ({"type": "FEDIVERSE_ENGAGEMENT_LIKE", "id": "f", "title": "cy@example.org"}, [Reaction]),
        ({"type": "FEDIVERSE_ENGAGEMENT_REPOST", "id": "f", "title": "cy@example.org"}, [Share]),
        ({"type": "STREAM_STARTED", "eventData": {"id": "s"}}, [Status]),
        ({"type": "STREAM_STOPPED", "eventData": {"id": "s"}}, [Status]),
        ({"type": "STREAM_STARTED", "eventData": {"id": "s", "status": {"viewerCount": 3}}}, [Status, Viewers]),
        ({"online": True, "viewerCount": 12, "overallMaxViewerCount": 30}, [Viewers]),
        ({**CHAT, "hiddenAt": "2026-10-17T12:00:00Z"}, []),
        ({"type": "CHAT_DISABLED"}, []),
        ({"type": "SYSTEM", "body": "Welcome"}, []),
        ({"type": "NAME_CHANGE", "newName": "x"}, []),
        ({"type": "PING"}, []),
        ({"type": "ERROR_MAX_CONNECTIONS_EXCEEDED"}, [Unknown]),
    ],
)
def test_each_kind(document, kinds):
    assert [type(event) for event in parse(document)] == kinds


def test_a_like_from_the_fediverse_is_its_authors_and_not_the_servers():
    [like] = parse(
        {"type": "FEDIVERSE_ENGAGEMENT_LIKE", "id": "f", "title": "cy@example.org", "user": {"displayName": "My server"}}
    )
    assert like.author_name == "cy@example.org"


def test_several_documents_in_a_frame():
    frame = b"\n".join((orjson.dumps({"type": "PING"}), orjson.dumps(CHAT), b"{broken", orjson.dumps({**CHAT, "id": "c2"})))
    assert [type(event) for event in Owncast.parse(frame, TOOLS)] == [Message, Unknown, Message]


@pytest.mark.parametrize(
    ("path", "status"),
    [("s3cret/live.example.org", 200), ("s3cret", 404), ("s3cret/", 404), ("other/live.example.org", 403), ("", 401)],
)
def test_the_address_of_a_webhook_says_who_and_whose(path, status):
    answer = hooked({"type": "CHAT", "eventData": CHAT}, path)
    assert answer.status == status
    assert bool(answer.events) is (status == 200)


def test_a_server_that_is_not_in_the_roster_is_not_read():
    [event] = hooked({"type": "CHAT", "eventData": CHAT}, directory={}).events
    assert isinstance(event, Unknown)


# --- the server that the roster names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pasted", "handle", "base"),
    [
        ("https://Live.Example.org/", "live.example.org", "https://live.example.org"),
        ("live.example.org", "live.example.org", "https://live.example.org"),
        ("live.example.org:8443", "live.example.org:8443", "https://live.example.org:8443"),
        ("https://live.example.org:443/embed/video", "live.example.org", "https://live.example.org"),
        ("http://live.example.org", "live.example.org:80", "http://live.example.org:80"),
        ("live.example.org:8080", "live.example.org:8080", "http://live.example.org:8080"),
        ("http://live.example.org:9000", "http://live.example.org:9000", "http://live.example.org:9000"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_address_as_people_paste_it(pasted, handle, base):
    assert normalise("owncast", pasted) == handle
    assert base_of(handle) == base
    assert normalise("owncast", handle) == handle


@pytest.mark.parametrize(
    "pasted",
    [
        "https://user:pass@live.example.org",
        "file:///etc/passwd",
        "https://a_b",
        "ftp://a.example",
        "a b",
        "x:99999",
        "https://exa mple.org",
        "a.example@b",
    ],
)
def test_what_is_no_address_of_a_server(pasted):
    with pytest.raises(BadHandle):
        normalise("owncast", pasted)


INSIDE = [
    "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255",
    "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "2001:0:1::", "2001:db8::1", "fec0::1", "192.0.0.8", "", "localhost", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]
)
def test_addresses_outside_are(address):
    assert is_public(address)


def answering(*addresses):
    async def lookup(host, port):
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    return lookup


@given(
    inside=st.sampled_from([address for address in INSIDE if address]),
    outside=st.lists(st.sampled_from(["1.1.1.1", "2606:4700:4700::1111"]), max_size=2),
    at=st.integers(0, 2),
)
def test_one_address_inside_among_others_is_enough_to_refuse(inside, outside, at):
    outside.insert(at, inside)
    with pytest.raises(Refused, match="private network"):
        asyncio.run(resolve("live.example.org", 443, lookup=answering(*outside)))


async def test_what_was_looked_at_is_what_is_connected_to():
    assert await resolve("live.example.org", 443, lookup=answering("2606:4700:4700::1111", "1.1.1.1")) == "1.1.1.1"
    assert await resolve("inside.example.org", 9000, allow_private=True, lookup=answering("10.0.0.1")) == "10.0.0.1"


@pytest.mark.parametrize("port", [22, 25, 6379, 9090])
async def test_other_services_are_not_asked(port):
    with pytest.raises(Refused, match=f"port {port}"):
        await resolve("live.example.org", port, lookup=answering("1.1.1.1"))


async def test_a_name_that_does_not_exist_is_tried_again():
    async def nowhere(host, port):
        raise OSError("no such name")

    for lookup in (nowhere, answering()):
        with pytest.raises(Dropped):
            await resolve("nowhere.example", 443, lookup=lookup)


def watching(server):
    return Watch([Target(livestream="owncast:x", handle=server, resume=Resume())])


@pytest.mark.parametrize(
    "handle", ["127.0.0.1:80", "localhost:8080", "[::1]:80", "2130706433:80", "0x7f.1:80", "http://127.0.0.1:8080"]
)
async def test_a_server_inside_is_never_connected_to(handle, monkeypatch):
    monkeypatch.setattr(owncast.safehost, "client", lambda *_, **__: pytest.fail("a connection was made"))
    with pytest.raises(Refused, match=NOT_PUBLIC.split(";")[0]):
        await anext(Owncast(Options(), watching(handle), TOOLS).events())


async def test_the_origin_is_the_servers_own_and_the_token_the_registered_one():
    async with FakeOwncast() as server:
        connector = Owncast(server.options(), watching(server.url), TOOLS)
        async with asyncio.timeout(30), aclosing(connector.events()) as items:
            await anext(items)
    assert server.origins == [server.url]
    assert server.tokens == ["tok/en=0"]


async def test_what_is_no_owncast_server_is_dropped():
    from aiohttp import web

    async def page(_):
        return web.Response(text="<html>")

    app = web.Application()
    app.router.add_post("/api/chat/register", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with pytest.raises(Dropped, match="no Owncast"):
        await anext(Owncast(Options(allow_private=True), watching(url), TOOLS).events())
    await runner.cleanup()
