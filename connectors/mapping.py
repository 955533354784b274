"""The table that a person writes to turn foreign JSON into events: one JSON pointer per field. docs/webhooks.md shows tables in use.

``compile_map`` checks a table once and says every mistake in one sentence (ValueError). Applying it is mapped.py's.

A field is found by pointer (RFC 6901), or by the first of several that finds something. ``/a/b`` starts at the item, ``^/a`` at the
whole document when ``items`` takes it apart, ``@/a`` at what came around it: ``@/id`` and ``@/event`` of server-sent events,
``@/header/x-roomid`` and ``@/query/room`` of a webhook.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVELS: Final = ("reactions", "comments", "shares", "follows", "gifts", "joins")
STATES: Final = ("live", "ended", "offline")
KINDS: Final = (
    "message", "comment", "post", "reaction", "share", "follow", "join", "gift", "viewers", "removed", "cleared", "skip",
    *STATES, *(f"level:{what}" for what in LEVELS),
)  # fmt: skip
FIELDS: Final = (
    "kind", "id", "id_here", "scope", "at", "channel", "broadcast", "author", "author_name", "text", "language", "reply_to", "url", "count",
    "reaction", "name", "amount", "amount_minor", "exponent", "currency", "display", "value", "target", "target_here", "target_author",
    "streak", "streak_total", "reason",
)  # fmt: skip
KEYS: Final = (
    *FIELDS, "items", "inner_json", "type_map", "skip_if", "plain_if", "html", "const", "digest", "id_and", "same_within_seconds",
)  # fmt: skip

OUR_OWN: Final[Mapping[str, Any]] = {
    "kind": "/type", "id": "/id", "at": "/at", "channel": "/channel", "broadcast": "/broadcast",
    "author": ["/author/id", "/author"], "author_name": ["/author/name", "/author"], "text": "/text", "language": "/language", "reply_to": "/reply_to",
    "url": "/url", "count": "/count", "reaction": "/reaction", "name": "/name", "amount": "/amount", "currency": "/currency",
    "value": "/value", "target": "/target", "reason": "/reason", "const": {"kind": "message"},
}  # fmt: skip
"""What a partner who writes for us sends; used where the configuration has no map."""

Pointer = tuple[str, tuple[str, ...]]
"""(where it starts: ``""`` item, ``^`` document, ``@`` around), (tokens)."""
Conditions = tuple[tuple[Pointer, tuple[Any, ...]], ...]
"""(where, values of which one must be found there)."""


# --- what a table becomes ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """Where a field is looked for, and what it is when it is not there."""

    pointers: tuple[Pointer, ...] = ()
    const: Any = None


@dataclass(frozen=True, slots=True)
class Make:
    """One event that a document becomes."""

    kind: str
    fields: Mapping[str, Found]
    skip_if: Conditions = ()
    needs: tuple[Pointer, ...] = ()
    """One of these must find something, or the document is not of this kind."""
    unless: tuple[Pointer, ...] = ()
    """None of these may find something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A compiled table."""

    fields: Mapping[str, Found]
    makes: Mapping[str, tuple[Make, ...]]
    items: tuple[Pointer, ...]
    inner_json: tuple[Pointer, ...]
    skip_if: Conditions
    plain_if: Conditions
    html: bool
    digest: tuple[Pointer, ...]
    id_and: tuple[Pointer, ...]
    same_within_seconds: float


# --- reading the table --------------------------------------------------------------------------------------------------


def compile_map(table: Mapping[str, Any]) -> Plan:
    """A table as it stands in the configuration; raises ValueError with a sentence that names the key and what was expected."""
    for key in table:
        _known(key, KEYS, "map")
    const = _table(table.get("const", {}), "const")
    for name in const:
        _known(name, FIELDS, "map const")
    fields = {name: Found(_pointers(table.get(name, ()), name), const.get(name)) for name in FIELDS}
    type_map = _table(table.get("type_map", {}), "type_map")
    seconds = table.get("same_within_seconds", 5)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86_400:
        raise ValueError("map same_within_seconds: expected a number of seconds")
    if not isinstance(table.get("html", False), bool):
        raise ValueError("map html: expected true or false")  # noqa: TRY004 — as in _table
    return Plan(
        fields=fields,
        makes={word: tuple(_makes(what, f"type_map {word!r}", fields)) for word, what in type_map.items()}
        or {kind: (Make(kind, fields),) for kind in KINDS},
        items=_pointers(table.get("items", ()), "items"),
        inner_json=_pointers(table.get("inner_json", ()), "inner_json"),
        skip_if=_conditions(table.get("skip_if", {}), "skip_if"),
        plain_if=_conditions(table.get("plain_if", {}), "plain_if"),
        html=table.get("html", False),
        digest=_pointers(table.get("digest", ()), "digest"),
        id_and=_pointers(table.get("id_and", ()), "id_and"),
        same_within_seconds=float(seconds),
    )


def _makes(what: Any, where: str, fields: Mapping[str, Found]) -> Iterable[Make]:
    for one in what if isinstance(what, list | tuple) else [what]:
        if isinstance(one, str):
            yield Make(_known(one, KINDS, f"map {where}"), fields)
            continue
        table = _table(one, where)
        own = {name: value for name, value in table.items() if name not in ("as", "skip_if", "needs", "unless", "const")}
        const = _table(table.get("const", {}), where)
        for name in (*own, *const):
            _known(name, FIELDS, f"map {where}")
        changed = {
            name: Found(
                _pointers(own[name], f"{where} {name}") if name in own else fields[name].pointers,
                const.get(name, fields[name].const),
            )
            for name in {**own, **const}
        }
        kind = _known(str(table.get("as", "")), KINDS, f"map {where} as")
        yield Make(
            kind, {**fields, **changed}, _conditions(table.get("skip_if", {}), f"{where} skip_if"),
            _pointers(table.get("needs", ()), f"{where} needs"), _pointers(table.get("unless", ()), f"{where} unless"),
        )  # fmt: skip


def _known(name: str, known: tuple[str, ...], where: str) -> str:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"known are: {', '.join(sorted(known))}"
        raise ValueError(f'{where}: unknown "{name}"; {hint}')
    return name


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"map {where}: expected a table")  # noqa: TRY004 — one kind of error for everything a person wrote
    return value


def _pointers(value: Any, where: str) -> tuple[Pointer, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f'map {where}: expected a JSON pointer such as "/user/name", or a list of them')
    return tuple(pointer(text, where) for text in texts)


def pointer(text: str, where: str = "pointer") -> Pointer:
    """``/a/b~1c``, ``^/a`` or ``@/id`` in parts; raises ValueError."""
    start, rest = (text[0], text[1:]) if text[:1] in ("^", "@") else ("", text)
    if rest and not rest.startswith("/"):
        raise ValueError(f'map {where}: expected a JSON pointer such as "/user/name", found "{text}"')
    return start, tuple(token.replace("~1", "/").replace("~0", "~") for token in rest.split("/")[1:])


def _conditions(value: Any, where: str) -> Conditions:
    return tuple(
        (pointer(name, where), tuple(wanted) if isinstance(wanted, list) else (wanted,))
        for name, wanted in _table(value, where).items()
    )
