"""Where a role gets configuration and roster from, and notices that they changed: the files, or what ``--watch`` named."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING

from monitor.reload import Setup

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.settings import Settings


class Source:
    """``setup`` is what is in force; ``poll`` about once a second returns a new one when a file changed."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        self._reloader = settings.reloader(time.time)
        self.setup = self._reloader.setup if self._reloader else Setup(config=settings.config, roster=settings.roster())

    def poll(self) -> Setup | None:
        new = self._reloader.poll() if self._reloader else None
        if new is not None:
            self.setup = new
        return new


def author_key(data_dir: Path) -> bytes:
    """The event's key for pseudonyms: made once, readable by the owner only, destroyed to forget everybody."""
    path = data_dir / "author.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        data_dir.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(fresh, path)  # fails when another process was first; then its key is the key
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
