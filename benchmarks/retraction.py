"""retraction: from the moment a deletion is in the journal until a wall's frame has the message no more, over the whole river.

``monitor run`` with a data folder of its own and 500 events/s; deletions of messages that stand on the wall are put into its journal, one by
one, while counting, keeping and showing go on as always. The limit: the waits that we state, count's round and the feed's tick, together
at worst their sum and on average half of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import websockets

from benchmarks.event_to_frame import RATE, START_SECONDS, TICK_SECONDS, flowing
from benchmarks.measure import PARTITIONS, Row, percentile, row
from connectors.event import Removed, as_json
from monitor.engine import find_url
from monitor.journal import Journal, digest, partition_of
from monitor.patch import apply_patch
from monitor.reader import ROUND_SECONDS

SIZE, QUICK = 40, 4
"""Messages that are deleted."""


class Wall:
    """What a wall knows of highlights, and since when."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.changed = asyncio.Condition()

    async def follow(self, port: int) -> None:
        origin: Any = f"http://127.0.0.1:{port}"
        async with websockets.connect(f"ws://127.0.0.1:{port}/feed", origin=origin, max_size=None) as feed:
            async for frame in feed:
                found = json.loads(frame)
                self.state = found["state"] if found["type"] == "snapshot" else apply_patch(self.state, found["patch"])
                async with self.changed:
                    self.changed.notify_all()

    async def some(self) -> tuple[str, dict[str, Any]]:
        """The newest message that may be quoted."""
        async with asyncio.timeout(START_SECONDS), self.changed:
            await self.changed.wait_for(lambda: self.state.get("highlights"))
            name: str = list(self.state["highlights"])[-1]
            return name, self.state["highlights"][name]

    async def without(self, name: str) -> None:
        async with asyncio.timeout(START_SECONDS), self.changed:
            await self.changed.wait_for(lambda: name not in self.state["highlights"])


async def measured(size: int, port: int, url: str) -> list[float]:
    """Milliseconds of each."""
    wall = Wall()
    found: list[float] = []
    async with Journal(url, partitions=PARTITIONS).opened() as journal:
        following = asyncio.create_task(wall.follow(port))
        try:
            for number in range(size):
                name, one = await wall.some()
                await asyncio.sleep(0.05 + number % 7 * 0.04)  # so that it does not always meet the same moment of a tick
                now = datetime.now(UTC)
                gone = Removed(
                    id=f"bench:{number}",
                    platform=one["platform"],
                    livestream=one["livestream"],
                    at=now,
                    received_at=now,
                    target=name,
                )
                begun = time.perf_counter()
                await journal.ingest(partition_of(one["livestream"], PARTITIONS), [(digest(gone.id), as_json(gone))], tail=None)
                await wall.without(name)
                found.append((time.perf_counter() - begun) * 1000)
        finally:
            following.cancel()
    return found


def run(size: int = SIZE) -> list[Row]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lm-bench-") as folder:
        command = [sys.executable, "-m", "monitor", "run", "--data-dir", folder, "--port", str(port), "--rate", str(RATE)]
        environment = {name: value for name, value in os.environ.items() if name != "MONITOR_REDIS_URL"}
        river = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            flowing(f"http://127.0.0.1:{port}/api/state", river)
            took = asyncio.run(measured(size, port, find_url(Path(folder)) or ""))
        finally:
            river.send_signal(signal.SIGINT)
            river.wait(START_SECONDS)
    waits = (ROUND_SECONDS + TICK_SECONDS) * 1000
    return [
        row("retraction.p50", percentile(took, 50), "ms", "less", limit=waits / 2),
        row("retraction.p95", percentile(took, 95), "ms", "less", limit=waits),
    ]
