"""How many Jetstream frames one process parses a second: every one to an event, and all posts of the network matched by one hashtag."""

from __future__ import annotations

import random
import time

import orjson

from connectors.bluesky.wire import Reading, parse_frame
from connectors.connector import Tools, make_pseudonym

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


def run() -> list[dict[str, object]]:
    tools = Tools(pseudonym=make_pseudonym(b"benchmark"))
    posts = frames(50_000, random.Random(1))
    everybody = Reading()
    begin = time.perf_counter()
    events = sum(len(parse_frame(raw, tools, everybody)) for raw in posts)
    parsed = events / (time.perf_counter() - begin)
    reading = Reading(livestreams={}, tags=frozenset(["usersummit"]))
    begin = time.perf_counter()
    found = sum(len(parse_frame(raw, tools, reading)) for raw in posts)
    matched = len(posts) / (time.perf_counter() - begin)
    assert (events, found) == (50_000, 250)
    return [
        {"name": "parse.bluesky", "value": round(parsed), "unit": "messages/s", "better": "more"},
        {"name": "parse.bluesky.firehose", "value": round(matched), "unit": "messages/s", "better": "more"},
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
