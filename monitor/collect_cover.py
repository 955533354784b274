"""How far each livestream is covered, and how that is stored: the next owner resumes from there, or knows where its gap begins."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from connectors.connector import Mark, Resume
from connectors.event import Gap, Status, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connectors.event import Event

CURSORS = "{cur}"
"""Hash: livestream → Resume."""
AT_ONCE = 1000


def encode_resume(resume: Resume) -> bytes:
    return orjson.dumps({"cursor": resume.cursor, "covered_until": resume.covered_until})


def decode_resume(data: bytes | None) -> Resume:
    if not data:
        return Resume()
    found = orjson.loads(data)
    until = found.get("covered_until")
    return Resume(cursor=found.get("cursor"), covered_until=datetime.fromisoformat(until) if until else None)


def later(resume: Resume, cursor: str | None, covered_until: datetime | None) -> Resume:
    """The resume moved forward; it never goes back."""
    if covered_until is not None and resume.covered_until is not None and covered_until < resume.covered_until:
        covered_until = None
    return Resume(cursor=cursor or resume.cursor, covered_until=covered_until or resume.covered_until)


def covered(items: Iterable[Event | Mark], known: Mapping[str, Resume]) -> dict[str, Resume]:
    """Those of the known ones that these items, in their order, move; of the others their owners know better."""
    moved: dict[str, Resume] = {}
    for item in items:
        names = item.livestreams if isinstance(item, Mark) else (item.livestream,)
        cursor, until = _reach(item)
        if cursor is None and until is None:
            continue
        for name in names:
            if name is not None and name in known:
                moved[name] = later(moved.get(name) or known[name], cursor, until)
    return moved


def _reach(item: Event | Mark) -> tuple[str | None, datetime | None]:
    """(cursor, time) up to which this item says that all is there."""
    match item:
        case Mark():
            return item.cursor, item.covered_until
        case Gap():
            return None, item.to
        case Status() | Unknown():
            return None, None
        case _:
            # A time that is its receipt's, or ahead of it, would hide what was said before and is still on its way: there only marks count.
            return None, item.at if item.at < item.received_at else None


async def claimed(redis: Any, names: Sequence[str], now: datetime) -> dict[str, Resume]:
    """Where we go on with these livestreams.

    From the first claim on we answer for a livestream: what comes before its first join, or before a kill, is a gap.
    """
    found: dict[str, Resume] = {}
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        for name, data in zip(some, await redis.hmget(CURSORS, list(some)), strict=True):
            found[name] = decode_resume(data)
    fresh = [name for name in names if found[name] == Resume()]
    if fresh:
        first = Resume(covered_until=now)
        pipeline = redis.pipeline(transaction=False)
        for name in fresh:
            found[name] = first
            pipeline.hsetnx(CURSORS, name, encode_resume(first))
        await pipeline.execute()
    return found


async def store(redis: Any, resumes: Mapping[str, Resume]) -> None:
    await redis.hset(CURSORS, mapping={name: encode_resume(resume) for name, resume in resumes.items()})
