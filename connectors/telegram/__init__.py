"""Telegram: what is written in the groups and channels that a bot was added to, all of them over one long poll.

Collected: comments in groups, posts of channels, reactions, people who come to a group or follow a channel, video chats that
begin and end, gifts and paid messages (in STARS), bans (as removals). Not collected: what bots write, edits (the first text
stays), private chats, the overlay chat of a live video (Telegram gives it to no bot), viewers (it has none for bots), and
deletions of single messages: bots are not told, see docs/connectors.md.

API: https://core.telegram.org/bots/api, getUpdates, checked 2026-11-20.

Login: a bot token from @BotFather. The bot must be added to each group; with its privacy mode on (the default) it reads a group only as an
administrator, and reactions and bans are told to administrators only.

Limits: 100 updates a call. One reader per token: a second one, or a webhook, is answered with 409, and then a person must decide who reads.

Message loss and resume: Telegram keeps what it was not asked past for 24 hours. An update counts as taken only when the next call asks for a later
one, and that is done ``confirm_seconds`` after its events were handed on, so that they are on disk; what comes twice has the same id. The
cursor is the next update id. What is older than 24 hours is a Gap.

Quirks: the token is part of the address, so no failure says an address. After a quiet week update ids begin somewhere else, so a cursor
older than a day is not used. A group that becomes a supergroup changes its id: it is read on under both until the roster is corrected.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from connectors.connector import Connector, Dropped, Health, Mark, Refused, Secret, Throttled, Unreadable
from connectors.crew import Call, Crew
from connectors.digests import content_of
from connectors.event import Gap, Unknown
from connectors.foreign import object_of
from connectors.proxy import Proxy  # noqa: TC001 — the configuration reads the options' types
from connectors.rest import client, send
from connectors.telegram import asking
from connectors.telegram.asking import WEBHOOK, health_of, is_id, names_of, result_object
from connectors.telegram.fields import Albums, Context, Written
from connectors.telegram.parse import (
    WANTED,
    chat_of,
    is_private,
    livestream_of,
    parse_any,
    read_update,
    result_of,
    unreadable_event,
)
from connectors.telegram.totals import Totals

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
    from datetime import datetime

    import aiohttp

    from connectors.connector import Target, Tools, Watch
    from connectors.event import Event

KEPT: Final = timedelta(hours=24)
"""How long Telegram keeps updates."""
SLACK: Final = timedelta(seconds=5)
"""What is dated so long before an answer that was not full has been told."""
MOST: Final = 100
"""Updates in one answer."""
_update_id = re.compile(rb'"update_id"\s*:\s*(\d{1,18})')


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read Telegram; only the token must be filled in."""

    token: Secret | None = None
    """The bot's token, from @BotFather; as ``{ env = "TELEGRAM_TOKEN" }``."""
    url: str = "https://api.telegram.org"
    """Address of the Bot API; another one for a server of one's own."""
    poll_seconds: float = 50.0
    """How long Telegram holds a question to which it has no answer."""
    answer_seconds: float = 20.0
    """How long to wait for an answer beyond that."""
    confirm_seconds: float = 0.25
    """How long after handing on an update it is confirmed: long enough to be on disk. 100 updates take at least so long."""
    check_every_seconds: float = 0.05
    """Pause between two questions whether the bot is in a chat."""
    proxy: Proxy | None = None
    """HTTP proxy, ``http://proxy.example:3128``; with a password as ``{ env = "…" }``. Left out: HTTPS_PROXY and NO_PROXY hold."""


@dataclass(slots=True)
class _Batch:
    """What one task learnt, and whether all of it was handed on."""

    items: list[Event | Mark | Health]
    taken: asyncio.Event


class Telegram(Connector):
    """All chats of one bot."""

    name = "telegram"
    options = Options
    capacity: ClassVar[int | None] = None
    needs: ClassVar[tuple[str, ...]] = ("token",)
    resumes: ClassVar[bool] = True

    opts: Options

    def __init__(self, options: Options, watch: Watch, tools: Tools) -> None:
        super().__init__(options, watch, tools)
        self._crew: Crew[_Batch] = Crew(4)
        self._offset = 0
        """The next update to ask for; 0 asks for all that Telegram still has."""
        self._heard_at = tools.now()
        """When an update came last; after a quiet week their ids begin somewhere else."""
        self._limit = MOST
        self._livestreams: dict[str, str] = {}
        self._strangers: set[str] = set()
        self._moved: dict[str, str] = {}
        """New id of a group that became a supergroup → livestream."""
        self._totals: dict[str, Totals] = {}
        self._written, self._albums = Written(), Albums()
        self._new_targets = asyncio.Event()

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """One update, or an answer of getUpdates; of several updates an unreadable one becomes Unknown."""
        return parse_any(raw, Context(tools.now(), tools.pseudonym, livestreams, {}, Written(), Albums(), is_capture=True))

    @classmethod
    def remembering(cls, tools: Tools) -> Callable[[bytes], list[Event]]:
        """Totals rise from one update to the next, and a ban takes back what came before it."""
        totals: dict[str, Totals] = {}
        written, albums = Written(), Albums()
        return lambda raw: parse_any(raw, Context(tools.now(), tools.pseudonym, None, totals, written, albums, is_capture=True))

    async def events(self) -> AsyncGenerator[Event | Mark | Health, None]:
        """Until the poll fails; see the contract."""
        if self.opts.token is None:
            raise Refused("Telegram needs a bot's token; @BotFather gives one")
        async with client(proxy=self.opts.proxy) as session:
            self._retarget()
            for gap in self._gaps():
                yield gap
            async with aclosing(self._crew.at_work(self.watch, self._poll(session), self._check(session))) as said:
                async for batch in said:
                    if isinstance(batch, Call):
                        self._retarget()
                        self._new_targets.set()
                        continue
                    for item in batch.items:
                        yield item
                    batch.taken.set()

    async def try_login(self) -> list[Health]:
        """Without asking for updates: whoever reads this bot now would be thrown out."""
        if self.opts.token is None:
            raise Refused("Telegram needs a bot's token; @BotFather gives one")
        async with client(proxy=self.opts.proxy) as session:
            me = result_object(await self._ask(session, "getMe", {}))
            if result_object(await self._ask(session, "getWebhookInfo", {})).get("url"):
                raise Refused(WEBHOOK)
            found = []
            for target in self.watch.targets.values():
                found.append(await self._state(session, target, me))
                await self.tools.sleep(self.opts.check_every_seconds)
            return found

    # --- what is watched ----------------------------------------------------------------------------------------------

    def _retarget(self) -> None:
        """Only targets are read, never the rest of the roster: who did not consent is in the directory too."""
        found = [(name, target.livestream) for target in self.watch.targets.values() for name in names_of(target)]
        ours = {livestream for _, livestream in found}
        self._livestreams = {new: old for new, old in self._moved.items() if old in ours} | dict(found)
        self._strangers -= self._livestreams.keys()

    def _first_offset(self) -> int:
        """The lowest stored one: lower ones are harmless, higher ones would throw away what was not read."""
        oldest = self.tools.now() - KEPT
        resumes = [target.resume for target in self.watch.targets.values()]
        cursors = [one.cursor for one in resumes if one.cursor and one.covered_until and one.covered_until > oldest]
        return min((int(cursor) for cursor in cursors if cursor.isascii() and cursor.isdigit()), default=0)

    def _gaps(self) -> Iterator[Gap]:
        now = self.tools.now()
        for target in self.watch.targets.values():
            since = target.resume.covered_until
            if since is not None and since < now - KEPT:
                yield Gap(
                    id=f"telegram:gap:{target.livestream}:{int(since.timestamp())}", platform="telegram", livestream=target.livestream,
                    at=now, received_at=now, from_=since, to=now - KEPT, reason="Telegram keeps updates for 24 hours.",
                )  # fmt: skip

    # --- the tasks ----------------------------------------------------------------------------------------------------

    async def _hand_on(self, items: list[Event | Mark | Health]) -> None:
        batch = _Batch(items, asyncio.Event())
        await self._crew.say(batch)
        await batch.taken.wait()

    async def _poll(self, session: aiohttp.ClientSession) -> None:
        self._offset = self._first_offset()
        while True:
            asked_at = self.tools.now()
            if asked_at - self._heard_at > timedelta(days=6):
                self._offset = 0
            wanted: dict[str, Any] = {"limit": self._limit, "timeout": round(self.opts.poll_seconds), "allowed_updates": WANTED}
            if self._offset:
                wanted["offset"] = self._offset
            raw = await self._ask(session, "getUpdates", wanted, held_seconds=self.opts.poll_seconds)
            updates = self._updates(raw)
            if updates is None:
                await self._hand_on([unreadable_event("answer", raw, self.tools.now())])
                continue
            await self._load_totals(updates)
            items = [item for update in updates for item in self._take(update)]
            items.append(self._mark(asked_at, full=len(updates) >= self._limit))
            self._limit = MOST
            await self._hand_on(items)
            if updates:
                await self.tools.sleep(self.opts.confirm_seconds)
                await self._store_totals()

    async def _check(self, session: aiohttp.ClientSession) -> None:
        """Whether the bot exists and is in the chats that it is to read."""
        me = result_object(await self._ask(session, "getMe", {}))
        checked: set[str] = set()
        while True:
            self._new_targets.clear()
            for target in tuple(self.watch.targets.values()):
                if target.livestream not in checked:
                    checked.add(target.livestream)
                    await self._hand_on([await self._state(session, target, me)])
                    await self.tools.sleep(self.opts.check_every_seconds)
            checked &= self.watch.targets.keys()
            await self._new_targets.wait()

    async def _state(self, session: aiohttp.ClientSession, target: Target, me: Mapping[str, Any]) -> Health:
        chat = target.native_id or target.handle
        wanted = {"chat_id": chat if is_id(chat) else "@" + chat.removeprefix("@"), "user_id": me.get("id")}
        while True:
            try:
                found = result_object(await self._ask(session, "getChatMember", wanted, may_be_missing=True))
            except Throttled as throttled:
                await self.tools.sleep(max(1.0, (throttled.until - self.tools.now()).total_seconds()))
            else:
                return health_of(target.livestream, found.get("status"), private=me.get("can_read_all_group_messages") is False)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        wanted: Mapping[str, Any],
        *,
        held_seconds: float = 0.0,
        may_be_missing: bool = False,
    ) -> bytes:
        assert self.opts.token is not None
        ask = asking.ask(self.opts.url, self.opts.token, method, wanted)
        reply = await send(session, ask, within_seconds=held_seconds + self.opts.answer_seconds)
        if 200 <= reply.status < 300:
            return reply.body
        if may_be_missing and reply.status in {400, 403}:
            return b'{"ok":false}'
        raise asking.failure(reply, self.tools.now())

    def _updates(self, raw: bytes) -> list[Any] | None:
        """The updates of an answer. One that makes the whole answer unreadable is asked for alone, and then passed over."""
        try:
            return result_of(object_of(raw))
        except Unreadable:
            if self._limit > 1:
                self._limit = 1
                return None
        numbers = [int(number) for number in _update_id.findall(raw)]
        if not numbers:
            raise Dropped("Telegram's answer could not be read")
        self._offset, self._limit = max(numbers) + 1, MOST
        return None

    # --- reading ------------------------------------------------------------------------------------------------------

    def _take(self, update: Any) -> list[Event | Mark | Health]:
        now = self.tools.now()
        number = update.get("update_id") if isinstance(update, dict) else None
        if isinstance(number, int) and not isinstance(number, bool):
            self._offset = max(self._offset, number + 1)
            self._heard_at = now
        if not isinstance(update, dict):
            return [unreadable_event("not_an_object", content_of(update), now)]
        chat = chat_of(update)
        if chat is not None and livestream_of(chat, self._livestreams) is None:
            return list(self._stranger(update, chat[0]))
        context = Context(now, self.tools.pseudonym, self._livestreams, self._totals, self._written, self._albums)
        return [*self._about_us(update, chat), *read_update(update, context)]

    def _stranger(self, update: Mapping[str, Any], chat: str) -> Iterator[Unknown]:
        """A chat that is not in the roster is named once, without its id; a private one not at all."""
        if chat in self._strangers or is_private(update) or len(self._strangers) >= 10_000:
            return
        self._strangers.add(chat)
        now = self.tools.now()
        yield Unknown(
            id=f"telegram:stranger:{self.tools.pseudonym('telegram', chat)}", platform="telegram", at=now, received_at=now,
            name="a chat that is not in the roster",
        )  # fmt: skip

    def _about_us(self, update: Mapping[str, Any], chat: tuple[str, str] | None) -> Iterator[Health]:
        """That the bot was added, removed, or the group got a new id."""
        livestream = livestream_of(chat, self._livestreams) if chat else None
        member, message = update.get("my_chat_member"), update.get("message")
        if livestream is None:
            return
        if isinstance(member, dict) and isinstance(member.get("new_chat_member"), dict):
            gone = member["new_chat_member"].get("status") in {"left", "kicked"}
            reason = "the bot was removed from the chat; add it again" if gone else ""
            yield Health(livestream=livestream, state="refused" if gone else "live", reason=reason)
        if isinstance(message, dict) and isinstance(message.get("migrate_to_chat_id"), int):
            new = str(message["migrate_to_chat_id"])
            self._moved[new] = self._livestreams[new] = livestream
            yield Health(livestream=livestream, state="live", reason=f"the group has a new id, {new}: put it into the roster")

    def _mark(self, asked_at: datetime, *, full: bool) -> Mark:
        """An answer that was not full told everything that had happened when it was asked for."""
        ours = tuple(dict.fromkeys(self._livestreams.values()))
        return Mark(livestreams=ours, cursor=str(self._offset), covered_until=None if full else asked_at - SLACK)

    async def _load_totals(self, updates: list[Any]) -> None:
        for chat in [found for update in updates if isinstance(update, dict) and (found := chat_of(update))]:
            if chat[0] not in self._totals and livestream_of(chat, self._livestreams):
                self._totals[chat[0]] = Totals(await self.tools.memory.get(f"telegram:reactions:{chat[0]}"))

    async def _store_totals(self) -> None:
        """Before the updates are confirmed and after their events are on disk: whatever dies between, each increment has one id."""
        for chat, totals in self._totals.items():
            if totals.changed:
                await self.tools.memory.put(f"telegram:reactions:{chat}", totals.stored())
