"""How many of Kick's chat webhooks one process turns into events a second, and how many signatures it checks; the raw limit beside them is
decoding the same JSON. The signature is the price of a webhook: it is RSA, and it is checked before anything is read."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.measure import Row, rate, row
from connectors.connector import make_pseudonym
from connectors.kick.hooks import is_signed
from connectors.kick.parse import Context, open_body, webhook_events

SIZE, QUICK = 50_000, 1_000
SIGNED = 2_000
"""Signing is slow, so only so many are signed."""
WORDS = ("this robot is amazing", "Olá da fábrica 👋", "奇瑞 太棒了", "[emote:4148074:HYPERCLAP] new one", "سيارة جميلة")


def bodies(count: int, dice: random.Random) -> list[bytes]:
    """Chat messages of the documented shape, from 5,000 people in 90 channels."""
    made = []
    for n in range(count):
        who = int(5_000 * dice.random() ** 2) + 1
        badges = [{"text": "Subscriber", "type": "subscriber", "count": 3}]
        user = {
            "is_anonymous": False,
            "is_verified": None,
            "profile_picture": "https://files.kick.com/images/user/1/profile_image.webp",
        }
        made.append(
            orjson.dumps(
                {
                    "message_id": f"{n:08x}-f339-41ca-b4d4-7c0721438570",
                    "replies_to": None,
                    "broadcaster": user
                    | {"user_id": 70_000 + n % 90, "username": "ana", "channel_slug": "ana", "identity": None},
                    "sender": user
                    | {
                        "user_id": who,
                        "username": f"User{who}",
                        "channel_slug": f"user{who}",
                        "identity": {"username_color": "#FF5733", "badges": badges},
                    },
                    "content": f"{dice.choice(WORDS)} {n}",
                    "emotes": [],
                    "created_at": "2026-10-17T12:00:01Z",
                }
            )
        )
    return made


def run(size: int = SIZE) -> list[Row]:
    chat = bodies(size, random.Random(1))
    livestreams = {str(70_000 + n): f"kick:{n}" for n in range(90)}
    context = Context(datetime.now(UTC), make_pseudonym(b"a key for the benchmark"), livestreams)
    assert len(webhook_events("chat.message.sent", "1", open_body(chat[0]), context)) == 1
    parsed = rate(lambda: lambda raw: webhook_events("chat.message.sent", "1", open_body(raw), context), chat)
    limit = rate(lambda: orjson.loads, chat)

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key()
    some = [
        (body, base64.b64encode(key.sign(b"1.2." + body, PKCS1v15(), SHA256())).decode()) for body in chat[: min(size, SIGNED)]
    ]
    checks = rate(lambda: lambda one: is_signed(public, message_id="1", timestamp="2", signature=one[1], body=one[0]), some)
    bare = rate(lambda: lambda one: public.verify(base64.b64decode(one[1]), b"1.2." + one[0], PKCS1v15(), SHA256()), some)
    return [
        row("parse.kick", parsed, "messages/s", "more", limit=limit),
        row("parse.kick.signature", checks, "signatures/s", "more", limit=bare),
    ]
