"""Channels and their broadcasts, as YouTube keeps them: what is announced, live or over, and the chat of each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connectors.simulator import livechat
from connectors.simulator.chatlog import ChatLog

if TYPE_CHECKING:
    from connectors.simulator.model import SimChannel

KEPT_VIDEOS: Final = 10
"""Of each channel; the uploads playlist shows them."""


class Video:
    """One broadcast."""

    __slots__ = ("air", "chat", "ended", "has_chat", "id", "likes", "scheduled", "started", "title")

    def __init__(self, video: str, channel: str, title: str) -> None:
        self.id = video
        self.title = title
        self.air = ""
        """Id of what is on air, once it began."""
        self.scheduled: float | None = None
        self.started: float | None = None
        self.ended: float | None = None
        self.has_chat = True
        self.likes: int | None = None
        """Once they stand still."""
        self.chat = ChatLog(livechat.chat_id(video, channel), video)

    @property
    def live(self) -> bool:
        return self.started is not None and self.ended is None


class Room:
    """One channel of the roster."""

    __slots__ = ("channel", "handle", "id", "index", "videos")

    def __init__(self, channel: SimChannel, index: int) -> None:
        self.index = index
        self.channel = channel
        self.handle = channel.handle.lower().lstrip("@")
        self.id = livechat.channel_id(channel)
        self.videos: list[Video] = []
        """Newest last."""

    @property
    def uploads(self) -> str:
        return f"UU{self.id[2:]}"

    @property
    def lives(self) -> list[Video]:
        """What is live: one, or two at once."""
        return [video for video in self.videos if video.live]

    @property
    def now(self) -> Video | None:
        """What is live; of two, what began last."""
        return next((video for video in reversed(self.videos) if video.live), None)

    @property
    def announced(self) -> Video | None:
        """What has not begun yet."""
        return next((video for video in self.videos if video.started is None), None)

    def add(self, name: str) -> Video:
        """Its next broadcast; the oldest goes."""
        video = Video(livechat.video_id(name), self.id, f"{self.channel.handle}: next broadcast")
        self.videos.append(video)
        del self.videos[:-KEPT_VIDEOS]
        return video
