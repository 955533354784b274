"""Sign-up on a phone, in two directions of writing and without JavaScript: from the QR code's page to the withdrawal."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import redis.asyncio
from aiohttp import web
from feed_source import Shelf
from harness import Pages, broken_policies, drawn
from playwright.async_api import Browser, Page, expect
from test_feed import make_feed

from monitor.channel_store import ROWS
from monitor.channels import Live, Row, as_json
from monitor.config import Config, Event, Privacy, Public
from monitor.pages import words
from monitor.roster import parse_roster
from monitor.signup import Liaison, new_token, token_hash
from monitor.signup_store import SignupStore
from monitor.signup_web import SignupPages, Surroundings
from monitor.web import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
ROSTER = parse_roster(
    "attendee,name,country,platform,handle,liaison,consent,verified\n"
    "A1,João Silva,BR,twitch,joao_1,leo,,\n"
    "A2,Ana <b>Lima</b> S,BR,twitch,ana_1,leo,yes,\n"
    "A3,Caro,BR,twitch,caro_1,leo,yes,yes\n"
    "A4,Edu,BR,tiktok,edu_1,leo,yes,yes\n"
)
CELL = {"state": "live", "engagement": {"total": 4711, "per_minute": 12}, "last_event": "2026-10-10T08:59:58.000Z"}
LAYOUT = """() => {
  const wide = [...document.querySelectorAll("body *")].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) && !e.closest("select, svg");
  }).map((e) => e.outerHTML.slice(0, 80));
  const small = [...document.querySelectorAll("button, input:not([type=hidden]):not([type=checkbox]), select, textarea, summary")]
    .filter((e) => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80));
  const unnamed = [...document.querySelectorAll("input:not([type=hidden]), select, textarea")].filter((e) => !e.labels.length).map((e) => e.name);
  return { wide, small, unnamed, scroll: document.documentElement.scrollWidth - innerWidth };
}"""


@pytest_asyncio.fixture(loop_scope="module")
async def site(valkey: str) -> AsyncIterator[tuple[str, SignupStore]]:
    """(address, store) of the product's own application with the sign-up pages."""
    client = redis.asyncio.Redis.from_url(valkey)
    await client.flushall()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config(
        event=Event(name="2026 International User Summit", timezone=ZoneInfo("UTC")), sign_up=True, public=Public(url=url),
        privacy=Privacy(contact="privacy@example.org"),
    )  # fmt: skip
    feed, _ = make_feed(Shelf())

    async def resolve(platform: str, handle: str) -> str | None:
        return {"joao_1": "João no volante", "nobody_1": ""}.get(handle)

    app = make_app(replace_config(feed, config))
    around = Surroundings(
        config=lambda: config,
        roster=lambda: ROSTER,
        key=b"k" * 32,
        resolve=resolve,
        cell=lambda name: CELL if name == "twitch:joao_1" else {},
    )
    SignupPages(client, around).register(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    yield url, SignupStore(client)
    await runner.cleanup()
    await client.aclose()


def replace_config(feed: Any, config: Config) -> Any:
    feed.ticker.picture.config = replace(config)
    return feed


@asynccontextmanager
async def phone(browser: Browser, language: str, *, script: bool) -> AsyncIterator[Page]:
    asked: list[str] = []
    async with Pages(browser) as pages:
        page = await pages.open(
            device_scale_factor=2, is_mobile=True, has_touch=True, locale=language, java_script_enabled=script
        )
        page.on("request", lambda request: asked.append(request.url))
        yield page
    assert [address for address in asked if not address.startswith("http://127.0.0.1")] == []


async def looked_at(page: Page, name: str, *, script: bool) -> None:
    """A picture for the eye, and what a machine can see of the same."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    await drawn(page) if script else None
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    if script:
        assert await page.evaluate(LAYOUT) == {"wide": [], "small": [], "unnamed": [], "scroll": 0}
        assert await broken_policies(page) == []


@pytest.mark.parametrize(("language", "short", "script"), [("pt-BR", "pt", True), ("ar-EG", "ar", True), ("zh-CN", "zh", False)])
async def test_a_phone_signs_up_reports_pauses_and_withdraws(browser, site, language, short, script):
    url, store = site
    say = words(short)
    async with phone(browser, language, script=script) as page:
        await page.goto(f"{url}/join")
        await expect(page.locator("html")).to_have_attribute("dir", "rtl" if short == "ar" else "ltr")
        await expect(page.get_by_role("heading", level=1)).to_have_text(say["join_title"])
        await looked_at(page, f"join-{short}", script=script)

        await page.get_by_label(say["number"]).fill("joao.silva@example.org")
        await page.get_by_label(say["channel"], exact=True).fill("https://youtu.be/dQw4w9WgXcQ")
        await page.get_by_label(say["country"]).select_option("BR")
        await page.get_by_label(say["tick_read"]).check()
        await page.get_by_role("button", name=say["next"]).click()
        await expect(page.get_by_role("alert")).to_contain_text(say["error_channel_video"])
        await expect(page.get_by_label(say["tick_read"])).to_be_checked()
        await looked_at(page, f"join-wrong-{short}", script=script)

        await page.get_by_label(say["number"]).fill("A1")
        await page.get_by_label(say["channel"], exact=True).fill("Ao vivo! https://www.twitch.tv/joao_1?x=1")
        await page.get_by_role("button", name=say["next"]).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(say["confirm_title"])
        await expect(page.locator(".cards")).to_contain_text("João no volante")
        await looked_at(page, f"confirm-{short}", script=script)
        await page.get_by_role("button", name=say["confirm_yes"]).click()

        await expect(page.locator(".keep .link")).to_contain_text("/me/")
        await expect(page.locator(".qr svg")).to_be_visible()
        await expect(page.locator(".cards > li.good .state")).to_have_text(say["state_live"])
        await expect(page.locator(".cards")).to_contain_text("4711")
        await looked_at(page, f"me-{short}", script=script)

        await page.get_by_label(say["live_label"]).fill("http://169.254.169.254/latest/")
        await page.get_by_role("button", name=say["live_button"]).click()
        await expect(page.get_by_role("alert")).to_contain_text(say["error_live"])
        await page.get_by_label(say["live_label"]).fill("twitch.tv/joao_1")
        await page.get_by_role("button", name=say["live_button"]).click()
        await expect(page.get_by_role("status")).to_have_text(say["ok_live"])
        assert (await store.reports())["twitch:joao_1"].url == "https://twitch.tv/joao_1"

        await page.get_by_role("button", name=say["pause"]).click()
        await expect(page.locator(".cards .state")).to_have_text(say["state_paused"])
        await page.get_by_role("button", name=say["resume"]).click()
        await expect(page.locator(".cards .state")).to_have_text(say["state_live"])

        await page.locator("summary", has_text=say["add_title"]).click()
        await page.locator("details[open]").get_by_label(say["channel"], exact=True).fill("https://www.instagram.com/joao.autos/")
        await page.get_by_role("button", name=say["add_button"], exact=True).click()
        await page.get_by_role("button", name=say["confirm_yes"]).click()
        await expect(page.locator(".cards > li")).to_have_count(2)

        await page.locator("summary", has_text=say["withdraw_title"]).first.click()
        await page.get_by_label(say["withdraw_check"]).check()
        await looked_at(page, f"me-withdraw-{short}", script=script)
        await page.get_by_role("button", name=say["withdraw_button"], exact=True).click()
        await expect(page.get_by_role("status").first).to_have_text(say["ok_withdrawn"])
        (person,) = (await store.all()).people
        assert not person.consents
        await looked_at(page, f"me-withdrawn-{short}", script=script)


async def test_the_language_is_switched_by_hand_and_the_notice_is_read_in_it(browser, site):
    url, _ = site
    async with phone(browser, "en-GB", script=True) as page:
        await page.goto(f"{url}/join")
        await page.get_by_role("link", name="Русский").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(words("ru")["join_title"])
        await page.get_by_role("link", name=words("ru")["privacy_link"]).click()
        await expect(page.locator("main")).to_contain_text("privacy@example.org")
        await looked_at(page, "privacy-ru", script=True)


async def test_a_liaison_confirms_a_row_on_a_phone(browser, site):
    url, store = site
    row = Row(platform="twitch", handle="caro_1", state="live", broadcasts=(Live(id="7", title="Volta rápida"),))
    await store.redis.hset(ROWS, "twitch:caro_1", as_json(row))
    token = new_token(bytes(32))
    await store.add_liaison(token_hash(token), Liaison("BR"))
    async with phone(browser, "en-GB", script=True) as page:
        await page.goto(f"{url}/liaison/{token}")
        await expect(page.locator(".cards > li")).to_have_count(4)
        first = page.locator(".cards > li").first
        await expect(first).to_contain_text("Ana <b>Lima</b> S")
        await looked_at(page, "liaison-en", script=True)
        await first.get_by_role("button", name=words("en")["verify_button"]).click()
        await expect(page.get_by_role("status").first).to_have_text(words("en")["ok_verified"])
    assert (await store.all()).fixes["twitch:ana_1"].verified


async def test_at_night_the_pages_are_dark_and_can_be_read(browser, site):
    url, _ = site
    contrast = """() => {
      const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
      const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      const ratio = (c) => { const l = light(c); return (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05); };
      return [...document.querySelectorAll("p, label, small, h1, a, legend")].map((e) => ratio(getComputedStyle(e).color));
    }"""
    async with Pages(browser) as pages:
        page = await pages.open(f"{url}/join", color_scheme="dark", locale="es-ES")
        assert min(await page.evaluate(contrast)) >= 4.5
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / "join-dark-es.png", full_page=True)
