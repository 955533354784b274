"""What libraries and logs leave of Twitch's JSON: an event of EventSub without its envelope, a line of chat taken to pieces. Pure; only captures need it.

An event says by its fields what it is where nothing else does; one that says it by none is ``event``, which nobody knows and which is counted as that.
A line that a library took to pieces (``{"channel": "#ana", "tags": {…}, "message": "hi"}``) is put together again, so that one parser decides about both.
"""

from __future__ import annotations

from typing import Any, Final

from connectors.twitch.fields import dict_in, text_in

_SHAPES: Final = (
    (("notice_type",), "channel.chat.notification"), (("message_id", "message", "chatter_user_id"), "channel.chat.message"),
    (("message_id", "target_user_id"), "channel.chat.message_delete"), (("target_user_id",), "channel.chat.clear_user_messages"),
    (("followed_at",), "channel.follow"), (("from_broadcaster_user_id", "viewers"), "channel.raid"), (("bits", "is_anonymous"), "channel.cheer"),
    (("bits", "type"), "channel.bits.use"), (("banned_at",), "channel.ban"), (("total", "tier"), "channel.subscription.gift"),
    (("cumulative_months", "message"), "channel.subscription.message"), (("tier", "is_gift"), "channel.subscribe"),
    (("action", "moderator_user_id"), "channel.moderate"), (("campaign_id", "amount"), "channel.charity_campaign.donate"),
    (("started_at", "type", "id"), "stream.online"),
)  # fmt: skip
"""Fields → kind; the first that fits."""
_CHANNELS: Final = ("broadcaster_user_id", "to_broadcaster_user_id")
_NAMES: Final = ("subscription_type", "type", "topic", "event_type", "eventType", "name", "event")
"""Where somebody who kept an event wrote its kind."""
_ENVELOPE: Final = frozenset(("metadata", "subscription", "headers", "challenge"))
_TAGS: Final = ("tags", "userstate", "context")
_TEXTS: Final = ("message", "text", "msg", "parameters", "trailing", "content")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\:", " ": "\\s", "\r": "\\r", "\n": "\\n"})


def wrapped(document: dict[str, Any]) -> dict[str, Any]:
    """An event alone, or beside its kind, as the body of a webhook; anything else as it is."""
    payload, metadata = dict_in(document, "payload"), dict_in(document, "metadata")
    if "event" in payload and not text_in(metadata, "message_type"):  # of an envelope that lost what it says
        return {"metadata": {**metadata, "message_type": "notification"}, "payload": payload}
    if not _ENVELOPE.isdisjoint(document):
        return document
    event = next((document[key] for key in ("event", "data", "payload") if isinstance(document.get(key), dict)), document)
    if not _ENVELOPE.isdisjoint(event):
        return document
    said = next((kind for key in _NAMES if (kind := text_in(document, key)).startswith(("channel.", "stream."))), "")
    if not said and not any(text_in(event, key) for key in _CHANNELS):
        return document
    return {"subscription": {"type": said or _kind_of(event)}, "event": event}


def _kind_of(event: dict[str, Any]) -> str:
    return next((kind for fields, kind in _SHAPES if all(event.get(field) is not None for field in fields)), "event")


def line_of(document: dict[str, Any]) -> str:
    """The line of chat that a library took to pieces; empty when it is none."""
    taken: dict[str, Any] = next((document[key] for key in _TAGS if isinstance(document.get(key), dict)), {})
    tags: dict[str, Any] = {key.replace("_", "-"): value for key, value in taken.items()}
    command = dict_in(document, "command")
    channel = text_in(command, "channel") or text_in(document, "channel") or text_in(document, "target")
    if tags.keys().isdisjoint(("user-id", "room-id", "display-name", "tmi-sent-ts")) or not channel:
        return ""
    said = text_in(command, "command") or text_in(document, "command") or "PRIVMSG"
    text = next((words for key in _TEXTS if (words := text_in(document, key, longest=100_000))), "")
    if text_in(tags, "message-type") == "action":
        text = f"\x01ACTION {text}\x01"
    source = dict_in(document, "source") or dict_in(document, "prefix")
    login = text_in(tags, "username") or text_in(source, "nick") or text_in(document, "username")
    written = ";".join(f"{key}={_value(value)}" for key, value in tags.items() if isinstance(value, str | int | float))
    prefix = f"{login}!{login}@{login}.tmi.twitch.tv" if login else "tmi.twitch.tv"
    tail = f" :{text}" if text else ""
    return f"@{written} :{prefix} {said} #{channel.lstrip('#')}{tail}"


def _value(value: str | float) -> str:
    """A tag's value as it is written in a line; libraries make ``true`` of 1."""
    return str(int(value) if isinstance(value, bool) else value).translate(_ESCAPES)
