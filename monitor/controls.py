"""Defences that a chaos test may switch off, to prove that they are needed. Never set outside tests; said loudly when it is.

``MONITOR_CONTROL`` holds names separated by commas: ``no-rewind`` (a lost tail is not sent again), ``no-dedupe`` (repeats are appended).
"""

from __future__ import annotations

import logging
import os

KNOWN = frozenset({"no-rewind", "no-dedupe"})

log = logging.getLogger("monitor.controls")


def switched_off() -> frozenset[str]:
    """The defences that are off in this process."""
    names = frozenset(filter(None, os.environ.get("MONITOR_CONTROL", "").split(",")))
    if unknown := names - KNOWN:
        raise ValueError(f"MONITOR_CONTROL names {', '.join(sorted(unknown))}; known are {', '.join(sorted(KNOWN))}")
    if names:
        log.warning("DEFENCES ARE OFF, THE NUMBERS WILL BE WRONG: %s", ", ".join(sorted(names)))
    return names
