"""What a collector must watch and over which connections, of configuration, roster, its shares and what discovery knows. Pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import connectors
from connectors.connector import Target
from monitor.channels import broadcasts_of
from monitor.roster import why_not

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.channels import Row
    from monitor.config import Config
    from monitor.roster import Roster

SHARES = 256
"""Into so many parts the livestreams are cut; collectors own parts, not livestreams."""
ONE_READER = frozenset({"telegram", "mastodon"})
"""Platforms that let one reader at a time use a login, or where one connection reads everything: all goes to one collector."""


def share_of_channel(platform: str, livestream: str) -> int:
    return share_of(platform if platform in ONE_READER else livestream)


def share_of(livestream: str) -> int:
    return zlib.crc32(livestream.encode()) % SHARES


@dataclass(slots=True)
class Group:
    """The targets of one connection."""

    platform: str
    number: int
    targets: dict[str, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this collector must watch: targets by platform, and states of what cannot be watched."""

    targets: dict[str, dict[str, Target]]
    directory: dict[str, dict[str, str]]
    """Platform → native id or handle → livestream id, of the whole roster."""
    refused: dict[str, str]
    """Livestream → reason in words."""
    paused: dict[str, str] = field(default_factory=dict)
    """Livestream → by whom."""
    closed: dict[str, str] = field(default_factory=dict)
    """Livestream → why it is not read at this time."""


def needed(config: Config, platform: str, given: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The options without which a platform cannot be read at all, and that nobody gave; ``given`` comes from elsewhere than the configuration."""
    known = {**config.platform(platform).options, **((given or {}).get(platform) or {})}
    return tuple(name for name in connectors.class_of(platform).needs if not known.get(name))


def plan(
    config: Config,
    roster: Roster,
    shares: set[int],
    rows: Mapping[str, Row] | None = None,
    *,
    given: Mapping[str, Any] | None = None,
) -> Wanted:
    """Targets of these shares; every hashtag of the event is a target of its own on platforms that know hashtags.

    ``rows`` is what discovery knows; who is not in it is read as the roster says.
    """
    rows = rows or {}
    targets: dict[str, dict[str, Target]] = {}
    directory: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    paused: dict[str, str] = {}
    closed: dict[str, str] = {}
    for channel in roster.channels:
        row = rows.get(channel.id)
        directory.setdefault(channel.platform, {})[(row and row.native_id) or channel.native_id or channel.handle] = channel.id
    for channel in roster.watchable(config.require_consent):
        if share_of_channel(channel.platform, channel.id) in shares:
            row = rows.get(channel.id)
            if not config.platform(channel.platform).enabled:
                paused[channel.id] = f"{channel.platform} is switched off in the configuration"
            elif connectors.kind_of(channel.platform) not in connectors.PLATFORMS:
                continue  # it is told to us, not asked for, and its states are serve's
            elif missing := needed(config, channel.platform, given):
                closed[channel.id] = (
                    f"needs [{channel.platform}] {' and '.join(missing)}; docs/connectors.md says where to get it"
                )
            elif row is not None and row.reading == "closed":
                closed[channel.id] = row.reason
            else:
                target = Target(livestream=channel.id, handle=channel.handle, native_id=channel.native_id)
                if row is not None:
                    target = replace(
                        target,
                        handle=row.handle,
                        native_id=row.native_id or channel.native_id,
                        broadcasts=broadcasts_of(row),
                    )
                targets.setdefault(channel.platform, {})[channel.id] = target
    for channel in roster.refused(config.require_consent):
        if share_of_channel(channel.platform, channel.id) in shares:
            barred = paused if channel.state == "paused" else refused
            barred[channel.id] = why_not(channel, config.require_consent)
    for platform in config.by_hashtag:
        for tag in config.event.hashtags:
            name = f"{platform}:{tag.casefold()}"
            if share_of_channel(platform, name) in shares:
                targets.setdefault(platform, {})[name] = Target(livestream=name, handle=tag)
    for platform in feeds_of(config):
        name = f"{platform}:feed"
        if share_of(name) in shares:
            targets.setdefault(platform, {})[name] = Target(livestream=name, handle="")
    return Wanted(targets, directory, refused, paused, closed)


def feeds_of(config: Config) -> list[str]:
    """Sections that are read as a whole, whether or not a channel of the roster is in them."""
    enabled = (name for name, table in config.platforms.items() if table.enabled)
    asked = (name for name in enabled if connectors.kind_of(name) in connectors.PLATFORMS)
    return [name for name in asked if connectors.class_of(name).feeds(config.platforms[name].options)]


def regroup(groups: Sequence[Group], platform: str, wanted: Mapping[str, Target], capacity: int | None) -> list[Group]:
    """Connections for these targets, moving none that is already on one; empty ones are left out."""
    kept = [Group(platform, group.number, {name: wanted[name] for name in group.targets if name in wanted}) for group in groups]
    placed = {name for group in kept for name in group.targets}
    number = max((group.number for group in groups), default=-1) + 1
    for name in (name for name in wanted if name not in placed):
        room = next((group for group in kept if capacity is None or len(group.targets) < capacity), None)
        if room is None:
            room = Group(platform, number)
            number += 1
            kept.append(room)
        room.targets[name] = wanted[name]
    return [group for group in kept if group.targets]


def view(row: Row) -> tuple[Any, ...]:
    """What of a row matters to a connection."""
    return row.reading, row.reason, row.handle, row.native_id, broadcasts_of(row)
