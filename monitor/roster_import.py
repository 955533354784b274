"""A foreign list joined with the roster: rows become channels, known ones are updated, none is doubled, nothing is lost in silence. Pure.

roster_lines.py turns lines into entries and rejects; ``update(roster, entries, …)`` joins them with the rows of roster.csv. A row is known by
attendee and platform. When its handle changes, consent and the tick "verified" are kept only if the platform's own id stays: they were given
for an account, and another account may be a stranger's. See docs/roster.md.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.handles import BadHandle, normalise, tidy
from monitor.roster import COLUMNS, MADE_COLUMNS, NO, records
from monitor.roster_lines import Entry, Reject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEADER: Final = (*COLUMNS, *MADE_COLUMNS)
STANDS: Final = frozenset(("withdrawn", "paused"))
"""What an attendee said for good; a list from before does not take it back."""


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
