"""Telegram: each update gives exactly its events, an update is confirmed only after it was handed on, and the token is never said."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import traceback
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from fake_telegram import TOKEN, FakeTelegram
from fakes import Faults
from hypothesis import given
from hypothesis import strategies as st
from reading import read, texts

from connectors.connector import (
    Dropped,
    Health,
    Mark,
    ProcessMemory,
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
from connectors.event import Gap, Gift, Join, Message, Reaction, Removed, Status, Unknown
from connectors.rest import Reply
from connectors.telegram import Options, Telegram
from connectors.telegram.asking import failure
from connectors.telegram.fields import Albums, Context, Written
from connectors.telegram.parse import update_events
from connectors.telegram.totals import MOST, Totals

CAPTURES = Path(__file__).parent / "captures" / "telegram"
NOW = datetime(2026, 10, 17, 12, 30, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"test key")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW, dice=random.Random(1))
GROUP, CHANNEL = "-1001234567890", "-1009876543210"
OURS = {GROUP: "telegram:group", CHANNEL: "telegram:channel"}


def capture(name):
    return (CAPTURES / f"{name}.json").read_bytes()


def read_capture(name, livestreams=OURS):
    return Telegram.parse(capture(name), TOOLS, livestreams=livestreams)


def moment(seconds):
    return datetime.fromtimestamp(1792238400 + seconds, UTC)


# --- updates ----------------------------------------------------------------------------------------------------------


def test_a_comment_in_a_group():
    assert read_capture("message") == [
        Message(
            id=f"telegram:{GROUP}:15", platform="telegram", livestream="telegram:group", at=moment(0), received_at=NOW,
            author=PSEUDONYM("telegram", "7001"), author_name="Ana Souza", text="que carro 你好 👋",
            url="https://t.me/c/1234567890/15",
        )
    ]  # fmt: skip


def test_a_reply_that_was_paid_for():
    message, stars = read_capture("reply")
    assert (message.reply_to, message.url) == (f"telegram:{GROUP}:15", "https://t.me/summit_live/16")
    assert (stars.name, stars.amount_minor, stars.exponent, stars.currency) == ("paid message", 50, 0, "STARS")
    assert isinstance(stars, Gift)


def test_in_a_forum_the_topic_is_not_what_is_answered():
    update = orjson.loads(capture("reply"))
    update["message"]["is_topic_message"] = True
    message, _ = Telegram.parse(orjson.dumps(update), TOOLS)
    assert message.reply_to is None


def test_pictures_and_stickers_are_comments_with_the_words_that_they_have():
    assert [event.text for name in ("photo", "sticker") for event in read_capture(name)] == ["look", "🔥"]


def test_a_post_of_a_channel_is_a_post_and_its_copy_in_the_group_is_nothing():
    (post,) = read_capture("channel_post")
    assert (post.form, post.livestream, post.author_name) == ("post", "telegram:channel", "Summit")
    assert post.author == PSEUDONYM("telegram", CHANNEL)
    assert read_capture("forward") == []


def test_an_edit_is_no_new_message():
    assert read_capture("edited") == []


def test_each_new_reaction_of_a_person_counts_once():
    fire, custom = read_capture("reaction")
    assert [one.reaction for one in (fire, custom)] == ["🔥", "custom:5368324170671202286"]
    assert {one.count for one in (fire, custom)} == {1}
    assert fire.author == PSEUDONYM("telegram", "7002")
    later = orjson.loads(capture("reaction"))
    later["update_id"] += 1
    later["message_reaction"]["date"] += 60
    assert Telegram.parse(orjson.dumps(later), TOOLS, livestreams=OURS)[0].id == fire.id, "taken back and given again"


def test_people_who_come_are_joins_and_bots_are_none():
    (join,) = read_capture("came")
    assert isinstance(join, Join)
    assert join.count == 2


def test_a_video_chat_is_a_broadcast():
    (status,) = read_capture("video_chat")
    assert isinstance(status, Status)
    assert (status.state, status.livestream) == ("live", "telegram:group")


def test_a_ban_takes_back_each_message_and_by_author_the_last_ten_minutes():
    context = Context(NOW, PSEUDONYM, OURS, {}, Written(), Albums())
    for name in ("message", "reply", "photo"):
        update_events(orjson.loads(capture(name)), context)
    *one_by_one, by_author = update_events(orjson.loads(capture("ban")), context)
    assert [removed.target for removed in one_by_one] == [f"telegram:{GROUP}:15", f"telegram:{GROUP}:17"]
    assert (by_author.target_author, by_author.from_, by_author.to) == (PSEUDONYM("telegram", "7001"), moment(-550), moment(50))
    assert all(isinstance(removed, Removed) for removed in (*one_by_one, by_author))


def test_private_chats_are_never_read():
    assert read_capture("private", None) == []


def test_bots_are_not_the_audience():
    update = orjson.loads(capture("message"))
    update["message"]["from"]["is_bot"] = True
    assert Telegram.parse(orjson.dumps(update), TOOLS) == []
    update["message"]["sender_chat"] = update["message"]["chat"]
    (anonymous_admin,) = Telegram.parse(orjson.dumps(update), TOOLS)
    assert anonymous_admin.author_name == "Summit live"


def test_a_chat_is_known_by_its_public_name_too():
    assert [event.livestream for event in read_capture("channel_post", {"summit": "telegram:s"})] == ["telegram:s"]


def test_of_an_answer_one_bad_update_spoils_nothing():
    one, bad, two = read_capture("answer")
    assert (one.text, two.text) == ("one", "two")
    assert isinstance(bad, Unknown)
    assert bad.name == "unreadable missing_chat"


def test_an_unknown_kind_is_named():
    (event,) = read_capture("unknown")
    assert (event.name, event.livestream) == ("chat_boost", "telegram:group")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"message_id": None}, "missing_id"),
        ({"message_id": True}, "missing_id"),
        ({"date": "now"}, "bad_time"),
        ({"date": -1}, "bad_time"),
        ({"from": None}, "missing_author"),
        ({"chat": None}, "missing_chat"),
    ],
)
def test_what_is_missing_is_named(change, reason):
    update = orjson.loads(capture("message"))
    update["message"] |= change
    with pytest.raises(Unreadable) as raised:
        Telegram.parse(orjson.dumps(update), TOOLS)
    assert raised.value.reason == reason


# --- totals of reactions ----------------------------------------------------------------------------------------------


def test_totals_become_increments_and_never_fall():
    totals = Totals()
    totals.written(1)
    steps = [list(totals.raised(5, {"🔥": total})) for total in (3, 5, 2, 5, 6)]
    assert steps == [[("🔥", 3, 3)], [("🔥", 2, 5)], [], [], [("🔥", 1, 6)]]


def test_who_reacted_before_we_watched_is_not_ours_to_count():
    totals = Totals()
    totals.written(100)
    assert list(totals.raised(99, {"🔥": 40})) == []
    assert list(totals.raised(99, {"🔥": 41})) == [("🔥", 1, 41)]
    assert list(totals.raised(100, {"🔥": 2})) == [("🔥", 2, 2)]


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), st.integers(0, 20), st.booleans()), max_size=60))
def test_over_any_restarts_the_increments_are_the_highest_totals(steps):
    totals, sums, highest = Totals(), {}, {}
    totals.written(1)
    for message, emoji, total, restart in steps:
        for key, more, _ in totals.raised(message, {emoji: total}):
            sums[message, key] = sums.get((message, key), 0) + more
        highest[message, emoji] = max(total, highest.get((message, emoji), 0))
        if restart:
            totals = Totals(totals.stored())
    assert sums == {key: total for key, total in highest.items() if total}


def test_forgotten_messages_are_begun_anew_and_nothing_is_counted_twice():
    totals = Totals()
    totals.written(1)
    counted = sum(more for message in range(1, MOST + 3) for _, more, _ in totals.raised(message, {"🔥": 1}))
    assert counted == MOST + 2
    assert list(totals.raised(1, {"🔥": 9})) == []
    assert list(totals.raised(1, {"🔥": 10})) == [("🔥", 1, 10)]


@given(st.text(max_size=40))
def test_what_was_stored_wrongly_is_as_if_nothing_had_been_stored(stored):
    totals = Totals(stored)
    totals.written(1)
    assert list(totals.raised(1, {"🔥": 1})) == [("🔥", 1, 1)]


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "description", "kind", "words"),
    [
        (409, "Conflict: terminated by other getUpdates request", Refused, "another program"),
        (409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook", Refused, "webhook"),
        (401, "Unauthorized", Refused, "token"),
        (404, "Not Found", Refused, "token"),
        (502, "Bad Gateway", Dropped, "502"),
    ],
)
def test_each_refusal_has_its_sentence(status, description, kind, words):
    found = failure(Reply(status=status, body=orjson.dumps({"ok": False, "description": description})), NOW)
    assert type(found) is kind
    assert words in found.reason


@pytest.mark.parametrize(
    ("body", "seconds"), [(b'{"parameters":{"retry_after":7}}', 7), (b"busy", 60), (b'{"parameters":{"retry_after":"x"}}', 60)]
)
def test_how_long_to_wait_is_telegrams_word(body, seconds):
    found = failure(Reply(status=429, body=body), NOW)
    assert isinstance(found, Throttled)
    assert found.until == NOW + timedelta(seconds=seconds)


@given(st.integers(300, 599), st.binary(max_size=40))
def test_any_refusal_is_one_of_the_three(status, body):
    assert isinstance(failure(Reply(status=status, body=body), NOW), (Dropped, Throttled, Refused))


# --- against the fake -------------------------------------------------------------------------------------------------


def made(server, *, resume=Resume(), memory=None, handles=None, **options):  # noqa: B008 - frozen
    targets = [server.target(handle, resume) for handle in handles or server.handles]
    tools = Tools(pseudonym=PSEUDONYM, dice=random.Random(1), memory=memory or ProcessMemory())
    return Telegram(dataclasses.replace(server.options(), **options), Watch(targets), tools)


def polls(server):
    return [wanted for method, wanted in server.asked if method == "getUpdates"]


async def test_reactions_and_members_are_asked_for():
    async with FakeTelegram() as server:
        reader = asyncio.create_task(read(made(server), lambda items: any(isinstance(item, Reaction) for item in items)))
        await server.heard("ana")
        said = await server.say("ana", "hi")
        number = int(said.id.rpartition(":")[2])
        chat = {"id": int(server.chat("ana")), "type": "supergroup"}
        reactions = [{"type": {"type": "emoji", "emoji": "🔥"}, "total_count": 4}]
        await server.push(
            "message_reaction_count",
            {"chat": chat, "message_id": number, "date": int(said.at.timestamp()), "reactions": reactions},
        )
        items = await reader
        assert [(item.id, item.count) for item in items if isinstance(item, Reaction)] == [(f"{said.id}:🔥:4", 4)]


async def test_totals_outlive_the_connection():
    async with FakeTelegram() as server:
        memory, chat = ProcessMemory(), {"id": int(server.chat("ana")), "type": "supergroup"}

        async def react(total):
            reactions = [{"type": {"type": "emoji", "emoji": "🔥"}, "total_count": total}]
            await server.push(
                "message_reaction_count", {"chat": chat, "message_id": 1, "date": 1792238400, "reactions": reactions}
            )

        async def counted(total):
            await react(total)
            items = await read(
                made(server, memory=memory), lambda items: len(server.updates) == 0 and any(isinstance(i, Mark) for i in items)
            )
            return sum(item.count for item in items if isinstance(item, Reaction))

        await server.say("ana", "hi")
        assert [await counted(3), await counted(5), await counted(5)] == [3, 2, 0]


async def test_an_update_is_confirmed_only_after_it_was_handed_on():
    """A reader that dies with a message in hand finds it again."""
    async with FakeTelegram() as server:
        await server.say("ana", "first")
        await server.say("ana", "second")
        async with asyncio.timeout(30), aclosing(made(server).events()) as stream:
            async for item in stream:
                if isinstance(item, Message):
                    break
            await server.until(lambda: len(polls(server)) == 1)
        assert len(server.updates) == 2
        assert texts(await read(made(server), lambda items: len(texts(items)) == 2)) == ["first", "second"]


async def test_the_stored_offset_is_asked_for():
    async with FakeTelegram() as server:
        await server.say("ana", "old")
        await server.say("ana", "new")
        resume = Resume(cursor=str(server.updates[1]["update_id"]), covered_until=datetime.now(UTC))
        items = await read(made(server, resume=resume), texts)
        assert texts(items) == ["new"]


async def test_an_offset_of_days_ago_is_not_used_and_what_telegram_forgot_is_a_gap():
    """After a quiet week ids begin somewhere else: an offset above them would throw everything away."""
    async with FakeTelegram() as server:
        await server.say("ana", "here")
        resume = Resume(cursor="900000", covered_until=datetime.now(UTC) - timedelta(days=8))
        items = await read(made(server, resume=resume), texts)
        assert "offset" not in polls(server)[0]
        gaps = [item for item in items if isinstance(item, Gap)]
        assert sorted(gap.livestream for gap in gaps) == ["telegram:ana", "telegram:bo", "telegram:cy"]
        assert all(gap.from_ == resume.covered_until for gap in gaps)
        assert all(timedelta(hours=23) < datetime.now(UTC) - gap.to < timedelta(hours=25) for gap in gaps)


async def test_a_chat_that_is_not_in_the_roster_is_named_once_and_not_read():
    async with FakeTelegram() as server:
        for n in range(3):
            await server.say("bo", f"{n}")
        await server.say("ana", "ours")
        items = await read(made(server, handles=["ana"]), texts)
        strangers = [item for item in items if isinstance(item, Unknown)]
        assert [item.name for item in strangers] == ["a chat that is not in the roster"]
        assert server.chat("bo") not in repr(strangers)
        assert texts(items) == ["ours"]


async def test_a_chat_without_the_bot_is_refused_and_the_others_are_read():
    async with FakeTelegram() as server:
        del server.statuses[server.chat("bo")]
        server.statuses[server.chat("cy")] = "left"
        items = await read(made(server), lambda items: sum(isinstance(item, Health) for item in items) == 3)
        assert {item.livestream: item.state for item in items if isinstance(item, Health)} == {
            "telegram:ana": "live",
            "telegram:bo": "refused",
            "telegram:cy": "refused",
        }


async def test_privacy_mode_is_said_where_it_hides_something():
    async with FakeTelegram() as server:
        server.reads_all = False
        server.statuses[server.chat("bo")] = "member"
        items = await read(made(server), lambda items: sum(isinstance(item, Health) for item in items) == 3)
        reasons = {item.livestream: item.reason for item in items if isinstance(item, Health)}
        assert reasons["telegram:ana"] == "", "an administrator reads everything"
        assert "privacy mode" in reasons["telegram:bo"]


async def test_that_the_bot_was_thrown_out_is_seen_at_once():
    async with FakeTelegram() as server:
        reader = asyncio.create_task(
            read(made(server), lambda items: any(getattr(item, "state", "") == "refused" for item in items))
        )
        await server.heard("ana")
        chat = {"id": int(server.chat("ana")), "type": "supergroup"}
        await server.push("my_chat_member", {"chat": chat, "date": 1792238400, "new_chat_member": {"status": "kicked"}})
        items = await reader
        assert "add it again" in items[-1].reason


async def test_a_group_with_a_new_id_is_read_on():
    async with FakeTelegram() as server:
        reader = asyncio.create_task(read(made(server), lambda items: "after" in texts(items)))
        await server.heard("ana")
        old, who = {"id": int(server.chat("ana")), "type": "group"}, {"id": 1, "first_name": "Z"}
        await server.push(
            "message", {"message_id": 1, "date": 1792238400, "chat": old, "from": who, "migrate_to_chat_id": -10077}
        )
        new = {"id": -10077, "type": "supergroup"}
        await server.push("message", {"message_id": 1, "date": 1792238401, "chat": new, "from": who, "text": "after"})
        items = await reader
        assert [item.livestream for item in items if isinstance(item, Message)] == ["telegram:ana"]
        assert any(isinstance(item, Health) and "-10077" in item.reason for item in items)


async def test_a_second_reader_is_refused_with_a_sentence():
    async with FakeTelegram() as server:
        server.refusals = [(409, "Conflict: terminated by other getUpdates request")]
        with pytest.raises(Refused, match="another program reads this bot"):
            await read(made(server), lambda _: False)


async def test_one_answer_that_is_no_json_is_asked_for_again_and_costs_nothing():
    async with FakeTelegram() as server:
        server.unreadable = True
        await server.say("ana", "hi")
        items = await read(made(server), texts)
        assert texts(items) == ["hi"]
        assert [wanted["limit"] for wanted in polls(server)] == [100, 1], "alone, so that only a bad one would be lost"
        assert [item.name for item in items if isinstance(item, Unknown)] == ["unreadable answer"]


async def test_a_full_answer_covers_no_time():
    """There is more where it came from, and it may be older than the question."""
    async with FakeTelegram() as server:
        for n in range(101):
            await server.say("ana", f"{n}")
        items = await read(made(server), lambda items: len(texts(items)) == 101 and isinstance(items[-1], Mark))
        marks = [item for item in items if isinstance(item, Mark)]
        assert [mark.covered_until is None for mark in marks] == [True, False]
        assert [mark.cursor for mark in marks] == ["600", "601"]


async def test_a_chat_added_while_running_is_read():
    async with FakeTelegram() as server:
        connector = made(server, handles=["ana"])
        reader = asyncio.create_task(read(connector, lambda items: "hello" in texts(items)))
        await server.heard("ana")
        connector.watch.update([server.target("ana", Resume()), server.target("bo", Resume())])
        await server.until(lambda: ("getChatMember", {"chat_id": server.chat("bo"), "user_id": 99}) in server.asked)
        await server.say("bo", "hello")
        items = await reader
        assert [item.livestream for item in items if isinstance(item, Message)] == ["telegram:bo"]


async def test_without_a_token_it_says_where_to_get_one():
    with pytest.raises(Refused, match="BotFather"):
        await read(Telegram(Options(), Watch([Target(livestream="telegram:a", handle="a")]), TOOLS), lambda _: False)


@pytest.mark.parametrize("faults", [Faults(refuse=True), Faults(silent=True), Faults(half_frame=True)], ids=str)
async def test_the_token_is_never_said(faults, caplog):
    """It is part of every address, and aiohttp likes to say addresses."""
    caplog.set_level(logging.DEBUG)
    async with FakeTelegram(faults) as server:
        await server.say("ana", "hi")
        connector = made(server)
        with pytest.raises((Dropped, Refused)) as raised:
            await read(connector, lambda _: False)
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(connector.opts)
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    told += "".join(record.getMessage() for record in caplog.records) + repr([str(one) for one in chain])
    assert TOKEN not in told
    assert TOKEN.partition(":")[2] not in told


async def test_an_address_that_is_none_is_refused_without_saying_the_token():
    connector = Telegram(
        Options(token=Secret(TOKEN), url="no address"), Watch([Target(livestream="telegram:a", handle="a")]), TOOLS
    )
    with pytest.raises(Refused) as raised:
        await read(connector, lambda _: False)
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
