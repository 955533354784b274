"""What is asked of Kick's official API while channels are watched: slugs and subscriptions. A shell around app.py and api.py.

``rounds`` yields, once a round, what was learnt as items, or the failure that ended the round. It does not decide what a failure means.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connectors.connector import ConnectorFailure, Dropped, Health, Throttled, Unreadable
from connectors.kick import api
from connectors.kick.app import App
from connectors.kick.channel import ids_of
from connectors.rest import client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import aiohttp

    from connectors.connector import Target, Tools
    from connectors.kick import Options

AFTER_FAILURE = 30.0
"""Seconds before the next round, where the failure does not end the connection."""
UNKNOWN_SLUG = "Kick knows no such channel; correct the handle in the roster"


class Desk:
    """One connection's worth of asking; ``hurry`` begins the next round at once."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self.hurry = asyncio.Event()
        self._opts = options
        self._tools = tools
        self._app = App.shared(options, tools)
        self._users: dict[str, str] = {}
        """Slug → broadcaster id, as resolved here."""
        self._shown: dict[str, Health] = {}

    async def rounds(self, targets: Callable[[], Sequence[Target]]) -> AsyncGenerator[list[Health] | ConnectorFailure, None]:
        async with client(proxy=self._opts.proxy) as session:
            all_of_them = True
            while True:
                self.hurry.clear()
                wait = self._opts.subscriptions_seconds
                result: list[Health] | ConnectorFailure
                try:
                    result = await self._round(session, targets(), all_of_them=all_of_them)
                except Unreadable as error:
                    result = Dropped(f"Kick's answer could not be read ({error.reason})")
                except ConnectorFailure as error:
                    result = error
                if isinstance(result, ConnectorFailure):
                    wait = (result.until - self._tools.now()).total_seconds() if isinstance(result, Throttled) else AFTER_FAILURE
                yield result
                hurried = await self._pause(wait, patient=isinstance(result, ConnectorFailure))
                all_of_them = not hurried

    async def look(self) -> None:
        """Whether Kick lets the app in; raises one of the failures and changes nothing."""
        async with client(proxy=self._opts.proxy) as session:
            try:
                await self._app.list(session)
            except Unreadable as error:
                raise Dropped(f"Kick's answer could not be read ({error.reason})") from error

    async def _pause(self, seconds: float, *, patient: bool) -> bool:
        """Whether somebody was in a hurry; after a failure nobody is."""
        sleeping = asyncio.ensure_future(self._tools.sleep(max(0.0, seconds)))
        hurrying = asyncio.ensure_future(self.hurry.wait())
        try:
            await asyncio.wait({sleeping} if patient else {sleeping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            return hurrying.done() and not patient
        finally:
            for one in (sleeping, hurrying):
                one.cancel()
            await asyncio.gather(sleeping, hurrying, return_exceptions=True)

    async def _round(self, session: aiohttp.ClientSession, targets: Sequence[Target], *, all_of_them: bool) -> list[Health]:
        names = {target.livestream for target in targets}
        self._shown = {livestream: health for livestream, health in self._shown.items() if livestream in names}
        unasked = [target for target in targets if all_of_them or target.livestream not in self._shown]
        items = await self._resolve(session, unasked)
        by_user = {user: target for target in unasked if (user := self._user(target))}
        if by_user:
            items += await self._mend(session, by_user)
        return items

    def _user(self, target: Target) -> str:
        ids = ids_of(target)
        return ids.user_id or self._users.get(ids.slug, "")

    async def _resolve(self, session: aiohttp.ClientSession, targets: Sequence[Target]) -> list[Health]:
        """Slugs without an id, one by one."""
        items: list[Health] = []
        for target in targets:
            slug = ids_of(target).slug
            if self._user(target):
                continue
            reply = await self._app.answer(session, api.slug_ask(slug, self._opts.api))
            found = [] if reply.status in {400, 404} else api.read_channels(self._app.good(reply).body)
            if found:
                self._users[slug] = found[0].user_id
            else:
                items += self._show(target, "refused", UNKNOWN_SLUG)
        return items

    async def _mend(self, session: aiohttp.ClientSession, by_user: dict[str, Target]) -> list[Health]:
        """Subscribe what is not subscribed."""
        lacking = await self._app.lacking(session, by_user)
        items: list[Health] = []
        for user, target in by_user.items():
            refusals: list[str] = []
            if user in lacking:
                reply = await self._app.answer(session, api.subscribe_ask(user, lacking[user], self._opts.api))
                if reply.status in {400, 403, 404, 422}:
                    refusals = [f"HTTP {reply.status}"]
                else:
                    refusals = api.read_refusals(self._app.good(reply).body)
                if not refusals:
                    self._app.made(user, lacking[user])
            if refusals:
                items += self._show(
                    target, "refused", f"Kick does not send us this channel ({refusals[0]}); see docs/connectors.md"
                )
            else:
                items += self._show(target, "live", "")
        return items

    def _show(self, target: Target, state: str, reason: str) -> list[Health]:
        health = Health(livestream=target.livestream, state=state, reason=reason)
        if self._shown.get(target.livestream) == health:
            return []
        self._shown[target.livestream] = health
        return [health]
