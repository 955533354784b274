"""A small Kick for tests: the public Pusher socket with its double JSON, the official API, and the signer of webhooks (a key of its own)."""

from __future__ import annotations

import base64
import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fakes import NO_FAULTS, Faults, OverSockets, Said
from websockets.exceptions import ConnectionClosed

from connectors.connector import Request, Secret, Target
from connectors.kick import Options

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.server import ServerConnection

    from connectors.connector import Resume

CLIENT_ID, CLIENT_SECRET = "kick-app", "kick-app-secret"


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> str:
    return signing_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed(kind: str, body: bytes, *, at: datetime, message_id: str = "01JQR5KV0QC94HMETWYNBWRW4Z") -> Request:
    """A webhook as Kick would send it."""
    timestamp = at.isoformat().replace("+00:00", "Z")
    signature = signing_key().sign(f"{message_id}.{timestamp}.".encode() + body, PKCS1v15(), SHA256())
    headers = {
        "kick-event-message-id": message_id,
        "kick-event-subscription-id": "01JQ79DGGK8C9117GJN8EHCYGG",
        "kick-event-signature": base64.b64encode(signature).decode(),
        "kick-event-message-timestamp": timestamp,
        "kick-event-type": kind,
        "kick-event-version": "1",
    }
    return Request(body=body, headers=headers)


class FakeKick(OverSockets):
    """Channels by slug; broadcaster 7000n has chatroom 66n."""

    path = "/app/key?protocol=7"
    refuses_opening = False
    garbage = (b'{"event":', b"\xff\x00", b"[]", b'{"event":"App\\\\Events\\\\ChatMessageEvent","data":"{"}')

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)  # of a connection: the channels that it subscribed to
        self.said: list[dict[str, Any]] = []
        """All frames that clients sent."""
        self.activity_timeout = 120
        self.asked: list[str] = []
        """Method and path with query of each API request."""
        self.subscribed: dict[int, set[str]] = {}
        self.live: dict[int, int] = {}
        """Broadcaster → viewers."""
        self.started_at = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
        self.answer_next: list[tuple[int, dict[str, str]]] = []
        """Statuses (with headers) that the API answers instead, first come first served."""
        self.tokens = 0

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._api)
        self._rest = TestServer(application)
        await self._rest.start_server()
        self.api = str(self._rest.make_url("")).rstrip("/")
        return await super().__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await super().__aexit__(kind, error, trace)
        await self._rest.close()

    def options(self) -> Options:
        """The socket alone: it is the only source of messages that a connector reads itself."""
        return Options(
            pusher=True, pusher_url=self.url, api=self.api, login=self.api, answer_seconds=0.4 if self.faults.silent else 30.0,
            mark_every_seconds=0.05,
        )  # fmt: skip

    def official(self, **more: Any) -> Options:
        """The app's options, without the socket."""
        return Options(
            client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET), api=self.api, login=self.api, public_key=public_pem(),
            **{"answer_seconds": 30.0, **more},
        )  # fmt: skip

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(
            livestream=f"kick:{handle}", handle=handle, native_id=f"{self.user(handle)}/{self.room(handle)}", resume=resume
        )

    def user(self, handle: str) -> int:
        return 70001 + self.handles.index(handle)

    def room(self, handle: str) -> int:
        return 661 + self.handles.index(handle)

    async def heard(self, handle: str) -> None:
        channel = f"chatrooms.{self.room(handle)}.v2"
        await self.until(lambda: any(channel in rooms for rooms in self._wants.values()))

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        said = Said(f"kick:{number:08d}-0d5c-4d3a-9b61-5a0f5b4a1c01", self.stamp(), text)
        data = {
            "id": said.id.removeprefix("kick:"), "chatroom_id": self.room(handle), "content": text, "type": "message",
            "created_at": said.at.isoformat(), "sender": {"id": number % 7 + 1, "username": "Zoë", "slug": "zoe", "identity": {}},
        }  # fmt: skip
        await self.emit(handle, "App\\Events\\ChatMessageEvent", data)
        return said

    async def remove(self, said: Said) -> None:
        data = {"id": "d", "message": {"id": said.id.removeprefix("kick:")}, "aiModerated": False}
        for handle in self.handles:
            await self.emit(handle, "App\\Events\\MessageDeletedEvent", data)

    async def emit(self, handle: str, event: str, data: dict[str, Any]) -> None:
        channel = f"chatrooms.{self.room(handle)}.v2"
        frame = orjson.dumps({"event": event, "data": orjson.dumps(data).decode(), "channel": channel})
        for socket in [socket for socket, rooms in self._wants.items() if channel in rooms]:
            await self._send(socket, frame)

    # --- the socket ---------------------------------------------------------------------------------------------------

    async def _serve(self, socket: ServerConnection) -> None:
        self._wants[socket] = set()
        try:
            if self.faults.refuse:
                error = {"event": "pusher:error", "data": {"code": 4001, "message": "App key key not in this cluster"}}
                await socket.send(orjson.dumps(error).decode())
                await socket.close(4001)
                return
            if not self.faults.silent:
                hello = {"socket_id": "218656.9503498", "activity_timeout": self.activity_timeout}
                await self._protocol(socket, "pusher:connection_established", hello)
            async for text in socket:
                await self._heard(socket, orjson.loads(text))
        except ConnectionClosed:
            pass
        finally:
            del self._wants[socket]
            await self.note()

    async def _heard(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        self.said.append(frame)
        channel = frame["data"].get("channel")
        match frame["event"]:
            case "pusher:subscribe":
                self._wants[socket].add(channel)
                await self._protocol(socket, "pusher_internal:subscription_succeeded", {}, channel)
            case "pusher:unsubscribe":
                self._wants[socket].discard(channel)
            case "pusher:ping" if not self.faults.silent:
                await self._protocol(socket, "pusher:pong", {})
            case _:
                pass
        await self.note()

    async def _protocol(self, socket: ServerConnection, event: str, data: dict[str, Any], channel: str | None = None) -> None:
        frame = {"event": event, "data": orjson.dumps(data).decode()} | ({"channel": channel} if channel else {})
        await socket.send(orjson.dumps(frame).decode())

    # --- the API ------------------------------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        await self.note()
        if self.answer_next:
            status, headers = self.answer_next.pop(0)
            return web.Response(status=status, headers=headers)
        if self.faults.throttle_seconds is not None:
            return web.Response(status=429, headers={"Retry-After": str(self.faults.throttle_seconds)})
        if request.path == "/oauth/token":
            return await self._token(request)
        if request.headers.get("Authorization") != f"Bearer app-token-{self.tokens}":
            return web.json_response({"data": {}, "message": "Unauthorized"}, status=401)
        match request.method, request.path:
            case "GET", "/public/v1/channels":
                return self._channels(request)
            case "GET", "/public/v1/events/subscriptions":
                rows = [
                    {"id": f"{user}-{event}", "broadcaster_user_id": user, "event": event, "method": "webhook", "version": 1}
                    for user, events in self.subscribed.items()
                    for event in events
                ]
                return web.json_response({"data": rows, "message": "OK"})
            case "POST", "/public/v1/events/subscriptions":
                wanted = orjson.loads(await request.read())
                names = {event["name"] for event in wanted["events"]}
                self.subscribed.setdefault(wanted["broadcaster_user_id"], set()).update(names)
                return web.json_response({"data": [{"name": name, "version": 1, "error": ""} for name in names], "message": "OK"})
        return web.Response(status=404)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.faults.refuse or (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        assert form["grant_type"] == "client_credentials"
        self.tokens += 1
        return web.json_response({"access_token": f"app-token-{self.tokens}", "token_type": "Bearer", "expires_in": 5184000})

    def _channels(self, request: web.Request) -> web.Response:
        slugs = request.query.getall("slug", [])
        if any(slug not in self.handles for slug in slugs):
            return web.json_response({"data": [], "message": "Invalid request"}, status=400)
        ids = request.query.getall("broadcaster_user_id", [])
        assert len(ids) <= 50
        found = [handle for handle in self.handles if handle in slugs or str(self.user(handle)) in ids]
        return web.json_response({"data": [self._channel(handle) for handle in found], "message": "OK"})

    def _channel(self, handle: str) -> dict[str, Any]:
        user = self.user(handle)
        live = user in self.live
        stream = {
            "is_live": live, "is_mature": False, "key": "", "language": "en", "thumbnail": "", "url": "", "custom_tags": ["summit"],
            "start_time": self.started_at.isoformat().replace("+00:00", "Z") if live else "0001-01-01T00:00:00Z",
            "viewer_count": self.live.get(user, 0),
        }  # fmt: skip
        return {"broadcaster_user_id": user, "slug": handle, "stream_title": "Summit", "category": {"id": 1}, "stream": stream}
