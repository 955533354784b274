"""What ten times as many livestreams cost, of what must not cost all of them each time: a second of discovery, a post on Mastodon.

The raw limit is ten times (discovery: all are looked at in turn) or once (a post: it is of one person) what a tenth of them cost in the same run.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks.discovery import JUDGE_SECONDS, Days, at_once
from benchmarks.discovery_world import OPENS, Weather, World
from benchmarks.measure import Row, row
from connectors.connector import Target, Tools, Watch
from connectors.event import Message
from connectors.mastodon import Mastodon, Options
from monitor.discover_round import look

if TYPE_CHECKING:
    from connectors.rest import Ask, Reply

SIZE, QUICK = 10_000, 300
SMALLER: Final = 10
WARM, TURNS = 300, 120
POSTS: Final = 2_000


class Timed(Days):
    """Without the time that the platforms take to put their answers together."""

    answering = 0.0

    async def _fetch(self, ask: Ask) -> Reply:
        begun = time.process_time()
        try:
            return await super()._fetch(ask)
        finally:
            self.answering += time.process_time() - begun


def discovering(channels: int) -> float:
    """Milliseconds of processor time a second, once who is who has been asked for a while."""
    world = World(channels, 1, weather=Weather(units_per_day=10_000 * channels))
    world.at += (OPENS + 2) * 3600
    days = Timed(world, quiet=True)
    begun = 0.0
    for turn in range(WARM + TURNS):
        if turn == WARM:
            begun, days.answering = time.process_time(), 0.0
        for name, asking in days.asking.items():
            at_once(look(asking, days.rounds[name], days.book))
        if turn % JUDGE_SECONDS == 0:
            days.book.judge_all(days.book.rows, days.tools.now())
        days.book.taken()
        world.at += 1
    return (time.process_time() - begun - days.answering) / TURNS * 1000


def posting(people: int) -> float:
    """Microseconds a post of somebody of the roster."""
    targets = [Target(livestream=f"mastodon:p{number}", handle=f"p{number}@x.example") for number in range(people)]
    connector = Mastodon(Options(), Watch(targets), Tools(pseudonym=lambda *_: ""))
    connector._retarget()
    dice, now = random.Random(1), datetime.now(UTC)
    posts = [
        Message(id=f"mastodon:{number}", platform="mastodon", livestream=dice.choice(targets).livestream, at=now, received_at=now,
                text="x", form="post")
        for number in range(POSTS)
    ]  # fmt: skip
    begun = time.process_time()
    for post in posts:
        connector._hear([post])
    return (time.process_time() - begun) / POSTS * 1e6


def run(size: int = SIZE) -> list[Row]:
    return [
        row("growth.discovery", discovering(size), "ms/s", "less", limit=SMALLER * discovering(size // SMALLER)),
        row("growth.mastodon_post", posting(size), "µs/post", "less", limit=posting(size // SMALLER)),
    ]
