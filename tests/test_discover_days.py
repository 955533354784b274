"""Days of an event on a real project's quota, passed in seconds: the rules of discovery whatever the weather on the platforms.

The code that decides is the real one; benchmarks/discovery.py drives it, with 1,200 channels and five days where figures are wanted.
"""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.discovery import Days, weathers
from benchmarks.discovery_world import CLOSES, OPENS, World, local
from benchmarks.measure import percentile
from connectors.youtube.plan import LIVE_SHARE, SLOW_SECONDS

CHANNELS, UNITS = 40, 1_800
"""Fourteen of YouTube, on a grant that carries them as poorly as the default carries four hundred."""
TICK = 62.0
"""YouTube is asked once a minute."""
PROMISED = {"twitch": 60.0, "kick": 60.0, "youtube": 120.0}


@cache
def passed(name: str, *, days: int = 1) -> Days:
    """The event in that weather; runs are shared, so no test may change one."""
    weather, more = weathers(units_per_day=UNITS, day=1)[name]
    run = Days(World(CHANNELS, days, weather=weather, only="youtube"), **more)
    run.go()
    return run


KIND = ["fair", "no push", "a restart every 6 h", "nobody tells"]
"""Weathers in which nothing may be missed."""
WEATHERS = [*KIND, "robbed at noon", "an hour of 5xx"]
"""The others differ from these in nothing but figures, which the benchmark has."""


@pytest.mark.parametrize("name", WEATHERS)
def test_no_day_costs_more_than_was_granted_less_the_reserve(name):
    run = passed(name)
    reserve = run.options["youtube"].reserve_units
    assert run.world.spent
    assert max(run.world.spent.values()) <= UNITS - (0 if run.restarts else reserve), (
        "only a restart opens chats out of the reserve"
    )


@pytest.mark.parametrize("name", KIND)
def test_every_broadcast_that_lasts_is_found_while_it_is_live(name):
    run = passed(name)
    assert len(run.counted()) > 25
    assert run.missed() == []


@pytest.mark.parametrize("name", ["fair", "no push", "a restart every 6 h"])
def test_nineteen_of_twenty_that_somebody_told_of_are_found_in_time(name):
    for (platform, way), late in passed(name).delays().items():
        if way != "sweep":
            assert percentile(late, 95) <= PROMISED[platform], (platform, way)


def test_twitch_and_kick_are_found_in_time_however_it_is_learned():
    for platform in ("twitch", "kick"):
        run = Days(World(2 * CHANNELS, 1, only=platform), quiet=True)
        run.world.end = local(1, OPENS + 4)
        run.go()
        [late] = run.delays().values()
        assert len(late) >= 5
        assert percentile(late, 95) <= PROMISED[platform]
        assert run.missed() == []
        assert run.asked_too_often() == []


@pytest.mark.parametrize("name", WEATHERS)
def test_nothing_is_asked_again_before_its_interval_unless_somebody_told_of_it(name):
    assert passed(name).asked_too_often() == []


@pytest.mark.parametrize("name", ["fair", "nobody tells"])
def test_every_channel_has_its_turn_within_ten_minutes_whatever_the_others_do(name):
    assert passed(name).longest_wait()["youtube feed"] <= 600


def test_what_youtube_refuses_for_the_day_is_not_asked_again_before_midnight_pacific():
    run = passed("robbed at noon")
    robbed = run.world.weather.robbed
    assert robbed is not None
    assert 1 <= len(run.world.refused) <= 2, "whoever was told tells all the others, also those that begin later"
    back = [one for one in run.counted() if one.started >= local(1, 15) + 60]
    assert len(back) > 10
    assert [one.id for one in back if run.found[one.key()].at is None] == []


def test_an_hour_without_answers_costs_no_more_than_one_question_a_minute_and_no_broadcast_that_outlasts_it():
    run = passed("an hour of 5xx")
    down = run.world.weather.down
    assert down is not None
    assert len(run.world.unanswered) <= 3 * 60 + 20
    assert [one.id for one in run.missed() if not (down[0] <= one.ended <= down[1] + 600)] == []


def test_a_restart_knows_what_was_spent_and_asks_nobody_again_who_he_is():
    run, calm = passed("a restart every 6 h"), passed("fair")
    assert len(run.restarts) == 2
    assert sum(count for (_, method), count in run.world.by_method.items() if method == "channels") == sum(
        count for (_, method), count in calm.world.by_method.items() if method == "channels"
    )


@pytest.mark.parametrize("name", KIND)
def test_an_end_is_noticed_within_the_interval_in_which_the_broadcast_is_looked_at(name):
    for late in passed(name).end_delays().values():
        assert max(late) <= SLOW_SECONDS + TICK


@pytest.mark.parametrize("name", WEATHERS)
def test_viewers_never_stay_when_nobody_may_believe_them_any_more(name):
    run = passed(name)
    assert any(gauge.samples for gauge in run.gauges.values())
    assert run.hanging() == []


def test_the_plan_that_is_printed_is_what_a_day_costs():
    run = passed("fair", days=2)
    [spent] = run.full_days()
    assert 0.9 <= spent / run.plan() <= 1.1, (run.plan(), spent)


def test_so_many_are_live_at_once_as_the_plan_takes_for_granted():
    run = passed("fair")
    channels = len(run.youtube)
    live = [sum(bool(one.live(at)) for one in run.world.people) for at in range(int(local(1, OPENS)), int(local(1, CLOSES)), 600)]
    assert 0.5 * LIVE_SHARE <= max(live) / channels <= 1.5 * LIVE_SHARE
