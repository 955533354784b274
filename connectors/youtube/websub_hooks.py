"""What YouTube's hub asks and tells at ``/hooks/youtube/<channel>/<token>``. Pure; see Receiver for the order.

A GET asks whether we meant the subscription: the token says that the address is one that we gave away, ``hub.topic`` must be that channel's
feed, and the channel one that we may watch. A POST is an Atom feed, signed over its raw bytes (``X-Hub-Signature: sha1=…``; the hub
chooses the algorithm, there is no time in it). It becomes ``Hint``s: a video to look at, or one that is gone. Nothing of it is counted,
so a notification played again costs a look and nothing else.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any, Final

from connectors.connector import Answer, Hint, Receiver, Unreadable
from connectors.signatures import same
from connectors.youtube import Options
from connectors.youtube.feed import entries
from connectors.youtube.websub import lease, secret_of, token_of, topic_of

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Request

ALGORITHMS: Final = ("sha1", "sha256", "sha384", "sha512")
"""Of WebSub; Google's hub uses the first, which is no weakness in an HMAC."""
LARGEST: Final = 256 * 1024
_SIGNATURE = re.compile(r"(sha\d+)=([0-9a-fA-F]{40,128})", re.ASCII)


class WebSubHook(Receiver):
    """Receives at ``/hooks/youtube``; its options are those of the connector."""

    name = "youtube"
    options = Options

    @classmethod
    def receives(cls, options: Any) -> bool:
        return bool(options.push)

    def receive(self, request: Request, now: datetime) -> Answer:
        channel, _, token = request.path.partition("/")
        if not same(token, token_of(self.tools.pseudonym, channel)):
            return _no(404, "wrong_address")
        if request.method == "GET":
            return self._asked(channel, request, now)
        if request.method != "POST":
            return _no(405, "wrong_method")
        if len(request.body) > LARGEST:
            return _no(413, "too_large")
        reason = self._refused(channel, request)
        if reason:
            return _no(403, reason)
        if channel not in self.directory:
            return Answer(status=200, reason="not_ours")
        try:
            found = entries(request.body)
        except Unreadable as error:
            # Answered with success: the hub would send the same again and again.
            return Answer(status=200, reason=error.reason)
        mine = [entry for entry in found if entry.channel in (channel, None)]
        hints = (
            Hint(what="ended" if entry.deleted else "look", native_id=channel, at=now, broadcast=entry.video) for entry in mine
        )
        return Answer(status=200, hints=tuple(hints), reason="" if mine else "not_ours")

    def _asked(self, channel: str, request: Request, now: datetime) -> Answer:
        """The question whether we meant it; who does not confirm is not subscribed."""
        query = request.query
        mode, ours = query.get("hub.mode", ""), channel in self.directory
        if query.get("hub.topic") != topic_of(channel):
            return _no(404, "wrong_topic")
        if mode == "denied":
            hint = Hint(what="denied", native_id=channel, at=now, key=channel)
            return Answer(status=200, hints=(hint,) if ours else (), reason="denied")
        challenge = query.get("hub.challenge", "")
        if not challenge or mode not in ("subscribe", "unsubscribe") or ours is not (mode == "subscribe"):
            return _no(404, "not_meant")
        hint = Hint(
            what="subscribed" if ours else "revoked", native_id=channel, at=now, key=channel,
            until=lease(query.get("hub.lease_seconds", ""), now) if ours else None,
        )  # fmt: skip
        return Answer(status=200, body=challenge.encode("utf-8", "replace"), hints=(hint,), reason="confirmed")

    def _refused(self, channel: str, request: Request) -> str:
        given = request.headers.get("x-hub-signature", "")
        if not given:
            return "not_signed"
        found = _SIGNATURE.fullmatch(given.strip())
        if found is None or found[1] not in ALGORITHMS:
            return "wrong_signature"
        wanted = hmac.digest(secret_of(self.tools.pseudonym, channel).encode(), request.body, found[1]).hex()
        return "" if same(found[2].lower(), wanted) else "wrong_signature"


def _no(status: int, reason: str) -> Answer:
    return Answer(status=status, reason=reason)
