"""With the simulator on, whom it plays is whom we watch: both come from one function of roster and configuration. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, Literal, cast

from connectors.simulator.crowd import extend
from connectors.simulator.model import SimChannel
from monitor.roster import Channel

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.roster import Roster

PLAYED: Final = frozenset({"twitch", "bluesky", "youtube"})
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
            platform=cast("Literal['twitch', 'bluesky', 'youtube']", channel.platform),
            handle=channel.handle,
            native_id=channel.native_id,
            country=channel.country,
            language=channel.language or "en",
            tags=channel.tags,
        )
        for channel in roster.watchable(config.require_consent)
        if channel.platform in PLAYED and config.platform(channel.platform).enabled
    ]
    return extend(channels, config.simulator.livestreams)


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
