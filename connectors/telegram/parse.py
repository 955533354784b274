"""One update of Telegram's Bot API to events: pure.

    {"update_id":7,"message":{"message_id":5,"from":{"id":77,"first_name":"Ana","is_bot":false},"chat":{"id":-1001,"type":"supergroup"},
     "date":1795151369,"text":"hello 你好"}}

A post of the channel itself is a post; what people write in a group is a comment. Left out: what bots write, the copy of a channel's post
that Telegram puts into its discussion group, edits (the first text stays), private chats, and service messages but for those that say that
somebody came, that something was given, or that a video chat began or ended.

Telegram tells bots of no deletion. It tells of a ban, and a ban in a supergroup deletes all that the author wrote: the messages in
``Written`` are taken back one by one, and beside them, by author, what else the journal finds of the last ten minutes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Gift, Join, Message, Reaction, Removed, Status, Unknown
from connectors.telegram.totals import Totals
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.event import Event

REASONS = frozenset(
    {
        "not_json",
        "not_an_object",
        "missing_update",
        "missing_chat",
        "missing_id",
        "bad_time",
        "missing_author",
        "missing_reactions",
    }
)
"""Every reason that Unreadable may give."""

WANTED = ("message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "message_reaction_count",
          "my_chat_member", "chat_member")  # fmt: skip
"""Kinds of updates that are asked for; reactions and members are told only to those who name them."""

OUR_OWN = frozenset({"my_chat_member"})
"""What an update says about the bot itself; the connector listens to it."""

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

TAKEN_BACK = timedelta(minutes=10)
"""How far back a ban reaches in the journal."""
MOST = FIRST = 10**9
"""Of stars and reactions; and as a time 2001, before which there was no Telegram."""
LONGEST_TEXT = 20_000
MOST_LINKS = 5


class Written:
    """Who wrote the last messages, so that a ban can take them back one by one; bounded."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._authors: OrderedDict[str, str] = OrderedDict()

    def add(self, event_id: str, author: str) -> None:
        self._authors[event_id] = author
        if len(self._authors) > self._limit:
            self._authors.popitem(last=False)

    def of(self, author: str, chat: str) -> list[str]:
        """Event ids of what this author wrote in this chat."""
        prefix = f"telegram:{chat}:"
        return [event_id for event_id, who in self._authors.items() if who == author and event_id.startswith(prefix)]


class Context(NamedTuple):
    """What an update does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None
    """Chat id, or username in lower case, to livestream id; None takes every chat as ``telegram:<chat id>``."""
    totals: dict[str, Totals]
    """Chat id → reactions so far."""
    written: Written
    is_capture: bool = False
    """Nothing is known of the time before it: totals count from nought, and not from the first one that was seen."""

    def totals_of(self, chat: str) -> Totals:
        return self.totals.setdefault(chat, Totals(since=0 if self.is_capture else None))


def chat_of(update: Mapping[str, Any]) -> tuple[str, str] | None:
    """(id, username in lower case) of the chat that an update is about."""
    for kind in update:
        body = update[kind]
        if isinstance(body, dict) and isinstance(body.get("chat"), dict):
            number, name = _integer(body["chat"].get("id")), body["chat"].get("username")
            if number is not None:
                return str(number), name.casefold() if isinstance(name, str) else ""
    return None


def is_private(update: Mapping[str, Any]) -> bool:
    """Whether it is between one person and the bot: never read."""
    return any(
        isinstance(body, dict) and isinstance(body.get("chat"), dict) and body["chat"].get("type") == "private"
        for body in update.values()
    )


def livestream_of(chat: tuple[str, str], livestreams: Mapping[str, str] | None) -> str | None:
    number, name = chat
    if livestreams is None:
        return f"telegram:{number}"
    return livestreams.get(number) or (livestreams.get(name) if name else None)


def update_events(update: Mapping[str, Any], context: Context) -> list[Event]:
    """What one update means; nothing when its chat is not one of ours. Raises Unreadable and nothing else."""
    if "message_id" in update and isinstance(update.get("chat"), dict):  # a message without its update around it
        update = {"message": update}
    kind = _kind(update)
    if kind is None or ("update_id" not in update and not isinstance(update[kind], dict)):
        raise Unreadable("missing_update")
    body = update[kind]
    chat = chat_of({kind: body})  # its own: another field of the update may hold one too
    if chat is None or not isinstance(body, dict):
        if kind in WANTED or kind in OUR_OWN:
            raise Unreadable("missing_chat")
        return [_unknown(kind, update, None, context)]  # a poll and what is asked inline belong to no chat
    livestream = livestream_of(chat, context.livestreams)
    if livestream is None or is_private(update) or kind in OUR_OWN:
        return []
    match kind:
        case "message" | "channel_post":
            post = kind == "channel_post" or body["chat"].get("type") == "channel"
            return _message(_told(body), chat[0], livestream, context, post=post)
        case "edited_message" | "edited_channel_post":
            return []
        case "message_reaction":
            return _reactions(body, chat[0], livestream, context)
        case "message_reaction_count":
            return _counts(body, chat[0], livestream, context)
        case "chat_member":
            return _ban(body, chat[0], livestream, context)
    return [_unknown(kind, update, livestream, context)]


def _kind(update: Mapping[str, Any]) -> str | None:
    """Which field of it is the update: one that is known, else an object, else whatever there is; others were written beside it."""
    told = [kind for kind in update if kind != "update_id" and update[kind] is not None]
    known = (kind for kind in told if kind in WANTED or kind in OUR_OWN)
    return next(known, None) or next((kind for kind in told if isinstance(update[kind], dict)), None) or next(iter(told), None)


def _told(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Libraries write down the fields that are not there as well: as null, as false, as an empty list."""
    told = {key: value for key, value in body.items() if value is not None and value is not False and value != []}
    if "from" not in told and isinstance(told.get("from_user"), dict):
        told["from"] = told["from_user"]
    return told


def _unknown(kind: str, update: Mapping[str, Any], livestream: str | None, context: Context) -> Unknown:
    return Unknown(
        id=f"telegram:unknown:{_digest(content_of(update))}", platform="telegram", livestream=livestream, at=context.received_at,
        received_at=context.received_at, name=kind[:60],
    )  # fmt: skip


def unreadable_event(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"telegram:unreadable:{_digest(raw)}", platform="telegram", at=now, received_at=now, name=f"unreadable {reason}"
    )


def message_id(chat: str, number: int) -> str:
    return f"telegram:{chat}:{number}"


# --- messages -----------------------------------------------------------------------------------------------------------


def _message(body: Mapping[str, Any], chat: str, livestream: str, context: Context, *, post: bool) -> list[Event]:
    number = _id(body)
    at = _time(body)
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
        author, name = _author(sender, sender_chat, context, post=True)
        return _gift(gift, {**common, "author": author, "author_name": name})
    if not SERVICE.isdisjoint(body) or body.get("is_automatic_forward") is True:
        return []
    if isinstance(sender, dict) and sender.get("is_bot") is True and not isinstance(sender_chat, dict):
        return []
    author, name = _author(sender, sender_chat, context, post=post)
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
    stars = _integer(body.get("paid_star_count"))
    if stars is not None and 0 < stars <= MOST:
        gift = {**common, "id": f"{common['id']}:stars"}
        events.append(Gift(**gift, name="paid message", amount_minor=stars, currency="STARS"))
    return events


def _gift(told: Mapping[str, Any], common: Mapping[str, Any]) -> list[Event]:
    """A gift to the channel or group, with the words that came with it. One that is only made unique was given before."""
    if told.get("origin") == "upgrade":
        return []
    inner = told.get("gift")
    inner = inner if isinstance(inner, dict) else {}
    stars = _integer(inner.get("star_count") or told.get("last_resale_star_count"))
    worth: dict[str, Any] = {"amount_minor": stars, "currency": "STARS"} if stars is not None and 0 < stars <= MOST else {}
    sticker = inner.get("sticker")
    emoji = sticker.get("emoji") if isinstance(sticker, dict) else None
    name = next((one for one in (inner.get("base_name"), emoji) if isinstance(one, str) and one), "gift")[:200]
    events: list[Event] = [Gift(**{**common, "id": f"{common['id']}:gift"}, name=name, **worth)]
    words = told.get("text")
    if isinstance(words, str) and words and told.get("is_private") is not True:
        events.append(Message(**common, text=words[:LONGEST_TEXT], form="comment"))
    return events


def _links(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Where words of a post lead to that do not show it."""
    rows = [row for key in ("entities", "caption_entities") for row in _list(body.get(key)) if isinstance(row, dict)]
    urls = (row.get("url") for row in rows if row.get("type") == "text_link")
    links = (one for one in urls if isinstance(one, str) and one.startswith(("https://", "http://")) and len(one) <= 500)
    return tuple(dict.fromkeys(links))[:MOST_LINKS]


def _author(sender: Any, sender_chat: Any, context: Context, *, post: bool) -> tuple[str | None, str | None]:
    """Who writes as a channel or as the anonymous group is that channel or group."""
    if isinstance(sender_chat, dict):
        number, title = _integer(sender_chat.get("id")), sender_chat.get("title")
    elif isinstance(sender, dict):
        number = _integer(sender.get("id"))
        title = " ".join(part for part in (sender.get("first_name"), sender.get("last_name")) if isinstance(part, str) and part)
    elif post:
        return None, None
    else:
        raise Unreadable("missing_author")
    if number is None:
        raise Unreadable("missing_author")
    return context.pseudonym("telegram", str(number)), (title[:200] if isinstance(title, str) else None) or None


def _words(body: Mapping[str, Any]) -> str:
    """The text, the caption, a sticker's emoji or a poll's question; empty for a picture without words, which is a comment too."""
    for value in (body.get("text"), body.get("caption")):
        if isinstance(value, str):
            return value[:LONGEST_TEXT]
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
        other, number = _integer(elsewhere["chat"].get("id")), _integer(elsewhere.get("message_id"))
        return message_id(str(other), number) if other is not None and number is not None else None
    parent = body.get("reply_to_message")
    number = _integer(parent.get("message_id")) if isinstance(parent, dict) else None
    if number is None or (body.get("is_topic_message") is True and number == _integer(body.get("message_thread_id"))):
        return None
    return message_id(chat, number)


def _url(body: Mapping[str, Any], chat: str) -> str | None:
    username = body["chat"].get("username")
    if isinstance(username, str) and username.isascii() and username.isidentifier():
        return f"https://t.me/{username}/{_id(body)}"
    return f"https://t.me/c/{chat.removeprefix('-100')}/{_id(body)}" if chat.startswith("-100") else None


# --- reactions and bans -------------------------------------------------------------------------------------------------


def _reactions(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    """One person's reactions to a message, before and after: the new ones count, and each once however often it is taken back."""
    number, at = _id(body), _time(body)
    actor = body.get("user") if isinstance(body.get("user"), dict) else body.get("actor_chat")
    who = _integer(actor.get("id")) if isinstance(actor, dict) else None
    if who is None:
        raise Unreadable("missing_author")
    author, name = _author(body.get("user"), body.get("actor_chat"), context, post=False)
    before = set(_emojis(body.get("old_reaction")))
    fresh = dict.fromkeys(emoji for emoji in _emojis(body.get("new_reaction")) if emoji not in before)
    return [
        Reaction(
            id=f"{message_id(chat, number)}:{emoji}:{(author or '')[:16]}", platform="telegram", livestream=livestream, at=at,
            received_at=context.received_at, author=author, author_name=name, reaction=emoji,
        )
        for emoji in fresh
    ]  # fmt: skip


def _counts(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    """The totals of a message whose voters are anonymous."""
    number, at = _id(body), _time(body)
    rows = body.get("reactions")
    if not isinstance(rows, list):
        raise Unreadable("missing_reactions")
    totals: dict[str, int] = {}
    for row in rows:
        emoji = _emoji(row.get("type")) if isinstance(row, dict) else ""
        total = _integer(row.get("total_count")) if isinstance(row, dict) else None
        if emoji and total is not None and 0 <= total <= MOST:
            totals[emoji] = max(total, totals.get(emoji, 0))
    raised = context.totals_of(chat).raised(number, totals)
    return [
        Reaction(
            id=f"{message_id(chat, number)}:{emoji}:{total}", platform="telegram", livestream=livestream, at=at,
            received_at=context.received_at, reaction=emoji, count=more,
        )
        for emoji, more, total in raised
    ]  # fmt: skip


def _emojis(rows: Any) -> list[str]:
    if rows is None:  # nothing before, or nothing after
        return []
    if not isinstance(rows, list):
        raise Unreadable("missing_reactions")
    return [emoji for row in rows if (emoji := _emoji(row))]


def _emoji(kind: Any) -> str:
    if not isinstance(kind, dict):
        return ""
    if kind.get("type") == "paid":
        return "⭐"
    for key, prefix in (("emoji", ""), ("custom_emoji_id", "custom:")):
        value = kind.get(key)
        if isinstance(value, str) and value:
            return prefix + value[:40]
    return ""


def _ban(body: Mapping[str, Any], chat: str, livestream: str, context: Context) -> list[Event]:
    after = body.get("new_chat_member")
    if not isinstance(after, dict) or after.get("status") != "kicked":
        return []
    who = _integer(after["user"].get("id")) if isinstance(after.get("user"), dict) else None
    if who is None:
        raise Unreadable("missing_author")
    at, author = _time(body), context.pseudonym("telegram", str(who))
    common: dict[str, Any] = {
        "platform": "telegram", "livestream": livestream, "at": at, "received_at": context.received_at,
    }  # fmt: skip
    one_by_one = [Removed(id=f"{event_id}:removed", target=event_id, **common) for event_id in context.written.of(author, chat)]
    ban = f"telegram:{chat}:ban:{author[:16]}:{int(at.timestamp())}"
    return [*one_by_one, Removed(id=ban, target_author=author, from_=at - TAKEN_BACK, to=at, **common)]


# --- fields -------------------------------------------------------------------------------------------------------------


def _id(body: Mapping[str, Any]) -> int:
    number = _integer(body.get("message_id"))
    if number is None:
        raise Unreadable("missing_id")
    return number


def _time(body: Mapping[str, Any]) -> datetime:
    told = body.get("date")
    seconds = _integer(told)
    if seconds is not None and not FIRST <= seconds < 10**11:
        raise Unreadable("bad_time")
    at = datetime.fromtimestamp(seconds, UTC) if seconds is not None else moment(told)
    if at is None or at.timestamp() < FIRST:
        raise Unreadable("bad_time")
    return at


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _integer(value: Any) -> int | None:
    """A whole number, also one that a library wrote as text."""
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and -(2**62) < value < 2**62 else None


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:24]
