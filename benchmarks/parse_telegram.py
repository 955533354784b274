"""How many of Telegram's updates one process turns into events a second, in answers of a hundred as a busy poll gets them; the raw limit beside
it is decoding the same answers."""

from __future__ import annotations

import random

import orjson

from benchmarks.measure import Row, rate, row
from connectors.connector import Tools, make_pseudonym
from connectors.telegram import Telegram

SIZE, QUICK = 50_000, 1_000
WORDS = ("this robot is amazing", "Olá da fábrica 👋", "奇瑞 太棒了", "what is the range?", "سيارة جميلة")


def answers(count: int, dice: random.Random) -> list[bytes]:
    """Comments of 5,000 people in 90 groups, one in twelve a reply."""
    updates = []
    for n in range(count):
        who = {
            "id": 10**9 + int(5_000 * dice.random() ** 2),
            "is_bot": False,
            "first_name": "Zoë",
            "last_name": f"{n}",
            "language_code": "en",
        }
        chat = {"id": -1001000000000 - n % 90, "title": "Summit live", "type": "supergroup"}
        message = {
            "message_id": n + 1,
            "from": who,
            "chat": chat,
            "date": 1792238400 + n // 100,
            "text": f"{dice.choice(WORDS)} {n}",
        }
        if n % 12 == 0:
            message["reply_to_message"] = {key: message[key] for key in ("message_id", "from", "chat", "date", "text")}
        updates.append({"update_id": 871_000_000 + n, "message": message})
    return [orjson.dumps({"ok": True, "result": updates[start : start + 100]}) for start in range(0, count, 100)]


def run(size: int = SIZE) -> list[Row]:
    tools = Tools(pseudonym=make_pseudonym(b"a key for the benchmark"))
    livestreams = {str(-1001000000000 - n): f"telegram:{n}" for n in range(90)}
    polled = answers(size, random.Random(1))
    each = size / len(polled)
    assert sum(len(Telegram.parse(raw, tools, livestreams=livestreams)) for raw in polled) == size
    value = rate(lambda: lambda raw: Telegram.parse(raw, tools, livestreams=livestreams), polled)
    limit = rate(lambda: orjson.loads, polled)
    return [row("parse.telegram", value * each, "updates/s", "more", limit=limit * each)]
