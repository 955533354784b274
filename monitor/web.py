"""HTTP: the wall, the feed, the API and the health pages, on one port: of this machine only, or for whoever has a token.

Promises: every answer carries the security headers; a websocket or a page is served only under a name that is ours (Origin and Host are
checked, so neither a foreign page nor a rebound name reaches the feed); half-open connections are closed after ten seconds; the page
works, and says how old it is, while Redis is away.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from socket import SO_SNDBUF, SOL_SOCKET
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client.exposition import choose_encoder

from monitor.access import host_allowed, is_loopback, origin_allowed, own_names
from monitor.approved_map import MapError, outlines
from monitor.channel_store import ChannelStore
from monitor.config import ConfigError
from monitor.coverage import pending_list
from monitor.feed import Feed, unix_ms
from monitor.guard import VISITOR, Guard
from monitor.hooks import HookCollector, Hooks
from monitor.hooks import opened as receiving
from monitor.journal import Journal, ready
from monitor.keeper import Keeper
from monitor.livestreams import cells
from monitor.metrics import make_registry
from monitor.objects import object_in
from monitor.remote import Remote
from monitor.spike_seen import add_seen
from monitor.stage_store import StageStore, Staging, decided, write_down
from monitor.token_file import TokenFile
from monitor.voices import add_voices
from monitor.wall_jobs import jobs
from monitor.wall_store import WallStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from monitor.access import Token, Visitor
    from monitor.profiles import Profile
    from monitor.reload import Reloader
    from monitor.settings import Settings

WALL: Final = Path(__file__).parent / "static" / "wall"
NOT_BUILT: Final = "The wall is not built; run make setup.\n"
MOST_WALLS: Final = 4000
MOST_MESSAGE: Final = 64 * 1024
PACK_ASIDE_BYTES: Final = 16 * 1024
"""What is longer is packed in a thread, so that no wall waits for it."""
SOCKET_BUFFER: Final = 256 * 1024
"""What the kernel may hold for one wall: about one picture, so that a slow wall does not see old ones."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; style-src 'self'; font-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "livestream-monitor",
}

DECISIONS: Final = {"accept": True, "ignore": False, "ask": None}

log = logging.getLogger("monitor.web")

FEED: Final = web.AppKey("feed", Feed)
GUARD: Final = web.AppKey("guard", Guard)


# --- the application --------------------------------------------------------------------------------------------------


def make_app(
    feed: Feed,
    *,
    host: str = "127.0.0.1",
    allowed_origins: Iterable[str] = (),
    wall: Path = WALL,
    most_walls: int = MOST_WALLS,
    now_ms: Callable[[], int] = unix_ms,
    hooks: Hooks | None = None,
    tokens: Callable[[], Sequence[Token] | None] = tuple,
) -> web.Application:
    """All routes. ``allowed_origins``: other origins whose pages may open the feed, or ``none`` for clients without one."""
    origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
    names = own_names(host, origins)
    guard = Guard(tokens, origins=origins)

    @web.middleware
    async def ours(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if not host_allowed(request.host, names):
            return web.Response(status=403, text="This monitor is not served under that name; name it with --origin.\n")
        return await handler(request)

    async def follow(request: web.Request) -> web.StreamResponse:
        who, origin = request[VISITOR], request.headers.get("Origin")
        # A script that shows its token by itself is no page that somebody was lured to.
        if (who.ambient or origin is not None) and not origin_allowed(origin, request.host, origins):
            return web.Response(status=403, text="The feed is for pages of this monitor; name others with --origin.\n")
        if len(feed.clients) >= most_walls:
            return web.Response(status=503, text="Too many walls are connected; close some.\n")
        return await serve_wall(request, feed, guard.sockets, profile_of(request))

    registry = make_registry(feed, version("livestream-monitor"))
    listed: tuple[float, bytes] = (0.0, b"")

    async def livestreams(request: web.Request) -> web.Response:
        nonlocal listed
        if request[VISITOR].stage:
            return web.Response(status=403, text="A screen on stage is not told who livestreams.\n")
        if time.monotonic() - listed[0] >= 1.0:
            state = feed.ticker.state
            found = {"as_of": as_of} if (as_of := state.get("health", {}).get("as_of")) else {}
            found |= {"livestreams": cells(feed.book, feed.around.livestreams, now_ms()), "hashtags": feed.around.hashtags}
            listed = (time.monotonic(), orjson.dumps(found))
        return _packed(listed[1])

    async def state(request: web.Request) -> web.Response:
        return _packed(feed.tickers[profile_of(request)].snapshot())

    async def approved_map(_: web.Request) -> web.Response:
        file, review = feed.config.wall.map, feed.config.wall.map_review
        if file is None:
            return web.Response(status=404, text="No approved map is named; [wall] map in the configuration names one.\n")
        try:
            places = await asyncio.to_thread(lambda: outlines(file.read_bytes()))
        except (OSError, MapError) as error:
            log.warning("The approved map %s cannot be shown: %s", file, error)
            return web.Response(status=404, text=f"The approved map cannot be shown: {error}\n")
        return _json(orjson.dumps({"review": review, "places": places}))

    async def pending(_: web.Request) -> web.Response:
        return _json(orjson.dumps(pending_list(feed.rows, feed.around.livestreams)))

    async def decide(request: web.Request) -> web.Response:
        said = read_decision(await request.read())
        if said is None or feed.discovered is None or said[0] not in feed.around.livestreams:
            return web.Response(
                status=400,
                text='Expected {"livestream": …, "broadcast": …, "decision": "accept", "ignore" or "ask"} of a livestream that is watched.\n',
            )
        livestream, broadcast, count = said
        await feed.discovered.decide("producer", livestream, broadcast, count)
        what = next(name for name, value in DECISIONS.items() if value is count)
        about = decided(what, by=request[VISITOR].name, now_ms=now_ms(), livestream=livestream, broadcast=broadcast)
        await write_down(feed.discovered.redis, about)
        return _json(b'{"decided":true}')

    async def healthy(_: web.Request) -> web.Response:
        return _json(b'{"alive":true}')

    async def is_ready(_: web.Request) -> web.Response:
        reasons = feed.reasons()
        return _json(orjson.dumps({"ready": not reasons, "reasons": reasons}), status=503 if reasons else 200)

    async def metrics(request: web.Request) -> web.Response:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": kind, "Cache-Control": "no-store"})

    async def page(request: web.Request) -> web.StreamResponse:
        return static(wall, request.match_info.get("path", ""))

    async def remote(_: web.Request) -> web.StreamResponse:
        return static(wall, "remote.html")

    async def source(_: web.Request) -> web.StreamResponse:
        return static(wall, "source.html")

    async def me(request: web.Request) -> web.Response:
        who = request[VISITOR]
        return _json(orjson.dumps({"role": who.role, "name": who.name, "profile": "stage" if who.stage else "room"}))

    app = web.Application(middlewares=[ours, guard.middleware], client_max_size=256 * 1024)
    app[FEED], app[GUARD] = feed, guard
    app.on_response_prepare.append(_secure)
    app.on_shutdown.append(_say_goodbye)
    guard.register(app)
    app.router.add_get("/", page)
    app.router.add_get("/remote", remote)
    app.router.add_get("/source", source)
    app.router.add_get("/api/me", me)
    if feed.staging is not None:
        Remote(feed, feed.staging, now_ms=now_ms).register(app)
    app.router.add_get("/feed", follow)
    app.router.add_get("/api/state", state)
    app.router.add_get("/api/livestreams", livestreams)
    app.router.add_get("/map.json", approved_map)
    app.router.add_get("/api/pending", pending)
    app.router.add_post("/api/pending", decide)
    if feed.wall is not None:
        add_voices(app, feed.wall, now_ms=now_ms)
        add_seen(app, feed.wall, now_ms=now_ms)
    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", is_ready)
    app.router.add_get("/metrics", metrics)
    if hooks is not None:
        hooks.add_routes(app.router)
        registry.register(HookCollector(hooks))
    app.router.add_get("/{path:.*}", page)
    return app


def profile_of(request: web.Request) -> Profile:
    """What this screen asks for; one on stage has no choice."""
    return "stage" if request[VISITOR].stage or request.query.get("profile") == "stage" else "room"


async def serve_wall(
    request: web.Request, feed: Feed, sockets: dict[web.WebSocketResponse, Visitor], profile: Profile
) -> web.WebSocketResponse:
    """One wall until it leaves. Frames are written by the feed's tick; here only its few words are read."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=MOST_MESSAGE, autoping=False, timeout=2.0)
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    if (plain := transport.get_extra_info("socket")) is not None:
        plain.setsockopt(SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER)
    client = feed.join(transport, lambda: not socket.closed, profile)
    sockets[socket] = request[VISITOR]
    try:
        async for message in socket:
            feed.heard(client)
            if message.type is WSMsgType.PONG:
                continue
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
                continue
            if message.type is not WSMsgType.TEXT or not is_resync(message.data):
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b'the only message is {"type":"resync"}')
                break
            client.behind = True
    finally:
        feed.leave(client)
        sockets.pop(socket, None)
    return socket


def is_resync(text: str) -> bool:
    """Whether a client asks for a new snapshot."""
    return object_in(text).get("type") == "resync"


def read_decision(body: bytes) -> tuple[str, str, bool | None] | None:
    """Livestream, broadcast, and whether it counts (None: ask again); None when it is no such thing."""
    found = object_in(body)
    livestream, broadcast, decision = (found.get(key) for key in ("livestream", "broadcast", "decision"))
    if not isinstance(livestream, str) or not isinstance(broadcast, str) or not isinstance(decision, str):
        return None
    if decision not in DECISIONS:
        return None
    # Both become part of a key whose parts are divided by spaces; no id of a platform has one.
    if not 1 <= len(broadcast) <= 200 or any(char.isspace() for char in livestream + broadcast):
        return None
    return livestream, broadcast, DECISIONS[decision]


def static(folder: Path, path: str) -> web.StreamResponse:
    """A file of the built wall; names with a hash in them never change, the page itself is asked for each time."""
    # Looked up among the names that exist, so that no path from outside is ever given to the file system.
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    if "index.html" not in files:
        return web.Response(status=503, text=NOT_BUILT)
    file = files.get(path or "index.html")
    if file is None:
        return web.Response(status=404, text="There is no such page; the wall is at /.\n")
    hashed = file.parent.name == "assets"
    return web.FileResponse(file, headers={"Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache"})


def build_of(folder: Path) -> str:
    """Changes with the built wall; a page of another build loads itself again."""
    pages = [page.read_bytes() for page in sorted(folder.glob("*.html"))]
    return hashlib.sha256(b"\0".join(pages)).hexdigest()[:12] if pages else ""


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _packed(body: bytes) -> web.Response:
    """An answer that is long with many livestreams: packed, in a thread, for whoever says that it can read that."""
    answer = web.Response(
        body=body, content_type="application/json", headers={"Cache-Control": "no-store"}, zlib_executor_size=PACK_ASIDE_BYTES
    )
    answer.enable_compression()
    return answer


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _say_goodbye(app: web.Application) -> None:
    leaving = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"the monitor stops") for socket in app[GUARD].sockets]
    await asyncio.gather(*leaving, return_exceptions=True)


# --- the role ---------------------------------------------------------------------------------------------------------


async def run(settings: Settings) -> int:
    """Serve until cancelled."""
    config = settings.config
    tokens = TokenFile(settings.data_dir)
    if not is_loopback(config.host) and tokens.newest() == () and not getattr(settings.args, "insecure", False):
        raise ConfigError(
            f"host = {config.host!r} would show the wall to everybody on the network; make tokens with `monitor token new lead` and "
            "`monitor token new viewer`, keep 127.0.0.1, or type --insecure"
        )
    origins = [*(getattr(settings.args, "origin", None) or ()), *([config.public.url] if config.public.url else [])]
    roster = settings.roster()
    async with (
        Journal(settings.redis_url, partitions=config.partitions).opened() as journal,
        receiving(config, roster, redis_url=settings.redis_url, data_dir=settings.data_dir) as hooks,
    ):
        wall = WallStore(journal)
        staging = Staging(StageStore(journal.redis), config, build=build_of(WALL))
        feed = Feed(config, roster, journal, discovered=ChannelStore(journal.redis), wall=wall, staging=staging)
        app = make_app(feed, host=config.host, allowed_origins=origins, hooks=hooks, tokens=tokens.newest)
        if config.sign_up and config.public.url:
            from monitor.signup_web import add_pages  # noqa: PLC0415 — only where people sign up

            add_pages(app, feed, journal.redis, settings.data_dir)
        await hooks.look_first(journal.redis)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=10, shutdown_timeout=3)
        await runner.setup()
        try:
            site = web.TCPSite(runner, config.host, settings.port, backlog=1024)
            try:
                await site.start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise ConfigError(f"Port {settings.port} is in use; start with --port N.") from error
            _say_where(config.host, runner.addresses[0][1])
            await _follow(
                feed, hooks, journal, Keeper(feed, wall, jobs()), guard=app[GUARD], reloader=settings.reloader(time.time)
            )
        finally:
            await runner.cleanup()
    return 0


async def _follow(feed: Feed, hooks: Hooks, journal: Journal, keeper: Keeper, *, guard: Guard, reloader: Reloader | None) -> None:
    mistake = ""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_prepare(journal))
            tasks.create_task(feed.run())
            tasks.create_task(keeper.run())
            tasks.create_task(guard.watch())
            tasks.create_task(hooks.note_states(journal.redis))
            tasks.create_task(hooks.follow_channels(journal.redis))
            if reloader is not None:
                tasks.create_task(_reload(feed, hooks, reloader))
    except* ConfigError as mistakes:
        mistake = str(mistakes.exceptions[0])
    if mistake:
        raise ConfigError(mistake)


async def _prepare(journal: Journal) -> None:
    try:
        await ready(journal)
    except ValueError as error:  # another number of partitions than the data has
        raise ConfigError(str(error)) from error


async def _reload(feed: Feed, hooks: Hooks, reloader: Reloader) -> None:
    while True:
        await asyncio.sleep(1.0)
        if (setup := reloader.poll()) is not None:
            feed.reconfigure(setup.config, setup.roster)
            await hooks.reconfigure(setup.config, setup.roster)


def _say_where(host: str, port: int) -> None:
    """``monitor run`` says it itself, once for all roles."""
    if "MONITOR_PARENT_PIPE" not in os.environ:
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Wall: http://{shown}:{port}/\n")
        sys.stdout.flush()
