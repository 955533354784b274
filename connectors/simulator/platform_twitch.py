"""Twitch as one platform of the simulator: chat, and Helix beside it; and the ledger's lines of what is said there."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from connectors.simulator import irc, lines
from connectors.simulator.helix import HelixServer
from connectors.simulator.lines import Entry
from connectors.simulator.twitch import CLUMP_RATE, TwitchServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from connectors.simulator.model import Sent, SimChannel
    from connectors.simulator.platform import Setting

CONSENTED: Final = 10
"""Every tenth broadcaster authorised the application."""
_PAID = ("sub", "resub", "subgift")


class TwitchPlatform:
    """See SimPlatform."""

    name = "twitch"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._eventsub = ""
        self.chat = TwitchServer(
            setting.channels,
            dice=setting.dice,
            clock=setting.clock,
            record=self._record if setting.ledger else None,
            mishaps=setting.mishaps,
            clumped=[index for index, rate in enumerate(setting.rates) if rate > CLUMP_RATE],
        )
        self.helix = HelixServer(self.chat.places, setting.air, clock=setting.clock, mishaps=setting.mishaps)
        self.helix.eventsub.consented = {place.room_id for place in self.chat.places[::CONSENTED] if place is not None}

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        chat = await self.chat.start(host, ports.get("twitch", 0), process_request=self._answer)
        helix = await self.helix.start(host, ports.get("helix", 0))
        self._eventsub = f"ws://{host}:{helix}/eventsub/ws"
        return {
            "twitch": f"ws://{host}:{chat}",
            "helix": f"http://{host}:{helix}",
            "eventsub": self._eventsub,
            "control": f"http://{host}:{chat}/control",
        }

    def deliver(self, sents: list[Sent]) -> None:
        self.chat.deliver(sents)
        self.helix.eventsub.deliver(sents)

    def tick(self) -> None:
        self.chat.tick()
        self.helix.tick()

    def flush(self) -> None:
        """Clumps that are held leave now."""
        self.chat.tick(everything=True)

    def drop_all(self) -> int:
        return self.chat.drop_all() + self.helix.drop_all()

    def reconnect_all(self) -> int:
        self.helix.eventsub.order_reconnect(self._eventsub)
        return self.chat.reconnect_all()

    def status(self) -> dict[str, int]:
        return {
            "twitch_clients": len(self.chat.clients),
            "twitch_joined": sum(len(client.channels) for client in self.chat.clients),
            "too_slow": self.chat.cuts,
            "helix_calls": sum(self.helix.calls.values()),
        }

    async def stop(self) -> None:
        await self.chat.stop()
        await self.helix.stop()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        found = self._setting.control(request.path)
        if found is not None:
            return connection.respond(*found)
        status = self._setting.mishaps.refusal()
        return connection.respond(HTTPStatus(status), "the plan of faults wants it so\n") if status else None

    def rename(self, index: int, handle: str | None) -> None:
        """Another login from now on; None: the channel is gone."""
        self.chat.rename(index, handle)

    def _record(self, sent: Sent, delivered: bool) -> None:
        assert self._setting.ledger is not None
        channel = self._setting.channels[sent.room]
        lines.write(self._setting.ledger, channel, self.name, sent.at, twitch_entries(sent, channel), delivered=delivered)


def twitch_entries(sent: Sent, channel: SimChannel) -> list[Entry]:
    """What the ledger says of one Twitch event: a cheer is a comment and a gift, a resub with words as well."""
    native = f"twitch:{sent.native}"
    author = sent.member.user_id if sent.member else None

    def make(kind: str, event_id: str, **more: object) -> Entry:
        return Entry(kind, event_id, {"author": author, **more})

    words = []
    if sent.text is not None:
        words = [make("copy" if sent.kind == "copy" else "comment", native, text=irc.said(sent), topics=sent.text.topics)]
    match sent.kind:
        case "message" | "copy":
            return words
        case "bits":
            return [*words, make("gift", f"{native}:bits", amount=sent.units, currency="BITS")]
        case "delete":
            assert sent.target is not None
            target = f"twitch:{sent.target.native}"
            return [make("removed", f"twitch:clearmsg:{sent.target.native}", target=target)]
        case "ban":
            return [make("removed", f"twitch:clearchat:{channel.handle}:{sent.at}:{author}", target_author=author)]
        case "raid":
            return [make("share", f"{native}:raid")]
        case kind if kind in _PAID:
            return [*words, make("gift", f"{native}:{kind}")]
        case _:
            return [*words, make("notice", native)]
