"""A trouble that lasts does not fill the log, and nobody has to guess whether it is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.seldom import Seldom


def test_it_is_told_once_then_every_minute_with_its_number_and_when_it_is_over():
    told = Seldom()
    said = [told.came("the disk is full", second) for second in range(0, 181, 2)]
    assert [(number * 2, text) for number, text in enumerate(said) if text] == [
        (0, "the disk is full"),
        (60, "the disk is full; for 1 min now, 30 more times since it was last said"),
        (120, "the disk is full; for 2 min now, 30 more times since it was last said"),
        (180, "the disk is full; for 3 min now, 30 more times since it was last said"),
    ]
    assert told.over("it can be written again", 182) == "", "it may come back"
    assert told.over("it can be written again", 190) == "it can be written again after 3 min"
    assert told.over("it can be written again", 191) == ""
    assert told.came("the disk is full", 200) == "the disk is full", "a new trouble is told at once"


@given(st.lists(st.floats(0, 30), max_size=200))
def test_however_it_comes_there_is_at_most_a_line_a_minute(pauses):
    told, now, lines = Seldom(), 0.0, 0
    for pause in pauses:
        now += pause
        lines += bool(told.came("again", now))
    assert lines <= 1 + now / 60
