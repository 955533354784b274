"""Hashtags of one batch: how often each was used in which minute and country, and by whom. Pure.

Of each batch only the most used are counted: a flood of invented ones must not fill the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.enrich.hashtags import hashtags, tag_key
from monitor.windows import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.derive_where import Where
    from monitor.entry import Entry

TAGS_AT_ONCE = 50
"""Most hashtags of one commit."""
TAG_SECONDS = 600
"""Authors of a hashtag are estimated for stretches of so long."""

Uses = dict[int, dict[tuple[str, str], int]]
"""Minute → (hashtag as spelt, country) → messages."""


class Tags:
    """The hashtags of a batch's messages, and of those that it retracts."""

    def __init__(self) -> None:
        self._used: Uses = {}
        self._taken_back: Uses = {}
        self._taggers: dict[tuple[str, str], set[str]] = {}
        """(hashtag's key, window) → who used it."""

    def add(self, entry: Entry, where: Where) -> None:
        """A message that counts now."""
        if entry.platform in where.outside:
            return
        found = hashtags(entry.text)
        slot = _count(self._used, found, entry, where)
        if entry.author is not None:
            for tag in found:
                self._taggers.setdefault((tag_key(tag), tag_window(slot)), set()).add(entry.author)

    def take_back(self, entry: Entry, where: Where) -> None:
        """A message that counted with this config. Its author stays: an estimate is never lowered."""
        if entry.platform not in where.outside:
            _count(self._taken_back, hashtags(entry.text), entry, where)

    def authors(self) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """((head, window), who used it) of each hashtag that is counted."""
        kept = {tag_key(tag) for tag in self._frequent()}
        for (tag, window), taggers in self._taggers.items():
            if tag in kept:
                yield (f"tag:{tag}", window), list(taggers)

    def groups(self) -> list[Group]:
        """Hashtags stand in minutes of their own, apart from the numbers: see docs/feed.md, trending."""
        kept = self._frequent()
        minutes: dict[int, dict[str, int]] = {}
        for minute, some in self._used.items():
            minutes[minute] = {f"tag:{tag}|{country}": units for (tag, country), units in some.items() if tag in kept}
        for minute, some in self._taken_back.items():
            fields = minutes.setdefault(minute, {})
            for (tag, country), units in some.items():
                name = f"tag:{tag}|{country}"
                fields[name] = fields.get(name, 0) - units
        return [Group([f"tags:{minute}"], fields) for minute, fields in minutes.items() if fields]

    def _frequent(self) -> set[str]:
        """The hashtags that are counted, most used first; the others of this batch are not."""
        sums: dict[str, int] = {}
        for some in self._used.values():
            for (tag, _), units in some.items():
                sums[tag] = sums.get(tag, 0) + units
        return set(sorted(sums, key=lambda tag: (-sums[tag], tag))[:TAGS_AT_ONCE])


def tag_window(at: int) -> str:
    """The window in which the authors of a hashtag are estimated."""
    return f"ten:{at // TAG_SECONDS * TAG_SECONDS}"


def _count(uses: Uses, found: Iterable[str], entry: Entry, where: Where) -> int:
    slot = where.moment(entry.at, entry.received_at)[0]
    country = where.country(entry.livestream) or "ZZ"
    for tag in found:
        some = uses.setdefault(slot // 60 * 60, {})
        some[tag, country] = some.get((tag, country), 0) + 1
    return slot
