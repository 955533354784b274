"""spikes: planted spikes in simulated traffic of an event: how many are found, how many of the found are none, and how soon.

The traffic is that of ``spike_world``. Recall is of the spikes that can be told from each other: at least a minute long, of three counts a slot and thirty in
twenty seconds, with nothing else planted in the same series meanwhile, all of it collected, and not in a series that was open already; those of half a minute
are counted apart, and so is what opens because a livestream begins its programme by itself. Beside it stands what the best possible test would find
(``spike_power``): ``recall_possible`` is found over that.
The raw limit: of precision and recall 1, of the delay what two whole slots and the wait for late events (20 s) cost by themselves: 40 s on average.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.measure import Row, percentile, row
from benchmarks.spike_power import power
from benchmarks.spike_world import RATE, SLOT, Planted, World
from monitor.exposure import Exposure
from monitor.spikes import FALSE_PER_HOUR, MINIMUM, Slot, Spike, Watch

SEEDS = (31, 32, 33, 34, 35, 36)
"""Worlds on which nothing was tuned; that was done on 1 to 20."""
SIZE, QUICK = 2 * 360, 150
"""Slots."""
CLOSED_AFTER = 20
LARGE = 30
"""Usual counts of a slot from which a series is large: three a second."""
SHORT = 60
"""Seconds; what is shorter is counted apart."""
BEFORE = 60
SERIES = 140


@dataclass
class Result:
    planted: list[Planted] = field(default_factory=list)
    short: list[Planted] = field(default_factory=list)
    apart: int = 0
    """Planted, and not to be told from something else, or not collected."""
    true: int = 0
    own: int = 0
    """Opened because a livestream began its programme by itself: neither planted nor chance."""
    false: list[str] = field(default_factory=list)
    hours: float = 0.0
    seconds: float = 0.0


def is_caused(by: dict[tuple[str, int], float], spike: Spike, counts: dict[tuple[str, int], int]) -> bool:
    """Whether a third of what was counted in the slots that opened it is there because of that."""
    assert spike.opened is not None
    slots = range(spike.since, spike.opened, SLOT)
    return sum(by.get((spike.head, start), 0.0) for start in slots) >= sum(counts[spike.head, start] for start in slots) / 3


def is_alone(world: World, one: Planted, counts: dict[tuple[str, int], int]) -> bool:
    """Nothing else that was planted lifts the series meanwhile or just before, and nine tenths of it were collected."""
    kinds = ("country", "session")
    for other in world.truth.planted:
        both = other.head == one.head or {other.head.partition(":")[0], one.head.partition(":")[0]} == set(kinds)
        if (
            other is not one
            and both
            and other.begin < one.begin + one.seconds
            and one.begin < other.begin + other.seconds + BEFORE
        ):
            return False
    slots = [start for start in range(0, world.slots * SLOT, SLOT) if one.begin - BEFORE < start < one.begin + one.seconds]
    lost = sum(world.truth.lost.get((one.head, start), 0.0) for start in slots)
    return lost <= 0.1 * sum(counts.get((one.head, start), 0) for start in slots)


def score(world: World, counts: dict[tuple[str, int], int], opened: list[Spike], ended: list[Spike]) -> Result:
    """``counts``: (series, slot) → what was counted; ``opened`` as they were when they opened; ``ended`` as they are now."""
    end_of_all = world.slots * SLOT
    result = Result(hours=end_of_all / 3600)
    for spike in opened:
        if is_caused(world.truth.extra, spike, counts):
            result.true += 1
        elif is_caused(world.truth.own, spike, counts):
            result.own += 1
        else:
            result.false.append(f"{spike.head} at {spike.since}, {spike.factor}x, {spike.actual} for {spike.mid}")
    for one in world.truth.planted:
        if one.raid or one.begin + one.seconds + CLOSED_AFTER > end_of_all:
            continue
        slots = [start for start in range(0, end_of_all, SLOT) if one.begin - SLOT < start < one.begin + one.seconds]
        counted = sum(counts.get((one.head, start), 0) for start in slots)
        usual = counted - sum(world.truth.extra.get((one.head, start), 0.0) for start in slots)
        if usual < 3 * len(slots) or 2 * counted < MINIMUM * len(slots):
            continue  # its livestreams were not there, or it is below the minimum count
        hit = [
            spike for spike in opened
            if spike.head == one.head and spike.opened is not None and one.begin < spike.opened <= one.begin + one.seconds + 20
        ]  # fmt: skip
        already = any(spike.head == one.head and spike.since <= one.begin < (spike.closed or end_of_all) for spike in ended)
        one.alone = is_alone(world, one, counts) and not (already and not hit)
        if not one.alone:
            result.apart += 1
            continue
        one.usual = usual / len(slots)
        one.several = world.effective(one.head, one.begin) >= 2
        one.power = power(world, one, one.usual, SERIES, FALSE_PER_HOUR)
        if hit:
            one.opened = (hit[0].opened or 0) + CLOSED_AFTER
        (result.short if one.seconds < SHORT else result.planted).append(one)
    return result


def trial(seed: int, slots: int, rate: float = RATE) -> Result:
    world = World(seed, slots, rate)
    watch, exposure = Watch(world.bounds), Exposure()
    counts: dict[tuple[str, int], int] = {}
    opened: list[Spike] = []
    ever: dict[str, Spike] = {}
    seconds = 0.0
    for slot in world.play():
        counts.update({(head, slot.start): count for head, count in slot.counts.items()})
        begun = time.process_time()
        exposed = exposure.take(slot.start, slot.live, slot.livestreams)
        opened += watch.take(
            Slot(
                start=slot.start,
                counts=slot.counts,
                exposed=exposed,
                live=slot.live,
                livestreams=slot.livestreams,
                pairs=slot.pairs,
            )
        )
        seconds += time.process_time() - begun
        ever.update({spike.id: spike for spike in watch.closed})
    result = score(world, counts, opened, [*ever.values(), *watch.spikes.values()])
    result.seconds = seconds
    return result


def recall(planted: list[Planted]) -> float:
    return sum(one.opened is not None for one in planted) / max(1, len(planted))


def possible(planted: list[Planted]) -> float:
    """What the best possible test would find of them."""
    return sum(one.power for one in planted) / max(1, len(planted))


def table(planted: list[Planted]) -> list[str]:
    """Found, planted and possible, by size and factor."""
    lines = []
    for low, high in ((3, 10), (10, LARGE), (LARGE, 100), (100, 10**9)):
        for factor in (3.0, 4.0, 6.0, 10.0):
            some = [one for one in planted if low <= one.usual < high and one.factor == factor]
            found = sum(one.opened is not None for one in some)
            lines.append(
                f"{low:>4} to {high:<10} {factor:>4.0f}x {found:>3} of {len(some):<3} possible {sum(one.power for one in some):.1f}"
            )
    return lines


def run(size: int = SIZE) -> list[Row]:
    results = [trial(seed, size) for seed in SEEDS]
    true, false = sum(one.true for one in results), sum(len(one.false) for one in results)
    planted = [one for result in results for one in result.planted]
    large = [one for one in planted if one.usual >= LARGE]
    short = [one for result in results for one in result.short]
    delays = [one.opened - one.begin for one in planted if one.opened is not None] or [0.0]
    of_large = [one.opened - one.begin for one in large if one.opened is not None and one.factor >= 6] or [0.0]
    small = [one for one in planted if one.usual < LARGE]
    return [
        row("spikes.precision", true / max(1, true + false), "of opened", "more", limit=1),
        row("spikes.recall", recall(planted), "of planted", "more", limit=1),
        row("spikes.recall_possible", recall(planted) / max(0.01, possible(planted)), "of the best test", "more", limit=1),
        row("spikes.recall_large", recall(large), "of planted", "more", limit=1),
        row("spikes.recall_large_possible", recall(large) / max(0.01, possible(large)), "of the best test", "more", limit=1),
        row("spikes.recall_several", recall([one for one in large if one.several]), "of planted", "more", limit=1),
        row("spikes.recall_small_possible", recall(small) / max(0.01, possible(small)), "of the best test", "more", limit=1),
        row("spikes.recall_short", recall(short), "of planted", "more", limit=1),
        row("spikes.false_per_hour", false / sum(one.hours for one in results), "an hour", "less", limit=1),
        row("spikes.own_per_hour", sum(one.own for one in results) / sum(one.hours for one in results), "an hour", "less", limit=1),
        row("spikes.delay_p50", percentile(delays, 50), "s", "less", limit=40),
        row("spikes.delay_p95", percentile(delays, 95), "s", "less", limit=40),
        row("spikes.delay_large_p50", percentile(of_large, 50), "s", "less", limit=40),
        row("spikes.slot_ms", 1000 * sum(one.seconds for one in results) / (size * len(results)), "ms", "less", limit=10),
    ]  # fmt: skip
