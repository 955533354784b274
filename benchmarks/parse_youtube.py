"""How many chat messages of YouTube one process reads a second: cut out of the held response and parsed to events.
The raw limit is decoding the same batches whose ends are known already."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import orjson

from benchmarks.measure import Row, rate, row
from connectors.connector import make_pseudonym
from connectors.youtube.parse import Context, read_page
from connectors.youtube.stream import Scanner

SIZE, QUICK = 30_000, 2_000
BATCH, SEGMENT = 5, 1460
WORDS = [
    "the",
    "drive",
    "was",
    "quiet",
    "混动",
    "system",
    "ไฟฟ้า",
    "سيارة",
    "carro",
    "robô",
    ":face-blue-smiling:",
    "🚗",
    '"range"',
    "{ok}",
]


def batches(count: int, dice: random.Random) -> list[bytes]:
    """Invented messages in objects of the usual shape."""
    made = []
    for start in range(0, count, BATCH):
        items = []
        for n in range(start, start + BATCH):
            text, channel = " ".join(dice.choices(WORDS, k=dice.randint(1, 12))), f"UC{n % 5000:022d}"
            snippet = {
                "type": "textMessageEvent",
                "liveChatId": "KicKGFVD" + "a" * 48,
                "authorChannelId": channel,
                "publishedAt": f"2026-10-16T11:{n // 60 % 60:02d}:{n % 60:02d}.{n % 1000000:06d}+00:00",
                "hasDisplayContent": True,
                "displayMessage": text,
                "textMessageDetails": {"messageText": text},
            }
            author = {
                "channelId": channel,
                "channelUrl": f"http://www.youtube.com/channel/{channel}",
                "displayName": f"@viewer{n % 5000}",
                "profileImageUrl": "https://yt3.ggpht.com/" + "b" * 90,
                "isVerified": False,
                "isChatOwner": False,
                "isChatSponsor": False,
                "isChatModerator": False,
            }
            item = {"kind": "youtube#liveChatMessage", "etag": "e" * 27, "id": f"LCC.{n:0100d}", "snippet": snippet}
            items.append(item | {"authorDetails": author})
        page = {"kind": "youtube#liveChatMessageListResponse", "etag": "e" * 27, "nextPageToken": f"GL-{start:020d}"}
        made.append(orjson.dumps(page | {"pageInfo": {"totalResults": BATCH, "resultsPerPage": BATCH}, "items": items}))
    return made


def run(size: int = SIZE) -> list[Row]:
    context = Context(datetime(2026, 10, 16, 12, tzinfo=UTC), make_pseudonym(b"benchmark"), "youtube:L", "video")
    pages = batches(size, random.Random(1))
    body = b"[" + b",\r\n".join(pages) + b"]"
    segments = [body[at : at + SEGMENT] for at in range(0, len(body), SEGMENT)]
    scanner = Scanner()
    assert sum(len(read_page(raw, context).events) for part in segments for raw in scanner.feed(part)) == size

    def held():
        scanner = Scanner()
        return lambda part: [read_page(raw, context) for raw in scanner.feed(part)]

    limit = rate(lambda: orjson.loads, pages) * BATCH
    parsed = rate(lambda: lambda raw: read_page(raw, context), pages) * BATCH
    held_rate = rate(held, segments) * size / len(segments)
    return [
        row("parse.youtube", parsed, "messages/s", "more", limit=limit),
        row("parse.youtube.held", held_rate, "messages/s", "more", limit=limit),
    ]
