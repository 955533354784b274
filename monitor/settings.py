"""What every command gets: the configuration, where things lie, and how the person typed it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from monitor.config import Config, ConfigError, load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from monitor.reload import Reloader
    from monitor.roster import Roster
    from monitor.signup import Signups

SAMPLE_ROSTER: Final = "roster-sample.csv"
MEETS_PLATFORMS: Final = frozenset({"run", "collect", "serve", "simulate"})
"""Commands for which the simulator's platforms stand in the place of the real ones; a check still speaks of the real ones."""
TELLS: Final = frozenset({"run", "notify", "check"})
"""Commands that need the addresses of the alerts: an audit in another terminal must not ask for their secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    config: Config
    """File and command line together."""
    data_dir: Path
    """Spool, embedded Valkey, simulator.json, run.json; made when missing."""
    redis_url: str = field(repr=False)
    """May carry a password. Empty for commands that need no Redis, and for ``run`` until its engine is up."""
    port: int
    log: str
    """``text`` or ``json``."""
    args: argparse.Namespace
    speaks: bool = True
    """Whether this process says that a file changed: of the roles of one run, one does."""
    watched: Roster | None = None
    """Whom ``--watch`` names; None: ``config.roster_file`` says it."""

    def roster(self) -> Roster:
        """Who is watched now; with the simulator on, those it plays."""
        from monitor.roster import Roster, read_roster  # noqa: PLC0415 — not every command asks
        from monitor.simulated import with_simulated  # noqa: PLC0415

        if self.watched is not None:
            return self.watched
        roster = read_roster(self.config.roster_file) if self.config.roster_file else Roster()
        if (signups := self._signups()) is not None:
            from monitor.signup_table import merged  # noqa: PLC0415 — only with sign-up

            roster = merged(roster, signups())
        return with_simulated(roster, self.config)

    def reloader(self, now: Callable[[], float]) -> Reloader | None:
        """Follows the files and keeps the command line on top; None with ``--watch``: there is no file that could change."""
        from monitor.reload import Reloader  # noqa: PLC0415 — not every command asks
        from monitor.simulated import with_simulated  # noqa: PLC0415

        if self.watched is not None or self.config.path is None:
            return None
        return Reloader(
            self.config.path,
            now,
            adapt=lambda config: self._rehearsed(_met(adapt(config, self.args), self.args)),
            adapt_roster=with_simulated,
            tells=self.args.command in TELLS,
            speaks=self.speaks,
            signups=self._signups(),
        )

    def _rehearsed(self, config: Config) -> Config:
        """No file says what is a rehearsal."""
        return dataclasses.replace(config, rehearsal=self.config.rehearsal)

    def _signups(self) -> Callable[[], Signups] | None:
        """What people said on the sign-up page; None where there is none, or no Redis to ask."""
        if not (self.config.sign_up and self.config.public.url and self.redis_url):
            return None
        from monitor.signup_store import follower  # noqa: PLC0415 — only with sign-up

        return follower(self.redis_url).newest


def read(args: argparse.Namespace) -> tuple[Config, Roster | None]:
    """The configuration of this command line, and whom ``--watch`` names; raises ConfigError for a person's mistake.

    ``--watch`` needs no file. With ``--config`` beside it, the file still says what the topics, sessions and machines are.
    """
    specs = getattr(args, "watch", None)
    tells = args.command in TELLS
    if not specs:
        config = _met(adapt(load(args.config, tells=tells), args), args)
        sample = config.roster_file is not None and config.roster_file.name == SAMPLE_ROSTER
        if sample and not config.simulator.enabled and args.command in {"run", "collect"}:
            raise ConfigError(
                "the sample roster is of invented people, so with the simulator off there is nobody to watch; "
                "name livestreams with --watch twitch:NAME, or your own list in [roster] file"
            )
        return config, None
    from monitor.watch import config_from_watch  # noqa: PLC0415 — only with --watch

    config, roster = config_from_watch(specs)
    if args.config is not None:
        file = load(args.config, tells=tells)
        platforms = {
            name: dataclasses.replace(file.platform(name), enabled=table.enabled) for name, table in config.platforms.items()
        }
        event = dataclasses.replace(file.event, hashtags=config.event.hashtags)
        simulator = dataclasses.replace(file.simulator, enabled=False)
        config = dataclasses.replace(
            file,
            event=event,
            platforms=platforms,
            simulator=simulator,
            roster_file=None,
            require_consent=False,
            sign_up=False,
            scope=config.scope,
        )
    return config, roster


def adapt(config: Config, args: argparse.Namespace) -> Config:
    """What the command line says about the simulator, on top of the file."""
    changes = {name: getattr(args, name, None) for name in ("livestreams", "rate", "seed")}
    if getattr(args, "no_simulator", False):
        changes["enabled"] = False
    given = {name: value for name, value in changes.items() if value is not None}
    if given:
        config = dataclasses.replace(config, simulator=dataclasses.replace(config.simulator, **given))
    return config


def _met(config: Config, args: argparse.Namespace) -> Config:
    """With the simulator's platforms in the place of the real ones, for commands that meet them."""
    if args.command not in MEETS_PLATFORMS:
        return config
    from monitor.simulated import as_simulated  # noqa: PLC0415 — not every command asks

    return as_simulated(config)
