"""Restream's chat API for tests: events with a source and a kind, what connections do in between, no deletions."""

from __future__ import annotations

from hashlib import blake2b

import orjson
from fake_websocket import FakeWebsocket
from fakes import Said

from connectors.connector import Secret
from connectors.restream import Options


class FakeRestream(FakeWebsocket):
    platform = "restream"
    handles = ("main",)

    def options(self) -> Options:
        return Options(url=self.url + "?accessToken={token}", token=Secret("t0ken"), ping_seconds=0.3, mark_every_seconds=0.05)

    async def say(self, handle: str, text: str) -> Said:
        number, at = next(self._numbers), self.stamp()
        await self.emit(b'{"action":"heartbeat","payload":{},"timestamp":1792152000}')
        payload = {"author": {"id": f"u{number}", "displayName": "Zoë"}, "text": text, "bot": False}
        event = {"eventIdentifier": f"e{number}", "eventSourceId": 13, "eventTypeId": 5, "eventPayload": payload}
        await self.emit(orjson.dumps({"action": "event", "payload": event, "timestamp": at.timestamp()}))
        content = orjson.dumps([at.timestamp(), payload], option=orjson.OPT_SORT_KEYS)
        return Said(id=f"restream:13:e{number}:{blake2b(content, digest_size=16).hexdigest()[:12]}", at=at, text=text)
