"""What the stage is sent: nothing of the back room, nothing under embargo, and when frozen nothing newer than the freeze."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config, Event, Topic
from monitor.frames import Ticker
from monitor.patch import apply_patch, share
from monitor.profiles import frozen, kept, phrases_of, plain, stage_state
from monitor.snapshot import Picture

CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("UTC")),
    topics=(
        Topic(
            id="robots", name={"en": "Robots", "zh": "机器人"}, phrases={"en": ("robot night", "AiMOGA"), "zh": ("机器人之夜",)}
        ),
        Topic(id="hybrid", name={"en": "Hybrid"}, phrases={"*": ("hybrid",)}),
    ),
)
PHRASES = phrases_of(CONFIG)


def rate(total: int) -> dict[str, Any]:
    return {"engagement": {"total": total, "per_minute": total / 10}}


def message(text: str, *topics: str, state: str = "approved") -> dict[str, Any]:
    return {
        "text": text, "country": "BR", "livestream": "twitch:host", "platform": "twitch", "name": "Ana", "topics": list(topics),
        "at": "2026-10-16T12:00:00Z", "score": 1, "state": state,
    }  # fmt: skip


def spike(dimension: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "dimension": dimension, "value": value, "state": "open", "since": "2026-10-16T12:00:00Z", "severity": 5, "factor": 4.1,
        "owner": "PR", "seen": {"by": "Ana", "at": "2026-10-16T12:00:00Z"}, "why": [], "where": {}, **more,
    }  # fmt: skip


def state(**wall: Any) -> dict[str, Any]:
    return {
        "event": {"name": "Summit"},
        "session": {"now": {}},
        "totals": rate(100),
        "countries": {"BR": rate(60), "ZZ": rate(40)},
        "topics": {"robots": rate(70) | {"name": {"en": "Robots"}}, "hybrid": rate(30)},
        "platforms": {"twitch": rate(100)},
        "sessions": {"opening": rate(50) | {"top_topic": "robots", "top_country": "BR"}, "gala": {"top_topic": "hybrid"}},
        "livestreams": {"live": 3, "quiet": 1, "broken": 2, "refused": 1, "throttled": 4, "total": 11},
        "cross": {
            "country_topic": {"BR": {"robots": {"total": 7}, "hybrid": {"total": 3}}},
            "topic_platform": {"robots": {"twitch": {"total": 7}}, "hybrid": {"twitch": {"total": 3}}},
            "country_platform": {"BR": {"twitch": {"total": 9}}},
        },
        "history": {"start": "2026-10-16T11:00:00Z", "engagement": [1, 2], "topics": {"robots": [1, 1], "hybrid": [0, 1]}},
        "highlights": {
            "a": message("so good", "hybrid"), "b": message("so new", "robots"), "c": message("who knows", state="waiting"),
            "d": message("both", "hybrid", "robots", state="clean"), "e": message("clean", state="clean"),
        },
        "trending": {"#RobotNight": {"count": 5}, "#机器人之夜": {"count": 4}, "#aimoga": {"count": 4}, "#sun": {"count": 3}},
        "spikes": {
            "1": spike("topic", "robots"),
            "2": spike("country", "BR", where={"topic": "robots"}),
            "3": spike("country", "MX", why=[{"word": "aimoga", "share": 0.4}, {"word": "sun", "share": 0.2}],
                       where={"platform": "twitch", "livestreams": ["twitch:host"]}),
        },
        "attention": {"1": {"text": "severity 4 waiting 40 s", "owner": "moderation"}, "more": 0},
        "health": {"as_of": "2026-10-16T12:00:00Z", "late": 3, "coverage": {"collected": 4, "consented": 11, "pending": 2}},
        "cases": {"open": 3},
        "wall": {
            "version": 7, "scene": "overview", "rotation": {"on": True, "seconds": 30, "scenes": ["overview"], "then": "overview"},
            "safe": {"on": False}, "profile": "room", "dead_man": {"seconds": 600}, **wall,
        },
    }  # fmt: skip


HIDDEN = {"embargo": {"robots": "2026-10-16T21:00:00.000Z"}}


def test_the_stage_is_sent_only_what_is_known_to_be_fit_for_it():
    shown = stage_state(state(), PHRASES)
    assert set(state()) - set(shown) == {"attention", "cases"}
    said = json.dumps(shown)
    for secret in (
        "owner",
        "PR",
        "seen",
        "waiting",
        "who knows",
        "twitch:host",
        'livestream"',
        "broken",
        "refused",
        "throttled",
        "pending",
        "dead_man",
        "then",
    ):
        assert secret not in said, secret
    assert shown["livestreams"] == {"live": 3, "quiet": 1, "total": 11}
    assert set(shown["highlights"]) == {"a", "b", "d", "e"}
    assert shown["spikes"]["3"]["where"] == {"platform": "twitch"}
    assert shown["wall"]["profile"] == "stage"
    assert shown["totals"] == rate(100)


def test_a_topic_under_embargo_is_nowhere_on_stage_and_nothing_says_so():
    said = json.dumps(stage_state(state(**HIDDEN), PHRASES), ensure_ascii=False).casefold()
    for word in ("robot", "机器人", "aimoga", "embargo", "21:00"):
        assert word not in said, word
    assert "robots" in json.dumps(stage_state(state(), PHRASES))


def test_an_embargo_takes_nothing_else_away():
    shown = stage_state(state(**HIDDEN), PHRASES)
    assert set(shown["topics"]) == {"hybrid"}
    assert shown["sessions"] == {"opening": rate(50) | {"top_country": "BR"}, "gala": {"top_topic": "hybrid"}}
    assert shown["cross"] == {
        "country_topic": {"BR": {"hybrid": {"total": 3}}},
        "topic_platform": {"hybrid": {"twitch": {"total": 3}}},
        "country_platform": {"BR": {"twitch": {"total": 9}}},
    }
    assert shown["history"] == {"start": "2026-10-16T11:00:00Z", "engagement": [1, 2], "topics": {"hybrid": [0, 1]}}
    assert (set(shown["highlights"]), set(shown["trending"]), set(shown["spikes"])) == ({"a", "e"}, {"#sun"}, {"3"})
    assert shown["spikes"]["3"]["why"] == [{"word": "sun", "share": 0.2}]
    assert shown["totals"] == rate(100)


def test_a_topic_that_left_the_configuration_stays_hidden_by_its_id():
    assert "#robots" not in stage_state(state(**HIDDEN) | {"trending": {"#robots": {"count": 1}}}, {})["trending"]


def test_the_filter_alters_nothing_and_passes_whole_parts_on_as_they_are():
    handed = state(**HIDDEN)
    before = json.dumps(handed)
    shown = stage_state(handed, PHRASES)
    assert json.dumps(handed) == before
    assert shown["countries"] is handed["countries"]
    assert stage_state(state() | {"cross": handed["cross"]}, PHRASES)["cross"] is handed["cross"]


def test_parts_that_are_unknown_stay_unknown():
    assert stage_state({}, PHRASES) == {}


def test_the_stage_never_shows_the_scene_of_the_livestreams():
    assert stage_state(state(scene="livestreams"), PHRASES)["wall"]["scene"] == "overview"
    assert stage_state(state(scene="voices"), PHRASES)["wall"]["scene"] == "voices"


def test_who_put_up_the_safe_scene_is_not_for_the_stage():
    shown = stage_state(state(safe={"on": True, "since": "x", "by": "Ana", "why": "lead"}), PHRASES)
    assert shown["wall"]["safe"] == {"on": True}


def test_frozen_numbers_stand_still_while_messages_are_still_taken_off():
    moment = kept(state())
    later = state(frozen_at="2026-10-16T12:00:00Z") | {"totals": rate(900), "topics": {}, "event": {"name": "Summit", "day": "2"}}
    later["highlights"] = {"a": message("so good", "hybrid"), "new": message("later")}
    shown = frozen(later, moment)
    assert (shown["totals"], shown["topics"], shown["health"]) == (rate(100), state()["topics"], state()["health"])
    assert set(shown["highlights"]) == {"a"}
    assert (shown["event"], shown["wall"], shown["attention"]) == (later["event"], later["wall"], later["attention"])


def test_a_message_that_is_pinned_after_the_freeze_is_shown_all_the_same():
    later = state(frozen_at="x", pinned={"message": "new"})
    later["highlights"]["new"] = message("later")
    later["highlights"]["other"] = message("later")
    assert set(frozen(later, kept(state()))["highlights"]) == {"a", "b", "c", "d", "e", "new"}


def test_a_message_that_is_flagged_or_under_embargo_after_the_freeze_leaves_the_stage():
    moment = kept(state())
    later = state(frozen_at="x", **HIDDEN)
    later["highlights"]["a"] = message("so good", "hybrid", state="waiting")
    assert set(stage_state(frozen(later, moment), PHRASES)["highlights"]) == {"e"}
    assert "robots" not in stage_state(frozen(later, moment), PHRASES)["topics"]


def test_what_is_kept_for_a_freeze_has_no_texts_of_people():
    assert "so good" not in json.dumps(kept(state()))


PARTS = st.fixed_dictionaries(
    {},
    optional={
        "totals": st.integers(0, 2).map(rate),
        "countries": st.dictionaries(st.sampled_from("AB"), st.integers(0, 1).map(rate), max_size=2),
        "topics": st.dictionaries(st.sampled_from(["robots", "hybrid"]), st.integers(0, 1).map(rate), max_size=2),
        "trending": st.dictionaries(st.sampled_from(["#robots", "#sun"]), st.just({"count": 1}), max_size=2),
        "attention": st.integers(0, 2).map(lambda n: {"more": n}),
        "wall": st.booleans().map(lambda hidden: {"safe": {"on": False}} | (HIDDEN if hidden else {})),
        "livestreams": st.integers(0, 2).map(lambda n: {"live": n, "broken": n, "total": 2 * n}),
    },
)


@given(st.lists(PARTS, max_size=8))
def test_a_stage_has_its_state_by_deltas_although_most_of_each_is_made_once_for_both_profiles(states):
    room, stage = Ticker(Picture(CONFIG), "e"), Ticker(Picture(CONFIG), "e")
    seen: dict[str, dict[str, Any]] = {"room": {}, "stage": {}}
    last: dict[str, Any] = {}
    for number, found in enumerate(states):
        last = share(last, found)
        frames = {"room": room.show(last, number * 1000)}
        frames["stage"] = stage.show(stage_state(room.last[1], PHRASES), number * 1000, beside=room)
        for profile, frame in frames.items():
            if frame is not None:
                seen[profile] = apply_patch(seen[profile], orjson.loads(frame)["patch"])
        assert seen == {"room": last, "stage": stage_state(last, PHRASES)}


@pytest.mark.parametrize(
    ("written", "found"),
    [("#Flying-Mobility", "flyingmobility"), ("ＡiMOGA!", "aimoga"), ("机器人 之夜", "机器人之夜"), ("#", "")],
)
def test_a_hashtag_is_compared_as_people_write_it(written, found):
    assert plain(written) == found
