"""Handles as people paste them, to the one form that a platform knows. Pure.

``normalise(platform, pasted)`` takes a URL, ``@name``, ``#name``, full-width or upper-case characters, a trailing slash; it raises
``BadHandle`` with what was expected instead. A platform that is not in the table keeps the tidied text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""What copying from a chat or a right-to-left page leaves behind."""

URL = re.compile(r"(?:https?:/*)?(?P<host>[\w-]+(?:\.[\w-]+)+)/+(?P<path>[^?#]*).*", re.IGNORECASE)

TWITCH_LOGIN = re.compile(r"[a-z0-9]\w{0,24}", re.ASCII)
TWITCH_PAGES = frozenset(("popout", "moderator", "embed", "u"))
"""twitch.tv/popout/LOGIN/chat and the like: the login comes after them."""

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
BLUESKY_HANDLE = re.compile(rf"(?:{LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
"""https://atproto.com/specs/handle"""
DID = re.compile(r"did:(?:plc:[a-z2-7]{24}|web:[a-z0-9.:%-]+)", re.IGNORECASE)
"""https://atproto.com/specs/did and https://github.com/did-method-plc/did-method-plc"""

YOUTUBE_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")
YOUTUBE_HANDLE = re.compile(r"[\w.\-·]{3,100}|(?=.*[^\x00-\x7f])[\w.\-·\u0300-\u036f\u0590-\u0eff]{1,100}")
"""Letters of any script, digits, underscores, hyphens, full stops, middle dots: support.google.com/youtube/answer/11585688 (unconfirmed).
Scripts other than Latin need fewer of them, and some write vowels as marks."""
YOUTUBE_VIDEOS = frozenset(("watch", "live", "shorts", "embed", "playlist"))

SESSION = re.compile(r"[A-Za-z0-9_-]{4,80}", re.ASCII)
SEALED = re.compile(r"session-[0-9a-f]{12}")
"""A session as ``seal`` shows it."""
HOST = re.compile(rf"(?:{LABEL}\.)*{LABEL}|\[[0-9a-f:.]+\]")


class BadHandle(ValueError):
    """``expected`` completes the sentence "expected …"."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def tidy(pasted: str) -> str:
    """Without invisible characters, full-width forms, surrounding space and quotes."""
    return INVISIBLE.sub("", unicodedata.normalize("NFKC", pasted)).strip().strip("<>\"'“”‘’«»").strip()


def normalise(platform: str, pasted: str) -> str:
    """The handle in the platform's own form, lower case; raises BadHandle."""
    text = tidy(pasted)
    if not text:
        raise BadHandle("a handle or the address of the channel")
    return _READERS.get(platform.partition(".")[0], _other)(text)


def seal(platform: str, handle: str) -> str:
    """The name under which a handle is shown. A Social Stream Ninja session is a secret: who knows it can write as the attendee."""
    if platform.partition(".")[0] != "ssn" or SEALED.fullmatch(handle):
        return handle
    return f"session-{hashlib.sha256(handle.encode()).hexdigest()[:12]}"


def is_native_id(platform: str, native_id: str) -> bool:
    """Whether it may be the platform's own id of an account; any text for a platform that is not in the table."""
    pattern = {"twitch": re.compile(r"[0-9]{1,20}"), "bluesky": DID}.get(platform)
    return pattern is None or pattern.fullmatch(native_id) is not None


def _parts(text: str, hosts: tuple[str, ...], expected: str) -> list[str]:
    """The path of a pasted URL of one of these hosts, or the text alone; a URL of another host is refused."""
    url = URL.fullmatch(text)
    if url is None:
        return [text]
    host = url["host"].casefold().removeprefix("www.").removeprefix("m.").removeprefix("go.")
    if host not in hosts:
        raise BadHandle(expected)
    return [unquote(part) for part in url["path"].split("/") if part]


def _twitch(text: str) -> str:
    expected = "a Twitch login (letters, digits, _) or an address such as twitch.tv/login"
    parts = _parts(text.rstrip("/"), ("twitch.tv",), expected)
    if len(parts) > 1 and parts[0].casefold() in TWITCH_PAGES:
        parts = parts[1:]
    login = parts[0].lstrip("@#").casefold() if parts else ""
    if not TWITCH_LOGIN.fullmatch(login) or login in TWITCH_PAGES:
        raise BadHandle(expected)
    return login


def _bluesky(text: str) -> str:
    expected = "a Bluesky handle with its domain, such as name.bsky.social, an address such as bsky.app/profile/name.bsky.social, or a DID"
    text = text.rstrip("/").removeprefix("at://")
    if text.casefold() in ("bsky.app", "bsky.app/profile"):
        raise BadHandle(expected)
    parts = _parts(text, ("bsky.app", "staging.bsky.app"), expected)
    if parts and parts[0].casefold() == "profile":
        parts = parts[1:]
    handle = parts[0].lstrip("@").casefold() if parts else ""
    if not DID.fullmatch(handle) and (len(handle) > 253 or not BLUESKY_HANDLE.fullmatch(handle)):
        raise BadHandle(expected)
    return handle


def _youtube(text: str) -> str:
    """``@name`` without the @, lower case; a channel id (UC…) as it is, small and capital letters are different."""
    expected = "a YouTube handle such as @name, a channel's address, or its id (UC…)"
    parts = _parts(text.rstrip("/"), ("youtube.com",), expected)
    if parts and parts[0].casefold() in YOUTUBE_VIDEOS and len(parts) + (URL.fullmatch(text) is not None) > 1:
        raise BadHandle(f"{expected}; the address of a video belongs into live_url")
    if len(parts) > 1 and parts[0].casefold() in ("channel", "c", "user"):
        parts = parts[1:]
    name = parts[0].strip() if parts else ""
    if YOUTUBE_ID.fullmatch(name):
        return name
    name = name.lstrip("@").casefold()
    if not YOUTUBE_HANDLE.fullmatch(name):
        raise BadHandle(expected)
    return name


def _ssn(text: str) -> str:
    """A session id as it is, small and capital letters are different; or out of the address of the dock, the relay or its events."""
    session = text.removeprefix("session:").strip()
    if "/" in session or "?" in session:
        parts = urlsplit(session)
        path = [part for part in parts.path.split("/") if part]
        at_relay = path[1] if len(path) > 1 and path[0] in ("join", "sse") else ""
        session = parse_qs(parts.query).get("session", [at_relay])[0]
    if not SESSION.fullmatch(session):
        raise BadHandle("a Social Stream Ninja session id, or the address of its dock with session= in it")
    return session


def _owncast(text: str) -> str:
    """``host`` or ``host:port``; http:// is kept where the port does not say it."""
    expected = "the address of an Owncast server, such as live.example.org"
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port, scheme = (parts.hostname or "").casefold(), parts.port, parts.scheme.casefold()
    except ValueError:
        raise BadHandle(expected) from None
    host = f"[{host}]" if ":" in host else host
    if scheme not in ("", "http", "https") or parts.username is not None or not HOST.fullmatch(host) or len(host) > 253:
        raise BadHandle(expected)
    if scheme == "http":
        port = port or 80
    elif port == 443:
        port = None
    plain = scheme == "http" and port not in (80, 8080)
    return f"{'http://' if plain else ''}{host}{f':{port}' if port else ''}"


def _other(text: str) -> str:
    for _ in range(10):  # Taking one thing away may join two others; what was read once must read the same again.
        shorter = tidy(re.sub(r"\s+|^https?://", "", text).rstrip("/").lstrip("@").casefold())
        if shorter == text:
            break
        text = shorter
    if not text:
        raise BadHandle("a handle or the address of the channel")
    return text


_READERS: dict[str, Callable[[str], str]] = {
    "twitch": _twitch,
    "bluesky": _bluesky,
    "youtube": _youtube,
    "ssn": _ssn,
    "owncast": _owncast,
}
