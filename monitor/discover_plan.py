"""What to ask a platform next, given the time, what is known and what may be spent. Pure.

A ``Round`` is one platform's: when everybody is looked at next, who has not been since the last look began, for which day every account was
asked what it is called, and who is left out because a day's units do not carry everybody. It asks nothing; discover_round.py does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.discovery import Purse
from monitor import channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connectors.discovery import Discoverer, Known, Question
    from monitor.channels import Row
    from monitor.discover_book import Book
    from monitor.roster import Channel
    from monitor.scope import Rules

FAIR_SHARE: Final = 5
SOME: Final = 200
"""Names that questions are made of at once; of which each platform's batches are full, of 50, 100 or 200."""
FREE_REST: Final = timedelta(minutes=10)
MOST_UNANSWERED: Final = 20
"""One feed may be missing; so many in a row are the platform's trouble."""
PLAN_SECONDS: Final = 3600.0
"""Who is left out changes at most so often: opening a chat anew costs as well."""


def order(rows: Mapping[str, tuple[Row, Channel]], now: datetime, tags_now: frozenset[str] | None) -> list[str]:
    """Livestreams, whom to ask first: by likelihood, but every fifth is the one that nobody asked for longest, so that no one is forgotten."""
    likely = sorted(rows, key=lambda name: (*channels.likelihood(*rows[name], now, tags_now), name))
    never = datetime.min.replace(tzinfo=UTC)
    longest = sorted(rows, key=lambda name: (rows[name][0].discovered_at or never, name))
    placed: dict[str, None] = {}
    by_likelihood, by_age = iter(likely), iter(longest)
    while len(placed) < len(rows):
        queue = by_age if len(placed) % FAIR_SHARE == FAIR_SHARE - 1 else by_likelihood
        # A queue that ran dry has placed everybody, so the loop ends before it is asked again.
        placed[next(name for name in queue if name not in placed)] = None
    return list(placed)


def purse(left: int | None, rules: Rules, discoverer: Discoverer, now: datetime) -> Purse | None:
    """What is left of a day's units, and how many seconds of the event it must last."""
    if left is None:
        return None
    ends = discoverer.next_day(now)
    return Purse(left=left, seconds=_open(rules, now, ends), day_seconds=_open(rules, ends - timedelta(days=1), ends))


def _open(rules: Rules, begin: datetime, end: datetime) -> float:
    """Seconds of the event between two times."""
    hours = rules.hours or ((begin, end),)
    return sum(max(0.0, (min(closes, end) - max(opens, begin)).total_seconds()) for opens, closes in hours)


def _some_at_once(ask: Callable[[Sequence[str]], Iterable[Question]], names: Sequence[str]) -> Iterator[Question]:
    """The quota of a turn is for a few of ten thousand; the others' questions need not be made each second."""
    for start in range(0, len(names), SOME):
        yield from ask(names[start : start + SOME])


class Accounts(NamedTuple):
    """Accounts that must be asked for, and whose they are."""

    questions: Iterable[tuple[Question, dict[str, list[str]]]]
    """With handle or native id → livestreams; each is made when it is come to."""
    owners: dict[str, str]
    """Native id → the livestream that it belongs to."""


@dataclass(slots=True)
class Round:
    """One platform's; see the module docstring."""

    platform: str
    resolved_day: str = ""
    """The day of the event for which every account was asked what it is called."""
    next_sweep: datetime | None = None
    waiting: list[str] = field(default_factory=list)
    """Livestreams whose turn has not come in the sweep under way."""
    free_after: datetime | None = None
    """Questions that cost nothing are not asked before: nobody answered them."""
    unanswered: int = 0
    """So many of them in a row."""
    planned: tuple[datetime, int] | None = None
    """When it was worked out who is left out, and for how many channels."""

    def accounts(self, book: Book, discoverer: Discoverer, now: datetime) -> Accounts | None:
        """Accounts that were never asked for, and once a day all others again: who renamed is followed by id. None: today all were."""
        today = book.schedule.day(int(now.timestamp()))
        if self.resolved_day == today:
            return None
        handles: dict[str, list[str]] = {}
        ids: dict[str, list[str]] = {}
        owners: dict[str, str] = {}
        asked: dict[int, bool] = {}
        """Minute → whether it is of today; a day begins on a whole one, and thousands were asked in the same."""
        for livestream, row in book.rows.items():
            if row.platform != self.platform:
                continue
            if row.native_id:
                owners.setdefault(row.native_id, livestream)
            if row.state in ("paused", "refused"):
                continue
            if row.resolved_at is not None:
                minute = int(row.resolved_at.timestamp()) // 60
                if minute not in asked:
                    asked[minute] = book.schedule.day(minute * 60) == today
            if row.resolved_at is None or not asked[minute]:
                (ids if row.native_id else handles).setdefault(row.native_id or row.handle, []).append(livestream)
        by_handle = ((question, handles) for question in _some_at_once(discoverer.resolve, list(handles)))
        by_id = ((question, ids) for question in _some_at_once(discoverer.recheck, list(ids)))
        return Accounts(chain(by_handle, by_id), owners)

    def begins(self, now: datetime) -> bool:
        """Whether it is time to look at everybody again."""
        return self.next_sweep is None or now >= self.next_sweep

    def is_due(self, now: datetime) -> bool:
        """Whether there may be something to ask that nobody pressed for."""
        return bool(self.waiting) or self.begins(now)

    def due(
        self, book: Book, discoverer: Discoverer, options: Any, now: datetime, pressing: list[str]
    ) -> tuple[dict[str, Known], dict[str, str]]:
        """What is asked about now, in the order in which it is asked, and native id → livestream of all that may answer."""
        mine = book.asked_about(self.platform)
        discoverer.channels, discoverer.awake = len(mine), book.rules.open_at(now)
        discoverer.free = self.free_after is None or now >= self.free_after
        self._leave_out(book, discoverer, options, mine, now)
        begins, pressed = self.begins(now), dict.fromkeys(pressing)
        if begins:
            self.next_sweep = now + timedelta(seconds=discoverer.interval_seconds)
        known = {
            livestream: one
            for livestream in (*pressed, *(mine if begins else self.waiting))
            if livestream in mine and discoverer.due(one := book.known(livestream, *mine[livestream], now), now)
        }
        if begins:
            others = {name: mine[name] for name in known if name not in pressed}
            known = {name: known[name] for name in (*pressed, *order(others, now, book.tags_now(now))) if name in known}
        self.waiting = list(known)
        if discoverer.units_per_day is not None:
            others = {name: one for name, one in mine.items() if one[0].broadcasts and name not in known}
            discoverer.beside = [book.known(name, *one, now) for name, one in others.items()]
        return known, {row.native_id: livestream for livestream, (row, _) in mine.items() if row.native_id}

    def free_answered(self, now: datetime, *, well: bool, at_all: bool = True) -> None:
        """A question that cost nothing had this end; who does not answer is left in peace for a while."""
        self.unanswered = 0 if well else self.unanswered + 1
        if not at_all or self.unanswered >= MOST_UNANSWERED:
            self.unanswered, self.free_after = 0, now + FREE_REST

    def _leave_out(
        self, book: Book, discoverer: Discoverer, options: Any, mine: Mapping[str, tuple[Row, Channel]], now: datetime
    ) -> None:
        """Who is left out when a day's units do not carry everybody: the lowest priority first, then the fewest viewers."""
        if self.planned and self.planned[1] == len(mine) and (now - self.planned[0]).total_seconds() < PLAN_SECONDS:
            return
        plan = discoverer.quota_plan(options, len(mine))
        ranked = sorted(mine, key=lambda name: (mine[name][1].priority, -(mine[name][0].viewers or 0), name))
        self.planned = (now, len(mine))
        book.left_out[self.platform] = frozenset(ranked[len(ranked) - plan.left_out :] if plan else ())
