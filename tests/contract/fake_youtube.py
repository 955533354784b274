"""A small YouTube Data API for tests: ``videos``, ``liveChat/messages`` and its held form ``stream``, on 127.0.0.1.

It does what the real one does and clients get wrong: bodies are cut at odd places (inside characters and escapes too), history comes
again without a token and not with one, a response ends when the server likes, quota is counted per call and answered with the real body.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from fakes import NO_FAULTS, Faults, OverHttp, Said

from connectors.connector import Broadcast, Secret, Target
from connectors.youtube import Options

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Resume

COSTS = {
    "/youtube/v3/videos": 1,
    "/youtube/v3/channels": 1,
    "/youtube/v3/liveChat/messages": 5,
    "/youtube/v3/liveChat/messages/stream": 5,
}
GARBAGE = (
    b'{"items":[{"id":"x","snippet":{"type":"textMessageEvent"]}}}\n,',  # braces match, JSON it is not
    b"\xff\xfe\x00 null 12 , ,\r\n",
    b'{"items":[null,{"snippet":7},{"id":"y","snippet":{"type":"textMessageEvent","publishedAt":"never"}}],"nextPageToken":7}\n,',
)


@dataclass(slots=True)
class Room:
    """One broadcast and its chat."""

    video: str
    channel: str
    log: list[dict[str, Any]] = field(default_factory=list)
    state: str = "live"
    chat: bool = True
    """Whether the chat is switched on."""
    viewers: int | None = 1200
    likes: int | None = 345
    offline_at: str | None = None
    first_token: int = 0
    """Tokens before this one are not known any more."""
    shown: int = 75
    """How many messages the history holds."""

    @property
    def chat_id(self) -> str:
        return base64.urlsafe_b64encode(f"\n\r\n\x0b{self.video}".encode()).decode().rstrip("=")


@dataclass(slots=True)
class Reader:
    """One client that holds a response open."""

    handle: str
    transport: asyncio.Transport
    place: int = 0
    """How much of the chat's log was written to it."""


class FakeYouTube(OverHttp):
    """Three channels with one live broadcast each; add rooms for more."""

    path = "/youtube/v3"

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self.rooms = {handle: Room(video=f"{handle:_<11}", channel=f"UC{handle:_<22}") for handle in self.handles}
        self.key = "key-of-the-test"
        self.units = 10_000
        """Left of today's quota."""
        self.calls: list[tuple[str, dict[str, str]]] = []
        """Path and query of each call, without the key."""
        self.answers: list[web.Response] = []
        """Answered to the next calls instead of what they ask for."""
        self.pages_per_response = 0
        """The server ends the response after so many objects; 0 never."""
        self.bare = False
        """Objects without the array around them."""
        self.dice = random.Random(5)
        self._listening: dict[web.StreamResponse, Reader] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/youtube/v3/videos", self._videos)
        router.add_get("/youtube/v3/channels", self._channels)
        router.add_get("/youtube/v3/liveChat/messages", self._list)
        router.add_get("/youtube/v3/liveChat/messages/stream", self._stream)

    def options(self) -> Options:
        return Options(
            api_key=Secret(self.key),
            url=self.url,
            opens_per_second=100,
            broken_reads=3,
            retry_seconds=0.05,
            open_seconds=0.3 if self.faults.silent else 30.0,
            stall_seconds=0.5,
            viewers_seconds=60.0 if self.faults.half_frame else 0.2,  # an answer about the videos says that the network works
            active_hours=0.001,  # the units last for so short an event at any interval
        )

    def broadcast(self, handle: str) -> Broadcast:
        room = self.rooms[handle]
        return Broadcast(native_id=room.video, chat_id=room.chat_id, title=f"{handle} live")

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(
            livestream=f"youtube:{handle}", handle=handle, native_id=self.rooms[handle].channel, resume=resume,
            broadcasts=(self.broadcast(handle),),
        )  # fmt: skip

    # --- what happens in the chats ------------------------------------------------------------------------------------

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        at = self.stamp(digits=6)
        item = self.item(handle, "textMessageEvent", at, number, displayMessage=text, textMessageDetails={"messageText": text})
        await self.emit(handle, item)
        return Said(f"youtube:{item['id']}", at, text)

    async def remove(self, said: Said) -> None:
        for handle, room in self.rooms.items():
            if any(item["id"] == said.id[8:] for item in room.log):
                details = {"deletedMessageId": said.id[8:]}
                item = self.item(
                    handle, "messageDeletedEvent", self.stamp(digits=6), next(self._numbers), messageDeletedDetails=details
                )
                await self.emit(handle, item)

    def item(self, handle: str, kind: str, at: datetime, number: int, **snippet: Any) -> dict[str, Any]:
        channel = f"UC{number % 7:_<22}"
        return {
            "kind": "youtube#liveChatMessage",
            "etag": f"etag-{number}",
            "id": f"LCC.Test{number:08d}",
            "snippet": {
                "type": kind, "liveChatId": self.rooms[handle].chat_id, "authorChannelId": channel, "hasDisplayContent": True,
                "publishedAt": at.isoformat(timespec="microseconds"), **snippet,
            },
            "authorDetails": {
                "channelId": channel, "channelUrl": f"http://www.youtube.com/channel/{channel}", "displayName": 'Zoë "{" \\ 👋',
                "isVerified": False, "isChatOwner": False, "isChatSponsor": False, "isChatModerator": False,
            },
        }  # fmt: skip

    async def emit(self, handle: str, item: dict[str, Any]) -> None:
        """Any item, into the chat's log; returns when it is written to all who read it, so that what is said later arrives later."""
        log = self.rooms[handle].log
        log.append(item)
        size = len(log)
        await self.note()
        await self.until(lambda: all(r.place >= size for r in self._listening.values() if r.handle == handle))

    async def end(self, handle: str, *, by: str = "item") -> None:
        """The broadcast is over: told by ``item``, by ``offlineAt``, or only by the error when it is opened again."""
        room = self.rooms[handle]
        room.state = "ended"
        if by == "item":
            room.log.append(self.item(handle, "chatEndedEvent", self.stamp(digits=6), next(self._numbers)))
        elif by == "offlineAt":
            room.offline_at = self.stamp(digits=6).isoformat()
        await self.note()

    async def cut(self) -> None:
        for reader in list(self._listening.values()):
            reader.transport.abort()
        await self.until(lambda: not self._listening)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: self.listeners(handle) > 0)

    def listeners(self, handle: str) -> int:
        return sum(reader.handle == handle for reader in self._listening.values())

    @property
    def connections(self) -> int:
        return len(self._listening)

    def called(self, method: str) -> list[dict[str, str]]:
        return [query for path, query in self.calls if path.endswith(f"/v3/{method}")]

    # --- what is answered ---------------------------------------------------------------------------------------------

    async def _admit(self, request: web.Request) -> web.Response | None:
        """The answer instead of the one that was asked for, if any; every call is paid for, also a rejected one."""
        self.calls.append((request.path, {name: value for name, value in request.query.items() if name != "key"}))
        await self.note()
        if self.faults.silent:
            await asyncio.Event().wait()
        if self.answers:
            return self.answers.pop(0)
        if self.faults.throttle_seconds is not None:
            response = refusal(429, "rateLimitExceeded", "Too many requests", domain="global")
            response.headers["Retry-After"] = str(self.faults.throttle_seconds)
            return response
        if self.faults.refuse or request.query.get("key") != self.key:
            return bad_key()
        cost = COSTS[request.path]
        if self.units < cost:
            return refusal(
                403, "quotaExceeded", 'The request cannot be completed because you have exceeded your <a href="/youtube/v3/getting-started#quota">'
                "quota</a>.", domain="youtube.quota",
            )  # fmt: skip
        self.units -= cost
        return None

    async def _channels(self, request: web.Request) -> web.Response:
        """Of handles it knows its own; an answer without rows has no ``items``."""
        if answer := await self._admit(request):
            return answer
        wanted = request.query.get("forHandle", "").removeprefix("@")
        rows = [{"id": room.channel, "snippet": {"title": handle}} for handle, room in self.rooms.items() if handle == wanted]
        return web.json_response({"kind": "youtube#channelListResponse"} | ({"items": rows} if rows else {}))

    async def _videos(self, request: web.Request) -> web.Response:
        if answer := await self._admit(request):
            return answer
        wanted = request.query["id"].split(",")
        if len(wanted) > 50:
            return refusal(400, "invalidValue", "too many ids")
        found = [self._video(room) for room in self.rooms.values() if room.video in wanted and room.state != "gone"]
        return web.json_response({"kind": "youtube#videoListResponse", "pageInfo": {"totalResults": len(found)}, "items": found})

    def _video(self, room: Room) -> dict[str, Any]:
        live: dict[str, Any] = {"actualStartTime": "2026-10-16T11:30:00Z"}
        if room.chat and room.state == "live":
            live["activeLiveChatId"] = room.chat_id
        if room.viewers is not None and room.state == "live":
            live["concurrentViewers"] = str(room.viewers)
        if room.state == "ended":
            live["actualEndTime"] = "2026-10-16T12:30:00Z"
        if room.state == "upcoming":
            live = {"scheduledStartTime": "2026-10-16T13:00:00Z", "activeLiveChatId": room.chat_id}
        said = room.state if room.state in ("live", "upcoming") else "none"
        snippet = {"channelId": room.channel, "title": "…", "liveBroadcastContent": said}
        statistics = {} if room.likes is None else {"likeCount": str(room.likes), "viewCount": "9999"}
        return {
            "kind": "youtube#video",
            "id": room.video,
            "snippet": snippet,
            "liveStreamingDetails": live,
            "statistics": statistics,
        }

    def _find(self, request: web.Request) -> tuple[str, Room] | web.Response:
        """The chat that is asked for, or what is wrong with it."""
        wanted = request.query.get("liveChatId")
        found = next(((handle, room) for handle, room in self.rooms.items() if room.chat_id == wanted), None)
        if found is None or found[1].state == "gone":
            return refusal(404, "liveChatNotFound", "The live chat that you are trying to retrieve cannot be found.")
        if not found[1].chat:
            return refusal(403, "liveChatDisabled", "Live chat is not enabled for the specified broadcast.")
        token = request.query.get("pageToken")
        if token is not None and (not token.startswith("T") or int(token[1:]) < found[1].first_token):
            return refusal(400, "invalidPageToken", "The request specifies an invalid page token.")
        said_all = token is not None and int(token[1:]) < len(found[1].log)
        if found[1].state == "ended" and not said_all and not found[1].offline_at:
            return refusal(403, "liveChatEnded", "The live chat is no longer live.")
        return found

    def _place(self, request: web.Request, room: Room) -> int:
        token = request.query.get("pageToken")
        return max(0, len(room.log) - room.shown) if token is None else int(token[1:])

    def page(self, room: Room, start: int, end: int) -> dict[str, Any]:
        items = room.log[start:end]
        page = {
            "kind": "youtube#liveChatMessageListResponse", "etag": "x", "nextPageToken": f"T{end}",
            "pageInfo": {"totalResults": len(items), "resultsPerPage": len(items)}, "items": items,
        }  # fmt: skip
        return page | ({"offlineAt": room.offline_at} if room.offline_at else {})

    async def _list(self, request: web.Request) -> web.Response:
        if answer := await self._admit(request):
            return answer
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        room = found[1]
        return web.json_response(self.page(room, self._place(request, room), len(room.log)) | {"pollingIntervalMillis": 50})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if answer := await self._admit(request):
            return answer
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        handle, room = found
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=UTF-8"})
        await response.prepare(request)
        assert request.transport is not None
        self._listening[response] = Reader(handle, request.transport)
        try:
            await self._write_all(request, response, room)
        except ConnectionError:
            pass
        finally:
            del self._listening[response]
            await self.note()
        return response

    async def _write_all(self, request: web.Request, response: web.StreamResponse, room: Room) -> None:
        place, sent, told_offline = self._place(request, room), 0, False
        if not self.bare:
            await self._write(response, b"[")
        await self.note()
        while True:
            end = len(room.log)
            page = json.dumps(self.page(room, place, end), ensure_ascii=place % 2 == 0).encode()
            await self._write_page(request, response, page, sent)
            place, sent, told_offline = end, sent + 1, room.offline_at is not None
            self._listening[response].place = place
            await self.note()
            has_ended = lambda: room.state == "ended" and len(room.log) == place  # noqa: E731, B023
            has_news = lambda: len(room.log) > place or (room.offline_at is not None and not told_offline)  # noqa: E731, B023
            if sent == self.pages_per_response:
                break
            await self._news(request, lambda: has_news() or has_ended())  # noqa: B023
            if not has_news():
                break
        await self._write(response, b"" if self.bare else b"]\n")

    async def _news(self, request: web.Request, true: Any) -> None:
        """Wait for something to send, or until the client is gone."""
        gone = lambda: request.transport is None or request.transport.is_closing()  # noqa: E731
        while not true():
            if gone():
                raise ConnectionResetError
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.02):  # a task of its own (wait_for) could outlive us with the lock in its hand
                        await self._changed.wait()

    async def _write_page(self, request: web.Request, response: web.StreamResponse, page: bytes, sent: int) -> None:
        has_items = b'"items": []' not in page
        if self.faults.garbage and has_items:
            for noise in GARBAGE:
                await self._write(response, noise)
        if self.faults.half_frame and has_items:
            await response.write(page[: len(page) // 2])
            assert request.transport is not None
            request.transport.close()
            raise ConnectionResetError
        await self._write(response, (b"" if self.bare or not sent else b",\r\n") + page)

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """In pieces as they please."""
        while data:
            cut = self.dice.choice((1, 3, 7, 64, 1460, len(data)))
            await response.write(data[:cut])
            data = data[cut:]


def refusal(status: int, reason: str, message: str, *, domain: str = "youtube.liveChat") -> web.Response:
    """An error as the Data API words it."""
    error = {"message": message, "domain": domain, "reason": reason}
    return web.json_response({"error": {"code": status, "message": message, "errors": [error]}}, status=status)


def bad_key() -> web.Response:
    """What a wrong key is answered with, by a method that streams: in an array."""
    error = {
        "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
    }  # fmt: skip
    return web.json_response([{"error": error}], status=400)
