"""What all tests share: a real Valkey for the session, a client that starts clean, and a clock that tests move themselves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import redis.asyncio
from clocks import Clock
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from monitor.__main__ import main
from monitor.engine import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


ROOT = Path(__file__).resolve().parent.parent

# A timing is a benchmark, never a test: no deadline, and a slow machine is no fault of the data either. The same tree has the same
# result each time: what chance finds is looked for on purpose (--hypothesis-profile=search), not met on somebody else's submission.
_QUIET = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("house", _QUIET, derandomize=True)
hypothesis.settings.register_profile("search", _QUIET, derandomize=False, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """URL of a real server of this test session, on a unix socket in a short temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="lm-", dir="/tmp"))
    engine = Engine(folder, runtime_dir=folder)
    asyncio.run(engine.start())
    yield engine.url
    asyncio.run(engine.stop())
    shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one, because sockets are put into it."""
    path = Path(tempfile.mkdtemp(prefix="lm-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def redis_client(valkey: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of an empty server; it never retries by itself, as in production."""
    client = redis.asyncio.Redis.from_url(valkey, retry=Retry(NoBackoff(), 0))
    await client.flushall()
    await client.function_flush()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def wall() -> Path:
    """The folder of the wall as built from the sources of now, with whichever Node make setup would use."""
    subprocess.run([sys.executable, str(ROOT / "hatch_build.py")], check=True, capture_output=True, timeout=300)
    return ROOT / "monitor" / "static" / "wall"


@pytest.fixture(autouse=True)
def _discovery_keeps_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by Redis' clock, which a test cannot move; what a test says about its end it does by giving it back."""
    monkeypatch.setattr("monitor.discover.LEASE_MS", 3_600_000)


@pytest.fixture(autouse=True)
def _product_is_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a real server answers, the product's limits of a few seconds would make a test depend on the machine's load."""
    for limit in ("memory.PATIENCE_SECONDS", "roster_ask.PATIENCE_SECONDS", "spike_seen.REDIS_SECONDS", "remote.REDIS_SECONDS"):
        monkeypatch.setattr(f"monitor.{limit}", 60.0)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 10, 16, 12, 0, tzinfo=UTC))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI, what .ci/run should have installed and did not is a failure: a skipped peer must not look like a passed one."""
    report = yield
    if report.skipped and os.environ.get("CI") and "is not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.fixture
def parse_capture(tmp_path, capsysbinary):
    """`monitor parse` as somebody types it: platform and contents of the file → events, and what was complained of."""
    (tmp_path / "config.toml").write_text('[event]\nname = "Test"\ntimezone = "UTC"\n')

    def typed(platform: str, given: object) -> tuple[list[dict], list[str]]:
        raw = given if isinstance(given, bytes) else (given if isinstance(given, str) else json.dumps(given)).encode()
        (tmp_path / "given").write_bytes(raw)
        code = main(["parse", platform, str(tmp_path / "given"), "--config", str(tmp_path / "config.toml")])
        said = capsysbinary.readouterr()
        assert code == (1 if said.err else 0)
        return [json.loads(line) for line in said.out.splitlines()], said.err.decode().splitlines()

    return typed
