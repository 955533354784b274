"""What discovery knows of every channel, what people and platforms said of it, and what an answer changes. Pure: time is handed in.

One row per livestream (channels.py). ``follow`` makes them out of the roster; ``sighted`` and ``resolved`` take what a platform answered,
``listened`` what people decided, ``hear`` what platforms told of themselves. What follows from it for others, events and how late
beginnings were found, is collected until ``taken``. What to ask next is discover_plan.py's, and who asks discover_round.py's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

import connectors
from connectors.discovery import Known
from connectors.event import Level, Status, Viewers
from monitor import channels, selfreport
from monitor.heard import FORGOTTEN, SUBSCRIPTION, Heard
from monitor.links import broadcast_link
from monitor.roster import why_not
from monitor.schedule import Schedule
from monitor.scope import Rules, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from connectors.connector import Hint
    from connectors.discovery import Account, Discoverer, Sighting
    from connectors.event import Event
    from monitor.channels import Row, Turn
    from monitor.config import Config
    from monitor.roster import Channel, Roster
    from monitor.signup import SelfReport

log = logging.getLogger("monitor.discover")

BARRED: Final = ("paused", "refused", "unreachable")
"""States in which nobody is asked about."""


@dataclass(slots=True)
class Learned:
    """What is to be told to others."""

    events: list[Event] = field(default_factory=list)
    delays: list[tuple[str, float]] = field(default_factory=list)
    """Platform, and how late the beginning of a broadcast was found."""


class Book:
    """All channels; see the module docstring."""

    def __init__(self, rows: Mapping[str, Row] | None = None) -> None:
        self.rows: dict[str, Row] = dict(rows or {})
        self.touched: set[str] = set()
        """Rows that were changed since whoever keeps them cleared this."""
        self.roster: dict[str, Channel] = {}
        """Those on platforms that may be asked."""
        self.platforms: set[str] = set()
        """Of those."""
        self.asked: Collection[str] = ()
        """Platforms that can be asked with this configuration."""
        self.left_out: dict[str, frozenset[str]] = {}
        """Platform → livestreams that the units of a day do not carry."""
        self.heard = Heard()
        self._everybody: dict[str, Channel] = {}
        self._said: Mapping[tuple[str, str], Said] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        """Livestream → broadcasts of which the attendee says that they are of the event; discovery may not have seen them yet."""
        self._reports: Mapping[str, SelfReport] = {}
        """Livestream → who says that it is live."""
        self._pressing: dict[str, datetime] = {}
        """Livestream → when we heard of its report, of which the platform has not been asked."""
        self.pressed: dict[str, datetime] = {}
        """When it was asked about one before its turn."""
        self._freed: set[str] = set()
        """Livestreams that may be read again, and have not been asked about since."""
        self._looked: dict[str, datetime] = {}
        """When this process last heard of a channel; what an earlier one did says nothing about our pace."""
        self._learned = Learned()
        self.config: Config
        self.rules: Rules
        self.schedule: Schedule

    def taken(self) -> Learned:
        """What was learned since this was last asked."""
        learned, self._learned = self._learned, Learned()
        return learned

    def keep(self, livestream: str, row: Row) -> None:
        if self.rows.get(livestream) is not row:
            self.rows[livestream] = row
            self.touched.add(livestream)

    # --- configuration and people -------------------------------------------------------------------------------------

    def take_setup(self, config: Config, roster: Roster) -> None:
        """A changed configuration or roster; ``follow`` makes the rows of it."""
        self.config = config
        self._everybody = roster.by_id()
        self.rules, self.schedule = Rules(config), Schedule.of(config)
        self.roster = {
            channel.id: channel
            for channel in roster.channels
            if channel.platform in connectors.DISCOVERERS and config.platform(channel.platform).enabled
        }
        self.platforms = {channel.platform for channel in self.roster.values()}

    def follow(self, now: datetime) -> None:
        """A row for each channel of the platforms that can be asked, and none for anybody else."""
        for name, channel in self.roster.items():
            if channel.platform in self.asked:
                barred = why_not(channel, self.config.require_consent)
                paused = channel.state == "paused"
                row = self.rows.get(name)
                known = None if row is not None and row.told else row
                self.keep(name, channels.of_roster(channel, known, barred, paused=paused, now=now))
                if known is not None and known.state in ("paused", "refused") and not barred:
                    self._freed.add(name)
        for name, row in list(self.rows.items()):
            if not row.told and (name not in self.roster or row.platform not in self.asked):
                del self.rows[name]

    def listened(self, said: Mapping[tuple[str, str], Said]) -> None:
        """What people decided about broadcasts."""
        self._said, self._told = said, {}
        for (livestream, broadcast), one in said.items():
            if one.attendee:
                self._told[livestream] = (*self._told.get(livestream, ()), broadcast)

    def reported(self, reports: Mapping[str, SelfReport], now: datetime, *, first: bool) -> None:
        """Who says that they are live. ``first``: we have just begun, and others may have been told before."""
        before, self._reports = self._reports, reports
        for name, report in reports.items():
            unheard = selfreport.is_unanswered(report, self.rows.get(name), now) if first else report != before.get(name)
            if unheard and selfreport.is_fresh(report, now):
                self._pressing.setdefault(name, now)
        self._pressing = {name: at for name, at in self._pressing.items() if name in reports}

    def hear(
        self, hints: Mapping[str, tuple[str, Hint]], now: datetime, subscribed: Callable[[str, Hint], bool] | None = None
    ) -> list[str]:
        """What platforms told us: those channels are asked about before their turn. Gives the names of the hints that are done with.

        ``subscribed`` takes what is said of a subscription, and says whether it could.
        """
        if not hints:
            return []
        by_id = {
            (row.platform, row.native_id): name
            for name, row in self.rows.items()
            if row.native_id and not row.told and row.state != "unreachable"
        }
        done = []
        for name, (platform, hint) in hints.items():
            if hint.what in SUBSCRIPTION:
                if (subscribed is not None and subscribed(platform, hint)) or now - hint.at > FORGOTTEN:
                    done.append(name)
            else:
                livestream = by_id.get((platform, hint.native_id))
                if self.heard.settle(name, livestream, self.rows.get(livestream or ""), hint, now):
                    done.append(name)
        return done

    def believe(self, now: datetime) -> None:
        """Who is live where nobody can be asked: those of whom somebody said so."""
        told = set()
        for name, report in self._reports.items():
            channel = self._everybody.get(name)
            if channel is None or channel.platform in self.asked or not selfreport.is_fresh(report, now):
                continue
            said = self._said.get((name, report.broadcast or ""), Said(attendee=True))
            counts = self.rules.judge("", now, tags=channel.tags, said=said).scope == "in"
            enabled = self.config.platform(channel.platform).enabled
            if counts and enabled and not why_not(channel, self.config.require_consent):
                told.add(name)
                row = selfreport.told_row(channel, report)
                if self.rows.get(name) != row:
                    self.keep(name, row)
        for name in [name for name, row in self.rows.items() if row.told and name not in told]:
            del self.rows[name]

    # --- for who plans ------------------------------------------------------------------------------------------------

    def asked_about(self, platform: str) -> dict[str, tuple[Row, Channel]]:
        """The channels of a platform that may be asked about."""
        return {
            livestream: (row, self.roster[livestream])
            for livestream, row in self.rows.items()
            if row.platform == platform and row.native_id and row.state not in BARRED
        }

    def pressing(self, platform: str, now: datetime, *, paid: bool, together: tuple[float, float]) -> list[str]:
        """Channels that are asked about before their turn: they may just be read again, somebody called them live, or the platform said something.

        Until one has waited for its time of ``together`` they wait for others, so that one question is about all of them.
        """
        freed = self._take_freed(platform)
        if not self._pressing and not self.heard.hints:
            return freed
        waited = list(self._waited(platform, now, together))
        if waited and not any(waited):
            return freed
        return [*freed, *self._press(platform, now), *self._told_about(platform, now, paid=paid)]

    def _take_freed(self, platform: str) -> list[str]:
        """Each once: what goes wrong with it goes on with everybody's next look."""
        rows = [(name, row) for name in sorted(self._freed) if (row := self.rows.get(name)) is not None]
        freed = [name for name, row in rows if row.platform == platform and row.native_id and row.state not in BARRED]
        self._freed.difference_update(freed)
        return freed

    def _waited(self, platform: str, now: datetime, together: tuple[float, float]) -> Iterator[bool]:
        """Of each that has not been asked about, whether it has waited long enough."""
        for name, at in self._pressing.items():
            if (row := self.rows.get(name)) is not None and row.platform == platform:
                yield (now - at).total_seconds() >= together[0]
        for at in self.heard.seen_of(platform):
            yield (now - at).total_seconds() >= together[1]

    def _press(self, platform: str, now: datetime) -> list[str]:
        pressing = []
        for livestream in sorted(self._pressing):
            row, report, last = self.rows.get(livestream), self._reports[livestream], self.pressed.get(livestream)
            if row is None or row.platform != platform or row.native_id is None or row.state in BARRED:
                continue
            if not selfreport.is_fresh(report, now) or (last is not None and now - last < selfreport.AGAIN):
                continue
            self.keep(livestream, selfreport.with_candidate(row, report))
            pressing.append(livestream)
        return pressing

    def _told_about(self, platform: str, now: datetime, *, paid: bool) -> list[str]:
        if not self.heard.hints:
            return []
        mine = {livestream: row for livestream, row in self.rows.items() if row.platform == platform}
        found = self.heard.due(mine, now, paid=paid)
        for livestream, row in found.items():
            self.keep(livestream, row)
        return list(found)

    def known(self, livestream: str, row: Row, channel: Channel, now: datetime) -> Known:
        """What a discoverer is told: what the platform said, and what people named."""
        told = self._told.get(livestream, ())
        if channel.live_url and (live := broadcast_link(channel.live_url)) and live.platform == row.platform and live.broadcast:
            told = (*told, live.broadcast)
        report = self._reports.get(livestream)
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
            fed_at=row.fed_at,
        )

    def tags_now(self, now: datetime) -> frozenset[str] | None:
        """Tags of the sessions that run; None when a session of everybody does."""
        running = [session for session in self.config.sessions if session.start <= now < session.end]
        if any(not session.tags for session in running):
            return None
        return frozenset(chain.from_iterable(session.tags for session in running))

    # --- what was answered --------------------------------------------------------------------------------------------

    def resolved(self, livestream: str, account: Account, title: str, now: datetime, *, owner: str | None) -> None:
        before = self.rows[livestream]
        row = channels.resolved(before, account, now, owner=owner, title=title)
        if row.handle != before.handle:
            log.info("%s is called %s by now", livestream, row.handle)
        self.keep(livestream, row)
        self.judge(livestream, now)

    def sighted(self, livestream: str, sighting: Sighting, discoverer: Discoverer, now: datetime) -> None:
        before = self.rows[livestream]
        if sighting.fed:
            self.keep(livestream, channels.fed(before, sighting, now))
            return
        if livestream in self._pressing:
            del self._pressing[livestream]
            self.pressed[livestream] = now
        row, turns = channels.sighted(before, sighting, now)
        self.keep(livestream, row)
        self.judge(livestream, now, silence=False)
        row = self.rows[livestream]
        for turn in turns:
            self._turned(livestream, row, turn, now, watched=before.watched_at is not None)
        if (live := channels.counting(row)) is not None and row.viewers is not None:
            self._viewers(livestream, live.id, row.viewers, self._pace(livestream, before, discoverer, now), now)
        else:
            self._silence(livestream, before, row, now)
        for broadcast, likes in sighting.likes:
            if any(one.id == broadcast and one.scope == "in" and one.found_at is not None for one in row.broadcasts):
                self._likes(livestream, broadcast, likes, now)

    def _pace(self, livestream: str, before: Row, discoverer: Discoverer, now: datetime) -> float:
        """How often a live channel is really asked about: a quota that does not suffice makes it longer than the platform's own interval."""
        usual = discoverer.looks_every
        last = self._looked.get(livestream)
        self._looked[livestream] = now
        if last is None or channels.counting(before) is None:
            return usual
        since = (now - last).total_seconds()
        return since if since > 1.5 * usual else usual

    def _turned(self, livestream: str, row: Row, turn: Turn, now: datetime, *, watched: bool) -> None:
        broadcast = turn.broadcast
        name = f"{row.platform}:status:{broadcast.id}:{turn.state}"
        self._learned.events.append(Status(id=name, state=turn.state, **self._about(livestream, broadcast.id, now)))
        if turn.state == "live" and watched and broadcast.started_at is not None:
            self._learned.delays.append((row.platform, (now - broadcast.started_at).total_seconds()))

    def _viewers(self, livestream: str, broadcast: str, viewers: int, interval: float, now: datetime) -> None:
        about = self._about(livestream, broadcast, now)
        name = f"{about['platform']}:viewers:{broadcast}:{int(now.timestamp() * 1000)}"
        self._learned.events.append(Viewers(id=name, viewers=viewers, interval_seconds=interval, **about))

    def _likes(self, livestream: str, broadcast: str, likes: int, now: datetime) -> None:
        """The answer that confirms a broadcast has them: one that is over before its connector asks for figures would leave none."""
        about = self._about(livestream, broadcast, now)
        name = f"{about['platform']}:{broadcast}:likes:{int(now.timestamp() * 1000)}"
        self._learned.events.append(Level(id=name, what="reactions", value=likes, **about))

    def _about(self, livestream: str, broadcast: str, now: datetime) -> dict[str, Any]:
        return {
            "platform": self.rows[livestream].platform,
            "livestream": livestream,
            "broadcast": broadcast,
            "at": now,
            "received_at": now,
        }

    def _silence(self, livestream: str, before: Row, row: Row, now: datetime) -> None:
        """A broadcast that ended, or does not count any more, has no viewers at once and not only when its last sample is not believed."""
        was = channels.counting(before)
        if was is not None and before.viewers and channels.counting(row) is None:
            self._viewers(livestream, was.id, 0, 0.0, now)

    # --- which broadcasts count ---------------------------------------------------------------------------------------

    def judge_all(self, names: Iterable[str], now: datetime) -> None:
        for livestream in list(names):
            if not self.rows[livestream].told:
                self.judge(livestream, now)

    def judge(self, livestream: str, now: datetime, *, silence: bool = True) -> None:
        """Which broadcasts count, and so whether the channel may be read."""
        before = self.rows[livestream]
        row = channels.judged(
            before,
            self.rules,
            self.roster[livestream],
            lambda broadcast: self._word(livestream, before, broadcast),
            now,
            open_while_offline=connectors.discoverer_of(before.platform).open_while_offline,
        )
        if livestream in self.left_out.get(before.platform, ()):
            row = channels.left_out(row)
        elif row.reason == channels.LEFT_OUT:
            row = replace(row, reason="")
        self.keep(livestream, row)
        if silence:
            self._silence(livestream, before, row, now)

    def _word(self, livestream: str, row: Row, broadcast: str) -> Said:
        """What people decided; who said to be live meant the broadcast that was on."""
        said = self._said.get((livestream, broadcast), Said())
        report = self._reports.get(livestream)
        if said.attendee is not None or report is None:
            return said
        meant = any(live.id == broadcast and selfreport.means(report, live) for live in row.broadcasts)
        return Said(producer=said.producer, attendee=True) if meant else said
