"""The command line as people use it: help with an example, exit codes, one sentence for a mistake, never a traceback."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.connector import Secret
from monitor import app
from monitor.__main__ import SIMULATED, _parser, main
from monitor.app import COMMANDS
from monitor.check import findings
from monitor.config import Config, Event, Platform
from monitor.engine import Engine
from monitor.log import LONGEST
from monitor.roster import Roster, parse_roster
from monitor.settings import Settings, adapt, read

TINY = """
[event]
name = "Test"
timezone = "UTC"
"""
CONFIG = Config(event=Event(name="Test", timezone=ZoneInfo("UTC")), path=Path("config.toml"))


def monitor(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "monitor", *words], capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "event.toml"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert re.search(rf"example:\n  .*monitor {name}", said)
    for option in ("--config", "--data-dir", "--port", "--log"):
        assert option in said
    assert ("--watch" in said) == (name in SIMULATED)


def test_the_parser_and_the_table_know_the_same_commands():
    choices = next(action.choices for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert set(choices) == set(COMMANDS)


def test_help_loads_nothing_heavy():
    script = "import sys, monitor.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\nprint([n for n in sys.modules if n in ('asyncio','aiohttp','redis','msgspec','monitor.app')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--watch", "twich:a"], 'unknown platform "twich"; did you mean "twitch"?'),
        (["run", "--watch", "zzz:a"], 'unknown platform "zzz"'),
        (["run", "--watch", "twitch:"], "expected platform:handle"),
        (["run", "--config", "nowhere.toml"], "nowhere.toml"),
        (["audit"], "no Valkey runs on"),
        (["run", "--port", "70000"], "expected a port"),
        (["run", "--livestreams", "0"], "expected a whole number above 0"),
        (["run", "--rate", "-1"], "expected a number above 0"),
        (["run", "--rate", "many"], "expected a number above 0, found many"),
        (["run", "--seed", "x"], "expected a whole number, found x"),
        (["replay", "x.json", "--livestream", "alice"], "expected platform:handle such as twitch:alice, found alice"),
        (["parse"], "PLATFORM"),
        (["fly"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_a_mistake_is_exit_code_2_and_a_sentence(words, sentence, tmp_path):
    data = ["--data-dir", str(tmp_path / "data")] if words and words[0] != "fly" else []
    done = monitor(*words, *data)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_named(config):
    done = monitor("classify", "nowhere.txt", "--config", str(config))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "nowhere.txt" in done.stderr


def test_a_tool_in_another_terminal_does_not_ask_for_the_secrets_of_alerts(config):
    config.write_text(TINY + '[[alert]]\nto = { env = "NOWHERE" }\n')
    assert monitor("classify", "/dev/null", "--config", str(config)).returncode == 0
    done = monitor("check", "--config", str(config))
    assert (done.returncode, "NOWHERE is not set" in done.stderr) == (2, True)


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/data"])
def test_a_data_folder_that_cannot_be_made_is_named(place, config):
    done = monitor("run", "--config", str(config), "--data-dir", place)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"{place} cannot be made" in done.stderr


def test_the_sample_roster_is_never_asked_for_on_real_platforms(tmp_path):
    (tmp_path / "event.toml").write_text(TINY + '[roster]\nfile = "data/roster-sample.csv"\n')
    done = monitor("run", "--no-simulator", "--config", str(tmp_path / "event.toml"), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "invented people" in done.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(config, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = monitor("run", "--config", str(config), "--data-dir", str(tmp_path / "data"), "--port", port)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1" in done.stderr
    assert not (tmp_path / "data" / "valkey").exists()


def args(**given):
    usual = {
        "command": "run",
        "config": None,
        "watch": [],
        "no_simulator": False,
        "livestreams": None,
        "rate": None,
        "seed": None,
    }
    return argparse.Namespace(**{**usual, **given})


def test_watching_by_hand_needs_no_file_and_starts_no_simulator(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("this is no TOML")
    config, roster = read(args(watch=["twitch:a,b", "bluesky:#Tag"]))
    assert [channel.id for channel in roster.channels] == ["twitch:a", "twitch:b"]
    assert config.event.hashtags == ("#Tag",)
    assert (config.roster_file, config.simulator.enabled) == (None, False)


def test_watching_by_hand_keeps_the_topics_of_a_named_file(tmp_path):
    path = tmp_path / "event.toml"
    path.write_text(
        TINY
        + '[roster]\nfile = "mine.csv"\n[simulator]\nenabled = true\n[[topic]]\nid = "t"\nname = "T"\nphrases = {"*" = ["x"]}\n'
    )
    config, roster = read(args(watch=["twitch:a"], config=path))
    assert [topic.id for topic in config.topics] == ["t"]
    assert (config.event.name, config.roster_file, config.simulator.enabled) == ("Test", None, False)
    assert config.platform("twitch").enabled
    assert not config.platform("bluesky").enabled
    assert len(roster.channels) == 1


def test_the_command_line_outdoes_the_file():
    config = dataclasses.replace(CONFIG, simulator=dataclasses.replace(CONFIG.simulator, enabled=True))
    found = adapt(config, args(livestreams=5, rate=2.5, seed=0)).simulator
    assert (found.enabled, found.livestreams, found.rate, found.seed) == (True, 5, 2.5, 0)
    assert adapt(config, args()) == config
    assert not adapt(config, args(no_simulator=True)).simulator.enabled


def test_the_command_line_outdoes_the_file_after_a_reload_too(config):
    config.write_text(TINY + "[simulator]\nenabled = true\n")
    given = args(config=config, command="count", no_simulator=True)
    settings = Settings(config=read(given)[0], data_dir=Path(), redis_url="", port=1, log="text", args=given)
    reloader = settings.reloader(lambda: 2e9)
    config.write_text(TINY.replace("Test", "Changed") + "[simulator]\nenabled = true\n")
    setups = [reloader.poll() for _ in range(3)]
    changed = next(setup for setup in setups if setup)
    assert (changed.config.event.name, changed.config.simulator.enabled) == ("Changed", False)


def test_an_address_with_a_password_is_not_shown():
    settings = Settings(config=CONFIG, data_dir=Path(), redis_url="redis://:hunter2@h/0", port=1, log="text", args=args())
    assert "hunter2" not in repr(settings)


def test_redis_is_found_by_variable_then_file_then_the_running_engine(config, tmp_path, monkeypatch):
    words = ["audit", "--config", str(config), "--data-dir", str(tmp_path)]
    engine = Engine(tmp_path)
    url = asyncio.run(engine.start())
    assert app.settings_of(_parser().parse_args(words)).redis_url == url
    config.write_text(TINY + '[redis]\nurl = "redis://file:1/0"\n')
    assert app.settings_of(_parser().parse_args(words)).redis_url == "redis://file:1/0"
    monkeypatch.setenv("MONITOR_REDIS_URL", "redis://variable:1/0")
    assert app.settings_of(_parser().parse_args(words)).redis_url == "redis://variable:1/0"
    asyncio.run(engine.stop())


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_line_is_one_line_in_utc_whatever_a_platform_wrote(form):
    script = (
        "import logging, sys; from monitor import log; log.set_up(sys.argv[1], 'collect');"
        "logging.getLogger('x').warning('twitch: %s', 'a\\nb\\x1b[31m' + 'z' * 9000)"
    )
    said = subprocess.run([sys.executable, "-c", script, form], capture_output=True, text=True, check=True).stderr
    assert len(said.splitlines()) == 1
    assert len(said) < LONGEST + 200
    assert "\x1b" not in said
    at = json.loads(said)["at"] if form == "json" else said.split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)


def test_a_traceback_cannot_look_like_a_line_of_the_log():
    script = (
        "import logging; from monitor import log; log.set_up('text', 'collect')\n"
        "try: raise ValueError('x\\n2026-01-01T00:00:00.000Z collect info forged')\n"
        "except ValueError: logging.getLogger('x').exception('oops')"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr.splitlines()
    assert said[0].endswith("collect error oops")
    assert len(said) > 2
    assert all(line.startswith("    ") for line in said[1:])


async def test_the_collector_asks_nobody_before_the_simulator_listens(tmp_path):
    waiting = asyncio.create_task(app.simulator_listens(tmp_path))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    (tmp_path / "simulator.json").touch()
    async with asyncio.timeout(30):
        await waiting


async def test_what_nobody_awaits_is_logged_but_for_a_name_that_was_looked_up_when_we_stopped(caplog):
    loop = asyncio.get_running_loop()
    app.report(loop, {"message": "never retrieved", "exception": socket.gaierror(-2, "Name or service not known")})
    assert caplog.records == []
    app.report(loop, {"message": "never retrieved", "exception": ValueError("ours")})
    assert "never retrieved" in caplog.text


# --- monitor check ----------------------------------------------------------------------------------------------------

ROSTER = "attendee,platform,handle,consent\n1,twitch,alice,yes\n2,twitch,bob,\n"


NOBODY = Roster()


def marks(config, roster=NOBODY):
    return [(finding.mark, finding.sentence) for finding in findings(config, roster)]


def test_check_says_what_works_and_who_is_not_read():
    found = marks(CONFIG, parse_roster(ROSTER))
    assert (
        "works",
        "twitch: 1 channel, without a key; client_id and client_secret in [twitch] would add more, see docs/connectors.md.",
    ) in found
    assert ("note", "Not read: 1 channel: no consent in the roster.") in found
    assert "wrong" not in {mark for mark, _ in found}


def test_check_finds_wrong_what_cannot_be_read():
    found = marks(CONFIG, parse_roster(ROSTER + "3,orkut,carol,yes\n"))
    assert any(mark == "wrong" and "orkut" in sentence for mark, sentence in found)
    assert ("wrong", "Nobody is watched: name a list in [roster] file, or livestreams with --watch.") in marks(CONFIG)


def test_check_says_when_a_platform_is_switched_off():
    config = dataclasses.replace(CONFIG, platforms={"twitch": Platform(name="twitch", enabled=False)})
    assert any(mark == "note" and "twitch: switched off" in sentence for mark, sentence in marks(config, parse_roster(ROSTER)))


def test_check_says_which_key_is_missing_where_to_get_it_and_what_the_quota_carries():
    channels = "".join(f"{number},youtube,channel{number},yes\n" for number in range(1000))
    roster = parse_roster("attendee,platform,handle,consent\n" + channels)
    found = marks(CONFIG, roster)
    missing = [sentence for mark, sentence in found if mark == "wrong" and "api_key in [youtube]" in sentence]
    assert len(missing) == 1
    assert "console.cloud.google.com" in missing[0]
    with_key = dataclasses.replace(CONFIG, platforms={"youtube": Platform(name="youtube", options={"api_key": Secret("k")})})
    found = marks(with_key, roster)
    assert not any("api_key" in sentence for mark, sentence in found if mark == "wrong")
    wrong = [sentence for mark, sentence in found if mark == "wrong"]
    assert wrong[0].startswith("youtube: a day with 1,000 channels needs 2")
    assert wrong[0].endswith("10,000 are available; they suffice for 360 channels.")
    assert "the lowest priority first" in wrong[1]
    platform = Platform(name="youtube", options={"api_key": Secret("k"), "units_per_day": 100_000})
    granted = marks(dataclasses.replace(CONFIG, platforms={"youtube": platform}), roster)
    assert "wrong" not in {mark for mark, _ in granted}
    assert ("note", "    15,000  opening chats: 1,000 × 3 × 5") in granted


def test_check_says_what_only_the_simulator_plays():
    played = dataclasses.replace(CONFIG, simulator=dataclasses.replace(CONFIG.simulator, enabled=True))
    found = marks(played, parse_roster("attendee,platform,handle,consent\n1,youtube,ana,yes\n"))
    assert any(mark == "note" and sentence.startswith("youtube: played by the simulator;") for mark, sentence in found)
    assert "wrong" not in {mark for mark, _ in found}


def test_check_ends_with_1_when_something_is_wrong_and_0_when_not(config, tmp_path):
    (tmp_path / "roster.csv").write_text(ROSTER)
    # With the simulator on no platform is tried: this must not depend on a network.
    config.write_text(TINY + '[roster]\nfile = "roster.csv"\n[simulator]\nenabled = true\nlivestreams = 2\n')
    assert monitor("check", "--config", str(config)).returncode == 0
    (tmp_path / "roster.csv").write_text(ROSTER + "3,twitch,not a handle!,yes\n")
    done = monitor("check", "--config", str(config))
    assert done.returncode == 1
    assert "roster.csv line 4" in done.stdout
    assert (
        monitor("check", "--config", str(config), env={**os.environ, "MONITOR_REDIS_URL": "redis://127.0.0.1:1/0"}).returncode
        == 1
    )


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_roster_that_is_none_is_said_once_and_before_anything_starts(config, tmp_path):
    (tmp_path / "roster.csv").write_text("name,account\n")
    config.write_text(TINY + '[roster]\nfile = "roster.csv"\n[simulator]\nenabled = false\n')
    done = monitor("run", "--config", str(config), "--data-dir", str(tmp_path / "data"), "--port", "0")
    assert done.returncode == 2
    assert done.stderr.count("the first line must name the columns") == 1
    assert not (tmp_path / "data" / "valkey").exists()


@pytest.mark.slow
def test_a_second_run_on_the_same_folder_says_so_and_ends_with_2(config, tmp_path):
    folder = tmp_path / "data"
    words = [
        sys.executable,
        "-m",
        "monitor",
        "run",
        "--config",
        str(config),
        "--data-dir",
        str(folder),
        "--port",
        "0",
    ]
    (tmp_path / "roster.csv").write_text(ROSTER + "3,twitch,not a handle!,yes\n")
    config.write_text(TINY + '[roster]\nfile = "roster.csv"\n[simulator]\nlivestreams = 2\n')
    folder.mkdir(mode=0o755)
    with (tmp_path / "log").open("w") as log, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("Wall: http://127.0.0.1:")
        second = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 0
    assert second.returncode == 2
    assert "another monitor already runs" in second.stderr
    assert f"Stopped; the next start on {folder} goes on with the same numbers." in (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().count("roster.csv line 4, column handle") == 1, "a bad line is named, and once"
    assert not (folder / "run.json").exists()
    kept = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert any(path.suffix == ".spool" for path in kept)
    assert [path for path in kept if path.stat().st_mode & 0o077] == [], "what people wrote is for nobody else on this machine"
