"""The feed's book: committed numbers of all partitions, summed once when they change and never per tick. Pure.

``load`` takes a partition as Redis has it, ``apply`` one commit after it. Both leave the book as if every partition had just been
loaded: sums over partitions, over the last six whole 10-second slots (rates), and over the last sixty whole minutes (history) are
kept by adding and taking away. What the feed does not show is not kept: days, and minutes other than engagement of the total, of topics
and of pairs.

Names inside: a *head* is ``total``, ``country:BR``, ``session:opening``, ``country+topic:BR+hybrid``; a *field* is ``head|kind``.
The container of a session holds fields of the total; here they get the session's own head.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from monitor.windows import EARLIER, ENGAGEMENT, KINDS, MINUTE_SECONDS, SINCE, SLOT_SECONDS, container_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.windows import Change, Loaded, ViewerSample

RATE_SLOTS = 6
HISTORY_MINUTES = 60
LOADED_SLOT_SECONDS = 180
LOADED_MINUTES = 61
"""How far back slots and minutes of a loaded partition are complete."""
AHEAD_SECONDS = 180
"""Slots between as_of and now are only kept when they are younger than this: nobody will show the older ones."""

_FAR_MS = 1 << 62
_ENGAGEMENT = frozenset(ENGAGEMENT)
_ACTIVE = frozenset(KINDS)
_HISTORY = frozenset({"total", "topic"})
_GROSS = frozenset({"total", "country", "topic", "platform", "session"})


class Audience(NamedTuple):
    """Viewers now of one partition; the same until a new sample comes or one is not believed any more."""

    outside: frozenset[str]
    made_ms: int
    until_ms: int
    viewers: Mapping[str, int]


class Behind(Exception):
    """Changes are missing or containers were rewritten: load the partition again."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"partition {partition} must be loaded again")
        self.partition = partition


@lru_cache(maxsize=200_000)
def parts(field: str) -> tuple[str, str, str, str]:
    """``country:BR|comments`` → ("country:BR", "comments", "country", "BR")."""
    head, _, kind = field.rpartition("|")
    dimension, _, value = head.partition(":")
    return head, kind, dimension, value


def with_engagement(increments: Mapping[str, int]) -> dict[str, int]:
    """The increments and, for each head, ``head|engagement``: the sum of the six kinds."""
    result = dict(increments)
    for field, count in increments.items():
        head, kind, _, _ = parts(field)
        if kind in _ENGAGEMENT:
            engagement = f"{head}|engagement"
            result[engagement] = result.get(engagement, 0) + count
    return result


def of_session(session: str, increments: Mapping[str, int]) -> dict[str, int]:
    """Fields of the total, renamed to the session's head."""
    return {f"session:{session}|{parts(field)[1]}": n for field, n in increments.items() if field.startswith("total|")}


def within_session(session: str, increments: Mapping[str, int]) -> dict[str, int]:
    """As ``of_session``, and the engagement of each topic and country in it as a pair with the session."""
    result = of_session(session, increments)
    for field, count in increments.items():
        _, kind, dimension, value = parts(field)
        if kind == "engagement" and dimension in ("topic", "country"):
            result[f"session+{dimension}:{session}+{value}|engagement"] = count
    return result


def of_minute(increments: Mapping[str, int]) -> dict[str, int]:
    """What a minute is kept for: the history of the total and of each topic, and the hour of the pairs."""
    return {
        field: n
        for field, n in increments.items()
        if parts(field)[1] == "engagement" and (parts(field)[2] in _HISTORY or "+" in parts(field)[2])
    }


class Window:
    """Sums over the last ``length`` whole units before ``end``, for all partitions together."""

    def __init__(self, unit: int, length: int, touched: set[str]) -> None:
        self.unit = unit
        self.length = length
        self.end = 0
        """Exclusive, Unix seconds; 0 = not placed yet, so nothing is inside."""
        self.sums: dict[str, int] = {}
        self.version = 0
        """Greater whenever something inside has changed."""
        self._buckets: dict[int, dict[int, dict[str, int]]] = {}
        self._touched = touched

    @property
    def begin(self) -> int:
        return self.end - self.unit * self.length

    def add(self, partition: int, start: int, increments: Mapping[str, int]) -> None:
        """More counts for one unit of one partition."""
        if start < self.begin:
            return
        bucket = self._buckets.setdefault(start, {}).setdefault(partition, {})
        for field, count in increments.items():
            bucket[field] = bucket.get(field, 0) + count
        if start < self.end:
            self._count(increments, 1)

    def move(self, end: int) -> None:
        """Place the window; it may jump either way, but what lies before it is forgotten."""
        before = range(self.begin, self.end, self.unit)
        self.end = end
        after = range(self.begin, end, self.unit)
        for start in before:
            if start not in after:
                self._count_bucket(start, -1)
        for start in after:
            if start not in before:
                self._count_bucket(start, 1)
        self.forget(start for start in self._buckets if start < self.begin)

    def forget(self, starts: Iterable[int]) -> bool:
        """Drop units outside the window; True when there were any."""
        gone = list(starts)
        for start in gone:
            del self._buckets[start]
        return bool(gone)

    def drop(self, partition: int) -> None:
        """Forget everything of one partition, before it is loaded again."""
        for start, bucket in list(self._buckets.items()):
            fields = bucket.pop(partition, None)
            if fields and self.begin <= start < self.end:
                self._count(fields, -1)
            if not bucket:
                del self._buckets[start]

    def at(self, start: int, field: str) -> int:
        """One unit's count, whether inside or not."""
        return sum(fields.get(field, 0) for fields in self._buckets.get(start, {}).values())

    def starts(self) -> Iterable[int]:
        return self._buckets.keys()

    def _count_bucket(self, start: int, sign: int) -> None:
        for fields in self._buckets.get(start, {}).values():
            self._count(fields, sign)

    def _count(self, increments: Mapping[str, int], sign: int) -> None:
        for field, count in increments.items():
            now = self.sums.get(field, 0) + sign * count
            if now:
                self.sums[field] = now
            else:
                self.sums.pop(field, None)
        self.version += 1
        self._touched.update(increments)


class Book:
    """Everything committed that the feed shows, over all partitions."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.versions: dict[int, int] = {}
        self.totals: dict[str, int] = {}
        """Field → count since the event began, all partitions."""
        self.kinds: dict[str, dict[str, str]] = {}
        """Head → kind → field, for all heads but livestreams and pairs; a kind is there once it has happened."""
        self.pairs: dict[str, set[str]] = {}
        """Pair dimension, ``country+topic`` → its heads."""
        self.last_event: dict[str, int] = {}
        """Livestream → start (Unix seconds) of its newest slot with an action."""
        self.gross: dict[str, int] = {}
        """Field → what was added since this book began; with ``retracted`` it never falls."""
        self.retracted: dict[str, int] = {}
        self.touched: set[str] = set()
        """Fields that changed since somebody cleared it."""
        self.slots = Window(SLOT_SECONDS, RATE_SLOTS, self.touched)
        self.minutes = Window(MINUTE_SECONDS, HISTORY_MINUTES, self.touched)
        self._histories: tuple[tuple[int, int, int], dict[str, list[int]]] = ((0, 0, 0), {})
        self._own: dict[int, dict[str, int]] = {}
        self._caught_up: dict[int, int] = {}
        self._first: dict[int, int | None] = {}
        self._topics_since: dict[int, dict[str, int]] = {}
        """Partition → session → from when on (Unix seconds) its topics are known; only sessions of which some are not."""
        self._slots_from: dict[int, int] = {}
        self._minutes_from: dict[int, int] = {}
        self._viewers: dict[int, dict[str, ViewerSample]] = {}
        self._audience: dict[int, Audience] = {}
        """Of the partitions whose samples are the same as when it was made."""
        self._samples: list[int] = []

    # --- what comes in ---

    def load(self, partition: int, loaded: Loaded, now_ms: int) -> None:
        """Replace one partition by what Redis has committed; ``now_ms`` is when it was read."""
        fields = with_engagement(loaded.containers.get("total", {}))
        slots: dict[int, dict[str, int]] = {}
        minutes: dict[int, dict[str, int]] = {}
        earlier = 0
        since: dict[str, int] = {}
        for container, found in loaded.containers.items():
            start = container_start(container)
            if container.startswith("session:"):
                session = container.partition(":")[2]
                fields.update(within_session(session, with_engagement(found)))
                if SINCE in found:
                    since[session] = found[SINCE]
            elif container.startswith("slot:") and start is not None:
                slots[start] = with_engagement(found)
            elif container.startswith("minute:") and start is not None:
                minutes[start] = of_minute(with_engagement(found))
                earlier += sum(found.get(f"total|{EARLIER}{kind}", 0) for kind in ENGAGEMENT)
        self._replace(partition, fields)
        self.slots.drop(partition)
        self.minutes.drop(partition)
        for start, increments in minutes.items():
            self.minutes.add(partition, start, increments)
        for start, increments in slots.items():
            self.slots.add(partition, start, increments)
            self._see(start, increments)
        self._topics_since[partition] = since
        self._first[partition] = _first_counted(fields.get("total|engagement", 0) - earlier, minutes, slots)
        self._slots_from[partition] = now_ms // 1000 // SLOT_SECONDS * SLOT_SECONDS - LOADED_SLOT_SECONDS
        self._minutes_from[partition] = (now_ms // 1000 // MINUTE_SECONDS - LOADED_MINUTES) * MINUTE_SECONDS
        self._viewers[partition] = {sample.livestream: sample for sample in loaded.viewers}
        self._audience.pop(partition, None)
        self._caught_up[partition] = loaded.caught_up_ms
        self.versions[partition] = loaded.version

    def apply(self, partition: int, change: Change) -> None:
        """One commit; a known one is ignored, a missing one before it raises Behind and changes nothing."""
        version = self.versions.get(partition)
        if version is not None and change.version <= version:
            return
        if version is None or change.version != version + 1 or change.rebased:
            raise Behind(partition)
        own = self._own[partition]
        for group in change.groups:
            increments = with_engagement(group.increments)
            sessions = [name.partition(":")[2] for name in group.containers if name.startswith("session:")]
            for session in sessions:
                self._add(own, within_session(session, increments))
            for container in group.containers:
                start = container_start(container)
                if container == "total":
                    self._add(own, increments)
                elif container.startswith("minute:") and start is not None:
                    self.minutes.add(partition, start, of_minute(increments))
                elif container.startswith("slot:") and start is not None:
                    self.slots.add(partition, start, increments)
                    for session in sessions:
                        self.slots.add(partition, start, of_session(session, increments))
                    self._see(start, increments)
                    first = self._first[partition]
                    if "total|engagement" in increments and (first is None or start < first):
                        self._first[partition] = start
        samples = self._viewers[partition]
        for sample in change.viewers:
            known = samples.get(sample.livestream)
            if known is None or known.at_ms < sample.at_ms:
                samples[sample.livestream] = sample
                self._audience.pop(partition, None)
        self._samples.extend(change.at_samples[:64])
        self.versions[partition] = change.version

    def caught_up(self, partition: int, at_ms: int) -> None:
        """The partition's counter had nothing left at this time, *and* all its commits until then are applied here."""
        if partition in self._caught_up:
            self._caught_up[partition] = max(self._caught_up[partition], at_ms)

    def advance(self, now_ms: int) -> None:
        """Move the windows to as_of and forget what nobody will show."""
        as_of = self.as_of_ms
        if as_of is not None:
            self.slots.move(as_of // 1000 // SLOT_SECONDS * SLOT_SECONDS)
            self.minutes.move(as_of // 1000 // MINUTE_SECONDS * MINUTE_SECONDS)
        now = now_ms // 1000
        old, future = now - AHEAD_SECONDS, now + AHEAD_SECONDS
        if self.slots.forget(s for s in self.slots.starts() if s >= self.slots.end and (s < old or s > future)):
            self._slots_from = {partition: max(begin, old) for partition, begin in self._slots_from.items()}
        self.minutes.forget(s for s in self.minutes.starts() if s >= self.minutes.end and (s < now - 7200 or s > future))
        del self._samples[:-4096]

    def take_samples(self) -> list[int]:
        """Event times (Unix ms) of events applied since the last call."""
        samples, self._samples = self._samples, []
        return samples

    # --- what can be read ---

    @property
    def complete(self) -> bool:
        """Whether every partition was loaded: before that no sum is a fact."""
        return len(self.versions) == self.partitions

    @property
    def as_of_ms(self) -> int | None:
        """Everything up to here is in the book; None while that is not known."""
        if not self.complete:
            return None
        return min(self._caught_up.values()) or None

    @property
    def first_counted(self) -> int | None:
        """Unix seconds of the first slot that ever held engagement (0 = longer ago than the book reaches)."""
        known = [first for first in self._first.values() if first is not None]
        return min(known) if known else None

    def rate_slots(self) -> int:
        """How many of the six whole slots before as_of may be summed; 0 = the rate is unknown."""
        begin, first = self.slots.begin, self.first_counted
        if not self.slots.end or first is None or begin < max(self._slots_from.values(), default=0):
            return 0
        return min(RATE_SLOTS, max(0, (self.slots.end - first) // SLOT_SECONDS))

    def session_rate_known(self) -> bool:
        """Whether all six slots were applied here: a loaded slot does not say which session its counts belong to."""
        return bool(self._slots_from) and self.slots.begin >= max(self._slots_from.values()) + LOADED_SLOT_SECONDS + SLOT_SECONDS

    def history(self, head: str = "total") -> list[int]:
        """Engagement of the last sixty whole minutes, oldest first; -1 = not known, or before the first count of all. Not to be changed."""
        first, known = self.first_counted, max(self._minutes_from.values(), default=0)
        if first is None or not self.minutes.end:
            return [-1] * HISTORY_MINUTES
        begin = max(first // MINUTE_SECONDS * MINUTE_SECONDS, known)
        # Whole minutes hardly ever change; adding them up anew for each topic and tick would be most of a tick's work.
        made_of = (begin, self.minutes.end, self.minutes.version)
        if self._histories[0] != made_of:
            self._histories = (made_of, {})
        histories = self._histories[1]
        if head not in histories:
            field = f"{head}|engagement"
            minutes = range(self.minutes.begin, self.minutes.end, MINUTE_SECONDS)
            histories[head] = [self.minutes.at(start, field) if start >= begin else -1 for start in minutes]
        return histories[head]

    def topics_since(self, session: str) -> int | None:
        """From when on (Unix seconds) the topics of a session are known; None: all of them are."""
        return max((since[session] for since in self._topics_since.values() if session in since), default=None)

    def most_in_session(self, session: str, dimension: str, never: str = "") -> str | None:
        """The topic or country with the most engagement in a session; the first in the alphabet of several."""
        found: tuple[int, str] | None = None
        for head in self.pairs.get(f"session+{dimension}", ()):
            of, _, value = head.partition(":")[2].partition("+")
            count = self.totals.get(f"{head}|engagement", 0) if of == session and value != never else 0
            if count > 0 and (found is None or (-count, value) < found):
                found = (-count, value)
        return found[1] if found else None

    def viewers_now(self, now_ms: int, outside: frozenset[str]) -> dict[str, int]:
        """Head → concurrent viewers by samples that are still believed; platforms ``outside`` count only for themselves."""
        result: dict[str, int] = {}
        for partition, samples in self._viewers.items():
            known = self._audience.get(partition)
            if known is None or known.outside != outside or not known.made_ms <= now_ms < known.until_ms:
                known = self._audience[partition] = audience(samples.values(), now_ms, outside)
            for head, viewers in known.viewers.items():
                result[head] = result.get(head, 0) + viewers
        return result

    # --- inside ---

    def _add(self, own: dict[str, int], increments: Mapping[str, int]) -> None:
        totals = self.totals
        for field, count in increments.items():
            own[field] = own.get(field, 0) + count
            if field in totals:
                totals[field] += count
            else:
                self._register(field)
                totals[field] = count
            if parts(field)[2] in _GROSS:
                book = self.gross if count > 0 else self.retracted
                book[field] = book.get(field, 0) + abs(count)
        self.touched.update(increments)

    def _replace(self, partition: int, fields: dict[str, int]) -> None:
        """New totals of a partition; what changed since the last look counts as added or retracted, the first look as neither."""
        known = partition in self._own
        own = self._own.setdefault(partition, {})
        differences = {field: count - own.get(field, 0) for field, count in fields.items()}
        differences.update({field: -count for field, count in own.items() if field not in fields})
        gross, retracted = self.gross, self.retracted
        if not known:
            self.gross, self.retracted = {}, {}
        self._add(own, differences)
        if not known:
            self.gross, self.retracted = gross, retracted
        for field in [field for field in own if field not in fields]:
            del own[field]

    def _register(self, field: str) -> None:
        head, kind, dimension, _ = parts(field)
        if "+" in dimension:
            self.pairs.setdefault(dimension, set()).add(head)
        elif dimension != "livestream":
            self.kinds.setdefault(head, {})[kind] = field

    def _see(self, start: int, increments: Mapping[str, int]) -> None:
        for field, count in increments.items():
            _, kind, dimension, livestream = parts(field)
            if dimension == "livestream" and count > 0 and kind in _ACTIVE:
                self.last_event[livestream] = max(start, self.last_event.get(livestream, 0))


def audience(samples: Iterable[ViewerSample], now_ms: int, outside: frozenset[str]) -> Audience:
    """The sums of the samples that are still believed."""
    viewers: dict[str, int] = {}
    believed = [sample for sample in samples if sample.expires_ms > now_ms]
    for sample in believed:
        heads = (f"platform:{sample.platform}",)
        for head in heads if sample.platform in outside else (*heads, "total", f"country:{sample.country}"):
            viewers[head] = viewers.get(head, 0) + sample.viewers
    return Audience(outside, now_ms, min((sample.expires_ms for sample in believed), default=_FAR_MS), viewers)


def _first_counted(total: int, minutes: Mapping[int, Mapping[str, int]], slots: Mapping[int, Mapping[str, int]]) -> int | None:
    """When the first engagement of a loaded partition was counted: exact to the slot where slots reach back so far.

    ``total`` is without what nobody knows the minute of.
    """
    # A minute whose counts were all retracted holds noughts; it was counted all the same.
    counted = {start: found["total|engagement"] for start, found in minutes.items() if "total|engagement" in found}
    if sum(counted.values()) != total:
        return 0
    exact = [start for start, found in slots.items() if "total|engagement" in found]
    oldest = min(counted, default=None)
    if oldest is None:
        return min(exact, default=None)
    return min(exact) if exact and min(exact) // MINUTE_SECONDS * MINUTE_SECONDS <= oldest else oldest
