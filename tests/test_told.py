"""States of channels about which others tell us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from monitor.roster import Channel
from monitor.told import FRESH, HEARD_FOR, NOTHING_LATELY, NOTHING_YET, rows

NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
ANA = Channel(id="webhook.p:ana", attendee="A1", name="Ana", country="BR", language=None, platform="webhook.p", handle="ana")


def after(heard=None, known=None, now=NOW):
    """The row as the next look at it finds it, or None when it is left alone."""
    written = rows([ANA], {} if heard is None else {ANA.id: heard}, {ANA.id: known}, now)
    return written.get(ANA.id)


def state(row):
    found = orjson.loads(row)
    return found["state"], found["reason"]


def test_a_channel_waits_until_something_is_told_and_is_live_while_it_is():
    waiting = after()
    assert state(waiting) == ("waiting", NOTHING_YET)
    live = after(heard=NOW, known=waiting)
    assert state(live) == ("live", "")
    almost = NOW + HEARD_FOR - timedelta(seconds=1)
    assert state(after(heard=NOW, known=live, now=almost)) == ("live", "")
    over = after(heard=NOW, known=live, now=NOW + HEARD_FOR)
    assert state(over) == ("waiting", NOTHING_LATELY)
    assert state(after(known=over, now=NOW + 2 * HEARD_FOR)) == ("waiting", NOTHING_LATELY)


def test_since_is_when_the_state_began():
    first = after(heard=NOW)
    again = after(heard=NOW, known=first, now=NOW + timedelta(seconds=60))
    found = orjson.loads(again)
    assert datetime.fromisoformat(found["since"]) == NOW
    assert datetime.fromisoformat(found["at"]) == NOW + timedelta(seconds=60)
    assert (found["platform"], found["handle"], found["attendee"], found["country"]) == ("webhook.p", "ana", "A1", "BR")


def test_what_another_process_heard_lately_stands_until_it_stops_saying_so():
    theirs = after(heard=NOW)
    assert after(known=theirs, now=NOW + FRESH - timedelta(seconds=1)) is None
    assert state(after(known=theirs, now=NOW + FRESH)) == ("waiting", NOTHING_LATELY)


@pytest.mark.parametrize(
    "known", [b"", b"{", b"[]", b"5", b'{"state":"live"}', b'{"state":"live","at":5}', b'{"state":"live","at":"soon"}']
)
def test_a_row_that_cannot_be_read_is_written_anew(known):
    assert state(after(known=known))[0] == "waiting"
