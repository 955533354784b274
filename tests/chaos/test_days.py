"""Two simulated days: every channel ends, begins anew under another broadcast id, is found in time and collected as on the day before."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from river import TELL, River, came, expected_totals, lost_by_platform, missing_outside_gaps, mix, repeated, wrong_numbers
from test_river import everybody_joined, figures, free_port  # noqa: F401 — a fixture

from connectors.event import Status
from monitor.channel_store import DELAY_BUCKETS, ChannelStore
from monitor.engine import find_url
from monitor.journal import Journal

if TYPE_CHECKING:
    from monitor.channels import Row

pytestmark = pytest.mark.chaos

EACH = 40
"""Channels of one platform at most."""
MOST_SECONDS = {"twitch": 60, "kick": 60, "youtube": 120}
"""Within so long 95 of 100 broadcasts are found, YouTube's because it tells us."""


async def known(river: River) -> tuple[dict[str, Row], dict[str, tuple[list[int], int]], dict]:
    """Rows, delays and desks of discovery."""
    async with Journal(find_url(river.folder) or "").opened() as journal:
        store = ChannelStore(journal.redis)
        return await store.rows(), await store.delays(), await store.desks()


def on_air(rows: dict[str, Row]) -> dict[str, frozenset[str]]:
    """Livestream → its broadcasts, where the platform has such."""
    return {
        name: frozenset(live.id for live in row.broadcasts if live.found_at is not None)
        for name, row in rows.items()
        if row.platform in MOST_SECONDS
    }


def percentile_95(counts: list[int]) -> float:
    """The bound of the bucket in which it lies."""
    sums = list(accumulate(counts))
    return (*DELAY_BUCKETS, float("inf"))[bisect_left(sums, 0.95 * sums[-1])]


async def told_by_youtube(river: River, seconds: float) -> None:
    """Its hub takes one subscription a second."""
    await river.until(
        lambda: any(
            "youtube tells us who goes live" in line for line in (river.folder / "log").read_text(errors="replace").splitlines()
        ),
        seconds,
        "all subscriptions at YouTube's hub",
    )


async def test_on_the_second_day_every_channel_is_found_under_its_new_id_in_time_and_collected_as_on_the_first(tmp_path, figures):  # noqa: F811
    roster, count = mix(EACH)
    with River(tmp_path, count, 300, free_port(), roster=roster) as river:
        await everybody_joined(river, count - TELL)
        await river.all_read(count - TELL)
        await told_by_youtube(river, 240)
        rows, delays, desks = await known(river)
        first = on_air(rows)
        assert all(first.values()), [name for name, ids in first.items() if not ids]
        assert not delays, "the first day says nothing of discovery: it had begun before"
        new_day, begun = time.time(), time.monotonic()
        river.simulator("day")
        while behind := [name for name, ids in on_air((await known(river))[0]).items() if not ids or ids & first[name]]:
            assert time.monotonic() - begun < 420, behind[:20]
            await asyncio.sleep(1)
        figures.update(livestreams=count, broadcasts=len(first), all_found_after=round(time.monotonic() - begun))
        await river.all_read(count - TELL)
        await asyncio.sleep(20)
        rows, delays, desks = await known(river)
        figures["delay"] = {
            name: {"found": sum(counts), "p95": percentile_95(counts), "mean": round(seconds / sum(counts))}
            for name, (counts, seconds) in delays.items()
        }
        figures["units"] = {name: [desk.spent, desk.per_day] for name, desk in desks.items()}
        figures["youtube_charged"] = river.simulator("status")["youtube_units"]
        metrics = river.get_text("/metrics")
        await river.drained()
        lines, events = river.ledger(), await river.events()
        outside, missing = missing_outside_gaps(lines, events)
        wrong = wrong_numbers(await river.totals(), expected_totals(came(lines, events), events, river.deriver()))
        lost = lost_by_platform(missing)
        # Collected as on the first day: whoever spoke in the last seconds was heard, under the new id where there is one.
        late = (new_day + figures["all_found_after"]) * 1000
        spoke = {
            line.livestream
            for line in lines
            if line.kind in ("comment", "post") and line.delivered and line.at > late and line.livestream
        }
        heard = {event.livestream for event in events if event.at.timestamp() * 1000 > late}
        begun_anew = {
            event.livestream
            for event in events
            if isinstance(event, Status) and event.state == "live" and event.broadcast in on_air(rows).get(event.livestream, ())
        }
        figures.update(events=len(events), lost=dict(lost), outside_gaps=len(outside), wrong=len(wrong), spoke=len(spoke))
        assert repeated(events) == []
        assert outside == []
        assert wrong == {}
        assert not lost, lost
        assert len(spoke) > count / 3
        assert spoke <= heard
        assert begun_anew == first.keys()
        assert "livestream_discovery_delay_seconds_bucket" in metrics
        for name, most in MOST_SECONDS.items():
            found = figures["delay"][name]
            assert found["found"] == sum(rows[one].platform == name for one in first)
            assert found["p95"] <= most, figures["delay"]
        for name, desk in desks.items():
            assert not desk.per_day or desk.spent <= desk.per_day, name  # without a number it is not counted by the day
