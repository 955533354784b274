"""The table of platforms: the one place where a connector's name meets its class."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.connector import Connector
    from connectors.discovery import Discoverer

PLATFORMS: dict[str, str] = {
    "twitch": "connectors.twitch:Twitch",
    "bluesky": "connectors.bluesky:Bluesky",
    "kick": "connectors.kick:Kick",
    "telegram": "connectors.telegram:Telegram",
    "youtube": "connectors.youtube:YouTube",
    "sse": "connectors.sse:Sse",
    "websocket": "connectors.websocket:Websocket",
}


def class_of(name: str) -> type[Connector]:
    """The class of a platform; raises KeyError for an unknown name. (Named so because ``connectors.connector`` is a module.)"""
    module, _, attribute = PLATFORMS[name].partition(":")
    found: type[Connector] = getattr(import_module(module), attribute)
    return found


DISCOVERERS: dict[str, str] = {
    "twitch": "connectors.twitch.helix:Helix",
}
"""Platforms that can be asked who is live."""


def discoverer_of(name: str) -> type[Discoverer]:
    """The class that discovers on a platform; raises KeyError where nothing does."""
    module, _, attribute = DISCOVERERS[name].partition(":")
    found: type[Discoverer] = getattr(import_module(module), attribute)
    return found
