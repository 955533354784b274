"""What is unexpected: spikes over many series, judged slot by slot. Pure: the same slots give the same spikes.

A candidate is what is above the expected in two slots in a row, and its evidence is the smallest of the probabilities of its last twenty, forty and
sixty seconds, two and four minutes (``evidence``), each only where it is so many times the expected as is worth telling (``LEAST_FACTORS``): twenty
seconds must show more than sixty. Livestreams are weighed, so a country is not a spike because its busiest chat reacts for half a minute; that lasts, and
only then is it one, of the country in which it is. A livestream alone is no series: whose country is named, and the card names the livestream.

All series of a slot are tested together by Benjamini and Hochberg (1995), whose bound also holds for series that rise together (Benjamini and
Yekutieli 2001: positive dependence), as countries, topics and the total do. But a slot comes every ten seconds for ever, and while nothing
happens every found spike is a false one, whatever the share. So the level of a slot is chosen by how many false spikes in an hour are
bearable: ``false_per_hour`` / 360. Rules that spend a level over time (LORD, SAFFRON) were not taken: they need tests that are independent
over time, and successive slots of chat are not.

What is open is held out of its own level, so that a spike does not become what is expected. It closes when three slots in a row are below the
middle between the expected mean and the upper limit, which is lower than what opened it; after half an hour it is the new normal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, floor, log2, log10
from typing import TYPE_CHECKING, Literal

from monitor.evidence import Evidence
from monitor.expected import COMMON, LAG, MEMORY, Pool, Series
from monitor.exposure import Exposed
from monitor.shares import Shares
from monitor.windows import SLOT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitor.expected import Range

FALSE_PER_HOUR = 1.0
CONFIRM = 10.0
"""A single slot is shown as something to be confirmed at a level so many times looser."""
LEARN_SLOTS = 30
"""Before this nothing is known: five minutes."""
JOIN_SLOTS = 12
"""A series that comes later has the others to be compared with."""
CALM_SLOTS = 3
LONGEST_SLOTS = 180
AGAIN_SECONDS = 60
"""What rises again so soon is the same spike."""
BEFORE_SECONDS, AFTER_SECONDS, SETTLE_SECONDS = 30, 150, 60
"""Around a session's start and end neither the total nor a session opens: that they change is expected. Countries and topics need a minute to agree,"""
IN_GRACE = 10.0
"""and then must be so many times less probable."""
JOINED_SLOTS = 15
"""What a level counts for when livestreams have joined it or left it."""
LEAST_FACTORS = {2: 2.6, 4: 2.3, 6: 2.1, 12: 2.0, 24: 2.0}
"""Slots of a window → less than so many times the expected is not worth anybody's time, however certain. The lifts that one looks for begin
at three; a moment of the programme that half of the livestreams cheer lasts twenty seconds and is about two."""
LEAST_NOW = 1.7
"""The newest two slots must be so many times the expected, that it is not told when it is over,"""
LEAST_EACH = 1.4
"""and each of them so many times."""
SEVERAL = 2.0
LASTING = 4
"""A series that is of fewer livestreams (effectively) is a spike only when so many slots in a row are above the expected."""
LEAST_OTHERS, ALONE = 1.0, 10.0
"""While the livestreams beside the busiest say something and are less than so many standard deviations up, it is one livestream that reacts, and must be
so many times less probable."""
MINIMUM = 30
"""Fewer counts in twenty seconds are no spike, however unexpected."""
SHOWN_SLOTS = 6
MOST_CLOSED = 50

State = Literal["confirming", "open", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One closed slot of all series."""

    start: int
    """Unix seconds."""
    counts: Mapping[str, int]
    """Head → engagement; ``total`` is there, and every series that exists, with 0 too."""
    exposed: Exposed = field(default_factory=Exposed)
    """What livestreams that began or ended mean for it."""
    live: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Livestream → its country, its sessions and ``total``."""
    livestreams: Mapping[str, int] = field(default_factory=dict)
    """Livestream → its engagement."""
    pairs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Topic → country → engagement, both as heads; empty where pairs are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """One thing that is not as expected."""

    head: str
    state: State
    since: int
    """Start of its first raised slot, Unix seconds."""
    opened: int | None = None
    """End of the slot that opened it."""
    closed: int | None = None
    severity: int = 1
    factor: float = 1.0
    peak: float = 1.0
    """The greatest factor so far."""
    actual: int = 0
    """Engagement a minute, of up to the last six slots since it began."""
    low: int = 0
    mid: float = 0.0
    high: int = 0
    calm: int = 0
    """Slots in a row below the closing line."""
    doubted: bool = False
    """Too few people are behind it; it is watched, and not shown."""

    @property
    def id(self) -> str:
        return f"{self.head.replace(':', '-')}-{self.since}"

    @property
    def shown(self) -> bool:
        return not self.doubted


def severity(factor: float, seconds: int, more: float) -> int:
    """1 to 10: half of it how many times the expected (sixteen-fold is all), a quarter how long (ten minutes), a quarter how many ``more`` actions a
    minute than expected (a hundred a second; one a second is none).
    """
    height = min(1.0, log2(max(factor, 1.0)) / 4)
    length = min(1.0, max(0, seconds) / 600)
    size = min(1.0, log10(max(more, 60.0) / 60) / 2)
    return 1 + round(9 * (2 * height + length + size) / 4)


def discoveries(evidence: Mapping[str, float], series: int, level: float) -> set[str]:
    """Benjamini–Hochberg: which of these are found, of ``series`` tests of which the others were not even near."""
    ordered = sorted(evidence.items(), key=lambda item: (item[1], item[0]))
    found = 0
    for rank, (_, chance) in enumerate(ordered, 1):
        if chance <= level * rank / max(1, series):
            found = rank
    return {head for head, _ in ordered[:found]}


def _common(actual: float, usual: float) -> float:
    return (actual + COMMON) / (max(0.0, usual) + COMMON)


class Watch:
    """Judges slots in order; ``spikes`` is what is so now."""

    def __init__(
        self,
        bounds: Iterable[int] = (),
        *,
        minimum: int = MINIMUM,
        false_per_hour: float = FALSE_PER_HOUR,
    ) -> None:
        self.bounds = sorted(set(bounds))
        """When a session starts or ends, Unix seconds."""
        self.minimum = minimum
        self.level = false_per_hour * SLOT_SECONDS / 3600
        self.series: dict[str, Series] = {}
        self.pool = Pool()
        self.evidence = Evidence()
        self.shares = Shares()
        self.spikes: dict[str, Spike] = {}
        """Head → its spike that is not closed."""
        self.closed: list[Spike] = []
        self.newest: int | None = None
        """Start of the newest slot that was taken."""

    # --- slots ---

    def take(self, slot: Slot) -> list[Spike]:
        """The next slot; returns the spikes that this one opened."""
        if self.newest is not None and slot.start <= self.newest:
            return []
        if self.newest is not None and slot.start - self.newest > MEMORY * SLOT_SECONDS:
            self.series.clear()  # nobody looked for so long that nothing is known
            self.evidence, self.shares = Evidence(), Shares()
        self.newest = slot.start
        # When the first slot after a start or an end is learnt from, what was before is forgotten; the others go with the total.
        if "total" in self.series and any(0 <= slot.start - LAG * SLOT_SECONDS - bound < SLOT_SECONDS for bound in self.bounds):
            self.series["total"].restart(0)
        shares = self.shares.take(slot.start, slot.counts, slot.pairs)
        self._predict(slot, shares)
        newest = {head: self.series[head].points[-1] for head in slot.counts}
        expected = {head: (point.actual, shares.get(head, point.ceiling)) for head, point in newest.items()}
        self.evidence.take(slot.start, expected, slot.live, slot.livestreams, slot.exposed.unheard)
        candidates = {head: chance for head in slot.counts if (chance := self._chance(head, slot.start)) is not None}
        found = discoveries(candidates, len(slot.counts), self.level)
        end = slot.start + SLOT_SECONDS
        self._confirming(slot)
        self._go_on(end, [head for head, spike in self.spikes.items() if spike.state == "open"])
        opened = self._open(end, found)
        for head, spike in self.spikes.items():
            if spike.state == "open" and head in self.series:
                self.series[head].held.update(range(spike.since, slot.start + 1, SLOT_SECONDS))
        for head in slot.counts:
            series = self.series[head]
            series.learn(self.pool, changing=head == "total" and self._in_grace(head, slot.start))
        held = {head: self.series[head].held for head in slot.counts if self.series[head].held}
        self.evidence.learn(slot.start, held)
        self.shares.learn(held)
        return opened

    def doubt(self, head: str, *, doubted: bool) -> None:
        """Whether too few people are behind a spike for it to be shown."""
        if head in self.spikes:
            self.spikes[head] = replace(self.spikes[head], doubted=doubted)

    def resume(self, spikes: Iterable[Spike]) -> None:
        """What an earlier keeper had found holds, and nothing else."""
        self.spikes, self.closed = {}, []
        for spike in spikes:
            if spike.state == "closed":
                self.closed.append(spike)
            else:
                self.spikes[spike.head] = spike

    # --- what can be read ---

    def learning_until(self, head: str) -> int | None:
        """Unix seconds at which the series will be known; None when it is."""
        if self.newest is None:
            return None
        series, total = self.series.get(head), self.series.get("total")
        missing = self._missing(series, total)
        return self.newest + (1 + missing) * SLOT_SECONDS if missing > 0 else None

    def expected(self, head: str) -> Range | None:
        """What is expected of the newest six slots together; None while learning."""
        series = self.series.get(head)
        if series is None or self.learning_until(head) is not None or len(series.points) < SHOWN_SLOTS:
            return None
        return series.range(SHOWN_SLOTS, self.pool)

    @property
    def watched(self) -> int:
        """Series that can be judged."""
        total = self.series.get("total")
        return sum(self._missing(series, total) <= 0 for series in self.series.values())

    # --- inside ---

    def _predict(self, slot: Slot, shares: Mapping[str, float]) -> None:
        excluded = {head for head in self.spikes if head.startswith("country:")}
        fresh, joined = slot.exposed.fresh, slot.exposed.joined
        for head in slot.counts:
            if head not in self.series:
                self.series[head] = Series(level=float(slot.counts[head] - fresh.get(head, 0)))
            series = self.series[head]
            if head in joined:
                series.level = max(0.0, series.level + joined[head], slot.exposed.usual[head])
                if head != "total":
                    series.restart(JOINED_SLOTS)
        countries = [head for head in slot.counts if head.startswith("country:")]
        everything = (
            sum(slot.counts[head] - fresh.get(head, 0) for head in countries),
            sum(self.series[head].level for head in countries),
        )
        usable = [head for head in countries if head not in excluded]
        actual = sum(slot.counts[head] - fresh.get(head, 0) for head in usable)
        usual = sum(self.series[head].level for head in usable)
        for head, count in slot.counts.items():
            series = self.series[head]
            # Of a country, what all the others did; a topic or a session is a part of everything.
            if head == "total":
                common = 1.0
            elif head in shares and series.level > 0:
                common = shares[head] / series.level
            elif head.startswith("session:"):
                total = self.series["total"]
                others = slot.counts["total"] - count - fresh.get("total", 0) + fresh.get(head, 0)
                common = _common(others, total.level - series.level)
            elif not head.startswith("country:"):
                common = _common(*everything)
            elif head in excluded:
                common = _common(actual, usual)
            else:
                common = _common(actual - count + fresh.get(head, 0), usual - series.level)
            series.predict(slot.start, count, common, self.pool, fresh=fresh.get(head, 0))

    def _chance(self, head: str, start: int) -> float | None:
        """How probable what a series did is, if it is worth asking."""
        series = self.series[head]
        if head in self.spikes and self.spikes[head].state == "open":
            return None
        in_grace = self._in_grace(head, start)
        whole = head == "total" or head.startswith("session:")
        if self.learning_until(head) is not None or (in_grace and whole) or len(series.points) < SHOWN_SLOTS:
            return None
        # What one livestream does is as that of several only when it lasts.
        alone = self.evidence.livestreams(head) < SEVERAL
        if self.evidence.rises(head, LEAST_EACH) < (LASTING if alone else 2) or series.sum(2).actual < self.minimum:
            return None
        found = self.evidence.found(head)
        if not found or found[0].factor < LEAST_NOW:
            return None
        # What a spike that is over leaves behind is no other one.
        since = max(series.held, default=0)
        chances = [
            window.chance
            for window in found
            if window.factor >= LEAST_FACTORS[window.width] and start - (window.width - 1) * SLOT_SECONDS > since
        ]
        if not chances:
            return None
        chance = min(chances) * (IN_GRACE if in_grace else 1.0)
        if chance <= self.level:  # only one that could be found is worth looking at its livestreams
            others = self.evidence.others(head)
            chance *= ALONE if others is not None and others < LEAST_OTHERS else 1.0
        return chance

    def _missing(self, series: Series | None, total: Series | None) -> int:
        first = LEARN_SLOTS - (total.age if total is not None else 0)
        return max(first, JOIN_SLOTS - (series.age if series is not None else 0))

    def _raised(self, series: Series) -> int:
        """How many of the newest slots in a row are raised; not counted beyond six."""
        found = 0
        for point in reversed(series.points):
            if found >= SHOWN_SLOTS or not point.raised:
                break
            found += 1
        return found

    def _in_grace(self, head: str, start: int) -> bool:
        """Around a start or an end of a session: not everybody reacts in the same slot."""
        after = AFTER_SECONDS if head == "total" or head.startswith("session:") else SETTLE_SECONDS
        return any(-BEFORE_SECONDS <= start + SLOT_SECONDS - bound < after for bound in self.bounds)

    def _confirming(self, slot: Slot) -> None:
        """One slot that could be the first of a spike; forgotten when the next one is not."""
        self.spikes = {head: spike for head, spike in self.spikes.items() if spike.state == "open"}
        chances = {
            head: series.surprise(1, self.pool)
            for head, series in self.series.items()
            if head in slot.counts
            and head not in self.spikes
            and series.points[-1].raised
            and series.points[-1].actual * 2 >= self.minimum
            and self.learning_until(head) is None
            and not self._in_grace(head, slot.start)
        }
        for head in discoveries(chances, len(slot.counts), self.level * CONFIRM):
            since = slot.start - (self._raised(self.series[head]) - 1) * SLOT_SECONDS
            self.spikes[head] = self._measured(Spike(head=head, state="confirming", since=since))

    def _open(self, end: int, found: Collection[str]) -> list[Spike]:
        opened = []
        for head in sorted(found):
            again = next((one for one in reversed(self.closed) if one.head == head), None)
            if again is not None and again.closed is not None and end - again.closed <= AGAIN_SECONDS:
                self.closed.remove(again)
                self.spikes[head] = replace(again, state="open", closed=None, calm=0)
                continue
            since = end - self.evidence.rises(head, LEAST_EACH) * SLOT_SECONDS
            self.spikes[head] = self._measured(Spike(head=head, state="open", since=since, opened=end))
            opened.append(self.spikes[head])
        return opened

    def _go_on(self, end: int, heads: Iterable[str]) -> None:
        """What is open goes on, or closes."""
        for head in heads:
            spike = self.spikes[head]
            series = self.series.get(head)
            if series is None or series.points[-1].start + SLOT_SECONDS != end:
                self._close(spike, end)  # it is not counted any more
                continue
            point = series.points[-1]
            calm = spike.calm + 1 if point.actual < point.line else 0
            going = replace(self._measured(spike), calm=calm)
            self.spikes[head] = going
            if calm >= CALM_SLOTS:
                self._close(spike, end - CALM_SLOTS * SLOT_SECONDS)
            elif end - spike.since >= LONGEST_SLOTS * SLOT_SECONDS:
                self._close(going, end)
                series.held.clear()
                series.restart(0)  # the new normal

    def _close(self, spike: Spike, at: int) -> None:
        """With the figures of its last slot that was not calm."""
        del self.spikes[spike.head]
        self.closed = [*self.closed, replace(spike, state="closed", closed=max(at, spike.since + SLOT_SECONDS))][-MOST_CLOSED:]

    def _measured(self, spike: Spike) -> Spike:
        series = self.series[spike.head]
        end = series.points[-1].start + SLOT_SECONDS
        slots = max(1, min(SHOWN_SLOTS, (end - spike.since) // SLOT_SECONDS))
        found, shown = series.sum(slots), series.range(slots, self.pool)
        minute = SHOWN_SLOTS / len(list(series.points)[-slots:])
        factor = found.actual / max(found.mid, 0.5)
        peak = max(spike.peak, factor)
        return replace(
            spike,
            factor=round(factor, 2),
            peak=round(peak, 2),
            actual=round(found.actual * minute),
            low=floor(shown.low * minute),
            mid=round(found.mid * minute, 1),
            high=ceil(shown.high * minute),
            severity=max(spike.severity, severity(peak, end - spike.since, minute * (found.actual - found.mid))),
        )
