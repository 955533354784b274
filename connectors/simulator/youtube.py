"""The server side of YouTube's Data API, as far as a reader of live chats meets it.

``videos`` and ``channels`` for 50 ids or one handle, ``playlistItems``, each channel's feed, ``liveChat/messages`` and its held form ``stream``: one JSON array that
stays open, cut at odd places, ended by the server when it likes. Without a token a chat begins with its recent messages; with one it goes
on where that page ended. Every call is charged, refused ones too, and the answer to one that the day's units do not carry is the real one.

The clock is handed in; what is on air is air.py's, what a channel has youtube_rooms.py's, what an answer looks like youtube_answers.py's
and what is in an item livechat.py's.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from connectors.simulator import livechat
from connectors.simulator.faults import Faults, Mishaps
from connectors.simulator.platform_held import Pages
from connectors.simulator.serving import Server, transport_of
from connectors.simulator.websub import Hub, entry, feed
from connectors.simulator.youtube_answers import bad_key, channel_row, listed, playlist_row, quota_exceeded, refusal, video_row
from connectors.simulator.youtube_rooms import Room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from connectors.simulator.air import Air, Airtime
    from connectors.simulator.model import Sent, SimChannel
    from connectors.simulator.youtube_rooms import Video

KEY: Final = "simulated-key"
AT_ONCE: Final = 50
COSTS: Final = {"videos": 1, "channels": 1, "playlistItems": 1, "liveChat/messages": 5, "liveChat/messages/stream": 5}
PACIFIC: Final = ZoneInfo("America/Los_Angeles")
RESPONSE_SECONDS: Final = 1800.0
"""About so long a held response lasts."""
ANNOUNCED_EVERY: Final = 5
"""Every so manieth channel has announced its next broadcast, which then begins under that id."""
SILENT_EVERY: Final = 13
"""Every so manieth channel is never published to the hub, as happens."""
HIDDEN_EVERY: Final = 17
"""Every so manieth channel hides how many watch."""
POLL_MS: Final = 3000
REFUSALS: Final = {401: "authError", 403: "forbidden", 429: "rateLimitExceeded"}
"""YouTube's words; of the others it says backendError."""


class _Web(Server):
    """Where it listens."""

    def __init__(
        self, add: Callable[[web.Application], None], *, clock: Callable[[], float], mishaps: Mishaps, dice: Random
    ) -> None:
        super().__init__(clock=clock, mishaps=mishaps, dice=dice)
        self._add = add

    def routes(self, app: web.Application) -> None:
        self._add(app)


class YouTubeServer:
    """All channels of the simulated YouTube; ``deliver`` says what happened, ``tick`` lets time pass."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        air: Airtime,
        *,
        dice: Random,
        clock: Callable[[], float],
        record: Callable[[Sent, bool], None] | None = None,
        record_likes: Callable[[int, str, int], None] | None = None,
        units_per_day: int = 10_000,
        response_seconds: float = RESPONSE_SECONDS,
        mishaps: Mishaps | None = None,
    ) -> None:
        self.air = air
        self.mishaps = mishaps or Mishaps(Faults(), dice, clock)
        self.dice = dice
        self.clock = clock
        self.record = record
        self.record_likes = record_likes
        """Is told channel, video and likes once; they stand still then, so that whoever asks when must count the same."""
        self.units_per_day = units_per_day
        self.response_seconds = response_seconds
        self.rooms = [Room(one, index) if one.platform == "youtube" else None for index, one in enumerate(channels)]
        self.all = [room for room in self.rooms if room is not None]
        self.calls: dict[str, int] = {}
        """Method → how often it was asked; refused questions too."""
        self.spent: dict[str, int] = {}
        """Pacific day → units that were charged."""
        self.refused = 0
        """Calls that the day's units did not carry."""
        self.trouble: list[tuple[int, bytes]] = []
        """Answers (status, body) that are given next instead of the right ones."""
        self.hub = Hub(clock=clock, dice=dice)
        """Publishes new videos: those that begin unannounced, and the announcement of the others, but not their beginning."""
        self._readers: dict[asyncio.Task[Any], asyncio.Transport] = {}
        self._web = _Web(self._routes, clock=clock, mishaps=self.mishaps, dice=dice)
        self.tick()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; gives the port."""
        return await self._web.listen(host, port)

    def _routes(self, app: web.Application) -> None:
        for method, answer in (
            ("videos", self._videos),
            ("channels", self._channels),
            ("playlistItems", self._playlist),
            ("liveChat/messages", self._list),
        ):
            app.router.add_get(f"/youtube/v3/{method}", self._mishandled(answer))
        app.router.add_get("/youtube/v3/liveChat/messages/stream", self._stream)
        app.router.add_get("/feeds/videos.xml", self._mishandled(self._feed))
        self.hub.add_routes(app.router)

    def _mishandled(
        self, answer: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._web.give(request, await answer(request))

        return serve

    async def stop(self) -> None:
        self.drop_all()
        await self.hub.stop()
        await self._web.stop()

    @property
    def readers(self) -> int:
        """Responses that are held open."""
        return len(self._readers)

    def drop_all(self) -> int:
        """Cut every held response without an end."""
        readers = list(self._readers.values())
        for transport in readers:
            transport.abort()
        return len(readers) + self._web.drop_all()

    def rename(self, index: int, handle: str | None) -> None:
        """Another handle from now on, the channel id stays; None: the channel is gone, with its videos."""
        room = self.rooms[index]
        assert room is not None
        if handle is None:
            self.rooms[index] = None
            self.all.remove(room)
        else:
            room.handle = handle.lower()

    # --- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, sents: Sequence[Sent]) -> None:
        """Into the chats of what is live; a channel that is offline has no chat, and nobody can have written there."""
        for sent in sents:
            room = self.rooms[sent.room]
            lives = room.lives if room is not None else []
            if lives:
                video = lives[(sent.target or sent).at % len(lives)]
                video.chat.append(livechat.item(sent, video.chat.id), sent.at / 1000)
                if self.record is not None:
                    self.record(sent, video.chat.opened)

    def tick(self) -> None:
        """Begin and end what is due; wake who reads what is new."""
        now = self.clock()
        self.air.advance(now)
        for room in self.all:
            air = self.air.channels[room.index]
            on_air = {each.id: each for each in (air, *air.beside) if each.id}
            for video in room.lives:
                if video.air in on_air:
                    video.title = on_air.pop(video.air).title
                else:
                    self._end(room, video, now)
            for begun in on_air.values():
                self._begin(room, begun)
            if air.announced is not None:
                waiting = room.announced
                if waiting is not None:
                    waiting.scheduled = air.announced
                else:
                    self._announce(room, f"{room.handle} announced {air.announced}", air.announced)
            for one in room.videos:
                one.chat.wake(now)
        self._web.tick()

    def _begin(self, room: Room, air: Air) -> None:
        announced = room.announced
        video = announced or room.add(f"{room.handle} {air.id}")
        video.air, video.title, video.started = air.id, air.title, air.started
        if announced is None:
            self._publish(room, video)
        if room.index % ANNOUNCED_EVERY == 0:
            self._announce(room, f"{room.handle} after {air.id}", air.started + 86_400)

    def _announce(self, room: Room, name: str, at: float) -> None:
        following = room.add(name)
        following.scheduled = at
        self._publish(room, following)

    def _publish(self, room: Room, video: Video) -> None:
        if room.index % SILENT_EVERY != SILENT_EVERY - 1:
            self.hub.publish(room.id, video.id, video.title)

    def _end(self, room: Room, video: Video, now: float) -> None:
        video.ended = now
        video.chat.append(livechat.ended_item(video.id, video.chat.id, now), now)
        video.chat.offline_at = now
        for one in room.videos:
            if one.started is None:  # it is on its way: the next broadcast begins under this id
                one.scheduled = min(one.scheduled or now, now + 300)

    # --- who may ask --------------------------------------------------------------------------------------------------

    def _enter(self, request: web.Request, method: str) -> web.Response | None:
        """The refusal, or None; a refused question costs as well."""
        self.calls[method] = self.calls.get(method, 0) + 1
        if self.trouble:
            status, body = self.trouble.pop(0)
            return web.Response(status=status, body=body, content_type="application/json")
        status = self.mishaps.refusal()
        if status:
            return refusal(status, REFUSALS.get(status, "backendError"), "The plan of faults wants it so.", domain="global")
        if "key" not in request.query:
            return refusal(403, "forbidden", "The request is missing a valid API key.", domain="global")
        if request.query["key"] != KEY:
            return bad_key()
        day = self.day()
        if self.mishaps.faults.quota or self.spent.get(day, 0) + COSTS[method] > self.units_per_day:
            self.refused += 1
            return quota_exceeded()
        self.spent[day] = self.spent.get(day, 0) + COSTS[method]
        return None

    def day(self) -> str:
        """The day that a call made now is paid from."""
        return datetime.fromtimestamp(self.clock(), PACIFIC).date().isoformat()

    # --- what it answers ----------------------------------------------------------------------------------------------

    async def _videos(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "videos")) is not None:
            return answer
        wanted = [one for one in request.query.get("id", "").split(",") if one]
        if not 1 <= len(wanted) <= AT_ONCE:
            return refusal(
                400, "invalidFilters", "The request specifies an invalid filter parameter: id.", domain="youtube.parameter"
            )
        parts = {"kind", "id", *(part.strip() for part in request.query.get("part", "").split(","))}
        found = {video.id: (room, video) for room in self.all for video in room.videos}
        whole = [self._video(*found[one]) for one in dict.fromkeys(wanted) if one in found]
        return listed("videoListResponse", [{name: row[name] for name in row if name in parts} for row in whole])

    def _video(self, room: Room, video: Video) -> dict[str, Any]:
        now = self.clock()
        is_told = video.live and room.index % HIDDEN_EVERY != HIDDEN_EVERY - 1
        viewers = self.air.viewers(room.index, now) if is_told else None
        return video_row(room, video, viewers=viewers, likes=self._likes(room, video, now))

    def _likes(self, room: Room, video: Video, now: float) -> int:
        """They come with the viewers, for as long as the broadcast lasts."""
        if video.likes is not None:
            return video.likes
        seconds = max(0.0, (video.ended or now) - video.started) if video.started is not None else 0.0
        likes = round(self.air.channels[room.index].base * seconds / 900)
        if self.record_likes is not None and video.live:
            video.likes = likes
            self.record_likes(room.index, video.id, likes)
        return likes

    async def _channels(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "channels")) is not None:
            return answer
        handle = request.query.get("forHandle", "").lower().lstrip("@")
        wanted = [one for one in request.query.get("id", "").split(",") if one]
        if len(wanted) > AT_ONCE or bool(handle) == bool(wanted):
            return refusal(
                400, "missingRequiredParameter", "No filter selected. Expected one of: id, forHandle.", domain="youtube.parameter"
            )
        rows = [channel_row(room) for room in self.all if room.handle == handle or room.id in wanted]
        return listed("channelListResponse", rows, always=False)

    async def _playlist(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "playlistItems")) is not None:
            return answer
        room = next((room for room in self.all if room.uploads == request.query.get("playlistId")), None)
        if room is None:
            return refusal(404, "playlistNotFound", "The playlist identified with the request's playlistId parameter cannot be found.",
                           domain="youtube.playlistItem")  # fmt: skip
        most = min(50, int(request.query.get("maxResults", "5")))
        return listed("playlistItemListResponse", [playlist_row(video) for video in reversed(room.videos[-most:])])

    async def _feed(self, request: web.Request) -> web.Response:
        """What the hub publishes, all at once: it costs nothing, and wants no key."""
        room = next((room for room in self.all if room.id == request.query.get("channel_id")), None)
        if room is None:
            return web.Response(status=404, text="Error 404 (Not Found)")
        stamp = datetime.fromtimestamp(self.clock(), UTC).isoformat()
        shown = "".join(entry(room.id, video.id, video.title, stamp) for video in reversed(room.videos))
        return web.Response(body=feed(room.id, shown, stamp), content_type="application/atom+xml")

    # --- chats --------------------------------------------------------------------------------------------------------

    def _find(self, request: web.Request) -> tuple[Video, int] | web.Response:
        """The chat that is asked for and where to begin, or what is wrong with it."""
        wanted = request.query.get("liveChatId")
        video = next((video for room in self.all for video in room.videos if video.chat.id == wanted), None)
        if video is None:
            return refusal(404, "liveChatNotFound", "The live chat that you are trying to retrieve cannot be found.")
        if not video.has_chat:
            return refusal(403, "liveChatDisabled", "Live chat is not enabled for the specified broadcast.")
        token = request.query.get("pageToken")
        place = video.chat.recent() if token is None else video.chat.place_of(token)
        if place is None:
            return refusal(400, "invalidPageToken", "The request specifies an invalid page token.")
        if video.ended is not None and (token is None or place >= video.chat.end):
            return refusal(403, "liveChatEnded", "The live chat is no longer live.")
        video.chat.opened = True
        return video, place

    async def _list(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "liveChat/messages")) is not None:
            return answer
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        video, place = found
        page = video.chat.page(place, video.chat.end, poll_ms=POLL_MS)
        return web.Response(body=page, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if (answer := self._enter(request, "liveChat/messages/stream")) is not None:
            return answer
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=UTF-8"})
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._readers[task] = transport_of(request)
        try:
            await self._hold(request, response, *found)
        except ConnectionError:
            pass
        finally:
            del self._readers[task]
        return response

    async def _hold(self, request: web.Request, response: web.StreamResponse, video: Video, place: int) -> None:
        """Write what comes until the broadcast is over, it was long enough, or the client went."""
        chat = video.chat
        until = self.clock() + self.response_seconds * (0.5 + self.dice.random())
        pages = Pages(
            response.write, transport_of(request), mishaps=self.mishaps, dice=self.dice, until=self._web.until, clock=self.clock
        )
        place = max(chat.first, min([place, *self.mishaps.again(chat.id)]))
        while True:
            end = chat.end
            self.mishaps.went_out(chat.id, *range(place, end))
            await pages.put(chat.page(place, end))
            place, told = end, chat.offline_at is not None
            while chat.end == place and not (chat.offline_at is not None and not told):
                if told or self.clock() >= until:
                    await pages.end()
                    return
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError
                await chat.news()
            if place < chat.first:  # who reads so slowly has lost its place
                raise ConnectionResetError
