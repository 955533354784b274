"""What EventSub tells of gifts, raids and bans besides the chat. Pure.

``channel.cheer``, ``channel.subscribe``, ``channel.raid`` and their like repeat what ``channel.chat.*`` says with the chat's own ids. While running the
chat is read in any case, so they count nothing. A capture may hold them alone: then they are what they say, each once, whichever of both comes first:

* A gift of many subscriptions is one ``channel.subscription.gift`` with their number and one ``channel.subscribe`` per receiver (``is_gift``):
  the first counts here, because it says who gave.
* ``channel.bits.use`` repeats a cheer. Its power-ups and combos are told nowhere else.
* ``channel.moderate`` tells deletions, bans and time-outs; a deletion has the chat's own id, so it counts once also beside the chat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Unreadable
from connectors.event import Gift, Message, Removed, Share
from connectors.times import moment
from connectors.twitch.fields import dict_in, is_true, number_in, text_in
from connectors.twitch.parse import ANONYMOUS, TAKEN_BACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.event import Event
    from connectors.twitch.parse import Context

TOLD_TWICE: Final = frozenset(
    {
        "channel.cheer", "channel.bits.use", "channel.subscribe", "channel.subscription.gift", "channel.subscription.message",
        "channel.subscription.end", "channel.raid", "channel.ban", "channel.unban", "channel.moderate", "channel.charity_campaign.donate",
    }
)  # fmt: skip
"""Kinds that the chat tells as well, with its own ids, or that are no action of a viewer."""

TOLD_BY: Final = {
    "channel.cheer": "channel.chat.message", "channel.bits.use": "channel.chat.message", "channel.ban": "channel.chat.clear_user_messages",
    "channel.moderate": "channel.chat.clear_user_messages",
}  # fmt: skip
"""Which kind of the chat tells it; the others ``channel.chat.notification`` does. The anonymous chat tells all of them."""


_OWED: Final = {
    "channel.subscribe": "sub", "channel.subscription.gift": "subgift", "channel.subscription.message": "resub", "channel.raid": "raid",
    "channel.charity_campaign.donate": "charitydonation",
}  # fmt: skip
"""Kinds of which the chat's notices may follow, when both are told."""
_PAYS: Final = {
    "sub": "sub", "primepaidupgrade": "sub", "giftpaidupgrade": "sub", "anongiftpaidupgrade": "sub", "resub": "resub", "subgift": "subgift",
    "anonsubgift": "subgift", "charitydonation": "charitydonation",
}  # fmt: skip
"""The chat's names of gifts → what they may repeat."""
_MOST_OWED: Final = 1000


def told_alone(kind: str, native: str, event: dict[str, Any], about: Mapping[str, Any], context: Context) -> list[Event]:
    """The events of one of these when the chat is not there to tell them; ``native`` is the delivery's id."""
    livestream, key = str(about["livestream"]), f"twitch:eventsub:{native}"
    told = context.told if context.told is not None else set()
    if deleted := text_in(dict_in(event, "delete"), "message_id"):
        return [Removed(id=f"twitch:clearmsg:{deleted}", target=f"twitch:{deleted}", **about)]
    is_bits_alone = kind == "channel.bits.use" and text_in(event, "type") not in ("cheer", "")
    if not is_bits_alone and not told.isdisjoint(
        (("irc", livestream), (TOLD_BY.get(kind, "channel.chat.notification"), livestream))
    ):
        return []
    told.add((kind, livestream))
    events = _counted(kind, key, event, about, context)
    for one in events:
        if kind in _OWED and isinstance(one, Gift | Share):
            _owe(told, (_OWED[kind], livestream, one.author or ""), min(one.count, _MOST_OWED))
    return events


def _counted(kind: str, key: str, event: dict[str, Any], about: Mapping[str, Any], context: Context) -> list[Event]:
    told = context.told if context.told is not None else set()
    common = {**about, **_giver(event, context)}
    match kind:
        case "channel.cheer" | "channel.bits.use":
            return _bits(kind, key, event, common, told)
        case "channel.subscribe":
            return [] if is_true(event, "is_gift") else [Gift(id=key, name="sub", **common)]
        case "channel.subscription.gift":
            return [Gift(id=key, name="subgift", count=min(max(1, number_in(event, "total")), 1_000_000), **common)]
        case "channel.subscription.message":
            return [*_words(key, event, common), Gift(id=key, name="resub", **common)]
        case "channel.charity_campaign.donate":
            return [Gift(id=key, name="charitydonation", **value_of(dict_in(event, "amount")), **common)]
        case "channel.raid":
            return [Share(id=key, **common)]
        case "channel.ban":
            return [_banned(key, event, moment(event.get("banned_at")), about, context)]
        case "channel.moderate":
            return _moderated(key, event, about, context)
        case _:  # an end of a subscription, a ban that was lifted
            return []


def _moderated(key: str, event: dict[str, Any], about: Mapping[str, Any], context: Context) -> list[Event]:
    """Nothing for what takes nothing back, and for what moderators of another room did in a shared chat."""
    action = text_in(event, "action")
    match action:
        case "ban" | "timeout":
            return [_banned(key, dict_in(event, action), None, about, context)]
        case "clear":
            return [Removed(id=key, from_=about["at"] - TAKEN_BACK, to=about["at"], **about)]
        case _:
            return []


def _banned(key: str, who: dict[str, Any], at: datetime | None, about: Mapping[str, Any], context: Context) -> Removed:
    user = text_in(who, "user_id")
    if not user:
        raise Unreadable("missing_target")
    at = at or about["at"]
    return Removed(id=key, target_author=context.pseudonym("twitch", user), from_=at - TAKEN_BACK, to=at, **{**about, "at": at})


def value_of(amount: dict[str, Any]) -> dict[str, Any]:
    """What a donation was worth; the chat and the campaign name its decimals differently."""
    value = number_in(amount, "value")
    if not value:
        return {}
    return {
        "amount_minor": value,
        "exponent": min(number_in(amount, "decimal_place") or number_in(amount, "decimal_places"), 18),
        "currency": text_in(amount, "currency").upper()[:16] or None,
    }


def without_told(events: list[Event], told: set[tuple[str, ...]]) -> list[Event]:
    """What the chat says, without what was told alone just before: a cheer, a subscription, each of many that were given, a raid."""
    match events:
        case [Message() as words, Gift()] if (cheer := _cheer(words.livestream, words.author, words.text)) in told:
            told.discard(cheer)
            return []
    for one in events:
        name = "raid" if isinstance(one, Share) else _PAYS.get(one.name, "") if isinstance(one, Gift) else ""
        if name and _pay(told, (name, one.livestream or "", one.author or "")):
            # The words of a resubscription were told as well.
            return [] if name == "resub" else [other for other in events if other is not one]
    return events


def _owe(told: set[tuple[str, ...]], what: tuple[str, str, str], count: int) -> None:
    """So many of the chat's notices will be about what counts already."""
    number = 0
    for _ in range(count):
        while ("owed", *what, str(number)) in told:
            number += 1
        told.add(("owed", *what, str(number)))


def _pay(told: set[tuple[str, ...]], what: tuple[str, str, str]) -> bool:
    number = 0
    while ("owed", *what, str(number)) in told:
        number += 1
    told.discard(("owed", *what, str(number - 1)))
    return number > 0


def _cheer(livestream: str | None, author: str | None, text: str) -> tuple[str, ...]:
    return ("cheer", livestream or "", author or "", text)


def _bits(kind: str, key: str, event: dict[str, Any], common: Mapping[str, Any], told: set[tuple[str, ...]]) -> list[Event]:
    what = text_in(event, "type") or "cheer"
    other = "channel.bits.use" if kind == "channel.cheer" else "channel.cheer"
    if what == "cheer" and (other, str(common["livestream"])) in told:
        return []
    name = "bits" if what == "cheer" else what[:40]
    gift = Gift(id=f"{key}:bits", name=name, amount_minor=number_in(event, "bits"), currency="BITS", **common)
    words = _words(key, event, common) if what == "cheer" else []
    told.update(_cheer(one.livestream, one.author, one.text) for one in words)
    return [*words, gift]


def _words(key: str, event: dict[str, Any], common: Mapping[str, Any]) -> list[Message]:
    """A cheer has its words as text, the others as an object."""
    body = event.get("message")
    text = text_in(body if isinstance(body, dict) else event, "text" if isinstance(body, dict) else "message", longest=100_000)
    return [Message(id=f"{key}:words", text=text, **common)] if text else []


def _giver(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Who did it; nobody when it was anonymous."""
    prefix = "from_broadcaster_" if "from_broadcaster_user_id" in event else ""
    login = text_in(event, f"{prefix}user_login")
    native = text_in(event, f"{prefix}user_id") or login
    if not native or is_true(event, "is_anonymous") or login.lower() in ANONYMOUS:
        return {}
    return {
        "author": context.pseudonym("twitch", native),
        "author_name": text_in(event, f"{prefix}user_name").strip() or login or None,
    }
