"""What people of the roster announce in their posts is looked at before its turn, whoever's it turns out to be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from connectors.bluesky import Bluesky
from connectors.connector import Tools, make_pseudonym
from connectors.event import Message, from_json
from monitor.channels import Row
from monitor.posted import Posted
from monitor.roster import parse_roster

NOW = datetime(2026, 10, 17, 12, 0, tzinfo=UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"posted"), now=lambda: NOW)
ROSTER = parse_roster(
    "attendee,platform,handle,native_id,consent\n"
    "1,bluesky,ana.example.com,did:plc:aaaa,yes\n1,youtube,ana,UCaaaaaaaaaaaaaaaaaaaaaa,yes\n1,twitch,ana_1,77,yes\n"
    "2,bluesky,bo.example.com,did:plc:bbbb,yes\n"
    "3,bluesky,cy.example.com,did:plc:cccc,yes\n3,youtube,cy,UCcccccccccccccccccccccc,no\n"
)
ANA = "bluesky:ana.example.com"
VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


def post(text="", *, livestream=ANA, links=(), form="post"):
    about = {"id": "bluesky:1", "platform": "bluesky", "at": NOW, "received_at": NOW}
    return Message(**about, livestream=livestream, text=text, links=links, form=form)


def told(*events, posted=None, now=NOW, rows=None):
    hints = (posted or Posted()).hints(events, ROSTER, rows or {}, now, require_consent=True)
    return [(platform, hint.what, hint.native_id, hint.broadcast) for platform, hint in hints]


def test_the_ids_of_the_sample_are_those_of_the_roster():
    assert ANA in {channel.id for channel in ROSTER.channels}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (post(f"I am live! {VIDEO}"), ("youtube", "look", "UCaaaaaaaaaaaaaaaaaaaaaa", "dQw4w9WgXcQ")),
        (
            post("live now youtube.com/watch?v=dQ…", links=(VIDEO,)),
            ("youtube", "look", "UCaaaaaaaaaaaaaaaaaaaaaa", "dQw4w9WgXcQ"),
        ),
        (post("come to https://www.twitch.tv/Ana_1 !"), ("twitch", "began", "77", None)),
    ],
)
def test_an_address_of_ones_own_makes_discovery_look(event, expected):
    assert told(event) == [expected]


@pytest.mark.parametrize(
    "event",
    [
        post("no address"),
        post("https://www.twitch.tv/somebody_else"),
        post("https://twitch.tv/videos/123456"),
        post(VIDEO, livestream="bluesky:bo.example.com"),
        post(VIDEO, livestream="bluesky:cy.example.com"),
        post(VIDEO, livestream=None),
        post(VIDEO, livestream="youtube:ana", form="comment"),
        post("https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ"),
    ],
    ids=["none", "another's", "a recording", "no channel there", "no consent there", "a stranger", "a comment", "a forged host"],
)
def test_anything_else_is_nothing(event):
    assert told(event) == []


def test_the_id_that_discovery_found_counts_more_than_that_of_the_roster():
    rows = {"twitch:ana_1": Row(platform="twitch", handle="ana_1", native_id="99")}
    assert told(post("https://twitch.tv/ana_1"), rows=rows) == [("twitch", "began", "99", None)]


def test_posting_does_not_empty_a_quota():
    posted = Posted()
    videos = [f"https://youtu.be/{number:011}" for number in range(50)]
    assert len(told(*(post(video) for video in videos), posted=posted)) == 1
    assert told(post(videos[0]), posted=posted, now=NOW + timedelta(minutes=5)) == [], "the same again"
    assert len(told(post(videos[1]), posted=posted, now=NOW + timedelta(minutes=5))) == 1
    assert len(told(post(videos[0]), posted=posted, now=NOW + timedelta(minutes=11))) == 1


def test_bluesky_says_where_a_post_of_the_roster_links_to():
    record = {
        "text": "live now", "embed": {"$type": "app.bsky.embed.external", "external": {"uri": VIDEO, "title": "x"}},
        "facets": [{"features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://twitch.tv/ana_1"}, None, {"uri": "javascript:x"}]}, 5],
    }  # fmt: skip
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "k", "record": record}
    frame = json.dumps({"did": "did:plc:aaaa", "time_us": 1783175888094841, "kind": "commit", "commit": commit}).encode()
    (message,) = Bluesky.parse(frame, TOOLS, livestreams={"did:plc:aaaa": ANA})
    assert message.links == (VIDEO, "https://twitch.tv/ana_1")
    assert [platform for platform, *_ in told(message)] == ["youtube", "twitch"]
    for strange in ({"embed": 5}, {"embed": {"external": []}}, {"facets": {}}, {"facets": [{"features": 5}]}):
        commit["record"] = {"text": "x", **strange}
        frame = json.dumps({"did": "did:plc:aaaa", "time_us": 1783175888094841, "kind": "commit", "commit": commit}).encode()
        (message,) = Bluesky.parse(frame, TOOLS, livestreams={"did:plc:aaaa": ANA})
        assert message.links == ()


def test_a_journal_of_before_is_still_read():
    line = b'{"kind":"message","id":"bluesky:1","platform":"bluesky","at":"2026-10-17T12:00:00Z","received_at":"2026-10-17T12:00:00Z","text":"x"}'
    assert from_json(line).links == ()
