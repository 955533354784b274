"""A spike as it stands in the wall's part ``spikes``, and back: a new keeper takes over what the one before had found. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.moments import iso, moment
from monitor.spikes import Spike

if TYPE_CHECKING:
    from collections.abc import Mapping

STORY = ("authors", "top_share", "where", "why")


def as_card(spike: Spike, *, owner: str, session: str | None) -> dict[str, Any]:
    """Its numbers, as docs/feed.md names them."""
    dimension, _, value = spike.head.partition(":")
    card: dict[str, Any] = {
        "dimension": dimension,
        "value": value or dimension,
        "state": spike.state,
        "since": iso(spike.since * 1000),
        "severity": spike.severity,
        "factor": spike.factor,
        "peak": spike.peak,
        "actual": spike.actual,
        "expected": {"low": spike.low, "mid": spike.mid, "high": spike.high},
        "owner": owner,
    }
    for name, at in (("opened_at", spike.opened), ("closed_at", spike.closed)):
        if at is not None:
            card[name] = iso(at * 1000)
    if session is not None:
        card["session"] = session
    return card


def from_card(name: str, card: Mapping[str, Any]) -> Spike | None:
    """A spike as an earlier keeper wrote it; None when it cannot be read."""
    try:
        dimension, value = str(card["dimension"]), str(card["value"])
        times = {key: int(moment(card[key]) or 0) for key in ("since", "opened_at", "closed_at") if key in card}
        expected = card["expected"]
        spike = Spike(
            head=dimension if dimension == "total" else f"{dimension}:{value}",
            state=card["state"],
            since=times["since"],
            opened=times.get("opened_at"),
            closed=times.get("closed_at"),
            severity=int(card["severity"]),
            factor=float(card["factor"]),
            peak=float(card.get("peak", card["factor"])),
            actual=int(card["actual"]),
            low=int(expected["low"]),
            mid=float(expected["mid"]),
            high=int(expected["high"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return spike if spike.id == name and spike.state in ("open", "closed") else None


def story_of(card: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says beside the numbers."""
    return {part: card[part] for part in STORY if part in card}
