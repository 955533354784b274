"""What is asked of Telegram's Bot API, and what its answers mean: pure. The token stands in the address, so nothing here says one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from connectors.connector import Health, Refused, Throttled, Unreadable
from connectors.foreign import object_of
from connectors.rest import Ask, Reply, failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connectors.connector import ConnectorFailure, Secret, Target

PRIVATE: Final = (
    "the bot's privacy mode is on: make it an administrator, or switch it off (@BotFather, /setprivacy) and add the bot anew"
)
WEBHOOK: Final = (
    "this bot has a webhook, so it cannot be read here; delete the webhook (deleteWebhook), or make a bot for this monitor alone"
)


def ask(base: str, token: Secret, method: str, wanted: Mapping[str, Any]) -> Ask:
    """A call of a method."""
    url = f"{base.rstrip('/')}/bot{quote(token.reveal(), safe=':')}/{method}"
    return Ask(method="POST", url=url, headers={"content-type": "application/json"}, body=orjson.dumps(wanted))


def failure(reply: Reply, now: datetime) -> ConnectorFailure:
    """What Telegram's refusal means; its own words are not shown, because they may repeat what was sent."""
    description = b""
    seconds: Any = None
    try:
        document = object_of(reply.body)
    except Unreadable:
        document = {}
    if isinstance(document.get("description"), str):
        description = document["description"].casefold().encode()
    if isinstance(document.get("parameters"), dict):
        seconds = document["parameters"].get("retry_after")
    if reply.status == 409 and b"webhook" in description:
        return Refused(WEBHOOK)
    if reply.status == 409:
        return Refused("another program reads this bot; stop it, or make a bot for this monitor alone (@BotFather, /newbot)")
    if reply.status == 429 and isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e6:
        return Throttled("Telegram asks us to slow down (429)", now + timedelta(seconds=seconds))
    if reply.status in {401, 404}:  # 404: what stands there is not even shaped like a token
        return Refused("Telegram does not accept the token; copy it anew from @BotFather")
    return failure_of(reply, now, who="Telegram", key="the token")


def health_of(livestream: str, status: Any, *, private: bool) -> Health:
    """What the bot is in a chat."""
    if status in {"administrator", "creator"}:
        return Health(livestream=livestream, state="live")
    if status in {"member", "restricted"}:
        return Health(livestream=livestream, state="live", reason=PRIVATE if private else "")
    reason = "the bot is not in this chat, or there is none: add the bot to the group, and the group's id to the roster"
    return Health(livestream=livestream, state="refused", reason=reason)


def result_object(raw: bytes) -> dict[str, Any]:
    try:
        result = object_of(raw).get("result")
    except Unreadable:
        return {}
    return result if isinstance(result, dict) else {}


def names_of(target: Target) -> Iterator[str]:
    for name in (target.native_id, target.handle):
        if name:
            yield name if is_id(name) else name.removeprefix("@").casefold()


def is_id(name: str) -> bool:
    return name.removeprefix("-").isascii() and name.removeprefix("-").isdigit()
