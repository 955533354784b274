"""What of an open chat goes on: nothing of an offline channel, everything since the beginning of a broadcast, retractions always."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Mark
from connectors.event import Message, Removed
from monitor.gate import HELD_SECONDS, MOST_HELD, Gate, Pass

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
HELD, CLOSED = Pass(reading="held"), Pass(reading="closed")


def opened(since=NOW):
    return Pass(reading="open", broadcast="b1", since=since)


def comment(number, seconds=0.0, livestream="a"):
    at = NOW + timedelta(seconds=seconds)
    return Message(id=f"twitch:{number}", platform="twitch", livestream=livestream, at=at, received_at=at, text="hello")


def removed(number, seconds=0.0):
    at = NOW + timedelta(seconds=seconds)
    return Removed(id=f"twitch:x{number}", platform="twitch", livestream="a", at=at, received_at=at, target=f"twitch:{number}")


def ids(items):
    return [item.id for item in items]


def gate(**passes):
    made = Gate()
    made.update(passes)
    return made


def test_of_whom_nothing_is_known_everything_goes_on_as_it_came():
    event = comment(1)
    assert gate().take([event], 0) == [event]


def test_an_open_livestream_passes_and_is_stamped_with_its_broadcast():
    [event] = gate(a=opened()).take([comment(1)], 0)
    assert event.broadcast == "b1"


def test_a_closed_livestream_is_dropped_but_for_retractions():
    made = gate(a=CLOSED)
    assert ids(made.take([comment(1), removed(0)], 0)) == ["twitch:x0"]
    assert made.forgotten == 1


def test_what_was_said_since_the_broadcast_began_goes_on_when_it_is_discovered():
    made = gate(a=HELD)
    assert made.take([comment(1, -30), comment(2, -6), comment(3, -4), comment(4, 20)], 0) == []
    released = made.update({"a": opened(since=NOW)})
    assert ids(released) == ["twitch:3", "twitch:4"]
    assert {event.broadcast for event in released} == {"b1"}
    assert made.holding == 0


def test_what_is_held_is_forgotten_after_two_minutes():
    made = gate(a=HELD)
    made.take([comment(1), removed(0)], 0)
    assert made.take([], HELD_SECONDS - 1) == []
    assert ids(made.take([], HELD_SECONDS)) == ["twitch:x0"]
    assert (made.holding, made.forgotten) == (0, 1)


def test_while_nobody_knows_whether_it_is_live_what_was_held_goes_on_in_the_end():
    made = gate(a=Pass(reading="held", known=False))
    assert made.take([comment(1)], 0) == []
    assert ids(made.take([], HELD_SECONDS)) == ["twitch:1"]


def test_a_flood_in_an_offline_chat_is_bounded():
    made = gate(a=HELD)
    made.take([comment(number) for number in range(MOST_HELD + 10)], 0)
    assert (made.holding, made.forgotten) == (MOST_HELD, 10)


def test_what_is_held_is_not_reported_as_covered():
    made = gate(a=HELD)
    made.take([comment(1, 5), comment(2, 7)], 0)
    later = NOW + timedelta(seconds=60)
    marks = made.take([Mark(livestreams=("a", "b"), cursor="c", covered_until=later)], 1)
    assert {(mark.livestreams, mark.cursor, mark.covered_until) for mark in marks} == {
        (("b",), "c", later),
        (("a",), None, NOW + timedelta(seconds=5)),
    }
    made.take([], HELD_SECONDS)
    mark = Mark(livestreams=("a",), covered_until=later)
    assert made.take([mark], HELD_SECONDS) == [mark]


@given(
    st.lists(
        st.one_of(
            st.sampled_from([HELD, CLOSED, opened(NOW - timedelta(days=1)), opened(NOW + timedelta(seconds=40)), None]),
            st.integers(1, 90),
        ),
        max_size=40,
    )
)
def test_order_is_kept_and_nothing_goes_on_twice(steps):
    """Decisions and messages in any order, a message each few seconds."""
    made, out, sent, clock = Gate(), [], 0, 0.0
    for step in steps:
        if isinstance(step, int):
            clock += step
            sent += 1
            out += made.take([comment(sent, clock)], clock)
        else:
            out += made.update({} if step is None else {"a": step})
    out += made.take([], clock + HELD_SECONDS)
    numbers = [int(event.id.removeprefix("twitch:")) for event in out]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + made.forgotten == sent


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(-200, 5)), max_size=60))
def test_since_when_something_is_held_is_the_oldest_time_of_what_is_held(steps):
    """Events of two livestreams, in any order of their own times; those of two minutes ago are gone."""
    made, clock, held, told = gate(a=HELD, b=HELD), 0, {"a": [], "b": []}, {}
    for number, (name, pause, age) in enumerate(steps):
        clock += pause
        made.take([comment(number, clock + age, name)], clock)
        told |= made.newly_held()
        held[name].append((clock, clock + age))
        kept = {name: [at for when, at in some if when > clock - HELD_SECONDS] for name, some in held.items()}
        expected = {name: NOW + timedelta(seconds=min(some)) for name, some in kept.items() if some}
        assert made.held_since() == expected
        assert made.holding == sum(map(len, kept.values()))
        assert all(told[name] <= since for name, since in expected.items())
