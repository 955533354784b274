"""Server-sent events: the wire against the standard's words, and the connector against a server that behaves in every way allowed."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from fake_sse import FakeSse
from hypothesis import given
from hypothesis import strategies as st
from reading import read, texts

from connectors.connector import (
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Secret,
    Target,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
)
from connectors.event import Gap, Message, Unknown
from connectors.sse import EventStream, Options, ServerSent, Sse

# --- the wire ---------------------------------------------------------------------------------------------------------


def told(data, size=10**9, max_bytes=10**6):
    stream = EventStream(max_bytes)
    return [event for at in range(0, len(data), size) for event in stream.feed(data[at : at + size])], stream


def test_the_example_of_the_standard():
    data = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert told(data)[0] == [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")]


def test_several_lines_of_data_are_one_with_line_ends_between():
    assert told(b"data: YHOO\ndata: +2\ndata\ndata: 10\n\n")[0] == [("message", "YHOO\n+2\n\n10", "")]


def test_events_without_data_are_not_told_and_keep_neither_name_nor_data():
    assert told(b"event: ping\n\nevent: add\ndata: 1\n\ndata: 2\n\n")[0] == [("add", "1", ""), ("message", "2", "")]


def test_an_id_holds_until_the_next_one():
    events, stream = told(b"id: 7\ndata: a\n\ndata: b\n\nid: 8\n\n:\n\ndata: c\n\nid: 9\n")
    assert [event.id for event in events] == ["7", "7", "8"]
    assert stream.last_id == "9"


def test_an_id_with_a_null_and_a_retry_with_letters_are_ignored():
    events, stream = told(b"id: 1\nid: 2\0\nretry: 5s\nretry: \xd9\xa1\ndata: x\n\nretry: 2500\n")
    assert (events, stream.retry_seconds) == ([("message", "x", "1")], 2.5)


def test_what_is_not_finished_by_an_empty_line_is_not_told():
    assert told(b"data: half")[0] == told(b"data: half\n")[0] == []


def test_a_byte_order_mark_is_taken_off_once():
    assert told(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", 1)[0] == [("message", "a", "")]


def test_bytes_that_are_no_text_become_replacement_characters():
    assert told(b"data: \xff\xfe\n\n")[0] == [("message", "\ufffd\ufffd", "")]


@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_an_event_longer_than_allowed_is_unreadable(size):
    for data in (b"data: " + b"x" * 2000, b"data: x\n" * 1000):
        with pytest.raises(Unreadable, match="too_large"):
            told(data, size, max_bytes=1000)


def by_the_book(data):
    """The standard's text, read slowly: decode all, take off one mark, split, field by field."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _ = re.split("\r\n|\n|\r", text)
    events, name, parts, last = [], "", [], ""
    for line in lines:
        if line == "":
            if parts:
                events.append(ServerSent(name or "message", "\n".join(parts), last))
            name, parts = "", []
        elif not line.startswith(":"):
            field, value = line.split(":", 1) if ":" in line else (line, "")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                parts.append(value)
            elif field == "id" and "\0" not in value:
                last = value
    return events


PIECES = st.sampled_from(
    [b"data", b"data: ", b"data:\xc3\xa9\xf0\x9f\x91\x8b", b"id: 1", b"id", b"event: x", b"retry: 9", b":", b": c", b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r",
     b"\xef\xbb\xbf", b"\xf0\x9f", b"\xff", b" ", b"\0", b"q"]
)  # fmt: skip


@given(pieces=st.lists(PIECES, max_size=30), cuts=st.randoms(use_true_random=False))
def test_any_chunking_gives_the_events_of_the_book(pieces, cuts):
    data = b"".join(pieces)
    stream, events, at = EventStream(), [], 0
    while at < len(data):
        size = cuts.choice((0, 1, 1, 2, 5, 100))
        events += stream.feed(data[at : at + size])
        at += size
    assert events == by_the_book(data)


# --- the connector ----------------------------------------------------------------------------------------------------

PSEUDONYM = make_pseudonym(b"key of these tests")


def made(server, *targets, **options):
    tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1))
    chosen = {"url": server.url, "mark_every_seconds": 0.02, "open_seconds": 5.0, **options}
    return Sse(Options(**chosen), Watch(targets or [target("ana"), target("bo")]), tools)


def target(handle, cursor=None, covered=None, **more):
    return Target(livestream=f"sse:{handle}", handle=handle, resume=Resume(cursor=cursor, covered_until=covered), **more)


def has(*wanted):
    return lambda items: set(texts(items)) >= set(wanted)


def marked(cursor):
    return lambda items: any(isinstance(item, Mark) and item.cursor == cursor for item in items)


async def test_reading_goes_on_behind_the_last_id():
    async with FakeSse() as server:
        for n in range(5):
            await server.say("ana", f"{n}")
        items = await read(made(server, target("ana", "3", datetime.now(UTC))), has("3", "4"))
        assert server.asked[0]["Last-Event-ID"] == "3"
        assert texts(items) == ["3", "4"]
        assert not [item for item in items if isinstance(item, Gap)]


async def test_of_several_channels_the_one_that_is_furthest_behind_decides():
    now = datetime.now(UTC)
    async with FakeSse() as server:
        for n in range(5):
            await server.say("ana", f"{n}")
        behind = target("bo", "2", now - timedelta(seconds=9))
        await read(made(server, target("ana", "4", now), behind), has("2", "3", "4"))


async def test_a_quiet_channel_does_not_make_another_skip_what_it_missed():
    """Its own last word is older than what the other one's collector read last, but the place where it goes on is newer."""
    long_ago = datetime.now(UTC) - timedelta(seconds=60)
    async with FakeSse() as server:
        for n in range(5):
            await server.say("ana", f"{n}")
        quiet, talks = (target(handle, "1", long_ago) for handle in ("bo", "ana"))
        items = await read(made(server, quiet, talks), marked("5"))
        kept = next(item for item in items if isinstance(item, Mark) and item.cursor == "5")
        quiet = target("bo", kept.cursor, max(kept.covered_until or long_ago, long_ago))
        await read(made(server, quiet, target("ana", "3", long_ago + timedelta(seconds=30))), has("3", "4"))
        assert [asked["Last-Event-ID"] for asked in server.asked] == ["1", "3"]


async def test_a_server_that_cannot_resume_gives_a_gap_and_times_as_marks():
    covered = datetime.now(UTC) - timedelta(seconds=60)
    async with FakeSse() as server:
        server.gives_ids = False
        reader = asyncio.create_task(
            read(made(server, target("ana", None, covered)), lambda items: has("x")(items) and isinstance(items[-1], Mark))
        )
        await server.heard("ana")
        await server.say("ana", "x")
        items = await reader
    [gap] = [item for item in items if isinstance(item, Gap)]
    assert (gap.livestream, gap.from_) == ("sse:ana", covered)
    assert covered < gap.to <= datetime.now(UTC) + timedelta(seconds=1)
    assert items[-1].cursor is None
    assert items[-1].covered_until is not None


async def test_a_server_that_is_said_not_to_resume_is_not_asked_to():
    async with FakeSse() as server:
        reader = asyncio.create_task(read(made(server, target("ana", "1", datetime.now(UTC)), resumes=False), has("new")))
        await server.heard("ana")
        await server.say("ana", "new")
        items = await reader
    assert "Last-Event-ID" not in server.asked[0]
    assert [type(item) for item in items if isinstance(item, Gap)] == [Gap]


async def test_what_the_server_no_longer_keeps_is_a_gap():
    now = datetime.now(UTC)
    old = target("ana", "1", now - timedelta(seconds=100))
    async with FakeSse() as server:
        items = await read(made(server, old, lookback_seconds=30), lambda items: any(isinstance(item, Gap) for item in items))
    gap = items[-1]
    assert gap.from_ == now - timedelta(seconds=100 + Options().lateness_seconds), (
        "what came late before the cursor may be missing, too"
    )
    assert abs((gap.to - now).total_seconds() + 30) < 5


async def test_an_event_of_nobody_or_of_a_stranger_is_told_by_who_has_the_feed():
    async with FakeSse() as server:
        feed = Target(livestream="sse:feed", handle="")
        reader = asyncio.create_task(read(made(server, target("ana"), feed), has("nobody's")))
        await server.heard("ana")
        await server.say("eve", "not agreed to")
        await server.emit(b'{"type":"post","id":"p","text":"nobody\'s"}')
        items = await reader
    assert texts(items) == ["nobody's"]
    assert [item.livestream for item in items if isinstance(item, Message | Unknown)] == [None, None]


async def test_another_collectors_channel_is_left_to_it():
    async with FakeSse() as server:
        connector = made(server, target("ana"))
        connector.watch.directory = {"bo": "sse:bo"}
        reader = asyncio.create_task(read(connector, has("hers")))
        await server.heard("ana")
        await server.say("bo", "his")
        await server.say("ana", "hers")
        assert texts(await reader) == ["hers"]


async def test_a_room_is_one_channels_whatever_it_says():
    async with FakeSse() as server:
        url = server.url + "/{handle}?key={token}"
        connector = made(server, target("aña/1"), url=url, token=Secret("s3cret&"))
        assert connector.opts.capacity == 1
        reader = asyncio.create_task(read(connector, has("x")))
        await server.heard("")
        await server.say("whoever", "x")
        items = await reader
    assert server.paths == ["/events/a%C3%B1a%2F1?key=s3cret%26"]
    assert items[-1].livestream == "sse:aña/1"


async def test_a_channel_added_while_reading_is_read_from_then_on():
    async with FakeSse() as server:
        connector = made(server, target("ana"))
        added = Health(livestream="sse:bo", state="live")
        items = []
        async with asyncio.timeout(30), aclosing(connector.events()) as found:
            async for item in found:
                items.append(item)
                if len(items) == 1:
                    connector.watch.update([target("ana"), target("bo", None, datetime.now(UTC) - timedelta(seconds=30))])
                elif item == added:
                    await server.say("bo", "late")
                elif has("late")(items):
                    break
    assert [gap.livestream for gap in items if isinstance(gap, Gap)] == ["sse:bo"]


async def test_a_channel_that_comes_with_another_place_to_go_on_from_starts_the_connection_anew():
    async with FakeSse() as server:
        connector = made(server, target("ana"))
        reader = asyncio.create_task(read(connector))
        await server.heard("ana")
        await server.say("ana", "x")
        await server.say("ana", "y")
        await asyncio.sleep(0)
        connector.watch.update([target("ana"), target("bo", "1", datetime.now(UTC))])
        with pytest.raises(Dropped, match="another collector"):
            await asyncio.wait_for(reader, 30)


async def test_it_ends_when_nobody_is_watched_any_more():
    async with FakeSse() as server:
        connector = made(server, target("ana"))
        reader = asyncio.create_task(read(connector))
        await server.heard("ana")
        connector.watch.update([])
        assert [type(item) for item in await reader] == [Health]


async def test_no_content_means_stop():
    async with FakeSse() as server:
        server.status = 204
        with pytest.raises(Refused, match="nothing more"):
            await read(made(server))


async def test_a_page_instead_of_events_is_refused():
    async with FakeSse() as server:
        server.content_type = "text/html"
        with pytest.raises(Refused, match="text/html"):
            await read(made(server))


@pytest.mark.parametrize(("status", "failure"), [(301, Refused), (404, Refused), (500, Dropped), (502, Dropped)])
async def test_each_status_gives_its_failure(status, failure):
    async with FakeSse() as server:
        server.status = status
        with pytest.raises(failure):
            await read(made(server))


async def test_a_server_that_asks_for_patience_gets_it():
    async with FakeSse() as server:
        server.first = b"retry: 30000\n\n"
        reader = asyncio.create_task(read(made(server)))
        await server.heard("ana")
        await server.end()
        with pytest.raises(Throttled) as throttled:
            await reader
    assert 0 < (throttled.value.until - datetime.now(UTC)).total_seconds() <= 30


async def test_a_server_that_ends_in_good_order_is_asked_again():
    async with FakeSse() as server:
        server.first = b"retry: 3000\n\n"
        reader = asyncio.create_task(read(made(server)))
        await server.heard("ana")
        await server.end()
        with pytest.raises(Dropped, match="ended"):
            await reader


async def test_silence_is_a_drop_and_a_comment_is_no_silence():
    async with FakeSse() as server:
        reader = asyncio.create_task(read(made(server, idle_seconds=1.5)))
        await server.heard("ana")
        for _ in range(40):  # longer than the silence, at a distance that a busy machine does not make as long as it
            await asyncio.sleep(0.05)
            await server.raw(b":thump\n\n")
        assert not reader.done()
        with pytest.raises(Dropped, match="in time"):
            await reader


async def test_an_event_without_end_is_a_drop():
    async with FakeSse() as server:
        reader = asyncio.create_task(read(made(server, max_bytes=1000)))
        await server.heard("ana")
        await server.raw(b"data: " + b"x" * 2000)
        with pytest.raises(Dropped, match="max_bytes"):
            await reader


async def test_the_id_of_the_event_is_the_id_of_what_has_none_itself():
    async with FakeSse() as server:
        connector = made(
            server,
            target("ana"),
            map={"text": "/text", "channel": "/channel", "kind": "@/event", "type_map": {"message": "message"}},
        )
        reader = asyncio.create_task(read(connector, lambda items: len(texts(items)) == 2))
        await server.heard("ana")
        await server.emit(b'{"text":"hi","channel":"ana"}')
        await server.emit(b'{"text":"hi","channel":"ana"}')
        ids = [item.id for item in await reader if isinstance(item, Message)]
    assert len(set(ids)) == 2
    assert ids[0].startswith("sse:1:")


@pytest.mark.parametrize(("header", "sent"), [("Authorization", "Bearer s3cret"), ("X-Key", "s3cret")])
async def test_the_token_goes_where_the_server_wants_it(header, sent):
    async with FakeSse() as server:
        await read(made(server, token=Secret("s3cret"), token_header=header), lambda _: True)
        assert server.asked[0][header] == sent


async def test_without_an_address_a_person_must_act():
    connector = Sse(Options(section="sse.mysite"), Watch([target("ana")]), Tools(pseudonym=PSEUDONYM))
    with pytest.raises(Refused, match=r"\[sse\.mysite\]"):
        await read(connector)


async def test_a_server_that_the_roster_names_must_be_public():
    """Port 80 of this machine: a roster row must not make us ask it."""
    connector = Sse(Options(url="http://{handle}/events"), Watch([target("127.0.0.1")]), Tools(pseudonym=PSEUDONYM))
    with pytest.raises(Refused, match="private"):
        await read(connector)


async def test_a_section_names_the_platform_of_its_events():
    async with FakeSse() as server:
        connector = made(server, Target(livestream="sse.mysite:ana", handle="ana"), section="sse.mysite")
        reader = asyncio.create_task(read(connector, has("x")))
        await server.heard("ana")
        await server.say("ana", "x")
        message = (await reader)[-1]
    assert (message.platform, message.id, message.livestream) == ("sse.mysite", "sse.mysite:c1", "sse.mysite:ana")


@pytest.mark.parametrize(("url", "feeds"), [("https://a.example/x", True), ("https://a.example/{handle}", False), ("", False)])
def test_what_is_a_feed(url, feeds):
    assert Sse.feeds({"url": url}) is feeds
