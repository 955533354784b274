"""From journal entries to increments: a pure function of (entry, derivation config), the same on every replay.

No clock, no Redis, no dice. What a retraction needs to know about earlier entries is handed in as ``originals``; what must be
remembered (retracted ids, bans, levels) is in ``Memory`` or stored by commit.

Times are compared as 10-second slots of the entry's own text, because the first 18 characters of an RFC 3339 time *are* its slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.choose import language_of, score, script_of
from monitor.config import Topic
from monitor.derivation import make_schedule
from monitor.enrich.country import guess_country
from monitor.enrich.hashtags import hashtags, tag_key
from monitor.enrich.topics import Matcher, likely_languages
from monitor.entry import at_samples, gap_seconds, is_covered, is_within, level_key, milliseconds, speakers
from monitor.windows import Change, Group, Highlight, ViewerSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.derivation import Derivation
    from monitor.entry import Entry

FUTURE_SECONDS = 60
"""An event time may be this far ahead of its receipt; beyond, it is clamped and counted as clamped."""
PAST_SECONDS = 24 * 3600
LATE_SECONDS = 30
"""Later than the end of its slot + 20 s."""
MOST_REMEMBERED = 60_000
"""Authors of one partition that are known to have been told; then told again, which costs a little wire and no memory."""
TAGS_AT_ONCE = 50
"""Most hashtags of one commit: a flood of invented ones must not fill the memory."""
TAG_SECONDS = 600
"""Authors of a hashtag are estimated for stretches of so long."""
EXAMINED = 24
"""Messages of a batch that are looked at for a wall."""
OFFERED = 2
"""Of a partition and second; every partition has some, so that busy livestreams leave room for the others."""
OFFER_MS = 1000

COUNTED = {"reaction": "reactions", "share": "shares", "follow": "follows", "join": "joins", "gift": "gifts"}


# --- what one batch gives ----------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """The result of deriving a batch: what commit writes, and who is new for the unique counts."""

    change: Change
    extras: list[Any]
    """[levels, places of the viewer samples, marks to remember]: see the server function commit."""
    authors: dict[tuple[str, str], list[str]]
    """(dimension head, window) → pseudonyms to add."""
    speakers: frozenset[int]
    """speaker() of each message and of its livestream: where a later ban must look."""


AuthorKey = tuple[str | None, str, tuple[str, ...], tuple[str, tuple[str, ...]]]
"""(livestream, platform, topics, (day, sessions))."""


@dataclass(slots=True)
class Memory:
    """What a partition's counter remembers between batches; all of it can be dropped and read again."""

    removed: set[str] = field(default_factory=set)
    """Ids that must not be counted (any more)."""
    bans: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """(livestream, author or "" for everybody) → ranges (from, to) as RFC 3339 text."""
    authors: dict[AuthorKey, set[str]] = field(default_factory=dict)
    """Who was told for these dimensions and windows."""
    remembered: int = 0
    offered_ms: int = 0
    """When messages were last offered for a wall, by the journal's clock."""

    @classmethod
    def of(cls, members: Iterable[str]) -> Memory:
        memory = cls()
        for member in members:
            memory.remember(member)
        return memory

    def remember(self, member: str) -> None:
        """A mark as commit stores it: an id, or ``ban|livestream|author|from|to`` (fields hold no bar: ids are ours)."""
        if member.startswith("ban|"):
            _, livestream, author, start, end = member.split("|")
            self.bans.setdefault((livestream, author), []).append((start, end))
        else:
            self.removed.add(member)

    def blocks(self, entry: Entry) -> bool:
        """Whether the entry was retracted before it came."""
        if entry.id in self.removed:
            return True
        if not self.bans or entry.kind != "message" or entry.livestream is None:
            return False
        return any(
            is_within(entry.at, start, end)
            for author in {entry.author or "", ""}
            for start, end in self.bans.get((entry.livestream, author), ())
        )


class Originals(NamedTuple):
    """What the shell looked up for the retractions of a batch."""

    by_id: Mapping[str, tuple[Entry, Deriver]]
    """Committed entries that a Removed names, with the deriver of their time."""
    by_ban: Mapping[str, Sequence[tuple[Entry, Deriver]]]
    """Removed event's id → committed messages of that livestream (and author) in its range."""


NO_ORIGINALS = Originals({}, {})

Key = tuple[tuple[int, bool, bool], str | None, str, str, tuple[str, ...]]
"""(moment, livestream, platform, kind, topics): events that have it equal are counted together."""


class Deriver:
    """A derivation config made ready; holds only caches."""

    def __init__(self, config: Derivation) -> None:
        self.config = config
        self._schedule = make_schedule(config)
        self.tagged = frozenset(name for name, _, _, tags in config.sessions if tags)
        """Sessions that only livestreams with certain tags belong to."""
        topics = [Topic(id=i, name={}, phrases=p, exclude=e, context=c) for i, p, e, c in config.topics]
        self._matcher = Matcher(topics, ())
        self.outside = frozenset(config.outside_totals)
        self._moments: dict[tuple[str, str], tuple[int, bool, bool]] = {}
        self._slots: dict[str, int] = {}
        self._fields: dict[tuple[str | None, str, str, tuple[str, ...]], tuple[str, ...]] = {}
        self._containers: dict[tuple[int, str | None], tuple[str, ...]] = {}
        self._windows: dict[tuple[int, str | None], tuple[str, tuple[str, ...]]] = {}
        self._languages: dict[str | None, tuple[str, ...]] = {
            name: (place.language,) if place.language else () for name, place in config.livestreams.items()
        }

    # one entry

    def slot(self, time: str) -> int:
        """Unix seconds of the 10-second slot of an RFC 3339 UTC time."""
        head = time[:18]
        found = self._slots.get(head)
        if found is None:
            if len(self._slots) > 100_000:
                self._slots.clear()
            found = self._slots[head] = int(datetime.fromisoformat(head + "0+00:00").timestamp())
        return found

    def moment(self, at: str, received_at: str) -> tuple[int, bool, bool]:
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

    def retracted_from(self, slot: int, livestream: str | None, now: Deriver) -> tuple[str, ...]:
        """Where a message counted with this config stands now: days and sessions without tags follow the present schedule."""
        if now is self:
            return self.containers(slot, livestream)
        day, sessions = now.windows(slot, livestream)
        present = [session for session in sessions if session not in now.tagged]
        former = [session for session in self.windows(slot, livestream)[1] if session in self.tagged]
        names = (f"slot:{slot}", f"minute:{slot // 60 * 60}", f"day:{day}", "total")
        return (*names, *(f"session:{session}" for session in (*present, *former)))

    # a batch

    def batch(
        self,
        version: int,
        entries: Sequence[Entry],
        memory: Memory,
        originals: Originals = NO_ORIGINALS,
        *,
        journal_ms: int | None = None,
        position: str = "",
    ) -> Batch:
        """Increments of these entries, in order. Changes ``memory``; drop it when the commit fails.

        ``journal_ms`` is when the journal got the last of them (Unix ms): what was received long before is a recording, not live.
        ``position`` is the journal id of the last of them.
        """
        work = _Work(self, memory, originals)
        work.track = any(entry.kind == "removed" for entry in entries)
        cells, find, languages_of = work.cells, self._matcher.match, self._languages
        check = bool(memory.removed or memory.bans)
        for entry in entries:
            if check and memory.blocks(entry):
                if entry.id not in memory.removed:
                    work.mark(entry.id)  # kept out by a ban: a later removal of it must take nothing back
                continue
            if entry.kind == "message":
                # The hot path: one look-up, one addition. Everything else happens once per cell, at the end.
                language, livestream = entry.language, entry.livestream
                languages = self.languages(language, livestream) if language else languages_of.get(livestream, ())
                found = find(entry.text, languages).topics
                key = (entry.at[:18], entry.received_at[:18], livestream, entry.platform, entry.form, found)
                cell = cells.get(key)
                if cell is None:
                    cell = work.open(key)
                cell.units += 1
                author = entry.author
                if author is not None and author not in cell.known:
                    cell.known.add(author)
                    cell.fresh.append(author)
                if "#" in entry.text or "＃" in entry.text:
                    work.tag(entry)
                if cell.is_placeless:
                    work.guess(self.moment(entry.at, entry.received_at), entry)
            else:
                moment = self.moment(entry.at, entry.received_at)
                if not work.countable(moment, entry):
                    work.retract(moment, entry)
                    check = True
            if work.track:
                work.earlier[entry.id] = entry
        if journal_ms is None or not 0 <= journal_ms - memory.offered_ms < OFFER_MS:
            work.highlights = self.highlights(entries, memory, position)
            if work.highlights and journal_ms is not None:
                memory.offered_ms = journal_ms
        return work.result(version, entries, journal_ms)

    def highlights(self, entries: Sequence[Entry], memory: Memory, position: str) -> list[Highlight]:
        """The best few of some of the messages, each of another livestream and script where there are such."""
        found: list[Highlight] = []
        for entry in entries[:: max(1, len(entries) // EXAMINED)]:
            if entry.kind != "message" or entry.livestream is None or entry.platform in self.outside or memory.blocks(entry):
                continue
            place = self.config.livestreams.get(entry.livestream)
            if place is None or not 4 <= len(entry.text) <= 180:
                continue
            topics = self.topics(entry)
            if (worth := score(entry.text, len(topics))) > 0:
                script = script_of(entry.text)
                found.append(
                    Highlight(
                        entry.id, entry.text, entry.livestream, entry.platform, place.country or "ZZ", entry.at, position,
                        language=language_of(script, entry.language, place.language), name=entry.author_name or "",
                        author=entry.author or "", topics=list(topics), score=worth, script=script,
                    )
                )  # fmt: skip
        found.sort(key=lambda one: (-one.score, one.id))
        chosen = found[:1]
        for one in found[1:]:
            if len(chosen) < OFFERED and all(one.livestream != other.livestream and one.text != other.text for other in chosen):
                chosen.append(one)
        return chosen


CellKey = tuple[str, str, str | None, str, str, tuple[str, ...]]
"""(slot text of the event, of its receipt, livestream, platform, form, topics)."""


class _Cell:
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


class _Work:
    """The accumulators of one batch."""

    def __init__(self, deriver: Deriver, memory: Memory, originals: Originals) -> None:
        self.deriver = deriver
        self.memory = memory
        self.originals = originals
        self.counts: dict[Key, int] = {}
        self.negated: list[tuple[Deriver, Key, int]] = []
        """Counts to be taken back, with the config of their time."""
        self.guesses: dict[tuple[tuple[str, ...], str], int] = {}
        """(containers, guessed country) → messages."""
        self.cells: dict[CellKey, _Cell] = {}
        self.fresh: dict[AuthorKey, list[str]] = {}
        self.levels: list[Any] = []
        self.samples: list[ViewerSample] = []
        self.places: list[Any] = []
        self.marks: list[str] = []
        self.removed: list[str] = []
        self.highlights: list[Highlight] = []
        self.tags: dict[int, dict[tuple[str, str], int]] = {}
        """Minute → (hashtag as spelt, country) → messages."""
        self.untagged: dict[int, dict[tuple[str, str], int]] = {}
        """The same of retracted messages."""
        self.taggers: dict[tuple[str, str], set[str]] = {}
        """(hashtag's key, window) → who used it."""
        self.earlier: dict[str, Entry] = {}
        self.track = False
        """Whether the batch holds retractions, so that its own earlier entries must be findable."""

    def countable(self, moment: tuple[int, bool, bool], entry: Entry) -> bool:
        """Everything but messages and retractions."""
        kind = entry.kind
        plain = COUNTED.get(kind)
        if plain is not None:
            self.add(moment, entry, plain, entry.count)
            if entry.author is not None and kind != "join":
                self.author(moment[0], entry)
            if kind == "gift" and entry.amount_minor and entry.currency:
                self.add(moment, entry, f"gift_value.{entry.currency}.{entry.exponent}", entry.amount_minor)
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

    def add(self, moment: tuple[int, bool, bool], entry: Entry, kind: str, units: int, topics: tuple[str, ...] = ()) -> None:
        key = (moment, entry.livestream, entry.platform, kind, topics)
        self.counts[key] = self.counts.get(key, 0) + units

    def guess(self, moment: tuple[int, bool, bool], entry: Entry) -> None:
        country = guess_country(entry.text, entry.language)
        if country is not None:
            where = (self.deriver.containers(moment[0], None), country)
            self.guesses[where] = self.guesses.get(where, 0) + 1

    def tag(self, entry: Entry) -> None:
        if entry.platform in self.deriver.outside:
            return
        found = hashtags(entry.text)
        slot = self.count_tags(self.tags, found, entry, self.deriver)
        if entry.author is not None:
            for tag in found:
                self.taggers.setdefault((tag_key(tag), tag_window(slot)), set()).add(entry.author)

    @staticmethod
    def count_tags(tags: dict[int, dict[tuple[str, str], int]], found: Iterable[str], entry: Entry, deriver: Deriver) -> int:
        slot = deriver.moment(entry.at, entry.received_at)[0]
        country = deriver.country(entry.livestream) or "ZZ"
        for tag in found:
            some = tags.setdefault(slot // 60 * 60, {})
            some[tag, country] = some.get((tag, country), 0) + 1
        return slot

    def open(self, key: CellKey) -> _Cell:
        at, received_at, livestream, platform, _, topics = key
        slot = self.deriver.moment(at, received_at)[0]
        known, fresh = self.audience((livestream, platform, topics, self.deriver.windows(slot, livestream)))
        cell = self.cells[key] = _Cell(known, fresh, is_placeless=self.deriver.is_placeless(livestream, platform))
        return cell

    def audience(self, key: AuthorKey) -> tuple[set[str], list[str]]:
        """(authors told before, authors to tell now). HyperLogLogs do not mind repeats, the wire does."""
        memory = self.memory
        known = memory.authors.get(key)
        if known is None:
            known = memory.authors[key] = set()
        return known, self.fresh.setdefault(key, [])

    def author(self, slot: int, entry: Entry) -> None:
        author = entry.author
        known, fresh = self.audience((entry.livestream, entry.platform, (), self.deriver.windows(slot, entry.livestream)))
        if author is not None and author not in known:
            known.add(author)
            fresh.append(author)

    def authors(self) -> dict[tuple[str, str], list[str]]:
        """Everybody new, for each dimension and window that they are new to."""
        found: dict[tuple[str, str], list[str]] = {}
        for (livestream, platform, topics, (day, sessions)), names in self.fresh.items():
            if names:
                self.memory.remembered += len(names)
                for head in self.deriver.author_heads(livestream, platform, topics):
                    found.setdefault((head, f"day:{day}"), []).extend(names)
                for session in sessions:
                    found.setdefault(("total", f"session:{session}"), []).extend(names)
        kept = {tag_key(tag) for tag in self.frequent_tags()}
        for (tag, window), taggers in self.taggers.items():
            if tag in kept:
                found[f"tag:{tag}", window] = list(taggers)
        if self.memory.remembered > MOST_REMEMBERED:
            self.memory.authors.clear()
            self.memory.remembered = 0
        return found

    def level(self, moment: tuple[int, bool, bool], entry: Entry) -> None:
        heads = self.deriver.heads(entry.livestream, entry.platform, ())
        containers = self.deriver.containers(moment[0], entry.livestream)
        self.levels.append([level_key(entry), entry.value, containers, heads, entry.what, moment[0]])

    def sample(self, moment: tuple[int, bool, bool], entry: Entry) -> None:
        if entry.livestream is None:
            return
        at_ms = milliseconds(entry.at)
        believed = max(180.0, 2.5 * (entry.interval_seconds or 0))
        country = self.deriver.country(entry.livestream) or "ZZ"
        self.samples.append(
            ViewerSample(entry.livestream, entry.viewers, at_ms, at_ms + int(believed * 1000), country, entry.platform)
        )
        self.places.append(
            [self.deriver.containers(moment[0], entry.livestream), self.deriver.heads(entry.livestream, entry.platform, ())]
        )

    # retractions

    def retract(self, moment: tuple[int, bool, bool], entry: Entry) -> None:
        if entry.target is not None:
            if entry.target in self.memory.removed:
                return
            self.mark(entry.target)
            if entry.target in self.earlier:
                self.negate(moment, self.earlier[entry.target], self.deriver)
            elif entry.target in self.originals.by_id:
                self.negate(moment, *self.originals.by_id[entry.target])
            else:
                self.removed.append(entry.target)  # too old to be counted back, but it may still stand on a wall
            return
        if entry.livestream is None or entry.from_ is None or entry.to is None:
            return  # nothing that could be found
        committed = list(self.originals.by_ban.get(entry.id, ()))
        mine = [(earlier, self.deriver) for earlier in self.earlier.values()]
        for original, deriver in committed + mine:
            if is_covered(entry, original) and original.id not in self.memory.removed:
                self.mark(original.id)
                self.negate(moment, original, deriver)
        ban = f"ban|{entry.livestream}|{entry.target_author or ''}|{entry.from_}|{entry.to}"
        self.mark(ban)
        self.removed.append(ban)

    def mark(self, member: str) -> None:
        self.memory.remember(member)
        self.marks.append(member)

    def negate(self, moment: tuple[int, bool, bool], original: Entry, deriver: Deriver) -> None:
        """Take back what the original counted for, in its own slot, with the config of its time."""
        for kind, units, topics in counted_as(original, deriver):
            key = (deriver.moment(original.at, original.received_at), original.livestream, original.platform, kind, topics)
            # Apart from the counts of this batch, because lateness is not taken back.
            self.negated.append((deriver, key, units))
        self.removed.append(original.id)
        self.add(moment, original, "removed", 1)
        if original.kind == "message" and original.platform not in deriver.outside:
            self.count_tags(self.untagged, hashtags(original.text), original, deriver)
        if original.kind == "message" and deriver.is_placeless(original.livestream, original.platform):
            country = guess_country(original.text, original.language)
            if country is not None:
                slot = deriver.moment(original.at, original.received_at)[0]
                where = (deriver.retracted_from(slot, None, self.deriver), country)
                self.guesses[where] = self.guesses.get(where, 0) - 1

    # the end

    def result(self, version: int, entries: Sequence[Entry], journal_ms: int | None) -> Batch:
        increments: dict[tuple[str, ...], dict[str, int]] = {}
        for (at, received_at, livestream, platform, form, topics), cell in self.cells.items():
            key: Key = (
                self.deriver.moment(at, received_at),
                livestream,
                platform,
                "posts" if form == "post" else "comments",
                topics,
            )
            self._spread(increments, self.deriver, key, cell.units)
        for key, units in self.counts.items():
            self._spread(increments, self.deriver, key, units)
        for deriver, key, units in self.negated:
            (slot, _, _), livestream, platform, kind, topics = key
            some = increments.setdefault(deriver.retracted_from(slot, livestream, self.deriver), {})
            for name in deriver.fields(livestream, platform, kind, topics):
                some[name] = some.get(name, 0) - units
        for (containers, country), units in self.guesses.items():
            some = increments.setdefault(containers, {})
            some[f"country:{country}|guessed"] = some.get(f"country:{country}|guessed", 0) + units
        groups = [Group(list(containers), some) for containers, some in increments.items() if some] + self.tag_groups()
        samples = at_samples(entries, journal_ms)
        change = Change(version, groups, self.samples, samples, self.removed, highlights=self.highlights)
        return Batch(change, [self.levels, self.places, self.marks], self.authors(), speakers(entries))

    def frequent_tags(self) -> set[str]:
        """The hashtags that are counted, most used first; the others of this batch are not."""
        sums: dict[str, int] = {}
        for some in self.tags.values():
            for (tag, _), units in some.items():
                sums[tag] = sums.get(tag, 0) + units
        return set(sorted(sums, key=lambda tag: (-sums[tag], tag))[:TAGS_AT_ONCE])

    def tag_groups(self) -> list[Group]:
        """Hashtags stand in minutes of their own, apart from the numbers: see docs/feed.md, trending."""
        kept = self.frequent_tags()
        minutes: dict[int, dict[str, int]] = {}
        for minute, some in self.tags.items():
            minutes[minute] = {f"tag:{tag}|{country}": units for (tag, country), units in some.items() if tag in kept}
        for minute, some in self.untagged.items():
            fields = minutes.setdefault(minute, {})
            for (tag, country), units in some.items():
                name = f"tag:{tag}|{country}"
                fields[name] = fields.get(name, 0) - units
        return [Group([f"tags:{minute}"], fields) for minute, fields in minutes.items() if fields]

    @staticmethod
    def _spread(increments: dict[tuple[str, ...], dict[str, int]], deriver: Deriver, key: Key, units: int) -> None:
        (slot, late, clamped), livestream, platform, kind, topics = key
        some = increments.setdefault(deriver.containers(slot, livestream), {})
        for name in deriver.fields(livestream, platform, kind, topics):
            some[name] = some.get(name, 0) + units
        # Lateness is a fact about deliveries: a retraction, which does not come through here, leaves it standing.
        if (late or clamped) and kind in LATENESS_OF:
            for flag in ("late",) * late + ("clamped",) * clamped:
                for name in deriver.fields(livestream, platform, flag, ()):
                    some[name] = some.get(name, 0) + units


LATENESS_OF = frozenset(("posts", "comments", "reactions", "shares", "follows", "gifts", "joins"))


def tag_window(at: int) -> str:
    """The window in which the authors of a hashtag are estimated."""
    return f"ten:{at // TAG_SECONDS * TAG_SECONDS}"


def counted_as(entry: Entry, deriver: Deriver) -> list[tuple[str, int, tuple[str, ...]]]:
    """(kind, units, topics) of everything that an entry counted for."""
    if entry.kind == "message":
        return [("posts" if entry.form == "post" else "comments", 1, deriver.topics(entry))]
    plain = COUNTED.get(entry.kind)
    if plain is None:
        return []
    counted: list[tuple[str, int, tuple[str, ...]]] = [(plain, entry.count, ())]
    if entry.kind == "gift" and entry.amount_minor and entry.currency:
        counted.append((f"gift_value.{entry.currency}.{entry.exponent}", entry.amount_minor, ()))
    return counted
