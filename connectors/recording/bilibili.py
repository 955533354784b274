"""Bilibili danmaku XML: comments that float over a video, posted days apart at places of the video. Pure.

``<d p="offset,mode,size,color,unix time,pool,user hash,row id,weight">text</d>``. ``offset`` is the place in the video and decides when a
replay says it; ``unix time`` is when it was posted and is the event's time. Older files have no row id.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.connector import Unreadable
from connectors.recording.entry import EPOCH, Entry, Maker, number

if TYPE_CHECKING:
    from collections.abc import Iterator

# XML 1.0 allows neither of these, and danmaku are full of them.
_forbidden = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|&#(?:x0*(?:[0-8bcBCefEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));"
)


def parse_document(data: bytes, maker: Maker) -> Iterator[Entry | Unreadable]:
    """All danmaku in the order of the video; at the end the reasons why some could not be read. Raises Unreadable when it is no XML at all."""
    try:
        root = fromstring(_forbidden.sub("", data.decode("utf-8-sig", "replace")))
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise Unreadable("not_xml") from error
    found = [parse_danmaku(element.get("p", ""), "".join(element.itertext()), maker) for element in root.iter("d")]
    yield from sorted((one for one in found if isinstance(one, Entry)), key=lambda entry: entry.offset)
    yield from (one for one in found if isinstance(one, Unreadable))


def parse_danmaku(place: str, text: str, maker: Maker) -> Entry | Unreadable:
    fields = place.split(",")
    offset = number(fields[0])
    posted = number(fields[4]) if len(fields) > 4 else None
    if offset is None or posted is None:
        return Unreadable("missing_place")
    user = fields[6] if len(fields) > 6 else None
    row = fields[7].strip() if len(fields) > 7 else None
    try:
        at = EPOCH + timedelta(seconds=posted)
    except OverflowError:
        return Unreadable("wrong_time")
    return Entry(offset, maker.message(row, posted, at, author=user, name=None, text=text))
