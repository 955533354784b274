"""Where the simulator listens, as its file says: read again when it changes, and believed while it cannot be read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from monitor.simulated import addresses_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Simulated:
    """Where the simulator listens, as options of the connectors: as the file says, or said last while it cannot be read.

    Before it said anything they lead nowhere: never to a real platform, which knows nothing of invented people.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int, int] | None = None
        """Which file it was."""
        self._addresses: Mapping[str, Any] = addresses_of({})

    def __call__(self) -> Mapping[str, Any]:
        with suppress(OSError, ValueError):
            about = self._path.stat()
            this = about.st_mtime_ns, about.st_ino, about.st_size
            if this != self._read:
                told = orjson.loads(self._path.read_bytes())
                if isinstance(told, dict):
                    self._addresses, self._read = addresses_of(told), this
        return self._addresses
