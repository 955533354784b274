"""Subscriptions that users' tokens carry over websockets: what is asked of Helix, one request after the other, and what it answers. Pure.

For where there is no conduit to be had, or a broadcaster trusts an account of the house rather than an application. Each token of
``[twitch] user_tokens`` is an account; what it may have and what is wanted of it is eventsub_accounts.py's, the token itself eventsub_tokens.py's, the
connections eventsub_link.py's.

https://dev.twitch.tv/docs/eventsub/handling-websocket-events, checked 2026-11-20. **Unconfirmed**: how Twitch words the limits in its 429; one that
comes while we may ask more is about them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from connectors.connector import Throttled, Unreadable
from connectors.foreign import object_of
from connectors.pacing import backoff
from connectors.pushing import Pusher
from connectors.rest import Ask, Reply
from connectors.times import moment
from connectors.twitch.eventsub_accounts import LONGEST_WAIT, LOST_LATELY, Accounts, Bid
from connectors.twitch.eventsub_helix import (
    FOLLOW,
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
from connectors.twitch.eventsub_tokens import UserToken, tokens_in
from connectors.twitch.fields import dict_in, text_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connectors.connector import ConnectorFailure, Hint, Tools
    from connectors.twitch.eventsub_accounts import Account

FOLLOWED: Final = "followed"
"""The key under which is remembered whose follows are told."""
REFUSED: Final = timedelta(days=1)
FULL: Final = timedelta(hours=1)
SOON: Final = timedelta(minutes=1)
"""While Twitch may still count a connection that is gone."""


class UsersKeeper(Pusher):
    """What the accounts carry together."""

    name = "twitch"
    holds = True

    def __init__(self, options: Any, tools: Tools, callback: str) -> None:
        super().__init__(options, tools, callback)
        tokens = tokens_in(options.user_tokens)
        self.accounts = Accounts([UserToken(options, tools, token, number) for number, token in enumerate(tokens, 1)])
        self._pending: tuple[Account, str, Any] | None = None
        self._changed: dict[str, str | None] = {}
        self._written: datetime | None = None
        """When it was last remembered whose follows are told."""
        self._failure = ""
        self._full = ""

    @classmethod
    def lacking(cls, options: Any, public_url: str) -> str | None:
        return lacking(options, public_url)

    def watch(self, native_ids: Collection[str]) -> None:
        self.accounts.watch(native_ids)

    @property
    def standing(self) -> int:
        return self.accounts.standing

    def hear(self, hint: Hint, now: datetime) -> None:
        """One of ours was revoked."""
        kind, _, status = hint.key.partition(" ")
        wanted = Wanted(kind, hint.native_id)
        held = self.accounts.have.pop(wanted, None)
        if held is None:
            return
        if kind == FOLLOW:
            self.accounts.untold.setdefault(hint.native_id, hint.at)
        if status in UNWELCOME:
            self.accounts.all[held.place.account].refuse(wanted, now + REFUSED)
        self.accounts.rethink()

    # --- what is remembered -----------------------------------------------------------------------------------------------

    def load(self, kept: Mapping[str, str]) -> None:
        tokens = {account.token.key: account.token for account in self.accounts.all}
        for key, value in kept.items():
            if key in tokens:
                tokens[key].load(value)
            elif key.startswith("token "):
                self._changed[key] = None  # of a token that is configured no more
        # Whose follows an earlier process told, and when it last did.
        stamp, *channels = kept.get(FOLLOWED, "").split() or [""]
        at = moment(stamp)
        if at is not None:
            self.accounts.untold.update(dict.fromkeys(channels, at))

    def changes(self) -> dict[str, str | None]:
        changed, self._changed = self._changed, {}
        for account in self.accounts.all:
            if account.token.news is not None:
                changed[account.token.key], account.token.news = account.token.news, None
        now, followed = self.tools.now(), self.accounts.followed
        if followed and (self._written is None or now >= self._written + SOON):
            self._written = now
            changed[FOLLOWED] = " ".join([now.isoformat(), *followed])
        return changed

    # --- the connections ------------------------------------------------------------------------------------------------

    def wants(self, now: datetime) -> list[Place]:
        """The connections that should be open."""
        return self.accounts.connections(now, self._pending[0] if self._pending is not None else None)

    def opened(self, place: Place, session: str) -> None:
        """A connection was welcomed; Twitch must hear within ten seconds what it is for."""
        self.accounts.all[place.account].sessions[place.number] = session

    def lost(self, place: Place, why: ConnectorFailure, now: datetime) -> None:
        """It ended against our will."""
        if self.accounts.all[place.account].lost(why, now, self.tools.dice):
            self._failure = f"the connection over which Twitch tells us ends again and again: {why.reason}"
        self._judge()

    # --- asking ---------------------------------------------------------------------------------------------------------

    def next(self, now: datetime) -> Ask | None:
        for account in self.accounts.all:
            step = self._step(account, now)
            if step is not None:
                what, about, ask = step
                self._pending = (account, what, about)
                return ask
        return None

    def _step(self, account: Account, now: datetime) -> tuple[str, Any, Ask] | None:
        asked = account.token.next(now)
        if asked is not None:
            return "token", asked[0], asked[1]
        if account.token.access is None or (account.not_before is not None and now < account.not_before):
            return None
        if account.extra:
            return "delete", account.extra[-1], self._ask(account, "DELETE", {"id": account.extra[-1]})
        if account.unsure:
            return "look", account.unsure[-1], self._ask(account, "GET", {"user_id": account.unsure[-1].wanted.channel})
        place = self.accounts.room(account)
        todo = self.accounts.todo(account, now) if place is not None else []
        if place is None or not todo:
            return None
        bid = Bid(todo.pop(), place, account.sessions[place.number])
        transport = {"method": "websocket", "session_id": bid.session}
        content = subscription(bid.wanted, transport, account.token.holder.user_id)
        return "create", bid, self._ask(account, "POST", {}, content)

    def _ask(self, account: Account, method: str, query: Mapping[str, str], content: Any = None) -> Ask:
        access = account.token.access
        assert access is not None
        headers = {"Client-Id": self.opts.client_id.reveal(), "Authorization": f"Bearer {access.reveal()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        body = msgspec.json.encode(content) if content is not None else None
        url = f"{self.opts.helix_url}/eventsub/subscriptions{'?' if query else ''}{urlencode(query)}"
        return Ask(method=method, url=url, headers=headers, body=body, proxy=self.opts.proxy)

    # --- answers --------------------------------------------------------------------------------------------------------

    def take(self, reply: Reply, now: datetime) -> None:
        if self._pending is None:
            return
        (account, what, about), self._pending = self._pending, None
        if what == "token":
            self._told_of_token(account, about, reply, now)
        elif reply.status == 401:
            account.token.rejected(now)
            self.accounts.rethink()
        elif reply.status == 429 and not (what == "create" and _is_about_limits(reply)):
            account.not_before = reset(reply, now)
            self.accounts.rethink()
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
        self.accounts.rethink()
        self._judge()

    def _told_of_token(self, account: Account, what: str, reply: Reply, now: datetime) -> None:
        before = account.token.access is not None, account.token.holder.user_id
        account.token.take(what, reply, now)
        if before != (account.token.access is not None, account.token.holder.user_id):
            self.accounts.reclaim(account, now)
            self.accounts.rethink()

    def _deleted(self, account: Account, name: str, reply: Reply, now: datetime) -> None:
        if name in account.extra:
            account.extra.remove(name)
        if not (200 <= reply.status < 300 or reply.status == 404):
            account.extra.clear()  # Twitch takes them away itself, only later
            self._wait(account, f"Twitch does not end a subscription (HTTP {reply.status})", now)

    def _looked(self, account: Account, bid: Bid, reply: Reply, now: datetime) -> None:
        """What a subscription costs that was there already."""
        account.unsure.remove(bid)
        try:
            listed = rows(object_of(reply.body)) if reply.status == 200 else []
        except Unreadable:
            listed = []
        mine = (
            row
            for row in listed
            if text_in(row, "type") == bid.wanted.kind
            and text_in(dict_in(row, "transport"), "session_id", longest=512) == bid.session
        )
        self._stands(account, bid, next(mine, {}), now)

    def _created(self, account: Account, bid: Bid, reply: Reply, now: datetime) -> None:
        try:
            found = object_of(reply.body) if reply.body.strip() else {}
        except Unreadable as error:
            if reply.status < 300:
                self._wait(account, f"Twitch's answer about EventSub cannot be read ({error.reason})", now)
                self.accounts.rethink()
                return
            found = {}
        for key in ("total_cost", "max_total_cost"):
            value = found.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                setattr(account, key, value)
        words = said(reply, found).lower()
        match reply.status:
            case 200 | 202:
                self._stands(account, bid, next(iter(rows(found)), {}), now)
            case 409:
                account.unsure.append(bid)
            case 403:
                account.refuse(bid.wanted, now + REFUSED)
            case 429 if "transports" in words:
                account.shunned.add(bid.place.number)  # others hold the three that an account may have
                account.closed_until = now + SOON
                self._failure = "the account has all the connections that Twitch allows (3); another program uses them"
                self.accounts.rethink()
            case 429:
                lately = account.lost_at is not None and now - account.lost_at < LOST_LATELY
                account.refuse(bid.wanted, now + (SOON if lately else FULL))
            case 400 | 404 if "session" in words or "transport" in words or "connect" in words:
                account.shunned.add(bid.place.number)
                account.forgotten(now, self.tools.dice)
                self.accounts.rethink()
            case 400 | 404:
                account.refuse(bid.wanted, now + REFUSED)
            case _:
                self._wait(account, f"Twitch does not subscribe ({said(reply, found)})", now)
                self.accounts.rethink()

    def _stands(self, account: Account, bid: Bid, row: Mapping[str, Any], now: datetime) -> None:
        account.failures, account.not_before, self._failure = 0, None, ""
        self.accounts.stands(bid, row, now)

    def _wait(self, account: Account, words: str, now: datetime) -> None:
        account.failures += 1
        self._failure = words
        account.not_before = now + timedelta(seconds=max(5.0, backoff(account.failures, self.tools.dice, cap=LONGEST_WAIT)))

    def _judge(self) -> None:
        """What a person should know, in words that stay the same while it does."""
        if self.accounts.is_done:
            self._full = self.accounts.beyond()
        words = [account.token.trouble for account in self.accounts.all if account.token.trouble]
        words += [one for one in (self._failure, self._full) if one]
        self.trouble = f"{'; '.join(words)}; who goes live on Twitch is found by asking" if words else ""


def _is_about_limits(reply: Reply) -> bool:
    """Whether a 429 is about what may be had and not about how often we ask."""
    return has_points(reply) or any(word in reply.body[:1000].lower() for word in (b"limit", b"cost", b"maximum", b"exceeded"))
