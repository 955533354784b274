"""What a screen of each profile is given: *room* everything, *stage* what may be seen by everybody. Pure.

Promises: the stage is a list of what may pass, so that a new key of the state stays in the back room until somebody lets it out; what is
hidden is not sent, and nothing that is sent tells that something is hidden. While the wall is frozen the stage gets the numbers of that
moment, and of the messages of that moment those that may still be shown.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config import Config

Profile = Literal["room", "stage"]

NUMBERS: Final = (
    "totals", "countries", "topics", "platforms", "sessions", "livestreams", "cross", "history", "spikes", "trending", "health",
)  # fmt: skip
"""What stands still while the wall is frozen."""
MAY_BE_QUOTED: Final = frozenset({"approved", "clean"})
LIVESTREAMS: Final = ("live", "quiet", "total")
COVERAGE: Final = ("collected", "known_live", "reachable", "consented", "discovery_age_seconds")
HIGHLIGHT: Final = ("text", "language", "country", "platform", "name", "topics", "at", "score", "state", "pinned")
SPIKE: Final = (
    "dimension", "value", "session", "state", "since", "closed_at", "severity", "factor", "actual", "expected", "authors", "top_share",
    "curve",
)  # fmt: skip
ROTATION: Final = ("on", "seconds", "next_at")
BACK_ROOM_SCENES: Final = frozenset({"livestreams"})


def phrases_of(config: Config) -> dict[str, frozenset[str]]:
    """Topic → its names and phrases without what people leave out in a hashtag."""
    return {
        topic.id: frozenset(
            plain(text)
            for text in (topic.id, *topic.name.values(), *(text for texts in topic.phrases.values() for text in texts))
            if plain(text)
        )
        for topic in config.topics
    }


def plain(text: str) -> str:
    """Letters and digits, folded: ``#Flying-Mobility`` is ``flyingmobility``."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """What of a state must be remembered to show it frozen; no texts, so that nothing outlives its retraction."""
    return {name: state[name] for name in NUMBERS if name in state} | {"highlights": sorted(state.get("highlights", {}))}


def frozen(state: Mapping[str, Any], moment: Mapping[str, Any]) -> dict[str, Any]:
    """The state with the numbers of that moment; messages of that moment that are still there, and whichever was pinned since."""
    result = {name: part for name, part in state.items() if name not in NUMBERS}
    result |= {name: moment[name] for name in NUMBERS if name in moment}
    if "highlights" in state:
        messages = {*moment.get("highlights", ()), state.get("wall", {}).get("pinned", {}).get("message")}
        result["highlights"] = {name: one for name, one in state["highlights"].items() if name in messages}
    return result


def stage_state(state: Mapping[str, Any], phrases: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """What a screen on stage is sent instead of ``state``; parts that pass whole are the same objects."""
    hidden = frozenset(state.get("wall", {}).get("embargo", ()))
    words = frozenset(word for topic in hidden for word in phrases.get(topic, (plain(topic),)))
    result = {name: state[name] for name in ("event", "session", "totals", "countries", "platforms", "stale") if name in state}
    result |= {name: _topics(state[name], hidden) for name in ("topics",) if name in state}
    if "sessions" in state:
        result["sessions"] = (
            {name: _session(one, hidden) for name, one in state["sessions"].items()} if hidden else state["sessions"]
        )
    if "livestreams" in state:
        result["livestreams"] = _only(state["livestreams"], LIVESTREAMS)
    if "cross" in state:
        result["cross"] = (
            {name: _crossed(name, table, hidden) for name, table in state["cross"].items()} if hidden else state["cross"]
        )
    if "history" in state:
        result["history"] = _history(state["history"], hidden)
    if "health" in state:
        result["health"] = _health(state["health"])
    if "trending" in state:
        result["trending"] = {tag: one for tag, one in state["trending"].items() if plain(tag) not in words}
    if "highlights" in state:
        quoted = {name: one for name, one in state["highlights"].items() if _may_be_quoted(one, hidden)}
        result["highlights"] = {name: _only(one, HIGHLIGHT) for name, one in quoted.items()}
    if "spikes" in state:
        spikes = {name: _spike(one, hidden, words) for name, one in state["spikes"].items()}
        result["spikes"] = {name: one for name, one in spikes.items() if one is not None}
    if "wall" in state:
        result["wall"] = _wall(state["wall"])
    return result


def _only(one: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: one[name] for name in names if name in one}


def _topics(topics: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    return {name: one for name, one in topics.items() if name not in hidden} if hidden else topics


def _session(one: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    return {name: value for name, value in one.items() if name != "top_topic" or value not in hidden}


def _crossed(name: str, table: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    """``country_topic`` has topics in its columns, ``topic_platform`` in its rows."""
    row, _, column = name.partition("_")
    if row == "topic":
        return _topics(table, hidden)
    if column == "topic":
        return {key: _topics(cells, hidden) for key, cells in table.items()}
    return table


def _history(history: Mapping[str, Any], hidden: frozenset[str]) -> Mapping[str, Any]:
    if not hidden or "topics" not in history:
        return history
    return {**history, "topics": _topics(history["topics"], hidden)}


def _health(health: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(health)
    if "coverage" in health:
        result["coverage"] = _only(health["coverage"], COVERAGE)
    return result


def _may_be_quoted(one: Mapping[str, Any], hidden: frozenset[str]) -> bool:
    return one.get("state") in MAY_BE_QUOTED and hidden.isdisjoint(one.get("topics", ()))


def _spike(one: Mapping[str, Any], hidden: frozenset[str], words: frozenset[str]) -> dict[str, Any] | None:
    """Without owner, hosts and who has seen it; None when it is about a hidden topic."""
    where = one.get("where", {})
    if (one.get("dimension") == "topic" and one.get("value") in hidden) or where.get("topic") in hidden:
        return None
    result = _only(one, SPIKE)
    if place := _only(where, ("platform", "country", "topic")):
        result["where"] = place
    if "why" in one:
        result["why"] = [reason for reason in one["why"] if plain(str(reason.get("word", ""))) not in words]
    return result


def _wall(wall: Mapping[str, Any]) -> dict[str, Any]:
    """What a screen needs in order to obey; not who said so, and not what is hidden."""
    result = _only(wall, ("version", "scene", "pinned", "frozen_at", "rehearsal", "build"))
    result["profile"] = "stage"
    if result.get("scene") in BACK_ROOM_SCENES:
        result["scene"] = "overview"
    if "rotation" in wall:
        result["rotation"] = _only(wall["rotation"], ROTATION)
    if "safe" in wall:
        result["safe"] = {"on": wall["safe"]["on"]}
    return result
