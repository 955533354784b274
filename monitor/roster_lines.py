"""Lines of a foreign list to channels of people, and to what was not used with its reason: consent, country, time, who somebody is. Pure.

``entries_of(table, columns, …)`` loses nothing in silence: a line gives entries, rejects, or both. What becomes of them in the roster is
roster_import.py's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from monitor.countries import find_country, nearest_country, what_is_wrong
from monitor.handles import BadHandle, normalise, tidy
from monitor.languages import find_language, meant_by
from monitor.links import EMAIL, NOTHING, Found, NotFound, find_channels, platform_named
from monitor.roster import NO, YES
from monitor.roster_times import day_first, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from monitor.roster_columns import Columns
    from monitor.roster_table import Row, Table

AGREES: Final = frozenset(
    ("agree", "agreed", "i agree", "accept", "accepted", "i accept", "ok", "✓", "✔", "☑", "v", "同意", "已同意", "授权", "同意授权", "acepto", "de acuerdo",
     "aceito", "concordo", "согласен", "согласна", "согласен/согласна", "أوافق", "موافق", "j'accepte", "d'accord", "setuju", "ya", "yes please",
     "ja", "evet", "tak", "sì", "có", "đồng ý", "はい", "同意する", "ใช่", "ยินยอม", "네", "예", "동의", "так", "иә", "ha", "ano", "بله", "igen", "hozzájárulok", "elfogadom", "souhlasím", "áno", "súhlasím", "da", "sunt de acord", "de acord",
     "ναι", "συμφωνώ", "כן", "מסכים", "מסכימה", "slažem se", "kyllä", "suostun", "jā", "taip", "jah", "jag samtycker", "jeg samtykker")
) | YES  # fmt: skip
DECLINES: Final = frozenset(("不同意", "no acepto", "não aceito", "não concordo", "не согласен", "не согласна", "لا أوافق", "je refuse", "tidak",
                             "tidak setuju", "i do not agree", "disagree", "decline", "declined", "-", "n/a", "nein", "hayır", "nie", "không",
                             "いいえ", "ไม่", "아니요", "아니오", "ні", "жоқ", "ne", "خیر", "nem", "nu", "nu sunt de acord", "nesouhlasím", "nesúhlasím", "όχι", "διαφωνώ", "לא", "לא מסכים", "לא מסכימה", "nej", "ei", "nē",
                             "ne slažem se")) | NO  # fmt: skip
GONE: Final = frozenset(
    ("cancelled", "canceled", "cancel", "withdrawn", "withdrew", "declined", "rejected", "removed", "not coming", "no show", "取消", "已取消", "退出",
     "已退出", "cancelado", "cancelada", "retirado", "desistiu", "отменено", "отменена", "отказ", "снят", "ملغى", "ملغي", "انسحب", "annulé", "annulée",
     "dibatalkan", "batal", "iptal", "abgesagt", "storniert", "annullato", "キャンセル")
)  # fmt: skip
"""What lists write beside people who do not take part any more."""
EAST_ASIAN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""In these scripts the surname stands first, and nothing between."""
BEGINS_NO: Final = re.compile(r"(no|not|non|não|nein|нет|не|لا|不|未|tidak|hayır|nie|không)(?!\w)|[不未]|i (do not|don.?t)")
BEGINS_YES: Final = re.compile(r"(yes|i agree|i accept|i consent|sí|sì|sim|oui|да|نعم|ja|ya|tak|evet)(?!\w)|同意|我同意|是")
"""Answers that are whole sentences; a no is looked for first."""
FORMULA: Final = {
    "reason": "a formula, and the file does not hold what it amounts to",
    "suggestion": "open the list in Excel or LibreOffice, save it there, and import that",
}


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

    if name := whole_name(cells.get("name", ""), cells.pop("given", ""), cells.pop("surname", "")):
        cells["name"] = name
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
    if any("\ufffd" in cell for cell in row.cells):
        reject("a letter of it is broken in the file", "look at the name, and save the list again as .xlsx", whole=False)
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


def whole_name(name: str, given: str, surname: str) -> str:
    """Of a list that has a name's parts in columns of their own; who is called like somebody else by one part is not the same person."""
    together = EAST_ASIAN.fullmatch(name + given + surname) is not None
    for part, is_first in ((given, not together), (surname, together)):
        said = part in name if together else set(part.casefold().split()) <= set(name.casefold().split())
        if not said:
            name = ("" if together else " ").join(filter(None, (part, name) if is_first else (name, part)))
    return name


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
        name: cells[name] for name in ("name", "tags", "priority", "liaison", "live_url", "note", "person") if cells.get(name)
    }
    if country := cells.get("country"):
        code = find_country(country)
        if code:
            texts["country"] = code
        elif country.casefold() not in NOTHING:
            near = nearest_country(country) if len(country) > 3 else None
            reject(what_is_wrong(country), f'did you mean "{near}"?' if near else "write a code such as BR", whole=False)
    if language := cells.get("language"):
        if code := find_language(language):
            texts["language"] = code
        elif language.casefold() not in NOTHING:
            meant = meant_by(language)
            reject(
                f'language "{language}" is not known',
                f'that is a country; did you mean "{meant}"?'
                if meant
                else "write a code such as pt or zh-Hans, or the language's name",
                whole=False,
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
    if cells.get("status", "").casefold() in GONE:
        reject(f'does not take part any more ("{cells["status"]}")', "nothing to do; it counts as no consent", whole=False)
        texts.pop("consent_at", None)
        texts["consent"] = "no"
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
