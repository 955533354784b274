"""What is shown of each livestream: the collector's word, unless discovery knows better."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from monitor.channel_store import Desk
from monitor.channels import Live, Row
from monitor.coverage import age_seconds, pending_list, with_discovery
from monitor.livestreams import Livestream

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
LIVE = Live(id="b1", title="the summit", started_at=NOW, found_at=NOW, scope="in")
PENDING = Live(id="b2", title="noodles", started_at=NOW, found_at=NOW, scope="ask", why="its title does not name the event")


def row(state="live", *broadcasts, **more):
    return Row(
        platform="twitch", handle="alice", native_id="7", state=state, broadcasts=broadcasts,
        **{"discovered_at": NOW, "since": NOW, **more},
    )  # fmt: skip


def shown(collector="live", found=None, **more):
    livestream = Livestream(state=collector, platform="twitch", handle="alice", reason="as its collector said", **more)
    return with_discovery({"a": livestream}, {} if found is None else {"a": found})["a"]


def test_of_whom_nothing_is_known_the_collectors_word_holds():
    assert shown("live") == Livestream(state="live", platform="twitch", handle="alice", reason="as its collector said")
    assert shown("live", row("unresolved", discovered_at=None)).known_live is None


def test_a_live_one_has_its_broadcast_and_viewers():
    found = shown("live", row("live", LIVE, viewers=40))
    assert (found.state, found.known_live, found.broadcast, found.viewers) == ("live", True, "b1", 40)
    assert found.discovered_at == "2026-10-17T12:00:00Z"


@pytest.mark.parametrize("collector", ["live", "connecting", "ended", "waiting"])
def test_an_offline_one_waits_however_well_its_chat_is_connected(collector):
    found = shown(collector, row("waiting"))
    assert (found.state, found.known_live, found.viewers) == ("waiting", False, None)
    assert "offline" in found.reason


@pytest.mark.parametrize("collector", ["broken", "throttled", "refused"])
def test_a_connection_that_somebody_must_mend_is_shown_even_while_offline(collector):
    found = shown(collector, row("waiting"))
    assert (found.state, found.reason, found.known_live) == (collector, "as its collector said", False)


def test_what_is_live_and_not_of_the_event_waits_and_says_why():
    found = shown("live", row("live", PENDING, viewers=99))
    assert (found.state, found.known_live, found.broadcast, found.viewers) == ("waiting", False, None, None)
    assert found.reason == "live, but not counted: its title does not name the event"


def test_an_announced_one_says_for_when():
    soon = Live(id="b3", scheduled_at=NOW + timedelta(hours=1))
    assert shown("live", row("announced", soon)).state == "announced"
    assert shown("live", row("announced", soon)).reason == "announced for 2026-10-17 13:00 UTC"


def test_an_account_that_does_not_exist_is_not_reachable():
    found = shown("refused", row("unreachable", reason="Twitch knows no alice"))
    assert (found.state, found.reason, found.reachable, found.known_live) == (
        "unreachable",
        "Twitch knows no alice",
        False,
        False,
    )


def test_a_platform_that_is_switched_off_stays_as_it_is():
    assert shown("ended", row("live", LIVE), reachable=False).state == "ended"


def test_a_broadcast_ends_and_its_channel_waits_for_the_next_one():
    for found in (shown("ended"), shown("ended", row("live", LIVE))):
        assert found.state == "waiting"
        assert found.reason == "its broadcast is over (as its collector said); the next one is waited for"


def test_the_age_of_discovery_is_that_of_the_platform_asked_longest_ago():
    desks = [Desk(asked_at=NOW - timedelta(seconds=12)), Desk(asked_at=NOW - timedelta(seconds=38.4)), Desk(kind="missing")]
    assert age_seconds(desks, NOW) == 38
    assert age_seconds(desks[2:], NOW) is None
    assert age_seconds([Desk(asked_at=NOW + timedelta(seconds=5))], NOW) == 0


def test_pending_are_the_undecided_live_ones_of_people_on_the_list_most_viewers_first():
    rows = {
        "a": row("live", PENDING, viewers=5),
        "b": row("live", replace(PENDING, id="b9"), LIVE, viewers=50),
        "c": row("live", LIVE),
        "d": row("announced", replace(PENDING, found_at=None)),
        "withdrawn": row("live", PENDING),
    }
    livestreams = {name: Livestream(state="waiting", platform="twitch", attendee=f"A{name}") for name in "abcd"}
    [first, second] = pending_list(rows, livestreams)["pending"]
    assert (first["livestream"], first["broadcast"], first["viewers"], first["attendee"]) == ("b", "b9", 50, "Ab")
    assert second == {
        "livestream": "a", "broadcast": "b2", "platform": "twitch", "handle": "alice", "title": "noodles", "viewers": 5,
        "why": "its title does not name the event", "started_at": "2026-10-17T12:00:00Z", "attendee": "Aa",
        "country": "ZZ", "url": "https://www.twitch.tv/alice",
    }  # fmt: skip
