"""Whether a YouTube channel was live before: whether one of its newest uploads was a live broadcast, or is announced as one. Pure.

``playlistItems`` of the uploads costs one unit a channel, ``videos`` one for 50 ids, so five channels with their newest ten share one: 1.2 units
a channel. Recordings that were made private or deleted are not seen. https://developers.google.com/youtube/v3/docs, checked 2026-11-20.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from connectors.connector import Unreadable
from connectors.discovery import Question, batches
from connectors.foreign import object_of
from connectors.lookup import History
from connectors.rest import Ask
from connectors.youtube.quota import cost_of
from connectors.youtube.videos import PARTS, read_videos

if TYPE_CHECKING:
    from collections.abc import Sequence

NEWEST: Final = 10
AT_ONCE: Final = 50


class Uploads(History):
    """The newest uploads of a channel."""

    name = "youtube"
    none = f"none of its newest {NEWEST} public videos was a live broadcast"

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._waiting: dict[str, str] = {}
        """Video → channel, until there are enough of them for one question."""
        self._open: set[str] = set()
        """Channels whose uploads were not told yet."""

    def units(self, channels: int) -> int:
        return channels * cost_of("playlistItems") + math.ceil(channels * NEWEST / AT_ONCE) * cost_of("videos")

    def questions(self, native_ids: Sequence[str]) -> list[Question]:
        self._open.update(native_ids)
        return [self._question("playlistItems", {"part": "contentDetails", "playlistId": f"UU{one[2:]}", "maxResults": str(NEWEST)}, one)
                for one in native_ids]  # fmt: skip

    def _question(self, method: str, query: dict[str, str], *about: str) -> Question:
        ask = Ask(url=f"{str(self.opts.url).rstrip('/')}/{method}?{urlencode(query, safe=',')}")
        return Question(what="status", ask=ask, about=about, cost=cost_of(method))

    def says_nothing_there(self, question: Question, status: int) -> bool:
        return status == 404 and "/playlistItems?" in question.ask.url  # a channel that never put up anything

    def read(self, question: Question, body: bytes) -> tuple[dict[str, bool], list[Question]]:
        if "/videos?" in question.ask.url:
            return self._read_videos(question, body)
        (channel,) = question.about
        ids = _uploaded(body) if body else []
        self._open.discard(channel)
        self._waiting.update(dict.fromkeys(ids, channel))
        known = {} if ids else {channel: False}
        return known, self._videos(every=not self._open)

    def _videos(self, *, every: bool) -> list[Question]:
        """Full questions; the last one need not be full."""
        some = [ids for ids in batches(tuple(self._waiting), AT_ONCE) if every or len(ids) == AT_ONCE]
        found = []
        for ids in some:
            owners = tuple(self._waiting.pop(one) for one in ids)
            query = {"part": PARTS, "id": ",".join(ids), "maxResults": str(AT_ONCE)}
            found.append(self._question("videos", query, *dict.fromkeys(owners)))
        return found

    def _read_videos(self, question: Question, body: bytes) -> tuple[dict[str, bool], list[Question]]:
        lived = {video.channel for video in read_videos(body) if video.state != "none"}
        return {channel: channel in lived for channel in question.about}, []


def _uploaded(body: bytes) -> list[str]:
    rows = object_of(body).get("items")
    if not isinstance(rows, list):
        raise Unreadable("no_items")
    details = [row.get("contentDetails") for row in rows if isinstance(row, dict)]
    ids = [detail.get("videoId") for detail in details if isinstance(detail, dict)]
    return [one for one in ids if isinstance(one, str) and one.isascii() and 6 <= len(one) <= 20]
