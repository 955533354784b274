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
