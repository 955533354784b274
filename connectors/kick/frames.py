r"""Frames of Kick's public Pusher socket to events. Pure.

A frame carries JSON inside a JSON string::

    {"event":"App\\Events\\ChatMessageEvent","channel":"chatrooms.668.v2","data":"{\"id\":\"…\",\"content\":\"hi\",…}"}

Names come with and without ``App\\Events\\``: the last part counts. kick.com's own page subscribes to several channels of one chat
(``chatrooms.668``, ``chatrooms.668.v2``, ``chatroom_668``, ``channel.12``, ``channel_12``), so the same thing may come by two of them and under two
names: what has no id of its own gets one from what happened, to whom and where. Gifts and subscriptions have no id in common with the webhooks:
with ``counts_gifts=False`` they are left out. What says neither its chat nor its channel is read only of a capture, and is then nobody's in particular.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Gift, Removed, Share, Status
from connectors.foreign import object_of
from connectors.kick.parse import (
    LONGEST_ID,
    TAKEN_BACK,
    About,
    chat,
    digest_of,
    kicks,
    message_id,
    name_of,
    number_of,
    object_in,
    text_of,
    time_of,
    user_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.event import Event
    from connectors.kick.parse import Context

QUIET: Final = frozenset(
    {
        "UserUnbannedEvent", "PinnedMessageCreatedEvent", "PinnedMessageDeletedEvent", "PollUpdateEvent", "PollDeleteEvent",
        "ChatroomUpdatedEvent", "FollowersUpdated", "GiftsLeaderboardUpdated", "KicksLeaderboardUpdated", "RewardRedeemedEvent",
        "ChatMoveToSupportedChannelEvent", "LuckyUsersWhoGotGiftSubscriptionsEvent", "ChannelSubscriptionEvent", "LivestreamUpdated",
        "UpdatedLiveStreamEvent", "PredictionCreated", "PredictionUpdated", "GoalCreatedEvent", "GoalProgressUpdateEvent", "GoalCanceledEvent",
    }
)  # fmt: skip
"""Events that repeat something, or are nothing that a viewer did. ``FollowersUpdated`` names a total that Kick rounds; ``ChannelSubscriptionEvent`` is
the channel's twin of ``SubscriptionEvent``; predictions come several times a second."""
NAMES: Final = {
    "ChatMessage": "ChatMessageEvent", "ChatMessageSentEvent": "ChatMessageEvent", "ChatMessageDeletedEvent": "MessageDeletedEvent",
    "KicksGiftedEvent": "KicksGifted", "StreamHostedEvent": "StreamHostEvent", "ChatroomHostEvent": "StreamHostEvent",
}  # fmt: skip
"""Other names of the same: older ones, and those of another channel."""
GIFTS: Final = frozenset({"SubscriptionEvent", "GiftedSubscriptionsEvent", "KicksGifted"})
READ: Final = GIFTS | {
    "ChatMessageEvent", "MessageDeletedEvent", "UserBannedEvent", "ChatroomClearEvent", "StreamHostEvent", "StreamerIsLive", "StopStreamBroadcast",
}  # fmt: skip
"""Events that are about a chat or a channel and nothing without it."""
WINDOW_SECONDS: Final = 600
"""What has neither id nor time is the same as the same within these."""


def parse_frame(raw: bytes, context: Context) -> list[Event]:
    """One frame of the socket; raises Unreadable and nothing else."""
    return frame_events(object_of(raw), context)


def frame_events(frame: Mapping[str, Any], context: Context) -> list[Event]:
    """Nothing for the protocol's own frames (``pusher:…``); the connection listens to those."""
    event = text_of(frame.get("event"))
    if not event:
        raise Unreadable("missing_type")
    if event.startswith(("pusher:", "pusher_internal:", "client-")):
        return []
    name = event.rpartition("\\")[2][:60]
    name = NAMES.get(name, name)
    if name in QUIET:
        return []
    data = _inner(frame.get("data"))
    if name == "ChatMessageEvent" and isinstance(data.get("message"), dict):
        data = _as_now(data)
    place = _place(text_of(frame.get("channel")), data)
    livestream = _livestream(place, name, context)
    if livestream is None and place:
        return []
    about = About(_id(name, place, data, context), livestream, _at(data, context), context)
    return _events(name, data, about) if name in READ else [about.unknown(name)]


def _events(name: str, data: Mapping[str, Any], about: About) -> list[Event]:
    context = about.context
    match name:
        case "ChatMessageEvent":
            return _said(data, about)
        case "MessageDeletedEvent":
            message = data.get("message") or data.get("deletedMessage")
            target = name_of(message.get("id") if isinstance(message, dict) else message)
            if not target:
                raise Unreadable("missing_target")
            return [Removed(**about.common(id_=f"{message_id(target)}:deleted"), target=message_id(target))]
        case "UserBannedEvent":
            banned = user_id(object_in(data.get("user") or data.get("banned_user"), "missing_user"))
            if not banned:
                raise Unreadable("missing_user")
            who = context.pseudonym("kick", banned)
            return [Removed(**about.common(), target_author=who, from_=about.at - TAKEN_BACK, to=about.at)]
        case "ChatroomClearEvent":
            return [Removed(**about.common(), from_=about.at - TAKEN_BACK, to=about.at)]
        case "StreamHostEvent":
            return [Share(**about.common(_host(data)))]
        case "StreamerIsLive" | "StopStreamBroadcast":
            return [Status(**about.common(), state="live" if name == "StreamerIsLive" else "ended")]
    if not context.counts_gifts:
        return []
    match name:
        case "SubscriptionEvent":
            kind = "subscription.renewal" if number_of(data.get("months")) > 1 else "subscription.new"
            return [Gift(**about.common(_person(data.get("user"), data.get("username"))), name=kind)]
        case "GiftedSubscriptionsEvent":
            gifter = _person(data.get("gifter"), data.get("gifter_username"))
            return [Gift(**about.common(gifter), name="subscription.gifts", count=_gifted(data))]
        case _:
            return kicks(data, about)


def _said(data: Mapping[str, Any], about: About) -> list[Event]:
    """A message. A resubscription that somebody celebrates without a word was told as a subscription, and so were the chat's own notices."""
    if not text_of(data.get("content")) and (data.get("type") == "celebration" or data.get("action")):
        return []
    metadata = data.get("metadata")
    if isinstance(metadata, str):  # as the history of a chat has it; a message whose metadata are none is a message
        with suppress(Unreadable):
            metadata = _json(metadata)
    parent = metadata.get("original_message") if isinstance(metadata, dict) else None
    return [chat(data, name_of(data.get("id")), parent, about)]


def _as_now(data: Mapping[str, Any]) -> dict[str, Any]:
    """As it was once: the message and its author side by side, the text as ``message``."""
    message = data["message"]
    answered = message.get("replied_to")
    metadata = {"original_message": answered} if isinstance(answered, dict) else message.get("metadata")
    return {
        **message,
        "content": message.get("message", message.get("content")),
        "sender": data.get("user"),
        "metadata": metadata,
    }


def _host(data: Mapping[str, Any]) -> dict[str, Any]:
    return _person(data.get("user") or data.get("hoster"), data.get("host_username"))


def _person(who: Any, name: Any) -> dict[str, Any]:
    return who if isinstance(who, dict) and who else {"username": name}


def _gifted(data: Mapping[str, Any]) -> int:
    """How many: a large gift comes in pieces, each with its own names and the total of all."""
    names = data.get("gifted_usernames")
    if isinstance(names, list) and names:
        return len(names)
    return max(1, min(number_of(data.get("gifted_total") or data.get("quantity")), 1_000_000))


# --- where, when and which ------------------------------------------------------------------------------------------------


def _inner(data: Any) -> dict[str, Any]:
    """The second JSON; some servers of the same protocol send the object itself, and nothing is ``[]``, ``null`` or an empty text."""
    if isinstance(data, str) and data:
        data = _json(data)
    if isinstance(data, str) and data:  # written twice by whoever recorded it
        data = _json(data)
    return object_in(data or {}, "missing_data")


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreadable("missing_data") from None


def _place(channel: str, data: Mapping[str, Any]) -> str:
    """``chatrooms.668.v2`` and ``chatroom_668`` are the chat 668, ``channel.12`` and ``channel_12`` the channel 12: other numbers. What says its chat
    itself is about that, by whatever channel it came. Empty when neither says it.
    """
    chatroom = number_of(data.get("chatroom_id") or data.get("chat_id"))
    if chatroom:
        return f"chatroom:{chatroom}"
    parts = channel.replace("_", ".").replace("-", ".").split(".")
    number = next((part[:30] for part in parts if part.isascii() and part.isdigit()), "")
    if not number:
        return f"channel:{own}" if (own := _channel_in(data)) else ""
    kind = "channel" if "channel" in parts else parts[0][:20]
    if any(part.startswith("chatroom") for part in parts):
        kind = "chatroom"
    return f"{kind}:{number}"


def _channel_in(data: Mapping[str, Any]) -> int:
    """The channel that a broadcast says itself."""
    live = data.get("livestream")
    live = live if isinstance(live, dict) else {}
    channel = live.get("channel")
    return number_of(live.get("channel_id")) or number_of(channel.get("id") if isinstance(channel, dict) else None)


def _livestream(place: str, name: str, context: Context) -> str | None:
    if not place:
        if name in READ and context.livestreams is not None:
            raise Unreadable("missing_channel")
        return None
    return f"kick:{place}" if context.livestreams is None else context.livestreams.get(place)


def _at(data: Mapping[str, Any], context: Context) -> datetime:
    """What the event, its message or its broadcast says; else when it came."""
    for place in (data, data.get("message"), data.get("livestream")):
        if isinstance(place, dict) and (stamp := place.get("created_at") or place.get("createdAt")):
            return time_of(stamp, context)
    return time_of(None, context)


def _id(name: str, place: str, data: Mapping[str, Any], context: Context) -> str:
    """From what happened, where it has no id of its own; the socket gives neither id nor time to most."""
    native = name_of(data.get("gift_transaction_id"))
    if native:
        return f"kick:{name}:{native[:LONGEST_ID]}"
    match name:
        case "SubscriptionEvent":
            what: Any = [
                text_of(_person(data.get("user"), data.get("username")).get("username")).casefold(),
                number_of(data.get("months")),
            ]
        case "GiftedSubscriptionsEvent":
            names = data.get("gifted_usernames")
            gifter = text_of(_person(data.get("gifter"), data.get("gifter_username")).get("username"))
            what = [gifter.casefold(), names if isinstance(names, list) else [], _gifted(data)]
        case "StreamHostEvent":
            what = text_of(_host(data).get("username")).casefold()
        case _:
            what = data
    window = int(context.received_at.timestamp()) // WINDOW_SECONDS
    return f"kick:{name}:{digest_of(content_of([place, what]))}:{window}"
