"""The main job under fire: kills of every part, and the controls that prove that each defence is needed."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from ports import free_port
from river import River, arrived, compared, expected_totals, missing_outside_gaps, repeated, wrong_numbers

pytestmark = pytest.mark.chaos


@pytest.fixture
def figures(request):
    """What was measured goes to a file, for the closing note."""
    found: dict = {"test": request.node.name}
    yield found
    with Path("benchmarks/chaos.json").open("a") as file:
        file.write(json.dumps(found) + "\n")


async def everybody_joined(river: River, livestreams: int, seconds: float = 240) -> None:
    await river.until(lambda: river.joined() >= livestreams, seconds, f"{livestreams} livestreams joined")


async def check_exact(river: River, figures: dict) -> None:
    """Totals per country, topic, pair and platform equal the ledger's, and the audit agrees."""
    await river.drained()
    lines, events = river.ledger(), await river.events()
    assert repeated(events) == []
    outside, missing = missing_outside_gaps(lines, events)
    # What was said before a chat was first opened lies in the gap of the start; nothing that reached a connected client may be missing.
    lost = sum(line.delivered for line in missing)
    expected = expected_totals(arrived(lines, events), events, river.deriver())
    wrong = wrong_numbers(await river.totals(), expected)
    figures.update(
        events=len(events),
        ledger=len(lines),
        lost=lost,
        numbers=len(compared(expected)),
        wrong=len(wrong),
        killed=dict(river.killed),
    )
    assert outside == []
    assert wrong == {}
    audit = await river.audit()
    assert audit.returncode == 0, audit.stdout + audit.stderr


async def test_counter_server_and_valkey_killed_ten_times_each_and_every_number_is_exact(tmp_path, figures):
    with River(tmp_path, 1200, 2000, free_port()) as river:
        await everybody_joined(river, 1200)
        await river.all_known()
        started = time.monotonic()
        for _ in range(10):
            for role in ("count", "serve", "valkey"):
                await asyncio.sleep(2.5)
                await river.kill(role)
        await asyncio.sleep(max(0.0, started + 120 - time.monotonic()))
        await check_exact(river, figures)
        assert river.killed == {"count": 10, "serve": 10, "valkey": 10}
        assert figures["events"] > 150_000
        assert figures["lost"] == 0


async def test_valkey_that_lost_20_kb_of_its_log_is_made_whole(tmp_path, figures):
    with River(tmp_path, 200, 1000, free_port()) as river:
        await everybody_joined(river, 200)
        cut = 0
        for _ in range(3):
            await asyncio.sleep(8)
            cut += await river.kill_engine_and_cut(20_000)
        await asyncio.sleep(5)
        figures["cut"] = cut
        await check_exact(river, figures)
        log = (tmp_path / "log").read_text(errors="replace")
        figures["lost_tails"] = log.count("lost its tail")
        assert cut == 60_000
        assert figures["lost_tails"] > 0, "the fault did not happen: nothing was lost"


async def test_collector_killed_ten_times_nothing_twice_and_what_is_missing_lies_in_a_gap(tmp_path, figures):
    with River(tmp_path, 400, 800, free_port()) as river:
        await everybody_joined(river, 400)
        for _ in range(10):
            await asyncio.sleep(12)
            await river.kill("collect")
        await asyncio.sleep(5)
        await everybody_joined(river, 400)
        await river.drained()
        lines, events = river.ledger(), await river.events()
        outside, missing = missing_outside_gaps(lines, events)
        lost = len(missing)
        lost_posts = [
            line
            for line in lines
            if line.platform == "bluesky" and line.kind == "post" and line.id not in {event.id for event in events}
        ]
        ids = {event.id for event in events}
        seen = {line.livestream for line in lines if line.platform == "youtube" and line.id in ids}
        first = {name: min(line.at for line in lines if line.livestream == name and line.id in ids) for name in seen}
        lost_chat = [
            line for line in lines if line.livestream in seen and line.kind in ("comment", "gift") and line.id not in ids
        ]
        lost_chat = [line for line in lost_chat if line.at >= first[line.livestream]]
        figures.update(
            events=len(events), ledger=len(lines), lost=lost, gaps=sum(event.__class__.__name__ == "Gap" for event in events)
        )
        assert repeated(events) == []
        assert lost > 0, "the fault did not happen: nothing was missed"
        assert outside == []
        assert lost_posts == []  # Jetstream resumes
        assert lost_chat == []  # and so does YouTube, by its tokens
        audit = await river.audit()
        assert audit.returncode == 0, audit.stdout + audit.stderr


async def test_control_without_the_rewind_a_cut_log_loses_events(tmp_path, figures):
    with River(tmp_path, 100, 1000, free_port(), control="no-rewind") as river:
        await everybody_joined(river, 100)
        await asyncio.sleep(8)
        assert await river.kill_engine_and_cut(200_000) == 200_000
        await asyncio.sleep(5)
        with pytest.raises(AssertionError):
            await check_exact(river, figures)
        assert figures["wrong"] > 0


async def test_control_without_dedupe_a_restart_counts_twice(tmp_path, figures):
    with River(tmp_path, 100, 1000, free_port(), control="no-dedupe") as river:
        await everybody_joined(river, 100)
        await asyncio.sleep(8)
        await river.kill("collect")  # the next one sends again what it finds in the spool
        await asyncio.sleep(5)
        await river.drained()
        assert len(repeated(await river.events())) > 0
