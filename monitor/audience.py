"""Who watches: what one wall is sent in a tick, and when it has stopped reading. Knows no socket. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.profiles import Profile

MOST_BACKLOG = 512 * 1024
STUCK_SECONDS = 4.0
"""A client that for so long has neither answered a ping nor read of its backlog has stopped reading."""


class Transport(Protocol):
    """The part of asyncio.WriteTransport that the feed uses."""

    def write(self, data: bytes, /) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def abort(self) -> None: ...


@dataclass(eq=False, slots=True)
class Client:
    """One wall."""

    transport: Transport
    is_open: Callable[[], bool]
    profile: Profile = "room"
    behind: bool = False
    """It missed a delta or asked again: it gets a snapshot next."""
    backlog: int = 0
    read_at: float = 0.0
    """When it last proved that it reads (monotonic seconds): it came, answered a ping, or its backlog shrank."""


def verdict(client: Client, backlog: int, now: float, most: int = MOST_BACKLOG) -> Literal["send", "skip", "drop"]:
    """What to do with a client this tick; remembers its backlog.

    The kernel takes in much before a backlog shows, so silence alone must end a connection too.
    """
    if backlog < client.backlog:
        client.read_at = now
    client.backlog = backlog
    if backlog > most or now - client.read_at > STUCK_SECONDS:
        return "drop"
    return "skip" if backlog else "send"
