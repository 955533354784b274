"""What goes wrong on purpose: everything off unless asked, so that a test says which trouble it wants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Mean periods in seconds, each per socket and drawn exponentially; None = never."""

    reconnect_every: float | None = None
    """Twitch orders RECONNECT and closes the old socket ``reconnect_grace`` seconds later."""
    reconnect_grace: float = 15.0
    drop_every: float | None = None
    """A Twitch socket is cut without a close frame."""
    jetstream_drop_every: float | None = None
    """The same for Jetstream."""
    jitter_us: int = 3000
    """Jetstream's ``time_us`` goes back and forth by up to this much; never monotonic in the wild either."""


MILD = Faults(reconnect_every=7200, drop_every=7200, jetstream_drop_every=7200)
"""What `monitor run` uses: about one interruption an hour for each socket."""
