"""Runs the simulator: the crowd every tenth of a second, the platforms of the table, the ledger, and the handles that a test pulls.

``run`` is the entry; ``Simulator`` is the same thing for a test that wants to hold it. Control by HTTP GET, at the address that
simulator.json says: see docs/simulator.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from typing import TYPE_CHECKING

from connectors.simulator.air import Airtime
from connectors.simulator.control import Control, Renames
from connectors.simulator.crowd import Crowd
from connectors.simulator.faults import MILD, Faults, Mishaps
from connectors.simulator.ledger import Ledger
from connectors.simulator.platform import PLATFORMS, Setting, make
from connectors.simulator.texts import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from http import HTTPStatus
    from pathlib import Path

    from connectors.simulator.model import Sent, SimChannel
    from connectors.simulator.platform import SimPlatform

_STEP = 0.1
WRONG_ONE_IN = 150
"""So many channels of a lively crowd have a handle that is nobody's: it was mistyped when they signed up."""


class Simulator:
    """Crowd, platforms and ledger of one run; ``step`` is all that time does."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        *,
        rate: float = 490.0,
        seed: int = 1,
        sessions: Sequence[tuple[datetime, datetime]] = (),
        hashtags: Sequence[str] = (),
        ledger_dir: Path | None = None,
        faults: Faults | None = None,
        lively: bool = False,
        hooks: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        started = clock()
        self.run_id = hashlib.blake2b(f"{seed} {started}".encode(), digest_size=6).hexdigest()
        self.channels = channels
        self.paused = False
        posting = any(PLATFORMS[channel.platform].posts for channel in channels)
        self.crowd = Crowd(
            channels,
            random.Random(seed),
            load(),
            rate=rate,
            start=started,
            sessions=[(begin.timestamp(), end.timestamp()) for begin, end in sessions],
            run=self.run_id,
            strangers=min(5.0, rate * 0.01) if posting or hashtags else 0.0,
        )
        self.ledger = Ledger(ledger_dir, f"{int(started * 1000)}-{self.run_id}") if ledger_dir is not None else None
        rates = [room.pace.mean for room in self.crowd.rooms]
        self.air = Airtime(rates, random.Random(seed + 3), started, lively=lively, tags=hashtags, run=self.run_id)
        self.mishaps: dict[str, Mishaps] = {}
        self.platforms: dict[str, SimPlatform] = {}
        self._control = Control(self)
        for name in PLATFORMS:
            self.mishaps[name] = Mishaps(faults or Faults(), random.Random(f"{seed} mishaps {name}"), clock)
            self.platforms[name] = make(
                name,
                Setting(
                    channels=channels,
                    rates=rates,
                    air=self.air,
                    dice=random.Random(f"{seed} {name}"),
                    clock=clock,
                    hashtags=tuple(hashtags),
                    ledger=self.ledger,
                    mishaps=self.mishaps[name],
                    hooks=hooks,
                    control=self.control,
                ),
            )
        if lively:
            for index in random.Random(f"{seed} wrong").sample(range(len(channels)), len(channels) // WRONG_ONE_IN):
                platform = self.platforms[channels[index].platform]
                if isinstance(platform, Renames) and channels[index].native_id is None:
                    platform.rename(index, None)
        self._ended: set[str] = set()
        """Platforms whose broadcasts the plan has ended."""
        self._posting = [name for name in PLATFORMS if PLATFORMS[name].posts]
        self._places = [channel.platform for channel in channels]

    async def start(self, host: str = "127.0.0.1", ports: Mapping[str, int] | None = None) -> dict[str, object]:
        """Listen on all ports, where it can be on those of an earlier run; gives what the URLs file says."""
        told: dict[str, object] = {}
        for platform in self.platforms.values():
            told |= await platform.start(host, ports or {})
        return {**told, "pid": os.getpid()}

    def step(self) -> None:
        """Send what is due by now."""
        if not self.paused:
            sents: dict[str, list[Sent]] = {name: [] for name in self.platforms}
            for sent in self.crowd.advance(self.clock()):
                sents[self._where(sent)].append(sent)
            for name, platform in self.platforms.items():
                platform.deliver(sents[name])
        self._end_and_begin()
        for platform in self.platforms.values():
            platform.tick()

    def _end_and_begin(self) -> None:
        """Obey the plans that end every broadcast of a platform, or do not any more."""
        ended = {name for name, mishaps in self.mishaps.items() if mishaps.faults.ended}
        for index, name in enumerate(self._places) if ended != self._ended else ():
            if name in ended - self._ended:
                self.air.go_offline(index, stays=True)
            elif name in self._ended - ended:
                self.air.go_live(index, self.clock())
        self._ended = ended

    def _where(self, sent: Sent) -> str:
        """A stranger posts on one of the platforms on which people do: on the first mostly."""
        if sent.room >= 0:
            return self._places[sent.room]
        number = int(sent.native, 16) % 4
        return self._posting[number if number < len(self._posting) else 0]

    async def stop(self) -> None:
        """Close the sockets and the ledger."""
        for platform in self.platforms.values():
            await platform.stop()
        if self.ledger is not None:
            self.ledger.close()

    def control(self, path: str) -> tuple[HTTPStatus, str] | None:
        """The answer to a control request, or None when it is none."""
        return self._control.answer(path)

    def status(self) -> dict[str, int]:
        """Counts of everything."""
        counts = {
            "events": self.crowd.sent,
            "ledger_lines": self.ledger.lines if self.ledger else 0,
            "paused": int(self.paused),
            "told_again": sum(mishaps.told_again for mishaps in self.mishaps.values()),
            "on_air": sum(bool(air.id) for air in self.air.channels),
        }
        counts |= {f"told_again.{name}": mishaps.told_again for name, mishaps in self.mishaps.items()}
        for platform in self.platforms.values():
            counts |= platform.status()
        return counts


async def run(
    channels: Sequence[SimChannel],
    *,
    rate: float = 490.0,
    seed: int = 1,
    sessions: Sequence[tuple[datetime, datetime]] = (),
    hashtags: Sequence[str] = (),
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    ledger_dir: Path | None = None,
    faults: Faults | None = None,
    hooks: str = "",
    urls_file: Path | None = None,
) -> None:
    """Simulate until cancelled; the URLs file is written, whole, when the servers listen.

    Without ``faults`` they are mild, but none while a ledger is kept: a cut socket costs Twitch messages that the ledger has. For the
    same reason nobody goes offline then.
    """
    faults = faults or (Faults() if ledger_dir is not None else MILD)
    simulator = Simulator(
        channels,
        rate=rate,
        seed=seed,
        sessions=sessions,
        hashtags=hashtags,
        ledger_dir=ledger_dir,
        faults=faults,
        lively=ledger_dir is None,
        hooks=hooks,
    )
    urls = await simulator.start(host, ports)
    if urls_file is not None:
        _write_whole(urls_file, json.dumps(urls))
    loop = asyncio.get_running_loop()
    next_at = loop.time()
    flushed = 0
    try:
        while True:
            simulator.step()
            flushed += 1
            if simulator.ledger is not None and flushed % 10 == 0:
                simulator.ledger.flush()
            next_at = max(next_at + _STEP, loop.time() - 1)
            await asyncio.sleep(max(0.0, next_at - loop.time()))
    finally:
        await simulator.stop()


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, "utf-8")
    part.replace(path)
