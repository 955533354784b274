"""The server side of Twitch Helix and its login, as far as discovery meets it.

Client credentials for a token that ends; users by login or id and streams by user id, at most 100 together, else 400; ``first`` is 20
unless it is said, so that who forgets it misses eighty; an unknown login and an offline channel are simply not in the answer; a bucket of
800 points a minute for the application and for each user, refilled steadily, then 429 with ``Ratelimit-Reset``. Channels go live and offline, and change their login.

The clock is handed in; what is on air is air.py's.
"""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from connectors.simulator.eventsub import EventSubServer
from connectors.simulator.eventsub_users import People
from connectors.simulator.faults import Faults, Mishaps
from connectors.simulator.serving import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from connectors.simulator.air import Airtime
    from connectors.simulator.irc import Place

AT_ONCE: Final = 100
USUAL_FIRST: Final = 20
CLIENT_ID: Final = "simulated"
CLIENT_SECRET: Final = "simulated-secret"  # noqa: S105 — of the simulator itself


class HelixServer(Server):
    """All channels of the simulated Twitch, as its API shows them."""

    def __init__(
        self,
        places: Sequence[Place | None],
        air: Airtime,
        *,
        clock: Callable[[], float],
        points: int = 800,
        token_seconds: int = 5_011_271,
        mishaps: Mishaps | None = None,
    ) -> None:
        dice = random.Random(points)
        super().__init__(clock=clock, mishaps=mishaps or Mishaps(Faults(), dice, clock), dice=dice)
        self.places = places
        self.air = air
        self.points = points
        self.token_seconds = token_seconds
        self.calls: dict[str, int] = {}
        """Path → how often it was asked; refused questions too."""
        self.throttled = 0
        self.trouble: list[tuple[int, bytes]] = []
        """Answers (status, body) that are given next instead of the right ones."""
        self._levels: dict[str, tuple[float, float]] = {}
        """What is left of a minute's points, and when: of the application, and of each user whose token asks."""
        self._tokens: dict[str, float] = {}
        """Token → when it ends."""
        self._issued = 0
        self.people = People(clock)
        self.eventsub = EventSubServer(places, air, clock=clock, enter=self._enter, people=self.people, mishaps=self.mishaps)

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/oauth2/token", self._mishandled(self._token))
        app.router.add_get("/oauth2/validate", self._mishandled(self._validate))
        app.router.add_get("/helix/users", self._mishandled(self._users))
        app.router.add_get("/helix/streams", self._mishandled(self._streams))
        app.router.add_get("/helix/videos", self._mishandled(self._videos))
        self.eventsub.add_routes(app.router)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; gives the port."""
        return await self.listen(host, port)

    def _mishandled(
        self, answer: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await self.give(request, await answer(request))

        return serve

    async def stop(self) -> None:
        await self.eventsub.stop()
        await super().stop()

    def tick(self) -> None:
        super().tick()
        self.eventsub.tick()

    def drop_all(self) -> int:
        return super().drop_all() + self.eventsub.drop_all()

    def expire_tokens(self) -> None:
        """Every token that was given is worth nothing from now on."""
        self._tokens.clear()

    # --- what it answers ----------------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        if (answer := self._count("token")) is not None:
            return answer
        given = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}
        if given.get("client_id") != CLIENT_ID:
            return _json({"status": 400, "message": "invalid client"}, 400)
        if given.get("client_secret") != CLIENT_SECRET:
            return _json({"status": 403, "message": "invalid client secret"}, 403)
        if given.get("grant_type") == "refresh_token":
            status, content = self.people.renew(given.get("refresh_token", ""))
            return _json(content, status)
        if given.get("grant_type") != "client_credentials":
            return _json({"status": 400, "message": "missing grant type"}, 400)
        self._issued += 1
        token = hashlib.blake2b(f"{self._issued} {self.clock()}".encode(), digest_size=15).hexdigest()
        self._tokens[token] = self.clock() + self.token_seconds
        return _json({"access_token": token, "expires_in": self.token_seconds, "token_type": "bearer"})

    async def _validate(self, request: web.Request) -> web.Response:
        if (answer := self._count("validate")) is not None:
            return answer
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        status, content = self.people.validate(token if kind in ("OAuth", "Bearer") else "", CLIENT_ID)
        return _json(content, status)

    async def _users(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "users")) is not None:
            return answer
        ids, logins = request.query.getall("id", []), request.query.getall("login", [])
        if not 1 <= len(ids) + len(logins) <= AT_ONCE:
            return _error(400, "The sum of the id and login query parameters must be between 1 and 100.")
        wanted_ids, wanted_logins = set(ids), {login.lower() for login in logins}
        rows = [
            {
                "id": place.room_id,
                "login": place.login,
                "display_name": place.login.capitalize(),
                "type": "",
                "broadcaster_type": "",
                "description": "",
                "profile_image_url": "",
                "offline_image_url": "",
                "view_count": 0,
                "created_at": "2019-06-24T12:00:00Z",
            }
            for place in self.places
            if place is not None and (place.room_id in wanted_ids or place.login in wanted_logins)
        ]
        return self._answer({"data": rows})

    async def _streams(self, request: web.Request) -> web.Response:
        if (answer := self._enter(request, "streams")) is not None:
            return answer
        ids, logins = request.query.getall("user_id", []), request.query.getall("user_login", [])
        first = request.query.get("first", str(USUAL_FIRST))
        if len(ids) > AT_ONCE or len(logins) > AT_ONCE:
            return _error(400, "The number of user_id or user_login query parameters must not exceed 100.")
        if not first.isdigit() or not 1 <= int(first) <= AT_ONCE:
            return _error(400, 'The parameter "first" was malformed: the value must be between 1 and 100')
        now = self.clock()
        self.air.advance(now)
        wanted = {*ids, *(login.lower() for login in logins)}
        rows = [
            self._stream(index, place, now)
            for index, place in enumerate(self.places)
            if place is not None and (place.room_id in wanted or place.login in wanted) and self.air.channels[index].id
        ]
        rows.sort(key=lambda row: -row["viewer_count"])
        return self._answer({"data": rows[: int(first)], "pagination": {"cursor": "eyJiIjp7"} if len(rows) > int(first) else {}})

    async def _videos(self, request: web.Request) -> web.Response:
        """Recordings of a channel that is or was live."""
        if (answer := self._enter(request, "videos")) is not None:
            return answer
        users = request.query.getall("user_id", [])
        if len(users) != 1 or request.query.get("type", "all") != "archive":
            return _error(400, 'The parameter "user_id" was malformed: exactly one is wanted, and type archive here')
        self.air.advance(self.clock())
        index = next((index for index, place in enumerate(self.places) if place is not None and place.room_id == users[0]), None)
        if index is None:
            return self._answer({"data": [], "pagination": {}})
        air = self.air.channels[index]
        kept = (
            [{"id": "1" + air.id, "stream_id": air.id, "user_id": users[0], "type": "archive", "title": air.title}]
            if air.id
            else []
        )
        return self._answer({"data": kept, "pagination": {}})

    def _stream(self, index: int, place: Place, now: float) -> dict[str, Any]:
        air = self.air.channels[index]
        return {
            "id": air.id,
            "user_id": place.room_id,
            "user_login": place.login,
            "user_name": place.login.capitalize(),
            "game_id": "509658",
            "game_name": "Just Chatting",
            "type": "live",
            "title": air.title,
            "viewer_count": self.air.viewers(index, now),
            "started_at": f"{datetime.fromtimestamp(air.started, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "language": "en",
            "thumbnail_url": "",
            "tag_ids": [],
            "tags": [],
            "is_mature": False,
        }

    # --- who may ask --------------------------------------------------------------------------------------------------

    def _enter(self, request: web.Request, path: str) -> web.Response | None:
        """The refusal, or None; a refused question costs a point as well."""
        if (answer := self._count(path)) is not None:
            return answer
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token or kind != "Bearer":
            return _error(401, "OAuth token is missing")
        if self._tokens.get(token, 0.0) <= self.clock() and self.people.of(token) is None:
            return _error(401, "Invalid OAuth token")
        if request.headers.get("Client-Id") != CLIENT_ID:
            return _error(401, "Client ID and OAuth token do not match")
        person = self.people.of(token)
        if self.mishaps.faults.quota or not self._take(person.user_id if person is not None else ""):
            self.throttled += 1
            return _error(429, "Too Many Requests", self._limits(person.user_id if person is not None else ""))
        return None

    def _count(self, path: str) -> web.Response | None:
        self.calls[path] = self.calls.get(path, 0) + 1
        if self.trouble:
            status, body = self.trouble.pop(0)
            return web.Response(status=status, body=body, content_type="application/json")
        status = self.mishaps.refusal()
        if status:
            reset = {"Ratelimit-Reset": str(int(self.clock() + self.mishaps.faults.retry_after) + 1)}
            return _error(status, "the plan of faults wants it so", {**self._limits(), **reset} if status == 429 else None)
        return None

    def _take(self, who: str) -> bool:
        now = self.clock()
        level, filled = self._levels.get(who, (float(self.points), now))
        level = min(self.points, level + (now - filled) * self.points / 60)
        self._levels[who] = (level - 1 if level >= 1 else level, now)
        return level >= 1

    def _limits(self, who: str = "") -> dict[str, str]:
        level = self._levels.get(who, (float(self.points), 0.0))[0]
        full = self.clock() + (self.points - level) * 60 / self.points
        return {
            "Ratelimit-Limit": str(self.points),
            "Ratelimit-Remaining": str(int(level)),
            "Ratelimit-Reset": str(int(full) + 1),
        }

    def _answer(self, content: Mapping[str, Any]) -> web.Response:
        return _json(content, headers=self._limits())


def _json(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/json", headers=headers)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return _json({"error": HTTPStatus(status).phrase, "status": status, "message": message}, status, headers)
