"""A wall whose machine slept for an hour is right again as soon as it wakes, whatever became of its connection meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakefeed import full_state
from playwright.async_api import expect

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


def hero_of(state: dict[str, Any]) -> str:
    return f"{round(state['totals']['engagement']['per_minute']):,}"


@pytest.mark.parametrize("connection", ["kept", "cut", "restarted"])
async def test_after_an_hour_asleep_the_numbers_are_those_of_now(opened: Any, connection: str) -> None:
    slept = timedelta()

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, viewers=False)
        hours = slept.total_seconds() / 3600
        state["totals"]["engagement"]["per_minute"] += round(1234 * hours)
        state["totals"]["engagement"]["total"] += round(654_321 * hours)
        return state

    async with opened(make) as wall:
        await wall.truth("live")
        await expect(wall.part("hero")).to_have_text(hero_of(wall.feed.last))
        session = await wall.page.context.new_cdp_session(wall.page)
        await session.send("Debugger.enable")
        paused = asyncio.get_running_loop().create_future()
        session.on("Debugger.paused", lambda event: paused.done() or paused.set_result(event))
        await session.send("Debugger.pause")  # nothing of the page runs from here on, and its clock goes on
        await paused
        if connection != "kept":
            await wall.feed.stop()
        slept = timedelta(hours=1)
        if connection == "kept":  # frames arrive at a page that does not run
            arrived = wall.feed.tick
            while wall.feed.tick < arrived + 4:
                await asyncio.sleep(0.05)
        if connection == "restarted":
            await wall.feed.start()
        await session.send("Debugger.resume")
        if connection == "cut":  # the network comes back after the machine
            await wall.truth("lost")
            await wall.feed.start()
        await expect(wall.part("hero")).to_have_text(hero_of(make(wall.feed.now(), 0)))
        await wall.truth("live")
