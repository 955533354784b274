"""Social Stream Ninja's relay: what an attendee's browser extension sends into a session goes to whoever joined it, once and never again.

Each channel of the roster is a session, whose extension watches one or two sites. ``/join/<session>/4`` joins by address, a frame
``{"join": …, "in": 4, "out": 1}`` by word. No times are sent; a donation is what the site shows of it; deletions name the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from connectors.simulator import lines
from connectors.simulator.lines import Entry
from connectors.simulator.serving import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

SITES: Final = ("tiktok", "instagram", "facebook", "vk", "trovo")
_encode = msgspec.json.Encoder().encode


class SsnPlatform(Server):
    """The relay and all sessions; see SimPlatform."""

    name = "ssn"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self.joined: dict[str, set[Reader]] = {}
        """Session → who hears it."""

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/join/{session}/{number}", self._serve)
        app.router.add_get("/", self._serve)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        return {"ssn": f"ws://{host}:{await self.listen(host, ports.get('ssn', 0))}/join/{{native_id}}/4"}

    def status(self) -> dict[str, int]:
        return {"ssn_readers": len(self.readers), "ssn_sessions": len(self.joined)}

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            channel = self._setting.channels[sent.room]
            listening = self.joined.get(channel.native_id or channel.handle, ())
            for document, entries in payloads(sent):
                if self._setting.ledger is not None:
                    lines.write(self._setting.ledger, channel, self.name, sent.at, entries, delivered=bool(listening))
                data = _encode(document)
                if listening:
                    self.mishaps.went_out(channel.native_id or channel.handle, data)
                for reader in listening:
                    reader.put(data)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        status = self.mishaps.refusal()
        if status:
            return self.refuse(status)

        def entered(reader: Reader) -> None:
            if "session" in request.match_info:
                self._join(reader, request.match_info["session"])

        try:
            return await self.socket(request, entered, self._heard)
        finally:
            self._tidy()

    def _heard(self, reader: Reader, text: str) -> None:
        try:
            said = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        if isinstance(said, dict) and isinstance(said.get("join"), str):
            self._join(reader, said["join"])

    def _join(self, reader: Reader, session: str) -> None:
        if session not in reader.tags:
            for data in self.mishaps.again(session):
                reader.put(data)
        reader.tags.add(session)
        self.joined.setdefault(session, set()).add(reader)

    def _tidy(self) -> None:
        """Who went hears nothing any more."""
        self.joined = {session: some for session, readers in self.joined.items() if (some := readers & self.readers)}


def site_of(sent: Sent) -> str:
    """Where in a session it happens: a session has one site, every third one two."""
    second = sent.room % 3 == 0 and sent.member is not None and int(sent.member.user_id) % 4 == 0
    return SITES[(sent.room + second) % len(SITES)]


def payloads(sent: Sent) -> list[tuple[dict[str, Any], Sequence[Entry]]]:
    """What the extension makes of it, and what that counts as."""
    site = site_of(sent)
    own = f"ssn:{site}:{sent.native}"
    if sent.kind == "delete" and sent.target is not None:
        site, native = site_of(sent.target), sent.target.native
        target = f"ssn:{site}:{native}"
        return [
            (
                {"delete": {"type": site, "meta": {"messageId": native}}},
                [Entry("removed", f"{target}:removed", {"target": target})],
            )
        ]
    if sent.kind == "mystery":
        return [({"type": site, "event": "viewer_update", "meta": 10 * sent.units}, ())]
    if sent.member is None:
        return []
    author = {"author": f"{site}:{sent.member.user_id}"}
    text = sent.text.text if sent.text is not None else ""
    body: dict[str, Any] = {
        "chatname": sent.member.display or sent.member.login,
        "chatmessage": text,
        "userid": sent.member.user_id,
        "chatimg": "",
        "type": site,
        "textonly": True,
        "hasDonation": "",
        "membership": "",
        "event": False,
        "meta": {"messageId": sent.native},
    }
    words = [Entry("comment", own, {**author, "text": text, "topics": sent.text.topics})] if sent.text is not None else []
    match sent.kind:
        case "message" | "copy" | "resub" if words:
            return [(body, words)]
        case "bits" if words:
            gift = Entry("gift", f"{own}:gift", {**author, "amount": sent.units * 100, "currency": "USD"})
            return [(body | {"hasDonation": f"${sent.units}.00"}, [*words, gift])]
        case "sub" | "subgift":
            return [(body | {"event": "new_subscriber"}, [Entry("gift", f"{own}:gift", author)])]
        case "resub":
            return [(body | {"event": "like"}, [Entry("reaction", f"{own}:reaction", author)])]
        case "raid":
            return [(body | {"event": "raid"}, [Entry("share", f"{own}:share", author)])]
        case _:
            return []
