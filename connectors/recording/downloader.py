"""What chat-downloader saves: a list, or a line each, of messages of several sites in one shape. Pure.

The site is not named; it is told from the shape of the author's id. Tickers repeat a paid message and are left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.event import Gift, Removed
from connectors.recording.entry import EPOCH, Entry, Maker, from_microseconds, money, number, table, text_of

if TYPE_CHECKING:
    from connectors.event import Event

WORDLESS = frozenset(("paid_sticker", "membership_item", "sponsorships_gift_purchase_announcement"))
GIFTS = {
    "paid_message": "superchat", "paid_sticker": "supersticker", "membership_item": "membership",
    "sponsorships_gift_purchase_announcement": "membership_gift", "subscription": "sub", "resubscription": "resub",
    "subscription_gift": "subgift", "anonymous_subscription_gift": "anonsubgift",
}  # fmt: skip


def platform_of(items: list[Any]) -> str:
    """youtube, twitch, or recording when nothing tells."""
    for item in items:
        author = table(table(item).get("author"))
        native = text_of(author.get("id")) or ""
        if native.startswith("UC") or ("action_type" in table(item) and table(item)["action_type"] == "add_chat_item"):
            return "youtube"
        if native.isdecimal():
            return "twitch"
    return "recording"


class Chat:
    """Reads the items of one file in order; remembers when it began."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._began: datetime | None = None

    def parse_item(self, item: Any) -> list[Entry]:
        """One item; raises Unreadable."""
        if not isinstance(item, dict):
            raise Unreadable("missing_message")
        kind = text_of(item.get("message_type")) or ""
        action = text_of(item.get("action_type")) or ""
        if kind.startswith("ticker_") or action == "add_live_chat_ticker_item":
            return []
        offset, at = self._when(item)
        if action in ("mark_chat_item_as_deleted", "remove_chat_item") or kind == "delete_message":
            return [Entry(offset, self._removed(item, at))]
        who = table(item.get("author"))
        native = text_of(who.get("id")) or text_of(who.get("name"))
        name = text_of(who.get("display_name")) or text_of(who.get("name"))
        words = text_of(item.get("message"))
        if words is None and kind not in GIFTS:
            return [Entry(offset, self._maker.unknown(item.get("message_id"), offset, at, kind or action or "item"))]
        key = self._maker.id_of(item.get("message_id"), offset, native, f"{kind} {words}")
        about = self._maker.about(at, self._maker.author(native), name)
        events: list[Event] = []
        if words is not None and (words or kind not in WORDLESS):
            events.append(self._maker.message(key.partition(":")[2], offset, at, author=native, name=name, text=words))
        if kind in GIFTS:
            worth = money(table(item.get("money")).get("text")) or money_of(table(item.get("money")))
            events.append(Gift(id=f"{key}:{GIFTS[kind]}", name=GIFTS[kind], **worth, **about))
        bits = number(item.get("bits")) or 0
        if bits > 0:
            events.append(Gift(id=f"{key}:bits", name="bits", amount_minor=int(bits), currency="BITS", **about))
        return [Entry(offset, event) for event in events]

    def _when(self, item: dict[str, Any]) -> tuple[float, datetime]:
        """(seconds from the start, time); a file without dates keeps the spacing, from 1970 on."""
        if item.get("timestamp") is not None:
            at = from_microseconds(item["timestamp"])
            self._began = self._began or at
            return max(0.0, (at - self._began).total_seconds()), at
        seconds = number(item.get("time_in_seconds"))
        if seconds is None:
            raise Unreadable("missing_time")
        return max(0.0, seconds), EPOCH + timedelta(seconds=max(0.0, seconds))

    def _removed(self, item: dict[str, Any], at: datetime) -> Removed:
        target = text_of(item.get("target_message_id")) or text_of(item.get("message_id"))
        if not target:
            raise Unreadable("missing_target")
        platform = self._maker.platform
        return Removed(id=f"{platform}:removed:{target}", target=f"{platform}:{target}", **self._maker.about(at))


def money_of(worth: dict[str, Any]) -> dict[str, Any]:
    """Amount and currency as fields, when the text as shown is not clear."""
    amount, currency = number(worth.get("amount")), text_of(worth.get("currency"))
    if amount is None or amount < 0 or not currency:
        return {}
    return money(f"{currency} {amount:.2f}")
