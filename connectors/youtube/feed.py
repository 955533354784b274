"""One Atom feed of YouTube's hub to the videos that it names. Pure.

::

    <feed xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015">
     <entry><id>yt:video:dQw4w9WgXcQ</id><yt:videoId>dQw4w9WgXcQ</yt:videoId><yt:channelId>UC…</yt:channelId>
      <title>We are live</title><published>2026-10-16T12:00:00+00:00</published><updated>…</updated></entry></feed>
    <feed …><at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="yt:video:dQw4w9WgXcQ" when="…">…</at:deleted-entry></feed>

Namespaces are overlooked, so that a changed year in one of them changes nothing. Documents with a DTD or entities are not read at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.connector import Unreadable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

REASONS: Final = frozenset({"not_xml", "has_entities", "not_a_feed"})
"""Every reason that Unreadable may give."""
MOST: Final = 50
"""Of a feed; a notification has one."""
_VIDEO = re.compile(r"[\w-]{11}", re.ASCII)
_CHANNEL = re.compile(r"UC[\w-]{22}", re.ASCII)


class Entry(NamedTuple):
    """One video of a feed."""

    video: str
    channel: str | None
    """Whose it is; None where the feed does not say."""
    deleted: bool = False
    at: str = ""
    """When it was changed or taken away, as the feed writes it."""


def entries(document: bytes) -> list[Entry]:
    """The videos of a feed, each once; entries that name none are left out. Raises Unreadable and nothing else."""
    try:
        root = fromstring(document, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Unreadable("has_entities") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:  # also an encoding that nobody knows
        raise Unreadable("not_xml") from error
    if _name(root) not in ("feed", "entry", "deleted-entry"):
        raise Unreadable("not_a_feed")
    found: dict[str, Entry] = {}
    for element in root.iter():
        entry = _entry(element)
        if entry is not None:
            found.setdefault(entry.video, entry)
            if len(found) == MOST:
                break
    return list(found.values())


def _entry(element: Element) -> Entry | None:
    match _name(element):
        case "entry":
            texts = {_name(child): (child.text or "").strip() for child in element}
            video = _video(texts.get("videoId", "")) or _video(texts.get("id", ""))
            channel = texts.get("channelId", "")
            at = texts.get("updated") or texts.get("published") or ""
            return Entry(video, channel if _CHANNEL.fullmatch(channel) else None, at=at) if video else None
        case "deleted-entry":
            video = _video(element.get("ref", ""))
            pages = ((child.text or "").strip().rpartition("/")[2] for child in element.iter() if _name(child) == "uri")
            channel = next((page for page in pages if _CHANNEL.fullmatch(page)), "")
            return Entry(video, channel or None, deleted=True, at=element.get("when", "")) if video else None
        case _:
            return None


def _name(element: Element) -> str:
    """Without its namespace; comments and instructions have no name."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _video(text: str) -> str:
    video = text.removeprefix("yt:video:")
    return video if _VIDEO.fullmatch(video) else ""
