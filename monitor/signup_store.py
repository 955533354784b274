"""The sign-ups in Redis, and how every role follows them.

| field of ``{signup}`` | what |
|---|---|
| ``p ID`` | ``signup.Signup`` as JSON |
| ``n PERSON`` | id of the first sign-up of this person |
| ``t HASH`` | id of the sign-up that this personal link opens |
| ``l HASH`` | ``signup.Liaison`` that this link is for |
| ``f LIVESTREAM`` | ``signup.Fix`` of a row of the roster's file |
| ``#version`` | raised by every change |

``{selfreport}`` (hash livestream → ``signup.SelfReport``) is read by discovery; ``{selfreport}:version`` changes with it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from redis.exceptions import WatchError

from monitor.redis_client import RETRIABLE, make_client
from monitor.signup import Fix, Liaison, SelfReport, Signup, Signups

if TYPE_CHECKING:
    from collections.abc import Callable

KEY: Final = "{signup}"
REPORTS: Final = "{selfreport}"
REPORTS_VERSION: Final = "{selfreport}:version"
FOLLOW_SECONDS: Final = 2.0
"""A withdrawal reaches every role within this and the second in which it looks."""
FIRST_SECONDS: Final = 10.0

log = logging.getLogger("monitor.signup")

_encode = msgspec.json.Encoder().encode
_person = msgspec.json.Decoder(Signup)
_fix = msgspec.json.Decoder(Fix)
_liaison = msgspec.json.Decoder(Liaison)
_report = msgspec.json.Decoder(SelfReport)


class TooManyError(Exception):
    """Others wrote again and again in between; the same again in a moment will do."""


class SignupStore:
    """Typed calls on one Redis client; errors of Redis are the caller's."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    async def version(self) -> int:
        return int(await self.redis.hget(KEY, "#version") or 0)

    async def all(self) -> Signups:
        """Everything but the links; a record that a newer version of ours wrote is left out."""
        people, fixes = [], {}
        for name, data in (await self.redis.hgetall(KEY)).items():
            kind, _, rest = name.decode().partition(" ")
            with suppress(msgspec.DecodeError):
                if kind == "p":
                    people.append(_person.decode(data))
                elif kind == "f":
                    fixes[rest] = _fix.decode(data)
        return Signups(people=tuple(sorted(people, key=lambda one: (one.made_at, one.id))), fixes=fixes)

    # people

    async def add(self, make: Callable[[bool], Signup], token_hash: str, person: str, id_: str) -> Signup:
        """``make`` is told whether nobody signed up as this person before."""
        first = bool(await self.redis.hsetnx(KEY, f"n {person}", id_))
        signup = make(first)
        await self._write({f"p {signup.id}": _encode(signup), f"t {token_hash}": signup.id})
        return signup

    async def of_token(self, token_hash: str) -> Signup | None:
        """Whose personal link it is."""
        found = await self.redis.hget(KEY, f"t {token_hash}")
        return await self.person(found.decode()) if found else None

    async def person(self, id_: str) -> Signup | None:
        data = await self.redis.hget(KEY, f"p {id_}")
        return _person.decode(data) if data else None

    async def change(self, id_: str, do: Callable[[Signup], Signup]) -> Signup | None:
        """Read, change, write, and again when somebody else wrote in between."""
        for _ in range(20):
            pipeline = self.redis.pipeline(transaction=True)
            async with pipeline:
                await pipeline.watch(KEY)
                data = await pipeline.hget(KEY, f"p {id_}")
                if data is None:
                    return None
                after = do(_person.decode(data))
                pipeline.multi()
                pipeline.hset(KEY, f"p {id_}", _encode(after))
                pipeline.hincrby(KEY, "#version", 1)
                try:
                    await pipeline.execute()
                except WatchError:
                    continue
                return after
        raise TooManyError

    # liaisons

    async def add_liaison(self, token_hash: str, liaison: Liaison) -> None:
        await self.redis.hset(KEY, f"l {token_hash}", _encode(liaison))

    async def liaison(self, token_hash: str) -> Liaison | None:
        data = await self.redis.hget(KEY, f"l {token_hash}")
        return _liaison.decode(data) if data else None

    async def revoke(self, wanted: Callable[[Liaison], bool]) -> int:
        """Close the lists of these liaisons; returns how many links that were."""
        found = await self.redis.hgetall(KEY)
        links = [name for name, data in found.items() if name.startswith(b"l ") and wanted(_liaison.decode(data))]
        return int(await self.redis.hdel(KEY, *links)) if links else 0

    async def new_link(self, id_: str, token_hash: str) -> None:
        """Another personal link; those before open nothing any more."""
        found = await self.redis.hgetall(KEY)
        if old := [name for name, data in found.items() if name.startswith(b"t ") and data == id_.encode()]:
            await self.redis.hdel(KEY, *old)
        await self._write({f"t {token_hash}": id_})

    async def fix(self, livestream: str, fix: Fix) -> None:
        """What a liaison said about a row of the file."""
        await self._write({f"f {livestream}": _encode(fix)})

    # what is live

    async def report(self, livestream: str, report: SelfReport) -> None:
        await self.redis.hset(REPORTS, livestream, _encode(report))
        await self.redis.incr(REPORTS_VERSION)

    async def reports_version(self) -> int:
        """Changes with any report; read before the reports, so that a change in between is seen the next time."""
        return int(await self.redis.get(REPORTS_VERSION) or 0)

    async def reports(self) -> dict[str, SelfReport]:
        """Livestream → the last word about it."""
        found = {}
        for name, data in (await self.redis.hgetall(REPORTS)).items():
            with suppress(msgspec.DecodeError):
                found[name.decode()] = _report.decode(data)
        return found

    async def drop_report(self, livestream: str) -> None:
        await self.redis.hdel(REPORTS, livestream)
        await self.redis.incr(REPORTS_VERSION)

    async def _write(self, fields: dict[str, Any]) -> None:
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.hset(KEY, mapping=fields)
        pipeline.hincrby(KEY, "#version", 1)
        await pipeline.execute()


class Follower:
    """The newest sign-ups, read by a thread of its own: who asks for the roster must never wait for Redis."""

    def __init__(self, url: str, *, every_seconds: float = FOLLOW_SECONDS) -> None:
        self._url, self._every = url, every_seconds
        self._newest = Signups(known=False)
        self._loaded = threading.Event()
        self._patience: float | None = FIRST_SECONDS
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="signups", daemon=True)
        self._thread.start()

    def newest(self) -> Signups:
        """At once, but for the first time, which waits a little; ``known`` is False when that was not enough."""
        if self._patience is not None:
            self._loaded.wait(self._patience)
            self._patience = None
        return self._newest

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._follow())
        self._loop.close()

    async def _follow(self) -> None:
        client = make_client(self._url, connections=1)
        store, seen, said = SignupStore(client), -1, False
        while not self._ended.is_set():
            try:
                version = await store.version()
                if version != seen:
                    self._newest, seen = await store.all(), version
                self._loaded.set()
                said = False
            except RETRIABLE as error:
                if not said:
                    log.warning("the sign-ups cannot be read (%s); those known so far stay in force", type(error).__name__)
                said = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._every)
        await client.aclose()


_followers: dict[str, Follower] = {}


def follower(url: str) -> Follower:
    """The one of this process."""
    if url not in _followers:
        _followers[url] = Follower(url)
    return _followers[url]
