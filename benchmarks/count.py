"""count: one process from the journal to committed numbers, beside the raw limit of pulling and decoding the same entries."""

from __future__ import annotations

import asyncio
import random
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.event import Message, as_json
from monitor import config as configuration
from monitor import reader as readers
from monitor.count import Counter
from monitor.derive import decode_entry, derivation
from monitor.engine import Engine
from monitor.journal import START, Journal, digest, partition_of
from monitor.roster import read_roster

ENTRIES = 240_000
PARTITIONS = 16
TEXTS = [
    "robot dance 🔥🔥", "CHERY to the moon", "que lindo el híbrido", "hello from the factory", "奇瑞 加油", "สวัสดีครับ", "LUL", "first",
    "когда в продаже?", "مرحبا من الرياض", "what is the price of the omoda", "ESG is the future", "wow", "hybrid range?", "ping ping ping",
    "intelligent driving looks smooth today", "gg", "hahaha", "o carro é bonito demais", "where is the robot",
]  # fmt: skip


async def fill(journal: Journal, livestreams: list[str]) -> None:
    """Chat of many livestreams over the last ten minutes, texts partly repeated, in ingest batches."""
    dice = random.Random(1)
    now = datetime.now(UTC)
    batches: dict[int, list[tuple[bytes, bytes]]] = {}
    for number in range(ENTRIES):
        livestream = livestreams[min(int(dice.paretovariate(1.0)) - 1, len(livestreams) - 1)] if number % 3 else dice.choice(livestreams)
        at = now - timedelta(seconds=600 - number * 600 / ENTRIES, milliseconds=dice.randint(0, 900))
        text = dice.choice(TEXTS) if dice.random() < 0.35 else f"{dice.choice(TEXTS)} {dice.choice(TEXTS)} {number % 5000}"
        # A livestream's own crowd: few write often, most write once (CROWD: zeta, alpha 1.75; four messages each on average).
        author = f"{hash((livestream, min(int(dice.paretovariate(0.75)), 5000))) & (2**128 - 1):032x}"
        event = Message(
            id=f"twitch:{number:032x}", platform="twitch", livestream=livestream, at=at, received_at=at + timedelta(milliseconds=300),
            author=author, author_name=f"viewer{number % 9999}", text=text, url=f"https://www.twitch.tv/{livestream}",
        )  # fmt: skip
        batches.setdefault(partition_of(livestream, PARTITIONS), []).append((digest(event.id), as_json(event)))
    for partition, pairs in batches.items():
        for start in range(0, len(pairs), 500):
            await journal.ingest(partition, pairs[start : start + 500], tail=None)


async def raw(journal: Journal) -> float:
    """Entries per second of pulling and decoding alone."""
    started, entries = time.perf_counter(), 0
    for partition in range(PARTITIONS):
        position = START
        while (pulled := await journal.pull(partition, position, readers.MOST_ENTRIES)).payloads:
            entries += len([decode_entry(payload) for payload in pulled.payloads])
            position = pulled.position
    return entries / (time.perf_counter() - started)


async def counted(journal: Journal, most: int) -> tuple[float, float]:
    """(entries per second, CPU µs of this process per entry) from an empty checkpoint to the last commit."""
    for key in await journal.redis.keys("{p*}:*"):
        if not key.endswith((b":s", b":seen:cur", b":meta")):
            await journal.redis.delete(key)
    setup = configuration.load(None)
    roster = read_roster(setup.roster_file)
    reader = readers.Reader(journal, "count", Counter(journal, derivation(setup, roster)))
    readers.MOST_ENTRIES, before = most, readers.MOST_ENTRIES
    try:
        await reader._own(0.0)
        started, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        while reader.entries < ENTRIES:
            await reader.round(0.0)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    finally:
        readers.MOST_ENTRIES = before
        await reader._leave()
    return reader.entries / seconds, used / reader.entries * 1e6


async def measure() -> list[dict]:
    with tempfile.TemporaryDirectory(prefix="lm-bench-") as folder:
        engine = Engine(Path(folder))
        url = await engine.start()
        try:
            async with Journal(url, partitions=PARTITIONS).opened() as journal:
                await journal.prepare()
                livestreams = [channel.id for channel in read_roster(configuration.load(None).roster_file).channels]
                await fill(journal, livestreams)
                limit = max([await raw(journal) for _ in range(2)])
                catch_up, cpu = await counted(journal, 5000)
                live, _ = await counted(journal, 100)
        finally:
            await engine.stop()
    row = {"unit": "events/s", "better": "more", "limit": round(limit)}
    return [
        {"name": "count", "value": round(catch_up), "ratio": round(catch_up / limit, 3), **row},
        {"name": "count.live_size", "value": round(live), "ratio": round(live / limit, 3), **row},
        {"name": "count.cpu", "value": round(cpu, 2), "unit": "µs/event", "better": "less", "limit": round(1e6 / limit, 2), "ratio": round(cpu * limit / 1e6, 2)},
    ]  # fmt: skip


def run() -> list[dict]:
    import uvloop

    return uvloop.run(measure())


if __name__ == "__main__":
    print(*run(), sep="\n")
