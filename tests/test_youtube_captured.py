"""What YouTube really sends, as people keep it, through `monitor parse youtube`: shapes that no document shows, and none is lost or mistaken."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import pytest

from connectors.connector import make_pseudonym

SHOWN = make_pseudonym(b"monitor parse")
CHAT = "KicKGFVDYW5h"
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def parse(parse_capture):
    return partial(parse_capture, "youtube")


def item(kind: str, native: str = "LCC.1", *, author: object = ..., **snippet: object) -> dict:
    found: dict = {
        "kind": "youtube#liveChatMessage", "etag": "e", "id": native,
        "snippet": {"type": kind, "liveChatId": CHAT, "authorChannelId": "UCzoe", "publishedAt": "2026-10-16T11:50:00.645+00:00", "hasDisplayContent": True, **snippet},
        "authorDetails": {"channelId": "UCzoe", "displayName": "@zoe", "isChatOwner": False},
    }  # fmt: skip
    if author is not ...:
        found["authorDetails"] = author
    return found


def answer(*items: dict, **more: object) -> dict:
    return {
        "kind": "youtube#liveChatMessageListResponse",
        "etag": "x",
        "pollingIntervalMillis": 1043,
        "nextPageToken": "GL-1",
        "items": [*items],
        **more,
    }


TEXT = item("textMessageEvent", displayMessage="olá 🚗", textMessageDetails={"messageText": "olá 🚗"})
PAGES = [answer(TEXT), answer(item("textMessageEvent", "LCC.2", displayMessage="two"), nextPageToken="GL-2")]


# --- however it was saved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        lambda text: text.rstrip().removesuffix("]"),
        lambda text: text + "\n" + text.replace("LCC.", "LCD."),
        lambda text: "HTTP/2 200\ncontent-type: application/json; charset=UTF-8\nvary: X-Origin\n\n" + text,
        lambda text: json.dumps(
            {"url": "https://youtube.googleapis.com/youtube/v3/liveChat/messages/stream", "response": json.loads(text)}
        ),
        lambda text: json.dumps({"log": {"entries": [{"request": {"url": "x"}, "response": {"content": {"text": text}}}]}}),
    ],
    ids=["whole", "still open", "twice", "with its header", "record", "har"],
)
def test_a_held_response_is_read_however_it_was_saved(parse, written, indent):
    events, complaints = parse(written(json.dumps(PAGES, indent=indent)))
    assert complaints == []
    assert [event["text"] for event in events][:2] == ["olá 🚗", "two"]
    assert {event["kind"] for event in events} == {"message"}


def test_a_broken_page_in_a_saved_response_is_named_and_the_others_are_read(parse):
    texts = [json.dumps(page) for page in PAGES]
    events, complaints = parse("[" + texts[0].replace('"e"', '"e', 1) + "\n,\n" + texts[1] + "\n]")
    assert [event["text"] for event in events] == ["two"]
    assert complaints[0].startswith("line 1")


# --- items --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "money"),
    [
        ({}, (2_000_000, 6, "EUR")),
        ({"amountMicros": 2000000}, (2_000_000, 6, "EUR")),
        ({"amountMicros": "2000000.0"}, (2_000_000, 6, "EUR")),
        ({"currency": "eur"}, (2_000_000, 6, "EUR")),
        ({"amountMicros": None}, (200, 2, "EUR")),
        ({"currency": None, "amountDisplayString": "CA$2.00"}, (200, 2, "CAD")),
        ({"amountMicros": None, "amountDisplayString": "lots"}, None),
    ],
)
def test_a_super_chat_keeps_its_amount_however_it_is_written(parse, changed, money):
    details = {
        "amountMicros": "2000000",
        "currency": "EUR",
        "amountDisplayString": "€2.00",
        "userComment": "gg",
        "tier": 2,
    } | changed
    (words, gift), complaints = parse(item("superChatEvent", superChatDetails=details))
    assert (words["text"], complaints) == ("gg", [])
    found = (gift.get("amount_minor"), gift.get("exponent"), gift.get("currency"))
    assert found == (money or (None, None, None))


@pytest.mark.parametrize("author", [None, {}, {"displayName": "@zoe"}])
def test_without_the_author_s_details_the_snippet_says_who_it_was(parse, author):
    [event], _ = parse(item("textMessageEvent", displayMessage="hi", author=author))
    assert event["author"] == SHOWN("youtube", "UCzoe")


def test_what_was_given_counts_also_when_nobody_says_by_whom(parse):
    bought = item(
        "superStickerEvent",
        author=None,
        authorChannelId=None,
        superStickerDetails={"amountMicros": "990000", "currency": "USD", "tier": 1},
    )
    [event], complaints = parse(bought)
    assert (event["kind"], event["amount_minor"], complaints) == ("gift", 990_000, [])
    assert "author" not in event


def test_a_text_of_another_type_is_looked_for_in_the_details(parse):
    [event], _ = parse(
        item("textMessageEvent", displayMessage={"runs": []}, textMessageDetails={"messageText": "in the details"})
    )
    assert event["text"] == "in the details"


def test_a_message_that_has_nothing_to_show_is_none_and_one_that_lost_its_words_is_named(parse):
    assert parse(item("textMessageEvent", hasDisplayContent=False)) == ([], [])
    assert parse(item("textMessageEvent"))[1] == ["line 1: unreadable: missing_text"]


def test_each_kind_of_a_batch_becomes_what_it_is(parse):
    batch = answer(
        TEXT,
        item("tombstone", "LCC.3", author=None, authorChannelId=None, hasDisplayContent=False),
        item("messageDeletedEvent", "LCC.4", messageDeletedDetails={"deletedMessageId": "LCC.1"}),
        item("messageRetractedEvent", "LCC.5", messageRetractedDetails={"retractedMessageId": "LCC.2"}),
        item("userBannedEvent", "LCC.6", userBannedDetails={"bannedUserDetails": {"channelId": "UCbo"}, "banType": "temporary", "banDurationSeconds": "300"}),
        item("sponsorOnlyModeStartedEvent", "LCC.7"),
        item("newSponsorEvent", "LCC.8", newSponsorDetails={"memberLevelName": "Crew", "isUpgrade": False}),
        item("membershipGiftingEvent", "LCC.9", membershipGiftingDetails={"giftMembershipsCount": "5", "giftMembershipsLevelName": None}),
        item("giftMembershipReceivedEvent", "LCC.10", giftMembershipReceivedDetails={"gifterChannelId": "UCzoe"}),
        item("fanFundingEvent", "LCC.11", fanFundingEventDetails={"amountMicros": "1000000", "currency": "USD", "userComment": ""}),
        item("giftEvent", "LCC.12", giftDetails={"giftName": "Rocket", "jewelsAmount": 200, "comboCount": 1}),
        item("pollEvent", "LCC.13", pollDetails={"metadata": {"questionText": "?", "options": [{"optionText": "a", "tally": "3"}]}, "status": "active"}),
        item("somethingNewEvent", "LCC.14"),
        item("chatEndedEvent", "LCC.15", author=None),
    )  # fmt: skip
    events, complaints = parse(batch)
    assert complaints == []
    assert Counter(event["kind"] for event in events) == {"message": 1, "removed": 4, "gift": 4, "unknown": 2, "status": 1}
    assert [event.get("count", 1) for event in events if event["kind"] == "gift"] == [1, 5, 1, 1]


# --- other answers ------------------------------------------------------------------------------------------------------

LIVE = {
    "kind": "youtube#video", "id": "v1deo_id-01", "snippet": {"channelId": CHANNEL, "title": "We are live", "liveBroadcastContent": "live"},
    "liveStreamingDetails": {"actualStartTime": "2026-10-16T11:30:00Z", "concurrentViewers": "1200", "activeLiveChatId": CHAT},
    "statistics": {"viewCount": "5", "likeCount": "345"},
}  # fmt: skip


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "youtube#videoListResponse", "items": [LIVE]},
        {"items": [{key: value for key, value in LIVE.items() if key != "kind"}]},
        LIVE,
        [{"kind": "youtube#videoListResponse", "items": [LIVE]}],
    ],
    ids=["answer", "fields", "one", "list"],
)
def test_figures_of_a_live_video_are_viewers_and_likes(parse, written):
    events, complaints = parse(written)
    assert complaints == []
    assert [(one["kind"], one.get("viewers") or one.get("value")) for one in events] == [("viewers", 1200), ("level", 345)]


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "youtube#channelListResponse", "items": [{"kind": "youtube#channel", "id": CHANNEL, "snippet": {"title": "Ana"}, "contentDetails": {"relatedPlaylists": {}}}]},
        {"items": [{"id": CHANNEL, "snippet": {"title": "Ana"}, "contentDetails": {"relatedPlaylists": {"uploads": "UU"}}}]},
        {"kind": "youtube#playlistItemListResponse", "nextPageToken": "x", "items": [{"kind": "youtube#playlistItem", "snippet": {"title": "x", "resourceId": {"videoId": "v"}}}]},
        {"items": [{"snippet": {"resourceId": {"videoId": "v"}}, "contentDetails": {"videoId": "v"}}]},
        {"kind": "youtube#searchListResponse", "items": [{"kind": "youtube#searchResult", "id": {"videoId": "v"}, "snippet": {"liveBroadcastContent": "live"}}]},
        {"kind": "youtube#channel", "id": CHANNEL, "snippet": {"title": "Ana"}},
        {"kind": "youtube#videoListResponse", "items": [], "pageInfo": {"totalResults": 0}},
        {"kind": "youtube#videoListResponse", "items": [{"id": "v1deo_id-01", "snippet": {"liveBroadcastContent": "none"}, "statistics": {"likeCount": "3"}}]},
    ],
    ids=["channels", "channels fields", "uploads", "uploads fields", "search", "channel", "no video", "never live"],
)  # fmt: skip
def test_answers_that_say_nothing_of_an_audience_are_no_events_and_not_unreadable(parse, written):
    assert parse(json.dumps(written, indent=2)) == ([], [])


def test_an_answer_about_something_else_is_unknown_by_its_name_and_a_refusal_is_named(parse):
    [event], complaints = parse(
        {"kind": "youtube#commentThreadListResponse", "items": [{"kind": "youtube#commentThread", "snippet": {"videoId": "v"}}]}
    )
    assert (event["kind"], event["name"], complaints) == ("unknown", "answer commentThread", [])
    refused = {"error": {"code": 403, "message": "x", "errors": [{"reason": "quotaExceeded", "domain": "youtube.quota"}]}}
    assert parse(json.dumps(refused, indent=2)) == ([], ["line 1: unreadable: api_error"])


# --- the hub ------------------------------------------------------------------------------------------------------------

FEED = f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="https://pubsubhubbub.appspot.com"/>
 <title>YouTube video feed</title><updated>2026-10-16T11:59:59.5+00:00</updated><entry>
  <id>yt:video:v1deo_id-01</id>
  <yt:videoId>v1deo_id-01</yt:videoId>
  <yt:channelId>{CHANNEL}</yt:channelId>
  <title>We are live ao vivo 直播</title>
  <published>2026-10-16T11:59:50+00:00</published>
  <updated>2026-10-16T11:59:59.123456789+00:00</updated>
 </entry></feed>
"""
GONE = f"""<feed xmlns:at="http://purl.org/atompub/tombstones/1.0" xmlns="http://www.w3.org/2005/Atom">
 <at:deleted-entry ref="yt:video:v1deo_id-01" when="2026-10-16T12:30:00+00:00"><link href="https://www.youtube.com/watch?v=v1deo_id-01"/>
  <at:by><name>Ana</name><uri>https://www.youtube.com/channel/{CHANNEL}</uri></at:by></at:deleted-entry></feed>
"""


@pytest.mark.parametrize(
    "written",
    [
        FEED,
        FEED.replace("\n", "\r\n"),
        FEED.replace("\n", " "),
        "\ufeff" + FEED,
        f"POST /hooks/youtube/{CHANNEL}/t HTTP/1.1\nContent-Type: application/atom+xml\nX-Hub-Signature: sha1=00ff\n\n{FEED}",
        json.dumps({"headers": {"x-hub-signature": "sha1=00"}, "body": FEED}),
        "2026-10-16 12:00:00 POST " + FEED.replace("\n", ""),
    ],
    ids=["lines", "crlf", "one line", "mark", "request", "record", "log"],
)
def test_a_notification_names_its_video_and_its_channel(parse, written):
    [event], complaints = parse(written)
    assert complaints == []
    assert (event["kind"], event["name"], event["livestream"], event["broadcast"]) == (
        "unknown",
        "feed entry",
        f"youtube:{CHANNEL}",
        "v1deo_id-01",
    )
    assert event["at"] == "2026-10-16T11:59:59.123456Z"


def test_a_video_that_is_gone_is_over(parse):
    [event], _ = parse(GONE)
    assert (event["kind"], event["state"], event["livestream"], event["at"]) == (
        "status",
        "ended",
        f"youtube:{CHANNEL}",
        "2026-10-16T12:30:00Z",
    )


def test_several_notifications_in_one_file_are_read_each(parse):
    events, complaints = parse(FEED + "\n" + GONE + FEED)
    assert (len(events), complaints) == (3, [])


def test_a_feed_that_was_cut_off_is_unreadable(parse):
    events, complaints = parse(FEED[:300] + "\n" + json.dumps(TEXT))
    assert [event["text"] for event in events] == ["olá 🚗"]
    assert complaints == ["line 1: unreadable: not_xml"]


# --- found in a second look -----------------------------------------------------------------------------------------------


def test_a_combo_that_grows_under_one_id_counts_each_gift_once(parse):
    def gift(combo):
        return item("giftEvent", "LCC.g", giftDetails={"giftName": "Rose", "jewelsAmount": 30, "comboCount": combo})

    for numbered in (str, int):
        events, _ = parse([gift(numbered(combo)) for combo in (1, 2, 2, 3)])
        ids = [one["id"] for one in events]
        assert len(set(ids)) == 3
        assert ids[0] == "youtube:LCC.g:gift"
        assert {one["amount_minor"] for one in events} == {30}
    assert parse(gift("many"))[0][0]["id"] == parse(gift(None))[0][0]["id"] == "youtube:LCC.g:gift"


def test_what_was_paid_is_read_as_shown_when_its_micros_are_none(parse):
    details = {"amountMicros": "1.99", "currency": "USD", "amountDisplayString": "$1.99", "userComment": "for you"}
    said, gift = parse(item("superChatEvent", "LCC.s", superChatDetails=details))[0]
    assert (said["text"], gift["amount_minor"], gift["exponent"], gift["currency"]) == ("for you", 199, 2, "USD")
    broken = {**details, "amountDisplayString": ""}
    assert parse(item("superChatEvent", "LCC.s", superChatDetails=broken))[1] == ["line 1: unreadable: bad_number"]


def test_kinds_by_number_and_by_the_name_of_their_details(parse):
    assert [one["kind"] for one in parse(item(21, "LCC.g", giftDetails={"giftName": "Rose"}))[0]] == ["gift"]
    assert [one["name"] for one in parse(item("pollDetails", "LCC.p"))[0]] == ["poll"]


def test_videos_of_which_only_the_figures_were_asked_for_are_videos(parse):
    assert parse({"items": [{"id": "6p_JM-I7EVg", "statistics": {"viewCount": "10", "likeCount": "3"}}]}) == ([], [])


def test_the_end_of_a_chat_that_nothing_names_is_an_end(parse):
    for document in (
        item("chatEndedEvent", "LCC.e", liveChatId=None),
        {"kind": "youtube#liveChatMessageListResponse", "offlineAt": "2026-10-16T12:05:00Z", "items": []},
    ):
        [event], complaints = parse(document)
        assert (event["kind"], event["state"], "livestream" in event, complaints) == ("status", "ended", False, [])
