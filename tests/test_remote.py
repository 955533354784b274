"""The producer's phone, tokens and profiles over HTTP: what each role gets, what a stage is sent, and what is closed when a token goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from described import problems
from feed_source import Shelf
from test_feed import CONFIG, NOW, ROSTER, Time, comments

from monitor import stage as stages
from monitor.access import ROLES, ROUTES, need_of, new_token
from monitor.config import Topic
from monitor.feed import Feed
from monitor.guard import REVOKED, WRONG
from monitor.hooks import Hooks
from monitor.moments import iso
from monitor.stage_store import FROZEN, StageStore, Staging
from monitor.web import GUARD, make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from monitor.access import Token

CONFIG = replace(CONFIG, topics=(*CONFIG.topics, Topic(id="robots", name={"en": "Robots"}, phrases={"en": ("robot",)})))
TEXTS = {role: new_token(role, role, raw=bytes([n + 1]) * 32, id_=f"{n:08x}", made="") for n, role in enumerate(ROLES)}
STAGE_TEXT, STAGE_TOKEN = new_token("viewer", "hall", raw=b"s" * 32, id_="5" * 8, made="", stage=True)
ALL = (*(token for _, token in TEXTS.values()), STAGE_TOKEN)


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {STAGE_TEXT if role == 'stage' else TEXTS[role][0]}"}


class House:
    """A server with a stage, and whatever tokens the test gives it."""

    def __init__(self, client: TestClient[Any, Any], feed: Feed, clock: Time, tokens: list[Token]) -> None:
        self.client, self.feed, self.clock, self.tokens = client, feed, clock, tokens

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": f"http://{self.client.host}:{self.client.port}"}

    async def tell(self, command: str, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post("/api/wall", json={"command": command, **more}, headers=headers)
        return answer.status, await answer.json()

    def state(self, profile: str = "stage") -> dict[str, Any]:
        return self.feed.tickers[profile].state


@pytest.fixture
async def house(redis_client, tmp_path) -> AsyncIterator[House]:
    async with opened(redis_client, tmp_path) as house:
        yield house


@contextlib.asynccontextmanager
async def opened(redis: Any, folder: Any, config: Any = CONFIG) -> AsyncIterator[House]:
    clock = Time()
    shelf = Shelf()
    shelf.commit(0, comments(NOW, 3))
    shelf.caught_up_ms = {0: clock.ms, 1: clock.ms}
    staging = Staging(StageStore(redis), config, build="b1")
    feed = Feed(config, ROSTER, shelf, staging=staging, now_ms=clock)
    await staging.look()
    await feed.follow()
    feed.tick()
    (folder / "wall").mkdir(exist_ok=True)
    for name in ("index.html", "remote.html", "source.html"):
        (folder / "wall" / name).write_text(name)
    tokens: list[Token] = []
    app = make_app(feed, now_ms=clock, wall=folder / "wall", tokens=lambda: tokens)
    async with TestClient(TestServer(app)) as client:
        yield House(client, feed, clock, tokens)


# --- routes and roles -----------------------------------------------------------------------------------------------------


async def test_every_route_is_in_the_table_and_the_table_names_no_other(house, redis_client, tmp_path):
    from monitor.signup_web import SignupPages

    app = make_app(house.feed, wall=tmp_path, hooks=Hooks.__new__(Hooks))
    SignupPages(redis_client, None).register(app)  # its routes need nothing of what is around
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD"}
    optional = {("POST", "/api/highlights"), ("POST", "/api/spikes")} - routes
    assert routes == set(ROUTES) - optional


@pytest.mark.parametrize("role", [*ROLES, "stage", None])
async def test_what_each_role_gets(house, role):
    house.tokens.extend(ALL)
    allowed = {
        "viewer": {"/", "/api/state", "/api/livestreams"}, "stage": {"/", "/api/state"},
        "moderator": {"/", "/api/state", "/api/livestreams", "/api/pending", "/api/wall/log", "/remote"},
        "lead": {"/", "/api/state", "/api/livestreams", "/api/pending", "/api/wall/log", "/remote", "/metrics"},
        "admin": {"/", "/api/state", "/api/livestreams", "/api/pending", "/api/wall/log", "/remote", "/metrics"},
        "metrics": {"/metrics"}, None: set(),
    }[role] | ({"/map.json", "/source", "/api/me"} if role not in ("metrics", None) else set())  # fmt: skip
    got = set()
    for method, route in ROUTES:
        if method == "GET" and need_of(method, route) != "nobody" and route != "/feed":
            answer = await house.client.get(route, headers=bearer(role) if role else {})
            if answer.status in (200, 404):  # 404: nobody has approved a map
                got.add(route)
            else:
                assert answer.status == (401 if role is None else 403), route
    assert got == allowed
    status, _ = await house.tell("pause", bearer(role)) if role in ("lead", "admin") else (0, {})
    refused = (await house.client.post("/api/wall", json={"command": "pause"}, headers=bearer(role) if role else {})).status
    assert (status or refused) == (200 if role in ("lead", "admin") else 401 if role is None else 403)
    for route in ("/healthz", "/login", "/login.css"):
        assert (await house.client.get(route)).status == 200


async def test_a_wrong_token_is_refused_and_many_of_them_are_slowed_down_but_nobody_who_is_in(house):
    house.tokens.extend(ALL)
    await house.client.get("/", params={"token": TEXTS["viewer"][0]})
    cookies = {
        name: cookie.value for name, cookie in house.client.session.cookie_jar.filter_cookies(house.client.make_url("/")).items()
    }
    assert cookies
    wrong = {"Authorization": "Bearer lm_wrong"}
    statuses = [(await house.client.get("/api/state", headers=wrong)).status for _ in range(WRONG[0] + 1)]
    assert statuses == [401] * WRONG[0] + [429]
    assert (await house.client.get("/api/state", headers=bearer("viewer"))).status == 429
    assert (await house.client.post("/login", data={"token": TEXTS["lead"][0]}, headers=house.origin)).status == 429
    assert (await house.client.get("/api/state")).status == 200


# --- logging in -----------------------------------------------------------------------------------------------------------


async def test_a_token_in_the_address_becomes_a_cookie_and_leaves_no_trace(house, caplog):
    house.tokens.extend(ALL)
    caplog.set_level(logging.DEBUG)
    text = TEXTS["lead"][0]
    answer = await house.client.get("/remote", params={"token": text, "lang": "zh"})
    page = await answer.text()
    assert (answer.status, answer.headers["Referrer-Policy"]) == (200, "origin")
    assert 'content="0;url=/remote?lang=zh"' in page
    said = page + str(answer.headers)
    assert text not in said
    cookie = answer.cookies["monitor"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], bool(cookie["secure"])) == (True, "Strict", "/", False)
    assert text.removeprefix("lm_") not in cookie.value
    assert (await (await house.client.get("/remote")).text()) == "remote.html"
    said = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]  # which the role does not keep
    assert any("logged in" in line for line in said)
    assert not any(text in line or cookie.value in line for line in said)


async def test_a_source_with_a_token_goes_on_without_a_word_and_shows_no_form(house):
    """It lies over somebody's picture, and arrives anew whenever its scene is shown."""
    house.tokens.extend(ALL)
    arriving = await house.client.get("/source", params={"token": STAGE_TEXT, "panel": "topics", "lang": "zh"})
    page = await arriving.text()
    assert 'content="0;url=/source?panel=topics&amp;lang=zh"' in page
    assert "<body" not in page
    assert "stylesheet" not in page
    assert STAGE_TEXT not in page + str(arriving.headers)
    assert await (await house.client.get("/source", params={"panel": "topics"})).text() == "source.html"
    house.client.session.cookie_jar.clear()
    for params in ({"token": "lm_wrong"}, {}):
        refused = await house.client.get("/source", params=params)
        assert (refused.status, refused.content_type) == (401, "text/plain")


@pytest.mark.parametrize("role", ["viewer", "stage", "moderator", "lead", "admin"])
async def test_a_page_is_told_for_whom_it_is(house, role):
    house.tokens.extend(ALL)
    found = await (await house.client.get("/api/me", headers=bearer(role))).json()
    name, profile = ("hall", "stage") if role == "stage" else (role, "room")
    assert found == {"role": "viewer" if role == "stage" else role, "name": name, "profile": profile}


async def test_without_tokens_the_desk_is_a_lead_and_others_look(house):
    assert (await (await house.client.get("/api/me")).json())["role"] == "lead"
    proxied = await house.client.get("/api/me", headers={"X-Forwarded-For": "203.0.113.9"})
    assert (await proxied.json())["role"] == "viewer"


async def test_behind_tls_the_cookie_is_for_tls_only(house):
    house.tokens.extend(ALL)
    answer = await house.client.get("/", params={"token": TEXTS["viewer"][0]}, headers={"X-Forwarded-Proto": "https"})
    assert answer.cookies["monitor"]["secure"]


async def test_without_a_token_a_page_asks_for_one_and_an_api_says_how(house):
    house.tokens.extend(ALL)
    page = await house.client.get("/remote", headers={"Accept-Language": "zh-CN"})
    assert (page.status, "登录" in await page.text(), page.headers["WWW-Authenticate"]) == (401, True, "Bearer")
    assert 'value="/remote"' in await page.text()
    answer = await house.client.get("/api/state")
    assert "Authorization: Bearer" in await answer.text()
    typed = await house.client.post("/login", data={"token": f" {TEXTS['lead'][0]} ", "to": "/remote"}, headers=house.origin)
    assert (typed.status, 'url=/remote"' in await typed.text()) == (200, True)
    assert (await house.client.get("/remote")).status == 200


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example/", '/"><script>'])
async def test_nobody_is_sent_elsewhere_after_logging_in(house, to):
    house.tokens.extend(ALL)
    answer = await house.client.post("/login", data={"token": TEXTS["lead"][0], "to": to}, headers=house.origin)
    assert 'content="0;url=/"' in await answer.text()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/wall", {"Origin": "http://evil.example"}),
        ("/api/wall", {"Origin": "null"}),
        ("/api/wall", {"Sec-Fetch-Site": "cross-site"}),
        ("/api/pending", {"Origin": "http://evil.example"}),
        ("/login", {"Origin": "http://evil.example"}),
        ("/logout", {"Origin": "http://evil.example"}),
    ],
)
async def test_no_other_page_makes_anybody_do_anything(house, path, headers):
    for tokens in ((), ALL):
        house.tokens[:] = tokens
        if tokens:
            await house.client.get("/", params={"token": TEXTS["lead"][0]})
        before = house.feed.staging.stage
        answer = await house.client.post(path, data=json.dumps({"command": "safe"}), headers=headers)
        assert answer.status == 403
        assert house.feed.staging.stage == before


async def test_a_browser_with_a_cookie_that_says_nothing_of_its_page_changes_nothing(house):
    house.tokens.extend(ALL)
    await house.client.get("/", params={"token": TEXTS["lead"][0]})
    assert (await house.client.post("/api/wall", json={"command": "safe"})).status == 403
    assert (await house.tell("safe", house.origin))[0] == 200


async def test_the_desk_does_everything_until_there_are_tokens_and_a_proxy_may_look(house):
    assert (await house.tell("safe"))[0] == 200
    assert (await house.client.get("/remote")).status == 200
    proxied = {"X-Forwarded-For": "203.0.113.7"}
    assert [(await house.client.get(path, headers=proxied)).status for path in ("/", "/api/state", "/metrics", "/remote")] == [
        200,
        200,
        200,
        403,
    ]
    assert (await house.client.post("/api/wall", json={"command": "pause"}, headers=proxied)).status == 403
    house.tokens.append(TEXTS["viewer"][1])
    assert (await house.client.get("/")).status == 401


# --- feeds and tokens -----------------------------------------------------------------------------------------------------


async def test_a_script_with_a_token_needs_no_origin_and_a_page_does(house):
    house.tokens.extend(ALL)
    async with house.client.ws_connect("/feed", headers=bearer("viewer")) as wall:
        assert (await wall.receive_json(timeout=30))["state"]["wall"]["profile"] == "room"
    for headers in (
        {},
        house.origin,
        {**bearer("metrics"), **house.origin},
        {**bearer("viewer"), "Origin": "http://evil.example"},
    ):
        with pytest.raises(WSServerHandshakeError) as refused:
            await house.client.ws_connect("/feed", headers=headers)
        assert refused.value.status in (401, 403)


async def test_a_screen_on_stage_gets_the_stage_whatever_it_asks_for(house):
    house.tokens.extend(ALL)
    for query in ("", "?profile=room", "?profile=stage"):
        async with house.client.ws_connect(f"/feed{query}", headers=bearer("stage")) as wall:
            assert (await wall.receive_json(timeout=30))["state"]["wall"]["profile"] == "stage"
        answer = await house.client.get(f"/api/state{query}", headers=bearer("stage"))
        assert (await answer.json())["state"]["wall"]["profile"] == "stage"
    assert (await (await house.client.get("/api/state", headers=bearer("viewer"))).json())["state"]["wall"]["profile"] == "room"


async def test_what_a_revoked_token_has_open_is_closed_with_the_next_look_and_the_others_stay(house):
    house.tokens.extend(ALL)
    guard = house.client.app[GUARD]
    async with (
        house.client.ws_connect("/feed", headers=bearer("viewer")) as gone,
        house.client.ws_connect("/feed", headers=bearer("moderator")) as stays,
    ):
        for wall in (gone, stays):
            await wall.receive_json(timeout=30)
        house.tokens.remove(TEXTS["viewer"][1])
        sweeping = asyncio.create_task(guard.sweep())
        message = await gone.receive(timeout=30)
        assert message.data == REVOKED
        await sweeping
        house.clock.ms += 1000
        house.feed.tick()
        assert (await stays.receive_json(timeout=30))["type"] == "delta"


async def test_the_first_token_closes_what_was_open_without_one(house):
    guard = house.client.app[GUARD]
    async with house.client.ws_connect("/feed", headers=house.origin) as wall:
        await wall.receive_json(timeout=30)
        await guard.sweep()
        assert not wall.closed
        house.tokens.append(TEXTS["lead"][1])
        sweeping = asyncio.create_task(guard.sweep())
        assert (await wall.receive(timeout=30)).data == REVOKED
        await sweeping


async def test_logging_out_ends_this_login_and_not_the_token(house):
    house.tokens.extend(ALL)
    text = TEXTS["lead"][0]
    await house.client.get("/", params={"token": text})
    jar = house.client.session.cookie_jar
    cookie = jar.filter_cookies(house.client.make_url("/"))["monitor"].value
    async with house.client.ws_connect("/feed", headers=house.origin) as wall:
        await wall.receive_json(timeout=30)
        leaving = asyncio.create_task(house.client.post("/logout", headers=house.origin))
        assert (await wall.receive(timeout=30)).data == REVOKED
        assert (await leaving).status == 200
    assert (await house.client.get("/api/state")).status == 401
    assert (await house.client.get("/api/state", headers={"Cookie": f"monitor={cookie}"})).status == 401
    assert (await house.client.get("/api/state", headers=bearer("lead"))).status == 200


# --- commands -------------------------------------------------------------------------------------------------------------


async def test_a_command_is_answered_with_the_stage_and_is_on_the_walls_with_a_tick_at_once(house):
    async with house.client.ws_connect("/feed?profile=stage", headers=house.origin) as wall:
        seq = (await wall.receive_json(timeout=30))["seq"]
        status, said = await house.tell("scene", scene="voices")
        assert (status, said["wall"]["scene"], said["wall"]["version"]) == (200, "voices", 1)
        frame = await wall.receive_json(timeout=30)
        assert (frame["seq"], frame["patch"]["wall"]["scene"]) == (seq + 1, "voices")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{}", 400), (b'{"command":"scene","scene":"home"}', 400), (b"x" * 5000, 413), (b'{"command":"lift","topic":"none"}', 200),
     (b'{"command":"embargo","topic":"none","until":"2026-10-17T00:00:00Z"}', 409)],
)  # fmt: skip
async def test_what_is_no_command_is_a_sentence(house, body, status):
    answer = await house.client.post("/api/wall", data=body)
    assert answer.status == status
    found = await answer.json()
    assert ("error" in found) == (status != 200)


async def test_an_embargo_is_in_the_back_room_and_nowhere_on_stage(house):
    until = iso(house.clock.ms + 60_000)
    assert "robots" in house.state()["topics"]
    await house.tell("embargo", topic="robots", until=until)
    assert "robot" not in json.dumps(house.state()).casefold()
    assert house.state("room")["wall"]["embargo"] == {"robots": until}
    assert "robots" in house.state("room")["topics"]
    house.clock.ms += 60_000
    house.feed.tick()
    assert "robots" in house.state()["topics"]
    assert "embargo" not in house.state("room")["wall"]


async def test_frozen_numbers_stand_on_stage_only_on_every_server_and_after_a_restart(house, redis_client, tmp_path):
    await house.tell("freeze")
    frozen_at = house.state()["wall"]["frozen_at"]
    shelf = house.feed.source
    shelf.commit(0, comments(NOW, 4))
    house.clock.ms += 1000
    await house.feed.follow()
    house.feed.tick()
    assert (house.state()["totals"]["comments"]["total"], house.state("room")["totals"]["comments"]["total"]) == (3, 7)
    async with opened(redis_client, tmp_path) as other:
        await other.feed.staging.look()
        other.feed.source.commit(0, comments(NOW, 9))
        await other.feed.follow()
        other.feed.tick()
        assert other.state()["wall"]["frozen_at"] == frozen_at
        assert (other.state()["totals"]["comments"]["total"], other.state("room")["totals"]["comments"]["total"]) == (3, 12)
        await other.tell("unfreeze")
        assert other.state()["totals"]["comments"]["total"] == 12
    await house.feed.staging.look()
    house.feed.tick()
    assert house.state()["totals"]["comments"]["total"] == 7
    assert await redis_client.get(FROZEN) is None


async def test_frozen_is_never_written_above_numbers_that_move(house, redis_client):
    await house.tell("freeze")
    await redis_client.delete(FROZEN)
    staging = Staging(StageStore(redis_client), CONFIG)
    await staging.look()
    assert staging.stage is not None
    assert staging.stage.frozen_ms is not None
    assert "frozen_at" not in (staging.part(house.clock.ms) or {})


async def test_commands_of_many_servers_at_once_are_all_there(redis_client):
    store, now = StageStore(redis_client), NOW * 1000
    commands = [
        stages.Pin(message="m"), stages.Pin(country="BR"), stages.Freeze(), stages.Safe(), stages.To("voices"),
        stages.Embargo("robots", iso(now + 1000)), stages.Embargo("hybrid", iso(now + 1000)), stages.Pause(),
    ]  # fmt: skip
    await asyncio.gather(*(store.act(one, by=f"p{n}", now_ms=now, config=CONFIG, state={}) for n, one in enumerate(commands)))
    stage, _ = await store.read()
    assert (stage.version, stage.message, stage.country, stage.rotating) == (len(commands), "m", "BR", False)
    assert set(stage.embargo) == {"robots", "hybrid"}
    assert stage.safe is not None
    assert stage.frozen_ms is not None
    entries = await store.newest(100)
    assert sorted(entry["version"] for entry in entries) == list(range(1, len(commands) + 1))
    assert {entry["by"] for entry in entries} == {f"p{n}" for n in range(len(commands))}


async def test_the_log_says_who_did_what_and_when_and_a_phone_that_is_awake_is_no_entry(house):
    house.tokens.extend(ALL)
    await house.tell("scene", bearer("lead"), scene="voices")
    await house.tell("seen", bearer("lead"))
    house.clock.ms += 5000
    await house.tell("safe", bearer("admin"))
    found = (await (await house.client.get("/api/wall/log", headers=bearer("moderator"))).json())["log"]
    assert found == [
        {"at": iso(house.clock.ms), "by": "admin", "severity": "serious", "version": 2, "command": "safe"},
        {
            "at": iso(house.clock.ms - 5000),
            "by": "lead",
            "severity": "change",
            "version": 1,
            "command": "scene",
            "scene": "voices",
        },
    ]
    assert len((await (await house.client.get("/api/wall/log?count=1", headers=bearer("lead"))).json())["log"]) == 1


# --- safe -----------------------------------------------------------------------------------------------------------------


async def test_safe_is_one_command_and_only_leaving_that_one_ends_it(house):
    _, said = await house.tell("safe")
    assert house.state()["wall"]["safe"] == {"on": True}
    assert (await house.tell("leave_safe", since="2026-01-01T00:00:00.000Z"))[0] == 409
    await house.tell("scene", scene="topics")
    assert house.state()["wall"]["safe"]["on"]
    assert (await house.tell("leave_safe", since=said["wall"]["safe"]["since"]))[0] == 200
    assert house.state()["wall"]["safe"] == {"on": False}


class Away:
    """A Redis that cannot be reached until it is back."""

    def __init__(self, redis: Any) -> None:
        self.redis, self.gone = redis, True

    def __getattr__(self, name: str) -> Any:
        if self.gone:
            raise ConnectionError("no route")
        return getattr(self.redis, name)


async def test_while_redis_is_away_the_safe_scene_comes_all_the_same_and_is_written_when_it_is_back(house, redis_client):
    house.feed.staging.store.redis = away = Away(redis_client)
    status, said = await house.tell("scene", scene="voices")
    assert (status, "try again" in said["error"]) == (503, True)
    status, said = await house.tell("safe")
    assert (status, "is up" in said["error"]) == (503, True)
    assert house.state()["wall"]["safe"] == {"on": True}
    away.gone = False
    await house.feed.staging.look()
    house.feed.tick()
    assert house.state("room")["wall"]["safe"]["by"] == "desk"
    stage, _ = await StageStore(redis_client).read()
    assert stage.safe is not None


async def test_nobody_seen_puts_up_the_safe_scene_for_all_servers_and_a_phone_that_wakes_does_not_take_it_down(
    redis_client, tmp_path
):
    config = replace(CONFIG, wall=replace(CONFIG.wall, dead_man_seconds=60))
    async with opened(redis_client, tmp_path, config) as house:
        await house.tell("seen")
        house.clock.ms += 59_999
        house.feed.tick()
        assert not house.state()["wall"]["safe"]["on"]
        house.clock.ms += 1
        house.feed.tick()
        assert house.state()["wall"]["safe"]["on"]
        await house.tell("seen")
        await house.feed.staging.look()
        house.feed.tick()
        assert house.state("room")["wall"]["safe"]["why"] == "dead_man"
        assert (await StageStore(redis_client).read())[0].safe is not None


async def test_a_stage_that_a_newer_version_wrote_leaves_the_walls_as_they_are(house, redis_client):
    await house.tell("scene", scene="voices")
    await redis_client.set("{wall}:stage", b'{"version":"two"}')
    await house.feed.staging.look()
    house.feed.tick()
    assert house.state()["wall"]["scene"] == "voices"


async def test_what_is_sent_of_the_wall_is_as_described(redis_client, tmp_path):
    config = replace(CONFIG, rehearsal=True, wall=replace(CONFIG.wall, dead_man_seconds=60))
    async with opened(redis_client, tmp_path, config) as house:
        for command, more in (("pin", {"country": "BR"}), ("pin", {"message": "m"}), ("freeze", {}), ("safe", {}),
                              ("embargo", {"topic": "robots", "until": iso(house.clock.ms + 9000)})):  # fmt: skip
            assert (await house.tell(command, **more))[0] == 200
        keys = set(house.state("room")["wall"]) | set(house.state("room")["wall"]["rotation"])
        assert keys >= {"pinned", "frozen_at", "embargo", "safe", "dead_man", "rehearsal", "build", "next_at", "session"}
        for profile in ("room", "stage"):
            frame = json.loads(house.feed.tickers[profile].snapshot())
            frame["state"].pop("attention", None)
            assert problems(frame) == []
