"""The server side of Kick: the login and the public API, the webhooks that it sends, and the chat socket of its own page.

Channels by slug or broadcaster id, at most fifty; one unknown slug fails all that were asked with it, an unknown id is simply not in the
answer. Subscriptions by event and broadcaster; chat ones up to a limit. One key signs all webhooks, and anybody may ask for it. The socket
speaks Pusher's protocol 7: JSON within JSON, pings after silence, 4201 for who does not answer.

Unconfirmed: the limit of fifty, and how often one may ask. Kick documents no number; here 1,200 questions a minute, then 429.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from connectors.simulator import kick_wire as wire
from connectors.simulator import lines
from connectors.simulator.kick_hooks import Delivery, Sender
from connectors.simulator.kick_key import PUBLIC_KEY
from connectors.simulator.serving import Server, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

CLIENT_ID: Final = "simulated"
CLIENT_SECRET: Final = "simulated-secret"  # noqa: S105 — of the simulator itself
AT_ONCE: Final = 50
PER_MINUTE: Final = 1200
TOKEN_SECONDS: Final = 5_184_000
CHATS: Final = 10_000
"""Chat subscriptions of a verified app."""
CHAT: Final = "chat.message.sent"
EVENTS: Final = frozenset({
    CHAT, "channel.followed", "channel.subscription.new", "channel.subscription.renewal", "channel.subscription.gifts",
    "channel.reward.redemption.updated", "livestream.status.updated", "livestream.metadata.updated", "moderation.banned", "kicks.gifted",
})  # fmt: skip
APP_KEY: Final = "simulated"
ACTIVITY_SECONDS: Final = 120
PONG_SECONDS: Final = 30.0
_API: Final = "/public/v1"
_encode = msgspec.json.Encoder().encode


class KickPlatform(Server):
    """See SimPlatform."""

    name = "kick"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self.accounts = {index: wire.account(one) for index, one in enumerate(setting.channels) if one.platform == self.name}
        self.subscribed: dict[tuple[int, str], str] = {}
        """(broadcaster, event) → id."""
        self._since: dict[tuple[int, str], int] = {}
        """… and the second in which it was made. It holds from the next one on: then it can be said of every time whether it held."""
        self.most_chats = CHATS
        self.throttled = 0
        self._talks: dict[Reader, _Talk] = {}
        self._tokens: dict[str, float] = {}
        self._level = float(PER_MINUTE)
        self._filled = setting.clock()
        self._on_air: dict[int, str] = {index: setting.air.channels[index].id for index in self.accounts}
        self.sender = Sender(
            f"{setting.hooks}/{self.name}", mishaps=setting.mishaps, clock=setting.clock, bell=self.bell,
            patient=setting.ledger is not None, unsubscribe=self.subscribed.clear,
        )  # fmt: skip

    def routes(self, app: web.Application) -> None:
        for method, path, answer in (
            ("POST", "/oauth/token", self._token),
            ("GET", f"{_API}/channels", self._channels),
            ("GET", f"{_API}/events/subscriptions", self._list),
            ("POST", f"{_API}/events/subscriptions", self._subscribe),
            ("DELETE", f"{_API}/events/subscriptions", self._unsubscribe),
        ):
            app.router.add_route(method, path, self._asked(answer))
        app.router.add_get(f"{_API}/public-key", self._public_key)
        app.router.add_get("/app/{key}", self._socket)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        port = await self.listen(host, ports.get("kick", 0))
        pusher = f"ws://{host}:{port}/app/{APP_KEY}?protocol=7&client=js&version=8.4.0&flash=false"
        return {"kick": f"http://{host}:{port}", "kick_pusher": pusher}

    async def stop(self) -> None:
        await self.sender.stop()
        await super().stop()

    def status(self) -> dict[str, int]:
        return {
            "kick_calls": self.asked, "kick_subscriptions": len(self.subscribed), "kick_sockets": len(self.readers),
            "kick_taken": self.sender.taken, "kick_lost": self.sender.lost, "kick_waiting": self.sender.waiting,
        }  # fmt: skip

    def rename(self, index: int, handle: str | None) -> None:
        """Another slug, under which the channel is found from now on; None: it is gone."""
        if handle is None:
            self.accounts.pop(index, None)
        else:
            self.accounts[index] = self.accounts[index]._replace(slug=handle.lower())

    # --- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            about = self.accounts.get(sent.room)
            if about is not None:
                self._tell(sent, about)
        if sents:
            self.bell.ring()

    def _tell(self, sent: Sent, about: wire.Account) -> None:
        seen = False
        frame = wire.frame(sent, about)
        # A host has no id, so a ledger could not name what becomes of it.
        if frame is not None and not (sent.kind == "raid" and self._setting.ledger is not None):
            seen = self._show(f"chatrooms.{about.chatroom}.v2", frame)
        delivery = wire.webhook(sent, about)
        entries = wire.entries(sent, delivery)

        def done(taken: bool) -> None:
            if self._setting.ledger is not None and entries:
                channel = self._setting.channels[sent.room]
                # Only messages have the same id in both; a gift of the socket is another event, which nobody counts beside webhooks.
                arrived = taken or (seen and sent.kind in ("message", "delete", "ban"))
                lines.write(self._setting.ledger, channel, self.name, wire.at_of(sent), entries, delivered=arrived)

        if delivery is None:
            self.sender.after(about.user, lambda: done(False))
        else:
            self._send(about, delivery, done, at=sent.at / 1000, takes_back=sent.kind == "ban")

    def _send(
        self, about: wire.Account, webhook: wire.Webhook, done: Callable[[bool], None], *, at: float, takes_back: bool = False
    ) -> None:
        subscription = self.subscribed.get((about.user, webhook.kind))
        if subscription is None or not self._setting.hooks or int(at) <= self._since[about.user, webhook.kind]:
            self.sender.after(about.user, lambda: done(False)) if takes_back else done(False)
            return
        self.sender.put(Delivery(about.user, subscription, webhook, takes_back, done))

    def _show(self, channel: str, frame: wire.Frame) -> bool:
        """On the socket; whether anybody listens there."""
        readers = [reader for reader in self.readers if channel in reader.tags]
        if readers:
            data = wire.pusher(frame.event, frame.data, channel)
            self.mishaps.went_out(channel, data)
            for reader in readers:
                reader.put(data)
        return bool(readers)

    def tick(self) -> None:
        now = self.clock()
        self._setting.air.advance(now)
        for index, about in self.accounts.items():
            air = self._setting.air.channels[index]
            if air.id != self._on_air[index]:
                if self._on_air[index] and air.id:  # it ended and began between two looks
                    self._send(about, wire.status_webhook(about, air, live=False, at=now), _nothing, at=now)
                self._send(about, wire.status_webhook(about, air, live=bool(air.id), at=now), _nothing, at=now)
                self._on_air[index] = air.id
        self._talks = {reader: talk for reader, talk in self._talks.items() if reader in self.readers}
        for reader, talk in self._talks.items():
            self._look_after(reader, talk, now)
        if self.mishaps.begins_anew():
            self._call_again()
        super().tick()

    def drop_all(self) -> int:
        self._call_again()
        return super().drop_all()

    def _call_again(self) -> None:
        """What is still wanted of what webhooks told."""
        self.sender.begin_anew(lambda one: self.subscribed.get((one.user, one.webhook.kind)) == one.subscription)

    # --- who may ask --------------------------------------------------------------------------------------------------

    def _asked(self, answer: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.StreamResponse:
            self.asked += 1
            status = self.mishaps.refusal()
            if status:
                return self._refusal(status)
            if request.path != "/oauth/token":
                kind, _, token = request.headers.get("Authorization", "").partition(" ")
                if kind != "Bearer" or self._tokens.get(token, 0.0) <= self.clock():
                    return self._refusal(401)
                if self.mishaps.faults.quota or not self._take():
                    self.throttled += 1
                    return self._refusal(429)
            return await self.give(request, await answer(request))

        return serve

    def _refusal(self, status: int) -> web.Response:
        words = {401: "Unauthorized", 403: "Forbidden", 429: "Too Many Requests"}
        retry = {"Retry-After": f"{self.mishaps.faults.retry_after:.0f}"} if status in (429, 503) else {}
        headers = {"x-ratelimit-remaining": str(int(self._level)), **retry}
        return as_json({"data": {}, "message": words.get(status, "Internal Server Error")}, status, headers)

    def _take(self) -> bool:
        now = self.clock()
        self._level = min(PER_MINUTE, self._level + (now - self._filled) * PER_MINUTE / 60)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def expire_tokens(self) -> None:
        """Every token that was given is worth nothing from now on."""
        self._tokens.clear()

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return as_json({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return as_json({"error": "unsupported_grant_type"}, 400)
        token = hashlib.blake2b(f"{self.asked} {self.clock()}".encode(), digest_size=20).hexdigest()
        self._tokens[token] = self.clock() + TOKEN_SECONDS
        return as_json({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    async def _public_key(self, request: web.Request) -> web.StreamResponse:
        return await self.give(request, _data({"public_key": PUBLIC_KEY}))

    # --- channels and subscriptions -----------------------------------------------------------------------------------

    async def _channels(self, request: web.Request) -> web.Response:
        slugs = {slug.lower() for slug in request.query.getall("slug", [])}
        users = set(request.query.getall("broadcaster_user_id", []))
        known = {about.slug for about in self.accounts.values()}
        if not 1 <= len(slugs) + len(users) <= AT_ONCE or slugs - known or not all(user.isdigit() for user in users):
            return as_json({"data": [], "message": "Invalid request"}, 400)
        self._setting.air.advance(self.clock())
        found = [index for index, about in self.accounts.items() if about.slug in slugs or str(about.user) in users]
        return _data([self._channel(index) for index in found])

    def _channel(self, index: int) -> dict[str, Any]:
        about, air = self.accounts[index], self._setting.air.channels[index]
        stream = {
            "is_live": bool(air.id), "is_mature": False, "key": "", "language": "en", "thumbnail": "", "url": "", "custom_tags": [],
            "start_time": wire.second(int(air.started * 1000)) if air.id else "0001-01-01T00:00:00Z",
            "viewer_count": self._setting.air.viewers(index, self.clock()) if air.id else 0,
        }  # fmt: skip
        return {
            "broadcaster_user_id": about.user, "slug": about.slug, "stream_title": air.title, "banner_picture": "", "channel_description": "",
            "category": {"id": 15, "name": "Just Chatting", "thumbnail": ""}, "stream": stream,
        }  # fmt: skip

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query.get("broadcaster_user_id")
        rows = [
            {"id": one, "broadcaster_user_id": user, "event": event, "method": "webhook", "version": 1, "app_id": "simulated"}
            for (user, event), one in self.subscribed.items()
            if wanted is None or wanted == str(user)
        ]
        return _data(rows)

    async def _subscribe(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read())
            user, events = int(wanted["broadcaster_user_id"]), [str(event["name"]) for event in wanted["events"]]
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            return as_json({"data": [], "message": "Invalid request"}, 400)
        if all(about.user != user for about in self.accounts.values()):
            return as_json({"data": [], "message": "Invalid request"}, 400)
        rows = []
        for event in events:
            error = self._why_not(event)
            if not error and (user, event) not in self.subscribed:
                self.subscribed[user, event] = wire.ulid(int(self.clock() * 1000), f"{user} {event}")
                self._since[user, event] = int(self.clock())
            rows.append({"name": event, "version": 1, "subscription_id": self.subscribed.get((user, event), ""), "error": error})
        return _data(rows)

    def _why_not(self, event: str) -> str:
        if event not in EVENTS:
            return "invalid event"
        full = event == CHAT and sum(one == CHAT for _, one in self.subscribed) >= self.most_chats
        return "subscription limit exceeded" if full else ""

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        gone = set(request.query.getall("id", []))
        for known in [known for known, one in self.subscribed.items() if one in gone]:
            del self.subscribed[known]
        return web.Response(status=204)

    # --- the socket ---------------------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        status = self.mishaps.refusal()
        if status:
            return self._refusal(status)
        return await self.socket(request, lambda reader: self._greet(reader, request.match_info["key"]), self._hear)

    def _greet(self, reader: Reader, key: str) -> None:
        if key != APP_KEY:
            error = {"code": 4001, "message": f"App key {key} not in this cluster"}
            reader.put(_encode({"event": "pusher:error", "data": error}))
            reader.end()
            return
        self._talks[reader] = _Talk(self.clock())
        hello = {"socket_id": f"{self.dice.randrange(10**6)}.{self.dice.randrange(10**7)}", "activity_timeout": ACTIVITY_SECONDS}
        reader.put(wire.pusher("pusher:connection_established", hello))

    def _hear(self, reader: Reader, text: str) -> None:
        talk = self._talks.get(reader)
        if talk is None:
            return
        talk.heard, talk.asked = self.clock(), False
        try:
            frame = msgspec.json.decode(text)
            event, channel = frame["event"], str(frame.get("data", {}).get("channel", ""))
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
            reader.put(wire.pusher("pusher:error", {"code": 4200, "message": "Invalid JSON"}))
            return
        match event:
            case "pusher:subscribe" if any(channel == f"chatrooms.{about.chatroom}.v2" for about in self.accounts.values()):
                reader.put(wire.pusher("pusher_internal:subscription_succeeded", {}, channel))
                for data in () if channel in reader.tags else self.mishaps.again(channel):
                    reader.put(data)
                reader.tags.add(channel)
            case "pusher:subscribe":
                error = {"type": "InvalidChannel", "error": "there is no such channel", "status": 404}
                reader.put(wire.pusher("pusher:subscription_error", error, channel))
            case "pusher:unsubscribe":
                reader.tags.discard(channel)
            case "pusher:ping":
                reader.put(wire.pusher("pusher:pong", {}))

    def _look_after(self, reader: Reader, talk: _Talk, now: float) -> None:
        """Ask who was silent for long whether they are there; cut who does not answer."""
        silent = now - talk.heard
        if talk.asked and silent >= ACTIVITY_SECONDS + PONG_SECONDS:
            reader.cut()
        elif not talk.asked and silent >= ACTIVITY_SECONDS:
            talk.asked = True
            reader.put(wire.pusher("pusher:ping", {}))


class _Talk:
    """What is remembered of a socket."""

    __slots__ = ("asked", "heard")

    def __init__(self, now: float) -> None:
        self.heard = now
        self.asked = False


def _data(rows: Any) -> web.Response:
    return as_json({"data": rows, "message": "OK"})


def _nothing(_taken: bool) -> None:
    """A change of state is in no ledger."""
