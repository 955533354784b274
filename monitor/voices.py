"""Who may be quoted: the keeper's search that takes count's candidates to the wall, and the address at which people decide.

Promises: nothing is shown that moderation has not read; what is flagged, retracted, banned or of a livestream without consent is gone
with the next turn; what a person approved survives a restart and a change of keeper, for as long as texts may be kept. The decisions
are ``monitor.choose``; here it is read, written and asked.

| key | type | what |
|---|---|---|
| ``{wall}:voices`` | hash | id → ``Voice`` as JSON; expires with the texts |
| ``{wall}:voices:flags`` | hash | partition → how far its flags were read |
| ``{wall}:said`` | list | decisions that the keeper has not taken yet; any server appends |
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from aiohttp import web

from monitor.choose import DAY_MS, Around, Pool, Saying, Voice
from monitor.enrich.normalise import display
from monitor.enrich.topics import Matcher
from monitor.entry import is_within
from monitor.guard import VISITOR
from monitor.journal import Doubt, key
from monitor.moderation.rules import Flag, decode_record
from monitor.objects import object_in
from monitor.stage_store import decided, write_down
from monitor.wall_store import LEASE, PARTS, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from monitor.config import Config
    from monitor.feed import Feed
    from monitor.roster import Roster
    from monitor.wall_store import WallStore
    from monitor.windows import Highlight

VOICES: Final = "{wall}:voices"
CURSORS: Final = "{wall}:voices:flags"
SAID: Final = "{wall}:said"
MOST_SAID: Final = 1000
FLAGS_AT_ONCE: Final = 2000
MOST_FLAGGED: Final = 50_000
FLAGS_BACK_MS: Final = 2 * 3_600_000
"""How far back flags are read when nobody has kept the wall yet; rules are applied here once more, so nothing slips through."""
NAME_LENGTH: Final = 40
DECISIONS: Final = ("approve", "reject", "undo")

_encode = msgspec.json.Encoder().encode
_voice = msgspec.json.Decoder(Voice)
_saying = msgspec.json.Decoder(Saying)


class Voices:
    """A job of the keeper."""

    name = "voices"
    seconds = 0.5

    def __init__(self) -> None:
        self.pool = Pool()
        self._changed = False
        """Whether what is written is not what the pool holds."""
        self._written: dict[str, bytes] = {}
        self._part = b""
        self._cursors: dict[int, str] = {}
        self._flagged: OrderedDict[str, None] = OrderedDict()
        self._loads = -1
        self._config: Config | None = None
        self._roster: Roster | None = None
        self._matcher = Matcher()
        self._watched: frozenset[str] = frozenset()
        self._sure = False

    # what Keeper asks for

    async def begin(self, feed: Feed, store: WallStore) -> None:
        redis = store.journal.redis
        self._written = {name.decode(): data for name, data in (await redis.hgetall(VOICES)).items()}
        self.pool = Pool(voice for data in self._written.values() if (voice := _read_voice(data)) is not None)
        known = {int(name): at.decode() for name, at in (await redis.hgetall(CURSORS)).items()}
        start = f"{max(0, time.time_ns() // 1_000_000 - FLAGS_BACK_MS)}-0"
        self._cursors = {partition: known.get(partition, start) for partition in range(store.journal.partitions)}
        self._flagged.clear()
        self._part, self._loads, self._config, self._roster = b"", -1, None, None

    async def turn(self, feed: Feed, store: WallStore, now_ms: int, token: str) -> None:
        self._configure(feed)
        read, said = await self._look(store)
        if feed.counts.loads != self._loads:  # changes were missed: what they would have said is asked for
            self._loads = feed.counts.loads
            await self._look_at_bans(store)
        while feed.told:
            partition, highlights, removed = feed.told.popleft()
            self._retract(removed)
            self._offer(partition, highlights, now_ms)
        for data in said:
            if (saying := _read_saying(data)) is not None:
                self._note(self.pool.decide(saying, now_ms))
        around = self._around(feed, now_ms)
        self._note(self.pool.turn(around, read))
        part = orjson.dumps(self._shown(around.pinned), option=orjson.OPT_SORT_KEYS)
        if self._changed or said or part != self._part:
            await self._write(store, part, len(said), token, feed.config.privacy.texts_days)

    # reading

    def _configure(self, feed: Feed) -> None:
        """Rules and consent of now, made anew when a file changed."""
        config, roster = feed.config, feed.roster
        if self._config is config and self._roster is roster:
            return
        outside = {name for name, platform in config.platforms.items() if not (platform.enabled and platform.in_totals)}
        self._watched = frozenset(
            channel.id for channel in roster.watchable(config.require_consent) if channel.platform not in outside
        )
        self._sure = bool(roster.channels) and not any(channel.state == "unknown" for channel in roster.channels)
        if self._config is not config:
            self._matcher = Matcher((), config.rules)
            self._note(self.pool.recheck(self._is_clean))
        self._config, self._roster = config, roster

    def _around(self, feed: Feed, now_ms: int) -> Around:
        moderation, privacy = feed.config.moderation, feed.config.privacy
        pinned = feed.ticker.state.get("wall", {}).get("pinned")
        return Around(
            now_ms=now_ms,
            watched=self._watched,
            sure=self._sure,
            is_clean=self._is_clean,
            clean_after_ms=moderation.clean_after_seconds * 1000 if moderation.show == "clean" else None,
            pinned=str(pinned.get("message", "")) if isinstance(pinned, dict) else "",
            texts_ms=privacy.texts_days * DAY_MS,
            names_ms=privacy.names_days * DAY_MS,
        )

    async def _look(self, store: WallStore) -> tuple[dict[int, str], list[bytes]]:
        """How far moderation has read in each partition, with its flags up to there; what was retracted; what people said."""
        ids: dict[int, list[str]] = {}
        for voice in self.pool.everything():
            ids.setdefault(voice.partition, []).append(voice.id)
        pipeline = store.journal.redis.pipeline(transaction=False)
        for partition, cursor in self._cursors.items():
            # The cursor first: flags are published together with it, so all flags up to it are in what is read after it.
            pipeline.hget(key(partition, "ckpt:moderate"), "pos")
            pipeline.xrange(key(partition, "flags"), min=f"({cursor}", max="+", count=FLAGS_AT_ONCE)
            if partition in ids:
                pipeline.zmscore(key(partition, "removed"), ids[partition])
        pipeline.lrange(SAID, 0, MOST_SAID)
        *answers, said = await pipeline.execute()
        left = iter(answers)
        read: dict[int, str] = {}
        for partition in self._cursors:
            position, flags = next(left), next(left)
            self._take_flags(partition, flags)
            if len(flags) < FLAGS_AT_ONCE:
                read[partition] = position.decode() if position else ""
            if partition in ids:
                scores = zip(ids[partition], next(left), strict=True)
                self._note(self.pool.drop(name for name, score in scores if score is not None))
        return read, said

    async def _look_at_bans(self, store: WallStore) -> None:
        for partition in {voice.partition for voice in self.pool.everything()}:
            async for member, _ in store.journal.redis.zscan_iter(key(partition, "removed"), match="ban|*", count=1000):
                self._retract([member.decode()])

    def _take_flags(self, partition: int, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for entry, fields in entries:
            self._cursors[partition] = entry.decode()
            record = decode_record(fields[b"d"])
            event = record.event if isinstance(record, Flag) else record.retracted
            self._flagged[event] = None
            self._note(self.pool.drop([event]))
        while len(self._flagged) > MOST_FLAGGED:
            self._flagged.popitem(last=False)

    # taking

    def _note(self, changed: bool) -> None:
        self._changed = self._changed or changed

    def _is_clean(self, text: str) -> bool:
        return not self._matcher.match(text).flags

    def _retract(self, removed: Iterable[str]) -> None:
        """Ids, and bans, which reach quotations of any age."""
        for one in removed:
            if not one.startswith("ban|"):
                self._note(self.pool.drop([one]))
                continue
            _, livestream, author, start, end = one.split("|")
            self._note(
                self.pool.drop_where(
                    lambda voice, livestream=livestream, author=author, start=start, end=end: (  # type: ignore[misc]
                        voice.livestream == livestream and author in ("", voice.author) and is_within(voice.at, start, end)
                    )
                )
            )

    def _offer(self, partition: int, highlights: Iterable[Highlight], now_ms: int) -> None:
        for one in highlights:
            if one.id not in self._flagged:
                self.pool.offer(
                    Voice(
                        id=one.id, text=one.text, livestream=one.livestream, platform=one.platform, country=one.country,
                        at=one.at, position=one.position, partition=partition, taken_ms=now_ms, since_ms=now_ms,
                        language=one.language, name=one.name, author=one.author, topics=one.topics, score=one.score,
                        script=one.script,
                    )
                )  # fmt: skip

    # showing

    def _shown(self, pinned: str) -> dict[str, dict[str, Any]]:
        return {
            voice.id: as_shown(voice) | ({"pinned": True} if voice.id == pinned else {})
            for voice in self.pool.of("approved", "clean", "waiting")
            if voice.livestream in self._watched
        }

    async def _write(self, store: WallStore, part: bytes, said: int, token: str, days: int) -> None:
        """What is shown, what is remembered and which decisions were taken: all of it while the wall is ours, or nothing."""
        voices = {voice.id: _encode(voice) for voice in self.pool.voices.values()}
        new = {name: data for name, data in voices.items() if self._written.get(name) != data}
        gone = self._written.keys() - voices.keys()
        async with store.journal.redis.pipeline(transaction=True) as pipe:
            await pipe.watch(LEASE)
            if await pipe.hget(LEASE, "token") != token.encode():
                raise Doubt("FENCED", 0)
            pipe.multi()
            if new:
                pipe.hset(VOICES, mapping=new)
            if gone:
                pipe.hdel(VOICES, *gone)
            pipe.expire(VOICES, days * 86_400)
            pipe.hset(CURSORS, mapping=dict(self._cursors))
            pipe.expire(CURSORS, days * 86_400)
            if said:
                pipe.ltrim(SAID, said, -1)
            if part != self._part:
                pipe.hset(PARTS, "highlights", part)
                pipe.incr(VERSION)
            await pipe.execute()
        self._written, self._part, self._changed = voices, part, False


def as_shown(voice: Voice) -> dict[str, Any]:
    """One entry of the part: neutralised, and without its author."""
    shown: dict[str, Any] = {
        "text": display(voice.text),
        "country": voice.country,
        "livestream": voice.livestream,
        "platform": voice.platform,
        "topics": voice.topics,
        "at": voice.at,
        "score": voice.score,
        "state": voice.state,
    }
    if voice.language:
        shown["language"] = voice.language
    if name := display(voice.name)[:NAME_LENGTH].strip():
        shown["name"] = name
    return shown


def _read_voice(data: bytes) -> Voice | None:
    try:
        return _voice.decode(data)
    except msgspec.MsgspecError:
        return None  # of another version; it is taken away with the next writing


def _read_saying(data: bytes) -> Saying | None:
    try:
        return _saying.decode(data)
    except msgspec.MsgspecError:
        return None


# --- people -----------------------------------------------------------------------------------------------------------


async def forget_author(redis: Any, author: str) -> int:
    """Erase what an author (pseudonym) said from everything that may be quoted; the keeper does it with its next turn."""
    found = [voice.id for data in await redis.hvals(VOICES) if (voice := _read_voice(data)) and voice.author == author]
    if found:
        await redis.rpush(SAID, *(_encode(Saying(name, "erase")) for name in found))
    return len(found)


def add_voices(app: web.Application, store: WallStore, *, now_ms: Callable[[], int]) -> None:
    """``POST /api/highlights``: approve, reject or undo; in force on every wall within a second. Who may is in ``monitor.access``.

    Who said what about which message stands in the log together with it, or neither does.
    """
    redis = store.journal.redis

    async def decide(request: web.Request) -> web.Response:
        said = read_decision(await request.read())
        if said is None:
            return web.Response(status=400, text='Expected {"id": …, "decision": "approve", "reject" or "undo"}.\n')
        if not await redis.hexists(VOICES, said.id):
            return web.Response(status=404, text="There is no such message any more: it was retracted, or has had its time.\n")
        if await redis.llen(SAID) >= MOST_SAID:
            return web.Response(status=503, text="Nobody keeps the wall at the moment; try again when it runs.\n")
        async with redis.pipeline(transaction=True) as pipe:
            pipe.rpush(SAID, _encode(said))
            write_down(pipe, decided(said.decision, by=request[VISITOR].name, now_ms=now_ms(), message=said.id))
            await pipe.execute()
        return web.Response(body=b'{"decided":true}', content_type="application/json", headers={"Cache-Control": "no-store"})

    app.router.add_post("/api/highlights", decide)


def read_decision(body: bytes) -> Saying | None:
    """None when it is no such thing."""
    found = object_in(body)
    name, decision = found.get("id"), found.get("decision")
    if not isinstance(name, str) or not 1 <= len(name) <= 300 or decision not in DECISIONS:
        return None
    return Saying(name, decision)
