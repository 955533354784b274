"""Kick's frames as libraries and logs leave them, without channel or name, and the answers of kick.com's own pages, through `monitor parse kick`."""

from __future__ import annotations

import json
from functools import partial

import pytest

from connectors.connector import Tools, Unreadable, make_pseudonym
from connectors.kick import Kick

SHOWN = make_pseudonym(b"monitor parse")
SENDER = {"id": 11, "username": "Zoë", "slug": "zoe", "identity": {"color": "#fff", "badges": []}}
SAID = {
    "id": "m1", "chatroom_id": 668, "content": "good evening", "type": "message", "created_at": "2026-09-03T10:49:34+00:00", "sender": SENDER,
    "metadata": {"message_ref": "1"},
}  # fmt: skip
KICKS = {
    "gift_transaction_id": "t1", "message": "for you", "sender": {"id": 11, "username": "Zoë", "username_color": "#fff"},
    "gift": {"gift_id": "pack", "name": "Pack", "amount": 1000, "type": "LEVEL_UP", "tier": "MID"}, "created_at": "2026-09-03T15:21:07.373823974Z",
}  # fmt: skip
DATA = {
    "ChatMessageEvent": (SAID, ["message"]),
    "ChatMessageSentEvent": ({"message": {"id": "m2", "message": "as it was", "chatroom_id": 668, "created_at": 1757877790}, "user": {"id": 11, "username": "Zoë"}}, ["message"]),
    "KicksGifted": (KICKS, ["gift", "message"]),
    "GiftedSubscriptionsEvent": ({"chatroom_id": 668, "gifted_usernames": ["a", "b"], "gifter_username": "Zoë", "gifter_total": 12}, ["gift"]),
    "SubscriptionEvent": ({"chatroom_id": 668, "username": "Zoë", "months": 6}, ["gift"]),
    "StreamHostEvent": ({"chatroom_id": 668, "optional_message": None, "number_viewers": 21, "host_username": "Bo"}, ["share"]),
    "StreamHostedEvent": ({"message": {"id": "h1", "numberOfViewers": 8, "optionalMessage": None, "createdAt": "2025-08-19T09:37:20.859247Z"}, "user": {"id": 5, "username": "Bo"}}, ["share"]),
    "MessageDeletedEvent": ({"id": "d1", "message": {"id": "m1"}, "aiModerated": False, "violatedRules": []}, ["removed"]),
    "UserBannedEvent": ({"id": "b1", "user": {"id": 11, "username": "Zoë", "slug": "zoe"}, "banned_by": {"id": 0, "username": "Bo"}, "permanent": True}, ["removed"]),
    "StreamerIsLive": ({"livestream": {"id": 74, "channel_id": 12, "session_title": "x", "source": None, "created_at": "2025-09-14T23:18:20.000000Z"}}, ["status"]),
    "StopStreamBroadcast": ({"livestream": {"id": 74, "channel": {"id": 12, "is_banned": False}}}, ["status"]),
    "UserUnbannedEvent": ({"id": "u1", "user": {"id": 11}, "unbanned_by": {"id": 5}, "permanent": True}, []),
    "PinnedMessageCreatedEvent": ({"message": SAID, "duration": "1200", "pinnedBy": SENDER}, []),
    "RewardRedeemedEvent": ({"reward_title": "Hydrate", "user_id": 11, "channel_id": 12, "username": "Zoë", "user_input": "please"}, []),
    "ChannelSubscriptionEvent": ({"user_ids": [11], "username": "Zoë", "channel_id": 12}, []),
    "LuckyUsersWhoGotGiftSubscriptionsEvent": ({"channel": {"id": 12, "slug": "ana"}, "usernames": ["a"], "gifter_username": "Zoë"}, []),
}  # fmt: skip
"""The data of each event, and what they are."""


@pytest.fixture
def parse(parse_capture):
    return partial(parse_capture, "kick")


@pytest.mark.parametrize("name", DATA)
def test_data_are_the_same_with_and_without_their_frame(parse, name):
    data, kinds = DATA[name]
    framed = {"event": f"App\\Events\\{name}", "data": json.dumps(data)}
    in_frame, complaints = parse(framed)
    assert ([event["kind"] for event in in_frame], complaints) == (kinds, [])
    for bare in (data, {"type": name, "data": data}):
        alone, complaints = parse(bare)
        assert ([event["kind"] for event in alone], complaints) == (kinds, [])
        assert [(event["id"], event.get("livestream")) for event in alone if event["kind"] in ("message", "removed")] == [
            (event["id"], event.get("livestream")) for event in in_frame if event["kind"] in ("message", "removed")
        ]


def test_a_frame_whose_channel_was_left_out_counts_for_nobody_in_particular(parse):
    gift, words = parse({"event": "KicksGifted", "data": json.dumps(KICKS)})[0]
    assert (gift["amount_minor"], gift["author"], words["text"]) == (1000, SHOWN("kick", "11"), "for you")
    assert "livestream" not in gift
    [live] = parse({"event": "App\\Events\\StreamerIsLive", "data": json.dumps(DATA["StreamerIsLive"][0])})[0]
    assert live["livestream"] == "kick:channel:12", "a broadcast says its channel itself"


def test_while_running_a_frame_of_nobody_is_not_counted():
    raw = json.dumps({"event": "KicksGifted", "data": json.dumps(KICKS)}).encode()
    with pytest.raises(Unreadable, match="missing_channel"):
        Kick.parse(raw, Tools(pseudonym=SHOWN), livestreams={"chatroom:668": "ana"})


@pytest.mark.parametrize("channel", ["chatrooms.668.v2", "chatroom_668", "private-chatroom_668", "private-chatrooms.668"])
def test_a_chat_is_one_by_whatever_channel_it_comes(parse, channel):
    [event] = parse({"event": "App\\Events\\ChatroomClearEvent", "data": '{"id":"c1"}', "channel": channel})[0]
    assert event["livestream"] == "kick:chatroom:668"


# --- answers of kick.com's own pages ------------------------------------------------------------------------------------

BROADCAST = {
    "id": 74, "slug": "e36-x", "session_title": "We are live", "created_at": "2025-09-14T16:11:18.000000Z", "language": "English", "viewers": 1371,
    "category": {"id": 1}, "playback_url": "https://x", "thumbnail": {"src": "x"},
}  # fmt: skip


def test_the_viewers_of_a_broadcast_whose_channel_the_answer_does_not_say(parse):
    for document in ({"data": BROADCAST}, BROADCAST, [{"livestream_id": 74, "viewers": 1371}]):
        [event], complaints = parse(document)
        assert (event["kind"], event["viewers"], "livestream" in event, complaints) == ("viewers", 1371, False, [])
    assert parse({"data": None}) == ([], []), "it is not live"


def test_broadcasts_that_are_shown_first_say_whose_they_are(parse):
    row = {**BROADCAST, "is_live": True, "start_time": "2025-09-14 16:11:16", "channel": {"id": 12, "user_id": 7, "slug": "ana"}}
    status, viewers = parse({"current_page": 1, "data": [row], "next_page_url": None})[0]
    assert (status["state"], status["broadcast"], status["livestream"]) == ("live", "7:1757866276", "kick:7")
    assert (viewers["viewers"], viewers["broadcast"]) == (1371, status["broadcast"])


@pytest.mark.parametrize(("is_live", "viewers"), [(True, 12), ("true", "12"), (1, 12)])
def test_numbers_and_answers_of_yes_come_as_text_too(parse, is_live, viewers):
    stream = {"is_live": is_live, "viewer_count": viewers, "start_time": "2025-09-14T16:11:16Z"}
    events, _ = parse({"data": [{"broadcaster_user_id": 7, "slug": "ana", "stream": stream}], "message": "OK"})
    assert [event.get("viewers") for event in events] == [None, 12]


# --- logs ---------------------------------------------------------------------------------------------------------------


def test_the_event_of_a_log_is_no_event_of_the_socket(parse):
    hook = {
        "message_id": "m1",
        "broadcaster": {"user_id": 7},
        "sender": {"user_id": 11},
        "content": "hi",
        "created_at": "2025-01-14T16:08:06Z",
    }
    for line in (
        {"event": "webhook received", "level": "info", "payload": hook},
        {"level": "info", "message": "received", "data": hook, "timestamp": "x"},
        {
            "level": "info",
            "message": "received",
            "data": {"event": "App\\Events\\ChatMessageEvent", "data": SAID},
            "timestamp": "x",
        },
    ):
        [event], complaints = parse(line)
        assert (event["kind"], event["id"], complaints) == ("message", "kick:m1", [])


# --- fields of other types ----------------------------------------------------------------------------------------------

HOOK = {
    "message_id": "m1", "broadcaster": {"user_id": 7.0, "channel_slug": "ana"}, "sender": {"user_id": 11.0, "username": "Zoë"}, "content": "hi",
    "created_at": "2025-01-14T16:08:06Z",
}  # fmt: skip


def test_a_number_with_a_point_and_a_nought_is_that_number(parse):
    [event] = parse(HOOK)[0]
    assert (event["livestream"], event["author"]) == ("kick:7", SHOWN("kick", "11"))
    [gift, _] = parse({"event": "KicksGifted", "data": json.dumps({**KICKS, "gift": {**KICKS["gift"], "amount": 1000.0}})})[0]
    assert gift["amount_minor"] == 1000
    row = {
        "broadcaster_user_id": 7.0,
        "slug": "ana",
        "stream": {"is_live": True, "viewer_count": 12.0, "start_time": "2025-09-14T16:11:16Z"},
    }
    assert [event.get("viewers") for event in parse({"data": [row], "message": "OK"})[0]] == [None, 12]


@pytest.mark.parametrize("metadata", ["", "{", "null", "5", None, [], '{"original_message":{"id":"m0"}}'])
def test_a_message_is_one_whatever_its_metadata_are(parse, metadata):
    [event], complaints = parse(
        {"data": {"messages": [{**SAID, "chat_id": 668, "metadata": metadata}], "cursor": "x"}, "status": {"code": 200}}
    )
    assert (event["id"], event.get("reply_to"), complaints) == (
        "kick:m1",
        "kick:m0" if isinstance(metadata, str) and "m0" in metadata else None,
        [],
    )


def test_one_of_an_answer_that_cannot_be_read_takes_no_other_with_it(parse):
    broken = {**SAID, "id": None}
    events, complaints = parse({"data": {"messages": [SAID, broken, {**SAID, "id": "m3"}]}})
    assert ([event["kind"] for event in events], complaints) == (["message", "unknown", "message"], [])
    row = {"broadcaster_user_id": 7, "slug": "ana", "stream": {"is_live": True, "viewer_count": 12}}
    events, complaints = parse({"data": [{**row, "broadcaster_user_id": None}, row], "message": "OK"})
    assert ([event["kind"] for event in events], complaints) == (["unknown", "status", "viewers"], [])
    assert parse({"data": {"messages": [broken]}})[1] == ["line 1: unreadable: missing_id"]


@pytest.mark.parametrize(("ended", "state"), [("2025-01-14T17:00:00Z", "ended"), (None, "live")])
def test_whether_a_broadcast_goes_on_is_seen_in_its_times(parse, ended, state):
    body = {
        "broadcaster": {"user_id": 7, "channel_slug": "ana"},
        "is_live": None,
        "started_at": "2025-01-14T16:00:00Z",
        "ended_at": ended,
    }
    assert [event["state"] for event in parse(body)[0]] == [state]


@pytest.mark.parametrize(
    "error",
    [
        {"error": "invalid_token", "error_description": "x"},
        {"error": "Request blocked by security policy.", "reference": "1"},
        {"message": "Unauthorized", "data": {}},
    ],
)
def test_a_refusal_is_said_to_be_one(parse, error):
    assert parse(error) == ([], ["line 1: unreadable: api_error"])


# --- webhooks and frames in one capture ---------------------------------------------------------------------------------


def hooked(kind: str, native: str, **body: object) -> dict:
    headers = {"Kick-Event-Type": kind, "Kick-Event-Message-Id": native, "Kick-Event-Message-Timestamp": "2026-09-03T15:21:08Z"}
    return {"headers": headers, "body": {"broadcaster": {"user_id": 7, "channel_slug": "ana"}, **body}}


ZOE = {"user_id": 11, "username": "Zoë", "channel_slug": "zoe"}
BOTH = {
    "kicks": (hooked("kicks.gifted", "w1", sender=ZOE, gift={"amount": 1000, "name": "Pack", "message": "for you"}), {"event": "KicksGifted", "data": json.dumps(KICKS)}),
    "subscription": (
        hooked("channel.subscription.renewal", "w2", subscriber=ZOE, duration=6),
        {"event": "App\\Events\\SubscriptionEvent", "data": json.dumps({"chatroom_id": 668, "username": "zoë", "months": 6})},
    ),
    "gifts": (
        hooked("channel.subscription.gifts", "w3", gifter=ZOE, giftees=[{"user_id": 1, "username": "a"}, {"user_id": 2, "username": "b"}]),
        {"event": "GiftedSubscriptionsEvent", "data": json.dumps({"chatroom_id": 668, "gifted_usernames": ["a", "b"], "gifter_username": "Zoë"})},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BOTH)
def test_a_gift_that_both_sources_tell_counts_once_whichever_comes_first(parse, what):
    hook, frame = BOTH[what]
    alone = len(parse(hook)[0])
    for told in ([hook, frame], [frame, hook], [hook, hook, frame, frame], [frame, hook, frame]):
        events, complaints = parse("\n".join(json.dumps(one) for one in told))
        assert (len({event["id"] for event in events}), complaints) == (alone, [])


def test_what_is_given_twice_counts_twice(parse):
    hook, frame = BOTH["kicks"]
    again = {**hook, "headers": {**hook["headers"], "Kick-Event-Message-Id": "w9"}}
    events, _ = parse("\n".join(json.dumps(one) for one in (hook, frame, again)))
    assert len({event["id"] for event in events if event["kind"] == "gift"}) == 2


def test_a_webhook_that_lost_its_headers_has_one_id_in_whatever_it_was_kept(parse):
    body = {"broadcaster": {"user_id": 7, "channel_slug": "ana"}, "follower": {"user_id": 11, "username": "Zoë"}}
    kept = [
        json.dumps(body), json.dumps(body, indent=2), json.dumps({"received_at": "2026-01-01T00:00:00Z", "payload": body}),
        json.dumps({"received_at": "2026-01-01T00:00:09Z", "body": json.dumps(body)}), json.dumps({"headers": {}, "body": body}),
        json.dumps({"type": "channel.followed", "data": body}), "2026-01-01 INFO " + json.dumps(dict(reversed(body.items()))),
    ]  # fmt: skip
    assert len({event["id"] for one in kept for event in parse(one)[0]}) == 1
