"""Which broadcast counts: the first rule that decides wins, and what nothing decides is asked."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config, Event, Scope, Session, Simulator
from monitor.scope import Rules, Said, hours

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 10, 17, 11, 30, tzinfo=UTC)
"""19:30 in Shanghai."""
INSIDE, OUTSIDE = BEGIN + timedelta(minutes=5), BEGIN + timedelta(hours=12)
OF_THE_EVENT, OTHER = "Live from #OurSummit", "cooking noodles"


def session(start, minutes, name="one"):
    return Session(id=name, name={}, start=start, end=start + timedelta(minutes=minutes))


ONE_EVENING = (session(BEGIN, 150),)


def config(*, sessions=ONE_EVENING, phrases=("chery",), hashtags=("#OurSummit",), simulated=False, **scope):
    event = Event(name="Test", timezone=SHANGHAI, day_start=time(4), hashtags=hashtags)
    scope = Scope(phrases=phrases, **scope)
    return Config(event=event, sessions=sessions, scope=scope, simulator=Simulator(enabled=simulated))


RULES = Rules(config())


@given(
    producer=st.sampled_from([None, True, False]),
    attendee=st.sampled_from([None, True, False]),
    now=st.sampled_from([INSIDE, OUTSIDE]),
    title=st.sampled_from([OF_THE_EVENT, OTHER]),
    tags=st.sampled_from([(), ("always",), ("track",)]),
    unsure=st.sampled_from(["ask", "count", "ignore"]),
)
def test_the_first_rule_that_decides_wins(*, producer, attendee, now, title, tags, unsure):
    found = Rules(config(unsure=unsure)).judge(title, now, tags=tags, said=Said(producer=producer, attendee=attendee)).scope
    if producer is not None:
        expected = "in" if producer else "out"
    elif attendee is False or now is OUTSIDE:
        expected = "out"
    elif attendee or "always" in tags or title is OF_THE_EVENT:
        expected = "in"
    else:
        expected = {"ask": "ask", "count": "in", "ignore": "out"}[unsure]
    assert found == expected


@pytest.mark.parametrize(
    ("title", "scope"),
    [
        ("CHERY summit", "in"),
        ("cherry blossoms", "ask"),
        ("ＣＨＥＲＹ night", "in"),
        ("day two #oursummit 🔴", "in"),
        ("oursummits", "ask"),
        ("", "ask"),
    ],
)
def test_a_title_names_the_event_by_a_whole_word(title, scope):
    assert RULES.judge(title, INSIDE).scope == scope


@pytest.mark.parametrize(
    ("minutes", "is_open"),
    [(-61, False), (-60, True), (0, True), (149, True), (209, True), (210, False)],
)
def test_the_hours_of_the_event_have_an_hour_of_grace_at_both_ends(minutes, is_open):
    assert RULES.open_at(BEGIN + timedelta(minutes=minutes)) is is_open


def test_each_day_of_the_event_lasts_from_its_first_session_to_its_last():
    """A pause between two sessions of a day is the event; a night between two days is not."""
    sessions = (
        session(BEGIN, 30, "a"),
        session(BEGIN + timedelta(hours=5), 60, "b"),
        session(BEGIN + timedelta(hours=22), 30, "c"),
    )
    found = hours(config(sessions=sessions), timedelta(0))
    assert found == (
        (BEGIN, BEGIN + timedelta(hours=6)),
        (BEGIN + timedelta(hours=22), BEGIN + timedelta(hours=22, minutes=30)),
    )


def test_a_session_after_midnight_belongs_to_the_day_before_day_start():
    """23:30 and 01:30 in Shanghai, and a day begins at four: one evening."""
    late = BEGIN + timedelta(hours=4)
    found = hours(config(sessions=(session(late, 30, "a"), session(late + timedelta(hours=2), 30, "b"))), timedelta(0))
    assert found == ((late, late + timedelta(hours=2, minutes=30)),)


def test_without_a_programme_it_is_always_the_event():
    assert Rules(config(sessions=())).judge(OF_THE_EVENT, OUTSIDE).scope == "in"


def test_without_words_every_title_is_of_the_event():
    rules = Rules(config(phrases=(), hashtags=()))
    assert rules.judge(OTHER, INSIDE).scope == "in"
    assert rules.judge(OTHER, OUTSIDE).scope == "out"


def test_the_simulated_event_is_not_tied_to_the_calendar():
    assert Rules(config(simulated=True)).judge(OF_THE_EVENT, OUTSIDE).scope == "in"


@pytest.mark.parametrize(("timed", "words", "unsure"), list(product([True, False], [True, False], ["ask", "count", "ignore"])))
def test_only_rules_that_leave_nothing_out_are_everything(timed, words, unsure):
    rules = Rules(
        config(
            sessions=(session(BEGIN, 30),) if timed else (),
            phrases=("chery",) if words else (),
            hashtags=(),
            unsure=unsure,
        )
    )
    verdicts = {rules.judge(title, now).scope for title in (OF_THE_EVENT, OTHER) for now in (INSIDE, OUTSIDE)}
    assert rules.everything is (verdicts == {"in"})


def test_every_verdict_says_why():
    rules = [Rules(config(unsure=unsure)) for unsure in ("ask", "count", "ignore")]
    for rule, said, now in product(
        rules, (Said(), Said(producer=True), Said(producer=False), Said(attendee=False)), (INSIDE, OUTSIDE)
    ):
        assert rule.judge(OTHER, now, said=said).why
