"""What somebody saved of Kick, told apart by what is in it: a webhook with or without its headers, a frame of the socket, an answer. Pure.

While running each source is known and none of this is asked. Answers say who is live with how many viewers; the history of a chat, which kick.com's
page asks for, holds messages as the socket sends them. An error is no event and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Unknown, Viewers
from connectors.foreign import decode, object_of
from connectors.kick.api import channel_of
from connectors.kick.bare import frame_of
from connectors.kick.frames import frame_events
from connectors.kick.parse import (
    NEEDED,
    digest_of,
    guess_type,
    livestream_of,
    name_of,
    number_of,
    object_in,
    status,
    text_of,
    unreadable_event,
    webhook_events,
)
from connectors.recorded import record_of
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.event import Event
    from connectors.kick.parse import Context
    from connectors.recorded import Record

_QUIET: Final = (
    "thumbnail",
    "public_key",
    "app_id",
    "is_sent",
    "email",
    "access_token",
    "subscription_id",
    "profile_picture",
    "cost",
)
"""Of categories, keys, subscriptions, sent messages, users, tokens, rewards: each has one of these."""
_DEEPEST: Final = 3


def parse_any(raw: bytes, context: Context) -> list[Event]:
    """Raises Unreadable and nothing else."""
    return _events_of(object_of(raw), context, _DEEPEST)


def _events_of(document: dict[str, Any], context: Context, levels: int) -> list[Event]:
    name = next((name for key in ("event", "type", "eventType", "event_type") if (name := text_of(document.get(key)))), "")
    record = record_of(document)
    if record is not None:
        return _recorded(record, context, levels)
    if "broadcaster" in document:
        return webhook_events(_kind(document), _id_of(document), document, context)
    if _is_frame(document) and name not in NEEDED:
        return frame_events(document, context)
    if _is_answer(document):
        return _answered(document, context)
    if frame := frame_of(document):
        return frame_events(frame, context)
    wrapped = next((document[key] for key in ("body", "payload", "data") if key in document), None)
    if wrapped is None:
        if name:
            raise Unreadable("missing_type")
        return webhook_events(guess_type(document), _id_of(document), document, context)
    inner = object_in(decode(wrapped.encode("utf-8", "surrogatepass")) if isinstance(wrapped, str) else wrapped)
    if name not in NEEDED and "broadcaster" not in inner and levels:
        return _events_of(inner, context, levels - 1)
    return webhook_events(name if name in NEEDED else _kind(inner), _id_of(inner), inner, context)


def _id_of(body: Mapping[str, Any]) -> str:
    """Of a webhook that lost its id: the same however often and in whatever it was kept."""
    return digest_of(content_of(body))


def _is_frame(document: Mapping[str, Any]) -> bool:
    """A log has an ``event`` too, but neither its data nor where it happened."""
    event = text_of(document.get("event"))
    return bool(event) and (not document.keys().isdisjoint(("data", "channel")) or event.startswith(("pusher", "App\\")))


def _recorded(record: Record, context: Context, levels: int) -> list[Event]:
    """A request with its headers: a webhook has its type, its id and its time there."""
    headers, inner = record.headers, object_of(record.body)
    kind = headers.get("kick-event-type", "")
    if not kind and "broadcaster" not in inner and levels:
        return _events_of(inner, context, levels - 1)
    native = headers.get("kick-event-message-id") or _id_of(inner)
    return webhook_events(kind or _kind(inner), native, inner, context, moment(headers.get("kick-event-message-timestamp")))


def _kind(body: Mapping[str, Any]) -> str:
    """The type of a webhook whose header is lost; one that is new is still a webhook."""
    try:
        return guess_type(body)
    except Unreadable:
        return "webhook"


# --- answers ------------------------------------------------------------------------------------------------------------


def _is_answer(document: Mapping[str, Any]) -> bool:
    data = document.get("data")
    if "event" in document or (isinstance(data, dict) and not data.keys().isdisjoint(("event", "broadcaster"))):
        return False
    if "livestream" in document and "slug" in document:  # a channel as kick.com's own page asks for it
        return True
    if isinstance(data, list) or _is_on_page(data) or _is_on_page(document) or document == {"data": None}:
        return True
    said = isinstance(document.get("message"), str)
    if isinstance(document.get("error"), str):
        return True
    return (said and ("data" in document or len(document) <= 2)) or (isinstance(data, dict) and "messages" in data)


def _answered(document: Mapping[str, Any], context: Context) -> list[Event]:
    data = document.get("data")
    if isinstance(data, dict) and isinstance(data.get("messages"), list):
        return _each(data["messages"], context, _history)
    if "livestream" in document:
        return _page_channel(document, context)
    if _is_on_page(document):
        return _on_page(document, context)
    rows = data if isinstance(data, list) else [data] if isinstance(data, dict) and data else []
    if not rows and (text_of(document.get("message")).casefold() not in ("", "ok") or text_of(document.get("error"))):
        raise Unreadable("api_error")
    return _each(rows, context, _row)


def _each(rows: list[Any], context: Context, read: Callable[[dict[str, Any], Context], list[Event]]) -> list[Event]:
    """One that cannot be read takes no other with it, and is counted."""
    found: list[Event] = []
    for row in rows:
        try:
            found += read(object_in(row), context)
        except Unreadable as problem:
            if len(rows) == 1:
                raise
            found.append(unreadable_event(problem.reason, content_of(row), context.received_at))
    return found


def _history(message: dict[str, Any], context: Context) -> list[Event]:
    return frame_events({"event": "ChatMessageEvent", "data": message}, context)


def _row(row: dict[str, Any], context: Context) -> list[Event]:
    if "broadcaster_user_id" in row and ("stream" in row or "viewer_count" in row):
        if "stream" not in row:  # of ``livestreams``, where each row is live
            row = {**row, "stream": {"is_live": True, "viewer_count": row["viewer_count"], "start_time": row.get("started_at")}}
        return _live(row, context)
    if _is_on_page(row):
        return _on_page(row, context)
    if not row.keys().isdisjoint(_QUIET):
        return []
    if frame := frame_of(row):  # of a log that calls what it keeps data
        return frame_events(frame, context)
    now = context.received_at
    return [
        Unknown(
            id=f"kick:answer:{digest_of(repr(sorted(row)).encode())}", platform="kick", at=now, received_at=now, name="answer"
        )
    ]


def _page_channel(document: Mapping[str, Any], context: Context) -> list[Event]:
    live = document.get("livestream")
    live = live if isinstance(live, dict) else {}
    stream = {
        "is_live": bool(live) and live.get("is_live") is not False,
        "viewer_count": live.get("viewer_count", live.get("viewers")),
        "start_time": live.get("start_time") or live.get("created_at"),
    }
    return _live({"broadcaster_user_id": document.get("user_id"), "slug": document.get("slug"), "stream": stream}, context)


def _is_on_page(row: Any) -> bool:
    """A broadcast as kick.com's own pages ask for it: of one channel, of those that are shown first, or its viewers alone."""
    if not isinstance(row, dict) or row.keys().isdisjoint(("viewers", "viewer_count")):
        return False
    return not row.keys().isdisjoint(("session_title", "livestream_id"))


def _on_page(row: Mapping[str, Any], context: Context) -> list[Event]:
    """Whose it is only some of these answers say; the viewers of others are nobody's in particular."""
    owner = row.get("channel")
    if isinstance(owner, dict) and owner.get("user_id"):
        return _page_channel({"user_id": owner["user_id"], "slug": owner.get("slug"), "livestream": row}, context)
    if context.livestreams is not None or row.get("is_live") is False:
        return []
    now, native = context.received_at, name_of(row.get("livestream_id") or row.get("id"))[:30]
    channel = name_of(row.get("channel_id"))[:30]
    return [
        Viewers(
            id=f"kick:viewers:livestream-{native}:{round(now.timestamp() * 1000)}", platform="kick",
            livestream=f"kick:channel:{channel}" if channel else None, at=now, received_at=now,
            viewers=number_of(row.get("viewer_count", row.get("viewers"))),
        )
    ]  # fmt: skip


def _live(row: dict[str, Any], context: Context) -> list[Event]:
    """Who is live, under the id that the webhook of the beginning gives as well, and with how many viewers; nothing of who is not."""
    channel = channel_of(row)
    if channel is None:
        raise Unreadable("missing_broadcaster")
    livestream = livestream_of({"user_id": channel.user_id, "channel_slug": channel.slug}, context)
    if livestream is None or not channel.live:
        return []
    now = context.received_at
    began = status(
        channel.user_id, livestream, live=True, started_at=channel.started_at, at=channel.started_at or now, context=context
    )
    if channel.viewers is None:
        return [began]
    broadcast = began.broadcast or f"{channel.user_id}:now"
    viewers = Viewers(
        id=f"kick:viewers:{broadcast}:{round(now.timestamp() * 1000)}", platform="kick", livestream=livestream, broadcast=broadcast, at=now,
        received_at=now, viewers=channel.viewers,
    )  # fmt: skip
    return [began, viewers]
