"""Reloading: a changed file is noticed once it keeps still, and a broken one changes nothing."""

import logging
import os

import pytest

from monitor.config import ConfigError
from monitor.reload import FileWatcher, Reloader

CONFIG = '[event]\nname = "{name}"\ntimezone = "UTC"\n[roster]\nfile = "people.csv"\n'
ROSTER = "attendee,platform,handle\nA1,twitch,alice\n"
LATER = 60.0
"""Seconds after which the clocks of file systems tell two writes apart."""


class Clock:
    """The file system's clock, which the test moves: files get its time."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def write(self, path, text):
        path.write_text(text, encoding="utf-8")
        os.utime(path, (self.now, self.now))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path, clock):
    clock.write(tmp_path / "config.toml", CONFIG.format(name="Summit"))
    clock.write(tmp_path / "people.csv", ROSTER)
    clock.now += LATER
    return tmp_path


@pytest.fixture
def reloader(folder, clock):
    return Reloader(folder / "config.toml", clock, environment={})


def handles(setup):
    return [channel.handle for channel in setup.roster.channels]


def test_a_change_is_told_once_after_the_file_kept_still(folder, clock):
    path = folder / "people.csv"
    watcher = FileWatcher([path], clock)
    assert watcher.changed() == set()
    clock.write(path, ROSTER + "A2,twi")
    assert watcher.changed() == set()
    clock.write(path, ROSTER + "A2,twitch,bob\n")
    assert watcher.changed() == set()
    assert watcher.changed() == {path}
    assert watcher.changed() == set()


def test_touching_a_file_is_no_change(folder, clock):
    path = folder / "people.csv"
    watcher = FileWatcher([path], clock)
    os.utime(path, (clock.now, clock.now))
    assert [watcher.changed(), watcher.changed()] == [set(), set()]


def test_a_second_write_of_the_same_size_within_the_same_tick_is_noticed(folder, clock):
    path = folder / "people.csv"
    watcher = FileWatcher([path], clock)
    clock.write(path, ROSTER.replace("alice", "carol"))
    watcher.changed()
    assert watcher.changed() == {path}
    clock.write(path, ROSTER.replace("alice", "david"))
    watcher.changed()
    assert watcher.changed() == {path}


def test_a_file_replaced_by_an_editor_is_no_change_while_it_is_away(folder, clock):
    path = folder / "people.csv"
    watcher = FileWatcher([path], clock)
    path.rename(folder / "backup")
    assert watcher.changed() == set()
    clock.write(path, ROSTER)
    assert [watcher.changed(), watcher.changed()] == [set(), set()]


def test_an_edited_roster_comes_without_a_restart(folder, clock, reloader):
    assert handles(reloader.setup) == ["alice"]
    clock.write(folder / "people.csv", ROSTER + "A2,twitch,bob\n")
    assert reloader.poll() is None
    setup = reloader.poll()
    assert handles(setup) == ["alice", "bob"]
    assert reloader.setup is setup
    assert reloader.poll() is None


def test_a_configuration_that_names_another_roster_is_followed(folder, clock, reloader):
    clock.write(folder / "others.csv", ROSTER.replace("alice", "carol"))
    clock.write(folder / "config.toml", CONFIG.format(name="Summit").replace("people", "others"))
    reloader.poll()
    assert handles(reloader.poll()) == ["carol"]
    clock.now += LATER
    clock.write(folder / "others.csv", ROSTER.replace("alice", "david"))
    reloader.poll()
    assert handles(reloader.poll()) == ["david"]


def test_a_broken_file_keeps_the_old_setup_and_is_named_once(folder, clock, reloader, caplog):
    for text in ("[evnt]\n", "[evnt]\n\n"):
        clock.write(folder / "config.toml", text)
        reloader.poll()
        assert reloader.poll() is None
    assert handles(reloader.setup) == ["alice"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the previous settings stay in force" in caplog.text

    clock.write(folder / "config.toml", CONFIG.format(name="Mended"))
    reloader.poll()
    assert reloader.poll().config.event.name == "Mended"


def test_a_roster_that_vanishes_keeps_the_old_one(folder, reloader, caplog):
    (folder / "people.csv").unlink()
    reloader.poll()
    assert reloader.poll() is None
    assert handles(reloader.setup) == ["alice"]
    assert "the roster cannot be read" in caplog.text


def test_what_waits_for_the_next_start_is_said(folder, clock, reloader, caplog):
    clock.write(folder / "config.toml", CONFIG.format(name="Summit") + "[server]\nport = 9000\n")
    reloader.poll()
    assert reloader.poll().config.port == 9000
    assert "[server] port changed, which takes effect at the next start" in caplog.text
    caplog.clear()
    clock.now += LATER
    clock.write(folder / "config.toml", CONFIG.format(name="Put back"))
    reloader.poll()
    assert reloader.poll().config.event.name == "Put back"
    assert "next start" not in caplog.text, "what waits is told against what is in force, not against the file before"


def test_another_number_of_partitions_is_said_to_be_refused(folder, clock, reloader, caplog):
    clock.write(folder / "config.toml", CONFIG.format(name="Summit") + "[redis]\npartitions = 32\n")
    reloader.poll()
    assert reloader.poll().config.partitions == 32
    assert "with this number the next start is refused" in caplog.text


def test_a_mended_file_is_said_to_be_in_order_even_when_nothing_changed(folder, clock, reloader, caplog):
    caplog.set_level(logging.INFO)
    clock.write(folder / "config.toml", "[evnt]\n")
    reloader.poll()
    reloader.poll()
    clock.now += LATER
    clock.write(folder / "config.toml", CONFIG.format(name="Summit"))
    reloader.poll()
    assert reloader.poll() is None
    assert caplog.messages[-1] == "configuration and roster are in order again, and as before"


def test_of_several_processes_only_the_one_that_speaks_says_anything(folder, clock, caplog):
    caplog.set_level(logging.INFO)
    silent = Reloader(folder / "config.toml", clock, environment={}, speaks=False)
    for text in ("[evnt]\n", CONFIG.format(name="Mended")):
        clock.now += LATER
        clock.write(folder / "config.toml", text)
        silent.poll()
        setup = silent.poll()
    assert setup.config.event.name == "Mended"
    assert caplog.records == []


def test_who_delivers_no_alerts_does_not_ask_for_their_secret(folder, clock):
    clock.write(folder / "config.toml", CONFIG.format(name="Summit") + '[[alert]]\nto = { env = "NOWHERE" }\n')
    assert Reloader(folder / "config.toml", clock, environment={}, tells=False).setup.config.alerts == ()
    with pytest.raises(ConfigError, match="NOWHERE is not set"):
        Reloader(folder / "config.toml", clock, environment={})


def test_what_the_command_line_says_stays_on_top(folder, clock):
    from dataclasses import replace

    reloader = Reloader(folder / "config.toml", clock, adapt=lambda config: replace(config, port=1), environment={})
    clock.write(folder / "config.toml", CONFIG.format(name="New"))
    reloader.poll()
    setup = reloader.poll()
    assert (setup.config.event.name, setup.config.port) == ("New", 1)


def test_the_first_problems_of_a_new_roster_are_named_and_the_others_counted(folder, clock, reloader, caplog):
    caplog.set_level(logging.WARNING)
    clock.write(folder / "people.csv", ROSTER + "A2,twitch,\n" * 25)
    reloader.poll()
    reloader.poll()
    assert len(caplog.records) == 21
    assert "and 5 more lines" in caplog.text


def test_a_broken_file_at_the_start_stops_the_start(tmp_path, clock):
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError):
        Reloader(tmp_path / "config.toml", clock, environment={})
