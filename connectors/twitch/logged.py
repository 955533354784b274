"""A line of chat as a log has it: with a time, a level, an arrow or quotes around it. Pure; only captures need it, a connection sends bare lines."""

from __future__ import annotations

import re
from typing import Final

_LINE = re.compile(r"(?:@[A-Za-z+][^ ]*=[^ ]* +)?:[^ ]+ +(?:[A-Z]{3,20}|[0-9]{3})(?= [#*:\w]| *$)")
"""Where a line begins that a server sent: its tags, or who sent it."""
_BARE = re.compile(r"(?:(?<=\s)|(?<=>))(?:PING|PONG|CAP|JOIN|PART|NICK|PASS|USER)(?= \S)")
"""What both sides say of the connection without saying who they are."""
_BEGINS = re.compile(r"[@:]|([A-Z]{3,20})(?: |$)|[0-9]{3} ")
_SAID = frozenset(
    ("PRIVMSG", "NOTICE", "USERNOTICE", "CLEARCHAT", "CLEARMSG", "PING", "PONG", "CAP", "JOIN", "PART", "NICK", "PASS", "USER")
)
"""Words with which a bare line may begin though another stands in its text; any other word before a line is a log's, such as ``INFO``."""
_LITERAL = re.compile(r"""\[\s*["'{]|b?["'{]""")
"""Something else in quotes or brackets as a whole, which is looked into by whoever knows them."""
_ESCAPE = re.compile(r"""\\(x[0-9a-fA-F]{2}|[\\nrt"'])""")
_CONTROL = re.compile(r"\\(?:x01|u0001|001)(?=ACTION |$)")
"""How logs write the character around ``/me``."""
_QUOTES: Final = "\"'`"
_BEHIND = re.compile(r"""[\s,;)\]}]*(?:[\w.]+=.*|,.*)?$""", re.DOTALL)
"""What may stand behind a quoted line: brackets, the next column, the next ``name=value``."""


def line_in(text: str) -> str:
    """The line without what a log wrote around it; a line that is bare, or is none, as it is."""
    text = _CONTROL.sub("\x01", text.lstrip(" \t").rstrip("\r"))
    begins = _BEGINS.match(text)
    if _LITERAL.match(text) or (begins and (begins[1] is None or begins[1] in _SAID)):
        return text
    found = _LINE.search(text) or _BARE.search(text)
    if found is None:
        return text
    before, line = text[: found.start()], text[found.start() :]
    quote = before[-1:]
    if quote and quote in _QUOTES:
        line = _unquoted(line, quote)
        if before[-2:-1] == "b":
            line = line.encode("latin-1", "replace").decode("utf-8", "replace")
    return line.partition("\n")[0].rstrip("\r")


def _unquoted(line: str, quote: str) -> str:
    """Up to the quote behind which nothing of the line can come; a quote inside has a backslash before it, or is written twice."""
    at = line.find(quote)
    while at >= 0:
        escaped = (at - len(line[:at].rstrip("\\"))) % 2
        if not escaped and _BEHIND.match(line, at + 1):
            break
        at += not escaped and line.startswith(quote * 2, at)
        at = line.find(quote, at + 1)
    else:
        return _ESCAPE.sub(_unescaped, line)
    return _ESCAPE.sub(_unescaped, line[:at]).replace(quote * 2, quote)


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if len(word) == 3 else {"n": "\n", "r": "\r", "t": "\t"}.get(word, word)
