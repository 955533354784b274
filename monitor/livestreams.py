"""The livestreams one by one: each as its collector and the roster describe it, how many are in which state, and a cell for each. Pure.

Promise: nobody who consented is left out, so the counts add up; a livestream whose collector has fallen silent is broken, whatever was
said of it last; what does not depend on the clock is worked out once for each new set of states (``Roll``) and not with every picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.addresses import watch_address
from monitor.attention import SILENT, Trouble, troubles
from monitor.book import RATE_SLOTS
from monitor.moments import iso, moment
from monitor.windows import SLOT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.book import Book
    from monitor.config import Config
    from monitor.roster import Channel, Roster

QUIET_SECONDS = 60
SILENT_SECONDS = 35
"""Collectors repeat each state every 10 s; an older one has nobody behind it."""
STATES = (
    "live",
    "quiet",
    "waiting",
    "announced",
    "connecting",
    "throttled",
    "refused",
    "unreachable",
    "broken",
    "paused",
    "ended",
)


class Livestream(msgspec.Struct, frozen=True):
    """One livestream as its collector last described it, in the hash ``{livestreams}``."""

    state: str
    platform: str
    country: str = "ZZ"
    handle: str = ""
    reason: str = ""
    since: str | float | None = None
    attendee: str | None = None
    at: str | float | None = None
    """When its collector last said so."""
    hashtag: bool = False
    """A hashtag that is watched like a livestream; it is none."""
    live_url: str | None = None
    """Where the attendee is live, as the roster has it; not written by collectors."""
    reachable: bool = True
    """Not written by collectors: whether this configuration can collect it at all."""
    known_live: bool | None = None
    """Of discovery, like what follows: whether a broadcast of the event is live. None: nobody knows, so the collector's word holds."""
    broadcast: str | None = None
    viewers: int | None = None
    discovered_at: str | None = None
    """When the platform was last asked."""


@dataclass(frozen=True, slots=True)
class Roll:
    """What the states of all livestreams say by themselves: made once for each new set of them, and not with every picture."""

    livestreams: Mapping[str, Livestream]
    states: Mapping[str, int]
    live: Mapping[str, int]
    """Head → livestreams that deliver now (quiet ones too)."""
    since: Sequence[tuple[str, float]]
    """Of those that deliver: since when (Unix seconds; 0: nobody knows)."""
    silent: Mapping[str, float | None]
    """Platforms and countries of which no collector says anything → since when; None: nobody knows."""
    countries: frozenset[str]
    platforms: frozenset[str]
    known_live: int
    reachable: int
    troubles: Sequence[Trouble]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of one livestream's state."""

    channel: Channel
    found: Livestream
    until: float
    """Unix seconds; then its collector has been silent for too long."""
    made: Livestream


def watched(
    config: Config, roster: Roster, states: Mapping[str, Livestream], now_ms: int, seen: dict[str, Seen] | None = None
) -> dict[str, Livestream]:
    """The livestreams of consenting attendees, each as its collector described it; nobody is left out, so that they add up.

    ``seen`` is kept by the caller for as long as configuration and roster stay: what was not said anew is not made anew.
    """
    seen = {} if seen is None else seen
    result = {channel.id: _paused(channel) for channel in roster.paused(config.require_consent)}
    for channel in roster.watchable(config.require_consent):
        found, known = states.get(channel.id), seen.get(channel.id)
        if known is None or known.found is not found or known.channel is not channel or now_ms / 1000 > known.until:
            made = _watched(config, channel, found, now_ms)
            if found is not None and made.reason != SILENT:
                at = moment(found.at)
                seen[channel.id] = known = Seen(channel, found, now_ms / 1000 if at is None else at + SILENT_SECONDS, made)
            else:
                seen.pop(channel.id, None)
        else:
            made = known.made
        result[channel.id] = made
    return result


def _watched(config: Config, channel: Channel, found: Livestream | None, now_ms: int) -> Livestream:
    known = Livestream(
        state="ended",
        platform=channel.platform,
        country=channel.country or "ZZ",
        handle=channel.handle,
        attendee=channel.attendee,
        live_url=channel.live_url,
    )
    if not config.platform(channel.platform).enabled:
        return msgspec.structs.replace(
            known, state="paused", reason=f"{channel.platform} is switched off in the configuration", reachable=False
        )
    if found is None:
        return msgspec.structs.replace(known, state="connecting", reason="no collector has taken it yet")
    silent = now_ms / 1000 - (moment(found.at) or now_ms / 1000)
    if silent > SILENT_SECONDS and found.state not in ("ended", "refused"):
        return msgspec.structs.replace(known, state="broken", reason=SILENT, since=found.at, at=found.at)
    return msgspec.structs.replace(known, state=found.state, reason=found.reason, since=found.since, at=found.at)


def roll(livestreams: Mapping[str, Livestream], outside: frozenset[str]) -> Roll:
    """One look at each livestream."""
    states = dict.fromkeys(STATES, 0)
    live: dict[str, int] = {"total": 0}
    since: list[tuple[str, float]] = []
    silent: dict[str, list[float | None]] = {}
    speaking: set[str] = set()
    for name, livestream in livestreams.items():
        state = livestream.state
        states[state] = states.get(state, 0) + 1
        groups = (f"platform:{livestream.platform}", f"country:{livestream.country}")
        if state == "live":
            since.append((name, moment(livestream.since) or 0.0))
            for head in groups[:1] if livestream.platform in outside else (*groups, "total"):
                live[head] = live.get(head, 0) + 1
        if state in ("live", "throttled"):
            speaking.update(groups)
        elif state == "broken" and livestream.reason == SILENT:
            for head in groups:
                silent.setdefault(head, []).append(moment(livestream.at))
    return Roll(
        livestreams,
        states,
        live,
        since,
        # One that still speaks keeps its group alive: then the numbers are too low, which the attention list says, and not old.
        {name: max((at for at in times if at), default=None) for name, times in silent.items() if name not in speaking},
        frozenset(livestream.country for livestream in livestreams.values()),
        frozenset(livestream.platform for livestream in livestreams.values()),
        sum(map(_is_known_live, livestreams.values())),
        sum(livestream.reachable for livestream in livestreams.values()),
        tuple(troubles(livestreams)),
    )


def _is_known_live(livestream: Livestream) -> bool:
    """By discovery; where nobody can be asked, whoever is connected counts as live, and whoever should be and is not."""
    if livestream.known_live is not None:
        return livestream.known_live
    return livestream.state in ("live", "throttled", "refused", "broken")


def is_quiet(livestream: Livestream, last_event: int | None, as_of_ms: int | None) -> bool:
    """Live by its collector, but nothing was counted for a minute; relative to as_of, so that a slow count silences nobody."""
    if livestream.state != "live" or as_of_ms is None:
        return False
    since = moment(livestream.since)
    newest = max(since or 0.0, float(last_event + SLOT_SECONDS if last_event is not None else 0))
    return newest <= as_of_ms / 1000 - QUIET_SECONDS


def _paused(channel: Channel) -> Livestream:
    """Whatever a collector said last of it is old."""
    return Livestream(
        state="paused",
        platform=channel.platform,
        country=channel.country or "ZZ",
        handle=channel.handle,
        attendee=channel.attendee,
        reason="paused by the attendee, who alone can go on",
        reachable=False,
    )


def hashtags(config: Config, states: Mapping[str, Livestream], now_ms: int) -> dict[str, Any]:
    """The event's hashtags, which are watched like livestreams and are none: as their collector described them last."""
    result = {}
    for platform in config.by_hashtag:
        for tag in config.event.hashtags:
            one = states.get(name := f"{platform}:{tag.casefold()}")
            cell: dict[str, Any] = {"platform": platform, "hashtag": tag}
            if one is None:
                cell |= {"state": "connecting", "reason": "no collector has taken it yet"}
            elif (at := moment(one.at)) is not None and now_ms / 1000 - at > SILENT_SECONDS:
                cell |= {"state": "broken", "reason": SILENT, "since": iso(round(at * 1000))}
            else:
                since = moment(one.since)
                cell |= {
                    "state": one.state,
                    "reason": one.reason,
                    "since": iso(round(since * 1000)) if since is not None else None,
                }
            result[name] = {key: value for key, value in cell.items() if value}
    return result


def count_livestreams(book: Book, roll: Roll, now_ms: int) -> dict[str, int]:
    """Livestreams by state; they add up to ``total``."""
    counts = dict(roll.states)
    if book.as_of_ms is not None:
        # As is_quiet says it, for all at once.
        before, last = min(now_ms, book.as_of_ms) / 1000 - QUIET_SECONDS, book.last_event
        quiet = sum(since <= before and (name not in last or last[name] + SLOT_SECONDS <= before) for name, since in roll.since)
        counts["live"] -= quiet
        counts["quiet"] += quiet
    counts["total"] = len(roll.livestreams)
    return counts


@lru_cache(maxsize=16_384)
def _described(livestream: Livestream) -> Mapping[str, Any]:
    """What its collector said of it; most of it stands for hours, and ten thousand are asked for each second."""
    found: dict[str, Any] = {"platform": livestream.platform, "country": livestream.country}
    for key in ("handle", "reason", "since", "attendee", "broadcast", "viewers", "discovered_at"):
        if value := getattr(livestream, key):
            found[key] = value
    if "since" in found and (at := moment(found["since"])) is not None:
        found["since"] = iso(round(at * 1000))
    address = watch_address(livestream.platform, livestream.handle, broadcast=livestream.broadcast, live_url=livestream.live_url)
    if address:
        found["url"] = address
    return found


def cells(book: Book, livestreams: Mapping[str, Livestream], now_ms: int) -> dict[str, Any]:
    """Every livestream with its state and engagement, for ``/api/livestreams``."""
    rated = book.rate_slots() if book.complete else 0
    result = {}
    for name, livestream in livestreams.items():
        last = book.last_event.get(name)
        quiet = is_quiet(livestream, last, book.as_of_ms if book.as_of_ms is None else min(now_ms, book.as_of_ms))
        cell: dict[str, Any] = {"state": "quiet" if quiet else livestream.state, **_described(livestream)}
        if book.complete:
            engagement = f"livestream:{name}|engagement"
            cell["engagement"] = {"total": book.totals.get(engagement, 0)}
            if rated:
                count = book.slots.sums.get(engagement, 0)
                cell["engagement"]["per_minute"] = count if rated == RATE_SLOTS else round(count * RATE_SLOTS / rated, 1)
        if last is not None:
            cell["last_event"] = iso(last * 1000)
        result[name] = cell
    return result
