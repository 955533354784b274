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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.connector import (
    Connector,
    ConnectorFailure,
    Dropped,
    Health,
    Mark,
    Refused,
    Secret,
    Throttled,
    Unreadable,
)
from connectors.ending import end
from connectors.proxy import Proxy  # noqa: TC001 — the configuration reads the options' types
from connectors.youtube.aim import OVER, Aim, Chat, Known, aim, idle_seconds, is_far, near, unknown
from connectors.youtube.answers import parse_answer
from connectors.youtube.api import Api
from connectors.youtube.chats import Chats, within
from connectors.youtube.gate import Gate
from connectors.youtube.parse import Context, unreadable
from connectors.youtube.plan import figure_calls, figures_every
from connectors.youtube.problems import Refusal
from connectors.youtube.quota import Ledger, midnight_after, poll_seconds
from connectors.youtube.videos import MOST_IDS, PARTS, Video, read_videos, samples

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from connectors.connector import Tools, Watch
    from connectors.event import Event

NO_KEY = 'YouTube needs a key: put api_key = { env = "YOUTUBE_KEY" } into [youtube]; docs/connectors.md says where to get one'
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
    capacity: int = 140
    """Channels per connection: about 50 of them are live at once, which is how many one call for viewers may name."""
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
    feed_seconds: float = 240.0
    """How often each channel's feed is looked at for broadcasts that nobody told of, in the hours of the event; costs no units. 0: never."""
    feed_url: str = ""
    """Address of the feeds. Left out: YouTube's own, where ``url`` is YouTube's own."""
    push: bool = True
    """Be told of new videos (WebSub) where ``[public] url`` is set: costs no units, and finds broadcasts within a minute or two."""
    hub_url: str = "https://pubsubhubbub.appspot.com/subscribe"
    """Where to subscribe; YouTube publishes to Google's hub."""


class YouTube(Connector):
    """Up to ``capacity`` channels: one held response for each live chat, and one call for the figures of all."""

    name = "youtube"
    options = Options
    capacity = 140
    needs = ("api_key",)
    resumes = True
    untried = "discovery's question tries the same key for one unit, and to open a chat costs five"

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        # Bounded, so that a consumer that stands still is felt by the sender and not by our memory.
        self._inbox: asyncio.Queue[Event | Mark | Health | BaseException] = asyncio.Queue(256)
        gate = Gate(
            tools,
            opens_per_second=options.opens_per_second,
            broken_reads=options.broken_reads,
            retry_seconds=options.retry_seconds,
        )
        self._chats = Chats(options, watch, tools, gate, self._inbox.put)
        self._asked: set[str] = set()
        """Videos of which YouTube was asked."""
        self._reading: dict[tuple[str, str], tuple[Chat, asyncio.Task[None]]] = {}
        """By livestream and video."""

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """An answer of ``liveChat/messages`` or ``videos``, a single item of either, an array of them, or a feed of the hub.

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
            await end([work])

    # --- the tasks; all they learn goes through the inbox, so that what was read comes before the end ------------------

    async def _work(self, key: Secret) -> None:
        opts = self.opts
        ledger = Ledger(units_per_day=opts.units_per_day, reserve=opts.reserve_units)
        try:
            async with (
                Api(opts.url, key, ledger, self.tools, open_seconds=opts.open_seconds, proxy=opts.proxy) as self._chats.api,
                asyncio.TaskGroup() as self._tasks,
            ):
                self._tasks.create_task(self._follow_watch())
                self._tasks.create_task(self._look_after())
        except BaseExceptionGroup as group:
            await self._inbox.put(_worst(group))

    async def _follow_watch(self) -> None:
        while True:
            await self.watch.changed()
            self._chats.wake.set()

    async def _look_after(self) -> None:
        """Start and stop chats as targets and videos change; ask for states and figures when it is time, for new videos at once."""
        loop = asyncio.get_running_loop()
        next_at = not_before = loop.time()
        failures, reading = 0, False
        while True:
            aimed = await self._retarget()
            now = loop.time()
            if aimed.chats and not reading:  # what was announced has begun
                next_at = min(next_at, now)
            reading = bool(aimed.chats)
            fresh = unknown(aimed, self._chats.videos, self._asked)
            at = not_before if fresh else max(next_at, not_before)
            if not aimed.videos or now < at:
                await within(self._chats.wake.wait(), at - now if aimed.videos else None)
                self._chats.wake.clear()
                continue
            try:
                seconds = await self._ask(aimed, fresh if now < next_at else near(aimed, self._chats.videos, self.tools.now()))
                next_at = next_at if now < next_at else now + seconds
                failures = 0
            except Refusal as refusal:
                match refusal.problem.meaning:
                    case "day" | "slow" | "key":
                        not_before = now + self._chats.gate.shut(refusal, self.tools.now())
                    case "reserve":
                        not_before = now + SLOW_SECONDS
                    case _:
                        failures += 1
                        not_before = now + self._chats.gate.broke(Dropped(refusal.problem.words), failures)
            except Dropped as dropped:
                failures += 1
                not_before = now + self._chats.gate.broke(dropped, failures)

    async def _retarget(self) -> Aim:
        reading = {place: chat for place, (chat, task) in self._reading.items() if not task.done()}
        aimed = aim(self.watch.targets.values(), Known(self._chats.videos, self._chats.over, reading))
        for name in self._chats.videos.keys() - aimed.videos.keys():
            del self._chats.videos[name]
            self._asked.discard(name)
        for place, (chat, task) in list(self._reading.items()):
            if place not in aimed.chats or aimed.chats[place].chat_id != chat.chat_id:
                task.cancel()
                del self._reading[place]
        for place, chat in aimed.chats.items():
            if place not in self._reading:
                self._reading[place] = (chat, self._tasks.create_task(self._chats.keep(chat)))
        for livestream in self._chats.shown.keys() - self.watch.targets.keys():
            del self._chats.shown[livestream]
            self._chats.places.forget(livestream)
        for health in aimed.idle:
            await self._chats.show(health)
        return aimed

    # --- states and figures -------------------------------------------------------------------------------------------

    async def _ask(self, aimed: Aim, names: list[str]) -> float:
        """Ask for these videos; how many seconds until the next time."""
        interval = await self._interval()
        fresh = not set(unknown(aimed, self._chats.videos, self._asked)).isdisjoint(names)
        if interval is None and not fresh:
            return SLOW_SECONDS
        for start in range(0, len(names), MOST_IDS):
            some = names[start : start + MOST_IDS]
            query = {"part": PARTS, "id": ",".join(some), "maxResults": str(MOST_IDS)}
            body = await self._chats.api.get("videos", query, essential=fresh)
            try:
                videos = {video.id: video for video in read_videos(body)}
            except Unreadable as problem:
                await self._inbox.put(unreadable(problem, body, self._chats.context()))
                raise Dropped(f"YouTube's answer about the videos cannot be read ({problem.reason})") from problem
            self._chats.gate.heard()
            for name in some:
                self._chats.videos[name] = videos.get(name)
                self._asked.add(name)
                if name in videos:
                    await self._sample(videos[name], aimed.videos[name], interval or SLOW_SECONDS)
        known, now = self._chats.videos.values(), self.tools.now()
        return max(interval or SLOW_SECONDS, SLOW_SECONDS if is_far(known, now) else 0.0, idle_seconds(known, now))

    async def _interval(self) -> float | None:
        """How often the units that are left allow to ask; None when they do not."""
        opts, now = self.opts, self.tools.now()
        channels = max(len(self.watch.directory), len(self.watch.targets))
        return poll_seconds(
            wanted=figures_every(opts, channels), longest=max(SLOW_SECONDS, opts.viewers_seconds),
            left=await self._chats.api.left() - opts.reserve_units, calls=figure_calls(channels),
            seconds=min((midnight_after(now) - now).total_seconds(), opts.active_hours * 3600),
        )  # fmt: skip

    async def _sample(self, video: Video, livestream: str, interval: float) -> None:
        reading = self._reading.get((livestream, video.id))
        if video.state == "ended" and (video.id in self._chats.over or (reading is not None and not reading[1].done())):
            return  # the chat tells it, after its last words, or did while this answer was on its way
        for event in samples(video, self._chats.context(livestream, video.id), interval):
            await self._inbox.put(event)
        if video.state == "ended":
            self._chats.over[video.id] = OVER


def _worst(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one failure that says most: a fault of ours, then what a person must do, then when to come again."""
    found = [_worst(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    order = (Refused, Throttled, Dropped)
    return min(found, key=lambda error: order.index(type(error)) if isinstance(error, ConnectorFailure) else -1)
