"""``monitor roster …``: the list of people comes in, is checked, goes out, and each liaison gets a page.

Writes atomically and keeps a backup of what was there; a running monitor notices the new file by itself. What is decided is decided in
roster_import.py and its neighbours; here are the files, the questions and the words.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tomllib
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor import signup
from monitor.config import ConfigError
from monitor.countries import find_country, nearest_country
from monitor.engine import find_url
from monitor.memory import RedisMemory
from monitor.redis_client import make_client
from monitor.roster import Roster, decode, read_roster
from monitor.roster_columns import Columns, from_map, guess, letter
from monitor.roster_import import HEADER, Updated, csv_text, read_rows, rejects_text, update
from monitor.roster_lines import entries_of
from monitor.roster_table import read_table
from monitor.settings import SAMPLE_ROSTER
from monitor.setup import author_key
from monitor.signup_store import SignupStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from connectors.discovery import Account
    from connectors.lookup import History
    from monitor.asking import Asking
    from monitor.roster import Channel
    from monitor.roster_check import Answers, Verdict
    from monitor.roster_lines import Entry, Reject
    from monitor.roster_table import Table
    from monitor.settings import Settings

FIRST_REJECTS: Final = 10
FIRST_CHANGES: Final = 20
FEW: Final = 5
FOLDER: Final = "roster-check"


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
    table = read_table(_read(args.file), args.file.name, sheet=args.sheet or told.get("sheet"))
    columns = from_map(told, table) if args.map else guess(table)
    _require_channels(table, columns, args.file.name)
    entries, rejects = entries_of(table, columns, person=person_hash(settings), now=now)
    before = _current(target)
    header, rows = read_rows(before or "")
    result = update(header, rows, entries, vouched=args.verified, wide=columns.wide)
    rejects = [*rejects, *result.rejects]
    _say(describe(table, columns, args.file.name))
    _say(_outcome(result, entries, rejects))
    if (result.new or result.changed) and not _is_agreed(args, f"Write this to {target}?"):
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
    meaning |= {at: f"{meaning[at]}, as column {letter(kind)} says" for at, kind in columns.named_by.items()}
    meaning |= {at: f"({why}, not used)" for at, why in columns.left.items()}
    data = [row for row in table.rows if columns.header is None or row.line > columns.header]
    width = max((len(row.cells) for row in table.rows), default=0)
    lines = [f"{name}: {table.how}, {len(data)} lines"
             + (f", the header is line {columns.header}." if columns.header is not None else ", no header."), ""]  # fmt: skip
    for at in range(width):
        title = columns.names[at] if at < len(columns.names) else ""
        example = next((row.cells[at] for row in data if at < len(row.cells) and row.cells[at]), "")
        lines.append(f"  {letter(at):>2}  {_short(title, 28):<28}  {meaning.get(at, '(not used)'):<36}  {_short(example, 40)}")
    lines += [f"      {'for every line':<28}  {name:<36}  {_short(text, 40)}" for name, text in columns.constants.items()]
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
        f"  line {one.line}{'' if one.whole else ' (the rest is used)'}: {_short(one.reason, 100)}; {_short(one.suggestion, 100)}"
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
        _say(describe(table, columns, name))
        names = ", ".join(word for word in columns.names if word) or "no header"
        raise ConfigError(
            f"{name} has no column that looks like channels ({names}); say which it is with --map, see docs/roster.md"
        )
    if table.rows[-1].line == columns.header:
        raise ConfigError(f"{name} has a header and no line below it; export the list again")


def _is_agreed(args: Any, question: str) -> bool:
    if args.yes or getattr(args, "map", None):
        return True
    if not sys.stdin.isatty():
        raise ConfigError("nothing was done, because nobody could be asked; add --yes if what stands above is right")
    sys.stdout.write(f"{question} [y/N] ")
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


# --- check ------------------------------------------------------------------------------------------------------------


async def check(settings: Settings) -> int:
    """Ask the platforms about every row, after saying what it costs; exit code 1 when somebody must do something."""
    from connectors import rest  # noqa: PLC0415 — import, export and liaison ask nobody
    from connectors.connector import ProcessMemory, Tools, make_pseudonym  # noqa: PLC0415
    from monitor import roster_check  # noqa: PLC0415
    from monitor.roster_ask import askers, fetcher  # noqa: PLC0415
    from monitor.roster_check import ever_live_cost  # noqa: PLC0415

    async with _redis(settings) as redis:
        table, reasons = await _table(settings, redis)
        channels: dict[str, list[Channel]] = {}
        for channel in table.channels:
            channels.setdefault(channel.platform, []).append(channel)
        # The units of a day are one purse with the running monitor's.
        memory = RedisMemory(redis) if redis else ProcessMemory()
        tools = Tools(pseudonym=make_pseudonym(b"roster check"), memory=memory)
        async with rest.client() as session:
            asking, silent = askers(
                settings.config, [] if _is_invented(settings) else channels, fetcher(session, strangers=True), tools
            )
            costs = [roster_check.cost_of(channels[name], asking[name].discoverer) for name in asking]
            for line in [*costs, *(f"{name}: {_count(len(channels[name]), 'row')}, {why}." for name, why in silent.items())]:
                _say(str(line))
            if not costs:
                _say("No platform is asked.")
            asked_before = {name: found for name in asking if (found := _history(settings, name)) is not None}
            for line in ever_live_cost(
                {name: (len(channels[name]), asking[name].discoverer, found) for name, found in asked_before.items()},
                wanted=settings.args.ever_live,
            ):
                _say(line)
            if any(cost.per_day is not None for cost in costs) and not _is_agreed(settings.args, "Ask now, and spend that?"):
                _say("Nobody was asked.")
                return 2
            answers = {
                name: await _answers(
                    asking[name], channels[name], table, silent, asked_before.get(name) if settings.args.ever_live else None
                )
                for name in asking
            }
    verdicts = roster_check.judge(table, answers, silent, lambda livestream: reasons.get(livestream, ""))
    for line in roster_check.summary(verdicts):
        _say(line)
    folder = Path(settings.args.out or FOLDER)
    for name, text in roster_check.by_liaison(verdicts, require_consent=settings.config.require_consent).items():
        write_whole(folder / name, text, mode=0o600)
    _say(f"Each liaison's rows are in {folder}, what needs somebody first.")
    _write_ids(settings, verdicts)
    return int(any(verdict.state in roster_check.WRONG for verdict in verdicts))


def _history(settings: Settings, name: str) -> History | None:
    """Who can say whether an account of this platform was live before."""
    import connectors  # noqa: PLC0415

    if name not in connectors.HISTORIES:
        return None
    return connectors.history_of(name)(connectors.class_of(name).options(**settings.config.platform(name).options))


async def _answers(
    asking: Asking, channels: list[Channel], table: Roster, silent: dict[str, str], history: History | None
) -> Answers:
    from monitor.roster_ask import accounts, lived  # noqa: PLC0415
    from monitor.roster_check import Answers, guesses, questions_for  # noqa: PLC0415

    heard = await accounts(asking, questions_for(channels, asking.discoverer))
    found = heard.accounts
    if heard.trouble:
        silent[asking.discoverer.name] = f"not asked to the end: {heard.trouble}"
        _say(f"{asking.discoverer.title}: {heard.trouble}.")
    called: dict[str, set[str]] = {}
    for channel in (*table.channels, *table.unreachable):
        called.setdefault(channel.attendee, set()).add(channel.handle)
    missing = [one for one in channels if not one.native_id and (got := found.get(one.handle)) is not None and not got.native_id]
    maybe = list(dict.fromkeys(form for one in missing for form in guesses(one, sorted(called[one.attendee]))))
    near: dict[str, Account] = {}
    # Only where many handles are one question: a guess must not cost what a row costs.
    if maybe and not heard.trouble and len(asking.discoverer.resolve(["aa_1", "aa_2"])) == 1:
        near = (await accounts(asking, asking.discoverer.resolve(maybe))).accounts
    never: dict[str, str] = {}
    if history is not None and not heard.trouble:
        there = dict.fromkeys(account.native_id for account in found.values() if account.native_id)
        was, trouble = await lived(asking, there, history)
        never = {native_id: history.none for native_id, seen in was.items() if not seen}
        if trouble:
            _say(f"{asking.discoverer.title}: whether all were live before was not asked to the end: {trouble}.")
    ids = {channel.native_id for channel in channels if channel.native_id}
    return Answers(
        by_handle={name: one for name, one in found.items() if name not in ids},
        by_id={name: one for name, one in found.items() if name in ids},
        guesses=near,
        silent=heard.apart,
        never=never,
    )


def _write_ids(settings: Settings, verdicts: list[Verdict]) -> None:
    """The platforms' own ids into the roster's file: with them a renamed account is followed, and a stranger's is not."""
    from monitor.roster_check import with_ids  # noqa: PLC0415

    path = settings.config.roster_file
    if path is None or _is_invented(settings):
        return
    header, rows = read_rows(_current(path) or "")
    after = with_ids(rows, verdicts)
    new = sum(one != other for one, other in zip(rows, after, strict=True))
    if new:
        replace_file(path, csv_text(header, after), datetime.now(UTC))
        _say(f"{_count(new, 'account id')} written to {path}.")


def _is_invented(settings: Settings) -> bool:
    """The people of the shipped sample do not exist; the real platforms must not be asked about them."""
    path = settings.config.roster_file
    return path is not None and path.name == SAMPLE_ROSTER


# --- export, liaisons' and personal links -----------------------------------------------------------------------------


async def export(settings: Settings) -> int:
    """The whole table, file and sign-ups together, as a roster."""
    async with _redis(settings) as redis:
        table, _ = await _table(settings, redis)
    text = csv_text(HEADER, (signup.as_row(channel) for channel in (*table.channels, *table.unreachable)))
    if settings.args.out:
        write_whole(Path(settings.args.out), text, mode=0o600)
        _say(f"{len(table.channels) + len(table.unreachable)} rows written to {settings.args.out}.")
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
    async with _redis(settings) as redis:
        store = _store(settings, redis)
        if args.revoke:
            number = await store.revoke(lambda one: one.country == code and (not args.name or one.name == args.name))
            _say(f"{_count(number, 'link')} closed.")
            return 0
        token = signup.new_token(secrets.token_bytes(32))
        await store.add_liaison(signup.token_hash(token) or "", signup.Liaison(code, args.name or ""))
    _say(f"{url}/liaison/{token}")
    _say("This is shown once. Send it to one person; --revoke closes it.")
    return 0


async def link(settings: Settings) -> int:
    """A new personal link for somebody who lost it; the one before opens nothing any more."""
    url = _public(settings)
    wanted = settings.args.attendee.casefold()
    async with _redis(settings) as redis:
        store = _store(settings, redis)
        people = [one for one in (await store.all()).people if wanted in (one.attendee.casefold(), one.id)]
        if len(people) != 1:
            ids = ", ".join(f"{one.id} ({one.shown})" for one in people)
            raise ConfigError(
                f"nobody signed up as {settings.args.attendee}" if not people else f"several signed up like that, name one: {ids}"
            )
        token = signup.new_token(secrets.token_bytes(32))
        await store.new_link(people[0].id, signup.token_hash(token) or "")
    _say(f"{url}/me/{token}")
    _say("This is shown once. Give it to the attendee in person, not into a chat that others read.")
    return 0


async def _table(settings: Settings, redis: Any) -> tuple[Roster, dict[str, str]]:
    """(file and sign-ups together, livestream → why discovery cannot reach it)."""
    path = settings.config.roster_file
    table = read_roster(path) if path else Roster()
    if redis is None:
        return table, {}
    from monitor.channel_store import ChannelStore  # noqa: PLC0415 — only with a running monitor

    rows = await ChannelStore(redis).rows()
    reasons = {name: row.reason for name, row in rows.items() if row.state == "unreachable"}
    return signup.merged(table, await SignupStore(redis).all()), reasons


@asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[Any]:
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


def _store(settings: Settings, redis: Any) -> SignupStore:
    if redis is None:
        raise ConfigError(f"no monitor runs on {settings.data_dir}; start it first, or name its folder with --data-dir")
    return SignupStore(redis)


def _public(settings: Settings) -> str:
    if not (settings.config.sign_up and settings.config.public.url):
        raise ConfigError("there are no such pages yet: set sign_up = true in [roster] and url in [public]")
    return settings.config.public.url.rstrip("/")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


ACTIONS: Final = {"import": bring_in, "check": check, "export": export, "liaison": liaison, "link": link}
