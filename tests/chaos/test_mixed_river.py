"""Every platform of the sample at once, by each way in that we have: real processes, two kills, exact numbers."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter

import pytest
from river import ROOT, River
from test_river import check_exact, everybody_joined, free_port

pytestmark = pytest.mark.slow

MOST = 10
"""Channels of one platform."""


def mixed() -> tuple[str, int, set[str]]:
    """A roster with a few of each platform of the sample, how many, and which."""
    with (ROOT / "data/roster-sample.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen: Counter[str] = Counter()
    few = []
    for row in rows:
        seen[row["platform"]] += 1
        if seen[row["platform"]] <= MOST:
            few.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(few)
    return text.getvalue(), len(few), set(seen)


async def test_every_platform_is_counted_exactly_although_what_receives_and_what_counts_are_killed(tmp_path):
    roster, count, platforms = mixed()
    figures: dict = {}
    with River(tmp_path, count, 300, free_port(), roster=roster) as river:
        await everybody_joined(river, count)
        await river.all_known()
        for role in ("serve", "count"):
            await asyncio.sleep(2)
            await river.kill(role)
        await asyncio.sleep(8)
        await check_exact(river, figures)
        heard = {event.platform for event in await river.events()}
    assert len(platforms) >= 9
    assert heard >= platforms
    assert figures["lost"] == 0
    assert figures["events"] > 1_500
