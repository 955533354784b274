"""Twitch's EventSub by users' tokens: whose a token is and how it is renewed and kept, what accounts may have, and connections that come and go."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from datetime import timedelta

import pytest
from eventsub_world import COUNT, PATIENCE_SECONDS, PSEUDONYM, Told, World, be_patient, everything
from hypothesis import given
from hypothesis import strategies as st

from connectors import rest
from connectors.connector import Dropped, Hint, Secret, Throttled, make_pseudonym
from connectors.event import Follow, Gap, Message
from connectors.rest import Reply
from connectors.simulator.eventsub_users import HOUSE, HOUSE_TOKEN, SCOPES
from connectors.simulator.model import Sent, make_member
from connectors.simulator.texts import Text
from connectors.twitch import Options
from connectors.twitch.eventsub_helix import CHAT, FOLLOW, LIVE
from connectors.twitch.eventsub_link import EventSub, UserSockets
from connectors.twitch.eventsub_tokens import opened, sealed, tokens_in
from monitor.pushes import Pushes, Wanted


@pytest.fixture
async def twitch(clock, monkeypatch):
    be_patient(monkeypatch)
    made = World(clock)
    await made.open()
    made.options |= {"eventsub": "websocket", "user_tokens": Secret(HOUSE_TOKEN)}
    yield made
    await made.close()


def accounts(world, **options):
    return world.keeper(kind=UserSockets, **options)


def given_tokens(*tokens):
    return {"user_tokens": Secret("\n".join(tokens))}


def access_of(world, user_id=HOUSE):
    return world.server.people.give(world.server.people[user_id])


# --- tokens -----------------------------------------------------------------------------------------------------------


@given(text=st.text(max_size=200), other=st.binary(min_size=1, max_size=20))
def test_what_is_sealed_opens_with_the_same_key_alone_and_unchanged(text, other):
    seal = sealed(text, PSEUDONYM)
    assert opened(seal, PSEUDONYM) == text
    assert opened(seal, make_pseudonym(b"not " + other)) is None
    for position in (0, len(seal) // 2, len(seal) - 1):
        digit = "0" if seal[position] != "0" else "1"
        assert opened(seal[:position] + digit + seal[position + 1 :], PSEUDONYM) is None
    assert text.isascii() is False or len(text) < 4 or text not in seal


@given(seal=st.text(max_size=100))
def test_what_is_no_seal_opens_as_nothing(seal):
    assert opened(seal, PSEUDONYM) is None


def test_tokens_stand_one_a_line_each_once():
    assert [one.reveal() for one in tokens_in(Secret("a\r\nb\n\n oauth:a "))] == ["a", "b"]
    assert tokens_in(None) == ()


async def test_a_refresh_token_becomes_an_access_token_that_is_validated_each_hour(twitch):
    keeper = accounts(twitch)
    assert await twitch.drive(keeper) == [("GET", "validate"), ("POST", "token"), ("GET", "validate")]
    twitch.clock.advance(3599)
    assert await twitch.drive(keeper) == []
    twitch.clock.advance(1)
    assert await twitch.drive(keeper) == [("GET", "validate")]
    assert keeper.trouble == ""


async def test_an_access_token_is_used_as_it_is_and_its_end_is_said_at_once(twitch):
    keeper = accounts(twitch, **given_tokens(access_of(twitch)))
    assert await twitch.drive(keeper) == [("GET", "validate")]
    await twitch.drive(keeper, seconds=4 * 3600 - 1)
    assert keeper.trouble == ""
    await twitch.drive(keeper, seconds=2)
    assert "number 1 of user_tokens in [twitch] is not valid any more" in keeper.trouble


async def test_a_renewed_token_survives_a_restart_although_the_configured_one_is_used_up(twitch):
    people = twitch.server.people
    people.rotates = True
    first = accounts(twitch)
    await twitch.drive(first)
    kept = first.changes()
    assert people.renewed == 1
    assert HOUSE_TOKEN not in str(kept)
    assert people[HOUSE].refresh not in str(kept)
    again = accounts(twitch)
    again.load(kept)
    assert await twitch.drive(again) == [("GET", "validate")]
    people.expire()
    third = accounts(twitch)
    third.load(kept)
    assert await twitch.drive(third) == [("GET", "validate"), ("POST", "token"), ("GET", "validate")]
    assert third.trouble == ""
    assert third.changes().keys() == kept.keys()


async def test_a_token_is_renewed_minutes_before_it_ends(twitch):
    keeper = accounts(twitch)
    await twitch.drive(keeper)
    assert ("POST", "token") not in await twitch.drive(keeper, seconds=4 * 3600 - 310)
    assert ("POST", "token") in await twitch.drive(keeper, seconds=300)
    assert keeper.trouble == ""


async def test_what_was_kept_of_a_token_that_is_configured_no_more_is_forgotten(twitch):
    first = accounts(twitch)
    await twitch.drive(first)
    kept = {**first.changes(), "conduit": "c1"}
    other = accounts(twitch, **given_tokens(access_of(twitch)))
    other.load(kept)
    [key] = kept.keys() - {"conduit"}
    assert other.changes() == {key: None}


async def test_with_another_key_what_was_kept_is_not_read_and_the_configured_token_is_used(twitch):
    first = accounts(twitch)
    await twitch.drive(first)
    [value] = first.changes().values()
    again = accounts(twitch)
    again.load(dict.fromkeys([again.accounts.all[0].token.key], value[:-1] + ("0" if value[-1] != "0" else "1")))
    assert ("POST", "token") in await twitch.drive(again)
    assert again.trouble == ""


async def test_who_took_the_consent_back_is_said_by_number_and_asked_again_an_hour_later(twitch):
    person = twitch.server.people[HOUSE]
    person.welcome = False
    keeper = accounts(twitch)
    await twitch.drive(keeper, seconds=600)
    assert "number 1 of user_tokens" in keeper.trouble
    assert "let the application in again" in keeper.trouble
    assert twitch.server.people.validated == twitch.server.people.renewed == 1
    person.welcome = True
    await twitch.drive(keeper, seconds=3000)
    assert keeper.trouble == ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"client_id": "another", "user_id": "1", "expires_in": 5000}, "another application"),
        ({"client_id": "simulated", "expires_in": 5000}, "no user's"),
    ],
)
async def test_a_token_that_cannot_be_used_is_said_why(twitch, body, words):
    keeper = accounts(twitch)
    keeper.next(twitch.clock.now())
    keeper.take(Reply(status=200, body=json.dumps(body).encode()), twitch.clock.now())
    assert words in keeper.trouble


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"<html>"), (200, b"[]"), (429, b"{}"), (302, b"")])
async def test_an_answer_about_a_token_that_makes_no_sense_is_waited_out(twitch, status, body):
    keeper = accounts(twitch)
    keeper.next(twitch.clock.now())
    keeper.take(Reply(status=status, body=body), twitch.clock.now())
    assert keeper.trouble
    await twitch.drive(keeper, seconds=120)
    assert keeper.trouble == ""


async def test_no_token_is_in_anything_that_is_shown(twitch, caplog):
    caplog.set_level(logging.DEBUG)
    keeper = accounts(twitch)
    shown = []
    while (ask := keeper.next(twitch.clock.now())) is not None:
        shown.append(f"{ask!r} {ask.url}")
        keeper.take(
            Reply(status=200, body=b'{"access_token":"AT-secret","refresh_token":"RT-secret","expires_in":9}'), twitch.clock.now()
        )
    shown += [repr(keeper), repr(keeper.changes()), repr(keeper.opts), keeper.trouble, repr(vars(keeper)), caplog.text]
    for secret in (HOUSE_TOKEN, "AT-secret", "RT-secret"):
        assert secret not in " ".join(shown)


def test_what_is_missing_is_said_with_where_to_get_it():
    given = {"client_id": Secret("id"), "eventsub": "websocket"}
    assert "user_tokens" in EventSub.lacking(Options(**given), "")
    assert "twitch token" in EventSub.lacking(Options(**given), "")
    assert EventSub.lacking(Options(**given, user_tokens=Secret("t")), "") == ""
    assert EventSub.lacking(Options(eventsub="websocket", user_tokens=Secret("t")), "") is None


# --- subscriptions and connections ------------------------------------------------------------------------------------


class Users(Told):
    """Accounts with their connections, while the world goes on."""

    async def told_of(self, number):
        await self.until(lambda: self.keeper.standing == number)

    async def done(self):
        """Nothing is left to ask for."""
        await self.until(lambda: self.keeper.standing and self.keeper.accounts.is_done)


def said(number, text="hello", room=0, at=1_792_152_000_000):
    return Sent("message", at, f"{number:04x}", room, make_member(random.Random(number), 5, "en", 1), text=Text(text, "", ()))


async def test_who_begins_and_ends_is_told_to_an_account_where_the_broadcaster_consented_to_both(twitch):
    twitch.push.consented = {"501"}
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        await told.done()
        assert twitch.subscribed(LIVE[0]) == set(twitch.ids)
        assert twitch.subscribed(LIVE[1]) == {"501"}, "an end costs as much as a beginning, and is found by asking"
        twitch.air.go_live(1, twitch.unix())
        twitch.air.go_live(2, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 2)
        twitch.air.go_offline(1)
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 3)
        assert [(hint.what, hint.native_id) for hint in told.items] == [("began", "501"), ("began", "502"), ("ended", "501")]
        assert told.failure is None
        assert twitch.push.conduits == {}


async def test_the_chat_of_who_consented_is_told_and_nobody_elses(twitch):
    twitch.push.consented = {"500"}
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        await told.done()
        assert twitch.subscribed(*CHAT, FOLLOW) == {"500"}
        [chat] = [one for one in twitch.push.subscriptions.values() if one["type"] == CHAT[0]]
        assert chat["condition"] == {"broadcaster_user_id": "500", "user_id": HOUSE}
        twitch.push.deliver([said(1), said(2, room=1)])
        await told.until(lambda: told.items)
        [message] = told.items
        assert (type(message), message.id, message.livestream) == (Message, "twitch:0001", "twitch:c0")


async def test_what_an_account_may_not_read_is_not_asked_for(twitch):
    twitch.push.consented = {"500"}
    person = twitch.server.people.let_in("77", ["user:read:email"])
    async with Users(twitch, accounts(twitch, **given_tokens(person.refresh))) as told:
        await told.told_of(COUNT)
        await told.done()
        assert twitch.subscribed(*CHAT, FOLLOW) == set()
        assert told.keeper.trouble == ""


async def test_the_costs_are_spent_on_beginnings_and_who_consented_costs_nothing(clock, monkeypatch):
    be_patient(monkeypatch)
    world = World(clock, count=30)
    await world.open()
    world.options |= {"eventsub": "websocket", **given_tokens(HOUSE_TOKEN)}
    world.push.consented = {world.ids[25], world.ids[29]}
    try:
        async with Users(world, accounts(world)) as told:
            await told.told_of(12)
            await told.done()
            assert world.push.consented < world.subscribed(LIVE[0])
            assert world.subscribed(LIVE[1]) == world.subscribed(CHAT[0]) == world.push.consented
            assert "12 channels are told, cost 10 of 10" in told.keeper.trouble
            asked = world.server.calls["eventsub/subscriptions"]
            assert await world.drive(told.keeper, seconds=600) == []
            assert world.server.calls["eventsub/subscriptions"] == asked
    finally:
        await world.close()


async def test_a_broadcasters_own_account_reads_the_own_channel_and_the_house_the_rest(twitch):
    person = twitch.server.people.let_in("502", SCOPES)
    async with Users(twitch, accounts(twitch, **given_tokens(HOUSE_TOKEN, person.refresh))) as told:
        await told.told_of(COUNT)
        await told.done()
        owners = {
            one["condition"]["broadcaster_user_id"]: twitch.push._owners[one["id"]] for one in twitch.push.subscriptions.values()
        }
        assert owners == {channel: "502" if channel == "502" else HOUSE for channel in twitch.ids}
        assert twitch.subscribed(*CHAT) == {"502"}


async def test_a_broadcasters_account_that_comes_later_takes_the_own_channel_over(twitch):
    person = twitch.server.people.let_in("502")
    person.welcome = False
    async with Users(twitch, accounts(twitch, **given_tokens(HOUSE_TOKEN, person.refresh))) as told:
        await told.told_of(COUNT)
        await told.done()
        assert twitch.subscribed(*CHAT) == set()
        person.welcome = True
        twitch.clock.advance(3601)
        await told.until(lambda: twitch.subscribed(CHAT[0]) == {"502"})
        await told.done()
        assert [twitch.push._owners[one["id"]] for one in twitch.push.subscriptions.values() if one["type"] == LIVE[0]].count(
            "502"
        ) == 1
        assert len(twitch.subscribed(LIVE[0])) == COUNT


async def test_what_one_account_has_no_room_for_another_takes(twitch):
    twitch.server.people.max_total_cost = 4
    person = twitch.server.people.let_in("77")
    async with Users(twitch, accounts(twitch, **given_tokens(HOUSE_TOKEN, person.refresh))) as told:
        await told.told_of(COUNT)
        owners = [twitch.push._owners[one["id"]] for one in twitch.push.subscriptions.values()]
        assert sorted(owners) == ["77", "77", *[HOUSE] * 4]


async def test_a_connection_that_is_full_gets_another_beside_it_up_to_three(twitch, monkeypatch):
    monkeypatch.setattr("connectors.twitch.eventsub_accounts.MOST_EACH", 2)
    twitch.server.people.most_each = 2
    twitch.server.people.max_total_cost = 100
    async with Users(twitch, accounts(twitch, wanted=[*twitch.ids, "990", "991"])) as told:
        await told.told_of(6)
        assert len(twitch.push.sockets) == 3
        await twitch.drive(told.keeper)
        assert {4001, 4003, 4004, 4007}.isdisjoint(twitch.push.closed)


async def test_an_order_to_reconnect_loses_nothing_and_subscribes_nothing_anew(twitch):
    twitch.push.everything_twice = True
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        await told.done()
        asked = twitch.server.calls["eventsub/subscriptions"]
        await told.tells_over_a_reconnect()
        assert twitch.server.calls["eventsub/subscriptions"] == asked
        assert {4004, 4003, 4001}.isdisjoint(twitch.push.closed)


async def test_where_the_new_address_is_worth_nothing_the_old_connection_is_read_until_twitch_closes_it(twitch):
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        twitch.push.order_reconnect(twitch.options["eventsub_url"])
        twitch.push.forget_orders()
        await told.until(lambda: 4007 in twitch.push.closed)
        twitch.air.go_live(0, twitch.unix())
        twitch.push.tick()
        await told.until(lambda: len(told.items) == 1)
        assert told.keeper.standing == COUNT
        twitch.clock.advance(31)
        twitch.push.tick()
        assert twitch.push.closed == [4007, 4004]
        await told.until(lambda: told.keeper.standing == 0)
        twitch.clock.advance(3)
        await told.told_of(COUNT)


async def test_a_connection_that_dies_is_opened_anew_and_a_gap_says_where_follows_may_be_missing(twitch):
    twitch.push.consented = {"500"}
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        await told.done()
        lost = twitch.clock.now()
        twitch.clock.advance(7)
        twitch.push.drop_all()
        await told.until(lambda: told.keeper.standing == 0)
        twitch.clock.advance(3)
        await told.until(lambda: any(isinstance(item, Gap) for item in told.items))
        [gap] = [item for item in told.items if isinstance(item, Gap)]
        assert (gap.livestream, gap.from_, gap.to) == ("twitch:c0", lost, twitch.clock.now())
        twitch.push.tell(FOLLOW, "500", {"broadcaster_user_id": "500", "user_id": "9", "user_name": "Zoe"})
        await told.until(lambda: any(isinstance(item, Follow) for item in told.items))
        assert told.failure is None


async def test_what_a_dead_connection_still_costs_is_taken_away_before_it_is_asked_for_again(twitch):
    twitch.push.lingers = True
    twitch.server.people.max_total_cost = COUNT
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        twitch.push.drop_all()
        await told.until(lambda: told.keeper.standing == 0)
        twitch.clock.advance(3)
        await told.told_of(COUNT)
        assert len(twitch.push.subscriptions) == COUNT
        assert told.keeper.trouble == ""


async def test_where_others_hold_the_three_connections_it_is_said_and_tried_again_a_minute_later(twitch):
    twitch.server.people.most_connections = 0
    async with Users(twitch, accounts(twitch)) as told:
        await told.until(lambda: "another program" in told.keeper.trouble)
        await told.until(lambda: not twitch.push.sockets)
        twitch.server.people.most_connections = 3
        twitch.clock.advance(61)
        await told.told_of(COUNT)
        assert told.keeper.trouble == ""


async def test_a_token_that_ends_before_its_time_is_renewed_and_the_work_goes_on(twitch):
    async with Users(twitch, accounts(twitch, wanted=twitch.ids[:3])) as told:
        await told.told_of(3)
        twitch.server.people.expire()
        told.keeper.watch(twitch.ids)
        await told.told_of(COUNT)
        assert told.keeper.trouble == ""
        assert twitch.server.people.renewed == 2


async def test_a_connection_of_which_nobody_makes_use_is_closed_by_twitch_and_that_is_said(twitch):
    keeper = accounts(twitch)
    await twitch.drive(keeper)
    async with Users(twitch, keeper) as told, asyncio.timeout(PATIENCE_SECONDS):  # and nobody asks for anything
        for number in (1, 2):
            while not twitch.push.sockets:
                await asyncio.sleep(0.005)
            twitch.clock.advance(11)
            twitch.push.tick()
            while keeper.accounts.all[0].losses < number:
                await asyncio.sleep(0.005)
            twitch.clock.advance(10)
        assert twitch.push.closed == [4003, 4003]
        assert "4003" in keeper.trouble
        await told.told_of(COUNT)
        assert keeper.trouble == ""


async def test_an_answer_that_was_lost_is_asked_for_again_so_that_consent_is_seen(twitch):
    twitch.push.consented = {"500"}
    async with Users(twitch, accounts(twitch, wanted=["500"])) as told:
        await twitch.drive(told.keeper)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not told.keeper.accounts.all[0].sessions:
                await asyncio.sleep(0.005)
        ask = told.keeper.next(twitch.clock.now())
        assert (await rest.send(twitch.session, ask)).status == 202
        told.keeper.failed(Dropped("the answer was lost"), twitch.clock.now())
        twitch.clock.advance(10)
        await told.told_of(1)
        await told.done()
        assert twitch.subscribed(CHAT[0]) == {"500"}
        assert told.keeper.trouble == ""


async def test_follows_that_were_told_before_a_restart_leave_a_gap_until_they_are_told_again(twitch):
    twitch.push.consented = {"500"}
    first = accounts(twitch)
    async with Users(twitch, first) as told:
        await told.told_of(COUNT)
        await told.done()
        stopped, kept = twitch.clock.now(), first.changes()
        assert first.changes() == {}
        twitch.clock.advance(60)
        assert list(first.changes()) == ["followed"]
    again = accounts(twitch)
    again.load(kept)
    async with Users(twitch, again) as told:
        await told.until(lambda: told.items)
        [gap] = told.items
        assert (gap.livestream, gap.from_, gap.to) == ("twitch:c0", stopped, twitch.clock.now())


async def test_a_server_that_hangs_is_left_and_that_is_said(twitch, monkeypatch):
    monkeypatch.setattr("connectors.twitch.eventsub_session.SLACK_SECONDS", -9.9)  # of ten seconds
    twitch.push.silent = True
    async with Users(twitch, accounts(twitch)) as told:
        await told.until(lambda: twitch.clock.advance(0.1) or told.keeper.accounts.all[0].losses >= 2)
        assert "said nothing for longer than it promised" in told.keeper.trouble
        be_patient(monkeypatch)
        twitch.push.silent = False
        twitch.clock.advance(300)
        await told.until(lambda: twitch.clock.advance(0.1) or (told.keeper.standing == COUNT and not told.keeper.trouble))


async def test_what_the_broadcaster_took_back_is_not_asked_for_until_tomorrow(twitch):
    twitch.push.consented = {"500"}
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        await told.done()
        twitch.push.revoke(CHAT[0], "500")
        await told.until(lambda: told.items)
        [hint] = told.items
        assert (hint.what, hint.key) == ("revoked", "channel.chat.message authorization_revoked")
        told.keeper.hear(hint, twitch.clock.now())
        await told.done()
        assert twitch.subscribed(CHAT[0]) == set()
        twitch.clock.advance(86_401)
        await told.done()
        await told.until(lambda: twitch.subscribed(CHAT[0]) == {"500"})


async def test_a_channel_that_is_watched_no_more_is_given_back(twitch):
    async with Users(twitch, accounts(twitch)) as told:
        await told.told_of(COUNT)
        told.keeper.watch(twitch.ids[:2])
        await told.until(lambda: twitch.subscribed() == set(twitch.ids[:2]))
        assert told.keeper.standing == 2


async def test_when_asking_too_much_is_answered_it_waits_for_the_time_that_twitch_names(twitch):
    async with Users(twitch, accounts(twitch)) as told:
        await told.until(lambda: twitch.push.sockets and told.keeper.accounts.all[0].sessions)
        told.keeper.watch([*twitch.ids, "999"])
        ask = told.keeper.next(twitch.clock.now())
        assert ask is not None
        now = twitch.clock.now()
        headers = {"ratelimit-remaining": "0", "ratelimit-reset": str(int(now.timestamp()) + 20)}
        told.keeper.take(Reply(status=429, headers=headers, body=b'{"message":"Too Many Requests"}'), now)
        assert told.keeper.next(now) is None
        twitch.clock.advance(21)
        assert told.keeper.next(twitch.clock.now()) is not None
        told.keeper.failed(Dropped("the network is away"), twitch.clock.now())
        assert "the network is away" in told.keeper.trouble


# --- the simulated Twitch itself --------------------------------------------------------------------------------------


class Client:
    """Somebody with a token and a websocket, who does what we would not."""

    def __init__(self, world, token):
        self.world, self.token = world, token

    async def connect(self, url=""):
        socket = await self.world.session.ws_connect(url or self.world.options["eventsub_url"])
        welcome = json.loads(await socket.receive_str())
        return socket, welcome["payload"]["session"]["id"]

    async def subscribe(self, session, kind=LIVE[0], channel="500", reader=HOUSE, **transport):
        condition = {"broadcaster_user_id": channel}
        if kind in CHAT:
            condition["user_id"] = reader
        body = {
            "type": kind, "version": "1", "condition": condition,
            "transport": transport or {"method": "websocket", "session_id": session},
        }  # fmt: skip
        headers = {"Client-Id": "simulated", "Authorization": f"Bearer {self.token}"}
        async with self.world.session.post(
            f"{self.world.base}/helix/eventsub/subscriptions", json=body, headers=headers
        ) as reply:
            return reply.status, (await reply.json()).get("message", "")


async def test_websockets_want_a_users_token_and_conduits_the_applications(twitch):
    user, app = Client(twitch, access_of(twitch)), Client(twitch, twitch.token)
    _socket, session = await user.connect()
    assert (await app.subscribe(session))[0] == 400
    assert (await user.subscribe(session, method="conduit", conduit_id="c"))[0] == 400
    assert (await user.subscribe(session))[0] == 202
    assert (await user.subscribe(session))[0] == 409
    assert (await user.subscribe("another session", channel="501"))[0] == 400
    assert (await user.subscribe(session, CHAT[0], reader="77"))[0] == 403
    twitch.server.people.expire()
    assert (await user.subscribe(session, channel="501"))[0] == 401


async def test_an_account_has_three_connections_and_so_many_subscriptions_on_each_and_its_cost(twitch):
    people, user = twitch.server.people, Client(twitch, access_of(twitch))
    people.most_each, people.max_total_cost = 2, 7
    held = [await user.connect() for _ in range(4)]
    sessions = [session for _, session in held]
    answers = [await user.subscribe(session, channel=str(number)) for number, session in enumerate(sessions)]
    assert [status for status, _ in answers] == [202, 202, 202, 429]
    assert "websocket transports" in answers[3][1]
    assert (await user.subscribe(sessions[0], channel="10"))[0] == 202
    assert (await user.subscribe(sessions[0], channel="11"))[0] == 429
    assert [(await user.subscribe(sessions[1], kind, "1"))[0] for kind in LIVE[1:]] == [202]
    people.max_total_cost = 5
    twitch.push.consented = {"20"}
    status, words = await user.subscribe(sessions[2], channel="12")
    assert (status, "cost" in words) == (429, True)
    assert (await user.subscribe(sessions[2], channel="20"))[0] == 202


async def test_who_speaks_is_closed_and_who_is_told_to_move_and_does_not_is_closed_after_half_a_minute(twitch):
    user = Client(twitch, access_of(twitch))
    loud, _ = await user.connect()
    await loud.send_str("hello")
    message = await loud.receive()
    assert message.data == 4001
    quiet, session = await user.connect()
    await user.subscribe(session)
    twitch.push.order_reconnect(twitch.options["eventsub_url"])
    order = json.loads(await quiet.receive_str())
    address = order["payload"]["session"]["reconnect_url"]
    twitch.clock.advance(29)
    twitch.push.tick()
    fresh, same = await user.connect(address)
    assert same == session
    assert twitch.push.tell(LIVE[0], "500", {"broadcaster_user_id": "500"}) == 1
    assert json.loads(await fresh.receive_str())["metadata"]["message_type"] == "notification"
    twitch.clock.advance(2)
    twitch.push.tick()
    while (message := await quiet.receive()).type.name == "TEXT":
        pass
    assert message.data == 4004
    assert len(twitch.subscribed()) == 1, "what it carried went over"
    again = await twitch.session.ws_connect(address)
    assert (await again.receive()).data == 4007


async def test_silence_is_broken_by_keep_alives_unless_the_server_hangs(twitch):
    user = Client(twitch, access_of(twitch))
    socket, session = await user.connect()
    await user.subscribe(session)
    twitch.clock.advance(10)
    twitch.push.tick()
    assert json.loads(await socket.receive_str())["metadata"]["message_type"] == "session_keepalive"
    twitch.push.silent = True
    twitch.clock.advance(60)
    twitch.push.tick()
    [held] = twitch.push.sockets
    assert held.queue.empty()


# --- all of it, with discovery ----------------------------------------------------------------------------------------


@pytest.fixture
async def whole(valkey, redis_client, clock, tmp_path, monkeypatch):
    async with everything(valkey, clock, tmp_path, monkeypatch) as made:
        yield made


def pusher(whole):
    return whole.discovery.pushes.pushers.get("twitch")


async def test_a_broadcast_is_found_because_an_account_was_told_and_the_renewed_token_is_kept_sealed(whole):
    whole.push.consented = {"500"}
    await whole.open(eventsub="websocket", **given_tokens(HOUSE_TOKEN), live_every_seconds=3600.0)
    await whole.until(lambda: pusher(whole) and pusher(whole).standing == COUNT, 1.0)
    whole.air.go_live(0, whole.unix())
    await whole.until(whole.live, 1.0)
    assert whole.live() == {"twitch:c0"}
    await whole.until(lambda: CHAT[0] in {one["type"] for one in whole.push.subscriptions.values()}, 1.0)
    whole.push.deliver([said(7, at=int(whole.unix() * 1000))])
    await whole.until(lambda: any(isinstance(event, Message) for event in whole.events))
    [message] = [event for event in whole.events if isinstance(event, Message)]
    assert (message.id, message.broadcast) == ("twitch:0007", whole.air.channels[0].id)
    kept = await whole.discovery.pushes.store.kept("twitch")
    assert "token" in {key.partition(" ")[0] for key in kept}
    for token in (HOUSE_TOKEN, *whole.server.people[HOUSE].access):
        assert token not in str(kept)


class Forgetful:
    """A Redis that does not take what is written, until it does."""

    def __init__(self):
        self.away, self.kept = True, {}

    async def hgetall(self, name):
        return {}

    async def hset(self, name, mapping):
        if self.away:
            raise ConnectionError("away")
        self.kept |= mapping


async def test_a_renewed_token_that_redis_did_not_take_is_written_when_it_does(twitch):
    store = Forgetful()

    async def fetch(ask):
        return await rest.send(twitch.session, ask)

    pushes = Pushes(store, twitch.tools, fetch, None)
    pushes.follow({"twitch": Wanted(options=Options(**twitch.options), callback="", channels={}, asking=None)})
    with pytest.raises(ConnectionError):
        await pushes.turn({})
    store.away = False
    await pushes.turn({})
    await pushes.pause()
    assert [key.split()[:2] for key in store.kept] == [["twitch", "token"]]


async def test_with_a_users_token_alone_helix_is_asked_by_it_too(whole):
    token = access_of(whole)
    await whole.open(eventsub="websocket", client_secret=None, **given_tokens(token), live_every_seconds=30.0)
    await whole.until(lambda: pusher(whole) and pusher(whole).standing == COUNT, 1.0)
    whole.air.go_live(3, whole.unix())
    await whole.until(whole.live, 1.0)
    assert whole.live() == {"twitch:c3"}
    assert whole.server.people.renewed == 0


async def test_a_connection_that_is_throttled_waits_for_the_time_that_twitch_names(twitch):
    keeper = accounts(twitch)
    await twitch.drive(keeper)
    now = twitch.clock.now()
    [place] = keeper.wants(now)
    keeper.lost(place, Throttled("slow down", now + timedelta(seconds=90)), now)
    assert keeper.wants(now + timedelta(seconds=89)) == []
    assert keeper.wants(now + timedelta(seconds=90)) == [place]


def test_a_hint_of_somebody_elses_subscription_changes_nothing(clock):
    world = World(clock)
    keeper = UserSockets(Options(client_id=Secret("c"), eventsub="websocket", **given_tokens("t")), world.tools, "")
    keeper.watch(["1"])
    keeper.hear(Hint(what="revoked", native_id="1", at=clock.now(), key="stream.online user_removed"), clock.now())
    assert keeper.standing == 0
    assert keeper.wants(clock.now()) == []
    asyncio.run(world.server.stop())


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_every_message_is_told_once_and_in_the_end_all_is_as_it_should_be(twitch, seed):
    """Connections that drop, move and fail to, tokens that end, consents that come: in any order."""
    dice = random.Random(seed)
    twitch.push.everything_twice = True
    twitch.push.consented = {"500", "501"}
    twitch.server.people.rotates = bool(seed % 2)
    people, said_so_far = twitch.server.people, 0
    second = people.let_in("503")
    async with Users(twitch, accounts(twitch, **given_tokens(HOUSE_TOKEN, second.refresh))) as told:

        def second_passes(seconds=1):
            twitch.clock.advance(seconds)
            twitch.push.tick()
            for hint in [item for item in told.items if isinstance(item, Hint) and item.what == "revoked"]:
                told.items.remove(hint)
                told.keeper.hear(hint, twitch.clock.now())

        await told.told_of(COUNT)
        await told.done()
        for _ in range(25):
            match dice.randrange(8):
                case 0:
                    twitch.push.drop_all()
                case 1:
                    twitch.push.order_reconnect(twitch.options["eventsub_url"])
                case 2:
                    twitch.push.order_reconnect(twitch.options["eventsub_url"])
                    twitch.push.forget_orders()
                case 3:
                    people.expire()
                case 4:
                    twitch.server.trouble += [(dice.choice([401, 429, 500, 503]), b"{}")]
                case 5:
                    twitch.push.revoke(CHAT[0], "500", "notification_failures_exceeded")
                case 6:
                    told.keeper.watch(dice.sample(twitch.ids, dice.randrange(1, COUNT + 1)))
                case _:
                    said_so_far += 1
                    twitch.push.deliver([said(said_so_far, room=0), said(said_so_far + 1000, room=3)])
            for _ in range(dice.randrange(6)):
                await twitch.drive(told.keeper)
                await asyncio.sleep(dice.choice([0, 0, 0.003]))
            second_passes(dice.choice([0, 1, 5, 40]))
        twitch.server.trouble.clear()
        told.keeper.watch(twitch.ids)
        twitch.clock.advance(900)  # longer than it waits after any trouble
        consented = {"500", "501", "503"}
        await told.until(lambda: second_passes() or (told.keeper.standing == COUNT and twitch.subscribed(CHAT[0]) == consented))
        messages = [item.id for item in told.items if isinstance(item, Message)]
        assert len(messages) == len(set(messages))
        assert told.failure is None
        before = len(told.items)
        twitch.push.deliver([said(5000, room=0), said(5001, room=3)])
        await told.until(lambda: len(told.items) >= before + 2)
        assert {"twitch:1388", "twitch:1389"} <= {item.id for item in told.items}
