"""The main job end to end, small enough for every run: real processes, real protocols, one kill of each, exact numbers."""

from __future__ import annotations

import asyncio

import pytest
from described import problems
from river import River
from test_river import check_exact, everybody_joined, free_port

pytestmark = pytest.mark.slow


async def test_sixty_livestreams_are_counted_exactly_although_everything_but_the_collector_is_killed_once(tmp_path):
    figures: dict = {}
    with River(tmp_path, 60, 300, free_port()) as river:
        await everybody_joined(river, 60)
        await river.all_known()
        for role in ("count", "serve", "valkey", "moderate"):
            await asyncio.sleep(1.5)
            await river.kill(role)
        await everybody_joined(river, 60)  # on a busy machine it takes a while until serve is back
        assert problems(river.get("/api/state")) == []
        await check_exact(river, figures)
    assert figures["events"] > 1_000
    assert figures["lost"] == 0
