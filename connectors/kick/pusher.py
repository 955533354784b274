r"""One connection to the public Pusher socket (protocol 7), without the connection: frames in, frames and events out.

::

    < {"event":"pusher:connection_established","data":"{\"socket_id\":\"218656.95\",\"activity_timeout\":120}"}
    > {"event":"pusher:subscribe","data":{"auth":"","channel":"chatrooms.668.v2"}}
    < {"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"chatrooms.668.v2"}
    > {"event":"pusher:ping","data":{}}        < {"event":"pusher:pong","data":"{}"}

The server says after how much silence we must ask whether it is still there; its own pings are answered. ``closing`` says what a
close code means: 4000 to 4099 never again without a person, 4100 to 4199 after a second, 4200 to 4299 at once.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from connectors.connector import ConnectorFailure, Dropped, Health, Mark, Refused, Throttled, Unreadable
from connectors.event import Gap
from connectors.kick.frames import frame_events
from connectors.kick.parse import Context, unreadable_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from connectors.connector import Target
    from connectors.event import Event

SLACK: Final = timedelta(seconds=5)
"""What Kick stamped so long ago has arrived, if the connection lives."""
CLOCKS: Final = timedelta(seconds=1)
"""Clocks differ, and Kick's times are whole seconds: a gap is so much longer at its end."""


def closing(code: int, now: datetime) -> ConnectorFailure:
    """What a close code of the protocol means."""
    if code == 4001:
        return Refused(
            "Kick's public socket does not know the application key any more; set pusher_url to the one that kick.com uses"
        )
    if 4000 <= code < 4100:
        return Refused(f"Kick's public socket refuses us (code {code}); switch pusher off or look at docs/connectors.md")
    if 4100 <= code < 4200:
        return Throttled(f"Kick's public socket is over its capacity (code {code})", now + timedelta(seconds=1))
    return Dropped(f"Kick's public socket closed the connection (code {code})")


class Session:
    """The chats of one connection. Give it frames and time; send ``out``; end when there is a ``failure``."""

    def __init__(
        self, pseudonym: Callable[[str, str], str], mono: float, *, answer_seconds: float, mark_seconds: float, alone: bool
    ) -> None:
        self.out: list[str] = []
        self.failure: ConnectorFailure | None = None
        self._pseudonym = pseudonym
        self._answer_seconds = answer_seconds
        self._mark_seconds = mark_seconds
        self._alone = alone
        """Whether this is the only source: then what was missed is lost, and gifts count here."""
        self._timeout = 120.0
        self._heard = mono
        self._asked: float | None = mono  # the first thing that we wait for is the greeting
        self._greeted = False
        self._rooms: dict[str, Target] = {}
        self._livestreams: dict[str, str] = {}
        self._joined: set[str] = set()
        self._marked = mono
        self._heard_at: datetime | None = None

    @property
    def wake(self) -> float:
        """When ``tick`` has something to do."""
        if self._asked is not None:
            return self._asked + self._answer_seconds
        return min(self._heard + self._timeout, self._marked + self._mark_seconds if self._joined else math.inf)

    def update(self, rooms: Mapping[str, Target]) -> list[Health]:
        """Chatroom id → target; what is new is subscribed, what is gone is left."""
        gone, new = self._rooms.keys() - rooms.keys(), [room for room in rooms if room not in self._rooms]
        self._rooms = dict(rooms)
        self._livestreams = {f"chatroom:{room}": target.livestream for room, target in rooms.items()}
        if self._greeted:
            self.out += [_frame("unsubscribe", {"channel": channel(room)}) for room in sorted(gone)]
            self._subscribe(new)
        self._joined -= gone
        return [Health(livestream=rooms[room].livestream, state="connecting") for room in new]

    def receive(self, raw: bytes, mono: float, now: datetime) -> list[Event | Health | Mark]:
        self._heard, self._heard_at = mono, now
        if self._greeted:
            self._asked = None
        try:
            frame = orjson.loads(raw)
            if not isinstance(frame, dict):
                raise Unreadable("not_an_object")  # noqa: TRY301
            event = frame.get("event")
            if isinstance(event, str) and event.startswith(("pusher:", "pusher_internal:")):
                return self._protocol(event.partition(":")[2], frame, mono, now)
            return list(frame_events(frame, Context(now, self._pseudonym, self._livestreams, counts_gifts=self._alone)))
        except orjson.JSONDecodeError:
            return [unreadable_event("not_json", raw, now)]
        except Unreadable as error:
            return [unreadable_event(error.reason, raw, now)]

    def tick(self, mono: float, now: datetime) -> list[Event | Health | Mark]:
        """What is due: a mark, a question whether the server is there, or giving up."""
        if self._asked is not None and mono >= self._asked + self._answer_seconds:
            self.failure = Dropped("Kick's public socket does not answer")
        elif self._asked is None and mono >= self._heard + self._timeout:
            self.out.append(_frame("ping", {}))
            self._asked = mono
        if self._joined and mono >= self._marked + self._mark_seconds:
            self._marked = mono
            return list(self.marks())
        return []

    def marks(self) -> list[Mark]:
        """All that Kick stamped before the last frame, less the slack, has been handed on."""
        if not self._joined or self._heard_at is None:
            return []
        livestreams = tuple(sorted(self._rooms[room].livestream for room in self._joined if room in self._rooms))
        return [Mark(livestreams=livestreams, covered_until=self._heard_at - SLACK)]

    def _protocol(self, name: str, frame: Mapping[str, Any], mono: float, now: datetime) -> list[Event | Health | Mark]:
        match name:
            case "connection_established" if not self._greeted:
                seconds = _data(frame).get("activity_timeout")
                if isinstance(seconds, int | float) and seconds > 0:
                    self._timeout = min(self._timeout, float(seconds))
                self._greeted, self._asked = True, None
                self._subscribe(list(self._rooms))
            case "ping":
                self.out.append(_frame("pong", {}))
            case "error":
                code = _data(frame).get("code")
                if isinstance(code, int) and not isinstance(code, bool) and 4000 <= code < 4300:
                    self.failure = closing(code, now)
            case "subscription_succeeded":
                return self._join(frame, mono, now)
            case "subscription_error":
                target = self._rooms.get(_room(frame))
                if target:
                    return [
                        Health(
                            livestream=target.livestream, state="refused", reason="Kick's public socket knows no such chatroom"
                        )
                    ]
        return []

    def _join(self, frame: Mapping[str, Any], mono: float, now: datetime) -> list[Event | Health | Mark]:
        room = _room(frame)
        target = self._rooms.get(room)
        if target is None or room in self._joined:
            return []
        if not self._joined:
            self._marked = mono
        self._joined.add(room)
        items: list[Event | Health | Mark] = [Health(livestream=target.livestream, state="live")]
        since = target.resume.covered_until
        if self._alone and since is not None and since < now + CLOCKS:
            items.append(
                Gap(
                    id=f"kick:gap:{target.livestream}:{int(since.timestamp() * 1000)}", platform="kick", livestream=target.livestream,
                    at=now, received_at=now, from_=since, to=now + CLOCKS, reason="Kick's public socket sends nothing again.",
                )
            )  # fmt: skip
        return items

    def _subscribe(self, rooms: list[str]) -> None:
        self.out += [_frame("subscribe", {"auth": "", "channel": channel(room)}) for room in rooms]


def channel(room: str) -> str:
    return f"chatrooms.{room}.v2"


def _room(frame: Mapping[str, Any]) -> str:
    name = frame.get("channel")
    return name.removeprefix("chatrooms.").removesuffix(".v2") if isinstance(name, str) else ""


def _frame(event: str, data: Mapping[str, Any]) -> str:
    return orjson.dumps({"event": f"pusher:{event}", "data": data}).decode()


def _data(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    data = frame.get("data")
    if isinstance(data, str):
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError:
            return {}
    return data if isinstance(data, dict) else {}
