"""A small Bot API for tests: one long poll per token, updates kept until an offset passes them, reactions and members only when asked for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiohttp import web
from fakes import NO_FAULTS, Faults, OverHttp, Said, half_an_answer

from connectors.connector import Secret, Target
from connectors.telegram import Options

if TYPE_CHECKING:
    from connectors.connector import Resume

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
UNASKED = frozenset(("message_reaction", "message_reaction_count", "chat_member"))
"""Kinds that nobody gets who does not name them."""


class FakeTelegram(OverHttp):
    """A bot that is in three groups; group n has the id -100100n."""

    def __init__(self, faults: Faults = NO_FAULTS) -> None:
        super().__init__(faults)
        self.updates: list[dict[str, Any]] = []
        """Not confirmed yet."""
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Method and body of each request."""
        self.statuses: dict[str, str] = {}
        """Chat id → what the bot is there; others are unknown chats."""
        self.reads_all = True
        self.webhook = ""
        self.refusals: list[tuple[int, str]] = []
        """(status, description) that getUpdates answers instead, first come first served."""
        self.unreadable = False
        """The next answer is not JSON."""
        self._ids = itertools.count(500)
        self._authors: dict[str, int] = {}
        self._polls: list[web.Request] = []

    async def __aenter__(self) -> Self:
        self.statuses |= {self.chat(handle): "administrator" for handle in self.handles}
        return await super().__aenter__()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/bot{token}/{method}", self._serve)

    def options(self) -> Options:
        return Options(
            token=Secret(TOKEN), url=self.url, poll_seconds=1.0, answer_seconds=0.4 if self.faults.silent else 30.0,
            confirm_seconds=0.01, check_every_seconds=0.001,
        )  # fmt: skip

    def chat(self, handle: str) -> str:
        return str(-1001001 - self.handles.index(handle))

    def target(self, handle: str, resume: Resume) -> Target:
        return Target(livestream=f"telegram:{handle}", handle=handle, native_id=self.chat(handle), resume=resume)

    @property
    def connections(self) -> int:
        """Polls that are held open."""
        return len(self._polls)

    async def heard(self, handle: str) -> None:
        await self.until(lambda: bool(self._polls))

    async def say(self, handle: str, text: str) -> Said:
        number = next(self._numbers)
        at = datetime.now(UTC).replace(microsecond=0)
        said = Said(f"telegram:{self.chat(handle)}:{number}", at, text)
        self._authors[said.id] = number % 7 + 1
        who = {"id": self._authors[said.id], "is_bot": False, "first_name": "Zoë"}
        await self.push(
            "message", {"message_id": number, "from": who, "chat": self._chat(handle), "date": int(at.timestamp()), "text": text}
        )
        return said

    async def remove(self, said: Said) -> None:
        """All that a bot learns of: the author is banned, which deletes what he wrote."""
        user = {"id": self._authors[said.id], "is_bot": False, "first_name": "Zoë"}
        handle = next(handle for handle in self.handles if said.id.startswith(f"telegram:{self.chat(handle)}:"))
        member = {"user": user, "status": "member"}
        change = {"old_chat_member": member, "new_chat_member": member | {"status": "kicked", "until_date": 0}, "from": {"id": 9}}
        await self.push("chat_member", {"chat": self._chat(handle), "date": int(datetime.now(UTC).timestamp()), **change})

    async def push(self, kind: str, body: dict[str, Any]) -> None:
        """Any update."""
        if self.faults.garbage:
            for garbage in ({"message": 5}, {"message": {"message_id": "x"}}, {"odd": {"chat": {"id": -1001001}}}, {}):
                self.updates.append({"update_id": next(self._ids)} | garbage)
        self.updates.append({"update_id": next(self._ids), kind: body})
        await self.note()

    async def cut(self) -> None:
        for poll in list(self._polls):
            if poll.transport:
                poll.transport.abort()
        await self.until(lambda: not self._polls)

    def _chat(self, handle: str) -> dict[str, Any]:
        return {"id": int(self.chat(handle)), "title": handle, "type": "supergroup"}

    # --- the API ------------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        wanted = orjson.loads(await request.read() or b"{}")
        self.asked.append((method, wanted))
        await self.note()
        if self.faults.silent:
            await asyncio.Event().wait()
        if self.faults.throttle_seconds is not None:
            return _no(429, "Too Many Requests", retry_after=self.faults.throttle_seconds)
        if self.faults.refuse or request.match_info["token"] != TOKEN:
            return _no(401, "Unauthorized")
        match method:
            case "getMe":
                return _yes({"id": 99, "is_bot": True, "first_name": "Monitor", "can_read_all_group_messages": self.reads_all})
            case "getWebhookInfo":
                return _yes({"url": self.webhook, "pending_update_count": 0})
            case "getChatMember":
                status = self.statuses.get(wanted["chat_id"])
                return (
                    _yes({"user": {"id": wanted["user_id"]}, "status": status})
                    if status
                    else _no(400, "Bad Request: chat not found")
                )
            case "getUpdates":
                return await self._updates(request, wanted)
        return _no(404, "Not Found")

    async def _updates(self, request: web.Request, wanted: dict[str, Any]) -> web.StreamResponse:
        if self.refusals:
            return _no(*self.refusals.pop(0))
        if self._polls:
            return _no(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
        self.updates = [update for update in self.updates if update["update_id"] >= wanted.get("offset", 0)]
        self._polls.append(request)
        await self.note()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wanted["timeout"]), self._changed:
                    await self._changed.wait_for(lambda: self._told(wanted))
            if self.faults.half_frame and self._told(wanted):
                return await half_an_answer(request, orjson.dumps({"ok": True, "result": self._told(wanted)}))
            if self.unreadable:
                self.unreadable = False
                return web.Response(body=b'{"ok":true,"result":[{"update_id":')
            return _yes(self._told(wanted)[: wanted["limit"]])
        finally:
            self._polls.remove(request)
            await self.note()

    def _told(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        hidden = UNASKED - set(wanted.get("allowed_updates", ()))
        return [update for update in self.updates if hidden.isdisjoint(update)]


def _yes(result: Any) -> web.Response:
    return web.Response(body=orjson.dumps({"ok": True, "result": result}), content_type="application/json")


def _no(status: int, description: str, **parameters: Any) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description} | ({"parameters": parameters} if parameters else {})
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
