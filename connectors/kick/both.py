"""A capture that holds webhooks and frames of the socket at once tells each gift and subscription twice, without an id in common. Pure.

While running the webhooks alone count them. Of a capture the first of both counts, and the other is recognised by who gave what: as often as one source
told it before, the other tells it again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from connectors.event import Gift
from connectors.kick.parse import NEEDED

if TYPE_CHECKING:
    from connectors.event import Event

_What = tuple[str, str, int, int]


class Both:
    """Remembers what each source told that the other has not told yet."""

    def __init__(self) -> None:
        self._owed: dict[bool, Counter[_What]] = {True: Counter(), False: Counter()}
        self._counts: dict[str, bool] = {}
        """Of each gift by its id whether it counts: one that comes again stays what it was."""

    def new_of(self, events: list[Event]) -> list[Event]:
        """The events of one payload, or none when the other source told its gift before."""
        gift = next((event for event in events if isinstance(event, Gift)), None)
        if gift is None:
            return events
        if gift.id in self._counts:
            return events if self._counts[gift.id] else []
        by_webhook = gift.id.split(":")[1] in NEEDED
        what = (gift.name, (gift.author_name or "").casefold(), gift.amount_minor, gift.count)
        is_told = self._owed[not by_webhook][what] > 0
        self._counts[gift.id] = not is_told
        if is_told:
            self._owed[not by_webhook][what] -= 1
            return []
        self._owed[by_webhook][what] += 1
        return events
