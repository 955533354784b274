"""EventSub's webhooks at ``/hooks/twitch``: the signature, the window, whose channel it is. Pure; see Receiver for the order.

Twitch signs ``<message id><timestamp><raw body>`` (HMAC-SHA256 with the secret of the subscription). The message's *type* stands in a header
that is not signed, so what the body is decides, and a header that does not fit it is refused. A challenge is answered only for channels of
ours. What was refused because it cannot be read is a success: Twitch ends a subscription whose notifications fail too often.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Answer, Receiver, Unreadable
from connectors.foreign import object_of
from connectors.signatures import same
from connectors.times import moment
from connectors.twitch import Options
from connectors.twitch.eventsub import events_of, hint_of, livestream_of, notice
from connectors.twitch.eventsub_helix import secret_of
from connectors.twitch.fields import dict_in
from connectors.twitch.parse import Context

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Request

WINDOW: Final = timedelta(minutes=10)
LARGEST: Final = 1 << 20
REASONS: Final = frozenset(
    {"wrong_method", "too_large", "missing_header", "wrong_signature", "outside_window", "type_does_not_fit", "not_ours"}
)
"""Every reason that an Answer may give, but for the parser's own."""


class EventSubHook(Receiver):
    """Receives at ``/hooks/twitch``; its options are those of the connector."""

    name = "twitch"
    options = Options

    @classmethod
    def receives(cls, options: Any) -> bool:
        return bool(options.eventsub == "webhook")

    def receive(self, request: Request, now: datetime) -> Answer:
        if request.method != "POST":
            return _no(405, "wrong_method")
        if len(request.body) > LARGEST:
            return _no(413, "too_large")
        headers = request.headers
        native, stamp, given, what = (
            headers.get(f"twitch-eventsub-message-{name}", "") for name in ("id", "timestamp", "signature", "type")
        )
        if not (native and stamp and given and what):
            return _no(400, "missing_header")
        content = f"{native}{stamp}".encode("utf-8", "surrogateescape") + request.body
        wanted = hmac.digest(secret_of(self.tools.pseudonym).encode(), content, hashlib.sha256).hex()
        if not same(given.strip().lower(), f"sha256={wanted}"):
            return _no(403, "wrong_signature")
        sent = moment(stamp)
        if sent is None or abs(now - sent) > WINDOW:
            return _no(403, "outside_window")
        try:
            body = object_of(request.body)
            return self._read(what, native, sent, body, now)
        except Unreadable as error:
            return Answer(status=200, reason=error.reason)

    def _read(self, what: str, native: str, sent: datetime, body: dict[str, Any], now: datetime) -> Answer:
        challenge, event, subscription = body.get("challenge"), body.get("event"), dict_in(body, "subscription")
        is_what = (
            "webhook_callback_verification"
            if isinstance(challenge, str)
            else "notification"
            if isinstance(event, dict)
            else "revocation"
        )
        if what != is_what:
            return _no(400, "type_does_not_fit")
        context = Context(now, self.tools.pseudonym, self.directory)
        whose = dict_in(body, "event") or dict_in(subscription, "condition")
        if livestream_of(whose, context) is None:
            return _no(403, "not_ours") if is_what.startswith("webhook") else Answer(status=200, reason="not_ours")
        if isinstance(challenge, str):
            return Answer(status=200, body=challenge[:1024].encode("utf-8", "replace"), reason="confirmed")
        found = notice(what, native, sent, body)
        hint = hint_of(found)
        if hint is not None:
            return Answer(status=200, hints=(hint,), reason="revoked" if hint.what == "revoked" else "")
        return Answer(status=200, events=tuple(events_of(found, context)))


def _no(status: int, reason: str) -> Answer:
    return Answer(status=status, reason=reason)
