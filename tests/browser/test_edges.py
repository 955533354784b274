"""A wall at the edges of days: the event's day begins at 04:00 of the event's zone, whatever date it is there, in UTC or on the machine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from walls import steady, text

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
    async with opened(steady, "#/sessions?lang=en", at=datetime.fromisoformat(at)) as wall:
        await wall.scene("sessions")
        sessions = wall.feed.last["sessions"].values()
        begins = {one["name"]["en"]: datetime.fromisoformat(one["start"]) for one in sessions}
        first, today = day_of(min(begins.values())), day_of(wall.feed.now())
        cards = [await text(card) for card in await wall.part("sessions").locator("li").all()]
        assert len(cards) == len(begins)
        for name, start in begins.items():
            day = "Today" if day_of(start) == today else f"Day {(day_of(start) - first).days + 1}"
            [card] = [card for card in cards if card.startswith(name)]
            assert f" {day} {start.astimezone(ZONE):%H:%M} " in f"{card} ", card
        await wall.walk()
