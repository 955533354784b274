"""People on Mastodon: they are not asked for. What one posts with a hashtag that is read is theirs, and says that they are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from connectors.event import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connectors.connector import Tools
    from connectors.event import Event

PRESENT: Final = timedelta(hours=1)
"""Who posted so lately is there; after that the person is waited for."""


class People:
    """When each of them last posted with one of the hashtags that are read."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._posted: dict[str, datetime | None] = {}
        self._kept: dict[str, datetime] = {}
        """What of it the next connection will know."""

    def watch(self, livestreams: Iterable[str]) -> None:
        """From now on these."""
        self._posted = {livestream: self._posted.get(livestream) for livestream in livestreams}

    def hear(self, events: Iterable[Event]) -> Iterable[str]:
        """Those of them who wrote one of these; so they are there."""
        heard = dict.fromkeys(
            (str(event.livestream) for event in events if isinstance(event, Message) and event.livestream in self._posted),
            self._tools.now(),
        )
        self._posted.update(heard)
        return heard

    def states(self) -> Iterator[tuple[str, str]]:
        """(livestream, ``live`` or ``waiting``)."""
        since = self._tools.now() - PRESENT
        for livestream, at in self._posted.items():
            yield livestream, "live" if at is not None and at > since else "waiting"

    async def recall(self) -> None:
        """Who posted before this connection began is there still."""
        for livestream in self._posted:
            kept = await self._tools.memory.get(f"mastodon:posted:{livestream}")
            if kept is not None:
                self._posted[livestream] = self._kept[livestream] = datetime.fromisoformat(kept)

    async def keep(self) -> None:
        """For the next connection."""
        for livestream, at in self._posted.items():
            before = self._kept.get(livestream)
            if at is not None and (before is None or at - before > PRESENT / 10):
                self._kept[livestream] = at
                await self._tools.memory.put(f"mastodon:posted:{livestream}", at.isoformat())
