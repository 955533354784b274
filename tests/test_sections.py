"""Sections with names of their own: what the file may say, who runs them, and what ``monitor parse`` makes of them."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import connectors
from connectors.connector import Secret
from connectors.sse import Sse
from connectors.webhook import Webhook
from monitor import tools
from monitor.check import findings
from monitor.collect_plan import SHARES, plan
from monitor.config import Config, ConfigError, Event, Platform
from monitor.config_file import parse
from monitor.roster import Channel, Roster, parse_roster
from monitor.settings import Settings

HEAD = '[event]\nname = "Summit"\ntimezone = "Asia/Shanghai"\n'
ALL = set(range(SHARES))


def read(text, **environment):
    return parse(HEAD + text, file=Path("config.toml"), environment=environment)


TWO = """
[sse.mysite]
url = "https://a.example/events"
[sse.mysite.map]
text = "/body"
[sse.other]
url       = "https://b.example/{handle}"
in_totals = false
[webhook.partner]
auth   = "hmac_sha256_hex"
secret = { env = "PARTNER" }
map    = { text = "/t", type_map = { x = ["message", { as = "gift", display = "/d" }] }, kind = "/k" }
"""


def test_each_section_is_a_platform_of_its_name():
    config = read(TWO, PARTNER="s3cret")
    assert set(config.platforms) == {"sse.mysite", "sse.other", "webhook.partner"}
    assert config.platform("sse.mysite").options == {
        "section": "sse.mysite",
        "url": "https://a.example/events",
        "map": {"text": "/body"},
    }
    assert not config.platform("sse.other").in_totals
    assert config.platform("webhook.partner").options["secret"] == Secret("s3cret")
    assert connectors.class_of("sse.other") is Sse
    assert connectors.receiver_of("webhook.partner") is Webhook


def test_a_kind_may_stand_alone_and_beside_named_ones():
    config = read('[websocket]\nurl = "wss://a.example"\nheaders = { a = "b" }\n[websocket.two]\nurl = "wss://b.example"\n')
    assert {name: table.options["url"] for name, table in config.platforms.items()} == {
        "websocket": "wss://a.example",
        "websocket.two": "wss://b.example",
    }
    assert config.platform("websocket").options["headers"] == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[sse.mysite]\nurll = "x"\n', 'config.toml: [sse.mysite]: unknown key "urll"; did you mean "url"?'),
        ("[sse.mysite]\nurl = 5\n", "config.toml: [sse.mysite] url: expected a text in quotes"),
        ('[sse.mysite]\nsection = "x"\n', 'config.toml: [sse.mysite]: unknown key "section"'),
        ('[sse.mysite]\nmap = { txt = "/t" }\n', 'config.toml: [sse.mysite]: map: unknown "txt"; did you mean "text"?'),
        ('[sse."My Site"]\nurl = "x"\n', "expected a name of small letters"),
        ('[webhook.partner]\nsecret = "open"\n', "never write a secret into this file"),
        ('[webhook.partner]\nauth = "md5"\n', "config.toml: [webhook.partner] auth: expected one of"),
        ('[twitch.two]\nurl = "x"\n', 'config.toml: [twitch]: unknown key "two"'),
        ('[websoket.mysite]\nurl = "x"\n', 'unknown section or platform "websoket"; did you mean "websocket"?'),
        ('["sse.mysite"]\nurl = "x"\n', 'unknown section or platform "sse.mysite"'),
    ],
)  # fmt: skip
def test_a_mistake_names_the_section(text, says):
    with pytest.raises(ConfigError) as mistake:
        read(text)
    assert says in str(mistake.value)


def test_rows_of_the_roster_may_name_a_section():
    rows = "attendee,platform,handle\nA1,sse.mysite,Ana\nA2,webhook.partner,268\nA3,twitch.two,bo\nA4,ses.x,cy\n"
    roster = parse_roster(rows)
    assert [channel.id for channel in roster.channels] == ["sse.mysite:ana", "webhook.partner:268"]
    assert [channel.platform for channel in roster.unreachable] == ["twitch.two", "ses.x"]


def channel(platform, handle):
    return Channel(
        id=f"{platform}:{handle}",
        attendee="A",
        name="A",
        country=None,
        language=None,
        platform=platform,
        handle=handle,
        consent="yes",
    )


def test_who_calls_us_is_not_asked_and_a_feed_is_read_as_a_whole():
    config = read(TWO, PARTNER="s3cret")
    roster = Roster(channels=(channel("sse.mysite", "ana"), channel("sse.other", "bo"), channel("webhook.partner", "cy")))
    wanted = plan(config, roster, ALL)
    assert {name: set(targets) for name, targets in wanted.targets.items()} == {
        "sse.mysite": {"sse.mysite:ana", "sse.mysite:feed"},
        "sse.other": {"sse.other:bo"},
    }
    assert wanted.closed == {}
    assert wanted.directory["sse.mysite"] == {"ana": "sse.mysite:ana"}


def test_a_section_that_is_off_is_not_read():
    config = read('[sse.mysite]\nenabled = false\nurl = "https://a.example"\n')
    assert plan(config, Roster(channels=(channel("sse.mysite", "ana"),)), ALL).targets == {}


def test_check_says_what_a_section_lacks():
    config = read("[sse.mysite]\n[webhook.partner]\n")
    roster = Roster(channels=(channel("sse.mysite", "ana"), channel("webhook.partner", "cy")))
    said = [str(finding) for finding in findings(config, roster)]
    assert any("sse.mysite" in line for line in said)
    assert any("webhook.partner" in line and "secret" in line for line in said)


def test_parse_reads_with_the_map_of_the_section(capsys, tmp_path):
    raw = tmp_path / "raw.ndjson"
    raw.write_bytes(b'{"body":"hi","id":1}\n{"k":"x","t":"both","d":"5 roses"}\n')
    config = Config(
        event=Event(name="e", timezone=ZoneInfo("UTC")),
        platforms={
            "sse.mysite": Platform(name="sse.mysite", options={"section": "sse.mysite", "map": {"text": "/body", "id": "/id"}}),
            "webhook.partner": Platform(
                name="webhook.partner",
                options={
                    "map": {
                        "kind": "/k",
                        "text": "/t",
                        "type_map": {"x": ["message", {"as": "gift", "display": "/d"}], "": "skip"},
                    }
                },
            ),
        },
    )
    for name, expected, code in (("sse.mysite", ["sse.mysite:1"], 1), ("webhook.partner", ["message", "gift"], 0)):
        settings = Settings(
            config=config, data_dir=tmp_path, redis_url="", port=0, log="text", args=argparse.Namespace(platform=name, file=raw)
        )
        found = asyncio.run(run(settings))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert found == code
        assert [line["id"] if name == "sse.mysite" else line["kind"] for line in lines] == expected


async def run(settings):
    import signal

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: None)
    return await tools.parse(settings)
