"""What Mastodon writes for each post: pure functions from the crowd's words to statuses, timelines and frames.

A status has an id of the instance, which holds the time of writing, and a uri that is the same on every instance. Words are HTML, hashtags are
links, people of other instances carry theirs in their name.
"""

from __future__ import annotations

import hashlib
import html
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from connectors.simulator.lines import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

DOMAIN: Final = "social.simulated.example"
ELSEWHERE: Final = ("fedi.example", "toot.example", "汽车.example")
LONGEST: Final = 500
"""Characters of a post."""
_HASHTAG: Final = re.compile(r"(?<!\S)#(\w+)")
_encode = msgspec.json.Encoder().encode


class Post(NamedTuple):
    """A post as its author wrote it."""

    at: int
    """Unix milliseconds."""
    who: str
    """``name@domain``."""
    text: str
    warning: str
    language: str
    number: int

    @property
    def id(self) -> int:
        """The instance's id of it."""
        return self.at << 16 | self.number & 0xFFFF

    @property
    def uri(self) -> str:
        """The same everywhere."""
        name, _, domain = self.who.partition("@")
        return f"https://{domain}/users/{quote(name)}/statuses/{self.id}"

    @property
    def tags(self) -> frozenset[str]:
        """Hashtags in it, folded, without the #."""
        return frozenset(tag.casefold() for tag in _HASHTAG.findall(self.text))

    @property
    def words(self) -> str:
        """What a reader sees."""
        return " ".join(part for part in (self.warning, one_line(self.text)) if part)


def address(handle: str) -> str:
    """``name@domain`` of a roster's handle; without a domain it is one of ours."""
    name = handle.lower().lstrip("@")
    return name if "@" in name else f"{name}@{DOMAIN}"


def status(post: Post, *, edited_at: float | None = None) -> dict[str, Any]:
    """A public status as the instance shows it."""
    name, _, domain = post.who.partition("@")
    account = {
        "id": str(hash_of(post.who)),
        "username": name,
        "acct": name if domain == DOMAIN else post.who,
        "display_name": name.replace("_", " ").title(),
        "bot": False,
    }
    return {
        "id": str(post.id),
        "uri": post.uri,
        "url": f"https://{domain}/@{quote(name)}/{post.id}",
        "created_at": moment(post.at / 1000),
        "edited_at": moment(edited_at) if edited_at else None,
        "content": markup(post.text),
        "spoiler_text": post.warning,
        "sensitive": bool(post.warning),
        "visibility": "public",
        "language": post.language or None,
        "in_reply_to_id": None,
        "reblog": None,
        "account": account,
        "tags": [{"name": tag, "url": f"https://{DOMAIN}/tags/{quote(tag)}"} for tag in sorted(post.tags)],
        "media_attachments": [],
        "favourites_count": 0,
        "reblogs_count": 0,
        "replies_count": 0,
    }


def hash_of(text: str) -> int:
    """A number for a text, always the same one."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def markup(text: str) -> str:
    """The HTML of a post."""
    escaped = html.escape(text, quote=False)
    linked = _HASHTAG.sub(
        lambda tag: (
            f'<a href="https://{DOMAIN}/tags/{quote(tag[1])}" class="mention hashtag" rel="tag">#<span>{tag[1]}</span></a>'
        ),
        escaped,
    )
    return f"<p>{linked.replace(chr(10), '<br />')}</p>"


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def frame(tag: str, event: str, payload: str) -> bytes:
    """One event on the streaming websocket; the payload is a text."""
    return _encode({"stream": ["hashtag", tag], "event": event, "payload": payload})


def block(event: str, payload: str) -> bytes:
    """The same as server-sent event."""
    return f"event: {event}\ndata: {payload}\n\n".encode()


def page(rows: Sequence[bytes]) -> bytes:
    """A timeline."""
    return b"[" + b",".join(rows) + b"]"


def link(address_of_page: str, newest: int, oldest: int) -> str:
    """Where the pages beside this one are."""
    return f'<{address_of_page}?max_id={oldest}>; rel="next", <{address_of_page}?min_id={newest}>; rel="prev"'
