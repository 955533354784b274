"""People's accounts at the simulated Twitch: the tokens that they gave the application, and what an account may hold over websockets. Pure.

An access token ends after four hours; a refresh token gives the next one, and ends itself when ``rotates``; whoever took the consent back has tokens
that are worth nothing. Over websockets an account has 3 connections, 300 enabled subscriptions on each, and may spend 10: a subscription costs 1, and
nothing for the own channel or that of a broadcaster who authorised the application.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCOPES: Final = ("user:read:chat", "moderator:read:followers")
TOKEN_SECONDS: Final = 14_400.0
HOUSE: Final = "900000001"
"""The account whose refresh token is known without asking, so that a configuration may name it."""
HOUSE_TOKEN: Final = "simulated-refresh"  # noqa: S105 - of the simulator itself
NEEDS: Final = {"channel.follow": "moderator:read:followers"}
"""What a type wants; chats want ``user:read:chat``."""


@dataclass(slots=True)
class Person:
    """One account."""

    user_id: str
    scopes: tuple[str, ...] = SCOPES
    access: dict[str, float] = field(default_factory=dict)
    """Token → when it ends."""
    refresh: str = ""
    welcome: bool = True
    """Whether the application still has the account's consent."""


class People:
    """Who let the application in."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.rotates = False
        """Whether a refresh token is worth nothing once it was used."""
        self.most_connections = 3
        self.most_each = 300
        self.max_total_cost = 10
        self.validated = self.renewed = 0
        """How often it was asked."""
        self._people: dict[str, Person] = {HOUSE: Person(HOUSE, refresh=HOUSE_TOKEN)}
        self._serial = 0

    def __getitem__(self, user_id: str) -> Person:
        return self._people[user_id]

    def let_in(self, user_id: str, scopes: Iterable[str] = SCOPES) -> Person:
        """An account gives its consent; its tokens are new."""
        person = self._people[user_id] = Person(user_id, tuple(scopes), refresh=self._token())
        self.give(person)
        return person

    def give(self, person: Person) -> str:
        """Another access token."""
        token = self._token()
        person.access[token] = self.clock() + TOKEN_SECONDS
        return token

    def expire(self) -> None:
        """Every access token ends now; refresh tokens go on."""
        for person in self._people.values():
            person.access.clear()

    def of(self, token: str) -> Person | None:
        """Whose it is, while it is worth anything."""
        now = self.clock()
        return next((one for one in self._people.values() if one.welcome and one.access.get(token, 0.0) > now), None)

    # --- what id.twitch.tv answers --------------------------------------------------------------------------------------

    def validate(self, token: str, client_id: str) -> tuple[int, dict[str, Any]]:
        self.validated += 1
        person = self.of(token)
        if person is None:
            return 401, {"status": 401, "message": "invalid access token"}
        seconds = int(person.access[token] - self.clock())
        return 200, {
            "client_id": client_id, "login": f"user{person.user_id}", "scopes": list(person.scopes), "user_id": person.user_id,
            "expires_in": seconds,
        }  # fmt: skip

    def renew(self, refresh: str) -> tuple[int, dict[str, Any]]:
        self.renewed += 1
        person = next((one for one in self._people.values() if one.welcome and one.refresh == refresh), None)
        if person is None:
            return 400, {"error": "Bad Request", "status": 400, "message": "Invalid refresh token"}
        if self.rotates:
            person.refresh = self._token()
        return 200, {
            "access_token": self.give(person), "refresh_token": person.refresh, "scope": list(person.scopes), "token_type": "bearer",
            "expires_in": int(TOKEN_SECONDS),
        }  # fmt: skip

    # --- what EventSub allows -------------------------------------------------------------------------------------------

    def refusal(self, person: Person, kind: str, condition: dict[str, Any], *, is_free: bool) -> str:
        """Why an account may not subscribe to this; empty: it may."""
        needed = "user:read:chat" if kind.startswith("channel.chat.") else NEEDS.get(kind, "")
        reader = condition.get("user_id") or condition.get("moderator_user_id") or person.user_id
        moderates = kind not in NEEDS or is_free
        fits = (not needed or needed in person.scopes) and reader == person.user_id and moderates
        return "" if fits else "subscription missing proper authorization"

    def limit(self, person: Person, standing: list[dict[str, Any]], session: str, cost: int) -> str:
        """Why an account may have no more; empty: it may. ``standing`` are its own that are enabled."""
        sessions = {one["transport"]["session_id"] for one in standing}
        if session not in sessions and len(sessions) >= self.most_connections:
            return "number of websocket transports limit exceeded"
        if sum(one["transport"]["session_id"] == session for one in standing) >= self.most_each:
            return "subscription limit of the websocket exceeded"
        if sum(one["cost"] for one in standing) + cost > self.max_total_cost:
            return "max total cost exceeded"
        return ""

    def _token(self) -> str:
        self._serial += 1
        return hashlib.blake2b(f"user {self._serial} {self.clock()}".encode(), digest_size=15).hexdigest()
