"""Cuts a JSON array that stays open into its objects, byte by byte as they come: pure.

``liveChat/messages/stream`` writes ``[``, then one object per batch with commas between them, and ``]`` only when it ends the response.
Promise: whatever the places at which the bytes are cut (inside a character, an escape, a number), the objects are the same. Bare objects
without the array are understood too. What stands between the objects and is not JSON is passed over and counted in ``skipped``.

Only braces and strings are looked at; whether an object is JSON is for its parser to say.
"""

from __future__ import annotations

import re

from connectors.connector import Unreadable

_TO_BRACE = re.compile(rb'[^"{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}]*+)*+', re.DOTALL)
"""From outside a string over everything that is no brace, whole strings included; stops before a brace, a string that is not
complete yet, or the end. Possessive, so that it never goes back."""
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
        self.closed = False
        """The array was ended by its ``]``: the server is done, in order."""
        self.skipped = 0
        """Bytes between the objects that belong to none."""

    @property
    def pending(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._depth > 0

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that these bytes complete."""
        self._buffer += data
        found: list[bytes] = []
        while self._depth or self._begin():
            end = self._end()
            if end is None:
                break
            found.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
            self._at = 0
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

    def _end(self) -> int | None:
        """Where the object at the start of the buffer ends, or None when its end is not here yet."""
        buffer, at, depth = self._buffer, self._at, self._depth
        size = len(buffer)
        while depth:
            match = _TO_BRACE.match(buffer, at)
            at = match.end() if match else at
            if at == size or buffer[at] == 0x22:  # a quote: a string whose end has not come
                break
            depth += 1 if buffer[at] == 0x7B else -1
            at += 1
        self._at, self._depth = at, depth
        return None if depth else at
