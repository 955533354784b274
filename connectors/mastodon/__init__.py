"""Mastodon: what anybody posts publicly with a watched hashtag, by streaming and by reading the hashtag's timeline, on one or several instances.

Collected: public and unlisted posts (replies are posts too) with their text, language and content warning, boosts of people of the
roster where an instance tells them, and deletions. Not collected: favourites, edits (the first text stays), anything that is not public, and
what an instance never heard of.

API: https://docs.joinmastodon.org/methods/timelines/#tag and /methods/streaming/ (WebSocket), checked 2026-11-20. Pleroma, Akkoma, GoToSocial
and others answer the same questions.

Login: none for reading timelines where the instance shows them to the public; a user token with ``read:statuses`` (Preferences, Development,
New application) for streaming, and where it does not.

Limits: 300 requests in five minutes per account and per address; ``requests_per_5_minutes`` stays below. One streaming connection carries all
hashtags. A 429 is waited out until X-RateLimit-Reset.

Message loss and resume: streaming sends nothing again and makes no promise, and large instances send little over it, so the timeline is
always read beside it, from the highest id read (``min_id``), page by page: exact as far as the instance keeps posts. The cursor holds one
id per instance. What comes by both ways, or from two instances, has the same uri and counts once.

Quirks: an id holds the time of writing, so a post that arrives late from elsewhere has an id below where we stand; each reading reaches
``overlap_seconds`` back for it. A deletion names the instance's own id and comes only by streaming: it is understood for the last 20,000 posts that
this connection saw.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from connectors import socket
from connectors.connector import Connector, ConnectorFailure, Dropped, Health, Mark, Secret, Throttled, Unreadable
from connectors.crew import Call, Crew
from connectors.foreign import decode
from connectors.mastodon import timeline
from connectors.mastodon.parse import Context, Local, parse_any, parse_frame, unreadable_event
from connectors.mastodon.people import People
from connectors.mastodon.place import Place, Reading
from connectors.pacing import Bucket
from connectors.proxy import Proxy, address_of
from connectors.rest import client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    import aiohttp

    from connectors.connector import Tools, Watch
    from connectors.discovery import QuotaPlan
    from connectors.event import Event
    from connectors.mastodon.timeline import Tag

BY_HASHTAG: Final = "read by hashtag: what this person posts with a hashtag of the event counts as theirs"
RETRY_SECONDS: Final = 60.0
"""When a further instance that failed is tried again; a failure of the first one ends the connection."""
MOST_HELD: Final = 2_000
"""Posts that are held to be put in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which instances to read; without a token the timelines of public instances are read."""

    url: str = "https://mastodon.social"
    """Address of the instance that streams, and whose token ``token`` is."""
    token: Secret | None = None
    """A user's token with read:statuses; as ``{ env = "MASTODON_TOKEN" }``. Without it there is no streaming, so no deletion is seen."""
    also: tuple[str, ...] = ()
    """Addresses of further instances whose public timelines are read, without a token."""
    poll_seconds: float = 20.0
    """How often the timeline of each hashtag is read."""
    overlap_seconds: float = 120.0
    """How far each reading reaches back, for posts that arrive late from other instances."""
    requests_per_5_minutes: int = 240
    """Most requests to one instance; Mastodon allows 300."""
    answer_seconds: float = 20.0
    """How long to wait for an answer."""
    ping_seconds: float = 30.0
    """A ping of the stream that is not answered for so long means that the connection is dead."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""

    def __post_init__(self) -> None:
        for url in (self.url, *self.also):
            if not url.startswith(("https://", "http://")) or not timeline.host_of(url):
                raise ValueError(f'"{url}" is not the address of an instance; write it as https://mastodon.social')


class Mastodon(Connector):
    """All watched hashtags on all configured instances."""

    name = "mastodon"
    options = Options
    capacity: ClassVar[int | None] = None
    resumes: ClassVar[bool] = True

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        addresses = dict.fromkeys(url.rstrip("/") for url in (options.url, *options.also))
        self._places = [
            Place(
                base=url, token=options.token if number == 0 else None, main=number == 0, tools=tools,
                bucket=Bucket(options.requests_per_5_minutes, 300.0), answer_seconds=options.answer_seconds,
                overlap_seconds=options.overlap_seconds, new=self._new,
            )
            for number, url in enumerate(addresses)
        ]  # fmt: skip
        self._crew: Crew[list[Event | Mark | Health]] = Crew(64)
        self._tags: dict[str, Tag] = {}
        """Livestream → hashtag."""
        self._cursors: dict[str, dict[str, str]] = {}
        self._shown: dict[str, Health] = {}
        self._people = People(tools)
        self._began = tools.now()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._indexed: Mapping[str, str] = {}
        self._authors: Mapping[str, str] = {}
        self._stream: socket.ClientConnection | None = None
        self._subscribed: set[str] = set()
        self._held: deque[bytes] | None = deque(maxlen=10_000)
        """Frames of the stream until the timelines were read once; what falls out of it the next reading brings."""
        self._hurry = [asyncio.Event() for _ in self._places]

    @classmethod
    def limit(cls, options: Options, channels: int) -> QuotaPlan | None:
        """Of one instance; all of them are read alike."""
        return timeline.plan(channels, poll_seconds=options.poll_seconds, requests=options.requests_per_5_minutes)

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """A status, a timeline, a frame of the stream, or server-sent events; the keys of ``livestreams`` are ``name@domain``."""
        return parse_any(raw, Context(tools.now(), tools.pseudonym, livestreams, "", Local()))

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        """A deletion names a post that came before it."""
        local = Local()
        return lambda raw: parse_any(raw, Context(tools.now(), tools.pseudonym, None, "", local))

    async def events(self) -> AsyncGenerator[Event | Mark | Health, None]:
        """Until the first instance fails; see the contract."""
        async with client(proxy=self.opts.proxy) as session:
            for health in self._retarget():
                yield health
            await self._people.recall()
            reading = [self._read(session, place, hurry) for place, hurry in zip(self._places, self._hurry, strict=True)]
            async with aclosing(self._crew.at_work(self.watch, *reading)) as said:
                async for batch in said:
                    if isinstance(batch, Call):
                        batch = self._retarget()  # noqa: PLW2901
                        for hurry in self._hurry:
                            hurry.set()
                        await self._subscribe()
                    for item in batch:
                        yield item

    async def try_login(self) -> list[Health]:
        """The token, the stream and the first page of each hashtag; a further instance that fails is told beside it."""
        async with client(proxy=self.opts.proxy) as session:
            items = self._retarget()
            for place in self._places:
                try:
                    await self._try(session, place)
                    trouble = ""
                except Unreadable as error:
                    trouble = f"{place.host} gave an answer that could not be read ({error.reason})"
                except ConnectorFailure as failure:
                    if place.main:
                        raise
                    trouble = failure.reason
                items += self._troubled(place, trouble)
        found = {item.livestream: item for item in items if isinstance(item, Health)}
        return [health for health in found.values() if health.state != "connecting"]

    async def _try(self, session: aiohttp.ClientSession, place: Place) -> None:
        place.about = timeline.read_instance((await place.introduce(session)).body, place.base)
        if place.token is not None:
            await place.send(session, timeline.login_ask(place.base, place.token))
            async with self._streaming(place, place.token):
                pass
        for name in place.tags or ("mastodon",):
            await place.page(session, name)

    # --- what is watched ----------------------------------------------------------------------------------------------

    def _retarget(self) -> list[Event | Mark | Health]:
        items: list[Event | Mark | Health] = []
        people: list[str] = []
        hosts = {place.host for place in self._places}
        self._tags = {}
        self._cursors = {livestream: cursor for livestream, cursor in self._cursors.items() if livestream in self.watch.targets}
        self._shown = {livestream: health for livestream, health in self._shown.items() if livestream in self.watch.targets}
        for target in self.watch.targets.values():
            tag = timeline.tag_of(target.handle)
            if tag is None and timeline.person_of(target.handle):
                people.append(target.livestream)
            elif tag is None:
                why = "Mastodon is read by hashtag; write a person as name@instance, a hashtag as #tag or #tag@instance"
                items += self._show(target.livestream, "refused", why)
            elif tag.instance and tag.instance not in hosts:
                items += self._show(target.livestream, "refused", f'add "https://{tag.instance}" to also in [mastodon]')
            else:
                self._tags[target.livestream] = tag
                self._cursors.setdefault(target.livestream, timeline.decode_cursor(target.resume.cursor))
                items += self._show(target.livestream, "connecting", "") if target.livestream not in self._shown else []
        self._people.watch(people)
        items += self._show_people()
        for place in self._places:
            wanted = dict.fromkeys(tag.name.casefold() for tag in self._tags.values() if tag.instance in ("", place.host))
            place.tags = {name: place.tags.get(name) or Reading(self._stored(name, place.host)) for name in wanted}
        return items

    def _stored(self, name: str, host: str) -> str | None:
        """The lowest stored position of the targets that want this hashtag."""
        found = [self._cursors[livestream].get(host) for livestream, tag in self._wanting(name, host)]
        return None if None in found else min((one for one in found if one), key=timeline.order, default=None)

    def _wanting(self, name: str, host: str) -> Iterator[tuple[str, Tag]]:
        for livestream, tag in self._tags.items():
            if tag.name.casefold() == name and tag.instance in ("", host):
                yield livestream, tag

    def _show_people(self) -> list[Event | Mark | Health]:
        return [item for livestream, state in self._people.states() for item in self._show(livestream, state, BY_HASHTAG)]

    def _hear(self, events: Iterable[Event]) -> list[Event | Mark | Health]:
        """What the events say of the people who wrote them."""
        return [item for livestream in self._people.hear(events) for item in self._show(livestream, "live", BY_HASHTAG)]

    def _show(self, livestream: str, state: str, reason: str) -> list[Event | Mark | Health]:
        health = Health(livestream=livestream, state=state, reason=reason)
        if self._shown.get(livestream) == health:
            return []
        self._shown[livestream] = health
        return [health]

    # --- the tasks ----------------------------------------------------------------------------------------------------

    async def _read(self, session: aiohttp.ClientSession, place: Place, hurry: asyncio.Event) -> None:
        """One instance: who it is, its stream where we have a token, then its timelines for ever."""
        while True:
            hurry.clear()
            try:
                await self._round(session, place)
            except Unreadable as error:
                failure: ConnectorFailure | None = Dropped(f"{place.host} gave an answer that could not be read ({error.reason})")
            except ConnectorFailure as error:
                failure = error
            else:
                failure = None
            if failure is not None and place.main:
                raise failure
            if place.main:
                await self._let_go(place)
            await self._crew.say(self._troubled(place, failure.reason if failure else ""))
            wait = self.opts.poll_seconds if failure is None else RETRY_SECONDS
            if isinstance(failure, Throttled):
                wait = max(1.0, (failure.until - self.tools.now()).total_seconds())
            await self._pause(wait, hurry)

    async def _pause(self, seconds: float, hurry: asyncio.Event) -> None:
        sleeping, hurrying = asyncio.ensure_future(self.tools.sleep(seconds)), asyncio.ensure_future(hurry.wait())
        try:
            await asyncio.wait({sleeping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            hurrying.cancel()
            await asyncio.gather(sleeping, hurrying, return_exceptions=True)

    async def _round(self, session: aiohttp.ClientSession, place: Place) -> None:
        if not place.asked:
            reply = await place.introduce(session)
            if reply.status < 300 and reply.headers.get("content-type", "").startswith("application/json"):
                decode(reply.body)  # of half an answer its people would be taken for those of another instance
            place.about, place.asked = timeline.read_instance(reply.body, place.base), True
            if place.token is not None:
                self._crew.start(self._listen(place, place.token))
        found: list[Event] = []
        marks: list[Mark] = []
        try:
            for name in tuple(place.tags):
                if name not in place.tags:
                    continue
                reading, begun, covered = place.tags[name], self.tools.now(), self._covered(name, place.host)
                async with aclosing(place.catch_up(session, name, lambda: self._context(place), covered)) as pages:
                    async for fresh in pages:
                        found += fresh
                        if len(found) >= MOST_HELD:
                            await self._hand_on(found, [])
                reading.complete_at = begun
                marks += self._marks(place, name)
        finally:  # after a failure too: what is known as seen must have been handed on
            await self._hand_on(found, marks)
            await self._people.keep()

    async def _hand_on(self, found: list[Event], marks: list[Mark]) -> None:
        """Hashtags are read one after the other, but what was written first comes first."""
        if found or marks:
            await self._crew.say([*sorted(found, key=lambda event: event.at), *marks, *self._hear(found)])
        found.clear()

    def _troubled(self, place: Place, reason: str) -> list[Event | Mark | Health]:
        """The state of the hashtags that this instance is read for."""
        place.trouble = reason
        items: list[Event | Mark | Health] = []
        for name in place.tags:
            for livestream, tag in self._wanting(name, place.host):
                read_elsewhere = [one for one in self._places if tag.instance in ("", one.host) and not one.trouble]
                troubles = "; ".join(one.trouble for one in self._places if tag.instance in ("", one.host) and one.trouble)
                items += self._show(livestream, "live" if read_elsewhere else "broken", troubles)
        return items + self._show_people()

    # --- the stream ---------------------------------------------------------------------------------------------------

    def _streaming(self, place: Place, token: Secret) -> AbstractAsyncContextManager[socket.ClientConnection]:
        return socket.connect(
            f"{place.about.streaming.rstrip('/')}/api/v1/streaming", now=self.tools.now, open_seconds=self.opts.answer_seconds,
            ping_seconds=self.opts.ping_seconds, headers={"Authorization": f"Bearer {token.reveal()}"},
            proxy=address_of(self.opts.proxy),
        )  # fmt: skip

    async def _listen(self, place: Place, token: Secret) -> None:
        async with self._streaming(place, token) as stream:
            self._stream = stream
            await self._subscribe()
            async for frame in socket.frames(stream, now=self.tools.now):
                if self._held is not None:
                    self._held.append(frame)
                else:
                    await self._crew.say(self._said(frame, place))

    async def _let_go(self, place: Place) -> None:
        """What the stream said during the first reading comes after it: older things first, and no deletion before its post."""
        while self._held:
            await self._crew.say(self._said(self._held.popleft(), place))
        self._held = None

    async def _subscribe(self) -> None:
        if self._stream is None:
            return
        wanted = {tag.name for tag in self._tags.values() if tag.instance in ("", self._places[0].host)}
        frames = [timeline.subscribe_frame("unsubscribe", name) for name in sorted(self._subscribed - wanted)]
        frames += [timeline.subscribe_frame("subscribe", name) for name in sorted(wanted - self._subscribed)]
        self._subscribed = wanted
        await socket.send(self._stream, frames)

    def _said(self, frame: bytes, place: Place) -> list[Event | Mark | Health]:
        try:
            events = self._new(parse_frame(frame, self._context(place)))
            return [*events, *self._hear(events)]
        except Unreadable as error:
            return [unreadable_event(error.reason, frame, self.tools.now())]

    # --- what was read --------------------------------------------------------------------------------------------------

    def _covered(self, name: str, host: str) -> datetime:
        """From when on the first reading of a hashtag is wanted."""
        wanting = (self.watch.targets.get(livestream) for livestream, _ in self._wanting(name, host))
        since = [target.resume.covered_until for target in wanting if target is not None]
        return min((one for one in since if one is not None), default=self._began)

    def _new(self, events: Iterable[Event]) -> list[Event]:
        """What was not handed on already, by another way or from another instance."""
        fresh = []
        for event in events:
            if event.id not in self._seen:
                self._seen[event.id] = None
                if len(self._seen) > 50_000:
                    self._seen.popitem(last=False)
                fresh.append(event)
        return fresh

    def _context(self, place: Place) -> Context:
        if self._indexed is not self.watch.directory:
            self._indexed = self.watch.directory
            self._authors = {name.lstrip("@").casefold(): livestream for name, livestream in self._indexed.items()}
        return Context(self.tools.now(), self.tools.pseudonym, self._authors, place.about.domain, place.local)

    def _marks(self, place: Place, name: str) -> Iterator[Mark]:
        """How far each hashtag was read on its instances; a time only when all of them came to their end."""
        for livestream, tag in self._wanting(name, place.host):
            readings = {one.host: one.tags[name] for one in self._places if name in one.tags and tag.instance in ("", one.host)}
            cursor = self._cursors[livestream]
            cursor.update({host: reading.position for host, reading in readings.items() if reading.position is not None})
            times = [reading.complete_at for reading in readings.values()]
            complete = [at for at in times if at is not None]
            overlap = timedelta(seconds=self.opts.overlap_seconds)
            yield Mark(
                livestreams=(livestream,), cursor=timeline.encode_cursor(cursor),
                covered_until=min(complete) - overlap if len(complete) == len(times) else None,
            )  # fmt: skip
