"""A foreign list joined with the roster: rows become channels, known ones are updated, none is doubled, nothing is lost in silence. Pure.

``entries_of(table, columns, …)`` turns lines into entries and rejects; ``update(roster, entries, …)`` joins them with the rows of
roster.csv. A row is known by attendee and platform. When its handle changes, consent and the tick "verified" are kept only if the
platform's own id stays: they were given for an account, and another account may be a stranger's. See docs/roster.md.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from monitor.countries import find_country, nearest_country
from monitor.handles import BadHandle, normalise, tidy
from monitor.links import EMAIL, NOTHING, Found, NotFound, find_channels, platform_named
from monitor.roster import COLUMNS, MADE_COLUMNS, NO, YES, records
from monitor.roster_times import day_first, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from monitor.roster_columns import Columns
    from monitor.roster_table import Row, Table

HEADER: Final = (*COLUMNS, *MADE_COLUMNS)
AGREES: Final = frozenset(
    ("agree", "agreed", "i agree", "accept", "accepted", "i accept", "ok", "✓", "✔", "☑", "v", "同意", "已同意", "授权", "同意授权", "acepto", "de acuerdo",
     "aceito", "concordo", "согласен", "согласна", "согласен/согласна", "أوافق", "موافق", "j'accepte", "d'accord", "setuju", "ya", "yes please",
     "ja", "evet", "tak", "sì", "có", "đồng ý", "はい", "同意する", "ใช่", "ยินยอม", "네", "예", "동의", "так", "иә", "ha", "ano", "بله")
) | YES  # fmt: skip
DECLINES: Final = frozenset(("不同意", "no acepto", "não aceito", "não concordo", "не согласен", "не согласна", "لا أوافق", "je refuse", "tidak",
                             "tidak setuju", "i do not agree", "disagree", "decline", "declined", "-", "n/a", "nein", "hayır", "nie", "không",
                             "いいえ", "ไม่", "아니요", "아니오", "ні", "жоқ", "ne", "خیر")) | NO  # fmt: skip
BEGINS_NO: Final = re.compile(r"(no|not|non|não|nein|нет|не|لا|不|未|tidak|hayır|nie|không)(?!\w)|[不未]|i (do not|don.?t)")
BEGINS_YES: Final = re.compile(r"(yes|i agree|i accept|i consent|sí|sì|sim|oui|да|نعم|ja|ya|tak|evet)(?!\w)|同意|我同意|是")
"""Answers that are whole sentences; a no is looked for first."""
FORMULA: Final = {
    "reason": "a formula, and the file does not hold what it amounts to",
    "suggestion": "open the list in Excel or LibreOffice, save it there, and import that",
}
STANDS: Final = frozenset(("withdrawn", "paused"))
"""What an attendee said for good; a list from before does not take it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One channel of one line of the list."""

    line: int
    attendee: str
    platform: str
    handle: str
    native_id: str | None = None
    texts: dict[str, str] = field(default_factory=dict)
    """Other fields of the roster, as its file writes them; only those that the list says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A line, or a cell of it, that was not used."""

    line: int
    original: str
    reason: str
    suggestion: str
    whole: bool = True
    """False: the rest of the line was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What came of it; ``rows`` is the new roster."""

    header: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    new: int
    changed: int
    same: int
    absent: tuple[str, ...]
    """Rows that the list does not have, by attendee and channel; they stay."""
    repeated: int
    """Channels that the list names more than once; the later line counts."""
    changes: tuple[str, ...]
    """What changes, row by row, in words."""
    rejects: tuple[Reject, ...]
    lost_consent: int
    """Rows that had consent for another account."""


# --- lines to entries -------------------------------------------------------------------------------------------------


def entries_of(
    table: Table, columns: Columns, *, person: Callable[[str], str], now: datetime
) -> tuple[list[Entry], list[Reject]]:
    """``person`` makes the keyed hash of an e-mail or of whatever else names a person when there is no registration number."""
    entries: list[Entry] = []
    rejects = [
        Reject(
            line=row.line,
            original=" | ".join(row.cells),
            reason="a quote is opened and never closed",
            suggestion="save the list again, or mend the line",
        )
        for row in table.broken
    ]
    at = columns.fields.get("consent_at")
    written = [row.cells[at] for row in table.rows if at is not None and at < len(row.cells)]
    english = at is not None and at < len(columns.names) and "timestamp" in columns.names[at].casefold()
    first = day_first(written)
    for row in table.rows:
        if columns.header is not None and (row.line <= columns.header or _is_header_again(row, columns)):
            continue
        # Where the dates themselves do not tell, an English form's timestamp has the month first.
        some, bad = _of_row(row, columns, person, partial(_time, now=now, day_first=not english if first is None else first))
        entries += some
        rejects += bad
    return entries, rejects


def _is_header_again(row: Row, columns: Columns) -> bool:
    """Lists that were put together of several repeat the line of their columns."""
    return [tidy(cell) for cell in row.cells if cell] == [tidy(name) for name in columns.names if name]


def _of_row(
    row: Row, columns: Columns, person: Callable[[str], str], time_of: Callable[[str], tuple[str, bool]]
) -> tuple[list[Entry], list[Reject]]:
    original = " | ".join(row.cells)
    said = {name: tidy(row.cells[at]) for name, at in columns.fields.items() if at < len(row.cells)}
    cells = {name: text for name, text in columns.constants.items() if text} | {name: text for name, text in said.items() if text}
    rejects: list[Reject] = []

    def reject(reason: str, suggestion: str, *, whole: bool) -> None:
        rejects.append(Reject(line=row.line, original=original, reason=reason, suggestion=suggestion, whole=whole))

    email = cells.pop("email", "").casefold()
    if not email and EMAIL.fullmatch(cells.get("attendee", "")):
        email = cells.pop("attendee").casefold()
    if email:
        cells["person"] = person(email)
    texts = _texts(cells, "consent" in columns.fields or "consent" in columns.constants, time_of, reject)
    found, problems = _channels(row, columns, cells.get("platform", ""))
    for problem in problems:
        reject(f'"{problem.what}": {problem.reason}', problem.suggestion, whole=not found)
    if not found and not rejects:
        reject("the line names no channel", "ask for the address of at least one channel", whole=True)
    attendee = cells.get("attendee") or _made_up(email, cells, found, person)
    native_id = cells.get("native_id") if len(found) == 1 else None
    return [
        Entry(
            line=row.line,
            attendee=attendee,
            platform=one.platform,
            handle=one.handle,
            native_id=one.native_id or native_id,
            texts=texts,
        )
        for one in dict.fromkeys(found)
    ], rejects


def _channels(row: Row, columns: Columns, word: str) -> tuple[list[Found], list[NotFound]]:
    """What the columns of channels hold; ``word`` is what the line says of the platform."""
    found: list[Found] = []
    problems: list[NotFound] = []
    for at, platform in columns.platforms.items():
        cell = row.cells[at] if at < len(row.cells) else ""
        by = columns.named_by.get(at)
        its_word = word if by is None else tidy(row.cells[by]) if by < len(row.cells) else ""
        if cell.startswith("="):
            problems.append(NotFound(what=cell, code="other", **FORMULA))
            continue
        named = platform_named(its_word)
        some, bad = find_channels(cell, platform or named)
        if platform is None and its_word and not named and cell:
            some, bad = _unknown_platform(its_word, cell, some, bad)
        found += some
        problems += bad
    return found, problems


def _unknown_platform(
    word: str, cell: str, channels: list[Found], problems: list[NotFound]
) -> tuple[list[Found], list[NotFound]]:
    """A platform that we have no word for stays as it is written: the row is kept, and counts as unreachable."""
    if channels or not problems or any(platform_named(part) for part in re.split(r"[,;，、/&+\n]| and ", word)):
        return channels, problems  # "YouTube, Twitch" does not say which of them it is
    name = re.sub(r"[^\w.-]+", "", word.casefold())
    try:
        return [Found(platform=name, handle=normalise(name, cell))], []
    except BadHandle:
        return channels, problems


def _made_up(email: str, cells: dict[str, str], found: Sequence[object], person: Callable[[str], str]) -> str:
    """An attendee id for lists without one: the same line gives the same id in every import, and shows nothing of the e-mail."""
    if email:
        return "E" + person(email)[:10]
    if cells.get("name"):
        return "N" + person(f"{cells['name'].casefold()}|{cells.get('country', '').casefold()}")[:10]
    return "C" + person(repr(found[:1]))[:10]


def _texts(
    cells: dict[str, str], says_consent: bool, time_of: Callable[[str], tuple[str, bool]], reject: Callable[..., None]
) -> dict[str, str]:
    texts = {
        name: cells[name]
        for name in ("name", "language", "tags", "priority", "liaison", "live_url", "note", "person")
        if cells.get(name)
    }
    if country := cells.get("country"):
        code = find_country(country)
        if code:
            texts["country"] = code
        elif country.casefold() not in NOTHING:
            near = nearest_country(country)
            reject(
                f'country "{country}" is not known', f'did you mean "{near}"?' if near else "write a code such as BR", whole=False
            )
    if "show_name" in cells:
        texts["show_name"] = "yes" if _agreed(cells["show_name"]) else "no"
    if "verified" in cells:
        texts["verified"] = "yes" if _agreed(cells["verified"]) else ""
    if says_consent:
        answer = cells.get("consent", "")
        consent = _agreed(answer)
        if consent is None:
            reject(f'consent "{answer}" is neither yes nor no', "it counts as no; write yes or no in that column", whole=False)
        texts["consent"] = (
            (answer.casefold() if re.fullmatch(r"v\d[\w.-]{0,20}", answer.casefold()) else "yes") if consent else "no"
        )
        if consent:
            texts["consent_at"], read = time_of(cells.get("consent_at", ""))
            if not read:
                reject(
                    f'"{cells["consent_at"]}" is no time that can be read',
                    "the consent counts from today; write the time as 2026-10-02 09:11",
                    whole=False,
                )
    return texts


def _agreed(answer: str) -> bool | None:
    """None: it cannot be told."""
    word = tidy(answer).casefold().rstrip(".!。")
    if word in DECLINES:
        return False
    if word in AGREES or re.fullmatch(r"v\d[\w.-]{0,20}", word):
        return True
    if BEGINS_NO.match(word):
        return False
    return True if BEGINS_YES.match(word) else None


def _time(text: str, *, now: datetime, day_first: bool) -> tuple[str, bool]:
    """(as the roster writes it, whether the list said it in a way that can be read)."""
    found = moment(text, day_first=day_first) if text else None
    return f"{found or now:%Y-%m-%dT%H:%MZ}", not text or found is not None


# --- entries into the roster ------------------------------------------------------------------------------------------


def read_rows(text: str) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The roster's file as it stands, with columns of its own; nothing is judged here, so nothing is lost."""
    lines = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    if not any(lines):
        return HEADER, []
    separator = max((",", ";", "\t"), key=lines[0].count)
    rows = [fields for _, fields in records(lines, separator) if fields]
    header = tuple(tidy(name).casefold().replace(" ", "_") for name in rows[0]) if rows else HEADER
    # A list without the tick was made by somebody who knows the accounts, and still is when it gets the column now.
    ticked = {} if "verified" in header else {"verified": "yes"}
    found = [ticked | dict(zip(header, fields, strict=False)) for fields in rows[1:]]
    return (*header, *(name for name in HEADER if name not in header)), found


def update(
    header: tuple[str, ...], rows: Sequence[dict[str, str]], entries: Sequence[Entry], *, vouched: bool, wide: bool
) -> Updated:
    """Join the entries with the rows of the roster; ``vouched``: somebody says that all accounts are the attendees' own."""
    result = [dict(row) for row in rows]
    rejects: list[Reject] = []
    entries = _latest(entries, rejects) if wide else list(entries)
    others = len(rejects)
    said = len(entries)
    entries = _one_owner(entries, result, rejects)
    repeated = said - len(entries) - len(rejects) + others
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.attendee.casefold(), entry.platform), []).append(entry)
    mine: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(result):
        mine.setdefault((tidy(row.get("attendee", "")).casefold(), tidy(row.get("platform", "")).casefold()), []).append(index)
    new = same = lost = 0
    touched: set[int] = set()
    changes: list[str] = []
    for key, some in groups.items():
        pairs, fresh = _pair(some, mine.get(key, []), result)
        for entry, index in pairs:
            touched.add(index)
            after, lost_here = _changed(result[index], entry, vouched=vouched)
            lost += lost_here
            if _same(after, result[index]):
                same += 1
            else:
                changes.append(_difference(result[index], after))
                result[index] = after
        for entry in fresh:
            new += 1
            result.append(_new_row(entry, vouched=vouched))
    absent = tuple(_named(row) for index, row in enumerate(rows) if index not in touched)
    return Updated(
        header=header, rows=tuple(result), new=new, changed=len(changes), same=same, absent=absent, repeated=repeated,
        changes=tuple(changes), rejects=tuple(rejects), lost_consent=lost,
    )  # fmt: skip


def _named(row: Mapping[str, str]) -> str:
    return f"{row.get('attendee', '')} {row.get('platform', '')}:{row.get('handle', '')}"


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """``A1 twitch:ana is now ana_new, and has no consent any more``."""
    names = [name for name in after if tidy(after[name]) != tidy(before.get(name, ""))]
    words = [f"is now {after['handle']}"] if "handle" in names else []
    had, has = before.get("consent", "").casefold() not in NO, after.get("consent", "").casefold() not in NO
    if had != has:
        words.append("has consent" if has else "has no consent any more")
    if before.get("verified") and not after.get("verified"):
        words.append("must be confirmed again")
    others = [name for name in names if name not in ("handle", "native_id", "consent", "consent_at", "verified", "live_url")]
    if others:
        words.append(f"changes {', '.join(others)}")
    return f"{_named(before)} {', '.join(words or ['changes ' + ', '.join(names)])}"


def _latest(entries: Iterable[Entry], rejects: list[Reject]) -> list[Entry]:
    """In a form's answers a person who answers again means the new answer; within one line there may be several channels."""
    lines: dict[tuple[str, str], int] = {}
    entries = list(entries)
    for entry in entries:
        lines[entry.attendee.casefold(), entry.platform] = entry.line
    kept = []
    for entry in entries:
        last = lines[entry.attendee.casefold(), entry.platform]
        if entry.line == last:
            kept.append(entry)
        else:
            rejects.append(
                _reject_of(entry, f"{entry.attendee} answered again on line {last}", "nothing to do if the later answer is right")
            )
    return kept


def _one_owner(entries: Iterable[Entry], rows: Sequence[dict[str, str]], rejects: list[Reject]) -> list[Entry]:
    """A channel belongs to one attendee: the one who has it in the roster, else the one who is named first."""
    owners: dict[tuple[str, str], str] = {}
    for row in rows:
        if (handle := _handle(row)) is not None:
            owners.setdefault((tidy(row.get("platform", "")).casefold(), handle), tidy(row.get("attendee", "")))
    kept: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        owner = owners.setdefault((entry.platform, entry.handle), entry.attendee)
        if owner.casefold() == entry.attendee.casefold():
            kept[entry.platform, entry.handle] = entry  # said twice: the later line knows better
        else:
            rejects.append(
                _reject_of(entry, f"this channel is already {owner}'s", f"ask whether it is {owner}'s or {entry.attendee}'s")
            )
    return list(kept.values())


def _pair(
    entries: Sequence[Entry], indexes: Sequence[int], rows: Sequence[dict[str, str]]
) -> tuple[list[tuple[Entry, int]], list[Entry]]:
    """Equal handles first, then equal native ids; one left on each side is the same row with a changed handle."""
    open_rows, open_entries, pairs = list(indexes), list(entries), []
    for alike in (_same_handle, _same_account):
        for entry in list(open_entries):
            index = next((index for index in open_rows if alike(entry, rows[index])), None)
            if index is not None:
                pairs.append((entry, index))
                open_rows.remove(index)
                open_entries.remove(entry)
    if len(open_rows) == len(open_entries) == 1:
        pairs.append((open_entries.pop(), open_rows[0]))
    return pairs, open_entries


def _same_handle(entry: Entry, row: dict[str, str]) -> bool:
    return entry.handle == _handle(row)


def _same_account(entry: Entry, row: dict[str, str]) -> bool:
    return bool(entry.native_id) and entry.native_id == tidy(row.get("native_id", ""))


def _changed(row: dict[str, str], entry: Entry, *, vouched: bool) -> tuple[dict[str, str], bool]:
    """(the row with what the list says, whether it lost its consent)."""
    after = dict(row)
    before_id, lost = tidy(row.get("native_id", "")), False
    texts = dict(entry.texts)
    standing = tidy(row.get("consent", "")).casefold()
    if standing in STANDS or (standing not in NO and texts.get("consent") not in (None, "no")):
        texts.pop("consent", None)  # given before: its day stays
        texts.pop("consent_at", None)
    if texts.get("consent") == "no" and standing in NO:
        texts.pop("consent")
    if _handle(row) != entry.handle:
        after["handle"] = entry.handle
        if not (before_id and before_id == entry.native_id):
            lost = standing not in NO and "consent" not in entry.texts
            after |= {"native_id": entry.native_id or "", "verified": "", "live_url": ""}
            if standing not in STANDS:
                said = entry.texts.get("consent", "no") not in NO
                after |= {
                    "consent": entry.texts["consent"] if said else "",
                    "consent_at": entry.texts.get("consent_at", "") if said else "",
                }
            texts.pop("consent", None)
            texts.pop("consent_at", None)
    elif entry.native_id and not before_id:
        after["native_id"] = entry.native_id
    if texts.get("verified") == "":
        texts.pop("verified")  # a list that does not know does not take the liaison's tick away
    after |= texts
    if vouched:
        after["verified"] = "yes"
    return after, lost


def _new_row(entry: Entry, *, vouched: bool) -> dict[str, str]:
    return {
        "attendee": entry.attendee, "platform": entry.platform, "handle": entry.handle, "native_id": entry.native_id or "",
        **entry.texts, **({"verified": "yes"} if vouched else {}),
    }  # fmt: skip


def _handle(row: dict[str, str]) -> str | None:
    try:
        return normalise(tidy(row.get("platform", "")).casefold(), row.get("handle", ""))
    except BadHandle:
        return None


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return all(tidy(one.get(name, "")) == tidy(other.get(name, "")) for name in {*one, *other})


def _reject_of(entry: Entry, reason: str, suggestion: str) -> Reject:
    original = f"{entry.attendee} | {entry.platform} | {entry.handle}"
    return Reject(line=entry.line, original=original, reason=reason, suggestion=suggestion)


# --- files ------------------------------------------------------------------------------------------------------------


def harmless(text: str) -> str:
    """A spreadsheet must not take a name for a formula. Reading the roster takes the apostrophe away again."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r", "\0"} else text


def csv_text(header: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    """Lines end as in the sample, without BOM."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([harmless(row.get(name, "")) for name in header])
    return file.getvalue()


def rejects_text(rejects: Iterable[Reject]) -> str:
    """For the person who must ask again; the original is there as it was."""
    rows = [
        {"line": str(one.line), "used": "no" if one.whole else "the rest", "reason": one.reason, "suggestion": one.suggestion,
         "original": one.original}
        for one in sorted(rejects, key=lambda one: one.line)
    ]  # fmt: skip
    return csv_text(("line", "used", "reason", "suggestion", "original"), rows)
