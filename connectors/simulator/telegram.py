"""The server side of Telegram's Bot API, as far as a bot that only reads meets it: one queue of updates for all chats that it is in.

``getUpdates`` is held until there is something or ``timeout`` is over; what lies below ``offset`` is forgotten, the rest is kept for 24 hours.
Reactions and members are told only once ``allowed_updates`` named them. A second call while one is held ends that one with 409, in Telegram's
words "terminated by other getUpdates request". ``getMe``, ``getWebhookInfo`` and ``getChatMember`` say what the bot is.

What the documents leave open: which of two callers is told 409, and how often one may call; here only the plan of mishaps answers 429. Of that
plan nothing is reordered: updates stand in the order of their ids. Who asks over another connection than before is told updates again that it
had confirmed, as if the confirmation had been lost (``overlap``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from connectors.simulator import lines
from connectors.simulator.botapi import BOT_ID, USUAL, Chat
from connectors.simulator.serving import Server, as_json, transport_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiohttp import web

    from connectors.simulator.botapi import Told
    from connectors.simulator.model import Sent
    from connectors.simulator.platform import Setting

TOKEN: Final = "7000000001:simulated-token"  # noqa: S105 — a test credential
KEPT_SECONDS: Final = 24 * 3600
MOST_KEPT: Final = 200_000
"""Updates that are kept for a bot that does not ask; what is older is gone, as after 24 hours."""
MOST_AT_ONCE: Final = 100
OUT: Final = ("left", "kicked")
"""What a bot is in a chat of which it hears nothing."""
_encode = msgspec.json.Encoder().encode


class Update(NamedTuple):
    number: int
    at: float
    data: bytes


class TelegramPlatform(Server):
    """One bot and all its chats; see SimPlatform."""

    name = "telegram"

    def __init__(self, setting: Setting) -> None:
        super().__init__(clock=setting.clock, mishaps=setting.mishaps, dice=setting.dice)
        self._setting = setting
        ours = [(index, channel) for index, channel in enumerate(setting.channels) if channel.platform == self.name]
        self.chats = {index: Chat(channel, number) for number, (index, channel) in enumerate(ours)}
        """By the index of the channel."""
        self.by_id = {str(chat.id): chat for chat in self.chats.values()}
        self.updates: deque[Update] = deque()
        """Not confirmed yet."""
        self.allowed = USUAL
        self.reads_all = True
        """Privacy mode is off."""
        self.webhook = ""
        """Address of a webhook that somebody set; it shuts getUpdates."""
        self.forgotten = 0
        """Updates that nobody asked for in time."""
        self._number = self.dice.randrange(10**8, 9 * 10**8)
        self._ended = False
        """The video chats of all groups."""
        self._again: list[Update] = []
        self._told = 0
        """Number of the newest update that anybody was told."""
        self._line: asyncio.Transport | None = None
        """Over which the last question came."""
        self._poll = 0
        """Number of the newest getUpdates; an older one that is still held is ended."""

    def routes(self, app: web.Application) -> None:
        app.router.add_route("*", "/bot{token}/{method}", self._serve)

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        return {"telegram": f"http://{host}:{await self.listen(host, ports.get('telegram', 0))}"}

    def status(self) -> dict[str, int]:
        return {"telegram_polls": self.held, "telegram_waiting": len(self.updates), "telegram_forgotten": self.forgotten}

    # --- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            chat = self.chats.get(sent.room)
            if chat is not None and chat.status not in OUT:
                told = chat.tell(sent, self.allowed)
                if told is not None:
                    self._keep(chat, told)
        if sents:
            self.bell.ring()

    def set_status(self, index: int, status: str) -> None:
        """Somebody makes the bot something else in a chat, or removes it."""
        chat = self.chats[index]
        self._keep(chat, chat.bot_is(status, self.clock()))
        self.bell.ring()

    def move(self, index: int) -> None:
        """A group gets another id."""
        chat = self.chats[index]
        self._keep(chat, chat.move(self.clock()))
        self.by_id[str(chat.id)] = chat
        self.bell.ring()

    def tick(self) -> None:
        ended = self.mishaps.faults.ended
        if ended != self._ended:
            self._ended = ended
            for chat in self.chats.values():
                if not chat.is_channel and chat.status not in OUT:
                    self._keep(chat, chat.video_chat(begins=not ended, at=self.clock()))
        self._forget()
        super().tick()

    def _keep(self, chat: Chat, told: Told) -> None:
        self._number += 1
        self.updates.append(Update(self._number, self.clock(), _encode({"update_id": self._number, told.kind: told.body})))
        if self._setting.ledger is not None and told.entries:
            at = told.body["date"] * 1000
            lines.write(self._setting.ledger, chat.channel, self.name, at, told.entries, delivered=True)

    def _forget(self) -> None:
        oldest = self.clock() - KEPT_SECONDS
        while self.updates and (self.updates[0].at < oldest or len(self.updates) > MOST_KEPT):
            self.updates.popleft()
            self.forgotten += 1

    # --- the API ------------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        wanted = await _wanted(request)
        status = self.mishaps.refusal()
        if status:
            return self._refuse(status)
        token = request.match_info["token"]
        if token != TOKEN:
            return no(401, "Unauthorized") if ":" in token else no(404, "Not Found")
        match request.match_info["method"]:
            case "getMe":
                me = {"id": BOT_ID, "is_bot": True, "first_name": "Monitor", "username": "monitor_simulated_bot"}
                return yes({**me, "can_join_groups": True, "can_read_all_group_messages": self.reads_all})
            case "getWebhookInfo":
                return yes({"url": self.webhook, "has_custom_certificate": False, "pending_update_count": len(self.updates)})
            case "getChatMember":
                return self._member(wanted)
            case "getChat":
                chat = self._chat(wanted)
                return yes(chat.about) if chat is not None else no(400, "Bad Request: chat not found")
            case "getUpdates":
                return await self._updates(request, wanted)
        return no(404, "Not Found")

    def _refuse(self, status: int) -> web.Response:
        if status == 429:
            seconds = round(self.mishaps.faults.retry_after)
            return no(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        return no(status, {401: "Unauthorized", 403: "Forbidden: bot was blocked"}.get(status, "Internal Server Error"))

    def _chat(self, wanted: Mapping[str, Any]) -> Chat | None:
        """By its id, or by its public name."""
        name = str(wanted.get("chat_id", ""))
        return self.by_id.get(name) or next(
            (chat for chat in self.chats.values() if f"@{chat.about.get('username', '')}".lower() == name.lower()), None
        )

    def _member(self, wanted: Mapping[str, Any]) -> web.Response:
        chat = self._chat(wanted)
        if chat is None:
            return no(400, "Bad Request: chat not found")
        if chat.status in OUT:
            return no(403, f"Forbidden: bot was kicked from the {chat.about['type']} chat")
        return yes({"user": {"id": BOT_ID, "is_bot": True, "first_name": "Monitor"}, "status": chat.status})

    async def _updates(self, request: web.Request, wanted: Mapping[str, Any]) -> web.StreamResponse:
        if self.webhook:
            return no(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        if "allowed_updates" in wanted:
            self.allowed = frozenset(wanted["allowed_updates"]) or USUAL
        self._confirm(_number(wanted.get("offset")))
        if (line := transport_of(request)) is not self._line:
            self._line = line
            first = self.updates[0].number if self.updates else self._number + 1
            self._again = [update for update in self.mishaps.again(self.name) if update.number < first] or self._again
        self._poll += 1
        mine = self._poll
        self.bell.ring()
        until = self.clock() + max(0, _number(wanted.get("timeout")))
        async with self.holding(request):
            while not self.updates and not self._again and self.clock() < until and mine == self._poll:
                await self.bell.wait()
        if mine != self._poll:
            return no(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
        return await self.give(request, self._answer(min(MOST_AT_ONCE, max(1, _number(wanted.get("limit")) or MOST_AT_ONCE))))

    def _confirm(self, offset: int) -> None:
        """Forget what is below; a negative one keeps so many of the newest."""
        self._forget()
        if offset < 0:
            offset = self.updates[max(0, len(self.updates) + offset)].number if self.updates else 0
        while self.updates and self.updates[0].number < offset:
            self.updates.popleft()

    def _answer(self, limit: int) -> web.Response:
        told = [*self._again, *self.updates][:limit]
        self._again = self._again[limit:]
        self.mishaps.went_out(self.name, *(update for update in told if update.number > self._told))
        self._told = max([self._told, *(update.number for update in told)])
        if self.mishaps.fate("repeat"):  # as if the confirmation had been lost
            self._again = told
        return as_json(b'{"ok":true,"result":[' + b",".join(update.data for update in told) + b"]}")


async def _wanted(request: web.Request) -> dict[str, Any]:
    """What is asked: JSON, or a query."""
    body = await request.read()
    try:
        found = msgspec.json.decode(body) if body else dict(request.query)
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def yes(result: Any) -> web.Response:
    return as_json(_encode({"ok": True, "result": result}))


def no(status: int, description: str, **parameters: Any) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description} | ({"parameters": parameters} if parameters else {})
    return as_json(_encode(body), status)
