"""What attendees and liaisons say on their pages. Pure.

A ``Signup`` is one person's word: channels, three separate ticks, pause, withdrawal. It is kept without e-mail: of what was typed there
is a keyed hash, which joins it with the roster, and a form with dots in it, by which a liaison recognises it. Links are 256 random bits
and kept as SHA-256. How it joins the roster's file to one table is in signup_table.py.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 — msgspec reads the annotations
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec.structs import replace

from monitor.countries import find_country
from monitor.handles import seal, tidy
from monitor.links import EMAIL, Found, NotFound, broadcast_link, find_channels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from monitor.links import Live
    from monitor.roster import Channel, Roster

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
