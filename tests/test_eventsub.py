"""Twitch's push: the same ids as the chat, a connection that is handed over, subscriptions kept, webhooks, and a broadcast found by it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from eventsub_world import COUNT, PATIENCE_SECONDS, PSEUDONYM, Told, World, be_patient, everything
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Dropped, Hint, Request, Secret, Tools, Unreadable
from connectors.event import Follow, Gift, Message, Removed, Share, Unknown, as_json, from_json
from connectors.foreign import object_of
from connectors.rest import Reply
from connectors.simulator import eventsub_wire as wire
from connectors.simulator import irc
from connectors.simulator.faults import Faults
from connectors.simulator.irc import Place
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.texts import Text
from connectors.twitch import Options
from connectors.twitch.eventsub import REASONS, events_of, hint_of, notice_of, parse_document
from connectors.twitch.eventsub_helix import CHAT, FOLLOW, LIVE, secret_of
from connectors.twitch.eventsub_hooks import REASONS as HOOK_REASONS
from connectors.twitch.eventsub_hooks import EventSubHook
from connectors.twitch.eventsub_keeper import EventSubKeeper
from connectors.twitch.eventsub_link import EventSub
from connectors.twitch.eventsub_session import SLACK_SECONDS, WELCOME_SECONDS, Seen, Session, with_keepalive
from connectors.twitch.parse import Context, parse_line

NOW = datetime(2026, 10, 16, 12, 0, 1, tzinfo=UTC)
CONTEXT = Context(NOW, PSEUDONYM, None)
FRAMES = (Path(__file__).parent / "captures" / "twitch" / "eventsub.txt").read_bytes().splitlines()
TOOLS = Tools(pseudonym=PSEUDONYM, now=lambda: NOW, dice=random.Random(1))


def frame(kind, event, *, native="d1", at="2026-10-16T12:00:00.123456789Z", what="notification"):
    subscription = {"type": kind, "version": "1", "status": "enabled", "condition": {"broadcaster_user_id": "1971641"}}
    metadata = {"message_id": native, "message_type": what, "message_timestamp": at, "subscription_type": kind}
    return json.dumps({"metadata": metadata, "payload": {"subscription": subscription, "event": event}}).encode()


def captured(number):
    return parse_document(json.loads(FRAMES[number]), CONTEXT)


def native(number):
    return f"twitch:0e000000-0000-4000-8000-{number:012d}"


# --- the parser -------------------------------------------------------------------------------------------------------


def test_a_message_whole():
    assert captured(2) == [
        Message(
            id=native(101), platform="twitch", livestream="twitch:ana", at=datetime(2026, 10, 16, 11, 59, 59, 995298, tzinfo=UTC),
            received_at=NOW, author=PSEUDONYM("twitch", "4145994"), author_name="Viewer32", text="Olá da fábrica 奇瑞 👋",
            url="https://www.twitch.tv/ana",
        )
    ]  # fmt: skip


def test_a_cheer_is_a_message_and_a_gift_and_an_answer_says_to_what():
    message, gift = captured(3)
    assert message.reply_to == native(101)
    assert (gift.id, gift.name, gift.amount_minor, gift.currency) == (f"{native(102)}:bits", "bits", 100, "BITS")


@pytest.mark.parametrize(
    ("number", "kinds", "ids"),
    [
        (4, [], []),  # a copy of Shared Chat
        (5, [Message, Gift], [native(104), f"{native(104)}:resub"]),
        (6, [Share], [f"{native(105)}:raid"]),
        (7, [Gift], [f"{native(106)}:subgift"]),
        (8, [], []),  # its gifts follow one by one
        (9, [Message, Gift], [native(108), f"{native(108)}:charitydonation"]),
        (10, [Removed], ["twitch:clearmsg:0e000000-0000-4000-8000-000000000101"]),
        (17, [Unknown], [f"twitch:eventsub:{native(18)[7:]}"]),
    ],
)
def test_what_counts_and_under_which_id(number, kinds, ids):
    found = captured(number)
    assert [type(event) for event in found] == kinds
    assert [event.id for event in found] == ids


def test_a_cheer_that_the_chat_tells_as_well_counts_nothing_while_running():
    assert events_of(notice_of(FRAMES[16], NOW), CONTEXT) == []


def test_a_donation_keeps_its_currency_and_an_anonymous_gift_has_no_author():
    gift = captured(9)[1]
    assert (gift.amount_minor, gift.exponent, gift.currency) == (500, 2, "EUR")
    assert captured(7)[0].author is None


def test_a_timeout_takes_back_ten_minutes_of_its_author_and_a_cleared_chat_those_of_all():
    [of_one], [of_all] = captured(11), captured(12)
    assert of_one.target_author == PSEUDONYM("twitch", "4145994")
    assert of_one.to - of_one.from_ == timedelta(minutes=10)
    assert of_all.target_author is None
    assert "4145994" not in of_one.id


def test_a_follow_has_the_same_id_whenever_it_is_told():
    [follow] = captured(13)
    assert isinstance(follow, Follow)
    event = json.loads(FRAMES[13])["payload"]["event"]
    [again] = parse_document(json.loads(frame(FOLLOW, event, native="another", at="2026-10-16T12:09:00Z")), CONTEXT)
    assert again.id == follow.id
    assert "4145994" not in follow.id


def test_online_and_offline_are_hints():
    online, offline = (hint_of(notice_of(FRAMES[number], NOW)) for number in (14, 15))
    assert (online.what, online.native_id, online.broadcast) == ("began", "1971641", "9001")
    assert (offline.what, offline.native_id, offline.broadcast) == ("ended", "1971641", None)
    assert [event.state for number in (14, 15) for event in captured(number)] == ["live", "offline"]


def test_a_channel_is_known_by_id_or_login_and_another_is_not_read():
    for livestreams, found in (({"1971641": "a"}, "a"), ({"ana": "b"}, "b"), ({"bo": "c"}, None)):
        events = parse_document(json.loads(FRAMES[2]), Context(NOW, PSEUDONYM, livestreams))
        assert [event.livestream for event in events] == ([found] if found else [])


def test_of_a_text_without_text_the_fragments_are_read():
    event = json.loads(FRAMES[2])["payload"]["event"] | {"message": {"fragments": [{"text": "Hi "}, {"text": "chat"}, 5]}}
    [message] = parse_document(json.loads(frame(CHAT[0], event)), CONTEXT)
    assert message.text == "Hi chat"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"message": {"text": ""}}, "missing_text"),
        ({"message_id": None}, "missing_id"),
        ({"chatter_user_id": None, "chatter_user_login": ""}, "missing_author"),
        ({"broadcaster_user_id": None, "broadcaster_user_login": None}, "missing_channel"),
        ({"cheer": {"bits": -5}}, "bad_number"),
        ({"cheer": {"bits": 10**20}}, "bad_number"),
    ],
)
def test_what_cannot_be_read_says_why(changed, reason):
    event = json.loads(FRAMES[2])["payload"]["event"] | changed
    with pytest.raises(Unreadable) as found:
        parse_document(json.loads(frame(CHAT[0], event)), CONTEXT)
    assert found.value.reason == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(data=st.data())
def test_any_field_of_any_type_is_unreadable_at_worst(data):
    document = json.loads(data.draw(st.sampled_from(FRAMES)))
    where = document
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [key for key, value in where.items() if isinstance(value, dict) and value]
        if not inner:
            break
        where = where[data.draw(st.sampled_from(sorted(inner)))]
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(JSON)
    reason, events = "", []
    try:
        events = parse_document(object_of(json.dumps(document).encode("utf-8", "surrogatepass")), CONTEXT)
    except Unreadable as error:
        reason = error.reason
    assert reason in REASONS | {""}
    for event in events:
        assert from_json(as_json(event)) == event
        assert event.id.startswith("twitch:")


PLACES = [
    Place(SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"c{n}", native_id=str(500 + n)), n) for n in range(3)
]


@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["message", "bits", "copy", "delete", "sub", "resub", "subgift", "mystery", "raid"]),
    words=st.booleans(),
)
def test_chat_and_eventsub_give_the_same_events_for_the_same_thing(seed, kind, words):
    dice = random.Random(seed)
    at = 1_792_152_000_000 + dice.randrange(10**7)
    text = Text("we are live", "", ()) if words or kind in ("message", "bits", "copy") else None
    member = make_member(dice, 5, "en", 1)
    first = Sent("message", at, f"{dice.getrandbits(96):024x}", 1, member, text=Text("first", "", ()))
    sent = Sent(kind, at, f"{dice.getrandbits(96):024x}", 0, member, text=text, units=dice.randint(1, 500), target=first)
    by_chat = parse_line(irc.line(sent, PLACES[0], PLACES).rstrip("\r\n"), CONTEXT)
    found = wire.said(sent, PLACES[0], PLACES)
    by_push = events_of(notice_of(frame(*found, at=wire.stamp(at / 1000)), NOW), CONTEXT)
    assert [event.id for event in by_push] == [event.id for event in by_chat]
    for one, other in zip(by_push, by_chat, strict=True):
        assert type(one) is type(other)
        assert (one.author, one.author_name, one.livestream) == (other.author, other.author_name, other.livestream)
        assert dataclasses.asdict(SimpleData.of(one)) == dataclasses.asdict(SimpleData.of(other))


@dataclasses.dataclass
class SimpleData:
    """What two sources must agree on."""

    text: str | None
    amount: int | None
    target: str | None
    name: str | None

    @classmethod
    def of(cls, event):
        found = SimpleNamespace(**{name: getattr(event, name, None) for name in ("text", "amount_minor", "target", "name")})
        return cls(found.text, found.amount_minor, found.target, found.name)


# --- one connection ---------------------------------------------------------------------------------------------------


def welcome(session="s1", seconds=10):
    told = {"id": session, "status": "connected", "keepalive_timeout_seconds": seconds, "reconnect_url": None}
    return json.dumps(
        {
            "metadata": {"message_id": f"w {session}", "message_type": "session_welcome", "message_timestamp": "2026-10-16T12:00:00Z"},
            "payload": {"session": told},
        }
    ).encode()  # fmt: skip


def test_a_welcome_says_who_we_are_and_how_long_silence_may_last():
    session = Session(Seen(), 100.0)
    assert session.receive(welcome(seconds=30), 101.0, NOW) is None
    assert session.id == "s1"
    session.tick(101.0 + 30 + SLACK_SECONDS - 0.1)
    assert session.failure is None
    session.tick(101.0 + 30 + SLACK_SECONDS)
    assert isinstance(session.failure, Dropped)


@pytest.mark.parametrize("seconds", [None, "x", -1, 10**9, True])
def test_a_keep_alive_time_that_makes_no_sense_is_no_silence_for_ever(seconds):
    session = Session(Seen(), 0.0)
    session.receive(welcome(seconds=seconds), 0.0, NOW)
    assert 0 < session.deadline <= 600 + SLACK_SECONDS


def test_who_is_not_welcomed_gives_up():
    session = Session(Seen(), 100.0)
    session.tick(100.0 + WELCOME_SECONDS)
    assert isinstance(session.failure, Dropped)


def test_every_frame_is_a_sign_of_life():
    session = Session(Seen(), 0.0)
    session.receive(welcome(), 0.0, NOW)
    for second in range(0, 100, 10):
        session.receive(FRAMES[1], float(second), NOW)
        session.tick(second + 9.0)
    assert session.failure is None


def test_what_comes_twice_is_told_once_also_on_the_connection_that_takes_over():
    seen = Seen()
    first, second = Session(seen, 0.0), Session(seen, 0.0)
    assert first.receive(FRAMES[2], 0.0, NOW) is not None
    assert first.receive(FRAMES[2], 0.0, NOW) is None
    assert second.receive(FRAMES[2], 0.0, NOW) is None
    assert second.receive(FRAMES[3], 0.0, NOW) is not None


def test_what_was_seen_is_bounded():
    seen = Seen(most=3)
    assert [seen.again(name) for name in "abcda"] == [False] * 5
    assert seen.again("d")


def test_an_order_to_reconnect_names_the_address():
    session = Session(Seen(), 0.0)
    session.receive(welcome(), 0.0, NOW)
    session.receive(FRAMES[18], 1.0, NOW)
    assert session.reconnect_url == "wss://eventsub.wss.twitch.tv/ws?id=move"
    assert session.failure is None


def test_the_address_says_the_keep_alive_time():
    assert with_keepalive("wss://x.example/ws?a=b", 5) == "wss://x.example/ws?a=b&keepalive_timeout_seconds=10"


# --- a simulated Twitch -----------------------------------------------------------------------------------------------


@pytest.fixture
async def twitch(clock, monkeypatch):
    be_patient(monkeypatch)
    made = World(clock)
    await made.open()
    yield made
    await made.close()


async def test_a_conduit_is_made_once_and_every_channel_subscribed_once(twitch):
    keeper = twitch.keeper()
    asked = await twitch.drive(keeper)
    assert asked[:3] == [("GET", "conduits"), ("POST", "conduits"), ("GET", "subscriptions")]
    assert len(asked) == 3 + 2 * COUNT
    assert twitch.subscribed("stream.online") == twitch.subscribed("stream.offline") == set(twitch.ids)
    assert await twitch.drive(keeper) == []
    again = twitch.keeper()
    again.load(keeper.changes())
    assert await twitch.drive(again) == [("GET", "conduits"), ("GET", "subscriptions")]
    assert len(twitch.push.conduits) == 1


async def test_long_lists_are_read_to_their_end(clock):
    world = World(clock, count=180)
    await world.open()
    try:
        keeper = world.keeper()
        await world.drive(keeper, most=1000)
        assert len(world.push.subscriptions) == 360
        again = world.keeper()
        again.load(keeper.changes())
        assert await world.drive(again) == [("GET", "conduits"), *[("GET", "subscriptions")] * 4]
    finally:
        await world.close()


async def test_what_others_made_is_left_alone_and_what_we_do_not_want_any_more_is_ended(twitch):
    other = twitch.keeper(twitch.ids[:1])
    await twitch.drive(other)
    mine = twitch.keeper(twitch.ids[1:])
    await twitch.drive(mine)
    mine.watch(twitch.ids[2:])
    await twitch.drive(mine, seconds=601)
    assert twitch.subscribed() == {twitch.ids[0], *twitch.ids[2:]}


async def test_a_conduit_that_is_gone_is_made_anew_with_its_subscriptions(twitch):
    keeper = twitch.keeper()
    await twitch.drive(keeper)
    twitch.push.conduits.clear()
    twitch.push.subscriptions.clear()
    keeper.opened(0, "a session")
    await twitch.drive(keeper, seconds=60)
    assert len(twitch.push.conduits) == 1
    assert twitch.subscribed("stream.online") == set(twitch.ids)


async def test_a_conduit_that_goes_while_subscriptions_are_made_costs_nobody_a_day(twitch):
    keeper = twitch.keeper()
    await twitch.drive(keeper, most=5)
    twitch.push.conduits.clear()
    twitch.push.subscriptions.clear()
    await twitch.drive(keeper, seconds=60)
    assert twitch.subscribed("stream.online") == twitch.subscribed("stream.offline") == set(twitch.ids)


async def test_a_connection_that_waits_to_be_used_is_urgent_until_it_is(twitch):
    keeper = twitch.keeper()
    await twitch.drive(keeper)
    assert not keeper.urgent
    async with twitch.session.ws_connect(twitch.options["eventsub_url"]) as socket:
        welcomed = json.loads(await socket.receive_str())
        keeper.opened(0, welcomed["payload"]["session"]["id"])
        assert keeper.urgent
        assert await twitch.drive(keeper) == [("PATCH", "conduits/shards")]
        assert not keeper.urgent
        assert keeper.standing == COUNT


async def test_when_all_conduits_are_taken_it_is_said_and_asked_again_an_hour_later(twitch):
    twitch.push.conduits.update({str(number): [""] for number in range(5)})
    keeper = twitch.keeper()
    await twitch.drive(keeper, seconds=600)
    assert "conduits" in keeper.trouble
    assert twitch.push.subscriptions == {}
    del twitch.push.conduits["0"]
    await twitch.drive(keeper, seconds=3700)
    assert keeper.trouble == ""
    assert twitch.subscribed("stream.online") == set(twitch.ids)


async def test_when_the_costs_are_used_up_beginnings_go_first_and_the_rest_is_said(twitch):
    twitch.push.max_total_cost = COUNT
    keeper = twitch.keeper()
    await twitch.drive(keeper, seconds=60)
    assert twitch.subscribed("stream.online") == set(twitch.ids)
    assert twitch.subscribed("stream.offline") == set()
    assert f"cost {COUNT} of {COUNT}" in keeper.trouble
    assert twitch.server.calls["eventsub/subscriptions"] <= COUNT + 3


async def test_a_chat_is_subscribed_only_where_the_broadcaster_consented_and_asked_again_a_day_later(twitch):
    twitch.push.consented = {twitch.ids[2]}
    keeper = twitch.keeper(bot_user_id="77")
    await twitch.drive(keeper)
    assert twitch.subscribed(*CHAT, FOLLOW) == {twitch.ids[2]}
    [chat] = [one for one in twitch.push.subscriptions.values() if one["type"] == CHAT[0]]
    assert chat["condition"] == {"broadcaster_user_id": twitch.ids[2], "user_id": "77"}
    [follow] = [one for one in twitch.push.subscriptions.values() if one["type"] == FOLLOW]
    assert (follow["version"], follow["condition"]["moderator_user_id"]) == ("2", "77")
    refused = twitch.server.calls["eventsub/subscriptions"]
    await twitch.drive(keeper, seconds=300)
    assert twitch.server.calls["eventsub/subscriptions"] == refused
    twitch.push.consented = set(twitch.ids)
    twitch.clock.advance(86_400)
    await twitch.drive(keeper)
    assert twitch.subscribed(CHAT[0]) == set(twitch.ids)


async def test_a_revoked_subscription_is_made_again_but_not_against_the_broadcasters_will(twitch):
    keeper = twitch.keeper()
    await twitch.drive(keeper)
    for number, status in ((0, "notification_failures_exceeded"), (1, "user_removed")):
        twitch.push.revoke(LIVE[0], twitch.ids[number])
        hint = Hint(what="revoked", native_id=twitch.ids[number], at=NOW, key=f"{LIVE[0]} {status}")
        keeper.hear(hint, twitch.clock.now())
    await twitch.drive(keeper, seconds=60)
    assert twitch.subscribed(LIVE[0]) == set(twitch.ids) - {twitch.ids[1]}


@pytest.mark.parametrize("status", [500, 503, 403, 200])
async def test_an_answer_that_makes_no_sense_is_waited_out(twitch, status):
    keeper = twitch.keeper()
    keeper.next(twitch.clock.now())
    keeper.take(Reply(status=status, body=b"<html>"), twitch.clock.now())
    assert keeper.trouble
    assert keeper.next(twitch.clock.now() + timedelta(seconds=1)) is None
    await twitch.drive(keeper, seconds=30)
    assert keeper.trouble == ""
    assert twitch.subscribed(LIVE[0]) == set(twitch.ids)


def test_the_secret_is_in_nothing_that_is_shown():
    secret = secret_of(PSEUDONYM)
    assert 10 <= len(secret) <= 100
    keeper = EventSubKeeper(
        Options(client_id=Secret("id"), client_secret=Secret("s"), eventsub="webhook"), TOOLS, "https://x.example/hooks/twitch"
    )
    keeper.watch(["1"])
    keeper.next(NOW)
    keeper.take(Reply(status=200, body=b'{"data":[],"pagination":{}}'), NOW)
    assert keeper.next(NOW) is None, "who receives must hear of new channels first"
    ask = keeper.next(NOW + timedelta(seconds=5))
    assert secret.encode() in ask.body
    assert secret not in f"{ask!r} {keeper!r} {keeper.changes()} {keeper.trouble}"


@pytest.mark.parametrize(
    ("options", "callback", "found"),
    [
        ({}, "", ""),
        ({"eventsub": "off"}, "", None),
        ({"eventsub": "webhook"}, "https://x.example/hooks/twitch", ""),
        ({"eventsub": "webhook"}, "http://x.example/hooks/twitch", "https"),
        ({"eventsub": "webhook"}, "", "https"),
    ],
)
def test_what_each_way_needs(options, callback, found):
    lacking = EventSub.lacking(Options(client_id=Secret("id"), client_secret=Secret("s"), **options), callback)
    assert lacking == found if not found else found in lacking


def test_without_a_key_nobody_is_asked_to_tell_us():
    assert EventSub.lacking(Options(), "") is None


# --- the connections --------------------------------------------------------------------------------------------------


async def test_who_begins_and_ends_is_told_over_the_conduit(twitch):
    async with Told(twitch, twitch.keeper(kind=EventSub)) as told:
        await told.ready()
        assert told.keeper.standing == COUNT
        twitch.air.go_live(1, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: told.items)
        twitch.air.go_offline(1)
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 2)
        assert [(hint.what, hint.native_id) for hint in told.items] == [("began", "501"), ("ended", "501")]
        assert told.failure is None


async def test_an_order_to_reconnect_loses_nothing_and_is_followed_once(twitch):
    twitch.push.everything_twice = True
    async with Told(twitch, twitch.keeper(kind=EventSub)) as told:
        await told.ready()
        await told.tells_over_a_reconnect()
        assert told.failure is None
        assert {4004, 4003, 4001}.isdisjoint(twitch.push.closed)


async def test_a_connection_that_dies_is_said_and_the_next_one_takes_its_place_in_the_conduit(twitch):
    keeper = twitch.keeper(kind=EventSub)
    async with Told(twitch, keeper) as told:
        await told.ready()
        twitch.push.drop_all()
        await told.until(lambda: told.failure)
    assert keeper.standing == 0
    async with Told(twitch, keeper) as told:
        await told.until(lambda: keeper.standing == COUNT)
        twitch.air.go_live(3, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: told.items)
    assert len(twitch.push.conduits) == 1


async def test_a_connection_that_takes_anothers_place_hears_the_end_again_and_tells_it_once(twitch):
    """Under the same message ids; who takes over while the old one still lives knows them, after a cut whoever is told asks the platform."""
    twitch.server.mishaps.set(Faults(overlap=1.0))
    keeper = twitch.keeper(kind=EventSub)
    async with Told(twitch, keeper) as told:
        await told.ready()
        twitch.air.go_live(0, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 1)
        twitch.clock.advance(1)
        twitch.push.order_reconnect(twitch.options["eventsub_url"])
        await told.until(lambda: twitch.server.mishaps.told_again == 1)
        twitch.air.go_live(1, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 2)
        assert [hint.native_id for hint in told.items] == ["500", "501"]
        twitch.push.drop_all()
        await told.until(lambda: told.failure)
    async with Told(twitch, keeper) as told:
        await told.until(lambda: len(told.items) == 2)
    assert twitch.server.mishaps.told_again == 3
    assert [hint.native_id for hint in told.items] == ["500", "501"]


async def test_a_connection_that_nobody_uses_is_closed_and_the_reason_is_in_words(twitch):
    keeper = twitch.keeper(kind=EventSub)
    keeper.conduit = "one that is not there"
    async with Told(twitch, keeper) as told:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not twitch.push.sockets:
                await asyncio.sleep(0.005)
            twitch.clock.advance(11)
            twitch.push.tick()
            while told.failure is None:
                await asyncio.sleep(0.005)
    assert "4003" in told.failure.reason


async def test_several_connections_share_what_is_told(twitch):
    async with Told(twitch, twitch.keeper(kind=EventSub, eventsub_shards=3)) as told:
        await told.ready()
        for number in range(COUNT):
            twitch.air.go_live(number, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == COUNT)
        assert len({socket.session for socket in twitch.push.sockets}) == 3
        assert {hint.native_id for hint in told.items} == set(twitch.ids)


async def test_what_cannot_be_read_is_counted_and_the_connection_goes_on(twitch):
    async with Told(twitch, twitch.keeper(kind=EventSub)) as told:
        await told.ready()
        for socket in twitch.push.sockets:
            socket.queue.put_nowait("{")
            socket.queue.put_nowait("[]")
        twitch.push.tell(LIVE[0], twitch.ids[0], {"broadcaster_user_id": None})
        twitch.air.go_live(0, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 4)
        assert [type(item) for item in told.items] == [Unknown, Unknown, Unknown, Hint]


async def test_a_revocation_is_told_as_such(twitch):
    async with Told(twitch, twitch.keeper(kind=EventSub)) as told:
        await told.ready()
        twitch.push.revoke(LIVE[1], twitch.ids[0])
        await told.until(lambda: told.items)
        [hint] = told.items
        assert (hint.what, hint.native_id, hint.key) == ("revoked", "500", "stream.offline authorization_revoked")


# --- webhooks ---------------------------------------------------------------------------------------------------------


def hook(directory=None):
    return EventSubHook(Options(eventsub="webhook"), {"1971641": "twitch:ana"} if directory is None else directory, TOOLS)


def sent(body, *, what="notification", at=NOW, secret=None, **more):
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new((secret or secret_of(PSEUDONYM)).encode(), b"m1" + stamp.encode() + content, hashlib.sha256).hexdigest()
    headers = {"id": "m1", "timestamp": stamp, "signature": f"sha256={signature}", "type": what, **more}
    return Request(body=content, headers={f"twitch-eventsub-message-{name}": value for name, value in headers.items()})


def subscription(status="enabled", kind=CHAT[0]):
    return {"id": "s", "type": kind, "status": status, "condition": {"broadcaster_user_id": "1971641"}}


CHALLENGE = {
    "challenge": "pogchamp-kappa-360noscope-vohiyo",
    "subscription": subscription("webhook_callback_verification_pending"),
}
VERIFY = "webhook_callback_verification"


def test_a_challenge_for_a_channel_of_ours_is_given_back_as_it_is():
    answer = hook().receive(sent(CHALLENGE, what=VERIFY), NOW)
    assert (answer.status, answer.body, answer.content_type) == (200, b"pogchamp-kappa-360noscope-vohiyo", "text/plain")


def test_a_challenge_for_anybody_else_or_unsigned_is_not():
    assert hook({}).receive(sent(CHALLENGE, what=VERIFY), NOW).status == 403
    assert hook().receive(sent(CHALLENGE, what=VERIFY, secret="guess"), NOW).body == b""


def test_a_notification_has_the_ids_that_the_websocket_has():
    body = json.loads(FRAMES[3])["payload"]
    by_hook = hook().receive(sent(body), NOW).events
    assert [event.id for event in by_hook] == [event.id for event in captured(3)]


def test_online_is_a_hint_and_a_revocation_too():
    answer = hook().receive(sent(json.loads(FRAMES[14])["payload"]), NOW)
    assert [(hint.what, hint.broadcast) for hint in answer.hints] == [("began", "9001")]
    assert answer.events == ()
    answer = hook().receive(sent({"subscription": subscription("user_removed")}, what="revocation"), NOW)
    assert [(hint.what, hint.key) for hint in answer.hints] == [("revoked", "channel.chat.message user_removed")]


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (sent(CHALLENGE, what="notification"), 400, "type_does_not_fit"),
        (sent(json.loads(FRAMES[3])["payload"], what=VERIFY), 400, "type_does_not_fit"),
        (sent(json.loads(FRAMES[3])["payload"], what="revocation"), 400, "type_does_not_fit"),
        (sent({"x": 1}, at=NOW - timedelta(minutes=10, seconds=1)), 403, "outside_window"),
        (sent({"x": 1}, at=NOW + timedelta(minutes=10, seconds=1)), 403, "outside_window"),
        (sent({"x": 1}, id="another"), 403, "wrong_signature"),
        (sent({"x": 1}, signature="sha256=00"), 403, "wrong_signature"),
        (sent({"x": 1}, signature=""), 400, "missing_header"),
        (dataclasses.replace(sent({"x": 1}), method="GET"), 405, "wrong_method"),
        (sent(b" " * 1_100_000), 413, "too_large"),
        (sent(b"{"), 200, "not_json"),
        (sent({"event": {}, "subscription": subscription()}), 200, "missing_channel"),
    ],
)
def test_what_is_refused_and_why(request_, status, reason):
    answer = hook().receive(request_, NOW)
    assert (answer.status, answer.reason) == (status, reason)
    assert answer.events == answer.hints == ()
    assert reason in HOOK_REASONS | REASONS


@pytest.mark.parametrize("seconds", [-599, 599])
def test_within_ten_minutes_it_is_taken(seconds):
    assert hook().receive(sent(json.loads(FRAMES[3])["payload"], at=NOW), NOW + timedelta(seconds=seconds)).status == 200


# --- all of it, with discovery --------------------------------------------------------------------------------------------


@pytest.fixture
async def whole(valkey, redis_client, clock, tmp_path, monkeypatch):
    async with everything(valkey, clock, tmp_path, monkeypatch) as made:
        yield made


async def test_a_broadcast_is_found_within_seconds_because_the_conduit_told_it(whole):
    await whole.open(live_every_seconds=3600.0)
    await whole.until(lambda: (push := whole.discovery.pushes.pushers.get("twitch")) and push.standing == COUNT, 1.0)
    asked, began = whole.server.calls["streams"], whole.unix()
    whole.air.go_live(2, began)
    await whole.until(whole.live, 1.0)
    assert whole.live() == {"twitch:c2"}
    assert whole.server.calls["streams"] == asked + 1
    found = whole.discovery.rows["twitch:c2"].broadcasts[0].found_at
    assert (found - datetime.fromtimestamp(began, UTC)).total_seconds() < 60
    whole.air.go_offline(2)
    await whole.until(lambda: whole.discovery.rows["twitch:c2"].state == "waiting", 1.0)


async def test_what_helix_does_not_confirm_yet_is_asked_again(whole):
    await whole.open(live_every_seconds=3600.0)
    await whole.until(lambda: (push := whole.discovery.pushes.pushers.get("twitch")) and push.standing == COUNT, 1.0)
    asked = whole.server.calls["streams"]
    await whole.discovery.pushes.store.tell("twitch", [Hint(what="began", native_id="503", at=whole.clock.now(), broadcast="9")])
    await whole.second()
    assert whole.server.calls["streams"] == asked + 1
    for _ in range(30):
        await whole.second()
    assert whole.server.calls["streams"] == asked + 4
    for _ in range(60):
        await whole.second(10)
    assert whole.live() == set()
    assert whole.server.calls["streams"] < asked + 40, "what is never confirmed is given up"
    assert await whole.discovery.pushes.store.heard() == {}


async def test_the_chat_of_who_consented_comes_with_the_ids_of_the_chat(whole):
    whole.push.consented = {"500"}
    await whole.open(bot_user_id="77")
    whole.air.go_live(0, whole.unix())
    await whole.until(lambda: CHAT[0] in {one["type"] for one in whole.push.subscriptions.values()}, 1.0)
    await whole.until(lambda: whole.discovery.pushes.pushers["twitch"].standing == COUNT, 1.0)
    await whole.until(lambda: whole.discovery.rows["twitch:c0"].state == "live", 1.0)
    one = Sent(
        "message", int(whole.unix() * 1000), "aa00", 0, make_member(random.Random(1), 5, "en", 1), text=Text("hello", "", ())
    )
    whole.push.deliver([one])
    await whole.until(lambda: any(isinstance(event, Message) for event in whole.events))
    [message] = [event for event in whole.events if isinstance(event, Message)]
    assert (message.id, message.livestream, message.text) == ("twitch:aa00", "twitch:c0", "hello")
    assert message.broadcast == whole.air.channels[0].id


async def test_a_connection_that_dies_is_opened_again_and_tells_again(whole):
    await whole.open(live_every_seconds=3600.0)
    await whole.until(lambda: (push := whole.discovery.pushes.pushers.get("twitch")) and push.standing == COUNT, 1.0)
    [before] = whole.push.sockets
    whole.push.drop_all()
    await whole.until(lambda: before not in whole.push.sockets and whole.push.sockets, 1.0)
    await whole.until(lambda: whole.discovery.pushes.pushers["twitch"].standing == COUNT, 1.0)
    whole.air.go_live(1, whole.unix())
    await whole.until(whole.live, 1.0)
    assert whole.live() == {"twitch:c1"}


async def test_who_does_not_lead_any_more_holds_no_connection(whole):
    await whole.open()
    await whole.until(lambda: whole.push.sockets, 1.0)
    await whole.discovery.pushes.pause()
    await whole.push.settled()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while whole.push.sockets:
            await asyncio.sleep(0.005)
    assert whole.discovery.pushes.pushers == {}


async def test_by_webhook_a_challenge_is_answered_and_a_broadcast_found(whole):
    await whole.open(eventsub="webhook", live_every_seconds=3600.0)
    await whole.until(lambda: "twitch" in whole.discovery.pushes.pushers, 1.0)
    await whole.until(lambda: sum(one["status"] == "enabled" for one in whole.push.subscriptions.values()) == 2 * COUNT, 1.0)
    whole.push.wrong_signature = True
    whole.air.go_live(4, whole.unix())
    await whole.second()
    await whole.second()
    assert whole.push.sent[-1] == 403
    assert whole.live() == set()
    whole.push.wrong_signature = False
    whole.air.go_live(5, whole.unix())
    await whole.until(whole.live, 1.0)
    assert whole.live() == {"twitch:c5"}
