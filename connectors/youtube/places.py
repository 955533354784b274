"""Where each chat stands: the cursor that is stored, and the Gap when it is of no use any more. Pure.

A channel may have two broadcasts at once, so its cursor is a JSON object: video id → [page token, time of the batch it came with].
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from connectors.connector import Mark, Resume
from connectors.event import Gap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.connector import Target

WHOLE_HISTORY = 50
"""A chat that begins with fewer messages than this began not long ago: nothing was before them."""


class Place(NamedTuple):
    """How far a chat was read."""

    token: str
    """Empty when YouTube does not know it any more."""
    at: datetime


class Places:
    """Of all chats of a connection; each livestream begins where its target says that the previous owner stopped."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, Place]] = {}

    def of(self, livestream: str, targets: Mapping[str, Target]) -> dict[str, Place]:
        """Video → place."""
        if livestream not in self._places:
            target = targets.get(livestream)
            self._places[livestream] = read_cursor(target.resume.cursor if target else None)
        return self._places[livestream]

    def forget(self, livestream: str) -> None:
        self._places.pop(livestream, None)

    def mark(self, livestream: str) -> Mark:
        kept = {
            video: [place.token, place.at.isoformat()] for video, place in self._places.get(livestream, {}).items() if place.token
        }
        return Mark(livestreams=(livestream,), cursor=json.dumps(kept, separators=(",", ":")))


def read_cursor(cursor: str | None) -> dict[str, Place]:
    """Nothing of a cursor that cannot be read."""
    try:
        found = {
            video: Place(str(token), datetime.fromisoformat(at)) for video, (token, at) in json.loads(cursor or "{}").items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
    return {video: place for video, place in found.items() if place.at.tzinfo}


def gap_before(
    livestream: str, video: str, *, lost: Place | None, resume: Resume, started_at: datetime | None, oldest: datetime | None, items: int,
    now: datetime,
) -> Gap | None:  # fmt: skip
    """What may be missing before the recent history (``items`` messages from ``oldest``) with which a chat begins without a token.

    With a token lost everything since its batch. At the first time nothing that was before we answered for the channel or before the
    broadcast began, and nothing at all when the history is so short that it must be whole.
    """
    covered = resume.covered_until
    start = lost.at if lost else max(covered, started_at or covered) if covered else None
    end = oldest or now
    if start is None or end <= start or (lost is None and items < WHOLE_HISTORY):
        return None
    return Gap(
        id=f"youtube:gap:{video}:{round(start.timestamp() * 1000)}", platform="youtube", livestream=livestream, broadcast=video, at=now,
        received_at=now, from_=start, to=end,
        reason="YouTube sends only the recent messages when a chat is opened without a place to go on from",
    )  # fmt: skip
