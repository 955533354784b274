"""A session with tags, made anew: from the minutes of its livestreams, and its topics from the journal as far as that reaches. Pure.

Minutes hold each livestream's counts, so all that a session counts by country, platform and livestream is known for the whole event. What
topics a message had is in the journal only. So topics are exact when all the messages that they are of can be read there: those of the
whole session, or, when its times were merely moved, those of the time that came or went. Else they are of what can be read, and
the field ``SINCE`` says from when on.

What stands in the journal can still be retracted. It counts here with the derivation of its time, which is how it would be taken back.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from monitor.derive_where import counted_as
from monitor.reschedule import members
from monitor.windows import SINCE, as_counted, split_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.derive_where import Where
    from monitor.entry import Entry
    from monitor.reschedule import Extent

_MESSAGES = frozenset(("posts", "comments"))


class Remaking:
    """The sums of one session while it is made: all its ``minute``s, every ``entry`` of the journal, then its ``fields``."""

    def __init__(self, extent: Extent, now: Where) -> None:
        self.extent = extent
        self._now = now
        self.members = members(now.config, extent.tags)
        self._rest: defaultdict[tuple[str, str], int] = defaultdict(int)
        """(livestream, kind) → what its minutes hold and the journal does not."""
        self._fields: defaultdict[str, int] = defaultdict(int)
        self._topics: defaultdict[str, int] = defaultdict(int)
        """Of all messages of the session that the journal holds."""
        self._difference: defaultdict[str, int] = defaultdict(int)
        """Of the messages of the time that came, less those of the time that went."""
        self._unread = 0
        """Messages of the session that the journal does not hold any more."""
        self._unread_difference = 0

    def minute(self, start: int, numbers: Mapping[str, int]) -> None:
        """One minute that its extent covers, or covered before."""
        is_in, was_in = self.extent.covers(start), self.extent.covered(start)
        for name, units in numbers.items():
            dimension, livestream, kind = split_field(as_counted(name))
            if dimension != "livestream" or livestream not in self.members:
                continue
            if is_in:
                self._rest[livestream, kind] += units
            if kind in _MESSAGES:
                self._unread += units * is_in
                self._unread_difference += units * (is_in != was_in)

    def entry(self, entry: Entry, then: Where) -> None:
        """One that was counted and not retracted, with the derivation of its time."""
        livestream = entry.livestream
        if livestream is None or livestream not in self.members:
            return
        slot = then.moment(entry.at, entry.received_at)[0]
        is_in, was_in = self.extent.covers(slot), self.extent.covered(slot)
        for kind, units, topics in counted_as(entry, then) if is_in or was_in else ():
            plain = then.fields(livestream, entry.platform, kind, ())
            if is_in:
                self._rest[livestream, kind] -= units
                for field in plain:
                    self._fields[field] += units
            for field in set(then.fields(livestream, entry.platform, kind, topics)).difference(plain):
                self._topics[field] += units * is_in
                self._difference[field] += units * (is_in - was_in)
            if kind in _MESSAGES:
                self._unread -= units * is_in
                self._unread_difference -= units * (is_in != was_in)

    def fields(self, before: Mapping[str, int], since: int) -> dict[str, int]:
        """What the session holds; ``before`` is what it held, ``since`` where the journal begins (Unix seconds)."""
        sums = self._fields.copy()
        for (livestream, kind), units in self._rest.items():
            for field in self._now.fields(livestream, livestream.partition(":")[0], kind, ()):
                sums[field] += units
        topics: Iterable[tuple[str, int]] = self._topics.items()
        if self._unread and self.extent.former is not None and not self._unread_difference:
            topics = [
                *((field, units) for field, units in before.items() if field == SINCE or _is_of_topics(field)),
                *self._difference.items(),
            ]
        elif self._unread:
            topics = [*topics, (SINCE, since)]
        for field, units in topics:
            sums[field] += units
        return {field: units for field, units in sums.items() if units}


def _is_of_topics(field: str) -> bool:
    return "topic" in split_field(field)[0].split("+")
