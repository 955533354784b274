"""Where a spike comes from and what is said in it: what a card shows beside the numbers. Pure.

Nothing is invented: who is behind a spike is only told when all of its messages were looked at; a word is only told when several people used
it, and when it was not as usual before. Words come as matching sees them, without names, links and whatever could spoil a screen; the
caller hands in no message that was flagged or retracted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.book import parts
from monitor.enrich.normalise import display, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WORDS = 3
LEAST_SHARE = 0.05
"""Of the people of the spike; a word of fewer explains nothing."""
NEWER = 3.0
"""So many times the share that it had before."""
LONGEST = 24
FEWEST_LETTERS = 2
PART = 0.3
"""Who contributes less of what is too much is not named."""

_LINKS = re.compile(r"https?://\S+|www\.\S+|@\S+")
_TOKEN = re.compile(r"[^\W\d_][\w'-]*")


class Said(NamedTuple):
    """One message of the spike, or of before."""

    author: str
    text: str


def tokens(text: str) -> set[str]:
    """The words of a message, each once; a run of a script without spaces is one word if it is short."""
    plain = _LINKS.sub(" ", normalise(text))
    return {token for token in _TOKEN.findall(plain) if FEWEST_LETTERS <= len(token) <= LONGEST}


def why(now: Sequence[Said], before: Sequence[Said], fewest: int) -> list[dict[str, Any]]:
    """Words that are new: at most three, each with the share of the spike's people who used it; ``fewest`` people must have."""
    people, users = _users(now)
    others, earlier = _users(before)
    if not people:
        return []
    found = []
    for word, who in users.items():
        share = len(who) / people
        then = (len(earlier.get(word, ())) + 0.5) / (others + 1) if others else 0.0
        if len(who) >= fewest and share >= LEAST_SHARE and share >= NEWER * then:
            found.append((-(share - then), word, share))
    return [{"word": display(word), "share": round(share, 2)} for _, word, share in sorted(found)[:WORDS]]


def _users(said: Iterable[Said]) -> tuple[int, dict[str, set[str]]]:
    users: dict[str, set[str]] = {}
    people: set[str] = set()
    for one in said:
        people.add(one.author)
        for token in tokens(one.text):
            users.setdefault(token, set()).add(one.author)
    return len(people), users


def who(authors: Iterable[str]) -> dict[str, Any]:
    """How many people, and the share of the five who did most."""
    counts: dict[str, int] = {}
    for author in authors:
        counts[author] = counts.get(author, 0) + 1
    if not counts:
        return {}
    top = sum(sorted(counts.values(), reverse=True)[:5])
    return {"authors": len(counts), "top_share": round(top / sum(counts.values()), 2)}


def where(head: str, now: Sequence[Mapping[str, int]], before: Sequence[Mapping[str, int]], own: Iterable[str]) -> dict[str, Any]:
    """Who contributes most to what is too much: head → engagement of slots of the spike, and of slots before it.

    ``own``: the livestreams that belong to the series, as far as that is known.
    """
    if not now or not before:
        return {}
    too_much = _excess(now, before)
    whole = too_much.get(head, 0.0)
    if whole <= 0:
        return {}
    found: dict[str, Any] = {}
    for name, prefix, suffix in _looked_at(head):
        best = max(
            ((more, other[len(prefix) : len(other) - len(suffix)]) for other, more in too_much.items()
             if other.startswith(prefix) and other.endswith(suffix) and other != head),
            default=(0.0, ""),
        )  # fmt: skip
        if best[0] >= PART * whole and best[1]:
            found[name] = best[1]
    mine = sorted(((too_much.get(f"livestream:{name}", 0.0), name) for name in own), reverse=True)
    if livestreams := [name for more, name in mine[:3] if more >= PART / 3 * whole]:
        found["livestreams"] = livestreams
    return found


def _looked_at(head: str) -> list[tuple[str, str, str]]:
    """(name in the card, how heads of it begin, how they end)"""
    dimension, _, value = head.partition(":")
    if dimension == "country":
        return [("platform", f"country+platform:{value}+", ""), ("topic", f"country+topic:{value}+", "")]
    if dimension == "topic":
        return [("country", "country+topic:", f"+{value}"), ("platform", "topic+platform:" + f"{value}+", "")]
    if dimension == "total":
        return [("platform", "platform:", ""), ("country", "country:", ""), ("topic", "topic:", "")]
    return []


def _excess(now: Sequence[Mapping[str, int]], before: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """Counts of a slot above those of before."""
    found: dict[str, float] = {}
    for slots, sign in ((now, 1 / len(now)), (before, -1 / len(before))):
        for slot in slots:
            for name, count in slot.items():
                found[name] = found.get(name, 0.0) + count * sign
    return found


def heads(fields: Mapping[str, int], kinds: frozenset[str]) -> dict[str, int]:
    """Head → engagement of a slot."""
    found: dict[str, int] = {}
    for field, count in fields.items():
        head, kind, _, _ = parts(field)
        if kind in kinds:
            found[head] = found.get(head, 0) + count
    return found


def by_country(slot: Mapping[str, int], series: Iterable[str]) -> dict[str, dict[str, int]]:
    """Topic → country → engagement of a slot, all three as heads, of the topics among the series; empty when these pairs are not counted."""
    found: dict[str, dict[str, int]] = {head: {} for head in series if head.startswith("topic:")}
    for head, count in slot.items():
        if head.startswith("country+topic:"):
            country, _, topic = head.removeprefix("country+topic:").partition("+")
            if f"topic:{topic}" in found:
                found[f"topic:{topic}"][f"country:{country}"] = max(0, count)
    return found if any(found.values()) else {}
