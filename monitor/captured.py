"""What a person captured, cut into payloads: one a line, or spread over several lines as JSON is when it is printed for reading. Pure.

A capture is whatever somebody had at hand: a log of frames, an answer saved by curl and made pretty, the text of an event source, a list of
payloads, text from a PowerShell redirection. What is one payload is told by its shape alone; what is broken is one payload as well, so that
the lines behind it are still read. A line that is whole is given at once: there may be a live pipe in front of us.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST: Final = 64 * 1024 * 1024
"""Bytes that one spread payload may have."""

_MARK: Final = b"\xef\xbb\xbf"
_token = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}"]')
_field = re.compile(rb"(event|data|id|retry):")
_CLOSES: Final = {0x7D: 0x7B, 0x5D: 0x5B}


class Payload(NamedTuple):
    """One payload and the line at which it begins."""

    number: int
    raw: bytes

    def parts(self) -> list[bytes]:
        """Smaller payloads in it, for when it is nothing as a whole: a list's items, a text's content, the data of server-sent events."""
        text = self.raw.strip()
        if _field.match(text):
            data = [line.removeprefix(b"data:").removeprefix(b" ") for line in text.split(b"\n") if line.startswith(b"data:")]
            return [b"\n".join(data)] if data else []
        found = _json(text) if text[:1] in (b"[", b'"') else None
        if found is None and text[:1] == b"[":
            return _items(text)
        if isinstance(found, str):
            return [found.encode("utf-8", "replace")]
        try:
            return [orjson.dumps(item) for item in found] if isinstance(found, list) else []
        except TypeError:  # nested deeper than orjson writes, though it reads it
            return []


def lines_of(raw: bytes) -> list[bytes]:
    """Of a text in UTF-16, which says so in its first two bytes, and of any other."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    return raw.split(b"\n")


def payloads(lines: Iterable[tuple[int, bytes]]) -> Iterator[Payload]:
    """The payloads of numbered lines without their ends."""
    block = _Block()
    for number, line in lines:
        yield from block.add(number, line.removeprefix(_MARK))
    yield from block.flush()


class _Block:
    """Lines of which it is not yet known where their payload ends."""

    def __init__(self) -> None:
        self._held: list[tuple[int, bytes]] = []
        self._stack = bytearray()
        self._size = 0

    def add(self, number: int, line: bytes) -> Iterator[Payload]:
        if self._held and self._stack and not self._goes_on(line):
            yield from self.flush()
        if self._held:
            yield from self._add_to_held(number, line)
        elif _field.match(line):
            self._hold(number, line)
        elif line[:1] in (b"{", b"[") and line.rstrip()[-1:] in (b"{", b"[", b",") and _json(line) is None:
            if self._follow(line) and self._stack:
                self._hold(number, line)
            else:
                self._stack.clear()
                yield Payload(number, line.rstrip(b", "))
        elif line.strip():
            yield Payload(number, line)

    def flush(self) -> Iterator[Payload]:
        """What is held, whole or broken: of a broken one the lines that are whole are payloads of their own."""
        held, self._held, self._size = self._held, [], 0
        self._stack.clear()
        rest: list[tuple[int, bytes]] = []
        whole = b"\n".join(line for _, line in held)
        if not held:
            return
        if _field.match(whole) or whole[:1] == b"[" or _json(whole) is not None:
            yield Payload(held[0][0], whole)
            return
        for number, line in held:
            if line[:1] == b"{" and _json(alone := line.rstrip(b", ")) is not None:
                yield from _joined(rest)
                rest = []
                yield Payload(number, alone)
            elif line.strip():
                rest.append((number, line))
        yield from _joined(rest)

    def _add_to_held(self, number: int, line: bytes) -> Iterator[Payload]:
        if self._stack:
            whole = self._follow(line)
            self._hold(number, line)
            if not whole or not self._stack or self._size > LONGEST:
                yield from self.flush()
        elif not line.strip():  # the end of a server-sent event
            yield from self.flush()
        elif _field.match(line) or line[:1] == b":":
            self._hold(number, line)
            if self._size > LONGEST:
                yield from self.flush()
        else:
            yield from self.flush()
            yield from self.add(number, line)

    def _hold(self, number: int, line: bytes) -> None:
        self._held.append((number, line))
        self._size += len(line)

    def _goes_on(self, line: bytes) -> bool:
        """Inside an object no line begins with another one: what is held was cut off, and a new payload begins here."""
        return line[:1] != b"{" or self._stack[-1] == 0x5B

    def _follow(self, line: bytes) -> bool:
        """Keep track of what is open; False when it cannot be JSON."""
        for found in _token.finditer(line):
            token = found[0]
            if token == b'"':  # one that is never closed
                return False
            if token in (b"{", b"["):
                self._stack += token
            elif token in (b"}", b"]") and (not self._stack or self._stack.pop() != _CLOSES[token[0]]):
                return False
        return True


def _items(text: bytes) -> list[bytes]:
    """The items of a list that was cut off, such as an answer that stays open; the last one may be broken."""
    depth, begin, items = 0, 1, list[bytes]()
    for found in _token.finditer(text):
        token = found[0]
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 1:
                items.append(text[begin : found.end()].strip(b", \t\r\n"))
                begin = found.end()
    rest = text[begin:].strip(b", \t\r\n")
    return [*items, rest] if rest and items else items


def _joined(lines: list[tuple[int, bytes]]) -> Iterator[Payload]:
    if lines:
        yield Payload(lines[0][0], b"\n".join(line for _, line in lines))


def _json(raw: bytes) -> object:
    """What it holds; None when it is none, or null."""
    try:
        found: object = orjson.loads(raw)
    except ValueError:
        return None
    return found
