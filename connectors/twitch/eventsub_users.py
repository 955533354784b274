"""Subscriptions that users' tokens carry over websockets: which account asks for what, on which connection. Pure.

Where there is no conduit to be had, or a broadcaster trusts an account of the house rather than an application, each token of
``[twitch] user_tokens`` is an account with limits of its own: 3 connections, 300 subscriptions on each, and ``max_total_cost`` 10. A subscription
costs 1, and nothing where the broadcaster authorised the application (or is the account). So an account tells who begins of ten channels of
anybody, and all of some hundred channels that consented.

**Order.** ``stream.online`` of every channel first. What Twitch says it costs is how we know who consented: only there the end, the chat, its
removals and, where the account may, the follows are asked for. The others' chat is public and read by IRC as ever; here it would cost and bring
nothing. A broadcaster's own account asks for the own channel; else the first account that has room does.

A subscription lives and dies with its connection. When that drops, Twitch counts what it carried for a while longer; what cost something is
therefore taken away by us before it is asked for again. What was said meanwhile nobody sends again: the chat's is IRC's to know, but follows are
told here alone, so a Gap is recorded where they were told; for that the last minute in which they were is remembered.

https://dev.twitch.tv/docs/eventsub/handling-websocket-events, checked 2026-11-20. **Unconfirmed**: how Twitch words the limits in its 429; one that
comes while we may ask more is about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from connectors.connector import Throttled, Unreadable
from connectors.event import Gap
from connectors.foreign import object_of
from connectors.pacing import backoff
from connectors.pushing import Pusher
from connectors.rest import Ask, Reply
from connectors.times import moment
from connectors.twitch.eventsub_helix import (
    CHAT,
    FOLLOW,
    LIVE,
    UNWELCOME,
    Place,
    Wanted,
    has_points,
    lacking,
    reset,
    rows,
    said,
    subscription,
)  # fmt: skip
from connectors.twitch.eventsub_tokens import READS_CHAT, READS_FOLLOWS, UserToken, tokens_in
from connectors.twitch.fields import dict_in, text_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from connectors.connector import ConnectorFailure, Hint, Tools

FOLLOWED: Final = "followed"
"""The key under which is remembered whose follows are told."""
MOST_CONNECTIONS: Final = 3
MOST_EACH: Final = 300
COST: Final = 10
REFUSED: Final = timedelta(days=1)
FULL: Final = timedelta(hours=1)
SOON: Final = timedelta(minutes=1)
"""While Twitch may still count a connection that is gone."""
LOST_LATELY: Final = timedelta(minutes=3)
LONGEST_WAIT: Final = 300.0


class Held(NamedTuple):
    """A subscription that stands."""

    id: str
    cost: int
    place: Place


@dataclass(slots=True)
class _Account:
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
    unsure: list[tuple[Wanted, Place, str]] = field(default_factory=list)
    """Subscriptions that are there already, because an answer was lost; what they cost must be asked."""
    extra: list[str] = field(default_factory=list)
    """Ids of subscriptions to take away."""
    not_before: datetime | None = None
    closed_until: datetime | None = None
    """No connection is opened before."""
    failures: int = 0
    """Of questions."""
    losses: int = 0
    """Of connections, shortly after one another."""
    lost_at: datetime | None = None
    total_cost: int = 0
    max_total_cost: int = COST


class UsersKeeper(Pusher):
    """What the accounts carry together; their connections are eventsub_link.py's."""

    name = "twitch"
    holds = True

    def __init__(self, options: Any, tools: Tools, callback: str) -> None:
        super().__init__(options, tools, callback)
        tokens = tokens_in(options.user_tokens)
        self._accounts = [_Account(UserToken(options, tools, token, number)) for number, token in enumerate(tokens, 1)]
        self._wanted: frozenset[str] = frozenset()
        self._have: dict[Wanted, Held] = {}
        self._pending: tuple[_Account, str, Any] | None = None
        self._changed: dict[str, str | None] = {}
        self._untold: dict[str, datetime] = {}
        """Channel → since when its follows are not told."""
        self._gaps: list[tuple[str, datetime, datetime]] = []
        self._written: datetime | None = None
        """When it was last remembered whose follows are told."""
        self._failure = ""
        self._full = ""

    @classmethod
    def lacking(cls, options: Any, public_url: str) -> str | None:
        return lacking(options, public_url)

    def watch(self, native_ids: Collection[str]) -> None:
        wanted = frozenset(native_ids)
        if wanted == self._wanted:
            return
        self._wanted = wanted
        for one in [one for one in self._have if one.channel not in wanted]:
            held = self._have.pop(one)
            self._accounts[held.place.account].extra += [held.id] if held.id else []
        self._untold = {channel: since for channel, since in self._untold.items() if channel in wanted}
        self._rethink()

    def load(self, kept: Mapping[str, str]) -> None:
        tokens = {account.token.key: account.token for account in self._accounts}
        for key, value in kept.items():
            if key == FOLLOWED:
                self._remember(value)
            elif key in tokens:
                tokens[key].load(value)
            elif key.startswith("token "):
                self._changed[key] = None  # of a token that is configured no more

    def changes(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, {}
        for account in self._accounts:
            if account.token.news is not None:
                changed[account.token.key], account.token.news = account.token.news, None
        followed = [one.channel for one in self._have if one.kind == FOLLOW]
        now = self.tools.now()
        if followed and (self._written is None or now >= self._written + SOON):
            self._written = now
            changed[FOLLOWED] = " ".join([now.isoformat(), *sorted(followed)])
        return changed

    def _remember(self, value: str) -> None:
        """Whose follows an earlier process told, and when it last did."""
        stamp, *channels = value.split()
        at = moment(stamp)
        if at is not None:
            self._untold.update(dict.fromkeys(channels, at))

    def hear(self, hint: Hint, now: datetime) -> None:
        """One of ours was revoked."""
        kind, _, status = hint.key.partition(" ")
        wanted = Wanted(kind, hint.native_id)
        held = self._have.pop(wanted, None)
        if held is None:
            return
        if kind == FOLLOW:
            self._untold.setdefault(hint.native_id, hint.at)
        account = self._accounts[held.place.account]
        if status in UNWELCOME:
            self._refuse(account, wanted, now + REFUSED)
        self._rethink()

    @property
    def standing(self) -> int:
        return sum(one.kind == LIVE[0] for one in self._have)

    def costs(self) -> list[tuple[int, int]]:
        """What each account's subscriptions cost, and may."""
        return [(account.total_cost, account.max_total_cost) for account in self._accounts]

    # --- the connections ------------------------------------------------------------------------------------------------

    def wants(self, now: datetime) -> list[Place]:
        """The connections that should be open."""
        found = []
        for index, account in enumerate(self._accounts):
            carrying = self._carried(index)
            found += [
                Place(index, number) for number in range(MOST_CONNECTIONS) if carrying[number] and number not in account.shunned
            ]
            free = self._first_free(account, carrying)
            if free is None or carrying[free]:
                continue
            may = free in account.sessions or self._may_open(account, now)
            if may and (self._todo(index, now) or (self._pending is not None and self._pending[0] is account)):
                found.append(Place(index, free))
        return found

    def opened(self, place: Place, session: str) -> None:
        """A connection was welcomed; Twitch must hear within ten seconds what it is for."""
        self._accounts[place.account].sessions[place.number] = session

    def closed(self, place: Place, heard: datetime) -> None:
        """It is gone, with what it carried; ``heard`` is when it last told anything."""
        account = self._accounts[place.account]
        account.sessions.pop(place.number, None)
        account.shunned.discard(place.number)
        for wanted in [wanted for wanted, held in self._have.items() if held.place == place]:
            held = self._have.pop(wanted)
            if held.cost and held.id:
                account.extra.append(held.id)
            if wanted.kind == FOLLOW:
                self._untold.setdefault(wanted.channel, heard)
        self._rethink()

    def lost(self, place: Place, why: ConnectorFailure, now: datetime) -> None:
        """It ended against our will; the next one is not opened at once."""
        account = self._accounts[place.account]
        lasted = account.lost_at is None or now - account.lost_at > LOST_LATELY
        account.losses, account.lost_at = 1 if lasted else account.losses + 1, now
        if not lasted:
            self._failure = f"the connection over which Twitch tells us ends again and again: {why.reason}"
        wait = max(1.0, backoff(account.losses, self.tools.dice, cap=LONGEST_WAIT))
        named = why.until if isinstance(why, Throttled) else now
        account.closed_until = max(account.closed_until or now, now + timedelta(seconds=wait), named)
        self._judge()

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

    def _carried(self, index: int) -> list[int]:
        counts = [0] * MOST_CONNECTIONS
        for held in self._have.values():
            if held.place.account == index:
                counts[held.place.number] += 1
        return counts

    def _first_free(self, account: _Account, carrying: list[int]) -> int | None:
        return next((one for one in range(MOST_CONNECTIONS) if carrying[one] < MOST_EACH and one not in account.shunned), None)

    def _may_open(self, account: _Account, now: datetime) -> bool:
        waits = max((until for until in (account.closed_until, account.not_before) if until is not None), default=now)
        return account.token.access is not None and now >= waits

    # --- asking ---------------------------------------------------------------------------------------------------------

    def next(self, now: datetime) -> Ask | None:
        for index, account in enumerate(self._accounts):
            step = self._step(index, account, now)
            if step is not None:
                self._pending = (account, *step[0])
                return step[1]
        return None

    def _step(self, index: int, account: _Account, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        asked = account.token.next(now)
        if asked is not None:
            return ("token", asked[0]), asked[1]
        if account.token.access is None or (account.not_before is not None and now < account.not_before):
            return None
        if account.extra:
            path = f"subscriptions?{urlencode({'id': account.extra[-1]})}"
            return ("delete", account.extra[-1]), self._ask(account, "DELETE", path)
        if account.unsure:
            path = f"subscriptions?{urlencode({'user_id': account.unsure[-1][0].channel})}"
            return ("look", account.unsure[-1]), self._ask(account, "GET", path)
        place = self._room(index, account)
        if place is None:
            return None
        todo = self._todo(index, now)
        if not todo:
            return None
        wanted, session = todo.pop(), account.sessions[place.number]
        content = subscription(wanted, {"method": "websocket", "session_id": session}, account.token.holder.user_id)
        return ("create", (wanted, place, session)), self._ask(account, "POST", "subscriptions", content)

    def _room(self, index: int, account: _Account) -> Place | None:
        """The open connection with the fewest subscriptions: one without any will not stay open for long."""
        carrying = self._carried(index)
        found = [number for number in account.sessions if carrying[number] < MOST_EACH and number not in account.shunned]
        return Place(index, min(found, key=lambda number: carrying[number])) if found else None

    def _ask(self, account: _Account, method: str, path: str, content: Any = None) -> Ask:
        access = account.token.access
        assert access is not None
        headers = {"Client-Id": self.opts.client_id.reveal(), "Authorization": f"Bearer {access.reveal()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        body = msgspec.json.encode(content) if content is not None else None
        url = f"{self.opts.helix_url}/eventsub/{path}"
        return Ask(method=method, url=url, headers=headers, body=body, proxy=self.opts.proxy)

    # --- what is to be asked for ----------------------------------------------------------------------------------------

    def _rethink(self) -> None:
        for account in self._accounts:
            account.todo = None

    def _todo(self, index: int, now: datetime) -> list[Wanted]:
        account = self._accounts[index]
        if account.again_at is not None and now >= account.again_at:
            account.todo = None
        if account.todo is None:
            account.refused = {one: ends for one, ends in account.refused.items() if ends > now}
            account.again_at = min(account.refused.values(), default=None)
            asked = self._asked_of(index)
            account.todo = [one for one in asked if one not in self._have and one not in account.refused][::-1]
            account.learned = False
        while account.todo and account.todo[-1] in self._have:
            account.todo.pop()
        if not account.todo and account.learned:
            account.todo = None  # all beginnings are asked for; now what the answers allow
            return self._todo(index, now)
        return account.todo

    def _asked_of(self, index: int) -> Iterator[Wanted]:
        """Who begins, of everybody; then all of those who consented."""
        holder = self._accounts[index].token.holder
        owners = {account.token.holder.user_id for account in self._accounts} - {"", holder.user_id}
        channels = sorted(self._wanted - owners, key=lambda channel: (channel != holder.user_id, channel))
        for channel in channels:
            yield Wanted(LIVE[0], channel)
        kinds = [LIVE[1], *(CHAT if READS_CHAT in holder.scopes else ()), *([FOLLOW] if READS_FOLLOWS in holder.scopes else ())]
        for channel in channels:
            held = self._have.get(Wanted(LIVE[0], channel))
            if held is not None and held.place.account == index and held.cost == 0:
                for kind in kinds:
                    yield Wanted(kind, channel)

    def _reclaim(self, owner: _Account) -> None:
        """A broadcaster's account is there: what another carries of the own channel costs, and is given up for what costs nothing."""
        channel = owner.token.holder.user_id
        for one in [
            one for one, held in self._have.items() if one.channel == channel and self._accounts[held.place.account] is not owner
        ]:
            held = self._have.pop(one)
            self._accounts[held.place.account].extra += [held.id] if held.id else []
            if one.kind == FOLLOW:
                self._untold.setdefault(channel, self.tools.now())

    def _refuse(self, account: _Account, wanted: Wanted, until: datetime) -> None:
        account.refused[wanted] = until
        if wanted.kind == CHAT[0]:  # who does not let us read the chat does not let us read its removals either
            account.refused.update({Wanted(kind, wanted.channel): until for kind in CHAT[1:]})
            if account.todo:
                account.todo = [one for one in account.todo if one not in account.refused]
        account.again_at = min(account.again_at or until, until)

    # --- answers --------------------------------------------------------------------------------------------------------

    def take(self, reply: Reply, now: datetime) -> None:
        if self._pending is None:
            return
        (account, what, about), self._pending = self._pending, None
        if what == "token":
            before = account.token.access is not None, account.token.holder.user_id
            account.token.take(about, reply, now)
            if before != (account.token.access is not None, account.token.holder.user_id):
                self._reclaim(account)
                self._rethink()
        elif reply.status == 401:
            account.token.rejected(now)
            self._rethink()
        elif reply.status == 429 and not (what == "create" and _is_about_limits(reply)):
            account.not_before = reset(reply, now)
            self._rethink()
        elif what == "delete":
            self._deleted(account, about, reply, now)
        elif what == "look":
            self._looked(account, about, reply, now)
        else:
            self._created(account, about, reply, now)
        self._judge()

    def failed(self, failure: ConnectorFailure, now: datetime) -> None:
        if self._pending is None:
            return
        (account, what, _), self._pending = self._pending, None
        if what == "token":
            account.token.failed(failure.reason, now)
        else:
            self._wait(account, f"EventSub cannot be asked for ({failure.reason})", now)
            if isinstance(failure, Throttled):
                account.not_before = failure.until
        self._rethink()
        self._judge()

    def _deleted(self, account: _Account, name: str, reply: Reply, now: datetime) -> None:
        if name in account.extra:
            account.extra.remove(name)
        if not (200 <= reply.status < 300 or reply.status == 404):
            account.extra.clear()  # Twitch takes them away itself, only later
            self._wait(account, f"Twitch does not end a subscription (HTTP {reply.status})", now)

    def _created(self, account: _Account, about: tuple[Wanted, Place, str], reply: Reply, now: datetime) -> None:
        wanted, place, _ = about
        try:
            found = object_of(reply.body) if reply.body.strip() else {}
        except Unreadable as error:
            if reply.status < 300:
                self._wait(account, f"Twitch's answer about EventSub cannot be read ({error.reason})", now)
                self._rethink()
                return
            found = {}
        for key in ("total_cost", "max_total_cost"):
            value = found.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                setattr(account, key, value)
        words = said(reply, found).lower()
        match reply.status:
            case 200 | 202:
                self._stands(account, about, next(iter(rows(found)), {}), now)
            case 409:
                account.unsure.append(about)
            case 403:
                self._refuse(account, wanted, now + REFUSED)
            case 429 if "transports" in words:
                account.shunned.add(place.number)  # others hold the three that an account may have
                account.closed_until = now + SOON
                self._failure = "the account has all the connections that Twitch allows (3); another program uses them"
                self._rethink()
            case 429:
                lately = account.lost_at is not None and now - account.lost_at < LOST_LATELY
                self._refuse(account, wanted, now + (SOON if lately else FULL))
            case 400 | 404 if "session" in words or "transport" in words or "connect" in words:
                account.shunned.add(place.number)
                self._rethink()
            case 400 | 404:
                self._refuse(account, wanted, now + REFUSED)
            case _:
                self._wait(account, f"Twitch does not subscribe ({said(reply, found)})", now)
                self._rethink()

    def _looked(self, account: _Account, about: tuple[Wanted, Place, str], reply: Reply, now: datetime) -> None:
        """What a subscription costs that is there already; when that is not said, it is taken to cost something."""
        account.unsure.remove(about)
        wanted, _, session = about
        try:
            listed = rows(object_of(reply.body)) if reply.status == 200 else []
        except Unreadable:
            listed = []
        mine = (
            row
            for row in listed
            if text_in(row, "type") == wanted.kind and text_in(dict_in(row, "transport"), "session_id", longest=512) == session
        )
        self._stands(account, about, next(mine, {}), now)

    def _stands(self, account: _Account, about: tuple[Wanted, Place, str], made: dict[str, Any], now: datetime) -> None:
        wanted, place, session = about
        cost = made.get("cost")
        held = Held(text_in(made, "id"), cost if isinstance(cost, int) else 1, place)
        account.failures, account.not_before, self._failure = 0, None, ""
        if account.sessions.get(place.number) != session or wanted.channel not in self._wanted:
            account.extra += [held.id] if held.id else []  # the connection, or the channel, went while we asked
            return
        self._have[wanted] = held
        account.learned = account.learned or wanted.kind == LIVE[0]
        if wanted.kind == FOLLOW and wanted.channel in self._untold:
            self._gaps.append((wanted.channel, self._untold.pop(wanted.channel), now))

    def _wait(self, account: _Account, words: str, now: datetime) -> None:
        account.failures += 1
        self._failure = words
        account.not_before = now + timedelta(seconds=max(5.0, backoff(account.failures, self.tools.dice, cap=LONGEST_WAIT)))

    def _judge(self) -> None:
        """What a person should know, in words that stay the same while it does."""
        if self.is_done:
            self._full = self._beyond()
        words = [account.token.trouble for account in self._accounts if account.token.trouble]
        words += [one for one in (self._failure, self._full) if one]
        self.trouble = f"{'; '.join(words)}; who goes live on Twitch is found by asking" if words else ""

    @property
    def is_done(self) -> bool:
        """Whether the accounts that may ask have asked for everything that they can have now."""
        able = [account.todo for account in self._accounts if account.token.access is not None]
        return bool(able) and all(todo is not None and not todo for todo in able)

    def _beyond(self) -> str:
        beyond = len(self._wanted) - self.standing
        full = [account for account in self._accounts if any(one.kind == LIVE[0] for one in account.refused)]
        if not beyond or not full:
            return ""
        spent, most = sum(one.total_cost for one in full), sum(one.max_total_cost for one in full)
        return (
            f"Twitch grants the accounts of user_tokens no more ({self.standing} channels are told, cost {spent} of {most}); of "
            f"{beyond} more the broadcaster's consent would make it free"
        )


def _is_about_limits(reply: Reply) -> bool:
    """Whether a 429 is about what may be had and not about how often we ask."""
    return has_points(reply) or any(word in reply.body[:1000].lower() for word in (b"limit", b"cost", b"maximum", b"exceeded"))
