"""Any answer of the API to events, for ``monitor parse``: told apart by what is in it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.event import Status, Unknown
from connectors.foreign import decode
from connectors.times import moment
from connectors.youtube.feed import entries
from connectors.youtube.parse import events_of, made_id, page_of
from connectors.youtube.videos import samples, video_of

if TYPE_CHECKING:
    from connectors.event import Event
    from connectors.youtube.parse import Context


QUIET: Final = frozenset(
    (
        "channel",
        "playlistItem",
        "playlist",
        "searchResult",
        "search",
        "subscription",
        "activity",
        "videoCategory",
        "channelSection",
        "thumbnailSetResponse",
        "i18nLanguage",
        "i18nRegion",
        "liveChatModerator",
        "liveChatBan",
    )
)
"""What answers are about that say nothing of an audience, as ``kind`` names it: which videos and channels there are."""


def parse_answer(raw: bytes, context: Context) -> list[Event]:
    """A batch of a chat, an answer of ``videos``, a single item of either, an array of these, or a feed of the hub.

    Raises Unreadable and nothing else.
    """
    if raw.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] == b"<":
        return _feed_events(raw, context)
    content = decode(raw)
    if any(name in raw for name in _SNAKES):
        content = _camels(content, 12)
    return [event for part in (content if isinstance(content, list) else [content]) for event in _events_of(part, context)]


def _feed_events(raw: bytes, context: Context) -> list[Event]:
    """A video that is gone is over. One that is new or changed is a hint to look at it while running, and says nothing of an audience."""
    found: list[Event] = []
    for entry in entries(raw.lstrip()):
        livestream: str | None = f"youtube:{entry.channel or entry.video}"
        if context.livestreams is not None:
            livestream = context.livestreams.get(entry.video) or context.livestreams.get(entry.channel or "")
            if livestream is None:
                continue
        at = moment(entry.at) or context.received_at
        about: dict[str, Any] = {
            "platform": "youtube", "livestream": livestream, "broadcast": entry.video, "at": at, "received_at": context.received_at,
        }  # fmt: skip
        if entry.deleted:
            found.append(Status(id=f"youtube:{entry.video}:ended", state="ended", reason="the video is gone", **about))
        else:
            stamp = round(at.timestamp() * 1000) if entry.at else "feed"
            found.append(Unknown(id=f"youtube:{entry.video}:feed:{stamp}", name="feed entry", **about))
    return found


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
    about = kind.removeprefix("youtube#").removesuffix("ListResponse") if isinstance(kind, str) else ""
    rows = items if isinstance(items, list) else []
    if about == "video" or "liveStreamingDetails" in part or (not about and any(_is_video(row) for row in rows)):
        videos = (video_of(row) for row in ([part] if items is None else rows))
        return [event for video in videos if video for event in samples(video, context)]
    if about in QUIET or (not about and (_is_quiet(part) or (rows and all(_is_quiet(row) for row in rows)))):
        return []
    if about not in ("", "liveChatMessage") and not _is_chat(part):
        now = context.received_at
        return [Unknown(id=made_id(part), platform="youtube", at=now, received_at=now, name=f"answer {about}"[:60])]
    if "snippet" in part:
        return events_of(part, context)
    if about == "liveChatMessage" or not part.keys().isdisjoint(("items", "nextPageToken", "offlineAt")):
        return page_of(part, context).events
    raise Unreadable("missing_snippet")


def _is_chat(part: dict[str, Any]) -> bool:
    snippet = part.get("snippet")
    return isinstance(snippet, dict) and "type" in snippet and "liveChatId" in snippet


def _is_video(row: Any) -> bool:
    """Of an answer whose ``fields`` left the kind out."""
    if not isinstance(row, dict):
        return False
    snippet = row.get("snippet")
    if "liveStreamingDetails" in row or (isinstance(snippet, dict) and "liveBroadcastContent" in snippet):
        return True
    counted = row.get("statistics")
    return isinstance(counted, dict) and "viewCount" in counted and "authorDetails" not in row


def _is_quiet(row: Any) -> bool:
    return isinstance(row, dict) and "contentDetails" in row and "authorDetails" not in row
