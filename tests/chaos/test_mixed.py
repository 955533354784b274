"""Every platform at once, each livestream connecting anew every half minute and hearing the last fifth of before again: exact all the same.

``MIXED_MINUTES``, ``MIXED_RATE`` (events/s) and ``MIXED_LIVESTREAMS`` make it shorter or smaller for a look.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from river import RESUME, TELL, River, came, expected_totals, lost_by_platform, missing_outside_gaps, mix, repeated, wrong_numbers
from test_river import everybody_joined, figures, free_port  # noqa: F401 — a fixture

from connectors.event import Gap

if TYPE_CHECKING:
    from connectors.event import Event
    from connectors.simulator.ledger import Line

pytestmark = pytest.mark.chaos

MINUTES = float(os.environ.get("MIXED_MINUTES", "5"))
RATE = float(os.environ.get("MIXED_RATE", "2000"))
LIVESTREAMS = int(os.environ.get("MIXED_LIVESTREAMS", "1200"))
ANEW_SECONDS = 30
OVERLAP = 0.2
"""Of what a connection was told, so much is told again on the next one."""
HELD = ("youtube", "telegram")
"""Platforms whose held answers no plan of faults cuts by the clock: the test does."""
EVERY_HALF_MINUTE = f"faults?drop_every={ANEW_SECONDS}&jetstream_drop_every={ANEW_SECONDS}&overlap={OVERLAP}"


async def for_a_while(river: River, seconds: float) -> dict[str, float]:
    """Everybody connects anew every half minute; what the collector used meanwhile."""
    collector = river.pids()["collect"]
    before, begun = river.processor_seconds(collector), time.monotonic()
    turn = 0
    while (now := time.monotonic()) < begun + seconds:
        await asyncio.sleep(min(begun + seconds - now, ANEW_SECONDS / len(HELD)))
        await asyncio.to_thread(river.simulator, f"drop?platform={HELD[turn % len(HELD)]}")
        turn += 1
    lasted = time.monotonic() - begun
    assert river.pids()["collect"] == collector, "the collector died"
    return {
        "collector_cores": round((river.processor_seconds(collector) - before) / lasted, 2),
        "collector_mb": round(river.resident_mb(collector)),
        "seconds": round(lasted),
    }


def judged(lines: list[Line], events: list[Event], totals: dict[str, int], river: River) -> dict:
    """What is twice, missing where nothing may be missing, and counted wrongly."""
    outside, missing = missing_outside_gaps(lines, events)
    return {
        "twice": len(repeated(events)),
        "outside_gaps": len(outside),
        "lost": dict(lost_by_platform(missing)),
        "wrong": wrong_numbers(totals, expected_totals(came(lines, events), events, river.deriver())),
        "by_platform": dict(Counter(event.platform for event in events)),
    }


async def test_each_livestream_connects_anew_every_half_minute_with_overlap_and_everything_is_counted_once(tmp_path, figures):  # noqa: F811
    roster, count = mix(max(3, LIVESTREAMS // 6) if LIVESTREAMS < 1200 else 10_000)
    with River(tmp_path, count, RATE, free_port(), roster=roster) as river:
        begun = time.monotonic()
        await everybody_joined(river, count - TELL)
        await river.all_read(count - TELL)
        figures.update(livestreams=count, joined_after=round(time.monotonic() - begun))
        sent = river.simulator("status")["events"]
        river.simulator(EVERY_HALF_MINUTE)
        figures.update(await for_a_while(river, MINUTES * 60))
        figures["events_per_second"] = round((river.simulator("status")["events"] - sent) / figures["seconds"])
        status = river.simulator("status")
        figures["told_again"] = status["told_again"]
        again = {name.partition(".")[2]: n for name, n in status.items() if name.startswith("told_again.")}
        figures["told_again_by_platform"] = again
        river.simulator("calm")
        await river.all_read(count - TELL)
        await river.drained(300)
        lines, events = river.ledger(), await river.events()
        found = judged(lines, events, await river.totals(), river)
        gaps = Counter(event.platform for event in events if isinstance(event, Gap))
        duplicates = river.get("/api/state")["state"]["health"].get("duplicates", 0)
        figures.update(
            events=len(events),
            ledger=len(lines),
            gaps=dict(gaps),
            duplicates=duplicates,
            **{**found, "wrong": len(found["wrong"])},
        )
        assert found["twice"] == 0
        assert found["outside_gaps"] == 0
        assert not found["wrong"], found["wrong"]
        assert not found["lost"].keys() & RESUME, found["lost"]
        assert duplicates >= figures["told_again"] * 0.5 > 0, "the fault did not happen: nothing was sent twice"
        rarely = {name for name, number in found["by_platform"].items() if number > 100 and not again[name]}
        assert not rarely, "the fault did not happen everywhere"
        assert gaps["twitch"] > figures["seconds"] / ANEW_SECONDS, "the fault did not happen: nobody connected anew"
        assert figures["collector_cores"] <= 1.0
        audit = await river.audit()
        assert audit.returncode == 0, audit.stdout + audit.stderr


async def test_control_without_dedupe_what_is_sent_twice_is_counted_twice(tmp_path, figures):  # noqa: F811
    roster, count = mix(6)
    with River(tmp_path, count, 200, free_port(), roster=roster, control="no-dedupe") as river:
        await everybody_joined(river, count - TELL)
        river.simulator(EVERY_HALF_MINUTE)
        await asyncio.sleep(10)
        river.simulator("drop")
        await asyncio.sleep(10)
        river.simulator("calm")  # without the defence each new connection would go on to count anew
        await river.drained()
        found = judged(river.ledger(), await river.events(), await river.totals(), river)
        figures.update(twice=found["twice"], wrong=len(found["wrong"]))
        assert found["twice"] > 50
