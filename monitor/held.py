"""Since when this process holds something in memory, on disk: names and times, never what was said.

What a sender was told is taken (2xx) may wait in memory until discovery knows whether a broadcast has begun (gate.py). A process that is
killed meanwhile loses it; the next one under the same name finds here of whom and since when, and records a Gap.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OLD: Final = timedelta(seconds=30)
"""So much longer than true a Gap may be: a chat that goes on and on is not noted anew with each message."""

_decode = msgspec.json.Decoder(dict[str, datetime]).decode
_encode = msgspec.json.Encoder().encode


class HeldFile:
    """One process's file: one state of everything, and behind it a line for each livestream of which something was held since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._noted: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}

    def left(self) -> dict[str, datetime]:
        """Livestream → since when something of it was held, as the file says: at the start, what the process before us noted."""
        found: dict[str, datetime] = {}
        with suppress(FileNotFoundError):
            for line in self.path.read_bytes().splitlines():
                with suppress(msgspec.DecodeError):  # the last words of a killed process; nobody was told that they are kept
                    found.update((name, min(since, found.get(name, since))) for name, since in _decode(line).items())
        self._noted = dict(found)
        return found

    def add(self, held: Mapping[str, datetime]) -> None:
        """Write down that something of these is held as well; raises OSError when the disk does not take it, and tries again the next time.

        What was noted stays noted, because what was let go may not be on disk yet. The work follows what is new, not what is held.
        """
        self._unwritten.update(
            (name, since) for name, since in held.items() if name not in self._noted or since < self._noted[name]
        )
        if self._unwritten:
            with self.path.open("ab") as file:
                file.write(_encode(self._unwritten) + b"\n")
            self._noted |= self._unwritten
            self._unwritten = {}

    def note(self, held: Mapping[str, datetime]) -> None:
        """Write down what is held now and nothing else, if the file says otherwise; raises OSError when the disk does not take it."""
        noted = self._noted
        if noted.keys() == held.keys() and all(noted[name] <= since <= noted[name] + OLD for name, since in held.items()):
            return
        part = self.path.with_suffix(".part")
        part.write_bytes(_encode(held) + b"\n")
        part.replace(self.path)
        self._noted, self._unwritten = dict(held), {}
