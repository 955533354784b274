"""/join: four fields, "is this you?", and a personal link. Nothing is stored before the yes."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from monitor import pages, signup, signup_views
from monitor.pages import word
from monitor.signup_desk import COOKIE, MOST_RECORDS, Desk, Refusal, is_cookie, qr_svg, read_form, see

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.signup import Application, Signup

log = logging.getLogger("monitor.signup")


class JoinPages:
    """The form, its second step, and the code for badges."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def join(self, request: web.Request) -> web.StreamResponse:
        cookie = request.cookies.get(COOKIE, "")
        return self._join_page(request, None, cookie if is_cookie(cookie) else self.desk.around.random(16).hex())

    async def join_posted(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        cookie = request.cookies.get(COOKIE, "")
        if not (is_cookie(cookie) and hmac.compare_digest(form.get("seal", ""), self.desk.seal(cookie))):
            raise Refusal(403, "error_form")
        self.desk.count_join(request)
        asked = signup.application(form)
        if asked.wrong or "change" in form:
            return self._join_page(request, asked, cookie, form=form, wrong=asked.wrong if "change" not in form else ())
        language = self.desk.language(request, form)
        if "confirmed" not in form:
            wrong = tuple(f"error_channel_{one.code}" for one in asked.problems)
            ticks = {
                name: "1" for name, on in (("read", asked.read), ("show_name", asked.show_name), ("contact", asked.contact)) if on
            }
            hidden = {"lang": language, "seal": form["seal"], "number": asked.written, "channel": asked.pasted,
                      "platform": asked.platform or "", "country": asked.country or "", **ticks}  # fmt: skip
            return await self.desk.confirm(language, asked.found, action="/join", hidden=hidden, wrong=wrong)
        token = await self._add(asked, language)
        raise see(f"/me/{token}", lang=language, new="1")

    async def _add(self, asked: Application, language: str) -> str:
        if await self.desk.store.redis.hlen("{signup}") > MOST_RECORDS:
            log.error("the sign-ups are full: %d records; somebody is filling them", MOST_RECORDS)
            raise Refusal(503, "error_busy")
        token, id_ = signup.new_token(self.desk.around.random(32)), self.desk.around.random(8).hex()
        roster, now = self.desk.around.roster(), self.desk.around.now()

        def make(first: bool) -> Signup:
            return signup.signup_of(
                asked, roster=roster, key=self.desk.around.key, id_=id_, first=first, language=language, now=now
            )

        person = signup.person_hash(self.desk.around.key, asked.written)
        added = await self.desk.store.add(make, signup.token_hash(token) or "", person, id_)
        log.info(
            "sign-up %s: %d channels, %s", added.id, len(added.channels), "confirmed" if added.confirmed else "to be confirmed"
        )
        return token

    async def join_qr(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=qr_svg(f"{self.desk.public()}/join", inline=False).encode(), content_type="image/svg+xml")

    def _join_page(
        self,
        request: web.Request,
        asked: Application | None,
        cookie: str,
        *,
        form: Mapping[str, str] | None = None,
        wrong: Iterable[str] = (),
    ) -> web.Response:
        language = self.desk.language(request, form or {})
        body = signup_views.join_form(
            language, asked, seal=self.desk.seal(cookie), event=self.desk.around.config().event.name_in(language),
            region=pages.region(request.headers.get("Accept-Language", "")), wrong=tuple(wrong),
        )  # fmt: skip
        response = self.desk.page(language, word(language, "join_title"), "/join", body, status=422 if wrong else 200)
        response.set_cookie(
            COOKIE, cookie, path="/join", httponly=True, samesite="Strict", secure=self.desk.public().startswith("https:")
        )
        return response
