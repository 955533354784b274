"""Keeps the roles of one machine alive: starts them, starts a dead one again, stops them in the order in which messages flow.

Promises: a role that dies comes back after 0.2 s, slower (up to 5 s) when it keeps dying; a role that ends with exit code 2 (a
person's mistake) stops the whole run instead of repeating its sentence for ever; the embedded Valkey comes back at once on the same
folder; when the supervisor itself is killed the roles end too.

That last one works by a pipe whose only writer is the supervisor: the kernel closes it however the supervisor dies, and each role
reads the end of file (``end_with_parent``). PR_SET_PDEATHSIG would need a preexec function, which is unsafe with threads, and fires
when the *thread* that started the child ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from monitor.engine import Engine

log = logging.getLogger("monitor.supervise")

STOP_ORDER: Final = ("simulate", "collect", "count", "moderate", "notify", "serve")
"""Upstream first, so that what is still in flight is counted and shown; the engine is last, after all of these."""
MISTAKE: Final = 2
"""Exit code of a role that needs a person, not a restart."""
PARENT_PIPE: Final = "MONITOR_PARENT_PIPE"
GRACE_SECONDS: Final = 10.0
HEALTHY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One child process."""

    name: str
    command: tuple[str, ...]


def pause(failures: int) -> float:
    """Seconds before the next start after so many failures in a row: 0.2, 0.4, 0.8 … 5."""
    return float(min(5.0, 0.2 * 2 ** min(failures - 1, 10)))


class Supervisor:
    """``run()`` until a signal, ``stop()``, or a mistake; returns the exit code."""

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        engine: Engine | None = None,
        state_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._roles = roles
        self._engine = engine
        self._state_file = state_file
        self._environment = dict(os.environ if environment is None else environment)
        self._grace = grace_seconds
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._code = 0

    @property
    def pids(self) -> dict[str, int]:
        """Role → pid of those that run now; the engine is ``valkey``."""
        found = {name: child.pid for name, child in self._children.items() if child.returncode is None}
        if self._engine is not None and self._engine.pid is not None:
            found["valkey"] = self._engine.pid
        return found

    def stop(self, code: int = 0) -> None:
        """Begin to stop; called a second time, stop waiting and kill."""
        if self._stopping.is_set():
            self._hurry.set()
        else:  # what follows, such as collect losing the simulator, is part of it
            log.info("Stopping, upstream first, so that what is on its way is still counted; once more (Ctrl-C) stops at once.")
        self._code = self._code or code
        self._stopping.set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        reader, self._writer = os.pipe()  # the writer stays here alone: descriptors are not inherited unless named
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                keepers = [tasks.create_task(self._keep(role, reader)) for role in self._roles]
                if self._engine is not None:
                    keepers.append(tasks.create_task(self._keep_engine(self._engine)))
                await self._stopping.wait()
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.wait(keepers)
                await self._stop_all()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            os.close(self._writer)  # ends whatever is left, were we to leave by an exception
            os.close(reader)
            if self._state_file is not None:
                self._state_file.unlink(missing_ok=True)
        return self._code

    async def _keep(self, role: Role, pipe: int) -> None:
        failures = 0
        while True:
            started = time.monotonic()
            code = await self._one_life(role, pipe)
            if code == MISTAKE:  # it has said its sentence; the same command would say it again
                self.stop(MISTAKE)
                return
            failures = 1 if time.monotonic() - started >= HEALTHY_SECONDS else failures + 1
            log.warning("%s %s; starting it again in %.1f s.", role.name, _how(code), pause(failures))
            await asyncio.sleep(pause(failures))

    async def _one_life(self, role: Role, pipe: int) -> int:
        child = await asyncio.create_subprocess_exec(
            *role.command,
            stdin=asyncio.subprocess.DEVNULL,
            env={**self._environment, PARENT_PIPE: str(pipe)},
            pass_fds=(pipe,),
            start_new_session=True,  # Ctrl-C is for us; the roles are stopped in order
        )
        self._children[role.name] = child
        self._write_state()
        return await child.wait()

    async def _keep_engine(self, engine: Engine) -> None:
        failures = 0
        while True:
            await engine.wait()
            log.warning("Valkey is gone; starting it again on the same folder.")
            started = time.monotonic()
            try:
                await engine.start()
            except Exception as error:  # noqa: BLE001 — a full disk now may be mended a minute later; the roles wait meanwhile
                failures += 1
                log.error("%s Trying again in %.1f s.", error, pause(failures))  # noqa: TRY400 — the sentence says it
                await asyncio.sleep(pause(failures))
                continue
            failures = 0
            log.info("Valkey is back after %.0f ms.", (time.monotonic() - started) * 1000)
            self._write_state()

    async def _stop_all(self) -> None:
        known = [name for name in STOP_ORDER if name in self._children]
        for name in (*known, *(name for name in self._children if name not in STOP_ORDER)):
            await self._stop_one(name, self._children[name])
        if self._engine is not None:
            await self._engine.stop()

    async def _stop_one(self, name: str, child: asyncio.subprocess.Process) -> None:
        if child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        ended = asyncio.ensure_future(child.wait())
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait({ended, hurry}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not ended.done():
            log.warning("%s did not stop in time and is killed.", name)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        await ended

    def _write_state(self) -> None:
        if self._state_file is not None:
            fresh = self._state_file.with_suffix(".new")
            fresh.write_text(json.dumps({"pid": os.getpid(), "roles": self.pids}))
            fresh.replace(self._state_file)


def role(name: str, options: Sequence[str] = ()) -> Role:
    """The role as ``monitor NAME``, run by this same interpreter."""
    return Role(name=name, command=(sys.executable, "-m", "monitor", name, *options))


def has_supervisor() -> bool:
    """Whether this process is a role of a ``monitor run``."""
    return bool(os.environ.get(PARENT_PIPE))


def end_with_parent(grace_seconds: float = GRACE_SECONDS) -> None:
    """In a role: when the supervisor is gone, end like after SIGTERM, and by force if that takes too long.

    A thread of its own, so that it also works while the event loop is busy.
    """
    pipe = os.environ.get(PARENT_PIPE)
    if not pipe:
        return

    def watch() -> None:
        try:
            os.read(int(pipe), 1)  # nobody ever writes: this returns at the end of file
        except OSError:  # the variable was inherited from further up, the descriptor was not
            return
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def _how(code: int) -> str:
    """How a process ended, in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
