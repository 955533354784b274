"""A line of chat as a log has it: with a time, an arrow or quotes around it. Pure; only captures need it, a connection sends bare lines."""

from __future__ import annotations

import re
from typing import Final

_LINE = re.compile(r"(?:@[A-Za-z+][^ ]*=[^ ]* +)?:[^ ]+ +(?:[A-Z]{3,20}|[0-9]{3})(?= [#*:\w]| *$)")
"""Where a line begins that a server sent: its tags, or who sent it."""
_BARE = re.compile(r"(?:(?<=\s)|(?<=>))(?:PING|PONG|CAP|JOIN|PART|NICK|PASS|USER)(?= \S)")
"""What both sides say of the connection without saying who they are."""
_BEGINS = re.compile(r"[@:]|[A-Z]{3,20}(?: |$)|[0-9]{3} ")
_LITERAL = re.compile(r"""\[\s*["'{]|b?["'{]""")
"""Something else in quotes or brackets as a whole, which is looked into by whoever knows them."""
_ESCAPE = re.compile(r"""\\(x[0-9a-fA-F]{2}|[\\nrt"'])""")
_CONTROL = re.compile(r"\\(?:x01|u0001|001)(?=ACTION |$)")
"""How logs write the character around ``/me``."""
_QUOTES: Final = "\"'`"


def line_in(text: str) -> str:
    """The line without what a log wrote around it; a line that is bare, or is none, as it is."""
    text = _CONTROL.sub("\x01", text.lstrip(" \t").rstrip("\r"))
    if _BEGINS.match(text) or _LITERAL.match(text):
        return text
    found = _LINE.search(text) or _BARE.search(text)
    if found is None:
        return text
    before, line = text[: found.start()], text[found.start() :]
    quote = before[-1:]
    if quote and quote in _QUOTES:
        line = _ESCAPE.sub(_unescaped, line.rstrip(" ,;)").removesuffix(quote))
        if before[-2:-1] == "b":
            line = line.encode("latin-1", "replace").decode("utf-8", "replace")
    return line.partition("\n")[0].rstrip("\r")


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if len(word) == 3 else {"n": "\n", "r": "\r", "t": "\t"}.get(word, word)
