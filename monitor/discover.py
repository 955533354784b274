"""Discovery: which account each channel is, which are live and with how many viewers, asked within every platform's quota.

One loop, whatever the number of collectors: who holds the lease ``{discover}`` asks, the others wait. What it knows stands in Redis, one
row per livestream (channel_store.py), for collect and serve. Viewers and the beginning and end of broadcasts go into the journal like any
other event. How one platform is asked is asking.py's, what an answer does to a row channels.py's, which broadcast counts scope.py's.

Promises: a failure of one platform stops no other; a platform that does not answer makes nobody offline: what was known stays, and is
seen to grow old.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

import connectors
from connectors import rest
from connectors.discovery import Known
from connectors.event import Status, Viewers
from monitor import channels, selfreport
from monitor.asking import Asking
from monitor.channel_store import ChannelStore
from monitor.heard import FORGOTTEN, SUBSCRIPTION, Heard
from monitor.links import broadcast_link
from monitor.produce import RETRIABLE
from monitor.pushes import Pushes, Wanted
from monitor.roster import why_not
from monitor.schedule import Schedule
from monitor.scope import Rules, Said
from monitor.signup_store import SignupStore
from monitor.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connectors.connector import Tools
    from connectors.discovery import Account, Discoverer, Sighting
    from connectors.event import Event
    from connectors.rest import Ask, Reply
    from monitor.channel_store import Desk
    from monitor.channels import Row, Turn
    from monitor.journal import Journal
    from monitor.reload import Setup
    from monitor.roster import Channel
    from monitor.signup import SelfReport

log = logging.getLogger("monitor.discover")

LEASE: Final = "{discover}"
LEASE_MS: Final = 10_000
RENEW_SECONDS: Final = 3.0
TURN_SECONDS: Final = 1.0
JUDGE_SECONDS: Final = 10.0
"""Verdicts depend on the hour; they are looked at again so often."""
OLD_SECONDS: Final = 60.0
"""A row of which only the time of the question is new is written so often."""
FAIR_SHARE: Final = 5
PLAN_SECONDS: Final = 3600.0
"""Who is left out changes at most so often: opening a chat anew costs as well."""


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
        public: Callable[[], str] = str,
    ) -> None:
        self.journal = journal
        self.store = ChannelStore(journal.redis)
        self.reported = SignupStore(journal.redis)
        self.put = put
        self.setup = setup
        self.fetch = fetch
        self.tools = tools
        self.token = token
        self.addresses = addresses
        """Platform → options that replace the configured ones (where the simulator listens)."""
        self.public = public
        """How platforms reach us; empty: they cannot."""
        self.pushes = Pushes(journal.redis, tools, self._fetch, put)
        self.heard = Heard()
        self.rows: dict[str, Row] = {}
        self.asking: dict[str, Asking] = {}
        self._saved: dict[str, Row] = {}
        """As Redis has them."""
        self._touched: set[str] = set()
        """Rows that may differ from those."""
        self._desks: dict[str, Desk] = {}
        self._roster: dict[str, Channel] = {}
        """Those on platforms that may be asked."""
        self._everybody: dict[str, Channel] = {}
        self._platforms: set[str] = set()
        self._said: dict[tuple[str, str], Said] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        """Livestream → broadcasts of which the attendee says that they are of the event; discovery may not have seen them yet."""
        self._said_version = -1
        self._reports: dict[str, SelfReport] = {}
        """Livestream → who says that it is live."""
        self._reports_version = -1
        self._pressing: set[str] = set()
        """Livestreams whose report the platform has not been asked about."""
        self._pressed: dict[str, datetime] = {}
        """When it was asked about one before its turn."""
        self._looked: dict[str, datetime] = {}
        """When this process last heard of a channel; what an earlier one did says nothing about our pace."""
        self._seen: Setup | None = None
        self._rules: Rules
        self._schedule: Schedule
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
                tasks.create_task(self._keep_pushing())
        finally:
            with suppress(*RETRIABLE, TimeoutError):
                async with asyncio.timeout(2):
                    await self.resign()

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

    async def resign(self) -> None:
        """Give the lease back, so that another need not wait for its end."""
        self._lease_until = 0.0
        await self.journal.call("lm1_release", [LEASE], self.token)

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
                except (*RETRIABLE, TimeoutError) as error:
                    log.warning("what was discovered cannot be written (%s); it is tried again", type(error).__name__)
                except Exception:  # a fault of discovery must not stop the collector beside it
                    log.exception("discovery failed in a way that it should not; it begins anew")
                    self._loaded = False
            await asyncio.sleep(TURN_SECONDS)

    async def _keep_pushing(self) -> None:
        try:
            while not stopping():
                try:
                    await (self.push() if self.leading and self._loaded else self.pushes.pause())
                except _Deposed:
                    pass
                except (*RETRIABLE, TimeoutError) as error:
                    log.warning("the state of subscriptions cannot be written (%s); it is tried again", type(error).__name__)
                except Exception:  # being told is a help and never a need
                    log.exception("push failed in a way that it should not; broadcasts are found by asking")
                    await self.pushes.pause()
                await asyncio.sleep(TURN_SECONDS)
        finally:
            await self.pushes.pause()

    async def push(self) -> None:
        """Let the platforms that can do it tell us: one look at what is due."""
        public, wanted = self.public(), {}
        for name, asking in self.asking.items():
            if name in connectors.PUSHERS:
                wanted[name] = Wanted(
                    options=asking.options,
                    callback=f"{public.rstrip('/')}/hooks/{name}" if public else "",
                    channels={
                        row.native_id: livestream
                        for livestream, row in self.rows.items()
                        if row.platform == name and row.native_id and row.state not in ("paused", "refused", "unreachable")
                    },
                    asking=asking,
                )
        self.pushes.follow(wanted)
        await self.pushes.turn(self.rows)

    # --- one turn -----------------------------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Everything that is due, once; the platforms at the same time."""
        if not self._loaded:
            await self._load()
        new = self.setup() is not self._seen
        if new:
            self._take_setup(self.setup())
        await self._listen()
        if self._furnish() or new:
            self._follow_roster()
        self._believe()
        await self._hear()
        await asyncio.gather(*(self._look(name, asking) for name, asking in self.asking.items()))
        now = self.tools.now()
        if self._judged_at is None or (now - self._judged_at).total_seconds() >= JUDGE_SECONDS:
            for livestream, row in self.rows.items():
                if not row.told:
                    self._judge(livestream)
            self._judged_at = now
        if self.leading:
            await self._save()

    async def _load(self) -> None:
        """Another may have led before us: its rows are the newest."""
        self.rows = await self.store.rows()
        self._saved = dict(self.rows)
        self._touched.clear()
        self._desks = await self.store.desks()
        self.asking.clear()
        self._seen, self._said_version, self._loaded = None, -1, True
        self._reports, self._reports_version = {}, -1

    def _take_setup(self, setup: Setup) -> None:
        """A changed configuration or roster."""
        self._seen = setup
        self._everybody = setup.roster.by_id()
        self._rules, self._schedule = Rules(setup.config), Schedule.of(setup.config)
        self._roster = {
            channel.id: channel
            for channel in setup.roster.channels
            if channel.platform in connectors.DISCOVERERS and setup.config.platform(channel.platform).enabled
        }
        self._platforms = {channel.platform for channel in self._roster.values()}
        self._judged_at = None

    async def _listen(self) -> None:
        """What people decided since."""
        version = await self.store.said_version()
        if version != self._said_version:
            self._said = await self.store.said()
            self._told = {}
            for (livestream, broadcast), said in self._said.items():
                if said.attendee:
                    self._told[livestream] = (*self._told.get(livestream, ()), broadcast)
            self._said_version, self._judged_at = version, None
        version = await self.reported.reports_version()
        if version != self._reports_version:
            before, self._reports = self._reports, await self.reported.reports()
            first, now = self._reports_version < 0, self.tools.now()
            for name, report in self._reports.items():
                # Who leads from now on may have been told before; the rows say whether the platform was asked since.
                unheard = selfreport.is_unanswered(report, self.rows.get(name), now) if first else report != before.get(name)
                if unheard and selfreport.is_fresh(report, now):
                    self._pressing.add(name)
            self._pressing.intersection_update(self._reports)
            self._reports_version, self._judged_at = version, None

    async def _hear(self) -> None:
        """What platforms told us since: those channels are asked about before their turn."""
        now, by_id, done = self.tools.now(), dict[tuple[str, str], str](), []
        hints = await self.pushes.store.heard()
        if hints:
            by_id = {
                (row.platform, row.native_id): name
                for name, row in self.rows.items()
                if row.native_id and not row.told and row.state != "unreachable"
            }
        for name, (platform, hint) in hints.items():
            if hint.what in SUBSCRIPTION:
                if self.pushes.hear(platform, hint) or now - hint.at > FORGOTTEN:
                    done.append(name)
            else:
                livestream = by_id.get((platform, hint.native_id))
                if self.heard.settle(name, livestream, self.rows.get(livestream or ""), hint, now):
                    done.append(name)
        await self.pushes.store.done(done)

    def _believe(self) -> None:
        """Who is live where nobody can be asked: those of whom somebody said so."""
        assert self._seen is not None
        now, config, told = self.tools.now(), self._seen.config, set()
        for name, report in self._reports.items():
            channel = self._everybody.get(name)
            if channel is None or channel.platform in self.asking or not selfreport.is_fresh(report, now):
                continue
            said = self._said.get((name, report.broadcast or ""), Said(attendee=True))
            counts = self._rules.judge("", now, tags=channel.tags, said=said).scope == "in"
            if counts and config.platform(channel.platform).enabled and not why_not(channel, config.require_consent):
                told.add(name)
                row = selfreport.told_row(channel, report)
                if self.rows.get(name) != row:
                    self._keep(name, row)
        for name in [name for name, row in self.rows.items() if row.told and name not in told]:
            del self.rows[name]

    def _furnish(self) -> bool:
        """Platforms that can be asked with this configuration; True when these are others than before."""
        assert self._seen is not None
        config, addresses = self._seen.config, self.addresses()
        before = set(self.asking)
        for name in self._platforms | before:
            kind = connectors.discoverer_of(name)
            options = connectors.class_of(name).options(**{**config.platform(name).options, **addresses.get(name, {})})
            if kind.missing(options) or name not in self._platforms:
                self.asking.pop(name, None)
            elif name not in self.asking or self.asking[name].options != options:
                self.asking[name] = Asking(kind(options), options, self._fetch, self.tools)
        return set(self.asking) != before

    def _follow_roster(self) -> None:
        """A row for each channel of the platforms that can be asked, and none for anybody else."""
        assert self._seen is not None
        now, config = self.tools.now(), self._seen.config
        for asking in self.asking.values():
            asking.resolved_day = ""
        for name, channel in self._roster.items():
            if channel.platform in self.asking:
                barred = why_not(channel, config.require_consent)
                paused = channel.state == "paused"
                row = self.rows.get(name)
                known = None if row is not None and row.told else row
                self._keep(name, channels.of_roster(channel, known, barred, paused=paused, now=now))
        for name, row in list(self.rows.items()):
            if not row.told and (name not in self._roster or row.platform not in self.asking):
                del self.rows[name]

    def _keep(self, livestream: str, row: Row) -> None:
        if self.rows.get(livestream) is not row:
            self.rows[livestream] = row
            self._touched.add(livestream)

    async def _fetch(self, ask: Ask) -> Reply:
        if not self.leading:
            raise _Deposed
        return await self.fetch(ask)

    # --- one platform -------------------------------------------------------------------------------------------------

    async def _look(self, name: str, asking: Asking) -> None:
        """What is due on one platform; whatever goes wrong there stays there."""
        if asking.closed:
            return
        try:
            await self._resolve(name, asking)
            await self._sweep(name, asking)
        except _Deposed:
            return
        except Exception as failure:  # noqa: BLE001 — judged and counted there
            asking.went_wrong(failure)
        else:
            asking.went_well()

    async def _resolve(self, name: str, asking: Asking) -> None:
        """Accounts that were never asked for, and once a day all others again: who renamed is followed by id."""
        today, discoverer = self._schedule.day(int(self.tools.now().timestamp())), asking.discoverer
        if asking.resolved_day == today:
            return
        handles: dict[str, list[str]] = {}
        ids: dict[str, list[str]] = {}
        owners: dict[str, str] = {}
        for livestream, row in self.rows.items():
            if row.platform == name and row.native_id:
                owners.setdefault(row.native_id, livestream)
            if row.platform != name or row.state in ("paused", "refused"):
                continue
            if row.resolved_at is None or self._schedule.day(int(row.resolved_at.timestamp())) != today:
                (ids if row.native_id else handles).setdefault(row.native_id or row.handle, []).append(livestream)
        for questions, asked in ((discoverer.resolve(list(handles)), handles), (discoverer.recheck(list(ids)), ids)):
            for question in questions:
                if asking.spare < question.cost or (body := await asking.ask(question)) is None:
                    return
                for account in discoverer.read_resolved(question, body):
                    for livestream in asked.get(account.asked, ()):
                        owner = owners.setdefault(account.native_id, livestream) if account.native_id else livestream
                        self._resolved(livestream, account, discoverer.title, owner=None if owner == livestream else owner)
        asking.resolved_day = today

    def _resolved(self, livestream: str, account: Account, title: str, *, owner: str | None) -> None:
        before = self.rows[livestream]
        row = channels.resolved(before, account, self.tools.now(), owner=owner, title=title)
        if row.handle != before.handle:
            log.info("%s is called %s by now", livestream, row.handle)
        self._keep(livestream, row)
        self._judge(livestream)

    async def _sweep(self, name: str, asking: Asking) -> None:
        """Who is live. A sweep that the quota does not allow at once goes on in the next turns."""
        now, discoverer = self.tools.now(), asking.discoverer
        begins = asking.next_sweep is None or now >= asking.next_sweep
        pressing = [*self._press(name, now), *self._told_about(name, asking, now)]
        regular = begins or bool(asking.waiting)
        if not regular and not pressing:
            return
        mine = {
            livestream: (row, self._roster[livestream])
            for livestream, row in self.rows.items()
            if row.platform == name and row.native_id and row.state not in ("paused", "refused", "unreachable")
        }
        if begins:
            asking.next_sweep = now + timedelta(seconds=discoverer.interval_seconds)
            asking.waiting = order(mine, now, self._tags(now))
        if pressing:
            asking.waiting = [*pressing, *(livestream for livestream in asking.waiting if livestream not in pressing)]
        discoverer.channels, discoverer.awake = len(mine), self._rules.open_at(now)
        self._plan(asking, mine, now)
        due = {
            livestream: known
            for livestream in asking.waiting
            if livestream in mine and discoverer.due(known := self._known(livestream, *mine[livestream]), now)
        }
        asking.waiting = list(due)
        by_id = {row.native_id: livestream for livestream, (row, _) in mine.items()}
        done: set[str] = set()
        try:
            for question in discoverer.discover(list(due.values()), now, await asking.budget()):
                body = await asking.ask(question)
                if body is None:
                    return
                for sighting in discoverer.read_status(question, body):
                    if (livestream := by_id.get(sighting.native_id)) is not None:
                        if not sighting.candidates:  # else it is asked about them with the next turn
                            done.add(livestream)
                        self._sighted(livestream, sighting, discoverer)
        finally:
            asking.waiting = [livestream for livestream in asking.waiting if livestream not in done]
        if regular and not asking.waiting:
            asking.desk = replace(asking.desk, asked_at=self.tools.now(), interval_seconds=discoverer.looks_every)

    def _plan(self, asking: Asking, mine: Mapping[str, tuple[Row, Channel]], now: datetime) -> None:
        """Who is left out when a day's units do not carry everybody: the lowest priority first, then the fewest viewers."""
        if asking.planned and asking.planned[1] == len(mine) and (now - asking.planned[0]).total_seconds() < PLAN_SECONDS:
            return
        plan = asking.discoverer.quota_plan(asking.options, len(mine))
        ranked = sorted(mine, key=lambda name: (mine[name][1].priority, -(mine[name][0].viewers or 0), name))
        asking.planned = (now, len(mine))
        asking.left_out = frozenset(ranked[len(ranked) - plan.left_out :] if plan else ())

    def _press(self, name: str, now: datetime) -> list[str]:
        """Channels of a platform that somebody has just called live: they are asked about before their turn."""
        pressing = []
        for livestream in sorted(self._pressing):
            row, report, last = self.rows.get(livestream), self._reports[livestream], self._pressed.get(livestream)
            if row is None or row.platform != name or row.native_id is None or row.state in ("paused", "refused", "unreachable"):
                continue
            if not selfreport.is_fresh(report, now) or (last is not None and now - last < selfreport.AGAIN):
                continue
            self._keep(livestream, selfreport.with_candidate(row, report))
            pressing.append(livestream)
        return pressing

    def _told_about(self, name: str, asking: Asking, now: datetime) -> list[str]:
        """Channels of which the platform itself said that something is new."""
        if not self.heard.hints:
            return []
        mine = {livestream: row for livestream, row in self.rows.items() if row.platform == name}
        found = self.heard.due(mine, now, paid=asking.discoverer.units_per_day is not None)
        for livestream, row in found.items():
            self._keep(livestream, row)
        return list(found)

    def _known(self, livestream: str, row: Row, channel: Channel) -> Known:
        """What a discoverer is told: what the platform said, and what people named."""
        told = self._told.get(livestream, ())
        if channel.live_url and (live := broadcast_link(channel.live_url)) and live.platform == row.platform and live.broadcast:
            told = (*told, live.broadcast)
        report, now = self._reports.get(livestream), self.tools.now()
        if report is not None and report.broadcast and selfreport.is_fresh(report, now):
            told = (*told, report.broadcast)
        look = livestream in self._pressing and report is not None and selfreport.must_look(report, row, now)
        assert row.native_id is not None
        return Known(
            native_id=row.native_id,
            handle=row.handle,
            broadcasts=channels.broadcasts_of(row),
            candidates=row.candidates,
            hints=tuple(one for one in dict.fromkeys(told) if one not in row.over),
            over=row.over,
            asked_at=row.discovered_at,
            swept_at=None if look else row.swept_at,
        )

    def _tags(self, now: datetime) -> frozenset[str] | None:
        """Tags of the sessions that run; None when a session of everybody does."""
        assert self._seen is not None
        running = [session for session in self._seen.config.sessions if session.start <= now < session.end]
        if any(not session.tags for session in running):
            return None
        return frozenset(chain.from_iterable(session.tags for session in running))

    # --- what was learned ---------------------------------------------------------------------------------------------

    def _sighted(self, livestream: str, sighting: Sighting, discoverer: Discoverer) -> None:
        now, before = self.tools.now(), self.rows[livestream]
        if livestream in self._pressing:
            self._pressing.discard(livestream)
            self._pressed[livestream] = now
        row, turns = channels.sighted(before, sighting, now)
        self._keep(livestream, row)
        self._judge(livestream, silence=False)
        row = self.rows[livestream]
        for turn in turns:
            self._turned(livestream, row, turn, watched=before.watched_at is not None)
        if (live := channels.counting(row)) is not None and row.viewers is not None:
            self._viewers(livestream, live.id, row.viewers, self._pace(livestream, before, discoverer))
        else:
            self._silence(livestream, before, row)

    def _pace(self, livestream: str, before: Row, discoverer: Discoverer) -> float:
        """How often a live channel is really asked about: a quota that does not suffice makes it longer than the platform's own interval."""
        now, usual = self.tools.now(), discoverer.looks_every
        last = self._looked.get(livestream)
        self._looked[livestream] = now
        if last is None or channels.counting(before) is None:
            return usual
        since = (now - last).total_seconds()
        return since if since > 1.5 * usual else usual

    def _turned(self, livestream: str, row: Row, turn: Turn, *, watched: bool) -> None:
        now, broadcast = self.tools.now(), turn.broadcast
        self._events.append(
            Status(
                id=f"{row.platform}:status:{broadcast.id}:{turn.state}",
                platform=row.platform,
                livestream=livestream,
                broadcast=broadcast.id,
                at=now,
                received_at=now,
                state=turn.state,
            )
        )
        if turn.state == "live" and watched and broadcast.started_at is not None:
            self._delays.append((row.platform, (now - broadcast.started_at).total_seconds()))

    def _viewers(self, livestream: str, broadcast: str, viewers: int, interval: float) -> None:
        now, platform = self.tools.now(), self.rows[livestream].platform
        self._events.append(
            Viewers(
                id=f"{platform}:viewers:{broadcast}:{int(now.timestamp() * 1000)}",
                platform=platform,
                livestream=livestream,
                broadcast=broadcast,
                at=now,
                received_at=now,
                viewers=viewers,
                interval_seconds=interval,
            )
        )

    def _silence(self, livestream: str, before: Row, row: Row) -> None:
        """A broadcast that ended, or does not count any more, has no viewers at once and not only when its last sample is not believed."""
        was = channels.counting(before)
        if was is not None and before.viewers and channels.counting(row) is None:
            self._viewers(livestream, was.id, 0, 0.0)

    def _judge(self, livestream: str, *, silence: bool = True) -> None:
        """Which broadcasts count, and so whether the channel may be read."""
        before = self.rows[livestream]
        row = channels.judged(
            before,
            self._rules,
            self._roster[livestream],
            lambda broadcast: self._word(livestream, before, broadcast),
            self.tools.now(),
            open_while_offline=connectors.discoverer_of(before.platform).open_while_offline,
        )
        asking = self.asking.get(before.platform)
        if asking is not None and livestream in asking.left_out:
            row = channels.left_out(row)
        elif row.reason == channels.LEFT_OUT:
            row = replace(row, reason="")
        self._keep(livestream, row)
        if silence:
            self._silence(livestream, before, row)

    def _word(self, livestream: str, row: Row, broadcast: str) -> Said:
        """What people decided; who said to be live meant the broadcast that was on."""
        said = self._said.get((livestream, broadcast), Said())
        report = self._reports.get(livestream)
        if said.attendee is not None or report is None:
            return said
        meant = any(live.id == broadcast and selfreport.means(report, live) for live in row.broadcasts)
        return Said(producer=said.producer, attendee=True) if meant else said

    async def _save(self) -> None:
        """Events to the spool, rows to Redis; a row of which only the time of the question is new waits a minute."""
        events, self._events = self._events, []
        if events:
            await self.put(events)
        delays, self._delays = self._delays, []
        for platform, seconds in delays:
            await self.store.add_delay(platform, seconds)
        touched = {name: self.rows[name] for name in self._touched if name in self.rows}
        changed = {name: row for name, row in touched.items() if _is_news(self._saved.get(name), row)}
        gone = [name for name in self._saved if name not in self.rows]
        desks = {name: asking.desk for name, asking in self.asking.items()}
        new_desks = {name: desk for name, desk in desks.items() if self._desks.get(name) != desk}
        old_desks = [name for name in self._desks if name not in desks]
        await self.store.save(
            {name: channels.as_json(row) for name, row in changed.items()}, gone, desks=new_desks, closed=old_desks
        )
        self._desks = desks
        self._saved.update(changed)
        for name in gone:
            del self._saved[name]
        self._touched.clear()


def _is_news(saved: Row | None, row: Row) -> bool:
    """Whether a row must be written now."""
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
