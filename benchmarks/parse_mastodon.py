"""How many of Mastodon's statuses one process turns into events a second, as the stream sends them, JSON inside JSON and HTML inside that; the
raw limit beside it is decoding both layers of the same frames."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import orjson

from benchmarks.measure import Row, rate, row
from connectors.connector import make_pseudonym
from connectors.mastodon.parse import Context, Local, parse_frame

SIZE, QUICK = 20_000, 500
WORDS = ("this robot is amazing", "Olá da fábrica 👋", "奇瑞 太棒了", "what is the range?", "سيارة جميلة")
TAGGED = '<p>{} {} <a href="https://instance.example/tags/summit" class="mention hashtag" rel="tag">#<span>summit</span></a> &amp; more</p>'


def frames(count: int, dice: random.Random) -> list[bytes]:
    """Statuses of the usual size, of 5,000 authors."""
    made = []
    for n in range(count):
        name = f"user{int(5_000 * dice.random() ** 2)}"
        account = {
            "id": "1077", "username": name, "acct": f"{name}@elsewhere.example", "display_name": name, "locked": False, "bot": False,
            "note": "<p>" + "about me " * 20 + "</p>", "url": f"https://elsewhere.example/@{name}", "emojis": [], "fields": [],
        }  # fmt: skip
        status = {
            "id": str(117_640_000_000_000_000 + n), "created_at": "2026-10-17T12:00:01.500Z", "in_reply_to_id": None, "sensitive": False,
            "spoiler_text": "", "visibility": "public", "language": "en", "uri": f"https://elsewhere.example/users/{name}/statuses/{n}",
            "url": f"https://elsewhere.example/@{name}/{n}", "replies_count": 0, "reblogs_count": 0, "favourites_count": 0,
            "content": TAGGED.format(dice.choice(WORDS), n), "reblog": None, "account": account, "media_attachments": [], "mentions": [],
            "tags": [{"name": "summit", "url": "https://instance.example/tags/summit"}], "emojis": [], "card": None, "poll": None,
        }  # fmt: skip
        made.append(orjson.dumps({"stream": ["hashtag", "summit"], "event": "update", "payload": orjson.dumps(status).decode()}))
    return made


def run(size: int = SIZE) -> list[Row]:
    said = frames(size, random.Random(1))
    context = Context(datetime.now(UTC), make_pseudonym(b"a key for the benchmark"), {}, "instance.example", Local())
    assert parse_frame(said[0], context)[0].text.endswith("0 #summit & more")
    value = rate(lambda: lambda raw: parse_frame(raw, context), said)
    limit = rate(lambda: lambda raw: orjson.loads(orjson.loads(raw)["payload"]), said)
    return [row("parse.mastodon", value, "statuses/s", "more", limit=limit)]
