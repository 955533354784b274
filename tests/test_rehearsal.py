"""A rehearsal is thrown away whole, and nothing else ever is."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from monitor import __main__ as command_line
from monitor import app, rehearsal
from monitor.config import ConfigError
from monitor.engine import Engine, hold
from monitor.token_file import TokenFile

if TYPE_CHECKING:
    from pathlib import Path


def drop(data_dir: Path, *words: str) -> int:
    return command_line.main(["rehearsal", "drop", "--data-dir", str(data_dir), *words])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def real(tmp_path):
    """A data folder with the numbers of an event."""
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "appendonly.aof").write_text("the real numbers")
    (tmp_path / "tokens.json").write_text("[]")
    return tmp_path


def rehearsed(data_dir: Path) -> Path:
    folder = rehearsal.prepare(data_dir)
    (folder / "valkey").mkdir()
    (folder / "valkey" / "appendonly.aof").write_text("invented numbers")
    return folder


def test_dropping_a_rehearsal_leaves_the_real_book_as_it_was(real):
    before = everything(real)
    folder = rehearsed(real)
    assert drop(real, "--yes") == 0
    assert not folder.exists()
    assert everything(real) == before
    assert drop(real, "--yes") == 0


def test_a_real_book_is_never_dropped_whatever_it_is_called(tmp_path, capsys):
    real = tmp_path / "rehearsal"
    (real / "valkey").mkdir(parents=True)
    (real / "valkey" / "appendonly.aof").write_text("the real numbers")
    before = everything(tmp_path)
    assert drop(tmp_path, "--yes") == 2
    assert drop(real, "--yes") == 0
    assert "no rehearsal" in capsys.readouterr().err
    assert everything(tmp_path) == before
    with pytest.raises(ConfigError, match="is no rehearsal's"):
        rehearsal.prepare(tmp_path)
    assert everything(tmp_path) == before


def test_a_link_is_not_followed_to_a_real_book(real, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other")
    rehearsed(elsewhere)
    before = everything(elsewhere)
    (real / "rehearsal").symlink_to(elsewhere / "rehearsal")
    assert drop(real, "--yes") == 2
    assert everything(elsewhere) == before
    folder = elsewhere / "rehearsal"
    (folder / "out").symlink_to(real / "valkey")
    assert drop(elsewhere, "--yes") == 0
    assert (real / "valkey" / "appendonly.aof").exists()


@pytest.mark.parametrize("name", rehearsal.LOCKS)
def test_while_it_runs_it_is_not_dropped(real, name, capsys):
    folder = rehearsed(real)
    lock = hold(folder / name)
    assert lock is not None
    with lock:
        assert drop(real, "--yes") == 2
    assert "still running" in capsys.readouterr().err
    assert (folder / "valkey" / "appendonly.aof").exists()
    assert drop(real, "--yes") == 0


async def test_a_valkey_that_still_runs_in_it_keeps_it(tmp_path):
    folder = rehearsal.prepare(tmp_path)
    engine = Engine(folder)
    await engine.start()
    try:
        with pytest.raises(ConfigError, match="still running"):
            rehearsal.drop(tmp_path)
    finally:
        await engine.stop()
    rehearsal.drop(tmp_path)
    assert not folder.exists()


def test_it_asks_first_and_anything_but_yes_is_no(real, monkeypatch, capsys):
    folder = rehearsed(real)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for typed, code in (("no\n", 1), ("\n", 1), ("", 1), ("yes\n", 0)):
        assert folder.exists()
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert drop(real) == code
    assert not folder.exists()
    rehearsed(real)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert drop(real) == 2
    assert "--yes" in capsys.readouterr().err


def test_naming_the_rehearsals_own_folder_drops_it_too(real):
    folder = rehearsed(real)
    assert drop(folder, "--yes") == 0
    assert not folder.exists()
    assert (real / "valkey" / "appendonly.aof").exists()


def settings(*words: str):
    return app.settings_of(command_line._parser().parse_args(list(words)))


def test_a_rehearsal_has_its_own_folder_and_valkey_whatever_redis_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(app.REDIS_VARIABLE, "redis://the-real-one:6379/0")
    real = settings("run", "--data-dir", str(tmp_path))
    assert (real.data_dir, real.redis_url, real.config.rehearsal) == (tmp_path, "redis://the-real-one:6379/0", False)
    found = settings("run", "--rehearsal", "--data-dir", str(tmp_path))
    assert (found.data_dir, found.redis_url, found.config.rehearsal) == (tmp_path / "rehearsal", "", True)
    with pytest.raises(ConfigError, match="no Valkey runs on"):
        settings("audit", "--data-dir", str(tmp_path / "rehearsal"))


def test_its_roles_know_that_it_is_one_also_after_the_configuration_was_read_again(tmp_path, monkeypatch):
    folder = rehearsal.prepare(tmp_path)
    monkeypatch.setenv(app.REDIS_VARIABLE, "unix:///of-the-rehearsal")
    monkeypatch.setenv("MONITOR_PARENT_PIPE", "0")
    role = settings("serve", "--data-dir", str(folder))
    assert (role.redis_url, role.config.rehearsal) == ("unix:///of-the-rehearsal", True)
    assert role._rehearsed(replace(role.config, rehearsal=False)).rehearsal


def test_whoever_may_come_in_to_the_real_wall_may_come_in_to_the_rehearsal(tmp_path):
    folder = rehearsal.prepare(tmp_path)
    assert TokenFile(folder).path == TokenFile(tmp_path).path == tmp_path / "tokens.json"
