"""Jetstream's frames (v1 wire) to events: pure.

One frame is one JSON object, for instance::

    {"did":"did:plc:…","time_us":1783175888094841,"kind":"commit","commit":{"rev":"…","operation":"create",
     "collection":"app.bsky.feed.post","rkey":"3mptbyqhi7s2f","record":{"createdAt":"…","langs":["ja"],"text":"…"}}}

The envelope is the server's and must have its shape; the record in it is a stranger's, and each of its fields is looked at alone.

All posts of the network come through here when a hashtag is watched. Decoding to these structs costs 1.6 µs a frame, less than searching
its bytes for a folded hashtag first (``benchmarks/parse_bluesky.py``), so every frame is decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.connector import Tools, Unreadable
from connectors.event import Event, Follow, Message, Reaction, Removed, Share, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTS = "app.bsky.feed.post"
ACTIONS = {"app.bsky.feed.like": Reaction, "app.bsky.feed.repost": Share, "app.bsky.graph.follow": Follow}
"""What is done to somebody, who is the subject of the record."""
MOST_LINKS = 5
GONE = frozenset(("deleted", "takendown", "suspended", "deactivated"))


OLD_NAMES = {"com": "commit", "acc": "account", "id": "identity", "c": "create", "u": "update", "d": "delete"}
"""Of kinds and operations, as Jetstream's first version wrote them into ``type``."""


class Commit(msgspec.Struct):
    collection: str
    rkey: str
    operation: str = ""
    type: str = ""
    rev: str | None = ""
    record: msgspec.Raw = msgspec.Raw()


class Account(msgspec.Struct):
    active: bool = True
    status: str | None = ""


class Identity(msgspec.Struct):
    handle: str | None = ""


class Frame(msgspec.Struct):
    did: str
    time_us: int
    kind: str = ""
    type: str = ""
    commit: Commit | None = None
    account: Account | None = None
    identity: Identity | None = None

    @property
    def is_gone(self) -> bool:
        """The account vanished, and its posts with it."""
        return self.kind == "account" and self.account is not None and not self.account.active and self.account.status in GONE


class Record(msgspec.Struct):
    text: Any = None
    subject: Any = None
    langs: Any = None
    facets: Any = None
    tags: Any = None
    reply: Any = None
    embed: Any = None


class _Typed(msgspec.Struct):
    type: str = msgspec.field(name="$type", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Whose frames are of interest, and what is known about them."""

    livestreams: Mapping[str, str] | None = None
    """DID → livestream id, for all authors of the roster; None: everybody is taken, as ``bluesky:<did>``."""
    watched: frozenset[str] = frozenset()
    """DIDs whose posts are wanted."""
    tags: frozenset[str] = frozenset()
    """Folded hashtags that are wanted from anybody."""
    handles: Mapping[str, str] = field(default_factory=dict)
    """DID → handle, as far as known."""

    def livestream(self, did: str) -> str | None:
        return f"bluesky:{did}" if self.livestreams is None else self.livestreams.get(did)

    def wants_author(self, did: str) -> bool:
        return self.livestreams is None or did in self.watched


_frame = msgspec.json.Decoder(Frame)
_lenient = msgspec.json.Decoder(Frame, strict=False)
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_record = msgspec.json.Decoder(Record)
# Not \\w: vowel signs of Thai, Hindi and Arabic are no letters to Python.
_hashtag = re.compile(r"""[#＃]([^\s#＃.,;:!?'"()\[\]{}<>/\\|…。、，！？；：（）「」『』“”‘’،؛؟]+)""")


def fold(tag: str) -> str:
    """A hashtag as it is compared: without #, case folded."""
    return tag.strip().lstrip("#＃").casefold()


def tags_of(record: Record) -> set[str]:
    """Folded hashtags of a post: marked ones, hidden ones, and those that stand in the text unmarked."""
    found = {fold(tag) for tag in _list(record.tags) if isinstance(tag, str)}
    for facet in _list(record.facets):
        for feature in _list(facet.get("features")) if isinstance(facet, dict) else ():
            tag = feature.get("tag") if isinstance(feature, dict) else None
            if isinstance(tag, str):
                found.add(fold(tag))
    if isinstance(record.text, str) and ("#" in record.text or "＃" in record.text):
        found.update(fold(tag) for tag in _hashtag.findall(record.text))
    return found


def parse_frame(raw: bytes | str, tools: Tools, reading: Reading) -> list[Event]:
    """One frame to events; raises Unreadable and nothing else."""
    return events_of(decode(raw), tools, reading)


def decode(raw: bytes | str) -> Frame:
    """The envelope; raises Unreadable."""
    try:
        return _frame.decode(raw)
    except msgspec.ValidationError as error:
        return _decode_other(raw, error)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unreadable("not_json") from error


def _decode_other(raw: bytes | str, error: msgspec.ValidationError) -> Frame:
    """Numbers written as text, and the envelope of the second wire, in which the frame lies one level deeper."""
    try:
        envelope = _envelope.decode(raw)
        inside = bytes(envelope.get("payload", raw if isinstance(raw, bytes) else raw.encode()))
        frame = _lenient.decode(inside)
        if not frame.kind and "payload" in envelope:
            frame.kind = msgspec.json.decode(inside, type=_Typed).type.rpartition("#")[2]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Unreadable("wrong_shape") from error
    return frame


def events_of(frame: Frame, tools: Tools, reading: Reading) -> list[Event]:
    """What a frame means; nothing for identities, which only say what an author is called."""
    at = _time(frame.time_us)
    if not frame.kind:
        frame.kind = OLD_NAMES.get(frame.type) or next(
            (name for name in ("commit", "account", "identity") if getattr(frame, name) is not None), ""
        )
    if frame.kind == "commit":
        return _of_commit(frame, at, tools, reading)
    if frame.kind == "identity":
        return []
    livestream = reading.livestream(frame.did)
    if not frame.kind:
        raise Unreadable("missing_kind")
    if frame.kind != "account":
        return [_unknown(frame.kind, frame, at, tools, livestream)]
    if not frame.is_gone or livestream is None:
        return []
    return [
        Removed(
            id=f"bluesky:gone:{frame.did}:{frame.time_us}", platform="bluesky", livestream=livestream, at=at,
            received_at=tools.now(), target_author=tools.pseudonym("bluesky", frame.did),
            from_=datetime(1970, 1, 1, tzinfo=UTC), to=at,
        )
    ]  # fmt: skip


def removed_post(event_id: str, frame: Frame, tools: Tools, livestream: str | None) -> Removed:
    """The retraction of one post; the same from every host, so that two collectors' copies are one."""
    rev = frame.commit.rev if frame.commit else "gone"
    return Removed(
        id=f"{event_id}:deleted:{rev}", platform="bluesky", livestream=livestream, at=_time(frame.time_us),
        received_at=tools.now(), target=event_id,
    )  # fmt: skip


def _of_commit(frame: Frame, at: datetime, tools: Tools, reading: Reading) -> list[Event]:
    commit, did = frame.commit, frame.did
    if commit is None:
        raise Unreadable("missing_commit")
    livestream = reading.livestream(did)
    commit.operation = commit.operation or OLD_NAMES.get(commit.type, "missing operation")
    if commit.collection in ACTIONS and commit.operation in ("create", "delete"):
        return _of_action(frame, commit, at, tools, reading)
    if commit.collection != POSTS:
        return [_unknown(commit.collection, frame, at, tools, livestream)] if reading.wants_author(did) else []
    event_id = f"bluesky:at://{did}/{POSTS}/{commit.rkey}"
    if commit.operation == "delete":
        return [removed_post(event_id, frame, tools, livestream)]
    record = _read_record(commit.record)
    if not reading.wants_author(did) and (not reading.tags or reading.tags.isdisjoint(tags_of(record))):
        return []
    if commit.operation != "create":
        return [_unknown(commit.operation, frame, at, tools, livestream)]
    if not isinstance(record.text, str):
        raise Unreadable("missing_text")
    languages = _list(record.langs)
    return [
        Message(
            id=event_id, platform="bluesky", livestream=livestream, at=at, received_at=tools.now(),
            author=tools.pseudonym("bluesky", did), author_name=reading.handles.get(did), text=record.text, form="post",
            language=languages[0] if languages and isinstance(languages[0], str) else None, reply_to=_parent(record.reply),
            url=f"https://bsky.app/profile/{did}/post/{commit.rkey}", links=_links(record) if livestream is not None else (),
        )
    ]  # fmt: skip


def _of_action(frame: Frame, commit: Commit, at: datetime, tools: Tools, reading: Reading) -> list[Event]:
    """A like, a repost or a follow of somebody of the roster, or that it was taken back, which names nobody."""
    event_id = f"bluesky:at://{frame.did}/{commit.collection}/{commit.rkey}"
    if commit.operation == "delete":
        return [removed_post(event_id, frame, tools, None)]
    subject = _read_record(commit.record).subject
    uri = subject.get("uri") if isinstance(subject, dict) else subject
    if not isinstance(uri, str) or not uri:
        raise Unreadable("missing_subject")
    livestream = reading.livestream(uri.removeprefix("at://").partition("/")[0])
    if livestream is None:
        return []
    make: Any = ACTIONS[commit.collection]
    return [
        make(
            id=event_id, platform="bluesky", livestream=livestream, at=at, received_at=tools.now(),
            author=tools.pseudonym("bluesky", frame.did), author_name=reading.handles.get(frame.did),
        )
    ]  # fmt: skip


def _links(record: Record) -> tuple[str, ...]:
    """Where a post links to: its card, and marked parts of its text."""
    card = record.embed.get("external") if isinstance(record.embed, dict) else None
    found = [card.get("uri") if isinstance(card, dict) else None]
    for facet in _list(record.facets):
        features = _list(facet.get("features")) if isinstance(facet, dict) else []
        found += [feature.get("uri") for feature in features if isinstance(feature, dict)]
    links = (one for one in found if isinstance(one, str) and one.startswith(("https://", "http://")) and len(one) <= 500)
    return tuple(dict.fromkeys(links))[:MOST_LINKS]


def _read_record(raw: msgspec.Raw) -> Record:
    try:
        return _record.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable("missing_record") from error


def _unknown(name: str, frame: Frame, at: datetime, tools: Tools, livestream: str | None) -> Unknown:
    return Unknown(
        id=f"bluesky:unknown:{frame.did}:{frame.time_us}:{name[:60]}", platform="bluesky", livestream=livestream, at=at,
        received_at=tools.now(), name=name[:60],
    )  # fmt: skip


def _time(time_us: int) -> datetime:
    if 10**9 <= time_us < 10**14:  # seconds or milliseconds, as some write it down
        time_us *= 1_000_000 if time_us < 10**11 else 1_000
    try:
        return datetime.fromtimestamp(time_us / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise Unreadable("wrong_time") from error


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _parent(reply: Any) -> str | None:
    parent = reply.get("parent") if isinstance(reply, dict) else None
    uri = parent.get("uri") if isinstance(parent, dict) else None
    return f"bluesky:{uri}" if isinstance(uri, str) else None
