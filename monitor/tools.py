"""`monitor parse` and `monitor classify`: what the pipeline makes of one line, without the pipeline.

Both read lines and write NDJSON, one line after the other, so that they work in a pipe. A line that cannot be read is named on
standard error with its number; the others still come out, and the exit code is 1 at the end. ``parse`` also takes what people
really have: JSON spread over several lines, lists, log lines, requests with their headers, HAR files, gzip (captured.py, unwrapped.py).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import difflib
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from connectors import KNOWN, NAMED, kind_of, parser_of
from connectors.connector import Connector, Tools, Unreadable, make_pseudonym
from connectors.event import as_json
from connectors.recording.captured import PLATFORMS as RECORDED
from connectors.recording.captured import Captured
from monitor.captured import PACKED, Payload, lines_of, payloads
from monitor.config import ConfigError
from monitor.enrich.topics import Flag, Matcher
from monitor.unwrapped import named, recorded, requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from connectors.event import Event
    from monitor.settings import Settings

BASE64: Final = b"base64:"
"""Prefix of a line that carries a binary payload."""
DEEPEST: Final = 4
"""A list of records of requests with a text of JSON: so many times something captured is looked into."""
ANY_SHAPE: Final = frozenset(("sse", "websocket", "webhook"))
"""Kinds whose documents may look like anything, also like something that was recorded."""
SHOWCASE_KEY: Final = b"monitor parse"
"""Not the event's key: what this tool prints cannot be joined with the authors in a journal."""


class Classified(msgspec.Struct):
    """One line of `monitor classify`."""

    text: str
    topics: tuple[str, ...]
    flags: tuple[Flag, ...]


async def parse(settings: Settings) -> int:
    """Raw payloads of a platform to events."""
    name: str = settings.args.platform
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(KNOWN))}"
        raise ConfigError(f'there is no platform "{name}"; {hint}')
    _give_back_signals()
    reader = _reader(name, settings, Tools(pseudonym=make_pseudonym(SHOWCASE_KEY)))
    unreadable = 0
    for captured in payloads(_lines(settings.args.file)):
        for place, found in _read(captured, reader):
            if isinstance(found, Unreadable):
                unreadable += 1
                sys.stderr.write(f"line {captured.number}{place}: unreadable: {found.reason}\n")
            else:
                _write(as_json(event) for event in found)
    sys.stdout.flush()
    return 1 if unreadable else 0


class _Reader(NamedTuple):
    """What reads a platform's payloads one after the other."""

    read: Callable[[bytes], list[Event]]
    takes_whole: bool = False
    """Whether it knows a recorded request, or any shape; of others what was recorded is read."""
    lists_requests: bool = False
    """Whether a list of requests is taken apart first, as those export it who receive webhooks for testing."""


def _read(captured: Payload, reader: _Reader, levels: int = DEEPEST) -> Iterator[tuple[str, list[Event] | Unreadable]]:
    """(which item of a list, events or the reason why there are none); a payload that is nothing as a whole is read in parts."""
    parts = requests(captured.raw) if reader.lists_requests else []
    if not parts and not reader.takes_whole:
        parts = recorded(captured.raw)
    if not parts or not levels:
        try:
            yield "", reader.read(payload(captured.raw))
        except Unreadable as problem:
            parts = captured.parts() if levels else []
            if not parts:
                yield from _samples(captured, reader, levels) or [("", problem)]
        else:
            return
    for number, part in enumerate(parts, 1):
        place = f", item {number}" if len(parts) > 1 else ""
        for within, found in _read(Payload(captured.number, part), reader, levels - 1):
            yield place + within, found


def _samples(captured: Payload, reader: _Reader, levels: int) -> list[tuple[str, list[Event] | Unreadable]]:
    """What a file of samples under names holds; nothing when most of that cannot be read, because then it was a payload itself."""
    parts = named(captured.raw) if levels else []
    found = [
        (f", item {number}{within}", item)
        for number, part in enumerate(parts, 1)
        for within, item in _read(Payload(captured.number, part), reader, 0)
    ]
    return found if sum(not isinstance(item, Unreadable) for _, item in found) * 2 > len(found) else []


def _reader(name: str, settings: Settings, tools: Tools) -> _Reader:
    """That of a platform; of a section with a map of its own, with that map."""
    kind: Any = parser_of(name)
    if kind_of(name) in NAMED:
        options = kind.options(**{"section": name, **settings.config.platform(name).options})
        if issubclass(kind, Connector):
            return _Reader(kind.remembering_with(options, tools), takes_whole=kind_of(name) in ANY_SHAPE)
        return _Reader(lambda raw: list(kind.parse_with(options, raw, tools)), takes_whole=True)
    if issubclass(kind, Connector):
        read = kind.remembering(tools)
        if name in RECORDED:
            read = _also_recorded(read, Captured(name, tools.pseudonym))
        return _Reader(read, kind.reads_headers, lists_requests=True)
    return _Reader(lambda raw: list(kind.parse(raw, tools)))


def _also_recorded(read: Callable[[bytes], list[Event]], captured: Captured) -> Callable[[bytes], list[Event]]:
    """As ``read``, and what is none of the platform's own payloads as what other tools recorded of it."""

    def either(raw: bytes) -> list[Event]:
        try:
            return read(raw)
        except Unreadable as problem:
            try:
                return captured.read(raw)
            except Unreadable as other:
                raise (problem if other.reason in ("no_recording", "not_json") else other) from None

    return either


async def classify(settings: Settings) -> int:
    """Texts, one a line, to topics and flags; an empty line has an answer too, so that answers and lines stay side by side."""
    _give_back_signals()
    matcher = Matcher(settings.config.topics, settings.config.rules)
    for _, line in _lines(settings.args.file):
        text = line.decode("utf-8", "replace")
        match = matcher.match(text)
        _write([msgspec.json.encode(Classified(text, match.topics, match.flags))])
    sys.stdout.flush()
    return 0


def _give_back_signals() -> None:
    """These commands wait in a plain read, where the loop's handlers would never run: Ctrl-C must end them at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)


def payload(line: bytes) -> bytes:
    """The bytes that the platform sent; raises Unreadable when what follows ``base64:`` is not base64."""
    if not line.startswith(BASE64):
        return line
    try:
        return base64.b64decode(line.removeprefix(BASE64).strip(), validate=True)
    except binascii.Error:
        raise Unreadable("not_base64") from None


def _lines(file: Path | None) -> Iterator[tuple[int, bytes]]:
    """(number, line without its end); what a live pipe has said so far is answered before waiting for more."""
    with contextlib.ExitStack() as stack:
        source = sys.stdin.buffer if file is None else stack.enter_context(file.open("rb"))
        for number, line in enumerate(source, 1):
            if number == 1 and line[:2] in PACKED:
                yield from ((n, text.rstrip(b"\r")) for n, text in enumerate(lines_of(line + source.read()), 1))
                return
            yield number, line.rstrip(b"\r\n")
            if file is None:
                sys.stdout.flush()


def _write(lines: Iterable[bytes]) -> None:
    for line in lines:
        sys.stdout.buffer.write(line + b"\n")
