"""Voices on a real Valkey, from ingest to the state that walls are sent: held back, shown, off at once, and still there after a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from connectors.event import Message, Removed, as_json
from monitor.access import new_token
from monitor.choose import ADMIT_MS, WAITING_MS, Voice
from monitor.config import Config, Event, KeywordRule, Moderation, Platform, Privacy
from monitor.count import Counter
from monitor.derivation import derivation
from monitor.feed import Feed
from monitor.journal import Journal, digest, key, partition_of
from monitor.keeper import Keeper
from monitor.metrics import make_registry
from monitor.moderation.moderate import Moderator
from monitor.moderation.rules import Rulebook
from monitor.moments import iso
from monitor.reader import Reader
from monitor.roster import Channel, Roster
from monitor.stage_store import StageStore
from monitor.voices import SAID, VOICES, Voices, as_shown, forget_author, read_decision
from monitor.wall_store import WallStore
from monitor.web import make_app

PARTITIONS = 4
SPOKEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LINES = {
    "a": "que lindo el híbrido en la pista",
    "b": "这个机器人跳舞真的太厉害了",
    "c": "مرحبا من الرياض، متى يصل",
    "d": "when does the factory tour begin",
}
CONFIG = Config(
    event=Event(name="Summit", timezone=ZoneInfo("UTC")),
    rules=(KeywordRule(id="scam", severity=3, phrases={"*": ("free iphone",)}),),
    platforms={"twitch": Platform(name="twitch"), "shadow": Platform(name="shadow", in_totals=False)},
    partitions=PARTITIONS,
)
CLEAN = replace(CONFIG, moderation=Moderation(show="clean", clean_after_seconds=30))


def channel(name: str, **more) -> Channel:
    usual = {
        "attendee": name,
        "name": name,
        "country": "BR",
        "language": None,
        "platform": "twitch",
        "handle": name,
        "consent": "yes",
    }
    return Channel(id=f"twitch:{name}", **{**usual, **more})


ROSTER = Roster(channels=tuple(channel(name) for name in LINES))


def message(name: str, text: str, livestream: str = "twitch:a", **more) -> Message:
    usual = {"platform": "twitch", "at": SPOKEN, "received_at": SPOKEN, "author": f"by-{name}", "author_name": f"{name} the fan"}
    return Message(id=f"t:{name}", livestream=livestream, text=text, **{**usual, **more})


def removal(name: str, livestream: str = "twitch:a", **more) -> Removed:
    at = SPOKEN + timedelta(hours=1)
    return Removed(id=f"r:{name}", platform="twitch", livestream=livestream, at=at, received_at=at, **more)


class River:
    """Everything from ingest to the frame, each step when a test says so."""

    def __init__(self, journal: Journal, config: Config = CONFIG, roster: Roster = ROSTER) -> None:
        self.journal = journal
        self.store = WallStore(journal)
        self.now = 1_800_000_000_000
        self.at = 1e9
        self.counter = Reader(journal, "count", Counter(journal, derivation(config, roster)))
        self.moderator = Reader(journal, "moderate", Moderator(journal, Rulebook(config.rules, roster)))
        self.serve(config, roster)

    def serve(self, config: Config = CONFIG, roster: Roster = ROSTER) -> None:
        """A server, or another one after it."""
        self.feed = Feed(config, roster, self.journal, wall=self.store, now_ms=lambda: self.now)
        self.voices = Voices()
        self.keeper = Keeper(self.feed, self.store, [self.voices], now_ms=lambda: self.now)

    async def say(self, *events) -> None:
        await self.show()  # the server runs already: what is committed before it begins is not offered
        for event in events:
            partition = partition_of(event.livestream, PARTITIONS)
            await self.journal.ingest(partition, [(digest(event.id), as_json(event))], tail=None)

    async def read(self, reader: Reader) -> None:
        for _ in range(3):  # the last one finds nothing left, and says so
            self.at += 1000.0
            await reader._own(self.at)
            while await reader.round(self.at):
                pass

    async def count(self) -> None:
        await self.read(self.counter)

    async def moderate(self) -> None:
        await self.read(self.moderator)

    async def show(self) -> dict[str, dict]:
        """What walls are sent now, before the keeper had another turn."""
        await self.feed.follow()
        await self.feed.look_at_wall()
        self.feed.tick()
        return self.feed.ticker.state.get("highlights", {})

    async def keep(self, seconds: float = 0.5) -> dict[str, dict]:
        """So much later the keeper has a turn."""
        self.now += int(seconds * 1000)
        await self.show()
        await self.keeper.renew()
        assert self.keeper.owner
        await self.keeper.turns(at=self.now / 1000)
        return await self.show()

    async def said(self) -> dict[str, dict]:
        """Four messages from four livestreams, counted and moderated, waiting for a person."""
        await self.say(*(message(name, text, f"twitch:{name}") for name, text in LINES.items()))
        await self.count()
        await self.moderate()
        for _ in range(4):
            shown = await self.keep(ADMIT_MS / 1000)
        return shown

    async def forget(self) -> None:
        """Hours later: the journal has forgotten what was said."""
        await self.counter._leave()
        for partition in range(PARTITIONS):
            await self.journal.redis.delete(*(key(partition, name) for name in ("s", "ckpt:count", "seen:cur")))
        self.counter = Reader(self.journal, "count", Counter(self.journal, derivation(CONFIG, ROSTER)))

    async def decide(self, name: str, decision: str) -> None:
        await self.journal.redis.rpush(SAID, orjson.dumps([f"t:{name}", decision]))


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=PARTITIONS).opened() as opened:
        await opened.prepare()
        yield opened


@pytest.fixture
async def river(journal):
    return River(journal)


def states(shown: dict[str, dict]) -> dict[str, str]:
    return {name.removeprefix("t:"): one["state"] for name, one in shown.items()}


async def test_a_message_goes_from_the_journal_to_the_wall_when_a_person_approves_it(river):
    shown = await river.said()
    assert states(shown) == dict.fromkeys("abcd", "waiting")
    assert shown["t:b"] == {
        "text": LINES["b"], "country": "BR", "livestream": "twitch:b", "platform": "twitch", "topics": [], "at": "2026-11-20T12:00:00Z",
        "score": shown["t:b"]["score"], "state": "waiting", "language": "zh", "name": "b the fan",
    }  # fmt: skip
    await river.decide("b", "approve")
    assert states(await river.keep())["b"] == "approved"
    assert states(await river.keep(WAITING_MS / 1000)) == {"b": "approved"}


async def test_nothing_is_shown_that_moderation_has_not_read(river):
    await river.say(message("a", LINES["a"]))
    await river.count()
    for _ in range(4):
        assert await river.keep(5.0) == {}
    await river.moderate()
    assert states(await river.keep(5.0)) == {"a": "waiting"}


async def test_what_moderation_flags_never_stands_on_the_wall(river):
    await river.say(message("a", "come here and get a free iphone"), message("d", LINES["d"], "twitch:d"))
    await river.moderate()
    await river.count()
    assert states(await river.keep(5.0)) == {"d": "waiting"}


async def test_a_flag_of_rules_that_the_server_does_not_have_counts_too(journal):
    river = River(journal)
    river.serve(replace(CONFIG, rules=()))
    await river.say(message("a", "come here and get a free iphone"))
    await river.count()
    await river.moderate()
    assert await river.keep(5.0) == {}


async def test_a_deleted_message_is_off_the_wall_with_the_next_tick_even_while_nobody_keeps_it(river):
    await river.said()
    await river.decide("a", "approve")
    assert "a" in states(await river.keep())
    total = river.feed.ticker.state["totals"]["comments"]["total"]
    await river.say(removal("a", target="t:a"))
    await river.count()
    shown = await river.show()
    assert "t:a" not in shown
    assert river.feed.ticker.state["totals"]["comments"]["total"] == total - 1
    await river.store.write({"spikes": {}})  # whatever makes the parts be read again
    assert "t:a" not in await river.show()
    assert "t:a" not in await river.keep()
    assert not await river.journal.redis.hexists(VOICES, "t:a")


@pytest.mark.parametrize("author", ["by-a", None])
async def test_a_ban_takes_an_approved_message_off_however_old_it_is(river, author):
    await river.said()
    await river.decide("a", "approve")
    await river.decide("b", "approve")
    assert states(await river.keep())["a"] == "approved"
    await river.forget()
    await river.say(removal("x", target_author=author, from_=SPOKEN - timedelta(days=1), to=SPOKEN + timedelta(days=1)))
    await river.count()
    assert "a" not in states(await river.keep())
    assert "b" in states(await river.keep())


async def test_a_flag_that_comes_late_takes_an_approved_message_off(river):
    await river.said()
    await river.decide("a", "approve")
    await river.keep()
    partition = partition_of("twitch:a", PARTITIONS)
    flag = {
        "kind": "flag",
        "id": "x|t:a",
        "event": "t:a",
        "rule": "x",
        "severity": 4,
        "span": [0, 1],
        "platform": "twitch",
        "at": "",
        "received_at": "",
        "text": "",
    }
    await river.journal.redis.xadd(key(partition, "flags"), {"n": "n", "d": orjson.dumps(flag)})
    assert "a" not in states(await river.keep())


async def test_a_flagged_message_that_is_deleted_is_dropped_with_its_flags(river):
    await river.said()
    partition = partition_of("twitch:b", PARTITIONS)
    record = {"kind": "retracted", "retracted": "t:b", "at": "2026-11-20T12:00:00Z"}
    await river.journal.redis.xadd(key(partition, "flags"), {"n": "n", "d": orjson.dumps(record)})
    assert "b" not in states(await river.keep())


async def test_what_was_approved_is_there_after_a_restart_and_with_another_keeper(river):
    await river.said()
    await river.decide("b", "approve")
    await river.decide("d", "reject")
    await river.keep()
    await river.keeper.release()
    river.serve()
    shown = states(await river.keep())
    assert shown == {"a": "waiting", "b": "approved", "c": "waiting"}
    await river.decide("d", "undo")
    assert states(await river.keep())["d"] == "waiting"


async def test_what_was_retracted_while_no_server_ran_is_not_there_after_the_restart(river):
    await river.said()
    for name in "abc":
        await river.decide(name, "approve")
    await river.keep()
    await river.keeper.release()
    await river.forget()
    ban = removal("x", "twitch:b", target_author="by-b", from_=SPOKEN, to=SPOKEN + timedelta(minutes=1))
    await river.say(removal("a", target="t:a"), ban)
    await river.count()
    flag = {"kind": "retracted", "retracted": "t:c", "at": ""}
    await river.journal.redis.xadd(key(partition_of("twitch:c", PARTITIONS), "flags"), {"n": "n", "d": orjson.dumps(flag)})
    river.serve()
    assert states(await river.keep()) == {"d": "waiting"}


async def test_a_former_keeper_cannot_put_back_what_is_gone(river):
    await river.said()
    former = river.keeper
    await river.journal.redis.delete("{wall}:lease")
    river.serve()
    await river.say(removal("a", target="t:a"))
    await river.count()
    assert "a" not in states(await river.keep())
    await river.decide("b", "reject")
    assert set(states(await river.keep())) == {"c", "d"}
    former.owner = True
    former.jobs[0]._part = b""  # it has something to write
    assert {one.id for one in former.jobs[0].pool.of("waiting")} >= {"t:b"}
    await former.turns(at=1e12)
    assert set(states(await river.show())) == {"c", "d"}
    assert not await river.journal.redis.hexists(VOICES, "t:a")


@pytest.mark.parametrize("said", [{"consent": None}, {"state": "withdrawn"}, {"state": "paused"}, {"verified": False}])
async def test_a_livestream_without_consent_loses_its_messages(river, said):
    await river.said()
    await river.decide("a", "approve")
    assert "a" in states(await river.keep())
    river.feed.reconfigure(CONFIG, Roster(channels=(channel("a", **said), *ROSTER.channels[1:])))
    assert set(states(await river.keep())) == {"b", "c", "d"}
    assert not await river.journal.redis.hexists(VOICES, "t:a")


async def test_while_nobody_knows_who_has_withdrawn_a_message_is_not_shown_and_not_forgotten(river):
    await river.said()
    await river.decide("a", "approve")
    await river.keep()
    river.feed.reconfigure(CONFIG, Roster(channels=(channel("a", state="unknown"), *ROSTER.channels[1:])))
    assert set(states(await river.keep())) == {"b", "c", "d"}
    river.feed.reconfigure(CONFIG, ROSTER)
    assert states(await river.keep())["a"] == "approved"


async def test_other_rules_take_off_what_they_hit(river):
    await river.said()
    await river.decide("a", "approve")
    await river.keep()
    rules = (KeywordRule(id="new", severity=1, phrases={"*": ("híbrido",)}),)
    river.feed.reconfigure(replace(CONFIG, rules=rules), ROSTER)
    assert set(states(await river.keep())) == {"b", "c", "d"}


async def test_an_author_who_is_erased_is_gone_from_the_wall_and_from_redis(river):
    await river.said()
    await river.decide("a", "approve")
    await river.keep()
    assert await forget_author(river.journal.redis, "by-a") == 1
    assert await forget_author(river.journal.redis, "nobody") == 0
    assert "a" not in states(await river.keep())
    assert b"by-a" not in b"".join(await river.journal.redis.hvals(VOICES))


async def test_texts_leave_redis_after_their_time(river):
    await river.said()
    left = await river.journal.redis.ttl(VOICES)
    assert 0 < left <= CONFIG.privacy.texts_days * 86_400
    river.feed.reconfigure(replace(CONFIG, privacy=Privacy(texts_days=1)), ROSTER)
    await river.decide("a", "approve")
    await river.keep()
    assert "a" in states(await river.keep(86_000))
    assert await river.keep(400) == {}
    assert await river.journal.redis.hlen(VOICES) == 0


async def test_clean_after_so_long_shows_what_nobody_flagged(journal):
    river = River(journal, CLEAN)
    shown = await river.said()
    assert set(states(shown).values()) == {"waiting"}
    await river.keep(29)
    assert set(states(await river.keep(5)).values()) == {"clean"}


@pytest.mark.parametrize(("show", "kinds"), [("approved", ["approval"]), ("clean", [])])
async def test_who_must_act_is_told_of_waiting_messages_only_where_nothing_is_shown_without_a_yes(journal, show, kinds):
    river = River(journal, replace(CONFIG, moderation=Moderation(show=show, clean_after_seconds=3600)))
    await river.said()
    attention = river.feed.ticker.state["attention"].values()
    assert [line["kind"] for line in attention if line["kind"] == "approval"] == kinds


async def test_a_pinned_message_says_so(river):
    await river.said()
    await river.store.write({"wall": {"pinned": {"message": "t:b"}}})
    shown = await river.keep()
    assert [name for name, one in shown.items() if one.get("pinned")] == ["t:b"]


async def test_a_part_that_did_not_change_is_not_written_again(river):
    await river.said()
    version = await river.store.version()
    await river.keep()
    await river.keep()
    assert await river.store.version() == version


@given(st.text(max_size=100), st.text(max_size=60))
def test_what_is_shown_is_neutralised_and_names_nobodys_pseudonym(text, name):
    shown = as_shown(
        Voice(
            id="x", text=f"{text}\u202eevil\u0001" + "e" + "\u0301" * 50, livestream="l", platform="p", country="BR", at="", position="", partition=0,
            taken_ms=0, since_ms=0, name=name, author="pseudonym",
        )
    )  # fmt: skip
    words = shown["text"] + shown.get("name", "")
    assert not set(words) & {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", *map(chr, range(32))}
    assert "\u0301" * 5 not in words
    assert "pseudonym" not in orjson.dumps(shown).decode().replace(text, "").replace(name, "")
    assert None not in shown.values()


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"id":1,"decision":"approve"}', b'{"id":"x","decision":"erase"}', b'{"id":"","decision":"undo"}', b'{"id":"x"}', b'{"id":"x","decision":[]}'],
)  # fmt: skip
def test_only_a_whole_decision_is_one(body):
    assert read_decision(body) is None


async def test_deciding_over_http(river):
    await river.said()
    app = make_app(river.feed, now_ms=lambda: river.now)
    async with TestClient(TestServer(app)) as client:

        async def post(**body) -> int:
            async with client.post("/api/highlights", json=body) as answer:
                return answer.status

        assert await post(id="t:a", decision="approve") == 200
        assert await post(id="t:nobody", decision="approve") == 404
        assert await post(id="t:a", decision="erase") == 400
    assert {name: state for name, state in states(await river.keep()).items() if state == "approved"} == {"a": "approved"}
    assert await river.journal.redis.llen(SAID) == 0


async def test_the_log_says_who_approved_and_rejected_what_and_not_a_word_of_it(river):
    await river.said()
    text, token = new_token("moderator", "Mo", raw=b"m" * 32, id_="1" * 8, made="")
    viewer, looks = new_token("viewer", "Vi", raw=b"v" * 32, id_="2" * 8, made="")
    app = make_app(river.feed, now_ms=lambda: river.now, tokens=lambda: (token, looks))
    async with TestClient(TestServer(app)) as client:
        for who, name, decision in (
            (text, "t:a", "approve"),
            (viewer, "t:a", "reject"),
            (text, "t:b", "reject"),
            (text, "t:nobody", "reject"),
            (text, "t:b", "undo"),
        ):
            body = {"id": name, "decision": decision}
            await client.post("/api/highlights", json=body, headers={"Authorization": f"Bearer {who}"})
    assert await StageStore(river.journal.redis).newest(9) == [
        {"at": iso(river.now), "by": "Mo", "severity": "change", "command": what, "message": name}
        for what, name in (("undo", "t:b"), ("reject", "t:b"), ("approve", "t:a"))
    ]


@pytest.mark.parametrize(("role", "status"), [("moderator", 200), ("lead", 200), ("viewer", 403), ("metrics", 403), (None, 401)])
async def test_a_moderator_decides_from_anywhere_and_whoever_only_looks_does_not(river, role, status):
    await river.said()
    text, token = new_token(role or "lead", "Mo", raw=b"m" * 32, id_="1" * 8, made="")
    app = make_app(river.feed, tokens=lambda: (token,))
    async with TestClient(TestServer(app)) as client:
        away = {"X-Forwarded-For": "203.0.113.9"} | ({"Authorization": f"Bearer {text}"} if role else {})
        answer = await client.post("/api/highlights", json={"id": "t:a", "decision": "approve"}, headers=away)
        assert answer.status == status
    assert (states(await river.keep())["a"] == "approved") == (status == 200)


async def test_without_tokens_messages_are_approved_at_the_desk_and_not_through_a_proxy(river):
    await river.said()
    async with TestClient(TestServer(make_app(river.feed))) as client:
        said = {"id": "t:a", "decision": "approve"}
        through = await client.post("/api/highlights", json=said, headers={"X-Forwarded-For": "203.0.113.9"})
        assert through.status == 403
        assert (await client.post("/api/highlights", json=said)).status == 200


async def test_how_many_wait_is_a_metric(river):
    await river.said()
    await river.decide("a", "approve")
    await river.keep()
    registry = make_registry(river.feed, "1")
    found = {
        state: registry.get_sample_value("livestream_quotable_messages", {"state": state})
        for state in ("approved", "clean", "waiting")
    }
    assert found == {"approved": 1, "clean": 0, "waiting": 3}


async def test_so_many_retractions_are_remembered_and_no_more(river, monkeypatch):
    monkeypatch.setattr("monitor.feed.MOST_GONE", 3)
    await river.said()
    await river.store.write({"highlights": {"t:a": {"state": "approved"}}})  # somebody who has not heard of it yet
    await river.say(removal("a", target="t:a"))
    await river.count()
    assert "t:a" not in await river.show()
    await river.say(*(removal(f"x{n}", target=f"t:x{n}") for n in range(3)))
    await river.count()
    await river.show()
    await river.store.write({"spikes": {}})
    assert "t:a" in await river.show()
