"""Each login of the configuration, tried once and all at the same time: what works now, and what will not on the day.

A platform is tried as its connector says (``try_login``) and as discovery asks (``enter``, ``probe``); what it answers becomes one sentence.
Nothing is read that a running collector would miss. None is tried while the simulator plays the platforms.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from connectors import DISCOVERERS, PLATFORMS, PUSHERS, class_of, discoverer_of, kind_of, pusher_of, rest
from connectors.connector import (
    ConnectorFailure,
    Health,
    Refused,
    Target,
    Throttled,
    Tools,
    Unreadable,
    Watch,
    make_pseudonym,
    utc_now,
)
from connectors.pushing import Trial, Tried
from connectors.trouble import PROXY_DENIES, PROXY_REFUSES
from monitor.findings import WHERE, Finding, channels_of, secrets_missing, where_to_get

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from monitor.config import Config
    from monitor.roster import Roster

LOGIN_SECONDS: Final = 5.0
MOST_CONNECTIONS: Final = 5
"""Of a platform with one connection a channel, so many are tried."""
MOST_LINES: Final = 5
"""Channels of a platform that are named one by one."""


async def logins(config: Config, roster: Roster, *, within_seconds: float = LOGIN_SECONDS) -> list[Finding]:
    """One answer for each login and each connection; at most so many seconds for each of them."""
    if config.simulator.enabled:
        return []
    watched = Counter(channel.platform for channel in roster.watchable(config.require_consent))
    used = [name for name in dict.fromkeys((*config.platforms, *watched, *config.by_hashtag)) if _can_be_tried(config, name)]
    work: list[Awaitable[list[Finding]]] = [_login(config, name, within_seconds) for name in used if name in DISCOVERERS]
    work += [_trials(config, name, within_seconds) for name in used if name in PUSHERS]
    work += [_connection(config, roster, name, within_seconds) for name in used]
    return [finding for found in await asyncio.gather(*work) for finding in found]


def _can_be_tried(config: Config, name: str) -> bool:
    platform = config.platform(name)
    return kind_of(name) in PLATFORMS and platform.enabled and not secrets_missing(name, platform.options)[0]


# --- discovery's login ------------------------------------------------------------------------------------------------


async def _login(config: Config, name: str, within_seconds: float) -> list[Finding]:
    """One request for a token, or the cheapest question; nothing where there is no key."""
    options = class_of(name).options(**config.platform(name).options)
    kind = discoverer_of(name)
    if kind.missing(options):
        return []
    discoverer = kind(options)
    login, probe = discoverer.enter(), discoverer.probe()
    if login is None and probe is None:
        return []

    async def ask() -> None:
        async with rest.client(proxy=options.proxy) as session:
            question = login or probe
            assert question is not None
            reply = await rest.send(session, discoverer.signed(question, None))
        if not 200 <= reply.status < 300:
            raise discoverer.failure(reply, utc_now())
        if login is not None:
            discoverer.read_token(reply.body, utc_now())
        else:
            discoverer.read_resolved(question, reply.body)

    return [await _told(name, "the login", ask(), within_seconds) or Finding("works", f"{name}: the login works.")]


async def _trials(config: Config, name: str, within_seconds: float) -> list[Finding]:
    """The logins by which a platform tells us who goes live, where these are others."""
    options = class_of(name).options(**config.platform(name).options)
    found = []
    for trial in pusher_of(name).trials(options):
        result: list[Tried] = []
        trouble = await _told(name, trial.what, _try(options, trial, result), within_seconds)
        found += (
            [trouble] if trouble else [Finding("works" if one.well else "note", f"{name}: {one.sentence}.") for one in result]
        )
    return found


async def _try(options: Any, trial: Trial, result: list[Tried]) -> None:
    step: Trial | Tried = trial
    async with rest.client(proxy=options.proxy) as session:
        while isinstance(step, Trial):
            step = step.read(await rest.send(session, step.ask), utc_now())
    result.append(step)


async def _told(name: str, what: str, work: Awaitable[Any], within_seconds: float) -> Finding | None:
    """What went wrong, in a sentence; None when nothing did."""
    try:
        async with asyncio.timeout(within_seconds):
            await work
    except Refused as failure:
        # Who refuses may be a proxy, or a platform that wants no key.
        of_us = kind_of(name) in WHERE and failure.reason not in (PROXY_DENIES, PROXY_REFUSES)
        keys = f" Keys are made at {where_to_get(name)}." if of_us else ""
        return Finding("wrong", f"{name}: {what} is refused: {failure.reason}.{keys}")
    except Throttled as failure:
        return Finding("note", f"{name}: {what} could not be tried now: {failure.reason}; try again in a few minutes.")
    except ConnectorFailure as failure:
        return Finding("wrong", f"{name}: {what} got no answer: {failure.reason}; look at the network and the proxy.")
    except Unreadable as failure:
        return Finding("wrong", f"{name}: {what} was answered with something that is no token ({failure.reason}).")
    except TimeoutError:
        why = f"the platform did not answer within {within_seconds:g} s"
        return Finding("wrong", f"{name}: {what} got no answer: {why}; look at the network and the proxy.")
    return None


# --- the connector's connection ---------------------------------------------------------------------------------------


async def _connection(config: Config, roster: Roster, name: str, within_seconds: float) -> list[Finding]:
    """As on the day: one connection with several channels, or one for each of a few."""
    kind = class_of(name)
    if kind.untried:
        return []
    options = kind.options(**config.platform(name).options)
    targets = _targets(config, roster, name)
    if not targets and (kind_of(name) != name or not kind.feeds(config.platform(name).options)) and _needs_target(name):
        return []
    capacity = getattr(options, "capacity", None) or kind.capacity
    alone = capacity == 1
    chosen = targets[: MOST_CONNECTIONS if alone else kind.tries_at_most]
    groups = [[target] for target in chosen] if alone else [chosen]
    answers = await asyncio.gather(*(_connect(name, options, group, within_seconds) for group in groups))
    trouble = [(group, finding) for group, (finding, _) in zip(groups, answers, strict=True) if finding is not None]
    states = [health for _, found in answers for health in found]
    findings = [_named(finding, group, len(groups)) for group, finding in trouble]
    findings += _of_the_channels(name, states, roster)
    if not trouble:
        bad = sum(health.state != "live" for health in states)
        tried = f"; {channels_of(len(chosen))} of {len(targets):,} tried" if 0 < len(chosen) < len(targets) else ""
        if bad < len(states) or not states:
            findings.insert(0, Finding("works", f"{name}: answers{tried}."))
    return findings


def _needs_target(name: str) -> bool:
    """Keyed platforms answer whether or not anybody is on the roster; the others have nobody to be asked about."""
    return not getattr(class_of(name), "needs", ()) or kind_of(name) != name


async def _connect(
    name: str, options: Any, targets: Sequence[Target], within_seconds: float
) -> tuple[Finding | None, list[Health]]:
    tools = Tools(pseudonym=make_pseudonym(b"monitor check"))
    connector = class_of(name)(
        options, Watch(targets, {target.native_id or target.handle: target.livestream for target in targets}), tools
    )
    found: list[Health] = []

    async def connect() -> None:
        found.extend(await connector.try_login())

    return await _told(name, "the connection", connect(), within_seconds), found


def _targets(config: Config, roster: Roster, name: str) -> list[Target]:
    """Those of the roster, the event's hashtags, and the feed of a section that is read as a whole; nothing resumes."""
    found = [
        Target(livestream=channel.id, handle=channel.handle, native_id=channel.native_id)
        for channel in roster.watchable(config.require_consent)
        if channel.platform == name
    ]
    if name in config.by_hashtag:
        found += [Target(livestream=f"{name}:{tag.casefold()}", handle=tag) for tag in config.event.hashtags]
    if class_of(name).feeds(config.platform(name).options):
        found.append(Target(livestream=f"{name}:feed", handle=""))
    return found


def _named(finding: Finding, group: Sequence[Target], connections: int) -> Finding:
    """Which of several connections it was."""
    if connections == 1 or not group:
        return finding
    handle = group[0].handle
    return replace(finding, sentence=finding.sentence.replace("the connection", f"the connection for {handle}", 1))


def _of_the_channels(name: str, states: Sequence[Health], roster: Roster) -> list[Finding]:
    """Channels that the platform says something about, some by name and the rest counted."""
    channels = roster.by_id()
    told = [health for health in states if health.reason or health.state != "live"]
    lines = []
    for health in told[:MOST_LINES]:
        channel = channels.get(health.livestream)
        who = channel.handle if channel else health.livestream.partition(":")[2]
        lines.append(Finding("note" if health.state == "live" else "wrong", f"{name}: {who}: {health.reason or health.state}."))
    rest_of_them = told[MOST_LINES:]
    if rest_of_them:
        wrong = any(health.state != "live" for health in rest_of_them)
        lines.append(Finding("wrong" if wrong else "note", f"{name}: and {channels_of(len(rest_of_them))} more like these."))
    return lines
