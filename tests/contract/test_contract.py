"""What every platform owes, held against every platform in the table; no platform is named here."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import inspect
import json
import logging
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from fakes import FAKES, Faults, fake
from hypothesis import given
from hypothesis import strategies as st
from tunnel import tunnel

import connectors
from connectors import event as events_module
from connectors.connector import (
    Connector,
    Dropped,
    Health,
    Mark,
    Refused,
    Resume,
    Secret,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
)
from connectors.event import Event, Gap, Message, Removed, as_json, from_json
from connectors.proxy import Proxy

PLATFORMS = sorted(connectors.PLATFORMS)
TESTS = Path(__file__).parent.parent
NOW = datetime(2026, 10, 16, 12, 0, tzinfo=UTC)
PARSE_TOOLS = Tools(pseudonym=make_pseudonym(b"key of the contract suite"), now=lambda: NOW)


def where(holds):
    """Only for platforms of which this holds; what the others say instead is a test of its own, or a cell that test_ledger.py holds."""

    def mark(function):
        function.where = holds
        return function

    return mark


def pytest_generate_tests(metafunc):
    holds = getattr(metafunc.function, "where", lambda _: True)
    metafunc.parametrize("platform", [platform for platform in PLATFORMS if holds(platform)])


def captures(platform: str) -> list[bytes]:
    """The platform's captured frames: a text file holds one a line, any other file is one."""
    files = sorted((TESTS / "captures" / platform).iterdir())
    texts = [line for file in files if file.suffix == ".txt" for line in file.read_bytes().split(b"\n") if line.strip()]
    return texts + [file.read_bytes() for file in files if file.suffix != ".txt"]


def options_of(platform: str) -> type:
    return connectors.class_of(platform).options


def header(platform: str) -> str:
    module = inspect.getmodule(connectors.class_of(platform))
    return (module.__doc__ or "") if module else ""


# --- what is written down ---------------------------------------------------------------------------------------------


def test_table_names_a_connector_of_that_name(platform):
    cls = connectors.class_of(platform)
    assert issubclass(cls, Connector)
    assert cls.name == platform
    assert isinstance(cls.resumes, bool)


def test_header_says_what_a_person_must_know(platform):
    """docs/connectors.md is read beside it; a missing paragraph is a question that somebody will ask."""
    text = header(platform)
    for word in ("collected:", "not collected:", "api:", "login", "limits:", "resume", "quirks:"):
        assert word in text.lower(), word
    assert "https://" in text
    assert "checked 20" in text


def test_options_are_a_frozen_dataclass_with_a_text_under_each_field(platform):
    options = options_of(platform)
    assert dataclasses.is_dataclass(options)
    assert options.__dataclass_params__.frozen
    source = inspect.getsource(options)
    for field in dataclasses.fields(options):
        _, _, after = source.partition(f"\n    {field.name}:")
        documented = after.split("\n", 2)[1].strip() if "\n" in after else ""
        assert documented.startswith(('"""', 'r"""')), f"{field.name} has no text under it"


def test_options_have_defaults_or_secrets_only(platform):
    """What works without a key needs no configuration at all."""
    for field in dataclasses.fields(options_of(platform)):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        assert has_default or "Secret" in str(field.type), field.name


def test_platform_has_captures_and_a_test_file_of_its_own(platform):
    assert len(captures(platform)) >= 5
    assert (TESTS / f"test_{platform}.py").exists()


def test_platform_stands_in_the_ledger(platform):
    text = (TESTS.parent / "docs" / "connectors.md").read_text(encoding="utf-8").lower()
    assert f"## {platform}" in text


# --- parsing ----------------------------------------------------------------------------------------------------------


def parse(platform: str, raw: bytes) -> list[Event]:
    return connectors.class_of(platform).parse(raw, PARSE_TOOLS)


def check_event(event: Event, platform: str) -> None:
    assert isinstance(event, get_args(events_module.Event))
    assert from_json(as_json(event)) == event, "it must survive the journal"
    assert event.id.startswith(f"{platform}:")
    assert len(event.id) > len(platform) + 1
    assert event.platform == platform
    assert event.received_at == NOW
    for time in (event.at, getattr(event, "from_", None), getattr(event, "to", None)):
        assert time is None or time.utcoffset() == timedelta(0)
    for name in ("author", "target_author"):
        author = getattr(event, name, None)
        assert author is None or (len(author) == 32 and set(author) <= set("0123456789abcdef")), "never the platform's own id"
    for name in ("count", "amount_minor", "exponent", "value", "viewers"):
        assert getattr(event, name, 0) >= 0


def test_captures_give_declared_events(platform):
    events = [event for raw in captures(platform) for event in parse(platform, raw)]
    assert any(isinstance(event, Message) for event in events)
    assert any(isinstance(event, Removed) for event in events) is connectors.class_of(platform).removes
    for event in events:
        check_event(event, platform)


def test_the_same_bytes_give_the_same_ids(platform):
    """So that what is delivered twice is counted once."""
    for raw in captures(platform):
        assert parse(platform, raw) == parse(platform, raw)


def test_ids_of_one_frame_differ(platform):
    for raw in captures(platform):
        ids = [event.id for event in parse(platform, raw)]
        assert len(ids) == len(set(ids))


def mangle(raw: bytes, dice: random.Random) -> bytes:
    """A frame after an accident: cut, bits turned, parts swapped, doubled or replaced."""
    data = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        if not data:
            break
        at, to = sorted((dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)))
        match dice.randrange(6):
            case 0:
                del data[at:]
            case 1:
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case 2:
                data = data[to:] + data[at:to] + data[:at]
            case 3:
                data[at:at] = data[at:to]
            case 4:
                data[at:to] = dice.randbytes(dice.randrange(8))
            case _:
                data[at:to] = dice.choice((b"", b"0", b"-1", b"9" * 40, b"null", b"\x00", b"\\", b"\xed\xa0\x80", b"[]", b"{}"))
    return bytes(data)


STRANGE = (
    None, True, False, 0, -1, 7, 2**63, 1e300, 0.5, "", " ", "7", "-7", "x" * 5000, "null", "2026-13-45T99:00:00Z", "\ud83d\ude97",
    [], [None], [[]], {}, {"": None}, {"id": {}},
)  # fmt: skip
"""What stands where something else is expected."""


def retype(value: object, dice: random.Random) -> object:
    """The same document with one field missing, doubled, of another type, or very deep; JSON inside a text is opened as well."""
    if isinstance(value, str) and value[:1] in "{[" and dice.random() < 0.9:
        try:
            return json.dumps(retype(json.loads(value), dice))
        except ValueError:
            return dice.choice(STRANGE)
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {name: one for name, one in value.items() if name != key}
            case 1:
                return {**value, key[::-1]: value[key], f"{key}s": [value[key]]}
        return {**value, key: retype(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        return [*value[:at], retype(value[at], dice), *value[at:]]
    if isinstance(value, int | float) and not isinstance(value, bool) and dice.random() < 0.3:
        return str(value)
    return deep(dice.choice((50, 300, 900))) if dice.random() < 0.05 else dice.choice(STRANGE)


def deep(levels: int) -> object:
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def retyped(raw: bytes, dice: random.Random) -> bytes:
    """A frame in which a platform changed its mind; one that is no JSON is mangled instead."""
    try:
        document = json.loads(raw)
    except ValueError:
        return mangle(raw, dice)
    for _ in range(dice.randint(1, 3)):
        document = retype(document, dice)
    return json.dumps(document, ensure_ascii=dice.random() < 0.5).encode("utf-8", "replace")


def survives(platform: str, raw: bytes) -> None:
    try:
        events = parse(platform, raw)
    except Unreadable as error:
        reason = error.reason
        events = []
    else:
        reason = ""
    assert reason.isascii()
    assert len(reason) <= 40, "reasons are a small fixed set, not a diary"
    for event in events:
        check_event(event, platform)


@given(data=st.data())
def test_mangled_captures_are_unreadable_at_worst(platform, data):
    raw = data.draw(st.sampled_from(captures(platform)))
    survives(platform, mangle(raw, random.Random(data.draw(st.integers(0, 2**32)))))


@given(data=st.data())
def test_retyped_captures_are_unreadable_at_worst(platform, data):
    raw = data.draw(st.sampled_from(captures(platform)))
    survives(platform, retyped(raw, random.Random(data.draw(st.integers(0, 2**32)))))


@given(raw=st.binary(max_size=200))
def test_noise_is_unreadable_at_worst(platform, raw):
    survives(platform, raw)


@pytest.mark.slow
def test_a_hundred_thousand_accidents(platform):
    dice = random.Random(7)
    frames = captures(platform)
    for number in range(100_000):
        survives(platform, (mangle if number % 2 else retyped)(dice.choice(frames), dice))


# --- running against the platform's fake server -----------------------------------------------------------------------


def made(platform: str, server, resumes: dict[str, Resume] | None = None, **options) -> Connector:
    resumes = resumes or {}
    targets = [server.target(handle, resumes.get(handle, Resume())) for handle in server.handles]
    directory = {target.native_id: target.livestream for target in targets if target.native_id}
    tools = Tools(pseudonym=PARSE_TOOLS.pseudonym, dice=random.Random(1))
    chosen = dataclasses.replace(server.options(), **options)
    return connectors.class_of(platform)(chosen, Watch(targets, directory), tools)


async def read(connector: Connector, into: list, until=lambda _: False) -> None:
    """Collect what is yielded until the condition holds, or raise what it raises."""
    async with asyncio.timeout(30), aclosing(connector.events()) as items:
        async for item in items:
            into.append(item)
            if until(into):
                return


def messages(items: list) -> list[Message]:
    return [item for item in items if isinstance(item, Message)]


async def listening(server) -> None:
    for handle in server.handles:
        await server.heard(handle)


def has_texts(*texts: str):
    return lambda items: {message.text for message in messages(items)} >= set(texts)


def test_platform_has_a_fake_server(platform):
    module, _, name = FAKES[platform].partition(":")
    assert hasattr(importlib.import_module(module), name)


async def test_what_is_said_is_yielded_once_with_its_time(platform):
    async with fake(platform) as server:
        items: list = []
        reader = asyncio.create_task(read(made(platform, server), items, has_texts("last word")))
        await listening(server)
        said = [await server.say(handle, f"{n} Olá 奇瑞 👋") for n in range(5) for handle in server.handles]
        said.append(await server.say(server.handles[0], "last word"))
        await reader
    told = getattr(server, "tells_time", True)
    found = {(message.id, message.at if told else None, message.text) for message in messages(items)}
    assert found == {(one.id, one.at if told else None, one.text) for one in said}
    assert len(messages(items)) == len(said)
    assert not [item for item in items if isinstance(item, Gap)], "nothing was missed at the first start"


async def test_each_channel_becomes_live(platform):
    async with fake(platform) as server:
        wanted = livestreams_of(server)

        def all_live(items):
            return {item.livestream for item in items if isinstance(item, Health) and item.state == "live"} >= wanted

        await read(made(platform, server), [], all_live)


def tells_removals(platform: str) -> bool:
    return connectors.class_of(platform).removes


@where(lambda platform: not tells_removals(platform))
def test_who_says_to_tell_no_removals_tells_none(platform):
    for raw in captures(platform):
        with contextlib.suppress(Unreadable):
            assert not any(isinstance(event, Removed) for event in parse(platform, raw))


@where(tells_removals)
async def test_what_is_taken_back_is_yielded_as_removed(platform):
    async with fake(platform) as server:
        items: list = []
        reader = asyncio.create_task(
            read(made(platform, server), items, lambda items: any(isinstance(item, Removed) for item in items))
        )
        await listening(server)
        said = await server.say(server.handles[0], "spam")
        await server.remove(said)
        await reader
    removed = next(item for item in items if isinstance(item, Removed))
    assert removed.target == said.id


async def test_marks_cover_only_what_was_yielded_before(platform):
    """What is stored of a mark is never asked for again: covering a message not yet yielded would lose it."""
    async with fake(platform) as server:
        items: list = []
        livestreams = livestreams_of(server)
        reader = asyncio.create_task(
            read(made(platform, server), items, lambda items: has_texts("end")(items) and marked(items) >= livestreams)
        )
        await listening(server)
        for n in range(20):
            await server.say(server.handles[n % len(server.handles)], f"{n}")
        await server.say(server.handles[0], "end")
        await reader
    marks = [item for item in items if isinstance(item, Mark)]
    assert marks
    for index, mark in enumerate(items):
        if isinstance(mark, Mark):
            assert mark.cursor is not None or mark.covered_until is not None
            later = [message for message in messages(items[index:]) if message.livestream in mark.livestreams]
            assert mark.covered_until is None or all(message.at >= mark.covered_until for message in later)


@pytest.mark.parametrize(
    ("faults", "failure"),
    [
        (Faults(refuse=True), Refused),
        (Faults(throttle_seconds=120), Throttled),
        (Faults(half_frame=True), Dropped),
        (Faults(silent=True), Dropped),
    ],
    ids=["refused", "throttled", "cut in mid-frame", "silent"],
)
async def test_each_fault_gives_its_failure(platform, faults, failure):
    async with fake(platform, faults) as server:
        items: list = []
        reader = asyncio.create_task(read(made(platform, server), items))
        if faults.half_frame:
            await listening(server)
            await server.say(server.handles[0], "half of this")
        with pytest.raises(failure) as raised:
            await reader
        assert raised.value.reason
        if isinstance(raised.value, Throttled):
            assert 60 < (raised.value.until - datetime.now(UTC)).total_seconds() <= 120
    assert not messages(items)


async def test_nobody_there_is_dropped(platform):
    async with fake(platform) as server:
        connector = made(platform, server)
    with pytest.raises(Dropped):
        await read(connector, [])


async def test_garbage_between_the_messages_stops_nothing(platform):
    async with fake(platform, Faults(garbage=True)) as server:
        items: list = []
        reader = asyncio.create_task(read(made(platform, server), items, has_texts("three")))
        await listening(server)
        said = [await server.say(server.handles[0], text) for text in ("one", "two", "three")]
        await reader
    assert [message.id for message in messages(items)] == [one.id for one in said]


async def test_cancelling_leaves_no_task_and_no_connection(platform):
    before = asyncio.all_tasks()
    async with fake(platform) as server:
        during = asyncio.all_tasks()
        items: list = []
        reader = asyncio.create_task(read(made(platform, server), items))
        await listening(server)
        assert server.connections > 0
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        async with asyncio.timeout(30):
            while server.connections or asyncio.all_tasks() - during:
                await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


def livestreams_of(server) -> set[str]:
    return {server.target(handle, Resume()).livestream for handle in server.handles}


def marked(items: list) -> set[str]:
    return {livestream for item in items if isinstance(item, Mark) for livestream in item.livestreams}


def resumes_of(server, items: list) -> dict[str, Resume]:
    """What collect would have stored: the last mark of each livestream."""
    stored: dict[str, Resume] = {}
    handles = {server.target(handle, Resume()).livestream: handle for handle in server.handles}
    for item in items:
        if isinstance(item, Mark):
            for livestream in item.livestreams:
                stored[handles[livestream]] = Resume(cursor=item.cursor, covered_until=item.covered_until)
    return stored


async def test_what_is_said_while_away_comes_later_or_lies_in_a_gap(platform):
    """Nothing is lost without being owned up to; and where the platform can resume nothing is lost at all."""
    async with fake(platform) as server:
        before: list = []
        livestreams = livestreams_of(server)
        reader = asyncio.create_task(
            read(
                made(platform, server),
                before,
                lambda items: len(messages(items)) == len(server.handles) and marked(items) >= livestreams,
            )
        )
        await listening(server)
        said = [await server.say(handle, "before") for handle in server.handles]
        await reader
        await server.cut()
        said += [await server.say(handle, "away") for handle in server.handles for _ in range(3)]
        after: list = []
        reader = asyncio.create_task(read(made(platform, server, resumes_of(server, before)), after, has_texts("end")))
        await listening(server)
        said += [await server.say(handle, "back") for handle in server.handles]
        said.append(await server.say(server.handles[0], "end"))
        await reader

    seen = {message.id for message in messages(before + after)}
    missed = [one for one in said if one.id not in seen]
    gaps = [item for item in after if isinstance(item, Gap)]
    if connectors.class_of(platform).resumes:
        assert not missed
        assert not gaps
    else:
        assert missed
        assert sorted(gap.livestream for gap in gaps) == sorted(livestreams), "one for each channel"
        for one in missed:
            assert any(gap.from_ <= one.at <= gap.to for gap in gaps)
        for gap in gaps:
            check_event(msgspec.structs.replace(gap, received_at=NOW), platform)


# --- trying beforehand -----------------------------------------------------------------------------------------------


def can_be_tried(platform: str) -> bool:
    return not connectors.class_of(platform).untried


@where(lambda platform: not can_be_tried(platform))
def test_what_is_not_tried_by_the_connector_is_tried_by_discovery(platform):
    assert platform in connectors.DISCOVERERS


def tried(platform: str, server, **options) -> Connector:
    connector = made(platform, server, **options)
    connector.watch.update(list(connector.watch.targets.values())[: connector.tries_at_most])
    return connector


@where(can_be_tried)
async def test_trying_says_who_can_be_read_and_leaves_nothing_open(platform):
    async with fake(platform) as server:
        connector = tried(platform, server)
        async with asyncio.timeout(30):
            found = await connector.try_login()
        assert {health.state for health in found} <= {"live"}
        assert {health.livestream for health in found} <= connector.watch.targets.keys()
        async with asyncio.timeout(30):
            while server.connections:
                await asyncio.sleep(0)


@where(can_be_tried)
async def test_trying_takes_nothing_from_whoever_reads_now(platform):
    """A check an hour before the event must not throw out the collector that is already running."""
    async with fake(platform) as server:
        items: list = []
        reader = asyncio.create_task(read(made(platform, server), items, has_texts("still here")))
        await listening(server)
        async with asyncio.timeout(30):
            await tried(platform, server).try_login()
        await server.say(server.handles[0], "still here")
        await reader
    assert [message.text for message in messages(items)] == ["still here"]


@where(can_be_tried)
@pytest.mark.parametrize(
    ("faults", "failure"),
    [(Faults(refuse=True), Refused), (Faults(throttle_seconds=120), Throttled)],
    ids=["refused", "throttled"],
)
async def test_trying_fails_as_reading_does(platform, faults, failure):
    async with fake(platform, faults) as server:
        connector = tried(platform, server)
        async with asyncio.timeout(30):
            with pytest.raises(failure):
                await connector.try_login()


@where(can_be_tried)
async def test_trying_where_nobody_is_is_dropped(platform):
    async with fake(platform) as server:
        connector = tried(platform, server)
    with pytest.raises(Dropped):
        async with asyncio.timeout(30):
            await connector.try_login()


def has_proxy(platform: str) -> bool:
    return "proxy" in {field.name for field in dataclasses.fields(options_of(platform))}


@where(has_proxy)
async def test_everything_goes_through_the_proxy_of_the_section(platform):
    """Both ways out, REST and websocket; the name and the password are the proxy's and nobody else's."""
    async with tunnel("us er:p@ss") as office, fake(platform) as server:
        items: list = []
        counts: list = []

        def arrived(items):
            counts.append((server.connections, office.open))
            return has_texts("through")(items)

        proxy = Proxy(f"http://us%20er:p%40ss@127.0.0.1:{office.port}")
        reader = asyncio.create_task(read(made(platform, server, proxy=proxy), items, arrived))
        await listening(server)
        await server.say(server.handles[0], "through")
        await reader
    assert counts
    assert all(came <= let_through for came, let_through in counts), f"something went past the proxy: {counts}"


@where(has_proxy)
async def test_a_proxy_that_does_not_let_us_through_is_refused_in_words(platform, caplog):
    caplog.set_level(logging.DEBUG)
    async with tunnel("name:right") as office, fake(platform) as server:
        connector = made(platform, server, proxy=Proxy(f"http://name:wr0ng-w0rd@127.0.0.1:{office.port}"))
        with pytest.raises(Refused) as refused:
            await read(connector, [])
        assert server.connections == 0
    assert "proxy" in refused.value.reason
    assert "wr0ng-w0rd" not in f"{refused.value!r} {connector.opts!r} {connector.opts}"
    assert "wr0ng-w0rd" not in caplog.text


async def test_no_secret_is_ever_written(platform, caplog):
    """A known secret in every secret option; then everything that could show it is searched."""
    caplog.set_level(logging.DEBUG)
    known = "s3cret-that-must-not-be-seen"
    async with fake(platform, Faults(refuse=True)) as server:
        secrets = {field.name: Secret(known) for field in dataclasses.fields(options_of(platform)) if "Secret" in str(field.type)}
        connector = made(platform, server, **secrets)
        with pytest.raises(Refused) as refused:
            await read(connector, [])
    assert known not in f"{refused.value} {refused.value!r} {connector.opts} {connector.opts!r} {connector!r}"
    written = [record for record in caplog.records if not record.name.startswith("websockets")]
    assert known not in json.dumps([record.getMessage() for record in written])
