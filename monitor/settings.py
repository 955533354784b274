"""What every command gets: the configuration, where things lie, and how the person typed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from monitor.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    config: Config
    data_dir: Path
    """Spool, embedded Valkey, simulator.json, run.json; made when missing."""
    redis_url: str = field(repr=False)
    """May carry a password. Empty for commands that need no Redis, and for ``run`` until its engine is up."""
    port: int
    log: str
    """``text`` or ``json``."""
    args: argparse.Namespace

    @property
    def watch(self) -> Mapping[str, tuple[str, ...]]:
        """What ``--watch`` named, platform → handles; empty when the roster says what is watched."""
        return watched(getattr(self.args, "watch", None) or ())


def watched(options: tuple[str, ...] | list[str]) -> dict[str, tuple[str, ...]]:
    """``["twitch:a,b", "twitch:c"]`` as ``{"twitch": ("a", "b", "c")}``; order kept, repeats dropped."""
    found: dict[str, dict[str, None]] = {}
    for option in options:
        platform, _, handles = option.partition(":")
        found.setdefault(platform.strip().lower(), {}).update(dict.fromkeys(filter(None, map(str.strip, handles.split(",")))))
    return {platform: tuple(handles) for platform, handles in found.items()}
