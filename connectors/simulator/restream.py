"""Restream's chat API: one websocket an account, on which the chats of all its platforms come together; each account of the roster is a channel.

``/ws?accessToken=…`` answers a wrong token with 401. A connection begins with what each platform's own connection is like, then come events;
a heartbeat every 45 s; what the account itself writes is told too (``reply_created``). Nothing is said again, and no deletion is told.

The real address names no channel, because a token is one account. Here all tokens are the same, so ``channel`` tells the accounts apart.

Unconfirmed: how a wrong or expired token is refused; how the currency of a Super Chat is written.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from connectors.simulator import lines
from connectors.simulator.lines import Entry
from connectors.simulator.serving import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

TOKEN: Final = "simulated-token"  # noqa: S105 — a test credential
HEARTBEAT_SECONDS: Final = 45.0
TWITCH, YOUTUBE = 2, 13
TEXTS: Final = {TWITCH: 4, YOUTUBE: 5}
"""Platform → its kind of message with words."""
SUPER_CHAT, SUPER_STICKER = 7, 8


class RestreamPlatform(Server):
    """The API and all accounts; see SimPlatform."""

    name = "restream"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self._accounts = {channel.handle for channel in setting.channels if channel.platform == self.name}
        self._tokens = {TOKEN}
        self._beat_at = 0.0

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/ws", self._serve)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        port = await self.listen(host, ports.get("restream", 0))
        return {"restream": f"ws://{host}:{port}/ws?accessToken={{token}}&channel={{handle}}"}

    def status(self) -> dict[str, int]:
        return {"restream_readers": len(self.readers)}

    def revoke(self) -> None:
        """The token has expired: what is open with it ends, and it is refused from now on."""
        self._tokens.clear()
        for reader in self.readers:
            reader.end()

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            channel = self._setting.channels[sent.room]
            listening = [reader for reader in self.readers if channel.handle in reader.tags]
            for document, entries in actions(sent):
                if self._setting.ledger is not None:
                    at = second_of(sent) * 1000
                    lines.write(self._setting.ledger, channel, self.name, at, entries, delivered=bool(listening))
                data = orjson.dumps(document)
                if listening:
                    self.mishaps.went_out(channel.handle, data)
                for reader in listening:
                    reader.put(data)

    def tick(self) -> None:
        now = self.clock()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_SECONDS
            beat = orjson.dumps({"action": "heartbeat", "payload": {}, "timestamp": int(now)})
            for reader in self.readers:
                reader.put(beat)
        super().tick()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        status = self.mishaps.refusal()
        if status:
            return self.refuse(status)
        if request.query.get("accessToken") not in self._tokens:
            return web.Response(status=401)
        account = request.query.get("channel", "")
        if account not in self._accounts:
            return web.Response(status=404)

        def entered(reader: Reader) -> None:
            for source in TEXTS:
                reader.put(orjson.dumps(self._connection(account, source)))
            for data in self.mishaps.again(account):
                reader.put(data)
            reader.tags.add(account)

        def heard(reader: Reader, text: str) -> None:
            """The server ignores what it is told."""

        return await self.socket(request, entered, heard)

    def _connection(self, account: str, source: int) -> dict[str, Any]:
        payload = {
            "connectionIdentifier": f"{account}-{source}", "connectionUuid": f"{self.dice.getrandbits(64):016x}", "eventSourceId": source,
            "reason": None, "status": "connected", "target": {}, "userId": 1,
        }  # fmt: skip
        return {"action": "connection_info", "payload": payload, "timestamp": int(self.clock())}


def second_of(sent: Sent) -> int:
    """Times are whole seconds."""
    return sent.at // 1000


def source_of(sent: Sent) -> int:
    """Where in the account's chats it happens: two of three write on Twitch, and what is paid is paid on YouTube."""
    paid = sent.kind in ("bits", "sub", "subgift")
    return YOUTUBE if paid or (sent.member is not None and int(sent.member.user_id) % 3 == 0) else TWITCH


def event_id(document: Mapping[str, Any]) -> str:
    """As a connector must make it: an identifier is not unique, so the time and all that is said are part of it."""
    payload = document["payload"]
    said = orjson.dumps([document["timestamp"], payload["eventPayload"]], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(said, digest_size=16).hexdigest()[:12]
    return f"restream:{payload['eventSourceId']}:{payload['eventIdentifier']}:{digest}"


def actions(sent: Sent) -> list[tuple[dict[str, Any], Sequence[Entry]]]:
    """What becomes of it on the websocket, and what that counts as."""
    if sent.kind == "mystery":
        reply = {
            "clientReplyUuid": sent.native,
            "replyUuid": sent.native,
            "eventSourceId": 1,
            "connectionIdentifiers": [],
            "text": "Welcome!",
        }
        return [({"action": "reply_created", "payload": reply, "timestamp": second_of(sent)}, ())]
    if sent.member is None:
        return []
    source = source_of(sent)
    author = {"id": sent.member.user_id, "displayName": sent.member.display or sent.member.login, "avatar": ""}
    text = sent.text.text if sent.text is not None else ""
    who = {"author": f"{source}:{sent.member.user_id}"}
    words = {**who, "text": text, "topics": sent.text.topics if sent.text is not None else ()}
    worth = {**who, "amount": sent.units * 100, "currency": "USD"}
    donation = {"amount": f"{sent.units}.00", "currencyString": "USD", "tier": 1}
    match sent.kind:
        case "message" | "copy" | "resub" if text:
            body = {"author": author, "bot": False, "text": text}
            document = _event(sent, source, TEXTS[source], body)
            return [(document, [Entry("comment", event_id(document), words)])]
        case "bits" if text:
            document = _event(sent, source, SUPER_CHAT, {"author": author, "bot": False, "text": text, "donation": donation})
            own = event_id(document)
            return [(document, [Entry("comment", own, words), Entry("gift", f"{own}:gift", worth)])]
        case "sub" | "subgift":
            sticker = {**donation, "stickerId": sent.native}
            document = _event(sent, source, SUPER_STICKER, {"author": author, "bot": False, "text": "a car", "donation": sticker})
            return [(document, [Entry("gift", f"{event_id(document)}:gift", worth)])]
        case _:
            return []


def _event(sent: Sent, source: int, kind: int, body: dict[str, Any]) -> dict[str, Any]:
    payload = {
        "connectionIdentifier": f"{sent.room}-{source}", "eventIdentifier": sent.native, "eventPayload": body, "eventSourceId": source,
        "eventTypeId": kind, "userId": 1,
    }  # fmt: skip
    return {"action": "event", "payload": payload, "timestamp": second_of(sent)}
