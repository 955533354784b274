"""The role ``notify``: tells people about flags and spikes, through any service that Apprise speaks. One process works, the others stand by.

Every alert reads for itself (notify_target.py), so one whose service is down holds up nobody and loses nothing: its flags wait in their
streams.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from monitor.journal import Journal, ready
from monitor.moderation.alerts import Place
from monitor.moderation.delivery import make_sender
from monitor.notify_target import Target
from monitor.redis_client import RETRIABLE
from monitor.setup import Source
from monitor.stopping import stopping
from monitor.tally import Tally

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.settings import Settings

log = logging.getLogger("monitor.notify")

LEASE = "{notify}:lease"
LEASE_MS = 4000


class Notifier:
    """Holds the lease and runs one task per alert while it does."""

    def __init__(self, journal: Journal, wall: str) -> None:
        self.journal = journal
        self.wall = wall
        """Its address when the configuration names no public one."""
        self.tally = Tally()
        self.tally.show(f"notifications|{what}" for what in ("attempts", "sent", "failed", "suppressed"))
        self.active: bool | None = None
        """None: not known yet."""
        self._token = secrets.token_hex(8)
        self._held_until = 0.0
        self._wanted: dict[str, Target] = {}
        self._running: dict[str, tuple[Target, asyncio.Task[None]]] = {}
        self._said: set[str] = set()

    def use(self, config: Config) -> None:
        """Tell these alerts from now on; one whose address is the same goes on where it is."""
        place = Place(
            config.event.name, config.event.timezone, config.public.url or self.wall, config.rehearsal or config.simulator.enabled
        )
        wanted: dict[str, Target] = {}
        for number, alert in enumerate(config.alerts, 1):
            name = target_id(alert.to.reveal())
            while name in wanted:
                name += "+"
            known = self._wanted.get(name)
            if known is not None and known.alert == alert:
                known.place, known.severity = place, config.spikes.alert_severity
                wanted[name] = known
            elif (found := make_sender(alert.to.reveal())) is None:
                self._say_once(
                    logging.ERROR,
                    f"[[alert]] number {number} has an address that Apprise does not understand, so nothing is sent there; "
                    "docs/moderation.md shows what addresses look like",
                )
            else:
                service, send = found
                label = f"[[alert]] number {number} ({service})"
                wanted[name] = Target(
                    self.journal, self.tally, name, label, alert, place, send, severity=config.spikes.alert_severity
                )
        if not config.alerts:
            self._say_once(logging.INFO, "no [[alert]] is configured, so flags are told to nobody; docs/moderation.md shows how")
        self._wanted = wanted

    def _say_once(self, level: int, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            log.log(level, "%s", sentence)

    async def step(self, now: float) -> None:
        """Take or renew the lease, and let the right tasks run. About once a second."""
        try:
            async with asyncio.timeout(1.0):
                held = await self.journal.call("lm1_lease", [LEASE], self._token, LEASE_MS, "")
            self._held_until = now + LEASE_MS / 1000 * 0.75 if held else 0.0  # earlier than by the server's clock
        except RETRIABLE:
            pass  # it may still be ours, until the time that we know of
        active = now < self._held_until
        if active != self.active:
            log.info(
                "this process delivers the alerts"
                if active
                else "another process has the lease for the alerts (a dead one keeps it for some seconds); this one stands by"
            )
            self.active = active
        await self._reconcile(self._wanted if active else {})
        await self.tally.write(self.journal.redis)

    async def _reconcile(self, wanted: dict[str, Target]) -> None:
        for _, task in self._running.values():
            if task.done() and not task.cancelled():
                task.result()  # an error of ours must be loud
        gone = [name for name, (target, _) in self._running.items() if wanted.get(name) is not target]
        tasks = [self._running.pop(name)[1] for name in gone]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for name, target in wanted.items():
            if name not in self._running:
                self._running[name] = (target, asyncio.create_task(target.run()))

    async def close(self) -> None:
        """Stop, let what is under way end, and hand over."""
        await self._reconcile({})
        await self.tally.write(self.journal.redis)
        with suppress(*RETRIABLE):
            await self.journal.call("lm1_release", [LEASE], self._token)


def target_id(url: str) -> str:
    """Stands for an address where it must not be seen."""
    return blake2b(url.encode(), digest_size=6).hexdigest()


async def run(settings: Settings) -> int:
    """Deliver alerts until stopped; a changed file takes effect within seconds."""
    source = Source(settings)
    config = source.setup.config
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104 - compared, not bound
    wall = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/"
    async with Journal(settings.redis_url, partitions=config.partitions).opened() as journal:
        await ready(journal)
        notifier = Notifier(journal, wall)
        notifier.use(config)
        try:
            while not stopping():
                await notifier.step(asyncio.get_running_loop().time())
                await asyncio.sleep(0 if stopping() else 1.0)
                new = source.poll()
                if new is not None:
                    notifier.use(new.config)
        finally:
            await notifier.close()
    return 0
