"""The table of platforms: the one place where a connector's name meets its class."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.connector import Connector, Receiver
    from connectors.discovery import Discoverer
    from connectors.lookup import History
    from connectors.pushing import Pusher

PLATFORMS: dict[str, str] = {
    "twitch": "connectors.twitch:Twitch",
    "bluesky": "connectors.bluesky:Bluesky",
    "kick": "connectors.kick:Kick",
    "telegram": "connectors.telegram:Telegram",
    "mastodon": "connectors.mastodon:Mastodon",
    "youtube": "connectors.youtube:YouTube",
    "sse": "connectors.sse:Sse",
    "websocket": "connectors.websocket:Websocket",
    "ssn": "connectors.ssn:Ssn",
    "owncast": "connectors.owncast:Owncast",
    "restream": "connectors.restream:Restream",
}


def class_of(name: str) -> type[Connector]:
    """The class of a platform; raises KeyError for an unknown name. (Named so because ``connectors.connector`` is a module.)"""
    module, _, attribute = PLATFORMS[kind_of(name)].partition(":")
    found: type[Connector] = getattr(import_module(module), attribute)
    return found


NAMED = frozenset(("sse", "websocket", "webhook", "ssn", "owncast", "restream"))
"""Kinds of which a configuration may have several, each with a name of its own: ``[sse.mysite]`` is the platform ``sse.mysite``."""


def kind_of(name: str) -> str:
    """``sse`` of ``sse.mysite``; any other name as it is."""
    kind, dot, rest = name.partition(".")
    return kind if dot and rest and kind in NAMED else name


RECEIVERS: dict[str, str] = {
    "webhook": "connectors.webhook:Webhook",
    "kick": "connectors.kick.hooks:KickHooks",
    "owncast": "connectors.owncast:OwncastHook",
    "twitch": "connectors.twitch.eventsub_hooks:EventSubHook",
    "youtube": "connectors.youtube.websub_hooks:WebSubHook",
}
"""Platforms that call us, at ``/hooks/<name>``."""


def receiver_of(name: str) -> type[Receiver]:
    """The class that takes what a platform sends; raises KeyError where none does."""
    module, _, attribute = RECEIVERS[kind_of(name)].partition(":")
    found: type[Receiver] = getattr(import_module(module), attribute)
    return found


def is_known(name: str) -> bool:
    """Whether a platform of this name can be read, by asking it or by being called."""
    return kind_of(name) in PLATFORMS or kind_of(name) in RECEIVERS


class _Known(Collection[str]):
    """The names of all platforms, those of sections with a name of their own too."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and is_known(name)

    def __iter__(self) -> Iterator[str]:
        return iter({**PLATFORMS, **RECEIVERS})

    def __len__(self) -> int:
        return len({**PLATFORMS, **RECEIVERS})


KNOWN: Collection[str] = _Known()


def parser_of(name: str) -> type[Connector | Receiver]:
    """The class whose ``parse`` reads a payload of this platform; raises KeyError for an unknown name."""
    return class_of(name) if kind_of(name) in PLATFORMS else receiver_of(name)


def options_of(name: str) -> type[Any]:
    """The options of a section; raises KeyError for an unknown name."""
    return class_of(name).options if kind_of(name) in PLATFORMS else receiver_of(name).options


DISCOVERERS: dict[str, str] = {
    "twitch": "connectors.twitch.helix:Helix",
    "youtube": "connectors.youtube.discovery:Lookout",
    "kick": "connectors.kick.discover:KickChannels",
}
"""Platforms that can be asked who is live."""


LOOKUPS: dict[str, str] = {
    "bluesky": "connectors.bluesky.lookup:Profiles",
    "telegram": "connectors.telegram.lookup:Chats",
    "mastodon": "connectors.mastodon.lookup:Accounts",
}
"""Platforms that can be asked which account a handle is, and not who is live."""

HISTORIES: dict[str, str] = {
    "twitch": "connectors.twitch.history:Archive",
    "youtube": "connectors.youtube.history:Uploads",
}
"""Platforms that show whether an account was live before."""


def lookup_of(name: str) -> type[Discoverer]:
    """The class that says which account a handle is; raises KeyError where nothing does."""
    module, _, attribute = {**DISCOVERERS, **LOOKUPS}[name].partition(":")
    found: type[Discoverer] = getattr(import_module(module), attribute)
    return found


def history_of(name: str) -> type[History]:
    """The class that says whether an account was live before; raises KeyError where nothing does."""
    module, _, attribute = HISTORIES[name].partition(":")
    found: type[History] = getattr(import_module(module), attribute)
    return found


def discoverer_of(name: str) -> type[Discoverer]:
    """The class that discovers on a platform; raises KeyError where nothing does."""
    module, _, attribute = DISCOVERERS[name].partition(":")
    found: type[Discoverer] = getattr(import_module(module), attribute)
    return found


PUSHERS: dict[str, str] = {
    "twitch": "connectors.twitch.eventsub_link:EventSub",
    "youtube": "connectors.youtube.websub:WebSub",
}
"""Platforms that can be asked to tell us who goes live."""


def pusher_of(name: str) -> type[Pusher]:
    """The class that keeps a platform's subscriptions; raises KeyError where there are none."""
    module, _, attribute = PUSHERS[name].partition(":")
    found: type[Pusher] = getattr(import_module(module), attribute)
    return found
