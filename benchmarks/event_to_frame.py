"""event_to_frame: the whole river on this machine, from the simulator's clock to the frame in which an event first stands.

``monitor run`` with a data folder of its own and 500 events/s; the percentiles are the feed's own, of its last minute, so what the start
costs must be more than a minute ago. The limit: how late the simulated platforms deliver (they hold the chat of busy rooms back for up to
three seconds, as the real ones do), measured in the journal, and the waits that we state: for collect's flush, count's round and the
feed's tick, together at worst their sum and on average half of it. ``flow`` says how much was counted meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from benchmarks.measure import PARTITIONS, Row, percentile, row
from monitor.collect import FLUSH_SECONDS
from monitor.engine import find_url
from monitor.entry import decode_entry
from monitor.journal import key
from monitor.reader import ROUND_SECONDS

SIZE, QUICK = 75, 8
"""Seconds of flow before the percentiles are read."""
RATE = 500
TICK_SECONDS = 0.25
START_SECONDS = 90


def asked(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def flowing(url: str, river: subprocess.Popen[bytes]) -> None:
    """Return when the first events stood in a frame."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if river.poll() is not None:
            raise RuntimeError(f"monitor run ended with exit code {river.returncode}")
        try:
            if "event_to_wall_ms" in asked(url)["state"].get("health", {}):
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"no event came to the wall in {START_SECONDS} s")


def delivery_ms(url: str) -> list[float]:
    """How old the events of the last minute were when they reached us."""
    since = f"{time.time_ns() // 1_000_000 - 60_000}-0"
    ages: list[float] = []
    with redis.Redis.from_url(url) as server:
        for partition in range(PARTITIONS):
            for _, fields in server.xrange(key(partition, "s"), min=since):
                entry = decode_entry(fields[b"d"])
                if entry.kind == "message":
                    received, at = datetime.fromisoformat(entry.received_at), datetime.fromisoformat(entry.at)
                    ages.append((received - at).total_seconds() * 1000)
    return ages


def run(size: int = SIZE) -> list[Row]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api/state"
    with tempfile.TemporaryDirectory(prefix="lm-bench-") as folder:
        command = [sys.executable, "-m", "monitor", "run", "--data-dir", folder, "--port", str(port), "--rate", str(RATE)]
        environment = {name: value for name, value in os.environ.items() if name != "MONITOR_REDIS_URL"}
        river = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            flowing(url, river)
            before, begun = asked(url)["state"]["totals"]["engagement"]["total"], time.monotonic()
            time.sleep(size)
            state = asked(url)["state"]
            late = delivery_ms(find_url(Path(folder)) or "")
            counted = (state["totals"]["engagement"]["total"] - before) / (time.monotonic() - begun)
        finally:
            river.send_signal(signal.SIGINT)
            river.wait(60)
    found, waits = state["health"]["event_to_wall_ms"], (FLUSH_SECONDS + ROUND_SECONDS + TICK_SECONDS) * 1000
    return [
        row("event_to_frame.p50", found["p50"], "ms", "less", limit=percentile(late, 50) + waits / 2),
        row("event_to_frame.p99", found["p99"], "ms", "less", limit=percentile(late, 99) + waits),
        row("event_to_frame.flow", counted, "events/s", "more", limit=RATE),
    ]
