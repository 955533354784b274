"""The table of simulated platforms: what one must do, what it is made from, and what its connector must be told to find it.

A platform of this table can be played in ``monitor run``. A further one is a class in a module of its own and an entry in ``PLATFORMS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping  # noqa: TC003 — for the dataclass
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from connectors.simulator.kick_key import PUBLIC_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http import HTTPStatus
    from random import Random

    from connectors.simulator.air import Airtime
    from connectors.simulator.faults import Mishaps
    from connectors.simulator.ledger import Ledger
    from connectors.simulator.model import Sent, SimChannel


class SimPlatform(Protocol):
    """One platform, from the server's side."""

    name: str
    """As in the table and in the roster."""

    async def start(self, host: str, ports: Mapping[str, int]) -> dict[str, object]:
        """Listen; gives what simulator.json says, address by name. ``ports`` are those that an earlier run had under these names (0 or
        absent: any).
        """

    def deliver(self, sents: list[Sent]) -> None:
        """What the crowd sent on this platform since the last step; ``room`` is an index of ``Setting.channels``, −1 a stranger's."""

    def tick(self) -> None:
        """Time has passed: ten times a second."""

    def drop_all(self) -> int:
        """Cut every connection without a word; gives how many."""

    def status(self) -> dict[str, int]:
        """Counts for ``/control/status``; the names begin with the platform's."""

    async def stop(self) -> None:
        """Close everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a platform is made from."""

    channels: Sequence[SimChannel]
    """Of all platforms; a platform plays those that carry its name."""
    rates: Sequence[float]
    """Mean events per second of each."""
    air: Airtime
    """What is on air, by the same index."""
    dice: Random
    """The platform's own."""
    clock: Callable[[], float]
    hashtags: tuple[str, ...]
    """Of the event, as the configuration writes them."""
    ledger: Ledger | None
    """Where to write what was sent; None: nobody compares."""
    mishaps: Mishaps
    """What goes wrong on this platform."""
    hooks: str
    """Address that ends in ``/hooks``, for platforms that call us: they POST to ``<hooks>/<section>``. Empty: nobody listens."""
    control: Callable[[str], tuple[HTTPStatus, str] | None]
    """The answer to a control request, or None when it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """An entry of the table."""

    made_by: str
    """``module:Class``; the class takes a Setting."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of our connector while it is played. ``{name}`` stands for that address of simulator.json; what has no such place are test
    credentials, which hold before the simulator runs."""
    posts: bool = False
    """People write posts of their own, instead of comments in somebody's chat; strangers do too."""
    invented: int = 0
    """Its share of the channels that are invented beyond the roster."""
    home: str = ""
    """What stands behind the name of invented people, such as ``@instance``."""


PLATFORMS: Final[dict[str, Played]] = {
    "twitch": Played(
        made_by="connectors.simulator.platform_twitch:TwitchPlatform",
        options={
            "url": "{twitch}", "helix_url": "{helix}/helix", "login_url": "{helix}/oauth2", "eventsub_url": "{eventsub}",
            "client_id": "simulated", "client_secret": "simulated-secret",
            "user_tokens": "simulated-refresh",  # for eventsub = "websocket"
        },
        invented=8,
    ),
    # As many units as the simulator grants: its crowd plays days within minutes.
    "youtube": Played(
        made_by="connectors.simulator.platform_youtube:YouTubePlatform",
        options={"url": "{youtube}", "hub_url": "{websub}", "feed_url": "{youtube_feeds}", "api_key": "simulated-key", "units_per_day": 1_000_000},
    ),
    "bluesky": Played(
        made_by="connectors.simulator.platform_bluesky:BlueskyPlatform", options={"url": "{jetstream}", "directory_url": "{bluesky_directory}"},
        posts=True,
    ),
    "kick": Played(
        made_by="connectors.simulator.kick:KickPlatform",
        options={
            "api": "{kick}", "login": "{kick}", "pusher_url": "{kick_pusher}", "client_id": "simulated", "client_secret": "simulated-secret",
            "public_key": PUBLIC_KEY, "subscriptions_seconds": 30.0,  # a simulator that was started again knows none of them
        },
        invented=1,
    ),
    "telegram": Played(
        made_by="connectors.simulator.telegram:TelegramPlatform",
        options={"url": "{telegram}", "token": "7000000001:simulated-token"}, invented=1,
    ),
    "mastodon": Played(
        made_by="connectors.simulator.mastodon:MastodonPlatform", options={"url": "{mastodon}", "token": "simulated-token"}, posts=True,
        invented=1, home="@social.simulated.example",
    ),
    "sse.simulated": Played(
        made_by="connectors.simulator.sse:SsePlatform",
        options={"url": "{sse_simulated}", "token": "simulated-key", "lookback_seconds": 300.0},
    ),
    "websocket.simulated": Played(
        made_by="connectors.simulator.sse:WebsocketPlatform",
        options={"url": "{websocket_simulated}", "token": "simulated-key", "resume": {"query": "since", "from": "/number"}},
    ),
    "ssn": Played(made_by="connectors.simulator.ssn:SsnPlatform", options={"url": "{ssn}", "connect_every_seconds": 0.05}),
    "owncast": Played(
        made_by="connectors.simulator.owncast:OwncastPlatform", options={"url": "{owncast}", "secret": "simulated-secret"},
    ),
    "restream": Played(
        made_by="connectors.simulator.restream:RestreamPlatform", options={"url": "{restream}", "token": "simulated-token"},
    ),
    "webhook.simulated": Played(
        made_by="connectors.simulator.webhooks:WebhookPlatform", options={"secret": "whsec_c2ltdWxhdGVkIHBhcnRuZXIncyBrZXk="},
    ),
}  # fmt: skip

NOWHERE: Final = "http://127.0.0.1:9"
"""Where nobody listens."""
_PLACE: Final = re.compile(r"\{(\w+)\}")


def make(name: str, setting: Setting) -> SimPlatform:
    """The platform of that name; its module is imported now."""
    module, _, attribute = PLATFORMS[name].made_by.partition(":")
    made: SimPlatform = getattr(import_module(module), attribute)(setting)
    return made


def credentials(name: str) -> dict[str, Any]:
    """Options that hold before the simulator runs."""
    return {key: value for key, value in PLATFORMS[name].options.items() if not _places(value)}


def addresses(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Platform → all its options. What this simulator.json does not speak of leads nowhere: never to the real platform."""
    return {name: {key: _filled(value, told) for key, value in played.options.items()} for name, played in PLATFORMS.items()}


def _places(value: Any) -> list[str]:
    return _PLACE.findall(value) if isinstance(value, str) else []


def _filled(value: Any, told: Mapping[str, Any]) -> Any:
    return _PLACE.sub(lambda found: str(told.get(found[1], NOWHERE)), value) if isinstance(value, str) else value
