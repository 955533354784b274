"""Webhooks over HTTP into a real spool and a real journal: what a sender is told, and what that is worth after a kill."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import io
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connectors.connector import Secret, Tools, make_pseudonym
from monitor.channel_store import ChannelStore
from monitor.channels import Live, Row, as_json
from monitor.config import Config, Event, Platform
from monitor.gate import HELD_SECONDS
from monitor.hooks import Hooks, opened
from monitor.hooks_http import MOST_BYTES
from monitor.hooks_plan import directories_of, section_of, settings_of
from monitor.journal import Journal, ready
from monitor.produce import Producer
from monitor.roster import Channel, Roster

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = Tools(pseudonym=make_pseudonym(b"key of these tests"))
NOBODY = "unix:///nowhere/valkey.sock"
ROSTER = Roster(
    channels=tuple(
        Channel(id=f"{platform}:{handle}", attendee=handle, name=handle, country="BR", language=None, platform=platform, handle=handle, consent=consent)
        for platform, handle, consent in (
            ("webhook.partner", "ana", "yes"),
            ("webhook.partner", "bo", None),
            ("webhook.other", "cy", "yes"),
        )
    )
)  # fmt: skip


def config(**sections):
    platforms = {
        name: Platform(name=name, options={"section": name, "secret": Secret("s3cret"), **options})
        for name, options in sections.items()
    }
    return Config(event=Event(name="e", timezone=ZoneInfo("UTC")), platforms=platforms)


PARTNER = config(**{"webhook.partner": {"auth": "hmac_sha256_hex"}})


@contextlib.asynccontextmanager
async def receiving(
    folder: Path, url: str, configured=PARTNER, *, partitions=4, producer_waits=500_000, put_seconds=60.0, **options
):
    hooks = Hooks(
        lambda: Producer(url, folder / "spool", partitions, name="serve", most_waiting=producer_waits),
        TOOLS,
        put_seconds=put_seconds,
        **options,
    )
    app = web.Application()
    hooks.add_routes(app.router)
    try:
        await hooks.reconfigure(configured, ROSTER)
        async with TestClient(TestServer(app)) as client:
            yield client, hooks
    finally:
        await hooks.close()


def comment(number, channel="ana", **more):
    return orjson.dumps({"type": "comment", "id": f"c{number}", "channel": channel, "text": f"words {number}", **more})


def signed(body, secret=b"s3cret"):
    return {"data": body, "headers": {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}}


async def journalled(client, partitions=4):
    found = []
    for partition in range(partitions):
        found += [orjson.loads(fields[b"d"]) for _, fields in await client.xrange(f"{{p{partition:02}}}:s")]
    return found


@pytest.fixture
async def journal(valkey, redis_client):
    async with Journal(valkey, partitions=4).opened() as opened_journal:
        await ready(opened_journal)
        yield redis_client


async def test_what_was_answered_with_success_is_in_the_journal_once(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey) as (client, hooks):
        for number in (1, 2, 2, 1, 3):
            answer = await client.post("/hooks/partner", **signed(comment(number)))
            assert answer.status == 200
        await hooks.producer.flushed()
        events = await journalled(journal)
    assert sorted(event["id"] for event in events) == [f"webhook.partner:c{number}" for number in (1, 2, 3)]
    assert {(event["livestream"], event["platform"]) for event in events} == {("webhook.partner:ana", "webhook.partner")}
    assert hooks.counts["webhook.partner", "taken"] == 5


async def test_a_forged_request_leaves_nothing(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey) as (client, hooks):
        assert (await client.post("/hooks/partner", **signed(comment(1), b"guess"))).status == 403
        assert (await client.post("/hooks/partner", data=comment(1))).status == 401
        assert (await client.post("/hooks/webhook.partner", **signed(comment(2)))).status == 200
        await hooks.producer.flushed()
        assert [event["id"] for event in await journalled(journal)] == ["webhook.partner:c2"]


async def test_who_did_not_consent_is_not_read_and_a_strangers_words_are_not_kept(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey) as (client, hooks):
        for number, channel in enumerate(("bo", "cy", "eve")):
            assert (await client.post("/hooks/partner", **signed(comment(number, channel)))).status == 200
        await hooks.producer.flushed()
        events = await journalled(journal)
    assert {event["kind"] for event in events} == {"unknown"}
    assert b"words" not in orjson.dumps(events)


async def test_while_redis_is_away_a_success_is_on_disk_and_arrives_later(valkey, journal, tmp_path):
    """The promise behind a 2xx: the process may be killed right after it."""
    async with receiving(tmp_path, NOBODY) as (client, _):
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
    assert await journalled(journal) == []
    async with receiving(tmp_path, valkey) as (_, hooks):
        await hooks.producer.flushed()
        assert [event["id"] for event in await journalled(journal)] == ["webhook.partner:c1"]


async def test_a_full_spool_sends_senders_away_for_a_while(tmp_path):
    async with receiving(tmp_path, NOBODY, most_waiting=2) as (client, hooks):
        answers = [await client.post("/hooks/partner", **signed(comment(number))) for number in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 503, 503]
    assert answers[2].headers["Retry-After"] == "5"
    assert hooks.counts["webhook.partner", "full"] == 2


async def test_a_disk_that_is_too_slow_is_no_success_and_what_is_sent_again_counts_once(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey, put_seconds=0) as (client, hooks):
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 503
        async with asyncio.timeout(30):
            while hooks.producer.added < 1:
                await asyncio.sleep(0)
    async with receiving(tmp_path, valkey) as (client, hooks):
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
        await hooks.producer.flushed()
        assert len(await journalled(journal)) == 1


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 10 * MOST_BYTES])
async def test_what_is_too_long_is_not_read_to_its_end(tmp_path, length):
    async def chunks():
        for _ in range(length // 65_536 + 1):
            yield b"x" * 65_536

    async with receiving(tmp_path, NOBODY) as (client, _):
        assert (await client.post("/hooks/partner", data=io.BytesIO(b"x" * length))).status == 413
        with contextlib.suppress(ConnectionError):
            assert (await client.post("/hooks/partner", data=chunks())).status == 413


async def test_a_sender_that_drips_is_not_waited_for(tmp_path):
    async with receiving(tmp_path, NOBODY, read_seconds=0.05) as (client, _):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"POST /hooks/partner HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
        assert b" 408 " in head
        assert await asyncio.wait_for(reader.read(), 30), "and the connection is closed"
        writer.close()
        await writer.wait_closed()


async def test_no_more_than_some_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.hooks.MOST_AT_ONCE", 2)
    async with receiving(tmp_path, NOBODY) as (client, hooks):
        slow = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(client.host, client.port)
            writer.write(b"POST /hooks/partner HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            slow.append((reader, writer))
        async with asyncio.timeout(30):
            while hooks._at_once < 2:
                await asyncio.sleep(0)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 503
        for _, writer in slow:
            writer.close()
            await writer.wait_closed()


async def test_packed_bodies_are_refused(tmp_path):
    async with receiving(tmp_path, NOBODY) as (client, _):
        answer = await client.post("/hooks/partner", data=b"\x1f\x8b" + b"x" * 20, headers={"Content-Encoding": "gzip"})
        assert answer.status == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/hooks/nobody", 404),
        ("GET", "/hooks/partner", 405),
        ("DELETE", "/hooks/partner", 405),
        ("POST", "/hooks/kick", 404),
    ],
)
async def test_what_receives_nothing_says_so(tmp_path, method, path, status):
    async with receiving(tmp_path, NOBODY) as (client, _):
        assert (await client.request(method, path)).status == status


async def test_a_secret_in_the_path_and_a_reply(tmp_path):
    configured = config(**{"webhook.partner": {"auth": "path_token", "reply": "ok"}})
    async with receiving(tmp_path, NOBODY, configured) as (client, _):
        answer = await client.post("/hooks/partner/s3cret", data=comment(1))
        assert (answer.status, await answer.text()) == (200, "ok")
        assert (await client.post("/hooks/partner/other", data=comment(1))).status == 403


async def test_nothing_of_a_request_is_logged_but_its_section_and_reason(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with receiving(tmp_path, NOBODY) as (client, _):
        for _ in range(150):
            await client.post("/hooks/partner/s3cret", data=comment(1), headers={"X-Hub-Signature-256": "sha256=f00"})
    said = [record.getMessage() for record in caplog.records if record.name == "monitor.hooks"]
    assert said == ["/hooks/webhook.partner: a request was not taken: wrong_signature"] * 2
    assert not any("s3cret" in text or "words" in text for text in said)


async def test_the_configuration_is_followed(tmp_path):
    async with receiving(tmp_path, NOBODY, config()) as (client, hooks):
        assert hooks.producer is None, "a serve without a section needs no spool"
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 404
        await hooks.reconfigure(PARTNER, ROSTER)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
        changed = config(**{"webhook.partner": {"auth": "hmac_sha256_hex", "secret": Secret("new")}})
        await hooks.reconfigure(changed, ROSTER)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 403
        assert (await client.post("/hooks/partner", **signed(comment(1), b"new"))).status == 200
        await hooks.reconfigure(config(), ROSTER)
        assert (await client.post("/hooks/partner", **signed(comment(1), b"new"))).status == 404


async def test_a_channel_that_leaves_the_roster_is_no_longer_read(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.reconfigure(PARTNER, Roster())
        await client.post("/hooks/partner", **signed(comment(1)))
        await hooks.producer.flushed()
        assert {event["kind"] for event in await journalled(journal)} == {"unknown"}


async def test_a_channel_is_live_while_something_is_told(valkey, journal, tmp_path):
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.note_states_once(journal)
        waiting = orjson.loads(await journal.hget("{livestreams}", "webhook.partner:ana"))
        await client.post("/hooks/partner", **signed(comment(1)))
        await hooks.note_states_once(journal)
        live = orjson.loads(await journal.hget("{livestreams}", "webhook.partner:ana"))
        assert set(await journal.hkeys("{livestreams}")) == {b"webhook.partner:ana"}, "others are not ours to speak of"
    assert (waiting["state"], live["state"]) == ("waiting", "live")


async def test_serve_mounts_them_before_its_pages(tmp_path, valkey, journal):
    from test_web import serving

    async with opened(PARTNER, ROSTER, redis_url=valkey, data_dir=tmp_path) as hooks, serving(hooks=hooks) as (client, _, _):
        answer = await client.post("/hooks/partner", **signed(comment(1)))
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (await client.get("/hooks/partner")).status == 405
        metrics = await (await client.get("/metrics")).text()
        assert 'livestream_hook_requests_total{result="taken",section="webhook.partner"} 1.0' in metrics
        assert 'livestream_hook_requests_total{result="wrong_method",section="webhook.partner"} 1.0' in metrics
        assert "said_" not in metrics
        await hooks.producer.flushed()
        assert len(await journalled(journal)) == 1


async def test_a_header_that_is_no_text_reaches_the_journal_as_text(valkey, journal, tmp_path):
    table = {"id": "/id", "text": "/text", "broadcast": "@/header/x-live"}
    configured = config(**{"webhook.partner": {"auth": "path_token", "map": table}})
    async with receiving(tmp_path, valkey, configured) as (client, hooks):
        reader, writer = await asyncio.open_connection(client.host, client.port)
        body = comment(1)
        head = (
            b"POST /hooks/partner/s3cret HTTP/1.1\r\nHost: x\r\nX-Live: b\xff\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        )
        writer.write(head % len(body) + body)
        assert b" 200 " in await asyncio.wait_for(reader.read(), 30)
        writer.close()
        await writer.wait_closed()
        await hooks.producer.flushed()
        assert [event["broadcast"] for event in await journalled(journal)] == ["b\ufffd"]


# --- pure -------------------------------------------------------------------------------------------------------------


def test_only_those_who_may_be_read_are_in_the_directory():
    assert directories_of(PARTNER, ROSTER) == {
        "webhook.partner": {"ana": "webhook.partner:ana"},
        "webhook.other": {"cy": "webhook.other:cy"},
    }
    native = replace(ROSTER.channels[0], native_id="77")
    assert directories_of(PARTNER, Roster(channels=(native,)))["webhook.partner"] == {"ana": native.id, "77": native.id}


def test_sections_that_are_off_or_only_asked_do_not_receive():
    configured = config(**{"webhook.partner": {}, "sse.mysite": {}})
    off = replace(configured.platforms["webhook.partner"], enabled=False)
    assert set(settings_of(configured)) == {"webhook.partner"}
    assert settings_of(replace(configured, platforms={"webhook.partner": off})) == {}


def test_a_section_is_found_by_its_short_name():
    known = {"webhook.partner": None, "kick": None}
    assert [section_of(name, known) for name in ("partner", "webhook.partner", "kick", "nobody")] == [
        "webhook.partner",
        "webhook.partner",
        "kick",
        None,
    ]


# --- what discovery says holds for what is told to us, too --------------------------------------------------------------

NOW = datetime.now(UTC)


def row(reading, *lives, state="waiting", known=True):
    return Row(
        platform="webhook.partner",
        handle="ana",
        state=state,
        reading=reading,
        broadcasts=lives,
        discovered_at=NOW if known else None,
    )


async def say(redis, found, livestream="webhook.partner:ana"):
    await ChannelStore(redis).save({livestream: as_json(found)}, (), desks={}, closed=())


def removed(number):
    return orjson.dumps({"type": "removed", "id": f"r{number}", "channel": "ana", "target": f"c{number}"})


async def test_what_is_said_in_a_closed_channel_is_answered_and_neither_stored_nor_counted(valkey, journal, tmp_path):
    await say(journal, row("closed"))
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.look_first(journal)
        for body in (comment(1), comment(2), removed(9)):
            assert (await client.post("/hooks/partner", **signed(body))).status == 200
        await hooks.producer.flushed()
        assert [event["kind"] for event in await journalled(journal)] == ["removed"], "what is taken back may have been counted"
        assert (hooks.gate.forgotten, hooks.gate.holding) == (2, 0)
        await say(journal, row("open"))
        await hooks.look_at_channels(journal)
        assert (await client.post("/hooks/partner", **signed(comment(3)))).status == 200
        await hooks.producer.flushed()
        assert [event["id"] for event in await journalled(journal)] == ["webhook.partner:c9:removed", "webhook.partner:c3"]


async def test_what_was_held_goes_on_from_the_beginning_of_the_broadcast_with_its_id(valkey, journal, tmp_path):
    await say(journal, row("held"))
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.look_first(journal)
        for number, minutes in ((1, 10), (2, 1)):
            body = comment(number, at=(NOW - timedelta(minutes=minutes)).isoformat())
            assert (await client.post("/hooks/partner", **signed(body))).status == 200
        assert (hooks.producer.waiting, hooks.gate.holding) == (0, 2), "in memory, in no file"
        began = Live(id="b7", started_at=NOW - timedelta(minutes=2), found_at=NOW, scope="in")
        await say(journal, row("open", began, state="live"))
        await hooks.look_at_channels(journal)
        await hooks.producer.flushed()
        assert [(event["id"], event["broadcast"]) for event in await journalled(journal)] == [("webhook.partner:c2", "b7")]


async def test_what_a_kill_takes_from_memory_lies_in_a_gap_and_what_ends_well_leaves_none(valkey, journal, tmp_path):
    await say(journal, row("held"))
    noted = tmp_path / "spool" / "serve-0.held"
    async with receiving(tmp_path, valkey, now=lambda: NOW) as (client, hooks):
        await hooks.look_first(journal)
        said = comment(1, at=(NOW - timedelta(seconds=20)).isoformat())
        assert (await client.post("/hooks/partner", **signed(said))).status == 200
        when_killed = noted.read_bytes()
        assert b"words" not in when_killed
    for left, gaps in ((when_killed, 1), (noted.read_bytes(), 1)):  # killed; then ended well, which adds none
        noted.write_bytes(left)
        async with receiving(tmp_path, valkey, now=lambda: NOW) as (_, hooks):
            await hooks.producer.flushed()
        found = await journalled(journal)
        assert [event["kind"] for event in found] == ["gap"] * gaps
    assert [datetime.fromisoformat(found[0][end]) for end in ("from", "to")] == [NOW - timedelta(seconds=20), NOW]


async def test_a_sender_is_told_to_come_again_when_it_cannot_be_noted_who_waits(valkey, journal, tmp_path):
    await say(journal, row("held"))
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.look_first(journal)
        (tmp_path / "spool" / "serve-0.held").mkdir()
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 503


async def test_what_was_held_for_two_minutes_in_vain_is_forgotten(valkey, journal, tmp_path):
    time = [0.0]
    await say(journal, row("held"))
    async with receiving(tmp_path, valkey, monotonic=lambda: time[0]) as (client, hooks):
        await hooks.look_first(journal)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
        time[0] = HELD_SECONDS
        await hooks.look_at_channels(journal)
        assert (hooks.gate.forgotten, hooks.gate.holding) == (1, 0)
        await say(journal, row("open"))
        await hooks.look_at_channels(journal)
        await hooks.producer.flushed()
        assert await journalled(journal) == []


@pytest.mark.parametrize("known", [False, True])
async def test_at_the_end_only_that_is_kept_of_which_nobody_knows_better(valkey, journal, tmp_path, known):
    await say(journal, row("held", known=known))
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.look_first(journal)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
    async with receiving(tmp_path, valkey) as (_, hooks):
        await hooks.producer.flushed()
        assert len(await journalled(journal)) == (0 if known else 1)


async def test_while_redis_is_away_what_was_known_stays_in_force(valkey, journal, tmp_path):
    await say(journal, row("closed"))
    async with receiving(tmp_path, valkey) as (client, hooks):
        await hooks.look_first(journal)
        async with Journal(NOBODY, partitions=4).opened() as away:
            await hooks.look_first(away.redis)
        assert (await client.post("/hooks/partner", **signed(comment(1)))).status == 200
        assert hooks.gate.forgotten == 1
