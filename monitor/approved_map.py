"""A map of the world as a person had it approved: GeoJSON to outlines that the wall draws itself. Pure.

Promises: what comes out is numbers and country codes, and nothing of the file besides: no script, style, link or text can pass. A file
that is not as expected gives one sentence that says what is wrong with it. Nothing is added to the map, moved or left out; how it is
drawn (plate carrée: a degree is as long everywhere) changes no border.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 8_000_000
MOST_POINTS: Final = 200_000
CODES: Final = ("iso_a2", "ISO_A2", "iso3166-1-alpha-2", "ISO3166-1-Alpha-2", "code", "CODE")
"""Where map files write the code of a country or region; one without any is drawn and never coloured."""
DIGITS: Final = 2
"""A hundredth of a degree is finer than a pixel of an 8K screen."""

Ring = list[list[float]]


class MapError(Exception):
    """What is wrong with the file, in one sentence."""


def outlines(data: bytes) -> list[dict[str, Any]]:
    """``[{"code": "BR", "rings": [[[x, y], …], …]}, …]``; x is longitude, y latitude. Raises MapError."""
    if len(data) > MOST_BYTES:
        raise MapError(f"the map has more than {MOST_BYTES // 1_000_000} MB; simplify its outlines")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MapError("the map is not JSON; save it as GeoJSON") from error
    features = told.get("features") if isinstance(told, dict) and told.get("type") == "FeatureCollection" else None
    if not isinstance(features, list) or not features:
        raise MapError("the map is not a GeoJSON FeatureCollection with features")
    found, points = [], 0
    for number, feature in enumerate(features, start=1):
        rings = list(_rings(feature, number))
        points += sum(map(len, rings))
        if points > MOST_POINTS:
            raise MapError(f"the map has more than {MOST_POINTS:,} points; simplify its outlines")
        found.append({"code": _code(feature), "rings": rings})
    return found


def _code(feature: dict[str, Any]) -> str:
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return ""
    for key in CODES:
        value = properties.get(key)
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2}", value):
            return value.upper()
    return ""


def _rings(feature: object, number: int) -> Iterator[Ring]:
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in ("Polygon", "MultiPolygon"):
        raise MapError(f"feature {number} of the map is no Polygon and no MultiPolygon")
    told = geometry.get("coordinates")
    polygons = [told] if kind == "Polygon" else told
    if not isinstance(polygons, list):
        raise MapError(f"feature {number} of the map has no coordinates")
    for polygon in polygons:
        if not isinstance(polygon, list):
            raise MapError(f"feature {number} of the map has no coordinates")
        for ring in polygon:
            yield _ring(ring, number)


def _ring(ring: object, number: int) -> Ring:
    points: Ring = []
    for point in ring if isinstance(ring, list) else ():
        if not (isinstance(point, list) and len(point) >= 2 and all(_is_number(value) for value in point[:2])):
            raise MapError(f"feature {number} of the map has a point that is no pair of numbers")
        x, y = float(point[0]), float(point[1])
        if not (-180.001 <= x <= 180.001 and -90.001 <= y <= 90.001):
            raise MapError(f"feature {number} of the map is not in degrees of longitude and latitude")
        rounded = [round(x, DIGITS), round(y, DIGITS)]
        if not points or points[-1] != rounded:
            points.append(rounded)
    if not points:
        raise MapError(f"feature {number} of the map has an outline without points")
    return points


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
