"""What the sign-up pages share: what they need of the house, how a request is let in, and how an answer is put together.

Every page is drawn by signup_views.py, and what may be done is decided in signup.py; who comes with too many wrong links, or sends too many forms,
is slowed down here, per network address. No address that anybody pasted is ever fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import ipaddress
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import segno
from aiohttp import web

from monitor import pages, signup, signup_views
from monitor.channel_store import ROWS, ChannelStore
from monitor.channels import from_json
from monitor.limits import Limits
from monitor.pages import Html, word
from monitor.signup_store import REPORTS, SignupStore
from monitor.signup_views import Around

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from monitor.config import Config
    from monitor.links import Found
    from monitor.roster import Roster
    from monitor.scope import Said
    from monitor.signup import Place

COOKIE: Final = "join"
BODY_SECONDS: Final = 5.0
MOST_BODY: Final = 16 * 1024
MOST_RECORDS: Final = 50_000
"""Fields of ``{signup}``; an event has a thousand people, so beyond this somebody is filling the memory."""
JOINS: Final = (40, 60.0)
"""Forms per minute from one network address: a venue has one for everybody."""
JOINS_OF_ALL: Final = (400, 60.0)
WRONG_LINKS: Final = (20, 60.0)
SAID: Final = frozenset(("live", "not_this", "this_is", "paused", "resumed", "added", "saved", "withdrawn", "fixed", "verified"))

log = logging.getLogger("monitor.signup")


def in_force(said: Said) -> bool | None:
    """The producer's word, else the attendee's; None: nobody decided."""
    return said.producer if said.producer is not None else said.attendee


async def nobody(_platform: str, _handle: str) -> str | None:
    """The resolver of an installation without keys."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the pages need of the rest of the house."""

    config: Callable[[], Config]
    roster: Callable[[], Roster]
    """The file's, without what people said."""
    cell: Callable[[str], Mapping[str, Any]]
    """What the feed knows of a livestream, for "my numbers"."""
    key: bytes
    """The event's key, for fingerprints of e-mails."""
    resolve: Callable[[str, str], Awaitable[str | None]] = nobody
    """What a platform calls a handle: empty, there is none; None, it cannot be asked."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[int], bytes] = secrets.token_bytes


class Refusal(Exception):
    """The request ends here with a page that says why."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status, self.key = status, key


class Desk:
    """What every page is given."""

    def __init__(self, redis: Any, around: Surroundings, platforms: Collection[str]) -> None:
        self.store = SignupStore(redis)
        self.said = ChannelStore(redis)
        self.around = around
        self.platforms = platforms
        self._joins, self._all_joins, self._wrong = Limits(*JOINS), Limits(*JOINS_OF_ALL), Limits(*WRONG_LINKS)

    # --- who may come in ----------------------------------------------------------------------------------------------

    def token(self, request: web.Request) -> tuple[str, str]:
        """(token, its hash); who tried too many wrong ones is not even looked up."""
        if not self._wrong.is_open(network(request), self.around.monotonic()):
            raise Refusal(429, "error_busy")
        token = request.match_info["token"]
        known = signup.token_hash(token)
        if known is None:
            self.note_wrong(request)
            raise Refusal(404, "error_link")
        return token, known

    def count_join(self, request: web.Request) -> None:
        place, now = network(request), self.around.monotonic()
        if not (self._joins.is_open(place, now) and self._all_joins.is_open("", now)):
            raise Refusal(429, "error_busy")
        self._joins.note(place, now)
        self._all_joins.note("", now)

    def note_wrong(self, request: web.Request) -> None:
        """A link that opens nothing."""
        self._wrong.note(network(request), self.around.monotonic())

    # --- what is known and what is answered ---------------------------------------------------------------------------

    async def look(self, livestreams: list[str]) -> dict[str, Around]:
        if not livestreams:
            return {}
        rows = await self.store.redis.hmget(ROWS, livestreams)
        reports = await self.store.reports() if await self.store.redis.hlen(REPORTS) else {}
        said = await self.said.said()
        found = {}
        for name, data in zip(livestreams, rows, strict=True):
            try:
                row = from_json(data) if data else None
            except ValueError:
                row = None
            found[name] = Around(
                cell=self.around.cell(name), broadcasts=row.broadcasts if row else (), reason=row.reason if row else "",
                state=row.state if row else "", report=reports.get(name),
                counts={broadcast: counts for (livestream, broadcast), one in said.items()
                        if livestream == name and (counts := in_force(one)) is not None},
            )  # fmt: skip
        return found

    async def confirm(
        self, language: str, found: Iterable[Found], *, action: str, hidden: Mapping[str, str], wrong: Iterable[str] = ()
    ) -> web.Response:
        found = list(found)
        titles = await asyncio.gather(*(self.around.resolve(one.platform, one.handle) for one in found))
        pairs = list(zip(found, titles, strict=True))
        body = signup_views.confirm_form(language, pairs, action=action, hidden=hidden, wrong=tuple(wrong))
        return self.page(language, word(language, "confirm_title"), action.removesuffix("/add"), body)

    def page(self, language: str, title: str, path: str, body: Html, *, status: int = 200) -> web.Response:
        text = signup_views.page(self.around.config(), language, title=title, path=path, body=body)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        language = self.language(request)
        body = signup_views.notice(word(language, refusal.key), "problem")
        response = self.page(language, word(language, "error_title"), "/join", body, status=refusal.status)
        if refusal.status == 429:
            response.headers["Retry-After"] = "60"
        return response

    def language(self, request: web.Request, form: Mapping[str, str] | None = None, usual: str = "en") -> str:
        asked = (form or {}).get("lang") or request.query.get("lang")
        if asked is None and usual != "en":
            return usual
        return pages.chosen(asked, request.headers.get("Accept-Language", ""), usual)

    def seal(self, cookie: str) -> str:
        return hmac.new(self.around.key, b"seal:" + cookie.encode(), hashlib.sha256).hexdigest()

    def public(self) -> str:
        return (self.around.config().public.url or "").rstrip("/")

    async def live(self, pasted: str, places: Iterable[Place], by: str) -> str:
        answer = signup.live_report(pasted, places, by="liaison" if by == "liaison" else "attendee", now=self.around.now())
        if isinstance(answer, str):
            raise Refusal(422, answer)
        livestream, report = answer
        await self.store.report(livestream, report)
        if report.broadcast:  # who reports it says that it is of the event
            await self.said.decide("attendee", livestream, report.broadcast, count=True)
        return "live"


def qr_svg(url: str, *, inline: bool = True) -> Html:
    """A QR code; it carries no style of its own, which our Content-Security-Policy would refuse."""
    code = segno.make(url, error="m", micro=False)
    if inline:
        return Html(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True))
    file = io.BytesIO()
    code.save(file, kind="svg", scale=8, border=4, dark="#000", light="#fff")
    return Html(file.getvalue().decode())


# --- requests ---------------------------------------------------------------------------------------------------------


def is_ours(request: web.Request, public: str) -> bool:
    """Whether a form was sent from one of our own pages; a browser says so in one of two ways, and one must be there."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("Origin", ""))
    return bool(origin.netloc) and origin.netloc.lower() in {request.host.lower(), urlsplit(public).netloc.lower()}


def is_cookie(text: str) -> bool:
    return len(text) == 32 and all(letter in "0123456789abcdef" for letter in text)


def network(request: web.Request) -> str:
    """Whom attempts are counted for: the network address, of IPv6 the network, behind a proxy of this machine what the proxy says."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(request.remote or "")
        if address.is_loopback and forwarded:
            address = ipaddress.ip_address(forwarded)
    except ValueError:
        return (request.remote or "")[:64]
    return str(ipaddress.ip_network((address, 32 if address.version == 4 else 64), strict=False))


async def read_form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded" or (request.content_length or 0) > MOST_BODY:
        raise Refusal(422, "error_form")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            found = await request.post()
    except (TimeoutError, ValueError) as error:
        raise Refusal(408, "error_form") from error
    return {name: value for name, value in found.items() if isinstance(value, str)}


def see(path: str, **query: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}")
