"""States of a channel: a broadcast ends, a channel does not; only people end what people began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Broadcast
from connectors.discovery import Account, Sighting
from monitor import channels
from monitor.channels import STATES, TABLE, Passes, Row, pass_of, step
from monitor.config import Config, Event, Scope, Session
from monitor.roster import Channel
from monitor.scope import Rules, Said

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
HAPPENINGS = ("found", "unknown", "began", "announced", "ended", "paused", "refused", "freed")
SCOPE = Scope(phrases=("summit",))
RULES = Rules(Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), scope=SCOPE))


def channel(**more):
    return Channel(
        id="twitch:alice", attendee="1", name="Alice", country="BR", language="pt", platform="twitch", handle="alice",
        **{"native_id": "7", **more},
    )  # fmt: skip


def row(state="waiting", **more):
    return Row(platform="twitch", **{"handle": "alice", "native_id": "7", "state": state, "since": NOW, **more})


def broadcast(name="b1", title="the summit", **more):
    return Broadcast(native_id=name, title=title, **{"started_at": NOW - timedelta(minutes=1), **more})


def sighting(*broadcasts, viewers=None, handle="alice"):
    return Sighting(native_id="7", handle=handle, broadcasts=broadcasts, viewers=viewers)


def judged(found, now=NOW, rules=RULES, said=None, **more):
    return channels.judged(found, rules, channel(**more), lambda _: said or Said(), now, open_while_offline=True)


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_names_only_states_and_happenings_that_exist():
    assert {state for state, _ in TABLE} | set(TABLE.values()) == set(STATES)
    assert {happening for _, happening in TABLE} == set(HAPPENINGS)


def test_what_people_began_only_people_end():
    for barred in ("paused", "refused"):
        left = {happening for state, happening in TABLE if state == barred and TABLE[state, happening] != barred}
        assert left == {"freed", "paused", "refused"} - {barred}


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=30))
def test_no_happening_ends_a_channel_and_every_state_can_be_left_again(happenings):
    found = Row(platform="twitch", handle="alice", since=NOW)
    for happening in happenings:
        before = found
        found = step(found, happening, NOW + timedelta(seconds=1))
        assert found.state in STATES
        assert (found.since != before.since) <= (found.state != before.state)
    for happening in ("freed", "found", "began"):
        found = step(found, happening, NOW)
    assert found.state == "live"


def test_a_channel_that_ended_waits_and_goes_live_again_the_next_day():
    found = row()
    states = []
    for day in (1, 2):
        for seen in (sighting(broadcast(f"day{day}")), sighting()):
            found, _ = channels.sighted(found, seen, NOW + timedelta(days=day))
            states.append(found.state)
    assert states == ["live", "waiting", "live", "waiting"]


# --- what the platform says -------------------------------------------------------------------------------------------


def test_a_broadcast_begins_once_and_ends_once():
    first, turns = channels.sighted(row(), sighting(broadcast(), viewers=12), NOW)
    assert [(turn.state, turn.broadcast.id) for turn in turns] == [("live", "b1")]
    assert (first.viewers, first.viewers_at, first.broadcasts[0].found_at) == (12, NOW, NOW)
    again, turns = channels.sighted(first, sighting(broadcast(), viewers=13), NOW + timedelta(minutes=1))
    assert turns == []
    assert again.broadcasts[0].found_at == NOW
    ended, turns = channels.sighted(again, sighting(), NOW + timedelta(minutes=2))
    assert [(turn.state, turn.broadcast.id) for turn in turns] == [("ended", "b1")]
    assert (ended.viewers, ended.viewers_at) == (None, None)


def test_a_new_id_is_an_end_and_a_beginning():
    live, _ = channels.sighted(row(), sighting(broadcast("b1")), NOW)
    live, turns = channels.sighted(live, sighting(broadcast("b2")), NOW + timedelta(minutes=1))
    assert {(turn.state, turn.broadcast.id) for turn in turns} == {("ended", "b1"), ("live", "b2")}
    assert live.state == "live"


def test_an_announced_broadcast_is_not_live_until_it_begins():
    soon = broadcast("b1", started_at=None, scheduled_at=NOW + timedelta(hours=1))
    found, turns = channels.sighted(row(), sighting(soon), NOW)
    assert (found.state, turns) == ("announced", [])
    found, turns = channels.sighted(found, sighting(broadcast("b1", scheduled_at=NOW)), NOW + timedelta(hours=1))
    assert (found.state, [turn.state for turn in turns]) == ("live", ["live"])


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), max_size=8))
def test_beginnings_and_ends_balance(seen):
    found, live = row(), set()
    for minute, names in enumerate(seen):
        found, turns = channels.sighted(found, sighting(*map(broadcast, names)), NOW + timedelta(minutes=minute))
        for turn in turns:
            assert (turn.broadcast.id in live) is (turn.state == "ended")
            live ^= {turn.broadcast.id}
        assert live == set(names)
        assert (found.state == "live") is bool(names)


def test_a_rename_is_followed_by_id():
    account = Account(asked="7", native_id="7", handle="alice_cars")
    found = channels.resolved(row(), account, NOW, owner=None, title="Twitch")
    assert (found.handle, found.native_id, found.state) == ("alice_cars", "7", "waiting")
    found, _ = channels.sighted(found, sighting(broadcast(), handle="alice_tv"), NOW)
    assert found.handle == "alice_tv"


@pytest.mark.parametrize(
    ("asked", "native_id", "owner", "says"),
    [
        ("alice", None, None, "Twitch knows no alice"),
        ("7", "7", None, "knows this account no more"),
        ("alice", None, "twitch:alicia", "the same account as twitch:alicia"),
    ],
)
def test_an_account_that_cannot_be_read_says_why_and_is_forgotten(asked, native_id, owner, says):
    account = Account(asked=asked, native_id="7" if owner else None)
    before = row("live", native_id=native_id, broadcasts=(channels.Live(id="b1", found_at=NOW),), viewers=5)
    found = channels.resolved(before, account, NOW, owner=owner, title="Twitch")
    assert (found.state, found.broadcasts, found.viewers) == ("unreachable", (), None)
    assert says in found.reason
    assert judged(found).reading == "closed"


def test_an_unreachable_account_that_is_found_waits_again():
    found = row("unreachable", native_id=None, reason="no such")
    found = channels.resolved(found, Account(asked="alice", native_id="7", handle="alice"), NOW, owner=None, title="Twitch")
    assert (found.state, found.reason) == ("waiting", "")


# --- what people say --------------------------------------------------------------------------------------------------


def test_who_is_barred_is_not_watched_and_is_free_again_as_before():
    live, _ = channels.sighted(row(), sighting(broadcast(), viewers=3), NOW)
    paused = channels.of_roster(channel(), live, "paused by the attendee", paused=True, now=NOW)
    assert (paused.state, paused.reason, paused.broadcasts) == ("paused", "paused by the attendee", ())
    assert judged(paused).reading == "closed"
    assert paused.candidates == ("b1",) == channels.of_roster(channel(), paused, "paused", paused=True, now=NOW).candidates
    refused = channels.of_roster(channel(), paused, "no consent in the roster", paused=False, now=NOW)
    assert (refused.state, refused.candidates) == ("refused", ())
    freed = channels.of_roster(channel(), refused, "", paused=False, now=NOW)
    assert (freed.state, freed.native_id, freed.reason, freed.discovered_at) == ("waiting", "7", "", None)


def test_a_new_channel_without_an_id_is_unresolved_and_with_one_waits():
    assert channels.of_roster(channel(native_id=None), None, "", paused=False, now=NOW).state == "unresolved"
    assert channels.of_roster(channel(), None, "", paused=False, now=NOW).state == "waiting"


def test_another_id_in_the_roster_is_another_account():
    found = channels.of_roster(
        channel(native_id="8"), row("unreachable", handle="old", resolved_at=NOW), "", paused=False, now=NOW
    )
    assert (found.native_id, found.handle, found.resolved_at, found.state) == ("8", "alice", None, "waiting")


# --- who is read ------------------------------------------------------------------------------------------------------


def live(*broadcasts):
    return channels.sighted(row(discovered_at=NOW), sighting(*broadcasts), NOW)[0]


@pytest.mark.parametrize(
    ("found", "reading"),
    [
        (row("unresolved", native_id=None), "held"),
        (row(), "held"),
        (row(discovered_at=NOW), "held"),
        (live(broadcast()), "open"),
        (live(broadcast(title="noodles")), "closed"),
        (live(broadcast(), broadcast("b2", title="noodles")), "open"),
    ],
)
def test_an_offline_chat_is_held_and_one_of_something_else_is_not_read(found, reading):
    assert judged(found).reading == reading


def test_outside_the_hours_nobody_is_read():
    begin = NOW + timedelta(hours=5)
    session = Session(id="s", name={}, start=begin, end=begin + timedelta(hours=1))
    rules = Rules(Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), sessions=(session,), scope=SCOPE))
    for found in (row(discovered_at=NOW), live(broadcast())):
        assert judged(found, rules=rules).reading == "closed"
        assert judged(found, now=begin, rules=rules).reading == ("open" if found.state == "live" else "held")


def test_a_producers_word_opens_and_closes():
    assert judged(live(broadcast(title="noodles")), said=Said(producer=True)).reading == "open"
    assert judged(live(broadcast()), said=Said(producer=False)).reading == "closed"


def test_where_everything_counts_an_offline_chat_is_read_too():
    rules = Rules(Config(event=Event(name="Test", timezone=ZoneInfo("UTC"))))
    assert judged(row(discovered_at=NOW), rules=rules).reading == "open"


def test_the_newest_broadcast_in_scope_is_the_one_that_is_counted():
    older = broadcast("b1", started_at=NOW - timedelta(hours=1))
    found = judged(live(older, broadcast("b2"), broadcast("b3", title="noodles", started_at=NOW)))
    assert channels.counting(found).id == "b2"
    assert [one.id for one in channels.pending(found)] == ["b3"]
    assert [one.in_scope for one in channels.broadcasts_of(found)] == [True, True, False]


def test_a_row_survives_redis():
    found = judged(live(broadcast(), broadcast("b2", title="noodles")))
    assert channels.from_json(channels.as_json(found)) == found


# --- whom to ask first ------------------------------------------------------------------------------------------------


def key(found=None, tags=(), priority=3, tags_now=frozenset({"track"})):
    return channels.likelihood(found or row(), channel(tags=frozenset(tags), priority=priority), NOW, tags_now)


def test_live_comes_before_a_session_now_before_yesterday_before_priority_before_age():
    hour = int(NOW.timestamp()) // 3600
    expected = [
        key(row("live")),
        key(tags=("track",)),
        key(row(hours=(hour - 24,))),
        key(priority=1),
        key(row(discovered_at=None)),
        key(row(discovered_at=NOW - timedelta(minutes=5))),
        key(row(discovered_at=NOW, hours=(hour - 12,))),
    ]
    assert sorted(expected) == expected
    assert len(set(expected)) == len(expected)


@given(st.lists(st.tuples(st.integers(0, 80), st.booleans()), max_size=40))
def test_hours_live_are_remembered_for_two_days_and_no_longer(looks):
    found, now = row(), NOW
    was_live = set()
    for minutes, is_live in looks:
        now += timedelta(minutes=minutes * 7)
        found, _ = channels.sighted(found, sighting(*([broadcast()] if is_live else [])), now)
        if is_live:
            was_live.add(int(now.timestamp()) // 3600)
    latest = int(now.timestamp()) // 3600
    assert set(found.hours) == {hour for hour in was_live if hour >= latest - 48}


def test_what_the_gate_is_told_of_a_row_is_made_anew_only_for_another_row():
    passes, one, other = Passes(), row(), row(native_id="2")
    first = passes.of({"twitch:a": one, "twitch:b": other})
    assert first == {"twitch:a": pass_of(one), "twitch:b": pass_of(other)}
    live = row("live", discovered_at=NOW)
    second = passes.of({"twitch:a": one, "twitch:b": live})
    assert second == {"twitch:a": pass_of(one), "twitch:b": pass_of(live)}
    assert second["twitch:a"] is first["twitch:a"]
    assert passes.of({"twitch:b": live}) == {"twitch:b": pass_of(live)}
