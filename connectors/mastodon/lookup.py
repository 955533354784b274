"""Mastodon, as far as a list of people needs it: whether ``name@server`` is there, what it is called, and whether it has moved. Pure.

Only the server that somebody is on knows for certain, so that one is asked: ``GET /api/v1/accounts/lookup?acct=name``, public on Mastodon,
Pleroma and Akkoma; others (GoToSocial) show accounts to their members only, which is said and no verdict.
https://docs.joinmastodon.org/methods/accounts/#lookup, checked 2026-11-20. One person a request, one server after the other.

The server is named by whoever wrote the list, so all but our own are asked as a stranger's (``Ask.stranger``): at public addresses only, without
token, proxy or redirects. Accounts are known by their full name here, as in posts; a server's own number for one means nothing elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from connectors.connector import Unreadable
from connectors.discovery import Account, Question
from connectors.foreign import object_of
from connectors.lookup import Lookup
from connectors.mastodon.timeline import host_of
from connectors.rest import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.discovery import Token


class Accounts(Lookup):
    """Names of Mastodon accounts, asked of the server that each is on."""

    name = "mastodon"
    title = "Mastodon"
    quota: ClassVar[tuple[int, float]] = (120, 300.0)

    @classmethod
    def missing(cls, options: Any) -> tuple[str, ...]:  # noqa: ARG003 — it is public
        return ()

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        people = [handle for handle in handles if "@" in handle.lstrip("@")]
        return [Question(what="accounts", ask=self._ask(handle), about=(handle,)) for handle in people]

    def _ask(self, handle: str) -> Ask:
        name, _, server = handle.lstrip("@").partition("@")
        own = server.casefold() == host_of(self.opts.url)
        base = self.opts.url.rstrip("/") if own else f"https://{server}"
        return Ask(url=f"{base}/api/v1/accounts/lookup?acct={quote(name, safe='')}", stranger=not own)

    def signed(self, question: Question, token: Token | None) -> Ask:
        return question.ask

    def says_nothing_there(self, question: Question, reply: Reply) -> bool:
        return reply.status in {404, 410}

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        asked = question.about[0]
        name, _, server = asked.lstrip("@").partition("@")
        if not body:
            return [Account(asked=asked, native_id=None)]
        found = object_of(body)
        if not isinstance(found.get("username"), str) or found["username"].casefold() != name.casefold():
            raise Unreadable("no_account")
        title, moved = found.get("display_name"), found.get("moved")
        new = moved.get("acct") if isinstance(moved, dict) else None
        handle = asked.lstrip("@")
        if isinstance(new, str) and new:
            handle = new if "@" in new else f"{new}@{server}"
        title = title[:200] if isinstance(title, str) and title else name
        return [Account(asked=asked, native_id=asked.lstrip("@").casefold(), handle=handle.casefold(), title=title)]
