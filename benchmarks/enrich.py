"""How many texts a second one process normalises and matches: chat-like, with repeats, in many scripts, over the shipped topics.

The raw limit is one pass of the same automaton over the lower-cased text.
"""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Row, rate, row
from monitor.config import load
from monitor.enrich.normalise import normalise
from monitor.enrich.topics import Matcher

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, QUICK = 100_000, 5_000
ROOT = Path(__file__).resolve().parent.parent
OPENINGS = (
    "wow", "hola a todos", "привет всем", "大家好", "สวัสดีครับ", "مرحبا", "halo semua", "merhaba", "bonjour", "xin chào", "", "",
)  # fmt: skip
MIDDLES = (
    "the {} looks great tonight", "qué bonito {} con esa luz", "хочу такой же {}", "这个{}真好看", "อยากได้{}มาก", "متى تصل {} عندنا",
    "kapan {} masuk sini", "{} ne zaman gelecek", "je veux essayer {}", "bao giờ có {} vậy", "camera is shaking a bit", "who is on stage now?",
)  # fmt: skip
WORDS = (
    "chery", "OMODA 5", "super hybrid", "robot", "混动", "سيارة هجينة", "stage", "music", "driver", "lights", "colour", "seat", "door", "price",
)  # fmt: skip
SHORT = (
    "lol", "KEKW", "W", "🔥🔥🔥", "666", "😂", "GG", "hahaha", "哈哈哈", "jajaja", "555555", "ههههه", "nice", "??", "LUL LUL LUL",
)  # fmt: skip


def texts(count: int, dice: random.Random) -> list[str]:
    """35 % of the messages repeat one of a few hundred texts, by Zipf's law; the others are said once."""

    def sentence() -> str:
        said = (
            f"{dice.choice(OPENINGS)} {dice.choice(MIDDLES).format(dice.choice(WORDS))} {dice.choice(('', '!', '…', '😍', '??'))}"
        )
        return said.upper() if dice.random() < 0.1 else said

    waves = [*SHORT, *(sentence() for _ in range(300))]
    weights = list(accumulate(1 / rank for rank in range(1, len(waves) + 1)))
    return [
        dice.choices(waves, cum_weights=weights)[0] if dice.random() < 0.35 else f"{sentence()} {dice.randrange(10**6)}"
        for _ in range(count)
    ]


def run(size: int = SIZE) -> list[Row]:
    config = load(ROOT / "config.toml")
    said = texts(size, random.Random(1))
    topics, rules = Matcher(config.topics), Matcher(config.topics, config.rules)

    def matching(make: Callable[[], Matcher]) -> Callable[[], Callable[[str], object]]:
        def prepare() -> Callable[[str], object]:
            find = make().match  # a new one each round: its cache is empty
            return lambda text: find(text, ("en",))

        return prepare

    def bare(matcher: Matcher) -> float:
        """The automaton alone over the lower-cased text: no normalising, no boundaries, no cache."""
        return rate(lambda: lambda text: matcher._finder.hits(text.lower()), said)

    enriched = rate(matching(lambda: Matcher(config.topics)), said)
    classified = rate(matching(lambda: Matcher(config.topics, config.rules)), said)
    normalised = rate(lambda: normalise, said)
    return [
        row("enrich", enriched, "msgs/s", "more", limit=bare(topics)),  # as count does it: no rules
        row("classify", classified, "msgs/s", "more", limit=bare(rules)),
        row("enrich.normalise", normalised, "msgs/s", "more", limit=rate(lambda: str.lower, said)),
    ]
