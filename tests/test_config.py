"""The configuration file: everything it may say arrives typed, and every mistake becomes a sentence with a way out."""

import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors
from connectors.connector import Connector, Secret
from monitor.config import ConfigError, Moderation, Platform, Privacy, Public, Scope, Simulator, Turn, Wall, load
from monitor.config_file import parse, read
from monitor.watch import config_from_watch

ROOT = Path(__file__).parents[1]
MINIMAL = '[event]\nname = "Summit"\ntimezone = "Asia/Shanghai"\n'


def config(text="", environment=None, folder=Path()):
    return parse(MINIMAL + text, file=folder / "config.toml", environment=environment or {})


def complaint(text, environment=None, whole=False):
    with pytest.raises(ConfigError) as caught:
        parse(text if whole else MINIMAL + text, file=Path("config.toml"), environment=environment or {})
    return str(caught.value)


@pytest.fixture
def needy(monkeypatch):
    """A platform whose connector cannot work without a key."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        key: "Secret"  # As in a connector that imports Secret for type checking only.
        extra: "Secret | None" = None
        name: str = ""
        hosts: str | tuple[str, ...] = "one"
        mode: str = "fast"
        seconds: float = 1.0
        channels: int = 90

        def __post_init__(self):
            if self.channels > 100:
                raise ValueError("at most 100 channels fit on one socket")

    class Needy(Connector):
        name = "needy"
        options = Options

        async def events(self):
            yield  # pragma: no cover

        @classmethod
        def parse(cls, raw, tools, *, livestreams=None):  # noqa: ARG003
            return []

    module = ModuleType("needy_for_this_test")
    module.Needy = Needy
    Options.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(connectors.PLATFORMS, "needy", "needy_for_this_test:Needy")
    return Options


# --- what it says ---------------------------------------------------------------------------------------------------------


def test_only_name_and_timezone_are_mandatory():
    found = config()
    assert (found.event.name, found.event.timezone.key, found.event.day_start) == ("Summit", "Asia/Shanghai", time(0, 0))
    assert found.cross == (("country", "topic"), ("country", "platform"))
    assert (found.partitions, found.host, found.port, found.redis_url, found.roster_file) == (16, "127.0.0.1", 8080, None, None)
    assert (found.simulator.enabled, found.require_consent, found.sessions, found.alerts) == (False, True, (), ())


def test_the_shipped_configuration_loads_with_eight_sessions_and_the_simulator():
    found = load(ROOT / "config.toml")
    assert found.simulator == Simulator(enabled=True, livestreams=1200, rate=490, seed=1)
    assert len(found.sessions) == 8
    assert found.roster_file == ROOT / "data" / "roster-sample.csv"
    assert found.roster_file.is_file()
    assert any(a.start < b.end and b.start < a.end for a in found.sessions for b in found.sessions if a is not b)
    assert {"lepas"} <= {topic.id for topic in found.topics}


def test_the_event_has_one_name_or_one_per_language():
    plain = config().event
    assert (plain.name, plain.names, plain.name_in("zh")) == ("Summit", {}, "Summit")
    table = '{ en = "Summit", zh = "峰会", "*" = "Sommet" }'
    text = MINIMAL.replace('"Summit"', table) + 'languages = ["zh", "en"]'
    named = parse(text, file=Path("config.toml"), environment={}).event
    assert (named.name, named.name_in("en"), named.name_in("zh"), named.name_in("fr")) == ("峰会", "Summit", "峰会", "Sommet")
    two = parse(text.replace(', "*" = "Sommet"', ""), file=Path("config.toml"), environment={}).event
    assert two.name_in("ar") == "Summit"  # whoever reads neither is likelier to read English than the wall's language


def test_one_line_turns_the_simulator_of_the_shipped_configuration_off():
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("enabled "))
    found = parse(text.replace(line, "enabled = false"), file=ROOT / "config.toml", environment={})
    assert not found.simulator.enabled


@pytest.mark.parametrize("page", ["docs/config.md"])
def test_every_example_of_the_manual_loads(page):
    blocks = (ROOT / page).read_text(encoding="utf-8").split("```toml\n")[1:]
    assert len(blocks) >= 8
    environment = {"ALERT_URL": "json://localhost", "REDIS_URL": "redis://localhost"}
    for block in blocks:
        text = block.partition("```")[0]
        parse(text if "[event]" in text else MINIMAL + text, file=Path("config.toml"), environment=environment)


def test_every_key_of_the_shipped_file_is_in_the_manual():
    manual = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    values = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    keys = {
        key for section in values.values() for table in (section if isinstance(section, list) else [section]) for key in table
    }
    assert sorted(key for key in keys if f"`{key}`" not in manual) == []


def test_local_times_are_read_in_the_time_zone_of_the_event():
    sessions = config(
        '[[session]]\nid="a"\nname="A"\nstart=2026-11-18T19:30:00\nend=2026-11-18T22:00:00+01:00\ntags=["Track"]'
    ).sessions
    assert sessions[0].start == datetime(2026, 11, 18, 11, 30, tzinfo=UTC)
    assert sessions[0].end == datetime(2026, 11, 18, 21, 0, tzinfo=UTC)
    assert sessions[0].tags == {"track"}
    assert sessions[0].name == {"*": "A"}


@pytest.mark.parametrize("written", ['"04:00"', "04:00:00"])
def test_day_start_is_a_text_or_a_toml_time(written):
    assert parse(MINIMAL + f"day_start = {written}", file=Path("x"), environment={}).event.day_start == time(4, 0)


def test_a_topic_keeps_its_words_per_language():
    topic = config(
        '[[topic]]\nid="lepas"\ngroup="brand"\nname={en="Lepas"}\nphrases=["lepas"]\nnot={ms=["selepas"]}\ncontext={id=["mobil"]}'
    ).topics[0]
    assert (topic.group, topic.name) == ("brand", {"en": "Lepas"})
    assert (topic.phrases, topic.exclude, topic.context) == ({"*": ("lepas",)}, {"ms": ("selepas",)}, {"id": ("mobil",)})


def test_a_rule_keeps_severity_phrases_and_exceptions():
    rule = config('[[rule]]\nid="scam"\nseverity=4\nphrases={en=["free iphone"]}\nnot={en=["no free iphone"]}').rules[0]
    assert (rule.id, rule.severity, rule.phrases, rule.exclude) == (
        "scam",
        4,
        {"en": ("free iphone",)},
        {"en": ("no free iphone",)},
    )


def test_sections_of_later_features_are_read():
    found = config(
        '[scope]\nhours="always"\nphrases=["chery"]\nunsure="ignore"\n[public]\nurl="https://live.example.org/"\n[roster]\nsign_up=true\n'
        '[moderation]\nshow="clean_after_45s"\n[privacy]\nkeep={names_days=3}\ncontact="p@example.org"'
    )
    assert found.scope == Scope(hours="always", phrases=("chery",), unsure="ignore")
    assert found.public == Public(url="https://live.example.org")
    assert found.sign_up
    assert found.moderation == Moderation(show="clean", clean_after_seconds=45)
    assert found.privacy == Privacy(names_days=3, contact="p@example.org")


SESSION = '[[session]]\nid="night"\nname="Night"\nstart=2026-11-18T19:30:00\nend=2026-11-18T22:00:00\n'


def test_rotations_of_the_file_stand_before_the_usual_ones():
    found = config(
        SESSION
        + '[wall]\nseconds=20\ndead_man_seconds=600\n[[wall.rotation]]\nwhen="session"\nsession="night"\nscenes=["voices"]\nseconds=45'
    ).wall
    assert (found.seconds, found.before_minutes, found.dead_man_seconds) == (20, 10, 600)
    assert found.rotation[0] == Turn(when="session", session="night", scenes=("voices",), seconds=45)
    assert found.rotation[1:] == Wall().rotation


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[wall.rotation]]\nwhen="session"\nscenes=["voice"]', '[[wall.rotation]] 1 scenes: there is no scene "voice"; did you mean "voices"?'),
        ('[[wall.rotation]]\nwhen="session"\nscenes=[]', "expected at least one scene"),
        (SESSION + '[[wall.rotation]]\nwhen="session"\nsession="nigth"\nscenes=["voices"]', 'no session "nigth"; did you mean "night"?'),
        ("[wall]\nseconds=1", "from 5 to 3600"),
    ],
)  # fmt: skip
def test_a_rotation_that_could_never_be_shown_is_a_mistake(text, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        config(text)


def test_type_may_be_larger_and_a_map_has_the_number_of_its_review():
    found = config('[wall]\nscale=1.15\nmap="world.json"\nmap_review="GS(2026)1"').wall
    assert (found.scale, found.map and found.map.name, found.map_review) == (1.15, "world.json", "GS(2026)1")
    assert (config("").wall.scale, config("").wall.map) == (1.0, None)
    with pytest.raises(ConfigError, match=re.escape("expected 1.0, 1.15 or 1.3, found 2")):
        config("[wall]\nscale=2")
    with pytest.raises(ConfigError, match="needs the number under which it was approved"):
        config('[wall]\nmap="world.json"')


def test_teams_are_named_by_what_they_must_act_on():
    assert config('[owners]\npending="control room"').owners == {"pending": "control room"}
    with pytest.raises(ConfigError, match='called "pendign"; did you mean "pending"'):
        config('[owners]\npendign="x"')


def test_pairs_replace_the_default_ones():
    assert config('[[cross]]\nof=["topic","platform"]').cross == (("topic", "platform"),)
    assert parse("cross = []\n" + MINIMAL, file=Path("x"), environment={}).cross == ()


def test_relative_paths_start_in_the_folder_of_the_file(tmp_path):
    found = config('[roster]\nfile="people.csv"\n[server]\ndata_dir="state"', folder=tmp_path)
    assert (found.roster_file, found.data_dir) == (tmp_path / "people.csv", tmp_path / "state")


def test_an_alert_that_is_switched_off_needs_no_address():
    assert config('[[alert]]\nenabled=false\nto={env="NOWHERE"}').alerts == ()


def test_a_platform_without_a_table_has_its_defaults():
    assert config().platform("twitch") == Platform(name="twitch", enabled=True, in_totals=True)


def test_the_default_is_the_file_in_the_current_folder_and_then_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(None).event.name == load(ROOT / "config.toml").event.name
    (tmp_path / "config.toml").write_text("\ufeff" + MINIMAL, encoding="utf-8")
    assert load(None).event.name == "Summit"


# --- mistakes -------------------------------------------------------------------------------------------------------------

MISTAKES = {
    '[event]\nname="x"': '"timezone" is missing',
    "[simulator]\nenabled=true": "[event]",
    "[event": "not valid TOML",
    '[event]\nname=""\ntimezone="UTC"': "name: expected a text, found an empty one",
    '[event]\nname="x"\ntimezone="Asia/Shangai"': 'did you mean "Asia/Shanghai"?',
    '[event]\nname="x"\ntimezone="../etc/passwd"': "there is no time zone",
    '[event]\nname="x"\ntimezon="UTC"\ntimezone="UTC"': 'unknown key "timezon"; did you mean "timezone"?',
    MINIMAL + 'day_start="4"': "day_start: expected a time of day on a whole minute",
    MINIMAL + "day_start=04:00:30": "day_start: expected a time of day on a whole minute",
    MINIMAL + 'hashtags=["two words"]': 'found "two words"',
    MINIMAL + 'languages="en"': 'languages: expected a list of texts, such as ["…", "…"], found the text "en"',
    MINIMAL + "[sesion]\na=1": 'unknown section or platform "sesion"; did you mean "session"?',
    MINIMAL + "[twich]\na=1": 'unknown section or platform "twich"; did you mean "twitch"?',
    MINIMAL + "[event.extra]\na=1": 'unknown key "extra"',
    MINIMAL + "[session]\nid='a'": "[[session]] with two brackets",
    MINIMAL + "[[session]]\nid='a b'": "expected letters, digits",
    MINIMAL + "[[session]]\nid='a'\nname='A'\nstart=2026-11-18\nend=2026-11-19T10:00:00": "expected a date and time without quotes",
    MINIMAL + "[[session]]\nid='a'\nname='A'\nstart=2026-11-18T10:00:01\nend=2026-11-19T10:00:00": "expected a whole minute",
    MINIMAL + "[[session]]\nid='a'\nname='A'\nstart=2026-11-18T10:00:00\nend=2026-11-18T10:00:00": "must end after it starts",
    MINIMAL + 2 * "[[session]]\nid='a'\nname='A'\nstart=2026-11-18T10:00:00\nend=2026-11-18T11:00:00\n": '[[session]] 2 id: "a" is used twice',
    MINIMAL + "[[session]]\nid='a'\nname={english='A'}\nstart=2026-11-18T10:00:00\nend=2026-11-18T11:00:00": "expected a language code",
    MINIMAL + "[[topic]]\nid='a'\nname='A'\nphrases=['']": "expected a list of texts",
    MINIMAL + "[[topic]]\nid='a'\nname='A'\nphrases='x'": "expected lists per language",
    MINIMAL + "[[topic]]\nid='a'\nname='A'\nphrases=['x']\nnots=['y']": '[[topic]] 1: unknown key "nots"; did you mean "not"?',
    MINIMAL + "[[rule]]\nid='a'\nseverity=5\nphrases=['x']": "from 1 to 4, found 5",
    MINIMAL + "[[rule]]\nid='a'\nseverity=true\nphrases=['x']": "expected a whole number from 1 to 4, found true",
    MINIMAL + "[[cross]]\nof=['country','topics']": 'unknown dimension "topics"; did you mean "topic"?',
    MINIMAL + "[[cross]]\nof=['country','country']": "expected two different dimensions",
    MINIMAL + "[[cross]]\nof=['country','topic']\n[[cross]]\nof=['topic','country']": "there twice",
    MINIMAL + "[roster]\nsign_up=true": "fill in url in the section [public]",
    MINIMAL + "[scope]\nhours='sometimes'": 'expected one of "event", "always"',
    MINIMAL + "[public]\nurl='live.example.org'": "expected an address such as",
    MINIMAL + "[moderation]\nshow='everything'": 'expected "approved" or "clean_after_30s"',
    MINIMAL + "[privacy]\nkeep={names=3}": 'unknown key "names"; did you mean "names_days"?',
    MINIMAL + "[[alert]]\nto={env='ALERT_URL'}": "the environment variable ALERT_URL is not set",
    MINIMAL + "[redis]\nurl='http://x'": "begins with one of redis://",
    MINIMAL + "[redis]\npartitions=101": "from 1 to 100",
    MINIMAL + "[simulator]\nrate=nan": "expected a number",
    MINIMAL + "[simulator]\nlivestreams='many'": "expected a whole number from 1 to 100000, found the text",
    MINIMAL + "[server]\nport=70000": "from 0 to 65535",
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_file_and_fix(text):
    says = complaint(text, whole=True)
    assert says.startswith("config.toml: ")
    assert MISTAKES[text] in says
    assert "\n" not in says


def test_a_session_that_starts_in_the_hour_the_clocks_jump_over_is_refused():
    text = '[event]\nname="x"\ntimezone="Europe/Berlin"\n[[session]]\nid="a"\nname="A"\nstart=2026-03-29T02:30:00\nend=2026-03-29T04:00:00'
    assert "does not exist in Europe/Berlin" in complaint(text, whole=True)


def test_a_missing_file_and_one_that_is_not_utf8_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "gbk.toml").write_bytes("[event]\nname = '峰会'".encode("gbk"))
    with pytest.raises(ConfigError, match="save it again as UTF-8"):
        load(tmp_path / "gbk.toml")


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=4
)


@given(st.sampled_from(["id", "name", "start", "end", "tags"]), VALUES)
def test_a_wrong_value_anywhere_is_a_sentence_and_never_a_traceback(key, value):
    assert complaint(f"[[session]]\n{key} = {json.dumps(value, ensure_ascii=False)}").startswith("config.toml: ")


# --- secrets --------------------------------------------------------------------------------------------------------------


def test_a_secret_comes_from_the_environment_and_is_never_shown():
    found = config(
        '[redis]\nurl={env="REDIS_URL"}\n[[alert]]\nto={env="ALERT_URL"}',
        {"REDIS_URL": "redis://:pw@h", "ALERT_URL": "slack://tok"},
    )
    assert found.redis_url.reveal() == "redis://:pw@h"
    assert found.alerts[0].to.reveal() == "slack://tok"
    assert "pw" not in repr(found)
    assert "tok" not in repr(found)


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "token").write_text("slack://abc\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    assert config('[[alert]]\nto={file="token"}', folder=tmp_path).alerts[0].to.reveal() == "slack://abc"


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_secret_file_that_everybody_can_read_or_write_is_refused(tmp_path, mode):
    (tmp_path / "token").write_text("slack://abc", encoding="utf-8")
    (tmp_path / "token").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        config('[[alert]]\nto={file="token"}', folder=tmp_path)


@pytest.mark.parametrize(
    "section", ['[[alert]]\nto="slack://hunter2"', '[redis]\nurl="redis://:hunter2@host"', '[needy]\nkey="hunter2"']
)
def test_a_secret_written_into_the_file_is_refused_without_repeating_it(needy, section):
    says = complaint(section)
    assert "hunter2" not in says
    assert "env =" in says


# --- platforms ------------------------------------------------------------------------------------------------------------


def test_options_of_a_platform_are_checked_against_its_own_dataclass(needy):
    found = config('[needy]\nin_totals=false\nkey={env="KEY"}\nhosts=["a","b"]\nseconds=2\nmode="slow"', {"KEY": "k"}).platforms[
        "needy"
    ]
    assert found.in_totals is False
    assert needy(**found.options) == needy(key=Secret("k"), hosts=("a", "b"), seconds=2.0, mode="slow")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("secods=1", 'unknown key "secods"; did you mean "seconds"?'),
        ("channels=1.5", "[needy] channels: expected a whole number"),
        ("hosts=3", "[needy] hosts: expected a text"),
        ("channels=101", "at most 100 channels fit on one socket"),
        ('enabled="yes"', "[needy] enabled: expected true or false"),
    ],
)
def test_a_wrong_option_is_named(needy, line, says):
    assert says in complaint(f'[needy]\nkey={{env="KEY"}}\n{line}', {"KEY": "k"})


def test_what_stands_beside_a_secret_may_come_from_where_the_secret_comes_from(needy):
    """Both are copied from one page of a platform; a plain text stays one."""
    given = {"KEY": "k", "HOST": "h"}
    assert config('[needy]\nkey={env="KEY"}\nname={env="HOST"}', given).platforms["needy"].options["name"] == "h"
    assert config('[needy]\nkey={env="KEY"}\nname="h"', given).platforms["needy"].options["name"] == "h"
    found = config('[needy]\nkey={env="KEY"}\nname={env="NOWHERE"}', given)
    assert "name" not in found.platforms["needy"].options
    assert found.notes == ("config.toml: [needy] name: the environment variable NOWHERE is not set, so it goes on without",)


def test_a_mistake_without_a_place_is_said_without_one(needy):
    assert complaint("[twich]\na=1").startswith('config.toml: unknown section or platform "twich"')


def test_a_missing_secret_is_a_mistake_only_where_it_is_needed(needy):
    assert "the environment variable KEY is not set" in complaint('[needy]\nkey={env="KEY"}')
    assert '"key" is missing' in complaint("[needy]\nseconds=1")
    assert config('[needy]\nenabled=false\nkey={env="KEY"}').platforms["needy"].options == {}
    found = config('[needy]\nkey={env="KEY"}\nextra={env="EXTRA"}', {"KEY": "k"})
    assert "extra" not in found.platforms["needy"].options
    assert found.notes == ("config.toml: [needy] extra: the environment variable EXTRA is not set, so it goes on without",)


def test_a_platform_whose_connector_is_not_installed_is_unknown_and_the_others_are_named(monkeypatch):
    monkeypatch.setitem(connectors.PLATFORMS, "ghost", "connectors.ghost:Ghost")
    says = complaint("[ghost]\nenabled=true")
    assert "[ghost]: unknown platform" in says
    assert ", ".join(sorted(set(connectors.PLATFORMS) - {"ghost"})) in says


@pytest.mark.parametrize("name", sorted(connectors.PLATFORMS))
def test_every_connector_accepts_a_table_without_options(name):
    assert config(f"[{name}]\nenabled=true").platforms[name].enabled


# --- --watch --------------------------------------------------------------------------------------------------------------


def test_watch_makes_a_configuration_without_a_file():
    found, roster = config_from_watch(["twitch:Alice, twitch.tv/bob", "bluesky:#Tag,@handle.example"])
    assert [channel.id for channel in roster.channels] == ["twitch:alice", "twitch:bob", "bluesky:handle.example"]
    assert found.event.name == "Watching #Tag, alice, bob and 1 more"
    assert (found.event.timezone.key, found.event.hashtags) == ("UTC", ("#Tag",))
    assert not found.simulator.enabled
    assert roster.watchable(found.require_consent) == roster.channels


def test_watch_starts_only_the_platforms_that_are_named():
    found, _ = config_from_watch(["bluesky:#Tag"])
    assert {name for name in connectors.PLATFORMS if found.platform(name).enabled} == {"bluesky"}


def test_watching_the_same_twice_is_watching_it_once():
    found, roster = config_from_watch(["twitch:alice", "twitch:ALICE,#alice", "bluesky:#Tag,#tag"])
    assert len(roster.channels) == 1
    assert found.event.hashtags == ("#Tag",)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("twich:alice", 'did you mean "twitch"?'),
        ("alice", "expected platform:handle"),
        ("twitch:", "expected platform:handle"),
        ("twitch:not a login", "expected a Twitch login"),
        ("bluesky:alice", "expected a Bluesky handle with its domain"),
        ("bluesky:#two words", "expected a hashtag"),
    ],
)
def test_a_watch_that_cannot_be_read_is_one_sentence(spec, says):
    with pytest.raises(ConfigError) as caught:
        config_from_watch([spec])
    assert says in str(caught.value)


def test_the_environment_is_the_process_environment_unless_handed_in(tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text(MINIMAL + '[redis]\nurl={env="SOME_REDIS"}', encoding="utf-8")
    monkeypatch.setitem(os.environ, "SOME_REDIS", "redis://here")
    assert load(tmp_path / "config.toml").redis_url == Secret("redis://here")
    with pytest.raises(ConfigError, match="SOME_REDIS is not set"):
        read(tmp_path / "config.toml", environment={})
