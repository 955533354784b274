"""A user's token of Twitch: whose it is, what it allows, how it is renewed, and how it is kept so that nobody else can read it. Pure.

``[twitch] user_tokens`` names one for each account, a refresh token or an access token; which of the two it is, Twitch says. An access token ends
after some four hours and is renewed with the refresh token and the application's secret; without these it is used until it ends. Twitch wants
every token to be validated at the start and each hour (``GET oauth2/validate``), and that says the account, the scopes and the end as well.

What was renewed must outlive the process, because the token in the configuration may be used up by it. It is remembered *sealed* with the
event's key (AES-SIV, RFC 5297): whoever reads the memory without the key reads nothing, what was changed opens as nothing, and destroying the key
destroys it. No token is in a repr, a log or an address.

https://dev.twitch.tv/docs/authentication/refresh-tokens and /validate-tokens, checked 2026-11-20. Whether a confidential client's refresh token
ever changes is **unconfirmed**; it may, here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from connectors.connector import Secret, Unreadable
from connectors.discovery import given_back
from connectors.foreign import object_of
from connectors.pacing import backoff
from connectors.rest import Ask, Reply, until
from connectors.twitch.fields import text_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.connector import Tools

READS_CHAT: Final = "user:read:chat"
READS_FOLLOWS: Final = "moderator:read:followers"
WHERE_TOKENS: Final = 'which Twitch\'s own command line gives: twitch token -u -s "user:read:chat"'
VALIDATE_EVERY: Final = timedelta(hours=1)
REFUSED_AGAIN: Final = timedelta(hours=1)
"""A refusal needs a person; it is tried again so often in case one has acted on Twitch's side."""
LONGEST_WAIT: Final = 300.0
LATELY: Final = timedelta(minutes=10)
"""Refusals that follow so shortly are waited out longer and longer."""
LONGEST_TOKEN: Final = 1024


def tokens_in(given: Secret | None) -> tuple[Secret, ...]:
    """The tokens of the option, one a line, each once."""
    words = given.reveal().split() if given is not None else []
    return tuple(Secret(one) for one in dict.fromkeys(word.removeprefix("oauth:")[:LONGEST_TOKEN] for word in words))


def validating(options: Any, access: Secret) -> Ask:
    """Asks whose token it is; 401 for one that is none, or has ended."""
    return Ask(url=f"{options.login_url}/validate", headers={"Authorization": f"OAuth {access.reveal()}"}, proxy=options.proxy)


def renewing(options: Any, refresh: Secret) -> Ask:
    """Asks for another access token."""
    form = {
        "client_id": options.client_id.reveal(),
        "client_secret": options.client_secret.reveal(),
        "grant_type": "refresh_token",
        "refresh_token": refresh.reveal(),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Ask(
        method="POST", url=f"{options.login_url}/token", headers=headers, body=urlencode(form).encode(), proxy=options.proxy
    )


class Holder(msgspec.Struct, frozen=True):
    """Whose a token is, as Twitch says it; ``trouble`` says why it cannot be used."""

    user_id: str = ""
    login: str = ""
    scopes: frozenset[str] = frozenset()
    seconds: int | None = None
    """Until it ends; None: not said."""
    trouble: str = ""


def holder_in(body: bytes, options: Any) -> Holder:
    """What ``validating`` was answered with; raises Unreadable."""
    found = object_of(body)
    user_id, client, scopes, seconds = (
        text_in(found, "user_id"), text_in(found, "client_id"), found.get("scopes"), found.get("expires_in"),
    )  # fmt: skip
    trouble = ""
    if client and client != options.client_id.reveal():
        trouble = "it was made for another application than client_id"
    elif not user_id:
        trouble = "it is an application's and no user's"
    return Holder(
        user_id=user_id,
        login=text_in(found, "login"),
        scopes=frozenset(one for one in scopes if isinstance(one, str)) if isinstance(scopes, list) else frozenset(),
        seconds=seconds if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 10**9 else None,
        trouble=trouble,
    )


class Renewed(msgspec.Struct, frozen=True):
    """What must outlive the process."""

    access: str
    refresh: str

    @property
    def token(self) -> Secret:
        return Secret(self.access)

    def __repr__(self) -> str:
        return "Renewed(…)"


def renewed_in(body: bytes, before: Secret) -> Renewed:
    """What ``renewing`` was answered with; raises Unreadable."""
    found = object_of(body)
    access = text_in(found, "access_token", longest=LONGEST_TOKEN)
    if not access:
        raise Unreadable("no_token")
    return Renewed(access, text_in(found, "refresh_token", longest=LONGEST_TOKEN) or before.reveal())


# --- kept -------------------------------------------------------------------------------------------------------------


def sealed(text: str, pseudonym: Callable[[str, str], str]) -> str:
    """The text, to be opened with the same key alone; the same text is the same seal, so it needs no dice."""
    return _cipher(pseudonym).encrypt(text.encode(), None).hex()


def opened(seal: str, pseudonym: Callable[[str, str], str]) -> str | None:
    """What was sealed; None with another key, or when it was changed."""
    try:
        return _cipher(pseudonym).decrypt(bytes.fromhex(seal), None).decode()
    except (ValueError, InvalidTag):
        return None


def _cipher(pseudonym: Callable[[str, str], str]) -> AESSIV:
    return AESSIV(bytes.fromhex("".join(pseudonym("twitch token key", str(part)) for part in range(4))))


# --- one token over the days ------------------------------------------------------------------------------------------


class UserToken:
    """One account's. ``next`` asks, ``take`` learns; ``access`` is there while it may be used."""

    def __init__(self, options: Any, tools: Tools, given: Secret, number: int) -> None:
        self.opts = options
        self.tools = tools
        self.number = number
        """Which of the tokens that are configured it is, from 1: so people are told of it."""
        self.key = f"token {tools.pseudonym('twitch user token', given.reveal())}"
        """Under which it is kept; says nothing of it."""
        self.holder = Holder()
        """Whose it is, as far as we know."""
        self.trouble = ""
        self.news: str | None = None
        """What must be kept from now on, sealed; the owner takes it away."""
        self._given = given
        self._access: Secret | None = given
        self._refresh: Secret | None = None
        self._valid = False
        self._renew_at: datetime | None = None
        self._validate_at: datetime | None = None
        self._not_before: datetime | None = None
        self._untried = False
        """Whether it was renewed and Twitch has not said yet whose it is."""
        self._rejected_at: datetime | None = None
        self._rejections = 0
        """Shortly after one another."""
        self._failures = 0

    @property
    def access(self) -> Secret | None:
        """The token, once Twitch said whose it is."""
        return self._access if self._valid else None

    def load(self, kept: str) -> None:
        """What an earlier process remembered, sealed; what cannot be opened was another event's."""
        text = opened(kept, self.tools.pseudonym)
        if text is None:
            return
        try:
            found = msgspec.json.decode(text, type=Renewed)
        except msgspec.DecodeError:
            return
        self._access, self._refresh = found.token, Secret(found.refresh)

    def next(self, now: datetime) -> tuple[str, Ask] | None:
        if self._not_before is not None and now < self._not_before:
            return None
        if self._refresh is not None and (self._access is None or (self._renew_at is not None and now >= self._renew_at)):
            return "renew", renewing(self.opts, self._refresh)
        if self._access is not None and (self._validate_at is None or now >= self._validate_at):
            return "validate", validating(self.opts, self._access)
        return None

    def rejected(self, now: datetime) -> None:
        """Helix did not take it: it ended before its time, or the account took its consent back."""
        again = self._rejected_at is not None and now - self._rejected_at < LATELY
        self._rejections = self._rejections + 1 if again else 0
        if again:
            self._wait("Twitch takes its token for valid and refuses it", now, self._rejections)
        self._rejected_at, self._validate_at, self._valid = now, None, False

    def take(self, what: str, reply: Reply, now: datetime) -> None:
        """The answer to the last question, whatever its status; never raises."""
        try:
            if what == "validate":
                self._validated(reply, now)
            else:
                self._renewed(reply, now)
        except Unreadable as error:
            self._wait(f"Twitch's answer about it cannot be read ({error.reason})", now)

    def failed(self, reason: str, now: datetime) -> None:
        """There was no answer."""
        self._wait(reason, now)

    def _validated(self, reply: Reply, now: datetime) -> None:
        if reply.status == 401:
            self._valid, self._access = False, None
            if self._untried:
                self._wait("Twitch does not take what it has just renewed", now)
            elif self._refresh is None and self.opts.client_secret is not None:
                self._refresh = self._given  # what is configured is no access token, or one that ended: perhaps it renews
            elif self._refresh is None:
                self._refuse("has ended, and without client_secret it cannot be renewed", now)
        elif not 200 <= reply.status < 300:
            self._again(reply, now)
        else:
            found = holder_in(reply.body, self.opts)
            if found.trouble:
                self._refuse(f"cannot be used: {found.trouble}", now)
                return
            self.holder, self._valid, self.trouble, self._failures, self._renew_at = found, True, "", 0, None
            self._validate_at, self._untried = now + VALIDATE_EVERY, False
            if found.seconds is not None:
                ends = now + timedelta(seconds=found.seconds)
                self._renew_at = max(given_back(ends, now), now + timedelta(minutes=1))
                self._validate_at = min(max(ends, self._renew_at), self._validate_at)

    def _renewed(self, reply: Reply, now: datetime) -> None:
        assert self._refresh is not None
        if 200 <= reply.status < 300:
            found = renewed_in(reply.body, self._refresh)
            self._access, self._refresh = found.token, Secret(found.refresh)
            self._renew_at, self._validate_at, self._untried = None, None, True
            self.news = sealed(msgspec.json.encode(found).decode(), self.tools.pseudonym)
        elif reply.status not in (400, 401, 403):
            self._again(reply, now)
        elif b"client" in reply.body[:1000].lower():
            self._refuse("cannot be renewed: Twitch does not know this client_id and client_secret", now)
        elif self._refresh != self._given:
            # Another renewed it, or it was taken back: what is configured is the last word.
            self._access, self._refresh, self._untried = self._given, None, False
        else:
            self._refuse("is not valid any more; its account must let the application in again", now)

    def _again(self, reply: Reply, now: datetime) -> None:
        self._wait(f"Twitch answers HTTP {reply.status}", now)
        if reply.status == 429:
            self._not_before = until(reply.headers, now)

    def _wait(self, why: str, now: datetime, attempts: int = 0) -> None:
        self._failures = max(attempts, self._failures + 1)
        self.trouble = f"the user token number {self.number} cannot be looked at: {why}"
        self._not_before = now + timedelta(seconds=max(1.0, backoff(self._failures, self.tools.dice, cap=LONGEST_WAIT)))

    def _refuse(self, why: str, now: datetime) -> None:
        """Begin anew later, with what is configured."""
        self.trouble = f"the user token number {self.number} of user_tokens in [twitch] {why}"
        self.holder, self._valid = Holder(), False
        self._access, self._refresh, self._renew_at, self._untried = self._given, None, None, False
        self._validate_at, self._not_before = None, now + REFUSED_AGAIN
