"""Discovery: which account each channel is, which are live and with how many viewers, asked within every platform's quota.

One loop, whatever the number of collectors: who holds the lease ``{discover}`` asks, the others wait. What it knows stands in Redis, one
row per livestream (channel_store.py), for collect and serve. Viewers and the beginning and end of broadcasts go into the journal like any
other event.

Promises: a platform's quota is never exceeded, over restarts too where it is counted by the day; a failure of one platform stops no
other; a platform that does not answer makes nobody offline: what was known stays, and is seen to grow old.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

import connectors
from connectors import rest
from connectors.connector import Dropped, Refused, Throttled, Unreadable
from connectors.discovery import Known
from connectors.event import Status, Viewers
from connectors.pacing import Bucket, backoff
from monitor import channels
from monitor.channel_store import ChannelStore, Desk
from monitor.produce import RETRIABLE
from monitor.roster import why_not
from monitor.schedule import Schedule
from monitor.scope import Rules, Said
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connectors.connector import Tools
    from connectors.discovery import Account, Discoverer, Question, Sighting, Token
    from connectors.event import Event
    from connectors.rest import Ask, Reply
    from monitor.channels import Row, Turn
    from monitor.journal import Journal
    from monitor.reload import Setup
    from monitor.roster import Channel

log = logging.getLogger("monitor.discover")

LEASE: Final = "{discover}"
LEASE_MS: Final = 10_000
RENEW_SECONDS: Final = 3.0
TURN_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 300.0
"""A refusal needs a person; it is tried again so often in case one has acted on the platform's side."""
JUDGE_SECONDS: Final = 10.0
"""Verdicts depend on the hour; they are looked at again so often."""
OLD_SECONDS: Final = 60.0
"""A row of which only the time of the question is new is written so often."""
FAIR_SHARE: Final = 5


def order(rows: Mapping[str, tuple[Row, Channel]], now: datetime, tags_now: frozenset[str] | None) -> list[str]:
    """Livestreams, whom to ask first: by likelihood, but every fifth is the one that nobody asked for longest, so that no one is forgotten."""
    likely = sorted(rows, key=lambda name: (*channels.likelihood(*rows[name], now, tags_now), name))
    never = datetime.min.replace(tzinfo=UTC)
    longest = sorted(rows, key=lambda name: (rows[name][0].discovered_at or never, name))
    placed: dict[str, None] = {}
    by_likelihood, by_age = iter(likely), iter(longest)
    while len(placed) < len(rows):
        queue = by_age if len(placed) % FAIR_SHARE == FAIR_SHARE - 1 else by_likelihood
        # A queue that ran dry has placed everybody, so the loop ends before it is asked again.
        placed[next(name for name in queue if name not in placed)] = None
    return list(placed)


class _Deposed(Exception):
    """The lease is not ours any more: stop asking at once."""


@dataclass(slots=True)
class _Asking:
    """What the loop remembers about one platform."""

    discoverer: Discoverer
    options: Any
    bucket: Bucket
    token: Token | None = None
    failures: int = 0
    not_before: datetime | None = None
    next_sweep: datetime | None = None
    waiting: list[str] = field(default_factory=list)
    """Whose turn has not come in the sweep under way."""
    desk: Desk = field(default_factory=Desk)


class Discovery:
    """``run()`` until cancelled. ``turn()`` is one look at everything that is due."""

    def __init__(
        self,
        journal: Journal,
        put: Callable[[Sequence[Event]], Awaitable[Any]],
        setup: Callable[[], Setup],
        fetch: Callable[[Ask], Awaitable[Reply]],
        tools: Tools,
        *,
        token: str,
        addresses: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.journal = journal
        self.store = ChannelStore(journal.redis)
        self.put = put
        self.setup = setup
        self.fetch = fetch
        self.tools = tools
        self.token = token
        self.addresses = addresses
        self.rows: dict[str, Row] = {}
        self.counters: dict[tuple[str, ...], int] = {}
        self._saved: dict[str, Row] = {}
        self._roster: dict[str, Channel] = {}
        self._said: dict[tuple[str, str], Said] = {}
        self._said_version = -1
        self._seen: Setup | None = None
        self._rules: Rules
        self._schedule: Schedule
        self._asking: dict[str, _Asking] = {}
        self._desks: dict[str, Desk] = {}
        self._events: list[Event] = []
        self._delays: list[tuple[str, float]] = []
        self._judged_at: datetime | None = None
        self._lease_until = 0.0
        self._loaded = False

    # --- the lease ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                tasks.create_task(self._keep_asking())
        finally:
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(2):
                    await self.journal.call("lm1_release", [LEASE], self.token)

    @property
    def leading(self) -> bool:
        """Whether the lease is ours, with a margin for a request that is under way."""
        return time.monotonic() < self._lease_until - 1.0

    async def claim(self) -> bool:
        """Take or keep the lease."""
        asked = time.monotonic()
        if await self.journal.call("lm1_lease", [LEASE], self.token, LEASE_MS, ""):
            if not self.leading:
                self._loaded = False
                log.info("this process discovers from now on")
            self._lease_until = asked + LEASE_MS / 1000
        else:
            self._lease_until = 0.0
        return self.leading

    async def _keep_lease(self) -> None:
        while not stopping():
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(LEASE_MS / 1000):
                    await self.claim()
            await asyncio.sleep(RENEW_SECONDS)

    async def _keep_asking(self) -> None:
        while not stopping():
            if self.leading:
                try:
                    await self.turn()
                except RETRIABLE as error:
                    log.warning("what was discovered cannot be written (%s); it is tried again", type(error).__name__)
            await asyncio.sleep(TURN_SECONDS)

    # --- one turn -----------------------------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Everything that is due, once; the platforms at the same time."""
        if not self._loaded:
            await self._load()
        if self.setup() is not self._seen:
            self._take_setup(self.setup())
        await self._listen()
        self._furnish()
        await asyncio.gather(*(self._look(name, asking) for name, asking in self._asking.items()))
        now = self.tools.now()
        if self._judged_at is None or (now - self._judged_at).total_seconds() >= JUDGE_SECONDS:
            self._judge(list(self.rows))
            self._judged_at = now
        if self.leading:
            await self._save()

    async def _load(self) -> None:
        """Another may have led before us: its rows are the newest."""
        self.rows = await self.store.rows()
        self._saved = dict(self.rows)
        self._asking.clear()
        self._seen, self._said_version, self._loaded = None, -1, True

    def _take_setup(self, setup: Setup) -> None:
        """A changed configuration or roster."""
        self._seen = setup
        self._rules, self._schedule = Rules(setup.config), Schedule.of(setup.config)
        self._roster = {
            channel.id: channel
            for channel in setup.roster.channels
            if channel.platform in connectors.DISCOVERERS and setup.config.platform(channel.platform).enabled
        }
        self._judged_at = None

    async def _listen(self) -> None:
        """What people decided since."""
        version = await self.store.said_version()
        if version != self._said_version:
            self._said = await self.store.said()
            self._said_version, self._judged_at = version, None

    def _furnish(self) -> None:
        """Platforms that can be asked with this configuration, and a row for each of their channels."""
        assert self._seen is not None
        now, config = self.tools.now(), self._seen.config
        addresses = self.addresses()
        for name in {channel.platform for channel in self._roster.values()} | set(self._asking):
            kind = connectors.discoverer_of(name)
            options = connectors.class_of(name).options(**{**config.platform(name).options, **addresses.get(name, {})})
            known = self._asking.get(name)
            if kind.missing(options) or not config.platform(name).enabled:
                self._asking.pop(name, None)
            elif known is None or known.options != options:
                discoverer = kind(options)
                self._asking[name] = _Asking(discoverer, options, Bucket(*discoverer.quota))
        for name, channel in self._roster.items():
            if channel.platform in self._asking:
                barred = why_not(channel, config.require_consent)
                row = channels.of_roster(channel, self.rows.get(name), barred, paused=channel.state == "paused", now=now)
                self.rows[name] = row
        for name in [name for name in self.rows if name not in self._roster or self.rows[name].platform not in self._asking]:
            del self.rows[name]

    # --- one platform -------------------------------------------------------------------------------------------------

    async def _look(self, name: str, asking: _Asking) -> None:
        """What is due on one platform; whatever goes wrong there stays there."""
        now = self.tools.now()
        if asking.not_before is not None and now < asking.not_before:
            return
        try:
            await self._resolve(name, asking)
            await self._sweep(name, asking)
        except _Deposed:
            return
        except Throttled as failure:
            self._note(name, asking, "throttled", failure.reason, failure.until)
        except Refused as failure:
            self._note(name, asking, "refused", failure.reason, now + timedelta(seconds=REFUSED_SECONDS))
        except (Dropped, Unreadable) as failure:
            reason = failure.reason if isinstance(failure, Dropped) else f"its answer cannot be read ({failure.reason})"
            self._again(name, asking, reason)
        except Exception as failure:  # a fault of one platform's code must not stop the others
            log.exception("discovery on %s failed in a way that it should not", name)
            self._again(name, asking, f"{type(failure).__name__} in discovery")
        else:
            asking.failures = 0
            if asking.desk.trouble:
                log.info("discovery on %s works again", name)
                asking.desk = replace(asking.desk, trouble="", kind="")

    def _again(self, name: str, asking: _Asking, reason: str) -> None:
        asking.failures += 1
        wait = max(1.0, backoff(asking.failures, self.tools.dice, cap=60.0))
        self._note(name, asking, "dropped", reason, self.tools.now() + timedelta(seconds=wait))

    def _note(self, name: str, asking: _Asking, kind: Any, reason: str, until: datetime) -> None:
        self.counters[name, kind] = self.counters.get((name, kind), 0) + 1
        if reason != asking.desk.trouble:
            log.warning("discovery on %s: %s", name, reason)
        asking.not_before = until
        asking.desk = replace(asking.desk, kind=kind, trouble=reason)

    async def _resolve(self, name: str, asking: _Asking) -> None:
        """Accounts that were never asked for, and once a day all others again: who renamed is followed by id."""
        now, discoverer = self.tools.now(), asking.discoverer
        today = self._schedule.day(int(now.timestamp()))
        handles: dict[str, list[str]] = {}
        ids: dict[str, list[str]] = {}
        for livestream, row in self.rows.items():
            if row.platform != name or row.state in ("paused", "refused"):
                continue
            if row.resolved_at is None or self._schedule.day(int(row.resolved_at.timestamp())) != today:
                (ids if row.native_id else handles).setdefault(row.native_id or row.handle, []).append(livestream)
        for questions, asked in (
            (discoverer.resolve(list(handles)), handles),
            (discoverer.recheck(list(ids)), ids),
        ):
            for question in questions:
                body = await self._ask(name, asking, question)
                if body is None:
                    return
                for account in discoverer.read_resolved(question, body):
                    self._resolved(name, asked.get(account.asked, ()), account, discoverer.title)

    def _resolved(self, platform: str, livestreams: Sequence[str], account: Account, title: str) -> None:
        for livestream in livestreams:
            owner = next(
                (
                    other
                    for other, row in self.rows.items()
                    if account.native_id
                    and row.platform == platform
                    and row.native_id == account.native_id
                    and other != livestream
                ),
                None,
            )
            before = self.rows[livestream]
            row = channels.resolved(before, account, self.tools.now(), owner=owner, title=title)
            if row.handle != before.handle and row.native_id:
                log.info("%s is called %s by now", livestream, row.handle)
            self.rows[livestream] = row
            self._judge([livestream])

    async def _sweep(self, name: str, asking: _Asking) -> None:
        """Who is live. A sweep that the quota does not allow at once goes on in the next turns."""
        now, discoverer = self.tools.now(), asking.discoverer
        mine = {
            livestream: (row, self._roster[livestream])
            for livestream, row in self.rows.items()
            if row.platform == name and row.native_id and row.state not in ("paused", "refused", "unreachable")
        }
        if asking.next_sweep is None or now >= asking.next_sweep:
            asking.next_sweep = now + timedelta(seconds=discoverer.interval_seconds)
            asking.waiting = order(mine, now, self._tags(now))
        elif not asking.waiting:
            return
        asking.waiting = [livestream for livestream in asking.waiting if livestream in mine]
        by_id = {row.native_id: livestream for livestream, (row, _) in mine.items()}
        known = [_known(mine[livestream][0]) for livestream in asking.waiting]
        for question in discoverer.discover(known, now, await self._budget(asking)):
            body = await self._ask(name, asking, question)
            if body is None:
                return
            done = set()
            for sighting in discoverer.read_status(question, body):
                livestream = by_id.get(sighting.native_id)
                if livestream is not None:
                    done.add(livestream)
                    self._sighted(livestream, sighting, discoverer)
            asking.waiting = [livestream for livestream in asking.waiting if livestream not in done]
        if not asking.waiting:
            asking.desk = replace(asking.desk, asked_at=self.tools.now(), interval_seconds=discoverer.interval_seconds)

    def _tags(self, now: datetime) -> frozenset[str] | None:
        """Tags of the sessions that run; None when a session of everybody does."""
        assert self._seen is not None
        running = [session for session in self._seen.config.sessions if session.start <= now < session.end]
        if any(not session.tags for session in running):
            return None
        return frozenset(chain.from_iterable(session.tags for session in running))

    # --- asking, within the quota -------------------------------------------------------------------------------------

    async def _budget(self, asking: _Asking) -> int:
        free = asking.bucket.free(self.tools.now().timestamp())
        if asking.discoverer.units_per_day is None:
            return free
        spent = int(await self.tools.memory.get(self._ledger(asking)) or 0)
        return max(0, min(free, asking.discoverer.units_per_day - spent))

    def _ledger(self, asking: _Asking) -> str:
        return f"{asking.discoverer.name}:units:{asking.discoverer.day(self.tools.now())}"

    async def _ask(self, name: str, asking: _Asking, question: Question) -> bytes | None:
        """The answer; None when the quota does not allow the question now."""
        if not await self._may(asking, question.cost):
            return None
        reply = await self._send(asking, question)
        if reply.status == 401 and asking.token is not None:
            asking.token = None  # it ended before its time; a second 401 is a refusal
            if not await self._may(asking, question.cost):
                return None
            reply = await self._send(asking, question)
        if not 200 <= reply.status < 300:
            raise asking.discoverer.failure(reply, self.tools.now())
        return reply.body

    async def _send(self, asking: _Asking, question: Question) -> Reply:
        now, discoverer = self.tools.now(), asking.discoverer
        if asking.token is None or asking.token.expires_at <= now:
            asking.token = None
            if (login := discoverer.enter()) is not None:
                reply = await self._fetch(login.ask)
                if not 200 <= reply.status < 300:
                    raise discoverer.failure(reply, now)
                asking.token = discoverer.read_token(reply.body, now)
        return await self._fetch(discoverer.signed(question, asking.token))

    async def _fetch(self, ask: Ask) -> Reply:
        if not self.leading:
            raise _Deposed
        return await self.fetch(ask)

    async def _may(self, asking: _Asking, cost: int) -> bool:
        """Pay before asking: a refused question costs as well."""
        now, limit = self.tools.now(), asking.discoverer.units_per_day
        if asking.bucket.take(now.timestamp(), max(1, cost)):
            return False
        if limit is not None and cost:
            spent = await self.tools.memory.add(self._ledger(asking), cost)
            if spent > limit:
                await self.tools.memory.add(self._ledger(asking), -cost)
                until = asking.discoverer.next_day(now)
                raise Throttled(f"the {limit} units of the day are spent", until)
            asking.desk = replace(asking.desk, spent=spent, per_day=limit)
        else:
            asking.desk = replace(asking.desk, spent=asking.desk.spent + cost)
        return True

    # --- what was learned ---------------------------------------------------------------------------------------------

    def _sighted(self, livestream: str, sighting: Sighting, discoverer: Discoverer) -> None:
        now, before = self.tools.now(), self.rows[livestream]
        self.rows[livestream], turns = channels.sighted(before, sighting, now)
        self._judge([livestream], silently=True)
        row = self.rows[livestream]
        for turn in turns:
            self._turned(livestream, row, turn, watched=before.discovered_at is not None)
        if (live := channels.counting(row)) is not None and row.viewers is not None:
            self._viewers(livestream, live.id, row.viewers, discoverer.interval_seconds)
        else:
            self._silence(livestream, before, row)

    def _turned(self, livestream: str, row: Row, turn: Turn, *, watched: bool) -> None:
        now, broadcast = self.tools.now(), turn.broadcast
        event_id = f"{row.platform}:status:{broadcast.id}:{turn.state}"
        self._events.append(
            Status(
                id=event_id, platform=row.platform, livestream=livestream, broadcast=broadcast.id, at=now, received_at=now,
                state=turn.state,
            )
        )  # fmt: skip
        if turn.state == "live" and watched and broadcast.started_at is not None:
            self._delays.append((row.platform, (now - broadcast.started_at).total_seconds()))

    def _viewers(self, livestream: str, broadcast: str, viewers: int, interval: float) -> None:
        now, platform = self.tools.now(), self.rows[livestream].platform
        event_id = f"{platform}:viewers:{broadcast}:{int(now.timestamp() * 1000)}"
        self._events.append(
            Viewers(
                id=event_id, platform=platform, livestream=livestream, broadcast=broadcast, at=now, received_at=now,
                viewers=viewers, interval_seconds=interval,
            )
        )  # fmt: skip

    def _silence(self, livestream: str, before: Row, row: Row) -> None:
        """A broadcast that ended, or does not count any more, has no viewers at once and not only when its last sample is not believed."""
        was = channels.counting(before)
        if was is not None and before.viewers and channels.counting(row) is None:
            self._viewers(livestream, was.id, 0, 0.0)

    def _judge(self, livestreams: Sequence[str], *, silently: bool = False) -> None:
        """Which broadcasts count, and so who may be read."""
        now = self.tools.now()
        for livestream in livestreams:
            before = self.rows[livestream]
            row = channels.judged(
                before,
                self._rules,
                self._roster[livestream],
                lambda broadcast, livestream=livestream: self._said.get((livestream, broadcast), Said()),  # type: ignore[misc]
                now,
                open_while_offline=connectors.discoverer_of(before.platform).open_while_offline,
            )
            if row is not before:
                self.rows[livestream] = row
                if not silently:
                    self._silence(livestream, before, row)

    async def _save(self) -> None:
        """Events to the spool, rows to Redis; a row of which only the time of the question is new waits a minute."""
        events, self._events = self._events, []
        if events:
            await self.put(events)
        for platform, seconds in self._delays:
            await self.store.add_delay(platform, seconds)
        self._delays.clear()
        changed = {name: row for name, row in self.rows.items() if _is_news(self._saved.get(name), row)}
        gone = [name for name in self._saved if name not in self.rows]
        desks = self._changed_desks()
        await self.store.save({name: channels.as_json(row) for name, row in changed.items()}, gone, desks)
        self._saved.update(changed)
        for name in gone:
            del self._saved[name]

    def _changed_desks(self) -> dict[str, Desk]:
        now = {name: asking.desk for name, asking in self._asking.items()}
        before, self._desks = self._desks, now
        return {name: desk for name, desk in now.items() if before.get(name) != desk}


def _known(row: Row) -> Known:
    assert row.native_id is not None
    return Known(native_id=row.native_id, handle=row.handle, broadcasts=channels.broadcasts_of(row), candidates=row.candidates)


def _is_news(saved: Row | None, row: Row) -> bool:
    if saved is None or saved.discovered_at is None or row.discovered_at is None:
        return saved != row
    if (row.discovered_at - saved.discovered_at).total_seconds() >= OLD_SECONDS:
        return True
    return saved != replace(row, discovered_at=saved.discovered_at, viewers=saved.viewers, viewers_at=saved.viewers_at)


def fetcher(session: Any) -> Callable[[Ask], Awaitable[Reply]]:
    """How questions are really sent."""

    async def fetch(ask: Ask) -> Reply:
        return await rest.send(session, ask, within_seconds=15.0)

    return fetch
