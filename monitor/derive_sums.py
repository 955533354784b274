"""The sums of one batch while it is read: messages that count alike, everything else, and what retractions take back. Pure.

A cell is opened once for all messages that count alike, and spread over its containers once, at the end: that is what makes count fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.derive_tags import Tags
from monitor.derive_where import COUNTED, FUTURE_SECONDS, counted_as
from monitor.enrich.country import guess_country
from monitor.entry import at_samples, gap_seconds, is_covered, level_key, milliseconds, speakers
from monitor.windows import KINDS, Change, Group, Highlight, ViewerSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.derive_memory import AuthorKey, Memory, Originals
    from monitor.derive_where import Moment, Where
    from monitor.entry import Entry

MOST_REMEMBERED = 60_000
"""Authors of one partition that are known to have been told; then told again, which costs a little wire and no memory."""

Key = tuple["Moment", str | None, str, str, tuple[str, ...]]
"""(moment, livestream, platform, kind, topics): events that have it equal are counted together."""

CellKey = tuple[str, str, str | None, str, str, tuple[str, ...]]
"""(slot text of the event, of its receipt, livestream, platform, form, topics)."""


class Batch(NamedTuple):
    """The result of deriving a batch: what commit writes, and who is new for the unique counts."""

    change: Change
    extras: list[Any]
    """[levels, places of the viewer samples, marks to remember]: see the server function commit."""
    authors: dict[tuple[str, str], list[str]]
    """(dimension head, window) → pseudonyms to add."""
    speakers: frozenset[int]
    """speaker() of each message and of its livestream: where a later ban must look."""


class Cell:
    """Messages of a batch that count alike."""

    __slots__ = ("fresh", "is_placeless", "known", "units")

    def __init__(self, known: set[str], fresh: list[str], *, is_placeless: bool) -> None:
        self.units = 0
        self.known = known
        """Authors that were told before."""
        self.fresh = fresh
        """Authors to tell now."""
        self.is_placeless = is_placeless
        """Whether the roster has no country, so that one may be guessed."""


class Sums:
    """What a batch comes to; ``Deriver.batch`` adds its messages itself, because it is the hot path."""

    def __init__(self, where: Where, memory: Memory, originals: Originals) -> None:
        self.where = where
        self.memory = memory
        self.originals = originals
        self.counts: dict[Key, int] = {}
        self.negated: list[tuple[Where, Key, int]] = []
        """Counts to be taken back, with the config of their time."""
        self.guesses: dict[tuple[tuple[str, ...], str], int] = {}
        """(containers, guessed country) → messages."""
        self.cells: dict[CellKey, Cell] = {}
        self.fresh: dict[AuthorKey, list[str]] = {}
        self.levels: list[Any] = []
        self.samples: list[ViewerSample] = []
        self.places: list[Any] = []
        self.marks: list[str] = []
        self.removed: list[str] = []
        self.highlights: list[Highlight] = []
        self.tags = Tags()
        self.earlier: dict[str, Entry] = {}
        self.track = False
        """Whether the batch holds retractions, so that its own earlier entries must be findable."""

    def countable(self, moment: Moment, entry: Entry) -> bool:
        """Everything but messages and retractions."""
        kind = entry.kind
        if kind in COUNTED:
            for counted, units, _ in counted_as(entry, self.where):
                self.add(moment, entry, counted, units)
            if entry.author is not None and kind != "join":
                self.author(moment[0], entry, entry.author)
            return True
        if kind == "level":
            self.level(moment, entry)
        elif kind == "viewers":
            self.sample(moment, entry)
        elif kind == "gap":
            self.add(moment, entry, "gaps", 1)
            self.add(moment, entry, "gap_seconds", gap_seconds(entry))
        elif kind == "unknown":
            self.add(moment, entry, "unknown", 1)
        return kind != "removed"

    def add(self, moment: Moment, entry: Entry, kind: str, units: int) -> None:
        key: Key = (moment, entry.livestream, entry.platform, kind, ())
        self.counts[key] = self.counts.get(key, 0) + units

    def guess(self, entry: Entry, containers: tuple[str, ...], units: int) -> None:
        country = guess_country(entry.text, entry.language)
        if country is not None:
            self.guesses[containers, country] = self.guesses.get((containers, country), 0) + units

    def open(self, key: CellKey) -> Cell:
        at, received_at, livestream, platform, _, topics = key
        slot = self.where.moment(at, received_at)[0]
        known, fresh = self.audience((livestream, platform, topics, self.where.windows(slot, livestream)))
        cell = self.cells[key] = Cell(known, fresh, is_placeless=self.where.is_placeless(livestream, platform))
        return cell

    def audience(self, key: AuthorKey) -> tuple[set[str], list[str]]:
        """(authors told before, authors to tell now). HyperLogLogs do not mind repeats, the wire does."""
        memory = self.memory
        known = memory.authors.get(key)
        if known is None:
            known = memory.authors[key] = set()
        return known, self.fresh.setdefault(key, [])

    def author(self, slot: int, entry: Entry, author: str) -> None:
        known, fresh = self.audience((entry.livestream, entry.platform, (), self.where.windows(slot, entry.livestream)))
        if author not in known:
            known.add(author)
            fresh.append(author)

    def authors(self) -> dict[tuple[str, str], list[str]]:
        """Everybody new, for each dimension and window that they are new to."""
        found: dict[tuple[str, str], list[str]] = {}
        for (livestream, platform, topics, (day, sessions)), names in self.fresh.items():
            if names:
                self.memory.remembered += len(names)
                for head in self.where.author_heads(livestream, platform, topics):
                    found.setdefault((head, f"day:{day}"), []).extend(names)
                for session in sessions:
                    found.setdefault(("total", f"session:{session}"), []).extend(names)
        found.update(self.tags.authors())
        if self.memory.remembered > MOST_REMEMBERED:
            self.memory.authors.clear()
            self.memory.remembered = 0
        return found

    def level(self, moment: Moment, entry: Entry) -> None:
        heads = self.where.heads(entry.livestream, entry.platform, ())
        containers = self.where.containers(moment[0], entry.livestream)
        self.levels.append([level_key(entry), entry.value, containers, heads, entry.what, moment[0]])

    def sample(self, moment: Moment, entry: Entry) -> None:
        if entry.livestream is None:
            return
        # A sender whose clock is ahead must not keep the samples after it out until then.
        at_ms = min(milliseconds(entry.at), milliseconds(entry.received_at) + FUTURE_SECONDS * 1000)
        believed = max(180.0, 2.5 * (entry.interval_seconds or 0))
        country = self.where.country(entry.livestream) or "ZZ"
        self.samples.append(
            ViewerSample(entry.livestream, entry.viewers, at_ms, at_ms + int(believed * 1000), country, entry.platform)
        )
        self.places.append(
            [self.where.containers(moment[0], entry.livestream), self.where.heads(entry.livestream, entry.platform, ())]
        )

    # retractions

    def retract(self, moment: Moment, entry: Entry) -> None:
        if entry.target is not None:
            if entry.target in self.memory.removed:
                return
            self.mark(entry.target)
            if entry.target in self.earlier:
                self.negate(moment, self.earlier[entry.target], self.where)
            elif entry.target in self.originals.by_id:
                self.negate(moment, *self.originals.by_id[entry.target])
            else:
                self.removed.append(entry.target)  # too old to be counted back, but it may still stand on a wall
            return
        if entry.livestream is None or entry.from_ is None or entry.to is None:
            return  # nothing that could be found
        committed = list(self.originals.by_ban.get(entry.id, ()))
        mine = [(earlier, self.where) for earlier in self.earlier.values()]
        for original, where in committed + mine:
            if is_covered(entry, original) and original.id not in self.memory.removed:
                self.mark(original.id)
                self.negate(moment, original, where)
        ban = f"ban|{entry.livestream}|{entry.target_author or ''}|{entry.from_}|{entry.to}"
        self.mark(ban)
        self.removed.append(ban)

    def mark(self, member: str) -> None:
        self.memory.remember(member)
        self.marks.append(member)

    def negate(self, moment: Moment, original: Entry, where: Where) -> None:
        """Take back what the original counted for, in its own slot: its dimensions with the config of its time, its windows with the present one."""
        for kind, units, topics in counted_as(original, where):
            key = (where.moment(original.at, original.received_at), original.livestream, original.platform, kind, topics)
            # Apart from the counts of this batch, because lateness is not taken back.
            self.negated.append((where, key, units))
        self.removed.append(original.id)
        self.add(moment, original, "removed", 1)
        if original.kind == "message":
            self.tags.take_back(original, where)
            if where.is_placeless(original.livestream, original.platform):
                slot = where.moment(original.at, original.received_at)[0]
                self.guess(original, self.where.containers(slot, None), -1)

    # the end

    def result(self, version: int, entries: Sequence[Entry], journal_ms: int | None) -> Batch:
        increments: dict[tuple[str, ...], dict[str, int]] = {}
        for (at, received_at, livestream, platform, form, topics), cell in self.cells.items():
            key: Key = (
                self.where.moment(at, received_at),
                livestream,
                platform,
                "posts" if form == "post" else "comments",
                topics,
            )
            self._spread(increments, self.where, key, cell.units)
        for key, units in self.counts.items():
            self._spread(increments, self.where, key, units)
        for where, key, units in self.negated:
            (slot, _, _), livestream, platform, kind, topics = key
            # Days and sessions were made anew for the present schedule, so that is where it stands.
            some = increments.setdefault(self.where.containers(slot, livestream), {})
            for name in where.fields(livestream, platform, kind, topics):
                some[name] = some.get(name, 0) - units
        for (containers, country), units in self.guesses.items():
            some = increments.setdefault(containers, {})
            some[f"country:{country}|guessed"] = some.get(f"country:{country}|guessed", 0) + units
        groups = [Group(list(containers), some) for containers, some in increments.items() if some] + self.tags.groups()
        samples = at_samples(entries, journal_ms)
        change = Change(version, groups, self.samples, samples, self.removed, highlights=self.highlights)
        return Batch(change, [self.levels, self.places, self.marks], self.authors(), speakers(entries))

    @staticmethod
    def _spread(increments: dict[tuple[str, ...], dict[str, int]], where: Where, key: Key, units: int) -> None:
        (slot, late, clamped), livestream, platform, kind, topics = key
        some = increments.setdefault(where.containers(slot, livestream), {})
        for name in where.fields(livestream, platform, kind, topics):
            some[name] = some.get(name, 0) + units
        # Lateness is a fact about deliveries: a retraction, which does not come through here, leaves it standing.
        if (late or clamped) and kind in KINDS:
            for flag in ("late",) * late + ("clamped",) * clamped:
                for name in where.fields(livestream, platform, flag, ()):
                    some[name] = some.get(name, 0) + units
