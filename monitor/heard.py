"""What a hint of a platform means for discovery: which channels are asked about before their turn, and when a hint is done with. Pure.

A hint is never believed, it makes us ask. A platform's own answers may lag behind what it told us, so a hint that they do not confirm is
asked about again for a while. What is known already costs no question.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.connector import Hint
    from monitor.channels import Row

SUBSCRIPTION: Final = frozenset({"subscribed", "denied", "revoked"})
"""Hints that are the pusher's and not discovery's."""
FORGOTTEN: Final = timedelta(hours=1)
"""What nobody takes in this time, because that platform is not subscribed to any more."""
INSIST: Final = timedelta(minutes=4)
"""So long after the first question is asked again what the platform does not confirm."""
AGAIN: Final = timedelta(seconds=10)
AGAIN_PAID: Final = timedelta(seconds=60)
"""The same where a day's units are counted."""


@dataclass(slots=True)
class Heard:
    """The hints that are not done with, by the name under which they are kept."""

    hints: dict[str, tuple[str, Hint]] = field(default_factory=dict)
    """Name → livestream and hint."""
    seen: dict[str, datetime] = field(default_factory=dict)
    """Name → when we first saw it, by our own clock."""
    first: dict[str, datetime] = field(default_factory=dict)
    """Name → when it was first asked about."""
    asked: dict[str, datetime] = field(default_factory=dict)
    """Livestream → when its hints were last asked about."""

    def settle(self, name: str, livestream: str | None, row: Row | None, hint: Hint, now: datetime) -> bool:
        """Take a hint over; True when nothing is left to do about it."""
        barred = row is None or row.native_id is None or row.state in ("paused", "refused", "unreachable")
        if livestream is None or row is None or barred or self._is_done(name, hint, row, now):
            for known in (self.hints, self.seen, self.first):
                known.pop(name, None)
            return True
        self.hints[name] = (livestream, hint)
        self.seen.setdefault(name, now)
        return False

    def _is_done(self, name: str, hint: Hint, row: Row, now: datetime) -> bool:
        if is_confirmed(hint, row):
            return True
        first = self.first.get(name)
        if first is None:
            return False
        announced = hint.what == "look" and any(one.id == hint.broadcast for one in row.broadcasts)
        return announced or now - first > INSIST

    def seen_of(self, platform: str) -> list[datetime]:
        """When each of its hints was first seen that has not been asked about."""
        return [self.seen[name] for name in self.hints if name not in self.first and name.startswith(f"{platform} ")]

    def due(self, rows: Mapping[str, Row], now: datetime, *, paid: bool) -> dict[str, Row]:
        """Livestream → its row with what must be confirmed, of those among ``rows`` that are asked about now."""
        mine = {name: one for name, one in self.hints.items() if one[0] in rows}
        found: dict[str, Row] = {}
        again = AGAIN_PAID if paid else AGAIN
        for name, (livestream, hint) in mine.items():
            last = self.asked.get(livestream)
            if livestream in found or name not in self.first or last is None or now - last >= again:
                found[livestream] = with_candidate(found.get(livestream, rows[livestream]), hint)
                self.first.setdefault(name, now)
        for livestream in found:
            self.asked[livestream] = now
        return found


def is_confirmed(hint: Hint, row: Row) -> bool:
    """Whether the platform's own answer says it as well, or makes it void."""
    live = [one for one in row.broadcasts if one.found_at is not None]
    match hint.what:
        case "began":
            return any(hint.broadcast in (None, one.id) for one in live) or hint.broadcast in row.over
        case "ended":
            known = row.broadcasts if hint.broadcast else live
            return not any(hint.broadcast in (None, one.id) for one in known)
        case _:
            return hint.broadcast in row.over or any(one.id == hint.broadcast for one in live)


def with_candidate(row: Row, hint: Hint) -> Row:
    """The row with the broadcast of the hint to be confirmed, where it is a broadcast's own id that is asked about."""
    if hint.what == "began" or hint.broadcast is None or hint.broadcast in row.candidates or hint.broadcast in row.over:
        return row
    return replace(row, candidates=(hint.broadcast, *row.candidates))
