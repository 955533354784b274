"""What can be said of users' tokens before the event: how many channels they suffice for, and whether Twitch takes them today. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Dropped, Refused, Throttled, Unreadable
from connectors.discovery import QuotaPlan
from connectors.pushing import Trial, Tried
from connectors.rest import until
from connectors.twitch.eventsub_accounts import COST, MOST_CONNECTIONS, MOST_EACH
from connectors.twitch.eventsub_helix import CHAT, LIVE
from connectors.twitch.eventsub_tokens import (
    READS_CHAT,
    READS_FOLLOWS,
    WHERE_TOKENS,
    holder_in,
    renewed_in,
    renewing,
    tokens_in,
    validating,
)  # fmt: skip

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Secret
    from connectors.rest import Reply

OF_A_CHANNEL: Final = len(LIVE) + len(CHAT) + 1
"""Subscriptions of a channel whose broadcaster consented: begins, ends, the chat, the follows."""


def plan_of(options: Any, channels: int) -> QuotaPlan | None:
    """What the accounts may spend against what the channels cost while nobody consented; None where no account is asked."""
    accounts = len(tokens_in(options.user_tokens))
    if options.eventsub != "websocket" or options.client_id is None or not accounts:
        return None
    available, all_of = accounts * COST, accounts * MOST_CONNECTIONS * MOST_EACH // OF_A_CHANNEL
    beyond = channels - available
    found = (
        f"who begins is told of {available} channels of anybody, and of all whose broadcaster authorises the application, which costs "
        f"nothing; of up to {beyond:,} others it is found by asking"
    )
    return QuotaPlan(
        items=(("who begins, 1 a channel", min(channels, available)),), wanted=channels, available=available, fits=available,
        dropped=(found,) if beyond > 0 else (), unit="points", per="EventSub by users' tokens",
        first=f"whoever did not authorise the application; of those who did, {all_of:,} channels fit with chat and follows",
    )  # fmt: skip


def trials(options: Any) -> list[Trial]:
    """One for each token."""
    if options.eventsub != "websocket" or options.client_id is None:
        return []
    return [_first(options, number, token) for number, token in enumerate(tokens_in(options.user_tokens), 1)]


def _first(options: Any, number: int, token: Secret) -> Trial:
    """As an access token; if it is none, as one that renews."""

    def read(reply: Reply, now: datetime) -> Tried | Trial:
        if reply.status == 401 and options.client_secret is not None:
            return Trial(what=what, ask=renewing(options, token), read=renewed)
        if reply.status == 401:
            raise Refused(f"it has ended, or is a refresh token, which needs client_secret; take another, {WHERE_TOKENS}")
        return _told(options, number, reply, now, lasts=False)

    def renewed(reply: Reply, now: datetime) -> Tried | Trial:
        if reply.status in (400, 401, 403):
            raise Refused(f"Twitch neither takes it nor renews it; its account must let the application in again, {WHERE_TOKENS}")
        _check(reply, now)
        found = renewed_in(reply.body, token)
        if found.refresh != token.reveal():
            raise Refused(f"it can be used once alone, and this trial used it; take another and do not try that, {WHERE_TOKENS}")
        ask = validating(options, found.token)
        return Trial(what=what, ask=ask, read=lambda reply, now: _told(options, number, reply, now, lasts=True))

    what = f"user token {number}"
    return Trial(what=what, ask=validating(options, token), read=read)


def _told(options: Any, number: int, reply: Reply, now: datetime, *, lasts: bool) -> Tried:
    _check(reply, now)
    holder = holder_in(reply.body, options)
    if holder.trouble:
        raise Refused(f"{holder.trouble}; take another, {WHERE_TOKENS}")
    reads = [
        what
        for scope, what in ((READS_CHAT, "the chat"), (READS_FOLLOWS, "where it moderates the follows"))
        if scope in holder.scopes
    ]
    tells = f"; with the broadcaster's consent {' and '.join(reads)} too" if reads else ""
    sentence = f"user token {number} is of {holder.login or holder.user_id}: who begins is told{tells}"
    if not lasts:
        hours = f"in {holder.seconds / 3600:.0f} h" if holder.seconds is not None else "some day"
        return Tried(well=False, sentence=f"{sentence}; it ends {hours} and cannot be renewed, which a refresh token can")
    if READS_CHAT not in holder.scopes:
        return Tried(well=False, sentence=f"{sentence}; for the chat it needs the scope {READS_CHAT}")
    return Tried(well=True, sentence=sentence)


def _check(reply: Reply, now: datetime) -> None:
    if reply.status == 429:
        raise Throttled("Twitch asks us to slow down (429)", until(reply.headers, now))
    if not 200 <= reply.status < 300:
        raise Dropped(f"Twitch answered HTTP {reply.status}")
    if not reply.body.strip():
        raise Unreadable("empty")
