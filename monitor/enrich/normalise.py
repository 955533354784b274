"""Two views of a text: `normalise` for matching, `display` for showing. Pure.

`normalise` is idempotent and makes equal what a reader takes for the same word: case, full-width forms, the four Turkish i's,
Arabic spelling variants, dashes and apostrophes, invisible characters (a bare U+E0000 is sent by chat clients to dodge "identical
message" filters). It keeps accents: *lépas* is not *lepas*.

`display` never changes words. It takes away what can spoil a screen: direction controls, towers of marks, endless length.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_GRAPHEMES: Final = 280
MAX_BYTES: Final = 4096
MAX_MARKS: Final = 4
"""Most combining marks that one base keeps on the screen; no living script needs more."""

# --- for matching -----------------------------------------------------------------------------------------------------

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's Default_Ignorable_Code_Point, plus the interlinear marks; as the inside of a character class."""

_CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff"
"""Control characters that are not white space, and lone surrogates (which the automaton cannot take)."""

_DROPPED = re.compile(
    f"[{_INVISIBLE}{_CONTROL}"
    "\u0307"  # what case folding leaves of a Turkish capital İ
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u08d3-\u08ff]"  # harakat, tatweel
)

_REPLACED: Final[dict[str, str]] = {
    "ı": "i",
    "ё": "е",
    # Arabic: forms of alef, yeh and heh that people type for one another, and the Persian and Urdu letters that look the same
    **dict.fromkeys("آأإٱٲٳ", "ا"),
    **dict.fromkeys("ىیېۍے", "ي"),
    **dict.fromkeys("ةہھۀەۂۃ", "ه"),
    **dict.fromkeys("کڪ", "ك"),
    **{chr(0x0660 + digit): str(digit) for digit in range(10)},
    **{chr(0x06F0 + digit): str(digit) for digit in range(10)},
    **dict.fromkeys("‐‒–—―−", "-"),
    **dict.fromkeys("‘’‛ʼʻ′׳", "'"),
    "۔": ".",
}

_SPECIAL = re.compile(f"{_DROPPED.pattern}|[{re.escape(''.join(_REPLACED))}]")


def _table() -> dict[int, int | str | None]:
    """For str.translate: everything below U+3000 is in it, because each miss costs an exception inside the interpreter."""
    table: dict[int, int | str | None] = {point: point for point in range(0x3000)}
    table.update({ord(old): new for old, new in _REPLACED.items()})
    table.update({point: None for point in (*range(0x3000), *range(0xD800, 0x11000)) if _DROPPED.match(chr(point))})
    table.update({point: None for point in range(0x1B000, 0x1E000) if _DROPPED.match(chr(point))})
    table.update(dict.fromkeys(range(0xE0000, 0xE1000)))
    table[0x3164] = None
    return table


_TABLE: Final = _table()


def normalise(text: str) -> str:
    """The text as matching sees it; never raises, and doing it twice changes nothing."""
    if text.isascii() and text.isprintable():
        folded = text.lower()
        return " ".join(folded.split()) if "  " in folded or folded[:1] == " " or folded[-1:] == " " else folded
    return " ".join(fold(text).split())


def fold(text: str) -> str:
    """`normalise` without its last step, the collapsing of white space."""
    text = unicodedata.normalize("NFKC", text)
    while True:
        folded = text.casefold()
        if _SPECIAL.search(folded) is not None:
            folded = folded.translate(_TABLE)
        if unicodedata.is_normalized("NFKC", folded):
            return folded
        # Dropping an invisible character can bring a letter and its accent together, and folding takes some letters apart:
        # once more, because what came together may itself be folded (ё with one more diaeresis).
        folded = unicodedata.normalize("NFKC", folded)
        if folded == text:
            return folded
        text = folded


def offsets(text: str) -> tuple[list[int], list[int]]:
    """For each character of ``normalise(text)``: where in ``text`` its source begins, and where it ends.

    Slow; called only when there is a hit to show. Works cluster by cluster (a base with its marks and invisible characters), which
    is how normalisation works too; should the two ever differ, the whole text is the source of everything.
    """
    starts: list[int] = []
    ends: list[int] = []
    out: list[str] = []
    for begin, end in _clusters(text):
        for char in fold(text[begin:end]):
            space = char.isspace()
            if space and (not out or out[-1] == " "):
                continue
            out.append(" " if space else char)
            starts.append(begin)
            ends.append(end)
    if out and out[-1] == " ":
        del out[-1], starts[-1], ends[-1]
    whole = normalise(text)
    if "".join(out) != whole:
        return [0] * len(whole), [len(text)] * len(whole)
    return starts, ends


_CLUSTER_TAIL = re.compile(f"[{_INVISIBLE}\u0307\u0640\uff9e\uff9f\u1160-\u11ff\ud7b0-\ud7ff]")
"""Characters beside the marks that may melt into what stands before them (half-width voicing, Hangul vowels and finals)."""


def _clusters(text: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    begin = 0
    for index, char in enumerate(text):
        if index and not (unicodedata.category(char)[0] == "M" or _CLUSTER_TAIL.match(char)):
            found.append((begin, index))
            begin = index
    if text:
        found.append((begin, len(text)))
    return found


# --- for showing ------------------------------------------------------------------------------------------------------

_SHOWN_AS_SPACE = re.compile("[\t\n\u2028\u2029]")
_NOT_SHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    "\ufeff\U000e0000-\U000e007f"  # byte order mark, tags
    "\ud800-\udfff]"
)
_ZWJ: Final = "\u200d"


def display(text: str) -> str:
    """The text as a screen may show it: at most 280 graphemes and 4 KiB, no direction tricks, at most 4 marks on a base."""
    if text.isascii() and text.isprintable():
        return text[:MAX_GRAPHEMES]
    shown = unicodedata.normalize("NFC", _NOT_SHOWN.sub("", _SHOWN_AS_SPACE.sub(" ", text)))
    out: list[str] = []
    size = graphemes = marks = begun = 0
    last = ""
    flag_half = False
    for char in shown:
        category = unicodedata.category(char)
        if category[0] == "M" and not _is_selector(char):
            marks += 1
            if marks > MAX_MARKS:
                continue
        begins, flag_half = _begins_grapheme(char, category, last, flag_half=flag_half)
        if begins:
            graphemes += 1
            begun = len(out)
            if category[0] != "M":  # a mark with nothing before it is no base for more
                marks = 0
        size += len(char.encode())
        if graphemes > MAX_GRAPHEMES or size > MAX_BYTES:
            return "".join(out[:begun])
        out.append(char)
        last = char
    return "".join(out)


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _begins_grapheme(char: str, category: str, last: str, *, flag_half: bool) -> tuple[bool, bool]:
    """Whether a new grapheme begins here, and whether it is the first half of a flag; UAX 29 as far as chat needs it."""
    if "\U0001f1e6" <= char <= "\U0001f1ff":  # two regional indicators make one flag
        return (False, False) if flag_half else (last != _ZWJ, True)
    joined = (
        category[0] == "M"
        or char in (_ZWJ, "\u200c", "\u0e33", "\u0eb3")  # Thai and Lao am are letters, but stand on the base
        or (last == _ZWJ and category in ("So", "Sk"))
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\u1160" <= char <= "\u11ff"  # Hangul vowels and finals
    )
    return (not joined or not last, False)
