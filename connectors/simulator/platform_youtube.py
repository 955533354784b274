"""YouTube as one platform of the simulator, and the ledger's lines of what is said there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from connectors.simulator import lines, livechat
from connectors.simulator.lines import Entry
from connectors.simulator.youtube import YouTubeServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting

UNITS: Final = 1_000_000
"""A simulated project was granted a hundred times the default: the crowd's day is short, its broadcasts are many."""


class YouTubePlatform:
    """See SimPlatform."""

    name = "youtube"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.server = YouTubeServer(
            setting.channels,
            setting.air,
            dice=setting.dice,
            clock=setting.clock,
            record=self._record if setting.ledger else None,
            record_likes=self._record_likes if setting.ledger else None,
            units_per_day=UNITS,
            mishaps=setting.mishaps,
        )

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        port = await self.server.start(host, ports.get("youtube", 0))
        # A hub that began anew remembers nobody, so it is another hub.
        hub = f"http://{host}:{port}/websub/subscribe?run={os.getpid()}"
        feeds = f"http://{host}:{port}/feeds/videos.xml"
        return {"youtube": f"http://{host}:{port}/youtube/v3", "websub": hub, "youtube_feeds": feeds}

    def deliver(self, sents: list[Sent]) -> None:
        self.server.deliver(sents)

    def tick(self) -> None:
        self.server.tick()

    def rename(self, index: int, handle: str | None) -> None:
        """Another handle from now on; None: the channel is gone."""
        self.server.rename(index, handle)

    def drop_all(self) -> int:
        return self.server.drop_all()

    def status(self) -> dict[str, int]:
        return {"youtube_readers": self.server.readers, "youtube_units": sum(self.server.spent.values())}

    async def stop(self) -> None:
        await self.server.stop()

    def _record(self, sent: Sent, delivered: bool) -> None:
        self._write(sent.room, sent.at, livechat.entries(sent), delivered=delivered)

    def _record_likes(self, index: int, video: str, likes: int) -> None:
        entry = Entry("reaction", f"youtube:{video}:likes", {"units": likes})
        self._write(index, int(self._setting.clock() * 1000), [entry], delivered=True)

    def _write(self, index: int, at: int, entries: list[Entry], *, delivered: bool) -> None:
        assert self._setting.ledger is not None
        lines.write(self._setting.ledger, self._setting.channels[index], self.name, at, entries, delivered=delivered)
