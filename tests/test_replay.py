"""Replay: what is in the file is in the journal once, at the pace that was asked for, whatever interrupts it."""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Secret, make_pseudonym
from connectors.event import Gap, Message, Removed, from_json
from connectors.recording import recording
from monitor.config import Config, ConfigError
from monitor.config import Event as ConfiguredEvent
from monitor.produce import Producer
from monitor.replay import Memories, Memory, Pace, Player, moved, note_on, numbered, run
from monitor.roster import Roster, parse_roster
from monitor.settings import Settings

CAPTURES = Path(__file__).parent / "captures" / "recording"
PSEUDONYM = make_pseudonym(b"test key")
START = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)


# --- pure -------------------------------------------------------------------------------------------------------------


@given(first=st.floats(0, 1e6), later=st.floats(0, 1e5), speed=st.floats(0.01, 1e4))
def test_spacing_is_divided_by_the_speed(first, later, speed):
    pace = Pace(START, first, speed)
    assert pace.due(first) == START
    assert abs((pace.due(first + later) - START).total_seconds() - later / speed) < 1e-3


def test_without_a_speed_everything_is_due_at_once():
    assert Pace(START, 0.0, None).due(1e9) == START


def test_what_lies_before_the_first_event_is_due_with_it():
    assert Pace(START, 100.0, 1.0).due(50.0) == START


def test_ranges_move_with_their_event():
    removed = Removed(
        id="t:1", platform="t", at=START, received_at=START, target_author="a", from_=START - timedelta(60), to=START
    )
    gap = Gap(id="t:2", platform="t", at=START, received_at=START, from_=START - timedelta(1), to=START, reason="r")
    then = START + timedelta(days=3)
    for event, days in ((removed, 60), (gap, 1)):
        found = moved(event, then, then)
        assert (found.at, found.received_at, found.to, found.to - found.from_) == (then, then, then, timedelta(days))
    assert moved(removed, START + timedelta(1), START).target_author == "a"


def test_each_play_has_ids_of_its_own_and_deletions_follow():
    message = Message(id="t:1", platform="t", at=START, received_at=START, text="x")
    removed = Removed(id="t:2", platform="t", at=START, received_at=START, target="t:1")
    assert numbered(message, 1) is message
    assert [numbered(event, 2).id for event in (message, removed)] == ["t:1#2", "t:2#2"]
    assert numbered(removed, 3).target == "t:1#3"


# --- playing, with time that only the test moves -----------------------------------------------------------------------


class Kept:
    """Where events go; like the journal it knows each id once."""

    def __init__(self, stop_after=None):
        self.events = []
        self.ids = set()
        self.added = self.duplicates = 0
        self._stop_after = stop_after

    async def put(self, events):
        if self._stop_after is not None and self.added >= self._stop_after:
            raise asyncio.CancelledError
        self.events += events
        new = {event.id for event in events} - self.ids
        self.ids |= new
        self.added += len(new)
        self.duplicates += len(events) - len(new)

    async def flushed(self):
        pass


def player(kept, folder, clock, **options):
    async def sleep(seconds):
        clock.advance(seconds)

    return Player(producer=kept, memories=Memories(folder), pseudonym=PSEUDONYM, now=clock.now, sleep=sleep, **options)


async def test_events_are_said_with_the_spacing_of_the_file(tmp_path, clock):
    kept = Kept()
    await player(kept, tmp_path, clock, speed=2.0).play(recording(CAPTURES / "danmaku.xml"))
    seconds = [(event.at - START).total_seconds() for event in kept.events if isinstance(event, Message)]
    assert seconds == [0.0, 0.375, 0.375, 3.125]
    assert all(
        timedelta(0) <= event.received_at - event.at <= timedelta(seconds=0.05)
        for event in kept.events
        if isinstance(event, Message)
    )


async def test_without_a_speed_all_is_said_now(tmp_path, clock):
    kept = Kept()
    await player(kept, tmp_path, clock).play(recording(CAPTURES / "rechat.json"))
    assert {(event.at, event.received_at) for event in kept.events} == {(START, START)}


async def test_kept_times_are_those_of_the_file_and_count_as_received_then(tmp_path, clock):
    kept = Kept()
    await player(kept, tmp_path, clock, keep_time=True).play(recording(CAPTURES / "rechat.json"))
    assert kept.events[0].at.isoformat() == "2026-10-17T12:00:01.082000+00:00"
    assert all(event.received_at == event.at for event in kept.events)


async def test_a_file_without_dates_cannot_keep_them(tmp_path, clock):
    path = tmp_path / "undated.jsonl"
    path.write_text(
        '{"author":{"id":"2003"},"message":"x","message_id":"t2","message_type":"text_message","time_in_seconds":13.0}\n'
    )
    with pytest.raises(ConfigError, match="without --keep-time"):
        await player(Kept(), tmp_path, clock, keep_time=True).play(recording(path))


async def test_the_sentence_tells_messages_from_the_rest(tmp_path, clock):
    assert await player(Kept(), tmp_path, clock).play(recording(CAPTURES / "vod.json")) == (
        "vod.json (TwitchDownloader JSON): 4 messages and 4 other events: 8 new, 0 already known"
    )


async def test_a_finished_file_is_remembered_by_its_content(tmp_path, clock):
    kept = Kept()
    await player(kept, tmp_path, clock).play(recording(CAPTURES / "rechat.json"))
    other = tmp_path / "other name.json"
    other.write_bytes((CAPTURES / "rechat.json").read_bytes())
    sentence = await player(kept, tmp_path, clock).play(recording(other))
    assert sentence == "other name.json: already replayed on 2026-10-16 12:00 UTC: 3 messages, 0 new; --again counts them again"
    assert (len(kept.events), kept.duplicates) == (3, 0)


async def test_again_counts_again_each_time(tmp_path, clock):
    kept = Kept()
    for _ in range(3):
        sentence = await player(kept, tmp_path, clock, again=True).play(recording(CAPTURES / "rechat.json"))
        assert sentence.endswith("3 messages: 3 new, 0 already known")
    assert {event.id.partition("#")[2] for event in kept.events} == {"", "2", "3"}


async def test_for_another_livestream_it_is_another_replay(tmp_path, clock):
    kept = Kept()
    await player(kept, tmp_path, clock).play(recording(CAPTURES / "rechat.json", "twitch:ana"))
    sentence = await player(kept, tmp_path, clock).play(recording(CAPTURES / "rechat.json", "twitch:bo"))
    assert sentence.endswith("3 messages: 3 new, 0 already known"), "whichever partition the other livestream is in"
    assert {event.id.partition("#")[2] for event in kept.events} == {"", "2"}
    await player(kept, tmp_path, clock, again=True).play(recording(CAPTURES / "rechat.json", "twitch:ana"))
    assert len({event.id for event in kept.events}) == 9


def test_a_livestream_that_the_roster_does_not_know_is_named():
    roster = parse_roster("attendee,platform,handle\nA1,twitch,alice\n")
    assert note_on("twitch:alise", roster) == "twitch:alise is not in the roster, so what it says counts without a country (ZZ)"
    assert [note_on("twitch:alice", roster), note_on(None, roster), note_on("twitch:alise", Roster())] == [None] * 3


def many(path, count):
    lines = [
        {
            "author": {"id": "2003"},
            "message": f"{n}",
            "message_id": f"m{n}",
            "message_type": "text_message",
            "timestamp": 1792240200000000 + n * 100000,
        }
        for n in range(count)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return recording(path)


@given(stop=st.integers(0, 40), speed=st.sampled_from([None, 1.0, 7.0]))
async def test_an_interrupted_replay_goes_on_where_it_stopped(stop, speed, tmp_path_factory):
    """Whatever was said before is not said again, and nothing is left out."""
    clock, folder = Clock(START), tmp_path_factory.mktemp("replay")
    found = many(folder / "x.jsonl", 40)
    kept = Kept(stop_after=stop)
    try:
        await player(kept, folder, clock, speed=speed).play(found)
    except asyncio.CancelledError:
        assert Memories(folder).get(next(iter(json.loads((folder / "replayed.json").read_text())))).position == kept.added
    again = Kept()
    await player(again, folder, clock, speed=speed).play(found)
    assert kept.ids | again.ids == {f"twitch:m{n}" for n in range(40)}
    assert not kept.ids & again.ids


def test_memories_of_several_files_stay_apart(tmp_path):
    one, two = Memories(tmp_path), Memories(tmp_path)
    one.put("a", Memory("a.json", position=5))
    two.put("b", Memory("b.json", play=2, finished="2026-10-16T12:00:00+00:00"))
    assert one.get("b") == Memory("b.json", play=2, finished="2026-10-16T12:00:00+00:00")
    assert two.get("a") == Memory("a.json", position=5)
    assert one.get("c") is None


def test_a_damaged_memory_says_what_to_do(tmp_path):
    (tmp_path / "replayed.json").write_text('{"a"')
    with pytest.raises(ConfigError, match="remove it"):
        Memories(tmp_path).get("a")


# --- through the real producer ----------------------------------------------------------------------------------------


def settings(url, folder, *files, **options):
    chosen = {"speed": None, "livestream": None, "keep_time": False, "again": False} | options
    args = argparse.Namespace(command="replay", files=list(files), **chosen)
    from zoneinfo import ZoneInfo

    config = Config(event=ConfiguredEvent(name="test", timezone=ZoneInfo("UTC")), partitions=4, redis_url=Secret(url))
    return Settings(config=config, data_dir=folder, redis_url=url, port=0, log="text", args=args)


async def journal_of(client):
    found = []
    for partition in range(4):
        found += [from_json(fields[b"d"]) for _, fields in await client.xrange(f"{{p{partition:02}}}:s")]
    return found


async def test_every_file_reaches_the_journal_once_and_a_second_replay_adds_nothing(valkey, redis_client, tmp_path, capsys):
    files = sorted(path for path in CAPTURES.iterdir() if path.suffix != ".ndjson")
    assert await run(settings(valkey, tmp_path, *files, livestream="twitch:ana")) == 0
    first = await journal_of(redis_client)
    assert sum(isinstance(event, Message) for event in first) == 4 + 3 + 3 + 4 + 2 + 2
    assert {event.livestream for event in first} == {"twitch:ana"}
    assert await run(settings(valkey, tmp_path, *files, livestream="twitch:ana")) == 0
    assert len(await journal_of(redis_client)) == len(first)
    printed = capsys.readouterr().out.splitlines()
    assert [("already replayed" in line) for line in printed] == [False] * 6 + [True] * 6
    assert await run(settings(valkey, tmp_path, files[0], livestream="twitch:ana", again=True)) == 0
    assert len(await journal_of(redis_client)) > len(first)


async def test_what_was_collected_live_is_known_already(valkey, redis_client, tmp_path, capsys):
    live = Message(id="twitch:r-1", platform="twitch", livestream="twitch:ana", at=START, received_at=START, text="hello")
    async with Producer(valkey, tmp_path / "spool", 4) as producer:
        await producer.put([live])
        await producer.flushed()
    assert await run(settings(valkey, tmp_path, CAPTURES / "rechat.json", livestream="twitch:ana")) == 0
    assert "3 messages: 2 new, 1 already known" in capsys.readouterr().out


async def test_a_file_that_is_no_recording_stops_before_anything_is_sent(valkey, redis_client, tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(ConfigError, match=r"x\.txt is not a recording"):
        await run(settings(valkey, tmp_path, CAPTURES / "rechat.json", tmp_path / "x.txt"))
    assert await journal_of(redis_client) == []


async def test_another_number_of_partitions_is_refused_with_a_sentence(valkey, redis_client, tmp_path):
    await redis_client.set("{meta}:partitions", 16)
    with pytest.raises(ConfigError, match="16 partitions"):
        await run(settings(valkey, tmp_path, CAPTURES / "rechat.json"))
