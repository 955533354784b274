"""What everything that keeps a platform's subscriptions owes, in each of its ways; no platform is named here but in the table of ways."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as st

import connectors
from connectors.connector import Dropped, Hint, Refused, Secret, Throttled, Tools, make_pseudonym
from connectors.rest import Reply

if TYPE_CHECKING:
    from connectors.pushing import Pusher

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
APP = {"client_id": Secret("id"), "client_secret": Secret("S3CRET-app")}
WAYS = {
    "a conduit": ("twitch", APP),
    "webhooks": ("twitch", {**APP, "eventsub": "webhook"}),
    "accounts": ("twitch", {**APP, "eventsub": "websocket", "user_tokens": Secret("S3CRET-one\nS3CRET-two")}),
    "an account without the application's secret": (
        "twitch", {"client_id": Secret("id"), "eventsub": "websocket", "user_tokens": Secret("S3CRET-one")},
    ),
    "a hub": ("youtube", {"api_key": Secret("S3CRET-key")}),
}  # fmt: skip
"""The platform, and options with which it can tell us."""
CALLBACK = "https://x.example/hooks/somewhere"
BODIES = (
    b"", b"{}", b"[]", b"<html>", b"\xff{", b"null", b'{"data":[{}]}', b'{"data":null}', b'{"message":"no"}', b'{"errors":5}',
    b'{"data":[{"id":"c1","shard_count":1}]}', b'{"data":[{"id":"s1","status":"enabled","cost":0}],"total_cost":1,"max_total_cost":10}',
    b'{"client_id":"id","user_id":"7","login":"a","scopes":["user:read:chat"],"expires_in":14400}',
    b'{"access_token":"T0KEN-new","refresh_token":"T0KEN-newer","expires_in":14400}', b'{"access_token":5}',
    b'{"message":"number of websocket transports limit exceeded"}', b'{"message":"session does not exist"}', b'{"message":"conduit not found"}',
)  # fmt: skip
STATUSES = (200, 202, 204, 301, 400, 401, 403, 404, 409, 429, 500, 503)
replies = st.builds(
    lambda status, body, headers: Reply(status=status, body=body, headers=headers),
    st.sampled_from(STATUSES),
    st.sampled_from(BODIES),
    st.sampled_from(
        ({}, {"ratelimit-remaining": "0", "ratelimit-reset": "0"}, {"ratelimit-remaining": "9"}, {"retry-after": "x"})
    ),
)
failures = st.sampled_from((Dropped("away"), Refused("no"), Throttled("later", NOW + timedelta(days=1))))


class Made:
    """A pusher with its clock; a connection it holds is opened whenever it wants one."""

    def __init__(self, way: str) -> None:
        name, given_options = WAYS[way]
        self.clock = Clock(NOW)
        self.tools = Tools(pseudonym=make_pseudonym(b"key of the contract suite"), now=self.clock.now, dice=random.Random(1))
        self.options = connectors.options_of(name)(**given_options)
        self.kind = connectors.pusher_of(name)
        self.pusher: Pusher = self.kind.made(self.options, self.tools, CALLBACK)
        self.pusher.load({})
        self.pusher.watch([str(number) for number in range(5)])
        self.shown: list[str] = []

    def connect(self) -> None:
        for place in getattr(self.pusher, "connections", tuple)():
            self.pusher.welcomed(place, f"session {place}")  # type: ignore[attr-defined]

    def ask(self) -> bool:
        ask = self.pusher.next(self.clock.now())
        self.shown += [repr(ask), self.pusher.trouble]
        return ask is not None


@pytest.fixture(params=sorted(WAYS))
def way(request):
    return request.param


def test_every_platform_that_can_tell_us_is_in_the_table_of_ways():
    assert {name for name, _ in WAYS.values()} == set(connectors.PUSHERS)
    for name, _ in WAYS.values():
        assert connectors.pusher_of(name).name == name


def test_with_these_options_nothing_is_lacking_and_without_them_nobody_is_asked(way):
    made = Made(way)
    assert made.kind.lacking(made.options, CALLBACK) == ""
    assert made.pusher.standing == 0


@given(way=st.sampled_from(sorted(WAYS)), steps=st.lists(st.one_of(replies, failures, st.integers(1, 4000)), max_size=60))
def test_whatever_is_answered_it_never_raises_and_shows_no_secret(way, steps):
    made = Made(way)
    for step in steps:
        made.connect()
        if isinstance(step, int):
            made.clock.advance(step)
        elif made.ask():
            if isinstance(step, Reply):
                made.pusher.take(step, made.clock.now())
            else:
                made.pusher.failed(step, made.clock.now())
    made.shown += [str(made.pusher.changes()), repr(made.pusher), repr(made.options), str(vars(made.pusher))]
    shown = " ".join(made.shown)
    assert "S3CRET" not in shown
    if "user_tokens" in WAYS[way][1]:  # the others are given none, and may repeat what they were answered
        assert "T0KEN" not in shown
    assert made.pusher.standing <= 5


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [status for status in STATUSES if status >= 300])
def test_what_is_refused_is_not_asked_hotly(way, status, body):
    """Ten minutes of the same refusal: a few questions for each channel, and not one after the other."""
    made = Made(way)
    asked = 0
    for _ in range(600):
        made.connect()
        for _ in range(10):
            if not made.ask():
                break
            asked += 1
            made.pusher.take(Reply(status=status, body=body), made.clock.now())
        made.clock.advance(1)
    assert asked <= 150


def test_what_nobody_answers_is_not_asked_hotly_either(way):
    made = Made(way)
    asked = 0
    for _ in range(600):
        if made.ask():
            asked += 1
            made.pusher.failed(Dropped("nobody answers"), made.clock.now())
        made.clock.advance(1)
    assert 0 < asked <= 60
    assert made.pusher.trouble


def test_an_answer_to_nothing_does_no_harm(way):
    made = Made(way)
    made.pusher.take(Reply(status=200, body=b"{}"), NOW)
    made.pusher.failed(Dropped("x"), NOW)
    asked = made.ask()
    made.clock.advance(120)
    assert asked or made.ask()


@given(way=st.sampled_from(sorted(WAYS)), kept=st.dictionaries(st.text(max_size=40), st.text(max_size=80), max_size=4))
def test_what_another_version_remembered_is_no_harm(way, kept):
    made = Made(way)
    made.pusher.load(kept)
    made.pusher.watch(["1"])
    made.ask()


@pytest.mark.parametrize("key", ["", "stream.online user_removed", "x", "a b c"])
@pytest.mark.parametrize("what", ["revoked", "subscribed", "denied"])
def test_word_of_a_subscription_that_is_not_ours_is_no_harm(way, what, key):
    made = Made(way)
    made.pusher.hear(Hint(what=what, native_id="77", at=NOW, key=key, until=NOW + timedelta(days=1)), NOW)
    assert made.pusher.standing == 0


@pytest.mark.parametrize("holding", [way for way in sorted(WAYS) if Made(way).pusher.holds])
async def test_a_connection_that_is_given_up_leaves_nothing_behind(holding, caplog):
    caplog.set_level(logging.DEBUG)
    made = Made(holding)
    before = asyncio.all_tasks()
    async with aclosing(made.pusher.told(dict)) as told:
        task = asyncio.create_task(anext(told))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert asyncio.all_tasks() == before
    assert "S3CRET" not in caplog.text


def test_what_is_kept_is_text_and_serves_the_next_process(way):
    made = Made(way)
    for body in BODIES:
        if made.ask():
            made.pusher.take(Reply(status=200, body=body), made.clock.now())
        made.clock.advance(3600)
    changes = made.pusher.changes()
    assert made.pusher.changes() == {}
    assert json.loads(json.dumps(changes)) == changes
    again = Made(way)
    again.pusher.load({key: value for key, value in changes.items() if value is not None})
    assert again.pusher.standing <= 5
