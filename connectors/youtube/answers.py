"""Any answer of the API to events, for ``monitor parse``: told apart by what is in it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.youtube.parse import decode, events_of, page_of
from connectors.youtube.videos import samples, video_of

if TYPE_CHECKING:
    from connectors.event import Event
    from connectors.youtube.parse import Context


def parse_answer(raw: bytes, context: Context) -> list[Event]:
    """A batch of a chat, an answer of ``videos``, a single item of either, or an array of these; raises Unreadable and nothing else."""
    content = decode(raw)
    return [event for part in (content if isinstance(content, list) else [content]) for event in _events_of(part, context)]


def _events_of(part: Any, context: Context) -> list[Event]:
    if not isinstance(part, dict):
        raise Unreadable("not_an_object")
    if "error" in part:
        raise Unreadable("api_error")
    kind, items = part.get("kind"), part.get("items")
    rows = items if isinstance(items, list) else []
    if kind == "youtube#videoListResponse" or any(isinstance(row, dict) and "liveStreamingDetails" in row for row in rows):
        return [event for row in rows if (video := video_of(row)) for event in samples(video, context)]
    if kind == "youtube#video" or "liveStreamingDetails" in part:
        video = video_of(part)
        return samples(video, context) if video else []
    if "snippet" in part:
        return events_of(part, context)
    if kind == "youtube#liveChatMessageListResponse" or not part.keys().isdisjoint(("items", "nextPageToken", "offlineAt")):
        return page_of(part, context).events
    raise Unreadable("missing_snippet")
