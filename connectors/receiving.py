"""Receiving JSON that a partner sends: the request is proven, taken apart, and mapped to events. For the generic webhook and the presets on it.

Pure: see ``Receiver`` for the order in which things are judged, signatures.py for the proofs.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 — the configuration reads the options' types
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

import orjson

from connectors.connector import Answer, Receiver, Request, Secret, Unreadable
from connectors.documents import events_of_all, plan_of, read_or_tell, usual
from connectors.foreign import decode
from connectors.mapped import Reading
from connectors.mapping import OUR_OWN, compile_map, pointer
from connectors.pointed import value_at
from connectors.recorded import record_of
from connectors.signatures import Auth, delivery_id, refused, same

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Tools
    from connectors.event import Event

REFUSED_BODY = b"The request does not prove where it comes from.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """A section such as ``[webhook.partner]``; only ``secret`` must be filled in."""

    auth: Auth = "standard_webhooks"
    """How the sender proves itself: ``standard_webhooks``, ``hmac_sha256_hex`` (GitHub), ``hmac_sha256_base64``, ``hmac_sha256_pairs`` (``t=…,s=…``: TikTok, Stripe),
    ``douyin_md5``, ``body_field`` (VK), ``bearer`` (Alertmanager), ``header_equals`` (Telegram), ``path_token`` (senders that sign nothing)."""
    secret: Secret | None = None
    """The shared secret; of Standard Webhooks with its ``whsec_``."""
    old_secret: Secret | None = None
    """The secret before, while senders change over."""
    header: str = ""
    """Header with the signature or token; empty: the usual one (``X-Hub-Signature-256``, ``X-Signature``, ``X-Token``)."""
    signed: str = "{body}"
    """What an HMAC covers: ``{id}``, ``{timestamp}`` and ``{body}``, such as ``v0:{timestamp}:{body}``."""
    id_header: str = ""
    """Header with the id of the delivery, the same when it is sent again."""
    timestamp_header: str = ""
    """Header with the time of sending, which the signature must cover."""
    window_seconds: float = 300.0
    """How far that time may be from ours."""
    secret_at: str = "/secret"  # noqa: S105 — a pointer
    """Of ``body_field``: where in the body the secret stands."""
    challenge: Mapping[str, Any] = field(default_factory=dict)
    """``{ at = "/type", is = "confirmation", reply = "code" }``: a question that is answered and not counted; ``reply_at`` takes the
    answer from the body."""
    reply: str = ""
    """What a success is answered with; VK wants ``ok``."""
    form_field: str = "payload"
    """Where the JSON stands in a form."""
    map: Mapping[str, Any] = field(default_factory=dict)
    """Which part of the JSON is what, see docs/webhooks.md; empty: our own shape."""
    max_bytes: int = 256 * 1024
    """Longest body."""
    section: str = ""
    """Filled in from the name of the section; leave it out."""

    def __post_init__(self) -> None:
        compile_map(self.map)
        unknown = self.challenge.keys() - {"at", "is", "reply", "reply_at"}
        if unknown or (self.challenge and not {"at", "is"} <= self.challenge.keys()):
            raise ValueError("challenge: expected at, is, and reply or reply_at")
        for place in (self.secret_at, self.challenge.get("at", ""), self.challenge.get("reply_at", "")):
            pointer(place, "challenge")
        if self.signed.count("{body}") != 1:
            raise ValueError('signed: expected a text with {body} in it, such as "{timestamp}.{body}"')


class Hook(Receiver):
    """Base of the receivers of JSON; a subclass names its platform, its options and its usual map."""

    named: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("secret",)
    usual_map: ClassVar[Mapping[str, Any]] = OUR_OWN

    def __init__(self, options: Any, directory: Mapping[str, str], tools: Tools) -> None:
        super().__init__(options, directory, tools)
        self._plan = plan_of(options.map or self.usual_map)

    @property
    def platform(self) -> str:
        return str(self.opts.section or self.name)

    def receive(self, request: Request, now: datetime) -> Answer:
        if request.method == "GET":
            return self._asked(request)
        if request.method not in ("POST", "PUT"):
            return Answer(status=405, body=b"Send it with POST.\n", reason="wrong_method")
        if len(request.body) > self.opts.max_bytes:
            return Answer(status=413, body=b"The body is too large.\n", reason="too_large")
        reason = refused(self.opts, request, now)
        if reason:
            return Answer(status=401 if reason == "not_signed" else 403, body=REFUSED_BODY, reason=reason)
        try:
            documents = self.documents(request.headers.get("content-type", ""), request.body, self.opts)
            challenge = self._challenge(documents[0]) if self.opts.challenge else None
        except Unreadable as error:
            return Answer(status=400, body=b"The body is not JSON.\n", reason=error.reason)
        if challenge is not None:
            return Answer(status=200, body=challenge.encode())
        found = {
            event.id: event for document in documents for event in read_or_tell(self._plan, document, self._reading(request, now))
        }
        return Answer(status=200, body=str(self.opts.reply).encode(), events=tuple(found.values()))

    def _asked(self, request: Request) -> Answer:
        """The question whether the address is ours, as WebSub and Meta ask it before they send anything."""
        query = request.query
        secrets = [secret.reveal() for secret in (self.opts.secret, self.opts.old_secret) if secret is not None]
        if "hub.challenge" not in query:
            return Answer(status=405, body=b"Send it with POST.\n", reason="wrong_method")
        if not any([same(query.get("hub.verify_token", ""), secret) for secret in secrets]):  # noqa: C419 — each takes the same time
            return Answer(status=403, body=REFUSED_BODY, reason="wrong_token")
        return Answer(status=200, body=query["hub.challenge"].encode("utf-8", "replace"))

    def _challenge(self, document: bytes) -> str | None:
        told = self.opts.challenge
        body = decode(document)
        if value_at(body, pointer(told["at"])) != told["is"]:
            return None
        return str(value_at(body, pointer(told["reply_at"])) if "reply_at" in told else told.get("reply", ""))

    def _reading(self, request: Request, now: datetime) -> Reading:
        return Reading(
            platform=self.platform, now=now, pseudonym=self.tools.pseudonym, livestreams=self.directory,
            around=_around(self.opts, request), native=delivery_id(self.opts, request),
        )  # fmt: skip

    @classmethod
    def documents(cls, content_type: str, body: bytes, options: Any) -> list[bytes]:
        """The JSON documents of a body: one, one a line, or in a form; raises Unreadable when there is none."""
        try:
            decode(body)
        except Unreadable:
            if "x-www-form-urlencoded" in content_type:
                return [_of_form(body, options.form_field)]
            lines = [line for line in body.split(b"\n") if line.strip()]
            if len(lines) < 2:
                raise
            decode(lines[0])  # Lines of JSON begin with one; a document that was cut off does not.
            return lines
        # Also where it is called a form: that is what curl says of everything.
        return [body]

    @classmethod
    def parse(cls, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """One body; what ``monitor parse`` calls. Raises Unreadable and nothing else."""
        return cls.parse_with(usual(cls.options), raw, tools, livestreams=livestreams)

    @classmethod
    def parse_with(cls, options: Any, raw: bytes, tools: Tools, *, livestreams: Mapping[str, str] | None = None) -> list[Event]:
        """As ``parse``, with the map of a section of the configuration."""
        reading = Reading(
            platform=options.section or cls.name, now=tools.now(), pseudonym=tools.pseudonym, livestreams=livestreams
        )
        plan, content_type = plan_of(options.map or cls.usual_map), ""
        if (request := _recorded(raw)) is not None:
            reading = replace(reading, around=_around(options, request), native=delivery_id(options, request))
            raw, content_type = request.body, request.headers.get("content-type", "")
        return events_of_all(plan, cls.documents(content_type, raw, options), reading)


def _recorded(raw: bytes) -> Request | None:
    """The request that somebody wrote down with its headers; None when there is only a body."""
    try:
        document = decode(raw)
        record = record_of(document) if isinstance(document, dict) else None
    except Unreadable:
        return None
    if record is None or not (record.body.lstrip()[:1] in (b"{", b"[") or "form" in record.headers.get("content-type", "")):
        return None  # some senders' own documents have headers and a text
    _, hooks, path = record.path.rpartition("/hooks/")
    path = path.partition("/")[2].strip("/") if hooks else record.path.strip("/")
    return Request(body=record.body, headers=record.headers, path=path, query=record.query)


def _around(options: Any, request: Request) -> dict[str, Any]:
    # Of the path what follows a token: the secret itself is nothing that a map may point at.
    rest = request.path.split("/")[1 if options.auth == "path_token" else 0 :]
    return {"header": _clean(request.headers), "query": _clean(request.query), "path": rest}


def _of_form(body: bytes, name: str) -> bytes:
    """The JSON in a field of that name; without one the fields themselves are the document."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=200))
    except ValueError:
        raise Unreadable("too_many_fields") from None
    if name in fields:
        return fields[name].encode("utf-8", "replace")
    if not fields:
        raise Unreadable("not_json")
    return orjson.dumps(_clean(fields))


def _clean(texts: Mapping[str, str]) -> dict[str, str]:
    """Headers may hold bytes that are no text; in the journal everything is."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in texts.items()}
