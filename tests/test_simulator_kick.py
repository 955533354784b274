"""The simulated Kick: its API as the connector asks it, its webhooks as our receiver takes them, its socket, and each of its faults."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest
from aiohttp import web
from simulating import Clock

from connectors.connector import Refused, Request, Secret, Target, Tools, Watch
from connectors.event import Gift, Message, Removed, Status
from connectors.kick import Kick, Options
from connectors.kick import api as kick_api
from connectors.kick.frames import frame_events
from connectors.kick.hooks import KickHooks
from connectors.kick.parse import Context
from connectors.simulator import kick_wire as wire
from connectors.simulator.crowd import Crowd
from connectors.simulator.faults import Faults
from connectors.simulator.kick_key import PUBLIC_KEY
from connectors.simulator.ledger import Ledger, standing
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.platform import addresses, credentials
from connectors.simulator.run import Simulator
from connectors.simulator.texts import Text, load

NOON = 1_795_000_000.0
CHANNELS = [
    SimChannel(livestream="kick:ana", platform="kick", handle="Ana", native_id="7001/661", country="BR", language="pt"),
    SimChannel(livestream="kick:bo", platform="kick", handle="bo", country="JP", language="ja"),
    SimChannel(livestream="kick:cy", platform="kick", handle="cy", country="FR", language="fr"),
    SimChannel(livestream="twitch:dot", platform="twitch", handle="dot"),
]
MEMBER = make_member(random.Random(1), 7, "en", 1)
KINDS = ("message", "bits", "sub", "resub", "subgift", "mystery", "raid", "ban")


class House:
    """Our side: an address that hands what comes to the real receiver; it can be shut, or fail."""

    def __init__(self, clock):
        self.clock = clock
        tools = Tools(pseudonym=lambda _, author: author, now=self.at)
        directory = {"7001/661": "kick:ana", "bo": "kick:bo", "cy": "kick:cy"}
        self.receiver = KickHooks(Options(public_key=PUBLIC_KEY), directory, tools)
        self.requests = []
        self.answers = []
        self.events = []
        self.failing = 0

    def at(self):
        return datetime.fromtimestamp(self.clock(), UTC)

    async def take(self, request):
        try:
            body = await request.read()
        except (ConnectionError, aiohttp.ClientError, web.HTTPException):
            self.answers.append("broken")
            raise
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((headers["kick-event-message-id"], headers["kick-event-type"]))
        if self.failing:
            self.failing -= 1
            return web.Response(status=500)
        answer = self.receiver.receive(Request(body=body, headers=headers, path=request.path), self.at())
        self.answers.append(answer.reason or answer.status)
        self.events += answer.events
        return web.Response(status=answer.status)

    @property
    def ids(self):
        return [event.id for event in self.events]


@asynccontextmanager
async def playing(tmp_path=None, *, rate=0.0, faults=None, channels=CHANNELS):
    """A simulator with our house at the end of its webhooks."""
    clock = Clock(NOON)
    house = House(clock)
    app = web.Application()
    app.router.add_post("/hooks/kick", house.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hooks = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    simulator = Simulator(channels, rate=rate, seed=4, ledger_dir=tmp_path, clock=clock, hooks=hooks, faults=faults)
    simulator.told = await simulator.start()
    simulator.kick = simulator.platforms["kick"]
    try:
        yield simulator, house, clock
    finally:
        await simulator.stop()
        await runner.cleanup()


def options(simulator, **more):
    given = addresses(simulator.told)["kick"]
    return Options(**{**given, "client_secret": Secret(given["client_secret"]), **more})


def connector(simulator, house, **more):
    targets = [
        Target(livestream=one.livestream, handle=one.handle, native_id=one.native_id)
        for one in CHANNELS
        if one.platform == "kick"
    ]
    tools = Tools(pseudonym=lambda _, author: author, now=house.at)
    return Kick(options(simulator, **more), Watch(targets), tools)


async def until(true, simulator, clock, *, seconds=20):
    """Let the simulator's time pass until something is true."""
    async with asyncio.timeout(seconds):
        while not true():
            clock.now += 0.1
            simulator.step()
            await asyncio.sleep(0.002)


@asynccontextmanager
async def connected(simulator, house, clock, **more):
    """Our connector, with every channel subscribed."""
    made, seen = connector(simulator, house, **more), []

    async def read():
        async with aclosing(made.events()) as events:
            async for item in events:
                seen.append(item)  # noqa: PERF401 — it is looked at meanwhile

    task = asyncio.create_task(read())
    wanted = 3 * len(kick_api.EVENTS) - max(0, 3 - simulator.kick.most_chats)
    await until(lambda: task.done() or len(simulator.kick.subscribed) >= wanted, simulator, clock)
    clock.now += 1.1  # a subscription holds from the next second on
    try:
        yield seen, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sent(kind="message", room=0, at=None, native="a1", **more):
    text = Text("hello") if kind in ("message", "bits") else None
    return Sent(kind, int(NOON * 1000) + 90_007 if at is None else at, native, room, MEMBER, text=text, **more)


# --- what it writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_webhook_becomes_what_the_ledger_says(kind):
    about = wire.account(CHANNELS[0])
    one = sent(kind, units=20, native="" if kind == "ban" else "a1")
    delivery = wire.webhook(one, about)
    raw = json.dumps(
        {"headers": {"kick-event-type": delivery.kind, "kick-event-message-id": delivery.id}, "body": delivery.body.decode()}
    )
    events = Kick.parse(raw.encode(), Tools(pseudonym=lambda _, author: author), livestreams={"7001": "kick:ana"})
    entries = wire.entries(one, delivery)
    assert [event.id for event in events] == [entry.id for entry in entries]
    for event, entry in zip(events, entries, strict=True):
        assert event.livestream == "kick:ana"
        assert round(event.at.timestamp() * 1000) == wire.at_of(one)
        if isinstance(event, Message):
            assert (event.text, event.author) == (entry.more["text"], entry.more["author"])
        if isinstance(event, Gift):
            assert event.count == entry.more.get("units", 1)
            assert event.amount_minor == entry.more.get("amount", 0)
        if isinstance(event, Removed):
            assert event.target_author == entry.more["target_author"]


def test_an_emote_is_read_as_its_name_and_a_message_has_one_id_in_both_sources():
    one = sent(at=int(NOON * 1000) // wire.EMOTE_EVERY * wire.EMOTE_EVERY)
    about = wire.account(CHANNELS[0])
    context = Context(
        datetime.fromtimestamp(NOON, UTC), lambda _, author: author, {"chatroom:661": "kick:ana", "7001": "kick:ana"}
    )
    frame = wire.frame(one, about)
    told = json.loads(wire.pusher(frame.event, frame.data, "chatrooms.661.v2"))
    (by_socket,) = frame_events(told, context)
    assert by_socket.text == wire.said(one) == "hello KEKW"
    delivery = wire.webhook(one, about)
    raw = json.dumps(
        {"headers": {"kick-event-type": delivery.kind, "kick-event-message-id": delivery.id}, "body": delivery.body.decode()}
    )
    (by_webhook,) = Kick.parse(raw.encode(), Tools(pseudonym=lambda _, author: author), livestreams={"7001": "kick:ana"})
    assert by_webhook == msgspec.structs.replace(by_socket, received_at=by_webhook.received_at)


def test_the_ids_of_deliveries_are_ulids_in_the_order_of_time_and_never_the_same_twice():
    clock_of = [wire.ulid(at, f"x{n}") for n, at in enumerate((1, 2, 10**12, 10**13))]
    assert clock_of == sorted(clock_of)
    crowd = Crowd(CHANNELS, random.Random(1), load(), rate=80, start=NOON)
    deliveries = [
        wire.webhook(one, wire.account(CHANNELS[one.room]))
        for second in range(1, 121)
        for one in crowd.advance(NOON + second)
        if CHANNELS[one.room].platform == "kick"
    ]
    ids = [delivery.id for delivery in deliveries if delivery is not None]
    assert all(len(one) == 26 for one in ids)
    assert len(ids) == len(set(ids)) > 1000


# --- the API ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def asking(simulator):
    async with aiohttp.ClientSession(base_url=simulator.told["kick"]) as session:
        form = {"grant_type": "client_credentials", "client_id": "simulated", "client_secret": "simulated-secret"}
        async with session.post("/oauth/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


async def get(session, path):
    async with session.get(path) as answer:
        return answer.status, await answer.read()


async def test_channels_are_found_by_slug_and_by_id_and_one_unknown_slug_fails_all():
    async with playing() as (simulator, _, _), asking(simulator) as session:
        status, body = await get(session, "/public/v1/channels?slug=ana&slug=bo")
        ana, bo = kick_api.read_channels(body)
        assert (status, ana.user_id, ana.slug, ana.live) == (200, "7001", "ana", True)
        assert (await get(session, "/public/v1/channels?slug=ana&slug=nobody"))[0] == 400
        rows = kick_api.read_channels(
            (await get(session, f"/public/v1/channels?broadcaster_user_id={bo.user_id}&broadcaster_user_id=5"))[1]
        )
        assert [row.slug for row in rows] == ["bo"]
        many = "&".join(f"broadcaster_user_id={n}" for n in range(1, 52))
        assert (await get(session, f"/public/v1/channels?{many}"))[0] == 400
        assert (await get(session, "/public/v1/public-key"))[1] == json.dumps(
            {"data": {"public_key": PUBLIC_KEY}, "message": "OK"}
        ).encode()


async def test_a_renamed_slug_is_found_under_the_new_name_and_one_that_is_gone_under_none():
    async with playing() as (simulator, _, _), asking(simulator) as session:
        simulator.kick.rename(0, "Anna")
        simulator.kick.rename(1, None)
        assert (await get(session, "/public/v1/channels?slug=ana"))[0] == 400
        (row,) = kick_api.read_channels((await get(session, "/public/v1/channels?broadcaster_user_id=7001"))[1])
        assert row.slug == "anna"
        assert (await get(session, "/public/v1/channels?slug=bo"))[0] == 400


async def test_without_a_token_with_an_old_one_and_beyond_the_limit_nothing_is_answered():
    async with playing() as (simulator, _, clock), asking(simulator) as session:
        for _ in range(1200):
            simulator.kick._take()
        assert (await get(session, "/public/v1/channels?slug=ana"))[0] == 429
        clock.now += 60
        assert (await get(session, "/public/v1/channels?slug=ana"))[0] == 200
        simulator.kick.expire_tokens()
        assert (await get(session, "/public/v1/channels?slug=ana"))[0] == 401
        form = {"grant_type": "client_credentials", "client_id": "simulated", "client_secret": "wrong"}
        async with session.post("/oauth/token", data=form) as answer:
            assert (answer.status, await answer.json()) == (401, {"error": "invalid_client"})


async def test_beyond_the_chats_of_an_app_a_subscription_is_refused_with_a_word_for_it():
    async with playing() as (simulator, house, clock):
        simulator.kick.most_chats = 2
        async with connected(simulator, house, clock) as (seen, _):
            await until(lambda: any(item.state == "refused" for item in seen), simulator, clock)
        refused = [item for item in seen if item.state == "refused"]
        assert len(refused) == 1
        assert "subscription limit exceeded" in refused[0].reason


# --- webhooks ---------------------------------------------------------------------------------------------------------


async def test_what_our_receiver_takes_is_what_the_ledger_says_although_it_fails_now_and_then(tmp_path):
    async with playing(tmp_path, rate=150) as (simulator, house, clock), connected(simulator, house, clock):
        for turn in range(600):
            house.failing = 3 if turn % 100 == 50 else house.failing
            clock.now += 0.1
            simulator.step()
            await asyncio.sleep(0)
        simulator.control("/control/pause")
        await until(lambda: not simulator.kick.sender.waiting, simulator, clock)
    lines = [line for line in Ledger.read(tmp_path) if line.platform == "kick"]
    expected = {line.id: line for line in standing(lines).values()}
    by_id = {event.id: event for event in house.events}
    for event in [event for event in house.events if isinstance(event, Removed)]:
        for other in list(by_id.values()):
            same = isinstance(other, Message) and (other.author, other.livestream) == (event.target_author, event.livestream)
            if same and event.from_ <= other.at <= event.to:
                by_id.pop(other.id)
    counted = {name: event for name, event in by_id.items() if isinstance(event, (Message, Gift))}
    assert counted.keys() == expected.keys()
    assert len(counted) > 1000
    assert sum(isinstance(event, Gift) for event in counted.values()) > 3
    assert all(counted[name].livestream == line.livestream for name, line in expected.items())


async def test_who_is_not_subscribed_gets_nothing_and_the_ledger_says_so(tmp_path):
    async with playing(tmp_path, rate=60) as (simulator, house, clock):
        for _ in range(50):
            clock.now += 0.1
            simulator.step()
            await asyncio.sleep(0)
    lines = [line for line in Ledger.read(tmp_path) if line.platform == "kick"]
    assert len(lines) > 20
    assert not any(line.delivered for line in lines)
    assert house.requests == []


async def test_a_delivery_is_tried_three_times_and_then_given_up_and_an_address_that_fails_for_a_day_loses_its_subscriptions():
    async with playing() as (simulator, house, clock), connected(simulator, house, clock):
        house.requests.clear()
        house.failing = 10**6
        simulator.kick.deliver([sent()])
        await until(lambda: simulator.kick.sender.lost, simulator, clock)
        assert len(house.requests) == 3
        assert len(set(house.requests)) == 1
        clock.now += 24 * 3600
        simulator.kick.deliver([sent(native="a2")])
        await until(lambda: not simulator.kick.subscribed, simulator, clock)
        house.failing = 0


async def test_a_sender_that_begins_anew_tells_the_end_again_under_the_same_ids():
    """Of what is still subscribed; a span of what was taken of each broadcaster."""
    async with playing() as (simulator, house, clock), connected(simulator, house, clock):
        simulator.control("/control/faults?platform=kick&overlap=0.5")
        house.requests.clear()
        simulator.kick.deliver([sent(native=f"a{number}") for number in range(4)])
        await until(lambda: simulator.kick.sender.taken == 4, simulator, clock)
        first = [native for native, _ in house.requests]
        simulator.kick.drop_all()
        await until(lambda: simulator.mishaps["kick"].told_again and not simulator.kick.sender.waiting, simulator, clock)
        assert sorted(native for native, _ in house.requests) == sorted([*first, *first[2:]])
        assert house.answers[-2:] == [200, 200]
        simulator.control("/control/faults?platform=kick&overlap=1")
        simulator.kick.subscribed.clear()
        simulator.kick.drop_all()
        await until(lambda: simulator.mishaps["kick"].told_again == 4, simulator, clock)
        assert not simulator.kick.sender.waiting
        assert len(house.requests) == 6


async def test_a_broadcast_that_begins_and_ends_is_told():
    async with playing() as (simulator, house, clock), connected(simulator, house, clock):
        simulator.control("/control/faults?platform=kick&ended=1")
        await until(lambda: len(house.events) == 3, simulator, clock)
        assert {(event.livestream, event.state) for event in house.events if isinstance(event, Status)} == {
            (one.livestream, "ended") for one in CHANNELS[:3]
        }
        before = {index: simulator.air.channels[index].started for index in range(3)}
        simulator.control("/control/calm?platform=kick")
        await until(lambda: len(house.events) == 6, simulator, clock)
        assert [event.state for event in house.events[3:]] == ["live"] * 3
        assert all(simulator.air.channels[index].started > before[index] for index in range(3))
        assert simulator.air.channels[3].id  # Twitch was not meant


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "answers"),
    [
        ("repeat=1", ["taken", "taken"]),
        ("garbage=1", ["not_json", "taken"]),
        ("forged=1", ["bad_signature", "taken"]),
        ("half=1", ["broken", "taken"]),
        ("stall=1&stall_seconds=30", ["taken"]),
        ("reorder=1", ["taken"]),
    ],
)
async def test_a_delivery_that_went_wrong_counts_once(fault, answers):
    async with playing() as (simulator, house, clock), connected(simulator, house, clock):
        house.answers.clear()
        simulator.control(f"/control/faults?platform=kick&{fault}")
        simulator.kick.deliver([sent()])
        await until(lambda: house.answers.count(403) or len(house.answers) >= len(answers) - 1, simulator, clock)
        if "forged" in fault:
            simulator.control("/control/calm")
        await until(lambda: len(house.answers) >= len(answers), simulator, clock)
        said = ["taken" if one == 200 else one for one in house.answers]
        assert said == answers
        assert set(house.ids) == {"kick:a1"}


async def test_a_delivery_that_is_lost_is_lost_without_a_word():
    async with playing() as (simulator, house, clock), connected(simulator, house, clock):
        house.requests.clear()
        simulator.control("/control/faults?platform=kick&drop=1")
        simulator.kick.deliver([sent()])
        await until(lambda: simulator.kick.sender.lost, simulator, clock)
        assert house.requests == []


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_a_refusal_reaches_the_connector_as_one_of_its_failures(status):
    async with playing(faults=Faults(refuse=1.0, status=status)) as (simulator, house, clock):
        async with connected(simulator, house, clock) as (seen, task):
            await until(task.done, simulator, clock)
        failure = task.exception()
        assert type(failure).__name__ == {403: "Refused", 500: "Dropped"}.get(status, "Throttled")
        assert seen == []


async def test_a_used_up_quota_is_a_throttle_and_not_a_wrong_key():
    async with playing(faults=Faults(quota=True)) as (simulator, house, clock):
        async with connected(simulator, house, clock) as (_, task):
            await until(task.done, simulator, clock)
        assert type(task.exception()).__name__ == "Throttled"
        assert not isinstance(task.exception(), Refused)


# --- the socket -------------------------------------------------------------------------------------------------------


async def test_the_socket_shows_a_message_and_its_deletion_and_is_merged_with_the_webhook_by_its_id():
    async with playing() as (simulator, house, clock):
        async with connected(simulator, house, clock, pusher=True) as (seen, _):
            await until(lambda: any("chatrooms.661.v2" in reader.tags for reader in simulator.kick.readers), simulator, clock)
            message = sent()
            simulator.kick.deliver([message, sent("delete", native="", target=message)])
            await until(lambda: any(isinstance(item, Removed) for item in seen) and house.ids, simulator, clock)
        (shown,) = [item for item in seen if isinstance(item, Message)]
        (removed,) = [item for item in seen if isinstance(item, Removed)]
        assert [shown.id] == house.ids
        assert removed.target == shown.id


async def test_a_socket_that_is_opened_anew_begins_with_the_end_of_the_one_before():
    async with playing(faults=Faults(overlap=0.5)) as (simulator, _, clock), aiohttp.ClientSession() as session:
        shown = []
        for numbers in (range(10), [10]):
            socket = await session.ws_connect(simulator.told["kick_pusher"])
            await socket.send_json({"event": "pusher:subscribe", "data": {"channel": "chatrooms.661.v2"}})
            await until(lambda: any(reader.tags for reader in simulator.kick.readers), simulator, clock)
            simulator.kick.deliver([sent(native=f"{number:x}") for number in numbers])
            frames = []
            while len(frames) < (10 if not shown else 6):
                frame = (await socket.receive()).data
                frames += [frame] if "ChatMessage" in frame else []
            shown.append(frames)
            await socket.close()
            await until(lambda: not simulator.kick.readers, simulator, clock)
        assert shown[1][:5] == shown[0][5:]
        assert shown[1][5] not in shown[0]


async def test_a_socket_that_is_cut_or_gets_half_a_frame_ends_with_a_drop():
    for fault in ("drop=1", "half=1"):
        async with playing() as (simulator, house, clock):
            async with connected(simulator, house, clock, pusher=True) as (_, task):
                await until(lambda: any(reader.tags for reader in simulator.kick.readers), simulator, clock)
                simulator.control(f"/control/faults?platform=kick&{fault}")
                simulator.kick.deliver([sent()])
                await until(task.done, simulator, clock)
            assert type(task.exception()).__name__ == "Dropped"


def test_the_connector_needs_no_key_of_anybody():
    assert {"client_id", "client_secret", "public_key"} <= credentials("kick").keys()
    assert addresses({"kick": "http://here"})["kick"]["api"] == "http://here"
    assert "127.0.0.1" in addresses({"twitch": "x"})["kick"]["api"], (
        "what is not played leads nowhere, and not to the real platform"
    )
