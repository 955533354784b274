"""The address of a proxy: what a person may write, what is never shown, and that this machine's own servers are not behind it."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunnel import tunnel

import connectors
from connectors import rest, socket
from connectors.connector import Dropped, Refused, Secret, Tools, make_pseudonym
from connectors.proxy import Proxy, tell_environment
from connectors.rest import Ask
from connectors.simulator.air import Airtime
from connectors.simulator.helix import CLIENT_ID, CLIENT_SECRET, HelixServer
from connectors.trouble import SOCKS
from monitor.asking import Asking
from monitor.config import ConfigError
from monitor.config_file import parse
from monitor.discover import fetcher

HEAD = '[event]\nname = "T"\ntimezone = "UTC"\n'
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def read(line, environment=None):
    return parse(f"{HEAD}[twitch]\n{line}\n", file=Path("config.toml"), environment=environment or {}).platform("twitch").options


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("socks5://x.example:1080", "a SOCKS proxy cannot be used"),
        ("https://x.example:3128", "cannot be encrypted"),
        ("x.example:3128", "expected the address of an HTTP proxy"),
        ("http://", "expected the address of an HTTP proxy"),
        ("http://x.example:99999", "no valid port"),
        ("http://x.example:port", "no valid port"),
        ("http://x.example:3128/path", "nothing may stand behind the port"),
        ("http://name@x.example:3128", "a user name needs a password"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_with_what_to_write_and_without_repeating_it(address, says):
    with pytest.raises(ConfigError) as wrong:
        read(f'proxy = "{address}"')
    assert says in str(wrong.value)
    assert "[twitch] proxy" in str(wrong.value)
    assert address.removeprefix("http://") == "" or address not in str(wrong.value)


def test_a_password_comes_from_the_environment_and_is_never_shown():
    with pytest.raises(ConfigError) as wrong:
        read('proxy = "http://n:pa55word@x.example:3128"')
    assert "a password does not belong in this file" in str(wrong.value)
    assert "pa55word" not in str(wrong.value)
    options = read('proxy = { env = "OFFICE" }', {"OFFICE": "http://n:pa55word@x.example:3128"})
    assert options["proxy"].reveal() == "http://n:pa55word@x.example:3128"
    made = connectors.class_of("twitch").options(**options)
    assert "pa55word" not in f"{made!r} {made} {options}"


@given(st.text(max_size=40))
def test_whatever_is_written_is_an_address_or_one_sentence(written):
    try:
        proxy = Proxy(written)
    except ValueError as error:
        said = str(error)
    else:
        said = f"proxy: {proxy.reveal() == written.strip()}"
    assert said.startswith("proxy: ")
    assert said != "proxy: False"


def test_this_machine_is_never_behind_the_proxy_of_the_environment():
    environment = {"NO_PROXY": "intra.example, localhost"}
    tell_environment(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intra.example,localhost,127.0.0.1,::1"
    tell_environment(environment)
    assert environment["NO_PROXY"] == "intra.example,localhost,127.0.0.1,::1"
    everything = {"no_proxy": "*"}
    tell_environment(everything)
    assert everything["NO_PROXY"] == "*"


async def test_without_a_section_of_its_own_the_proxy_of_the_environment_holds_and_no_proxy_too(monkeypatch):
    async with tunnel() as office:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{office.port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        async with rest.client() as session:
            for host in ("far.invalid", "direct.invalid"):
                with pytest.raises(Dropped):
                    await rest.send(session, Ask(url=f"https://{host}/x"), within_seconds=5)
        for host in ("far.invalid", "direct.invalid"):
            with pytest.raises(Dropped):
                async with socket.connect(f"wss://{host}/x", now=lambda: NOW, open_seconds=5):
                    pass
    assert office.asked == [("CONNECT", "far.invalid:443")] * 2


async def test_a_socks_proxy_of_the_environment_is_refused_in_words(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(Refused) as refused:
        async with socket.connect("wss://far.invalid/x", now=lambda: NOW, open_seconds=5):
            pass
    assert refused.value.reason == SOCKS


async def test_discovery_asks_by_the_proxy_of_the_platforms_section():
    server = HelixServer([], Airtime([], random.Random(1), 0.0), clock=lambda: 0.0)
    port = await server.start()
    try:
        async with tunnel("n:p") as office, rest.client() as session:
            options = connectors.class_of("twitch").options(
                client_id=Secret(CLIENT_ID), client_secret=Secret(CLIENT_SECRET), helix_url=f"http://127.0.0.1:{port}/helix",
                login_url=f"http://127.0.0.1:{port}/oauth2", proxy=Proxy(f"http://n:p@127.0.0.1:{office.port}"),
            )  # fmt: skip
            discoverer = connectors.discoverer_of("twitch")(options)
            asking = Asking(discoverer, options, fetcher(session), Tools(pseudonym=make_pseudonym(b"k"), now=lambda: NOW))
            async with asyncio.timeout(30):
                assert await asking.ask(discoverer.resolve(["nobody"])[0]) is not None
    finally:
        await server.stop()
    assert [method for method, _ in office.asked] == ["POST", "GET"]
