"""Where everything stands in Redis: partitions, keys, the digest of an id, and a position in a Redis stream. Pure."""

from __future__ import annotations

import zlib
from functools import lru_cache
from hashlib import blake2b

Position = tuple[str, str]
"""(entry id, nonce of the attempt that wrote it); ("", "") is the very beginning."""

START: Position = ("", "")


@lru_cache(maxsize=65536)
def partition_of(livestream: str, partitions: int) -> int:
    """The partition of everything that happens on a livestream."""
    return zlib.crc32(livestream.encode()) % partitions


def tag(partition: int) -> str:
    """The hash tag that keeps all keys of a partition in one Cluster slot."""
    return f"{{p{partition:02d}}}"


def key(partition: int, name: str) -> str:
    return f"{{p{partition:02d}}}:{name}"


def digest(event_id: str) -> bytes:
    """What the server remembers of an id: 16 bytes."""
    return blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def entry_order(entry_id: str) -> tuple[int, int]:
    """An entry id of a Redis stream as numbers, which can be compared; the very beginning is before all."""
    head, _, tail = entry_id.partition("-")
    return int(head or 0), int(tail or 0)


def entry_ms(entry_id: str) -> int:
    """When the server made it (Unix ms); 0 for the very beginning."""
    return entry_order(entry_id)[0]


def is_before(read: str, position: str) -> bool:
    """Whether a cursor has not come to a journal id yet."""
    return entry_order(read) < entry_order(position)


def author_key(head: str, window: str) -> str:
    """A HyperLogLog of its own tag, so that no merging is ever needed."""
    return f"{{u:{head}}}:{window}"
