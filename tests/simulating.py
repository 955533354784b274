"""For tests of the simulated platforms: a platform whose clock the test moves, and a reader that keeps a connector going as collect does."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.connector import Dropped, Health, Mark, Refused, Resume, Target, Throttled, Tools, Watch
from connectors.event import Gap, Gift, Message, Reaction, Removed, Share
from connectors.simulator.air import Airtime
from connectors.simulator.faults import Faults, Mishaps
from connectors.simulator.ledger import COUNTED, Ledger, standing
from connectors.simulator.model import Member, Sent, make_member
from connectors.simulator.platform import Setting
from connectors.simulator.texts import Text

NOON = 1_792_238_400.0
"""2026-10-17 12:00 UTC."""
KINDS = {Message: None, Gift: "gift", Share: "share", Reaction: "reaction"}


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self, start):
        self.now = start

    def __call__(self):
        return self.now


class World:
    """One platform and its clock."""

    def __init__(self, made_by, channels, folder, *, hashtags=(), faults=Faults(), **more):  # noqa: B008 — frozen
        self.now = NOON
        self.channels = channels
        self.dice = random.Random(7)
        self.people = [make_member(self.dice, number, "en", 9) for number in range(40)]
        self.mishaps = Mishaps(faults, random.Random(8), lambda: self.now)
        self.ledger = Ledger(folder, "test")
        self.said = 0
        self.strangers = 0
        rates = [1.0] * len(channels)
        self.platform = made_by(
            Setting(
                channels=channels, rates=rates, air=Airtime(rates, random.Random(1), NOON), dice=random.Random(9),
                clock=lambda: self.now, hashtags=tuple(hashtags), mishaps=self.mishaps,
                control=lambda _: None, **{"hooks": "", "ledger": self.ledger, **more},
            )
        )  # fmt: skip

    @asynccontextmanager
    async def running(self):
        self.told = await self.platform.start("127.0.0.1", {})
        try:
            yield self
        finally:
            await self.platform.stop()
            self.ledger.close()

    def say(self, room=0, kind="message", *, who=None, text=None, **more):
        """One thing is sent now."""
        self.said += 1
        member = who if isinstance(who, Member) else self.people[self.said % len(self.people) if who is None else who]
        words = None if text == "" else Text(text or f"text {self.said} – 你好 <b>&", "", ("chery",), "en")
        sent = Sent(kind, round(self.now * 1000) + self.said % 90, f"{self.said:x}", room, member, text=words, **more)
        self.platform.deliver([sent])
        return sent

    def newcomer(self):
        """Somebody who was never there before; who is banned never comes back."""
        self.strangers += 1
        return make_member(self.dice, 1000 + self.strangers, "en", 9)

    def step(self, seconds=0.1):
        self.now += seconds
        self.platform.tick()

    async def until(self, true, *, seconds=0.1):
        """Time passes until it is so."""
        async with asyncio.timeout(30):
            while not true():
                self.step(seconds)
                await asyncio.sleep(0.001)

    async def rest(self, steps=30):
        """Time passes, and whatever is on its way arrives."""
        for _ in range(steps):
            self.step()
            await asyncio.sleep(0.001)

    def lines(self):
        self.ledger.flush()
        return list(Ledger.read(self.ledger.path))

    def standing(self):
        return standing(self.lines())

    def tools(self):
        async def sleep(seconds):
            due = self.now + seconds
            while self.now < due:
                await asyncio.sleep(0.001)

        return Tools(
            pseudonym=lambda _, author: author, now=lambda: datetime.fromtimestamp(self.now, UTC), dice=random.Random(3),
            sleep=sleep,
        )  # fmt: skip


class Reader:
    """Connects again and again, from where the marks say; keeps what came by id."""

    def __init__(self, world, kind, options, targets, directory=None):
        self.world, self.kind, self.options, self.directory = world, kind, options, directory
        self.targets = {target.livestream: target for target in targets}
        self.events = {}
        self.failures = []
        self.health = {}
        self.repeats = 0

    @asynccontextmanager
    async def reading(self):
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()

    async def _run(self):
        tools = self.world.tools()
        while True:
            watch = Watch(self.targets.values(), self.directory)
            try:
                async with aclosing(self.kind(self.options, watch, tools).events()) as items:
                    async for item in items:
                        self.take(item)
            except (Dropped, Refused) as failure:
                self.failures.append(failure)
                await tools.sleep(0.5)
            except Throttled as failure:
                self.failures.append(failure)
                await tools.sleep(max(0.5, failure.until.timestamp() - self.world.now))

    def take(self, item):
        if isinstance(item, Mark):
            for name in item.livestreams:
                target = self.targets[name]
                resume = Resume(
                    cursor=item.cursor or target.resume.cursor, covered_until=item.covered_until or target.resume.covered_until
                )
                self.targets[name] = replace(target, resume=resume)
        elif isinstance(item, Health):
            self.health[item.livestream] = item
        else:
            self.repeats += item.id in self.events
            self.events[item.id] = item

    def of(self, *kinds):
        return [event for event in self.events.values() if isinstance(event, kinds)]

    def standing(self):
        """What counts after every removal, by id."""
        alive = {event.id: event for event in self.of(*KINDS)}
        for removal in self.of(Removed):
            if removal.target is not None:
                alive.pop(removal.target, None)
                continue
            for event in list(alive.values()):
                theirs = isinstance(event, Message) and event.livestream == removal.livestream
                if theirs and event.author == removal.target_author and removal.from_ <= event.at <= removal.to:
                    del alive[event.id]
        return alive

    def gaps(self):
        return self.of(Gap)


def kind_of(event):
    return event.form if isinstance(event, Message) else KINDS[type(event)]


def same(reader, world, *, tells_time=True):
    """What was read is what the ledger says, to the last thing."""
    expected, found = world.standing(), reader.standing()
    assert found.keys() == expected.keys(), (
        sorted(found.keys() - expected.keys())[:5],
        sorted(expected.keys() - found.keys())[:5],
    )
    for line in expected.values():
        event = found[line.id]
        assert (kind_of(event), event.livestream) == (line.kind, line.livestream)
        assert line.kind in COUNTED
        if tells_time:
            assert abs(event.at - datetime.fromtimestamp(line.at / 1000, UTC)) < timedelta(milliseconds=1)
        if isinstance(event, Message):
            assert event.text == line.text
        if isinstance(event, Gift) and event.currency is not None:
            assert (event.amount_minor, event.currency) == (line.amount, line.currency)
        if isinstance(event, (Gift, Reaction, Share)):
            assert event.count == line.units


def unharmed(reader, world, fate):
    """Whatever befell it, nothing was lost and nothing counted twice; and it really befell it."""
    same(reader, world)
    assert not reader.gaps()
    if fate in ("drop", "half"):
        assert {type(failure) for failure in reader.failures} == {Dropped}


async def let_in_again(reader, world, act, complete, *, status, failure):
    """Something is sent, whoever asks is refused with this status, something more is sent; reading goes on where it stopped."""
    act()
    world.mishaps.set(Faults(refuse=1.0, status=status, retry_after=2))
    await world.until(lambda: reader.failures)
    act()
    world.mishaps.calm()
    await world.until(complete)
    assert {type(one) for one in reader.failures} == {failure}
    same(reader, world)


def targets(channels, **more):
    return [
        Target(livestream=channel.livestream, handle=channel.handle, native_id=channel.native_id, **more) for channel in channels
    ]
