"""What an entry counts for: its slot, its dimensions and its containers, as one derivation config says. Pure.

Times are compared as 10-second slots of the entry's own text, because the first 18 characters of an RFC 3339 time *are* its slot.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from monitor.config import Topic
from monitor.derivation import make_schedule
from monitor.enrich.topics import Matcher, likely_languages

if TYPE_CHECKING:
    from monitor.derivation import Derivation
    from monitor.entry import Entry

FUTURE_SECONDS = 60
"""An event time may be this far ahead of its receipt; beyond, it is clamped and counted as clamped."""
PAST_SECONDS = 24 * 3600
LATE_SECONDS = 30
"""Later than the end of its slot + 20 s."""

COUNTED = {"reaction": "reactions", "share": "shares", "follow": "follows", "join": "joins", "gift": "gifts"}

Moment = tuple[int, bool, bool]
"""(slot, late?, clamped?)."""


class Where:
    """A derivation config made ready; holds only caches."""

    def __init__(self, config: Derivation) -> None:
        self.config = config
        self._schedule = make_schedule(config)
        topics = [Topic(id=i, name={}, phrases=p, exclude=e, context=c) for i, p, e, c in config.topics]
        self._matcher = Matcher(topics, ())
        self.outside = frozenset(config.outside_totals)
        self._moments: dict[tuple[str, str], Moment] = {}
        self._slots: dict[str, int] = {}
        self._fields: dict[tuple[str | None, str, str, tuple[str, ...]], tuple[str, ...]] = {}
        self._containers: dict[tuple[int, str | None], tuple[str, ...]] = {}
        self._windows: dict[tuple[int, str | None], tuple[str, tuple[str, ...]]] = {}
        self._languages: dict[str | None, tuple[str, ...]] = {
            name: (place.language,) if place.language else () for name, place in config.livestreams.items()
        }

    def slot(self, time: str) -> int:
        """Unix seconds of the 10-second slot of an RFC 3339 UTC time."""
        head = time[:18]
        found = self._slots.get(head)
        if found is None:
            if len(self._slots) > 100_000:
                self._slots.clear()
            found = self._slots[head] = int(datetime.fromisoformat(head + "0+00:00").timestamp())
        return found

    def moment(self, at: str, received_at: str) -> Moment:
        """(slot, late?, clamped?) of an event time, judged against its receipt."""
        key = (at[:18], received_at[:18])
        found = self._moments.get(key)
        if found is None:
            slot, received = self.slot(at), self.slot(received_at)
            held = min(max(slot, received - PAST_SECONDS), received + FUTURE_SECONDS)
            if len(self._moments) > 100_000:
                self._moments.clear()
            found = self._moments[key] = (held, received - held >= LATE_SECONDS, held != slot)
        return found

    def topics(self, entry: Entry) -> tuple[str, ...]:
        return self._matcher.match(entry.text, self.languages(entry.language, entry.livestream)).topics

    def languages(self, hint: str | None, livestream: str | None) -> tuple[str, ...]:
        """What a message is likely written in: what the platform says, unless that says nothing; else the roster."""
        return likely_languages(hint, self._languages.get(livestream, ()))

    def country(self, livestream: str | None) -> str | None:
        place = self.config.livestreams.get(livestream) if livestream else None
        return place.country if place else None

    def is_placeless(self, livestream: str | None, platform: str) -> bool:
        """Whether the roster has no country, so that one may be guessed; not of what counts in no country's numbers anyway."""
        return platform not in self.outside and self.country(livestream) is None

    def heads(self, livestream: str | None, platform: str, topics: tuple[str, ...]) -> list[str]:
        """Every ``dimension:value`` that an event counts for."""
        own = [f"platform:{platform}"]
        if livestream is not None:
            own.append(f"livestream:{livestream}")
        if platform in self.outside:
            return own
        values = {
            "country": [self.country(livestream) or "ZZ"],
            "platform": [platform],
            "topic": list(topics),
            "livestream": [livestream] if livestream is not None else [],
        }
        heads = ["total", f"country:{values['country'][0]}", *own, *(f"topic:{topic}" for topic in topics)]
        for first, second in self.config.cross:
            heads.extend(f"{first}+{second}:{a}+{b}" for a in values[first] for b in values[second])
        return heads

    def author_heads(self, livestream: str | None, platform: str, topics: tuple[str, ...]) -> list[str]:
        """The dimensions that unique authors are estimated for: neither pairs nor single livestreams."""
        return [
            head for head in self.heads(livestream, platform, topics) if not head.startswith("livestream:") and "+" not in head
        ]

    def fields(self, livestream: str | None, platform: str, kind: str, topics: tuple[str, ...]) -> tuple[str, ...]:
        key = (livestream, platform, kind, topics)
        found = self._fields.get(key)
        if found is None:
            if len(self._fields) > 200_000:
                self._fields.clear()
            found = self._fields[key] = tuple(f"{head}|{kind}" for head in self.heads(livestream, platform, topics))
        return found

    def containers(self, slot: int, livestream: str | None) -> tuple[str, ...]:
        key = (slot, livestream)
        found = self._containers.get(key)
        if found is None:
            if len(self._containers) > 100_000:
                self._containers.clear()
            day, sessions = self.windows(slot, livestream)
            own = (f"slot:{slot}", f"minute:{slot // 60 * 60}", f"day:{day}", "total")
            found = self._containers[key] = (*own, *(f"session:{session}" for session in sessions))
        return found

    def windows(self, slot: int, livestream: str | None) -> tuple[str, tuple[str, ...]]:
        """(event day, sessions) of a slot for a livestream."""
        key = (slot, livestream)
        found = self._windows.get(key)
        if found is None:
            if len(self._windows) > 100_000:
                self._windows.clear()
            place = self.config.livestreams.get(livestream) if livestream else None
            found = self._windows[key] = self._schedule.windows(slot, place.tags if place else ())
        return found


def counted_as(entry: Entry, where: Where) -> list[tuple[str, int, tuple[str, ...]]]:
    """(kind, units, topics) of everything that an entry counted for."""
    if entry.kind == "message":
        return [("posts" if entry.form == "post" else "comments", 1, where.topics(entry))]
    plain = COUNTED.get(entry.kind)
    if plain is None:
        return []
    counted: list[tuple[str, int, tuple[str, ...]]] = [(plain, entry.count, ())]
    if entry.kind == "gift" and entry.amount_minor and entry.currency:
        counted.append((f"gift_value.{entry.currency}.{entry.exponent}", entry.amount_minor, ()))
    return counted
