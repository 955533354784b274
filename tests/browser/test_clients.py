"""The clients printed in docs/feed.md, in Python and in a browser, see the states that the feed has."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from feed_source import Shelf
from harness import Pages, until
from test_feed import NOW, comments
from test_web import serving

if TYPE_CHECKING:
    from playwright.async_api import Browser

HERE = Path(__file__).parent

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FEED_PAGE = (HERE.parents[1] / "docs" / "feed.md").read_text("utf-8")


def code(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", FEED_PAGE, re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_printed_clients_see_the_states_of_the_feed(browser: Browser, wall: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(code("python"), "docs/feed.md", "exec"), names)
    source = Shelf(partitions=2)
    async with serving(source, wall=wall) as (client, feed, clock), Pages(browser) as pages:
        states = names["states"](f"ws://{client.host}:{client.port}/feed", f"http://{client.host}:{client.port}")
        ours = dict([await asyncio.to_thread(next, states)])
        page = await pages.open(f"http://{client.host}:{client.port}/healthz")
        await page.evaluate(
            f"(url) => {{ window.seen = {{}}; {code('javascript')}; follow((seq, state) => {{ window.seen[seq] = state; }}, url); }}",
            f"ws://{client.host}:{client.port}/feed",
        )
        await until(page, "() => Object.keys(window.seen).length > 0")
        theirs = {feed.ticker.seq: json.loads(json.dumps(feed.ticker.state))}
        for count in (4, -4, 7):
            source.commit(0, comments(NOW, count))
            clock.ms += 1000
            await feed.follow()
            feed.tick()
            theirs[feed.ticker.seq] = json.loads(json.dumps(feed.ticker.state))
            ours |= [await asyncio.to_thread(next, states)]
        await until(page, "(seq) => window.seen[seq] !== undefined", feed.ticker.seq)
        seen = {int(seq): state for seq, state in (await page.evaluate("window.seen")).items()}
        await asyncio.to_thread(states.close)
    assert len(theirs) == 4
    assert ours == theirs
    assert seen == theirs
