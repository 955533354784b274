"""A request that somebody recorded: its headers and its body, whatever the recorder calls them. Pure.

Proxies, request bins, serverless functions and one's own logs write ``{"headers": {…}, "body": "…"}`` with other names, nested, or in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_BODIES: Final = ("body", "rawBody", "raw_body", "payload", "content", "data", "text", "json")
_ADDRESSES: Final = ("url", "uri", "rawPath", "path", "request_uri")
_QUERIES: Final = ("query", "queryStringParameters", "args", "params")
_WITHIN: Final = ("request", "event", "req")


class Record(NamedTuple):
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    path: str = ""
    """Where it was sent to, as far as that was written down."""
    query: dict[str, str] = {}  # noqa: RUF012 — never changed


def record_of(document: Mapping[str, Any]) -> Record | None:
    """None when it is no recorded request."""
    for place in (document, *(document[key] for key in _WITHIN if isinstance(document.get(key), dict))):
        if not isinstance(place.get("headers"), dict | list):
            continue
        body = next((place[key] for key in _BODIES if isinstance(place.get(key), str | dict | list) and place[key]), None)
        if body is not None:
            raw = _bytes_of(body, is_base64=place.get("isBase64Encoded") is True)
            return Record(headers_of(place["headers"]), raw, *_address_of(place))
    return None


def _address_of(place: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Path and query of the address that a record has, whole or in parts."""
    written = next((place[key] for key in _ADDRESSES if isinstance(place.get(key), str) and place[key]), "")
    try:
        parts = urlsplit(written[:4000])
    except ValueError:
        return "", {}
    told: dict[str, Any] = next((place[key] for key in _QUERIES if isinstance(place.get(key), dict)), {})
    texts = {key: value for key, value in told.items() if isinstance(value, str)}
    return parts.path, texts or dict(parse_qsl(parts.query))


def headers_of(found: Any) -> dict[str, str]:
    """From an object, from pairs, or from objects with name and value; of several values of one name the first."""
    pairs = found.items() if isinstance(found, dict) else found if isinstance(found, list) else ()
    headers: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, dict):
            pair = (pair.get("name", pair.get("key")), pair.get("value"))  # noqa: PLW2901 — as HAR files have it
        if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str):
            value = pair[1][0] if isinstance(pair[1], list) and pair[1] else pair[1]
            headers.setdefault(_name(pair[0]), value if isinstance(value, str) else "")
    return headers


def _name(name: str) -> str:
    """Some servers hand headers on as variables: ``HTTP_KICK_EVENT_TYPE``."""
    return name.lower().replace("_", "-").removeprefix("http-")


def _bytes_of(body: str | dict[str, Any] | list[Any], *, is_base64: bool) -> bytes:
    if not isinstance(body, str):
        try:
            return orjson.dumps(body)
        except TypeError:  # nested deeper than orjson writes, though it reads it
            return b""
    raw = body.encode("utf-8", "replace")
    if not is_base64:
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        return raw
