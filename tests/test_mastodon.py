"""Mastodon: each status gives exactly its message, reading forward leaves no hole and counts nothing twice, whichever way it comes."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from fake_mastodon import TOKEN, FakeMastodon
from hypothesis import given
from hypothesis import strategies as st
from reading import Heard, read, texts

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
from connectors.event import Message, Removed, Unknown
from connectors.mastodon import Mastodon, Options, timeline
from connectors.mastodon.parse import REASONS, Context, Local, address_of, event_id_of, parse_any, parse_frame, status_events
from connectors.mastodon.people import People
from connectors.mastodon.timeline import (
    Tag,
    above,
    below,
    decode_cursor,
    encode_cursor,
    look_back,
    order,
    page_of,
    read_instance,
    tag_of,
)

CAPTURES = Path(__file__).parent / "captures" / "mastodon"
NOW = datetime(2026, 10, 17, 12, 30, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"test key")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW, dice=random.Random(1))
NEW = Resume()


def capture(name):
    return next(CAPTURES.glob(f"{name}.*")).read_bytes()


def read_capture(name, livestreams=None):
    return Mastodon.parse(capture(name), TOOLS, livestreams=livestreams or {})


def context():
    return Context(NOW, PSEUDONYM, {}, "instance.example", Local())


# --- statuses ---------------------------------------------------------------------------------------------------------


def test_a_status_is_a_post_with_the_words_that_a_reader_sees():
    assert read_capture("status") == [
        Message(
            id="mastodon:https://elsewhere.example/users/ana/statuses/1", platform="mastodon", at=datetime(2026, 10, 17, 12, 0, 1, 500000, UTC),
            received_at=NOW, author=PSEUDONYM("mastodon", "ana@elsewhere.example"), author_name="Ana :car:",
            text="que carro! 奇瑞 olha #summit & mais", form="post", language="pt", url="https://elsewhere.example/@ana/1",
        )
    ]  # fmt: skip


def test_over_the_stream_it_is_the_same():
    status = orjson.loads(capture("status"))
    frame = {"stream": ["hashtag", "summit"], "event": "update", "payload": orjson.dumps(status).decode()}
    assert Mastodon.parse(orjson.dumps(frame), TOOLS, livestreams={}) == read_capture("status")


def test_a_content_warning_is_part_of_the_words():
    (message,) = read_capture("update")
    assert message.text == "robots two"


def test_a_timeline_is_read_oldest_first_and_answers_find_what_they_answer():
    first, unreadable, older, newest = read_capture("timeline")
    assert [one.text for one in (first, older, newest)] == ["first", "older", "newest"]
    assert newest.reply_to == older.id
    assert isinstance(unreadable, Unknown)
    assert unreadable.name == "unreadable missing_uri"


def test_a_deletion_names_what_was_seen_and_is_nothing_for_what_was_not():
    message, removed = read_capture("stream")
    assert isinstance(removed, Removed)
    assert removed.target == message.id
    live = Context(NOW, PSEUDONYM, {}, "instance.example", Local())
    assert parse_any((CAPTURES / "delete.json").read_bytes(), live) == [], "what an instance takes back is mostly not ours"
    [unseen] = read_capture("delete")
    assert unseen.target == "mastodon:id:115380000000000002", "of a capture nothing is left out"


@pytest.mark.parametrize("name", ["edited", "boost", "private", "notification", "filters_changed"])
def test_what_is_no_new_public_post_is_nothing(name):
    assert read_capture(name) == []


def test_an_unknown_kind_is_named():
    (event,) = read_capture("unknown")
    assert (type(event), event.name) == (Unknown, "something.new")


def test_a_roster_author_is_told_by_address_from_every_instance():
    (message,) = read_capture("status", {"ana@elsewhere.example": "mastodon:ana"})
    assert message.livestream == "mastodon:ana"
    local = {"acct": "Ana", "username": "Ana"}
    assert (
        address_of(local, "elsewhere.example")
        == "ana@elsewhere.example"
        == address_of({"acct": "ana@elsewhere.example"}, "other.example")
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"uri": None, "url": None}, "missing_uri"),
        ({"content": None}, "missing_text"),
        ({"created_at": "soon"}, "bad_time"),
        ({"account": None}, "missing_author"),
        ({"account": {}}, "missing_author"),
    ],
)
def test_what_is_missing_is_named(change, reason):
    with pytest.raises(Unreadable) as raised:
        status_events(orjson.loads(capture("status")) | change, context())
    assert raised.value.reason == reason


@given(st.text(max_size=3000))
def test_ids_stay_short_and_apart(uri):
    assert len(event_id_of(uri)) <= 410
    assert event_id_of(uri) != event_id_of(uri + "x")


@given(st.text(alphabet="<>a&;/ '\"=!-", max_size=400))
def test_no_markup_is_too_much(markup):
    (message,) = status_events(orjson.loads(capture("status")) | {"content": markup}, context())
    assert isinstance(message.text, str)


def test_the_memory_of_local_ids_is_bounded():
    local = Local(limit=3)
    for n in range(5):
        local.add(str(n), f"mastodon:{n}", None)
    assert [local.get(str(n)) is None for n in range(5)] == [True, True, False, False, False]


@given(
    st.one_of(st.binary(max_size=60), st.sampled_from([path.read_bytes() for path in sorted(CAPTURES.iterdir())])),
    st.integers(0, 2000),
)
def test_cut_off_payloads_are_unreadable_at_worst(raw, end):
    for parse in (parse_any, parse_frame):
        reason = ""
        try:
            parse(raw[:end], context())
        except Unreadable as error:
            reason = error.reason
        assert reason in REASONS | {""}


# --- asking and where reading stands ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handle", "tag"),
    [
        ("#Summit", Tag("Summit", "")),
        ("＃奇瑞", Tag("奇瑞", "")),
        ("#a@Chaos.Social", Tag("a", "chaos.social")),
        ("#", None),
        ("ana@x.org", None),
    ],
)
def test_a_hashtag_may_name_its_instance(handle, tag):
    assert tag_of(handle) == tag


def test_a_tag_of_any_script_stays_one_part_of_the_path():
    ask = timeline.timeline_ask("https://x.example/", "a/b?奇", None, min_id="5")
    assert ask.url == "https://x.example/api/v1/timelines/tag/a%2Fb%3F%E5%A5%87?limit=40&min_id=5"


LINK = '<https://evil.example/other?max_id=103>; rel="next", <https://x.example/api/v1/timelines/tag/a?min_id=107&limit=40>; rel="prev"'


def test_only_ids_are_taken_from_the_link_header():
    """Whatever address it names, our own is asked."""
    assert (page_of(LINK, "prev", "min_id"), page_of(LINK, "next", "max_id")) == ("107", "103")
    assert page_of('<https://x.example/?min_id=1%2F..>; rel="prev"', "prev", "min_id") is None
    rows = [{"id": "106"}, {"id": "104"}, {"id": 5}, None]
    assert (above(rows, {"link": LINK}), above(rows, {}), below(rows, {})) == ("107", "106", "104")
    assert above([], {}) is None


@given(st.text(max_size=200))
def test_no_link_header_makes_it_raise(link):
    page_of(link, "prev", "min_id")
    page_of(f'<http://[{link}]?min_id=1>; rel="prev"', "prev", "min_id")


@given(st.integers(1_500_000_000_000, 2_000_000_000_000), st.integers(0, 65535), st.integers(0, 100_000))
def test_looking_back_is_by_time(ms, sequence, seconds):
    back = int(look_back(str((ms << 16) | sequence), seconds))
    assert (back >> 16, back & 65535) == (ms - seconds * 1000, sequence)


@pytest.mark.parametrize("other", ["0", "12345", "01HZX3V0G3CM4R5B7K8N9P0QRS", "9wNxo2GXqJ5bVd4b7I"])
def test_ids_without_a_time_are_left_as_they_are(other):
    assert look_back(other, 100) == other


@given(st.lists(st.integers(0, 10**20), min_size=1))
def test_ids_are_ordered_as_numbers(numbers):
    assert max(map(str, numbers), key=order) == str(max(numbers))


@given(st.dictionaries(st.text(max_size=20), st.from_regex(r"[0-9A-Za-z]{1,30}", fullmatch=True), max_size=4))
def test_a_cursor_comes_back_as_it_was(positions):
    assert decode_cursor(encode_cursor(positions)) == positions


@given(st.one_of(st.none(), st.text(max_size=40)))
def test_what_is_no_cursor_is_an_empty_one(cursor):
    assert isinstance(decode_cursor(cursor), dict)


def test_an_instance_says_where_it_streams_and_its_word_is_checked():
    def said(**found):
        return read_instance(orjson.dumps(found), "https://x.example")

    assert said(domain="X.example", configuration={"urls": {"streaming": "wss://stream.x.example"}}) == (
        "x.example",
        "wss://stream.x.example",
    )
    assert said(configuration={"urls": {"streaming": "ws://in.the.clear"}}).streaming == "wss://x.example", (
        "the token is never sent in the clear"
    )
    assert read_instance(b"nonsense", "http://127.0.0.1:5") == ("127.0.0.1:5", "ws://127.0.0.1:5")


@pytest.mark.parametrize("url", ["mastodon.social", "ftp://x", "https://"])
def test_a_wrong_address_is_said_before_anything_runs(url):
    with pytest.raises(ValueError, match="is not the address of an instance"):
        Options(also=(url,))


# --- against the fake -------------------------------------------------------------------------------------------------


def made(server, *, resume=NEW, handles=None, directory=None, sleep=asyncio.sleep, **options):
    targets = [server.target(handle, resume) for handle in handles or server.handles]
    tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1), sleep=sleep)
    return Mastodon(dataclasses.replace(server.options(), **options), Watch(targets, directory), tools)


def is_live(items):
    return any(isinstance(item, Health) and item.state == "live" for item in items)


async def test_where_the_stream_stays_empty_the_timeline_brings_everything():
    """As on large instances since 2026."""
    async with FakeMastodon() as server:
        server.streams_posts = False
        reader = asyncio.create_task(read(made(server), lambda items: len(texts(items)) == 3))
        await server.heard("#ana")
        for handle in server.handles:
            await server.say(handle, handle)
        assert sorted(texts(await reader)) == ["#ana", "#bo", "#cy"]


async def test_without_a_token_timelines_are_read_and_nothing_is_streamed():
    async with FakeMastodon() as server:
        items: list = []
        reader = asyncio.create_task(read(made(server, token=None), lambda items: texts(items) == ["hi"], items))
        await server.until(lambda: server.polled("#cy") > 0)
        await server.say("#ana", "hi")
        await reader
        assert server.tokens == {None}
        assert server.subscribed == []


async def test_a_long_absence_is_read_page_by_page_without_a_hole():
    async with FakeMastodon() as server:
        server.streams_posts, server.page = False, 7
        first = await server.say("#ana", "before")
        cursor = encode_cursor({timeline.host_of(server.url): server.posts[0][1]["id"]})
        for n in range(60):
            await server.say("#ana", f"{n}")
        resume = Resume(cursor=cursor, covered_until=first.at)
        items = await read(
            made(server, resume=resume, handles=["#ana"], overlap_seconds=0.0), lambda items: len(texts(items)) >= 60
        )
        assert texts(items) == [f"{n}" for n in range(60)]


async def test_a_first_start_begins_where_the_livestream_is_covered():
    async with FakeMastodon() as server:
        server.streams_posts, server.page = False, 5
        now = datetime.now(UTC)
        for n in range(20):
            await server.say("#ana", f"{n}", written=now - timedelta(seconds=60 - n))
        resume = Resume(covered_until=now - timedelta(seconds=60 - 8, microseconds=1000))
        items = await read(made(server, resume=resume, handles=["#ana"]), is_live)
        assert texts(items) == [f"{n}" for n in range(8, 20)]


async def test_a_post_that_arrives_late_has_an_older_id_and_is_found():
    async with FakeMastodon() as server:
        server.streams_posts = False
        reader = asyncio.create_task(
            read(made(server, handles=["#ana"], overlap_seconds=30.0), lambda items: "late" in texts(items))
        )
        await server.until(lambda: server.polled("#ana") > 1)
        await server.say("#ana", "new")
        polled = server.polled("#ana")
        await server.until(lambda: server.polled("#ana") > polled + 1)
        await server.say("#ana", "late", written=datetime.now(UTC) - timedelta(seconds=20))
        assert texts(await reader) == ["new", "late"]


async def test_two_instances_show_the_same_post_once():
    async with FakeMastodon() as server, FakeMastodon(domain="second.example") as second:
        second.streams_posts = False
        items: list = []
        connector = made(server, handles=["#ana"], also=(second.url,))
        reader = asyncio.create_task(read(connector, lambda items: "only there" in texts(items), items))
        await server.heard("#ana")
        await second.until(lambda: second.polled("#ana") > 0)
        account = {"acct": "zoe@fake.example", "username": "zoe", "display_name": "Zoë"}
        said = await server.say("#ana", "both")
        await second.say("#ana", "both", uri=said.id.removeprefix("mastodon:"), account=account)
        await second.say("#ana", "only there")
        await reader
        assert texts(items) == ["both", "only there"]
        assert second.tokens == {None}, "the token is the first instance's"


async def test_a_cursor_holds_a_place_for_each_instance():
    async with FakeMastodon() as server, FakeMastodon() as second:
        hosts = {timeline.host_of(one.url) for one in (server, second)}

        def both(items):
            return any(
                isinstance(item, Mark) and decode_cursor(item.cursor).keys() == hosts and item.covered_until for item in items
            )

        await read(made(server, handles=["#ana"], also=(second.url,)), both)


async def test_a_hashtag_of_one_instance_is_read_there_alone():
    async with FakeMastodon() as server, FakeMastodon() as second:
        host = timeline.host_of(second.url)
        items = await read(
            made(server, handles=["#ana", f"#bo@{host}"], also=(second.url,)),
            lambda items: second.polled("#bo") > 0 and is_live(items),
        )
        assert server.polled("#bo") == 0
        assert second.polled("#ana") > 0
        assert not any(isinstance(item, Health) and item.state == "refused" for item in items)


async def test_a_person_is_waited_for_and_is_there_when_a_post_with_the_hashtag_is_theirs():
    async with FakeMastodon() as server:
        person = Target(livestream="mastodon:zoe", handle=f"@Zoe@{server.domain}")
        tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1))
        watch = Watch([server.target("#ana", NEW), person], {person.handle: person.livestream})
        reader = asyncio.create_task(
            read(
                Mastodon(server.options(), watch, tools),
                lambda items: any(
                    isinstance(item, Health) and (item.livestream, item.state) == ("mastodon:zoe", "live") for item in items
                ),
            )
        )
        await server.heard("#ana")
        said = await server.say("#ana", "hello")
        items = await reader
    mine = [item for item in items if getattr(item, "livestream", None) == "mastodon:zoe"]
    assert [item.state for item in mine if isinstance(item, Health)] == ["waiting", "live"]
    assert all("read by hashtag" in item.reason for item in mine if isinstance(item, Health))
    assert [item.id for item in mine if isinstance(item, Message)] == [said.id]


async def test_who_posted_before_a_reconnect_is_still_there_and_who_was_silent_for_long_is_waited_for():
    async with FakeMastodon() as server:
        tools = Tools(pseudonym=PSEUDONYM)
        for name, ago in (("new", 5), ("old", 90)):
            await tools.memory.put(f"mastodon:posted:mastodon:{name}", (datetime.now(UTC) - timedelta(minutes=ago)).isoformat())
        covered = Resume(covered_until=datetime.now(UTC))  # that it was read up to now says nothing of the person
        people = [
            Target(livestream=f"mastodon:{name}", handle=f"{name}@x.example", resume=covered) for name in ("old", "never", "new")
        ]
        connector = Mastodon(server.options(), Watch([server.target("#ana", NEW), *people]), tools)
        items = await read(
            connector,
            lambda items: any(
                isinstance(item, Health) and (item.livestream, item.state) == ("mastodon:new", "live") for item in items
            ),
        )
    states = {item.livestream: item.state for item in items if isinstance(item, Health)}
    assert [states[f"mastodon:{name}"] for name in ("new", "old", "never")] == ["live", "waiting", "waiting"]


def test_a_post_says_something_of_who_wrote_it_and_of_nobody_else():
    """Of ten thousand people nobody is looked at for each of their posts."""
    people = People(Tools(pseudonym=PSEUDONYM))
    people.watch(f"mastodon:p{number}" for number in range(3))
    about = {"platform": "mastodon", "at": datetime.now(UTC), "received_at": datetime.now(UTC), "text": "x", "form": "post"}
    posts = [Message(id=f"mastodon:{name}", livestream=name, **about) for name in ("mastodon:p1", "mastodon:#tag")]
    assert list(people.hear(posts)) == ["mastodon:p1"]
    assert dict(people.states()) == {"mastodon:p0": "waiting", "mastodon:p1": "live", "mastodon:p2": "waiting"}


async def test_the_next_connection_knows_who_posted():
    async with FakeMastodon() as server:
        tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1))
        person = Target(livestream="mastodon:zoe", handle=f"zoe@{server.domain}")
        watch = Watch([server.target("#ana", NEW), person], {person.handle: person.livestream})
        reader = asyncio.create_task(read(Mastodon(server.options(), watch, tools), lambda _: False))
        await server.heard("#ana")
        await server.say("#ana", "hello")
        async with asyncio.timeout(30):
            while await tools.memory.get("mastodon:posted:mastodon:zoe") is None:
                await asyncio.sleep(0.01)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def test_what_is_no_hashtag_and_what_is_not_configured_is_refused_with_a_sentence():
    async with FakeMastodon() as server:
        items = await read(made(server, handles=["#ana", "bo", "#cy@chaos.social"]), is_live)
        reasons = {item.livestream: item.reason for item in items if isinstance(item, Health) and item.state == "refused"}
        assert set(reasons) == {"mastodon:bo", "mastodon:#cy@chaos.social"}
        assert "name@instance" in reasons["mastodon:bo"]
        assert "https://chaos.social" in reasons["mastodon:#cy@chaos.social"]


async def test_a_further_instance_that_fails_is_said_and_stops_nobody():
    async with FakeMastodon() as server, FakeMastodon() as second:
        second.answer_next = [(500, {})] * 50
        connector = made(server, handles=["#ana"], also=(second.url,))
        reader = asyncio.create_task(
            read(connector, lambda items: texts(items) == ["hi"] and any(getattr(item, "reason", "") for item in items))
        )
        await second.until(lambda: second.polled("#ana") > 0)
        await server.heard("#ana")
        await server.say("#ana", "hi")
        items = await reader
        health = [item for item in items if isinstance(item, Health)][-1]
        assert health.state == "live"
        assert "HTTP 500" in health.reason


@pytest.mark.parametrize(
    ("status", "headers", "failure"),
    [
        (500, {}, Dropped),
        (401, {}, Refused),
        (404, {}, Refused),
        (429, {"X-RateLimit-Reset": "2126-11-20T00:00:00.000Z"}, Throttled),
    ],
)
async def test_each_answer_of_the_first_instance_is_one_failure(status, headers, failure):
    async with FakeMastodon() as server:
        server.answer_next = [(status, headers)]
        with pytest.raises(failure) as raised:
            await read(made(server), lambda _: False)
        assert TOKEN not in repr(raised.value)


async def test_the_last_request_of_the_window_is_not_passed():
    """Mastodon says when the window ends; asking on would be a 429."""
    async with FakeMastodon() as server:
        reset = datetime.now(UTC) + timedelta(seconds=3600)
        server.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset.isoformat()}
        slept = []

        async def sleep(seconds):
            slept.append(seconds)
            if seconds > 60:
                await asyncio.Event().wait()
            await asyncio.sleep(seconds)

        connector = made(server, handles=["#ana", "#bo"], sleep=sleep)
        reader = asyncio.create_task(read(connector, lambda _: False))
        await server.heard("#ana")
        while not any(seconds > 60 for seconds in slept):
            await asyncio.sleep(0)
        assert (server.polled("#ana"), server.polled("#bo")) == (1, 0)
        assert 3500 < max(slept) <= 3600
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader


async def test_a_hashtag_added_while_running_is_subscribed_and_read_and_one_taken_away_is_left():
    async with FakeMastodon() as server:
        connector = made(server, handles=["#ana"], poll_seconds=60.0)
        reader = asyncio.create_task(read(connector, lambda items: "new" in texts(items)))
        await server.heard("#ana")
        connector.watch.update([server.target("#bo", NEW)])
        await server.heard("#bo")
        await server.until(lambda: server.polled("#bo") > 0)
        await server.say("#ana", "old")
        await server.say("#bo", "new")
        assert texts(await reader) == ["new"]
        assert {"type": "unsubscribe", "stream": "hashtag", "tag": "ana"} in server.subscribed


async def test_what_the_stream_says_during_the_first_reading_comes_after_it():
    """Otherwise a deletion could come before its post, and find nothing."""
    async with FakeMastodon() as server:
        said = await server.say("#ana", "soon gone")
        resume = Resume(cursor=encode_cursor({timeline.host_of(server.url): "1"}), covered_until=said.at - timedelta(seconds=1))
        items: list = []
        reader = asyncio.create_task(
            read(made(server, resume=resume), lambda items: any(isinstance(item, Removed) for item in items), items)
        )
        await server.heard("#ana")
        await server.emit("#ana", "delete", server.posts[0][1]["id"])
        await reader
        assert [type(item) for item in items if isinstance(item, (Message, Removed))] == [Message, Removed]
        assert items[-1].target == said.id


async def test_a_post_of_a_roster_author_carries_his_livestream():
    async with FakeMastodon() as server:
        connector = made(server, handles=["#ana"], directory={"@Zoe@fake.example": "mastodon:zoe"})
        reader = asyncio.create_task(read(connector, texts))
        await server.heard("#ana")
        await server.say("#ana", "hi")
        items = await reader
        assert [item.livestream for item in items if isinstance(item, Message)] == ["mastodon:zoe"]


async def test_a_wrong_token_is_refused_by_the_stream():
    async with FakeMastodon() as server:
        connector = made(server, token=Secret("another-token-entirely"))
        with pytest.raises(Refused) as refused:
            await read(connector, lambda _: False)
        assert "another-token" not in f"{refused.value!r}{connector.opts!r}"


async def test_targets_that_are_no_hashtags_at_all_do_not_end_it():
    async with FakeMastodon() as server:
        connector = Mastodon(server.options(), Watch([Target(livestream="mastodon:x", handle="x")]), Tools(pseudonym=PSEUDONYM))
        heard = Heard(connector)
        await heard.until(lambda heard: heard.of(Health))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not heard.task.done()
        assert [health.state for health in heard.of(Health)] == ["refused"]
        await heard.stop()
