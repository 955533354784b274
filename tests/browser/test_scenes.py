"""The scenes of the wall in a real browser: their addresses and keys, the safe scene, and that every text of each can be read in
both languages, both themes and at 4K, with no report of the content security policy and no violation of axe.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from fakefeed import empty_state, full_state, rate
from playwright.async_api import expect
from test_wall import WALL, browser, dist, opened, steady, text

__all__ = ["browser", "dist", "opened"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SCENES = ["overview", "countries", "topics", "moves", "sessions", "voices", "livestreams", "spikes"]
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe \u0645\u0631\u062d\u0628\u0627 Z" + "\u0335" * 60 + "W" * 200


async def shown(wall: Any, scene: str) -> None:
    await wall.page.wait_for_selector(f".wall[data-scene={scene}]")
    await wall.truth("live")


@pytest.mark.parametrize("scene", SCENES[1:])
@pytest.mark.parametrize(
    ("query", "size", "simulated"),
    [("lang=en", 1920, False), ("lang=zh", 1920, True), ("lang=zh&theme=light", 3840, False)],
)
async def test_every_text_of_every_scene_can_be_read(opened: Any, scene: str, query: str, size: int, simulated: bool) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["event"]["simulated"] = simulated
        return state

    async with opened(make, f"#/{scene}?{query}", width=size, height=size * 9 // 16) as wall:
        await shown(wall, scene)
        assert await wall.walk(size / 96) > 40


@pytest.mark.parametrize("scene", [*SCENES, "safe"])
async def test_no_scene_has_an_accessibility_violation(opened: Any, scene: str) -> None:
    axe = (WALL / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    async with opened(steady, f"#/{scene}") as wall:
        await shown(wall, scene)
        for theme in ("dark", "light"):
            await wall.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            await wall.page.evaluate(axe)
            found = await wall.page.evaluate(
                "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 5)]))"
            )
            assert found == [], theme


@pytest.mark.parametrize("scene", SCENES)
async def test_hostile_names_stay_text_on_every_scene(opened: Any, scene: str) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["event"]["name"] = HOSTILE
        for topic in state["topics"].values():
            topic["name"] = {"en": HOSTILE, "zh": HOSTILE}
        for session in state["sessions"].values():
            session["name"] = {"*": HOSTILE}
        state["countries"]["<b>"] = {"engagement": rate(9e6, 9e5), "livestreams": 9}
        return state

    async with opened(make, f"#/{scene}") as wall:
        dialogs: list[str] = []
        wall.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await shown(wall, scene)
        assert await wall.page.locator("img, script:not([src]), main b b").count() == 0
        assert dialogs == []
        assert await wall.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
            1920,
            1080,
        ]
        assert "\u202e" not in await wall.page.content()


@pytest.mark.parametrize("scene", SCENES[1:])
async def test_on_a_phone_every_scene_is_one_column(opened: Any, scene: str) -> None:
    async with opened(steady, f"#/{scene}", width=360, height=780) as wall:
        await shown(wall, scene)
        found = await wall.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert found[0] == found[1]


async def test_keys_change_the_scene_its_title_and_the_address(opened: Any) -> None:
    async with opened(steady, "?lang=en#/?theme=light") as wall:
        await shown(wall, "overview")
        await wall.page.keyboard.press("2")
        await shown(wall, "countries")
        await expect(wall.page.locator("header h1")).to_have_text("Countries and regions")
        await expect(wall.part("place")).to_contain_text("2 / 8")
        assert wall.page.url.endswith("?lang=en#/countries?theme=light")
        assert await wall.page.evaluate("document.documentElement.dataset.theme") == "light"
        await wall.page.keyboard.press("ArrowLeft")
        await shown(wall, "overview")
        await wall.page.evaluate("location.hash = '#/countries'")
        await shown(wall, "countries")


async def test_rotation_turns_by_itself_and_space_holds_it(opened: Any) -> None:
    async with opened(steady, "?rotate=5") as wall:
        await shown(wall, "overview")
        await expect(wall.part("place")).to_contain_text("every 5")
        await wall.page.wait_for_selector(".wall[data-scene=countries]", timeout=15_000)
        await wall.page.keyboard.press("Space")
        await expect(wall.part("place")).to_contain_text("paused")


async def test_the_measure_of_the_countries_is_one_key_away(opened: Any) -> None:
    async with opened(steady, "#/countries") as wall:
        await shown(wall, "countries")
        state = wall.feed.last

        def best(value: Any) -> list[int]:
            found = sorted((value(m) for c, m in state["countries"].items() if c != "ZZ" and m["livestreams"] >= 3), reverse=True)
            return [round(n) for n in found[:3]]

        async def top() -> list[int]:
            return [int(n.replace(",", "")) for n in (await wall.part("ranking").locator(".value").all_inner_texts())[:3]]

        assert await top() == best(lambda m: m["engagement"]["per_minute"] / m["livestreams"])
        await wall.page.keyboard.press("m")
        await expect(wall.page.locator("main h2").first).to_contain_text("Engagement per minute")
        assert await top() == best(lambda m: m["engagement"]["per_minute"])
        await expect(wall.page.locator("main")).to_contain_text("No approved map loaded")
        tiles = await wall.page.locator("[data-part=world] .tile").count()
        assert tiles == len(state["countries"]) - 3  # ZZ, AX and GI are not on the grid


async def test_shares_of_voice_are_of_the_groups_own_brands_and_say_so(opened: Any) -> None:
    async with opened(steady, "#/topics") as wall:
        await shown(wall, "topics")
        said = await text(wall.part("voice"))
        assert "among the group’s own six brands · not the market · last 56 min" in said
        hour = {name: sum(n for n in minutes if n >= 0) for name, minutes in wall.feed.last["history"]["topics"].items()}
        brands = [name for name, topic in wall.feed.last["topics"].items() if topic["group"] == "brand"]
        shares = [hour[name] / sum(hour[name] for name in brands) for name in brands]
        found = await wall.part("voice").locator(".share").all_inner_texts()
        assert [re.sub(r"\s", "", share) for share in found] == [f"{100 * share:.1f}%" for share in shares]
        assert await wall.part("topics").locator("li").count() == 8
        assert "CHERY" not in await text(wall.part("topics"))


async def test_without_brands_the_topics_have_the_scene_for_themselves(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["topics"] = {name: topic for name, topic in state["topics"].items() if topic["group"] != "brand"}
        return state

    async with opened(make, "#/topics") as wall:
        await shown(wall, "topics")
        assert await wall.part("voice").count() == 0
        await wall.walk()


async def test_what_moves_whom_is_lift_over_the_world(opened: Any) -> None:
    async with opened(steady, "#/moves") as wall:
        await shown(wall, "moves")
        pairs = wall.feed.last["cross"]["country_topic"]
        everything = sum(cell["hour"] for row in pairs.values() for cell in row.values())

        def lift(country: str, topic: str) -> float:
            here, world = sum(c["hour"] for c in pairs[country].values()), sum(row[topic]["hour"] for row in pairs.values())
            return float(pairs[country][topic]["hour"] / here / (world / everything))

        volume = {country: sum(c["hour"] for c in row.values()) for country, row in pairs.items() if country != "ZZ"}
        topics = {topic: sum(row[topic]["hour"] for row in pairs.values()) for topic in next(iter(pairs.values()))}
        rows = sorted(volume, key=lambda country: -volume[country])[:14]
        columns = sorted(topics, key=lambda topic: -topics[topic])[:10]
        best = max(lift(country, topic) for country in rows for topic in columns)
        await expect(wall.part("strongest").locator("b").first).to_have_text(f"{best:.1f}×")
        cells = await wall.part("heat").locator("span.cell").all_inner_texts()
        assert cells == [f"{n:.1f}×" if (n := lift(c, t)) >= 1.5 else "" for c in rows for t in columns]


async def test_sessions_stand_side_by_side_and_those_to_come_count_down(opened: Any) -> None:
    async with opened(steady, "#/sessions") as wall:
        await shown(wall, "sessions")
        cards = wall.part("sessions").locator("li")
        assert await cards.count() == 8
        assert await cards.evaluate_all("(all) => all.map((e) => e.classList[0])") == ["past"] * 5 + ["now"] + ["later"] * 2
        now = await text(cards.nth(5))
        total = wall.feed.last["sessions"]["robot-night"]["engagement"]["total"] / 1e6
        assert re.match(r"Robot night now Today \d\d:\d\d " + re.escape(f"{total:.2f}"), now)
        assert re.match(r"Co-creation awards Today \d\d:\d\d 4[012]:\d\d until it starts", await text(cards.nth(6)))
        await wall.page.wait_for_function(
            "(old) => document.querySelectorAll('.countdown')[0].innerText !== old",
            arg=await cards.nth(6).locator(".countdown").inner_text(),
        )
        assert await wall.part("sessions").locator(".gap").count() == 1


async def test_sessions_are_shown_before_the_first_livestream(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        return empty_state(now)

    async with opened(make, "#/sessions") as wall:
        await wall.truth("waiting")
        assert "until it starts" in await text(wall.part("sessions"))
        await wall.walk()


async def test_livestreams_are_counted_by_state_and_the_counts_add_up(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.wait_for_selector("canvas")
        cells = wall.feed.cells(datetime.now(UTC))["livestreams"].values()
        wanted = Counter(cell["state"] for cell in cells)
        for state in ("live", "quiet", "throttled", "refused", "broken", "ended"):
            await expect(wall.part(f"count-{state}").locator(".count")).to_have_text(f"{wanted[state]:,}")
        assert sum(wanted.values()) == 1200
        await expect(wall.part("count-broken")).to_contain_text("most in China: 7")


async def test_arrows_choose_a_livestream_and_enter_opens_it_without_an_opener(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.wait_for_selector("canvas")
        await wall.page.evaluate("window.asked = []; window.open = (...how) => void window.asked.push(how); 0")
        for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
            await wall.page.keyboard.press(key)
        await expect(wall.part("chosen")).to_contain_text("sample_br_")
        link = wall.part("chosen").get_by_role("link")
        assert await link.get_attribute("rel") == "noopener noreferrer"
        address = await link.get_attribute("href")
        await wall.page.keyboard.press("Enter")
        assert await wall.page.evaluate("window.asked") == [[address, "_blank", "noopener,noreferrer"]]
        await wall.walk()
        await wall.page.keyboard.press("Escape")
        await expect(wall.part("chosen")).to_contain_text("choose a livestream")
        await wall.page.keyboard.press("ArrowLeft")
        await shown(wall, "voices")


async def test_under_the_safe_scene_enter_opens_nothing(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.wait_for_selector("canvas")
        await wall.page.evaluate("window.asked = []; window.open = (...how) => void window.asked.push(how); 0")
        await wall.page.keyboard.press("ArrowDown")
        await expect(wall.part("chosen")).to_contain_text("sample_br_")
        for key in ("s", "Enter", "ArrowDown", "Escape", "Enter"):
            await wall.page.keyboard.press(key)
        assert await wall.page.evaluate("window.asked") == []
        await shown(wall, "livestreams")


async def test_cells_that_are_not_renewed_are_hatched_and_the_counts_are_those_of_the_feed(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.wait_for_selector("canvas")

        def broken(now: datetime) -> dict[str, Any]:
            raise RuntimeError

        wall.feed.cells = broken
        await expect(wall.part("livestreams").locator(".chip")).to_contain_text("Cells stale since", timeout=20_000)
        await expect(wall.part("count-live").locator(".count")).to_have_text("1,043")
        await wall.truth("live")


async def test_hostile_livestreams_stay_text(opened: Any) -> None:
    def cells(now: datetime) -> dict[str, Any]:
        one = {
            "state": "broken",
            "platform": HOSTILE,
            "handle": HOSTILE,
            "reason": HOSTILE,
            "country": HOSTILE,
            "url": "javascript:alert(1)",
        }
        return {"livestreams": {HOSTILE: one, "__proto__": one}}

    async with opened(steady, "#/livestreams") as wall:
        wall.feed.cells = cells
        await shown(wall, "livestreams")
        await wall.page.wait_for_selector("canvas")
        await expect(wall.part("count-broken").locator(".count")).not_to_have_text("7", timeout=10_000)
        await wall.page.keyboard.press("ArrowDown")
        await expect(wall.part("chosen")).to_contain_text("no address known")
        assert await wall.page.locator("img, script:not([src]), a[href^=javascript]").count() == 0
        assert await wall.page.evaluate("document.documentElement.scrollWidth") == 1920


async def test_navigation_comes_with_the_pointer_and_is_not_there_in_kiosk_mode(opened: Any) -> None:
    async with opened(steady) as wall:
        await shown(wall, "overview")
        links = wall.page.get_by_role("navigation")
        assert await links.is_hidden()
        assert await wall.page.evaluate("getComputedStyle(document.querySelector('.wall')).cursor") == "none"
        await wall.page.mouse.move(500, 500)
        await expect(links).to_be_visible()
        await wall.page.get_by_role("link", name="Countries and regions").click()
        await shown(wall, "countries")
    async with opened(steady, "?kiosk=1") as wall:
        await shown(wall, "overview")
        await wall.page.mouse.move(500, 500)
        assert await wall.page.get_by_role("navigation").count() == 0
        assert await wall.page.evaluate("getComputedStyle(document.querySelector('.wall')).cursor") == "none"


async def test_the_safe_scene_needs_no_network_and_leaves_only_by_two_acts(opened: Any) -> None:
    async with opened(steady, "#/countries") as wall:
        await shown(wall, "countries")
        await wall.feed.stop()
        await wall.truth("lost")
        await wall.page.keyboard.press("s")
        await expect(wall.part("safe")).to_be_visible()
        seen = await text(wall.page.locator("body"))
        assert re.fullmatch(r"International User Summit Robot night · until \d\d:\d\d Next: Co-creation awards, \d\d:\d\d", seen)
        for key in ("1", "Enter", "Space", "ArrowRight"):
            await wall.page.keyboard.press(key)
        await wall.page.evaluate("location.hash = '#/overview'")
        await expect(wall.part("safe")).to_be_visible()
        await wall.page.wait_for_function("location.hash === '#/safe'")
        await wall.page.keyboard.press("Escape")
        await expect(wall.part("safe").get_by_role("alert")).to_contain_text("Leave the safe scene?")
        await wall.walk()
        await wall.page.keyboard.press("Enter")
        await wall.page.wait_for_selector(".wall[data-scene=countries]")
        await expect(wall.part("safe")).to_be_hidden()


async def test_the_safe_scene_stands_where_nothing_was_ever_received(opened: Any) -> None:
    async with opened(steady, "#/safe", mute=True) as wall:
        await expect(wall.part("safe")).to_be_visible()
        await expect(wall.part("safe")).to_have_text("One moment please")


async def test_before_the_first_livestream_every_scene_waits(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        return empty_state(now)

    async with opened(make, "#/countries") as wall:
        await wall.truth("waiting")
        await expect(wall.part("empty")).to_be_visible()
        await wall.walk()
