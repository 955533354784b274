"""Approving messages on a phone, on the product's own server, with the keeper that shows them and a real Valkey between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakefeed import Served
from harness import PATIENCE_SECONDS, accessibility, drawn, passes
from house import emptied, visited
from playwright.async_api import Page, expect
from test_voices import CONFIG, LINES, PARTITIONS, River, message

from monitor.access import new_token
from monitor.feed import Feed
from monitor.journal import Journal
from monitor.keeper import Keeper
from monitor.stage_store import StageStore, Staging
from monitor.stopping import stopping
from monitor.voices import Voices
from monitor.web import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web
    from harness import Pages
    from playwright.async_api import Browser

    from monitor.access import Token

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TOKENS = {
    role: new_token(role, role, raw=role[0].encode() * 32, id_=f"{n:08x}", made="")
    for n, role in enumerate(("lead", "moderator"))
}
HOSTILE = "que lindo <b>robot</b><img src=x onerror=alert(1)> bailando aquí con todos"
SETTLED = 500
"""Milliseconds after which a tap is about the message that is shown."""


class Quotes(River):
    """The river of the tests of voices, with a stage."""

    def serve(self, config: Any = CONFIG, roster: Any = None) -> None:
        self.staging = Staging(StageStore(self.journal.redis), config)
        self.feed = Feed(config, roster, self.journal, wall=self.store, staging=self.staging, now_ms=lambda: self.now)
        self.voices = Voices()
        self.keeper = Keeper(self.feed, self.store, [self.voices], now_ms=lambda: self.now)

    async def run(self) -> None:
        while not stopping():  # a cancellation may get lost in redis-py
            await self.staging.look()
            await self.keep(0.1)
            await asyncio.sleep(0.1)


class Desk(Served):
    """The product's server before that river, and whoever looks."""

    def __init__(self, river: Quotes, wall: Path) -> None:
        self.river, self.wall = river, wall
        self.tokens: list[Token] = [token for _, token in TOKENS.values()]
        self.pages: Pages
        super().__init__()

    def application(self) -> web.Application:
        return make_app(self.river.feed, wall=self.wall, tokens=lambda: self.tokens)

    async def page(self, role: str, query: str = "&lang=en") -> Page:
        page = await self.pages.open(f"{self.url}remote?token={TOKENS[role][0]}{query}", locale="en", still=True)
        await page.wait_for_url(f"**/remote?{query[1:]}")
        return page

    async def moderator(self, query: str = "&lang=en") -> Page:
        page = await self.page("moderator", query)
        await page.wait_for_selector(".card .text")
        await passes(page, SETTLED)
        return page

    def state(self, voice: str) -> str | None:
        one = self.river.feed.ticker.state.get("highlights", {}).get(voice)
        return None if one is None else str(one["state"])

    async def stands(self, voice: str, state: str | None) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.state(voice) != state:
                await asyncio.sleep(0.05)


async def shown(page: Page, *, after: str = "") -> str:
    """The message that is being read; `after` another one."""
    card = await page.wait_for_selector(f".card[data-voice]:not([data-voice='{after}']) .text")
    assert card is not None
    return str(await card.evaluate("(e) => e.closest('.card').dataset.voice"))


@pytest.fixture
def opened(browser: Browser, wall: Path, valkey: str) -> Any:
    @asynccontextmanager
    async def made(*more: tuple[str, str]) -> AsyncIterator[Desk]:
        async with emptied(valkey), Journal(valkey, partitions=PARTITIONS).opened() as journal:
            await journal.prepare()
            river = Quotes(journal, replace(CONFIG))
            for name, text in more or LINES.items():
                await river.say(message(name, text, f"twitch:{name}"))
            await river.count()
            await river.moderate()
            for _ in range(4):
                await river.keep(2)
            desk = Desk(river, wall)
            async with visited(desk, browser, river.run()) as desk.pages:
                yield desk

    return made


async def test_a_moderator_is_given_the_messages_and_nothing_else(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.moderator()
        await expect(page.get_by_role("heading")).to_have_text(f"Voices waiting: {len(LINES)}")
        keys = await page.evaluate("[...document.querySelectorAll('button')].map((b) => b.dataset.key ?? b.innerText)")
        assert keys == ["undo", "reject", "approve", "Log out"]
        assert await page.locator("dialog, [data-part=now]").count() == 0


@pytest.mark.parametrize("query", ["&lang=en", "&lang=zh"])
async def test_the_sheet_can_be_used_with_a_thumb_and_read(opened: Any, query: str) -> None:
    async with opened() as all_:
        for role in ("moderator", "lead"):
            page = await all_.page(role, query)
            if role == "lead":
                await page.click("[data-key=waiting]")
            await page.wait_for_selector(".card .text")
            await drawn(page)
            assert await page.evaluate("document.documentElement.scrollWidth") == 390
            for key in ("approve", "reject", "undo"):
                box = await page.locator(f"[data-key={key}]").bounding_box()
                assert box is not None
                assert (box["height"] >= 56, box["width"] >= 56, box["y"] + box["height"] <= 844) == (True, True, True)
            size, direction = await page.evaluate(
                "(() => { const e = document.querySelector('.card .text'); return [parseFloat(getComputedStyle(e).fontSize), e.dir]; })()"
            )
            assert (size >= 24, direction) == (True, "auto")
            assert await accessibility(page) == []
            if role == "lead":
                await expect(page.locator("dialog[open] [data-key=safe-here]")).to_be_visible()


async def test_a_tap_is_sent_at_once_confirmed_by_the_feed_and_brings_the_next_message(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.moderator()
        first = await shown(page)
        let_go = asyncio.Event()

        async def hold(route: Any) -> None:
            await let_go.wait()
            await route.continue_()

        await page.route("**/api/highlights", hold)
        await page.click("[data-key=approve]")
        await expect(page.locator("[data-part=said]")).to_contain_text("Approved · sent")
        await shown(page, after=first)
        assert all_.state(first) == "waiting"
        let_go.set()
        await all_.stands(first, "approved")
        await expect(page.locator("[data-part=said]")).to_contain_text("Approved · may be shown")
        await expect(page.get_by_role("heading")).to_have_text(f"Voices waiting: {len(LINES) - 1}")


async def test_a_second_tap_at_once_is_not_about_a_message_that_nobody_has_read(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.moderator()
        first = await shown(page)
        await page.evaluate(
            "(() => { const b = document.querySelector('[data-key=approve]'); b.click(); b.click(); b.click(); })()"
        )
        await all_.stands(first, "approved")
        await expect(page.get_by_role("heading")).to_have_text(f"Voices waiting: {len(LINES) - 1}")


async def test_keys_approve_reject_and_take_back(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.moderator()
        first = await shown(page)
        await page.keyboard.press("r")
        await all_.stands(first, None)
        await expect(page.locator("[data-part=said]")).to_contain_text("Rejected · will not be shown")
        await page.keyboard.press("u")
        await all_.stands(first, "waiting")
        await page.wait_for_selector(f".card[data-voice='{first}'] .text")
        await passes(page, SETTLED)
        await page.keyboard.press("a")
        await all_.stands(first, "approved")
        await page.click("[data-key=undo]")
        await all_.stands(first, "waiting")
        await expect(page.locator("[data-key=undo]")).to_be_disabled()


async def test_what_is_said_while_the_monitor_is_away_is_kept_and_done_when_it_is_back(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.moderator()
        first = await shown(page)
        await all_.stop()
        await page.click("[data-key=approve]")
        second = await shown(page, after=first)
        await passes(page, SETTLED)
        await page.click("[data-key=reject]")
        await expect(page.get_by_text("What you said is kept")).to_be_visible()
        await all_.start()
        await page.reload()
        await all_.stands(first, "approved")
        await all_.stands(second, None)


async def test_a_message_that_is_gone_stays_in_its_place_so_that_nothing_moves_under_the_thumb(opened: Any) -> None:
    async with opened() as all_:
        page, other = await all_.moderator(), await all_.moderator()
        first = await shown(page)
        assert await shown(other) == first
        await other.keyboard.press("r")
        await expect(page.get_by_text("no longer waiting")).to_be_visible()
        await expect(page.locator("[data-key=approve]")).to_be_disabled()
        await page.click("[data-key=next-voice]")
        await shown(page, after=first)


async def test_words_of_strangers_stay_words_and_turn_nothing(opened: Any) -> None:
    async with opened(("a", HOSTILE)) as all_:
        page = await all_.moderator()
        await expect(page.locator(".card .text")).to_have_text(HOSTILE)
        await page.keyboard.press("r")
        await expect(page.locator("[data-part=said] bdi")).to_have_text(HOSTILE)
        assert await page.locator("img, .card b, bdi b").count() == 0
        await expect(page.get_by_text("No message waits for you.")).to_be_visible()


async def test_a_lead_has_the_sheet_beside_everything_else_and_its_keys_only_there(opened: Any) -> None:
    async with opened() as all_:
        page = await all_.page("lead")
        await expect(page.locator("[data-key=waiting]")).to_contain_text(f"Voices waiting: {len(LINES)}")
        await page.keyboard.press("a")
        await page.click("[data-key=waiting]")
        await page.wait_for_selector("dialog[open] .card .text")
        first = await shown(page)
        await passes(page, SETTLED)
        assert [all_.state(f"t:{name}") for name in LINES] == ["waiting"] * len(LINES)
        await page.keyboard.press("a")
        await all_.stands(first, "approved")
        second = await shown(page, after=first)
        await passes(page, SETTLED)
        await page.click("dialog[open] >> text=Close")
        await expect(page.locator("dialog[open]")).to_have_count(0)
        await page.keyboard.press("a")
        await page.click("[data-key=waiting]")
        await page.wait_for_selector("dialog[open] .card .text")
        assert all_.state(second) == "waiting"
