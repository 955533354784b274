"""A wall at the edges of days: the event's day begins at 04:00 of the event's zone, whatever date it is there, in UTC or on the machine."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from fakefeed import full_state, iso
from playwright.async_api import expect

if TYPE_CHECKING:
    from datetime import date

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ZONE = ZoneInfo("Asia/Shanghai")
DAY_START = timedelta(hours=4)


def day_of(at: datetime) -> date:
    return (at.astimezone(ZONE) - DAY_START).date()


@pytest.mark.parametrize(
    "at",
    [
        "2026-10-11T15:50Z",  # Robot night began on this date, the awards are on the next one: the same day of the event
        "2026-10-11T16:10Z",
        "2026-10-11T19:50Z",  # the awards are of the event's next day
        "2026-10-11T20:10Z",  # Robot night was of the day before
        "2026-10-11T23:50Z",
        "2026-10-12T00:10Z",
        "2026-12-31T20:10Z",
        "2028-02-28T20:10Z",
    ],
)
async def test_a_session_is_of_the_events_day_on_which_it_begins(opened: Any, at: str) -> None:
    moment = datetime.fromisoformat(at)

    def make(now: datetime, tick: int) -> dict[str, Any]:
        """The programme of that moment, also where the test begins in one minute and looks in the next."""
        state = full_state(moment, viewers=False)
        state["health"]["as_of"] = iso(now)
        return state

    async with opened(make, "#/sessions?lang=en", at=moment) as wall:
        await wall.scene("sessions")
        sessions = wall.feed.last["sessions"].values()
        begins = {one["name"]["en"]: datetime.fromisoformat(one["start"]) for one in sessions}
        first, today = day_of(min(begins.values())), day_of(moment)
        cards = wall.part("sessions").locator("li")
        await expect(cards).to_have_count(len(begins))
        for name, start in begins.items():
            day = "Today" if day_of(start) == today else f"Day {(day_of(start) - first).days + 1}"
            card = cards.filter(has_text=re.compile(f"^\\s*{name}"))
            await expect(card).to_contain_text(re.compile(rf"\b{day} {start.astimezone(ZONE):%H:%M}(?!\d)"))
        await wall.walk()
