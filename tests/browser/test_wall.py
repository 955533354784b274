"""The built wall in a real browser, against a feed on a real socket: what is shown, what it says when it may not be believed,
and that every text can be read. The server sends the product's own headers; a single report of its content security policy fails the test.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakefeed import empty_state, full_state, iso, rate
from harness import PATIENCE_SECONDS, accessibility, becomes, until
from playwright.async_api import expect
from walls import full, steady, text

if TYPE_CHECKING:
    from datetime import datetime

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize(
    ("query", "viewers", "simulated"),
    [
        ("", True, False),
        ("", False, True),
        ("#/?theme=light", True, True),
        ("?lang=zh", True, False),
        ("?lang=zh", False, True),
        ("?lang=zh&theme=light", False, False),
    ],
)
async def test_every_text_can_be_read(opened: Any, query: str, viewers: bool, simulated: bool) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, viewers=viewers, tick=tick)
        state["event"]["simulated"] = simulated
        return state

    async with opened(make, query) as wall:
        await wall.truth("live")
        assert await wall.walk() > 100


async def test_four_thousand_pixels_are_the_same_picture(opened: Any) -> None:
    async with opened(steady, width=3840, height=2160) as wall:
        await wall.truth("live")
        assert await wall.walk(40) > 100


async def test_on_a_phone_it_is_one_column(opened: Any) -> None:
    async with opened(full, width=360, height=780) as wall:
        await wall.truth("live")
        found = await wall.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert found[0] == found[1]
        small = await wall.page.evaluate(
            "[...document.querySelectorAll('p,span,h1,h2,b,bdi')].filter((e) => e.offsetParent && parseFloat(getComputedStyle(e).fontSize) < 16)"
            ".map((e) => e.textContent)"
        )
        assert small == []


async def test_the_numbers_are_those_of_the_feed(opened: Any) -> None:
    async with opened(steady) as wall:
        await wall.truth("live")
        state = wall.feed.last
        totals = state["totals"]["engagement"]
        await expect(wall.part("hero")).to_have_text(f"{round(totals['per_minute']):,}")
        await becomes(lambda: text(wall.part("total-engagement")), f"{totals['total'] / 1e6:.2f} M engagement, event")
        await becomes(lambda: text(wall.part("total-live")), "1,084 livestreams live")
        assert "Watching now –" in await text(wall.part("viewers"))
        rated = sorted(state["topics"].values(), key=lambda topic: -topic["engagement"]["per_minute"])
        await expect(wall.part("topics").locator("li .name")).to_have_text([topic["name"]["en"] for topic in rated[:6]])

        async def missing() -> list[str]:
            bar = await text(wall.part("truth"))
            words = (
                "live, as of",
                "0.6 s event to wall, p95",
                "1,043 collected",
                "1,084 known live",
                "512 late",
                "1,204 duplicates",
            )
            return [word for word in words if word not in bar]

        await becomes(missing, [])  # a machine that is too busy for the feed makes a wall that says so, for a moment
        tiles = await wall.page.locator("[data-part=world] .tile").evaluate_all("(all) => all.map((e) => e.dataset.code)")
        drawn = {code for code, m in state["countries"].items() if code not in {"ZZ", "AX", "GI"}}
        assert set(tiles) == drawn
        share = state["countries"]["ZZ"]["engagement"]["per_minute"] / totals["per_minute"]
        await expect(wall.part("zz")).to_contain_text(f"{share:.1%}"[:-1])


async def test_viewers_that_became_unknown_are_a_dash_and_not_the_old_number(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        if tick > 2:
            del state["totals"]["viewers"]["now"]
        return state

    async with opened(make) as wall:
        await expect(wall.part("hero")).to_have_text("–")
        await expect(wall.page.locator("main h2").first).to_contain_text("Watching now")
        await expect(wall.part("viewers")).to_contain_text("Peak 231,904")


async def test_before_the_first_livestream_it_waits_and_then_begins(opened: Any) -> None:
    begun = False

    def make(now: datetime, tick: int) -> dict[str, Any]:
        return full_state(now, tick=tick) if begun else empty_state(now)

    for query in ("?lang=zh", ""):
        begun = False
        async with opened(make, query) as wall:
            await wall.truth("waiting")
            assert await wall.walk() > 40
            words = "等待第一场直播" if query else "Waiting for the first livestream"
            await expect(wall.part("empty").locator(".hero")).to_have_text(words)
            await expect(wall.part("empty")).to_contain_text("1,127")
            begun = True
            await wall.truth("live")


@pytest.mark.parametrize("query", ["", "?lang=zh"])
async def test_while_waiting_it_says_how_many_cannot_be_read(opened: Any, query: str) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = empty_state(now)
        state["livestreams"] |= {"broken": 1100, "refused": 30, "throttled": 4}
        return state

    async with opened(make, query) as wall:
        await wall.truth("waiting")
        await expect(wall.part("empty")).to_contain_text("1,134")
        await wall.walk()


@pytest.mark.parametrize("query", ["", "?lang=zh&theme=light"])
async def test_a_lost_connection_is_said_and_mends_itself(opened: Any, query: str) -> None:
    async with opened(full, query) as wall:
        await wall.truth("live")
        await wall.feed.stop()
        await wall.truth("lost")
        clock = await wall.part("clock").inner_text()
        await until(wall.page, "(old) => document.querySelector('[data-part=clock]').innerText !== old", clock)
        await expect(wall.page.locator("[role=alert]")).to_contain_text(re.compile("(lost for|中断) ?([3-9]|[1-9][0-9])"))
        assert await wall.walk() > 100
        await expect(wall.page.locator("main")).to_have_css("filter", "grayscale(1)")
        await expect(wall.part("latency")).to_have_text("–")
        await expect(wall.part("as-of")).to_have_css("color", "rgb(138, 83, 0)" if query else "rgb(255, 184, 56)")
        await wall.feed.start()
        await wall.truth("live")
        await expect(wall.page.locator("[role=alert]")).to_have_count(0)


async def test_sockets_that_stay_open_and_silent_are_lost_too(opened: Any) -> None:
    async with opened(full) as wall:
        await wall.truth("live")
        wall.feed.mute = True
        await wall.truth("lost")
        wall.feed.mute = False
        await wall.truth("live")


async def test_a_feed_that_never_spoke_is_said(opened: Any) -> None:
    async with opened(full, mute=True) as wall:
        await wall.truth("lost")
        await expect(wall.page.locator("[role=alert]")).to_contain_text("Nothing received yet")
        await wall.walk()


async def test_a_missed_frame_is_noticed_by_its_number(opened: Any) -> None:
    async with opened(full) as wall:
        await wall.truth("live")
        before = wall.feed.connections
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wall.feed.connections == before:
                wall.feed.skip_next = True
                for _ in range(20):  # a second, then another one is lost: the page may have been about to connect again anyway
                    await asyncio.sleep(0.05)
        await wall.truth("live")


async def test_old_frames_are_called_behind(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["health"]["as_of"] = iso(now - timedelta(seconds=8))
        state["health"]["event_to_wall_ms"]["p95"] = 8400
        return state

    async with opened(make) as wall:
        await wall.truth("behind")
        await expect(wall.part("truth")).to_contain_text(re.compile(r"behind by ([89]|[1-9]\d)"))
        await expect(wall.part("latency").locator("svg")).to_have_count(1)


async def test_hostile_names_stay_text_and_in_their_place(opened: Any) -> None:
    bad = "<img src=x onerror=alert(1)>\u202egnp.exe \u0645\u0631\u062d\u0628\u0627 Z" + "\u0335" * 60 + "W" * 200

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["event"]["name"] = bad
        state["topics"]["robots"]["name"] = {"en": bad, "zh": bad}
        state["topics"]["</style><script>alert(1)</script>"] = {"name": {}, "engagement": rate(9e6, 9e5)}
        state["platforms"]["__proto__ " + bad] = {"engagement": rate(10, 1), "in_totals": True}
        for session in state["sessions"].values():
            session["name"] = {"*": bad}
        return state

    async with opened(make) as wall:
        dialogs: list[str] = []
        wall.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await wall.truth("live")
        assert await wall.page.locator("img, script:not([src])").count() == 0
        assert dialogs == []
        assert await wall.page.evaluate("document.documentElement.scrollWidth") == 1920
        assert "\u202e" not in await wall.page.content()
        first = wall.part("topics").locator("li .name").first
        await expect(first).to_have_text("</style><script>alert(1)</script>")
        clock = await wall.part("clock").bounding_box()
        assert clock is not None
        assert clock["x"] + clock["width"] <= 1920


async def test_few_livestreams_of_unknown_country_make_a_calm_wall(opened: Any) -> None:
    """`monitor run --watch`: no schedule, no roster, minutes of history."""

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, viewers=False)
        measures = {"comments": rate(812, 41), "engagement": rate(812, 41)}
        for key in ("day_number", "days"):
            del state["event"][key]
        state |= {"session": {}, "sessions": {}, "topics": {}, "cross": {}, "totals": measures}
        state["countries"] = {"ZZ": measures | {"livestreams": 2}}
        state["platforms"] = {"twitch": {"engagement": rate(812, 41), "in_totals": True}}
        state["history"]["engagement"] = [-1] * 55 + [12, 30, 44, 38, 41]
        return state

    async with opened(make) as wall:
        await wall.truth("live")
        await wall.walk()
        await expect(wall.part("zz")).to_contain_text("100")
        await expect(wall.page.locator(".gap")).to_have_count(0)
        await expect(wall.page.locator("main")).to_contain_text("Last 10 min")


@pytest.mark.parametrize("query", ["", "?lang=zh&theme=light"])
async def test_no_accessibility_violations(opened: Any, query: str) -> None:
    async with opened(steady, query) as wall:  # axe looks for seconds, at nothing that moves
        await wall.truth("live")
        assert await accessibility(wall.page) == []
