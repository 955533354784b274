"""Discovery on YouTube: what is asked and what it costs, what an answer means, the plan of the quota, and all of it against the simulator."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import rest
from connectors.connector import Broadcast, Dropped, ProcessMemory, Refused, Secret, Throttled, Tools, Unreadable
from connectors.discovery import Known, Question, Sighting
from connectors.event import Level, Status, Viewers
from connectors.rest import Reply
from connectors.simulator.air import Airtime
from connectors.simulator.livechat import channel_id
from connectors.simulator.model import SimChannel
from connectors.simulator.youtube import KEY, YouTubeServer
from connectors.youtube import Options
from connectors.youtube.discovery import LATE, NEXT, SETTLED, SOON, Lookout
from connectors.youtube.plan import most_channels, plan
from connectors.youtube.quota import pacific_day
from monitor.channel_store import ChannelStore
from monitor.collect_plan import plan as collect_plan
from monitor.config import Config, Event, Platform, Scope
from monitor.discover import Discovery
from monitor.discover_book import Book
from monitor.journal import Journal
from monitor.reload import Setup
from monitor.roster import Channel, Roster

NOON = datetime(2026, 10, 17, 12, tzinfo=UTC)
IDS = [f"UC{number:022}" for number in range(200)]


def lookout(**options):
    made = Lookout(Options(api_key=Secret("a key"), url="https://api.example/v3", **options))
    made.channels = 300
    return made


def video(number):
    return f"video{number:06}"


def known(number, **more):
    return Known(native_id=IDS[number], handle=f"c{number}", **{"swept_at": NOON, "asked_at": NOON, **more})


def live(number, **more):
    return Broadcast(native_id=video(number), started_at=NOON - timedelta(hours=1), **more)


def query(question):
    return {name: values[0] for name, values in parse_qs(urlsplit(question.ask.url).query).items()}


def ids_of(question):
    return query(question)["id"].split(",")


def item(number, channel=0, said="live", **details):
    times = {"live": {"actualStartTime": "2026-10-17T11:00:00Z", "activeLiveChatId": f"chat{number}"},
             "upcoming": {"scheduledStartTime": "2026-10-17T18:00:00Z"}, "none": {"actualStartTime": "2026-10-17T10:00:00Z", "actualEndTime": "2026-10-17T11:00:00Z"}}[said]  # fmt: skip
    return {
        "id": video(number),
        "snippet": {"channelId": IDS[channel], "title": "t", "liveBroadcastContent": said},
        "liveStreamingDetails": times | details,
    }


def answer(*items):
    return json.dumps({"kind": "youtube#videoListResponse", "items": items}).encode()


# --- questions --------------------------------------------------------------------------------------------------------


def test_without_a_key_nothing_is_asked():
    assert Lookout.missing(Options()) == ("api_key",)
    assert Lookout.missing(Options(api_key=Secret("x"))) == ()


def test_the_key_is_in_the_address_that_is_sent_and_in_nothing_that_is_shown():
    platform = Lookout(Options(api_key=Secret("do not&show me")))
    question = platform.resolve(["a"])[0]
    assert "do not" not in f"{question} {platform.signed(question, None)} {platform.opts}"
    assert query(Question(what="accounts", ask=platform.signed(question, None)))["key"] == "do not&show me"


def test_handles_are_asked_for_one_by_one_and_ids_by_fifties():
    questions = lookout().resolve(["ana", "@Bo", "https://www.youtube.com/@cy", IDS[3], f"youtube.com/channel/{IDS[4]}"])
    assert [query(q).get("forHandle") or ids_of(q) for q in questions] == [[IDS[3], IDS[4]], "@ana", "@Bo", "@cy"]
    assert [len(q.about) for q in lookout().recheck(IDS[:120])] == [50, 50, 20]
    assert {q.cost for q in questions} == {1}


@given(st.lists(st.integers(0, 4), max_size=150), st.integers(0, 6))
def test_all_ids_of_a_channel_are_in_one_question_of_at_most_fifty_and_the_budget_holds(counts, budget):
    channels = [known(n, candidates=tuple(video(n * 10 + k) for k in range(count))) for n, count in enumerate(counts)]
    questions = lookout().discover(channels, NOON, budget)
    assert sum(question.cost for question in questions) <= budget
    everything = lookout().discover(channels, NOON, 10_000)
    for question in everything:
        assert set(ids_of(question)) == {one for channel in question.known for one in channel.candidates}
        assert len(ids_of(question)) <= 50
    assert [name for q in everything for name in q.about] == [channel.native_id for channel in channels if channel.candidates]


@pytest.mark.parametrize(
    ("what", "channel", "after", "due"),
    [
        ("candidate", known(0, candidates=(video(1),)), timedelta(seconds=1), True),
        ("a link by a person", known(0, hints=(video(1),)), timedelta(seconds=1), True),
        ("a link, but it is live", known(0, hints=(video(1),), broadcasts=(live(2),)), timedelta(seconds=1), False),
        ("live, just seen", known(0, broadcasts=(live(1),)), SETTLED - timedelta(seconds=1), False),
        ("live, seen a while ago", known(0, broadcasts=(live(1),)), SETTLED, True),
        ("offline, just swept", known(0), timedelta(seconds=1), False),
        ("never swept", known(0, swept_at=None), timedelta(seconds=1), True),
        ("announced for soon", known(0, broadcasts=(Broadcast(native_id=video(1), scheduled_at=NOON + SOON),)), NEXT, True),
        ("announced for soon, just seen", known(0, broadcasts=(Broadcast(native_id=video(1), scheduled_at=NOON + SOON),)), timedelta(seconds=1), False),
        ("announced for later", known(0, broadcasts=(Broadcast(native_id=video(1), scheduled_at=NOON + LATE),)), timedelta(seconds=1), False),
        ("long overdue", known(0, broadcasts=(Broadcast(native_id=video(1), scheduled_at=NOON - LATE),)), timedelta(seconds=1), False),
    ],
)  # fmt: skip
def test_a_channel_is_asked_about_when_there_is_something_to_learn(what, channel, after, due):
    platform = lookout()
    assert platform.due(channel, NOON + after) is due, what
    assert bool(platform.discover([channel], NOON + after, 100)) is due, what


def test_sweeps_come_as_often_as_the_plan_says_and_only_in_hours_of_the_event():
    platform = lookout(units_per_day=10_000)
    platform.channels = 350
    every = timedelta(seconds=plan(350, units_per_day=10_000, reserve=600).sweep_seconds)
    assert every == timedelta(hours=4), "three in twelve hours"
    assert not platform.due(known(0), NOON + every - timedelta(seconds=1))
    question = platform.discover([known(0)], NOON + every, 10)[0]
    assert query(question)["playlistId"] == f"UU{IDS[0][2:]}"
    platform.awake = False
    assert not platform.due(known(0), NOON + every)
    platform.awake, platform.channels = True, 1000
    assert not platform.due(known(0), NOON + timedelta(days=1)), "a thousand channels leave nothing for it"


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_handle_that_nobody_has_is_told():
    question = lookout().resolve(["nobody"])[0]
    assert lookout().read_resolved(question, b'{"kind":"youtube#channelListResponse"}')[0].native_id is None


def test_an_account_has_its_id_and_its_handle_of_now():
    row = {"id": IDS[1], "snippet": {"title": "Ana", "customUrl": "@AnaLive"}}
    question = lookout().resolve(["old-name"])[0]
    found = lookout().read_resolved(question, json.dumps({"items": [row]}).encode())[0]
    assert (found.asked, found.native_id, found.handle, found.title) == ("old-name", IDS[1], "analive", "Ana")
    again = lookout().read_resolved(lookout().recheck(IDS[1:3])[0], json.dumps({"items": [row]}).encode())
    assert [(one.asked, one.native_id) for one in again] == [(IDS[1], IDS[1]), (IDS[2], None)]


def test_a_video_id_as_a_handle_is_its_channel_and_a_hint_and_a_handle_that_looks_like_one_stays_a_handle():
    by_handle, by_video = lookout().resolve([video(7)])
    assert lookout().read_resolved(by_handle, b"{}")[0].native_id is None
    found = lookout().read_resolved(by_video, answer(item(7, channel=3)))
    assert [(one.asked, one.native_id, one.handle) for one in found] == [(video(7), IDS[3], video(7))]
    assert lookout().read_resolved(by_video, answer()) == [], "then the answer for the handle holds"
    channel = Known(native_id=IDS[3], handle=video(7), swept_at=NOON, asked_at=NOON)
    assert ids_of(lookout().discover([channel], NOON, 5)[0]) == [video(7)]
    assert lookout().due(replace(channel, over=(video(7),)), NOON) is False


def test_a_hint_that_nobody_answers_keeps_nobody_from_looking_at_the_uploads():
    channel = known(0, hints=(video(8),), swept_at=None)
    question = lookout().discover([channel], NOON, 5)[0]
    seen = lookout().read_status(question, json.dumps({"items": [{"contentDetails": {"videoId": video(1)}}]}).encode())[0]
    assert seen.candidates == (video(8), video(1))


def sight(channel, *items):
    question = lookout().discover([channel], NOON, 10)[0]
    return lookout().read_status(question, answer(*items))[0]


def test_a_live_video_is_a_broadcast_with_its_chat_and_viewers():
    seen = sight(known(0, candidates=(video(1),)), item(1, concurrentViewers="1200"))
    assert [(one.native_id, one.chat_id, one.started_at.hour) for one in seen.broadcasts] == [(video(1), "chat1", 11)]
    assert (seen.viewers, seen.candidates, seen.over) == (1200, (), ())


def test_likes_of_the_answer_that_confirms_a_broadcast_are_told_but_not_of_what_is_not_live():
    liked = item(1) | {"statistics": {"likeCount": "345"}}
    announced = item(2, said="upcoming") | {"statistics": {"likeCount": "9"}}
    seen = sight(known(0, candidates=(video(1), video(2), video(3))), liked, announced, item(3))
    assert seen.likes == ((video(1), 345),)


def test_hidden_viewers_are_unknown_and_two_lives_are_two():
    seen = sight(known(0, candidates=(video(1), video(2))), item(1), item(2))
    assert (len(seen.broadcasts), seen.viewers) == (2, None)


def test_what_is_over_or_somebody_elses_is_not_asked_about_again():
    channel = known(0, candidates=(video(1), video(2)), hints=(video(3), video(4)))
    seen = sight(channel, item(1, said="none"), item(2, said="upcoming"), item(3, channel=9))
    assert [one.native_id for one in seen.broadcasts] == [video(2)]
    assert seen.over == (video(1), video(3)), "what was not answered may be private for a while"


def test_a_live_that_is_not_in_the_answer_is_over():
    assert sight(known(0, broadcasts=(live(1),), asked_at=None)).broadcasts == ()


def test_uploads_are_candidates_and_what_was_announced_stays():
    announced = Broadcast(native_id=video(9), scheduled_at=NOON + timedelta(hours=6))
    channel = known(0, swept_at=None, broadcasts=(announced,), over=(video(2),))
    question = lookout().discover([channel], NOON, 10)[0]
    rows = [{"contentDetails": {"videoId": video(n)}} for n in (9, 1, 2)] + [{"contentDetails": 7}, None]
    seen = lookout().read_status(question, json.dumps({"items": rows}).encode())[0]
    assert (seen.broadcasts, seen.candidates, seen.swept) == ((announced,), (video(1),), True)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(
    st.sampled_from(["items", "id", "snippet", "contentDetails", "videoId", "liveStreamingDetails", "channelId"]), x, max_size=4), max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_a_mangled_answer_is_unreadable_and_nothing_else(body):
    platform = lookout()
    for question, read in (
        (platform.resolve(["a"])[0], platform.read_resolved),
        (platform.recheck(IDS[:2])[0], platform.read_resolved),
        (platform.discover([known(0, swept_at=None)], NOON, 1)[0], platform.read_status),
        (platform.discover([known(0, candidates=(video(1),))], NOON, 1)[0], platform.read_status),
    ):
        with contextlib.suppress(Unreadable):
            assert len(read(question, body)) == len(question.about)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "quotaExceeded", Throttled), (429, "rateLimitExceeded", Throttled), (400, "keyInvalid", Refused), (401, "authError", Refused),
        (403, "forbidden", Refused), (500, "backendError", Dropped),
    ],
)  # fmt: skip
def test_a_refusal_is_one_of_three(status, reason, kind):
    body = json.dumps({"error": {"code": status, "errors": [{"reason": reason}]}}).encode()
    failure = lookout().failure(Reply(status=status, body=body), NOON)
    assert isinstance(failure, kind)
    if reason == "quotaExceeded":
        assert failure.until == datetime(2026, 10, 18, 7, tzinfo=UTC), "midnight in California"


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_default_carries_350_channels_with_three_looks_a_day():
    found = plan(350, units_per_day=10_000, reserve=600)
    assert [item.units for item in found.items] == [7, 720, 5250, 2160, 600, 1050]
    assert (found.sweeps, found.opened, found.dropped) == (3, 350, ())
    assert 350 <= found.fits < 400


@given(st.integers(0, 3000), st.integers(100, 100_000))
def test_the_plan_never_needs_more_than_was_granted_unless_even_its_standing_costs_do(channels, units):
    found = plan(channels, units_per_day=units)
    assert found.needed <= units or found.opened == 0
    assert (found.dropped == ()) == (channels <= found.fits or (found.sweeps > 0 and found.viewers_seconds == 60))


@given(st.integers(0, 2000), st.integers(1000, 50_000))
def test_what_is_dropped_is_dropped_in_its_order(channels, units):
    found = plan(channels, units_per_day=units)
    if found.opened < channels:
        assert found.sweeps == 0
    if channels and not found.sweeps:
        assert found.viewers_seconds == 300


@given(st.integers(1000, 50_000))
def test_one_channel_more_than_fits_does_not_fit(units):
    fits = most_channels(units, reserve=0, viewers_seconds=60.0, active_hours=12.0)
    if fits:
        assert plan(fits, units_per_day=units).dropped == ()
        assert plan(fits, units_per_day=units).sweeps >= 3
    more = plan(fits + 1, units_per_day=units)
    assert more.sweeps < 3 or more.viewers_seconds > 60


# --- with the loop and the simulator ----------------------------------------------------------------------------------

COUNT = 12


class World:
    """A simulated YouTube and whoever asks it."""

    def __init__(self, journal, clock):
        self.journal, self.clock = journal, clock
        sim = [SimChannel(livestream=f"youtube:c{n}", platform="youtube", handle=f"c{n}") for n in range(COUNT)]
        self.ids = [channel_id(one) for one in sim]
        self.air = Airtime([1.0] * COUNT, random.Random(1), self.unix(), tags=("#OurSummit",), run="0000beef")
        self.server = YouTubeServer(sim, self.air, dice=random.Random(1), clock=self.unix)
        self.events, self.memory = [], ProcessMemory()
        self.store = ChannelStore(journal.redis)

    def unix(self):
        return self.clock.now().timestamp()

    async def open(self):
        port = await self.server.start()
        self.session = rest.client(environment=False)
        self.options = {"api_key": Secret(KEY), "url": f"http://127.0.0.1:{port}/youtube/v3"}
        self.discovery = self.discover()
        assert await self.discovery.claim()

    def discover(self, handles=(), **options):
        options = {**self.options, **options}
        handles = handles or [f"c{n}" for n in range(COUNT)]
        config = Config(
            event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=("#OurSummit",)),
            platforms={"youtube": Platform(name="youtube", options=options)},
            scope=Scope(hours="always"),
        )
        roster = Roster(
            channels=tuple(
                Channel(
                    id=f"youtube:{handle}", attendee=handle, name=handle, country="BR", language="pt", platform="youtube", handle=handle,
                    consent="yes", priority=1 + number % 3,
                )
                for number, handle in enumerate(handles)
            )
        )  # fmt: skip
        setup = Setup(config=config, roster=roster)
        tools = Tools(pseudonym=lambda *_: "", now=self.clock.now, dice=random.Random(1), memory=self.memory)
        return Discovery(self.journal, self.put, lambda: setup, self.fetch, tools, token="one")

    async def close(self):
        await self.session.close()
        await self.server.stop()

    async def fetch(self, ask):
        return await rest.send(self.session, ask)

    async def put(self, events):
        self.events += events

    async def pass_time(self, seconds, step=1.0):
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.server.tick()
            await self.discovery.turn()

    def live(self):
        return {name: row.broadcasts[0].id for name, row in self.discovery.rows.items() if row.state == "live"}


@pytest.fixture
async def world(valkey, redis_client, clock):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = World(journal, clock)
    await made.open()
    yield made
    await made.close()
    await journal.close()


async def test_within_seconds_everybody_is_found_with_chat_and_viewers_and_what_it_cost_is_in_the_purse(world):
    await world.pass_time(3)
    assert world.live() == {f"youtube:c{n}": world.server.rooms[n].now.id for n in range(COUNT)}
    row = world.discovery.rows["youtube:c1"]
    assert (row.broadcasts[0].chat, row.broadcasts[0].scope, row.reading) == (world.server.rooms[1].now.chat.id, "in", "open")
    assert row.native_id == world.ids[1]
    assert {event.livestream for event in world.events if isinstance(event, Status)} == set(world.live())
    assert any(isinstance(event, Viewers) and event.viewers > 0 for event in world.events)
    spent = sum(world.server.spent.values())
    assert spent == COUNT + COUNT + 1, "a handle each, the uploads of each, and one call for the ids of all"
    assert int(await world.memory.get(f"youtube:units:{pacific_day(world.clock.now())}")) == spent


async def test_who_was_live_before_anybody_looked_says_nothing_of_how_soon_beginnings_are_found(world):
    await world.pass_time(3)
    assert len(world.live()) == COUNT
    assert await world.store.delays() == {}
    world.air.new_day(world.unix())
    await world.pass_time(1800, step=15.0)
    [(counts, total)] = (await world.store.delays()).values()
    assert (sum(counts), total > 0) == (COUNT, True)


async def test_the_next_day_everybody_is_found_under_new_ids(world):
    await world.pass_time(3)
    before = world.live()
    world.air.new_day(world.unix())
    await world.pass_time(1800, step=15.0)
    assert world.live() == {f"youtube:c{n}": world.server.rooms[n].now.id for n in range(COUNT)}
    assert set(world.live().values()).isdisjoint(before.values())


async def test_with_units_in_plenty_the_next_broadcast_is_found_within_minutes_although_nobody_told_of_it(world):
    world.server.units_per_day = 1_000_000
    world.discovery = world.discover(units_per_day=1_000_000)
    assert await world.discovery.claim()
    await world.pass_time(240, step=5.0)
    world.air.new_day(world.unix())
    await world.pass_time(180, step=5.0)
    assert world.live() == {f"youtube:c{n}": world.server.rooms[n].now.id for n in range(COUNT)}


async def test_who_goes_on_after_a_pause_is_found_at_once_without_a_look_at_the_uploads(world):
    await world.pass_time(3)
    before, swept = world.live(), world.server.calls["playlistItems"]
    going_on = world.discovery.setup()
    first, *others = going_on.roster.channels
    paused = replace(going_on, roster=Roster(channels=(replace(first, state="paused"), *others)))
    world.discovery.setup = lambda: paused
    await world.pass_time(200, step=20.0)
    assert first.id not in world.live()
    world.discovery.setup = lambda: going_on
    await world.pass_time(1)
    assert world.live()[first.id] == before[first.id]
    assert world.server.calls["playlistItems"] == swept


async def test_a_link_that_its_owner_pasted_is_found_within_two_minutes_without_a_look_at_the_uploads(world):
    for index in range(COUNT):
        world.air.go_offline(index)
    await world.pass_time(3)
    assert world.live() == {}
    swept = world.server.calls["playlistItems"]
    world.air.go_live(2, world.unix())
    world.server.tick()
    await world.store.decide("attendee", "youtube:c2", world.server.rooms[2].now.id, count=True)
    await world.store.decide("attendee", "youtube:c3", world.server.rooms[2].now.id, count=True)  # not his own
    await world.pass_time(110, step=5.0)
    assert world.live() == {"youtube:c2": world.server.rooms[2].now.id}
    assert world.server.calls["playlistItems"] == swept


async def test_a_day_without_units_asks_nothing_more_and_forgets_nobody(world):
    await world.pass_time(3)
    before, calls = world.live(), dict(world.server.calls)
    await world.memory.add(f"youtube:units:{pacific_day(world.clock.now())}", 10_000)
    await world.pass_time(3600, step=60.0)
    assert (world.live(), world.server.calls) == (before, calls)
    assert "units of the day" in world.discovery.asking["youtube"].desk.trouble


async def test_a_broadcast_watched_by_its_videos_id_is_found_with_its_letters_as_they_are(world):
    video = world.server.rooms[4].now.id
    world.discovery = world.discover([video])
    assert await world.discovery.claim()
    await world.pass_time(3)
    row = world.discovery.rows[f"youtube:{video}"]
    assert (row.state, row.native_id, row.broadcasts[0].id) == ("live", world.ids[4], video)


async def test_who_does_not_fit_into_the_day_is_left_out_by_priority_then_viewers_and_told_why(world):
    await world.pass_time(3)
    viewers = {name: row.viewers or 0 for name, row in world.discovery.rows.items()}
    world.discovery = world.discover(units_per_day=1575)
    assert await world.discovery.claim()
    await world.pass_time(20)
    out = {name for name, row in world.discovery.rows.items() if row.reading == "closed"}
    by_priority = {rank: [f"youtube:c{n}" for n in range(COUNT) if 1 + n % 3 == rank] for rank in (1, 2, 3)}
    fewest = min(by_priority[2], key=lambda name: (viewers[name], name))
    assert out == {*by_priority[3], fewest}
    assert all("left out" in world.discovery.rows[name].reason for name in out)
    wanted = collect_plan(world.discovery.setup().config, world.discovery.setup().roster, set(range(256)), world.discovery.rows)
    assert wanted.closed.keys() == out
    world.discovery = world.discover()
    assert await world.discovery.claim()
    await world.pass_time(20)
    assert {row.reading for row in world.discovery.rows.values()} == {"open"}
    assert {row.reason for row in world.discovery.rows.values()} == {""}


def test_likes_of_a_confirmed_broadcast_count_at_once_and_those_of_one_that_is_not_of_the_event_never():
    book = Book()
    config = Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), scope=Scope(hours="always", phrases=("summit",)))
    person = Channel(
        id="youtube:a", attendee="1", name="A", country="BR", language="pt", platform="youtube", handle="c0", native_id=IDS[0], consent="yes"
    )  # fmt: skip
    book.take_setup(config, Roster(channels=(person,)))
    book.asked = ("youtube",)
    book.follow(NOON)
    ours, other = live(1, title="the summit"), live(2, title="my cat")
    likes = ((ours.native_id, 7), (other.native_id, 9), ("another", 11))
    book.sighted("youtube:a", Sighting(native_id=IDS[0], broadcasts=(ours, other), likes=likes), lookout(), NOON)
    levels = [event for event in book.taken().events if isinstance(event, Level)]
    assert [(one.livestream, one.broadcast, one.what, one.value) for one in levels] == [
        ("youtube:a", ours.native_id, "reactions", 7)
    ]
