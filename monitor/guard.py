"""The door of the HTTP server: who a request is from, whether it may pass, and how one logs in and out.

Promises: a token stands in no log, header or address that leaves this page (what came as ``?token=`` is exchanged for a cookie that
scripts cannot read and other sites cannot use); wrong tokens are counted per network and slowed down, and whoever is in already is
not shut out by that; what a revoked token has open is closed within two seconds; every POST comes from a page of ours or from no page.
"""

from __future__ import annotations

import asyncio
import html
import logging
import secrets
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohttp import web

from monitor import access
from monitor.access import Visitor
from monitor.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from monitor.access import Token

VISITOR: Final = web.RequestKey("visitor", Visitor)
OURS: Final = web.RequestKey("login", bool)
COOKIE: Final = "monitor"
COOKIE_SECONDS: Final = 30 * 86_400
WRONG: Final = (20, 60.0)
"""Wrong tokens per minute from one network."""
MOST_BODY: Final = 4096
BODY_SECONDS: Final = 5.0
REVOKED: Final = 4401
"""Code with which a feed closes whose token is none any more; the page then asks for another."""
WATCH_SECONDS: Final = 1.0
MOST_LEFT: Final = 10_000
PAGES: Final = frozenset({"/", "/remote", "/console"})
"""Where a person arrives with a token in the address, and is shown the form without one."""
SOURCES: Final = frozenset({"/source"})
"""Where somebody else's picture arrives with one: it lies over a show, so it is shown no form and no words of ours on the way."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser hides the Origin of our own form; with more than this the page after it could read the token.
    "Referrer-Policy": "origin",
    "Cache-Control": "no-store",
}

WORDS: Final = {
    "en": {
        "title": "Log in",
        "ask": "Your token",
        "send": "Open",
        "wrong": "That token is not known, or no longer. Ask whoever runs the monitor for a new one.",
        "busy": "Too many wrong tokens from here. Wait a minute and try again.",
        "not_yours": "Your token does not open this page; log in with another one.",
        "in": "You are in.",
        "out": "You are logged out.",
        "on": "Go on",
    },
    "zh": {
        "title": "登录",
        "ask": "您的令牌",
        "send": "打开",
        "wrong": "该令牌无效或已撤销，请向系统管理员索取新令牌。",
        "busy": "此处错误令牌过多，请一分钟后再试。",
        "not_yours": "您的令牌无权打开此页，请使用其他令牌登录。",
        "in": "已登录。",
        "out": "已退出登录。",
        "on": "继续",
    },
}

log = logging.getLogger("monitor.access")


class Guard:
    """One for the application: ``middleware`` lets requests pass, ``register`` adds the forms, ``watch`` closes what is revoked."""

    def __init__(
        self,
        tokens: Callable[[], Sequence[Token] | None],
        *,
        origins: Iterable[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.sockets: dict[web.WebSocketResponse, Visitor] = {}
        """What is open, and for whom."""
        self._tokens, self._origins = tokens, frozenset(origins)
        self._monotonic, self._random = monotonic, random
        self._wrong = Limits(*WRONG)
        self._left: dict[str, None] = {}
        """Logins that were ended before their token was."""

    def register(self, app: web.Application) -> None:
        """The form, and what makes it readable."""
        app.router.add_get("/login", self.form)
        app.router.add_post("/login", self.login)
        app.router.add_post("/logout", self.logout)
        app.router.add_get("/login.css", self.style)
        app.on_response_prepare.append(_own_headers)

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Pass, or a page or sentence that says why not."""
        resource = request.match_info.route.resource
        if resource is None:  # there is no such route; the answer to that is nobody's secret
            return await handler(request)
        route, authorization = resource.canonical, request.headers.get("Authorization")
        if authorization is not None and not self._open(request):
            return self._refuse(request, route, 429, "busy")
        who = self._visitor(request, authorization)
        if authorization is not None and who is None:
            self._note(request)
        if request.method not in ("GET", "HEAD", "OPTIONS") and not route.startswith(access.OWN_FORMS):
            ambient = who is None or who.ambient
            if not access.posted_by_us(request.headers, request.host, self._origins, ambient=ambient):
                return web.Response(status=403, text="Changes are asked for by pages of this monitor only.\n")
        if route in PAGES | SOURCES and "token" in request.query:
            to = str(request.rel_url.without_query_params("token"))
            return self._arrive(request, request.query["token"], to, unseen=route in SOURCES)
        if not access.may(who, access.need_of(request.method, route)):
            return self._refuse(request, route, 401 if who is None else 403, "" if who is None else "not_yours")
        if who is not None:
            request[VISITOR] = who
        return await handler(request)

    # --- logging in and out ---------------------------------------------------------------------------------------------

    async def form(self, request: web.Request) -> web.Response:
        return self._form(request, 200, "", "/")

    async def login(self, request: web.Request) -> web.Response:
        """A token that somebody typed."""
        if request.content_type != "application/x-www-form-urlencoded" or (request.content_length or MOST_BODY + 1) > MOST_BODY:
            return self._form(request, 400, "wrong", "/")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                said = await request.post()
        except TimeoutError:
            return self._form(request, 408, "wrong", "/")
        return self._arrive(request, str(said.get("token", "")).strip(), access.local_path(str(said.get("to", "/"))))

    async def logout(self, request: web.Request) -> web.Response:
        """This login ends; the token goes on."""
        known = access.find_session(self._tokens() or (), request.cookies.get(COOKIE, ""))
        if known is not None:
            self._left[known[1]] = None
            for old in list(self._left)[: max(0, len(self._left) - MOST_LEFT)]:
                del self._left[old]
            await self._close([socket for socket, who in self.sockets.items() if who.session == known[1]])
        response = _landing(request, "out", "/login")
        response.del_cookie(COOKIE, path="/")
        return response

    async def style(self, _: web.Request) -> web.Response:
        text = files("monitor").joinpath("templates", "login.css").read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/css")

    def _arrive(self, request: web.Request, text: str, to: str, *, unseen: bool = False) -> web.Response:
        """A page that goes on by itself: a redirect would come from another site, and the browser keep the cookie back."""
        if not self._open(request):
            return self._refuse(request, request.path, 429, "busy") if unseen else self._form(request, 429, "busy", to)
        token = access.find(self._tokens() or (), text)
        if token is None:
            self._note(request)
            return self._refuse(request, request.path, 401, "wrong") if unseen else self._form(request, 401, "wrong", to)
        response = _passage(request, to) if unseen else _landing(request, "in", to)
        response.set_cookie(
            COOKIE,
            access.cookie_of(text, self._random(8)),
            path="/",
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=_is_https(request),
        )
        log.info("%s %s logged in", token.role, token.name)
        return response

    # --- what is open ---------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Close what nobody may have open any more; until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """One look at the tokens."""
        tokens = self._tokens()
        known = {token.id for token in tokens or ()}
        gone = [
            socket for socket, who in self.sockets.items() if (who.token not in known if who.token else tokens is None or tokens)
        ]
        if gone:
            log.info("%d feeds are closed: their tokens are none any more", len(gone))
        await self._close(gone)

    async def _close(self, sockets: Iterable[web.WebSocketResponse]) -> None:
        leaving = [socket.close(code=REVOKED, message=b"log in again") for socket in sockets]
        await asyncio.gather(*leaving, return_exceptions=True)

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _visitor(self, request: web.Request, authorization: str | None) -> Visitor | None:
        at_desk = access.is_at_the_desk(request.remote, request.host, request.headers)
        who = access.visitor(self._tokens(), authorization=authorization, cookie=request.cookies.get(COOKIE), at_desk=at_desk)
        return None if who is not None and who.session in self._left else who

    def _place(self, request: web.Request) -> str:
        return access.network(request.remote, request.headers.get("X-Forwarded-For", ""))

    def _open(self, request: web.Request) -> bool:
        return self._wrong.is_open(self._place(request), self._monotonic())

    def _note(self, request: web.Request) -> None:
        self._wrong.note(self._place(request), self._monotonic())
        log.warning("a wrong token came from %s", self._place(request))

    def _refuse(self, request: web.Request, route: str, status: int, key: str) -> web.Response:
        if route in PAGES and request.method == "GET":
            return self._form(request, status, key, access.local_path(request.path))
        text = {
            401: "A token is needed here: Authorization: Bearer …, or log in at /login.\n",
            403: "Your token is not for this.\n" if key else "",
            429: "Too many wrong tokens; try again in a minute.\n",
        }[status]
        who = None if status != 403 else self._visitor(request, request.headers.get("Authorization"))
        if who is access.PASSER:
            text = "This is done on the machine of the monitor only, until there are tokens: monitor token new lead.\n"
        return _with_status(web.Response(status=status, text=text))

    def _form(self, request: web.Request, status: int, key: str, to: str) -> web.Response:
        words = WORDS[_language(request)]
        says = f'<p class="problem" role="alert">{html.escape(words[key])}</p>' if key else ""
        body = (
            f'{says}<form method="post" action="/login"><label for="token">{words["ask"]}</label>'
            f'<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>'
            f'<input type="hidden" name="to" value="{html.escape(to)}"><button>{words["send"]}</button></form>'
        )
        return _with_status(_page(request, words["title"], body, status))


def _with_status(response: web.Response) -> web.Response:
    if response.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if response.status == 429:
        response.headers["Retry-After"] = "60"
    return response


def _landing(request: web.Request, key: str, to: str) -> web.Response:
    words = WORDS[_language(request)]
    link = f'<p>{words[key]} <a href="{html.escape(to)}">{words["on"]}</a></p>'
    return _page(request, words[key], link, 200, head=f'<meta http-equiv="refresh" content="0;url={html.escape(to)}">')


def _passage(request: web.Request, to: str) -> web.Response:
    """As the landing, without a word and without a ground."""
    request[OURS] = True
    text = (
        f'<!doctype html><html><head><meta http-equiv="refresh" content="0;url={html.escape(to)}"><title></title></head></html>'
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8")


def _page(request: web.Request, title: str, body: str, status: int, head: str = "") -> web.Response:
    request[OURS] = True
    text = (
        f'<!doctype html><html lang="{"zh-Hans" if _language(request) == "zh" else "en"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}<title>{html.escape(title)}</title>'
        f'<link rel="stylesheet" href="/login.css"></head><body><main><h1>{html.escape(title)}</h1>{body}</main></body></html>'
    )
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def _language(request: web.Request) -> str:
    asked: str = request.query.get("lang") or request.headers.get("Accept-Language") or ""
    return "zh" if asked.lower().startswith("zh") else "en"


def _is_https(request: web.Request) -> bool:
    return request.secure or request.headers.get("X-Forwarded-Proto", "") == "https"


async def _own_headers(request: web.Request, response: web.StreamResponse) -> None:
    if OURS in request:
        response.headers.update(HEADERS)
