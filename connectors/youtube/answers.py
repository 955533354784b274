"""Any answer of the API to events, for ``monitor parse``: told apart by what is in it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.foreign import decode
from connectors.youtube.parse import events_of, page_of
from connectors.youtube.videos import samples, video_of

if TYPE_CHECKING:
    from connectors.event import Event
    from connectors.youtube.parse import Context


def parse_answer(raw: bytes, context: Context) -> list[Event]:
    """A batch of a chat, an answer of ``videos``, a single item of either, or an array of these; raises Unreadable and nothing else."""
    content = decode(raw)
    if any(name in raw for name in _SNAKES):
        content = _camels(content, 12)
    return [event for part in (content if isinstance(content, list) else [content]) for event in _events_of(part, context)]


_SNAKES = (b'"author_details"', b'"live_chat_id"', b'"published_at"', b'"display_message"')


def _camels(found: Any, levels: int) -> Any:
    """Names as gRPC's tools write them when told to keep the proto's, as the Data API writes them."""
    if levels == 0 or not isinstance(found, dict | list):
        return found
    if isinstance(found, list):
        return [_camels(one, levels - 1) for one in found]
    return {_camel(name): _camels(value, levels - 1) for name, value in found.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


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
