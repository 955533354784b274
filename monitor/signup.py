"""What attendees and liaisons say on their pages, and how it joins the roster's file to one table. Pure.

A ``Signup`` is one person's word: channels, three separate ticks, pause, withdrawal. It is kept without e-mail: of what was typed there
is a keyed hash, which joins it with the roster, and a form with dots in it, by which a liaison recognises it. Links are 256 random bits
and kept as SHA-256. ``merged`` promises: who withdrew is not read, whatever a file says; what nobody has confirmed is not read where
consent is required; a channel stands in the table once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import deque
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import datetime  # noqa: TC003 — msgspec reads the annotations
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

import connectors
from monitor.countries import find_country
from monitor.handles import seal, tidy
from monitor.links import EMAIL, Found, NotFound, broadcast_link, find_channels
from monitor.roster import Channel, Roster

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitor.links import Live

NOTICE: Final = "v1"
"""Version of monitor/words as a notice: what was agreed to. Raise it when the words about consent change."""
MOST_CHANNELS: Final = 10
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
SHAPE: Final = re.compile(r"[\w .,/#+-]{1,64}")
"""What a registration number may look like."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """One channel of a person."""

    platform: str
    handle: str
    native_id: str | None = None
    paused: bool = False

    @property
    def id(self) -> str:
        return f"{self.platform}:{self.handle}"


class Signup(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One person, as signed up."""

    id: str
    person: str
    """Keyed hash of the registration number or e-mail."""
    shown: str
    """By which a liaison recognises the person: the number, or an e-mail with dots for most letters."""
    attendee: str
    """Of the roster when the person stands there, else made from the hash."""
    country: str
    language: str
    made_at: datetime
    confirmed: bool
    """The person stands in the registration list and is the first to say so, or a liaison has confirmed it."""
    read: bool = False
    show_name: bool = False
    contact: bool = False
    notice: str = NOTICE
    consent_at: datetime | None = None
    withdrawn_at: datetime | None = None
    channels: tuple[Place, ...] = ()

    @property
    def consents(self) -> bool:
        return self.read and self.withdrawn_at is None


class Fix(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a liaison said about one row of the roster's file."""

    handle: str | None = None
    """Its right handle; None: the one of the file."""
    verified: bool = False
    by: str = ""
    at: datetime | None = None
    native_id: str | None = None


class Liaison(msgspec.Struct, frozen=True):
    """Who may open which list."""

    country: str
    """Or ``*``: all."""
    name: str = ""


class SelfReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody says that a channel is live: the value of ``{selfreport}``. The address is never fetched."""

    platform: str
    url: str
    at: datetime
    by: Literal["attendee", "liaison"] = "attendee"
    broadcast: str | None = None
    """The platform's id of the live video, where the address carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signups:
    """All of it, as Redis has it."""

    people: tuple[Signup, ...] = ()
    fixes: Mapping[str, Fix] = field(default_factory=dict)
    """Livestream id in the file → what a liaison said."""
    known: bool = True
    """False: it could not be read yet, so nobody knows who has withdrawn."""


# --- people and links -------------------------------------------------------------------------------------------------


def person_hash(key: bytes, written: str) -> str:
    """The same for every spelling of an e-mail or number; the import of a list makes the same one."""
    return hmac.new(key, b"person:" + tidy(written).casefold().encode(), hashlib.sha256).hexdigest()[:32]


def shown_form(written: str) -> str:
    """``j•••a@g•••.com`` for an e-mail; a registration number as it is: it is in the list anyway."""
    text = tidy(written)
    if "@" not in text:
        return text[:64]
    name, _, host = text.rpartition("@")
    domain, dot, last = host.rpartition(".")
    return f"{name[:1]}•••{name[-1:] if len(name) > 3 else ''}@{domain[:1]}•••{dot}{last}"


def is_email(written: str) -> bool:
    return EMAIL.fullmatch(tidy(written)) is not None


def new_token(random: bytes) -> str:
    """43 characters of 32 random bytes."""
    if len(random) != 32:
        raise ValueError("a token is made of 32 bytes")
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def token_hash(token: str) -> str | None:
    """None when it cannot be one of ours."""
    return hashlib.sha256(token.encode()).hexdigest() if TOKEN.fullmatch(token) else None


# --- forms ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The form of /join as it was filled in; ``wrong`` names words of the pages."""

    written: str
    pasted: str
    platform: str | None
    country: str | None
    read: bool
    show_name: bool
    contact: bool
    found: tuple[Found, ...] = ()
    problems: tuple[NotFound, ...] = ()
    wrong: tuple[str, ...] = ()


def application(form: Mapping[str, str]) -> Application:
    """What a person typed; nothing in it is trusted."""
    written = tidy(form.get("number", "")[:200])
    pasted = form.get("channel", "")[:500]
    platform = form.get("platform") or None
    country = find_country(form.get("country", "")[:80])
    found, problems = find_channels(pasted, platform)
    wrong = []
    if not (is_email(written) or SHAPE.fullmatch(written)):
        wrong.append("error_number")
    if not found:
        wrong.append(f"error_channel_{problems[0].code}" if problems else "error_channel_none")
    if country is None:
        wrong.append("error_country")
    return Application(
        written=written, pasted=pasted, platform=platform, country=country, read="read" in form, show_name="show_name" in form,
        contact="contact" in form, found=tuple(found[:MOST_CHANNELS]), problems=tuple(problems), wrong=tuple(wrong),
    )  # fmt: skip


def attendee_of(roster: Roster, written: str, person: str) -> Channel | None:
    """The row of the registration list that this person is, by number or by the hash of the e-mail."""
    number = tidy(written).casefold()
    rows = (*roster.channels, *roster.unreachable)
    return next((row for row in rows if row.person == person or (row.attendee.casefold() == number and not row.signed_up)), None)


def signup_of(asked: Application, *, roster: Roster, key: bytes, id_: str, first: bool, language: str, now: datetime) -> Signup:
    """The record; ``first``: nobody has signed up as this person before."""
    person = person_hash(key, asked.written)
    row = attendee_of(roster, asked.written, person)
    listed = any(not channel.signed_up for channel in (*roster.channels, *roster.unreachable))
    return Signup(
        id=id_, person=person, shown=shown_form(asked.written),
        attendee=row.attendee if row else (f"E{person[:10]}" if is_email(asked.written) else asked.written),
        country=asked.country or "ZZ", language=language, made_at=now, confirmed=first and (row is not None or not listed),
        read=asked.read, show_name=asked.show_name, contact=asked.contact, consent_at=now if asked.read else None,
        channels=tuple(place_of(one) for one in asked.found),
    )  # fmt: skip


def place_of(found: Found) -> Place:
    """A channel as the roster names it: a handle that is a secret is sealed, and kept where only the connector looks."""
    shown = seal(found.platform, found.handle)
    return Place(found.platform, shown, found.native_id if shown == found.handle else found.handle)


def with_channels(signup: Signup, found: Iterable[Found]) -> Signup:
    """More channels; one that is there already is not added again."""
    places = {place.id: place for place in signup.channels}
    for one in found:
        place = place_of(one)
        places.setdefault(place.id, place)
    return replace(signup, channels=tuple(places.values())[:MOST_CHANNELS])


def with_ticks(signup: Signup, *, read: bool, show_name: bool, contact: bool, now: datetime) -> Signup:
    """Consent keeps its first day; given again after a withdrawal it has a new one."""
    fresh = read and not signup.consents
    return replace(
        signup, read=read, show_name=show_name, contact=contact, withdrawn_at=None if read else signup.withdrawn_at,
        consent_at=now if fresh else signup.consent_at, notice=NOTICE if fresh else signup.notice,
    )  # fmt: skip


def withdrawn(signup: Signup, now: datetime) -> Signup:
    return replace(signup, read=False, show_name=False, contact=False, withdrawn_at=now)


def paused(signup: Signup, livestream: str, *, on: bool) -> Signup:
    """One channel not to be read for a while, or to be read again."""
    return replace(
        signup, channels=tuple(replace(place, paused=on) if place.id == livestream else place for place in signup.channels)
    )


def confirmed(signup: Signup) -> Signup:
    """A liaison has looked: these channels are this person's."""
    return replace(signup, confirmed=True)


def corrected(signup: Signup, livestream: str, right: Found) -> Signup:
    """A liaison has corrected a handle; somebody must say again that it is the right one."""
    place = place_of(right)
    kept = tuple(place if one.id == livestream else one for one in signup.channels if one.id == livestream or one.id != place.id)
    return replace(signup, channels=kept, confirmed=False)


def remarks(channel: Channel, people: Iterable[Signup], *, listed: Collection[str]) -> list[tuple[str, str, str]]:
    """(word, who, other) of what a liaison must look at beside the channel's state."""
    found = []
    for one in people:
        if not one.consents or channel.id not in {place.id for place in one.channels}:
            continue  # who agreed to nothing, or no longer, asks nobody for anything
        if one.attendee.casefold() != channel.attendee.casefold():
            found.append(("claimed", one.shown, channel.attendee))
        elif not one.confirmed and listed:
            found.append(("again" if one.attendee.casefold() in listed else "not_listed", one.shown, ""))
    return list(dict.fromkeys(found))


def live_report(
    pasted: str, places: Iterable[Place], *, by: Literal["attendee", "liaison"], now: datetime
) -> tuple[str, SelfReport] | str:
    """(livestream, report), or the word that says what is wrong with the address."""
    live = broadcast_link(pasted)
    if live is None:
        return "error_live"
    mine = [place for place in places if place.platform == live.platform]
    if not mine:
        return "error_live_platform"
    place = _whose(live, mine)
    if place is None:
        return "error_live_other"
    return place.id, SelfReport(live.platform, live.url, now, by, live.broadcast)


def _whose(live: Live, mine: list[Place]) -> Place | None:
    """An address that names a channel must name one of these; one that does not can only be meant where there is one channel."""
    if live.handle is not None:
        return next((place for place in mine if live.handle in (place.handle, (place.native_id or "").casefold())), None)
    return mine[0] if len(mine) == 1 else None


# --- one table --------------------------------------------------------------------------------------------------------


def merged(roster: Roster, said: Signups, *, platforms: Collection[str] = connectors.KNOWN) -> Roster:
    """The roster's file and what people said, as one table."""
    rows: dict[str, Channel] = {}
    for row in (*roster.channels, *roster.unreachable):
        fixed = _fixed(row, said.fixes.get(row.id))
        rows.setdefault(fixed.id, fixed)
    # A thousand people sign up within an hour, and each time every role does this: so nobody looks through all rows.
    of_attendee: dict[str, list[str]] = {}
    for row in rows.values():
        of_attendee.setdefault(row.attendee.casefold(), []).append(row.id)
    # Confirmed ones first: an unconfirmed one must not take a channel that a confirmed person has.
    for signup in sorted(said.people, key=lambda one: (not one.confirmed, one.made_at, one.id)):
        _join(rows, of_attendee.setdefault(signup.attendee.casefold(), []), signup)
    if not said.known:
        rows = {name: changed(row, state="unknown") for name, row in rows.items()}
    # A platform with a name of its own, such as sse.mysite, is known to who read the file.
    readable = {*platforms, *(row.platform for row in roster.channels)}
    table = tuple(rows.values())
    return Roster(
        channels=tuple(row for row in table if row.platform in readable),
        unreachable=tuple(row for row in table if row.platform not in readable),
        problems=roster.problems,
    )


def as_row(channel: Channel) -> dict[str, str]:
    """As the roster's file writes it."""
    consent = {"withdrawn": "withdrawn", "paused": "paused"}.get(channel.state) or channel.consent or ""
    return {
        "attendee": channel.attendee, "name": channel.name, "country": channel.country or "", "language": channel.language or "",
        "platform": channel.platform, "handle": channel.handle, "native_id": channel.native_id or "",
        "live_url": channel.live_url or "", "tags": ";".join(sorted(channel.tags)), "priority": str(channel.priority),
        "liaison": channel.liaison or "", "show_name": "yes" if channel.show_name else "no", "consent": consent,
        "consent_at": f"{channel.consent_at:%Y-%m-%dT%H:%MZ}" if channel.consent_at and channel.consent else "",
        "verified": "yes" if channel.verified else "", "person": channel.person or "",
    }  # fmt: skip


def own_places(signup: Signup, roster: Roster, said: Signups) -> tuple[Place, ...]:
    """The channels that this person may speak for: confirmed, and nobody else's in the table."""
    if not signup.confirmed:
        return ()
    table = merged(roster, said)
    owners = {row.id: row.attendee.casefold() for row in (*table.channels, *table.unreachable)}
    return tuple(place for place in signup.channels if owners.get(place.id) == signup.attendee.casefold())


def _fixed(row: Channel, fix: Fix | None) -> Channel:
    if fix is None:
        return row
    if fix.handle is None or fix.handle == row.handle:
        return changed(row, verified=row.verified or fix.verified)
    return changed(
        row, id=f"{row.platform}:{fix.handle}", handle=fix.handle, native_id=fix.native_id, live_url=None, verified=fix.verified
    )


def _join(rows: dict[str, Channel], of_attendee: list[str], signup: Signup) -> None:
    own = [rows[name] for name in of_attendee]
    known = next((row for row in own if not row.signed_up), None)
    if signup.confirmed:
        for row in own:
            if not signup.consents:
                rows[row.id] = changed(row, consent=None, show_name=False, state="withdrawn")
            elif not signup.show_name:
                rows[row.id] = changed(row, show_name=False)
    for place in signup.channels:
        there = rows.get(place.id)
        if there is not None and (there.attendee.casefold() != signup.attendee.casefold() or not signup.confirmed):
            continue  # somebody else's, or not ours to change: the liaison sees both
        if there is None:
            of_attendee.append(place.id)
        rows[place.id] = _row_of(signup, place, there or known, there)


def _row_of(signup: Signup, place: Place, like: Channel | None, there: Channel | None) -> Channel:
    state: Literal["on", "paused", "withdrawn"] = "withdrawn" if not signup.consents else "paused" if place.paused else "on"
    return Channel(
        id=place.id, attendee=like.attendee if like else signup.attendee, name=like.name if like else signup.attendee,
        country=(there and there.country) or (None if signup.country == "ZZ" else signup.country),
        language=(like and like.language) or signup.language, platform=place.platform, handle=place.handle,
        native_id=place.native_id or (there.native_id if there else None), live_url=there.live_url if there else None,
        tags=like.tags if like else frozenset(), priority=like.priority if like else 3, liaison=like.liaison if like else None,
        show_name=signup.show_name and signup.consents, consent=signup.notice if signup.consents else None,
        consent_at=signup.consent_at if signup.consents else None, verified=signup.confirmed, person=signup.person, state=state,
        signed_up=there is None or there.signed_up,
    )  # fmt: skip


# --- how often --------------------------------------------------------------------------------------------------------


class Limits:
    """At most ``most`` attempts in any ``seconds`` from one place; remembers no more than ``places`` of them."""

    def __init__(self, most: int, seconds: float, *, places: int = 10_000) -> None:
        self._most, self._seconds, self._places = most, seconds, places
        self._seen: dict[str, deque[float]] = {}

    def is_open(self, place: str, now: float) -> bool:
        """Whether another attempt may be made."""
        seen = self._seen.get(place)
        while seen and seen[0] + self._seconds <= now:
            seen.popleft()
        return seen is None or len(seen) < self._most

    def note(self, place: str, now: float) -> None:
        """An attempt was made."""
        if place not in self._seen and len(self._seen) >= self._places:
            self._seen.pop(next(iter(self._seen)))
        self._seen.setdefault(place, deque(maxlen=self._most)).append(now)
