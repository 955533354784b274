"""Runs the benchmarks, each in a process of its own, and writes benchmarks/results.json and benchmarks/machine.json.

``python -m benchmarks [--quick] [--only count,parse_twitch]``; the rows go to standard output as JSON, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks import NAMES

FOLDER = Path(__file__).parent


def machine() -> dict[str, object]:
    """What a figure means nothing without."""
    from monitor.engine import _binary

    server = subprocess.run([str(_binary()), "--version"], capture_output=True, text=True, check=True).stdout
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": models[0] if models else platform.processor(),
        "memory_gib": round(memory[0] / 1024**2, 1) if memory else None,
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "valkey": next((word[2:] for word in server.split() if word.startswith("v=")), server.strip()),
        **{name: version(name) for name in ("redis", "hiredis", "msgspec", "orjson", "ahocorasick-rs", "uvloop")},
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # not Linux
        return []


def measured(name: str, *, quick: bool) -> list[dict[str, object]]:
    """The rows of one benchmark, from a fresh interpreter: caches, collected garbage and the allocator's holes stay behind."""
    command = [sys.executable, "-m", "benchmarks", "--here", name, *(["--quick"] if quick else [])]
    answer = subprocess.run(command, stdout=subprocess.PIPE, cwd=FOLDER.parent, check=True, timeout=600)
    rows: list[dict[str, object]] = json.loads(answer.stdout)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", metavar="NAME,…", help=f"some of {', '.join(NAMES)}; results.json then holds these alone")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it works, not how fast it is")
    parser.add_argument("--here", choices=NAMES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        module = import_module(f"benchmarks.{args.here}")
        print(json.dumps(module.run(module.QUICK if args.quick else module.SIZE)))
        return 0
    wanted = args.only.split(",") if args.only else list(NAMES)
    if unknown := [name for name in wanted if name not in NAMES]:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(NAMES)}")
    about = machine()
    rows: list[dict[str, object]] = []
    failed: list[str] = []
    for number, name in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {name} …", end=" ", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            found = measured(name, quick=args.quick)
        except subprocess.SubprocessError as error:  # its traceback stands above; the others still count
            failed.append(name)
            print(f"    failed: {error}", file=sys.stderr)
            continue
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
        for each in found:
            print("    {name}: {value:,} {unit} (limit {limit:,}, ratio {ratio})".format(**each), file=sys.stderr, flush=True)
        rows += found
    (FOLDER / "machine.json").write_text(json.dumps({**about, "quick": args.quick}, indent=2) + "\n")
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / "results.json").write_text(text)
    print(text, end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
