"""What Twitch really sends, as people keep it, through `monitor parse twitch`: shapes that no document shows, and none is lost or counted twice."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import pytest

from connectors.connector import make_pseudonym

SHOWN = make_pseudonym(b"monitor parse")
LINE = (
    "@badge-info=;badges=;color=#1E90FF;display-name=Zoë;emotes=25:2-6;id=aa11;mod=0;room-id=7;tmi-sent-ts=1790000000001;user-id=101 "
    ":zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :🚗 Kappa olá"
)


@pytest.fixture
def parse(parse_capture):
    return partial(parse_capture, "twitch")


def notice(kind: str, words: str = "", *, who: str = "display-name=Zoë;login=zoe;user-id=101;", **params: object) -> str:
    more = "".join(f"{name.replace('_', '-')}={value};" for name, value in params.items())
    tail = f" :{words}" if words else ""
    return (
        f"@{who}id=bb22;msg-id={kind};room-id=7;tmi-sent-ts=1790000001001;{more}system-msg= :tmi.twitch.tv USERNOTICE #ana{tail}"
    )


def pushed(kind: str, event: dict, *, native: str = "d1", at: str = "2026-10-16T11:59:59.995298776Z") -> dict:
    whole = {"broadcaster_user_id": "7", "broadcaster_user_login": "ana", "broadcaster_user_name": "Ana"} | event
    event = {key: value for key, value in whole.items() if value is not ...}
    metadata = {
        "message_id": native,
        "message_type": "notification",
        "message_timestamp": at,
        "subscription_type": kind,
        "subscription_version": "1",
    }
    return {"metadata": metadata, "payload": {"subscription": {"type": kind, "version": "1"}, "event": event}}


def lines(*documents: dict) -> str:
    return "\n".join(json.dumps(document) for document in documents)


USER = {"user_id": "101", "user_login": "zoe", "user_name": "Zoë"}
CHATTER = {"chatter_user_id": "101", "chatter_user_login": "zoe", "chatter_user_name": "Zoë", "chatter_is_anonymous": False}
CHEER = pushed("channel.cheer", {**USER, "is_anonymous": False, "message": "Cheer100 go", "bits": 100})
USED = pushed(
    "channel.bits.use",
    {**USER, "bits": 100, "type": "cheer", "power_up": None, "message": {"text": "Cheer100 go", "fragments": []}},
)
CHATTED = pushed(
    "channel.chat.message", {**CHATTER, "message_id": "cc", "message": {"text": "Cheer100 go", "fragments": None}, "cheer": {"bits": 100}, "reply": None}
)  # fmt: skip


# --- lines, as logs have them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        LINE,
        f"  {LINE}\r",
        f"2026-11-20T12:00:00.123Z {LINE}",
        f"[2026-11-20 12:00:00] [info] <- {LINE}",
        f"< {LINE}",
        f"recv {LINE}",
        f"DEBUG:irc: received '{LINE}\\r\\n'",
        f"2026-11-20 12:00:00 recv: {(LINE + chr(13) + chr(10)).encode()!r}",
        repr(LINE.encode() + b"\r\n"),
        json.dumps([LINE]),
        json.dumps({"messages": [LINE], "error": None, "error_code": None}, indent=2),
        json.dumps({"ts": 1790000000, "direction": "in", "data": f"{LINE}\r\n"}),
        json.dumps({"time": "12:00", "message": LINE}),
    ],
    ids=[
        "bare",
        "spaces",
        "time",
        "log",
        "arrow",
        "word",
        "quoted",
        "log of bytes",
        "bytes",
        "list",
        "recent messages",
        "record",
        "json log",
    ],
)
def test_a_line_is_read_whatever_stands_around_it(parse, written):
    [event], complaints = parse(written)
    assert complaints == []
    assert (event["id"], event["text"], event["author"]) == ("twitch:aa11", "🚗 Kappa olá", SHOWN("twitch", "101"))
    assert event["at"] == "2026-09-21T14:13:20.001000Z"


def test_what_we_said_ourselves_and_what_keeps_the_connection_is_no_event(parse):
    said = "> CAP REQ :twitch.tv/tags\n> PASS SCHMOOPIIE\n> NICK justinfan1\n> JOIN #ana\n< PING :tmi.twitch.tv\n12:00 PONG :x\n"
    assert parse(said + ":tmi.twitch.tv 353 justinfan1 = #ana :zoe bo") == ([], [])


@pytest.mark.parametrize("mark", ["\x01", "\\x01", "\\u0001", "\\001"])
def test_what_was_said_with_me_is_without_its_wrapping_however_a_log_writes_it(parse, mark):
    [event], _ = parse(f":zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :{mark}ACTION waves{mark}")
    assert event["text"] == "waves"


def test_words_of_a_log_are_unreadable_and_no_kind_of_twitch(parse):
    events, complaints = parse("connected to the server\n12:00 joined\n<ana> hi")
    assert events == []
    assert [complaint.partition(": ")[2] for complaint in complaints] == ["unreadable: bad_command"] * 3


# --- notices ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["modiversary", "viewermilestone", "announcement", "onetapstreakstarted", "useranniversary"])
def test_of_a_notice_that_counts_nothing_the_words_remain(parse, kind):
    [event], complaints = parse(notice(kind, "hello there"))
    assert (event["kind"], event["text"], complaints) == ("message", "hello there", [])


def test_a_combo_is_a_gift_of_bits(parse):
    [event], _ = parse(notice("onetapgiftredeemed", msg_param_bits_spent=5, msg_param_gift_id="heart"))
    assert (event["kind"], event["amount_minor"], event["currency"]) == ("gift", 5, "BITS")


def test_a_notice_without_a_login_is_not_by_the_server(parse):
    [event], _ = parse(notice("sub", who="display-name=Zoë;"))
    assert event["author"] == SHOWN("twitch", "zoë")
    assert event["author_name"] == "Zoë"


def test_who_gave_anonymously_is_nobody(parse):
    [event], _ = parse(notice("subgift", who="display-name=AnAnonymousGifter;login=ananonymousgifter;user-id=274598607;"))
    assert "author" not in event
    assert event["kind"] == "gift"


def test_a_shared_notice_counts_where_it_happened(parse):
    copy = notice("sharedchatnotice", "hi", source_msg_id="resub", source_room_id=9, source_id="x")
    without_room = notice("sharedchatnotice", "hi", source_msg_id="resub")
    here = notice("sharedchatnotice", "hi", source_msg_id="resub", source_room_id=7, source_id="bb22")
    events, complaints = parse(f"{copy}\n{without_room}\n{here}")
    assert ([event["kind"] for event in events], complaints) == (["message", "gift"], [])
    assert events[1]["name"] == "resub"


def test_without_tags_a_timeout_is_of_whoever_wrote_under_that_login(parse):
    (message, removed), _ = parse(":zoe!zoe@zoe.tmi.twitch.tv PRIVMSG #ana :hi\n:tmi.twitch.tv CLEARCHAT #ana :zoe")
    assert removed["target_author"] == message["author"]
    assert "zoe" not in removed["id"]


def test_a_deletion_with_the_time_of_nothing_is_a_deletion_now(parse):
    [event], complaints = parse(
        "@login=zoe;room-id=;target-msg-id=aa11;tmi-sent-ts=-62135596800000 :tmi.twitch.tv CLEARMSG #ana :x"
    )
    assert (event["kind"], event["target"], event["at"], complaints) == ("removed", "twitch:aa11", event["received_at"], [])


# --- EventSub -----------------------------------------------------------------------------------------------------------


def test_gifts_and_raids_that_are_told_alone_count(parse):
    told = [
        CHEER,
        pushed("channel.subscribe", {**USER, "tier": "1000", "is_gift": False}),
        pushed("channel.subscription.gift", {**USER, "total": 5, "tier": "1000", "cumulative_total": None, "is_anonymous": False}),
        *(pushed("channel.subscribe", {"user_id": str(n), "tier": "1000", "is_gift": True}, native=f"g{n}") for n in range(5)),
        pushed("channel.subscription.message", {**USER, "message": {"text": "love it", "emotes": None}, "cumulative_months": 5}),
        pushed("channel.charity_campaign.donate", {**USER, "amount": {"value": 1050, "decimal_places": 2, "currency": "EUR"}}),
        pushed(
            "channel.raid",
            {"broadcaster_user_id": ..., "broadcaster_user_login": ..., "from_broadcaster_user_id": "9", "from_broadcaster_user_login": "bo",
             "from_broadcaster_user_name": "Bo", "to_broadcaster_user_id": "7", "to_broadcaster_user_login": "ana", "viewers": 12},
        ),
        pushed("channel.subscription.end", {**USER, "tier": "1000", "is_gift": False}),
    ]  # fmt: skip
    events, complaints = parse(lines(*told))
    assert complaints == []
    gifts = [
        (one["name"], one.get("count", 1), one.get("amount_minor"), one.get("currency"))
        for one in events
        if one["kind"] == "gift"
    ]
    assert gifts == [
        ("bits", 1, 100, "BITS"), ("sub", 1, None, None), ("subgift", 5, None, None), ("resub", 1, None, None), ("charitydonation", 1, 1050, "EUR"),
    ]  # fmt: skip
    assert [one["text"] for one in events if one["kind"] == "message"] == ["Cheer100 go", "love it"]
    [raid] = [one for one in events if one["kind"] == "share"]
    assert (raid["author_name"], raid["livestream"]) == ("Bo", "twitch:ana")


@pytest.mark.parametrize(
    "told",
    [
        (CHEER,),
        (USED,),
        (CHEER, USED),
        (USED, CHEER),
        (CHATTED, CHEER, USED),
        (CHATTED, USED),
        (CHEER, USED, CHATTED),
        (USED, CHATTED, CHEER),
    ],
)
def test_a_cheer_counts_once_however_many_ways_it_is_told(parse, told):
    events, complaints = parse(lines(*told))
    assert complaints == []
    assert [one["amount_minor"] for one in events if one["kind"] == "gift"] == [100]
    assert [one["text"] for one in events if one["kind"] == "message"] == ["Cheer100 go"]


def test_messages_of_the_chat_tell_cheers_and_neither_subscriptions_nor_raids(parse):
    """Who reads ``channel.chat.message`` need not read the notices as well."""
    subscribed = pushed("channel.subscribe", {**USER, "tier": "1000", "is_gift": False})
    notice_of_it = pushed(
        "channel.chat.notification", {**CHATTER, "message_id": "nn", "message": {"text": ""}, "notice_type": "sub", "sub": {}}
    )
    for told, names in (((CHATTED, subscribed), ["bits", "sub"]), ((CHATTED, notice_of_it, subscribed), ["bits", "sub"])):
        events, _ = parse(lines(*told))
        assert [one["name"] for one in events if one["kind"] == "gift"] == names
    assert [one["kind"] for one in parse(f"{LINE}\n{lines(subscribed)}")[0]] == ["message"]


NOTICED = {
    "sub": pushed("channel.subscribe", {**USER, "tier": "1000", "is_gift": False}),
    "resub": pushed("channel.subscription.message", {**USER, "message": {"text": "love it"}, "cumulative_months": 5}),
    "sub_gift": pushed("channel.subscription.gift", {**USER, "total": 2, "tier": "1000", "is_anonymous": False}),
    "raid": pushed(
        "channel.raid",
        {"broadcaster_user_id": ..., "broadcaster_user_login": ..., "from_broadcaster_user_id": "101", "from_broadcaster_user_login": "zoe",
         "to_broadcaster_user_id": "7", "to_broadcaster_user_login": "ana", "viewers": 12},
    ),
    "charity_donation": pushed("channel.charity_campaign.donate", {**USER, "amount": {"value": 1050, "decimal_places": 2, "currency": "EUR"}}),
}  # fmt: skip
"""What is told alone, by the chat's name of it."""


def noticed(kind: str, number: int = 0) -> dict:
    words = {"text": "love it" if kind == "resub" else ""}
    amount = {"amount": {"value": 1050, "decimal_place": 2, "currency": "EUR"}}
    event = {
        **CHATTER,
        "message_id": f"n{number}",
        "message": words,
        "notice_type": kind,
        kind: amount if "charity" in kind else {},
    }
    return pushed("channel.chat.notification", event, native=f"n{number}")


@pytest.mark.parametrize("kind", NOTICED)
def test_what_is_told_by_both_counts_once_whichever_comes_first(parse, kind):
    chat = [noticed(kind, number) for number in range(2 if kind == "sub_gift" else 1)]

    def counted(*told: dict) -> tuple[int, int, int]:
        events, complaints = parse(lines(*told))
        assert complaints == []
        kinds = Counter(event["kind"] for event in events)
        return sum(event.get("count", 1) for event in events if event["kind"] == "gift"), kinds["share"], kinds["message"]

    assert counted(NOTICED[kind], *chat) == counted(*chat, NOTICED[kind]) == counted(NOTICED[kind]) == counted(*chat)
    assert counted(NOTICED[kind], *chat, noticed(kind, 9)) > counted(*chat), "another one by the same counts"


def test_a_line_of_the_chat_after_what_was_told_alone_counts_nothing_more(parse):
    events, _ = parse(lines(NOTICED["sub"]) + "\n" + notice("sub"))
    assert [event["kind"] for event in events] == ["gift"]
    cheer = LINE.replace("mod=0", "mod=0;bits=100").replace("🚗 Kappa olá", "Cheer100 go")
    assert [event["kind"] for event in parse(lines(CHEER) + "\n" + cheer)[0]] == ["message", "gift"]


def test_a_power_up_counts_beside_the_chat_because_nothing_else_tells_its_bits(parse):
    used = pushed(
        "channel.bits.use", {**USER, "bits": 20, "type": "power_up", "power_up": {"type": "gigantify_an_emote"}, "message": None}
    )
    events, _ = parse(lines(CHATTED, used))
    assert [(one["name"], one["amount_minor"]) for one in events if one["kind"] == "gift"] == [("bits", 100), ("power_up", 20)]


def test_a_ban_that_is_told_alone_takes_back_what_its_author_wrote(parse):
    ban = pushed(
        "channel.ban",
        {
            **USER,
            "moderator_user_id": "5",
            "reason": "",
            "banned_at": "2026-10-16T11:59:50.1Z",
            "ends_at": None,
            "is_permanent": True,
        },
    )
    [event], _ = parse(lines(ban))
    assert (event["kind"], event["target_author"], event["to"]) == (
        "removed",
        SHOWN("twitch", "101"),
        "2026-10-16T11:59:50.100000Z",
    )


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("user.update", {"event": {"user_id": "1", "user_login": "x"}}),
        ("user.authorization.revoke", {"event": {"client_id": "c", "user_id": "1"}}),
        ("user.whisper.message", {"event": {"from_user_id": "1", "to_user_id": "2", "whisper": {"text": "x"}}}),
        ("conduit.shard.disabled", {"event": {"conduit_id": "c", "shard_id": "1"}}),
        ("drop.entitlement.grant", {"events": [{"id": "1", "data": {}}]}),
        ("channel.hype_train.progress", {"event": {"broadcaster_user_id": "7", "broadcaster_user_login": "ana", "level": 2}}),
        ("channel.channel_points_custom_reward_redemption.add", {"event": {"broadcaster_user_id": "7", "user_input": "x"}}),
    ],
)
def test_what_is_not_collected_is_counted_as_unknown_and_not_unreadable(parse, kind, payload):
    document = pushed(kind, {})
    document["payload"] = {"subscription": {"type": kind}, **payload}
    [event], complaints = parse(lines(document))
    assert (event["kind"], event["name"], complaints) == ("unknown", f"eventsub {kind[:48]}", [])


def test_an_anonymous_notice_with_words_is_not_lost(parse):
    event = {
        "chatter_is_anonymous": True, "message_id": "mm", "message": {"text": "for you", "fragments": []}, "notice_type": "sub_gift",
        "sub_gift": {"duration_months": 1, "recipient_user_id": "5", "sub_tier": "1000", "community_gift_id": None},
    }  # fmt: skip
    events, complaints = parse(lines(pushed("channel.chat.notification", event)))
    assert (complaints, [one["kind"] for one in events]) == ([], ["message", "gift"])


def test_the_end_of_a_broadcast_names_it_where_twitch_does(parse):
    [event], _ = parse(lines(pushed("stream.offline", {"id": "9001"})))
    assert (event["state"], event["broadcast"]) == ("offline", "9001")


HEADERS = {
    "Twitch-Eventsub-Message-Id": "w1", "Twitch-Eventsub-Message-Type": "notification", "Twitch-Eventsub-Message-Timestamp": "2026-10-16T11:59:59.995298776Z",
    "Twitch-Eventsub-Subscription-Type": "channel.cheer", "Content-Type": "application/json",
}  # fmt: skip


def test_a_webhook_with_its_headers_has_the_time_and_the_id_of_its_delivery(parse):
    body = json.dumps(CHEER["payload"])
    raw = "POST /hooks/twitch HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + "\r\n" + body
    har = {
        "log": {
            "entries": [
                {"request": {"headers": [{"name": n, "value": v} for n, v in HEADERS.items()], "postData": {"text": body}}}
            ]
        }
    }
    for written in (
        json.dumps({"headers": HEADERS, "body": body}),
        json.dumps({"headers": HEADERS, "body": CHEER["payload"]}),
        raw,
        json.dumps(har),
    ):
        events, complaints = parse(written)
        assert complaints == []
        assert {event["at"] for event in events} == {"2026-10-16T11:59:59.995298Z"}
        assert [event["id"] for event in events] == ["twitch:eventsub:w1:words", "twitch:eventsub:w1:bits"]


def test_a_challenge_and_a_revocation_are_told_by_their_header(parse):
    challenge = {
        "headers": {"Twitch-Eventsub-Message-Type": "webhook_callback_verification"},
        "body": {"challenge": "x", "subscription": {"type": "channel.follow"}},
    }
    revoked = {
        "headers": {"twitch-eventsub-message-type": ["revocation"]},
        "body": {"subscription": {"type": "channel.follow", "status": "user_removed"}},
    }
    without = {
        "subscription": {"type": "channel.follow", "status": "authorization_revoked", "condition": {"broadcaster_user_id": "7"}}
    }
    assert parse(lines(challenge, revoked, without)) == ([], [])


def test_a_broadcast_began_when_twitch_says_it_did(parse):
    [event], _ = parse(lines(pushed("stream.online", {"id": "9001", "type": "live", "started_at": "2026-10-16T11:58:00Z"})))
    assert (event["state"], event["at"]) == ("live", "2026-10-16T11:58:00Z")


# --- Helix --------------------------------------------------------------------------------------------------------------

STREAM = {
    "id": "9001", "user_id": "7", "user_login": "ana", "user_name": "Ana", "game_id": "1", "type": "live", "title": "We are live", "viewer_count": 1234,
    "started_at": "2026-10-16T10:00:00Z", "language": "pt", "thumbnail_url": "", "tag_ids": [], "tags": ["x"], "is_mature": False,
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_about_streams_says_who_is_live_with_how_many_viewers(parse, indent):
    other = {**STREAM, "id": "9002", "user_id": "8", "user_login": "bo", "viewer_count": "5", "type": ""}
    events, complaints = parse(json.dumps({"data": [STREAM, other], "pagination": {"cursor": "x"}}, indent=indent))
    assert complaints == []
    assert [(one["kind"], one["livestream"], one["broadcast"]) for one in events] == [
        ("status", "twitch:ana", "9001"), ("viewers", "twitch:ana", "9001"), ("status", "twitch:bo", "9002"), ("viewers", "twitch:bo", "9002"),
    ]  # fmt: skip
    assert [one["viewers"] for one in events if one["kind"] == "viewers"] == [1234, 5]


def test_other_answers_say_nothing_or_are_unknown(parse):
    quiet = [
        {"data": [], "pagination": {}},
        {"data": [{"id": "7", "login": "ana", "display_name": "Ana", "type": "", "broadcaster_type": "partner"}]},
        {"data": [{"broadcaster_id": "7", "broadcaster_login": "ana", "broadcaster_language": "pt", "title": "x"}]},
        {
            "total": 1,
            "data": [{"id": "s", "status": "enabled", "type": "channel.follow", "transport": {"method": "conduit"}}],
            "pagination": {},
        },
    ]
    assert parse(lines(*quiet)) == ([], [])
    events, _ = parse(lines({"total": 8, "data": [{"something": "new"}]}))
    assert Counter(one["kind"] for one in events) == {"unknown": 1}
    assert parse(lines({"error": "Unauthorized", "status": 401, "message": "Invalid OAuth token"}))[1] == [
        "line 1: unreadable: api_error"
    ]
