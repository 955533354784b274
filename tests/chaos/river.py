"""A whole monitor as its user starts it, to be killed in parts, and the comparison of its numbers with the simulator's own ledger."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter as Tally
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from urllib.request import urlopen

import msgspec
from faulty import newest_aof

from connectors.event import Event, Gap, Level, Message, Reaction, Removed, Status, Viewers, from_json
from connectors.simulator.ledger import COUNTED, Ledger, Line, standing
from monitor import config as configuration
from monitor.channel_store import ChannelStore
from monitor.derivation import derivation
from monitor.derive import Deriver
from monitor.engine import find_url
from monitor.entry import Entry
from monitor.held import HeldFile
from monitor.journal import Journal, key
from monitor.redis_client import RETRIABLE
from monitor.roster import read_roster
from monitor.simulated import with_simulated

ROOT = Path(__file__).parents[2]
KINDS = {"comment": "comments", "post": "posts", "gift": "gifts", "share": "shares", "reaction": "reactions"}
COME = frozenset({"telegram", "owncast", "sse.simulated", "websocket.simulated", "webhook.simulated"})
"""Platforms on which a ledger's notice is somebody who joins."""
TELL = 6
"""Livestreams of a mix that a partner's webhooks tell of."""
RESUME = frozenset(
    {"youtube", "bluesky", "kick", "telegram", "mastodon", "sse.simulated", "websocket.simulated", "webhook.simulated"}
)
"""Platforms that say again what was missed: by a token, a cursor or an id, or because a webhook that is not taken is sent again."""


@dataclass
class River:
    """``monitor run`` in a folder of its own; use as a context."""

    folder: Path
    livestreams: int
    rate: float
    port: int
    control: str = ""
    """Defences to switch off, for a test that must then fail."""
    roster: str = ""
    """Another roster than the sample."""
    killed: Tally = field(default_factory=Tally)

    def __enter__(self) -> Self:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        # A copy, so that editing the configuration while a test runs does not change what it counts.
        shutil.copy(ROOT / "config.toml", self.folder / "config.toml")
        roster = self.folder / "data/roster-sample.csv"
        roster.write_text(self.roster or (ROOT / "data/roster-sample.csv").read_text("utf-8"), "utf-8")
        command = [
            sys.executable, "-m", "monitor", "run", "--config", str(self.folder / "config.toml"), "--data-dir", str(self.folder), "--port", str(self.port),
            "--livestreams", str(self.livestreams), "--rate", str(self.rate), "--ledger", str(self.folder / "ledger"),
        ]  # fmt: skip
        environment = {**os.environ, "MONITOR_CONTROL": self.control}
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=environment, start_new_session=True, cwd=self.folder
        )
        self.beside: list[subprocess.Popen[bytes]] = []
        return self

    def another_collector(self) -> subprocess.Popen[bytes]:
        """A further one, as somebody would start it by hand: nobody starts it again when it dies."""
        command = [
            sys.executable, "-m", "monitor", "collect", "--config", str(self.folder / "config.toml"), "--data-dir", str(self.folder),
            "--port", str(self.port), "--livestreams", str(self.livestreams), "--rate", str(self.rate),
        ]  # fmt: skip
        self.beside.append(subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=self.folder))
        return self.beside[-1]

    def __exit__(self, *_: object) -> None:
        for collector in self.beside:
            collector.terminate()
        for collector in self.beside:
            collector.wait(60)
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()

    # looking

    def pids(self) -> dict[str, int]:
        try:
            return json.loads((self.folder / "run.json").read_bytes())["roles"]
        except (OSError, ValueError, KeyError):
            return {}

    def get(self, path: str) -> dict:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return json.load(answer)

    def get_text(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def joined(self) -> int:
        try:
            state = self.get("/api/state").get("state", {}).get("livestreams", {})
        except (OSError, ValueError):
            return 0
        return state.get("live", 0) + state.get("quiet", 0)

    async def states(self) -> dict[str, dict]:
        """Livestream → its state, as the collectors write it."""
        async with Journal(find_url(self.folder) or "").opened() as journal:
            return {name.decode(): json.loads(row) for name, row in (await journal.redis.hgetall("{livestreams}")).items()}

    async def all_read(self, livestreams: int, seconds: float = 240) -> None:
        """Wait until so many are joined, besides those that nobody reads because their webhooks tell of them.

        Who never posted with a hashtag of the event waits on Mastodon, and is read as soon as they do. A bot on Telegram reads all its
        chats from its first answer on; whether it is in each of them is asked one by one meanwhile.
        """
        end = time.monotonic() + seconds
        while True:
            begun = time.monotonic()
            rows = [
                row for row in (await self.states()).values() if row["platform"] != "webhook.simulated" and not row.get("hashtag")
            ]
            found = Tally((row["platform"], row["state"]) for row in rows)
            beside = {("mastodon", "waiting"): True, ("telegram", "connecting"): found["telegram", "live"] > 0}
            if (
                sum(number for (name, state), number in found.items() if state == "live" or beside.get((name, state)))
                >= livestreams
            ):
                return
            assert time.monotonic() < end, Tally(
                (row["platform"], row["state"], row["reason"]) for row in rows if row["state"] != "live"
            )
            await asyncio.sleep(max(0.5, 5 * (time.monotonic() - begun)))  # looking at ten thousand must not be what it waits for

    async def all_known(self, seconds: float = 240) -> None:
        """Wait until discovery knows of every channel whether it may be read. Until then serve holds in memory, in no file, what webhooks
        tell of it, as the gate has decided; a kill of serve loses that.
        """
        end = time.monotonic() + seconds
        while True:
            async with Journal(find_url(self.folder) or "").opened() as journal:
                rows = await ChannelStore(journal.redis).rows()
            held = [name for name, row in rows.items() if row.reading == "held"]
            if rows and not held:
                break
            assert time.monotonic() < end, held[:20]
            await asyncio.sleep(0.5)
        await asyncio.sleep(3)  # serve follows each second

    async def until(self, what, seconds: float, why: str) -> None:
        end = time.monotonic() + seconds
        while not await asyncio.to_thread(what):
            assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3000:]
            assert time.monotonic() < end, (
                f"{why} did not happen within {seconds} s\n" + (self.folder / "log").read_text(errors="replace")[-3000:]
            )
            await asyncio.sleep(0.5)

    # breaking

    async def kill(self, role: str) -> None:
        """SIGKILL, then wait until another process has its place."""
        before = self.pids()[role]
        os.kill(before, signal.SIGKILL)
        self.killed[role] += 1
        await self.until(lambda: self.pids().get(role) not in (None, before), 30, f"a new {role}")

    async def kill_engine_and_cut(self, cut: int) -> int:
        """SIGKILL Valkey, cut bytes off its newest log before it may start again; returns the bytes cut."""
        os.kill(self.process.pid, signal.SIGSTOP)  # so that the supervisor does not restart it under our hands
        before = self.pids()["valkey"]
        os.kill(before, signal.SIGKILL)
        self.killed["valkey"] += 1
        await asyncio.sleep(0.2)
        path = newest_aof(self.folder)
        size = path.stat().st_size
        done = min(cut, size)
        with path.open("r+b") as file:
            file.truncate(size - done)
        os.kill(self.process.pid, signal.SIGCONT)
        await self.until(lambda: self.pids().get("valkey") not in (None, before), 30, "a new engine")
        return done

    def simulator(self, order: str) -> dict:
        control = json.loads((self.folder / "simulator.json").read_bytes())["control"]
        with urlopen(f"{control}/{order}", timeout=20) as answer:
            return json.load(answer)

    def processor_seconds(self, pid: int) -> float:
        """User and system time that a process has used so far."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self, pid: int) -> float:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    # the end

    async def drained(self, seconds: float = 300) -> None:
        """Stop the traffic, wait until everything that is on its way has been counted; else say what is still where.

        Counters that stand still prove nothing by themselves: while Redis is away, or a process is starved, they stand still as well. So
        every place in which something may wait is looked into. Viewers and states of livestreams come for ever and are not waited for.
        """
        self.simulator("pause")
        await asyncio.sleep(4)  # clumped delivery holds messages for 3.1 s
        still, last = 0, None
        end = time.monotonic() + seconds
        while still < 10:
            waiting, counted = await self.on_its_way()
            if still == 9 and not waiting:  # what is not connected may have something to catch up with; a look at all, so seldom
                waiting = await self.connecting()
            still = still + 1 if not waiting and counted == last else 0
            assert time.monotonic() < end, f"still on its way: {waiting or 'what is counted goes on to change'}"
            last = counted
            await asyncio.sleep(0.5)

    async def on_its_way(self) -> tuple[dict[str, int], dict[str, int]]:
        """(place → how much waits there, what is committed of each kind). Upstream first: what moves on meanwhile is met further down."""
        waiting: Tally[str] = Tally()
        status, ports = self.simulator("status"), self.simulator_ports()
        for sender in ("kick", "webhook"):
            waiting[f"the simulator's {sender} webhooks"] = status[f"{sender}_waiting"]
        waiting["bytes in sockets between simulator and monitor"] = unread(ports | {self.port})
        for file in (self.folder / "spool").glob("*.held"):
            waiting[f"livestreams of which {file.stem} holds something in memory"] = len(HeldFile(file).left())
        for file in (self.folder / "spool").glob("*.spool"):
            waiting[f"batches in {file.name}"] = undelivered(file)
        numbers: Tally[str] = Tally()
        try:
            async with Journal(find_url(self.folder) or "").opened() as journal:
                for partition in range(journal.partitions):
                    waiting[f"entries of partition {partition} not counted"] = await uncounted(journal, partition)
                    values = await journal.redis.hmget(key(partition, "total"), [f"total|{kind}" for kind in COMPARED])
                    numbers.update({kind: int(value or 0) for kind, value in zip(COMPARED, values, strict=True)})
        except (*RETRIABLE, ValueError) as error:
            waiting[f"Redis does not answer: {error}"] = 1
        return dict(+waiting), dict(numbers)

    async def connecting(self) -> dict[str, int]:
        """Platforms of which livestreams are not read at this moment; one bot on Telegram reads all, while it asks about each."""
        found = Tally((row["platform"], row["state"]) for row in (await self.states()).values())
        return {
            f"livestreams of {name} that are {state}": number
            for (name, state), number in found.items()
            if state in ("connecting", "broken", "throttled") and not (name == "telegram" and found[name, "live"])
        }

    def simulator_ports(self) -> set[int]:
        told = json.loads((self.folder / "simulator.json").read_bytes())
        return {urlsplit(url).port or 0 for url in told.values() if isinstance(url, str) and "://" in url}

    async def audit(self) -> subprocess.CompletedProcess:
        command = [
            sys.executable,
            "-m",
            "monitor",
            "audit",
            "--config",
            str(ROOT / "config.toml"),
            "--data-dir",
            str(self.folder),
        ]
        return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)

    async def totals(self) -> dict[str, int]:
        """The committed totals of all partitions."""
        result: dict[str, int] = defaultdict(int)
        async with Journal(find_url(self.folder) or "").opened() as journal:
            for partition in range(journal.partitions):
                for name, value in (await journal.redis.hgetall(key(partition, "total"))).items():
                    result[name.decode()] += int(value)
        return result

    async def events(self) -> list[Event]:
        """Everything in the journal."""
        found = []
        async with Journal(find_url(self.folder) or "").opened() as journal:
            for partition in range(journal.partitions):
                first = ""
                while chunk := await journal.scan(partition, first, "", 5000):
                    found += [from_json(payload) for _, payload in chunk]
                    first = f"({chunk[-1][0]}"
        return found

    def ledger(self) -> list[Line]:
        return list(Ledger.read(self.folder / "ledger"))

    def deriver(self) -> Deriver:
        """Only its topics are used: which texts are about what is the monitor's own judgement."""
        config = configuration.load(self.folder / "config.toml")
        simulator = dataclasses.replace(config.simulator, enabled=True, livestreams=self.livestreams)
        config = dataclasses.replace(config, simulator=simulator)
        return Deriver(derivation(config, with_simulated(read_roster(config.roster_file), config)))


def unread(ports: set[int]) -> int:
    """Bytes that one end has written and the other has not read yet, on connections of this machine with one of these ports."""
    waiting = 0
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text().splitlines()[1:]:
            _, here, there, state, queues, *_ = line.split()
            if state == "01" and not ports.isdisjoint(int(end.rpartition(":")[2], 16) for end in (here, there)):
                waiting += sum(int(number, 16) for number in queues.split(":"))
    return waiting


def undelivered(spool: Path) -> int:
    """Batches of which the producer has not noted that the journal has them."""
    with closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True, timeout=5)) as database, suppress(sqlite3.OperationalError):
        return int(database.execute("SELECT count(*) FROM rows WHERE acknowledged IS NULL").fetchone()[0])
    return 1  # it cannot be looked into at this moment


async def uncounted(journal: Journal, partition: int) -> int:
    """Entries behind the counter's cursor, but for viewers and states: those come for ever."""
    position = (await journal.checkpoint(partition, "count")).position[0]
    behind = await journal.scan(partition, f"({position}" if position else "", "", 100_000)
    return sum(not isinstance(from_json(payload), Viewers | Status) for _, payload in behind)


def ledger_id(event: Event) -> str:
    """As the ledger names it: a level is told again and again, each time under the time of telling; a person's reaction on Telegram
    ends in their pseudonym, which the ledger does not know."""
    told_by_person = isinstance(event, Reaction) and event.platform == "telegram" and event.author is not None
    return event.id.rpartition(":")[0] if isinstance(event, Level) or told_by_person else event.id


def line_id(line: Line) -> str:
    """The same of a line."""
    told_by_person = line.platform == "telegram" and line.kind == "reaction" and line.author is not None
    return line.id.rpartition(":")[0] if told_by_person else line.id


def arrived(lines: list[Line], events: list[Event]) -> list[Line]:
    """The ledger with ``delivered`` also on what was replayed to us from before we were connected (Jetstream's cursor)."""
    ids = {ledger_id(event) for event in events}
    targets = {event.target for event in events if isinstance(event, Removed)}
    return [
        msgspec.structs.replace(line, delivered=True)
        if line_id(line) in ids or (line.target is not None and line.target in targets)
        else line
        for line in lines
    ]


def came(lines: list[Line], events: list[Event]) -> list[Line]:
    """The ledger with ``delivered`` on what is in the journal and on nothing else: what must be counted where not everything could come.

    A ban is known by its second and livestream: its author is a pseudonym with us.
    """
    bans = {
        (event.livestream, int(event.at.timestamp())) for event in events if isinstance(event, Removed) and event.target_author
    }
    there = arrived([msgspec.structs.replace(line, delivered=False) for line in lines], events)
    return [
        msgspec.structs.replace(line, delivered=True)
        if line.target_author is not None and (line.livestream, line.at // 1000) in bans
        else line
        for line in there
    ]


def expected_totals(lines: list[Line], events: list[Event], deriver: Deriver) -> dict[str, int]:
    """What must be committed, counted from the ledger the slow way: per country, topic, pair and platform.

    The ledger does not keep a post's language hint, which decides about words that mean something else in a language.
    """
    hints = {event.id: event.language for event in events if isinstance(event, Message) and event.language}
    numbers: dict[str, int] = defaultdict(int)
    for line in [
        *standing(lines).values(),
        *(line for line in lines if line.kind == "notice" and line.delivered and line.platform in COME),
    ]:
        kind = KINDS.get(line.kind, "joins")
        topics: tuple[str, ...] = ()
        if line.kind in ("comment", "post"):
            entry = msgspec.convert(
                {"kind": "message", "id": line.id, "platform": line.platform, "at": "", "received_at": "", "livestream": line.livestream, "text": line.text or "", "language": hints.get(line.id)},
                type=Entry,
            )  # fmt: skip
            topics = deriver.topics(entry)
        country = (line.country if line.livestream else None) or "ZZ"
        for head in ["total", f"country:{country}", f"platform:{line.platform}", f"country+platform:{country}+{line.platform}"]:
            numbers[f"{head}|{kind}"] += line.units
        for topic in topics:
            numbers[f"topic:{topic}|{kind}"] += line.units
            numbers[f"country+topic:{country}+{topic}|{kind}"] += line.units
    return numbers


COMPARED = (*KINDS.values(), "joins")


def compared(numbers: dict[str, int]) -> dict[str, int]:
    """The numbers that the ledger knows of: no livestreams one by one, no zeros."""
    return {
        name: n for name, n in numbers.items() if n and name.rpartition("|")[2] in COMPARED and not name.startswith("livestream:")
    }


def wrong_numbers(counted: dict[str, int], expected: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Number by number, of those that the ledger knows of, what is counted and what should be, where these differ."""
    counted, expected = compared(counted), compared(expected)
    return {
        name: (counted.get(name, 0), expected.get(name, 0))
        for name in counted.keys() | expected.keys()
        if counted.get(name) != expected.get(name)
    }


def lost_by_platform(missing: list[Line]) -> Tally[str]:
    """What a platform that resumes said before anybody had asked is behind the history with which it begins: in the first gap."""
    return Tally(line.platform for line in missing if line.delivered or line.platform not in RESUME)


def missing_outside_gaps(lines: list[Line], events: list[Event]) -> tuple[list[Line], list[Line]]:
    """(ledger lines that are neither in the journal nor inside a gap of their livestream, all that are missing).

    Before a livestream was first joined nothing can be missing.
    """
    there = {ledger_id(event) for event in events} | {event.target for event in events if isinstance(event, Removed)}
    gaps: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        if isinstance(event, Gap) and event.livestream:
            gaps[event.livestream].append((event.from_.timestamp() * 1000, event.to.timestamp() * 1000))
    first: dict[str | None, int] = {}
    for line in lines:
        if line.delivered:
            first.setdefault(line.livestream, line.at)
    lost = [
        line
        for line in lines
        if line.kind in COUNTED
        and line_id(line) not in there
        and line.livestream in first
        and line.at >= first[line.livestream]
        and (
            line.delivered or line.platform != "mastodon"
        )  # what nobody there can be asked about, for want of a hashtag, is not missing
    ]
    outside = [
        line for line in lost if not any(start - 1 <= line.at <= end + 1 for start, end in gaps.get(line.livestream or "", ()))
    ]
    return outside, lost


def mix(most: int) -> tuple[str, int]:
    """A roster of the sample's rows, at most so many of each platform and 1,200 in all, TELL of them told by webhook; and how many it is.

    Mastodon is in it by the event's hashtags. Of those told by webhook nobody knows that they are live before something is told."""
    with (ROOT / "data/roster-sample.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen: Tally[str] = Tally()
    chosen = []
    for row in rows:
        seen[row["platform"]] += 1
        if seen[row["platform"]] <= most:
            chosen.append(row)
    del chosen[len(rows) - TELL :]
    for number, row in enumerate(rows[:TELL]):
        told = {
            "attendee": f"W{number}",
            "platform": "webhook.simulated",
            "handle": f"partner-{number}",
            "native_id": "",
            "live_url": "",
        }
        chosen.append({**row, **told})
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(chosen)
    return text.getvalue(), len(chosen)


def repeated(events: list[Event]) -> list[str]:
    tally = Tally(event.id for event in events)
    return [name for name, number in tally.items() if number > 1]


def now() -> datetime:
    return datetime.now(UTC)
