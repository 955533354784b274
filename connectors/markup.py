"""HTML as platforms put it around chat messages, to the words that a reader would see. Pure, linear, and never raises.

Not a browser: tags go, entities are decoded, line ends of blocks become spaces, and a picture is its ``alt`` text, because that is
how emotes are sent. What is shown to people is encoded again where it is shown, so nothing here has to be made harmless.
"""

from __future__ import annotations

import html
import re

_hidden = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_tag = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>")
_alt = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
# No part of these can match across the next "<", so that a page of opened tags costs a page and not its square.
_spaces = re.compile(r"[ \t\r\n\f]+")
_BLOCKS = frozenset(("br", "p", "div", "li", "ul", "ol", "blockquote", "tr", "td", "h1", "h2", "h3", "h4"))
LONGEST = 20_000
"""Characters that are looked at; a chat message has some hundreds, and the patterns above must not be given megabytes."""


def words_of(markup: str) -> str:
    """The visible words of an HTML fragment, in one line."""
    if "<" not in markup and "&" not in markup:
        return _spaces.sub(" ", markup).strip()
    without = _tag.sub(_shown, _hidden.sub(" ", markup[:LONGEST]))
    return _spaces.sub(" ", html.unescape(without)).strip()


def _shown(tag: re.Match[str]) -> str:
    name = tag[2].lower()
    if name == "img":
        alt = _alt.search(tag[3])
        return (alt[1] or alt[2] or alt[3] or "") if alt else ""
    return " " if name in _BLOCKS else ""
