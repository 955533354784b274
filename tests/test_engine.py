"""The embedded Valkey: survives kills, is adopted, refuses a second owner, starts with a cut AOF."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis.asyncio
from faulty import newest_aof

from monitor.engine import LONGEST_SOCKET_PATH, Engine, EngineBusy, EngineFailed, find_url, socket_folder


@pytest.fixture
async def engine(folder):
    engine = Engine(folder, runtime_dir=folder)
    await engine.start()
    yield engine
    await engine.stop()


async def command(url, *words):
    client = redis.asyncio.Redis.from_url(url)
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


def has_ended(pid):
    """Gone, or a zombie that nobody has waited for (it is not our child)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_what_was_written_is_there_after_stop_and_start(engine):
    await command(engine.url, "SET", "a", "1")
    await engine.stop()
    assert find_url(engine.folder.parent) is None
    await engine.start()
    assert await command(engine.url, "GET", "a") == b"1"


async def test_a_killed_server_is_noticed_and_starts_again_with_the_same_url_and_data(engine):
    await command(engine.url, "SET", "a", "1")
    url, pid = engine.url, engine.pid
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        await engine.wait()
    assert await engine.start() == url
    assert engine.pid != pid
    assert await command(url, "GET", "a") == b"1"


async def test_a_cut_aof_starts_and_loses_only_the_tail(engine):
    for number in range(100):
        await command(engine.url, "SET", f"key:{number}", "x" * 100)
    os.kill(engine.pid, signal.SIGKILL)
    await engine.wait()
    file = newest_aof(engine.folder.parent)
    before = file.stat().st_size
    os.truncate(file, before - 1_010)  # in the middle of a command
    await engine.start()
    kept = await command(engine.url, "DBSIZE")
    assert 85 <= kept < 100
    assert await command(engine.url, "GET", "key:0") == b"x" * 100


async def test_the_server_only_has_the_durable_settings_and_no_port(engine):
    for name, value in (
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("aof-load-truncated", "yes"),
        ("maxmemory", "0"),
        ("maxmemory-policy", "noeviction"),
        ("port", "0"),
    ):
        found = await command(engine.url, "CONFIG", "GET", name)
        assert found[name.encode()] == value.encode() if isinstance(found, dict) else found[1] == value.encode(), name


async def test_a_second_owner_of_the_folder_is_told_so_in_one_sentence(engine, folder):
    with pytest.raises(EngineBusy, match=r"Another monitor is already running on .*--data-dir"):
        await Engine(folder, runtime_dir=folder).start()


ORPHAN = """
import asyncio, os, signal, sys
from pathlib import Path
from monitor.engine import Engine
engine = Engine(Path(sys.argv[1]), runtime_dir=Path(sys.argv[1]))
asyncio.run(engine.start())
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_server_that_outlived_its_owner_is_adopted_and_can_be_stopped(folder):
    subprocess.run([sys.executable, "-c", ORPHAN, str(folder)], check=False)
    url = find_url(folder)
    assert url is not None
    await command(url, "SET", "a", "1")
    orphan = (await command(url, "INFO", "server"))["process_id"]

    engine = Engine(folder, runtime_dir=folder)
    assert await engine.start() == url
    assert engine.pid == orphan
    assert engine.is_running()
    assert await command(url, "GET", "a") == b"1"
    await engine.stop()
    assert not engine.is_running()
    assert find_url(folder) is None


async def test_an_adopted_server_that_dies_is_noticed(folder):
    subprocess.run([sys.executable, "-c", ORPHAN, str(folder)], check=False)
    engine = Engine(folder, runtime_dir=folder)
    await engine.start()
    os.kill(engine.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        await engine.wait()
    await engine.start()
    assert await command(engine.url, "PING")
    await engine.stop()


async def test_an_orphan_that_does_not_answer_is_ended_and_replaced(folder):
    subprocess.run([sys.executable, "-c", ORPHAN, str(folder)], check=False)
    url = find_url(folder)
    orphan = (await command(url, "INFO", "server"))["process_id"]
    (folder / "valkey.sock").unlink()  # it is alive and nobody can reach it

    engine = Engine(folder, runtime_dir=folder)
    engine.patience = 0.1
    await engine.start()
    assert engine.pid != orphan
    assert has_ended(orphan)
    await engine.stop()


async def test_a_server_that_cannot_start_says_why(folder):
    engine = Engine(folder, runtime_dir=folder, options={"appendfsync": "sometimes"})
    with pytest.raises(EngineFailed, match=r"Valkey stopped while starting: .*valkey\.log"):
        await engine.start()
    await engine.stop()


def test_the_socket_is_in_the_data_folder_when_its_path_is_short(folder):
    assert socket_folder(folder) == folder
    assert list(folder.iterdir()) == []


def test_the_socket_is_short_and_private_however_long_the_data_folder_is(tmp_path):
    found = socket_folder(tmp_path / ("deep" * 20) / ("deeper" * 20))
    assert len(bytes(found / "valkey.sock")) < LONGEST_SOCKET_PATH
    assert found.stat().st_mode & 0o777 == 0o700
    found.rmdir()


def test_a_folder_that_somebody_else_may_read_is_not_used_for_the_socket(tmp_path):
    deep = tmp_path / ("deep" * 30)
    first = socket_folder(deep)
    first.chmod(0o755)
    with pytest.raises(EngineFailed, match="TMPDIR"):
        socket_folder(deep)
    first.rmdir()


async def test_it_starts_again_after_a_stop_wherever_the_socket_is(tmp_path):
    engine = Engine(tmp_path / ("deep" * 30))
    for _ in range(2):
        await engine.start()
        assert await command(engine.url, "PING")
        assert engine.folder.stat().st_mode & 0o777 == 0o700
        await engine.stop()
    assert not engine.socket.parent.exists()


async def test_loading_is_reported_and_waited_for(engine):
    """A server that is busy loading answers -LOADING, which is neither ready nor an error."""
    said = []
    await command(engine.url, "EVAL", "for i=1,5000 do redis.call('RPUSH', 'list', 'x') end", "0")
    await engine.stop()
    slow = Engine(engine.folder.parent, runtime_dir=engine.folder.parent, options={"key-load-delay": "50"}, progress=said.append)
    await slow.start()
    assert await command(slow.url, "LLEN", "list") == 5_000
    await slow.stop()
    assert any("loading its data from disk" in sentence for sentence in said)
