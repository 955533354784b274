"""What is told to whom and when: flags become notices, few enough for any chat, none forgotten. Pure; the clock is handed in.

One ``Outbox`` per alert. A notice goes out at most every two seconds per severity and every second in all, lists up to ten flags and
says how many more there are; flags of severity 4 are all listed, over as many notices as it takes. What was read counts as settled only
when everything in it was delivered or withdrawn: only then may the stored cursor pass it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from monitor.enrich.normalise import display
from monitor.entry import milliseconds
from monitor.moderation.rules import Flag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import tzinfo

    from monitor.moderation.rules import Record

GROUP_SECONDS: Final = 2.0
"""Between two notices of one severity."""
GAP_SECONDS: Final = 1.0
"""Between any two notices: Slack and others take about one message a second."""
LISTED: Final = 10
GRAVEST: Final = 4
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds after the first failure, and at most."""
AROUND: Final = 40
"""Code points of the message on each side of the hit in a snippet."""

WORDS: Final = {1: "note", 2: "check", 3: "urgent", 4: "act now"}
REHEARSAL: Final = "Rehearsal: "
NOT_REAL: Final = "Rehearsal: none of this is real · 演练：以下内容均非真实"


class Notice(NamedTuple):
    """One message to people."""

    severity: int
    flags: tuple[Flag, ...]
    """All that it settles; the first ten are listed."""
    following: int
    """Flags of this severity that later notices list."""

    @property
    def listed(self) -> tuple[Flag, ...]:
        return self.flags[:LISTED]

    @property
    def more(self) -> int:
        return max(0, len(self.flags) - LISTED)


@dataclass(slots=True)
class _Read:
    """Records that were read together."""

    position: tuple[str, str]
    waiting: set[str]
    """Ids of its flags that are not settled yet."""


@dataclass(slots=True)
class Outbox:
    """What one alert has yet to say. Times are seconds of any steady clock."""

    severity: int
    """Lowest that is sent."""
    since_ms: int = 0
    """Flags received before this are not told: an alert that is new starts now, not with what happened yesterday."""
    failures: int = 0
    """In a row."""
    _pending: dict[int, dict[str, Flag]] = field(default_factory=dict)
    """Severity → flag id → flag, oldest first."""
    _reads: dict[int, deque[_Read]] = field(default_factory=dict)
    _last: dict[int, float] = field(default_factory=dict)
    """When a notice of this severity went out."""
    _not_before: float = 0.0
    _flying: bool = False

    # in

    def take(self, partition: int, position: tuple[str, str], records: Iterable[Record], done: Collection[str] = ()) -> list[str]:
        """Records of one read, in order; ``done`` were told already. Returns the ids of flags that were withdrawn before they were told."""
        waiting: set[str] = set()
        withdrawn: list[str] = []
        for record in records:
            if not isinstance(record, Flag):
                withdrawn += self._withdraw(record.retracted, waiting)
            elif record.severity >= self.severity and record.id not in done and milliseconds(record.received_at) >= self.since_ms:
                self._pending.setdefault(record.severity, {}).setdefault(record.id, record)
                waiting.add(record.id)
        self._reads.setdefault(partition, deque()).append(_Read(position, waiting))
        return withdrawn

    def _withdraw(self, event: str, waiting: set[str]) -> list[str]:
        gone = [flag.id for flags in self._pending.values() for flag in flags.values() if flag.event == event]
        self._settle(gone)
        waiting.difference_update(gone)
        return gone

    @property
    def waiting(self) -> int:
        return sum(len(flags) for flags in self._pending.values())

    # out

    def due(self, now: float) -> Notice | None:
        """The notice to send now; answer with ``delivered`` or ``failed`` before asking again."""
        if self._flying or now < self._not_before:
            return None
        ready = [s for s, flags in self._pending.items() if flags and now - self._last.get(s, -GROUP_SECONDS) >= GROUP_SECONDS]
        if not ready:
            return None
        # The gravest first, but at every second turn only, so that a flood of it does not silence the others.
        severity = min(ready, key=lambda s: (s != GRAVEST, self._last.get(s, float("-inf")), -s))
        flags = tuple(self._pending[severity].values())
        told = flags[:LISTED] if severity == GRAVEST else flags
        self._flying = True
        self._last[severity] = now
        self._not_before = now + GAP_SECONDS
        return Notice(severity, told, len(flags) - len(told))

    def free(self, now: float) -> bool:
        """Whether something else may be sent now; if so, what follows keeps its distance."""
        if self._flying or now < self._not_before:
            return False
        self._not_before = now + GAP_SECONDS
        return True

    def delivered(self, notice: Notice) -> list[str]:
        """Returns the ids that are told now."""
        self._flying = False
        self.failures = 0
        ids = [flag.id for flag in notice.flags]
        self._settle(ids)
        return ids

    def failed(self, now: float) -> float:
        """Everything stays; returns how many seconds nothing is tried."""
        self._flying = False
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self._not_before = max(self._not_before, now + wait)
        return wait

    def _settle(self, ids: Sequence[str]) -> None:
        for flags in self._pending.values():
            for flag_id in ids:
                flags.pop(flag_id, None)
        for reads in self._reads.values():
            for read in reads:
                read.waiting.difference_update(ids)

    # cursors

    def settled(self) -> dict[int, tuple[str, str]]:
        """Partition → position up to which everything was told or withdrawn, where that is new."""
        found: dict[int, tuple[str, str]] = {}
        for partition, reads in self._reads.items():
            while reads and not reads[0].waiting:
                found[partition] = reads.popleft().position
        return found

    def restart(self, partition: int) -> None:
        """The positions of this partition mean nothing any more; what waits to be told still does."""
        self._reads.pop(partition, None)

    def forget(self) -> None:
        """Everything is read again; the pace stays."""
        self._pending.clear()
        self._reads.clear()
        self._flying = False


# --- words ------------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """What a notice says about where it comes from."""

    event: str
    timezone: tzinfo
    wall: str
    rehearsal: bool = False
    """None of it is real, and whoever is called must see that first."""


_LOOKALIKES = str.maketrans("<>@&[]`*_~|\\", "＜＞＠＆［］｀＊＿～｜＼")


def plain(text: str) -> str:
    """A stranger's words for a place where we do not know what is markup: no tags, mentions, emphasis or links survive."""
    return display(text).translate(_LOOKALIKES).replace("://", "：//")


def quote(flag: Flag, mode: Literal["full", "snippet", "none"]) -> str:
    """As much of the message as may leave the house."""
    if mode == "none":
        return ""
    if mode == "full":
        return plain(flag.text)
    begin = max(0, flag.span[0] - AROUND)
    end = min(flag.span[1], flag.span[0] + 2 * AROUND) + AROUND
    shown = plain(flag.text[begin:end])
    return f"{'…' if begin else ''}{shown}{'…' if end < len(flag.text) else ''}"


def title(notice: Notice, place: Place) -> str:
    number = len(notice.flags)
    flags = f"{number} {'flag' if number == 1 else 'flags'} of severity {notice.severity} ({WORDS[notice.severity]})"
    return f"{REHEARSAL if place.rehearsal else ''}{place.event}: {flags}"


def body(notice: Notice, mode: Literal["full", "snippet", "none"], place: Place) -> str:
    """One paragraph per flag, then how many more, then where to look."""
    paragraphs = [_paragraph(flag, mode, place) for flag in notice.listed]
    if notice.more:
        paragraphs.append(f"and {notice.more} more of severity {notice.severity}")
    if notice.following:
        paragraphs.append(f"{notice.following} more follow")
    first = [NOT_REAL] if place.rehearsal else []
    return "\n\n".join([*first, *paragraphs, f"Wall: {place.wall}"])


def _paragraph(flag: Flag, mode: Literal["full", "snippet", "none"], place: Place) -> str:
    at = datetime.fromisoformat(flag.at).astimezone(place.timezone).strftime("%H:%M:%S")
    handle = flag.livestream.partition(":")[2] if flag.livestream else "a post outside the list"
    facts = (f"{flag.rule}, severity {flag.severity}", flag.platform, flag.country or "country unknown", handle, at)
    words = quote(flag, mode)
    lines = [" · ".join(facts), f"“{words}”" if words else "", flag.url or ""]
    return "\n".join(line for line in lines if line)
