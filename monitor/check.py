"""``monitor check``: what works now, what is missing, and where to get it, before the day on which it matters.

``findings`` is pure and judges what was read; ``run`` reads, tries each login once, asks Redis for a sign of life, and prints. Exit code 1
when anything that the configuration asks for will not work.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_type_hints

from connectors import DISCOVERERS, PLATFORMS, RECEIVERS, class_of, discoverer_of, kind_of, options_of, parser_of, rest
from connectors.connector import ConnectorFailure, Refused, Secret, Throttled, Unreadable
from monitor.roster import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from monitor.config import Config
    from monitor.roster import Roster
    from monitor.settings import Settings

WHERE: Final = {
    "kick": "kick.com, Settings, Developer; 30 minutes, no review",
    "restream": "developers.restream.io, an application; 15 minutes",
    "telegram": "@BotFather in Telegram; 5 minutes",
    "twitch": "dev.twitch.tv/console/apps; 10 minutes, no review",
    "youtube": "console.cloud.google.com: a project, YouTube Data API v3 enabled, Credentials, API key; 15 minutes, no review",
}
"""Where a person gets a platform's key; docs/connectors.md says it at length, and of all."""
LOGIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    mark: Literal["works", "note", "wrong"]
    sentence: str

    def __str__(self) -> str:
        return f"{self.mark:<6} {self.sentence}"


def findings(config: Config, roster: Roster) -> Iterator[Finding]:
    """Everything that can be said without asking the outside world."""
    yield Finding(
        "works",
        f'{config.path or "--watch"}: "{config.event.name}", {len(config.sessions)} sessions, {len(config.topics)} topics, {len(config.rules)} rules.',
    )
    for note in config.notes:
        yield Finding("note", note)
    yield from _of_the_roster(config, roster)
    yield from _of_the_platforms(config, roster)
    if not config.alerts:
        yield Finding("note", "Nobody is alerted: [[alert]] in the configuration names a chat or a mailbox.")


def _of_the_roster(config: Config, roster: Roster) -> Iterator[Finding]:
    for problem in roster.problems:
        yield Finding("wrong" if problem.skipped else "note", str(problem))
    refused = Counter(why_not(channel, config.require_consent) for channel in roster.refused(config.require_consent))
    for reason, number in refused.most_common():
        yield Finding("note", f"Not read: {_channels(number)}: {reason}.")


def _of_the_platforms(config: Config, roster: Roster) -> Iterator[Finding]:
    watched = Counter(channel.platform for channel in roster.watchable(config.require_consent))
    for platform, number in sorted(Counter(channel.platform for channel in roster.unreachable).items()):
        yield Finding(
            "wrong",
            f"{platform}: {_channels(number)} of the roster out of reach, this version has no connector for it; "
            f"there are {', '.join(PLATFORMS)}. They are shown as unreachable.",
        )
    if not watched and not config.event.hashtags:
        yield Finding("wrong", "Nobody is watched: name a list in [roster] file, or livestreams with --watch.")
    if config.simulator.enabled:
        yield Finding(
            "note",
            f"The simulator is on: {config.simulator.livestreams} livestreams are invented and no platform is asked; "
            "[simulator] enabled = false asks the real ones.",
        )
    for platform, number in sorted(watched.items()):
        yield _of_one_platform(config, platform, number)
        yield from _of_the_key(config, platform)
        yield from _of_the_quota(config, platform, number)
    for platform in sorted(config.platforms.keys() - watched.keys()):
        yield from _of_a_section(config, platform)


def _of_one_platform(config: Config, name: str, number: int) -> Finding:
    platform = config.platform(name)
    if not platform.enabled:
        return Finding("note", f"{name}: switched off, so nothing is read of {_channels(number)}; [{name}] enabled = true reads.")
    missing, optional = _secrets(name, platform.options)
    if missing:
        played = config.simulator.enabled and name in DISCOVERERS
        return Finding(
            "note" if played else "wrong",
            f"{name}: {'played by the simulator; the real one' if played else 'missing: for ' + _channels(number) + ' it'} needs "
            f"{' and '.join(missing)} in [{name}]: {_where(name)}.",
        )
    more = f"; {' and '.join(optional)} in [{name}] would add more, see docs/connectors.md" if optional else ""
    key = "with the key that is configured" if platform.options and not optional else "without a key"
    return Finding("works", f"{name}: {_channels(number)}, {key}{more}.")


def _of_a_section(config: Config, name: str) -> Iterator[Finding]:
    """A section that no channel of the roster is in."""
    platform = config.platforms[name]
    if not platform.enabled:
        return
    missing, _ = _secrets(name, platform.options)
    if missing:
        played = config.simulator.enabled and name in DISCOVERERS
        yield Finding("note" if played else "wrong", f"{name}: missing: [{name}] needs {' and '.join(missing)}: {_where(name)}.")
        return
    yield from _of_the_key(config, name)
    kind = class_of(name) if kind_of(name) in PLATFORMS else None
    if kind is not None and kind.feeds(platform.options):
        yield Finding("works", f"{name}: read as a whole; no channel of the roster is in it.")
    elif not config.event.hashtags or kind_of(name) in RECEIVERS:  # where there are hashtags, they may be what it is for
        yield Finding("note", f"{name}: [{name}] is filled in, and no channel of the roster that may be read is in it.")


def _of_the_key(config: Config, name: str) -> Iterator[Finding]:
    """What is missing to ask a platform who is live, where its chats can be read without."""
    if name not in DISCOVERERS or not config.platform(name).enabled or _secrets(name, config.platform(name).options)[0]:
        return
    missing = discoverer_of(name).missing(class_of(name).options(**config.platform(name).options))
    if not missing:
        return
    half = len(missing) < len(discoverer_of(name).missing(class_of(name).options()))
    yield Finding(
        "wrong" if half and not config.simulator.enabled else "note",
        f"{name}: missing: {' and '.join(missing)} in [{name}]; without, nobody knows who is live and how many watch: {_where(name)}.",
    )


def _where(name: str) -> str:
    where = WHERE.get(kind_of(name))
    return f"{where}; docs/connectors.md says more" if where else "docs/connectors.md says where to get it"


def _of_the_quota(config: Config, name: str, number: int) -> Iterator[Finding]:
    """Needed against available, where a platform counts: what is done with the units of a day, and what is dropped."""
    platform = config.platform(name)
    if name not in DISCOVERERS or not platform.enabled:
        return
    plan = discoverer_of(name).quota_plan(class_of(name).options(**platform.options), number)
    if plan is None:
        return
    wrong = plan.left_out > 0 and not config.simulator.enabled
    yield Finding(
        "wrong" if wrong else "works" if not plan.dropped else "note",
        f"{name}: a day with {_channels(number)} needs {plan.wanted:,} units, {plan.available:,} are available; they suffice for "
        f"{_channels(plan.fits)}.",
    )
    for what, units in plan.items:
        yield Finding("note", f"  {units:>8,}  {what}")
    yield Finding("note", f"  {sum(units for _, units in plan.items):>8,}  of {plan.available:,}")
    for sentence in plan.dropped:
        yield Finding("wrong" if wrong and sentence == plan.dropped[-1] else "note", f"{name}: {sentence}.")
    if plan.first:
        yield Finding("note", f"{name}: dropped first when the units do not suffice: {plan.first}.")


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number:,} channels"


def _secrets(name: str, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Keys that are not given: those without which nothing works, and those that add something."""
    options: type = options_of(name)
    needs = getattr(parser_of(name), "needs", ())
    hints = get_type_hints(options, localns={"Secret": Secret})
    missing, optional = [], []
    for field in dataclasses.fields(options):
        if field.name in given:
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required or field.name in needs:
            missing.append(field.name)
        elif Secret in getattr(hints[field.name], "__args__", (hints[field.name],)):
            optional.append(field.name)
    return missing, optional


async def run(settings: Settings) -> int:
    """Print the findings; 1 when one of them is wrong."""
    config = settings.config
    roster = settings.roster()
    found = [*findings(config, roster), *await logins(config, roster), await _of_redis(settings)]
    found += [_of_alert(alert.to, number) for number, alert in enumerate(config.alerts, 1)]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return int(any(finding.mark == "wrong" for finding in found))


async def logins(config: Config, roster: Roster, *, within_seconds: float = LOGIN_SECONDS) -> list[Finding]:
    """Each login of the configuration, tried once and all at the same time; none while the simulator plays the platforms."""
    watched = {channel.platform for channel in roster.watchable(config.require_consent)}
    names = [name for name in DISCOVERERS if name in config.platforms or name in watched]
    if config.simulator.enabled:
        return []
    found = await asyncio.gather(*(_login(config, name, within_seconds) for name in names if config.platform(name).enabled))
    return [finding for finding in found if finding is not None]


async def _login(config: Config, name: str, within_seconds: float) -> Finding | None:
    """One request for a token; None where there is nothing to try."""
    options = class_of(name).options(**config.platform(name).options)
    kind = discoverer_of(name)
    login = None if kind.missing(options) else kind(options).enter()
    if login is None:
        return None
    try:
        async with rest.client(proxy=getattr(options, "proxy", None)) as session:
            reply = await rest.send(session, login.ask, within_seconds=within_seconds)
        now = datetime.now(UTC)
        if not 200 <= reply.status < 300:
            raise kind(options).failure(reply, now)
        kind(options).read_token(reply.body, now)
    except Refused as failure:
        return Finding("wrong", f"{name}: the login is refused: {failure.reason}. Keys are made at {_where(name)}.")
    except Throttled as failure:
        return Finding("note", f"{name}: the login could not be tried now: {failure.reason}; try again in a few minutes.")
    except ConnectorFailure as failure:
        return Finding("wrong", f"{name}: the login got no answer: {failure.reason}; look at the network and the proxy.")
    except Unreadable as failure:
        return Finding("wrong", f"{name}: the login was answered with something that is no token ({failure.reason}).")
    return Finding("works", f"{name}: the login works.")


async def _of_redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding("works", f"Redis: built in; its data is kept in {settings.data_dir / 'valkey'}.")
    from redis.exceptions import RedisError  # noqa: PLC0415

    from monitor.journal import make_client  # noqa: PLC0415

    try:
        async with make_client(settings.redis_url, timeout_seconds=3) as client:
            await client.exists("{cur}")  # PING has no key, and a Cluster answers by key
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        return Finding("wrong", f"Redis: the configured server does not answer ({type(error).__name__}); look at [redis] url.")
    return Finding("works", "Redis: the configured server answers.")


def _of_alert(to: Secret, number: int) -> Finding:
    import apprise  # noqa: PLC0415 — slow to import

    if apprise.Apprise().add(to.reveal()):
        return Finding("works", f"Alert {number}: its address can be used.")
    return Finding("wrong", f"Alert {number}: this is no address that Apprise knows; docs/config.md shows some.")
