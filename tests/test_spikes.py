"""Spikes: what opens one, what does not, and that the same slots give the same."""

from __future__ import annotations

from math import comb
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.expected import LEAST_SPREAD, Tail, quantile, tail
from monitor.spikes import AFTER_SECONDS, LEARN_SLOTS, MINIMUM, SETTLE_SECONDS, Slot, Watch, discoveries, severity

T0 = 1_800_000_000
QUIET = {"country:BR": 40, "country:FR": 60, "country:CN": 100, "topic:robots": 30}


def always(number, head):
    return 1.0


def slots(count: int, lift=always, *, seed: int = 1, usual=QUIET, noise: bool = True, begin: int = 0):
    """Slots of Poisson counts (about), each times its lift; the total is their sum."""
    dice = Random(seed)
    for number in range(begin, begin + count):
        counts = {}
        for head, mean in usual.items():
            lifted = mean * lift(number, head)
            counts[head] = max(0, round(dice.gauss(lifted, lifted**0.5 if noise else 0)))
        counts["total"] = sum(n for head, n in counts.items() if head.startswith("country:"))
        yield Slot(start=T0 + number * 10, counts=counts)


def played(watch: Watch, found) -> list[str]:
    """Heads of what opened, in order."""
    return [spike.head for slot in found for spike in watch.take(slot)]


def lifted(head: str, begin: int, end: int, factor: float):
    return lambda number, one: factor if one == head and begin <= number < end else 1.0


def everybody(begin: int, end: int, factor: float):
    return lambda number, _: factor if begin <= number < end else 1.0


# --- the model --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "k"), [(0.5, 1), (3.0, 2), (12.0, 5), (40.0, 20)])
def test_the_tail_of_the_negative_binomial_is_the_sum_of_its_probabilities(mean, k):
    p = k / (k + mean)
    for count in (1, 2, 7, 30, 90):
        below = sum(comb(n + k - 1, n) * p**k * (1 - p) ** n for n in range(count))
        assert tail(count, mean, 1 / k) == pytest.approx(1 - below, rel=1e-6, abs=1e-12)


@given(mean=st.floats(1, 5000), spread=st.floats(LEAST_SPREAD, 1), more=st.floats(1.01, 5), count=st.integers(1, 20_000))
def test_more_is_always_less_probable_and_a_wider_spread_makes_the_improbable_likelier(mean, spread, more, count):
    assert 0 <= tail(count, mean, spread) <= 1
    assert tail(round(count * more) + 1, mean, spread) <= tail(count, mean, spread) + 1e-9
    if count > 3 * mean + 10:
        assert tail(count, mean, spread) <= tail(count, mean, min(1.0, spread * more)) + 1e-12


@given(mean=st.floats(20, 5000), spread=st.floats(LEAST_SPREAD, 0.3))
def test_about_one_in_two_hundred_is_above_the_shown_range(mean, spread):
    assert 0.002 < tail(round(quantile(mean, spread, 2.576)), mean, spread) < 0.012


def test_what_chat_does_often_is_not_improbable_however_the_model_sees_it():
    calm, wild = Tail(), Tail()
    for number in range(20_000):
        calm.add(2, 0.1, 0.5 if number % 100 else 0.01)
        wild.add(2, 0.1, 0.5 if number % 100 else 1e-8)
    assert wild.calibrated(2, 0.1, 1e-8) > 100 * calm.calibrated(2, 0.1, 1e-8)
    assert calm.calibrated(2, 0.1, 1e-8) >= 1e-8


# --- what opens -------------------------------------------------------------------------------------------------------


def test_a_spike_is_confirmed_by_the_first_slot_opened_by_the_second_and_closed_with_hysteresis():
    watch = Watch()
    states = []
    for number, slot in enumerate(slots(140, lifted("country:BR", 90, 100, 8.0))):
        watch.take(slot)
        states.append(watch.spikes["country:BR"].state if "country:BR" in watch.spikes else "")
        if number == 95:
            spike = watch.spikes["country:BR"]
            assert spike.actual > spike.high > spike.mid > spike.low
            assert 6 < spike.factor < 10
    assert states[89:92] == ["", "confirming", "open"]
    calm = states.index("", 91)
    assert states[100:102] == ["open", "open"], "it closes only when three slots in a row are calm"
    assert calm <= 106
    assert watch.closed[-1].since == T0 + 900
    assert watch.closed[-1].closed == T0 + (calm + 1 - 3) * 10


def test_one_slot_alone_opens_nothing():
    watch = Watch()
    assert played(watch, slots(140, lifted("country:BR", 90, 91, 20.0))) == []


def test_an_opening_that_lifts_everybody_opens_no_country_and_no_topic():
    bound = T0 + 900
    watch = Watch([bound, bound + 3600])
    assert played(watch, slots(160, everybody(90, 999, 4.0))) == []


def test_an_unplanned_lift_of_everybody_is_a_spike_of_the_total_alone():
    assert played(Watch(), slots(120, everybody(90, 110, 4.0))) == ["total"]


def test_around_the_start_of_a_session_the_total_is_not_judged():
    watch = Watch([T0 + 900])
    end = 90 + AFTER_SECONDS // 10
    assert played(watch, slots(120, everybody(90, end, 3.0))) == []


def test_a_country_that_stands_out_is_found_though_a_session_begins():
    watch = Watch([T0 + 900])
    assert "country:BR" in played(watch, slots(110, lifted("country:BR", 91, 101, 10.0)))
    assert watch.closed[-1].opened is not None
    assert watch.closed[-1].opened <= T0 + 900 + SETTLE_SECONDS


def test_what_a_spike_leaves_behind_is_no_other_spike():
    """Four minutes in which one was are far above the expected; who looks at them again sees it twice."""
    watch = Watch()
    found = played(
        watch, slots(118, lambda n, head: 1.0 if head != "country:BR" or n < 90 or 96 <= n < 107 else 9.0 if n < 96 else 1.9)
    )
    assert found.count("country:BR") == 1


@given(scale=st.sampled_from((1, 3, 10, 50)), seed=st.integers(0, 5))
@settings(max_examples=5, deadline=None)
def test_what_is_found_does_not_depend_on_how_big_the_event_is(scale, seed):
    usual = {head: mean * scale for head, mean in QUIET.items()}
    found = played(Watch(), slots(130, lifted("country:FR", 90, 100, 6.0), usual=usual, seed=seed))
    assert "country:FR" in found
    assert not {"country:CN", "topic:robots"} & set(found)


@given(st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None)
def test_the_same_slots_give_the_same_spikes_in_whatever_order_their_heads_come(dice):
    def shuffled(slot: Slot) -> Slot:
        heads = list(slot.counts)
        dice.shuffle(heads)
        return Slot(start=slot.start, counts={head: slot.counts[head] for head in heads})

    one, other = Watch(), Watch()
    for slot in slots(120, lifted("country:BR", 90, 110, 5.0)):
        one.take(slot)
        other.take(shuffled(slot))
    assert {head: (s.state, s.since, s.severity) for head, s in one.spikes.items()} == {
        head: (s.state, s.since, s.severity) for head, s in other.spikes.items()
    }
    assert [spike.id for spike in one.closed] == [spike.id for spike in other.closed]


def test_a_slot_is_judged_once_and_what_comes_late_changes_nothing_that_was_said():
    watch = Watch()
    found = list(slots(120))
    played(watch, found)
    before = (dict(watch.spikes), list(watch.closed), watch.series["total"].level)
    late = Slot(start=found[-3].start, counts={head: count * 50 for head, count in found[-3].counts.items()})
    assert watch.take(late) == []
    assert (dict(watch.spikes), list(watch.closed), watch.series["total"].level) == before


def test_a_spike_does_not_become_what_is_expected():
    watch = Watch()
    played(watch, slots(90))
    before = watch.series["country:BR"].level
    played(watch, slots(30, lifted("country:BR", 90, 120, 8.0), begin=90))
    assert watch.spikes["country:BR"].state == "open"
    assert watch.series["country:BR"].level < 1.3 * before
    played(watch, slots(200, lifted("country:BR", 90, 400, 8.0), begin=120))
    assert "country:BR" not in watch.spikes, "after half an hour it is the new normal"


def test_before_anything_is_known_nothing_opens_and_it_says_when_it_will_be():
    watch = Watch()
    assert played(watch, slots(LEARN_SLOTS - 1, lifted("country:BR", 10, 20, 30.0))) == []
    assert watch.expected("total") is None
    assert watch.learning_until("total") == T0 + LEARN_SLOTS * 10
    played(watch, slots(5, begin=LEARN_SLOTS - 1))
    expected = watch.expected("total")
    assert expected is not None
    assert expected.low < 1200 < expected.high
    assert watch.watched == len(QUIET) + 1


def test_few_counts_are_no_spike_however_improbable():
    usual = {"country:BR": 0.2, "country:CN": 100}
    few = MINIMUM // 2 - 2
    watch = Watch()
    assert played(watch, slots(130, lifted("country:BR", 90, 110, few / 0.2), usual=usual, noise=False)) == []


def test_while_nothing_happens_hardly_anything_opens():
    usual = {f"country:{n}": 5 + n for n in range(30)}
    opened = [head for seed in range(2) for head in played(Watch(false_per_hour=1.0), slots(240, usual=usual, seed=seed))]
    assert len(opened) <= 2


def test_a_bound_on_false_discoveries_holds_under_the_null():
    dice = Random(7)
    trials = 4000
    wrong = sum(bool(discoveries({str(n): dice.random() for n in range(100)}, 100, 0.05)) for _ in range(trials))
    assert wrong / trials < 0.062
    assert discoveries({"a": 0.0001, "b": 0.02, "c": 0.9}, 3, 0.05) == {"a", "b"}
    assert discoveries({"a": 0.02}, 100, 0.05) == set()


def test_few_people_make_no_shown_spike_and_a_doubt_can_be_lifted():
    watch = Watch()
    played(watch, slots(95, lifted("country:BR", 90, 110, 8.0)))
    watch.doubt("country:BR", doubted=True)
    assert not watch.spikes["country:BR"].shown
    watch.doubt("country:BR", doubted=False)
    assert watch.spikes["country:BR"].shown


@given(
    st.tuples(st.floats(1, 100), st.integers(0, 5000), st.floats(0, 1e6)),
    st.tuples(st.floats(1, 4), st.integers(0, 5000), st.floats(0, 1e6)),
)
def test_severity_is_one_to_ten_and_grows_with_height_with_length_and_with_size(spike, and_more):
    (factor, seconds, more), (times, longer, larger) = spike, and_more
    least = severity(factor, seconds, more)
    assert 1 <= least <= 10
    assert least <= severity(factor * times, seconds, more) <= 10
    assert least <= severity(factor, seconds + longer, more) <= 10
    assert least <= severity(factor, seconds, more + larger) <= 10


def test_severity_is_one_where_there_is_nothing_ten_where_there_is_everything_and_each_part_tells():
    assert severity(1, 0, 0) == 1
    assert severity(16, 600, 6000) == 10
    assert severity(3, 60, 480) == severity(3, 60, 500) == 4, "three-fold for a minute in a middling country"
    assert severity(10, 60, 480) > severity(3, 60, 480)
    assert severity(3, 600, 480) > severity(3, 60, 480)
    assert severity(3, 60, 48_000) > severity(3, 60, 480)


def test_a_spike_never_becomes_less_grave_while_it_is_open():
    watch, seen = Watch(), []
    for slot in slots(
        125, lambda n, head: {0: 8.0, 1: 5.0, 2: 3.0}.get((n - 90) // 10, 1.0) if head == "country:BR" and n >= 90 else 1.0
    ):
        watch.take(slot)
        if (spike := watch.spikes.get("country:BR")) is not None and spike.state == "open":
            seen.append(spike.severity)
    assert len(seen) > 20
    assert seen == sorted(seen)
