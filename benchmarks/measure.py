"""What all benchmarks share: the shape of a figure, timing that bears other people's work on the machine, an engine to throw away."""

from __future__ import annotations

import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

from monitor.engine import Engine
from monitor.journal import Journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

T = TypeVar("T")

PARTITIONS = 16


class Row(TypedDict):
    """One line of benchmarks/results.json."""

    name: str
    value: float
    unit: str
    better: Literal["more", "less"]
    limit: float
    """The raw limit: the same bytes or waits without our work, measured (or, for waits, stated) in the same run."""
    ratio: float
    """value / limit: with "more" the share of the raw limit that is reached, with "less" how many times the raw cost."""


def row(name: str, value: float, unit: str, better: Literal["more", "less"], *, limit: float) -> Row:
    return {
        "name": name,
        "value": _shown(value),
        "unit": unit,
        "better": better,
        "limit": _shown(limit),
        "ratio": float(f"{value / limit:.3g}"),
    }


def _shown(value: float) -> float:
    """Three or four significant digits; more would be noise."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")


def rate(prepare: Callable[[], Callable[[T], object]], items: Iterable[T], rounds: int = 3) -> float:
    """Items per second of processor time, the best of some rounds; each round begins with what ``prepare`` makes anew."""
    some = list(items)
    best = float("inf")
    for _ in range(rounds):
        work = prepare()
        begun = time.process_time()
        for item in some:
            work(item)
        best = min(best, time.process_time() - begun)
    return len(some) / best


def percentile(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@asynccontextmanager
async def thrown_away() -> AsyncIterator[tuple[str, Path, Journal]]:
    """(URL, folder, journal) of an embedded Valkey as ``monitor run`` starts it, AOF and all, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lm-bench-") as folder:
        engine = Engine(Path(folder))
        url = await engine.start()
        try:
            async with Journal(url, partitions=PARTITIONS).opened() as journal:
                await journal.prepare()
                yield url, Path(folder), journal
        finally:
            await engine.stop()
