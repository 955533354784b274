"""What state a livestream is in, from when on, and which states have still to be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from monitor.collect_states import States
from monitor.roster import Channel, Roster

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROSTER = Roster(
    channels=(
        Channel(
            id="twitch:ana", attendee="7", name="Ana", country="BR", language="pt", platform="twitch", handle="ana", consent="yes"
        ),
    )
)


class Clock:
    def __init__(self):
        self.time = NOW

    def __call__(self):
        self.time += timedelta(seconds=1)
        return self.time


def rows(states):
    return {name: orjson.loads(row) for name, row in states.take_changed(ROSTER, NOW).items()}


def test_a_state_begins_when_it_changes_and_not_with_another_reason():
    states = States(Clock())
    states.note("twitch:ana", "broken", "no network")
    began = states["twitch:ana"]["since"]
    states.note("twitch:ana", "broken", "no answer")
    assert states["twitch:ana"] == {"state": "broken", "reason": "no answer", "since": began}
    states.note("twitch:ana", "live")
    assert states["twitch:ana"]["since"] > began


def test_what_changes_while_it_is_being_written_is_written_once_more():
    states = States(Clock())
    states.note("twitch:ana", "connecting")
    assert rows(states)["twitch:ana"]["state"] == "connecting"
    states.note("twitch:ana", "live")  # before the server has answered
    assert rows(states)["twitch:ana"]["state"] == "live"
    assert not states.has_changed


def test_what_could_not_be_written_is_written_later_unless_it_is_not_ours_any_more():
    states = States(Clock())
    states.note("twitch:ana", "live")
    states.note("twitch:bo", "live")
    failed = rows(states)
    states.drop("twitch:bo")
    states.not_written(failed)
    assert rows(states).keys() == {"twitch:ana"}


def test_a_row_says_whose_livestream_it_is_and_of_a_hashtag_that_it_is_one():
    states = States(Clock())
    states.note("twitch:ana", "live")
    states.note("bluesky:#event", "live")
    found = rows(states)
    assert (found["twitch:ana"]["attendee"], found["twitch:ana"]["country"]) == ("7", "BR")
    assert (found["bluesky:#event"]["handle"], found["bluesky:#event"]["hashtag"]) == ("#event", True)


def test_all_are_written_again_on_request():
    states = States(Clock())
    states.note("twitch:ana", "live")
    rows(states)
    assert rows(states) == {}
    states.write_again()
    assert rows(states).keys() == {"twitch:ana"}
