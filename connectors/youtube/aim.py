"""Which chats are read now, which videos must be asked about, and why a channel waits: pure.

A channel is read while it has a live broadcast. Which that is comes with its target (discovery, or the attendee's own link); a target
whose handle is a video id or a watch address names its broadcast itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from connectors.connector import Broadcast, Health
from connectors.youtube.videos import video_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from connectors.connector import Target
    from connectors.youtube.videos import Video

WAITING = "no live broadcast is known; it is read when discovery finds one or the attendee sends its link"
OUT_OF_SCOPE = "its live broadcast does not belong to the event"
UNKNOWN_VIDEO = "YouTube knows no such video; it is private, deleted, or the link is wrong"
NO_LIVE = "this video is not a live broadcast"
NO_CHAT = "the broadcast has no chat; its owner can switch it on"
OVER = "the broadcast is over"
SOON = timedelta(minutes=15)
LONGEST_IDLE = 1800.0
"""Seconds; what is announced may be announced for sooner."""
SAYING_MOST = ("connecting", "waiting", "refused", "ended")


class Chat(NamedTuple):
    """One chat to read."""

    livestream: str
    video: str
    chat_id: str
    started_at: datetime | None
    handle: str
    native_id: str | None


class Aim(NamedTuple):
    """What follows from the targets and what is known of their videos."""

    chats: dict[tuple[str, str], Chat]
    """By livestream and video."""
    videos: dict[str, str]
    """Video → livestream: those that are asked about, as long as they are not over."""
    idle: list[Health]
    """Livestreams that have nothing to read now, and why."""


def broadcasts_of(target: Target) -> tuple[Broadcast, ...]:
    """Those that discovery found, else the one that the handle names."""
    if target.broadcasts:
        return target.broadcasts
    named = video_id(target.native_id or "") or (video_id(target.handle) if not target.native_id else None)
    return (Broadcast(native_id=named),) if named else ()


class Known(NamedTuple):
    """What was learnt so far."""

    videos: Mapping[str, Video | None]
    """What YouTube said last; None: it knows no such video."""
    over: Mapping[str, str]
    """Those that ended while we looked, and the reason."""
    reading: Mapping[tuple[str, str], Chat]
    """Chats that are being read. They tell their own end, after their last words; an answer about the video comes too early for that."""


def aim(targets: Iterable[Target], known: Known) -> Aim:
    """Work out from the targets what to do."""
    found = Aim({}, {}, [])
    for target in targets:
        reasons = [_place(found, target, broadcast, known) for broadcast in broadcasts_of(target)]
        if not reasons:
            found.idle.append(Health(livestream=target.livestream, state="waiting", reason=WAITING))
        silent = [health for health in reasons if health]
        if silent and len(silent) == len(reasons):  # Of several the one that may still come says more than the one that is over.
            found.idle.append(min(silent, key=lambda health: SAYING_MOST.index(health.state)))
    return found


def _place(found: Aim, target: Target, broadcast: Broadcast, known: Known) -> Health | None:
    """Put one broadcast where it belongs; what to say of it when it is not read."""
    name, livestream = broadcast.native_id, target.livestream
    if not broadcast.in_scope:
        return Health(livestream=livestream, state="waiting", reason=OUT_OF_SCOPE)
    if name in known.over:
        return Health(livestream=livestream, state="ended", reason=known.over[name])
    found.videos[name] = livestream
    video, chat_id, started_at = known.videos.get(name), broadcast.chat_id, broadcast.started_at
    # Discovery may have seen it begin since we asked last.
    if name not in known.videos or (video and video.state == "upcoming" and started_at and chat_id):
        if not chat_id or (broadcast.scheduled_at and not started_at):
            return Health(livestream=livestream, state="connecting", reason="asking YouTube for its chat")
    elif video is None or video.state != "live":
        if (livestream, name) not in known.reading or (video and video.state == "upcoming"):
            return _silent(livestream, video)
        found.chats[livestream, name] = known.reading[livestream, name]
        return None
    else:
        chat_id, started_at = video.chat_id or chat_id, video.started_at or started_at
        if not chat_id:
            return Health(livestream=livestream, state="refused", reason=NO_CHAT)
    found.chats[livestream, name] = Chat(livestream, name, chat_id, started_at, target.handle, target.native_id)
    return None


def _silent(livestream: str, video: Video | None) -> Health:
    """Why a video that is not live is not read."""
    if video is None:
        return Health(livestream=livestream, state="refused", reason=UNKNOWN_VIDEO)
    match video.state:
        case "upcoming":
            when = f" for {video.scheduled_at:%Y-%m-%d %H:%M} UTC" if video.scheduled_at else ""
            return Health(livestream=livestream, state="waiting", reason=f"a broadcast is announced{when}")
        case "ended":
            return Health(livestream=livestream, state="ended", reason=OVER)
        case _:
            return Health(livestream=livestream, state="refused", reason=NO_LIVE)


def unknown(aimed: Aim, videos: Mapping[str, Video | None], asked: Collection[str]) -> list[str]:
    """Videos that must be asked about at once: not those of which discovery said enough to read their chat, unless we lost an answer."""
    reading = {video for _, video in aimed.chats}
    return [name for name in aimed.videos if name not in videos and (name not in reading or name in asked)]


def near(aimed: Aim, videos: Mapping[str, Video | None], now: datetime) -> list[str]:
    """Videos worth asking about now: those announced for later take no room in a call; discovery looks whether their time changes."""
    reading = {video for _, video in aimed.chats}
    return [name for name in aimed.videos if name in reading or not _is_later(videos.get(name), now)]


def _is_later(video: Video | None, now: datetime) -> bool:
    return bool(video and video.state == "upcoming" and video.scheduled_at and video.scheduled_at > now + SOON)


def idle_seconds(videos: Collection[Video | None], now: datetime) -> float:
    """How long nobody need be asked about: until shortly before the first is announced for, when nothing else is known of any."""
    times = [video.scheduled_at for video in videos if video and video.state == "upcoming" and video.scheduled_at]
    if len(times) < len(videos) or not times:
        return 0.0
    return min(LONGEST_IDLE, max(0.0, (min(times) - SOON - now).total_seconds()))


def is_far(videos: Iterable[Video | None], now: datetime) -> bool:
    """Whether none of them is live or will be so soon: then nothing is missed by asking less often."""
    return not any(
        video and (video.state == "live" or (video.state == "upcoming" and (video.scheduled_at or now) <= now + SOON))
        for video in videos
    )
