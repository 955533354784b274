"""The spool: events on this machine's disk from before they are acknowledged until they are safe in Redis.

Promise: what ``append`` returned for survives a kill of this process, and is sent again by whoever claims the file next. A row is one
batch of one partition. An acknowledged row is kept a while longer, because Redis may still forget what it acknowledged.

One SQLite file per producer, claimed by flock; the file of a dead producer is claimed by the next one on the machine.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

log = logging.getLogger("monitor.spool")

Pair = tuple[bytes, bytes]
"""(digest of the event id, event JSON)."""

KEEP_SECONDS = 30.0
"""R: rows acknowledged less than this before the last proof of the tail are sent again when Redis lost it."""
KEEP_ROWS = 64
"""… and so many newest rows of each partition, so that a quiet partition is covered for longer."""
MOST_KEEP_SECONDS = 300.0
"""… but none for longer than this: a row that is sent again must still be among the seen ids, which are kept for 30 minutes."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode


class SpoolTaken(Exception):
    """Another living producer holds this file."""


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    partition: int
    pairs: list[Pair]
    acknowledged: float | None = None
    """Unix time at which a former owner of the file heard that the journal has it."""
    queued: float = 0.0
    """Unix time at which this process took it; 0: a former one did."""


def encode_pairs(pairs: Sequence[Pair]) -> bytes:
    return _encode(pairs)


class Spool:
    """One producer's file. Synchronous; the caller runs it in one writer thread."""

    def __init__(self, path: Path) -> None:
        """Claims the file; raises SpoolTaken when a living process has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SpoolTaken(f"{path.name} belongs to a living process") from error
        try:
            self._database = _open(path)
        except sqlite3.OperationalError:
            self._lock.close()
            raise
        except sqlite3.DatabaseError:
            # Somebody wrote over it. It is kept for a person to look at, and must not keep the collector from starting.
            path.replace(path.with_suffix(".damaged"))
            log.exception(
                "%s cannot be read: it is kept as %s, and a new one is begun", path.name, path.with_suffix(".damaged").name
            )
            _remove(path)
            self._database = _open(path)

    def close(self) -> None:
        self._database.close()
        self._lock.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")  # a full disk may refuse this too
        except BaseException:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def rows(self) -> list[Row]:
        """Every row, by number: what goes again after the file was claimed, because acknowledgements may not be true any more."""
        rows = self._database.execute("SELECT number, partition, body, acknowledged FROM rows ORDER BY number")
        return [Row(number, partition, _decode(body), acknowledged) for number, partition, body, acknowledged in rows]

    def remove(self) -> None:
        """Close and delete a file whose rows are all in another."""
        self._database.close()
        _remove(self.path)
        self._lock.close()

    def append(self, batches: Sequence[tuple[int, bytes]], acknowledged: Iterable[tuple[float, int]] = ()) -> list[int]:
        """Write (partition, encoded pairs) rows; returns their numbers. Acknowledgements of earlier rows ride along."""
        numbers: list[int] = []
        with self._transaction() as database:
            for partition, body in batches:
                cursor = database.execute("INSERT INTO rows (partition, body) VALUES (?, ?)", (partition, body))
                numbers.append(int(cursor.lastrowid or 0))
            database.executemany("UPDATE rows SET acknowledged = ? WHERE number = ?", acknowledged)
        return numbers

    def drop(self, numbers: Iterable[int]) -> None:
        """Take out rows that must not be sent again."""
        with self._transaction() as database:
            database.executemany("DELETE FROM rows WHERE number = ?", [(number,) for number in numbers])

    def is_empty(self) -> bool:
        return self._database.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is None

    def kept(self, partition: int, *, after: int, up_to: int, limit: int) -> list[Row]:
        """Rows of a partition, acknowledged or not, by number: what is sent again after a lost tail."""
        rows = self._database.execute(
            "SELECT number, partition, body FROM rows WHERE partition = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?",
            (partition, after, up_to, limit),
        )
        return [Row(number, partition, _decode(body)) for number, partition, body in rows]

    def forget(self, proven: Mapping[int, tuple[int, float]]) -> int:
        """Drop what is safe; returns how many rows. For each partition: up to which row, and when its tail was last seen in the journal.

        Time passes by proofs, not by the clock: after an outage Redis may have lost what it acknowledged long ago.
        """
        dropped = 0
        with self._transaction() as database:
            for partition, (up_to, at) in proven.items():
                newest = database.execute(
                    "SELECT number FROM rows WHERE partition = ? ORDER BY number DESC LIMIT 1 OFFSET ?", (partition, KEEP_ROWS)
                ).fetchone()
                dropped += database.execute(
                    "DELETE FROM rows WHERE partition = ? AND number <= ? AND ((number <= ? AND acknowledged < ?) OR acknowledged < ?)",
                    (partition, up_to, newest[0] if newest else 0, at - KEEP_SECONDS, at - MOST_KEEP_SECONDS),
                ).rowcount
        return dropped


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        # NORMAL survives every kill of the process; only a power failure can take the last commits.
        database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS rows (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                partition INTEGER NOT NULL,
                acknowledged REAL,
                body BLOB NOT NULL
            );
            CREATE INDEX IF NOT EXISTS by_partition ON rows (partition, number);
            """
        )
    except sqlite3.Error:
        database.close()
        raise
    return database


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def claim(folder: Path, name: str) -> Spool:
    """The first unclaimed spool ``name-0``, ``name-1`` …: a dead process's file, with what it had not delivered, or a new one."""
    for number in range(1000):
        with suppress(SpoolTaken):
            return Spool(folder / f"{name}-{number}.spool")
    raise SpoolTaken(f"1,000 spools named {name} are in use in {folder}")


def orphans(folder: Path, mine: Path) -> list[Spool]:
    """Every other unclaimed spool of the machine that still has rows to deliver; claimed, the caller drains and closes them."""
    found = []
    for path in sorted(folder.glob("*.spool")):
        if path == mine:
            continue
        with suppress(SpoolTaken):
            spool = Spool(path)
            if spool.is_empty():
                spool.close()
            else:
                found.append(spool)
    return found
