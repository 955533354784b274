r"""Mastodon's statuses to events, as timelines, streaming websockets and server-sent events carry them: pure.

A status in a timeline is an object; over a websocket it is JSON inside a JSON string, over server-sent events the ``data`` of a block::

    {"stream":["hashtag","summit"],"event":"update","payload":"{\"id\":\"1089…\",\"uri\":\"https://…/statuses/1\",…}"}
    {"stream":["hashtag","summit"],"event":"delete","payload":"1089…"}

The ``uri`` of a status is the same on every instance, its ``id`` is the instance's own. A deletion names only the latter, so ``Local`` remembers
which post that was.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Message, Reaction, Removed, Share, Unknown
from connectors.foreign import decode
from connectors.markup import words_of
from connectors.mastodon.other import groups_of, in_mastodons_words
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from connectors.event import Event

REASONS = frozenset(
    {
        "not_json", "not_an_object", "not_a_list", "missing_event", "missing_payload", "missing_uri", "missing_text", "missing_author",
        "bad_time",
    }
)  # fmt: skip
"""Every reason that Unreadable may give."""

LISTS = ("statuses", "ancestors", "descendants")
"""Where a search and a conversation have theirs."""

QUIET = frozenset(
    {
        "status.update", "notifications_merged", "filters_changed", "conversation", "announcement", "announcement.reaction",
        "announcement.delete", "encrypted_message", "pleroma:chat_update", "pleroma:follow_relationships_update", "pleroma:respond", "respond",
    }
)  # fmt: skip
"""What says nothing new about the audience. ``status.update`` is an edit: the first text stays."""

HIDDEN = frozenset({"private", "direct", "limited", "list", "mutuals_only", "followers", "specified", "self"})
"""Not public, in the words of Mastodon and of the servers that speak like it."""

TOLD_TO_ONE = {
    "favourite": Reaction, "reblog": Share, "pleroma:emoji_reaction": Reaction, "emoji_reaction": Reaction, "reaction": Reaction,
}  # fmt: skip
"""Notifications that say what somebody did with a post."""
NO_LANGUAGE = frozenset(("", "und", "zxx", "mul"))
"""Codes that name none."""
LONGEST_URI = 400
_host = re.compile(r"https?://([^/\s@]{1,253})/")


class Local:
    """Which post a local id is; bounded."""

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._posts: OrderedDict[str, tuple[str, str | None]] = OrderedDict()

    def add(self, local_id: str, event_id: str, livestream: str | None) -> None:
        self._posts[local_id] = (event_id, livestream)
        if len(self._posts) > self._limit:
            self._posts.popitem(last=False)

    def get(self, local_id: str) -> tuple[str, str | None] | None:
        """(event id, livestream)."""
        return self._posts.get(local_id)


class Context(NamedTuple):
    """What a status does not say itself."""

    received_at: datetime
    pseudonym: Callable[[str, str], str]
    livestreams: Mapping[str, str] | None
    """``name@domain`` in lower case → livestream id, of roster authors; None takes everybody as ``mastodon:name@domain``."""
    domain: str
    """The instance's: its own people are called without one there. Empty in a capture, where it is seen in their addresses."""
    local: Local


def parse_any(raw: bytes, context: Context) -> list[Event]:
    """A status, a timeline, a websocket frame, or the text of one or several server-sent events."""
    first = raw.lstrip()[:1]
    if first == b"[":
        return timeline_events(raw, context)
    if first == b"{":
        document = decode(raw)
        if isinstance(document.get("notification_groups"), list):
            return _all_of(list(groups_of(document)), context)
        lists = [document[key] for key in LISTS if isinstance(document.get(key), list)]
        return _all_of([row for rows in lists for row in rows], context) if lists else _one_of(document, context)
    events: dict[str, Event] = {}
    for name, data in server_sent(raw):
        for event in named_events(name, data, context):
            events.setdefault(event.id, event)
    return list(events.values())


def timeline_events(raw: bytes, context: Context) -> list[Event]:
    """All of a timeline, oldest first; a status that cannot be read becomes Unknown."""
    return _all_of(statuses(raw), context)


def _one_of(document: Any, context: Context) -> list[Event]:
    """A frame, a notification or a status, as its shape tells."""
    if isinstance(document, dict) and "event" in document:
        return frame_events(document, context)
    document = in_mastodons_words(document)
    if isinstance(document, dict) and "uri" not in document and "type" in document and "account" in document:
        return _notified(document, context)
    return status_events(document, context)


def _all_of(rows: list[Any], context: Context) -> list[Event]:
    events: dict[str, Event] = {}
    problems: list[Unreadable] = []
    are_frames = any(isinstance(row, dict) and "event" in row for row in rows)
    for row in rows if are_frames else reversed(rows):  # a timeline begins with the newest
        try:
            found = _one_of(row, context)
        except Unreadable as error:
            problems.append(error)
            found = [unreadable_event(error.reason, content_of(row), context.received_at)]
        for event in found:
            events.setdefault(event.id, event)
    if problems and len(problems) == len(rows):  # then it is a list of something else
        raise Unreadable(problems[-1].reason)
    return list(events.values())


def statuses(raw: bytes) -> list[Any]:
    """The rows of a timeline, newest first as it gives them; raises Unreadable."""
    found = decode(raw)
    if not isinstance(found, list):
        raise Unreadable("not_a_list")
    return found


def read_status(status: Any, context: Context) -> list[Event]:
    """As ``status_events``, but Unknown instead of Unreadable."""
    try:
        return status_events(status, context)
    except Unreadable as error:
        return [unreadable_event(error.reason, content_of(status), context.received_at)]


def parse_frame(raw: bytes, context: Context) -> list[Event]:
    """One frame of the streaming websocket; raises Unreadable and nothing else."""
    document = decode(raw)
    if not isinstance(document, dict):
        raise Unreadable("not_an_object")
    return frame_events(document, context)


def frame_events(document: Mapping[str, Any], context: Context) -> list[Event]:
    name = document.get("event")
    if not isinstance(name, str):
        raise Unreadable("missing_event")
    return named_events(name, document.get("payload"), context)


def named_events(name: str, payload: Any, context: Context) -> list[Event]:
    """One streaming event; its payload is a text in both transports, and an object in some servers of the same protocol."""
    if name == "update":
        if isinstance(payload, str):
            payload = decode(payload)
        if payload is None:
            raise Unreadable("missing_payload")
        return status_events(payload, context)
    if name == "delete":
        local_id = _local_id(payload.get("id") if isinstance(payload, dict) else payload)
        if not local_id:
            raise Unreadable("missing_payload")
        return list(_removed(local_id, context))
    if name == "notification":
        return _notified(payload, context)
    if name in QUIET:
        return []
    digest = _digest(content_of([name, payload]))
    return [
        Unknown(
            id=f"mastodon:unknown:{digest}", platform="mastodon", at=context.received_at, received_at=context.received_at,
            name=name[:60],
        )
    ]  # fmt: skip


def status_events(status: Any, context: Context) -> list[Event]:
    """The message that a status is; of a boost, that somebody of the roster was shared; nothing for what is not public."""
    status = in_mastodons_words(status)
    if not isinstance(status, dict):
        raise Unreadable("not_an_object")
    if _text(status.get("visibility")) in HIDDEN:
        return []
    if isinstance(status.get("reblog"), dict):
        return _done(Share, "reblog", status["reblog"], status, context)
    uri = status.get("uri") or status.get("url")
    if not isinstance(uri, str) or not uri:
        raise Unreadable("missing_uri")
    content, plain = status.get("content"), status.get("plain")
    if not isinstance(content, str) and not isinstance(plain, str):
        raise Unreadable("missing_text")
    words = plain.strip() if isinstance(plain, str) else words_of(str(content))
    at = moment(status.get("created_at"))
    if at is None:
        raise Unreadable("bad_time")
    account = status.get("account")
    who = address_of(account, context.domain)
    if not isinstance(account, dict) or not who:
        raise Unreadable("missing_author")
    livestream = f"mastodon:{who}" if context.livestreams is None else context.livestreams.get(who)
    event_id = event_id_of(uri)
    context.local.add(_local_id(status.get("id")), event_id, livestream)
    parent = _local_id(status.get("in_reply_to_id"))
    answered = context.local.get(parent)
    unseen = f"mastodon:id:{parent}" if parent and not context.domain else None
    spoiler, url, language = (_text(status.get(key)) for key in ("spoiler_text", "url", "language"))
    return [
        Message(
            id=event_id, platform="mastodon", livestream=livestream, at=at, received_at=context.received_at,
            author=context.pseudonym("mastodon", who), author_name=_name(account, who),
            text=" ".join(part for part in (spoiler.strip(), words) if part), form="post",
            language=language[:35] if language not in NO_LANGUAGE else None,
            reply_to=answered[0] if answered else unseen, url=url if url.startswith(("https://", "http://")) else None,
        )
    ]  # fmt: skip


def _notified(payload: Any, context: Context) -> list[Event]:
    """What an account is told: a mention is a post like any other."""
    if isinstance(payload, str):
        try:
            payload = decode(payload)
        except Unreadable:
            return []
    payload = in_mastodons_words(payload)
    told = payload if isinstance(payload, dict) else {}
    kind, status = _text(told.get("type")), told.get("status")
    if not isinstance(status, dict):
        return []
    if kind in ("mention", "status", "quote"):
        return status_events(status, context)
    if kind not in TOLD_TO_ONE:
        return []
    return _done(TOLD_TO_ONE[kind], kind, status, told, context)


def _done(make: Any, what: str, status: Mapping[str, Any], told: Mapping[str, Any], context: Context) -> list[Event]:
    """That somebody did something with a post, if the post is by somebody of the roster. The id is the same from wherever it is told."""
    of, by = address_of(status.get("account"), context.domain), address_of(told.get("account"), context.domain)
    uri, at, emoji = status.get("uri") or status.get("url"), moment(told.get("created_at")), told.get("emoji")
    livestream = f"mastodon:{of}" if context.livestreams is None else context.livestreams.get(of)
    if livestream is None or not of:
        return []
    if not by:
        raise Unreadable("missing_author")
    if not isinstance(uri, str) or not uri:
        raise Unreadable("missing_uri")
    if at is None:
        raise Unreadable("bad_time")
    author = context.pseudonym("mastodon", by)
    more = {"reaction": emoji[:60]} if make is Reaction and isinstance(emoji, str) and emoji else {}
    return [
        make(
            id=":".join([event_id_of(uri), what, *more.values(), author[:16]]), platform="mastodon", livestream=livestream, at=at,
            received_at=context.received_at, author=author, author_name=_name(told["account"], by), **more,
        )
    ]  # fmt: skip


def _name(account: Any, address: str) -> str:
    return (_text(account.get("display_name")) or address.partition("@")[0])[:200]


def address_of(account: Any, domain: str) -> str:
    """``name@domain``, the same from every instance; empty when the account has no name."""
    acct = _text(account.get("acct") or account.get("username")) if isinstance(account, dict) else ""
    acct = acct.strip().lstrip("@").casefold()[:300]
    if "@" in acct or not acct:
        return acct
    return f"{acct}@{domain or _host_of(account) or 'instance.invalid'}"


def _host_of(account: Mapping[str, Any]) -> str:
    """Where a person is shown, in a capture of which it is not known from which instance it is."""
    found = (_host.match(_text(account.get(key))) for key in ("url", "uri"))
    return next((one[1].casefold() for one in found if one), "")


def event_id_of(uri: str) -> str:
    return f"mastodon:{uri}" if len(uri) <= LONGEST_URI else f"mastodon:sha256:{_digest(uri.encode('utf-8', 'surrogatepass'))}"


def unreadable_event(reason: str, raw: bytes, now: datetime) -> Unknown:
    """What stands in the journal for something that could not be read."""
    return Unknown(
        id=f"mastodon:unreadable:{_digest(raw)}", platform="mastodon", at=now, received_at=now, name=f"unreadable {reason}"
    )


def server_sent(raw: bytes) -> Iterator[tuple[str, str]]:
    """(event, data) of the blocks of a text; comments (``:thump``) and blocks without data are nothing."""
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    found = False
    for block in text.split("\n\n"):
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, colon, value = line.partition(":")
            if colon and name in ("event", "data"):
                fields.setdefault(name, []).append(value.removeprefix(" "))
                found = True
            found |= line.startswith(":")
        if "data" in fields:  # without a name it can only be what nearly all of them are
            yield fields.get("event", ["update"])[-1], "\n".join(fields["data"])
    if not found:
        raise Unreadable("not_json")


def _removed(local_id: str, context: Context) -> Iterator[Removed]:
    """Of a post that nobody saw only a capture tells: what an instance takes back is mostly not ours."""
    known = context.local.get(local_id)
    if known is None and context.domain:
        return
    target, livestream = known or (f"mastodon:id:{local_id}", None)
    now = context.received_at
    yield Removed(id=f"{target}:deleted", platform="mastodon", livestream=livestream, at=now, received_at=now, target=target)


def _local_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip()[:100] if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:24]
