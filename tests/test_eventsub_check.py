"""What ``monitor check`` says of users' tokens for Twitch: what is missing, what Twitch says of each today, for how many channels they suffice."""

from __future__ import annotations

import dataclasses
from zoneinfo import ZoneInfo

import pytest
from eventsub_world import World

import connectors
from connectors.connector import Secret
from connectors.simulator import platform as table
from connectors.simulator.eventsub_users import HOUSE, HOUSE_TOKEN
from monitor.config import Config, Event, Platform, load
from monitor.findings import findings, secrets_missing
from monitor.roster import Channel, Roster
from monitor.tryout import logins

APP = {"client_id": Secret("id"), "client_secret": Secret("secret")}


def config(**options):
    event = Event(name="T", timezone=ZoneInfo("UTC"))
    return Config(event=event, platforms={"twitch": Platform(name="twitch", options={"eventsub": "websocket", **options})})


def people(number):
    return Roster(
        channels=tuple(
            Channel(id=f"twitch:c{n}", attendee=str(n), name=f"c{n}", country="BR", language="pt", platform="twitch", handle=f"c{n}", consent="yes")
            for n in range(number)
        )
    )  # fmt: skip


def said(configured, number=1):
    return [(one.mark, one.sentence) for one in findings(configured, people(number)) if one.about == "twitch"]


# --- without asking ---------------------------------------------------------------------------------------------------


def test_tokens_that_are_missing_are_a_note_with_where_to_get_them():
    found = said(config(**APP))
    [(mark, told)] = [one for one in found if "found by asking alone" in one[1]]
    assert mark == "note"
    assert "needs user_tokens" in told
    assert "twitch token -u -s" in told


def test_tokens_are_asked_for_only_by_whoever_wants_websockets():
    assert secrets_missing("twitch", APP)[1] == []
    assert secrets_missing("twitch", {**APP, "eventsub": "websocket"})[1] == ["user_tokens"]
    assert not any("user_tokens" in told for _, told in said(dataclasses.replace(config(), platforms={})))


def test_without_the_applications_secret_a_users_token_is_key_enough():
    found = said(config(client_id=Secret("id"), user_tokens=Secret("t")))
    assert not any("missing" in told for _, told in found)
    assert any("asked to tell us who goes live" in told for mark, told in found if mark == "works")


@pytest.mark.parametrize(
    ("tokens", "number", "enough", "fits"), [("a", 10, True, 10), ("a", 11, False, 10), ("a b", 20, True, 20)]
)
def test_the_plan_says_for_how_many_the_accounts_suffice_and_what_consent_changes(tokens, number, enough, fits):
    found = said(config(**APP, user_tokens=Secret(tokens)), number)
    [(mark, plan)] = [one for one in found if "EventSub by users' tokens" in one[1]]
    assert plan.endswith(f"{number} channels needs {number} points, {fits} are available; they suffice for {fits} channels.")
    assert (mark == "works") is enough
    assert any("authorises the application, which costs nothing" in told for _, told in found) is not enough
    assert any("112 channels fit" in told or "225 channels fit" in told for _, told in found)


def test_the_configuration_reads_tokens_from_a_file_one_a_line(tmp_path):
    (tmp_path / "tokens").write_text("one\ntwo\n")
    (tmp_path / "tokens").chmod(0o600)
    (tmp_path / "config.toml").write_text(
        '[event]\nname = "T"\ntimezone = "UTC"\n[twitch]\neventsub = "websocket"\nuser_tokens = { file = "tokens" }\n'
    )
    options = load(tmp_path / "config.toml").platform("twitch").options
    assert options["user_tokens"] == Secret("one\ntwo")
    assert "one" not in repr(options)


def test_the_simulator_knows_the_token_that_it_is_configured_with():
    assert table.PLATFORMS["twitch"].options["user_tokens"] == HOUSE_TOKEN
    assert "user_tokens" in {field.name for field in dataclasses.fields(connectors.options_of("twitch"))}


# --- tried ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def twitch(clock):
    made = World(clock)
    await made.open()
    yield made
    await made.close()


async def tried(world, *tokens, **options):
    given = {name: world.options[name] for name in ("client_id", "client_secret", "login_url")} | options
    configured = config(
        **{name: value for name, value in given.items() if value is not None}, user_tokens=Secret("\n".join(tokens))
    )
    found = await logins(configured, Roster(), within_seconds=60.0)
    said = [(one.mark, one.sentence) for one in found if "user token" in one.sentence]
    assert not any(token in told for _, told in said for token in tokens)
    return said


async def test_a_token_that_renews_itself_works_and_the_account_is_named(twitch):
    [(mark, told)] = await tried(twitch, HOUSE_TOKEN)
    assert mark == "works"
    assert f"user token 1 is of user{HOUSE}" in told
    assert "the chat and where it moderates the follows too" in told


async def test_each_token_is_said_by_its_number(twitch):
    other = twitch.server.people.let_in("77")
    assert [told[: len("twitch: user token 1")] for _, told in await tried(twitch, HOUSE_TOKEN, other.refresh, "nonsense")] == [
        "twitch: user token 1", "twitch: user token 2", "twitch: user token 3",
    ]  # fmt: skip


async def test_an_access_token_is_a_note_because_it_ends(twitch):
    people = twitch.server.people
    [(mark, told)] = await tried(twitch, people.give(people[HOUSE]), client_secret=None)
    assert mark == "note"
    assert "it ends in 4 h and cannot be renewed" in told


async def test_a_token_that_may_not_read_the_chat_is_a_note(twitch):
    person = twitch.server.people.let_in("77", [])
    [(mark, told)] = await tried(twitch, person.refresh)
    assert mark == "note"
    assert "needs the scope user:read:chat" in told


@pytest.mark.parametrize(
    ("secret", "words"),
    [(True, "its account must let the application in again"), (False, "a refresh token, which needs client_secret")],
)
async def test_what_twitch_does_not_take_is_wrong_with_what_to_do(twitch, secret, words):
    options = {} if secret else {"client_secret": None}
    [(mark, told)] = await tried(twitch, "nonsense", **options)
    assert mark == "wrong"
    assert words in told
    assert "twitch token -u -s" in told


async def test_a_token_that_serves_once_is_said_to_be_used_up(twitch):
    twitch.server.people.rotates = True
    [(mark, told)] = await tried(twitch, HOUSE_TOKEN)
    assert mark == "wrong"
    assert "this trial used it" in told


async def test_a_token_of_another_application_is_wrong(twitch):
    people = twitch.server.people
    [(mark, told)] = await tried(twitch, people.give(people[HOUSE]), client_id=Secret("another"))
    assert mark == "wrong"
    assert "another application" in told


@pytest.mark.parametrize(("status", "mark"), [(500, "wrong"), (429, "note")])
async def test_trouble_of_twitchs_own_is_no_fault_of_the_token(twitch, status, mark):
    twitch.server.trouble = [(status, b"{}")] * 3
    [(found, told)] = await tried(twitch, HOUSE_TOKEN)
    assert found == mark
    assert "user token 1" in told
