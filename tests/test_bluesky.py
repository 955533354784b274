"""Bluesky: each captured frame gives exactly its event, and no post between two sockets is lost or passed on for another's."""

from __future__ import annotations

import dataclasses
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from fake_bluesky import FakeBluesky, did_of
from fakes import Faults
from hypothesis import given
from hypothesis import strategies as st
from reading import Heard, texts

from connectors.bluesky import Bluesky, Options, microseconds
from connectors.bluesky.passed import FAST_CLOCK_US, Passed, written_us
from connectors.bluesky.wire import Reading, Record, fold, parse_frame, tags_of
from connectors.connector import (
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Target,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
)
from connectors.event import Gap, Message, Removed, Unknown

CAPTURES = Path(__file__).parent / "captures" / "bluesky"
NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"test key")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW, dice=random.Random(1))
ANA = "did:plc:aaaabbbbccccddddeeeeffff"
STRANGER = "did:plc:gggghhhhiiiijjjjkkkkllll"


def capture(name):
    return (CAPTURES / f"{name}.json").read_bytes().rstrip()


def moment(seconds, micro=0):
    return datetime.fromtimestamp(1792240200 + seconds, UTC) + timedelta(microseconds=micro)


# --- frames -----------------------------------------------------------------------------------------------------------


def test_a_post_is_a_message_with_the_servers_time():
    """``createdAt`` in the capture is from 2001 and must not be believed."""
    assert Bluesky.parse(capture("post"), TOOLS) == [
        Message(
            id=f"bluesky:at://{ANA}/app.bsky.feed.post/3m3pqrstuvx22",
            platform="bluesky",
            livestream=f"bluesky:{ANA}",
            at=moment(0, 123456),
            received_at=NOW,
            author=PSEUDONYM("bluesky", ANA),
            text="Que carro silencioso 🚗 <3",
            form="post",
            language="pt",
            url=f"https://bsky.app/profile/{ANA}/post/3m3pqrstuvx22",
            links=("https://example.org/",),
        )
    ]


def test_a_reply_is_a_post_that_names_its_parent_not_the_root():
    [event] = Bluesky.parse(capture("reply"), TOOLS)
    assert (event.form, event.reply_to) == ("post", f"bluesky:at://{STRANGER}/app.bsky.feed.post/3m3pqrstuvx2a")
    assert event.language is None


def test_a_deletion_names_the_message_it_takes_back():
    [message], [removed] = Bluesky.parse(capture("post"), TOOLS), Bluesky.parse(capture("delete"), TOOLS)
    assert removed == Removed(
        id=f"{message.id}:deleted:3m3pqrstuvw25",
        platform="bluesky",
        livestream=message.livestream,
        at=moment(3),
        received_at=NOW,
        target=message.id,
    )


def test_an_edit_is_no_second_post():
    [event] = Bluesky.parse(capture("update"), TOOLS)
    assert isinstance(event, Unknown)
    assert event.name == "update"


def test_a_taken_down_account_takes_back_all_of_its_author_until_then():
    [event] = Bluesky.parse(capture("account"), TOOLS, livestreams={ANA: "ana"})
    assert isinstance(event, Removed)
    assert (event.livestream, event.target, event.target_author) == ("ana", None, PSEUDONYM("bluesky", ANA))
    assert (event.from_, event.to) == (datetime(1970, 1, 1, tzinfo=UTC), moment(6))  # counting asks for both ends


def test_an_account_that_comes_back_takes_nothing_back():
    assert Bluesky.parse(capture("account").replace(b'"active":false', b'"active":true'), TOOLS) == []


def test_an_identity_is_nothing_to_count():
    assert Bluesky.parse(capture("identity"), TOOLS) == []


def test_other_collections_and_kinds_are_unknown_by_name():
    block = capture("like").replace(b"app.bsky.feed.like", b"app.bsky.graph.block")
    assert [event.name for event in Bluesky.parse(block, TOOLS)] == ["app.bsky.graph.block"]
    assert [event.name for event in Bluesky.parse(b'{"did":"did:plc:x","time_us":1792240200000000,"kind":"sync"}', TOOLS)] == [
        "sync"
    ]


def test_only_livestreams_asked_for_are_parsed():
    assert Bluesky.parse(capture("post"), TOOLS, livestreams={STRANGER: "s"}) == []
    assert [event.livestream for event in Bluesky.parse(capture("post"), TOOLS, livestreams={ANA: "a"})] == ["a"]


@pytest.mark.parametrize("tag", ["usersummit", "奇瑞国际用户共创大会"])
def test_a_post_found_by_hashtag_carries_no_livestream(tag):
    [event] = parse_frame(capture("hashtag"), TOOLS, Reading(livestreams={}, tags=frozenset([tag])))
    assert event.livestream is None


def test_a_roster_author_found_by_hashtag_carries_his_livestream():
    [event] = parse_frame(capture("hashtag"), TOOLS, Reading(livestreams={STRANGER: "cn-7"}, tags=frozenset(["usersummit"])))
    assert event.livestream == "cn-7"


def test_other_hashtags_of_strangers_are_left_out():
    assert parse_frame(capture("hashtag"), TOOLS, Reading(livestreams={}, tags=frozenset(["summit"]))) == []


@pytest.mark.parametrize(
    ("record", "tags"),
    [
        (Record(text="go #CheryUserSummit!"), {"cheryusersummit"}),
        (Record(text="(#a),#b。#c!#d"), {"a", "b", "c", "d"}),
        (Record(text="a#b ＃奇瑞大会 #c-d"), {"b", "奇瑞大会", "c-d"}),
        (Record(text="#", tags=["#Ünal", 7, None]), {"ünal"}),
        (Record(text=None, facets=[None, {"features": [{"tag": "X"}, {"tag": 3}, 4]}, {"features": 5}]), {"x"}),
        (Record(text=["#a"], facets="#a", tags="#a"), set()),
    ],
)
def test_hashtags_are_found_marked_hidden_and_bare(record, tags):
    assert tags_of(record) == tags


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b'{"x":' * 100_000, "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[]", "wrong_shape"),
        (b'{"did":5,"time_us":1,"kind":"commit"}', "wrong_shape"),
        (b'{"did":"d","time_us":1792240200000000,"kind":"commit"}', "missing_commit"),
        (b'{"did":"d","time_us":1.5,"kind":"identity"}', "wrong_shape"),
        (b'{"did":"d","time_us":999999999999999999,"kind":"identity"}', "wrong_time"),
        (
            b'{"did":"d","time_us":1,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"r"}}',
            "missing_record",
        ),
        (
            b'{"did":"d","time_us":1,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"r","record":{"text":5}}}',
            "missing_text",
        ),
    ],
)
def test_what_cannot_be_read_says_why(raw, reason):
    with pytest.raises(Unreadable) as caught:
        Bluesky.parse(raw, TOOLS)
    assert caught.value.reason == reason


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["features", "tag", "parent", "uri", "x"]), inner, max_size=3), max_leaves=8)  # fmt: skip


@given(text=st.text(max_size=30), langs=JSON, facets=JSON, tags=JSON, reply=JSON)
def test_no_field_of_a_strangers_record_stops_a_post(text, langs, facets, tags, reply):
    frame = orjson.loads(capture("post"))
    frame["commit"]["record"] = {"text": text, "langs": langs, "facets": facets, "tags": tags, "reply": reply}
    [event] = Bluesky.parse(json.dumps(frame).encode(), TOOLS)
    assert event.text == text


@given(name=st.sampled_from(sorted(path.stem for path in CAPTURES.glob("*.json"))), data=st.data())
def test_mangled_frames_are_read_or_unreadable(name, data):
    raw = bytearray(capture(name))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
    try:
        events = Bluesky.parse(raw, TOOLS)
    except Unreadable:
        return
    assert all(event.platform == "bluesky" for event in events)


@given(
    tag=st.sampled_from(["CheryUserSummit", "奇瑞大会", "Съезд", "İstanbul", "รถยนต์ไฟฟ้า", "गाड़ी", "straße", "ΟΔΟΣ"]),
    change=st.sampled_from([str, str.upper, str.lower]),
    place=st.sampled_from(["text", "tags", "facet"]),
)
def test_a_hashtag_is_found_in_any_case_script_and_place(tag, change, place):
    record = {"text": "hello"}
    if place == "text":
        record["text"] = f"hello #{change(tag)} there"
    elif place == "tags":
        record["tags"] = [change(tag)]
    else:
        record["facets"] = [{"features": [{"$type": "app.bsky.richtext.facet#tag", "tag": change(tag)}]}]
    frame = orjson.loads(capture("post"))
    frame["commit"]["record"] = record
    found = parse_frame(orjson.dumps(frame), TOOLS, Reading(livestreams={}, tags=frozenset([fold(f"#{tag}")])))
    assert found


# --- deletions by strangers -------------------------------------------------------------------------------------------

LETTERS = "234567abcdefghijklmnopqrstuvwxyz"


def tid(time_us):
    value = time_us << 10
    return "".join(LETTERS[value >> shift & 31] for shift in range(60, -1, -5))


@given(st.integers(0, 2**53 - 1))
def test_the_time_of_a_record_key_is_read_back(time_us):
    assert written_us(tid(time_us)) == time_us


def test_other_record_keys_have_no_time():
    assert [written_us(key) for key in ("self", "3mptbyqhi7s2f0", "zzzzzzzzzzzzz", "")] == [None] * 4


def uri(rkey, did="did:plc:x"):
    return f"bluesky:at://{did}/app.bsky.feed.post/{rkey}"


@given(
    times=st.lists(st.integers(10**15, 2 * 10**15), min_size=1, max_size=30),
    limit=st.integers(1, 30),
    start=st.integers(10**15, 2 * 10**15),
)
def test_a_post_that_was_passed_on_is_never_taken_for_another(times, limit, start):
    """Whatever was added before or after, evicted or not, and whatever an earlier process passed on before ``start``."""
    passed = Passed(limit)
    passed.forget_before(start)
    for time_us in times:
        passed.add(uri(tid(time_us)), time_us)
    assert all(passed.may_have(uri(tid(time_us))) for time_us in times)
    assert passed.may_have(uri(tid(start)))
    newest = max([start, *times])
    assert not passed.may_have(uri(tid(newest + FAST_CLOCK_US)))


def test_without_any_memory_every_deletion_concerns_us():
    assert Passed().may_have(uri(tid(2 * 10**15)))


# --- the connection ---------------------------------------------------------------------------------------------------


FRESH = Resume()


def target(handle, resume=FRESH):
    return Target(
        livestream=f"bluesky:{handle}", handle=handle, native_id=None if handle[0] == "#" else did_of(handle), resume=resume
    )


@asynccontextmanager
async def listening(options, *targets, directory=None, connector=None):
    """A running connector; at the end it must still be running."""
    watch = connector.watch if connector else Watch(targets, directory)
    tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1))
    heard = Heard(connector or Bluesky(options, watch, tools))
    heard.watch = watch
    try:
        yield heard
        assert not heard.task.done(), heard.task.exception()
    finally:
        await heard.stop()


def made(options, *targets):
    return Bluesky(options, Watch(targets), Tools(pseudonym=PSEUDONYM, dice=random.Random(1)))


async def test_posts_of_watched_authors_arrive_with_handle_and_livestream():
    async with FakeBluesky() as server, listening(server.options(), target("ana.example")) as heard:
        await server.heard("ana.example")
        await server.say("bo.example", "not asked for")
        said = await server.say("ana.example", "hello")
        await heard.until(texts)
        [event] = heard.of(Message)
        assert (event.id, event.at, event.text) == (said.id, said.at, "hello")
        assert (event.livestream, event.author_name) == ("bluesky:ana.example", "ana.example")
        assert server.asked[0]["wantedCollections"] == ["app.bsky.feed.post"]
        assert server.asked[0]["wantedDids"] == [did_of("ana.example")]
        assert [health.state for health in heard.of(Health)] == ["connecting", "live"]


async def test_a_hashtag_is_read_from_all_posts_and_directory_authors_keep_their_livestream():
    directory = {did_of("cy.example"): "cy's channel"}
    async with FakeBluesky() as server, listening(server.options(), target("#Summit"), directory=directory) as heard:
        await server.heard("ana.example")
        assert "wantedDids" not in server.asked[0]
        await server.say("ana.example", "no tag")
        await server.say("bo.example", "yes #summit")
        await server.say("cy.example", "mine too #SUMMIT")
        await server.say("cy.example", "private")
        await heard.until(lambda heard: len(texts(heard)) == 2)
        assert [(event.livestream, event.text) for event in heard.of(Message)] == [
            (None, "yes #summit"),
            ("cy's channel", "mine too #SUMMIT"),
        ]


async def test_after_a_cut_reading_goes_on_from_the_last_mark():
    async with FakeBluesky() as server:
        options = dataclasses.replace(server.options(), overlap_seconds=0.0)
        async with listening(options, target("ana.example")) as heard:
            await server.heard("ana.example")
            await server.say("ana.example", "one")
            await heard.until(lambda heard: len(heard.of(Mark)) == 2)
        mark = heard.of(Mark)[-1]
        assert (mark.livestreams, mark.cursor) == (("bluesky:ana.example",), str(server.log[-1]["time_us"]))
        await server.say("ana.example", "two")
        resume = Resume(cursor=mark.cursor, covered_until=mark.covered_until)
        async with listening(options, target("ana.example", resume)) as heard:
            await heard.until(lambda heard: "two" in texts(heard))
            assert texts(heard) == ["one", "two"]
            assert server.asked[-1]["cursor"] == [mark.cursor]
            assert heard.of(Gap) == []


async def test_a_silent_author_has_a_mark_from_the_start():
    """So that what he posts while nobody is there is not lost, though nothing was ever heard of him before."""
    async with FakeBluesky() as server:
        before = microseconds(datetime.now(UTC))
        async with listening(server.options(), target("ana.example")) as heard:
            await heard.until(lambda heard: heard.of(Mark))
        [mark] = heard.of(Mark)
        await server.say("ana.example", "while away")
        async with listening(server.options(), target("ana.example", Resume(cursor=mark.cursor))) as heard:
            await heard.until(lambda heard: texts(heard) == ["while away"])
        assert before <= int(server.asked[-1]["cursor"][0]) < server.log[0]["time_us"]


async def test_a_dropped_connection_marks_what_it_delivered_before_it_fails():
    async with FakeBluesky() as server:
        connector = made(Options(url=server.url, mark_seconds=60.0, overlap_seconds=0.0), target("ana.example"))
        heard = Heard(connector)
        await server.heard("ana.example")
        await server.say("ana.example", "one")
        await heard.until(texts)
        await server.cut()
        assert isinstance(await heard.failure(), Dropped)
        assert heard.of(Mark)[-1].cursor == str(server.log[0]["time_us"])


async def test_the_oldest_cursor_of_the_targets_is_used_and_nobody_is_marked_below_his_own():
    now_us = microseconds(datetime.now(UTC))
    old, new = now_us - 40_000_000, now_us - 10_000_000
    async with FakeBluesky() as server:
        await server.post(did_of("ana.example"), "r1", old + 1, {"text": "old"})
        targets = (
            target("ana.example", Resume(cursor=str(old))),
            target("bo.example", Resume(cursor=str(new))),
            target("cy.example"),
        )
        async with listening(server.options(), *targets) as heard:
            await heard.until(lambda heard: len(heard.of(Mark)) == 2)
            assert server.asked[0]["cursor"] == [str(old - 5_000_000)]
            assert [mark.livestreams for mark in heard.of(Mark)] == [("bluesky:cy.example",), ("bluesky:ana.example",)]


async def test_a_new_target_without_cursor_is_added_in_flight():
    async with FakeBluesky() as server, listening(server.options(), target("ana.example")) as heard:
        await server.heard("ana.example")
        heard.watch.update([target("ana.example"), target("bo.example")])
        await server.heard("bo.example")
        await server.say("bo.example", "hello")
        await heard.until(texts)
        assert (len(server.asked), server.updates[0]["wantedDids"]) == (1, [did_of("ana.example"), did_of("bo.example")])


async def test_a_new_target_with_an_older_cursor_is_read_from_there_before_it_is_marked():
    async with FakeBluesky() as server, listening(server.options(), target("ana.example")) as heard:
        await server.heard("ana.example")
        await server.say("bo.example", "before the hand-over")
        cursor = str(server.log[-1]["time_us"] - 1)
        await server.say("ana.example", "one")
        await heard.until(lambda heard: heard.of(Mark))
        heard.watch.update([target("ana.example"), target("bo.example", Resume(cursor=cursor))])
        await heard.until(lambda heard: "before the hand-over" in texts(heard))
        seen = False
        for item in heard:
            seen |= isinstance(item, Message) and item.text == "before the hand-over"
            assert seen or not isinstance(item, Mark) or "bluesky:bo.example" not in item.livestreams


async def test_with_no_targets_left_nothing_is_asked_for():
    async with FakeBluesky() as server, listening(server.options(), target("ana.example")) as heard:
        await server.heard("ana.example")
        heard.watch.update([])
        await server.until(lambda: server.connections == 0)
        heard.watch.update([target("bo.example")])
        await server.heard("bo.example")
        assert server.asked[-1]["wantedDids"] == [did_of("bo.example")]


async def test_many_authors_are_asked_for_in_the_first_frame():
    async with FakeBluesky() as server:
        targets = [target(f"author{n}.example") for n in range(300)]
        async with listening(server.options(), *targets) as heard:
            await server.heard("author299.example")
            await server.say("author299.example", "hello")
            await heard.until(texts)
            assert "wantedDids" not in server.asked[0]
            assert len(server.updates[0]["wantedDids"]) == 300


async def test_an_unresolved_handle_is_named_and_never_asked_for():
    async with FakeBluesky() as server:
        unresolved = Target(livestream="bluesky:dee", handle="dee.example")
        async with listening(server.options(), unresolved) as heard:
            await heard.until(lambda heard: heard)
            [health] = heard.of(Health)
            assert (health.state, health.reason) == (
                "refused",
                "the handle is not resolved to a DID yet; put native_id in the roster",
            )
            assert server.asked == []
            heard.watch.update([unresolved, target("ana.example")])
            await server.heard("ana.example")
            assert server.asked[0]["wantedDids"] == [did_of("ana.example")]


async def test_an_identity_frame_resolves_a_handle():
    async with FakeBluesky() as server:
        unresolved = Target(livestream="dee's channel", handle="Dee.Example")
        async with listening(server.options(), unresolved, target("#tag")) as heard:
            await server.heard("dee.example")
            did = did_of("dee.example")
            await server.emit(
                {"did": did, "time_us": server.tick(), "kind": "identity", "identity": {"did": did, "handle": "dee.example"}}
            )
            await heard.until(lambda heard: [h.state for h in heard.of(Health) if h.livestream == "dee's channel"][-1] == "live")
            await server.say("dee.example", "hello")
            await heard.until(texts)
            assert heard.of(Message)[0].livestream == "dee's channel"


async def test_deletions_of_strangers_are_passed_on_only_when_their_post_may_have_been():
    async with FakeBluesky() as server, listening(server.options(), target("#tag")) as heard:
        await server.heard("ana.example")
        now_us = server.tick()
        await server.post("did:plc:other", tid(now_us), now_us, {"text": "no tag"})
        early, late = tid(now_us - 3_600_000_000), tid(now_us + 2 * FAST_CLOCK_US)
        said = await server.say("bo.example", "#tag")
        for did, rkey in (("did:plc:other", late), ("did:plc:other", early)):
            commit = {"rev": "x", "operation": "delete", "collection": "app.bsky.feed.post", "rkey": rkey}
            await server.emit({"did": did, "time_us": server.tick(), "kind": "commit", "commit": commit})
        await server.remove(said)
        await heard.until(lambda heard: len(heard.of(Removed)) == 2)
        assert [removed.target for removed in heard.of(Removed)] == [uri(early, "did:plc:other"), said.id]
        assert [removed.livestream for removed in heard.of(Removed)] == [None, None]


async def test_a_strangers_account_that_vanishes_takes_back_its_posts():
    async with FakeBluesky() as server, listening(server.options(), target("#tag")) as heard:
        await server.heard("ana.example")
        said = await server.say("bo.example", "#tag")
        other = await server.say("cy.example", "#tag")
        did = did_of("bo.example")
        await server.emit(
            {
                "did": did,
                "time_us": server.tick(),
                "kind": "account",
                "account": {"active": False, "did": did, "status": "deleted"},
            }
        )
        await server.remove(other)
        await heard.until(lambda heard: len(heard.of(Removed)) == 2)
        assert [removed.target for removed in heard.of(Removed)] == [said.id, other.id]


async def test_a_roster_account_that_vanishes_takes_back_author_and_posts():
    async with FakeBluesky() as server, listening(server.options(), target("ana.example")) as heard:
        await server.heard("ana.example")
        said = await server.say("ana.example", "hello")
        did = did_of("ana.example")
        gone = {"active": False, "did": did, "status": "suspended"}
        await server.emit({"did": did, "time_us": server.tick(), "kind": "account", "account": gone})
        await heard.until(lambda heard: len(heard.of(Removed)) == 2)
        assert [removed.target for removed in heard.of(Removed)] == [None, said.id]
        assert {removed.livestream for removed in heard.of(Removed)} == {"bluesky:ana.example"}


async def test_a_cursor_that_the_server_moved_forward_is_a_gap_of_each_target():
    async with FakeBluesky() as server:
        old = server.clock_us - 600_000_000
        server.lookback_us = 0
        resume = Resume(cursor=str(old))
        async with listening(
            server.options(), target("#tag", resume), target("ana.example", resume), target("bo.example")
        ) as heard:
            await server.heard("ana.example")
            said = await server.say("cy.example", "anything")
            await heard.until(lambda heard: len(heard.of(Gap)) == 2)
            assert {gap.livestream for gap in heard.of(Gap)} == {"bluesky:#tag", "bluesky:ana.example"}
            assert {microseconds(gap.from_) for gap in heard.of(Gap)} == {old}
            assert {gap.to for gap in heard.of(Gap)} == {said.at}


async def test_with_authors_alone_a_cursor_older_than_the_lookback_is_a_gap():
    now_us = microseconds(datetime.now(UTC))
    ancient, recent = str(now_us - 37 * 3_600_000_000), str(now_us - 35 * 3_600_000_000)
    async with FakeBluesky() as server:
        targets = target("ana.example", Resume(cursor=ancient)), target("bo.example", Resume(cursor=recent))
        async with listening(server.options(), *targets) as heard:
            await heard.until(lambda heard: heard.of(Gap))
            [gap] = heard.of(Gap)
            assert (gap.livestream, microseconds(gap.from_)) == ("bluesky:ana.example", int(ancient))
            assert timedelta(minutes=50) < gap.to - gap.from_ < timedelta(minutes=70)


@pytest.mark.parametrize("cursor", ["", "abc", "12345", "-1792240200000000", "１７９２２４０２００００００００"])
async def test_a_cursor_that_is_none_falls_back_to_the_covered_time(cursor):
    covered = datetime.now(UTC) - timedelta(minutes=1)
    async with FakeBluesky() as server:
        async with listening(server.options(), target("ana.example", Resume(cursor=cursor, covered_until=covered))):
            await server.heard("ana.example")
        assert server.asked[0]["cursor"] == [str(microseconds(covered) - 5_000_000)]


async def test_a_silent_host_is_dropped_when_all_posts_are_read():
    async with FakeBluesky() as server:
        failure = await Heard(made(Options(url=server.url, silence_seconds=0.2), target("#tag"))).failure()
        assert isinstance(failure, Dropped)
        assert failure.reason == "Bluesky sent nothing for 0.2 seconds"


async def test_quiet_authors_are_not_a_failure_but_the_socket_is_renewed_at_the_next_host():
    async with FakeBluesky() as one, FakeBluesky() as two:
        options = Options(url=(one.url, two.url), silence_seconds=0.05, renew_seconds=0.2)
        async with listening(options, target("ana.example")) as heard:
            await one.heard("ana.example")
            await two.heard("ana.example")
        assert [health.state for health in heard.of(Health)] == ["connecting", "live"]


async def test_each_attempt_goes_to_the_next_host():
    async with FakeBluesky(Faults(refuse=True)) as one, FakeBluesky(Faults(throttle_seconds=7)) as two:
        connector = made(Options(url=(one.url, two.url)), target("ana.example"))
        failures = {type(await Heard(connector).failure()) for _ in range(2)}
        assert failures == {Refused, Throttled}


async def test_a_time_far_in_the_future_is_not_stored_as_a_cursor():
    async with FakeBluesky() as server:
        options = dataclasses.replace(server.options(), overlap_seconds=0.0)
        async with listening(options, target("ana.example")) as heard:
            await server.heard("ana.example")
            await server.post(did_of("ana.example"), "r1", server.tick() + 3_600_000_000, {"text": "future"})
            said = await server.say("ana.example", "now")
            await heard.until(lambda heard: len(heard.of(Mark)) == 2)
            assert texts(heard) == ["future", "now"]
            assert heard.of(Mark)[-1].cursor == str(microseconds(said.at))
