"""What platforms really send beside the documents' samples: fields missing, re-typed, empty or elsewhere. Where the meaning is clear it comes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

import connectors
from connectors.connector import Tools, Unreadable, make_pseudonym
from connectors.digests import content_of

NOW = datetime(2026, 10, 17, 12, 30, tzinfo=UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"variants"), now=lambda: NOW)


def read(platform: str, document) -> list:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return connectors.parser_of(platform).parse(raw, TOOLS)


def kinds(platform: str, document) -> list[str]:
    return [
        getattr(event, "name", "") if type(event).__name__ == "Unknown" else type(event).__name__
        for event in read(platform, document)
    ]


ANA = {"user_id": 70001, "channel_slug": "ana"}
ZOE = {"user_id": 9, "username": "Zoë"}


def pusher(event: str, data, channel: str = "chatrooms.668.v2"):
    return {"event": f"App\\Events\\{event}", "channel": channel, "data": data if isinstance(data, str) else json.dumps(data)}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda body: body,
        lambda body: {"type": "chat.message.sent", "data": body},
        lambda body: {"event": "chat.message.sent", "payload": body},
        lambda body: {"headers": [["Kick-Event-Type", "chat.message.sent"]], "body": json.dumps(body)},
        lambda body: {"headers": {"KICK-EVENT-TYPE": ["chat.message.sent"]}, "body": body},
    ],
)
def test_kick_a_webhook_is_read_in_whatever_it_was_kept(wrapped):
    body = {"message_id": "m1", "broadcaster": ANA, "sender": {"user_id": "9", "username": "z"}, "content": "hi"}
    (message,) = read("kick", wrapped(body))
    assert (message.id, message.livestream, message.text) == ("kick:m1", "kick:70001", "hi")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"broadcaster": ANA, "is_live": "true", "started_at": "2026-10-17T12:00:00Z"}, "live"),
        ({"broadcaster": ANA, "is_live": 0, "ended_at": "2026-10-17T12:00:00Z"}, "ended"),
    ],
)
def test_kick_says_yes_and_no_in_several_ways(document, expected):
    assert read("kick", document)[0].state == expected


def test_kick_numbers_come_as_texts():
    (gift,) = read("kick", {"broadcaster": ANA, "sender": ZOE, "gift": {"amount": "500", "name": "Rage", "message": None}})
    assert gift.amount_minor == 500
    assert read("kick", {"broadcaster": ANA, "subscriber": ZOE, "duration": "3"})[0].name == "subscription.renewal"


@pytest.mark.parametrize("nothing", ["[]", "null", "", "{}"])
def test_kick_frames_without_data_are_what_their_name_says(nothing):
    assert kinds("kick", pusher("ChatroomClearEvent", nothing)) == ["Removed"]
    assert kinds("kick", pusher("SomethingNewEvent", nothing)) == ["SomethingNewEvent"]


def test_kick_frames_of_older_shapes():
    old = {"message": {"id": "u1", "message": "hi", "chatroom_id": "668"}, "user": {"id": 1, "username": "a"}}
    (message,) = read("kick", pusher("ChatMessageSentEvent", old))
    assert (message.id, message.text, message.author_name) == ("kick:u1", "hi", "a")
    for gone in ({"deletedMessage": {"id": "u1"}}, {"deletedMessage": "u1"}, {"message": {"id": "u1"}}):
        assert read("kick", pusher("ChatMessageDeletedEvent", gone))[0].target == "kick:u1"


def eventsub(kind: str, event, **metadata):
    about = {"message_id": "m", "message_type": "notification", "message_timestamp": "2026-10-17T12:00:00.123456789Z", **metadata}
    return {"metadata": about, "payload": {"subscription": {"type": kind}, "event": event}}


TOLD = {"broadcaster_user_id": "1", "chatter_user_id": "4", "message_id": "cc", "message": {"text": "hi"}}


@pytest.mark.parametrize(
    "document",
    [
        eventsub("channel.chat.message", TOLD),
        {"subscription": {"type": "channel.chat.message"}, "event": TOLD},
        {"headers": {"Twitch-Eventsub-Message-Type": "notification"}, "body": {"subscription": {"type": "channel.chat.message"}, "event": TOLD}},
        {"headers": [], "body": json.dumps({"subscription": {"type": "channel.chat.message"}, "event": TOLD})},
        eventsub("channel.chat.message", {**TOLD, "broadcaster_user_id": 1, "chatter_user_id": 4, "cheer": None, "reply": None, "badges": None}),
        eventsub("channel.chat.message", {**TOLD, "message": {"text": None, "fragments": [{"text": "h"}, {"text": "i"}]}}),
    ],
)  # fmt: skip
def test_twitch_a_chat_message_of_eventsub_however_it_was_kept(document):
    (message,) = read("twitch", document)
    assert (message.id, message.livestream, message.text) == ("twitch:cc", "twitch:1", "hi")


def test_twitch_what_is_said_to_us_is_nothing_and_what_nobody_knows_has_its_name():
    for kind in ("session_welcome", "session_keepalive", "session_reconnect", "revocation"):
        assert read("twitch", {"metadata": {"message_type": kind}, "payload": {}}) == []
    assert read("twitch", {"challenge": "x", "subscription": {"type": "stream.online"}}) == []
    assert kinds("twitch", {"metadata": {"message_type": "brand_new"}, "payload": {}}) == ["eventsub brand_new"]
    assert kinds("twitch", eventsub("brand.new", {"broadcaster_user_id": "1"})) == ["eventsub brand.new"]


CHAT = {"id": -1001, "type": "supergroup", "username": "Grp"}
SENT = {"message_id": 5, "from": {"id": 77, "first_name": "Ana"}, "chat": CHAT, "date": 1795151369, "text": "hello"}


@pytest.mark.parametrize(
    "kind",
    [
        "poll",
        "poll_answer",
        "inline_query",
        "callback_query",
        "shipping_query",
        "purchased_paid_media",
        "chat_boost",
        "brand_new",
    ],
)
def test_telegram_updates_that_nobody_asked_for_are_called_by_their_names(kind):
    assert kinds("telegram", {"update_id": 7, kind: {"id": "1"}}) == [kind]
    assert kinds("telegram", {"update_id": 7, kind: "x"}) == [kind]


def test_telegram_numbers_come_as_texts():
    texts = {
        **SENT,
        "message_id": "5",
        "date": "1795151369",
        "chat": {**CHAT, "id": "-1001"},
        "from": {"id": "77", "first_name": "Ana"},
    }
    assert read("telegram", {"update_id": 1, "message": texts}) == read("telegram", {"update_id": 1, "message": SENT})


def test_telegram_a_first_reaction_has_nothing_before_it():
    about = {"chat": CHAT, "message_id": 5, "user": {"id": 77}, "date": 1795151369}
    reacted = {
        "update_id": 1,
        "message_reaction": {**about, "old_reaction": None, "new_reaction": [{"type": "emoji", "emoji": "🔥"}]},
    }
    assert kinds("telegram", reacted) == ["Reaction"]


STATUS = {
    "id": "115", "created_at": "2026-10-17T12:00:00.000Z", "uri": "https://x.example/1", "content": "<p>hi</p>",
    "account": {"acct": "ana"}, "visibility": "public",
}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        "notification",
        "filters_changed",
        "announcement",
        "announcement.reaction",
        "announcement.delete",
        "conversation",
        "status.update",
    ],
)
@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": "{}"}, {"payload": "not json"}])
def test_mastodon_what_is_not_about_the_audience_is_nothing(kind, payload):
    assert read("mastodon", {"stream": ["user"], "event": kind, **payload}) == []


@pytest.mark.parametrize(
    "document",
    [
        STATUS,
        {**STATUS, "id": 115, "visibility": ["public"], "tags": None, "language": None},
        {"statuses": [STATUS], "accounts": [], "hashtags": []},
        b"data: " + json.dumps(STATUS).encode() + b"\r\n\r\n",
        b"\xef\xbb\xbfevent: update\ndata: " + json.dumps(STATUS).encode() + b"\n\n",
    ],
)
def test_mastodon_a_post_is_read_in_whatever_it_was_kept(document):
    assert [event.id for event in read("mastodon", document)] == ["mastodon:https://x.example/1"]


POST = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "k1", "record": {"text": "hi"}}
FRAME = {"did": "did:plc:a", "time_us": 1783175888094841, "kind": "commit", "commit": POST}


@pytest.mark.parametrize(
    "document",
    [
        {**FRAME, "time_us": "1783175888094841"},
        {name: value for name, value in FRAME.items() if name != "kind"},
        {**FRAME, "commit": {**POST, "rev": None}},
        {"$type": "message", "payload": FRAME},
        {"$type": "message", "payload": {"$type": "network.bsky.jetstream.subscribeEvents#commit", **{k: v for k, v in FRAME.items() if k != "kind"}}},
    ],
)  # fmt: skip
def test_bluesky_a_post_in_other_clothes_is_the_same_post(document):
    assert read("bluesky", document) == read("bluesky", FRAME)


def test_bluesky_an_account_or_identity_may_say_nothing():
    about = {"did": "did:plc:a", "time_us": 1783175888094841}
    for frame in (
        {"kind": "identity", "identity": {"handle": None}},
        {"kind": "account", "account": {"active": False, "status": None}},
    ):
        assert read("bluesky", about | frame) == []


AUTHOR = {"channelId": "UC1", "displayName": "Ana"}


def said(**snippet):
    base = {"type": "textMessageEvent", "liveChatId": "C1", "publishedAt": "2026-10-17T12:00:00Z", "displayMessage": "hi"}
    return {"id": "LCC.1", "snippet": base | snippet, "authorDetails": AUTHOR}


@pytest.mark.parametrize(
    "written", ["2026-10-17T12:00:00.000000+00:00", "1792238400", 1792238400000, "2026-10-17T14:00:00+02:00"]
)
def test_youtube_times_come_in_several_ways(written):
    assert read("youtube", said(publishedAt=written))[0].at == datetime(2026, 10, 17, 12, tzinfo=UTC)


def test_youtube_amounts_come_in_several_ways():
    for amount in ("2000000", 2000000, "2000000.0", 2000000.0):
        paid = said(type="superChatEvent", superChatDetails={"amountMicros": amount, "currency": "EUR"})
        assert read("youtube", paid)[0].amount_minor == 2_000_000


def test_youtube_names_as_grpc_writes_them():
    snippet = {"type": "TEXT_MESSAGE_EVENT", "live_chat_id": "C1", "published_at": "2026-10-17T12:00:00Z", "text_message_details": {"message_text": "hi"}}  # fmt: skip
    item = {"id": "LCC.1", "snippet": snippet, "author_details": {"channel_id": "UC1", "display_name": "Ana"}}
    assert read("youtube", {"items": [item], "next_page_token": "x"}) == read("youtube", said())


def test_youtube_viewers_count_when_nothing_but_them_was_asked_for():
    assert kinds("youtube", {"id": "v", "liveStreamingDetails": {"concurrentViewers": 12}}) == ["Viewers"]


def test_owncast_a_webhook_with_its_raw_words_only():
    event = {"type": "CHAT", "eventData": {"user": {"id": "u1"}, "rawBody": "hello", "id": "w1", "timestamp": None}}
    assert read("owncast", event)[0].text == "hello"


def test_restream_an_action_that_nobody_knows_is_called_by_its_name():
    assert kinds("restream", {"action": "brand_new", "payload": {}, "timestamp": 1792240000}) == ["brand_new"]


@pytest.mark.parametrize("platform", sorted(connectors.KNOWN))
@pytest.mark.parametrize("levels", [200, 260, 1000, 1020, 100_000])
def test_nothing_is_too_deep(platform, levels):
    """orjson reads deeper than it writes, and Python's own stack is no deeper."""
    pit = b"[" * levels + b"]" * levels
    shapes = (
        b"%s", b"[%s]", b'{"type":"CHAT","body":"x","z":%s}', b'{"event":"new","channel":"chatrooms.1.v2","data":{"a":%s},"payload":%s}',
        b'{"update_id":1,"poll":{"a":%s}}', b'{"ok":true,"result":[%s,{"update_id":1,"x":%s}]}', b'{"items":[%s,{"a":%s}]}',
        b'{"id":null,"snippet":{"type":"x","y":%s}}', b'{"subscription":{"type":"new"},"event":{"broadcaster_user_id":"1","x":%s}}',
        (
            b'{"did":"d","time_us":1783175888094841,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post",'
            b'"rkey":"k","record":{"text":"x","facets":%s}}}'
        ),
    )  # fmt: skip
    for shape in shapes:
        try:
            events = connectors.parser_of(platform).parse(shape.replace(b"%s", pit), TOOLS)
        except Unreadable:
            continue
        assert len({event.id for event in events}) == len(events)


def test_content_is_the_same_whatever_the_order_and_never_too_large():
    assert content_of({"a": 1, "b": [2]}) == content_of({"b": [2], "a": 1})
    assert content_of({"a": 10**30}) != content_of({"a": 10**31})
