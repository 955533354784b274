"""The attention list: never more than five lines, the worse and older first, solved lines gone at once, and no line that jumps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.attention import LEVELS, MOST, MOVE_MS, OWNERS, SILENT, Asked, Facts, Memory, attention, settled, troubles
from monitor.livestreams import Livestream
from monitor.moments import iso

NOW = 1_763_640_000_000
COLOURS = ("red", "amber", "blue")


def livestream(state: str, platform: str = "twitch", country: str = "BR", **more: Any) -> Livestream:
    return Livestream(state=state, platform=platform, country=country, **more)


def spike(severity: int, since: int, **more: Any) -> dict[str, Any]:
    return {
        "dimension": "country",
        "value": "BR",
        "state": "open",
        "severity": severity,
        "factor": 6.1,
        "since": iso(since),
    } | more


def facts(state: dict[str, Any] | None = None, livestreams: dict[str, Livestream] | None = None, **more: Any) -> Facts:
    return Facts(state=state or {}, troubles=tuple(troubles(livestreams or {})), **more)


def lines(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [told[str(place)] for place in range(1, MOST + 1) if str(place) in told]


def after(given: Facts, seconds: float = 120) -> dict[str, Any]:
    """What is shown when all of it has been so for a while."""
    _, memory = attention(given, Memory(), NOW - round(seconds * 1000))
    return attention(given, memory, NOW)[0]


STATES = st.sampled_from(["live", "connecting", "throttled", "refused", "broken", "ended", "waiting"])
LIVESTREAMS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.builds(
        livestream,
        STATES,
        st.sampled_from(["twitch", "youtube", "kick"]),
        st.sampled_from(["BR", "TH", "CN", "ZZ"]),
        reason=st.sampled_from(["", SILENT, "the connection is refused"]),
        known_live=st.sampled_from([None, True, False]),
    ),
    max_size=20,
)
SPIKES = st.dictionaries(
    st.text("xyz", min_size=1, max_size=3),
    st.builds(
        spike, st.integers(1, 10), st.integers(NOW - 900_000, NOW), state=st.sampled_from(["open", "confirming", "closed"])
    ),
    max_size=6,
)
FACTS = st.builds(
    lambda livestreams, spikes, pending, lag, late, flags, asked, waiting: Facts(
        state={
            "health": {"lag_seconds": lag, "late": late, "coverage": {"pending": pending}},
            "totals": {"engagement": {"total": 2000}},
            "spikes": spikes,
            "highlights": {str(n): {"state": "waiting", "text": "x", "at": iso(NOW - 1000 * n)} for n in range(waiting)},
        },
        troubles=tuple(troubles(livestreams)),
        asked={"twitch": Asked(asked)},
        flags={4: flags},
    ),
    LIVESTREAMS,
    SPIKES,
    st.integers(0, 9),
    st.floats(0, 60),
    st.integers(0, 400),
    st.integers(0, 3),
    st.none() | st.floats(NOW / 1000 - 4000, NOW / 1000),
    st.integers(0, 3),
)
TIMES = st.lists(st.tuples(st.integers(0, 30_000), FACTS), min_size=1, max_size=6)


def play(story: list[tuple[int, Facts]]) -> list[dict[str, Any]]:
    memory, now, seen = Memory(), NOW, []
    for passed, one in story:
        now += passed
        told, memory = attention(one, memory, now)
        seen.append(told)
    return seen


@settings(max_examples=40, deadline=None)
@given(TIMES)
def test_there_are_never_more_than_five_and_the_rest_is_counted(story: list[tuple[int, Facts]]) -> None:
    for told in play(story):
        places = [name for name in told if name != "more"]
        assert places == [str(n) for n in range(1, len(places) + 1)]
        assert len(places) <= MOST
        assert "more" not in told or (len(places) == MOST and told["more"] > 0)
        assert len({line["id"] for line in lines(told)}) == len(places)


@settings(max_examples=40, deadline=None)
@given(TIMES)
def test_the_same_facts_memory_and_time_give_the_same_lines(story: list[tuple[int, Facts]]) -> None:
    assert play(story) == play(story)


@settings(max_examples=120, deadline=None)
@given(FACTS)
def test_what_has_stood_for_a_while_is_ranked_by_colour_severity_and_age(given_facts: Facts) -> None:
    told = lines(after(given_facts))
    assert [COLOURS.index(line["level"]) for line in told] == sorted(COLOURS.index(line["level"]) for line in told)

    def rank(line: dict[str, Any]) -> tuple[int, str]:
        severity = given_facts.state["spikes"][line["id"].partition(":")[2]]["severity"] if line["kind"] == "spike" else None
        return -(LEVELS[line["kind"]][1] if severity is None else severity), line["since"]

    for one, other in pairwise(told):
        if one["level"] == other["level"]:
            assert rank(one) <= rank(other)


@settings(max_examples=40, deadline=None)
@given(TIMES)
def test_every_line_says_who_must_act_since_when_and_where(story: list[tuple[int, Facts]]) -> None:
    for told in play(story):
        for line in lines(told):
            assert line["owner"] in set(OWNERS.values())
            assert line["text"]
            assert line["since"].endswith("Z")
            assert line["link"].startswith(("#/", "/remote"))
            assert None not in line["values"].values()


@settings(max_examples=40, deadline=None)
@given(TIMES)
def test_what_is_solved_is_gone_at_once(story: list[tuple[int, Facts]]) -> None:
    memory, now = Memory(), NOW
    for passed, one in story:
        now += passed
        _, memory = attention(one, memory, now)
    told, _ = attention(Facts(state={}, flags=story[-1][1].flags), memory, now + 1)
    assert {line["kind"] for line in lines(told)} <= {"flags"}  # these stand for their five minutes


def test_broadcasts_that_are_live_and_not_collected_are_told_by_platform_with_the_quota() -> None:
    given_facts = facts(
        livestreams={str(n): livestream("throttled", "youtube") for n in range(41)}
        | {"a": livestream("connecting", "youtube", known_live=False), "b": livestream("live", "youtube")},
        asked={"youtube": Asked(NOW / 1000, 60, 0.92)},
    )
    [line] = lines(after(given_facts))
    assert (line["kind"], line["level"], line["owner"]) == ("not_collected", "red", "ops")
    assert line["values"] == {"platform": "youtube", "count": 41, "quota": 0.92}
    assert line["link"] == "#/livestreams?platform=youtube"


def test_a_broadcast_that_has_just_begun_is_nobodys_business_for_half_a_minute() -> None:
    given_facts = facts(livestreams={"a": livestream("connecting", known_live=True)})
    told, memory = attention(given_facts, Memory(), NOW)
    assert told == {}
    assert attention(given_facts, memory, NOW + 29_999)[0] == {}
    assert [line["kind"] for line in lines(attention(given_facts, memory, NOW + 30_000)[0])] == ["not_collected"]


def test_broken_livestreams_are_told_by_country_where_a_quarter_of_it_is_and_once() -> None:
    cells = {f"t{n}": livestream("broken", country="TH", reason="x") for n in range(3)} | {
        f"u{n}": livestream("live", country="TH") for n in range(5)
    }
    cells |= {"c": livestream("broken", "kick", "CN", reason="x"), "d": livestream("live", "kick", "CN")}
    told = lines(after(facts(livestreams=cells)))
    assert [line["values"] for line in told] == [
        {"country": "TH", "count": 3, "of": 8},
        {"platform": "kick", "count": 1, "of": 2},
    ]


def test_collectors_that_say_nothing_are_one_line_and_not_also_broken() -> None:
    cells = {str(n): livestream("broken", reason=SILENT) for n in range(9)}
    assert [line["id"] for line in lines(after(facts(livestreams=cells)))] == ["silent:twitch"]


def test_grave_flags_stand_for_five_minutes_after_the_last() -> None:
    memory = Memory()
    _, memory = attention(facts(flags={4: 7, 3: 100}), memory, NOW)
    told, memory = attention(facts(flags={4: 9, 3: 100}), memory, NOW + 1000)
    assert lines(told)[0]["values"] == {"count": 2, "severity": 4, "minutes": 5}
    assert lines(told)[0]["since"] == iso(NOW + 1000)[:19] + "Z"
    told, memory = attention(facts(flags={4: 9}), memory, NOW + 300_999)
    assert len(lines(told)) == 1
    assert attention(facts(flags={4: 9}), memory, NOW + 301_000)[0] == {}


def test_a_counter_that_fell_was_begun_anew_and_flags_nobody() -> None:
    _, memory = attention(facts(flags={4: 900}), Memory(), NOW)
    assert attention(facts(flags={4: 0}), memory, NOW + 1000)[0] == {}


def test_only_open_spikes_are_told_and_the_team_of_the_spike_holds() -> None:
    state = {"spikes": {"a": spike(9, NOW - 5000, owner="brand"), "b": spike(9, NOW, state="confirming"), "watched": 412}}
    told = lines(after(facts(state)))
    assert [(line["id"], line["owner"], line["link"]) for line in told] == [("spike:a", "brand", "#/spikes/a")]


def test_a_spike_that_somebody_has_seen_calls_nobody_any_more_and_stands_behind_those_that_nobody_has() -> None:
    seen = {"by": "Ana", "at": iso(NOW)}
    state = {"spikes": {"a": spike(9, NOW - 5000, seen=seen), "b": spike(2, NOW - 5000)}}
    told = lines(after(facts(state)))
    assert [(line["id"], line["level"], line["values"].get("seen")) for line in told] == [
        ("spike:b", "amber", None),
        ("spike:a", "blue", "Ana"),
    ]
    assert told[1]["text"].endswith("seen by Ana")


def test_the_configuration_names_other_teams() -> None:
    given_facts = facts({"health": {"coverage": {"pending": 3}}}, owners={"pending": "control room"})
    told = lines(after(given_facts))[0]
    assert (told["owner"], told["link"]) == ("control room", "/remote#pending")


def test_a_platform_that_was_not_asked_for_long_and_a_search_that_was_not_made_are_told() -> None:
    given_facts = facts(
        asked={"twitch": Asked(NOW / 1000 - 400), "kick": Asked(NOW / 1000 - 100), "x": Asked(None)},
        kept={"spikes": NOW / 1000 - 60},
    )
    assert [line["id"] for line in lines(after(given_facts))] == ["stale_discovery:twitch", "stale_search:spikes"]


def test_a_line_moves_only_when_its_rank_has_been_another_for_ten_seconds() -> None:
    order, differs = settled(["a", "b"], ["b", "a"], {}, 0)
    assert order == ["a", "b"]
    order, differs = settled(order, ["b", "a"], differs, MOVE_MS - 1)
    assert order == ["a", "b"]
    assert settled(order, ["b", "a"], differs, MOVE_MS)[0] == ["b", "a"]


def test_a_rank_that_came_back_in_time_moves_nothing() -> None:
    order, differs = settled(["a", "b"], ["b", "a"], {}, 0)
    order, differs = settled(order, ["a", "b"], differs, 9000)
    assert settled(order, ["b", "a"], differs, 12_000)[0] == ["a", "b"]


@settings(max_examples=200, deadline=None)
@given(st.permutations(list("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_a_new_line_enters_where_it_belongs_and_the_others_keep_their_order(wanted: list[str], before: set[str]) -> None:
    old = sorted(before)
    order, _ = settled(old, wanted, {}, 0)
    assert sorted(order) == sorted(wanted)
    assert [name for name in order if name in before] == old
    assert settled([], wanted, {}, 0)[0] == wanted


@settings(max_examples=100, deadline=None)
@given(st.permutations(list("abcdef")), st.permutations(list("abcdef")))
def test_after_ten_seconds_of_calm_the_order_is_the_wanted_one(before: list[str], wanted: list[str]) -> None:
    order, differs = settled(before, wanted, {}, 0)
    now = 0
    for _ in range(4):
        now += MOVE_MS
        order, differs = settled(order, wanted, differs, now)
    assert order == wanted


def test_messages_that_wait_are_a_line_only_where_nothing_is_quoted_without_a_persons_yes() -> None:
    state = {"highlights": {"a": {"state": "waiting", "at": iso(NOW - 9000)}, "b": {"state": "approved", "at": iso(NOW)}}}
    (line,) = lines(after(facts(state)))
    assert (line["kind"], line["values"], line["owner"]) == ("approval", {"count": 1}, "moderation")
    assert after(facts(state, approved_only=False)) == {}
