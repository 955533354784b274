"""What goes wrong on purpose: everything off unless asked, so that a test says which trouble it wants. Pure: dice and clock are handed in.

One ``Faults`` for every platform. ``Mishaps`` holds the plan of one platform, which can be changed while it runs, and says for each frame,
answer or delivery what becomes of it; what a platform cannot do (a Pusher socket has no 401) it does not ask about.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from random import Random

Fate = Literal["", "drop", "stall", "half", "garbage", "repeat", "reorder"]
_REFUSALS: Final = frozenset(int(status) for status in HTTPStatus if status >= 400)
MOST_AGAIN: Final = 5_000
"""Of what went out on one connection, so much can come again on the next."""
_CHANCES: Final[tuple[Fate, ...]] = ("drop", "stall", "half", "garbage", "repeat", "reorder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Periods (``…_every``) are means in seconds, each per socket and drawn exponentially, None = never. Chances are from 0 to 1 and are drawn
    for each thing that is sent: a frame, a page of a held answer, an answer, a delivery.
    """

    reconnect_every: float | None = None
    """Twitch orders RECONNECT and closes the old socket ``reconnect_grace`` seconds later."""
    reconnect_grace: float = 15.0
    drop_every: float | None = None
    """A socket is cut without a close frame (of Jetstream's not)."""
    jetstream_drop_every: float | None = None
    """The same for Jetstream."""
    jitter_us: int = 3000
    """Jetstream's ``time_us`` goes back and forth by up to this much; never monotonic in the wild either."""
    drop: float = 0.0
    """It is not sent, and the connection is cut; a webhook is lost without a word, as it happens."""
    stall: float = 0.0
    """It and what follows on its connection comes ``stall_seconds`` later."""
    stall_seconds: float = 20.0
    half: float = 0.0
    """Half of it comes, then the connection is cut."""
    garbage: float = 0.0
    """Bytes that mean nothing come before it; an answer is replaced by them, and a held one ends with them."""
    repeat: float = 0.0
    """It comes twice."""
    reorder: float = 0.0
    """It comes after the next one."""
    overlap: float = 0.0
    """Who connects anew is told again this share of what the connection before was told, its end, word for word and under the same ids. Who is
    called has no connection: its caller begins anew every ``drop_every`` seconds, and calls again for that share."""
    refuse: float = 0.0
    """A request is answered with ``status``."""
    status: int = 503
    """401, 403, 429 or any 5xx; worded as the platform words it."""
    retry_after: float = 5.0
    """Seconds that a 429 or 503 names."""
    forged: float = 0.0
    """A webhook carries a signature that is not right."""
    quota: bool = False
    """The day's quota is used up: every request that costs is refused as the platform refuses it."""
    ended: bool = False
    """Every broadcast is over; they begin anew, under new ids, when it is switched off."""


MILD = Faults(reconnect_every=7200, drop_every=7200, jetstream_drop_every=7200)
"""What `monitor run` uses: about one interruption an hour for each socket."""


class Mishaps:
    """The plan of one platform."""

    def __init__(self, faults: Faults, dice: Random, clock: Callable[[], float]) -> None:
        self._usual = faults
        self._faults = faults
        self._until: float | None = None
        self._dice = dice
        self._clock = clock
        self._told: dict[Hashable, deque[Any]] = {}
        self._anew: float | None = None
        self.told_again = 0
        """How many things ``overlap`` has said again."""

    @property
    def faults(self) -> Faults:
        """The plan in force."""
        if self._until is not None and self._clock() >= self._until:
            self.set(self._usual)
        return self._faults

    def set(self, faults: Faults, seconds: float | None = None) -> None:
        """Another plan from now on, or for so long."""
        self._faults = faults
        self._until = None if seconds is None else self._clock() + seconds

    def calm(self) -> None:
        """As it was at the start."""
        self.set(self._usual)

    def fate(self, *possible: Fate) -> Fate:
        """What becomes of the next thing that is sent; only of these, when they are named."""
        faults = self.faults
        for name in _CHANCES:
            chance: float = getattr(faults, name)
            if chance and (not possible or name in possible) and self._dice.random() < chance:
                return name
        return ""

    def went_out(self, about: Hashable, *what: Any) -> None:
        """Somebody who listens to this was told that, whatever the server takes for one thing."""
        if self.faults.overlap:
            self._told.setdefault(about, deque(maxlen=MOST_AGAIN)).extend(what)

    def again(self, about: Hashable) -> list[Any]:
        """What somebody who comes to listen to this is told again: the end of what the connection before was told."""
        told, share = self._told.pop(about, None), self.faults.overlap
        if not told or not share:
            return []
        number = int(len(told) * share + self._dice.random())  # on average the share, also of one or two things
        again = list(told)[len(told) - number :]
        self.told_again += len(again)
        self.went_out(about, *again)
        return again

    def begins_anew(self) -> bool:
        """Whether one who calls others, and holds no connection that could be cut, does so anew; asked at each tick."""
        faults, now = self.faults, self._clock()
        if not faults.overlap or faults.drop_every is None:
            self._anew = None
            return False
        due = self._anew is not None and now >= self._anew
        if due or self._anew is None:
            self._anew = now + self.wait(faults.drop_every)
        return due

    def refusal(self) -> int:
        """The status with which the next request is refused; 0 when it is not."""
        faults = self.faults
        return faults.status if faults.refuse and self._dice.random() < faults.refuse else 0

    def forges(self) -> bool:
        """Whether the next signature is a wrong one."""
        forged = self.faults.forged
        return bool(forged) and self._dice.random() < forged

    def wait(self, mean: float) -> float:
        """Seconds until the next trouble of those that come every ``mean`` seconds."""
        return self._dice.expovariate(1 / mean)

    def garbage(self) -> bytes:
        """Bytes that are no message of anybody; text, so that it may stand in a text frame."""
        return "".join(self._dice.choices('{}[]",:\\ \x07eé\u202e😀0', k=self._dice.randint(1, 60))).encode()

    def cut(self, whole: bytes) -> bytes:
        """Half of it, cut anywhere but at its ends."""
        return whole[: self._dice.randrange(1, len(whole))] if len(whole) > 1 else b""


def read_faults(given: Mapping[str, str], base: Faults) -> Faults:
    """``base`` with what a control request says; ValueError is a sentence."""
    kinds = {field.name: field for field in dataclasses.fields(Faults)}
    changes: dict[str, float | int | bool | None] = {}
    for name, text in given.items():
        field = kinds.get(name)
        if field is None:
            raise ValueError(f"{name} is no fault; there are {', '.join(kinds)}")
        changes[name] = _value(name, text, str(field.type))
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def _value(name: str, text: str, kind: str) -> float | int | bool | None:
    if kind == "bool":
        if text not in ("0", "1", "true", "false"):
            raise ValueError(f"{name} must be 1 or 0")
        return text in ("1", "true")
    if "None" in kind and text in ("", "never"):
        return None
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number") from None
    if kind == "int":
        if not number.is_integer() or not 0 <= number < 1e9:
            raise ValueError(f"{name} must be a whole number")
        if name == "status" and int(number) not in _REFUSALS:
            raise ValueError("status must be one with which requests are refused, from 400 to 511")
        return int(number)
    chance = name in _CHANCES or name in ("refuse", "forged", "overlap")
    if not 0 <= number <= (1 if chance else 1e9):
        raise ValueError(f"{name} must be {'a chance from 0 to 1' if chance else 'a number of seconds'}")
    return number
