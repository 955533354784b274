"""Sign-up, personal pages and liaisons' lists: who is read follows what people said, and a stranger can do nothing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import html
import logging
import re
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from feed_source import Shelf
from hypothesis import given, settings
from hypothesis import strategies as st
from test_feed import CONFIG as FEED_CONFIG
from test_feed import make_feed

from monitor import signup
from monitor.channel_store import ROWS, ChannelStore
from monitor.channels import Live, Row, as_json
from monitor.collect_plan import plan
from monitor.config import Config, Event, Privacy, Public
from monitor.limits import Limits
from monitor.links import HOSTS, Found
from monitor.pages import LANGUAGES, chosen, clean, countries, region, render, words
from monitor.reload import Reloader
from monitor.roster import Roster, parse_roster
from monitor.settings import Settings
from monitor.signup import Fix, Liaison, Place, Signup, Signups, live_report, person_hash, shown_form
from monitor.signup_desk import JOINS, WRONG_LINKS, Surroundings
from monitor.signup_store import Follower, SignupStore, _followers
from monitor.signup_table import merged
from monitor.signup_web import HEADERS, SignupPages
from monitor.web import make_app, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = datetime(2026, 10, 10, 9, 0, tzinfo=UTC)
KEY = b"k" * 32
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("UTC")), sign_up=True, public=Public(url="https://live.example.org"),
    privacy=Privacy(contact="privacy@example.org"),
)  # fmt: skip
FILE = """attendee,name,country,platform,handle,liaison,tags,consent,verified,person
A1,Ana Lima,BR,twitch,ana_1,leo,track,,,
A2,Bo Li,CN,twitch,bo_1,mei,,yes,,
A3,Caro,BR,twitch,caro_1,leo,,yes,yes,
"""
ROSTER = parse_roster(FILE)


def person(id_="s1", *, attendee="A1", channels=("twitch:ana_1",), confirmed=True, read=True, minutes=0, **more: Any) -> Signup:
    return Signup(
        id=id_, person=f"hash-{attendee}", shown=attendee, attendee=attendee, country=more.pop("country", "BR"), language="pt",
        made_at=NOW + timedelta(minutes=minutes), confirmed=confirmed, read=read, consent_at=NOW if read else None,
        channels=tuple(Place(*name.split(":", 1)) for name in channels), **more,
    )  # fmt: skip


def table(*people: Signup, fixes=None, roster=ROSTER) -> Roster:
    return merged(roster, Signups(people=people, fixes=fixes or {}))


def watched(roster: Roster) -> set[str]:
    wanted = plan(replace(CONFIG, require_consent=True), roster, set(range(256)))
    return {name for some in wanted.targets.values() for name in some}


def refused(roster: Roster) -> dict[str, str]:
    wanted = plan(replace(CONFIG, require_consent=True), roster, set(range(256)))
    return {**wanted.refused, **wanted.paused}


# --- one table --------------------------------------------------------------------------------------------------------


def test_who_signs_up_is_watched_with_what_the_list_knows():
    found = table(person(channels=("twitch:ana_1", "twitch:ana_2"))).by_id()
    assert watched(table(person(channels=("twitch:ana_1", "twitch:ana_2")))) == {"twitch:ana_1", "twitch:ana_2", "twitch:caro_1"}
    second = found["twitch:ana_2"]
    assert (second.attendee, second.name, second.country, second.liaison, second.tags) == (
        "A1",
        "Ana Lima",
        "BR",
        "leo",
        {"track"},
    )
    assert (second.consent, second.consent_at, second.signed_up, found["twitch:ana_1"].signed_up) == ("v1", NOW, True, False)


def test_who_withdraws_leaves_the_watch_whatever_the_file_says():
    given = person("s3", attendee="A3", channels=("twitch:caro_1", "twitch:caro_2"))
    assert {"twitch:caro_1", "twitch:caro_2"} <= watched(table(given))
    gone = table(signup.withdrawn(given, NOW))
    assert watched(gone) == set()
    assert refused(gone)["twitch:caro_1"] == "the attendee does not agree that it is read"
    assert gone.by_id()["twitch:caro_1"].consent is None


def test_a_withdrawal_holds_where_consent_is_not_required_too():
    gone = signup.withdrawn(person("s3", attendee="A3", channels=("twitch:caro_1",)), NOW)
    assert "twitch:caro_1" not in {channel.id for channel in table(gone).watchable(require_consent=False)}


def test_who_pauses_a_channel_keeps_the_others():
    given = person(channels=("twitch:ana_1", "twitch:ana_2"))
    paused = signup.paused(given, "twitch:ana_2", on=True)
    assert watched(table(paused)) == {"twitch:ana_1", "twitch:caro_1"}
    assert refused(table(paused))["twitch:ana_2"] == "paused by the attendee"
    assert watched(table(signup.paused(paused, "twitch:ana_2", on=False))) == watched(table(given))


def test_what_nobody_has_confirmed_is_listed_and_not_read():
    stranger = table(person(attendee="Z9", channels=("twitch:victim",), confirmed=False))
    assert "twitch:victim" not in watched(stranger)
    assert "confirmed" in refused(stranger)["twitch:victim"]


def test_an_unconfirmed_word_changes_nothing_about_rows_of_others():
    nasty = signup.withdrawn(person("x", attendee="A3", channels=("twitch:caro_1",), confirmed=False), NOW)
    assert watched(table(nasty)) == {"twitch:caro_1"}
    claim = person("y", attendee="A1", channels=("twitch:caro_1",))
    assert table(signup.withdrawn(claim, NOW)).by_id()["twitch:caro_1"].attendee == "A3"
    assert "twitch:caro_1" in watched(table(signup.withdrawn(claim, NOW)))


def test_a_name_is_shown_only_to_those_who_ticked_it():
    shown = parse_roster(FILE.replace(",person\n", ",person,show_name\n").replace("yes,yes,\n", "yes,yes,,yes\n"))
    assert shown.by_id()["twitch:caro_1"].show_name
    said_no = merged(shown, Signups(people=(person("s3", attendee="A3", channels=("twitch:caro_1",)),)))
    assert not said_no.by_id()["twitch:caro_1"].show_name


def test_a_liaison_confirms_and_corrects_rows_of_the_file():
    assert "twitch:bo_1" in watched(table(fixes={"twitch:bo_1": Fix(verified=True)}))
    corrected = table(fixes={"twitch:bo_1": Fix("bo_right")})
    assert "twitch:bo_right" not in watched(corrected)
    assert "twitch:bo_1" not in corrected.by_id()
    assert "twitch:bo_right" in watched(table(fixes={"twitch:bo_1": Fix("bo_right", verified=True)}))


def test_while_nobody_knows_who_withdrew_nothing_is_read():
    blind = merged(ROSTER, Signups(known=False))
    assert watched(blind) == set()
    assert "cannot be read yet" in refused(blind)["twitch:caro_1"]


@st.composite
def said(draw: Any) -> Signup:
    """One person's word, of any kind."""
    number = draw(st.integers(0, 9))
    names = draw(
        st.lists(
            st.sampled_from(["twitch:ana_1", "twitch:bo_1", "twitch:caro_1", "twitch:new", "tiktok:new"]), max_size=3, unique=True
        )
    )
    attendee = draw(st.sampled_from(["A1", "A2", "A3", "Z9"]))
    one = person(
        f"s{number}",
        attendee=attendee,
        channels=tuple(names),
        confirmed=draw(st.booleans()),
        read=draw(st.booleans()),
        minutes=number,
    )
    return signup.withdrawn(one, NOW) if draw(st.booleans()) else signup.paused(one, "twitch:ana_1", on=draw(st.booleans()))


@given(st.lists(said(), max_size=5, unique_by=lambda one: one.id))
@settings(max_examples=200, deadline=None)
def test_whatever_people_say_each_channel_is_once_and_none_is_read_against_a_confirmed_word(people):
    found = table(*people)
    ids = [channel.id for channel in (*found.channels, *found.unreachable)]
    assert len(ids) == len(set(ids))
    assert {channel.id for channel in ROSTER.channels} <= set(ids)
    read = watched(found)
    for one in people:
        if (
            one.confirmed
            and not one.consents
            and not any(other.confirmed and other.consents and other.attendee == one.attendee for other in people)
        ):
            assert {channel.id for channel in found.channels if channel.attendee == one.attendee}.isdisjoint(read)
    assert merged(ROSTER, Signups(people=tuple(reversed(people)))) == found


# --- people -----------------------------------------------------------------------------------------------------------


def test_an_e_mail_is_kept_as_a_keyed_hash_and_a_form_with_dots():
    assert shown_form("joao.silva@gmail.com") == "j•••a@g•••.com"
    assert shown_form("a@b.co") == "a•••@b•••.co"
    assert (
        person_hash(KEY, " Joao@Example.org ")
        == person_hash(KEY, "joao@example.org")
        != person_hash(b"other", "joao@example.org")
    )


def test_the_import_and_the_page_make_the_same_hash():
    listed = parse_roster(FILE + f"E9,,BR,twitch,dora_1,,,,,{person_hash(KEY, 'dora@example.org')}\n")
    asked = signup.application({"number": "Dora@Example.org", "channel": "twitch.tv/dora_2", "country": "BR", "read": "1"})
    made = signup.signup_of(asked, roster=listed, key=KEY, id_="1", first=True, language="en", now=NOW)
    assert (made.attendee, made.confirmed) == ("E9", True)


def test_only_the_first_on_the_list_is_confirmed_by_signing_up():
    def made(number, *, first=True, roster=ROSTER):
        asked = signup.application({"number": number, "channel": "twitch.tv/ana_1", "country": "BR", "read": "1"})
        return signup.signup_of(asked, roster=roster, key=KEY, id_="1", first=first, language="en", now=NOW).confirmed

    assert made("a1")
    assert not made("a1", first=False)
    assert not made("Z9")
    assert made("Z9", roster=Roster())


def test_tokens_are_256_bits_and_kept_as_hashes():
    token = signup.new_token(bytes(range(32)))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert signup.token_hash(token) not in (None, token)
    assert signup.token_hash(token[:-1]) is None
    assert signup.token_hash("ü" * 43) is None
    with pytest.raises(ValueError, match="32"):
        signup.new_token(b"short")


def test_attempts_are_limited_per_place_and_time():
    limits = Limits(2, 60.0, places=2)
    for at in (0.0, 1.0):
        assert limits.is_open("a", at)
        limits.note("a", at)
    assert not limits.is_open("a", 59.0)
    assert limits.is_open("b", 59.0)
    assert limits.is_open("a", 60.0)


# --- live addresses: nothing is fetched, whatever it is ---------------------------------------------------------------

FORGED = [
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/",
    "http://0.0.0.0:{port}/", "http://0x7f000001:{port}/", "http://2130706433:{port}/", "http://127.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://127.0.0.1.nip.io:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x",
    "https://youtube.com@127.0.0.1:{port}/watch?v=aaaaaaaaaaa", "https://youtube.com:{port}/watch?v=aaaaaaaaaaa",
    "https://youtube.com.evil.example/watch?v=aaaaaaaaaaa", "http://metadata.google.internal/", "//127.0.0.1:{port}/youtube.com/",
    "https://evil.example/?u=https://youtube.com/watch", "http://127.0.0.1:{port}/twitch.tv/ana_1", "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "http://100.64.0.1/", "http://[fd00::1]/", "http://①②⑦.⓪.⓪.①:{port}/",
]  # fmt: skip
PLACES = [Place("twitch", "ana_1"), Place("youtube", "ana.b"), Place("tiktok", "ana"), Place("tiktok", "ana2")]


@given(st.sampled_from(FORGED) | st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_report_names_a_platforms_own_host_or_is_refused(pasted):
    answer = live_report(pasted.format(port=1) if "{port}" in pasted else pasted, PLACES, by="attendee", now=NOW)
    if not isinstance(answer, str):
        _, report = answer
        host = re.fullmatch(r"https://([^/@:?#\s]+)/[\w.~@%/+-]*(\?[\w=&-]*)?", report.url)[1]
        assert re.sub(r"^(www|m|mobile|web)\.", "", host) in HOSTS


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        ("https://www.twitch.tv/Ana_1", "twitch:ana_1"),
        ("https://www.twitch.tv/somebody_else", "error_live_other"),
        ("https://youtu.be/dQw4w9WgXcQ", "youtube:ana.b"),
        ("https://www.tiktok.com/@ana2/live", "tiktok:ana2"),
        ("https://vm.tiktok.com/ZM1/", "error_live_other"),
        ("https://kick.com/ana", "error_live_platform"),
        ("I am live!", "error_live"),
    ],
)
def test_a_report_belongs_to_a_channel_of_the_person(pasted, expected):
    answer = live_report(pasted, PLACES, by="attendee", now=NOW)
    assert (answer if isinstance(answer, str) else answer[0]) == expected


# --- words and templates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language):
    usual, spoken = words("en"), words(language)
    assert spoken.keys() == usual.keys()
    for key, text in spoken.items():
        assert text.strip()
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", usual[key])), key
    assert len(countries(language)) == len(countries("en"))


SOURCES = (
    "signup.py",
    "signup_desk.py",
    "signup_join.py",
    "signup_liaison.py",
    "signup_me.py",
    "signup_views.py",
    "signup_web.py",
)


def test_every_word_is_used_and_every_used_word_exists():
    sources = [path.read_text() for path in (files("monitor") / "templates").iterdir()]
    sources += [(files("monitor") / name).read_text() for name in SOURCES]
    everything = "\n".join(sources)
    used = set(re.findall(r"\{\{:([a-z_]+)\}\}", everything)) | set(re.findall(r'"([a-z_]+)"', everything))
    made = {key for key in words("en") if key.startswith(("error_channel_", "ok_", "state_")) or key in ("language", "direction")}
    assert set(words("en")) - used - made == set()
    assert set(re.findall(r"\{\{:([a-z_]+)\}\}", everything)) <= set(words("en"))


def test_templates_carry_no_script_no_style_and_no_handler():
    for path in (files("monitor") / "templates").iterdir():
        if path.name.endswith(".html"):
            text = path.read_text()
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|src=", text, re.IGNORECASE), path.name


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"), ("zh-TW", "zh"), ("de,fr;q=0.7", "fr"), ("de", "en"), ("", "en"), ("en;q=0,ar", "ar"),
        ("in-ID", "id"), ("es;q=0.5,ru;q=0.9", "ru"), ("x" * 5000, "en"), (",;q=;;", "en"),
    ],
)  # fmt: skip
def test_the_browsers_language_is_spoken(accept, language):
    assert chosen(None, accept) == language


def test_the_country_of_the_browser_is_the_first_guess():
    assert (region("pt-BR,pt;q=0.9"), region("zh-Hans-CN"), region("en"), region("xx-QQ")) == ("BR", "CN", None, None)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_value_becomes_markup(text):
    shown = render("notice", "en", text=text, kind="note")
    assert re.fullmatch(r'<p class="note" role="status">[^<>"]*</p>', shown)
    assert html.unescape(shown.split('role="status">')[1].removesuffix("</p>")) == clean(text)


def test_what_reverses_or_covers_other_lines_is_taken_out():
    assert clean("a\u202eb\u2066c\u0000d\te") == "abcde"
    assert clean("z" + "\u0301" * 50) == "z" + "\u0301" * 3


# --- the pages --------------------------------------------------------------------------------------------------------


class Site:
    """The product's own application with the sign-up pages, and a browser that keeps cookies."""

    def __init__(self, client: TestClient[Any, Any], store: SignupStore, made: SignupPages) -> None:
        self.client, self.store, self.pages = client, store, made
        self.cookie = ""
        self.resolved: list[tuple[str, str]] = []
        self.clock = 0.0

    async def get(self, path: str, *, status: int = 200, **headers: str) -> str:
        async with self.client.get(path, headers=headers) as response:
            text = await response.text()
            assert response.status == status, text
            # The cookie is for https, which a test has not: sent by hand, as a browser would behind the proxy.
            self.cookie = response.headers.get("Set-Cookie", self.cookie).partition(";")[0]
            return text

    async def post(self, path: str, form: dict[str, str], *, status: int = 303, origin: str | None = "", **headers: str) -> str:
        given = (
            {"Origin": f"http://{self.client.host}:{self.client.port}" if origin == "" else origin} if origin is not None else {}
        )
        given |= {"Cookie": self.cookie} if self.cookie else {}
        async with self.client.post(path, data=form, headers=given | headers, allow_redirects=False) as response:
            text = await response.text()
            assert response.status == status, text
            return response.headers["Location"] if status == 303 else text

    async def join(self, **form: str) -> str:
        """Both steps; the token."""
        filled = FORM | form
        page = await self.get("/join")
        asked = await self.post("/join", filled | {"seal": field(page, "seal")}, status=200)
        location = await self.post("/join", hidden(asked) | {"confirmed": "1"})
        return re.fullmatch(r"/me/([\w-]{43})\?lang=\w\w&new=1", location)[1]

    async def people(self) -> tuple[Signup, ...]:
        return (await self.store.all()).people


FORM = {"number": "A1", "channel": "https://www.twitch.tv/ana_1", "country": "BR", "read": "1", "lang": "en"}


def field(page: str, name: str) -> str:
    return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', page)[1])


def hidden(page: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}


@contextlib.asynccontextmanager
async def serving(redis_client: Any, roster: Roster = ROSTER, **around: Any) -> AsyncIterator[Site]:
    feed, _ = make_feed(Shelf())
    app = make_app(feed, allowed_origins=["https://live.example.org"])
    store = SignupStore(redis_client)
    site: Site

    async def resolve(platform: str, handle: str) -> str | None:
        site.resolved.append((platform, handle))
        return {"ana_1": "Ana & <Autos>", "nobody_1": ""}.get(handle)

    surroundings = Surroundings(
        config=lambda: CONFIG, roster=lambda: roster, key=KEY, now=lambda: NOW, monotonic=lambda: site.clock, resolve=resolve,
        cell=around.pop("cell", lambda _: {}),
    )  # fmt: skip
    made = SignupPages(redis_client, surroundings)
    made.register(app)
    server = TestServer(app)
    await server.start_server(access_log=None)  # as web.run does
    async with TestClient(server) as client:
        site = Site(client, store, made)
        yield site


@pytest.fixture
async def site(redis_client: Any) -> AsyncIterator[Site]:
    async with serving(redis_client) as found:
        yield found


async def test_joining_takes_two_steps_and_ends_on_the_personal_page(site):
    page = await site.get("/join", **{"Accept-Language": "pt-BR"})
    assert 'lang="pt"' in page
    assert '<option value="BR" selected>Brasil</option>' in page
    assert 'name="read" value="1">' in page  # no tick is made for anybody
    asked = await site.post("/join", FORM | {"seal": field(page, "seal")}, status=200)
    assert "Is this you?" in asked
    assert "Ana &amp; &lt;Autos&gt;" in asked
    assert 'href="https://www.twitch.tv/ana_1"' in asked
    assert await site.people() == ()
    location = await site.post("/join", hidden(asked) | {"confirmed": "1"})
    me = await site.get(location)
    assert "https://live.example.org/me/" in me
    assert "<svg" in me
    (made,) = await site.people()
    assert (made.attendee, made.confirmed, made.consents, [place.id for place in made.channels]) == (
        "A1",
        True,
        True,
        ["twitch:ana_1"],
    )
    again = await site.get(location.partition("?")[0])
    assert "<svg" not in again  # the key is shown once


async def test_who_says_no_comes_back_to_the_form_as_it_was(site):
    page = await site.get("/join")
    asked = await site.post("/join", FORM | {"seal": field(page, "seal"), "number": "<b>A1"}, status=422)
    assert "&lt;b&gt;A1" not in asked  # an angle bracket is no registration number, and quotes around it are not kept
    asked = await site.post("/join", FORM | {"seal": field(page, "seal")}, status=200)
    back = await site.post("/join", hidden(asked) | {"change": "1"}, status=200)
    assert field(back, "number") == "A1"
    assert "https://www.twitch.tv/ana_1</textarea>" in back
    assert 'name="read" value="1" checked' in back


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"number": ""}, "registration number"),
        ({"channel": "https://youtu.be/dQw4w9WgXcQ"}, "one video"),
        ({"channel": "Ana Autos", "platform": "twitch"}, "paste its address"),
        ({"channel": "https://vm.tiktok.com/x"}, "short link"),
        ({"channel": "ana_1"}, "Which platform"),
        ({"country": "Atlantis"}, "choose your country"),
    ],
)
async def test_what_is_missing_is_said_in_one_sentence(site, form, says):
    page = await site.get("/join")
    assert says.casefold() in (await site.post("/join", FORM | {"seal": field(page, "seal")} | form, status=422)).casefold()
    assert await site.people() == ()


async def test_no_e_mail_is_stored_or_logged_and_no_link_either(site, caplog, redis_client):
    with caplog.at_level(logging.DEBUG):
        token = await site.join(number="Ana.Lima@Example.org")
        await site.get(f"/me/{token}")
        await site.get(f"/me/{'x' * 43}", status=404)
    everything = repr(await redis_client.hgetall("{signup}")) + caplog.text
    assert "example" not in everything.casefold()
    assert "ana.lima" not in everything.casefold()
    assert token not in everything
    assert "x" * 43 not in caplog.text


async def test_consent_is_what_was_ticked_and_nothing_more(site):
    page = await site.get("/join")
    asked = await site.post(
        "/join", {k: v for k, v in FORM.items() if k != "read"} | {"seal": field(page, "seal"), "contact": "1"}, status=200
    )
    await site.post("/join", hidden(asked) | {"confirmed": "1"})
    (made,) = await site.people()
    assert (made.read, made.show_name, made.contact, made.consent_at) == (False, False, True, None)
    assert "twitch:ana_1" not in watched(table(*await site.people()))


async def test_the_second_person_with_one_number_waits_for_the_liaison(site):
    first, second = await site.join(), await site.join(channel="https://www.twitch.tv/stranger")
    one, two = sorted(await site.people(), key=lambda person: not person.confirmed)
    assert (one.confirmed, two.confirmed) == (True, False)
    assert two.channels[0].handle == "stranger"
    assert "must confirm first" in await site.get(f"/me/{second}")
    assert "must confirm first" not in await site.get(f"/me/{first}")
    assert "twitch:stranger" not in watched(table(one, two))


# --- /me --------------------------------------------------------------------------------------------------------------


async def test_withdrawing_takes_a_tick_and_holds_at_once(site):
    token = await site.join()
    assert "tick that you mean it" in await site.post(f"/me/{token}/withdraw", {}, status=422)
    assert "twitch:ana_1" in watched(table(*await site.people()))
    location = await site.post(f"/me/{token}/withdraw", {"sure": "1"})
    assert "Your consent is withdrawn" in await site.get(location)
    assert "twitch:ana_1" not in watched(table(*await site.people()))
    await site.post(f"/me/{token}/ticks", {"read": "1"})
    assert "twitch:ana_1" in watched(table(*await site.people()))


async def test_pause_and_go_on(site):
    token = await site.join()
    assert "paused" in await site.get(await site.post(f"/me/{token}/pause", {"livestream": "twitch:ana_1"}))
    assert "twitch:ana_1" not in watched(table(*await site.people()))
    await site.post(f"/me/{token}/resume", {"livestream": "twitch:ana_1"})
    assert "twitch:ana_1" in watched(table(*await site.people()))


async def test_another_channel_is_confirmed_before_it_is_added(site):
    token = await site.join()
    asked = await site.post(f"/me/{token}/add", {"channel": "https://www.youtube.com/@ana.b"}, status=200)
    assert "Is this you?" in asked
    await site.post(f"/me/{token}/add", hidden(asked) | {"confirmed": "1"})
    assert [place.id for place in (await site.people())[0].channels] == ["twitch:ana_1", "youtube:ana.b"]


async def test_i_am_live_is_noted_for_discovery_and_confirms_the_broadcast(site, redis_client):
    token = await site.join(channel="https://www.youtube.com/@ana.b")
    await site.post(f"/me/{token}/live", {"link": "Watch! https://youtu.be/dQw4w9WgXcQ?si=1"})
    reports = await site.store.reports()
    assert reports["youtube:ana.b"].url == "https://youtu.be/dQw4w9WgXcQ"
    assert reports["youtube:ana.b"].broadcast == "dQw4w9WgXcQ"
    assert (await ChannelStore(redis_client).said())["youtube:ana.b", "dQw4w9WgXcQ"].attendee is True
    assert int(await redis_client.get("{selfreport}:version")) == 1
    page = await site.get(f"/me/{token}")
    assert "https://youtu.be/dQw4w9WgXcQ" in page
    await site.post(f"/me/{token}/not-this", {"livestream": "youtube:ana.b", "broadcast": "dQw4w9WgXcQ"})
    assert (await ChannelStore(redis_client).said())["youtube:ana.b", "dQw4w9WgXcQ"].attendee is False
    assert await site.store.reports() == {}


async def test_what_discovery_found_can_be_said_not_to_count_and_nothing_else(site, redis_client):
    token = await site.join()
    row = Row(
        platform="twitch", handle="ana_1", state="live", broadcasts=(Live(id="77", title="Cooking <script>", found_at=NOW),)
    )
    await redis_client.hset(ROWS, "twitch:ana_1", as_json(row))
    page = await site.get(f"/me/{token}")
    assert "Cooking &lt;script&gt;" in page
    await site.post(f"/me/{token}/not-this", {"livestream": "twitch:ana_1", "broadcast": "78"}, status=422)
    await site.post(f"/me/{token}/not-this", {"livestream": "twitch:bo_1", "broadcast": "77"}, status=422)
    await site.post(f"/me/{token}/not-this", {"livestream": "twitch:ana_1", "broadcast": "77"})
    said = await ChannelStore(redis_client).said()
    assert {key: value.attendee for key, value in said.items()} == {("twitch:ana_1", "77"): False}


async def test_what_was_said_of_a_broadcast_holds_on_the_page_at_once_and_one_live_is_one_entry(site, redis_client):
    token = await site.join()
    row = Row(platform="twitch", handle="ana_1", state="live", broadcasts=(Live(id="77", title="Test drive"),))
    await redis_client.hset(ROWS, "twitch:ana_1", as_json(row))
    await site.post(f"/me/{token}/live", {"link": "https://www.twitch.tv/ana_1"})
    before = await site.get(f"/me/{token}")
    assert (before.count(f"{token}/not-this"), "Test drive" in before) == (1, True)
    await site.post(f"/me/{token}/not-this", {"livestream": "twitch:ana_1", "broadcast": "77"})
    after = await site.get(f"/me/{token}")
    assert (after.count(f"{token}/not-this"), after.count(f"{token}/this")) == (0, 1)
    await ChannelStore(redis_client).decide("producer", "twitch:ana_1", "77", count=True)
    assert f"{token}/not-this" in await site.get(f"/me/{token}")  # the producer's word comes first


async def test_a_link_that_opens_nothing_says_so_under_its_own_heading(site):
    page = await site.get(f"/me/{'a' * 43}", status=404)
    assert f"<h1>{words('en')['error_title']}</h1>" in page
    assert words("en")["join_title"] not in page


async def test_nobody_speaks_for_a_channel_that_is_somebody_elses(site, redis_client):
    """Neither who is not confirmed, nor who is, but has named another's channel as well."""
    await redis_client.hset(
        ROWS, "twitch:caro_1", as_json(Row(platform="twitch", handle="caro_1", broadcasts=(Live(id="7", title="x"),)))
    )
    stranger = await site.join(number="Z9", channel="https://www.twitch.tv/caro_1")
    claimer = await site.join(number="A1", channel="https://www.twitch.tv/caro_1")
    owner = await site.join(number="A3", channel="https://www.twitch.tv/caro_1")
    for token, status in ((stranger, 403), (claimer, 422)):
        await site.post(f"/me/{token}/live", {"link": "twitch.tv/caro_1"}, status=status)
        await site.post(f"/me/{token}/not-this", {"livestream": "twitch:caro_1", "broadcast": "7"}, status=status)
    assert (await site.store.reports(), await ChannelStore(redis_client).said()) == ({}, {})
    await site.post(f"/me/{owner}/live", {"link": "twitch.tv/caro_1"})
    for token in (stranger, claimer):
        await site.post(f"/me/{token}/withdraw", {"sure": "1"})
    assert set(await site.store.reports()) == {"twitch:caro_1"}
    assert "twitch:caro_1" in watched(table(*await site.people()))


async def test_nothing_of_a_channel_is_shown_to_whom_it_does_not_belong(redis_client):
    """Neither numbers nor titles; whoever names another's channel would see them otherwise."""
    cell = {"state": "live", "engagement": {"total": 4711, "per_minute": 12}}
    await redis_client.hset(
        ROWS, "twitch:caro_1", as_json(Row(platform="twitch", handle="caro_1", broadcasts=(Live(id="7", title="her title"),)))
    )
    caro = {"channel": "https://www.twitch.tv/caro_1"}
    async with serving(redis_client, cell=lambda _: cell) as site:
        owner, stranger, claimer = [await site.join(number=number, **caro) for number in ("A3", "Z9", "A1")]
        page = await site.get(f"/me/{owner}")
        assert "4711" in page
        assert "her title" in page
        for token in (stranger, claimer):
            page = await site.get(f"/me/{token}")
            assert "caro_1" in page
            assert words("en")["state_unverified"] in page
            for hers in ("4711", "her title", "/pause", "/not-this"):
                assert hers not in page


async def test_a_liaison_is_not_asked_about_whom_nobody_asks_to_read(site):
    caro = {"channel": "https://www.twitch.tv/caro_1"}
    claimer, again = [await site.join(number="Z9", **caro) for _ in range(2)]
    token = await liaison_of(site, "*")
    assert (await site.get(f"/liaison/{token}?lang=en")).count("Signed up as") == 1
    for one in (claimer, again):
        await site.post(f"/me/{one}/withdraw", {"sure": "1"})
    assert "Signed up as" not in await site.get(f"/liaison/{token}?lang=en")


async def test_my_numbers_are_those_of_the_feed(redis_client):
    cell = {"state": "live", "engagement": {"total": 4711, "per_minute": 12}, "last_event": "2026-10-10T08:59:58.000Z"}
    async with serving(redis_client, cell=lambda name: cell if name == "twitch:ana_1" else {}) as site:
        page = await site.get(f"/me/{await site.join()}")
    assert "<dd>4711</dd>" in page
    assert "2026-10-10 08:59 UTC" in page
    assert ">live</p>" in page


# --- liaisons ---------------------------------------------------------------------------------------------------------


async def liaison_of(site: Site, country: str = "BR", name: str = "") -> str:
    token = signup.new_token(bytes([len(country) + len(name)]) * 32)
    await site.store.add_liaison(signup.token_hash(token), Liaison(country, name))
    return token


async def test_a_liaison_sees_the_own_country_problems_first(site):
    await site.join()
    await site.post("/join", {}, status=403)
    page = await site.get(f"/liaison/{await liaison_of(site)}?lang=en")
    assert "ana_1" in page
    assert "caro_1" in page
    assert "bo_1" not in page
    everybody = await site.get(f"/liaison/{await liaison_of(site, '*')}?lang=en")
    assert everybody.index("bo_1") < everybody.index("caro_1")  # bo_1 is to be confirmed
    named = await site.get(f"/liaison/{await liaison_of(site, '*', 'mei')}?lang=en")
    assert "bo_1" in named
    assert "caro_1" not in named


async def test_a_liaison_confirms_corrects_and_reports_for_own_rows_only(site):
    token = await liaison_of(site, "CN")
    await site.post(f"/liaison/{token}/verify", {"livestream": "twitch:bo_1"})
    assert "twitch:bo_1" in watched(table(fixes=(await site.store.all()).fixes))
    await site.post(f"/liaison/{token}/fix", {"livestream": "twitch:bo_1", "handle": "https://www.twitch.tv/bo_right"})
    fixes = (await site.store.all()).fixes
    assert "twitch:bo_right" not in watched(table(fixes=fixes))
    await site.post(f"/liaison/{token}/verify", {"livestream": "twitch:bo_right"})
    assert "twitch:bo_right" in watched(table(fixes=(await site.store.all()).fixes))
    await site.post(f"/liaison/{token}/live", {"livestream": "twitch:bo_right", "link": "twitch.tv/bo_right"})
    assert (await site.store.reports())["twitch:bo_right"].by == "liaison"
    for action in ("verify", "fix", "live"):
        await site.post(
            f"/liaison/{token}/{action}", {"livestream": "twitch:caro_1", "handle": "x_1", "link": "twitch.tv/caro_1"}, status=404
        )
    assert set((await site.store.all()).fixes) == {"twitch:bo_1"}
    assert set(await site.store.reports()) == {"twitch:bo_right"}


async def test_a_liaison_confirms_a_person_who_is_not_on_the_list(site):
    await site.join(number="Z9", channel="https://www.twitch.tv/zoe_1")
    assert "twitch:zoe_1" not in watched(table(*await site.people()))
    token = await liaison_of(site)
    assert "Not in the registration list: \u2068Z9\u2069" in await site.get(f"/liaison/{token}?lang=en")
    await site.post(f"/liaison/{token}/verify", {"livestream": "twitch:zoe_1"})
    assert "twitch:zoe_1" in watched(table(*await site.people()))


async def test_a_liaison_corrects_a_sign_up_and_must_confirm_it_again(site):
    await site.join(channel="https://www.twitch.tv/ana_typo")
    token = await liaison_of(site)
    await site.post(f"/liaison/{token}/fix", {"livestream": "twitch:ana_typo", "handle": "@ana_9"})
    assert "twitch:ana_9" not in watched(table(*await site.people()))
    await site.post(f"/liaison/{token}/verify", {"livestream": "twitch:ana_9"})
    assert "twitch:ana_9" in watched(table(*await site.people()))


# --- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "headers", "status"),
    [
        ("https://evil.example", {}, 403),
        ("null", {}, 403),
        (None, {}, 403),
        ("", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("", {"Sec-Fetch-Site": "same-site"}, 403),
        ("", {"Sec-Fetch-Site": "none"}, 403),
        ("https://live.example.org", {}, 303),
        (None, {"Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
async def test_a_change_needs_a_form_of_our_own(site, origin, headers, status):
    token = await site.join()
    await site.post(f"/me/{token}/pause", {"livestream": "twitch:ana_1"}, origin=origin, status=status, **headers)
    assert (await site.people())[0].channels[0].paused is (status == 303)


async def test_a_sign_up_needs_the_cookie_that_belongs_to_its_form(site):
    page = await site.get("/join")
    seal = field(page, "seal")
    await site.post("/join", FORM | {"seal": "0" * 64}, status=403)
    await site.post("/join", FORM, status=403)
    site.cookie = ""
    await site.post("/join", FORM | {"seal": seal}, status=403)


async def test_nothing_changes_by_looking(site):
    token = await site.join()
    before = await site.store.version()
    for path in ("pause", "resume", "withdraw", "ticks", "add", "live", "not-this"):
        async with site.client.get(f"/me/{token}/{path}?sure=1&livestream=twitch:ana_1") as response:
            assert response.status in (404, 405)
    assert await site.store.version() == before


async def test_guessing_links_is_slowed_down_and_not_looked_up(site, redis_client):
    for number in range(WRONG_LINKS[0]):
        await site.get(f"/me/{str(number).zfill(43)}", status=404)
    token = await site.join()
    for path in (f"/me/{token}", f"/liaison/{token}"):
        async with site.client.get(path) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "60")
    site.clock = WRONG_LINKS[1]
    await site.get(f"/me/{token}")


async def test_another_network_is_not_slowed_down_with_the_guesser(site):
    for number in range(WRONG_LINKS[0]):
        await site.get(f"/me/{str(number).zfill(43)}", status=404, **{"X-Forwarded-For": "9.9.9.9, 203.0.113.7"})
    await site.get(f"/me/{'1' * 43}", status=429, **{"X-Forwarded-For": "203.0.113.7"})
    await site.get(f"/me/{'1' * 43}", status=404, **{"X-Forwarded-For": "203.0.113.7, 203.0.113.8"})
    for number in range(WRONG_LINKS[0]):
        await site.get(f"/me/{str(number).zfill(43)}", status=404, **{"X-Forwarded-For": f"2001:db8:1:2::{number:x}"})
    await site.get(f"/me/{'1' * 43}", status=429, **{"X-Forwarded-For": "2001:db8:1:2:ffff::1"})


async def test_forms_are_limited_per_network(site):
    page = await site.get("/join")
    form = FORM | {"seal": field(page, "seal")}
    for _ in range(JOINS[0]):
        await site.post("/join", form, status=200)
    assert "Too many attempts" in await site.post("/join", form, status=429)
    site.clock = JOINS[1]
    await site.post("/join", form, status=200)


NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{event}}{{:next}}",
    "javascript:alert(1)",
    "\u202eevil\u0000",
    "' autofocus onfocus=alert(1) x='",
]


@pytest.mark.parametrize("text", NASTY)
async def test_no_text_that_anybody_stored_becomes_markup_on_any_page(redis_client, text):
    listed = parse_roster(FILE)
    row = replace(listed.channels[0], id=f"weird:{text}", name=text, handle=text, platform="weird", attendee=text)
    listed = replace(listed, unreachable=(row,), channels=(replace(listed.channels[0], name=text), *listed.channels[1:]))
    nasty = person("s9", attendee=text, channels=("twitch:ana_2",), confirmed=False)
    cell = {"state": text, "reason": text, "engagement": {"total": 1}, "last_event": text}
    async with serving(redis_client, roster=listed, cell=lambda _: cell) as site:
        token = signup.new_token(bytes(32))
        nasty = Signup(
            **{name: getattr(nasty, name) for name in nasty.__struct_fields__}
            | {"shown": text, "channels": (Place("twitch", text),)}
        )
        await site.store.add(lambda _: nasty, signup.token_hash(token), "p", "s9")
        await redis_client.hset(
            ROWS,
            f"twitch:{text}",
            as_json(Row(platform="twitch", handle=text, reason=text, broadcasts=(Live(id=text, title=text, found_at=NOW),))),
        )
        shown = [
            await site.get(f"/me/{token}?ok={text}&new={text}&lang={text}"),
            await site.get(f"/liaison/{await liaison_of(site, '*')}"),
            await site.get("/privacy", **{"Accept-Language": "en"}),
            await site.get(f"/join?lang={text}"),
        ]
        page = await site.get("/join")
        shown.append(
            await site.post(
                "/join",
                {**FORM, "seal": field(page, "seal"), "channel": text, "number": text, "country": text, "platform": text},
                status=422,
            )
        )
    for page in shown:
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r'"[^"]*"', '""', page))
        assert not re.search(r'href="(?!/|https://)', page)
        assert "\u202e" not in page


async def test_every_page_carries_our_own_strict_headers(site):
    token = await site.join()
    for path in ("/join", f"/me/{token}", f"/liaison/{await liaison_of(site)}", "/privacy", "/join/style.css", "/me/wrong"):
        async with site.client.get(path) as response:
            for name, value in HEADERS.items():
                assert response.headers[name] == value
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src" not in HEADERS["Content-Security-Policy"]
    async with site.client.get("/healthz") as response:
        assert "form-action 'none'" in response.headers["Content-Security-Policy"]


async def test_the_cookie_is_for_the_form_only_and_goes_only_over_https(site):
    async with site.client.get("/join") as response:
        cookie = response.headers["Set-Cookie"]
    assert all(part in cookie for part in ("Path=/join", "HttpOnly", "SameSite=Strict", "Secure"))
    assert "Max-Age" not in cookie
    assert "expires" not in cookie.lower()


async def test_forged_live_links_make_no_connection(site, monkeypatch):
    """A server that would notice: whatever is pasted, nobody knocks."""
    knocks = []
    server = await asyncio.start_server(lambda *_: knocks.append(1), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asked: list[Any] = []
    resolver = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **more: asked.append(words) or resolver(*words, **more))
    token = await site.join()
    asked.clear()
    for link in FORGED:
        await site.post(f"/me/{token}/live", {"link": link.format(port=port)}, status=422)
        await site.post(f"/me/{token}/add", {"channel": link.format(port=port)}, status=422)
        site.clock += 60
    server.close()
    await server.wait_closed()
    assert knocks == []
    assert [words for words in asked if words[0] not in ("127.0.0.1", None)] == []
    assert await site.store.reports() == {}


async def test_a_body_that_is_too_large_or_no_form_is_refused(site):
    token = await site.join()
    await site.post(f"/me/{token}/live", {"link": "x" * 20_000}, status=422)
    headers = {"Origin": f"http://{site.client.host}:{site.client.port}", "Content-Type": "application/json"}
    async with site.client.post(f"/me/{token}/live", data=b"{}", headers=headers) as response:
        assert response.status == 422


async def test_while_redis_is_away_the_page_says_so(redis_client):
    class Away:
        def __getattr__(self, name):
            async def fail(*_, **__):
                raise ConnectionError("gone")

            return fail

    async with serving(Away()) as site:
        assert "could not be stored" in await site.get(f"/me/{'a' * 43}", status=503)


# --- following --------------------------------------------------------------------------------------------------------


async def test_two_writers_at_once_lose_nothing(redis_client):
    store = SignupStore(redis_client)
    await store.add(lambda _: person("s1", channels=()), "t", "p", "s1")
    await asyncio.gather(
        *(
            store.change("s1", lambda one, n=n: signup.with_channels(one, [Found(platform="twitch", handle=f"ana_{n}")]))
            for n in range(8)
        )
    )
    assert len((await store.person("s1")).channels) == 8


async def test_a_withdrawal_reaches_the_collectors_plan_by_itself(redis_client, valkey, tmp_path):
    """Roster file, follower, reloader and plan together, as every role has them."""
    (tmp_path / "people.csv").write_text(FILE, encoding="utf-8")
    (tmp_path / "config.toml").write_text(
        '[event]\nname = "S"\ntimezone = "UTC"\n[roster]\nfile = "people.csv"\n', encoding="utf-8"
    )
    store = SignupStore(redis_client)
    await store.add(lambda _: person("s3", attendee="A3", channels=("twitch:caro_1", "twitch:caro_2")), "t", "p", "s3")
    follower = Follower(valkey, every_seconds=0.01)
    try:
        reloader = await asyncio.to_thread(
            Reloader, tmp_path / "config.toml", lambda: 2e9, environment={}, signups=follower.newest
        )
        assert watched(reloader.setup.roster) == {"twitch:caro_1", "twitch:caro_2"}
        await store.change("s3", lambda one: signup.withdrawn(one, NOW))
        end = time.monotonic() + 30
        while (setup := reloader.poll()) is None:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)
        assert watched(setup.roster) == set()
    finally:
        await asyncio.to_thread(follower.close)


# --- in the house -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [True, False])
async def test_the_role_serves_the_pages_only_where_the_configuration_says_so(redis_client, valkey, tmp_path, capsys, on):
    config = replace(FEED_CONFIG, sign_up=on, public=Public(url="https://live.example.org"))
    given = Settings(
        config=config, data_dir=tmp_path, redis_url=valkey, port=0, log="text", args=argparse.Namespace(command="serve")
    )
    role, said = asyncio.create_task(run(given)), ""
    try:
        async with asyncio.timeout(30):
            while not said:
                assert not role.done(), role
                await asyncio.sleep(0.01)
                said = capsys.readouterr().out
        async with (
            ClientSession() as session,
            session.get(said.split()[1] + "join", headers={"Host": "live.example.org"}) as answer,
        ):
            assert ("Join with your channel" in await answer.text()) is on
            assert (answer.status == 200) is on
    finally:
        role.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await role
        for follower in _followers.values():
            await asyncio.to_thread(follower.close)
        _followers.clear()


def test_a_wheel_carries_words_and_templates():
    """They are files of the package, and the package is what is built."""
    for part in ("words", "templates"):
        assert any((files("monitor") / part).iterdir())
        assert not (Path(str(files("monitor"))).parent / ".gitignore").read_text().count(part)
