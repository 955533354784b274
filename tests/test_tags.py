"""Hashtags: found in every script, counted once with their retractions, shown only when they rise and nobody flagged them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_derive import make_config, message, removal
from test_voices import SPOKEN, River
from test_voices import message as said
from test_voices import removal as removed

from connectors.event import as_json
from monitor.audit import audit_partition
from monitor.config import Config, Event, KeywordRule, Topic
from monitor.derive import Deriver
from monitor.derive_memory import Memory
from monitor.derive_tags import TAGS_AT_ONCE
from monitor.emerging import FEWEST_AUTHORS, FEWEST_USES, Filter, gather, rising, without
from monitor.enrich.hashtags import LONGEST_TAG, MOST_TAGS, hashtags, tag_key
from monitor.entry import decode_entry
from monitor.journal import Journal, digest, key, pack, partition_of
from monitor.tags import MOST_OF_A_MINUTE, Trending, _minute
from monitor.windows import Change, Group

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = int(START.timestamp())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#CheryUserSummit is great #OMODA", ["#CheryUserSummit", "#OMODA"]), ("看#机器人#好帅#ai#", ["#机器人", "#ai"]), ("#奇瑞国际用户共创大会 走起", ["#奇瑞国际用户共创大会"]),
        ("#รถยนต์ไฟฟ้า สวย", ["#รถยนต์ไฟฟ้า"]), ("#هيبريد #می\u200cخواهم!", ["#هيبريد", "#می\u200cخواهم"]), ("#हिन्दी_कार", ["#हिन्दी_कार"]),
        ("C# is #1 &#39; http://x/#frag abc#def", []), ("#️⃣ #🔥 # ##", []), ("＃ＥＶ", ["#ＥＶ"]), ("#robot's, (#night)", ["#robot", "#night"]), ("#2026goals", ["#2026goals"]),
        ("#ev #EV #Ev", ["#ev"]), ("#a#b #x", ["#a", "#x"]), ("#日本車すごい", ["#日本車すごい"]), ("plain", []),
    ],
)  # fmt: skip
def test_hashtags_are_found_in_every_script(text, found):
    assert list(hashtags(text)) == found


def test_case_width_and_the_forms_of_arabic_letters_make_no_other_tag():
    assert len({tag_key(tag) for tag in ("#RoadTrip", "#roadtrip", "#ＲＯＡＤＴＲＩＰ", "#ROADTRIP")}) == 1
    assert tag_key("#شيري") == tag_key("#شیری")
    assert tag_key("#می\u200cخواهم") == tag_key("#میخواهم")
    assert tag_key("#ev") != tag_key("#evs")


@given(st.text(st.sampled_from("#＃a_é中ท็ \u200d\ufe0f🔥&/1"), max_size=60))
def test_whatever_is_written_tags_are_few_bounded_and_different(text):
    found = hashtags(text)
    assert len(found) <= MOST_TAGS
    assert len({tag_key(tag) for tag in found}) == len(found)
    assert all(tag[0] == "#" and 2 <= len(tag) <= LONGEST_TAG + 1 and not set(tag) & set(" |:🔥&") for tag in found)


def batch(*events, memory=None):
    return Deriver(make_config()).batch(1, [decode_entry(as_json(event)) for event in events], memory or Memory())


def counted(result):
    """minute container → field → count."""
    return {name: group.increments for group in result.change.groups for name in group.containers if name.startswith("tags:")}


def test_hashtags_stand_in_minutes_of_their_own_and_in_no_other_container():
    result = batch(message("m", text="#EV and #Robots"), message("n", text="#EV", livestream="b", second=70, author="bo"))
    assert counted(result) == {
        f"tags:{MINUTE}": {"tag:#EV|BR": 1, "tag:#Robots|BR": 1},
        f"tags:{MINUTE + 60}": {"tag:#EV|ZZ": 1},
    }
    others = [group for group in result.change.groups if not group.containers[0].startswith("tags:")]
    assert not any(field.startswith("tag:") for group in others for field in group.increments)
    assert sorted(result.authors["tag:#ev", f"ten:{MINUTE}"]) == ["ana", "bo"]


def test_a_retracted_message_takes_its_hashtags_back():
    assert counted(batch(message("m", text="#EV"), message("n", text="#EV"), removal("m"))) == {
        f"tags:{MINUTE}": {"tag:#EV|BR": 1}
    }


def test_platforms_outside_totals_have_no_say():
    assert counted(batch(message("m", text="#EV", platform="shadow"))) == {}


def test_of_a_flood_of_invented_hashtags_a_commit_keeps_the_most_used():
    flood = [message(f"m{n}", text=f"#x{n}") for n in range(3 * TAGS_AT_ONCE)]
    used = [message(f"u{n}", text="#EV now", author=f"a{n}") for n in range(3)]
    result = batch(*flood, *used)
    (fields,) = counted(result).values()
    assert len(fields) == TAGS_AT_ONCE
    assert fields["tag:#EV|BR"] == 3
    assert len([head for head, window in result.authors if window.startswith("ten:")]) == TAGS_AT_ONCE


# --- which of them rise -----------------------------------------------------------------------------------------------

NOW = MINUTE + 7200
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("UTC"), hashtags=("#UserSummit",)),
    topics=(Topic(id="robots", name={}, phrases={"*": ("robot", "机器人")}),),
    rules=(KeywordRule(id="threat", severity=4, phrases={"*": ("kill you", "kys", "杀了你")}),),
    partitions=2,
)


def minutes(tag, *, now, before, country="BR"):
    """So many uses in the last ten minutes, and in the hour before them."""
    return [(NOW - 120, {(tag, country): now}), (NOW - 1800, {(tag, country): before})]


def found(*several, **more):
    usual = {"before_minutes": 60.0, "window_minutes": 10.0}
    return rising(gather([one for some in several for one in some], NOW), **{**usual, **more})


def test_a_tag_rises_against_its_own_hour_and_the_large_one_that_does_not_is_not_shown():
    result = found(minutes("#RoadTrip", now=60, before=60), minutes("#always", now=100, before=600))
    assert [(one.key, one.factor) for one in result] == [("#roadtrip", 4.6)]


def test_few_uses_are_no_sensation():
    assert found(minutes("#x", now=FEWEST_USES - 1, before=0)) == []
    assert [one.key for one in found(minutes("#x", now=FEWEST_USES, before=0))] == ["#x"]


def test_spellings_are_one_tag_and_the_most_frequent_one_is_shown():
    (one,) = found(
        minutes("#roadtrip", now=10, before=0),
        minutes("#RoadTrip", now=20, before=0, country="MX"),
        minutes("#ROADTRIP", now=3, before=6),
    )
    assert (one.uses.now, one.uses.before, one.uses.shown_as) == (33, 6, "#RoadTrip")
    assert one.uses.countries.most_common(1) == [("MX", 20)]


def test_while_there_is_nothing_to_compare_with_there_is_no_factor():
    result = found(minutes("#x", now=20, before=0), minutes("#y", now=30, before=0), before_minutes=5.0)
    assert [(one.key, one.factor) for one in result] == [("#y", None), ("#x", None)]


def test_what_is_shown_leaves_later_than_it_came():
    falling = minutes("#x", now=40, before=170)
    assert found(falling) == []
    assert [one.key for one in found(falling, shown={"#x"})] == ["#x"]


def test_minutes_outside_the_window_and_what_was_taken_back_do_not_count():
    assert gather([(NOW + 60, {("#x", "BR"): 5}), (NOW - 71 * 60, {("#x", "BR"): 5}), (NOW, {("#x", "BR"): -2})], NOW) == {}


def test_what_was_not_counted_cannot_be_taken_away():
    assert without({("#x", "BR"): 1, ("#y", "BR"): 2}, [("#x", "BR"), ("#x", "BR"), ("#z", "BR"), ("#y", "MX")]) == {
        ("#x", "BR"): 0, ("#y", "BR"): 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "lets"),
    [
        ("#RoadTrip", True), ("#usersummit", False), ("#ＵserSummit", False), ("#robots", False), ("#机器人之夜", False), ("#IWillKillYou", False), ("#iwillkillyouall", False),
        ("#kys", False), ("#skyscraper", True), ("#我要杀了你们", False), ("#i_kill_you", False), ("#skill", True),
    ],
)  # fmt: skip
def test_the_events_own_tags_the_topics_and_whatever_holds_a_word_of_the_bank_is_left_out(tag, lets):
    assert Filter(CONFIG).lets(tag_key(tag), [tag]) is lets


# --- the keeper's search, on a real Valkey ----------------------------------------------------------------------------


@pytest.fixture
async def river(valkey, redis_client):
    async with Journal(valkey, partitions=4).opened() as opened:
        await opened.prepare()
        it = River(opened, replace(CONFIG, partitions=4))
        it.serve(replace(CONFIG, partitions=4))
        it.keeper.jobs = [Trending()]
        it.now = int((SPOKEN + timedelta(seconds=30)).timestamp() * 1000)
        yield it


async def trending(river: River) -> dict[str, dict]:
    for _ in range(2):
        await river.keep(2.5)
    return river.feed.ticker.state.get("trending", {})


def crowd(tag, count, authors, livestream="twitch:a", text="look at"):
    return [said(f"{tag}{livestream}{n}", f"{text} {tag} {n}", livestream, author=f"fan{n % authors}") for n in range(count)]


async def test_a_tag_of_many_people_is_shown_with_how_many_and_from_where(river):
    await river.say(*crowd("#RoadTrip", 20, 10), *crowd("#roadtrip", 5, 5, "twitch:b"), *crowd("#UserSummit", 20, 10))
    await river.count()
    await river.moderate()
    shown = await trending(river)
    assert shown == {
        "#RoadTrip": {"count": 25, "per_minute": shown["#RoadTrip"]["per_minute"], "authors": 10, "countries": ["BR"], "since": shown["#RoadTrip"]["since"]}
    }  # fmt: skip


async def test_a_tag_of_few_people_is_not_shown_however_often_they_say_it(river):
    await river.say(*crowd("#BuyThis", 40, FEWEST_AUTHORS - 1))
    await river.count()
    await river.moderate()
    assert await trending(river) == {}


async def test_nothing_counts_that_moderation_has_not_read(river):
    await river.say(*crowd("#RoadTrip", 20, 10))
    await river.count()
    assert await trending(river) == {}
    await river.moderate()
    assert list(await trending(river)) == ["#RoadTrip"]


async def test_flagged_messages_never_count_and_a_late_flag_takes_their_share_back(river):
    await river.say(*crowd("#Evil", 20, 20, text="i kill you"), *crowd("#RoadTrip", 20, 20))
    await river.count()
    await river.moderate()
    assert list(await trending(river)) == ["#RoadTrip"]
    partition = partition_of("twitch:a", 4)
    for n in range(15):
        at = SPOKEN.isoformat().replace("+00:00", "Z")
        flag = {"kind": "flag", "id": f"late|{n}", "event": f"t:#RoadTriptwitch:a{n}", "rule": "late", "severity": 4, "span": [0, 1], "platform": "twitch",
                "livestream": "twitch:a", "country": "BR", "at": at, "received_at": at, "author": f"fan{n}", "text": "look at #RoadTrip"}  # fmt: skip
        await river.journal.redis.xadd(key(partition, "flags"), {"n": "n", "d": orjson.dumps(flag)})
    assert await trending(river) == {}


async def test_retracted_messages_do_not_count_nor_are_they_taken_away_twice_for_long(river):
    evil = [said(f"#RoadTriptwitch:b{n}", f"i kill you #RoadTrip {n}", "twitch:b", author=f"evil{n}") for n in range(3)]
    good = [said(f"good{n}", f"look at #RoadTrip {n}", "twitch:b", author=f"fan{n}") for n in range(5)]
    await river.say(*crowd("#RoadTrip", 20, 20), *evil, *good)
    await river.count()
    await river.moderate()
    assert (await trending(river))["#RoadTrip"]["count"] == 25
    await river.say(*(removed(f"#RoadTriptwitch:b{n}", "twitch:b", target=f"t:#RoadTriptwitch:b{n}") for n in range(3)))
    await river.say(*(removed(f"#RoadTriptwitch:a{n}", target=f"t:#RoadTriptwitch:a{n}") for n in range(4)))
    await river.count()
    await river.moderate()
    assert (await trending(river))["#RoadTrip"]["count"] <= 21
    await river.keep(130)
    assert (await trending(river))["#RoadTrip"]["count"] == 21


async def test_people_who_were_flagged_for_a_tag_are_not_among_its_authors(river):
    evil = [said(f"evil{n}", f"i kill you #RoadTrip {n}", "twitch:a", author=f"evil{n}") for n in range(20)]
    await river.say(*evil, *crowd("#RoadTrip", 12, FEWEST_AUTHORS - 1))
    await river.count()
    await river.moderate()
    assert await trending(river) == {}
    await river.say(said("more", "look at #RoadTrip", "twitch:a", author="one more"))
    await river.count()
    await river.moderate()
    assert (await trending(river))["#RoadTrip"]["authors"] == FEWEST_AUTHORS


async def test_since_when_survives_another_keeper(river):
    await river.say(*crowd("#RoadTrip", 20, 10))
    await river.count()
    await river.moderate()
    since = (await trending(river))["#RoadTrip"]["since"]
    await river.keeper.release()
    river.serve(replace(CONFIG, partitions=4))
    river.keeper.jobs = [Trending()]
    await river.keep(60)
    assert (await trending(river))["#RoadTrip"]["since"] == since


async def test_the_audit_agrees_although_a_commit_may_leave_hashtags_out(river):
    await river.say(*(said(f"x{n}", f"#x{n} is one of many", "twitch:a") for n in range(2 * TAGS_AT_ONCE)))
    await river.count()
    report = await audit_partition(river.journal, partition_of("twitch:a", 4))
    assert (report.differences, report.incomplete, report.entries) == ([], [], 2 * TAGS_AT_ONCE)


async def test_a_flood_fills_its_own_minute_and_no_more(river):
    journal, redis = river.journal, river.journal.redis
    await river.count()
    held = river.counter.held[0]
    for n in range(4):
        fields = {f"tag:#x{n}_{i}|BR": 1 for i in range(400)}
        position = (await ingest_one(journal, n), "n")
        before = await journal.checkpoint(0, "count")
        change = pack(Change(before.version + 1, [Group(["tags:60"], fields)]))
        nonce = (await redis.xrange(key(0, "s"), position[0], position[0]))[0][1][b"n"].decode()
        await journal.commit(
            0, held.token, before=before, position=(position[0], nonce), change=change, extras=pack([[], [], []]), config="c"
        )
    assert await redis.hlen(key(0, "tags:60")) == 1200
    assert 0 < await redis.ttl(key(0, "tags:60")) <= 7200


def test_of_a_flooded_minute_only_the_most_used_are_looked_at():
    row = {f"tag:#x{n}|BR".encode(): b"1" for n in range(900)} | {"tag:#РоботНочь|ZZ".encode(): b"12"}
    found = _minute(row)
    assert len(found) == MOST_OF_A_MINUTE
    assert found["#РоботНочь", "ZZ"] == 12


async def ingest_one(journal: Journal, n: int) -> str:
    result = await journal.ingest(0, [(digest(f"f{n}"), b"{}")], tail=None)
    return result.tail[0]
