"""``monitor roster …``: the list of people comes in, is checked, goes out, and each liaison gets a page.

Writes atomically and keeps a backup of what was there; a running monitor notices the new file by itself. What is decided is decided in
roster_import.py and its neighbours; here are the files, the questions and the words.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor import signup
from monitor.config import ConfigError
from monitor.countries import find_country, nearest_country
from monitor.roster_columns import Columns, from_map, guess, letter
from monitor.roster_import import HEADER, Updated, csv_text, read_rows, rejects_text, update
from monitor.roster_lines import entries_of
from monitor.roster_table import read_table
from monitor.roster_tools import (
    counted,
    current,
    is_agreed,
    read_bytes,
    read_map,
    redis_of,
    replace_file,
    say,
    short,
    table_of,
    write_whole,
)
from monitor.settings import SAMPLE_ROSTER
from monitor.setup import author_key
from monitor.signup_store import SignupStore
from monitor.signup_table import as_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.roster_lines import Entry, Reject
    from monitor.roster_table import Table
    from monitor.settings import Settings

FIRST_REJECTS: Final = 10
FIRST_CHANGES: Final = 20
FEW: Final = 5


async def run(settings: Settings) -> int:
    """The action that was typed after ``monitor roster``."""
    _give_back_signals()
    return await ACTIONS[settings.args.action](settings)


# --- import -----------------------------------------------------------------------------------------------------------


async def bring_in(settings: Settings) -> int:
    """Rows of a list into roster.csv; exit code 1 when some lines were not used."""
    args, now = settings.args, datetime.now(UTC)
    target = roster_path(settings)
    told = read_map(args.map) if args.map else {}
    table = read_table(read_bytes(args.file), args.file.name, sheet=args.sheet or told.get("sheet"))
    columns = from_map(told, table) if args.map else guess(table)
    _require_channels(table, columns, args.file.name)
    entries, rejects = entries_of(table, columns, person=person_hash(settings), now=now)
    before = current(target)
    header, rows = read_rows(before or "")
    result = update(header, rows, entries, vouched=args.verified, wide=columns.wide)
    rejects = [*rejects, *result.rejects]
    say(describe(table, columns, args.file.name))
    say(_outcome(result, entries, rejects))
    if (result.new or result.changed) and not is_agreed(args, f"Write this to {target}?"):
        say("Nothing was written.")
        return 2
    _write_rejects(target, rejects)
    if result.new or result.changed:
        backup = replace_file(target, csv_text(result.header, result.rows), now)
        say(f"{target} written" + (f"; what was there before is in {backup.name}." if backup else "."))
    say(_next_step(result, settings, target))
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
    meaning |= {at: f"{meaning[at]}, as column {letter(kind)} says" for at, kind in columns.named_by.items()}
    meaning |= {at: f"({why}, not used)" for at, why in columns.left.items()}
    data = [row for row in table.rows if columns.header is None or row.line > columns.header]
    width = max((len(row.cells) for row in table.rows), default=0)
    lines = [f"{name}: {table.how}, {len(data)} lines"
             + (f", the header is line {columns.header}." if columns.header is not None else ", no header."), ""]  # fmt: skip
    for at in range(width):
        title = columns.names[at] if at < len(columns.names) else ""
        example = next((row.cells[at] for row in data if at < len(row.cells) and row.cells[at]), "")
        lines.append(f"  {letter(at):>2}  {short(title, 28):<28}  {meaning.get(at, '(not used)'):<36}  {short(example, 40)}")
    lines += [f"      {'for every line':<28}  {name:<36}  {short(text, 40)}" for name, text in columns.constants.items()]
    lines += ["", *table.notes] if table.notes else []
    if "consent" not in meaning.values() and "consent" not in columns.constants:
        lines += ["", "No column says who agrees that the chat is read."]
    return "\n".join([*lines, ""])


def _outcome(result: Updated, entries: list[Entry], rejects: list[Reject]) -> str:
    people = len({entry.attendee for entry in entries})
    lines = [
        f"{people} {'person' if people == 1 else 'people'} with {_channels(len(entries))}: {result.new} new, {result.changed} changed, {result.same} as before."
    ]
    if result.repeated:
        lines.append(f"{_channels(result.repeated)} stood in the list more than once; the later line counts.")
    lines += _some([f"  {change}" for change in result.changes], FIRST_CHANGES)
    if result.absent:
        number = len(result.absent)
        lines.append(
            f"{'1 row' if number == 1 else f'{number} rows'} of the roster {'is' if number == 1 else 'are'} not in this list and "
            f"{'stays' if number == 1 else 'stay'}: {_few(result.absent)}. Whoever does not take part any more: write no under consent."
        )
    if result.lost_consent:
        lines.append(
            f"{_channels(result.lost_consent)} had consent for another account, and must be asked again for the new one."
        )
    told = [
        f"  line {one.line}{'' if one.whole else ' (the rest is used)'}: {short(one.reason, 100)}; {short(one.suggestion, 100)}"
        for one in sorted(rejects, key=lambda one: one.line)
    ]
    return "\n".join(lines + _some(told, FIRST_REJECTS))


def _some(lines: list[str], most: int) -> list[str]:
    return lines[:most] + ([f"  … and {len(lines) - most} more."] if len(lines) > most else [])


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _next_step(result: Updated, settings: Settings, target: Path) -> str:
    lines = []
    if settings.config.require_consent:
        waiting = sum(1 for row in result.rows if row.get("consent", "") not in {"", "no"} and row.get("verified", "") != "yes")
        if waiting:
            lines.append(
                f"{_channels(waiting)} {'has' if waiting == 1 else 'have'} consent, but nobody has confirmed yet that the account is the "
                f"attendee's, so {'it is' if waiting == 1 else 'they are'} not read: the liaison's page does it, sign-up does it, and "
                "--verified does it for the whole list."
            )
        silent = sum(1 for row in result.rows if row.get("consent", "") in {"", "no"})
        if silent:
            lines.append(f"{_channels(silent)} {'has no consent and is' if silent == 1 else 'have no consent and are'} not read.")
    if settings.config.roster_file is None or settings.config.roster_file.resolve() != target.resolve():
        lines.append(f'The configuration does not name this roster yet: write [roster] file = "{target}" there.')
    lines.append("Next: monitor roster check")
    return "\n".join(lines)


def _channels(number: int) -> str:
    return f"{number} channel" if number == 1 else f"{number} channels"


def _require_channels(table: Table, columns: Columns, name: str) -> None:
    """Raises ConfigError where there is nothing to bring in, after showing what is there."""
    if not table.rows:
        why = (
            "no line of it can be read as a line of a table; ask for the list as .xlsx"
            if table.broken
            else "export the list again"
        )
        raise ConfigError(f"{name} is empty; {why}" if not table.broken else f"{name} is no list: {why}")
    if not columns.platforms:
        say(describe(table, columns, name))
        names = ", ".join(word for word in columns.names if word) or "no header"
        raise ConfigError(
            f"{name} has no column that looks like channels ({names}); say which it is with --map, see docs/roster.md"
        )
    if table.rows[-1].line == columns.header:
        raise ConfigError(f"{name} has a header and no line below it; export the list again")


def _write_rejects(target: Path, rejects: list[Reject]) -> None:
    path = target.with_name(f"{target.stem}.rejected.csv")
    if rejects:
        write_whole(path, rejects_text(rejects), mode=0o600)
        say(f"What was not used is in {path}, with the reason and what to ask for.")
    else:
        path.unlink(missing_ok=True)  # of an import before; it would only mislead


def _give_back_signals() -> None:
    """A question waits in a plain read, where the loop's handlers would never run: Ctrl-C must end it at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)


# --- export, liaisons' and personal links -----------------------------------------------------------------------------


async def export(settings: Settings) -> int:
    """The whole table, file and sign-ups together, as a roster."""
    async with redis_of(settings) as redis:
        table, _ = await table_of(settings, redis)
    text = csv_text(HEADER, (as_row(channel) for channel in (*table.channels, *table.unreachable)))
    if settings.args.out:
        write_whole(Path(settings.args.out), text, mode=0o600)
        say(f"{len(table.channels) + len(table.unreachable)} rows written to {settings.args.out}.")
    else:
        sys.stdout.write(text)
    return 0


async def liaison(settings: Settings) -> int:
    """A link for whoever looks after a country's people; shown once."""
    args, words = settings.args, settings.args.country
    code = "*" if words.casefold() in {"all", "*"} else find_country(words)
    if code is None:
        near = nearest_country(words)
        raise ConfigError(
            f'"{words}" is no country that we know'
            + (f'; did you mean "{near}"?' if near else "; write a code such as BR, or all")
        )
    url = _public(settings)
    async with redis_of(settings) as redis:
        store = _store(settings, redis)
        if args.revoke:
            number = await store.revoke(lambda one: one.country == code and (not args.name or one.name == args.name))
            say(f"{counted(number, 'link')} closed.")
            return 0
        token = signup.new_token(secrets.token_bytes(32))
        await store.add_liaison(signup.token_hash(token) or "", signup.Liaison(code, args.name or ""))
    say(f"{url}/liaison/{token}")
    say("This is shown once. Send it to one person; --revoke closes it.")
    return 0


async def link(settings: Settings) -> int:
    """A new personal link for somebody who lost it; the one before opens nothing any more."""
    url = _public(settings)
    wanted = settings.args.attendee.casefold()
    async with redis_of(settings) as redis:
        store = _store(settings, redis)
        people = [one for one in (await store.all()).people if wanted in (one.attendee.casefold(), one.id)]
        if len(people) != 1:
            ids = ", ".join(f"{one.id} ({one.shown})" for one in people)
            raise ConfigError(
                f"nobody signed up as {settings.args.attendee}" if not people else f"several signed up like that, name one: {ids}"
            )
        token = signup.new_token(secrets.token_bytes(32))
        await store.new_link(people[0].id, signup.token_hash(token) or "")
    say(f"{url}/me/{token}")
    say("This is shown once. Give it to the attendee in person, not into a chat that others read.")
    return 0


def _store(settings: Settings, redis: Any) -> SignupStore:
    if redis is None:
        raise ConfigError(f"no monitor runs on {settings.data_dir}; start it first, or name its folder with --data-dir")
    return SignupStore(redis)


def _public(settings: Settings) -> str:
    if not (settings.config.sign_up and settings.config.public.url):
        raise ConfigError("there are no such pages yet: set sign_up = true in [roster] and url in [public]")
    return settings.config.public.url.rstrip("/")


async def check(settings: Settings) -> int:
    """Ask the platforms about every row; loaded only then, because the others ask nobody."""
    from monitor.roster_check_command import check as ask  # noqa: PLC0415

    return await ask(settings)


ACTIONS: Final = {"import": bring_in, "check": check, "export": export, "liaison": liaison, "link": link}
