"""The machine's description of the feed says what is sent: no key more, none otherwise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from described import page, problems
from feed_source import Shelf
from test_feed import NOW, Wire, comments, make_feed
from test_spike_watch import fill, kept, store  # noqa: F401 - the fixture
from test_spike_watch import make_feed as make_spiky_feed

from monitor.spike_watch import Spikes

ROOT = Path(__file__).resolve().parent.parent


async def frames() -> list[dict[str, Any]]:
    source = Shelf()
    source.commit(0, comments(NOW, 3))
    source.caught_up_ms = {0: NOW * 1000, 1: NOW * 1000}
    feed, clock = make_feed(source)
    await feed.follow()
    feed.tick()
    wire = Wire()
    feed.join(wire, lambda: True)
    source.commit(0, comments(NOW + 1, 2))
    clock.ms += 1000
    await feed.follow()
    await feed.look_around()
    feed.tick()
    return [*wire.frames(), orjson.loads(feed.ticker.snapshot())]


async def test_frames_are_as_described():
    found = await frames()
    assert [frame["type"] for frame in found] == ["snapshot", "delta", "snapshot"]
    assert [problems(frame) for frame in found] == [[], [], []]


async def test_what_the_keeper_finds_is_as_described_in_both_profiles(store):  # noqa: F811
    """A spike of a country, what is expected of each series, and those that are still learning."""
    await fill(store)
    keeper, feed = Spikes(), make_spiky_feed(store)
    state = await kept(keeper, feed, store)
    assert state["spikes"]
    assert any("expected" in one for one in state["countries"].values())
    assert [problems(orjson.loads(ticker.snapshot())) for ticker in feed.tickers.values()] == [[], []]


async def test_what_is_being_learned_and_how_today_compares_is_as_described(store):  # noqa: F811
    await fill(store)
    feed = make_spiky_feed(store)
    series = {"total": {"low": 20, "high": 90}, "country:BR": {"learning_until": "2026-11-20T06:00:00.000Z"}}
    part = {"judged": 0, "watched": 2, "series": series, "change": {"total": 1.12, "country:BR": 0.5}}
    await store.write({"expected": part})
    await feed.follow()
    await feed.look_at_wall()
    feed.tick()
    state = feed.ticker.state
    assert state["totals"]["change_vs_yesterday"] == 1.12
    assert state["countries"]["BR"]["learning_until"].startswith("2026")
    assert [problems(orjson.loads(ticker.snapshot())) for ticker in feed.tickers.values()] == [[], []]


@pytest.mark.parametrize(
    "harm",
    [
        lambda frame: frame["state"]["totals"].update(comments=3),
        lambda frame: frame["state"].update(unheard_of={}),
        lambda frame: frame["state"]["health"]["coverage"].pop("collected"),
        lambda frame: frame.update(seq="41"),
        lambda frame: frame.pop("epoch"),
    ],
)
async def test_a_frame_that_is_not_as_described_is_found_out(harm):
    frame = (await frames())[-1]
    harm(frame)
    assert len(problems(frame)) == 1


def test_every_reference_leads_somewhere_and_every_schema_is_used():
    text = (ROOT / "docs" / "asyncapi.yaml").read_text("utf-8")
    references = set(re.findall(r'\$ref: "#/([^"]+)"', text))
    for reference in references:
        place: Any = page()
        for part in reference.split("/"):
            place = place[part]
    defined = {f"components/schemas/{name}" for name in page()["components"]["schemas"]}
    assert defined == {reference for reference in references if reference.startswith("components/schemas/")}


def test_the_page_for_people_names_every_key_of_the_page_for_machines():
    described = set(re.findall(r"`([a-z_0-9]+)`", (ROOT / "docs" / "feed.md").read_text("utf-8")))
    state = page()["components"]["schemas"]["state"]["properties"]
    metrics = page()["components"]["schemas"]["metrics"]["properties"]
    assert set(state) | set(metrics) <= described
