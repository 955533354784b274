"""Foreign senders of webhooks: the signer of Standard Webhooks, and an Alertmanager that tries again until it is answered.

Both were written by others, so what they sign and how they retry is not our own reading of it.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port

from connectors.connector import Request, Secret, Tools, make_pseudonym
from connectors.webhook import Options, Webhook
from monitor.config import Config, Event, Platform
from monitor.hooks import Hooks
from monitor.journal import Journal, ready
from monitor.produce import Producer
from monitor.roster import Roster

standardwebhooks = pytest.importorskip("standardwebhooks")
ALERTMANAGER = shutil.which("prometheus-alertmanager")
TOOLS = Tools(pseudonym=make_pseudonym(b"key of the peer test"))
pytestmark = pytest.mark.peer

# --- Standard Webhooks ------------------------------------------------------------------------------------------------


@given(key=st.binary(min_size=1, max_size=64), delivery=st.from_regex(r"msg_[A-Za-z0-9]{1,20}", fullmatch=True),
       at=st.integers(10**9, 2 * 10**9), text=st.text(max_size=30))  # fmt: skip
def test_what_the_reference_signs_comes_in_and_what_it_would_refuse_does_not(key, delivery, at, text):
    import base64

    secret = "whsec_" + base64.b64encode(key).decode()
    signer = standardwebhooks.Webhook(secret)
    now = datetime.fromtimestamp(at, UTC)
    body = orjson.dumps({"type": "comment", "id": "c1", "text": f"words {text}"})
    signature = signer.sign(msg_id=delivery, timestamp=now, data=body.decode())
    headers = {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": signature}
    receiver = Webhook(Options(secret=Secret(secret)), {}, TOOLS)

    answer = receiver.receive(Request(body=body, headers=headers), now)
    assert (answer.status, [event.id for event in answer.events]) == (200, ["webhook:c1"])
    other = standardwebhooks.Webhook("whsec_" + base64.b64encode(key + b"x").decode()).sign(
        msg_id=delivery, timestamp=now, data=body.decode()
    )
    assert (
        receiver.receive(Request(body=body, headers={**headers, "webhook-signature": f"{other} {signature}"}), now).status == 200
    )
    for changed in (
        {**headers, "webhook-signature": other},
        {**headers, "webhook-id": delivery + "x"},
        {**headers, "webhook-timestamp": str(at + 1)},
    ):
        assert receiver.receive(Request(body=body, headers=changed), now).status == 403
    assert receiver.receive(Request(body=body + b" ", headers=headers), now).status == 403
    assert receiver.receive(Request(body=body, headers=headers), now + timedelta(seconds=301)).status == 403


# --- Alertmanager -----------------------------------------------------------------------------------------------------

MAP = {
    "items": "/alerts",
    "kind": "/status",
    "type_map": {"firing": "post", "resolved": "skip"},
    "text": "/annotations/summary",
    "at": "/startsAt",
    "id": "/fingerprint",
    "author_name": "/labels/alertname",
}


@asynccontextmanager
async def alertmanager(folder: Path, url: str):
    folder.joinpath("am.yml").write_text(Path(__file__).with_name("alertmanager.yml").read_text().replace("URL", url))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        ALERTMANAGER, f"--config.file={folder}/am.yml", f"--storage.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(30):
                while True:
                    try:
                        async with session.get(f"{base}/-/ready") as answer:
                            if answer.status == 200:
                                break
                    except aiohttp.ClientError:
                        assert process.returncode is None
                    await asyncio.sleep(0.05)
            yield session, base
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def receiving(folder: Path, url: str, **options):
    """``hooks.full`` makes the spool look full, so that senders are sent away."""
    hooks = Hooks(lambda: Producer(url, folder / "spool", 2, name="serve"), TOOLS, **({"put_seconds": 60} | options))
    platform = Platform(
        name="webhook.alerts", options={"section": "webhook.alerts", "auth": "bearer", "secret": Secret("s3cret"), "map": MAP}
    )
    config = Config(event=Event(name="e", timezone=ZoneInfo("UTC")), platforms={"webhook.alerts": platform})
    app = web.Application()
    hooks.add_routes(app.router)
    runner = web.AppRunner(app)
    try:
        await hooks.reconfigure(config, Roster())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield hooks, runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await hooks.close()


@pytest.mark.skipif(ALERTMANAGER is None, reason="prometheus-alertmanager is not installed")
async def test_an_alertmanager_that_is_sent_away_tries_again_and_counts_once(valkey, redis_client, tmp_path):
    """Its retries are its own: first we say 503 as a full spool does, then we take it."""
    async with Journal(valkey, partitions=2).opened() as journal:
        await ready(journal)
        async with (
            receiving(tmp_path, valkey) as (hooks, port),
            alertmanager(tmp_path, f"http://127.0.0.1:{port}/hooks/alerts") as (session, base),
        ):
            hooks._most_waiting = 0
            alert = {"labels": {"alertname": "ConnectorLag"}, "annotations": {"summary": "The chat of room 7 is behind"}}
            async with session.post(f"{base}/api/v2/alerts", json=[alert]) as answer:
                assert answer.status == 200
            async with asyncio.timeout(60):
                while hooks.counts["webhook.alerts", "full"] < 2:
                    await asyncio.sleep(0.05)
                hooks._most_waiting = 500_000
                while not hooks.counts["webhook.alerts", "taken"]:
                    await asyncio.sleep(0.05)
            await hooks.producer.flushed()
        entries = [fields[b"d"] for n in range(2) for _, fields in await redis_client.xrange(f"{{p{n:02}}}:s")]
    [event] = [orjson.loads(entry) for entry in entries]
    assert (event["kind"], event["text"], event["author_name"]) == ("message", "The chat of room 7 is behind", "ConnectorLag")
    assert event["platform"] == "webhook.alerts"
