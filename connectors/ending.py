"""Tasks that are told to end, until they have.

Needed because a cancellation can get lost: what sends with ``asyncio.wait_for`` (redis-py does) answers normally in Python 3.11 when it is
cancelled in the moment in which the sending ends (python/cpython#86296). Whoever cancelled once and waits then waits for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

AGAIN_SECONDS = 5.0
"""Who has not ended by then is told again; longer than it takes to say goodbye to a server."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and again until each has ended; how they ended is not said. Who is cancelled here has still ended them all."""
    left = {task for task in tasks if not task.done()}
    cancelled = False
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            cancelled = True
        left = {task for task in left if not task.done()}
    if cancelled:
        raise asyncio.CancelledError
