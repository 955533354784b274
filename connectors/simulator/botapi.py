"""What Telegram's Bot API tells of each thing that is sent: pure, with the memory of one chat.

Every fifth chat is a channel, whose posts are its own and whose reactions are told as totals; the others are supergroups. Bits are a
message paid with stars, a subscription is somebody who comes, a subscription given to somebody is a reaction to the last message. A deleted
message is told to no bot; a ban is, and it takes all that the author wrote in the chat.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.simulator.lines import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.model import Member, Sent, SimChannel

BOT_ID: Final = 7_000_000_001
CHANNEL_EVERY: Final = 5
EMOJI: Final = ("👍", "❤", "🔥", "👏", "😁", "🎉")
REMEMBERED: Final = 2_000
"""Messages of a chat whose author is known, for a ban."""
MOST_AT_ONCE: Final = 20
"""People who are added by one message."""
HIDDEN: Final = frozenset(("message_reaction", "message_reaction_count", "chat_member"))
"""Kinds of updates that only those get who name them."""
USUAL: Final = frozenset(
    ("message", "edited_message", "channel_post", "edited_channel_post", "my_chat_member", "callback_query", "poll")
)
"""Kinds that are told to who names none; of those that can happen here."""


class Told(NamedTuple):
    """One update and what it counts as."""

    kind: str
    body: dict[str, Any]
    entries: Sequence[Entry] = ()


def chat_id(channel: SimChannel) -> int:
    """Of a chat of the roster: its native id, or one made from its handle."""
    native = channel.native_id or channel.handle
    if native.removeprefix("-").isascii() and native.removeprefix("-").isdigit():
        return int(native)
    digest = hashlib.blake2b(channel.handle.lower().lstrip("@").encode(), digest_size=5).digest()
    return -1_001_000_000_000 - int.from_bytes(digest, "big") % 10**9


class Chat:
    """One group or channel, and what must be remembered to go on telling of it."""

    def __init__(self, channel: SimChannel, number: int) -> None:
        self.channel = channel
        self.id = chat_id(channel)
        self.is_channel = number % CHANNEL_EVERY == CHANNEL_EVERY - 1
        self.status = "administrator"
        """What the bot is in it."""
        name = channel.handle.lstrip("@")
        self.about: dict[str, Any] = {
            "id": self.id,
            "title": channel.handle,
            "type": "channel" if self.is_channel else "supergroup",
            **({"username": name} if name.isascii() and name.isidentifier() else {}),
        }
        """The chat in an update."""
        self._number = 0
        self._last = 0
        """Number of the last message."""
        self._authors: OrderedDict[int, str] = OrderedDict()
        self._now: dict[str, str] = {}
        """Reactions to the last message: who → emoji."""
        self._reacted: set[tuple[str, str]] = set()
        """… who and emoji that were told before."""
        self._totals: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def tell(self, sent: Sent, allowed: frozenset[str]) -> Told | None:
        """The update that this becomes; none of a kind that nobody asked for."""
        member = sent.member
        told: Told | None = None
        match sent.kind:
            case "message" | "bits" | "resub" if sent.text is not None and member is not None:
                told = self._post(sent) if self.is_channel else self._message(sent, member)
            case "mystery" if self._last:
                told = self._edit(sent)
            case "sub" | "resub" | "subgift" | "raid" if self.is_channel and self._last:
                self._raise(sent)
                told = self._count(sent) if "message_reaction_count" in allowed else None
            case "sub" | "raid" if not self.is_channel and member is not None:
                told = self._arrival(sent, member)
            case "subgift" | "resub" if not self.is_channel and member is not None and self._last:
                told = self._reaction(sent, member) if "message_reaction" in allowed else None
            case "ban" if not self.is_channel and member is not None:
                told = self._ban(sent, member)
        return told if told is not None and told.kind in allowed else None

    def bot_is(self, status: str, at: float) -> Told:
        """The bot becomes something else here: member, administrator, left, kicked."""
        bot = {"id": BOT_ID, "is_bot": True, "first_name": "Monitor"}
        change = {"old_chat_member": {"user": bot, "status": self.status}, "new_chat_member": {"user": bot, "status": status}}
        self.status = status
        return Told("my_chat_member", {"chat": self.about, "from": _moderator(), "date": int(at), **change})

    def video_chat(self, *, begins: bool, at: float) -> Told:
        """Somebody begins or ends the video chat of the group."""
        told: dict[str, Any] = {"video_chat_started": {}} if begins else {"video_chat_ended": {"duration": 60}}
        return Told("message", {"message_id": self._next(), "chat": self.about, "date": int(at), "from": _moderator(), **told})

    def move(self, at: float) -> Told:
        """The group gets another id, as one does that becomes a supergroup; what is said from now on is said under it."""
        old, new = self.about, self.id - 10**9
        self.id, self.about = new, {**old, "id": new}
        body = {"message_id": self._next(), "chat": old, "date": int(at), "from": _moderator(), "migrate_to_chat_id": new}
        self._number, self._last = 0, 0
        self._authors.clear()
        return Told("message", body)

    # --- what is written ----------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _event(self, number: int) -> str:
        return f"telegram:{self.id}:{number}"

    def _written(self, sent: Sent) -> tuple[dict[str, Any], str, dict[str, Any]]:
        """The next message: its fields, its event id, and what the ledger says of it."""
        assert sent.text is not None
        number, text = self._next(), sent.text.text
        words = (
            {"caption": text, "photo": [{"file_id": f"p{number}", "width": 90, "height": 60}]}
            if number % 29 == 0
            else {"text": text}
        )
        self._last = number
        self._now.clear()
        self._reacted.clear()
        self._totals, self._told = {}, {}
        body = {"message_id": number, "chat": self.about, "date": sent.at // 1000, **words}
        return body, self._event(number), {"text": text, "topics": sent.text.topics}

    def _message(self, sent: Sent, member: Member) -> Told:
        before = self._last
        body, own, more = self._written(sent)
        body["from"] = _user(member)
        if self._number % 7 == 0 and before:
            body["reply_to_message"] = {"message_id": before, "chat": self.about, "date": sent.at // 1000}
        author = {"author": member.user_id}
        entries = [Entry("comment", own, {**author, **more})]
        if sent.kind == "bits":
            body["paid_star_count"] = sent.units
            entries.append(Entry("gift", f"{own}:stars", {**author, "amount": sent.units, "currency": "STARS"}))
        self._authors[self._number] = member.user_id
        if len(self._authors) > REMEMBERED:
            self._authors.popitem(last=False)
        return Told("message", body, entries)

    def _post(self, sent: Sent) -> Told:
        body, own, more = self._written(sent)
        return Told("channel_post", body | {"sender_chat": self.about}, [Entry("post", own, {"author": str(self.id), **more})])

    def _edit(self, sent: Sent) -> Told:
        body = {
            "message_id": self._last,
            "chat": self.about,
            "date": sent.at // 1000,
            "edit_date": sent.at // 1000,
            "text": "(edited)",
        }
        if self.is_channel:
            return Told("edited_channel_post", body)
        return Told("edited_message", body | {"from": _user(sent.member)})

    def _arrival(self, sent: Sent, member: Member) -> Told:
        number = self._next()
        first = _user(member)
        brought = min(sent.units, MOST_AT_ONCE) - 1 if sent.kind == "raid" else 0
        came = [first, *({**first, "id": first["id"] * 100 + n} for n in range(brought))]
        body = {"message_id": number, "chat": self.about, "date": sent.at // 1000, "from": first, "new_chat_members": came}
        return Told("message", body, [Entry("notice", self._event(number), {"author": member.user_id, "units": len(came)})])

    # --- reactions and bans -------------------------------------------------------------------------------------------

    def _reaction(self, sent: Sent, member: Member) -> Told:
        """One emoji a person; another one replaces it, and each counts once."""
        emoji, who = EMOJI[sent.at % len(EMOJI)], member.user_id
        before = self._now.get(who)
        self._now[who] = emoji
        body = {
            "chat": self.about,
            "message_id": self._last,
            "user": _user(member),
            "date": sent.at // 1000,
            "old_reaction": [_emoji(before)] if before else [],
            "new_reaction": [_emoji(emoji)],
        }
        if (who, emoji) in self._reacted:
            return Told("message_reaction", body)
        self._reacted.add((who, emoji))
        return Told("message_reaction", body, [Entry("reaction", f"{self._event(self._last)}:{emoji}:{who}", {"author": who})])

    def _raise(self, sent: Sent) -> None:
        emoji = EMOJI[sent.at % len(EMOJI)]
        self._totals[emoji] = self._totals.get(emoji, 0) + min(sent.units, MOST_AT_ONCE)

    def _count(self, sent: Sent) -> Told:
        rows = [{"type": _emoji(one), "total_count": total} for one, total in self._totals.items()]
        body = {"chat": self.about, "message_id": self._last, "date": sent.at // 1000, "reactions": rows}
        entries = [
            Entry("reaction", f"{self._event(self._last)}:{one}:{total}", {"units": total - self._told.get(one, 0)})
            for one, total in self._totals.items()
            if total > self._told.get(one, 0)
        ]
        self._told = dict(self._totals)
        return Told("message_reaction_count", body, entries)

    def _ban(self, sent: Sent, member: Member) -> Told:
        """The author's messages go with it, and nothing but the ban says so."""
        gone = [number for number, author in self._authors.items() if author == member.user_id]
        for number in gone:
            del self._authors[number]
        user, at = _user(member), sent.at // 1000
        kicked = {"user": user, "status": "kicked", "until_date": 0 if sent.seconds is None else at + sent.seconds}
        body = {
            "chat": self.about,
            "from": _moderator(),
            "date": at,
            "old_chat_member": {"user": user, "status": "member"},
            "new_chat_member": kicked,
        }
        entries = [Entry("removed", f"{self._event(number)}:removed", {"target": self._event(number)}) for number in gone]
        ban = f"telegram:{self.id}:ban:{member.user_id}:{at}"
        return Told("chat_member", body, [*entries, Entry("removed", ban, {"target_author": member.user_id})])


def _user(member: Member | None) -> dict[str, Any]:
    assert member is not None
    return {"id": int(member.user_id), "is_bot": False, "first_name": member.display or member.login, "username": member.login}


def _moderator() -> dict[str, Any]:
    return {"id": 1, "is_bot": False, "first_name": "Moderator"}


def _emoji(emoji: str) -> dict[str, str]:
    return {"type": "emoji", "emoji": emoji}
