"""Where a phrase may stand: word boundaries per script, clitics, plural s, hashtags. Pure.

In scripts that separate words a phrase counts as a whole word only. Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese do not
(or glue endings on), so there a phrase counts anywhere. A change of script is a boundary: *看CHERY的* holds the word CHERY.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import product
from typing import Final

from monitor.enrich.normalise import normalise

WIDE: Final = "WIDE"
"""Class of the scripts in which a phrase counts anywhere."""
DIGIT: Final = "DIGIT"
NOTHING: Final = ""
"""Class of spaces, punctuation, symbols, emoji: always a boundary."""

_WIDE_NAMES: Final = frozenset(
    (
        "CJK",
        "IDEOGRAPHIC",
        "HIRAGANA",
        "KATAKANA",
        "KATAKANA-HIRAGANA",
        "HANGUL",
        "BOPOMOFO",
        "YI",
        "THAI",
        "LAO",
        "KHMER",
        "MYANMAR",
    )
)


@lru_cache(maxsize=20_000)
def script(char: str) -> str:
    """WIDE, DIGIT, NOTHING, or the first word of the character's Unicode name, which for letters and marks is the script."""
    category = unicodedata.category(char)
    if category[0] == "N":
        return DIGIT
    if category[0] not in "LM" or category == "Me":
        return NOTHING
    name = unicodedata.name(char, "OTHER").partition(" ")[0]
    return WIDE if name in _WIDE_NAMES else name


def _arabic_clitics() -> frozenset[str]:
    """What Arabic writes onto the word: and/so + by/for/like + the."""
    glued = {a + b + c for a, b, c in product(("", "و", "ف"), ("", "ب", "ل", "ك"), ("", "ال"))}
    lil = {a + "لل" for a in ("", "و", "ف")}
    return frozenset(glued | lil) - {""}


def _hebrew_clitics() -> frozenset[str]:
    """The Hebrew ones: and + that/when + in/to/from/like/the."""
    glued = product(("", "ו"), ("", "ש", "כש"), ("", "ב", "ל", "מ", "כ", "ה", "מה"))
    return frozenset("".join(parts) for parts in glued) - {""}


_CLITICS: Final = {"ARABIC": _arabic_clitics(), "HEBREW": _hebrew_clitics()}
_LONGEST_CLITIC: Final = 4


def starts_word(text: str, start: int) -> bool:
    """Whether a phrase that begins at `start` of the normalised text begins a word there."""
    if start == 0 or text[start - 1] == " ":
        return True
    own, before = script(text[start]), script(text[start - 1])
    if NOTHING in (own, before) or WIDE in (own, before):
        return True
    if before in (DIGIT, "COMBINING") or own in (DIGIT, "COMBINING"):
        return False
    if own != before:
        return True
    clitics = _CLITICS.get(own)
    if clitics is None:
        return False
    begin = start
    while begin > 0 and start - begin <= _LONGEST_CLITIC and script(text[begin - 1]) == own:
        begin -= 1
    return text[begin:start] in clitics


def ends_word(text: str, end: int) -> bool:
    """Whether a phrase that ends before `end` ends a word there; a model number (*omoda5*) and a plural s are let through."""
    if end == len(text) or text[end] == " ":
        return True
    own, after = script(text[end - 1]), script(text[end])
    if NOTHING in (own, after) or WIDE in (own, after):
        return True
    if after == DIGIT:
        return own != DIGIT
    if after == "COMBINING" or own == "COMBINING":
        return False
    if own != after:
        return own != DIGIT
    return own == "LATIN" and text[end] == "s" and text[end - 1] != "s" and (end + 1 == len(text) or _is_boundary(text[end + 1]))


def _is_boundary(char: str) -> bool:
    return script(char) in (NOTHING, WIDE, DIGIT)


def in_tag(text: str, position: int) -> bool:
    """Whether this place of the normalised text (underscores still in it) lies in a #hashtag or an @mention."""
    while position > 0:
        position -= 1
        char = text[position]
        if char in "#@":
            return True
        if char != "_" and script(char) == NOTHING:
            return False
    return False


def starts_hump(original: str, position: int) -> bool:
    """Whether a new word begins here by its capital, as in #Chery|Summit and #CHERY|Summit; `original` is not normalised."""
    if not 0 < position < len(original) or not original[position].isupper():
        return False
    return original[position - 1].islower() or original[position + 1 : position + 2].islower()


# --- phrases to patterns ----------------------------------------------------------------------------------------------

_SEPARATORS = re.compile(r"[ _-]+")
_MOST_VARIED: Final = 4
"""With more spaces than this a phrase is tried with all of them or none of them, not every mixture."""


def flatten(normalised: str) -> str:
    """Hyphens and underscores as spaces; keeps the length, so offsets stay true."""
    return normalised.replace("-", " ").replace("_", " ")


def patterns(phrase: str) -> list[tuple[str, bool, bool]]:
    """What to search for: (pattern, open end, only in tags) for every way in which people write the phrase.

    A space or hyphen of the phrase stands for a space, hyphen or underscore. It may be missing beside a script without spaces, and
    in a hashtag or mention. A phrase that ends in ``*`` may go on: ``гибрид*`` finds *гибридный*.
    """
    text = normalise(phrase)
    open_end = text.endswith("*")
    parts = [part for part in _SEPARATORS.split(text.removesuffix("*")) if part]
    if not parts:
        return []
    gaps = len(parts) - 1
    choices = product((" ", ""), repeat=gaps) if gaps <= _MOST_VARIED else (((" ",) * gaps), (("",) * gaps))
    found = []
    for joints in choices:
        only_in_tags = any(not joint and _glues_words(parts[index], parts[index + 1]) for index, joint in enumerate(joints))
        pattern = parts[0] + "".join(joint + part for joint, part in zip(joints, parts[1:], strict=True))
        found.append((pattern, open_end, only_in_tags))
    return found


def _glues_words(left: str, right: str) -> bool:
    """Whether these two, written without a space, would look like one word."""
    return not {WIDE, NOTHING} & {script(left[-1]), script(right[0])}
