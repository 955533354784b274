"""What to say on one chat socket and what to make of what it says: no clock, no network, no tasks.

A session promises: every message of a channel between its JOIN and the end of the socket is yielded, and a channel that was
covered before and is joined again yields a ``Gap`` from there to the moment the join is confirmed. Twitch has no resume, so that
Gap is all there is; therefore every doubt makes it longer, never shorter:

* covered starts ``MARGIN`` before the JOIN was *sent*: messages may have come and been lost before its confirmation was read, and
  a busy channel's messages are held back by the server for some seconds;
* a quiet channel is covered by what other channels of the same socket say, less ``MARGIN``, because the server promises no order
  between channels;
* a Gap is ``SLACK`` longer at both ends, because stamps are made by the servers' clocks, not ours, and not in perfect order.

``mono`` is a monotonic clock in seconds and sets the pace; ``wall`` is the time that events carry.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from connectors.connector import Dropped, Health, Mark, Refused, Unreadable
from connectors.event import Gap
from connectors.twitch.parse import Context, Line, parse_parts, parse_tags, split_channel, split_line, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from connectors.connector import ConnectorFailure, Target
    from connectors.event import Event
    from connectors.twitch import Options

MARGIN = timedelta(seconds=5)
SLACK = timedelta(seconds=1)
BURST = 1_000
"""After so many events a mark is due before its time."""
JOIN_WINDOW_SECONDS = 10.5
"""The server's ten seconds and a margin: its clock is not ours, and an event loop's clock may stand still for a moment."""
LINE_CHARACTERS = 480
"""IRC allows 512 bytes a line, its ending included; logins are ASCII."""

CHANNEL_NOTICES = {
    "msg_channel_suspended": ("refused", "Twitch has suspended this channel"),
    "msg_banned": ("refused", "we are banned from this channel"),
    "msg_room_not_found": ("refused", "Twitch has no channel of this name; check the handle in the roster"),
    "tos_ban": ("refused", "Twitch has closed this channel"),
    "msg_concurrent_channel_limit_reached": (
        "throttled",
        "Twitch allows this connection no more channels; lower twitch.capacity",
    ),
}
LOGIN_NOTICES = ("login authentication failed", "login unsuccessful", "improperly formatted auth", "invalid nick")
CHANNEL_ERRORS = frozenset({"403", "405", "471", "473", "474", "475", "476", "477"})
"""Numerics by which an ordinary IRC server refuses a channel."""


@dataclass(slots=True)
class Room:
    """One channel that is watched; it outlives the sockets that carry it."""

    login: str
    livestream: str
    covered: datetime | None
    """Everything up to here has been yielded or lies inside a yielded Gap; None before the first join ever."""
    marked: datetime | None = None
    """The last covered that was said in a Mark."""
    carriers: int = 0
    """Sockets that have joined it; two while one hands it over to the next."""
    state: str = ""

    def become(self, state: str, reason: str = "") -> list[Health]:
        """The change of state, if it is one."""
        if state == self.state:
            return []
        self.state = state
        return [Health(livestream=self.livestream, state=state, reason=reason)]


class Rooms:
    """The channels to watch, by login; shared by the sockets of one connector."""

    def __init__(self) -> None:
        self.by_login: dict[str, Room] = {}
        self.livestreams: dict[str, str] = {}
        self.logins: dict[str | None, str] = {}

    def update(self, targets: Iterable[Target]) -> list[Health]:
        """Take over new targets and forget those no longer named; what is known about the others stays."""
        items: list[Health] = []
        before = self.by_login
        self.by_login = {}
        for target in targets:
            login = target.handle.lstrip("@#").lower()
            room = before.get(login)
            if room is None or room.livestream != target.livestream:
                room = Room(login, target.livestream, target.resume.covered_until)
                items += room.become("connecting")
            self.by_login[login] = room
        self.livestreams = {login: room.livestream for login, room in self.by_login.items()}
        self.logins = {livestream: login for login, livestream in self.livestreams.items()}
        return items


@dataclass(slots=True)
class Session:
    """One socket, from its login to its end."""

    options: Options
    nick: str
    rooms: Rooms
    pseudonym: Callable[[str, str], str]
    opened: float
    out: list[str] = field(default_factory=list)
    """Lines to send, in order; whoever sends them empties it."""
    joined: dict[str, Room] = field(default_factory=dict)
    wake: float = 0.0
    """When ``tick`` wants to be called again."""
    reconnect: bool = False
    """The server asked us to move to another socket."""
    failure: ConnectorFailure | None = None
    """Why the socket is of no more use; what was yielded before it still holds."""

    _registered: bool = False
    _plain: bool = False  # an ordinary IRC server: it knows neither Twitch's capabilities nor ROOMSTATE
    _pending: dict[str, float] = field(default_factory=dict)  # JOIN sent: when to give up waiting
    _asked: dict[str, datetime] = field(default_factory=dict)  # when the last JOIN was sent; kept, for a late confirmation
    _retry: dict[str, float] = field(default_factory=dict)  # refused: when to ask again
    _answered: deque[float] = field(default_factory=deque)  # when JOINs were answered: see _free
    _heard: float = field(init=False)
    _pinged: tuple[float, datetime] | None = None
    _newest: datetime | None = None  # the newest of the server's stamps that has been read
    _ahead: timedelta = timedelta()  # how far the server's clock was seen to be ahead of ours
    _mark_at: float = 0.0
    _since_mark: int = 0

    def __post_init__(self) -> None:
        self._heard = self.opened
        self.out += ["CAP REQ :twitch.tv/tags twitch.tv/commands", f"NICK {self.nick}"]
        self.wake = self.opened + self.options.login_timeout_seconds

    @property
    def settled(self) -> bool:
        """Every channel is joined, or known to be refused."""
        return self._registered and all(login in self.joined or login in self._retry for login in self.rooms.by_login)

    def close(self) -> None:
        """The socket is gone: it carries nothing any more."""
        for login in list(self.joined):
            self._leave(login)

    # --- what the server says -----------------------------------------------------------------------------------------

    def receive(self, frame: bytes, mono: float, wall: datetime) -> list[Event | Health | Mark]:
        """One websocket frame, which holds one line or several."""
        self._heard = mono
        context = Context(wall, self.pseudonym, self.rooms.livestreams)
        items: list[Event | Health | Mark] = []
        for text in frame.decode("utf-8", "replace").split("\n"):
            if text := text.rstrip("\r"):
                items += self._receive_line(text, context, mono)
        self._since_mark += len(items)
        if self._since_mark >= BURST:
            self.wake = mono
        return items

    def _receive_line(self, text: str, context: Context, mono: float) -> list[Event | Health | Mark]:
        try:
            line = split_line(text)
            events = parse_parts(line, context)
            if not events:
                return self._listen(line, mono, context.received_at)
        except Unreadable as error:
            events = [unreadable(error, text, context)]
        for event in events:
            self._stamped(event)
        return [*events]

    def _stamped(self, event: Event) -> None:
        """The server's time on an event moves what is covered; without one, ``at`` is our own time and proves nothing."""
        at = event.at
        if at == event.received_at:
            return
        if at > event.received_at:
            # A wrong clock must not push the cover into the future, where no Gap would ever begin.
            self._ahead = min(max(self._ahead, at - event.received_at), MARGIN)
            at = event.received_at
        if self._newest is None or at > self._newest:
            self._newest = at
        room = self.joined.get(self.rooms.logins.get(event.livestream, ""))
        if room is not None and (room.covered is None or at > room.covered):
            room.covered = at

    def _listen(self, line: Line, mono: float, wall: datetime) -> list[Event | Health | Mark]:
        """Lines that are about the connection."""
        match line.command:
            case "ROOMSTATE":
                return self._confirmed(split_channel(line.params)[0], mono, wall)
            case "JOIN" if self._plain and line.prefix.partition("!")[0] == self.nick:
                return self._confirmed(line.params.lstrip(":#").lower(), mono, wall)
            case "PART" if line.prefix.partition("!")[0] == self.nick:
                self._leave(split_channel(line.params)[0])
                self.wake = mono
            case "PING":
                self.out.append(f"PONG {line.params}")
            case "PONG" if self._pinged:
                # All that was sent before our PING was answered has been read by now.
                self._newest = max(self._newest or self._pinged[1], self._pinged[1])
                self._pinged = None
            case "001":
                self._registered = True
                self.wake = mono
            case "CAP" if " NAK " in line.params:
                self._plain = True
                self.out += ["CAP REQ :message-tags server-time", f"USER {self.nick} 0 * :{self.nick}", "CAP END"]
            case "433":
                self.failure = Dropped("the server knows our nick already; the next attempt takes another")
            case "RECONNECT":
                self.reconnect = True
            case "NOTICE":
                return self._notice(line, mono)
            case command if command in CHANNEL_ERRORS:
                login = line.params.partition("#")[2].partition(" ")[0].lower()
                return self._refused(login, mono, "refused", "the server refuses this channel")
            case _:
                pass
        return []

    def _notice(self, line: Line, mono: float) -> list[Event | Health | Mark]:
        if not line.params.startswith("#"):
            words = line.params.lower()
            if any(refusal in words for refusal in LOGIN_NOTICES):
                self.failure = Refused("Twitch refuses the login; check the options of twitch in the configuration")
            return []
        state, reason = CHANNEL_NOTICES.get(parse_tags(line.tags).get("msg-id", ""), ("", ""))
        return self._refused(split_channel(line.params)[0], mono, state, reason) if state else []

    def _confirmed(self, login: str, mono: float, wall: datetime) -> list[Event | Health | Mark]:
        """We are in. ROOMSTATE comes again when a room's rules change; then there is nothing to do."""
        room = self.rooms.by_login.get(login)
        if room is None or login in self.joined:
            return []
        items: list[Event | Health | Mark] = []
        if room.covered is not None and not room.carriers:
            items.append(_gap(room, room.covered - SLACK, wall + max(SLACK, self._ahead), wall))
        asked = self._asked.pop(login, wall) - MARGIN
        self._answer(login, mono)
        self._retry.pop(login, None)
        self.joined[login] = room
        room.carriers += 1
        room.covered = asked if room.covered is None else max(room.covered, asked)
        room.marked = room.covered
        items.append(Mark(livestreams=(room.livestream,), covered_until=room.covered))
        return [*items, *room.become("live")]

    def _refused(self, login: str, mono: float, state: str, reason: str) -> list[Event | Health | Mark]:
        room = self.rooms.by_login.get(login)
        if room is None:
            return []
        self._leave(login)
        self._answer(login, mono)
        self._retry[login] = mono + self.options.retry_refused_seconds
        return [*room.become(state, reason)]

    def _answer(self, login: str, mono: float) -> None:
        """A JOIN was answered, or is not waited for any more."""
        if self._pending.pop(login, None) is not None:
            self._answered.append(mono)

    def _free(self, mono: float) -> int:
        """How many channels may be joined now.

        The server counts JOINs when it reads them, which is some time between our sending and its answer. So one counts until ten
        seconds after its *answer*: then no window of the server's holds more than the quota, however slow the way or either side is.
        """
        while self._answered and self._answered[0] + JOIN_WINDOW_SECONDS <= mono:
            self._answered.popleft()
        return self.options.joins_per_10_seconds - len(self._pending) - len(self._answered)

    def _leave(self, login: str) -> None:
        if room := self.joined.pop(login, None):
            room.carriers -= 1

    # --- what is due --------------------------------------------------------------------------------------------------

    def tick(self, mono: float, wall: datetime, *, drained: bool) -> list[Event | Health | Mark]:
        """Do what is due; ``drained`` says that nothing received still waits, for only then does silence mean anything."""
        items = self._forget(mono)
        if self._registered:
            self._join(mono, wall)
        if drained:
            items += self._overdue(mono, wall)
        if mono >= self._mark_at or self._since_mark >= BURST:
            items += self.marks()
            self._mark_at = mono + self.options.mark_every_seconds
            self._since_mark = 0
        self.wake = max(self._next(mono), mono + 0.01)
        return items

    def _forget(self, mono: float) -> list[Event | Health | Mark]:
        """Leave the channels that are no longer ours, and say up to where they were covered."""
        items: list[Event | Health | Mark] = []
        wanted = self.rooms.by_login
        for login in [login for login, room in self.joined.items() if wanted.get(login) is not room]:
            room = self.joined[login]
            self._leave(login)
            self.out.append(f"PART #{login}")
            items.append(Mark(livestreams=(room.livestream,), covered_until=room.covered))
        for login in [login for login in self._pending if login not in wanted]:
            self._answer(login, mono)
            self.out.append(f"PART #{login}")
        for kept in (self._asked, self._retry):
            for login in [login for login in kept if login not in wanted]:
                del kept[login]
        return items

    def _join(self, mono: float, wall: datetime) -> None:
        due = [login for login in self._missing() if self._retry.get(login, 0.0) <= mono]
        due = due[: max(0, self._free(mono))]
        if not due:
            return
        line = ""
        for login in due:
            self._asked[login] = wall
            self._pending[login] = mono + self.options.join_timeout_seconds
            if line and len(line) + len(login) + 2 > LINE_CHARACTERS:
                self.out.append(line)
                line = ""
            line = f"{line},#{login}" if line else f"JOIN #{login}"
        self.out.append(line)

    def _missing(self) -> list[str]:
        return [login for login in self.rooms.by_login if login not in self.joined and login not in self._pending]

    def _overdue(self, mono: float, wall: datetime) -> list[Event | Health | Mark]:
        """Answers that did not come: to the login, to a JOIN, to our PING."""
        if not self._registered and mono >= self.opened + self.options.login_timeout_seconds:
            self.failure = Dropped("the server did not answer the login")
        items: list[Event | Health | Mark] = []
        for login in [login for login, until in self._pending.items() if until <= mono]:
            reason = "Twitch knows no such channel; check the handle in the roster"
            items += self._refused(login, mono, "refused", reason)
        if self._pinged is None:
            if self._registered and mono >= self._heard + self.options.ping_every_seconds:
                self._pinged = (mono, wall)
                self.out.append("PING :tmi.twitch.tv")
        elif mono >= self._pinged[0] + self.options.pong_within_seconds:
            if self._heard <= self._pinged[0]:
                self.failure = Dropped("the server fell silent")
            self._pinged = None
        return items

    def marks(self) -> list[Event | Health | Mark]:
        """How far the channels are covered, in whole seconds so that a few marks say it for all of them."""
        groups: dict[datetime, list[str]] = {}
        for room in self.joined.values():
            if self._newest is not None and room.covered is not None:
                room.covered = max(room.covered, self._newest - MARGIN)
            second = room.covered.replace(microsecond=0) if room.covered else None
            if second and (room.marked is None or second > room.marked):
                room.marked = second
                groups.setdefault(second, []).append(room.livestream)
        return [Mark(livestreams=tuple(group), covered_until=second) for second, group in sorted(groups.items())]

    def _next(self, mono: float) -> float:
        """When something will be due, if nothing is heard until then."""
        times = [self._mark_at, *self._pending.values()]
        if not self._registered:
            times.append(self.opened + self.options.login_timeout_seconds)
        elif self._pinged is None:
            times.append(self._heard + self.options.ping_every_seconds)
        else:
            times.append(self._pinged[0] + self.options.pong_within_seconds)
        if self._registered:
            # While the quota is used up, either an answer calls us or the oldest one falls out of the window.
            busy = self._answered[0] + JOIN_WINDOW_SECONDS if self._answered else math.inf
            free = mono if self._free(mono) > 0 else busy
            times += [max(self._retry.get(login, 0.0), free) for login in self._missing()]
        return min(times)


def _gap(room: Room, start: datetime, end: datetime, wall: datetime) -> Gap:
    start = min(start, end)
    return Gap(
        id=f"twitch:gap:{room.login}:{round(start.timestamp() * 1000)}:{round(end.timestamp() * 1000)}",
        platform="twitch",
        livestream=room.livestream,
        at=wall,
        received_at=wall,
        from_=start,
        to=end,
        reason="Twitch cannot send again what was said while we were not connected",
    )
