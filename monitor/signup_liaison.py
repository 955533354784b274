"""/liaison/<token>: the channels of a country, what needs somebody first; correct, confirm, report a livestream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from monitor import pages, signup, signup_table, signup_views
from monitor.links import find_channels
from monitor.pages import Html, word
from monitor.signup import Fix, Place, Signups
from monitor.signup_desk import SAID, Desk, Refusal, read_form, see

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from monitor.roster import Channel
    from monitor.signup import Liaison
    from monitor.signup_views import Line


class LiaisonPages:
    """A liaison's list; rows of others do not exist there."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def liaison(self, request: web.Request) -> web.StreamResponse:
        token, liaison = await self._liaison(request)
        said = request.query.get("ok", "")
        language = self.desk.language(request)
        return await self._liaison_page(
            language, liaison, token, notices=signup_views.notice(word(language, f"ok_{said}") if said in SAID else "")
        )

    async def liaison_posted(self, request: web.Request) -> web.StreamResponse:
        token, liaison = await self._liaison(request)
        form = await read_form(request)
        language = self.desk.language(request, form)
        try:
            said = await self._liaison_said(request.match_info["action"], liaison, form)
        except Refusal as refusal:
            wrong = signup_views.problems(language, [refusal.key])
            return await self._liaison_page(language, liaison, token, notices=wrong, status=refusal.status)
        raise see(f"/liaison/{token}", lang=language, ok=said)

    async def _liaison_said(self, action: str, liaison: Liaison, form: Mapping[str, str]) -> str:
        """What was done to a row; one that is not this liaison's does not exist."""
        channel = self._own(liaison, await self.desk.store.all()).get(form.get("livestream", ""))
        if channel is None:
            raise Refusal(404, "error_page")
        match action:
            case "live":
                return await self.desk.live(
                    form.get("link", ""), [Place(channel.platform, channel.handle, channel.native_id)], "liaison"
                )
            case "verify":
                return await self._verify(channel, liaison)
            case "fix":
                return await self._fix(channel, form.get("handle", ""), liaison)
            case _:
                raise Refusal(404, "error_page")

    async def _verify(self, channel: Channel, liaison: Liaison) -> str:
        people = [one for one in (await self.desk.store.all()).people if channel.id in {place.id for place in one.channels}]
        waiting = [one for one in people if not one.confirmed and one.attendee.casefold() == channel.attendee.casefold()]
        for one in waiting[:1]:
            await self.desk.store.change(one.id, signup.confirmed)
        if not channel.signed_up:
            await self._fix_row(channel, lambda fix: replace(fix, verified=True, by=liaison.name, at=self.desk.around.now()))
        return "verified"

    async def _fix(self, channel: Channel, pasted: str, liaison: Liaison) -> str:
        found, problems = find_channels(pasted[:500], channel.platform)
        right = next((one for one in found if one.platform == channel.platform), None)
        if right is None:
            raise Refusal(422, f"error_channel_{problems[0].code if problems else 'other'}")
        if channel.signed_up:
            for one in (await self.desk.store.all()).people:
                if channel.id in {place.id for place in one.channels}:
                    await self.desk.store.change(one.id, lambda before: signup.corrected(before, channel.id, right))
        else:
            place = signup.place_of(right)
            await self._fix_row(
                channel, lambda _: Fix(place.handle, by=liaison.name, at=self.desk.around.now(), native_id=place.native_id)
            )
        return "fixed"

    async def _fix_row(self, channel: Channel, make: Callable[[Fix], Fix]) -> None:
        fixes = (await self.desk.store.all()).fixes
        # The file still has the handle from before; what was said about that one is said again about the same row.
        row = next(
            (name for name, fix in fixes.items() if fix.handle and f"{name.partition(':')[0]}:{fix.handle}" == channel.id),
            channel.id,
        )
        await self.desk.store.fix(row, make(fixes.get(row, Fix())))

    def _own(self, liaison: Liaison, said: Signups) -> dict[str, Channel]:
        """The rows that this liaison may see and change, as they are with what was said a moment ago."""
        table = signup_table.merged(self.desk.around.roster(), said, platforms=self.desk.platforms)
        return {
            channel.id: channel
            for channel in (*table.channels, *table.unreachable)
            if liaison.country in ("*", channel.country) and (not liaison.name or channel.liaison in (None, liaison.name))
        }

    async def _liaison_page(
        self, language: str, liaison: Liaison, token: str, *, notices: Html, status: int = 200
    ) -> web.Response:
        said = await self.desk.store.all()
        rows = self._own(liaison, said)
        around = await self.desk.look(list(rows))
        lines: list[Line] = []
        for channel in rows.values():
            remarks = signup.remarks(channel, said.people, listed=self._listed())
            lines.append(signup_views.line_of(channel, around[channel.id], remarks, self.desk.platforms))
        country = word(language, "liaison_all") if liaison.country == "*" else pages.country(language, liaison.country)
        title = word(language, "liaison_title", country=country)
        body = signup_views.liaison(language, lines, path=f"/liaison/{token}", notices=notices)
        return self.desk.page(language, title, f"/liaison/{token}", body, status=status)

    def _listed(self) -> frozenset[str]:
        """Attendees of the registration list, folded."""
        roster = self.desk.around.roster()
        return frozenset(row.attendee.casefold() for row in (*roster.channels, *roster.unreachable) if not row.signed_up)

    async def _liaison(self, request: web.Request) -> tuple[str, Liaison]:
        token, known = self.desk.token(request)
        liaison = await self.desk.store.liaison(known)
        if liaison is None:
            self.desk.note_wrong(request)
            raise Refusal(404, "error_link")
        return token, liaison
