"""One panel of the wall as an OBS browser source: without a ground, with numbers of now or none, and empty under the safe scene."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakefeed import highlights, iso, spikes
from harness import PATIENCE_SECONDS, accessibility, becomes, drawn
from playwright.async_api import expect
from walls import full, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PANELS = ("watching", "engagement", "trend", "topics", "countries", "hashtags", "voices", "spikes", "session")
NUMBERS = re.compile(r"\d")
HOSTILE = "<img src=x onerror=alert(1)> \u202eevil\u202c " + "Z" + "\u0301" * 40


async def reaches(count: Callable[[], int], enough: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while count() < enough:
            await asyncio.sleep(0.05)


def of(panel: str, query: str = "") -> str:
    return f"source.html?panel={panel}&lang=en{query}"


def stage(now: datetime, tick: int) -> dict[str, Any]:
    return full(now, tick) | {"wall": {"version": 1, "profile": "stage", "scene": "overview", "safe": {"on": False}}}


def corners(png: bytes) -> list[int]:
    """Alpha of the four corners of an RGBA picture; a little reader, because nothing here has another one."""
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (8, 6), "no alpha in this picture"
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw, stride, rows = zlib.decompress(data), 4 * width, []
    above = bytearray(stride)
    for y in range(height):
        begin = y * (stride + 1)
        kind, row = raw[begin], bytearray(raw[begin + 1 : begin + 1 + stride])
        for i in range(stride):
            left, up, over = (row[i - 4] if i >= 4 else 0), above[i], (above[i - 4] if i >= 4 else 0)
            p = left + up - over
            nearest = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - over), 2, over))[2]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
        rows.append(row)
        above = row
    return [rows[y][x + 3] for y in (0, height - 1) for x in (0, stride - 4)]


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("query", ["", "&lang=zh&theme=light&scale=1.3"])
async def test_a_panel_shows_itself_and_nothing_of_a_ground(opened: Any, panel: str, query: str) -> None:
    async with opened(stage, of(panel, query).replace("lang=en&lang", "lang"), width=640, height=360) as source:
        page = source.page
        await page.wait_for_selector(f"[data-panel={panel}][data-trust=believed]")
        await expect(page.locator("h1, article").first).to_be_visible()
        for element in ("html", "body", "main"):
            ground = await page.evaluate("(e) => getComputedStyle(document.querySelector(e)).backgroundColor", element)
            assert ground == "rgba(0, 0, 0, 0)", element
        assert corners(await page.screenshot(omit_background=True)) == [0, 0, 0, 0]
        outline = await page.evaluate("getComputedStyle(document.querySelector('h1, .message')).textShadow")
        assert "2px 0px" in outline
        assert await page.evaluate("document.documentElement.scrollWidth") <= 640
        assert await page.locator("header, [data-part=truth], [data-part=attention]").count() == 0
        # Whether a text can be read over the picture below it no program can say; the outline is there for that.
        assert [one for one in await accessibility(page) if one[0] != "color-contrast"] == []


async def test_the_numbers_are_those_of_the_feed(opened: Any) -> None:
    async with opened(stage, of("watching"), width=640, height=360) as source:
        await expect(source.part("number")).to_have_text(re.compile(r"184,\d{3}"))
        for panel, name in (("engagement", "per_minute"), ("trend", "per_minute")):
            await source.page.goto(source.feed.url + of(panel))
            await expect(source.part("number")).to_have_text(re.compile(r"\d"))
            shown = int((await text(source.part("number"))).replace(",", ""))
            assert abs(shown - source.feed.last["totals"]["engagement"][name]) < 0.1 * shown


async def test_lists_have_the_rows_that_fit_and_no_cut_one(opened: Any) -> None:
    async with opened(stage, of("topics"), width=640, height=330) as source:
        await source.page.wait_for_selector("[data-trust=believed] [data-row]")
        await drawn(source.page)
        found = await source.page.evaluate(
            """[...document.querySelectorAll("[data-row]")].map((e) => [e.getBoundingClientRect(), document.querySelector("ol").getBoundingClientRect()])
            .map(([e, o]) => [e.left < o.right, e.bottom <= o.bottom + 1])"""
        )
        inside = [whole for visible, whole in found if visible]
        assert 3 <= len(inside) < len(found)
        assert all(inside)
        await source.page.goto(source.feed.url + of("topics", "&rows=2"))
        await expect(source.page.locator("[data-row]")).to_have_count(2)
        await source.page.goto(source.feed.url + of("countries", "&rows=3"))
        await expect(source.page.locator("[data-row]")).to_have_count(3)
        await expect(source.page.locator(".foot")).to_contain_text("engagement per livestream")
        await source.page.goto(source.feed.url + of("hashtags"))
        await expect(source.page.locator("[data-row='#AiMOGA'] .figure")).to_have_text("31×")


async def test_one_message_stands_whole_and_is_gone_at_once_when_it_is_taken_back(opened: Any) -> None:
    gone: set[str] = set()

    def make(now: datetime, tick: int) -> dict[str, Any]:
        return stage(now, tick) | {"highlights": {name: one for name, one in highlights(now).items() if name not in gone}}

    async with opened(make, of("voices", "&seconds=3600"), width=900, height=300) as source:
        article = source.page.locator("article")
        await expect(article).to_have_count(1)
        assert "nobody has looked" not in await article.inner_text()
        fits = "(e) => { const m = e.querySelector('.message'); return m.scrollHeight <= m.clientHeight + 2; }"
        await becomes(lambda: article.evaluate(fits), True)
        gone.add(str(await article.get_attribute("data-voice")))
        await expect(article).to_have_count(0)


async def test_without_its_source_a_panel_is_hatched_and_has_no_number(opened: Any) -> None:
    silent: dict[str, Any] = {}

    def make(now: datetime, tick: int) -> dict[str, Any]:
        return stage(now, tick) | {"stale": {name: iso(now - timedelta(minutes=3)) for name in silent}}

    async with opened(make, of("engagement"), width=640, height=360) as source:
        page = source.page
        await page.wait_for_selector("[data-trust=believed]")
        silent |= dict.fromkeys(f"platform:{name}" for name in ("twitch", "bluesky", "youtube", "tiktok", "bilibili"))
        await page.wait_for_selector("[data-trust=stale]")
        await expect(source.part("number")).to_have_text("–")
        await expect(source.part("stale")).to_contain_text("stale since")
        assert "repeating-linear-gradient" in await source.part("stale").evaluate("(e) => getComputedStyle(e).backgroundImage")
        silent.clear()
        await page.wait_for_selector("[data-trust=believed]")
        await expect(source.part("stale")).to_have_count(0)
        silent["search:voices"] = True
        await page.goto(source.feed.url + of("voices"))
        await page.wait_for_selector("[data-trust=stale]")
        await expect(page.locator("article")).to_have_count(0)
        silent.clear()
        silent["country:ID"] = True
        await page.goto(source.feed.url + of("countries", "&rows=50"))
        await expect(page.locator("[data-row=ID] .figure")).to_have_text("–")


@pytest.mark.parametrize("panel", PANELS)
async def test_a_source_that_is_lost_has_no_number_of_before_and_comes_back(opened: Any, panel: str) -> None:
    async with opened(stage, of(panel), width=640, height=360) as source:
        await source.page.wait_for_selector("[data-trust=believed]")
        await source.feed.stop()
        await source.page.wait_for_selector("[data-trust=stale]")
        await expect(source.page.locator("[data-part=number], .figure").filter(has_text=NUMBERS)).to_have_count(0)
        await expect(source.page.locator("article, .chart")).to_have_count(0)
        await expect(source.part("stale")).to_contain_text("stale since")
        await source.feed.start()
        await source.page.wait_for_selector("[data-trust=believed]")


async def test_under_the_safe_scene_it_is_empty_also_after_a_reload_and_while_lost(opened: Any) -> None:
    safe = {"on": False}

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = stage(now, tick)
        state["wall"]["safe"] = dict(safe)
        return state

    async with opened(make, of("voices"), width=640, height=360) as source:
        page = source.page
        tries: list[str] = []
        page.on("websocket", lambda socket: tries.append(socket.url))
        await page.wait_for_selector("[data-trust=believed]")
        safe["on"] = True
        await expect(page.locator("main")).to_have_count(0)
        assert await page.inner_text("body") == ""
        tries.clear()
        await source.feed.stop()
        await reaches(lambda: len(tries), 3)  # one a second: by the third it has long known that it is alone
        assert await page.inner_text("body") == ""
        await source.feed.start()
        connections, tick = source.feed.connections, source.feed.tick
        await page.reload()
        await reaches(lambda: source.feed.connections, connections + 1)
        await reaches(lambda: source.feed.tick, tick + 4)
        await drawn(page)
        assert await page.inner_text("body") == ""
        safe["on"] = False
        await page.wait_for_selector("[data-trust=believed]")


async def test_it_asks_for_what_a_stage_may_see_and_loads_again_with_another_build(opened: Any) -> None:
    build = ["a"]

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = stage(now, tick)
        state["wall"]["build"] = build[0]
        return state

    async with opened(make, of("session"), width=640, height=360) as source:
        sockets: list[str] = []
        source.page.on("websocket", lambda socket: sockets.append(socket.url))
        await source.page.reload()
        await source.page.wait_for_selector("[data-trust=believed]")
        assert {url.partition("?")[2] for url in sockets} == {"profile=stage"}
        await expect(source.part("number")).to_contain_text("left")
        async with source.page.expect_navigation():
            build[0] = "b"
        await source.page.wait_for_selector("[data-trust=believed]")


async def test_words_of_strangers_stay_words(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = stage(now, tick)
        state["highlights"] = {"v1": highlights(now)["v1"] | {"text": HOSTILE, "name": HOSTILE}}
        state["trending"] = {HOSTILE: {"count": 900, "factor": 4.0}}
        state["topics"]["robots"]["name"] = {"en": HOSTILE}
        state["spikes"] = {"s1": spikes(now)["s1"] | {"dimension": HOSTILE, "value": HOSTILE}}
        state["session"]["now"]["robot-night"]["name"] = {"en": HOSTILE}
        return state

    async with opened(make, of("voices"), width=900, height=360) as source:
        for panel in ("voices", "hashtags", "topics", "spikes", "session"):
            await source.page.goto(source.feed.url + of(panel, "&rows=50"))
            await source.page.wait_for_selector("[data-trust=believed]")
            await expect(source.page.locator("body")).to_contain_text("<img src=x onerror=alert(1)>")
            assert await source.page.locator("img").count() == 0
            assert "\u202e" not in await source.page.inner_text("body")
            assert await source.page.evaluate("document.documentElement.scrollWidth") <= 900
        await source.page.goto(source.feed.url + "source.html?lang=en&panel=" + "%3Cimg%20src%3Dx%3E")
        await expect(source.page.locator("main")).to_contain_text("There is no panel “<img src=x>”.")


@pytest.mark.parametrize(
    ("query", "sentence"), [("?lang=en", "names no panel"), ("?panel=clock&lang=zh", "没有名为“clock”的面板")]
)
async def test_an_unknown_panel_is_answered_with_those_that_there_are(opened: Any, query: str, sentence: str) -> None:
    async with opened(stage, f"source.html{query}", width=640, height=360) as source:
        await expect(source.page.locator("main")).to_contain_text(sentence)
        for panel in PANELS:
            await expect(source.page.locator("main")).to_contain_text(panel)


async def test_a_rehearsal_is_marked_here_too(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = stage(now, tick)
        state["event"]["rehearsal"] = True
        return state

    async with opened(make, of("watching"), width=640, height=360) as source:
        await expect(source.page.get_by_role("note")).to_have_text("Rehearsal: none of this is real")
