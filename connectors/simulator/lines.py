"""From what a platform was told to write to the ledger's lines: the same few steps for every platform. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.simulator.ledger import Line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.simulator.ledger import Ledger
    from connectors.simulator.model import SimChannel

_spaces = re.compile(r"[ \t\r\n\f]+")


def one_line(text: str) -> str:
    """Words as a page shows them: HTML keeps no line ends and no two spaces."""
    return _spaces.sub(" ", text).strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One event that a connector must make of something: its kind, its id, and what else the ledger says of it."""

    kind: str
    id: str
    more: dict[str, Any] = field(default_factory=dict)


def write(
    ledger: Ledger, channel: SimChannel | None, platform: str, at: int, entries: Iterable[Entry], *, delivered: bool
) -> None:
    """One line each; ``channel`` is None for what is of no livestream."""
    livestream = channel.livestream if channel else None
    for entry in entries:
        ledger.write(
            Line(
                id=entry.id,
                kind=entry.kind,
                livestream=livestream,
                country=channel.country if channel else None,
                platform=platform,
                at=at,
                seq=ledger.next(livestream),
                delivered=delivered,
                **entry.more,
            )
        )
