"""YouTube's quota as arithmetic: what a call costs, which day it is paid from, and whether it may be made. Pure.

10,000 units a day are granted by default, for all calls of a project together; the day is Pacific time's, with its two odd days a year
of 23 and 25 hours. Every call is charged before it is made, since rejected ones cost as well
(https://developers.google.com/youtube/v3/determine_quota_cost, checked 2026-11-20). The sum lives in a memory that all collectors share
and that adds atomically, so however many of them ask at once, no more than the day's units are ever charged; who finds the sum above
the limit after adding takes its part back and does not call.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")

COSTS = {
    "liveChat/messages/stream": 5,
    "liveChat/messages": 5,
    "videos": 1,
    "channels": 1,
    "playlistItems": 1,
}
"""Units per call; one of a method that is not here counts as the dearest."""


def cost_of(method: str) -> int:
    return COSTS.get(method, max(COSTS.values()))


def pacific_day(now: datetime) -> str:
    """The day that a call made now is paid from."""
    return now.astimezone(PACIFIC).date().isoformat()


def midnight_after(now: datetime) -> datetime:
    """When the next day's units come, in UTC."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), tzinfo=PACIFIC).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was granted, and what of it is kept back."""

    units_per_day: int
    reserve: int = 0
    """Only opening a chat may touch the last so many units: figures are worth less than words that nobody can read again."""

    def key(self, now: datetime) -> str:
        """Where the units of the day are added up."""
        return f"youtube:units:{pacific_day(now)}"

    def left(self, spent: int) -> int:
        return max(0, self.units_per_day - spent)

    def fits(self, total: int, *, essential: bool) -> bool:
        """Whether a call may be made whose cost is already in the total."""
        return total <= self.units_per_day - (0 if essential else min(self.reserve, self.units_per_day // 2))


def poll_seconds(*, wanted: float, longest: float, left: int, calls: int, seconds: float) -> float | None:
    """How often ``calls`` calls of one unit may be repeated, so that half of what is left lasts for these seconds.

    Never faster than ``wanted``. What would have to be slower than ``longest`` is not asked at all (None): a figure that old
    is no longer believed, and its units open chats instead.
    """
    if calls <= 0:
        return wanted
    if left < 2 * calls:
        return None
    lasting = seconds * calls / (left / 2)
    return max(wanted, lasting) if lasting <= longest else None
