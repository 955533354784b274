"""Short chat lines in many languages, composed from the phrase parts of ``phrases.toml``.

Pure: dice are handed in. A line is cheap (a few microseconds) because thousands a second are needed. Topics are planted with a
weight per country and per session, so that country × topic is not flat; what was planted is information, the monitor judges itself.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

BRANDS = ("chery", "exeed", "omoda", "icaur", "lepas", "luxeed")
THEMES = ("hybrid", "robots", "driving", "esg", "factory", "flying", "cocreation")
TOPICS = (*BRANDS, *THEMES)
_BASE = (0.24, 0.09, 0.16, 0.06, 0.07, 0.05, 0.12, 0.08, 0.05, 0.02, 0.02, 0.03, 0.01)

NATIVE_EMOTES = {
    "Kappa": "25",
    "LUL": "425618",
    "PogChamp": "305954156",
    "HeyGuys": "30259",
    "BibleThump": "86",
    "Kreygasm": "41",
    "4Head": "354",
    "NotLikeThis": "58765",
    "ResidentSleeper": "245",
    "SeemsGood": "64138",
    "VoHiYo": "81274",
    "CoolCat": "58127",
}
_NATIVE = tuple(NATIVE_EMOTES)
_FOREIGN = (
    "KEKW",
    "OMEGALUL",
    "catJAM",
    "Pog",
    "monkaS",
    "peepoClap",
    "Clap",
    "EZ",
    "Sadge",
    "POGGERS",
    "WideVibe",
    "5Head",
    "HYPERS",
)
_EMOJI = ("😂", "🔥", "❤️", "👏", "😍", "🚗", "⚡", "🤖", "👍", "🙌", "😮", "🎉", "🇨🇳", "💚", "🥰", "😎", "💯", "🤩", "🙏", "👀")
_BLANK = ("???", "!!!", "...", "1", "6", "66666", "+1", "10/10", "🔥🔥🔥", "❤️❤️❤️", "👏👏👏👏", "😂😂", "👍", "^^", ":)", "100")
_SCAM = (
    "Free {} giveaway, only today → https://{}.example.com/claim",
    "best viewers for your channel, cheap!! promo-{1}.example.net",
    "I made 3000$ in a week, ask {1} on telegram t.example.org/{1}",
    "Claim your {} coupon now: http://win-{}.example.com/?id=7",
)
_TAGS = ("#CheryUserSummit", "#CHERY", "#OMODA", "#JAECOO", "#EXEED", "#UserSummit", "#NewEnergy", "#EV", "#RoadTrip", "#Wuhu")
INVISIBLE = " \U000e0000"
"""Appended by people who dodge the "identical message" filter."""


class Text(NamedTuple):
    """A composed line."""

    text: str
    emotes: str = ""
    """Twitch's ``emotes`` tag: id:first-last in code points."""
    topics: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The parts of one language."""

    hello: tuple[str, ...]
    cheer: tuple[str, ...]
    say: tuple[str, ...]
    ask: tuple[str, ...]
    about: tuple[str, ...]
    """With ``{}`` where a topic's word goes."""
    trap: tuple[str, ...]
    """Lines with words that look like a brand and are none."""
    rude: tuple[str, ...]
    terms: dict[str, tuple[str, ...]]
    spaced: bool = True
    """False where words are not parted by spaces."""
    cased: bool = True


def load() -> dict[str, Phrases]:
    """The shipped phrases by language."""
    raw = tomllib.loads(files("connectors.simulator").joinpath("phrases.toml").read_text("utf-8"))
    common: dict[str, list[str]] = raw.pop("any")["terms"]
    return {language: _phrases(table, common) for language, table in raw.items()}


def _phrases(table: dict[str, Any], common: dict[str, list[str]]) -> Phrases:
    terms = {topic: tuple(table.get("terms", {}).get(topic, ())) + tuple(common.get(topic, ())) for topic in TOPICS}
    lists = {key: tuple(table.get(key, ())) for key in ("hello", "cheer", "say", "ask", "about", "trap", "rude")}
    return Phrases(**lists, terms=terms, spaced=table.get("spaced", True), cased=table.get("cased", True))


class Voices:
    """Composes lines; knows what each country likes to talk about and what each session is about."""

    def __init__(self, phrases: dict[str, Phrases], countries: Iterable[str], sessions: int, dice: Random) -> None:
        self.phrases = phrases
        self.languages = tuple(sorted(phrases))
        tilts = [_tilt(dice) for _ in range(sessions)] or [dict.fromkeys(TOPICS, 1.0)]
        self.weights: dict[tuple[str, int], list[float]] = {}
        for country in sorted(set(countries) | {""}):
            taste = [base * exp(dice.gauss(0, 0.6)) for base in _BASE]
            for number, tilt in enumerate(tilts):
                self.weights[country, number] = list(accumulate(w * tilt[topic] for w, topic in zip(taste, TOPICS, strict=True)))
            self.weights[country, -1] = list(accumulate(taste))

    def line(self, dice: Random, language: str, country: str, session: int, *, emotes: bool = True) -> Text:
        """A line in ``language``; ``emotes`` is False where the platform has none."""
        draw = dice.random()
        if emotes and draw < 0.20:
            return self.emote(dice)
        if draw < 0.26:
            return Text(dice.choice(_BLANK) if draw < 0.23 else dice.choice(_EMOJI) * dice.choice((1, 1, 2, 3)))
        if draw < 0.272:
            return Text(_scam(dice), "", (), "en")
        phrases = self.phrases[language]
        topics: tuple[str, ...] = ()
        if draw < 0.475:  # a fifth of all lines
            text, topics = self._about(dice, phrases, country, session)
        else:
            text = dice.choice(_part(phrases, draw))
            if dice.random() < 0.12:
                text = f"{text}{', ' if phrases.spaced else ','}{dice.choice(phrases.say)}"
        return self._decorate(dice, text, phrases, language, topics, emotes=emotes)

    def emote(self, dice: Random) -> Text:
        """Only an emote, once or several times; half of them the platform's own."""
        times = dice.choice((1, 1, 1, 1, 2, 3))
        if dice.random() < 0.5:
            return Text(" ".join([dice.choice(_FOREIGN)] * times))
        name = dice.choice(_NATIVE)
        spans = ",".join(f"{i * (len(name) + 1)}-{i * (len(name) + 1) + len(name) - 1}" for i in range(times))
        return Text(" ".join([name] * times), f"{NATIVE_EMOTES[name]}:{spans}")

    def wave(self, dice: Random, language: str) -> Text:
        """What many people will write at once: an emote, an emoji, a cheer, seldom a sentence."""
        draw = dice.random()
        if draw < 0.45:
            return self.emote(dice)
        if draw < 0.6:
            return Text(dice.choice(_EMOJI) * 3)
        phrases = self.phrases[language]
        return Text(dice.choice(phrases.cheer if draw < 0.95 else phrases.say), "", (), language)

    def echo(self, dice: Random, text: Text) -> Text:
        """A wave's line as the next person writes it: nearly always the same."""
        draw = dice.random()
        if draw < 0.05:
            return text._replace(text=text.text + INVISIBLE)
        if draw < 0.07:
            return text._replace(text=text.text + text.text[-1], emotes="")
        if draw < 0.09 and not text.emotes:
            return text._replace(text=text.text.upper())
        return text

    def _about(self, dice: Random, phrases: Phrases, country: str, session: int) -> tuple[str, tuple[str, ...]]:
        weights = self.weights[country, session]
        topic = dice.choices(TOPICS, cum_weights=weights)[0]
        text = dice.choice(phrases.about).format(dice.choice(phrases.terms[topic]))
        if dice.random() > 0.1:
            return text, (topic,)
        other = dice.choices(TOPICS, cum_weights=weights)[0]
        join = " + " if phrases.spaced else "+"
        return f"{text}{join}{dice.choice(phrases.terms[other])}", (topic, other) if other != topic else (topic,)

    def _decorate(
        self, dice: Random, text: str, phrases: Phrases, language: str, topics: tuple[str, ...], *, emotes: bool
    ) -> Text:
        draw = dice.random()
        tag = ""
        if draw < 0.10:
            text = text.upper() if phrases.cased else text + "!"
        elif draw < 0.16:
            text += text[-1] * dice.randint(3, 7)
        elif draw < 0.26:
            text = f"{text} {dice.choice(_EMOJI)}"
        elif draw < 0.40 and emotes:
            name = dice.choice(_NATIVE)
            tag = f"{NATIVE_EMOTES[name]}:{len(text) + 1}-{len(text) + len(name)}"
            text = f"{text} {name}"
        elif draw < 0.44:
            text = f"@{dice.choice(('host', 'mod_team', 'chery_fan', 'driver77', 'amigo_ev'))} {text}"
        elif draw < 0.455:
            text = f"{text} {dice.choice(_TAGS)}"
        elif draw < 0.475:
            text += INVISIBLE
        elif draw < 0.49:
            other = self.phrases[dice.choice(self.languages)]
            text = f"{text} {dice.choice(other.cheer)}"
        return Text(text, tag, topics, language)


def _part(phrases: Phrases, draw: float) -> tuple[str, ...]:
    if draw < 0.72:
        return phrases.cheer
    if draw < 0.86:
        return phrases.say
    if draw < 0.92:
        return phrases.ask
    if draw < 0.975:
        return phrases.hello
    if draw < 0.988 and phrases.trap:
        return phrases.trap
    return phrases.rude


def _scam(dice: Random) -> str:
    names = ("CHERY", f"gift{dice.randrange(90)}")
    return dice.choice(_SCAM).format(*names)


def _tilt(dice: Random) -> dict[str, float]:
    """What a session is about: two themes five-fold, one brand three-fold."""
    tilt = dict.fromkeys(TOPICS, 1.0)
    for topic in dice.sample(THEMES, 2):
        tilt[topic] = 5.0
    tilt[dice.choice(BRANDS)] = 3.0
    return tilt


def base_language(tag: str, known: Sequence[str] | dict[str, Phrases]) -> str:
    """The phrases' language for a BCP 47 tag: ``pt-BR`` → ``pt``; English when we have none."""
    first = tag.lower().replace("_", "-").split("-")[0]
    first = {"tl": "fil", "in": "id", "iw": "he", "nb": "no", "nn": "no", "yue": "zh", "cmn": "zh"}.get(first, first)
    return first if first in known else "en"
