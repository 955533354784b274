"""Twitch Helix: what is asked, what an answer means, and the simulator's server that must be as strict as the real one."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import rest
from connectors.connector import Dropped, Refused, Secret, Throttled, Unreadable
from connectors.discovery import Known, Question
from connectors.rest import Ask, Reply
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from connectors.simulator.irc import Place
from connectors.simulator.model import SimChannel
from connectors.twitch import Options
from connectors.twitch.helix import Helix

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)


def helix(url="https://api.example", secret=CLIENT_SECRET, client=CLIENT_ID):
    options = Options(client_id=Secret(client), client_secret=Secret(secret), helix_url=f"{url}/helix", login_url=f"{url}/oauth2")
    return Helix(options)


def status(*ids):
    return Question(what="status", ask=Ask(url="https://api.example"), about=ids)


def known(*ids):
    return [Known(native_id=native_id, handle=f"c{native_id}") for native_id in ids]


def query(question):
    return parse_qsl(urlsplit(question.ask.url).query)


# --- questions --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 450), st.integers(0, 8))
def test_a_sweep_asks_for_each_once_in_order_and_keeps_to_its_budget(count, budget):
    questions = helix().discover(known(*map(str, range(count))), NOW, budget)
    assert sum(question.cost for question in questions) <= budget
    asked = [value for question in questions for key, value in query(question) if key == "user_id"]
    assert asked == [str(number) for number in range(min(count, 100 * budget))]
    for question in questions:
        assert len(question.about) <= 100
        assert ("first", "100") in query(question)  # 20 would be answered otherwise


@given(st.integers(0, 250))
def test_accounts_are_asked_for_a_hundred_at_once(count):
    names = [f"login{number}" for number in range(count)]
    for questions, key in ((helix().resolve(names), "login"), (helix().recheck(names), "id")):
        assert [value for question in questions for key_, value in query(question) if key_ == key] == names
        assert all(1 <= len(question.about) <= 100 for question in questions)


def test_nothing_shows_the_secret():
    platform = helix(secret="do-not-show-me")
    token = platform.read_token(b'{"access_token":"nor-me","expires_in":100}', NOW)
    question = platform.resolve(["a"])[0]
    shown = f"{platform.opts} {platform.enter()} {token} {question} {platform.signed(question, token)}"
    assert "do-not-show-me" not in shown
    assert "nor-me" not in shown


def test_without_both_halves_of_the_key_nothing_is_asked():
    assert Helix.missing(Options()) == ("client_id", "client_secret")
    assert Helix.missing(Options(client_id=Secret("x"))) == ("client_secret",)
    assert Helix.missing(helix().opts) == ()


# --- answers ----------------------------------------------------------------------------------------------------------


def test_who_is_not_in_the_answer_is_offline():
    rows = [
        {
            "id": "11",
            "user_id": "2",
            "user_login": "Bob",
            "type": "live",
            "title": "hi",
            "viewer_count": 5,
            "started_at": "2026-10-17T11:00:00Z",
        }
    ]
    offline, live = helix().read_status(status("1", "2"), orjson.dumps({"data": rows, "pagination": {}}))
    assert (offline.native_id, offline.broadcasts, offline.viewers) == ("1", (), None)
    assert (live.native_id, live.handle, live.viewers) == ("2", "bob", 5)
    [broadcast] = live.broadcasts
    assert (broadcast.native_id, broadcast.title, broadcast.started_at) == ("11", "hi", NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    "row",
    [
        {"user_id": "2", "type": "live"},
        {"id": 11, "user_id": 2, "type": "", "title": None, "viewer_count": "many", "started_at": "yesterday"},
        {"id": None, "user_id": "2", "viewer_count": -1, "started_at": 5},
        {"id": "11", "user_id": "2", "type": "live", "viewer_count": True, "user_login": ["x"]},
    ],
)
def test_a_row_with_odd_fields_is_still_a_live_channel_with_unknown_viewers(row):
    [seen] = helix().read_status(status("2"), orjson.dumps({"data": [row]}))
    assert len(seen.broadcasts) == 1
    assert seen.broadcasts[0].native_id
    assert seen.viewers is None


def test_a_rerun_and_a_stranger_are_not_live_channels_of_ours():
    rows = [{"id": "1", "user_id": "2", "type": "rerun"}, {"id": "2", "user_id": "99", "type": "live"}]
    assert [seen.broadcasts for seen in helix().read_status(status("2"), orjson.dumps({"data": rows}))] == [()]


def test_a_login_is_found_in_any_case_and_an_unknown_one_is_nobody():
    body = orjson.dumps({"data": [{"id": "7", "login": "Alice", "display_name": "Alice Müller"}, {"id": None, "login": "x"}]})
    found, nobody = helix().read_resolved(Question(what="accounts", ask=Ask(url="x"), about=("alice", "x")), body)
    assert (found.asked, found.native_id, found.handle, found.title) == ("alice", "7", "alice", "Alice Müller")
    assert (nobody.asked, nobody.native_id) == ("x", None)


def test_by_id_the_new_login_is_told():
    [found] = helix().read_resolved(
        Question(what="accounts", ask=Ask(url="x"), about=("7",)), b'{"data":[{"id":"7","login":"alice_cars"}]}'
    )
    assert (found.asked, found.native_id, found.handle) == ("7", "7", "alice_cars")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["data", "id", "user_id", "login", "type", "access_token", "expires_in", "viewer_count", "started_at"]), inner
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=60), ANY_JSON.map(msgspec.json.encode)))
def test_whatever_comes_back_only_unreadable_is_raised(body):
    platform, question = helix(), status("1", "2")
    for read in (
        lambda: platform.read_status(question, body),
        lambda: platform.read_resolved(question, body),
        lambda: platform.read_token(body, NOW),
    ):
        try:
            found = read()
        except Unreadable:
            continue
        if isinstance(found, list):
            assert len(found) == 2


@pytest.mark.parametrize(
    ("lasts", "at_least", "at_most"),
    [(3600, 3299, 3301), (60, 29, 31), (0, 0, 0), (-5, 0, 0), (None, 3299, 3301), ("x", 3299, 3301)],
)
def test_a_token_is_given_back_before_it_ends(lasts, at_least, at_most):
    token = helix().read_token(orjson.dumps({"access_token": "t", "expires_in": lasts}), NOW)
    assert at_least <= (token.expires_at - NOW).total_seconds() <= at_most


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (Reply(status=429), Throttled, "slow down"),
        (Reply(status=401), Refused, "client_secret"),
        (Reply(status=403, body=b'{"status":403,"message":"invalid client secret"}'), Refused, "client_secret"),
        (Reply(status=400, body=b'{"status":400,"message":"invalid client"}'), Refused, "client_id"),
        (Reply(status=400, body=b'{"message":"The sum of the id and login"}'), Refused, "400"),
        (Reply(status=500), Dropped, "500"),
        (Reply(status=503), Dropped, "503"),
    ],
)
def test_each_refusal_is_one_of_the_three_failures(reply, kind, says):
    failure = helix().failure(reply, NOW)
    assert type(failure) is kind
    assert says in failure.reason


@pytest.mark.parametrize(("header", "seconds"), [("{soon}", 20), ("{past}", 1), ("{far}", 120), ("never", 60), (None, 60)])
def test_a_429_says_when_to_come_back_and_a_wrong_clock_does_not_hold_us_for_ever(header, seconds):
    unix = int(NOW.timestamp())
    headers = {} if header is None else {"ratelimit-reset": header.format(soon=unix + 20, past=unix - 300, far=unix + 9999)}
    failure = helix().failure(Reply(status=429, headers=headers), NOW)
    assert (failure.until - NOW).total_seconds() == seconds


# --- against the simulator's server -----------------------------------------------------------------------------------


class World(SimpleNamespace):
    async def ask(self, ask):
        async with rest.client() as session:
            return await rest.send(session, ask)

    async def signed(self, question, token=None):
        token = token or await self.token()
        return await self.ask(self.platform.signed(question, token))

    async def token(self):
        reply = await self.ask(self.platform.enter().ask)
        return self.platform.read_token(reply.body, datetime.fromtimestamp(self.now[0], UTC))


@pytest.fixture
async def world():
    channels = [
        SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"c{n}", native_id=str(500 + n)) for n in range(120)
    ]
    now = [NOW.timestamp()]
    air = Airtime([1.0] * 120, random.Random(1), now[0], tags=("#OurSummit",))
    server = HelixServer([Place(channel, index) for index, channel in enumerate(channels)], air, clock=lambda: now[0])
    port = await server.start()
    yield World(server=server, air=air, now=now, platform=helix(f"http://127.0.0.1:{port}"))
    await server.stop()


async def test_a_hundred_are_found_live_and_twenty_when_first_is_forgotten(world):
    [question, _] = world.platform.discover(known(*(str(500 + n) for n in range(120))), NOW, 9)
    world.air.go_offline(7)
    token = await world.token()
    seen = world.platform.read_status(question, (await world.signed(question, token)).body)
    assert [one.native_id for one in seen if not one.broadcasts] == ["507"]
    assert all(one.viewers is not None and "#OurSummit" in one.broadcasts[0].title for one in seen if one.broadcasts)
    forgotten = Ask(url=question.ask.url.replace("&first=100", ""), headers=question.ask.headers)
    reply = await world.signed(Question(what="status", ask=forgotten), token)
    assert len(orjson.loads(reply.body)["data"]) == 20


async def test_more_than_a_hundred_are_refused(world):
    ids = "&".join(f"user_id={500 + n}" for n in range(101))
    users = "&".join(f"login=c{n}" for n in range(101))
    for path in (f"streams?{ids}&first=100", f"users?{users}", "streams?user_id=500&first=101", "users"):
        ask = Ask(url=f"{world.platform.opts.helix_url}/{path}", headers={"Client-Id": CLIENT_ID})
        assert (await world.signed(Question(what="status", ask=ask))).status == 400


async def test_a_token_that_ended_or_was_never_given_is_refused(world):
    [question] = world.platform.resolve(["c1"])
    token = await world.token()
    assert (await world.signed(question, token)).status == 200
    world.now[0] += 5_100_000
    assert (await world.signed(question, token)).status == 401
    assert (await world.ask(question.ask)).status == 401
    wrong = helix(world.platform.opts.helix_url.removesuffix("/helix"), secret="wrong")
    refusal = wrong.failure(await world.ask(wrong.enter().ask), NOW)
    assert isinstance(refusal, Refused)


async def test_an_empty_bucket_answers_429_and_fills_again(world):
    [question] = world.platform.discover(known("500"), NOW, 1)
    world.server._levels[""] = (1.0, world.server.clock())
    token = await world.token()
    assert (await world.signed(question, token)).status == 200
    reply = await world.signed(question, token)
    failure = world.platform.failure(reply, NOW)
    assert isinstance(failure, Throttled)
    assert 59 <= (failure.until - NOW).total_seconds() <= 61
    world.now[0] += 60
    assert (await world.signed(question, token)).status == 200


async def test_a_renamed_channel_keeps_its_id_and_its_old_login_is_nobodys(world):
    world.server.places[3].login = "c3_tv"
    token = await world.token()
    [by_login], [by_id] = world.platform.resolve(["c3"]), world.platform.recheck(["503"])
    [nobody] = world.platform.read_resolved(by_login, (await world.signed(by_login, token)).body)
    [found] = world.platform.read_resolved(by_id, (await world.signed(by_id, token)).body)
    assert (nobody.native_id, found.native_id, found.handle) == (None, "503", "c3_tv")


# --- what is on air ---------------------------------------------------------------------------------------------------


def test_a_steady_crowd_is_always_live_and_a_lively_one_comes_and_goes_under_new_ids():
    for lively in (False, True):
        air = Airtime([1.0] * 300, random.Random(2), 0.0, lively=lively, tags=("#T",))
        ids = {one.id for one in air.channels}
        live = []
        for minute in range(180):
            air.advance(minute * 60.0)
            live.append(sum(bool(one.id) for one in air.channels))
        later = {one.id for one in air.channels if one.id}
        if lively:
            assert 200 < min(live) < max(live) <= 300
            assert not later & ids
        else:
            assert set(live) == {300}
            assert later == ids


def test_a_new_day_gives_everybody_a_new_id():
    air = Airtime([1.0] * 50, random.Random(2), 0.0, tags=("#T",))
    before = {one.id for one in air.channels}
    air.new_day(86400.0)
    after = {one.id for one in air.channels}
    assert len(after) == 50
    assert not before & after


@given(st.floats(0, 500), st.floats(0, 1e6))
def test_viewers_are_a_count(weight, now):
    air = Airtime([weight], random.Random(3), 0.0)
    assert isinstance(air.viewers(0, now), int)
    assert air.viewers(0, now) >= 0
