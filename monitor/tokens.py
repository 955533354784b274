"""``monitor token``: makes, lists and revokes the tokens that let people and screens in. A token is shown once and never again."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from monitor.access import new_token
from monitor.config import ConfigError
from monitor.token_file import Taken, TokenFile

if TYPE_CHECKING:
    from monitor.access import Token
    from monitor.settings import Settings


def run(settings: Settings) -> int:
    """``new``, ``list`` or ``revoke``."""
    tokens = TokenFile(settings.data_dir)
    try:
        match settings.args.action:
            case "new":
                return _new(settings, tokens)
            case "revoke":
                return _revoke(settings.args.which, tokens)
            case _:
                return _list(tokens)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{tokens.path} is damaged; move it away and make new tokens") from error


def _new(settings: Settings, tokens: TokenFile) -> int:
    args = settings.args
    made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    text, token = new_token(
        args.role, args.name or args.role, raw=secrets.token_bytes(32), id_=secrets.token_hex(4), made=made, stage=args.stage
    )
    try:
        tokens.add(token)
    except Taken as error:
        raise ConfigError(str(error)) from error
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    sys.stderr.write(f"{_says(token)}. It is shown this once. To close it again: monitor token revoke {token.id}\n")
    if token.role != "metrics":
        page = "remote" if token.role == "lead" else ""
        base = settings.config.public.url or f"http://127.0.0.1:{settings.port}"
        sys.stderr.write(f"Open {base}/{page}?token=… with it in place of the dots, or type it at {base}/login.\n")
    return 0


def _list(tokens: TokenFile) -> int:
    found = tokens.newest()
    if found is None:
        raise ConfigError(f"{tokens.path} cannot be read; move it away and make new tokens")
    for token in found:
        sys.stdout.write(f"{_says(token)}, made {token.made}\n")
    if not found:
        sys.stderr.write("There is no token: whoever sits at this machine may do everything, and others may only look.\n")
    return 0


def _revoke(which: str, tokens: TokenFile) -> int:
    gone = tokens.remove(which)
    if not gone:
        raise ConfigError(f"no token has the id or name {which}; monitor token list shows all")
    for token in gone:
        sys.stderr.write(f"Revoked: {_says(token)}. What it has open closes within seconds.\n")
    return 0


def _says(token: Token) -> str:
    return f"{token.id}  {token.role}  {token.name}{'  (a screen on stage)' if token.stage else ''}"
