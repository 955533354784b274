"""The sign-up page, personal pages, liaisons' lists and the privacy notice, on the port of the wall.

Promises: no address that anybody pasted is ever fetched; a change needs a POST from one of our own pages; wrong links and full forms are
counted per network address and slowed down; neither a link nor an e-mail stands in a log or in a header that leaves the site; all of it
works without JavaScript. The pages are in signup_join.py, signup_me.py and signup_liaison.py, what they share in signup_desk.py.
"""

from __future__ import annotations

import logging
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

import connectors
from connectors import rest
from connectors.connector import Tools, make_pseudonym
from monitor import signup_views
from monitor.config import ConfigError
from monitor.livestreams import cells
from monitor.memory import RedisMemory
from monitor.pages import word
from monitor.redis_client import RETRIABLE
from monitor.roster import Roster, read_roster
from monitor.roster_ask import Resolver, fetcher
from monitor.setup import author_key
from monitor.signup_desk import Desk, Refusal, Surroundings, is_ours, nobody
from monitor.signup_join import JoinPages
from monitor.signup_liaison import LiaisonPages
from monitor.signup_me import PersonalPages
from monitor.signup_store import TooManyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

    from monitor.feed import Feed

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser hides the Origin of our own forms; nothing leaves the site with this either.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OURS: Final = web.RequestKey("ours", bool)

log = logging.getLogger("monitor.signup")


class SignupPages:
    """All routes; ``register`` puts them on the wall's application."""

    def __init__(
        self, redis: Any, around: Surroundings, *, platforms: Collection[str] = (*connectors.PLATFORMS, *connectors.RECEIVERS)
    ) -> None:
        self.desk = Desk(redis, around, platforms)
        self._style = files("monitor").joinpath("templates", "style.css").read_text(encoding="utf-8")

    def register(self, app: web.Application) -> None:
        """After the application's own headers are set, ours replace those that differ."""
        join, personal, liaison = JoinPages(self.desk), PersonalPages(self.desk), LiaisonPages(self.desk)
        routes: dict[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            ("GET", "/join"): join.join,
            ("POST", "/join"): join.join_posted,
            ("GET", "/join/qr.svg"): join.join_qr,
            ("GET", "/join/style.css"): self.style,
            ("GET", "/privacy"): self.privacy,
            ("GET", "/me/{token}"): personal.me,
            ("POST", "/me/{token}/{action}"): personal.me_posted,
            ("GET", "/liaison/{token}"): liaison.liaison,
            ("POST", "/liaison/{token}/{action}"): liaison.liaison_posted,
        }
        for (method, path), handler in routes.items():
            app.router.add_route(method, path, self._guarded(handler))
        app.on_response_prepare.append(_own_headers)

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            request[OURS] = True
            try:
                self._require_ours(request)
                return await handler(request)
            except Refusal as refusal:
                return self.desk.refused(request, refusal)
            except (*RETRIABLE, TooManyError) as error:
                log.warning("a sign-up page had to wait: %s", type(error).__name__)
                return self.desk.refused(request, Refusal(503, "error_away"))

        return guarded

    def _require_ours(self, request: web.Request) -> None:
        if request.method == "POST" and not is_ours(request, self.desk.around.config().public.url or ""):
            raise Refusal(403, "error_form")

    async def style(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._style, content_type="text/css")

    async def privacy(self, request: web.Request) -> web.StreamResponse:
        language, config = self.desk.language(request), self.desk.around.config()
        title = word(language, "privacy_title", event=config.event.name_in(language))
        return self.desk.page(language, title, "/privacy", signup_views.privacy(language, config))


class FileRoster:
    """The roster's file without what people said, read again when it changed."""

    def __init__(self, path: Callable[[], Path | None]) -> None:
        self._path = path
        self._seen: tuple[Path, int, int] | None = None
        self._roster = Roster()

    def __call__(self) -> Roster:
        path = self._path()
        if path is None:
            return Roster()
        try:
            status = path.stat()
            seen = (path, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._roster, self._seen = read_roster(path), seen
        except (OSError, ConfigError) as error:  # being written, or broken: what was read before is better than nothing
            log.warning("the roster cannot be read for the sign-up pages (%s)", type(error).__name__)
        return self._roster


def add_pages(app: web.Application, feed: Feed, redis: Any, data_dir: Path) -> None:
    """Put the pages on the wall's application; called only where sign-up is on and has an address."""

    def cell(livestream: str) -> Mapping[str, Any]:
        known = feed.around.livestreams.get(livestream)
        return cells(feed.book, {livestream: known}, int(time.time() * 1000))[livestream] if known else {}

    key = author_key(data_dir)
    tools = Tools(pseudonym=make_pseudonym(key), memory=RedisMemory(redis))
    session = rest.client()
    resolver = Resolver(lambda: feed.config, fetcher(session), tools)
    around = Surroundings(
        config=lambda: feed.config,
        roster=FileRoster(lambda: feed.config.roster_file),
        cell=cell,
        key=key,
        resolve=nobody if feed.config.simulator.enabled else resolver,  # invented people are asked about nowhere
    )
    SignupPages(redis, around).register(app)

    async def close(_: web.Application) -> None:
        await session.close()

    app.on_cleanup.append(close)


async def _own_headers(request: web.Request, response: web.StreamResponse) -> None:
    if request.get(OURS):
        response.headers.update(HEADERS)
