"""What the collectors say and what discovery knows, put together into one state for each livestream. Pure.

A collector knows whether it is connected; discovery knows whether there is anything to hear. A channel that is offline is ``waiting``
however well its chat is connected; a connection that is broken is shown as broken even then, because somebody has to mend it before
the next broadcast.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from monitor.addresses import watch_address
from monitor.channels import counting, pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from monitor.channel_store import Desk
    from monitor.channels import Row
    from monitor.livestreams import Livestream

SETTLED = ("live", "connecting", "ended", "waiting")
"""States of a collector that say nothing against a channel."""


def with_discovery(livestreams: Mapping[str, Livestream], rows: Mapping[str, Row]) -> dict[str, Livestream]:
    """Each livestream as it is shown; one of which discovery knows nothing stays as its collector said."""
    return {name: _over(_merged(one, rows[name]) if name in rows else one) for name, one in livestreams.items()}


def _over(livestream: Livestream) -> Livestream:
    """A broadcast ends, a channel never does: it waits for its next one."""
    if livestream.state != "ended" or not livestream.reachable:
        return livestream
    why = f"its broadcast is over ({livestream.reason})" if livestream.reason else "its broadcast is over"
    return replace(livestream, state="waiting", reason=f"{why}; the next one is waited for")


def _merged(livestream: Livestream, row: Row) -> Livestream:
    if not livestream.reachable:  # switched off: whatever was known is old
        return livestream
    if row.state == "unreachable":
        return replace(
            livestream, state="unreachable", reason=row.reason, since=_iso(row.since), reachable=False, known_live=False
        )
    if row.state == "unresolved" or row.discovered_at is None:
        return livestream
    live = counting(row)
    merged = replace(
        livestream,
        known_live=live is not None,
        broadcast=live.id or None if live else None,
        viewers=row.viewers if live else None,
        discovered_at=_iso(row.discovered_at),
    )
    if row.told:  # whether anything comes in is the collector's to say
        return replace(merged, reason="; ".join(filter(None, (f"live, {row.reason}", livestream.reason))))
    if live is not None or livestream.state not in SETTLED:
        return merged
    return replace(merged, state="announced" if row.state == "announced" else "waiting", reason=_why(row), since=_iso(row.since))


def _why(row: Row) -> str:
    """Why nothing of a channel is counted now, in words."""
    if row.state == "live":
        return f"live, but not counted: {row.broadcasts[0].why}" if row.broadcasts else "live, but not counted"
    if row.state == "announced":
        times = [live.scheduled_at for live in row.broadcasts if live.scheduled_at is not None]
        return f"announced for {min(times).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if times else "announced"
    return "offline; it is counted as soon as a broadcast of the event begins"


def age_seconds(desks: Iterable[Desk], now: datetime) -> int | None:
    """How old the oldest platform's knowledge of who is live is; None while no platform was asked."""
    ages = [(now - desk.asked_at).total_seconds() for desk in desks if desk.asked_at is not None]
    return max(0, round(max(ages))) if ages else None


def pending_list(rows: Mapping[str, Row], livestreams: Mapping[str, Livestream]) -> dict[str, Any]:
    """Broadcasts that somebody must decide about, for ``/api/pending``; those with the most viewers first."""
    found = []
    for name, row in rows.items():
        if (known := livestreams.get(name)) is not None:
            for live in pending(row):
                cell: dict[str, Any] = {
                    "livestream": name,
                    "broadcast": live.id,
                    "platform": row.platform,
                    "handle": row.handle,
                    "title": live.title,
                    "why": live.why,
                    "started_at": _iso(live.started_at),
                    "viewers": row.viewers,
                    "attendee": known.attendee,
                    "country": known.country,
                    "url": watch_address(row.platform, row.handle, broadcast=live.id, live_url=known.live_url),
                }
                found.append({key: value for key, value in cell.items() if value is not None})
    found.sort(key=lambda cell: (-cell.get("viewers", 0), cell["livestream"], cell["broadcast"]))
    return {"pending": found}


def _iso(at: datetime | None) -> str | None:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at is not None else None
