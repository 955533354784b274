"""Foreign JSON documents to events, by a compiled table (mapping.py). Pure: the time and the pseudonym are handed in with ``Reading``.

``events_of`` raises Unreadable and nothing else, whatever the document is.

Ids: what a partner sends twice must get the same id, and a message and its removal must meet. A message is ``platform:native``; anything
else about the same native id has its kind behind it, so that a like of c1 is not taken for the comment c1. Without a native id the content
is the id; if it carries no time either, only within ``same_within_seconds``, because two people may say "hi".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import orjson
from msgspec.structs import replace

from connectors.connector import Unreadable
from connectors.event import Event, Follow, Gift, Join, Level, Message, Reaction, Removed, Share, Status, Unknown, Viewers
from connectors.markup import words_of
from connectors.money import Money, currency_of, exponent_of, minor, shown
from connectors.pointed import Documents, counted, number_of, text_of, word_of
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from connectors.mapping import Plan, Pointer

Read = TypeVar("Read")
LONGEST_TEXT: Final = 10_000
LONGEST_NAME: Final = 200
LONGEST_ID: Final = 160
MOST_STREAKS: Final = 10_000
BAN_REACH: Final = timedelta(minutes=10)
"""What is taken back when an author is banned or a chat is cleared, and nobody says how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Around which document the table is applied."""

    platform: str
    now: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None = None
    """The table's channel → livestream id; None takes every channel as ``platform:channel``."""
    livestream: str | None = None
    """Set where the connection is one channel's: then all events are its."""
    around: Mapping[str, Any] = field(default_factory=dict)
    """What ``@/…`` points into."""
    native: str | None = None
    """Id of the delivery, for documents without an id of their own."""
    streaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Gifts that are told again with a higher total each time: which → (how many so far, worth how much); kept by who reads on."""


# --- applying it --------------------------------------------------------------------------------------------------------


def events_of(plan: Plan, document: Any, reading: Reading) -> list[Event]:
    """All events of one document. Of several items an unreadable one becomes Unknown and the others are read."""
    documents = Documents(document, document, reading.around)
    items = documents.first(plan.items) if plan.items else document
    several = isinstance(items, list) and (bool(plan.items) or isinstance(document, list))
    events: dict[str, Event] = {}
    failures: list[tuple[str, str]] = []
    for number, item in enumerate(items if several else [items]):
        if item is None and plan.items:
            continue
        one = _Item(plan, Documents(item, document, reading.around).opened(plan.inner_json), reading, number if several else None)
        try:
            made = one.events()
        except Unreadable as error:
            failures.append((one.native_of_unreadable(), error.reason))
        else:
            for event in made:
                events.setdefault(event.id, event)
    if failures and not events:
        raise Unreadable(failures[0][1])
    for native, reason in failures:
        unreadable = unreadable_event(reading, native, reason)
        events.setdefault(unreadable.id, unreadable)
    return list(events.values())


def unreadable_event(reading: Reading, native: str, reason: str) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"{reading.platform}:unreadable:{native}", platform=reading.platform, livestream=reading.livestream, at=reading.now,
        received_at=reading.now, name=f"unreadable {reason}",
    )  # fmt: skip


class _Item:
    """One item and the makes that its kind asks for."""

    def __init__(self, plan: Plan, documents: Documents, reading: Reading, number: int | None) -> None:
        self.plan, self.documents, self.reading = plan, documents, reading
        self.place = "" if number is None else f"#{number}"
        self.fields = plan.fields
        self._content: str | None = None

    def events(self) -> list[Event]:
        if self.documents.fits(self.plan.skip_if):
            return []
        configured = self.fields["kind"].pointers or self.fields["kind"].const is not None
        word = word_of(self.find("kind")) if configured else "message"
        listed = word in self.plan.makes or not word
        makes = self.plan.makes.get(word) or self.plan.makes.get("*")
        if makes is None:
            return [Unknown(name=word[:60] or "without a kind", **self.about(":unknown"))]
        events: list[Event] = []
        missing: Unreadable | None = None
        fitted = False
        for make in makes:
            if (make.needs and not self.documents.has(make.needs)) or self.documents.has(make.unless):
                continue
            fitted = True
            if self.documents.fits(make.skip_if):
                continue
            if make.kind == "skip":  # at the end of several: when there is nothing of all this, that is all right
                missing = None
                continue
            self.fields = make.fields
            try:
                events += self.make(make.kind, word)
            except Unreadable as error:
                # Of several the others may still be there: a donation without words, words without a donation.
                missing = missing or error
        if (missing is not None or not fitted) and not events:
            if not listed or missing is None:  # it was only taken for what most of them are
                self.fields = self.plan.fields
                return [Unknown(name=word[:60] or "without a kind", **self.about(":unknown"))]
            raise missing
        return events

    def make(self, kind: str, word: str) -> list[Event]:
        unlisted = self.unlisted()
        if unlisted is not None:
            return [unlisted]
        match kind:
            case "message" | "comment" | "post":
                return [self.message("post" if kind == "post" else "comment")]
            case "reaction":
                name = self.text("reaction", LONGEST_NAME) or "like"
                return [Reaction(reaction=name, count=self.number("count", 1), **self.about(":reaction"))]
            case "share":
                return [Share(count=self.number("count", 1), **self.about(":share"))]
            case "follow":
                return [Follow(count=self.number("count", 1), **self.about(":follow"))]
            case "join":
                return [Join(count=self.number("count", 1), **self.about(":join"))]
            case "gift":
                return self.more_of(self.gift(word))
            case "viewers":
                return [Viewers(viewers=self.value(), **self.about(":viewers", sample=True))]
            case "removed":
                return list(self.removed())
            case "cleared":
                return [self.cleared(None)]
            case "live" | "ended" | "offline":
                reason = self.text("reason", LONGEST_NAME)
                return [Status(state=cast("Any", kind), reason=reason, **self.about(f":{kind}"))]
            case _:
                what = kind.removeprefix("level:")
                return [Level(what=cast("Any", what), value=self.value(), **self.about(f":{what}", sample=True))]

    # --- kinds with more to them --------------------------------------------------------------------------------------

    def message(self, form: Any) -> Message:
        raw = self.text("text", LONGEST_TEXT * 2)
        if raw is None and self.fields["text"].const == "":  # a picture without words
            raw = ""
        if raw is None:
            raise Unreadable("missing_text")
        plain = not self.plan.html or self.documents.fits(self.plan.plain_if)
        reply = self.text("reply_to", LONGEST_ID)
        return Message(
            text=(raw if plain else words_of(raw))[:LONGEST_TEXT], form=form, language=self.text("language", 35),
            reply_to=self.event_id(self.scoped(reply)) if reply else None, url=self.url(), **self.about(""),
        )  # fmt: skip

    def gift(self, word: str) -> Gift:
        display = self.text("display", LONGEST_NAME)
        if self.fields["display"].pointers and display is None:
            raise Unreadable("missing_gift")
        if display is not None and self.plan.html and "<" in display:
            display = words_of(display) or display
        money, count = self.money(), self.number("count", 1)
        if display is not None and money is None:
            read = shown(display)
            money, count = read.money, self.number("count", read.units)
        name = self.text("name", LONGEST_NAME) or display or word or "gift"
        if money is None:
            return Gift(name=name, count=count, **self.about(":gift"))
        return Gift(
            name=name, count=count, amount_minor=money.amount_minor, exponent=money.exponent, currency=money.currency,
            **self.about(":gift"),
        )  # fmt: skip

    def more_of(self, gift: Gift) -> list[Event]:
        """Of a gift that is told again and again with its total so far, what is new."""
        streak, total = self.text("streak", LONGEST_ID), self.read("streak_total", number_of)
        if streak is None or not total:
            return [gift]
        known = self.reading.streaks
        which = f"{self.reading.livestream}:{self.scoped(streak)}"
        count, worth = known.pop(which, (0, 0))
        known[which] = (max(total, count), max(gift.amount_minor, worth))
        while len(known) > MOST_STREAKS:
            del known[next(iter(known))]
        if total <= count:
            return []
        event_id = f"{self.event_id(self.scoped(streak))}:{total}:gift"
        return [replace(gift, id=event_id, count=total - count, amount_minor=max(gift.amount_minor - worth, 0))]

    def money(self) -> Money | None:
        currency = currency_of(self.text("currency", 12) or "")
        if not (currency.isascii() and currency.isalnum()):
            return None
        exact = self.read("amount_minor", number_of)
        if exact is not None:
            exponent = self.read("exponent", number_of)
            return Money(exact, exponent_of(currency) if exponent is None else min(exponent, 9), currency)
        return self.read("amount", lambda value: minor(value, currency))

    def removed(self) -> Iterable[Removed]:
        found = self.find("target")
        targets = [text for one in (found if isinstance(found, list) else [found]) if (text := text_of(one)) is not None]
        here = [] if targets else [self.here(text) for text in (self.text("target_here", LONGEST_ID),) if text is not None]
        targets = [*(self.scoped(target) for target in targets), *here]
        for target in targets:
            event_id = self.event_id(target)
            yield Removed(target=event_id, **{**self.about("", named=False), "id": f"{event_id}:removed"})
        author = self.text("target_author", LONGEST_ID)
        if author is not None and not targets:
            yield self.cleared(self.reading.pseudonym(self.reading.platform, self.scoped(author)))
        elif not targets:
            raise Unreadable("missing_target")

    def cleared(self, author: str | None) -> Removed:
        """All of an author, or of the chat, in the time before."""
        about = self.about(":cleared", named=False)
        return Removed(target_author=author, from_=about["at"] - BAN_REACH, to=about["at"], **about)

    # --- fields -------------------------------------------------------------------------------------------------------

    def about(self, suffix: str, *, named: bool = True, sample: bool = False) -> dict[str, Any]:
        """What all events carry. A sample is a number that the platform states again and again: each statement counts."""
        reading = self.reading
        at = self.read("at", moment)
        native = self.native(timed=at is not None, sample=sample)
        about: dict[str, Any] = {
            "id": self.event_id(native) + suffix, "platform": reading.platform, "livestream": self.livestream(),
            "broadcast": self.text("broadcast", LONGEST_ID), "at": at or reading.now, "received_at": reading.now,
        }  # fmt: skip
        if named:
            name = self.text("author_name", LONGEST_NAME)
            author = self.text("author", LONGEST_ID) or (f"name:{name}" if name else None)
            about["author_name"] = (words_of(name) or name) if name and self.plan.html else name
            about["author"] = reading.pseudonym(reading.platform, self.scoped(author)) if author else None
        return about

    def native(self, *, timed: bool, sample: bool) -> str:
        own = self.text("id", LONGEST_ID)
        if own is not None:
            return self.scoped(own) + (f":{self.digest(self.plan.id_and)[:12]}" if self.plan.id_and else "")
        counted = self.text("id_here", LONGEST_ID)
        if counted is not None:
            return self.here(counted)
        content = self.content()
        if self.reading.native is not None:  # Numbers may start anew when the sender does: the content tells them apart.
            return f"{self.reading.native[:LONGEST_ID]}{self.place}:{content[:16]}"
        if timed:
            return content
        unix = self.reading.now.timestamp()
        if sample:
            return f"{content}:{unix:.3f}"
        within = self.plan.same_within_seconds
        return f"{content}:{unix // within:.0f}" if within else content

    def content(self) -> str:
        """A digest of the item, or of those parts that make it the same for the table."""
        if self._content is None:
            parts = [self.documents.at(where) for where in self.plan.digest] or self.documents.item
            self._content = _digest([self.reading.livestream, parts])
        return self._content

    def here(self, counted: str) -> str:
        """An id that somebody's own program counts up is one only in this livestream."""
        livestream = (self.livestream() or "").removeprefix(f"{self.reading.platform}:")
        return self.scoped(f"{livestream}:{counted}" if livestream else counted)

    def digest(self, parts: tuple[Pointer, ...]) -> str:
        """Of what these point at, whoever reads it."""
        return _digest([self.documents.at(where) for where in parts])

    def native_of_unreadable(self) -> str:
        try:
            return self.content()
        except Unreadable:
            return "too-deep"

    def event_id(self, native: str) -> str:
        return f"{self.reading.platform}:{native}"

    def scoped(self, native: str) -> str:
        """Ids of several sites in one document are told apart by the site."""
        scope = self.text("scope", LONGEST_NAME)
        return f"{scope}:{native}" if scope else native

    def livestream(self) -> str | None:
        reading = self.reading
        channel = None if reading.livestream else self.text("channel", LONGEST_ID)
        if channel is None:
            return reading.livestream
        if reading.livestreams is None:
            return f"{reading.platform}:{channel}"
        return reading.livestreams.get(channel) or reading.livestreams.get(channel.casefold())

    def unlisted(self) -> Unknown | None:
        """A channel that is not ours to read: said once for each, because the id is the channel's."""
        channel = None if self.reading.livestream else self.text("channel", LONGEST_ID)
        if channel is None or self.livestream() is not None:
            return None
        mark = hashlib.blake2b(channel.encode(), digest_size=8).hexdigest()
        return Unknown(
            id=self.event_id(f"unlisted:{mark}"), platform=self.reading.platform, at=self.reading.now, received_at=self.reading.now,
            name="a channel that is not in the roster",
        )  # fmt: skip

    def find(self, name: str) -> Any:
        where = self.fields[name]
        found = self.documents.first(where.pointers)
        return where.const if found is None else found

    def read(self, name: str, by: Callable[[Any], Read | None]) -> Read | None:
        """The first place of a field that holds something of this kind; others may hold a no, or what else stands there at times."""
        where = self.fields[name]
        read = (by(self.documents.at(one)) for one in where.pointers)
        found = next((one for one in read if one is not None), None)
        return by(where.const) if found is None else found

    def text(self, name: str, longest: int) -> str | None:
        """Never empty. A longer id is cut to its beginning and a digest, so that two long ones stay two."""
        text = self.read(name, text_of)
        if text is None or len(text) <= longest:
            return text
        if longest > LONGEST_ID:
            return text[:longest]
        return f"{text[: longest - 33]}~{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"

    def url(self) -> str | None:
        url = self.text("url", 2000)
        return url if url is not None and url.lower().startswith(("https://", "http://")) else None

    def number(self, name: str, default: int) -> int:
        found = self.read(name, counted)
        return default if found is None else max(found, 1)

    def value(self) -> int:
        found = self.read("value", number_of)
        if found is None:
            raise Unreadable("missing_value")
        return found


def _digest(content: Any) -> str:
    try:
        data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise Unreadable("too_deep") from None
    return hashlib.blake2b(data, digest_size=16).hexdigest()
