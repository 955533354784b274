"""YouTube live chat as yt-dlp saves it (``.live_chat.json``): one ``replayChatItemAction`` a line. Pure.

A Super Chat with words is a Message and a Gift, without words a Gift. Tickers and replacements repeat what came before and are left out;
so are redemptions of gifted memberships, which their purchase counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connectors.connector import Unreadable
from connectors.event import Gift, Removed
from connectors.recording.entry import Entry, Maker, from_microseconds, money, rows, table, text_of

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.event import Event

REPEATS = frozenset(
    (
        "addLiveChatTickerItemAction", "replaceChatItemAction", "addBannerToLiveChatCommand", "removeBannerForLiveChatCommand",
        "removeChatItemAction", "liveChatReportModerationStateCommand", "showLiveChatActionPanelAction", "updateLiveChatPollAction",
        "closeLiveChatActionPanelAction", "showLiveChatTooltipCommand", "changeEngagementPanelVisibilityAction",
    )
)  # fmt: skip
"""Actions that are nobody's doing, or show again what was added before."""
SILENT = frozenset(
    (
        "liveChatViewerEngagementMessageRenderer", "liveChatPlaceholderItemRenderer", "liveChatModeChangeMessageRenderer",
        "liveChatSponsorshipsGiftRedemptionAnnouncementRenderer", "liveChatPurchasedProductMessageRenderer", "liveChatAutoModMessageRenderer",
    )
)  # fmt: skip


class Chat:
    """Reads one file line by line; remembers when it began."""

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._began: datetime | None = None
        self._last: datetime | None = None

    def parse_line(self, line: Any) -> list[Entry]:
        """One decoded line; raises Unreadable."""
        replay = table(line).get("replayChatItemAction")
        if not isinstance(replay, dict):
            raise Unreadable("missing_action")
        entries = []
        for action in rows(replay.get("actions")):
            for kind, content in table(action).items():
                if kind == "addChatItemAction":
                    for renderer, item in table(table(content).get("item")).items():
                        entries += self._item(renderer, table(item))
                elif kind in ("markChatItemAsDeletedAction", "markChatItemsByAuthorAsDeletedAction"):
                    entries += self._removed(table(content))
                elif kind not in REPEATS and kind != "clickTrackingParams" and self._last:
                    entries.append(self._at(self._last, self._maker.unknown(None, 0.0, self._last, kind)))
        return entries

    def _at(self, at: datetime, event: Event) -> Entry:
        self._began = self._began or at
        self._last = max(self._last or at, at)
        return Entry(max(0.0, (at - self._began).total_seconds()), event)

    def _item(self, renderer: str, item: dict[str, Any]) -> list[Entry]:
        if renderer in SILENT:
            return []
        at = from_microseconds(item.get("timestampUsec"))
        native, author = item.get("id"), text_of(item.get("authorExternalChannelId"))
        head = table(table(item.get("header")).get("liveChatSponsorshipsHeaderRenderer"))
        name = shown(item.get("authorName")) or shown(head.get("authorName")) or None
        text = shown(item.get("message"))
        key = self._maker.id_of(native, at.timestamp(), author, f"{renderer} {text}")
        about = self._maker.about(at, self._maker.author(author), name)
        gift: Gift | None = None
        match renderer:
            case "liveChatTextMessageRenderer":
                pass
            case "liveChatPaidMessageRenderer":
                gift = Gift(id=f"{key}:superchat", name="superchat", **money(shown(item.get("purchaseAmountText"))), **about)
            case "liveChatPaidStickerRenderer":
                gift = Gift(
                    id=f"{key}:supersticker", name="supersticker", **money(shown(item.get("purchaseAmountText"))), **about
                )
            case (
                "liveChatMembershipItemRenderer"
            ):  # with headerPrimaryText it is a milestone: an old member speaks, nothing is paid
                gift = None if "headerPrimaryText" in item else Gift(id=f"{key}:membership", name="membership", **about)
            case "liveChatSponsorshipsGiftPurchaseAnnouncementRenderer":
                count = re.search(r"\d+", shown(head.get("primaryText")))
                gift = Gift(id=f"{key}:membership_gift", name="membership_gift", count=int(count[0][:6]) if count else 1, **about)
            case _:
                return [self._at(at, self._maker.unknown(native, at.timestamp(), at, renderer))]
        events: list[Event] = [gift] if gift else []
        if text or renderer == "liveChatTextMessageRenderer":
            said = self._maker.message(key.partition(":")[2], at.timestamp(), at, author=author, name=name, text=text)
            events.insert(0, said)
        return [self._at(at, event) for event in events]

    def _removed(self, content: dict[str, Any]) -> list[Entry]:
        """A deletion has no time of its own: it came after the last message."""
        if self._last is None:
            return []
        target, author = text_of(content.get("targetItemId")), text_of(content.get("externalChannelId"))
        if not target and not author:
            raise Unreadable("missing_target")
        name = f"youtube:removed:{target or self._maker.author(author)}"
        removed = Removed(
            id=name, target=f"youtube:{target}" if target else None, target_author=None if target else self._maker.author(author),
            from_=None if target else self._began, to=None if target else self._last, **self._maker.about(self._last),
        )  # fmt: skip
        return [self._at(self._last, removed)]


def shown(value: Any) -> str:
    """A text as YouTube writes it: ``simpleText``, or runs of text and emoji (a custom emoji by its short name)."""
    value = table(value)
    if isinstance(value.get("simpleText"), str):
        return str(value["simpleText"])
    parts = []
    for run in rows(value.get("runs")):
        emoji = table(table(run).get("emoji"))
        if text := text_of(table(run).get("text")):
            parts.append(text)
        elif emoji:
            names = [name for name in rows(emoji.get("shortcuts")) if isinstance(name, str)]
            parts.append(names[0] if emoji.get("isCustomEmoji") and names else text_of(emoji.get("emojiId")) or "")
    return "".join(parts)
