"""Since when this process holds something in memory, on disk: names and times, never what was said.

What a sender was told is taken (2xx) may wait in memory until discovery knows whether a broadcast has begun (gate.py). A process that is
killed meanwhile loses it; the next one under the same name finds here of whom and since when, and records a Gap.
"""

from __future__ import annotations

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
    """One process's file; it is replaced as a whole, so a reader finds one state or the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._noted: Mapping[str, datetime] = {}

    def left(self) -> dict[str, datetime]:
        """Livestream → since when something of it was held, as the process before us noted it."""
        try:
            return _decode(self.path.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def note(self, held: Mapping[str, datetime], *, and_before: bool = False) -> None:
        """Write down what is held now, if the file says otherwise; raises OSError when the disk does not take it.

        ``and_before``: what was noted stays noted, because what was let go may not be on disk yet.
        """
        noted = self._noted
        if and_before:
            held = {**held, **{name: since for name, since in noted.items() if name not in held or since < held[name]}}
        if noted.keys() == held.keys() and all(noted[name] <= since <= noted[name] + OLD for name, since in held.items()):
            return
        part = self.path.with_suffix(".part")
        part.write_bytes(_encode(held))
        part.replace(self.path)
        self._noted = dict(held)
