"""The most viewers at any one time, made of nothing but samples: whoever reads the same samples gets the same peaks. Pure.

Time is looked at every ten seconds of *event* time. A livestream counts there with its newest sample, while that is believed; the peak of a
head (``total``, ``country:BR``, ``platform:twitch``) is the greatest sum, never a sum of peaks. So a peak depends on no server that looked,
on no batch, and on nobody being awake when it happened.

A sample adds its viewers at the first instant that it counts at and takes them away at its end, so each costs the same however long it
is believed. The last hour can still be changed by samples that come late; what is older is final: a head's peak, and of the total the
greatest sum of each minute, from which the peak of any session or day is made, also of one that was announced later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.windows import ViewerSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOOK_MS = 10_000
LATE_MS = 3_600_000
"""A sample may come so late and still correct the past; what is later counts from there on."""
_MINUTE = 6
"""Instants of a minute."""
_KNOWN = "known"
"""Beside the heads: how many samples are believed in the total, to tell nobody watching from nobody knowing."""


class Sample(ViewerSample, frozen=True, array_like=True):
    """As commit took it: each is newer than its livestream's one before."""

    in_totals: bool


class _Latest(NamedTuple):
    """A livestream's newest sample."""

    at_ms: int
    end: int
    """The first instant at which it does not count any more."""
    viewers: int
    country: str
    platform: str
    in_totals: bool


class _Line:
    """One head: what changes at which instant of the last hour, and what is final."""

    __slots__ = ("base", "changes", "peak", "recent")

    def __init__(self, base: int = 0, peak: int = 0, changes: dict[int, int] | None = None) -> None:
        self.base = base
        """The sum just before the first instant that is not final."""
        self.peak = peak
        """Of what is final."""
        self.changes = changes if changes is not None else {}
        self.recent: tuple[int, int] | None = None
        """(instant, greatest sum until then) of what is not final; None after a change."""


def first_look(at_ms: int) -> int:
    """The number of the first instant at or after this time."""
    return -(-at_ms // LOOK_MS)


class Peaks:
    """``add`` samples as they were committed, ``settle`` with the clock, ask."""

    def __init__(self) -> None:
        self._floor = 0
        """The first instant that may still change."""
        self._latest: dict[str, _Latest] = {}
        self._lines: dict[str, _Line] = {}
        self._minutes: dict[int, int] = {}
        """Number of a minute that is final → greatest total in it; absent where nobody knew."""

    # what comes in

    def add(self, sample: Sample) -> None:
        """One that is known already, or older than the newest, changes nothing."""
        before = self._latest.get(sample.livestream)
        if before is not None and sample.at_ms <= before.at_ms:
            return
        begin, end = first_look(sample.at_ms), first_look(sample.expires_ms)
        if before is not None and begin < before.end:
            self._change(before, begin, -1)
            self._change(before, before.end, 1)
        now = _Latest(sample.at_ms, max(begin, end), sample.viewers, sample.country, sample.platform, sample.in_totals)
        self._change(now, begin, 1)
        self._change(now, now.end, -1)
        self._latest[sample.livestream] = now

    def settle(self, until_ms: int) -> None:
        """Everything committed up to here was added: what is older than an hour is final."""
        floor = (until_ms - LATE_MS) // LOOK_MS // _MINUTE * _MINUTE
        if floor <= self._floor:
            return
        self._settle_minutes(floor)
        for line in self._lines.values():
            for instant in sorted(instant for instant in line.changes if instant < floor):
                line.base += line.changes.pop(instant)
                line.peak = max(line.peak, line.base)
            line.recent = None
        self._floor = floor

    # what can be asked

    def heads(self, now_ms: int) -> dict[str, int]:
        """Head → most viewers of the event until now; only heads of which anybody ever knew."""
        until = now_ms // LOOK_MS
        return {head: self._most(line, until) for head, line in self._lines.items() if head != _KNOWN}

    def between(self, begin: int, end: int, now_ms: int) -> int | None:
        """Most viewers of all in [begin, end), Unix seconds on whole minutes; None when nobody knew at any time of it."""
        first, last = begin // 60, -(-end // 60)
        known = [self._minutes[minute] for minute in range(first, min(last, self._floor // _MINUTE)) if minute in self._minutes]
        recent = self._totals(max(first * _MINUTE, self._floor), min(last * _MINUTE, now_ms // LOOK_MS + 1))
        return max((*known, *(viewers for _, viewers in recent)), default=None)

    # to be kept

    def state(self) -> dict[str, Any]:
        """Everything but the final minutes, as JSON can hold it."""
        lines = {head: [line.base, line.peak, list(line.changes.items())] for head, line in self._lines.items()}
        return {"floor": self._floor, "latest": self._latest, "lines": lines}

    def hours(self, since: int) -> dict[int, list[int]]:
        """Hour (Unix seconds) → its sixty minutes, −1 where unknown; of final hours and parts of them that end after ``since``."""
        wanted = {minute // 60 for minute in self._minutes if minute >= since // 60}
        return {hour * 3600: [self._minutes.get(hour * 60 + n, -1) for n in range(60)] for hour in sorted(wanted)}

    @classmethod
    def of(cls, state: Mapping[str, Any], hours: Mapping[int, Iterable[int]]) -> Peaks:
        """As they were kept."""
        peaks = cls()
        peaks._floor = state["floor"]
        peaks._latest = {name: _Latest(*row) for name, row in state["latest"].items()}
        peaks._lines = {head: _Line(base, peak, dict(rows)) for head, (base, peak, rows) in state["lines"].items()}
        for start, values in hours.items():
            peaks._minutes.update({start // 60 + n: value for n, value in enumerate(values) if value >= 0})
        return peaks

    @property
    def settled(self) -> int:
        """Unix seconds up to which everything is final."""
        return self._floor * LOOK_MS // 1000

    # inside

    def _change(self, sample: _Latest, instant: int, sign: int) -> None:
        heads = [f"platform:{sample.platform}"]
        if sample.in_totals:
            heads += ["total", f"country:{sample.country}"]
        for head in heads:
            self._add(head, instant, sign * sample.viewers)
        if sample.in_totals:
            self._add(_KNOWN, instant, sign)

    def _add(self, head: str, instant: int, difference: int) -> None:
        line = self._lines.get(head)
        if line is None:
            line = self._lines[head] = _Line()
        instant = max(instant, self._floor)
        found = line.changes.get(instant, 0) + difference
        if found:
            line.changes[instant] = found
        else:
            line.changes.pop(instant, None)
        line.recent = None

    @staticmethod
    def _most(line: _Line, until: int) -> int:
        if line.recent is None or line.recent[0] != until:
            most = running = line.base
            for instant in sorted(line.changes):
                if instant > until:
                    break
                running += line.changes[instant]
                most = max(most, running)
            line.recent = (until, most)
        return max(line.peak, line.recent[1])

    def _totals(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """(instant, viewers of all) of each instant in [begin, end) at which anybody knew; of what is not final."""
        if _KNOWN not in self._lines:
            return
        total, known = self._lines["total"], self._lines[_KNOWN]
        viewers, samples = total.base, known.base
        coming = sorted(known.changes, reverse=True)
        instant = self._floor
        while instant < end:
            while coming and coming[-1] <= instant:
                coming.pop()
            viewers += total.changes.get(instant, 0)
            samples += known.changes.get(instant, 0)
            if instant >= begin and samples:
                yield instant, viewers
            # Where nobody knows there is nothing to look at: the first floor is half a century ago, and so may be a sample.
            instant = instant + 1 if samples else coming[-1] if coming else end

    def _settle_minutes(self, floor: int) -> None:
        """The minutes that are final from now on."""
        for instant, viewers in self._totals(self._floor, floor):
            minute = instant // _MINUTE
            self._minutes[minute] = max(viewers, self._minutes.get(minute, 0))
