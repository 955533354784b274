"""The sign-up page, personal pages, liaisons' lists and the privacy notice, on the port of the wall.

Promises: no address that anybody pasted is ever fetched; a change needs a POST from one of our own pages; wrong links and full forms are
counted per network address and slowed down; neither a link nor an e-mail stands in a log or in a header that leaves the site; all of it
works without JavaScript. What is shown is in signup_views.py, what is decided in signup.py.
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
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import segno
from aiohttp import web
from msgspec.structs import replace

import connectors
from connectors import rest
from connectors.connector import Tools, make_pseudonym
from monitor import pages, signup, signup_views
from monitor.channel_store import ROWS, ChannelStore
from monitor.channels import from_json
from monitor.config import ConfigError
from monitor.links import find_channels
from monitor.memory import RedisMemory
from monitor.pages import NONE, Html, word
from monitor.roster import Roster, read_roster
from monitor.roster_ask import Resolver, fetcher
from monitor.setup import author_key
from monitor.signup import Fix, Limits, Place, Signup, Signups
from monitor.signup_store import AWAY, REPORTS, SignupStore, TooManyError
from monitor.signup_views import Around, Line
from monitor.snapshot import cells

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from monitor.config import Config
    from monitor.feed import Feed
    from monitor.links import Found
    from monitor.roster import Channel
    from monitor.signup import Application, Liaison

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser hides the Origin of our own forms; nothing leaves the site with this either.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OURS: Final = web.RequestKey("ours", bool)
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


class SignupPages:
    """All routes; ``register`` puts them on the wall's application."""

    def __init__(
        self, redis: Any, around: Surroundings, *, platforms: Collection[str] = (*connectors.PLATFORMS, *connectors.RECEIVERS)
    ) -> None:
        self.store = SignupStore(redis)
        self.said = ChannelStore(redis)
        self.around = around
        self._platforms = platforms
        self._joins, self._all_joins, self._wrong = Limits(*JOINS), Limits(*JOINS_OF_ALL), Limits(*WRONG_LINKS)
        self._style = files("monitor").joinpath("templates", "style.css").read_text(encoding="utf-8")

    def register(self, app: web.Application) -> None:
        """After the application's own headers are set, ours replace those that differ."""
        routes: dict[tuple[str, str], Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            ("GET", "/join"): self.join,
            ("POST", "/join"): self.join_posted,
            ("GET", "/join/qr.svg"): self.join_qr,
            ("GET", "/join/style.css"): self.style,
            ("GET", "/privacy"): self.privacy,
            ("GET", "/me/{token}"): self.me,
            ("POST", "/me/{token}/{action}"): self.me_posted,
            ("GET", "/liaison/{token}"): self.liaison,
            ("POST", "/liaison/{token}/{action}"): self.liaison_posted,
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
                return self._refused(request, refusal)
            except (*AWAY, TooManyError) as error:
                log.warning("a sign-up page had to wait: %s", type(error).__name__)
                return self._refused(request, Refusal(503, "error_away"))

        return guarded

    def _require_ours(self, request: web.Request) -> None:
        if request.method == "POST" and not _is_ours(request, self.around.config().public.url or ""):
            raise Refusal(403, "error_form")

    # --- /join --------------------------------------------------------------------------------------------------------

    async def join(self, request: web.Request) -> web.StreamResponse:
        cookie = request.cookies.get(COOKIE, "")
        return self._join_page(request, None, cookie if _is_cookie(cookie) else self.around.random(16).hex())

    async def join_posted(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        cookie = request.cookies.get(COOKIE, "")
        if not (_is_cookie(cookie) and hmac.compare_digest(form.get("seal", ""), self._seal(cookie))):
            raise Refusal(403, "error_form")
        self._count_join(request)
        asked = signup.application(form)
        if asked.wrong or "change" in form:
            return self._join_page(request, asked, cookie, form=form, wrong=asked.wrong if "change" not in form else ())
        language = self._language(request, form)
        if "confirmed" not in form:
            wrong = tuple(f"error_channel_{one.code}" for one in asked.problems)
            ticks = {
                name: "1" for name, on in (("read", asked.read), ("show_name", asked.show_name), ("contact", asked.contact)) if on
            }
            hidden = {"lang": language, "seal": form["seal"], "number": asked.written, "channel": asked.pasted,
                      "platform": asked.platform or "", "country": asked.country or "", **ticks}  # fmt: skip
            return await self._confirm(language, asked.found, action="/join", hidden=hidden, wrong=wrong)
        token = await self._add(asked, language)
        raise _see(f"/me/{token}", lang=language, new="1")

    async def _add(self, asked: Application, language: str) -> str:
        if await self.store.redis.hlen("{signup}") > MOST_RECORDS:
            log.error("the sign-ups are full: %d records; somebody is filling them", MOST_RECORDS)
            raise Refusal(503, "error_busy")
        token, id_ = signup.new_token(self.around.random(32)), self.around.random(8).hex()
        roster, now = self.around.roster(), self.around.now()

        def make(first: bool) -> Signup:
            return signup.signup_of(asked, roster=roster, key=self.around.key, id_=id_, first=first, language=language, now=now)

        person = signup.person_hash(self.around.key, asked.written)
        added = await self.store.add(make, signup.token_hash(token) or "", person, id_)
        log.info(
            "sign-up %s: %d channels, %s", added.id, len(added.channels), "confirmed" if added.confirmed else "to be confirmed"
        )
        return token

    async def join_qr(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=qr_svg(f"{self._public()}/join", inline=False).encode(), content_type="image/svg+xml")

    async def style(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._style, content_type="text/css")

    async def privacy(self, request: web.Request) -> web.StreamResponse:
        language, config = self._language(request), self.around.config()
        title = word(language, "privacy_title", event=config.event.name_in(language))
        return self._page(language, title, "/privacy", signup_views.privacy(language, config))

    # --- /me ----------------------------------------------------------------------------------------------------------

    async def me(self, request: web.Request) -> web.StreamResponse:
        token, person = await self._person(request)
        language = self._language(request, usual=person.language)
        said = request.query.get("ok", "")
        keep = NONE
        if request.query.get("new") == "1":
            url = f"{self._public()}/me/{token}"
            keep = signup_views.keep(language, url, qr_svg(url))
        notices = signup_views.notice(word(language, f"ok_{said}") if said in SAID else "")
        return await self._me_page(language, person, token, notices=notices, keep=keep)

    async def me_posted(self, request: web.Request) -> web.StreamResponse:
        token, person = await self._person(request)
        form = await _form(request)
        language = self._language(request, form, usual=person.language)
        try:
            said = await self._me_said(request, token, person, form, language)
        except Refusal as refusal:
            wrong = signup_views.problems(language, [refusal.key])
            return await self._me_page(language, person, token, notices=wrong, keep=NONE, status=refusal.status)
        if isinstance(said, web.StreamResponse):
            return said
        raise _see(f"/me/{token}", lang=language, **({"ok": said} if said else {}))

    async def _me_said(
        self, request: web.Request, token: str, person: Signup, form: Mapping[str, str], language: str
    ) -> str | web.StreamResponse:
        """What was done, or another page that asks first."""
        now = self.around.now()
        match request.match_info["action"]:
            case "live":
                return await self._live(form.get("link", ""), await self._may_speak_for(person), "attendee")
            case "not-this" | "this" as verdict:
                return await self._verdict(await self._may_speak_for(person), form, counts=verdict == "this")
            case "pause" | "resume" as action:
                livestream, on = form.get("livestream", ""), action == "pause"
                await self.store.change(person.id, lambda one: signup.paused(one, livestream, on=on))
                return "paused" if on else "resumed"
            case "ticks":
                ticks = {name: name in form for name in ("read", "show_name", "contact")}
                await self.store.change(person.id, lambda one: signup.with_ticks(one, **ticks, now=now))
                return "saved"
            case "withdraw":
                if "sure" not in form:
                    raise Refusal(422, "error_confirm")
                await self.store.change(person.id, lambda one: signup.withdrawn(one, now))
                for place in signup.own_places(person, self.around.roster(), await self.store.all()):
                    await self.store.drop_report(place.id)
                return "withdrawn"
            case "add":
                return await self._more(request, token, person, form, language)
            case _:
                raise Refusal(404, "error_page")

    async def _more(
        self, request: web.Request, token: str, person: Signup, form: Mapping[str, str], language: str
    ) -> str | web.StreamResponse:
        self._count_join(request)
        if "change" in form:
            return ""
        found, problems = find_channels(form.get("channel", "")[:500], form.get("platform") or None)
        if not found:
            raise Refusal(422, f"error_channel_{problems[0].code if problems else 'none'}")
        if "confirmed" not in form:
            hidden = {name: form.get(name, "")[:500] for name in ("channel", "platform")} | {"lang": language}
            return await self._confirm(language, found, action=f"/me/{token}/add", hidden=hidden)
        await self.store.change(person.id, lambda one: signup.with_channels(one, found))
        return "added"

    async def _live(self, pasted: str, places: Iterable[Place], by: str) -> str:
        answer = signup.live_report(pasted, places, by="liaison" if by == "liaison" else "attendee", now=self.around.now())
        if isinstance(answer, str):
            raise Refusal(422, answer)
        livestream, report = answer
        await self.store.report(livestream, report)
        if report.broadcast:  # who reports it says that it is of the event
            await self.said.decide("attendee", livestream, report.broadcast, count=True)
        return "live"

    async def _may_speak_for(self, person: Signup) -> tuple[Place, ...]:
        if not person.confirmed:
            raise Refusal(403, "me_waiting")
        return signup.own_places(person, self.around.roster(), await self.store.all())

    async def _verdict(self, places: Iterable[Place], form: Mapping[str, str], *, counts: bool) -> str:
        livestream, broadcast = form.get("livestream", ""), form.get("broadcast", "")[:100]
        if livestream not in {place.id for place in places}:
            raise Refusal(422, "error_live_other")
        around = (await self._look([livestream]))[livestream]
        reported = around.report.broadcast or "" if around.report else None
        if broadcast not in {live.id for live in around.broadcasts} | {reported}:
            raise Refusal(422, "error_live")
        if broadcast:
            await self.said.decide("attendee", livestream, broadcast, count=counts)
        if reported == broadcast and not counts:
            await self.store.drop_report(livestream)
        return "this_is" if counts else "not_this"

    async def _me_page(
        self, language: str, person: Signup, token: str, *, notices: Html, keep: Html, status: int = 200
    ) -> web.Response:
        around = await self._look([place.id for place in person.channels])
        body = signup_views.me(
            language,
            person,
            around,
            path=f"/me/{token}",
            platforms=self._platforms,
            zone=self.around.config().event.timezone,
            keep=keep,
            notices=notices,
        )
        return self._page(language, word(language, "me_title"), f"/me/{token}", body, status=status)

    async def _person(self, request: web.Request) -> tuple[str, Signup]:
        token, known = self._token(request)
        person = await self.store.of_token(known)
        if person is None:
            self._wrong.note(_place(request), self.around.monotonic())
            raise Refusal(404, "error_link")
        return token, person

    # --- /liaison -----------------------------------------------------------------------------------------------------

    async def liaison(self, request: web.Request) -> web.StreamResponse:
        token, liaison = await self._liaison(request)
        said = request.query.get("ok", "")
        language = self._language(request)
        return await self._liaison_page(
            language, liaison, token, notices=signup_views.notice(word(language, f"ok_{said}") if said in SAID else "")
        )

    async def liaison_posted(self, request: web.Request) -> web.StreamResponse:
        token, liaison = await self._liaison(request)
        form = await _form(request)
        language = self._language(request, form)
        try:
            said = await self._liaison_said(request.match_info["action"], liaison, form)
        except Refusal as refusal:
            wrong = signup_views.problems(language, [refusal.key])
            return await self._liaison_page(language, liaison, token, notices=wrong, status=refusal.status)
        raise _see(f"/liaison/{token}", lang=language, ok=said)

    async def _liaison_said(self, action: str, liaison: Liaison, form: Mapping[str, str]) -> str:
        """What was done to a row; one that is not this liaison's does not exist."""
        channel = self._own(liaison, await self.store.all()).get(form.get("livestream", ""))
        if channel is None:
            raise Refusal(404, "error_page")
        match action:
            case "live":
                return await self._live(
                    form.get("link", ""), [Place(channel.platform, channel.handle, channel.native_id)], "liaison"
                )
            case "verify":
                return await self._verify(channel, liaison)
            case "fix":
                return await self._fix(channel, form.get("handle", ""), liaison)
            case _:
                raise Refusal(404, "error_page")

    async def _verify(self, channel: Channel, liaison: Liaison) -> str:
        people = [one for one in (await self.store.all()).people if channel.id in {place.id for place in one.channels}]
        waiting = [one for one in people if not one.confirmed and one.attendee.casefold() == channel.attendee.casefold()]
        for one in waiting[:1]:
            await self.store.change(one.id, signup.confirmed)
        if not channel.signed_up:
            await self._fix_row(channel, lambda fix: replace(fix, verified=True, by=liaison.name, at=self.around.now()))
        return "verified"

    async def _fix(self, channel: Channel, pasted: str, liaison: Liaison) -> str:
        found, problems = find_channels(pasted[:500], channel.platform)
        right = next((one for one in found if one.platform == channel.platform), None)
        if right is None:
            raise Refusal(422, f"error_channel_{problems[0].code if problems else 'other'}")
        if channel.signed_up:
            for one in (await self.store.all()).people:
                if channel.id in {place.id for place in one.channels}:
                    await self.store.change(one.id, lambda before: signup.corrected(before, channel.id, right))
        else:
            place = signup.place_of(right)
            await self._fix_row(
                channel, lambda _: Fix(place.handle, by=liaison.name, at=self.around.now(), native_id=place.native_id)
            )
        return "fixed"

    async def _fix_row(self, channel: Channel, make: Callable[[Fix], Fix]) -> None:
        fixes = (await self.store.all()).fixes
        # The file still has the handle from before; what was said about that one is said again about the same row.
        row = next(
            (name for name, fix in fixes.items() if fix.handle and f"{name.partition(':')[0]}:{fix.handle}" == channel.id),
            channel.id,
        )
        await self.store.fix(row, make(fixes.get(row, Fix())))

    def _own(self, liaison: Liaison, said: Signups) -> dict[str, Channel]:
        """The rows that this liaison may see and change, as they are with what was said a moment ago."""
        table = signup.merged(self.around.roster(), said, platforms=self._platforms)
        return {
            channel.id: channel
            for channel in (*table.channels, *table.unreachable)
            if liaison.country in ("*", channel.country) and (not liaison.name or channel.liaison in (None, liaison.name))
        }

    async def _liaison_page(
        self, language: str, liaison: Liaison, token: str, *, notices: Html, status: int = 200
    ) -> web.Response:
        said = await self.store.all()
        rows = self._own(liaison, said)
        around = await self._look(list(rows))
        lines: list[Line] = []
        for channel in rows.values():
            remarks = signup.remarks(channel, said.people, listed=self._listed())
            lines.append(signup_views.line_of(channel, around[channel.id], remarks, self._platforms))
        country = word(language, "liaison_all") if liaison.country == "*" else pages.country(language, liaison.country)
        title = word(language, "liaison_title", country=country)
        body = signup_views.liaison(language, lines, path=f"/liaison/{token}", notices=notices)
        return self._page(language, title, f"/liaison/{token}", body, status=status)

    def _listed(self) -> frozenset[str]:
        """Attendees of the registration list, folded."""
        roster = self.around.roster()
        return frozenset(row.attendee.casefold() for row in (*roster.channels, *roster.unreachable) if not row.signed_up)

    async def _liaison(self, request: web.Request) -> tuple[str, Liaison]:
        token, known = self._token(request)
        liaison = await self.store.liaison(known)
        if liaison is None:
            self._wrong.note(_place(request), self.around.monotonic())
            raise Refusal(404, "error_link")
        return token, liaison

    # --- parts --------------------------------------------------------------------------------------------------------

    def _token(self, request: web.Request) -> tuple[str, str]:
        """(token, its hash); who tried too many wrong ones is not even looked up."""
        if not self._wrong.is_open(_place(request), self.around.monotonic()):
            raise Refusal(429, "error_busy")
        token = request.match_info["token"]
        known = signup.token_hash(token)
        if known is None:
            self._wrong.note(_place(request), self.around.monotonic())
            raise Refusal(404, "error_link")
        return token, known

    def _count_join(self, request: web.Request) -> None:
        place, now = _place(request), self.around.monotonic()
        if not (self._joins.is_open(place, now) and self._all_joins.is_open("", now)):
            raise Refusal(429, "error_busy")
        self._joins.note(place, now)
        self._all_joins.note("", now)

    async def _look(self, livestreams: list[str]) -> dict[str, Around]:
        if not livestreams:
            return {}
        rows = await self.store.redis.hmget(ROWS, livestreams)
        reports = await self.store.reports() if await self.store.redis.hlen(REPORTS) else {}
        found = {}
        for name, data in zip(livestreams, rows, strict=True):
            try:
                row = from_json(data) if data else None
            except ValueError:
                row = None
            found[name] = Around(
                cell=self.around.cell(name), broadcasts=row.broadcasts if row else (), reason=row.reason if row else "",
                state=row.state if row else "", report=reports.get(name),
            )  # fmt: skip
        return found

    async def _confirm(
        self, language: str, found: Iterable[Found], *, action: str, hidden: Mapping[str, str], wrong: Iterable[str] = ()
    ) -> web.Response:
        found = list(found)
        titles = await asyncio.gather(*(self.around.resolve(one.platform, one.handle) for one in found))
        pairs = list(zip(found, titles, strict=True))
        body = signup_views.confirm_form(language, pairs, action=action, hidden=hidden, wrong=tuple(wrong))
        return self._page(language, word(language, "confirm_title"), action.removesuffix("/add"), body)

    def _join_page(
        self,
        request: web.Request,
        asked: Application | None,
        cookie: str,
        *,
        form: Mapping[str, str] | None = None,
        wrong: Iterable[str] = (),
    ) -> web.Response:
        language = self._language(request, form or {})
        body = signup_views.join_form(
            language, asked, seal=self._seal(cookie), event=self.around.config().event.name_in(language),
            region=pages.region(request.headers.get("Accept-Language", "")), wrong=tuple(wrong),
        )  # fmt: skip
        response = self._page(language, word(language, "join_title"), "/join", body, status=422 if wrong else 200)
        response.set_cookie(
            COOKIE, cookie, path="/join", httponly=True, samesite="Strict", secure=self._public().startswith("https:")
        )
        return response

    def _page(self, language: str, title: str, path: str, body: Html, *, status: int = 200) -> web.Response:
        text = signup_views.page(self.around.config(), language, title=title, path=path, body=body)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def _refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        language = self._language(request)
        body = signup_views.notice(word(language, refusal.key), "problem")
        response = self._page(language, word(language, "join_title"), "/join", body, status=refusal.status)
        if refusal.status == 429:
            response.headers["Retry-After"] = "60"
        return response

    def _language(self, request: web.Request, form: Mapping[str, str] | None = None, usual: str = "en") -> str:
        asked = (form or {}).get("lang") or request.query.get("lang")
        if asked is None and usual != "en":
            return usual
        return pages.chosen(asked, request.headers.get("Accept-Language", ""), usual)

    def _seal(self, cookie: str) -> str:
        return hmac.new(self.around.key, b"seal:" + cookie.encode(), hashlib.sha256).hexdigest()

    def _public(self) -> str:
        return (self.around.config().public.url or "").rstrip("/")


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


def qr_svg(url: str, *, inline: bool = True) -> Html:
    """A QR code; it carries no style of its own, which our Content-Security-Policy would refuse."""
    code = segno.make(url, error="m", micro=False)
    if inline:
        return Html(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True))
    file = io.BytesIO()
    code.save(file, kind="svg", scale=8, border=4, dark="#000", light="#fff")
    return Html(file.getvalue().decode())


# --- requests ---------------------------------------------------------------------------------------------------------


def _is_ours(request: web.Request, public: str) -> bool:
    """Whether a form was sent from one of our own pages; a browser says so in one of two ways, and one must be there."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("Origin", ""))
    return bool(origin.netloc) and origin.netloc.lower() in {request.host.lower(), urlsplit(public).netloc.lower()}


def _is_cookie(text: str) -> bool:
    return len(text) == 32 and all(letter in "0123456789abcdef" for letter in text)


def _place(request: web.Request) -> str:
    """Whom attempts are counted for: the network address, of IPv6 the network, behind a proxy of this machine what the proxy says."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(request.remote or "")
        if address.is_loopback and forwarded:
            address = ipaddress.ip_address(forwarded)
    except ValueError:
        return (request.remote or "")[:64]
    return str(ipaddress.ip_network((address, 32 if address.version == 4 else 64), strict=False))


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded" or (request.content_length or 0) > MOST_BODY:
        raise Refusal(422, "error_form")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            found = await request.post()
    except (TimeoutError, ValueError) as error:
        raise Refusal(408, "error_form") from error
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _see(path: str, **query: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}")


async def _own_headers(request: web.Request, response: web.StreamResponse) -> None:
    if request.get(OURS):
        response.headers.update(HEADERS)
