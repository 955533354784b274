"""What was really sent: the oracle of the end-to-end test. Append-only NDJSON, one line per logical event.

``Ledger.read`` gives the lines of a file or a folder; ``standing`` says which events must be counted after all retractions, by the slow
and obvious way. Topics are the monitor's judgement: a line carries the text (and, for information, what was planted).
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

TAKEN_BACK_MS = 600_000
"""A timeout or ban takes back what its target wrote in the ten minutes before."""
COUNTED = ("comment", "post", "gift", "share", "reaction")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One logical event."""

    id: str
    """As the connector must make it: ``twitch:<id>``, ``twitch:<id>:bits``, ``bluesky:at://…``, ``youtube:<id>``; of likes, which are told as a
    sum and not one by one, without the time at the end."""
    kind: str
    """``comment``, ``post``, ``gift``, ``share``, ``reaction``; ``removed`` (a retraction); ``copy`` and ``notice`` never count."""
    livestream: str | None
    country: str | None
    platform: str
    at: int
    """Unix milliseconds, the platform's time."""
    seq: int
    """1, 2, 3 … per livestream, in the order of sending."""
    delivered: bool
    """Whether somebody was there: Twitch, a client that had joined; Jetstream, anybody who ever asked for this author; YouTube, anybody who
    ever opened this chat (both replay)."""
    author: str | None = None
    text: str | None = None
    topics: tuple[str, ...] = ()
    """What was planted; for information only."""
    units: int = 1
    """How many actions it counts as."""
    amount: int = 0
    """Value of a gift, in ``currency``."""
    currency: str | None = None
    target: str | None = None
    """Of a retraction: the event id that is taken back."""
    target_author: str | None = None
    """Of a retraction: all of this author in this livestream in the ten minutes before."""


class Ledger:
    """Writes lines; they are buffered and reach the file at ``flush``, which the run loop calls each second."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"ledger-{name}.ndjson"
        self._file: IO[bytes] = self.path.open("ab")
        self._buffer = bytearray()
        self._encoder = msgspec.json.Encoder()
        self._seq: dict[str | None, int] = {}
        self.lines = 0

    def next(self, livestream: str | None) -> int:
        """The next sequence number of a livestream."""
        self._seq[livestream] = number = self._seq.get(livestream, 0) + 1
        return number

    def write(self, line: Line) -> None:
        self._buffer += self._encoder.encode(line)
        self._buffer += b"\n"
        self.lines += 1

    def flush(self) -> None:
        """Hand everything to the operating system: a reader sees it then."""
        if self._buffer:
            self._file.write(self._buffer)
            self._file.flush()
            self._buffer.clear()

    def close(self) -> None:
        self.flush()
        self._file.close()

    @staticmethod
    def read(path: Path) -> Iterator[Line]:
        """The lines of a ledger file, or of all ledger files in a folder; a half-written last line is left out."""
        decoder = msgspec.json.Decoder(Line)
        for file in sorted(path.glob("ledger-*.ndjson")) if path.is_dir() else [path]:
            with file.open("rb") as lines:
                yield from (decoder.decode(line) for line in lines if line.endswith(b"\n"))


def standing(lines: Iterable[Line], *, delivered_only: bool = True) -> dict[str, Line]:
    """The events that must be counted, by id, when every retraction that was delivered has been obeyed."""
    alive: dict[str, Line] = {}
    by_author: dict[tuple[str | None, str | None], list[Line]] = {}
    for line in lines:
        if delivered_only and not line.delivered:
            continue
        if line.kind in COUNTED:
            alive[line.id] = line
            by_author.setdefault((line.livestream, line.author), []).append(line)
        elif line.target is not None:
            alive.pop(line.target, None)
        elif line.target_author is not None:
            for earlier in by_author.get((line.livestream, line.target_author), ()):
                if earlier.kind in ("comment", "post") and line.at - TAKEN_BACK_MS <= earlier.at <= line.at:
                    alive.pop(earlier.id, None)
    return alive
