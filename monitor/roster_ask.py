"""Asks the platforms which account a handle is: all rows for ``monitor roster check``, one at a time for "is this you?".

The questions, the quota and the answers are discovery's own; here is only who asks, and how long somebody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import connectors
from connectors import rest
from connectors.connector import ConnectorFailure, Unreadable
from monitor.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import date

    from aiohttp import ClientSession

    from connectors.connector import Tools
    from connectors.discovery import Account, Question
    from connectors.rest import Ask, Reply
    from monitor.config import Config

PATIENCE_SECONDS: Final = 4.0
"""Somebody stands there with a phone; without an answer the link to look must do."""
REMEMBER_SECONDS: Final = 600.0
MOST_REMEMBERED: Final = 5000
DAYS_SHARE: Final = 20
"""Of what a platform allows a day, one part in so many is for people who sign up: nobody can empty the purse from outside."""

log = logging.getLogger("monitor.roster")


def fetcher(session: ClientSession) -> Callable[[Ask], Awaitable[Reply]]:
    """How questions are really sent."""

    async def fetch(ask: Ask) -> Reply:
        return await rest.send(session, ask, within_seconds=15.0)

    return fetch


def askers(
    config: Config, platforms: Iterable[str], fetch: Callable[[Ask], Awaitable[Reply]], tools: Tools
) -> tuple[dict[str, Asking], dict[str, str]]:
    """(platform → who asks it, platform → why nobody can)."""
    found, silent = {}, {}
    for name in sorted(set(platforms)):
        if name not in connectors.DISCOVERERS:
            silent[name] = f"{name} cannot be asked which account a handle is; open the channel and look"
            continue
        kind = connectors.discoverer_of(name)
        options = connectors.class_of(name).options(**config.platform(name).options)
        if missing := kind.missing(options):
            silent[name] = f"cannot be checked without a key: {' and '.join(missing)} of [{name}], see docs/connectors.md"
        else:
            found[name] = Asking(kind(options), options, fetch, tools)
    return found, silent


async def accounts(asking: Asking, questions: Iterable[Question]) -> tuple[dict[str, Account], str]:
    """(what was asked → account, why it ended early); what was answered before a failure counts."""
    found: dict[str, Account] = {}
    try:
        for question in questions:
            while (body := await asking.ask(question)) is None:  # the window of the quota is full
                now = asking.tools.now().timestamp()
                await asyncio.sleep(max(0.05, asking.bucket.wait(now, max(1, question.cost))))
            found.update({account.asked: account for account in asking.discoverer.read_resolved(question, body)})
    except ConnectorFailure as failure:
        return found, failure.reason
    except Unreadable as problem:
        return found, f"the answer cannot be read ({problem.reason})"
    return found, ""


class Resolver:
    """What a platform calls a handle, for people who wait: soon, seldom twice, and never at the cost of the day's quota."""

    def __init__(self, config: Callable[[], Config], fetch: Callable[[Ask], Awaitable[Reply]], tools: Tools) -> None:
        self._config, self._fetch, self._tools = config, fetch, tools
        self._askers: dict[str, Asking] = {}
        self._seen: dict[tuple[str, str], tuple[float, str]] = {}
        self._spent: dict[tuple[str, date], int] = {}

    async def __call__(self, platform: str, handle: str) -> str | None:
        """Empty: there is no such account; None: it cannot be asked now."""
        kept = self._seen.get((platform, handle))
        if kept and time.monotonic() - kept[0] < REMEMBER_SECONDS:
            return kept[1]
        asking = self._asker(platform)
        if asking is None or asking.closed:
            return None
        questions = asking.discoverer.resolve([handle])
        if not self._may_spend(platform, asking, sum(question.cost for question in questions)):
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found, trouble = await accounts(asking, questions)
        except TimeoutError:
            return None
        if trouble:
            log.warning("%s does not say who is who: %s", platform, trouble)
            return None
        account = found.get(handle)
        if account is None:
            return None
        title = (account.title or account.handle) if account.native_id else ""
        if len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        self._seen[platform, handle] = (time.monotonic(), title)
        return title

    def _may_spend(self, platform: str, asking: Asking, units: int) -> bool:
        limit = asking.discoverer.units_per_day
        if limit is None:
            return True
        today = (platform, self._tools.now().date())
        spent = self._spent.get(today, 0) + units
        if spent > limit // DAYS_SHARE:
            return False
        self._spent = {today: spent, **{key: value for key, value in self._spent.items() if key[1] == today[1] and key != today}}
        return True

    def _asker(self, platform: str) -> Asking | None:
        if platform not in self._askers:
            self._askers.update(askers(self._config(), [platform], self._fetch, self._tools)[0])
        return self._askers.get(platform)
