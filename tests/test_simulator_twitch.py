"""The simulated Twitch, met by a raw WebSocket client: it keeps the rules of the real one, and its ledger names what really left."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from simulating import Clock
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from connectors.event import Gift, Message, Removed, Share, Unknown
from connectors.simulator import irc, lines
from connectors.simulator.crowd import Crowd
from connectors.simulator.faults import Faults
from connectors.simulator.ledger import COUNTED, Ledger, Line, standing
from connectors.simulator.model import Sent, SimChannel, make_member
from connectors.simulator.platform_twitch import twitch_entries
from connectors.simulator.run import Simulator, run
from connectors.simulator.texts import Text, load
from connectors.simulator.twitch import TwitchServer
from connectors.twitch.parse import Context, parse_line

CHANNELS = [
    SimChannel(livestream=f"twitch:c{n}", platform="twitch", handle=f"C{n}", country="ES", language="es") for n in range(130)
]
LOGIN = "CAP REQ :twitch.tv/tags twitch.tv/commands\r\nNICK justinfan77\r\n"
START = 1_800_000_000.0


class Reader:
    """A client that splits frames into lines and remembers both."""

    def __init__(self, ws):
        self.ws = ws
        self.frames = []
        self.lines = []

    async def until(self, word):
        """Read until a line contains ``word``; gives that line."""
        for line in self.lines:
            if word in line:
                self.lines = self.lines[self.lines.index(line) + 1 :]
                return line
        while True:
            frame = await asyncio.wait_for(self.ws.recv(), 30)
            assert isinstance(frame, str)
            assert frame.endswith("\r\n")
            self.frames.append(frame)
            lines = frame.removesuffix("\r\n").split("\r\n")
            for number, line in enumerate(lines):
                if word in line:
                    self.lines = lines[number + 1 :]
                    return line

    async def seen(self):
        """Everything that has been sent by now: what precedes the answer to a ping."""
        await self.ws.send("PING :marker\r\n")
        found = list(self.lines)
        self.lines = []
        while True:
            lines = (await asyncio.wait_for(self.ws.recv(), 30)).removesuffix("\r\n").split("\r\n")
            for line in lines:
                if line.endswith("PONG tmi.twitch.tv :marker"):
                    return found
                found.append(line)


@asynccontextmanager
async def serving(**options):
    clock = Clock(START)
    server = TwitchServer(CHANNELS, dice=random.Random(1), clock=clock, **options)
    server.url = f"ws://127.0.0.1:{await server.start()}"
    server.now = clock
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def joined(server, *names, login=LOGIN):
    async with connect(server.url) as ws:
        reader = Reader(ws)
        await ws.send(login)
        if names:
            await ws.send("JOIN " + ",".join(f"#{name}" for name in names) + "\r\n")
            await reader.until(f"366 justinfan77 #{names[-1]}")
        yield reader


def says(number, text, room=0, kind="message", **more):
    member = make_member(random.Random(number), number, "es", 1)
    native = f"00000000-0000-4000-8000-{number:012x}"
    return Sent(kind, int(START * 1000) + number, native, room, member, text=Text(text), **more)


async def test_a_reader_is_welcomed_and_a_join_is_confirmed_by_roomstate():
    async with serving() as server, joined(server) as reader:
        assert await reader.until("CAP") == ":tmi.twitch.tv CAP * ACK :twitch.tv/tags twitch.tv/commands"
        for number in ("001", "002", "003", "004", "375", "372", "376"):
            assert f" {number} justinfan77 :" in await reader.until(f" {number} ")
        await reader.ws.send("JOIN #c1,#c2\r\n")
        assert await reader.until("JOIN") == ":justinfan77!justinfan77@justinfan77.tmi.twitch.tv JOIN #c1"
        assert (await reader.until("ROOMSTATE")).endswith(":tmi.twitch.tv ROOMSTATE #c1")
        assert await reader.until("JOIN") == ":justinfan77!justinfan77@justinfan77.tmi.twitch.tv JOIN #c2"


async def test_several_lines_travel_in_one_frame_in_the_order_of_sending():
    async with serving() as server, joined(server, "c0") as reader:
        server.deliver([says(n, f"line {n}") for n in range(1, 6)])
        server.tick()
        await reader.until("line 5")
        assert [part.rpartition(":")[2] for part in reader.frames[-1].removesuffix("\r\n").split("\r\n")] == [
            f"line {n}" for n in range(1, 6)
        ]


async def test_everybody_who_joined_gets_everything_and_nobody_else_anything():
    async with serving() as server, joined(server, "c0") as one, joined(server, "c0", "c1") as two, joined(server, "c1") as three:
        server.deliver([says(1, "hola"), says(2, "segunda", room=1), says(3, "tercera")])
        server.tick()
        got = [[line.rpartition(":")[2] for line in await reader.seen()] for reader in (one, two, three)]
        assert got == [["hola", "tercera"], ["hola", "tercera", "segunda"], ["segunda"]]


async def test_after_part_a_channel_is_silent():
    async with serving() as server, joined(server, "c0", "c1") as reader:
        await reader.ws.send("PART #c0\r\n")
        await reader.until("PART #c0")
        server.deliver([says(1, "hola"), says(2, "segunda", room=1)])
        server.tick()
        assert [line.rpartition(":")[2] for line in await reader.seen()] == ["segunda"]


async def test_the_twenty_first_join_within_ten_seconds_closes_the_socket():
    async with serving() as server, joined(server, *[f"c{n}" for n in range(20)]) as reader:
        assert len(server.clients) == 1
        await reader.ws.send("JOIN #c20\r\n")
        with pytest.raises(ConnectionClosed):
            await reader.until("ROOMSTATE #c20")
        assert not server.clients


async def test_twenty_joins_each_ten_seconds_are_fine_up_to_a_hundred_channels():
    async with serving() as server, joined(server) as reader:
        for begin in range(0, 100, 20):
            await reader.ws.send("JOIN " + ",".join(f"#c{n}" for n in range(begin, begin + 20)) + "\r\n")
            await reader.until(f"366 justinfan77 #c{begin + 19}")
            server.now.now += 10
        await reader.ws.send("JOIN #c100\r\n")
        notice = await reader.until("NOTICE")
        assert notice.startswith("@msg-id=msg_concurrent_channel_limit_reached ")
        assert "NOTICE #c100 " in notice
        server.deliver([says(1, "for nobody", room=100)])
        server.tick()
        assert await reader.seen() == []


async def test_a_channel_that_is_not_there_is_met_with_silence():
    async with serving() as server, joined(server, "c0") as reader:
        await reader.ws.send("JOIN #nosuchchannel\r\n")
        assert await reader.seen() == []


async def test_too_many_logins_of_one_nick_are_turned_away():
    async with serving() as server:
        for _ in range(20):
            async with joined(server) as reader:
                await reader.until("376")
        async with joined(server) as reader:
            with pytest.raises(ConnectionClosed):
                await reader.until("376")


async def test_a_password_without_oauth_is_refused():
    async with serving() as server, joined(server, login="PASS secret\r\nNICK me\r\n") as reader:
        assert await reader.until("NOTICE") == ":tmi.twitch.tv NOTICE * :Improperly formatted auth"
        with pytest.raises(ConnectionClosed):
            await reader.until("001")


async def test_the_server_pings_and_cuts_whoever_does_not_answer():
    async with serving(ping_seconds=300) as server, joined(server, "c0") as answers, joined(server, "c0") as sleeps:
        server.now.now += 301
        server.tick()
        await answers.until("PING :tmi.twitch.tv")
        await answers.ws.send("PONG :tmi.twitch.tv\r\n")
        await answers.seen()
        server.now.now += 301
        server.tick()
        assert len(server.clients) == 1
        await answers.seen()
        with pytest.raises(ConnectionClosed):
            await sleeps.until("never")


async def test_reconnect_is_ordered_and_the_old_socket_closed_some_seconds_later():
    async with serving(faults=Faults(reconnect_grace=15)) as server, joined(server, "c0") as reader:
        assert server.reconnect_all() == 1
        assert await reader.until("RECONNECT") == ":tmi.twitch.tv RECONNECT"
        server.now.now += 14
        server.deliver([says(1, "still here")])
        server.tick()
        assert len(await reader.seen()) == 1
        server.now.now += 2
        server.tick()
        with pytest.raises(ConnectionClosed):
            await reader.until("never")


async def test_the_fault_plan_orders_reconnects_and_drops_by_itself():
    async with serving(faults=Faults(reconnect_every=60, drop_every=86_400_000)) as server, joined(server, "c0") as reader:
        server.now.now += 3600
        server.tick()
        await reader.until("RECONNECT")
    async with serving(faults=Faults(drop_every=60)) as server, joined(server, "c0") as reader:
        server.now.now += 3600
        server.tick()
        with pytest.raises(ConnectionClosedError):
            await reader.until("never")


async def test_a_dropped_socket_sees_no_close_frame():
    async with serving() as server, joined(server, "c0") as reader:
        assert server.drop_all() == 1
        with pytest.raises(ConnectionClosedError) as caught:
            await reader.until("never")
        assert caught.value.rcvd is None


async def test_a_busy_channel_comes_in_clumps():
    heard = []
    async with serving(clumped=[0], record=lambda sent, _: heard.append(sent)) as server, joined(server, "c0") as reader:
        server.tick()
        server.now.now += 3.2
        server.deliver([says(3200, "first")])
        server.tick()
        await reader.until("first")
        for tenth in range(3201, 6001, 100):
            server.now.now = START + tenth / 1000
            server.deliver([says(tenth, f"at {tenth}")])
            server.tick()
        assert len(heard) == 1
        server.now.now = START + 6.4
        server.tick()
        await reader.until("at 5901")
        assert len(heard) == 29


async def test_one_who_does_not_read_is_cut_and_costs_the_others_nothing():
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with serving(backlog=200_000) as server, joined(server, "c0") as reader:
        raw.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        raw.setblocking(False)
        async with connect(server.url, sock=raw, max_queue=1, close_timeout=0.1) as ws:
            await ws.send(LOGIN + "JOIN #c0\r\n")
            while len(server.rooms[0].clients) < 2:
                await asyncio.sleep(0)
            count = 0
            while len(server.clients) == 2 and count < 400_000:
                server.deliver([says(count + n, "x" * 400) for n in range(200)])
                count += 200
                server.tick()
                await reader.until(f"{count - 1:012x}")
            assert server.cuts == 1
            assert len(server.clients) == 1
            with pytest.raises(ConnectionClosed):
                await Reader(ws).until("never")


async def test_without_capabilities_there_are_no_tags_and_no_notices():
    async with serving() as server, joined(server, "c0", login="NICK justinfan77\r\n") as reader:
        server.deliver([says(1, "hola"), Sent("raid", 1, "r", 0, says(2, "x").member, units=3)])
        server.tick()
        assert [line.partition(" ")[2] for line in await reader.seen()] == ["PRIVMSG #c0 :hola"]


async def test_unknown_commands_are_answered_and_harm_nobody():
    async with serving() as server, joined(server, "c0") as reader:
        await reader.ws.send("\r\n\r\nWHATEVER is this\r\nJOIN\r\nPART\r\nCAP\r\nUSER a b\r\n")
        assert [line.split()[1] for line in await reader.seen()] == ["421"]


def sents_of_a_while():
    crowd = Crowd(CHANNELS[:40], random.Random(4), load(), rate=25, start=START, run="cafe01234567")
    return crowd.advance(START + 0) + [sent for second in range(1, 1501) for sent in crowd.advance(START + second)]


def test_every_line_is_read_by_the_connector_as_the_ledger_says(tmp_path):
    """What the connector makes of the lines, removals obeyed, is what the ledger calls standing: by id, kind and value."""
    places = [irc.Place(channel, index) for index, channel in enumerate(CHANNELS)]
    logins = {channel.handle.lower(): channel.livestream for channel in CHANNELS}
    context = Context(datetime.fromtimestamp(START, UTC), lambda _, author: author, logins)
    ledger = Ledger(tmp_path, "test")
    events = {}
    kinds = Counter()
    for sent in sents_of_a_while():
        line = irc.line(sent, places[sent.room], places)
        kinds[sent.kind] += 1
        for event in parse_line(line.removesuffix("\r\n"), context):
            assert not isinstance(event, Unknown)
            if isinstance(event, Removed):
                if event.target is not None:
                    events.pop(event.target, None)
                else:
                    gone = [
                        one.id
                        for one in events.values()
                        if one.livestream == event.livestream
                        and one.author == event.target_author
                        and event.from_ <= one.at <= event.to
                    ]
                    for one in gone:
                        del events[one]
            else:
                events[event.id] = event
        channel = CHANNELS[sent.room]
        lines.write(ledger, channel, "twitch", sent.at, twitch_entries(sent, channel), delivered=True)
    ledger.close()
    assert (
        min(kinds[kind] for kind in ("message", "bits", "sub", "resub", "subgift", "mystery", "raid", "delete", "ban", "copy"))
        > 0
    )
    expected = standing(Ledger.read(tmp_path))
    assert set(events) == set(expected)
    made = {Message: "comment", Gift: "gift", Share: "share"}
    for event_id, event in events.items():
        line = expected[event_id]
        assert made[type(event)] == line.kind
        assert (event.livestream, round(event.at.timestamp() * 1000), event.author) == (line.livestream, line.at, line.author)
        if isinstance(event, Message):
            assert event.text == line.text
        if isinstance(event, Gift):
            assert (event.amount_minor, event.currency) == (line.amount, line.currency)


def line_of(number, **more):
    about = {
        "kind": "comment",
        "livestream": "l",
        "country": None,
        "platform": "twitch",
        "delivered": True,
        "author": "a",
        "text": "t",
    }
    return Line(id=f"twitch:{number}", at=number, seq=number, **(about | more))


def test_a_ban_takes_back_ten_minutes_of_that_author_there_and_nothing_else():
    ban = line_of(900_000, kind="removed", target_author="a")
    lines = [
        line_of(299_999),
        line_of(300_000),
        line_of(600_000, author="b"),
        line_of(600_001, livestream="other"),
        line_of(600_002, kind="gift"),
        line_of(900_000 - 1),
        ban,
        line_of(900_001),
    ]
    assert [line.at for line in standing(lines).values()] == [299_999, 600_000, 600_001, 600_002, 900_001]


def test_what_nobody_heard_does_not_stand_and_takes_nothing_back():
    lines = [line_of(1), line_of(2, delivered=False), line_of(3, kind="removed", target="twitch:1", delivered=False)]
    assert list(standing(lines)) == ["twitch:1"]
    assert list(standing(lines, delivered_only=False)) == ["twitch:2"]
    assert not set(COUNTED) & {"removed", "copy", "notice"}


def test_a_ledger_is_read_up_to_its_last_whole_line(tmp_path):
    ledger = Ledger(tmp_path, "a")
    ledger.write(line_of(1))
    assert list(Ledger.read(tmp_path)) == []  # not flushed yet
    ledger.flush()
    ledger.write(line_of(2, topics=("chery",)))
    ledger.close()
    with ledger.path.open("ab") as file:
        file.write(b'{"id":"twitch:3","ki')
    assert [line.topics for line in Ledger.read(ledger.path)] == [(), ("chery",)]
    assert (ledger.next("x"), ledger.next("x"), ledger.next("y")) == (1, 2, 1)


async def test_the_whole_simulator_counts_what_a_client_receives(tmp_path):
    clock = Clock(START)
    simulator = Simulator(CHANNELS[:10], rate=50, seed=2, ledger_dir=tmp_path, clock=clock)
    urls = await simulator.start()
    try:
        async with connect(urls["twitch"]) as ws:
            reader = Reader(ws)
            await ws.send(LOGIN + "JOIN #c0,#c1,#c2,#c3,#c4\r\n")
            await reader.until("366 justinfan77 #c4")
            for _ in range(100):
                clock.now += 0.1
                simulator.step()
            assert simulator.control("/control/pause?x=1")[0] == 200
            sent = simulator.crowd.sent
            clock.now += 0.5
            simulator.step()
            assert simulator.crowd.sent == sent
            got = [line for line in await reader.seen() if "PRIVMSG" in line]
        lines = list(Ledger.read(tmp_path))
        assert json.loads(simulator.control("/control/status")[1])["ledger_lines"] == len(lines) > 100
        heard = [line for line in lines if line.kind in ("comment", "copy") and line.delivered]
        with_words = [line for line in got if "source-room-id" not in line or "PRIVMSG" in line]
        assert len(with_words) == len(heard)
        assert {line.livestream for line in lines if line.delivered} <= {f"twitch:c{n}" for n in range(5)}
        assert {line.livestream for line in lines if not line.delivered} <= {f"twitch:c{n}" for n in range(5, 10)}
        for livestream in {line.livestream for line in lines}:
            numbers = [line.seq for line in lines if line.livestream == livestream]
            assert numbers == list(range(1, len(numbers) + 1))
        assert simulator.control("/control/nonsense")[0] == 404
        assert simulator.control("/subscribe") is None
    finally:
        await simulator.stop()


async def test_run_says_where_it_listens_and_ends_when_cancelled(tmp_path):
    urls_file = tmp_path / "deep" / "simulator.json"
    task = asyncio.create_task(run(CHANNELS[:3], rate=20, urls_file=urls_file, ledger_dir=tmp_path))
    while not urls_file.exists():
        await asyncio.sleep(0.01)
    urls = json.loads(urls_file.read_text())
    async with connect(urls["twitch"]) as ws:
        await ws.send(LOGIN)
        await Reader(ws).until("376")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(urls["control"].split(":")[2].split("/")[0]))
    writer.write(b"GET /control/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b'"paused": 0' in await reader.read()
    writer.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", int(urls["twitch"].rpartition(":")[2]))
