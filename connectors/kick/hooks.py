"""Kick's official webhooks: the signature, the window, and whose channel it is. Pure; see Receiver for the order.

Kick signs ``<message id>.<timestamp>.<raw body>`` with RSA (PKCS #1 v1.5, SHA-256). One key signs for all apps of Kick, so a valid signature
says only that Kick sent it, perhaps to somebody else: what counts is that the broadcaster in the signed body is one of ours. Type and
version stand in headers that are *not* signed, so a type that the body does not fit is refused.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connectors.connector import Answer, Hint, Receiver, Unreadable
from connectors.event import Status
from connectors.kick import Options
from connectors.kick.channel import channel_keys, user_of
from connectors.kick.parse import Context, fits, livestream_of, open_body, user_id, webhook_events
from connectors.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from connectors.connector import Request, Tools
    from connectors.event import Event

REASONS = frozenset(
    {"wrong_method", "too_large", "missing_header", "bad_signature", "out_of_window", "type_does_not_fit", "not_ours"}
)
"""Every reason that an Answer may give, but for the parser's own."""
LARGEST = 1 << 20


def public_key(pem: str) -> RSAPublicKey:
    """The key of a PEM text; raises ValueError with a sentence."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("public_key is not a PEM public key; copy it whole, with its BEGIN and END lines") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise ValueError("public_key is not an RSA key of at least 2048 bits")
    return key


def is_signed(key: RSAPublicKey, *, message_id: str, timestamp: str, signature: str, body: bytes) -> bool:
    """Whether the holder of the private key signed exactly this."""
    try:
        given = base64.b64decode(signature.encode(), validate=True)
        key.verify(given, f"{message_id}.{timestamp}.".encode() + body, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, UnicodeError):
        return False
    return True


class KickHooks(Receiver):
    """Receives at ``/hooks/kick``; its options are those of the connector."""

    name = "kick"
    options = Options

    def __init__(self, options: Options, directory: Mapping[str, str], tools: Tools) -> None:
        super().__init__(options, directory, tools)
        self._key = public_key(options.public_key)
        self._indexed: Mapping[str, str] | None = None
        self._channels: Mapping[str, str] = {}
        self._natives: Mapping[str, str] = {}
        """Broadcaster id → native id as discovery knows it, which may name the chatroom as well."""

    def receive(self, request: Request, now: datetime) -> Answer:
        if request.method != "POST":
            return _no(405, "wrong_method")
        if len(request.body) > LARGEST:
            return _no(413, "too_large")
        headers = request.headers
        message_id = headers.get("kick-event-message-id", "")
        timestamp = headers.get("kick-event-message-timestamp", "")
        signature = headers.get("kick-event-signature", "")
        kind = headers.get("kick-event-type", "")
        if not (message_id and timestamp and signature and kind):
            return _no(400, "missing_header")
        if not is_signed(self._key, message_id=message_id, timestamp=timestamp, signature=signature, body=request.body):
            return _no(403, "bad_signature")
        sent = moment(timestamp)
        if sent is None or abs(now - sent) > timedelta(seconds=self.opts.window_seconds):
            return _no(403, "out_of_window")
        try:
            return self._read(kind, message_id, open_body(request.body), sent, now)
        except Unreadable as error:
            # Answered with success: Kick would send it twice more, and end the subscription of an address that goes on refusing.
            return Answer(status=200, reason=error.reason)

    def _read(self, kind: str, message_id: str, body: dict[str, Any], sent: datetime, now: datetime) -> Answer:
        if not fits(kind, body):
            return _no(400, "type_does_not_fit")
        context = Context(now, self.tools.pseudonym, self._index())
        broadcaster = body.get("broadcaster")
        if isinstance(broadcaster, dict) and livestream_of(broadcaster, context) is None:
            return Answer(status=200, reason="not_ours")
        events = tuple(webhook_events(kind, message_id, body, context, sent))
        return Answer(status=200, events=events, hints=tuple(self._hints(events, broadcaster)))

    def _hints(self, events: tuple[Event, ...], broadcaster: Any) -> Iterator[Hint]:
        """Who begins and ends, for discovery, which asks Kick whether it is so."""
        native = self._natives.get(user_id(broadcaster)) if isinstance(broadcaster, dict) else None
        for event in events:
            if isinstance(event, Status) and native is not None:
                what: Literal["began", "ended"] = "began" if event.state == "live" else "ended"
                yield Hint(what=what, native_id=native, at=event.received_at, broadcast=event.broadcast)

    def _index(self) -> Mapping[str, str]:
        if self._indexed is not self.directory:
            self._indexed, self._channels = self.directory, channel_keys(self.directory)
            self._natives = {user: native for native in self.directory if (user := user_of(native))}
        return self._channels


def _no(status: int, reason: str) -> Answer:
    return Answer(status=status, reason=reason)
