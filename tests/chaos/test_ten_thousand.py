"""Ten thousand livestreams of all platforms on one machine: the numbers are exact, also after one kill of each part.

``LIVESTREAMS`` and ``LIVESTREAMS_RATE`` (events/s) make it smaller or slower for a look. Most of its time goes into joining, twice:
Twitch lets a connection join 18 channels in ten seconds and connections come two seconds apart, so 8,000 channels take four minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from urllib.request import urlopen

import pytest
from river import RESUME, TELL, River, mix
from test_mixed import judged
from test_river import everybody_joined, figures, free_port  # noqa: F401 — a fixture
from websockets.asyncio.client import connect

from connectors.event import Gap

pytestmark = pytest.mark.chaos

LIVESTREAMS = int(os.environ.get("LIVESTREAMS", "10000"))
RATE = float(os.environ.get("LIVESTREAMS_RATE", "300"))
JOIN_SECONDS = 300 + LIVESTREAMS * 0.12
"""A bound and no expectation: four times what it takes on a quiet machine."""
CALM_SECONDS = 60
ROLES = ("simulate", "collect", "count", "moderate", "serve", "valkey")


async def used(river: River, seconds: float) -> dict[str, dict[str, float]]:
    """Cores and memory of each process over a while."""
    pids = river.pids()
    before = {role: river.processor_seconds(pids[role]) for role in ROLES}
    begun = time.monotonic()
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - begun
    return {
        role: {
            "cores": round((river.processor_seconds(pids[role]) - before[role]) / lasted, 2),
            "mb": round(river.resident_mb(pids[role])),
        }
        for role in ROLES
    }


def asked(river: River, path: str) -> dict[str, float]:
    """How long an answer takes, and how long it is."""
    begun = time.monotonic()
    with urlopen(f"http://127.0.0.1:{river.port}{path}", timeout=30) as answer:
        size = len(answer.read())
    return {"ms": round((time.monotonic() - begun) * 1000), "bytes": size}


async def frames(river: River, seconds: float) -> dict[str, int]:
    """What one wall is sent."""
    sizes: list[int] = []
    async with connect(
        f"ws://127.0.0.1:{river.port}/feed", origin=f"http://127.0.0.1:{river.port}", max_size=None, compression=None
    ) as wall:
        first = len(await wall.recv(decode=False))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                sizes.append(len(await asyncio.wait_for(wall.recv(decode=False), left)))
            except TimeoutError:
                break
    sizes.sort()
    return {"snapshot": first, "patches": len(sizes), "median": sizes[len(sizes) // 2], "largest": sizes[-1]}


async def measured(river: River) -> dict:
    """A minute in which nothing is broken."""
    sent, begun = river.simulator("status")["events"], time.monotonic()
    processes, wall = await asyncio.gather(used(river, CALM_SECONDS), frames(river, CALM_SECONDS))
    state = river.get("/api/state")["state"]
    return {
        "events_per_second": round((river.simulator("status")["events"] - sent) / (time.monotonic() - begun)),
        "event_to_wall_ms": state["health"]["event_to_wall_ms"],
        "processes": processes,
        "frames": wall,
        "api_livestreams": asked(river, "/api/livestreams"),
        "api_state": asked(river, "/api/state"),
        "load": os.getloadavg()[0],
    }


async def test_ten_thousand_livestreams_are_counted_exactly_although_each_part_is_killed_once(tmp_path, figures):  # noqa: F811
    roster, count = mix(max(3, LIVESTREAMS // 6) if LIVESTREAMS < 1200 else 10_000)
    count = max(count, LIVESTREAMS)
    with River(tmp_path, count, RATE, free_port(), roster=roster) as river:
        begun = time.monotonic()
        await everybody_joined(river, 1)
        await river.all_read(count - TELL, JOIN_SECONDS)
        figures.update(livestreams=count, joined_after=round(time.monotonic() - begun))
        await river.all_known(JOIN_SECONDS)
        figures.update(await measured(river))
        for role in ("count", "serve", "valkey", "collect"):
            await river.kill(role)
            await asyncio.sleep(10)
        begun = time.monotonic()
        await river.all_read(count - TELL, JOIN_SECONDS)
        figures["joined_again_after"] = round(time.monotonic() - begun) + 10
        begun = time.monotonic()
        await river.drained(600)
        figures["drained_after"] = round(time.monotonic() - begun)
        lines, events = river.ledger(), await river.events()
        found = judged(lines, events, await river.totals(), river)
        figures.update(
            events=len(events),
            ledger=len(lines),
            gaps=sum(isinstance(event, Gap) for event in events),
            killed=dict(river.killed),
            **{**found, "wrong": len(found["wrong"])},
        )
        (tmp_path / "figures.json").write_text(json.dumps(figures, indent=1))
        assert found["twice"] == 0
        assert found["outside_gaps"] == 0
        assert not found["wrong"], found["wrong"]
        assert not found["lost"].keys() & RESUME, found["lost"]
        assert Counter(line.delivered for line in lines)[True] > RATE * CALM_SECONDS / 2, "the fault of the test: little was said"
        assert river.killed == {"count": 1, "serve": 1, "valkey": 1, "collect": 1}
        audit = await river.audit()
        assert audit.returncode == 0, audit.stdout + audit.stderr
