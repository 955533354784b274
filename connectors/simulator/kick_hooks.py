"""The sender of Kick's webhooks: signed, up to three times, and given up without a word.

Deliveries go out side by side; one that takes something back waits for what was sent of its broadcaster before, as the ledger could not
be compared otherwise. With ``patient`` it never gives up: then what was sent and what was taken are the same in the end. An address that
fails for a day loses its subscriptions.

Unconfirmed: when Kick tries again, and whether a repeated delivery is signed anew; here it is, after one and after five seconds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from connectors.simulator.attempts import Attempts, break_off
from connectors.simulator.kick_key import signature
from connectors.simulator.kick_wire import exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.simulator.faults import Mishaps
    from connectors.simulator.kick_wire import Webhook
    from connectors.simulator.serving import Bell

MOST_WAITING: Final = 20_000
"""Deliveries on their way; beyond, new ones are lost."""
PAUSES: Final = (1.0, 5.0)
"""Seconds before the second and the third attempt; who is patient goes on with the last one."""
FAILED_SECONDS: Final = 24 * 3600.0
LATE_SECONDS: Final = 1.0
"""So much later comes what is put out of order."""


@dataclass(slots=True)
class Delivery:
    """One webhook on its way."""

    user: int
    subscription: str
    webhook: Webhook
    takes_back: bool
    done: Callable[[bool], None]
    """Is told once whether it was taken."""
    again: bool = False
    """It was taken before, and is sent once more."""


class Sender:
    """Delivers to one address, for as long as ``open`` is entered."""

    def __init__(
        self,
        url: str,
        *,
        mishaps: Mishaps,
        clock: Callable[[], float],
        bell: Bell,
        patient: bool,
        unsubscribe: Callable[[], None],
    ) -> None:
        self.url = url
        self.taken = self.lost = 0
        self._mishaps, self._clock, self._bell = mishaps, clock, bell
        self._patient = patient
        self._unsubscribe = unsubscribe
        self._failing_since: float | None = None
        self._attempts = Attempts()
        self._under_way: dict[int, set[asyncio.Task[None]]] = {}
        """Broadcaster → deliveries."""
        self._waiting = 0
        self._sent: set[int] = set()
        """Broadcasters of whom anything was taken."""

    @property
    def waiting(self) -> int:
        """Deliveries on their way."""
        return self._waiting

    def put(self, delivery: Delivery) -> None:
        """It goes out when there is a place."""
        if self._waiting >= MOST_WAITING:
            self._end(delivery, taken=False)
            return
        before = tuple(self._under_way.get(delivery.user, ())) if delivery.takes_back else ()
        task = asyncio.create_task(self._deliver(delivery, before))
        self._waiting += 1
        self._under_way.setdefault(delivery.user, set()).add(task)
        task.add_done_callback(lambda done: self._forget(delivery.user, done))

    def begin_anew(self, is_wanted: Callable[[Delivery], bool]) -> None:
        """As after a restart of the sender: the end of what was taken is sent again (``overlap``), under the same ids."""
        for user in sorted(self._sent):
            for delivery in self._mishaps.again((self, user)):
                if is_wanted(delivery):
                    self.put(replace(delivery, takes_back=False, done=_nothing, again=True))

    def after(self, user: int, done: Callable[[], None]) -> None:
        """Call it once everything of this broadcaster that is under way has arrived or was given up."""
        before = tuple(self._under_way.get(user, ()))
        if not before:
            done()
            return

        async def wait() -> None:
            await asyncio.wait(before)
            done()

        task = asyncio.create_task(wait())
        self._waiting += 1
        self._under_way.setdefault(user, set()).add(task)
        task.add_done_callback(lambda finished: self._forget(user, finished))

    async def stop(self) -> None:
        """What is under way is lost."""
        tasks = [task for some in self._under_way.values() for task in some]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._attempts.close()

    def _forget(self, user: int, task: asyncio.Task[None]) -> None:
        self._waiting -= 1
        some = self._under_way[user]
        some.discard(task)
        if not some:
            del self._under_way[user]

    def _end(self, delivery: Delivery, *, taken: bool) -> None:
        self.taken += taken
        self.lost += not taken
        delivery.done(taken)

    # --- one delivery -------------------------------------------------------------------------------------------------------

    async def _deliver(self, delivery: Delivery, before: tuple[asyncio.Task[None], ...]) -> None:
        if before:
            await asyncio.wait(before)
        fate = self._mishaps.fate()
        if fate == "drop":
            self._end(delivery, taken=False)
            return
        if fate in ("stall", "reorder"):
            await self._until(self._clock() + (self._mishaps.faults.stall_seconds if fate == "stall" else LATE_SECONDS))
        if fate == "garbage":
            await self._attempt(delivery, self._mishaps.garbage())
        if fate == "half":
            body = delivery.webhook.body
            await break_off(self.url, body, self._headers(delivery, body), part=self._mishaps.cut(body))
        taken = await self._try(delivery)
        if taken and fate == "repeat":
            await self._attempt(delivery, delivery.webhook.body)
        if taken and not delivery.again:
            self._mishaps.went_out((self, delivery.user), delivery)
            self._sent.add(delivery.user)
        self._end(delivery, taken=taken)

    async def _try(self, delivery: Delivery) -> bool:
        failures = 0
        while not await self._attempt(delivery, delivery.webhook.body):
            failures += 1
            if failures > len(PAUSES) and not self._patient:
                return False
            await self._until(self._clock() + PAUSES[min(failures, len(PAUSES)) - 1])
        return True

    async def _until(self, at: float) -> None:
        while self._clock() < at:
            await self._bell.wait()

    async def _attempt(self, delivery: Delivery, body: bytes) -> bool:
        """Whether the address answered with success."""
        good = await self._attempts.post(self.url, body, self._headers(delivery, body))
        self._note(good=good)
        return good

    def _note(self, *, good: bool) -> None:
        now = self._clock()
        if good:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= FAILED_SECONDS:
            self._failing_since = None
            self._unsubscribe()

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        stamp = exact(int(self._clock() * 1000))
        over = b"something else" if self._mishaps.forges() else body
        return {
            "Content-Type": "application/json",
            "Kick-Event-Message-Id": delivery.webhook.id,
            "Kick-Event-Subscription-Id": delivery.subscription,
            "Kick-Event-Signature": signature(delivery.webhook.id, stamp, over),
            "Kick-Event-Message-Timestamp": stamp,
            "Kick-Event-Type": delivery.webhook.kind,
            "Kick-Event-Version": "1",
        }


def _nothing(_taken: bool) -> None:
    """Whoever sends again has been told already."""
