"""A partner's own server: what happens in its channels as server-sent events, or as frames of a websocket, in our own shape.

Server-sent events carry ids, and ``Last-Event-ID`` goes on behind one for as long as it is kept (``KEPT_SECONDS``, ``KEPT``); behind one that is
not known any more everything that is still there comes. ``retry`` says when to come back, a comment each fifteen seconds that the line is
alive, 204 that all is over. The websocket carries a running number and goes on behind ``?since=``.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from aiohttp import web

from connectors.simulator import lines
from connectors.simulator.ours import Partner
from connectors.simulator.serving import Server, transport_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

KEY: Final = "simulated-key"
KEPT: Final = 50_000
KEPT_SECONDS: Final = 300.0
THUMP_SECONDS: Final = 15.0
RETRY_MS: Final = 2000
_encode = msgspec.json.Encoder().encode


class Kept(NamedTuple):
    """One document that was sent."""

    number: int
    at: float
    data: bytes


class Feed(Server):
    """The documents of one section, kept for a while; see SimPlatform."""

    name = ""
    path = ""

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self._partner = Partner(self.name)
        self.kept: list[Kept] = []
        self._number = 0
        self._was_asked = False

    @property
    def key(self) -> str:
        """Name of the address in simulator.json."""
        return self.name.replace(".", "_")

    def status(self) -> dict[str, int]:
        return {f"{self.key}_readers": len(self.readers), f"{self.key}_kept": len(self.kept)}

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            channel = self._setting.channels[sent.room]
            for document in self._partner.documents(sent, channel):
                self._number += 1
                data = _encode({**document.body, "number": self._number})
                self.kept.append(Kept(self._number, self.clock(), data))
                if self._setting.ledger is not None:
                    delivered = self._was_asked
                    lines.write(self._setting.ledger, channel, self.name, sent.at, document.entries, delivered=delivered)
                if self.readers:
                    self.mishaps.went_out(self.name, self.kept[-1])
                for reader in self.readers:
                    reader.put(self.frame(self.kept[-1]))

    @abstractmethod
    def frame(self, kept: Kept) -> bytes:
        """What readers are sent of it."""

    def tick(self) -> None:
        oldest = self.clock() - KEPT_SECONDS
        gone = max(bisect_right(self.kept, oldest, key=lambda kept: kept.at), len(self.kept) - KEPT)
        if gone > 0:
            del self.kept[:gone]
        if self.mishaps.faults.ended:
            for reader in self.readers:
                reader.end()
        super().tick()

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.asked += 1
        status = self.mishaps.refusal()
        if status:
            return self.refuse(status)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        if self.mishaps.faults.ended:
            return web.Response(status=204)
        self._was_asked = True
        return None

    def _first(self, number: int | None) -> list[Kept]:
        """What somebody who comes is sent at once: what the plan of faults says again, and what is behind their number."""
        return [*self.mishaps.again(self.name), *self._since(number)]

    def _since(self, number: int | None) -> list[Kept]:
        """What is kept behind a number; all of it behind one that is not known."""
        if number is None:
            return []
        known = bool(self.kept) and self.kept[0].number - 1 <= number <= self._number
        return self.kept[bisect_right(self.kept, number, key=lambda kept: kept.number) :] if known else list(self.kept)


class SsePlatform(Feed):
    """Server-sent events of all channels of the section."""

    name = "sse.simulated"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._run = f"{self.dice.randrange(1 << 32):x}"
        self._thump_at = 0.0

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/events", self._serve)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        return {self.key: f"http://{host}:{await self.listen(host, ports.get(self.key, 0))}/events"}

    def frame(self, kept: Kept) -> bytes:
        return b"id: %s-%d\ndata: %s\n\n" % (self._run.encode(), kept.number, kept.data)

    def tick(self) -> None:
        if self.clock() >= self._thump_at:
            self._thump_at = self.clock() + THUMP_SECONDS
            for reader in self.readers:
                reader.put(b": thump\n\n")
        super().tick()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        async with self.writing(transport_of(request), response.write, framed=False) as reader:
            reader.put(b"retry: %d\n\n" % RETRY_MS)
            for kept in self._first(self._place(request.headers.get("Last-Event-ID", ""))):
                reader.put(self.frame(kept))
            await reader.over.wait()
        return response

    def _place(self, last: str) -> int | None:
        run, _, number = last.rpartition("-")
        if not last:
            return None
        return int(number) if run == self._run and number.isascii() and number.isdigit() else -1


class WebsocketPlatform(Feed):
    """Frames of all channels of the section."""

    name = "websocket.simulated"

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/socket", self._serve)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        return {self.key: f"ws://{host}:{await self.listen(host, ports.get(self.key, 0))}/socket"}

    def frame(self, kept: Kept) -> bytes:
        return kept.data

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        since = request.query.get("since", "")

        def entered(reader: Reader) -> None:
            for kept in self._first(int(since) if since.isascii() and since.isdigit() else None):
                reader.put(self.frame(kept))

        def heard(reader: Reader, text: str) -> None:
            """Nothing that a client says matters here."""

        return await self.socket(request, entered, heard)
