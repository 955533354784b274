"""How many Jetstream frames one process parses a second: every one to an event, and all posts of the network
matched by one hashtag. The raw limit is decoding the same JSON."""

from __future__ import annotations

import random

import orjson

from benchmarks.measure import Row, rate, row
from connectors.bluesky.wire import Reading, parse_frame
from connectors.connector import Tools, make_pseudonym

SIZE, QUICK = 50_000, 2_000
WORDS = [
    "the",
    "drive",
    "was",
    "quiet",
    "today",
    "and",
    "the",
    "new",
    "混动",
    "system",
    "нравится",
    "ไฟฟ้า",
    "سيارة",
    "carro",
    "robô",
    "summit",
    "hybrid",
    "🚗",
    "range",
]


def frames(count: int, dice: random.Random) -> list[bytes]:
    """Invented posts of the usual size; one in two hundred has the event's hashtag."""
    made = []
    for n in range(count):
        text = " ".join(dice.choices(WORDS, k=dice.randint(3, 40))) + (" #UserSummit" if n % 200 == 0 else "")
        record = {
            "$type": "app.bsky.feed.post",
            "createdAt": "2026-10-17T11:50:00.000Z",
            "langs": ["en"],
            "text": text,
            "reply": {
                "root": {"cid": "bafyrei" + "a" * 52, "uri": f"at://did:plc:{n % 997:024d}/app.bsky.feed.post/3m3pqrstuvx22"},
                "parent": {"cid": "bafyrei" + "a" * 52, "uri": f"at://did:plc:{n % 991:024d}/app.bsky.feed.post/3m3pqrstuvx22"},
            },
        }
        commit = {"rev": "3m3pqrstuvw22", "operation": "create", "collection": "app.bsky.feed.post", "rkey": f"3m3p{n:09d}"}
        frame = {"did": f"did:plc:{n % 5000:024d}", "time_us": 1792240200000000 + n * 1000, "kind": "commit"}
        made.append(orjson.dumps(frame | {"commit": commit | {"record": record, "cid": "bafyrei" + "b" * 52}}))
    return made


def run(size: int = SIZE) -> list[Row]:
    tools = Tools(pseudonym=make_pseudonym(b"benchmark"))
    posts = frames(size, random.Random(1))
    everybody = Reading()
    tagged = Reading(livestreams={}, tags=frozenset(["usersummit"]))
    found = sum(len(parse_frame(raw, tools, tagged)) for raw in posts)
    assert (sum(len(parse_frame(raw, tools, everybody)) for raw in posts), found) == (size, len(range(0, size, 200)))
    limit = rate(lambda: orjson.loads, posts)
    parsed = rate(lambda: lambda raw: parse_frame(raw, tools, everybody), posts)
    matched = rate(lambda: lambda raw: parse_frame(raw, tools, tagged), posts)
    return [
        row("parse.bluesky", parsed, "messages/s", "more", limit=limit),
        row("parse.bluesky.firehose", matched, "messages/s", "more", limit=limit),
    ]
