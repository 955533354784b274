"""What can be said of a configuration and a roster without asking the outside world: what is missing, where to get it, what fits. Pure.

Each finding is one line of ``monitor check``; *wrong* means that something which the configuration asks for will not work.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_type_hints

from connectors import (
    DISCOVERERS,
    KNOWN,
    PLATFORMS,
    PUSHERS,
    RECEIVERS,
    class_of,
    discoverer_of,
    is_known,
    kind_of,
    options_of,
    parser_of,
    pusher_of,
)
from connectors.connector import Secret
from monitor.roster import why_not
from monitor.simulated import PLAYED, unplayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.discovery import QuotaPlan
    from monitor.config import Config
    from monitor.roster import Roster

WHERE: Final = {
    "kick": "kick.com, Settings, Developer; 30 minutes, no review",
    "restream": "developers.restream.io, an application; 15 minutes",
    "telegram": "@BotFather in Telegram; 5 minutes",
    "twitch": "dev.twitch.tv/console/apps; 10 minutes, no review",
    "youtube": "console.cloud.google.com: a project, YouTube Data API v3 enabled, Credentials, API key; 15 minutes, no review",
}
"""Where a person gets a platform's key; docs/connectors.md says it at length, and of all."""
MUST_CALL: Final = frozenset({"kick"})
"""Platforms whose chats come by being called at an address that they reach from outside."""
BY_ID: Final = frozenset({"bluesky"})
"""Platforms on which somebody is recognised by the account's id and not by a name."""
NEVER_LIVE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""A plan does not depend on the time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    mark: Literal["works", "note", "wrong"]
    sentence: str

    @property
    def about(self) -> str:
        """The platform, or the section, that it is about; empty where it is about none."""
        name, colon, _ = self.sentence.partition(": ")
        return name if colon and is_known(name) else ""

    @property
    def is_plan(self) -> bool:
        """Whether it says what a quota suffices for, which holds whoever answers."""
        return "; they suffice for " in self.sentence

    def __str__(self) -> str:
        return f"{self.mark:<6} {self.sentence}"


def findings(config: Config, roster: Roster) -> Iterator[Finding]:
    """Everything that can be said without asking the outside world."""
    yield Finding(
        "works",
        f'{config.path or "--watch"}: "{config.event.name}", {counted(len(config.sessions), "sessions")}, '
        f"{counted(len(config.topics), 'topics')}, {counted(len(config.rules), 'rules')}.",
    )
    for note in config.notes:
        yield Finding("note", note)
    yield from _of_the_roster(config, roster)
    yield from _of_the_platforms(config, roster)
    if not config.alerts:
        yield Finding("note", "Nobody is alerted: [[alert]] in the configuration names a chat or a mailbox.")


def told_together(said: list[Finding], tried: list[Finding]) -> list[Finding]:
    """What was tried stands behind what is said of its platform; where trying went wrong, being configured is no "works"."""
    failed = {finding.about for finding in tried if finding.mark == "wrong"}
    result: list[Finding] = []
    rest_of_them = list(tried)
    for number, finding in enumerate(said):
        calmer = finding.mark == "works" and finding.about in failed and not finding.is_plan
        result.append(replace(finding, mark="note") if calmer else finding)
        if finding.about and not any(later.about == finding.about for later in said[number + 1 :]):
            result += [one for one in rest_of_them if one.about == finding.about]
            rest_of_them = [one for one in rest_of_them if one.about != finding.about]
    return result + rest_of_them


def _of_the_roster(config: Config, roster: Roster) -> Iterator[Finding]:
    for problem in roster.problems:
        yield Finding("wrong" if problem.skipped else "note", str(problem))
    refused = Counter(why_not(channel, config.require_consent) for channel in roster.refused(config.require_consent))
    for reason, number in refused.most_common():
        yield Finding("note", f"Not read: {channels_of(number)}: {reason}.")


def _of_the_platforms(config: Config, roster: Roster) -> Iterator[Finding]:
    watched = Counter(channel.platform for channel in roster.watchable(config.require_consent))
    for platform, number in sorted(Counter(channel.platform for channel in roster.unreachable).items()):
        yield Finding(
            "wrong",
            f"{platform}: {channels_of(number)} of the roster out of reach, because this version has no connector for it; shown as "
            "unreachable. What the attendee's own screen shows of it can come by [ssn], see docs/connectors.md.",
        )
    if not watched and not config.event.hashtags:
        yield Finding("wrong", "Nobody is watched: name a list in [roster] file, or livestreams with --watch.")
    if config.simulator.enabled:
        yield Finding(
            "note",
            f"The simulator is on: {config.simulator.livestreams} livestreams are invented and no platform is asked; "
            "[simulator] enabled = false asks the real ones.",
        )
        for note in unplayed(config):
            yield Finding("note", note)
    hashtags = config.by_hashtag
    for platform, number in sorted(watched.items()):
        yield _of_one_platform(config, platform, number)
        yield from _of_the_ids(config, roster, platform)
        yield from _of_the_key(config, platform)
    for platform in hashtags:
        yield Finding("works", f"{platform}: {counted(len(config.event.hashtags), 'hashtags')} of the event.")
    for platform in sorted({*watched, *hashtags}):
        # A person there is read by the event's hashtags, and costs nothing more.
        own = sum(one.handle.startswith("#") for one in roster.watchable(config.require_consent) if one.platform == platform)
        number = own + len(config.event.hashtags) if platform in hashtags else watched[platform]
        yield from _of_the_quota(config, platform, number)
    for platform in sorted(config.platforms.keys() - {*watched, *hashtags}):
        yield from _of_a_section(config, platform)
    for platform in sorted({*watched, *config.platforms}):
        yield from _of_the_way_back(config, platform)
        yield from _of_being_told(config, platform)
    yield from _of_the_others(config, {*watched, *hashtags})


def _of_the_ids(config: Config, roster: Roster, platform: str) -> Iterator[Finding]:
    """Accounts that are found in what the platform sends by their id alone."""
    if platform not in BY_ID or not config.platform(platform).enabled or config.simulator.enabled:
        return
    nameless = sum(
        one.platform == platform and not one.native_id and not one.handle.startswith("#")
        for one in roster.watchable(config.require_consent)
    )
    if nameless:
        yield Finding(
            "wrong",
            f"{platform}: {channels_of(nameless)} without the account's id, by which what is said there is recognised; monitor roster "
            "check finds it and writes it into the roster.",
        )


def _of_the_way_back(config: Config, name: str) -> Iterator[Finding]:
    """Platforms that call us need to know where."""
    if (
        not config.platform(name).enabled
        or kind_of(name) not in RECEIVERS
        or secrets_missing(name, config.platform(name).options)[0]
    ):
        return
    if not config.public.url and name in MUST_CALL and not config.simulator.enabled:
        yield Finding(
            "wrong", f"{name}: it calls us and does not know where: url in [public] must be our address as the world sees it."
        )
    elif kind_of(name) not in PLATFORMS:
        yield Finding("note", f"{name}: it is called at /hooks/{name.replace('.', '/')}; only the sender can try that.")


def _of_being_told(config: Config, name: str) -> Iterator[Finding]:
    """Platforms that can tell us who goes live, sooner than we find out by asking."""
    platform = config.platform(name)
    if name not in PUSHERS or not platform.enabled or secrets_missing(name, platform.options)[0]:
        return
    lacking = pusher_of(name).lacking(class_of(name).options(**platform.options), config.public.url or "")
    if lacking:
        yield Finding("note", f"{name}: who goes live is found by asking alone: {lacking.rstrip('.')}.")
    elif lacking is not None:
        yield Finding("works", f"{name}: it is asked to tell us who goes live.")


def _of_the_others(config: Config, used: set[str]) -> Iterator[Finding]:
    """Platforms that nobody asked for: what they would need."""
    sections = {kind_of(name) for name in config.platforms}
    for name in sorted(set(KNOWN) - sections - {kind_of(one) for one in used}):
        missing = secrets_missing(name, {})[0]
        needs = f"needs {' and '.join(missing)} in [{name}]: {where_to_get(name)}" if missing else "needs no key"
        yield Finding("note", f"{name}: not used; it {needs}.")


def _of_one_platform(config: Config, name: str, number: int) -> Finding:
    platform = config.platform(name)
    if not platform.enabled:
        return Finding(
            "note", f"{name}: switched off, so nothing is read of {channels_of(number)}; [{name}] enabled = true reads."
        )
    missing, optional = secrets_missing(name, platform.options)
    if missing:
        played = config.simulator.enabled and name in PLAYED
        return Finding(
            "note" if played else "wrong",
            f"{name}: {'played by the simulator; the real one' if played else 'missing: for ' + channels_of(number) + ' it'} needs "
            f"{' and '.join(missing)} in [{name}]: {where_to_get(name)}.",
        )
    more = f"; {' and '.join(optional)} in [{name}] would add more, see docs/connectors.md" if optional else ""
    key = "with the key that is configured" if platform.options and not optional else "without a key"
    return Finding("works", f"{name}: {channels_of(number)}, {key}{more}.")


def _of_a_section(config: Config, name: str) -> Iterator[Finding]:
    """A section that no channel of the roster is in."""
    platform = config.platforms[name]
    if not platform.enabled:
        return
    missing, _ = secrets_missing(name, platform.options)
    if missing:
        played = config.simulator.enabled and name in PLAYED
        yield Finding(
            "note" if played else "wrong", f"{name}: missing: [{name}] needs {' and '.join(missing)}: {where_to_get(name)}."
        )
        return
    yield from _of_the_key(config, name)
    kind = class_of(name) if kind_of(name) in PLATFORMS else None
    if kind is not None and kind.feeds(platform.options):
        yield Finding("works", f"{name}: read as a whole; no channel of the roster is in it.")
    elif not config.event.hashtags or kind_of(name) in RECEIVERS:  # where there are hashtags, they may be what it is for
        yield Finding("note", f"{name}: [{name}] is filled in, and no channel of the roster that may be read is in it.")


def _of_the_key(config: Config, name: str) -> Iterator[Finding]:
    """What is missing to ask a platform who is live, where its chats can be read without."""
    if name not in DISCOVERERS or not config.platform(name).enabled or secrets_missing(name, config.platform(name).options)[0]:
        return
    missing = discoverer_of(name).missing(class_of(name).options(**config.platform(name).options))
    if not missing:
        return
    half = len(missing) < len(discoverer_of(name).missing(class_of(name).options()))
    yield Finding(
        "wrong" if half and not config.simulator.enabled else "note",
        f"{name}: missing: {' and '.join(missing)} in [{name}]; without, nobody knows who is live and how many watch: {where_to_get(name)}.",
    )


def where_to_get(name: str) -> str:
    where = WHERE.get(kind_of(name))
    return f"{where}; docs/connectors.md says more" if where else "docs/connectors.md says where to get it"


def _of_the_quota(config: Config, name: str, number: int) -> Iterator[Finding]:
    """Needed against available, where a platform counts: what is done with what it grants, and what is dropped first."""
    platform = config.platform(name)
    if not platform.enabled or kind_of(name) not in PLATFORMS or secrets_missing(name, platform.options)[0]:
        return
    options = class_of(name).options(**platform.options)
    if name in DISCOVERERS:
        asked = discoverer_of(name)
        daily = asked.quota_plan(options, number)
        if daily is not None:
            yield from _of_a_plan(config, name, number, daily)
        elif not asked.missing(options):
            yield from _of_a_plan(config, name, number, asked(options).pace_plan(number, NEVER_LIVE))
    if (limit := class_of(name).limit(options, number)) is not None:
        yield from _of_a_plan(config, name, number, limit)


def _of_a_plan(config: Config, name: str, number: int, plan: QuotaPlan) -> Iterator[Finding]:
    wrong = plan.left_out > 0 and not config.simulator.enabled
    yield Finding(
        "wrong" if wrong else "works" if not plan.dropped and plan.fits >= number else "note",
        f"{name}: {plan.per} with {counted(number, plan.of)} needs {plan.wanted:,} {plan.unit}, {plan.available:,} are available; they "
        f"suffice for {counted(plan.fits, plan.of)}.",
    )
    if len(plan.items) > 1:
        for what, units in plan.items:
            yield Finding("note", f"  {units:>8,}  {what}")
        yield Finding("note", f"  {sum(units for _, units in plan.items):>8,}  of {plan.available:,}")
    for sentence in plan.dropped:
        yield Finding("wrong" if wrong and sentence == plan.dropped[-1] else "note", f"{name}: {sentence}.")
    if plan.first:
        yield Finding("note", f"{name}: dropped first when the {plan.unit} do not suffice: {plan.first}.")


def counted(number: int, what: str) -> str:
    return f"{number:,} {what.removesuffix('s') if number == 1 else what}"


def channels_of(number: int) -> str:
    return counted(number, "channels")


def secrets_missing(name: str, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Keys that are not given: those without which nothing works, and those that add something."""
    options: type = options_of(name)
    needs = getattr(parser_of(name), "needs", ())
    hints = get_type_hints(options, localns={"Secret": Secret})
    missing, optional = [], []
    for field in dataclasses.fields(options):
        if field.name in given or any(given.get(name) != value for name, value in field.metadata.get("with", {}).items()):
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required or field.name in needs:
            missing.append(field.name)
        elif Secret in getattr(hints[field.name], "__args__", (hints[field.name],)):
            optional.append(field.name)
    return missing, optional
