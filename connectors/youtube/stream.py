"""Cuts a JSON array that stays open into its objects, byte by byte as they come: pure.

``liveChat/messages/stream`` writes ``[``, then one object per batch with commas between them, and ``]`` only when it ends the response.
Promise: whatever the places at which the bytes are cut (inside a character, an escape, a number), the objects are the same. Bare objects
without the array are understood too. What stands between the objects and is not JSON is passed over and counted in ``skipped``.

Only braces and strings are looked at; whether an object is JSON is for its parser to say. One that lost a brace or a quote would take all
that follow it with it: therefore a page ends where the next one begins, which its first words say (``_PAGE``) and nothing inside a string can,
because there each quote has a backslash before it. ``salvaged`` says what of such a page is whole. Without those words it is given up when it is
too large or its end does not come, and read again from the last token.
"""

from __future__ import annotations

import re
from itertools import pairwise

from connectors.connector import Unreadable

_TO_BRACE = re.compile(rb'[^"{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}]*+)*+', re.DOTALL)
"""From outside a string over everything that is no brace, whole strings included; stops before a brace, a string that is not
complete yet, or the end. Possessive, so that it never goes back."""
_PAGE = re.compile(rb'\{\s*"kind"\s*:\s*"youtube#liveChatMessageListResponse"')
_ITEM = re.compile(rb'\{\s*"kind"\s*:\s*"youtube#liveChatMessage"')
_TOKEN = re.compile(rb'"nextPageToken"\s*:\s*"([A-Za-z0-9_=-]{1,512})"')
_LONGEST_MARK = 512
"""Bytes of ``_PAGE``, with as much space as anybody may print."""
_BETWEEN = b" \t\r\n,[\xef\xbb\xbf"
"""What may stand between two objects."""


class Scanner:
    """``feed`` bytes, get whole objects; raises Unreadable("too_large") for an object above ``most_bytes``."""

    def __init__(self, most_bytes: int = 1 << 23) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._at = 0
        """Up to here the buffer was looked at; always outside a string."""
        self._depth = 0
        self._searched = 1
        """Up to here the object at the start of the buffer holds no beginning of the next page."""
        self._lost = False
        """Its braces or quotes are not in order: only the beginning of the next page tells where it ends."""
        self.closed = False
        """The array was ended by its ``]``: the server is done, in order."""
        self.skipped = 0
        """Bytes between the objects that belong to none."""

    @property
    def pending(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._depth > 0 or self._lost

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete."""
        self._buffer += data
        found: list[bytes] = []
        while self.pending or self._begin():
            end = None if self._lost else self._end()
            page = _PAGE.search(self._buffer, self._searched, len(self._buffer) if end is None else end)
            if page is not None:  # it lost its end
                end = page.start()
            elif end is not None and self._is_damaged(end):
                self._lost = True
                continue
            if end is None:
                self._searched = max(1, len(self._buffer) - _LONGEST_MARK)
                break
            found.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
            self._at, self._depth, self._searched, self._lost = 0, 0, 1, False
        if len(self._buffer) > self._most_bytes:
            raise Unreadable("too_large")
        return found

    def _begin(self) -> bool:
        """Drop what stands before the next object; whether there is one."""
        start = self._buffer.find(b"{")
        between = self._buffer if start < 0 else self._buffer[:start]
        stripped = bytes(between).translate(None, _BETWEEN)
        if stripped:
            self.closed = b"]" in stripped
            self.skipped += len(stripped) - stripped.count(b"]")
        if start < 0:
            self._buffer.clear()
            return False
        self.closed = False
        del self._buffer[:start]
        self._depth, self._at = 1, 1
        return True

    def _is_damaged(self, end: int) -> bool:
        """Whether what follows cannot follow a page, so that this is not where it ends."""
        after = bytes(self._buffer[end : end + _LONGEST_MARK]).lstrip()[:1]
        return after not in (b"", b",", b"]", b"{") and _PAGE.match(self._buffer) is not None

    def _end(self) -> int | None:
        """Where the object at the start of the buffer ends, or None when its end is not here yet."""
        self._at, self._depth = _follow(self._buffer, self._at, len(self._buffer), self._depth)
        return None if self._depth else self._at


def salvaged(raw: bytes) -> tuple[list[bytes], str | None]:
    """The items of a broken page that are whole, and its token."""
    begins = [found.start() for found in _ITEM.finditer(raw)]
    items = []
    for begin, limit in pairwise([*begins, len(raw)]):
        end, depth = _follow(raw, begin + 1, limit, 1)
        if not depth:
            items.append(raw[begin:end])
    token = _TOKEN.search(raw)
    return items, token[1].decode() if token else None


def _follow(text: bytes | bytearray, at: int, size: int, depth: int) -> tuple[int, int]:
    """How far the text is followed from a place outside a string, and how deep it is there; 0 is the end of the object."""
    while depth:
        match = _TO_BRACE.match(text, at, size)
        at = match.end() if match else at
        if at == size or text[at] == 0x22:  # a quote: a string whose end has not come
            break
        depth += 1 if text[at] == 0x7B else -1
        at += 1
    return at, depth
