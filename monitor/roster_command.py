"""``monitor roster …``: the list of people comes in, is checked, goes out, and each liaison gets a page.

Writes atomically and keeps a backup of what was there; a running monitor notices the new file by itself. What is decided is decided in
roster_import.py and its neighbours; here are the files, the questions and the words.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor import signup
from monitor.config import ConfigError
from monitor.roster_columns import Columns, from_map, guess, letter
from monitor.roster_import import Updated, csv_text, entries_of, read_rows, rejects_text, update
from monitor.roster_table import read_table
from monitor.settings import SAMPLE_ROSTER
from monitor.setup import author_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.roster_import import Entry, Reject
    from monitor.roster_table import Table
    from monitor.settings import Settings

FIRST_REJECTS: Final = 10


async def run(settings: Settings) -> int:
    """The action that was typed after ``monitor roster``."""
    _give_back_signals()
    return await ACTIONS[settings.args.action](settings)


# --- import -----------------------------------------------------------------------------------------------------------


async def bring_in(settings: Settings) -> int:
    """Rows of a list into roster.csv; exit code 1 when some lines were not used."""
    args, now = settings.args, datetime.now(UTC)
    target = roster_path(settings)
    told = _map(args.map) if args.map else {}
    table = read_table(_read(args.file), args.file.name, sheet=told.get("sheet"))
    columns = from_map(told, table) if args.map else guess(table)
    _require_channels(columns, args.file.name)
    entries, rejects = entries_of(table, columns, person=person_hash(settings), now=now)
    before = _current(target)
    header, rows = read_rows(before or "")
    result = update(header, rows, entries, vouched=args.verified, wide=columns.wide)
    rejects = [*rejects, *result.rejects]
    _say(describe(table, columns, args.file.name))
    _say(_outcome(result, entries, rejects))
    if (result.new or result.changed) and not _is_agreed(args, target):
        _say("Nothing was written.")
        return 2
    _write_rejects(target, rejects)
    if result.new or result.changed:
        backup = replace_file(target, csv_text(result.header, result.rows), now)
        _say(f"{target} written" + (f"; what was there before is in {backup.name}." if backup else "."))
    _say(_next_step(result, settings, target))
    return 1 if rejects else 0


def roster_path(settings: Settings) -> Path:
    """Where the roster belongs; never over the invented people that come with the monitor."""
    if settings.args.out:
        return Path(settings.args.out)
    configured = settings.config.roster_file
    if configured is None or configured.name == SAMPLE_ROSTER:
        return Path("roster.csv")
    return configured


def person_hash(settings: Settings) -> Callable[[str], str]:
    """The keyed hash that joins a row with a sign-up; the key never leaves the data folder."""
    key = author_key(settings.data_dir)
    return lambda text: signup.person_hash(key, text)


def describe(table: Table, columns: Columns, name: str) -> str:
    """The guessed columns with an example each, so that a person sees a wrong guess."""
    meaning = {at: name for name, at in columns.fields.items()}
    meaning |= {at: f"channel on {platform}" if platform else "channel" for at, platform in columns.platforms.items()}
    meaning = {at: "e-mail (only a keyed hash is kept)" if word == "email" else word for at, word in meaning.items()}
    data = [row for row in table.rows if columns.header is None or row.line > columns.header]
    width = max((len(row.cells) for row in table.rows), default=0)
    lines = [f"{name}: {table.how}, {len(data)} lines"
             + (f", the header is line {columns.header}." if columns.header is not None else ", no header."), ""]  # fmt: skip
    for at in range(width):
        title = columns.names[at] if at < len(columns.names) else ""
        example = next((row.cells[at] for row in data if at < len(row.cells) and row.cells[at]), "")
        lines.append(f"  {letter(at):>2}  {_short(title, 28):<28}  {meaning.get(at, '(not used)'):<36}  {_short(example, 40)}")
    lines += [f"      {'for every line':<28}  {name:<36}  {_short(text, 40)}" for name, text in columns.constants.items()]
    return "\n".join([*lines, ""])


def _outcome(result: Updated, entries: list[Entry], rejects: list[Reject]) -> str:
    people = len({entry.attendee for entry in entries})
    lines = [
        f"{people} people with {len(entries)} channels: {result.new} new, {result.changed} changed, {result.same} as before."
    ]
    if result.absent:
        lines.append(f"{result.absent} rows of the roster are not in this list; they stay.")
    if result.lost_consent:
        lines.append(f"{result.lost_consent} rows had consent for another account, and need it again for the new one.")
    lines += [
        f"  line {one.line}{'' if one.whole else ' (the rest is used)'}: {_short(one.reason, 100)}; {_short(one.suggestion, 100)}"
        for one in rejects[:FIRST_REJECTS]
    ]
    if len(rejects) > FIRST_REJECTS:
        lines.append(f"  … and {len(rejects) - FIRST_REJECTS} more.")
    return "\n".join(lines)


def _next_step(result: Updated, settings: Settings, target: Path) -> str:
    lines = []
    if settings.config.require_consent:
        waiting = sum(1 for row in result.rows if row.get("consent", "") not in {"", "no"} and row.get("verified", "") != "yes")
        if waiting:
            lines.append(
                f"{waiting} channels have consent, but nobody has confirmed yet that the account is the attendee's, so they are not read: "
                "the liaison's page does it, sign-up does it, and --verified does it for the whole list."
            )
        silent = sum(1 for row in result.rows if row.get("consent", "") in {"", "no"})
        if silent:
            lines.append(f"{silent} channels have no consent and are not read.")
    if settings.config.roster_file is None or settings.config.roster_file.resolve() != target.resolve():
        lines.append(f'The configuration does not name this roster yet: write [roster] file = "{target}" there.')
    lines.append("Next: monitor roster check")
    return "\n".join(lines)


def _require_channels(columns: Columns, name: str) -> None:
    if not columns.platforms:
        names = ", ".join(word for word in columns.names if word) or "no header"
        raise ConfigError(
            f"{name} has no column that looks like channels ({names}); say which it is with --map, see docs/roster.md"
        )


def _is_agreed(args: Any, target: Path) -> bool:
    if args.yes or args.map:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(
            "nothing was written, because nobody could be asked; add --yes if the columns above are right, else --map"
        )
    sys.stdout.write(f"Write this to {target}? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes", "是", "s", "sí", "sim", "o", "oui", "д", "да", "ya", "نعم"}


def _write_rejects(target: Path, rejects: list[Reject]) -> None:
    path = target.with_name(f"{target.stem}.rejected.csv")
    if rejects:
        write_whole(path, rejects_text(rejects), mode=0o600)
        _say(f"What was not used is in {path}, with the reason and what to ask for.")
    else:
        path.unlink(missing_ok=True)  # of an import before; it would only mislead


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from error


def _current(path: Path) -> str | None:
    from monitor.roster import decode  # noqa: PLC0415

    return decode(_read(path)) if path.exists() else None


def _map(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; see docs/roster.md for an example") from error


def _short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _give_back_signals() -> None:
    """A question waits in a plain read, where the loop's handlers would never run: Ctrl-C must end it at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)


ACTIONS: Final = {"import": bring_in}
