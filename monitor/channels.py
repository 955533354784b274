"""What is known of each channel: which account it is, whether it is live, and whether it may be read. Pure.

A channel goes ``unresolved → waiting → announced → live → waiting`` and so on; a broadcast ends, a channel does not. ``paused`` and
``refused`` are people's words and only people end them; ``unreachable`` says why nothing can be read. TABLE is the whole of it.

A ``Row`` is what stands in the Redis hash ``{channels}``, one per livestream. Whatever a platform says about a channel becomes a new row
and the ``Turn``s it made: a broadcast that began, one that ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from connectors.connector import Broadcast
from monitor.gate import Pass, Reading
from monitor.scope import Scope  # noqa: TC001 — msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.discovery import Account, Sighting
    from monitor.roster import Channel
    from monitor.scope import Rules, Said

State = Literal["unresolved", "waiting", "announced", "live", "paused", "refused", "unreachable"]
Happening = Literal["found", "unknown", "began", "announced", "ended", "paused", "refused", "freed"]

STATES: Final = ("unresolved", "waiting", "announced", "live", "paused", "refused", "unreachable")

TABLE: Final[Mapping[tuple[State, Happening], State]] = {
    ("unresolved", "found"): "waiting",
    ("unresolved", "unknown"): "unreachable",
    ("waiting", "began"): "live",
    ("waiting", "announced"): "announced",
    ("waiting", "unknown"): "unreachable",
    ("announced", "began"): "live",
    ("announced", "ended"): "waiting",
    ("announced", "unknown"): "unreachable",
    ("live", "ended"): "waiting",
    ("live", "announced"): "announced",
    ("live", "unknown"): "unreachable",
    ("unreachable", "found"): "waiting",
    ("unreachable", "began"): "live",
    ("unreachable", "announced"): "announced",
    ("paused", "freed"): "unresolved",
    ("refused", "freed"): "unresolved",
    **{(state, "paused"): "paused" for state in STATES},
    **{(state, "refused"): "refused" for state in STATES},
}
"""What is not here changes nothing."""

MOST_OVER: Final = 30
LEFT_OUT: Final = "left out, because the platform's units of a day do not carry every channel; monitor check shows the plan"
REMEMBERED: Final = timedelta(days=2)
"""Hours in which a channel was live are remembered so long: who was live at this hour yesterday is asked first."""


class Live(msgspec.Struct, frozen=True, omit_defaults=True):
    """One broadcast, live or announced."""

    id: str
    title: str = ""
    chat: str | None = None
    started_at: datetime | None = None
    scheduled_at: datetime | None = None
    found_at: datetime | None = None
    """When discovery first saw it live."""
    scope: Scope = "ask"
    why: str = ""


class Row(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One channel."""

    platform: str
    handle: str
    """Its handle of now; after a rename not the one of the roster."""
    native_id: str | None = None
    state: State = "unresolved"
    reason: str = ""
    since: datetime | None = None
    reading: Reading = "open"
    broadcasts: tuple[Live, ...] = ()
    candidates: tuple[str, ...] = ()
    """Broadcast ids that were heard of and not confirmed."""
    over: tuple[str, ...] = ()
    """The last broadcast ids that need not be asked about any more."""
    swept_at: datetime | None = None
    """When it was last looked for broadcasts that nobody told of, where that is another question."""
    fed_at: datetime | None = None
    """When that was last done by a question that costs nothing."""
    resolved_at: datetime | None = None
    """When the platform was last asked which account it is."""
    discovered_at: datetime | None = None
    """When the platform was last asked whether it is live."""
    watched_at: datetime | None = None
    """When it was first known whether it is live: what had begun by then says nothing of how soon we find a beginning."""
    viewers: int | None = None
    viewers_at: datetime | None = None
    hours: tuple[int, ...] = ()
    """Unix hours in which it was live, of the last two days."""
    told: str = ""
    """Who says that it is live, where the platform cannot be asked; empty: the platform says it."""


class Turn(msgspec.Struct, frozen=True):
    """A broadcast began or ended."""

    state: Literal["live", "ended"]
    broadcast: Live


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Row)


def as_json(row: Row) -> bytes:
    return _encoder.encode(row)


def from_json(data: bytes) -> Row:
    """Raises msgspec.DecodeError for what no version of ours wrote."""
    return _decoder.decode(data)


def step(row: Row, happening: Happening, now: datetime, reason: str = "") -> Row:
    """The row after something happened."""
    state = TABLE.get((row.state, happening), row.state)
    if state == row.state:
        return replace(row, reason=reason) if (row.state, happening) in TABLE and reason != row.reason else row
    return replace(row, state=state, since=now, reason=reason)


# --- what people say --------------------------------------------------------------------------------------------------


def of_roster(channel: Channel, row: Row | None, barred: str, *, paused: bool, now: datetime) -> Row:
    """The row as the roster wants it: new, freed, or barred with a reason in words (empty: may be read)."""
    if row is None or row.platform != channel.platform:
        row = Row(platform=channel.platform, handle=channel.handle, since=now)
    if channel.native_id and channel.native_id != row.native_id:
        row = replace(row, native_id=channel.native_id, handle=channel.handle, resolved_at=None, broadcasts=())
        row = step(row, "found", now)
    if barred:
        # Who goes on in the middle of a broadcast is found again by its id.
        ids = tuple(live.id for live in row.broadcasts if live.id) or row.candidates
        row = forgotten(step(row, "paused" if paused else "refused", now, barred))
        return replace(row, candidates=ids) if paused and ids != row.candidates else row
    if row.state in ("paused", "refused"):
        row = step(replace(row, discovered_at=None), "freed", now)  # what was known before is not known now
        return step(row, "found", now) if row.native_id else row
    return row


def forgotten(row: Row) -> Row:
    """Without what the platform said of its broadcasts: who must not be read is not watched either."""
    return replace(row, broadcasts=(), candidates=(), watched_at=None, viewers=None, viewers_at=None)


# --- what the platform says -------------------------------------------------------------------------------------------


def resolved(row: Row, account: Account, now: datetime, *, owner: str | None, title: str) -> Row:
    """After the platform said which account it is; ``owner`` is another livestream that is the same account."""
    row = replace(row, resolved_at=now)
    if account.native_id is None:
        # Asked by id it is the account that is gone; asked by login it may as well be a mistake in the list.
        gone = row.native_id == account.asked
        says = (
            f"{title} knows this account no more" if gone else f"{title} knows no {row.handle}; correct the handle in the roster"
        )
        return forgotten(step(row, "unknown", now, says))
    if owner is not None:
        return forgotten(step(row, "unknown", now, f"the same account as {owner}; keep one of the two in the roster"))
    row = replace(row, native_id=account.native_id, handle=account.handle or row.handle)
    return step(row, "found", now)


def sighted(row: Row, sighting: Sighting, now: datetime) -> tuple[Row, list[Turn]]:
    """After the platform said what it does now. Without broadcasts it is offline."""
    known = {live.id: live for live in row.broadcasts}
    live = tuple(_live(broadcast, known.get(broadcast.native_id), now) for broadcast in sighting.broadcasts)
    on_air = {one.id: one for one in live if one.started_at is not None or one.scheduled_at is None}
    before = {one.id: one for one in row.broadcasts if one.found_at is not None}
    turns = [Turn("ended", one) for name, one in before.items() if name not in on_air]
    turns += [Turn("live", one) for name, one in on_air.items() if name not in before]
    row = step(row, "began" if on_air else "announced" if live else "ended", now)
    row = replace(
        row,
        handle=sighting.handle or row.handle,
        broadcasts=live,
        candidates=sighting.candidates,
        over=tuple(dict.fromkeys((*row.over, *sighting.over)))[-MOST_OVER:],
        swept_at=now if sighting.swept else row.swept_at,
        discovered_at=now,
        watched_at=row.watched_at or (None if sighting.candidates else now),
        viewers=sighting.viewers if on_air else None,
        viewers_at=now if on_air and sighting.viewers is not None else None,
        hours=_hours(row.hours, now, live=bool(on_air)),
    )
    return row, turns


def fed(row: Row, sighting: Sighting, now: datetime) -> Row:
    """After the answer to a free question: what may be live must be confirmed, and nothing else is known now."""
    return replace(row, fed_at=now, candidates=tuple(dict.fromkeys((*row.candidates, *sighting.candidates))))


def _live(broadcast: Broadcast, known: Live | None, now: datetime) -> Live:
    on_air = broadcast.started_at is not None or broadcast.scheduled_at is None
    first = known.found_at if known is not None and known.found_at is not None else now
    return Live(
        id=broadcast.native_id,
        title=broadcast.title,
        chat=broadcast.chat_id,
        started_at=broadcast.started_at,
        scheduled_at=broadcast.scheduled_at,
        found_at=first if on_air else None,
    )


def _hours(hours: tuple[int, ...], now: datetime, *, live: bool) -> tuple[int, ...]:
    hour = int(now.timestamp()) // 3600
    oldest = hour - int(REMEMBERED.total_seconds()) // 3600
    kept = tuple(one for one in hours if oldest <= one and one != hour)
    return (*kept, hour) if live or (hour in hours) else kept


# --- what follows from it ---------------------------------------------------------------------------------------------


def judged(
    row: Row,
    rules: Rules,
    channel: Channel,
    said: Callable[[str], Said],
    now: datetime,
    *,
    open_while_offline: bool,
) -> Row:
    """The row with a verdict on each broadcast, and whether the channel may be read."""
    lives = []
    for live in row.broadcasts:
        at = live.scheduled_at if live.found_at is None and live.scheduled_at else now
        verdict = rules.judge(live.title, at, tags=channel.tags, said=said(live.id))
        lives.append(replace(live, scope=verdict.scope, why=verdict.why))
    if tuple(lives) != row.broadcasts:
        row = replace(row, broadcasts=tuple(lives))
    reading = reading_of(row, rules, now, open_while_offline=open_while_offline)
    return row if reading == row.reading else replace(row, reading=reading)


def reading_of(row: Row, rules: Rules, now: datetime, *, open_while_offline: bool) -> Reading:
    """Whether a channel may be read; see Reading."""
    if row.state in ("paused", "refused", "unreachable"):
        return "closed"
    if not open_while_offline or rules.everything:
        return "open"
    if row.state == "unresolved" or row.discovered_at is None:
        return "held"
    if row.state == "live":
        return "open" if counting(row) else "closed"
    return "held" if rules.open_at(now) else "closed"


def counting(row: Row) -> Live | None:
    """The broadcast that is counted now, the newest if there are several; None: none is."""
    lives = [live for live in row.broadcasts if live.scope == "in" and live.found_at is not None]
    return max(lives, key=lambda live: live.started_at.timestamp() if live.started_at else 0.0, default=None)


def pass_of(row: Row) -> Pass:
    """What the gate is told: events of a held channel that turns out to be live go on from the beginning of its broadcast."""
    live = counting(row)
    return Pass(
        reading=row.reading,
        broadcast=live.id or None if live else None,
        since=live.started_at if live else None,
        known=row.discovered_at is not None,
    )


class Passes:
    """``pass_of`` of all rows, again and again: a row that is the same object as the last time costs a look."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Row, Pass]] = {}

    def of(self, rows: Mapping[str, Row]) -> dict[str, Pass]:
        known = self._known
        self._known = {
            name: before if (before := known.get(name)) is not None and before[0] is row else (row, pass_of(row))
            for name, row in rows.items()
        }
        return {name: found[1] for name, found in self._known.items()}


def pending(row: Row) -> list[Live]:
    """Live broadcasts that somebody must decide about."""
    return [live for live in row.broadcasts if live.scope == "ask" and live.found_at is not None]


def broadcasts_of(row: Row) -> tuple[Broadcast, ...]:
    """As a connector is told them; one that a person told of without its id is none."""
    return tuple(
        Broadcast(
            native_id=live.id,
            chat_id=live.chat,
            title=live.title,
            started_at=live.started_at,
            scheduled_at=live.scheduled_at,
            in_scope=live.scope == "in",
        )
        for live in row.broadcasts
    )


def left_out(row: Row) -> Row:
    """As judged, but not read: the units of a day do not carry it."""
    if row.reading == "closed":
        return row
    return replace(row, reading="closed", reason=LEFT_OUT)


# --- whom to ask first ------------------------------------------------------------------------------------------------


def likelihood(row: Row, channel: Channel, now: datetime, tags_now: frozenset[str] | None) -> tuple[int, ...]:
    """Sort key, the likeliest first: live now, in a session now, live at this hour yesterday, priority of the roster, longest not asked.

    ``tags_now``: tags of the sessions that run; None: a session of everybody runs.
    """
    hour = int(now.timestamp()) // 3600
    in_session = tags_now is None or not channel.tags.isdisjoint(tags_now)
    yesterday = any(hour - 25 <= one <= hour - 23 for one in row.hours)
    asked = int(row.discovered_at.timestamp()) if row.discovered_at else 0
    return (row.state not in ("live", "announced"), not in_session, not yesterday, channel.priority, asked)
