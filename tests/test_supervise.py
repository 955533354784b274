"""The supervisor: what dies comes back, what is wrong stops the run, everything stops in order, nothing outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import redis.asyncio

from monitor.engine import Engine
from monitor.supervise import PARENT_PIPE, STOP_ORDER, Role, Supervisor, end_with_parent, pause

LIVES = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
open(sys.argv[1], "a").write("start " + sys.argv[2] + "\\n")
signal.sigwait([signal.SIGTERM])
open(sys.argv[1], "a").write("stop " + sys.argv[2] + "\\n")
"""
"""Waits for the signal: a handler's would be slept over when it comes just before the sleep."""
IGNORES = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "a").write("start " + sys.argv[2] + "\\n")
while True:
    time.sleep(60)
"""
MISTAKEN = """
import sys
open(sys.argv[1], "a").write("once\\n")
sys.exit(2)
"""


@pytest.fixture
def diary(tmp_path):
    path = tmp_path / "diary"
    path.touch()
    return path


def child(name, diary, code=LIVES):
    return Role(name=name, command=(sys.executable, "-c", code, str(diary), name))


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def lines(diary):
    return diary.read_text().splitlines()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_roles_stop_in_the_order_of_the_river_whatever_the_order_of_starting(diary, caplog):
    caplog.set_level("INFO")
    supervisor = Supervisor([child(name, diary) for name in sorted(STOP_ORDER)])
    running = asyncio.create_task(supervisor.run())
    await until(lambda: len(lines(diary)) == len(STOP_ORDER))
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert lines(diary)[len(STOP_ORDER) :] == [f"stop {name}" for name in STOP_ORDER]
    assert [record.message for record in caplog.records if record.message.startswith("Stopping")] != []


async def test_a_killed_role_comes_back_and_the_others_are_left_alone(diary):
    supervisor = Supervisor([child("count", diary), child("serve", diary)])
    running = asyncio.create_task(supervisor.run())
    await until(lambda: len(lines(diary)) == len(supervisor.pids) == 2)
    before = supervisor.pids
    os.kill(before["count"], signal.SIGKILL)
    await until(lambda: lines(diary).count("start count") == 2)
    assert supervisor.pids["count"] != before["count"]
    assert supervisor.pids["serve"] == before["serve"]
    supervisor.stop()
    assert await running == 0


async def test_a_persons_mistake_stops_everything_and_is_not_repeated(diary):
    supervisor = Supervisor([child("count", diary), child("serve", diary, MISTAKEN)])
    async with asyncio.timeout(30):
        assert await supervisor.run() == 2
    assert lines(diary).count("once") == 1
    assert supervisor.pids == {}


async def test_a_role_that_ignores_the_request_is_killed_after_the_grace_time(diary):
    supervisor = Supervisor([child("count", diary, IGNORES)], grace_seconds=0.1)
    running = asyncio.create_task(supervisor.run())
    await until(lambda: lines(diary) and supervisor.pids)  # a child may write before we know that it runs
    pid = supervisor.pids["count"]
    supervisor.stop()
    async with asyncio.timeout(30):
        assert await running == 0
    assert not is_alive(pid)


async def test_a_second_request_to_stop_does_not_wait_for_the_grace_time(diary):
    supervisor = Supervisor([child("count", diary, IGNORES)], grace_seconds=3600)
    running = asyncio.create_task(supervisor.run())
    await until(lambda: lines(diary))
    supervisor.stop()
    supervisor.stop()
    async with asyncio.timeout(30):
        assert await running == 0


async def test_the_state_file_names_the_processes_and_is_gone_afterwards(diary, tmp_path):
    state = tmp_path / "run.json"
    supervisor = Supervisor([child("count", diary)], state_file=state)
    running = asyncio.create_task(supervisor.run())
    await until(lambda: lines(diary))
    assert json.loads(state.read_text()) == {"pid": os.getpid(), "roles": supervisor.pids}
    supervisor.stop()
    await running
    assert not state.exists()


async def test_a_killed_engine_comes_back_with_its_data_and_is_stopped_last(diary):
    folder = Path(tempfile.mkdtemp(prefix="lm-", dir="/tmp"))
    engine = Engine(folder, runtime_dir=folder)
    client = redis.asyncio.Redis.from_url(await engine.start())
    await client.set("a", "1")
    supervisor = Supervisor([child("count", diary)], engine=engine)
    running = asyncio.create_task(supervisor.run())
    killed = engine.pid
    os.kill(killed, signal.SIGKILL)
    await until(lambda: engine.pid != killed and engine.is_running())

    async def answers():
        try:
            return await client.get("a")
        except redis.exceptions.RedisError:
            return None

    async with asyncio.timeout(30):
        while (found := await answers()) is None:
            await asyncio.sleep(0.02)
    assert found == b"1"
    await client.aclose()
    await until(lambda: lines(diary))
    supervisor.stop()
    await running
    assert not engine.is_running()
    shutil.rmtree(folder)


PARENT = """
import asyncio, sys
from monitor.supervise import Role, Supervisor
child = (sys.executable, "-c", "from monitor.supervise import end_with_parent; end_with_parent(); " + CODE, sys.argv[1], "count")
asyncio.run(Supervisor([Role(name="count", command=child)]).run())
"""


async def test_roles_end_when_the_supervisor_is_killed(diary, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(f"CODE = {f'exec({LIVES!r})'!r}\n" + PARENT)
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), str(diary))
    await until(lambda: lines(diary) == ["start count"])
    parent.kill()
    await parent.wait()
    await until(lambda: lines(diary) == ["start count", "stop count"])


async def test_a_role_that_is_stuck_when_the_supervisor_is_killed_ends_by_force(diary, tmp_path):
    """The same with a role that takes no notice of SIGTERM."""
    script = tmp_path / "parent.py"
    pid_file = tmp_path / "pid"
    code = f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid())); exec({IGNORES!r})"
    script.write_text(f"CODE = {code!r}\n" + PARENT.replace("end_with_parent();", "end_with_parent(0.1);"))
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), str(diary))
    await until(lambda: lines(diary) == ["start count"])
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(int(pid_file.read_text())))


def test_started_by_hand_a_role_watches_no_parent(monkeypatch):
    monkeypatch.delenv(PARENT_PIPE, raising=False)
    before = {thread.name for thread in threading.enumerate()}
    end_with_parent()
    assert {thread.name for thread in threading.enumerate()} == before


def test_the_pause_doubles_up_to_five_seconds():
    assert [pause(failures) for failures in (1, 2, 3, 5, 6, 1000)] == [0.2, 0.4, 0.8, 3.2, 5.0, 5.0]
