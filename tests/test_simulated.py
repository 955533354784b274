"""Whom the simulator plays and whom we watch are the same people, however many were asked for."""

from __future__ import annotations

import dataclasses
from zoneinfo import ZoneInfo

import pytest

from monitor.config import Config, Event, Platform, Simulator
from monitor.roster import Roster, parse_roster
from monitor.simulated import sim_channels, with_simulated

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
