"""The schedule: one day for every instant, sessions half open, whatever the clocks do."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Session
from monitor.schedule import Schedule

ZONES = st.sampled_from(
    [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "UTC",
    ]
).map(ZoneInfo)
DAY_STARTS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
INSTANTS = st.integers(int(datetime(2005, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2035, 1, 1, tzinfo=UTC).timestamp()))
MINUTES = st.integers(0, 600)


def at(text):
    return int(datetime.fromisoformat(text).timestamp())


def session(name, start, end, *tags):
    return Session(id=name, name={"*": name}, start=start, end=end, tags=frozenset(tags))


@given(ZONES, DAY_STARTS, INSTANTS)
def test_every_instant_belongs_to_exactly_one_day(zone, day_start, instant):
    schedule = Schedule(zone, day_start, [])
    day = schedule.day(instant)
    begin, end = schedule.day_bounds(day)
    assert begin <= instant < end
    assert begin % 60 == end % 60 == 0
    assert schedule.day(end) != day
    assert schedule.day(begin - 1) != day


@given(ZONES, DAY_STARTS, INSTANTS)
def test_a_day_begins_at_day_start_on_the_local_clock_where_that_time_exists_once(zone, day_start, instant):
    schedule = Schedule(zone, day_start, [])
    day = schedule.day(instant)
    local = datetime.fromtimestamp(schedule.day_bounds(day)[0], zone)
    wanted = datetime.fromisoformat(day).replace(hour=day_start.hour, minute=day_start.minute, tzinfo=zone)
    exists = wanted.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted.replace(tzinfo=None)
    if exists:
        assert (local.date().isoformat(), local.timetz().replace(tzinfo=None)) == (day, day_start)


@given(ZONES, DAY_STARTS, INSTANTS, INSTANTS)
def test_a_later_instant_is_never_on_an_earlier_day(zone, day_start, one, other):
    schedule = Schedule(zone, day_start, [])
    first, second = sorted((one, other))
    assert schedule.day(first) <= schedule.day(second)


def test_the_day_changes_at_four_in_shanghai():
    schedule = Schedule(ZoneInfo("Asia/Shanghai"), time(4, 0), [])
    assert schedule.day(at("2026-11-20T03:59:59+08:00")) == "2026-11-19"
    assert schedule.day(at("2026-11-20T04:00:00+08:00")) == "2026-11-20"


def test_a_day_with_a_clock_change_has_23_or_25_hours():
    schedule = Schedule(ZoneInfo("Europe/Berlin"), time(0, 0), [])
    hours = {
        day: (end - begin) / 3600
        for day in ("2026-03-28", "2026-03-29", "2026-10-25")
        for begin, end in [schedule.day_bounds(day)]
    }
    assert hours == {"2026-03-28": 24, "2026-03-29": 23, "2026-10-25": 25}


def test_a_day_that_began_goes_on_when_the_clocks_fall_back_before_midnight():
    """Newfoundland once put the clocks back at one minute past midnight."""
    schedule = Schedule(ZoneInfo("America/St_Johns"), time(0, 0), [])
    assert schedule.day(at("2010-11-06T23:59:59-02:30")) == "2010-11-06"
    assert schedule.day(at("2010-11-06T23:30:00-03:30")) == "2010-11-07"


def test_a_day_start_that_the_clocks_show_twice_counts_the_first_time():
    schedule = Schedule(ZoneInfo("Europe/Berlin"), time(2, 30), [])
    assert schedule.day(at("2026-10-25T02:29:00+02:00")) == "2026-10-24"
    assert schedule.day(at("2026-10-25T02:30:00+02:00")) == "2026-10-25"
    assert schedule.day(at("2026-10-25T02:10:00+01:00")) == "2026-10-25"


@given(
    st.lists(st.tuples(MINUTES, MINUTES.filter(bool), st.sampled_from(["", "track", "tech"])), max_size=6),
    st.integers(-1, 1200),
    st.sampled_from([-1, 0, 1, 30]),
    st.booleans(),
)
def test_sessions_are_half_open_and_told_apart_by_tags(drawn, minute, seconds, has_tag):
    origin = datetime(2026, 11, 18, tzinfo=UTC)
    sessions = [
        session(
            f"s{number}", origin + timedelta(minutes=start), origin + timedelta(minutes=start + length), *([tag] if tag else [])
        )
        for number, (start, length, tag) in enumerate(drawn)
    ]
    schedule = Schedule(ZoneInfo("UTC"), time(0, 0), sessions)
    tags = {"track"} if has_tag else set()
    bounds = [int(at.timestamp()) for s in sessions for at in (s.start, s.end)]

    for instant in [int(origin.timestamp()) + minute * 60 + seconds, *(bound + seconds for bound in bounds)]:
        running = [s for s in sessions if s.start.timestamp() <= instant < s.end.timestamp()]
        day, own = schedule.windows(instant, tags)
        assert own == tuple(s.id for s in running if not s.tags or s.tags & tags)
        assert day == schedule.day(instant)


def test_a_session_ends_before_its_end():
    opening = session("opening", datetime(2026, 11, 18, 11, 30, tzinfo=UTC), datetime(2026, 11, 18, 14, 0, tzinfo=UTC))
    schedule = Schedule(ZoneInfo("Asia/Shanghai"), time(4, 0), [opening])
    moments = ["2026-11-18T11:29:59Z", "2026-11-18T11:30:00Z", "2026-11-18T13:59:59Z", "2026-11-18T14:00:00Z"]
    assert [schedule.windows(at(text), ())[1] for text in moments] == [(), ("opening",), ("opening",), ()]
