"""What Kick really sends, as people keep it, through `monitor parse kick`: shapes that no document shows, and none is lost or counted twice."""

from __future__ import annotations

import base64
import json
from collections import Counter
from functools import partial

import pytest

from connectors.connector import make_pseudonym

SHOWN = make_pseudonym(b"monitor parse")
ANA = {
    "is_anonymous": False,
    "user_id": 70001,
    "username": "AnaDrives",
    "is_verified": None,
    "profile_picture": "",
    "channel_slug": "anadrives",
    "identity": None,
}
ZOE = {
    "is_anonymous": False,
    "user_id": 987654,
    "username": "Zoë",
    "channel_slug": "zoe",
    "identity": {"username_color": "#FF5733", "badges": []},
}
CHAT = {
    "message_id": "6e7a6a5c", "replies_to": None, "broadcaster": ANA, "sender": ZOE, "content": "olá [emote:37226:KEKW] 🚗", "emotes": None,
    "created_at": "2026-10-17T12:00:01Z",
}  # fmt: skip
FOLLOW = {"broadcaster": ANA, "follower": ZOE}
HEADERS = {
    "Kick-Event-Message-Id": "01JQR5KV0QC94HMETWYNBWRW4Z", "Kick-Event-Subscription-Id": "01S", "Kick-Event-Signature": "fpZC==",
    "Kick-Event-Message-Timestamp": "2026-10-17T12:00:02Z", "Kick-Event-Type": "channel.followed", "Kick-Event-Version": "1",
    "Content-Type": "application/json",
}  # fmt: skip


@pytest.fixture
def parse(parse_capture):
    return partial(parse_capture, "kick")


def frame(event: str, data: object, channel: str | None = "chatrooms.668.v2") -> dict:
    found = {"event": event, "data": json.dumps(data, ensure_ascii=False)}
    return found if channel is None else {**found, "channel": channel}


def lines(*documents: dict) -> str:
    return "\n".join(json.dumps(document) for document in documents)


# --- webhooks -----------------------------------------------------------------------------------------------------------

FOLLOWED = json.dumps(FOLLOW)


@pytest.mark.parametrize(
    "written",
    [
        "POST /hooks/kick HTTP/1.1\r\nHost: x\r\n" + "".join(f"{n}: {v}\r\n" for n, v in HEADERS.items()) + "\r\n" + json.dumps(FOLLOW, indent=2),
        "".join(f"{n.lower()}: {v}\n" for n, v in HEADERS.items()) + "\n" + FOLLOWED,
        "".join(f"- {n}: \u201c{v}\u201d\n" for n, v in HEADERS.items()) + "\n" + FOLLOWED,
        "".join(f"{n}: {v}\n" for n, v in HEADERS.items()) + FOLLOWED,
        json.dumps({"headers": HEADERS, "body": FOLLOWED}),
        json.dumps([{"method": "POST", "headers": {n.lower(): [v] for n, v in HEADERS.items()}, "body": FOLLOW}], indent=2),
        json.dumps({"headers": {"HTTP_" + n.upper().replace("-", "_"): v for n, v in HEADERS.items()}, "payload": FOLLOWED}),
        json.dumps({"uuid": "u", "type": "web", "method": "POST", "headers": {n.lower(): [v] for n, v in HEADERS.items()}, "content": FOLLOWED}),
        json.dumps({"event": {"method": "POST", "path": "/", "headers": {n.lower(): v for n, v in HEADERS.items()}, "body": FOLLOW}}),
        json.dumps({"httpMethod": "POST", "headers": HEADERS, "body": base64.b64encode(FOLLOWED.encode()).decode(), "isBase64Encoded": True}),
        json.dumps({"log": {"entries": [{"request": {"headers": [{"name": n, "value": v} for n, v in HEADERS.items()], "postData": {"text": FOLLOWED}}}]}}),
    ],
    ids=["request", "header lines", "as in the documents", "no empty line", "record", "records", "variables", "bin", "bin with its event", "function", "har"],
)  # fmt: skip
def test_a_signed_webhook_keeps_the_id_and_the_time_of_its_delivery(parse, written):
    [event], complaints = parse(written)
    assert complaints == []
    assert (event["kind"], event["id"]) == ("follow", "kick:channel.followed:01JQR5KV0QC94HMETWYNBWRW4Z")
    assert event["at"] == "2026-10-17T12:00:02Z"
    assert event["author"] == SHOWN("kick", "987654")


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(CHAT),
        json.dumps(CHAT, indent=4),
        "2026-10-17T12:00:02.123Z [kick] " + json.dumps(CHAT),
        json.dumps({"ts": 1792238401, "level": "info", "msg": json.dumps(CHAT)}),
        json.dumps({"type": "chat.message.sent", "payload": CHAT}),
        json.dumps({"event": "chat.message.sent", "data": CHAT}),
        json.dumps(json.dumps(CHAT)),
        json.dumps(frame("App\\Events\\ChatMessageEvent", {
            "id": "6e7a6a5c", "chatroom_id": 668, "content": CHAT["content"], "type": "message", "created_at": "2026-10-17T12:00:01+00:00",
            "sender": {"id": 987654, "username": "Zoë", "slug": "zoe", "identity": {"color": "#FF5733", "badges": []}}, "metadata": {"message_ref": "1"},
        })),
    ],
    ids=["line", "pretty", "log", "json log", "typed", "event", "text", "frame"],
)  # fmt: skip
def test_a_message_is_the_same_however_it_was_saved_and_by_whichever_source(parse, written):
    [event], complaints = parse(written)
    assert complaints == []
    assert (event["id"], event["text"], event["author"], event["at"]) == (
        "kick:6e7a6a5c",
        "olá KEKW 🚗",
        SHOWN("kick", "987654"),
        "2026-10-17T12:00:01Z",
    )


def test_a_webhook_of_a_new_type_is_unknown_also_without_its_header(parse):
    [event], complaints = parse({"broadcaster": ANA, "train": {"level": 2}})
    assert (event["kind"], event["name"], complaints) == ("unknown", "webhook", [])


def test_each_webhook_becomes_what_it_is(parse):
    documents = [
        CHAT, FOLLOW,
        {"broadcaster": ANA, "subscriber": ZOE, "duration": 1, "created_at": "2026-10-17T12:00:03Z", "expires_at": None},
        {"broadcaster": ANA, "subscriber": ZOE, "duration": 3, "created_at": "2026-10-17T12:00:03Z"},
        {"broadcaster": ANA, "gifter": None, "giftees": [{"user_id": 1}, {"user_id": 2}], "created_at": "2026-10-17T12:00:03Z"},
        {"broadcaster": ANA, "sender": ZOE, "gift": {"amount": "100", "name": "Full Send", "type": "BASIC", "message": None}, "created_at": "2026-10-17T12:00:03.5Z"},
        {"broadcaster": ANA, "is_live": True, "title": "x", "started_at": "2026-10-17T14:00:00+02:00", "ended_at": None},
        {"broadcaster": ANA, "moderator": ZOE, "banned_user": {"user_id": 5}, "metadata": None},
        {"broadcaster": ANA, "metadata": {"title": "x"}},
    ]  # fmt: skip
    events, complaints = parse(lines(*documents))
    assert complaints == []
    assert Counter(event["kind"] for event in events) == {"message": 1, "follow": 1, "gift": 4, "status": 1, "removed": 1}
    assert [(one["name"], one.get("count", 1), one.get("amount_minor")) for one in events if one["kind"] == "gift"] == [
        ("subscription.new", 1, None), ("subscription.renewal", 1, None), ("subscription.gifts", 2, None), ("Full Send", 1, 100),
    ]  # fmt: skip


# --- the socket ---------------------------------------------------------------------------------------------------------

KICKS = {
    "gift_transaction_id": "e28a9427", "message": "take mine", "sender": {"id": 987654, "username": "Zoë", "username_color": "#E9113C"},
    "gift": {"gift_id": "pack", "name": "Pack It Up", "amount": 1000, "type": "LEVEL_UP", "tier": "MID"}, "created_at": "2026-10-17T12:00:05.373823974Z",
}  # fmt: skip


def test_kicks_of_the_socket_keep_their_words_their_time_and_their_id(parse):
    told = (frame("KicksGifted", KICKS, "channel_12"), frame("App\\Events\\KicksGiftedEvent", KICKS, "channel_12"))
    (gift, words, *again), complaints = parse(lines(*told))
    assert [event["id"] for event in again] == [gift["id"], words["id"]]
    assert complaints == []
    assert (gift["id"], gift["amount_minor"], gift["currency"], gift["at"]) == (
        "kick:KicksGifted:e28a9427",
        1000,
        "KICKS",
        "2026-10-17T12:00:05.373823Z",
    )
    assert (words["text"], words["author"]) == ("take mine", SHOWN("kick", "987654"))


@pytest.mark.parametrize(
    "told",
    [
        (
            frame("App\\Events\\GiftedSubscriptionsEvent", {"chatroom_id": 668, "gifted_usernames": ["a", "b"], "gifter_username": "Dee", "gifter_total": 9}),
            frame(
                "GiftedSubscriptionsEvent",
                {"chatroom_id": 668, "correlation_id": "pi", "gifted_usernames": ["a", "b"], "gifter_username": "Dee", "gifted_total": 2, "chunk_details": None},
                "channel_12",
            ),
            frame("App\\Events\\LuckyUsersWhoGotGiftSubscriptionsEvent", {"channel": {"id": 12}, "usernames": ["a", "b"], "gifter_username": "Dee"}, "channel.12"),
            frame("App\\Events\\GiftsLeaderboardUpdated", {"channel": {"id": 12}, "leaderboard": [], "gifter_id": 5, "gifted_quantity": 2}, "channel.12"),
        ),
        (
            frame("App\\Events\\SubscriptionEvent", {"chatroom_id": 668, "username": "Cy", "months": 2}),
            frame("App\\Events\\SubscriptionEvent", {"chatroom_id": 668, "username": "cy", "months": 2}, "chatroom_668"),
            frame("App\\Events\\ChannelSubscriptionEvent", {"user_ids": [5], "username": "Cy", "channel_id": 12}, "channel.12"),
        ),
        (
            frame("App\\Events\\StreamHostEvent", {"chatroom_id": 668, "optional_message": "", "number_viewers": 8, "host_username": "Eve"}),
            frame("App\\Events\\StreamHostedEvent", {"message": {"id": "af46", "numberOfViewers": 8, "createdAt": "2026-10-17T12:00:05.8Z"}, "user": {"id": 5, "username": "Eve"}}, "chatrooms.668"),
        ),
    ],
    ids=["gifts", "subscription", "host"],
)  # fmt: skip
def test_what_comes_by_several_channels_has_one_id_and_its_twins_count_nothing(parse, told):
    events, complaints = parse(lines(*told))
    assert complaints == []
    assert len({event["id"] for event in events}) == 1
    assert {event.get("count", 1) for event in events} <= {1, 2}


def test_the_older_form_of_a_message_keeps_its_time_and_what_it_answers(parse):
    message = {
        "id": "cbe30b46", "message": "[emote:113773:L]ove", "type": "", "replied_to": {"id": "aaaa"}, "chatroom_id": "668", "created_at": 1792238401, "action": None,
    }  # fmt: skip
    [event], _ = parse(
        frame(
            "App\\Events\\ChatMessageSentEvent", {"message": message, "user": {"id": 987654, "username": "Zoë"}}, "chatrooms.668"
        )
    )
    assert (event["text"], event["at"], event["reply_to"], event["author"]) == (
        "Love",
        "2026-10-17T12:00:01Z",
        "kick:aaaa",
        SHOWN("kick", "987654"),
    )


def test_a_celebration_is_a_message_when_somebody_wrote_one_and_nothing_new_when_not(parse):
    said = {
        "id": "c1",
        "chatroom_id": 668,
        "type": "celebration",
        "sender": {"id": 1, "username": "a"},
        "metadata": {"celebration": {"type": "subscription_renewed", "total_months": 12}},
    }
    notice = {
        "message": {"id": "c3", "message": None, "action": "subscribe", "chatroom_id": "668", "months_subscribed": 2},
        "user": {"id": 1, "username": "a"},
    }
    told = [
        frame("App\\Events\\ChatMessageEvent", said | {"content": "a year!"}),
        frame("App\\Events\\ChatMessageEvent", said | {"id": "c2", "content": ""}),
    ]
    events, complaints = parse(lines(*told, frame("App\\Events\\ChatMessageSentEvent", notice)))
    assert ([event["text"] for event in events], complaints) == (["a year!"], [])


@pytest.mark.parametrize(
    "document",
    [
        frame("PredictionUpdated", {"prediction": {"id": "01M1"}}, "predictions-channel-12"),
        frame("KicksLeaderboardUpdated", {"gifts_lifetime": []}, "channel_12"),
        frame(
            "App\\Events\\PinnedMessageCreatedEvent",
            {"message": {"id": "c8", "chatroom_id": 668, "content": "x"}, "duration": "1200"},
        ),
        {"event": "App\\Events\\PinnedMessageDeletedEvent", "data": "[]", "channel": "chatrooms.668.v2"},
        frame("App\\Events\\PollUpdateEvent", {"poll": {"title": "a or b", "options": [{"id": 0, "label": "a", "votes": 3}]}}),
        frame(
            "App\\Events\\LivestreamUpdated",
            {"livestream": {"id": 1, "channel_id": 12, "viewer_count": 9}},
            "private-livestream.1",
        ),
        frame("App\\Events\\LiveStream\\UpdatedLiveStreamEvent", {"id": 1, "viewers": 9}, "private-livestream-updated.1"),
        frame(
            "App\\Events\\FollowersUpdated",
            {"followersCount": 348, "channel_id": 12, "username": None, "followed": True},
            "channel.12",
        ),
        {"event": "pusher:connection_established", "data": '{"socket_id":"1.2","activity_timeout":120}'},
        {"event": "pusher:subscribe", "data": {"auth": "", "channel": "chatrooms.668.v2"}},
        {"event": "pusher:pong", "data": {}},
    ],
)
def test_what_nobody_of_the_audience_did_is_no_event(parse, document):
    assert parse(document) == ([], [])


@pytest.mark.parametrize("channel", ["private-App.User.5", "predictions-channel-12", "chatrooms.668.v2", None])
def test_a_frame_of_a_new_kind_is_unknown_wherever_it_came(parse, channel):
    [event], complaints = parse(frame("App\\Events\\SomethingNewEvent", {"x": 1}, channel))
    assert (event["kind"], event["name"], complaints) == ("unknown", "SomethingNewEvent", [])


def test_frames_are_read_also_from_a_har_file_and_from_a_list_of_texts(parse):
    one = json.dumps(
        frame(
            "App\\Events\\ChatMessageEvent",
            {"id": "m1", "chatroom_id": 668, "content": "hi", "sender": {"id": 1, "username": "a"}},
        )
    )
    sockets = [
        {"type": "send", "opcode": 1, "data": '{"event":"pusher:ping","data":{}}'},
        {"type": "receive", "opcode": 1, "data": one},
    ]
    for written in (
        json.dumps({"log": {"entries": [{"request": {"url": "wss://x"}, "_webSocketMessages": sockets}]}}),
        json.dumps([one]),
        f"< {one}",
    ):
        [event], complaints = parse(written)
        assert (event["text"], complaints) == ("hi", [])


# --- answers ------------------------------------------------------------------------------------------------------------

CHANNELS = {
    "data": [
        {"broadcaster_user_id": 70001, "slug": "AnaDrives", "stream": {"is_live": True, "viewer_count": 321, "start_time": "2026-10-17T12:00:00Z", "key": ""}, "stream_title": "x"},
        {"broadcaster_user_id": 70002, "slug": "bo", "stream": {"is_live": False, "viewer_count": 0, "start_time": "0001-01-01T00:00:00Z"}},
    ],
    "message": "OK",
}  # fmt: skip
LIVESTREAMS = {
    "data": [
        {
            "broadcaster_user_id": 70001,
            "channel_id": 12,
            "slug": "anadrives",
            "started_at": "2026-10-17T12:00:00Z",
            "viewer_count": 321,
            "thumbnail": "",
        }
    ],
    "message": "OK",
}
PAGE = {
    "id": 12,
    "user_id": 70001,
    "slug": "anadrives",
    "chatroom": {"id": 668},
    "livestream": {"id": 3, "is_live": True, "viewer_count": 321, "start_time": "2026-10-17 12:00:00"},
}


@pytest.mark.parametrize("written", [CHANNELS, LIVESTREAMS, PAGE], ids=["channels", "livestreams", "page"])
def test_an_answer_says_who_is_live_as_the_webhook_of_the_beginning_does(parse, written):
    (began, viewers), complaints = parse(json.dumps(written, indent=1))
    [told], _ = parse(
        {"broadcaster": ANA, "is_live": True, "title": "x", "started_at": "2026-10-17T14:00:00+02:00", "ended_at": None}
    )
    assert complaints == []
    assert (began["id"], began["broadcast"], began["at"]) == (told["id"], told["broadcast"], told["at"])
    assert (viewers["kind"], viewers["viewers"], viewers["livestream"]) == ("viewers", 321, "kick:70001")


def test_the_history_of_a_chat_holds_the_messages_of_the_socket(parse):
    message = {
        "id": "h1", "chat_id": 668, "user_id": 987654, "content": "earlier", "type": "reply", "metadata": '{"original_message":{"id":"h0"}}',
        "created_at": "2026-10-17T12:00:01Z", "sender": {"id": 987654, "username": "Zoë", "slug": "zoe"},
    }  # fmt: skip
    [event], _ = parse(
        {"status": {"error": False, "code": 200, "message": "SUCCESS"}, "data": {"messages": [message], "cursor": "1"}}
    )
    assert (event["id"], event["text"], event["reply_to"], event["livestream"]) == (
        "kick:h1",
        "earlier",
        "kick:h0",
        "kick:chatroom:668",
    )


def test_other_answers_say_nothing_and_a_refusal_is_named(parse):
    quiet = [
        {"data": [], "message": "OK"},
        {"data": [{"id": 15, "name": "Just Chatting", "thumbnail": "x"}], "message": "OK"},
        {
            "data": [
                {
                    "app_id": "a",
                    "broadcaster_user_id": 70001,
                    "event": "chat.message.sent",
                    "id": "s",
                    "method": "webhook",
                    "version": 1,
                }
            ],
            "message": "OK",
        },
        {"data": [{"user_id": 70001, "name": "Ana", "email": "", "profile_picture": ""}], "message": "OK"},
        {"data": {"public_key": "-----BEGIN"}, "message": "OK"},
        {"data": {"is_sent": True, "message_id": "m"}, "message": "OK"},
    ]
    assert parse(lines(*quiet)) == ([], [])
    assert parse({"data": {}, "message": "Unauthorized"}) == ([], ["line 1: unreadable: api_error"])
    assert parse({"message": "Unauthorized"}) == ([], ["line 1: unreadable: api_error"])
    [event], _ = parse({"data": [{"something": "new"}], "message": "OK"})
    assert event["kind"] == "unknown"
