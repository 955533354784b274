"""The plan of YouTube's quota: what a day of the event needs, what was granted, and what is dropped first. Pure.

The default of 10,000 units a day carries about 350 channels with all that belongs to it. What does not fit any more goes in this order: figures
come every five minutes instead of every one, then nobody sweeps through the channels for broadcasts that nobody told of, then chats
are not opened, those of the lowest priority and among them those with the fewest viewers first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Any

from connectors.youtube.quota import COSTS

AT_ONCE = 50
BROADCASTS = 3
"""Of a channel on a day of the event."""
LIVE_SHARE = 120 / 350
"""Of all channels, live at the same time."""
CONFIRM_SECONDS = 60.0
"""Broadcasts that were told, found or announced are looked at so often, all in one call."""
SLOW_SECONDS = 300.0
"""Figures that come less often are not believed."""
FASTEST_SWEEP = 120.0
DROPPED_FIRST = (
    "figures every 300 s instead of every 60 s, then looking for broadcasts that nobody told of, then chats: the lowest priority first, and "
    "among them the fewest viewers"
)
CHAT = COSTS["liveChat/messages/stream"]


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the plan."""

    what: str
    units: int
    kept: bool = False
    """For what may go wrong."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A day of the event for so many channels."""

    channels: int
    units_per_day: int
    items: tuple[Item, ...]
    viewers_seconds: float
    """How often figures can be asked for."""
    sweeps: int
    """How often a day every channel is looked at."""
    sweep_seconds: float | None
    """Between two of them; None: never."""
    opened: int
    """Channels whose chats can be opened."""
    wanted: int
    """Units for all of it, with three looks for broadcasts."""
    fits: int
    """Channels that would fit with all that belongs to it."""

    @property
    def needed(self) -> int:
        """Units of the plan, as far as it goes."""
        return sum(item.units for item in self.items)

    @property
    def spent(self) -> int:
        """Units of a day on which nothing goes wrong."""
        return sum(item.units for item in self.items if not item.kept)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What is left out, in words; empty when everything fits."""
        found = []
        if self.viewers_seconds > CONFIRM_SECONDS:
            found.append(f"viewers and likes come every {self.viewers_seconds:g} s")
        if not self.sweeps and self.channels:
            found.append("broadcasts that nobody told us of are not looked for")
        if self.opened < self.channels:
            found.append(
                f"chats of {self.channels - self.opened:,} channels are not opened: the lowest priority first, then the fewest viewers"
            )
        return tuple(found)


def plan_of(options: Any, channels: int) -> Plan:
    """With what is configured."""
    return plan(
        channels, units_per_day=options.units_per_day, reserve=options.reserve_units, viewers_seconds=options.viewers_seconds,
        active_hours=options.active_hours,
    )  # fmt: skip


@lru_cache(maxsize=64)
def plan(
    channels: int, *, units_per_day: int, reserve: int = 0, viewers_seconds: float = 60.0, active_hours: float = 12.0
) -> Plan:
    """What a day looks like; drops, in their order, what does not fit."""
    fast = max(CONFIRM_SECONDS, viewers_seconds)
    opened, every = channels, fast
    if _rest(channels, units_per_day, reserve, every, active_hours) < channels:
        every = max(fast, SLOW_SECONDS)
    if (missing := -_rest(channels, units_per_day, reserve, every, active_hours)) > 0:
        opened = max(0, channels - ceil(missing / (BROADCASTS * CHAT)))
    rest = max(0, _rest(opened, units_per_day, reserve, every, active_hours)) if opened == channels else 0
    sweeps = min(rest // channels, floor(active_hours * 3600 / FASTEST_SWEEP)) if channels else 0
    items = (
        *_items(opened, reserve, every, active_hours),
        Item(
            f"looking for broadcasts that nobody told of, and sooner at those told of: {sweeps:,} × {channels:,}",
            sweeps * channels,
        ),
    )
    return Plan(
        channels, units_per_day, items, every, sweeps, active_hours * 3600 / sweeps if sweeps else None, opened,
        units_per_day - _rest(channels, units_per_day, reserve, fast, active_hours) + BROADCASTS * channels,
        most_channels(units_per_day, reserve=reserve, viewers_seconds=fast, active_hours=active_hours),
    )  # fmt: skip


def most_channels(units_per_day: int, *, reserve: int, viewers_seconds: float, active_hours: float) -> int:
    """For how many channels the units suffice, with three looks for broadcasts a day."""
    low, high = 0, units_per_day
    while low < high:
        middle = (low + high + 1) // 2
        if _rest(middle, units_per_day, reserve, viewers_seconds, active_hours) >= BROADCASTS * middle:
            low = middle
        else:
            high = middle - 1
    return low


def live_at_once(channels: int) -> int:
    return ceil(channels * LIVE_SHARE)


def figures_every(options: Any, channels: int) -> float:
    """How often viewers and likes are asked for: as configured, or as the plan has it where that is slower."""
    planned = plan_of(options, channels).viewers_seconds
    return planned if planned > max(CONFIRM_SECONDS, options.viewers_seconds) else float(options.viewers_seconds)


def figure_calls(channels: int) -> int:
    """Calls for the figures of all that are live at once; a connection carries as many channels as one call can name live ones of."""
    return max(1, ceil(live_at_once(channels) / AT_ONCE))


def _items(channels: int, reserve: int, viewers_seconds: float, active_hours: float) -> tuple[Item, ...]:
    live, seconds = live_at_once(channels), active_hours * 3600
    calls = figure_calls(channels) if channels else 0
    return (
        Item("accounts asked again once a day, 50 a call", ceil(channels / AT_ONCE)),
        Item(f"confirming broadcasts, one call every {CONFIRM_SECONDS:g} s", round(seconds / CONFIRM_SECONDS) if channels else 0),
        Item(f"opening chats: {channels:,} × {BROADCASTS} × {CHAT}", channels * BROADCASTS * CHAT),
        Item(
            f"viewers and likes of {live:,} live at once, every {viewers_seconds:g} s", round(calls * seconds / viewers_seconds)
        ),
        Item("kept for opening all of them once more", max(reserve, live * CHAT), kept=True),
    )


def _rest(channels: int, units: int, reserve: int, viewers_seconds: float, active_hours: float) -> int:
    """What is left for looking for broadcasts."""
    return units - sum(item.units for item in _items(channels, reserve, viewers_seconds, active_hours))
