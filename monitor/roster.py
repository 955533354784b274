"""The roster: who is watched, from a CSV file that people edit. One row is one channel; an attendee may have several.

``parse_roster`` is pure and never stops at a bad line: it becomes a ``Problem`` that names file, line, column, what was found and what was
expected, and the good lines run. Only a file without the columns that everything hangs on is a ConfigError.
"""

from __future__ import annotations

import csv
import difflib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import connectors
from monitor.config import ConfigError
from monitor.countries import UNKNOWN, find_country, nearest_country
from monitor.handles import BadHandle, is_native_id, normalise, seal, tidy
from monitor.languages import find_language, meant_by
from monitor.links import NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

COLUMNS = (
    "attendee", "name", "country", "language", "platform", "handle", "native_id", "live_url", "tags", "priority", "liaison",
    "show_name", "consent", "consent_at", "note",
)  # fmt: skip
MADE_COLUMNS = ("verified", "person")
"""Written by the import and the liaisons' page; see docs/roster.md."""
MANDATORY = ("attendee", "platform", "handle")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
LONGEST_RECORD = 20
"""Lines that one quoted field may span; without a limit a forgotten quote would swallow the rest of the file."""

MOST_HINTS = 100
"""Searching for a similar name costs a millisecond; a column of nonsense must not stop the monitor for seconds."""

YES = frozenset(("yes", "y", "true", "1", "x", "是", "sí", "si", "sim", "oui", "да", "نعم"))
STANDING: Mapping[str, Literal["paused", "withdrawn"]] = {"paused": "paused", "withdrawn": "withdrawn"}
"""Words in the column ``consent`` that say more than no."""
NO = frozenset(("", "no", "n", "false", "0", "否", "não", "non", "нет", "لا", "withdrawn", "paused"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One account of one attendee on one platform; what the feed calls a livestream."""

    id: str
    """``platform:handle``, the livestream id everywhere."""
    attendee: str
    name: str
    country: str | None
    """ISO 3166-1 alpha-2, or None when the roster does not say."""
    language: str | None
    """BCP 47."""
    platform: str
    handle: str
    """In the platform's own form, lower case."""
    native_id: str | None = None
    live_url: str | None = None
    tags: frozenset[str] = frozenset()
    """Lower case."""
    priority: int = 3
    """1 (first) to 5: who is kept when not all can be read."""
    liaison: str | None = None
    show_name: bool = False
    """Whether the attendee agreed to be named on a screen."""
    consent: str | None = None
    """What was agreed to: ``yes`` or the version of the notice such as ``v3``; None without consent."""
    consent_at: datetime | None = None
    verified: bool = True
    """False: nobody has said yet that the account is really this attendee's; a stranger's chat must not be read by mistake."""
    person: str | None = None
    """Keyed hash of an e-mail, written by the import: it joins the row with a sign-up."""
    state: Literal["on", "paused", "withdrawn", "unknown"] = "on"
    """What the attendee said on the personal page; ``unknown`` while that cannot be read."""
    signed_up: bool = False
    """It came by the sign-up page and is not in the roster's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One cell or line that is not as it should be."""

    file: str
    line: int
    """As an editor counts, the header is line 1."""
    column: str
    """Empty when the whole line is meant."""
    found: str
    expected: str
    skipped: bool
    """True: the line is not used. False: it is used without this cell."""

    def __str__(self) -> str:
        place = f"{self.file} line {self.line}" + (f", column {self.column}" if self.column else "")
        result = "the line is skipped" if self.skipped else "the rest of the line is used"
        return f'{place}: found "{self.found}", expected {self.expected}; {result}.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    channels: tuple[Channel, ...] = ()
    """On platforms that this installation can read."""
    unreachable: tuple[Channel, ...] = ()
    """On platforms without a connector: they belong to the roster, and nothing can be read."""
    problems: tuple[Problem, ...] = ()

    def watchable(self, require_consent: bool) -> tuple[Channel, ...]:
        """The channels that may be read."""
        return tuple(channel for channel in self.channels if not why_not(channel, require_consent))

    def refused(self, require_consent: bool) -> tuple[Channel, ...]:
        """The channels that must not be read; shown as refused, ``why_not`` says why."""
        return tuple(channel for channel in self.channels if why_not(channel, require_consent))

    def paused(self, require_consent: bool) -> tuple[Channel, ...]:
        """The channels that their attendees have paused, and that could be read else: they still belong to the event."""
        return tuple(
            channel
            for channel in self.channels
            if channel.state == "paused"
            and not why_not(replace(channel, state="on", consent=channel.consent or "yes"), require_consent)
        )

    def by_id(self) -> dict[str, Channel]:
        """The readable channels by livestream id."""
        return {channel.id: channel for channel in self.channels}


def why_not(channel: Channel, require_consent: bool) -> str:
    """Why a channel must not be read, in words; empty when it may."""
    if channel.state == "withdrawn":
        return "the attendee does not agree that it is read"
    if channel.state == "unknown":
        return "the sign-ups cannot be read yet, so nobody knows who has withdrawn"
    if channel.state == "paused":
        return "paused by the attendee"
    if require_consent and not channel.consent:
        return "no consent in the roster"
    if require_consent and not channel.verified:
        return "nobody has confirmed yet that this account is the attendee's; the liaison's page does it"
    return ""


def read_roster(path: Path, *, platforms: Collection[str] = connectors.KNOWN) -> Roster:
    """Read the file; raises ConfigError when it is missing or is no roster."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: the roster cannot be read ({error.strerror}); mend [roster] file in the configuration"
        ) from error
    return parse_roster(decode(data), file=path.name, platforms=platforms)


def decode(data: bytes) -> str:
    """UTF-8 with or without BOM, or UTF-16 with BOM; a byte that is neither becomes U+FFFD and so a problem of its cell."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def parse_roster(text: str, *, file: str = "roster.csv", platforms: Collection[str] = connectors.KNOWN) -> Roster:
    """A roster from the text of a CSV file; ``platforms`` are those that can be read."""
    lines = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    separator = max(SEPARATORS, key=lines[0].count)
    rows = records(lines, separator)
    first = next(rows, None)
    header = [tidy(name).casefold().replace(" ", "_") for name in first[1] or ()] if first else []
    missing = [name for name in MANDATORY if name not in header]
    if missing:
        raise ConfigError(
            f"{file}: the first line must name the columns, and {', '.join(missing)} is not among them; "
            f"expected at least {', '.join(MANDATORY)}, separated by {', '.join(SEPARATORS.values())}"
        )
    reader = _Reader(file, header, platforms)
    for line, fields in rows:
        reader.read(line, fields)
    return Roster(channels=tuple(reader.channels), unreachable=tuple(reader.unreachable), problems=tuple(reader.problems))


def records(lines: list[str], separator: str) -> Iterator[tuple[int, list[str] | None]]:
    """(line number, fields) of each record of a CSV; fields is None where a quote is wrong, and reading goes on with the next line."""
    at = 0
    while at < len(lines):
        fields, used = None, 1
        for more in range(1, LONGEST_RECORD + 1):
            if at + more > len(lines):
                break
            try:
                record = "\n".join(lines[at : at + more])
                fields, used = next(csv.reader([record], delimiter=separator, strict=True), []), more
                break
            except csv.Error as error:
                if "unexpected end" not in str(error):  # Not an open quote: more lines do not help.
                    break
        if fields is None or any(field.strip() for field in fields):
            yield at + 1, fields
        at += used


class _Reader:
    """Takes one record after the other; keeps channels and problems."""

    def __init__(self, file: str, header: list[str], platforms: Collection[str]) -> None:
        self.channels: list[Channel] = []
        self.unreachable: list[Channel] = []
        self.problems: list[Problem] = []
        self._file = file
        self._header = header
        self._platforms = platforms
        self._line = 1
        self._lines: dict[tuple[str, str], int] = {}
        """Where a channel's id and native id were seen first."""
        for position, name in enumerate(header):
            if name in header[:position]:
                self._problem(name, name, "each column once; the first one is used")
            elif name not in (*COLUMNS, *MADE_COLUMNS):
                close = difflib.get_close_matches(name, COLUMNS, n=1)
                hint = f'did you mean "{close[0]}"?' if close else f"the columns {', '.join(COLUMNS)}"
                self._problem(name, name, f"{hint}{'' if close else ';'} this column is ignored")

    def read(self, line: int, fields: list[str] | None) -> None:
        """One record to a channel, or to problems."""
        self._line = line
        if fields is None:
            self._problem("", '"', "every quote to be closed, and doubled inside a quoted field", skipped=True)
            return
        surplus = [field for field in fields[len(self._header) :] if field.strip()]
        if surplus:
            expected = f"{len(self._header)} fields as in the first line; put a field that contains the separator in quotes"
            self._problem("", surplus[0], expected, skipped=True)
            return
        row = dict.fromkeys(self._header, "")
        for name, cell in reversed(list(zip(self._header, fields, strict=False))):  # Of a repeated column the first one stays.
            row[name] = tidy(cell)
        garbled = next((name for name, cell in row.items() if "\ufffd" in cell), None)
        if garbled is not None:
            self._problem(garbled, row[garbled], "UTF-8 text; save the file again as UTF-8")
        channel = self._channel(row)
        if channel is None or self._is_repeated(channel):
            return
        (self.channels if channel.platform in self._platforms else self.unreachable).append(channel)

    def _channel(self, row: dict[str, str]) -> Channel | None:
        attendee, platform = row["attendee"], row["platform"].casefold()
        for name in MANDATORY:
            if not row[name]:
                self._problem(name, "", f"a value; {name} must be filled in", skipped=True)
                return None
        if platform not in self._platforms and platform not in NAMES:  # what is real and cannot be read is counted, not a mistake
            close = difflib.get_close_matches(platform, list(self._platforms), n=1)
            hint = (
                f'a platform that can be read; did you mean "{close[0]}"?'
                if close
                else f"a platform that can be read: {', '.join(sorted(self._platforms))}"
            )
            self._problem("platform", row["platform"], f"{hint} (listed as unreachable until then)", skipped=True)
        try:
            handle = normalise(platform, row["handle"])
        except BadHandle as bad:
            self._problem("handle", row["handle"], bad.expected, skipped=True)
            return None
        native_id = self._native_id(platform, row.get("native_id", ""))
        shown = seal(platform, handle)
        if shown != handle:
            handle, native_id = shown, native_id or handle
        return Channel(
            id=f"{platform}:{handle}",
            attendee=attendee,
            name=row.get("name") or attendee,
            country=self._country(row.get("country", "")),
            language=self._language(row.get("language", "")),
            platform=platform,
            handle=handle,
            native_id=native_id,
            live_url=self._url(row.get("live_url", "")),
            tags=frozenset(tag.strip().casefold() for tag in re.split(r"[;,|、]", row.get("tags", "")) if tag.strip()),
            priority=self._priority(row.get("priority", "")),
            liaison=row.get("liaison") or None,
            show_name=self._yes("show_name", row.get("show_name", "")) is not None,
            consent=self._yes("consent", row.get("consent", "")),
            consent_at=self._time(row.get("consent_at", "")),
            state=STANDING.get(row.get("consent", "").strip().casefold(), "on"),
            # A list without the column was made by somebody who knows the accounts; one with it asks for a tick per row.
            verified="verified" not in row or self._yes("verified", row["verified"]) is not None,
            person=row.get("person") or None,
        )

    def _is_repeated(self, channel: Channel) -> bool:
        keys = [("id", channel.id)] + ([(channel.platform, channel.native_id)] if channel.native_id else [])
        for key in keys:
            if key in self._lines:
                column = "handle" if key[0] == "id" else "native_id"
                self._problem(column, key[1], f"each channel once; it is already on line {self._lines[key]}", skipped=True)
                return True
        self._lines.update(dict.fromkeys(keys, self._line))
        return False

    # --- cells: a bad one is named, and the row goes on without it ----------------------------------------------------

    def _country(self, cell: str) -> str | None:
        if cell in ("", UNKNOWN):
            return None
        code = find_country(cell)
        if code is None:
            close = nearest_country(cell) if len(self.problems) < MOST_HINTS else None
            self._problem("country", cell, f'a country code such as BR or a name; did you mean "{close}"?' if close else
                          "a country code such as BR, or a name in English or Chinese")  # fmt: skip
        return code

    def _language(self, cell: str) -> str | None:
        if not cell:
            return None
        if (code := find_language(cell)) is not None:
            return code
        meant = meant_by(cell)
        self._problem(
            "language",
            cell,
            f'a language, not a country; did you mean "{meant}"?' if meant else "a language code such as pt or zh-Hans",
        )
        return None

    def _native_id(self, platform: str, cell: str) -> str | None:
        if not cell or is_native_id(platform, cell):
            return cell or None
        self._problem("native_id", cell, f"the id that {platform} itself gives the account, or nothing")
        return None

    def _url(self, cell: str) -> str | None:
        if not cell or re.fullmatch(r"https?://[^\s/]+\S*", cell, re.IGNORECASE):
            return cell or None
        self._problem("live_url", cell, "an address that begins with https://, or nothing")
        return None

    def _priority(self, cell: str) -> int:
        if re.fullmatch(r"[1-5]", cell):
            return int(cell)
        if cell:
            self._problem("priority", cell, "a number from 1 (first) to 5")
        return 3

    def _yes(self, column: str, cell: str) -> str | None:
        word = cell.casefold()
        if word in YES:
            return "yes"
        if word in NO:
            return None
        if column == "consent" and re.fullmatch(r"v\d[\w.-]{0,20}", word):
            return word
        self._problem(column, cell, "yes, no, or the version of the notice such as v3" if column == "consent" else "yes or no")
        return None

    def _time(self, cell: str) -> datetime | None:
        if not cell:
            return None
        try:
            moment = datetime.fromisoformat(cell)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self._problem("consent_at", cell, "a time such as 2026-10-02T09:11Z")
            return None

    def _problem(self, column: str, found: str, expected: str, *, skipped: bool = False) -> None:
        short = found if len(found) <= 60 else found[:59] + "…"
        self.problems.append(
            Problem(file=self._file, line=self._line, column=column, found=short, expected=expected, skipped=skipped)
        )
