"""Payloads in the shapes in which platforms, their libraries and older versions of them write them, and which were once lost or mistaken."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

import connectors
from connectors.connector import Tools, Unreadable, make_pseudonym
from connectors.event import Follow, Gift, Message, Reaction, Removed, Share, Status, Viewers
from connectors.mastodon import Mastodon
from connectors.sse import Options as SseOptions
from connectors.sse import Sse
from connectors.ssn import Options as SsnOptions
from connectors.ssn import Ssn

NOW = datetime(2026, 10, 17, 12, 30, tzinfo=UTC)
TOOLS = Tools(pseudonym=make_pseudonym(b"shapes"), now=lambda: NOW)


def read(platform: str, document) -> list:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return connectors.parser_of(platform).parse(raw, TOOLS)


def types(events: list) -> list[type]:
    return [type(event) for event in events]


# --- Bluesky ------------------------------------------------------------------------------------------------------------

DID, TIME_US = "did:plc:ana", 1783175888094841


def frame(collection, record=None, operation="create"):
    commit = {"rev": "3r", "operation": operation, "collection": collection, "rkey": "3k", "cid": "bafy"}
    return {"did": DID, "time_us": TIME_US, "kind": "commit", "commit": commit | ({"record": record} if record else {})}


@pytest.mark.parametrize(
    ("collection", "subject", "kind"),
    [
        ("app.bsky.feed.like", {"cid": "b", "uri": "at://did:plc:bo/app.bsky.feed.post/3x"}, Reaction),
        ("app.bsky.feed.repost", {"cid": "b", "uri": "at://did:plc:bo/app.bsky.feed.post/3x"}, Share),
        ("app.bsky.graph.follow", "did:plc:bo", Follow),
    ],
)
def test_bluesky_what_is_done_to_somebody_is_theirs_and_can_be_taken_back(collection, subject, kind):
    [done] = read("bluesky", frame(collection, {"$type": collection, "createdAt": "2026-10-17T12:00:00Z", "subject": subject}))
    assert type(done) is kind
    assert (done.livestream, done.author) == ("bluesky:did:plc:bo", TOOLS.pseudonym("bluesky", DID))
    [undone] = read("bluesky", frame(collection, operation="delete"))
    assert (type(undone), undone.target) == (Removed, done.id)


def test_bluesky_what_is_done_to_somebody_who_is_not_watched_is_nothing():
    like = frame("app.bsky.feed.like", {"subject": {"uri": "at://did:plc:bo/app.bsky.feed.post/3x"}})
    raw = json.dumps(like).encode()
    assert connectors.parser_of("bluesky").parse(raw, TOOLS, livestreams={DID: "ana"}) == []
    with pytest.raises(Unreadable, match="missing_subject"):
        read("bluesky", frame("app.bsky.feed.like", {"subject": {"uri": 5}}))


def test_bluesky_the_names_of_jetstreams_first_version():
    common = {"collection": "app.bsky.feed.post", "rkey": "3k", "rev": "3r"}
    old = {"did": DID, "time_us": TIME_US, "type": "com", "commit": common | {"type": "c", "record": {"text": "hi"}}}
    assert read("bluesky", old) == read("bluesky", frame("app.bsky.feed.post", {"text": "hi"}))
    [removed] = read("bluesky", old | {"commit": common | {"type": "d"}})
    assert removed.target == read("bluesky", old)[0].id
    gone = {"did": DID, "time_us": TIME_US, "type": "acc", "account": {"active": False, "did": DID, "status": "deleted"}}
    assert types(read("bluesky", gone)) == [Removed]
    assert read("bluesky", {"did": DID, "time_us": TIME_US, "type": "id", "identity": {"did": DID}}) == []


# --- Telegram -----------------------------------------------------------------------------------------------------------

CHAT = {"id": -1001, "type": "supergroup", "title": "G"}
ANA = {"id": 77, "is_bot": False, "first_name": "Ana"}
SENT = {"message_id": 5, "from": ANA, "chat": CHAT, "date": 1795151369, "text": "hello"}


def told(kind="message", **changes):
    return read("telegram", {"update_id": 7, kind: {**SENT, **changes}})


@pytest.mark.parametrize(
    "nothing",
    [
        {"new_chat_members": [], "new_chat_photo": [], "delete_chat_photo": False, "group_chat_created": False},
        {"new_chat_members": None, "left_chat_member": None, "pinned_message": None, "is_automatic_forward": None, "video_chat_ended": None},
    ],
)  # fmt: skip
def test_telegram_fields_that_a_library_writes_though_they_are_not_there_lose_no_message(nothing):
    assert told(**nothing) == told()


def test_telegram_what_was_written_beside_an_update_is_not_the_update():
    assert read("telegram", {"received": 123, "update_id": 7, "raw": "x", "message": SENT}) == told()
    assert read("telegram", {"ok": True, "result": SENT}) == told(), "what sending a message answers"


@pytest.mark.parametrize("key", ["body", "payload", "update", "data"])
def test_telegram_an_update_is_found_in_what_a_webhook_had_around_it(key):
    update = {"update_id": 7, "message": SENT}
    for inner in (update, json.dumps(update)):
        assert read("telegram", {"method": "POST", "headers": {}, key: inner}) == told()


@pytest.mark.parametrize("date", ["2026-11-20T05:09:29Z", "1795151369", "2026-11-20T05:09:29+00:00", 1795151369.0])
def test_telegram_dates_come_in_several_ways(date):
    assert told(date=date) == told()


def test_telegram_a_gift_is_a_gift_with_its_stars_and_its_words():
    inside = {"gift": {"id": "1", "sticker": {"emoji": "🎁"}, "star_count": 50}, "text": "for you"}
    gift, message = told(gift=inside, text=None)
    assert (gift.name, gift.amount_minor, gift.currency, gift.author) == ("🎁", 50, "STARS", told()[0].author)
    assert (message.text, message.id) == ("for you", told()[0].id)
    unique = {"gift": {"base_name": "Car", "number": 7}, "origin": "transfer"}
    assert [(one.name, one.amount_minor) for one in told(unique_gift=unique)] == [("Car", 0)]
    assert told(unique_gift={**unique, "origin": "upgrade"}) == [], "it was given before"
    assert types(told(gift={**inside, "is_private": True})) == [Gift]


def test_telegram_where_the_words_of_a_post_lead_to():
    link = {"offset": 0, "length": 5, "type": "text_link", "url": "https://live.example/v"}
    channel = {"id": -1009, "type": "channel", "title": "C"}
    for kind, changes in (("channel_post", {"sender_chat": channel}), ("message", {"chat": channel})):
        [post] = told(kind, entities=[link, {"type": "bold"}, None], **changes)
        assert (post.form, post.links) == ("post", ("https://live.example/v",))
    assert told(entities=[link])[0].links == ()


def test_telegram_an_answer_to_a_message_of_another_chat_names_that_one():
    [message] = told(external_reply={"origin": {}, "chat": {"id": -1007, "type": "channel"}, "message_id": 4})
    assert message.reply_to == "telegram:-1007:4"


def test_telegram_video_chats_by_their_former_name_and_things_that_nobody_wrote():
    assert [one.state for key in ("voice_chat_started", "voice_chat_ended") for one in told(**{key: {}})] == ["live", "ended"]
    for service in ("chat_owner_left", "gift_upgrade_sent", "voice_chat_scheduled", "suggested_post_approval_failed"):
        assert told(text=None, **{service: {"x": 1}}) == []


def test_telegram_a_captured_total_of_reactions_counts_from_nought():
    reactions = [{"type": {"type": "emoji", "emoji": "🔥"}, "total_count": 12}, {"type": {"type": "paid"}, "total_count": 3}]
    update = {"chat": CHAT, "message_id": 5, "date": 1795151369, "reactions": reactions}
    found = read("telegram", {"update_id": 7, "message_reaction_count": update})
    assert [(one.reaction, one.count) for one in found] == [("🔥", 12), ("⭐", 3)]


# --- Mastodon -----------------------------------------------------------------------------------------------------------

HOME = {"id": "1", "acct": "ana", "username": "ana", "display_name": "Ana", "url": "https://social.example/@ana"}
AWAY = {"id": "2", "acct": "bo@other.example", "username": "bo", "display_name": "", "url": "https://other.example/@bo"}
STATUS = {
    "id": "115", "created_at": "2026-10-17T12:00:00.000Z", "uri": "https://social.example/users/ana/statuses/115", "content": "<p>hi</p>",
    "account": HOME, "visibility": "public",
}  # fmt: skip


def streamed(event, payload):
    return read("mastodon", {"stream": ["user"], "event": event, "payload": payload})


def notified(kind, **more):
    told = {"id": "9", "type": kind, "created_at": "2026-10-17T12:01:00.000Z", "account": AWAY, "status": STATUS, **more}
    return streamed("notification", json.dumps(told))


def test_mastodon_whose_home_it_is_is_seen_in_a_persons_address():
    [message] = read("mastodon", STATUS)
    assert message.livestream == "mastodon:ana@social.example"
    assert message.author == TOOLS.pseudonym("mastodon", "ana@social.example")


def test_mastodon_a_boost_shares_who_wrote_the_post_and_is_no_post():
    boost = {**STATUS, "id": "116", "uri": "https://other.example/1/activity", "content": "", "account": AWAY, "reblog": STATUS}
    [share] = streamed("update", json.dumps(boost))
    assert (type(share), share.livestream) == (Share, "mastodon:ana@social.example")
    assert share.author == TOOLS.pseudonym("mastodon", "bo@other.example")
    assert share.id == notified("reblog")[0].id, "told in two ways it is one"
    raw = json.dumps(boost).encode()
    assert Mastodon.parse(raw, TOOLS, livestreams={"bo@other.example": "bo"}) == []


def test_mastodon_notifications_are_what_was_done():
    assert types(notified("favourite")) == [Reaction]
    assert [one.reaction for one in notified("pleroma:emoji_reaction", emoji="🔥")] == ["🔥"]
    assert notified("mention") == read("mastodon", STATUS)
    assert notified("poll") == notified("follow", status=None) == notified("favourite", status=None) == []


def test_mastodon_a_capture_keeps_deletions_and_parents_of_what_it_does_not_hold():
    assert [(type(one), one.target) for one in streamed("delete", "9umDrYheeY451cQnEe")] == [
        (Removed, "mastodon:id:9umDrYheeY451cQnEe")
    ]
    assert read("mastodon", {**STATUS, "in_reply_to_id": 114})[0].reply_to == "mastodon:id:114"


@pytest.mark.parametrize("visibility", ["mutuals_only", "limited", "list", "specified"])
def test_mastodon_what_other_servers_do_not_show_to_all_is_not_read(visibility):
    assert read("mastodon", {**STATUS, "visibility": visibility}) == []


def test_mastodon_conversations_notifications_and_frames_are_read_as_lists_too():
    later = {**STATUS, "id": "116", "uri": "https://social.example/users/ana/statuses/116"}
    both = {"ancestors": [STATUS], "descendants": [later]}
    assert {one.id for one in read("mastodon", both)} == {one.id for one in read("mastodon", [later, STATUS])}
    told = {"id": "9", "type": "favourite", "created_at": "2026-10-17T12:01:00.000Z", "account": AWAY, "status": STATUS}
    assert types(read("mastodon", [told, {**told, "type": "poll"}])) == [Reaction]
    frames = [{"event": "update", "payload": json.dumps(STATUS)}, {"event": "delete", "payload": "115"}]
    message, removed = read("mastodon", frames)
    assert removed.target == message.id


# --- Social Stream Ninja ------------------------------------------------------------------------------------------------

ROW = {
    "chatname": "Ana",
    "chatmessage": "hi",
    "textonly": False,
    "hasDonation": "",
    "membership": "",
    "contentimg": "",
    "type": "twitch",
}


def row(**changes):
    return read("ssn", {**ROW, **changes})


def test_ssn_words_that_come_with_an_event_are_words():
    for event in ("action", "reward", "channel_points", "false", None, False, ""):
        assert [one.text for one in row(event=event)] == ["hi"]
    assert row(event="reward", chatmessage="") == []


def test_ssn_a_picture_without_words_is_a_message_unless_it_is_a_gifts():
    assert [one.text for one in row(chatmessage="", contentimg="https://x.example/y.gif", meta={"gifLabel": "wow"})] == ["wow"]
    assert [one.text for one in row(chatmessage="", contentimg="https://x.example/y.png")] == [""]
    assert types(row(chatmessage="", contentimg="https://x.example/y.png", hasDonation="3 roses")) == [Gift]


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"hasDonation": "$10 CAD"}, (1, 1000, "CAD")),
        ({"hasDonation": '<div class="donation">€5.00</div>'}, (1, 500, "EUR")),
        ({"event": "cheer", "meta": {"bits": 500}}, (1, 500, "BITS")),
        ({"event": "cheer", "hasDonation": "500 bits", "meta": {"bits": 500}}, (1, 500, "BITS")),
        ({"event": "powerup", "chatmessage": "", "meta": {"bits": 30}}, (1, 30, "BITS")),
        ({"event": "gift", "hasDonation": "$10.00"}, (1, 1000, "USD")),
        ({"event": "gift", "meta": {"tokens": {"amount": "5"}}}, (5, 0, None)),
        ({"event": "subscription_gift", "meta": {"totalGifted": 10}}, (10, 0, None)),
        ({"event": "giftpurchase", "type": "youtube", "subtitle": "7 memberships"}, (7, 0, None)),
        ({"event": "newmember", "subtitle": "Tier 1"}, (1, 0, None)),
        ({"event": "brand_new", "hasDonation": "€3"}, (1, 300, "EUR")),
    ],
)
def test_ssn_what_is_given_has_its_number_and_its_value(changes, value):
    [gift] = [one for one in row(**changes) if isinstance(one, Gift)]
    assert (gift.count, gift.amount_minor, gift.currency) == value


def test_ssn_who_pays_under_a_name_that_nobody_knows_is_heard():
    assert types(row(event="brand_new", hasDonation="€3")) == [Message, Gift]
    assert [one.name for one in row(event="brand_new")] == ["brand_new"]


@pytest.mark.parametrize("nothing", [0, "0", None, False, "", []])
def test_ssn_no_donation_is_written_in_several_ways(nothing):
    assert types(row(hasDonation=nothing)) == [Message]


def test_ssn_a_ban_takes_back_its_author_and_a_broadcast_begins_and_ends():
    bare = {"chatname": None, "chatmessage": None}
    [banned] = row(event="user_banned", meta={"userId": "77", "username": "bo"}, **bare)
    assert banned.target_author == row(userid=77)[0].author
    states = [one.state for event in ("stream_online", "stream_offline", "live_chat_ended") for one in row(event=event, **bare)]
    assert states == ["live", "ended", "ended"]


def test_ssn_numbers_stand_alone_or_inside():
    for meta in (12, "12", {"viewers": 12}, {"viewer_count": "12"}):
        assert [(type(one), one.viewers) for one in row(event="viewer_update", meta=meta)] == [(Viewers, 12)]
    assert [one.count for one in row(event="liked", meta={"likeCount": 15})] == [15]


def test_ssn_a_row_in_its_wrappers_and_with_its_own_time():
    for wrapped in ({"overlayNinja": ROW}, {"contents": ROW}, {"dataReceived": {"overlayNinja": ROW}}):
        assert read("ssn", wrapped) == row()
    first, second = (row(timestamp=at)[0] for at in (1792238400000, 1792238401000))
    assert (first.at, first.id == second.id) == (datetime(2026, 10, 17, 12, 0, tzinfo=UTC), False)
    assert [one.name for one in read("ssn", {"action": "clearAll"})] == ["clearAll"]


def test_ssn_what_the_configuration_changes_still_counts():
    raw = json.dumps({**ROW, "said": "elsewhere"}).encode()
    assert Ssn.parse_with(SsnOptions(map={"text": "/said"}), raw, TOOLS)[0].text == "elsewhere"


# --- Owncast ------------------------------------------------------------------------------------------------------------


def test_owncast_who_acted_from_the_fediverse_is_named_in_webhooks_too():
    about = {"id": "f", "image": "", "name": "Bo", "username": "bo@other.example", "timestamp": "2026-10-17T12:00:00.000000006Z"}
    [follow] = read("owncast", {"type": "FEDIVERSE_ENGAGEMENT_FOLLOW", "eventData": about})
    shown = {"type": "FEDIVERSE_ENGAGEMENT_FOLLOW", "id": "f", "title": "bo@other.example", "timestamp": about["timestamp"]}
    assert follow.author == read("owncast", shown)[0].author == TOOLS.pseudonym("owncast", "bo@other.example")
    assert follow.author_name == "Bo"


def test_owncast_a_message_of_its_first_versions():
    old = {"author": "Ana", "body": "hi", "id": "o1", "type": "CHAT", "visible": True, "timestamp": "2026-10-17T12:00:00Z"}
    for document in (old, {"type": "CHAT", "eventData": {**old, "type": None}}):
        [message] = read("owncast", document)
        assert (message.author_name, message.text) == ("Ana", "hi")
        assert message.author is not None


# --- Restream -----------------------------------------------------------------------------------------------------------


def action(kind, payload, source=13, identifier="e1", at=1792151998):
    event = {
        "connectionIdentifier": "c",
        "eventIdentifier": identifier,
        "eventSourceId": source,
        "eventTypeId": kind,
        "userId": 1,
    }
    return read("restream", {"action": "event", "payload": {**event, "eventPayload": payload}, "timestamp": at})


@pytest.mark.parametrize("currency", ["USD", "$", "$5.00"])
def test_restream_the_value_of_a_super_chat_however_its_currency_is_written(currency):
    author = {"id": "UC", "displayName": "Ana"}
    message, gift = action(
        7, {"author": author, "bot": False, "donation": {"amount": "5.00", "currencyString": currency, "tier": 2}, "text": "gg"}
    )
    assert message.text == "gg"
    assert (gift.amount_minor, gift.exponent, gift.currency) == (500, 2, "USD")


def test_restream_a_sticker_without_words_is_a_message():
    for kind, source in ((3, 5), (12, 19), (14, 20)):
        assert [one.text for one in action(kind, {"author": {}, "link": "https://x.example/s.png"}, source)] == [""]


def test_restream_its_identifier_is_not_taken_for_unique():
    said = {"author": {"id": "7"}, "text": "hi"}
    same, again, later, other = (
        action(4, said), action(4, said), action(4, said, at=1792151999), action(4, {**said, "text": "ho"}),
    )  # fmt: skip
    assert same[0].id == again[0].id
    assert len({one[0].id for one in (same, later, other)}) == 3


def test_restream_whispers_and_relays_are_nothing_and_nicknames_are_names():
    assert action(4, {"author": {"id": "7"}, "contentModifiers": {"whisper": True}, "text": "psst"}) == []
    for name in ("relay_accepted", "relay_confirmed", "relay_failed"):
        assert read("restream", {"action": name, "payload": {"connectionIdentifier": "c"}, "timestamp": 1792151998}) == []
    discord = {"author": {"id": "5", "name": "bo", "nickname": "Bob", "roles": None}, "text": "hi"}
    assert action(1, discord, 25)[0].author_name == "Bob"


def test_restream_a_donation_of_a_kind_that_is_not_known():
    message, gift = action(99, {"author": {"id": "x"}, "text": "rant", "donation": {"amount": "10", "currency": "EUR"}}, 33)
    assert (message.text, gift.amount_minor, gift.currency) == ("rant", 1000, "EUR")
    assert types(action(99, {"author": {"id": "x"}, "text": "hi"}, 33)) == [Message]


# --- generic ------------------------------------------------------------------------------------------------------------


def test_captured_server_sent_events_keep_their_names_and_ids():
    raw = b'id: 5\nevent: comment\ndata: {"words": "x",\ndata: "author": "Ana"}\n\n: ping\n\nid: 6\nevent: end\ndata: {}\n\n'
    options = SseOptions(
        section="sse.mysite", map={"kind": "@/event", "id": "@/id", "text": "/words", "author": "/author", "type_map": {"comment": "comment", "end": "ended"}},
    )  # fmt: skip
    message, status = Sse.parse_with(options, raw, TOOLS)
    assert (message.id, message.text) == ("sse.mysite:5", "x")
    assert (type(status), status.state) == (Status, "ended")


def test_our_own_shape_takes_an_author_who_is_only_a_name():
    [message] = read("webhook", {"text": "hi", "author": "Ana"})
    assert message.author_name == "Ana"
    assert message.author == read("webhook", {"text": "hi", "author": {"id": "Ana"}})[0].author
