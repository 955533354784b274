"""Which messages may be quoted: what is fit for a wall, a diverse few of many, and the life of each from offer to gone. Pure.

``score`` says how well a text stands alone on a wall; nought means never. ``pick`` takes a few of many, spread over scripts, countries
and livestreams. ``Pool`` holds what is held back, waiting, shown or rejected; whoever keeps it hands in time, decisions, flags and
retractions, and writes down what ``voices`` holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from monitor.enrich.normalise import normalise
from monitor.enrich.topics import language_code
from monitor.journal_keys import is_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

SHORTEST, LONGEST = 12, 180
"""Characters of a message for a wall, in Latin ones: an ideograph says about as much as two and a half."""
DENSE: Final = 2.5
MOST_WAITING: Final = 60
MOST_SHOWN: Final = 24
LEAST_SCRIPTS: Final = 3
MOST_HELD: Final = 400
"""Offers that moderation has not read yet, or that others were better than."""
HELD_MS: Final = 20_000
"""How long an offer is compared with newer ones."""
ADMIT_MS: Final = 2_000
"""Between two looks for the best of what was offered, so that the first to come do not have all places."""
MOST_HEARD: Final = 4000
"""Texts that are remembered so that their copies are told."""
WAITING_MS: Final = 180_000
"""How long a message waits for a person before a newer one has its place."""
CLEAN_MS: Final = 300_000
"""How long one that nobody flagged is shown."""
REJECTED_MS: Final = 600_000
"""How long a rejection can be taken back."""
DAY_MS: Final = 86_400_000

# --- what is fit ------------------------------------------------------------------------------------------------------

_UNFIT = re.compile(
    r"^[!/\\.$]\w"  # a bot's command
    r"|://|www\.|\w\.\w\w+/|\.(?:com|net|org|tv|gg|io|ru|cn|me)\b"
    r"|@\w"  # speaks to, or of, somebody by name
    r"|\d(?:[ ().-]?\d){6}"  # a telephone number
    r"|(.)\1{4}"
    r"|\uFFFD",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"[#＃]\S+")
_NOT_WORDS = re.compile(r"\W+")
_EMOTE = re.compile(r"\b[A-Za-z]*[a-z][A-Z][A-Za-z]*\b|\b[A-Z]{3,}[0-9A-Z]*\b")
"""A joined name (catJAM), or a word in capitals."""
_FAMILIES: Final = {
    "CJK": "HAN", "IDEOGRAPHIC": "HAN", "HIRAGANA": "JAPANESE", "KATAKANA": "JAPANESE", "KATAKANA-HIRAGANA": "JAPANESE",
}  # fmt: skip
_DENSE: Final = frozenset(("HAN", "JAPANESE", "HANGUL"))
_UNSPACED: Final = frozenset(("HAN", "JAPANESE", "THAI", "LAO", "KHMER", "MYANMAR"))
_WRITTEN: Final = {
    "HAN": ("zh", "ja", "yue"), "JAPANESE": ("ja",), "HANGUL": ("ko",), "THAI": ("th",), "LAO": ("lo",), "KHMER": ("km",),
    "MYANMAR": ("my",), "HEBREW": ("he", "yi"), "GREEK": ("el",), "GEORGIAN": ("ka",), "ARMENIAN": ("hy",), "BENGALI": ("bn", "as"),
    "TAMIL": ("ta",), "TELUGU": ("te",), "SINHALA": ("si",), "DEVANAGARI": ("hi", "mr", "ne"), "ETHIOPIC": ("am", "ti"),
    "ARABIC": ("ar", "fa", "ur", "ps", "ku", "ug", "sd"),
    "CYRILLIC": ("ru", "uk", "bg", "sr", "kk", "ky", "mn", "be", "mk", "tg", "uz"),
}  # fmt: skip
"""Languages by script, where the script says something; the first is the likeliest."""
_AMBIGUOUS: Final = frozenset(("ARABIC", "CYRILLIC", "DEVANAGARI", "BENGALI", "ETHIOPIC"))


@lru_cache(maxsize=20_000)
def _family(char: str) -> str:
    """The script of a letter or mark, ``""`` for everything else."""
    if not (char.isalpha() or unicodedata.category(char) in ("Mn", "Mc")):
        return ""
    name = unicodedata.name(char, "OTHER").partition(" ")[0]
    return _FAMILIES.get(name, name) if name not in ("COMBINING", "VARIATION", "MODIFIER") else ""


def script_of(text: str) -> str:
    """The script that most of its letters are of, hashtags aside; kana make a text Japanese. ``""``: it has no letters."""
    counts = Counter(map(_family, _TAG.sub(" ", text)))
    counts.pop("", None)
    if "JAPANESE" in counts:
        return "JAPANESE"
    weigh = {family: count * (2 if family in _DENSE else 1) for family, count in counts.items()}
    return max(weigh, key=lambda family: (weigh[family], family)) if weigh else ""


def language_of(script: str, hint: str | None, own: str | None) -> str:
    """The language to mark a text with: the platform's word, else the livestream's own where the script allows it; ``""``: unknown."""
    listed = _WRITTEN.get(script, ())
    for tag in (hint, own):
        code = language_code(tag) if tag else None
        if code is not None and tag is not None and (code in listed or (script == "LATIN" and not _elsewhere(code))):
            return tag
    return listed[0] if listed and script not in _AMBIGUOUS else ""


def _elsewhere(code: str) -> bool:
    return any(code in listed for script, listed in _WRITTEN.items() if script != "CYRILLIC") or code in ("ru", "uk", "bg", "mk")


def score(text: str, topics: int = 0) -> int:
    """1 to 100: how well a text stands alone on a wall; 0: it must not be quoted."""
    if not 4 <= len(text) <= LONGEST or _UNFIT.search(text.strip()) is not None:
        return 0
    tags = text.count("#")
    text = _TAG.sub(" ", text).strip()  # a hashtag says nothing by itself
    families = [_family(char) for char in text]
    letters = sum(1 for family in families if family)
    seen = sum(1 for char in text if not char.isspace())
    if letters * 10 < seen * 6:
        return 0  # emoji, numbers, punctuation
    dense = sum(1 for family in families if family in _DENSE)
    length = len(text) + (DENSE - 1) * dense
    if not SHORTEST <= length <= LONGEST:
        return 0
    words = [word for word in text.split() if any(map(_family, word))]
    unspaced = sum(1 for family in families if family in _UNSPACED)
    if unspaced * 2 < letters:
        if len(words) < 3 or len({word.casefold() for word in words}) * 3 < len(words) * 2:
            return 0
        if max(len(_EMOTE.findall(text)), sum(len(word) > 2 and word.isupper() for word in words)) * 2 >= len(words):
            return 0  # emotes, or shouting
    found = 50 + min(topics, 2) * 20
    found -= int(abs(length - 60) / 6)
    found += 5 if text[-1] in "!?.。！？؟…" else 0
    found -= 8 * tags + 10 * len(_EMOTE.findall(text))
    return max(1, min(100, found))


# --- a message and its life -------------------------------------------------------------------------------------------

State = Literal["waiting", "clean", "approved", "rejected"]


class Voice(msgspec.Struct, kw_only=True):
    """A message that may be quoted, as it is kept in Redis."""

    id: str
    text: str
    livestream: str
    platform: str
    country: str
    at: str
    position: str
    """Journal id that moderation must have read."""
    partition: int
    taken_ms: int
    """When it was offered; its texts are kept from then on."""
    since_ms: int
    """When it came into its state."""
    language: str = ""
    name: str = ""
    author: str = ""
    topics: list[str] = []
    score: int = 0
    script: str = ""
    state: State = "waiting"


class Saying(NamedTuple):
    """What a person decided."""

    id: str
    decision: str
    """``approve``, ``reject``, ``undo``, or ``erase``: it is forgotten."""


def pick(some: Iterable[Voice], most: int, beside: Iterable[Voice] = ()) -> list[Voice]:
    """At most so many, the best of each script first until there are three, then the best for the mixture; stable for equal input."""
    left = {voice.id: voice for voice in some}
    there = list(beside)
    chosen: list[Voice] = []
    while left and len(chosen) < most:
        mixture = _Mixture([*there, *chosen])
        few = len(mixture.scripts) < LEAST_SCRIPTS
        new = [voice for voice in left.values() if voice.script not in mixture.scripts] if few else []
        best = max(new or left.values(), key=lambda voice: (mixture.worth(voice), voice.id))
        chosen.append(left.pop(best.id))
    return chosen


class _Mixture:
    """What is there already, and what another one would add to it."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self.scripts = Counter(voice.script for voice in voices)
        self._countries = Counter(voice.country for voice in voices)
        self._livestreams = Counter(voice.livestream for voice in voices)
        self._topics = Counter(topic for voice in voices for topic in voice.topics)
        self._all = max(1, len(voices))

    def worth(self, voice: Voice) -> float:
        topics = max((self._topics[topic] for topic in voice.topics), default=0)
        return (
            voice.score
            - 30 * self.scripts[voice.script] / self._all
            - 8 * self._countries[voice.country]
            - 25 * self._livestreams[voice.livestream]
            - 15 * topics / self._all
        )


class Around(NamedTuple):
    """What a turn of the pool depends on beside the pool itself."""

    now_ms: int
    watched: AbstractSet[str]
    """Livestreams of consenting attendees."""
    is_clean: Callable[[str], bool]
    """Whether no rule of now hits a text."""
    clean_after_ms: int | None
    """None: only what a person approved."""
    sure: bool = True
    """False while nobody knows who has withdrawn: then nothing new is taken, and nothing is thrown away for want of consent."""
    pinned: str = ""
    texts_ms: int = 14 * DAY_MS
    names_ms: int = 7 * DAY_MS


class Pool:
    """Everything that is, or may come to be, quoted. ``voices`` is what must be written down."""

    def __init__(self, voices: Iterable[Voice] = ()) -> None:
        self.voices: dict[str, Voice] = {voice.id: voice for voice in voices}
        self._held: OrderedDict[str, Voice] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()
        self._admitted_ms = 0
        for voice in self.voices.values():
            self._is_new(voice.text)

    # what comes in

    def offer(self, voice: Voice) -> None:
        """A candidate; copies of what was heard lately are not taken."""
        if voice.id in self.voices or voice.id in self._held or not self._is_new(voice.text):
            return
        self._held[voice.id] = voice
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)

    def drop(self, ids: Iterable[str]) -> bool:
        """Flagged, retracted, erased: gone at once. Whether any of them stood here."""
        found = False
        for each in ids:
            self._held.pop(each, None)
            found = self.voices.pop(each, None) is not None or found
        return found

    def drop_where(self, is_gone: Callable[[Voice], bool]) -> bool:
        return self.drop([voice.id for voice in self.everything() if is_gone(voice)])

    def decide(self, saying: Saying, now_ms: int) -> bool:
        """A person's word; False when there is no such message, or nothing changes."""
        if saying.decision == "erase":
            return self.drop([saying.id])
        voice = self.voices.get(saying.id)
        states: dict[str, State] = {"approve": "approved", "reject": "rejected", "undo": "waiting"}
        state = states.get(saying.decision)
        if voice is None or state is None or voice.state == state:
            return False
        voice.state, voice.since_ms = state, now_ms
        return True

    def turn(self, around: Around, read: Mapping[int, str]) -> bool:
        """Let time pass; ``read`` is how far moderation has come in each partition. Whether anything changed."""
        changed = self.drop_where(
            lambda voice: (
                (around.sure and voice.livestream not in around.watched) or around.now_ms - voice.taken_ms >= around.texts_ms
            )
        )
        changed = self._age(around) or changed
        changed = self._admit(around, read) or changed
        return self._promote(around) or changed

    def recheck(self, is_clean: Callable[[str], bool]) -> bool:
        """Other rules: what they hit goes, whoever approved it."""
        return self.drop_where(lambda voice: not is_clean(voice.text))

    # what can be read

    def of(self, *states: State) -> list[Voice]:
        return [voice for voice in self.voices.values() if voice.state in states]

    def everything(self) -> list[Voice]:
        """What is held back, too."""
        return [*self._held.values(), *self.voices.values()]

    @property
    def held(self) -> int:
        return len(self._held)

    # inside

    def _is_new(self, text: str) -> bool:
        key = _NOT_WORDS.sub("", normalise(_TAG.sub(" ", text))) or text
        new = key not in self._heard
        self._heard[key] = None
        self._heard.move_to_end(key)
        if len(self._heard) > MOST_HEARD:
            self._heard.popitem(last=False)
        return new

    def _age(self, around: Around) -> bool:
        """What has had its time goes; a pinned message stays."""
        after = around.clean_after_ms
        life: dict[State, int] = {
            "waiting": WAITING_MS if after is None else max(WAITING_MS, after + WAITING_MS // 2),
            "clean": CLEAN_MS,
            "rejected": REJECTED_MS,
        }
        gone: list[str] = []
        changed = False
        for voice in self.voices.values():
            if voice.name and around.now_ms - voice.taken_ms >= around.names_ms:
                voice.name, changed = "", True
            if voice.state == "clean" and after is None:
                voice.state, voice.since_ms, changed = "waiting", around.now_ms, True  # the configuration has changed
            if voice.id != around.pinned and around.now_ms - voice.since_ms >= life.get(voice.state, around.texts_ms):
                gone.append(voice.id)
        approved = sorted(self.of("approved"), key=lambda voice: (voice.id == around.pinned, voice.since_ms), reverse=True)
        gone += [voice.id for voice in approved[MOST_SHOWN:]]
        return self.drop(gone) or changed

    def _admit(self, around: Around, read: Mapping[int, str]) -> bool:
        """The best of what moderation has read takes some of the free places."""
        if 0 <= around.now_ms - self._admitted_ms < ADMIT_MS or not around.sure:
            return False
        judged = [voice for voice in self._held.values() if not is_before(read.get(voice.partition, ""), voice.position)]
        waiting = self.of("waiting")
        free = max(0, MOST_WAITING - len(waiting))
        fit = [voice for voice in judged if voice.livestream in around.watched and around.is_clean(voice.text)]
        chosen = pick(fit, min(free, 1 + free // 8), waiting)
        for voice in chosen:
            voice.since_ms = around.now_ms
            self.voices[voice.id] = voice
        kept = {voice.id for voice in fit if around.now_ms - voice.taken_ms < HELD_MS} - {voice.id for voice in chosen}
        for voice in judged:
            if voice.id not in kept:
                del self._held[voice.id]
        if judged:
            self._admitted_ms = around.now_ms
        return bool(chosen)

    def _promote(self, around: Around) -> bool:
        """What nobody flagged for long enough, while there are places."""
        after = around.clean_after_ms
        shown = self.of("approved", "clean")
        over = sorted((voice for voice in shown if voice.state == "clean"), key=lambda voice: (voice.since_ms, voice.id))
        over = over[: max(0, len(shown) - MOST_SHOWN)]
        changed = self.drop([voice.id for voice in over])
        if after is None or len(shown) - len(over) >= MOST_SHOWN:
            return changed
        ripe = [voice for voice in self.of("waiting") if around.now_ms - voice.since_ms >= after]
        chosen = pick(ripe, MOST_SHOWN - len(shown) + len(over), self.of("approved", "clean"))
        for voice in chosen:
            voice.state, voice.since_ms = "clean", around.now_ms
        return changed or bool(chosen)
