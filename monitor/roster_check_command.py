"""``monitor roster check``: asks the platforms about every row, after saying what it costs, and tells each liaison.

What is asked and what an answer means is decided in roster_check.py; who sends the questions is roster_ask.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import connectors
from connectors import rest
from connectors.connector import ProcessMemory, Tools, make_pseudonym
from monitor import roster_check
from monitor.memory import RedisMemory
from monitor.roster_ask import accounts, askers, fetcher, lived
from monitor.roster_check import Answers, ever_live_cost, guesses, questions_for, with_ids
from monitor.roster_import import csv_text, read_rows
from monitor.roster_tools import counted, current, is_agreed, is_invented, redis_of, replace_file, say, table_of, write_whole

if TYPE_CHECKING:
    from connectors.discovery import Account
    from connectors.lookup import History
    from monitor.asking import Asking
    from monitor.roster import Channel, Roster
    from monitor.roster_check import Verdict
    from monitor.settings import Settings

FOLDER: Final = "roster-check"


async def check(settings: Settings) -> int:
    """Ask the platforms about every row, after saying what it costs; exit code 1 when somebody must do something, 2 when nothing was checked."""
    async with redis_of(settings) as redis:
        table, reasons = await table_of(settings, redis)
        channels: dict[str, list[Channel]] = {}
        for channel in table.channels:
            channels.setdefault(channel.platform, []).append(channel)
        # The units of a day are one purse with the running monitor's.
        memory = RedisMemory(redis) if redis else ProcessMemory()
        tools = Tools(pseudonym=make_pseudonym(b"roster check"), memory=memory)
        async with rest.client() as session:
            asking, silent = askers(
                settings.config, [] if is_invented(settings) else channels, fetcher(session, strangers=True), tools
            )
            costs = [roster_check.cost_of(channels[name], asking[name].discoverer) for name in asking]
            for line in [*costs, *(f"{name}: {counted(len(channels[name]), 'row')}, {why}." for name, why in silent.items())]:
                say(str(line))
            if not costs:
                say("No platform is asked.")
            asked_before = {name: found for name in asking if (found := _history(settings, name)) is not None}
            for line in ever_live_cost(
                {name: (len(channels[name]), asking[name].discoverer, found) for name, found in asked_before.items()},
                wanted=settings.args.ever_live,
            ):
                say(line)
            if any(cost.per_day is not None for cost in costs) and not is_agreed(settings.args, "Ask now, and spend that?"):
                say("Nobody was asked.")
                return 2
            asked = dict(silent)
            answers = {
                name: await _answers(
                    asking[name], channels[name], table, silent, asked_before.get(name) if settings.args.ever_live else None
                )
                for name in asking
            }
    verdicts = roster_check.judge(table, answers, silent, lambda livestream: reasons.get(livestream, ""))
    for line in roster_check.summary(verdicts):
        say(line)
    folder = Path(settings.args.out or FOLDER)
    for name, text in roster_check.by_liaison(verdicts, require_consent=settings.config.require_consent).items():
        write_whole(folder / name, text, mode=0o600)
    say(f"Each liaison's rows are in {folder}, what needs somebody first.")
    _write_ids(settings, verdicts)
    said, code = roster_check.how_far(verdicts, silent.keys() - asked.keys())
    if said:
        say(said)
    return code


def _history(settings: Settings, name: str) -> History | None:
    """Who can say whether an account of this platform was live before."""
    if name not in connectors.HISTORIES:
        return None
    return connectors.history_of(name)(connectors.class_of(name).options(**settings.config.platform(name).options))


async def _answers(
    asking: Asking, channels: list[Channel], table: Roster, silent: dict[str, str], history: History | None
) -> Answers:

    heard = await accounts(asking, questions_for(channels, asking.discoverer))
    found = heard.accounts
    if heard.trouble:
        silent[asking.discoverer.name] = f"not asked to the end: {heard.trouble}"
        say(f"{asking.discoverer.title}: {heard.trouble}.")
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
            say(f"{asking.discoverer.title}: whether all were live before was not asked to the end: {trouble}.")
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
    path = settings.config.roster_file
    if path is None or is_invented(settings):
        return
    header, rows = read_rows(current(path) or "")
    after = with_ids(rows, verdicts)
    new = sum(one != other for one, other in zip(rows, after, strict=True))
    if new:
        replace_file(path, csv_text(header, after), datetime.now(UTC))
        say(f"{counted(new, 'account id')} written to {path}.")
