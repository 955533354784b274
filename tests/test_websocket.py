"""The generic websocket: what it says and when, how frames are cut, and the connector against a server that resumes only when asked."""

from __future__ import annotations

import asyncio
import json
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from fake_websocket import FakeWebsocket
from hypothesis import given
from hypothesis import strategies as st
from reading import read, texts

from connectors.connector import Dropped, Mark, Refused, Resume, Secret, Target, Tools, Watch, make_pseudonym
from connectors.event import Gap
from connectors.talk import Talk, cut, resumed
from connectors.websocket import Options, Websocket

ANA = Target(livestream="websocket:ana", handle="ana", native_id="7")
BO = Target(livestream="websocket:bo", handle='b"o')

# --- talking: pure ----------------------------------------------------------------------------------------------------


def talk(cursor=None, **options):
    return Talk(Options(**options), 100.0, cursor)


def documents(pieces):
    return [piece.data for piece in pieces]


def test_frames_about_a_channel_are_said_for_each_and_the_others_once():
    said = talk(token=Secret('k"y')).frames(
        ['{"token":"{token}"}', '{"subscribe":"{handle}","id":"{native_id}"}'],
        [ANA, BO, Target(livestream="websocket:feed", handle="")],
    )
    assert [json.loads(frame) for frame in said] == [
        {"token": 'k"y'},
        {"subscribe": "ana", "id": "7"},
        {"subscribe": 'b"o', "id": 'b"o'},
    ]


def test_the_servers_own_ping_is_answered_and_is_no_message():
    pieces, answers = talk(ping_reply={"match": "{}", "send": "{}"}, split="newline").receive(b'{}\n{"a":1}\n', 100.0)
    assert (documents(pieces), answers) == ([b'{"a":1}'], ["{}"])


def test_a_heartbeat_is_said_in_time_and_its_answer_is_waited_for():
    conversation = talk(heartbeat={"every": 30, "send": "ping", "expect": "pong"})
    assert conversation.due() == 130.0
    assert conversation.tick(129.9) == []
    assert conversation.tick(130.0) == ["ping"]
    assert conversation.due() == 160.0
    assert conversation.receive(b" pong\n", 131.0) == ([], [])
    assert conversation.tick(160.0) == ["ping"]
    with pytest.raises(Dropped, match="heartbeat"):
        conversation.tick(190.0)


def test_a_heartbeat_without_an_expected_answer_goes_on():
    conversation = talk(heartbeat={"every": 10, "send": "h"})
    assert [conversation.tick(t) for t in (110.0, 120.0, 130.0)] == [["h"]] * 3


def test_too_long_a_silence_is_a_drop():
    conversation = talk(idle_seconds=20)
    conversation.receive(b"x", 110.0)
    assert conversation.due() == 130.0
    assert conversation.tick(129.0) == []
    with pytest.raises(Dropped, match="too long"):
        conversation.tick(130.0)


def test_without_timers_nothing_is_due():
    assert talk().due() == math.inf


def test_the_cursor_is_the_newest_number_in_whatever_order_they_come():
    conversation = talk(resume={"query": "cursor", "from": "/us"})
    cursors = [
        conversation.receive(frame, 100.0)[0][0].cursor for frame in (b'{"us":9}', b'{"us":10}', b'{"us":8}', b'{"x":1}', b"?")
    ]
    assert cursors == ["9", "10", "10", "10", "10"]


def test_a_cursor_that_is_no_number_is_the_last_one():
    conversation = talk(resume={"query": "after", "from": "/id"}, cursor="b")
    assert [piece.cursor for frame in (b'{"id":"z"}', b'{"id":"a"}') for piece in conversation.receive(frame, 1.0)[0]] == [
        "z",
        "a",
    ]


def test_of_a_list_the_last_one_is_the_cursor():
    conversation = talk(resume={"query": "c", "from": "/n"}, split="json_array")
    assert conversation.receive(b'[{"n":1},{"n":2}]', 1.0)[0][0].cursor == "2"


@pytest.mark.parametrize(
    ("url", "cursor", "address"),
    [
        ("wss://a.example/x", None, "wss://a.example/x"),
        ("wss://a.example/x", "12000000", "wss://a.example/x?cursor=7000000"),
        ("wss://a.example/x?k=1", "12000000", "wss://a.example/x?k=1&cursor=7000000"),
        ("wss://a.example/x", "3", "wss://a.example/x?cursor=0"),
        ("wss://a.example/x", "a&b", "wss://a.example/x?cursor=a%26b"),
    ],
)
def test_the_address_goes_on_at_the_cursor(url, cursor, address):
    assert resumed(url, {"query": "cursor", "from": "/us", "minus": 5_000_000}, cursor) == address


@given(lines=st.lists(st.binary(min_size=1, max_size=10).filter(lambda line: b"\n" not in line and line.strip()), max_size=5))
def test_lines_of_a_frame_are_its_documents(lines):
    assert cut(b"\n".join(lines), "newline") == lines
    assert cut(b"\n".join(lines), "none") == [b"\n".join(lines)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heartbeat": {"evry": 5}}, 'heartbeat: unknown "evry"; known are: every, expect, send'),
        ({"heartbeat": {"every": 5}}, "heartbeat: expected every and send"),
        ({"heartbeat": {"every": 0, "send": "x"}}, "heartbeat every: expected a number"),
        ({"ping_reply": {"match": "{}"}}, "ping_reply: expected match and send"),
        ({"resume": {"query": "c", "from": "us"}}, "map resume from: expected a JSON pointer"),
        ({"resume": {"query": "c", "from": "/us", "minus": "5"}}, "resume minus: expected a whole number"),
        ({"map": {"txt": "/text"}}, 'did you mean "text"?'),
    ],
)
def test_a_mistake_in_the_templates_is_one_sentence(options, says):
    with pytest.raises(ValueError) as mistake:
        Options(**options)
    assert says in str(mistake.value)


# --- the connector ----------------------------------------------------------------------------------------------------


def made(server, *targets, **options):
    tools = Tools(pseudonym=make_pseudonym(b"key of these tests"), dice=random.Random(1))
    return Websocket(Options(**{"url": server.url, "mark_every_seconds": 0.02, **options}), Watch(targets or [ANA]), tools)


RESUME = {"query": "since", "from": "/seq", "minus": 1}


async def test_reading_goes_on_at_the_cursor_where_the_server_has_one():
    async with FakeWebsocket() as server:
        for n in range(5):
            await server.say("ana", f"{n}")
        ana = Target(livestream="websocket:ana", handle="ana", resume=Resume(cursor="4", covered_until=datetime.now(UTC)))
        items = await read(
            made(server, ana, resume=RESUME), lambda items: texts(items)[-1:] == ["4"] and isinstance(items[-1], Mark)
        )
        assert server.asked[0].path == "/socket?since=3"
    assert texts(items) == ["3", "4"]
    assert items[-1].cursor == "5"
    assert not [item for item in items if isinstance(item, Gap)]


async def test_channels_are_subscribed_to_and_left_while_reading():
    async with FakeWebsocket() as server:
        connector = made(server, ANA, on_open=("hello {token}", "+{handle}"), on_leave=("-{handle}",), token=Secret("k"))
        reader = asyncio.create_task(read(connector, lambda items: "end" in texts(items)))
        await server.until(lambda: len(server.heard_frames) == 2)
        connector.watch.update([Target(livestream="websocket:cy", handle="cy")])
        await server.until(lambda: len(server.heard_frames) == 4)
        await server.say("cy", "end")
        await reader
    assert server.heard_frames == ["hello k", "+ana", "-ana", "+cy"]


async def test_heartbeats_and_answers_are_really_sent():
    async with FakeWebsocket() as server:
        connector = made(server, heartbeat={"every": 0.05, "send": "beat"}, ping_reply={"match": "p?", "send": "p!"})
        reader = asyncio.create_task(read(connector))
        await server.until(lambda: server.heard_frames.count("beat") >= 2)
        await server.emit(b"p?")
        await server.until(lambda: "p!" in server.heard_frames)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def test_a_heartbeat_that_nobody_answers_is_a_drop():
    async with FakeWebsocket() as server:
        with pytest.raises(Dropped, match="heartbeat"):
            await read(made(server, heartbeat={"every": 0.05, "send": "beat", "expect": "back"}))


async def test_the_token_and_headers_are_sent_with_the_handshake():
    async with FakeWebsocket() as server:
        await read(
            made(server, token=Secret("s3cret"), headers={"X-A": "b"}, origin="https://a.example", subprotocols=("json",)),
            lambda _: True,
        )
    headers = server.asked[0].headers
    assert (headers["Authorization"], headers["X-A"], headers["Origin"]) == ("Bearer s3cret", "b", "https://a.example")
    assert headers["Sec-WebSocket-Protocol"] == "json"


async def test_a_token_in_the_address_is_not_in_a_header_too():
    async with FakeWebsocket() as server:
        await read(made(server, url=server.url + "?t={token}", token=Secret("a/b")), lambda _: True)
    assert server.asked[0].path == "/socket?t=a%2Fb"
    assert "Authorization" not in server.asked[0].headers


async def test_a_gap_and_then_times_where_the_server_cannot_go_on():
    covered = datetime.now(UTC) - timedelta(minutes=1)
    ana = Target(livestream="websocket:ana", handle="ana", resume=Resume(cursor="4", covered_until=covered))
    async with FakeWebsocket() as server:
        items = await read(made(server, ana), lambda items: isinstance(items[-1], Mark))
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert (gap.from_, gap.livestream) == (covered - timedelta(seconds=Options().lateness_seconds), "websocket:ana")
    assert items[-1].cursor is None


async def test_an_address_that_is_none_needs_a_person():
    async with FakeWebsocket() as server:
        with pytest.raises(Refused):
            await read(made(server, url="https://example.org"))
