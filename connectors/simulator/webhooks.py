"""A partner that calls us: what happens in its channels, posted to ``/hooks/webhook.simulated`` in our own shape with a Standard Webhooks signature.

A body is one document, a list, or one a line. It is sent again until it is taken, after 1, 5, 30 and 120 seconds; with a ledger for ever, so that
what was sent and what was taken are the same in the end. A sender that begins anew sends the end of what was taken again, under the same ids.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from connectors.simulator import lines
from connectors.simulator.ours import Partner
from connectors.simulator.posting import Delivery, Poster
from connectors.simulator.serving import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.simulator.model import Sent
    from connectors.simulator.ours import Document
    from connectors.simulator.platform import Setting

SECRET: Final = "whsec_c2ltdWxhdGVkIHBhcnRuZXIncyBrZXk="  # noqa: S105 — a test credential
PAUSES: Final = (1.0, 5.0, 30.0, 120.0)
_encode = msgspec.json.Encoder().encode


class WebhookPlatform:
    """One sender; see SimPlatform."""

    name = "webhook.simulated"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._partner = Partner(self.name)
        self._bell = Bell()
        self._ended = False
        self.poster = Poster(
            mishaps=setting.mishaps,
            clock=setting.clock,
            bell=self._bell,
            pauses=PAUSES,
            patient=setting.ledger is not None,
        )

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        """It only calls."""
        return {}

    def deliver(self, sents: list[Sent]) -> None:
        for sent in sents:
            documents = self._partner.documents(sent, self._setting.channels[sent.room])
            if documents and self._setting.hooks:
                self._send(sent, documents)

    def tick(self) -> None:
        ended = self._setting.mishaps.faults.ended
        if ended != self._ended:
            self._ended = ended
            self._tell_states("ended" if ended else "live")
        if self._setting.mishaps.begins_anew():
            self.poster.begin_anew()
        self._bell.ring()

    def _tell_states(self, state: str) -> None:
        at = self._setting.clock()
        for index, channel in enumerate(self._setting.channels):
            if channel.platform == self.name and self._setting.hooks:
                body = body_of([self._partner.state(channel, state, at)], 0)
                self._post(index, f"msg_{state}_{index}_{at:.0f}", body, lambda _: None)

    def drop_all(self) -> int:
        """Nothing stays open that could be cut; the sender begins anew."""
        self.poster.begin_anew()
        return 0

    def status(self) -> dict[str, int]:
        return {"webhook_waiting": self.poster.waiting, "webhook_taken": self.poster.taken, "webhook_lost": self.poster.lost}

    async def stop(self) -> None:
        await self.poster.stop()

    def _send(self, sent: Sent, documents: Sequence[Document]) -> None:
        channel, entries = self._setting.channels[sent.room], [entry for one in documents for entry in one.entries]

        def done(taken: bool) -> None:
            if self._setting.ledger is not None:
                lines.write(self._setting.ledger, channel, self.name, sent.at, entries, delivered=taken)

        self._post(sent.room, f"msg_{sent.kind}_{sent.room}_{sent.at}_{sent.native}", body_of(documents, sent.at), done)

    def _post(self, lane: int, delivery: str, body: bytes, done: Callable[[bool], None]) -> None:
        self.poster.put(lane, Delivery(f"{self._setting.hooks}/{self.name}", body, self._headers(delivery), done))

    def _headers(self, delivery: str) -> Callable[[bytes], Mapping[str, str]]:
        """The same id for each attempt, the time and the signature of each."""

        def of(body: bytes) -> dict[str, str]:
            stamp = str(int(self._setting.clock()))
            over = b"something else" if self._setting.mishaps.forges() else body
            return {
                "Content-Type": "application/json",
                "webhook-id": delivery,
                "webhook-timestamp": stamp,
                "webhook-signature": f"v1,{signature(delivery, stamp, over)}",
            }

        return of


def body_of(documents: Sequence[Document], turn: int) -> bytes:
    """One document as it is; several as a list, or one a line."""
    if len(documents) == 1:
        return _encode(documents[0].body)
    if turn % 2:
        return b"\n".join(_encode(document.body) for document in documents)
    return _encode([document.body for document in documents])


def signature(delivery: str, stamp: str, body: bytes) -> str:
    """As https://www.standardwebhooks.com/ says."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, f"{delivery}.{stamp}.".encode() + body, hashlib.sha256)).decode()
