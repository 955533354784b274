"""`monitor parse` and `monitor classify` as a person types them: NDJSON out, bad lines named, exit codes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from connectors.connector import Unreadable
from monitor.__main__ import main
from monitor.tools import payload

CONFIG = """
[event]
name = "Test"
timezone = "UTC"
[[topic]]
id = "it"
name = { "*" = "It" }
phrases = { "*" = ["chery"] }
[[rule]]
id = "scam"
severity = 3
phrases = { "*" = ["free iphone"] }
"""
SAID = (
    b"@display-name=Ana;id=b34ccfc7-4977-403a-8a94-33c6bac34fb8;room-id=1;tmi-sent-ts=1700000000000;user-id=7 "
    b":ana!ana@ana.tmi.twitch.tv PRIVMSG #bob :hello chery"
)


@pytest.fixture
def run(tmp_path, capsysbinary):
    """Types a command with these bytes in a file; gives exit code, answers and complaints."""
    (tmp_path / "config.toml").write_text(CONFIG)

    def typed(*words, given):
        (tmp_path / "given").write_bytes(given)
        options = ["--config", str(tmp_path / "config.toml"), "--data-dir", str(tmp_path / "data")]
        code = main([*words, str(tmp_path / "given"), *options])
        said = capsysbinary.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err.decode().splitlines()

    return typed


def test_classify_answers_every_line_in_order(run):
    code, answers, complaints = run("classify", given="my Chery\r\n\n🚗 FREE  iPhone\ncherry\n".encode())
    assert (code, complaints) == (0, [])
    assert answers == [
        {"text": "my Chery", "topics": ["it"], "flags": []},
        {"text": "", "topics": [], "flags": []},
        {"text": "🚗 FREE  iPhone", "topics": [], "flags": [{"rule": "scam", "severity": 3, "span": [2, 14]}]},
        {"text": "cherry", "topics": [], "flags": []},
    ]


def test_classify_reads_bytes_that_are_no_text(run):
    code, answers, _ = run("classify", given=b"chery \xff\xfe")
    assert (code, answers[0]["topics"], answers[0]["text"]) == (0, ["it"], "chery \ufffd\ufffd")


def test_parse_gives_events_and_names_what_it_cannot_read(run):
    given = b"\n".join([SAID, b"base64:not base64!", b"", b"base64:" + base64.b64encode(SAID.replace(b"b34c", b"c34c"))])
    code, events, complaints = run("parse", "twitch", given=given)
    assert code == 1
    assert complaints == ["line 2: unreadable: not_base64"]
    assert [event["id"][:11] for event in events] == ["twitch:b34c", "twitch:c34c"]
    assert [event["text"] for event in events] == ["hello chery"] * 2


def test_parse_names_a_line_that_the_connector_refuses(run):
    code, events, complaints = run("parse", "bluesky", given=b"{}\n[not json\n")
    assert code == 1
    assert complaints[-1].startswith("line 2: unreadable: ")
    assert not [event for event in events if event["kind"] == "message"]


def test_parse_succeeds_when_every_line_could_be_read(run):
    code, events, complaints = run("parse", "twitch", given=SAID)
    assert (code, len(events), complaints) == (0, 1, [])


def test_parse_shows_nobody_s_platform_id(run):
    _, (event,), _ = run("parse", "twitch", given=SAID)
    assert len(event["author"]) == 32


@pytest.mark.parametrize(("name", "hint"), [("twich", "did you mean twitch?"), ("zzz", "known are bluesky, ")])
def test_an_unknown_platform_is_named_with_the_known_ones(run, name, hint):
    code, answers, complaints = run("parse", name, given=b"")
    assert (code, answers) == (2, [])
    assert hint in complaints[0]


@pytest.mark.parametrize("words", [["classify"], ["parse", "twitch"]])
def test_a_missing_file_is_one_sentence(tmp_path, capsys, words):
    (tmp_path / "config.toml").write_text(CONFIG)
    assert main([*words, str(tmp_path / "nowhere"), "--config", str(tmp_path / "config.toml")]) == 2
    assert "nowhere cannot be read" in capsys.readouterr().err


def test_payload_decodes_only_what_says_so():
    assert payload(b"plain") == b"plain"
    assert payload(b"base64: AAEC") == b"\x00\x01\x02"
    with pytest.raises(Unreadable):
        payload(b"base64:AAE")


def test_classify_answers_a_live_pipe_at_once_and_ctrl_c_ends_it(tmp_path):
    """A person who types lines gets each answer before the next line; an open pipe must not hold Ctrl-C back."""
    (tmp_path / "config.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "monitor", "classify", "--config", str(tmp_path / "config.toml")]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        watchdog = threading.Timer(20, process.kill)  # an answer that never comes fails the test instead of holding it
        watchdog.start()
        for text in (b"chery", b"cherry"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text.decode()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
        watchdog.cancel()
        assert b"Traceback" not in process.stderr.read()
