"""The hashtags of a text, in any script. Pure.

A tag begins with # (or its full-width twin) and goes on as long as letters, digits, underscores and what belongs to a letter (vowel
signs of Thai and Hindi, Arabic harakat, the joiners of Persian and Malayalam). It has at least one letter. ``#…#``, as Weibo writes it,
is one tag. ``C#``, ``&#39;`` and the fragment of an address are none.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from monitor.enrich.normalise import normalise

MOST_TAGS: Final = 5
"""Of one message; more is advertising."""
LONGEST_TAG: Final = 60
LOOKED_AT: Final = 1000
"""Characters of a message that are looked at."""
_HASHES: Final = "#＃"
_JOINERS: Final = "\u200c\u200d"


def hashtags(text: str) -> tuple[str, ...]:
    """Each hashtag once, with its # and as it was spelt."""
    if "#" not in text and "＃" not in text:
        return ()
    return _hashtags(text[:LOOKED_AT])


@lru_cache(maxsize=30_000)
def tag_key(tag: str) -> str:
    """What makes spellings the same tag: case, width, accents' encoding, the forms of Arabic letters; with its #."""
    return normalise(tag).replace("\u200c", "").replace("\u200d", "")


@lru_cache(maxsize=4096)
def _hashtags(text: str) -> tuple[str, ...]:
    found: dict[str, str] = {}
    text = unicodedata.normalize("NFC", text)
    position, end = 0, len(text)
    while position < end and len(found) < MOST_TAGS:
        if text[position] not in _HASHES or (position and _glues(text[position - 1])):
            position += 1
            continue
        begin = position = position + 1
        while position < end and _belongs(text[position]):
            position += 1
        body = text[begin:position].strip(_JOINERS)
        closed = position < end and text[position] in _HASHES
        if body and len(body) <= LONGEST_TAG and _belongs(body[0]) and any(map(str.isalpha, body)):
            found.setdefault(tag_key(f"#{body}"), f"#{body}")
            if closed and (position + 1 == end or not _belongs(text[position + 1])):
                position += 1  # the end of #…#
            elif closed and _is_dense(body):
                position += 1
    return tuple(found.values())


@lru_cache(maxsize=20_000)
def _belongs(char: str) -> bool:
    if char.isalnum() or char in "_" + _JOINERS:
        return True
    return unicodedata.category(char) in ("Mn", "Mc") and not ("\ufe00" <= char <= "\ufe0f" or char >= "\U000e0000")


def _glues(char: str) -> bool:
    """What a hashtag cannot follow: a Latin letter or digit, an address, an entity."""
    return char in "&/=_" or (char.isascii() and char.isalnum())


def _is_dense(body: str) -> bool:
    return any("\u2e80" <= char <= "\ud7ff" for char in body)
