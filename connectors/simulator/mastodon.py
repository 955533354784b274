"""The server side of a Mastodon instance: hashtag timelines by page, and streaming by websocket and as server-sent events.

Who posts with a hashtag stands in its timeline; posts of other instances arrive up to a few seconds after they were written, below newer ones.
Streaming needs a user's token, sends each post and deletion once, and nothing again after a cut; a token that is revoked ends it. Each account
and each address has 300 requests in five minutes, with the headers that say so, then 429.

Unconfirmed: how often a silent stream says ``:thump``, and what an instance answers to a subscription that it does not know (here: nothing).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from connectors.simulator import accounts, lines, statuses
from connectors.simulator.lines import Entry
from connectors.simulator.serving import Server, as_json, transport_of
from connectors.simulator.statuses import DOMAIN, ELSEWHERE, Post
from connectors.simulator.timelines import KEPT, Shown, Timelines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.simulator.model import Sent, SimChannel
    from connectors.simulator.platform import Setting
    from connectors.simulator.reader import Reader

TOKEN: Final = "simulated-token"  # noqa: S105 — a test credential
LIMIT: Final = 300
WINDOW_SECONDS: Final = 300.0
LATEST_SECONDS: Final = 4.0
"""A post of another instance arrives at most so long after it was written."""
LATE_SHARE: Final = 0.3
THUMP_SECONDS: Final = 15.0
EDITED_EVERY: Final = 37
WARNED_EVERY: Final = 41
_encode = msgspec.json.Encoder().encode


class MastodonPlatform(Server):
    """One instance; see SimPlatform."""

    name = "mastodon"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        self.tokens = {TOKEN}
        self.hides_timelines = False
        """Timelines too need a token."""
        self.streams_posts = True
        """False: the stream stays silent, as that of large instances; deletions come."""
        self.limit = LIMIT
        self.address = ""
        self._timelines = Timelines()
        self._by_sent: dict[Sent, Shown] = {}
        self._late: list[tuple[float, Sent, Shown]] = []
        self._asked_tags: set[str] = set()
        self._windows: dict[str, tuple[float, int]] = {}
        self._number = 0
        self._thump_at = 0.0

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/api/v2/instance", self._instance)
        app.router.add_get("/api/v1/accounts/verify_credentials", self._login)
        app.router.add_get("/api/v1/accounts/lookup", self._lookup)
        app.router.add_get("/api/v1/timelines/tag/{tag}", self._timeline)
        app.router.add_get("/api/v1/streaming", self._streaming)
        app.router.add_get("/api/v1/streaming/hashtag", self._server_sent)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        port = await self.listen(host, ports.get("mastodon", 0))
        self.address = f"http://{host}:{port}"
        return {"mastodon": self.address}

    def status(self) -> dict[str, int]:
        return {"mastodon_readers": len(self.readers), "mastodon_asked": self.asked}

    # --- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            if sent.kind == "delete":
                self._delete(sent)
            elif sent.text is not None:
                self._post(sent)

    def _post(self, sent: Sent) -> None:
        assert sent.text is not None
        self._number += 1
        channel = self._setting.channels[sent.room] if sent.room >= 0 else None
        who = statuses.address(channel.handle) if channel else self._stranger(sent)
        text = sent.text.text[: statuses.LONGEST - 100]
        if self._setting.hashtags and self.dice.random() < (0.7 if channel else 0.4):
            text = f"{text} {self.dice.choice(self._setting.hashtags)}"
        warning = "cars" if self._number % WARNED_EVERY == 0 else ""
        shown = Shown(Post(sent.at, who, text, warning, sent.text.language, self._number), channel)
        self._by_sent[sent] = shown
        if len(self._by_sent) > KEPT:  # older than any deletion still to come
            for old in list(self._by_sent)[: KEPT // 4]:
                del self._by_sent[old]
        if not who.endswith(f"@{DOMAIN}") and self.dice.random() < LATE_SHARE:
            self._late.append((self.clock() + self.dice.random() * LATEST_SECONDS, sent, shown))
        else:
            self._show(sent, shown)

    def _stranger(self, sent: Sent) -> str:
        number = int(sent.native, 16) % 20_000
        return f"stranger{number}@{(DOMAIN, *ELSEWHERE)[number % (1 + len(ELSEWHERE))]}"

    def _show(self, sent: Sent, shown: Shown) -> None:
        """Into the timelines, and to whoever listens."""
        post = shown.post
        self._timelines.add(shown)
        known = channel_is_known(shown.channel)
        ours = {tag.removeprefix("#").casefold() for tag in self._setting.hashtags}
        if self._setting.ledger is not None and (known or post.tags & ours):
            more = {"author": post.who, "text": post.words, "topics": sent.text.topics if sent.text else ()}
            self._write(shown, Entry("post", f"mastodon:{post.uri}", more), post.at, delivered=bool(post.tags & self._asked_tags))
        if self.streams_posts:
            self._say(shown, "update", shown.data.decode())
            if self._number % EDITED_EVERY == 0:
                self._say(shown, "status.update", _encode(statuses.status(post, edited_at=self.clock())).decode())

    def _delete(self, sent: Sent) -> None:
        shown = self._by_sent.pop(sent.target, None) if sent.target is not None else None
        if shown is None:
            return
        on_its_way = [late for late in self._late if late[2] is shown]
        if on_its_way:
            self._late.remove(on_its_way[0])
            return
        self._timelines.remove(shown)
        uri = f"mastodon:{shown.post.uri}"
        removed = Entry("removed", f"{uri}:deleted", {"author": shown.post.who, "target": uri})
        told = self._teller(lambda delivered: self._write(shown, removed, sent.at, delivered=delivered or not shown.seen))
        self._say(shown, "delete", str(shown.id), told)

    def _teller(self, write: Callable[[bool], None]) -> Callable[[int], Callable[[bool], None]]:
        """For so many readers: written once, as soon as one of them was told or none can be any more."""

        def of(readers: int) -> Callable[[bool], None]:
            left, done = readers, False

            def told(delivered: bool) -> None:
                nonlocal left, done
                left -= 1
                if not done and (delivered or left <= 0):
                    done = True
                    write(delivered)

            return told

        return of

    def _say(self, shown: Shown, event: str, payload: str, told: Callable[[int], Callable[[bool], None]] | None = None) -> None:
        """To everybody who subscribed to one of its hashtags, once for each connection."""
        listening = [(reader, min(tags)) for reader in self.readers if (tags := reader.tags & shown.post.tags)]
        if told is not None and not listening:
            told(1)(False)
            return
        hear = told(len(listening)) if told is not None else None
        for tag in {tag for _, tag in listening}:
            self.mishaps.went_out(tag, (event, payload))
        for reader, tag in listening:
            shown.seen = True
            reader.put(_written(reader, tag, event, payload), hear)

    def _write(self, shown: Shown, entry: Entry, at: int, *, delivered: bool) -> None:
        if self._setting.ledger is not None:
            channel = shown.channel if channel_is_known(shown.channel) else None
            lines.write(self._setting.ledger, channel, self.name, at, [entry], delivered=delivered)

    def tick(self) -> None:
        now = self.clock()
        due = [late for late in self._late if late[0] <= now]
        self._late = [late for late in self._late if late[0] > now]
        for _, sent, shown in due:
            self._show(sent, shown)
        if now >= self._thump_at:
            self._thump_at = now + THUMP_SECONDS
            for reader in self.readers:
                if not reader.framed:
                    reader.put(b":thump\n")
        super().tick()

    def revoke(self) -> None:
        """The token is taken back: what is open with it ends."""
        self.tokens.clear()
        for reader in self.readers:
            reader.end()

    # --- who may ask --------------------------------------------------------------------------------------------------

    def _enter(self, request: web.Request, *, needs_token: bool, limited: bool = True) -> web.Response | dict[str, str]:
        """The refusal, or the headers of the answer."""
        self.asked += 1
        status = self.mishaps.refusal()
        token = token_of(request)
        if (token is not None and token not in self.tokens) or status == 401:
            return as_json({"error": "The access token is invalid"}, 401)
        if token is None and needs_token:
            return as_json({"error": "This method requires an authenticated user"}, 401)
        if status and status != 429:
            headers = {"Retry-After": str(round(self.mishaps.faults.retry_after))} if status == 503 else {}
            return as_json({"error": {403: "This action is not allowed"}.get(status, "Something went wrong")}, status, headers)
        if not limited:
            return {}
        headers, over = self._spend(token or f"address {request.remote}", used_up=status == 429)
        return as_json({"error": "Too many requests"}, 429, headers) if over else headers

    def _spend(self, who: str, *, used_up: bool) -> tuple[dict[str, str], bool]:
        now = self.clock()
        ends, spent = self._windows.get(who, (0.0, 0))
        if now >= ends:
            ends, spent = (math.floor(now / WINDOW_SECONDS) + 1) * WINDOW_SECONDS, 0
        if used_up:
            ends, spent = now + self.mishaps.faults.retry_after, self.limit
        over = spent >= self.limit
        self._windows[who] = ends, min(self.limit, spent + 1)
        reset = datetime.fromtimestamp(ends, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        left = max(0, self.limit - spent - 1)
        return {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": reset}, over

    # --- what it answers ----------------------------------------------------------------------------------------------

    async def _instance(self, request: web.Request) -> web.StreamResponse:
        headers = self._enter(request, needs_token=False)
        if isinstance(headers, web.Response):
            return headers
        urls = {"streaming": self.address.replace("http", "ws", 1)}
        about: dict[str, Any] = {"domain": DOMAIN, "title": "Simulated", "configuration": {"urls": urls}}
        return await self.give(request, as_json(about, headers=headers))

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Whose token it is."""
        headers = self._enter(request, needs_token=True)
        if isinstance(headers, web.Response):
            return headers
        return await self.give(request, as_json({"id": "1", "username": "monitor", "acct": "monitor"}, headers=headers))

    async def _lookup(self, request: web.Request) -> web.StreamResponse:
        """Who somebody of this instance is."""
        headers = self._enter(request, needs_token=False)
        if isinstance(headers, web.Response):
            return headers
        people = {statuses.address(channel.handle) for channel in self._setting.channels}
        found = accounts.account(people, request.query.get("acct", ""))
        answer = as_json(found, headers=headers) if found else as_json({"error": "Record not found"}, 404, headers)
        return await self.give(request, answer)

    async def _timeline(self, request: web.Request) -> web.StreamResponse:
        headers = self._enter(request, needs_token=self.hides_timelines)
        if isinstance(headers, web.Response):
            return headers
        tag = unquote(request.match_info["tag"]).casefold()
        self._asked_tags.add(tag)
        found = self._timelines.page(tag, request.query)[::-1]
        for shown in found:
            shown.seen = True
        if found:
            headers["Link"] = statuses.link(f"{self.address}{request.path}", found[0].id, found[-1].id)
        rows = [shown.data for shown in found]
        match self.mishaps.fate("repeat", "reorder"):
            case "repeat":
                rows = [row for row in rows for _ in range(2)]
            case "reorder":
                rows.reverse()
        return await self.give(request, as_json(statuses.page(rows), headers=headers))

    # --- streaming ----------------------------------------------------------------------------------------------------

    async def _streaming(self, request: web.Request) -> web.StreamResponse:
        refusal = self._enter(request, needs_token=True, limited=False)
        if isinstance(refusal, web.Response):
            return refusal

        def entered(reader: Reader) -> None:
            if request.query.get("stream") == "hashtag" and request.query.get("tag"):
                self._subscribe(reader, request.query["tag"])

        return await self.socket(request, entered, self._heard)

    def _heard(self, reader: Reader, text: str) -> None:
        try:
            said = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        tag = said.get("tag") if isinstance(said, dict) and said.get("stream") == "hashtag" else None
        if isinstance(tag, str) and said.get("type") == "subscribe":
            self._subscribe(reader, tag)
        elif isinstance(tag, str) and said.get("type") == "unsubscribe":
            reader.tags.discard(tag.casefold())

    def _subscribe(self, reader: Reader, tag: str) -> None:
        name = tag.casefold()
        for event, payload in () if name in reader.tags else self.mishaps.again(name):
            reader.put(_written(reader, name, event, payload))
        reader.tags.add(name)
        self._asked_tags.add(name)

    async def _server_sent(self, request: web.Request) -> web.StreamResponse:
        refusal = self._enter(request, needs_token=True, limited=False)
        if isinstance(refusal, web.Response):
            return refusal
        if not request.query.get("tag"):
            return as_json({"error": "No tag for stream provided"}, 400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "private, no-store"})
        await response.prepare(request)
        async with self.writing(transport_of(request), response.write, framed=False) as reader:
            self._subscribe(reader, request.query["tag"])
            reader.put(b":)\n")
            await reader.over.wait()
        return response


def _written(reader: Reader, tag: str, event: str, payload: str) -> bytes:
    return statuses.frame(tag, event, payload) if reader.framed else statuses.block(event, payload)


def channel_is_known(channel: SimChannel | None) -> bool:
    """Whether the roster can name this author: a handle without an instance is nobody's in particular."""
    return channel is not None and "@" in channel.handle.lstrip("@")


def token_of(request: web.Request) -> str | None:
    """As bearer, as websocket subprotocol, or in the address."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return request.headers.get("Sec-WebSocket-Protocol") or request.query.get("access_token")
