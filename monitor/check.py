"""``monitor check``: what works now, what is missing, and where to get it, before the day on which it matters.

``findings`` is pure and judges what was read; ``run`` reads, asks Redis for a sign of life, and prints. Exit code 1 when anything
that the configuration asks for will not work.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_type_hints

from connectors import DISCOVERERS, PLATFORMS, class_of, discoverer_of, options_of, parser_of
from connectors.connector import Secret

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
    refused = len(roster.refused(config.require_consent))
    if refused:
        yield Finding("note", f"Never read for want of consent: {_channels(refused)}; the column consent says who agreed.")


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
        yield from _of_the_quota(config, platform, number)


def _of_one_platform(config: Config, name: str, number: int) -> Finding:
    platform = config.platform(name)
    if not platform.enabled:
        return Finding("note", f"{name}: switched off, so nothing is read of {_channels(number)}; [{name}] enabled = true reads.")
    missing, optional = _secrets(name, platform.options)
    if missing:
        where = f"{WHERE[name]}; docs/connectors.md says more" if name in WHERE else "docs/connectors.md says where to get it"
        played = config.simulator.enabled and name in DISCOVERERS
        return Finding(
            "note" if played else "wrong",
            f"{name}: {'played by the simulator; the real one' if played else 'missing: for ' + _channels(number) + ' it'} needs "
            f"{' and '.join(missing)} in [{name}]: {where}.",
        )
    more = f"; {' and '.join(optional)} in [{name}] would add more, see docs/connectors.md" if optional else ""
    key = "with the key that is configured" if platform.options and not optional else "without a key"
    return Finding("works", f"{name}: {_channels(number)}, {key}{more}.")


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
    found = [*findings(config, settings.roster()), await _of_redis(settings)]
    found += [_of_alert(alert.to, number) for number, alert in enumerate(config.alerts, 1)]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return int(any(finding.mark == "wrong" for finding in found))


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
