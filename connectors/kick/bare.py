"""What libraries and logs leave of a frame of Kick's socket: its data alone, without the event's name and the channel. Pure; only captures need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHAPES: Final = (
    (("content", "sender"), "ChatMessageEvent"), (("gifted_usernames",), "GiftedSubscriptionsEvent"), (("gift_transaction_id", "gift"), "KicksGifted"),
    (("chatroom_id", "username", "months"), "SubscriptionEvent"), (("host_username",), "StreamHostEvent"), (("user", "banned_by"), "UserBannedEvent"),
    (("user", "unbanned_by"), "UserUnbannedEvent"), (("message", "pinnedBy"), "PinnedMessageCreatedEvent"),
    (("reward_title", "username"), "RewardRedeemedEvent"), (("user_ids", "channel_id"), "ChannelSubscriptionEvent"),
    (("usernames", "gifter_username"), "LuckyUsersWhoGotGiftSubscriptionsEvent"),
)  # fmt: skip
"""Fields → the event whose data has them; the first that fits."""


def frame_of(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The frame that these data were in; None when they are of none that is known."""
    name = next((name for fields, name in _SHAPES if all(data.get(field) is not None for field in fields)), "") or _nested(data)
    return {"event": name, "data": dict(data)} if name else None


def _nested(data: Mapping[str, Any]) -> str:
    """What shows only in an object within."""
    message, live = data.get("message"), data.get("livestream")
    if isinstance(message, dict):
        if "numberOfViewers" in message:
            return "StreamHostEvent"
        if "user" in data and "chatroom_id" in message:
            return "ChatMessageEvent"
        if set(message) == {"id"}:
            return "MessageDeletedEvent"
    if isinstance(live, dict) and "slug" not in data:
        if "session_title" in live and "channel_id" in live:
            return "StreamerIsLive"
        if isinstance(live.get("channel"), dict):
            return "StopStreamBroadcast"
    return ""
