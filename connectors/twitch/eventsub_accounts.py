"""What accounts of Twitch may have over websockets, what they have, and what they want: subscriptions, connections, refusals. Pure.

An account has 3 connections and 300 subscriptions on each, and may spend ``max_total_cost`` 10. A subscription costs 1, and nothing where the broadcaster
authorised the application (or is the account). So an account tells who begins of ten channels of anybody, and all of some hundred channels that
consented; those do not count among the 100 chats that an account may be in.

**Order.** ``stream.online`` of every channel first. What Twitch says it costs is how we know who consented: only there the end, the chat, its
removals and, where the account may, the follows are asked for. The others' chat is public and read by IRC as ever; here it would cost and bring
nothing. A broadcaster's own account asks for the own channel; else the first account that has room does.

A subscription lives and dies with its connection. When that drops, Twitch counts what it carried for a while longer; what cost something is
therefore to be taken away before it is asked for again. What was said meanwhile nobody sends again: the chat's is IRC's to know, but follows are
told here alone, so there is a Gap where they were told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.connector import Throttled
from connectors.event import Gap
from connectors.pacing import backoff
from connectors.twitch.eventsub_helix import CHAT, FOLLOW, LIVE, Place, Wanted
from connectors.twitch.eventsub_tokens import READS_CHAT, READS_FOLLOWS
from connectors.twitch.fields import text_in

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.connector import ConnectorFailure
    from connectors.twitch.eventsub_tokens import UserToken

MOST_CONNECTIONS: Final = 3
MOST_EACH: Final = 300
COST: Final = 10
LOST_LATELY: Final = timedelta(minutes=3)
LONGEST_WAIT: Final = 300.0


class Held(NamedTuple):
    """A subscription that stands."""

    id: str
    cost: int
    place: Place


class Bid(NamedTuple):
    """A subscription that is being asked for, and on which connection."""

    wanted: Wanted
    place: Place
    session: str


@dataclass(slots=True, eq=False)
class Account:
    """One of them."""

    index: int
    token: UserToken
    sessions: dict[int, str] = field(default_factory=dict)
    """Connection → its session."""
    shunned: set[int] = field(default_factory=set)
    """Connections that Twitch does not know any more, to be closed."""
    refused: dict[Wanted, datetime] = field(default_factory=dict)
    """Until when it need not be asked for."""
    todo: list[Wanted] | None = None
    """What is to be asked for, the most urgent last; None: it must be worked out."""
    learned: bool = False
    """Whether what may be asked for is more by now than when that was worked out."""
    again_at: datetime | None = None
    """When the first refusal ends."""
    unsure: list[Bid] = field(default_factory=list)
    """Subscriptions that are there already, because an answer was lost; what they cost must be asked."""
    extra: list[str] = field(default_factory=list)
    """Ids of subscriptions to take away."""
    not_before: datetime | None = None
    """Nothing is asked before."""
    closed_until: datetime | None = None
    """No connection is opened before."""
    failures: int = 0
    """Of questions."""
    losses: int = 0
    """Of connections, shortly after one another."""
    lost_at: datetime | None = None
    total_cost: int = 0
    max_total_cost: int = COST

    def refuse(self, wanted: Wanted, until: datetime) -> None:
        self.refused[wanted] = until
        if wanted.kind == CHAT[0]:  # who does not let us read the chat does not let us read its removals either
            self.refused.update({Wanted(kind, wanted.channel): until for kind in CHAT[1:]})
            if self.todo:
                self.todo = [one for one in self.todo if one not in self.refused]
        self.again_at = min(self.again_at or until, until)

    def give_back(self, held: Held) -> None:
        if held.id:
            self.extra.append(held.id)

    def lost(self, why: ConnectorFailure, now: datetime, dice: random.Random) -> bool:
        """A connection ended against our will, and the next one is not opened at once; True when that happens again and again."""
        again = self.lost_at is not None and now - self.lost_at <= LOST_LATELY
        self.losses, self.lost_at = self.losses + 1 if again else 1, now
        wait = max(1.0, backoff(self.losses, dice, cap=LONGEST_WAIT))
        named = why.until if isinstance(why, Throttled) else now
        self.closed_until = max(self.closed_until or now, now + timedelta(seconds=wait), named)
        return again

    def forgotten(self, now: datetime, dice: random.Random) -> None:
        """Twitch does not know a connection that is open: another one at once, and the next ones less and less often."""
        self.failures += 1
        wait = timedelta(seconds=backoff(self.failures - 1, dice, cap=LONGEST_WAIT))
        self.closed_until = max(self.closed_until or now, now + wait)

    def may_open(self, now: datetime) -> bool:
        waits = max((until for until in (self.closed_until, self.not_before) if until is not None), default=now)
        return self.token.access is not None and now >= waits


class Accounts:
    """All of them together, and the channels that are wanted."""

    def __init__(self, tokens: Sequence[UserToken]) -> None:
        self.all = [Account(index, token) for index, token in enumerate(tokens)]
        self.have: dict[Wanted, Held] = {}
        self.wanted: frozenset[str] = frozenset()
        self.untold: dict[str, datetime] = {}
        """Channel → since when its follows are not told."""
        self._gaps: list[tuple[str, datetime, datetime]] = []

    def watch(self, channels: Collection[str]) -> None:
        wanted = frozenset(channels)
        if wanted == self.wanted:
            return
        self.wanted = wanted
        for one in [one for one in self.have if one.channel not in wanted]:
            held = self.have.pop(one)
            self.all[held.place.account].give_back(held)
        self.untold = {channel: since for channel, since in self.untold.items() if channel in wanted}
        self.rethink()

    @property
    def standing(self) -> int:
        """So many channels' beginnings are told."""
        return sum(one.kind == LIVE[0] for one in self.have)

    @property
    def followed(self) -> list[str]:
        """Channels whose follows are told."""
        return sorted(one.channel for one in self.have if one.kind == FOLLOW)

    @property
    def is_done(self) -> bool:
        """Whether the accounts that may ask have asked for everything that they can have now."""
        able = [account.todo for account in self.all if account.token.access is not None]
        return bool(able) and all(todo is not None and not todo for todo in able)

    def beyond(self) -> str:
        """What the accounts do not suffice for, in words; empty: nothing."""
        beyond = len(self.wanted) - self.standing
        full = [account for account in self.all if any(one.kind == LIVE[0] for one in account.refused)]
        if not beyond or not full:
            return ""
        spent, most = sum(one.total_cost for one in full), sum(one.max_total_cost for one in full)
        return (
            f"Twitch grants the accounts of user_tokens no more ({self.standing} channels are told, cost {spent} of {most}); of "
            f"{beyond} more the broadcaster's consent would make it free"
        )

    # --- connections ----------------------------------------------------------------------------------------------------

    def connections(self, now: datetime, busy: Account | None) -> list[Place]:
        """Those that should be open; ``busy`` waits for an answer that may need its."""
        found = []
        for account in self.all:
            carried = self._carried(account)
            usable = [number for number in range(MOST_CONNECTIONS) if number not in account.shunned]
            found += [Place(account.index, number) for number in usable if carried[number]]
            free = next((number for number in usable if carried[number] < MOST_EACH), None)
            if free is None or carried[free] or not (free in account.sessions or account.may_open(now)):
                continue
            if account is busy or self.todo(account, now):
                found.append(Place(account.index, free))
        return found

    def room(self, account: Account) -> Place | None:
        """The open connection with the fewest subscriptions: one without any will not stay open for long."""
        carried = self._carried(account)
        found = [number for number in account.sessions if carried[number] < MOST_EACH and number not in account.shunned]
        return Place(account.index, min(found, key=lambda number: carried[number])) if found else None

    def closed(self, place: Place, heard: datetime) -> None:
        """A connection is gone, with what it carried; ``heard`` is when it last told anything."""
        account = self.all[place.account]
        account.sessions.pop(place.number, None)
        account.shunned.discard(place.number)
        for wanted in [wanted for wanted, held in self.have.items() if held.place == place]:
            held = self.have.pop(wanted)
            if held.cost:
                account.give_back(held)
            if wanted.kind == FOLLOW:
                self.untold.setdefault(wanted.channel, heard)
        self.rethink()

    def gaps(self, directory: Mapping[str, str], now: datetime) -> list[Gap]:
        """Where follows may be missing, once they are told again."""
        gaps, self._gaps = self._gaps, []
        return [
            Gap(
                id=f"twitch:gap:follows:{channel}:{round(start.timestamp() * 1000)}:{round(end.timestamp() * 1000)}",
                platform="twitch", livestream=directory[channel], at=now, received_at=now, from_=min(start, end), to=end,
                reason="Twitch cannot send again who followed while we were not connected",
            )
            for channel, start, end in gaps
            if channel in directory
        ]  # fmt: skip

    def _carried(self, account: Account) -> list[int]:
        counts = [0] * MOST_CONNECTIONS
        for held in self.have.values():
            if held.place.account == account.index:
                counts[held.place.number] += 1
        return counts

    # --- subscriptions --------------------------------------------------------------------------------------------------

    def rethink(self) -> None:
        for account in self.all:
            account.todo = None

    def todo(self, account: Account, now: datetime) -> list[Wanted]:
        """What this account is to ask for, the most urgent last."""
        if account.again_at is not None and now >= account.again_at:
            account.todo = None
        if account.todo is None:
            account.refused = {one: ends for one, ends in account.refused.items() if ends > now}
            account.again_at = min(account.refused.values(), default=None)
            asked = self._asked_of(account)
            account.todo = [one for one in asked if one not in self.have and one not in account.refused][::-1]
            account.learned = False
        while account.todo and account.todo[-1] in self.have:
            account.todo.pop()
        if not account.todo and account.learned:
            account.todo = None  # all beginnings are asked for; now what the answers allow
            return self.todo(account, now)
        return account.todo

    def _asked_of(self, account: Account) -> Iterator[Wanted]:
        """Who begins, of everybody; then all of those who consented."""
        holder = account.token.holder
        owners = {one.token.holder.user_id for one in self.all} - {"", holder.user_id}
        channels = sorted(self.wanted - owners, key=lambda channel: (channel != holder.user_id, channel))
        for channel in channels:
            yield Wanted(LIVE[0], channel)
        kinds = [LIVE[1], *(CHAT if READS_CHAT in holder.scopes else ()), *([FOLLOW] if READS_FOLLOWS in holder.scopes else ())]
        for channel in channels:
            held = self.have.get(Wanted(LIVE[0], channel))
            if held is not None and held.place.account == account.index and held.cost == 0:
                for kind in kinds:
                    yield Wanted(kind, channel)

    def reclaim(self, owner: Account, now: datetime) -> None:
        """A broadcaster's account is there: what another carries of the own channel costs, and is given up for what costs nothing."""
        channel = owner.token.holder.user_id
        for one, held in [*self.have.items()]:
            if one.channel == channel and held.place.account != owner.index:
                self.all[held.place.account].give_back(self.have.pop(one))
                if one.kind == FOLLOW:
                    self.untold.setdefault(channel, now)

    def stands(self, bid: Bid, row: Mapping[str, Any], now: datetime) -> None:
        """What Twitch said of a subscription that is there; where it does not say what that costs, it costs."""
        account, cost = self.all[bid.place.account], row.get("cost")
        held = Held(text_in(row, "id"), cost if isinstance(cost, int) else 1, bid.place)
        if account.sessions.get(bid.place.number) != bid.session or bid.wanted.channel not in self.wanted:
            account.give_back(held)  # the connection, or the channel, went while we asked
            return
        self.have[bid.wanted] = held
        account.learned = account.learned or bid.wanted.kind == LIVE[0]
        if bid.wanted.kind == FOLLOW and bid.wanted.channel in self.untold:
            self._gaps.append((bid.wanted.channel, self.untold.pop(bid.wanted.channel), now))
