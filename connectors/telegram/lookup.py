"""Telegram's Bot API, as far as a list of people needs it: which chat a public name is, and what it is called by now. Pure.

``getChat`` takes one ``@name`` of a public group or channel, or one id of a chat that the bot is in; what it cannot see it calls "chat not
found", which is all that is known then: a private group without the bot answers the same. https://core.telegram.org/bots/api#getchat, checked
2026-11-20. The bot need not be a member of a public chat to be told its id; to read it, it must (``monitor check`` says that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import orjson

from connectors.connector import Refused, Throttled, Unreadable
from connectors.discovery import Account, Question
from connectors.foreign import object_of
from connectors.lookup import Lookup
from connectors.pacing import retry_after
from connectors.rest import Ask, Reply, failure_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.connector import ConnectorFailure
    from connectors.discovery import Token


class Chats(Lookup):
    """Ids, names and titles of Telegram's public groups and channels."""

    name = "telegram"
    title = "Telegram"
    quota: ClassVar[tuple[int, float]] = (20, 1.0)

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:
        return () if options.token else ("token",)

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        return [Question(what="accounts", ask=self._ask(handle), about=(handle,)) for handle in handles]

    def _ask(self, chat: str) -> Ask:
        name = chat if chat.removeprefix("-").isascii() and chat.removeprefix("-").isdigit() else "@" + chat.removeprefix("@")
        url = f"{str(self.opts.url).rstrip('/')}/bot{quote(self.opts.token.reveal(), safe=':')}/getChat"
        return Ask(method="POST", url=url, headers={"content-type": "application/json"}, body=orjson.dumps({"chat_id": name}))

    def signed(self, question: Question, token: Token | None) -> Ask:
        return question.ask

    def says_nothing_there(self, question: Question, reply: Reply) -> bool:
        return reply.status == 403 or (reply.status == 400 and b"not found" in reply.body.lower())

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        asked = question.about[0]
        if not body:
            return [Account(asked=asked, native_id=None)]
        chat = object_of(body).get("result")
        number = chat.get("id") if isinstance(chat, dict) else None
        if not isinstance(chat, dict) or not isinstance(number, int) or isinstance(number, bool):
            raise Unreadable("no_chat")
        name, title = chat.get("username"), chat.get("title")
        handle = name.casefold() if isinstance(name, str) else ""
        return [
            Account(asked=asked, native_id=str(number), handle=handle, title=title[:200] if isinstance(title, str) else handle)
        ]

    def failure(self, reply: Reply, now: datetime) -> ConnectorFailure:
        if reply.status in {401, 404}:  # 404: what stands there is not even shaped like a token
            return Refused("Telegram does not accept the token; copy it anew from @BotFather")
        if reply.status == 429:
            return Throttled("Telegram asks us to slow down (429)", retry_after(_seconds(reply), now))
        return failure_of(reply, now, who="Telegram", key="the token")


def _seconds(reply: Reply) -> str | None:
    try:
        parameters = object_of(reply.body).get("parameters")
    except Unreadable:
        return None
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return str(seconds) if isinstance(seconds, int) and not isinstance(seconds, bool) else None
