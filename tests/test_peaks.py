"""Peaks are those of the slow obvious model: at every tenth second, whoever is still believed, added up."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.peaks import LATE_MS, LOOK_MS, Peaks, Sample

START = 1_795_176_000  # a whole hour
COUNTRIES = {"twitch:a": "BR", "twitch:b": "BR", "kick:c": "TH", "shadow:d": "BR", "kick:e": "CN"}


@st.composite
def samples(draw) -> Sample:
    livestream = draw(st.sampled_from(sorted(COUNTRIES)))
    platform = livestream.partition(":")[0]
    at_ms = START * 1000 + draw(st.integers(0, 900)) * 1000 + draw(st.sampled_from([0, 1, 999]))
    interval = draw(st.sampled_from([None, 20.0, 60.0, 75.0, 300.0]))  # the platform's poll interval changes as it likes
    believed = int(max(180.0, 2.5 * (interval or 0)) * 1000)
    return Sample(
        livestream,
        draw(st.integers(0, 50)),
        at_ms,
        at_ms + believed,
        COUNTRIES[livestream],
        platform,
        in_totals=platform != "shadow",
    )


def accepted(found: list[Sample]) -> list[Sample]:
    """What commit takes: only what is newer than the newest of its livestream."""
    newest: dict[str, int] = {}
    taken = []
    for sample in found:
        if sample.at_ms > newest.get(sample.livestream, -1):
            newest[sample.livestream] = sample.at_ms
            taken.append(sample)
    return taken


def believed_at(taken: list[Sample], at_ms: int) -> list[Sample]:
    """Each livestream's newest sample of that moment, if it is still believed."""
    newest: dict[str, Sample] = {}
    for sample in taken:
        if sample.at_ms <= at_ms:
            newest[sample.livestream] = sample
    return [sample for sample in newest.values() if at_ms < sample.expires_ms]


def slow_sums(taken: list[Sample], at_ms: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for sample in believed_at(taken, at_ms):
        heads = [f"platform:{sample.platform}"] + (["total", f"country:{sample.country}"] if sample.in_totals else [])
        for head in heads:
            sums[head] = sums.get(head, 0) + sample.viewers
    return sums


def slow_peaks(taken: list[Sample], now_ms: int) -> dict[str, int]:
    peaks: dict[str, int] = {}
    for at_ms in range(START * 1000, now_ms + 1, LOOK_MS):
        for head, sum_ in slow_sums(taken, at_ms).items():
            peaks[head] = max(peaks.get(head, 0), sum_)
    return peaks


def slow_between(taken: list[Sample], begin: int, end: int, now_ms: int) -> int | None:
    sums = (slow_sums(taken, at_ms) for at_ms in range(begin * 1000, min(end * 1000, now_ms + 1), LOOK_MS))
    return max((found["total"] for found in sums if "total" in found), default=None)


def restarted(peaks: Peaks, hours: dict[int, list[int]]) -> Peaks:
    """As the next server reads what this one kept; ``hours`` is what lies in Redis."""
    hours.update(peaks.hours(0))
    state = msgspec.json.decode(msgspec.json.encode(peaks.state()))
    return Peaks.of(state, hours)


@settings(max_examples=100)
@given(st.lists(samples(), max_size=30), st.data())
def test_peaks_are_those_of_the_slow_model_whatever_is_late_and_whoever_is_restarted(found, data):
    now_ms = (START + 900) * 1000
    peaks, hours = Peaks(), {}
    for number, sample in enumerate(found):
        match data.draw(st.sampled_from(["", "", "restart", "again", "settle"])):
            case "restart":
                peaks = restarted(peaks, hours)
            case "again":  # the state that was kept is older than what was read: the same commits are read a second time
                for known in found[data.draw(st.integers(0, number)) : number]:
                    peaks.add(known)
            case "settle":
                # Nothing of these fifteen minutes is final before an hour has passed since their beginning.
                peaks.settle(now_ms + LATE_MS - 900_000)
        peaks.add(sample)
    taken = accepted(found)
    wanted = slow_peaks(taken, now_ms)
    known = {head: peak for head, peak in peaks.heads(now_ms).items() if peak or head in wanted}
    assert known == {head: peak for head, peak in wanted.items() if peak or head in known}
    minutes = sorted(data.draw(st.tuples(st.integers(0, 15), st.integers(0, 15))))
    span = (START + 60 * minutes[0], START + 60 * minutes[1])
    assert peaks.between(*span, now_ms) == slow_between(taken, *span, now_ms)


@settings(max_examples=60)
@given(st.lists(samples(), min_size=1, max_size=20), st.integers(0, 40), st.data())
def test_what_is_final_is_what_it_was(found, later, data):
    """An hour later, and hours later, also through a restart, the peaks of then are the same."""
    taken = accepted(found)
    now_ms = (START + 3600) * 1000  # everything has expired
    peaks, hours = Peaks(), {}
    for sample in found:
        peaks.add(sample)
    before = peaks.heads(now_ms)
    for minute in data.draw(st.lists(st.integers(0, 60), max_size=3)):
        peaks.settle(now_ms + LATE_MS - 60_000 * (60 - minute))
        peaks = restarted(peaks, hours)
    peaks.settle(now_ms + LATE_MS + later * 60_000)
    peaks = restarted(peaks, hours)
    assert peaks.heads(now_ms + LATE_MS) == before
    for minute in range(16):
        span = (START + 60 * minute, START + 60 * minute + 60)
        assert peaks.between(*span, now_ms + LATE_MS) == slow_between(taken, *span, now_ms + LATE_MS)


def test_nobody_watching_is_nought_and_nobody_knowing_is_unknown():
    peaks = Peaks()
    peaks.add(Sample("kick:c", 0, START * 1000, (START + 180) * 1000, "TH", "kick", in_totals=True))
    now_ms = (START + 900) * 1000
    assert peaks.between(START, START + 60, now_ms) == 0
    assert peaks.between(START + 180, START + 300, now_ms) is None
    assert peaks.heads(now_ms) == {"platform:kick": 0, "total": 0, "country:TH": 0}


def test_what_comes_more_than_an_hour_late_changes_nothing_that_is_final():
    peaks = Peaks()
    peaks.add(Sample("kick:c", 10, START * 1000, (START + 180) * 1000, "TH", "kick", in_totals=True))
    now_ms = START * 1000 + 2 * LATE_MS
    peaks.settle(now_ms)
    peaks.add(Sample("kick:e", 90, START * 1000 + 1, (START + 180) * 1000, "CN", "kick", in_totals=True))
    assert peaks.heads(now_ms)["total"] == 10


def test_a_sample_of_half_a_century_ago_costs_no_look_at_each_instant_since():
    """All instants since would be 180 million."""
    peaks = Peaks()
    peaks.add(Sample("kick:c", 5, 30_000, 210_000, "TH", "kick", in_totals=True))
    peaks.add(Sample("kick:e", 9, START * 1000, (START + 180) * 1000, "CN", "kick", in_totals=True))
    now_ms = (START + 60) * 1000
    assert peaks.between(0, START, now_ms) == 5
    peaks.settle(now_ms)
    assert peaks.between(0, START, now_ms) == 5
    assert peaks.between(START, START + 60, now_ms) == 9
