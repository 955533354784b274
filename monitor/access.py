"""Who may come in, and what for: names, origins, tokens and roles, and the one table of what each address asks for. Pure.

Promises: what is not in the table is for nobody but an admin; a token is stored as its SHA-256 and compared in constant time (it has 256
random bits, so nothing slower is needed); a cookie is made of the token, and a stolen cookie does not give the token back; while tokens
cannot be read, nobody comes in. Until there are tokens whoever sits at the machine may do everything, and others may look.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Role = Literal["viewer", "moderator", "lead", "metrics", "admin"]
Need = Literal["nobody", "viewer", "moderator", "lead", "metrics", "admin"]

ROLES: Final[tuple[Role, ...]] = ("viewer", "moderator", "lead", "metrics", "admin")
ALLOWS: Final[Mapping[Role, frozenset[Need]]] = {
    "viewer": frozenset({"nobody", "viewer"}),
    "moderator": frozenset({"nobody", "viewer", "moderator"}),
    "lead": frozenset({"nobody", "viewer", "moderator", "lead", "metrics"}),
    "metrics": frozenset({"nobody", "metrics"}),
    "admin": frozenset({"nobody", "viewer", "moderator", "lead", "metrics", "admin"}),
}

ROUTES: Final[Mapping[tuple[str, str], Need]] = {
    ("GET", "/"): "viewer",
    ("GET", "/feed"): "viewer",
    ("GET", "/api/state"): "viewer",
    ("GET", "/api/livestreams"): "viewer",
    ("GET", "/map.json"): "viewer",
    ("POST", "/api/highlights"): "moderator",
    ("POST", "/api/spikes"): "moderator",
    ("GET", "/api/pending"): "moderator",
    ("POST", "/api/pending"): "lead",
    # A moderator is given the messages that wait and nothing else; the commands below are a lead's.
    ("GET", "/remote"): "moderator",
    ("GET", "/source"): "viewer",
    ("GET", "/api/me"): "viewer",
    ("POST", "/api/wall"): "lead",
    ("GET", "/api/wall/log"): "moderator",
    ("GET", "/metrics"): "metrics",
    ("GET", "/healthz"): "nobody",
    ("GET", "/readyz"): "nobody",
    ("GET", "/login"): "nobody",
    ("POST", "/login"): "nobody",
    ("POST", "/logout"): "nobody",
    ("GET", "/login.css"): "nobody",
    # Signed by their senders, each in its own way.
    ("*", "/hooks/{name}"): "nobody",
    ("*", "/hooks/{name}/{rest}"): "nobody",
    # Attendees come by their own links.
    ("GET", "/join"): "nobody",
    ("POST", "/join"): "nobody",
    ("GET", "/join/qr.svg"): "nobody",
    ("GET", "/join/style.css"): "nobody",
    ("GET", "/privacy"): "nobody",
    ("GET", "/me/{token}"): "nobody",
    ("POST", "/me/{token}/{action}"): "nobody",
    ("GET", "/liaison/{token}"): "nobody",
    ("POST", "/liaison/{token}/{action}"): "nobody",
    # Script and style of the pages: no secret is in them.
    ("GET", "/{path}"): "nobody",
}
"""(method, route) → the least that one must be; ``nobody``: no token is asked for."""

OWN_FORMS: Final = ("/hooks/", "/join", "/me/", "/liaison/")
"""Routes below these prove by themselves where a POST comes from."""

MOST_PER_NAME: Final = 2
"""The one in use, and the next one while it is handed out."""
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""What a proxy says about whom it speaks for."""
NAME: Final = re.compile(r"[\w][\w .@-]{0,39}")
COOKIE_FORM: Final = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{64})")


# --- names and origins --------------------------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_allowed(host: str, own: frozenset[str] | None) -> bool:
    """Whether the Host header is a name of ours; ``own`` None: any (we are bound to the network on purpose)."""
    return own is None or _name(host) in own


def origin_allowed(origin: str | None, host: str, allowed: Iterable[str]) -> bool:
    """Same host and port as the page's own, or listed. ``none`` in the list lets in clients that send no Origin: no browser does that."""
    if origin is None:
        return "none" in allowed
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    return parts.netloc.lower() == host.lower() or origin.lower() in allowed


def own_names(host: str, origins: Iterable[str]) -> frozenset[str] | None:
    """Names under which pages may be asked for."""
    if not is_loopback(host):
        return None
    return LOOPBACK_NAMES | {host} | {name for origin in origins if (name := urlsplit(origin).hostname)}


def is_at_the_desk(peer: str | None, host: str, headers: Mapping[str, str]) -> bool:
    """Whether a request comes from this machine itself, and not through a proxy on it: until there are tokens, only that may decide."""
    if peer is None or not is_loopback(peer) or _name(host) not in LOOPBACK_NAMES:
        return False
    return not any(name in headers for name in FORWARDED)


def posted_by_us(headers: Mapping[str, str], host: str, allowed: Iterable[str], *, ambient: bool) -> bool:
    """Whether a change was asked for by a page of ours, or by no page at all.

    ``ambient``: it is let in by something that a browser sends by itself, a cookie or that it runs on this machine.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is not None:
        return origin_allowed(origin, host, [name for name in allowed if name != "none"])
    return site in (None, "same-origin") if not ambient else site == "same-origin" or (site is None and "Cookie" not in headers)


def network(peer: str | None, forwarded: str) -> str:
    """Whom attempts are counted for: the address, of IPv6 the network, behind a proxy of this machine what the proxy says."""
    try:
        address = ipaddress.ip_address(peer or "")
        if address.is_loopback and (last := forwarded.rpartition(",")[2].strip()):
            address = ipaddress.ip_address(last)
    except ValueError:
        return (peer or "")[:64]
    return str(ipaddress.ip_network((address, 32 if address.version == 4 else 64), strict=False))


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


# --- tokens -------------------------------------------------------------------------------------------------------------


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it is stored: nothing in it opens a door."""

    id: str
    role: Role
    name: str
    """Whose; stands in the log of what was done."""
    hash: str
    session: str
    """Hash of what stands in cookies."""
    made: str
    stage: bool = False
    """A screen on stage: it is given the profile *stage*, whatever it asks for."""


class Visitor(msgspec.Struct, frozen=True):
    """Who asks."""

    role: Role
    name: str
    token: str = ""
    """Id; empty for whoever needs none yet."""
    stage: bool = False
    session: str = ""
    """Which login of the token, when by a cookie."""
    ambient: bool = True
    """Let in by something that a browser sends by itself."""


DESK: Final = Visitor("lead", "desk")
PASSER: Final = Visitor("viewer", "anybody")


def new_token(role: Role, name: str, *, raw: bytes, id_: str, made: str, stage: bool = False) -> tuple[str, Token]:
    """(what is shown once, what is stored); ``raw`` are 32 random bytes."""
    text = "lm_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    session = _digest(session_secret(text))
    return text, Token(id=id_, role=role, name=name, hash=_digest(text), session=session, made=made, stage=stage)


def problem(tokens: Iterable[Token], new: Token) -> str | None:
    """Why this one cannot be added, as a sentence."""
    if not NAME.fullmatch(new.name):
        return "a name has letters, digits, spaces and . _ - @, at most 40"
    if new.stage and new.role != "viewer":
        return "only a viewer's token can be for a screen on stage"
    same = [token for token in tokens if (token.role, token.name) == (new.role, new.name)]
    if len(same) >= MOST_PER_NAME:
        ids = " or ".join(token.id for token in same)
        return f"{new.role} {new.name} has two tokens already; revoke {ids} first, or choose another --name"
    return None


def session_secret(text: str) -> str:
    """What a cookie holds instead of the token."""
    return _digest(f"session:{text}")


def cookie_of(text: str, session: str) -> str:
    """``session`` are 16 hexadecimal digits that tell this login from others of the token."""
    return f"{session}.{session_secret(text)}"


def bearer(header: str) -> str | None:
    """The token of an Authorization header; None when it has another form."""
    kind, _, text = header.partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


def find(tokens: Iterable[Token], text: str) -> Token | None:
    """Whose token this is. All are compared, each in constant time."""
    given, found = _digest(text), None
    for token in tokens:
        if hmac.compare_digest(token.hash, given):
            found = token
    return found


def find_session(tokens: Iterable[Token], cookie: str) -> tuple[Token, str] | None:
    """Whose cookie this is, and of which login."""
    if (form := COOKIE_FORM.fullmatch(cookie)) is None:
        return None
    given, found = _digest(form[2]), None
    for token in tokens:
        if hmac.compare_digest(token.session, given):
            found = token
    return None if found is None else (found, form[1])


def visitor(tokens: Sequence[Token] | None, *, authorization: str | None, cookie: str | None, at_desk: bool) -> Visitor | None:
    """Who this is; None: somebody who must show a token. ``tokens`` None: they cannot be read."""
    if authorization is not None:
        token = find(tokens or (), bearer(authorization) or "")
        return None if token is None else Visitor(token.role, token.name, token.id, token.stage, ambient=False)
    if cookie is not None and (known := find_session(tokens or (), cookie)) is not None:
        return Visitor(known[0].role, known[0].name, known[0].id, known[0].stage, known[1])
    if tokens is None or tokens:
        return None
    return DESK if at_desk else PASSER


def may(who: Visitor | None, need: Need) -> bool:
    """Whether this is for them."""
    if who is PASSER:  # as before there were tokens: whoever the proxy lets through may look
        return need in ("nobody", "viewer", "metrics")
    return need == "nobody" if who is None else need in ALLOWS[who.role]


def need_of(method: str, route: str) -> Need:
    """What a route asks for; one that nobody listed is an admin's."""
    plain = re.sub(r":[^{}]*\}", "}", route)
    return ROUTES.get(("GET" if method == "HEAD" else method, plain)) or ROUTES.get(("*", plain)) or "admin"


def local_path(path: str) -> str:
    """Where to go after logging in: a path of ours, else the wall."""
    return path if re.fullmatch(r"/([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*)?", path) else "/"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
