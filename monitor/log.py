"""Log lines: one line each, UTC, to stderr, as text or JSON.

What may stand in them is the business of whoever logs (never a message's text, an author, a secret). What this module promises is
the form: no line can be forged or grow without bound, whatever a platform put into a reason.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

LONGEST: Final = 2_000
"""Characters of one line's text."""
LONGEST_TRACEBACK: Final = 60
"""Lines; the last ones say what happened."""


class _Text(logging.Formatter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_at(record)} {self.role} {record.levelname.lower()} {_one_line(record.getMessage())}"
        # The traceback of an error of ours is for a person: it keeps its lines, indented so that none looks like a line of the log.
        return "\n    ".join([line, *(_one_line(part) for part in _traceback(self, record)[-LONGEST_TRACEBACK:])])


class _Json(_Text):
    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _at(record), "role": self.role, "level": record.levelname.lower(), "logger": record.name}
        if traceback := _traceback(self, record):
            line["traceback"] = "\n".join(part[:LONGEST] for part in traceback[-LONGEST_TRACEBACK:])
        return json.dumps({**line, "text": record.getMessage()[:LONGEST]}, ensure_ascii=False)


def set_up(form: str, role: str) -> None:
    """Send everything from INFO upwards to stderr; libraries that chatter only from WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(role) if form == "json" else _Text(role))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("aiohttp.access", "websockets", "apprise", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    return formatter.formatException(record.exc_info).splitlines() if record.exc_info else []


def _one_line(text: str) -> str:
    """Control characters become escapes: a line break in a reason must not start a line of its own."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[:LONGEST])
