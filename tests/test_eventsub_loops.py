"""Users' tokens of Twitch: whatever it answers for ever, it is asked less and less often."""

from __future__ import annotations

import json

import pytest
from eventsub_world import World

from connectors.connector import Secret
from connectors.rest import Reply
from connectors.simulator.eventsub_users import HOUSE_TOKEN
from connectors.twitch.eventsub_helix import Place
from connectors.twitch.eventsub_link import UserSockets

SECONDS = 600
MOST = 40
"""Questions in that time: one a second would be 600."""
VALID = {"client_id": "", "user_id": "9", "login": "house", "scopes": [], "expires_in": 14_400}
RENEWED = {"access_token": "a", "refresh_token": "r"}


@pytest.fixture
def keeper(clock):
    world = World(clock)
    world.options = {"client_id": Secret("c"), "client_secret": Secret("s"), "user_tokens": Secret(HOUSE_TOKEN)}
    made = world.keeper(kind=UserSockets, eventsub="websocket")
    made.clock = clock
    return made


def asked(keeper, answers):
    """How often Twitch was asked while it answered so: by the last word of the address, status and body."""
    found = 0
    for _ in range(SECONDS):
        for place in [place for place in (Place(0, 0), Place(0, 1), Place(0, 2)) if place in keeper.connections()]:
            if place.number not in keeper.accounts.all[0].sessions:
                keeper.welcomed(place, f"s{found}")
        while found < 5 * MOST and (ask := keeper.next(keeper.clock.now())) is not None:
            found += 1
            status, body = answers[ask.url.partition("?")[0].rpartition("/")[2]]
            keeper.take(Reply(status=status, headers={}, body=json.dumps(body).encode()), keeper.clock.now())
        for number in [*keeper.accounts.all[0].sessions]:
            if Place(0, number) not in keeper.connections():
                keeper.gone(Place(0, number), keeper.clock.now())
        keeper.clock.advance(1)
    return found


def test_a_token_that_is_renewed_and_is_not_taken_all_the_same_is_not_renewed_without_end(keeper):
    assert 3 < asked(keeper, {"validate": (401, {}), "token": (200, RENEWED)}) < MOST
    assert "does not take what it has just renewed" in keeper.trouble


def test_a_token_that_ends_at_once_is_not_renewed_without_end(keeper):
    assert (
        3
        < asked(keeper, {"validate": (200, VALID | {"expires_in": 1}), "token": (200, RENEWED), "subscriptions": (403, {})})
        < MOST
    )


def test_a_token_that_is_valid_and_is_refused_is_tried_less_and_less_often(keeper):
    assert 3 < asked(keeper, {"validate": (200, VALID), "subscriptions": (401, {})}) < MOST
    assert "takes its token for valid and refuses it" in keeper.trouble


def test_a_session_that_twitch_never_knows_is_not_opened_again_at_once(keeper):
    body = {"message": "the transport session does not exist"}
    assert 3 < asked(keeper, {"validate": (200, VALID), "subscriptions": (400, body)}) < MOST
