"""What lies inside something captured that is no payload itself: lists, texts that hold JSON, log lines, records of requests, HAR files. Pure.

It is asked only about what the platform's own parser could not read, and looks only where a recorder puts a payload: a document that merely lacks
something is not searched for pieces that happen to be readable.
"""

from __future__ import annotations

import base64
import binascii
import csv
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from monitor.printed import in_javascript, in_python, without_remarks

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}"]')
"""What decides where JSON ends: strings, which hide brackets, and brackets."""
CLOSES: Final = {0x7D: 0x7B, 0x5D: 0x5B}

_CARRIERS: Final = (
    "body", "rawBody", "raw_body", "payload", "data", "frame", "raw", "text", "message", "msg", "line", "content", "json",
    "event", "request", "response", "log", "jsonPayload", "textPayload", "MESSAGE",
)  # fmt: skip
"""Where recorders put what they recorded."""
_RAW: Final = ("raw", "Raw", "rawMessage", "raw_message", "rawLine", "raw_line")
"""Where a library keeps the line beside what it made of it."""
_LISTS: Final = ("messages", "lines", "frames", "entries", "events", "payloads", "records", "logEvents", "log")
_REQUESTS: Final = ("data", "requests", "items")
"""Where those who receive webhooks for testing list them."""
_ABOUT: Final = frozenset(
    (
        "headers", "ts", "time", "timestamp", "received_at", "receivedAt", "captured_at", "direction", "opcode", "level", "logger",
        "@timestamp", "url", "method", "severity", "request_id", "requestId", "at", "insertId", "hostname", "__REALTIME_TIMESTAMP",
    )
)  # fmt: skip
"""What a recorder writes beside a payload; then that may be an object and not only a text."""
_OF_RECORDS: Final = _ABOUT.union(_CARRIERS, ("type", "platform", "source", "n", "seq"))
_DEEPEST: Final = 4
_TRIES: Final = 64
_server_sent = re.compile(r"(?::[^\n]*\n\s*)*(?:event|data|id|retry):")
_feed = re.compile(rb"<(\?xml|feed)\b")


def inside(text: bytes) -> list[bytes]:
    """The smaller payloads in it, in order; empty when there are none."""
    found = json_of(text)
    if found is None and text[:1] == b"[":
        items = _items(text)
        if items:
            return items
    if isinstance(found, str):
        return [found.encode("utf-8", "replace")]
    if isinstance(found, list):
        return [raw for item in found if (raw := _written(item)) is not None]
    if isinstance(found, dict):
        return list(_carried(found, _DEEPEST))
    if found is None:
        return in_python(text) or _in_line(text) or in_javascript(text) or without_remarks(text)
    return []


def named(text: bytes) -> list[bytes]:
    """The values of an object that holds nothing else than objects and lists of them, as a file of samples under names does; of anything else none."""
    found = json_of(text) if text[:1] == b"{" else None
    if not isinstance(found, dict) or not found:
        return []
    rows = [row for value in found.values() for row in (value if isinstance(value, list) and value else [value])]
    if not all(isinstance(row, dict) and row for row in rows):
        return []
    return [written for row in rows if (written := _written(row)) is not None]


def requests(text: bytes) -> list[bytes]:
    """The requests in a list that somebody exported who receives webhooks for testing; empty when it is none."""
    found = json_of(text) if text[:1] == b"{" and b'"headers"' in text else None
    if not isinstance(found, dict):
        return []
    for key in _REQUESTS:
        rows = _list(found.get(key))
        if rows and all(isinstance(row, dict) and ("headers" in row or "headers" in _dict(row.get("request"))) for row in rows):
            return [written for row in rows if (written := _written(_with_body(row))) is not None]
    return []


def recorded(text: bytes) -> list[bytes]:
    """What was sent, of a record that holds a payload and what a recorder writes beside it, and of a HAR file; empty when it is neither."""
    found = json_of(text) if text[:1] == b"{" else None
    if not isinstance(found, dict):
        return []
    places = (found, _dict(found.get("request")), _dict(found.get("log")))
    is_request = any("entries" in place or ("headers" in place and not place.keys().isdisjoint(_CARRIERS)) for place in places)
    if is_request or (found.keys() <= _OF_RECORDS and not _ABOUT.isdisjoint(found)):
        return list(_carried(found, _DEEPEST))
    return []


def json_of(raw: bytes) -> object:
    """What it holds; None when it is none, or null."""
    try:
        found: object = orjson.loads(raw)
    except ValueError:
        return None
    return found


def _with_body(row: dict[str, Any]) -> dict[str, Any]:
    """Where only the whole request was kept, in base64, its body is taken out of it."""
    request = _dict(row.get("request"))
    if not isinstance(request.get("raw"), str) or "body" in request:
        return row
    _, _, body = _unpacked(request["raw"]).partition("\r\n\r\n")
    return {"request": {"headers": request["headers"], "body": body}}


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


# --- records ------------------------------------------------------------------------------------------------------------


def _carried(record: dict[str, Any], levels: int) -> Iterator[bytes]:
    """What a record carries; of a HAR file, of all its entries."""
    if levels == 0:
        return
    entries = record.get("entries")
    if isinstance(entries, list) and any(isinstance(entry, dict) and "request" in entry for entry in entries):
        for entry in entries:
            yield from _recorded(entry) if isinstance(entry, dict) else ()
        return
    is_record = not _ABOUT.isdisjoint(record)
    for key in _LISTS:
        value = record.get(key)
        if isinstance(value, list):
            for one in value:
                if isinstance(one, str):
                    yield one.encode("utf-8", "replace")
                elif isinstance(one, dict) and (written := _written(one)) is not None:
                    yield written
        elif isinstance(value, dict) and key == "log":
            yield from _carried(value, levels - 1)
    if raw := next((text for key in _RAW if isinstance(text := record.get(key), str) and _may_be_payload(text)), ""):
        yield raw.encode("utf-8", "replace")
        return
    for key in _CARRIERS:
        value = record.get(key)
        if record.get("isBase64Encoded") is True and key == "body" and isinstance(value, str):
            value = _unpacked(value)
        if isinstance(value, str) and _may_be_payload(value):
            yield value.encode("utf-8", "replace")
        elif (is_record and isinstance(value, dict | list) and value and key != "log") or _may_be_record(value):
            # Whole, because a platform's own frame may look like a record; who reads it asks again what it carries.
            written = _written(value)
            if written is not None:
                yield written


def _recorded(entry: dict[str, Any]) -> Iterator[bytes]:
    """Of one entry of a HAR file: what was received over a websocket, what was posted, what was answered."""
    for message in _list(entry.get("_webSocketMessages")):
        if isinstance(message, dict) and message.get("type") != "send" and isinstance(message.get("data"), str):
            raw = message["data"].encode("utf-8", "replace")
            yield b"base64:" + raw if message.get("opcode") == 2 else raw
    request, response = _dict(entry.get("request")), _dict(entry.get("response"))
    posted = _dict(request.get("postData")).get("text")
    if isinstance(posted, str) and _may_be_payload(posted):
        headers = [[_dict(one).get("name"), _dict(one).get("value")] for one in _list(request.get("headers"))]
        yield orjson.dumps({"headers": headers, "body": posted})
    content = _dict(response.get("content"))
    answered = content.get("text")
    if isinstance(answered, str) and content.get("encoding") == "base64":
        answered = _unpacked(answered)
    if isinstance(answered, str) and (_server_sent.match(answered) or content.get("mimeType") == "text/event-stream"):
        blocks = re.split(r"\r?\n[ \t]*\r?\n", answered)
        yield from (block.strip().encode("utf-8", "replace") for block in blocks if "data:" in block)
    elif isinstance(answered, str) and _may_be_payload(answered):
        yield answered.encode("utf-8", "replace")


def _may_be_record(value: object) -> bool:
    return isinstance(value, dict) and not _ABOUT.isdisjoint(value) and not value.keys().isdisjoint(_CARRIERS)


def _may_be_payload(text: str) -> bool:
    """JSON, XML, or a line of chat; words that somebody wrote are none."""
    start = text.lstrip()[:1]
    return (start in "{[<" and len(text) > 2) or (start in "@:" and " " in text) if start else False


def _written(value: object) -> bytes | None:
    """Back to bytes; None when it is nested deeper than orjson writes, though it reads it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# --- lines --------------------------------------------------------------------------------------------------------------


def _in_line(text: bytes) -> list[bytes]:
    """The JSON in a line of a log, and several documents one behind the other."""
    found: list[bytes] = []
    at = 0
    if text[:1] != b"<" and (feed := _feed.search(text)):
        return [text[feed.start() :]]
    if b'"{""' in text or b'"[{""' in text:
        return _columns(text)
    for _ in range(_TRIES):
        begin = text.find(b"{", at)
        if begin < 0:
            break
        before = text[:begin].rstrip()
        if before.endswith(b"[") and text[at:begin].count(b"[") == 1:
            begin = before.rindex(b"[")
        end = _end(text, begin)
        if end is None:  # what was cut off is not searched for its whole pieces
            break
        if json_of(text[begin:end]) is not None:
            found.append(text[begin:end])
        at = end
    return [one for one in found if one != text]


def _columns(text: bytes) -> list[bytes]:
    """The JSON in a row of a table."""
    try:
        rows = list(csv.reader([text.decode("utf-8", "replace")]))
    except csv.Error:
        return []
    return [column.encode("utf-8", "replace") for row in rows for column in row if column[:1] in ("{", "[")]


def _end(text: bytes, begin: int) -> int | None:
    """Behind what opens at ``begin``; None when it is never closed."""
    depth = 0
    for token in TOKEN.finditer(text, begin):
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _items(text: bytes) -> list[bytes]:
    """The items of a list that was cut off, such as an answer that stays open; the last one may be broken."""
    depth, begin, items = 0, 1, list[bytes]()
    for found in TOKEN.finditer(text):
        token = found[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 1:
                items.append(text[begin : found.end()].strip(b", \t\r\n"))
                begin = found.end()
            elif depth < 1 and text[found.end() :].strip():  # it was closed, and what follows is no part of it: a log's brackets
                return []
    rest = text[begin:].strip(b", \t\r\n")
    if rest == b"]":  # closed, behind a comma too many
        return items
    return [*items, rest] if rest and items else items
