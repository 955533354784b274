"""What ``videos.list`` says of up to 50 live videos for one unit: state, chat, viewers, likes. Pure; discovery reads it as well.

::

    {"kind":"youtube#videoListResponse","items":[{"id":"6p_JM-I7EVg","snippet":{"channelId":"UC…","title":"…",
     "liveBroadcastContent":"live"},"liveStreamingDetails":{"activeLiveChatId":"Cg0…","concurrentViewers":"1200",
     "actualStartTime":"2026-10-16T11:30:00Z"},"statistics":{"likeCount":"345"}}]}

A field that is not there is unknown, never 0: viewers are missing when the owner hides them, the chat is missing when it is switched off or
over. An id that is not in the answer at all is private or deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from connectors.connector import Broadcast, Unreadable
from connectors.event import Level, Status, Viewers
from connectors.foreign import decode
from connectors.youtube.parse import number_of, read_time

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.event import Event
    from connectors.youtube.parse import Context

MOST_IDS = 50
"""Per call."""
PARTS = "snippet,liveStreamingDetails,statistics"

_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_ADDRESS = re.compile(
    r"(?:https?://)?(?:(?:www|m|music|studio|gaming)\.)?(?:youtube(?:-nocookie)?\.com/(?:watch/?\?(?:[^#]*&)?v=|live/|shorts/|embed/|video/|v/"
    r"|live_chat/?\?(?:[^#]*&)?v=)|youtu\.be/)(?P<id>[A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One live video as it is now."""

    id: str
    channel: str | None = None
    """Id of the channel (UC…)."""
    title: str = ""
    state: Literal["upcoming", "live", "ended", "none"] = "none"
    """``none`` is a video that never was a live broadcast."""
    chat_id: str | None = None
    viewers: int | None = None
    likes: int | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def broadcast(self, *, in_scope: bool = True) -> Broadcast:
        """As it is handed to a connector."""
        return Broadcast(
            native_id=self.id, chat_id=self.chat_id, title=self.title, started_at=self.started_at, scheduled_at=self.scheduled_at,
            in_scope=in_scope,
        )  # fmt: skip


def video_id(pasted: str) -> str | None:
    """The id in a watch, live, share, embed or studio address, or the bare id; None for anything else, such as a handle."""
    text = pasted.strip()
    if _VIDEO_ID.fullmatch(text):
        return text
    found = _ADDRESS.match(text)
    return found["id"] if found else None


def read_videos(raw: bytes) -> list[Video]:
    """Those of the answer; raises Unreadable when it is no answer of ``videos.list``. What is wrong in one field is unknown."""
    return videos_of(decode(raw))


def videos_of(content: Any) -> list[Video]:
    """As read_videos, decoded already."""
    if not isinstance(content, dict):
        raise Unreadable("not_an_object")
    if "error" in content:
        raise Unreadable("api_error")
    items = content.get("items", [])
    return [video for item in (items if isinstance(items, list) else []) if (video := video_of(item))]


def video_of(item: Any) -> Video | None:
    """One item; None without an id."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return None
    snippet, live = _table(item.get("snippet")), _table(item.get("liveStreamingDetails"))
    started, ended = _time(live.get("actualStartTime")), _time(live.get("actualEndTime"))
    scheduled, said = _time(live.get("scheduledStartTime")), snippet.get("liveBroadcastContent")
    state: Literal["upcoming", "live", "ended", "none"] = "none"
    if ended:
        state = "ended"
    elif said == "live" or started:
        state = "live"
    elif said == "upcoming" or scheduled:
        state = "upcoming"
    elif said is None and live.get("concurrentViewers") is not None:  # asked for nothing else
        state = "live"
    return Video(
        id=item["id"][:64],
        channel=_text(snippet.get("channelId")),
        title=_text(snippet.get("title")) or "",
        state=state,
        chat_id=_text(live.get("activeLiveChatId")),
        viewers=_number(live.get("concurrentViewers")),
        likes=_number(_table(item.get("statistics")).get("likeCount")),
        scheduled_at=scheduled,
        started_at=started,
        ended_at=ended,
    )


def samples(video: Video, context: Context, interval_seconds: float | None = None) -> list[Event]:
    """Viewers and likes as they are now, or that the broadcast is over."""
    now = context.received_at
    livestream = context.livestream
    if livestream is None:
        known = context.livestreams
        keys = [key for key in (video.id, video.channel, video.chat_id) if key]
        livestream = f"youtube:{video.channel or video.id}"
        if known is not None:
            livestream = next((known[key] for key in keys if key in known), None)
            if livestream is None:
                return []
    about: dict[str, Any] = {"platform": "youtube", "livestream": livestream, "broadcast": video.id, "received_at": now}
    if video.state == "ended":
        at = min(video.ended_at or now, now)
        return [Status(id=f"youtube:{video.id}:ended", at=at, state="ended", reason="the broadcast is over", **about)]
    moment = round(now.timestamp() * 1000)
    found: list[Event] = []
    if video.state == "live" and video.viewers is not None:
        found.append(
            Viewers(
                id=f"youtube:{video.id}:viewers:{moment}",
                at=now,
                viewers=video.viewers,
                interval_seconds=interval_seconds,
                **about,
            )
        )
    if video.state == "live" and video.likes is not None:
        found.append(Level(id=f"youtube:{video.id}:likes:{moment}", at=now, what="reactions", value=video.likes, **about))
    return found


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    try:
        return number_of(value) if value not in (None, "") else None
    except Unreadable:
        return None


def _time(value: Any) -> datetime | None:
    try:
        return read_time(value)
    except Unreadable:
        return None
