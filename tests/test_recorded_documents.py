"""What other tools recorded of Twitch and YouTube, and the answers of their pages, one document at a time through `monitor parse`."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Unreadable, make_pseudonym
from connectors.event import as_json, from_json
from connectors.recording.captured import Captured

CAPTURES = Path(__file__).parent / "captures" / "recording"
SHOWN = make_pseudonym(b"monitor parse")
AT = "2020-10-16T12:00:00.123456Z"


def text_item(native: str = "Ci1", words: str = "good evening") -> dict:
    return {
        "liveChatTextMessageRenderer": {
            "message": {"runs": [{"text": f"{words} "}, {"emoji": {"emojiId": "UC1/x", "shortcuts": [":wave:"], "isCustomEmoji": True}}]},
            "authorName": {"simpleText": "Ana"}, "id": native, "timestampUsec": "1602849600123456", "authorExternalChannelId": "UCa",
        }
    }  # fmt: skip


ADDED = {"clickTrackingParams": "x", "addChatItemAction": {"item": text_item(), "clientId": "c"}}
REPLAYED = {"replayChatItemAction": {"actions": [ADDED], "videoOffsetTimeMsec": "5000"}}
PAGE = {
    "responseContext": {},
    "continuationContents": {
        "liveChatContinuation": {
            "continuations": [{"timedContinuationData": {}}],
            "actions": [
                ADDED,
                {"removeChatItemAction": {"targetItemId": "Ci1"}},
                {"removeChatItemByAuthorAction": {"externalChannelId": "UCb"}},
            ],
        }
    },
}
PYTCHAT = {
    "author": {"badgeUrl": "", "isChatOwner": False, "name": "Ana", "channelId": "UCa", "channelUrl": "x", "imageUrl": "x"}, "type": "textMessage",
    "id": "Ci1", "timestamp": 1602849600123, "elapsedTime": "", "datetime": "2020-10-16 12:00:00", "message": "good evening", "messageEx": ["good evening"],
    "amountValue": 0.0, "amountString": "", "currency": "", "bgColor": 0,
}  # fmt: skip
NODE = {
    "id": "c1", "commenter": {"id": "101", "login": "zoe", "displayName": "Zoë"}, "contentOffsetSeconds": 5, "createdAt": "2020-10-16T12:00:00.123456Z",
    "message": {"fragments": [{"emote": None, "text": "good "}, {"emote": {"id": "x"}, "text": "evening"}], "userBadges": [], "userColor": "#fff"},
}  # fmt: skip
VIDEO_PAGE = [
    {
        "data": {
            "video": {"id": "1", "creator": {"id": "7"}, "comments": {"edges": [{"cursor": "x", "node": NODE}], "pageInfo": {}}}
        },
        "extensions": {},
    }
]
COMMENT = {
    "_id": "c1", "created_at": "2020-10-16T12:00:00.12345678Z", "channel_id": "7", "content_offset_seconds": 5.2,
    "commenter": {"_id": "101", "name": "zoe", "display_name": "Zoë"}, "message": {"body": "good evening", "bits_spent": 100, "user_notice_params": {"msg-id": None}},
}  # fmt: skip
ITEM = {
    "action_type": "add_chat_item", "message_id": "Ci1", "message": "good evening", "message_type": "text_message", "timestamp": 1602849600123456,
    "time_in_seconds": 5, "author": {"id": "UCa", "name": "Ana"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "words"),
    [(REPLAYED, "good evening :wave:"), (ADDED, "good evening :wave:"), (PYTCHAT, "good evening"), (ITEM, "good evening"),
     ({**PYTCHAT, "message": [{"text": "good "}, {"emojiText": ":wave:"}], "timestamp": "2020-10-16T12:00:00.123456Z"}, "good :wave:")],
)  # fmt: skip
def test_youtube_a_message_that_another_tool_kept(parse_capture, document, words):
    [event], complaints = parse_capture("youtube", document)
    assert (event["kind"], event["id"], event["text"], complaints) == ("message", "youtube:Ci1", words, [])
    assert event["author"] == SHOWN("youtube", "UCa")
    assert event["at"][:23] == AT[:23]


def test_youtube_the_answer_of_its_own_page_tells_deletions_and_bans(parse_capture):
    said, removed, banned = parse_capture("youtube", PAGE)[0]
    assert (said["kind"], removed["kind"], removed["target"]) == ("message", "removed", said["id"])
    assert (banned["kind"], banned["target_author"]) == ("removed", SHOWN("youtube", "UCb"))


@pytest.mark.parametrize(
    ("changes", "gifts"),
    [
        (
            {"type": "superChat", "amountValue": 1000.0, "amountString": "¥1,000", "currency": "JPY"},
            [("superchat", 1000, 0, "JPY")],
        ),
        ({"type": "superChat", "amountValue": 4.99, "amountString": "$4.99", "currency": "USD"}, [("superchat", 499, 2, "USD")]),
        ({"type": "superSticker", "amountString": "€5.00", "message": ""}, [("supersticker", 500, 2, "EUR")]),
        ({"type": "newSponsor", "message": "Welcome"}, [("membership", None, None, None)]),
        ({"type": "giftRedemption", "message": "was gifted"}, []),
        ({"superchat": {"amount": "$2.00", "color": 1}}, [("superchat", 200, 2, "USD")]),
    ],
)
def test_youtube_what_is_given_has_its_value(parse_capture, changes, gifts):
    events, _ = parse_capture("youtube", {**PYTCHAT, **changes})
    found = [
        (one["name"], one.get("amount_minor"), one.get("exponent", 0 if "currency" in one else None), one.get("currency"))
        for one in events
        if one["kind"] == "gift"
    ]
    assert found == gifts


def test_twitch_a_comment_of_a_video_in_each_of_its_wrappers(parse_capture):
    whole = {"streamer": {"name": "Ana", "login": "ana", "id": 7}, "video": {"id": "v"}, "comments": [COMMENT]}
    about_video = {"title": "x", "length": 60, "recorded_at": "2020-10-16T10:00:00Z", "_id": "v1"}
    for document, livestream in ((whole, "twitch:ana"), ([about_video, COMMENT], "twitch:7"), (COMMENT, "twitch:7")):
        events, complaints = parse_capture("twitch", document)
        assert ([event["kind"] for event in events], complaints) == (["message", "gift"], [])
        assert {event["livestream"] for event in events} == {livestream}
        assert (events[0]["id"], events[0]["text"], events[1]["amount_minor"]) == ("twitch:c1", "good evening", 100)
    [event], _ = parse_capture("twitch", VIDEO_PAGE)
    assert (event["id"], event["text"], event["author_name"], event["at"]) == ("twitch:c1", "good evening", "Zoë", AT)


@pytest.mark.parametrize(
    ("file", "platform"), [("vod.json", "twitch"), ("rechat.json", "twitch"), ("youtube.live_chat.json", "youtube"), ("chat-downloader.jsonl", "youtube")]
)  # fmt: skip
def test_what_can_be_replayed_can_be_shown(parse_capture, file, platform):
    events, complaints = parse_capture(platform, (CAPTURES / file).read_bytes())
    assert sum(event["kind"] == "message" for event in events) > 1
    assert len(complaints) <= 1


def test_a_comment_that_cannot_be_read_takes_no_other_with_it(parse_capture):
    events, complaints = parse_capture("twitch", {"comments": [COMMENT, {"_id": "c2", "message": 5}, {**COMMENT, "_id": "c3"}]})
    assert ([event["kind"] for event in events], complaints) == (["message", "gift", "unknown", "message", "gift"], [])
    assert events[2]["name"] == "unreadable missing_message"
    assert parse_capture("twitch", {"comments": [{"_id": "c2", "message": 5}]}) == ([], ["line 1: unreadable: missing_message"])


def test_what_is_no_recording_keeps_its_own_complaint(parse_capture):
    assert parse_capture("twitch", {"something": "else"}) == ([], ["line 1: unreadable: missing_kind"])
    assert parse_capture("youtube", {"something": "else"}) == ([], ["line 1: unreadable: missing_snippet"])
    assert parse_capture("youtube", {**PYTCHAT, "timestamp": None, "datetime": ""})[1] == ["line 1: unreadable: missing_time"]


DOCUMENTS = [
    ("youtube", REPLAYED),
    ("youtube", PAGE),
    ("youtube", PYTCHAT),
    ("youtube", ITEM),
    ("twitch", COMMENT),
    ("twitch", VIDEO_PAGE[0]),
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.just({"x": 1}),
)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_a_field_of_another_type_raises_unreadable_and_nothing_else(chosen, data):
    platform, document = chosen
    changed = copy.deepcopy(document)
    place = changed
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(ANYTHING)
            break
        place = inner
    reader = Captured(platform, SHOWN)
    try:
        events = reader.read(json.dumps(changed).encode())
    except Unreadable:
        return
    assert [from_json(as_json(event)) for event in events] == events
