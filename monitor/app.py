"""Joins the parts: one function per command, each importing only what that command needs. Nothing else in the house does this.

Who finds Redis where: ``MONITOR_REDIS_URL``, else ``[redis] url``, else the embedded Valkey that ``monitor run`` started on the
same data folder. So ``monitor audit`` typed in another terminal just works, and containers need one variable.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import inspect
import json
import logging
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from monitor import log as logs
from monitor import rehearsal
from monitor.config import ConfigError
from monitor.engine import Engine, EngineBusy, EngineFailed, find_url, hold
from monitor.settings import Settings, read
from monitor.supervise import Supervisor, end_with_parent, has_supervisor, role

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from monitor.supervise import Role

logger = logging.getLogger("monitor.app")

REDIS_VARIABLE: Final = "MONITOR_REDIS_URL"
READS_REDIS: Final = frozenset({"collect", "count", "moderate", "serve", "notify", "replay", "audit"})
TOOLS: Final = frozenset({"replay", "audit", "check", "parse", "classify", "roster"})
KEEPS: Final = frozenset({"run", "collect", "count", "moderate", "serve", "notify", "replay"})
"""Commands that write into the data folder, for nobody else to read."""
RIVER: Final = ("serve", "count", "moderate", "collect", "notify")
"""What ``run`` starts beside the simulator; serve first, because a person is waiting for the page."""


# --- one command ------------------------------------------------------------------------------------------------------


def execute(args: argparse.Namespace) -> int:
    """Run the command; a person's mistake becomes one sentence and exit code 2, never a traceback."""
    logs.set_up(args.log, args.command)
    end_with_parent()
    if args.command in KEEPS:  # spool and journal hold what people wrote, also in a folder that everybody may enter
        os.umask(0o077)
    try:
        settings = settings_of(args)
        return _in_loop(COMMANDS[args.command], settings)
    except (ConfigError, EngineBusy) as mistake:
        return _say(args, mistake, 2)
    except EngineFailed as failure:
        return _say(args, failure, 1)
    except BrokenPipeError:  # `monitor parse … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 1
    except OSError as error:
        sentence = _sentence(error, args)
        if sentence is not None:
            return _say(args, sentence, 2)
        logger.exception("an error of ours ended this process")
        return 1
    except Exception:
        logger.exception("an error of ours ended this process")
        return 1


def settings_of(args: argparse.Namespace) -> Settings:
    """Configuration, data folder and Redis for this command line; raises ConfigError for a person's mistake."""
    config, watched = read(args)
    data_dir = (args.data_dir or config.data_dir or _usual_data_dir()).expanduser().resolve()
    port = config.port if args.port is None else args.port
    if getattr(args, "rehearsal", False):
        data_dir = rehearsal.prepare(data_dir)
    config = dataclasses.replace(config, rehearsal=rehearsal.is_rehearsal(data_dir))
    url = os.environ.get(REDIS_VARIABLE) or (config.redis_url.reveal() if config.redis_url else "")
    if config.rehearsal and not has_supervisor():  # whatever Redis is named, it has the real numbers
        url = ""
    if not url and args.command in READS_REDIS:
        url = find_url(data_dir) or ""
        if not url:
            raise ConfigError(
                f"no Valkey runs on {data_dir}; start `monitor run` with the same --data-dir, or name a Redis in [redis] url"
            )
    return Settings(
        config=config,
        data_dir=data_dir,
        redis_url=url,
        port=port,
        log=args.log,
        args=args,
        speaks=args.command == "collect" or not has_supervisor(),
        watched=watched,
    )


def _usual_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path("~/.local/share")) / "livestream-monitor"


def _in_loop(command: Callable[[Settings], Awaitable[int]], settings: Settings) -> int:
    import uvloop  # noqa: PLC0415 — not needed for a mistake on the command line

    async def until_told() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await command(settings)
        except asyncio.CancelledError:  # we were told to end, and have: right for a role, half a job for a tool
            return 1 if settings.args.command in TOOLS else 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_told())


def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaits is logged, but for a name that was being looked up when we stopped: its failure is nobody's any more."""
    if not isinstance(context.get("exception"), socket.gaierror):
        loop.default_exception_handler(context)


def _say(args: argparse.Namespace, sentence: object, code: int) -> int:
    sys.stderr.write(f"monitor {args.command}: {sentence}\n")
    return code


def _sentence(error: OSError, args: argparse.Namespace) -> str | None:
    """What a person can do about it, when it is about a file or port that they named."""
    if error.errno == errno.EADDRINUSE:
        return "the port is in use by another program; choose one with --port"
    named = {str(path) for path in (getattr(args, "file", None), *getattr(args, "files", ())) if path}
    if error.filename and str(error.filename) in named:
        return f"{error.filename} cannot be read ({error.strerror})"
    if isinstance(error, PermissionError | NotADirectoryError | FileExistsError) and error.filename:
        return f"{error.filename}: {error.strerror}; choose another folder with --data-dir"
    return None


# --- the roles --------------------------------------------------------------------------------------------------------


def _from(module: str, function: str = "run") -> Callable[[Settings], Awaitable[int]]:
    """The command that lives in ``module``, imported when it is called."""

    async def command(settings: Settings) -> int:
        answer = getattr(import_module(module), function)(settings)
        if inspect.isawaitable(answer):
            answer = await answer
        return int(answer or 0)

    return command


async def run(settings: Settings) -> int:
    """Everything on this machine: Valkey, the simulator when it is on, and each role in its own process."""
    from monitor.reload import log_problems  # noqa: PLC0415

    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)  # it will hold what people wrote
    except OSError as error:
        raise ConfigError(
            f"{settings.data_dir} cannot be made ({error.strerror}); choose another folder with --data-dir"
        ) from error
    lock = hold(settings.data_dir / "run.lock")
    if lock is None:
        raise EngineBusy(
            f"another monitor already runs on {settings.data_dir}; stop it first, or give this one its own --data-dir"
        )
    with lock:
        if settings.config.rehearsal:
            logger.info("This is a rehearsal, and every screen says so; `monitor rehearsal drop` throws it away.")
        for note in settings.config.notes:
            logger.info("%s", note)
        log_problems(settings.roster())  # the roles read it too; here a mistake is said once, before anything starts
        settings = dataclasses.replace(settings, port=_free_port(settings.config.host, settings.port))
        engine = None if settings.redis_url else Engine(settings.data_dir)
        url = settings.redis_url or (await engine.start() if engine else "")
        (settings.data_dir / "simulator.json").unlink(missing_ok=True)  # of an earlier run: its ports may be somebody else's now
        supervisor = Supervisor(
            _roles(settings),
            engine=engine,
            state_file=settings.data_dir / "run.json",
            environment={**os.environ, REDIS_VARIABLE: url},
        )
        said = asyncio.create_task(_say_where(settings))
        try:
            code = await supervisor.run()
        finally:
            said.cancel()
        logger.info("Stopped; the next start on %s goes on with the same numbers.", settings.data_dir)
        return code


def _roles(settings: Settings) -> list[Role]:
    options = _handed_on(settings)
    names = ("simulate", *RIVER) if settings.config.simulator.enabled else RIVER
    served = [
        *(["--insecure"] if settings.args.insecure else []),
        *(word for url in settings.args.origin for word in ("--origin", url)),
    ]
    return [role(name, [*options, *(served if name == "serve" else [])]) for name in names]


def _handed_on(settings: Settings) -> list[str]:
    """The command line of ``run`` for its roles, with everything that was found out made explicit."""
    args = settings.args
    options = ["--data-dir", str(settings.data_dir), "--port", str(settings.port), "--log", settings.log]
    if args.config is not None or settings.watched is None:
        assert settings.config.path is not None
        options += ["--config", str(settings.config.path.resolve())]
    for handles in args.watch:
        options += ["--watch", handles]
    if args.no_simulator:
        options.append("--no-simulator")
    for name in ("livestreams", "rate", "seed", "ledger"):
        if getattr(args, name) is not None:
            options += [f"--{name}", str(getattr(args, name))]
    return options


def _free_port(host: str, port: int) -> int:
    """``port`` if nobody has it (0: any), asked before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another one with --port"
            ) from error
        return int(probe.getsockname()[1])


def _reached(host: str) -> str:
    """How this machine reaches what listens on ``host``, as it stands in an address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — compared, not bound
    return f"[{host}]" if ":" in host else host


async def _say_where(settings: Settings) -> None:
    """Print the wall's address once something answers there."""
    shown = _reached(settings.config.host)
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(shown.strip("[]"), settings.port)
            writer.close()
            break
        await asyncio.sleep(0.1)
    sys.stdout.write(
        f"Wall: http://{shown}:{settings.port}/   (Ctrl-C stops everything; the numbers are kept in {settings.data_dir})\n"
    )
    sys.stdout.flush()


async def simulate(settings: Settings) -> int:
    """The simulated platforms; where they listen is written to simulator.json, which collect reads."""
    from connectors.simulator.run import run as play  # noqa: PLC0415
    from monitor.simulated import sim_channels  # noqa: PLC0415

    config = dataclasses.replace(settings.config, simulator=dataclasses.replace(settings.config.simulator, enabled=True))
    settings = dataclasses.replace(settings, config=config)
    urls = settings.data_dir / "simulator.json"
    await play(
        sim_channels(settings.roster(), config),
        rate=config.simulator.rate,
        seed=config.simulator.seed,
        sessions=[(session.start, session.end) for session in config.sessions],
        hashtags=config.event.hashtags,
        ports=_ports_of(urls),
        ledger_dir=settings.args.ledger,
        hooks=f"http://{_reached(config.host)}:{settings.port}/hooks",
        urls_file=urls,  # stays when we end, see simulator_listens
    )
    return 0


async def collect(settings: Settings) -> int:
    """The collector, once it knows whom it may ask."""
    if settings.config.simulator.enabled:
        await simulator_listens(settings.data_dir)
    return await _from("monitor.collect")(settings)


async def simulator_listens(data_dir: Path) -> None:
    """Return when simulator.json is there; a collector without it would ask the real platforms for invented people."""
    urls = data_dir / "simulator.json"
    if not urls.exists():
        logger.info("Waiting for the simulator: %s is not there yet.", urls)
    while not urls.exists():  # noqa: ASYNC110 — another process writes it
        await asyncio.sleep(0.1)


def _ports_of(urls: Path) -> dict[str, int]:
    """Name → port of the simulator before this one, so that collect finds the next one where it was; without those that somebody has now."""
    try:
        told = json.loads(urls.read_text())
        ports = {name: urlsplit(url).port or 0 for name, url in told.items() if isinstance(url, str)}
    except (OSError, ValueError, AttributeError):
        return {}
    free = {}
    for name, port in ports.items():
        with contextlib.suppress(ConfigError):
            free[name] = _free_port("127.0.0.1", port)
    return free


COMMANDS: Final[dict[str, Callable[[Settings], Awaitable[int]]]] = {
    "run": run,
    "simulate": simulate,
    "collect": collect,
    "count": _from("monitor.count"),
    "moderate": _from("monitor.moderation"),
    "serve": _from("monitor.web"),
    "notify": _from("monitor.notify"),
    "audit": _from("monitor.audit"),
    "replay": _from("monitor.replay"),
    "check": _from("monitor.check"),
    "roster": _from("monitor.roster_command"),
    "token": _from("monitor.tokens"),
    "rehearsal": _from("monitor.rehearsal"),
    "parse": _from("monitor.tools", "parse"),
    "classify": _from("monitor.tools", "classify"),
}
