"""Which broadcast of a roster channel belongs to the event. Pure.

The first rule that decides wins: the producer, then the attendee ("not this one"), then the hours of the event, then what the broadcast
says of itself. What nothing decides is pending: it is not read, because we have no business in the chat of somebody's private evening,
and it is put before the producer. docs/decisions/0002-discovery.md says why it is like this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from monitor.config import Topic
from monitor.enrich.topics import Matcher
from monitor.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Collection

    from monitor.config import Config, Session

Scope = Literal["in", "ask", "out"]

ALWAYS_TAG: Final = "always"
"""A roster channel with this tag is the event's own: whatever it broadcasts inside the hours counts."""
_EVENT: Final = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    scope: Scope
    why: str
    """In words, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What people decided about one broadcast; None: nothing."""

    producer: bool | None = None
    attendee: bool | None = None


class Rules:
    """The rules of one configuration."""

    def __init__(self, config: Config) -> None:
        self.unsure = config.scope.unsure
        self.words = (*config.scope.phrases, *config.event.hashtags)
        self._matcher = Matcher((Topic(id=_EVENT, name={}, phrases={"*": self.words}),)) if self.words else None
        # The simulated event is not tied to the calendar: otherwise the wall would be empty on most days of the year.
        timed = config.scope.hours == "event" and not config.simulator.enabled
        self.hours = hours(config, timedelta(minutes=config.scope.grace_minutes)) if timed else ()
        """(begin, end) of each day of the event, grace included; empty: any time."""

    @property
    def everything(self) -> bool:
        """Whether no broadcast is ever left out unless a person says so: then a chat is read while nothing is live, too."""
        return not self.hours and (self._matcher is None or self.unsure == "count")

    def open_at(self, now: datetime) -> bool:
        """Whether it is an hour of the event."""
        return not self.hours or any(begin <= now < end for begin, end in self.hours)

    def is_of_the_event(self, title: str) -> bool:
        """Whether the words of the event stand in a title; any title, where no words are configured."""
        return self._matcher is None or _EVENT in self._matcher.match(title).topics

    def judge(self, title: str, now: datetime, *, tags: Collection[str] = (), said: Said | None = None) -> Verdict:
        """Whether a broadcast that is live, or announced for this moment, counts."""
        said = said or Said()
        if said.producer is not None:
            return Verdict(scope="in", why="accepted by the producer") if said.producer else _out("ignored by the producer")
        if said.attendee is False:
            return _out("the attendee says that it is not of the event")
        if not self.open_at(now):
            return _out("outside the hours of the event")
        if self._matcher is None:
            return Verdict(scope="in", why="within the hours of the event")
        if said.attendee:
            return Verdict(scope="in", why="the attendee says that it is of the event")
        if ALWAYS_TAG in tags:
            return Verdict(scope="in", why="this channel always counts")
        if self.is_of_the_event(title):
            return Verdict(scope="in", why="its title names the event")
        return self._unsure()

    def _unsure(self) -> Verdict:
        if self.unsure == "count":
            return Verdict(scope="in", why="nothing says that it is not of the event")
        if self.unsure == "ignore":
            return _out("its title does not name the event")
        return Verdict(scope="ask", why="its title does not name the event; somebody must decide")


def hours(config: Config, grace: timedelta) -> tuple[tuple[datetime, datetime], ...]:
    """From the first session of each day of the event to its last, with grace at both ends; empty without a programme."""
    schedule = Schedule.of(config)
    days: dict[str, list[Session]] = {}
    for session in config.sessions:
        days.setdefault(schedule.day(int(session.start.timestamp())), []).append(session)
    return tuple(
        (
            min(session.start for session in sessions).astimezone(UTC) - grace,
            max(session.end for session in sessions).astimezone(UTC) + grace,
        )
        for sessions in days.values()
    )


def _out(why: str) -> Verdict:
    return Verdict(scope="out", why=why)
