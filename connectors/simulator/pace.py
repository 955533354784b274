"""How busy a livestream is: a log-normal Ornstein–Uhlenbeck rate on two time scales, fitted to real chat.

rate(t) = mean · exp(fast + slow − (variances)/2); counts of a second are Poisson, or negative binomial with ``shape``.
Plain Poisson counts would be far too smooth: real chat has variance/mean of 1.5–16 in ten-second windows. Time is in seconds,
steps are one second, dice are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


@dataclass(frozen=True, slots=True)
class Manner:
    """Class of a livestream: variances of the log rate with their relaxation times, and the negative binomial's shape."""

    fast_variance: float
    fast_seconds: float
    slow_variance: float
    slow_seconds: float
    shape: float


SMALL = Manner(0.18, 35, 0.08, 900, 4)
MID = Manner(0.42, 11, 0.06, 300, inf)
LARGE = Manner(0.10, 26, 0.05, 3000, 4.5)


def manner_of(mean: float) -> Manner:
    """The class of a livestream with ``mean`` events per second."""
    return SMALL if mean < 0.5 else MID if mean < 3 else LARGE


class Swell:
    """One Ornstein–Uhlenbeck process in steps of a second, started in its stationary state."""

    __slots__ = ("keep", "push", "value")

    def __init__(self, variance: float, seconds: float, dice: Random) -> None:
        self.keep = exp(-1 / seconds)
        self.push = sqrt(variance * (1 - self.keep**2))
        self.value = dice.gauss(0, sqrt(variance))

    def step(self, dice: Random) -> float:
        self.value = value = self.value * self.keep + dice.gauss(0, self.push)
        return value


class Pace:
    """The rate of one livestream, second by second; ``step`` has the mean ``mean``."""

    __slots__ = ("fast", "limit", "mean", "offset", "shape", "slow")

    def __init__(self, mean: float, manner: Manner, dice: Random) -> None:
        self.mean = mean
        self.fast = Swell(manner.fast_variance, manner.fast_seconds, dice)
        self.slow = Swell(manner.slow_variance, manner.slow_seconds, dice)
        self.offset = (manner.fast_variance + manner.slow_variance) / 2
        self.shape = manner.shape
        self.limit = 10 * mean if mean >= 3 else inf
        """A large chat was never seen above 7–9 times its mean in a second."""

    def step(self, dice: Random) -> float:
        return self.mean * exp(self.fast.step(dice) + self.slow.step(dice) - self.offset)

    def count(self, dice: Random, factor: float = 1.0) -> int:
        """Events of the next second, with everything that lifts all livestreams as ``factor``."""
        rate = self.step(dice) * factor
        if self.shape != inf and rate > 0.02:  # below, the shape changes nothing that could be measured
            rate *= dice.gammavariate(self.shape, 1 / self.shape)
        return poisson(dice, min(rate, self.limit))


def poisson(dice: Random, mean: float) -> int:
    """A Poisson number; above 25 the normal approximation is good to a percent."""
    if mean > 25:
        return max(0, round(dice.gauss(mean, sqrt(mean))))
    floor = exp(-mean)
    count, product = 0, dice.random()
    while product > floor:
        count += 1
        product *= dice.random()
    return count


def means(dice: Random, count: int, rate: float, *, silent: float = 0.08, cap: float = 60.0) -> list[float]:
    """Mean rate of each of ``count`` livestreams: log-normal with σ = 2, some exactly silent, capped, together exactly ``rate``."""
    raw = [0.0 if dice.random() < silent else exp(dice.gauss(0, 2)) for _ in range(count)]
    if raw and not any(raw):
        raw[0] = 1.0
    cap = max(cap, 3 * rate / max(1, sum(value > 0 for value in raw)))
    full: set[int] = set()
    while True:  # what is above the cap goes to the others, in proportion
        scale = (rate - cap * len(full)) / (sum(value for index, value in enumerate(raw) if index not in full) or 1.0)
        above = {index for index, value in enumerate(raw) if index not in full and value * scale > cap}
        if not above:
            return [cap if index in full else value * scale for index, value in enumerate(raw)]
        full |= above


class Programme:
    """What the schedule does to everybody: the rush at a session's start, scripted moments within it, the fall after its end.

    Livestreams are put into ``GROUPS`` groups: six in ten follow the schedule within ± 20 s, the rest notice it some time within the hour.
    A side (0 or 1) says which of the moments lift them.
    """

    OFFSETS = (-20.0, -10.0, 0.0, 10.0, 20.0, 300.0, 900.0, 1500.0, 2100.0, 2700.0, 3300.0)
    WEIGHTS = (12, 12, 12, 12, 12, 7, 7, 7, 7, 6, 6)

    def __init__(self, sessions: Sequence[tuple[float, float]], dice: Random) -> None:
        self.sessions = sorted(sessions)
        self.moments = sorted(
            (start + dice.random() * (end - start), dice.randrange(2)) for start, end in self.sessions for _ in range(6)
        )

    def session_at(self, now: float) -> int:
        """Number of the session that began last and still runs, or −1."""
        found = -1
        for number, (start, end) in enumerate(self.sessions):
            if start <= now < end:
                found = number
        return found

    def factor(self, now: float, offset: float, side: int) -> float:
        """Lift of a livestream of that group and side; 1 for ever when there is no schedule."""
        if not self.sessions:
            return 1.0
        running = [
            rush(now - start - offset) if now - start >= offset else 0.75
            for start, end in self.sessions
            if start + min(offset, 0) <= now < end
        ]
        ended = [fall(now - end) for start, end in self.sessions if 0 <= now - end < 600]
        level = max(running) if running else min(ended, default=0.75)
        for at, which in self.moments:
            if which == side and 0 <= now - at < 60:
                level *= 1 + 2.5 * moment(now - at)
        return level


def rush(since: float) -> float:
    """Lift ``since`` seconds after a session began: three-fold within seconds, halved in four minutes."""
    return 1 + 2 * (1 - exp(-since / 10)) * exp(-since / 350)


def fall(since: float) -> float:
    """Level after a session ended: a third within two minutes, back to the waiting level after ten."""
    return 1 - 0.65 * since / 120 if since < 120 else 0.35 + 0.4 * (since - 120) / 480


def moment(since: float) -> float:
    """Shape of a scripted moment: up in 8 s, down with a time constant of 10 s."""
    return since / 8 if since < 8 else exp(-(since - 8) / 10)
