"""Invented chat over the shipped roster: the events that several benchmarks send through their part of the river."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

from connectors.event import Message
from monitor import config as configuration
from monitor.roster import read_roster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.config import Config
    from monitor.roster import Roster

TEXTS = [
    "robot dance 🔥🔥", "CHERY to the moon", "que lindo el híbrido", "hello from the factory", "奇瑞 加油", "สวัสดีครับ", "LUL", "first",
    "когда в продаже?", "مرحبا من الرياض", "what is the price of the omoda", "ESG is the future", "wow", "hybrid range?", "ping ping ping",
    "intelligent driving looks smooth today", "gg", "hahaha", "o carro é bonito demais", "where is the robot",
]  # fmt: skip


def shipped() -> tuple[Config, Roster]:
    """The configuration and roster as they ship: 13 topics, 1,200 livestreams in over 100 countries."""
    config = configuration.load(None)
    assert config.roster_file is not None
    return config, read_roster(config.roster_file)


def chat(livestreams: list[str], count: int, *, seconds: float) -> Iterator[Message]:
    """So many messages, spread over the last seconds; a third of the texts is repeated, few livestreams have most of the chat."""
    dice = random.Random(1)
    now = datetime.now(UTC)
    for number in range(count):
        rank = min(int(dice.paretovariate(1.0)) - 1, len(livestreams) - 1)
        livestream = livestreams[rank] if number % 3 else dice.choice(livestreams)
        at = now - timedelta(seconds=seconds - number * seconds / count, milliseconds=dice.randint(0, 900))
        text = dice.choice(TEXTS) if dice.random() < 0.35 else f"{dice.choice(TEXTS)} {dice.choice(TEXTS)} {number % 5000}"
        # A livestream's own crowd: few write often, most write once.
        author = blake2b(f"{livestream} {min(int(dice.paretovariate(0.75)), 5000)}".encode(), digest_size=16).hexdigest()
        yield Message(
            id=f"twitch:{number:032x}",
            platform="twitch",
            livestream=livestream,
            at=at,
            received_at=at + timedelta(milliseconds=300),
            author=author,
            author_name=f"viewer{number % 9999}",
            text=text,
            url=f"https://www.twitch.tv/{livestream}",
        )
