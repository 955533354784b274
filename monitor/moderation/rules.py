"""From journal entries to flags: which rule a message hits, and which flags a retraction takes back. Pure.

A flag's id is ``rule|event id``: the same message read again gives the same flags, so whoever reads them can tell a repeat.
What must be remembered for that (which messages were flagged, what was retracted) is in ``Memory`` and can be rebuilt from the flags.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from monitor.enrich.topics import Matcher
from monitor.entry import Entry, is_within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.config import KeywordRule
    from monitor.roster import Roster

LONGEST_TEXT: Final = 4000
"""Code points of a message that a flag carries."""
MOST_FLAGGED: Final = 100_000
"""Flagged messages that are remembered per partition: as many as its stream of flags holds."""
MOST_REMOVED: Final = 20_000
MOST_BANS: Final = 1000

_SAFE_URL: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,2000}")
"""Printable ASCII without quotes, angle brackets and the like: nothing that could end the link in somebody's mail or chat."""

_HOME: Final = {"twitch": "https://www.twitch.tv/{}", "bluesky": "https://bsky.app/profile/{}"}
"""Where a livestream is found whose roster line names no address."""


class Flag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="flag"):
    """A message and the rule that it hit, with all that a person needs to judge it."""

    id: str
    """``rule|event id``: the same however often it is made."""
    event: str
    rule: str
    severity: int
    """1 (note) to 4 (act now)."""
    span: tuple[int, int]
    """Begin and end of the first hit in ``text``, in code points."""
    platform: str
    livestream: str | None = None
    country: str | None = None
    """Of the livestream, as the roster says; None when it does not."""
    at: str
    received_at: str
    author: str | None = None
    """Pseudonym."""
    author_name: str | None = None
    text: str
    """As it was written; whoever shows it must neutralise it."""
    url: str | None = None
    """Of the message, else of the livestream."""


class Retracted(msgspec.Struct, frozen=True, tag_field="kind", tag="retracted"):
    """A flagged message is gone: its flags are withdrawn."""

    retracted: str
    """Event id of the message."""
    at: str
    """When it was taken back, by the platform's clock."""


Record = Flag | Retracted
"""What stands in ``{pNN}:flags``."""

_encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode


def encode_record(record: Record) -> bytes:
    return _encode(record)


class Said(Entry, gc=False):
    """A journal entry as moderation reads it."""

    author_name: str | None = None
    url: str | None = None


decode_said = msgspec.json.Decoder(Said).decode


# --- the rules --------------------------------------------------------------------------------------------------------


class Rulebook:
    """The keyword bank and the roster, made ready; holds only caches."""

    def __init__(self, rules: Iterable[KeywordRule], roster: Roster) -> None:
        self.rules = tuple(rules)
        self._matcher = Matcher((), self.rules)
        self._channels = roster.by_id()

    def flags(self, said: Said) -> list[Flag]:
        """At most one flag per rule, the gravest first."""
        if not self.rules or said.kind != "message":
            return []
        found = self._matcher.match(said.text).flags
        if not found:
            return []
        channel = self._channels.get(said.livestream) if said.livestream else None
        country = channel.country if channel else None
        url = self._url(said)
        flags: list[Flag] = []
        for hit in found:
            text, span = excerpt(said.text, hit.span)
            flags.append(
                Flag(
                    id=f"{hit.rule}|{said.id}",
                    event=said.id,
                    rule=hit.rule,
                    severity=hit.severity,
                    span=span,
                    platform=said.platform,
                    livestream=said.livestream,
                    country=country,
                    at=said.at,
                    received_at=said.received_at,
                    author=said.author,
                    author_name=said.author_name,
                    text=text,
                    url=url,
                )
            )
        return flags

    def _url(self, said: Said) -> str | None:
        """The first address of message and livestream that is surely a plain link."""
        channel = self._channels.get(said.livestream) if said.livestream else None
        handle = channel.handle if channel else (said.livestream or "").partition(":")[2]
        home = _HOME[said.platform].format(handle) if handle and said.platform in _HOME else None
        known = (said.url, channel.live_url if channel else None, home)
        return next((url for url in known if url and _SAFE_URL.fullmatch(url)), None)


def excerpt(text: str, span: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """The text, cut to LONGEST_TEXT code points around the hit, and where the hit is in it."""
    if len(text) <= LONGEST_TEXT:
        return text, span
    begin = 0 if span[1] <= LONGEST_TEXT else max(0, min(span[0], span[1] - LONGEST_TEXT // 2))
    end = min(span[1] - begin, LONGEST_TEXT)
    return text[begin : begin + LONGEST_TEXT], (span[0] - begin, end)


# --- what a partition remembers ---------------------------------------------------------------------------------------


class Spoken(NamedTuple):
    """A flagged message, as far as a later ban needs it."""

    livestream: str | None
    author: str | None
    at: str


@dataclass(slots=True)
class Memory:
    """Drop it when a publish fails, and rebuild it with ``take`` from the flags that are stored."""

    flagged: dict[str, Spoken] = field(default_factory=dict)
    """Event id → message, oldest first."""
    removed: dict[str, None] = field(default_factory=dict)
    """Retracted event ids; a copy that comes later is not flagged."""
    bans: deque[Said] = field(default_factory=lambda: deque(maxlen=MOST_BANS))

    def take(self, record: Record) -> None:
        if isinstance(record, Flag):
            self.flag(record.event, Spoken(record.livestream, record.author, record.at))
        else:
            self.remove(record.retracted)

    def flag(self, event: str, spoken: Spoken) -> None:
        self.flagged[event] = spoken
        if len(self.flagged) > MOST_FLAGGED:
            del self.flagged[next(iter(self.flagged))]

    def remove(self, event: str) -> bool:
        """Whether the message had been flagged."""
        self.removed[event] = None
        if len(self.removed) > MOST_REMOVED:
            del self.removed[next(iter(self.removed))]
        return self.flagged.pop(event, None) is not None

    def blocks(self, said: Said) -> bool:
        """Whether nothing is to be said about this message: it was flagged before, or taken back before it came."""
        if said.id in self.flagged or said.id in self.removed:
            return True
        spoken = Spoken(said.livestream, said.author, said.at)
        return any(_is_banned(spoken, ban) for ban in self.bans)


def examine(entries: Iterable[Said], book: Rulebook, memory: Memory) -> list[Record]:
    """The records of these entries, in order. Changes ``memory``."""
    records: list[Record] = []
    for said in entries:
        if said.kind == "message":
            flags = book.flags(said)
            if flags and not memory.blocks(said):
                records.extend(flags)
                memory.flag(said.id, Spoken(said.livestream, said.author, said.at))
        elif said.kind == "removed":
            records.extend(Retracted(event, said.at) for event in _taken_back(said, memory))
    return records


def _taken_back(removal: Said, memory: Memory) -> list[str]:
    """The flagged messages that a retraction covers; the retraction is remembered."""
    if removal.target is not None:
        return [removal.target] if memory.remove(removal.target) else []
    if removal.livestream is None:
        return []  # of an author everywhere: the platform names each message as well, and partitions know only their livestreams
    covered = [event for event, spoken in memory.flagged.items() if _is_banned(spoken, removal)]
    memory.bans.append(removal)
    for event in covered:
        memory.remove(event)
    return covered


def _is_banned(spoken: Spoken, ban: Said) -> bool:
    """Whether a retraction by author or of a whole chat covers this message; the same rule as counting's."""
    return (
        spoken.livestream == ban.livestream
        and (ban.target_author is None or spoken.author == ban.target_author)
        and is_within(spoken.at, ban.from_ or spoken.at, ban.to or spoken.at)
    )
