"""Owncast servers, all at one address, each under its name: chat users register, then listen on a websocket; every third one also posts webhooks.

One frame holds what happened within a step, one document a line. Words are HTML. A webhook goes to ``/hooks/owncast/<secret>/<server>``, is signed by
nothing, sent once, and its answer ignored; it tells what the websocket tells too, so it counts nothing of its own.

Unconfirmed: that a chat user who is banned has all messages hidden at once.
"""

from __future__ import annotations

import html
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from connectors.simulator import lines
from connectors.simulator.lines import Entry, one_line
from connectors.simulator.ours import moment
from connectors.simulator.posting import Delivery, Poster
from connectors.simulator.serving import Server, as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

SECRET: Final = "simulated-secret"  # noqa: S105 — a test credential
CALLS_EVERY: Final = 3
REMEMBERED: Final = 20_000
CALLED: Final = frozenset(("CHAT", "VISIBILITY-UPDATE", "USER_JOINED"))
"""What is told by webhook as well."""
_encode = msgspec.json.Encoder().encode


class OwncastPlatform(Server):
    """All servers; see SimPlatform."""

    name = "owncast"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self.servers = {channel.handle: index for index, channel in enumerate(setting.channels) if channel.platform == self.name}
        self.poster = Poster(mishaps=setting.mishaps, clock=setting.clock, bell=self.bell)
        self._numbers = {index: number for number, index in enumerate(self.servers.values())}
        self._ended = False
        self._tokens: OrderedDict[str, str] = OrderedDict()
        """Access token → server."""
        self._by_author: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/{server}/api/chat/register", self._register)
        app.router.add_get("/{server}/ws", self._chat)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        return {"owncast": f"http://{host}:{await self.listen(host, ports.get('owncast', 0))}/{{handle}}"}

    async def stop(self) -> None:
        await self.poster.stop()
        await super().stop()

    def status(self) -> dict[str, int]:
        return {"owncast_readers": len(self.readers), "owncast_posted": self.poster.taken}

    # --- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, sents: list[Sent]) -> None:
        frames: dict[int, list[bytes]] = {}
        listening: dict[str, list[Reader]] = {}
        for reader in self.readers:
            for server in reader.tags:
                listening.setdefault(server, []).append(reader)
        for sent in sents:
            channel = self._setting.channels[sent.room]
            for document, entries in self._documents(sent):
                if self._setting.ledger is not None:
                    delivered = channel.handle in listening
                    lines.write(self._setting.ledger, channel, self.name, sent.at, entries, delivered=delivered)
                frames.setdefault(sent.room, []).append(_encode(document))
                if document["type"] in CALLED and self._calls(sent.room):
                    self._call(sent.room, document)
        for room, documents in frames.items():
            server = self._setting.channels[room].handle
            if server in listening:
                self.mishaps.went_out(server, *documents)
            for reader in listening.get(server, ()):
                reader.put(b"\n".join(documents))

    def _documents(self, sent: Sent) -> list[tuple[dict[str, Any], Sequence[Entry]]]:
        head = {"id": sent.native, "timestamp": moment(sent.at / 1000)}
        event = f"owncast:{sent.native}"
        if sent.kind == "delete" and sent.target is not None:
            return [self._hidden([sent.target.native], sent)]
        member = sent.member
        if member is None:
            return []
        user = {"id": member.user_id, "displayName": member.display or member.login, "isBot": False}
        author = {"author": member.user_id}
        fediverse = {"title": f"{member.login}@fedi.example", "body": "", "link": "", "image": None}
        match sent.kind:
            case "message" | "copy" | "bits" | "resub" if sent.text is not None:
                self._by_author[sent.native] = (sent.room, member.user_id)
                if len(self._by_author) > REMEMBERED:
                    self._by_author.popitem(last=False)
                body = f"<p>{html.escape(sent.text.text)}</p>\n"
                more = {**author, "text": one_line(sent.text.text), "topics": sent.text.topics}
                return [({**head, "type": "CHAT", "body": body, "user": user, "visible": True}, [Entry("comment", event, more)])]
            case "sub":
                return [({**head, "type": "USER_JOINED", "user": user}, [Entry("notice", f"{event}:join", author)])]
            case "resub" | "subgift":
                liked = {"author": fediverse["title"]}
                return [
                    ({**head, **fediverse, "type": "FEDIVERSE_ENGAGEMENT_LIKE"}, [Entry("reaction", f"{event}:reaction", liked)])
                ]
            case "raid":
                shared = {"author": fediverse["title"]}
                return [
                    ({**head, **fediverse, "type": "FEDIVERSE_ENGAGEMENT_REPOST"}, [Entry("share", f"{event}:share", shared)])
                ]
            case "mystery":
                return [({**head, "type": "SYSTEM", "body": "<p>Welcome!</p>", "user": {"displayName": "Owncast"}}, ())]
            case "ban":
                gone = [native for native, who in self._by_author.items() if who == (sent.room, member.user_id)]
                for native in gone:
                    del self._by_author[native]
                return [self._hidden(gone, sent)] if gone else []
            case _:
                return []

    def _hidden(self, natives: list[str], sent: Sent) -> tuple[dict[str, Any], Sequence[Entry]]:
        document = {
            "id": f"v{sent.at}-{sent.room}",
            "timestamp": moment(sent.at / 1000),
            "type": "VISIBILITY-UPDATE",
            "ids": natives,
            "visible": False,
        }
        entries = [Entry("removed", f"owncast:{native}:removed", {"target": f"owncast:{native}"}) for native in natives]
        return document, entries

    def tick(self) -> None:
        ended = self.mishaps.faults.ended
        if ended != self._ended:
            self._ended = ended
            for index in self._numbers:
                if self._calls(index):
                    at = moment(self.clock())
                    name = "STREAM_STOPPED" if ended else "STREAM_STARTED"
                    self._call(index, {"type": name, "id": f"{name}-{at}", "timestamp": at})
        super().tick()

    def _calls(self, index: int) -> bool:
        """Whether this server has a webhook."""
        return bool(self._setting.hooks) and self._numbers[index] % CALLS_EVERY == 0

    def _call(self, room: int, document: Mapping[str, Any]) -> None:
        """The same by webhook, where the keys of a hidden message are written as Go does."""
        inside = {key: value for key, value in document.items() if key != "type"}
        if document["type"] == "VISIBILITY-UPDATE":
            inside = {"MessageIDs": inside.pop("ids"), "Visible": inside.pop("visible"), **inside}
        body = _encode({"type": document["type"], "eventData": inside})
        url = f"{self._setting.hooks}/owncast/{SECRET}/{quote(self._setting.channels[room].handle, safe='')}"
        self.poster.put(room, Delivery(url, body, lambda _: {"Content-Type": "application/json"}, lambda _: None))

    # --- the servers --------------------------------------------------------------------------------------------------

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.asked += 1
        status = self.mishaps.refusal()
        if status:
            return self.refuse(status)
        return None if unquote(request.match_info["server"]) in self.servers else web.Response(status=404)

    async def _register(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        token = f"{self.dice.getrandbits(128):032x}/="
        self._tokens[token] = unquote(request.match_info["server"])
        while len(self._tokens) > 10_000:
            self._tokens.popitem(last=False)
        return await self.give(request, as_json({"id": token[:8], "accessToken": token, "displayName": f"guest-{token[:4]}"}))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        server = unquote(request.match_info["server"])
        if self._tokens.get(request.query.get("accessToken", "")) != server:
            return web.Response(status=403)

        def entered(reader: Reader) -> None:
            reader.tags.add(server)
            reader.put(_encode({"type": "CONNECTED_USER_INFO", "user": {"id": "me"}}) + b"\n" + _encode({"type": "PING"}))
            again = self.mishaps.again(server)
            if again:
                reader.put(b"\n".join(again))

        def heard(reader: Reader, text: str) -> None:
            """Listeners say nothing that matters here."""

        return await self.socket(request, entered, heard)
