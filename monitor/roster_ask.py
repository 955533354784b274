"""Asks the platforms which account a handle is: all rows for ``monitor roster check``, one at a time for "is this you?".

The questions, the quota and the answers are discovery's own; here is only who asks, and how long somebody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import connectors
from connectors import rest, safehost
from connectors.connector import ConnectorFailure, Dropped, Refused, Unreadable
from monitor.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import date

    from aiohttp import ClientSession

    from connectors.connector import Tools
    from connectors.discovery import Account, Question
    from connectors.lookup import History
    from connectors.rest import Ask, Reply
    from monitor.config import Config

PATIENCE_SECONDS: Final = 4.0
"""Somebody stands there with a phone; without an answer the link to look must do."""
STRANGER_SECONDS: Final = 6.0
STRANGER_BYTES: Final = 256 * 1024
REMEMBER_SECONDS: Final = 600.0
MOST_REMEMBERED: Final = 5000
DAYS_SHARE: Final = 20
"""Of what a platform allows a day, one part in so many is for people who sign up: nobody can empty the purse from outside."""

log = logging.getLogger("monitor.roster")


@dataclass(slots=True)
class Heard:
    """What came of asking one platform."""

    accounts: dict[str, Account] = field(default_factory=dict)
    """By what was asked."""
    trouble: str = ""
    """Why it ended early."""
    apart: dict[str, str] = field(default_factory=dict)
    """What was asked of somebody's own server → why that did not tell; the others were asked all the same."""


def fetcher(session: ClientSession, *, strangers: bool = False) -> Callable[[Ask], Awaitable[Reply]]:
    """How questions are really sent; those to a server that the list names only where ``strangers`` allows them, and carefully."""

    async def fetch(ask: Ask) -> Reply:
        if not ask.stranger:
            return await rest.send(session, ask, within_seconds=15.0)
        if not strangers:
            raise Refused("a server that somebody else names is not asked here")
        host = urlsplit(ask.url).hostname or ""
        async with safehost.client(await safehost.resolve(host, 443)) as alone:
            return await rest.send(alone, ask, within_seconds=STRANGER_SECONDS, most_bytes=STRANGER_BYTES)

    return fetch


def askers(
    config: Config, platforms: Iterable[str], fetch: Callable[[Ask], Awaitable[Reply]], tools: Tools
) -> tuple[dict[str, Asking], dict[str, str]]:
    """(platform → who asks it, platform → why nobody can)."""
    found, silent = {}, {}
    for name in sorted(set(platforms)):
        if name not in connectors.DISCOVERERS and name not in connectors.LOOKUPS:
            silent[name] = f"{name} cannot be asked which account a handle is; open the channel and look"
            continue
        kind = connectors.lookup_of(name)
        options = connectors.class_of(name).options(**config.platform(name).options)
        if missing := kind.missing(options):
            silent[name] = f"cannot be checked without a key: {' and '.join(missing)} of [{name}], see docs/connectors.md"
        else:
            found[name] = Asking(kind(options), options, fetch, tools)
    return found, silent


async def accounts(asking: Asking, questions: Iterable[Question]) -> Heard:
    """What was answered before a failure counts."""
    heard = Heard()
    silent: dict[str, str] = {}
    for question in questions:
        host = urlsplit(question.ask.url).hostname or ""
        try:
            if host in silent:
                raise Dropped(silent[host])
            body = await answer(asking, question)
            heard.accounts.update({account.asked: account for account in asking.discoverer.read_resolved(question, body)})
        except (ConnectorFailure, Unreadable) as failure:
            why = failure.reason if isinstance(failure, ConnectorFailure) else f"the answer cannot be read ({failure.reason})"
            if not question.ask.stranger:
                heard.trouble = why
                return heard
            heard.apart.update(dict.fromkeys(question.about, f"{host} does not say it: {why}"))
            if isinstance(failure, Dropped):  # who does not answer is not waited for again
                silent[host] = why
    return heard


async def answer(asking: Asking, question: Question) -> bytes:
    """Waits where the window of the quota is full."""
    while (body := await asking.ask(question)) is None:
        await _window(asking, question)
    return body


async def _window(asking: Asking, question: Question) -> None:
    """Until the quota has room again."""
    await asyncio.sleep(max(0.05, asking.bucket.wait(asking.tools.now().timestamp(), max(1, question.cost))))


async def lived(asking: Asking, native_ids: Iterable[str], history: History) -> tuple[dict[str, bool], str]:
    """(native id → whether it shows a broadcast of before, why it ended early)."""
    found: dict[str, bool] = {}
    questions = list(history.questions(list(native_ids)))
    try:
        while questions:
            question = questions.pop(0)
            while (reply := await asking.reply(question)) is None:
                await _window(asking, question)
            fits = 200 <= reply.status < 300
            if not fits and not history.says_nothing_there(question, reply.status):
                raise asking.discoverer.failure(reply, asking.tools.now())
            known, more = history.read(question, reply.body if fits else b"")
            for native_id, was in known.items():  # the videos of one may be in two answers
                found[native_id] = found.get(native_id, False) or was
            questions += more
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
        if any(question.ask.stranger for question in questions):
            return None  # no address that anybody pasted is ever asked from here
        if not self._may_spend(platform, asking, sum(question.cost for question in questions)):
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                heard = await accounts(asking, questions)
        except TimeoutError:
            return None
        if heard.trouble:
            log.warning("%s does not say who is who: %s", platform, heard.trouble)
            return None
        account = heard.accounts.get(handle)
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
