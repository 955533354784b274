"""The simulated Bot API: what it keeps, whom it refuses, and that the connector reads from it exactly what the ledger says, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json

import pytest
from simulating import Reader, World, let_in_again, same, targets, unharmed

from connectors import rest
from connectors.connector import Dropped, Refused, Secret, Throttled
from connectors.event import Gap, Join, Message, Status, Unknown
from connectors.rest import Ask
from connectors.simulator.faults import Faults
from connectors.simulator.model import SimChannel
from connectors.simulator.telegram import KEPT_SECONDS, TOKEN, TelegramPlatform
from connectors.telegram import Options, Telegram

CHANNELS = [
    SimChannel(livestream=f"telegram:g{n}", platform="telegram", handle=f"g{n}", native_id=str(-1001000 - n), country="BR")
    for n in range(6)
]
GROUP, CHANNEL = 0, 4


@pytest.fixture
async def world(tmp_path):
    async with World(TelegramPlatform, CHANNELS, tmp_path).running() as made:
        yield made


@pytest.fixture
async def session():
    async with rest.client(environment=False) as made:
        yield made


def reader_of(world, chosen=CHANNELS):
    options = Options(
        token=Secret(TOKEN),
        url=world.told["telegram"],
        poll_seconds=5,
        answer_seconds=3,
        confirm_seconds=0.01,
        check_every_seconds=0.001,
    )
    return Reader(world, Telegram, options, targets(chosen))


def bustle(world, rounds=4):
    """Everything that can happen in a chat, in all chats."""
    for number in range(rounds):
        for room in range(len(CHANNELS)):
            world.say(room)
            world.say(room, who=number)
            world.say(room, "bits", units=50)
            world.say(room, "resub", text="" if number % 2 else None, who=7)
            world.say(room, "subgift", who=8)
            world.say(room, "subgift", who=9)
            world.say(room, "sub")
            world.say(room, "raid", units=3)
            world.say(room, "mystery")
            world.say(room, "delete")
        world.step()
    for room in (GROUP, CHANNEL):
        troll = world.newcomer()
        world.say(room, who=troll)
        world.say(room, who=troll)
        world.say(room, "ban", who=troll)


def is_complete(world, reader):
    return lambda: world.standing().keys() <= reader.standing().keys() and not world.platform.updates


# --- questions ----------------------------------------------------------------------------------------------------------


async def ask(world, session, method, token=TOKEN, **wanted):
    url = f"{world.told['telegram']}/bot{token}/{method}"
    reply = await rest.send(session, Ask(url=url, method="POST", body=json.dumps(wanted).encode()))
    return reply.status, json.loads(reply.body)


async def updates(world, session, **wanted):
    status, found = await ask(world, session, "getUpdates", timeout=0, **wanted)
    assert status == 200
    return found["result"]


async def test_an_update_is_kept_until_an_offset_passes_it(world, session):
    for _ in range(3):
        world.say()
    first = await updates(world, session, limit=2)
    assert first == await updates(world, session, limit=2)
    numbers = [update["update_id"] for update in first]
    assert numbers[1] == numbers[0] + 1
    rest_of_them = await updates(world, session, offset=numbers[1] + 1)
    assert [update["update_id"] for update in rest_of_them] == [numbers[1] + 1]
    assert rest_of_them == await updates(world, session, offset=numbers[0])  # what was confirmed is gone


async def test_a_negative_offset_keeps_the_newest_alone(world, session):
    for _ in range(5):
        world.say()
    newest = await updates(world, session, offset=-2)
    assert len(newest) == 2
    assert len(world.platform.updates) == 2


async def test_after_24_hours_an_update_is_forgotten(world, session):
    world.say()
    world.step(KEPT_SECONDS - 1)
    world.say()
    world.step(2)
    assert len(await updates(world, session)) == 1
    assert world.platform.forgotten == 1


async def test_a_poll_is_held_until_there_is_something_or_its_time_is_over(world, session):
    held = asyncio.create_task(ask(world, session, "getUpdates", timeout=30))
    await world.until(lambda: world.platform.held == 1)
    world.say()
    assert len((await held)[1]["result"]) == 1
    number = world.platform.updates[-1].number
    held = asyncio.create_task(ask(world, session, "getUpdates", timeout=30, offset=number + 1))
    await world.until(lambda: world.platform.held == 1)
    world.step(31)
    assert (await held)[1]["result"] == []


async def test_the_second_caller_ends_the_first_ones_poll(world, session):
    first = asyncio.create_task(ask(world, session, "getUpdates", timeout=30))
    await world.until(lambda: world.platform.held == 1)
    second = asyncio.create_task(ask(world, session, "getUpdates", timeout=30))
    status, found = await first
    assert (status, found["description"][:33]) == (409, "Conflict: terminated by other get")
    world.say()
    assert (await second)[0] == 200


async def test_reactions_and_members_are_told_only_to_who_names_them(world, session):
    world.say()
    world.say(kind="subgift")
    assert [list(update)[1] for update in await updates(world, session)] == ["message"]
    await updates(world, session, allowed_updates=["message", "message_reaction"])
    world.say(kind="subgift", who=3)
    world.say(kind="ban")
    world.say(kind="mystery")
    assert [list(update)[1] for update in await updates(world, session)] == ["message", "message_reaction"]
    await updates(world, session, allowed_updates=[])  # the usual ones
    world.say(kind="mystery")
    assert [list(update)[1] for update in await updates(world, session, offset=-1)] == ["edited_message"]


@pytest.mark.parametrize(("token", "status"), [("7:x", 401), ("nonsense", 404)])
async def test_a_wrong_token_is_refused(world, session, token, status):
    assert (await ask(world, session, "getMe", token=token))[0] == status


async def test_a_webhook_shuts_the_polls(world, session):
    world.platform.webhook = "https://example.org"
    status, found = await ask(world, session, "getUpdates")
    assert status == 409
    assert "webhook" in found["description"]


async def test_what_the_bot_is_in_a_chat_is_said_by_id_and_by_name(world, session):
    world.platform.set_status(1, "kicked")
    for chat, status in ((CHANNELS[0].native_id, 200), ("@G0", 200), (CHANNELS[1].native_id, 403), ("-1", 400)):
        assert (await ask(world, session, "getChatMember", chat_id=chat, user_id=1))[0] == status, chat


async def test_a_limit_is_a_429_with_the_seconds_to_wait(world, session):
    world.mishaps.set(Faults(refuse=1.0, status=429, retry_after=9))
    status, found = await ask(world, session, "getUpdates")
    assert (status, found["parameters"]) == (429, {"retry_after": 9})


# --- the connector --------------------------------------------------------------------------------------------------------


async def test_the_connector_reads_exactly_what_the_ledger_says(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        bustle(world)
        await world.until(is_complete(world, reader))
        await world.rest()
    assert not reader.failures
    assert reader.repeats == 0
    assert not reader.of(Gap, Unknown)
    assert {line.kind for line in world.lines()} == {"comment", "post", "gift", "reaction", "notice", "removed"}
    assert reader.of(Join)
    same(reader, world)
    assert all(health.state == "live" for health in reader.health.values())


@pytest.mark.parametrize("fate", ["drop", "stall", "half", "garbage", "repeat"])
async def test_whatever_befalls_the_answers_nothing_is_lost_and_nothing_counts_twice(world, fate):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        world.mishaps.set(Faults(stall_seconds=1.0, **{fate: 0.5}))
        for _ in range(6):
            bustle(world, 1)
            await world.rest(12)
        world.mishaps.calm()
        await world.until(is_complete(world, reader))
        await world.rest()
    unharmed(reader, world, fate)
    if fate == "repeat":
        assert reader.repeats > 0


@pytest.mark.parametrize(
    ("status", "failure"), [(401, Refused), (403, Refused), (429, Throttled), (500, Dropped), (502, Dropped)]
)
async def test_after_a_refusal_reading_goes_on_where_it_stopped(world, status, failure):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        await let_in_again(reader, world, lambda: bustle(world, 1), is_complete(world, reader), status=status, failure=failure)


async def test_who_was_killed_goes_on_and_a_cut_socket_costs_nothing(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        bustle(world, 1)
        await world.until(lambda: reader.of(Message))
    bustle(world, 2)  # nobody is there
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        bustle(world, 1)
        assert world.platform.drop_all() == 1
        await world.until(is_complete(world, reader))
    same(reader, world)


async def test_who_was_away_for_longer_than_24_hours_says_so(world):
    reader = reader_of(world, CHANNELS[:1])
    async with reader.reading():
        world.say()
        await world.until(lambda: reader.of(Message) and reader.targets["telegram:g0"].resume.covered_until)
    world.say()
    world.step(KEPT_SECONDS + 60)
    async with reader.reading():
        world.say()
        await world.until(lambda: len(reader.of(Message)) == 2)
    (gap,) = reader.gaps()
    lost = {line.id: line for line in world.lines()}.keys() - reader.events.keys()
    assert len(lost) == 1
    assert all(gap.from_.timestamp() - 1 <= line.at / 1000 <= gap.to.timestamp() for line in world.lines() if line.id in lost)


async def test_a_second_reader_is_told_to_the_first_one(world, session):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        second = asyncio.create_task(ask(world, session, "getUpdates", timeout=60))
        await world.until(lambda: reader.failures)
        second.cancel()
    assert "another program" in reader.failures[0].reason


async def test_a_bot_that_is_removed_hears_nothing_more_and_says_so(world):
    reader = reader_of(world, CHANNELS[:2])
    async with reader.reading():
        await world.until(lambda: len(reader.health) == 2)
        world.platform.set_status(0, "kicked")
        world.say(0)
        world.say(1)
        await world.until(lambda: reader.of(Message))
        await world.rest()
    assert {event.livestream for event in reader.of(Message)} == {"telegram:g1"}
    assert reader.health["telegram:g0"].state == "refused"


async def test_video_chats_end_and_begin_with_the_broadcasts(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        world.mishaps.set(Faults(ended=True))
        await world.until(lambda: len(reader.of(Status)) == len(CHANNELS) - 1)  # a channel has none here
        world.mishaps.calm()
        await world.until(lambda: len(reader.of(Status)) == 2 * (len(CHANNELS) - 1))
    assert [status.state for status in reader.of(Status)] == ["ended"] * 5 + ["live"] * 5


async def test_a_group_that_moves_is_read_on(world):
    reader = reader_of(world)
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        world.say(0)
        world.platform.move(0)
        world.say(0)
        await world.until(lambda: len(reader.of(Message)) == 2)
    same(reader, world)


async def test_who_connects_anew_is_told_again_what_it_had_confirmed_and_counts_it_once(world):
    reader = reader_of(world)
    world.mishaps.set(Faults(overlap=0.5))
    async with reader.reading():
        await world.until(lambda: world.platform.held == 1)
        for _ in range(3):
            bustle(world, 1)
            await world.until(is_complete(world, reader))
            await world.rest()
            before = reader.repeats
            assert world.platform.drop_all() == 1
            bustle(world, 1)
            await world.until(lambda before=before: reader.repeats > before + 1)
            await world.until(is_complete(world, reader))
    assert world.mishaps.told_again > 0
    assert not reader.gaps()
    same(reader, world)


async def test_what_is_told_again_comes_in_answers_of_the_usual_size(world, session):
    world.mishaps.set(Faults(overlap=1.0))
    for _ in range(7):
        world.say(GROUP, who=world.newcomer())
    told = await updates(world, session)
    await updates(world, session, offset=told[-1]["update_id"] + 1)
    async with rest.client(environment=False) as another:
        again = [one for _ in range(3) for one in await updates(world, another, limit=3, offset=told[-1]["update_id"] + 1)]
    assert again == told
