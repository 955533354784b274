"""The feed: frames that restore the state, what a slow wall gets, and what is shown while Redis is away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from feed_source import Shelf
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from monitor.audience import MOST_BACKLOG, Client, verdict
from monitor.book import Book
from monitor.config import Config, Event, Platform, Session, Topic
from monitor.feed import CHANGES_AT_ONCE, PING, Feed
from monitor.frames import Latency, Ticker, text_frame
from monitor.journal import START, Checkpoint, Journal, pack
from monitor.patch import apply_patch
from monitor.roster import Channel, Roster
from monitor.snapshot import Around, Picture
from monitor.windows import Change, Group, Loaded

START_AT = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
NOW = int(START_AT.timestamp())
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("Asia/Shanghai")),
    sessions=(Session(id="opening", name={"en": "Opening"}, start=START_AT, end=START_AT + timedelta(hours=1)),),
    topics=(Topic(id="hybrid", name={"en": "Hybrid"}),),
    platforms={"twitch": Platform(name="twitch"), "bilibili": Platform(name="bilibili", enabled=False)},
    partitions=2,
)


def channel(name: str, country: str = "BR", platform: str = "twitch") -> Channel:
    return Channel(
        id=f"{platform}:{name}",
        attendee=name,
        name=name,
        country=country,
        language=None,
        platform=platform,
        handle=name,
        consent="yes",
    )


ROSTER = Roster(channels=(channel("a"), channel("b", "MX"), channel("c", "CN", "bilibili")))


def comments(at: int, count: int, country: str = "BR") -> Group:
    heads = ("total", f"country:{country}", "platform:twitch", f"livestream:twitch:{country}")
    return Group([f"slot:{at // 10 * 10}", f"minute:{at // 60 * 60}", "total"], {f"{head}|comments": count for head in heads})


class Time:
    """Unix milliseconds that a test moves."""

    def __init__(self) -> None:
        self.ms = NOW * 1000

    def __call__(self) -> int:
        return self.ms


class Wire:
    """A transport that keeps what was written; ``backlog`` is what the other side has not read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.backlog = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.backlog

    def abort(self) -> None:
        self.aborted = True

    def frames(self) -> list[dict[str, Any]]:
        return [orjson.loads(payload(frame)) for frame in self.written if frame != PING]


def payload(frame: bytes) -> bytes:
    reader = StreamReader()
    reader.feed_data(frame)
    parser = Frame.parse(reader.read_exact, mask=False, max_size=None)
    with pytest.raises(StopIteration) as done:
        next(parser)
    parsed = done.value.value
    assert (parsed.opcode, parsed.fin) == (Opcode.TEXT, True)
    assert reader.buffer == b""
    return bytes(parsed.data)


def make_feed(source: Shelf | Journal, config: Config = CONFIG) -> tuple[Feed, Time]:
    clock = Time()
    return Feed(config, ROSTER, source, now_ms=clock), clock


# --- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
def test_a_frame_of_any_size_is_one_websocket_text_frame(size):
    assert payload(text_frame(b"x" * size)) == b"x" * size


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(1, 5), st.booleans()), max_size=30), st.integers(0, 30)
)
@settings(max_examples=60, deadline=None)
def test_a_client_that_joins_at_any_time_has_the_state_by_snapshot_and_deltas(steps, joins):
    book, versions = Book(2), [0, 0]
    ticker = Ticker(Picture(CONFIG), "e")
    client: dict[str, Any] | None = None
    seq = at = 0
    for number, (partition, wait, count, caught_up) in enumerate(steps):
        at += wait
        if number == 3:
            for one in (0, 1):
                book.load(one, loaded_empty(), (NOW + at) * 1000)
        if number > 3:
            versions[partition] += 1
            book.apply(partition, Change(version=versions[partition], groups=[comments(NOW + at, count)]))
            if caught_up:
                book.caught_up(partition, (NOW + at) * 1000)
        delta = ticker.tick(book, (NOW + at) * 1000, Around())
        if client is not None and delta is not None:
            frame = orjson.loads(delta)
            assert frame["seq"] == seq + 1
            seq, client = frame["seq"], apply_patch(client, frame["patch"])
        if number == joins:
            frame = orjson.loads(ticker.snapshot())
            seq, client = frame["seq"], frame["state"]
        if client is not None:
            assert client == orjson.loads(orjson.dumps(ticker.state))
            assert seq == ticker.seq


def loaded_empty():
    return Loaded(version=0, caught_up_ms=0, containers={}, viewers=[], position=("", ""))


def test_a_snapshot_is_encoded_once_for_all_who_ask_in_a_tick():
    ticker = Ticker(Picture(CONFIG), "e")
    ticker.tick(Book(1), NOW * 1000, Around())
    first = ticker.snapshot()
    assert ticker.snapshot() is first
    ticker.tick(Book(1), NOW * 1000 + 1000, Around())
    assert orjson.loads(ticker.snapshot())["seq"] == 2


def test_a_frame_comes_each_second_though_nothing_changed():
    ticker, book = Ticker(Picture(CONFIG), "e"), Book(1)
    assert ticker.tick(book, NOW * 1000, Around()) is not None
    assert ticker.tick(book, NOW * 1000 + 999, Around()) is None
    frame = orjson.loads(ticker.tick(book, NOW * 1000 + 1000, Around()) or b"")
    assert frame == {"type": "delta", "seq": 2, "patch": {}}


# --- latency ----------------------------------------------------------------------------------------------------------


def test_latency_is_the_age_of_events_when_they_are_first_shown():
    latency = Latency()
    latency.add([NOW * 1000 - age for age in range(1, 101)], NOW * 1000)
    assert latency.percentiles(NOW * 1000) == {"p50": 50, "p95": 95, "p99": 99}
    assert sum(latency.buckets) == 100
    assert latency.buckets[:2] == [50, 50]
    assert latency.seconds == pytest.approx(5.05)


def test_latency_of_more_than_a_minute_ago_is_forgotten():
    latency = Latency()
    latency.add([NOW * 1000 - 500], NOW * 1000)
    assert latency.percentiles(NOW * 1000 + 59_000) == {"p50": 500, "p95": 500, "p99": 500}
    assert latency.percentiles(NOW * 1000 + 61_000) == {}


def test_an_event_from_the_future_counts_as_no_delay():
    latency = Latency()
    latency.add([NOW * 1000 + 5000], NOW * 1000)
    assert latency.percentiles(NOW * 1000) == {"p50": 0, "p95": 0, "p99": 0}


# --- who gets what ----------------------------------------------------------------------------------------------------


def test_a_wall_that_keeps_up_gets_every_frame_and_one_that_lags_none():
    client = Client(Wire(), lambda: True)
    assert [verdict(client, backlog, now) for now, backlog in ((0.0, 0), (1.0, 900), (2.0, 300), (3.0, 0))] == [
        "send",
        "skip",
        "skip",
        "send",
    ]


@pytest.mark.parametrize(("backlog", "what"), [(MOST_BACKLOG, "skip"), (MOST_BACKLOG + 1, "drop")])
def test_a_backlog_above_the_limit_ends_the_connection(backlog, what):
    assert verdict(Client(Wire(), lambda: True), backlog, 0.0) == what


@pytest.mark.parametrize("backlog", [0, 900])
def test_silence_ends_the_connection_within_five_seconds_whether_a_backlog_shows_or_not(backlog):
    client = Client(Wire(), lambda: True)
    before = "skip" if backlog else "send"
    assert [verdict(client, backlog, now) for now in (0.0, 2.5, 4.0, 4.1)] == [before, before, before, "drop"]


async def test_who_answers_the_pings_stays_and_who_does_not_is_dropped():
    feed, clock = make_feed(Shelf())
    feed.tick()
    asleep, awake = Wire(), Wire()
    clients = [feed.join(wire, lambda: True) for wire in (asleep, awake)]
    for client in clients:
        client.read_at -= 5
    feed.heard(clients[1])
    clock.ms += 1000
    feed.tick()
    assert (asleep.aborted, awake.aborted) == (True, False)
    assert awake.written[-1] == PING


def test_a_slow_wall_that_still_reads_is_kept():
    client = Client(Wire(), lambda: True)
    assert {verdict(client, 90_000 - 1000 * second, float(second)) for second in range(60)} == {"skip"}


async def test_a_wall_that_was_skipped_gets_the_newest_state_and_no_queue():
    source = Shelf()
    feed, clock = make_feed(source)
    await feed.follow()
    feed.tick()
    slow, quick = Wire(), Wire()
    feed.join(slow, lambda: True)
    feed.join(quick, lambda: True)
    slow.backlog = 10
    for _ in range(3):
        source.commit(0, comments(NOW, 1))
        clock.ms += 1000
        await feed.follow()
        feed.tick()
    slow.backlog = 0
    source.commit(0, comments(NOW, 1))
    clock.ms += 1000
    await feed.follow()
    feed.tick()
    assert [frame["type"] for frame in quick.frames()] == ["snapshot", *["delta"] * 4]
    assert [frame["type"] for frame in slow.frames()] == ["snapshot", "snapshot"]
    assert slow.frames()[-1]["state"]["totals"]["comments"]["total"] == 4
    assert slow.frames()[-1]["seq"] == quick.frames()[-1]["seq"]


async def test_a_stuck_wall_is_dropped_and_the_others_go_on():
    feed, clock = make_feed(Shelf())
    feed.tick()
    stuck, well = Wire(), Wire()
    feed.join(stuck, lambda: True)
    feed.join(well, lambda: True)
    stuck.backlog = 10 * MOST_BACKLOG
    clock.ms += 1000
    feed.tick()
    assert (stuck.aborted, well.aborted, feed.counts.dropped, len(feed.clients)) == (True, False, 1, 1)
    assert len(well.frames()) == 2


async def test_a_server_that_slept_itself_drops_nobody_for_it():
    feed, clock = make_feed(Shelf())
    feed.tick()
    wire = Wire()
    client = feed.join(wire, lambda: True)
    feed._ticked_at -= 60
    client.read_at -= 60
    clock.ms += 60_000
    feed.tick()
    assert not wire.aborted


async def test_nothing_is_written_to_a_wall_that_is_closing():
    feed, clock = make_feed(Shelf())
    feed.tick()
    wire = Wire()
    is_open = True
    feed.join(wire, lambda: is_open)
    is_open = False
    clock.ms += 1000
    feed.tick()
    assert len(wire.written) == 1


async def test_all_walls_get_the_very_same_bytes():
    feed, clock = make_feed(Shelf())
    feed.tick()
    wires = [Wire() for _ in range(3)]
    for wire in wires:
        feed.join(wire, lambda: True)
    clock.ms += 1000
    feed.tick()
    assert wires[0].written[1] is wires[1].written[1] is wires[2].written[1]


# --- following --------------------------------------------------------------------------------------------------------


async def test_commits_are_shown_once_each_and_as_of_follows_the_slowest_partition():
    source = Shelf(caught_up_ms={0: NOW * 1000 - 300, 1: NOW * 1000 - 2000})
    source.commit(0, comments(NOW, 2))
    feed, _ = make_feed(source)
    await feed.follow()
    source.commit(0, comments(NOW, 3))
    source.commit(1, comments(NOW, 5, "MX"))
    source.caught_up_ms[1] = NOW * 1000 - 1000
    for _ in range(3):
        await feed.follow()
    feed.tick()
    assert feed.ticker.state["totals"]["comments"]["total"] == 10
    assert feed.ticker.state["health"]["as_of"] == "2026-10-16T11:59:59.000Z"
    assert source.loads == 2


async def test_as_of_waits_for_all_changes_that_were_there_when_it_was_read():
    source = Shelf(partitions=1)
    feed, _ = make_feed(source)
    await feed.follow()
    for _ in range(CHANGES_AT_ONCE + 1):
        source.commit(0, comments(NOW, 1))
    source.caught_up_ms[0] = NOW * 1000
    await feed.follow()
    assert feed.book.as_of_ms is None
    await feed.follow()
    assert feed.book.as_of_ms == NOW * 1000


async def test_lost_changes_reload_only_their_partition():
    source = Shelf()
    feed, _ = make_feed(source)
    source.commit(0, comments(NOW, 1))
    await feed.follow()
    source.commit(0, comments(NOW, 1))
    source.trimmed.add(0)
    for _ in range(2):
        await feed.follow()
    feed.tick()
    assert feed.ticker.state["totals"]["comments"]["total"] == 2
    assert source.loads == 3


async def test_a_rewritten_container_is_loaded_again():
    source = Shelf(partitions=1)
    feed, _ = make_feed(source)
    await feed.follow()
    source.commit(0, comments(NOW, 4), rebased=True)
    for _ in range(2):
        await feed.follow()
    assert feed.book.totals["total|comments"] == 4


async def test_while_redis_is_away_frames_go_on_with_the_old_as_of():
    source = Shelf(caught_up_ms={0: NOW * 1000, 1: NOW * 1000})
    source.commit(0, comments(NOW, 7))
    feed, clock = make_feed(source)
    await feed.follow()
    feed.tick()
    wire = Wire()
    feed.join(wire, lambda: True)
    source.down = True
    with pytest.raises(ConnectionError):
        await feed.follow()
    clock.ms += 12_000
    feed.tick()
    frame = wire.frames()[-1]
    assert frame["as_of"] == "2026-10-16T12:00:00.000Z"
    assert frame["patch"]["health"]["lag_seconds"] == 12.0
    assert feed.ticker.state["totals"]["comments"]["total"] == 7
    assert feed.reasons() == ["The numbers are 12 s old."]


async def test_what_waits_on_a_disk_is_said_although_the_counter_has_nothing_left():
    source = Shelf(caught_up_ms={0: NOW * 1000, 1: NOW * 1000}, held_back_ms=(NOW - 25) * 1000)
    source.commit(0, comments(NOW, 7))
    feed, _ = make_feed(source)
    await feed.follow()
    await feed.look_around()
    feed.tick()
    assert feed.reasons() == ["The numbers are 25 s old."]
    assert [line["kind"] for name, line in feed.ticker.state["attention"].items() if name != "more"] == ["lag"]


async def test_the_running_feed_comes_back_by_itself_and_loads_everything_again():
    source = Shelf(caught_up_ms={0: NOW * 1000, 1: NOW * 1000}, down=True)
    feed = Feed(CONFIG, ROSTER, source, ticks=1000, now_ms=Time())
    running = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(30):
            while "changes" not in feed._failing:
                await asyncio.sleep(0.001)
            source.down = False
            source.commit(0, comments(NOW, 7))
            while feed.ticker.state["totals"].get("comments") is None:
                await asyncio.sleep(0.001)
            while feed._failing:
                await asyncio.sleep(0.001)
        assert feed.reasons() == []
        assert feed.counts.read_failures > 0
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


# --- surroundings -----------------------------------------------------------------------------------------------------


def row(state: str, at: datetime = START_AT, **more: Any) -> bytes:
    return orjson.dumps(
        {"state": state, "reason": "", "since": START_AT - timedelta(hours=1), "platform": "twitch", "at": at, **more}
    )


async def test_every_consented_livestream_is_counted_in_one_state():
    source = Shelf(states={"twitch:a": row("live"), "twitch:gone": row("live"), "bluesky:#tag": row("live", hashtag=True)})
    feed, _ = make_feed(source)
    await feed.follow()
    await feed.look_around()
    feed.tick()
    state = feed.ticker.state
    assert (state["livestreams"]["total"], state["livestreams"]["connecting"], state["livestreams"]["paused"]) == (3, 1, 1)
    assert state["health"]["coverage"]["reachable"] == 2
    assert set(state["countries"]) == {"BR", "MX", "CN", "ZZ"}
    assert "switched off" in feed.around.livestreams["bilibili:c"].reason


async def test_a_livestream_whose_collector_died_is_broken():
    source = Shelf(
        states={
            "twitch:a": row("live", START_AT - timedelta(seconds=36)),
            "twitch:b": row("live", START_AT - timedelta(seconds=34)),
        }
    )
    feed, _ = make_feed(source)
    await feed.look_around()
    assert feed.around.livestreams["twitch:a"].state == "broken"
    assert feed.around.livestreams["twitch:b"].state == "live"


async def test_an_unreadable_state_is_counted_and_hides_nobody_else():
    source = Shelf(states={"twitch:a": b"{", "twitch:b": row("live")})
    feed, _ = make_feed(source)
    await feed.look_around()
    assert feed.counts.unreadable == 1
    assert feed.around.livestreams["twitch:b"].state == "live"


async def test_authors_name_their_windows():
    feed, _ = make_feed(Shelf())
    await feed.follow()
    feed.tick()
    await feed.look_at_authors()
    feed.tick()
    assert feed.ticker.state["totals"]["authors"] == {"event": 5, "day": 5, "session": 5}
    assert feed.ticker.state["topics"]["hybrid"]["authors"] == {"event": 12, "day": 12}
    assert feed.ticker.state["sessions"]["opening"]["authors"] == {"session": 5}


async def test_ingest_counters_never_fall_and_begin_at_zero():
    source = Shelf(counters={"added": 1000, "duplicates": 3})
    feed, _ = make_feed(source)
    seen = []
    for added in (1000, 1010, 1005, 1012):
        source.counters["added"] = added
        await feed.look_around()
        seen.append(feed.counts.stored["added"])
    assert seen == [0, 10, 10, 12]


async def test_a_changed_configuration_is_shown_and_its_sessions_are_loaded():
    source = Shelf(partitions=1)
    source.commit(0, Group(["total", "session:late"], {"total|comments": 3}))
    feed, _ = make_feed(source)
    await feed.follow()
    late = Session(id="late", name={"en": "Late"}, start=START_AT, end=START_AT + timedelta(hours=1))
    feed.reconfigure(replace(CONFIG, sessions=(late,)), Roster())
    await feed.follow()
    feed.tick()
    assert feed.ticker.state["sessions"]["late"]["comments"]["total"] == 3
    assert feed.ticker.state["livestreams"]["total"] == 0


# --- on the real journal ----------------------------------------------------------------------------------------------


async def commit(journal: Journal, partition: int, version: int, *groups: Group, at_ms: int) -> None:
    """As count does it, without entries of the journal."""
    assert await journal.lease(partition, "count", "token", 60_000)
    await journal.commit(
        partition,
        "token",
        before=Checkpoint(version - 1, START, "cfg", 0),
        position=START,
        change=pack(Change(version=version, groups=list(groups))),
        extras=pack([[], [], []]),
        config="cfg",
        caught_up_ms=at_ms,
    )


async def test_commits_in_redis_reach_the_frames_and_a_lost_tail_is_reloaded(redis_client, valkey):
    async with Journal(valkey, partitions=2).opened() as journal:
        await journal.prepare()
        feed, clock = make_feed(journal)
        await commit(journal, 0, 1, comments(NOW, 2), at_ms=clock.ms)
        await feed.follow()
        await commit(journal, 0, 2, comments(NOW, 3), at_ms=clock.ms)
        await commit(journal, 1, 1, comments(NOW, 5, "MX"), at_ms=clock.ms)
        await feed.follow()
        await feed.look_around()
        await feed.look_at_authors()
        feed.tick()
        assert feed.ticker.state["totals"]["comments"]["total"] == 10
        assert feed.ticker.state["health"]["as_of"] == "2026-10-16T12:00:00.000Z"
        assert feed.counts.loads == 2
        newest = (await redis_client.xrevrange("{p00}:changes", count=1))[0][0]
        await redis_client.xdel("{p00}:changes", newest)
        await redis_client.hset("{p00}:total", "total|comments", 4)
        await feed.follow()
        await feed.follow()
        feed.tick()
        assert feed.counts.loads == 3
        assert feed.ticker.state["totals"]["comments"]["total"] == 9
