"""Whether a request really comes from who it says: the ways in which senders sign, each over the raw bytes, in constant time. Pure.

``refused`` answers with a reason from ``REASONS``, or with nothing when the request may come in. Every known key is tried, so that a key
can be changed without a moment in which nothing passes: the new one as ``secret``, the one before as ``old_secret``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from connectors.foreign import decode
from connectors.mapping import pointer
from connectors.pointed import text_of, value_at
from connectors.times import moment

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.connector import Request, Secret

Auth = Literal[
    "standard_webhooks",
    "hmac_sha256_hex",
    "hmac_sha256_base64",
    "hmac_sha256_pairs",
    "douyin_md5",
    "body_field",
    "bearer",
    "header_equals",
    "path_token",
]
REASONS: Final = ("no_secret", "not_signed", "wrong_signature", "outside_window")
USUAL_HEADER: Final = {
    "hmac_sha256_hex": "x-hub-signature-256",
    "hmac_sha256_base64": "x-signature",
    "hmac_sha256_pairs": "x-signature",
    "header_equals": "x-token",
}
DOUYIN: Final = ("x-msg-type", "x-nonce-str", "x-roomid", "x-timestamp")


class Scheme(Protocol):
    """The options that say how a sender proves who it is; those of webhook.py."""

    auth: Auth
    secret: Secret | None
    old_secret: Secret | None
    header: str
    signed: str
    id_header: str
    timestamp_header: str
    secret_at: str
    window_seconds: float


def refused(scheme: Scheme, request: Request, now: datetime) -> str:
    """Why it must not come in; empty when it may."""
    keys = [secret.reveal() for secret in (scheme.secret, scheme.old_secret) if secret is not None and secret.reveal()]
    if not keys:
        return "no_secret"
    found = [given for given in given_proofs(scheme, request) if given]
    if not found:
        return "not_signed"
    # All are compared with all: how long it takes says nothing about which was nearly right.
    if not any([same(given, wanted) for key in keys for wanted in wanted_proofs(scheme, request, key) for given in found]):  # noqa: C419
        return "wrong_signature"
    stamp = _timestamp(scheme, request)
    if stamp is None:
        return ""
    at = moment(stamp)
    return "" if at is not None and abs(now - at) <= timedelta(seconds=scheme.window_seconds) else "outside_window"


def delivery_id(scheme: Scheme, request: Request) -> str | None:
    """The sender's id of this delivery; the same when it is sent again."""
    header = "webhook-id" if scheme.auth == "standard_webhooks" else scheme.id_header.lower()
    return text_of(request.headers.get(header)) if header else None


def same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode("utf-8", "surrogateescape"))


def _timestamp(scheme: Scheme, request: Request) -> str | None:
    """The time that was signed; None where the sender signs none."""
    if scheme.auth == "hmac_sha256_pairs":
        return (_pairs(scheme, request).get("t") or [""])[0]
    usual = {"standard_webhooks": "webhook-timestamp", "douyin_md5": "x-timestamp"}
    header = usual.get(scheme.auth) or scheme.timestamp_header.lower()
    return request.headers.get(header, "") if header else None


def _pairs(scheme: Scheme, request: Request) -> dict[str, list[str]]:
    """``t=…,s=…`` (TikTok), ``t=…,v1=…,v1=…`` (Stripe), ``t=….s=…`` (Owncast)."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"[.,]", request.headers.get((scheme.header or USUAL_HEADER[scheme.auth]).lower(), "")[:4096]):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, []).append(value)
    return found


def given_proofs(scheme: Scheme, request: Request) -> list[str]:
    """What the request shows as proof."""
    headers = request.headers
    match scheme.auth:
        case "standard_webhooks":
            signatures = headers.get("webhook-signature", "")[:4096].split(" ")
            return [signature.removeprefix("v1,") for signature in signatures if signature.startswith("v1,")]
        case "douyin_md5":
            return [headers.get("x-signature", "")]
        case "hmac_sha256_pairs":
            pairs = _pairs(scheme, request)
            return [*pairs.get("s", ()), *pairs.get("v1", ())]
        case "bearer":
            kind, _, token = headers.get("authorization", "").partition(" ")
            return [token.strip()] if kind.lower() == "bearer" else []
        case "path_token":
            return [request.path.split("/")[0]]
        case "body_field":
            return [text_of(_in_body(request.body, scheme.secret_at)) or ""]
        case _:
            given = headers.get((scheme.header or USUAL_HEADER[scheme.auth]).lower(), "").strip()
            if scheme.auth == "header_equals":
                return [given]
            given = given.removeprefix("sha256=")
            return [given.lower() if scheme.auth == "hmac_sha256_hex" else given]


def wanted_proofs(scheme: Scheme, request: Request, key: str) -> list[str]:
    """What it must show."""
    match scheme.auth:
        case "standard_webhooks":
            stamp, delivery = request.headers.get("webhook-timestamp", ""), request.headers.get("webhook-id", "")
            content = _bytes(f"{delivery}.{stamp}.") + request.body
            return [base64.b64encode(hmac.digest(standard_key(key), content, hashlib.sha256)).decode()]
        case "douyin_md5":
            return [douyin(request, key)]
        case "hmac_sha256_pairs":
            content = _bytes(f"{_timestamp(scheme, request)}.") + request.body
            return [hmac.digest(key.encode(), content, hashlib.sha256).hex()]
        case "hmac_sha256_hex":
            return [hmac.digest(key.encode(), signed_content(scheme, request), hashlib.sha256).hex()]
        case "hmac_sha256_base64":
            return [base64.b64encode(hmac.digest(key.encode(), signed_content(scheme, request), hashlib.sha256)).decode()]
        case _:
            return [key]


def standard_key(key: str) -> bytes:
    """``whsec_`` and base64; a key that is not base64 is taken as it is, and then nothing will fit but a sender that does the same."""
    try:
        return base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return key.encode()


def signed_content(scheme: Scheme, request: Request) -> bytes:
    """``{id}``, ``{timestamp}`` and ``{body}`` of the template; by default the body alone."""
    before, _, after = scheme.signed.partition("{body}")
    values = {
        "{id}": request.headers.get(scheme.id_header.lower(), ""), "{timestamp}": request.headers.get(scheme.timestamp_header.lower(), ""),
    }  # fmt: skip
    for place, value in values.items():
        before, after = before.replace(place, value), after.replace(place, value)
    return _bytes(before) + request.body + _bytes(after)


def douyin(request: Request, key: str) -> str:
    """base64(md5(the four headers as a query, the body, the secret)); the platform's choice, not ours."""
    query = "&".join(f"{name}={request.headers.get(name, '')}" for name in DOUYIN)
    return base64.b64encode(hashlib.md5(_bytes(query) + request.body + key.encode(), usedforsecurity=False).digest()).decode()


def _in_body(body: bytes, where: str) -> Any:
    try:
        return value_at(decode(body), pointer(where))
    except ValueError:  # Unreadable is one
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
