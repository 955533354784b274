"""The feed: follows what count commits and shows every wall the newest state, a few times a second.

Promises: only committed numbers are shown; ``as_of`` is never newer than what is in the numbers, so when Redis is away the frames go on
with the old one; a tick is encoded once for all clients; a slow client gets the newest state, never a queue, and a stuck one is
dropped. What is sent is made in ``frames``, and who is sent it is decided in ``audience``; this is the shell around them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from monitor.attention import Asked
from monitor.audience import MOST_BACKLOG, Client, Transport, verdict
from monitor.book import Behind, Book
from monitor.coverage import age_seconds, pending_list, with_discovery
from monitor.curves import Curves
from monitor.frames import Latency, Ticker, text_frame
from monitor.journal import LostTail, is_doubt
from monitor.livestreams import Livestream, Seen, hashtags, watched
from monitor.moments import from_ms
from monitor.profiles import stage_state
from monitor.snapshot import Around, Picture, event_day
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from monitor.channel_store import ChannelStore, Desk
    from monitor.channels import Row
    from monitor.config import Config
    from monitor.journal import Position
    from monitor.profiles import Profile
    from monitor.roster import Roster
    from monitor.stage_store import Staging
    from monitor.wall_store import WallStore
    from monitor.windows import Change, Highlight, Loaded

log = logging.getLogger("monitor.feed")

PING_MS = 1000
PING = b"\x89\x00"
"""A WebSocket ping without content: whoever reads answers it, and it stands behind the frames that must be read before it."""
CHANGES_AT_ONCE = 200
"""Most changes of one partition that the journal gives at once; fewer means that there were no more."""
MOST_TOLD = 2000
"""Commits with something for the keeper that a server remembers, should it become the keeper."""
MOST_GONE = 20_000
"""Retracted ids that a server keeps off its wall, whatever the parts say."""
MINUTES_AT_ONCE = 20
"""Most minutes of sessions that are read in one turn: after a restart five days are there within minutes, and no tick waits for them."""

_livestream = msgspec.json.Decoder(Livestream)


class Source(Protocol):
    """What the feed needs of ``journal.Journal``."""

    partitions: int

    async def load(self, partition: int, *, now_ms: int, sessions: Iterable[str], days: Iterable[str]) -> Loaded: ...
    async def changes(self, positions: Mapping[int, Position], block_ms: int) -> dict[int, list[tuple[Position, Change]]]: ...
    async def caught_up(self) -> dict[int, int]: ...
    async def held_back(self, now_ms: int) -> int | None: ...
    async def livestream_states(self) -> dict[str, bytes]: ...
    async def ingest_counters(self) -> dict[str, int]: ...
    async def tallies(self) -> dict[str, int]: ...
    async def minutes(self, partition: int, starts: Sequence[int]) -> dict[int, dict[str, int]]: ...
    async def authors(self, heads: Sequence[str], windows: Sequence[str]) -> dict[tuple[str, str], int]: ...


def unix_ms() -> int:
    """The real clock."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Counts:
    """What the feed itself went through; for /metrics."""

    reads: int = 0
    read_failures: int = 0
    loads: int = 0
    frames: int = 0
    dropped: int = 0
    unreadable: int = 0
    stored: dict[str, int] = field(default_factory=dict)
    """What others left in Redis: how much each grew since this process looked first."""


def _asked(desk: Desk) -> Asked:
    return Asked(
        desk.asked_at.timestamp() if desk.asked_at is not None else None,
        desk.interval_seconds,
        round(desk.spent / desk.per_day, 2) if desk.per_day > 0 else None,
    )


class Feed:
    """Follows the journal and serves the walls; ``run()`` until cancelled."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        source: Source,
        *,
        discovered: ChannelStore | None = None,
        wall: WallStore | None = None,
        staging: Staging | None = None,
        ticks: float = 4.0,
        now_ms: Callable[[], int] = unix_ms,
    ) -> None:
        self.roster = roster
        self.source = source
        self.discovered = discovered
        """Where discovery writes what it knows; None: nobody discovers."""
        self.wall = wall
        """Where the wall's keeper and producer write; None: nobody keeps it."""
        self.staging = staging
        """What the producer has put on the stage; None: there is none."""
        self.rows: dict[str, Row] = {}
        self.desks: dict[str, Desk] = {}
        self.delays: dict[str, tuple[list[int], int]] = {}
        """Platform → (broadcasts by discovery delay, sum of seconds)."""
        self.book = Book(source.partitions)
        self.ticker = Ticker(Picture(config), secrets.token_hex(8))
        self.tickers: dict[Profile, Ticker] = {
            "room": self.ticker,
            "stage": Ticker(self.ticker.picture, self.ticker.epoch),
        }
        """A state, and its encoding, for each profile."""
        self.around = Around()
        self.curves = Curves(config, roster)
        self.latency = Latency()
        self.counts = Counts()
        self.clients: set[Client] = set()
        self._now_ms = now_ms
        self._pause = 1 / ticks
        self.told: deque[tuple[int, list[Highlight], list[str]]] = deque(maxlen=MOST_TOLD)
        """(partition, messages that might be quoted, what was retracted) of the newest commits, for the keeper of the wall."""
        self._gone: dict[str, None] = {}
        self._positions: dict[int, Position] = {}
        self._raw: dict[str, tuple[bytes, Livestream]] = {}
        self._seen: dict[str, Seen] = {}
        self._stored: dict[str, int] = {}
        self._largest = 0
        self._stale = False
        """Everything must be loaded again."""
        self._wanted, self._read = asyncio.Event(), asyncio.Event()
        self._failing: set[str] = set()
        self._rows_version = -1
        self._wall_version = -1
        self._flags_at = float("-inf")
        self._pinged_ms = 0
        self._ticked_at = time.monotonic()

    @property
    def config(self) -> Config:
        return self.ticker.picture.config

    async def run(self) -> None:
        self.tick()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("changes", self._follow_when_wanted, 0.0))
            tasks.create_task(self._repeat("livestreams", self.look_around, 1.0))
            tasks.create_task(self._repeat("authors", self.look_at_authors, 5.0))
            tasks.create_task(self._repeat("minutes", self.look_at_curves, 1.0))
            tasks.create_task(self._repeat("wall", self.look_at_wall, self._pause))
            if self.staging is not None:
                tasks.create_task(self._repeat("stage", self.staging.look, self._pause))
            tasks.create_task(self._tick_forever())

    def reconfigure(self, config: Config, roster: Roster) -> None:
        """A changed file: names and topics from the next tick on, numbers of new sessions as soon as they are loaded."""
        self.ticker.picture = Picture(config)
        self.roster = roster
        self._seen = {}
        self.curves = Curves(config, roster)
        if self.staging is not None:
            self.staging.reconfigure(config)
        self._stale = True

    # reading

    async def follow(self) -> None:
        """Load what is not loaded, then apply what was committed since. One turn."""
        if self._stale:
            self._positions.clear()
            self._stale = False
        for partition in range(self.source.partitions):
            if partition not in self._positions:
                await self._load(partition)
        # Read before the changes: whoever was caught up then has all its commits in what is read next.
        caught_up = await self.source.caught_up()
        try:
            found = await self.source.changes(self._positions, 0)
        except LostTail as lost:
            self._forget(lost.partition)
            return
        self.counts.reads += 1
        for partition in range(self.source.partitions):
            changes = found.get(partition, [])
            try:
                for position, change in changes:
                    self.book.apply(partition, change)
                    self._positions[partition] = position
                    self._tell(partition, change)
            except Behind:
                self._forget(partition)
                continue
            if len(changes) < CHANGES_AT_ONCE:
                self.book.caught_up(partition, caught_up[partition])

    async def look_around(self) -> None:
        """Livestream states, and what ingest and processes without a page of their own counted. One turn."""
        rows = await self.source.livestream_states()
        self._raw = {name: known for name, known in self._raw.items() if name in rows}
        states = {name: state for name, raw in rows.items() if (state := self._read_state(name, raw)) is not None}
        livestreams = watched(self.config, self.roster, states, self._now_ms(), self._seen)
        await self._look_at_discovery()
        livestreams = with_discovery(livestreams, self.rows)
        counters = await self.source.ingest_counters()
        self.around = replace(
            self.around,
            livestreams=livestreams,
            duplicates=counters.get("duplicates", 0),
            held_back_ms=await self.source.held_back(self._now_ms()),
            pending=len(pending_list(self.rows, livestreams)["pending"]),
            hashtags=hashtags(self.config, states, self._now_ms()),
        )
        for name, value in (counters | await self.source.tallies()).items():
            # Redis may lose the tail of its history: then the counter stands still until it has caught up.
            before = max(self._stored.get(name, value), value)
            self.counts.stored[name] = self.counts.stored.get(name, 0) + before - self._stored.get(name, value)
            self._stored[name] = before

    async def _look_at_discovery(self) -> None:
        """Rows are read again only when one has changed."""
        if self.discovered is None:
            return
        version = await self.discovered.version()
        if version != self._rows_version:
            self.rows, self.desks = await self.discovered.rows(), await self.discovered.desks()
            self.delays = await self.discovered.delays()
            self._rows_version = version

    async def look_at_wall(self) -> None:
        """What keeper and producer wrote, read again only when something has changed. One turn."""
        if self.wall is None:
            return
        version = await self.wall.version()
        if version != self._wall_version:
            self.around = replace(self.around, parts=self._without_gone(await self.wall.parts()))
            self._wall_version = version
        if (now := time.monotonic()) - self._flags_at >= 1:
            self._flags_at = now
            self.around = replace(self.around, flags=await self.wall.flags())

    async def look_at_authors(self) -> None:
        """Unique authors of the event and the current day, and of each session. One turn."""
        if not self.ready_to_show:
            return
        now_ms = self._now_ms()
        day = f"day:{event_day(self.config.event, from_ms(now_ms))}"
        windows = {"event": "event", day: "day"}
        heads = ["total", *(f"topic:{topic.id}" for topic in self.config.topics)]
        heads += [f"country:{country}" for country in self.ticker.state["countries"]]
        heads += [f"platform:{name}" for name in self.ticker.state["platforms"]]
        found = await self.source.authors(heads, list(windows))
        authors = {(head, windows[window]): count for (head, window), count in found.items() if count}
        sessions = await self.source.authors(["total"], [f"session:{session.id}" for session in self.config.sessions])
        authors |= {(window, "session"): count for (_, window), count in sessions.items() if count}
        for current in self.ticker.state["session"]["now"]:
            if count := sessions.get(("total", f"session:{current}")):
                authors["total", "session"] = count
        self.around = replace(self.around, authors=authors)

    async def look_at_curves(self) -> None:
        """The next few minutes of sessions that are not known yet. One turn."""
        curves, as_of_ms = self.curves, self.book.as_of_ms
        if as_of_ms is None or not (starts := curves.wanted(as_of_ms // 1000, MINUTES_AT_ONCE)):
            return
        found = [await self.source.minutes(partition, starts) for partition in range(self.source.partitions)]
        for start in starts:
            curves.take(start, as_of_ms // 1000, (minutes[start] for minutes in found))
        if curves is self.curves:  # the configuration may have changed meanwhile
            known = {session.id: curves.curve(session) for session in self.config.sessions}
            self.around = replace(self.around, curves={name: curve for name, curve in known.items() if curve})

    @property
    def ready_to_show(self) -> bool:
        return self.book.complete and "platforms" in self.ticker.state

    @property
    def as_of_ms(self) -> int | None:
        """Everything that was received up to here is in the numbers: it is counted, and waits on no disk."""
        counted = self.book.as_of_ms
        return None if counted is None else min(counted, self.around.held_back_ms or counted)

    def reasons(self) -> list[str]:
        """Why the wall should not be trusted yet; empty when it is ready."""
        found = [f"Reading {name} from Redis fails." for name in sorted(self._failing)]
        missing = self.source.partitions - len(self._positions)
        if missing:
            found.append(f"{missing} of {self.source.partitions} partitions are not loaded.")
        as_of = self.as_of_ms
        if self.book.complete and as_of is None:
            found.append("A partition was never counted: is monitor count running?")
        elif as_of is not None and self._now_ms() - as_of >= 10_000:
            found.append(f"The numbers are {(self._now_ms() - as_of) // 1000} s old.")
        return found

    # showing

    def join(self, transport: Transport, is_open: Callable[[], bool], profile: Profile = "room") -> Client:
        """A new wall; it has its first picture when this returns."""
        client = Client(transport, is_open, profile, read_at=time.monotonic())
        self._write(client, text_frame(self.tickers[profile].snapshot()))
        self.clients.add(client)
        return client

    def heard(self, client: Client) -> None:
        """It answered a ping or said something."""
        client.read_at = time.monotonic()

    def leave(self, client: Client) -> None:
        self.clients.discard(client)

    def tick(self) -> None:
        """One state and one encoding for each profile, every client."""
        now_ms = self._now_ms()
        self.latency.add(self.book.take_samples(), now_ms)
        around = replace(
            self.around,
            event_to_wall_ms=self.latency.percentiles(now_ms),
            discovery_age_seconds=age_seconds(self.desks.values(), from_ms(now_ms)),
            asked={name: _asked(desk) for name, desk in self.desks.items()},
        )
        if self.staging is not None and (part := self.staging.part(now_ms)) is not None:
            around = replace(around, parts={**around.parts, "wall": part})
        deltas: dict[Profile, bytes | None] = {"room": self.ticker.tick(self.book, now_ms, around)}
        on_stage = self.staging.on_stage if self.staging is not None else self._on_stage
        deltas["stage"] = self.tickers["stage"].show(on_stage(self.ticker.last[1]), now_ms, beside=self.ticker)
        frames = {profile: text_frame(delta) for profile, delta in deltas.items() if delta is not None}
        snapshots: dict[Profile, bytes] = {}
        now = time.monotonic()
        if now - self._ticked_at > 1.0:  # we slept ourselves, and have not read what they answered
            for client in self.clients:
                client.read_at = min(now, client.read_at + now - self._ticked_at)
        self._ticked_at = now
        ping = now_ms - self._pinged_ms >= PING_MS
        if ping:
            self._pinged_ms = now_ms
        # A picture that lies unsent for a moment must never by itself be a reason to drop anybody, however large the event.
        most = max(MOST_BACKLOG, 2 * self._largest)
        for client in [client for client in self.clients if client.is_open()]:
            what = verdict(client, client.transport.get_write_buffer_size(), now, most)
            if what == "drop":
                self.counts.dropped += 1
                self.clients.discard(client)
                client.transport.abort()
            elif what == "skip":
                client.behind = client.behind or client.profile in frames
            elif client.behind:
                if client.profile not in snapshots:
                    snapshots[client.profile] = text_frame(self.tickers[client.profile].snapshot())
                client.behind = False
                self._write(client, snapshots[client.profile])
            elif (frame := frames.get(client.profile)) is not None:
                self._write(client, frame)
            if ping and what == "send":
                client.transport.write(PING)

    # inside

    def _on_stage(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Without a producer nothing is under embargo, and what is for the back room stays there all the same."""
        return stage_state(state, {})

    def _write(self, client: Client, frame: bytes) -> None:
        client.transport.write(frame)
        self._largest = max(self._largest, len(frame))
        self.counts.frames += 1

    async def _load(self, partition: int) -> None:
        now_ms = self._now_ms()
        sessions = [session.id for session in self.config.sessions]
        loaded = await self.source.load(partition, now_ms=now_ms, sessions=sessions, days=[])
        self.book.load(partition, loaded, now_ms)
        self._positions[partition] = loaded.position
        self.counts.loads += 1

    def _tell(self, partition: int, change: Change) -> None:
        """Retracted messages are off the wall with the next tick, whoever keeps it and however long that takes."""
        if change.highlights or change.removed:
            self.told.append((partition, change.highlights, change.removed))
        if change.removed:
            self._gone.update(dict.fromkeys(change.removed))
            for old in list(self._gone)[: max(0, len(self._gone) - MOST_GONE)]:
                del self._gone[old]
            self.around = replace(self.around, parts=self._without_gone(self.around.parts))

    def _without_gone(self, parts: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        shown = parts.get("highlights", {})
        if self._gone.keys().isdisjoint(shown):
            return parts
        return {**parts, "highlights": {name: one for name, one in shown.items() if name not in self._gone}}

    def _forget(self, partition: int) -> None:
        log.info("Changes of partition %d are missing; it is loaded again", partition)
        self._positions.pop(partition, None)

    def _read_state(self, name: str, raw: bytes) -> Livestream | None:
        known = self._raw.get(name)
        if known is None or known[0] != raw:
            try:
                known = self._raw[name] = (raw, _livestream.decode(raw))
            except msgspec.DecodeError:
                self.counts.unreadable += 1
                return None
        return known[1]

    async def _tick_forever(self) -> None:
        """Read, then tick: what is shown is as new as it can be, and each change is fetched once. Redis never delays a tick for long."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._pause, loop.time())
            await asyncio.sleep(due - loop.time())
            self._wanted.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause / 2):
                    await self._read.wait()
            self._read.clear()
            self.tick()

    async def _follow_when_wanted(self) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        await self.follow()
        self._read.set()

    async def _repeat(self, what: str, turn: Callable[[], Any], pause: float) -> None:
        """Turn after turn; whatever Redis does, with growing pauses. After doubt everything is loaded again."""
        failures = 0
        while True:
            wait = pause
            try:
                async with asyncio.timeout(15):
                    await turn()
            except Exception as error:
                if not (is_doubt(error) or isinstance(error, TimeoutError)):
                    raise
                self._stale = self._stale or what == "changes"
                self.counts.read_failures += 1
                failures += 1
                wait = min(2.0, 0.1 * 2 ** min(failures, 10))
                if what not in self._failing:
                    log.warning(
                        "Reading %s from Redis fails (%s); the wall keeps its last numbers",
                        what,
                        str(error) or type(error).__name__,
                    )
                self._failing.add(what)
            else:
                failures = 0
                if what in self._failing:
                    log.info("Reading %s from Redis works again", what)
                    self._failing.discard(what)
            if stopping():
                raise asyncio.CancelledError
            await asyncio.sleep(wait)
