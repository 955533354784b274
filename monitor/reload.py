"""Configuration and roster while the monitor runs: an edited file takes effect within seconds, a broken one changes nothing.

``Reloader.poll()`` is called about once a second and answers with the new ``Setup`` when there is one. A file counts as changed when its
content has, and only once it has kept still for one poll, so that a half-written roster never throws livestreams out.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor import config_file
from monitor.config import Config, ConfigError
from monitor.roster import Roster, read_roster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from monitor.signup import Signups

RACY_SECONDS = 2.0
"""A file written so shortly ago may change again without a new time or size (coarse clocks of file systems)."""

LOUDEST = 20
"""Most roster problems that are logged one by one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: tuple[int, int, int] | None
    """(inode, mtime in ns, size); None while the file is not there."""
    digest: bytes | None
    settled: bool
    """False: read again at the next poll, even when the stamp stays."""


class FileWatcher:
    """Tells which of some files have new content; ``now`` is the clock of the file system (Unix seconds)."""

    def __init__(self, paths: Iterable[Path], now: Callable[[], float]) -> None:
        self._now = now
        self._reported: dict[Path, bytes | None] = {}
        self._seen: dict[Path, _Seen] = {}
        self.watch(paths)

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch these files instead; one that was watched already keeps what is known of it."""
        wanted = set(paths)
        for path in wanted - set(self._seen):
            self._seen[path] = self._look(path)
            self._reported[path] = self._seen[path].digest
        for path in set(self._seen) - wanted:
            del self._seen[path], self._reported[path]

    def changed(self) -> set[Path]:
        """The files whose content is new since it was last told, and was the same at the last call."""
        found: set[Path] = set()
        for path, before in self._seen.items():
            seen = before if before.settled and _stamp(path) == before.stamp else self._look(path)
            self._seen[path] = seen
            if seen.digest == before.digest and seen.digest != self._reported[path]:
                self._reported[path] = seen.digest
                found.add(path)
        return found

    def _look(self, path: Path) -> _Seen:
        stamp = _stamp(path)
        try:
            digest = hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            return _Seen(stamp=stamp, digest=None, settled=False)
        settled = stamp is not None and self._now() - stamp[1] / 1e9 > RACY_SECONDS
        return _Seen(stamp=stamp, digest=digest, settled=settled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What can change while the roles run."""

    config: Config
    roster: Roster


class Reloader:
    """Reads configuration and roster at the start (ConfigError is the caller's to show) and again when a file changes."""

    def __init__(
        self,
        path: Path | None,
        now: Callable[[], float],
        *,
        adapt: Callable[[Config], Config] = lambda config: config,
        adapt_roster: Callable[[Roster, Config], Roster] = lambda roster, _: roster,
        environment: Mapping[str, str] | None = None,
        tells: bool = True,
        speaks: bool = True,
        signups: Callable[[], Signups] | None = None,
    ) -> None:
        self._path = path or config_file.default_path()
        self._adapt = adapt
        """What the command line puts on top, each time again."""
        self._adapt_roster = adapt_roster
        """What the simulator makes of the roster."""
        self._signups = signups
        """What people said on the sign-up page; it never blocks for long, and the same object means that nothing changed."""
        self._merged: Signups | None = None
        self._environment = environment
        self._tells = tells
        """See config_file.read."""
        self._speaks = speaks
        """False: another process of this run says the same."""
        # Watched before it is read: what is written in between is noticed as a change.
        self._watcher = FileWatcher([self._path], now)
        self.setup = self._load()
        self._started = self.setup.config
        self._complaint = ""

    def poll(self) -> Setup | None:
        """The new setup, or None when nothing changed or what changed is broken (said once, the old ones stay)."""
        if not self._watcher.changed() and (self._signups is None or self._signups() is self._merged):
            return None
        try:
            new = self._load()
        except ConfigError as error:
            if str(error) != self._complaint and self._speaks:
                log.error("%s; the previous settings stay in force", error)  # noqa: TRY400  (a person's mistake has no traceback)
            self._complaint = str(error)
            return None
        mended, self._complaint = bool(self._complaint), ""
        if new == self.setup:
            if mended and self._speaks:
                log.info("configuration and roster are in order again, and as before")
            return None
        self.setup = new
        if self._speaks:
            self._say(new)
        return new

    def _say(self, new: Setup) -> None:
        late = needs_restart(self._started, new.config)
        if late:
            log.warning("%s changed, which takes effect at the next start of the monitor", ", ".join(late))
        if new.config.partitions != self._started.partitions:
            log.warning(
                "[redis] partitions is fixed at the first start: with this number the next start is refused, so put it back"
            )
        log.info("configuration and roster read again: %d livestreams", len(new.roster.channels))
        log_problems(new.roster)

    def _load(self) -> Setup:
        config = self._adapt(config_file.read(self._path, environment=self._environment, tells=self._tells))
        files = [self._path] + ([config.roster_file] if config.roster_file else [])
        self._watcher.watch(files)
        roster = read_roster(config.roster_file) if config.roster_file else Roster()
        if self._signups is not None:
            from monitor.signup_table import merged  # noqa: PLC0415 — only with sign-up

            self._merged = self._signups()
            roster = merged(roster, self._merged)
        return Setup(config=config, roster=self._adapt_roster(roster, config))


def needs_restart(started: Config, new: Config) -> tuple[str, ...]:
    """What is in the file now and takes effect only at the next start."""
    fixed = {
        "redis_url": "[redis] url",
        "host": "[server] host",
        "port": "[server] port",
        "data_dir": "[server] data_dir",
        "simulator": "[simulator]",
    }
    return tuple(words for name, words in fixed.items() if getattr(started, name) != getattr(new, name))


def log_problems(roster: Roster) -> None:
    """Name the first problems, count the others."""
    for problem in roster.problems[:LOUDEST]:
        log.warning("%s", problem)
    if len(roster.problems) > LOUDEST:
        log.warning("… and %d more lines of the roster like these; mend them and save the file", len(roster.problems) - LOUDEST)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
