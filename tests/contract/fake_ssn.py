"""The relay of Social Stream Ninja for tests: one session, no times, words with or without HTML, numbers of viewers in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from fake_websocket import FakeWebsocket
from fakes import Said

from connectors.connector import Target
from connectors.ssn import Options

if TYPE_CHECKING:
    from connectors.connector import Resume

SESSION = "aBcDeF123"


class FakeSsn(FakeWebsocket):
    platform = "ssn"
    handles = ("session-x",)
    tells_time = False

    def options(self) -> Options:
        return Options(url=self.url.replace("/socket", "/join/{native_id}/4"), ping_seconds=0.3, mark_every_seconds=0.05)

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"ssn:{handle}", handle=handle, native_id=SESSION, resume=resume)

    async def say(self, handle: str, text: str) -> Said:
        number, at = next(self._numbers), self.stamp()
        await self.emit(b'{"type":"tiktok","event":"viewer_update","meta":%d}' % number)
        message = {"chatname": "Zoë", "chatmessage": text, "type": "tiktok", "textonly": True, "hasDonation": "", "event": False}
        await self.emit(orjson.dumps({**message, "meta": {"messageId": f"m{number}"}}))
        return Said(id=f"ssn:tiktok:m{number}", at=at, text=text)

    async def remove(self, said: Said) -> None:
        native = said.id.removeprefix("ssn:tiktok:")
        await self.emit(orjson.dumps({"delete": {"type": "tiktok", "meta": {"messageId": native}}}))
