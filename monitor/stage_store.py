"""The producer's stage in Redis, and what one server knows of it.

| key | type | what |
|---|---|---|
| ``{wall}:stage`` | string | ``stage.Stage`` as JSON; changed only by compare-and-set, so that of two commands at once none is lost |
| ``{wall}:seen`` | string | when a lead's phone was last awake, Unix milliseconds |
| ``{wall}:frozen`` | string | the numbers of the moment of the freeze, for every server and also after a restart |
| ``{wall}:log`` | stream | who did what and when; only ever added to, the oldest of many thousand are trimmed |

Promise: the safe scene comes on this server's walls at once, also while Redis is away; it is then written as soon as that is back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from redis.exceptions import WatchError

from monitor import stage as stages
from monitor.journal import Doubt
from monitor.moments import iso
from monitor.profiles import frozen, kept, phrases_of, stage_state
from monitor.stage import Freeze, Safe, SafeScene, Seen, Stage, Unfreeze

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config import Config

STAGE: Final = "{wall}:stage"
SEEN: Final = "{wall}:seen"
FROZEN: Final = "{wall}:frozen"
LOG: Final = "{wall}:log"
MOST_LOGGED: Final = 10_000
MOST_ATTEMPTS: Final = 100

log = logging.getLogger("monitor.stage")


class StageStore:
    """Typed calls on one Redis client; errors are the caller's."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    async def read(self) -> tuple[Stage, int | None]:
        """The stage, and when a lead's phone was last awake."""
        stage, seen = await self.redis.mget(STAGE, SEEN)
        return stages.read_stage(stage), int(seen) if seen else None

    async def act(
        self, command: stages.AnyCommand, *, by: str, now_ms: int, config: Config, state: Mapping[str, Any] | None = None
    ) -> Stage:
        """Apply a command to the newest stage, write it down, and answer what it is now. ``state`` is what a freeze freezes."""
        for _ in range(MOST_ATTEMPTS):
            async with self.redis.pipeline(transaction=True) as pipe:
                try:
                    await pipe.watch(STAGE)
                    before = stages.read_stage(await pipe.get(STAGE))
                    after = stages.apply(before, command, by=by, now_ms=now_ms, config=config)
                    pipe.multi()
                    pipe.set(SEEN, now_ms)
                    if after is not before:
                        pipe.set(STAGE, stages.encode(after))
                    if isinstance(command, Freeze) and before.frozen_ms is None:
                        pipe.set(FROZEN, orjson.dumps({"at_ms": after.frozen_ms, "state": kept(state or {})}))
                    if isinstance(command, Unfreeze):
                        pipe.delete(FROZEN)
                    if not isinstance(command, Seen):
                        self._note(pipe, command, by, now_ms, after)
                    await pipe.execute()
                except WatchError:
                    continue
                return after
        raise Doubt("CONTENDED", 0)

    async def put_up_safe(self, safe: SafeScene) -> Stage:
        """What was decided while Redis was away, or by the dead man: the safe scene, if it is not up already."""
        for _ in range(MOST_ATTEMPTS):
            async with self.redis.pipeline(transaction=True) as pipe:
                try:
                    await pipe.watch(STAGE)
                    before = stages.read_stage(await pipe.get(STAGE))
                    if before.safe is not None:
                        return before
                    after = msgspec.structs.replace(before, version=before.version + 1, safe=safe)
                    pipe.multi()
                    pipe.set(STAGE, stages.encode(after))
                    self._note(pipe, Safe(), safe.by, safe.since_ms, after)
                    await pipe.execute()
                except WatchError:
                    continue
                return after
        raise Doubt("CONTENDED", 0)

    async def moment(self) -> tuple[int, dict[str, Any]] | None:
        """When the wall was frozen, and its numbers then."""
        data = await self.redis.get(FROZEN)
        if not data:
            return None
        found = orjson.loads(data)
        return int(found["at_ms"]), found["state"]

    async def newest(self, count: int) -> list[dict[str, Any]]:
        """The log, newest first."""
        entries = await self.redis.xrevrange(LOG, count=count)
        return [orjson.loads(fields[b"entry"]) for _, fields in entries]

    def _note(self, pipe: Any, command: stages.AnyCommand, by: str, now_ms: int, after: Stage) -> None:
        entry = {
            "at": iso(now_ms), "by": by, "severity": stages.SEVERITY[type(command)], "version": after.version,
            **msgspec.to_builtins(command),
        }  # fmt: skip
        write_down(pipe, entry)


def write_down(to: Any, entry: Mapping[str, Any]) -> Any:
    """One line of the log, by a client (to be awaited) or a pipeline: names of tokens and ids, never what somebody wrote."""
    return to.xadd(LOG, {"entry": orjson.dumps(entry)}, maxlen=MOST_LOGGED, approximate=True)


def decided(what: str, *, by: str, now_ms: int, **about: str) -> dict[str, Any]:
    """As a line of the log: what somebody decided beside the stage."""
    return {"at": iso(now_ms), "by": by, "severity": "change", "command": what, **about}


class Staging:
    """What this server shows of the stage; ``look`` a few times a second."""

    def __init__(self, store: StageStore, config: Config, *, build: str = "") -> None:
        self.store = store
        self.build = build
        self.stage: Stage | None = None
        """None: not known yet."""
        self._config = config
        self._phrases = phrases_of(config)
        self._seen_ms: int | None = None
        self._moment: tuple[int, dict[str, Any]] | None = None
        self._owed: SafeScene | None = None
        """A safe scene that Redis does not know of yet."""
        self._acts = 0
        self._complained = False

    def reconfigure(self, config: Config) -> None:
        self._config, self._phrases = config, phrases_of(config)

    async def look(self) -> None:
        """What other servers and phones said since. One turn."""
        await self._pay()
        acts = self._acts
        try:
            stage, seen_ms = await self.store.read()
        except msgspec.DecodeError:
            if not self._complained:
                log.error("%s cannot be read: a newer version wrote it; walls keep the scene they have", STAGE)  # noqa: TRY400
            self._complained = True
            return
        if stage.frozen_ms is not None and (self._moment is None or self._moment[0] != stage.frozen_ms):
            self._moment = await self.store.moment()
        if self._owed is None and self._acts == acts:  # else what was read is older than what was said meanwhile
            self.stage, self._seen_ms = stage, seen_ms

    async def act(self, command: stages.AnyCommand, *, by: str, now_ms: int, state: Mapping[str, Any]) -> None:
        """Obey; raises Refused, or the errors of Redis. The safe scene is up on our walls whatever Redis says."""
        await self._pay()
        self._seen_ms = now_ms
        if isinstance(command, Safe):
            self._put_up(SafeScene(now_ms, by, "lead"))
        stage = await self.store.act(command, by=by, now_ms=now_ms, config=self._config, state=state)
        self._owed = None
        self._acts += 1
        if stage.frozen_ms is not None and (self._moment is None or self._moment[0] != stage.frozen_ms):
            self._moment = await self.store.moment()
        self.stage = stage

    def part(self, now_ms: int) -> dict[str, Any] | None:
        """``wall`` of the state; None while it is not known. Here the dead man looks at the clock."""
        if self.stage is None:
            return None
        if (safe := stages.tripped(self.stage, self._config, self._seen_ms, now_ms)) is not None and safe.safe is not None:
            log.warning("No lead's phone was seen for %d s: the safe scene is up.", self._config.wall.dead_man_seconds)
            self._put_up(safe.safe)
        part = stages.shown(self.stage, self._config, now_ms, seen_ms=self._seen_ms, build=self.build)
        if self._frozen() is None:  # never "frozen" above numbers that move
            part.pop("frozen_at", None)
        return part | {"profile": "room"}

    def on_stage(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the profile *stage* is sent."""
        moment = self._frozen()
        return stage_state(state if moment is None else frozen(state, moment), self._phrases)

    def _frozen(self) -> dict[str, Any] | None:
        known = self.stage is not None and self._moment is not None and self._moment[0] == self.stage.frozen_ms
        return self._moment[1] if known and self._moment is not None else None

    async def _pay(self) -> None:
        """First of all: else what is read next would take the safe scene down again."""
        if self._owed is not None:
            await self.store.put_up_safe(self._owed)
            self._owed = None

    def _put_up(self, safe: SafeScene) -> None:
        stage = self.stage or Stage()
        if stage.safe is None:
            self.stage = msgspec.structs.replace(stage, version=stage.version + 1, safe=safe)
            self._owed = safe
            self._acts += 1
