"""A plugin for looking for tests that depend on the time: ``-p edges`` begins each test just before the next edge of libfaketime's clock.

``EDGE="86400 -0.3 57600"`` means three tenths of a second before 16:00 UTC of the next day: every so many seconds, this much off, from this
second on. The clock is the file that ``FAKETIME_TIMESTAMP_FILE`` names; it only goes forwards, and children read it too.
docs/gotchas.md has the commands; nothing of this runs in ``make test``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    every, off, begin = map(float, os.environ["EDGE"].split())
    file = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
    now = time.time()
    edge = ((now - begin - off) // every + 1) * every + begin + off
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(f"{float(file.read_text()) + edge - now:+.6f}", encoding="ascii")
    new.replace(file)
