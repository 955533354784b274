"""YouTube's Data API (v3) to events: one answer of ``liveChat/messages`` or of ``videos``. Pure.

One batch of a chat is one object; ``list``, the held response of ``stream`` and gRPC's JSON carry the same::

    {"kind":"youtube#liveChatMessageListResponse","nextPageToken":"GL-g5…","items":[{"id":"LCC.Cjg…",
     "snippet":{"type":"superChatEvent","liveChatId":"Cg0…","publishedAt":"2026-10-16T12:00:00.123456+00:00",
      "superChatDetails":{"amountMicros":"2000000","currency":"EUR","userComment":"gg"}},
     "authorDetails":{"channelId":"UC…","displayName":"…"}}]}

Fields may be missing, numbers come as strings or as numbers, and kinds unknown today come tomorrow: each item is looked at alone,
and one that cannot be read does not take its batch with it. What counts and what does not:

* Super Chats and Super Stickers are gifts in micros of their currency (exponent 6, integers only); the words of a Super Chat are a
  message as well, and so are those of a membership milestone, which is nobody's payment.
* A purchase of gifted memberships counts with their number; each one received is the same again and does not count.
* A ban takes back what its author wrote in the ten minutes before it.
* Polls are Unknown("poll"): a vote is none of the actions that are counted, and YouTube gives tallies, not votes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Gift, Message, Removed, Status, Unknown
from connectors.foreign import decode
from connectors.money import shown
from connectors.times import moment
from connectors.youtube.stream import salvaged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.event import Event

REASONS = frozenset(
    (
        "not_json", "not_an_object", "missing_snippet", "missing_kind", "missing_text", "missing_author", "missing_target",
        "bad_time", "bad_number", "api_error", "too_large",
    )
)  # fmt: skip
"""Every reason that Unreadable may give."""

TAKEN_BACK = timedelta(minutes=10)
"""How far back a ban reaches."""
MICROS = 6
_LONGEST_ID = 512
_OLDEST = datetime(2005, 1, 1, tzinfo=UTC)
_NEWEST = datetime(2200, 1, 1, tzinfo=UTC)

NUMBERED = (
    "invalidType", "textMessageEvent", "tombstone", "fanFundingEvent", "chatEndedEvent", "sponsorOnlyModeStartedEvent",
    "sponsorOnlyModeEndedEvent", "newSponsorEvent", "messageDeletedEvent", "messageRetractedEvent", "userBannedEvent", "", "", "", "",
    "superChatEvent", "superStickerEvent", "memberMilestoneChatEvent", "membershipGiftingEvent", "giftMembershipReceivedEvent", "pollEvent",
    "giftEvent",
)  # fmt: skip
"""Kinds by their number in stream_list.proto, for answers in which enums are numbers."""

DETAILS = {
    "textMessageDetails": "textMessageEvent",
    "superChatDetails": "superChatEvent",
    "superStickerDetails": "superStickerEvent",
    "fanFundingEventDetails": "fanFundingEvent",
    "newSponsorDetails": "newSponsorEvent",
    "memberMilestoneChatDetails": "memberMilestoneChatEvent",
    "membershipGiftingDetails": "membershipGiftingEvent",
    "giftMembershipReceivedDetails": "giftMembershipReceivedEvent",
    "giftDetails": "giftEvent",
    "giftEventDetails": "giftEvent",
    "messageDeletedDetails": "messageDeletedEvent",
    "messageRetractedDetails": "messageRetractedEvent",
    "userBannedDetails": "userBannedEvent",
    "pollDetails": "pollEvent",
}
"""Which kind it is, when only the details say so."""


class Context(NamedTuple):
    """What an answer does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestream: str | None = None
    """Whose chat is read; None: found by ``livestreams``."""
    broadcast: str | None = None
    """Id of the live video."""
    livestreams: Mapping[str, str] | None = None
    """Chat id → livestream id; None takes every chat as ``youtube:<chat id>``."""


class Page(NamedTuple):
    """One object of the held response, or one answer to ``list``."""

    events: list[Event]
    token: str | None
    """Resumes after this page."""
    ended: bool
    """The chat is over: its last item or ``offlineAt`` says so."""
    wait_seconds: float | None
    """Before the next ``list``, as the server asks; the held response has none."""
    items: int
    oldest: datetime | None
    """Time of the first item that says one."""
    error: dict[str, Any] | None
    """What went wrong on the server's side in the middle of the response."""


def read_page(raw: bytes, context: Context) -> Page:
    """One object of a chat; raises Unreadable only when nothing of it can be read. An item that cannot be read becomes Unknown."""
    return page_of(decode(raw), context)


def read_broken(raw: bytes, problem: Unreadable, context: Context) -> Page:
    """What is whole in a page that is none; what is not stands in it as one Unknown."""
    items, token = salvaged(raw)
    content: dict[str, Any] = {"items": [item for one in items if (item := _decoded(one)) is not None], "nextPageToken": token}
    page = page_of(content, context)
    return page._replace(events=[unreadable(problem, raw, context), *page.events])


def _decoded(raw: bytes) -> Any:
    try:
        return decode(raw)
    except Unreadable:
        return None


def page_of(content: Any, context: Context) -> Page:
    """As read_page, decoded already."""
    if not isinstance(content, dict):
        raise Unreadable("not_an_object")
    error = content.get("error")
    items = content.get("items")
    if items is None and isinstance(content.get("snippet"), dict):  # an item that fell out of a broken page
        items = [content]
    events: list[Event] = []
    oldest = None
    found = items if isinstance(items, list) else []
    for item in found:
        try:
            events += events_of(item, context)
        except Unreadable as problem:
            events.append(unreadable(problem, item, context))
        oldest = oldest or (events[0].at if events else None)
    if isinstance(content.get("activePollItem"), dict):
        known = {event.id for event in events}
        events += [event for event in _try(content["activePollItem"], context) if event.id not in known]
    if (offline_at := _offline_at(content)) is not None:
        chat_id = next((_text(_table(_table(item).get("snippet")).get("liveChatId")) for item in found), "")
        ended = _status(chat_id, min(offline_at, context.received_at), context, "the live video went offline")
        events += [ended] if ended and all(event.id != ended.id for event in events) else []
    return Page(
        events,
        _text(content.get("nextPageToken")) or None,
        offline_at is not None or any(isinstance(event, Status) for event in events),
        _milliseconds(content.get("pollingIntervalMillis")),
        len(found),
        oldest,
        error if isinstance(error, dict) else None,
    )


def _offline_at(content: dict[str, Any]) -> datetime | None:
    try:
        return read_time(content.get("offlineAt"))
    except Unreadable:
        return None


def _milliseconds(value: Any) -> float | None:
    try:
        return number_of(value) / 1000 if value is not None else None
    except Unreadable:
        return None


def _count(value: Any) -> int:
    """What is only a help when it is there."""
    try:
        return number_of(value)
    except Unreadable:
        return 0


def _try(item: Any, context: Context) -> list[Event]:
    try:
        return events_of(item, context)
    except Unreadable as problem:
        return [unreadable(problem, item, context)]


def unreadable(problem: Unreadable, item: Any, context: Context) -> Unknown:
    """What stands for an item or a page that cannot be read: it must not stop the others, but must be counted."""
    now = context.received_at
    return Unknown(
        id=made_id(item), platform="youtube", livestream=context.livestream, broadcast=context.broadcast, at=now, received_at=now,
        name=f"unreadable {problem.reason}",
    )  # fmt: skip


def made_id(item: Any) -> str:
    """For what has no id of its own: the same content is the same event."""
    content = item if isinstance(item, bytes) else content_of(item)
    return f"youtube:made:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


# --- one item ---------------------------------------------------------------------------------------------------------


def events_of(item: Any, context: Context) -> list[Event]:
    """The events of one ``liveChatMessage``, often one and sometimes none; raises Unreadable and nothing else."""
    snippet = item.get("snippet") if isinstance(item, dict) else None
    if not isinstance(snippet, dict):
        raise Unreadable("missing_snippet")
    livestream = context.livestream
    if livestream is None:
        chat_id = _text(snippet.get("liveChatId"))
        if context.livestreams is not None:
            livestream = context.livestreams.get(chat_id)
            if livestream is None:
                return []
        elif chat_id:
            livestream = f"youtube:{chat_id}"
    native = item.get("id")
    kind = _kind(snippet)
    at = read_time(snippet.get("publishedAt")) or context.received_at
    about: dict[str, Any] = {
        "platform": "youtube",
        "livestream": livestream,
        "broadcast": context.broadcast,
        "at": at,
        "received_at": context.received_at,
    }
    key = f"youtube:{native}" if isinstance(native, str) and 0 < len(native) <= _LONGEST_ID else made_id(item)
    if kind == "textMessageEvent":  # nearly all of them
        author, name = _author(item, snippet, context)
        text = _text(snippet.get("displayMessage")) or _text(_table(snippet.get("textMessageDetails")).get("messageText"))
        if not text:
            if snippet.get("hasDisplayContent") is False:  # YouTube says itself that there is nothing to show
                return []
            raise Unreadable("missing_text")
        return [
            Message(
                id=key, platform="youtube", livestream=livestream, broadcast=context.broadcast, at=at,
                received_at=context.received_at, author=author, author_name=name, text=text,
            )
        ]  # fmt: skip
    if kind in _PAID:
        about["author"], about["author_name"] = _author(item, snippet, context, needed=False)
        return _paid(kind, key, snippet, about)
    return _told(kind, key, snippet, about, context)


def _kind(snippet: dict[str, Any]) -> str:
    kind = snippet.get("type")
    if isinstance(kind, str) and kind in _KINDS:
        return kind
    if isinstance(kind, int) and 0 < kind < len(NUMBERED) and NUMBERED[kind]:
        return NUMBERED[kind]
    if isinstance(kind, str) and (known := _FOLDED.get(_folded(kind)) or DETAILS.get(kind)):
        return known
    return next((DETAILS[name] for name in DETAILS if isinstance(snippet.get(name), dict)), _text(kind)[:60])


def _folded(kind: str) -> str:
    """TEXT_MESSAGE_EVENT, textMessageEvent and TEXT_MESSAGE are one kind."""
    return kind.replace("_", "").casefold().removesuffix("event")


_PAID: dict[str, tuple[str, ...]] = {
    "superChatEvent": ("superChatDetails",),
    "superStickerEvent": ("superStickerDetails",),
    "fanFundingEvent": ("fanFundingEventDetails",),
    "newSponsorEvent": ("newSponsorDetails",),
    "memberMilestoneChatEvent": ("memberMilestoneChatDetails",),
    "membershipGiftingEvent": ("membershipGiftingDetails",),
    "giftEvent": ("giftDetails", "giftEventDetails"),
}
"""Kinds in which a viewer gives something or speaks as a member, and where their details are."""
_KINDS = frozenset((*filter(None, NUMBERED), *DETAILS.values())) - {"invalidType"}
_FOLDED = {_folded(kind): kind for kind in _KINDS}


def _paid(kind: str, key: str, snippet: dict[str, Any], about: dict[str, Any]) -> list[Event]:
    details = next((_table(snippet[name]) for name in _PAID[kind] if isinstance(snippet.get(name), dict)), {})
    events: list[Event] = []
    if words := _text(details.get("userComment")):
        events.append(Message(id=key, text=words, **about))
    match kind:
        case "superChatEvent":
            events.append(Gift(id=f"{key}:superchat", name="superchat", **_money(details), **about))
        case "superStickerEvent":
            events.append(Gift(id=f"{key}:supersticker", name="supersticker", **_money(details), **about))
        case "fanFundingEvent":
            events.append(Gift(id=f"{key}:fanfunding", name="fanfunding", **_money(details), **about))
        case "newSponsorEvent":
            upgrade = details.get("isUpgrade") in (True, "true")
            events.append(Gift(id=f"{key}:membership", name="membership_upgrade" if upgrade else "membership", **about))
        case "membershipGiftingEvent":
            count = min(max(1, number_of(details.get("giftMembershipsCount"))), 1_000_000)
            events.append(Gift(id=f"{key}:membership_gift", name="membership_gift", count=count, **about))
        case "giftEvent":
            details = _table(details.get("giftMetadata")) or details
            jewels = number_of(details.get("jewelsAmount"))
            value: dict[str, Any] = {"amount_minor": jewels, "currency": "JEWELS"} if jewels else {}
            # comboCount says how many in a row it is, and may come again with the same id when it has grown: each count is one gift.
            combo = _count(details.get("comboCount"))
            which = f":{combo}" if combo > 1 else ""
            events.append(Gift(id=f"{key}:gift{which}", name=_text(details.get("giftName"))[:60] or "gift", **value, **about))
    return events


def _told(kind: str, key: str, snippet: dict[str, Any], about: dict[str, Any], context: Context) -> list[Event]:
    """What the chat says about itself: removals, bans, its end, its modes; and kinds that nobody knows yet."""
    match kind:
        case "messageDeletedEvent" | "messageRetractedEvent":
            deleted = _text(_table(snippet.get("messageDeletedDetails")).get("deletedMessageId"))
            target = deleted or _text(_table(snippet.get("messageRetractedDetails")).get("retractedMessageId"))
            if not target or len(target) > _LONGEST_ID:
                raise Unreadable("missing_target")
            # From the target, so that a retraction told twice, or by list and by stream, is one.
            return [Removed(id=f"youtube:removed:{target}", target=f"youtube:{target}", **about)]
        case "tombstone":  # stands in the place of a message that was deleted before we saw it, under its id
            return [Removed(id=f"youtube:removed:{key.removeprefix('youtube:')}", target=key, **about)]
        case "userBannedEvent":
            banned = _table(_table(snippet.get("userBannedDetails")).get("bannedUserDetails"))
            channel = _text(banned.get("channelId"))
            if not channel:
                raise Unreadable("missing_target")
            author = context.pseudonym("youtube", channel)
            start = about["at"] - TAKEN_BACK
            return [Removed(id=f"{key}:banned", target_author=author, from_=start, to=about["at"], **about)]
        case "chatEndedEvent":
            ended = _status(_text(snippet.get("liveChatId")), about["at"], context, "the chat was ended")
            return [ended] if ended else []
        case "giftMembershipReceivedEvent" | "sponsorOnlyModeStartedEvent" | "sponsorOnlyModeEndedEvent":
            return []
        case "pollEvent":
            return [Unknown(id=f"{key}:poll", name="poll", **about)]
        case "":
            raise Unreadable("missing_kind")
        case _:
            return [Unknown(id=f"{key}:unknown", name=kind, **about)]


def _status(chat_id: str, at: datetime, context: Context, reason: str) -> Status | None:
    """A broadcast's end; its id is the broadcast's, so that the end is one however often and by whomever it is told."""
    livestream = context.livestream
    if livestream is None and chat_id:
        livestream = f"youtube:{chat_id}" if context.livestreams is None else context.livestreams.get(chat_id)
    if livestream is None and context.livestreams is not None:
        return None
    of = context.broadcast or chat_id[:_LONGEST_ID] or f"chat@{at.isoformat()}"
    return Status(
        id=f"youtube:{of}:ended", platform="youtube", livestream=livestream, broadcast=context.broadcast, at=at,
        received_at=context.received_at, state="ended", reason=reason,
    )  # fmt: skip


# --- fields -----------------------------------------------------------------------------------------------------------


def _author(
    item: dict[str, Any], snippet: dict[str, Any], context: Context, *, needed: bool = True
) -> tuple[str | None, str | None]:
    """Who it was; what was given counts also when nobody says by whom."""
    details = item.get("authorDetails")
    details = details if isinstance(details, dict) else {}
    channel = details.get("channelId") or snippet.get("authorChannelId")
    if isinstance(channel, dict):  # as comments have it: {"value": "UC…"}
        channel = channel.get("value")
    name = _text(details.get("displayName")) or None
    if isinstance(channel, str) and channel:
        return context.pseudonym("youtube", channel), name
    if needed:
        raise Unreadable("missing_author")
    return None, name


def _money(details: dict[str, Any]) -> dict[str, Any]:
    """Micros of a currency; without them, or when they are none, what is written for people; nothing where YouTube states no value."""
    try:
        micros, problem = number_of(details.get("amountMicros")), None
    except Unreadable as bad:
        micros, problem = 0, bad
    currency = _text(details.get("currency")).strip().upper()
    if micros and len(currency) == 3 and currency.isascii() and currency.isalpha():
        return {"amount_minor": micros, "exponent": MICROS, "currency": currency}
    written = shown(_text(details.get("amountDisplayString"))).money
    if written is None and problem is not None:
        raise problem
    return written._asdict() if written is not None and written.amount_minor else {}


def number_of(value: Any) -> int:
    """A count or an amount, whether written as text or as a number; absent is 0; raises Unreadable("bad_number")."""
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        text = value.strip()
        whole, _, fraction = text.partition(".")
        if whole.isascii() and whole.isdigit() and len(whole) <= 18 and not fraction.strip("0"):
            return int(whole)
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return value
    elif isinstance(value, float) and value.is_integer() and 0 <= value < 2**53:
        return int(value)
    raise Unreadable("bad_number")


def read_time(value: Any) -> datetime | None:
    """RFC 3339 with any number of digits, ``Z`` or an offset, or Unix time; None when there is none; raises Unreadable("bad_time")."""
    if value is None or value == "":
        return None
    try:
        at: datetime | None = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        at = moment(value)  # slower, and understands nearly everything
    try:
        at = at and (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))
    except OverflowError as error:
        raise Unreadable("bad_time") from error
    if at is None or not _OLDEST < at < _NEWEST:
        raise Unreadable("bad_time")
    return at


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
