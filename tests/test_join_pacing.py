"""However late the server reads and however late we read its answers, no ten seconds of the server hold more JOINs than allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.connector import Target
from connectors.twitch import Options
from connectors.twitch.session import Rooms, Session

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
QUOTA = 18


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0, 12), min_size=1, max_size=12), st.lists(st.floats(0, 8), min_size=1, max_size=12), st.integers(30, 90)
)
def test_the_servers_own_window_never_overflows(read_delays, answer_delays, channels):
    options = Options(joins_per_10_seconds=QUOTA, join_timeout_seconds=60)
    rooms = Rooms()
    rooms.update([Target(livestream=f"twitch:c{n}", handle=f"c{n}") for n in range(channels)])
    session = Session(options, "justinfan1", rooms, lambda _platform, author: author, 0.0)
    wall = lambda mono: START + timedelta(seconds=mono)  # noqa: E731
    session.receive(b":tmi.twitch.tv 001 justinfan1 :Welcome", 0.0, wall(0.0))
    session.out.clear()
    to_server: list[tuple[float, str]] = []
    to_us: list[tuple[float, str]] = []
    arrivals: list[float] = []
    mono, step, last_read, last_answer = 0.0, 0, 0.0, 0.0
    while not session.settled and mono < 900:
        session.tick(mono, wall(mono), drained=True)
        for line in session.out:
            if line.startswith("JOIN "):
                last_read = max(last_read, mono + read_delays[step % len(read_delays)])  # a connection keeps its order
                to_server += [(last_read, login) for login in line.removeprefix("JOIN ").split(",")]
        session.out.clear()
        for at, login in [pair for pair in to_server if pair[0] <= mono]:
            to_server.remove((at, login))
            arrivals.append(mono)
            last_answer = max(last_answer, mono + answer_delays[step % len(answer_delays)])
            to_us.append((last_answer, login))
        for pair in [pair for pair in to_us if pair[0] <= mono]:
            to_us.remove(pair)
            session.receive(f"@room-id=1 :tmi.twitch.tv ROOMSTATE {pair[1]}".encode(), mono, wall(mono))
        mono += 0.25
        step += 1
    assert session.settled
    for number, at in enumerate(arrivals):
        assert sum(1 for other in arrivals[number:] if other < at + 10) <= QUOTA
