"""A small Mastodon instance for tests: hashtag timelines with min_id and max_id, Link headers, the streaming websocket, rate limit headers."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSMsgType, web
from fakes import NO_FAULTS, Faults, OverHttp, Said, half_a_frame, half_an_answer

from connectors.connector import Secret, Target
from connectors.mastodon import Options

if TYPE_CHECKING:
    from connectors.connector import Resume

TOKEN = "user-token-of-the-fake"
GARBAGE = ('{"stream":', "[]", '{"event":"update","payload":"{"}', '{"event":"update","payload":"{\\"id\\":1}"}', '{"event":5}')


class FakeMastodon(OverHttp):
    """Keeps all posts; ids hold the time of writing, as Mastodon's do."""

    handles = ("#ana", "#bo", "#cy")

    def __init__(self, faults: Faults = NO_FAULTS, *, domain: str = "fake.example") -> None:
        super().__init__(faults)
        self.domain = domain
        self.posts: list[tuple[str, dict[str, Any]]] = []
        """(tag, status), in the order of their ids."""
        self.asked: list[str] = []
        """Path with query of each request."""
        self.tokens: set[str | None] = set()
        """The Authorization headers that came."""
        self.answer_next: list[tuple[int, dict[str, str]]] = []
        """Statuses (with headers) that timelines answer instead, first come first served."""
        self.headers: dict[str, str] = {}
        """Sent with every timeline."""
        self.streams_posts = True
        """False: as on large instances, the stream stays empty."""
        self.subscribed: list[dict[str, Any]] = []
        """All frames that clients sent."""
        self.page = 40
        self._sockets: dict[int, tuple[web.WebSocketResponse, web.Request, set[str]]] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/api/v2/instance", self._instance)
        router.add_get("/api/v1/timelines/tag/{tag}", self._timeline)
        router.add_get("/api/v1/accounts/verify_credentials", self._account)
        router.add_get("/api/v1/streaming", self._streaming)

    def options(self) -> Options:
        return Options(
            url=self.url, token=Secret(TOKEN), poll_seconds=0.05, answer_seconds=0.4 if self.faults.silent else 30.0,
            requests_per_5_minutes=100_000,
        )  # fmt: skip

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"mastodon:{handle}", handle=handle, resume=resume)

    @property
    def connections(self) -> int:
        return len(self._sockets)

    def polled(self, handle: str) -> int:
        """How often the timeline was asked for."""
        return sum(line.startswith(f"/api/v1/timelines/tag/{handle[1:]}?") for line in self.asked)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: any(handle[1:] in tags for _, _, tags in self._sockets.values()))

    async def say(self, handle: str, text: str, *, written: datetime | None = None, **more: Any) -> Said:
        at = written or self.stamp()
        number = next(self._numbers)
        local_id = (round(at.timestamp() * 1000) << 16) | number
        uri = more.pop("uri", f"https://{self.domain}/users/zoe/statuses/{local_id}")
        status = {
            "id": str(local_id), "uri": uri, "url": uri, "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "content": f"<p>{text}</p>", "spoiler_text": "", "visibility": "public", "language": "en", "reblog": None, "in_reply_to_id": None,
            "account": {"id": "7", "username": "zoe", "acct": "zoe", "display_name": "Zoë"}, "tags": [{"name": handle[1:]}],
        } | more  # fmt: skip
        self.posts.append((handle[1:], status))
        self.posts.sort(key=lambda post: int(post[1]["id"]))
        if self.streams_posts:
            await self.emit(handle, "update", orjson.dumps(status).decode())
        await self.note()
        return Said(f"mastodon:{uri}", at, text)

    async def remove(self, said: Said) -> None:
        tag, status = next(post for post in self.posts if post[1]["uri"] == said.id.removeprefix("mastodon:"))
        self.posts.remove((tag, status))
        await self.emit(f"#{tag}", "delete", status["id"])

    async def emit(self, handle: str, event: str, payload: Any) -> None:
        frame = orjson.dumps({"stream": ["hashtag", handle[1:]], "event": event, "payload": payload}).decode()
        for socket, request, tags in list(self._sockets.values()):
            if handle[1:] in tags:
                with contextlib.suppress(ConnectionError):
                    await self._send(socket, request, frame)

    async def cut(self) -> None:
        for _, request, _ in list(self._sockets.values()):
            if request.transport:
                request.transport.abort()
        await self.until(lambda: not self._sockets)

    async def _send(self, socket: web.WebSocketResponse, request: web.Request, frame: str) -> None:
        if self.faults.garbage:
            for garbage in GARBAGE:
                await socket.send_str(garbage)
        if self.faults.half_frame:
            assert request.transport is not None
            half_a_frame(request.transport, frame.encode())
            return
        await socket.send_str(frame)

    # --- the server ---------------------------------------------------------------------------------------------------

    async def _fault(self, request: web.Request) -> web.Response | None:
        self.asked.append(request.path_qs)
        self.tokens.add(request.headers.get("Authorization"))
        await self.note()
        if self.faults.silent:
            await asyncio.Event().wait()
        if self.faults.throttle_seconds is not None:
            reset = datetime.now(UTC) + timedelta(seconds=self.faults.throttle_seconds)
            headers = {
                "X-RateLimit-Limit": "300",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": reset.isoformat().replace("+00:00", "Z"),
            }
            return web.Response(status=429, headers=headers)
        if self.faults.refuse:
            return web.json_response({"error": "The access token is invalid"}, status=401)
        return None

    async def _instance(self, request: web.Request) -> web.StreamResponse:
        urls = {"streaming": f"ws://127.0.0.1:{self.port}"}
        return await self._fault(request) or web.json_response({"domain": self.domain, "configuration": {"urls": urls}})

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if (fault := await self._fault(request)) is not None:
            return fault
        known = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        return web.json_response({"id": "1", "acct": "monitor"} if known else {"error": "no"}, status=200 if known else 401)

    async def _timeline(self, request: web.Request) -> web.StreamResponse:
        fault = await self._fault(request)
        if fault is not None:
            return fault
        if self.answer_next:
            status, headers = self.answer_next.pop(0)
            return web.Response(status=status, headers=headers)
        query = request.query
        rows = [status for tag, status in self.posts if tag == request.match_info["tag"]]
        if "min_id" in query:
            rows = [row for row in rows if int(row["id"]) > int(query["min_id"])][: self.page]
        else:
            rows = [row for row in rows if int(row["id"]) < int(query.get("max_id", 2**63))][-self.page :]
        rows.reverse()
        headers = dict(self.headers)
        if rows:
            address = f"{self.url}{request.path}"
            headers["Link"] = f'<{address}?max_id={rows[-1]["id"]}>; rel="next", <{address}?min_id={rows[0]["id"]}>; rel="prev"'
        if self.faults.garbage:
            rows = [row for real in rows for row in (real, {"id": "x"}, 5, None)]
        body = orjson.dumps(rows)
        if self.faults.half_frame and rows:
            return await half_an_answer(request, body)
        return web.Response(body=body, headers=headers, content_type="application/json")

    async def _streaming(self, request: web.Request) -> web.StreamResponse:
        fault = await self._fault(request)
        if fault is not None:
            return fault
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Missing access token"}, status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        number, tags = next(self._numbers), set()
        self._sockets[number] = (socket, request, tags)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    frame = orjson.loads(message.data)
                    self.subscribed.append(frame)
                    (tags.add if frame["type"] == "subscribe" else tags.discard)(frame["tag"])
                    await self.note()
        finally:
            del self._sockets[number]
            await self.note()
        return socket
