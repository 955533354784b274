"""How many lines of Twitch chat one process turns into events in a second; the raw limit beside it is splitting the same lines."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from benchmarks.measure import Row, rate, row
from connectors.connector import make_pseudonym
from connectors.twitch.parse import Context, parse_line

SIZE, QUICK = 100_000, 5_000


def lines(count: int, dice: random.Random) -> list[str]:
    """Chat as it looks on the wire: 5,000 authors in 90 channels, now and then a reply or bits, many scripts."""
    texts = (
        "this robot is amazing",
        "Olá da fábrica 👋",
        "奇瑞 太棒了",
        "รถสวยมาก",
        "سيارة جميلة",
        "LUL LUL",
        "what is the range of the new one?",
    )
    made = []
    for n in range(count):
        author = int(5_000 * dice.random() ** 2)
        extra = "bits=100;" if n % 97 == 0 else ""
        reply = (
            f"reply-parent-msg-body=two\\swords;reply-parent-msg-id={n - 1:08x}-f339-41ca-b4d4-7c0721438570;"
            if n % 12 == 0
            else ""
        )
        made.append(
            f"@badge-info=;badges=premium/1;{extra}color=#004B49;display-name=User{author};emotes=;first-msg=0;flags=;"
            f"id={n:08x}-f339-41ca-b4d4-7c0721438570;mod=0;{reply}returning-chatter=0;room-id=11148817;subscriber=0;"
            f"tmi-sent-ts={1790000000000 + n};turbo=0;user-id={author};user-type= "
            f":user{author}!user{author}@user{author}.tmi.twitch.tv PRIVMSG #channel{n % 90} :{dice.choice(texts)} {n}"
        )
    return made


def run(size: int = SIZE) -> list[Row]:
    chat = lines(size, random.Random(1))
    livestreams = {f"channel{n}": f"twitch:channel{n}" for n in range(90)}
    context = Context(datetime.now(UTC), make_pseudonym(b"a key for the benchmark"), livestreams)
    value = rate(lambda: lambda line: parse_line(line, context), chat)
    limit = rate(lambda: lambda line: line.split(";"), chat)
    return [row("parse.twitch", value, "lines/s", "more", limit=limit)]
