"""Moderation on a real Valkey: a hit becomes a flag once, whoever is killed; a retraction withdraws it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.event import Gift, Message, Removed, as_json
from monitor.config import KeywordRule
from monitor.journal import Checkpoint, Doubt, Journal, LostTail, digest, key
from monitor.moderation.moderate import FLAGS, ROLE, Moderator
from monitor.moderation.rules import (
    LONGEST_TEXT,
    Flag,
    Memory,
    Retracted,
    Rulebook,
    decode_record,
    decode_said,
    encode_record,
    examine,
    excerpt,
)
from monitor.reader import Reader
from monitor.roster import Channel, Roster
from monitor.tally import KEY, Tally

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RULES = (
    KeywordRule(
        id="threat",
        severity=4,
        phrases={"en": ("kill you",), "ru": ("убью тебя",), "zh": ("杀了你",), "ar": ("سأقتلك",), "th": ("ฆ่าแก",)},
    ),
    KeywordRule(id="scam", severity=3, phrases={"*": ("free iphone",)}, exclude={"en": ("no free iphone",)}),
)
ROSTER = Roster(
    channels=(
        Channel(id="twitch:alice", attendee="1", name="Alice", country="BR", language="pt", platform="twitch", handle="alice"),
        Channel(
            id="twitch:bo", attendee="2", name="Bo", country=None, language=None, platform="twitch", handle="bo",
            live_url="https://example.org/bo",
        ),
    )
)  # fmt: skip
BOOK = Rulebook(RULES, ROSTER)


def message(number: int, text: str = "I will kill you", **more) -> Message:
    at = START + timedelta(seconds=number)
    usual = {"id": f"t:{number}", "platform": "twitch", "livestream": "twitch:alice", "at": at, "received_at": at}
    return Message(**{**usual, "author": "a1", "author_name": "Ann", "text": text, **more})


def removed(number: int, **more) -> Removed:
    at = START + timedelta(seconds=500 + number)
    return Removed(
        **{"id": f"r:{number}", "platform": "twitch", "livestream": "twitch:alice", "at": at, "received_at": at, **more}
    )


def judge(*events, memory: Memory | None = None, book: Rulebook = BOOK):
    return examine([decode_said(as_json(event)) for event in events], book, memory if memory is not None else Memory())


# --- what is a flag ---------------------------------------------------------------------------------------------------


def test_a_flag_carries_what_a_person_needs_to_judge():
    assert judge(message(1, "Ha, I will KILL you")) == [
        Flag(
            id="threat|t:1",
            event="t:1",
            rule="threat",
            severity=4,
            span=(11, 19),
            platform="twitch",
            livestream="twitch:alice",
            country="BR",
            at="2026-11-20T12:00:01Z",
            received_at="2026-11-20T12:00:01Z",
            author="a1",
            author_name="Ann",
            text="Ha, I will KILL you",
            url="https://www.twitch.tv/alice",
        )
    ]


@pytest.mark.parametrize(
    ("text", "hit"),
    [("Я убью тебя!", "убью тебя"), ("我要杀了你们", "杀了你"), ("سأقتلك غدا", "سأقتلك"), ("จะฆ่าแกแน่", "ฆ่าแก"), ("ＫＩＬＬ ＹＯＵ", "ＫＩＬＬ ＹＯＵ")],
)  # fmt: skip
def test_rules_hit_in_every_script_and_the_span_is_of_the_text_as_written(text, hit):
    (flag,) = judge(message(1, text))
    assert flag.rule == "threat"
    assert flag.text[slice(*flag.span)] == hit


def test_a_message_in_several_scripts_has_one_flag_for_each_rule_the_gravest_first():
    flags = judge(message(1, "FREE iPhone, 杀了你, убью тебя"))
    assert [flag.id for flag in flags] == ["threat|t:1", "scam|t:1"]
    assert [flag.text[slice(*flag.span)] for flag in flags] == ["杀了你", "FREE iPhone"]


def test_only_messages_without_exclusion_are_flagged():
    gift = Gift(
        id="g:1",
        platform="twitch",
        livestream="twitch:alice",
        at=START,
        received_at=START,
        name="kill you",
        author_name="kill you",
    )
    assert judge(message(1, "There is no free iPhone here"), gift, message(2, "hello")) == []


@pytest.mark.parametrize(
    ("event", "url"),
    [
        (message(1, url="https://bsky.app/profile/did:plc:x/post/1"), "https://bsky.app/profile/did:plc:x/post/1"),
        (message(1, livestream="twitch:bo"), "https://example.org/bo"),
        (message(1, livestream="twitch:unlisted"), "https://www.twitch.tv/unlisted"),
        (message(1, livestream=None), None),
        (message(1, url="javascript:alert(1)"), "https://www.twitch.tv/alice"),
        (message(1, url="https://evil.example/>|<!channel> x"), "https://www.twitch.tv/alice"),
        (message(1, url="https://evil.example/\nForged: line"), "https://www.twitch.tv/alice"),
    ],
)
def test_the_link_is_the_posts_else_the_livestreams_and_never_anything_but_a_plain_address(event, url):
    assert judge(event)[0].url == url


def test_a_livestream_without_country_and_a_post_without_livestream_have_none():
    assert [flag.country for flag in judge(message(1, livestream="twitch:bo"), message(2, livestream=None))] == [None, None]


@given(
    st.integers(0, 3 * LONGEST_TEXT).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size), st.integers(1, 6000)))
)
def test_a_long_text_is_cut_around_its_hit(case):
    size, start, length = case
    text = "".join(chr(0x4E00 + n % 5000) for n in range(size))
    span = (start, min(size, start + length))
    shown, (begin, end) = excerpt(text, span)
    assert len(shown) <= LONGEST_TEXT
    assert shown in text
    assert 0 <= begin <= end <= len(shown)
    assert text[slice(*span)].startswith(shown[begin:end])
    assert (end - begin) >= min(span[1] - span[0], LONGEST_TEXT // 2)


@given(st.text(max_size=60), st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_records_survive_their_encoding(text, span):
    flag = Flag(
        id="r|e", event="e", rule="r", severity=1, span=span, platform="p", at="2026-11-20T12:00:01Z", received_at="", text=text
    )
    for record in (flag, Retracted("e", "2026-11-20T12:00:01Z")):
        assert decode_record(encode_record(record)) == record


# --- retractions ------------------------------------------------------------------------------------------------------


def test_a_retraction_of_a_flagged_message_is_told_and_of_another_is_not():
    records = judge(message(1), message(2, "hello"), removed(1, target="t:1"), removed(2, target="t:2"))
    assert records[1:] == [Retracted("t:1", "2026-11-20T12:08:21Z")]


def test_a_retraction_is_told_once():
    memory = Memory()
    judge(message(1), removed(1, target="t:1"), memory=memory)
    assert judge(removed(2, target="t:1"), removed(3), memory=memory) == []


def test_a_message_that_was_taken_back_before_it_came_is_not_flagged():
    ban = removed(2, target_author="a1", from_=START, to=START + timedelta(seconds=9))
    assert judge(removed(1, target="t:20"), ban, message(20), message(9)) == []
    assert len(judge(removed(1, target="t:20"), ban, message(10), message(9, author="b"))) == 2


def test_a_ban_takes_back_what_this_author_said_here_in_this_time():
    said = [
        message(1),
        message(5),
        message(9),
        message(5, id="t:other", author="b"),
        message(5, id="t:there", livestream="twitch:bo"),
    ]
    ban = {"from_": START + timedelta(seconds=2), "to": START + timedelta(seconds=9)}
    records = judge(*said, removed(1, target_author="a1", **ban))
    assert [record.retracted for record in records[5:]] == ["t:5", "t:9"]
    records = judge(*said, removed(1, **ban))
    assert [record.retracted for record in records[5:]] == ["t:5", "t:9", "t:other"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30), st.integers(0, 30))
@settings(max_examples=60)
def test_memory_rebuilt_from_the_flags_goes_on_as_the_one_that_was_lost(history, cut):
    """Single retractions: what a new owner publishes is what the old one would have published."""
    events = [
        removed(n, target=f"t:{number}") if gone else message(number, received_at=START)
        for n, (gone, number) in enumerate(history)
    ]
    kept = Memory()
    first = judge(*events[:cut], memory=kept)
    rebuilt = Memory()
    for record in first:
        rebuilt.take(decode_record(encode_record(record)))
    flagged = {record.event for record in first if isinstance(record, Flag)}
    targets = {event.target for event in events[:cut] if isinstance(event, Removed)}
    assert rebuilt.flagged == kept.flagged
    assert set(rebuilt.removed) == set(kept.removed) & flagged
    if targets <= flagged:
        assert judge(*events[cut:], memory=rebuilt) == judge(*events[cut:], memory=kept)


# --- on the server ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=2).opened() as opened:
        await opened.prepare()
        yield opened


async def ingest(journal: Journal, *events) -> None:
    for event in events:
        await journal.ingest(0, [(digest(event.id), as_json(event))], tail=None)


async def work(reader: Reader) -> None:
    for _ in range(3):
        await reader._own(0.0)
        while await reader.round(0.0):
            pass


async def published(journal: Journal):
    return [decode_record(fields[b"d"]) for _, fields in await journal.redis.xrange(key(0, FLAGS))]


async def free_leases(journal: Journal) -> None:
    """As when the owner was killed and its lease and share ran out."""
    await journal.redis.delete(key(0, f"lease:{ROLE}"), key(1, f"lease:{ROLE}"), "{moderate}:owners", "{moderate}:members")


async def test_a_hit_stands_in_the_flags_once_and_the_cursor_moves_past_what_hit_nothing(journal):
    reader = Reader(journal, ROLE, Moderator(journal, BOOK))
    await ingest(journal, message(1), message(2, "hello"))
    await work(reader)
    assert [record.id for record in await published(journal)] == ["threat|t:1"]
    newest = (await journal.redis.xrevrange(key(0, "s"), count=1))[0][0].decode()
    assert (await journal.checkpoint(0, ROLE)).position[0] == newest


async def test_an_owner_that_comes_back_late_publishes_nothing_twice(journal):
    """Killed after reading, before publishing: its successor publishes, and the late call is refused."""
    first = Reader(journal, ROLE, Moderator(journal, BOOK))
    await ingest(journal, message(1))
    await first._own(0.0)
    held = first.held[0]
    pulled = await journal.pull(0, held.checkpoint.position, 100)
    await free_leases(journal)
    second = Reader(journal, ROLE, Moderator(journal, BOOK))
    await work(second)
    with pytest.raises(Doubt, match="FENCED"):
        await journal.publish(
            0, ROLE, FLAGS, held.token, before=held.checkpoint, position=pulled.position, payloads=[b"{}"], caught_up_ms=None
        )
    with pytest.raises(Doubt, match="STALE"):
        await journal.publish(
            0,
            ROLE,
            FLAGS,
            second.held[0].token,
            before=Checkpoint(7, held.checkpoint.position, "", 0),
            position=pulled.position,
            payloads=[b"{}"],
            caught_up_ms=None,
        )
    assert [record.id for record in await published(journal)] == ["threat|t:1"]


async def test_a_repeated_publish_whose_reply_was_lost_is_one(journal):
    reader = Reader(journal, ROLE, Moderator(journal, BOOK))
    await ingest(journal, message(1))
    await reader._own(0.0)
    held = reader.held[0]
    pulled = await journal.pull(0, held.checkpoint.position, 100)
    for _ in range(2):
        await journal.publish(
            0, ROLE, FLAGS, held.token, before=held.checkpoint, position=pulled.position, payloads=[b"{}"], caught_up_ms=None
        )
    assert await journal.redis.xlen(key(0, FLAGS)) == 1


async def test_kills_and_stolen_leases_lose_no_flag_and_make_none_twice(journal):
    """A seeded storm of three moderators; at the end the flags are those of one undisturbed reading."""
    dice = random.Random(11)
    readers = [Reader(journal, ROLE, Moderator(journal, BOOK)) for _ in range(3)]
    events = []
    for step in range(120):
        batch = []
        for number in range(dice.randint(0, 6)):
            name = 10 * step + number
            if dice.random() < 0.25 and events:
                target = dice.choice([event.id for event in events if isinstance(event, Message)] or ["t:0"])
                batch.append(removed(name, target=target))
            else:
                text = dice.choice(["hello", "I kill you", "free iphone 杀了你"])
                batch.append(message(name, text, received_at=START))
        events += batch
        await ingest(journal, *batch)
        reader = dice.choice(readers)
        if dice.random() < 0.4:
            reader.drop_all()
        if dice.random() < 0.4:
            await free_leases(journal)
        await reader._own(0.0)
        await reader.round(0.0)
    await free_leases(journal)
    await work(Reader(journal, ROLE, Moderator(journal, BOOK)))
    assert await published(journal) == judge(*events)
    assert sum(sum(reader.doubts.values()) for reader in readers) > 3  # the storm really disturbed somebody


async def test_a_new_owner_withdraws_what_the_old_one_flagged(journal):
    first = Reader(journal, ROLE, Moderator(journal, BOOK))
    await ingest(journal, message(1), message(2, author="b"))
    await work(first)
    await free_leases(journal)
    await ingest(journal, removed(1, target="t:1"), removed(2, target_author="b", from_=START, to=START + timedelta(minutes=1)))
    await work(Reader(journal, ROLE, Moderator(journal, BOOK)))
    assert [record.retracted for record in (await published(journal))[2:]] == ["t:1", "t:2"]


async def test_new_rules_apply_from_the_next_batch(journal):
    moderator = Moderator(journal, BOOK)
    reader = Reader(journal, ROLE, moderator)
    await ingest(journal, message(1, "buy viewers"))
    await work(reader)
    moderator.use(Rulebook([KeywordRule(id="spam", severity=2, phrases={"*": ("buy viewers",)})], ROSTER))
    await ingest(journal, message(2, "buy viewers"), message(3))
    await work(reader)
    assert [record.id for record in await published(journal)] == ["spam|t:2"]


async def test_a_lost_tail_is_noticed_before_anything_is_published(journal):
    reader = Reader(journal, ROLE, Moderator(journal, BOOK))
    await ingest(journal, message(1))
    await reader._own(0.0)
    held = reader.held[0]
    with pytest.raises(LostTail):
        await journal.publish(
            0, ROLE, FLAGS, held.token, before=held.checkpoint, position=("5-0", "gone"), payloads=[b"{}"], caught_up_ms=None
        )
    assert await journal.redis.xlen(key(0, FLAGS)) == 0


async def test_flags_of_yesterday_are_trimmed(journal):
    """Trimming goes by whole nodes of the stream, so there must be some."""
    for number in range(400):
        await journal.redis.xadd(
            key(0, FLAGS), {"n": "x", "d": encode_record(Retracted(f"old:{number}", ""))}, id=f"{1000 + number}-0"
        )
    await ingest(journal, message(1))
    await work(Reader(journal, ROLE, Moderator(journal, BOOK)))
    ids = [record.id for record in await published(journal) if isinstance(record, Flag)]
    assert ids == ["threat|t:1"]
    assert await journal.redis.xlen(key(0, FLAGS)) <= 100


async def test_flags_are_counted_by_rule_and_every_rule_is_there_from_the_start(journal):
    moderator = Moderator(journal, BOOK)
    await moderator.tally.write(journal.redis)
    assert await journal.redis.hgetall(KEY) == {b"flags|threat|4": b"0", b"flags|scam|3": b"0"}
    await ingest(journal, message(1), message(2, "kill you, free iphone"), removed(1, target="t:1"))
    await work(Reader(journal, ROLE, moderator))
    await moderator.tally.write(journal.redis)
    await moderator.tally.write(journal.redis)
    assert await journal.redis.hgetall(KEY) == {b"flags|threat|4": b"2", b"flags|scam|3": b"1", b"flags_retracted": b"1"}


async def test_counters_that_cannot_be_written_wait():
    tally = Tally()
    tally.add("a", 2)
    unreachable = Journal("redis://127.0.0.1:1")
    await tally.write(unreachable.redis)
    await unreachable.close()
    assert tally._sums == {"a": 2}
