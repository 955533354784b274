"""The producer's phone beside a wall on stage, both in a real browser, on the product's own server with a real Valkey between them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from harness import WALL_SCREEN, accessibility, drawn, until, walked
from house import CONFIG, House, Visited, emptied, tonight, visited
from playwright.async_api import Page, expect

from monitor.access import new_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

    from monitor.access import Token
    from monitor.config import Config

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

LEAD, LEAD_TOKEN = new_token("lead", "Ana", raw=b"l" * 32, id_="1" * 8, made="")


@pytest.fixture
def opened(browser: Browser, wall: Path, valkey: str) -> Any:
    @asynccontextmanager
    async def made(config: Config = CONFIG) -> AsyncIterator[Visited]:
        async with emptied(valkey) as client:
            house = House(wall, client, tonight(config))
            house.count(100)
            async with visited(house, browser, house.run()) as pages:
                yield Visited(house, pages)

    return made


def scene(page: Page, name: str) -> Any:
    return page.wait_for_selector(f".wall[data-scene={name}]", state="attached")


async def test_a_touch_is_answered_before_the_server_and_confirmed_by_the_wall(opened: Any) -> None:
    async with opened() as all_:
        stage, phone = await all_.stage(), await all_.phone()
        let_go = asyncio.Event()

        async def hold(route: Any) -> None:
            if '"seen"' not in (route.request.post_data or ""):
                await let_go.wait()
            await route.continue_()

        await phone.route("**/api/wall", hold)
        key = phone.locator("[data-key='scene:topics']")
        await phone.evaluate(  # the confirmation stands for a second and a half, whether or not somebody looks
            """() => { const key = document.querySelector("[data-key='scene:topics']"); window.told = [];
            new MutationObserver(() => window.told.push(key.innerText)).observe(key, { subtree: true, childList: true, characterData: true }); }"""
        )
        await key.click()
        await expect(key).to_contain_text("sent")
        let_go.set()
        await until(phone, "() => window.told.some((words) => words.includes('on the wall'))")
        await scene(stage, "topics")
        await expect(key).to_have_attribute("aria-pressed", "true")
        await expect(phone.locator("[data-part=now]")).to_contain_text("Topics and brands")
        await expect(phone.locator("[data-part=now]")).to_contain_text("rotation follows Robot night")


async def test_safe_is_one_touch_and_leaving_it_asks(opened: Any) -> None:
    async with opened() as all_:
        stage, room, phone = await all_.stage(), await all_.stage("?lang=en"), await all_.phone()
        await phone.click("[data-key=safe]")
        await scene(stage, "safe")
        await expect(stage.locator("[data-part=safe] h1")).to_have_text("Summit")
        await expect(room.locator(".wall")).to_have_attribute("data-scene", "overview")
        for key in ("Escape", "Enter", "1", "ArrowRight", " ", "s", "Escape"):
            await stage.keyboard.press(key)
        await stage.keyboard.press("Enter")  # ends what the keys above put up, and nothing else
        assert await stage.get_attribute(".wall", "data-scene") == "safe"
        await phone.click("[data-key=leave]")
        await phone.keyboard.press("Escape")
        assert await stage.get_attribute(".wall", "data-scene") == "safe"
        await phone.click("[data-key=leave]")
        await phone.click("[data-key=confirm]")
        await scene(stage, "overview")


async def test_the_safe_scene_needs_no_network_and_outlives_a_reload(opened: Any) -> None:
    async with opened() as all_:
        stage, phone = await all_.stage(), await all_.phone()
        await phone.click("[data-key=safe]")
        await scene(stage, "safe")
        await all_.house.stop()
        await phone.wait_for_selector("main.lost")
        await stage.wait_for_selector(".wall[data-truth=lost]", state="attached")
        assert await stage.get_attribute(".wall", "data-scene") == "safe"
        await expect(stage.locator("[data-part=safe] h1")).to_be_visible()
        await all_.house.start()
        await stage.route("**/feed*", lambda route: route.abort())
        await stage.reload()
        await scene(stage, "safe")


async def test_a_phone_that_cannot_reach_the_monitor_says_so_and_puts_up_safe_as_soon_as_it_can(opened: Any) -> None:
    async with opened() as all_:
        stage, phone = await all_.stage(), await all_.phone()
        await all_.house.stop()
        await expect(phone.get_by_role("alert")).to_contain_text("nothing you touch reaches the wall")
        await phone.click("[data-key=safe]")
        await all_.house.start()
        await scene(stage, "safe")
        await phone.wait_for_selector("[data-key=leave]")


async def test_a_topic_under_embargo_leaves_the_stage_and_says_on_the_phone_until_when(opened: Any) -> None:
    async with opened() as all_:
        stage, room, phone = await all_.stage(), await all_.stage("?follow&lang=en"), await all_.phone()
        await phone.click("[data-key='scene:topics']")
        await scene(stage, "topics")
        await scene(room, "topics")
        await expect(stage.locator("main")).to_contain_text("Robots")
        await phone.click("[data-key=embargoes]")
        await phone.click("[data-key='topic:robots']")
        await expect(stage.locator("main")).not_to_contain_text("Robots")
        await expect(stage.locator("main")).to_contain_text("Hybrid")
        assert "obots" not in (await stage.inner_text("body")).replace("Robot night", "")
        await expect(room.locator("main")).to_contain_text("hidden until")
        await expect(room.locator("[data-part=place]")).to_contain_text("1 hidden until")
        await drawn(room)
        await walked(room)
        await expect(phone.locator("dialog[open]")).to_contain_text("hidden until")
        await expect(phone.locator("[data-key=embargoes]")).to_contain_text("1 topic until")


async def test_frozen_numbers_stand_on_stage_in_blue_and_go_on_in_the_room(opened: Any) -> None:
    async with opened() as all_:
        stage, room, phone = await all_.stage(), await all_.stage("?lang=en"), await all_.phone()
        await phone.click("[data-key=freeze]")
        await stage.wait_for_selector(".wall[data-truth=frozen]")
        as_of = stage.locator("[data-part=as-of]")
        await expect(as_of).to_contain_text("Frozen at ")
        blue = await stage.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--blue')")
        await expect(as_of).to_have_css("color", "rgb({}, {}, {})".format(*bytes.fromhex(blue.strip().lstrip("#"))))
        await expect(room.locator("[data-part=place]")).to_contain_text("stage frozen at")
        await expect(room.locator("[data-part=profile]")).to_have_text("Back room")
        await expect(stage.locator("[data-part=profile]")).to_have_text("Stage")
        before = await stage.locator("main").inner_text()
        assert "100" in before
        all_.house.count(4567)
        await expect(room.locator("main")).to_contain_text("4,667")
        assert await stage.locator("main").inner_text() == before
        await phone.click("[data-key=freeze]")
        await expect(stage.locator("main")).to_contain_text("4,667")


async def test_a_pinned_country_stands_out_on_stage(opened: Any) -> None:
    async with opened() as all_:
        stage, phone = await all_.stage(), await all_.phone()
        await phone.click("[data-key='scene:countries']")
        await scene(stage, "countries")
        await phone.click("[data-key=pins]")
        await phone.select_option("#country", "BR")
        await phone.click("[data-key=pin-country]")
        await stage.wait_for_selector("[data-pinned=BR]")
        await expect(phone.locator("[data-key=pins]")).to_contain_text("Brazil")
        await phone.get_by_role("button", name="Unpin Brazil").click()
        await expect(stage.locator("[data-pinned]")).to_have_count(0)


@pytest.mark.parametrize("query", ["?profile=stage&lang=en", "?profile=stage&lang=zh&theme=light", "?lang=en", "?lang=zh"])
async def test_with_a_producer_every_text_of_the_wall_can_still_be_read(opened: Any, query: str) -> None:
    async with opened(replace(CONFIG, rehearsal=True)) as all_:
        stage = await all_.stage(query)
        phone = await all_.phone()
        for command in ("freeze", "scene:topics"):
            await phone.click(f"[data-key='{command}']")
        await expect(stage.locator("[data-part=truth]")).to_contain_text("冻结" if "zh" in query else "rozen")
        await drawn(stage)
        await walked(stage)
        words = "演练" if "zh" in query else "Rehearsal: none of this is real"
        await expect(stage.locator(".picture .rehearsal")).to_contain_text(words)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (1280, 800)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_target_is_large_enough_for_a_thumb(opened: Any, width: int, height: int, language: str) -> None:
    async with opened() as all_:
        phone = await all_.phone(f"?lang={language}", {"width": width, "height": height})
        await drawn(phone)
        assert await phone.evaluate("document.documentElement.scrollWidth") == width
        small = """() => [...document.querySelectorAll("main button, dialog[open] button, dialog[open] select, dialog[open] label.choice")]
            .map((e) => [e.innerText, e.getBoundingClientRect()]).filter(([, r]) => r.height < 56 || r.width < 56).map(([t]) => t)"""
        letters = """() => [...document.querySelectorAll("body *")].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
            && parseFloat(getComputedStyle(e).fontSize) < 16).map((e) => e.textContent)"""
        safe = await phone.locator("[data-key=safe]").bounding_box()
        assert safe is not None
        assert (safe["height"], round(safe["y"] + safe["height"]) <= height) == (78, True)
        for sheet in (None, "pins", "embargoes", "waiting", "log"):
            if sheet is not None:
                await phone.click(f"[data-key={sheet}]")
                await phone.wait_for_selector("dialog[open] [data-key=safe-here]")
                await drawn(phone)
            assert await phone.evaluate(small) == []
            assert await phone.evaluate(letters) == []
            if sheet is not None:
                box = await phone.locator("dialog[open] [data-key=safe-here]").bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= height
                await phone.keyboard.press("Escape")
                await expect(phone.locator("dialog[open]")).to_have_count(0)


@pytest.mark.parametrize("query", ["?lang=en", "?lang=zh&theme=light"])
async def test_the_phone_has_no_accessibility_violations_and_needs_no_mouse(opened: Any, query: str) -> None:
    async with opened() as all_:
        phone = await all_.phone(query)
        for sheet in (None, "pins", "embargoes", "waiting", "log"):
            if sheet is not None:
                await phone.locator(f"[data-key={sheet}]").focus()
                await phone.keyboard.press("Enter")
                await phone.wait_for_selector("dialog[open]")
            assert await accessibility(phone) == []
            if sheet is not None:
                await phone.keyboard.press("Escape")
                await expect(phone.locator("dialog[open]")).to_have_count(0)
        await phone.locator("[data-key=log]").focus()
        await phone.keyboard.press("Tab")
        await phone.keyboard.press("Enter")
        await phone.wait_for_selector("[data-key=leave]")
        assert await accessibility(phone) == []


async def test_a_token_lets_a_phone_in_and_its_end_shows_the_form_again(opened: Any) -> None:
    async with opened() as all_:
        all_.house.tokens.append(LEAD_TOKEN)
        phone = await all_.page("remote?lang=zh")
        assert await accessibility(phone) == []
        await phone.fill("#token", LEAD)
        await phone.keyboard.press("Enter")
        await phone.wait_for_selector("[data-key='scene:overview'][aria-pressed=true]")
        assert LEAD not in phone.url
        assert await phone.evaluate("document.cookie") == ""
        other = await all_.page(f"?token={LEAD}&lang=en", WALL_SCREEN)
        await other.wait_for_selector(".wall[data-truth=live]")
        await expect(other).to_have_url(f"{all_.house.url}?lang=en")
        assert LEAD not in json.dumps(await other.evaluate("[document.referrer, history.length, location.href]"))
        all_.house.tokens.clear()
        all_.house.tokens.append(replace_token())
        await all_.house.guard.sweep()
        await phone.wait_for_selector("#token")
        await other.wait_for_selector("#token")


def replace_token() -> Token:
    return new_token("lead", "Li", raw=b"m" * 32, id_="2" * 8, made="")[1]
