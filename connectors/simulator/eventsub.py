"""The server side of Twitch's EventSub: subscriptions and conduits over Helix, their websockets, and webhooks that are signed.

What the mock server of Twitch's own command line does, and what its documents say beyond: a welcome first; 10 seconds to be used (4003); a
keep-alive when nothing else is said; whoever sends is closed (4001); an order to reconnect, after which the old connection ends 30 seconds
later (4004) and an address that was used is worth nothing (4007); everything at least once: a connection that takes another's place, and a webhook
whose sender begins anew, tells the end of before again (``overlap``). Costs count: 1 each, 0 where the broadcaster
consented; chat only where consented (403). A webhook is enabled once it gave back the challenge. Over a websocket without a conduit only a user's
token may subscribe, within the limits of its account (eventsub_users.py), and what it has ends with the connection; conduits and webhooks want the
application's.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import WSMsgType, web

from connectors.simulator import eventsub_wire as wire
from connectors.simulator.serving import transport_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from connectors.simulator.air import Airtime
    from connectors.simulator.eventsub_users import People, Person
    from connectors.simulator.faults import Mishaps
    from connectors.simulator.irc import Place
    from connectors.simulator.model import Sent

UNUSED_SECONDS: Final = 10.0
GRACE_SECONDS: Final = 30.0
PAGE: Final = 100
MOST_CONDUITS: Final = 5
FREE: Final = ("stream.online", "stream.offline")
"""Types that need nobody's consent."""


@dataclass(eq=False, slots=True)
class Socket:
    """One websocket."""

    session: str
    keepalive: float
    opened: float
    queue: asyncio.Queue[str | int] = field(default_factory=asyncio.Queue)
    """Frames, and then perhaps the code to close with."""
    said: float = 0.0
    used: bool = False
    ends: float | None = None
    """When it is closed, after the order to reconnect."""

    def say(self, what: str, payload: dict[str, Any], now: float, *, native: str, **more: str) -> None:
        metadata = {"message_id": native, "message_type": what, "message_timestamp": wire.stamp(now), **more}
        self.queue.put_nowait(json.dumps({"metadata": metadata, "payload": payload}))
        self.said = now


class EventSubServer:
    """Subscriptions of one application; ``enter`` lets a request in, or answers it."""

    def __init__(
        self,
        places: Sequence[Place | None],
        air: Airtime,
        *,
        clock: Callable[[], float],
        enter: Callable[[web.Request, str], web.Response | None],
        people: People,
        mishaps: Mishaps,
        max_total_cost: int = 10_000,
    ) -> None:
        self.places = places
        self.air = air
        self.clock = clock
        self.enter = enter
        self.people = people
        self.mishaps = mishaps
        self.max_total_cost = max_total_cost
        self.consented: set[str] = set()
        """Broadcasters who authorised the application."""
        self.everything_twice = False
        self.wrong_signature = False
        self.silent = False
        """Whether connections are left without a word, keep-alives too."""
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.conduits: dict[str, list[str]] = {}
        """Conduit → the session of each shard; empty: none."""
        self.sockets: set[Socket] = set()
        self.sent: list[int] = []
        """What webhooks answered."""
        self.closed: list[int] = []
        """Codes of sockets that were closed by us."""
        self.lingers = False
        """Whether what a connection carried still counts once it is gone, until it is taken away."""
        self._owners: dict[str, str] = {}
        """Subscription → the account that has it."""
        self._secrets: dict[str, str] = {}
        self._on_air = {index: self.air.channels[index].id for index, place in enumerate(places) if place is not None}
        self._moves: dict[str, str] = {}
        """Token in an address to reconnect to → session."""
        self._serial = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_route("*", "/helix/eventsub/conduits", self._conduits)
        router.add_patch("/helix/eventsub/conduits/shards", self._shards)
        router.add_get("/helix/eventsub/subscriptions", self._list)
        router.add_post("/helix/eventsub/subscriptions", self._create)
        router.add_delete("/helix/eventsub/subscriptions", self._delete)
        router.add_get("/eventsub/ws", self._socket)

    async def stop(self) -> None:
        self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def settled(self) -> None:
        """Every webhook that is under way arrived."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what happens -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Tell who began and ended; keep connections alive, and close those that are to be closed."""
        now = self.clock()
        self.air.advance(now)
        for index, before in self._on_air.items():
            air, place = self.air.channels[index], self.places[index]
            assert place is not None
            if air.id != before:
                self._on_air[index] = air.id
                if before:
                    self.tell("stream.offline", place.room_id, wire.broadcaster(place))
                if air.id:
                    self.tell("stream.online", place.room_id, wire.online(place, air.id, air.started))
        for socket in list(self.sockets):
            if socket.ends is not None and now >= socket.ends:
                self._close(socket, 4004)
            elif not socket.used and now >= socket.opened + UNUSED_SECONDS:
                self._close(socket, 4003)
            elif not self.silent and now >= socket.said + socket.keepalive:
                socket.say("session_keepalive", {}, now, native=self._native())
        if self.mishaps.begins_anew():
            self._post_again()

    def deliver(self, sents: Sequence[Sent]) -> None:
        """What was sent in the chats, to who is subscribed to it."""
        if not any(one["type"].startswith("channel.chat") for one in self.subscriptions.values()):
            return
        for sent in sents:
            place = self.places[sent.room]
            if place is not None and (found := wire.said(sent, place, self.places)) is not None:
                self.tell(found[0], place.room_id, found[1])

    def tell(self, kind: str, channel: str, event: dict[str, Any]) -> int:
        """Send an event to whoever is subscribed; gives to how many."""
        found = [one for one in self.subscriptions.values() if _is(one, kind, channel) and one["status"] == "enabled"]
        for one in found:
            native = self._native()
            for _ in range(2 if self.everything_twice else 1):
                self._send(one, "notification", {"subscription": one, "event": event}, native)
        return len(found)

    def revoke(self, kind: str, channel: str, status: str = "authorization_revoked") -> None:
        """Twitch ends a subscription and says so."""
        for one in list(self.subscriptions.values()):
            if _is(one, kind, channel):
                one["status"] = status
                self._send(one, "revocation", {"subscription": one}, self._native())
                del self.subscriptions[one["id"]]

    def order_reconnect(self, base: str) -> None:
        """Every connection is to move; ``base`` is this server's address."""
        now = self.clock()
        for socket in self.sockets:
            if socket.ends is None:
                token = self._native()
                self._moves[token] = socket.session
                session = {"id": socket.session, "status": "reconnecting", "reconnect_url": f"{base}?reconnect={token}"}
                socket.say("session_reconnect", {"session": session}, now, native=self._native())
                socket.ends = now + GRACE_SECONDS

    def forget_orders(self) -> None:
        """The addresses to reconnect to are worth nothing any more (4007)."""
        self._moves.clear()

    def _post_again(self) -> None:
        for one in self.subscriptions.values():
            if one["transport"]["method"] == "webhook":
                for payload, native, _ in self.mishaps.again(one["id"]):
                    self._start(self._post(one, "notification", payload, native))

    def drop_all(self) -> int:
        """Cut every connection without a word; the sender of webhooks begins anew."""
        self._post_again()
        return self._cut()

    def _cut(self) -> int:
        sockets = list(self.sockets)
        for socket in sockets:
            self._close(socket, 1006)
        return len(sockets)

    def _send(self, one: dict[str, Any], what: str, payload: dict[str, Any], native: str) -> None:
        now, transport = self.clock(), one["transport"]
        if transport["method"] == "webhook":
            if what == "notification":
                self.mishaps.went_out(one["id"], (payload, native, {}))
            self._start(self._post(one, what, payload, native))
            return
        socket = self._listener(one)
        if socket is not None:
            more = {"subscription_type": one["type"], "subscription_version": one["version"]}
            socket.say(what, payload, now, native=native, **more)
            if what == "notification":
                self.mishaps.went_out(one["id"], (payload, native, more))

    def _listener(self, one: dict[str, Any]) -> Socket | None:
        """The connection on which this subscription is told."""
        transport = one["transport"]
        if transport["method"] == "websocket":
            sessions = {transport["session_id"]}
        else:
            sessions = {session for session in self.conduits.get(transport["conduit_id"], ()) if session}
        open_ones = [socket for socket in self.sockets if socket.session in sessions]
        if not open_ones:
            return None
        # Of two connections of a session the younger one, and of several shards always the same one for a channel.
        number = int(one["condition"].get("broadcaster_user_id") or 0)
        shards = sorted({socket.session for socket in open_ones})
        session = shards[number % len(shards)]
        return max((one for one in open_ones if one.session == session), key=lambda one: one.opened)

    def _tell_again(self, socket: Socket) -> None:
        """A connection that takes another's place hears the end of what that was told (``overlap``), under the same message ids."""
        for one in self.subscriptions.values():
            if one["transport"]["method"] != "webhook" and self._listener(one) is socket:
                for payload, native, more in self.mishaps.again(one["id"]):
                    socket.say("notification", payload, self.clock(), native=native, **more)

    async def _post(self, one: dict[str, Any], what: str, payload: dict[str, Any], native: str) -> str:
        """A webhook; gives the body of a 2xx."""
        body, stamp, secret = json.dumps(payload).encode(), wire.stamp(self.clock()), self._secrets[one["id"]]
        signed = native.encode() + stamp.encode() + body + (b"!" if self.wrong_signature else b"")
        headers = {
            "Content-Type": "application/json",
            "Twitch-Eventsub-Message-Id": native,
            "Twitch-Eventsub-Message-Timestamp": stamp,
            "Twitch-Eventsub-Message-Type": what,
            "Twitch-Eventsub-Message-Signature": "sha256=" + hmac.digest(secret.encode(), signed, hashlib.sha256).hex(),
            "Twitch-Eventsub-Subscription-Type": one["type"],
            "Twitch-Eventsub-Subscription-Version": one["version"],
        }
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            async with self._client.post(one["transport"]["callback"], data=body, headers=headers) as reply:
                self.sent.append(reply.status)
                return await reply.text() if reply.status < 300 else ""
        except aiohttp.ClientError:
            self.sent.append(0)
            return ""

    async def _verify(self, one: dict[str, Any]) -> None:
        challenge = self._native()
        answer = await self._post(
            one, "webhook_callback_verification", {"challenge": challenge, "subscription": one}, self._native()
        )
        one["status"] = "enabled" if answer == challenge else "webhook_callback_verification_failed"

    # --- over Helix ---------------------------------------------------------------------------------------------------

    async def _conduits(self, request: web.Request) -> web.Response:
        if (answer := self.enter(request, "eventsub/conduits")) is not None:
            return answer
        content = await _body(request)
        match request.method:
            case "GET":
                names = list(self.conduits)
            case "POST":
                if len(self.conduits) >= MOST_CONDUITS:
                    return _error(429, "The maximum number of conduits is 5")
                names = [self._native()]
                self.conduits[names[0]] = [""] * int(content["shard_count"])
            case "PATCH":
                names = [str(content["id"])]
                if names[0] not in self.conduits:
                    return _error(404, "Conduit not found")
                shards, count = self.conduits[names[0]], int(content["shard_count"])
                self.conduits[names[0]] = (shards + [""] * count)[:count]
            case _:
                return _error(404, "not found")
        return _json({"data": [{"id": name, "shard_count": len(self.conduits[name])} for name in names]})

    async def _shards(self, request: web.Request) -> web.Response:
        if (answer := self.enter(request, "eventsub/conduits/shards")) is not None:
            return answer
        content = await _body(request)
        shards = self.conduits.get(str(content["conduit_id"]))
        if shards is None:
            return _error(404, "Conduit not found")
        done, errors = [], []
        for shard in content["shards"]:
            number, session = int(shard["id"]), shard["transport"]["session_id"]
            sockets = [socket for socket in self.sockets if socket.session == session]
            if number >= len(shards) or not sockets:
                errors.append(
                    {"id": shard["id"], "message": "The shard or the session does not exist", "code": "invalid_parameter"}
                )
                continue
            taken_over, shards[number] = shards[number] != session, session
            for socket in sockets:
                socket.used = True
                if taken_over:
                    self._tell_again(socket)
            done.append({"id": shard["id"], "status": "enabled", "transport": shard["transport"]})
        return _json({"data": done, "errors": errors}, 202)

    async def _list(self, request: web.Request) -> web.Response:
        if (answer := self.enter(request, "eventsub/subscriptions")) is not None:
            return answer
        person = self._person(request)
        about = request.query.get("user_id")
        rows, begin = (
            [one for one in self._of(person) if about is None or about in one["condition"].values()],
            int(request.query.get("after", "0")),
        )
        cursor = {"cursor": str(begin + PAGE)} if begin + PAGE < len(rows) else {}
        return _json({"data": rows[begin : begin + PAGE], "pagination": cursor, **self._cost(person)})

    async def _create(self, request: web.Request) -> web.Response:
        if (answer := self.enter(request, "eventsub/subscriptions")) is not None:
            return answer
        content = await _body(request)
        kind, condition, transport = content["type"], content["condition"], content["transport"]
        channel, person = condition["broadcaster_user_id"], self._person(request)
        cost = 0 if channel in self.consented or (person is not None and person.user_id == channel) else 1
        refusal = self._refusal(kind, condition, transport, person, cost)
        if refusal is not None:
            return refusal
        webhook = transport["method"] == "webhook"
        if webhook and not 10 <= len(transport["secret"]) <= 100:
            return _error(400, "The secret must be between 10 and 100 characters")
        native = self._native()
        one = {
            "id": native,
            "status": "webhook_callback_verification_pending" if webhook else "enabled",
            "type": kind,
            "version": content["version"],
            "cost": cost,
            "condition": condition,
            "transport": {key: value for key, value in transport.items() if key != "secret"},
            "created_at": wire.stamp(self.clock()),
        }
        self.subscriptions[native] = one
        if webhook:
            self._secrets[native] = transport["secret"]
            self._start(self._verify(one))
        for socket in self.sockets:
            if socket.session == transport.get("session_id"):
                socket.used = True
        if person is not None:
            self._owners[native] = person.user_id
        return _json({"data": [one], **self._cost(person)}, 202)

    def _refusal(
        self, kind: str, condition: dict[str, Any], transport: dict[str, Any], person: Person | None, cost: int
    ) -> web.Response | None:
        """Why it cannot be had; None: it can."""
        channel, mine = condition["broadcaster_user_id"], self._of(person)
        if (person is not None) != (transport["method"] == "websocket"):
            return _error(400, "invalid transport and auth combination")
        if person is None and kind not in FREE and channel not in self.consented:
            return _error(403, "subscription missing proper authorization")
        if person is not None and (words := self.people.refusal(person, kind, condition, is_free=cost == 0)):
            return _error(403, words)
        if any(_is(one, kind, channel) and one["transport"]["method"] == transport["method"] for one in mine):
            return _error(409, "subscription already exists")
        if person is not None:
            session = transport["session_id"]
            if all(socket.session != session for socket in self.sockets):
                return _error(400, "session does not exist or has already disconnected")
            words = self.people.limit(person, mine, session, cost)
            return _error(429, words) if words else None
        if sum(one["cost"] for one in mine) + cost > self.max_total_cost:
            return _error(429, "max total cost exceeded")
        if transport["method"] == "conduit" and transport["conduit_id"] not in self.conduits:
            return _error(400, "conduit not found")
        return None

    def _person(self, request: web.Request) -> Person | None:
        """Who asks, where it is not the application itself."""
        return self.people.of(request.headers.get("Authorization", "").partition(" ")[2])

    def _of(self, person: Person | None) -> list[dict[str, Any]]:
        """The subscriptions of an account, or of the application."""
        user_id = person.user_id if person is not None else ""
        return [one for native, one in self.subscriptions.items() if self._owners.get(native, "") == user_id]

    async def _delete(self, request: web.Request) -> web.Response:
        if (answer := self.enter(request, "eventsub/subscriptions")) is not None:
            return answer
        if self.subscriptions.pop(request.query.get("id", ""), None) is None:
            return _error(404, "subscription not found")
        return web.Response(status=204)

    def _cost(self, person: Person | None) -> dict[str, int]:
        mine = self._of(person)
        return {
            "total": len(mine),
            "total_cost": sum(one["cost"] for one in mine),
            "max_total_cost": self.max_total_cost if person is None else self.people.max_total_cost,
        }

    # --- a websocket --------------------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        now, response = self.clock(), web.WebSocketResponse()
        await response.prepare(request)
        session, token = self._native(), request.query.get("reconnect")
        if token is not None:
            moved = self._moves.pop(token, None)
            if moved is None:
                self.closed.append(4007)
                await response.close(code=4007, message=b"invalid reconnect")
                return response
            session = moved
        keepalive = float(request.query.get("keepalive_timeout_seconds", "10"))
        socket = Socket(session, keepalive, now, said=now, used=token is not None)
        told = {"id": session, "status": "connected", "connected_at": wire.stamp(now), "reconnect_url": None}
        socket.say(
            "session_welcome", {"session": told | {"keepalive_timeout_seconds": int(keepalive)}}, now, native=self._native()
        )
        self.sockets.add(socket)
        if token is not None:
            self._tell_again(socket)
        writer = asyncio.create_task(_write(socket, response, transport_of(request)))
        try:
            async for message in response:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._close(socket, 4001)
        finally:
            self.sockets.discard(socket)
            self._forget(socket.session)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return response

    def _forget(self, session: str) -> None:
        """What an account had on a connection ends with it, unless another took over; slowly, where ``lingers``."""
        if self.lingers or any(socket.session == session for socket in self.sockets):
            return
        for native in [native for native, one in self.subscriptions.items() if one["transport"].get("session_id") == session]:
            del self.subscriptions[native]

    def _close(self, socket: Socket, code: int) -> None:
        self.closed.append(code)
        self.sockets.discard(socket)
        self._forget(socket.session)
        socket.queue.put_nowait(code)

    def _native(self) -> str:
        self._serial += 1
        digits = hashlib.blake2b(f"{self._serial} {self.clock()}".encode(), digest_size=16).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _write(socket: Socket, response: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
    while True:
        frame = await socket.queue.get()
        if isinstance(frame, str):
            await response.send_str(frame)
        elif frame == 1006:
            if transport is not None:
                transport.abort()
            return
        else:
            await response.close(code=frame)
            return


def _is(one: dict[str, Any], kind: str, channel: str) -> bool:
    return bool(one["type"] == kind and one["condition"].get("broadcaster_user_id") == channel)


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.read()
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/json")


def _error(status: int, message: str) -> web.Response:
    headers = {"Ratelimit-Remaining": "700"} if status == 429 else None
    body = json.dumps({"error": "error", "status": status, "message": message}).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
