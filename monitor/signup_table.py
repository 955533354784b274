"""The roster's file and what people said on their pages, as one table. Pure.

``merged`` promises: who withdrew is not read, whatever a file says; what nobody has confirmed is not read where consent is required; a
channel stands in the table once.
"""

from __future__ import annotations

from dataclasses import replace as changed
from typing import TYPE_CHECKING, Literal

import connectors
from monitor.roster import Channel, Roster

if TYPE_CHECKING:
    from collections.abc import Collection

    from monitor.signup import Fix, Place, Signup, Signups


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
