"""Roster check: what it costs is said first, each row gets one true word, and no row is guessed."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import threading
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import pytest
from aiohttp import web

from connectors.connector import Tools, make_pseudonym
from connectors.discovery import Account, Discoverer, Question
from connectors.rest import Ask, Reply
from monitor import signup
from monitor.__main__ import main
from monitor.asking import Asking
from monitor.roster import parse_roster, read_roster
from monitor.roster_ask import DAYS_SHARE, Resolver, accounts
from monitor.roster_check import Answers, Verdict, by_liaison, cost_of, guesses, how_far, judge, summary, with_ids
from monitor.signup import Liaison, Place, Signup
from monitor.signup_store import SignupStore

NOW = datetime(2026, 10, 10, 9, 0, tzinfo=UTC)
HEADER = "attendee,name,platform,handle,native_id,liaison,consent\n"


def account(asked: str, native_id: str | None = "1", handle: str = "", title: str = "") -> Account:
    return Account(asked=asked, native_id=native_id, handle=handle, title=title)


def verdicts(text: str, *answers: Account, silent=None, known=lambda _: "", near=()):
    roster = parse_roster(HEADER + text, platforms=("twitch", "youtube"))
    ids = {channel.native_id for channel in roster.channels}
    said = Answers(
        by_handle={one.asked: one for one in answers if one.asked not in ids},
        by_id={one.asked: one for one in answers if one.asked in ids},
        guesses={one.asked: one for one in near},
    )
    return judge(roster, {"twitch": said} if answers else {}, silent or {}, known)


def test_who_is_there_is_ok_and_shown_as_the_platform_calls_it():
    (one,) = verdicts("A1,Ana,twitch,ana_1,,leo,yes\n", account("ana_1", "77", "ana_1", "Ana Autos"))
    assert (one.state, one.what, one.native_id) == ("ok", "Ana Autos", "77")


def test_who_is_not_there_is_not_found_with_what_may_have_been_meant():
    missing = account("anna_1", None)
    (one,) = verdicts(
        "A1,Ana,twitch,anna_1,,,yes\n", missing, near=[account("anna1", "5", "anna1", "Anna!"), account("zzz", None)]
    )
    assert one.state == "not found"
    assert 'did you mean "anna1" (Anna!)?' in one.what
    (one,) = verdicts("A1,Ana,twitch,anna_1,,,yes\n", missing)
    assert "ask for the address" in one.what


def test_who_was_renamed_is_followed_by_id_and_said():
    (one,) = verdicts("A1,Ana,twitch,ana_old,77,,yes\n", account("77", "77", "ana_new"))
    assert (one.state, one.native_id) == ("renamed", "77")
    assert '"ana_new"' in one.what


def test_an_account_that_is_gone_is_not_replaced_by_who_has_the_name_now():
    (one,) = verdicts("A1,Ana,twitch,ana_1,77,,yes\n", account("77", None))
    assert (one.state, one.native_id) == ("not found", None)
    assert "gone" in one.what


def test_two_rows_of_one_account_are_a_duplicate():
    first, second = verdicts(
        "A1,Ana,twitch,ana_1,77,,yes\nA2,Bo,twitch,ana_2,,,yes\n", account("77", "77", "ana_1"), account("ana_2", "77", "ana_2")
    )
    assert (first.state, second.state) == ("ok", "duplicate")
    assert "of A1" in second.what


def test_a_repeated_or_broken_line_of_the_file_is_not_forgotten():
    found = verdicts("A1,Ana,twitch,ana_1,,,yes\nA2,Bo,twitch,ana_1,,,yes\nA3,Caro,twitch,not a handle!,,,\n", account("ana_1"))
    assert [one.state for one in found] == ["ok", "duplicate", "not readable"]


@pytest.mark.parametrize(
    ("reason", "state"),
    [("the chat is switched off", "chat off"), ("a private channel", "private"), ("members only", "private"), ("", "ok")],
)
def test_what_discovery_found_out_counts(reason, state):
    (one,) = verdicts("A1,Ana,twitch,ana_1,,,yes\n", account("ana_1", handle="ana_1"), known=lambda _: reason)
    assert one.state == state


def test_what_cannot_be_asked_is_said_to_be_so():
    found = verdicts(
        "A1,Ana,twitch,ana_1,,,yes\nA1,Ana,tiktok,ana,,,yes\n", silent={"twitch": "cannot be checked without a key: x"}
    )
    assert [one.state for one in found] == ["cannot be checked", "unreachable platform"]
    assert "without a key" in found[0].what


def test_a_guess_is_a_handle_of_the_platform_and_never_the_same():
    (channel,) = parse_roster(HEADER + "A1,Ana,twitch,ana_autos,,,yes\n").channels
    found = guesses(channel, ["ana.autos.br", "ana_autos", "ana_live"])
    assert "anaautos" in found
    assert "ana_live" in found
    assert "ana_autos" not in found
    assert len(found) <= 5


def test_each_liaison_has_a_file_with_what_needs_somebody_first():
    found = verdicts(
        "A1,=Ana,twitch,ana_1,,leo/../x,yes\nA2,Bo,twitch,bo_1,,leo/../x,yes\nA3,Caro,twitch,caro_1,,,yes\n",
        account("ana_1", handle="ana_1"), account("bo_1", None), account("caro_1", handle="caro_1"),
    )  # fmt: skip
    files = by_liaison(found, require_consent=True)
    assert set(files) == {"leo-..-x.csv", "no-liaison.csv"}
    rows = list(csv.DictReader(io.StringIO(files["leo-..-x.csv"])))
    assert [(row["state"], row["attendee"]) for row in rows] == [("not found", "A2"), ("ok", "A1")]
    assert rows[1]["name"] == "'=Ana"
    assert rows[0]["look"] == "https://www.twitch.tv/bo_1"


def test_the_summary_names_every_row_that_needs_somebody():
    lines = summary(
        verdicts("A1,Ana,twitch,ana_1,,,yes\nA2,Bo,twitch,bo_1,,,yes\n", account("ana_1", handle="ana_1"), account("bo_1", None))
    )
    assert [line.split() for line in lines[:2]] == [["1", "not", "found"], ["1", "ok"]]
    assert "A2 twitch:bo_1" in lines[2]


def test_ids_are_written_where_there_is_none_and_only_for_rows_that_are_right():
    found = verdicts(
        "A1,Ana,twitch,ana_1,,,yes\nA2,Bo,twitch,bo_1,,,yes\n", account("ana_1", "77", "ana_1"), account("bo_1", "78", "other")
    )
    rows = with_ids([{"platform": "Twitch", "handle": "@Ana_1", "shirt": "XL"}, {"platform": "twitch", "handle": "bo_1"}], found)
    assert rows == [
        {"platform": "Twitch", "handle": "@Ana_1", "shirt": "XL", "native_id": "77"},
        {"platform": "twitch", "handle": "bo_1"},
    ]


# --- asking -----------------------------------------------------------------------------------------------------------


class OneByOne(Discoverer):
    """A platform whose every question costs a unit of the day."""

    name = "oneway"
    title = "Oneway"
    quota = (2, 1.0)
    units_per_day = 100

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:  # noqa: ARG003
        return ()

    def resolve(self, handles):
        return [Question(what="accounts", ask=Ask(url=f"https://x.example/{handle}"), about=(handle,)) for handle in handles]

    recheck = resolve

    def discover(self, channels, now, budget):
        return []

    def read_resolved(self, question, body):
        return [account(handle, body.decode() or None, handle, "Title") for handle in question.about]

    def read_status(self, question, body):
        return []


def asking(*, status: int = 200, body: bytes = b"7") -> tuple[Asking, list[str]]:
    asked: list[str] = []

    async def fetch(ask: Ask) -> Reply:
        asked.append(ask.url)
        return Reply(status=status, body=body)

    return Asking(OneByOne(None), None, fetch, Tools(pseudonym=make_pseudonym(b"k"), now=lambda: NOW)), asked


def test_the_cost_is_known_before_anything_is_asked():
    found = parse_roster(HEADER + "".join(f"A{n},x,youtube,abc{n},,,\n" for n in range(350)), platforms=("youtube",))
    cost = cost_of(found.channels, OneByOne(None))
    assert str(cost) == "Oneway: 350 rows, 350 of the 100 units of the day, 350 requests."


async def test_what_was_answered_before_a_failure_counts():
    asker, asked = asking(status=403)
    heard = await accounts(asker, asker.discoverer.resolve(["a_1"]))
    assert heard.accounts == {}
    assert heard.trouble
    assert asked == ["https://x.example/a_1"]


async def test_people_who_sign_up_cannot_empty_the_days_purse():
    asker, asked = asking()
    moments = iter(range(10_000))
    tools = Tools(pseudonym=make_pseudonym(b"k"), now=lambda: datetime.fromtimestamp(NOW.timestamp() + next(moments) * 0.5, UTC))
    asker.tools = tools
    resolver = Resolver(lambda: None, asker.fetch, tools)
    resolver._askers["oneway"] = asker
    names = [await resolver("oneway", f"name_{n}") for n in range(20)]
    assert names[: 100 // DAYS_SHARE] == ["Title"] * (100 // DAYS_SHARE)
    assert set(names[100 // DAYS_SHARE :]) == {None}
    assert len(asked) == 100 // DAYS_SHARE
    assert await resolver("oneway", "name_0") == "Title"  # remembered


async def test_a_platform_that_nobody_can_ask_answers_nothing():
    resolver = Resolver(lambda: None, asking()[0].fetch, Tools(pseudonym=make_pseudonym(b"k")))
    assert await resolver("douyin", "123") is None


# --- the commands -----------------------------------------------------------------------------------------------------


class Helix:
    """The server's side of the two calls that the check makes, in a thread of its own: the command has its own loop."""

    USERS: ClassVar = {"ana_1": ("77", "Ana Autos"), "bo_1": ("78", "Bo"), "caro1": ("79", "Caro!")}

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        app = web.Application()
        app.router.add_post("/oauth2/token", self._token)
        app.router.add_get("/helix/users", self._users)
        app.router.add_get("/helix/videos", self._videos)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3600, "token_type": "bearer"})

    async def _users(self, request: web.Request) -> web.Response:
        self.queries.append(request.query_string)
        wanted = {*request.query.getall("login", []), *request.query.getall("id", [])}
        users = [
            {"id": number, "login": login, "display_name": title}
            for login, (number, title) in self.USERS.items()
            if login in wanted or number in wanted
        ]
        return web.json_response({"data": users})

    async def _videos(self, request: web.Request) -> web.Response:
        self.queries.append(request.query_string)
        return web.json_response({"data": [{"id": "1"}] if request.query["user_id"] == "77" else []})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONITOR_REDIS_URL", raising=False)
    monkeypatch.setenv("TWITCH_ID", "id")
    monkeypatch.setenv("TWITCH_SECRET", "secret-that-nobody-sees")
    (tmp_path / "people.csv").write_text(
        HEADER
        + "A1,Ana,twitch,ana_1,,leo,yes\nA2,Bo,twitch,bo_old,78,leo,yes\nA3,Caro,twitch,caro_1,,mei,yes\nA4,Du,tiktok,du,,mei,yes\n",
        encoding="utf-8",
    )
    return tmp_path


def configured(folder, url=None, more=""):
    keys = f'[twitch]\nclient_id = {{ env = "TWITCH_ID" }}\nclient_secret = {{ env = "TWITCH_SECRET" }}\nhelix_url = "{url}/helix"\nlogin_url = "{url}/oauth2"\n'
    text = f'[event]\nname = "S"\ntimezone = "UTC"\n[roster]\nfile = "people.csv"\n{more}' + (keys if url else "")
    (folder / "config.toml").write_text(text, encoding="utf-8")


def command(folder, *words):
    return main(["roster", *words, "--config", str(folder / "config.toml"), "--data-dir", str(folder / "data")])


def test_check_says_the_cost_asks_in_batches_and_tells_each_liaison(folder, capsys):
    with Helix() as helix:
        configured(folder, helix.url)
        assert command(folder, "check") == 1
        told = capsys.readouterr().out
        assert "Twitch: 3 rows, 2 requests; costs nothing." in told
        assert told.index("2 requests") < told.index("not found")
        assert 'did you mean "caro1" (Caro!)?' in told
        assert 'A2 twitch:bo_old: is called "bo_1" by now' in told
        assert "secret" not in told
        assert len(helix.queries) == 3  # by id, by handle, and the guesses at once
    files = {path.name: path.read_text(encoding="utf-8") for path in (folder / "roster-check").iterdir()}
    assert set(files) == {"leo.csv", "mei.csv"}
    assert "unreachable platform" in files["mei.csv"]
    assert {channel.id: channel.native_id for channel in read_roster(folder / "people.csv").channels} == {
        "twitch:ana_1": "77", "twitch:bo_old": "78", "twitch:caro_1": None,
    }  # fmt: skip


def test_who_was_never_live_is_asked_only_on_demand_and_the_cost_is_said_either_way(folder, capsys):
    with Helix() as helix:
        configured(folder, helix.url)
        command(folder, "check")
        told = capsys.readouterr().out
        assert "Twitch: whether they ever were live costs 3 requests, no units more." in told
        assert "--ever-live asks it" in told
        assert not any("archive" in query for query in helix.queries)
        people = (folder / "people.csv").read_text(encoding="utf-8").replace("A2,Bo,twitch,bo_old,78", "A2,Bo,twitch,bo_1,78")
        (folder / "people.csv").write_text(people, encoding="utf-8")
        assert command(folder, "check", "--ever-live") == 1  # because of who is not found
        told = capsys.readouterr().out
        assert "never live            A2 twitch:bo_1: the account is there, but it keeps no recording" in told
        assert "--ever-live" not in told
        assert sorted(query for query in helix.queries if "archive" in query) == [
            "user_id=77&type=archive&first=1", "user_id=78&type=archive&first=1",
        ]  # fmt: skip


def test_a_platform_that_does_not_answer_is_no_all_clear(folder, capsys):
    with Helix() as helix:
        gone = helix.url
    configured(folder, gone)
    assert command(folder, "check") == 2
    told = capsys.readouterr().out
    assert "3  cannot be checked" in told
    assert "Nothing was checked" in told
    assert "not found" not in told


def test_without_a_key_it_says_so_and_changes_nothing(folder, capsys):
    configured(folder)
    before = (folder / "people.csv").read_bytes()
    assert command(folder, "check") == 2, "a script must not take it for well"
    told = capsys.readouterr().out
    assert "cannot be checked without a key: client_id and client_secret of [twitch]" in told
    assert "Nothing was checked" in told
    assert (folder / "people.csv").read_bytes() == before


def test_the_invented_people_of_the_sample_are_asked_about_nowhere(folder, capsys):
    with Helix() as helix:
        configured(folder, helix.url)
        (folder / "people.csv").rename(folder / "roster-sample.csv")
        (folder / "config.toml").write_text((folder / "config.toml").read_text().replace("people.csv", "roster-sample.csv"))
        command(folder, "check")
        assert helix.queries == []
    assert "No platform is asked." in capsys.readouterr().out


SIGN_UP = 'sign_up = true\n[public]\nurl = "https://live.example.org"\n'


def test_a_liaison_gets_a_link_once_and_it_can_be_closed(folder, capsys, monkeypatch, valkey):
    configured(folder, more=SIGN_UP)
    monkeypatch.setenv("MONITOR_REDIS_URL", valkey)
    assert command(folder, "liaison", "Brasil", "--name", "leo") == 0
    token = re.search(r"https://live\.example\.org/liaison/([\w-]{43})\n", capsys.readouterr().out)[1]

    async def opened() -> Liaison | None:
        from monitor.redis_client import make_client

        async with make_client(valkey) as client:
            return await SignupStore(client).liaison(signup.token_hash(token))

    assert asyncio.run(opened()) == Liaison("BR", "leo")
    assert command(folder, "liaison", "BR", "--revoke") == 0
    assert asyncio.run(opened()) is None
    assert command(folder, "liaison", "Brazzil") == 2
    assert 'did you mean "Brazil"?' in capsys.readouterr().err


def test_export_is_the_whole_table_and_can_be_read_again(folder, capsys, monkeypatch, valkey):
    configured(folder, more=SIGN_UP)
    monkeypatch.setenv("MONITOR_REDIS_URL", valkey)
    made = Signup(
        id="s1", person="p", shown="A1", attendee="A1", country="BR", language="pt", made_at=NOW, confirmed=True, read=True,
        consent_at=NOW, channels=(Place("twitch", "ana_1"), Place("twitch", "ana_2")),
    )  # fmt: skip

    async def fill(*, new_link: str = "") -> Signup | None:
        from monitor.redis_client import make_client

        async with make_client(valkey) as client:
            if not new_link:
                await client.flushall()
                await SignupStore(client).add(lambda _: made, "old", "p", "s1")
            return await SignupStore(client).of_token(new_link or "old")

    assert asyncio.run(fill()) == made
    assert command(folder, "export") == 0
    found = parse_roster(capsys.readouterr().out)
    assert {channel.id: channel.consent for channel in found.channels} == {
        "twitch:ana_1": "v1", "twitch:ana_2": "v1", "twitch:bo_old": "yes", "twitch:caro_1": "yes",
    }  # fmt: skip
    assert command(folder, "link", "a1") == 0
    token = re.search(r"/me/([\w-]{43})\n", capsys.readouterr().out)[1]
    assert asyncio.run(fill(new_link=signup.token_hash(token))) == made
    assert asyncio.run(fill(new_link="old")) is None


def test_pages_that_do_not_exist_get_no_links(folder, capsys):
    configured(folder)
    assert command(folder, "liaison", "BR") == 2
    assert "sign_up = true" in capsys.readouterr().err


def test_how_far_a_check_came_is_said_and_is_the_exit_code():
    def verdicts(*states: str) -> list[Verdict]:
        return [Verdict(channel=None, state=state) for state in states]

    assert how_far(verdicts("ok", "cannot be checked"), []) == ("", 0)
    assert how_far(verdicts("ok", "not found"), [])[1] == 1
    said, code = how_far(verdicts("ok", "cannot be checked"), ["twitch"])
    assert ("twitch did not answer to the end" in said, code) == (True, 1)
    for nothing in ((), ("cannot be checked", "unreachable platform", "not readable")):
        said, code = how_far(verdicts(*nothing), ["twitch"])
        assert ("Nothing was checked" in said, code) == (True, 2)
