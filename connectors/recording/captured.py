"""One document of what other tools recorded, for ``monitor parse``: the platform's own parser could not read it. Pure.

Beside what can be replayed (twitch.py, youtube.py, downloader.py) these are the answers of the platforms' own pages, which people save while they watch,
and what libraries that read those pages make of them. Times are the document's own, also as ``received_at``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Gift
from connectors.foreign import decode
from connectors.money import minor, shown
from connectors.recording import downloader, twitch, youtube
from connectors.recording.entry import EPOCH, Maker, number, rows, table, text_of
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.event import Event
    from connectors.recording.entry import Entry

PLATFORMS: Final = frozenset(("twitch", "youtube"))
_REMOVED: Final = {
    "removeChatItemAction": "markChatItemAsDeletedAction", "removeChatItemByAuthorAction": "markChatItemsByAuthorAsDeletedAction",
}  # fmt: skip
"""While a chat is live a deletion has another name than afterwards."""
_GIVEN: Final = {
    "superChat": "superchat", "superSticker": "supersticker", "donation": "superchat", "newSponsor": "membership", "giftPurchase": "membership_gift",
}  # fmt: skip
"""pytchat's names of what was given."""
_ABOUT_VIDEO: Final = ("length", "recorded_at")
"""Of the first element of an old list, which is the video."""


class Captured:
    """Reads documents of one platform one after the other; a deletion has the time of what came before it."""

    def __init__(self, platform: str, pseudonym: Callable[[str, str], str]) -> None:
        self._maker = Maker(platform, None, pseudonym)
        self._chat = youtube.Chat(self._maker)
        self._items = downloader.Chat(self._maker)
        self._last = EPOCH
        """When the last that could be read was said."""
        self._read = self._of_twitch if platform == "twitch" else self._of_youtube

    def read(self, raw: bytes) -> list[Event]:
        """Raises Unreadable, also for what is no recording."""
        document = decode(raw)
        if not isinstance(document, dict):
            raise Unreadable("no_recording")
        if ("message_id" in document or "message_type" in document) and ("author" in document or "action_type" in document):
            return [entry.event for entry in self._items.parse_item(document)]
        return list(self._read(document))

    def _tolerated(self, one: Any, of: int, parse: Callable[[Any], list[Entry]]) -> list[Event]:
        """One of several that cannot be read takes no other with it, and is counted."""
        try:
            found = [entry.event for entry in parse(one)]
        except Unreadable as problem:
            if of == 1:
                raise
            return [self._maker.unknown(_digest_of(one), 0.0, self._last, f"unreadable {problem.reason}")]
        self._last = found[-1].at if found else self._last
        return found

    # --- Twitch ---------------------------------------------------------------------------------------------------------

    def _of_twitch(self, document: dict[str, Any]) -> Iterator[Event]:
        if all(key in document for key in _ABOUT_VIDEO):
            return
        video = table(table(document.get("data")).get("video"))
        edges = rows(table(video.get("comments")).get("edges"))
        comments = [_as_comment(table(table(edge).get("node")), video) for edge in edges] or rows(document.get("comments"))
        if not comments and ("commenter" in document or "content_offset_seconds" in document):
            comments = [document]
        if not comments and "comments" not in table(document) and "comments" not in video:
            raise Unreadable("no_recording")
        owner = table(document.get("streamer")) or table(document.get("video"))
        login = text_of(owner.get("login")) or text_of(owner.get("user_login")) or text_of(owner.get("name"))
        for comment in comments:
            channel = login or table(comment).get("channel_id")
            self._maker.livestream = f"twitch:{channel}".lower() if channel else None
            yield from self._tolerated(comment, len(comments), lambda one: twitch.parse_comment(one, self._maker))

    # --- YouTube --------------------------------------------------------------------------------------------------------

    def _of_youtube(self, document: dict[str, Any]) -> Iterator[Event]:
        chat = table(table(document.get("continuationContents")).get("liveChatContinuation"))
        if "replayChatItemAction" in document:
            actions = [document]
        elif chat:
            actions = rows(chat.get("actions"))
        elif any(key.endswith("Action") and isinstance(value, dict) for key, value in document.items()):
            actions = [document]
        else:
            yield from self._of_pytchat(document)
            return
        for action in actions:
            replay = table(table(action).get("replayChatItemAction"))
            inner = rows(replay.get("actions")) if replay else [action]
            named = [{_REMOVED.get(key, key): value for key, value in table(one).items()} for one in inner]
            line = {"replayChatItemAction": {"actions": named}}
            yield from self._tolerated(line, len(actions), self._chat.parse_line)

    def _of_pytchat(self, document: dict[str, Any]) -> Iterator[Event]:
        """Also of the other libraries that name an author and a message."""
        author, words, kind = table(document.get("author")), document.get("message"), text_of(document.get("type")) or ""
        channel = text_of(author.get("channelId"))
        if not channel or not isinstance(words, str | list):
            raise Unreadable("no_recording")
        text = words if isinstance(words, str) else "".join(_run(table(run)) for run in words)
        at = moment(document.get("timestamp")) or moment(document.get("datetime"))
        if at is None:
            raise Unreadable("missing_time")
        name, native = author.get("name"), document.get("id")
        said = self._maker.message(native, at.timestamp(), at, author=channel, name=name, text=text)
        given = _GIVEN.get(kind) or ("superchat" if isinstance(document.get("superchat"), dict) else "")
        if text and kind != "giftRedemption" and given not in ("membership", "membership_gift"):
            yield said
        if given:
            about = self._maker.about(at, said.author, name)
            yield Gift(id=f"{said.id}:{given}", name=given, **_worth(document), **about)


def _digest_of(one: Any) -> str:
    return "broken:" + hashlib.blake2b(content_of(one), digest_size=16).hexdigest()


def _as_comment(node: dict[str, Any], video: dict[str, Any]) -> dict[str, Any]:
    """A comment as Twitch's page is answered → as it is kept in files."""
    who = table(node.get("commenter"))
    return {
        "_id": node.get("id"), "created_at": node.get("createdAt"), "content_offset_seconds": node.get("contentOffsetSeconds"),
        "channel_id": table(video.get("creator")).get("id"), "message": node.get("message"),
        "commenter": {"_id": who.get("id"), "name": who.get("login"), "display_name": who.get("displayName")},
    }  # fmt: skip


def _run(run: dict[str, Any]) -> str:
    """Of a message in parts: words, or an emoji by its text."""
    return text_of(run.get("text")) or text_of(run.get("emojiText")) or text_of(run.get("alt")) or text_of(run.get("txt")) or ""


def _worth(document: dict[str, Any]) -> dict[str, Any]:
    amount, currency = number(document.get("amountValue")), (text_of(document.get("currency")) or "").upper()
    if amount and len(currency) == 3 and currency.isascii() and currency.isalpha():
        exact = minor(amount, currency)
        if exact is not None:
            return exact._asdict()
    written = text_of(document.get("amountString")) or text_of(table(document.get("superchat")).get("amount")) or ""
    found = shown(written).money
    return found._asdict() if found is not None else {}
