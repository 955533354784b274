"""States of channels about which others tell us: nobody connects, so a channel is live while something is told, and waits else. Pure.

Several ``serve`` may receive. Each speaks for what it heard itself; what another one said lately stands.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from monitor.objects import object_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.roster import Channel

HEARD_FOR: Final = timedelta(minutes=5)
"""So long after the last thing that was told a channel counts as live; then nobody knows."""
FRESH: Final = timedelta(seconds=15)
"""A state that another serve wrote within this time is its to change."""
NOTHING_YET: Final = "nothing was told about it yet"
NOTHING_LATELY: Final = "nothing was told about it in the last minutes"


def rows(
    channels: Iterable[Channel], heard: Mapping[str, datetime], known: Mapping[str, bytes | None], now: datetime
) -> dict[str, bytes]:
    """Livestream → its row in ``{livestreams}``, of those that this process must write; ``known`` are the rows as they stand."""
    found: dict[str, bytes] = {}
    for channel in channels:
        before = object_in(known.get(channel.id))
        told = heard.get(channel.id)
        if told is not None and now - told < HEARD_FOR:
            state, reason = "live", ""
        elif before.get("state") == "live" and _is_fresh(before, now):
            continue
        else:
            never = told is None and before.get("state") != "live" and before.get("reason") != NOTHING_LATELY
            state, reason = "waiting", NOTHING_YET if never else NOTHING_LATELY
        row: dict[str, Any] = {
            "state": state,
            "reason": reason,
            "since": before["since"] if before.get("state") == state and "since" in before else now,
            "at": now,
            "platform": channel.platform,
            "handle": channel.handle,
            "attendee": channel.attendee,
        }
        found[channel.id] = orjson.dumps(row | ({"country": channel.country} if channel.country else {}))
    return found


def _is_fresh(row: dict[str, Any], now: datetime) -> bool:
    try:
        return now - datetime.fromisoformat(row["at"]) < FRESH
    except (KeyError, TypeError, ValueError):
        return False
