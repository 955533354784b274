"""A rehearsal has its own book: a folder of its own below the data folder, with its own Valkey, thrown away by one command.

Promises: ``monitor run --rehearsal`` never writes where the real numbers are, whatever Redis the configuration names (a Cluster has one
database, and a prefix would be one mistake away from the real keys); ``monitor rehearsal drop`` removes that folder and nothing else,
and not while anything runs in it. A folder is a rehearsal's if it carries the mark, which only ``prepare`` writes, and only into a new one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from monitor.config import ConfigError
from monitor.engine import hold
from monitor.token_file import REHEARSAL_MARK

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from monitor.settings import Settings

NAME: Final = "rehearsal"
LOCKS: Final = ("run.lock", "valkey/owner.lock", "valkey/server.lock")
"""Whoever runs in the folder holds one of them, and the kernel lets go of it however they end."""


def folder_of(data_dir: Path) -> Path:
    """Where the rehearsal of this data folder lies."""
    return data_dir / NAME


def is_rehearsal(data_dir: Path) -> bool:
    """Whether this folder is a rehearsal's."""
    return (data_dir / REHEARSAL_MARK).is_file()


def prepare(data_dir: Path) -> Path:
    """The rehearsal's folder, made and marked; raises ConfigError where something else lies there."""
    folder = folder_of(data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if is_rehearsal(folder):
            return folder
        if folder.is_symlink() or any(folder.iterdir()):
            raise ConfigError(f"{folder} is there and is no rehearsal's; move it away, or choose another --data-dir")
        (folder / REHEARSAL_MARK).write_text(json.dumps({"since": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}) + "\n")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made ({error.strerror}); choose another folder with --data-dir") from error
    return folder


def run(settings: Settings) -> int:
    """``monitor rehearsal drop``."""
    data_dir = settings.data_dir
    if is_rehearsal(data_dir) and data_dir.name == NAME:  # somebody named the rehearsal's folder itself
        data_dir = data_dir.parent
    folder = folder_of(data_dir)
    if not folder.exists():
        sys.stderr.write(f"There is no rehearsal on {data_dir}.\n")
        return 0
    check(data_dir)
    if not settings.args.yes and not _agreed(folder):
        sys.stderr.write("Nothing was thrown away.\n")
        return 1
    drop(data_dir)
    sys.stderr.write(f"The rehearsal in {folder} is gone; the numbers of the event in {data_dir} were not touched.\n")
    return 0


def check(data_dir: Path) -> None:
    """Raises ConfigError with a sentence when there is no rehearsal here that may be dropped."""
    folder = folder_of(data_dir)
    if folder.is_symlink() or not folder.is_dir() or not is_rehearsal(folder):
        raise ConfigError(f"{folder} is no rehearsal's, so it is not touched")
    with _locked(folder):
        pass


def drop(data_dir: Path) -> None:
    """Remove the rehearsal's folder; raises ConfigError when it is none or in use."""
    check(data_dir)
    folder = folder_of(data_dir)
    with _locked(folder):
        # The mark goes last: what is cut short can be dropped again.
        for path in sorted(folder.iterdir(), key=lambda path: path.name == REHEARSAL_MARK):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        folder.rmdir()


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None, None, None]:
    """While nobody runs in it, and nobody can begin to."""
    with contextlib.ExitStack() as held:
        for name in LOCKS:
            lock = hold(folder / name)
            if lock is None:
                raise ConfigError(f"the rehearsal in {folder} is still running; stop it first")
            held.enter_context(lock)
        yield


def _agreed(folder: Path) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(f"this throws away all of {folder}; type --yes if you mean it")
    sys.stderr.write(f"Throw away everything in {folder}? The real numbers stay. Type yes: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"
