"""An app at Kick, as all connections of a process share it: one token, and one list of what is subscribed. A shell around api.py.

Kick lists the subscriptions of all channels at once, and a connection has a hundred of them; so the list is read by whoever needs it
first and is good for the others for a while.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connectors.connector import Refused
from connectors.kick import api
from connectors.rest import Ask, Reply, failure_of, send

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import aiohttp

    from connectors.connector import Tools
    from connectors.kick import Options

GOOD_FOR: Final = 0.2
"""Of the time between two rounds of a connection."""
BITS: Final = {event: 1 << number for number, event in enumerate(api.EVENTS)}


class App:
    """One app, at one address."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self._opts = options
        self._tools = tools
        self._token: api.Token | None = None
        self._subscribed: dict[str, int] = {}
        """Broadcaster → events that are subscribed, as bits."""
        self._listed_at: datetime | None = None

    @classmethod
    def shared(cls, options: Options, tools: Tools) -> App:
        """The one of all connections that were handed the same tools."""
        key = ("kick", options.api, options.login, options.client_id, options.client_secret, options.proxy)
        if key not in tools.shared:
            tools.shared[key] = cls(options, tools)
        found: App = tools.shared[key]
        return found

    async def lacking(self, session: aiohttp.ClientSession, users: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Broadcaster → events that are not subscribed, by a list that is not old."""
        now, good_for = self._tools.now(), timedelta(seconds=GOOD_FOR * self._opts.subscriptions_seconds)
        if self._listed_at is None or not now - good_for < self._listed_at <= now:
            await self.list(session)
        found = {user: tuple(event for event in api.EVENTS if not self._subscribed.get(user, 0) & BITS[event]) for user in users}
        return {user: events for user, events in found.items() if events}

    async def list(self, session: aiohttp.ClientSession) -> None:
        """What is subscribed; raises one of the failures, or Unreadable."""
        listed = api.read_subscriptions((await self.ask(session, api.subscriptions_ask(self._opts.api))).body)
        self._subscribed = {}
        for one in listed:
            self._subscribed[one.user_id] = self._subscribed.get(one.user_id, 0) | BITS.get(one.event, 0)
        self._listed_at = self._tools.now()

    def made(self, user: str, events: Iterable[str]) -> None:
        """These are subscribed from now on."""
        self._subscribed[user] = self._subscribed.get(user, 0) | sum(BITS[event] for event in events)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def ask(self, session: aiohttp.ClientSession, ask: Ask) -> Reply:
        """A good answer."""
        return self.good(await self.answer(session, ask))

    async def answer(self, session: aiohttp.ClientSession, ask: Ask) -> Reply:
        """Any answer; with a new token once, when Kick does not know ours any more."""
        for _ in range(2):
            token = await self._login(session)
            reply = await send(session, api.signed(ask, token), within_seconds=self._opts.answer_seconds)
            if reply.status != 401:
                break
            if self._token is token:  # else another connection has a newer one by now
                self._token = None
        return reply

    def good(self, reply: Reply) -> Reply:
        if 200 <= reply.status < 300:
            return reply
        raise failure_of(reply, self._tools.now(), who="Kick", key="the app's token")

    async def _login(self, session: aiohttp.ClientSession) -> api.Token:
        if self._token is None or not self._token.good(self._tools.now()):
            assert self._opts.client_secret is not None
            ask = api.token_ask(self._opts.login, self._opts.client_id, self._opts.client_secret)
            reply = await send(session, ask, within_seconds=self._opts.answer_seconds)
            if reply.status in {400, 401, 403}:
                raise Refused(
                    "Kick does not accept client_id and client_secret; copy both anew from kick.com, Settings, Developer"
                )
            self._token = api.read_token(self.good(reply).body, self._tools.now())
        return self._token
