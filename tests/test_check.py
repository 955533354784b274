"""``monitor check``: what will not work is said beforehand, with where to get what is missing; logins are tried against real servers."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fakes import Faults, fake

import connectors
from connectors.connector import Resume, Secret
from connectors.proxy import Proxy
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from monitor.config import Config, Event, Platform, Public, Simulator
from monitor.findings import WHERE, Finding, findings, told_together
from monitor.roster import Channel, Roster
from monitor.tryout import logins

NOBODY = Roster()


def config(simulated=False, **platforms):
    return Config(
        event=Event(name="Test", timezone=ZoneInfo("UTC")),
        path=Path("config.toml"),
        platforms={name: Platform(name=name, options=options) for name, options in platforms.items()},
        simulator=Simulator(enabled=simulated),
    )


def channel(number, platform="twitch", **more):
    return Channel(
        id=f"{platform}:c{number}", attendee=str(number), name="x", country="BR", language=None, platform=platform, handle=f"c{number}",
        **{"consent": "yes", **more},
    )  # fmt: skip


def roster(*channels):
    return Roster(channels=channels)


def said(configured, people=NOBODY):
    return [(finding.mark, finding.sentence) for finding in findings(configured, people)]


def about(found, name):
    return [(mark, sentence) for mark, sentence in found if sentence.startswith(f"{name}:")]


# --- what is missing --------------------------------------------------------------------------------------------------

NEEDY = {
    name: tuple(connectors.parser_of(name).needs) for name in connectors.KNOWN if getattr(connectors.parser_of(name), "needs", ())
}


@pytest.mark.parametrize("name", sorted(NEEDY))
@pytest.mark.parametrize("listed", [False, True])
def test_whatever_a_connector_needs_and_nobody_gave_is_missing_whether_or_not_somebody_is_on_it(name, listed):
    section = f"{name}.mine" if name in connectors.NAMED else name
    found = about(said(config(**{section: {}}), roster(channel(1, section)) if listed else NOBODY), section)
    [missing] = [sentence for mark, sentence in found if mark == "wrong"]
    assert "missing: " in missing
    assert all(option in missing for option in NEEDY[name])
    assert f"[{section}]" in missing
    assert WHERE.get(connectors.kind_of(section), "docs/connectors.md") in missing


@pytest.mark.parametrize("name", sorted(NEEDY))
def test_what_has_all_that_it_needs_is_not_missing_anything(name):
    section = f"{name}.mine" if name in connectors.NAMED else name
    given = {option: "https://x.example/{handle}" if option == "url" else Secret("k") for option in NEEDY[name]}
    if name == "kick":
        given["client_id"] = "k"
    found = about(said(config(**{section: given}), roster(channel(1, section))), section)
    assert not [sentence for _, sentence in found if "missing" in sentence]
    assert found[0][0] == "works"


def test_a_feed_needs_no_roster_and_a_section_without_anybody_is_said():
    found = said(
        config(**{"sse.mine": {"section": "sse.mine", "url": "https://x.example/feed"}, "webhook.p": {"secret": Secret("s")}})
    )
    assert about(found, "sse.mine") == [("works", "sse.mine: read as a whole; no channel of the roster is in it.")]
    assert [mark for mark, _ in about(found, "webhook.p")] == ["note", "note"]


def test_a_key_that_only_adds_is_a_note_and_half_a_key_is_wrong():
    without = about(said(config(), roster(channel(1))), "twitch")
    assert [mark for mark, _ in without] == ["works", "note"]
    assert "client_id and client_secret" in without[1][1]
    assert "dev.twitch.tv" in without[1][1]
    half = about(said(config(twitch={"client_id": Secret("a")}), roster(channel(1))), "twitch")
    [wrong] = [sentence for mark, sentence in half if mark == "wrong"]
    assert wrong.startswith("twitch: missing: client_secret in [twitch]; without, nobody knows who is live")
    assert WHERE["twitch"] in wrong


def test_people_on_bluesky_without_their_id_are_not_read_and_what_finds_it_is_said():
    people = [channel(1, "bluesky"), channel(2, "bluesky", native_id="did:plc:" + "a" * 24), channel(3, "bluesky")]
    sentence = (
        "bluesky: 2 channels without the account's id, by which what is said there is recognised; monitor roster check finds it and "
        "writes it into the roster."
    )
    wrong = ("wrong", sentence)
    assert wrong in said(config(), roster(*people))
    assert wrong not in said(config(), roster(people[1]))
    assert wrong not in said(config(simulated=True), roster(*people))


def test_what_the_simulator_plays_needs_no_key():
    found = said(config(simulated=True, youtube={}), roster(channel(1, "youtube")))
    assert "wrong" not in {mark for mark, _ in found}


def test_who_is_not_read_is_counted_by_reason():
    people = roster(
        channel(1), channel(2, consent=None), channel(3, consent=None), channel(4, state="withdrawn"), channel(5, state="paused"),
        channel(6, verified=False),
    )  # fmt: skip
    found = [sentence for mark, sentence in said(config(), people) if sentence.startswith("Not read")]
    assert found[0] == "Not read: 2 channels: no consent in the roster."
    assert set(found[1:]) == {
        "Not read: 1 channel: the attendee does not agree that it is read.",
        "Not read: 1 channel: paused by the attendee.",
        "Not read: 1 channel: nobody has confirmed yet that this account is the attendee's; the liaison's page does it.",
    }


# --- logins -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def twitch():
    """The simulated login; gives its address."""
    server = HelixServer([], Airtime([], random.Random(1), 0.0), clock=lambda: 0.0)
    port = await server.start()
    yield f"http://127.0.0.1:{port}/oauth2"
    await server.stop()


@asynccontextmanager
async def answering(data, everybody=None):
    """A server that says these bytes to whoever comes, or to all at once when everybody has; None says nothing. Gives its address."""

    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if data is None:
            await reader.read()
        else:
            if everybody is not None:
                await everybody.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


def keyed(url, secret=CLIENT_SECRET):
    return config(twitch={"client_id": Secret(CLIENT_ID), "client_secret": Secret(secret), "login_url": url})


async def tried(configured, within_seconds=60.0):
    return [(finding.mark, finding.sentence) for finding in await logins(configured, NOBODY, within_seconds=within_seconds)]


# --- every platform, as its own server answers ----------------------------------------------------------------------------


def section_of(platform, server, **changes):
    """The options that the fake wants, as a section of the configuration holds them."""
    options = dataclasses.replace(getattr(server, "official", server.options)(), **changes)
    usual = connectors.class_of(platform).options()
    fields = [field.name for field in dataclasses.fields(options)]
    given = {name: getattr(options, name) for name in fields if getattr(options, name) != getattr(usual, name)}
    name = f"{platform}.mine" if platform in connectors.NAMED else platform
    return name, {**given, "section": name} if platform in connectors.NAMED else given


def rows_of(name, server):
    targets = [server.target(handle, Resume()) for handle in server.handles]
    return roster(
        *(
            dataclasses.replace(channel(0, name), id=f"{name}:{one.handle}", handle=one.handle, native_id=one.native_id)
            for one in targets
        )
    )


async def answers(platform, server, within_seconds=60.0, people=None, **changes):
    name, options = section_of(platform, server, **changes)
    people = rows_of(name, server) if people is None else people
    found = await logins(config(**{name: options}), people, within_seconds=within_seconds)
    return [
        (one.mark, one.sentence.removeprefix(f"{name}: ")) for one in found if not one.sentence.startswith(f"{name}: the login")
    ]


TRIED = sorted(name for name in connectors.PLATFORMS if not connectors.class_of(name).untried)


@pytest.mark.parametrize("platform", TRIED)
async def test_a_platform_that_answers_is_said_to_answer(platform):
    async with fake(platform) as server:
        found = await answers(platform, server)
    assert found[0][0] == "works"
    assert found[0][1].startswith("answers")
    assert {mark for mark, _ in found} == {"works"}


@pytest.mark.parametrize("platform", TRIED)
async def test_a_platform_that_refuses_is_wrong_with_a_reason(platform):
    async with fake(platform, Faults(refuse=True)) as server:
        found = await answers(platform, server)
    assert found[0][0] == "wrong"
    assert "is refused: " in found[0][1]


async def test_a_proxy_that_refuses_is_nothing_that_a_key_would_mend():
    async def deny(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(deny, "127.0.0.1", 0) as server:
        proxy = Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        section = {
            "client_id": Secret("i"), "client_secret": Secret("s"), "login_url": "https://id.twitch.example/oauth2", "proxy": proxy,
        }  # fmt: skip
        [(mark, sentence)] = await tried(config(twitch=section))
    assert mark == "wrong"
    assert sentence.endswith("the proxy does not let us through to this platform (HTTP 403); ask whoever runs it.")


@pytest.mark.parametrize("platform", TRIED)
async def test_a_platform_that_asks_us_to_wait_is_a_note(platform):
    async with fake(platform, Faults(throttle_seconds=60)) as server:
        found = await answers(platform, server)
    assert found[0][0] == "note"
    assert "could not be tried now" in found[0][1]


@pytest.mark.parametrize("platform", TRIED)
async def test_where_nobody_answers_it_is_wrong(platform):
    async with fake(platform) as server:
        people = rows_of(section_of(platform, server)[0], server)
        section_of(platform, server)
        gone = server
    found = await answers(platform, gone, people=people)
    assert found[0][0] == "wrong"
    assert "got no answer" in found[0][1]


async def test_the_key_of_a_platform_that_gives_no_token_is_tried_with_the_cheapest_question():
    async with fake("youtube") as server:
        _, options = section_of("youtube", server)
        good = await logins(config(youtube=options), NOBODY, within_seconds=60)
        bad = await logins(config(youtube=options | {"api_key": Secret("another-key")}), NOBODY, within_seconds=60)
        calls = list(server.calls)
    assert [(one.mark, one.sentence) for one in good] == [("works", "youtube: the login works.")]
    assert [one.mark for one in bad] == ["wrong"]
    assert "another-key" not in bad[0].sentence
    assert len(calls) == 2


async def test_a_bot_that_is_in_no_group_has_a_webhook_or_reads_only_commands_is_told_before_the_day():
    async with fake("telegram") as server:
        known, other = server.handles[:2]
        server.statuses[server.chat(known)] = "member"
        server.statuses[server.chat(other)] = None
        server.reads_all = False
        found = await answers("telegram", server)
        assert ("works", "answers.") in found
        assert any(mark == "note" and known in told and "privacy mode" in told for mark, told in found)
        assert any(mark == "wrong" and other in told and "add the bot to the group" in told for mark, told in found)
        server.webhook = "https://elsewhere.example/"
        [(mark, told)] = await answers("telegram", server)
    assert (mark, "has a webhook" in told) == ("wrong", True)


async def test_a_wrong_token_is_said_without_repeating_it():
    async with fake("mastodon") as server:
        [(mark, told)] = await answers("mastodon", server, token=Secret("n0t-the-token"))
    assert mark == "wrong"
    assert "does not accept the token" in told
    assert "n0t-the-token" not in told


async def test_many_channels_are_tried_by_a_few_and_that_is_said():
    async with fake("ssn") as server:
        people = roster(*(dataclasses.replace(channel(n, "ssn.mine"), native_id=f"session{n}") for n in range(40)))
        found = await answers("ssn", server, people=people)
    assert found == [("works", "answers; 5 channels of 40 tried.")]


async def test_all_are_tried_at_the_same_time():
    """Nobody of forty is answered before all of them have come: one after the other, none would be."""
    everybody = asyncio.Barrier(40)
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    async with answering(refusal, everybody) as url, asyncio.timeout(60):
        sections = {f"sse.n{number}": {"section": f"sse.n{number}", "url": f"{url}/events"} for number in range(40)}
        found = await logins(config(**sections), NOBODY, within_seconds=60)
    assert [(finding.mark, "403" in finding.sentence) for finding in found] == [("wrong", True)] * 40


# --- needed against available -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "options", "few", "many"),
    [
        ("twitch", {"client_id": Secret("a"), "client_secret": Secret("b")}, 1_000, 40_000),
        ("kick", {"client_id": "a", "client_secret": Secret("b")}, 900, 1_400),
        ("youtube", {"api_key": Secret("a")}, 100, 1_000),
    ],
)
def test_a_plan_says_what_is_needed_what_there_is_for_how_many_it_suffices_and_what_goes_first(platform, options, few, many):
    for number, enough in ((few, True), (many, False)):
        found = about(said(config(**{platform: options}), roster(*(channel(n, platform) for n in range(number)))), platform)
        plans = [(mark, told) for mark, told in found if " are available; they suffice for " in told]
        assert plans
        assert ({mark for mark, _ in plans} == {"works"}) is enough
        assert all(f"{number:,} channels needs " in told for _, told in plans)
        assert sum("dropped first when the" in told for _, told in found) == len(plans)


def test_hashtags_are_planned_by_the_instance_and_are_read_less_often_when_they_are_many():
    for number, enough in ((8, True), (30, False)):
        event = Event(name="T", timezone=ZoneInfo("UTC"), hashtags=tuple(f"#t{n}" for n in range(number)))
        found = about(said(dataclasses.replace(config(mastodon={}), event=event)), "mastodon")
        [(mark, plan)] = [one for one in found if " are available; " in one[1]]
        assert plan.endswith("they suffice for 8 hashtags.")
        assert (mark == "works") is enough
        assert any("each hashtag is read every" in told for _, told in found) is not enough


def test_what_was_tried_stands_behind_its_platform_and_what_failed_does_not_work():
    people = roster(channel(1), channel(2, "telegram"))
    statically = list(findings(config(telegram={"token": Secret("t")}), people))
    tried = [Finding("wrong", "telegram: the connection got no answer."), Finding("works", "twitch: answers.")]
    together = told_together(statically, tried)
    assert len(together) == len(statically) + 2
    of_telegram = [one for one in together if one.about == "telegram"]
    assert [one.mark for one in of_telegram] == ["note", "wrong"]
    places = [number for number, one in enumerate(together) if one.about == "twitch"]
    assert together[places[-1]] == tried[1]
    assert next(one.mark for one in together if one.about == "twitch") == "works"


def test_platforms_that_nobody_asked_for_say_what_they_would_need():
    found = dict(sentence.split(": ", 1) for mark, sentence in said(config()) if ": not used" in sentence and mark == "note")
    assert found.keys() == set(connectors.KNOWN)
    for name, options in NEEDY.items():
        assert all(option in found[name] for option in options)


def test_a_platform_that_must_call_us_and_does_not_know_where_is_wrong():
    section = {"client_id": "a", "client_secret": Secret("b")}
    without = about(said(config(kick=section), roster(channel(1, "kick"))), "kick")
    assert (
        "wrong",
        "kick: it calls us and does not know where: url in [public] must be our address as the world sees it.",
    ) in without
    known = dataclasses.replace(config(kick=section), public=Public(url="https://live.example.org"))
    assert "wrong" not in {mark for mark, _ in about(said(known, roster(channel(1, "kick"))), "kick")}


# --- the key of discovery ---------------------------------------------------------------------------------------------


async def test_a_login_that_works_is_said_to_work():
    async with twitch() as url:
        assert await tried(keyed(url)) == [("works", "twitch: the login works.")]


async def test_a_login_that_is_refused_says_what_to_correct_and_never_the_key():
    async with twitch() as url:
        [(mark, sentence)] = await tried(keyed(url, "wrong-secret"))
    assert mark == "wrong"
    assert sentence.startswith("twitch: the login is refused: Twitch does not know this client_id and client_secret")
    assert "dev.twitch.tv" in sentence
    assert "wrong-secret" not in sentence


@pytest.mark.parametrize(
    ("data", "mark", "words"),
    [
        (b"HTTP/1.1 429 X\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", "note", "could not be tried now"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "wrong", "got no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "wrong", "no token"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "wrong", "no token"),
        (b"HTTP/1.1 302 X\r\nLocation: http://x.example/\r\nContent-Length: 0\r\n\r\n", "wrong", "refused"),
        (b"", "wrong", "got no answer"),
        (b"SSH-2.0-OpenSSH\r\n", "wrong", "got no answer"),
    ],
)
async def test_whatever_else_answers_is_one_sentence(data, mark, words):
    async with answering(data) as url:
        [(found, sentence)] = await tried(keyed(url))
    assert (found, words in sentence) == (mark, True), sentence


async def test_a_server_that_says_nothing_is_not_waited_for():
    async with answering(None) as url, asyncio.timeout(30):
        [(mark, sentence)] = await tried(keyed(url), within_seconds=0.05)
    assert (mark, sentence) == (
        "wrong", "twitch: the login got no answer: the platform did not answer within 0.05 s; look at the network and the proxy.",
    )  # fmt: skip


async def test_nobody_is_asked_without_a_key_or_while_the_simulator_plays():
    async with twitch() as url:
        assert await tried(config(twitch={"login_url": url})) == []
        played = config(simulated=True, twitch=dict(keyed(url).platforms["twitch"].options))
        assert await tried(played) == []


@pytest.mark.parametrize(("secret", "code"), [(CLIENT_SECRET, 0), ("wrong-secret", 1)])
async def test_the_command_ends_with_one_when_a_login_does_not_work(tmp_path, secret, code):
    (tmp_path / "roster.csv").write_text("attendee,platform,handle,consent\n1,twitch,ana,yes\n")
    (tmp_path / "secret").write_text(secret)
    async with twitch() as url, fake("twitch") as chat:
        (tmp_path / "event.toml").write_text(f"""
[event]
name = "Test"
timezone = "UTC"
[roster]
file = "roster.csv"
[simulator]
enabled = false
[twitch]
url = "{chat.options().url}"
login_url = "{url}"
client_id = {{ file = "id" }}
client_secret = {{ file = "secret" }}
""")
        (tmp_path / "id").write_text(CLIENT_ID)
        for name in ("id", "secret"):
            (tmp_path / name).chmod(0o600)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "check", "--config", str(tmp_path / "event.toml"), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    assert process.returncode == code, said
    assert (b"works  twitch: the login works." in said) is (code == 0)
    assert secret.encode() not in said
