"""Alerts: what is told and when (pure, with a clock of the test), and its delivery to a real server that receives real bytes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.connector import Secret
from connectors.event import Message, Removed, as_json
from monitor import config_file, spike_alerts
from monitor.config import Alert, KeywordRule, Simulator
from monitor.journal import Journal, digest, key
from monitor.moderation.alerts import (
    GAP_SECONDS,
    GROUP_SECONDS,
    LISTED,
    LONGEST_WAIT,
    Outbox,
    Place,
    body,
    plain,
    quote,
    title,
)
from monitor.moderation.delivery import make_sender
from monitor.moderation.moderate import FLAGS, ROLE, Moderator
from monitor.moderation.rules import Flag, Retracted, Rulebook
from monitor.notify import LEASE, Notifier, target_id
from monitor.notify_target import CURSOR, SENT, Target
from monitor.reader import Reader
from monitor.roster import Roster
from monitor.tally import KEY, Tally
from monitor.wall_store import WallStore

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _now() -> None:
    """The present of each test: a long run must not make what it says old before it begins."""
    global NOW  # noqa: PLW0603 - a constant for the tests
    NOW = datetime.now(UTC).replace(microsecond=0)


PLACE = Place("User Summit", ZoneInfo("Asia/Shanghai"), "http://127.0.0.1:8080/")
WORD = "t0ps3cr3t"


def flag(number: int, severity: int = 3, **more) -> Flag:
    usual = {
        "id": f"r{severity}|t:{number}",
        "event": f"t:{number}",
        "rule": f"r{severity}",
        "severity": severity,
        "span": (2, 5),
        "platform": "twitch",
        "livestream": "twitch:alice",
        "country": "BR",
        "at": "2026-11-20T12:00:01Z",
        "received_at": "2026-11-20T12:00:01Z",
        "text": f"a bad word {number}",
        "url": "https://www.twitch.tv/alice",
    }
    return Flag(**{**usual, **more})


def position(number: int) -> tuple[str, str]:
    return f"{number}-0", f"n{number}"


# --- when -------------------------------------------------------------------------------------------------------------


def test_the_first_flag_is_told_at_once_and_the_next_ones_together():
    box = Outbox(3)
    box.take(0, position(1), [flag(1)])
    first = box.due(100.0)
    assert first.flags == (flag(1),)
    box.delivered(first)
    box.take(0, position(2), [flag(2), flag(3)])
    assert box.due(101.9) is None
    assert box.due(102.0).flags == (flag(2), flag(3))


def test_below_its_severity_an_alert_says_nothing():
    box = Outbox(3)
    box.take(0, position(1), [flag(1, 2), flag(2, 1)])
    assert box.due(0.0) is None
    assert box.settled() == {0: position(1)}


def test_more_than_ten_are_counted_and_the_gravest_are_all_listed():
    box = Outbox(1)
    box.take(0, position(1), [flag(n, 3) for n in range(25)] + [flag(n, 4) for n in range(25)])
    notices = []
    for second in range(12):
        if notice := box.due(float(second)):
            notices.append(notice)
            box.delivered(notice)
    assert [(n.severity, len(n.listed), n.more, n.following) for n in notices] == [
        (4, 10, 0, 15),
        (3, 10, 15, 0),
        (4, 10, 0, 5),
        (4, 5, 0, 0),
    ]


def test_a_flood_of_the_gravest_does_not_silence_the_others():
    box = Outbox(1)
    box.take(0, position(1), [flag(n, 4) for n in range(1000)] + [flag(n, s) for s in (1, 2, 3) for n in range(3)])
    told = []
    for second in range(7):
        notice = box.due(float(second))
        told.append(notice.severity)
        box.delivered(notice)
    assert told == [4, 3, 4, 2, 4, 1, 4]


def test_failures_back_off_from_half_a_second_to_a_minute_and_keep_everything():
    box = Outbox(3)
    box.take(0, position(1), [flag(1)])
    now, waits = 0.0, []
    for _ in range(9):
        now += LONGEST_WAIT + GROUP_SECONDS
        assert box.due(now).flags == (flag(1),)
        waits.append(box.failed(now))
        assert box.due(now + max(waits[-1], GROUP_SECONDS) - 0.01) is None
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    box.delivered(box.due(now + 61))
    box.take(0, position(2), [flag(2)])
    assert box.due(now + 63) is not None
    assert box.failed(now + 63) == 0.5


def test_a_withdrawn_flag_is_not_told():
    box = Outbox(3)
    assert box.take(0, position(1), [flag(1), flag(2), Retracted("t:1", "")]) == ["r3|t:1"]
    assert box.take(0, position(2), [Retracted("t:2", ""), Retracted("t:9", "")]) == ["r3|t:2"]
    assert box.due(0.0) is None
    assert box.settled() == {0: position(2)}


def test_what_is_withdrawn_while_a_failing_notice_is_under_way_is_not_in_the_next():
    box = Outbox(3)
    box.take(0, position(1), [flag(1), flag(2)])
    box.due(0.0)
    box.take(0, position(2), [Retracted("t:1", "")])
    box.failed(0.0)
    assert box.due(10.0).flags == (flag(2),)


def test_what_was_told_before_is_not_told_again_and_a_new_alert_begins_now():
    box = Outbox(3, since_ms=int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000))
    old = flag(2, received_at="2026-11-20T11:59:59.999Z")
    box.take(0, position(1), [flag(1), old, flag(3)], done={"r3|t:1"})
    assert box.due(0.0).flags == (flag(3),)


def test_a_cursor_never_passes_a_flag_that_waits():
    box = Outbox(1)
    box.take(0, position(1), [])
    box.take(0, position(2), [flag(1, 1)])
    box.take(0, position(3), [flag(2, 4)])
    box.take(1, position(9), [flag(3, 4)])
    assert box.settled() == {0: position(1)}
    box.delivered(box.due(0.0))
    assert box.settled() == {1: position(9)}
    box.delivered(box.due(1.0))
    assert box.settled() == {0: position(3)}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("flags"), st.integers(0, 2), st.lists(st.integers(1, 4), max_size=30)),
        st.tuples(st.just("retract"), st.integers(0, 200)),
        st.tuples(st.just("wait"), st.floats(0.1, 5.0)),
        st.tuples(st.just("send"), st.booleans()),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_every_flag_is_told_once_or_withdrawn_and_no_pace_is_exceeded(steps, lowest):
    box = Outbox(lowest)
    now, number, reads = 0.0, 0, 0
    added: dict[str, Flag] = {}
    told: list[str] = []
    listed: set[str] = set()
    withdrawn: set[str] = set()
    waits_for: dict[tuple[int, tuple[str, str]], set[str]] = {}
    sent_at: list[tuple[float, int]] = []
    reached: dict[int, int] = {}

    def send(accepted: bool) -> None:
        notice = box.due(now)
        if notice is None:
            return
        assert notice.flags
        assert len(notice.listed) + notice.more == len(notice.flags)
        assert len(notice.listed) <= LISTED
        assert {f.severity for f in notice.flags} == {notice.severity}
        assert box.due(now) is None
        sent_at.append((now, notice.severity))
        if accepted:
            told.extend(box.delivered(notice))
            listed.update(f.id for f in notice.listed)
        else:
            box.failed(now)

    def check_cursors() -> None:
        for partition, at in box.settled().items():
            reached[partition] = int(at[0].partition("-")[0])
        for (partition, at), ids in waits_for.items():
            if int(at[0].partition("-")[0]) <= reached.get(partition, 0):
                assert ids <= set(told) | withdrawn

    for step in steps:
        if step[0] == "flags":
            flags = [flag(number + offset, severity) for offset, severity in enumerate(step[2])]
            number += len(flags)
            reads += 1
            added.update((f.id, f) for f in flags if f.severity >= lowest)
            waits_for[step[1], position(reads)] = {f.id for f in flags if f.severity >= lowest}
            box.take(step[1], position(reads), flags)
        elif step[0] == "retract":
            reads += 1
            gone = box.take(0, position(reads), [Retracted(f"t:{step[1]}", "")])
            assert not set(gone) & set(told)
            withdrawn.update(gone)
        elif step[0] == "wait":
            now += step[1]
        else:
            send(step[1])
        check_cursors()
    for _ in range(600):
        now += LONGEST_WAIT
        send(accepted=True)
    check_cursors()
    assert sorted(told) == sorted(set(added) - withdrawn)
    assert {f.id for f in added.values() if f.severity == 4} - withdrawn <= listed
    assert box.waiting == 0
    for (before, _), (after, _) in pairwise(sent_at):
        assert after - before >= GAP_SECONDS - 1e-9
    for severity in range(1, 5):
        times = [at for at, which in sent_at if which == severity]
        assert all(after - before >= GROUP_SECONDS - 1e-9 for before, after in pairwise(times))


# --- what -------------------------------------------------------------------------------------------------------------


def told(mode="snippet", *flags: Flag) -> str:
    box = Outbox(1)
    box.take(0, position(1), flags or [flag(1)])
    return body(box.due(0.0), mode, PLACE)


def test_an_alert_says_rule_severity_platform_country_livestream_link_and_wall():
    assert told() == (
        "r3, severity 3 · twitch · BR · alice · 20:00:01\n“a bad word 1”\nhttps://www.twitch.tv/alice\n\nWall: http://127.0.0.1:8080/"
    )
    box = Outbox(1)
    box.take(0, position(1), [flag(1, 4)])
    assert title(box.due(0.0), PLACE) == "User Summit: 1 flag of severity 4 (act now)"


def test_a_notice_of_a_rehearsal_says_first_that_none_of_it_is_real():
    box = Outbox(1)
    box.take(0, position(1), [flag(1, 4)])
    notice = box.due(0.0)
    assert title(notice, PLACE._replace(rehearsal=True)) == "Rehearsal: User Summit: 1 flag of severity 4 (act now)"
    first, *rest = body(notice, "full", PLACE._replace(rehearsal=True)).split("\n\n")
    assert "none of this is real" in first
    assert "均非真实" in first
    assert "\n\n".join(rest) == body(notice, "full", PLACE)


@pytest.mark.parametrize(("rehearsal", "simulated"), [(False, False), (True, False), (False, True)])
async def test_alerts_of_a_rehearsal_and_of_simulated_livestreams_are_marked(journal, rehearsal, simulated):
    notifier = Notifier(journal, "http://wall/")
    notifier.use(replace(alerts("json://127.0.0.1:1/"), rehearsal=rehearsal, simulator=Simulator(enabled=simulated)))
    assert [target.place.rehearsal for target in notifier._wanted.values()] == [rehearsal or simulated]


def test_a_post_without_livestream_country_or_address_says_so():
    text = told("none", flag(1, livestream=None, country=None, url=None))
    assert text.splitlines()[:2] == ["r3, severity 3 · twitch · country unknown · a post outside the list · 20:00:01", ""]


def test_how_many_more_there_are_is_said():
    assert "and 3 more of severity 3" in told("none", *(flag(n) for n in range(13)))
    assert "more" not in told("none", *(flag(n) for n in range(10)))
    assert "3 more follow" in told("none", *(flag(n, 4) for n in range(13)))


def test_as_much_of_the_message_leaves_the_house_as_was_allowed():
    text = "x" * 100 + "HIT" + "y" * 100
    long = flag(1, text=text, span=(100, 103))
    assert quote(long, "full") == text
    assert quote(long, "snippet") == "…" + "x" * 40 + "HIT" + "y" * 40 + "…"
    assert quote(long, "none") == ""
    assert quote(flag(1, text="short HIT", span=(6, 9)), "snippet") == "short HIT"
    assert "bad" not in told("none")


@given(st.text(max_size=300), st.integers(0, 300), st.integers(1, 100), st.sampled_from(["full", "snippet", "none"]))
def test_strangers_can_forge_no_line_and_no_markup(text, start, length, mode):
    start = min(start, len(text))
    shown = quote(flag(1, text=text, span=(start, min(len(text), start + length))), mode)
    assert not set(shown) & set("<>@&[]`*_~|\\\n\r\u2028\u202e\u0000")
    assert "://" not in shown
    assert len(told(mode, flag(1, text=text, span=(start, min(len(text), start + length)))).split("\n")) <= 5


def test_markup_of_a_stranger_stays_readable():
    assert plain("<!channel> @everyone **look** https://evil.example [x](y)") == (
        "＜!channel＞ ＠everyone ＊＊look＊＊ https：//evil.example ［x］(y)"
    )


# --- delivery ---------------------------------------------------------------------------------------------------------


class Receiver:
    """A service that takes JSON; what it does wrong is said by ``status`` and ``open``."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[dict] = asyncio.Queue()
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()
        self.attempts = 0

    async def take(self, request: web.Request) -> web.Response:
        data = await request.json()
        self.attempts += 1
        await self.open.wait()
        if self.status == 200:
            self.notices.put_nowait(data)
        return web.Response(status=self.status)

    async def next(self) -> str:
        return (await asyncio.wait_for(self.notices.get(), 30))["message"]


@pytest.fixture
async def receivers():
    """Two services on ports of their own, and the address of each."""
    found, servers = [], []
    for _ in range(2):
        receiver = Receiver()
        app = web.Application()
        app.router.add_post(f"/{WORD}", receiver.take)
        server = TestServer(app)
        await server.start_server(access_log=None)
        servers.append(server)
        found.append((receiver, f"json://{server.host}:{server.port}/{WORD}"))
    yield found
    for receiver, _ in found:
        receiver.open.set()
    for server in servers:
        await server.close()


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=2).opened() as opened:
        await opened.prepare()
        yield opened


RULES = [
    KeywordRule(id="threat", severity=4, phrases={"*": ("kill you",)}),
    KeywordRule(id="spam", severity=2, phrases={"*": ("buy",)}),
]


class River:
    """Events in, flags out: the real moderator between them."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.reader = Reader(journal, ROLE, Moderator(journal, Rulebook(RULES, Roster())))

    async def say(self, *texts: str, partition: int = 0, at: datetime | None = None) -> None:
        for text in texts:
            await self._ingest(
                Message(
                    id=f"t:{text}",
                    platform="twitch",
                    livestream="twitch:alice",
                    at=at or NOW,
                    received_at=at or NOW,
                    author="a",
                    text=text,
                ),
                partition,
            )

    async def take_back(self, text: str) -> None:
        await self._ingest(
            Removed(id=f"r:{text}", platform="twitch", livestream="twitch:alice", at=NOW, received_at=NOW, target=f"t:{text}"), 0
        )

    async def _ingest(self, event, partition: int) -> None:
        await self.journal.ingest(partition, [(digest(event.id), as_json(event))], tail=None)
        await self.reader._own(0.0)
        await self.reader.round(0.0)


@pytest.fixture
def river(journal):
    return River(journal)


class Seconds:
    """A steady clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def target(journal: Journal, address: str, *, severity: int = 3, clock: Seconds | None = None, text="snippet") -> Target:
    name, send = make_sender(address)
    alert = Alert(to=Secret(address), severity=severity, text=text)
    return Target(journal, Tally(), target_id(address), name, alert, PLACE, send, clock or Seconds())


async def turn(one: Target) -> None:
    await one.read()
    await one.tell()
    await one.record()


async def test_a_flag_arrives_as_genuine_bytes_with_the_link(journal, river, receivers):
    receiver, address = receivers[0]
    await river.say("I will kill you", "hello", "buy now")
    one = target(journal, address)
    await one.load()
    await turn(one)
    got = receiver.notices.get_nowait()
    assert got["title"] == "User Summit: 1 flag of severity 4 (act now)"
    at = NOW.astimezone(PLACE.timezone).strftime("%H:%M:%S")
    assert got["message"].splitlines() == [
        f"threat, severity 4 · twitch · country unknown · alice · {at}",
        "“I will kill you”",
        "https://www.twitch.tv/alice",
        "",
        "Wall: http://127.0.0.1:8080/",
    ]
    assert receiver.notices.empty()


async def test_markup_and_escapes_arrive_as_they_are_written(journal, river, receivers):
    receiver, address = receivers[0]
    await river.say("kill you \\n &amp; 💥 杀 {title}")
    one = target(journal, address, text="full")
    await one.load()
    await turn(one)
    assert "“kill you ＼n ＆amp; 💥 杀 {title}”" in await receiver.next()


async def test_a_refused_notice_is_sent_again_after_a_pause_and_counted(journal, river, receivers):
    receiver, address = receivers[0]
    clock = Seconds()
    one = target(journal, address, clock=clock)
    await one.load()
    await river.say("kill you 1")
    receiver.status = 500
    await turn(one)
    await turn(one)
    assert receiver.attempts == 1
    await river.say("kill you 2")
    receiver.status = 200
    clock.now += 2
    await turn(one)
    text = await receiver.next()
    assert text.count("severity 4") == 2
    clock.now += 10
    await turn(one)
    assert receiver.notices.empty()
    await one.tally.write(journal.redis)
    assert await journal.redis.hgetall(KEY) == {
        b"notifications|attempts": b"2",
        b"notifications|failed": b"1",
        b"notifications|sent": b"1",
    }


async def test_after_a_restart_nothing_is_told_twice_and_nothing_is_lost(journal, river, receivers):
    receiver, address = receivers[0]
    first = target(journal, address)
    await first.load()
    await river.say("kill you 1")
    await turn(first)
    await river.say("kill you 2", partition=1)
    second = target(journal, address)
    await second.load()
    await turn(second)
    assert "kill you 1" in await receiver.next()
    assert "kill you 2" in await receiver.next()
    third = target(journal, address)
    await third.load()
    await turn(third)
    assert receiver.notices.empty()


async def test_killed_between_delivery_and_its_record_it_is_told_again(journal, river, receivers):
    """At least once: the other order would be at most once."""
    receiver, address = receivers[0]
    await river.say("kill you")
    for _ in range(2):
        one = target(journal, address)
        await one.load()
        await one.read()
        await one.tell()
    assert receiver.notices.qsize() == 2


async def test_when_the_flags_lost_their_tail_they_are_read_again_and_told_once(journal, river, receivers):
    receiver, address = receivers[0]
    clock = Seconds()
    one = target(journal, address, clock=clock)
    await one.load()
    await river.say("kill you 1", "kill you 2")
    await turn(one)
    entry, _ = (await journal.redis.xrevrange(key(0, FLAGS), count=1))[0]
    await journal.redis.xdel(key(0, FLAGS), entry)
    await river.say("kill you 3")
    for _ in range(3):
        clock.now += 2
        await turn(one)
    assert (await receiver.next()).count("severity 4") == 2
    assert "kill you 3" in await receiver.next()
    assert receiver.notices.empty()


async def test_a_withdrawn_flag_is_suppressed_and_counted(journal, river, receivers):
    receiver, address = receivers[0]
    one = target(journal, address)
    await one.load()
    await river.say("kill you 1", "kill you 2")
    await river.take_back("kill you 1")
    await turn(one)
    assert "kill you 1" not in await receiver.next()
    await one.tally.write(journal.redis)
    assert await journal.redis.hget(KEY, "notifications|suppressed") == b"1"
    assert await journal.redis.zcard(SENT) == 2


async def test_a_new_alert_is_not_told_what_happened_long_ago(journal, river, receivers):
    receiver, address = receivers[0]
    now = datetime.now(UTC)  # NOW is when this file was read, minutes ago in a long run
    await river.say("kill you long ago", at=now - timedelta(minutes=11))
    await river.say("kill you just now", at=now - timedelta(minutes=5))
    one = target(journal, address)
    await one.load()
    await turn(one)
    text = await receiver.next()
    assert "just now" in text
    assert "long ago" not in text


# --- the role ---------------------------------------------------------------------------------------------------------

CONFIG = replace(config_file.read(Path(__file__).resolve().parent.parent / "config.toml", environment={}), simulator=Simulator())


def alerts(*addresses: str, severity: int = 3):
    return replace(CONFIG, alerts=tuple(Alert(to=Secret(address), severity=severity) for address in addresses))


async def test_one_works_and_the_other_takes_over(journal, river, receivers):
    receiver, address = receivers[0]
    first, second = Notifier(journal, "http://wall/"), Notifier(journal, "http://wall/")
    for notifier in (first, second):
        notifier.use(alerts(address))
        await notifier.step(0.0)
    assert (first.active, second.active) == (True, False)
    await river.say("kill you 1")
    assert "kill you 1" in await receiver.next()
    await first.close()
    await second.step(1.0)
    assert second.active
    await river.say("kill you 2")
    assert "kill you 2" in await receiver.next()
    await second.close()
    assert receiver.notices.empty()
    assert not await journal.redis.exists(LEASE)


async def test_one_that_lost_the_lease_stops(journal, receivers):
    notifier = Notifier(journal, "http://wall/")
    notifier.use(alerts(receivers[0][1]))
    await notifier.step(0.0)
    assert len(notifier._running) == 1
    await journal.redis.hset(LEASE, "token", "somebody else")
    await notifier.step(1.0)
    assert (notifier.active, notifier._running) == (False, {})


async def test_without_redis_it_stops_before_its_lease_ends(valkey, redis_client, receivers, caplog):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    notifier = Notifier(journal, "http://wall/")
    notifier.use(alerts(receivers[0][1]))
    await notifier.step(0.0)
    alive, notifier.journal = notifier.journal, Journal("redis://127.0.0.1:1")
    await notifier.step(2.9)
    assert notifier.active
    await notifier.step(3.1)
    assert not notifier.active
    await notifier.close()
    await notifier.journal.close()
    await alive.close()


async def test_a_service_that_hangs_holds_up_nobody(journal, river, receivers):
    (slow, slow_address), (quick, quick_address) = receivers
    slow.open.clear()
    notifier = Notifier(journal, "http://wall/")
    notifier.use(alerts(slow_address, quick_address))
    await notifier.step(0.0)
    await river.say("kill you 1")
    assert "kill you 1" in await quick.next()
    while not slow.attempts:
        await asyncio.sleep(0.01)
    assert slow.notices.empty()
    slow.open.set()
    assert "kill you 1" in await slow.next()
    await notifier.close()


async def test_a_notice_under_way_when_told_to_stop_is_recorded(journal, river, receivers):
    receiver, address = receivers[0]
    receiver.open.clear()
    one = target(journal, address)
    running = asyncio.create_task(one.run())
    await river.say("kill you")
    while not receiver.attempts:
        await asyncio.sleep(0.01)
    running.cancel()
    receiver.open.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await journal.redis.zcard(SENT) == 1


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_told_to_stop_in_the_middle_of_a_command_it_stops(journal, receivers, steps):
    """redis-py loses a cancellation that comes while it sends; see monitor.stopping."""
    running = asyncio.create_task(target(journal, receivers[0][1]).run())
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=30)
    assert done


async def test_a_changed_file_keeps_what_goes_on_and_ends_what_is_gone(journal, river, receivers):
    (first, first_address), (second, second_address) = receivers
    notifier = Notifier(journal, "http://wall/")
    notifier.use(alerts(first_address))
    await notifier.step(0.0)
    running = notifier._running[target_id(first_address)][1]
    notifier.use(replace(alerts(first_address, second_address), event=replace(CONFIG.event, name="Renamed")))
    await notifier.step(1.0)
    assert notifier._running[target_id(first_address)][1] is running
    await river.say("kill you 1")
    await first.next()
    assert (await second.notices.get())["title"].startswith("Renamed: ")
    notifier.use(alerts(second_address, severity=4))
    await notifier.step(2.0)
    assert list(notifier._running) == [target_id(second_address)]
    assert running.done()
    await notifier.close()


async def test_without_an_alert_it_says_so_once_and_reads_nothing(journal, river, caplog):
    caplog.set_level(logging.INFO)
    notifier = Notifier(journal, "http://wall/")
    for _ in range(3):
        notifier.use(replace(CONFIG, alerts=()))
        await notifier.step(0.0)
    await notifier.close()
    assert caplog.text.count("no [[alert]] is configured") == 1
    assert not await journal.redis.exists(CURSOR)
    assert await journal.redis.hgetall(KEY) == {
        f"notifications|{what}".encode(): b"0" for what in ("attempts", "sent", "failed", "suppressed")
    }


@pytest.mark.parametrize("address", [f"nonsense://{WORD}", WORD, f"slack://{WORD}", "", f"tgram://{WORD}"])
async def test_a_wrong_address_is_said_once_and_never_shown(journal, address, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    notifier = Notifier(journal, "http://wall/")
    for _ in range(3):
        notifier.use(alerts(address))
        await notifier.step(0.0)
    await notifier.close()
    assert caplog.text.count("an address that Apprise does not understand") == 1
    assert WORD not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("trouble", ["refused", "error", "nobody"])
async def test_an_address_is_in_no_log_whatever_goes_wrong(river, receivers, caplog, capfd, trouble):
    caplog.set_level(logging.DEBUG)
    journal = river.journal
    receiver, address = receivers[0]
    receiver.status = {"refused": 403, "error": 500}.get(trouble, 200)
    if trouble == "nobody":
        address = f"json://user:{WORD}@127.0.0.1:1/{WORD}?token={WORD}"
    one = target(journal, address)
    await one.load()
    await river.say("kill you")
    await turn(one)
    assert "was not accepted by its service" in caplog.text
    assert WORD not in caplog.text + "".join(capfd.readouterr()) + repr(one)
    stored = await journal.redis.hgetall(CURSOR)
    assert not any(WORD.encode() in part for pair in stored.items() for part in pair)


async def test_what_apprise_raises_is_a_failure_and_its_words_are_not_logged(journal, river, caplog, receivers):
    one = target(journal, receivers[0][1])

    def send(heading: str, text: str) -> bool:
        raise ValueError(f"cannot reach https://{WORD}/")

    one.send = send
    await one.load()
    await river.say("kill you")
    await turn(one)
    assert one.outbox.failures == 1
    assert WORD not in caplog.text


# --- spikes -----------------------------------------------------------------------------------------------------------

SPIKE = {
    "dimension": "country", "value": "BR", "state": "open", "since": "2026-11-20T12:00:10.000Z", "severity": 7, "factor": 6.21,
    "session": "opening", "owner": "Latin America desk", "where": {"topic": "robots", "livestreams": ["twitch:some_stranger"]},
    "why": [{"word": "slander", "share": 0.5}],
}  # fmt: skip


def wants_spikes(journal: Journal, address: str, clock: Seconds | None = None) -> Target:
    one = target(journal, address, clock=clock)
    one.alert = replace(one.alert, spikes=True)
    one.severity = 6
    return one


async def spikes_are(journal: Journal, **spikes) -> None:
    await WallStore(journal).write({"spikes": spikes})


async def test_a_grave_spike_is_told_once_in_a_plain_sentence_without_words_of_strangers(journal, receivers):
    receiver, address = receivers[0]
    one = wants_spikes(journal, address)
    await one.load()
    await spikes_are(journal, a=SPIKE, small=SPIKE | {"severity": 5}, over=SPIKE | {"state": "closed"})
    for _ in range(3):
        one.clock.now += 60
        await one.tell_spikes()
        await one.record()
    got = receiver.notices.get_nowait()
    assert got["title"] == "User Summit: spike of severity 7"
    assert got["message"].splitlines() == [
        "BR is at 6.2 × the expected since 20:00:10 (topic robots, session opening).",
        "",
        "Called: Latin America desk",
        "",
        "Wall: http://127.0.0.1:8080/#/spikes/a",
    ]
    again = wants_spikes(journal, address)  # after a restart
    await again.load()
    await again.tell_spikes()
    assert receiver.notices.empty()
    await spikes_are(journal, small=SPIKE | {"severity": 6})
    again.clock.now += 60
    await again.tell_spikes()
    assert "#/spikes/small" in await receiver.next(), "it has become grave enough"


async def test_an_alert_that_does_not_want_spikes_is_told_none(journal, receivers):
    receiver, address = receivers[0]
    one = target(journal, address)
    one.severity = 1
    await one.load()
    await spikes_are(journal, a=SPIKE)
    await one.tell_spikes()
    assert receiver.attempts == 0


async def test_a_spike_that_was_refused_is_told_later_unless_it_is_over(journal, receivers):
    receiver, address = receivers[0]
    one = wants_spikes(journal, address)
    await one.load()
    await spikes_are(journal, a=SPIKE, b=SPIKE | {"severity": 6})
    receiver.status = 500
    await one.tell_spikes()
    await one.tell_spikes()
    assert receiver.attempts == 1, "it waits before it tries again"
    receiver.status = 200
    await spikes_are(journal, a=SPIKE | {"state": "closed"}, b=SPIKE | {"severity": 6})
    one.clock.now += LONGEST_WAIT
    await one.tell_spikes()
    assert "#/spikes/b" in await receiver.next()
    one.clock.now += LONGEST_WAIT
    await one.tell_spikes()
    assert receiver.notices.empty()


@given(st.dictionaries(st.sampled_from(["dimension", "value", "session", "owner"]), st.text(max_size=40)), st.booleans())
def test_a_spike_of_any_names_is_one_sentence_and_a_rehearsal_says_so(names, rehearsal):
    spike = SPIKE | names
    place = PLACE._replace(rehearsal=rehearsal)
    assert spike_alerts.title(spike, place).startswith("Rehearsal: ") == rehearsal
    told = spike_alerts.sentence(spike, place)
    assert not set(told) & set("<>@&[]`*_~|\\\n\r")
    assert "stranger" not in spike_alerts.body("x", spike, place)
    assert "slander" not in spike_alerts.body("x", spike, place)
