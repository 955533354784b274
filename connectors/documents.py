"""Raw documents to events: what the generic connectors and receivers do with bytes once they have them. Pure."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from connectors.connector import Unreadable
from connectors.foreign import decode
from connectors.mapped import Reading, events_of, unreadable_event
from connectors.mapping import Plan, compile_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.event import Event


def plan_of(table: Mapping[str, Any]) -> Plan:
    """The compiled table; a thousand connections of one section share it."""
    return _compiled(orjson.dumps(dict(table)))


@lru_cache(maxsize=64)
def _compiled(table: bytes) -> Plan:
    return compile_map(orjson.loads(table))


@lru_cache
def usual(options: Callable[[], Any]) -> Any:
    """The options of a kind without a configuration, checked once."""
    return options()


def read_or_tell(plan: Plan, document: bytes, reading: Reading) -> list[Event]:
    """The events of a document; of one that cannot be read, that it came."""
    try:
        return events_of(plan, decode(document), reading)
    except Unreadable as error:
        return [unreadable_event(reading, hashlib.blake2b(document, digest_size=16).hexdigest(), error.reason)]


def events_of_all(plan: Plan, documents: Sequence[bytes], reading: Reading) -> list[Event]:
    """The events of several; raises Unreadable when nothing at all can be read."""
    if len(documents) == 1:
        return events_of(plan, decode(documents[0]), reading)
    found = {event.id: event for document in documents for event in read_or_tell(plan, document, reading)}
    if all(event.id.startswith(f"{reading.platform}:unreadable:") for event in found.values()):
        raise Unreadable("not_json")
    return list(found.values())
