"""spikes: planted spikes in simulated traffic of an event: how many are found, how many of the found are none, and how soon.

The traffic is slots of ten seconds of 1,200 livestreams in 120 countries: rates log-normal over livestreams (σ = 2), each a log-normal
Ornstein–Uhlenbeck process with the measured variances and relaxation times of small, mid and large chats, on a common swell, one per
country, the time of day, an opening that lifts everybody three-fold, scripted moments that lift half of them for twenty seconds, livestreams
that come and go; 20 topics as a share of each region's counts; eight sessions, two at a time, one of them of some livestreams only. Planted are lifts of 3 to 10
times for one to five minutes in countries, topics and sessions whose usual count is at least three a slot, and raids on single livestreams.
The raw limit: of precision and recall 1, of the delay what two whole slots and the wait for late events (20 s) cost by themselves: 40 s on average.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, pi, sin, sqrt
from random import Random
from typing import TYPE_CHECKING

from benchmarks.measure import Row, percentile, row
from monitor.exposure import Exposure
from monitor.spikes import MINIMUM, Slot, Spike, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (21, 22, 23, 24)
"""Worlds on which nothing was tuned; that was done on 11 to 14."""
SIZE, QUICK = 3 * 360, 150
"""Slots."""
SLOT = 10
LIVESTREAMS, COUNTRIES, TOPICS = 1200, 120, 20
RATE = 490.0
"""Engagement a second."""
CLOSED_AFTER = 20
LARGE = 30
"""Usual counts of a slot from which a series is large: three a second."""
PER_HOUR = 12
"""Planted spikes."""


@dataclass
class Stream:
    mean: float
    country: int
    tags: int
    begins: int
    ends: int
    fast: float = 0.0
    slow: float = 0.0
    keep: tuple[float, float] = (0.0, 0.0)
    push: tuple[float, float] = (0.0, 0.0)
    offset: float = 0.0
    shape: float = 0.0
    late: float = 0.0
    """Seconds after a session's start at which it reacts."""


@dataclass
class Planted:
    head: str
    begin: float
    seconds: float
    factor: float
    raid: bool = False
    usual: float = 0.0
    several: bool = True
    """Of at least two livestreams, effectively."""
    opened: float | None = None
    """When it stood on the wall."""

    def lift(self, start: int) -> float:
        """What it adds to a slot, as a multiple of the usual."""
        inside = max(0.0, min(start + SLOT, self.begin + self.seconds) - max(start, self.begin)) / SLOT
        return inside * (self.factor - 1)


@dataclass
class Truth:
    planted: list[Planted] = field(default_factory=list)
    extra: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))
    """(head, slot) → counts that are there because of what was planted."""


def poisson(dice: Random, mean: float) -> int:
    if mean > 25:
        return max(0, round(dice.gauss(mean, sqrt(mean))))
    floor, count, product = exp(-mean), 0, dice.random()
    while product > floor:
        count, product = count + 1, product * dice.random()
    return count


class World:
    def __init__(self, seed: int, slots: int, rate: float = RATE) -> None:
        self.dice = dice = Random(seed)
        self.slots = slots
        hours = slots * SLOT / 3600
        raw = [0.0 if dice.random() < 0.08 else exp(dice.gauss(0, 2)) for _ in range(LIVESTREAMS)]
        scale = rate / sum(raw)
        weights = [1 / (1 + number) ** 0.9 for number in range(COUNTRIES)]
        self.streams = [
            self._stream(min(60.0, value * scale), dice.choices(range(COUNTRIES), weights)[0], hours) for value in raw
        ]
        self.opening = 1800
        step = round((slots * SLOT - self.opening) / 4 / 60) * 60
        starts = range(self.opening, self.opening + 4 * step, step) if slots > 400 else ()
        self.sessions = [(start, start + 2400, tagged) for start in starts for tagged in (0, 1)]
        """(start, end, whether only some livestreams belong to it); the first is the opening."""
        self.moments = [(start + dice.random() * 2400, dice.randrange(2)) for start, _, _ in self.sessions for _ in range(2)]
        self.common = 0.0
        self.countries = [0.0] * COUNTRIES
        self.regions = [[dice.uniform(0.003, 0.05) for _ in range(TOPICS)] for _ in range(8)]
        self.topics = [0.0] * TOPICS
        self.truth = Truth()
        self._plant()

    @property
    def bounds(self) -> list[int]:
        return [bound for start, end, _ in self.sessions for bound in (start, end)]

    def _stream(self, mean: float, country: int, hours: float) -> Stream:
        dice = self.dice
        fast, fast_s, slow, slow_s, shape = (
            (0.18, 35, 0.08, 900, 4 * SLOT)
            if mean < 0.5
            else (0.42, 11, 0.06, 300, 0)
            if mean < 3
            else (0.10, 26, 0.05, 3000, 45)
        )
        ratio = SLOT / fast_s  # a slot is a mean over ten seconds of the fast process
        fast *= 2 / ratio * (1 - (1 - exp(-ratio)) / ratio)
        keep = exp(-SLOT / fast_s), exp(-SLOT / slow_s)
        late = dice.uniform(-20, 20) if dice.random() < 0.6 else 0.0
        begins = 0 if dice.random() < 0.6 else dice.randrange(int(hours * 3600))
        ends = begins + dice.randrange(1800, 4 * 3600)
        return Stream(
            mean, country, dice.randrange(8), begins, ends if dice.random() < 0.5 else 10**9,
            dice.gauss(0, sqrt(fast)), dice.gauss(0, sqrt(slow)), keep,
            (sqrt(fast * (1 - keep[0] ** 2)), sqrt(slow * (1 - keep[1] ** 2))), (fast + slow) / 2, shape, late,
        )  # fmt: skip

    def _plant(self) -> None:
        dice = self.dice
        usual: dict[str, float] = defaultdict(float)
        for stream in self.streams:
            usual[f"country:{stream.country}"] += stream.mean * SLOT
        busy: dict[str, float] = {}
        heads = [head for head, mean in usual.items() if mean >= 3] + [f"topic:{number}" for number in range(TOPICS)]
        heads += [f"session:{n}" for n, (_, _, tagged) in enumerate(self.sessions) if tagged]
        for _ in range(round(PER_HOUR * self.slots * SLOT / 3600)):
            head = dice.choice(heads)
            begin = dice.uniform(900, self.slots * SLOT - 400)
            if head.startswith("session:"):
                start, end, _ = self.sessions[int(head[8:])]
                begin = dice.uniform(start + 500, end - 300)
            seconds = float(dice.choice((60, 90, 180, 300)))
            if busy.get(head, 0) > begin - 1200 and head in busy:
                continue
            busy[head] = begin + seconds
            self.truth.planted.append(
                Planted(head, begin, seconds, dice.choice((3.0, 4.0, 6.0, 10.0)), usual=usual.get(head, 0.0))
            )
        for _ in range(round(2 * self.slots * SLOT / 3600)):
            number = dice.randrange(LIVESTREAMS)
            self.truth.planted.append(
                Planted(f"raid:{number}", dice.uniform(900, self.slots * SLOT - 400), 40.0, dice.uniform(2, 10), raid=True)
            )

    def effective(self, head: str) -> float:
        """Of how many livestreams a country is, by the inverse Simpson index of their rates; many for what is no country."""
        means = [stream.mean for stream in self.streams if f"country:{stream.country}" == head]
        return sum(means) ** 2 / max(sum(mean * mean for mean in means), 1e-9) if means else 1e9

    def _programme(self, start: int, stream: Stream, side: int) -> float:
        level = 1.0
        for number, (begin, end, tagged) in enumerate(self.sessions):
            since = start - begin - stream.late
            mine = not tagged or stream.tags < 3
            if mine and since >= 0 and start < end:
                height = 3.0 if number == 0 else 1.0
                level = max(level, 1 + height * (1 - exp(-(since + 5) / 10)) * exp(-since / 350))
            elif mine and 0 <= start - end < 600:
                level = min(level, 0.6 + 0.4 * (start - end) / 600)
        for at, which in self.moments:
            if which == side and -SLOT < start - at < 60:
                level *= 1 + 2.5 * (0.5 if start < at else exp(-(start - at) / 10))
        return level

    def play(self) -> Iterator[tuple[int, dict[str, int], dict[str, tuple[str, ...]], dict[str, int]]]:
        """Start, counts of every series, live livestreams with their series, and counts of each."""
        dice, truth = self.dice, self.truth
        tagged_ids = [n for n, (_, _, tagged) in enumerate(self.sessions) if tagged]
        for number in range(self.slots):
            start = number * SLOT
            self.common = self.common * exp(-SLOT / 20) + dice.gauss(0, sqrt(0.05 * (1 - exp(-2 * SLOT / 20))))
            self.countries = [
                value * exp(-SLOT / 120) + dice.gauss(0, sqrt(0.05 * (1 - exp(-2 * SLOT / 120)))) for value in self.countries
            ]
            self.topics = [
                value * exp(-SLOT / 300) + dice.gauss(0, sqrt(0.1 * (1 - exp(-2 * SLOT / 300)))) for value in self.topics
            ]
            now = [one for one in truth.planted if one.begin - SLOT < start < one.begin + one.seconds]
            by_head = {one.head: one for one in now}
            diurnal = 1 + 0.4 * sin(2 * pi * start / 86400)
            counts: dict[str, int] = defaultdict(int)
            live: dict[str, tuple[str, ...]] = {}
            by_stream: dict[str, int] = {}
            by_region: dict[int, int] = defaultdict(int)
            lifted: dict[int, float] = defaultdict(float)
            for country in range(COUNTRIES):
                counts[f"country:{country}"] = 0
            running = [n for n, (begin, end, tagged) in enumerate(self.sessions) if tagged and begin <= start < end]
            for session in running:
                counts[f"session:{session}"] = 0
            shared: dict[tuple[int, int, float], float] = {}
            for index, stream in enumerate(self.streams):
                if not stream.begins <= start < stream.ends:
                    continue
                head = f"country:{stream.country}"
                belonging = [f"session:{session}" for session in running if stream.tags < 3]
                live[str(index)] = (head, "total", *(["session:" + str(n) for n in tagged_ids] if stream.tags < 3 else []))
                if not stream.mean:
                    continue
                stream.fast = stream.fast * stream.keep[0] + dice.gauss(0, stream.push[0])
                stream.slow = stream.slow * stream.keep[1] + dice.gauss(0, stream.push[1])
                key = (index % 2, stream.tags < 3, stream.late)
                if key not in shared:
                    shared[key] = self._programme(start, stream, index % 2)
                rate = (
                    stream.mean
                    * SLOT
                    * shared[key]
                    * diurnal
                    * exp(stream.fast + stream.slow - stream.offset + self.common + self.countries[stream.country] - 0.05)
                )
                if stream.shape:
                    rate *= dice.gammavariate(stream.shape, 1 / stream.shape)
                extra = 0.0
                if head in by_head:
                    extra += rate * by_head[head].lift(start)
                for session in running:
                    if stream.tags < 3 and f"session:{session}" in by_head:
                        extra += rate * by_head[f"session:{session}"].lift(start)
                if (raid := by_head.get(f"raid:{index}")) is not None:
                    extra += raid.factor * raid.lift(start) / (raid.factor - 1) * SLOT
                count = poisson(dice, rate + extra)
                counts[head] += count
                counts["total"] += count
                by_region[stream.country % 8] += count
                lifted[stream.country % 8] += extra
                by_stream[str(index)] = count
                for session_head in belonging:
                    counts[session_head] += count
                if extra:
                    for each in (head, "total", *belonging):
                        truth.extra[each, start] += extra
            for topic in range(TOPICS):
                head = f"topic:{topic}"
                for region, share in enumerate(self.regions):
                    mean = by_region[region] * share[topic] * exp(self.topics[topic] - 0.05)
                    extra = mean * by_head[head].lift(start) if head in by_head else 0.0
                    counts[head] += poisson(dice, mean + extra)
                    if by_region[region]:  # what lifted its countries lifted the topic, too
                        extra += mean * min(1.0, lifted[region] / by_region[region])
                    if extra:
                        truth.extra[head, start] += extra
            yield start, dict(counts), live, by_stream


@dataclass
class Result:
    planted: list[Planted] = field(default_factory=list)
    true: int = 0
    false: list[str] = field(default_factory=list)
    hours: float = 0.0
    seconds: float = 0.0


def is_caused(world: World, spike: Spike, counts: dict[tuple[str, int], int]) -> bool:
    """Whether a third of what was counted in the slots that opened it is there because something was planted."""
    assert spike.opened is not None
    slots = range(spike.since, spike.opened, SLOT)
    extra = sum(world.truth.extra.get((spike.head, start), 0.0) for start in slots)
    return extra >= sum(counts[spike.head, start] for start in slots) / 3


def trial(seed: int, slots: int, rate: float = RATE) -> Result:
    world = World(seed, slots, rate)
    watch = Watch(world.bounds)
    result = Result(hours=slots * SLOT / 3600)
    counts: dict[tuple[str, int], int] = {}
    opened: list[Spike] = []
    ever: dict[str, Spike] = {}
    exposure = Exposure()
    for start, of_series, live, by_stream in world.play():
        counts.update({(head, start): count for head, count in of_series.items()})
        begun = time.process_time()
        exposed = exposure.take(start, live, by_stream)
        opened += watch.take(Slot(start=start, counts=of_series, exposed=exposed, live=live, livestreams=by_stream))
        result.seconds += time.process_time() - begun
        ever.update({spike.id: spike for spike in watch.closed})
    ended = [*ever.values(), *watch.spikes.values()]
    for spike in opened:
        if is_caused(world, spike, counts):
            result.true += 1
        else:
            result.false.append(f"{spike.head} at {spike.since}, {spike.factor}x, {spike.actual} for {spike.mid}")
    for one in world.truth.planted:
        if one.raid or one.begin + one.seconds > slots * SLOT:
            continue
        slots_of = [start for start in range(0, slots * SLOT, SLOT) if one.begin - SLOT < start < one.begin + one.seconds]
        extra = sum(world.truth.extra.get((one.head, start), 0.0) for start in slots_of)
        usual = sum(counts.get((one.head, start), 0) for start in slots_of) - extra
        if usual < 3 * len(slots_of) or 2 * (usual + extra) < MINIMUM * len(slots_of):
            continue  # its livestreams were not there, or it is below the minimum count
        hit = [
            spike for spike in opened
            if spike.head == one.head and spike.opened is not None and one.begin < spike.opened <= one.begin + one.seconds + 20
        ]  # fmt: skip
        already = [
            spike for spike in ended if spike.head == one.head and spike.since <= one.begin < (spike.closed or slots * SLOT)
        ]
        if already and not hit:
            continue  # it was open when this one came
        one.usual = usual / len(slots_of)
        one.several = world.effective(one.head) >= 2
        result.planted.append(one)
        if hit:
            one.opened = (hit[0].opened or 0) + CLOSED_AFTER
    return result


def _found(planted: list[Planted]) -> float:
    return sum(one.opened is not None for one in planted) / max(1, len(planted))


def run(size: int = SIZE) -> list[Row]:
    results = [trial(seed, size) for seed in SEEDS]
    true, false = sum(one.true for one in results), sum(len(one.false) for one in results)
    planted = [one for result in results for one in result.planted]
    large = [one for one in planted if one.usual >= LARGE]
    delays = [one.opened - one.begin for one in planted if one.opened is not None] or [0.0]
    return [
        row("spikes.precision", true / max(1, true + false), "of opened", "more", limit=1),
        row("spikes.recall", _found(planted), "of planted", "more", limit=1),
        row("spikes.recall_large", _found(large), "of planted", "more", limit=1),
        row("spikes.recall_several", _found([one for one in large if one.several]), "of planted", "more", limit=1),
        row("spikes.false_per_hour", false / sum(one.hours for one in results), "an hour", "less", limit=1),
        row("spikes.delay_p50", percentile(delays, 50), "s", "less", limit=40),
        row("spikes.delay_p95", percentile(delays, 95), "s", "less", limit=40),
        row("spikes.slot_ms", 1000 * sum(one.seconds for one in results) / (size * len(results)), "ms", "less", limit=10),
    ]  # fmt: skip
