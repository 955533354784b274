"""What YouTube's Data API answers with: the resources that our connector asks for, and its errors in its own words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.youtube_rooms import Room, Video


def video_row(room: Room, video: Video, *, viewers: int | None, likes: int) -> dict[str, Any]:
    """All parts of a video; without viewers where nobody is told how many watch."""
    said = "live" if video.live else "upcoming" if video.started is None else "none"
    live: dict[str, Any] = {}
    if video.scheduled is not None:
        live["scheduledStartTime"] = _time(video.scheduled)
    if video.started is not None:
        live["actualStartTime"] = _time(video.started)
    if video.ended is not None:
        live["actualEndTime"] = _time(video.ended)
    elif video.has_chat:
        live["activeLiveChatId"] = video.chat.id
    if viewers is not None:
        live["concurrentViewers"] = str(viewers)
    return {
        "kind": "youtube#video",
        "id": video.id,
        "snippet": {
            "channelId": room.id,
            "channelTitle": room.channel.handle,
            "title": video.title,
            "liveBroadcastContent": said,
        },
        "liveStreamingDetails": live,
        "statistics": {"viewCount": str(7 * likes), "likeCount": str(likes), "favoriteCount": "0", "commentCount": "0"},
    }


def channel_row(room: Room) -> dict[str, Any]:
    return {
        "kind": "youtube#channel",
        "id": room.id,
        "snippet": {"title": room.channel.handle, "customUrl": f"@{room.handle}"},
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": room.uploads}},
    }


def playlist_row(video: Video) -> dict[str, Any]:
    return {"kind": "youtube#playlistItem", "contentDetails": {"videoId": video.id}}


def listed(kind: str, rows: Sequence[dict[str, Any]], *, always: bool = True) -> web.Response:
    """A list of these; some methods leave ``items`` away when there is none."""
    info = {"totalResults": len(rows), "resultsPerPage": len(rows)}
    return _json({"kind": f"youtube#{kind}", "pageInfo": info, **({"items": rows} if rows or always else {})})


def refusal(status: int, reason: str, message: str, *, domain: str = "youtube.liveChat") -> web.Response:
    """An error as the Data API words it."""
    error = {"message": message, "domain": domain, "reason": reason}
    return _json({"error": {"code": status, "message": message, "errors": [error]}}, status)


def quota_exceeded() -> web.Response:
    text = 'The request cannot be completed because you have exceeded your <a href="/youtube/v3/getting-started#quota">quota</a>.'
    return refusal(403, "quotaExceeded", text, domain="youtube.quota")


def bad_key() -> web.Response:
    """What a wrong key is answered with."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
    message = "API key not valid. Please pass a valid API key."
    error = {"message": message, "domain": "global", "reason": "badRequest"}
    return _json(
        {"error": {"code": 400, "message": message, "errors": [error], "status": "INVALID_ARGUMENT", "details": details}}, 400
    )


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/json")


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
