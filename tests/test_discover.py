"""The discovery loop against the simulated Helix, on a real Valkey, with a clock that the test moves."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors
from connectors import rest
from connectors.connector import Broadcast, ProcessMemory, Secret, Tools
from connectors.discovery import Known
from connectors.event import Status, Viewers
from connectors.pacing import Bucket
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from connectors.simulator.irc import Place
from connectors.simulator.model import SimChannel
from connectors.twitch.helix import Helix
from monitor.channel_store import DELAY_BUCKETS
from monitor.channels import Row
from monitor.collect_plan import plan
from monitor.config import Config, Event, Platform, Scope
from monitor.discover import Discovery
from monitor.discover_book import Book
from monitor.discover_plan import SOME, Round, order
from monitor.journal import Journal
from monitor.reload import Setup
from monitor.roster import Channel, Roster

CHANNELS = 6
NOON = datetime(2026, 10, 17, 12, tzinfo=UTC)


def channel(number, **more):
    handle = more.pop("handle", f"c{number}")
    return Channel(
        id=f"twitch:{handle}", attendee=str(number), name=handle, country="BR", language="pt", platform="twitch", handle=handle,
        **{"consent": "yes", **more},
    )  # fmt: skip


class World:
    """A simulated Twitch and whoever asks it."""

    def __init__(self, journal, clock, count):
        self.journal, self.clock = journal, clock
        sim = [
            SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"c{n}", native_id=str(500 + n)) for n in range(count)
        ]
        self.air = Airtime([1.0] * count, random.Random(1), self.unix(), tags=("#OurSummit",))
        self.server = HelixServer([Place(one, index) for index, one in enumerate(sim)], self.air, clock=self.unix)
        self.events, self.asked = [], []
        self.memory = ProcessMemory()
        self.options = {"client_id": Secret(CLIENT_ID), "client_secret": Secret(CLIENT_SECRET)}
        self.set([channel(n) for n in range(count)])

    def set(self, channels, **scope):
        self.channels = channels
        config = Config(
            event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=("#OurSummit",)),
            platforms={"twitch": Platform(name="twitch", options=self.options)},
            scope=Scope(hours="always", **scope),
        )
        self.setup = Setup(config=config, roster=Roster(channels=tuple(channels)))

    def unix(self):
        return self.clock.now().timestamp()

    async def open(self):
        port = await self.server.start()
        self.options |= {"helix_url": f"http://127.0.0.1:{port}/helix", "login_url": f"http://127.0.0.1:{port}/oauth2"}
        self.set(self.channels)
        self.session = rest.client()

    async def close(self):
        await self.session.close()
        await self.server.stop()

    async def fetch(self, ask):
        self.asked.append((self.unix(), ask))
        return await rest.send(self.session, ask)

    async def put(self, events):
        self.events += events

    def discovery(self, token="one"):
        tools = Tools(pseudonym=lambda *_: "", now=self.clock.now, dice=random.Random(1), memory=self.memory)
        return Discovery(self.journal, self.put, lambda: self.setup, self.fetch, tools, token=token)

    def calls(self, path):
        return [(at, parse_qs(urlsplit(ask.url).query)) for at, ask in self.asked if urlsplit(ask.url).path.endswith(path)]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def world(valkey, redis_client, clock):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = World(journal, clock, CHANNELS)
    await made.open()
    yield made
    await made.close()
    await journal.close()


@pytest.fixture
async def discovery(world):
    made = world.discovery()
    assert await made.claim()
    return made


async def pass_time(world, discovery, seconds, step=1.0):
    passed = 0.0
    while passed < seconds:
        world.clock.advance(step)
        passed += step
        await discovery.turn()


def test_of_a_long_list_questions_are_made_only_as_far_as_they_are_come_to():
    """Each second there is quota for a few of ten thousand handles."""
    people = [replace(channel(n), platform="kick", id=f"kick:c{n}") for n in range(5 * SOME)]
    book, named = Book(), []
    config = Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), platforms={"kick": Platform(name="kick")})
    book.take_setup(config, Roster(channels=tuple(people)))
    book.asked = ("kick",)
    book.follow(NOON)
    discoverer = connectors.discoverer_of("kick")(connectors.class_of("kick").options())

    class Counting(type(discoverer)):
        def resolve(self, handles):
            named.extend(handles)
            return super().resolve(handles)

    questions = iter(Round("kick").accounts(book, Counting(discoverer.opts), NOON).questions)
    first = next(questions)
    assert len(named) == SOME
    assert len([first, *questions]) == len(named) == 5 * SOME  # Kick's handles are asked one by one


# --- what it finds ----------------------------------------------------------------------------------------------------


async def test_channels_are_resolved_once_and_found_live_with_viewers(world, discovery):
    await discovery.turn()
    assert {(row.native_id, row.state) for row in discovery.rows.values()} == {(str(500 + n), "live") for n in range(CHANNELS)}
    viewers = world.of(Viewers)
    assert {event.livestream for event in viewers} == set(discovery.rows)
    assert all(event.viewers > 0 and event.interval_seconds == 30 and event.broadcast for event in viewers)
    assert {event.state for event in world.of(Status)} == {"live"}
    await pass_time(world, discovery, 59)
    assert len(world.calls("users")) == 1
    assert [at - world.calls("streams")[0][0] for at, _ in world.calls("streams")] == [0, 30]


async def test_viewers_are_believed_until_the_next_sample_however_slow_the_quota_makes_us(world, discovery):
    """One call in two hundred seconds: far slower than the platform's own interval."""
    await discovery.turn()
    discovery.asking["twitch"].bucket = Bucket(1, 200.0)
    await pass_time(world, discovery, 1500, step=10.0)
    samples = {}
    for event in world.of(Viewers):
        samples.setdefault(event.livestream, []).append(event)
    assert len(samples) == CHANNELS
    for found in samples.values():
        assert len(found) >= 4
        paced = found[2:]  # of the first ones nobody can know how slow we are
        for one, following in pairwise(paced):
            believed = max(180.0, 2.5 * one.interval_seconds)
            assert (following.at - one.at).total_seconds() < believed
        assert max(one.interval_seconds for one in paced) >= 100


@pytest.mark.parametrize("name", sorted(connectors.DISCOVERERS))
def test_the_interval_that_is_told_is_the_one_in_which_a_live_channel_is_asked_about_again(name):
    kind, options = connectors.discoverer_of(name), connectors.class_of(name).options
    discoverer = kind(options(**dict.fromkeys(kind.missing(options()), Secret("k"))))
    for channels in (1, 300, 3000):
        discoverer.channels, discoverer.free = channels, False  # what a free question says is not how many watch
        now = datetime(2026, 10, 16, 12, tzinfo=UTC)
        live = Broadcast(native_id="abcdefghijk", started_at=now - timedelta(hours=1))
        known = Known(native_id="UC" + "a" * 22, handle="x", broadcasts=(live,), asked_at=now, swept_at=now, fed_at=now)
        looks = discoverer.interval_seconds
        after = next(n * looks for n in range(1, 1000) if discoverer.due(known, now + timedelta(seconds=n * looks)))
        assert after == discoverer.looks_every


async def test_what_is_known_stands_in_redis_for_the_others(world, discovery):
    await discovery.turn()
    rows = await discovery.store.rows()
    assert rows == discovery.rows
    version = await discovery.store.version()
    await pass_time(world, discovery, 20)
    assert await discovery.store.version() == version  # nothing happened, so nobody reads anything
    world.air.go_offline(2)
    await pass_time(world, discovery, 20)
    assert await discovery.store.version() > version
    assert (await discovery.store.rows())["twitch:c2"].state == "waiting"
    assert (await discovery.store.desks())["twitch"].asked_at is not None


async def test_who_goes_offline_has_no_viewers_at_once_and_who_comes_back_has_a_new_broadcast(world, discovery):
    await discovery.turn()
    first = world.of(Viewers)[0].broadcast
    world.events.clear()
    world.air.go_offline(0)
    await pass_time(world, discovery, 30)
    assert [(event.state, event.broadcast) for event in world.of(Status)] == [("ended", first)]
    assert [event.viewers for event in world.of(Viewers) if event.livestream == "twitch:c0"] == [0]
    world.air.go_live(0, world.unix())
    await pass_time(world, discovery, 30)
    [again] = [event for event in world.of(Status) if event.state == "live"]
    assert again.broadcast != first


async def test_on_the_second_day_everybody_is_found_under_new_ids(world, discovery):
    await discovery.turn()
    day_1 = {row.broadcasts[0].id for row in discovery.rows.values()}
    for number in range(CHANNELS):
        world.air.go_offline(number)
    await pass_time(world, discovery, 60, step=10)
    assert {row.state for row in discovery.rows.values()} == {"waiting"}
    world.clock.advance(20 * 3600)
    for number in range(CHANNELS):
        world.air.go_live(number, world.unix())
    await pass_time(world, discovery, 60, step=10)
    day_2 = {row.broadcasts[0].id for row in discovery.rows.values()}
    assert (len(day_1), len(day_2)) == (CHANNELS, CHANNELS)
    assert not day_1 & day_2
    assert {row.reading for row in discovery.rows.values()} == {"open"}


async def test_how_late_a_broadcast_is_found_is_measured_and_within_a_minute(world, discovery):
    world.air.go_offline(1)
    await discovery.turn()
    assert await discovery.store.delays() == {}  # those that were live before we looked say nothing about us
    world.clock.advance(7)
    world.air.go_live(1, world.unix())
    await pass_time(world, discovery, 60)
    [(counts, total)] = (await discovery.store.delays()).values()
    assert sum(counts) == 1
    assert 0 < total <= 30


async def test_over_two_days_of_coming_and_going_nineteen_of_twenty_are_found_within_a_minute(world, discovery):
    """Two evenings of forty minutes, everybody in and out, under a new id each time."""
    world.air.lively = True
    ids = set()
    for _ in range(2):
        for air in world.air.channels:
            air.until = world.unix() + random.Random(air.base).uniform(0, 600)
        for _ in range(480):
            await pass_time(world, discovery, 5, step=5)
            for air in world.air.channels:  # short ones, so that there are many
                air.until = min(air.until, world.unix() + 120)
        ids |= {event.broadcast for event in world.of(Status) if event.state == "live"}
        world.clock.advance(20 * 3600)
    counts, _ = (await discovery.store.delays())["twitch"]
    found = sum(counts)
    assert found >= 60
    assert len(ids) >= found
    assert sum(counts[: DELAY_BUCKETS.index(60) + 1]) >= 0.95 * found
    assert most_in_any(world.calls("streams"), 60) <= 2


# --- handles ----------------------------------------------------------------------------------------------------------


async def test_a_wrong_handle_is_unreachable_and_says_so(world, discovery):
    world.set([channel(0), channel(1, handle="nobody_here")])
    await discovery.turn()
    row = discovery.rows["twitch:nobody_here"]
    assert (row.state, row.reading) == ("unreachable", "closed")
    assert row.reason == "Twitch knows no nobody_here; correct the handle in the roster"
    assert discovery.rows["twitch:c0"].state == "live"


async def test_two_rows_of_one_account_are_read_once(world, discovery):
    world.server.places[0].login = "c0_new"
    world.set([channel(0, native_id="500"), channel(1, handle="c0_new")])
    await discovery.turn()
    assert discovery.rows["twitch:c0"].state == "live"
    assert "the same account as twitch:c0" in discovery.rows["twitch:c0_new"].reason


async def test_a_renamed_channel_is_read_under_its_new_login_and_keeps_its_livestream(world, discovery):
    world.air.go_offline(3)
    await discovery.turn()
    world.server.places[3].login = "c3_tv"
    await pass_time(world, discovery, 60, step=10)
    assert discovery.rows["twitch:c3"].handle == "c3"  # offline and the day is young: nobody asked
    world.clock.advance(86_400)
    await discovery.turn()
    await discovery.turn()
    assert (discovery.rows["twitch:c3"].handle, discovery.rows["twitch:c3"].native_id) == ("c3_tv", "503")
    world.air.go_live(3, world.unix())
    await pass_time(world, discovery, 30)
    wanted = plan(world.setup.config, world.setup.roster, set(range(256)), discovery.rows)
    target = wanted.targets["twitch"]["twitch:c3"]
    assert (target.livestream, target.handle, target.native_id) == ("twitch:c3", "c3_tv", "503")
    assert [one.native_id for one in target.broadcasts] == [world.air.channels[3].id]


async def test_a_live_channel_that_renames_is_followed_at_the_next_look(world, discovery):
    await discovery.turn()
    world.server.places[2].login = "c2_tv"
    await pass_time(world, discovery, 30)
    assert discovery.rows["twitch:c2"].handle == "c2_tv"


async def test_who_did_not_agree_is_never_asked_for(world, discovery):
    world.set([channel(0), channel(1, consent=None, native_id="501"), channel(2, consent=None)])
    await pass_time(world, discovery, 90, step=30)
    asked = [values for _, query in world.calls("users") + world.calls("streams") for values in query.values()]
    named = {value for values in asked for value in values}
    assert "500" in named
    assert not named & {"501", "502", "c1", "c2"}
    assert {discovery.rows[f"twitch:c{n}"].state for n in (1, 2)} == {"refused"}


async def test_who_withdraws_is_forgotten_and_who_leaves_the_list_has_no_row(world, discovery):
    await discovery.turn()
    world.set([channel(0, state="withdrawn"), channel(1, state="paused"), *map(channel, range(2, 5))])
    await discovery.turn()
    rows = await discovery.store.rows()
    assert [rows[f"twitch:c{n}"].state for n in range(3)] == ["refused", "paused", "live"]
    assert rows["twitch:c0"].broadcasts == ()
    assert "twitch:c5" not in rows


async def test_who_may_be_read_again_is_asked_about_at_once_and_is_not_called_offline_before(world, discovery):
    await discovery.turn()
    world.set([channel(0, state="paused"), channel(1, consent=None), *map(channel, range(2, CHANNELS))])
    await pass_time(world, discovery, 3)
    world.set([channel(n) for n in range(CHANNELS)])
    fetch, discovery.fetch = discovery.fetch, away
    await pass_time(world, discovery, 1)
    assert {discovery.rows[f"twitch:c{n}"].discovered_at for n in range(2)} == {None}
    discovery.fetch = fetch
    await pass_time(world, discovery, 40)  # what failed is asked with everybody's next look
    assert {discovery.rows[f"twitch:c{n}"].state for n in range(2)} == {"live"}
    world.set([channel(0, state="paused"), *map(channel, range(1, CHANNELS))])
    await pass_time(world, discovery, 1)
    asked = len(world.calls("streams"))
    world.set([channel(n) for n in range(CHANNELS)])
    await pass_time(world, discovery, 1)
    assert discovery.rows["twitch:c0"].state == "live"
    assert [query["user_id"] for _, query in world.calls("streams")[asked:]] == [["500"]]


async def away(_ask):
    raise OSError("away")


async def test_without_a_key_nothing_is_known_of_anybody(world, discovery):
    await discovery.turn()
    assert await discovery.store.rows()
    del world.options["client_secret"]
    world.set(world.channels)
    await discovery.turn()
    assert await discovery.store.rows() == {}


# --- scope ------------------------------------------------------------------------------------------------------------


async def test_what_is_not_of_the_event_is_pending_until_the_producer_decides(world, discovery):
    world.air.channels[0].title = "cooking noodles"
    await discovery.turn()
    row = discovery.rows["twitch:c0"]
    assert (row.broadcasts[0].scope, row.reading) == ("ask", "closed")
    assert "twitch:c0" not in {event.livestream for event in world.of(Viewers)}
    await discovery.store.decide("producer", "twitch:c0", row.broadcasts[0].id, count=True)
    await pass_time(world, discovery, 1)
    assert discovery.rows["twitch:c0"].reading == "open"
    await pass_time(world, discovery, 30)
    assert [event.viewers > 0 for event in world.of(Viewers) if event.livestream == "twitch:c0"] == [True]
    await discovery.store.decide("producer", "twitch:c0", row.broadcasts[0].id, count=False)
    await pass_time(world, discovery, 1)
    assert discovery.rows["twitch:c0"].reading == "closed"
    assert [event.viewers for event in world.of(Viewers) if event.livestream == "twitch:c0"][-1] == 0


async def test_a_word_on_one_broadcast_says_nothing_about_the_next(world, discovery):
    await discovery.turn()
    await discovery.store.decide("attendee", "twitch:c0", discovery.rows["twitch:c0"].broadcasts[0].id, count=False)
    await pass_time(world, discovery, 1)
    assert discovery.rows["twitch:c0"].reading == "closed"
    world.air.go_live(0, world.unix())
    await pass_time(world, discovery, 30)
    assert discovery.rows["twitch:c0"].reading == "open"


async def test_a_closed_chat_is_not_joined_and_says_why(world, discovery):
    world.air.channels[0].title = "cooking noodles"
    await discovery.turn()
    wanted = plan(world.setup.config, world.setup.roster, set(range(256)), discovery.rows)
    assert "twitch:c0" not in wanted.targets["twitch"]
    assert "twitch:c0" in wanted.closed
    assert "twitch:c1" in wanted.targets["twitch"]


# --- when the platform is not well ------------------------------------------------------------------------------------


async def test_after_a_429_nobody_asks_until_the_platform_said(world, discovery):
    await discovery.turn()
    known = dict(discovery.rows)
    world.server._levels[""] = (0.0, world.unix() + 30)
    world.clock.advance(30)
    await discovery.turn()
    throttled, asked = world.unix(), len(world.asked)
    assert (await discovery.store.desks())["twitch"].kind == "throttled"
    assert {row.state for row in discovery.rows.values()} == {"live"} == {row.state for row in known.values()}
    await pass_time(world, discovery, 90)
    assert world.asked[asked][0] - throttled >= 59
    assert world.server.throttled == 1
    assert (await discovery.store.desks())["twitch"].trouble == ""


async def test_a_token_that_ended_early_is_asked_for_again_without_anybody_noticing(world, discovery):
    await discovery.turn()
    world.server.expire_tokens()
    await pass_time(world, discovery, 30)
    assert len(world.calls("token")) == 2
    assert discovery.asking["twitch"].counters == {}
    assert {row.discovered_at for row in discovery.rows.values()} == {world.clock.now()}


async def test_a_token_is_renewed_before_it_ends(world, discovery):
    world.server.token_seconds = 3600
    await pass_time(world, discovery, 4000, step=30)
    assert len(world.calls("token")) == 2
    assert discovery.asking["twitch"].counters == {}


async def test_a_wrong_key_is_refused_once_in_five_minutes_and_nobody_is_called_offline(world, discovery):
    world.options["client_secret"] = Secret("wrong")
    world.set(world.channels)
    await pass_time(world, discovery, 290, step=10)
    assert len(world.calls("token")) == 1
    desk = (await discovery.store.desks())["twitch"]
    assert (desk.kind, "client_secret" in desk.trouble) == ("refused", True)
    assert {row.reading for row in discovery.rows.values()} == {"held"}
    world.options["client_secret"] = Secret(CLIENT_SECRET)
    world.set(world.channels)
    await discovery.turn()
    assert {row.state for row in discovery.rows.values()} == {"live"}


@pytest.mark.parametrize("answer", [(500, b""), (200, b"<html>"), (200, b'{"data":7}'), (503, b"{}")])
async def test_a_bad_answer_makes_nobody_offline_and_is_asked_again_soon(world, discovery, answer):
    await discovery.turn()
    before = {name: row.discovered_at for name, row in discovery.rows.items()}
    world.server.trouble = [answer] * 3
    await pass_time(world, discovery, 30)
    assert {row.state for row in discovery.rows.values()} == {"live"}
    assert {name: row.discovered_at for name, row in discovery.rows.items()} == before
    await pass_time(world, discovery, 20)
    assert {row.discovered_at for row in discovery.rows.values()} != set(before.values())


# --- quota ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def crowded(valkey, redis_client, clock):
    """Seven batches of a hundred."""
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = World(journal, clock, 650)
    await made.open()
    yield made
    await made.close()
    await journal.close()


def most_in_any(calls, seconds):
    times = [at for at, _ in calls]
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


async def test_a_small_quota_is_never_exceeded_and_everybody_gets_a_turn(crowded, monkeypatch):
    monkeypatch.setattr(Helix, "quota", (5, 60.0))
    discovery = crowded.discovery()
    await discovery.claim()
    await pass_time(crowded, discovery, 900, step=15)
    calls = crowded.calls("users") + crowded.calls("streams")
    assert most_in_any(calls, 60) <= 5
    asked = Counter(native for _, query in crowded.calls("streams") for native in query["user_id"])
    assert set(asked) == {str(500 + n) for n in range(650)}
    assert all(row.discovered_at for row in discovery.rows.values())


async def test_while_a_long_list_is_resolved_the_known_ones_are_asked_who_is_live(crowded, monkeypatch):
    """As on a platform that takes one handle a call."""
    monkeypatch.setattr(Helix, "quota", (6, 60.0))
    monkeypatch.setattr(
        Helix, "resolve", lambda self, handles: [self._question("accounts", "users", "login", (h,)) for h in handles]
    )
    crowded.set([*(channel(n, native_id=str(500 + n)) for n in range(50)), *(channel(n) for n in range(50, 250))])
    discovery = crowded.discovery()
    await discovery.claim()
    await pass_time(crowded, discovery, 300, step=5)
    assert {discovery.rows[f"twitch:c{n}"].state for n in range(50)} == {"live"}
    resolved = sum(row.native_id is not None for row in discovery.rows.values())
    assert 50 < resolved < 250
    assert len([1 for at, _ in crowded.calls("streams")]) >= 5
    assert most_in_any(crowded.calls("users") + crowded.calls("streams"), 60) <= 6


async def test_the_units_of_a_day_outlive_a_restart_and_come_back_with_the_day(crowded, monkeypatch):
    monkeypatch.setattr(Helix, "units_per_day", 12)
    today = crowded.clock.now().date()
    for token in ("one", "two"):
        discovery = crowded.discovery(token)
        await discovery.claim()
        await pass_time(crowded, discovery, 300, step=30)
        await discovery.resign()
    calls = crowded.calls("users") + crowded.calls("streams")
    assert len(calls) == 12
    desk = (await discovery.store.desks())["twitch"]
    assert (desk.kind, desk.spent, desk.per_day) == ("throttled", 12, 12)
    crowded.clock.advance(86_400)
    assert crowded.clock.now().date() > today
    await discovery.claim()
    await discovery.turn()
    assert len(crowded.calls("users") + crowded.calls("streams")) > 12


# --- the lease --------------------------------------------------------------------------------------------------------


async def test_of_two_loops_one_asks_and_the_other_takes_over_where_it_was(world):
    one, two = world.discovery("one"), world.discovery("two")
    assert await one.claim()
    assert not await two.claim()
    await one.turn()
    found = dict(one.rows)
    await one.resign()
    assert await two.claim()
    assert not await one.claim()
    await two.turn()
    assert {name: row.broadcasts for name, row in two.rows.items()} == {name: row.broadcasts for name, row in found.items()}
    assert len(world.calls("users")) == 1  # who was resolved stays resolved
    assert len(world.of(Status)) == CHANNELS  # and who was live did not begin again


async def test_who_lost_the_lease_asks_nothing_and_writes_nothing(world):
    one = world.discovery("one")
    await one.claim()
    await one.turn()
    version, asked = await one.store.version(), len(world.asked)
    one._lease_until = 0.0
    world.air.new_day(world.unix())
    await pass_time(world, one, 60, step=30)
    assert (await one.store.version(), len(world.asked)) == (version, asked)


# --- whom to ask first ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["live", "waiting"]), st.integers(1, 5), st.integers(0, 3)), max_size=30))
def test_everybody_has_one_place_and_every_fifth_is_who_waited_longest(drawn):
    now = NOON
    rows = {
        f"twitch:c{n}": (
            Row(platform="twitch", handle=f"c{n}", native_id=str(n), state=state, discovered_at=now - timedelta(minutes=age)),
            channel(n, priority=priority),
        )
        for n, (state, priority, age) in enumerate(drawn)
    }
    found = order(rows, now, frozenset())
    assert sorted(found) == sorted(rows)
    for place in range(4, len(found), 5):
        waited = {name: rows[name][0].discovered_at for name in found[place:]}
        assert waited[found[place]] == min(waited.values())


def test_the_likeliest_come_first():
    now = NOON
    rows = {
        f"twitch:c{n}": (
            Row(
                platform="twitch", handle=f"c{n}", native_id=str(n), state="live" if n in (7, 9) else "waiting", discovered_at=now
            ),
            channel(n, priority=1 if n == 4 else 3),
        )
        for n in range(12)
    }
    assert order(rows, now, frozenset())[:3] == ["twitch:c7", "twitch:c9", "twitch:c4"]
