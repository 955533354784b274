"""One line of Twitch chat (IRC with tags) to events: pure, and fast because every message of every channel passes here.

Wire example:  ``@display-name=Ana;id=d7f0…;room-id=11;tmi-sent-ts=1594571566672;user-id=36 :ana!ana@ana.tmi.twitch.tv PRIVMSG #chan :Olá``

What counts and what does not:

* A gift of many subscriptions arrives as one ``submysterygift`` and again as one ``subgift`` per receiver: only the latter count.
* Shared Chat copies a message into every room that shares: it counts only in the room where it was written.
* What a subscriber, raider or announcer writes with it is a message as well.
* A timeout or ban takes back what the author wrote in the ten minutes before it.

Ordinary IRC servers give ``time`` and ``msgid`` instead of Twitch's tags; both are understood.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.event import Gift, Message, Removed, Share, Unknown, from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.event import Event

REASONS = frozenset(
    {"empty_line", "bad_command", "missing_channel", "missing_text", "missing_author", "missing_target", "bad_time", "bad_number"}
)
"""Every reason that Unreadable may give."""

PAID = frozenset(
    {
        "sub",
        "resub",
        "subgift",
        "anonsubgift",
        "giftpaidupgrade",
        "anongiftpaidupgrade",
        "primepaidupgrade",
        "extendsub",
        "charitydonation",
        "midnightsquid",
        "onetapgiftredeemed",
    }
)
"""USERNOTICE kinds that are gifts."""

MONEY = {"charitydonation": "donation-", "midnightsquid": ""}
"""Of those the kinds that are worth money, and how the names of its tags begin; ``midnightsquid`` is a cheer that was paid without bits."""

ANONYMOUS = frozenset({"ananonymousgifter", "ananonymouscheerer"})
"""The accounts behind which Twitch hides those who give and cheer anonymously: they are nobody in particular."""

UNCOUNTED = frozenset(
    {
        "submysterygift",
        "anonsubmysterygift",
        "standardpayforward",
        "communitypayforward",
        "announcement",
        "unraid",
        "ritual",
        "bitsbadgetier",
        "viewermilestone",
        "rewardgift",
        "modiversary",
        "useranniversary",
        "onetapstreakstarted",
        "onetapstreakexpired",
        "onetapbreakpointachieved",
    }
)
"""USERNOTICE kinds of which only the user's own words count: sums of what comes one by one, or no action of a viewer."""

QUIET = frozenset(
    {
        "ROOMSTATE",
        "USERSTATE",
        "GLOBALUSERSTATE",
        "NOTICE",
        "HOSTTARGET",
        "PING",
        "PONG",
        "RECONNECT",
        "CAP",
        "JOIN",
        "PART",
        "QUIT",
        "MODE",
        "ERROR",
        "NICK",
        "PASS",
        "USER",
    }
)
"""Commands that say nothing about the audience; the connection listens to some of them."""

TAKEN_BACK = timedelta(minutes=10)
"""How far back a timeout, a ban or a cleared chat reaches."""

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED = {"s": " ", ":": ";", "r": "\r", "n": "\n"}
_COMMAND = re.compile(r"[A-Z]{1,24}|[0-9]{3}")


class Line(NamedTuple):
    """The four parts of an IRC line, not yet looked into."""

    tags: str
    prefix: str
    command: str
    params: str


class Context(NamedTuple):
    """What a line does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None
    """Login to livestream id; None takes every channel and names it ``twitch:login``."""
    told: set[tuple[str, ...]] | None = None
    """Of a capture that is read on: what was told of whom, so that nothing counts that was told before by another kind (alone.py)."""


def split_line(line: str) -> Line:
    """Cut a line into its parts; raises Unreadable when there is no command."""
    tags = prefix = ""
    if line[:1] == "@":
        tags, _, line = line[1:].partition(" ")
        line = line.lstrip(" ")
    if line[:1] == ":":
        prefix, _, line = line[1:].partition(" ")
        line = line.lstrip(" ")
    command, _, params = line.partition(" ")
    if not command:
        raise Unreadable("empty_line")
    return Line(tags, prefix, command, params)


def parse_tags(text: str) -> dict[str, str]:
    """Tags as a mapping, values unescaped; a missing value is an empty one, and of the same tag twice the last holds."""
    tags: dict[str, str] = {}
    for tag in text.split(";"):
        key, _, value = tag.partition("=")
        tags[key] = value
    if "\\" in text:
        return {key: unescape(value) for key, value in tags.items()}
    return tags


def unescape(value: str) -> str:
    r"""``\s`` space, ``\:`` semicolon, ``\\`` backslash, ``\r``, ``\n``; any other escaped character is itself, a last lone ``\`` nothing."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value) if "\\" in value else value


def parse_line(line: str, context: Context) -> list[Event]:
    """The events of one line, often one and sometimes none; raises Unreadable and nothing else."""
    return parse_parts(split_line(line), context)


def unreadable(error: Unreadable, line: str, context: Context) -> Unknown:
    """What a running connector yields instead of raising: one bad line must not stop the others, but must be counted."""
    now = context.received_at
    made = _made_id(Line("", "", "", line), now)
    return Unknown(id=made, platform="twitch", at=now, received_at=now, name=f"unreadable {error.reason}")


def parse_parts(line: Line, context: Context) -> list[Event]:
    """As parse_line, for a line that is already split."""
    match line.command:
        case "PRIVMSG":
            return _parse_privmsg(line, context)
        case "USERNOTICE":
            return _parse_usernotice(line, context)
        case "CLEARMSG":
            return _parse_clearmsg(line, context)
        case "CLEARCHAT":
            return _parse_clearchat(line, context)
        case command if command in QUIET or (len(command) == 3 and command.isdigit()):
            return []
        case command if _COMMAND.fullmatch(command):
            now = context.received_at
            return [Unknown(id=_made_id(line, now), platform="twitch", at=now, received_at=now, name=command)]
        case _:
            raise Unreadable("bad_command")


def split_channel(params: str) -> tuple[str, str]:
    """Login and trailing text of ``#login :text``; raises Unreadable without a channel."""
    channel, _, trailing = params.partition(" ")
    if channel[:1] != "#" or len(channel) < 2:
        raise Unreadable("missing_channel")
    return channel[1:].lower(), trailing[1:] if trailing[:1] == ":" else trailing


def _parse_privmsg(line: Line, context: Context) -> list[Event]:
    login, text = split_channel(line.params)
    livestream = _livestream(login, context)
    tags = parse_tags(line.tags)
    if livestream is None or _is_copy(tags):
        return []
    if text[:1] == "\x01":
        text = text.removeprefix("\x01ACTION ").removesuffix("\x01")
    if not text:
        raise Unreadable("missing_text")
    at = _time(tags, context)
    message = _message(line, tags, context, login=login, livestream=livestream, at=at, text=text)
    if "bits" in tags or "pinned-chat-paid-amount" in tags:
        return [message, *_values(tags, message)]
    if tags.get("rm-deleted") == "1":  # a history says so, which may leave out the deletion itself
        return [message, _removed(message.id.partition(":")[2], livestream, at, context)]
    return [message]


def _message(  # one keyword per thing that the callers already know
    line: Line, tags: dict[str, str], context: Context, *, login: str, livestream: str, at: datetime, text: str
) -> Message:
    parent = tags.get("reply-parent-msg-id")
    author, name = _author(line, tags, context)
    return Message(
        id=_event_id(line, tags, at),
        platform="twitch",
        livestream=livestream,
        at=at,
        received_at=context.received_at,
        author=author,
        author_name=name,
        text=text,
        reply_to=f"twitch:{parent}" if parent else None,
        url=f"https://www.twitch.tv/{login}",
    )


def _values(tags: dict[str, str], message: Message) -> list[Event]:
    """Bits and paid pins that came with a message."""
    found: list[tuple[str, int, int, str | None]] = []
    if bits := _number(tags, "bits"):
        found.append(("bits", bits, 0, "BITS"))
    if paid := _number(tags, "pinned-chat-paid-amount"):
        currency = tags.get("pinned-chat-paid-currency", "").upper() or None
        found.append(("pinned-chat-paid", paid, _number(tags, "pinned-chat-paid-exponent"), currency))
    return [
        Gift(
            id=f"{message.id}:{name}",
            platform="twitch",
            livestream=message.livestream,
            at=message.at,
            received_at=message.received_at,
            author=message.author,
            author_name=message.author_name,
            name=name,
            amount_minor=amount,
            exponent=exponent,
            currency=currency,
        )
        for name, amount, exponent, currency in found
    ]


def _parse_usernotice(line: Line, context: Context) -> list[Event]:
    login, text = split_channel(line.params)
    livestream = _livestream(login, context)
    tags = parse_tags(line.tags)
    if livestream is None or _is_copy(tags):
        return []
    kind = tags.get("msg-id", "")
    if kind == "sharedchatnotice":  # in the room where it happened it has a name of its own
        if tags.get("source-room-id", "") != tags.get("room-id"):
            return []
        kind = tags.get("source-msg-id", "")
    at = _time(tags, context)
    native = _event_id(line, tags, at)
    author, author_name = _author(line, tags, context)
    events: list[Event] = []
    if text:
        events.append(_message(line, tags, context, login=login, livestream=livestream, at=at, text=text))
    about: dict[str, Any] = {
        "platform": "twitch",
        "livestream": livestream,
        "at": at,
        "received_at": context.received_at,
        "author": author,
        "author_name": author_name,
    }
    if kind in PAID:
        value: dict[str, Any] = {}
        if kind == "onetapgiftredeemed" and (bits := _number(tags, "msg-param-bits-spent")):
            value = {"amount_minor": bits, "currency": "BITS"}
        if kind in MONEY and (amount := _number(tags, f"msg-param-{MONEY[kind]}amount")):
            currency = tags.get(f"msg-param-{MONEY[kind]}currency", "").upper() or None
            value = {"amount_minor": amount, "exponent": _number(tags, "msg-param-exponent"), "currency": currency}
        events.append(Gift(id=f"{native}:{kind}", name=kind, **about, **value))
    elif kind == "raid":
        events.append(Share(id=f"{native}:raid", **about))
    elif kind not in UNCOUNTED:
        events.append(Unknown(id=f"{native}:unknown", name=f"usernotice {kind[:32]}".rstrip(), **about))
    return events


def _parse_clearmsg(line: Line, context: Context) -> list[Event]:
    login, _ = split_channel(line.params)
    livestream = _livestream(login, context)
    tags = parse_tags(line.tags)
    target = tags.get("target-msg-id")
    if livestream is None:
        return []
    if not target:
        raise Unreadable("missing_target")
    return [_removed(target, livestream, _time(tags, context), context)]


def _removed(target: str, livestream: str, at: datetime, context: Context) -> Removed:
    """One message; the same event however often and by whatever it is told."""
    return Removed(
        id=f"twitch:clearmsg:{target}",
        platform="twitch",
        livestream=livestream,
        at=at,
        received_at=context.received_at,
        target=f"twitch:{target}",
    )


def _parse_clearchat(line: Line, context: Context) -> list[Event]:
    login, user = split_channel(line.params)
    livestream = _livestream(login, context)
    tags = parse_tags(line.tags)
    if livestream is None:
        return []
    at = _time(tags, context)
    native = tags.get("target-user-id") or user  # without tags the login is all that is known, of messages as well
    author = context.pseudonym("twitch", native) if native else None
    removed = Removed(
        # From the content, so that the same clearing read on two sockets is one; the author's own id must not be in it.
        id=f"twitch:clearchat:{login}:{round(at.timestamp() * 1000)}:{author[:16] if author else 'all'}",
        platform="twitch",
        livestream=livestream,
        at=at,
        received_at=context.received_at,
        target_author=author,
        from_=at - TAKEN_BACK,
        to=at,
    )
    return [removed]


def _livestream(login: str, context: Context) -> str | None:
    return f"twitch:{login}" if context.livestreams is None else context.livestreams.get(login)


def _is_copy(tags: dict[str, str]) -> bool:
    """Written in another room and copied here by Shared Chat."""
    source = tags.get("source-room-id")
    return bool(source) and source != tags.get("room-id")


def _author(line: Line, tags: dict[str, str], context: Context) -> tuple[str | None, str | None]:
    """Pseudonym and name; neither of those who are anonymous."""
    login = tags.get("login") or line.prefix.partition("!")[0]
    if line.command == "USERNOTICE" and "login" not in tags:  # then the prefix is the server's
        login = tags.get("display-name", "").strip().lower()
    native = tags.get("user-id") or login
    if login in ANONYMOUS or (
        not native and line.command == "USERNOTICE"
    ):  # without its tags a notice does not say who it is about
        return None, None
    if not native:
        raise Unreadable("missing_author")
    return context.pseudonym("twitch", native), tags.get("display-name", "").strip() or login


def _event_id(line: Line, tags: dict[str, str], at: datetime) -> str:
    native = tags.get("id") or tags.get("msgid")
    return f"twitch:{native}" if native else _made_id(line, at)


def _made_id(line: Line, at: datetime) -> str:
    """For lines without an id: the same line at the same time is the same event."""
    content = f"{at.isoformat()} {' '.join(line)}".encode("utf-8", "surrogatepass")
    return f"twitch:made:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def _time(tags: dict[str, str], context: Context) -> datetime:
    if stamp := tags.get("tmi-sent-ts") or tags.get("rm-received-ts"):
        if stamp[:1] == "-" and stamp[1:].isascii() and stamp[1:].isdigit():
            return context.received_at  # deletions were seen with what their server makes of no time at all
        if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 14:
            raise Unreadable("bad_time")
        return from_milliseconds(int(stamp))
    if stamp := tags.get("time"):
        try:
            at = datetime.fromisoformat(stamp)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise Unreadable("bad_time") from error
        raise Unreadable("bad_time")
    return context.received_at


def _number(tags: dict[str, str], name: str) -> int:
    """A count or an amount; absent or empty is 0."""
    value = tags.get(name)
    if not value:
        return 0
    if not (value.isascii() and value.isdigit()) or len(value) > 15:
        raise Unreadable("bad_number")
    return int(value)
