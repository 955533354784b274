"""Recordings of chat, made by other tools or by us, read as events: for rehearsals, tests and reviews.

Collected: what the file holds of messages, gifts and deletions. The format is told from the content, never from the name:

* **TwitchDownloader** VOD chat (``{"video": …, "comments": […]}``) and the older **Twitch rechat** list;
* **yt-dlp** ``.live_chat.json`` (YouTube, one action a line);
* **Bilibili** danmaku XML;
* **chat-downloader** JSON, a list or one message a line;
* **our own** events, one a line (``connectors.event.as_json``).

Login: none. Limits: line formats are read line by line; JSON documents and XML are read in one piece, about five times their size in memory.

Ids are the file's own, so a message that was collected live, or replayed before, is known. A message without an id gets a digest of its place,
author and words, with a number when they repeat. Authors become pseudonyms with the event's key; names are kept as they are.

Quirks: the place in the recording (``Entry.offset``) decides when a replay says something; the event's time is when it was said. For
a Twitch VOD that was cut together and for danmaku (posted over days) these differ. What cannot be read becomes ``Unknown`` and never stops the
rest. Time, pace and memory of what was replayed are ``monitor/replay.py``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.connector import Unreadable
from connectors.event import Event, Message, from_json
from connectors.recording import bilibili, downloader, twitch, youtube
from connectors.recording.entry import EPOCH, Entry, Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD_BYTES = 1 << 20
"""The first line decides; in the line formats it is never longer than this."""
FORMATS = {
    "vod": "TwitchDownloader JSON", "rechat": "Twitch rechat JSON", "youtube": "yt-dlp live chat", "bilibili": "Bilibili danmaku XML",
    "items": "chat-downloader JSON", "item lines": "chat-downloader lines", "events": "our own event lines",
}  # fmt: skip


class NotARecording(ValueError):
    """The file cannot be replayed; the text says what was tried."""


class _Vod(msgspec.Struct):
    comments: list[msgspec.Raw]


_vod = msgspec.json.Decoder(_Vod)
_list = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Recording:
    """A file whose format is known."""

    path: Path
    format: str
    """Key of FORMATS."""
    livestream: str | None = None
    """Whose it is; None: ``recording:<file name>``, or for our own events whoever they name."""

    @property
    def name(self) -> str:
        return FORMATS[self.format]

    def entries(self, pseudonym: Callable[[str, str], str]) -> Iterator[Entry]:
        """Everything in the file, in the order of the recording as far as the format allows."""
        maker = Maker(self._platform(), self.livestream or f"recording:{self.path.stem}", pseudonym)
        last = Entry(0.0, maker.unknown("start", 0.0, EPOCH, "start"))
        for found in self._read(maker):
            if isinstance(found, Unreadable):
                yield Entry(last.offset, maker.unknown(None, last.offset, last.event.at, f"unreadable {found.reason}"))
            else:
                last = found
                yield found

    def _platform(self) -> str:
        if self.format == "items":
            return downloader.platform_of([_loose(raw) for raw in _raws(self.path, _list.decode)[:50]])
        if self.format == "item lines":
            return downloader.platform_of([_loose(line) for line in islice(_lines(self.path), 50)])
        return {"vod": "twitch", "rechat": "twitch", "events": "recording"}.get(self.format, self.format)

    def _read(self, maker: Maker) -> Iterator[Entry | Unreadable]:
        match self.format:
            case "bilibili":
                yield from self._danmaku(maker)
            case "vod":
                yield from self._comments(_raws(self.path, lambda data: _vod.decode(data).comments), maker)
            case "rechat":
                comments = _raws(self.path, _list.decode)
                about_video = bool(comments) and "message" not in (_loose(comments[0]) or {})
                yield from self._comments(comments[about_video:], maker)
            case "youtube":
                yield from _each(_lines(self.path), youtube.Chat(maker).parse_line)
            case "items":
                yield from _each(_raws(self.path, _list.decode), downloader.Chat(maker).parse_item)
            case "item lines":
                yield from _each(_lines(self.path), downloader.Chat(maker).parse_item)
            case _:
                yield from self._events()

    def _danmaku(self, maker: Maker) -> Iterator[Entry | Unreadable]:
        try:
            yield from bilibili.parse_document(self.path.read_bytes(), maker)
        except Unreadable as error:
            raise NotARecording(f"{self.path} begins like Bilibili danmaku but is no well-formed XML; save it again") from error

    def _comments(self, comments: list[msgspec.Raw], maker: Maker) -> Iterator[Entry | Unreadable]:
        """In the order of the video: files hold a few comments out of order."""
        found = list(_each(comments, lambda comment: twitch.parse_comment(comment, maker)))
        yield from sorted((one for one in found if isinstance(one, Entry)), key=lambda entry: entry.offset)
        yield from (one for one in found if isinstance(one, Unreadable))

    def _events(self) -> Iterator[Entry | Unreadable]:
        began = None
        for line in _lines(self.path):
            try:
                event = from_json(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                yield Unreadable("not_an_event")
                continue
            began = began or event.at
            if self.livestream:
                event = msgspec.structs.replace(event, livestream=self.livestream)
            yield Entry(max(0.0, (event.at - began).total_seconds()), event)


def recording(path: Path, livestream: str | None = None) -> Recording:
    """Tell the format of a file from its content; raises NotARecording with a sentence, or OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = _format(head, path)
    if found is None:
        tried = ", ".join(FORMATS.values())
        raise NotARecording(f"{path} is not a recording that can be replayed; tried {tried}")
    return Recording(path, found, livestream)


def read(path: Path, pseudonym: Callable[[str, str], str], livestream: str | None = None) -> Iterator[Event]:
    """All events of a file, with its own times and ids."""
    return (entry.event for entry in recording(path, livestream).entries(pseudonym))


def count(path: Path) -> int:
    """How many messages a file holds."""
    return sum(isinstance(event, Message) for event in read(path, lambda _platform, author: author))


# --- telling the formats apart ----------------------------------------------------------------------------------------


def _format(head: bytes, path: Path) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return "bilibili" if b"<d p=" in text or b"<i>" in text or b"<i " in text else None
    value = _loose(text.split(b"\n", 1)[0])
    if isinstance(value, dict) and "comments" not in value:
        if "replayChatItemAction" in value:
            return "youtube"
        if {"kind", "id", "platform", "at"} <= value.keys():
            return "events"
        return "item lines" if _is_item(value) else None
    return _document_format(path) if text[:1] in (b"{", b"[") else None


def _document_format(path: Path) -> str | None:
    """Of a file that is one JSON value; only its first elements are decoded."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        return "vod" if data.lstrip().startswith(b"{") and _vod.decode(data) else _list_format(_list.decode(data))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _list_format(raws: list[msgspec.Raw]) -> str | None:
    some = [one for raw in raws[:2] if isinstance(one := _loose(raw), dict)]
    if any("content_offset_seconds" in one or "commenter" in one for one in some):
        return "rechat"
    return "items" if some and _is_item(some[0]) else None


def _is_item(value: dict[str, Any]) -> bool:
    return ("message_id" in value or "message_type" in value) and ("author" in value or "action_type" in value)


def _loose(data: bytes | msgspec.Raw) -> Any:
    """Decoded JSON, or None."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _raws(path: Path, decode: Callable[[bytes], list[msgspec.Raw]]) -> list[msgspec.Raw]:
    try:
        return decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotARecording(f"{path} is cut off or damaged; save it again") from error


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield text


def _each(raws: Any, parse: Callable[[Any], list[Entry]]) -> Iterator[Entry | Unreadable]:
    for raw in raws:
        try:
            yield from parse(_loose(raw))
        except Unreadable as error:
            yield error
