"""Which searches the wall's keeper makes; one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.peak_watch import Watched
from monitor.spike_watch import Spikes
from monitor.tags import Trending
from monitor.voices import Voices

if TYPE_CHECKING:
    from monitor.keeper import Job


def jobs() -> list[Job]:
    """Fresh ones, for one keeper."""
    return [Watched(), Voices(), Trending(), Spikes()]
