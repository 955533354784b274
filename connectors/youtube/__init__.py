"""YouTube live chat, viewers and likes, over the Data API v3.

Collected: chat messages, Super Chats, Super Stickers, memberships and gifted memberships, gifts (Jewels), deletions, retractions and bans
(as removals), concurrent viewers, likes so far, and that a broadcast is live or over. Not collected: shares (no API gives them), views,
ordinary comments under the video, votes in polls (a poll is counted as Unknown), anything by the unofficial innertube route, which
YouTube's terms forbid.

API: YouTube Data API v3 with ``liveChat/messages/stream``, https://developers.google.com/youtube/v3/live/docs/liveChatMessages/streamList,
checked 2026-11-20. It is one JSON array over HTTPS that stays open; ``videos.list`` gives state, chat id, viewers and likes of 50
videos a call. ``liveChat/messages`` (polling) is used only for those named in ``poll_chats``.

Login: an API key (Google Cloud console, enable "YouTube Data API v3", create a key; no review). No consent of the streamer is needed
for public chats; chats of private or members-only broadcasts cannot be read.

Limits: 10,000 units a day for everything, granted per project and reset at midnight Pacific time. Opening a chat costs 5, a call for up
to 50 videos 1. Every call is charged before it is made, in a memory that all collectors share; when the units are used up, or YouTube
says that they are, nothing is asked until midnight. An open chat is read on. About 350 channels fit into the default for a day of twelve
hours; more need an extension, for which Google has one form. Chats are opened a few a second.

Resume: ``nextPageToken``. The cursor is a JSON object, video id → [token, time of the batch]; reading goes on behind it and nothing is
lost. A token that YouTube no longer knows is given up: reading goes on with the recent history that every chat begins with, and what
may be missing before it is a Gap.

Quirks: a new video id for each broadcast. The server ends the response now and then, which is normal. Without a token a chat begins with
its recent messages again. A quiet chat is silent for hours, so silence is no failure; the network's own keep-alive tells a dead
connection. Viewers are missing when the owner hides them. How long one response lasts is not documented: with one an hour,
120 chats cost 600 units an hour.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.connector import (
    Connector,
    ConnectorFailure,
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Secret,
    Throttled,
    Unreadable,
)
from connectors.event import Status
from connectors.proxy import Proxy  # noqa: TC001 — the configuration reads the options' types
from connectors.youtube.aim import OVER, Aim, Chat, Known, aim, is_far
from connectors.youtube.answers import parse_answer
from connectors.youtube.api import Api
from connectors.youtube.gate import Gate
from connectors.youtube.parse import Context, read_page, unreadable
from connectors.youtube.places import Place, Places, gap_before
from connectors.youtube.problems import WORDS, Problem, Refusal, judge_error
from connectors.youtube.quota import Ledger, midnight_after, poll_seconds
from connectors.youtube.stream import Scanner
from connectors.youtube.videos import MOST_IDS, PARTS, Video, read_videos, samples

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from connectors.connector import Tools, Watch
    from connectors.event import Event
    from connectors.youtube.parse import Page

NO_KEY = 'YouTube needs a key: put api_key = { env = "YOUTUBE_KEY" } into [youtube]; docs/connectors.md says where to get one'
SETTLED_SECONDS = 30.0
"""A response that lasted so long ended as they do; one that ended sooner must not be asked for again at once."""
LAST_WORDS_SECONDS = 60.0
"""When the broadcast is over and its chat has been silent for so long, there will be no more."""
LOOK_SECONDS = 15.0
"""How often a silent chat is looked at."""
SLOW_SECONDS = 300.0
"""Figures are never asked for less often than this: older ones would not be believed. Without a live video it is often enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read YouTube; everything but the key has a default that works."""

    api_key: Secret | None = None
    """Key of a Google Cloud project with the YouTube Data API v3 enabled; nothing works without it."""
    units_per_day: int = 10_000
    """What Google granted the project; never is more asked for in a day of Pacific time."""
    reserve_units: int = 600
    """The last so many units of a day are kept for opening chats (a full restart of 120); figures do without them."""
    viewers_seconds: float = 60.0
    """How often viewers and likes are asked for; less often, up to five minutes, when the units would not last."""
    active_hours: float = 12.0
    """How many hours a day there is something to watch; the units are spread over them."""
    poll_chats: tuple[str, ...] = ()
    """Video ids, channel ids or handles whose chat is polled instead of held open: 5 units every few seconds, so only for a few."""
    poll_chat_seconds: float = 5.0
    """Polled chats are asked at most this often; YouTube may ask for longer."""
    capacity: int = 50
    """Channels per connection, which is how many one call for viewers may name."""
    opens_per_second: int = 4
    """How many chats are opened in a second."""
    broken_reads: int = 8
    """So many calls in a row that bring nothing, with nothing received between them from any chat, mean that the network is broken and not a chat."""
    retry_seconds: float = 1.0
    """A broken chat is opened again after so long, then after twice as long, up to two minutes."""
    retry_refused_seconds: float = 1800.0
    """When a chat that is switched off or closed to us is tried again."""
    open_seconds: float = 30.0
    """How long to wait for an answer to begin."""
    stall_seconds: float = 20.0
    """An object that began and is not complete after so long will not be."""
    silence_seconds: float = 0.0
    """A chat that said nothing for so long is opened again where it stopped, which costs five units; 0: never, the call for figures says
    whether it is live."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""
    url: str = "https://youtube.googleapis.com/youtube/v3"
    """Address of the API."""
    push: bool = True
    """Be told of new videos (WebSub) where ``[public] url`` is set: costs no units, and finds broadcasts within a minute or two."""
    hub_url: str = "https://pubsubhubbub.appspot.com/subscribe"
    """Where to subscribe; YouTube publishes to Google's hub."""


class YouTube(Connector):
    """Up to ``capacity`` channels: one held response for each live chat, and one call for the figures of all."""

    name = "youtube"
    options = Options
    capacity = 50
    needs = ("api_key",)
    resumes = True
    untried = "discovery's question tries the same key for one unit, and to open a chat costs five"

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        # Bounded, so that a consumer that stands still is felt by the sender and not by our memory.
        self._inbox: asyncio.Queue[Event | Mark | Health | BaseException] = asyncio.Queue(256)
        self._videos: dict[str, Video | None] = {}
        self._over: dict[str, str] = {}
        """Broadcasts that ended while we looked, and the reason."""
        self._places = Places()
        self._chats: dict[tuple[str, str], tuple[Chat, asyncio.Task[None]]] = {}
        self._begun_once: set[str] = set()
        self._gate = Gate(
            tools,
            opens_per_second=options.opens_per_second,
            broken_reads=options.broken_reads,
            retry_seconds=options.retry_seconds,
        )
        self._fruitful: set[str] = set()
        """Videos whose chat brought something since it was last opened."""
        self._wake = asyncio.Event()
        self._shown: dict[str, Health] = {}

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """An answer of ``liveChat/messages`` or ``videos``, a single item of either, or an array of them.

        The keys of ``livestreams`` are chat ids, and for figures also video and channel ids.
        """
        return parse_answer(raw, Context(tools.now(), tools.pseudonym, livestreams=livestreams))

    async def events(self) -> AsyncGenerator[Event | Mark | Health, None]:
        """Messages, figures, marks and states until the connection fails; see the contract."""
        if self.opts.api_key is None:
            raise Refused(NO_KEY)
        work = asyncio.create_task(self._work(self.opts.api_key))
        try:
            while True:
                item = await self._inbox.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    # --- the tasks; all they learn goes through the inbox, so that what was read comes before the end ------------------

    async def _work(self, key: Secret) -> None:
        opts = self.opts
        ledger = Ledger(units_per_day=opts.units_per_day, reserve=opts.reserve_units)
        try:
            async with (
                Api(opts.url, key, ledger, self.tools, open_seconds=opts.open_seconds, proxy=opts.proxy) as self._api,
                asyncio.TaskGroup() as self._tasks,
            ):
                self._tasks.create_task(self._follow_watch())
                self._tasks.create_task(self._look_after())
        except BaseExceptionGroup as group:
            await self._inbox.put(_worst(group))

    async def _follow_watch(self) -> None:
        while True:
            await self.watch.changed()
            self._wake.set()

    async def _look_after(self) -> None:
        """Start and stop chats as targets and videos change; ask for states and figures when it is time, for new videos at once."""
        loop = asyncio.get_running_loop()
        next_at = not_before = loop.time()
        failures = 0
        while True:
            aimed = await self._retarget()
            now = loop.time()
            fresh = [name for name in aimed.videos if name not in self._videos]
            at = not_before if fresh else max(next_at, not_before)
            if not aimed.videos or now < at:
                await _within(self._wake.wait(), at - now if aimed.videos else None)
                self._wake.clear()
                continue
            try:
                seconds = await self._ask(aimed, fresh if now < next_at else list(aimed.videos))
                next_at = next_at if now < next_at else now + seconds
                failures = 0
            except Refusal as refusal:
                match refusal.problem.meaning:
                    case "day" | "slow" | "key":
                        not_before = now + self._gate.shut(refusal, self.tools.now())
                    case "reserve":
                        not_before = now + SLOW_SECONDS
                    case _:
                        failures += 1
                        not_before = now + self._gate.broke(Dropped(refusal.problem.words), failures)
            except Dropped as dropped:
                failures += 1
                not_before = now + self._gate.broke(dropped, failures)

    async def _retarget(self) -> Aim:
        reading = {place: chat for place, (chat, task) in self._chats.items() if not task.done()}
        aimed = aim(self.watch.targets.values(), Known(self._videos, self._over, reading))
        for name in self._videos.keys() - aimed.videos.keys():
            del self._videos[name]
        for place, (chat, task) in list(self._chats.items()):
            if place not in aimed.chats or aimed.chats[place].chat_id != chat.chat_id:
                task.cancel()
                del self._chats[place]
        for place, chat in aimed.chats.items():
            if place not in self._chats:
                self._chats[place] = (chat, self._tasks.create_task(self._keep(chat)))
        for livestream in self._shown.keys() - self.watch.targets.keys():
            del self._shown[livestream]
            self._places.forget(livestream)
        for health in aimed.idle:
            await self._show(health)
        return aimed

    # --- states and figures -------------------------------------------------------------------------------------------

    async def _ask(self, aimed: Aim, names: list[str]) -> float:
        """Ask for these videos; how many seconds until the next time."""
        interval = await self._interval()
        fresh = any(name not in self._videos for name in names)
        if interval is None and not fresh:
            return SLOW_SECONDS
        for start in range(0, len(names), MOST_IDS):
            some = names[start : start + MOST_IDS]
            query = {"part": PARTS, "id": ",".join(some), "maxResults": str(MOST_IDS)}
            body = await self._api.get("videos", query, essential=fresh)
            try:
                videos = {video.id: video for video in read_videos(body)}
            except Unreadable as problem:
                await self._inbox.put(unreadable(problem, body, self._context()))
                raise Dropped(f"YouTube's answer about the videos cannot be read ({problem.reason})") from problem
            self._gate.heard()
            for name in some:
                self._videos[name] = videos.get(name)
                if name in videos:
                    await self._sample(videos[name], aimed.videos[name], interval or SLOW_SECONDS)
        return max(interval or SLOW_SECONDS, SLOW_SECONDS if is_far(self._videos.values(), self.tools.now()) else 0.0)

    async def _interval(self) -> float | None:
        """How often the units that are left allow to ask; None when they do not."""
        opts, now = self.opts, self.tools.now()
        # How many connections there are altogether is not known here; each asks for 50 of the platform's channels.
        calls = max(len(self.watch.directory), len(self.watch.targets)) // MOST_IDS + 1
        return poll_seconds(
            wanted=opts.viewers_seconds, longest=max(SLOW_SECONDS, opts.viewers_seconds),
            left=await self._api.left() - opts.reserve_units, calls=calls,
            seconds=min((midnight_after(now) - now).total_seconds(), opts.active_hours * 3600),
        )  # fmt: skip

    async def _sample(self, video: Video, livestream: str, interval: float) -> None:
        place = (livestream, video.id)
        if video.state == "ended" and place in self._chats and not self._chats[place][1].done():
            return  # the chat tells it, after its last words
        for event in samples(video, self._context(livestream, video.id), interval):
            await self._inbox.put(event)
        if video.state == "ended":
            self._over[video.id] = OVER

    def _context(self, livestream: str | None = None, video: str | None = None) -> Context:
        return Context(self.tools.now(), self.tools.pseudonym, livestream, video)

    # --- one chat -----------------------------------------------------------------------------------------------------

    async def _keep(self, chat: Chat) -> None:
        """Read one chat until it is over; its failures are its own as long as something else still works."""
        failures = 0
        polled = not {chat.video, chat.livestream, chat.handle, chat.native_id}.isdisjoint(self.opts.poll_chats)
        loop = asyncio.get_running_loop()
        await self._show(Health(livestream=chat.livestream, state="connecting"))
        while not self._is_over(chat):
            await self._gate.enter(partial(self._throttled, chat))
            began = loop.time()
            wait = 0.0
            self._fruitful.discard(chat.video)
            try:
                await (self._poll(chat) if polled else self._hold(chat))
                failures = 0 if loop.time() - began >= SETTLED_SECONDS else failures + 1
                wait = self._gate.pause(failures)
            except Refusal as refusal:
                match refusal.problem.meaning:
                    case "day" | "slow" | "key":
                        self._gate.shut(refusal, self.tools.now())
                    case "ended":
                        break
                    case "token" if self._lose_token(chat):
                        pass
                    case "gone" | "disabled" | "closed":
                        wait = await self._refuse(chat, refusal.problem)
                    case _:
                        failures += 1
                        wait = await self._break(chat, Dropped(refusal.problem.words), failures)
            except Dropped as dropped:
                failures = 1 if loop.time() - began >= SETTLED_SECONDS else failures + 1
                wait = await self._break(chat, dropped, failures)
            await self.tools.sleep(wait)
        await self._end(chat)

    def _is_over(self, chat: Chat) -> bool:
        video = self._videos.get(chat.video)
        return chat.video in self._over or (video is not None and video.state == "ended")

    async def _throttled(self, chat: Chat, reason: str) -> None:
        await self._show(Health(livestream=chat.livestream, state="throttled", reason=reason))

    async def _break(self, chat: Chat, dropped: Dropped, failures: int) -> float:
        # A chat that was read and then cut says nothing about the network yet: many are cut at once when a server goes.
        wait = self._gate.pause(failures) if chat.video in self._fruitful else self._gate.broke(dropped, failures)
        await self._show(Health(livestream=chat.livestream, state="broken", reason=dropped.reason))
        return wait

    async def _refuse(self, chat: Chat, problem: Problem) -> float:
        await self._show(Health(livestream=chat.livestream, state="refused", reason=problem.words))
        if problem.meaning == "gone":  # perhaps it has another chat by now, or is over: the next answer will say
            self._videos.pop(chat.video, None)
            self._wake.set()
        return self.opts.retry_refused_seconds

    async def _end(self, chat: Chat) -> None:
        """Say that the broadcast is over, once its chat said the last word."""
        now = self.tools.now()
        if chat.video not in self._over:
            video = self._videos.get(chat.video)
            self._over[chat.video] = OVER
            await self._inbox.put(
                Status(
                    id=f"youtube:{chat.video}:ended", platform="youtube", livestream=chat.livestream, broadcast=chat.video,
                    at=min((video.ended_at if video else None) or now, now), received_at=now, state="ended", reason=OVER,
                )
            )  # fmt: skip
        self._places.of(chat.livestream, self.watch.targets).pop(chat.video, None)
        await self._inbox.put(self._places.mark(chat.livestream))
        await self._show(Health(livestream=chat.livestream, state="ended", reason=self._over[chat.video]))
        self._wake.set()

    async def _hold(self, chat: Chat) -> None:
        """Read the held response until the server ends it in order, or it has said nothing for very long; raises Refusal or Dropped."""
        loop = asyncio.get_running_loop()
        scanner = Scanner()
        async with self._api.held("liveChat/messages/stream", self._query(chat)) as body:
            await self._begun(chat)
            self._gate.open += 1
            try:
                heard = complete = loop.time()
                while (data := await _within(body.readany(), min(LOOK_SECONDS, self.opts.stall_seconds))) != b"":
                    now = loop.time()
                    was_pending = scanner.pending
                    found = scanner.feed(data or b"")
                    for raw in found:
                        await self._read(chat, raw)
                    heard = now if data else heard
                    complete = now if found or not was_pending else complete
                    if scanner.pending and now - complete >= self.opts.stall_seconds:
                        break
                    if now - heard >= (LAST_WORDS_SECONDS if self._is_over(chat) else self.opts.silence_seconds or math.inf):
                        break
            except Unreadable as problem:
                raise Dropped("YouTube sent an object without an end") from problem
            finally:
                self._gate.open -= 1
        if scanner.pending:
            raise Dropped("the connection was cut in the middle of an answer")

    async def _poll(self, chat: Chat) -> None:
        """Ask again and again until the broadcast is over; raises Refusal or Dropped."""
        opened = 0
        try:
            while not self._is_over(chat):
                raw = await self._api.get("liveChat/messages", self._query(chat) | {"maxResults": "2000"})
                if not opened:
                    opened = 1
                    self._gate.open += 1
                    await self._begun(chat)
                page = await self._read(chat, raw)
                await self.tools.sleep(max(self.opts.poll_chat_seconds, (page and page.wait_seconds) or 0.0))
        finally:
            self._gate.open -= opened

    async def _read(self, chat: Chat, raw: bytes) -> Page | None:
        """Hand on what one object brings; raises Refusal when it says that the chat is over, or an error."""
        context = self._context(chat.livestream, chat.video)
        try:
            page = read_page(raw, context)
        except Unreadable as problem:
            await self._inbox.put(unreadable(problem, raw, context))
            return None
        if page.error is not None:
            raise Refusal(judge_error(page.error, context.received_at))
        self._gate.heard()
        self._fruitful.add(chat.video)
        places = self._places.of(chat.livestream, self.watch.targets)
        place = places.get(chat.video)
        if place is None or not place.token:
            target = self.watch.targets.get(chat.livestream)
            gap = gap_before(
                chat.livestream, chat.video, lost=place, resume=target.resume if target else Resume(), started_at=chat.started_at,
                oldest=page.oldest, items=page.items, now=context.received_at,
            )  # fmt: skip
            if gap:
                await self._inbox.put(gap)
        for event in page.events:
            await self._inbox.put(event)
        if page.token and (place is None or page.token != place.token):
            places[chat.video] = Place(page.token, context.received_at)
            await self._inbox.put(self._places.mark(chat.livestream))
        if page.ended:
            self._over[chat.video] = next((event.reason or OVER for event in page.events if isinstance(event, Status)), OVER)
            raise Refusal(Problem("ended", WORDS["ended"]))
        return page

    async def _begun(self, chat: Chat) -> None:
        await self._show(Health(livestream=chat.livestream, state="live"))
        if chat.video not in self._begun_once:
            self._begun_once.add(chat.video)
            now = self.tools.now()
            await self._inbox.put(
                Status(
                    id=f"youtube:{chat.video}:live", platform="youtube", livestream=chat.livestream, broadcast=chat.video,
                    at=min(chat.started_at or now, now), received_at=now, state="live",
                )
            )  # fmt: skip

    async def _show(self, health: Health) -> None:
        if self._shown.get(health.livestream) != health:
            self._shown[health.livestream] = health
            await self._inbox.put(health)

    def _query(self, chat: Chat) -> dict[str, str]:
        query = {"liveChatId": chat.chat_id, "part": "id,snippet,authorDetails"}
        place = self._places.of(chat.livestream, self.watch.targets).get(chat.video)
        return query | {"pageToken": place.token} if place and place.token else query

    def _lose_token(self, chat: Chat) -> bool:
        """Forget the token but not its time, where the Gap begins; whether there was one."""
        places = self._places.of(chat.livestream, self.watch.targets)
        place = places.get(chat.video)
        if place is None or not place.token:
            return False
        self.tools.log.info("youtube: %s; reading the recent history instead", WORDS["token"])
        places[chat.video] = Place("", place.at)
        return True


def _worst(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one failure that says most: a fault of ours, then what a person must do, then when to come again."""
    found = [_worst(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    order = (Refused, Throttled, Dropped)
    return min(found, key=lambda error: order.index(type(error)) if isinstance(error, ConnectorFailure) else -1)


async def _within(waiting: Any, seconds: float | None) -> Any:
    """What comes in this time; None when nothing does."""
    try:
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError:
        return None
