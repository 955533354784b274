"""The file that says of whom something waits in memory: every line that was answered for is in it, and a line costs the same however many wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.held import OLD, HeldFile

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def file(tmp_path):
    return HeldFile(tmp_path / "serve-0.held")


def test_what_is_added_is_found_by_the_next_process_beside_what_was_noted(tmp_path):
    one = file(tmp_path)
    one.note({"a": NOW})
    one.add({"b": later(1)})
    one.add({"c": later(2), "a": later(-5)})
    assert file(tmp_path).left() == {"a": later(-5), "b": later(1), "c": later(2)}


def test_adding_one_to_a_thousand_writes_one(tmp_path):
    one = file(tmp_path)
    one.note({f"kick:{number}": NOW for number in range(1000)})
    before = one.path.stat()
    one.add({"kick:new": NOW})
    one.add({"kick:new": later(3), "kick:7": later(3)})  # both are there already, and older
    after = one.path.stat()
    assert after.st_ino == before.st_ino
    assert 0 < after.st_size - before.st_size < 80


def test_what_is_noted_replaces_what_was_added(tmp_path):
    one = file(tmp_path)
    one.add({"a": NOW, "b": NOW})
    one.note({"b": NOW})
    assert file(tmp_path).left() == {"b": NOW}


def test_what_the_process_before_us_left_is_gone_once_it_was_seen_to(tmp_path):
    file(tmp_path).add({"a": NOW})
    two = file(tmp_path)
    assert two.left() == {"a": NOW}
    two.note({})
    assert file(tmp_path).left() == {}


def test_a_chat_that_goes_on_and_on_is_not_noted_anew_each_time(tmp_path):
    one = file(tmp_path)
    one.note({"a": NOW})
    one.note({"a": NOW + OLD})
    assert file(tmp_path).left() == {"a": NOW}
    one.note({"a": NOW + OLD + timedelta(seconds=1)})
    assert file(tmp_path).left() == {"a": NOW + OLD + timedelta(seconds=1)}


def test_a_line_that_a_kill_cut_hides_none_before_it(tmp_path):
    one = file(tmp_path)
    one.add({"a": NOW})
    one.add({"b": NOW})
    one.path.write_bytes(one.path.read_bytes()[:-9])
    assert file(tmp_path).left() == {"a": NOW}


def test_what_the_disk_refused_is_written_the_next_time(tmp_path):
    one = file(tmp_path)
    one.path.mkdir()
    with pytest.raises(OSError, match="directory"):
        one.add({"a": NOW})
    one.path.rmdir()
    one.add({})
    assert file(tmp_path).left() == {"a": NOW}
