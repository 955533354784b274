"""Who may come in: roles against routes, tokens and cookies, and what the files and the command say."""

from __future__ import annotations

import base64
import json
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import __main__ as command_line
from monitor.access import (
    ALLOWS,
    DESK,
    PASSER,
    ROLES,
    ROUTES,
    Visitor,
    bearer,
    cookie_of,
    find,
    find_session,
    local_path,
    may,
    need_of,
    network,
    new_token,
    posted_by_us,
    problem,
    visitor,
)
from monitor.token_file import Taken, TokenFile

FORM = re.compile(r"lm_[A-Za-z0-9_-]{43}")
MADE = "2026-11-20T10:00:00Z"


def token(role="lead", name="Ana", number=1, **more):
    return new_token(role, name, raw=bytes([number]) * 32, id_=f"{number:08x}", made=MADE, **more)


# --- roles ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", {"/", "/feed", "/api/state", "/api/livestreams", "/map.json", "/source", "/api/me"}),
        (
            "moderator",
            {"/", "/feed", "/api/state", "/api/livestreams", "/map.json", "/source", "/api/me", "/remote"}
            | {"/api/highlights", "/api/spikes", "/api/pending", "/api/wall/log"},
        ),
        ("metrics", {"/metrics"}),
    ],
)
def test_a_role_may_do_what_it_is_for_and_no_more(role, allowed):
    asked = {(method, route) for (method, route), need in ROUTES.items() if need != "nobody"}
    assert {route for method, route in asked if may(Visitor(role, "x"), need_of(method, route))} == allowed


def test_only_a_lead_decides_and_a_lead_may_do_all_that_is_not_an_admins():
    for need in ("viewer", "moderator", "lead", "metrics"):
        assert may(Visitor("lead", "x"), need)
    assert {role for role in ROLES if may(Visitor(role, "x"), need_of("POST", "/api/wall"))} == {"lead", "admin"}
    assert not may(Visitor("lead", "x"), "admin")
    assert set(ALLOWS) == set(ROLES) == set(command_line.ROLES)


def test_a_route_that_nobody_listed_is_for_admins_alone():
    assert need_of("GET", "/api/new") == "admin"
    assert need_of("POST", "/feed") == "admin"
    assert need_of("HEAD", "/") == "viewer"
    assert need_of("GET", "/{path:.*}") == "nobody"
    assert need_of("PUT", "/hooks/{name}") == "nobody"


def test_until_there_are_tokens_the_desk_does_everything_and_others_look():
    assert visitor((), authorization=None, cookie=None, at_desk=True) is DESK
    assert visitor((), authorization=None, cookie=None, at_desk=False) is PASSER
    assert may(DESK, "lead")
    assert [may(PASSER, need) for need in ("viewer", "metrics", "moderator", "lead", "admin")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_from_the_first_token_on_nobody_comes_in_without_one_not_even_at_the_desk():
    text, one = token()
    assert visitor((one,), authorization=None, cookie=None, at_desk=True) is None
    assert visitor((one,), authorization=f"Bearer {text}", cookie=None, at_desk=False) == Visitor(
        "lead", "Ana", one.id, ambient=False
    )
    assert visitor((one,), authorization=None, cookie=cookie_of(text, "0" * 16), at_desk=False) == Visitor(
        "lead", "Ana", one.id, session="0" * 16
    )


def test_while_the_tokens_cannot_be_read_nobody_comes_in():
    assert visitor(None, authorization=None, cookie=None, at_desk=True) is None
    assert visitor(None, authorization="Bearer x", cookie=None, at_desk=True) is None


def test_a_wrong_token_is_not_forgiven_at_the_desk():
    assert visitor((), authorization="Bearer lm_x", cookie=None, at_desk=True) is None
    assert not may(None, "viewer")
    assert may(None, "nobody")


# --- tokens ---------------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_token_opens_for_itself_only_and_what_is_stored_opens_nothing(raw, other):
    text, one = new_token("viewer", "x", raw=raw, id_="0", made=MADE)
    second = new_token("viewer", "y", raw=other, id_="1", made=MADE)[1]
    assert find((second, one), text) in ((one,) if raw != other else (one, second))
    assert FORM.fullmatch(text)
    cookie = cookie_of(text, "ab" * 8)
    found = find_session((one,), cookie)
    assert found == (one, "ab" * 8)
    for stolen in (one.hash, one.session, one.id, f"lm_{one.hash}", cookie, cookie.partition(".")[2], text[:-1], text + "A", ""):
        assert find((one,), stolen) is None
    for stolen in (text, one.session, f"{'0' * 16}.{one.session}", f"{'0' * 16}.{one.hash}", "", "."):
        assert find_session((one,), stolen) is None
    assert base64.urlsafe_b64encode(raw).decode().rstrip("=") not in repr(one)


def test_strange_letters_in_a_header_are_a_wrong_token_and_no_error():
    _, one = token()
    assert find((one,), "lm_\udcff\x00é") is None
    assert bearer("Bearer  lm_x ") == "lm_x"
    assert bearer("Basic lm_x") is None
    assert bearer("") is None


def test_a_name_has_two_tokens_of_a_role_at_most_so_that_one_can_be_handed_out_before_the_other_is_closed():
    first, second, third = (token(number=n)[1] for n in (1, 2, 3))
    assert problem([first], second) is None
    says = problem([first, second], third)
    assert says is not None
    assert first.id in says
    assert problem([first, second], token(name="Li", number=3)[1]) is None
    assert problem([first, second], token("viewer", number=3)[1]) is None


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 41, "<b>"])
def test_a_name_can_stand_in_a_log(name):
    assert "a name has" in (problem([], token(name=name)[1]) or "")


def test_only_a_viewer_is_a_screen_on_stage():
    assert problem([], token("viewer", stage=True)[1]) is None
    assert "viewer" in (problem([], token("lead", stage=True)[1]) or "")


# --- where a request comes from -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "ambient", "ours"),
    [
        ({"Origin": "http://wall:8080"}, True, True),
        ({"Origin": "http://evil.example"}, True, False),
        ({"Origin": "http://evil.example"}, False, False),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True, False),
        ({"Origin": "https://public.example"}, True, True),
        ({}, True, True),
        ({"Cookie": "monitor=x"}, True, False),
        ({"Cookie": "monitor=x", "Sec-Fetch-Site": "same-origin"}, True, True),
        ({"Sec-Fetch-Site": "cross-site"}, True, False),
        ({"Sec-Fetch-Site": "cross-site"}, False, False),
        ({}, False, True),
    ],
)
def test_a_change_is_asked_for_by_our_own_pages_or_by_no_page(headers, ambient, ours):
    assert posted_by_us(headers, "wall:8080", ["https://public.example", "none"], ambient=ambient) is ours


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.1.2.3", "", "10.1.2.3/32"),
        ("10.1.2.3", "8.8.8.8", "10.1.2.3/32"),
        ("127.0.0.1", "1.1.1.1, 8.8.8.8", "8.8.8.8/32"),
        ("2001:db8::1:2:3:4", "", "2001:db8::/64"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        (None, "", ""),
    ],
)
def test_attempts_are_counted_for_a_network(peer, forwarded, counted):
    assert network(peer, forwarded) == counted


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/remote", "/remote"),
        ("/", "/"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a/../b", "/a/../b"),
        ("/x?y", "/"),
        ("", "/"),
        ("/\\evil", "/"),
    ],
)
def test_after_logging_in_one_stays_with_us(path, to):
    assert local_path(path) == to


# --- the file and the command ---------------------------------------------------------------------------------------------


def test_the_file_is_its_owners_alone_and_is_followed(tmp_path):
    file = TokenFile(tmp_path)
    assert file.newest() == ()
    text, one = token()
    TokenFile(tmp_path).add(one)
    assert file.newest() == (one,)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert text not in file.path.read_text()
    assert TokenFile(tmp_path).remove(one.id) == [one]
    assert file.newest() == ()


def test_a_damaged_file_lets_nobody_in_and_is_not_overwritten(tmp_path, caplog):
    file = TokenFile(tmp_path)
    file.path.write_text("{")
    assert (file.newest(), file.newest()) == (None, None)
    assert len([record for record in caplog.records if "nobody is let in" in record.message]) == 1
    assert command_line.main(["token", "new", "lead", "--data-dir", str(tmp_path)]) == 2
    assert file.path.read_text() == "{"


def test_a_third_token_of_a_name_is_refused(tmp_path):
    file = TokenFile(tmp_path)
    for number in (1, 2):
        file.add(token(number=number)[1])
    with pytest.raises(Taken, match="two tokens already"):
        file.add(token(number=3)[1])
    assert len(file.newest() or ()) == 2


def test_the_command_shows_a_token_once_lists_and_revokes(tmp_path, capsys):
    def monitor(*words):
        code = command_line.main(["token", *words, "--data-dir", str(tmp_path)])
        return code, *capsys.readouterr()

    code, text, says = monitor("new", "lead", "--name", "Ana")
    assert (code, bool(FORM.fullmatch(text.strip())), text.strip() in says) == (0, True, False)
    stored = json.loads((tmp_path / "tokens.json").read_text())[0]
    assert find(TokenFile(tmp_path).newest() or (), text.strip()).name == "Ana"
    assert text.strip() not in json.dumps(stored)
    code, listed, _ = monitor("list")
    assert (code, stored["id"] in listed, "lead" in listed, text.strip() in listed) == (0, True, True, False)
    assert monitor("revoke", "nobody")[0] == 2
    assert monitor("revoke", "Ana")[0] == 0
    assert monitor("list")[1] == ""
    assert monitor("new", "viewer", "--stage", "--name", "hall")[0] == 0
    assert monitor("new", "lead", "--stage")[0] == 2
