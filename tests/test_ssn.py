"""Social Stream Ninja: what its payloads are worth, and that a session is shown to nobody."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from fake_ssn import SESSION, FakeSsn
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Target, Tools, Unreadable, Watch, make_pseudonym
from connectors.event import Follow, Gift, Join, Level, Message, Reaction, Removed, Share, Unknown, Viewers
from connectors.ssn import Options, Ssn
from monitor.handles import BadHandle, normalise, seal
from monitor.roster import parse_roster

NOW = datetime(2026, 10, 16, 12, 0, 2, tzinfo=UTC)
PSEUDONYM = make_pseudonym(b"key of these tests")


def parse(now=NOW, options=None, **payload):
    raw = orjson.dumps(payload)
    return Ssn.parse_with(options or Options(), raw, Tools(pseudonym=PSEUDONYM, now=lambda: now))


CHAT = {"type": "twitch", "chatname": "Ana", "chatmessage": "hi", "textonly": True, "event": False, "hasDonation": ""}


def test_words_are_html_unless_they_are_said_to_be_text():
    assert parse(**{**CHAT, "chatmessage": "a &lt; <b>b</b>", "textonly": False})[0].text == "a < b"
    assert parse(**{**CHAT, "chatmessage": "a &lt; <b>b</b>"})[0].text == "a &lt; <b>b</b>"


def test_a_donation_keeps_its_words_whole_and_is_read_leniently():
    for shown, count, value in (
        ("$5.00", 1, (500, 2, "USD")),
        ("500 bits", 1, (500, 0, "BITS")),
        ("3 roses", 3, (0, 0, None)),
        ("wow", 1, (0, 0, None)),
    ):
        message, gift = parse(**{**CHAT, "id": 1, "hasDonation": shown})
        assert isinstance(message, Message)
        assert (gift.name, gift.count, (gift.amount_minor, gift.exponent, gift.currency)) == (shown, count, value)


def test_a_donation_without_words_and_words_without_a_donation():
    assert [type(event) for event in parse(**{**CHAT, "chatmessage": "", "hasDonation": "3 roses"})] == [Gift]
    assert [type(event) for event in parse(**CHAT)] == [Message]


@pytest.mark.parametrize(
    ("event", "more", "kinds"),
    [
        ("viewer_update", {"meta": 1234}, [Viewers]),
        ("likes_update", {"meta": "56,789"}, [Level]),
        ("viewer_updates", {"meta": {"twitch": 5}}, []),
        ("follower_update", {"meta": 5}, []),
        ("new_follower", {}, [Follow]),
        ("joined", {}, [Join]),
        ("raid", {}, [Share]),
        ("reaction", {"meta": {"reactionType": "❤"}}, [Reaction]),
        ("sponsorship", {"membership": "MEMBERSHIP"}, [Gift]),
        ("resub", {"chatmessage": "two years!"}, [Message, Gift]),
        ("giftredemption", {}, []),
        ("superchat", {"hasDonation": "€2", "chatmessage": "gg"}, [Message, Gift]),
        ("jeweldonation", {"hasDonation": "10 Jewels", "chatmessage": "sent a gift"}, [Gift]),
        ("thankyou", {"hasDonation": "$1", "chatmessage": "Thank you for your donation!"}, [Gift]),
        (True, {"chatmessage": "Ana was promoted"}, []),
        (True, {"hasDonation": "5 coins"}, [Gift]),
        ("brand_new", {"meta": {}}, [Unknown]),
    ],
)
def test_each_event_is_what_it_is(event, more, kinds):
    found = parse(type="youtube", chatname="Ana", event=event, textonly=True, **more)
    assert [type(one) for one in found] == kinds


def test_likes_of_two_sites_are_two_levels():
    """A level's increment comes from the level before it: mixed, each update would count the difference of two sites."""
    first, second = (parse(type=site, event="likes_update", meta=n)[0] for site, n in (("tiktok", 9000), ("youtube", 10)))
    assert first.broadcast != second.broadcast


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"meta": {"messageId": "m"}}, {"meta": {"messageId": "m"}, "id": 9}, True),
        ({"id": 1}, {"id": 1}, True),
        ({"id": 1}, {"id": 2}, False),
        ({"id": 1}, {"id": 1, "type": "kick"}, False),
        ({}, {}, True),
        ({}, {"chatmessage": "ho"}, False),
        ({}, {"chatname": "Bo"}, False),
        ({}, {"chatimg": "other.png"}, True),
    ],
)
def test_what_makes_two_messages_the_same(one, other, same):
    ids = [parse(**{**CHAT, **more})[0].id for more in (one, other)]
    assert (ids[0] == ids[1]) is same


def test_without_an_id_the_same_words_later_are_said_again():
    ids = [parse(now=NOW + timedelta(seconds=s), **CHAT)[0].id for s in (0, 2, 3, 60)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_deletions_meet_their_messages_and_their_authors():
    message = parse(**{**CHAT, "userid": "77", "meta": {"messageId": "m1"}})[0]
    [removed] = parse(delete={"type": "twitch", "meta": {"messageId": "m1"}})
    assert isinstance(removed, Removed)
    assert removed.target == message.id
    [banned] = parse(delete={"type": "twitch", "userid": "77"})
    assert (banned.target, banned.target_author) == (None, message.author)
    [by_name] = parse(delete={"type": "twitch", "chatname": "Bo"})
    assert by_name.target_author == parse(**{**CHAT, "chatname": "Bo"})[0].author


def test_sites_that_are_read_directly_are_left_out():
    options = Options(not_from=("twitch",))
    assert parse(options=options, **CHAT) == []
    assert len(parse(options=options, **{**CHAT, "type": "tiktok"})) == 1


def test_a_key_of_the_map_may_be_replaced():
    assert parse(options=Options(map={"html": False}), **{**CHAT, "chatmessage": "<b>", "textonly": False})[0].text == "<b>"


def test_an_empty_message_is_unreadable():
    with pytest.raises(Unreadable):
        parse(**{**CHAT, "chatmessage": ""})


@given(st.dictionaries(st.sampled_from(["type", "event", "chatname", "chatmessage", "hasDonation", "meta", "delete", "id", "textonly"]),
                       st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5) | st.dictionaries(st.sampled_from(["messageId", "type", "id"]), st.integers(0, 3))))  # fmt: skip
def test_no_payload_breaks_it(payload):
    try:
        events = parse(**payload)
    except Unreadable:
        return
    assert all(event.platform == "ssn" for event in events)


# --- the session is a secret ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pasted",
    [
        "aBcDeF123",
        "session:aBcDeF123",
        "https://socialstream.ninja/dock.html?session=aBcDeF123&x=1",
        "wss://io.socialstream.ninja/join/aBcDeF123/4",
        "https://io.socialstream.ninja/sse/aBcDeF123",
    ],
)
def test_a_session_is_taken_out_of_whatever_is_pasted(pasted):
    assert normalise("ssn", pasted) == "aBcDeF123"


@pytest.mark.parametrize("pasted", ["https://socialstream.ninja/", "a b c d", "x", "https://io.socialstream.ninja/join"])
def test_what_is_no_session(pasted):
    with pytest.raises(BadHandle):
        normalise("ssn", pasted)


def test_the_roster_shows_a_session_to_nobody():
    roster = parse_roster("attendee,platform,handle,consent\nA1,ssn,aBcDeF123,yes\nA2,ssn,aBcDeF124,yes\nA3,ssn,aBcDeF123,yes\n")
    first, second = roster.channels
    assert "aBcDeF" not in f"{first.id} {first.handle} {first.name} {roster.problems}"
    assert (first.native_id, first.handle) == ("aBcDeF123", seal("ssn", "aBcDeF123"))
    assert first.id != second.id
    assert seal("ssn", first.handle) == first.handle
    assert seal("twitch", "aBcDeF123") == "aBcDeF123"


async def test_a_relay_without_a_session_in_its_address_is_joined_by_a_frame():
    async with FakeSsn() as server:
        watch = Watch([Target(livestream="ssn:session-x", handle="session-x", native_id=SESSION)])
        connector = Ssn(Options(url=server.url), watch, Tools(pseudonym=PSEUDONYM))
        async with asyncio.timeout(30), aclosing(connector.events()) as items:
            await anext(items)
            await server.until(lambda: bool(server.heard_frames))
            said = asyncio.create_task(server.say("session-x", "hi"))
            found = [await anext(items), await anext(items)]
            await said
    assert [orjson.loads(frame) for frame in server.heard_frames] == [{"join": SESSION, "in": 4, "out": 1}]
    assert [event.livestream for event in found] == ["ssn:session-x"] * 2


async def test_the_session_stands_in_the_address_of_the_relay():
    async with FakeSsn() as server:
        connector = Ssn(
            server.options(),
            Watch([server.target("session-x", Target(livestream="", handle="").resume)]),
            Tools(pseudonym=PSEUDONYM),
        )
        async with asyncio.timeout(30), aclosing(connector.events()) as items:
            await anext(items)
    assert server.asked[0].path == f"/join/{SESSION}/4"
