"""Whom the simulator plays and whom we watch are the same people, however many were asked for."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from zoneinfo import ZoneInfo

import pytest

import connectors
from connectors.connector import Secret, Tools
from connectors.simulator.platform import PLATFORMS
from monitor.app import _ports_of
from monitor.config import Config, Event, Platform, Simulator
from monitor.findings import findings
from monitor.hooks_plan import settings_of
from monitor.roster import Roster, parse_roster
from monitor.simulated import PLAYED, addresses_of, as_simulated, sim_channels, with_simulated

ROSTER = parse_roster(
    "attendee,platform,handle,country,language,consent\n"
    "1,twitch,alice,BR,pt,yes\n2,bluesky,bob.example.com,JP,ja,yes\n3,twitch,carol,FR,fr,\n4,twitch,dave,DE,de,yes\n"
)


def config(livestreams, **more):
    simulator = Simulator(enabled=True, livestreams=livestreams)
    return Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), simulator=simulator, **more)


@pytest.mark.parametrize("livestreams", [1, 3, 10])
def test_as_many_are_watched_as_are_played_and_the_same(livestreams):
    roster = with_simulated(ROSTER, config(livestreams))
    played = sim_channels(ROSTER, config(livestreams))
    watched = roster.watchable(require_consent=True)
    assert len(played) == livestreams
    assert [channel.id for channel in watched] == [channel.livestream for channel in played]
    assert [(c.platform, c.handle, c.country) for c in watched] == [(c.platform, c.handle, c.country) for c in played]
    assert sim_channels(roster, config(livestreams)) == played


def test_a_row_without_consent_is_never_played_and_stays_refused():
    roster = with_simulated(ROSTER, config(10))
    assert "twitch:carol" not in {channel.livestream for channel in sim_channels(ROSTER, config(10))}
    assert [channel.id for channel in roster.refused(require_consent=True)] == ["twitch:carol"]


def test_a_platform_that_is_off_is_not_played():
    off = config(2, platforms={"bluesky": Platform(name="bluesky", enabled=False)})
    assert {channel.platform for channel in sim_channels(ROSTER, off)} == {"twitch"}


def test_without_the_simulator_the_roster_is_as_it_was():
    plain = dataclasses.replace(config(10), simulator=Simulator(enabled=False))
    assert with_simulated(ROSTER, plain) is ROSTER


def test_with_no_roster_everybody_is_invented():
    assert len(with_simulated(Roster(), config(5)).watchable(require_consent=True)) == 5


# --- no key is needed, and nobody real is asked -----------------------------------------------------------------------

PLACES = sorted(
    {
        place
        for played in PLATFORMS.values()
        for value in played.options.values()
        if isinstance(value, str)
        for place in re.findall(r"\{(\w+)\}", value)
    }
)
TOLD = {place: f"http://127.0.0.1:{7000 + number}" for number, place in enumerate(PLACES)}
REAL = {
    "kick": {"client_id": "mine", "client_secret": Secret("mine"), "pusher": True, "api": "https://api.kick.com"},
    "mastodon": {"url": "https://social.example", "also": ("https://other.example",)},
    "sse.mine": {"url": "https://feed.example"},
}


def real_config(**more):
    platforms = {name: Platform(name=name, options=options, in_totals=name != "kick") for name, options in REAL.items()}
    return config(5, platforms=platforms, **more)


@pytest.mark.parametrize("name", sorted(PLAYED))
@pytest.mark.parametrize("told", [TOLD, {}], ids=["running", "not running"])
def test_a_played_platform_has_all_that_its_connector_needs_and_no_address_but_of_this_machine(name, told):
    kind = connectors.options_of(name)
    given = {**as_simulated(real_config()).platform(name).options, **addresses_of(told)[name]}
    made = kind(**given)
    assert (
        all(given.get(one) for one in connectors.parser_of(name).needs) if hasattr(connectors.parser_of(name), "needs") else True
    )
    texts = [value for field in dataclasses.fields(kind) for value in _texts(getattr(made, field.name))]
    assert [text for text in texts if "://" in text and "127.0.0.1" not in text] == []
    assert all(isinstance(given[key], Secret) for key in given if key in ("client_secret", "token", "secret", "api_key"))


def _texts(value):
    return (
        [value] if isinstance(value, str) else [one for one in value if isinstance(one, str)] if isinstance(value, tuple) else []
    )


def test_what_is_not_played_is_switched_off_and_the_rest_of_a_section_stays():
    made = as_simulated(real_config())
    assert not made.platform("sse.mine").enabled
    kick = made.platform("kick")
    assert (kick.enabled, kick.in_totals, kick.options["pusher"]) == (True, False, True)
    assert kick.options["client_secret"] != Secret("mine")


def test_a_platform_that_a_person_switched_off_stays_off():
    off = config(5, platforms={"kick": Platform(name="kick", enabled=False)})
    assert not as_simulated(off).platform("kick").enabled


def test_without_the_simulator_the_configuration_is_as_it_was():
    plain = dataclasses.replace(real_config(), simulator=Simulator(enabled=False))
    assert as_simulated(plain) is plain


def test_platforms_that_call_us_find_a_receiver_with_their_test_key():
    settings = settings_of(as_simulated(config(5)))
    assert {"kick", "webhook.simulated"} <= settings.keys()
    for name, options in settings.items():
        kind = connectors.receiver_of(name)
        assert kind(kind.options(**options), {}, Tools(pseudonym=lambda _, author: author)).platform == name


def test_whoever_is_invented_is_spread_over_the_platforms_that_are_on():
    platforms = {channel.platform for channel in sim_channels(Roster(), config(60))}
    assert {"twitch", "kick", "mastodon"} <= platforms <= PLAYED
    people = [channel for channel in sim_channels(Roster(), config(60)) if channel.platform == "mastodon"]
    assert all(channel.handle.endswith("@social.simulated.example") for channel in people)
    without = config(60, platforms={"kick": Platform(name="kick", enabled=False)})
    assert "kick" not in {channel.platform for channel in sim_channels(Roster(), without)}


def test_ports_of_an_earlier_run_are_given_back_by_name_but_for_those_that_somebody_has_now(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        busy, free = taken.getsockname()[1], probe.getsockname()[1]
        probe.close()
        urls = tmp_path / "simulator.json"
        assert _ports_of(urls) == {}
        urls.write_text(json.dumps({"kick": f"http://127.0.0.1:{free}", "twitch": f"ws://127.0.0.1:{busy}", "pid": 7}))
        assert _ports_of(urls) == {"kick": free}
        urls.write_text("[]")
        assert _ports_of(urls) == {}


def test_a_section_that_is_not_played_is_named_and_the_note_is_absent_without_one():
    mine = config(2, platforms={"sse.mysite": Platform(name="sse.mysite"), "twitch": Platform(name="twitch")})
    (note,) = as_simulated(mine).notes
    assert "[sse.mysite] is not read" in note
    assert as_simulated(config(2)).notes == ()
    assert as_simulated(dataclasses.replace(mine, simulator=Simulator(enabled=False))).notes == ()
    assert any("[sse.mysite] is not read" in str(finding) for finding in findings(mine, ROSTER))


def test_of_a_platform_that_is_played_only_the_real_one_lacks_something():
    roster = parse_roster("attendee,platform,handle,consent\n1,telegram,group_1,yes\n")
    said = [str(finding) for finding in findings(config(2), roster) if finding.about == "telegram"]
    assert len(said) == 1
    assert said[0].startswith("note")
    assert "played by the simulator; the real one needs token" in said[0]


def test_people_cost_nothing_beside_the_hashtags_that_they_are_read_by():
    roster = parse_roster("attendee,platform,handle,consent\n" + "".join(f"{n},mastodon,ana{n}@mas.to,yes\n" for n in range(90)))
    event = dataclasses.replace(config(1).event, hashtags=("#One", "#Two"))
    made = Config(event=event, platforms={"mastodon": Platform(name="mastodon")})
    (plan,) = (finding.sentence for finding in findings(made, roster) if finding.is_plan)
    assert "2 hashtags needs" in plan
