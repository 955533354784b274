"""Holds frames against docs/asyncapi.yaml, more strictly than a client may: here a key that the page does not name is a mistake."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "asyncapi.yaml"


@lru_cache(maxsize=1)
def page() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PAGE.read_text("utf-8"))
    return found


@lru_cache(maxsize=1)
def _validator() -> jsonschema.Draft7Validator:
    components = copy.deepcopy(page()["components"])
    for schema in _objects(components["schemas"]):
        schema.setdefault("additionalProperties", False)
    frames = [{"$ref": "#/components/schemas/snapshot"}, {"$ref": "#/components/schemas/delta"}]
    return jsonschema.Draft7Validator({"components": components, "oneOf": frames})


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object schema that lists its keys."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield schema
        for part in schema.values():
            yield from _objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _objects(part)


def problems(frame: dict[str, Any]) -> list[str]:
    """What the page does not say, or says otherwise: the deepest reasons, as sentences."""
    reasons = []
    for error in _validator().iter_errors(frame):
        kind = frame.get("type")
        for part in error.context or [error]:
            ours = part.schema_path and part.schema_path[0] == (0 if kind == "snapshot" else 1)
            if ours or not error.context:
                deepest = jsonschema.exceptions.best_match([part]) or part
                reasons.append(f"{'/'.join(map(str, deepest.absolute_path))}: {deepest.message[:200]}")
    return reasons
