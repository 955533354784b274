"""The chats of one connection: each is read until it is over, and what goes wrong with it is its own as long as something else still works.

What a chat brings goes through ``say``, in its order: events, then the mark that covers them. The connector (``__init__.py``) decides which chats there
are and asks for states and figures; both know the same videos, in ``videos`` and ``over``.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.connector import Dropped, Health, Resume, Unreadable
from connectors.event import Status
from connectors.youtube.aim import OVER
from connectors.youtube.parse import Context, read_broken, read_page, unreadable
from connectors.youtube.places import Place, Places, gap_before
from connectors.youtube.problems import WORDS, Problem, Refusal, judge_error
from connectors.youtube.stream import Scanner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectors.connector import Mark, Tools, Watch
    from connectors.event import Event
    from connectors.youtube import Options
    from connectors.youtube.aim import Chat
    from connectors.youtube.api import Api
    from connectors.youtube.gate import Gate
    from connectors.youtube.parse import Page
    from connectors.youtube.videos import Video

SETTLED_SECONDS = 30.0
"""A response that lasted so long ended as they do; one that ended sooner must not be asked for again at once."""
LAST_WORDS_SECONDS = 60.0
"""When the broadcast is over and its chat has been silent for so long, there will be no more."""
LOOK_SECONDS = 15.0
"""How often a silent chat is looked at."""


class Chats:
    """``keep`` reads one; the rest is what all of them share."""

    api: Api

    def __init__(
        self, options: Options, watch: Watch, tools: Tools, gate: Gate, say: Callable[[Event | Mark | Health], Awaitable[None]]
    ) -> None:
        self._opts, self._watch, self._tools = options, watch, tools
        self.gate, self.say = gate, say
        self.videos: dict[str, Video | None] = {}
        self.over: dict[str, str] = {}
        """Broadcasts that ended while we looked, and the reason."""
        self.places = Places()
        self.wake = asyncio.Event()
        """Set when the states must be asked for again."""
        self.shown: dict[str, Health] = {}
        self._begun_once: set[str] = set()
        self._fruitful: set[str] = set()
        """Videos whose chat brought something since it was last opened."""

    def context(self, livestream: str | None = None, video: str | None = None) -> Context:
        return Context(self._tools.now(), self._tools.pseudonym, livestream, video)

    async def keep(self, chat: Chat) -> None:
        """Read one chat until it is over; its failures are its own as long as something else still works."""
        failures = 0
        polled = not {chat.video, chat.livestream, chat.handle, chat.native_id}.isdisjoint(self._opts.poll_chats)
        loop = asyncio.get_running_loop()
        await self.show(Health(livestream=chat.livestream, state="connecting"))
        while not self._is_over(chat):
            await self.gate.enter(partial(self._throttled, chat))
            began = loop.time()
            wait = 0.0
            self._fruitful.discard(chat.video)
            try:
                await (self._poll(chat) if polled else self._hold(chat))
                failures = 0 if loop.time() - began >= SETTLED_SECONDS else failures + 1
                wait = self.gate.pause(failures)
            except Refusal as refusal:
                match refusal.problem.meaning:
                    case "day" | "slow" | "key":
                        self.gate.shut(refusal, self._tools.now())
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
            await self._tools.sleep(wait)
        await self._end(chat)

    def _is_over(self, chat: Chat) -> bool:
        video = self.videos.get(chat.video)
        return chat.video in self.over or (video is not None and video.state == "ended")

    async def _throttled(self, chat: Chat, reason: str) -> None:
        await self.show(Health(livestream=chat.livestream, state="throttled", reason=reason))

    async def _break(self, chat: Chat, dropped: Dropped, failures: int) -> float:
        # A chat that was read and then cut says nothing about the network yet: many are cut at once when a server goes.
        wait = self.gate.pause(failures) if chat.video in self._fruitful else self.gate.broke(dropped, failures)
        await self.show(Health(livestream=chat.livestream, state="broken", reason=dropped.reason))
        return wait

    async def _refuse(self, chat: Chat, problem: Problem) -> float:
        await self.show(Health(livestream=chat.livestream, state="refused", reason=problem.words))
        if problem.meaning == "gone":  # perhaps it has another chat by now, or is over: the next answer will say
            self.videos.pop(chat.video, None)
            self.wake.set()
        return self._opts.retry_refused_seconds

    async def _end(self, chat: Chat) -> None:
        """Say that the broadcast is over, once its chat said the last word."""
        now = self._tools.now()
        if chat.video not in self.over:
            video = self.videos.get(chat.video)
            self.over[chat.video] = OVER
            await self.say(
                Status(
                    id=f"youtube:{chat.video}:ended", platform="youtube", livestream=chat.livestream, broadcast=chat.video,
                    at=min((video.ended_at if video else None) or now, now), received_at=now, state="ended", reason=OVER,
                )
            )  # fmt: skip
        self.places.of(chat.livestream, self._watch.targets).pop(chat.video, None)
        await self.say(self.places.mark(chat.livestream))
        await self.show(Health(livestream=chat.livestream, state="ended", reason=self.over[chat.video]))
        self.wake.set()

    async def _hold(self, chat: Chat) -> None:
        """Read the held response until the server ends it in order, or it has said nothing for very long; raises Refusal or Dropped."""
        loop = asyncio.get_running_loop()
        scanner = Scanner()
        async with self.api.held("liveChat/messages/stream", self._query(chat)) as body:
            await self._begun(chat)
            self.gate.open += 1
            try:
                heard = complete = loop.time()
                while (data := await within(body.readany(), min(LOOK_SECONDS, self._opts.stall_seconds))) != b"":
                    now = loop.time()
                    was_pending = scanner.pending
                    found = scanner.feed(data or b"")
                    for raw in found:
                        await self._read(chat, raw)
                    heard = now if data else heard
                    complete = now if found or not was_pending else complete
                    if scanner.pending and now - complete >= self._opts.stall_seconds:
                        break
                    if now - heard >= (LAST_WORDS_SECONDS if self._is_over(chat) else self._opts.silence_seconds or math.inf):
                        break
            except Unreadable as problem:  # nothing is lost: what follows the last token is sent again
                place = self.places.of(chat.livestream, self._watch.targets).get(chat.video)
                behind = f"{chat.video} {place.token if place else ''}".encode()
                await self.say(unreadable(problem, behind, self.context(chat.livestream, chat.video)))
                raise Dropped("YouTube sent an object without an end") from problem
            finally:
                self.gate.open -= 1
        if scanner.pending:
            raise Dropped("the connection was cut in the middle of an answer")

    async def _poll(self, chat: Chat) -> None:
        """Ask again and again until the broadcast is over; raises Refusal or Dropped."""
        opened = 0
        try:
            while not self._is_over(chat):
                raw = await self.api.get("liveChat/messages", self._query(chat) | {"maxResults": "2000"})
                if not opened:
                    opened = 1
                    self.gate.open += 1
                    await self._begun(chat)
                page = await self._read(chat, raw)
                await self._tools.sleep(max(self._opts.poll_chat_seconds, (page and page.wait_seconds) or 0.0))
        finally:
            self.gate.open -= opened

    async def _read(self, chat: Chat, raw: bytes) -> Page | None:
        """Hand on what one object brings; raises Refusal when it says that the chat is over, or an error."""
        context = self.context(chat.livestream, chat.video)
        try:
            page = read_page(raw, context)
        except Unreadable as problem:
            page = read_broken(raw, problem, context)
            if not page.items and not page.token:
                await self.say(page.events[0])
                return None
        if page.error is not None:
            raise Refusal(judge_error(page.error, context.received_at))
        self.gate.heard()
        self._fruitful.add(chat.video)
        places = self.places.of(chat.livestream, self._watch.targets)
        place = places.get(chat.video)
        if place is None or not place.token:
            target = self._watch.targets.get(chat.livestream)
            gap = gap_before(
                chat.livestream, chat.video, lost=place, resume=target.resume if target else Resume(), started_at=chat.started_at,
                oldest=page.oldest, items=page.items, now=context.received_at,
            )  # fmt: skip
            if gap:
                await self.say(gap)
        for event in page.events:
            await self.say(event)
        if page.token and (place is None or page.token != place.token):
            places[chat.video] = Place(page.token, context.received_at)
            await self.say(self.places.mark(chat.livestream))
        if page.ended:
            self.over[chat.video] = next((event.reason or OVER for event in page.events if isinstance(event, Status)), OVER)
            raise Refusal(Problem("ended", WORDS["ended"]))
        return page

    async def _begun(self, chat: Chat) -> None:
        await self.show(Health(livestream=chat.livestream, state="live"))
        if chat.video not in self._begun_once:
            self._begun_once.add(chat.video)
            now = self._tools.now()
            await self.say(
                Status(
                    id=f"youtube:{chat.video}:live", platform="youtube", livestream=chat.livestream, broadcast=chat.video,
                    at=min(chat.started_at or now, now), received_at=now, state="live",
                )
            )  # fmt: skip

    async def show(self, health: Health) -> None:
        if self.shown.get(health.livestream) != health:
            self.shown[health.livestream] = health
            await self.say(health)

    def _query(self, chat: Chat) -> dict[str, str]:
        query = {"liveChatId": chat.chat_id, "part": "id,snippet,authorDetails"}
        place = self.places.of(chat.livestream, self._watch.targets).get(chat.video)
        return query | {"pageToken": place.token} if place and place.token else query

    def _lose_token(self, chat: Chat) -> bool:
        """Forget the token but not its time, where the Gap begins; whether there was one."""
        places = self.places.of(chat.livestream, self._watch.targets)
        place = places.get(chat.video)
        if place is None or not place.token:
            return False
        self._tools.log.info("youtube: %s; reading the recent history instead", WORDS["token"])
        places[chat.video] = Place("", place.at)
        return True


async def within(waiting: Any, seconds: float | None) -> Any:
    """What comes in this time; None when nothing does."""
    try:
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError:
        return None
