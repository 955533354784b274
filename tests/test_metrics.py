"""Metrics: counters that never fall, closed sets of labels, and text that promtool accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from feed_source import Shelf
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from test_feed import CONFIG, NOW, ROSTER, Time, comments, make_feed, row

from monitor.feed import Feed
from monitor.metrics import DEFINITIONS, MOST_VALUES, make_registry
from monitor.windows import Group, ViewerSample

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

DOCS = Path(__file__).parent.parent / "docs"


async def turn(feed: Feed) -> None:
    await feed.follow()
    await feed.look_around()
    feed.tick()


def values(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_every_known_label_value_is_there_at_zero_from_the_start():
    feed, _ = make_feed(Shelf())
    await turn(feed)
    found = values(make_registry(feed, "1"))
    assert found["livestream_engagement_actions_total", "gifts", "twitch"] == 0
    assert found["livestream_country_engagement_actions_total", "MX"] == 0
    assert found["livestream_country_engagement_actions_total", "ZZ"] == 0
    assert found["livestream_topic_engagement_actions_total", "hybrid"] == 0
    assert found["livestream_session_engagement_actions_total", "opening"] == 0
    assert found["livestream_livestreams", "throttled"] == 0
    assert found["livestream_event_to_wall_seconds_bucket", "+Inf"] == 0


async def test_what_collectors_moderation_and_notifiers_counted_is_told_from_when_this_server_began():
    source = Shelf(
        tallied={
            "connector_attempts|twitch": 7,
            "connector_failures|twitch|dropped": 5,
            "flags|threat|4": 2,
            "unknown_events|kick": 1,
            "notifications|attempts": 1,
        }
    )
    feed, _ = make_feed(source)
    await turn(feed)
    source.tallied |= {"connector_attempts|twitch": 9, "connector_failures|twitch|dropped": 6, "notifications|attempts": 4}
    await turn(feed)
    found = values(make_registry(feed, "1"))
    assert found["livestream_connector_attempts_total", "twitch"] == 2
    assert found["livestream_connector_failures_total", "dropped", "twitch"] == 1
    assert found["livestream_unknown_events_total", "kick"] == 0
    assert found["livestream_flags_total", "threat", "4"] == 0
    assert found["livestream_notifications_total",] == 3
    assert found["livestream_notifications_failed_total",] == 0


async def test_a_retraction_is_a_counter_of_its_own_and_no_counter_falls():
    source = Shelf()
    feed, clock = make_feed(source)
    await turn(feed)
    before: dict[tuple[str, ...], float] = {}
    for count in (5, -2, 3):
        source.commit(0, comments(NOW, count))
        clock.ms += 250
        await turn(feed)
        found = values(make_registry(feed, "1"))
        assert all(value >= before[name] for name, value in found.items() if name in before and name[0].endswith("_total"))
        before = found
    assert before["livestream_engagement_actions_total", "comments", "twitch"] == 8
    assert before["livestream_retracted_total", "comments", "twitch"] == 2
    assert before["livestream_country_engagement_actions_total", "BR"] == 8
    assert feed.ticker.state["totals"]["comments"]["total"] == 6


async def test_a_restart_begins_at_zero_whatever_was_counted_before():
    source = Shelf()
    source.commit(0, comments(NOW, 1000))
    for _ in range(2):
        feed, _ = make_feed(source)
        await turn(feed)
        assert values(make_registry(feed, "1"))["livestream_engagement_actions_total", "comments", "twitch"] == 0


async def test_what_is_unknown_is_absent_and_what_is_known_is_there():
    source = Shelf(states={"twitch:a": row("live")})
    feed, clock = make_feed(source)
    await turn(feed)
    names = {name[0] for name in values(make_registry(feed, "1"))}
    assert not names & {"livestream_watermark_timestamp_seconds", "livestream_concurrent_viewers"}
    source.caught_up_ms = {0: clock.ms, 1: clock.ms}
    source.commit(
        0, viewers=[ViewerSample("twitch:a", 40, clock.ms, clock.ms + 1000, "BR", "twitch")], at_samples=[clock.ms - 400]
    )
    await turn(feed)
    found = values(make_registry(feed, "1"))
    assert found["livestream_watermark_timestamp_seconds",] == NOW
    assert found["livestream_concurrent_viewers", "twitch"] == 40
    assert found["livestream_event_to_wall_seconds_bucket", "0.5"] == 1
    assert found["livestream_event_to_wall_seconds_bucket", "0.3"] == 0


async def test_hostile_label_values_are_bounded_and_still_add_up():
    source = Shelf(partitions=1)
    feed = Feed(CONFIG, ROSTER, source, now_ms=Time())
    await turn(feed)
    source.commit(0, Group(["total"], {f'country:X"\n{number:06d}|comments': 1 for number in range(2 * MOST_VALUES)}))
    await turn(feed)
    registry = make_registry(feed, "1")
    found = {name[1]: value for name, value in values(registry).items() if name[0].startswith("livestream_country")}
    assert len(found) == MOST_VALUES + 1
    assert sum(found.values()) == 2 * MOST_VALUES
    assert found["other"] > 0
    # A value that comes first in the alphabet, and later, takes nobody's place.
    source.commit(0, Group(["total"], {"country:A|comments": 1}))
    await turn(feed)
    later = {name[1]: value for name, value in values(registry).items() if name[0].startswith("livestream_country")}
    assert {name: value - found[name] for name, value in later.items() if value != found[name]} == {"other": 1}


async def test_openmetrics_is_valid():
    feed, _ = make_feed(Shelf())
    await turn(feed)
    families = list(read_openmetrics(as_openmetrics(make_registry(feed, "1")).decode()))
    assert {family.name for family in families} >= {"livestream_items", "livestream_build", "livestream_event_to_wall_seconds"}


async def test_every_metric_is_described_and_none_is_only_described():
    feed, _ = make_feed(Shelf())
    await turn(feed)
    text = (DOCS / "metrics.md").read_text()
    families = list(text_string_to_metric_families(generate_latest(make_registry(feed, "1")).decode()))
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    described = {
        word.strip("`")
        for line in text.splitlines()
        if line.startswith("| `")
        for word in line.split("|")[1].split(", ")
        for word in [word.strip()]
    }
    assert names - {"livestream_unique_authors_error_ratio"} == described


def test_the_definitions_have_the_version_that_metrics_carry():
    assert f"Version {DEFINITIONS}." in (DOCS / "definitions.md").read_text()


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus is not installed")
async def test_promtool_has_no_complaint():
    source = Shelf(caught_up_ms={0: NOW * 1000, 1: NOW * 1000})
    source.commit(0, comments(NOW, 5), at_samples=[NOW * 1000])
    feed, _ = make_feed(source)
    await turn(feed)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(make_registry(feed, "1")), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr.decode(), checked.stdout.decode()) == (0, "", "")
