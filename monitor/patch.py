"""RFC 7396 JSON merge patch: what a client must change to get from one state to the next. Pure.

Promise: ``apply_patch(old, merge_patch(old, new)) == new`` for all states without nulls (in a merge patch null means "remove",
so a state that held one could not be sent). States are never mutated, so parts that did not change are shared between them
and compare by identity: a quiet tick costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any] | None:
    """The patch from old to new, or None when nothing changed."""
    patch: dict[str, Any] = {}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
            continue
        before = old[key]
        if before is value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            # An empty object cannot replace a full one by merging, but the nulls inside the patch empty it.
            inner = merge_patch(before, value)
            if inner is not None:
                patch[key] = inner
        elif not _same(before, value):
            patch[key] = value
    for key in old:
        if key not in new:
            patch[key] = None
    return patch or None


def apply_patch(state: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """A new state; what a client does, in Python."""
    result = dict(state)
    for key, value in (patch or {}).items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = apply_patch(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def share(old: Any, new: Any) -> Any:
    """``new``, with every object in it that equals the one at its place in ``old`` replaced by that one; ``new`` is used up."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return old if _same(old, new) else new
    changed = len(old) != len(new)
    for key, value in new.items():
        before = old.get(key)
        if before is value:
            continue
        if isinstance(value, dict):
            kept = new[key] = share(before, value)
            changed = changed or kept is not before
        elif not changed:
            changed = not _same(before, value)
    return new if changed else old


def _same(one: Any, other: Any) -> bool:
    """Equal for JSON: True is not 1, and 1.0 is 1."""
    return type(one) is type(other) and bool(one == other)
