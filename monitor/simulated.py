"""With the simulator on, whom it plays is whom we watch: both come from one function of roster and configuration. Pure.

No real platform is asked meanwhile: what is not played is switched off (``as_simulated``), and what is played is told the simulator's
addresses and test credentials (``addresses_of``) over whatever the configuration says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import connectors
from connectors.connector import Secret
from connectors.simulator import platform as table
from connectors.simulator.crowd import extend
from connectors.simulator.model import SimChannel
from monitor.config import Platform
from monitor.roster import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config import Config
    from monitor.roster import Roster

PLAYED: Final = frozenset(table.PLATFORMS)
"""Platforms whose protocol the simulator speaks."""


def with_simulated(roster: Roster, config: Config) -> Roster:
    """The roster while the simulator is on: cut, or filled up with invented channels, to ``simulator.livestreams`` watched ones.

    Rows without consent stay, so that they are still shown as refused.
    """
    if not config.simulator.enabled:
        return roster
    played = sim_channels(roster, config)
    by_id = roster.by_id()
    watched = {channel.livestream: by_id.get(channel.livestream) or _invented(channel) for channel in played}
    return dataclasses.replace(roster, channels=(*watched.values(), *roster.refused(config.require_consent)))


def sim_channels(roster: Roster, config: Config) -> list[SimChannel]:
    """What the simulator is given; the same for a roster that ``with_simulated`` has been through."""
    channels = [
        SimChannel(
            livestream=channel.id,
            platform=channel.platform,
            handle=channel.handle,
            native_id=channel.native_id,
            country=channel.country,
            language=channel.language or "en",
            tags=channel.tags,
        )
        for channel in roster.watchable(config.require_consent)
        if channel.platform in PLAYED and config.platform(channel.platform).enabled
    ]
    shares = [name for name, played in table.PLATFORMS.items() if config.platform(name).enabled for _ in range(played.invented)]
    return [
        one if number < len(channels) else dataclasses.replace(one, handle=f"{one.handle}{table.PLATFORMS[one.platform].home}")
        for number, one in enumerate(extend(channels, config.simulator.livestreams, shares or ["twitch"]))
    ]


def as_simulated(config: Config) -> Config:
    """The configuration while the simulator is on: a section for each platform that is played, with its test credentials, and none
    of the others.
    """
    if not config.simulator.enabled:
        return config
    platforms = {
        name: given if name in PLAYED else dataclasses.replace(given, enabled=False) for name, given in config.platforms.items()
    }
    for name in PLAYED & {*config.platforms, *(one for one in PLAYED if table.credentials(one))}:
        given = config.platform(name)
        platforms[name] = Platform(
            name=name,
            enabled=given.enabled,
            in_totals=given.in_totals,
            options={**_without_addresses(given.options), **_typed(name, table.credentials(name))},
        )
    return dataclasses.replace(config, platforms=platforms, notes=(*config.notes, *unplayed(config)))


def unplayed(config: Config) -> tuple[str, ...]:
    """What a person must know who configured a section that the simulator does not play; empty where there is none."""
    off = sorted(name for name, given in config.platforms.items() if given.enabled and name not in PLAYED)
    if not config.simulator.enabled or not off:
        return ()
    sections = " and ".join(f"[{name}]" for name in off)
    is_off = f"{sections} {'is' if len(off) == 1 else 'are'} not read"
    return (f"While the simulator is on, {is_off}; [simulator] enabled = false reads what you have configured.",)


def addresses_of(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Platform → options that replace the configured ones, from what simulator.json says."""
    return {name: _typed(name, options) for name, options in table.addresses(told).items()}


def _without_addresses(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a person configured for the real platform, but for where it is."""
    return {
        key: value
        for key, value in options.items()
        if not any(isinstance(one, str) and "://" in one for one in (value if isinstance(value, tuple | list) else (value,)))
    }


def _typed(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the connector wants them: secrets as such. The simulator is on this machine, where no proxy of the house leads."""
    kind = connectors.options_of(name)
    hints = get_type_hints(kind, localns={"Secret": Secret})
    found = {
        key: Secret(value) if Secret in (hints[key], *get_args(hints[key])) else value
        for key, value in options.items()
        if key in hints
    }
    usual = {field.name: field.default for field in dataclasses.fields(kind) if field.name == "proxy"}
    section = {"section": name} if "section" in hints and connectors.kind_of(name) in connectors.NAMED else {}
    return {**usual, **section, **found}


def _invented(channel: SimChannel) -> Channel:
    return Channel(
        id=channel.livestream,
        attendee=channel.handle,
        name=channel.handle,
        country=channel.country,
        language=channel.language,
        platform=channel.platform,
        handle=channel.handle,
        native_id=channel.native_id,
        consent="yes",
    )
