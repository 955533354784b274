"""What an answer that is not 200 means: for one chat, for the key, or for the whole day. Pure.

Two shapes are in use, and a held response wraps either in an array::

    {"error":{"code":403,"message":"…","errors":[{"domain":"youtube.quota","reason":"quotaExceeded","message":"…"}]}}
    [{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"…","details":[{"reason":"API_KEY_INVALID"}]}}]
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, NamedTuple

from connectors.connector import ConnectorFailure, Dropped, Refused, Throttled, Unreadable
from connectors.foreign import decode
from connectors.pacing import retry_after
from connectors.youtube.quota import midnight_after

Meaning = Literal["day", "reserve", "slow", "key", "ended", "disabled", "gone", "token", "closed", "dropped"]
"""``day``: no units until midnight · ``reserve``: those that are left are for opening chats · ``slow``: later · ``key``: a person must act, for all chats · ``ended``: this chat is over ·
``disabled``: it is switched off · ``gone``: nobody knows it · ``token``: the place to resume from is not known any more ·
``closed``: it is not for us · ``dropped``: try again."""

DAY = frozenset(("quotaexceeded", "dailylimitexceeded", "youtube.quota"))
SLOW = frozenset(("ratelimitexceeded", "userratelimitexceeded", "rate_limit_exceeded", "resource_exhausted", "too_many_requests"))
KEY = frozenset(
    (
        "keyinvalid", "keyexpired", "api_key_invalid", "accessnotconfigured", "service_disabled", "dailylimitexceededunreg",
        "iprefererblocked", "api_key_ip_address_blocked", "api_key_http_referrer_blocked", "api_key_service_blocked", "autherror",
        "api_key_android_app_blocked", "api_key_ios_app_blocked", "unauthenticated", "unauthorized", "consumer_invalid",
        "consumer_suspended", "youtubesignuprequired", "access_token_expired",
    )
)  # fmt: skip
ENDED = frozenset(("livechatended",))
DISABLED = frozenset(("livechatdisabled",))
GONE = frozenset(("livechatnotfound", "videonotfound", "notfound", "not_found"))
CLOSED = frozenset(("forbidden", "insufficientpermissions", "permission_denied"))

WORDS = {
    "day": "YouTube's quota of the day is used up; it comes back at midnight Pacific time",
    "slow": "YouTube asks us to slow down",
    "ended": "the live chat is over",
    "disabled": "the chat is switched off for this broadcast; its owner can switch it on",
    "gone": "YouTube does not know this chat any more; the broadcast is over, private or deleted",
    "token": "YouTube does not know any more where we stopped",
    "closed": "YouTube does not let us read this chat; it may be for members only or private",
}


class Problem(NamedTuple):
    meaning: Meaning
    words: str
    until: datetime | None = None


class Refusal(Exception):
    """What a call raises: the chat that made it, or the connection, decides what follows."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.words)
        self.problem = problem

    def failure(self, now: datetime) -> ConnectorFailure:
        """As the whole connection fails of it."""
        if self.problem.meaning in {"day", "slow"}:
            return Throttled(self.problem.words, self.problem.until or midnight_after(now))
        return Refused(self.problem.words) if self.problem.meaning == "key" else Dropped(self.problem.words)


def closed_text(words: str, until: datetime, *, day: bool) -> str:
    """What YouTube said to the whole project, as all of us remember it."""
    return json.dumps({"until": until.isoformat(), "meaning": "day" if day else "slow", "words": words})


def closed_until(text: str) -> Throttled | None:
    """The same read again; nonsense says nothing."""
    try:
        told = decode(text.encode())
        return Throttled(str(told["words"]), datetime.fromisoformat(told["until"]))
    except (Unreadable, KeyError, TypeError, ValueError):
        return None


def judge(status: int, body: bytes, retry: str | None, now: datetime, *, token: bool = False) -> Problem:
    """What to make of it; ``retry`` is the Retry-After header, ``token`` whether a page token was sent.

    YouTube's message is not passed on: it may quote the request, and the key with it.
    """
    words, message = told(body)
    return _problem(words, message, status, retry, now, token=token)


def judge_error(error: dict[str, Any], now: datetime) -> Problem:
    """The same for an error that comes in the middle of a held response."""
    words, message = _reasons([{"error": error}])
    code = error.get("code")
    return _problem(words, message, code if isinstance(code, int) else 500, None, now, token=True)


def told(body: bytes) -> tuple[frozenset[str], str]:
    """(reasons, domains and states in lower case; the message) of an error body; nothing of a body that is none."""
    try:
        content = decode(body)
    except Unreadable:
        return frozenset(), ""
    return _reasons(content if isinstance(content, list) else [content])


def _reasons(contents: list[Any]) -> tuple[frozenset[str], str]:
    found: set[str] = set()
    message = ""
    for content in contents:
        error = content.get("error") if isinstance(content, dict) else None
        if not isinstance(error, dict):
            continue
        message += " " + str(error.get("message", ""))
        for part in (error, *_tables(error.get("errors")), *_tables(error.get("details"))):
            found.update(str(part[name]).casefold() for name in ("reason", "domain", "status") if isinstance(part.get(name), str))
            limits = part.get("metadata")
            message += f" {limits.get('quota_limit', '')}" if isinstance(limits, dict) else ""
    return frozenset(found), message.casefold()


def _problem(words: frozenset[str], message: str, status: int, retry: str | None, now: datetime, *, token: bool) -> Problem:
    if words & DAY or (words & SLOW and ("per day" in message or "perday" in message)):
        return Problem("day", WORDS["day"], midnight_after(now))
    if status == 429 or words & SLOW:
        return Problem("slow", WORDS["slow"], retry_after(retry, now, default_seconds=60.0))
    if status == 401 or words & KEY or (status in {400, 403} and "api key" in message):
        return Problem("key", "YouTube refuses the key; check [youtube] api_key and that YouTube Data API v3 is enabled for it")
    named: tuple[tuple[Meaning, frozenset[str]], ...] = (("ended", ENDED), ("disabled", DISABLED), ("gone", GONE))
    for meaning, reasons in named:
        if words & reasons:
            return Problem(meaning, WORDS[meaning])
    if status == 400 and token:
        return Problem("token", WORDS["token"])
    if status in {404, 410}:
        return Problem("gone", WORDS["gone"])
    if status == 403 and ("no longer live" in message or words & {"failed_precondition"}):
        return Problem("ended", WORDS["ended"])
    if status in {400, 403}:
        return Problem(
            "closed", WORDS["closed"] if words & CLOSED or status == 403 else "YouTube does not understand the request"
        )
    if status == 503 and retry:
        return Problem("slow", "YouTube is overloaded (503)", retry_after(retry, now))
    return Problem("dropped", f"YouTube answered HTTP {status}")


def _tables(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
