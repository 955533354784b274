"""Topics and flags of a text: all configured phrases in one Aho-Corasick automaton. Pure; the only state is a bounded cache.

Phrases count in every language, whatever language they are listed under: viewers write as they like, and hints are often wrong.
Only ``context`` looks at the language, because it exists for words that mean something else there (*lepas*). When the language is
unknown, such a word needs its context too, unless it stands as a #hashtag or @mention, or the message has letters of another script.

Spans are given in the original text, in code points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from monitor.enrich.normalise import normalise, offsets
from monitor.enrich.words import NOTHING, ends_word, flatten, in_tag, patterns, script, starts_hump, starts_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.config import KeywordRule, Topic

LONGEST_CACHED: Final = 200
"""Longer texts hardly ever repeat."""
LANGUAGES_REMEMBERED: Final = 1000
"""Hints come from outside; this bounds what somebody who makes them up can occupy."""


class Flag(msgspec.Struct, frozen=True, gc=False):
    """A hit of the keyword bank."""

    rule: str
    severity: int
    span: tuple[int, int]
    """Begin and end of the first hit in the original text, in code points."""


class Match(msgspec.Struct, frozen=True):
    """What was found in one text."""

    topics: tuple[str, ...] = ()
    """Ids, sorted."""
    flags: tuple[Flag, ...] = ()
    """At most one per rule, the gravest first, then by place."""


NO_MATCH: Final = Match()

_OLD_CODES: Final = {"in": "id", "iw": "he", "ji": "yi", "tl": "fil", "no": "nb", "nn": "nb"}


def language_code(tag: str) -> str | None:
    """``pt-BR`` → ``pt``; None where a tag says nothing (``und``, ``zxx``, empty)."""
    code = tag.replace("_", "-").partition("-")[0].strip().lower()
    return None if code in ("", "und", "zxx", "mul", "mis") else _OLD_CODES.get(code, code)


def likely_languages(hint: str | None, roster: Iterable[str] = ()) -> tuple[str, ...]:
    """The languages a message is probably in: the platform's hint, else those of the livestream in the roster."""
    code = language_code(hint) if hint else None
    if code is not None:
        return (code,)
    return tuple(code for tag in roster if (code := language_code(tag)) is not None)


@dataclass(frozen=True, slots=True, eq=False)
class _Owner:
    """A topic (severity 0) or a rule; compared by identity, which is what makes it a cheap key."""

    id: str
    severity: int = 0
    context: _Finder | None = None
    context_languages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Use:
    """What a pattern is good for."""

    owner: _Owner
    excludes: bool = False
    open_end: bool = False
    only_in_tags: bool = False


class _Finder:
    """An automaton over patterns, and what each of them is good for."""

    def __init__(self, phrases: Iterable[tuple[str, _Owner, bool]]) -> None:
        uses: dict[str, list[_Use]] = {}
        for phrase, owner, excludes in phrases:
            for pattern, open_end, only_in_tags in patterns(phrase):
                use = _Use(owner, excludes, open_end, only_in_tags)
                kept = uses.setdefault(pattern, [])
                if use not in kept:
                    kept.append(use)
        self.uses = list(uses.values())
        # Standard is the only match kind that can report overlapping matches.
        self._automaton = AhoCorasick(uses, MatchKind.Standard, store_patterns=False, implementation=Implementation.DFA)

    def hits(self, text: str) -> list[tuple[int, int, int]]:
        """(pattern, start, end) of every occurrence, overlapping ones too."""
        return self._automaton.find_matches_as_indexes(text, overlapping=True)


class _Text:
    """One text under examination; the map to the original is made when first needed."""

    __slots__ = ("_offsets", "flat", "normalised", "original")

    def __init__(self, original: str, normalised: str, flat: str) -> None:
        self.original = original
        self.normalised = normalised
        self.flat = flat
        self._offsets: tuple[list[int], list[int]] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        if self._offsets is None:
            self._offsets = offsets(self.original)
        return self._offsets[0][start], self._offsets[1][end - 1]

    def stands(self, start: int, end: int, *, open_end: bool, only_in_tags: bool) -> bool:
        """Whether the phrase found here is a word, by the rules of monitor.enrich.words."""
        begins = starts_word(self.flat, start)
        ends = open_end or ends_word(self.flat, end)
        if begins and ends and not only_in_tags:
            return True
        if not in_tag(self.normalised, start):
            return False
        return (begins or self._hump(start)) and (ends or self._hump(end))

    def _hump(self, position: int) -> bool:
        return starts_hump(self.original, self.span(position, position + 1)[0])

    def speaks_otherwise(self, start: int) -> bool:
        """Signs that a word is no everyday word of its own language: it is a tag, or the message has letters of another script."""
        if in_tag(self.normalised, start):
            return True
        own = script(self.flat[start])
        return any(char.isalpha() and script(char) not in (own, NOTHING, "MODIFIER") for char in self.flat)


class _Cache:
    """Answers for one situation of languages: what was asked lately, and before that."""

    __slots__ = ("known", "languages", "older", "recent")

    def __init__(self, languages: frozenset[str], *, known: bool) -> None:
        self.languages = languages
        self.known = known
        self.recent: dict[str, Match] = {}
        self.older: dict[str, Match] = {}


class Matcher:
    """All topics and rules of one configuration."""

    def __init__(self, topics: Iterable[Topic] = (), rules: Iterable[KeywordRule] = (), *, remembered: int = 40_000) -> None:
        phrases: list[tuple[str, _Owner, bool]] = []
        for topic in topics:
            owner = _Owner(topic.id, 0, _context(topic.context), frozenset(_codes(topic.context)))
            phrases += _listed(topic.phrases, owner, excludes=False) + _listed(topic.exclude, owner, excludes=True)
        for rule in rules:
            owner = _Owner(rule.id, rule.severity)
            phrases += _listed(rule.phrases, owner, excludes=False) + _listed(rule.exclude, owner, excludes=True)
        self._finder = _Finder(phrases)
        self._context_languages = frozenset[str]().union(*(owner.context_languages for _, owner, _ in phrases))
        self._by_languages: dict[tuple[str, ...], _Cache] = {}
        self._caches: dict[tuple[frozenset[str], bool], _Cache] = {}
        self._half = max(1, remembered // 2)
        self._added = 0

    def match(self, text: str, languages: tuple[str, ...] = ()) -> Match:
        """Topics and flags of a text; `languages` as from `likely_languages`, empty when unknown. Never raises."""
        cache = self._by_languages.get(languages)
        if cache is None:
            cache = self._cache(languages)
        found = cache.recent.get(text)
        if found is None:
            found = cache.older.get(text)
            if found is None:
                found = self._match(text, cache)
            if len(text) <= LONGEST_CACHED:
                self._remember(cache, text, found)
        return found

    def remembered(self) -> int:
        """How many answers are kept."""
        return sum(len(cache.recent) + len(cache.older) for cache in self._caches.values())

    def _cache(self, languages: tuple[str, ...]) -> _Cache:
        if len(self._by_languages) >= LANGUAGES_REMEMBERED:
            self._by_languages.clear()
        codes = {code for tag in languages if (code := language_code(tag)) is not None}
        situation = (self._context_languages & codes, bool(codes))
        cache = self._caches.setdefault(situation, _Cache(situation[0], known=situation[1]))
        self._by_languages[languages] = cache
        return cache

    def _remember(self, cache: _Cache, text: str, found: Match) -> None:
        cache.recent[text] = found
        self._added += 1
        if self._added >= self._half:
            self._added = 0
            for each in self._caches.values():
                each.older, each.recent = each.recent, {}

    def _match(self, original: str, cache: _Cache) -> Match:
        normalised = normalise(original)
        flat = flatten(normalised)
        hits = self._finder.hits(flat)
        if not hits:
            return NO_MATCH
        text = _Text(original, normalised, flat)
        found: dict[_Owner, list[tuple[int, int]]] = {}
        excluded: dict[_Owner, list[tuple[int, int]]] = {}
        for pattern, start, end in hits:
            for use in self._finder.uses[pattern]:
                if text.stands(start, end, open_end=use.open_end, only_in_tags=use.only_in_tags):
                    (excluded if use.excludes else found).setdefault(use.owner, []).append((start, end))
        topics: list[str] = []
        flags: list[Flag] = []
        for owner, counted in found.items():
            if owner in excluded:
                counted = [span for span in counted if not _inside(span, excluded[owner])]  # noqa: PLW2901 — the rest of them
                if not counted:
                    continue
            if owner.severity:
                flags.append(Flag(owner.id, owner.severity, text.span(*min(counted, key=lambda span: (span[0], -span[1])))))
            elif owner.context is None or _has_context(owner, text, counted, cache):
                topics.append(owner.id)
        if len(flags) > 1:
            flags.sort(key=lambda flag: (-flag.severity, flag.span, flag.rule))
        return Match(tuple(sorted(topics)), tuple(flags)) if topics or flags else NO_MATCH


def _listed(phrases: Mapping[str, tuple[str, ...]], owner: _Owner, *, excludes: bool) -> list[tuple[str, _Owner, bool]]:
    return [(phrase, owner, excludes) for listed in phrases.values() for phrase in listed]


def _codes(context: Mapping[str, tuple[str, ...]]) -> set[str]:
    return {tag if tag == "*" else language_code(tag) or tag for tag in context}


def _context(context: Mapping[str, tuple[str, ...]]) -> _Finder | None:
    """People mix languages, so the words of all listed languages count once a context is asked for."""
    nobody = _Owner("")
    return _Finder(_listed(context, nobody, excludes=False)) if context else None


def _inside(span: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)


def _has_context(owner: _Owner, text: _Text, spans: list[tuple[int, int]], cache: _Cache) -> bool:
    everywhere = "*" in owner.context_languages
    if cache.known and not everywhere and not owner.context_languages & cache.languages:
        return True
    assert owner.context is not None
    for pattern, start, end in owner.context.hits(text.flat):
        for use in owner.context.uses[pattern]:
            if text.stands(start, end, open_end=use.open_end, only_in_tags=use.only_in_tags):
                return True
    return not cache.known and not everywhere and any(text.speaks_otherwise(start) for start, _ in spans)
