"""What Jetstream (v1) writes for each thing that is sent: pure functions from the crowd's words to its JSON.

Hashtags are facets with *byte* offsets; ``time_us`` is the server's time and not monotonic; a delete carries no record.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.simulator.model import SimChannel

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"
_SORTABLE = "234567abcdefghijklmnopqrstuvwxyz"
_HASHTAG = re.compile(r"(?:^|\s)(#\w+)")
_encode = msgspec.json.Encoder().encode


def did_of(handle: str) -> str:
    """A DID for a handle, always the same one."""
    return "did:plc:" + b32encode(hashlib.sha256(handle.lower().encode()).digest()[:15]).decode().lower()


def channel_did(channel: SimChannel) -> str:
    """The DID of a roster channel: its native id, or one made from its handle."""
    return channel.native_id if (channel.native_id or "").startswith("did:") else did_of(channel.handle)  # type: ignore[return-value]


def tid(time_us: int, clock: int) -> str:
    """A record key as Bluesky makes them: 53 bits of time, 10 bits of clock id, sortable base 32."""
    number = (time_us << 10 | clock & 1023) & (1 << 63) - 1
    return "".join(_SORTABLE[number >> shift & 31] for shift in range(60, -1, -5))


def hashtags(text: str) -> list[tuple[str, int, int]]:
    """Each hashtag without its #, with the byte offsets of its facet."""
    found = []
    for match in _HASHTAG.finditer(text):
        start = len(text[: match.start(1)].encode())
        found.append((match[1][1:], start, start + len(match[1].encode())))
    return found


def post(did: str, rkey: str, time_us: int, text: str, *, languages: Sequence[str] = (), tags: Sequence[str] = ()) -> bytes:
    """A commit that creates a post."""
    record: dict[str, Any] = {"$type": POST, "createdAt": created_at(time_us - 250_000), "text": text}
    if languages:
        record["langs"] = list(languages)
    if facets := hashtags(text):
        record["facets"] = [
            {
                "$type": "app.bsky.richtext.facet",
                "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": tag}],
                "index": {"byteStart": start, "byteEnd": end},
            }
            for tag, start, end in facets
        ]
    if tags:
        record["tags"] = list(tags)
    return _create(did, time_us, POST, rkey, record)


def like(did: str, rkey: str, time_us: int, subject: str) -> bytes:
    """A commit that likes a post."""
    record = {"$type": LIKE, "createdAt": created_at(time_us), "subject": {"cid": _cid(subject), "uri": subject}}
    return _create(did, time_us, LIKE, rkey, record)


def delete(did: str, rkey: str, time_us: int) -> bytes:
    """A commit that deletes a post."""
    commit = {"rev": tid(time_us, 1), "operation": "delete", "collection": POST, "rkey": rkey}
    return _encode({"did": did, "time_us": time_us, "kind": "commit", "commit": commit})


def identity(did: str, handle: str, time_us: int, seq: int) -> bytes:
    """A handle was confirmed or changed."""
    what = {"did": did, "handle": handle, "seq": seq, "time": created_at(time_us)}
    return _encode({"did": did, "time_us": time_us, "kind": "identity", "identity": what})


def account(did: str, time_us: int, seq: int, *, active: bool) -> bytes:
    """An account came or went."""
    what = {"active": active, "did": did, "seq": seq, "time": created_at(time_us)}
    return _encode({"did": did, "time_us": time_us, "kind": "account", "account": what})


def created_at(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _create(did: str, time_us: int, collection: str, rkey: str, record: dict[str, Any]) -> bytes:
    commit = {
        "rev": tid(time_us, 1),
        "operation": "create",
        "collection": collection,
        "rkey": rkey,
        "record": record,
        "cid": _cid(rkey),
    }
    return _encode({"did": did, "time_us": time_us, "kind": "commit", "commit": commit})


def _cid(of: str) -> str:
    return "bafyrei" + b32encode(hashlib.sha256(of.encode()).digest()).decode().lower().rstrip("=")
