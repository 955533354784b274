"""Twitch Helix, as far as discovery asks it: which account a login is, and what is live with how many viewers. Pure.

``POST id.twitch.tv/oauth2/token`` (client credentials) lets us in; ``GET helix/users`` takes 100 logins or ids, ``GET helix/streams``
100 user ids, of which it answers 20 unless ``first=100`` is said. Who is not in the answer is offline, or does not exist. 800 points a
minute, one a call, so 1,000 channels every 30 s are 20 of them. https://dev.twitch.tv/docs/api/reference, checked 2026-11-20.

A broadcast's native id is the stream's id. Logins change and come to belong to somebody else; user ids do neither.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlencode

from connectors import rest
from connectors.connector import Broadcast, Refused, Secret, Throttled, Unreadable
from connectors.discovery import Account, AppDiscoverer, Known, Question, Sighting, Token, batches, given_back
from connectors.foreign import object_of
from connectors.rest import Ask, Reply
from connectors.times import moment
from connectors.twitch.eventsub_tokens import holder_in, tokens_in, validating

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.connector import ConnectorFailure

AT_ONCE = 100
LONGEST_RESET = 120.0
"""Seconds; the bucket is full again after 60, so a reset that is further away is a wrong clock."""


class Helix(AppDiscoverer):
    """Live state, viewers and native ids of Twitch channels."""

    name = "twitch"
    title = "Twitch"
    # Half of what is allowed: two that hand over to each other within a minute stay below it together, and `roster check` may ask too.
    quota: ClassVar[tuple[int, float]] = (400, 60.0)

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:
        """A user's token opens Helix too, for as long as it lasts."""
        return tuple(name for name in super().missing(options) if name != "client_secret" or not _by_user(options))

    # --- questions ----------------------------------------------------------------------------------------------------

    def enter(self) -> Question:
        if self.opts.client_secret is None:
            return Question(what="token", ask=validating(self.opts, tokens_in(self.opts.user_tokens)[0]), cost=0)
        form = {
            "client_id": self.opts.client_id.reveal(),
            "client_secret": self.opts.client_secret.reveal(),
            "grant_type": "client_credentials",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        ask = Ask(method="POST", url=f"{self.opts.login_url}/token", headers=headers, body=urlencode(form).encode())
        return Question(what="token", ask=ask, cost=0)

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        return [self._question("accounts", "users", "login", some) for some in batches(handles, AT_ONCE)]

    def recheck(self, native_ids: Sequence[str]) -> list[Question]:
        return [self._question("accounts", "users", "id", some) for some in batches(native_ids, AT_ONCE)]

    def discover(self, channels: Sequence[Known], now: datetime, budget: int) -> list[Question]:
        some = batches([channel.native_id for channel in channels], AT_ONCE)[: max(0, budget)]
        return [self._question("status", "streams", "user_id", ids, ("first", str(AT_ONCE))) for ids in some]

    def _question(
        self, what: Literal["accounts", "status"], path: str, key: str, values: tuple[str, ...], *more: tuple[str, str]
    ) -> Question:
        query = urlencode([*((key, value) for value in values), *more])
        ask = Ask(url=f"{self.opts.helix_url}/{path}?{query}", headers={"Client-Id": self.opts.client_id.reveal()})
        return Question(what=what, ask=ask, about=values)

    # --- answers ------------------------------------------------------------------------------------------------------

    def read_token(self, body: bytes, now: datetime) -> Token:
        if self.opts.client_secret is None:
            ends = now + timedelta(seconds=holder_in(body, self.opts).seconds or 3600)
            return Token(value=tokens_in(self.opts.user_tokens)[0], expires_at=given_back(ends, now))
        found = object_of(body)
        value = _text(found, "access_token")
        if not value:
            raise Unreadable("no_token")
        seconds = found.get("expires_in")
        lasts = timedelta(seconds=min(max(seconds, 0), 10**7) if isinstance(seconds, int | float) else 3600)
        return Token(value=Secret(value), expires_at=given_back(now + lasts, now))

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        found = {}
        for user in _rows(body):
            native_id, login = _text(user, "id"), _text(user, "login").lower()
            if native_id and login:
                account = Account(asked="", native_id=native_id, handle=login, title=_text(user, "display_name") or login)
                found[native_id] = found[login] = account
        return [
            replace(found[asked], asked=asked) if asked in found else Account(asked=asked, native_id=None)
            for asked in question.about
        ]

    def read_status(self, question: Question, body: bytes) -> list[Sighting]:
        seen = {native_id: Sighting(native_id=native_id) for native_id in question.about}
        for stream in _rows(body):
            native_id = _text(stream, "user_id")
            # ``type`` is empty when Twitch failed to say it; the row is there because the channel is live.
            if native_id in seen and _text(stream, "type") in ("live", ""):
                seen[native_id] = _sighting(native_id, stream)
        return list(seen.values())

    def failure(self, reply: Reply, now: datetime) -> ConnectorFailure:
        if reply.status == 429:
            return Throttled("Twitch asks us to slow down (429)", _reset(reply, now))
        if reply.status in (400, 403) and b"invalid client" in reply.body[:1000]:
            return Refused("Twitch does not know this client_id and client_secret; correct them in [twitch]")
        if reply.status == 401 and self.opts.client_secret is None:
            return Refused("the first of user_tokens in [twitch] has ended, and without client_secret it cannot be renewed")
        return rest.failure_of(reply, now, who="Twitch", key="client_id and client_secret of [twitch]")


def _by_user(options: Any) -> bool:
    return bool(options.eventsub == "websocket" and tokens_in(options.user_tokens))


def _sighting(native_id: str, stream: dict[str, Any]) -> Sighting:
    viewers = stream.get("viewer_count")
    started_at = moment(stream.get("started_at"))
    return Sighting(
        native_id=native_id,
        handle=_text(stream, "user_login").lower(),
        broadcasts=(
            # Without an id of its own the time at which it began tells it from the next one.
            Broadcast(
                native_id=_text(stream, "id") or f"{native_id}@{started_at.isoformat() if started_at else 'now'}",
                title=_text(stream, "title"),
                started_at=started_at,
            ),
        ),
        viewers=viewers if isinstance(viewers, int) and not isinstance(viewers, bool) and 0 <= viewers < 2**40 else None,
    )


def _rows(body: bytes) -> list[dict[str, Any]]:
    rows = object_of(body).get("data")
    if not isinstance(rows, list):
        raise Unreadable("no_data")
    return [row for row in rows if isinstance(row, dict)]


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _reset(reply: Reply, now: datetime) -> datetime:
    """When the bucket is full again: the header says it in Unix seconds."""
    text = reply.headers.get("ratelimit-reset", "").strip()
    if not (text.isascii() and text.isdigit()):
        return rest.until(reply.headers, now)
    seconds = int(text[:12]) - now.timestamp()
    return now + timedelta(seconds=min(max(seconds, 1.0), LONGEST_RESET))
