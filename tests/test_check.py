"""``monitor check``: what will not work is said beforehand, with where to get what is missing; logins are tried against real servers."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import connectors
from connectors.connector import Secret
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from monitor.check import WHERE, findings, logins
from monitor.config import Config, Event, Platform, Simulator
from monitor.roster import Channel, Roster

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
    assert [mark for mark, _ in about(found, "webhook.p")] == ["note"]


def test_a_key_that_only_adds_is_a_note_and_half_a_key_is_wrong():
    without = about(said(config(), roster(channel(1))), "twitch")
    assert [mark for mark, _ in without] == ["works", "note"]
    assert "client_id and client_secret" in without[1][1]
    assert "dev.twitch.tv" in without[1][1]
    half = about(said(config(twitch={"client_id": Secret("a")}), roster(channel(1))), "twitch")
    [wrong] = [sentence for mark, sentence in half if mark == "wrong"]
    assert wrong.startswith("twitch: missing: client_secret in [twitch]; without, nobody knows who is live")
    assert WHERE["twitch"] in wrong


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
async def answering(data):
    """A server that says these bytes to whoever comes; None says nothing at all. Gives its address."""

    async def speak(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if data is None:
            await reader.read()
        else:
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


def keyed(url, secret=CLIENT_SECRET):
    return config(twitch={"client_id": Secret(CLIENT_ID), "client_secret": Secret(secret), "login_url": url})


async def tried(configured, **more):
    return [(finding.mark, finding.sentence) for finding in await logins(configured, NOBODY, **more)]


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
    async with answering(None) as url, asyncio.timeout(5):
        [(mark, sentence)] = await tried(keyed(url), within_seconds=0.05)
    assert (mark, sentence) == (
        "wrong", "twitch: the login got no answer: the platform did not answer in time; look at the network and the proxy.",
    )  # fmt: skip


async def test_nobody_is_asked_without_a_key_or_while_the_simulator_plays():
    async with twitch() as url:
        assert await tried(config(twitch={"login_url": url})) == []
        played = config(simulated=True, twitch=dict(keyed(url).platforms["twitch"].options))
        assert await tried(played) == []


@pytest.mark.parametrize(("secret", "code"), [(CLIENT_SECRET, 0), ("wrong-secret", 1)])
async def test_the_command_ends_with_one_when_a_login_does_not_work(tmp_path, secret, code):
    (tmp_path / "roster.csv").write_text("attendee,platform,handle,consent\n1,twitch,ana_1,yes\n")
    (tmp_path / "secret").write_text(secret)
    async with twitch() as url:
        (tmp_path / "event.toml").write_text(f"""
[event]
name = "Test"
timezone = "UTC"
[roster]
file = "roster.csv"
[simulator]
enabled = false
[twitch]
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
