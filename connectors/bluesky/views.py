"""What else people have of Bluesky than Jetstream's frames, turned into such frames: answers of its API, the firehose as libraries write it. Pure.

Posts (``getPosts``, feeds, searches, threads, records), notifications and likes of a post; commits of the firehose with their records, the flat events
of the SDKs, and those of Tap. A post has the same id however it is told. Without the server's time that of the record counts, else now.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from connectors.bluesky.wire import POSTS, decode, events_of
from connectors.connector import Unreadable
from connectors.digests import content_of
from connectors.event import Unknown
from connectors.foreign import decode as decode_json
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.bluesky.wire import Reading
    from connectors.connector import Tools
    from connectors.event import Event

LIKE, REPOST = "app.bsky.feed.like", "app.bsky.feed.repost"
_LISTS: Final = ("posts", "feed", "records", "notifications", "replies")
_ONE: Final = ("thread", "parent")
_DEEPEST: Final = 60
_MOST: Final = 20_000
_uri = re.compile(r"at://([^/\s]{1,300})/([a-zA-Z0-9.-]{1,200})/([^/\s]{1,300})")


def captured_events(raw: bytes, tools: Tools, reading: Reading) -> list[Event]:
    """Of a frame of Jetstream, or of anything that can be made into some; raises Unreadable and nothing else."""
    try:
        return events_of(decode(raw), tools, reading)
    except Unreadable as problem:
        document = _object(raw)
        frames = list(_frames(document, _DEEPEST))[:_MOST] if document is not None else []
        if not frames:
            if document is not None and any(isinstance(document.get(key), list) for key in _LISTS):
                return []  # an answer that says that there is nothing
            raise problem from None
    found: dict[str, Event] = {}
    problems: list[Unreadable] = []
    for frame, handle in frames:
        try:
            events = _read(frame, handle, tools, reading)
        except Unreadable as problem:
            problems.append(problem)
            events = [_unreadable(problem, frame, tools)]
        for event in events:
            found.setdefault(event.id, event)
    if len(problems) == len(frames):
        raise problems[0]
    return list(found.values())


def _read(frame: dict[str, Any], handle: str, tools: Tools, reading: Reading) -> list[Event]:
    frame.setdefault("time_us", int(tools.now().timestamp() * 1_000_000))
    known = reading if not handle else replace(reading, handles={**reading.handles, frame["did"]: handle})
    return events_of(decode(content_of(frame)), tools, known)


def _unreadable(problem: Unreadable, frame: dict[str, Any], tools: Tools) -> Unknown:
    digest = hashlib.sha256(content_of(frame)).hexdigest()[:24]
    now = tools.now()
    return Unknown(
        id=f"bluesky:unreadable:{digest}", platform="bluesky", at=now, received_at=now, name=f"unreadable {problem.reason}"
    )


def _frames(document: Mapping[str, Any], levels: int) -> Iterator[tuple[dict[str, Any], str]]:
    """(frame, handle of its author)."""
    if levels == 0:
        return
    if isinstance(document.get("ops"), list) and isinstance(document.get("repo"), str):
        yield from _of_firehose(document)
    elif document.get("type") in ("record", "identity") and isinstance(inner := document.get(str(document["type"])), dict):  # Tap
        yield from _of_flat({"event": document["type"], **inner})
    elif isinstance(document.get("did"), str) and not isinstance(document.get("commit"), dict):
        yield from _of_flat(document)
    elif isinstance(document.get("likes"), list) and isinstance(document.get("uri"), str):
        for like in document["likes"]:
            if isinstance(like, dict):
                yield from _done(LIKE, like.get("actor"), document["uri"], like)
    elif isinstance(document.get("post"), dict) and _is(_dict(document.get("reason")), "reasonRepost"):
        reason = _dict(document["reason"])
        yield from _done(REPOST, reason.get("by"), document["post"].get("uri"), reason)
    else:
        yield from _of_view(document)
        inner = [document.get(key) for key in (*_ONE, "post")] + [row for key in _LISTS for row in _list(document.get(key))]
        for one in inner:
            if isinstance(one, dict):
                yield from _frames(one, levels - 1)


def _of_view(view: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """A record with its address, as all of the API shows it."""
    found = _uri.fullmatch(view["uri"]) if isinstance(view.get("uri"), str) else None
    record = next((view[key] for key in ("record", "value") if isinstance(view.get(key), dict)), None)
    if found is None or record is None:
        return
    if isinstance(view.get("reasonSubject"), str) and "subject" not in record:
        record = {**record, "subject": {"uri": view["reasonSubject"]}}
    author = _dict(view.get("author"))
    did = _text(author.get("did")) or found[1]
    yield _frame((did, found[2], found[3]), "create", record, view), _text(author.get("handle"))


def _done(collection: str, by: Any, subject: Any, told: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """What somebody did with a post. Where it has no address of its own it has one for each post, and is one however often it is told."""
    did, of = _dict(by).get("did"), _uri.fullmatch(_text(subject))
    if not isinstance(did, str) or of is None:
        return
    own = _uri.fullmatch(_text(told.get("uri")))
    frame = _frame((did, collection, own[3] if own else f"of-{of[3]}"), "create", {"subject": {"uri": subject}}, told)
    yield frame, _text(_dict(by).get("handle"))


def _of_firehose(commit: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for op in commit["ops"]:
        if isinstance(op, dict) and isinstance(op.get("path"), str) and "/" in op["path"]:
            collection, _, rkey = op["path"].partition("/")
            record = next((op[key] for key in ("record", "value") if isinstance(op.get(key), dict)), None)
            yield _frame((commit["repo"], collection, rkey), _text(op.get("action")), record, commit), ""


def _of_flat(event: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Without a commit around it; the operation is called by one of three names."""
    did = event.get("did")
    if not isinstance(did, str):
        return
    operation = next((event[key] for key in ("action", "operation", "event") if isinstance(event.get(key), str)), "")
    if isinstance(event.get("collection"), str) and isinstance(event.get("rkey"), str):
        record = event["record"] if isinstance(event.get("record"), dict) else None
        yield _frame((did, event["collection"], event["rkey"]), operation, record, event), ""
    elif operation in ("identity", "account"):
        about = {key: event[key] for key in ("active", "status", "handle") if key in event}
        yield {"did": did, "kind": operation, operation: about, **_time_us(event, {})}, ""


def _frame(
    address: tuple[str, str, str], operation: str, record: Mapping[str, Any] | None, told: Mapping[str, Any]
) -> dict[str, Any]:
    did, collection, rkey = address
    commit: dict[str, Any] = {
        "collection": collection or POSTS, "rkey": rkey, "operation": operation, "rev": _text(told.get("rev")) or "captured",
    }  # fmt: skip
    if record is not None:
        commit["record"] = dict(record)
    return {"did": did, "kind": "commit", "commit": commit, **_time_us(told, record or {})}


def _time_us(told: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, int]:
    times = (told.get("time_us"), told.get("indexedAt"), told.get("time"), record.get("createdAt"), told.get("createdAt"))
    at = next((found for one in times if (found := moment(one)) is not None), None)
    return {} if at is None else {"time_us": round(at.timestamp() * 1_000_000)}


def _is(value: Mapping[str, Any], name: str) -> bool:
    return _text(value.get("$type")).endswith(f"#{name}")


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = decode_json(raw)
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
