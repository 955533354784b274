"""The product's own server with a stage and a real Valkey behind it, and phones and walls that are opened on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import redis.asyncio
from fakefeed import Served
from feed_source import Shelf
from harness import PHONE, WALL_SCREEN, Pages
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from monitor.config import Config, Event, Session, Topic, Wall
from monitor.feed import Feed, unix_ms
from monitor.roster import Channel, Roster
from monitor.stage_store import StageStore, Staging
from monitor.stopping import stopping
from monitor.web import GUARD, make_app
from monitor.windows import Group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

    from aiohttp import web
    from playwright.async_api import Browser, Page

    from monitor.access import Token

SLOT_SECONDS = 10
PERSON = Channel(id="twitch:a", attendee="a", name="a", country="BR", language=None, platform="twitch", handle="a", consent="yes")
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("Asia/Shanghai"), languages=("en", "zh")),
    topics=(
        Topic(id="robots", name={"en": "Robots", "zh": "机器人"}, phrases={"en": ("robot",)}),
        Topic(id="hybrid", name={"en": "Hybrid", "zh": "混动"}),
    ),
    wall=Wall(seconds=3600),
    partitions=1,
)


def tonight(config: Config = CONFIG) -> Config:
    """With a session that has been running for nine minutes."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    name = {"en": "Robot night", "zh": "机器人之夜"}
    night = Session(id="night", name=name, start=now - timedelta(minutes=9), end=now + timedelta(minutes=50))
    return replace(config, sessions=(night,))


class House(Served):
    """The product's server."""

    def __init__(self, wall: Path, client: Any, config: Config) -> None:
        self.shelf = Shelf(partitions=1)
        self.staging = Staging(StageStore(client), config)
        self.feed = Feed(config, Roster(channels=(PERSON,)), self.shelf, staging=self.staging)
        self.tokens: list[Token] = []
        self.wall = wall
        self._counted: int | None = None
        super().__init__()

    def application(self) -> web.Application:
        app = make_app(self.feed, wall=self.wall, tokens=lambda: self.tokens)
        self.guard = app[GUARD]
        return app

    async def run(self) -> None:
        """What the feed does, ten times a second."""
        while not stopping():  # a cancellation may get lost in redis-py
            self.go_on()
            self.shelf.caught_up_ms = {0: unix_ms()}
            await self.feed.follow()
            await self.staging.look()
            self.feed.tick()
            await asyncio.sleep(0.1)

    def go_on(self) -> None:
        """Each slot that is over has a hundred actions, so that a rate stands however long a test takes; totals stay as counted."""
        over = unix_ms() // 1000 // SLOT_SECONDS * SLOT_SECONDS - SLOT_SECONDS
        if self._counted is not None:
            for at in range(self._counted + SLOT_SECONDS, over + 1, SLOT_SECONDS):
                self._commit(at, 100, [f"slot:{at}", f"minute:{at // 60 * 60}"])
        self._counted = over

    def count(self, actions: int) -> None:
        """In the slot that is over: the one that runs is in no rate yet, and a scene would stand empty until it ends."""
        at = unix_ms() // 1000 - SLOT_SECONDS
        self._commit(at, actions, [f"slot:{at // SLOT_SECONDS * SLOT_SECONDS}", f"minute:{at // 60 * 60}", "total"])

    def _commit(self, at: int, actions: int, windows: list[str]) -> None:
        heads = ("total", "country:BR", "platform:twitch", "topic:robots", "topic:hybrid")
        self.shelf.commit(0, Group(windows, {f"{head}|engagement": actions for head in heads}))


class Visited:
    """A house, and the pages that look at it."""

    def __init__(self, house: Any, pages: Pages) -> None:
        self.house, self._pages = house, pages

    async def page(self, path: str, size: dict[str, int] = PHONE, *, still: bool = False) -> Page:
        return await self._pages.open(self.house.url + path, size=size, locale="en", still=still)

    async def phone(self, query: str = "?lang=en", size: dict[str, int] = PHONE) -> Page:
        page = await self.page(f"remote{query}", size)
        await page.wait_for_selector("[data-key='scene:overview'][aria-pressed=true]")
        return page

    async def stage(self, query: str = "?profile=stage&lang=en") -> Page:
        page = await self.page(query, WALL_SCREEN)
        await page.wait_for_selector(".wall[data-truth=live]")
        return page


@asynccontextmanager
async def emptied(valkey: str) -> AsyncIterator[Any]:
    """A client of the real server, which holds nothing."""
    async with redis.asyncio.Redis.from_url(valkey, retry=Retry(NoBackoff(), 0)) as client:
        await client.flushall()
        await client.function_flush()
        yield client


@asynccontextmanager
async def visited(house: Served, browser: Browser, *work: Coroutine[Any, Any, None]) -> AsyncIterator[Pages]:
    """The house is open and works until the block ends, and then none of its work has failed."""
    await house.start()
    running = [asyncio.create_task(one) for one in work]
    try:
        async with Pages(browser) as pages:
            yield pages
            assert not any(task.done() for task in running)
    finally:
        for task in running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await house.stop()
