"""For tests that start servers as processes: ports that nobody listens on, and a server that this project did not write."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def free_ports(count):
    """So many different ones."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def free_port():
    return free_ports(1)[0]


class Foreign:
    """A foreign server as a process; ``kill`` is SIGKILL."""

    def __init__(self, folder: Path, template: Path, **values: object) -> None:
        """Its configuration is the template with these names filled in, written into the folder under the template's name."""
        self.folder = folder
        self.configuration = folder / template.name
        text = template.read_text(encoding="utf-8")
        for name, value in {"RUN_DIR": folder, **values}.items():
            text = text.replace(name, str(value))
        self.configuration.write_text(text, encoding="utf-8")

    async def launch(self, *command: str, port: int, log: str) -> None:
        """Returns when it listens; when it ends instead, its log says why."""
        nowhere = asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere)
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    assert self.process.returncode is None, self.folder.joinpath(log).read_text()
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
