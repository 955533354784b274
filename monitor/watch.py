"""``monitor run --watch twitch:a,b --watch "bluesky:#Tag,name.bsky.social"``: a configuration and a roster without any file. Pure."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import connectors
from monitor.config import HASHTAGS, Config, ConfigError, Event, Platform, Scope
from monitor.handles import BadHandle, normalise, seal, tidy
from monitor.links import broadcast_link
from monitor.roster import Channel, Roster
from monitor.tables import nearest


def config_from_watch(specs: list[str]) -> tuple[Config, Roster]:
    """Who is named is watched, and nothing else; raises ConfigError with one sentence for a spec that cannot be read."""
    channels: dict[str, Channel] = {}
    hashtags: dict[str, str] = {}
    used: set[str] = set()
    for spec in specs:
        platform, handles = _split(spec)
        used.add(platform)
        for pasted in handles:
            if platform in HASHTAGS and pasted.startswith("#"):
                if not re.fullmatch(r"#\w+", pasted):
                    raise ConfigError(f'--watch {spec}: expected a hashtag such as "#OurEvent", without spaces, found "{pasted}"')
                hashtags.setdefault(pasted.casefold(), pasted)
                continue
            channel = _channel(spec, platform, pasted)
            channels[channel.id] = channel
    if not used:
        raise ConfigError('--watch: nothing to watch; write for instance --watch twitch:login or --watch "bluesky:#OurEvent"')
    watched = [*hashtags.values(), *(channel.handle for channel in channels.values())]
    config = Config(
        event=Event(
            name=f"Watching {', '.join(watched[:3])}" + (f" and {len(watched) - 3} more" if len(watched) > 3 else ""),
            timezone=ZoneInfo("UTC"),
            hashtags=tuple(hashtags.values()),
        ),
        # A hashtag given for one platform must not start another.
        platforms={name: Platform(name=name, enabled=name in used) for name in connectors.PLATFORMS},
        require_consent=False,
        # Who is named is watched, whatever the title and the hour.
        scope=Scope(hours="always", unsure="count"),
    )
    return config, Roster(channels=tuple(channels.values()))


def _split(spec: str) -> tuple[str, list[str]]:
    name, colon, rest = tidy(spec).partition(":")
    platform = name.strip().casefold()
    if colon and platform not in connectors.PLATFORMS:
        raise ConfigError(f'--watch {spec}: unknown platform "{name}"; {nearest(name, connectors.PLATFORMS)}')
    handles = [handle for handle in (part.strip() for part in rest.split(",")) if handle]
    if not handles:
        raise ConfigError(f"--watch {spec}: expected platform:handle,handle, such as twitch:login")
    return platform, handles


def _video(platform: str, pasted: str) -> str | None:
    """The id in a YouTube video's address, or a bare id: one broadcast is watched, and no discovery is needed. Its letters keep their case."""
    if platform != "youtube":
        return None
    live = broadcast_link(pasted)
    return live.broadcast if live else pasted if re.fullmatch(r"[A-Za-z0-9_-]{11}", pasted) else None


def _channel(spec: str, platform: str, pasted: str) -> Channel:
    try:
        handle = _video(platform, pasted) or normalise(platform, pasted)
    except BadHandle as bad:
        raise ConfigError(f'--watch {spec}: expected {bad.expected}, found "{pasted}"') from None
    native_id = handle if handle.startswith("did:") else None
    if (shown := seal(platform, handle)) != handle:
        handle, native_id = shown, handle
    return Channel(
        id=f"{platform}:{handle}", attendee=handle, name=handle, country=None, language=None, platform=platform, handle=handle,
        native_id=native_id, show_name=True,
    )  # fmt: skip
