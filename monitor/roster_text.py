"""Bytes that some office program called CSV, to text: in which encoding they were written. Pure.

A mark at the beginning, zeros between letters or valid UTF-8 decide at once. Else the bytes are read in each of the encodings that Excel
writes by itself somewhere in the world, and the reading that looks least like nonsense is taken: words of one script, letters of one language,
capitals where words begin, vowels, Chinese characters that are used. ``nonsense`` is that measure; it needs no dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

LEGACY: Final[dict[str, str]] = {
    "cp1252": "Windows-1252 (Western)", "cp1254": "Windows-1254 (Turkish)", "cp1250": "Windows-1250 (Central European)",
    "cp1257": "Windows-1257 (Baltic)", "iso8859-2": "ISO 8859-2 (Central European)", "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)", "cp1255": "Windows-1255 (Hebrew)", "cp1256": "Windows-1256 (Arabic)", "cp874": "Windows-874 (Thai)",
    "cp949": "Windows-949 (Korean)", "cp932": "Windows-932 (Japanese)", "gb18030": "GB18030", "big5": "Big5", "cp866": "DOS-866 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)", "mac_roman": "Mac Roman (Western)",
}  # fmt: skip
"""Encoding → as it is called; of equally likely ones the first is taken."""
_WESTERN: Final = (
    "àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíóúüñ", "àçéèíïóòúü", "áâãàçéêíóôõúü", "àèéìíîòóùú", "áéíóúëïöüê", "åäöæøéü", "áðéíóúýþæö", "çë",
)  # fmt: skip
_CENTRAL: Final = (
    "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž", "äöüßé", "çë",
)  # fmt: skip
LETTERS: Final[dict[str, tuple[frozenset[str], ...]]] = {
    encoding: tuple(frozenset(letters) for letters in languages)
    for encoding, languages in {
        "cp1252": _WESTERN, "mac_roman": _WESTERN, "cp1254": ("çğıöşüâîûi̇", "äöüßé", "éèêàâçôîû"), "cp1250": _CENTRAL, "iso8859-2": _CENTRAL,
        "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž", "äöüßé"), "cp1256": ("àâçéèêëîïôùûü",),
    }.items()
}  # fmt: skip
"""Letters beyond ASCII that one word may have together: those of one language that the encoding is for."""
VOWELS: Final = {"cyrillic": frozenset("аеёиоуыэюяіїєөүұәўй"), "greek": frozenset("αεηιουωάέήίόύώϊϋΐΰ")}
LOOK: Final = 20_000
"""Bytes that are looked at."""
BROKEN: Final = 20
"""Of so many bytes beyond ASCII one may be broken, and it is still UTF-8; another encoding read as that breaks nearly all."""
ALPHABETS: Final = frozenset(("latin", "cyrillic", "greek", "hebrew", "arabic", "thai"))
_words = re.compile(r"[^\W\d_]+")
TWICE: Final = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a-\u203a\u0152-\u017e\u0192\u02c6\u02dc\u2122]")
"""A letter of two bytes, each taken for one: é as Ã©."""


def decoded(data: bytes) -> tuple[str, str]:
    """(text, name of its encoding)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), "UTF-16"
    if data[:3] == b"\xef\xbb\xbf":
        return _unmended(data.decode("utf-8-sig", "replace"))
    head = data[:4000]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # Latin letters have a zero in every other byte.
        half = head[offset::2]
        if len(half) > 4 and half.count(0) > len(half) * 0.4 and head[1 - offset :: 2].count(0) < len(half) * 0.1:
            return data.decode(encoding, "replace"), "UTF-16"
    try:
        return _unmended(data.decode("utf-8"))
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        if text.count("\ufffd") * BROKEN < sum(byte > 0x7F for byte in data):
            return text, "UTF-8 with broken letters"
        encoding = likeliest(data)
        return data.decode(encoding, "replace"), LEGACY[encoding]


def likeliest(data: bytes) -> str:
    """The encoding in which these bytes look least like nonsense."""
    # Whole lines, because half a character is an error; only those that say something about the encoding.
    lines = re.split(rb"[\r\n]+", data[:LOOK])
    sample = b"\n".join(line for line in (lines[:-1] if len(data) > LOOK else lines) if not line.isascii())
    return min(LEGACY, key=lambda encoding: _penalty(sample, encoding))


def _penalty(data: bytes, encoding: str) -> float:
    text = data.decode(encoding, "replace")
    strange = text.count("\ufffd")
    high = sum(not character.isascii() for character in text)
    bytes_high = len(re.findall(rb"[\x80-\xff]", data))
    if strange > 0.02 * bytes_high:
        return 10.0
    points = nonsense(text) + 3.0 * strange + sum(_foreign(word, encoding) for word in _words.findall(text) if not word.isascii())
    if encoding in RARE:
        points += 2.0 * sum(_is_rare(character, encoding) for character in text if not character.isascii())
    return points / max(high, 1)


def _foreign(word: str, encoding: str) -> float:
    """Points for a word whose letters no language of the encoding has together, or that nobody could say."""
    beyond = [letter for letter in word.casefold() if not letter.isascii()]
    scripts = {_script(letter) for letter in beyond}
    if scripts == {"latin"}:
        languages = LETTERS.get(encoding)
        if languages is not None and not any(language.issuperset(beyond) for language in languages):
            return float(len(beyond))
        # Portuguese has õ only before e; in the same place Hungarian has a letter of every day.
        odd = len(re.findall("õ(?!e)", word.casefold())) if encoding == "cp1252" else 0
        # Of Icelandic only; a Turkish Windows has letters of every day in their places.
        return odd + (0.3 if encoding == "cp1252" and not {"ð", "þ", "ý"}.isdisjoint(beyond) else 0.0)
    for script, vowels in VOWELS.items():
        if scripts == {script} and len(word) > 1:
            unsaid = len(word) > 3 and vowels.isdisjoint(word.casefold())
            return (0.5 * len(word) if unsaid else 0.0) + (0.4 * len(word) if word.islower() and len(word) > 2 else 0.0)
    return 0.0


def nonsense(text: str) -> float:
    """Points for what no word of any language looks like."""
    points = 0.0
    for before, character, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if not character.isascii():
            points += _alone(character, before, after)
        if character.isascii() and before.isascii():
            continue
        its, script = _script(character), _script(before)
        if its != script and its in ALPHABETS and script in ALPHABETS:
            points += 2.0  # two scripts in one word
        elif its == script and before.islower() and character.isupper():
            points += 2.0
        elif its == script == "latin" and not character.isascii() and not before.isascii():
            points += 0.6  # an accent beside an accent; Polish has some
    return points


def _alone(character: str, before: str, after: str) -> float:
    """What is wrong with a character where it stands."""
    its = _script(character)
    if its == "?":
        return 3.0
    if its == "sign":  # a symbol belongs between words
        return 0.3 + before.isalpha() + after.isalpha()
    if character in "\u200c\u200d\u200e\u200f" and (before.isascii() and before.isalpha()):
        return 2.0  # what turns the direction, inside a word that has none
    return 0.0


RARE: Final = frozenset(("gb18030", "big5", "cp932", "cp949"))
SCRIPTS: Final = (
    ("LATIN", "latin"), ("CYRILLIC", "cyrillic"), ("GREEK", "greek"), ("HEBREW", "hebrew"), ("ARABIC", "arabic"), ("THAI", "thai"),
    ("CJK", "han"), ("HANGUL", "hangul"), ("HIRAGANA", "kana"), ("KATAKANA", "kana"), ("HALFWIDTH KATAKANA", "kana"),
)  # fmt: skip


@lru_cache(maxsize=8192)
def _script(character: str) -> str:
    """``?`` is what no text has, ``sign`` what stands between words or is a symbol."""
    category = unicodedata.category(character)
    if character.isascii():
        return "latin" if character.isalpha() else ""
    if category in ("Cc", "Cn", "Co", "Cs"):
        return "?"
    if category[0] not in "LM":
        return (
            "mark" if character in "，。、；：？！（）《》【】“”‘’·—…–•№«»ª°º،؛؟\u3000\u00a0\u200c\u200d\u200e\u200f" else "sign"
        )
    name = unicodedata.name(character, "")
    for word, script in SCRIPTS:
        if name.startswith(word):
            return script
    return "other"


@lru_cache(maxsize=8192)
def _is_rare(character: str, encoding: str) -> bool:
    """Whether a character is not of every day: outside the few thousand Chinese ones, which both encodings put first; half as wide; in Korean Chinese."""
    if encoding == "cp932":
        code = character.encode("cp932", "ignore")
        return "\uff61" <= character <= "\uff9f" or (_script(character) == "han" and code[:1] >= b"\x99")
    if _script(character) != "han":
        return encoding in ("gb18030", "big5") and _script(character) in ("hangul", "other")
    if encoding == "cp949":
        return True
    try:
        code = character.encode("gb2312" if encoding == "gb18030" else "big5")
    except UnicodeEncodeError:
        return True
    return not (0xB0 <= code[0] <= 0xD7 if encoding == "gb18030" else 0xA4 <= code[0] <= 0xC6)


def _unmended(text: str) -> tuple[str, str]:
    """UTF-8 that some program has taken for Windows-1252 and written as UTF-8 again: what it was."""
    if len(TWICE.findall(text[:LOOK])) > 0:
        try:
            return text.encode("cp1252").decode("utf-8"), "UTF-8 written twice, mended"
        except (UnicodeEncodeError, UnicodeDecodeError):
            pass
    return text, "UTF-8"
