"""What a person captured, cut into payloads: one a line, or spread over several lines as JSON is when it is printed for reading. Pure.

A capture is whatever somebody had at hand: a log of frames with the time before each, an answer saved by curl and made pretty, a request with
its header lines, a feed in XML, the text of an event source, a list of payloads, text from a PowerShell redirection. What is one payload is told
by its shape alone; what is broken is one payload as well, so that the lines behind it are still read. A line that is whole is given at once:
there may be a live pipe in front of us. What lies inside a payload that is none itself, unwrapped.py says.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from monitor.unwrapped import CLOSES, TOKEN, inside, json_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST: Final = 64 * 1024 * 1024
"""Bytes that one spread payload may have."""
MOST_HEADERS: Final = 200

_MARK: Final = b"\xef\xbb\xbf"
_field = re.compile(rb"(event|data|id|retry):")
_comment = re.compile(rb":(?!\S+ +(?:[A-Z]+|\d{3})(?:\s|$))[^!@{\[]*$")
"""What a source of events says to keep the line open; a line of chat that begins like it names a command."""
_first = re.compile(rb"(?:[<>] )?(?:[A-Z]{3,8} \S+ )?HTTP/\d(?:\.\d)?(?: \d{3}\b.*)?\s*$")
"""The line with which a request or an answer begins; curl and others put an arrow before it."""
_asked = re.compile(rb"(?:[<>] )?[A-Z]{3,8} (\S+) HTTP/")
_header = re.compile(rb"(?:[<>*-] )?([A-Za-z][A-Za-z0-9_-]{0,60}):[ \t]*(.*?)\s*$")
_plain: Final = frozenset((b"host", b"accept", b"connection", b"date", b"server", b"via", b"signature"))
"""Headers without a hyphen with which a block of headers may begin; other words before a colon are a log's."""
_stamped = re.compile(
    rb"[ \t]*(?:(?:[\[(]?\d[\d:/.,TZ+ -]{4,40}[\])]?|[<>]{1,3} |[A-Za-z][\w .-]{0,40}[:=])[^{}\[\"@]{0,80}(?=[{\[][ \t]*$)"
    rb"|[A-Za-z][\w .-]{0,60} (?=\{[ \t]*$))"
)
"""What a log writes before JSON that goes on over the next lines."""
_between = re.compile(
    rb"""\s*(?:```[\w-]*|~~~|[-=*_#~+]{3,}|\* (?!:)[^{\[<@]*|(?:Dis)?[Cc]onnected \([^{\[]*\)"""
    rb"""|(?:\#{1,6}|//)\ [^{\[<@:"]*|(?!(?:event|data|id|retry):)[\w][\w.\ -]{0,60}:|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.,Z+\ -]*\]?)\s*$"""
)
"""What stands between payloads and is none: a line that parts two, the fence or the title of an example, a time, what curl and wscat say of the
connection."""
_source = re.compile(rb"[\w./-]{1,60} +\| ")
"""What ``docker compose logs`` writes before each line."""
_title = re.compile(rb"[\s#*_>-]*(?:request |response |http )?(?:headers?|body|payload|data)[\s*_:]*$", re.IGNORECASE)
"""What people write above headers and above what came with them."""
_unquoted = re.compile(rb"\s*[{\[]*\s*(?:[A-Za-z_$][\w$]*: |')")
"""How a line begins of what JavaScript printed, in which strings have other quotes."""
_remark = re.compile(rb'"(?:[^"\\]|\\.)*"|(?<!:)//.*')
_PRINTED: Final = re.compile(rb"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[\[\]{}]""")
_root = re.compile(
    rb"<(feed|entry|rss|xml|html|[A-Za-z][\w.-]*(?=[^<>]*\bxmlns\b)|[A-Za-z][\w.-]*:deleted-entry)(?=[\s/>])", re.IGNORECASE
)
_xml = re.compile(rb"<(?:\?xml|!doctype)\b", re.IGNORECASE)


_NO_ROOT: Final = b"\x00"
"""Stands for an end tag while the root has not begun."""


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
        return inside(text)


PACKED: Final = (b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b")
"""How a file begins whose lines only ``lines_of`` finds: UTF-16, and gzip."""


def lines_of(raw: bytes) -> list[bytes]:
    """Of a text in UTF-16 or packed by gzip, which its first two bytes say, and of any other."""
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(raw)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    return raw.split(b"\n")


def _unpacked(raw: bytes) -> bytes:
    """What gzip packed, once or several times one behind the other; of a file that was cut off what is there."""
    text = bytearray()
    while raw[:2] == b"\x1f\x8b":
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            text += unpacking.decompress(raw, LONGEST)
        except zlib.error:
            break
        raw = unpacking.unused_data
    return bytes(text)


def is_between(line: bytes) -> bool:
    """Whether a line stands between payloads and is none: a title, a time, what parts two."""
    return bool((_title.match(line) and not _field.match(line)) or _between.match(line))


def payloads(lines: Iterable[tuple[int, bytes]]) -> Iterator[Payload]:
    """The payloads of numbered lines without their ends."""
    block, head = _Block(), _Head()
    for number, written in lines:
        line = written.removeprefix(_MARK)
        source = _source.match(line)
        for free in head.add(number, line[source.end() :] if source else line):
            for payload in block.add(*free):
                yield head.with_body(payload)
    for free in head.flush():
        yield from block.add(*free)
    for payload in block.flush():
        yield head.with_body(payload)


class _Head:
    """The header lines of a request or an answer, which belong to the body behind them."""

    def __init__(self) -> None:
        self._held: list[tuple[int, bytes]] = []
        self._headers: dict[str, str] = {}
        self._asked = ""
        """The address of the request, where its first line says it."""
        self._body_at: int | None = None
        """Where the body of the headers begins that are complete."""

    def add(self, number: int, line: bytes) -> Iterator[tuple[int, bytes]]:
        """The lines that are no headers, or turned out to be none."""
        if self._held:
            if len(self._held) < MOST_HEADERS and _header.match(line) and not _field.match(line):
                self._held.append((number, line))
                return
            if not line.strip(b" \t\r<>*") and (len(self._held) > 1 or _first.match(self._held[0][1])):
                self._close(number + 1)
                return
            if line[:1] in (b"{", b"[") or (_title.match(line) and not _field.match(line) and len(self._held) > 1):
                self._close(number)
            else:
                yield from self.flush()
        if is_between(line):
            yield number, b""
        elif self._begins(line):
            self._held.append((number, line))
        else:
            yield number, line

    def flush(self) -> Iterator[tuple[int, bytes]]:
        """Lines of which there were too few to be headers."""
        held, self._held = self._held, []
        yield from held

    def with_body(self, payload: Payload) -> Payload:
        """A body with its headers, as a record that a platform's parser may know; of the payloads behind headers only the first is theirs."""
        if self._body_at is None or payload.number < self._body_at:
            return payload
        headers, self._headers, self._body_at = self._headers, {}, None
        if not headers or payload.raw[:1] not in (b"{", b"[", b"<"):
            return payload
        record: dict[str, object] = {"headers": headers, "body": payload.raw.decode("utf-8", "replace")}
        if self._asked:
            record["url"] = self._asked
        return Payload(payload.number, orjson.dumps(record))

    def _close(self, body_at: int) -> None:
        asked = _asked.match(self._held[0][1])
        self._headers, self._asked = {}, asked[1].decode("utf-8", "replace") if asked else ""
        for _, line in self._held:
            if found := _header.match(line):
                value = found[2].decode("utf-8", "replace").strip("\"'\u201c\u201d")
                self._headers.setdefault(found[1].decode().lower(), value)
        self._held, self._body_at = [], body_at

    def _begins(self, line: bytes) -> bool:
        if _first.match(line):
            return True
        found = _header.match(line)
        if found is None or _field.match(line) or b'{"' in found[2] or b"@" in found[1]:
            return False
        return b"-" in found[1].strip(b"-") or found[1].lower() in _plain


class _Block:
    """Lines of which it is not yet known where their payload ends."""

    def __init__(self) -> None:
        self._held: list[tuple[int, bytes]] = []
        self._stack = bytearray()
        self._closing = b""
        """Of XML: the end tag of its root."""
        self._size = 0

    def add(self, number: int, line: bytes) -> Iterator[Payload]:
        if self._held and self._stack and not self._goes_on(line):
            yield from self.flush()
        if self._held:
            yield from self._add_to_held(number, line)
        elif _field.match(line):
            self._hold(number, line)
        elif _xml.match(line) or _root.match(line):
            self._closing = _NO_ROOT
            yield from self._add_to_held(number, line)
        elif self._is_open(line):
            if self._follow(line) and self._stack:
                self._hold(number, line)
            else:
                self._stack.clear()
                yield Payload(number, line.rstrip(b", "))
        elif line.strip(b", \t\r\x0b\x0c") and not _comment.match(line):
            yield Payload(number, line)

    def flush(self) -> Iterator[Payload]:
        """What is held, whole or broken: of a broken one the lines that are whole are payloads of their own."""
        held, self._held, self._size = self._held, [], 0
        closing, self._closing = self._closing, b""
        self._stack.clear()
        rest: list[tuple[int, bytes]] = []
        whole = b"\n".join(line for _, line in held)
        if not held:
            return
        begin = found.end() if (found := _stamped.match(held[0][1])) else 0
        if _field.match(whole) or closing or whole[begin : begin + 1] == b"[" or json_of(whole[begin:]) is not None:
            yield Payload(held[0][0], whole)
            return
        for number, line in held:
            if line[:1] == b"{" and json_of(alone := line.rstrip(b", ")) is not None:
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
        elif self._closing:
            if self._held and (_xml.match(line) or (line[:1] == b"{" and json_of(line) is not None)):  # it was cut off
                yield from self.flush()
                yield from self.add(number, line)
                return
            if self._closing == _NO_ROOT and (root := _root.search(line)):
                self._closing = b"</" + root[1] + b">"
            self._hold(number, line)
            if self._closing in line or self._size > LONGEST:
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

    def _is_open(self, line: bytes) -> bool:
        """Whether JSON begins here that goes on in the next line."""
        if line[:1] in (b"{", b"[") and _bare(line).rstrip()[-1:] in (b"{", b"[", b",") and json_of(line) is None:
            return True
        return _stamped.match(line) is not None

    def _goes_on(self, line: bytes) -> bool:
        """Inside an object no line begins with another one: what is held was cut off, and a new payload begins here."""
        return line[:1] != b"{" or self._stack[-1] == 0x5B

    def _follow(self, line: bytes) -> bool:
        """Keep track of what is open; False when it cannot be JSON."""
        begin = found.end() if not self._held and (found := _stamped.match(line)) else 0
        for found in (_PRINTED if _unquoted.match(line, begin) else TOKEN).finditer(_bare(line), begin):
            token = found[0]
            if token == b'"':  # one that is never closed
                return False
            if token in (b"{", b"["):
                self._stack += token
            elif token in (b"}", b"]") and (not self._stack or self._stack.pop() != CLOSES[token[0]]):
                return False
        return True


def _bare(line: bytes) -> bytes:
    """Without the remark that a person wrote behind it."""
    return _remark.sub(lambda found: found[0] if found[0][:1] == b'"' else b"", line) if b"//" in line else line


def _joined(lines: list[tuple[int, bytes]]) -> Iterator[Payload]:
    if lines:
        yield Payload(lines[0][0], b"\n".join(line for _, line in lines))
