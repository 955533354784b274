"""Which hashtags rise: the last ten minutes against the hour before them, by enough different people, and fit for a screen. Pure.

A hashtag's uses are counted by minute, spelling and country. What is the event's own, what the configured topics are about anyway, and
what holds a word of the keyword bank is left out. The rest is ranked by how surprising it is, not by how large.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Final

from monitor.enrich.hashtags import tag_key
from monitor.enrich.normalise import normalise
from monitor.enrich.topics import Matcher
from monitor.enrich.words import WIDE, script

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitor.config import Config

WINDOW_MINUTES: Final = 10
BEFORE_MINUTES: Final = 60
LEARNING_MINUTES: Final = 10
"""With less than so much to compare with there is no factor; absent means unknown."""
FEWEST_USES: Final = 8
FEWEST_AUTHORS: Final = 5
LEAST_FACTOR: Final = 1.5
STAYING_FACTOR: Final = 1.2
"""What is shown already leaves later than it came."""
PRIOR: Final = 4.0
"""Uses that are expected of every hashtag, so that three after none are no sensation."""
MOST_TRENDING: Final = 12
MOST_CANDIDATES: Final = 60
"""For these authors are asked for."""
MOST_COUNTRIES: Final = 5
SHORTEST_INSIDE: Final = 4
"""Shorter phrases of the keyword bank count only as a word of their own: *kys* is in *skyscraper*."""

Minute = dict[tuple[str, str], int]
"""(spelling, country) → uses."""


@dataclass(slots=True)
class Uses:
    """Of one hashtag, in all its spellings."""

    now: int = 0
    before: int = 0
    spellings: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)

    @property
    def shown_as(self) -> str:
        """The most frequent spelling; the first in the alphabet of several."""
        return min(self.spellings, key=lambda spelling: (-self.spellings[spelling], spelling))


def gather(minutes: Iterable[tuple[int, Minute]], now_minute: int) -> dict[str, Uses]:
    """Key → uses; ``minutes`` may come several times (one of each partition), and other ones are left out."""
    found: dict[str, Uses] = {}
    first_now = now_minute - (WINDOW_MINUTES - 1) * 60
    first = first_now - BEFORE_MINUTES * 60
    for start, uses in minutes:
        if not first <= start <= now_minute:
            continue
        for (spelling, country), units in uses.items():
            if units <= 0:
                continue
            one = found.setdefault(tag_key(spelling), Uses())
            if start < first_now:
                one.before += units
            else:
                one.now += units
                one.spellings[spelling] += units
                one.countries[country] += units
    return found


def without(minute: Minute, flagged: Iterable[tuple[str, str]]) -> Minute:
    """The minute less one use for each of these; what was not counted cannot be taken away."""
    left = dict(minute)
    for one in flagged:
        if left.get(one, 0) > 0:
            left[one] -= 1
    return left


@dataclass(frozen=True, slots=True)
class Rising:
    """A hashtag that may be shown, if enough people used it."""

    key: str
    uses: Uses
    surprise: float
    factor: float | None
    """None: not enough to compare with."""


def rising(
    found: Mapping[str, Uses], *, before_minutes: float, window_minutes: float, shown: Collection[str] = ()
) -> list[Rising]:
    """The most surprising first. ``before_minutes``: how long has been counted before the window began, at most an hour."""
    known = before_minutes >= LEARNING_MINUTES
    result: list[Rising] = []
    for key, uses in found.items():
        if uses.now < FEWEST_USES:
            continue
        expected = (uses.before / before_minutes * window_minutes if known else 0.0) + PRIOR
        factor = round((uses.now + PRIOR) / expected, 1) if known else None
        if factor is not None and factor < (STAYING_FACTOR if key in shown else LEAST_FACTOR):
            continue
        surprise = uses.now * log(max(uses.now / expected, 1.0)) if known else float(uses.now)
        result.append(Rising(key, uses, surprise * (1.3 if key in shown else 1.0), factor))
    result.sort(key=lambda one: (-one.surprise, one.key))
    return result[:MOST_CANDIDATES]


class Filter:
    """What must not, or need not, be shown by one configuration."""

    def __init__(self, config: Config) -> None:
        self._own = {tag_key(tag) for tag in config.event.hashtags}
        self._matcher = Matcher(config.topics, config.rules)
        phrases = {
            normalise(phrase).removesuffix("*").replace(" ", "").replace("-", "").replace("_", "")
            for rule in config.rules
            for listed in rule.phrases.values()
            for phrase in listed
        }
        self._inside = {phrase for phrase in phrases if len(phrase) >= SHORTEST_INSIDE or any(script(c) == WIDE for c in phrase)}
        self._known: dict[str, bool] = {}

    def lets(self, key: str, spellings: Iterable[str]) -> bool:
        """Whether a hashtag may be shown as emerging, in any of its spellings."""
        return self._passes(key) and all(self._passes(spelling) for spelling in spellings)

    def _passes(self, tag: str) -> bool:
        known = self._known.get(tag)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[tag] = self._judge(tag)
        return known

    def _judge(self, tag: str) -> bool:
        key = tag_key(tag)
        found = self._matcher.match(tag)
        glued = key.replace("_", "").removeprefix("#")
        return key not in self._own and not found.topics and not found.flags and not any(word in glued for word in self._inside)
