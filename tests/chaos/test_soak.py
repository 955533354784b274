"""The wall runs for days: an hour at sixty times the speed, the feed restarted every five minutes, and nothing has grown.

``SOAK_MINUTES`` shortens it for a look (the rule then holds for fewer scenes). Time in the page runs sixty times faster (its Date; not its timers), so that
sessions begin and end, days turn, messages and spikes come and go as in two and a half days; the scenes turn every four seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

BROWSER_TESTS = Path(__file__).resolve().parents[1] / "browser"
sys.path.insert(0, str(BROWSER_TESTS))
from fakefeed import FakeFeed, full_state  # noqa: E402 — a neighbour's
from harness import WALL_SCREEN, launched  # noqa: E402

if TYPE_CHECKING:
    from playwright.async_api import CDPSession

pytestmark = pytest.mark.chaos

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
SPEED = 60
RESTART_SECONDS = 300.0
LOOK_SECONDS = 20.0
MOST_GROWTH = 0.05
"""Of heap and nodes, along the straight line through what was measured after the first sixth (until then code is compiled and caches fill).
What leaks grows with every frame, and there are 14,400 of them."""

FASTER = f"""
(() => {{
  const begun = Date.now();
  const Real = Date;
  const now = () => begun + (Real.now() - begun) * {SPEED};
  globalThis.Date = class extends Real {{
    constructor(...given) {{ given.length ? super(...given) : super(now()); }}
    static now() {{ return now(); }}
  }};
}})();
"""


class Faster(FakeFeed):
    """Its clock runs like the page's."""

    def __init__(self, dist: Path, started: float) -> None:
        super().__init__(dist, lambda _, tick: full_state(self.now(), tick=tick, viewers=True))
        self.started = started

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.started + (time.time() - self.started) * SPEED, UTC)


async def measured(session: CDPSession) -> dict[str, float]:
    """After a collection, so that only what is still held counts."""
    await session.send("HeapProfiler.collectGarbage")
    found = await session.send("Performance.getMetrics")
    values = {metric["name"]: metric["value"] for metric in found["metrics"]}
    return {name: values[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")}


def growth(values: list[float]) -> float:
    """Share by which the straight line through the values rises from its first to its last."""
    values = values[len(values) // 6 :]
    size, mean = len(values), sum(values) / len(values)
    spread = sum((at - (size - 1) / 2) ** 2 for at in range(size))
    slope = sum((at - (size - 1) / 2) * (value - mean) for at, value in enumerate(values)) / max(spread, 1)
    return round(slope * (size - 1) / mean, 4)


async def test_nothing_grows_in_an_hour_at_sixty_times_the_speed(wall: Path) -> None:
    feed = Faster(wall, time.time())
    await feed.start()
    looks: list[dict[str, float]] = []
    restarts = 0
    async with launched("--js-flags=--expose-gc") as browser:
        page = await browser.new_page(viewport=WALL_SCREEN)  # type: ignore[arg-type]
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.add_init_script(FASTER)
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        await page.goto(f"{feed.url}?rotate=4#/overview")
        await page.wait_for_selector(".wall[data-truth=live]")
        begun = time.monotonic()
        restart_at, look_at = begun + RESTART_SECONDS, begun + LOOK_SECONDS
        while time.monotonic() - begun < MINUTES * 60:
            await asyncio.sleep(1)
            now = time.monotonic()
            if now >= restart_at:
                restart_at += RESTART_SECONDS
                restarts += 1
                await feed.stop()
                await page.wait_for_selector(".wall[data-truth=lost]", timeout=120_000)
                await feed.start()
                await page.wait_for_selector(".wall[data-truth=live]", timeout=120_000)
            if now >= look_at:
                look_at += LOOK_SECONDS
                await page.wait_for_selector(".wall[data-scene=overview]", timeout=240_000)
                looks.append(await measured(session))
        assert errors == []
        still = full_state(feed.now(), viewers=False)
        feed.make = lambda *_: still
        await page.evaluate("location.hash = '#/overview'")
        true = f"{round(still['totals']['engagement']['per_minute']):,}"
        await expect(page.locator("[data-part=hero]")).to_have_text(true)
    await feed.stop()
    grown = {name: growth([look[name] for look in looks]) for name in looks[0]}
    print({"looks": len(looks), "restarts": restarts, "grown": grown, "first": looks[0], "last": looks[-1]})
    assert all(share <= MOST_GROWTH for share in grown.values()), grown


def test_a_leak_is_found_and_noise_is_not() -> None:
    leak = [100 + step / 3 for step in range(180)]
    noise = [100 + (7 * step) % 5 for step in range(180)]
    assert growth(leak) > MOST_GROWTH > growth(noise)
