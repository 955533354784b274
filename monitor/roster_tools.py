"""What the actions of ``monitor roster`` share: files that are never half written, questions, and the table of everybody.

A running monitor notices a new file by itself; what was there before is kept beside it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from monitor.config import ConfigError
from monitor.engine import find_url
from monitor.redis_client import make_client
from monitor.roster import Roster, decode, read_roster
from monitor.settings import SAMPLE_ROSTER
from monitor.signup_store import SignupStore
from monitor.signup_table import merged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from monitor.settings import Settings

# --- files ------------------------------------------------------------------------------------------------------------


def replace_file(path: Path, text: str, now: datetime) -> Path | None:
    """Write it in one step; returns where the old content is kept."""
    backup = None
    if path.exists():
        backup = path.with_name(f"{path.name}.{now:%Y%m%dT%H%M%S}.bak")
        write_whole(backup, path.read_bytes(), mode=path.stat().st_mode & 0o777)
    write_whole(path, text, mode=path.stat().st_mode & 0o777 if backup else 0o644)
    return backup


def write_whole(path: Path, content: str | bytes, *, mode: int) -> None:
    """A reader sees the old file or the new one, never a part; a power cut changes nothing about that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error


def current(path: Path) -> str | None:
    return decode(read_bytes(path)) if path.exists() else None


def read_map(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; see docs/roster.md for an example") from error


def short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


# --- questions and words ----------------------------------------------------------------------------------------------


def is_agreed(args: Any, question: str) -> bool:
    if args.yes or getattr(args, "map", None):
        return True
    if not sys.stdin.isatty():
        raise ConfigError("nothing was done, because nobody could be asked; add --yes if what stands above is right")
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes", "是", "s", "sí", "sim", "o", "oui", "д", "да", "ya", "نعم"}


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


# --- everybody --------------------------------------------------------------------------------------------------------


async def table_of(settings: Settings, redis: Any) -> tuple[Roster, dict[str, str]]:
    """(file and sign-ups together, livestream → why discovery cannot reach it)."""
    path = settings.config.roster_file
    table = read_roster(path) if path else Roster()
    if redis is None:
        return table, {}
    from monitor.channel_store import ChannelStore  # noqa: PLC0415 — only with a running monitor

    rows = await ChannelStore(redis).rows()
    reasons = {name: row.reason for name, row in rows.items() if row.state == "unreachable"}
    return merged(table, await SignupStore(redis).all()), reasons


@asynccontextmanager
async def redis_of(settings: Settings) -> AsyncIterator[Any]:
    """The running monitor's Redis; None where none runs."""
    url = settings.redis_url or find_url(settings.data_dir)
    if not url:
        yield None
        return
    client = make_client(url, connections=2)
    try:
        yield client
    finally:
        await client.aclose()


def is_invented(settings: Settings) -> bool:
    """The people of the shipped sample do not exist; the real platforms must not be asked about them."""
    path = settings.config.roster_file
    return path is not None and path.name == SAMPLE_ROSTER
