"""What is written and given in a chat of Telegram, to events: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.event import Gift, Join, Message, Status, Unknown
from connectors.telegram.fields import MOST, author_of, id_of, integer, list_of, message_id, time_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.event import Event
    from connectors.telegram.fields import Context

SERVICE = frozenset(
    {
        "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo", "group_chat_created", "supergroup_chat_created",
        "channel_chat_created", "message_auto_delete_timer_changed", "migrate_to_chat_id", "migrate_from_chat_id", "pinned_message",
        "users_shared", "chat_shared", "write_access_allowed", "passport_data", "proximity_alert_triggered", "boost_added",
        "chat_background_set", "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened",
        "general_forum_topic_hidden", "general_forum_topic_unhidden", "giveaway_created", "giveaway", "giveaway_winners",
        "giveaway_completed", "video_chat_scheduled", "video_chat_participants_invited", "web_app_data", "connected_website",
        "checklist_tasks_done", "checklist_tasks_added", "direct_message_price_changed", "paid_message_price_changed",
        "suggested_post_approved", "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded", "refunded_payment",
        "suggested_post_approval_failed", "successful_payment", "invoice", "gift_upgrade_sent", "chat_owner_left", "chat_owner_changed",
        "voice_chat_scheduled", "voice_chat_participants_invited", "new_chat_participant", "left_chat_participant",
    }
)  # fmt: skip
"""Messages that nobody wrote."""

BROADCASTS = {
    "video_chat_started": "live",
    "video_chat_ended": "ended",
    "voice_chat_started": "live",
    "voice_chat_ended": "ended",
}
"""Video chats were called voice chats once."""

CONTENT = frozenset(
    {
        "text", "caption", "animation", "audio", "document", "live_photo", "paid_media", "photo", "sticker", "story", "video", "video_note", "voice",
        "checklist", "contact", "dice", "game", "poll", "venue", "location", "invoice", "rich_text",
    }
)  # fmt: skip
"""What people send."""
AROUND = frozenset(
    {
        "from", "from_user", "sender_chat", "sender_business_bot", "chat", "via_bot", "forward_origin", "forward_from", "forward_from_chat",
        "reply_to_message", "external_reply", "quote", "reply_to_story", "direct_messages_topic", "entities", "caption_entities",
        "link_preview_options", "suggested_post_info", "reply_markup", "guest_bot_caller_user", "guest_bot_caller_chat",
    }
)  # fmt: skip
"""What a message says beside its content."""
LONGEST_TEXT: Final = 20_000
MOST_LINKS: Final = 5


def message_events(body: Mapping[str, Any], chat: str, livestream: str, context: Context, *, post: bool) -> list[Event]:
    number = id_of(body)
    at = time_of(body)
    sender, sender_chat = body.get("from"), body.get("sender_chat")
    common: dict[str, Any] = {
        "id": message_id(chat, number), "platform": "telegram", "livestream": livestream, "at": at, "received_at": context.received_at,
    }  # fmt: skip
    came = body.get("new_chat_members") or body.get("new_chat_member")
    if came:
        came = came if isinstance(came, list) else [came]
        people = sum(isinstance(one, dict) and one.get("is_bot") is not True for one in came)
        return [Join(**common, count=people)] if people else []
    for key, state in BROADCASTS.items():
        if key in body:
            return [Status(**common, state=state)]  # type: ignore[arg-type]
    gift = body.get("gift") or body.get("unique_gift")
    if isinstance(gift, dict):
        author, name = author_of(sender, sender_chat, context, post=True)
        return _gift(gift, {**common, "author": author, "author_name": name})
    if not SERVICE.isdisjoint(body) or body.get("is_automatic_forward") is True:
        return []
    if (news := _new_service(body)) is not None:
        return [Unknown(**{**common, "id": f"{common['id']}:unknown"}, name=news[:60])]
    if isinstance(sender, dict) and sender.get("is_bot") is True and not isinstance(sender_chat, dict):
        return []
    album = body.get("media_group_id")
    is_more = isinstance(album, str | int) and not context.albums.is_first(chat, str(album), number)
    if is_more and not _words(body):
        return []
    author, name = author_of(sender, sender_chat, context, post=post)
    common |= {"author": author, "author_name": name}
    context.totals_of(chat).written(number)
    if author:
        context.written.add(common["id"], author)
    events: list[Event] = [
        Message(
            **common,
            text=_words(body),
            form="post" if post else "comment",
            reply_to=_parent(body, chat),
            url=_url(body, chat),
            links=_links(body) if post else (),
        )
    ]
    stars = integer(body.get("paid_star_count"))
    if stars is not None and 0 < stars <= MOST:
        gift = {**common, "id": f"{common['id']}:stars"}
        events.append(Gift(**gift, name="paid message", amount_minor=stars, currency="STARS"))
    return events


def _gift(told: Mapping[str, Any], common: Mapping[str, Any]) -> list[Event]:
    """A gift to the channel or group, with the words that came with it. One that is only made unique was given before."""
    if told.get("origin") in ("upgrade", "gifted_upgrade"):
        return []
    inner = told.get("gift")
    inner = inner if isinstance(inner, dict) else {}
    resold = told.get("last_resale_amount") if told.get("last_resale_currency") == "XTR" else told.get("last_resale_star_count")
    stars = integer(inner.get("star_count") or resold)
    worth: dict[str, Any] = {"amount_minor": stars, "currency": "STARS"} if stars is not None and 0 < stars <= MOST else {}
    sticker = inner.get("sticker")
    emoji = sticker.get("emoji") if isinstance(sticker, dict) else None
    name = next((one for one in (inner.get("base_name"), emoji) if isinstance(one, str) and one), "gift")[:200]
    events: list[Event] = [Gift(**{**common, "id": f"{common['id']}:gift"}, name=name, **worth)]
    words = told.get("text")
    if isinstance(words, str) and words and told.get("is_private") is not True:
        events.append(Message(**common, text=words[:LONGEST_TEXT], form="comment"))
    return events


def _new_service(body: Mapping[str, Any]) -> str | None:
    """What a message tells that has nothing in it that people send, if it is something that we do not know."""
    if not CONTENT.isdisjoint(body):
        return None
    return next((key for key, value in body.items() if isinstance(value, dict | list) and key not in AROUND), None)


def _links(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Where words of a post lead to that do not show it."""
    rows = [row for key in ("entities", "caption_entities") for row in list_of(body.get(key)) if isinstance(row, dict)]
    urls = (row.get("url") for row in rows if row.get("type") == "text_link")
    links = (one for one in urls if isinstance(one, str) and one.startswith(("https://", "http://")) and len(one) <= 500)
    return tuple(dict.fromkeys(links))[:MOST_LINKS]


def _words(body: Mapping[str, Any]) -> str:
    """The text, the caption, a sticker's emoji or a poll's question; empty for a picture without words, which is a comment too."""
    for value in (body.get("text"), body.get("caption")):
        if isinstance(value, str):
            return value[:LONGEST_TEXT]
        if isinstance(value, list):  # in pieces, as exports have it
            pieces = (one.get("text") if isinstance(one, dict) else one for one in value)
            return "".join(one for one in pieces if isinstance(one, str))[:LONGEST_TEXT]
    for kind, key in (
        ("sticker", "emoji"),
        ("dice", "emoji"),
        ("poll", "question"),
        ("checklist", "title"),
        ("venue", "title"),
        ("game", "title"),
    ):
        inner = body.get(kind)
        if isinstance(inner, dict) and isinstance(inner.get(key), str):
            return str(inner[key])[:LONGEST_TEXT]
    return ""


def _parent(body: Mapping[str, Any], chat: str) -> str | None:
    """In a forum every message answers its topic's first one: that is no answer."""
    elsewhere = body.get("external_reply")
    if isinstance(elsewhere, dict) and isinstance(elsewhere.get("chat"), dict):
        other, number = integer(elsewhere["chat"].get("id")), integer(elsewhere.get("message_id"))
        return message_id(str(other), number) if other is not None and number is not None else None
    parent = body.get("reply_to_message")
    number = integer(parent.get("message_id")) if isinstance(parent, dict) else None
    if number is None or (body.get("is_topic_message") is True and number == integer(body.get("message_thread_id"))):
        return None
    return message_id(chat, number)


def _url(body: Mapping[str, Any], chat: str) -> str | None:
    username = body["chat"].get("username")
    if isinstance(username, str) and username.isascii() and username.isidentifier():
        return f"https://t.me/{username}/{id_of(body)}"
    return f"https://t.me/c/{chat.removeprefix('-100')}/{id_of(body)}" if chat.startswith("-100") else None
