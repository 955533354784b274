"""The command line: reads what a person typed and hands it to ``monitor.app``. Nothing heavy is imported before a command is known.

Exit codes: 0 all right, 1 something was found wrong, 2 a mistake in how it was called or configured.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIMULATED = ("run", "collect", "count", "moderate", "serve", "notify", "simulate", "check")
"""Commands that understand what is watched; ``run`` hands it on to the others unchanged."""

ROLES = ("viewer", "moderator", "lead", "metrics", "admin")
"""As monitor.access has them; nothing is imported for --help."""


def main(arguments: list[str] | None = None) -> int:
    """The whole program; returns the exit code."""
    args = _parser().parse_args(arguments)
    from connectors.proxy import tell_environment  # noqa: PLC0415 — --help must not wait for it
    from monitor.app import execute  # noqa: PLC0415

    tell_environment(os.environ)

    return execute(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="monitor",
        description="Live engagement of an event that a thousand people livestream: collected, counted once, shown on a wall.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, purpose: str, example: str) -> argparse.ArgumentParser:
        found = commands.add_parser(
            name,
            help=purpose,
            description=purpose,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _common(found)
        if name in SIMULATED:
            _watched(found)
        if name in {"run", "serve"}:
            _served(found)
        if name == "run":
            found.add_argument(
                "--rehearsal",
                action="store_true",
                help="a book of its own, marked on every screen; monitor rehearsal drop ends it",
            )
        return found

    add(
        "run",
        "Everything on this machine, each role in its own process, with its own Valkey.",
        'monitor run --watch twitch:a,b --watch "bluesky:#Tag"',
    )
    add(
        "collect",
        "Read livestreams from their platforms into the journal; several share the work.",
        "monitor collect --config event.toml",
    )
    add("count", "Turn the journal into numbers; several share the partitions.", "monitor count --config event.toml")
    add("moderate", "Apply the rules to the journal and write flags.", "monitor moderate --config event.toml")
    add("serve", "The wall, the feed and the HTTP API.", "monitor serve --config event.toml --port 8080")
    add("notify", "Deliver alerts; one works, the others stand by.", "monitor notify --config event.toml")
    add(
        "simulate",
        "Local servers that speak the platforms' protocols, with a crowd.",
        "monitor simulate --livestreams 1200 --rate 2000 --seed 7",
    )
    add("check", "Say what works now, what is missing, and where to get it.", "monitor check --config event.toml")

    parse = add(
        "parse", "Raw payloads of a platform, one a line, to events as NDJSON.", "monitor parse twitch captured.txt | head"
    )
    parse.add_argument("platform", metavar="PLATFORM", help="whose payloads these are, such as twitch")
    parse.add_argument("file", metavar="FILE", nargs="?", type=Path, help="default: standard input")

    classify = add("classify", "Texts, one a line, to topics and flags as NDJSON.", "echo 'I love the hybrid' | monitor classify")
    classify.add_argument("file", metavar="FILE", nargs="?", type=Path, help="default: standard input")

    replay = add(
        "replay", "Feed recordings into the running monitor.", "monitor replay vod.json --livestream twitch:alice --speed 10"
    )
    replay.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a recording; its format is detected")
    replay.add_argument("--speed", metavar="N", type=_positive, help="N times as fast as it was; default: as fast as possible")
    replay.add_argument(
        "--livestream", metavar="PLATFORM:HANDLE", type=_livestream, help="whose it is; default: what the file says"
    )
    replay.add_argument("--keep-time", action="store_true", help="keep the times of the file instead of shifting them to now")
    replay.add_argument("--again", action="store_true", help="also when the file was replayed to its end before")

    _roster(commands)
    _token(commands)
    _rehearsal(commands)
    add("audit", "Recount the journal the slow, obvious way and compare with the committed numbers.", "monitor audit")
    return parser


def _roster(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    purpose = "The list of people: bring it in, check it, hand it out."
    action = _actions(commands, "roster", purpose, "monitor roster import registration.xlsx")

    def add(name: str, purpose: str) -> argparse.ArgumentParser:
        found = action(name, purpose)
        found.add_argument("--out", metavar="PATH", type=Path, help="write here instead of where the configuration says")
        return found

    bring = add("import", "Rows of a registration list (xlsx, csv) into the roster; a second time updates instead of doubling.")
    bring.add_argument("file", metavar="FILE", type=Path)
    bring.add_argument("--sheet", metavar="NAME", help="the sheet of a workbook; default: the fullest that can be seen")
    bring.add_argument("--map", metavar="MAP.TOML", type=Path, help="what the columns mean, when the guess is wrong")
    bring.add_argument("--yes", action="store_true", help="do not ask whether the guessed columns are right")
    bring.add_argument("--verified", action="store_true", help="I vouch that all accounts in this list are the attendees' own")

    check = add("check", "Ask the platforms about every row; says first what it costs. One file per liaison in --out.")
    check.add_argument("--yes", action="store_true", help="do not ask before spending quota")
    check.add_argument("--ever-live", action="store_true", help="ask also whether each was live before; says what that costs")

    add("export", "The whole table as a roster: the file and what people said on their pages.")

    liaison = add("liaison", "A link to the channels of one country, for whoever looks after them; shown once.")
    liaison.add_argument("country", metavar="COUNTRY", help="code or name, or all")
    liaison.add_argument("--name", help="only the rows of this liaison and those of nobody")
    liaison.add_argument("--revoke", action="store_true", help="close the links of this country, or of this liaison there")

    link = add("link", "A new personal link for an attendee who lost it; shown once, the old one is closed.")
    link.add_argument("attendee", metavar="ATTENDEE")


def _token(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    purpose = "Who may come in: tokens for people, screens and Prometheus."
    add = _actions(commands, "token", purpose, "monitor token new lead --name Ana")

    new = add("new", "Make a token; it is shown once. From the first one on, everybody needs one.")
    new.add_argument("role", metavar="ROLE", choices=ROLES, help=", ".join(ROLES))
    new.add_argument("--name", help="whose it is; stands in the log of what was done; default: the role")
    new.add_argument("--stage", action="store_true", help="for a screen on stage: it is never given what is for the back room")
    add("list", "All tokens: id, role, name, since when; never the token itself.")
    revoke = add("revoke", "Close a token; what it has open closes within seconds.")
    revoke.add_argument("which", metavar="ID", help="the id, or the name for all of that name")


def _rehearsal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = _actions(commands, "rehearsal", "Throw away what `monitor run --rehearsal` has counted.", "monitor rehearsal drop")
    drop = add("drop", "Throw it away, after asking; the real numbers are never touched.")
    drop.add_argument("--yes", action="store_true", help="do not ask")


def _actions(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, purpose: str, example: str
) -> Callable[[str, str], argparse.ArgumentParser]:
    """A command that does one of several things; returns what adds one of them by its name and its purpose."""
    command = commands.add_parser(
        name,
        help=purpose,
        description=purpose,
        epilog=f"every action also takes --config, --data-dir, --port and --log, behind its name\n\nexample:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, purpose: str) -> argparse.ArgumentParser:
        found = actions.add_parser(name, help=purpose, description=purpose)
        _common(found)
        return found

    return add


def _common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("common options")
    group.add_argument("--config", metavar="FILE", type=Path, help="default: config.toml in this folder, else the one shipped")
    group.add_argument("--data-dir", metavar="DIR", type=Path, help="default: livestream-monitor in your data folder")
    group.add_argument("--port", metavar="N", type=_port, help="of the wall; default: the configured one, else 8080")
    group.add_argument("--log", choices=("text", "json"), default="text", help="form of the log lines on stderr; default: text")


def _watched(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is watched")
    group.add_argument(
        "--watch",
        metavar="PLATFORM:HANDLES",
        action="append",
        default=[],
        help="watch these, separated by commas, and nothing else: no roster, no simulator; may be repeated",
    )
    group.add_argument("--no-simulator", action="store_true", help="whatever the configuration says")
    group.add_argument("--livestreams", metavar="N", type=_count, help="how many the simulator runs")
    group.add_argument("--rate", metavar="EVENTS_PER_SECOND", type=_positive, help="of all simulated livestreams together")
    group.add_argument("--seed", metavar="N", type=_seed, help="a whole number: another seed, another crowd")
    group.add_argument("--ledger", metavar="DIR", type=Path, help="the simulator writes here what it really sent; tests compare")


def _served(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who may look")
    group.add_argument("--insecure", action="store_true", help="listen beyond this machine although anybody may then look")
    group.add_argument(
        "--origin", metavar="URL", action="append", default=[], help="a page from here may open the feed too; may be repeated"
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text}")
    return int(text)


def _livestream(text: str) -> str:
    platform, colon, handle = text.partition(":")
    if not colon or not platform.isidentifier() or not handle or any(letter.isspace() for letter in text):
        raise argparse.ArgumentTypeError(f"expected platform:handle such as twitch:alice, found {text}")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a port up to 65535 (0: any free one), found {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
