"""Simulated traffic of an event with spikes planted in it, slot by slot: what ``spikes`` is measured on.

1,200 livestreams of ten platforms in 120 countries: rates log-normal over livestreams (σ = 2), each a log-normal Ornstein–Uhlenbeck process with
the measured variances and relaxation times of small, mid and large chats, on a common swell, one per country, the country's time of day, and
countries that wake up within a quarter of an hour; sessions that lift everybody, of which the opening does three-fold, scripted moments that lift
half for twenty seconds, livestreams that come and go; 20 topics as a share of each region's counts; eight sessions, two at a time, one of them
of some livestreams only. What collection does is in it, too: a platform's connector is away for one to eight minutes while its livestreams go on, and what
it missed of the last ten seconds comes with its return; single livestreams reconnect, half of them with everything they missed at once.

Planted are lifts of 3 to 10 times for half a minute to five in countries, topics and sessions, and raids on single livestreams.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, pi, sin, sqrt
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = 10
LIVESTREAMS, COUNTRIES, TOPICS, REGIONS = 1200, 120, 20, 8
RATE = 490.0
"""Engagement a second."""
PER_HOUR = 12
"""Planted spikes."""
PLATFORMS = {
    "tiktok": 33,
    "youtube": 22,
    "facebook": 13,
    "instagram": 10,
    "bilibili": 7,
    "twitch": 5,
    "kick": 3,
    "x": 3,
    "vk": 3,
    "other": 1,
}
"""Share of livestreams."""
OUTAGES_PER_HOUR = 1.5
TOGETHER = 20
"""Seconds around a session's start in which six of ten livestreams react; the others do so within the hour."""
RECONNECTS = 1 / 720
"""Of a livestream, a slot: once in two hours."""
COMMON, COUNTRY, TOPIC = (0.05, 20.0), (0.05, 120.0), (0.1, 300.0)
"""Variance of the logarithm and relaxation time, seconds."""


@dataclass
class Stream:
    name: str
    mean: float
    country: int
    tags: int
    begins: int
    ends: int
    noise: tuple[float, float, float, float]
    """Variance of the logarithm and relaxation time of what is fast and of what is slow."""
    fast: float = 0.0
    slow: float = 0.0
    shape: float = 0.0
    late: float = 0.0
    """Seconds after a session's start at which it reacts: six of ten at once, the others within the hour."""
    silent: int = 0
    """Slots for which it is being reconnected."""
    missed: int = 0

    @property
    def told_again(self) -> bool:
        """Whether after a reconnect everything that was missed comes at once."""
        return self.tags % 2 == 0

    @property
    def is_tagged(self) -> bool:
        return self.tags < 3


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
    alone: bool = True
    """Nothing else that was planted lifts it meanwhile, or within a minute before, and all of it was collected."""
    power: float = 1.0
    """What the best possible test finds (``spike_power``)."""
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
    own: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))
    """(head, slot) → counts that are there because a livestream began its programme later than the others: it happened, and nobody planted it."""
    lost: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))
    """(head, slot) → counts that were not collected."""


@dataclass(frozen=True)
class Played:
    """One slot."""

    start: int
    counts: dict[str, int]
    """Of every series."""
    live: dict[str, tuple[str, ...]]
    """Livestream → its series."""
    livestreams: dict[str, int]
    """Counts of each."""
    pairs: dict[str, dict[str, int]]
    """Topic → country → counts."""


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
            self._stream(number, min(60.0, value * scale), dice.choices(range(COUNTRIES), weights)[0], hours)
            for number, value in enumerate(raw)
        ]
        self.opening = 1800
        step = round((slots * SLOT - self.opening) / 4 / 60) * 60
        starts = range(self.opening, self.opening + 4 * step, step) if slots > 400 else ()
        self.sessions = [(start, start + 2400, tagged) for start in starts for tagged in (False, True)]
        """(start, end, whether only some livestreams belong to it); the first is the opening."""
        self.moments = [(start + dice.random() * 2400, dice.randrange(2)) for start, _, _ in self.sessions for _ in range(2)]
        self.common = 0.0
        self.countries = [0.0] * COUNTRIES
        self.regions = [[dice.uniform(0.003, 0.05) for _ in range(TOPICS)] for _ in range(REGIONS)]
        self.topics = [0.0] * TOPICS
        self.phases = [dice.random() for _ in range(COUNTRIES)]
        self.waking = {
            country: (dice.uniform(0, hours * 3600), dice.uniform(300, 900))
            for country in range(COUNTRIES)
            if dice.random() < 0.1
        }
        """Country → when it is half awake, and how long it takes."""
        self.outages = [
            (
                dice.choices(list(PLATFORMS), list(PLATFORMS.values()))[0],
                dice.randrange(120, max(121, slots)) * SLOT,
                dice.choice((6, 12, 30, 48)) * SLOT,
            )
            for _ in range(round(OUTAGES_PER_HOUR * hours))
        ]
        """(platform, start, seconds)"""
        self.truth = Truth()
        self._plant(hours)

    @property
    def bounds(self) -> list[int]:
        return [bound for start, end, _ in self.sessions for bound in (start, end)]

    def _stream(self, number: int, mean: float, country: int, hours: float) -> Stream:
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
        late = dice.uniform(-TOGETHER, TOGETHER) if dice.random() < 0.6 else dice.uniform(0, 3600)
        begins = 0 if dice.random() < 0.6 else dice.randrange(int(hours * 3600))
        ends = begins + dice.randrange(1800, 4 * 3600)
        platform = dice.choices(list(PLATFORMS), list(PLATFORMS.values()))[0]
        return Stream(
            f"{platform}:{number}", mean, country, dice.randrange(8), begins, ends if dice.random() < 0.5 else 10**9,
            (fast, fast_s, slow, slow_s), dice.gauss(0, sqrt(fast)), dice.gauss(0, sqrt(slow)), shape, late,
        )  # fmt: skip

    def _plant(self, hours: float) -> None:
        dice = self.dice
        usual: dict[str, float] = defaultdict(float)
        for stream in self.streams:
            usual[f"country:{stream.country}"] += stream.mean * SLOT
        busy: dict[str, float] = {}
        heads = [head for head, mean in usual.items() if mean >= 3] + [f"topic:{number}" for number in range(TOPICS)]
        heads += [f"session:{n}" for n, (_, _, tagged) in enumerate(self.sessions) if tagged]
        for number in range(round(PER_HOUR * hours)):
            # Every second one is where there is much, that the figures of large series are of many.
            many = [head for head in heads if usual.get(head, 100.0) >= 30] if number % 2 else heads
            head = dice.choice(many)
            begin = dice.uniform(900, self.slots * SLOT - 400)
            if head.startswith("session:"):
                start, end, _ = self.sessions[int(head[8:])]
                begin = dice.uniform(start + 500, end - 300)
            seconds = float(dice.choice((30, 60, 90, 180, 300)))
            if head in busy and abs(busy[head] - begin) < 1500:
                continue
            busy[head] = begin + seconds
            self.truth.planted.append(Planted(head, begin, seconds, dice.choice((3.0, 4.0, 6.0, 10.0))))
        for _ in range(round(2 * hours)):
            number = dice.randrange(LIVESTREAMS)
            self.truth.planted.append(
                Planted(f"raid:{number}", dice.uniform(900, self.slots * SLOT - 400), 40.0, dice.uniform(2, 10), raid=True)
            )

    def of(self, head: str, at: float) -> list[Stream]:
        """The livestreams of a country or a session then."""
        return [
            stream
            for stream in self.streams
            if stream.begins <= at < stream.ends
            and stream.mean
            and (stream.is_tagged if head.startswith("session:") else f"country:{stream.country}" == head)
        ]

    def effective(self, head: str, at: float) -> float:
        """Of how many livestreams a country is, by the inverse Simpson index of their rates; many for what is no country."""
        means = [stream.mean for stream in self.of(head, at)] if head.startswith("country:") else []
        return sum(means) ** 2 / max(sum(mean * mean for mean in means), 1e-9) if means else 1e9

    def awake(self, country: int, at: float) -> float:
        level = 1 + 0.4 * sin(2 * pi * (at / 86400 + self.phases[country]))
        if country in self.waking:
            middle, seconds = self.waking[country]
            level *= 0.2 + 0.8 / (1 + exp(-(at - middle) / (seconds / 4)))
        return level

    def programme(self, start: int, stream: Stream, side: int, now: list[tuple[int, int, int, bool]]) -> float:
        """``now``: the sessions that run or have just ended, by number."""
        level = 1.0
        for number, begin, end, tagged in now:
            if tagged and not stream.is_tagged:
                continue
            since = start - begin - stream.late
            if since >= 0 and start < end:
                height = 3.0 if number == 0 else 1.0
                level = max(level, 1 + height * (1 - exp(-(since + 5) / 10)) * exp(-since / 350))
            elif start >= end:
                level = min(level, 0.6 + 0.4 * (start - end) / 600)
        for at, which in self.moments:
            if -SLOT < start - at < 60 and which == side:
                level *= 1 + 2.5 * (0.5 if start < at else exp(-(start - at) / 10))
        return level

    def play(self) -> Iterator[Played]:
        dice, truth = self.dice, self.truth
        tagged_ids = [n for n, (_, _, tagged) in enumerate(self.sessions) if tagged]
        belongs = {
            stream.name: (f"country:{stream.country}", "total", *(f"session:{n}" for n in tagged_ids if stream.is_tagged))
            for stream in self.streams
        }
        missed: dict[str, int] = {}
        for number in range(self.slots):
            start = number * SLOT
            self.common = _swell(dice, self.common, *COMMON)
            self.countries = [_swell(dice, value, *COUNTRY) for value in self.countries]
            self.topics = [_swell(dice, value, *TOPIC) for value in self.topics]
            awake = [self.awake(country, start) for country in range(COUNTRIES)]
            by_head = {one.head: one for one in truth.planted if one.begin - SLOT < start < one.begin + one.seconds}
            away = {platform for platform, begin, seconds in self.outages if begin <= start < begin + seconds}
            back = {platform for platform, begin, seconds in self.outages if start == begin + seconds}
            counts: dict[str, int] = defaultdict(int, {f"country:{country}": 0 for country in range(COUNTRIES)})
            live: dict[str, tuple[str, ...]] = {}
            by_stream: dict[str, int] = {}
            lifted: dict[int, float] = defaultdict(float)
            running = [f"session:{n}" for n in tagged_ids if self.sessions[n][0] <= start < self.sessions[n][1]]
            counts.update(dict.fromkeys(running, 0))
            now = [(n, *each) for n, each in enumerate(self.sessions) if each[0] - TOGETHER <= start < each[1] + 600]
            for index, stream in enumerate(self.streams):
                if not stream.begins <= start < stream.ends:
                    continue
                head = f"country:{stream.country}"
                heads = (head, "total", *(running if stream.is_tagged else ()))
                live[stream.name] = belongs[stream.name]
                if not stream.mean:
                    continue
                fast, fast_s, slow, slow_s = stream.noise
                stream.fast = _swell(dice, stream.fast, fast, fast_s)
                stream.slow = _swell(dice, stream.slow, slow, slow_s)
                level = self.programme(start, stream, index % 2, now)
                rate = (
                    stream.mean
                    * SLOT
                    * level
                    * awake[stream.country]
                    * exp(stream.fast + stream.slow - (fast + slow) / 2 + self.common + self.countries[stream.country] - 0.05)
                )
                if stream.shape:
                    rate *= dice.gammavariate(stream.shape, 1 / stream.shape)
                extra = sum(rate * by_head[each].lift(start) for each in heads if each in by_head)
                if (raid := by_head.get(f"raid:{index}")) is not None:
                    extra += raid.factor * raid.lift(start) / (raid.factor - 1) * SLOT
                count, lost = self._collected(stream, poisson(dice, rate + extra), away, back, missed)
                if stream.late > TOGETHER and level > 1 and not lost:
                    for each in heads:
                        truth.own[each, start] += rate * (1 - 1 / level)
                if lost:
                    extra = 0.0
                    for each in heads:
                        truth.lost[each, start] += lost
                by_stream[stream.name] = count
                lifted[stream.country] += extra
                for each in heads:
                    counts[each] += count
                    if extra:
                        truth.extra[each, start] += extra
            pairs: dict[str, dict[str, int]] = {}
            for topic in range(TOPICS):
                head = f"topic:{topic}"
                pairs[head] = parts = {}
                swell = exp(self.topics[topic] - TOPIC[0] / 2)
                lift = by_head[head].lift(start) if head in by_head else 0.0
                for country in range(COUNTRIES):
                    if not (whole := counts[f"country:{country}"]):
                        continue
                    mean = whole * self.regions[country % REGIONS][topic] * swell
                    if count := poisson(dice, mean * (1 + lift)):
                        parts[f"country:{country}"] = count
                    # what lifted its countries lifted the topic, too
                    if extra := mean * (lift + min(1.0, lifted[country] / whole)):
                        truth.extra[head, start] += extra
                counts[head] = sum(parts.values())
            yield Played(start, dict(counts), live, by_stream, pairs)

    def _collected(self, stream: Stream, count: int, away: set[str], back: set[str], missed: dict[str, int]) -> tuple[int, int]:
        """What of a livestream's counts is collected in this slot, and what is lost."""
        platform = stream.name.partition(":")[0]
        if platform in away:
            missed[stream.name] = count
            return 0, count
        if platform in back:
            count += missed.pop(stream.name, 0)
        if stream.silent:
            stream.silent -= 1
            if stream.silent:
                stream.missed += count if stream.told_again else 0
                return 0, count
            count, stream.missed = count + stream.missed, 0
        elif self.dice.random() < RECONNECTS:
            stream.silent = self.dice.randrange(2, 7)
        return count, 0


def _swell(dice: Random, value: float, variance: float, seconds: float) -> float:
    """The next slot of an Ornstein–Uhlenbeck process."""
    keep = exp(-SLOT / seconds)
    return value * keep + dice.gauss(0, sqrt(variance * (1 - keep * keep)))
