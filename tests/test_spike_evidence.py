"""What a spike's evidence is made of: livestreams that begin, end, are not heard or react; topics by country; and what the windows say."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence import Evidence
from monitor.exposure import FRESH_SLOTS, RETURN_SLOTS, Exposed, Exposure
from monitor.shares import LAG, Shares
from monitor.spikes import ALONE, LEAST_FACTORS, LEAST_OTHERS, Slot, Watch
from monitor.weighed import Livestreams
from monitor.windows import SLOT_SECONDS

T0 = 1_800_000_000


def always(number, name):
    return 1.0


def played(watch: Watch, found) -> list[str]:
    """Heads of what opened, in order."""
    return [spike.head for slot in found for spike in watch.take(slot)]


def test_what_a_new_livestream_brings_is_expected_of_its_country():
    exposure, watch = Exposure(), Watch()
    opened = []
    for number in range(200):
        noise = number * 7 % 5
        live = {"old": ("country:BR", "total")} | ({"new": ("country:BR", "total")} if number >= 90 else {})
        counts = {"country:BR": 40 + noise, "country:CN": 100 - noise, "total": 140}
        if number >= 90:
            counts["country:BR"] += 400
            counts["total"] += 400
        exposed = exposure.take(T0 + number * 10, live, {"old": 40, "new": 400})
        opened += watch.take(Slot(start=T0 + number * 10, counts=counts, exposed=exposed))
    assert opened == []
    assert watch.series["country:BR"].level == pytest.approx(440, rel=0.15)


def test_a_livestream_is_fresh_for_two_minutes_joins_with_its_usual_count_and_leaves_with_it():
    exposure = Exposure()
    assert exposure.take(0, {"a": ("country:BR",)}, {"a": 5}) == Exposed()
    for number in range(FRESH_SLOTS):
        found = exposure.take(10 + number * 10, {"a": ("country:BR",), "b": ("country:BR",)}, {"a": 5, "b": 50})
        assert found.fresh == {"country:BR": 50}
    now = 10 + FRESH_SLOTS * 10
    joined = exposure.take(now, {"a": ("country:BR",), "b": ("country:BR",)}, {"a": 5, "b": 50})
    assert joined.joined == {"country:BR": pytest.approx(50)}
    gone = [exposure.take(now + 10 * n, {"a": ("country:BR",)}, {"a": 5}).joined for n in range(1, 8)]
    assert [bool(each) for each in gone] == [False] * 5 + [True, False]
    assert gone[5]["country:BR"] == pytest.approx(-50)


# --- livestreams that are not heard -----------------------------------------------------------------------------------


def told(exposure: Exposure, number: int, counts: dict[str, int]) -> Exposed:
    heads = {name: (f"country:{name[-2:]}", "total") for name in counts}
    return exposure.take(T0 + number * 10, heads, counts)


def test_a_busy_livestream_that_is_silent_is_unheard_and_comes_back_as_what_it_was():
    exposure = Exposure()
    for number in range(40):
        assert told(exposure, number, {"x:BR": 30, "x:FR": 5}).unheard == {}
    found = [told(exposure, number, {"x:BR": 0, "x:FR": 5}) for number in range(40, 60)]
    assert [bool(each.unheard) for each in found[:4]] == [False, True, True, True], "one slot may happen, two may not"
    assert found[1].joined["country:BR"] == pytest.approx(-30, rel=0.1)
    back = [told(exposure, number, {"x:BR": 90, "x:FR": 5}) for number in range(60, 60 + RETURN_SLOTS + 1)]
    assert [each.fresh.get("country:BR") for each in back] == [90] * RETURN_SLOTS + [None], "what was missed is handed in"
    assert back[-1].joined["country:BR"] == pytest.approx(30, rel=0.1)
    assert back[-1].unheard == {}


def test_a_platform_that_is_away_takes_its_small_livestreams_with_it_and_no_others():
    exposure = Exposure()
    small = {f"x:{number}BR": 1 for number in range(20)}
    for number in range(30):
        told(exposure, number, small | {"y:FR": 1})
    assert set(told(exposure, 30, dict.fromkeys(small, 0) | {"y:FR": 0}).unheard) == set(small)
    heard = dict.fromkeys(small, 0) | {"x:0BR": 1, "y:FR": 0}
    assert set(told(exposure, 31, heard).unheard) == set(small), (
        "when one is heard the platform is back, and two slots are let pass"
    )
    told(exposure, 32, heard)
    assert told(exposure, 33, heard).unheard == {}


@given(st.lists(st.integers(0, 60), min_size=40, max_size=120))
@settings(max_examples=30, deadline=None)
def test_what_leaves_a_country_comes_back_to_it_or_is_still_away(counts):
    exposure = Exposure()
    balance = 0.0
    found = Exposed()
    for number, count in enumerate(counts):
        found = told(exposure, number, {"x:BR": count})
        balance += found.joined.get("country:BR", 0.0)
        assert balance <= 1e-9, "no more comes back than left"
    assert bool(found.unheard) == (balance < -1e-9)


def crowd(count: int, lift, *, away=range(0), seed: int = 5):
    """Slots of two countries with eight chats each, of which ``x``'s are not collected for some slots; what was missed of the last comes at once."""
    dice, exposure = Random(seed), Exposure()
    names = {f"{platform}:{country}{n}": country for platform in "xy" for country in ("BR", "CN") for n in range(4)}
    heads = {name: (f"country:{country}", "total") for name, country in names.items()}
    for number in range(count):
        chats = {}
        for name in names:
            mean = (
                9
                * lift(number, name)
                * (0 if name[0] == "x" and number in away else 2 if name[0] == "x" and number - 1 in away else 1)
            )
            chats[name] = max(0, round(dice.gauss(mean, mean**0.5)))
        counts = {f"country:{country}": sum(chats[name] for name in names if names[name] == country) for country in ("BR", "CN")}
        counts["total"] = sum(counts.values())
        exposed = exposure.take(T0 + number * 10, heads, chats)
        yield Slot(start=T0 + number * 10, counts=counts, exposed=exposed, live=heads, livestreams=chats)


@pytest.mark.parametrize("slots", [3, 12, 40])
def test_neither_a_gap_of_collection_nor_its_end_is_a_spike(slots):
    assert played(Watch(), crowd(180, always, away=range(90, 90 + slots))) == []


def test_a_spike_after_a_gap_is_found():
    lift = lambda n, name: 5.0 if "BR" in name and 125 <= n < 140 else 1.0  # noqa: E731
    assert "country:BR" in played(Watch(), crowd(150, lift, away=range(90, 115)))


# --- topics by country ------------------------------------------------------------------------------------------------


def test_a_topic_is_expected_to_be_its_share_of_what_each_country_does():
    shares = Shares()
    for number in range(60 + LAG):
        shares.take(number * 10, {"country:BR": 100, "country:CN": 100}, {"topic:robots": {"country:BR": 20, "country:CN": 1}})
        shares.learn({})
    busy = {"country:BR": 400, "country:CN": 100}
    assert shares.take(10_000, busy, {"topic:robots": {}})["topic:robots"] == pytest.approx(81, rel=0.1)
    away = {"country:BR": 0, "country:CN": 100}
    assert shares.take(10_010, away, {"topic:robots": {}})["topic:robots"] == pytest.approx(1, abs=1)


def test_what_is_a_spike_of_a_topic_does_not_become_its_share():
    shares, held = Shares(), {"topic:robots": range(600, 3000, 10)}
    expected = []
    for number in range(200):
        found = {"country:BR": 30 if number < 60 else 90}
        expected.append(shares.take(number * 10, {"country:BR": 300}, {"topic:robots": found}).get("topic:robots"))
        shares.learn(held)
    assert expected[0] is None, "nothing is known yet"
    assert expected[-1] == pytest.approx(30, rel=0.1)


# --- windows ----------------------------------------------------------------------------------------------------------


def test_what_is_moderate_and_lasts_is_seen_by_the_longer_windows():
    evidence = Evidence()
    for number, slot in enumerate(crowd(112, lambda n, name: 1.9 if "BR" in name and n >= 100 else 1.0)):
        evidence.take(slot.start, {head: (count, 1.0) for head, count in slot.counts.items()}, slot.live, slot.livestreams)
        if number < 100:
            evidence.learn(slot.start, {})
    chances = {window.width: window.chance for window in evidence.found("country:BR")}
    assert set(chances) == {2, 4, 6, 12, 24}
    assert chances[12] < chances[4] < chances[2]


@given(st.floats(1.2, 20), st.floats(1.1, 3))
@settings(max_examples=20, deadline=None)
def test_more_is_never_likelier(factor, more):
    found = []
    for lifted in (factor, factor * more):
        evidence = Evidence()
        for number in range(30):
            count = round(200 * (lifted if number >= 28 else 1))
            evidence.take(T0 + number * 10, {"total": (count, 200.0)}, {}, {})
        found.append([window.chance for window in evidence.found("total")])
    assert all(larger <= smaller for smaller, larger in zip(*found, strict=True))


# --- livestreams weighed ----------------------------------------------------------------------------------------------

CHATS = [f"c{number}" for number in range(12)]
BUSY = 10.0
"""Usual counts of a slot of the busiest chat of twelve; each of the others has a fifth."""


def by_chat(count: int, lift, *, seed: int = 3):
    """Slots of one country with twelve chats, and of a larger one with twelve even ones that does nothing."""
    dice = Random(seed)
    live = dict.fromkeys(CHATS, ("country:BR", "total")) | {f"x{name}": ("country:CN", "total") for name in CHATS}
    for number in range(count):
        chats = {}
        for name in live:
            mean = (BUSY if name == "c0" else BUSY / 5) if name in CHATS else BUSY
            lifted_mean = mean * lift(number, name)
            chats[name] = max(0, round(dice.gauss(lifted_mean, lifted_mean**0.5)))
        counts = {
            "country:BR": sum(chats[name] for name in CHATS),
            "country:CN": sum(chats[f"x{name}"] for name in CHATS),
            "total": sum(chats.values()),
        }
        yield Slot(start=T0 + number * 10, counts=counts, live=live, livestreams=chats)


def test_one_chat_that_reacts_for_twenty_seconds_now_and_then_makes_no_spike_of_its_country_and_all_chats_together_do():
    one = Watch()
    assert played(one, by_chat(160, lambda n, name: 8.0 if name == "c0" and n % 16 < 2 else 1.0)) == []
    everybody_there = Watch()
    assert played(everybody_there, by_chat(120, lambda n, name: 4.0 if name in CHATS and 90 <= n < 96 else 1.0)) == ["country:BR"]
    assert everybody_there.closed[-1].opened == T0 + 920, "of several livestreams two slots are enough"


def evidence_of(lift, count: int = 64) -> Evidence:
    evidence = Evidence()
    for slot in by_chat(count, lift):
        evidence.take(slot.start, {head: (count, 1.0) for head, count in slot.counts.items()}, slot.live, slot.livestreams)
        evidence.learn(slot.start, {})
    return evidence


def test_beside_its_busiest_livestream_a_country_is_up_when_all_of_it_is_and_calm_when_one_livestream_reacts():
    one = evidence_of(lambda n, name: 8.0 if name == "c0" and n >= 60 else 1.0).others("country:BR")
    every = evidence_of(lambda n, name: 4.0 if name in CHATS and n >= 60 else 1.0).others("country:BR")
    assert one is not None
    assert every is not None
    assert one < LEAST_OTHERS < every
    assert evidence_of(always).others("total") is None, "of the total livestreams are not weighed"


def test_a_country_of_one_livestream_has_no_others_that_could_say_anything():
    evidence = Evidence()
    live = {"c0": ("country:BR", "total"), "x": ("country:CN", "total")}
    for number in range(40):
        evidence.take(T0 + number * 10, {"country:BR": (20, 20.0)}, live, {"c0": 20, "x": 20})
        evidence.learn(T0 + number * 10, {})
    assert evidence.others("country:BR") is None


def test_one_livestream_that_reacts_must_be_ten_times_less_probable_than_a_country_that_does():
    slots = list(by_chat(92, lambda n, name: 8.0 if name == "c0" and n >= 90 else 1.0))
    watch = Watch(false_per_hour=1e-12)
    assert played(watch, slots) == []
    others = watch.evidence.others("country:BR")
    assert others is not None
    assert others < LEAST_OTHERS
    chance = min(found.chance for found in watch.evidence.found("country:BR") if found.factor >= LEAST_FACTORS[found.width])
    hour = 3600 / SLOT_SECONDS
    assert "country:BR" not in played(Watch(false_per_hour=0.5 * ALONE * chance * hour), slots)
    assert "country:BR" in played(Watch(false_per_hour=1.1 * ALONE * chance * hour * len(slots[0].counts)), slots)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=2, max_size=12), st.floats(0.1, 5))
@settings(max_examples=50, deadline=None)
def test_all_livestreams_but_one_are_the_sum_of_all_but_the_one_that_did_most_beyond_the_expected(chats, factor):
    livestreams = Livestreams()
    live = {f"c{n}": ("country:BR",) for n in range(len(chats))}
    for number in range(4):
        counts = {f"c{n}": usual if number == 0 else now for n, (now, usual) in enumerate(chats)}
        livestreams.weigh(T0 + number * 10, ["country:BR"], live, counts, {})
    means = [usual / (1 + burst * usual) for _, usual in chats for burst in (0.35 if usual < 30 else 0.15,)]
    actuals = [
        min(now, 8.0 * usual + 8.0) / (1 + burst * usual) for now, usual in chats for burst in (0.35 if usual < 30 else 0.15,)
    ]
    others = livestreams.others("country:BR", 3 * sum(means) * factor, 3)
    excess = [actual - mean * factor for actual, mean in zip(actuals, means, strict=True)]
    assert others.actual - others.mean == pytest.approx(3 * (sum(excess) - max(excess)), rel=1e-6, abs=1e-6)
    assert -1e-9 <= others.actual <= 3 * sum(actuals) + 1e-6
    assert -1e-9 <= others.mean <= 3 * factor * sum(means) + 1e-6


def test_a_window_is_compared_with_windows_of_its_own_dimension():
    """Topics hardly vary beside what their countries do; what is usual of countries must not widen them."""
    apart = {}
    for countries in (0, 9):
        evidence, steady, wild = Evidence(), Random(4), Random(5)
        for number in range(400):
            expected = {f"topic:{n}": (100 + steady.randrange(-5, 6), 100.0) for n in range(3)}
            expected |= {f"country:{n}": (round(100 * 2 ** wild.gauss(0, 1)), 100.0) for n in range(countries)}
            evidence.take(T0 + number * 10, expected, {}, {})
            evidence.learn(T0 + number * 10, {})
        evidence.take(T0 + 4000, dict.fromkeys(expected, (160, 100.0)), {}, {})
        apart[countries] = evidence.found("topic:0")[0].chance
    assert apart[9] < 100 * apart[0] < 1e-3


def test_no_livestream_speaks_for_more_than_its_burstiness_allows():
    evidence = Evidence()
    for slot in by_chat(60, always):
        evidence.take(slot.start, {head: (count, 1.0) for head, count in slot.counts.items()}, slot.live, slot.livestreams)
        evidence.learn(slot.start, {})
    assert 6 < evidence.livestreams("country:BR") <= 12
    assert evidence.livestreams("total") == float("inf"), "of the total its own level is what is expected"


def test_while_nothing_happens_probabilities_are_what_they_say_or_cautious():
    evidence, chances = Evidence(), []
    for number, slot in enumerate(by_chat(700, always, seed=11)):
        evidence.take(slot.start, {head: (count, 1.0) for head, count in slot.counts.items()}, slot.live, slot.livestreams)
        evidence.learn(slot.start, {})
        if number >= 200:
            chances += [window.chance for head in ("country:BR", "country:CN") for window in evidence.found(head)]
    for level in (0.2, 0.05, 0.01):
        assert sum(chance <= level for chance in chances) / len(chances) < 2 * level
    assert sum(chance <= 0.5 for chance in chances) / len(chances) > 0.2


def test_what_was_there_before_the_window_is_no_news():
    steady, sudden = Evidence(), Evidence()
    for evidence, begin in ((steady, 84), (sudden, 89)):
        for number, slot in enumerate(by_chat(92, lambda n, name, b=begin: 2.2 if name in CHATS and n >= b else 1.0)):
            evidence.take(slot.start, {head: (count, 1.0) for head, count in slot.counts.items()}, slot.live, slot.livestreams)
            if number < 80:
                evidence.learn(slot.start, {})
    assert sudden.found("country:BR")[0].chance < steady.found("country:BR")[0].chance
