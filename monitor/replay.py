"""``monitor replay FILE…``: recordings into the running monitor, through the same spool and journal as what is collected live.

Promises: every message of a file is counted once. A file that was replayed to its end is remembered by its content in ``replayed.json`` of the
data folder, and a second replay adds nothing; ``--again`` counts it again, under ids of its own. A replay that was interrupted goes on from
where the journal had it: the position is stored every second and at the end. (After a SIGKILL the last second is sent again, which the journal
recognises for half an hour at least.)

Times: the first message is said now, and the others follow with their spacing divided by ``--speed``; without it everything is said at once. An
event's time is the time at which it is sent, so the wall moves as in a live event. With ``--keep-time`` events keep the file's times, and
count as received then: nothing of a recording is late, and nothing is moved to within a day of now.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from tqdm import tqdm

from connectors.connector import make_pseudonym, utc_now
from connectors.event import Event, Gap, Message, Removed
from connectors.recording import NotARecording, Recording, recording
from monitor.config import ConfigError
from monitor.journal import Journal, ready
from monitor.produce import Producer
from monitor.setup import author_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from connectors.recording.entry import Entry
    from monitor.roster import Roster
    from monitor.settings import Settings

BATCH: Final = 500
TOGETHER_SECONDS: Final = 0.05
"""Events due this close together are put together."""
STORE_SECONDS: Final = 1.0
FIRST_DATE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Earlier times are offsets of a file that has no dates."""


# --- pure: when an event is said, and under which id -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pace:
    """Which moment of now a place in the recording is."""

    began: datetime
    offset: float
    """Place of the first event that is said."""
    speed: float | None
    """None: everything at once."""

    def due(self, offset: float) -> datetime:
        if self.speed is None:
            return self.began
        return self.began + timedelta(seconds=max(0.0, offset - self.offset) / self.speed)


def moved(event: Event, at: datetime, received_at: datetime) -> Event:
    """The event as if it happened at ``at``; ranges that it speaks of move with it."""
    by = at - event.at
    changes: dict[str, object] = {"at": at, "received_at": received_at}
    if isinstance(event, Removed | Gap):
        changes |= {"from_": event.from_ + by if event.from_ else None, "to": event.to + by if event.to else None}
    return msgspec.structs.replace(event, **changes)


def numbered(event: Event, play: int) -> Event:
    """The event under an id of its own for each time that the file is played."""
    if play == 1:
        return event
    changes = {"id": f"{event.id}#{play}"}
    if isinstance(event, Removed) and event.target:
        changes["target"] = f"{event.target}#{play}"
    return msgspec.structs.replace(event, **changes)


# --- what was replayed -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    """How far one file was replayed for one livestream."""

    file: str
    play: int = 1
    """The how-manieth time."""
    position: int = 0
    """Events of the file that are in the journal."""
    messages: int = 0
    """Messages among them."""
    finished: str | None = None
    """When the end was reached."""


class Memories:
    """``replayed.json`` of a data folder; several replays may run at the same time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "replayed.json"

    def get(self, key: str) -> Memory | None:
        found = self._load().get(key)
        return msgspec.convert(found, Memory) if found else None

    def plays(self, key: str) -> int:
        """How often this content was begun, for whichever livestream. Each time has ids of its own: those of one livestream
        would be duplicates for another one only where both happen to be in the same partition.
        """
        content = key.partition(" ")[0]
        return max((memory["play"] for name, memory in self._load().items() if name.partition(" ")[0] == content), default=0)

    def put(self, key: str, memory: Memory) -> None:
        with self._locked():
            content = self._load() | {key: asdict(memory)}
            fresh = self._path.with_suffix(".new")
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _load(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ConfigError(f"{self._path} is damaged; remove it, and replayed files are not recognised any more") from error
        return content


def key_of(found: Recording) -> str:
    """The content of the file and whose it is said to be."""
    with found.path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()} {found.livestream or ''}".strip()


def note_on(livestream: str | None, roster: Roster) -> str | None:
    """What a person should know about the livestream they named; a slip of the pen would hide in ``ZZ``."""
    if livestream is None or not roster.channels or livestream in roster.by_id():
        return None
    return f"{livestream} is not in the roster, so what it says counts without a country (ZZ)"


# --- playing -----------------------------------------------------------------------------------------------------------


class Journalist(Protocol):
    """What of ``monitor.produce.Producer`` is needed."""

    added: int
    duplicates: int

    async def put(self, events: Sequence[Event]) -> object: ...

    async def flushed(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Player:
    """Plays one file after the other."""

    producer: Journalist
    memories: Memories
    pseudonym: Callable[[str, str], str]
    speed: float | None = None
    keep_time: bool = False
    again: bool = False
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    bars: bool = False

    async def play(self, found: Recording) -> str:
        """Replay a file to its end; returns the sentence that says what came of it."""
        key = key_of(found)
        memory = self.memories.get(key) or Memory(found.path.name, play=self.memories.plays(key) + 1)
        if memory.finished and not self.again:
            return (
                f"{found.path.name}: already replayed on {memory.finished[:16].replace('T', ' ')} UTC: "
                f"{memory.messages:,} messages, 0 new; --again counts them again"
            )
        if memory.finished:
            memory = Memory(found.path.name, play=self.memories.plays(key) + 1)
        elif memory.position:
            sys.stderr.write(f"{found.path.name}: going on after the first {memory.position:,} events\n")
        await self.producer.flushed()  # what an interrupted replay left in the spool is not this one's
        added, duplicates = self.producer.added, self.producer.duplicates
        total = sum(1 for _ in found.entries(self.pseudonym)) if self.bars else None
        bar: tqdm[Any] = tqdm(
            total=total, initial=memory.position, desc=found.path.name, unit=" events", disable=not self.bars
        )  # fmt: skip
        with bar:
            memory, sent = await self._run(key, memory, found, bar)
        self.memories.put(key, replace(memory, finished=self.now().isoformat(timespec="seconds")))
        others = memory.position - memory.messages
        what = f"{memory.messages:,} messages" + (f" and {others:,} other events" if others else "")
        new, known = self.producer.added - added, self.producer.duplicates - duplicates
        before = f", {memory.position - sent:,} sent before" if memory.position > sent else ""
        return f"{found.path.name} ({found.name}): {what}: {new:,} new, {known:,} already known{before}"

    async def _run(self, key: str, memory: Memory, found: Recording, bar: tqdm[Any]) -> tuple[Memory, int]:
        """(memory at the end of the file, events sent now)"""
        batch: list[Entry] = []
        pace: Pace | None = None
        put = confirmed = memory
        stored = self.now()
        position = 0
        try:
            for entry in found.entries(self.pseudonym):
                position += 1
                if position <= memory.position:
                    continue
                if self.keep_time and entry.event.at < FIRST_DATE:
                    raise ConfigError(f"{found.path} has no dates; replay it without --keep-time")
                pace = pace or Pace(self.now(), entry.offset, self.speed)
                wait = (pace.due(entry.offset) - self.now()).total_seconds()
                if batch and (wait > TOGETHER_SECONDS or len(batch) >= BATCH):
                    put = await self._put(batch, put, pace, bar)
                    batch = []
                    if (self.now() - stored).total_seconds() >= STORE_SECONDS:
                        confirmed = await self._store(key, put)
                        stored = self.now()
                if wait > TOGETHER_SECONDS:
                    await self.sleep(wait)
                batch.append(entry)
            if batch and pace:
                put = await self._put(batch, put, pace, bar)
            confirmed = await self._store(key, put)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    confirmed = await self._store(key, put)
            sys.stderr.write(
                f"\n{found.path.name}: stopped after {confirmed.position:,} events; the same command goes on from there\n"
            )
            raise
        return confirmed, confirmed.position - memory.position

    async def _put(self, batch: list[Entry], memory: Memory, pace: Pace, bar: tqdm[Any]) -> Memory:
        now = self.now()
        events = [self._event(entry, pace, now, memory.play) for entry in batch]
        await self.producer.put(events)
        bar.update(len(batch))
        messages = sum(isinstance(event, Message) for event in events)
        return replace(memory, position=memory.position + len(batch), messages=memory.messages + messages)

    def _event(self, entry: Entry, pace: Pace, now: datetime, play: int) -> Event:
        event = numbered(entry.event, play)
        if self.keep_time:
            return moved(event, event.at, event.at)
        return moved(event, now if pace.speed is None else pace.due(entry.offset), now)

    async def _store(self, key: str, memory: Memory) -> Memory:
        """Note a position once the journal has everything up to it."""
        await self.producer.flushed()
        self.memories.put(key, memory)
        return memory


async def run(settings: Settings) -> int:
    """The command ``replay``."""
    args = settings.args
    try:
        found = [recording(path, args.livestream) for path in args.files]
    except NotARecording as mistake:
        raise ConfigError(str(mistake)) from mistake
    note = note_on(args.livestream, settings.roster())
    if note:
        sys.stderr.write(f"monitor replay: {note}\n")
    partitions = settings.config.partitions
    async with Journal(settings.redis_url, partitions=partitions).opened() as journal:
        try:
            await ready(journal)
        except ValueError as mistake:  # another number of partitions
            raise ConfigError(str(mistake)) from mistake
    producer = Producer(settings.redis_url, settings.data_dir / "spool", partitions, name="replay")
    async with producer:
        player = Player(
            producer=producer, memories=Memories(settings.data_dir), pseudonym=make_pseudonym(author_key(settings.data_dir)),
            speed=args.speed or None, keep_time=args.keep_time, again=args.again, bars=sys.stderr.isatty(),
        )  # fmt: skip
        for one in found:
            try:
                sys.stdout.write(await player.play(one) + "\n")
            except NotARecording as mistake:
                raise ConfigError(str(mistake)) from mistake
            sys.stdout.flush()
    return 0
