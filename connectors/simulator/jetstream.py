"""The server side of Bluesky's Jetstream, v1 ``/subscribe``: filters, options in flight, replay from a cursor.

What was sent is kept in a bounded ring, from which every client reads at its own pace: a reconnect with a cursor gets everything since
(and the overlap again), a client that falls out of the ring is closed as too slow. A cursor before the ring is silently clamped, one in
the future means live. ``/xrpc/com.atproto.identity.resolveHandle`` answers for the roster's handles.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from connectors.simulator import accounts, atproto
from connectors.simulator.faults import Faults, Mishaps
from connectors.simulator.reader import half_frame
from connectors.simulator.serving import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from random import Random

    from websockets.http11 import Request, Response

    from connectors.simulator.model import Sent, SimChannel

COLLECTIONS, DIDS = 100, 10_000
RING = 120_000
_BATCH = 256


class Options(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=False):
    """What a client wants."""

    wanted_collections: tuple[str, ...] = ()
    wanted_dids: tuple[str, ...] = ()
    max_message_size_bytes: int = 0


class Update(msgspec.Struct):
    """A client's text frame."""

    type: str
    payload: Options = Options()


class Entry(NamedTuple):
    """One event in the ring."""

    time_us: int
    did: str
    collection: str
    """Empty for identity and account events, which pass every collection filter."""
    frame: bytes


class Record(NamedTuple):
    """What the ledger must know of one event; ``uri`` is its at:// address."""

    sent: Sent
    uri: str
    kind: str
    text: str | None
    at: int
    delivered: bool
    did: str
    target: str | None


class Client:
    """One subscription and its place in the ring."""

    def __init__(self, options: Options, position: int) -> None:
        self.set(options)
        self.position = position
        self.cursor: int | None = None
        """While it replays: entries before this time are left out."""
        self.replay_until = 0
        self.drop_at: float | None = None
        self.later: bytes | None = None
        """A frame that comes after the next one."""
        self.again: list[Entry] = []
        """What it is told first, because the plan of faults says it again."""
        self.ready = asyncio.Event()
        self.socket: ServerConnection | None = None

    def set(self, options: Options) -> None:
        if len(options.wanted_collections) > COLLECTIONS or len(options.wanted_dids) > DIDS:
            raise ValueError("too many")
        self.exact = frozenset(name for name in options.wanted_collections if not name.endswith("*"))
        self.prefixes = tuple(name[:-1] for name in options.wanted_collections if name.endswith("*"))
        self.dids = frozenset(options.wanted_dids)
        self.largest = options.max_message_size_bytes

    def wants_collection(self, collection: str) -> bool:
        if not self.exact and not self.prefixes:
            return True
        return not collection or collection in self.exact or collection.startswith(self.prefixes)

    def wants(self, entry: Entry) -> bool:
        if self.dids and entry.did not in self.dids:
            return False
        return self.wants_collection(entry.collection) and not (self.largest and len(entry.frame) > self.largest)


class JetstreamServer:
    """The simulated Jetstream: the ring, and everybody connected to it."""

    def __init__(
        self,
        channels: Sequence[SimChannel],
        *,
        dice: Random,
        clock: Callable[[], float],
        hashtags: Sequence[str] = (),
        record: Callable[[Record], None] | None = None,
        faults: Faults | None = None,
        mishaps: Mishaps | None = None,
        ring: int = RING,
    ) -> None:
        self.dice = dice
        self.clock = clock
        self.record = record
        self.mishaps = mishaps or Mishaps(faults or Faults(), dice, clock)
        self.hashtags = tuple(hashtags)
        self._tags = {tag.removeprefix("#").casefold() for tag in hashtags}
        self.size = ring
        self.channels = channels
        self.dids = [atproto.channel_did(channel) if channel.platform == "bluesky" else "" for channel in channels]
        self.handles = {channel.handle.lower(): did for channel, did in zip(channels, self.dids, strict=True) if did}
        self.ring: list[Entry] = []
        self.base = 0
        """Number of the ring's first entry."""
        self.clients: set[Client] = set()
        self._asked: set[str] = set()
        self._asked_all = False
        self._uris: dict[Sent, tuple[str, str, str]] = {}
        """Of posts that will be deleted and may be liked: did, key, address."""
        self._clock_id = dice.randrange(1024)
        self._bell = Bell()
        self._server: Server | None = None

    @property
    def head(self) -> int:
        return self.base + len(self.ring)

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, control: Callable[[str], tuple[HTTPStatus, str] | None] | None = None
    ) -> int:
        """Listen; gives the port. ``control`` answers HTTP requests that Jetstream itself would not."""

        def answer(connection: ServerConnection, request: Request) -> Response | None:
            path = urlsplit(request.path).path
            found = control(request.path) if control is not None else None
            if found is not None:
                return connection.respond(*found)
            status = self.mishaps.refusal()
            if status:
                return connection.respond(HTTPStatus(status), "the plan of faults wants it so\n")
            if path == "/xrpc/com.atproto.identity.resolveHandle":
                return connection.respond(*self._resolve(request.path))
            if path == "/xrpc/app.bsky.actor.getProfiles":
                found_here = accounts.profiles(self.handles, parse_qs(urlsplit(request.path).query).get("actors", []))
                return connection.respond(HTTPStatus.OK if found_here else HTTPStatus.BAD_REQUEST, json.dumps(found_here))
            if path != "/subscribe":
                return connection.respond(HTTPStatus.NOT_FOUND, "only /subscribe is here\n")
            try:
                parse_query(request.path)
            except ValueError as error:
                return connection.respond(HTTPStatus.BAD_REQUEST, f"{error}\n")
            return None

        self._server = await serve(self._handle, host, port, compression=None, max_size=10_000_000, process_request=answer)
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def rename(self, index: int, handle: str | None) -> None:
        """Another handle from now on; None: it is nobody's. Who posts stays who they are."""
        self.handles = {name: did for name, did in self.handles.items() if did != self.dids[index]}
        if handle is not None:
            self.handles[handle.lower()] = self.dids[index]

    def _resolve(self, path: str) -> tuple[HTTPStatus, str]:
        handle = parse_qs(urlsplit(path).query).get("handle", [""])[0].lower()
        did = self.handles.get(handle)
        if did is None:
            return HTTPStatus.BAD_REQUEST, json.dumps({"error": "InvalidRequest", "message": "Unable to resolve handle"})
        return HTTPStatus.OK, json.dumps({"did": did})

    # --- from the crowd to the ring ---------------------------------------------------------------------------------------

    def deliver(self, sents: Iterable[Sent]) -> None:
        """Put what the crowd sent into the ring."""
        for sent in sents:
            if sent.kind == "delete":
                self._delete(sent)
            else:
                self._post(sent)
        if len(self.ring) > self.size * 5 // 4:
            surplus = len(self.ring) - self.size
            del self.ring[:surplus]
            self.base += surplus
        for client in self.clients:
            client.ready.set()

    def _put(self, did: str, collection: str, time_us: int, frame: bytes) -> bool:
        """Into the ring; says whether somebody asked for this author (now or earlier: the cursor reaches it)."""
        self.ring.append(Entry(time_us, did, collection, frame))
        return self._asked_all or did in self._asked

    def _time(self, sent: Sent) -> int:
        jitter = self.mishaps.faults.jitter_us
        return sent.at * 1000 + self.dice.randint(-jitter, jitter)

    def _post(self, sent: Sent) -> None:
        assert sent.text is not None
        time_us = self._time(sent)
        number = int(sent.native, 16)
        did = self.dids[sent.room] if sent.room >= 0 else atproto.did_of(f"stranger{number % 20_000}")
        text = sent.text.text[:280]
        tags: tuple[str, ...] = ()
        if self.hashtags and self.dice.random() < (0.7 if sent.room >= 0 else 0.4):
            if self.dice.random() < 0.95:
                text = f"{text} {self.dice.choice(self.hashtags)}"
            else:
                tags = (self.dice.choice(self.hashtags).removeprefix("#"),)  # the other place where a tag may stand
        if number % 97 == 0:
            self._put(did, "", time_us, atproto.identity(did, self._handle_of(sent), time_us, number))
        if number % 131 == 0:
            self._put(did, "", time_us, atproto.account(did, time_us, number, active=True))
        rkey = atproto.tid(sent.at * 1000 + number % 1000, self._clock_id)
        languages = (sent.text.language,) if sent.text.language else ()
        delivered = self._put(did, atproto.POST, time_us, atproto.post(did, rkey, time_us, text, languages=languages, tags=tags))
        uri = f"at://{did}/{atproto.POST}/{rkey}"
        if sent.room >= 0:
            self._remember(sent, did, rkey, uri)
        found = {tag.casefold() for tag, _, _ in atproto.hashtags(text)} | {tag.casefold() for tag in tags}
        if self.record is not None and (sent.room >= 0 or found & self._tags):
            seen = delivered if sent.room >= 0 else self._asked_all
            self.record(Record(sent, uri, "post", text, time_us // 1000, seen, did, None))
        if sent.room >= 0 and any(client.wants_collection(atproto.LIKE) for client in self.clients):
            self._likes(uri, time_us)

    def _likes(self, uri: str, time_us: int) -> None:
        """Strangers like a post; only made while somebody listens to likes."""
        for _ in range(self.dice.randrange(6)):
            fan = atproto.did_of(f"stranger{self.dice.randrange(20_000)}")
            later = time_us + self.dice.randrange(50_000)
            self._put(fan, atproto.LIKE, later, atproto.like(fan, atproto.tid(later, self._clock_id), later, uri))

    def _delete(self, sent: Sent) -> None:
        assert sent.target is not None
        known = self._uris.pop(sent.target, None)
        if known is None:
            return
        did, rkey, uri = known
        time_us = self._time(sent)
        delivered = self._put(did, atproto.POST, time_us, atproto.delete(did, rkey, time_us))
        if self.record is not None:
            self.record(Record(sent, f"{uri}:delete", "removed", None, time_us // 1000, delivered, did, uri))

    def _remember(self, sent: Sent, did: str, rkey: str, uri: str) -> None:
        self._uris[sent] = (did, rkey, uri)
        if len(self._uris) > 20_000:  # older than any deletion still to come, at any rate that one author reaches
            for old in list(self._uris)[:5_000]:
                del self._uris[old]

    def _handle_of(self, sent: Sent) -> str:
        return self.channels[sent.room].handle if sent.room >= 0 else f"stranger{int(sent.native, 16) % 20_000}.bsky.social"

    def tick(self) -> None:
        """Do what the fault plan wants."""
        now = self.clock()
        self._bell.ring()
        for client in list(self.clients):
            self._plan(client, now)
            if client.drop_at is not None and now >= client.drop_at:
                self._cut(client)

    def _plan(self, client: Client, now: float) -> None:
        """When it is cut, by the plan of now."""
        every = self.mishaps.faults.jetstream_drop_every
        if every is None or client.drop_at is None:
            client.drop_at = None if every is None else now + self.mishaps.wait(every)

    def drop_all(self) -> int:
        """Cut every socket without a close frame; gives how many."""
        cut = list(self.clients)
        for client in cut:
            self._cut(client)
        return len(cut)

    def _cut(self, client: Client) -> None:
        self.clients.discard(client)
        if client.socket is not None:
            client.socket.transport.abort()

    # --- the sockets --------------------------------------------------------------------------------------------------------

    async def _handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        options, query = parse_query(socket.request.path)
        client = Client(options, self.head)
        self._plan(client, self.clock())
        client.socket = socket
        writer: asyncio.Task[None] | None = None
        try:
            if query.get("requireHello") != "true":
                writer = self._begin(client, query)
            async for frame in socket:
                try:
                    update = msgspec.json.decode(frame, type=Update)
                    if update.type != "options_update":
                        continue
                    client.set(update.payload)
                except (msgspec.MsgspecError, ValueError):
                    await socket.close(1003, "invalid options update")
                    return
                if writer is None:
                    writer = self._begin(client, query)
                self._ask(client)
        except ConnectionClosed:
            return
        finally:
            self.clients.discard(client)
            if writer is not None:
                writer.cancel()

    def _place(self, client: Client, query: Mapping[str, str]) -> None:
        """Where in the ring a client begins."""
        cursor = int(query.get("cursor") or 0)
        if cursor and cursor <= self.clock() * 1e6:
            client.position, client.cursor, client.replay_until = self.base, cursor, self.head

    def _begin(self, client: Client, query: Mapping[str, str]) -> asyncio.Task[None]:
        client.position = self.head
        client.again = [entry for entry in self.mishaps.again("jetstream") if client.wants(entry)]
        self._place(client, query)
        self.clients.add(client)
        self._ask(client)
        return asyncio.create_task(self._write(client))

    def _ask(self, client: Client) -> None:
        if client.wants_collection(atproto.POST):
            self._asked |= client.dids
            self._asked_all |= not client.dids

    async def _write(self, client: Client) -> None:
        socket = client.socket
        assert socket is not None
        try:
            for entry in client.again:
                await self._send(client, socket, entry.frame)
            while True:
                client.ready.clear()
                if client.position < self.base:
                    await socket.close(1008, "ConsumerTooSlow")
                    return
                begin = client.position - self.base
                batch = self.ring[begin : begin + _BATCH]
                for entry in batch:
                    replaying = client.cursor is not None and client.position < client.replay_until
                    client.position += 1
                    if not (replaying and entry.time_us < (client.cursor or 0)) and client.wants(entry):
                        self.mishaps.went_out("jetstream", entry)
                        await self._send(client, socket, entry.frame)
                if not batch:
                    await client.ready.wait()
                else:
                    await asyncio.sleep(0)
        except ConnectionClosed:
            return

    async def _send(self, client: Client, socket: ServerConnection, frame: bytes) -> None:
        """One frame, or what the plan makes of it."""
        fate = self.mishaps.fate()
        match fate:
            case "":
                pass
            case "stall":
                at = self.clock() + self.mishaps.faults.stall_seconds
                while self.clock() < at:
                    await self._bell.wait()
            case "drop":
                self._cut(client)
                return
            case "half":
                socket.transport.write(half_frame(frame))
                socket.transport.close()
                return
            case "garbage":
                await socket.send(self.mishaps.garbage(), text=True)
            case "reorder" if client.later is None:
                client.later = frame
                return
        await socket.send(frame, text=True)
        if fate == "repeat":
            await socket.send(frame, text=True)
        if client.later is not None:
            later, client.later = client.later, None
            await socket.send(later, text=True)


def parse_query(path: str) -> tuple[Options, dict[str, str]]:
    """The subscription that a URL asks for; ValueError says what is wrong with it."""
    query = parse_qs(urlsplit(path).query)
    one = {key: values[-1] for key, values in query.items()}
    if one.get("compress") == "true":
        raise ValueError("compression is not simulated; leave compress out")
    for key in ("cursor", "maxMessageSizeBytes"):
        if one.get(key) and not one[key].lstrip("-").isdigit():
            raise ValueError(f"{key} must be a whole number")
    collections, dids = tuple(query.get("wantedCollections", ())), tuple(query.get("wantedDids", ()))
    if len(collections) > COLLECTIONS or len(dids) > DIDS:
        raise ValueError(f"at most {COLLECTIONS} collections and {DIDS} DIDs")
    if any(not did.startswith("did:") for did in dids):
        raise ValueError("wantedDids must be DIDs")
    return Options(collections, dids, max(0, int(one.get("maxMessageSizeBytes") or 0))), one
