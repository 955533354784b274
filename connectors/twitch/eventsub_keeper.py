"""Which EventSub subscriptions there are, and which there should be: asked of Helix one request after the other. Pure.

Wanted are ``stream.online`` and ``stream.offline`` of every channel (nobody has to consent), and, with ``bot_user_id``, the chat, its
removals and the follows of channels whose broadcaster lets that account in; who does not is answered 403 and asked again a day later.

Transport: a **conduit** (an app token is enough, no public address; subscriptions outlive the websockets that are its shards) or **webhooks**.
A conduit of ours is remembered by its id, others of the same application are left alone, and so are their subscriptions. What Twitch lists is
the truth: every ten minutes it is compared with what is wanted, what is missing made, and what is ours and not wanted, or broken, taken away.

Costs: a subscription costs 1, or 0 where the broadcaster authorised the application; ``max_total_cost`` says how much there may be. When
it is reached, no more are made and the rest is found by asking. https://dev.twitch.tv/docs/eventsub, checked 2026-11-20.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from connectors.connector import Throttled, Unreadable
from connectors.foreign import object_of
from connectors.pacing import backoff
from connectors.pushing import Pusher
from connectors.rest import Ask, Reply
from connectors.twitch.eventsub_helix import (
    CHAT,
    FOLLOW,
    LIVE,
    STANDING,
    UNWELCOME,
    Have,
    Wanted,
    has_points,
    lacking,
    reset,
    rows,
    said,
    secret_of,
    subscription,
    wanted_of,
)  # fmt: skip
from connectors.twitch.fields import dict_in, text_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from connectors.connector import ConnectorFailure, Hint, Tools

LIST_EVERY: Final = timedelta(minutes=10)
NEW: Final = timedelta(seconds=5)
"""Whoever gives the challenge back must have heard of a new channel before."""
SOON: Final = timedelta(seconds=30)
"""A subscription that ended, or is to be verified, is looked at so long after."""
REFUSED: Final = timedelta(days=1)
FULL: Final = timedelta(hours=1)
LONGEST_WAIT: Final = 600.0


class EventSubKeeper(Pusher):
    """The subscriptions of all channels; the connections of a conduit are eventsub_link.py's."""

    name = "twitch"
    with_token = True

    def __init__(self, options: Any, tools: Tools, callback: str) -> None:
        super().__init__(options, tools, callback)
        self.conduit = ""
        """Of the conduit, once it is known to exist."""
        self.total_cost = self.max_total_cost = 0
        self._wanted: frozenset[str] = frozenset()
        self._since: dict[str, datetime] = {}
        """Channel → when we first heard of it."""
        self._remembered = ""
        self._changed: dict[str, str | None] = {}
        self._conduits_listed = False
        self._shard_count = 0
        self._sessions: dict[int, str] = {}
        """Shard → the session that is open for it."""
        self._assigned: dict[int, str] = {}
        """Shard → the session that Twitch was told of."""
        self._have: dict[Wanted, Have] = {}
        self._listing: list[tuple[Wanted, Have]] | None = None
        """What was listed so far, while a list is being read."""
        self._after = ""
        self._list_at: datetime | None = None
        self._todo: list[Wanted] | None = None
        """What is to be made, the most urgent last; None: it must be worked out."""
        self._extra: list[str] = []
        """Ids of subscriptions to take away."""
        self._refused: dict[Wanted, datetime] = {}
        self._full_until: datetime | None = None
        self._not_before: datetime | None = None
        self._failures = 0
        self._pending: tuple[str, Any] | None = None

    @classmethod
    def lacking(cls, options: Any, public_url: str) -> str | None:
        return lacking(options, public_url)

    def watch(self, native_ids: Collection[str]) -> None:
        wanted = frozenset(native_ids)
        if wanted != self._wanted:
            self._wanted, self._todo = wanted, None

    def load(self, kept: Mapping[str, str]) -> None:
        self._remembered = kept.get("conduit", "")

    def changes(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, {}
        return changed

    def hear(self, hint: Hint, now: datetime) -> None:
        """One of ours was revoked."""
        kind, _, status = hint.key.partition(" ")
        wanted = Wanted(kind, hint.native_id)
        self._have.pop(wanted, None)
        if status in UNWELCOME:
            self._refused[wanted] = now + REFUSED
        self._todo = None
        self._list_at = min(self._list_at or now, now + SOON)

    @property
    def standing(self) -> int:
        if self._by_conduit and not self._assigned:
            return 0
        return sum(
            kind == LIVE[0] and have.status == "enabled" and one in self._wanted for (kind, one), have in self._have.items()
        )

    @property
    def _by_conduit(self) -> bool:
        return bool(self.opts.eventsub == "conduit")

    # --- the connections ------------------------------------------------------------------------------------------------

    def opened(self, shard: int, session: str) -> None:
        """A connection was welcomed; Twitch must hear within ten seconds which shard it is."""
        self._sessions[shard] = session

    def closed(self, shard: int) -> None:
        self._sessions.pop(shard, None)
        self._assigned.pop(shard, None)

    @property
    def _transport(self) -> dict[str, str]:
        """How what is subscribed comes to us."""
        if self._by_conduit:
            return {"method": "conduit", "conduit_id": self.conduit}
        return {"method": "webhook", "callback": self.callback, "secret": secret_of(self.tools.pseudonym)}

    @property
    def urgent(self) -> bool:
        return bool(self.conduit) and any(self._assigned.get(shard) != session for shard, session in self._sessions.items())

    # --- asking ---------------------------------------------------------------------------------------------------------

    def next(self, now: datetime) -> Ask | None:
        if self._not_before is not None and now < self._not_before:
            return None
        for step in (self._conduit_step, self._shard_step, self._list_step, self._delete_step, self._create_step):
            found = step(now)
            if found is not None:
                self._pending, ask = found
                return ask
        return None

    def _conduit_step(self, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        if not self._by_conduit:
            return None
        if not self.conduit and not self._conduits_listed:
            return ("conduits", None), self._ask("GET", "conduits")
        if not self.conduit:
            return ("make", None), self._ask("POST", "conduits", {"shard_count": self.opts.eventsub_shards})
        if self._shard_count < self.opts.eventsub_shards:
            return ("grow", None), self._ask("PATCH", "conduits", {"id": self.conduit, "shard_count": self.opts.eventsub_shards})
        return None

    def _shard_step(self, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        fresh = {shard: session for shard, session in self._sessions.items() if self._assigned.get(shard) != session}
        if not self.conduit or not fresh:
            return None
        shards = [
            {"id": str(shard), "transport": {"method": "websocket", "session_id": session}}
            for shard, session in sorted(fresh.items())
        ]
        return ("assign", fresh), self._ask("PATCH", "conduits/shards", {"conduit_id": self.conduit, "shards": shards})

    def _list_step(self, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        if self._listing is None:
            if self._list_at is not None and now < self._list_at:
                return None
            self._listing, self._after = [], ""
        query = f"?{urlencode({'after': self._after})}" if self._after else ""
        return ("list", None), self._ask("GET", f"subscriptions{query}")

    def _delete_step(self, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        if not self._extra:
            return None
        return ("delete", self._extra[-1]), self._ask("DELETE", f"subscriptions?{urlencode({'id': self._extra[-1]})}")

    def _create_step(self, now: datetime) -> tuple[tuple[str, Any], Ask] | None:
        if self._since.keys() != self._wanted:
            self._since = {one: self._since.get(one, now) for one in self._wanted}
        if self._full_until is not None and now < self._full_until:
            return None
        if self._todo is None:
            self._todo = [*self._all_wanted()][::-1]
        while self._todo:
            wanted = self._todo[-1]
            if not self._by_conduit and now < self._since[wanted.channel] + NEW:
                return None
            self._todo.pop()
            if wanted not in self._have and self._refused.get(wanted, now) <= now:
                return ("create", wanted), self._ask(
                    "POST", "subscriptions", subscription(wanted, self._transport, self.opts.bot_user_id)
                )
        return None

    def _all_wanted(self) -> Iterator[Wanted]:
        """Who begins is worth more than what is said there, which the chat tells anyhow."""
        for kind in (*LIVE, *((*CHAT, FOLLOW) if self.opts.bot_user_id else ())):
            for channel in sorted(self._wanted):
                yield Wanted(kind, channel)

    def _ask(self, method: str, path: str, content: Any = None) -> Ask:
        headers = {"Client-Id": self.opts.client_id.reveal()}
        body = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(content)
        return Ask(method=method, url=f"{self.opts.helix_url}/eventsub/{path}", headers=headers, body=body)

    # --- answers --------------------------------------------------------------------------------------------------------

    def take(self, reply: Reply, now: datetime) -> None:
        if self._pending is None:
            return
        (what, about), self._pending = self._pending, None
        if reply.status == 429 and what not in {"create", "make"}:
            self._not_before = reset(reply, now)
            return
        try:
            found = object_of(reply.body) if reply.body.strip() else {}
        except Unreadable as error:
            if reply.status < 300:
                self._trouble(f"Twitch's answer about EventSub cannot be read ({error.reason})", now)
                return
            found = {}
        match what:
            case "create":
                self._created(about, reply, found, now)
            case "list":
                self._listed(reply, found, now)
            case "delete":
                self._deleted(about, reply, now)
            case "assign":
                self._assigned_to(about, reply, found, now)
            case _:
                self._conduit_told(what, reply, found, now)

    def failed(self, failure: ConnectorFailure, now: datetime) -> None:
        self._pending = None
        self._trouble(f"EventSub cannot be asked for ({failure.reason})", now)
        if isinstance(failure, Throttled):
            self._not_before = failure.until

    def _trouble(self, words: str, now: datetime) -> None:
        self.trouble = f"{words}; who goes live on Twitch is found by asking"
        self._failures += 1
        self._todo = None
        self._not_before = now + timedelta(seconds=max(5.0, backoff(self._failures, self.tools.dice, cap=LONGEST_WAIT)))

    def _well(self) -> None:
        self._failures, self.trouble = 0, ""

    def _conduit_told(self, what: str, reply: Reply, found: dict[str, Any], now: datetime) -> None:
        listed = rows(found)
        if not 200 <= reply.status < 300:
            if what == "grow" and reply.status == 404:
                self._lose_conduit()
            elif what == "make" and reply.status == 429:
                self._trouble("this application has all the conduits that Twitch allows (5); delete one that nothing uses", now)
                self._not_before = now + FULL
            else:
                self._trouble(f"Twitch refuses a conduit ({said(reply, found)})", now)
            return
        if what == "conduits":
            self._conduits_listed = True
            mine = next((row for row in listed if self._remembered and text_in(row, "id") == self._remembered), None)
        else:
            mine = listed[0] if listed else None
            if mine is None:
                self._trouble("Twitch's answer about a conduit names none", now)
                return
        if mine is not None:
            self.conduit, count = text_in(mine, "id"), mine.get("shard_count")
            self._shard_count = count if isinstance(count, int) else self.opts.eventsub_shards
            if self.conduit != self._remembered:
                self._remembered = self._changed["conduit"] = self.conduit
        self._well()

    def _lose_conduit(self) -> None:
        """It is gone, and its subscriptions with it."""
        self.conduit, self._conduits_listed = "", False
        self._assigned.clear()
        self._have.clear()
        self._list_at = self._listing = self._todo = None

    def _assigned_to(self, fresh: dict[int, str], reply: Reply, found: dict[str, Any], now: datetime) -> None:
        if reply.status == 404:
            self._lose_conduit()
        elif not 200 <= reply.status < 300:
            self._trouble(f"Twitch does not take our connection for a conduit ({said(reply, found)})", now)
        else:
            errors = found.get("errors")
            bad = {text_in(row, "id") for row in errors if isinstance(row, dict)} if isinstance(errors, list) else set()
            for shard, session in fresh.items():
                if str(shard) not in bad:
                    self._assigned[shard] = session
                elif self._sessions.get(shard) == session:
                    del self._sessions[shard]  # it will be closed as unused, and another opened
            if bad:
                self._trouble(f"Twitch does not take {len(bad)} of our connections for a conduit", now)
            else:
                self._well()

    def _listed(self, reply: Reply, found: dict[str, Any], now: datetime) -> None:
        if not 200 <= reply.status < 300:
            self._listing = None
            self._trouble(f"Twitch does not list our subscriptions ({said(reply, found)})", now)
            return
        listing = self._listing if self._listing is not None else []
        for row in rows(found):
            wanted = wanted_of(row, self._transport)
            if wanted is not None:
                listing.append((wanted, Have(text_in(row, "id"), text_in(row, "status"))))
        self._cost(found)
        self._after = text_in(dict_in(found, "pagination"), "cursor", longest=1024)
        if self._after:
            self._listing = listing
            return
        self._listing, self._list_at = None, now + LIST_EVERY
        self._compare(listing, now)
        self._well()

    def _compare(self, listing: list[tuple[Wanted, Have]], now: datetime) -> None:
        """What stands, and what is ours and must go."""
        known, self._have, self._extra, self._todo = set(self._all_wanted()), {}, [], None
        for wanted, have in listing:
            if have.status in UNWELCOME and wanted in known:
                self._refused[wanted] = now + REFUSED
            if wanted in known and have.status in STANDING and wanted not in self._have:
                self._have[wanted] = have
            elif have.id:
                self._extra.append(have.id)
        self._refused = {wanted: ends for wanted, ends in self._refused.items() if ends > now and wanted in known}

    def _deleted(self, name: str, reply: Reply, now: datetime) -> None:
        if 200 <= reply.status < 300 or reply.status == 404:
            self._extra.remove(name)
        else:
            self._extra.clear()  # the next list says what is left
            self._trouble(f"Twitch does not end a subscription (HTTP {reply.status})", now)

    def _created(self, wanted: Wanted, reply: Reply, found: dict[str, Any], now: datetime) -> None:
        self._cost(found)
        made = rows(found)
        match reply.status:
            case 200 | 202:
                have = Have(text_in(made[0], "id"), text_in(made[0], "status")) if made else Have("", "enabled")
                self._have[wanted] = have
                if have.status != "enabled":
                    self._list_at = now + SOON
                self._well()
            case 409:  # it is there
                self._have[wanted] = Have("", "enabled")
            case 429 if "cost" in said(reply, found).lower() or "limit" in said(reply, found).lower() or has_points(reply):
                self._full_until, self._todo = now + FULL, None
                self.trouble = (
                    f"Twitch grants this application no more subscriptions ({len(self._have)} stand, cost {self.total_cost} of "
                    f"{self.max_total_cost}); the other channels are found by asking"
                )
            case 429:
                self._not_before, self._todo = reset(reply, now), None
            case 400 | 404 if self._by_conduit and "conduit" in said(reply, found).lower():
                self._lose_conduit()
            case 400 | 403 | 404:
                self._refuse(wanted, now)
            case _:
                self._trouble(f"Twitch does not subscribe ({said(reply, found)})", now)

    def _refuse(self, wanted: Wanted, now: datetime) -> None:
        """Until tomorrow; who does not let us read the chat does not let us read its removals either."""
        self._refused[wanted] = now + REFUSED
        if wanted.kind == CHAT[0]:
            for kind in CHAT[1:]:
                self._refused[Wanted(kind, wanted.channel)] = now + REFUSED

    def _cost(self, found: dict[str, Any]) -> None:
        for name in ("total_cost", "max_total_cost"):
            value = found.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                setattr(self, name, value)
