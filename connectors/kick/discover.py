"""Kick's official API, as far as discovery asks it: which broadcaster a slug is, and who is live with how many viewers. Pure.

Fifty broadcasters a call; slugs one by one, because one unknown slug fails a whole batch (400), which here means that there is no such
channel. Limits are not documented; 1,000 channels a minute are 20 calls. https://docs.kick.com/apis/channels, checked 2026-11-20.

Kick gives its broadcasts no id: one is the channel and the time at which it began, as in the webhook that says so. The roster's native id may
carry the chatroom id behind a slash; it is handed back as it was asked with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from connectors import rest
from connectors.connector import Broadcast, Refused
from connectors.discovery import Account, AppDiscoverer, Known, Question, Sighting, Token, batches, given_back
from connectors.kick import api
from connectors.kick.channel import user_of
from connectors.kick.parse import broadcast_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.connector import ConnectorFailure
    from connectors.rest import Reply


class KickChannels(AppDiscoverer):
    """Live state, viewers and broadcaster ids of Kick channels."""

    name = "kick"
    title = "Kick"
    quota: ClassVar[tuple[int, float]] = (120, 60.0)

    # --- questions ----------------------------------------------------------------------------------------------------

    def enter(self) -> Question:
        return Question(what="token", ask=api.token_ask(self.opts.login, self.opts.client_id, self.opts.client_secret), cost=0)

    def resolve(self, handles: Sequence[str]) -> list[Question]:
        return [Question(what="accounts", ask=api.slug_ask(handle, self.opts.api), about=(handle,)) for handle in handles]

    def recheck(self, native_ids: Sequence[str]) -> list[Question]:
        return [
            Question(what="accounts", ask=api.status_ask([user_of(one) for one in some], self.opts.api), about=some)
            for some in batches(native_ids, api.BATCH)
        ]

    def discover(self, channels: Sequence[Known], now: datetime, budget: int) -> list[Question]:
        some = batches([channel.native_id for channel in channels], api.BATCH)[: max(0, budget)]
        return [
            Question(what="status", ask=api.status_ask([user_of(one) for one in ids], self.opts.api), about=ids) for ids in some
        ]

    # --- answers ------------------------------------------------------------------------------------------------------

    def read_token(self, body: bytes, now: datetime) -> Token:
        token = api.read_token(body, now)
        return Token(value=token.value, expires_at=given_back(token.until, now))

    def says_nothing_there(self, question: Question, reply: Reply) -> bool:
        return question.what == "accounts" and len(question.about) == 1 and reply.status in {400, 404}

    def read_resolved(self, question: Question, body: bytes) -> list[Account]:
        rows = api.read_channels(body) if body else []
        by_user = {channel.user_id: channel for channel in rows}
        by_slug = {channel.slug: channel for channel in rows}
        found = []
        for asked in question.about:
            user = user_of(asked)
            channel = by_user.get(user) or by_slug.get(asked.lstrip("@").casefold())
            if channel is None:
                found.append(Account(asked=asked, native_id=None))
            else:
                native_id = asked if user and user == channel.user_id else channel.user_id
                found.append(Account(asked=asked, native_id=native_id, handle=channel.slug, title=channel.slug))
        return found

    def read_status(self, question: Question, body: bytes) -> list[Sighting]:
        by_user = {channel.user_id: channel for channel in api.read_channels(body)}
        return [_sighting(asked, by_user.get(user_of(asked))) for asked in question.about]

    def failure(self, reply: Reply, now: datetime) -> ConnectorFailure:
        if reply.status in {400, 401} and b"invalid_client" in reply.body[:1000]:
            return Refused("Kick does not accept client_id and client_secret; copy both anew from kick.com, Settings, Developer")
        return rest.failure_of(reply, now, who="Kick", key="client_id and client_secret of [kick]")


def _sighting(native_id: str, channel: api.Channel | None) -> Sighting:
    """A channel that is not in the answer is offline."""
    if channel is None or not channel.live:
        return Sighting(native_id=native_id, handle=channel.slug if channel else "")
    broadcast = Broadcast(
        native_id=broadcast_id(channel.user_id, channel.started_at) or f"{channel.user_id}:now",
        title=channel.title,
        started_at=channel.started_at,
    )
    return Sighting(native_id=native_id, handle=channel.slug, broadcasts=(broadcast,), viewers=channel.viewers)
