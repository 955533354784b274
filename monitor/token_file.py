"""Where tokens lie: ``tokens.json`` in the data folder, for its owner only. It holds hashes, so a copy of it opens nothing.

A file and not Redis: who may come in must be known while Redis is away, and before it was ever started. Several servers share it by a
common folder or by copies; a rehearsal uses that of the folder it lies in.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from typing import TYPE_CHECKING, Final

import msgspec

from monitor import access
from monitor.access import Token

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

FILE: Final = "tokens.json"
REHEARSAL_MARK: Final = "rehearsal.json"
"""Stands in the data folder of a rehearsal, see ``monitor.rehearsal``."""

log = logging.getLogger("monitor.access")
_tokens = msgspec.json.Decoder(tuple[Token, ...])


class Taken(ValueError):
    """A token that cannot be added; the text is a sentence."""


class TokenFile:
    """``newest()`` as often as you like; ``add`` and ``remove`` from the command line."""

    def __init__(self, data_dir: Path) -> None:
        home = data_dir.parent if (data_dir / REHEARSAL_MARK).exists() else data_dir
        self.path = home / FILE
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] | None = ()
        self._complained = False

    def newest(self) -> tuple[Token, ...] | None:
        """All tokens, read again when the file changed; None when it is there and cannot be read."""
        try:
            status = self.path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._tokens = self._read()
                self._seen, self._complained = seen, False
        except FileNotFoundError:
            self._tokens, self._seen = (), None
        except (OSError, msgspec.DecodeError) as error:
            self._tokens, self._seen = None, None
            if not self._complained:
                log.error("%s cannot be read (%s): nobody is let in until it can", self.path, type(error).__name__)  # noqa: TRY400 — a sentence is enough
            self._complained = True
        return self._tokens

    def add(self, token: Token) -> None:
        """Raises Taken with a sentence."""
        with self._changing() as tokens:
            if says := access.problem(tokens, token):
                raise Taken(says)
            self._write((*tokens, token))

    def remove(self, which: str) -> list[Token]:
        """Those with this id, or all of this name; they are closed within seconds."""
        with self._changing() as tokens:
            gone = [token for token in tokens if which in (token.id, token.name)]
            if gone:
                self._write([token for token in tokens if token not in gone])
        return gone

    def _read(self) -> tuple[Token, ...]:
        return _tokens.decode(self.path.read_bytes())

    @contextlib.contextmanager
    def _changing(self) -> Generator[Sequence[Token], None, None]:
        """The tokens of now, while nobody else changes them."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._read() if self.path.exists() else ()
        finally:
            os.close(descriptor)

    def _write(self, tokens: Sequence[Token]) -> None:
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(tuple(tokens))) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
