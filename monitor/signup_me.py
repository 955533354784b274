"""/me/<token>: what an attendee sees and says: I am live, not this broadcast, pause, another channel, the ticks, withdraw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from monitor import signup, signup_views
from monitor.links import find_channels
from monitor.pages import NONE, Html, word
from monitor.signup_desk import SAID, Desk, Refusal, qr_svg, read_form, see
from monitor.signup_table import own_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.signup import Place, Signup


class PersonalPages:
    """The page of one person, opened by a link that only this person has."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def me(self, request: web.Request) -> web.StreamResponse:
        token, person = await self._person(request)
        language = self.desk.language(request, usual=person.language)
        said = request.query.get("ok", "")
        keep = NONE
        if request.query.get("new") == "1":
            url = f"{self.desk.public()}/me/{token}"
            keep = signup_views.keep(language, url, qr_svg(url))
        notices = signup_views.notice(word(language, f"ok_{said}") if said in SAID else "")
        return await self._me_page(language, person, token, notices=notices, keep=keep, told=said == "withdrawn")

    async def me_posted(self, request: web.Request) -> web.StreamResponse:
        token, person = await self._person(request)
        form = await read_form(request)
        language = self.desk.language(request, form, usual=person.language)
        try:
            said = await self._me_said(request, token, person, form, language)
        except Refusal as refusal:
            wrong = signup_views.problems(language, [refusal.key])
            return await self._me_page(language, person, token, notices=wrong, keep=NONE, status=refusal.status)
        if isinstance(said, web.StreamResponse):
            return said
        raise see(f"/me/{token}", lang=language, **({"ok": said} if said else {}))

    async def _me_said(
        self, request: web.Request, token: str, person: Signup, form: Mapping[str, str], language: str
    ) -> str | web.StreamResponse:
        """What was done, or another page that asks first."""
        now = self.desk.around.now()
        match request.match_info["action"]:
            case "live":
                return await self.desk.live(form.get("link", ""), await self._may_speak_for(person), "attendee")
            case "not-this" | "this" as verdict:
                return await self._verdict(await self._may_speak_for(person), form, counts=verdict == "this")
            case "pause" | "resume" as action:
                livestream, on = form.get("livestream", ""), action == "pause"
                await self.desk.store.change(person.id, lambda one: signup.paused(one, livestream, on=on))
                return "paused" if on else "resumed"
            case "ticks":
                ticks = {name: name in form for name in ("read", "show_name", "contact")}
                await self.desk.store.change(person.id, lambda one: signup.with_ticks(one, **ticks, now=now))
                return "saved"
            case "withdraw":
                if "sure" not in form:
                    raise Refusal(422, "error_confirm")
                await self.desk.store.change(person.id, lambda one: signup.withdrawn(one, now))
                for place in own_places(person, self.desk.around.roster(), await self.desk.store.all()):
                    await self.desk.store.drop_report(place.id)
                return "withdrawn"
            case "add":
                return await self._more(request, token, person, form, language)
            case _:
                raise Refusal(404, "error_page")

    async def _more(
        self, request: web.Request, token: str, person: Signup, form: Mapping[str, str], language: str
    ) -> str | web.StreamResponse:
        self.desk.count_join(request)
        if "change" in form:
            return ""
        found, problems = find_channels(form.get("channel", "")[:500], form.get("platform") or None)
        if not found:
            raise Refusal(422, f"error_channel_{problems[0].code if problems else 'none'}")
        if "confirmed" not in form:
            hidden = {name: form.get(name, "")[:500] for name in ("channel", "platform")} | {"lang": language}
            return await self.desk.confirm(language, found, action=f"/me/{token}/add", hidden=hidden)
        await self.desk.store.change(person.id, lambda one: signup.with_channels(one, found))
        return "added"

    async def _may_speak_for(self, person: Signup) -> tuple[Place, ...]:
        if not person.confirmed:
            raise Refusal(403, "me_waiting")
        return own_places(person, self.desk.around.roster(), await self.desk.store.all())

    async def _verdict(self, places: Iterable[Place], form: Mapping[str, str], *, counts: bool) -> str:
        livestream, broadcast = form.get("livestream", ""), form.get("broadcast", "")[:100]
        if livestream not in {place.id for place in places}:
            raise Refusal(422, "error_live_other")
        around = (await self.desk.look([livestream]))[livestream]
        reported = around.report.broadcast or "" if around.report else None
        if broadcast not in {live.id for live in around.broadcasts} | {reported}:
            raise Refusal(422, "error_live")
        if broadcast:
            await self.desk.said.decide("attendee", livestream, broadcast, count=counts)
        if reported == broadcast and not counts:
            await self.desk.store.drop_report(livestream)
        return "this_is" if counts else "not_this"

    async def _me_page(
        self, language: str, person: Signup, token: str, *, notices: Html, keep: Html, status: int = 200, told: bool = False
    ) -> web.Response:
        # Of a channel that is not confirmed to be this person's nothing is shown: it may be somebody else's.
        own = own_places(person, self.desk.around.roster(), await self.desk.store.all())
        around = await self.desk.look([place.id for place in own])
        body = signup_views.me(
            language,
            person,
            around,
            path=f"/me/{token}",
            platforms=self.desk.platforms,
            zone=self.desk.around.config().event.timezone,
            keep=keep,
            notices=notices,
            told=told,
        )
        return self.desk.page(language, word(language, "me_title"), f"/me/{token}", body, status=status)

    async def _person(self, request: web.Request) -> tuple[str, Signup]:
        token, known = self.desk.token(request)
        person = await self.desk.store.of_token(known)
        if person is None:
            self.desk.note_wrong(request)
            raise Refusal(404, "error_link")
        return token, person
