"""The producer's phone over HTTP: the page, the commands, and the log of who did what.

A command is answered with what the stage is now; walls have it with the tick that follows at once. While Redis is away only the safe
scene works, on the walls of this server, and the answer says so.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from monitor import stage as stages
from monitor.guard import VISITOR
from monitor.journal import is_doubt

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.feed import Feed
    from monitor.stage_store import Staging

MOST_BODY: Final = 4096
BODY_SECONDS: Final = 5.0
REDIS_SECONDS: Final = 3.0
MOST_ENTRIES: Final = 1000
AWAY: Final = "Redis does not answer, so this was not done; try again."
AWAY_SAFE: Final = "The safe scene is up on the walls of this server; others follow when Redis answers again."


class Remote:
    """``register`` puts the routes on the application."""

    def __init__(self, feed: Feed, staging: Staging, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.feed = feed
        self.staging = staging
        self._now_ms = now_ms

    def register(self, app: web.Application) -> None:
        app.router.add_post("/api/wall", self.act)
        app.router.add_get("/api/wall/log", self.log)

    async def act(self, request: web.Request) -> web.Response:
        """One command."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.content.read(MOST_BODY + 1)
            if len(body) > MOST_BODY:
                return _says(413, "That is no command: it is too long.")
            command = stages.read_command(body)
        except TimeoutError:
            return _says(408, "The command did not come in time.")
        except stages.Refused as refused:
            return _says(400, str(refused))
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await self.staging.act(command, by=request[VISITOR].name, now_ms=self._now_ms(), state=self.feed.ticker.state)
        except stages.Refused as refused:
            return _says(409, str(refused))
        except Exception as error:
            if not (is_doubt(error) or isinstance(error, TimeoutError)):
                raise
            self.feed.tick()
            return _says(503, AWAY_SAFE if isinstance(command, stages.Safe) else AWAY)
        if not isinstance(command, stages.Seen):
            self.feed.tick()
        return _json(200, {"wall": self.staging.part(self._now_ms()) or {}})

    async def log(self, request: web.Request) -> web.Response:
        """Who did what when, newest first."""
        asked = request.query.get("count", "100")
        count = min(MOST_ENTRIES, max(1, int(asked))) if asked.isdecimal() and len(asked) < 7 else 100
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                entries = await self.staging.store.newest(count)
        except Exception as error:
            if not (is_doubt(error) or isinstance(error, TimeoutError)):
                raise
            return _says(503, "Redis does not answer; the log lies there.")
        return _json(200, {"log": entries})


def _says(status: int, sentence: str) -> web.Response:
    return _json(status, {"error": sentence})


def _json(status: int, found: object) -> web.Response:
    body = orjson.dumps(found)
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})
