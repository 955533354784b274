"""``monitor check``: what works now, what is missing, and where to get it, before the day on which it matters.

``findings`` judges what was read, ``tryout`` tries each login once; here Redis and the alerts are asked for a sign of life, and all of it is
printed. Exit code 1 when anything that the configuration asks for will not work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from monitor.findings import Finding, findings, told_together
from monitor.tryout import logins

if TYPE_CHECKING:
    from connectors.connector import Secret
    from monitor.settings import Settings


async def run(settings: Settings) -> int:
    """Print the findings; 1 when one of them is wrong."""
    config = settings.config
    roster = settings.roster()
    found = [*told_together(list(findings(config, roster)), await logins(config, roster)), await _of_redis(settings)]
    found += [_of_alert(alert.to, number) for number, alert in enumerate(config.alerts, 1)]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return int(any(finding.mark == "wrong" for finding in found))


async def _of_redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding("works", f"Redis: built in; its data is kept in {settings.data_dir / 'valkey'}.")
    from monitor.redis_client import RETRIABLE, make_client  # noqa: PLC0415

    try:
        async with make_client(settings.redis_url, timeout_seconds=3) as client:
            await client.exists("{cur}")  # PING has no key, and a Cluster answers by key
    except (*RETRIABLE, ValueError) as error:
        return Finding("wrong", f"Redis: the configured server does not answer{_why(error)}; look at [redis] url.")
    return Finding("works", "Redis: the configured server answers.")


def _of_alert(to: Secret, number: int) -> Finding:
    import apprise  # noqa: PLC0415 — slow to import

    if apprise.Apprise().add(to.reveal()):
        return Finding("works", f"Alert {number}: its address can be used.")
    return Finding("wrong", f"Alert {number}: this is no address that Apprise knows; docs/config.md shows some.")


def _why(error: Exception) -> str:
    """In words; Redis' own may quote the address, and the password with it."""
    words = {"AuthenticationError": ", it does not accept the password", "TimeoutError": " in time"}
    return words.get(type(error).__name__, "")
