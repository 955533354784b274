"""Every platform of the sample at once, by each way in that we have: real processes, two kills, exact numbers."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from datetime import datetime

import pytest
from river import ROOT, River
from test_peaks import accepted, slow_sums
from test_river import check_exact, everybody_joined, free_port

from connectors.event import Viewers
from monitor.peaks import LOOK_MS, Sample

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


async def shown_and_slow_peaks(river: River) -> tuple[dict[str, int], dict[str, int]]:
    """What the wall shows, and what the slow model makes of everything that was collected."""
    shown = river.get("/api/state")
    config, now_ms = river.deriver().config, int(datetime.fromisoformat(shown["as_of"]).timestamp() * 1000)
    told = [
        Sample(
            one.livestream, one.viewers, at_ms := int(one.at.timestamp() * 1000),
            at_ms + int(max(180.0, 2.5 * (one.interval_seconds or 0)) * 1000),
            config.livestreams[one.livestream].country or "ZZ", one.platform, one.platform not in config.outside_totals,
        )
        for one in await river.events() if isinstance(one, Viewers) and one.livestream in config.livestreams
    ]  # fmt: skip
    taken = accepted(told)
    first = min((sample.at_ms for sample in taken), default=now_ms) // LOOK_MS * LOOK_MS
    slow: dict[str, int] = {}
    for at_ms in range(first, now_ms + 1, LOOK_MS):
        for head, viewers in slow_sums(taken, at_ms).items():
            slow[head] = max(viewers, slow.get(head, 0))
    state = shown["state"]
    of = {"total": state["totals"], **{f"platform:{name}": one for name, one in state["platforms"].items()}}
    found = {head: one["viewers"]["peak"] for head, one in of.items() if "peak" in one.get("viewers", {})}
    return found, {head: peak for head, peak in slow.items() if head in of}


async def check_peaks(river: River) -> None:
    """Samples come all the time, so the two are of the same moment only now and then."""
    for _ in range(120):
        shown, slow = await shown_and_slow_peaks(river)
        if shown == slow:
            break
        await asyncio.sleep(0.5)
    assert shown == slow
    assert shown["total"] > 0


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
        await check_peaks(river)
        heard = {event.platform for event in await river.events()}
    assert len(platforms) >= 9
    assert heard >= platforms
    assert figures["lost"] == 0
    assert figures["events"] > 1_500
