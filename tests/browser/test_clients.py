"""The clients printed in docs/feed.md, in Python and in a browser, see the same states of one feed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fakefeed import FakeFeed, full_state
from playwright.async_api import async_playwright
from test_wall import ARGUMENTS

pytestmark = [pytest.mark.browser]

FEED_PAGE = (Path(__file__).parents[2] / "docs" / "feed.md").read_text("utf-8")


def code(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", FEED_PAGE, re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_printed_clients_see_the_same_states(wall: Path) -> None:
    feed = FakeFeed(wall, lambda now, tick: full_state(now, tick=tick))
    await feed.start()
    names: dict[str, Any] = {}
    exec(compile(code("python"), "docs/feed.md", "exec"), names)  # noqa: S102 — it is our own page
    address = feed.url.replace("http", "ws").rstrip("/") + "/feed"
    states = names["states"](address, feed.url.rstrip("/"))
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            page = await browser.new_page()
            await page.goto(feed.url)
            await page.evaluate(
                f"(url) => {{ window.seen = {{}}; {code('javascript')}; follow((seq, state) => {{ window.seen[seq] = state; }}, url); }}",
                address,
            )
            ours = dict([await asyncio.to_thread(next, states) for _ in range(8)])
            await page.wait_for_function("(seq) => window.seen[seq] !== undefined", arg=max(ours))
            theirs = {int(seq): state for seq, state in (await page.evaluate("window.seen")).items()}
            await browser.close()
    finally:
        await asyncio.to_thread(states.close)
        await feed.stop()
    both = ours.keys() & theirs.keys()
    assert len(both) >= 4
    assert [seq for seq in sorted(both) if ours[seq] != theirs[seq]] == []
