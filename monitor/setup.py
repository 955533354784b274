"""Where a role gets configuration and roster from, and notices that they changed: the files, or what ``--watch`` named."""

from __future__ import annotations

import dataclasses
import os
import secrets
import time
from typing import TYPE_CHECKING

from monitor.reload import Reloader, Setup
from monitor.watch import config_from_watch

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.config import Config
    from monitor.settings import Settings


class Source:
    """``setup`` is what is in force; ``poll`` about once a second returns a new one when a file changed."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        self._limit = settings.config.simulator.livestreams if settings.config.simulator.enabled else None
        self._reloader: Reloader | None = None
        specs = getattr(settings.args, "watch", None) or []
        if specs:
            config, roster = config_from_watch(specs)
            fixed = settings.config
            config = dataclasses.replace(
                config, host=fixed.host, port=fixed.port, partitions=fixed.partitions, redis_url=fixed.redis_url
            )
            self._static = Setup(config=config, roster=roster)
        else:

            def adapt(config: Config) -> Config:
                return dataclasses.replace(config, simulator=settings.config.simulator, roster_file=settings.config.roster_file)

            self._reloader = Reloader(settings.config.path, time.time, adapt=adapt)
            self._static = self._limited(self._reloader.setup)

    @property
    def setup(self) -> Setup:
        return self._static

    def poll(self) -> Setup | None:
        new = self._reloader.poll() if self._reloader else None
        if new is None:
            return None
        self._static = self._limited(new)
        return self._static

    def _limited(self, setup: Setup) -> Setup:
        """The simulator may be asked for fewer livestreams than the roster has: then the others are nobody's business."""
        if self._limit is None or self._limit >= len(setup.roster.channels):
            return setup
        return dataclasses.replace(setup, roster=dataclasses.replace(setup.roster, channels=setup.roster.channels[: self._limit]))


def author_key(data_dir: Path) -> bytes:
    """The event's key for pseudonyms: made once, readable by the owner only, destroyed to forget everybody."""
    path = data_dir / "author.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        data_dir.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        os.link(fresh, path)  # fails when another process was first; then its key is the key
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()
