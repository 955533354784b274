"""The simulated YouTube: what it answers, what it charges, and that the connector reads from it exactly what the ledger says."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import rest
from connectors.connector import Broadcast, Mark, Resume, Secret, Target, Tools, Watch
from connectors.event import Gap, Gift, Level, Message, Removed
from connectors.rest import Ask
from connectors.simulator import livechat
from connectors.simulator.air import Airtime
from connectors.simulator.chatlog import SHOWN, ChatLog
from connectors.simulator.ledger import Ledger
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.run import Simulator
from connectors.simulator.texts import Text
from connectors.simulator.youtube import COSTS, KEY, YouTubeServer
from connectors.youtube import Options, YouTube
from connectors.youtube.problems import judge
from connectors.youtube.quota import COSTS as CHARGED
from connectors.youtube.videos import read_videos

CHANNELS = [SimChannel(livestream=f"youtube:c{n}", platform="youtube", handle=f"C{n}", country="BR") for n in range(7)]
NOON = 1_792_238_400.0
"""2026-10-17 12:00 UTC, 05:00 in California."""


class World:
    """A server whose clock the test moves."""

    def __init__(self, **more):
        self.now = NOON
        self.air = Airtime([1.0] * len(CHANNELS), random.Random(1), self.now, tags=("#OurSummit",), run="0000abcd")
        self.recorded = []
        self.server = YouTubeServer(
            CHANNELS, self.air, dice=random.Random(2), clock=lambda: self.now,
            record=lambda sent, delivered: self.recorded.append((sent, delivered)), **more,
        )  # fmt: skip
        self.said = 0

    async def open(self):
        self.url = f"http://127.0.0.1:{await self.server.start()}/youtube/v3"
        self.session = rest.client(environment=False)

    async def close(self):
        await self.session.close()
        await self.server.stop()

    async def ask(self, method, key=KEY, **query):
        words = "&".join(f"{name}={value}" for name, value in {**query, "key": key}.items())
        return await rest.send(self.session, Ask(url=f"{self.url}/{method}?{words}"))

    async def found(self, method, **query):
        reply = await self.ask(method, **query)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def video(self, index=0):
        return self.server.rooms[index].now

    def say(self, index=0, kind="message", **more):
        self.said += 1
        member = make_member(random.Random(self.said), self.said, "en", 1)
        sent = Sent(
            kind, int(self.now * 1000) + self.said, f"n{self.said}", index, member, text=Text(f"text {self.said} – 你好"), **more
        )
        self.server.deliver([sent])
        return sent


@pytest.fixture
async def world():
    made = World()
    await made.open()
    yield made
    await made.close()


# --- questions about channels and videos ------------------------------------------------------------------------------


async def test_a_handle_leads_to_the_channel_its_uploads_and_the_video_that_is_live(world):
    channel = (await world.found("channels", part="id,snippet,contentDetails", forHandle="@c1"))["items"][0]
    uploads = channel["contentDetails"]["relatedPlaylists"]["uploads"]
    items = (await world.found("playlistItems", part="contentDetails", playlistId=uploads))["items"]
    names = [item["contentDetails"]["videoId"] for item in items]
    reply = await world.ask("videos", part="snippet,liveStreamingDetails,statistics", id=",".join(names))
    video = next(video for video in read_videos(reply.body) if video.state == "live")
    assert (video.id, video.chat_id, video.channel) == (world.video(1).id, world.video(1).chat.id, channel["id"])
    assert video.viewers > 0
    assert "#OurSummit" in video.title


async def test_an_unknown_handle_is_an_answer_without_items(world):
    assert "items" not in await world.found("channels", part="id", forHandle="@nobody")


async def test_fifty_ids_are_one_unit_and_fifty_one_are_refused(world):
    await world.found("videos", part="id", id=",".join(f"video{n:06}" for n in range(50)))
    assert sum(world.server.spent.values()) == 1
    assert (await world.ask("videos", part="id", id=",".join(f"video{n:06}" for n in range(51)))).status == 400


async def test_only_the_parts_that_were_asked_for_are_answered(world):
    item = (await world.found("videos", part="snippet", id=world.video().id))["items"][0]
    assert item.keys() == {"kind", "id", "snippet"}


async def test_a_broadcast_ends_and_the_next_one_has_another_id_or_the_announced_one(world):
    first, other = world.video(0), world.video(1)
    announced = next(video for video in world.server.rooms[0].videos if video.started is None)
    said = read_videos((await world.ask("videos", part="snippet,liveStreamingDetails", id=announced.id)).body)[0]
    assert (said.state, said.scheduled_at.timestamp()) == ("upcoming", int(announced.scheduled))
    world.air.new_day(world.now)
    world.server.tick()
    assert world.video(0) is announced, "who announced a broadcast begins it under its id"
    assert world.video(1).id != other.id
    states = {video.id: video.state for video in read_videos(
        (await world.ask("videos", part="snippet,liveStreamingDetails", id=f"{first.id},{announced.id}")).body)}  # fmt: skip
    assert states == {first.id: "ended", announced.id: "live"}


# --- who may ask, and how often ---------------------------------------------------------------------------------------


async def test_a_wrong_key_and_a_spent_day_are_refused_as_the_real_one_does(world):
    wrong = await world.ask("videos", key="another", part="id", id="x")
    assert judge(wrong.status, wrong.body, None, None).meaning == "key"
    world.server.units_per_day = 6
    chat = {"part": "id", "liveChatId": world.video().chat.id}
    await world.found("liveChat/messages", **chat)
    await world.found("videos", part="id", id="x")
    spent = await world.ask("videos", part="id", id="x")
    assert spent.status == 403
    assert json.loads(spent.body)["error"]["errors"][0]["reason"] == "quotaExceeded"
    assert (sum(world.server.spent.values()), world.server.refused) == (6, 1)
    world.now += 20 * 3600  # past midnight in California
    await world.found("videos", part="id", id="x")


def test_it_charges_what_the_connector_expects():
    assert COSTS == CHARGED


# --- chats ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 300))
def test_a_token_goes_on_where_its_page_ended_and_without_one_the_recent_history_comes(before, after, age):
    log = ChatLog("chat", "video______")
    for number in range(before):
        log.append(b"%d" % number, 0.0)
    token = json.loads(log.page(log.recent(), log.end))["nextPageToken"]
    assert json.loads(log.page(log.recent(), log.end))["items"] == list(range(max(0, before - SHOWN), before))
    for number in range(before, before + after):
        log.append(b"%d" % number, age)
    log.wake(float(age))
    place = log.place_of(token)
    if place is not None:
        assert json.loads(log.page(place, log.end))["items"] == list(range(before, before + after))
    else:
        assert log.first > before, "only what was forgotten cannot be resumed"
    assert log.place_of("x" + token) is None


async def test_a_chat_that_is_over_or_unknown_or_switched_off_is_refused_with_its_own_word(world):
    video, meanings = world.video(), []
    for change in ("none", "off", "over", "token"):
        if change == "off":
            video.has_chat = False
        if change == "over":
            video.has_chat = True
            world.air.go_offline(0)
            world.server.tick()
        query = {"pageToken": "never-given"} if change == "token" else {}
        reply = await world.ask(
            "liveChat/messages/stream", part="id", liveChatId="nochat" if change == "none" else video.chat.id, **query
        )
        meanings.append(judge(reply.status, reply.body, None, None, token=bool(query)).meaning)
    assert meanings == ["gone", "disabled", "ended", "token"]


async def test_nobody_can_write_where_nothing_is_live(world):
    world.air.go_offline(3)
    world.server.tick()
    world.say(3)
    assert world.recorded == []


# --- with the connector -----------------------------------------------------------------------------------------------


def connector(urls, channels, simulator, resumes=None):
    targets = [
        Target(
            livestream=one.livestream, handle=one.handle, native_id=livechat.channel_id(one),
            broadcasts=tuple(broadcast(video) for video in room.videos if video.live), resume=(resumes or {}).get(one.livestream, Resume()),
        )
        for one, room in zip(channels, simulator.platforms["youtube"].server.rooms, strict=True)
    ]  # fmt: skip
    options = Options(api_key=Secret(KEY), url=urls["youtube"], opens_per_second=100, retry_seconds=0.01)
    return YouTube(options, Watch(targets), Tools(pseudonym=lambda _, author: author))


def broadcast(video):
    return Broadcast(native_id=video.id, chat_id=video.chat.id)


class Reader:
    """Reads until it is told to stop; keeps events by id and the cursors."""

    def __init__(self):
        self.events, self.cursors, self.repeated = {}, {}, 0

    async def read(self, made):
        async with aclosing(made.events()) as events:
            async for item in events:
                if isinstance(item, Mark):
                    self.cursors |= {name: Resume(cursor=item.cursor) for name in item.livestreams}
                elif hasattr(item, "received_at"):
                    self.repeated += item.id in self.events
                    self.events[item.id] = item


async def settle(simulator, reader, seconds, now):
    """Play for so many seconds of the crowd's time, then until nothing new comes."""
    for _ in range(round(seconds * 10)):
        now[0] += 0.1
        simulator.step()
        await asyncio.sleep(0)
    known = -1
    while known != len(reader.events):
        known = len(reader.events)
        for _ in range(20):
            simulator.platforms["youtube"].server.tick()
            await asyncio.sleep(0.01)


async def test_what_the_connector_reads_is_what_the_ledger_says_also_when_every_connection_is_cut(tmp_path):
    now = [NOON]
    simulator = Simulator(CHANNELS, rate=60.0, seed=5, ledger_dir=tmp_path, clock=lambda: now[0])
    urls = await simulator.start()
    reader = Reader()
    try:
        made = connector(urls, CHANNELS, simulator)
        task = asyncio.create_task(reader.read(made))
        async with asyncio.timeout(30):
            while simulator.platforms["youtube"].server.readers < len(CHANNELS):
                await asyncio.sleep(0.01)
        await settle(simulator, reader, 40, now)
        assert simulator.platforms["youtube"].server.drop_all() == len(CHANNELS)
        await settle(simulator, reader, 20, now)
        task.cancel()  # killed: another one goes on from the cursors
        await asyncio.gather(task, return_exceptions=True)
        for _ in range(50):
            now[0] += 0.1
            simulator.step()
        task = asyncio.create_task(reader.read(connector(urls, CHANNELS, simulator, reader.cursors)))
        async with asyncio.timeout(30):
            while simulator.platforms["youtube"].server.readers < len(CHANNELS):
                await asyncio.sleep(0.01)
        await settle(simulator, reader, 20, now)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        await simulator.stop()
    likes = {line.id: line.units for line in Ledger.read(tmp_path) if line.kind == "reaction"}
    assert likes.keys() == {f"youtube:{room.now.id}:likes" for room in simulator.platforms["youtube"].server.rooms}
    for event in reader.events.values():
        if isinstance(event, Level):
            assert event.value == likes[event.id.rpartition(":")[0]]
    lines = [line for line in Ledger.read(tmp_path) if line.kind not in ("notice", "reaction")]
    counted = {event.id: event for event in reader.events.values() if isinstance(event, (Message, Gift, Removed))}
    assert counted.keys() == {line.id for line in lines}
    assert all(line.delivered for line in lines)
    assert not any(isinstance(event, Gap) for event in reader.events.values())
    for line in lines:
        event = counted[line.id]
        assert (event.livestream, round(event.at.timestamp() * 1000)) == (line.livestream, line.at)
        if isinstance(event, Message):
            assert event.text == line.text
        if isinstance(event, Gift):
            assert event.count == line.units
    kinds = Counter(line.kind for line in lines)
    assert kinds["comment"] > 3000
    assert kinds["gift"] > 5
    assert kinds["removed"] > 3


@pytest.mark.parametrize(
    ("kind", "more", "found"),
    [
        ("message", {}, [("comment", "")]),
        ("bits", {"units": 100}, [("comment", ""), ("gift", ":superchat")]),
        ("bits", {"units": 1}, [("gift", ":supersticker")]),
        ("sub", {}, [("gift", ":membership")]),
        ("resub", {}, [("comment", "")]),
        ("mystery", {"units": 20}, [("gift", ":membership_gift")]),
        ("raid", {"units": 20}, [("gift", ":gift")]),
        ("ban", {}, [("removed", ":banned")]),
    ],
)
def test_each_kind_is_in_the_ledger_as_the_connector_makes_it(kind, more, found):
    world = World()
    world.server.rooms[0].now.chat.append(b"{}", NOON)
    sent = world.say(kind=kind, **more)
    entries = livechat.entries(sent)
    own = f"youtube:{livechat.item_id(sent)}"
    assert [(entry.kind, entry.id) for entry in entries] == [(kind, own + suffix) for kind, suffix in found]
    events = YouTube.parse(livechat.item(sent, "chat"), Tools(pseudonym=lambda _, author: author))
    assert [event.id for event in events] == [entry.id for entry in entries]
