"""Walls opened in a browser against `FakeFeed`, at a moment that the test chooses."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fakefeed import FakeFeed, full_state
from harness import WALL_SCREEN, Pages, drawn, walked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from playwright.async_api import Browser, Page

SHOW = datetime(2026, 10, 11, 13, 29, 5, tzinfo=UTC)
"""When walls are opened unless the test says otherwise: 21:29 in Shanghai, far from the edge of an hour or a day."""
AHEAD = """
{{
  const Real = Date;
  globalThis.Date = class extends Real {{
    constructor(...given) {{ given.length ? super(...given) : super(Real.now() + {ms}); }}
    static now() {{ return Real.now() + {ms}; }}
  }};
}}
"""
"""Sets the page's clock by so many milliseconds; its timers run as ever."""


class Opened:
    def __init__(self, page: Page, feed: FakeFeed) -> None:
        self.page = page
        self.feed = feed

    def part(self, name: str) -> Any:
        return self.page.locator(f"[data-part={name}]")

    async def truth(self, kind: str) -> None:
        await self.page.wait_for_selector(f".wall[data-truth={kind}]")

    async def scene(self, name: str) -> None:
        await self.page.wait_for_selector(f".wall[data-scene={name}]")
        await self.truth("live")

    async def walk(self, floor: float = 20, *, lenient: bool = False) -> int:
        """Every text can be read; returns how many texts there were. ``lenient``: a name may end in "…"."""
        await drawn(self.page)
        return await walked(self.page, floor, lenient=lenient)


@asynccontextmanager
async def open_wall(
    browser: Browser,
    dist: Path,
    make: Callable[[datetime, int], dict[str, Any]],
    query: str = "",
    *,
    width: int = WALL_SCREEN["width"],
    height: int = WALL_SCREEN["height"],
    mute: bool = False,
    at: datetime = SHOW,
) -> AsyncIterator[Opened]:
    feed = FakeFeed(dist, make, at=at)
    feed.mute = mute
    await feed.start()
    try:
        async with Pages(browser) as pages:
            page = await pages.open(size={"width": width, "height": height})
            await page.context.add_init_script(AHEAD.format(ms=round(feed.ahead.total_seconds() * 1000)))
            await page.goto(feed.url + query)
            yield Opened(page, feed)
    finally:
        await feed.stop()


def full(now: datetime, tick: int) -> dict[str, Any]:
    return full_state(now, tick=tick)


def steady(now: datetime, tick: int) -> dict[str, Any]:
    """The same numbers in every frame, so that a shown number can be compared."""
    return full_state(now, viewers=False)


async def text(locator: Any) -> str:
    return re.sub(r"\s+", " ", await locator.inner_text()).strip()
