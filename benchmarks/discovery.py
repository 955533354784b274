"""Discovery through five days of the event, on YouTube's real quota, in a time that nobody waits for.

The real book, plan and rounds of discovery, its Asking with ledger and failures, the platforms' discoverers, the hub's subscriptions and its
notifications are driven through days of discovery_world.py by a clock that is handed in; beside them a collector spends what the real one does for
chats and figures. The limit beside a delay is what is promised for it, beside units what was granted, beside a share all of them.

``python -m benchmarks.discovery [--days N] [--channels N] [NAME …]`` prints the table of all weathers, or of those named.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cache, partial
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import connectors
from benchmarks.discovery_world import CLOSES, FIRST, OPENS, SESSIONS, ZONE, Weather, World, atom, local, moment, signature
from benchmarks.measure import percentile, row
from connectors.connector import Hint, ProcessMemory, Request, Secret, Target, Tools
from connectors.event import Message, Status, Viewers
from connectors.youtube import Options as YouTubeOptions
from connectors.youtube.aim import Known, aim, idle_seconds, is_far, near, unknown
from connectors.youtube.parse import Context
from connectors.youtube.plan import figure_calls, figures_every, plan_of
from connectors.youtube.quota import Ledger, cost_of, midnight_after, poll_seconds
from connectors.youtube.videos import MOST_IDS, Video, read_videos, samples
from connectors.youtube.websub import WebSub
from connectors.youtube.websub_hooks import WebSubHook
from monitor.asking import Asking
from monitor.channels import as_json, broadcasts_of, from_json
from monitor.config import Config, Event, Platform, Scope, Session
from monitor.discover_book import Book
from monitor.discover_plan import Round
from monitor.discover_round import look
from monitor.posted import Posted
from monitor.roster import Channel, Roster
from monitor.signup import SelfReport

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from benchmarks.discovery_world import Broadcast, Person
    from benchmarks.measure import Row
    from connectors.rest import Ask, Reply

SIZE, QUICK = 1200, 60
DAYS: Final = 5
PROMISED: Final = {"twitch": 60.0, "kick": 60.0, "youtube": 120.0}
"""95 of 100 broadcasts are found within so many seconds; YouTube's, where somebody told."""
TOLD: Final = ("push", "self-report", "posted", "announced")
LONG: Final = 900.0
"""Broadcasts of at least so many seconds must be found while they are live."""
JUDGE_SECONDS: Final = 60.0
SETTLING: Final = 7200.0
"""After the start everybody is resolved and subscribed; what begins meanwhile says little."""


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits: no socket, no sleep, no loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("discovery waited for something that is not its clock")


@dataclass(slots=True)
class Found:
    """What happened to a broadcast."""

    at: float | None = None
    ended: float | None = None
    """When its end was noticed."""
    chat: float | None = None


@dataclass(slots=True)
class Gauge:
    """The viewers of a livestream as a wall has them."""

    samples: list[tuple[float, int, float]] = field(default_factory=list)
    """(at, viewers, until when it is believed)"""

    def shows(self, at: float) -> bool:
        before = [one for one in self.samples[-4:] if one[0] <= at]
        return bool(before) and before[-1][1] > 0 and before[-1][2] > at


class Collector:
    """Fifty channels of YouTube as their connector treats them: a call for what is new, chats, figures as often as the units last."""

    def __init__(self, days: Days, names: list[str]) -> None:
        self.days, self.names = days, names
        self.opts: Any = days.options["youtube"]
        self.ledger = Ledger(units_per_day=self.opts.units_per_day, reserve=self.opts.reserve_units)
        self.videos: dict[str, Video | None] = {}
        self.over: dict[str, str] = {}
        self.chats: dict[tuple[str, str], Any] = {}
        self.next_at = self.not_before = 0.0
        self.reading = False

    def turn(self) -> None:
        now, rows = self.days.world.at, self.days.book.rows
        targets = [
            Target(
                livestream=name, handle=rows[name].handle, native_id=rows[name].native_id, broadcasts=broadcasts_of(rows[name])
            )
            for name in self.names
            if name in rows and rows[name].native_id and rows[name].reading != "closed"
        ]
        aimed = aim(targets, Known(self.videos, self.over, self.chats))
        for gone in self.videos.keys() - aimed.videos.keys():
            del self.videos[gone]
        if aimed.chats and not self.reading:  # what was announced has begun
            self.next_at = min(self.next_at, now)
        self.reading = bool(aimed.chats)
        fresh = unknown(aimed, self.videos, ())
        regular = now >= self.next_at
        wanted = near(aimed, self.videos, moment(now)) if regular else fresh
        if (wanted or (regular and aimed.videos)) and now >= self.not_before:
            self._ask(aimed.videos, wanted, bool(fresh), now)
            aimed = aim(targets, Known(self.videos, self.over, self.chats))
        for place in self.chats.keys() - aimed.chats.keys():
            del self.chats[place]
        for place, chat in aimed.chats.items():
            if place not in self.chats and now >= self.not_before and self._pay("liveChat/messages/stream", essential=True):
                if self.days.world.charge("stream") is None:
                    self.chats[place] = chat
                    self.days.found[chat.video].chat = now
                else:
                    self._close(now)

    def _pay(self, method: str, *, essential: bool) -> bool:
        now = moment(self.days.world.at)
        closed = at_once(self.days.memory.get("youtube:closed"))
        if closed and json.loads(closed)["until"] > now.isoformat():
            self.not_before = midnight_after(now).timestamp()
            return False
        total = at_once(self.days.memory.add(self.ledger.key(now), cost_of(method)))
        if self.ledger.fits(total, essential=essential):
            return True
        at_once(self.days.memory.add(self.ledger.key(now), -cost_of(method)))
        day = not self.ledger.fits(total, essential=True)
        self.not_before = midnight_after(now).timestamp() if day else self.days.world.at + 300
        return False

    def _close(self, now: float) -> None:
        """YouTube said that the day is used up: every other connection must know."""
        until = midnight_after(moment(now))
        told = {"until": until.isoformat(), "meaning": "day", "words": "used up"}
        at_once(self.days.memory.put("youtube:closed", json.dumps(told)))
        self.not_before = until.timestamp()

    def _ask(self, livestreams: dict[str, str], wanted: list[str], fresh: bool, now: float) -> None:
        interval = self._interval(now)
        regular = now >= self.next_at
        for start in range(0, len(wanted), MOST_IDS):
            if (interval is None and not fresh) or not self._pay("videos", essential=fresh):
                break
            some = wanted[start : start + MOST_IDS]
            refusal = self.days.world.charge("videos")
            if refusal is not None:
                self._close(now) if refusal.status == 403 else None
                self.not_before = max(self.not_before, now + 60)
                return
            videos = {one.id: one for one in read_videos(self.days.world.video_list(some, "collector").body)}
            for name in some:
                self.videos[name] = video = videos.get(name)
                if video is not None:
                    context = Context(moment(now), lambda *_: "", livestreams[name], name)
                    for event in samples(video, context, interval or 300.0):
                        self.days.heard(event)
                    if video.state == "ended":
                        self.over[name] = "over"
        if regular:
            known, at = self.videos.values(), moment(now)
            self.next_at = now + max(interval or 300.0, 300.0 if is_far(known, at) else 0.0, idle_seconds(known, at))

    def _interval(self, now: float) -> float | None:
        at, channels = moment(now), len(self.days.youtube)
        left = self.ledger.left(int(at_once(self.days.memory.get(self.ledger.key(at))) or 0))
        return poll_seconds(
            wanted=figures_every(self.opts, channels), longest=max(300.0, self.opts.viewers_seconds),
            left=left - self.opts.reserve_units, calls=figure_calls(channels),
            seconds=min((midnight_after(at) - at).total_seconds(), self.opts.active_hours * 3600),
        )  # fmt: skip


class Days:
    """One run; ``go`` passes the time, ``figures`` says how it went."""

    def __init__(self, world: World, *, restart_hours: float = 0.0, quiet: bool = False) -> None:
        self.world, self.restart_hours, self.quiet = world, restart_hours, quiet
        """``quiet``: nobody reports, posts or announces, and nothing is pushed."""
        self.memory = ProcessMemory()
        self.found: dict[str, Found] = {one.key(): Found() for one in world.broadcasts}
        self.gauges: dict[str, Gauge] = defaultdict(Gauge)
        self.hints: dict[str, tuple[str, Hint]] = {}
        self.kept: dict[str, str] = {}
        """What the hub's subscriptions want remembered."""
        self.reports: dict[str, SelfReport] = {}
        self.pressed: dict[str, list[float]] = defaultdict(list)
        """Livestream → when somebody told of it."""
        self.restarts: list[float] = []
        self.posted = Posted()
        self.options = self._options()
        self.config = self._config()
        self.roster = self._roster()
        self.youtube = [one.livestream for one in world.people if one.platform == "youtube"]
        self.tools = Tools(pseudonym=pseudonym, now=lambda: moment(world.at), dice=random.Random(1), memory=self.memory)
        self.book = Book()
        self._begin()

    # --- what is configured -------------------------------------------------------------------------------------------

    def _options(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "api_key": Secret("k"), "url": "https://youtube.test/youtube/v3", "hub_url": "https://hub.test/subscribe",
            "units_per_day": self.world.weather.units_per_day,
        }  # fmt: skip
        if "feed_url" in {one.name for one in fields(YouTubeOptions)}:
            own["feed_url"] = "https://feeds.test/feeds/videos.xml"
        keys = {"client_id": Secret("i"), "client_secret": Secret("s")}
        made = {
            "youtube": own,
            "twitch": {**keys, "helix_url": "https://twitch.test/helix", "login_url": "https://twitch.test/oauth2"},
            "kick": {**keys, "client_id": "i", "api": "https://kick.test", "login": "https://kick.test"},
        }
        return {name: connectors.class_of(name).options(**table) for name, table in made.items()}

    def _config(self) -> Config:
        sessions = [
            Session(
                id=f"{name}{day}", name={"*": name}, tags=frozenset((tag,) if tag else ()),
                start=FIRST + timedelta(days=day, hours=start), end=FIRST + timedelta(days=day, hours=end),
            )
            for day in range(self.world.days)
            for name, start, end, tag in SESSIONS
        ]  # fmt: skip
        return Config(
            event=Event(name="Days", timezone=ZONE, hashtags=("#OurSummit",)),
            sessions=tuple(sessions),
            platforms={name: Platform(name=name, options={}) for name in (*self.options, "bluesky")},
            scope=Scope(hours="event"),
        )

    def _roster(self) -> Roster:
        made = []
        for one in self.world.people:
            common: dict[str, Any] = {
                "attendee": str(one.index), "name": one.handle, "country": None, "language": None, "consent": "yes",
                "tags": frozenset((one.tag,)), "priority": 1 + one.index % 4,
            }  # fmt: skip
            made.append(Channel(id=one.livestream, platform=one.platform, handle=one.handle, **common))
            if one.bluesky:
                made.append(Channel(id=f"bluesky:{one.handle}", platform="bluesky", handle=one.handle, **common))
        return Roster(channels=tuple(made))

    # --- the process --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """A process begins, and knows what the one before it left in Redis."""
        self.book = Book({name: from_json(as_json(one)) for name, one in self.book.rows.items()})
        self.book.take_setup(self.config, self.roster)
        self.asking = {
            name: Asking(connectors.discoverer_of(name)(options), options, self._fetch, self.tools)
            for name, options in self.options.items()
            if name in self.book.platforms
        }
        self.rounds = {name: Round(name) for name in self.asking}
        self.book.asked = self.asking.keys()
        self.book.follow(self.tools.now())
        self.book.reported(self.reports, self.tools.now(), first=True)
        self.hub = WebSub(self.options["youtube"], self.tools, "https://ours.test/hooks/youtube")
        self.hub.load(self.kept)
        self.collectors = [
            Collector(self, self.youtube[start : start + self.options["youtube"].capacity])
            for start in range(0, len(self.youtube), self.options["youtube"].capacity)
        ]
        self._of = {name: one for one in self.collectors for name in one.names}
        self._read: dict[str, Any] = {}
        self._judge_at = self._hub_at = 0.0
        self._restart_at = self.world.at + self.restart_hours * 3600 if self.restart_hours else self.world.end

    async def _fetch(self, ask: Ask) -> Reply:
        return self.world.answer(ask)

    def go(self) -> None:
        world = self.world
        while world.at < world.end:
            if world.at >= self._restart_at:
                self.restarts.append(world.at)
                self._begin()
            self._turn()
            world.at = min(world.end, max(world.at + 1.0, float(int(self._next()))))

    def _next(self) -> float:
        """When something is due again: nothing happens between now and then."""
        world = self.world
        if self.hints:
            return world.at
        times = [world.next_at, self._judge_at, self._restart_at, self._hub_at]
        for name, asking in self.asking.items():
            plan = self.rounds[name]
            at = world.at if plan.waiting or plan.next_sweep is None else plan.next_sweep.timestamp()
            times.append(max(at, asking.not_before.timestamp() if asking.not_before else 0.0))
        times += [max(one.next_at, one.not_before) for one in self.collectors if one.videos]
        return min(times)

    def _turn(self) -> None:
        now = self.tools.now()
        for what, about in self.world.happened():
            self._happens(what, about, now)
        for name in self.book.hear(self.hints, now, self._subscription):
            del self.hints[name]
        for name, asking in self.asking.items():
            at_once(look(asking, self.rounds[name], self.book))
        if self.world.at >= self._judge_at:
            self.book.judge_all(self.book.rows, now)
            self._judge_at = self.world.at + JUDGE_SECONDS
        for event in self.book.taken().events:
            self.heard(event)
        self._subscribe(now)
        self._collect()

    def _subscription(self, platform: str, hint: Hint) -> bool:
        self.hub.hear(hint, self.tools.now())
        return platform == "youtube"

    def _subscribe(self, now: datetime) -> None:
        """As the shell asks the hub, only that it is not asked every second once all stand."""
        if self.quiet or not self.youtube or self.world.at < self._hub_at:
            return
        mine = self.book.asked_about("youtube")
        self.hub.watch({row.native_id or "" for row, _ in mine.values()})
        ask = self.hub.next(now)
        if ask is not None:
            self.hub.take(self.world.answer(ask), now)
        for key, value in self.hub.changes().items():
            self.kept[key] = value or ""
        self._hub_at = self.world.at + (1.0 if self.hub.standing < len(mine) and ask is not None else 300.0)

    def _collect(self) -> None:
        changed = set()
        for name in self.book.touched & self._of.keys() & self.book.rows.keys():
            row = self.book.rows[name]
            if self._read.get(name) != (row.broadcasts, row.reading):
                self._read[name] = row.broadcasts, row.reading
                changed.add(self._of[name])
        self.book.touched.clear()
        for one in self.collectors:
            if one in changed or (one.videos and self.world.at >= max(one.next_at, one.not_before)):
                one.turn()

    # --- what happens outside -----------------------------------------------------------------------------------------

    def _happens(self, what: str, about: Any, now: datetime) -> None:
        match what:
            case "asked to subscribe":
                self._confirm(about, now)
            case "published" if not self.quiet:
                self._told_by_hub(about, now)
            case "eventsub" if not self.quiet:
                self._hint("twitch", Hint(what="began", native_id=about.channel.user, at=now, broadcast=about.id), about.channel)
            case "self-report" if not self.quiet:
                self._report(about, now)
            case "posted" if not self.quiet:
                self._post(about, now)

    def _hint(self, platform: str, hint: Hint, channel: Person) -> None:
        self.hints[f"{platform} {hint.what} {hint.native_id} {hint.broadcast or ''} {hint.key}"] = (platform, hint)
        self.pressed[channel.livestream].append(self.world.at)

    def _confirm(self, about: tuple[str, str, str], now: datetime) -> None:
        """The hub asks whether we meant it."""
        channel, callback, secret = about
        query = {
            "hub.mode": "subscribe", "hub.topic": f"https://www.youtube.com/feeds/videos.xml?channel_id={channel}",
            "hub.challenge": "x", "hub.lease_seconds": "432000",
        }  # fmt: skip
        path = callback.partition("/hooks/youtube/")[2]
        answer = self._hook().receive(Request(method="GET", path=path, query=query, body=b""), now)
        if answer.status == 200:
            self.world.subscribed[channel] = (path, secret)
        for hint in answer.hints:
            self.hints[f"youtube {hint.what} {hint.native_id}  {hint.key}"] = ("youtube", hint)

    def _hook(self) -> WebSubHook:
        directory = {row.native_id: name for name, row in self.book.rows.items() if row.platform == "youtube" and row.native_id}
        return WebSubHook(self.options["youtube"], directory, self.tools)

    def _told_by_hub(self, one: Broadcast, now: datetime) -> None:
        subscribed = self.world.subscribed.get(one.channel.user)
        if subscribed is None:
            return
        path, secret = subscribed
        body = atom(one.channel.user, [one.id])
        request = Request(method="POST", path=path, body=body, headers={"x-hub-signature": signature(secret, body)})
        for hint in self._hook().receive(request, now).hints:
            self._hint("youtube", hint, one.channel)

    def _address(self, one: Broadcast) -> str:
        match one.channel.platform:
            case "youtube":
                return f"https://www.youtube.com/watch?v={one.id}"
            case "kick":
                return f"https://kick.com/{one.channel.handle}"
        return f"https://www.twitch.tv/{one.channel.handle}"

    def _report(self, one: Broadcast, now: datetime) -> None:
        link = one.channel.platform == "youtube" and one.number % 2 == 0
        report = SelfReport(one.channel.platform, self._address(one), now, broadcast=one.id if link else None)
        self.reports = {**self.reports, one.channel.livestream: report}
        self.book.reported(self.reports, now, first=False)
        self.pressed[one.channel.livestream].append(self.world.at)

    def _post(self, one: Broadcast, now: datetime) -> None:
        event = Message(
            id=f"bluesky:{one.id}", platform="bluesky", livestream=f"bluesky:{one.channel.handle}", at=now, received_at=now,
            text="we are live", form="post", links=(self._address(one),),
        )  # fmt: skip
        hints = self.posted.hints([event], self.roster, self.book.rows, now, require_consent=self.config.require_consent)
        for platform, hint in hints:
            self._hint(platform, hint, one.channel)

    # --- what was found -----------------------------------------------------------------------------------------------

    def heard(self, event: Any) -> None:
        now = self.world.at
        match event:
            case Status(state="live", broadcast=str(name)) if name in self.found:
                self.found[name].at = self.found[name].at or now
            case Status(state="ended", broadcast=str(name)) if name in self.found:
                self.found[name].ended = self.found[name].ended or now
            case Viewers(livestream=str(name)):
                believed = max(180.0, 2.5 * (event.interval_seconds or 0.0))
                self.gauges[name].samples.append((now, event.viewers, now + believed))

    # --- how it went --------------------------------------------------------------------------------------------------

    def counted(self, *, settling: float = SETTLING) -> list[Broadcast]:
        """Broadcasts of the event's hours that began after everybody was known, and may be asked about."""
        barred = {name for name, row in self.book.rows.items() if row.state in ("unreachable", "refused", "paused")}
        return [
            one
            for one in self.world.broadcasts
            if one.in_scope
            and one.started >= self.world.begin + settling
            and one.ended <= self.world.end
            and one.channel.livestream not in barred
        ]

    def delays(self) -> dict[tuple[str, str], list[float]]:
        """(platform, way) → how late each was found; never: infinite."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for one in self.counted():
            at = self.found[one.key()].at
            late = float("inf") if at is None or at >= one.ended + 60 else at - one.started
            found[one.channel.platform, "sweep" if self.quiet else one.way].append(late)
        return found

    def plan(self) -> int:
        """Units of a day of the event without mishaps, as monitor check prints them."""
        return plan_of(self.options["youtube"], len(self.book.asked_about("youtube"))).spent

    def full_days(self) -> list[int]:
        """Units of the Pacific days of which the whole was passed."""
        return [self.world.spent[day] for day in sorted(self.world.spent)[1:-1]]

    def missed(self) -> list[Broadcast]:
        """Broadcasts long enough that were not found while they were live."""
        return [
            one
            for one in self.counted()
            if one.ended - one.started >= LONG and (self.found[one.key()].at or float("inf")) >= one.ended
        ]

    def unread(self) -> list[Broadcast]:
        """Broadcasts of YouTube whose chat was never opened, of channels that fit into the day."""
        return [one for one in self.counted() if one.channel.platform == "youtube" and self.found[one.key()].chat is None]

    def end_delays(self) -> dict[str, list[float]]:
        """Platform → how late each end was noticed."""
        late: dict[str, list[float]] = defaultdict(list)
        for one in self.counted():
            found = self.found[one.key()]
            if found.at is not None and found.at < one.ended:
                late[one.channel.platform].append((found.ended or float("inf")) - one.ended)
        return late

    def hanging(self) -> list[tuple[str, float]]:
        """Viewers that are still shown when they must not be believed any more: (livestream, seconds after the end)."""
        found = []
        for person in self.world.people:
            gauge = self.gauges.get(person.livestream)
            for at, viewers, until in gauge.samples if gauge else ():
                if viewers and not person.live(at):
                    found.append((person.livestream, at))
                ended = max((one.ended for one in person.broadcasts if one.started <= at), default=0.0)
                if viewers and until > max(ended, at) + max(180.0, until - at):
                    found.append((person.livestream, until))
        return found

    def asked_too_often(self) -> list[tuple[str, str, float]]:
        """(question, about, seconds) of what was asked again before its interval although nobody had told anything of it."""
        least = {"streams": 30.0, "channels": 60.0, "feed": 235.0, "uploads": 119.0, "videos of lookout": 51.0}
        owner = {one.user: one.livestream for one in self.world.people} | {
            b.id: one.livestream for one in self.world.people for b in one.broadcasts
        }
        found = []
        for (what, about), times in self.world.looks.items():
            told = self.pressed.get(owner.get(about, ""), [])
            for one, following in pairwise(times):
                if following - one >= least.get(what, 0.0) - 1:
                    continue
                near = any(one - 300 <= at <= following for at in (*told, *self.restarts))
                if what == "videos of lookout" and not near:  # a look at the channel found something new beside it
                    user = self.world.videos[about].channel.user
                    looks = (*self.world.looks.get(("feed", user), ()), *self.world.looks.get(("uploads", user), ()))
                    near = any(following - 65 <= at <= following for at in looks)
                if not near:
                    found.append((what, about, following - one))
        return found

    def longest_wait(self) -> dict[str, float]:
        """Platform and question → the longest time that a channel was not looked at, in hours of the event."""
        found: dict[str, float] = {}
        names = {"streams": "twitch", "channels": "kick", "feed": "youtube feed", "uploads": "youtube uploads"}
        for (what, _), times in self.world.looks.items():
            if what not in names:
                continue
            for day in range(1, self.world.days + 1):
                opens, closes = local(day, OPENS), local(day, CLOSES)
                inside = [opens, *(at for at in times if opens <= at <= closes), closes]
                longest = max(b - a for a, b in pairwise(inside))
                found[names[what]] = max(found.get(names[what], 0.0), longest)
        return found


@cache
def pseudonym(*parts: str) -> str:
    """The same in every process, as the real one is."""
    return blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def weathers(*, units_per_day: int = 10_000, day: int = 2) -> dict[str, tuple[Weather, dict[str, Any]]]:
    """What is tried, by name: what the platforms are like, and what else is special; what happens once happens on that day."""
    granted = partial(Weather, units_per_day=units_per_day)
    return {
        "fair": (granted(), {}),
        "no push": (granted(hub=False), {}),
        "the hub loses 30 %": (granted(hub_loses=0.3), {}),
        "an hour of 5xx": (granted(down=(local(day, 13), local(day, 14))), {}),
        "robbed at noon": (granted(robbed=local(day, 12)), {}),
        "a restart every 6 h": (granted(), {"restart_hours": 6.0}),
        "feeds 15 min old": (granted(feed_age=900.0), {}),
        "no feeds, no push": (granted(feeds=False, hub=False), {}),
        "nobody tells": (granted(), {"quiet": True}),
    }


def tried(name: str, channels: int, days: int, *, only: str = "youtube") -> Days:
    """The event in that weather, passed."""
    weather, more = weathers()[name]
    run = Days(World(channels, days, weather=weather, only=only), **more)
    run.go()
    return run


def shown(run: Days) -> dict[str, Any]:
    """The figures of a run."""
    found: dict[str, Any] = {"delay p50/p95": {}}
    for (platform, way), late in sorted(run.delays().items()):
        found["delay p50/p95"][f"{platform} {way}"] = [
            len(late),
            *(round(percentile(late, at)) if percentile(late, at) < 1e9 else None for at in (50, 95)),
        ]
    found["units"] = {**run.world.spent, "plan": run.plan() if run.youtube else None}
    found["methods"] = {f"{day} {method}": count for (day, method), count in run.world.by_method.items()}
    found["missed"] = f"{len(run.missed())} of {len(run.counted())}"
    found["unread chats"] = len(run.unread())
    found["refused"] = len(run.world.refused)
    found["ends p95/max"] = {name: [round(percentile(late, 95)), max(late)] for name, late in run.end_delays().items()}
    found["hanging"] = len(run.hanging())
    found["too often"] = run.asked_too_often()[:3]
    found["longest wait"] = {name: round(seconds) for name, seconds in run.longest_wait().items()}
    return found


def run(size: int = SIZE) -> list[Row]:
    """The figures of results.json: five days of all platforms in fair weather, and of YouTube in the others."""
    days = DAYS if size >= SIZE else 2
    fair = tried("fair", size, days, only="")
    rows = []
    by_platform: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for (platform, way), late in fair.delays().items():
        by_platform[platform, way != "sweep"] += late
    for (platform, told), late in sorted(by_platform.items()):
        name = f"discovery.{platform}.{'told' if told else 'looked'}.p95"
        rows.append(row(name, min(percentile(late, 95), 86_400.0), "s", "less", limit=PROMISED[platform] if told else LONG))
    granted = fair.world.weather.units_per_day - fair.options["youtube"].reserve_units
    rows.append(row("discovery.youtube.units", max(fair.world.spent.values()), "units/day", "less", limit=granted))
    rows.append(row("discovery.youtube.units_of_plan", max(fair.full_days() or [0]), "units/day", "less", limit=fair.plan()))
    for name in ("no push", "nobody tells"):
        other = tried(name, size, min(days, 2))
        share = 100 * (1 - len(other.missed()) / len(other.counted()))
        rows.append(row(f"discovery.youtube.found.{name.replace(' ', '_')}", share, "% while live", "more", limit=100.0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.discovery", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=", ".join(weathers()).replace("%", "%%"))
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--channels", type=int, default=SIZE)
    parser.add_argument("--only", default="youtube")
    args = parser.parse_args()
    for name in args.names or weathers():
        begun = time.process_time()
        run = tried(name, args.channels, args.days, only=args.only)
        print(json.dumps({name: shown(run), "cpu": round(time.process_time() - begun, 1)}, indent=1), flush=True)


if __name__ == "__main__":
    main()
