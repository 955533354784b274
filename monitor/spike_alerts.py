"""What is told of a spike to who is called: which, once each, and in which words. Pure.

The words are the monitor's own: ids of the configuration, codes of countries, names of platforms and numbers. Nothing that a stranger wrote is in them,
neither words of the spike nor names of livestreams.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.moderation.alerts import NOT_REAL, REHEARSAL, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from monitor.moderation.alerts import Place


def mark(spike_id: str) -> str:
    """Under which id it is remembered as told."""
    return f"spike|{spike_id}"


def wanted(spikes: Mapping[str, Any], severity: int, told: Collection[str] = ()) -> list[str]:
    """Ids of open spikes that are grave enough and were not told, the gravest first."""
    found = [
        (-int(one.get("severity", 0)), name)
        for name, one in spikes.items()
        if isinstance(one, dict)
        and one.get("state") == "open"
        and int(one.get("severity", 0)) >= severity
        and mark(name) not in told
    ]
    return [name for _, name in sorted(found)]


def title(spike: Mapping[str, Any], place: Place) -> str:
    return f"{REHEARSAL if place.rehearsal else ''}{place.event}: spike of severity {spike.get('severity')}"


def body(name: str, spike: Mapping[str, Any], place: Place) -> str:
    """One sentence, who is called, and where to look."""
    lines = [NOT_REAL] if place.rehearsal else []
    lines.append(sentence(spike, place))
    if owner := spike.get("owner"):
        lines.append(f"Called: {plain(str(owner))}")
    return "\n\n".join([*lines, f"Wall: {place.wall}#/spikes/{name}"])


def sentence(spike: Mapping[str, Any], place: Place) -> str:
    """``BR is at 6.2 × the expected since 20:00:10 (topic robots, session opening).``"""
    dimension, value = str(spike.get("dimension", "")), plain(str(spike.get("value", "")))
    what = {"country": value, "topic": f"Topic {value}", "session": f"Session {value}"}.get(dimension, "Everything together")
    since = datetime.fromisoformat(str(spike["since"])).astimezone(place.timezone).strftime("%H:%M:%S")
    where = spike.get("where") or {}
    more = [
        f"{part} {plain(str(where[part]))}" for part in ("country", "topic", "platform") if part in where and part != dimension
    ]
    if dimension != "session" and spike.get("session"):
        more.append(f"session {plain(str(spike['session']))}")
    around = f" ({', '.join(more)})" if more else ""
    return f"{what} is at {float(spike.get('factor', 0)):.1f} × the expected since {since}{around}."
