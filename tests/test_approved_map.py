"""The approved map: only numbers and codes pass, nothing moves, and a file that is wrong is answered with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.approved_map import MapError, outlines

SQUARE = [[0, 0], [10.123456, 0], [10, 10], [0, 0]]


def feature(coordinates: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def file(*features: Any, **more: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(features)} | more).encode()


def test_outlines_come_with_their_code_and_nothing_else() -> None:
    told = outlines(file(feature([SQUARE], iso_a2="br", name="<script>alert(1)</script>"), script="x"))
    assert told == [{"code": "BR", "rings": [[[0.0, 0.0], [10.12, 0.0], [10.0, 10.0], [0.0, 0.0]]]}]


def test_a_place_without_a_code_is_drawn_and_has_none() -> None:
    assert outlines(file(feature([SQUARE], iso_a2="-99")))[0]["code"] == ""


def test_every_ring_of_every_part_is_there() -> None:
    told = outlines(file(feature([[SQUARE], [SQUARE, SQUARE]], "MultiPolygon", code="FJ")))
    assert len(told[0]["rings"]) == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<svg onload=alert(1)>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "FeatureCollection"),
        (file(), "FeatureCollection"),
        (file(feature([], "Point")), "no Polygon"),
        (file(feature([[[1, "2"]]])), "no pair of numbers"),
        (file(feature([[[True, 2]]])), "no pair of numbers"),
        (b'{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon","coordinates":[[[NaN,1]]]}}]}', "no pair"),
        (file(feature([[[500_000, 4_000_000]]])), "not in degrees"),
        (file(feature([[]])), "without points"),
        (file(feature({"a": 1}, "MultiPolygon")), "no coordinates"),
        (b" " * 8_000_001, "MB"),
    ],
)
def test_a_file_that_is_wrong_is_answered_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(MapError, match=says):
        outlines(data)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda c: st.lists(c, max_size=4) | st.dictionaries(st.sampled_from(["type", "features", "geometry", "coordinates", "properties"]), c, max_size=4), max_leaves=20))  # fmt: skip
def test_anything_is_outlines_or_a_sentence(value: Any) -> None:
    try:
        told = outlines(json.dumps({"type": "FeatureCollection", "features": [value]}).encode())
    except MapError as error:
        assert str(error)  # noqa: PT017 — either is right
    else:
        assert all(isinstance(x, float) for one in told for ring in one["rings"] for point in ring for x in point)
