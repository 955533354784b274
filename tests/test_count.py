"""The counter on a real Valkey: whatever it forgets, whoever takes over, the audit agrees."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from connectors.event import Gift, Level, Message, Removed, Viewers, as_json
from monitor.audit import audit_partition
from monitor.count import Counter
from monitor.derivation import Derivation, Place
from monitor.journal import Journal, author_key, digest, key
from monitor.reader import Reader
from monitor.windows import SINCE

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PARTITIONS = 2


def config(country: str = "BR", minutes: int = 5) -> Derivation:
    return Derivation(
        timezone="UTC",
        day_start="00:00",
        sessions=[("opening", START, START + timedelta(minutes=minutes), [])],
        topics=[("robots", {"*": ("robot",)}, {}, {})],
        cross=[("country", "topic")],
        outside_totals=[],
        livestreams={"a": Place(country, None, []), "b": Place("TH", None, [])},
    )


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=PARTITIONS).opened() as opened:
        await opened.prepare()
        yield opened


async def ingest(journal: Journal, *events) -> None:
    for event in events:
        await journal.ingest(0, [(digest(event.id), as_json(event))], tail=None)


def message(number: int, **more):
    at = START + timedelta(seconds=number % 400)
    return Message(
        **{
            "id": f"t:{number}",
            "platform": "twitch",
            "livestream": "a",
            "at": at,
            "received_at": at,
            "author": "ana",
            "text": "robot",
            **more,
        }
    )


def removed(number: int, **more):
    at = START + timedelta(seconds=400)
    return Removed(**{"id": f"r:{number}", "platform": "twitch", "livestream": "a", "at": at, "received_at": at, **more})


async def count(reader: Reader, rounds: int = 3) -> None:
    """Own everything, read until nothing is left."""
    for _ in range(rounds):
        await reader._own(0.0)
        while await reader.round(0.0):
            pass


async def totals(journal: Journal, partition: int = 0) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in (await journal.redis.hgetall(key(partition, "total"))).items()}


async def agrees(journal: Journal) -> bool:
    report = await audit_partition(journal, 0)
    assert report.differences == []
    assert report.incomplete == []
    return report.entries > 0


async def test_a_committed_message_is_taken_back_by_a_later_batch(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    await ingest(journal, message(1), message(2))
    await count(reader)
    await ingest(journal, removed(1, target="t:1"))
    await count(reader)
    assert (await totals(journal))["total|comments"] == 1
    assert (await totals(journal))["country+topic:BR+robots|comments"] == 1
    assert await agrees(journal)


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_ban_finds_what_the_author_said_even_after_a_takeover(journal, taken_over):
    """Without the index of the old owner the journal itself is scanned."""
    reader = Reader(journal, "count", Counter(journal, config()))
    await ingest(journal, message(1), message(2, author="bo"), message(3))
    await count(reader)
    if taken_over:
        await reader._leave()
        reader = Reader(journal, "count", Counter(journal, config()))
    await ingest(journal, removed(1, target_author="ana", from_=START, to=START + timedelta(seconds=400)))
    await count(reader)
    assert (await totals(journal))["total|comments"] == 1
    assert await agrees(journal)


async def test_after_a_change_of_configuration_old_messages_are_taken_back_as_they_were_counted(journal):
    counter = Counter(journal, config("BR"))
    reader = Reader(journal, "count", counter)
    await ingest(journal, message(1))
    await count(reader)
    counter.use(config("AR"))
    await ingest(journal, message(2), removed(1, target="t:1"))
    await count(reader)
    numbers = await totals(journal)
    assert (numbers["country:BR|comments"], numbers["country:AR|comments"]) == (0, 1)
    assert await agrees(journal)


async def test_levels_and_viewers_agree_with_the_recount(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    common = {"platform": "twitch", "livestream": "a"}
    for seconds, value in ((0, 10), (30, 7), (60, 25), (300, 40)):
        number, at = seconds, START + timedelta(seconds=seconds)
        await ingest(
            journal,
            Level(id=f"l:{number}", what="reactions", value=value, at=at, received_at=at, **common),
            Viewers(id=f"v:{number}", viewers=100 * value, at=at, received_at=at, **common),
        )
        await count(reader)
    numbers = await totals(journal)
    assert numbers["total|reactions"] == 40
    assert numbers["total|viewer_seconds"] == 1000 * 30 + 700 * 30 + 2500 * 180
    minutes = [await journal.minute(0, int(START.timestamp()) // 60 * 60 + seconds) for seconds in (0, 60, 300)]
    # Nobody knows when the first ten and, after four minutes without a look, the last fifteen were.
    assert [minute.get("total|reactions", 0) for minute in minutes] == [0, 15, 0]
    assert await agrees(journal)


async def test_random_histories_with_takeovers_and_stolen_leases_agree_with_the_audit(journal):
    """A seeded storm: batches, forgetting, foreign owners, baselines; the audit must agree at the end."""
    dice = random.Random(7)
    readers = [Reader(journal, "count", Counter(journal, config())) for _ in range(2)]
    number = 0
    for _step in range(40):
        events = []
        for _ in range(dice.randint(0, 12)):
            number += 1
            kind = dice.random()
            if kind < 0.7:
                events.append(message(number, livestream=dice.choice("ab"), author=dice.choice(["ana", "bo", "chi"])))
            elif kind < 0.8:
                events.append(
                    Gift(
                        id=f"g:{number}",
                        platform="twitch",
                        livestream="b",
                        at=START,
                        received_at=START,
                        name="bits",
                        amount_minor=5,
                        currency="BITS",
                    )
                )
            elif kind < 0.95:
                events.append(removed(number, target=f"t:{dice.randint(1, number + 3)}"))
            else:
                until = START + timedelta(seconds=dice.randint(0, 400))
                events.append(
                    removed(
                        number, livestream=dice.choice("ab"), target_author="ana", from_=until - timedelta(seconds=100), to=until
                    )
                )
        await ingest(journal, *events)
        reader = dice.choice(readers)
        if dice.random() < 0.2:
            reader.drop_all()  # forgets everything, as after a lost connection
        if dice.random() < 0.2:
            await journal.redis.delete(key(0, "lease:count"))  # expired: anybody may take it
            await journal.redis.delete("{count}:owners")
        await count(reader, 1)
    await journal.redis.delete(key(0, "lease:count"), "{count}:owners", "{count}:members")
    await count(readers[0])
    assert (await journal.checkpoint(0, "count")).position[0] == (await journal.redis.xrevrange(key(0, "s"), count=1))[0][
        0
    ].decode()
    assert await agrees(journal)


async def test_the_audit_goes_on_from_a_baseline(journal):
    counter = Counter(journal, config())
    reader = Reader(journal, "count", counter)
    await ingest(journal, message(1), message(2))
    await count(reader)
    for state in counter._partitions.values():
        state.baseline_at = -1e9  # ten minutes have passed
    await ingest(journal, message(3))
    await count(reader)
    await ingest(journal, message(4), removed(1, target="t:1"))
    await count(reader)
    assert await journal.redis.exists(key(0, "base:meta"))
    assert await agrees(journal)
    assert (await totals(journal))["total|comments"] == 3


async def test_the_audit_agrees_while_counting_goes_on(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    first = [message(number) for number in range(1, 2000)]
    await journal.ingest(0, [(digest(event.id), as_json(event)) for event in first], tail=None)
    await count(reader)
    audit = asyncio.create_task(audit_partition(journal, 0))
    number = 2000
    while not audit.done():
        await ingest(journal, message(number))
        await count(reader, 1)
        number += 1
    report = await audit
    assert (report.differences, report.incomplete) == ([], [])
    assert 2000 < report.entries < number, "nothing was counted meanwhile, so this says nothing"


async def test_the_audit_finds_a_wrong_number(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    await ingest(journal, message(1))
    await count(reader)
    await journal.redis.hincrby(key(0, "total"), "country:BR|comments", 1)
    report = await audit_partition(journal, 0)
    assert report.differences == ["partition 0 total country:BR|comments: counted 2, recounted 1"]


async def test_unique_authors_are_estimated_per_dimension(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    await ingest(journal, *(message(n, author=f"author {n % 7}") for n in range(30)))
    await count(reader)
    assert await journal.authors(["country:BR"], ["event", "day:2026-11-20"]) == {
        ("country:BR", "event"): 7,
        ("country:BR", "day:2026-11-20"): 7,
    }
    assert await journal.redis.pfcount(author_key("total", "session:opening")) == 7


async def test_an_idle_partition_says_up_to_when_it_is_counted(journal):
    reader = Reader(journal, "count", Counter(journal, config()))
    await reader._own(1.0)
    await reader.round(100.0)
    assert all(ms > 0 for ms in (await journal.caught_up()).values())


async def test_old_minutes_are_packed_and_late_events_are_added_beside_them(journal):
    """The journal's clock is of today, the events of whenever: what is old by the journal is packed."""
    counter = Counter(journal, config())
    reader = Reader(journal, "count", counter)
    long_ago = datetime.now(UTC) - timedelta(hours=5)
    old = {"at": long_ago, "received_at": long_ago + timedelta(hours=5)}
    await ingest(journal, message(1, **old), message(2, **old))
    await count(reader)
    counter._partitions[0].pack_at = 0.0
    await ingest(journal, message(3, **old))
    await count(reader)
    start = int(long_ago.timestamp()) // 60 * 60
    assert await journal.redis.exists(key(0, f"packed:{start}"))
    assert (await journal.minute(0, start))["total|comments"] == 3
    await ingest(journal, removed(1, target="t:1"))
    await count(reader)
    assert (await journal.minute(0, start))["total|comments"] == 2
    assert await agrees(journal)
    counter._partitions[0].pack_at = 0.0
    await ingest(journal, message(4))
    await count(reader)
    assert (await journal.minute(0, start))["total|comments"] == 2
    assert await journal.open_minutes(0) != []


async def test_a_prolonged_session_is_made_anew_from_the_minutes(journal):
    """What was said after its old end belongs to it now, also in the audit; a later retraction finds it there."""
    counter = Counter(journal, config(minutes=2))
    reader = Reader(journal, "count", counter)
    await ingest(journal, message(10), message(200))
    await count(reader)
    counter.use(config(minutes=5))
    await ingest(journal, message(11))
    await count(reader)
    session = await journal.redis.hgetall(key(0, "session:opening"))
    assert session[b"total|comments"] == b"3"
    assert any(change.rebased for _, change in (await journal.changes({0: ("", "")}, 0))[0])
    await ingest(journal, removed(1, target="t:200"))
    await count(reader)
    assert (await journal.redis.hgetall(key(0, "session:opening")))[b"total|comments"] == b"2"
    assert await agrees(journal)


# --- a session with tags, whose times change ------------------------------------------------------------------------------


def tracks(start: int = 0, minutes: int = 4, *, tagged: bool = False) -> Derivation:
    """A session of the livestream t:d; t:e belongs to it when it is ``tagged`` too. (Both are of partition 0.)"""
    begin = START + timedelta(minutes=start)
    return msgspec.structs.replace(
        config(),
        sessions=[("track", begin, begin + timedelta(minutes=minutes), ["track"])],
        livestreams={"t:d": Place("BR", None, ["track"]), "t:e": Place("TH", None, ["track"] if tagged else [])},
    )


async def session_of(journal: Journal) -> dict[str, int]:
    found = await journal.redis.hgetall(key(0, "session:track"))
    return {name.decode(): int(value) for name, value in found.items() if int(value)}


def heads_of(found: dict[str, int]) -> dict[str, int]:
    return {name: found.get(name, 0) for name in ("total|comments", "country:BR|comments", "topic:robots|comments")}


def said(number: int, **more):
    return message(number, **{"livestream": "t:d", "platform": "t", **more})


async def test_a_session_with_tags_that_moves_counts_what_was_said_in_its_new_times(journal):
    counter = Counter(journal, tracks())
    reader = Reader(journal, "count", counter)
    likes = Level(id="l:1", platform="t", livestream="t:d", at=START, received_at=START, what="reactions", value=7)
    more = Level(
        id="l:2", platform="t", livestream="t:d", at=START + timedelta(seconds=100), received_at=START, what="reactions", value=9
    )
    await ingest(journal, likes, more, said(10), said(130), said(310, text="nothing"), said(320), said(330, livestream="t:e"))
    await count(reader)
    assert heads_of(await session_of(journal)) == dict.fromkeys(heads_of({}), 2)
    counter.use(tracks(start=2))
    await ingest(journal, said(11))
    await count(reader)
    found = await session_of(journal)
    assert heads_of(found) == {"total|comments": 3, "country:BR|comments": 3, "topic:robots|comments": 2}
    assert "total|reactions" not in found
    assert SINCE not in found
    await ingest(journal, removed(1, target="t:130"), removed(2, target="t:10"), removed(3, target="t:320"))
    await count(reader)
    assert heads_of(await session_of(journal)) == {"total|comments": 1, "country:BR|comments": 1, "topic:robots|comments": 0}
    counter.use(tracks())
    await ingest(journal, said(12))
    await count(reader)
    assert (await session_of(journal))["total|reactions"] == 9
    assert await agrees(journal)


async def test_nobody_needs_to_say_anything_for_a_changed_schedule_to_hold(journal):
    counter = Counter(journal, tracks())
    reader = Reader(journal, "count", counter)
    await ingest(journal, said(10), said(310))
    await count(reader)
    counter.use(tracks(minutes=8))
    await count(reader)
    assert heads_of(await session_of(journal)) == dict.fromkeys(heads_of({}), 2)
    version = (await journal.checkpoint(0, "count")).version
    await count(reader)
    assert (await journal.checkpoint(0, "count")).version == version
    assert await agrees(journal)


async def test_a_livestream_that_gets_the_tag_brings_what_it_said(journal):
    counter = Counter(journal, tracks())
    reader = Reader(journal, "count", counter)
    await ingest(journal, said(10), said(20, livestream="t:e"))
    await count(reader)
    counter.use(tracks(tagged=True))
    await count(reader)
    assert (await session_of(journal))["country:TH|comments"] == 1
    await ingest(journal, removed(1, target="t:20", livestream="t:e"))
    await count(reader)
    assert (await session_of(journal)).get("country:TH|comments") is None
    assert await agrees(journal)


async def test_topics_that_the_journal_has_lost_are_told_with_the_time_from_which_on_they_are_known(journal, caplog):
    """A journal that was trimmed: what came before it is counted by country and livestream, and its topics are not invented."""
    counter = Counter(journal, tracks(start=1))
    reader = Reader(journal, "count", counter)
    await ingest(journal, said(10), said(20))
    await count(reader)
    rows = await journal.redis.xrange(key(0, "s"))
    await journal.redis.xtrim(key(0, "s"), minid=rows[1][0], approximate=False)
    counter.use(tracks())
    await ingest(journal, said(30))
    await count(reader)
    found = await session_of(journal)
    assert heads_of(found) == {"total|comments": 3, "country:BR|comments": 3, "topic:robots|comments": 2}
    assert found[SINCE] == int(rows[1][0].partition(b"-")[0]) // 1000 + 1
    assert "its topics are counted from there on" in caplog.text


async def test_a_configuration_that_comes_while_a_batch_is_derived_is_for_the_next_batch(journal):
    """The commit names the configuration with which it was derived; else what the change makes anew would never be made."""

    class Interrupted(Counter):
        async def _remember_authors(self, authors):
            self.use(tracks(start=2))
            await super()._remember_authors(authors)

    counter = Interrupted(journal, tracks())
    reader = Reader(journal, "count", counter)
    await ingest(journal, said(10), said(130), said(310))
    await count(reader)
    assert heads_of(await session_of(journal)) == dict.fromkeys(heads_of({}), 2)
    assert await agrees(journal)
