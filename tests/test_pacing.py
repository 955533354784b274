from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pacing import Bucket, backoff, retry_after

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
waits = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60)


@given(quota=st.integers(5, 20), per=st.floats(0.5, 20), asked=waits)
def test_no_window_holds_more_than_the_quota(quota, per, asked):
    bucket = Bucket(quota, per)
    now, taken = 0.0, []
    for pause, n in asked:
        now += pause
        if bucket.take(now, n) == 0:
            taken.append((now, n))
    for start, _ in taken:
        assert sum(n for at, n in taken if start <= at < start + per) <= quota


@given(quota=st.integers(5, 20), per=st.floats(0.5, 20), asked=waits)
def test_who_waits_as_told_is_served(quota, per, asked):
    """And not before: the wait is the least that keeps the quota."""
    bucket = Bucket(quota, per)
    now = 0.0
    for pause, n in asked:
        now += pause
        wait = bucket.take(now, n)
        if wait:
            assert wait <= per + 1e-6
            now += wait + 1e-6
            assert bucket.take(now, n) == 0


def test_a_refused_take_takes_nothing():
    bucket = Bucket(20, 10)
    assert bucket.take(0.0, 15) == 0
    assert bucket.take(1.0, 6) == 9.0
    assert bucket.free(1.0) == 5
    assert bucket.take(1.0, 5) == 0


def test_a_full_bucket_and_its_refill_do_not_fit_into_one_window():
    """The refilling kind gives 18 at once and 18 more within ten seconds; Twitch closes at 21."""
    bucket = Bucket(18, 10)
    given_away = sum(bucket.take(second / 10, 1) == 0 for second in range(100))
    assert given_away == 18
    assert bucket.take(10.0, 1) == 0


@pytest.mark.parametrize(("quota", "per"), [(0, 1), (1, 0), (-1, 1)])
def test_senseless_buckets_are_refused(quota, per):
    with pytest.raises(ValueError, match="positive"):
        Bucket(quota, per)


def test_more_than_the_quota_can_never_be_taken():
    with pytest.raises(ValueError, match="never"):
        Bucket(5, 1).take(0, 6)


@given(attempt=st.integers(-1, 10_000), seed=st.integers(), cap=st.floats(1, 600))
def test_backoff_stays_between_half_and_full_and_below_the_cap(attempt, seed, cap):
    seconds = backoff(attempt, random.Random(seed), cap=cap)
    full = 0.0 if attempt <= 0 else min(cap, 2.0 ** min(attempt - 1, 1000))
    assert full / 2 <= seconds <= full


def test_backoff_is_0_1_2_4_to_the_cap_before_the_dice():
    class Highest(random.Random):
        def uniform(self, a, b):
            return b

    assert [backoff(n, Highest()) for n in range(10)] == [0, 1, 2, 4, 8, 16, 32, 64, 128, 128]


def test_clients_that_fall_together_do_not_return_together():
    dice = random.Random(5)
    assert len({round(backoff(5, dice), 3) for _ in range(100)}) > 90


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Fri, 16 Oct 2026 12:05:00 GMT", 300),
        ("Fri, 16 Oct 2026 11:00:00 GMT", 0),
        (None, 60),
        ("", 60),
        ("soon", 60),
        ("-5", 60),
        ("٣", 60),
        ("9" * 400, 86_400),
    ],
)
def test_retry_after_reads_seconds_and_dates(value, seconds):
    assert retry_after(value, NOW) == NOW + timedelta(seconds=seconds)


@given(st.text(max_size=60))
def test_retry_after_never_lies_in_the_past_nor_beyond_a_day(value):
    assert NOW <= retry_after(value, NOW) <= NOW + timedelta(days=1)
