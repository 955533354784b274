"""Curves of sessions: which minutes are asked for, and what they add up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from feed_source import Shelf

from monitor.config import Config, Event, Platform, Session
from monitor.curves import AGAIN_SECONDS, LATE_SECONDS, MOST_VALUES, Curves
from monitor.feed import Feed
from monitor.roster import Channel, Roster
from monitor.windows import Group

START = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
NOW = int(START.timestamp())
SHORT = Session(id="opening", name={"*": "Opening"}, start=START, end=START + timedelta(minutes=5))
TRACK = Session(
    id="track",
    name={"*": "Track"},
    start=START + timedelta(minutes=2),
    end=START + timedelta(minutes=9),
    tags=frozenset({"track"}),
)
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("Asia/Shanghai"), day_start=time(4, 0), languages=("en",)),
    sessions=(SHORT, TRACK),
    platforms={"twitch": Platform(name="twitch"), "webhook": Platform(name="webhook", in_totals=False)},
)


def channel(handle: str, platform: str, *tags: str) -> Channel:
    return Channel(
        id=f"{platform}:{handle}",
        attendee=handle,
        platform=platform,
        handle=handle,
        country="BR",
        name=handle,
        language=None,
        tags=frozenset(tags),
        consent="yes",
    )


ROSTER = Roster(channels=(channel("a", "twitch", "track"), channel("b", "twitch", "other"), channel("c", "webhook", "track")))


def minutes(*offsets: int) -> list[int]:
    return [NOW + 60 * offset for offset in offsets]


def test_whole_minutes_of_sessions_that_have_begun_are_asked_for_newest_first():
    curves = Curves(CONFIG, ROSTER)
    assert curves.wanted(NOW - 600, 99) == []
    assert curves.wanted(NOW + 59, 99) == []
    assert curves.wanted(NOW + 200, 99) == minutes(2, 1, 0)
    assert curves.wanted(NOW + 86400, 99) == minutes(*range(8, -1, -1))
    assert curves.wanted(NOW + 86400, 2) == minutes(8, 7)


def test_a_minute_is_read_again_only_while_late_events_may_reach_it():
    curves = Curves(CONFIG, ROSTER)
    curves.take(NOW, NOW + 60, [{"total|comments": 1}])
    assert curves.wanted(NOW + 60 + AGAIN_SECONDS - 1, 9) == []
    assert curves.wanted(NOW + 60 + AGAIN_SECONDS, 9) == [NOW]
    curves.take(NOW, NOW + LATE_SECONDS, [{"total|comments": 2}])
    assert NOW not in curves.wanted(NOW + 86400, 99)
    assert curves.curve(SHORT) == {"slot_seconds": 60, "engagement": [2]}


def test_a_curve_is_the_total_and_with_tags_the_sum_of_its_livestreams():
    """Joins are no engagement; a platform outside the totals is in no session; partitions add up."""
    curves = Curves(CONFIG, ROSTER)
    one = {"total|comments": 5, "total|joins": 90, "livestream:twitch:a|comments": 3, "livestream:twitch:b|comments": 2}
    other = {"total|gifts": 4, "livestream:twitch:a|gifts": 4, "livestream:webhook:c|posts": 70, "country:BR|gifts": 4}
    for start in minutes(0, 1, 2):
        curves.take(start, NOW + 900, [one, other])
    assert curves.curve(SHORT) == {"slot_seconds": 60, "engagement": [9, 9, 9]}
    assert curves.curve(TRACK) == {"slot_seconds": 60, "engagement": [7]}


def test_before_the_first_count_is_unknown_and_an_empty_minute_after_it_is_nought():
    curves = Curves(CONFIG, ROSTER)
    for start, fields in zip(minutes(0, 1, 2, 3), ({}, {"total|posts": 8}, {}, {"total|posts": 6}), strict=True):
        curves.take(start, NOW + 900, [fields, {}])
    assert curves.curve(SHORT) == {"slot_seconds": 60, "engagement": [-1, 8, 0, 6]}


def test_what_is_not_read_yet_is_unknown_and_no_session_is_none():
    curves = Curves(CONFIG, ROSTER)
    assert curves.curve(SHORT) is None
    curves.take(NOW, NOW + 900, [{}])
    assert curves.curve(SHORT) is None
    curves.take(NOW + 120, NOW + 900, [{"total|posts": 6}])
    assert curves.curve(SHORT) == {"slot_seconds": 60, "engagement": [-1, -1, 6]}


@pytest.mark.parametrize(("hours", "slot"), [(4, 60), (24, 60), (25, 120), (72, 180)])
def test_long_sessions_have_longer_slots_and_only_whole_ones(hours, slot):
    session = replace(SHORT, end=START + timedelta(hours=hours))
    curves = Curves(replace(CONFIG, sessions=(session,)), ROSTER)
    read = 4 * slot // 60 + (1 if slot > 60 else 0)
    for start in minutes(*range(read)):
        curves.take(start, NOW + 86400, [{"total|posts": 10}])
    assert curves.curve(session) == {"slot_seconds": slot, "engagement": [10 * slot // 60] * 4}
    assert hours * 3600 / slot <= MOST_VALUES


async def test_the_feed_shows_the_curve_and_who_and_what_led_each_session():
    shelf = Shelf(partitions=1, caught_up_ms={0: (NOW + 400) * 1000})
    session = ["session:opening", "total", f"minute:{NOW}", f"slot:{NOW}", "day:2026-10-16"]
    led = {
        "total|posts": 9,
        "country:ZZ|posts": 6,
        "country:BR|posts": 2,
        "country:AR|posts": 1,
        "topic:hybrid|posts": 4,
        "topic:robots|posts": 3,
    }
    shelf.commit(0, Group(session, led))
    feed = Feed(CONFIG, ROSTER, shelf, now_ms=lambda: (NOW + 400) * 1000)
    await feed.follow()
    await feed.look_at_curves()
    feed.tick()
    shown = feed.ticker.state["sessions"]
    assert shown["opening"]["curve"] == {"slot_seconds": 60, "engagement": [9, 0, 0, 0, 0]}
    assert (shown["opening"]["top_topic"], shown["opening"]["top_country"]) == ("hybrid", "BR")
    assert "top_topic" not in shown["track"]
    shelf.commit(0, Group(session, {"topic:robots|posts": 2, "total|posts": 2}))
    await feed.follow()
    feed.tick()
    assert feed.ticker.state["sessions"]["opening"]["top_topic"] == "robots"


async def test_a_changed_schedule_is_read_anew():
    shelf = Shelf(partitions=1, caught_up_ms={0: (NOW + 400) * 1000})
    shelf.commit(0, Group(["total", f"minute:{NOW + 300}", f"slot:{NOW + 300}"], {"total|posts": 3}))
    feed = Feed(CONFIG, ROSTER, shelf, now_ms=lambda: (NOW + 400) * 1000)
    await feed.follow()
    await feed.look_at_curves()
    longer = replace(SHORT, end=START + timedelta(minutes=6))
    feed.reconfigure(replace(CONFIG, sessions=(longer,)), ROSTER)
    await feed.follow()
    await feed.look_at_curves()
    assert feed.around.curves["opening"]["engagement"] == [-1, -1, -1, -1, -1, 3]
