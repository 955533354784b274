"""What the producer puts on the stage: by whom, until when, and that no two servers disagree about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import stage as stages
from monitor.config import Config, Event, Session, Topic, Turn, Wall
from monitor.moments import iso
from monitor.stage import (
    SCENES,
    SEVERITY,
    Embargo,
    Freeze,
    GoOn,
    LeaveSafe,
    Lift,
    Next,
    Pause,
    Pin,
    Refused,
    Rotate,
    Safe,
    Stage,
    To,
    Unfreeze,
    Unpin,
    apply,
    deadline_ms,
    encode,
    phase_at,
    read_command,
    read_stage,
    shown,
    tripped,
    turning,
)

START = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)


def session(name: str, begin: int, end: int) -> Session:
    """Minutes after START."""
    return Session(id=name, name={"*": name}, start=START + timedelta(minutes=begin), end=START + timedelta(minutes=end))


CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("UTC")),
    sessions=(session("long", 60, 240), session("night", 120, 150)),
    topics=(Topic(id="robots", name={"en": "Robots"}), Topic(id="esg", name={"en": "ESG"})),
    wall=Wall(
        seconds=30,
        rotation=(
            Turn(when="session", session="night", scenes=("voices",)),
            Turn(when="before", scenes=("sessions",)),
            Turn(when="session", scenes=("overview", "voices", "countries")),
            Turn(when="between", scenes=("overview", "sessions"), seconds=60),
        ),
    ),
)


def at(minutes: float) -> int:
    return round((START.timestamp() + 60 * minutes) * 1000)


def told(*commands: stages.AnyCommand, minutes: float = 0, stage: Stage | None = None) -> Stage:
    stage = stage or Stage()
    for command in commands:
        stage = apply(stage, command, by="Ana", now_ms=at(minutes), config=CONFIG)
    return stage


def scene(stage: Stage, minutes: float) -> str:
    return shown(stage, CONFIG, at(minutes))["scene"]


# --- the programme --------------------------------------------------------------------------------------------------------


def test_the_rotation_is_bound_to_the_programme():
    parts = [
        (phase.when, phase.session)
        for minutes in (0, 49, 50, 60, 119, 120, 149, 150, 239, 240)
        if (phase := phase_at(CONFIG, at(minutes)))
    ]
    assert parts == [
        ("between", None), ("between", None), ("before", "long"), ("session", "long"), ("session", "long"), ("session", "night"),
        ("session", "night"), ("session", "long"), ("session", "long"), ("between", None),
    ]  # fmt: skip
    assert scene(Stage(), 55) == "sessions"
    assert [scene(Stage(), 60 + seconds / 60) for seconds in (0, 29, 30, 60, 90)] == [
        "overview",
        "overview",
        "voices",
        "countries",
        "overview",
    ]
    assert scene(Stage(), 130) == "voices"
    assert scene(Stage(), 150) == "overview"


def test_a_session_that_ends_beside_the_newest_one_does_not_begin_the_rotation_anew():
    config = replace(CONFIG, sessions=(session("short", 0, 61), session("newest", 60, 240)))
    assert phase_at(config, at(62)).since_ms == at(60)


def test_without_any_session_it_is_always_between():
    phase = phase_at(replace(CONFIG, sessions=()), at(0))
    assert (phase.when, phase.since_ms, phase.until_ms) == ("between", 0, None)


@given(st.integers(-100, 400 * 60), st.integers(0, 400 * 60), st.sampled_from(SCENES), st.booleans())
def test_the_next_turn_is_when_the_scene_changes_and_never_behind(second, chosen, name, pause):
    now = at(second / 60)
    stage = told(To(name), *([Pause()] if pause else []), minutes=min(chosen, second) / 60)
    turn = turning(stage, phase_at(CONFIG, now), now)
    if turn.next_ms is None:
        assert pause or phase_at(CONFIG, now).until_ms is None
        return
    assert turn.next_ms > now
    before = turning(stage, phase_at(CONFIG, turn.next_ms - 1), turn.next_ms - 1)
    assert before.scene == turn.scene
    if phase_at(CONFIG, turn.next_ms).since_ms == phase_at(CONFIG, now).since_ms:
        assert turning(stage, phase_at(CONFIG, turn.next_ms), turn.next_ms).scene == turn.then


# --- commands -------------------------------------------------------------------------------------------------------------


def test_what_a_person_chose_has_its_full_time_and_then_the_rotation_goes_on_behind_it():
    stage = told(To("voices"), minutes=65)
    assert [scene(stage, 65 + seconds / 60) for seconds in (0, 29, 30, 60)] == ["voices", "voices", "countries", "overview"]
    strange = told(To("spikes"), minutes=65)
    assert [scene(strange, 65 + seconds / 60) for seconds in (0, 30, 60)] == ["spikes", "overview", "voices"]


def test_the_programme_takes_over_when_its_next_part_begins():
    assert scene(told(To("countries"), minutes=49.9), 50) == "sessions"


def test_a_pause_holds_the_scene_that_was_on_until_it_is_ended():
    stage = told(Pause(), minutes=60.6)
    assert [scene(stage, minutes) for minutes in (60.6, 100, 200)] == ["voices"] * 3
    assert "next_at" not in shown(stage, CONFIG, at(100))["rotation"]
    going = told(GoOn(), minutes=100, stage=stage)
    assert [scene(going, 100 + seconds / 60) for seconds in (0, 29, 30)] == ["voices", "voices", "countries"]


def test_next_is_the_scene_that_would_have_come():
    stage = told(Next(), minutes=60.1)
    assert [scene(stage, 60.1), scene(stage, 60.1 + 0.5)] == ["voices", "countries"]
    assert scene(told(Next(), Next(), minutes=60.1), 60.1) == "countries"


def test_a_rotation_of_ones_own_holds_until_the_programme_is_wanted_again():
    stage = told(Rotate(("topics", "moves"), 10), minutes=61)
    assert shown(stage, CONFIG, at(61))["rotation"]["follows"] == "producer"
    assert [scene(stage, 62 + seconds / 60) for seconds in (0, 10)] == ["moves", "topics"]
    back = told(Rotate(), minutes=62, stage=stage)
    assert (shown(back, CONFIG, at(62))["rotation"]["follows"], scene(back, 70)) == ("session", "overview")
    with pytest.raises(Refused, match="5 seconds"):
        told(Rotate(seconds=1))


def test_pins_are_one_message_and_one_country():
    stage = told(Pin(message="twitch:1"), Pin(country="BR"))
    assert shown(stage, CONFIG, at(0))["pinned"] == {"message": "twitch:1", "country": "BR"}
    assert "pinned" not in shown(told(Unpin("message"), Unpin("country"), stage=stage), CONFIG, at(0))
    for wrong in (Pin(), Pin(message=""), Pin(country="x" * 201)):
        with pytest.raises(Refused, match="Name a message"):
            told(wrong)


def test_frozen_twice_is_frozen_since_the_first_time():
    stage = told(Freeze(), minutes=1)
    assert told(Freeze(), minutes=5, stage=stage) is stage
    assert shown(stage, CONFIG, at(9))["frozen_at"] == iso(at(1))
    assert "frozen_at" not in shown(told(Unfreeze(), stage=stage), CONFIG, at(9))


def test_an_embargo_ends_by_itself_or_is_lifted():
    stage = told(Embargo("robots", iso(at(10))), Embargo("esg", "2026-10-16T14:20:00+02:00"))
    assert shown(stage, CONFIG, at(9.99))["embargo"] == {"esg": iso(at(20)), "robots": iso(at(10))}
    assert shown(stage, CONFIG, at(10))["embargo"] == {"esg": iso(at(20))}
    assert "embargo" not in shown(told(Lift("esg"), stage=stage), CONFIG, at(10))


@pytest.mark.parametrize(
    "until", ["", "soon", "2026-10-16T13:00:00", "2026-10-16T12:00:00Z", "2027-10-16T12:00:00Z", "9" * 50 + "Z"]
)
def test_an_embargo_has_an_end_that_everybody_reads_alike(until):
    with pytest.raises(Refused, match="until when"):
        told(Embargo("robots", until))


def test_an_embargo_of_a_topic_that_is_none_is_refused():
    with pytest.raises(Refused, match="no such topic"):
        told(Embargo("rockets", iso(at(10))))


def test_safe_is_one_act_and_leaving_it_names_which():
    stage = told(Safe(), minutes=3)
    assert shown(stage, CONFIG, at(3))["safe"] == {"on": True, "since": iso(at(3)), "by": "Ana", "why": "lead"}
    assert told(Safe(), minutes=4, stage=stage) is stage
    with pytest.raises(Refused, match="put up again"):
        told(LeaveSafe(iso(at(2))), stage=stage)
    assert shown(told(LeaveSafe(iso(at(3))), stage=stage), CONFIG, at(5))["safe"] == {"on": False}


@given(
    st.lists(
        st.sampled_from(
            [
                To("voices"),
                Next(),
                Pause(),
                GoOn(),
                Freeze(),
                Unfreeze(),
                Pin(country="BR"),
                Rotate(("topics",), 9),
                LeaveSafe("x"),
            ]
        ),
        max_size=8,
    )
)
def test_no_other_command_ends_the_safe_scene(commands):
    stage = told(Safe())
    for command in commands:
        try:
            stage = told(command, stage=stage, minutes=1)
        except Refused:
            assert isinstance(command, LeaveSafe)
    assert stage.safe is not None


def test_a_command_that_changes_nothing_is_no_new_version():
    stage = told(Pause(), Freeze())
    assert stage.version == 2
    assert told(Pause(), Freeze(), Unpin("country"), Lift("robots"), stage=stage) is stage


def test_commands_are_read_from_json_and_anything_else_is_a_sentence():
    assert read_command(b'{"command":"scene","scene":"voices"}') == To("voices")
    assert read_command(b'{"command":"safe"}') == Safe()
    for wrong in (
        b"",
        b"[]",
        b'{"command":"fly"}',
        b'{"command":"scene"}',
        b'{"command":"scene","scene":"safe"}',
        b'{"command":"safe","now":1}',
    ):
        with pytest.raises(Refused, match="That is no command"):
            read_command(wrong)


def test_every_command_says_how_serious_it_is():
    assert set(SEVERITY) == set(stages.AnyCommand.__args__)


# --- the dead man ---------------------------------------------------------------------------------------------------------

WATCHED = replace(CONFIG, wall=replace(CONFIG.wall, dead_man_seconds=600))


def test_nobody_seen_for_so_long_in_a_session_puts_up_the_safe_scene_and_it_stays():
    assert tripped(Stage(), WATCHED, at(62), at(71.99)) is None
    stage = tripped(Stage(), WATCHED, at(62), at(72))
    assert stage is not None
    assert shown(stage, WATCHED, at(80), seen_ms=at(79))["safe"] == {
        "on": True, "since": iso(at(72)), "by": "nobody was seen", "why": "dead_man",
    }  # fmt: skip
    assert tripped(stage, WATCHED, at(62), at(90)) is None


def test_the_dead_man_is_off_by_default_and_between_sessions_and_counts_from_the_beginning_of_one():
    assert deadline_ms(CONFIG, None, at(100)) is None
    assert deadline_ms(WATCHED, None, at(30)) is None
    assert tripped(Stage(), WATCHED, None, at(30)) is None
    assert deadline_ms(WATCHED, at(0), at(61)) == at(70)
    assert shown(Stage(), WATCHED, at(61), seen_ms=at(61))["dead_man"] == {
        "seconds": 600,
        "last_seen": iso(at(61)),
        "at": iso(at(71)),
    }


# --- in Redis -------------------------------------------------------------------------------------------------------------


def test_a_state_is_read_as_it_was_written_and_nothing_is_the_beginning():
    stage = told(To("voices"), Pause(), Pin(country="BR"), Freeze(), Embargo("esg", iso(at(10))), Safe())
    assert read_stage(encode(stage)) == stage
    assert read_stage(None) == Stage()
    with pytest.raises(msgspec.DecodeError):
        read_stage(b'{"version":"x"}')


def test_a_rehearsal_says_so():
    assert shown(Stage(), replace(CONFIG, rehearsal=True), at(0))["rehearsal"] is True
    assert "rehearsal" not in shown(Stage(), CONFIG, at(0))
