"""YouTube's push: the feed, the upkeep of subscriptions, what is received, and a broadcast that is found by it on a real Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import hmac
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from connectors import rest
from connectors.connector import Dropped, Hint, ProcessMemory, Request, Secret, Throttled, Tools, Unreadable, make_pseudonym
from connectors.event import Status
from connectors.rest import Reply
from connectors.simulator.air import Airtime
from connectors.simulator.livechat import channel_id
from connectors.simulator.model import SimChannel
from connectors.simulator.youtube import KEY, YouTubeServer
from connectors.youtube import Options
from connectors.youtube.feed import REASONS, Entry, entries
from connectors.youtube.websub import DENIED, LEASE, LONGEST, NEW, WebSub, lease, secret_of, token_of, topic_of
from connectors.youtube.websub_hooks import WebSubHook
from monitor.config import Config, Event, Platform, Public, Scope
from monitor.discover import Discovery
from monitor.hooks import Hooks
from monitor.journal import Journal
from monitor.produce import Producer
from monitor.push_store import PushStore
from monitor.reload import Setup
from monitor.roster import Channel, Roster
from monitor.setup import author_key

NOON = datetime(2026, 10, 17, 12, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"key of the test")
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOON, dice=random.Random(1))
CHANNEL, OTHER = "UC" + "a" * 22, "UC" + "b" * 22
VIDEO = "dQw4w9WgXcQ"
CALLBACK = "https://live.example.org/hooks/youtube"


def feed(video=VIDEO, channel=CHANNEL, title="We are live &amp; well"):
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="https://pubsubhubbub.appspot.com"/>
<link rel="self" href="https://www.youtube.com/xml/feeds/videos.xml?channel_id={channel}"/><title>YouTube video feed</title>
<updated>2026-10-17T11:59:59.123456789+00:00</updated><entry>
  <id>yt:video:{video}</id>
  <yt:videoId>{video}</yt:videoId>
  <yt:channelId>{channel}</yt:channelId>
  <title>{title}</title>
  <link rel="alternate" href="https://www.youtube.com/watch?v={video}"/>
  <author><name>Ana</name><uri>https://www.youtube.com/channel/{channel}</uri></author>
  <published>2026-10-17T11:59:50+00:00</published><updated>2026-10-17T11:59:59.123456789+00:00</updated>
 </entry></feed>""".encode()


GONE = b"""<?xml version='1.0' encoding='UTF-8'?><feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
<at:deleted-entry ref="yt:video:dQw4w9WgXcQ" when="2026-10-17T11:59:59.0+00:00"><link href="https://www.youtube.com/watch?v=dQw4w9WgXcQ"/>
<at:by><name>Ana</name></at:by></at:deleted-entry></feed>"""


# --- the feed ---------------------------------------------------------------------------------------------------------


def test_a_feed_names_its_video_and_whose_it_is():
    assert entries(feed()) == [Entry(VIDEO, CHANNEL, at="2026-10-17T11:59:59.123456789+00:00")]


def test_a_deleted_video_is_named_as_deleted():
    assert entries(GONE) == [Entry(VIDEO, None, deleted=True, at="2026-10-17T11:59:59.0+00:00")]
    named = GONE.replace(b"</name>", b"</name><uri>https://www.youtube.com/channel/" + CHANNEL.encode() + b"</uri>")
    assert [entry.channel for entry in entries(named)] == [CHANNEL]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (feed().replace(b"schemas/2015", b"schemas/2031"), [Entry(VIDEO, CHANNEL)]),
        (feed().replace(b"yt:videoId", b"yt:clipId"), [Entry(VIDEO, CHANNEL)]),  # its <id> says it as well
        (feed().replace(b"yt:channelId", b"yt:ownerId"), [Entry(VIDEO, None)]),
        (feed(video="short"), []),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"/>', []),
        (feed() .replace(b"</feed>", b"<entry><id>yt:video:aaaaaaaaaaa</id></entry></feed>"), [Entry(VIDEO, CHANNEL), Entry("a" * 11, None)]),
        (b"<!-- before -->" + b"<feed><!-- within --><?x y?></feed>", []),
    ],
)  # fmt: skip
def test_what_is_missing_or_named_otherwise_is_done_without(document, found):
    assert [entry._replace(at="") for entry in entries(document)] == found


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not_xml"),
        (b"<feed>", "not_xml"),
        (b'<?xml version="1.0" encoding="klingon"?><feed/>', "not_xml"),
        (b"<html><body/></html>", "not_a_feed"),
        (b'<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><feed>&b;</feed>', "has_entities"),
        (b'<!DOCTYPE feed SYSTEM "file:///etc/passwd"><feed/>', "has_entities"),
    ],
)
def test_what_is_no_feed_says_why(document, reason):
    with pytest.raises(Unreadable) as found:
        entries(document)
    assert found.value.reason == reason


def mangled(raw, dice):
    data = bytearray(raw)
    for _ in range(dice.randint(1, 5)):
        at, to = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        match dice.randrange(5):
            case 0:
                del data[at:to]
            case 1 if data:
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:to] = dice.randbytes(dice.randrange(6))
            case _:
                data[at:at] = dice.choice(
                    (b"<entry>", b"</entry>", b"\x00", b"\xff\xfe", b"&x;", b"<a:b/>", b"]]>", b"<![CDATA[")
                )
    return bytes(data)


@given(seed=st.integers(0, 2**32), document=st.sampled_from([feed(), GONE]))
def test_a_mangled_feed_is_unreadable_at_worst(seed, document):
    with contextlib.suppress(Unreadable):
        for entry in entries(mangled(document, random.Random(seed))):
            assert len(entry.video) == 11
            assert entry.channel is None or len(entry.channel) == 24
        return
    with pytest.raises(Unreadable) as found:
        entries(mangled(document, random.Random(seed)))
    assert found.value.reason in REASONS


# --- the upkeep of subscriptions ----------------------------------------------------------------------------------------


class Hub:
    """Asks a WebSub what it wants to send, and answers; the clock is ours."""

    def __init__(self, wanted, **kept):
        self.now = NOON
        self.push = WebSub(Options(api_key=Secret("k")), dataclasses.replace(TOOLS, dice=random.Random(3)), CALLBACK)
        self.push.watch(wanted)
        self.push.load(kept)
        assert self.push.next(self.now) is None, "who receives must hear of new channels first"
        self.now += NEW

    def asks(self, seconds=0.0, *, status=202, headers=None, most=10_000, step=1.0):
        """Everything that is sent in that time, as (seconds from the beginning, form)."""
        found, began = [], self.now
        while True:
            ask = self.push.next(self.now)
            if ask is not None:
                form = {name: values[0] for name, values in parse_qs(ask.body.decode()).items()}
                found.append(((self.now - began).total_seconds(), form))
                self.push.take(Reply(status=status, headers=headers or {}, body=b"no"), self.now)
            if len(found) == most or (self.now - began).total_seconds() + step > seconds:
                return found
            self.now += timedelta(seconds=step)

    def confirm(self, channel, lasts=LEASE):
        self.push.hear(Hint(what="subscribed", native_id=channel, at=self.now, key=channel, until=self.now + lasts), self.now)


def ids(count):
    return [f"UC{number:022}" for number in range(count)]


def test_each_channel_is_asked_for_once_one_a_second():
    hub = Hub(ids(20))
    asked = hub.asks(60)
    assert [at for at, _ in asked] == list(range(20))
    assert {form["hub.topic"] for _, form in asked} == {topic_of(one) for one in ids(20)}
    for _, form in asked:
        channel = form["hub.topic"].rpartition("=")[2]
        assert form["hub.mode"] == "subscribe"
        assert form["hub.callback"] == f"{CALLBACK}/{channel}/{token_of(PSEUDONYM, channel)}"
        assert form["hub.secret"] == secret_of(PSEUDONYM, channel)
        assert len(form["hub.secret"]) < 200


def test_what_was_confirmed_is_renewed_before_it_ends_and_not_all_at_once():
    hub = Hub(ids(40))
    for _, form in hub.asks(60):
        hub.confirm(form["hub.topic"].rpartition("=")[2])
    assert hub.push.standing == 40
    renewed = hub.asks(LEASE.total_seconds() - 3600, step=600.0)
    times = [at for at, form in renewed if form["hub.mode"] == "subscribe"]
    first = times[:40]
    assert min(first) >= LEASE.total_seconds() * 0.69
    assert max(first) < LEASE.total_seconds() * 0.85
    assert max(first) - min(first) > LEASE.total_seconds() * 0.05
    assert hub.push.standing == 40, "what is being renewed still stands"


def test_a_subscription_that_was_never_confirmed_is_asked_for_again_less_and_less_often():
    hub = Hub(ids(1))
    times = [at for at, _ in hub.asks(3 * 3600, step=10)]
    assert times[:5] == [0, 600, 1800, 4200, 9000]


def test_a_subscription_whose_time_is_over_does_not_stand_any_more():
    hub = Hub(ids(1))
    hub.asks()
    hub.confirm(ids(1)[0])
    hub.now += LEASE + timedelta(seconds=1)
    hub.asks()
    assert hub.push.standing == 0


def test_a_hub_that_is_away_is_left_alone_for_longer_and_longer_and_what_stands_stays():
    hub = Hub(ids(5))
    hub.asks(2)
    hub.confirm(ids(1)[0])
    times = [at for at, _ in hub.asks(6 * 3600, status=503)]
    assert 8 <= len(times) <= 24
    assert times[-1] - times[-2] > 600
    assert "503" in hub.push.trouble
    assert hub.push.standing == 1
    hub.asks(3600, status=202)
    assert hub.push.trouble == ""


def test_too_many_requests_is_obeyed():
    hub = Hub(ids(3))
    assert len(hub.asks(300, status=429, headers={"retry-after": "600"})) == 1


@pytest.mark.parametrize("failure", [Dropped("gone"), Throttled("slow", NOON + timedelta(minutes=5))])
def test_no_answer_is_not_the_end(failure):
    hub = Hub(ids(1))
    assert hub.push.next(hub.now) is not None
    hub.push.failed(failure, hub.now)
    assert hub.push.next(hub.now + timedelta(seconds=20)) is None
    assert hub.push.next(NOON + timedelta(hours=1)) is not None


def test_who_is_denied_is_asked_for_again_the_next_day():
    hub = Hub(ids(1))
    hub.asks()
    hub.push.hear(Hint(what="denied", native_id=ids(1)[0], at=hub.now, key=ids(1)[0]), hub.now)
    assert hub.asks(DENIED.total_seconds() - 60, step=60) == []
    assert len(hub.asks(180, step=60)) == 1


def test_a_channel_that_left_is_unsubscribed_at_its_own_address_and_forgotten():
    hub = Hub(ids(2))
    for _, form in hub.asks(5):
        hub.confirm(form["hub.topic"].rpartition("=")[2])
    hub.push.changes()
    hub.push.watch(ids(1))
    [(_, form)] = hub.asks(5)
    assert form["hub.mode"] == "unsubscribe"
    assert form["hub.callback"].split("/")[-2] == ids(2)[1]
    hub.asks(5)
    assert hub.push.changes() == {ids(2)[1]: None}


def test_what_another_process_knew_is_not_asked_for_again():
    first = Hub(ids(10))
    for _, form in first.asks(20):
        first.confirm(form["hub.topic"].rpartition("=")[2])
    kept = first.push.changes()
    assert len(kept) == 10
    second = Hub(ids(11), **kept)
    assert [form["hub.topic"] for _, form in second.asks(60)] == [topic_of(ids(11)[10])]
    assert second.push.standing == 10


def test_another_public_address_is_subscribed_anew():
    first = Hub(ids(1))
    first.asks()
    first.confirm(ids(1)[0])
    second = WebSub(Options(api_key=Secret("k")), TOOLS, "https://other.example/hooks/youtube")
    second.watch(ids(1))
    second.load(first.push.changes())
    assert second.next(first.now) is None
    ask = second.next(first.now + NEW)
    assert b"other.example" in ask.body


def test_another_hub_is_subscribed_anew():
    first = Hub(ids(1))
    first.asks()
    first.confirm(ids(1)[0])
    second = WebSub(Options(api_key=Secret("k"), hub_url="https://hub.example/"), TOOLS, CALLBACK)
    second.watch(ids(1))
    second.load(first.push.changes())
    assert second.next(first.now) is None
    assert second.next(first.now + NEW).url == "https://hub.example/"


def test_what_cannot_be_read_of_what_was_remembered_is_asked_for_anew():
    hub = Hub(ids(1), **{ids(1)[0]: '{"state":"from the future"}'})
    assert len(hub.asks()) == 1


@given(text=st.text(max_size=12))
def test_no_lease_is_believed_that_is_longer_or_shorter_than_makes_sense(text):
    assert timedelta(minutes=5) <= lease(text, NOON) - NOON <= LONGEST


def test_without_a_public_address_it_says_so_and_switched_off_it_says_nothing():
    assert "[public] url" in WebSub.lacking(Options(), "")
    assert WebSub.lacking(Options(), "https://x.example") == ""
    assert WebSub.lacking(Options(push=False), "") is None


# --- receiving --------------------------------------------------------------------------------------------------------


def hook(directory=None):
    return WebSubHook(Options(), {CHANNEL: "youtube:ana"} if directory is None else directory, TOOLS)


def path(channel=CHANNEL):
    return f"{channel}/{token_of(PSEUDONYM, channel)}"


def question(mode="subscribe", channel=CHANNEL, **more):
    query = {"hub.mode": mode, "hub.topic": topic_of(channel), "hub.challenge": "c0ffee", "hub.lease_seconds": "432000", **more}
    return Request(body=b"", method="GET", path=path(channel), query=query)


def told(body, channel=CHANNEL, algorithm="sha1", **more):
    signature = hmac.new(secret_of(PSEUDONYM, channel).encode(), body, algorithm).hexdigest()
    return Request(body=body, path=path(channel), headers={"x-hub-signature": f"{algorithm}={signature}"}, **more)


def test_the_question_about_one_of_our_channels_is_answered_with_the_challenge():
    answer = hook().receive(question(), NOON)
    assert (answer.status, answer.body) == (200, b"c0ffee")
    [hint] = answer.hints
    assert (hint.what, hint.native_id, hint.until) == ("subscribed", CHANNEL, NOON + LEASE)


@pytest.mark.parametrize(
    "asked",
    [
        question(**{"hub.topic": topic_of(OTHER)}),
        question(**{"hub.topic": "https://www.youtube.com/feeds/videos.xml?channel_id=" + CHANNEL + "&x=1"}),
        question(channel=OTHER),
        question(mode="unsubscribe"),  # we want this one
        question(mode="publish"),
        question(**{"hub.challenge": ""}),
        dataclasses.replace(question(), path=f"{CHANNEL}/{'0' * 24}"),
        dataclasses.replace(question(), path=f"{CHANNEL}/{token_of(PSEUDONYM, OTHER)}"),
        dataclasses.replace(question(), path=CHANNEL),
        dataclasses.replace(question(), path=""),
    ],
)
def test_no_other_question_is_confirmed(asked):
    answer = hook().receive(asked, NOON)
    assert 400 <= answer.status < 500
    assert answer.body == b""
    assert answer.hints == ()


def test_the_end_of_a_subscription_is_confirmed_for_a_channel_that_left():
    answer = hook({}).receive(question(mode="unsubscribe"), NOON)
    assert (answer.status, answer.body) == (200, b"c0ffee")
    assert [hint.what for hint in answer.hints] == ["revoked"]


def test_a_denial_is_taken_note_of():
    answer = hook().receive(question(mode="denied"), NOON)
    assert answer.status == 200
    assert [hint.what for hint in answer.hints] == ["denied"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_a_signed_notification_is_a_video_to_look_at(algorithm):
    answer = hook().receive(told(feed(), algorithm=algorithm), NOON)
    assert answer.status == 200
    assert [(hint.what, hint.native_id, hint.broadcast) for hint in answer.hints] == [("look", CHANNEL, VIDEO)]
    assert answer.events == ()


def test_a_deleted_video_is_a_broadcast_that_ended():
    [hint] = hook().receive(told(GONE), NOON).hints
    assert (hint.what, hint.broadcast) == ("ended", VIDEO)


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {}},
        {"headers": {"x-hub-signature": "sha1="}},
        {"headers": {"x-hub-signature": "md5=" + hashlib.md5(feed(), usedforsecurity=False).hexdigest()}},
        {"headers": {"x-hub-signature": "sha1=" + hmac.new(b"guess", feed(), "sha1").hexdigest()}},
        {"headers": told(feed(), channel=OTHER).headers},
        {"body": feed() + b" "},
        {"method": "PUT"},
        {"path": f"{CHANNEL}/guess"},
        {"body": b"x" * 300_000},
    ],
)
def test_what_is_not_proven_is_refused(changed):
    answer = hook().receive(dataclasses.replace(told(feed()), **changed), NOON)
    assert 400 <= answer.status < 500
    assert answer.hints == ()
    assert answer.reason


def test_a_channel_that_left_and_anothers_video_are_taken_and_forgotten():
    assert hook({}).receive(told(feed()), NOON) == hook({}).receive(told(feed()), NOON)
    assert hook({}).receive(told(feed()), NOON).hints == ()
    assert hook().receive(told(feed(channel=OTHER)), NOON).hints == ()


def test_what_cannot_be_read_is_a_success_so_that_the_hub_does_not_repeat_it():
    answer = hook().receive(told(b"<feed>"), NOON)
    assert (answer.status, answer.reason, answer.hints) == (200, "not_xml", ())


# --- all of it, with the hub ---------------------------------------------------------------------------------------------

SIM = [SimChannel(livestream=f"youtube:channel{n}", platform="youtube", handle=f"channel{n}", country="BR") for n in range(4)]


def channels(number):
    return [
        Channel(
            id=f"youtube:channel{n}", attendee=str(n), name=f"c{n}", country="BR", language="pt", platform="youtube", handle=f"channel{n}",
            consent="yes",
        )
        for n in range(number)
    ]  # fmt: skip


class World:
    """A simulated YouTube with its hub, a serve that receives and a collector that discovers; the clock is the test's."""

    def __init__(self, journal, url, folder, clock):
        self.journal, self.clock, self.folder = journal, clock, folder
        self.air = Airtime([1.0] * len(SIM), random.Random(1), self.unix(), tags=("#OurSummit",))
        for number in range(len(SIM)):
            self.air.go_offline(number)
        self.youtube = YouTubeServer(SIM, self.air, dice=random.Random(2), clock=self.unix)
        self.youtube.hub.retry_seconds = 0.0
        self.events, self.memory = [], ProcessMemory()
        self.tools = Tools(
            pseudonym=make_pseudonym(author_key(folder)),
            now=clock.now,
            dice=random.Random(1),
            memory=self.memory,
            sleep=self.sleep,
        )
        self.hooks = Hooks(lambda: Producer(url, folder / "spool", 2, name="serve"), self.tools, now=clock.now, put_seconds=60)
        self.public = ""

    async def sleep(self, seconds):
        await asyncio.sleep(0)

    def unix(self):
        return self.clock.now().timestamp()

    async def open(self):
        app = web.Application()
        self.hooks.add_routes(app.router)
        self.serve = TestServer(app)
        await self.serve.start_server()
        self.public = str(self.serve.make_url("")).rstrip("/")
        base = f"http://127.0.0.1:{await self.youtube.start()}"
        options = {
            "api_key": Secret(KEY), "url": f"{base}/youtube/v3", "hub_url": f"{base}/websub/subscribe", "units_per_day": 10_000,
            "active_hours": 24.0,
        }  # fmt: skip
        config = Config(
            event=Event(name="Test", timezone=ZoneInfo("UTC"), hashtags=("#OurSummit",)),
            platforms={"youtube": Platform(name="youtube", options=options)},
            scope=Scope(hours="always"), public=Public(url=self.public),
        )  # fmt: skip
        self.setup = Setup(config=config, roster=Roster(channels=tuple(channels(len(SIM)))))
        await self.hooks.reconfigure(config, self.setup.roster)
        self.session = rest.client()

    async def close(self):
        await self.session.close()
        await self.youtube.stop()
        await self.serve.close()
        await self.hooks.close()

    async def fetch(self, ask):
        return await rest.send(self.session, ask)

    async def put(self, events):
        self.events += events

    async def discovery(self, token="one"):
        made = Discovery(
            self.journal, self.put, lambda: self.setup, self.fetch, self.tools, token=token, public=lambda: self.public
        )
        assert await made.claim()
        return made

    async def pass_time(self, discovery, seconds):
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.youtube.tick()
            await self.youtube.hub.settled()
            await discovery.turn()
            await discovery.push()
            await self.hooks.look_at_channels(self.journal.redis)
            await self.youtube.hub.settled()

    def live(self):
        return {event.livestream for event in self.events if isinstance(event, Status) and event.state == "live"}

    @property
    def units(self):
        return sum(self.youtube.spent.values())


@pytest.fixture
async def world(valkey, redis_client, clock, tmp_path):
    journal = Journal(valkey, partitions=2)
    await journal.prepare()
    made = World(journal, valkey, tmp_path, clock)
    await made.open()
    yield made
    await made.close()
    await journal.close()


async def test_a_broadcast_that_nobody_announced_is_found_by_push_within_seconds_and_for_one_unit(world):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    assert len(world.youtube.hub.subscriptions) == len(SIM)
    assert discovery.pushes.pushers["youtube"].standing == len(SIM)
    before, began = world.units, world.unix()
    world.air.go_live(1, began)
    while "youtube:channel1" not in world.live() and world.unix() < began + 120:
        await world.pass_time(discovery, 1)
    assert world.live() == {"youtube:channel1"}
    assert world.unix() - began <= 15
    assert world.units - before == 1
    await world.pass_time(discovery, 1)
    assert await PushStore(world.journal.redis).heard() == {}


async def test_what_is_told_about_several_channels_together_is_one_question(world):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    before = world.units
    for number in range(len(SIM)):
        world.air.go_live(number, world.unix())
    await world.pass_time(discovery, 15)
    assert len(world.live()) == len(SIM)
    assert world.units - before == 1


async def test_everything_told_twice_and_wrongly_signed_changes_nothing(world):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    world.youtube.hub.wrong_signature = True
    world.air.go_live(0, world.unix())
    await world.pass_time(discovery, 10)
    assert world.youtube.hub.sent[-1] == 403
    assert world.live() == set()
    world.youtube.hub.wrong_signature, world.youtube.hub.everything_twice = False, True
    world.air.go_live(1, world.unix())
    before = world.units
    await world.pass_time(discovery, 15)
    assert world.live() == {"youtube:channel1"}
    assert [event.state for event in world.events if isinstance(event, Status)] == ["live"]
    assert world.units - before <= 2


async def test_subscriptions_survive_a_restart(world):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    asked = len(world.youtube.hub.asked)
    await discovery.resign()
    again = await world.discovery("two")
    await world.pass_time(again, 20)
    assert len(world.youtube.hub.asked) == asked
    assert again.pushes.pushers["youtube"].standing == len(SIM)


async def test_a_confirmation_waits_for_the_one_who_asked(world):
    discovery = await world.discovery()
    await discovery.turn()
    channel = channel_id(SIM[0])
    hint = Hint(what="subscribed", native_id=channel, at=world.clock.now(), key=channel, until=world.clock.now() + LEASE)
    await discovery.pushes.store.tell("youtube", [hint])
    await discovery.turn()
    assert len(await discovery.pushes.store.heard()) == 1
    await discovery.push()
    await discovery.turn()
    assert await discovery.pushes.store.heard() == {}
    await discovery.push()
    assert discovery.pushes.pushers["youtube"].standing == 1


async def test_a_hub_that_is_away_leaves_the_sweeps(world):
    world.youtube.hub.trouble = [503] * 1000
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    assert world.youtube.hub.subscriptions == {}
    assert "503" in discovery.pushes.pushers["youtube"].trouble
    every = discovery.asking["youtube"].discoverer._sweep_every()
    world.air.go_live(0, world.unix())
    for _ in range(5):
        world.clock.advance(every.total_seconds() / 4)
        await world.pass_time(discovery, 2)
    assert world.live() == {"youtube:channel0"}


async def test_a_channel_that_left_the_roster_is_unsubscribed(world):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)
    world.setup = Setup(config=world.setup.config, roster=Roster(channels=tuple(channels(2))))
    await world.hooks.reconfigure(world.setup.config, world.setup.roster)
    await world.pass_time(discovery, 10)
    assert {topic for _, topic in world.youtube.hub.subscriptions} == {topic_of(channel_id(one)) for one in SIM[:2]}


async def test_while_redis_is_away_the_hub_is_told_to_come_again(world, tmp_path):
    discovery = await world.discovery()
    await world.pass_time(discovery, 20)

    class Away:
        async def tell(self, platform, hints):
            raise ConnectionError

    world.hooks._pushes = Away()
    channel = channel_id(SIM[0])
    body = feed(channel=channel)
    signature = hmac.new(secret_of(world.tools.pseudonym, channel).encode(), body, "sha1").hexdigest()
    where = f"{world.public}/hooks/youtube/{channel}/{token_of(world.tools.pseudonym, channel)}"
    async with world.session.post(where, data=body, headers={"X-Hub-Signature": f"sha1={signature}"}) as reply:
        assert reply.status == 503
        assert "Retry-After" in reply.headers


async def test_without_a_public_address_nothing_is_subscribed_and_it_is_said_once(world, caplog):
    world.public = ""
    discovery = await world.discovery()
    with caplog.at_level("INFO"):
        await world.pass_time(discovery, 5)
    assert world.youtube.hub.asked == []
    assert sum("[public] url" in record.getMessage() for record in caplog.records) == 1


def test_no_secret_is_in_what_is_shown_or_remembered():
    hub = Hub(ids(1))
    ask = hub.push.next(hub.now)
    hub.push.take(Reply(status=202), hub.now)
    hub.confirm(ids(1)[0])
    shown = f"{ask!r} {hub.push!r} {hub.push.changes()!r} {hub.push.trouble}"
    assert secret_of(PSEUDONYM, ids(1)[0]) not in shown
