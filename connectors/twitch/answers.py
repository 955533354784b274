"""Answers of Helix that somebody saved, as ``monitor parse`` shows them: who is live, with how many viewers. Pure.

While running discovery reads them (helix.py) and knows what was before; here a stream that is there is live. Answers about accounts, titles and
subscriptions say nothing of an audience.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.event import Status, Unknown, Viewers
from connectors.foreign import whole
from connectors.times import moment
from connectors.twitch.fields import digest_of, text_in

if TYPE_CHECKING:
    from connectors.event import Event
    from connectors.twitch.parse import Context

_QUIET: Final = (
    "broadcaster_type",
    "broadcaster_language",
    "transport",
    "shard_count",
    "box_art_url",
    "thumbnail_url",
    "emote_type",
)
"""Of accounts, channels, subscriptions, conduits, games, videos, emotes: each has one of these."""
_MOST: Final = 2**40


def is_answer(document: dict[str, Any]) -> bool:
    """An answer, a refusal, or a stream that fell out of an answer."""
    refused = "status" in document and not document.keys().isdisjoint(("error", "message")) and "event" not in document
    return isinstance(document.get("data"), list) or refused or _is_stream(document)


def _is_stream(row: Any) -> bool:
    return isinstance(row, dict) and "viewer_count" in row and "user_id" in row


def answer_events(document: dict[str, Any], context: Context) -> list[Event]:
    """Status and viewers of each stream; raises Unreadable("api_error") for a refusal."""
    rows = [document] if _is_stream(document) else document.get("data")
    if not isinstance(rows, list):
        raise Unreadable("api_error")
    streams = [row for row in rows if _is_stream(row)]
    if streams or not rows:
        return [event for row in streams for event in _stream(row, context)]
    if all(isinstance(row, dict) and not row.keys().isdisjoint(_QUIET) for row in rows):
        return []
    now = context.received_at
    return [Unknown(id=f"twitch:helix:{digest_of(document)}", platform="twitch", at=now, received_at=now, name="helix answer")]


def _stream(row: dict[str, Any], context: Context) -> list[Event]:
    user, login = text_in(row, "user_id"), text_in(row, "user_login").lower()
    livestream: str | None = f"twitch:{login or user}"
    if context.livestreams is not None:
        livestream = context.livestreams.get(user) or context.livestreams.get(login)
    if livestream is None or not user or text_in(row, "type") not in ("live", ""):
        return []
    now, started = context.received_at, moment(row.get("started_at"))
    # As discovery names it: without an id of its own the time at which it began tells it from the next one.
    broadcast = text_in(row, "id") or f"{user}@{started.isoformat() if started else 'now'}"
    about: dict[str, Any] = {
        "platform": "twitch",
        "livestream": livestream,
        "broadcast": broadcast,
        "at": now,
        "received_at": now,
    }
    found: list[Event] = [Status(id=f"twitch:status:{broadcast}:live", state="live", **about)]
    viewers = whole(row["viewer_count"])
    if isinstance(viewers, str) and viewers.isascii() and viewers.isdigit() and len(viewers) < 13:
        viewers = int(viewers)
    if isinstance(viewers, int) and not isinstance(viewers, bool) and 0 <= viewers < _MOST:
        stamp = round(now.timestamp() * 1000)
        found.append(Viewers(id=f"twitch:viewers:{broadcast}:{stamp}", viewers=viewers, **about))
    return found
