"""Whether a Twitch channel was live before, as far as it keeps recordings: ``GET helix/videos?user_id=…&type=archive``. Pure.

One channel a call, one point of 800 a minute. Recordings are kept for 7 to 60 days, and only where the channel switched that on, so a channel
without any may still have been live. https://dev.twitch.tv/docs/api/reference#get-videos, checked 2026-11-20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from connectors.connector import Unreadable
from connectors.discovery import Question
from connectors.foreign import object_of
from connectors.lookup import History
from connectors.rest import Ask

if TYPE_CHECKING:
    from collections.abc import Sequence


class Archive(History):
    """Recordings of broadcasts."""

    name = "twitch"
    none = "it keeps no recording of a broadcast (Twitch forgets them after weeks)"

    def units(self, channels: int) -> int:
        return channels

    def questions(self, native_ids: Sequence[str]) -> list[Question]:
        return [Question(what="status", ask=self._ask(one), about=(one,)) for one in native_ids]

    def _ask(self, user: str) -> Ask:
        query = urlencode({"user_id": user, "type": "archive", "first": "1"})
        return Ask(url=f"{self.opts.helix_url}/videos?{query}", headers={"Client-Id": self.opts.client_id.reveal()})

    def says_nothing_there(self, question: Question, status: int) -> bool:
        return status == 404

    def read(self, question: Question, body: bytes) -> tuple[dict[str, bool], list[Question]]:
        rows = object_of(body).get("data") if body else []
        if not isinstance(rows, list):
            raise Unreadable("no_data")
        return {question.about[0]: bool(rows)}, []
