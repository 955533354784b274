"""A person says that a spike was seen: who and when stands beside it on every wall, whatever the keeper writes meanwhile, and in the log.

| key | type | what |
|---|---|---|
| ``{wall}:seen_spikes`` | hash | spike id → {by, at}; merged into the part ``spikes`` when it is read (``wall_store``), gone with its spike |
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson
from aiohttp import web

from monitor.guard import VISITOR
from monitor.journal import is_doubt
from monitor.moments import iso
from monitor.objects import object_in
from monitor.stage_store import decided, write_down
from monitor.wall_store import SEEN_SPIKES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.wall_store import WallStore

KEPT_SECONDS: Final = 3 * 3600
"""Longer than any spike is shown."""
REDIS_SECONDS: Final = 3.0
MOST_BODY: Final = 1024
LONGEST_ID: Final = 200
SEE: Final = "see_spike"
UNSEE: Final = "unsee_spike"
"""As the log calls it."""


class Look(NamedTuple):
    """One spike, and whether somebody has seen it."""

    spike: str
    seen: bool


async def note(store: WallStore, look: Look, *, by: str, now_ms: int) -> bool:
    """Write it down; False when there is no such spike. What is said of spikes that are gone is forgotten with it.

    It is a line of the log once: who says again what is known changes nothing.
    """
    spikes = (await store.parts()).get("spikes", {})
    spike = spikes.get(look.spike)
    if not isinstance(spike, dict):
        return False
    if ("seen" in spike) == look.seen:
        return True
    redis = store.journal.redis
    gone = [name for name in await redis.hkeys(SEEN_SPIKES) if name.decode() not in spikes]
    pipeline = redis.pipeline(transaction=True)
    if look.seen:
        pipeline.hsetnx(SEEN_SPIKES, look.spike, orjson.dumps({"by": by, "at": iso(now_ms)}))  # the first who saw it
    else:
        gone.append(look.spike)
    about = {name: spike[name] for name in ("dimension", "value") if isinstance(spike.get(name), str)}
    write_down(pipeline, decided(SEE if look.seen else UNSEE, by=by, now_ms=now_ms, spike=look.spike, **about))
    if gone:
        pipeline.hdel(SEEN_SPIKES, *gone)
    pipeline.expire(SEEN_SPIKES, KEPT_SECONDS)
    pipeline.incr(VERSION)
    await pipeline.execute()
    return True


def add_seen(app: web.Application, store: WallStore, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
    """``POST /api/spikes`` {id, seen}; who may is in ``monitor.access``."""

    async def see(request: web.Request) -> web.Response:
        look = read_look(await request.read())
        if look is None:
            return web.Response(status=400, text='Expected {"id": …, "seen": true or false}.\n')
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                known = await note(store, look, by=request[VISITOR].name, now_ms=now_ms())
        except Exception as error:
            if not (is_doubt(error) or isinstance(error, TimeoutError)):
                raise
            return web.Response(status=503, text="Redis does not answer, so this was not written down; try again.\n")
        if not known:
            return web.Response(status=404, text="There is no such spike any more.\n")
        body = orjson.dumps({"seen": look.seen})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    app.router.add_post("/api/spikes", see)


def read_look(body: bytes) -> Look | None:
    """None when it is no such thing."""
    if len(body) > MOST_BODY:
        return None
    found = object_in(body)
    name, seen = found.get("id"), found.get("seen")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_ID or not isinstance(seen, bool):
        return None
    return Look(name, seen)
