"""Peaks of viewers through kills: whatever was away while they happened, the wall shows what one that never died shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from test_peaks import Sample, accepted, slow_between, slow_peaks

from connectors.event import Viewers, as_json
from monitor.config import Config, Event, Platform, Session
from monitor.count import Counter
from monitor.derivation import derivation
from monitor.feed import Feed
from monitor.journal import Journal, digest, key, partition_of
from monitor.keeper import Keeper
from monitor.peak_watch import WATCHED, Watched
from monitor.reader import Reader
from monitor.roster import Channel, Roster
from monitor.wall_store import LEASE, WallStore

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The journal's server has its own clock; only the times of events and the clock of the wall matter here."""
SHANGHAI = ZoneInfo("Asia/Shanghai")
PARTITIONS = 3
OPENING = Session(id="opening", name={"*": "Opening"}, start=START, end=START + timedelta(minutes=4))
PARADE = Session(id="parade", name={"*": "Parade"}, start=START + timedelta(minutes=5), end=START + timedelta(minutes=9))
CONFIG = Config(
    # The event's day changes at 12:06 UTC.
    event=Event(name="Test", timezone=SHANGHAI, day_start=time(20, 6)),
    partitions=PARTITIONS,
    platforms={"kick": Platform(name="kick"), "shadow": Platform(name="shadow", in_totals=False)},
    sessions=(OPENING, PARADE),
)
PLACES = {"kick:a": "BR", "kick:b": "TH", "kick:c": "BR", "kick:d": "CN", "shadow:x": "BR"}
ROSTER = Roster(
    channels=tuple(
        Channel(
            id=name, attendee=name, name=name, country=country, language=None, platform=name.partition(":")[0], handle=name[-1]
        )
        for name, country in PLACES.items()
    )
)


class World:
    """One Redis: a counter that never dies, and servers that do."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.at = START
        self.config = CONFIG
        self.reader = Reader(journal, "count", Counter(journal, derivation(CONFIG, ROSTER)))
        self.told: list[Sample] = []
        self.start_server()

    def start_server(self) -> None:
        self.feed = Feed(self.config, ROSTER, self.journal, wall=WallStore(self.journal), now_ms=self.now_ms)
        self.keeper = Keeper(self.feed, WallStore(self.journal), [Watched()], now_ms=self.now_ms)

    def now_ms(self) -> int:
        return int(self.at.timestamp() * 1000)

    async def kill_server(self) -> None:
        """It says nothing to anybody any more; its lease ends by itself, which is not waited for."""
        del self.keeper, self.feed
        await self.journal.redis.delete(LEASE)

    async def watch(
        self, name: str, viewers: int, *, ago: float = 0.0, interval: float | None = None, counted: bool = True
    ) -> None:
        """A platform tells how many watch, and it is counted, unless nobody counts."""
        at = self.at - timedelta(seconds=ago)
        number = len(self.told)
        event = Viewers(
            id=f"v:{number}", platform=name.partition(":")[0], livestream=name, at=at, received_at=self.at, viewers=viewers,
            interval_seconds=interval,
        )  # fmt: skip
        at_ms = int(at.timestamp() * 1000)
        expires_ms = at_ms + int(max(180.0, 2.5 * (interval or 0)) * 1000)
        self.told.append(Sample(name, viewers, at_ms, expires_ms, PLACES[name], event.platform, event.platform == "kick"))
        await self.journal.ingest(partition_of(name, PARTITIONS), [(digest(event.id), as_json(event))], tail=None)
        if not counted:
            return
        await self.reader._own(0.0)
        while await self.reader.round(0.0):
            pass
        for held in self.reader.held.values():
            await self.journal.renew(held.partition, "count", held.token, 4000, self.now_ms())

    async def look(self) -> dict[str, object]:
        """What the server's wall shows a moment later."""
        await self.feed.follow()
        self.feed.tick()
        await self.keeper.renew()
        await self.keeper.turns(at=self.now_ms() / 1000)
        await self.feed.look_at_wall()
        self.feed.tick()
        return self.feed.ticker.state

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def naive(self) -> dict[str, object]:
        """What the slow model says of all that was told, of now."""
        taken = accepted(self.told)
        peaks = slow_peaks(taken, self.now_ms())

        def between(begin: datetime, end: datetime) -> int | None:
            return slow_between(taken, int(begin.timestamp()), int(end.timestamp()), self.now_ms())

        found = {head: peaks[head] for head in ("total", "platform:kick", "platform:shadow") if head in peaks}
        found |= {
            f"country:{country}": peaks[f"country:{country}"] for country in ("BR", "TH", "CN") if f"country:{country}" in peaks
        }
        found |= {
            f"session:{session.id}": peak
            for session in self.config.sessions
            if (peak := between(session.start, session.end)) is not None
        }
        noon = START.replace(hour=12, minute=6)
        begin = noon if self.at >= noon else noon - timedelta(days=1)
        if (today := between(begin, begin + timedelta(days=1))) is not None:
            found["day"] = today
        return found


def peaks(state: dict) -> dict[str, int]:
    """What a wall shows of them."""
    shown = {"total": state["totals"], "day": {}}
    shown |= {f"platform:{name}": one for name, one in state["platforms"].items()}
    shown |= {f"country:{name}": one for name, one in state["countries"].items()}
    shown |= {f"session:{name}": one for name, one in state["sessions"].items()}
    found = {head: one["viewers"]["peak"] for head, one in shown.items() if "peak" in one.get("viewers", {})}
    if "peak_day" in state["totals"].get("viewers", {}):
        found["day"] = state["totals"]["viewers"]["peak_day"]
    return found


@pytest.fixture
async def world(valkey, redis_client):
    async with Journal(valkey, partitions=PARTITIONS).opened() as journal:
        await journal.prepare()
        yield World(journal)


async def story(world: World, *, killed: bool) -> dict[str, int]:
    """A peak of 90 + 40 while the server is dead; before and after it fewer watch."""
    await world.watch("kick:a", 20)
    await world.watch("kick:b", 10)
    await world.watch("shadow:x", 500)
    world.pass_(60)
    await world.look()
    if killed:
        await world.kill_server()
    world.pass_(60)
    await world.watch("kick:a", 90, interval=60)
    await world.watch("kick:b", 40, ago=3)
    world.pass_(45)
    if not killed:
        await world.look()
    await world.watch("kick:a", 15)
    await world.watch("kick:b", 5, ago=50)
    world.pass_(400)
    await world.watch("kick:c", 8, interval=300)
    world.pass_(5)
    if killed:
        world.start_server()
    return peaks(await world.look())


async def test_a_peak_while_no_server_ran_is_shown_by_the_next_one(world):
    found = await story(world, killed=True)
    assert found == world.naive()
    assert found["total"] == 130
    assert (found["session:opening"], found["session:parade"], found["day"]) == (130, 15, 8)


async def test_a_server_that_never_died_shows_the_same(world):
    """And the control: what is seen by looking only while a server lives would be less."""
    seen_alive = 0
    found = await story(world, killed=False)
    assert found == world.naive()
    assert found["total"] == 130
    for at in (60, 570):
        now_ms = int((START + timedelta(seconds=at)).timestamp() * 1000)
        seen_alive = max(seen_alive, slow_between(accepted(world.told), now_ms // 1000, now_ms // 1000 + 60, now_ms) or 0)
    assert seen_alive < 130


async def test_until_a_new_server_has_caught_up_the_peak_is_unknown_and_not_too_small(world):
    await world.watch("kick:a", 20)
    await world.look()
    await world.kill_server()
    world.pass_(600)
    await world.watch("kick:a", 15)
    world.start_server()
    await world.feed.follow()
    await world.feed.look_at_wall()
    world.feed.tick()
    assert world.feed.ticker.state["totals"]["viewers"] == {"now": 15, "hours": 1.0}
    assert peaks(await world.look())["total"] == 20


async def test_a_killed_keeper_that_had_kept_nothing_for_a_while_leaves_the_same_peaks(world):
    """What it read since is read a second time, and a lease that is lost changes nothing."""
    for number, viewers in enumerate((20, 80, 30, 60, 10)):
        await world.watch("kick:a", viewers)
        await world.watch("kick:d", 2 * viewers, ago=number)
        world.pass_(9)
        await world.look()
        await world.kill_server()
        world.start_server()
    assert peaks(await world.look()) == world.naive()


async def test_a_session_that_moves_has_the_peak_of_its_new_times(world):
    await story(world, killed=True)
    assert peaks(await world.look())["session:parade"] == 15
    moved = replace(PARADE, start=START + timedelta(minutes=1), end=START + timedelta(minutes=3))
    world.config = replace(CONFIG, sessions=(OPENING, moved))
    await world.kill_server()
    world.start_server()
    found = peaks(await world.look())
    assert found["session:parade"] == 130
    assert found == world.naive()


async def test_a_peak_of_hours_ago_is_known_after_everything_was_trimmed(world):
    first = await story(world, killed=False)
    for _ in range(4):
        world.pass_(1700)
        await world.watch("kick:a", 3)
        await world.look()
    redis = world.journal.redis
    for partition in range(PARTITIONS):
        await redis.delete(key(partition, "samples"))
    await world.kill_server()
    world.start_server()
    world.pass_(60)
    found = peaks(await world.look())
    assert found["total"] == first["total"] == 130
    assert found["session:opening"] == 130
    assert any(name.startswith(b"hour:") for name in await redis.hkeys(WATCHED))


async def test_samples_that_a_server_forgot_and_was_told_again_count_once(world, caplog):
    """Redis lost its newest entries and with them the place up to which was read; what is told again is known already."""
    await world.watch("kick:a", 20)
    await world.watch("kick:b", 10)
    world.pass_(30)
    await world.look()
    partition = partition_of("kick:b", PARTITIONS)
    rows = await world.journal.redis.xrange(key(partition, "samples"))
    last, fields = rows[-1]
    await world.journal.redis.xdel(key(partition, "samples"), last)
    await world.journal.redis.xadd(key(partition, "samples"), {b"n": b"again", b"d": fields[b"d"]})
    world.pass_(30)
    assert peaks(await world.look()) == world.naive()
    assert "too long" not in caplog.text


async def test_a_peak_while_nobody_counted_for_hours_is_known_once_it_is_counted(world):
    await world.watch("kick:a", 20)
    await world.look()
    world.pass_(30)
    await world.watch("kick:a", 700, counted=False)
    for _ in range(6):
        world.pass_(1800)
        await world.look()
    world.pass_(30)
    await world.watch("kick:b", 10)
    assert peaks(await world.look()) == world.naive()
    assert world.naive()["total"] == 700


async def test_what_nobody_read_in_time_is_told_in_the_log(world, caplog):
    await world.watch("kick:a", 20)
    await world.look()
    world.pass_(60)
    await world.watch("kick:a", 90)
    await world.watch("kick:a", 90)
    partition = partition_of("kick:a", PARTITIONS)
    rows = await world.journal.redis.xrange(key(partition, "samples"))
    await world.journal.redis.xdel(key(partition, "samples"), *(row[0] for row in rows))
    late = f"{int(rows[-1][0].partition(b'-')[0]) + 700_000}-0"
    world.pass_(60)
    await world.journal.redis.xadd(key(partition, "samples"), rows[-1][1], id=late)
    await world.look()
    assert "Nobody looked at viewers for too long" in caplog.text
