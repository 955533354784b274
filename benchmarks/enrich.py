"""How many texts a second one process normalises and matches: chat-like, with repeats, in many scripts, over the shipped topics."""

from __future__ import annotations

import random
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.config import load
from monitor.enrich.normalise import normalise
from monitor.enrich.topics import Matcher

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
OPENINGS = (
    "wow",
    "hola a todos",
    "привет всем",
    "大家好",
    "สวัสดีครับ",
    "مرحبا",
    "halo semua",
    "merhaba",
    "bonjour",
    "xin chào",
    "",
    "",
)
MIDDLES = (
    "the {} looks great tonight", "qué bonito {} con esa luz", "хочу такой же {}", "这个{}真好看", "อยากได้{}มาก", "متى تصل {} عندنا",
    "kapan {} masuk sini", "{} ne zaman gelecek", "je veux essayer {}", "bao giờ có {} vậy", "camera is shaking a bit", "who is on stage now?",
)  # fmt: skip
WORDS = (
    "chery",
    "OMODA 5",
    "super hybrid",
    "robot",
    "混动",
    "سيارة هجينة",
    "stage",
    "music",
    "driver",
    "lights",
    "colour",
    "seat",
    "door",
    "price",
)
SHORT = (
    "lol",
    "KEKW",
    "W",
    "🔥🔥🔥",
    "666",
    "😂",
    "GG",
    "hahaha",
    "哈哈哈",
    "jajaja",
    "555555",
    "ههههه",
    "nice",
    "??",
    "LUL LUL LUL",
)


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


def _rate(prepare: Callable[[], Callable[[str], object]], items: list[str], rounds: int = 3) -> float:
    """The best of some rounds by processor time (others run on the machine too); each begins with an empty cache."""
    best = float("inf")
    for _ in range(rounds):
        work = prepare()
        begun = time.process_time()
        for item in items:
            work(item)
        best = min(best, time.process_time() - begun)
    return len(items) / best


def run(count: int = 100_000) -> list[dict[str, object]]:
    """The list that `make bench` joins with the others."""
    config = load(ROOT / "config.toml")
    said = texts(count, random.Random(1))

    def matching(matcher: Matcher) -> Callable[[str], object]:
        return lambda text: matcher.match(text, ("en",))

    measured: dict[str, Callable[[], Callable[[str], object]]] = {
        "enrich": lambda: matching(Matcher(config.topics)),  # as count does it: no rules
        "classify": lambda: matching(Matcher(config.topics, config.rules)),
        "enrich.normalise": lambda: normalise,
    }
    return [
        {"name": name, "value": round(_rate(prepare, said)), "unit": "msgs/s", "better": "more"}
        for name, prepare in measured.items()
    ]


if __name__ == "__main__":
    for line in run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000):
        print(line)
