"""Whether this task was told to stop, for loops that talk to Redis.

Needed because a cancellation can get lost: redis-py sends with ``asyncio.wait_for``, which in Python 3.11 answers normally when it is
cancelled in the moment in which the sending ends (python/cpython#86296). A loop that only waits for the exception then never ends.
"""

from __future__ import annotations

import asyncio


def stopping() -> bool:
    """True once somebody cancelled the current task, even when the exception never came."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
