"""Senders of webhooks for tests: one per platform that calls us, signing as that platform does, with keys of the test."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import fake_kick
import orjson

from connectors import kick, owncast, twitch, webhook, youtube
from connectors.connector import Request, Secret, make_pseudonym
from connectors.twitch import eventsub_helix
from connectors.youtube import websub

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CAPTURES = Path(__file__).parent.parent / "captures"
KEY = b"key of the contract suite"


class Sender(Protocol):
    """What the contract suite needs of one. ``proves_body = False``: what proves it covers neither body nor time; ``proves_time = False``:
    not the time."""

    directory: Mapping[str, str]
    """The platform's key of a channel → livestream id."""

    def options(self) -> Any:
        """Options of the receiver that fit the keys used here."""

    def request(self, body: bytes, *, at: datetime) -> Request:
        """This body as the platform would send it at that time."""

    def bodies(self) -> list[bytes]:
        """Bodies with events of channels in the directory."""


class StandardSender:
    """Standard Webhooks, written from its specification and not from our code."""

    directory = {"ana": "webhook:ana"}  # noqa: RUF012 — read only

    def options(self) -> webhook.Options:
        return webhook.Options(secret=Secret("whsec_" + base64.b64encode(KEY).decode()))

    def request(self, body: bytes, *, at: datetime) -> Request:
        stamp, delivery = str(int(at.timestamp())), "msg_" + hashlib.sha256(body).hexdigest()[:12]
        content = b".".join((delivery.encode(), stamp.encode(), body))
        signature = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
        headers = {"webhook-id": delivery, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}
        return Request(body=body, headers={**headers, "content-type": "application/json"})

    def bodies(self) -> list[bytes]:
        return (CAPTURES / "webhook" / "own.txt").read_bytes().splitlines()


class KickSender:
    """RSA over id, time and body."""

    directory = {"123456789": "kick:ana", "ana": "kick:ana"}  # noqa: RUF012 — read only

    def options(self) -> kick.Options:
        return kick.Options(public_key=fake_kick.public_pem())

    def request(self, body: bytes, *, at: datetime) -> Request:
        return fake_kick.signed("chat.message.sent", body, at=at)

    def bodies(self) -> list[bytes]:
        found = orjson.loads((CAPTURES / "kick" / "chat.json").read_bytes())
        found["broadcaster"]["user_id"] = 123456789
        return [orjson.dumps(found)]


class OwncastSender:
    """Signs nothing: the secret is at the end of the address, and only the address is one."""

    directory = {"live.example.org": "owncast:live.example.org"}  # noqa: RUF012 — read only
    proves_body = False

    def options(self) -> owncast.Options:
        return owncast.Options(secret=Secret("s3cret"))

    def request(self, body: bytes, *, at: datetime) -> Request:
        return Request(body=body, headers={"content-type": "application/json"}, path="s3cret/live.example.org")

    def bodies(self) -> list[bytes]:
        lines = (CAPTURES / "owncast" / "lines.txt").read_bytes().splitlines()
        return [line for line in lines if b"eventData" in line]


class HubSender:
    """YouTube's hub: an address that nobody can guess, and a signature without a time."""

    directory = {"UCaaaaaaaaaaaaaaaaaaaaaa": "youtube:ana"}  # noqa: RUF012 — read only
    proves_time = False

    def options(self) -> youtube.Options:
        return youtube.Options()

    def request(self, body: bytes, *, at: datetime) -> Request:
        pseudonym = make_pseudonym(KEY)
        [channel] = self.directory
        signature = hmac.new(websub.secret_of(pseudonym, channel).encode(), body, "sha1").hexdigest()
        return Request(
            body=body, path=f"{channel}/{websub.token_of(pseudonym, channel)}", headers={"x-hub-signature": f"sha1={signature}"}
        )

    def bodies(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((CAPTURES / "youtube_hub").iterdir())]


class EventSubSender:
    """Twitch: the id, the time and the body, in that order, with nothing between them."""

    directory = {"1971641": "twitch:ana"}  # noqa: RUF012 — read only

    def options(self) -> twitch.Options:
        return twitch.Options(eventsub="webhook")

    def request(self, body: bytes, *, at: datetime) -> Request:
        stamp, delivery = f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z", hashlib.sha256(body).hexdigest()[:32]
        secret = eventsub_helix.secret_of(make_pseudonym(KEY)).encode()
        signature = hmac.new(secret, delivery.encode() + stamp.encode() + body, hashlib.sha256).hexdigest()
        headers = {"id": delivery, "timestamp": stamp, "type": "notification", "signature": f"sha256={signature}"}
        return Request(body=body, headers={f"twitch-eventsub-message-{name}": value for name, value in headers.items()})

    def bodies(self) -> list[bytes]:
        return (CAPTURES / "twitch_hooks" / "bodies.txt").read_bytes().splitlines()


SENDERS: dict[str, type[Sender]] = {
    "webhook": StandardSender,
    "kick": KickSender,
    "owncast": OwncastSender,
    "youtube": HubSender,
    "twitch": EventSubSender,
}
