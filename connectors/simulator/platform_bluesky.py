"""Bluesky as one platform of the simulator: Jetstream, and the ledger's lines of what is posted there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.simulator import lines
from connectors.simulator.jetstream import JetstreamServer, Record
from connectors.simulator.lines import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting


class BlueskyPlatform:
    """See SimPlatform."""

    name = "bluesky"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.server = JetstreamServer(
            setting.channels,
            dice=setting.dice,
            clock=setting.clock,
            hashtags=setting.hashtags,
            record=self._record if setting.ledger else None,
            mishaps=setting.mishaps,
        )

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        port = await self.server.start(host, ports.get("jetstream", 0), control=self._setting.control)
        return {"jetstream": f"ws://{host}:{port}/subscribe", "bluesky_directory": f"http://{host}:{port}"}

    def deliver(self, sents: list[Sent]) -> None:
        if sents:
            self.server.deliver(sents)

    def tick(self) -> None:
        self.server.tick()

    def drop_all(self) -> int:
        return self.server.drop_all()

    def status(self) -> dict[str, int]:
        return {"jetstream_clients": len(self.server.clients)}

    async def stop(self) -> None:
        await self.server.stop()

    def rename(self, index: int, handle: str | None) -> None:
        """Another handle from now on; None: it is nobody's. The DID stays."""
        self.server.rename(index, handle)

    def _record(self, record: Record) -> None:
        assert self._setting.ledger is not None
        channel = self._setting.channels[record.sent.room] if record.sent.room >= 0 else None
        more = {
            "author": record.did,
            "text": record.text,
            "topics": record.sent.text.topics if record.sent.text else (),
            "target": f"bluesky:{record.target}" if record.target else None,
        }
        entry = Entry(record.kind, f"bluesky:{record.uri}", more)
        lines.write(self._setting.ledger, channel, self.name, record.at, [entry], delivered=record.delivered)
