"""memory: what livestreams cost the collector that reads them while nothing is said.

``monitor run`` on the sample roster, all platforms of it played and nearly silent; the resident memory of its one collector once every
livestream is joined. The limit is the same process with one livestream: interpreter, modules and clients, which no livestream changes.
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.event_to_frame import asked
from benchmarks.measure import Row, row

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE, QUICK = 1200, 40
"""Livestreams."""
RATE = 0.01
"""Events a second of all of them."""
JOIN_SECONDS = 300
SETTLE_SECONDS = 5.0


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@contextmanager
def joined(livestreams: int, rate: float, seconds: float = JOIN_SECONDS) -> Iterator[dict[str, int]]:
    """Role → pid of a monitor whose livestreams are all joined."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lm-bench-") as folder:
        # While a ledger is kept nobody goes offline.
        command = [
            sys.executable, "-m", "monitor", "run", "--data-dir", folder, "--port", str(port), "--livestreams", str(livestreams),
            "--rate", str(rate), "--ledger", f"{folder}/ledger",
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "MONITOR_REDIS_URL"}
        river = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        try:
            until = time.monotonic() + seconds
            found: dict[str, int] = {}
            while found.get("live", 0) + found.get("quiet", 0) < livestreams:
                if river.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"not all of {livestreams} livestreams joined: {found}")
                time.sleep(0.5)
                with suppress(OSError):
                    found = asked(f"http://127.0.0.1:{port}/api/state")["state"].get("livestreams", {})
            time.sleep(SETTLE_SECONDS)
            yield json.loads((Path(folder) / "run.json").read_bytes())["roles"]
        finally:
            river.send_signal(signal.SIGINT)
            river.wait(60)


def run(size: int = SIZE) -> list[Row]:
    with joined(1, RATE) as roles:
        alone = megabytes(roles["collect"])
    with joined(size, RATE) as roles:
        together = megabytes(roles["collect"])
    return [row("collect.idle_memory", together, "MB", "less", limit=alone)]
