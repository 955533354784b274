"""Live addresses in what people of the roster post: what they announce there is looked at before its turn. Pure.

A post with the address of a live broadcast of one's own becomes a ``Hint``, as if the platform had told it: discovery asks the platform,
which has the last word, so a link to somebody else's video makes nobody live. Nobody can empty a quota by posting: the same address is
told once in ten minutes, and of one channel at most one address a minute.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connectors.connector import Hint
from connectors.event import Message
from monitor.links import LINK, broadcast_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from connectors.event import Event
    from monitor.channels import Row
    from monitor.links import Live
    from monitor.roster import Channel, Roster

ONCE: Final = timedelta(minutes=10)
A_CHANNEL: Final = timedelta(minutes=1)
MOST_LINKS: Final = 5
MOST_REMEMBERED: Final = 10_000


class Posted:
    """What was told lately, and whose channels are whose."""

    def __init__(self) -> None:
        self._roster: Roster | None = None
        self._of: dict[str, list[Channel]] = {}
        """Livestream → all channels of the same person."""
        self._told: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def hints(
        self, events: Iterable[Event], roster: Roster, rows: Mapping[str, Row], now: datetime, *, require_consent: bool
    ) -> list[tuple[str, Hint]]:
        """(platform, hint) of what is announced in these events."""
        if roster is not self._roster:
            self._roster, self._of = roster, _people(roster.watchable(require_consent))
        found = []
        for event in events:
            mine = self._of.get(event.livestream or "")
            if mine is None or not isinstance(event, Message) or event.form != "post":
                continue
            for live in _addresses(event):
                channel = _whose(live, [one for one in mine if one.platform == live.platform])
                row = rows.get(channel.id) if channel is not None else None
                native = (row.native_id if row is not None else None) or (channel.native_id if channel is not None else None)
                if channel is None or native is None or not self._is_new(channel.id, live, now):
                    continue
                what = "began" if live.broadcast is None else "look"
                found.append((live.platform, Hint(what=what, native_id=native, at=now, broadcast=live.broadcast)))  # type: ignore[arg-type]
        return found

    def _is_new(self, livestream: str, live: Live, now: datetime) -> bool:
        keys = ((livestream, ""), (livestream, live.broadcast or live.url))
        if any(now - self._told[key] < wait for key, wait in zip(keys, (A_CHANNEL, ONCE), strict=True) if key in self._told):
            return False
        for key in keys:
            self._told.pop(key, None)
            self._told[key] = now
        while len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        return True


def _people(channels: Iterable[Channel]) -> dict[str, list[Channel]]:
    by_person: dict[str, list[Channel]] = {}
    for channel in channels:
        by_person.setdefault(channel.attendee.casefold() or channel.id, []).append(channel)
    return {channel.id: mine for mine in by_person.values() if len(mine) > 1 for channel in mine}


def _addresses(message: Message) -> Iterator[Live]:
    """What is linked stands before what is written: a text shows long addresses cut off."""
    for address in [*message.links, *LINK.findall(message.text)][:MOST_LINKS]:
        live = broadcast_link(address)
        if live is not None:
            yield live


def _whose(live: Live, mine: list[Channel]) -> Channel | None:
    """An address that names a channel must name one of these; one that does not can only be meant where there is one."""
    if live.handle is not None:
        return next((one for one in mine if live.handle in (one.handle, (one.native_id or "").casefold())), None)
    return mine[0] if len(mine) == 1 and live.broadcast is not None else None
