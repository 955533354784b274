"""Runs the simulator: the crowd every tenth of a second, the servers, the ledger, and the handles that a test pulls.

``run`` is the entry; ``Simulator`` is the same thing for a test that wants to hold it. Control by HTTP GET on either port:
``/control/drop``, ``/control/reconnect``, ``/control/pause`` (traffic stops, sockets stay, the ledger is complete), ``/control/resume``,
``/control/day`` (everybody ends, and begins under a new broadcast id), ``/control/status``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.simulator import irc, livechat
from connectors.simulator.air import Airtime
from connectors.simulator.crowd import Crowd
from connectors.simulator.faults import MILD, Faults
from connectors.simulator.helix import HelixServer
from connectors.simulator.jetstream import JetstreamServer, Record
from connectors.simulator.ledger import Ledger, Line
from connectors.simulator.texts import load
from connectors.simulator.twitch import CLUMP_RATE, TwitchServer
from connectors.simulator.youtube import YouTubeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from connectors.simulator.model import Sent, SimChannel

_STEP = 0.1
UNITS = 1_000_000
"""A simulated project was granted a hundred times the default: the crowd's day is short, its broadcasts are many."""
_PAID = ("sub", "resub", "subgift")


class Simulator:
    """Crowd, servers and ledger of one run; ``step`` is all that time does."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        *,
        rate: float = 490.0,
        seed: int = 1,
        sessions: Sequence[tuple[datetime, datetime]] = (),
        hashtags: Sequence[str] = (),
        ledger_dir: Path | None = None,
        faults: Faults | None = None,
        lively: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        started = clock()
        self.run_id = hashlib.blake2b(f"{seed} {started}".encode(), digest_size=6).hexdigest()
        dice = random.Random(seed)
        self.channels = channels
        self.paused = False
        self.crowd = Crowd(
            channels,
            dice,
            load(),
            rate=rate,
            start=started,
            sessions=[(begin.timestamp(), end.timestamp()) for begin, end in sessions],
            run=self.run_id,
            strangers=min(5.0, rate * 0.01) if any(channel.platform == "bluesky" for channel in channels) or hashtags else 0.0,
        )
        self.ledger = Ledger(ledger_dir, f"{int(started * 1000)}-{self.run_id}") if ledger_dir is not None else None
        clumped = [room.index for room in self.crowd.rooms if room.pace.mean > CLUMP_RATE]
        self.twitch = TwitchServer(
            channels,
            dice=random.Random(seed + 1),
            clock=clock,
            record=self._record_twitch if self.ledger else None,
            faults=faults,
            clumped=clumped,
        )
        self.air = Airtime(
            [room.pace.mean for room in self.crowd.rooms],
            random.Random(seed + 3),
            started,
            lively=lively,
            tags=hashtags,
            run=self.run_id,
        )
        self.helix = HelixServer(self.twitch.places, self.air, clock=clock)
        self.youtube = YouTubeServer(
            channels,
            self.air,
            dice=random.Random(seed + 4),
            clock=clock,
            record=self._record_youtube if self.ledger else None,
            record_likes=self._record_likes if self.ledger else None,
            units_per_day=UNITS,
        )
        self.jetstream = JetstreamServer(
            channels,
            dice=random.Random(seed + 2),
            clock=clock,
            hashtags=hashtags,
            record=self._record_jetstream if self.ledger else None,
            faults=faults,
        )

    async def start(
        self, host: str = "127.0.0.1", twitch_port: int = 0, jetstream_port: int = 0, youtube_port: int = 0
    ) -> dict[str, object]:
        """Listen on all ports; gives what the URLs file says."""
        twitch = await self.twitch.start(host, twitch_port, process_request=self._answer)
        jetstream = await self.jetstream.start(host, jetstream_port, control=self.control)
        helix = await self.helix.start(host)
        youtube = await self.youtube.start(host, youtube_port)
        return {
            "twitch": f"ws://{host}:{twitch}",
            "jetstream": f"ws://{host}:{jetstream}/subscribe",
            "helix": f"http://{host}:{helix}",
            "youtube": f"http://{host}:{youtube}/youtube/v3",
            "control": f"http://{host}:{twitch}/control",
            "pid": os.getpid(),
        }

    def step(self) -> None:
        """Send what is due by now."""
        if not self.paused:
            chat: list[Sent] = []
            posts: list[Sent] = []
            videos: list[Sent] = []
            by_platform = {"twitch": chat, "bluesky": posts, "youtube": videos}
            for sent in self.crowd.advance(self.clock()):
                by_platform["bluesky" if sent.room < 0 else self.channels[sent.room].platform].append(sent)
            self.twitch.deliver(chat)
            if posts:
                self.jetstream.deliver(posts)
            self.youtube.deliver(videos)
        self.twitch.tick()
        self.jetstream.tick()
        self.youtube.tick()

    async def stop(self) -> None:
        """Close the sockets and the ledger."""
        await self.twitch.stop()
        await self.jetstream.stop()
        await self.helix.stop()
        await self.youtube.stop()
        if self.ledger is not None:
            self.ledger.close()

    # --- handles ------------------------------------------------------------------------------------------------------------

    def control(self, path: str) -> tuple[HTTPStatus, str] | None:
        """The answer to a control request, or None when it is none."""
        where = urlsplit(path).path
        if not where.startswith("/control/"):
            return None
        match where.removeprefix("/control/"):
            case "drop":
                answer = {"dropped": self.twitch.drop_all() + self.jetstream.drop_all() + self.youtube.drop_all()}
            case "reconnect":
                answer = {"told": self.twitch.reconnect_all()}
            case "pause":
                self.paused = True
                self.twitch.tick(everything=True)
                if self.ledger is not None:
                    self.ledger.flush()
                answer = self._status()
            case "resume":
                self.paused = False
                answer = self._status()
            case "day":
                self.air.new_day(self.clock())
                answer = self._status()
            case "status":
                answer = self._status()
            case _:
                return HTTPStatus.NOT_FOUND, "drop, reconnect, pause, resume, day or status\n"
        return HTTPStatus.OK, json.dumps(answer) + "\n"

    def _status(self) -> dict[str, int]:
        return {
            "events": self.crowd.sent,
            "twitch_clients": len(self.twitch.clients),
            "twitch_joined": sum(len(client.channels) for client in self.twitch.clients),
            "jetstream_clients": len(self.jetstream.clients),
            "too_slow": self.twitch.cuts,
            "ledger_lines": self.ledger.lines if self.ledger else 0,
            "paused": int(self.paused),
            "on_air": sum(bool(air.id) for air in self.air.channels),
            "helix_calls": sum(self.helix.calls.values()),
            "youtube_readers": self.youtube.readers,
            "youtube_units": sum(self.youtube.spent.values()),
        }

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        found = self.control(request.path)
        return connection.respond(*found) if found is not None else None

    # --- the ledger ---------------------------------------------------------------------------------------------------------

    def _record_twitch(self, sent: Sent, delivered: bool) -> None:
        assert self.ledger is not None
        channel = self.channels[sent.room]
        for line in twitch_lines(sent, channel, delivered, self.ledger):
            self.ledger.write(line)

    def _record_youtube(self, sent: Sent, delivered: bool) -> None:
        assert self.ledger is not None
        for line in livechat.lines(sent, self.channels[sent.room], delivered, self.ledger):
            self.ledger.write(line)

    def _record_likes(self, index: int, video: str, likes: int) -> None:
        assert self.ledger is not None
        channel = self.channels[index]
        self.ledger.write(
            Line(
                id=f"youtube:{video}:likes",
                kind="reaction",
                livestream=channel.livestream,
                country=channel.country,
                platform="youtube",
                at=int(self.clock() * 1000),
                seq=self.ledger.next(channel.livestream),
                delivered=True,
                units=likes,
            )
        )

    def _record_jetstream(self, record: Record) -> None:
        assert self.ledger is not None
        channel = self.channels[record.sent.room] if record.sent.room >= 0 else None
        livestream = channel.livestream if channel else None
        self.ledger.write(
            Line(
                id=f"bluesky:{record.uri}",
                kind=record.kind,
                livestream=livestream,
                country=channel.country if channel else None,
                platform="bluesky",
                at=record.at,
                seq=self.ledger.next(livestream),
                delivered=record.delivered,
                author=record.did,
                text=record.text,
                topics=record.sent.text.topics if record.sent.text else (),
                target=f"bluesky:{record.target}" if record.target else None,
            )
        )


def twitch_lines(sent: Sent, channel: SimChannel, delivered: bool, ledger: Ledger) -> list[Line]:
    """The ledger's lines of one Twitch event: a cheer is a comment and a gift, a resub with words as well."""
    native = f"twitch:{sent.native}"
    author = sent.member.user_id if sent.member else None

    def make(kind: str, event_id: str, **more: object) -> Line:
        return Line(
            id=event_id,
            kind=kind,
            livestream=channel.livestream,
            country=channel.country,
            platform="twitch",
            at=sent.at,
            seq=ledger.next(channel.livestream),
            delivered=delivered,
            author=author,
            **more,  # type: ignore[arg-type]
        )

    words = []
    if sent.text is not None:
        words = [make("copy" if sent.kind == "copy" else "comment", native, text=irc.said(sent), topics=sent.text.topics)]
    match sent.kind:
        case "message" | "copy":
            return words
        case "bits":
            return [*words, make("gift", f"{native}:bits", amount=sent.units, currency="BITS")]
        case "delete":
            assert sent.target is not None
            target = f"twitch:{sent.target.native}"
            return [make("removed", f"twitch:clearmsg:{sent.target.native}", target=target)]
        case "ban":
            return [make("removed", f"twitch:clearchat:{channel.handle}:{sent.at}:{author}", target_author=author)]
        case "raid":
            return [make("share", f"{native}:raid")]
        case kind if kind in _PAID:
            return [*words, make("gift", f"{native}:{kind}")]
        case _:
            return [*words, make("notice", native)]


async def run(
    channels: Sequence[SimChannel],
    *,
    rate: float = 490.0,
    seed: int = 1,
    sessions: Sequence[tuple[datetime, datetime]] = (),
    hashtags: Sequence[str] = (),
    host: str = "127.0.0.1",
    twitch_port: int = 0,
    jetstream_port: int = 0,
    youtube_port: int = 0,
    ledger_dir: Path | None = None,
    faults: Faults | None = None,
    urls_file: Path | None = None,
) -> None:
    """Simulate until cancelled; the URLs file is written, whole, when the servers listen.

    Without ``faults`` they are mild, but none while a ledger is kept: a cut socket costs Twitch messages that the ledger has. For the
    same reason nobody goes offline then.
    """
    faults = faults or (Faults() if ledger_dir is not None else MILD)
    simulator = Simulator(
        channels,
        rate=rate,
        seed=seed,
        sessions=sessions,
        hashtags=hashtags,
        ledger_dir=ledger_dir,
        faults=faults,
        lively=ledger_dir is None,
    )
    urls = await simulator.start(host, twitch_port, jetstream_port, youtube_port)
    if urls_file is not None:
        _write_whole(urls_file, json.dumps(urls))
    loop = asyncio.get_running_loop()
    next_at = loop.time()
    flushed = 0
    try:
        while True:
            simulator.step()
            flushed += 1
            if simulator.ledger is not None and flushed % 10 == 0:
                simulator.ledger.flush()
            next_at = max(next_at + _STEP, loop.time() - 1)
            await asyncio.sleep(max(0.0, next_at - loop.time()))
    finally:
        await simulator.stop()


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, "utf-8")
    part.replace(path)
