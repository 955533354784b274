"""Deciding on the phone which broadcasts are of the event: the product's server, a real Valkey, and discovery's own judgement between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from harness import PATIENCE_SECONDS, WALL_SCREEN, accessibility, drawn, passes
from house import CONFIG, PERSON, House, Visited, emptied, tonight, visited
from playwright.async_api import Page, expect

from monitor.channel_store import ChannelStore, Desk
from monitor.channels import Live, Row, as_json, judged
from monitor.config import Scope
from monitor.roster import Roster
from monitor.scope import Rules, Said
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HOSTILE = "\u202enoodles</bdi><img src=x onerror=alert(1)><b>tonight</b>"
TITLES = {"a": "noodles tonight", "b": "深夜聊天", "c": "a quiet evening"}
SETTLED = 500
"""Milliseconds after which a tap is about the broadcast that is shown."""


class Undecided(House):
    """A house whose discovery knows three live broadcasts of which nothing says that they are of the event."""

    def __init__(self, wall: Path, client: Any, titles: dict[str, str]) -> None:
        super().__init__(wall, client, tonight(replace(CONFIG, scope=Scope(phrases=("summit",)))))
        names = [name for name in titles if name != "a"]
        self.channels = {
            one.id: one for one in (PERSON, *(replace(PERSON, id=f"twitch:{n}", attendee=n, handle=n) for n in names))
        }
        self.feed.roster = Roster(channels=tuple(self.channels.values()))
        self.store = self.feed.discovered = ChannelStore(client)
        self.now = datetime.now(UTC)
        self.rows = {
            f"twitch:{name}": Row(
                platform="twitch",
                handle=name,
                native_id=name,
                state="live",
                viewers=2000 - 100 * n,
                discovered_at=self.now,
                broadcasts=(Live(id="7", title=title, started_at=self.now - timedelta(minutes=9), found_at=self.now),),
            )
            for n, (name, title) in enumerate(titles.items())
        }

    async def judge(self) -> None:
        said = await self.store.said()
        rules = Rules(self.feed.config)
        for name, row in self.rows.items():
            self.rows[name] = judged(
                row,
                rules,
                self.channels[name],
                lambda id_, name=name: said.get((name, id_), Said()),  # type: ignore[misc]
                self.now,
                open_while_offline=False,
            )
        await self.store.save(
            {name: as_json(row) for name, row in self.rows.items()},
            (),
            desks={"twitch": Desk(asked_at=self.now, spent=1)},
            closed=(),
        )
        await self.feed.look_around()

    async def discover(self) -> None:
        while not stopping():  # a cancellation may get lost in redis-py
            await self.judge()
            await asyncio.sleep(0.2)

    def scope(self, name: str) -> str:
        return str(self.rows[f"twitch:{name}"].broadcasts[0].scope)

    async def stands(self, name: str, scope: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.scope(name) != scope:
                await asyncio.sleep(0.05)


@pytest.fixture
def opened(browser: Browser, wall: Path, valkey: str) -> Any:
    @asynccontextmanager
    async def made(titles: dict[str, str] = TITLES) -> AsyncIterator[Visited]:
        async with emptied(valkey) as client:
            house = Undecided(wall, client, titles)
            house.count(100)
            await house.judge()
            async with visited(house, browser, house.run(), house.discover()) as pages:
                yield Visited(house, pages)

    return made


async def sheet(all_: Visited, query: str = "?lang=en") -> Page:
    """Opened by the link of the attention list."""
    page = await all_.page(f"remote{query}#pending", still=True)
    await page.wait_for_selector("dialog[open] [data-broadcast] .text")
    await passes(page, SETTLED)
    return page


async def shows(page: Page, broadcast: str) -> None:
    await page.wait_for_selector(f"[data-broadcast='{broadcast}'] .text")


async def test_the_line_of_the_attention_list_opens_the_sheet_with_all_that_is_known_of_the_first(opened: Any) -> None:
    async with opened() as all_:
        wall = await all_.page("?lang=en", WALL_SCREEN)
        line = wall.locator("[data-part=attention] a", has_text="3 live broadcasts to decide about")
        await expect(line).to_have_attribute("href", "/remote#pending")
        page = await sheet(all_)
        card = page.locator("[data-broadcast]")
        for words in (TITLES["a"], "Twitch", "Brazil", "2,000 watching", "since ", "Its title does not name the event."):
            await expect(card).to_contain_text(words)
        watch = page.locator("[data-key=watch]")
        assert [await watch.get_attribute(name) for name in ("href", "target", "rel")] == [
            "https://www.twitch.tv/a",
            "_blank",
            "noopener noreferrer",
        ]
        await page.click("dialog[open] >> text=Close")
        await expect(page.locator("dialog[open]")).to_have_count(0)
        await expect(page.locator("[data-key=pending]")).to_contain_text("Broadcasts to decide: 3")
        await page.keyboard.press("a")
        await page.evaluate("location.hash = 'pending'")
        await page.wait_for_selector("dialog[open] [data-broadcast] .text")
        assert await all_.house.store.said() == {}


async def test_an_answer_is_sent_at_once_confirmed_by_the_list_and_can_be_taken_back(opened: Any) -> None:
    async with opened() as all_:
        page = await sheet(all_)
        await shows(page, "twitch:a 7")
        let_go = asyncio.Event()

        async def hold(route: Any) -> None:
            if route.request.method == "POST":
                await let_go.wait()
            await route.continue_()

        await page.route("**/api/pending", hold)
        await page.click("[data-key=accept]")
        said = page.locator("[data-part=said-broadcast]")
        await expect(said).to_contain_text("Accepted · sent")
        await shows(page, "twitch:b 7")
        assert all_.house.scope("a") == "ask"
        let_go.set()
        await all_.house.stands("a", "in")
        await expect(said).to_contain_text("Accepted · it is read and counted")
        await page.click("[data-key=undo-broadcast]")
        await shows(page, "twitch:a 7")
        await all_.house.stands("a", "ask")
        await expect(page.locator("#pending")).to_have_text("Broadcasts to decide: 3")


async def test_keys_answer_put_off_and_take_back(opened: Any) -> None:
    async with opened() as all_:
        page = await sheet(all_)
        await page.keyboard.press("l")
        await shows(page, "twitch:b 7")
        await passes(page, SETTLED)
        await page.keyboard.press("i")
        await all_.house.stands("b", "out")
        await shows(page, "twitch:c 7")
        await page.keyboard.press("u")
        await all_.house.stands("b", "ask")
        await passes(page, SETTLED)
        await page.keyboard.press("a")
        await all_.house.stands("b", "in")
        log = await (await page.request.get(all_.house.url + "api/wall/log")).json()
        assert [(one["command"], one["livestream"]) for one in log["log"] if "livestream" in one] == [
            ("accept", "twitch:b"), ("ask", "twitch:b"), ("ignore", "twitch:b"),
        ]  # fmt: skip


async def test_what_is_said_while_the_monitor_does_not_take_it_is_kept_over_a_reload(opened: Any) -> None:
    async with opened() as all_:
        page = await sheet(all_)

        async def lose(route: Any) -> None:
            await (route.abort() if route.request.method == "POST" else route.continue_())

        await page.route("**/api/pending", lose)
        await page.click("[data-key=accept]")
        await expect(page.get_by_text("What you said is kept")).to_be_visible()
        assert all_.house.scope("a") == "ask"
        await page.unroute("**/api/pending")
        await page.reload()
        await all_.house.stands("a", "in")


async def test_what_somebody_else_decided_stays_in_its_place_and_says_so(opened: Any) -> None:
    async with opened() as all_:
        page = await sheet(all_)
        await all_.house.store.decide("producer", "twitch:a", "7", False)
        await expect(page.get_by_text("no longer waits")).to_be_visible()
        await expect(page.locator("[data-key=accept]")).to_be_disabled()
        await page.click("[data-key=next-broadcast]")
        await shows(page, "twitch:b 7")


@pytest.mark.parametrize("query", ["?lang=en", "?lang=zh"])
async def test_it_can_be_used_with_a_thumb_and_titles_stay_words(opened: Any, query: str) -> None:
    async with opened({"a": HOSTILE, "b": "x" * 300}) as all_:
        page = await sheet(all_, query)
        await drawn(page)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        for key in ("accept", "ignore", "later", "undo-broadcast", "watch"):
            box = await page.locator(f"[data-key={key}]").bounding_box()
            assert box is not None
            assert (key, box["height"] >= 56, box["width"] >= 56, box["y"] + box["height"] <= 844) == (key, True, True, True)
        assert await page.locator("[data-broadcast] .text").inner_text() == HOSTILE.removeprefix("\u202e")
        assert await page.locator("[data-broadcast] .text").get_attribute("dir") == "auto"
        assert await page.locator("img, [data-broadcast] b").count() == 0
        assert await accessibility(page) == []
        await expect(page.locator("dialog[open] [data-key=safe-here]")).to_be_visible()
