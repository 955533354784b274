"""What may be quoted: fit texts, a diverse few, nothing that moderation has not read, gone at once when flagged or taken back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_derive import make_config, message, removal

from connectors.event import as_json
from monitor.choose import (
    ADMIT_MS,
    CLEAN_MS,
    HELD_MS,
    MOST_SHOWN,
    MOST_WAITING,
    REJECTED_MS,
    WAITING_MS,
    Around,
    Pool,
    Saying,
    Voice,
    language_of,
    pick,
    score,
    script_of,
)
from monitor.derive import OFFER_MS, Deriver
from monitor.derive_memory import Memory
from monitor.entry import decode_entry

GOOD = "que lindo el híbrido en la pista"


@pytest.mark.parametrize(
    "text",
    [
        GOOD, "hello from the factory, so shiny", "这个机器人跳舞真的太厉害了", "สวัสดีครับ ชอบรถคันนี้มาก", "когда в продаже? очень жду",
        "مرحبا من الرياض، متى يصل", "オモダかっこいいですね", "하이브리드 정말 좋아요", "מתי זה מגיע לישראל", "यह कार बहुत अच्छी है", "CHERY to the moon",
    ],
)  # fmt: skip
def test_a_sentence_in_any_script_is_fit(text):
    assert score(text) > 0


@pytest.mark.parametrize(
    "text",
    [
        "LUL", "first", "100 #CheryUserSummit #Robots", "... #奇瑞国际用户共创大会", "奇瑞 加油", "robot dance 🔥🔥", "🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥🔥", "KEKW KEKW Pog", "catJAM monkaS peepoClap", "!drops now please tell me", "/ban him from here",
        "look at https://example.com now", "join www.example to win it", "buy at shop.example.com today", "t.me/promo is the best one", "call me +49 170 1234567 please",
        "@bob you are a great man", "hahahaaaaaaaa so funny", "go go go go go go go", "I LOVE THIS CAR SO MUCH", "КОГДА ЖЕ ОНА БУДЕТ В ПРОДАЖЕ", "1234 5678 90 12 34", "", " ", "a" * 181, "word " * 60,
    ],
)  # fmt: skip
def test_commands_links_emotes_names_and_noise_are_not(text):
    assert score(text) == 0


def test_a_message_about_a_topic_goes_before_one_about_none():
    assert score(GOOD, 1) > score(GOOD)


@given(st.text(max_size=200), st.integers(0, 5))
def test_no_text_breaks_the_score_and_it_stays_in_its_range(text, topics):
    assert 0 <= score(text, topics) <= 100
    assert isinstance(script_of(text), str)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("abc", "LATIN"),
        ("看 CHERY 的机器人", "HAN"),
        ("ロボットの時代", "JAPANESE"),
        ("รถยนต์", "THAI"),
        ("123 🔥", ""),
        ("हिन्दी", "DEVANAGARI"),
    ],
)
def test_the_script_is_that_of_most_letters(text, script):
    assert script_of(text) == script


@pytest.mark.parametrize(
    ("script", "hint", "own", "language"),
    [
        ("LATIN", "pt-BR", "zh", "pt-BR"), ("LATIN", None, "zh", ""), ("LATIN", "ru", None, ""), ("HAN", None, "pt", "zh"), ("HAN", "ja", None, "ja"),
        ("THAI", "en", "en", "th"), ("ARABIC", None, "fa", "fa"), ("ARABIC", None, "en", ""), ("CYRILLIC", "und", "uk", "uk"), ("LATIN", None, "de", "de"),
    ],
)  # fmt: skip
def test_a_text_is_marked_with_a_language_only_when_its_script_can_be_of_it(script, hint, own, language):
    assert language_of(script, hint, own) == language


# --- what count offers ------------------------------------------------------------------------------------------------


def offered(events, memory=None, **more):
    entries = [decode_entry(as_json(event)) for event in events]
    return Deriver(make_config()).batch(1, entries, memory or Memory(), **more).change.highlights


def test_count_offers_a_few_of_different_livestreams_with_where_they_are_from():
    told = [
        message(f"m{n}", livestream=f"twitch:{'abc'[n % 3]}", text=f"{GOOD} {n}", author_name="Ana", language="es")
        for n in range(10)
    ]
    found = offered(told, position="7-0")
    assert len({one.livestream for one in found}) == len(found) == 2
    (one,) = offered([told[0]], position="7-0")
    assert (one.country, one.language, one.name, one.author, one.position, one.script) == (
        "BR",
        "es",
        "Ana",
        "ana",
        "7-0",
        "LATIN",
    )


def test_count_offers_nothing_of_platforms_outside_totals_nor_of_livestreams_that_the_roster_does_not_have():
    assert offered([message("m", platform="shadow", text=GOOD)]) == []
    assert offered([message("m", livestream="stranger", text=GOOD)]) == []
    assert offered([message("m", livestream=None, text=GOOD)]) == []


def test_count_offers_nothing_that_is_taken_back_in_the_same_batch_or_was_before():
    assert offered([message("m", text=GOOD), removal("m")]) == []
    assert offered([message("m", text=GOOD)], Memory.of(["m"])) == []
    assert [one.id for one in offered([message("m", text=GOOD)])] == ["m"]


def test_count_offers_at_most_so_often():
    memory = Memory()
    assert offered([message("m", text=GOOD)], memory, journal_ms=10_000)
    assert offered([message("n", text=GOOD)], memory, journal_ms=10_000 + OFFER_MS - 1) == []
    assert offered([message("n", text=GOOD)], memory, journal_ms=10_000 + OFFER_MS)


# --- the pool ---------------------------------------------------------------------------------------------------------


def voice(number, *, script="LATIN", country="BR", livestream=None, worth=50, **more):
    return Voice(
        id=f"m{number}", text=f"{GOOD} {number}", livestream=livestream or f"a{number}", platform="twitch", country=country, position="5-0", partition=0,
        at="2026-11-20T12:00:00Z", taken_ms=0, since_ms=0, score=worth, script=script, **more,
    )  # fmt: skip


class Everywhere(frozenset):
    """Every livestream is of a consenting attendee."""

    def __contains__(self, name):
        return name not in self.missing

    missing: frozenset[str] = frozenset()


def around(now_ms, *, after=None, is_clean=lambda _: True, pinned="", missing=(), **more):
    watched = Everywhere()
    watched.missing = frozenset(missing)
    return Around(now_ms=now_ms, watched=watched, is_clean=is_clean, clean_after_ms=after, pinned=pinned, **more)


READ = {0: "5-0"}


def waiting_pool(*voices, **more):
    pool = Pool()
    for one in voices:
        pool.offer(one)
    for turn in range(1, 40):  # long before the beginning of time, so that ages are counted from nought
        pool.turn(around(-turn * ADMIT_MS - 1, **more), READ)
    for one in pool.voices.values():
        one.since_ms = 0
    return pool


@given(st.lists(st.sampled_from(["LATIN", "HAN", "ARABIC", "THAI", "CYRILLIC"]), max_size=40), st.integers(0, 30))
def test_a_pick_has_three_scripts_when_there_are_three(scripts, most):
    voices = [voice(n, script=script, worth=1 + n) for n, script in enumerate(scripts)]
    chosen = pick(voices, most)
    assert len(chosen) == len({one.id for one in chosen}) == min(most, len(voices))
    assert len({one.script for one in chosen}) >= min(3, most, len(set(scripts)))


def test_a_pick_spreads_over_countries_and_livestreams_rather_than_taking_the_best_of_one():
    loud = [voice(n, country="BR", livestream="big", worth=60) for n in range(20)]
    others = [voice(100 + n, country=country, worth=45) for n, country in enumerate(["MX", "ZA", "ID"])]
    assert {one.country for one in pick([*loud, *others], 4)} == {"BR", "MX", "ZA", "ID"}


def test_nothing_waits_before_moderation_has_read_it():
    pool = Pool()
    pool.offer(voice(1))
    for turn, read in enumerate(({}, {0: "4-9"}, {1: "9-0"}), 1):
        pool.turn(around(turn * ADMIT_MS), read)
        assert pool.of("waiting") == []
    pool.turn(around(4 * ADMIT_MS), {0: "5-0"})
    assert [one.id for one in pool.of("waiting")] == ["m1"]


def test_what_is_flagged_while_it_is_held_back_never_waits():
    pool = Pool()
    pool.offer(voice(1))
    pool.drop(["m1"])
    pool.turn(around(ADMIT_MS), READ)
    assert pool.voices == {}


def test_what_a_rule_hits_never_waits_even_if_no_flag_came():
    assert waiting_pool(voice(1), is_clean=lambda text: "híbrido" not in text).voices == {}


def test_a_copy_of_what_was_heard_lately_is_not_taken():
    pool = waiting_pool(voice(1))
    copy = voice(2)
    copy.text = voice(1).text.upper() + " "
    pool.offer(copy)
    pool.turn(around(1), READ)
    assert [one.id for one in pool.voices.values()] == ["m1"]


def test_there_are_never_more_waiting_than_a_person_can_read():
    pool = waiting_pool(*(voice(n) for n in range(200)))
    assert len(pool.of("waiting")) == MOST_WAITING


def test_a_better_one_that_comes_a_little_later_is_not_too_late():
    pool = Pool()
    for number in range(100):
        pool.offer(voice(number, worth=40))
    pool.turn(around(ADMIT_MS), READ)
    assert 0 < len(pool.of("waiting")) < 20
    pool.offer(voice(500, worth=100))
    pool.turn(around(ADMIT_MS + 1), READ)
    assert "m500" not in pool.voices
    pool.turn(around(2 * ADMIT_MS), READ)
    assert "m500" in pool.voices


def test_what_others_were_better_than_is_forgotten():
    pool = Pool()
    for number in range(100):
        pool.offer(voice(number))
    pool.turn(around(ADMIT_MS), READ)
    assert pool.held
    pool.turn(around(HELD_MS), READ)
    assert pool.held == 0


def test_while_nobody_knows_who_has_withdrawn_nothing_is_taken_and_nothing_thrown_away():
    one = voice(1)
    one.state = "approved"
    pool = Pool([one])
    pool.offer(voice(2))
    pool.turn(around(ADMIT_MS, missing=["a1", "a2"], sure=False), READ)
    assert list(pool.voices) == ["m1"]
    pool.turn(around(2 * ADMIT_MS), READ)
    assert list(pool.voices) == ["m1", "m2"]


def test_without_a_person_nothing_is_shown_by_default():
    pool = waiting_pool(voice(1))
    pool.turn(around(WAITING_MS - 1), READ)
    assert pool.of("approved", "clean") == []
    assert pool.of("waiting")


def test_what_waited_long_makes_room():
    pool = waiting_pool(voice(1))
    assert pool.turn(around(WAITING_MS), READ)
    assert pool.voices == {}


def test_clean_is_what_nobody_flagged_for_so_long_and_it_has_its_time():
    pool = waiting_pool(voice(1), after=30_000)
    pool.turn(around(29_999, after=30_000), READ)
    assert pool.of("clean") == []
    pool.turn(around(30_000, after=30_000), READ)
    assert [one.id for one in pool.of("clean")] == ["m1"]
    pool.turn(around(30_000 + CLEAN_MS, after=30_000), READ)
    assert pool.voices == {}


def test_when_only_what_was_approved_may_be_shown_from_now_on_the_clean_ones_are_off_at_once():
    pool = waiting_pool(voice(1), after=1)
    pool.turn(around(5, after=1), READ)
    assert pool.of("clean")
    pool.turn(around(6), READ)
    assert [one.state for one in pool.voices.values()] == ["waiting"]


def test_what_was_approved_stays_until_so_many_newer_ones_are():
    pool = waiting_pool(*(voice(n) for n in range(MOST_SHOWN + 1)))
    for number in range(MOST_SHOWN + 1):
        assert pool.decide(Saying(f"m{number}", "approve"), 1000 + number)
    pool.turn(around(10 * WAITING_MS), READ)
    assert "m0" not in pool.voices
    assert len(pool.of("approved")) == MOST_SHOWN


def test_a_pinned_message_is_not_pushed_out():
    pool = waiting_pool(*(voice(n) for n in range(MOST_SHOWN + 1)))
    for number in range(MOST_SHOWN + 1):
        pool.decide(Saying(f"m{number}", "approve"), 1000 + number)
    pool.turn(around(WAITING_MS, pinned="m0"), READ)
    assert "m0" in pool.voices


def test_approved_and_clean_together_are_bounded_and_the_approved_ones_stay():
    pool = waiting_pool(*(voice(n) for n in range(50)), after=1)
    pool.turn(around(5, after=1), READ)
    assert len(pool.of("clean")) == MOST_SHOWN
    waiting = [one.id for one in pool.of("waiting")][:3]
    for each in waiting:
        pool.decide(Saying(each, "approve"), 6)
    pool.turn(around(7, after=1), READ)
    assert len(pool.of("clean", "approved")) == MOST_SHOWN
    assert {one.id for one in pool.of("approved")} == set(waiting)


def test_a_rejection_is_off_at_once_and_can_be_taken_back_for_a_while():
    pool = waiting_pool(voice(1), after=1)
    pool.turn(around(5, after=1), READ)
    assert pool.decide(Saying("m1", "reject"), 6)
    pool.turn(around(100, after=1), READ)
    assert pool.of("approved", "clean", "waiting") == []
    assert pool.decide(Saying("m1", "undo"), 101)
    assert [one.id for one in pool.of("waiting")] == ["m1"]
    pool.decide(Saying("m1", "reject"), 200)
    pool.turn(around(200 + REJECTED_MS), READ)
    assert not pool.decide(Saying("m1", "undo"), 300 + REJECTED_MS)


def test_an_unknown_message_or_decision_changes_nothing():
    pool = waiting_pool(voice(1))
    assert not pool.decide(Saying("m2", "approve"), 1)
    assert not pool.decide(Saying("m1", "maybe"), 1)


@pytest.mark.parametrize("state", ["waiting", "approved", "rejected", "clean"])
def test_in_every_state_a_message_goes_with_the_consent_of_its_livestream_and_with_its_time(state):
    for gone in (around(10, missing=["a1"]), around(86_400_000, texts_ms=86_400_000)):
        one = voice(1)
        one.state = state
        pool = Pool([one])
        pool.turn(around(9, after=1_000_000), READ)
        assert pool.voices
        assert pool.turn(gone, READ)
        assert pool.voices == {}


def test_names_go_before_texts_do():
    one = voice(1, name="Ana")
    one.state = "approved"
    pool = Pool([one])
    assert pool.turn(around(100, names_ms=100), READ)
    assert [(each.name, each.text) for each in pool.voices.values()] == [("", one.text)]


def test_other_rules_take_away_what_they_hit_whoever_approved_it():
    one, other = voice(1), voice(2)
    one.state = "approved"
    pool = Pool([one, other])
    assert pool.recheck(lambda text: not text.endswith(" 1"))
    assert list(pool.voices) == ["m2"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "drop", "approve", "reject", "undo", "turn"]),
        st.integers(0, 120),
        st.sampled_from(["LATIN", "HAN", "ARABIC", "THAI"]),
    ),
    max_size=150,
)


@given(EVENTS, st.sampled_from([None, 1000]))
def test_whatever_happens_the_bounds_hold_and_what_is_dropped_never_comes_back(events, after):
    pool, dropped, now = Pool(), set(), 0
    for what, number, script in events:
        now += 700
        if what == "offer" and f"m{number}" not in dropped:
            pool.offer(voice(number, script=script))
        elif what == "drop":
            pool.drop([f"m{number}"])
            dropped.add(f"m{number}")
        elif what == "turn":
            pool.turn(around(now, after=after), READ)
            counts = Counter(one.state for one in pool.voices.values())
            assert counts["waiting"] <= MOST_WAITING + MOST_SHOWN
            assert counts["approved"] <= MOST_SHOWN
            assert counts["clean"] == 0 or counts["approved"] + counts["clean"] <= MOST_SHOWN
            if after is None:
                assert counts["clean"] == 0
        else:
            pool.decide(Saying(f"m{number}", what), now)
        assert dropped & pool.voices.keys() == set()


def test_a_ban_travels_with_the_retractions_so_that_old_quotations_go_too():
    at = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
    gone = removal("x", 1)
    ban = type(gone)(
        id="ban",
        platform="twitch",
        livestream="a",
        at=at,
        received_at=at,
        target_author="ana",
        from_=at - timedelta(hours=1),
        to=at,
    )
    entries = [decode_entry(as_json(event)) for event in (gone, ban)]
    change = Deriver(make_config()).batch(1, entries, Memory()).change
    assert change.removed == ["x", "ban|a|ana|2026-11-20T11:05:00Z|2026-11-20T12:05:00Z"]
