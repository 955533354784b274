"""What state each livestream of this collector is in, since when and why; and the rows in which the wall reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from monitor.roster import Channel, Roster


class State(TypedDict):
    """As the connector's ``Health`` names it."""

    state: str
    reason: str
    since: datetime


class States(Mapping[str, State]):
    """By livestream; what changed is known until it was written."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[str, State] = {}
        self._changed: set[str] = set()

    def __getitem__(self, livestream: str) -> State:
        return self._known[livestream]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def has_changed(self) -> bool:
        return bool(self._changed)

    def note(self, livestream: str, state: str, reason: str = "") -> None:
        """It is in this state now; ``since`` stays where only the reason is another."""
        known = self._known.get(livestream)
        if known is None or known["state"] != state or known["reason"] != reason:
            since = self._now() if known is None or known["state"] != state else known["since"]
            self._known[livestream] = {"state": state, "reason": reason, "since": since}
            self._changed.add(livestream)

    def note_all(self, livestreams: Iterable[str], state: str, reason: str = "") -> None:
        for livestream in livestreams:
            self.note(livestream, state, reason)

    def drop(self, livestream: str) -> None:
        """It is not ours any more, and what it is in is its new owner's to say."""
        self._known.pop(livestream, None)
        self._changed.discard(livestream)

    def write_again(self) -> None:
        """All of them, changed or not."""
        self._changed.update(self._known)

    def take_changed(self, roster: Roster, now: datetime) -> dict[str, bytes]:
        """Rows to write, by livestream; what changes while they are being written is in the next ones."""
        names, self._changed = self._changed, set()
        channels = roster.by_id()
        return {name: _row(name, self._known[name], channels.get(name), now) for name in names}

    def not_written(self, names: Iterable[str]) -> None:
        """They are in the next ones again, as far as they are still ours."""
        self._changed.update(self._known.keys() & names)


def _row(name: str, state: State, channel: Channel | None, now: datetime) -> bytes:
    row = {**state, "at": now}
    if channel is None:
        row |= {"platform": name.partition(":")[0], "handle": name.partition(":")[2], "hashtag": True}
    else:
        row |= {"platform": channel.platform, "handle": channel.handle, "attendee": channel.attendee}
        if channel.country:
            row["country"] = channel.country
    return orjson.dumps(row)
