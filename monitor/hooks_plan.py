"""Which sections receive, for which channels, and what of them was lost: of configuration, roster and what discovery knows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import connectors
from connectors.event import Gap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connectors.connector import Receiver
    from connectors.event import Event
    from monitor.channels import Row
    from monitor.config import Config
    from monitor.roster import Roster


def settings_of(config: Config) -> dict[str, Mapping[str, Any]]:
    """Sections that receive → their options. A platform that also receives does so once it has a section."""
    tables = dict(config.platforms)
    if config.simulator.enabled:  # its platforms are played without a section
        tables = {name: config.platform(name) for name in connectors.PUSHERS} | tables
    return {
        name: dict(table.options)
        for name, table in tables.items()
        if table.enabled and connectors.kind_of(name) in connectors.RECEIVERS and _is_called(name, table.options, config)
    }


def _is_called(name: str, options: Mapping[str, Any], config: Config) -> bool:
    """Whether the platform calls us: one that does so only when we ask it to needs our address."""
    if name in connectors.PUSHERS and not (config.public.url or config.simulator.enabled):
        return False
    try:
        return connectors.receiver_of(name).receives(connectors.options_of(name)(**options))
    except ValueError:  # said where the receiver is made
        return True


def gaps_of(held: Mapping[str, datetime], roster: Roster, now: datetime) -> list[Event]:
    """What a killed process held in memory is lost: a Gap for each livestream of the roster that it held something of."""
    channels = roster.by_id()
    return [
        Gap(
            id=f"{channel.platform}:gap:{name}:{since.timestamp():.3f}",
            platform=channel.platform,
            livestream=name,
            at=now,
            received_at=now,
            from_=since,
            to=now,
            reason="this program ended while it waited to hear whether a broadcast had begun",
        )
        for name, since in held.items()
        if (channel := channels.get(name)) is not None
    ]


def resolved_of(rows: Mapping[str, Row]) -> dict[str, dict[str, str]]:
    """Platform → native id → livestream, of those that may be watched."""
    found: dict[str, dict[str, str]] = {}
    for livestream, row in rows.items():
        if row.native_id and row.state not in ("paused", "refused", "unreachable"):
            found.setdefault(row.platform, {})[row.native_id] = livestream
    return found


def directories_of(config: Config, roster: Roster) -> dict[str, dict[str, str]]:
    """Platform → native id and handle → livestream, of those who may be read."""
    directories: dict[str, dict[str, str]] = {}
    for channel in roster.watchable(config.require_consent):
        known = directories.setdefault(channel.platform, {})
        known[channel.handle] = channel.id
        if channel.native_id:
            known[channel.native_id] = channel.id
    return directories


def section_of(name: str, receivers: Mapping[str, Receiver]) -> str | None:
    """``/hooks/partner`` and ``/hooks/webhook.partner`` are the same section."""
    return next((known for known in (name, f"webhook.{name}") if known in receivers), None)
