"""The benchmarks have one shape, so that make bench can join and compare them; how fast anything is, no test says."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import NAMES
from benchmarks.measure import Row, percentile, row

ROOT = Path(__file__).resolve().parent.parent
SHARED = {"__init__", "__main__", "chat", "discovery_world", "measure", "spike_power", "spike_world"}


def test_every_module_in_the_folder_is_run_by_make_bench():
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - SHARED == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_with_its_own_size_unless_told_another(name):
    module = import_module(f"benchmarks.{name}")
    (size,) = inspect.signature(module.run).parameters.values()
    assert size.default == module.SIZE > module.QUICK > 0
    assert module.__doc__ is not None
    assert "limit" in module.__doc__, "say what the raw limit is"


def test_rows_are_what_results_json_promises():
    rows = import_module("benchmarks.parse_twitch").run(50) + import_module("benchmarks.enrich").run(50)
    assert [found["name"] for found in rows] == ["parse.twitch", "enrich", "classify", "enrich.normalise"]
    for found in rows:
        assert found.keys() == Row.__annotations__.keys()
        assert found["better"] in ("more", "less")
        assert found["unit"]
        assert found["value"] > 0
        assert found["ratio"] == pytest.approx(found["value"] / found["limit"], rel=0.01)
        assert json.loads(json.dumps(found)) == found


def test_no_two_benchmarks_write_the_same_name():
    found = [
        name for each in NAMES for name in re.findall(r'\brow\(\s*"([^"]+)"', (ROOT / "benchmarks" / f"{each}.py").read_text())
    ]
    assert len(found) == len(set(found))
    assert {"parse.twitch", "enrich", "classify", "collect", "count", "event_to_frame.p99"} <= set(found)


def test_a_ratio_is_of_the_exact_figures_not_of_the_shown_ones():
    found = row("x", 12345.678, "events/s", "more", limit=0.000123456)
    assert (found["value"], found["limit"], found["ratio"]) == (12346, 0.0001235, 100_000_000.0)


def test_percentiles_are_values_that_occurred():
    assert [percentile([3.0, 1.0, 2.0], percent) for percent in (0, 50, 99, 100)] == [1.0, 2.0, 3.0, 3.0]


def test_an_unknown_name_is_answered_with_those_that_exist():
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "count,speed"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "no benchmark is called speed" in answer.stderr
    assert "parse_twitch" in answer.stderr
