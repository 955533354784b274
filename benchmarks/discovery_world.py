"""The event of benchmarks/discovery.py from the platforms' side: who goes live when, who says so, and what Twitch, Kick and YouTube answer.

No time passes here by itself: ``World.at`` is set by whoever drives it, and everything is a function of a seed. The mix is that of 1,200 people's
channels: 35 % YouTube, 25 % Twitch, 10 % Kick, the rest posts (a third of the people has a Bluesky account as well). Each goes live at hours
of its own, some never, some under a handle that is wrong or changes, some off-topic, some at night, some two at once. How each broadcast can
be found is drawn beforehand: the hub tells of it, its owner presses the button, posts its address, has announced it, or nobody says anything.

What is not known of the real platforms is a parameter: how late the hub is, how often it loses a notice, how old a feed may be.
"""

from __future__ import annotations

import hmac
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from connectors.connector import Dropped
from connectors.rest import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.rest import Ask

ZONE: Final = ZoneInfo("Asia/Shanghai")
PACIFIC: Final = ZoneInfo("America/Los_Angeles")
FIRST: Final = datetime(2026, 10, 16, tzinfo=ZONE)
"""Midnight before the first day of the event."""
OPENS, CLOSES = 10, 22
"""Hours of the event, by its own clock."""
TAGS: Final = ("track", "festival", "factory")
SESSIONS: Final = (
    ("opening", 10, 12, ""),
    ("track", 12, 15, "track"),
    ("factory", 14, 18, "factory"),
    ("festival", 18, 22, "festival"),
)
SHARES: Final = (("youtube", 0.35), ("twitch", 0.25), ("kick", 0.10))
COSTS: Final = {"videos": 1, "channels": 1, "playlistItems": 1, "stream": 5}
QUOTA: Final = (
    b'{"error":{"code":403,"message":"quota","errors":[{"domain":"youtube.quota","reason":"quotaExceeded","message":"quota"}]}}'
)
UPLOADS: Final = 15
"""Of a channel, newest first; a feed has so many, ``playlistItems`` the first of them."""
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What the platforms are like."""

    hub: bool = True
    hub_loses: float = 0.0
    hub_late: tuple[float, float] = (2.0, 45.0)
    hub_silent_every: int = 13
    """Every so manieth channel is never published, as happens."""
    feeds: bool = True
    feed_age: float = 300.0
    """A feed is a copy that is at most so old; what it really is, nobody documents."""
    down: tuple[float, float] | None = None
    """YouTube answers 503 in these Unix seconds."""
    robbed: float | None = None
    """From here on another program has used up the day's units."""
    units_per_day: int = 10_000


@dataclass(slots=True)
class Broadcast:
    """One live video."""

    channel: Person
    number: int
    started: float
    ended: float
    id: str = ""
    title: str = ""
    announced: float | None = None
    """When it was announced."""
    scheduled: float | None = None
    way: str = "sweep"
    """What says first that it is on: ``push``, ``self-report``, ``posted``, ``announced``; ``sweep``: nothing."""
    in_scope: bool = True
    told: float | None = None

    @property
    def on(self) -> tuple[float, float]:
        return self.started, self.ended

    def key(self) -> str:
        """As the platform's discoverer names it."""
        return f"{self.channel.user}:{int(self.started)}" if self.channel.platform == "kick" else self.id


@dataclass(slots=True)
class Person:
    """A channel and who it belongs to."""

    index: int
    platform: str
    handle: str
    user: str
    """The platform's own id of it."""
    tag: str = ""
    wrong: bool = False
    """The roster's handle is nobody's."""
    bluesky: bool = False
    broadcasts: list[Broadcast] = field(default_factory=list)

    @property
    def livestream(self) -> str:
        return f"{self.platform}:{self.handle}"

    def live(self, now: float) -> list[Broadcast]:
        return [one for one in self.broadcasts if one.started <= now < one.ended]

    def shown(self, now: float) -> list[Broadcast]:
        """Its uploads: what is or was live, and what is announced; newest first."""
        known = [one for one in self.broadcasts if (one.started if one.announced is None else one.announced) <= now]
        return sorted(known, key=lambda one: one.announced or one.started, reverse=True)[:UPLOADS]


def _id(index: int, number: int) -> str:
    return f"v{index:05d}x{number:04d}"


class World:
    """Everybody, and what is answered about them at ``at``."""

    def __init__(self, channels: int, days: int, *, weather: Weather | None = None, seed: int = 1, only: str = "") -> None:
        self.weather = weather or Weather()
        self.days = days
        self.dice = random.Random(seed)
        self.at = self.begin = FIRST.timestamp() + (OPENS - 3) * 3600
        self.end = FIRST.timestamp() + (days - 1) * 86400 + (CLOSES + 3) * 3600
        self.people: list[Person] = []
        for platform, share in SHARES:
            begun = len(self.people)
            self.people += [self._person(begun + number, platform) for number in range(round(channels * share))]
        self.people = [one for one in self.people if only in ("", one.platform)]
        for one in self.people:
            self._plan(one)
        self.by_user = {(one.platform, one.user): one for one in self.people if not one.wrong}
        self.by_handle = {(one.platform, one.handle): one for one in self.people if not one.wrong}
        self.videos = {b.id: b for one in self.people if one.platform == "youtube" and not one.wrong for b in one.broadcasts}
        self.broadcasts = [b for one in self.people if not one.wrong for b in one.broadcasts]
        self.spent: dict[str, int] = {}
        """Pacific day → units that YouTube charged us."""
        self.calls: dict[str, int] = {}
        self.by_method: dict[tuple[str, str], int] = {}
        """Pacific day and method → calls."""
        self.refused: list[float] = []
        """When YouTube said that the day's units are gone."""
        self.unanswered: list[float] = []
        """When it answered 503."""
        self.looks: dict[tuple[str, str], list[float]] = {}
        """(question, what it was about) → when; only the last few."""
        self.subscribed: dict[str, tuple[str, str]] = {}
        """YouTube channel → callback and secret."""
        self._happening: list[tuple[float, int, str, Any]] = []
        self._counted = 0
        for one in self.broadcasts:
            self._tell(one)

    # --- who and when -------------------------------------------------------------------------------------------------

    def _person(self, index: int, platform: str) -> Person:
        user = f"UC{index:022d}" if platform == "youtube" else str(700_000 + index)
        return Person(
            index, platform, f"c{index}", user, tag=self.dice.choice(TAGS), wrong=index % 33 == 7, bluesky=index % 3 == 0
        )

    def _plan(self, one: Person) -> None:
        if one.index % 12 == 5:
            return  # never goes live
        dice = self.dice
        hours = sorted(dice.sample(range(OPENS, CLOSES), 4))
        number = 0
        for day in range(self.days):
            midnight = FIRST.timestamp() + day * 86400
            free = 0.0
            for hour in hours:
                if dice.random() < 0.12:
                    continue  # not today
                lasts = 60 * (dice.uniform(6, 14) if dice.random() < 0.08 else dice.uniform(16, 95))
                began = max(free, midnight + hour * 3600 + dice.uniform(0, 2400))
                if began + lasts > midnight + (CLOSES + 1) * 3600:
                    continue
                self._add(one, number, began, lasts)
                number += 1
                free = began + lasts + dice.uniform(120, 900)
                if one.platform == "youtube" and dice.random() < 0.02:  # two at once
                    self._add(one, number, began + lasts * 0.3, lasts * 0.6)
                    number += 1
            if dice.random() < 0.05:  # at night, a private evening
                self._add(one, number, midnight + dice.uniform(23.5, 26) * 3600, 2400, night=True)
                number += 1

    def _add(self, one: Person, number: int, began: float, lasts: float, *, night: bool = False) -> None:
        dice = self.dice
        off_topic = dice.random() < 0.03
        made = Broadcast(
            one, number, float(int(began)), float(int(began + lasts)), _id(one.index, number),
            title="cooking noodles with my sister" if off_topic or night else f"#OurSummit from {one.handle}",
            in_scope=not (off_topic or night),
        )  # fmt: skip
        draw = dice.random()
        if one.platform == "youtube" and draw < 0.2:
            made.announced = made.started - dice.uniform(1800, 80_000)
            made.scheduled = made.started - dice.uniform(-180, 600)
            made.way = "announced"
        elif draw < 0.4:
            made.way = "self-report"
        elif draw < 0.55 and one.bluesky:
            made.way = "posted"
        one.broadcasts.append(made)

    def _tell(self, one: Broadcast) -> None:
        dice, channel = self.dice, one.channel
        if one.way in ("self-report", "posted"):
            one.told = one.started + dice.uniform(5, 60)
            self._at(one.told, one.way, one)
        self._at(one.started, "begins", one)
        published = one.announced if one.announced is not None else one.started
        late, lost = dice.uniform(*self.weather.hub_late), dice.random() < self.weather.hub_loses
        silent = channel.index % self.weather.hub_silent_every == self.weather.hub_silent_every - 1
        if channel.platform == "youtube" and self.weather.hub and not silent and not lost:
            self._at(published + late, "published", one)
            if one.announced is None and one.way == "sweep":
                one.way, one.told = "push", published + late
        if channel.platform == "twitch":
            self._at(one.started + dice.uniform(0.5, 4), "eventsub", one)
            if one.way == "sweep":
                one.way = "push"

    def _at(self, when: float, what: str, about: Any) -> None:
        self._counted += 1
        heappush(self._happening, (when, self._counted, what, about))

    @property
    def next_at(self) -> float:
        """When something happens of which somebody is told."""
        return self._happening[0][0] if self._happening else self.end

    def happened(self) -> Iterator[tuple[str, Any]]:
        while self._happening and self._happening[0][0] <= self.at:
            _, _, what, about = heappop(self._happening)
            yield what, about

    # --- what is answered ---------------------------------------------------------------------------------------------

    def pacific(self, at: float | None = None) -> str:
        return datetime.fromtimestamp(self.at if at is None else at, PACIFIC).date().isoformat()

    def answer(self, ask: Ask) -> Reply:
        """Of whatever platform; raises Dropped when there is none."""
        address = urlsplit(ask.url)
        query = parse_qs(address.query)
        self.calls[address.path] = self.calls.get(address.path, 0) + 1
        match address.hostname:
            case "twitch.test":
                return self._twitch(address.path, query)
            case "kick.test":
                return self._kick(address.path, query)
            case "hub.test":
                return self._hub(parse_qs((ask.body or b"").decode()))
            case "feeds.test":
                return self._feed(query["channel_id"][0])
        return self._youtube(address.path.rpartition("/youtube/v3/")[2], query)

    def _look(self, what: str, about: str) -> None:
        self.looks.setdefault((what, about), []).append(self.at)

    def _twitch(self, path: str, query: dict[str, list[str]]) -> Reply:
        if path.endswith("/token"):
            return _ok({"access_token": "t", "expires_in": 5_000_000, "token_type": "bearer"})
        if path.endswith("/users"):
            found = [self.by_handle.get(("twitch", one)) for one in query.get("login", ())]
            found += [self.by_user.get(("twitch", one)) for one in query.get("id", ())]
            return _ok({"data": [{"id": one.user, "login": one.handle, "display_name": one.handle} for one in found if one]})
        rows = []
        for user in query["user_id"]:
            self._look("streams", user)
            one = self.by_user.get(("twitch", user))
            rows += [
                {
                    "id": b.id, "user_id": user, "user_login": one.handle, "type": "live", "title": b.title, "viewer_count": 40,
                    "started_at": _time(b.started),
                }
                for b in (one.live(self.at) if one else ())
            ]  # fmt: skip
        return _ok({"data": rows})

    def _kick(self, path: str, query: dict[str, list[str]]) -> Reply:
        if path.endswith("/token"):
            return _ok({"access_token": "t", "expires_in": 5_000_000, "token_type": "Bearer"})
        found = [self.by_handle.get(("kick", one)) for one in query.get("slug", ())]
        if None in found:
            return Reply(status=400, body=b'{"data":[],"message":"Invalid request"}')
        for user in query.get("broadcaster_user_id", ()):
            if self.looks.get(("channels", user), [0.0])[-1] != self.at:  # once a day the same address tells who somebody is
                self._look("channels", user)
            found.append(self.by_user.get(("kick", user)))
        rows = []
        for one in found:
            live = one.live(self.at) if one else []
            stream = {
                "is_live": bool(live),
                "start_time": _time(live[0].started) if live else "0001-01-01T00:00:00Z",
                "viewer_count": 40,
            }
            if one:
                title = live[0].title if live else ""
                rows.append({"broadcaster_user_id": int(one.user), "slug": one.handle, "stream_title": title, "stream": stream})
        return _ok({"data": rows, "message": "OK"})

    def _hub(self, form: dict[str, list[str]]) -> Reply:
        if not self.weather.hub or self._down():
            return Reply(status=503, body=b"try again later")
        channel = form["hub.topic"][0].rpartition("=")[2]
        self._at(self.at + 1, "asked to subscribe", (channel, form["hub.callback"][0], form["hub.secret"][0]))
        return Reply(status=202)

    def _feed(self, channel: str) -> Reply:
        one = self.by_user.get(("youtube", channel))
        if not self.weather.feeds or self._down():
            return Reply(status=404)
        self._look("feed", channel)
        if one is None:
            return Reply(status=404)
        age = self.weather.feed_age
        as_of = self.at if not age else ((self.at + 97 * one.index) // age) * age - 97 * one.index
        return Reply(status=200, body=atom(channel, [b.id for b in one.shown(as_of)]))

    def _down(self) -> bool:
        down = self.weather.down
        return down is not None and down[0] <= self.at < down[1]

    def charge(self, method: str) -> Reply | None:
        """The refusal of YouTube's API, or None."""
        if self._down():
            self.unanswered.append(self.at)
            return Reply(status=503, body=b'{"error":{"code":503,"errors":[{"reason":"backendError"}]}}')
        day, cost = self.pacific(), COSTS[method]
        robbed = self.weather.robbed
        gone = robbed is not None and robbed <= self.at and self.pacific(robbed) == day
        if gone or self.spent.get(day, 0) + cost > self.weather.units_per_day:
            self.refused.append(self.at)
            return Reply(status=403, body=QUOTA)
        self.spent[day] = self.spent.get(day, 0) + cost
        self.by_method[day, method] = self.by_method.get((day, method), 0) + 1
        return None

    def _youtube(self, method: str, query: dict[str, list[str]]) -> Reply:
        refusal = self.charge(method)
        if refusal is not None:
            return refusal
        if method == "channels":
            found = [self.by_handle.get(("youtube", one.lstrip("@"))) for one in query.get("forHandle", ())]
            found += [self.by_user.get(("youtube", one)) for one in ",".join(query.get("id", ())).split(",")]
            rows = [{"id": one.user, "snippet": {"title": one.handle, "customUrl": f"@{one.handle}"}} for one in found if one]
            return _ok({"items": rows} if rows else {})
        if method == "playlistItems":
            channel = f"UC{query['playlistId'][0][2:]}"
            self._look("uploads", channel)
            shown = self.by_user["youtube", channel].shown(self.at)[: int(query["maxResults"][0])]
            return _ok({"items": [{"contentDetails": {"videoId": one.id}} for one in shown]})
        return self.video_list(query["id"][0].split(","), "lookout")

    def video_list(self, ids: list[str], who: str) -> Reply:
        for one in ids:
            self._look(f"videos of {who}", one)
        return _ok({"items": [self._video(self.videos[one]) for one in ids if one in self.videos]})

    def _video(self, one: Broadcast) -> dict[str, Any]:
        now = self.at
        live = one.started <= now < one.ended
        details: dict[str, str] = {}
        if one.scheduled is not None:
            details["scheduledStartTime"] = _time(one.scheduled)
        if one.started <= now:
            details["actualStartTime"] = _time(one.started)
        if one.ended <= now:
            details["actualEndTime"] = _time(one.ended)
        if live:
            details |= {"activeLiveChatId": f"chat{one.id}", "concurrentViewers": "40"}
        snippet = {
            "channelId": one.channel.user, "title": one.title,
            "liveBroadcastContent": "live" if live else "upcoming" if one.started > now else "none",
        }  # fmt: skip
        return {"id": one.id, "snippet": snippet, "liveStreamingDetails": details, "statistics": {"likeCount": "3"}}


def atom(channel: str, videos: list[str]) -> bytes:
    """A channel's feed, and what the hub sends."""
    entries = "".join(
        f"<entry><id>yt:video:{one}</id><yt:videoId>{one}</yt:videoId><yt:channelId>{channel}</yt:channelId></entry>"
        for one in videos
    )
    return (
        '<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">'
        f"<title>YouTube video feed</title>{entries}</feed>"
    ).encode()


def signature(secret: str, body: bytes) -> str:
    return f"sha1={hmac.digest(secret.encode(), body, 'sha1').hex()}"


def unreachable() -> Dropped:
    return Dropped("the platform cannot be reached")


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def local(day: int, hour: float) -> float:
    """Unix seconds of an hour of the event's day, counted from 1."""
    return (FIRST + timedelta(days=day - 1, hours=hour)).timestamp()


def _ok(content: Any) -> Reply:
    return Reply(status=200, body=_json(content))


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
