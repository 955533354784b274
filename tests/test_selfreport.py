"""From "I am live" on somebody's page to the chat that is read: at once where a platform can be asked, on their word where it cannot."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
import test_discover
import test_youtube_discovery
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from test_collect import collecting
from test_signup import serving

from connectors.event import Status, Viewers
from monitor import selfreport
from monitor.channel_store import ChannelStore
from monitor.channels import Live, Row, counting, pass_of
from monitor.config import Session
from monitor.coverage import with_discovery
from monitor.journal import Journal
from monitor.livestreams import Livestream
from monitor.reload import Setup
from monitor.roster import Channel, Roster
from monitor.selfreport import AGAIN, BELIEVED, EARLY, SWEPT
from monitor.signup import SelfReport
from monitor.signup_store import SignupStore

NOON = datetime(2026, 10, 17, 12, tzinfo=UTC)
VIDEO = "dQw4w9WgXcQ"


def report(broadcast=None, *, at=NOON, by="attendee", platform="youtube"):
    return SelfReport(platform, "https://example.org/x", at, by, broadcast)


# --- what a report means ----------------------------------------------------------------------------------------------


@given(st.integers(-60, 60), st.integers(-600, 600))
def test_a_report_without_an_id_means_what_had_begun_and_nothing_of_the_next_day(begun, age):
    """Minutes; an old report of a broadcast that is still on stays true."""
    live = Live(id="b", started_at=NOON + timedelta(minutes=begun))
    assert selfreport.means(report(at=NOON), live) is (timedelta(minutes=begun) <= EARLY)
    assert selfreport.means(report("b", at=NOON + timedelta(minutes=age)), live)
    assert not selfreport.means(report("other"), live)
    assert not selfreport.means(report(), Live(id="b")), "nobody knows when it began"


@given(
    st.lists(st.sampled_from("abcdef"), max_size=4),
    st.lists(st.sampled_from("abcdef"), max_size=4),
    st.sampled_from([*"abcdef", None]),
)
def test_a_candidate_is_asked_about_once_and_never_when_it_is_over_or_known(candidates, over, named):
    candidates = tuple(dict.fromkeys(candidates))
    row = Row(platform="youtube", handle="x", candidates=candidates, over=tuple(over), broadcasts=(Live(id="f"),))
    after = selfreport.with_candidate(row, report(named))
    assert len(set(after.candidates)) == len(after.candidates)
    assert set(after.candidates) - set(candidates) <= {named} - {*over, "f", None}
    assert selfreport.with_candidate(after, report(named)) == after


@given(st.integers(0, 10 * 3600))
def test_a_report_is_believed_for_hours_and_not_for_ever(seconds):
    assert selfreport.is_fresh(report(), NOON + timedelta(seconds=seconds)) is (timedelta(seconds=seconds) < BELIEVED)


def test_videos_are_looked_through_only_when_none_is_named_and_not_again_and_again():
    row = Row(platform="youtube", handle="x", swept_at=NOON)
    assert [selfreport.must_look(report(), row, NOON + after) for after in (SWEPT / 2, SWEPT)] == [False, True]
    assert not selfreport.must_look(report(VIDEO), row, NOON + SWEPT)


# --- YouTube: from the page to the collector --------------------------------------------------------------------------


@pytest.fixture
async def tube(valkey, redis_client, clock):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    world = test_youtube_discovery.World(journal, clock)
    await world.open()
    for index in range(test_youtube_discovery.COUNT):
        world.air.go_offline(index)
    await world.pass_time(3)
    assert world.live() == {}
    yield world
    await world.close()
    await journal.close()


def begin(world, index):
    world.air.go_live(index, world.unix())
    world.server.tick()
    return world.server.rooms[index].now.id


def page_clock(site, world):
    site.pages.desk.around = dataclasses.replace(site.pages.desk.around, now=world.clock.now)


async def test_i_am_live_on_the_page_is_a_chat_that_a_collector_watches_one_turn_later(tube, redis_client, valkey, tmp_path):
    setup = tube.discovery.setup()
    async with serving(redis_client, roster=setup.roster) as site:
        page_clock(site, tube)
        token = await site.join(number="c11", channel="https://www.youtube.com/@c11")
        video, swept = begin(tube, 11), tube.server.calls["playlistItems"]
        await site.post(f"/me/{token}/live", {"link": f"https://youtu.be/{video}"})
    await tube.pass_time(1)
    assert tube.live() == {"youtube:c11": video}
    assert tube.server.calls["playlistItems"] == swept, "one question about one video is enough"
    assert [(event.livestream, event.state) for event in tube.events if isinstance(event, Status)] == [("youtube:c11", "live")]
    event = dataclasses.replace(setup.config.event, hashtags=())  # else Bluesky is asked for them
    setup = dataclasses.replace(setup, config=dataclasses.replace(setup.config, event=event))
    async with collecting(tube.journal, valkey, tmp_path, setup) as collector:
        await collector.look_at_channels()
        await collector.own()
        [running] = collector.connections.running.values()
        [broadcast] = next(one for one in running.watch.targets.values() if one.livestream == "youtube:c11").broadcasts
        assert (broadcast.native_id, broadcast.chat_id, broadcast.in_scope) == (video, tube.server.rooms[11].now.chat.id, True)


async def test_somebody_elses_video_and_one_that_does_not_exist_make_nobody_live(tube, redis_client):
    video, store = begin(tube, 2), SignupStore(redis_client)
    await store.report("youtube:c3", report(video, at=tube.clock.now()))
    await store.report("youtube:c4", report(VIDEO, at=tube.clock.now()))
    await tube.pass_time(3)
    assert tube.live() == {}
    assert video in tube.discovery.rows["youtube:c3"].over
    calls = tube.server.calls["videos"]
    await tube.pass_time(30)
    assert tube.server.calls["videos"] == calls, "it was answered"


async def test_who_presses_again_and_again_costs_one_question_a_minute(tube, redis_client):
    store, calls = SignupStore(redis_client), tube.server.calls.get("videos", 0)
    for number in range(round(1.8 * AGAIN.total_seconds())):
        await store.report("youtube:c4", report(f"nothing{number:04}", at=tube.clock.now()))
        await tube.pass_time(1)
    assert 2 <= tube.server.calls["videos"] - calls <= 5


async def test_a_report_without_a_video_makes_us_look_at_the_videos_of_that_channel_alone(tube, redis_client):
    video, swept = begin(tube, 2), tube.server.calls["playlistItems"]
    row = tube.discovery.rows["youtube:c2"]
    tube.discovery.rows["youtube:c2"] = replace(row, swept_at=row.swept_at - SWEPT)
    await SignupStore(redis_client).report("youtube:c2", report(at=tube.clock.now()))
    await tube.pass_time(2)
    assert tube.live() == {"youtube:c2": video}
    assert tube.server.calls["playlistItems"] == swept + 1


async def test_a_live_url_of_the_roster_is_found_without_a_report(tube):
    video, setup = begin(tube, 5), tube.discovery.setup()
    channels = tuple(
        dataclasses.replace(one, live_url=f"https://www.youtube.com/watch?v={video}") if one.id == "youtube:c5" else one
        for one in setup.roster.channels
    )
    new = Setup(config=setup.config, roster=Roster(channels=channels))
    tube.discovery.setup = lambda: new
    swept = tube.server.calls["playlistItems"]
    await tube.pass_time(60)
    assert tube.live() == {"youtube:c5": video}
    assert tube.server.calls["playlistItems"] == swept


# --- Twitch: a report that names no broadcast -------------------------------------------------------------------------


@pytest.fixture
async def twitch(valkey, redis_client, clock):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = test_discover.World(journal, clock, test_discover.CHANNELS)
    await made.open()
    yield made
    await made.close()
    await journal.close()


async def leading(world, token="one"):
    made = world.discovery(token)
    assert await made.claim()
    return made


async def test_who_says_to_be_live_is_asked_about_before_the_turn_and_what_is_on_counts(twitch, redis_client):
    discovery, store = await leading(twitch), SignupStore(redis_client)
    twitch.air.go_offline(1)
    await discovery.turn()
    await test_discover.pass_time(twitch, discovery, 5)
    twitch.air.go_live(1, twitch.unix())
    twitch.air.channels[1].title = "just talking"
    await store.report("twitch:c1", report(platform="twitch", at=twitch.clock.now()))
    asked = len(twitch.calls("streams"))
    await test_discover.pass_time(twitch, discovery, 1)
    row = discovery.rows["twitch:c1"]
    assert (row.state, row.reading, row.broadcasts[0].why) == ("live", "open", "the attendee says that it is of the event")
    assert [query["user_id"] for _, query in twitch.calls("streams")[asked:]] == [["501"]]
    # The next evening nobody has said anything about.
    twitch.air.go_live(1, twitch.unix() + EARLY.total_seconds() + 1)
    twitch.air.channels[1].title = "just talking"
    twitch.clock.advance(EARLY.total_seconds() + 60)
    await discovery.turn()
    assert discovery.rows["twitch:c1"].broadcasts[0].scope == "ask"


async def test_not_this_one_is_stronger_than_i_am_live(twitch, redis_client):
    discovery, store = await leading(twitch), SignupStore(redis_client)
    await discovery.turn()
    live = discovery.rows["twitch:c1"].broadcasts[0].id
    await store.report("twitch:c1", report(platform="twitch", at=twitch.clock.now()))
    await ChannelStore(redis_client).decide("attendee", "twitch:c1", live, count=False)
    await test_discover.pass_time(twitch, discovery, 1)
    assert discovery.rows["twitch:c1"].reading == "closed"


async def test_who_leads_next_asks_about_reports_that_the_one_before_did_not(twitch, redis_client):
    discovery, store = await leading(twitch), SignupStore(redis_client)
    await discovery.turn()
    await store.report("twitch:c1", report(platform="twitch", at=twitch.clock.now()))
    await test_discover.pass_time(twitch, discovery, 1)
    asked = len(twitch.calls("streams"))
    await store.report("twitch:c2", report(platform="twitch", at=twitch.clock.now()))
    await discovery.resign()
    after = await leading(twitch, "two")
    await after.turn()
    assert after.book.pressed.keys() == {"twitch:c2"}
    assert len(twitch.calls("streams")) > asked


# --- where nobody can be asked ----------------------------------------------------------------------------------------


def elsewhere(handle="ana", platform="telegram", **more):
    return Channel(
        id=f"{platform}:{handle}", attendee=handle, name=handle, country="BR", language=None, platform=platform, handle=handle,
        **{"consent": "yes", **more},
    )  # fmt: skip


async def test_without_a_key_a_channel_is_live_on_its_owners_word_until_that_is_old(twitch, redis_client):
    twitch.options.clear()
    twitch.set([test_discover.channel(0), elsewhere()])
    discovery, store = await leading(twitch), SignupStore(redis_client)
    for name, by in (("twitch:c0", "attendee"), ("telegram:ana", "liaison")):
        await store.report(name, report(platform=name.partition(":")[0], by=by, at=twitch.clock.now()))
    await discovery.turn()
    rows = await discovery.store.rows()
    assert [(rows[name].state, rows[name].reason, rows[name].viewers, rows[name].reading) for name in ("twitch:c0", "telegram:ana")] == [
        ("live", "told by the attendee", None, "open"),
        ("live", "told by the liaison", None, "open"),
    ]  # fmt: skip
    assert pass_of(rows["telegram:ana"]).broadcast is None, "what is said there belongs to no broadcast that we know"
    version = await discovery.store.version()
    await test_discover.pass_time(twitch, discovery, 600, step=60)
    assert await discovery.store.version() == version, "nothing is new, so nobody reads anything"
    await test_discover.pass_time(twitch, discovery, BELIEVED.total_seconds() - 600, step=600)
    assert await discovery.store.rows() == {}
    assert twitch.of(Viewers) == []


async def test_a_report_taken_back_or_by_somebody_who_is_not_read_makes_nobody_live(twitch, redis_client):
    twitch.set([elsewhere(), elsewhere("bo", consent=None), elsewhere("cy", state="paused"), elsewhere("di")])
    discovery, store = await leading(twitch), SignupStore(redis_client)
    for name in ("ana", "bo", "cy", "di", "nobody"):
        await store.report(f"telegram:{name}", report("b1", platform="telegram", at=twitch.clock.now()))
    await ChannelStore(redis_client).decide("producer", "telegram:di", "b1", count=False)
    await discovery.turn()
    assert set(await discovery.store.rows()) == {"telegram:ana"}
    await store.drop_report("telegram:ana")
    await test_discover.pass_time(twitch, discovery, 1)
    assert await discovery.store.rows() == {}


async def test_outside_the_hours_of_the_event_a_word_makes_nobody_live(twitch, redis_client):
    twitch.set([elsewhere()])
    now = twitch.clock.now()
    session = Session(id="s", name={}, start=now + timedelta(days=1), end=now + timedelta(days=1, hours=1))
    config = dataclasses.replace(
        twitch.setup.config, sessions=(session,), scope=dataclasses.replace(twitch.setup.config.scope, hours="event")
    )
    twitch.setup = Setup(config=config, roster=twitch.setup.roster)
    discovery, store = await leading(twitch), SignupStore(redis_client)
    await store.report("telegram:ana", report(platform="telegram", at=now))
    await discovery.turn()
    assert await discovery.store.rows() == {}


async def test_when_a_key_comes_the_platform_is_believed_and_not_the_word(twitch, redis_client):
    options = dict(twitch.options)
    twitch.options.clear()
    twitch.set([test_discover.channel(0)])
    twitch.air.go_offline(0)
    discovery = await leading(twitch)
    await SignupStore(redis_client).report("twitch:c0", report(platform="twitch", at=twitch.clock.now()))
    await discovery.turn()
    assert discovery.rows["twitch:c0"].told == "attendee"
    twitch.options = options
    twitch.set([test_discover.channel(0)])
    await test_discover.pass_time(twitch, discovery, 2)
    row = discovery.rows["twitch:c0"]
    assert (row.told, row.state, counting(row)) == ("", "waiting", None)


def test_the_wall_says_who_told_and_leaves_it_to_the_collector_whether_anything_comes_in():
    row = selfreport.told_row(elsewhere(), report(platform="telegram"))
    for state, reason in (("waiting", "needs [telegram] token"), ("live", ""), ("broken", "the network failed")):
        said = Livestream(state=state, platform="telegram", reason=reason)
        shown = with_discovery({"telegram:ana": said}, {"telegram:ana": row})["telegram:ana"]
        assert (shown.state, shown.known_live, shown.viewers, shown.broadcast) == (state, True, None, None)
        assert shown.reason == "live, told by the attendee" + (f"; {reason}" if reason else "")
