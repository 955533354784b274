"""The slow, obvious recount: what the numbers must be, one event at a time, in the order of the journal. Pure.

Written to be checked by eye against ARCHITECTURE's rules, and to share nothing with the fast path (derive.py) but the matcher of
topics and the schedule. ``monitor audit`` and the property tests hold the two against each other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.event import (
    Follow,
    Gap,
    Gift,
    Join,
    Level,
    Message,
    Reaction,
    Removed,
    Share,
    Unknown,
    Viewers,
    from_json,
)
from monitor.config import Topic
from monitor.derivation import make_schedule
from monitor.enrich.country import guess_country
from monitor.enrich.hashtags import hashtags
from monitor.enrich.topics import Matcher, likely_languages
from monitor.reschedule import changed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.event import Event
    from monitor.derivation import Derivation
    from monitor.reschedule import Extent
    from monitor.windows import ViewerSample

Numbers = dict[str, dict[str, int]]
"""Container → field → value."""


class Rules:
    """One derivation config, read the slow way."""

    def __init__(self, config: Derivation) -> None:
        self.config = config
        self.schedule = make_schedule(config)
        self.matcher = Matcher([Topic(id=i, name={}, phrases=p, exclude=e, context=c) for i, p, e, c in config.topics], ())

    def topics(self, message: Message) -> tuple[str, ...]:
        place = self.config.livestreams.get(message.livestream or "")
        own = (place.language,) if place and place.language else ()
        return self.matcher.match(message.text, likely_languages(message.language, own)).topics

    def country(self, livestream: str | None) -> str | None:
        place = self.config.livestreams.get(livestream or "")
        return place.country if place else None

    def belongs(self, livestream: str, tags: frozenset[str]) -> bool:
        place = self.config.livestreams.get(livestream)
        return place is not None and any(tag in place.tags for tag in tags)

    def heads(self, platform: str, livestream: str | None, topics: tuple[str, ...]) -> list[str]:
        heads = [f"platform:{platform}"]
        if livestream is not None:
            heads.append(f"livestream:{livestream}")
        if platform in self.config.outside_totals:
            return heads
        country = self.country(livestream) or "ZZ"
        heads += ["total", f"country:{country}"]
        heads += [f"topic:{topic}" for topic in topics]
        values = {"country": [country], "topic": topics, "platform": [platform], "livestream": [livestream]}
        for one, other in self.config.cross:
            for a in values[one]:
                for b in values[other]:
                    if a is not None and b is not None:
                        heads.append(f"{one}+{other}:{a}+{b}")
        return heads

    def containers(self, event: Event, livestream: str | None) -> tuple[list[str], bool, bool]:
        """(containers, late?, clamped?)."""
        slot, received = _slot(event.at), _slot(event.received_at)
        clamped = slot
        if slot > received + timedelta(seconds=60):
            clamped = received + timedelta(seconds=60)
        if slot < received - timedelta(hours=24):
            clamped = received - timedelta(hours=24)
        late = received - clamped >= timedelta(seconds=30)
        unix = int(clamped.timestamp())
        place = self.config.livestreams.get(livestream or "")
        day, sessions = self.schedule.windows(unix, place.tags if place else [])
        names = [f"slot:{unix}", f"minute:{unix - unix % 60}", f"day:{day}", "total", *(f"session:{s}" for s in sessions)]
        return names, late, clamped != slot


@dataclass(slots=True)
class Recount:
    """Numbers so far; ``add`` one event after the other. ``start`` values come from a baseline, or are empty."""

    numbers: defaultdict[str, defaultdict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    levels: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Level → its highest value, and the newest slot (Unix seconds) in which it was told."""
    viewers: dict[str, ViewerSample | tuple[int, datetime, datetime]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    bans: list[tuple[str, str | None, datetime, datetime]] = field(default_factory=list)
    seen: list[tuple[Event, Rules]] = field(default_factory=list)
    """Every event so far that may be retracted, with the rules of its time."""

    def add(self, event: Event, rules: Rules) -> None:
        if self._is_blocked(event):
            return
        if isinstance(event, Removed):
            self._retract(event, rules)
            return
        if isinstance(event, Level):
            self._level(event, rules)
        elif isinstance(event, Viewers):
            self._viewers(event, rules)
        else:
            self._apply(event, rules, 1)
        self.seen.append((event, rules))

    def _is_blocked(self, event: Event) -> bool:
        if event.id in self.removed:
            return True
        return isinstance(event, Message) and any(
            event.livestream == livestream and author in (None, event.author) and start <= event.at <= end
            for livestream, author, start, end in self.bans
        )

    def _increase(self, containers: Iterable[str], heads: Iterable[str], kind: str, units: int) -> None:
        if units == 0:
            return
        for container in containers:
            for head in heads:
                self.numbers[container][f"{head}|{kind}"] += units

    def switch(self, old: Rules, new: Rules) -> None:
        """Another configuration from here on: sessions and days are made anew from the minutes, topics of a session with tags from its messages."""
        days = [name.partition(":")[2] for name in self.numbers if name.startswith("day:")]
        for extent in changed(old.config, new.config, days):
            fresh: defaultdict[str, int] = defaultdict(int)
            self.numbers[extent.container] = fresh
            for start in range(extent.start, extent.end, 60):
                for name, value in self.numbers.get(f"minute:{start}", {}).items():
                    counted = name.replace("|earlier.", "|")
                    if not extent.tags:
                        fresh[counted] += value
                    elif name.startswith("livestream:") and new.belongs(livestream := name[11:].rpartition("|")[0], extent.tags):
                        for head in new.heads(livestream.partition(":")[0], livestream, ()):
                            fresh[f"{head}|{counted.rpartition('|')[2]}"] += value
            if extent.tags:
                self._remake(extent, fresh, new)

    def _remake(self, extent: Extent, fresh: defaultdict[str, int], new: Rules) -> None:
        """What may still be retracted counts in a session as it counted then, with its topics."""
        for event, rules in self.seen:
            if event.id in self.removed or event.livestream is None or not new.belongs(event.livestream, extent.tags):
                continue
            slot = int(rules.containers(event, event.livestream)[0][0].partition(":")[2])
            if not extent.start <= slot < extent.end:
                continue
            topics = rules.topics(event) if isinstance(event, Message) else ()
            for kind, units in _counted(event):
                for head in new.heads(event.livestream.partition(":")[0], event.livestream, ()):
                    fresh[f"{head}|{kind}"] -= units
                for head in rules.heads(event.platform, event.livestream, topics):
                    fresh[f"{head}|{kind}"] += units

    def _apply(self, event: Event, rules: Rules, sign: int, now: Rules | None = None) -> None:
        containers, late, clamped = rules.containers(event, event.livestream)
        containers = _standing(rules, now, containers, event, event.livestream)
        topics = rules.topics(event) if isinstance(event, Message) else ()
        heads = rules.heads(event.platform, event.livestream, topics)
        match event:
            case Message():
                minute = next(name for name in containers if name.startswith("minute:"))
                if event.platform not in rules.config.outside_totals:
                    for tag in hashtags(event.text):
                        self.numbers[minute.replace("minute", "tags")][
                            f"tag:{tag}|{rules.country(event.livestream) or 'ZZ'}"
                        ] += sign
                placeless = rules.country(event.livestream) is None and event.platform not in rules.config.outside_totals
                country = guess_country(event.text, event.language) if placeless else None
                if country is not None:
                    anybody = _standing(rules, now, rules.containers(event, None)[0], event, None)
                    self._increase(anybody, [f"country:{country}"], "guessed", sign)
            case Gap():
                self._increase(containers, heads, "gaps", 1)
                self._increase(containers, heads, "gap_seconds", max(0, (_ms(event.to) - _ms(event.from_)) // 1000))
            case Unknown():
                self._increase(containers, heads, "unknown", 1)
            case _:
                pass
        for kind, units in _counted(event):
            self._increase(containers, heads, kind, sign * units)
            if sign > 0 and not kind.startswith("gift_value."):
                general = rules.heads(event.platform, event.livestream, ())
                self._increase(containers, general, "late", units if late else 0)
                self._increase(containers, general, "clamped", units if clamped else 0)

    def _level(self, event: Level, rules: Rules) -> None:
        name = f"{event.livestream or ''}|{event.broadcast or ''}|{event.platform}|{event.what}"
        containers, _, _ = rules.containers(event, event.livestream)
        slot = int(containers[0].partition(":")[2])
        before, seen = self.levels.get(name, (0, 0))
        self.levels[name] = (max(before, event.value), max(seen, slot))
        rise, heads = event.value - before, rules.heads(event.platform, event.livestream, ())
        if rise <= 0:
            return
        if slot - seen <= 180:
            self._increase(containers, heads, event.what, rise)
            return
        # Nobody looked for three minutes, or ever: in which minute it rose is unknown.
        minute = [name for name in containers if name.startswith("minute:")]
        known = [name for name in containers if not name.startswith(("slot:", "minute:"))]
        self._increase(known, heads, event.what, rise)
        self._increase(minute, heads, f"earlier.{event.what}", rise)

    def _viewers(self, event: Viewers, rules: Rules) -> None:
        if event.livestream is None:
            return
        before = self.viewers.get(event.livestream)
        told = min(event.at, event.received_at + timedelta(seconds=60))
        believed = timedelta(milliseconds=int(max(180.0, 2.5 * (event.interval_seconds or 0)) * 1000))
        if before is None:
            self.viewers[event.livestream] = (event.viewers, told, told + believed)
            return
        if isinstance(before, tuple):
            count, at, expires = before
        else:
            count, at, expires = before.viewers, _moment(before.at_ms), _moment(before.expires_ms)
        if _ms(told) <= _ms(at):
            return
        self.viewers[event.livestream] = (event.viewers, told, told + believed)
        seconds = count * (min(_ms(told), _ms(expires)) - _ms(at)) // 1000
        containers, _, _ = rules.containers(event, event.livestream)
        self._increase(containers, rules.heads(event.platform, event.livestream, ()), "viewer_seconds", max(0, seconds))

    def _retract(self, event: Removed, rules: Rules) -> None:
        if event.target is not None:
            if event.target not in self.removed:
                self.removed.add(event.target)
                for original, its_rules in self.seen:
                    if original.id == event.target:
                        self._take_back(event, rules, original, its_rules)
            return
        if event.livestream is None or event.from_ is None or event.to is None:
            return
        ban = (event.livestream, event.target_author, event.from_, event.to)
        for original, its_rules in self.seen:
            covered = (
                isinstance(original, Message)
                and original.livestream == event.livestream
                and event.target_author in (None, original.author)
                and event.from_ <= original.at <= event.to
            )
            if covered and original.id not in self.removed:
                self.removed.add(original.id)
                self._take_back(event, rules, original, its_rules)
        self.bans.append(ban)

    def _take_back(self, removal: Removed, rules: Rules, original: Event, its_rules: Rules) -> None:
        if isinstance(original, (Message, Reaction, Share, Follow, Join, Gift)):
            self._apply(original, its_rules, -1, rules)
        containers, _, _ = rules.containers(removal, original.livestream)
        self._increase(containers, rules.heads(original.platform, original.livestream, ()), "removed", 1)


def _standing(rules: Rules, now: Rules | None, containers: list[str], event: Event, livestream: str | None) -> list[str]:
    """Where something counted by ``rules`` stands ``now``: days and sessions were made anew for what is said now."""
    if now is None or now is rules:
        return containers
    kept = [name for name in containers if name.startswith(("slot:", "minute:")) or name == "total"]
    present, _, _ = now.containers(event, livestream)
    return kept + [name for name in present if name.startswith(("day:", "session:"))]


def _counted(event: Event) -> list[tuple[str, int]]:
    """(kind, units) of what somebody did; all of it can be taken back."""
    match event:
        case Message(form=form):
            return [("posts" if form == "post" else "comments", 1)]
        case Reaction(count=count):
            return [("reactions", count)]
        case Share(count=count):
            return [("shares", count)]
        case Follow(count=count):
            return [("follows", count)]
        case Join(count=count):
            return [("joins", count)]
        case Gift(count=count, amount_minor=amount, currency=currency, exponent=exponent):
            value = [(f"gift_value.{currency}.{exponent}", amount)] if amount and currency else []
            return [("gifts", count), *value]
    return []


def read_event(payload: bytes) -> Event:
    return from_json(payload)


def differences(counted: Numbers, recounted: Numbers) -> list[str]:
    """Sentences, one for each number that is not the same; a zero and an absent number are the same."""
    found = []
    for container in sorted(counted.keys() | recounted.keys()):
        one, other = counted.get(container, {}), recounted.get(container, {})
        found += [
            f"{container} {name}: counted {one.get(name, 0)}, recounted {other.get(name, 0)}"
            for name in sorted(one.keys() | other.keys())
            if one.get(name, 0) != other.get(name, 0)
        ]
    return found


def _slot(time: datetime) -> datetime:
    time = time.astimezone(UTC)
    return time.replace(second=time.second - time.second % 10, microsecond=0)


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
