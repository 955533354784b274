"""YouTube, as far as discovery asks it: which channel a handle is, which videos it has, and which of them are live. Pure.

``channels?forHandle=`` tells a handle's id, one a call; ``channels?id=`` what 50 ids are called by now. What may be live comes, in this order,
from people (a pasted link, the roster's ``live_url``), from what was live or announced before, from the channel's feed, which costs nothing (it is
the document that WebSub publishes; how old a copy we are given is not documented), and from a look at its uploads
(``playlistItems``, one unit a channel), as often as the quota plan allows. ``videos`` confirms 50 ids a unit; nothing is believed that it does not say,
and a link to somebody else's video is nobody's broadcast. Search is never asked: it has a tiny quota of its own, and lags.
https://developers.google.com/youtube/v3/docs, checked 2026-11-20.

Units come from the connector's purse; its reserve is not touched.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

from connectors.connector import Refused, Unreadable
from connectors.discovery import Account, Discoverer, Known, Question, QuotaPlan, Sighting, Token, batches
from connectors.foreign import object_of
from connectors.rest import Ask, Reply
from connectors.youtube.feed import entries
from connectors.youtube.plan import AT_ONCE, DROPPED_FIRST, FASTEST_SWEEP, plan_of
from connectors.youtube.problems import Refusal, closed_text, closed_until, judge
from connectors.youtube.quota import cost_of, midnight_after, pacific_day
from connectors.youtube.videos import PARTS, Video, read_videos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.connector import Broadcast, ConnectorFailure, Throttled

SETTLED = timedelta(minutes=5)
"""What is live is looked at so often; the connector sees its end at once."""
QUICK = timedelta(minutes=1)
"""Where the units allow a look at everybody's uploads every five minutes, asking so often what is live costs next to nothing beside it."""
NEXT = timedelta(seconds=50)
"""What is expected to begin is looked at with the call of every minute, and not sooner because something else of its channel is waited for."""
SOON = timedelta(minutes=15)
LATE = timedelta(hours=2)
"""A broadcast that was announced is expected from so long before its time until so long after it."""
TOGETHER = {"plenty": (0.0, 5.0), "enough": (15.0, 15.0), "few": (60.0, 60.0)}
"""Seconds for which what people say, and what the hub told, waits for more of it, by how many units there are; never longer than until the
call of every minute."""
FAR = timedelta(minutes=30)
"""What is announced for later is looked at so often: its time may change."""
FEEDS = "https://www.youtube.com/feeds/videos.xml"
FEEDS_AT_ONCE = 8
"""In a turn, so that no confirmation waits for a slow feed."""
HEADROOM, CUSHION = 1.2, 0.02
"""Looks leave alone so many times what the plan says that everything else needs until the day's end, and this part of the grant: a day may be
livelier than planned, and what was told is confirmed sooner than with the call of every minute."""
NEVER = datetime.min.replace(tzinfo=UTC)
OWN = "https://youtube.googleapis.com/"
NEWEST = 5
"""Of the uploads; a live video is among them."""
MOST_IDS_EACH = 10
_CHANNEL_ID = re.compile(r"UC[\w-]{22}", re.ASCII)
_VIDEO_ID = re.compile(r"[\w-]{11}", re.ASCII)
_ADDRESS = re.compile(r"(?:https?://)?(?:(?:www|m)\.)?youtube\.com/(?:channel/|c/)?", re.IGNORECASE)


class Lookout(Discoverer):
    """Live state, viewers and channel ids of YouTube."""

    name = "youtube"
    title = "YouTube"
    quota: ClassVar[tuple[int, float]] = (600, 60.0)
    interval_seconds = 60.0

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.units_per_day = max(1, options.units_per_day - min(options.reserve_units, options.units_per_day // 2))

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:
        return ("api_key",) if options.api_key is None else ()

    @classmethod
    def quota_plan(cls, options: Any, channels: int) -> QuotaPlan:
        found = plan_of(options, channels)
        return QuotaPlan(
            items=tuple((item.what, item.units) for item in found.items),
            wanted=found.wanted,
            available=found.units_per_day,
            fits=found.fits,
            dropped=found.dropped,
            first=DROPPED_FIRST,
            left_out=channels - found.opened,
        )

    @property
    def looks_every(self) -> float:
        return self._settled().total_seconds()

    @property
    def together_seconds(self) -> tuple[float, float]:
        if self._settled() is QUICK:
            return TOGETHER["plenty"]
        return TOGETHER["few" if self._sweep_every() is None else "enough"]

    def probe(self) -> Question:
        """One unit; the platform's own channel, so that no roster is needed."""
        return self._accounts("forHandle", "@youtube", "youtube")

    def signed(self, question: Question, token: Token | None) -> Ask:
        """The key is part of the address, as the API wants it, and of nothing that anybody is shown."""
        return replace(question.ask, url=f"{question.ask.url}&key={quote(self.opts.api_key.reveal(), safe='')}")

    # --- questions ----------------------------------------------------------------------------------------------------

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        by_id = [handle for handle in handles if _CHANNEL_ID.fullmatch(_bare(handle))]
        # A broadcast may be watched by the id of its video, which may as well be somebody's handle; what is found last holds.
        videos = [handle for handle in handles if _VIDEO_ID.fullmatch(handle)]
        return [
            *self.recheck(by_id),
            *(self._accounts("forHandle", f"@{_bare(handle)}", handle) for handle in handles if handle not in by_id),
            *(self._owners(some) for some in batches(videos, AT_ONCE)),
        ]

    def recheck(self, native_ids: Sequence[str]) -> list[Question]:
        return [self._accounts("id", ",".join(_bare(one) for one in some), *some) for some in batches(native_ids, AT_ONCE)]

    def due(self, channel: Known, now: datetime) -> bool:
        return bool(self._ids(channel, now)) or self._must_sweep(channel, now) or self._must_feed(channel, now)

    def discover(self, channels: Sequence[Known], now: datetime, budget: int) -> list[Question]:
        feeding = [channel for channel in channels if not channel.candidates and self._must_feed(channel, now)]
        # Those asked longest ago first: who is asked about something else every minute comes to its turn too.
        feeding = sorted(feeding, key=lambda channel: channel.fed_at or NEVER)[:FEEDS_AT_ONCE]
        sweeping = [channel for channel in channels if not channel.candidates and self._must_sweep(channel, now)]
        others = {channel.native_id for channel in channels} - {channel.native_id for channel in sweeping}
        some = [(one, ids) for one in channels if one.native_id in others and (ids := self._ids(one, now))]
        asked = {one.native_id for one, _ in some}
        also = [one for one in self.beside if one.native_id not in asked and one.broadcasts and _since(one, now) >= QUICK]
        some = [*some, *((one, self._named(one)) for one in sorted(also, key=lambda one: one.asked_at or NEVER))] if some else []
        questions = chain(self._confirming(some, len(asked)), map(self._uploads, sweeping))  # of one unit each
        return [*islice(questions, max(0, budget)), *map(self._feed, feeding)]

    def _ids(self, channel: Known, now: datetime) -> tuple[str, ...]:
        """Videos of a channel that are asked about now; those of which we do not know anything first."""
        is_live, since = any(one.started_at for one in channel.broadcasts), _since(channel, now)
        waited = since >= (self._settled() if is_live else FAR)
        told = () if is_live and not waited else _hints(channel)
        known = [one.native_id for one in channel.broadcasts]
        ids = [*channel.candidates, *(one for one in told if one not in known)]
        if ids or (channel.broadcasts and (waited or (since >= NEXT and _is_expected(channel, now)))):
            return self._named(channel, ids)
        return ()

    def _named(self, channel: Known, first: Sequence[str] = ()) -> tuple[str, ...]:
        """These videos, and those that are known of the channel."""
        ids = (*first, *(one.native_id for one in channel.broadcasts))
        return tuple(dict.fromkeys(one for one in ids if _VIDEO_ID.fullmatch(one)))[:MOST_IDS_EACH]

    def _settled(self) -> timedelta:
        """Between two looks at what is live already."""
        every = plan_of(self.opts, max(1, self.channels)).sweep_seconds
        return QUICK if every and every <= SETTLED.total_seconds() else SETTLED

    def _must_sweep(self, channel: Known, now: datetime) -> bool:
        if any(one.started_at for one in channel.broadcasts):
            return False
        if channel.swept_at is None:
            return True
        every = self._sweep_every()
        return self.awake and every is not None and now - channel.swept_at >= every

    def _must_feed(self, channel: Known, now: datetime) -> bool:
        every = self.opts.feed_seconds
        if not every or not self._feeds or not self.free or not self.awake:
            return False
        return channel.fed_at is None or now - channel.fed_at >= timedelta(seconds=every)

    @property
    def _feeds(self) -> str:
        """Where the feeds are; YouTube's own are not asked about channels of another API."""
        return self.opts.feed_url or (FEEDS if self.opts.url.startswith(OWN) else "")

    def _sweep_every(self) -> timedelta | None:
        """Between two looks at the uploads of a channel: so that what is left, less what everything else needs, lasts; None: nothing is."""
        planned = plan_of(self.opts, max(1, self.channels))
        if self.purse is None:
            return None if planned.sweep_seconds is None else timedelta(seconds=planned.sweep_seconds)
        share = self.purse.seconds / max(self.purse.day_seconds, self.opts.active_hours * 3600)
        others = (planned.spent - planned.sweeps * planned.channels) * share * HEADROOM + CUSHION * planned.units_per_day
        spare = self.purse.left - others
        return timedelta(seconds=max(FASTEST_SWEEP, self.channels * self.purse.seconds / spare)) if spare >= 1 else None

    def _confirming(self, some: Sequence[tuple[Known, tuple[str, ...]]], must: int) -> Iterator[Question]:
        """All ids of a channel are in one question, so that its answer says all of it. Who comes after the first ``must`` fills the last one."""
        batch: list[Known] = []
        ids: list[str] = []
        for number, (channel, more) in enumerate(some):
            if number >= must and len(ids) + len(more) > AT_ONCE:
                continue
            if batch and len(ids) + len(more) > AT_ONCE:
                yield self._status("videos", batch, {"part": PARTS, "id": ",".join(ids), "maxResults": str(AT_ONCE)})
                batch, ids = [], []
            batch.append(channel)
            ids += more
        if batch:
            yield self._status("videos", batch, {"part": PARTS, "id": ",".join(ids), "maxResults": str(AT_ONCE)})

    def _uploads(self, channel: Known) -> Question:
        """A channel's uploads have its own id, with another beginning."""
        playlist = f"UU{channel.native_id[2:]}"
        return self._status(
            "playlistItems", [channel], {"part": "contentDetails", "playlistId": playlist, "maxResults": str(NEWEST)}
        )

    def _feed(self, channel: Known) -> Question:
        ask = Ask(url=f"{self._feeds}?{urlencode({'channel_id': channel.native_id})}")
        return Question(what="status", ask=ask, about=(channel.native_id,), cost=0, known=(channel,), free=True)

    def _accounts(self, name: str, value: str, *about: str) -> Question:
        query = urlencode({"part": "id,snippet", "maxResults": str(AT_ONCE), name: value}, safe=",@")
        return Question(what="accounts", ask=Ask(url=f"{self._url}/channels?{query}"), about=about, cost=cost_of("channels"))

    def _owners(self, videos: tuple[str, ...]) -> Question:
        query = urlencode({"part": "snippet", "id": ",".join(videos), "maxResults": str(AT_ONCE)}, safe=",")
        return Question(what="accounts", ask=Ask(url=f"{self._url}/videos?{query}"), about=videos, cost=cost_of("videos"))

    def _status(self, method: str, known: Sequence[Known], query: Mapping[str, str]) -> Question:
        ask = Ask(url=f"{self._url}/{method}?{urlencode(query, safe=',')}")
        about = tuple(one.native_id for one in known)
        return Question(what="status", ask=ask, about=about, cost=cost_of(method), known=tuple(known))

    @property
    def _url(self) -> str:
        return str(self.opts.url).rstrip("/")

    # --- answers ------------------------------------------------------------------------------------------------------

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        if "/videos?" in question.ask.url:
            return [
                Account(asked=video.id, native_id=video.channel, handle=video.id, title=video.title[:200])
                for video in read_videos(body)
                if video.channel and video.id in question.about
            ]
        found: dict[str, Account] = {}
        for row in _rows(body):
            native_id, snippet = row.get("id"), row.get("snippet")
            if not isinstance(native_id, str) or not _CHANNEL_ID.fullmatch(native_id):
                continue
            snippet = snippet if isinstance(snippet, dict) else {}
            handle, title = (
                value if isinstance(value, str) else "" for value in (snippet.get("customUrl"), snippet.get("title"))
            )
            found[native_id] = Account(asked="", native_id=native_id, handle=handle.lower().lstrip("@"), title=title[:200])
        if "forHandle=" in question.ask.url:  # one was asked for, and the answer says its id and not always its handle
            asked = question.about[0]
            first = next(iter(found.values()), Account(asked=asked, native_id=None))
            return [replace(first, asked=asked)]
        return [replace(found.get(_bare(one), Account(asked=one, native_id=None)), asked=one) for one in question.about]

    def read_status(self, question: Question, body: bytes) -> list[Sighting]:
        if question.free:
            return [_fed(question.known[0], body)]
        if "/playlistItems?" in question.ask.url:
            return [_swept(question.known[0], _uploaded(body))]
        videos = {video.id: video for video in read_videos(body)}
        return [_sighting(channel, videos) for channel in question.known]

    def failure(self, reply: Reply, now: datetime) -> ConnectorFailure:
        problem = judge(reply.status, reply.body, reply.headers.get("retry-after"), now)
        if problem.meaning in ("closed", "gone"):
            return Refused("YouTube does not answer this question; look whether the key may use the YouTube Data API v3")
        return Refusal(problem).failure(now)

    def write_closed(self, failure: Throttled) -> str:
        return closed_text(
            failure.reason, failure.until, day=failure.until == midnight_after(failure.until - timedelta(seconds=1))
        )

    def read_closed(self, kept: str) -> Throttled | None:
        return closed_until(kept)

    # --- the calendar of the quota ------------------------------------------------------------------------------------

    def day(self, now: datetime) -> str:
        return pacific_day(now)

    def next_day(self, now: datetime) -> datetime:
        return midnight_after(now)


def _bare(handle: str) -> str:
    """Without the address around it and the @ before it."""
    return _ADDRESS.sub("", handle.strip()).lstrip("@").partition("/")[0]


def _hints(channel: Known) -> tuple[str, ...]:
    """What people named; the handle too, where it may be a video's id."""
    own = (channel.handle,) if _VIDEO_ID.fullmatch(channel.handle) and channel.handle not in channel.over else ()
    return (*channel.hints, *own)


def _since(channel: Known, now: datetime) -> timedelta:
    return now - (channel.asked_at or NEVER)


def _is_expected(channel: Known, now: datetime) -> bool:
    times = [one.scheduled_at for one in channel.broadcasts if one.scheduled_at and not one.started_at]
    return any(at - SOON <= now <= at + LATE for at in times)


def _swept(channel: Known, ids: Sequence[str]) -> Sighting:
    """A look at the uploads says what may be live; what was announced stays."""
    known = {one.native_id for one in channel.broadcasts}
    candidates = tuple(one for one in (*_hints(channel), *ids) if one not in known and one not in channel.over)
    return Sighting(native_id=channel.native_id, broadcasts=channel.broadcasts, candidates=candidates, swept=True)


def _fed(channel: Known, body: bytes) -> Sighting:
    """A feed may be anything, also no feed."""
    try:
        found = entries(body) if body else []
    except Unreadable:
        found = []
    known = {one.native_id for one in channel.broadcasts}
    ids = [one.video for one in found if one.channel in (channel.native_id, None) and not one.deleted]
    new = tuple(one for one in ids if one not in known and one not in channel.over)
    return Sighting(native_id=channel.native_id, candidates=new[:NEWEST], fed=True)


def _sighting(channel: Known, videos: Mapping[str, Video]) -> Sighting:
    mine = [video for video in videos.values() if video.channel == channel.native_id]
    on = [video for video in mine if video.state == "live"]
    on += [video for video in mine if video.state == "upcoming" and video.scheduled_at]
    viewers = [video.viewers for video in on if video.state == "live" and video.viewers is not None]
    asked = [*channel.candidates, *_hints(channel), *(one.native_id for one in channel.broadcasts)]
    # What was not answered at all may be private for a while. What is over, never was a broadcast, or is somebody else's stays so.
    over = tuple(one for one in asked if one in videos and (videos[one] not in mine or videos[one].state in ("ended", "none")))
    return Sighting(
        native_id=channel.native_id,
        broadcasts=tuple(_timed(video) for video in on),
        viewers=sum(viewers) if viewers else None,
        likes=tuple((video.id, video.likes) for video in on if video.state == "live" and video.likes is not None),
        over=over,
    )


def _timed(video: Video) -> Broadcast:
    """A live one has a beginning, an announced one never: that is how they are told apart."""
    broadcast = video.broadcast()
    if video.state == "upcoming":
        return replace(broadcast, started_at=None)
    return broadcast if video.started_at else replace(broadcast, scheduled_at=None)


def _rows(body: bytes) -> list[dict[str, Any]]:
    content = object_of(body)
    if "error" in content:
        raise Unreadable("api_error")
    items = content.get("items", [])
    return [row for row in items if isinstance(row, dict)] if isinstance(items, list) else []


def _uploaded(body: bytes) -> list[str]:
    found = []
    for row in _rows(body):
        details = row.get("contentDetails")
        video = details.get("videoId") if isinstance(details, dict) else None
        if isinstance(video, str) and _VIDEO_ID.fullmatch(video):
            found.append(video)
    return found
