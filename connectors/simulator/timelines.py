"""The hashtag timelines of an instance, by page: pure.

A timeline stands in the order of its ids, and an id holds the time of writing; so what arrives late stands below what is newer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final

import msgspec

from connectors.simulator.statuses import Post, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.simulator.model import SimChannel

KEPT: Final = 20_000
"""Posts of an instance; older ones are in no timeline."""
PAGE: Final = 20
LARGEST_PAGE: Final = 40
_encode = msgspec.json.Encoder().encode


class Shown:
    """A post in the timelines."""

    __slots__ = ("channel", "data", "id", "post", "seen")

    def __init__(self, post: Post, channel: SimChannel | None) -> None:
        self.id = post.id
        self.post = post
        self.channel = channel
        self.data = _encode(status(post))
        self.seen = False
        """Somebody was given it."""

    def __lt__(self, other: Shown) -> bool:
        return self.id < other.id


class Timelines:
    """All posts that the instance keeps."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._all: list[Shown] = []
        self._by_tag: dict[str, list[Shown]] = {}

    def add(self, shown: Shown) -> None:
        insort(self._all, shown)
        for tag in shown.post.tags:
            insort(self._by_tag.setdefault(tag, []), shown)
        if len(self._all) > self._kept * 5 // 4:
            self._trim()

    def remove(self, shown: Shown) -> None:
        for rows in (self._all, *(self._by_tag.get(tag, []) for tag in shown.post.tags)):
            place = bisect_left(rows, shown)
            if place < len(rows) and rows[place] is shown:
                del rows[place]

    def page(self, tag: str, query: Mapping[str, str]) -> list[Shown]:
        """Oldest first; ``min_id`` gives what follows that id, anything else the newest that fit."""
        rows = self._by_tag.get(tag.casefold(), [])
        most = min(LARGEST_PAGE, max(1, _number(query.get("limit"), PAGE)))
        above = max(_number(query.get("min_id"), 0), _number(query.get("since_id"), 0))
        first = bisect_right(rows, above, key=lambda shown: shown.id)
        last = bisect_left(rows, _number(query.get("max_id"), 1 << 100), key=lambda shown: shown.id)
        found = rows[first:last]
        return found[:most] if "min_id" in query else found[-most:]

    def _trim(self) -> None:
        gone, self._all = self._all[: -self._kept], self._all[-self._kept :]
        oldest = self._all[0]
        for tag in {tag for shown in gone for tag in shown.post.tags}:
            rows = self._by_tag[tag]
            del rows[: bisect_left(rows, oldest)]


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
