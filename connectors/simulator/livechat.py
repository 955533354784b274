"""What YouTube writes for each thing that is sent: pure functions from the crowd's words to items of a live chat.

A Super Chat for bits (a Super Sticker where they are few), a membership for a subscription, gifted memberships and each one received, Jewels
for a raid, deletions and bans. Amounts are micros, and numbers are text, as the Data API writes them.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.simulator.lines import Entry

if TYPE_CHECKING:
    from connectors.simulator.model import Sent, SimChannel

FEW = 5
"""So few bits are a sticker without words."""
LONGEST = 200
"""Characters of a message."""
_CURRENCIES = ("USD", "EUR", "BRL", "JPY", "MXN", "AED")
_encode = msgspec.json.Encoder().encode


def channel_id(channel: SimChannel) -> str:
    """Of a channel of the roster: its native id, or one made from its handle."""
    native = channel.native_id or ""
    return native if native.startswith("UC") else f"UC{_short(channel.handle.lower().lstrip('@'), 22)}"


def author_id(user_id: str) -> str:
    """Channel id of somebody who writes."""
    return f"UC{_short(f'author {user_id}', 22)}"


def video_id(broadcast: str) -> str:
    """Eleven characters, made from an id that never was before."""
    return _short(f"video {broadcast}", 11)


def chat_id(video: str, channel: str) -> str:
    """As YouTube makes them: it can be seen that the video and the channel are in it, and nobody says so."""
    return base64.urlsafe_b64encode(b"\n\x0d\n\x0b" + video.encode() + b"*'\n\x18" + channel.encode()).decode().rstrip("=")


def _short(text: str, length: int) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=24).digest()
    return base64.urlsafe_b64encode(digest).decode()[:length]


def item_id(sent: Sent) -> str:
    """Id of an item; deletions and bans have one too, though the crowd gives them none."""
    if sent.native:
        return f"LCC.{sent.native}"
    about = sent.target.native if sent.target else sent.member.user_id if sent.member else ""
    return f"LCC.{sent.kind}.{sent.room}.{sent.at}.{about}"


def moment(at: float) -> str:
    """RFC 3339 of Unix seconds, with six digits as in a chat."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def kind_of(sent: Sent) -> str:
    """What YouTube calls it."""
    match sent.kind:
        case "bits":
            return "superStickerEvent" if sent.units <= FEW else "superChatEvent"
        case "sub":
            return "newSponsorEvent"
        case "resub":
            return "memberMilestoneChatEvent" if sent.text else "newSponsorEvent"
        case "subgift":
            return "giftMembershipReceivedEvent" if sent.target else "membershipGiftingEvent"
        case "mystery":
            return "membershipGiftingEvent"
        case "raid":
            return "giftEvent"
        case "delete":
            return "messageDeletedEvent"
        case "ban":
            return "userBannedEvent"
        case _:
            return "textMessageEvent"


def words(sent: Sent) -> str:
    """What is said in it; empty when nothing is, as with a sticker."""
    return sent.text.text[:LONGEST] if sent.text and kind_of(sent) != "superStickerEvent" else ""


def micros(sent: Sent) -> int:
    """What a Super Chat or sticker costs."""
    return sent.units * 10_000


def currency(sent: Sent) -> str:
    return _CURRENCIES[sent.at % len(_CURRENCIES)]


def item(sent: Sent, chat: str) -> bytes:
    """One ``liveChatMessage``."""
    kind = kind_of(sent)
    author = author_id(sent.member.user_id) if sent.member else ""
    text = words(sent)
    snippet: dict[str, Any] = {
        "type": kind,
        "liveChatId": chat,
        "authorChannelId": author,
        "publishedAt": moment(sent.at / 1000),
        "hasDisplayContent": bool(text),
    }
    if text:
        snippet["displayMessage"] = text
    snippet |= _details(kind, sent, text)
    return _encode({
        "kind": "youtube#liveChatMessage",
        "etag": item_id(sent)[-12:],
        "id": item_id(sent),
        "snippet": snippet,
        "authorDetails": {
            "channelId": author,
            "channelUrl": f"http://www.youtube.com/channel/{author}",
            "displayName": (sent.member.display or sent.member.login) if sent.member else "",
            "profileImageUrl": "",
            "isVerified": False,
            "isChatOwner": False,
            "isChatSponsor": bool(sent.member and sent.member.subscriber),
            "isChatModerator": False,
        },
    })  # fmt: skip


def _details(kind: str, sent: Sent, text: str) -> dict[str, Any]:
    match kind:
        case "textMessageEvent":
            return {"textMessageDetails": {"messageText": text}}
        case "superChatEvent":
            return {"superChatDetails": {**_money(sent), "userComment": text}}
        case "superStickerEvent":
            sticker = {"stickerId": "clap", "altText": "two hands", "language": "en"}
            return {"superStickerDetails": {**_money(sent), "superStickerMetadata": sticker}}
        case "newSponsorEvent":
            return {"newSponsorDetails": {"memberLevelName": "Friend", "isUpgrade": sent.kind == "resub"}}
        case "memberMilestoneChatEvent":
            return {"memberMilestoneChatDetails": {"userComment": text, "memberMonth": sent.units, "memberLevelName": "Friend"}}
        case "membershipGiftingEvent":
            count = sent.units if sent.kind == "mystery" else 1
            return {"membershipGiftingDetails": {"giftMembershipsCount": count, "giftMembershipsLevelName": "Friend"}}
        case "giftMembershipReceivedEvent":
            assert sent.target is not None
            return {"giftMembershipReceivedDetails": {"associatedMembershipGiftingMessageId": item_id(sent.target)}}
        case "giftEvent":
            return {"giftDetails": {"giftName": "Rocket", "jewelsAmount": sent.units, "comboCount": 1}}
        case "messageDeletedEvent":
            assert sent.target is not None
            return {"messageDeletedDetails": {"deletedMessageId": item_id(sent.target)}}
        case _:
            banned = {"channelId": snippet_author(sent), "displayName": sent.member.display if sent.member else ""}
            length = (
                {"banType": "permanent"}
                if sent.seconds is None
                else {"banType": "temporary", "banDurationSeconds": str(sent.seconds)}
            )
            return {"userBannedDetails": {"bannedUserDetails": banned, **length}}


def snippet_author(sent: Sent) -> str:
    """Whom a ban is about."""
    return author_id(sent.member.user_id) if sent.member else ""


def _money(sent: Sent) -> dict[str, Any]:
    return {
        "amountMicros": str(micros(sent)),
        "currency": currency(sent),
        "amountDisplayString": f"{currency(sent)} {micros(sent) / 1_000_000:.2f}",
        "tier": 1,
    }


def ended_item(video: str, chat: str, at: float) -> bytes:
    """The last word of a chat."""
    snippet = {"type": "chatEndedEvent", "liveChatId": chat, "publishedAt": moment(at), "hasDisplayContent": False}
    return _encode({"kind": "youtube#liveChatMessage", "etag": video, "id": f"LCC.end.{video}", "snippet": snippet})


def entries(sent: Sent) -> list[Entry]:
    """What the ledger says of one item: a Super Chat is a comment and a gift, a milestone only its words."""
    own, author = f"youtube:{item_id(sent)}", sent.member.user_id if sent.member else None

    def make(kind: str, event_id: str, **more: Any) -> Entry:
        return Entry(kind, event_id, {"author": author, **more})

    said = []
    if text := words(sent):
        said = [make("comment", own, text=text, topics=sent.text.topics if sent.text else ())]
    match kind_of(sent):
        case "superChatEvent":
            return [*said, make("gift", f"{own}:superchat", amount=micros(sent), currency=currency(sent))]
        case "superStickerEvent":
            return [make("gift", f"{own}:supersticker", amount=micros(sent), currency=currency(sent))]
        case "newSponsorEvent":
            return [make("gift", f"{own}:membership")]
        case "membershipGiftingEvent":
            return [make("gift", f"{own}:membership_gift", units=sent.units if sent.kind == "mystery" else 1)]
        case "giftEvent":
            return [make("gift", f"{own}:gift", amount=sent.units, currency="JEWELS")]
        case "giftMembershipReceivedEvent":
            return [make("notice", own)]
        case "messageDeletedEvent":
            assert sent.target is not None
            target = item_id(sent.target)
            return [make("removed", f"youtube:removed:{target}", target=f"youtube:{target}")]
        case "userBannedEvent":
            return [make("removed", f"{own}:banned", target_author=author)]
        case _:
            return said
