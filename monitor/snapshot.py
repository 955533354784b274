"""The state that every wall sees, made from the book and a clock that is handed in. Pure.

Promise: the same book, time and surroundings give the same state; there is no null in it (absent = unknown); in every state
Σ countries (with ZZ) = Σ platforms in totals = totals, because each is a committed sum. ``docs/feed.md`` describes every key.
Parts that did not change since the picture before are the same objects, so that the patch between two states is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitor.attention import Asked, Facts, Memory, attention
from monitor.book import RATE_SLOTS, parts
from monitor.livestreams import count_livestreams, roll
from monitor.moments import from_ms, iso, moment
from monitor.patch import share
from monitor.schedule import Schedule
from monitor.windows import KINDS, SLOT_SECONDS
from monitor.yesterday import counterparts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from monitor.book import Book
    from monitor.config import Config, Event, Session
    from monitor.livestreams import Livestream, Roll

UNKEPT_SECONDS = 30
"""Searches of the keeper are made every few seconds."""
KEPT = "kept"
"""The part that says when each search was made last; it is judged here, and not shown."""
PEAKS = "peaks"
"""The part that holds peaks of viewers; they are shown in their metrics."""
EXPECTED = "expected"
"""The part that says what was to be expected of each series; it is shown in its metrics."""
SHOWN_KINDS = (*KINDS, "engagement")
_EXACT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a state needs beside the book; each is the newest that the feed has read."""

    livestreams: Mapping[str, Livestream] = field(default_factory=dict)
    authors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(head, window) → estimate; the windows are ``event``, ``day`` and ``session``, each the current one."""
    event_to_wall_ms: Mapping[str, int] = field(default_factory=dict)
    duplicates: int | None = None
    held_back_ms: int | None = None
    """Since when something that was received waits on the disk of a collector or server, and so is in no number."""
    discovery_age_seconds: int | None = None
    """How old the knowledge is of who is live; None where no platform can be asked."""
    pending: int = 0
    """Broadcasts that somebody must decide about."""
    hashtags: Mapping[str, Any] = field(default_factory=dict)
    """The event's hashtags, each as ``/api/livestreams`` shows it."""
    asked: Mapping[str, Asked] = field(default_factory=dict)
    """Platform → how asking it who is live goes."""
    flags: Mapping[int, int] = field(default_factory=dict)
    """Severity → flags of the event, as moderation counted them."""
    curves: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Session → its engagement since its own start."""
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keys of the state that its keeper and its producer made (``monitor.wall_store``): spikes, highlights, wall …"""


def event_day(event: Event, at: datetime) -> date:
    """The day of the event that a moment belongs to: it begins at ``day_start`` on the event's wall clock."""
    local = at.astimezone(event.timezone).replace(tzinfo=None)
    return (local - timedelta(hours=event.day_start.hour, minutes=event.day_start.minute)).date()


class Picture:
    """Makes states of one configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.outside = frozenset(name for name, platform in config.platforms.items() if not platform.in_totals)
        """Platforms that are counted, but not in totals."""
        self._counterparts = counterparts(config.sessions, Schedule.of(config))
        self._last: dict[str, Any] = {}
        self._viewers: dict[str, int] = {}
        self._peaks: dict[str, int] = {}
        self._day = ""
        """The head of the event's current day."""
        self._began_ms: int | None = None
        """The time of the first state."""
        self._cells: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self._cells_of: tuple[Book, int] | None = None
        self._attention = Memory()
        self._band: dict[int, tuple[int, int]] = {}
        self._roll = roll({}, self.outside)

    def state(self, book: Book, now_ms: int, around: Around) -> dict[str, Any]:
        """The state at this time; the caller has advanced the book."""
        self._measure(book, now_ms, around)
        if self._roll.livestreams is not around.livestreams:
            self._roll = roll(around.livestreams, self.outside)
        live = self._roll.live
        counts = count_livestreams(book, self._roll, now_ms)
        state = {
            "event": self._event(book, now_ms, around),
            "session": self._session(now_ms),
            "totals": self._metrics(book, around, "total", live),
            "countries": self._countries(book, around, live),
            "topics": {
                topic.id: self._metrics(book, around, f"topic:{topic.id}", {}) | {"name": dict(topic.name), "group": topic.group}
                for topic in self.config.topics
            },
            "platforms": self._platforms(book, around, live),
            "sessions": {session.id: self._one_session(book, around, session) for session in self.config.sessions},
            "livestreams": counts,
            "cross": self._cross(book),
            "health": self._health(book, now_ms, around, counts),
        }
        if book.as_of_ms is not None:
            state["history"] = {
                "slot_seconds": book.minutes.unit,
                "start": iso(book.minutes.begin * 1000),
                "engagement": book.history(),
                "topics": self._topic_histories(book),
            }
            if band := self._expected_minutes(book, around):
                state["history"]["expected"] = band
        state.update({name: dict(part) for name, part in around.parts.items() if name not in (KEPT, EXPECTED, PEAKS)})
        unkept = _unkept(around.parts.get(KEPT, {}), now_ms)
        if stale := _stale(self._roll, around.asked, unkept, now_ms):
            state["stale"] = stale
        facts = Facts(
            state=state,
            troubles=self._roll.troubles,
            asked=around.asked,
            kept=unkept,
            flags=around.flags,
            owners=self.config.owners,
            approved_only=self.config.moderation.show == "approved",
        )
        state["attention"], self._attention = attention(facts, self._attention, now_ms)
        self._last = share(self._last, state)
        return self._last

    # --- one head ---

    def _metrics(self, book: Book, around: Around, head: str, live: Mapping[str, int]) -> dict[str, Any]:
        """Kinds, viewers, authors and livestreams of one head; nothing while the book is not complete."""
        result: dict[str, Any] = {}
        if not book.complete:
            return result
        kinds = book.kinds.get(head, {})
        rated = self._rate_slots(book, head)
        for kind in SHOWN_KINDS:
            if kind in kinds:
                cell = result[kind] = {"total": book.totals[kinds[kind]]}
                if rated:
                    cell["per_minute"] = self._per_minute(book, head, kind, rated)
        if gifts := gift_value(book.totals, kinds):
            result["gift_value"] = gifts
        if "guessed" in kinds:
            result["guessed"] = book.totals[kinds["guessed"]]
        if viewers := self._viewers_of(book, head):
            result["viewers"] = viewers
        authors = {
            window: around.authors[head, window] for window in ("event", "day", "session") if (head, window) in around.authors
        }
        if authors:
            result["authors"] = authors
        if head in live:
            result["livestreams"] = live[head]
        return result | _unusual(around.parts.get(EXPECTED, {}), head)

    def _rate_slots(self, book: Book, head: str) -> int:
        session = self._tagged(head)
        return book.rate_slots() if session is None or book.session_rate_known() else 0

    def _per_minute(self, book: Book, head: str, kind: str, rated: int) -> int | float:
        if head.startswith("session:") and self._tagged(head) is None:
            count = self._session_count(book, head, kind)
        else:
            count = book.slots.sums.get(f"{head}|{kind}", 0)
        return count if rated == RATE_SLOTS else round(count * RATE_SLOTS / rated, 1)

    def _tagged(self, head: str) -> Session | None:
        """The session of this head, if only some livestreams belong to it."""
        if not head.startswith("session:"):
            return None
        return next((session for session in self.config.sessions if session.tags and f"session:{session.id}" == head), None)

    def _session_count(self, book: Book, head: str, kind: str) -> int:
        """A session of everybody is the total of its slots: exact, because sessions begin and end on whole minutes."""
        session = next(session for session in self.config.sessions if f"session:{session.id}" == head)
        begin, end = int(session.start.timestamp()), int(session.end.timestamp())
        inside = range(max(begin, book.slots.begin), min(end, book.slots.end), SLOT_SECONDS)
        return sum(book.slots.at(start, f"total|{kind}") for start in inside)

    def _viewers_of(self, book: Book, head: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        if head in self._viewers:
            result["now"] = self._viewers[head]
        if head in self._peaks:
            result["peak"] = self._peaks[head]
        if head == "total" and self._day in self._peaks:
            result["peak_day"] = self._peaks[self._day]
        seconds = book.totals.get(f"{head}|viewer_seconds")
        if seconds:
            result["hours"] = round(seconds / 3600, 1)
        return result

    def _measure(self, book: Book, now_ms: int, around: Around) -> None:
        """Viewers now, and the event's peaks as the keeper makes them of all samples; what is seen now is part of them already."""
        self._viewers = book.viewers_now(now_ms, self.outside) if book.complete else {}
        self._day = f"day:{event_day(self.config.event, from_ms(now_ms))}"
        current = {f"session:{session.id}" for session in self.config.sessions if _is_now(session, now_ms) and not session.tags}
        if "total" in self._viewers:
            self._viewers.update(dict.fromkeys(current, self._viewers["total"]))
        if self._began_ms is None:
            self._began_ms = now_ms
        told = around.parts.get(PEAKS, {})
        until = moment(told.get("until"))
        self._peaks = {}
        # What was told long before we began lacks what happened since: unknown, until a keeper has caught up.
        if until is not None and until * 1000 >= self._began_ms - UNKEPT_SECONDS * 1000:
            seen = {**self._viewers, self._day: self._viewers["total"]} if "total" in self._viewers else self._viewers
            self._peaks = {
                head: max(told["heads"].get(head, 0), seen.get(head, 0)) for head in told["heads"].keys() | seen.keys()
            }

    # --- parts of the state ---

    def _event(self, book: Book, now_ms: int, around: Around) -> dict[str, Any]:
        event = self.config.event
        day = event_day(event, from_ms(now_ms))
        live = bool(self._roll.since)
        result: dict[str, Any] = {
            "name": dict(event.names) or event.name,
            "timezone": event.timezone.key,
            "day_start": f"{event.day_start:%H:%M}",
            "languages": list(event.languages),
            "day": day.isoformat(),
            "simulated": self.config.simulator.enabled,
            "rehearsal": self.config.rehearsal,
            "started": live or book.first_counted is not None,
        }
        if self.config.wall.scale != 1:
            result["scale"] = self.config.wall.scale
        if self.config.wall.map is not None:
            result["map_review"] = self.config.wall.map_review
        if self.config.sessions:
            first = event_day(event, min(session.start for session in self.config.sessions))
            last = event_day(event, max(session.end for session in self.config.sessions) - timedelta(microseconds=1))
            result["days"] = (last - first).days + 1
            if first <= day <= last:
                result["day_number"] = (day - first).days + 1
        return result

    def _session(self, now_ms: int) -> dict[str, Any]:
        result: dict[str, Any] = {
            "now": {session.id: _plan(session) for session in self.config.sessions if _is_now(session, now_ms)}
        }
        later = [session for session in self.config.sessions if session.start.timestamp() * 1000 > now_ms]
        if later:
            following = min(later, key=lambda session: (session.start, session.id))
            result["next"] = {"id": following.id, **_plan(following)}
        return result

    def _one_session(self, book: Book, around: Around, session: Session) -> dict[str, Any]:
        result = self._metrics(book, around, f"session:{session.id}", {}) | _plan(session)
        if book.complete:
            if topic := book.most_in_session(session.id, "topic"):
                result["top_topic"] = topic
            if (since := book.topics_since(session.id)) is not None:
                result["topics_since"] = iso(since * 1000)
            if country := book.most_in_session(session.id, "country", never="ZZ"):
                result["top_country"] = country
        if curve := around.curves.get(session.id):
            result["curve"] = dict(curve)
        if before := self._counterparts.get(session.id):
            result["yesterday"] = before
        return result

    def _countries(self, book: Book, around: Around, live: Mapping[str, int]) -> dict[str, Any]:
        """Every country that was counted or has a livestream of a consenting attendee."""
        found = self._roll.countries | self._values(book, "country") | {"ZZ"}
        alive = {f"country:{country}": 0 for country in found} | dict(live)
        return {country: self._metrics(book, around, f"country:{country}", alive) for country in sorted(found)}

    def _platforms(self, book: Book, around: Around, live: Mapping[str, int]) -> dict[str, Any]:
        configured = {name for name, platform in self.config.platforms.items() if platform.enabled}
        found = configured | self._roll.platforms | self._values(book, "platform")
        alive = {f"platform:{name}": 0 for name in found} | dict(live)
        return {
            name: self._metrics(book, around, f"platform:{name}", alive) | {"in_totals": name not in self.outside}
            for name in sorted(found)
        }

    def _values(self, book: Book, dimension: str) -> set[str]:
        """Values of a dimension that have a number, of any kind."""
        return {head.partition(":")[2] for head in (*book.kinds, *self._viewers) if head.startswith(f"{dimension}:")}

    def _cross(self, book: Book) -> dict[str, Any]:
        """The configured pairs; cells are kept, and only those whose fields were touched are made again."""
        if not book.complete:
            return {}
        rated = book.rate_slots()
        if self._cells_of is None or self._cells_of[0] is not book or self._cells_of[1] != rated:
            self._cells, self._cells_of = {}, (book, rated)
            changed: Iterable[str] = [head for heads in book.pairs.values() for head in heads]
        else:
            changed = {head for head, _, dimension, _ in map(parts, book.touched) if "+" in dimension}
        book.touched.clear()
        for head in changed:
            self._cell(book, head, rated)
        result: dict[str, Any] = {}
        for one, other in self.config.cross:
            table: dict[str, dict[str, Any]] = {}
            for head in book.pairs.get(f"{one}+{other}", ()):
                if head in self._cells:
                    row, column, cell = self._cells[head]
                    table.setdefault(row, {})[column] = cell
            result[f"{one}_{other}"] = table
        return result

    def _cell(self, book: Book, head: str, rated: int) -> None:
        engagement = f"{head}|engagement"
        total = book.totals.get(engagement, 0)
        row, plus, column = head.partition(":")[2].partition("+")
        if not total or not plus:
            self._cells.pop(head, None)
            return
        cell: dict[str, Any] = {"total": total, "hour": book.minutes.sums.get(engagement, 0)}
        if rated:
            cell["per_minute"] = self._per_minute(book, head, "engagement", rated)
        self._cells[head] = (row, column, cell)

    def _topic_histories(self, book: Book) -> dict[str, list[int]]:
        """Only of topics that were ever counted."""
        found: dict[str, list[int]] = {}
        for topic in self.config.topics:
            head = f"topic:{topic.id}"
            if "engagement" in book.kinds.get(head, {}):
                found[topic.id] = book.history(head)
        return found

    def _expected_minutes(self, book: Book, around: Around) -> dict[str, list[int]]:
        """The expected range of the total beside its history, as it was told in each minute; −1 where nothing was told.

        It is remembered here and not in Redis: after a start of the server the band begins anew, and the line does not.
        """
        known = _unusual(around.parts.get(EXPECTED, {}), "total").get("expected")
        unit, begin, end = book.minutes.unit, book.minutes.begin, book.minutes.end
        if known is not None and book.as_of_ms is not None:
            # The range is of the last sixty seconds; they belong to the minute in which most of them were.
            self._band[(book.as_of_ms // 1000 - unit // 2) // unit * unit] = (known["low"], known["high"])
        self._band = {start: told for start, told in self._band.items() if start >= begin}
        told = [self._band.get(start, (-1, -1)) for start in range(begin, end, unit)]
        if all(low < 0 for low, _ in told):
            return {}
        return {"low": [low for low, _ in told], "high": [high for _, high in told]}

    def _health(self, book: Book, now_ms: int, around: Around, counts: Mapping[str, int]) -> dict[str, Any]:
        result: dict[str, Any] = {
            "coverage": {
                "collected": counts["live"] + counts["quiet"],
                "known_live": self._roll.known_live,
                "reachable": self._roll.reachable,
                "consented": counts["total"],
            },
        }
        if around.discovery_age_seconds is not None:
            result["coverage"]["discovery_age_seconds"] = around.discovery_age_seconds
        if around.pending:
            result["coverage"]["pending"] = around.pending
        if book.complete:
            for name in ("late", "clamped", "removed", "gaps"):
                result[name] = book.totals.get(f"total|{name}", 0)
        if around.event_to_wall_ms:
            result["event_to_wall_ms"] = dict(around.event_to_wall_ms)
        if "watched" in around.parts.get(EXPECTED, {}):
            result["series_watched"] = around.parts[EXPECTED]["watched"]
        if around.duplicates is not None:
            result["duplicates"] = around.duplicates
        if book.as_of_ms is not None:
            as_of = min(book.as_of_ms, around.held_back_ms or book.as_of_ms)
            result["as_of"] = iso(as_of)
            result["lag_seconds"] = round(max(0, now_ms - as_of) / 1000, 1)
        return result


def _unkept(kept: Mapping[str, Any], now_ms: int) -> dict[str, float]:
    """Searches that nobody has made for too long → when they were made last; of what was never made there is nothing to be old."""
    times = {name: at for name, text in kept.items() if isinstance(text, str) and (at := moment(text)) is not None}
    return {name: at for name, at in sorted(times.items()) if now_ms / 1000 - at > UNKEPT_SECONDS}


def _unusual(part: Mapping[str, Any], head: str) -> dict[str, Any]:
    """What the keeper says of one head: the expected range or when it will be known, and today beside yesterday."""
    known = part.get("series", {}).get(head, {})
    result: dict[str, Any] = {}
    if "low" in known:
        result["expected"] = {"low": known["low"], "high": known["high"]}
    elif "learning_until" in known:
        result["learning_until"] = known["learning_until"]
    if head in part.get("change", {}):
        result["change_vs_yesterday"] = part["change"][head]
    return result


def _stale(roll: Roll, asked_of: Mapping[str, Asked], unkept: Mapping[str, float], now_ms: int) -> dict[str, str]:
    """Sources that say nothing any more → since when: what is shown of them is not what is now."""
    found = {f"search:{name}": iso(round(at * 1000)) for name, at in unkept.items()}
    for platform, asked in asked_of.items():
        if asked.at is not None and asked.is_stale(now_ms / 1000):
            found[f"discovery:{platform}"] = iso(round(asked.at * 1000))
    found |= {name: iso(round((at or now_ms / 1000) * 1000)) for name, at in roll.silent.items()}
    return dict(sorted(found.items()))


def gift_value(totals: Mapping[str, int], kinds: Mapping[str, str]) -> dict[str, int | str]:
    """Currency → value in whole units: a number when it is whole and exact in JSON, else a decimal string; never a float."""
    sums: dict[str, Decimal] = {}
    for kind, name in kinds.items():
        if kind.startswith("gift_value."):
            _, currency, exponent = kind.split(".")
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(totals[name]).scaleb(-int(exponent))
    return {
        currency: int(value) if value == value.to_integral_value() and abs(value) < _EXACT else f"{value:f}"
        for currency, value in sums.items()
    }


def _plan(session: Session) -> dict[str, Any]:
    return {
        "name": dict(session.name),
        "start": f"{session.start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{session.end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def _is_now(session: Session, now_ms: int) -> bool:
    return session.start.timestamp() * 1000 <= now_ms < session.end.timestamp() * 1000
