"""Whether each channel of the roster is there, and the right one: what the platforms answered, as one word per row and what to do. Pure.

``questions_for`` says what would be asked and what it costs, before anything is spent; ``judge`` reads the answers. A platform that
cannot be asked is said to be so, never guessed. Who asks is roster_ask.py.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from monitor.handles import BadHandle, normalise
from monitor.links import channel_address
from monitor.roster import why_not
from monitor.roster_import import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connectors.discovery import Account, Discoverer, Question
    from connectors.lookup import History
    from monitor.roster import Channel, Problem, Roster

State = Literal[
    "ok", "not found", "private", "chat off", "unreachable platform", "duplicate", "renamed", "another account", "cannot be checked",
    "not readable", "never live",
]  # fmt: skip
UNASKED: Final = frozenset(("cannot be checked", "unreachable platform", "not readable"))
"""What is said of a row without anybody having been asked about it."""
WRONG: Final = frozenset(("not found", "private", "chat off", "duplicate", "renamed", "another account", "not readable"))
"""Somebody must do something about these; "never live" is only worth a look."""
COLUMNS: Final = ("state", "attendee", "name", "country", "platform", "handle", "what to do", "read", "look", "native_id")
MOST_GUESSES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row of the roster and what was found."""

    channel: Channel | None
    """None for a line that could not be read at all."""
    state: State
    what: str = ""
    """What is so, and what to do; empty when all is well."""
    native_id: str | None = None
    """Found now, for the roster's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What asking one platform takes."""

    platform: str
    title: str
    channels: int
    requests: int
    units: int
    per_day: int | None

    def __str__(self) -> str:
        rows, requests = _count(self.channels, "row"), _count(self.requests, "request")
        if self.per_day is None:
            return f"{self.title}: {rows}, {requests}; costs nothing."
        return f"{self.title}: {rows}, {self.units} of the {self.per_day} units of the day, {requests}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one platform said: by handle, and by native id for rows that have one."""

    by_handle: Mapping[str, Account] = field(default_factory=dict)
    by_id: Mapping[str, Account] = field(default_factory=dict)
    guesses: Mapping[str, Account] = field(default_factory=dict)
    """Handles like those that were not found."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """What was asked → why nobody told."""
    never: Mapping[str, str] = field(default_factory=dict)
    """Native ids that show no broadcast of before → what was looked at."""


def questions_for(channels: Iterable[Channel], discoverer: Discoverer) -> list[Question]:
    """All rows of one platform: those with an id by id, which finds out a new name, the others by handle."""
    ids = list(dict.fromkeys(channel.native_id for channel in channels if channel.native_id))
    handles = list(dict.fromkeys(channel.handle for channel in channels if not channel.native_id))
    return [*(discoverer.recheck(ids) if ids else []), *(discoverer.resolve(handles) if handles else [])]


def cost_of(channels: Sequence[Channel], discoverer: Discoverer) -> Cost:
    asked = questions_for(channels, discoverer)
    units = sum(question.cost for question in asked)
    return Cost(
        platform=discoverer.name, title=discoverer.title, channels=len(channels), requests=len(asked), units=units,
        per_day=discoverer.units_per_day,
    )  # fmt: skip


def ever_live_cost(asked: Mapping[str, tuple[int, Discoverer, History]], *, wanted: bool) -> list[str]:
    """Platform → (rows, who is asked, how): what it costs to ask who was ever live, or would cost."""
    lines = []
    for rows, discoverer, history in asked.values():
        units = history.units(rows)
        price = f"{units} units of the day" if discoverer.units_per_day is not None else f"{_count(units, 'request')}, no units"
        lines.append(f"{discoverer.title}: whether they ever were live costs {price} more.")
    return [*lines, *([] if wanted or not lines else ["That is not asked now; --ever-live asks it."])]


def guesses(channel: Channel, others: Iterable[str]) -> list[str]:
    """How the handle may have been meant: with the marks that platforms treat differently, or as the attendee is called elsewhere."""
    handle = channel.handle
    bare = re.sub(r"[._-]", "", handle)
    forms = [re.sub(r"[.-]", "_", handle), bare, re.sub(r"_", "", handle), *others, handle.removesuffix("_"), f"{handle}_"]
    found: dict[str, None] = {}
    for form in forms:
        try:
            found[normalise(channel.platform, form)] = None
        except BadHandle:
            continue
    found.pop(handle, None)
    return list(found)[:MOST_GUESSES]


def judge(
    roster: Roster, answers: Mapping[str, Answers], silent: Mapping[str, str], known: Callable[[str], str]
) -> list[Verdict]:
    """One verdict a row. ``silent``: platform → why it was not asked; ``known``: livestream → why discovery cannot reach it, if it said so."""
    verdicts = [_found(channel, answers, silent, known) for channel in roster.channels]
    verdicts = _doubles(verdicts)
    verdicts += [
        Verdict(
            channel=channel,
            state="unreachable platform",
            what=f"nothing here reads {channel.platform}; the attendee can say when live",
        )
        for channel in roster.unreachable
    ]
    lines = [problem for problem in roster.problems if problem.skipped and not problem.expected.endswith("until then)")]
    return [*verdicts, *(Verdict(channel=None, state=_of_line(problem), what=str(problem)) for problem in lines)]


def _of_line(problem: Problem) -> State:
    return "duplicate" if "already on line" in problem.expected else "not readable"


def _found(channel: Channel, answers: Mapping[str, Answers], silent: Mapping[str, str], known: Callable[[str], str]) -> Verdict:
    said = answers.get(channel.platform)
    if said is None:
        return Verdict(
            channel=channel, state="cannot be checked", what=silent.get(channel.platform, "nothing here can ask about it")
        )
    account = said.by_id.get(channel.native_id) if channel.native_id else said.by_handle.get(channel.handle)
    if account is None:
        why = said.silent.get(channel.native_id or channel.handle) or silent.get(channel.platform, "the platform did not answer")
        return Verdict(channel=channel, state="cannot be checked", what=why)
    if account.native_id is None:
        return _missing(channel, said)
    if account.handle and account.handle.casefold() != channel.handle.casefold():
        return Verdict(
            channel=channel,
            state="renamed",
            what=f'is called "{account.handle}" by now; correct the handle',
            native_id=account.native_id,
        )
    if reason := known(channel.id):
        state: State = "chat off" if "chat" in reason else "private" if re.search("private|age|member", reason) else "ok"
        if state != "ok":
            return Verdict(channel=channel, state=state, what=reason, native_id=account.native_id)
    if never := said.never.get(account.native_id):
        what = f"the account is there, but {never}; ask whether it is the right one, and whether it may go live"
        return Verdict(channel=channel, state="never live", what=what, native_id=account.native_id)
    return Verdict(channel=channel, state="ok", what=account.title, native_id=account.native_id)


def _missing(channel: Channel, said: Answers) -> Verdict:
    if channel.native_id:
        return Verdict(
            channel=channel, state="not found", what=f"the account {channel.native_id} is gone; ask for the channel of now"
        )
    there = [account for account in said.guesses.values() if account.native_id]
    near = difflib.get_close_matches(channel.handle, [account.handle for account in there], n=1, cutoff=0.6)
    if near:
        title = next(account.title for account in there if account.handle == near[0])
        return Verdict(channel=channel, state="not found", what=f'did you mean "{near[0]}" ({title})? Ask, do not guess')
    return Verdict(channel=channel, state="not found", what="there is no such account; ask for the address of the channel")


def _doubles(verdicts: list[Verdict]) -> list[Verdict]:
    """Two rows that are one account: the first stays, the other says whose it is."""
    owners: dict[tuple[str, str], Channel] = {}
    result = []
    for verdict in verdicts:
        channel, native_id = verdict.channel, verdict.native_id
        if channel is not None and native_id is not None:
            owner = owners.setdefault((channel.platform, native_id), channel)
            if owner is not channel:
                what = f"the same account as {owner.id} of {owner.attendee}; keep one of the two"
                result.append(Verdict(channel=channel, state="duplicate", what=what, native_id=native_id))
                continue
        result.append(verdict)
    return result


# --- what is told -----------------------------------------------------------------------------------------------------


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """How many of each, worst first, and the rows that somebody must look at."""
    counts = Counter(verdict.state for verdict in verdicts)
    lines = [f"{count:>6}  {state}" for state, count in sorted(counts.items(), key=lambda pair: (pair[0] not in WRONG, -pair[1]))]
    for verdict in sorted((one for one in verdicts if one.state in {*WRONG, "never live"}), key=lambda one: one.state):
        name = f"{verdict.channel.attendee} {verdict.channel.id}: " if verdict.channel else ""
        lines.append(f"{verdict.state:<20}  {name}{verdict.what}")
    return lines


def how_far(verdicts: Sequence[Verdict], troubled: Iterable[str]) -> tuple[str, int]:
    """(what is to be said of how much was checked, the exit code); 2: nothing was, 1: somebody must do something, 0: all is well.

    ``troubled``: platforms that broke off; they have said nothing of the rest of their rows.
    """
    troubled = sorted(troubled)
    if not any(verdict.state not in UNASKED for verdict in verdicts):
        return (
            "Nothing was checked: no platform could be asked about any row. What is above says why; nothing is known of the accounts.",
            2,
        )
    if troubled:
        return f"Not everything was checked: {', '.join(troubled)} did not answer to the end. Run it again later.", 1
    return "", int(any(verdict.state in WRONG for verdict in verdicts))


def by_liaison(verdicts: Iterable[Verdict], *, require_consent: bool) -> dict[str, str]:
    """File name → CSV for each liaison, what needs somebody first; rows without a liaison have a file of their own."""
    rows: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        rows.setdefault((verdict.channel.liaison if verdict.channel else None) or "", []).append(verdict)
    files = {}
    for liaison, some in rows.items():
        some.sort(key=lambda one: (one.state not in WRONG, one.state, one.channel.attendee if one.channel else ""))
        name = re.sub(r"[^\w@.-]+", "-", liaison).strip(".-")[:60] or "no-liaison"
        while f"{name}.csv" in files:
            name += "_"
        files[f"{name}.csv"] = csv_text(COLUMNS, (_row(verdict, require_consent=require_consent) for verdict in some))
    return files


def _row(verdict: Verdict, *, require_consent: bool) -> dict[str, str]:
    channel = verdict.channel
    if channel is None:
        return {"state": verdict.state, "what to do": verdict.what}
    return {
        "state": verdict.state, "attendee": channel.attendee, "name": channel.name, "country": channel.country or "",
        "platform": channel.platform, "handle": channel.handle, "what to do": verdict.what if verdict.state != "ok" else "",
        "read": why_not(channel, require_consent) or "yes",
        "look": channel_address(channel.platform, channel.handle, channel.native_id) or "", "native_id": verdict.native_id or "",
    }  # fmt: skip


def with_ids(rows: Sequence[Mapping[str, str]], verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    """The rows of the file, with the ids that were found where there was none."""
    ids = {
        (verdict.channel.platform, verdict.channel.handle): verdict.native_id
        for verdict in verdicts
        if verdict.channel is not None
        and verdict.state in ("ok", "never live")
        and verdict.native_id
        and not verdict.channel.native_id
        and verdict.native_id != verdict.channel.handle  # where the name is the id, the roster has it already
    }
    result = []
    for row in rows:
        platform = row.get("platform", "").strip().casefold()
        try:
            found = ids.get((platform, normalise(platform, row.get("handle", ""))))
        except BadHandle:
            found = None
        result.append({**row, "native_id": found} if found and not row.get("native_id", "").strip() else dict(row))
    return result


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
