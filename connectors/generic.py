"""What the generic connectors share: a connection whose pieces are JSON, mapped to events by the table in the configuration.

Two ways to watch. An address with ``{handle}`` or ``{native_id}`` in it is a **room**: one connection per channel, and all it says
is that channel's. Any other address is a **feed**: one connection for all channels of the section, told apart by ``channel`` of the
map; what names no channel belongs to the feed itself, and what names a channel that is not in the roster is not read.

Coverage. Where the server honours ids (``resumes``), the last id is handed on as cursor, beside it the newest time that the feed had said by then, and
reading goes on behind the oldest one of its channels. Without an id
everything up to ``lateness_seconds`` ago counts as covered, and what lies between that and the next join becomes a Gap.
"""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from connectors.connector import Connector, ConnectorFailure, Dropped, Health, Mark, Refused, Target, Tools, Watch
from connectors.crew import Call, Crew
from connectors.documents import events_of_all, plan_of, read_or_tell, usual
from connectors.event import Gap
from connectors.mapped import Reading
from connectors.mapping import OUR_OWN
from connectors.safehost import resolve

if TYPE_CHECKING:
    import contextlib
    from collections.abc import AsyncGenerator, Callable, Mapping
    from datetime import datetime

    from connectors.connector import Secret
    from connectors.event import Event

FEED = "feed"
"""Handle of the target that stands for a feed as a whole; see ``feeds``."""
CLOCKS_DIFFER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that the server said."""

    data: bytes
    around: Mapping[str, Any] = field(default_factory=dict)
    native: str | None = None
    """The server's id of it, if it gives one."""
    cursor: str | None = None
    """Where reading goes on behind it, if the server can."""


class Source:
    """An open connection, as its connector reads and feeds it."""

    cursor: str | None = None
    """Where reading would go on now."""

    @abstractmethod
    async def next(self) -> list[Piece]:
        """Wait for what is said next (may be nothing worth telling); raises one of the three failures at the end."""

    def due(self, mono: float) -> float:
        """When ``tick`` wants to be called next."""
        return math.inf

    async def tick(self, mono: float) -> None:
        """Say what is to be said now; raises one of the three failures when the other side has been silent for too long."""

    async def retarget(self, targets: Mapping[str, Target]) -> None:
        """The channels of the feed changed."""


def is_room(url: str) -> bool:
    return "{handle}" in url or "{native_id}" in url


def fill(template: str, target: Target | None, token: Secret | None = None) -> str:
    """An address with its places filled in, escaped."""
    if target is not None:
        template = template.replace("{handle}", quote(target.handle, safe=""))
        template = template.replace("{native_id}", quote(target.native_id or target.handle, safe=""))
    return template.replace("{token}", quote(token.reveal(), safe="")) if token else template


class Following(Connector):
    """Base of the generic connectors. A subclass says how to open a connection; its options have the fields named here."""

    named: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("url",)
    usual_map: ClassVar[Mapping[str, Any]] = OUR_OWN
    one_channel: ClassVar[bool] = False
    """Whether a connection is one channel's whatever the address looks like."""

    def __init__(self, options: Any, watch: Watch, tools: Tools) -> None:
        options = self.generic(options)
        super().__init__(options, watch, tools)
        self.platform: str = options.section or self.name
        self._plan = plan_of(options.map or self.usual_map)
        self._room = self.one_channel or is_room(options.url)
        self._targets: Mapping[str, Target] = {}
        self._livestreams: Mapping[str, str] = {}
        self._heard = tools.now()
        self._marked: str | None = None
        self._reached: datetime | None = None
        """The newest time of anything that came, whoever's it is: cursors have no order, and this puts them into one."""
        self._passed_any = False
        self._streaks: dict[str, tuple[int, int]] = {}

    @classmethod
    def feeds(cls, options: Mapping[str, Any]) -> bool:
        """Whether these options are a feed that is read even when no channel of the roster is in it."""
        url = options.get("url", "")
        return bool(url) and not is_room(url)

    # --- what a subclass says -----------------------------------------------------------------------------------------

    def address_of(self, target: Target | None) -> str:
        """The address of a channel, or of the feed."""
        return fill(self.opts.url, target, self.opts.token)

    def is_from_roster(self) -> bool:
        """Whether the roster says which server is asked."""
        netloc = urlsplit(self.opts.url.split("?")[0]).netloc
        return "{" in netloc.replace("{token}", "")

    @abstractmethod
    def open(self, url: str, address: str | None, cursor: str | None) -> contextlib.AbstractAsyncContextManager[Source]:
        """Connect, closed at the end; raises one of the three failures."""

    @classmethod
    def pieces(cls, raw: bytes, options: Any) -> list[bytes]:  # noqa: ARG003 — for those that split
        """The JSON documents of one frame, as a source would cut it."""
        return [raw]

    # --- one connection -----------------------------------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[Event | Mark | Health, None]:
        self._aim()
        target = next(iter(self._targets.values()), None)
        if not self.opts.url:
            raise Refused(f"no address is configured; fill in url in the section [{self.platform}]")
        url = self.address_of(target if self._room else None)
        async with self.open(url, await self._address(url), self._position()) as source:
            joined = self.tools.now()
            for first in self._joined(self._targets, joined, source):
                yield first
            crew: Crew[tuple[datetime, list[Piece]]] = Crew(64)
            crew.start(self._read(source, crew))
            crew.start(crew.follow(self.watch))
            try:
                async for item in self._until_it_ends(source, crew):
                    yield item
            finally:
                await crew.stop()

    async def _until_it_ends(
        self, source: Source, crew: Crew[tuple[datetime, list[Piece]]]
    ) -> AsyncGenerator[Event | Mark | Health, None]:
        loop = asyncio.get_running_loop()
        mark_at = loop.time() + self.opts.mark_every_seconds
        while self.watch.targets:
            try:
                got = await crew.heard(until=min(mark_at, source.due(loop.time())))
            except ConnectorFailure:
                for mark in self._marks(source, drained=True):
                    yield mark
                raise
            if got is Call.CHANGED:
                for item in self._retarget(source):
                    yield item
                await source.retarget(self._targets)
            elif got is not Call.DUE:
                self._heard, pieces = got
                for piece in pieces:
                    for event in self._events(piece):
                        yield event
                    self._passed(piece, source)
            await source.tick(loop.time())
            if loop.time() >= mark_at:
                mark_at = loop.time() + self.opts.mark_every_seconds
                for mark in self._marks(source, drained=crew.is_silent):
                    yield mark

    async def _read(self, source: Source, crew: Crew[tuple[datetime, list[Piece]]]) -> None:
        while True:
            pieces = await source.next()
            await crew.say((self.tools.now(), pieces))

    async def _address(self, url: str) -> str | None:
        """Looked at and pinned where the roster says which server it is; None where the configuration does."""
        if not self.is_from_roster():
            return None
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        except ValueError:
            raise Refused("the address in the roster has no valid port") from None
        return await resolve(parts.hostname or "", port, allow_private=self.opts.allow_private)

    # --- what it means ------------------------------------------------------------------------------------------------

    def _aim(self) -> None:
        self._targets = self.watch.targets
        own = self._targets.values()
        self._livestreams = {
            **self.watch.directory,
            **{target.handle: target.livestream for target in own if target.handle},
            **{target.native_id: target.livestream for target in own if target.native_id},
        }

    def _retarget(self, source: Source) -> list[Event | Mark | Health]:
        """What the change of targets means: those that are new are read from now on."""
        before = self._targets
        self._aim()
        handles = [next(iter(targets.values())).handle for targets in (before, self._targets) if targets]
        if self._room and len(set(handles)) > 1:
            raise Dropped("the channel of this connection changed")
        new = {name: target for name, target in self._targets.items() if name not in before}
        if source.cursor is not None and any(target.resume.cursor not in (None, source.cursor) for target in new.values()):
            raise Dropped("channels came from another collector; reading goes on from where it stopped")
        return self._joined(new, self.tools.now(), source)

    def _reading(self, around: Mapping[str, Any], native: str | None) -> Reading:
        return Reading(
            platform=self.platform, now=self._heard, pseudonym=self.tools.pseudonym, livestreams=self._livestreams,
            livestream=next(iter(self._targets), None) if self._room else None, around=around, native=native,
            streaks=self._streaks,
        )  # fmt: skip

    def _events(self, piece: Piece) -> list[Event]:
        found = read_or_tell(self._plan, piece.data, self._reading(piece.around, piece.native))
        for event in found:
            at = min(event.at, self._heard)
            self._reached = at if self._reached is None else max(self._reached, at)
        feed = f"{self.platform}:{FEED}"
        # What is another collector's comes to that one too; what is nobody's is told by the one that has the feed.
        return [event for event in found if (event.livestream or feed) in self._targets]

    def _passed(self, piece: Piece, source: Source) -> None:
        self._passed_any = True
        if self.opts.resumes and piece.cursor is not None:
            source.cursor = piece.cursor

    # --- coverage -----------------------------------------------------------------------------------------------------

    def _position(self) -> str | None:
        """Where to go on: behind what is safe of every channel. Ids have no order, so the age of what is covered decides."""
        known = [target.resume for target in self._targets.values() if target.resume.cursor and self.opts.resumes]
        oldest = min(known, key=lambda resume: resume.covered_until.timestamp() if resume.covered_until else 0.0, default=None)
        return oldest.cursor if oldest else None

    def _joined(self, targets: Mapping[str, Target], now: datetime, source: Source) -> list[Event | Mark | Health]:
        """These channels are read from now on, or from the cursor; what is missing before is owned up to."""
        items: list[Event | Mark | Health] = [Health(livestream=name, state="live") for name in targets]
        reach = now - timedelta(seconds=self.opts.lookback_seconds) if self.opts.lookback_seconds else None
        for name, target in targets.items():
            resume = target.resume
            resumed = resume.cursor is not None and source.cursor is not None
            until = reach if resumed else now + CLOCKS_DIFFER
            since = resume.covered_until
            if since is not None and resume.cursor is not None:
                since -= timedelta(
                    seconds=self.opts.lateness_seconds
                )  # beside a cursor stands the newest time, and another may have been late
            if since is not None and until is not None and since < until:
                items.append(self._gap(name, since, until, now, resumed=resumed))
        return items

    def _gap(self, livestream: str, since: datetime, until: datetime, now: datetime, *, resumed: bool) -> Gap:
        reason = "The server no longer had what was said since the cursor." if resumed else "The server cannot resume."
        return Gap(
            id=f"{self.platform}:gap:{livestream}:{since.timestamp():.3f}", platform=self.platform, livestream=livestream, at=now,
            received_at=now, from_=since, to=until, reason=reason,
        )  # fmt: skip

    def _marks(self, source: Source, *, drained: bool) -> list[Mark]:
        if not self._targets:
            return []
        names = tuple(self._targets)
        if source.cursor is not None:
            if source.cursor == self._marked:
                return []
            self._marked = source.cursor
            return [Mark(livestreams=names, cursor=source.cursor, covered_until=self._reached)]
        if self.opts.resumes and not self._passed_any:
            return []  # whether this server gives ids is not known yet, and a time is no place to go on from
        until = (self.tools.now() if drained else self._heard) - timedelta(seconds=self.opts.lateness_seconds)
        return [Mark(livestreams=names, covered_until=until)]

    # --- monitor parse ------------------------------------------------------------------------------------------------

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        return cls._parse(usual(cls.usual_options), raw, cls._captured(usual(cls.usual_options), tools, livestreams))

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        return cls.remembering_with(cls.options(), tools)

    @classmethod
    def generic(cls, options: Any) -> Any:
        """What the options of a preset mean in those of its base."""
        return options

    @classmethod
    def parse_with(cls, options: Any, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """As ``parse``, with the map of a section of the configuration."""
        options = cls.generic(options)
        return cls._parse(options, raw, cls._captured(options, tools, livestreams))

    @classmethod
    def remembering_with(cls, options: Any, tools: Tools) -> Callable[[bytes], list[Event]]:
        """As ``remembering``, with the map of a section of the configuration."""
        options = cls.generic(options)
        streaks: dict[str, tuple[int, int]] = {}
        return lambda raw: cls._parse(options, raw, replace(cls._captured(options, tools, None), streaks=streaks))

    @classmethod
    def usual_options(cls) -> Any:
        """The generic options without a configuration."""
        return cls.generic(cls.options())

    @classmethod
    def _captured(cls, options: Any, tools: Tools, livestreams: Mapping[str, str] | None) -> Reading:
        """Around something of which nobody knows how it came."""
        return Reading(platform=options.section or cls.name, now=tools.now(), pseudonym=tools.pseudonym, livestreams=livestreams)

    @classmethod
    def _parse(cls, options: Any, raw: bytes, reading: Reading) -> list[Event]:
        return events_of_all(plan_of(options.map or cls.usual_map), cls.pieces(raw, options), reading)
