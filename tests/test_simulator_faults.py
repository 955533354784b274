"""The plan of faults: what each fault does to Twitch, Helix, Jetstream and YouTube, and the handles by which it is changed meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulating import Clock
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from connectors.connector import Broadcast, Mark, Resume, Secret, Target, Tools, Watch
from connectors.event import Message
from connectors.simulator.faults import Faults, Mishaps, read_faults
from connectors.simulator.livechat import channel_id
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.platform import PLATFORMS
from connectors.simulator.run import WRONG_ONE_IN, Simulator
from connectors.simulator.texts import Text
from connectors.youtube import Options, YouTube
from connectors.youtube.videos import read_videos

NOON = 1_795_000_000.0
CHANNELS = [
    SimChannel(livestream="twitch:t", platform="twitch", handle="t", native_id="77"),
    SimChannel(livestream="bluesky:b", platform="bluesky", handle="b.example.com"),
    SimChannel(livestream="youtube:y", platform="youtube", handle="yyy"),
    SimChannel(livestream="youtube:z", platform="youtube", handle="zzz"),
]
MEMBER = make_member(random.Random(3), 5, "en", 1)
LOGIN = "CAP REQ :twitch.tv/tags twitch.tv/commands\r\nPASS oauth:x\r\nNICK justinfan77\r\nJOIN #t\r\n"


@asynccontextmanager
async def playing(**more):
    clock = Clock(NOON)
    simulator = Simulator(CHANNELS, rate=0.0, seed=6, clock=clock, **more)
    simulator.told = await simulator.start()
    try:
        yield simulator, clock
    finally:
        await simulator.stop()


def says(room, number, kind="message"):
    return Sent(kind, int(NOON * 1000) + number, f"{number:x}", room, MEMBER, text=Text(f"word {number}"))


def plan(simulator, **faults):
    query = "&".join(f"{name}={value}" for name, value in faults.items())
    status, body = simulator.control(f"/control/faults?{query}")
    assert status == 200, body


async def until(true, simulator, clock):
    async with asyncio.timeout(30):
        while not true():
            clock.now += 0.1
            simulator.step()
            await asyncio.sleep(0.001)


# --- the plan itself --------------------------------------------------------------------------------------------------


@given(st.sampled_from(["drop", "stall", "half", "garbage", "repeat", "reorder"]), st.integers(0, 100), st.integers(0, 2**32))
def test_a_chance_is_kept_and_nothing_else_happens(fault, percent, seed):
    mishaps = Mishaps(Faults(**{fault: percent / 100}), random.Random(seed), lambda: 0.0)
    fates = [mishaps.fate() for _ in range(400)]
    assert set(fates) <= {"", fault}
    assert abs(fates.count(fault) / 400 - percent / 100) < 0.15
    assert not mishaps.refusal()
    assert not mishaps.forges()


@given(st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(Faults)] + ["nonsense"]), st.text(max_size=8)))
def test_whatever_is_asked_is_either_a_plan_or_a_sentence(query):
    try:
        made = read_faults(query, Faults())
    except ValueError as error:
        assert " " in str(error)  # noqa: PT017 — either is right, but nothing else
    else:
        assert all(0 <= getattr(made, name) <= 1 for name in ("drop", "stall", "half", "garbage", "repeat", "reorder", "refuse"))
        assert 400 <= made.status < 600


@given(st.binary(min_size=2, max_size=300), st.integers(0, 2**32))
def test_half_of_something_is_its_beginning_and_never_the_whole(whole, seed):
    half = Mishaps(Faults(), random.Random(seed), lambda: 0.0).cut(whole)
    assert whole.startswith(half)
    assert 0 < len(half) < len(whole)


@given(st.integers(0, 100), st.integers(0, 50), st.integers(0, 2**32))
def test_who_connects_anew_is_told_the_end_again_and_only_of_what_was_told_there(percent, number, seed):
    mishaps = Mishaps(Faults(overlap=percent / 100), random.Random(seed), lambda: 0.0)
    told = list(range(number))
    mishaps.went_out("here", *told)
    assert mishaps.again("elsewhere") == []
    again = mishaps.again("here")
    assert again == told[len(told) - len(again) :], "a span, not single things"
    assert abs(len(again) - number * percent / 100) < 1
    mishaps.went_out("here", "new")
    mishaps.set(Faults(overlap=1.0))
    assert mishaps.again("here") == ([*again, "new"] if percent else []), "what was told again was told on that connection, too"
    mishaps.calm()
    mishaps.went_out("here", "forgotten")
    mishaps.set(Faults())
    assert mishaps.again("here") == []


def test_who_only_calls_begins_anew_as_often_as_connections_are_cut_and_only_where_the_end_is_told_again():
    now = 0.0
    mishaps = Mishaps(Faults(overlap=0.5, drop_every=10.0), random.Random(3), lambda: now)
    times = 0
    for tick in range(10_000):
        now = tick / 10
        times += mishaps.begins_anew()
    assert 70 < times < 130
    for calm in (Faults(overlap=0.5), Faults(drop_every=0.001)):
        mishaps.set(calm)
        for second in range(2000, 3000):
            now = float(second)
            assert not mishaps.begins_anew()
    mishaps.set(Faults(overlap=0.5, drop_every=10.0))
    assert not mishaps.begins_anew(), "the time before counts for nothing"


async def test_a_plan_for_some_seconds_ends_by_itself_and_calm_ends_any():
    async with playing() as (simulator, clock):
        plan(simulator, platform="youtube", quota=1, seconds=30)
        assert simulator.mishaps["youtube"].faults.quota
        assert not simulator.mishaps["twitch"].faults.quota
        clock.now += 31
        assert simulator.mishaps["youtube"].faults == Faults()
        plan(simulator, drop=0.5)
        assert all(mishaps.faults.drop == 0.5 for mishaps in simulator.mishaps.values())
        assert simulator.control("/control/calm")[0] == 200
        assert all(mishaps.faults == Faults() for mishaps in simulator.mishaps.values())
        shown = json.loads(simulator.control("/control/faults")[1])
        assert shown.keys() == PLATFORMS.keys()


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("platform=myspace&drop=1", "myspace"), ("platform=twitch&dorp=1", "dorp"), ("drop=2", "chance"), ("status=200", "status"),
        ("seconds=x&drop=1", "seconds"), ("quota=maybe", "quota"), ("retry_after=soon", "number"),
    ],
)  # fmt: skip
async def test_a_mistake_in_a_plan_is_named_and_changes_nothing(query, word):
    async with playing() as (simulator, _):
        status, body = simulator.control(f"/control/faults?{query}")
        assert status == 400
        assert word in body
        assert all(mishaps.faults == Faults() for mishaps in simulator.mishaps.values())


# --- Twitch -----------------------------------------------------------------------------------------------------------


async def chat(simulator, clock, ws, numbers):
    """What arrives of these messages, each sent in a step of its own, until the last or the end."""
    lines, task = [], asyncio.create_task(read(ws))
    await until(lambda: simulator.platforms["twitch"].chat.rooms[0].clients, simulator, clock)
    for number in numbers:
        simulator.platforms["twitch"].deliver([says(0, number)])
        for _ in range(3):
            clock.now += 0.1
            simulator.step()
            await asyncio.sleep(0.002)
    await ws.close()
    lines = await task
    return [line for line in lines if "PRIVMSG" in line]


async def read(ws):
    lines = []
    try:
        async for frame in ws:
            lines += frame.split("\r\n")
    except ConnectionClosed as error:
        lines.append(f"closed {error.rcvd}")
    return lines


@pytest.mark.parametrize(("fault", "times"), [("repeat", 2), ("garbage", 1), ("reorder", 1)])
async def test_a_chat_that_repeats_garbles_or_reorders_loses_nothing(fault, times):
    async with playing() as (simulator, clock), connect(simulator.told["twitch"]) as ws:
        await ws.send(LOGIN)
        await until(lambda: simulator.platforms["twitch"].chat.rooms[0].clients, simulator, clock)
        plan(simulator, platform="twitch", **{fault: 1})
        got = [line.rpartition(":")[2] for line in await chat(simulator, clock, ws, range(6))]
        assert {got.count(f"word {number}") for number in range(6)} == {times}
        assert (got == sorted(got)) is (fault != "reorder")


@pytest.mark.parametrize("fault", ["drop", "half"])
async def test_a_chat_is_cut_in_the_middle(fault):
    async with playing() as (simulator, clock), connect(simulator.told["twitch"]) as ws:
        await ws.send(LOGIN)
        await until(lambda: simulator.platforms["twitch"].chat.rooms[0].clients, simulator, clock)
        plan(simulator, platform="twitch", **{fault: 1})
        simulator.platforms["twitch"].deliver([says(0, 1)])
        task = asyncio.create_task(read(ws))
        await until(task.done, simulator, clock)
        assert task.result()[-1] == "closed None"  # no close frame
        assert not any("word 1" in line for line in task.result())


async def test_a_chat_that_is_joined_anew_begins_with_the_end_of_what_was_said_before():
    async with playing() as (simulator, clock):
        plan(simulator, platform="twitch", overlap=0.5)
        async with connect(simulator.told["twitch"]) as ws:
            await ws.send(LOGIN)
            first = await chat(simulator, clock, ws, range(10))
        await until(lambda: not simulator.platforms["twitch"].chat.rooms[0].clients, simulator, clock)
        async with connect(simulator.told["twitch"]) as ws:
            await ws.send(LOGIN)
            again = await chat(simulator, clock, ws, [10])
        assert again[:-1] == first[5:], "word for word, the same ids and times"
        assert again[-1].endswith("word 10")


async def test_a_stalled_chat_comes_later_and_whole():
    async with playing() as (simulator, clock), connect(simulator.told["twitch"]) as ws:
        await ws.send(LOGIN)
        await until(lambda: simulator.platforms["twitch"].chat.rooms[0].clients, simulator, clock)
        plan(simulator, platform="twitch", stall=1, stall_seconds=60)
        simulator.platforms["twitch"].deliver([says(0, 1)])
        began, got = clock.now, []

        async def one():
            async for frame in ws:
                if "word 1" in frame:
                    got.append(clock.now)
                    return

        task = asyncio.create_task(one())
        await until(task.done, simulator, clock)
        assert got[0] - began >= 60


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_refused_chat_jetstream_and_api_answer_with_that_status(status):
    async with playing(faults=Faults(refuse=1.0, status=status)) as (simulator, _):
        for name in ("twitch", "jetstream"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(simulator.told[name])
            assert caught.value.response.status_code == status
        async with aiohttp.ClientSession() as session:
            for url in (
                f"{simulator.told['helix']}/helix/users?login=t",
                f"{simulator.told['youtube']}/videos?id=x&key=simulated-key",
            ):
                async with session.get(url) as answer:
                    assert answer.status == status
                    assert (await answer.json())["error"]


async def test_helix_without_points_answers_429_and_when_to_come_again():
    async with playing() as (simulator, _), aiohttp.ClientSession() as session:
        form = {"client_id": "simulated", "client_secret": "simulated-secret", "grant_type": "client_credentials"}
        async with session.post(f"{simulator.told['helix']}/oauth2/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        plan(simulator, platform="twitch", quota=1)
        headers = {"Authorization": f"Bearer {token}", "Client-Id": "simulated"}
        async with session.get(f"{simulator.told['helix']}/helix/users?login=t", headers=headers) as answer:
            assert answer.status == 429
            assert int(answer.headers["Ratelimit-Reset"]) > NOON


@pytest.mark.parametrize(
    ("fault", "found"), [("half", aiohttp.ClientError), ("drop", aiohttp.ClientError), ("garbage", ValueError)]
)
async def test_an_answer_breaks_off_is_not_there_or_is_no_json(fault, found):
    async with playing() as (simulator, _), aiohttp.ClientSession() as session:
        for url in (
            f"{simulator.told['helix']}/helix/users?login=t",
            f"{simulator.told['youtube']}/videos?id=x&key=simulated-key",
        ):
            plan(simulator, **{fault: 1})
            with pytest.raises(found):
                async with session.get(url) as answer:
                    json.loads(await answer.read())


# --- Jetstream --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "times"), [("repeat", 2), ("reorder", 1)])
async def test_jetstream_that_repeats_or_reorders_loses_nothing(fault, times):
    only_posts = "?wantedCollections=app.bsky.feed.post"
    async with playing() as (simulator, clock), connect(simulator.told["jetstream"] + only_posts) as ws:
        plan(simulator, platform="bluesky", **{fault: 1})
        await until(lambda: simulator.platforms["bluesky"].server.clients, simulator, clock)
        simulator.platforms["bluesky"].deliver(
            [Sent("post", int(NOON * 1000) + n, f"{n:x}", 1, text=Text(f"word {n}")) for n in range(1, 7)]
        )
        got = []
        async with asyncio.timeout(30):
            while len(got) < 6 * times:
                frame = json.loads(await ws.recv())
                if frame.get("commit", {}).get("collection") == "app.bsky.feed.post":
                    got.append(frame["commit"]["record"]["text"])
        assert {got.count(f"word {number}") for number in range(1, 7)} == {times}
        assert (got == sorted(got)) is (fault != "reorder")


async def test_jetstream_begins_anew_with_the_end_of_what_it_sent_before():
    async with playing() as (simulator, clock):
        plan(simulator, platform="bluesky", overlap=0.5)
        url, got = simulator.told["jetstream"] + "?wantedCollections=app.bsky.feed.post", []

        async def posts(ws, number):
            found = []
            async with asyncio.timeout(30):
                while len(found) < number:
                    frame = json.loads(await ws.recv())
                    found += [frame] if frame["kind"] == "commit" else []
            return found

        for numbers in (range(1, 11), range(11, 12)):
            async with connect(url) as ws:
                await until(lambda: simulator.platforms["bluesky"].server.clients, simulator, clock)
                said = [Sent("post", int(NOON * 1000) + n, f"{n:x}", 1, text=Text(f"word {n}")) for n in numbers]
                simulator.platforms["bluesky"].deliver(said)
                got.append(await posts(ws, 10 if not got else 6))
            await until(lambda: not simulator.platforms["bluesky"].server.clients, simulator, clock)
        assert got[1][:5] == got[0][5:]
        assert got[1][5]["commit"]["record"]["text"].startswith("word 11")


@pytest.mark.parametrize("fault", ["drop", "half"])
async def test_jetstream_is_cut_in_the_middle(fault):
    async with playing() as (simulator, clock), connect(simulator.told["jetstream"]) as ws:
        plan(simulator, platform="bluesky", **{fault: 1})
        await until(lambda: simulator.platforms["bluesky"].server.clients, simulator, clock)
        simulator.platforms["bluesky"].deliver([Sent("post", int(NOON * 1000), "1", 1, text=Text("word"))])
        with pytest.raises(ConnectionClosed) as caught:
            async with asyncio.timeout(30):
                await ws.recv()
        assert caught.value.rcvd is None


# --- YouTube ----------------------------------------------------------------------------------------------------------


async def ask(simulator, method, **query):
    async with aiohttp.ClientSession() as session:
        query = {"key": "simulated-key", "part": "id,snippet,liveStreamingDetails", **query}
        async with session.get(f"{simulator.told['youtube']}/{method}", params=query) as answer:
            return answer.status, await answer.json()


async def test_a_used_up_quota_is_refused_in_youtubes_words():
    async with playing() as (simulator, _):
        plan(simulator, platform="youtube", quota=1)
        status, body = await ask(simulator, "videos", id="x")
        assert (status, body["error"]["errors"][0]["reason"]) == (403, "quotaExceeded")
        assert simulator.platforms["youtube"].server.refused == 1


@pytest.mark.parametrize(
    ("fault", "fails"), [("repeat", False), ("reorder", False), ("half", True), ("drop", True), ("garbage", True)]
)
async def test_a_held_chat_is_read_whole_whatever_happens_to_its_pages(fault, fails):
    """Where a connection fails, the next one goes on from the cursor of the one before."""
    async with playing() as (simulator, clock):
        server = simulator.platforms["youtube"].server
        events, cursors = {}, {}
        options = Options(
            api_key=Secret("simulated-key"), url=simulator.told["youtube"], opens_per_second=100, retry_seconds=0.01
        )

        async def read():
            room = server.rooms[2]
            broadcast = Broadcast(native_id=room.now.id, chat_id=room.now.chat.id)
            while True:
                target = Target(
                    livestream="youtube:y", handle="yyy", native_id=channel_id(CHANNELS[2]), broadcasts=(broadcast,),
                    resume=cursors.get("youtube:y", Resume()),
                )  # fmt: skip
                made = YouTube(options, Watch([target]), Tools(pseudonym=lambda _, author: author))
                async with aclosing(made.events()) as items:
                    async for item in items:
                        if isinstance(item, Mark):
                            cursors.update({name: Resume(cursor=item.cursor) for name in item.livestreams})
                        elif isinstance(item, Message):
                            events[item.id] = item.text

        task = asyncio.create_task(read())
        await until(lambda: server.readers == 1, simulator, clock)
        plan(simulator, platform="youtube", **{fault: 0.5 if fails else 1})
        for number in range(12):
            simulator.platforms["youtube"].deliver([says(2, number)])
            for _ in range(3):
                clock.now += 0.1
                simulator.step()
                await asyncio.sleep(0.002)
        simulator.control("/control/calm")
        await until(lambda: len(events) == 12 or task.done(), simulator, clock)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sorted(events.values()) == sorted(f"word {number}" for number in range(12))


async def test_a_held_chat_begins_before_the_token_that_was_given():
    async with playing() as (simulator, clock), aiohttp.ClientSession() as session:
        plan(simulator, platform="youtube", overlap=0.5)
        chat_log = simulator.platforms["youtube"].server.rooms[2].now.chat
        url = f"{simulator.told['youtube']}/liveChat/messages/stream"

        async def held(numbers, **query):
            query = {"key": "simulated-key", "part": "id,snippet", "liveChatId": chat_log.id, **query}
            async with session.get(url, params=query) as answer:
                simulator.platforms["youtube"].deliver([says(2, number) for number in numbers])
                got, task = bytearray(), None
                while f"word {numbers[-1]}".encode() not in got:
                    task = asyncio.create_task(answer.content.readany())
                    await until(task.done, simulator, clock)
                    got += task.result()
            return [number for number in range(12) if f'"word {number}"'.encode() in got]

        assert await held(range(10)) == list(range(10))
        await until(lambda: simulator.platforms["youtube"].server.readers == 0, simulator, clock)
        assert await held([10], pageToken=chat_log.token(chat_log.end)) == [5, 6, 7, 8, 9, 10]


# --- what channels do -------------------------------------------------------------------------------------------------


def video_rows(simulator, index=2):
    return {video.id: video for video in simulator.platforms["youtube"].server.rooms[index].videos}


async def test_a_channel_announces_and_begins_under_the_announced_id():
    async with playing() as (simulator, clock):
        status, _ = simulator.control("/control/air?livestream=youtube:y&do=announce&seconds=600")
        assert status == 200
        simulator.step()
        (announced,) = [video for video in video_rows(simulator).values() if video.started is None]
        (said,) = read_videos(json.dumps((await ask(simulator, "videos", id=announced.id))[1]).encode())
        assert said.scheduled_at.timestamp() == NOON + 600
        assert simulator.platforms["youtube"].server.rooms[2].now is None
        clock.now += 601
        simulator.step()
        assert simulator.platforms["youtube"].server.rooms[2].now is announced


async def test_two_broadcasts_of_a_channel_have_two_chats_and_both_are_heard():
    async with playing() as (simulator, _):
        first = simulator.platforms["youtube"].server.rooms[2].now
        simulator.control("/control/air?livestream=youtube:y&do=beside&title=Second")
        simulator.step()
        lives = simulator.platforms["youtube"].server.rooms[2].lives
        assert first in lives
        assert len({video.id for video in lives}) == len({video.chat.id for video in lives}) == 2
        simulator.platforms["youtube"].deliver([says(2, number) for number in range(10)])
        assert [video.chat.end for video in lives] == [5, 5]
        simulator.control("/control/air?livestream=youtube:y&do=end")
        simulator.step()
        assert simulator.platforms["youtube"].server.rooms[2].lives == []


async def test_a_title_becomes_one_of_something_else():
    async with playing(hashtags=("#OurSummit",)) as (simulator, _):
        _, body = simulator.control("/control/air?livestream=youtube:y&do=title")
        simulator.step()
        title = json.loads(body)["title"]
        assert "OurSummit" not in title
        assert simulator.platforms["youtube"].server.rooms[2].now.title == title


async def test_a_renamed_handle_is_found_under_its_new_name_and_one_that_is_gone_nowhere():
    async with playing() as (simulator, _):
        before = (await ask(simulator, "channels", forHandle="@yyy"))[1]["items"][0]["id"]
        simulator.control("/control/rename?livestream=youtube:y&to=Newname")
        assert "items" not in (await ask(simulator, "channels", forHandle="@yyy"))[1]
        assert (await ask(simulator, "channels", forHandle="@newname"))[1]["items"][0]["id"] == before
        simulator.control("/control/rename?livestream=youtube:z")
        assert "items" not in (await ask(simulator, "channels", forHandle="@zzz"))[1]
        simulator.control("/control/rename?livestream=bluesky:b")
        assert simulator.platforms["bluesky"].server.handles == {}
        simulator.control("/control/rename?livestream=twitch:t")
        assert simulator.platforms["twitch"].helix.places[0].login == ""


@pytest.mark.parametrize("path", ["air?livestream=youtube:y&do=fly", "air?livestream=youtube:nobody&do=end", "rename?to=x"])
async def test_a_mistake_about_a_channel_is_named(path):
    async with playing() as (simulator, _):
        status, body = simulator.control(f"/control/{path}")
        assert status == 400
        assert "must be" in body


def test_in_a_lively_crowd_a_few_handles_are_nobodys_and_never_in_one_that_is_compared(tmp_path):
    many = [SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"c{n}") for n in range(3 * WRONG_ONE_IN)]
    lively = Simulator(many, rate=1.0, lively=True, clock=Clock(NOON))
    compared = Simulator(many, rate=1.0, ledger_dir=tmp_path, clock=Clock(NOON))
    assert sum(not place.login for place in lively.platforms["twitch"].chat.places) == 3
    assert all(place.login for place in compared.platforms["twitch"].chat.places)
    compared.ledger.close()
