"""What is asked of an instance, and where reading stands: requests, paging, cursors. Pure.

Reading forward: ``min_id`` gives the posts just above an id, forty at a time, so pages follow each other without a hole. On Mastodon an id holds the
time at which a post was *written* (milliseconds shifted by sixteen bits), also when it arrives late from elsewhere: a late one lies below
where we stand, so reading reaches back by a time, and what comes twice is known by its uri. Other software of the same API has other
ids; there nothing reaches back.
"""

from __future__ import annotations

import re
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import orjson

from connectors.discovery import QuotaPlan
from connectors.rest import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.connector import Secret

LIMIT = 40
"""Posts of a page; the most that Mastodon gives."""
CALLS = 2
"""A reading takes a page, and a busy hashtag a second one."""
_OLDEST_MS, _NEWEST_MS = 1_400_000_000_000, 4_000_000_000_000
_id = re.compile(r"[0-9A-Za-z]{1,64}")
_link = re.compile(r"<([^<>]{1,2000})>\s*;\s*rel=\"?(prev|next)\"?")


class Tag(NamedTuple):
    """A hashtag, and the one instance that it is wanted from."""

    name: str
    """Without the #."""
    instance: str
    """Host, lower case; empty: all configured ones."""


class Instance(NamedTuple):
    """What an instance says about itself."""

    domain: str
    streaming: str
    """Base of its websockets."""


def tag_of(handle: str) -> Tag | None:
    """``#tag`` or ``#tag@instance``; None for anything else."""
    if not handle.startswith(("#", "＃")):
        return None
    name, _, instance = handle[1:].strip().partition("@")
    return Tag(name, instance.casefold()) if name else None


def person_of(handle: str) -> str | None:
    """``name@instance`` in lower case, of a person; None for anything else."""
    name, _, instance = handle.strip().removeprefix("@").casefold().partition("@")
    return f"{name}@{instance}" if name and instance and "#" not in name and "＃" not in name else None


def host_of(base: str) -> str:
    """Host, and port where there is one, of an instance's address."""
    return urlsplit(base).netloc.casefold()


# --- asking -------------------------------------------------------------------------------------------------------------


def instance_ask(base: str, token: Secret | None) -> Ask:
    return Ask(url=f"{base.rstrip('/')}/api/v2/instance", headers=_authorised(token))


def read_instance(body: bytes, base: str) -> Instance:
    """With what is missing filled in from the address; never raises."""
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = {}
    found = found if isinstance(found, dict) else {}
    configuration = found.get("configuration")
    urls = configuration.get("urls") if isinstance(configuration, dict) else None
    streaming = urls.get("streaming") if isinstance(urls, dict) else None
    domain = found.get("domain") or found.get("uri")
    scheme = "wss" if urlsplit(base).scheme == "https" else "ws"
    return Instance(
        domain.casefold()[:300] if isinstance(domain, str) and domain else host_of(base),
        streaming
        if isinstance(streaming, str) and streaming.startswith(("wss://", f"{scheme}://"))
        else f"{scheme}://{host_of(base)}",
    )


def login_ask(base: str, token: Secret) -> Ask:
    """Whose token it is; Mastodon refuses one that it does not know."""
    return Ask(url=f"{base.rstrip('/')}/api/v1/accounts/verify_credentials", headers=_authorised(token))


def plan(tags: int, *, poll_seconds: float, requests: int) -> QuotaPlan:
    """What reading so many hashtags needs of an instance's requests; with more each is read less often, and none is left out."""
    each = CALLS * 300.0 / poll_seconds
    wanted = ceil(tags * each)
    slower = (f"each hashtag is read every {ceil(poll_seconds * wanted / requests)} s",) if wanted > requests else ()
    return QuotaPlan(
        items=((f"timelines, every {poll_seconds:g} s", min(wanted, requests)),), wanted=wanted, available=requests,
        fits=floor(requests / each), dropped=slower, first="none; all are read less often", unit="requests", per="five minutes",
        of="hashtags",
    )  # fmt: skip


def timeline_ask(base: str, tag: str, token: Secret | None, **page: str) -> Ask:
    """A page of a hashtag: ``min_id`` reads forward, ``max_id`` back, neither gives the newest."""
    query = urlencode({"limit": LIMIT, **page})
    return Ask(url=f"{base.rstrip('/')}/api/v1/timelines/tag/{quote(tag, safe='')}?{query}", headers=_authorised(token))


def _authorised(token: Secret | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token.reveal()}"} if token else {}


def subscribe_frame(kind: str, tag: str) -> str:
    """``subscribe`` or ``unsubscribe``."""
    return orjson.dumps({"type": kind, "stream": "hashtag", "tag": tag}).decode()


# --- where reading stands -----------------------------------------------------------------------------------------------


def order(local_id: str) -> tuple[int, str]:
    """Ids sort as numbers, or, all of one length, as texts."""
    return len(local_id), local_id


def ids(rows: Iterable[Any]) -> list[str]:
    """Local ids of a page."""
    found = (row.get("id") for row in rows if isinstance(row, dict))
    return [one for one in found if isinstance(one, str) and _id.fullmatch(one)]


def above(rows: Iterable[Any], headers: Mapping[str, str]) -> str | None:
    """Where the next newer page begins: what the Link header says, else the highest id of this one."""
    linked = page_of(headers.get("link", ""), "prev", "min_id")
    highest = max(ids(rows), key=order, default=None)
    return max((one for one in (linked, highest) if one), key=order, default=None)


def below(rows: Iterable[Any], headers: Mapping[str, str]) -> str | None:
    """Where the next older page begins."""
    return page_of(headers.get("link", ""), "next", "max_id") or min(ids(rows), key=order, default=None)


def page_of(link: str, rel: str, parameter: str) -> str | None:
    """An id from a Link header. Only the id: the address is ours, not the server's to choose."""
    for url, name in _link.findall(link[:8000]):
        if name == rel:
            try:
                values = parse_qs(urlsplit(url).query, max_num_fields=50).get(parameter, [])
            except ValueError:
                continue
            if values and _id.fullmatch(values[-1]):
                return str(values[-1])
    return None


def look_back(local_id: str, seconds: float) -> str:
    """An id so much earlier, where ids hold the time."""
    if not local_id.isascii() or not local_id.isdigit():
        return local_id
    number = int(local_id)
    if not _OLDEST_MS <= number >> 16 <= _NEWEST_MS:
        return local_id
    return str(max(0, number - (round(seconds * 1000) << 16)))


def encode_cursor(positions: Mapping[str, str]) -> str:
    """Host → highest id read there."""
    return orjson.dumps(dict(sorted(positions.items()))).decode()


def decode_cursor(cursor: str | None) -> dict[str, str]:
    """Empty for what is no cursor of ours."""
    try:
        found = orjson.loads(cursor or "{}")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {host: one for host, one in found.items() if isinstance(one, str) and _id.fullmatch(one)}
