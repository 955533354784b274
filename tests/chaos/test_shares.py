"""Three collectors share the livestreams; one is killed, and the others go on where it stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import defaultdict
from datetime import datetime

import pytest
from river import RESUME, TELL, River, came, expected_totals, lost_by_platform, missing_outside_gaps, mix, repeated, wrong_numbers
from test_river import everybody_joined, figures, free_port  # noqa: F401 — a fixture

from monitor.collect_plan import SHARES, share_of_channel
from monitor.engine import find_url
from monitor.journal import Journal

pytestmark = pytest.mark.chaos

WITHIN_SECONDS = 10.0


class Shares:
    """Who owns what, as Redis says it."""

    def __init__(self, river: River) -> None:
        self.river = river

    async def owners(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        async with Journal(find_url(self.river.folder) or "").opened() as journal:
            for share, owner in (await journal.redis.hgetall("{collect}:owners")).items():
                found[owner.decode()].add(int(share))
        return found

    async def shared_by(self, collectors: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            owned = await self.owners()
            if (
                len(owned) == collectors
                and sum(map(len, owned.values())) == SHARES
                and max(map(len, owned.values())) <= 1 + SHARES // collectors
            ):
                return
            assert time.monotonic() < end, {name: len(shares) for name, shares in owned.items()}
            await asyncio.sleep(0.2)

    async def left_by(self, names: set[str]) -> str:
        """Which of these members lost its lease."""
        end = time.monotonic() + 30
        while len(gone := names - set(await self.owners())) != 1:
            assert time.monotonic() < end, "nobody took its shares"
            await asyncio.sleep(0.1)
        return gone.pop()


async def taken_over(shares: Shares, dead: str, lost: set[int], killed_at: float) -> tuple[float, float]:
    """Seconds until all its shares have other owners, and until a connector elsewhere speaks of every livestream in them."""
    begun = time.monotonic()
    owned = running = 0.0
    mine = {
        name
        for name, row in (await shares.river.states()).items()
        if row["platform"] != "webhook.simulated"
        and row["state"] in ("live", "quiet", "connecting", "broken")
        and share_of_channel(row["platform"], name) in lost
    }
    assert mine, "the one that was killed had nothing to do"
    while not owned or not running:
        owners = await shares.owners()
        if not owned and not owners.get(dead) and sum(map(len, owners.values())) == SHARES:
            owned = time.monotonic() - begun
        rows = await shares.river.states()
        behind = [name for name in mine if datetime.fromisoformat(rows[name]["since"]).timestamp() <= killed_at]
        if owned and not running and not behind:
            running = time.monotonic() - begun
        assert time.monotonic() - begun < 60, (len(owners.get(dead, ())), behind[:10], len(behind), len(mine))
        await asyncio.sleep(0.1)
    return round(owned, 1), round(running, 1)


async def test_one_of_three_collectors_killed_its_share_runs_elsewhere_and_nothing_is_missing_or_twice(tmp_path, figures):  # noqa: F811
    roster, count = mix(40)
    with River(tmp_path, count, 400, free_port(), roster=roster) as river:
        await everybody_joined(river, count - TELL)
        await river.all_read(count - TELL)
        shares = Shares(river)
        first = set(await shares.owners())
        victim = river.another_collector()
        river.another_collector()
        await shares.shared_by(3, 60)
        await river.all_read(count - TELL)
        await asyncio.sleep(15)
        owners = await shares.owners()
        killed_at = time.time()
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait(10)
        river.beside.remove(victim)
        dead = await shares.left_by(set(owners) - first)
        seen = time.time() - killed_at
        owned, running = await taken_over(shares, dead, owners[dead], killed_at)
        figures.update(
            owned_within=round(owned + seen, 1), running_within=round(running + seen, 1), shares_lost=len(owners[dead])
        )
        await river.all_read(count - TELL)
        await asyncio.sleep(10)
        river.another_collector()  # the killed one comes back, under its name
        await shares.shared_by(3, 60)
        figures["returned_as_itself"] = dead in await shares.owners()
        await river.all_read(count - TELL)
        await asyncio.sleep(15)
        await river.drained()
        lines, events = river.ledger(), await river.events()
        outside, missing = missing_outside_gaps(lines, events)
        wrong = wrong_numbers(await river.totals(), expected_totals(came(lines, events), events, river.deriver()))
        lost = lost_by_platform(missing)
        figures.update(
            events=len(events), ledger=len(lines), lost=dict(lost), wrong=len(wrong),
            webhooks=sum(event.platform in ("webhook.simulated", "kick") for event in events),
            gaps=sum(type(event).__name__ == "Gap" for event in events),
        )  # fmt: skip
        assert repeated(events) == []
        assert outside == []
        assert wrong == {}
        assert not lost.keys() & RESUME, lost
        assert lost["twitch"] > 0, "the fault did not happen: nothing was missed"
        assert figures["returned_as_itself"]
        assert figures["webhooks"] > 100
        assert figures["owned_within"] <= WITHIN_SECONDS
        assert figures["running_within"] <= WITHIN_SECONDS
        audit = await river.audit()
        assert audit.returncode == 0, audit.stdout + audit.stderr
